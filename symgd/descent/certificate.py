"""What shows that a point within constraints is a minimum: multipliers and residuals.

Elsewhere: the conditions of Karush, Kuhn and Tucker.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

from symgd.language.text import number
from symgd.objectives.constraints import Lagrangian
from symgd.objectives.space import Space

CTOL = 1e-8  # violation that is none
NEAR = 1e-6  # of a constraint's value, or of 1: a side so near holds the point


class Residuals(NamedTuple):
    """By how much the conditions of a minimum are missed."""

    constraint_violation: float
    optimality: float
    complementarity: float


class Certificate:
    """The multipliers of an end, made when they are asked for.

    Parameters
    ----------
    lagrangian : Lagrangian
    space : Space
        Of the variables.
    x : sequence of float
        The point.
    prices, values : sequences of float
        Of each row: its multiplier, and what it is.
    bounds : sequence of float
        The multiplier of each coordinate's bound.
    residuals : Residuals
    """

    def __init__(
        self,
        lagrangian: Lagrangian,
        space: Space,
        x: Sequence[float],
        prices: Sequence[float],
        values: Sequence[float],
        bounds: Sequence[float],
        residuals: Residuals,
    ) -> None:
        self._lagrangian, self._space, self._x = lagrangian, space, x
        self.prices, self.values, self._bounds = prices, values, bounds
        self.residuals = residuals

    @functools.cached_property
    def multipliers(self) -> dict[str, Any]:
        """Of each constraint, by its name."""
        return self._lagrangian.by_name(self.prices)

    @functools.cached_property
    def constraints(self) -> dict[str, Any]:
        """What each constraint is: left side without the right one."""
        return self._lagrangian.by_name_at(self._x, self.values)

    @functools.cached_property
    def bound_multipliers(self) -> dict[str, Any]:
        """Of the bound of each variable, by its name."""
        return self._space.values(self._bounds)

    @property
    def active(self) -> list[str]:
        """Which constraints hold the point, each with its multiplier."""
        low, high = self._lagrangian.sides
        told = []
        for k in self._lagrangian.in_order:
            value = self.values[k]
            near = NEAR * max(1.0, abs(value))
            near_side = min(abs(value - low[k]), abs(high[k] - value)) <= near
            if near_side and k not in self._lagrangian.gaps:
                name = self._lagrangian.name_of(k)
                told.append(f"{name} (multiplier {number(self.prices[k])})")
        return told
