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

from symgd.kernels.common import NOISE, copy, is_finite, is_held
from symgd.kernels.eigenvalues import diagonalise
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
NONE = 1e-10  # of the largest curvature: below, it is that of a singular Hessian
EXACTLY = 1e-28  # of f: what promises less is the rounding of a gradient
MIXTURES = 12  # of the directions without curvature
OUTWARD = 1e2  # times as far from one distance to the next
NEAR, STEPS = 1e-8, 5  # the first distance as a part of x, and how many there are
NEAR_UNKNOWN, STEPS_UNKNOWN = 1e-16, 17  # the same where x has no size
AWAY = 1e-6  # of the way: where a variable ran away, f was the same there
ENDLESS, BACK = 6, 6  # points outward, each 100 times as far; and back to the start
ROUNDED, SHOWN = 2e-16, 0.1  # of sums and of curvatures; of the slope on the way
LONG, SAME = 1e8, 1e-10  # how far away is; of f, what is the same there
BEYOND_MEASURE = 4e-12  # of f, which may have lost digits on the way
TIGHT = 1e-8  # of the gradient at the start, where no curvature is known
SETTLES = 60  # steps to the bottom of a valley
FOLLOWED, FARTHER = 8, 4.0  # steps outward along a valley, and how much longer each is
FOLLOWED_BACK = 20  # steps back, to where the valley may turn
FIRST_STEP, STEP_BACK = 0.5, 0.1  # parts of x
LEVEL, RISING, LOST = range(3)  # how f is along a valley
STRAIGHT = 2.0  # the mark of what is free, and in which f doesn't curve


@jit
def _units(x: Any, origin: Any, units: Any) -> bool:
    """Set the size of each coordinate: how far it has come, or how large it is.

    Returns
    -------
    bool
        Whether all have one: what is 0 and has always been takes that of the others.
    """
    largest, known = 0.0, True
    for k in range(x.shape[0]):
        units[k] = max(abs(x[k]), abs(x[k] - origin[k]))
        largest = max(largest, units[k])
    for k in range(x.shape[0]):
        if units[k] == 0.0:
            units[k] = largest if largest > 0.0 else 1.0
            known = False
    return known


@jit
def _equal_units(a: Any, origin: Any, units: Any) -> None:
    """Set units of what began at 0 by those of the others: f changes by the same.

    It may have come back from anywhere.
    """
    n = units.shape[0]
    for k in range(n):
        least, widest = inf, 0.0
        for j in range(n):
            if origin[k] == 0.0 and origin[j] != 0.0 and a[k, k] > 0.0 < a[j, j]:
                least = min(least, units[j] * sqrt(a[j, j] / a[k, k]))
                widest = max(widest, units[j])
        if least < inf:
            units[k] = max(units[k], min(least, widest))


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
        if size == 0.0 and free[i] != 0.0:
            free[i] = STRAIGHT
    for i in range(n):
        for j in range(n):
            a[i, j] = scale[i] * a[i, j] * scale[j]
    return True


@jit
def _cancelled(x: Any, trial: Any, free: Any, scale: Any) -> float:
    """Return what a value may be wrong by, whose terms have cancelled each other."""
    size = 0.0
    for k in range(x.shape[0]):
        if free[k] == 1.0:
            size += max(abs(x[k]), abs(trial[k])) / scale[k]
    return NOISE * size * size


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
    free, scale, trial, trial_g = work[0], work[1], work[2], work[3]
    f, distance = facts[VALUE_THERE], sign
    rises, falls = False, False
    for _ in range(DISTANCES):
        far = _placed(x, distance, along, lower, upper, trial)
        distance *= 0.1
        if far == 0.0:
            break
        trial_f = evaluate(function, trial, p, trial_g)
        counters[EVALUATIONS] += 1
        rises = rises or not trial_f <= f
        falls = falls or trial_f < f
        seen = max(least, _cancelled(x, trial, free, scale))
        _keep(facts, trial_f, f - seen - facts[SLOPE] * far, work)
    return falls and not rises


@jit
def _placed(
    x: Any, distance: float, along: Any, lower: Any, upper: Any, trial: Any
) -> float:
    """Go along a direction, inside the bounds; return how far."""
    far = 0.0
    for k in range(x.shape[0]):
        trial[k] = min(max(x[k] + distance * along[k], lower[k]), upper[k])
        far += abs(trial[k] - x[k])
    return far


