"""Lower points beside an end within constraints, where curvature doesn't tell.

Elsewhere: higher-order necessary conditions.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence

import numpy as np

from symgd.descent.certificate import NEAR

DISTANCES = (1e-3, 1e-2, 1e-1)  # parts of x
CORRECTIONS = 4  # back to the constraints that hold it
LEAST = 1e-12  # of f, and of what it changed by: what isn't lower


def lower_within(
    evaluated: Callable[[Sequence[float]], tuple[float, Sequence[float]]],
    end: Sequence[float],
    start: Sequence[float],
    bounds: tuple[Sequence[float], Sequence[float]],
    sides: tuple[Sequence[float], Sequence[float]],
    free: Sequence[int],
    slopes: np.ndarray,
    allowed: float,
    hidden: float = 0.0,
) -> array[float] | None:
    """Return the lowest point close by that satisfies the constraints, if it is lower.

    Parameters
    ----------
    evaluated : callable
        Of a point: f, and the constraints.
    end, start : sequences of float
    bounds, sides : pairs of sequences
        Of variables, of constraints.
    free : sequence of int
        The variables that aren't fixed.
    slopes : array
        The constraints' derivatives by these.
    allowed : float
        Violation that is none.
    hidden : float
        What the barrier is worth at the end: by so much it may be higher.
    """
    x, places = np.array(list(end)), np.array(free, dtype=int)
    low, high = np.array(bounds[0]), np.array(bounds[1])
    row_low, row_high = np.array(sides[0]), np.array(sides[1])
    f, values = evaluated(end)
    c = np.array(values)
    near = NEAR * np.maximum(1.0, np.abs(c))
    at_low, at_high = np.abs(c - row_low) <= near, np.abs(row_high - c) <= near
    held = at_low | at_high
    goal = np.where(at_low, row_low, row_high)[held]
    gap = NEAR * np.maximum(1.0, np.abs(x))
    open_ = ((x - low > gap) & (high - x > gap))[places]
    across = slopes[held][:, open_]
    ways = _along(across)
    if not len(ways):
        return None
    far = max(np.abs(x).max(), np.abs(x - np.array(start)).max()) or 1.0
    least = LEAST * (abs(f) + abs(f - evaluated(start)[0])) + hidden
    lowest: array[float] | None = None
    back = np.linalg.pinv(across) if held.any() else None

    def held_by(there: np.ndarray) -> np.ndarray:
        """Return a point, back on the constraints that hold the end."""
        there = np.clip(there, low, high)  # nothing is evaluated beyond bounds
        for _ in range(CORRECTIONS if back is not None else 0):
            missed = np.array(evaluated(there.tolist())[1])[held] - goal
            if not np.isfinite(missed).all():
                break
            there[places[open_]] -= back @ missed
            there = np.clip(there, low, high)
        return there

    # The barrier leaves the end a little inside: what that is worth is no fall.
    f = np.fmin(f, evaluated(held_by(x).tolist())[0])
    for distance in DISTANCES:
        for way in (*ways, *-ways):
            there = x.copy()
            there[places[open_]] += distance * far * way
            there = held_by(there)
            value, rows = evaluated(there.tolist())
            beyond = np.maximum(row_low - rows, np.array(rows) - row_high)
            violated = float(beyond.max(initial=0.0))
            if violated <= allowed and value < f - least:
                f, lowest = value, array("d", there.tolist())
    return lowest


def _along(across: np.ndarray) -> np.ndarray:
    """Return directions along which linear constraints stay as they are."""
    n = across.shape[1]
    if not n:
        return np.zeros((0, 0))
    if not len(across):
        return np.eye(n)
    _, strengths, ways = np.linalg.svd(across)
    rank = int((strengths > 1e-10 * max(strengths.max(), 1e-300)).sum())
    return ways[rank:]
