"""What the loops that search along a direction have in common."""

from __future__ import annotations

from typing import Any

import numba

from symgd.kernels.run import (
    BEST,
    CONVERGED,
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
from symgd.lowering.native import JIT_OPTIONS
from symgd.status import RUNNING

SUFFICIENT_DECREASE = 1e-4
ROUNDING = 1e-16  # a decrease by this fraction of the value is none
LOWEST = -1e100  # a value below shows that there is no lowest
NOISE = 4e-15  # a decrease that promises less than this can't be measured


def jit(function: Any) -> Any:
    """Compile a function that the loops call."""
    return numba.njit(**JIT_OPTIONS)(function)


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
        step = min(max(-g[k], lower[k] - x[k]), upper[k] - x[k])
        norm = max(norm, abs(step))
    limits[NORM] = norm
    if counters[EVERY] != 0 and counters[T] % counters[EVERY] == 0:
        row = rows[counters[ROWS]]
        row[0], row[1], row[2] = counters[T], limits[VALUE], norm
        for k in range(x.shape[0]):
            row[3 + k] = x[k]
        counters[ROWS] += 1
    return judged(counters, limits)