@jit
def _keep(facts: Any, trial_f: float, enough: float, work: Any) -> None:
    """Keep a point that is the lowest so far."""
    if trial_f < min(enough, facts[LOWER_VALUE]) and is_finite(trial_f, work[3]):
        facts[LOWER_VALUE] = trial_f
        copy(work[2], work[4])
        copy(work[3], work[5])


@jit
def _corrected(a: Any, v: Any, null: float, lower: Any, upper: Any, work: Any) -> float:
    """Go to the bottom of a valley, across which f curves; return how far."""
    free, scale, trial, trial_g, moves = work[0], work[1], work[2], work[3], work[9]
    n, far = trial.shape[0], 0.0
    for k in range(n):
        moves[k] = 0.0
    for i in range(n):
        if not a[i, i] > null:
            continue
        slope = 0.0
        for k in range(n):
            if free[k] != 0.0:
                slope += scale[k] * trial_g[k] * v[k, i]
        for k in range(n):
            moves[k] -= slope / a[i, i] * scale[k] * v[k, i]
    for k in range(n):
        before = trial[k]
        trial[k] = min(max(before + moves[k], lower[k]), upper[k])
        far += abs(trial[k] - before)
    return far


@jit
def _outward(
    function: Any,
    p: Any,
    counters: Any,
    facts: Any,
    least: float,
    known: bool,
    x: Any,
    along: Any,
    lower: Any,
    upper: Any,
    work: Any,
    a: Any,
    v: Any,
    null: float,
) -> None:
    """Go outward for as long as f doesn't rise visibly, and keep the lowest point.

    Beside each point, that at the bottom of the valley is looked at: valleys are bent.
    """
    free, scale, trial, trial_g = work[0], work[1], work[2], work[3]
    f = facts[VALUE_THERE]
    for side in range(2):
        steps = STEPS if known else STEPS_UNKNOWN
        distance = NEAR if known else NEAR_UNKNOWN
        distance *= 1.0 - 2.0 * side
        lowest = f
        for _ in range(steps):
            far = _placed(x, distance, along, lower, upper, trial)
            distance *= OUTWARD
            if far == 0.0:
                break
            here = evaluate(function, trial, p, trial_g)
            counters[EVALUATIONS] += 1
            seen = max(least, _cancelled(x, trial, free, scale))
            _keep(facts, here, f - seen - facts[SLOPE] * far, work)
            if is_finite(here, trial_g) and _corrected(a, v, null, lower, upper, work):
                below = evaluate(function, trial, p, trial_g)
                counters[EVALUATIONS] += 1
                _keep(facts, below, f - seen - facts[SLOPE] * far, work)
                here = min(here, below)
            if not here <= lowest + seen:
                break
            lowest = min(here, lowest)


@jit
def _set_length(along: Any, units: Any) -> bool:
    """Make a direction as long as one unit; return whether it has a length."""
    farthest = 0.0
    for k in range(along.shape[0]):
        farthest = max(farthest, abs(along[k]) / units[k])
    if farthest == 0.0:
        return False
    for k in range(along.shape[0]):
        along[k] /= farthest
    return True


@jit
def _mixed(
    function: Any,
    p: Any,
    counters: Any,
    facts: Any,
    least: float,
    known: bool,
    x: Any,
    lower: Any,
    upper: Any,
    work: Any,
    a: Any,
    v: Any,
    null: float,
) -> None:
    """Look for lower values along mixtures of the directions in which f is straight.

    Where the Hessian is singular, it says nothing of them.
    """
    scale, units, along = work[1], work[6], work[8]
    n, count = x.shape[0], 0
    for i in range(n):
        count += 1 if abs(a[i, i]) <= null else 0
    seed = 1
    for _ in range(MIXTURES if count > 1 else count):
        for k in range(n):
            along[k] = 0.0
        for i in range(n):
            if abs(a[i, i]) > null:
                continue
            seed = (1103515245 * seed + 12345) % 2147483648
            weight = seed / 1073741824.0 - 1.0
            weight += 0.3 if weight > 0.0 else -0.3
            longest = 0.0
            for k in range(n):
                longest = max(longest, abs(scale[k] * v[k, i]) / units[k])
            for k in range(n):
                if longest > 0.0:
                    along[k] += weight * scale[k] * v[k, i] / longest
        for k in range(n):
            if x[k] <= lower[k]:
                along[k] = abs(along[k])
            elif x[k] >= upper[k]:
                along[k] = -abs(along[k])
        if not _set_length(along, units):
            continue
        _outward(
            *(function, p, counters, facts, least, known, x, along, lower, upper),
            *(work, a, v, null),
        )


