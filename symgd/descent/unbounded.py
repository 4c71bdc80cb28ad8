"""Whether f falls for ever along the way that a run within constraints has come."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence

BOTTOM, AWAY = -1e12, 1e10  # as ``kernels.interior``, which needs numba, has them
DOUBLINGS = 100
STEADY = 0.99  # of the fall before: less is a tail, which may have a bottom


def lower_for_ever(
    evaluated: Callable[[Sequence[float]], tuple[float, Sequence[float]]],
    start: Sequence[float],
    end: Sequence[float],
    bounds: tuple[Sequence[float], Sequence[float]],
    sides: tuple[Sequence[float], Sequence[float]],
    allowed: float,
) -> array[float] | None:
    """Return a point so far on, or so low, that there is no lowest; or None.

    From the start through the end, each point is twice as far as the one before. All of
    them satisfy the constraints, and f falls from each to the next by no less than
    before.

    Parameters
    ----------
    evaluated : callable
        Of a point: f, and the constraints.
    start, end : sequences of float
    bounds, sides : pairs of sequences
        Of variables, of constraints.
    allowed : float
        Violation that is none.
    """
    first, value = evaluated(start)[0], evaluated(end)[0]
    if not value < first:
        return None
    fall, unit = 0.0, max(1.0, abs(first))
    way = [b - a for a, b in zip(start, end, strict=True)]
    for k in range(1, DOUBLINGS):
        there = array(
            "d", (a + 2.0**k * step for a, step in zip(start, way, strict=True))
        )
        if not _is_between(there, bounds, 0.0):
            return None
        lower, rows = evaluated(there)
        if not (value - lower >= STEADY * fall and value > lower > -math.inf):
            return None
        if not _is_between(rows, sides, allowed):
            return None
        fall, value = value - lower, lower
        far = max(map(abs, there)) > AWAY and value < first - unit
        if far or value < BOTTOM * unit:
            return there
    return None


def _is_between(
    numbers: Sequence[float],
    sides: tuple[Sequence[float], Sequence[float]],
    allowed: float,
) -> bool:
    each = zip(numbers, *sides, strict=True)
    return all(low - allowed <= number <= high + allowed for number, low, high in each)
