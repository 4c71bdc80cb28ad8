"""One trajectory: the loop of every update rule.

The loop is a closure over three straight-line functions, which numba inlines. Its
working arrays are on the stack: for few variables LLVM keeps them in registers, for
many it works on several coordinates at once.

The state of a run is its *slots*, an array of shape (width, n): row 0 is the iterate,
each further row one state variable of the rule.

A run goes in strides of many updates, which only note whether there may have been a
reason to stop on the way. A stride with such an alarm is repeated in steps of one
update, until the exact end is found, or that there was none.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import numba

from symgd.lowering.intrinsics import floats, integers, local, store
from symgd.lowering.jitting import JIT_OPTIONS
from symgd.lowering.scalar_update import ScalarUpdate
from symgd.lowering.watching import Watch
from symgd.native.records import (
    BEST,
    CONVERGED,
    COUNTERS,
    DIVERGED,
    EVALUATIONS,
    EVERY,
    FTOL,
    GTOL,
    LAST,
    LIMITS,
    NORM,
    PATIENCE,
    PENDING,
    ROWS,
    STALLED,
    TARGET,
    TARGET_REACHED,
    TRACE_ROWS,
    VALUE,
    WAITED,
    T,
)
from symgd.native.status import RUNNING

STRIDE = 64  # updates between two looks at what has been noted


@dataclass(frozen=True)
class Sizes:
    """The numbers of variables, slots of each, hyperparameters and parameters.

    ``online`` says whether the last parameter is the number of the update.
    """

    variables: int
    width: int
    hyperparameters: int
    parameters: int
    online: bool = False


def _inlined(function: Any) -> Any:
    return numba.njit(forceinline=True, **JIT_OPTIONS)(function)


@_inlined
def _step(g: float, x: float, lower: float, upper: float, bounded: bool) -> float:
    """Return the step down the gradient, unless a bound holds x against it."""
    held = bounded and ((x <= lower and g > 0.0) or (x >= upper and g < 0.0))
    return 0.0 if held else -g


@_inlined
def _norm(fg: Any, now: Any, lower: Any, upper: Any, bounded: bool) -> float:
    """Return the largest component of the (projected) gradient."""
    norm = 0.0
    for k in range(now.shape[1]):
        step = _step(fg[k + 1], now[0, k], lower[k], upper[k], bounded)
        norm = max(norm, abs(step))
    return norm


@_inlined
def _copied(numbers: Any, copy: Any) -> Any:
    """Return numbers in an array of the loop's own."""
    for k in range(numbers.shape[0]):
        copy[k] = numbers[k]
    return copy


