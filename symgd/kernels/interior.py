"""Minimise within constraints: a primal-dual interior point method with a filter.

An inequality has a slack variable, which is between the sides of the constraint; what
has sides is kept inside them by a barrier whose weight, mu, falls to 0. A step solves
Newton's system of the optimality conditions (Karush, Kuhn and Tucker) with the exact
Hessian of the Lagrangian, made to have the right signs. A step is taken if it lowers
the sum of violations or the barrier function, as the filter of earlier pairs decides;
where no step does, the violation alone is lowered (restoration). A point where that has
no way on is infeasible. Sides are never crossed: nothing is evaluated beyond them.

Its parts: ``lagrangian`` (what is known at a point), ``sides`` (the barrier),
``newton_system``, ``filtering`` (which steps are made), ``restoration``,
``second_order`` (what an end is).

Sources: Wächter and Biegler 2006, "On the implementation of an interior-point filter
line-search algorithm for large-scale nonlinear programming", sections 2 and 3;
``kernels.factoring`` names those of the linear algebra.
"""

from __future__ import annotations

from math import inf
from typing import Any

from symgd.kernels.common import LOWEST
from symgd.kernels.factoring import EPS
from symgd.kernels.filtering import by_value, lower_barrier, remember, searched
from symgd.kernels.lagrangian import (
    FAINT,
    LEAST_SCALE,
    STEEP,
    add_multiples,
    differentiate,
    errors,
    look,
    observe,
    scale_of,
    sum_of,
)
from symgd.kernels.newton_system import correct, multipliers, newton
from symgd.kernels.restoration import FEASIBLE, RESTORATIONS, restore
from symgd.kernels.second_order import examine
from symgd.kernels.sides import (
    barrier_function,
    inside,
    keep_sides,
    move_sides,
    place_trial,
    set_sides,
    side_steps,
    weights_of_sides,
    with_barrier,
)
from symgd.lowering.intrinsics import floats, integers, record_at
from symgd.lowering.jitting import jit
from symgd.native.records import (
    ABNORMAL,
    CONVERGED,
    DIVERGED,
    STALLED,
    TARGET_REACHED,
    TRACE_ROWS,
    InteriorArrays,
    InteriorState,
)
from symgd.native.status import RUNNING

run_at, arrays_at = record_at(InteriorState), record_at(InteriorArrays)

TOLERANCE, FINE = 1e-9, 1e-12  # of the scaled conditions: enough, and all there is
ROUGHLY = 1e-6  # likewise, where there is no way on
POLISHING = 4  # steps from the one to the other
OPTIMAL, COMPLEMENTARY = 1e-6, 1e-7  # of the gradient, and of the value, unscaled
PRICED = 1e-7  # of the value, which the violation may be worth
SOLVED = 10.0  # times mu: when the barrier problem is done
SHORT, CRAWL = 1e-2, 10  # steps that are no progress, so many in a row
BOTTOM = -1e12  # times the value at the start: a feasible point so low has no lowest
AWAY = 1e10  # so far out


