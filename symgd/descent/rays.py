"""Where f is level: along the ray from 0, and on plateaus."""

from __future__ import annotations

import functools
import math
from array import array

from symgd.descent.ends import Run, is_level
from symgd.descent.run import BEYOND_MEASURE, NOISE, floats
from symgd.native.machine import address

SIZES = tuple(10.0**k for k in range(-12, 7))  # times x: where f may be the same
PARTS = (0.5, 0.9, 1.0, 1.1, 2.0)  # likewise, of how far along the ray it began
ALIKE = tuple(1.0 + k * 2.0**-40 for k in (-4, -3, -2, -1, 1, 2, 3, 4))  # by rounding
BESIDE, VISIBLE = 0.03, 1e-6  # the ray, in parts of x, and by what part of its fall f


def is_the_same_on_its_ray(run: Run) -> bool:
    """Return whether f is the same along the ray through the point, and not beside.

    Rayleigh's quotient and Sharpe's ratio depend on directions only, and so does
    where ``sqrt(x**2 + y**2) - x`` is least, whose rounding grows with x. Beside
    that ray they fall along it, by ever less: that is no tail. On a
    plateau f is the same beside the ray, too; in a tail it is higher where the run
    began.
    """
    x, fallen = run.x, run.first - run.fun
    square = sum(each * each for each in x)
    if run.n == 1 or not (fallen > BEYOND_MEASURE * abs(run.fun) and square):
        return False
    nearby = (_value_at(run, array("d", (size * e for e in x))) for size in ALIKE)
    rounding = max(abs(value - run.fun) for value in nearby)
    noise = max(NOISE * (abs(run.fun) + fallen), 4.0 * rounding)
    origin = run.origin or run.far_origin or x
    begun = sum(a * b for a, b in zip(x, origin, strict=True)) / square
    sizes = (*SIZES, *(part * begun for part in PARTS), (1.0 + begun) / 2.0)
    for size in () if _is_0_on_a_ray(run) else (s for s in sizes if s > 0.0):
        change = _value_at(run, array("d", (size * e for e in x))) - run.fun
        if not abs(change) <= noise * max(1.0, size):
            return False
    largest = max(map(abs, x))
    for k in range(run.n):
        beside = array("d", x)
        beside[k] += BESIDE * largest
        if _value_at(run, beside) > run.fun + VISIBLE * fallen:
            return True
    return False


def _is_0_on_a_ray(run: Run) -> bool:
    """Return whether f, which is 0 but for rounding, is so along the ray, too."""
    from symgd.calculus.homogeneous import degree
    from symgd.language.formula import symbol

    objective, fallen = run.objective, run.first - run.fun
    if objective.arrays is not None or abs(run.fun) > BEYOND_MEASURE * fallen:
        return False
    known = degree(objective.expression, set(map(symbol, objective.space)))
    return known is not None and bool(known > 0)


def has_fallen_to_a_plateau(run: Run) -> bool:
    """Return whether f, which has fallen, is exactly the same all around."""
    if not run.first > run.fun or not run.origin:
        return False
    return is_level(run.fun, run.x, run.sizes, functools.partial(_value_at, run))


def _value_at(run: Run, x: array[float]) -> float:
    """Return f at a point; NaN out of bounds."""
    for low, each, high in zip(run.lower, x, run.upper, strict=True):
        if not low <= each <= high:
            return math.nan
    slope, kernel = floats(run.n), run.objective.kernel("evaluation")
    return float(kernel(*map(address, (x, run.parameters, slope))))
