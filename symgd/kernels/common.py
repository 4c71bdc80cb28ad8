"""What several loops have in common.

The stopping criteria, a convergence test, are ``judged``; an accepted iterate is
entered by ``commit``.
"""

from __future__ import annotations

from typing import Any

from symgd.lowering.jitting import jit
from symgd.native.records import (
    BEST,
    BOTTOM,
    CONVERGED,
    DEEPEST,
    EVALUATIONS,
    EVERY,
    FTOL,
    GTOL,
    NORM,
    PATIENCE,
    ROWS,
    STALLED,
    TARGET,
    TARGET_REACHED,
    VALUE,
    WAITED,
    T,
)
from symgd.native.status import RUNNING

SUFFICIENT_DECREASE = 1e-4
ROUNDING = 1e-16  # a decrease by this fraction of the value is none
LOWEST = -1e100  # times the value at the start, or 1: below, there is no lowest value
NOISE = 4e-15  # a decrease that promises less than this can't be measured


@jit
def copy(source: Any, target: Any) -> None:
    """Write the numbers of one array to another."""
    for k in range(target.shape[0]):
        target[k] = source[k]


@jit
def is_finite(f: float, g: Any) -> bool:
    """Return whether value and gradient are finite."""
    zero = 0.0 * f
    for k in range(g.shape[0]):
        zero += 0.0 * g[k]
    return zero == 0.0


@jit
def is_held(x: float, g: float, lower: float, upper: float) -> bool:
    """Return whether a bound holds a coordinate against the descent."""
    return (x <= lower and g > 0.0) or (x >= upper and g < 0.0)


@jit
def is_usable(f: float, g: Any, x: Any, lower: Any, upper: Any) -> bool:
    """Return whether value and gradient are finite, but for slopes out of bounds."""
    zero = 0.0 * f
    for k in range(g.shape[0]):
        zero += 0.0 if is_held(x[k], g[k], lower[k], upper[k]) else 0.0 * g[k]
    return zero == 0.0


@jit
def begin(counters: Any, limits: Any, f: float) -> None:
    """Enter the value at the start."""
    counters[EVALUATIONS] += 1
    limits[VALUE] = f
    limits[DEEPEST] = f
    limits[BOTTOM] = LOWEST * max(1.0, abs(f))


@jit
def judged(counters: Any, limits: Any) -> int:
    """Return whether the run ends with an iterate."""
    f = limits[VALUE]
    if limits[NORM] <= limits[GTOL]:
        return CONVERGED
    if f <= limits[TARGET]:
        return TARGET_REACHED
    if counters[PATIENCE] != 0:
        counters[WAITED] += 1
        if f < limits[BEST] - limits[FTOL]:
            limits[BEST] = f
            counters[WAITED] = 0
        if counters[WAITED] >= counters[PATIENCE]:
            return STALLED
    return RUNNING


@jit
def commit(
    counters: Any, limits: Any, x: Any, g: Any, lower: Any, upper: Any, rows: Any
) -> int:
    """Count the iterate, record it, and say whether the run ends with it."""
    counters[T] += 1
    norm = 0.0
    for k in range(x.shape[0]):
        if not is_held(x[k], g[k], lower[k], upper[k]):
            norm = max(norm, abs(g[k]))
    limits[NORM] = norm
    if counters[EVERY] != 0 and counters[T] % counters[EVERY] == 0:
        row = rows[counters[ROWS]]
        row[0], row[1], row[2] = counters[T], limits[VALUE], norm
        for k in range(x.shape[0]):
            row[3 + k] = x[k]
        counters[ROWS] += 1
    return judged(counters, limits)
