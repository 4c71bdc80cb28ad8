"""Tails: where f falls for ever, by ever less, and attains no minimum.

A function without kinks that were exactly flat along a direction would be constant
along it: what is flat outward as far as numbers tell, and isn't backward, falls on.
Bent valleys are followed.

Elsewhere: directions of recession; the predictor and corrector of path following
(Allgower and Georg 1990, "Numerical Continuation Methods", chapter 2).
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

from symgd.kernels.common import copy, is_finite
from symgd.kernels.eigenvalues import diagonalise
from symgd.kernels.probing import (
    CERTAIN,
    OUTWARD,
    cancelled,
    keep_certain,
    placed,
    set_length,
    set_scales,
    varies,
)
from symgd.lowering.intrinsics import evaluate, floats
from symgd.lowering.jitting import jit

NULL = 1e-6  # a curvature, or a rise, below this part of the largest is none
LITTLE, FAR = 1e-6, 1e-3  # parts of x: how small one is, how long a step
AWAY = 1e-6  # of the way: where a variable ran away, f was the same there
ENDLESS, BACK = 6, 6  # points outward, each 100 times as far; and back to the start
CLEAR = 1e-3  # of what f fell: what rises by more close by does so, without measuring
ROUNDED, SHOWN = 2e-16, 0.1  # of sums and of curvatures; of the slope on the way
LONG, SAME = 1e8, 1e-10  # how far away is; of f, what is the same there
SETTLES = 60  # steps to the bottom of a valley
FOLLOWED, FARTHER = 8, 4.0  # steps outward along a valley, and how much longer each is
FOLLOWED_BACK = 20  # steps back, to where the valley may turn
FIRST_STEP, STEP_BACK = 0.5, 0.1  # parts of x
SEEN = 1e2  # times what can't be seen of f
LEVEL, RISING, LOST = range(3)  # how f is along a valley


@jit
def ran_away(
    function: Any,
    p: Any,
    end: Any,
    x: Any,
    g: Any,
    origin: Any,
    work: Any,
) -> bool:
    """Return whether a variable, or all, ran far away, and f was as low long before."""
    n = end.variables
    free = floats(work.free, (n,))
    trial = floats(work.trial, (n,))
    trial_g = floats(work.trial_g, (n,))
    units = floats(work.units, (n,))
    step = floats(work.step, (n,))
    f = end.value
    same = SAME * max(end.first - f, abs(f))
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
        end.evaluations += 2
        if min(abs(there - f), abs(together - f)) <= same:
            return True
    return False


@jit
def _is_tail(
    function: Any,
    p: Any,
    end: Any,
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
    n = end.variables
    free = floats(work.free, (n,))
    scale = floats(work.scale, (n,))
    trial = floats(work.trial, (n,))
    trial_g = floats(work.trial_g, (n,))
    units = floats(work.units, (n,))
    along = floats(work.along, (n,))
    f = end.value
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
                end.evaluations += 1
                left = 0.0
                for k in range(n):
                    left += trial_g[k] * along[k]
                seen = max(least, cancelled(x, trial, free, scale))
                rise = abs(left) * far if abs(left) > abs(slope) else 0.0
                rise = max(rise, there - f)
                clear = rise > CLEAR * max(end.first - f, abs(f)) and far == 1.0
                if rise > seen and not clear:
                    seen = max(seen, CERTAIN * varies(function, p, end, x, work))
                    around = varies(function, p, end, trial, work)
                    seen = max(seen, CERTAIN * around)
                flat = rise <= seen and there == there
            far *= OUTWARD
        if not flat:
            continue
        for step in range(BACK):
            inward = back / (1.0 + step) if step < 2 else -sign * 0.5 * (step - 1.0)
            placed(x, inward, along, lower, upper, trial)
            there = evaluate(function, trial, p, trial_g)
            end.evaluations += 1
            if there > f + max(least, cancelled(x, trial, free, scale)):
                return True
    return False


@jit
def has_tail(
    function: Any,
    p: Any,
    end: Any,
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
    n = end.variables
    free = floats(work.free, (n,))
    scale = floats(work.scale, (n,))
    units = floats(work.units, (n,))
    step = floats(work.step, (n,))
    along = floats(work.along, (n,))
    far = 0.0
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
        if set_length(along, units) and _is_tail(
            function, p, end, least, x, g, origin, lower, upper, work
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
    end: Any,
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
    n = end.variables
    free = floats(work.free, (n,))
    units = floats(work.units, (n,))
    along = floats(work.along, (n,))
    trial = floats(work.trial, (n,))
    trial_g = floats(work.trial_g, (n,))
    moves = floats(work.moves, (n,))
    scale = floats(work.inner_scale, (n,))
    normal = floats(work.normal, (n,))
    kept = floats(work.kept, (n,))
    b, w, n = matrices[2], matrices[3], trial.shape[0]
    here, left = evaluate(function, trial, p, trial_g), inf
    end.evaluations += 1
    for _ in range(SETTLES):
        if not is_finite(here, trial_g):
            return here, inf
        copy(free, normal)
        for i in range(n):
            for j in range(n):
                b[i, j] = 0.0
        evaluate(hessian, trial, p, b)
        if not set_scales(b, normal, units, scale):
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
        end.evaluations += 1
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
    end: Any,
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
    n = end.variables
    free = floats(work.free, (n,))
    scale = floats(work.scale, (n,))
    units = floats(work.units, (n,))
    along = floats(work.along, (n,))
    trial = floats(work.trial, (n,))
    place = floats(work.place, (n,))
    f = end.value
    copy(x, place)
    for _ in range(steps):
        for k in range(n):
            trial[k] = place[k] + distance * along[k]
            if not lower[k] <= trial[k] <= upper[k]:
                return LOST
        here, left = _settled(
            *(function, hessian, p, end, least, lower, upper, work, matrices)
        )
        seen = max(least, cancelled(x, trial, free, scale))
        keep_certain(function, p, end, here, f - seen, x, work)
        if not here <= f + seen:
            return RISING if here - left > f + seen else LOST
        for k in range(n):
            along[k] = trial[k] - place[k]
            place[k] = trial[k]
        if not set_length(along, units):
            return LOST
        distance = farther * abs(distance)
    return LEVEL


@jit
def has_bent_tail(
    function: Any,
    hessian: Any,
    p: Any,
    end: Any,
    least: float,
    largest: float,
    x: Any,
    g: Any,
    lower: Any,
    upper: Any,
    work: Any,
    matrices: Any,
) -> bool:
    """Look for a tail along bent valleys: flat for ever, on one side only."""
    n = end.variables
    scale = floats(work.scale, (n,))
    units = floats(work.units, (n,))
    along = floats(work.along, (n,))
    a, v = matrices[0], matrices[1]
    fallen = max(end.first - end.value, 0.0)
    for i in range(n):
        farthest, slope = 0.0, 0.0
        for k in range(n):
            farthest = max(farthest, abs(scale[k] * v[k, i]) / units[k])
            slope += g[k] * scale[k] * v[k, i]
        if farthest == 0.0:
            continue
        rise = 0.5 * a[i, i] / farthest / farthest
        if rise > NULL * fallen and a[i, i] > NULL * largest:
            continue
        # A minimum shows in f within one unit, and Newton's step leads to it.
        step = abs(slope) / a[i, i] * farthest if a[i, i] > 0.0 else inf
        if rise > SEEN * least and a[i, i] > NULL * largest and step <= LITTLE:
            continue
        for way in range(2):
            side = 1.0 - 2.0 * way
            for k in range(n):
                along[k] = scale[k] * v[k, i]
            set_length(along, units)
            outward = _follow(
                *(function, hessian, p, end, least, side * FIRST_STEP),
                *(FOLLOWED, FARTHER, x, lower, upper, work, matrices),
            )
            if outward != LEVEL:
                continue
            for k in range(n):
                along[k] = scale[k] * v[k, i]
            set_length(along, units)
            inward = _follow(
                *(function, hessian, p, end, least, -side * STEP_BACK),
                *(FOLLOWED_BACK, 1.0, x, lower, upper, work, matrices),
            )
            if inward == RISING:
                return True
    return False


@jit
def is_rounding(
    hessian: Any, p: Any, end: Any, x: Any, origin: Any, work: Any, a: Any
) -> bool:
    """Return whether the gradient is of rounding, far beyond the start.

    There its terms cancel each other; what f has fallen by on the way doesn't show.
    """
    n = end.variables
    free = floats(work.free, (n,))
    for i in range(n):
        for j in range(n):
            a[i, j] = 0.0
    evaluate(hessian, x, p, a)
    for i in range(n):
        if free[i] == 0.0:
            continue
        total, largest, far = 0.0, 0.0, False
        way = abs(x[i] - origin[i])
        for j in range(n):
            size = abs(a[i, j] * x[j])
            total += size
            if size > largest:
                largest = size
                far = abs(x[j] - origin[j]) >= 0.5 * abs(x[j])
        if far and ROUNDED * total * way > SHOWN * (end.first - end.value):
            return True
    return False
