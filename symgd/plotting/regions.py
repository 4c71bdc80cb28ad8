"""Where constraints hold, in a picture of two variables."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from symgd.descent.result import Result
from symgd.plotting.figures import INK

SHADE = "#5b4a3f"  # where a constraint is violated
FAINT, STRONG = 0.9, 2.2  # widths of lines: of constraints that are idle, and active
SMALL = 1e-7  # a multiplier that is none, as a part of the largest


def draw_constraints(ax: Axes, result: Result, x: np.ndarray, y: np.ndarray) -> None:
    """Shade where constraints are violated, and draw where each of them ends.

    Parameters
    ----------
    ax : matplotlib Axes
    result : Result
        A run within constraints: those that hold its end have strong lines.
    x, y : arrays of shape (rows, columns)
        A grid.
    """
    lagrangian = result.objective.constraints
    if lagrangian is None:
        return
    values = _values(lagrangian, x, y)
    low, high = map(np.asarray, lagrangian.sides)
    beyond = np.maximum(low[:, None, None] - values, values - high[:, None, None])
    one_sided = low < high
    if one_sided.any():
        worst = beyond[one_sided].max(axis=0)
        shade: dict[str, Any] = {"colors": [SHADE], "alpha": 0.30, "zorder": 1.5}
        ax.contourf(x, y, worst, [0.0, np.inf], **shade)
    for values_of_row, sides, width in zip(
        values, zip(low, high, strict=True), _widths(result), strict=True
    ):
        for side in {side for side in sides if np.isfinite(side)}:
            line: dict[str, Any] = {"colors": INK, "linewidths": width, "zorder": 2}
            if values_of_row.min() < side < values_of_row.max():
                ax.contour(x, y, values_of_row, [side], linestyles="solid", **line)


def _values(lagrangian: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the constraints on a grid, shape (constraints, rows, columns)."""
    points = np.zeros((x.size, lagrangian.function.space.size))
    points[:, 0], points[:, 1], points[:, -1] = x.ravel(), y.ravel(), 1.0
    slopes = lagrangian.function.grad(points)
    return slopes[:, 2:-1].T.reshape(-1, *x.shape)


def _widths(result: Result) -> list[float]:
    """Return how wide the line of each constraint is."""
    prices = np.abs(result.prices)
    active = prices > SMALL * max(float(prices.max(initial=0.0)), SMALL)
    return [STRONG if each else FAINT for each in active]