@jit
def _ran_away(
    function: Any,
    p: Any,
    counters: Any,
    facts: Any,
    x: Any,
    g: Any,
    origin: Any,
    work: Any,
) -> bool:
    """Return whether a variable, or all, ran far away, and f was as low long before."""
    free, trial, trial_g, units, step = work[0], work[2], work[3], work[6], work[7]
    f = facts[VALUE_THERE]
    same = SAME * max(facts[FIRST] - f, abs(f))
    for k in range(x.shape[0]):
        moved = x[k] - origin[k]
        if free[k] == 0.0 or g[k] == 0.0 or abs(step[k]) <= FAR * units[k]:
            continue
        size = abs(origin[k])
        if size == 0.0:
            for j in range(x.shape[0]):
                size = max(size, units[j] if j != k else 0.0)
        if abs(moved) < LONG * size:
            continue
        copy(x, trial)
        trial[k] = origin[k] + AWAY * moved
        there = evaluate(function, trial, p, trial_g)
        for j in range(x.shape[0]):
            trial[j] = origin[j] + AWAY * (x[j] - origin[j])
        together = evaluate(function, trial, p, trial_g)
        counters[EVALUATIONS] += 2
        if min(abs(there - f), abs(together - f)) <= same:
            return True
    return False


@jit
def _is_tail(
    function: Any,
    p: Any,
    counters: Any,
    facts: Any,
    least: float,
    x: Any,
    g: Any,
    origin: Any,
    lower: Any,
    upper: Any,
    work: Any,
) -> bool:
    """Return whether f, though flat along a direction for ever, isn't so everywhere.

    Without kinks it would be constant there if it were exactly flat: it falls on, by
    less than shows in it.
    """
    free, scale, trial, trial_g = work[0], work[1], work[2], work[3]
    units, along = work[6], work[8]
    n, f = x.shape[0], facts[VALUE_THERE]
    slope, back, weight = 0.0, 0.0, 0.0
    for k in range(n):
        slope += g[k] * along[k]
        back += (origin[k] - x[k]) / units[k] * (along[k] / units[k])
        weight += (along[k] / units[k]) * (along[k] / units[k])
    if weight == 0.0:
        return False
    back /= weight
    for side in range(2):
        sign = 1.0 - 2.0 * side
        flat, far = True, 1.0
        for _ in range(ENDLESS):
            for k in range(n):
                trial[k] = x[k] + sign * far * along[k]
                flat = flat and lower[k] <= trial[k] <= upper[k]
            if flat:
                there = evaluate(function, trial, p, trial_g)
                counters[EVALUATIONS] += 1
                left = 0.0
                for k in range(n):
                    left += trial_g[k] * along[k]
                seen = max(least, _cancelled(x, trial, free, scale))
                flat = there <= f + seen
                flat = flat and (abs(left) <= abs(slope) or abs(left) * far <= seen)
            far *= OUTWARD
        if not flat:
            continue
        for step in range(BACK):
            inward = back / (1.0 + step) if step < 2 else -sign * 0.5 * (step - 1.0)
            _placed(x, inward, along, lower, upper, trial)
            there = evaluate(function, trial, p, trial_g)
            counters[EVALUATIONS] += 1
            if there > f + max(least, _cancelled(x, trial, free, scale)):
                return True
    return False


@jit
def _has_tail(
    function: Any,
    p: Any,
    counters: Any,
    facts: Any,
    least: float,
    x: Any,
    g: Any,
    origin: Any,
    lower: Any,
    upper: Any,
    work: Any,
    a: Any,
    v: Any,
    null: float,
) -> bool:
    """Look for a tail along variables, along Newton's step, and where f is straight."""
    free, scale, units, step, along = work[0], work[1], work[6], work[7], work[8]
    n, far = x.shape[0], 0.0
    for k in range(n):
        far = max(far, abs(step[k]) / units[k])
    for i in range(2 * n + 1):
        if (
            i < n
            and not (free[i] != 0.0 and g[i] == 0.0)
            and not (abs(step[i]) > LITTLE * units[i])
        ):
            continue
        if i == n and not far > LITTLE:
            continue
        if i > n and abs(a[i - n - 1, i - n - 1]) > null:
            continue
        for k in range(n):
            if i < n:
                along[k] = units[k] if k == i else 0.0
            elif i == n:
                along[k] = step[k]
            else:
                along[k] = scale[k] * v[k, i - n - 1]
        if _set_length(along, units) and _is_tail(
            function, p, counters, facts, least, x, g, origin, lower, upper, work
        ):
            return True
    return False


