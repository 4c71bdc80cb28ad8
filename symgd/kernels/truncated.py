"""Truncated Newton steps: for many variables, where no Hessian is written out.

A step lowers the quadratic model at the iterate, within a region where the model is
trusted, as far as conjugate gradients bring it there; all they ask for is the Hessian's
products with directions. Coordinates are measured in units in which the Hessian's rows
are about as long as 1, which is estimated from products, too: where its diagonal is
what matters, it is made 1. Units never become smaller, so that a coordinate along
which nothing curves yet doesn't run away. With bounds, the step is projected onto them,
and goes on along the coordinates that are still free.

Sources: Steihaug 1983, "The conjugate gradient method and trust regions in large scale
optimization"; Lin and Moré 1999, "Newton's method for large bound-constrained
optimization problems" (projected searches, goals); Nocedal and Wright 2006, "Numerical
Optimization", chapter 7; Bradley and Murray 2011, "Matrix-free approximate
equilibration" (units from rows' lengths, in units found before); Moré 1978, "The
Levenberg-Marquardt algorithm: implementation and theory" (units that never shrink).
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

from symgd.kernels.common import (
    NOISE,
    ROUNDING,
    arrays_at,
    begin,
    commit,
    copy,
    dot,
    is_usable,
    largest_of,
    mark_free,
    run_at,
)
from symgd.lowering.intrinsics import evaluate, floats, multiply
from symgd.lowering.jitting import jit
from symgd.native.records import (
    ABNORMAL,
    DIVERGED,
    MODEL_VECTORS,
    STALLED,
    TRACE_ROWS,
)
from symgd.native.status import RUNNING

PROBES = 8  # products for an estimate: it is exact for a band of fewer neighbours
UNITS = 3  # estimates at first, each in the units of the one before
ACCEPTED, POOR, GOOD = 1e-4, 0.25, 0.75  # of the decrease that was promised
NARROWER, WIDER = 0.25, 2.0  # times the region
NEAREST, FARTHEST = 1e-300, 1e150  # its radius
GOAL = 0.1  # what part of the model's gradient conjugate gradients may leave
MOST = 20  # products for each variable: rounding takes more than one
FACES = 20  # of the bounds, that a step comes to
HALVINGS = 20
TRIALS = 40
MAX_IDLE = 21
UNMEASURED = 1e-11  # a promise of more of the value than that shows in it


@jit
def _sign(k: int, probe: int) -> float:
    """Return 1 or -1, as if by chance."""
    bits = (k * 2654435761 + probe * 40503 + 12345) % 4294967296
    bits = (bits * 1103515245 + 12345) % 2147483648
    return 1.0 if (bits // 65536) % 2 == 0 else -1.0


@jit
def _weigh(
    product: Any, run: Any, x: Any, p: Any, weights: Any, free: Any, work: Any
) -> None:
    """Enlarge units, squared, to the lengths of the Hessian's rows in these units.

    Each probe is of signs at every PROBES-th coordinate; a product tells parts of all
    rows.
    """
    n = x.shape[0]
    probe, image, rows = work[0], work[1], work[2]
    for k in range(n):
        rows[k] = 0.0
    for first in range(min(PROBES, n)):
        for k in range(n):
            own = k % PROBES == first and free[k] != 0.0
            probe[k] = _sign(k, first) / sqrt(weights[k]) if own else 0.0
        run.evaluations += 1
        if not abs(multiply(product, x, p, image, probe)) < inf:
            return
        for k in range(n):
            if free[k] != 0.0:
                entry = image[k] / sqrt(weights[k])
                rows[k] += entry * entry
    largest = 0.0
    for k in range(n):
        if free[k] != 0.0 and rows[k] < inf:
            rows[k] = weights[k] * sqrt(rows[k])
            largest = max(largest, rows[k])
    for k in range(n):
        if free[k] != 0.0 and rows[k] < inf and largest > 0.0:
            least = weights[k] if run.radius > 0.0 else NOISE * largest
            weights[k] = max(rows[k], least)


@jit
def _length(a: Any, weights: Any, free: Any) -> float:
    """Return the length of a vector, in the units of the coordinates."""
    total = 0.0
    for k in range(a.shape[0]):
        if free[k] != 0.0:
            total += weights[k] * a[k] * a[k]
    return sqrt(total)


@jit
def _to_boundary(radius: float, ss: float, sd: float, dd: float) -> float:
    """Return how far along a direction a step may go that is inside the region."""
    left = max(radius * radius - ss, 0.0)
    root = sqrt(sd * sd + dd * left)
    return left / (sd + root) if sd > 0.0 else (root - sd) / dd


@jit
def _solve(
    product: Any,
    run: Any,
    x: Any,
    p: Any,
    slope: Any,
    weights: Any,
    free: Any,
    most: int,
    work: Any,
) -> bool:
    """Lower the model by conjugate gradients.

    Parameters
    ----------
    slope : array
        The model's gradient where it begins.
    most : int
        Products, at most.
    work : array
        Its rows become the step, the model's gradient there, and others.

    Returns
    -------
    bool
        Whether the step ends at the boundary of the region.
    """
    n = x.shape[0]
    step, rest, direction, image = work[0], work[1], work[2], work[3]
    rz = 0.0
    for k in range(n):
        step[k] = 0.0
        rest[k] = slope[k] if free[k] != 0.0 else 0.0
        direction[k] = -rest[k] / weights[k]
        rz -= rest[k] * direction[k]
    enough = GOAL * GOAL * rz
    ss, sd, dd = 0.0, 0.0, rz
    for _ in range(most):
        known = multiply(product, x, p, image, direction)
        run.evaluations += 1
        run.products += 1
        bend = dot(direction, image, free)
        if not (abs(known) < inf and abs(bend) < inf and 0.0 < dd < inf):
            return False
        part = rz / bend if bend > NOISE * dd else inf
        bounded = not ss + part * (2.0 * sd + part * dd) < run.radius * run.radius
        if bounded:
            part = _to_boundary(run.radius, ss, sd, dd)
        left = 0.0
        for k in range(n):
            if free[k] != 0.0:
                step[k] += part * direction[k]
                rest[k] += part * image[k]
                left += rest[k] * rest[k] / weights[k]
        if bounded:
            return True
        if left <= enough:
            return False
        ss += part * (2.0 * sd + part * dd)
        sd = left / rz * (sd + part * dd)
        dd = left + left / rz * (left / rz) * dd
        for k in range(n):
            if free[k] != 0.0:
                direction[k] = left / rz * direction[k] - rest[k] / weights[k]
        rz = left
    return False


@jit
def _projected(
    product: Any,
    run: Any,
    x: Any,
    p: Any,
    lower: Any,
    upper: Any,
    trial: Any,
    slope: Any,
    free: Any,
    work: Any,
) -> float:
    """Go from a trial along a step, projected, as far as lowers the model.

    The trial and the model's gradient are moved along.

    Returns
    -------
    float
        The change of the model; 0 if no part of the step lowers it.
    """
    n = x.shape[0]
    step, rest, moved, image = work[0], work[1], work[2], work[3]
    part = 1.0
    for _ in range(HALVINGS):
        whole, falls = part == 1.0, 0.0
        for k in range(n):
            there = min(max(trial[k] + part * step[k], lower[k]), upper[k])
            whole = whole and there == trial[k] + part * step[k]
            moved[k] = there - trial[k] if free[k] != 0.0 else 0.0
            if free[k] != 0.0:
                falls += slope[k] * moved[k]
        if whole:  # the model is known there
            change = 0.5 * (falls + dot(rest, moved, free))
        else:
            multiply(product, x, p, image, moved)
            run.evaluations += 1
            change = falls + 0.5 * dot(image, moved, free)
        if falls < 0.0 and change <= ACCEPTED * falls:
            for k in range(n):
                if free[k] != 0.0:
                    trial[k] = min(max(trial[k] + moved[k], lower[k]), upper[k])
                if whole:
                    slope[k] = rest[k]
                else:
                    slope[k] += image[k]
            return change
        part *= 0.5
    return 0.0


@jit
def _model_step(
    product: Any,
    run: Any,
    x: Any,
    g: Any,
    p: Any,
    lower: Any,
    upper: Any,
    work: Any,
) -> float:
    """Find a trial that lowers the model; return by how much, less than 0."""
    n = x.shape[0]
    weights, free, trial = work[0], work[1], work[2]
    slope, faces = work[4], work[5]
    change = 0.0
    run.products = 0
    copy(x, trial)
    copy(g, slope)
    copy(free, faces)
    for _ in range(FACES):
        most = MOST * n
        bounded = _solve(*(product, run, x, p, slope, weights, faces, most, work[7:]))
        sides = (lower, upper, trial, slope, faces, work[7:])
        lowered = _projected(product, run, x, p, *sides)
        if lowered == 0.0:  # the gradient itself can be projected
            _solve(product, run, x, p, slope, weights, faces, 1, work[7:])
            lowered = _projected(product, run, x, p, *sides)
        change += lowered
        more = False
        for k in range(n):
            if faces[k] != 0.0 and not lower[k] < trial[k] < upper[k]:
                faces[k], more = 0.0, True
        if not more or bounded or lowered == 0.0:
            break
    return change


@jit
def _set_units(
    product: Any,
    run: Any,
    x: Any,
    g: Any,
    p: Any,
    weights: Any,
    free: Any,
    moved: Any,
    work: Any,
) -> None:
    """Find the units of the coordinates, and how large the region is in them."""
    if run.radius == 0.0:
        for k in range(x.shape[0]):
            weights[k] = 1.0
        for _ in range(UNITS):
            _weigh(product, run, x, p, weights, free, work)
        for k in range(x.shape[0]):
            moved[k] = g[k] / weights[k] if free[k] != 0.0 else 0.0
        run.radius = max(_length(moved, weights, free), NEAREST)
    elif run.products > PROBES:  # so that units take less time than steps
        before = _length(moved, weights, free)
        _weigh(product, run, x, p, weights, free, work)
        if before > 0.0:
            run.radius *= _length(moved, weights, free) / before


@jit
def _trusted_step(
    function: Any,
    product: Any,
    run: Any,
    x: Any,
    g: Any,
    p: Any,
    lower: Any,
    upper: Any,
    work: Any,
) -> int:
    """Find a trial that lowers the value about as the model says.

    Returns
    -------
    int
        RUNNING, with the trial's value in the record; DIVERGED if the objective has no
        lower bound; STALLED if the model's minimum is too close for a difference in
        value, else ABNORMAL.
    """
    weights, free, trial, trial_g, moved = work[0], work[1], work[2], work[3], work[6]
    f, radius, steepest = run.value, run.radius, largest_of(g, free)
    promised, inside = 0.0, False
    for _ in range(TRIALS):
        promised = -_model_step(product, run, x, g, p, lower, upper, work)
        for k in range(x.shape[0]):
            moved[k] = trial[k] - x[k]
        far = _length(moved, weights, free)
        inside = far < GOOD * run.radius
        if not (0.0 < promised < inf and far > 0.0):
            break
        trial_f = evaluate(function, trial, p, trial_g)
        run.evaluations += 1
        if trial_f < run.bottom:
            return DIVERGED
        finite = is_usable(trial_f, trial_g, trial, lower, upper)
        quality = (f - trial_f) / promised if finite else -inf
        level = trial_f <= f + NOISE * abs(f) and promised <= UNMEASURED * abs(f)
        if finite and level and largest_of(trial_g, free) <= 0.5 * steepest:
            quality = 1.0
        if quality < POOR:
            run.radius = max(NARROWER * min(far, run.radius), NEAREST)
        elif quality > GOOD and far > 0.5 * run.radius:
            run.radius = min(WIDER * max(far, 0.5 * run.radius), FARTHEST)
        if quality > ACCEPTED:
            run.value = trial_f
            return RUNNING
        if level:
            break
    run.radius = radius  # it may have been cut short
    beyond_measure = inside and 0.0 <= promised <= NOISE * abs(f)
    return STALLED if beyond_measure else ABNORMAL


@jit
def descend(
    function: Any,
    product: Any,
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
    function, product : addresses
        Of value and gradient, and of the Hessian's product with a direction.
    run : record
        See ``native.records.RunState``.
    x, g : arrays of shape (n,)
        The iterate and its gradient; the value is ``run.value``.
    p, lower, upper : arrays
        The objective's parameters, the bounds.
    work : array of shape (MODEL_VECTORS, n)
        The coordinates' units, and working space.
    rows : array
        Where the trace goes.

    Returns
    -------
    int
        RUNNING or a status. STALLED and ABNORMAL mean that no more can be done; after
        DIVERGED the run is at its last finite iterate.
    """
    weights, free, trial, trial_g = work[0], work[1], work[2], work[3]
    moved = work[6]
    if run.t < 0:
        run.idle, run.radius, run.products = 0, 0.0, 0
        begin(run, evaluate(function, x, p, g))
        if not is_usable(run.value, g, x, lower, upper):
            return DIVERGED
        status = commit(run, x, g, lower, upper, rows)
        if status != RUNNING:
            return status
    while run.t < run.last:
        f = run.value
        mark_free(x, g, lower, upper, free)
        _set_units(product, run, x, g, p, weights, free, moved, work[7:])
        status = _trusted_step(function, product, run, x, g, p, lower, upper, work)
        if status != RUNNING:
            return status
        copy(trial, x)
        copy(trial_g, g)
        run.idle += 1
        if run.value < run.deepest - ROUNDING * abs(f):
            run.deepest, run.idle = run.value, 0
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
        places.function,
        places.product,
        state,
        floats(places.x, (n,)),
        floats(places.gradient, (n,)),
        floats(places.constants, (1,)),
        floats(places.lower, (n,)),
        floats(places.upper, (n,)),
        floats(places.memory, (MODEL_VECTORS, n)),
        floats(places.trace, (TRACE_ROWS, 3 + n)),
    )
