"""A formula with kinks, said smoothly where that is exact: its epigraph.

Where f rises with ``abs(u)``, its minimum is that of the same with ``p + q`` in its
place, for ``p - q == u`` and p, q >= 0: at a minimum one of them is 0. A ``max`` of two
is one of them and p; of several, what is at least each of them. A norm is what is at
least as large, ``sum(u**2)/t <= t``: this form is convex, and has a gradient at the tip
of the cone where ``sum(u**2) <= t**2`` has none. A ``min`` that f falls with is the
same upside down.

Where f may fall with an ``abs``, there is no such form: the kink is no valley.

Sources: Boyd and Vandenberghe 2004, "Convex optimization", section 4.1.3; Grant, Boyd
and Ye 2006, "Disciplined convex programming", for the rules of signs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

import sympy as sp
from sympy.codegen.cfunctions import expm1, log1p

from symgd.calculus.spans import Interval, among, span_of
from symgd.language.as_written import made
from symgd.language.formula import array as array_of
from symgd.language.formula import symbol
from symgd.language.functions import log_cosh, real_abs, softplus
from symgd.language.nodes import Maximum, Sum, kept, parts_of
from symgd.language.smoothness import is_analytic, is_root, varying

Around: TypeAlias = tuple[Any, ...]  # of an index: its name, first and last

ABSOLUTE = (sp.Abs, real_abs)
KINKED = (*ABSOLUTE, sp.Max, sp.Min, Maximum)
RISING = (sp.exp, expm1, sp.sinh, sp.tanh, sp.atan, sp.asinh, sp.erf, softplus)
ON_POSITIVE = (sp.log, log1p)  # rising where they are defined
FROM_ZERO = (sp.cosh, log_cosh)  # rising from 0 on
MOST = 2000  # kinks, and what they choose from
PAIR, MOST_OF, NORM = "pair", "most", "norm"


class NotExactError(Exception):
    """There is no smooth form that has the same minima."""


class KinkedPart(NamedTuple):
    """What stands for a kink, or for as many as there are indices.

    Attributes
    ----------
    kind : str
        PAIR: one of two is 0, and their difference is ``pieces[0]``. MOST_OF: at least
        each piece (``sign`` 1), or at most (-1): they are (piece, limits). NORM: at
        least the root of a sum of ``pieces``, which are (weight, base, limits, root).
    names : tuple of str
        Of new variables.
    node : SymPy expression
        The kink, as it is written.
    pieces : tuple
    limits : tuple
        Of the indices around it, the innermost first.
    sign : float
    """

    kind: str
    names: tuple[str, ...]
    node: Any
    pieces: tuple[Any, ...]
    limits: Around
    sign: int = 1

    @property
    def formulas(self) -> list[Any]:
        """What the pieces are of."""
        places = {PAIR: None, MOST_OF: 0, NORM: 1}
        place = places[self.kind]
        return [p if place is None else p[place] for p in self.pieces]


def may_have_epigraph(expression: Any) -> bool:
    """Return whether a formula has kinks that may have a smooth form."""
    return any(isinstance(p, KINKED) or _is_norm(p) for p in parts_of(expression))


def epigraph(
    expressions: Iterable[tuple[Any, Around, bool | None]],
    variables: Iterable[str],
    known: Mapping[str, Interval],
    taken: Iterable[str],
) -> tuple[list[Any], tuple[KinkedPart, ...]] | None:
    """Return formulas without kinks whose minima are the same; None if there are none.

    Parameters
    ----------
    expressions : iterable of (expression, limits, rises)
        Formulas, the indices around them, and whether less of them is better, or more;
        None is neither: there can be no kink.
    variables : iterable of str
    known : mapping of str to pair
        Between what other names, and the elements of data, are.
    taken : iterable of str
        Names that can't be given to new variables.

    Examples
    --------
    >>> x = symbol("x")
    >>> formulas, parts = epigraph([(2 * abs(x), (), True)], ["x"], {}, ["x"])
    >>> formulas, parts[0].names
    ([2*kink + 2*kink_1], ('kink', 'kink_1'))
    >>> epigraph([(-abs(x), (), True)], ["x"], {}, ["x"]) is None
    True
    """
    rewriter = _Rewriter(expressions, set(variables), known, set(taken))
    try:
        found = [rewriter.monotone(*given) for given in rewriter.given]
    except NotExactError:
        return None
    names = rewriter.variables | {n for part in rewriter.parts for n in part.names}
    if not all(is_analytic(varying(each, names)) for each in found):
        return None
    inner = (piece for part in rewriter.parts for piece in part.formulas)
    if not all(is_analytic(varying(each, names)) for each in inner):
        return None
    return found, tuple(rewriter.parts)


class _Rewriter:
    """Replaces kinks by new variables, from the inside."""

    def __init__(
        self,
        expressions: Iterable[tuple[Any, Around, bool | None]],
        variables: set[str],
        known: Mapping[str, Interval],
        taken: set[str],
    ) -> None:
        self.given = [(node, rises, limits) for node, limits, rises in expressions]
        self.variables, self.known, self.taken = variables, known, taken
        self.parts: list[KinkedPart] = []
        self.done: dict[Any, Any] = {}
        self.pieces = 0
        self.kinked: set[Any] = set()
        for node, _, _ in self.given:
            self._find(node)

    def _find(self, node: Any) -> None:
        """Note which parts of a formula have a kink that depends on variables."""
        moving = varying(node, self.variables)
        kinks = {p for p in moving if isinstance(p, KINKED) or _is_norm(p, moving)}
        whole = {p for p in moving if kinks & set(parts_of(p))}
        self.kinked |= whole

    def monotone(self, node: Any, rises: bool | None, limits: Around) -> Any:
        """Return a part of a formula, less of which is better (or more)."""
        if node not in self.kinked:
            return node
        if rises is None:
            raise NotExactError
        key = node, rises, limits
        if key not in self.done:
            self.done[key] = self._monotone(node, rises, limits)
        return self.done[key]

    def _monotone(self, node: Any, rises: bool, limits: Around) -> Any:
        if isinstance(node, ABSOLUTE) and rises:
            return self._pair(node, (self._plain(node.args[0]), 0), limits)
        if isinstance(node, (sp.Max, Maximum)) and rises:
            return self._extreme(node, 1, limits)
        if isinstance(node, sp.Min) and not rises:
            return self._extreme(node, -1, limits)
        if _is_norm(node):
            return self._norm(node, rises, limits)
        if isinstance(node, (sp.Add, kept)):
            inner = (self.monotone(each, rises, limits) for each in node.args)
            return made(node.func, inner)
        if isinstance(node, sp.Mul):
            return self._product(node, rises, limits)
        if isinstance(node, sp.Pow):
            return self._power(node, rises, limits)
        if isinstance(node, sp.Sum):
            around = (*(tuple(each) for each in node.limits), *limits)
            return Sum(self.monotone(node.function, rises, around), *node.limits)
        if isinstance(node, (*RISING, *ON_POSITIVE, *FROM_ZERO)):
            return self._of_function(node, rises, limits)
        raise NotExactError

    def _plain(self, node: Any) -> Any:
        if node in self.kinked:
            raise NotExactError
        return node

    def _span(self, node: Any, limits: Around) -> Interval:
        return span_of(node, among(limits, self.known))

    # ------------------------------------------------------ what is around a kink

    def _product(self, node: Any, rises: bool, limits: Around) -> Any:
        inner = [each for each in node.args if each in self.kinked]
        others = [self._span(each, limits) for each in node.args if each not in inner]
        # Several are at least 0, and so is what is larger.
        several = len(inner) > 1
        least = min(self._span(each, limits)[0] for each in inner)
        if several and not (rises and least >= 0.0):
            raise NotExactError
        negative = 0
        for low, high in others:
            if low < 0.0 < high:
                raise NotExactError
            negative += high <= 0.0 and low < 0.0
        if negative % 2:
            rises = not rises
            if several:
                raise NotExactError
        factors = (self.monotone(each, rises, limits) for each in node.args)
        return made(sp.Mul, factors)

    def _power(self, node: Any, rises: bool, limits: Around) -> Any:
        base, exponent = node.args
        if exponent in self.kinked or not exponent.is_Rational:
            raise NotExactError
        low, high = self._span(base, limits)
        if exponent.is_positive and exponent.is_odd:
            return self.monotone(base, rises, limits) ** exponent
        if low >= 0.0 and exponent >= 1 and rises:
            return self.monotone(base, True, limits) ** exponent
        if low > 0.0 and 0 < exponent < 1 and rises:
            return self.monotone(base, True, limits) ** exponent
        if high <= 0.0 and exponent.is_positive and exponent.is_even and rises:
            return self.monotone(base, False, limits) ** exponent
        raise NotExactError

    def _of_function(self, node: Any, rises: bool, limits: Around) -> Any:
        if len(node.args) > 1:
            raise NotExactError
        inner = node.args[0]
        if isinstance(node, (*ON_POSITIVE, *FROM_ZERO)):
            low, least = self._span(inner, limits)[0], isinstance(node, sp.log)
            # Of a logarithm the whole is to stay where it is defined.
            if not (rises and low >= 0.0) or (least and not low > 0.0):
                raise NotExactError
        return made(node.func, (self.monotone(inner, rises, limits),))

    # ---------------------------------------------------------------- the kinks

    def _new(self, limits: Around) -> tuple[str, Any]:
        """Return a new variable: its name, and what stands for it in a formula."""
        number = 0
        while (name := f"kink_{number}" if number else "kink") in self.taken:
            number += 1
        self.taken.add(name)
        self.pieces += 1
        if self.pieces > MOST:
            raise NotExactError
        return name, element(name, limits)

    def _add(self, *part: Any) -> None:
        new = KinkedPart(*part)
        inside = [p[1] for p in new.pieces] if new.kind == MOST_OF else []
        for around in ((*inner, *new.limits) for inner in (*inside, ())):
            indices = {index for index, *_ in around}
            if len(indices) < len(around):
                raise NotExactError
            for _, *ends in around:
                for end in ends:
                    if end.free_symbols & indices or end.has(sp.Indexed):
                        raise NotExactError  # there would be elements of no kink
        self.parts.append(new)

    def _pair(self, node: Any, two: tuple[Any, Any], limits: Around) -> Any:
        """Return what stands for an absolute value, or for the larger of two."""
        one, other = two
        (p, above), (q, below) = self._new(limits), self._new(limits)
        self._add(PAIR, (p, q), node, (one - other,), limits)
        return above + below if isinstance(node, ABSOLUTE) else other + above

    def _extreme(self, node: Any, sign: int, limits: Around) -> Any:
        rises = sign > 0
        pieces = self._pieces(node, rises, limits)
        plain = [piece for piece, inner in pieces if not inner]
        if len(plain) == len(pieces) == 2:
            number, other = sorted(plain, key=lambda each: not each.is_number)
            # min(a, b) is -max(-a, -b).
            pair = sign * other, sign * number
            larger = self._pair(node, pair, limits)
            return sign * larger
        name, new = self._new(limits)
        self.pieces += len(pieces)
        self._add(MOST_OF, (name,), node, tuple(pieces), limits, sign)
        return new

    def _pieces(
        self, node: Any, rises: bool, limits: Around
    ) -> list[tuple[Any, Around]]:
        """Return of what a choice chooses, also where one is inside of it.

        Each is with the limits of the indices that are chosen from.
        """
        if isinstance(node, ABSOLUTE) and rises and node in self.kinked:
            inner = self._plain(node.args[0])
            return [(inner, ()), (-inner, ())]
        if isinstance(node, Maximum) and rises:
            own = tuple(tuple(each) for each in node.limits)
            chosen = self._pieces(node.function, rises, (*own, *limits))
            return [(piece, (*further, *own)) for piece, further in chosen]
        if isinstance(node, sp.Max if rises else sp.Min):
            found = (self._pieces(each, rises, limits) for each in node.args)
            return [piece for pieces in found for piece in pieces]
        return [(self.monotone(node, rises, limits), ())]

    def _norm(self, node: Any, rises: bool, limits: Around) -> Any:
        squares = squares_of(node.base)
        for weight, base, inner in squares:
            self._plain(base)
            if not self._span(weight, (*inner, *limits))[0] > 0.0:
                raise NotExactError
            if inner and not limits and not self._is_variable(base):
                return node  # one norm of many parts: smooth, wherever it isn't 0
        if not rises:
            raise NotExactError
        name, new = self._new(limits)
        pieces, names = [], [name]
        for weight, base, inner in squares:
            around = (*inner, *limits)
            if not self._is_variable(base):
                own, there = self._new(around)
                names.append(own)
                pieces.append((weight, base, inner, there))
            else:
                pieces.append((weight, base, inner, base))
        self._add(NORM, tuple(names), node, tuple(pieces), limits)
        return new

    def _is_variable(self, node: Any) -> bool:
        """Return whether a part is one coordinate of a point."""
        name = node.base.name if isinstance(node, sp.Indexed) else str(node)
        return isinstance(node, (sp.Symbol, sp.Indexed)) and name in self.variables


def element(name: str, limits: Around) -> Any:
    """Return a variable; within indices, the element of an array that is theirs."""
    if not limits:
        return symbol(name)
    places = (index - first for index, first, _ in reversed(limits))
    return sp.Indexed(array_of(name), *places)


def squares_of(base: Any) -> list[tuple[Any, Any, Around]]:
    """Return the weights and bases of a sum of squares, with its indices; or nothing.

    >>> x, y = symbol("x"), symbol("y")
    >>> squares_of(x**2 + 4 * y**2)
    [(1, x, ()), (4, y, ())]
    """
    found = []
    base = base.args[0] if isinstance(base, kept) else base
    for term in sp.Add.make_args(base):
        factor: Any = term
        limits: Around = ()
        if isinstance(term, sp.Sum):
            factor, limits = term.function, tuple(tuple(e) for e in term.limits)
        powers = [p for p in sp.Mul.make_args(factor) if p.is_Pow and p.exp == 2]
        if len(powers) != 1:
            return []
        others = [p for p in sp.Mul.make_args(factor) if p is not powers[0]]
        found.append(
            (made(sp.Mul, others) if others else sp.S.One, powers[0].base, limits)
        )
    return found


def _is_norm(node: Any, moving: Collection[Any] | None = None) -> bool:
    """Return whether a part is the root of a sum of squares, which may be 0.

    Beside a square of what doesn't move it isn't 0, or not by the variables.
    """
    if not (node.is_Pow and node.exp == sp.S.Half and is_root(node)):
        return False
    squares = squares_of(node.base)
    fixed = moving is not None and any(base not in moving for _, base, _ in squares)
    return bool(squares) and not fixed
