"""What the indices of a formula reach: the least shapes, and what is out of range.

All of this is known before anything runs.

Shape inference and bounds checking, by interval arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import sympy as sp

from symgd.calculus.iterations import TooManyError, iterations
from symgd.calculus.structure import (
    Access,
    Range,
    accesses,
    all_ranges,
    numbers_of,
    ranges_of,
    within,
)
from symgd.calculus.whole import Span, Spans
from symgd.errors import FormulaError, InputError, shortened
from symgd.language.formula import text_of
from symgd.language.nodes import REPEATED, Solution, Table, values_of

LONGEST = 2**48  # iterations of a sum

_Found = TypeVar("_Found")


class Reach:
    """What the accesses of a formula reach, with given sizes and data.

    Parameters
    ----------
    expression : SymPy expression
    sizes : mapping of str to int
    arrays : mapping of str to ndarray
        The data, in which indices are looked up.
    formula : str
        As the user wrote it, for messages.

    Raises
    ------
    FormulaError
        If a sum is longer than anybody can wait for, or a part of an index may become
        a number that loops can't hold.
    """

    def __init__(
        self,
        expression: sp.Expr,
        sizes: Mapping[str, int],
        arrays: Mapping[str, Any],
        formula: str,
    ) -> None:
        self.sizes, self.arrays, self.formula = sizes, arrays, formula
        self._tight: dict[tuple[Range, ...], Spans] = {}
        self._quick: dict[tuple[Range, ...], Spans] = {(): Spans(sizes, arrays)}
        for ranges in all_ranges(expression):
            self._quick[ranges] = self._of_ranges(ranges)
        found = accesses(expression)
        self._accesses = [a for a in found if not self._quick[a.ranges].empty]
        for access in self._accesses:
            for index in access.node.indices:
                self._check_parts(access, index)

    def _of_ranges(self, ranges: tuple[Range, ...]) -> Spans:
        """Return how far indices go; refuse ranges that go too far."""
        _, *bounds = ranges[-1]

        def check(*ends: Any) -> None:
            farthest = max(map(abs, ends))
            if farthest > LONGEST:
                problem = f"a sum has a range up to {shortened(str(farthest))}"
                raise FormulaError(f"{problem}, which is too long to compute")

        def found(tight: bool) -> Spans:
            check(0, *(bound for bound in bounds if bound.is_Integer))
            spans = Spans(self.sizes, self.arrays, ranges, tight)
            check(*(end for bound in bounds for end in spans.of(bound)))
            return spans

        first, last = map(text_of, bounds)
        return self._either(found, f"in a range from {first} to {last}")

    def _check_parts(self, access: Access, index: sp.Expr) -> None:
        """Refuse an index of which a part may be too large for a loop."""

        def found(tight: bool) -> Span:
            spans = self._tightly if tight else self._quick.__getitem__
            return spans(access.ranges).of(index)

        where = f"in the index {text_of(index)} of {text_of(access.node)}"
        self._either(found, where)

    def _either(self, found: Callable[[bool], _Found], where: str) -> _Found:
        """Return what is found the quick way, or else when one looks more closely."""
        try:
            return found(False)
        except FormulaError:
            pass
        try:
            return found(True)
        except FormulaError as error:
            problem, advice = f"{error.problem}, {where}", error.suggestion
            raise FormulaError(problem, self.formula, suggestion=advice) from None

    def _tightly(self, ranges: tuple[Range, ...]) -> Spans:
        """Return how far indices go where the loops inside aren't empty."""
        if ranges not in self._tight:
            used = _not_empty(ranges, numbers_of(self.sizes))
            self._tight[ranges] = Spans(self.sizes, self.arrays, used, tight=True)
        return self._tight[ranges]

    # -------------------------------------------------------------------- lengths

    def shapes(self, ranks: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
        """Return the least shapes that hold all accesses to some arrays."""
        tops = {name: [0] * rank for name, rank in ranks.items()}
        for access in self._accesses:
            if access.name in tops:
                shape = tops[access.name]
                for axis in range(len(shape)):
                    shape[axis] = max(shape[axis], 1 + self._top(access, axis))
        return {name: tuple(shape) for name, shape in tops.items()}

    def _top(self, access: Access, axis: int) -> int:
        """Return the largest index; -1 if there is none."""
        index = access.node.indices[axis]
        if access.guards and index.has(sp.Indexed):
            span = self._looked_at(access, axis, self._needed(access, axis))[1]
        else:
            span = self._span(self._within(access), index)
        return -1 if span is None else span[1]

    def _span(self, ranges: tuple[Range, ...], index: sp.Expr) -> Span | None:
        """Return the smallest and the largest index; None if there is none."""
        spans = self._tightly(ranges)
        return None if spans.empty else spans.of(index)

    def _within(self, access: Access) -> tuple[Range, ...]:
        return within(access, self.sizes.keys()) if access.guards else access.ranges

    # ------------------------------------------------------------- what is outside

    def guarded(
        self, shapes: Mapping[str, Sequence[int]]
    ) -> dict[sp.Indexed, frozenset[int]]:
        """Return the accesses that only conditions keep inside of arrays, with axes.

        Raises
        ------
        FormulaError
            If an index may be outside of its array.
        """
        found: dict[sp.Indexed, frozenset[int]] = {}
        for access in self._accesses:
            shape = shapes[access.name]
            for axis, length in enumerate(shape):
                if self._is_guarded(access, axis, length, len(shape)):
                    axes = found.get(access.node, frozenset())
                    found[access.node] = axes | {axis}
        return found

    def _is_guarded(self, access: Access, axis: int, length: int, rank: int) -> bool:
        """Return whether only a condition keeps an index inside."""
        index = access.node.indices[axis]
        if _inside(self._quick_span(access, index), length):
            return False
        if _inside(self._span(access.ranges, index), length):
            return False
        if access.guards and _inside(self._span(self._within(access), index), length):
            return True
        for ranges in dict.fromkeys((self._needed(access, axis), access.ranges)):
            every, possible = self._looked_at(access, axis, ranges)
            if _inside(possible, length):
                return not _inside(every, length)
        assert possible is not None
        wrong = possible[1] if possible[1] >= length else possible[0]
        what = "elements" if rank == 1 else f"along axis {axis}"
        problem = (
            f"the index {text_of(index)} of {text_of(access.node)} becomes {wrong}, "
            f"but {access.name} has {length} {what}"
        )
        about = self._about(access)
        if wrong == length and not index.free_symbols:
            counted = "indices count from 0"
            about = f"{counted}; {about}" if about else counted
        raise FormulaError(problem, self.formula, suggestion=about)

    def _quick_span(self, access: Access, index: sp.Expr) -> Span | None:
        try:
            return self._quick[access.ranges].of(index)
        except FormulaError:
            return -1, -1  # it takes a closer look

    def _about(self, access: Access) -> str | None:
        sizes = sorted(self.sizes.items())
        about = "here " + ", ".join(f"{name} = {size}" for name, size in sizes)
        if access.guards:
            about += "; a condition guards an index where indices and data decide it"
        return about if sizes or access.guards else None

    def _looked_at(
        self, access: Access, axis: int, ranges: tuple[Range, ...]
    ) -> tuple[Span | None, Span | None]:
        """Return the span of an index, and that where its conditions may hold.

        Both are of what it becomes in some loops, or of what it may, if they are long.
        """
        index = access.node.indices[axis]
        spans = Spans(self.sizes, self.arrays, ranges, tight=True)
        every: Span | None = None
        possible: Span | None = None
        try:
            for some in iterations(ranges, spans):
                values, fine = some.whole(index)
                every = _joined(every, values, fine)
                possible = _joined(
                    possible, values, fine & some.possible(access.guards)
                )
        except TooManyError:
            return self._span(ranges, index), self._span(self._within(access), index)
        return every, possible

    def _needed(self, access: Access, axis: int) -> tuple[Range, ...]:
        """Return the ranges on which an index and its conditions depend."""
        parts = [access.node.indices[axis], *(c for c, _ in access.guards)]
        names = {s for part in parts for s in part.atoms(sp.Symbol)}
        needed: list[Range] = []
        for index, low, high in reversed(access.ranges):
            if index in names:
                needed.insert(0, (index, low, high))
                names |= low.atoms(sp.Symbol) | high.atoms(sp.Symbol)
        return tuple(needed)


def _inside(span: Span | None, length: int) -> bool:
    return span is None or (span[0] >= 0 and span[1] < length)


def _joined(span: Span | None, values: Any, where: Any) -> Span | None:
    """Return the span of some values and of those before."""
    chosen = np.broadcast_to(values, np.broadcast(values, where).shape)[where]
    if chosen.size == 0:
        return span
    low, high = int(chosen.min()), int(chosen.max())
    return (low, high) if span is None else (min(low, span[0]), max(high, span[1]))


def _not_empty(
    ranges: Sequence[Range], numbers: Mapping[sp.Symbol, sp.Integer]
) -> list[Range]:
    """Return ranges without the part in which a range inside of them is empty."""
    known = [
        (i, low.xreplace(numbers), high.xreplace(numbers)) for i, low, high in ranges
    ]
    for inner in range(len(known) - 1, 0, -1):
        gap = sp.expand(known[inner][2] - known[inner][1])  # at least 0
        for place in range(inner):
            name, low, high = known[place]
            slope = sp.expand(gap.xreplace({name: name + 1}) - gap)
            rest = gap.xreplace({name: sp.S.Zero})
            if not (slope.is_Integer and rest.is_Integer) or slope == 0:
                continue
            if slope > 0:
                known[place] = name, sp.Max(low, sp.ceiling(-rest / slope)), high
            else:
                known[place] = name, low, sp.Min(high, sp.floor(rest / -slope))
    return known


def check_systems(
    expression: sp.Expr,
    sizes: Mapping[str, int],
    arrays: Mapping[str, Any],
    formula: str,
    room: float,
) -> None:
    """Refuse elements that solutions of linear systems don't have.

    Parameters
    ----------
    expression, sizes, arrays, formula
        As of :class:`Reach`.
    room : float
        The bytes that matrices may have.
    """
    numbers, needed = numbers_of(sizes), 0

    def visit(node: sp.Basic, around: tuple[Range, ...]) -> None:
        if isinstance(node, REPEATED):
            visit(node.function, (*around, *ranges_of(node)))
            return
        if isinstance(node, Solution):
            lengths = [values_of(each) for each in reversed(node.args[1].limits)]
            for index, end in zip(node.args[2:], lengths, strict=True):
                low, high = Spans(sizes, arrays, around, tight=True).of(index)
                count = int(end.xreplace(numbers))
                if low < 0 or high >= count:
                    place = text_of(index)
                    problem = f"the index {place} of a solution of {count} elements"
                    raise FormulaError(f"{problem} goes from {low} to {high}", formula)
        for part in node.args:
            visit(part, around)

    for table in expression.atoms(Table):
        needed += math.prod(
            int(values_of(each).xreplace(numbers)) for each in table.limits
        )
    if _COPIES * 8 * needed > room:
        problem = f"matrices of {needed:,} elements are more than this process can have"
        raise InputError(problem)
    if needed:
        visit(expression, ())


_COPIES = 3  # of a matrix: its slopes, and room to work in
