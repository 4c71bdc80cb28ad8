"""What formulas are made of: names, arrays, sums, and how large they may be.

The nodes of the expression tree, and the natural sort order of names.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import sympy as sp
from mpmath.libmp import prec_to_dps
from sympy.concrete.expr_with_limits import ExprWithLimits

from symgd.language.as_written import choice, made
from symgd.language.functions import NODES
from symgd.language.quick import total, unasked

MAX_NODES = 50_000
MAX_DEPTH = 100
MAX_BITS = 10_000  # of one exact power of numbers; all constants together: 20 times

CONDITIONS = (
    sp.And,
    sp.Or,
    sp.Not,
    sp.ITE,
    sp.core.relational.Relational,
    sp.logic.boolalg.BooleanTrue,
    sp.logic.boolalg.BooleanFalse,
)
NOT_REAL = (sp.I, sp.zoo, sp.oo, -sp.oo, sp.nan)
SYMPY_FAILURES = (
    *(ArithmeticError, AttributeError, NotImplementedError, TypeError, ValueError),
)


class _Repeated:
    """A sum or product as it is written.

    SymPy's constructors pull conditions out of the body: at exponential cost, and even
    out of a sum inside it, where the index of that sum is lost. And SymPy takes a sum
    without free symbols for a number, which it would compute by approximations.
    """

    __slots__ = ()
    is_number = False
    empty: sp.Expr
    function: sp.Expr
    limits: tuple[sp.Tuple, ...]

    def __new__(cls, body: Any, *limits: Any, **assumptions: Any) -> Any:
        if isinstance(body, cls):
            body, limits = body.function, (*body.limits, *limits)
        tuples = (sp.Tuple(*limit) for limit in limits)
        node = sp.Expr.__new__(cls, sp.sympify(body), *tuples, **assumptions)
        node.is_commutative = True
        return node


class Sum(_Repeated, sp.Sum):
    """SymPy's sum, of a body that stays as it is; without terms it is 0."""

    __slots__ = ()
    empty = sp.S.Zero


class Product(_Repeated, sp.Product):
    """SymPy's product, of a body that stays as it is; without factors it is 1."""

    __slots__ = ()
    empty = sp.S.One


class Maximum(_Repeated, ExprWithLimits):
    """The largest value of a body; without any it is -inf."""

    __slots__ = ()
    empty = sp.S.NegativeInfinity


class Table(_Repeated, ExprWithLimits):
    """The elements of a matrix, by a row's index and a column's, the last limit first.

    It stands only in what is of a whole matrix: see FACTORED.
    """

    __slots__ = ()
    empty = sp.S.NaN

    def _latex(self, printer: Any) -> str:
        places = ", ".join(printer._print(limit[0]) for limit in reversed(self.limits))
        body = printer._print(self.function)
        return rf"\left[{body}\right]_{{{places}}}"


REPEATED = (sp.Sum, sp.Product, Maximum, Table)


class _OfMatrix(sp.Expr):
    """A number that is computed of the factors of a matrix, a :class:`Table`."""

    is_commutative = True
    is_extended_real = True
    is_number = False

    def __new__(cls, *parts: Any) -> Any:
        return sp.Expr.__new__(cls, *map(sp.sympify, parts))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        whole = self._in_latex(*map(printer._print, self.args))
        return whole if exp is None else rf"\left({whole}\right)^{{{exp}}}"


class Determinant(_OfMatrix):
    """The determinant of a square matrix."""

    what = "det"
    form = r"\det {}"

    def _in_latex(self, matrix: str) -> str:
        return self.form.format(matrix)


class LogDeterminant(Determinant):
    """Its logarithm, which doesn't overflow; of a negative determinant NaN."""

    what = "logdet"
    form = r"\log \det {}"


class LogAbsDeterminant(Determinant):
    """The logarithm of its absolute value."""

    what = "logabsdet"
    form = r"\log \left|\det {}\right|"


class Solution(_OfMatrix):
    """An element of what solves A X = B: of A, B, and the element's row and column.

    A vector B has no column.
    """

    def _in_latex(self, matrix: str, right: str, *places: str) -> str:
        product = rf"\left({matrix}^{{-1}} {right}\right)"
        return rf"{product}_{{{', '.join(places)}}}"


DETERMINANTS = (Determinant, LogDeterminant, LogAbsDeterminant)
FACTORED = (*DETERMINANTS, Solution)


def is_factored(expression: sp.Basic) -> bool:
    """Return whether an expression has a determinant, an inverse or a solution."""
    return expression.has(*FACTORED)


def values_of(limit: sp.Tuple) -> sp.Expr:
    """Return how many values an index has."""
    _, low, high = limit
    return high - low + 1


def rows_of(table: Table) -> sp.Expr:
    """Return how many rows a matrix has, or how many elements a vector."""
    return values_of(table.limits[-1])


def unit_table(rows: sp.Tuple) -> Table:
    """Return the unit matrix that is as large as a row's range."""
    row, low, high = rows
    column = sp.Symbol(f"[column {row.name}]", real=True)
    body = choice((sp.S.One, sp.Eq(row, column, evaluate=False)), (sp.S.Zero, True))
    return Table(body, (column, low, high), rows)


