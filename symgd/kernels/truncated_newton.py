"""Newton's method for many variables: a trust region, and products with the Hessian.

A step lowers the quadratic model of f within a radius, by conjugate gradients, which
need the Hessian's products with directions alone; they end early, where the step is
good enough, meets the radius, or curves downwards. Lengths are in units in which each
row of the Hessian is about as long as the others, found by random directions. What
bounds hold stays; a step goes along its projection onto them.

Elsewhere: truncated Newton, Newton-CG, the method of Steihaug and Toint.

Sources: Steihaug 1983, "The conjugate gradient method and trust regions in large scale
optimization"; Nocedal and Yuan 1998, "Combining trust region and line search
techniques" (a step that is too long is shortened); Bertsekas 1982, "Projected Newton
methods for optimization problems with simple constraints" (what is held); Bekas,
Kokiopoulou and Saad 2007, "An estimator for the diagonal of a matrix" (the units).
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

from symgd.kernels.common import (
    NOISE,
    ROUNDING,
    SUFFICIENT_DECREASE,
    arrays_at,
    commit,
    copy,
    is_held,
    is_usable,
    run_at,
)
from symgd.lowering.intrinsics import evaluate, floats, integers
from symgd.lowering.jitting import jit
from symgd.native.records import (
    ABNORMAL,
    DIVERGED,
    STALLED,
    TRACE_ROWS,
    TRUNCATED_VECTORS,
)
from symgd.native.status import RUNNING

PRODUCTS = 200  # in one iteration, at most
PROBES, RENEWED = 4, 10  # random directions, and iterations from one look to the next
LEAST_UNIT = 1e-14  # of a row's length, as a part of the longest
COARSE = 0.1  # of the gradient: what a step may leave of the model's
TRIALS = 40
SHORTER, LEAST, MOST = 0.25, 0.1, 0.5  # of a step that is too long, what is tried next
GOOD, BAD, WIDER = 0.75, 0.25, 3.0  # of what the model promised; of the radius
UNMEASURED = 1e-11  # a promise of more of the value than that shows in it
WIDEST = 1e100  # a radius that ends no step
MAX_IDLE = 21


@jit
def _multiply(at: Any, run: Any, v: Any, out: Any) -> None:
    """Write the product of the Hessian, at the iterate, with a direction."""
    n = run.variables
    copy(v, floats(at.direction, (n,)))
    constants = floats(at.product_constants, (1,))
    places = integers(at.scalars, (2 * at.scalar_count,))
    for i in range(at.scalar_count):
        constants[places[2 * i]] = v[places[2 * i + 1]]
    evaluate(at.product, floats(at.x, (n,)), constants, out)
    run.evaluations += 2  # it costs as much


@jit
def _set_units(at: Any, run: Any, free: Any, units: Any, v: Any, out: Any) -> None:
    """Set the lengths of the Hessian's rows, as random directions show them."""
    n, seed, longest = run.variables, 2 * run.t + 1, 0.0
    for k in range(n):
        units[k] = 0.0
    for _ in range(PROBES):
        for k in range(n):
            seed = (1103515245 * seed + 12345) % 2147483648
            v[k] = (1.0 if seed >= 1073741824 else -1.0) if free[k] != 0.0 else 0.0
        _multiply(at, run, v, out)
        for k in range(n):
            units[k] += out[k] * out[k] / PROBES
    for k in range(n):
        units[k] = sqrt(units[k])
        if free[k] != 0.0 and units[k] < inf:
            longest = max(longest, units[k])
    for k in range(n):
        if not units[k] < inf or longest == 0.0:
            units[k] = longest if longest > 0.0 else 1.0
        units[k] = max(units[k], LEAST_UNIT * longest)


@jit
def _to_boundary(ss: float, sd: float, dd: float, radius: float) -> float:
    """Return how far along d a step s has the length of the radius."""
    root = sqrt(max(sd * sd + dd * (radius * radius - ss), 0.0))
    if sd > 0.0:
        return (radius * radius - ss) / (sd + root)
    return (root - sd) / dd


@jit
def _step(
    at: Any,
    run: Any,
    g: Any,
    free: Any,
    units: Any,
    s: Any,
    d: Any,
    r: Any,
    out: Any,
) -> tuple[float, float]:
    """Set the step by conjugate gradients.

    Returns
    -------
    promised : float
        By how much the model falls.
    length : float
        Of the step, in units.
    """
    n = run.variables
    rz, ss, promised = 0.0, 0.0, 0.0
    for k in range(n):
        s[k] = 0.0
        r[k] = -g[k] if free[k] != 0.0 else 0.0
        d[k] = r[k] / units[k]
        rz += r[k] * d[k]
    run.radius = run.radius if run.radius > 0.0 else sqrt(rz)
    run.steep = max(run.steep, rz)
    enough = rz * min(COARSE * COARSE, sqrt(rz / run.steep)) if rz > 0.0 else 0.0
    for _ in range(PRODUCTS):
        if not enough < rz < inf:
            break
        _multiply(at, run, d, out)
        bend, sd, dd = 0.0, 0.0, 0.0
        for k in range(n):
            if free[k] != 0.0:
                bend += d[k] * out[k]
                sd += units[k] * s[k] * d[k]
                dd += units[k] * d[k] * d[k]
        if not abs(bend) < inf:
            break
        far = rz / bend if bend > 0.0 else inf
        edge = _to_boundary(ss, sd, dd, run.radius)
        stops = not far < edge
        part = edge if stops else far
        promised += part * (rz - 0.5 * part * bend)
        ss += part * (2.0 * sd + part * dd)
        new = 0.0
        for k in range(n):
            if free[k] != 0.0:
                s[k] += part * d[k]
                r[k] -= part * out[k]
                new += r[k] * r[k] / units[k]
        if stops:
            break
        for k in range(n):
            if free[k] != 0.0:
                d[k] = r[k] / units[k] + new / rz * d[k]
        rz = new
    return promised, sqrt(max(ss, 0.0))


