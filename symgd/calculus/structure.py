"""What a formula with arrays is made of: accesses, sizes, and sums inside of sums.

Static analysis of a formula. Where a condition becomes a limit, a sum is ``narrowed``;
an unrolled one is ``written_out``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, TypeAlias

import sympy as sp

from symgd.calculus.program import outermost
from symgd.calculus.unmoved import moves
from symgd.errors import FormulaError
from symgd.language.as_written import made
from symgd.language.formula import names_in, symbol, text_of
from symgd.language.nodes import REPEATED, Maximum, Product, Sum

# An index with its bounds, both inclusive; the outermost first.
Range: TypeAlias = tuple[sp.Symbol, sp.Expr, sp.Expr]
# A condition, and whether it must hold or must not.
Guard: TypeAlias = tuple[Any, bool]


@dataclass(frozen=True)
class Access:
    """An access to an array, the ranges of the indices around it, and its conditions.

    Where one of these isn't as it is wanted, nothing depends on what is read.
    """

    node: sp.Indexed
    ranges: tuple[Range, ...]
    guards: tuple[Guard, ...] = ()

    @property
    def name(self) -> str:
        """Of the array."""
        return str(self.node.base.label)


def has_arrays(expression: sp.Expr) -> bool:
    """Return whether an expression has sums or accesses."""
    return expression.has(*REPEATED, sp.Indexed)


def accesses(expression: sp.Basic) -> list[Access]:
    """Return all accesses in an expression, those inside of indices too."""
    found: dict[Access, None] = {}

    def visit(
        node: sp.Basic, ranges: tuple[Range, ...], guards: tuple[Guard, ...]
    ) -> None:
        if isinstance(node, REPEATED):
            visit(node.function, (*ranges, *ranges_of(node)), guards)
            return
        if isinstance(node, sp.Indexed):
            found[Access(node, ranges, guards)] = None
            for index in node.indices:
                visit(index, ranges, guards)
            return
        for part, added in _guarded(node):
            visit(part, ranges, guards + added)

    visit(expression, (), ())
    return list(found)


def ranges_of(node: sp.Expr) -> tuple[Range, ...]:
    """Return the ranges of a sum or product, the outermost first."""
    return tuple(tuple(limit) for limit in reversed(node.limits))


def all_ranges(expression: sp.Basic) -> list[tuple[Range, ...]]:
    """Return the ranges of each sum and product, with those around it."""
    found: dict[tuple[Range, ...], None] = {}

    def visit(node: sp.Basic, ranges: tuple[Range, ...]) -> None:
        if isinstance(node, REPEATED):
            ranges = (*ranges, *ranges_of(node))
            found[ranges] = None
            visit(node.function, ranges)
        elif node.has(*REPEATED):
            for part in node.args:
                visit(part, ranges)

    visit(expression, ())
    return list(found)


def _guarded(node: sp.Basic) -> Iterator[tuple[sp.Basic, tuple[Guard, ...]]]:
    """Yield the parts of a node, each with the conditions under which it counts."""
    if isinstance(node, sp.Piecewise):
        passed: tuple[Guard, ...] = ()
        for value, condition in node.args:
            yield condition, passed
            yield value, (*passed, (condition, True))
            passed = (*passed, (condition, False))
    elif isinstance(node, sp.ITE):
        test, yes, no = node.args
        yield from [(test, ()), (yes, ((test, True),)), (no, ((test, False),))]
    elif isinstance(node, (sp.And, sp.Or)):  # in no order: any may decide it
        goes_on = isinstance(node, sp.And)
        for part in node.args:
            others = (other for other in node.args if other != part)
            yield part, tuple((other, goes_on) for other in others)
    else:
        yield from ((part, ()) for part in node.args)


def index_arrays(expression: sp.Expr) -> set[str]:
    """Return the arrays whose elements are indices."""
    inner = {
        a
        for node in expression.atoms(sp.Indexed)
        for i in node.indices
        for a in i.atoms(sp.Indexed)
    }
    return {str(access.base.label) for access in inner}


def rows_in_common(
    expression: sp.Expr, names: Sequence[str], formula: str
) -> list[list[str]]:
    """Return arrays in groups of which each row is one: a sum's index counts it.

    Raises
    ------
    FormulaError
        If rows are referred to in another way, as others would then be meant.
    """
    groups: list[tuple[set[sp.Basic], set[str]]] = []
    for access in accesses(expression):
        if access.name not in names:
            continue
        first = access.node.indices[0]
        if first not in {name for name, _, _ in access.ranges}:
            problem = (
                f"missing='drop': {text_of(access.node)} needs the rows as they are"
            )
            raise FormulaError(problem, formula)
        keys = {r for r in access.ranges if r[0] == first}
        same = [g for g in groups if g[0] & keys or access.name in g[1]]
        merged = (
            keys.union(*(g[0] for g in same)),
            {access.name}.union(*(g[1] for g in same)),
        )
        groups = [g for g in groups if g not in same] + [merged]
    return [sorted(group) for _, group in groups]


def bound_names(expression: sp.Expr) -> set[str]:
    """Return the names in the bounds of sums."""
    names: set[str] = set()
    for node in expression.atoms(*REPEATED):
        bounds = [bound for limit in node.limits for bound in limit[1:]]
        names |= {s.name for bound in bounds for s in bound.atoms(sp.Symbol)}
    return names


def size_names(expression: sp.Expr) -> set[str]:
    """Return the names in bounds of sums and in indices that are no index."""
    names: set[str] = set()
    for access in accesses(expression):
        indices = {r[0] for r in access.ranges}
        for index in access.node.indices:
            inner = {
                s for a in index.atoms(sp.Indexed) for s in a.base.atoms(sp.Symbol)
            }
            names |= {s.name for s in index.atoms(sp.Symbol) - indices - inner}
    names |= bound_names(expression)
    indices = {
        limit[0].name for node in expression.atoms(*REPEATED) for limit in node.limits
    }
    plain, _ = names_in(expression)
    return {name for name in names if name in plain and name not in indices}


def names_from_end(expression: sp.Expr) -> set[str]:
    """Return the names that are only in indices counted from an end, as in x[n - 1].

    An i, j or k is an index of which a sum was forgotten.

    >>> from symgd.language.formula import read
    >>> names_from_end(read("x[n - 1] + y[k]", arrays=True))
    {'n'}
    """
    found: dict[str, bool] = {}
    for access in accesses(expression):
        for index in access.node.indices:
            for name in index.free_symbols:
                gap = sp.expand(name - index)
                from_end = bool(gap.is_Integer and gap > 0)
                found[name.name] = from_end and found.get(name.name, True)
    return {name for name, from_end in found.items() if from_end} - {*"ijk"}


def numbers_of(sizes: Mapping[str, int]) -> dict[sp.Symbol, sp.Integer]:
    """Return sizes as what their names are replaced with."""
    return {symbol(name): sp.Integer(size) for name, size in sizes.items()}


def extreme(index: sp.Expr, ranges: Sequence[Range], largest: bool) -> sp.Expr | None:
    """Return the largest or smallest value of an affine index; None for others."""
    if index.has(sp.Indexed):
        return None
    for name, low, high in reversed(ranges):
        if index.has(name):
            slope = sp.expand(index.xreplace({name: name + 1}) - index)
            if not slope.is_number:
                return None
            index = index.xreplace({name: high if (slope > 0) == largest else low})
    return sp.expand(index)


# ------------------------------------------------------------------ conditions


def narrowed(expression: sp.Expr) -> sp.Expr:
    """Return an expression whose sums don't run where a condition leaves nothing.

    ``sum(x[i - 1] for i in range(n) if i > 0)`` begins at 1.
    """
    if isinstance(expression, REPEATED):
        body, limits = narrowed(expression.function), list(expression.limits)
        neutral = expression.empty
        if isinstance(body, sp.Piecewise) and len(body.args) == 2:
            (value, condition), (other, rest) = body.args
            if other == neutral and rest == sp.true:
                left = [c for c in sp.And.make_args(condition) if not _moved(c, limits)]
                body = value
                if left:
                    body = sp.Piecewise((value, sp.And(*left)), (neutral, True))
        return expression.func(body, *limits)
    if not expression.args or not has_arrays(expression):
        return expression
    return made(expression.func, map(narrowed, expression.args))


def within(access: Access, sizes: Set[str]) -> tuple[Range, ...]:
    """Return the ranges in which the conditions of an access may hold.

    Those conditions count that compare whole numbers: sizes, and indices.
    """
    limits = [sp.Tuple(*each) for each in reversed(access.ranges)]
    known = sizes | {index.name for index, _, _ in access.ranges}
    for condition, wanted in access.guards:
        for part in _parts(condition, wanted):
            if {s.name for s in part.free_symbols} <= known:
                _moved(part, limits)
    return tuple(tuple(limit) for limit in reversed(limits))


def _parts(condition: sp.Basic, wanted: bool) -> Sequence[sp.Basic]:
    """Return conditions that all hold where one is as it is wanted."""
    if isinstance(condition, sp.And if wanted else sp.Or):
        return [part for each in condition.args for part in _parts(each, wanted)]
    return [condition if wanted else sp.Not(condition)]


def _moved(condition: sp.Basic, limits: list[sp.Tuple]) -> bool:
    """Make a condition part of the limits, innermost first; return whether it is."""
    if not isinstance(condition, (sp.Gt, sp.Ge, sp.Lt, sp.Le)):
        return False
    gap = sp.expand(condition.gts - condition.lts)  # above 0, or at least 0
    gap = gap - 1 if isinstance(condition, (sp.Gt, sp.Lt)) else gap
    inner: set[sp.Symbol] = set()
    for place, (index, low, high) in enumerate(limits):
        slope = sp.expand(gap.xreplace({index: index + 1}) - gap)
        bound = sp.expand(index - gap / slope) if slope in (1, -1) else sp.nan
        if _is_whole(bound) and not bound.atoms(sp.Symbol) & {*inner, index}:
            low, high = (
                (sp.Max(low, bound), high) if slope > 0 else (low, sp.Min(high, bound))
            )
            limits[place] = sp.Tuple(index, low, high)
            return True
        inner.add(index)
    return False


def _is_whole(bound: sp.Expr) -> bool:
    """Return whether a bound is a whole number: a sum of names, times whole numbers."""
    terms = sp.Add.make_args(bound)
    factors = [term.as_coeff_Mul() for term in terms]
    return all(c.is_Integer and (r == 1 or r.is_Symbol) for c, r in factors)


# ------------------------------------------------------------------- written out

WRITTEN_OUT = 64  # terms of the sums inside of another one, all in all
OPERATIONS = 4000  # in these terms


def written_out(expression: sp.Expr, sizes: Mapping[str, int]) -> sp.Expr:
    """Return an expression whose short inner sums are sums of terms.

    The rows of data are then worked on side by side, rather than the few columns. Sums
    that don't move with those around them stay: they are computed once.
    """

    def outer(node: sp.Basic) -> sp.Basic:
        if isinstance(node, REPEATED):
            return node.func(inner(node.function, _own(node)), *node.limits)
        return made(node.func, map(outer, node.args)) if node.args else node

    def inner(node: sp.Basic, around: frozenset[sp.Basic]) -> sp.Basic:
        if not node.has(*REPEATED):
            return node
        if isinstance(node, REPEATED):
            if not moves(node, around):
                return outer(node)
            body = inner(node.function, around | _own(node))
            if not _is_short(node, sizes):
                return node.func(body, *node.limits)
            return made(_WRITTEN[node.func], _terms(node, body, sizes))
        return made(node.func, [inner(part, around) for part in node.args])

    return outer(expression)


_WRITTEN = {Sum: sp.Add, Product: sp.Mul, Maximum: sp.Max}


def _own(node: sp.Expr) -> frozenset[sp.Basic]:
    return frozenset(limit[0] for limit in node.limits)


def static_sizes(expression: sp.Expr, sizes: Mapping[str, int]) -> dict[str, int]:
    """Return the sizes that become part of the code: those of what is written out."""
    used: set[str] = set()
    for outer in expression.atoms(*REPEATED):
        for node in outer.function.atoms(*REPEATED):
            if moves(node, _own(outer)) and _is_short(node, sizes):
                bounds = [bound for limit in node.limits for bound in limit[1:]]
                used |= {s.name for bound in bounds for s in bound.atoms(sp.Symbol)}
    return {name: sizes[name] for name in sorted(used)}


def _is_short(node: sp.Expr, sizes: Mapping[str, int]) -> bool:
    """Return whether a sum, with all sums inside of it, is to be written out."""
    terms = _count(node, sizes)
    operations = sp.count_ops(node.function)
    return 0 <= terms <= WRITTEN_OUT and terms * operations <= OPERATIONS


def _count(node: sp.Expr, sizes: Mapping[str, int]) -> int:
    """Return how many terms a sum has, those of sums inside too; -1 if that varies."""
    numbers, count = numbers_of(sizes), 1
    for _, low, high in node.limits:
        first, last = (bound.xreplace(numbers) for bound in (low, high))
        if not (first.is_Integer and last.is_Integer):
            return -1
        count *= max(0, int(last - first) + 1)
    inside = [_count(n, sizes) for n in outermost(node.function, *REPEATED)]
    return -1 if -1 in inside else count * max(1, sum(inside))


def _terms(node: sp.Expr, body: sp.Expr, sizes: Mapping[str, int]) -> list[sp.Expr]:
    """Return the terms of a sum."""
    numbers, terms = numbers_of(sizes), [body]
    for index, low, high in node.limits:
        first, last = (int(bound.xreplace(numbers)) for bound in (low, high))
        terms = [
            term.xreplace({index: sp.Integer(k)})
            for term in terms
            for k in range(first, last + 1)
        ]
    return terms
