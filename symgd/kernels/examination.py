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

from math import inf
from typing import Any

from symgd.kernels.common import NOISE, is_held
from symgd.kernels.eigenvalues import diagonalise
from symgd.kernels.probing import (
    STRAIGHT,
    is_open,
    leave_top,
    mixed,
    outward,
    probe,
    set_equal_units,
    set_scales,
    set_units,
)
from symgd.kernels.tails import (
    FAR,
    LITTLE,
    NULL,
    ROUNDED,
    has_bent_tail,
    has_tail,
    is_rounding,
    ran_away,
)
from symgd.lowering.intrinsics import evaluate, floats, integers
from symgd.lowering.jitting import jit
from symgd.native.records import (
    ANALYTIC,
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
    UNKNOWN,
    VALUE_THERE,
    VARIABLES,
)

WEAK = 1e-2  # of what f fell: what rises by less, as far away as the run came, is weak
SPENT = 1e-20  # of what f fell: what promises less has nothing left to gain
UNSEEN = 1e-16  # of what f fell: a lower value isn't lower by less than that
TINY = 1e-150
NONE = 1e-10  # of the largest curvature: below, it is that of a singular Hessian
EXACTLY = 1e-28  # of f: what promises less is the rounding of a gradient
BEYOND_MEASURE = 4e-12  # of f, which may have lost digits on the way
TIGHT = 1e-8  # of the gradient at the start, where no curvature is known