@jit
def _search(
    function: Any,
    p: Any,
    run: Any,
    x: Any,
    g: Any,
    lower: Any,
    upper: Any,
    s: Any,
    trial: Any,
    trial_g: Any,
) -> tuple[float, float]:
    """Find a part of the step, projected onto the bounds, that lowers f enough.

    Returns
    -------
    f : float
        The value at the point, which ``trial`` and ``trial_g`` hold; inf if there is
        no acceptable point, -inf if the objective has no lower bound.
    part : float
        Of the step.
    """
    n, f, part = run.variables, run.value, 1.0
    for _trial in range(TRIALS):
        slope, moved = 0.0, False
        for k in range(n):
            trial[k] = min(max(x[k] + part * s[k], lower[k]), upper[k])
            if trial[k] != x[k]:
                slope += g[k] * (trial[k] - x[k])
                moved = True
        if not moved:
            break
        new = evaluate(function, trial, p, trial_g)
        run.evaluations += 1
        if new < run.bottom:
            return -inf, part
        usable = is_usable(new, trial_g, trial, lower, upper)
        if usable and new <= f + SUFFICIENT_DECREASE * min(slope, 0.0) and new < f:
            return new, part
        # Near a minimum values differ by rounding only; slopes are still exact there.
        level = new <= f + NOISE * abs(f) and -slope <= UNMEASURED * abs(f)
        if usable and level:
            norm = 0.0
            for k in range(n):
                if not is_held(trial[k], trial_g[k], lower[k], upper[k]):
                    norm = max(norm, abs(trial_g[k]))
            if norm <= 0.5 * run.norm:
                return new, part
        shorter = SHORTER
        if usable and slope < 0.0 and new - f - slope > 0.0:
            shorter = min(max(-0.5 * slope / (new - f - slope), LEAST), MOST)
        part *= shorter
    return inf, part


@jit
def _is_rounding(x: Any, s: Any) -> bool:
    """Return whether a step is no more than the rounding of x."""
    largest = 0.0
    for k in range(x.shape[0]):
        if abs(s[k]) > NOISE * abs(x[k]):
            largest = max(largest, abs(s[k]))
    return largest == 0.0


@jit
def descend(
    at: Any,
    run: Any,
    x: Any,
    g: Any,
    p: Any,
    lower: Any,
    upper: Any,
    work: Any,
    rows: Any,
) -> int:
    """Continue a run, at most to iteration ``run.last``.

    Parameters
    ----------
    at, run : records
        See ``native.records.RunArrays`` and ``RunState``.
    x, g : arrays of shape (n,)
        The iterate and its gradient; the value is ``run.value``.
    p, lower, upper : arrays
        The objective's parameters, the bounds.
    work : array of shape (TRUNCATED_VECTORS, n)
        The units, then working space.
    rows : array
        Where the trace goes.

    Returns
    -------
    int
        RUNNING or a status. STALLED and ABNORMAL mean that this stage can do no more;
        after DIVERGED the run is at its last finite iterate.
    """
    n = run.variables
    units, free, s, d, r, out = work[0], work[1], work[2], work[3], work[4], work[5]
    trial, trial_g = work[6], work[7]
    everywhere = False
    while run.t < run.last:
        f = run.value
        for k in range(n):
            free[k] = 0.0 if is_held(x[k], g[k], lower[k], upper[k]) else 1.0
        if run.radius == 0.0 or run.t % RENEWED == 0:
            _set_units(at, run, free, units, d, out)
        promised, length = _step(at, run, g, free, units, s, d, r, out)
        new, part = inf, 0.0
        if 0.0 < promised < inf:
            new, part = _search(
                at.function, p, run, x, g, lower, upper, s, trial, trial_g
            )
        if new == -inf:
            return DIVERGED
        if new == inf and not everywhere:  # a small radius promises little
            everywhere, run.radius = True, WIDEST
            continue
        if new == inf:
            beyond_measure = 0.0 < promised <= NOISE * abs(f)
            spent = beyond_measure or (promised > 0.0 and _is_rounding(x, s))
            return STALLED if spent else ABNORMAL
        if everywhere:
            everywhere, run.radius = False, length
        share = (f - new) / promised
        if part < 1.0 or share < BAD:
            run.radius = SHORTER * length if part == 1.0 else part * length
        elif share > GOOD and length > GOOD * run.radius:
            run.radius *= WIDER
        for k in range(n):
            x[k] = trial[k]
            g[k] = trial_g[k]
        run.idle += 1
        if new < run.deepest - ROUNDING * abs(f):
            run.deepest, run.idle = new, 0
        run.value = new
        status = commit(run, x, g, lower, upper, rows)
        if status != RUNNING:
            return status
        if run.idle >= MAX_IDLE:
            return STALLED
    return RUNNING


def entry(run: Any, arrays: Any) -> int:
    """Run :func:`descend`, with the addresses of records."""
    state, places = run_at(run), arrays_at(arrays)
    n = state.variables
    return descend(
        places,
        state,
        floats(places.x, (n,)),
        floats(places.gradient, (n,)),
        floats(places.constants, (1,)),
        floats(places.lower, (n,)),
        floats(places.upper, (n,)),
        floats(places.memory, (TRUNCATED_VECTORS, n)),
        floats(places.trace, (TRACE_ROWS, 3 + n)),
    )
