"""What is analysed: a formula within bounds, read and checked."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import sympy as sp

from symgd.errors import InputError
from symgd.insight import exact
from symgd.insight.boxes import Box
from symgd.insight.prepared import prepared, prepared_rows
from symgd.insight.written_out import LONGEST
from symgd.language.nodes import symbol
from symgd.language.plain import plain_number
from symgd.objectives.meant import objective_of
from symgd.objectives.objective import Objective
from symgd.objectives.points import read_bounds

MOST_VARIABLES = 200


class BoundedFormula(NamedTuple):
    """A formula within bounds, in exact numbers.

    What has equal bounds is a number, and no variable any more; in a formula of arrays
    it stays an element.
    """

    objective: Objective
    expression: sp.Expr
    symbols: tuple[sp.Symbol, ...]
    box: Box
    fixed: dict[str, float]

    @property
    def names(self) -> list[str]:
        """The names of what is free."""
        return [s.name for s in self.symbols]


def problem_of(f: Any, bounds: Any, most: int = LONGEST) -> BoundedFormula:
    """Read a formula of scalars, or of sums that are written out, and bounds.

    Raises
    ------
    InputError
        If sums have more terms, if there are too many variables, or none that is free.
    """
    objective = objective_of(f, bounds)
    return _within(objective, prepared(objective, most), bounds)


def problem_of_rows(objective: Objective, bounds: Any) -> BoundedFormula:
    """Read a formula of arrays, whose sums stay; raises likewise."""
    return _within(objective, prepared_rows(objective), bounds)


def _within(objective: Objective, expression: sp.Expr, bounds: Any) -> BoundedFormula:
    space = objective.space
    limits = read_bounds(bounds, space)
    sides = zip(space, limits.lower, limits.upper, strict=True)
    free, fixed = [], {}
    for name, low, high in sides:
        if low == high:
            fixed[name] = low
        else:
            free.append((symbol(name), low, high))
    if not free:
        raise InputError("the bounds leave no variable free: there is nothing to find")
    if len(free) > MOST_VARIABLES:
        problem = f"{len(free)} variables are too many to analyse"
        raise InputError(f"{problem}: at most {MOST_VARIABLES}")
    values = {symbol(name): exact.rational(value) for name, value in fixed.items()}
    names, lower, upper = zip(*free, strict=True)
    whole = expression.xreplace(values)
    return BoundedFormula(objective, whole, names, Box(lower, upper), fixed)


def seconds_of(time_limit: Any) -> float:
    """Return a time limit, checked."""
    value = plain_number(time_limit)
    if value is None or not 0 < value < math.inf:
        raise InputError(f"time_limit must be a number of seconds, not {time_limit!r}")
    return float(value)
