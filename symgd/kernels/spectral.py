"""Gradient descent that finds its step sizes itself: spectral projected gradients.

The direction is P(x - step*g) - x, P the projection onto the bounds. The step is that
of Barzilai and Borwein: with s the last change of x and y that of g, the long one,
s.s/s.y, in odd and the short one, s.y/y.y, in even iterations. A part of the direction
is accepted when it takes f far enough below the *highest* of the last values, as
these steps owe their speed to not being monotone. The objective is called through its
address, so the loop is compiled once for all formulas.

Sources: Birgin, Martínez and Raydan 2000, "Nonmonotone spectral projected gradient
methods on convex sets", algorithm SPG2 (direction, first step, line search); Dai and
Fletcher 2005, "Projected Barzilai-Borwein methods for large-scale box-constrained
quadratic programming" (the alternation); Crisci, Ruggiero and Zanni 2019, "Steplength
selection in gradient projection methods for box-constrained quadratic programs" (y.y
without coordinates at bounds); Birgin and Martínez 2002, "Large-scale active-set
box-constrained optimization method with spectral projected gradients" (the step where
s.y is not positive); Grippo, Lampariello and Lucidi 1986, "A nonmonotone line search
technique for Newton's method".
"""

from __future__ import annotations

from math import inf
from typing import Any

from symgd.kernels.common import (
    NOISE,
    ROUNDING,
    SUFFICIENT_DECREASE,
    WORD,
    arrays_at,
    begin,
    commit,
    is_held,
    is_usable,
    run_at,
)
from symgd.lowering.intrinsics import evaluate, floats
from symgd.lowering.jitting import jit
from symgd.native.records import (
    ABNORMAL,
    DIVERGED,
    HISTORY,
    SPECTRAL_VECTORS,
    STALLED,
    TRACE_ROWS,
)
from symgd.native.status import RUNNING

SHORTEST, LONGEST = 1e-300, 1e100  # a spectral step beyond these tells nothing
LEAST, MOST = 0.1, 0.9  # of a part that is too long, what is tried next
TRIALS = 100
MAX_IDLE = 50  # near a flat minimum the gradient falls by fits and starts


@jit
def _direction(
    step: float, x: Any, g: Any, lower: Any, upper: Any, direction: Any
) -> float:
    """Set the direction; return the slope along it."""
    slope = 0.0
    for k in range(x.shape[0]):
        direction[k] = 0.0
        if not is_held(x[k], g[k], lower[k], upper[k]):
            direction[k] = min(max(-step * g[k], lower[k] - x[k]), upper[k] - x[k])
            slope += g[k] * direction[k]
    return slope


@jit
def _blind_step(norm: float, start: bool, x: Any) -> float:
    """Return the step where nothing is known: to move by 1, or by the size of x."""
    size = 1.0
    if not start:
        for k in range(x.shape[0]):
            size = max(size, abs(x[k]))
    return size / max(norm, 1e-300)


@jit
def _spectral_step(
    long: bool, x: Any, g: Any, new_x: Any, new_g: Any, lower: Any, upper: Any
) -> float:
    """Return Barzilai and Borwein's step, or 0 if the curvature isn't positive."""
    ss, sy, yy = 0.0, 0.0, 0.0
    for k in range(x.shape[0]):
        s, y = new_x[k] - x[k], new_g[k] - g[k]
        y = y if abs(y) < inf else 0.0
        ss += s * s
        sy += s * y
        if s != 0.0 or lower[k] < x[k] < upper[k]:
            yy += y * y
    above, below = (ss, sy) if long else (sy, yy)
    if not (sy > 0.0 and below > 0.0):
        return 0.0
    step = above / below
    return step if SHORTEST <= step <= LONGEST else 0.0


@jit
def _highest(values: Any, t: int) -> float:
    """Return the highest of the last values, up to that of iterate t."""
    highest = -inf
    for i in range(min(t + 1, HISTORY)):
        highest = max(highest, values[i])
    return highest