@jit
def _begin(run: Any, at: Any, p: Any) -> int:
    """Scale the problem, and find multipliers, at the first point."""
    n, m, nx, me, size = (
        run.variables,
        run.constraints,
        run.moving,
        run.equalities,
        run.unknowns,
    )
    v, y, h = floats(at.v, (size,)), floats(at.y, (m,)), floats(at.h, (m,))
    image = floats(at.image, (n + m + 1,))
    scales, units = floats(at.scales, (m,)), floats(at.units, (m,))
    low, high = floats(at.low, (m,)), floats(at.high, (m,))
    values, columns = (
        floats(at.values, (run.entries,)),
        integers(at.columns, (run.entries,)),
    )
    starts = integers(at.row_starts, (m + 1,))
    v_low, v_high = floats(at.v_low, (size,)), floats(at.v_high, (size,))
    run.scale = 1.0
    for k in range(m):
        scales[k], y[k] = 1.0, 0.0
    run.faint = 0
    f = observe(run, at, p, v, h)
    if not (abs(f) < inf and differentiate(run, at, p, v, y, 1.0)):
        return DIVERGED
    run.scale = scale_of(run, at)
    for k in range(m):
        steepest = 0.0
        for e in range(starts[k], starts[k + 1]):
            if columns[e] < nx:
                steepest = max(steepest, abs(values[e]) / units[k])
        if 0.0 < steepest < FAINT:
            run.faint = 1
        scale = max(LEAST_SCALE, min(1.0, STEEP / max(steepest, 1e-300)))
        scales[k] = scale / units[k]
    for k in range(me, m):
        i = nx + k - me
        v_low[i], v_high[i] = scales[k] * low[k], scales[k] * high[k]
        v[i] = inside(scales[k] * image[n + k], v_low[i], v_high[i])
    run.value = run.first_value = f
    run.barrier = run.first_barrier
    run.least_barrier = max(1e-15, FINE / 11.0 * min(1.0, 10.0 * run.scale))
    run.convexity, run.filtered, run.restored = 0.0, 0, 0
    run.crawled = run.tiny = run.polished = run.tried = 0
    run.started = 1
    set_sides(run, at, inf)
    observe(run, at, p, v, h)
    differentiate(run, at, p, v, y, run.scale)
    multipliers(run, at)
    theta = sum_of(h)
    run.most_violated = 1e4 * max(1.0, theta)
    run.little_violated = 1e-4 * max(1.0, theta)
    return RUNNING


@jit
def _has_no_bottom(run: Any, at: Any) -> bool:
    """Return whether a feasible point is so low, or so far, that there is no lowest."""
    first = max(1.0, abs(run.first_value))
    if run.visible > run.ctol:
        return False
    if run.value < LOWEST * first:
        return True
    v, far = floats(at.v, (run.unknowns,)), 0.0
    for i in range(run.moving):
        far = max(far, abs(v[i]))
    fallen = run.value < run.first_value - first
    return run.value < BOTTOM * first or (far > AWAY and fallen)


@jit
def _is_solved(run: Any, at: Any, tolerance: float) -> bool:
    """Return whether the optimality conditions hold, scaled and as they are given.

    What the value would change by if the constraints held exactly is told by the
    multipliers, where there are any.
    """
    m = run.constraints
    slope, steepest = floats(at.slope, (run.unknowns,)), 0.0
    y, h, priced = floats(at.y, (m,)), floats(at.h, (m,)), 0.0
    for i in range(run.moving):
        steepest = max(steepest, abs(slope[i]))
    for k in range(m):
        priced += abs(y[k] * h[k])
    steepest /= run.scale
    return (
        run.missed <= tolerance
        and priced / run.scale <= PRICED * max(1.0, abs(run.value))
        and run.norm <= max(run.gtol, OPTIMAL * max(1.0, steepest))
        and run.complementarity <= COMPLEMENTARY * max(1.0, abs(run.value))
        and run.visible <= run.ctol
    )


@jit
def _keep_solved(run: Any, at: Any) -> None:
    """Keep an iterate that is solved: beyond rounding, a step only spoils it."""
    size, m = run.unknowns, run.constraints
    kept, y = floats(at.solved, (3 * size + m,)), floats(at.y, (m,))
    v = floats(at.v, (size,))
    z_low, z_high = floats(at.z_low, (size,)), floats(at.z_high, (size,))
    for i in range(size):
        kept[i], kept[size + i], kept[2 * size + i] = v[i], z_low[i], z_high[i]
    for k in range(m):
        kept[3 * size + k] = y[k]


@jit
def _return_to_solved(run: Any, at: Any, p: Any) -> None:
    """Be at the iterate that was kept."""
    size, m = run.unknowns, run.constraints
    kept, y = floats(at.solved, (3 * size + m,)), floats(at.y, (m,))
    v = floats(at.v, (size,))
    z_low, z_high = floats(at.z_low, (size,)), floats(at.z_high, (size,))
    for i in range(size):
        v[i], z_low[i], z_high[i] = kept[i], kept[size + i], kept[2 * size + i]
    for k in range(m):
        y[k] = kept[3 * size + k]
    _enter(run, at, p)
    look(run, at)


