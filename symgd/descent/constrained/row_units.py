"""How much constraints change near a point: in what units a violation is to be seen.

``1e-10*x >= 5e-10`` is violated by no more than 5e-10 at 0, and is far from holding.
So is ``x*y >= 1e-12``.
"""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Callable, Sequence

ASIDE = 1e-3  # how far points beside are, in sizes of x
STEPS = 1.0, 1.0, 1.0, 0.5  # of that, at least: equal ones cancel in x[i+1] - x[i]


def units_of_rows(
    evaluated: Callable[[Sequence[float]], tuple[float, Sequence[float]]],
    x: Sequence[float],
    bounds: tuple[Sequence[float], Sequence[float]],
) -> list[float]:
    """Return by how much constraints change as x does by its size, or 1; at most 1.

    Parameters
    ----------
    evaluated : callable
        Of a point: f, and the constraints.
    x : sequence of float
    bounds : pair of sequences
        Of variables.
    """
    rng, (_, rows) = random.Random(0), evaluated(x)
    units = [0.0] * len(rows)
    for least in STEPS:
        aside = array(
            "d",
            (
                _moved(a, low, high, rng.choice((-1.0, 1.0)) * rng.uniform(least, 1.0))
                for a, low, high in zip(x, *bounds, strict=True)
            ),
        )
        _, there = evaluated(aside)
        for k, (before, after) in enumerate(zip(rows, there, strict=True)):
            change = abs(after - before) / ASIDE
            units[k] = max(units[k], change if math.isfinite(change) else 1.0)
    return [min(1.0, unit) if unit > 0.0 else 1.0 for unit in units]


def _moved(x: float, low: float, high: float, way: float) -> float:
    """Return a number beside another, which bounds allow."""
    step = way * ASIDE * max(1.0, abs(x))
    if not low <= x + step <= high:
        step = -step
    return min(max(x + step, low), high)
