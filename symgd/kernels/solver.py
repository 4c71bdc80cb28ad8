"""The default method: projected L-BFGS, and Newton steps with the exact Hessian.

One loop serves both: they differ only in how a direction is found. The objective is
called through its address, so the solver is compiled once for all formulas.

Sources: Nocedal and Wright 2006, "Numerical Optimization", chapters 3 and 7 (two-loop
recursion, line search by Wolfe conditions); Lewis and Overton 2013, "Nonsmooth
optimization via quasi-Newton methods" (bisection for weak Wolfe steps, which carries
over kinks); Hager and Zhang 2005, "A new conjugate gradient method" (approximate Wolfe
condition); Bertsekas 1982 (projected Newton directions); Greenstadt 1967 (absolute
eigenvalues).
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

from symgd.kernels.common import (
    NOISE,
    ROUNDING,
    SUFFICIENT_DECREASE,
    WORD,
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
from symgd.kernels.eigenvalues import diagonalise
from symgd.lowering.intrinsics import evaluate, floats
from symgd.lowering.jitting import jit
from symgd.native.records import (
    ABNORMAL,
    DIVERGED,
    MEMORY,
    STALLED,
    TRACE_ROWS,
    VECTORS,
)
from symgd.native.status import RUNNING

CURVATURE = 0.9
TRIALS = 50
MAX_IDLE = 21
UNMEASURED = 1e-11  # a promise of more of the value than that shows in it
FARTHER = 16.0  # times a step that does not move x
FLOOR = 1e-14  # of an eigenvalue, as a fraction of the largest


@jit
def _add(a: Any, factor: float, b: Any, free: Any) -> None:
    for k in range(a.shape[0]):
        a[k] += factor * free[k] * b[k]


@jit
def _length(g: Any, free: Any) -> float:
    """Return the length of what is on the free coordinates, which may be huge."""
    largest, total = largest_of(g, free), 0.0
    if not 0.0 < largest < inf:
        return largest
    for k in range(g.shape[0]):
        if free[k] != 0.0:
            total += (g[k] / largest) * (g[k] / largest)
    return largest * sqrt(total)


@jit
def _scaled_gradient(g: Any, free: Any, direction: Any) -> None:
    """Go down the gradient, no farther than 1.

    Measured on 25 families of 8 to 1000 variables, with 3 starts each: of 19 ends that
    differ, 14 are lower than where no component goes farther than 1.
    """
    length = _length(g, free)
    scale = min(1.0, 1.0 / length) if length > 0.0 else 1.0
    for k in range(g.shape[0]):
        direction[k] = -scale * g[k] if free[k] != 0.0 else 0.0


@jit
def _curvature(s: Any, y: Any, free: Any) -> float:
    """Return s.y on the free coordinates, or 0 if it is too small to be trusted."""
    sy = dot(s, y, free)
    lengths = sqrt(dot(s, s, free)) * sqrt(dot(y, y, free))
    return sy if sy > FLOOR * lengths else 0.0


@jit
def _lbfgs_direction(
    run: Any, pairs: Any, alpha: Any, g: Any, free: Any, direction: Any
) -> bool:
    """Apply the two-loop recursion, on the free coordinates.

    Returns
    -------
    bool
        Whether any pair could be used; otherwise the direction is the gradient's.
    """
    for k in range(g.shape[0]):
        direction[k] = -g[k] if free[k] != 0.0 else 0.0
    scale = 0.0
    for age in range(run.pairs):
        place = (run.newest - age) % MEMORY
        s, y = pairs[place, 0], pairs[place, 1]
        if age < run.stale:
            alpha[1, place] = _curvature(s, y, free)
        sy = alpha[1, place]
        if sy > 0.0:
            alpha[0, place] = dot(s, direction, free) / sy
            _add(direction, -alpha[0, place], y, free)
            if scale == 0.0:
                scale = sy / dot(y, y, free)
    run.stale = 0
    if scale == 0.0:
        _scaled_gradient(g, free, direction)
        return False
    for k in range(g.shape[0]):
        direction[k] *= scale
    for age in range(run.pairs - 1, -1, -1):
        place = (run.newest - age) % MEMORY
        s, y = pairs[place, 0], pairs[place, 1]
        sy = alpha[1, place]
        if sy > 0.0:
            weight = alpha[0, place] - dot(y, direction, free) / sy
            _add(direction, weight, s, free)
    return True


@jit
def _scale(a: Any, i: int) -> float:
    """Return the unit of a coordinate in which no entry of the Hessian is above 1.

    An entry may be as large as the product of the roots of two of the diagonal: it is
    in a positive definite Hessian; of others, the diagonal may be 0.
    """
    size, largest = abs(a[i, i]), 0.0
    for j in range(a.shape[0]):
        largest = max(largest, abs(a[i, j]))
        if abs(a[j, j]) > 0.0:
            size = max(size, a[i, j] / a[j, j] * a[i, j])
            size = max(size, -a[i, j] / a[j, j] * a[i, j])
    size = size if size > 0.0 else largest
    scale = 1.0 / sqrt(size) if size > 0.0 else 1.0
    return scale if scale < inf else 1.0


@jit
def _newton_direction(
    hessian: Any, matrices: Any, x: Any, g: Any, p: Any, work: Any
) -> None:
    """Solve with the Hessian's absolute eigenvalues, on the free coordinates.

    They are those in units in which its diagonal is 1, so that the units of x change
    nothing.
    """
    n = x.shape[0]
    a, v, scale = matrices[0], matrices[1], work[2]
    direction, free = work[0], work[1]
    for i in range(n):
        direction[i] = 0.0
        for j in range(n):
            a[i, j] = 0.0
    evaluate(hessian, x, p, a)
    for i in range(n):
        for j in range(n):
            if free[i] == 0.0 or free[j] == 0.0:
                a[i, j] = 0.0
    for i in range(n):
        scale[i] = _scale(a, i)
    for i in range(n):
        for j in range(n):
            a[i, j] *= scale[i] * scale[j]
    diagonalise(a, v, work[3], work[4])
    largest = 0.0
    for i in range(n):
        largest = max(largest, abs(a[i, i]))
    for i in range(n):
        along = 0.0
        for k in range(n):
            if free[k] != 0.0:
                along += v[k, i] * scale[k] * g[k]
        if along != 0.0:
            step = -along / max(abs(a[i, i]), FLOOR * largest)
            for k in range(n):
                direction[k] += free[k] * step * scale[k] * v[k, i]


@jit
def _line_search(
    function: Any,
    p: Any,
    run: Any,
    step: float,
    x: Any,
    g: Any,
    lower: Any,
    upper: Any,
    work: Any,
) -> float:
    """Find a weak Wolfe point along the projected direction, by bisection.

    Returns
    -------
    float
        The value at the point, which ``trial`` and ``trial_g`` hold; inf if there is
        no acceptable point, -inf if the objective has no lower bound.
    """
    n = x.shape[0]
    direction, free, trial = work[0], work[1], work[2]
    trial_g, kept, kept_g = work[3], work[4], work[5]
    slope = dot(g, direction, free)
    f, steepest = run.value, largest_of(g, free)
    low, high, kept_f = 0.0, inf, inf
    for _trial in range(TRIALS):
        decrease, moved = 0.0, False
        for k in range(n):
            trial[k] = min(max(x[k] + step * direction[k], lower[k]), upper[k])
            if trial[k] != x[k]:
                decrease += g[k] * (trial[k] - x[k])
                moved = True
        if not moved and high < inf:
            break
        if not moved:  # in units of x, the step is nothing yet
            low, step = step, FARTHER * step
            continue
        trial_f = evaluate(function, trial, p, trial_g)
        run.evaluations += 1
        if trial_f < run.bottom:
            return -inf
        trial_slope = 0.0
        for k in range(n):
            if lower[k] < trial[k] < upper[k]:
                trial_slope += trial_g[k] * direction[k]
        finite = is_usable(trial_f, trial_g, trial, lower, upper)
        flatter = CURVATURE * slope <= trial_slope
        # Near a minimum values differ by rounding only; slopes are still exact there.
        level = trial_f <= f + NOISE * abs(f) and -decrease <= UNMEASURED * abs(f)
        bends = flatter and trial_slope <= -CURVATURE * slope
        if finite and level and bends and largest_of(trial_g, free) <= 0.5 * steepest:
            return trial_f
        if not finite or trial_f > f + SUFFICIENT_DECREASE * decrease:
            high = step
        else:
            if flatter:
                run.reach = 1.0
                return trial_f
            low = step
            if trial_f < kept_f:
                kept_f = trial_f
                copy(trial, kept)
                copy(trial_g, kept_g)
        step = 0.5 * (low + high) if high < inf else 2.0 * step
    run.reach = low if high == inf and low > 1.0 else 1.0
    if kept_f < inf:
        copy(kept, trial)
        copy(kept_g, trial_g)
    return kept_f


@jit
def solve(
    function: Any,
    hessian: Any,
    run: Any,
    x: Any,
    g: Any,
    p: Any,
    lower: Any,
    upper: Any,
    pairs: Any,
    alpha: Any,
    work: Any,
    matrices: Any,
    rows: Any,
) -> int:
    """Continue a run, at most to iteration ``run.last``.

    Parameters
    ----------
    function, hessian : addresses
        Of value and gradient, and of the Hessian (not called without NEWTON).
    run : record
        See ``native.records.RunState``.
    x, g : arrays of shape (n,)
        The iterate and its gradient; the value is ``run.value``.
    p, lower, upper : arrays
        The objective's parameters, the bounds.
    pairs : array of shape (MEMORY, 2, n)
        Steps and changes of the gradient.
    alpha, work, matrices : arrays of shape (2, MEMORY), (VECTORS, n), (2, n, n)
        Working space; without NEWTON, there may be no matrices.
    rows : array
        Where the trace goes.

    Returns
    -------
    int
        RUNNING or a status. STALLED and ABNORMAL mean that this stage can do no more;
        after DIVERGED the run is at its last finite iterate.
    """
    direction, free, trial, trial_g = work[0], work[1], work[2], work[3]
    if run.t < 0:
        run.pairs, run.idle, run.newest, run.reach = 0, 0, 0, 1.0
        begin(run, evaluate(function, x, p, g))
        if not is_usable(run.value, g, x, lower, upper):
            return DIVERGED
        status = commit(run, x, g, lower, upper, rows)
        if status != RUNNING:
            return status
    while run.t < run.last:
        f = run.value
        if mark_free(x, g, lower, upper, free):
            run.stale = MEMORY
        if run.newton != 0:
            _newton_direction(hessian, matrices, x, g, p, work)
            curved = True
        else:
            curved = _lbfgs_direction(run, pairs, alpha, g, free, direction)
        promised = -dot(g, direction, free)
        new_f = inf
        if 0.0 < promised < inf:
            first = 1.0 if curved else run.reach
            new_f = _line_search(function, p, run, first, x, g, lower, upper, work)
        if new_f == inf:
            run.pairs = 0
            _scaled_gradient(g, free, direction)
            new_f = _line_search(function, p, run, 1.0, x, g, lower, upper, work)
        if new_f == -inf:
            return DIVERGED
        if new_f == inf:
            beyond_measure = 0.0 < promised <= NOISE * abs(f)
            return STALLED if beyond_measure else ABNORMAL
        place = (run.newest + 1) % MEMORY
        for k in range(x.shape[0]):
            pairs[place, 0, k] = trial[k] - x[k]
            change = trial_g[k] - g[k]
            pairs[place, 1, k] = change if abs(change) < inf else 0.0
            x[k] = trial[k]
            g[k] = trial_g[k]
        run.newest = place
        run.pairs = min(run.pairs + 1, MEMORY)
        run.stale = min(run.stale + 1, MEMORY)
        run.idle += 1
        if new_f < run.deepest - ROUNDING * abs(f):
            run.deepest, run.idle = new_f, 0
        run.value = new_f
        status = commit(run, x, g, lower, upper, rows)
        if status != RUNNING:
            return status
        if run.idle >= MAX_IDLE:
            return STALLED
    return RUNNING


def entry(run: Any, arrays: Any) -> int:
    """Run :func:`solve`, with the addresses of records."""
    state, places = run_at(run), arrays_at(arrays)
    n = state.variables
    weights = places.memory + WORD * 2 * MEMORY * n
    work = weights + WORD * 2 * MEMORY
    return solve(
        places.function,
        places.hessian,
        state,
        floats(places.x, (n,)),
        floats(places.gradient, (n,)),
        floats(places.constants, (1,)),
        floats(places.lower, (n,)),
        floats(places.upper, (n,)),
        floats(places.memory, (MEMORY, 2, n)),
        floats(weights, (2, MEMORY)),
        floats(work, (VECTORS, n)),
        floats(places.matrices, (2, n, n)),
        floats(places.trace, (TRACE_ROWS, 3 + n)),
    )