@jit
def _judged(run: Any, at: Any, p: Any, status: int) -> int:
    """Say how a run has ended that can't go on, or need not."""
    if _is_solved(run, at, TOLERANCE):
        status = CONVERGED
    elif status == STALLED and not _is_solved(run, at, ROUGHLY):
        status = ABNORMAL
    if status in (CONVERGED, STALLED):
        examine(run, at, p)
    return status


@jit
def _step(run: Any, at: Any, p: Any) -> int:
    """Make a step; RUNNING, or a status."""
    size, m = run.unknowns, run.constraints
    every = size + m
    v, y, h = floats(at.v, (size,)), floats(at.y, (m,)), floats(at.h, (m,))
    trial, h_trial = floats(at.trial, (size,)), floats(at.h_trial, (m,))
    slope, barrier_slope = floats(at.slope, (size,)), floats(at.barrier_slope, (size,))
    right = floats(at.right, (every,))
    step, own = floats(at.step, (every,)), floats(at.other_step, (every,))
    mu = run.barrier
    for i in range(size):
        own[i] = 0.0
    weights_of_sides(run, at, own)
    with_barrier(run, at, slope, mu, barrier_slope)
    for i in range(size):
        right[i] = barrier_slope[i]
    add_multiples(run, at, y, right)
    for i in range(size):
        right[i] = -right[i]
    for k in range(m):
        right[size + k] = -h[k]
    if not newton(run, at, mu, 0.0, own):
        return ABNORMAL
    part, share = correct(run, at, mu), 0.0
    theta, phi = sum_of(h), barrier_function(run, at, run.scale * run.value, v, mu)
    falls, moved, worst = 0.0, 0.0, 0.0
    for i in range(size):
        falls += barrier_slope[i] * step[i]
        moved = max(moved, abs(step[i]) / (1.0 + abs(v[i])))
    for k in range(m):
        worst = max(worst, abs(h[k]))
    if moved < 10.0 * EPS and theta <= 1e-4:  # it is taken as it is
        place_trial(run, at, part, step)
        made = part if observe(run, at, p, trial, h_trial) < inf else -1.0
        run.tiny += 1
        if run.barrier > run.least_barrier:
            lower_barrier(run)
            run.tiny = 0
        elif run.tiny > 1:
            return STALLED
    else:
        made = searched(run, at, p, part)
    run.crawled = run.crawled + 1 if 0.0 <= made < SHORT else 0
    if run.crawled >= CRAWL and worst > FEASIBLE:
        made, run.crawled = -1.0, 0
    if made < 0.0:
        return _without_step(run, at, p, theta, phi, worst)
    if not (theta <= run.little_violated and by_value(falls, made, theta)):
        remember(run, at, theta, phi)
    share = side_steps(run, at, step, mu)
    for i in range(size):
        v[i] = trial[i]
    for k in range(m):
        y[k] += made * step[size + k]
        h[k] = h_trial[k]
    _widen_slacks(run, at)
    move_sides(run, at, share)
    keep_sides(run, at, mu)
    return _enter(run, at, p)


@jit
def _widen_slacks(run: Any, at: Any) -> None:
    """Let slacks be what constraints leave, where that is more than they are.

    It lowers the violation and the barrier. Where a constraint bends away, its slack
    follows only slowly otherwise.

    Source: Byrd, Hribar and Nocedal 1999, "An interior point algorithm for large-scale
    nonlinear programming".
    """
    m, me, nx = run.constraints, run.equalities, run.moving
    v, h = floats(at.v, (run.unknowns,)), floats(at.h, (m,))
    low, high = floats(at.v_low, (run.unknowns,)), floats(at.v_high, (run.unknowns,))
    for k in range(me, m):
        i = nx + k - me
        if (h[k] > 0.0 and high[i] == inf) or (h[k] < 0.0 and low[i] == -inf):
            v[i] += h[k]
            h[k] = 0.0