@jit
def _moved(x: Any, origin: Any, work: Any) -> float:
    """Return the largest part of its size by which Newton's step changes a variable.

    The size of what is 0, and has always been, is that of the step itself, unless this
    is rounding beside the others.
    """
    free, scale, units, step = work[0], work[1], work[6], work[7]
    largest, moved = 0.0, 0.0
    for k in range(x.shape[0]):
        if free[k] != 0.0:
            largest = max(largest, abs(x[k]) / scale[k])
    for k in range(x.shape[0]):
        if x[k] != 0.0 or origin[k] != 0.0:
            moved = max(moved, abs(step[k]) / units[k])
        elif free[k] != 0.0 and abs(step[k]) > NOISE * scale[k] * largest:
            moved = max(moved, 1.0)
    return moved


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
    work, matrices : arrays of shape (EXAMINED_VECTORS, n), (4, n, n)
        Working space; after LOWER, ``work[4]`` is the lower point, ``work[5]`` its
        gradient.

    Returns
    -------
    int
        EXACT; INEXACT, if there is more to gain; LOWER, if a lower point was found;
        FLAT, if f has nothing to gain though it falls on for ever; SADDLE, if f curves
        downwards though no lower point was found; UNKNOWN, if the Hessian is not
        finite, and no lower point was found.
    """
    n, a, v = x.shape[0], matrices[0], matrices[1]
    free, scale, units, step, along = work[0], work[1], work[6], work[7], work[8]
    f = facts[VALUE_THERE]
    fallen = max(facts[FIRST] - f, 0.0)
    facts[PROMISED], facts[MOVED], facts[LOWER_VALUE] = 0.0, 0.0, inf
    known = set_units(x, origin, units)
    least = max(NOISE * abs(f), UNSEEN * fallen)
    for i in range(n):
        free[i] = 0.0 if is_held(x[i], g[i], lower[i], upper[i]) else 1.0
        step[i] = 0.0
        for j in range(n):
            a[i, j] = 0.0
    evaluate(hessian, x, p, a)
    set_equal_units(a, origin, units)
    if not set_scales(a, free, units, scale):
        for i in range(n):
            free[i] = STRAIGHT if free[i] != 0.0 else 0.0
            scale[i] = free[i] * units[i]
            for j in range(n):
                a[i, j], v[i, j] = 0.0, 1.0 if i == j else 0.0
        for i in range(n):
            for k in range(n):
                along[k] = units[k] if k == i and free[k] != 0.0 else 0.0
            outward(
                *(function, p, counters, facts, least, known, x, along, lower, upper),
                *(work, a, v, 0.0),
            )
        mixed(
            *(function, p, counters, facts, least, known, x, lower, upper, work),
            *(a, v, 0.0),
        )
        return LOWER if facts[LOWER_VALUE] < inf else UNKNOWN
    diagonalise(a, v, work[8], work[9])
    largest = 0.0
    for i in range(n):
        largest = max(largest, abs(a[i, i]))
    endless, singular, lowest, highest = False, False, 0.0, fallen
    for i in range(n):
        curvature, slope, farthest = a[i, i], 0.0, 0.0
        for k in range(n):
            if free[k] != 0.0:
                slope += scale[k] * g[k] * v[k, i]
                farthest = max(farthest, abs(scale[k] * v[k, i]) / units[k])
        if farthest == 0.0:
            continue
        if slope != 0.0:
            size = slope / max(abs(curvature), ROUNDED * largest, TINY)
            facts[PROMISED] += 0.5 * slope * size
            for k in range(n):
                step[k] -= size * scale[k] * v[k, i]
        rise = 0.5 * curvature / farthest / farthest
        for k in range(n):
            along[k] = scale[k] * v[k, i] / farthest
        if is_open(x, along, units, lower, upper):
            lowest = min(lowest, rise)
        highest = max(highest, rise)
        weak = rise <= WEAK * fallen or curvature <= NULL * largest
        if weak or fallen == 0.0 or not facts[ANALYTIC]:
            down = -1.0 if slope > 0.0 else 1.0
            falls_on = probe(
                function, p, counters, facts, least, down, x, along, lower, upper, work
            )
            endless = endless or (falls_on and slope != 0.0)
            probe(
                function, p, counters, facts, least, -down, x, along, lower, upper, work
            )
            if curvature < -NONE * largest and not known:
                outward(
                    *(function, p, counters, facts, least, known, x, along),
                    *(lower, upper, work, a, v, inf),
                )
        if curvature < -NONE * largest and facts[LOWER_VALUE] == inf:
            leave_top(
                *(function, p, counters, facts, 2.0 * rise, x, along, lower, upper),
                work,
            )
        singular = singular or abs(curvature) <= NONE * largest
    if singular:
        mixed(
            *(function, p, counters, facts, least, known, x, lower, upper, work),
            *(a, v, NONE * largest),
        )
    farthest, far = 0.0, 0.0
    for k in range(n):
        farthest = max(farthest, units[k])
    for k in range(n):
        # What is nearly 0 and began there says nothing of how far is far.
        far = max(far, abs(step[k]) / max(units[k], LITTLE * farthest))
    facts[MOVED] = _moved(x, origin, work)
    if facts[LOWER_VALUE] < inf:
        return LOWER
    inexact = False
    if not facts[MOVED] <= facts[CLOSE]:
        spent = facts[PROMISED] <= BEYOND_MEASURE * max(fallen, abs(f))
        if spent and ran_away(function, p, counters, facts, x, g, origin, work):
            return FLAT
        inexact = not facts[PROMISED] <= max(SPENT * fallen, EXACTLY * abs(f))
        if inexact and not (spent and facts[ANALYTIC]):
            return INEXACT
        if endless and far > FAR and not facts[ANALYTIC]:
            return FLAT
    noise = NOISE * abs(f)
    if facts[ANALYTIC] and has_tail(
        *(function, p, counters, facts, noise, x, g, origin, lower, upper, work),
        *(a, v, NULL * largest),
    ):
        return FLAT
    if facts[ANALYTIC]:
        tail = has_bent_tail(
            *(function, hessian, p, counters, facts, noise, largest, x, g, lower),
            *(upper, work, matrices),
        )
        if facts[LOWER_VALUE] < inf:
            return LOWER
        if tail:
            return FLAT
    if inexact:
        return INEXACT
    if facts[ANALYTIC] == 2.0 and is_rounding(hessian, p, facts, x, origin, work, a):
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
        floats(matrices, (4, n, n)),
    )


@jit
def _steep(x: Any, g: Any, origin: Any, first_g: Any, fallen: float) -> bool:
    """Return whether a gradient is not small beside those on the way."""
    largest, first, far = 0.0, 0.0, 0.0
    for k in range(g.shape[0]):
        largest, first = max(largest, abs(g[k])), max(first, abs(first_g[k]))
        far += abs(x[k]) + abs(origin[k])
    if far > 0.0:
        first = max(first, fallen / far)
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
    n, count = counts[VARIABLES], counts[PARAMETERS]
    a = floats(work, (EXAMINED_VECTORS, n))
    b = floats(matrices, (4, n, n))
    origins, points = floats(starts, (descents, n)), floats(x, (descents, n))
    gradients, constants = (
        floats(jac, (descents, n)),
        floats(parameters, (descents, count)),
    )
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
            fallen = numbers[FIRST] - values[i]
            left = numbers[CLOSE] < inf and _steep(
                points[i], gradients[i], origins[i], a[3], fallen
            )
        else:
            verdict = examine(
                *(function, hessian, constants[i], counts, numbers),
                *(points[i], gradients[i], origins[i], low, high, a, b),
            )
            left = verdict != EXACT and verdict != UNKNOWN
        evaluations[i] += counts[EVALUATIONS]
        ends[i] = -1 if left else CONVERGED
    return 0
