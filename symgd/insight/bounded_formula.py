"""What is analysed: a formula of scalars within bounds, read and checked."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import sympy as sp

from symgd.errors import InputError
from symgd.insight import exact
from symgd.insight.boxes import Box
from symgd.language.nodes import symbol
from symgd.language.plain import plain_number
from symgd.objectives.meant import objective_of
from symgd.objectives.objective import Objective
from symgd.objectives.points import read_bounds

MOST_VARIABLES = 200


class BoundedFormula(NamedTuple):
    """A formula of scalars within bounds, in exact numbers.

    What has equal bounds is a number, and no variable any more.
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


def problem_of(f: Any, bounds: Any) -> BoundedFormula:
    """Read a formula and bounds.

    Raises
    ------
    InputError
        If there are arrays, too many variables, or none that is free.
    """
    objective = objective_of(f, bounds)
    expression = exact.prepared(objective)
    limits = read_bounds(bounds, objective.space)
    sides = zip(objective.variables, limits.lower, limits.upper, strict=True)
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
