"""Lower points to which no step leads: on bounds, just beside them, and at 0."""

from __future__ import annotations

import math
from array import array
from typing import TypeAlias

from symgd.descent.ends import Run
from symgd.descent.run import NOISE, all_finite, floats, is_held
from symgd.native.machine import address
from symgd.native.status import Status
from symgd.objectives.points import beside_a_wall

NEARER = 1e-100, 1e-10, 1e-3, 1e3, 0.0  # times a coordinate
TINY = 1e-6  # of its unit: a coordinate that may be of any size
AT_BOUND = 1e-15  # of x, or of how far it has come: from a bound
FELT = 3e-6  # of f: what a slope changes it by, where a step may still lower it
LOST = Status.ABNORMAL, Status.STATIONARY
LowerPoint: TypeAlias = (
    "tuple[float, array[float], array[float] | None]"  # f, x, slopes
)


def on_bounds(run: Run, status: int) -> LowerPoint | None:
    """Return the point on bounds that are as near as rounding, if f is lower there.

    Where its slope is infinite, f falls by much on the last bit of the way. What is
    lost beside them needn't be higher.
    """
    there, each = run.x, zip(run.x, run.lower, run.upper, strict=True)
    for k, (x, low, high) in enumerate(each):
        width = min(1.0, high - low) if status in LOST else 0.0
        size = max(abs(x), abs(x - run.origin[k]), width) if run.origin else 0.0
        near = AT_BOUND * size
        if 0.0 < x - low <= near:
            there[k] = low
        elif 0.0 < high - x <= near:
            there[k] = high
    return _if_lower(run, there, status in LOST)


def beside_bounds(run: Run) -> LowerPoint | None:
    """Return a point off bounds at which f falls steeply, if it is lower there.

    So near to them no step has a length.
    """
    slopes = floats(run.n)
    sides = zip(run.x, run.gradient, run.lower, run.upper, strict=True)
    for k, (x, slope, low, high) in enumerate(sides):
        wall = low if slope < 0.0 else high
        if slope and abs(x - wall) <= AT_BOUND * max(abs(x), min(1.0, high - low)):
            slopes[k] = math.copysign(math.inf, slope)
    return _if_lower(run, beside_a_wall(run.x, slopes, run.bounds))


def at_other_sizes(run: Run) -> LowerPoint | None:
    """Return a point where f is lower as a coordinate is much nearer to 0, or at 0.

    A power's slope is infinite there, and as steep at any size.
    """
    units = run.sizes
    for k, (x, unit) in enumerate(zip(run.x, units, strict=True)):
        for size in NEARER if 0.0 < abs(x) < TINY * unit else ():
            there = run.x
            there[k] = min(max(x * size, run.lower[k]), run.upper[k])
            lower = _if_lower(run, there)
            if lower and lower[0] < run.fun - FELT * (run.first - run.fun):
                return lower
    return None


def _if_lower(
    run: Run, there: array[float], or_equal: bool = False
) -> LowerPoint | None:
    """Return f, a point, and slopes if they are numbers; None if f isn't lower."""
    if there == run.x:
        return None
    f, slopes = _known_at(run, there)
    lower = f < run.fun - NOISE * abs(run.fun)
    if not (lower or (or_equal and f == run.fun)):
        return None
    ends = zip(there, slopes, run.lower, run.upper, strict=True)
    usable = all(math.isfinite(end[1]) or is_held(*end) for end in ends)
    return f, there, slopes if usable else None


def _known_at(run: Run, there: array[float]) -> tuple[float, array[float]]:
    """Return value and slopes at a point, which may be limits."""
    slopes = floats(run.n)
    kernel = run.objective.kernel("evaluation")
    f = float(kernel(*map(address, (there, run.parameters, slopes))))
    run.record.evaluations += 1
    if run.objective.arrays is None and not all_finite(array("d", [f, *slopes])):
        import numpy as np

        from symgd.objectives.beyond_float64 import mended

        numbers = np.array(there), f, np.asarray(slopes)
        f = mended(run.objective, "evaluation", *numbers)
    return f, slopes
