"""What several loops have in common.

The stopping criteria, a convergence test, are ``judged``; an accepted iterate is
entered by ``commit``.
"""

from __future__ import annotations

from typing import Any

from symgd.lowering.intrinsics import record_at
from symgd.lowering.jitting import jit
from symgd.native.records import (
    CONVERGED,
    STALLED,
    TARGET_REACHED,
    RunArrays,
    RunState,
)
from symgd.native.status import RUNNING

run_at, arrays_at = record_at(RunState), record_at(RunArrays)

WORD = 8  # bytes of a number
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
def dot(a: Any, b: Any, free: Any) -> float:
    """Return the product of two vectors on the free coordinates."""
    total = 0.0
    for k in range(a.shape[0]):
        if free[k] != 0.0:  # what is held may be infinite
            total += a[k] * b[k]
    return total


@jit
def mark_free(x: Any, g: Any, lower: Any, upper: Any, free: Any) -> bool:
    """Mark the coordinates that no bound holds against the descent.

    Returns
    -------
    bool
        Whether they have changed.
    """
    changed = False
    for k in range(x.shape[0]):
        mark = 0.0 if is_held(x[k], g[k], lower[k], upper[k]) else 1.0
        changed = changed or mark != free[k]
        free[k] = mark
    return changed


@jit
def largest_of(g: Any, free: Any) -> float:
    """Return the largest component on the free coordinates."""
    largest = 0.0
    for k in range(g.shape[0]):
        if free[k] != 0.0:
            largest = max(largest, abs(g[k]))
    return largest


@jit
def begin(run: Any, f: float) -> None:
    """Enter the value at the start."""
    run.evaluations += 1
    run.value = f
    run.deepest = f
    run.bottom = LOWEST * max(1.0, abs(f))


@jit
def judged(run: Any) -> int:
    """Return whether the run ends with an iterate."""
    f = run.value
    if run.norm <= run.gtol:
        return CONVERGED
    if f <= run.target:
        return TARGET_REACHED
    if run.patience != 0:
        run.waited += 1
        if f < run.best - run.ftol:
            run.best = f
            run.waited = 0
        if run.waited >= run.patience:
            return STALLED
    return RUNNING


@jit
def commit(run: Any, x: Any, g: Any, lower: Any, upper: Any, rows: Any) -> int:
    """Count the iterate, record it, and say whether the run ends with it."""
    run.t += 1
    norm = 0.0
    for k in range(x.shape[0]):
        if not is_held(x[k], g[k], lower[k], upper[k]):
            norm = max(norm, abs(g[k]))
    run.norm = norm
    if run.every != 0 and run.t % run.every == 0:
        row = rows[run.rows]
        row[0], row[1], row[2] = run.t, run.value, norm
        for k in range(x.shape[0]):
            row[3 + k] = x[k]
        run.rows += 1
    return judged(run)
