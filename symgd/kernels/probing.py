"""Values are compared along directions, up to as far away as the run has come.

Elsewhere: probing, a pattern search. Directions are in units of the run itself, the
sizes of its coordinates; the lowest point that was seen is kept.
"""

from __future__ import annotations

from math import copysign, inf, sqrt
from typing import Any

from symgd.kernels.common import NOISE, copy, is_finite
from symgd.lowering.intrinsics import evaluate, floats
from symgd.lowering.jitting import jit

DISTANCES = 5  # of probes, each a tenth of the one before
MIXTURES = 12  # of the directions without curvature
OUTWARD = 1e2  # times as far from one distance to the next
NEAR, STEPS = 1e-8, 5  # the first distance as a part of x, and how many there are
NEAR_UNKNOWN, STEPS_UNKNOWN = 1e-16, 17  # the same where x has no size
SAMPLES, ULPS = 8, 1e-15  # of points beside another, and parts of x
WITNESSES, LAST, LOWER_TOO = 16, 1e-6, 0.5  # points; of the way there; of what f fell
CERTAIN = 10.0  # times what values vary by: what is lower by more is
TOPS, FORETOLD = 9, 0.1  # distances, each a tenth; of the change of a gradient
STRAIGHT = 2.0  # the mark of what is free, and in which f doesn't curve
LEAST = 1e-300  # of a slope by which a number is divided
LOST = 1e-290  # of f: a slope whose square is less has a curvature beyond float64
REACH, WIDER, STEPS_LOST = 1e-16, 4.0, 120  # of f, by which f is to fall at first


@jit
def set_units(x: Any, origin: Any, units: Any) -> bool:
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
def set_equal_units(a: Any, origin: Any, units: Any) -> None:
    """Set units of what began at 0 by those of the others: f changes by the same.

    It may have come back from anywhere; and where f is straight it may go on.
    """
    n = units.shape[0]
    for k in range(n):
        if origin[k] == 0.0 and a[k, k] == 0.0:
            for j in range(n):
                units[k] = max(units[k], units[j])
        least, widest = inf, 0.0
        for j in range(n):
            if origin[k] == 0.0 and origin[j] != 0.0 and a[k, k] > 0.0 < a[j, j]:
                least = min(least, units[j] * sqrt(a[j, j] / a[k, k]))
                widest = max(widest, units[j])
        if least < inf:
            units[k] = max(units[k], min(least, widest))


@jit
def set_scales(a: Any, free: Any, units: Any, scale: Any) -> bool:
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
def cancelled(x: Any, trial: Any, free: Any, scale: Any) -> float:
    """Return what a value may be wrong by, whose terms have cancelled each other."""
    size = 0.0
    for k in range(x.shape[0]):
        if free[k] == 1.0:
            size += max(abs(x[k]), abs(trial[k])) / scale[k]
    return NOISE * size * size


@jit
def varies(function: Any, p: Any, end: Any, x: Any, work: Any) -> float:
    """Return by how much a value changes within the rounding of a point."""
    n = end.variables
    beside = floats(work.beside, (n,))
    unused = floats(work.beside_g, (n,))
    here, most, seed = evaluate(function, x, p, unused), 0.0, 1
    for _ in range(SAMPLES):
        for k in range(x.shape[0]):
            seed = (1103515245 * seed + 12345) % 2147483648
            beside[k] = x[k] * (1.0 + ULPS * (seed / 1073741824.0 - 1.0))
        most = max(most, abs(evaluate(function, beside, p, unused) - here))
    end.evaluations += SAMPLES + 1
    return most


@jit
def unseen(
    function: Any,
    p: Any,
    end: Any,
    least: float,
    x: Any,
    trial_f: float,
    work: Any,
) -> float:
    """Return by how much less a trial's value isn't lower.

    What may have cancelled is measured where that decides.
    """
    n = end.variables
    trial, f = floats(work.trial, (n,)), end.value
    seen = max(
        least,
        cancelled(
            x,
            trial,
            floats(work.free, (n,)),
            floats(work.scale, (n,)),
        ),
    )
    if not f - seen <= trial_f < f - least:
        return seen
    found = varies(function, p, end, x, work)
    found += varies(function, p, end, trial, work)
    return min(seen, max(least, CERTAIN * found))