@jit
def _project(a: Any, normal: Any, work: Any) -> None:
    """Take a direction out of a symmetric matrix."""
    n, length, both = normal.shape[0], 0.0, 0.0
    for k in range(n):
        length += normal[k] * normal[k]
    if length == 0.0:
        return
    for k in range(n):
        normal[k] /= sqrt(length)
    for i in range(n):
        work[i] = 0.0
        for j in range(n):
            work[i] += a[i, j] * normal[j]
        both += work[i] * normal[i]
    for i in range(n):
        for j in range(n):
            a[i, j] -= normal[i] * work[j] + (work[i] - both * normal[i]) * normal[j]


@jit
def _settled(
    function: Any,
    hessian: Any,
    p: Any,
    counters: Any,
    least: float,
    lower: Any,
    upper: Any,
    work: Any,
    matrices: Any,
) -> tuple[float, float]:
    """Go from a trial to the bottom of the valley across its direction.

    By Newton's steps in the plane across it, as long as f falls.

    Returns
    -------
    float
        The value there.
    float
        By how much less it may be at the bottom.
    """
    free, units, along = work[0], work[6], work[8]
    trial, trial_g, moves = work[2], work[3], work[9]
    scale, normal, kept = work[10], work[11], work[12]
    b, w, n = matrices[2], matrices[3], trial.shape[0]
    here, left = evaluate(function, trial, p, trial_g), inf
    counters[EVALUATIONS] += 1
    for _ in range(SETTLES):
        if not is_finite(here, trial_g):
            return here, inf
        copy(free, normal)
        for i in range(n):
            for j in range(n):
                b[i, j] = 0.0
        evaluate(hessian, trial, p, b)
        if not _scales(b, normal, units, scale):
            return here, inf
        for k in range(n):
            normal[k] = scale[k] * (along[k] / units[k]) / units[k]
        _project(b, normal, moves)
        diagonalise(b, w, normal, moves)
        largest, left = 0.0, 0.0
        for i in range(n):
            largest = max(largest, abs(b[i, i]))
            moves[i] = 0.0
        for i in range(n):
            if b[i, i] < -NULL * largest:
                left = inf
            if not b[i, i] > NULL * largest:
                continue
            slope = 0.0
            for k in range(n):
                slope += scale[k] * trial_g[k] * w[k, i]
            left += 0.5 * slope * slope / b[i, i]
            for k in range(n):
                moves[k] -= slope / b[i, i] * scale[k] * w[k, i]
        copy(trial, kept)
        for k in range(n):
            trial[k] = min(max(trial[k] + moves[k], lower[k]), upper[k])
        there = evaluate(function, trial, p, trial_g)
        counters[EVALUATIONS] += 1
        if not there < here:
            copy(kept, trial)
            break
        fell, here = here - there, there
        if fell <= least:
            break
    return here, left


@jit
def _follow(
    function: Any,
    hessian: Any,
    p: Any,
    counters: Any,
    facts: Any,
    least: float,
    distance: float,
    steps: int,
    farther: float,
    x: Any,
    lower: Any,
    upper: Any,
    work: Any,
    matrices: Any,
) -> int:
    """Follow a bent valley; return LEVEL, RISING, or LOST where that can't be."""
    free, scale, units, along = work[0], work[1], work[6], work[8]
    trial, place = work[2], work[13]
    n, f = x.shape[0], facts[VALUE_THERE]
    copy(x, place)
    for _ in range(steps):
        for k in range(n):
            trial[k] = place[k] + distance * along[k]
            if not lower[k] <= trial[k] <= upper[k]:
                return LOST
        here, left = _settled(
            *(function, hessian, p, counters, least, lower, upper, work, matrices)
        )
        seen = max(least, _cancelled(x, trial, free, scale))
        _keep(facts, here, f - seen, work)
        if not here <= f + seen:
            return RISING if here - left > f + seen else LOST
        for k in range(n):
            along[k] = trial[k] - place[k]
            place[k] = trial[k]
        if not _set_length(along, units):
            return LOST
        distance = farther * abs(distance)
    return LEVEL