def trajectory(
    value_and_gradient: Any,
    schedule: Any,
    update: ScalarUpdate,
    sizes: Sizes,
    bounded: bool,
    watch: Watch,
) -> Any:
    """Return the jitted loop of one rule on one objective.

    Parameters
    ----------
    value_and_gradient : (x, p) -> (f, g0, g1, ...)
    schedule : (t, h) -> tuple
        The hyperparameters of update t.
    update : ScalarUpdate
        Gives the slots of each coordinate after an update.
    sizes : Sizes
    bounded : bool
        Whether iterates are projected onto bounds.
    watch : Watch
        What each update of a stride looks at.

    Returns
    -------
    function
        ``descend(counters, limits, slots, candidate, gradient, h, p, lower, upper,
        rows)`` continues a run, at most to update ``counters[LAST]``, and returns
        RUNNING or a status. After DIVERGED, the run is at its last finite iterate, and
        ``candidate`` holds what was not finite: slots, value, gradient.
    """
    n, width, outputs = sizes.variables, sizes.width, sizes.variables + 1
    summands, step, totals = update.summands, update.slots, update.totals
    stages, constants, online = update.stages, max(1, sizes.parameters), sizes.online
    n_h, some = sizes.hyperparameters, max(1, sizes.hyperparameters)
    gradient_watched = watch.gradient
    slots_watched = tuple(j in watch.slots for j in range(width))

    def descend(
        counters: Any,
        limits: Any,
        slots: Any,
        candidate: Any,
        gradient: Any,
        h: Any,
        p: Any,
        lower: Any,
        upper: Any,
        rows: Any,
    ) -> int:
        t, last, every = counters[T], counters[LAST], counters[EVERY]
        row, patience, waited = counters[ROWS], counters[PATIENCE], counters[WAITED]
        gtol, ftol, target = limits[GTOL], limits[FTOL], limits[TARGET]
        best, f = limits[BEST], limits[VALUE]
        # Above every sum of magnitudes of which none is above gtol, rounding included.
        small = max(5e-324, n * gtol * (1.0 + 1e-12)) if gtol >= 0.0 else -1.0
        watched = every != 0 or patience != 0 or target > -inf
        now, kept = local(width, n), local(width, n)
        sums, r = local(1, totals)[0], local(1, totals)[0]
        for j in range(totals):
            r[j] = 0.0
        # Of its own, so that what depends only on them is computed before the loop.
        h, p = _copied(h, local(1, some)[0]), _copied(p, local(1, constants)[0])
        fg, kept_fg = local(1, outputs)[0], local(1, outputs)[0]
        fg[0] = f
        for k in range(n):
            fg[k + 1] = gradient[k]
            for j in range(width):
                now[j, k] = slots[j, k]
        pending = counters[PENDING]
        close = t  # up to here, a step at a time
        status = RUNNING
        while t < last:
            steps = 1 if watched or t < close else min(STRIDE, last - t)
            kept_pending = pending
            for k in range(n):
                kept_fg[k + 1] = fg[k + 1]
                for j in range(width):
                    kept[j, k] = now[j, k]
            kept_fg[0] = fg[0]
            low, total = inf, 0.0
            for i in range(steps):
                if pending != 0:
                    pending = 0
                else:
                    u = t + i + 1.0
                    hyper = schedule(u, h)
                    for _ in range(stages):
                        for j in range(totals):
                            sums[j] = 0.0
                        for k in range(n):
                            parts = summands(u, fg[k + 1], fg[0], now, k, hyper, r)
                            for j in range(totals):
                                sums[j] += parts[j]
                        for j in range(totals):
                            r[j] = sums[j]
                    for k in range(n):
                        stepped = step(u, fg[k + 1], fg[0], now, k, hyper, r)
                        x = stepped[0]
                        if bounded:  # comparisons that let NaN through
                            x = lower[k] if x < lower[k] else x
                            x = upper[k] if x > upper[k] else x
                        now[0, k] = x
                        for j in range(1, width):
                            now[j, k] = stepped[j]
                if online:
                    p[constants - 1] = t + i + 2.0
                store(fg, value_and_gradient(now[0], p))
                size = 0.0
                for k in range(n):
                    size += abs(
                        _step(fg[k + 1], now[0, k], lower[k], upper[k], bounded)
                    )
                    for j in range(width):
                        if slots_watched[j]:
                            total += now[j, k]
                    if gradient_watched:
                        total += fg[k + 1]
                total += fg[0]
                low = min(low, size)
            t += steps
            everything = fg[0]
            for k in range(n):
                everything += fg[k + 1]
                for j in range(width):
                    everything += now[j, k]
            finite = abs(everything) < inf  # not, if only the sum overflows
            finite = finite and (steps == 1 or abs(total) < inf)
            # A sum is quicker than the largest, and an alarm if it is small.
            if finite and low > small and not watched:
                continue
            if steps > 1:
                close = t
                t -= steps
                pending = kept_pending
                for k in range(outputs):
                    fg[k] = kept_fg[k]
                for k in range(n):
                    for j in range(width):
                        now[j, k] = kept[j, k]
                continue
            if not finite:
                for k in range(n):
                    for j in range(width):
                        candidate[j * n + k] = now[j, k]
                        now[j, k] = kept[j, k]
                for k in range(outputs):
                    candidate[width * n + k] = fg[k]
                    fg[k] = kept_fg[k]
                t -= 1
                status = DIVERGED
                break
            close = max(close, t + 1)
            f, norm = fg[0], _norm(fg, now, lower, upper, bounded)
            if every != 0 and t % every == 0:
                rows[row, 0], rows[row, 1], rows[row, 2] = t, f, norm
                for k in range(n):
                    for j in range(width):
                        rows[row, 3 + j * n + k] = now[j, k]
                hyper = schedule(float(t), h)
                for j in range(n_h):
                    rows[row, 3 + width * n + j] = hyper[j]
                row += 1
            if norm <= gtol:
                status = CONVERGED
                break
            if f <= target:
                status = TARGET_REACHED
                break
            if patience != 0:
                waited += 1
                if f < best - ftol:
                    best, waited = f, 0
                if waited >= patience:
                    status = STALLED
                    break
        counters[EVALUATIONS] = t + 1 + (status == DIVERGED)
        counters[T], counters[ROWS], counters[WAITED] = t, row, waited
        counters[PENDING] = pending
        limits[BEST], limits[VALUE] = best, fg[0]
        limits[NORM] = _norm(fg, now, lower, upper, bounded)
        for k in range(n):
            gradient[k] = fg[k + 1]
            for j in range(width):
                slots[j, k] = now[j, k]
        return status

    return numba.njit(**JIT_OPTIONS)(descend)


def entry(descend: Any, sizes: Sizes) -> Any:
    """Return the loop as a function of addresses, in the order of its arguments."""
    n, width, n_h, n_p = (
        *(sizes.variables, sizes.width, sizes.hyperparameters, sizes.parameters),
    )

    def run(
        counters: Any,
        limits: Any,
        slots: Any,
        candidate: Any,
        gradient: Any,
        h: Any,
        p: Any,
        lower: Any,
        upper: Any,
        rows: Any,
    ) -> int:
        return descend(
            integers(counters, (COUNTERS,)),
            floats(limits, (LIMITS,)),
            floats(slots, (width, n)),
            floats(candidate, (width * n + n + 1,)),
            floats(gradient, (n,)),
            floats(h, (n_h,)),
            floats(p, (n_p,)),
            floats(lower, (n,)),
            floats(upper, (n,)),
            floats(rows, (TRACE_ROWS, 3 + width * n + n_h)),
        )

    return run