def inverse(matrix: Table, row: sp.Expr, column: sp.Expr) -> Solution:
    """Return an element of the inverse of a matrix."""
    return Solution(matrix, unit_table(matrix.limits[-1]), row, column)


class _OfOwnRule(sp.Function):
    """A function of which only its own rule is asked what it is, not SymPy."""

    def __new__(cls, *arguments: Any, **options: Any) -> Any:
        known = cls.eval(*arguments)
        return unasked(cls, *arguments) if known is None else known


class kept(_OfOwnRule):
    """An expression that stays one: SymPy multiplies nothing into it or out of it."""

    is_extended_real = True

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        """Return what there is nothing to do with."""
        return x if isinstance(x, kept) or not x.args else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative."""
        return sp.S.One

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return self.args[0]._eval_evalf(prec)

    def _sympystr(self, printer: Any) -> str:
        return f"({printer._print(self.args[0])})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        inner = rf"\left({printer._print(self.args[0])}\right)"
        return inner if exp is None else f"{inner}^{{{exp}}}"


class _Share(_OfOwnRule):
    """The derivative of a Max or Min by an argument: 1 if it alone is extreme, else 0.

    Of several that are, each has an equal share. The first argument is the one whose
    share this is, the second the Max or Min: one for all shares, so that their size
    grows with their number. They are compared as they are computed: a difference of
    them could be the rounding of one.
    """

    is_extended_real = True
    is_nonnegative = True
    kind: type

    @classmethod
    def eval(cls, argument: sp.Expr, extreme: sp.Expr) -> sp.Expr | None:
        """Return the share of what alone is left."""
        if argument == extreme:
            return sp.S.One
        if not (argument.is_number and extreme.is_number):
            return None
        numbers = argument.is_comparable and extreme.is_comparable
        return sp.S.Zero if numbers else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative, away from the jumps."""
        return sp.S.Zero

    def _eval_subs(self, old: sp.Basic, new: sp.Basic) -> sp.Expr:
        return self._with(lambda part: part._subs(old, new))

    def _xreplace(self, rule: Mapping[Any, Any]) -> tuple[Any, bool]:
        if self in rule:
            return rule[self], True
        share = self._with(lambda part: part.xreplace(rule))
        return share, share != self

    def _with(self, change: Callable[[Any], Any]) -> sp.Expr:
        # The Max or Min forgets which of its arguments have become equal.
        argument, extreme = self.args
        changed = change(argument)
        alternatives = [change(other) for other in extreme.args]
        if all(other.is_comparable for other in alternatives):
            size = min(map(_digits, alternatives))
            changed, *alternatives = (a.evalf(size) for a in (changed, *alternatives))
        share = self.func(changed, self.kind(*alternatives))
        return share / max(1, alternatives.count(changed))

    def as_branches(self) -> sp.Piecewise:
        """Return the same as a choice by comparisons, but of more than two: see ties.

        SymPy must not rewrite the comparisons.
        """
        argument, extreme = self.args
        if len(extreme.args) > 2:
            return _where_extreme(argument, extreme)
        one, two = extreme.args
        other = two if argument == one else one
        better = sp.Gt if self.kind is sp.Max else sp.Lt
        alone = (sp.S.One, better(argument, other, evaluate=False))
        tied = (sp.S.Half, sp.Eq(argument, other, evaluate=False))
        return choice(alone, tied, (sp.S.Zero, True))


class share_of_max(_Share):
    """See :class:`_Share`."""

    kind = sp.Max


class share_of_min(_Share):
    """See :class:`_Share`."""

    kind = sp.Min


def _digits(number: sp.Expr) -> int:
    """Return the decimals to which all parts of a number are known."""
    return min((prec_to_dps(f._prec) for f in number.atoms(sp.Float)), default=100)


def _where_extreme(argument: sp.Expr, extreme: sp.Expr) -> sp.Piecewise:
    reaches = sp.Ge if isinstance(extreme, sp.Max) else sp.Le
    reached = (sp.S.One, reaches(argument, extreme, evaluate=False))
    return choice(reached, (sp.S.Zero, True))


def ties(extreme: sp.Expr) -> sp.Expr:
    """Return what the branches of the shares in a Max or Min are divided by."""
    if len(extreme.args) <= 2:
        return sp.S.One
    return total(*(_where_extreme(a, extreme) for a in extreme.args))


SHARES = {sp.Max: share_of_max, sp.Min: share_of_min}
EXPRESSIONS = (sp.Add, sp.Mul, sp.Pow, sp.Piecewise, kept, *SHARES.values(), *NODES)


def is_constant(node: sp.Basic) -> bool:
    """Return whether a node has no symbol; most have one straight down."""
    part = node
    while part.args:
        part = part.args[0 if part.is_Pow or part.is_Piecewise else -1]
    pending = [] if part.is_Symbol else [node]
    while pending:
        part = pending.pop()
        if isinstance(part, sp.Symbol):
            return False
        pending.extend(part.args)
    return not part.is_Symbol