@jit
def _line_search(
    function: Any,
    p: Any,
    run: Any,
    f: float,
    highest: float,
    slope: float,
    bottom: float,
    x: Any,
    lower: Any,
    upper: Any,
    work: Any,
) -> tuple[float, float]:
    """Find how much of the direction lowers the highest value far enough.

    Returns
    -------
    f : float
        The value at the point, which ``trial`` and ``trial_g`` hold; inf if there is
        no acceptable point, -inf if the objective has no lower bound.
    part : float
        Of the direction.
    """
    direction, trial, trial_g = work[0], work[1], work[2]
    part = 1.0
    if not -inf < slope < 0.0:
        return inf, 0.0
    for _trial in range(TRIALS):
        moved = False
        for k in range(x.shape[0]):
            trial[k] = min(max(x[k] + part * direction[k], lower[k]), upper[k])
            moved = moved or trial[k] != x[k]
        if not moved:
            break
        trial_f = evaluate(function, trial, p, trial_g)
        run.evaluations += 1
        if trial_f < bottom:
            return -inf, part
        if not is_usable(trial_f, trial_g, trial, lower, upper):
            trial_f = inf
        if trial_f <= highest + SUFFICIENT_DECREASE * part * slope:
            return trial_f, part
        # The lowest point of the parabola through both values and the slope.
        lowest = -0.5 * part * part * slope / (trial_f - f - part * slope)
        part = min(max(lowest, LEAST * part), MOST * part)
    return inf, 0.0


@jit
def descend(
    function: Any,
    run: Any,
    x: Any,
    g: Any,
    p: Any,
    lower: Any,
    upper: Any,
    values: Any,
    work: Any,
    rows: Any,
) -> int:
    """Continue a run, at most to iteration ``run.last``.

    Parameters
    ----------
    function : address
        Of value and gradient.
    run : record
        See ``native.records.RunState``.
    x, g : arrays of shape (n,)
        The iterate and its gradient; the value is ``run.value``.
    p, lower, upper : arrays
        The objective's parameters, the bounds.
    values : array of shape (HISTORY,)
        The last values; that of iterate t is in the place t % HISTORY.
    work : array of shape (SPECTRAL_VECTORS, n)
        Working space.
    rows : array
        Where the trace goes, with the step taken in the last column.

    Returns
    -------
    int
        RUNNING or a status. STALLED and ABNORMAL mean that no more can be done; after
        DIVERGED the run is at its last finite iterate.
    """
    n = x.shape[0]
    direction, trial, trial_g = work[0], work[1], work[2]
    if run.t < 0:
        begin(run, evaluate(function, x, p, g))
        if not is_usable(run.value, g, x, lower, upper):
            return DIVERGED
        run.step, run.idle = 0.0, 0
        status = commit(run, x, g, lower, upper, rows)
        values[0], run.flattest = run.value, run.norm
        if status != RUNNING:
            return status
    while run.t < run.last:
        t, f, step = run.t, run.value, run.step
        highest = _highest(values, t)
        blind = step == 0.0
        if blind:
            step = _blind_step(run.norm, t == 0, x)
        slope = _direction(step, x, g, lower, upper, direction)
        promised = -slope
        new_f, part = _line_search(
            *(function, p, run, f, highest, slope, run.bottom),
            *(x, lower, upper, work),
        )
        if new_f == inf and not blind:
            # If this step is less than rounding, another may do: one that lowers f.
            blind, step = True, _blind_step(run.norm, t == 0, x)
            slope = _direction(step, x, g, lower, upper, direction)
            new_f, part = _line_search(
                *(function, p, run, f, f, slope, run.bottom),
                *(x, lower, upper, work),
            )
        if new_f == -inf:
            return DIVERGED
        if new_f == inf:
            beyond_measure = 0.0 < promised <= NOISE * abs(f)
            return STALLED if beyond_measure else ABNORMAL
        run.step = _spectral_step(t % 2 == 1, x, g, trial, trial_g, lower, upper)
        for k in range(n):
            x[k] = trial[k]
            g[k] = trial_g[k]
        run.value = values[(t + 1) % HISTORY] = new_f
        row = run.rows
        status = commit(run, x, g, lower, upper, rows)
        if run.rows > row:
            rows[row, 3 + n] = part * step
        if status != RUNNING:
            return status
        # The highest value may stay for HISTORY iterations.
        falls = _highest(values, t + 1) < highest - ROUNDING * abs(highest)
        flatter = run.norm < run.flattest
        far = blind and part == 1.0  # f may yet fall measurably
        run.idle = 0 if falls or flatter or far else run.idle + 1
        run.flattest = min(run.flattest, run.norm)
        if run.idle >= MAX_IDLE:
            return STALLED
    return RUNNING


def entry(run: Any, arrays: Any) -> int:
    """Run :func:`descend`, with the addresses of records."""
    state, places = run_at(run), arrays_at(arrays)
    n = state.variables
    return descend(
        places.function,
        state,
        floats(places.x, (n,)),
        floats(places.gradient, (n,)),
        floats(places.constants, (1,)),
        floats(places.lower, (n,)),
        floats(places.upper, (n,)),
        floats(places.memory, (HISTORY,)),
        floats(places.memory + WORD * HISTORY, (SPECTRAL_VECTORS, n)),
        floats(places.trace, (TRACE_ROWS, 4 + n)),
    )
