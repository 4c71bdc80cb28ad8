"""One trajectory: the loop of every update rule.

The loop calls four functions by their addresses: the objective and the parts of the
rule. For the code of one rule on one objective they are known, and so are all sizes:
LLVM then writes the functions out, keeps the working arrays in registers where there
are few variables, and works on several coordinates at once where there are many (see
``native.machine.specialised``).

The state of a run is its *slots*, an array of shape (width, n): row 0 is the iterate,
each further row one state variable of the rule.

A run goes in strides of many updates, which only note whether there may have been a
reason to stop on the way. A stride with such an alarm is repeated in steps of one
update, until the exact end is found, or that there was none.
"""

from __future__ import annotations

from math import inf
from typing import Any

from symgd.kernels.common import run_at
from symgd.lowering.intrinsics import (
    call_at,
    evaluate,
    floats,
    integers,
    local,
    multiply,
)
from symgd.lowering.jitting import jit
from symgd.native.records import (
    CONVERGED,
    DIVERGED,
    STALLED,
    TARGET_REACHED,
    TRACE_ROWS,
    TRAJECTORY_FORM,
)
from symgd.native.status import RUNNING

STRIDE = 64  # updates between two looks at what has been noted


@jit
def _step(g: float, x: float, lower: float, upper: float, bounded: int) -> float:
    """Return the step down the gradient, unless a bound holds x against it."""
    held = bounded != 0 and ((x <= lower and g > 0.0) or (x >= upper and g < 0.0))
    return 0.0 if held else -g


@jit
def _felt(g: float, x: float, lower: float, upper: float, bounded: int) -> float:
    """Return the slope that a rule is given: 0 where a bound holds x against inf."""
    held = bounded != 0 and ((x <= lower and g == inf) or (x >= upper and g == -inf))
    return 0.0 if held else g


@jit
def _within(x: float, lower: float, upper: float, bounded: int) -> float:
    """Return x, or the bound that it is beyond; comparisons that let NaN through."""
    if bounded != 0:
        x = lower if x < lower else x
        x = upper if x > upper else x
    return x


@jit
def _norm(g: Any, now: Any, lower: Any, upper: Any, bounded: int) -> float:
    """Return the largest component of the (projected) gradient."""
    norm = 0.0
    for k in range(now.shape[1]):
        step = _step(g[k], now[0, k], lower[k], upper[k], bounded)
        norm = max(norm, abs(step))
    return norm


@jit
def _copy(numbers: Any, to: Any) -> None:
    for j in range(numbers.shape[0]):
        for k in range(numbers.shape[1]):
            to[j, k] = numbers[j, k]


