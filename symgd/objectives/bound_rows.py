"""Rows that are bounds: a multiple of one variable, beside what is no variable.

``2*x - 1 >= 0`` and ``x[i] <= u[i] for i in range(n)`` hold at every evaluation, as
bounds do; their multipliers are still told by the names of the relations.
"""

from __future__ import annotations

import itertools
import math
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import sympy as sp

from symgd.errors import InputError
from symgd.language.formula import names_in
from symgd.language.text import number
from symgd.objectives.points import Bounds
from symgd.objectives.row_blocks import Objective, RowBlock, numbers_of


class BoundRow(NamedTuple):
    """A row that bounds a coordinate.

    Attributes
    ----------
    row, place : int
        Which row bounds which coordinate.
    factor : float
        Of the coordinate in the row.
    low, high : float
        Bounds of the coordinate.
    """

    row: int
    place: int
    factor: float
    low: float
    high: float


class _Alone(NamedTuple):
    """A block whose rows are a multiple of a variable, and a constant."""

    first: int
    height: int
    block: RowBlock
    variable: sp.Expr
    factor: float
    rest: sp.Expr


def bound_rows(
    function: Objective,
    blocks: Sequence[RowBlock],
    heights: Sequence[int],
    variables: Collection[str],
    gaps: Collection[int],
) -> list[BoundRow]:
    """Return the inequalities that are bounds.

    Where they leave a coordinate no room they are none: then they are rows as others,
    of which a run says which can't hold.
    """
    firsts = itertools.accumulate(heights, initial=0)
    alone = [
        _Alone(first, height, block, *parts)
        for first, height, block in zip(firsts, heights, blocks, strict=False)
        if block.low < block.high and (parts := _alone(block.body, variables))
    ]
    if not alone:
        return []
    found = [
        each for each in _read(function, alone, sum(heights)) if each.row not in gaps
    ]
    rows = []
    for _, group in by_place(found):
        if max(each.low for each in group) < min(each.high for each in group):
            rows += group
    return rows


def by_place(rows: Iterable[BoundRow]) -> Iterator[tuple[int, list[BoundRow]]]:
    """Yield each coordinate with the rows that bound it."""
    ordered = sorted(rows, key=lambda each: (each.place, each.row))
    for place, group in itertools.groupby(ordered, key=lambda each: each.place):
        yield place, list(group)


def _alone(
    body: sp.Expr, variables: Collection[str]
) -> tuple[sp.Expr, float, sp.Expr] | None:
    """Return the only variable of a formula, its factor, and what is added to it."""
    plain, indexed = names_in(body)
    if len(({*plain} | {*indexed}) & set(variables)) != 1:
        return None
    terms = sp.Add.make_args(body)
    for term in terms:
        factor, variable = term.as_coeff_Mul()
        if isinstance(variable, (sp.Symbol, sp.Indexed)):
            names = names_in(variable)
            rest = sp.Add(*(each for each in terms if each is not term))
            others = names_in(rest)
            inside = {*others[0], *others[1]} & set(variables)
            own = {*names[1]} or {*names[0]}
            if own & set(variables) and not inside:
                return variable, float(factor), rest
    return None


def _read(
    function: Objective, alone: Sequence[_Alone], rows: int
) -> Iterator[BoundRow]:
    """Yield the bounds that rows are."""
    size = function.space.size - rows - 1
    places = _numbers(function, alone, "variable", range(size), size)
    rests = _numbers(function, alone, "rest", [0.0] * size, size)
    for each in alone:
        for k in range(each.first, each.first + each.height):
            sides = each.block.low - rests[k], each.block.high - rests[k]
            low, high = sorted(side / each.factor for side in sides)
            if low < math.inf and high > -math.inf:  # and both are numbers
                yield BoundRow(k, int(places[k]), each.factor, low, high)


def _numbers(
    function: Objective,
    alone: Sequence[_Alone],
    what: str,
    x: Sequence[float],
    size: int,
) -> array[float]:
    """Return what a part of each row is at a point; of a variable, its place."""
    asked = [(each, getattr(each, what)) for each in alone]
    found = array("d", bytes(8 * (function.space.size - size - 1)))
    open_ = []
    for each, formula in asked:
        if isinstance(formula, sp.Symbol) and what == "variable":
            value = float(function.space.places(formula.name, "variable")[0])
        elif formula.is_number:
            value = float(formula)
        else:
            open_.append((each.block, formula))
            continue
        for k in range(each.first, each.first + each.height):
            found[k] = value
    if open_:
        read = numbers_of(function, open_, x)
        return array("d", (a + b for a, b in zip(found, read, strict=True)))
    return found


class BoundBox:
    """Bounds that are given, and those that rows are.

    Parameters
    ----------
    lagrangian : Lagrangian
    bounds : Bounds

    Attributes
    ----------
    lower, upper : array of float
    low_rows, high_rows : dict of int to BoundRow
        Of coordinates whose bound is a row's.
    sides : pair of array of float
        Between which numbers each row is to be: those that are bounds are free.
    """

    def __init__(self, lagrangian: Any, bounds: Bounds) -> None:
        self.lower, self.upper = bounds.lower, bounds.upper
        self.low_rows: dict[int, BoundRow] = {}
        self.high_rows: dict[int, BoundRow] = {}
        self.rows: list[int] = []
        self.sides = lagrangian.sides
        if not lagrangian.bound_rows:
            return
        self.lower, self.upper = self.lower[:], self.upper[:]
        self.sides = self.sides[0][:], self.sides[1][:]
        for place, group in by_place(lagrangian.bound_rows):
            self._tighten(lagrangian, place, group)

    def _tighten(self, lagrangian: Any, place: int, group: list[BoundRow]) -> None:
        """Bound a coordinate as rows do, too."""
        lowest = max(group, key=lambda each: each.low)
        highest = min(group, key=lambda each: each.high)
        low, high = self.lower[place], self.upper[place]
        for each, there in ((lowest, lowest.low > high), (highest, highest.high < low)):
            if there:
                name = lagrangian.function.space[place]
                problem = f"the bounds of {name}, ({number(low)}, {number(high)})"
                raise InputError(
                    f"no point satisfies both the constraint "
                    f"{lagrangian.name_of(each.row)!r} and {problem}"
                )
        if max(low, lowest.low) == min(high, highest.high):
            return  # nothing is left to move: they are rows as others
        if lowest.low >= low and lowest.low > -math.inf:
            self.lower[place], self.low_rows[place] = lowest.low, lowest
        if highest.high <= high and highest.high < math.inf:
            self.upper[place], self.high_rows[place] = highest.high, highest
        for each in group:
            self.rows.append(each.row)
            self.sides[0][each.row], self.sides[1][each.row] = -math.inf, math.inf

    def bounds(self) -> Bounds:
        """Return all of them as bounds."""
        return Bounds.between(self.lower, self.upper)