@jit
def _has_bent_tail(
    function: Any,
    hessian: Any,
    p: Any,
    counters: Any,
    facts: Any,
    least: float,
    largest: float,
    x: Any,
    lower: Any,
    upper: Any,
    work: Any,
    matrices: Any,
) -> bool:
    """Look for a tail along bent valleys: flat for ever, on one side only."""
    scale, units, along = work[1], work[6], work[8]
    a, v, n = matrices[0], matrices[1], x.shape[0]
    fallen = max(facts[FIRST] - facts[VALUE_THERE], 0.0)
    for i in range(n):
        farthest = 0.0
        for k in range(n):
            farthest = max(farthest, abs(scale[k] * v[k, i]) / units[k])
        if farthest == 0.0:
            continue
        rise = 0.5 * a[i, i] / farthest / farthest
        if rise > NULL * fallen and a[i, i] > NULL * largest:
            continue
        for way in range(2):
            side = 1.0 - 2.0 * way
            for k in range(n):
                along[k] = scale[k] * v[k, i]
            _set_length(along, units)
            outward = _follow(
                *(function, hessian, p, counters, facts, least, side * FIRST_STEP),
                *(FOLLOWED, FARTHER, x, lower, upper, work, matrices),
            )
            if outward != LEVEL:
                continue
            for k in range(n):
                along[k] = scale[k] * v[k, i]
            _set_length(along, units)
            inward = _follow(
                *(function, hessian, p, counters, facts, least, -side * STEP_BACK),
                *(FOLLOWED_BACK, 1.0, x, lower, upper, work, matrices),
            )
            if inward == RISING:
                return True
    return False


@jit
def _is_rounding(
    hessian: Any, p: Any, facts: Any, x: Any, origin: Any, work: Any, a: Any
) -> bool:
    """Return whether the gradient is of rounding, far beyond the start.

    There its terms cancel each other; what f has fallen by on the way doesn't show.
    """
    free, n, way = work[0], x.shape[0], 0.0
    for i in range(n):
        way += abs(x[i] - origin[i])
        for j in range(n):
            a[i, j] = 0.0
    evaluate(hessian, x, p, a)
    for i in range(n):
        if free[i] == 0.0:
            continue
        total, largest, far = 0.0, 0.0, False
        for j in range(n):
            size = abs(a[i, j] * x[j])
            total += size
            if size > largest:
                largest = size
                far = abs(x[j] - origin[j]) >= 0.5 * abs(x[j])
        if far and ROUNDED * total * way > SHOWN * (facts[FIRST] - facts[VALUE_THERE]):
            return True
    return False


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
    known = _units(x, origin, units)
    least = max(NOISE * abs(f), UNSEEN * fallen)
    for i in range(n):
        free[i] = 0.0 if is_held(x[i], g[i], lower[i], upper[i]) else 1.0
        step[i] = 0.0
        for j in range(n):
            a[i, j] = 0.0
    evaluate(hessian, x, p, a)
    _equal_units(a, origin, units)
    if not _scales(a, free, units, scale):
        for i in range(n):
            free[i] = STRAIGHT if free[i] != 0.0 else 0.0
            scale[i] = free[i] * units[i]
            for j in range(n):
                a[i, j], v[i, j] = 0.0, 1.0 if i == j else 0.0
        for i in range(n):
            for k in range(n):
                along[k] = units[k] if k == i and free[k] != 0.0 else 0.0
            _outward(
                *(function, p, counters, facts, least, known, x, along, lower, upper),
                *(work, a, v, 0.0),
            )
        _mixed(
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
        lowest, highest = min(lowest, rise), max(highest, rise)
        weak = rise <= WEAK * fallen or curvature <= NULL * largest
        if weak or fallen == 0.0 or not facts[ANALYTIC]:
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
            if curvature < -NONE * largest and not known:
                _outward(
                    *(function, p, counters, facts, least, known, x, along),
                    *(lower, upper, work, a, v, inf),
                )
        singular = singular or abs(curvature) <= NONE * largest
    if singular:
        _mixed(
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
        if spent and _ran_away(function, p, counters, facts, x, g, origin, work):
            return FLAT
        inexact = not facts[PROMISED] <= max(SPENT * fallen, EXACTLY * abs(f))
        if inexact and not (spent and facts[ANALYTIC]):
            return INEXACT
        if endless and far > FAR and not facts[ANALYTIC]:
            return FLAT
    if facts[ANALYTIC] and _has_tail(
        *(function, p, counters, facts, least, x, g, origin, lower, upper, work),
        *(a, v, NULL * largest),
    ):
        return FLAT
    if facts[ANALYTIC]:
        tail = _has_bent_tail(
            *(function, hessian, p, counters, facts, least, largest, x, lower, upper),
            *(work, matrices),
        )
        if facts[LOWER_VALUE] < inf:
            return LOWER
        if tail:
            return FLAT
    if inexact:
        return INEXACT
    if facts[ANALYTIC] == 2.0 and _is_rounding(hessian, p, facts, x, origin, work, a):
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