def entry(
    run: Any,
    slots: Any,
    candidate: Any,
    gradient: Any,
    hyperparameters: Any,
    parameters: Any,
    lower: Any,
    upper: Any,
    rows: Any,
    form: Any,
) -> int:
    """Continue a run, at most to update ``run.last``.

    Parameters
    ----------
    run, slots, candidate, gradient : addresses
        Of the run; see ``native.records``.
    hyperparameters, parameters, lower, upper : addresses
    rows : address
        Of the trace.
    form : address
        Of integers, see ``TrajectoryForm``.

    Returns
    -------
    int
        RUNNING or a status. After DIVERGED, the run is at its last finite iterate, and
        ``candidate`` holds what was not finite: slots, value, gradient.
    """
    form = integers(form, (TRAJECTORY_FORM,))
    n, width, n_h, n_p = form[0], form[1], form[2], form[3]
    totals, stages, bounded, online = form[4], form[5], form[6], form[7]
    gradient_watched, slots_watched = form[8], form[9]
    places, values, derivatives = form[10], form[11], form[12]
    evaluates, multiplies, probes = form[13], form[14], form[15]
    value_at, product_at, schedule_at, summands_at, update_at = (
        *(form[16], form[17], form[18], form[19], form[20]),
    )
    rows_now = width + derivatives
    # Of its own, so that what depends only on them is computed before the loop.
    h, p = local(1, n_h), local(1, n_p)
    now, g, there = local(rows_now, n), local(1, n), local(1, n)
    kept, kept_g = local(rows_now, n), local(1, n)
    hyper, stepped = local(1, n_h)[0], local(1, width)[0]
    sums, r = local(1, totals)[0], local(1, totals + values)[0]
    parts, aside = local(1, totals + places)[0], local(1, n)[0]

    run = run_at(run)
    slots, gradient = floats(slots, (width, n)), floats(gradient, (1, n))
    candidate = floats(candidate, (width * n + n + 1,))
    lower, upper = floats(lower, (n,)), floats(upper, (n,))
    rows = floats(rows, (TRACE_ROWS, 3 + width * n + n_h))
    _copy(floats(hyperparameters, (1, n_h)), h)
    _copy(floats(parameters, (1, n_p)), p)
    _copy(slots, now)
    _copy(gradient, g)

    t, last, every = run.t, run.last, run.every
    row, patience, waited = run.rows, run.patience, run.waited
    gtol, ftol, target = run.gtol, run.ftol, run.target
    best, f = run.best, run.value
    # Above every sum of magnitudes of which none is above gtol, rounding included.
    small = max(5e-324, n * gtol * (1.0 + 1e-12)) if gtol >= 0.0 else -1.0
    watched = every != 0 or patience != 0 or target > -inf
    for j in range(totals + values):
        r[j] = 0.0
    pending = run.pending
    close = t  # up to here, a step at a time
    status = RUNNING
    while t < last:
        steps = 1 if watched or t < close else min(STRIDE, last - t)
        kept_pending, kept_f = pending, f
        _copy(g, kept_g)
        _copy(now, kept)
        low, total = inf, 0.0
        for i in range(steps):
            if pending != 0:
                pending = 0
            else:
                u = t + i + 1.0
                call_at(schedule_at, (u, h, hyper))
                if online != 0 and places != 0:
                    p[0, n_p - 1] = u
                place, derived, points = 0, 0, 0
                for stage in range(stages):
                    for j in range(totals):
                        sums[j] = 0.0
                    for k in range(n):
                        at, slope = now[0, k], g[0, k]
                        slope = _felt(slope, at, lower[k], upper[k], bounded)
                        call_at(summands_at, (u, slope, f, now, k, hyper, r, parts))
                        for j in range(totals):
                            sums[j] += parts[j]
                        if (multiplies >> stage) & 1:
                            there[0, k] = parts[totals + place]
                        if ((evaluates | probes) >> stage) & 1:
                            x = parts[totals + place]
                            there[0, k] = _within(x, lower[k], upper[k], bounded)
                    for j in range(totals):
                        r[j] = sums[j]
                    if ((evaluates | multiplies | probes) >> stage) & 1:
                        place += 1
                        found = aside
                        if ((evaluates | multiplies) >> stage) & 1:
                            found = now[width + derived]
                            derived += 1
                        if (multiplies >> stage) & 1:
                            value = multiply(product_at, now, p, found, there)
                        else:
                            value = evaluate(value_at, there, p, found)
                            if values != 0:
                                r[totals + points] = value
                                points += 1
                        if (evaluates >> stage) & 1:
                            for k in range(n):
                                at, slope = there[0, k], found[k]
                                found[k] = _felt(slope, at, lower[k], upper[k], bounded)
                        for k in range(n):  # one that isn't finite spoils the gradient
                            found[k] += value - value
                for k in range(n):
                    slope = _felt(g[0, k], now[0, k], lower[k], upper[k], bounded)
                    call_at(update_at, (u, slope, f, now, k, hyper, r, stepped))
                    x = stepped[0]
                    for j in range(width, rows_now):  # and that the coordinate
                        x += now[j, k] - now[j, k]
                    now[0, k] = _within(x, lower[k], upper[k], bounded)
                    for j in range(1, width):
                        now[j, k] = stepped[j]
            if online != 0:
                p[0, n_p - 1] = t + i + 2.0
            f = evaluate(value_at, now, p, g)
            size = 0.0
            for k in range(n):
                size += abs(_step(g[0, k], now[0, k], lower[k], upper[k], bounded))
                for j in range(width):
                    if (slots_watched >> j) & 1:
                        total += now[j, k]
                if gradient_watched != 0:
                    total += _felt(g[0, k], now[0, k], lower[k], upper[k], bounded)
            total += f
            low = min(low, size)
        t += steps
        everything = f
        for k in range(n):
            everything += _felt(g[0, k], now[0, k], lower[k], upper[k], bounded)
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
            pending, f = kept_pending, kept_f
            _copy(kept_g, g)
            _copy(kept, now)
            continue
        if not finite:
            candidate[width * n] = f
            for k in range(n):
                candidate[width * n + 1 + k] = g[0, k]
                for j in range(width):
                    candidate[j * n + k] = now[j, k]
            f = kept_f
            _copy(kept_g, g)
            _copy(kept, now)
            t -= 1
            status = DIVERGED
            break
        close = max(close, t + 1)
        norm = _norm(g[0], now, lower, upper, bounded)
        if every != 0 and t % every == 0:
            rows[row, 0], rows[row, 1], rows[row, 2] = t, f, norm
            for k in range(n):
                for j in range(width):
                    rows[row, 3 + j * n + k] = now[j, k]
            call_at(schedule_at, (float(t), h, hyper))
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
    updates = t + (status == DIVERGED)
    each = 1
    for stage in range(stages):
        each += ((evaluates | probes) >> stage) & 1
    run.evaluations = 1 + updates * each
    run.t, run.rows, run.waited = t, row, waited
    run.pending = pending
    run.best, run.value = best, f
    run.norm = _norm(g[0], now, lower, upper, bounded)
    _copy(g, gradient)
    _copy(now[:width], slots)
    return status