@jit
def _without_step(
    run: Any, at: Any, p: Any, theta: float, phi: float, worst: float
) -> int:
    """Go on where no step is acceptable: by a smaller mu, or by a restoration."""
    if worst <= 0.1 * TOLERANCE or run.constraints == 0:
        run.tiny += 1
        if run.barrier <= run.least_barrier or run.tiny > 60:
            return STALLED
        lower_barrier(run)
        return _enter(run, at, p)
    run.restored += 1
    remember(run, at, theta, phi)
    status = restore(run, at, p)
    if status == RUNNING and run.restored <= RESTORATIONS:
        set_sides(run, at, run.barrier)
        y = floats(at.y, (run.constraints,))
        for k in range(run.constraints):
            y[k] = 0.0
        status = _enter(run, at, p)
        if status == RUNNING:
            multipliers(run, at)
            differentiate(
                *(run, at, p, floats(at.v, (run.unknowns,)), y, run.scale),
            )
        return status
    ended = _enter(run, at, p)
    return ABNORMAL if status == RUNNING or ended != RUNNING else status


@jit
def _enter(run: Any, at: Any, p: Any) -> int:
    """Take note of the point where the run is."""
    v, h = floats(at.v, (run.unknowns,)), floats(at.h, (run.constraints,))
    y = floats(at.y, (run.constraints,))
    f = observe(run, at, p, v, h)
    if not abs(f) < inf:
        return DIVERGED
    run.value = f / run.scale
    return RUNNING if differentiate(run, at, p, v, y, run.scale) else DIVERGED


@jit
def _record(run: Any, at: Any, rows: Any) -> None:
    """Count the iterate, and record it."""
    run.t += 1
    n, nx = run.variables, run.moving
    x, point = floats(at.x, (n,)), floats(at.point, (n + run.constraints + 1,))
    v, places = floats(at.v, (run.unknowns,)), integers(at.places, (nx,))
    image, gradient = floats(at.image, (n,)), floats(at.gradient, (n,))
    for k in range(n):
        x[k], gradient[k] = point[k], run.sign * image[k]
    for k in range(nx):
        x[places[k]] = v[k]
    if run.every != 0 and run.t % run.every == 0:
        row = rows[run.rows]
        row[0], row[1], row[2] = run.t, run.value, run.norm
        for k in range(n):
            row[3 + k] = x[k]
        row[3 + n], row[4 + n] = run.violation, run.barrier
        run.rows += 1


@jit
def descend(run: Any, at: Any, p: Any, rows: Any) -> int:
    """Continue a run, at most to iteration ``run.last``.

    Parameters
    ----------
    run, at : records
        See ``native.records``: InteriorState, InteriorArrays.
    p : array
        The objective's parameters.
    rows : array
        Where the trace goes.

    Returns
    -------
    int
        RUNNING or a status. INFEASIBLE is a point of least violation, near there.
    """
    if run.started == 0:
        status = _begin(run, at, p)
        if status != RUNNING:
            return status
        _enter(run, at, p)
        look(run, at)
        if run.t < 0:
            _record(run, at, rows)
    while True:
        if _is_solved(run, at, TOLERANCE):
            run.polished += 1
            if run.missed <= FINE or run.polished > POLISHING:
                return _judged(run, at, p, CONVERGED)
            _keep_solved(run, at)
        if run.value <= run.target and run.visible <= run.ctol:
            return TARGET_REACHED
        if _has_no_bottom(run, at):
            return DIVERGED
        if run.t >= run.last:
            return RUNNING
        if run.tried >= run.most_tried:
            return ABNORMAL
        while (
            run.barrier > run.least_barrier
            and errors(run, at, run.barrier)[0] <= SOLVED * run.barrier
        ):
            lower_barrier(run)
        run.tried += 1
        status = _step(run, at, p)
        look(run, at)
        if run.polished > 0 and not _is_solved(run, at, TOLERANCE):
            _return_to_solved(run, at, p)
            status = CONVERGED
        _record(run, at, rows)
        if status != RUNNING:
            return _judged(run, at, p, status)


def entry(run: Any, arrays: Any) -> int:
    """Run :func:`descend`, with the addresses of records."""
    state, at = run_at(run), arrays_at(arrays)
    rows = floats(at.trace, (TRACE_ROWS, 5 + state.variables))
    return descend(state, at, floats(at.constants, (1,)), rows)
