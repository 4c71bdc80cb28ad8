"""What shows that a point within constraints is a minimum: multipliers and residuals.

Elsewhere: the conditions of Karush, Kuhn and Tucker.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

from symgd.language.text import number
from symgd.objectives.bound_rows import BoundBox
from symgd.objectives.constraints import Lagrangian
from symgd.objectives.space import Space

CTOL = 1e-8  # violation that is none
MANY = 100  # unknowns and rows: more make no matrix here
DEPENDENT = 1e-7  # of the largest singular value: gradients depend on each other
NEAR = 1e-6  # of a constraint's value, or of 1: a side so near holds the point


class Residuals(NamedTuple):
    """By how much the conditions of a minimum are missed."""

    constraint_violation: float
    optimality: float
    complementarity: float

    def told(self) -> str:
        """Say what they are."""
        violation, slope, apart = map(number, self)
        return (
            f"the gradient of the Lagrangian is {slope}, the violation {violation}, "
            f"the complementarity {apart}"
        )


class Certificate:
    """The multipliers of an end, made when they are asked for.

    Parameters
    ----------
    lagrangian : Lagrangian
    space : Space
        Of the variables.
    x : sequence of float
        The point.
    box : BoundBox
        Its bounds.
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
        box: BoundBox,
        prices: Sequence[float],
        values: Sequence[float],
        bounds: Sequence[float],
        residuals: Residuals,
    ) -> None:
        self._lagrangian, self._space = lagrangian, space
        self._x, self._box = x, box
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
        rows = ((self._lagrangian.name_of(k), self.prices[k]) for k in self._held)
        return [f"{name} (multiplier {number(price)})" for name, price in rows]

    @functools.cached_property
    def _held(self) -> list[int]:
        low, high = self._lagrangian.sides
        found = []
        for k in self._lagrangian.in_order:
            value = self.values[k]
            near = NEAR * max(1.0, abs(value))
            near_side = min(abs(value - low[k]), abs(high[k] - value)) <= near
            if near_side and k not in self._lagrangian.gaps:
                found.append(k)
        return found

    @functools.cached_property
    def may_be_others(self) -> bool:
        """Whether other multipliers may do as well as these.

        The gradients of what holds the point depend on each other then. (Elsewhere: no
        linear independence constraint qualification.)
        """
        held, bounds = set(self._held), self._box.rows
        bounded = [
            each.place
            for each in self._lagrangian.bound_rows
            if each.row in held and each.row in bounds
        ]
        if len(set(bounded)) < len(bounded):
            return True
        rows = sorted(held.difference(bounds))
        n, m = len(self._x), self._lagrangian.rows
        if not rows or n + m > MANY:
            return False
        import numpy as np

        x, low, high = map(np.array, (self._x, self._box.lower, self._box.upper))
        near = NEAR * np.maximum(1.0, np.abs(x))
        open_ = np.flatnonzero((x - low > near) & (high - x > near))
        whole = self._lagrangian.function.hess([*self._x, *[0.0] * m, 1.0])
        slopes = whole[n : n + m, :n][rows][:, open_]
        if not np.isfinite(slopes).all():
            return False
        sizes = np.linalg.norm(slopes, axis=1)
        if not sizes.all() or len(rows) > len(open_):
            return True
        strengths = np.linalg.svd(slopes / sizes[:, None], compute_uv=False)
        return bool(strengths[-1] <= DEPENDENT * strengths[0])