def contains(
    node: sp.Basic, wanted: Iterable[sp.Basic], seen: set[sp.Basic] | None = None
) -> bool:
    """Return whether any of some nodes is in another; what is shared is seen once.

    Wanted is no float.

    ``seen`` is kept by who asks for many nodes: what is known to hold none.
    """
    wanted, seen = frozenset(wanted), set() if seen is None else seen
    pending = [] if node in seen else [node]
    seen.update(pending)
    while pending:
        part = pending.pop()
        if part in wanted:
            return True
        inner = [a for a in part.args if not a.is_Float and a not in seen]
        seen.update(inner)
        pending += inner
    return False


def parts_of(node: sp.Basic) -> Iterator[Any]:
    """Yield each different node of a tree once."""
    seen, pending = {node}, [node]
    while pending:
        part = pending.pop()
        yield part
        inner = [a for a in part.args if a not in seen]
        seen.update(inner)
        pending += inner


def length_of(node: sp.Basic, most: int) -> int:
    """Return how many different nodes there are, or just more than ``most``."""
    return sum(1 for _ in itertools.islice(parts_of(node), most + 1))


def replaced(node: Any, known: Mapping[Any, Any]) -> Any:
    """Replace nodes by others, all else as ``as_written.made`` builds it."""
    done = dict(known)

    def renewed(part: Any) -> Any:
        if part not in done:
            done[part] = _of_parts(part, renewed)
        return done[part]

    return renewed(node)


def _of_parts(node: Any, renewed: Callable[[Any], Any]) -> Any:
    """Return a node of renewed parts: the same where they are the same."""
    arguments = tuple(map(renewed, node.args))
    same = all(new is old for new, old in zip(arguments, node.args, strict=True))
    return node if same else made(node.func, arguments)


def replaced_free(node: Any, known: Mapping[sp.Symbol, sp.Expr]) -> Any:
    """Replace symbols, but not where a sum or a table inside has such an index."""
    if not known:
        return node
    done: dict[Any, Any] = dict(known)

    def renewed(part: Any) -> Any:
        if part not in done:
            own = {lim[0] for lim in part.limits} if isinstance(part, REPEATED) else ()
            free = {name: new for name, new in known.items() if name not in own}
            if len(free) < len(known):
                done[part] = replaced_free(part, free)
            else:
                done[part] = _of_parts(part, renewed)
        return done[part]

    return renewed(node)


def unused(symbol: sp.Symbol, word: str, *nodes: sp.Basic) -> sp.Symbol:
    """Return a name for an index that no formula can have, nor any of some nodes."""
    taken = {each.name for node in nodes for each in node.atoms(sp.Symbol)}
    name = f"[{word} {symbol.name}]"
    while name in taken:
        name += "'"
    return sp.Symbol(name, real=True)


@functools.lru_cache(maxsize=1024)
def symbol(name: str) -> sp.Symbol:
    """Return the symbol that stands for a name in every formula: a real one."""
    return sp.Symbol(name, real=True)


def array(name: str) -> sp.IndexedBase:
    """Return what stands for an indexed name in every formula.

    >>> array("x")[symbol("i") + 1]
    x[i + 1]
    """
    return sp.IndexedBase(symbol(name))


def natural_order(names: Iterable[str]) -> list[str]:
    """Sort names as people do: x2 before x10.

    >>> natural_order(["x10", "y", "x2"])
    ['x2', 'x10', 'y']
    """

    def key(name: str) -> list[tuple[int, int, str]]:
        parts = re.split(r"(\d+)", name)
        return [(0, int(p), p) if p.isdecimal() else (1, 0, p) for p in parts if p]

    return sorted(names, key=key)


def names_in(expression: sp.Basic) -> tuple[set[str], dict[str, int]]:
    """Return the plain names in an expression, and its arrays.

    Parameters
    ----------
    expression : SymPy expression
        What :func:`symgd.language.formula.read` returned, or was derived from it.

    Returns
    -------
    plain : set of str
        Names without an index: those of sizes count, those of the sums' indices don't.
    arrays : dict of str to int
        Indexed names, and how many indices they have.

    Examples
    --------
    >>> i, n = symbol("i"), symbol("n")
    >>> names_in(Sum(array("x")[i] ** 2, (i, 0, n - 1)))
    ({'n'}, {'x': 1})
    """
    plain: set[str] = set()
    arrays: dict[str, int] = {}
    seen = set()

    def walk(node: sp.Basic, indices: frozenset[sp.Symbol]) -> None:
        if (node, indices) in seen:
            return
        seen.add((node, indices))
        if isinstance(node, sp.Symbol):
            if node not in indices:
                plain.add(node.name)
            return
        inner = node.args
        if isinstance(node, sp.Indexed):
            arrays[node.base.name] = len(node.indices)
            inner = node.indices
        elif isinstance(node, REPEATED):
            for index, *bounds in reversed(node.limits):
                for bound in bounds:
                    walk(bound, indices)
                indices |= {index}
            inner = (node.function,)
        for argument in inner:
            walk(argument, indices)

    walk(expression, frozenset())
    return plain, arrays
