"""What an end is: a minimum as far as can be told, or a point with lower ones nearby.

Elsewhere: a second-order optimality test. The Newton decrement says what is left to
gain; along directions that hardly curve, or curve downwards, values are compared up to
as far away as the run has come.

All of it is in units of the run itself: an examination of ``a*f + b`` or of ``f(c*x)``
says the same.

Source: Nocedal and Wright 2006, "Numerical Optimization", theorems 2.3 and 2.4; Boyd
and Vandenberghe 2004, "Convex Optimization", section 9.5.1 (the decrement).
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

from symgd.kernels.common import NOISE, copy, diagonalise, is_finite, is_held
from symgd.lowering.intrinsics import evaluate, floats, integers
from symgd.lowering.jitting import jit
from symgd.native.records import (
    CLOSE,
    CONVERGED,
    COUNTERS,
    EVALUATIONS,
    EXACT,
    EXAMINED_VECTORS,
    FACTS,
    FIRST,
    FLAT,
    INEXACT,
    LOWER,
    LOWER_VALUE,
    MOVED,
    PARAMETERS,
    PROMISED,
    SADDLE,
    SLOPE,
    UNKNOWN,
    VALUE_THERE,
    VARIABLES,
)

NULL = 1e-6  # a curvature, or a rise, below this part of the largest is none
WEAK = 1e-2  # of what f fell: what rises by less, as far away as the run came, is weak
SPENT = 1e-20  # of what f fell: what promises less has nothing left to gain
UNSEEN = 1e-16  # of what f fell: a lower value isn't lower by less than that
TINY = 1e-150
LITTLE, FAR = 1e-6, 1e-3  # parts of x: how small one is, how long a step
DISTANCES = 5  # of probes, each a tenth of the one before
TIGHT = 1e-8  # of the gradient at the start, where no curvature is known


@jit
def _units(x: Any, origin: Any, units: Any) -> None:
    """Set the size of each coordinate: how far it has come, or how large it is."""
    largest = 0.0
    for k in range(x.shape[0]):
        units[k] = max(abs(x[k]), abs(x[k] - origin[k]))
        largest = max(largest, units[k])
    for k in range(x.shape[0]):
        if units[k] == 0.0:
            units[k] = largest if largest > 0.0 else 1.0


@jit
def _scales(a: Any, free: Any, units: Any, scale: Any) -> bool:
    """Set the scales by which the Hessian's diagonal becomes 1, and its place free.

    Returns
    -------
    bool
        Whether it is finite.
    """
    n = free.shape[0]
    for i in range(n):
        size = abs(a[i, i])
        for j in range(n):
            if free[i] == 0.0 or free[j] == 0.0:
                a[i, j] = 0.0
            elif not abs(a[i, j]) < inf:
                return False
        if size == 0.0:
            for j in range(n):
                size = max(size, abs(a[i, j]) * units[j] / units[i])
        scale[i] = free[i] * (1.0 / sqrt(size) if size > 0.0 else units[i])
        if not 0.0 <= scale[i] < inf:
            return False
    for i in range(n):
        for j in range(n):
            a[i, j] = scale[i] * a[i, j] * scale[j]
    return True


@jit
def _probe(
    function: Any,
    p: Any,
    counters: Any,
    facts: Any,
    least: float,
    sign: float,
    x: Any,
    along: Any,
    lower: Any,
    upper: Any,
    work: Any,
) -> bool:
    """Compare values along a direction, and keep the lowest point.

    Returns
    -------
    bool
        Whether f never rises there, and falls somewhere.
    """
    trial, trial_g, kept, kept_g = work[2], work[3], work[4], work[5]
    f, distance = facts[VALUE_THERE], sign
    rises, falls = False, False
    for _ in range(DISTANCES):
        far = 0.0
        for k in range(x.shape[0]):
            trial[k] = min(max(x[k] + distance * along[k], lower[k]), upper[k])
            far += abs(trial[k] - x[k])
        distance *= 0.1
        if far == 0.0:
            break
        trial_f = evaluate(function, trial, p, trial_g)
        counters[EVALUATIONS] += 1
        rises = rises or not trial_f <= f
        falls = falls or trial_f < f
        enough = min(f - least - facts[SLOPE] * far, facts[LOWER_VALUE])
        if trial_f < enough and is_finite(trial_f, trial_g):
            facts[LOWER_VALUE] = trial_f
            copy(trial, kept)
            copy(trial_g, kept_g)
    return falls and not rises


@jit
def examine(
    function: Any,
    hessian: Any,
    p: Any,
    counters: Any,
    facts: Any,
    x: Any,
    g: Any,
    origin: Any,
    lower: Any,
    upper: Any,
    work: Any,
    matrices: Any,
) -> int:
    """Say what an end is.

    Parameters
    ----------
    function, hessian : addresses
        Of value and gradient, and of the Hessian.
    p, lower, upper : arrays
        The objective's parameters, the bounds.
    counters : array
        EVALUATIONS counts those that are made here.
    facts : array
        In: the values at the origin and at the end, FIRST and VALUE_THERE; how close
        to where Newton's step leads an exact end is, as a part of the size of x:
        CLOSE; what slope is allowed to be left: SLOPE. Out: what that step promises
        and how far it goes, PROMISED and
        MOVED; LOWER_VALUE.
    x, g, origin : arrays of shape (n,)
        The end, its gradient; where the run began.
    work, matrices : arrays of shape (EXAMINED_VECTORS, n), (2, n, n)
        Working space; after LOWER, ``work[4]`` is the lower point, ``work[5]`` its
        gradient.

    Returns
    -------
    int
        EXACT; INEXACT, if there is more to gain; LOWER, if a lower point was found;
        FLAT, if f has nothing to gain though it falls on for ever; SADDLE, if f curves
        downwards though no lower point was found; UNKNOWN, if the Hessian is not
        finite.
    """
    n, a, v = x.shape[0], matrices[0], matrices[1]
    free, scale, units, step, along = work[0], work[1], work[6], work[7], work[8]
    f = facts[VALUE_THERE]
    fallen = max(facts[FIRST] - f, 0.0)
    facts[PROMISED], facts[MOVED], facts[LOWER_VALUE] = 0.0, 0.0, inf
    _units(x, origin, units)
    for i in range(n):
        free[i] = 0.0 if is_held(x[i], g[i], lower[i], upper[i]) else 1.0
        step[i] = 0.0
        for j in range(n):
            a[i, j] = 0.0
    evaluate(hessian, x, p, a)
    if not _scales(a, free, units, scale):
        return UNKNOWN
    diagonalise(a, v)
    largest = 0.0
    for i in range(n):
        largest = max(largest, abs(a[i, i]))
    least = max(NOISE * abs(f), UNSEEN * fallen)
    endless, lowest, highest = False, 0.0, fallen
    for i in range(n):
        curvature, slope, farthest = a[i, i], 0.0, 0.0
        for k in range(n):
            if free[k] != 0.0:
                slope += scale[k] * g[k] * v[k, i]
                farthest = max(farthest, abs(scale[k] * v[k, i]) / units[k])
        if farthest == 0.0:
            continue
        if slope != 0.0:
            size = slope / max(abs(curvature), TINY)
            facts[PROMISED] += 0.5 * slope * size
            for k in range(n):
                step[k] -= size * scale[k] * v[k, i]
        rise = 0.5 * curvature / farthest / farthest
        lowest, highest = min(lowest, rise), max(highest, rise)
        if rise <= WEAK * fallen or curvature <= NULL * largest or fallen == 0.0:
            for k in range(n):
                along[k] = scale[k] * v[k, i] / farthest
            down = -1.0 if slope > 0.0 else 1.0
            falls_on = _probe(
                function, p, counters, facts, least, down, x, along, lower, upper, work
            )
            endless = endless or (falls_on and slope != 0.0)
            _probe(
                function, p, counters, facts, least, -down, x, along, lower, upper, work
            )
    farthest, far = 0.0, 0.0
    for k in range(n):
        farthest = max(farthest, units[k])
    for k in range(n):
        facts[MOVED] = max(facts[MOVED], abs(step[k]) / units[k])
        # What is nearly 0 and began there says nothing of how far is far.
        far = max(far, abs(step[k]) / max(units[k], LITTLE * farthest))
    if facts[LOWER_VALUE] < inf:
        return LOWER
    if not facts[MOVED] <= facts[CLOSE]:
        if not facts[PROMISED] <= SPENT * fallen:
            return INEXACT
        if endless and far > FAR:
            return FLAT
    return SADDLE if lowest < -NULL * highest else EXACT


def entry(
    function: int,
    hessian: int,
    counters: Any,
    facts: Any,
    x: Any,
    g: Any,
    origin: Any,
    p: Any,
    lower: Any,
    upper: Any,
    work: Any,
    matrices: Any,
) -> int:
    """Run :func:`examine` with addresses for arrays."""
    counts = integers(counters, (COUNTERS,))
    n = counts[VARIABLES]
    return examine(
        function,
        hessian,
        floats(p, (1,)),
        counts,
        floats(facts, (FACTS,)),
        floats(x, (n,)),
        floats(g, (n,)),
        floats(origin, (n,)),
        floats(lower, (n,)),
        floats(upper, (n,)),
        floats(work, (EXAMINED_VECTORS, n)),
        floats(matrices, (2, n, n)),
    )


@jit
def _steep(g: Any, first_g: Any) -> bool:
    """Return whether a gradient is not small beside the one at the start."""
    largest, first = 0.0, 0.0
    for k in range(g.shape[0]):
        largest, first = max(largest, abs(g[k])), max(first, abs(first_g[k]))
    return largest > TIGHT * min(1.0, first)


def each_entry(
    function: int,
    hessian: int,
    counters: Any,
    facts: Any,
    descents: int,
    first: int,
    last: int,
    starts: Any,
    parameters: Any,
    lower: Any,
    upper: Any,
    work: Any,
    matrices: Any,
    x: Any,
    fun: Any,
    jac: Any,
    status: Any,
    nfev: Any,
) -> int:
    """Examine some of many ends that have converged; what isn't exact runs on: -1.

    Where ``facts[CLOSE]`` is inf, only LOWER, FLAT and SADDLE count. Without a Hessian,
    its address is 0.
    """
    counts, numbers = integers(counters, (COUNTERS,)), floats(facts, (FACTS,))
    n, k = counts[VARIABLES], counts[PARAMETERS]
    a = floats(work, (EXAMINED_VECTORS, n))
    b = floats(matrices, (2, n, n))
    origins, points = floats(starts, (descents, n)), floats(x, (descents, n))
    gradients, constants = floats(jac, (descents, n)), floats(parameters, (descents, k))
    values, ends = floats(fun, (descents,)), integers(status, (descents,))
    evaluations = integers(nfev, (descents,))
    low, high = floats(lower, (n,)), floats(upper, (n,))
    for i in range(first, last):
        if ends[i] != CONVERGED:
            continue
        numbers[VALUE_THERE] = values[i]
        numbers[FIRST] = evaluate(function, origins[i], constants[i], a[3])
        counts[EVALUATIONS] = 0
        if hessian == 0:
            left = numbers[CLOSE] < inf and _steep(gradients[i], a[3])
        else:
            verdict = examine(
                *(function, hessian, constants[i], counts, numbers),
                *(points[i], gradients[i], origins[i], low, high, a, b),
            )
            left = verdict != EXACT and verdict != UNKNOWN
        evaluations[i] += counts[EVALUATIONS]
        ends[i] = -1 if left else CONVERGED
    return 0
