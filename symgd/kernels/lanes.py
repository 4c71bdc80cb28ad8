"""Many trajectories of one rule, side by side in SIMD lanes.

A block of lanes advances some iterations at a time without a branch, and only notes
whether any of its lanes met a reason to stop on the way. A lane that did is taken back
to where these iterations began, and the loop for one trajectory finds the exact end:
the same functions with the same roundings, so that a descent is the same, bit for bit,
alone or among others.
"""

from __future__ import annotations

import functools
from math import inf
from typing import Any

import numba

from symgd.kernels.run import (
    BEST,
    EVALUATIONS,
    FTOL,
    GTOL,
    LAST,
    NORM,
    PATIENCE,
    PENDING,
    TARGET,
    VALUE,
    WAITED,
    T,
)
from symgd.lowering.intrinsics import local
from symgd.lowering.lanes import largest, put, total
from symgd.lowering.native import JIT_OPTIONS
from symgd.status import RUNNING

CHUNK = 48  # iterations between two looks at the lanes

# What is watched of each lane: a row each.
WATCHED = 7
BROKEN = 0  # 0 as long as all numbers are finite, then NaN
NORMS = 1  # of the gradient, at the last iterate
LOW_NORM, LOW_VALUE = 2, 3  # since the last look
BEST_VALUE, WAIT = 4, 5  # by which improvement is measured, iterations since
LONGEST = 6  # wait since the last look


def _inlined(function: Any) -> Any:
    return numba.njit(forceinline=True, **JIT_OPTIONS)(function)