@jit
def probe(
    function: Any,
    p: Any,
    end: Any,
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
    n = end.variables
    trial = floats(work.trial, (n,))
    trial_g = floats(work.trial_g, (n,))
    f, distance = end.value, sign
    rises, falls = False, False
    for _ in range(DISTANCES):
        far = placed(x, distance, along, lower, upper, trial)
        distance *= 0.1
        if far == 0.0:
            break
        trial_f = evaluate(function, trial, p, trial_g)
        end.evaluations += 1
        rises = rises or not trial_f <= f
        falls = falls or trial_f < f
        seen = unseen(function, p, end, least, x, trial_f, work)
        enough = f - seen - end.slope * far
        keep_certain(function, p, end, trial_f, enough, x, work)
    return falls and not rises


@jit
def leave_top(
    function: Any,
    p: Any,
    end: Any,
    curvature: float,
    x: Any,
    along: Any,
    lower: Any,
    upper: Any,
    work: Any,
) -> None:
    """Keep a point beside a top that gradients on both sides confirm.

    There f is lower, though by less than it fell by on the way here tells. A curvature
    of rounding doesn't foretell gradients.
    """
    n = end.variables
    trial = floats(work.trial, (n,))
    trial_g = floats(work.trial_g, (n,))
    distance = 0.1
    before = False
    for _ in range(TOPS):
        change = 0.0
        for side in range(2):
            sign = 1.0 - 2.0 * side
            placed(x, sign * distance, along, lower, upper, trial)
            trial_f = evaluate(function, trial, p, trial_g)
            end.evaluations += 1
            for k in range(x.shape[0]):
                change += sign * trial_g[k] * along[k]
        wanted = 2.0 * distance * curvature
        foretold = abs(change - wanted) <= FORETOLD * abs(wanted)
        if foretold and before:
            keep(end, trial_f, end.value, work)
            return
        before = foretold
        distance *= 0.1


@jit
def placed(
    x: Any, distance: float, along: Any, lower: Any, upper: Any, trial: Any
) -> float:
    """Go along a direction, inside the bounds; return how far."""
    far = 0.0
    for k in range(x.shape[0]):
        trial[k] = min(max(x[k] + distance * along[k], lower[k]), upper[k])
        far += abs(trial[k] - x[k])
    return far


@jit
def is_open(x: Any, along: Any, units: Any, lower: Any, upper: Any) -> bool:
    """Return whether a direction, or its opposite, leads into the bounds."""
    forward, backward = True, True
    for k in range(x.shape[0]):
        part = along[k] / units[k]
        if x[k] <= lower[k] + NEAR * units[k]:
            forward, backward = forward and part > -NEAR, backward and part < NEAR
        if x[k] >= upper[k] - NEAR * units[k]:
            forward, backward = forward and part < NEAR, backward and part > -NEAR
    return forward or backward


@jit
def keep(end: Any, trial_f: float, enough: float, work: Any) -> None:
    """Keep a point that is the lowest so far."""
    n = end.variables
    if trial_f < min(enough, end.lower_value) and is_finite(
        trial_f, floats(work.trial_g, (n,))
    ):
        end.lower_value = trial_f
        copy(floats(work.trial, (n,)), floats(work.lower_x, (n,)))
        copy(
            floats(work.trial_g, (n,)),
            floats(work.lower_g, (n,)),
        )


@jit
def keep_certain(
    function: Any, p: Any, end: Any, trial_f: float, enough: float, x: Any, work: Any
) -> None:
    """Keep a point that is the lowest so far, if f is lower all around it.

    What has been rounded scatters: on a last bit of the way there it is as often above.
    """
    if not trial_f < min(enough, end.lower_value):
        return
    n, seed = end.variables, 1
    trial = floats(work.trial, (n,))
    beside = floats(work.beside, (n,))
    unused = floats(work.beside_g, (n,))
    lower = end.value - LOWER_TOO * (end.value - trial_f)
    for _ in range(WITNESSES):
        seed = (1103515245 * seed + 12345) % 2147483648
        part = 1.0 - LAST * (seed / 2147483648.0)
        for k in range(x.shape[0]):
            beside[k] = x[k] + part * (trial[k] - x[k])
        end.evaluations += 1
        if evaluate(function, beside, p, unused) > lower:
            return
    keep(end, trial_f, enough, work)


@jit
def set_lost(g: Any, free: Any, size: float, along: Any) -> bool:
    """Set a direction along slopes so small that no curvature shows: 1e-200 and less.

    Of ``(1e-200*x - 3)**2`` it is 0. Along that direction f would fall by 1 in 1, of
    each variable, whatever its unit.

    Parameters
    ----------
    size : float
        What values are beside which f falls.

    Returns
    -------
    bool
        Whether there are such slopes.
    """
    lost = False
    for k in range(g.shape[0]):
        small = free[k] != 0.0 and g[k] != 0.0 and g[k] * g[k] < LOST * size
        along[k] = -copysign(1.0 / max(abs(g[k]), LEAST), g[k]) if small else 0.0
        lost = lost or small
    return lost


@jit
def leave_lost(
    function: Any,
    p: Any,
    end: Any,
    least: float,
    size: float,
    x: Any,
    along: Any,
    lower: Any,
    upper: Any,
    work: Any,
) -> bool:
    """Keep the lowest point along slopes that promise a fall only far away.

    At first by ever longer steps, then where the slope changes its sign: bisection.

    Returns
    -------
    bool
        Whether f falls on and on.
    """
    n = end.variables
    trial = floats(work.trial, (n,))
    trial_g = floats(work.trial_g, (n,))
    below, above, distance, before = 0.0, inf, REACH * size, 0.0
    for _ in range(STEPS_LOST):
        far = placed(x, distance, along, lower, upper, trial)
        if above == inf and far == before:  # at bounds
            return False
        before = far
        trial_f = evaluate(function, trial, p, trial_g)
        end.evaluations += 1
        slope = 0.0
        for k in range(n):
            slope += along[k] * trial_g[k]
        if is_finite(trial_f, trial_g) and slope < 0.0:
            below = distance
        else:
            above = distance
        distance = WIDER * below if above == inf else 0.5 * (below + above)
    if below > 0.0 and above < inf:
        placed(x, below, along, lower, upper, trial)
        trial_f = evaluate(function, trial, p, trial_g)
        end.evaluations += 1
        keep(end, trial_f, end.value - least, work)
    return above == inf


@jit
def _corrected(a: Any, v: Any, null: float, lower: Any, upper: Any, work: Any) -> float:
    """Go to the bottom of a valley, across which f curves; return how far."""
    n = lower.shape[0]
    free = floats(work.free, (n,))
    scale = floats(work.scale, (n,))
    trial = floats(work.trial, (n,))
    trial_g = floats(work.trial_g, (n,))
    moves = floats(work.moves, (n,))
    far = 0.0
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
def outward(
    function: Any,
    p: Any,
    end: Any,
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
    n = end.variables
    free = floats(work.free, (n,))
    scale = floats(work.scale, (n,))
    trial = floats(work.trial, (n,))
    trial_g = floats(work.trial_g, (n,))
    f = end.value
    for side in range(2):
        steps = STEPS if known else STEPS_UNKNOWN
        distance = NEAR if known else NEAR_UNKNOWN
        distance *= 1.0 - 2.0 * side
        lowest = f
        for _ in range(steps):
            far = placed(x, distance, along, lower, upper, trial)
            distance *= OUTWARD
            if far == 0.0:
                break
            here = evaluate(function, trial, p, trial_g)
            end.evaluations += 1
            seen = max(least, cancelled(x, trial, free, scale))
            enough = f - seen - end.slope * far
            keep_certain(function, p, end, here, enough, x, work)
            if is_finite(here, trial_g) and _corrected(a, v, null, lower, upper, work):
                below = evaluate(function, trial, p, trial_g)
                end.evaluations += 1
                keep_certain(function, p, end, below, enough, x, work)
                here = min(here, below)
            if not here <= lowest + seen:
                break
            lowest = min(here, lowest)


@jit
def set_length(along: Any, units: Any) -> bool:
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
def mixed(
    function: Any,
    p: Any,
    end: Any,
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
    n = end.variables
    scale = floats(work.scale, (n,))
    units = floats(work.units, (n,))
    along = floats(work.along, (n,))
    count = 0
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
        if not set_length(along, units):
            continue
        outward(
            *(function, p, end, least, known, x, along, lower, upper),
            *(work, a, v, null),
        )