@functools.lru_cache(maxsize=128)
def lanes(
    value_and_gradient: Any,
    schedule: Any,
    update: Any,
    descend: Any,
    sizes: tuple[int, int, int, int],
    bounded: bool,
    patient: bool,
    block: int,
) -> Any:
    """Return the compiled loop over blocks of lanes.

    Parameters
    ----------
    value_and_gradient, update
        The functions of a column, see ``lowering.lanes``.
    schedule : (t, h) -> tuple
    descend
        The loop for one trajectory, see ``trajectory``.
    sizes : (int, int, int, int)
        Numbers of variables, of slots of each, of hyperparameters, of parameters.
    bounded, patient : bool
        Whether there are bounds; whether patience is limited.
    block : int
        Lanes in a block.

    Returns
    -------
    function
        It advances the descents whose numbers are ``active`` from iteration ``start``
        to ``stop``. The quantities of all descents are rows, a column for each:
        ``slots``, ``hyper``, ``parameters``, the results ``fg`` (value, gradient) and
        ``marks`` (norm, best, waited), and ``ends`` (status, nit, evaluations).
        ``counters``, ``limits``, ``one``, ``candidate``, ``gradient``, ``one_h``,
        ``one_p`` and ``rows`` are the arrays of one trajectory, see ``trajectory``.
    """
    n, width, n_hyper, n_parameters = sizes
    size, outputs = n * width, n + 1
    end_of_values = size + outputs
    end_of_hyper = end_of_values + n_hyper
    end_of_parameters = end_of_hyper + n_parameters
    all_rows = end_of_parameters + WATCHED

    @_inlined
    def observe(
        now: Any, s: Any, lane: int, watch: Any, ftol: float, sides: Any
    ) -> None:
        """Note what an evaluated iterate says about stopping."""
        step = largest(now, s, lane, width, sides[0], sides[1])
        low = watch[LOW_NORM, lane]
        watch[LOW_NORM, lane] = step if step < low else low
        low = watch[LOW_VALUE, lane]
        watch[LOW_VALUE, lane] = now[0] if now[0] < low else low
        watch[BROKEN, lane] += 0.0 * total(now)
        if patient:
            better = now[0] < watch[BEST_VALUE, lane] - ftol
            watch[BEST_VALUE, lane] = now[0] if better else watch[BEST_VALUE, lane]
            watch[WAIT, lane] = 0.0 if better else watch[WAIT, lane] + 1.0
            watch[LONGEST, lane] = max(watch[LONGEST, lane], watch[WAIT, lane])

    @_inlined
    def chunk(
        s: Any, h: Any, p: Any, watch: Any, reached: Any, t: int, steps: int,
        ftol: float, lower: Any, upper: Any, any_h: Any,
    ) -> None:  # fmt: skip
        """Make some updates in all lanes, and evaluate the last iterate."""
        sides = (lower, upper) if bounded else (None, None)
        for i in range(steps):
            constants = schedule(t + i + 1.0, any_h)
            for lane in range(block):
                now = value_and_gradient(s, lane, p)
                observe(now, s, lane, watch, ftol, sides)
                put(s, lane, update(t + i + 1.0, now, s, lane, h, constants))
                if bounded:
                    for k in range(n):
                        x = s[k * width, lane]
                        x = lower[k] if x < lower[k] else x
                        s[k * width, lane] = upper[k] if x > upper[k] else x
        for lane in range(block):
            now = value_and_gradient(s, lane, p)
            watch[NORMS, lane] = largest(now, s, lane, width, sides[0], sides[1])
            watch[BROKEN, lane] += 0.0 * total(now)
            put(reached, lane, now)
        for j in range(size):
            for lane in range(block):
                watch[BROKEN, lane] += 0.0 * s[j, lane]

    @_inlined
    def take_out(
        kept: Any, kept_watch: Any, h: Any, p: Any, lane: int, who: int, t: int,
        steps: int, slots: Any, fg: Any, marks: Any, ends: Any, lower: Any, upper: Any,
        counters: Any, limits: Any, one: Any, candidate: Any, gradient: Any, one_h: Any,
        one_p: Any, rows: Any,
    ) -> bool:  # fmt: skip
        """Repeat a chunk for one lane alone; enter its end, if it has one."""
        for k in range(n):
            for j in range(width):
                one[j, k] = kept[k * width + j, lane]
        for j in range(n_hyper):
            one_h[j] = h[j, lane]
        for j in range(n_parameters):
            one_p[j] = p[j, lane]
        counters[T], counters[PENDING], counters[LAST] = t - 1, 1, t + steps
        counters[WAITED] = int(kept_watch[WAIT, lane])
        limits[BEST] = kept_watch[BEST_VALUE, lane]
        ended = descend(
            *(counters, limits, one, candidate, gradient),
            *(one_h, one_p, lower, upper, rows),
        )
        if ended == RUNNING:
            return False
        for k in range(n):
            fg[k + 1, who] = gradient[k]
            for j in range(width):
                slots[k * width + j, who] = one[j, k]
        fg[0, who], marks[0, who] = limits[VALUE], limits[NORM]
        ends[0, who], ends[1, who], ends[2, who] = (
            *(ended, counters[T], counters[EVALUATIONS]),
        )
        return True

    def advance(
        active: Any, start: int, stop: int, slots: Any, hyper: Any, parameters: Any,
        fg: Any, marks: Any, ends: Any, lower: Any, upper: Any, counters: Any,
        limits: Any, one: Any, candidate: Any, gradient: Any, one_h: Any, one_p: Any,
        rows: Any,
    ) -> None:  # fmt: skip
        # One array: LLVM then sees that rows don't overlap.
        table = local(all_rows, block)
        s, reached = table[:size], table[size:end_of_values]
        h, p = table[end_of_values:end_of_hyper], table[end_of_hyper:end_of_parameters]
        watch = table[end_of_parameters:]
        kept, kept_watch = local(size, block), local(WATCHED, block)
        alive = local(1, block)[0]
        gtol, ftol, target = limits[GTOL], limits[FTOL], limits[TARGET]

        for first in range(0, active.shape[0], block):
            count = min(block, active.shape[0] - first)
            for lane in range(block):  # lanes without a descent repeat the last one
                who = active[first + min(lane, count - 1)]
                for j in range(size):
                    s[j, lane] = slots[j, who]
                for j in range(n_hyper):
                    h[j, lane] = hyper[j, who]
                for j in range(n_parameters):
                    p[j, lane] = parameters[j, who]
                watch[BEST_VALUE, lane], watch[WAIT, lane] = (
                    marks[1, who],
                    marks[2, who],
                )
                alive[lane] = 1.0 if lane < count else 0.0
            running, t = count, start
            while True:
                steps = min(CHUNK, stop - t)
                for lane in range(block):
                    for j in range(size):
                        kept[j, lane] = s[j, lane]
                    watch[BROKEN, lane] = 0.0
                    watch[LOW_NORM, lane] = watch[LOW_VALUE, lane] = inf
                    watch[LONGEST, lane] = -1.0
                    watch[WAIT, lane] -= (
                        1.0  # the first iterate has been counted before
                    )
                    for j in range(WATCHED):
                        kept_watch[j, lane] = watch[j, lane]
                chunk(s, h, p, watch, reached, t, steps, ftol, lower, upper, one_h)
                for lane in range(count):
                    goes_on = (
                        watch[BROKEN, lane] == 0.0
                        and watch[LOW_NORM, lane] > gtol
                        and watch[LOW_VALUE, lane] > target
                    )
                    if patient and watch[LONGEST, lane] >= counters[PATIENCE]:
                        goes_on = False
                    if goes_on or alive[lane] == 0.0:
                        continue
                    if take_out(
                        *(kept, kept_watch, h, p, lane, active[first + lane], t, steps),
                        *(slots, fg, marks, ends, lower, upper, counters, limits),
                        *(one, candidate, gradient, one_h, one_p, rows),
                    ):
                        alive[lane] = 0.0
                        running -= 1
                t += steps
                if t >= stop or running == 0:
                    break
            for lane in range(count):
                who = active[first + lane]
                if alive[lane] != 0.0:
                    for j in range(size):
                        slots[j, who] = s[j, lane]
                    for j in range(outputs):
                        fg[j, who] = reached[j, lane]
                    marks[0, who] = watch[NORMS, lane]
                    marks[1, who] = watch[BEST_VALUE, lane]
                    marks[2, who] = watch[WAIT, lane]
                    ends[1, who], ends[2, who] = t, t + 1

    return numba.njit(nogil=True, **JIT_OPTIONS)(advance)
