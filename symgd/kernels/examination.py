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

from math import inf, nan
from typing import Any

from symgd.kernels.common import NOISE, WORD, is_held
from symgd.kernels.eigenvalues import diagonalise
from symgd.kernels.probing import (
    STRAIGHT,
    is_open,
    keep,
    leave_lost,
    leave_top,
    mixed,
    outward,
    placed,
    probe,
    set_equal_units,
    set_lost,
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
from symgd.lowering.intrinsics import evaluate, floats, integers, local, record_at
from symgd.lowering.jitting import jit
from symgd.native.records import (
    CONVERGED,
    EXACT,
    FLAT,
    INEXACT,
    LOWER,
    SADDLE,
    UNKNOWN,
    EndArrays,
    EndState,
)

WEAK = 1e-2  # of what f fell: what rises by less, as far away as the run came, is weak
NEAR = 1e-3  # of how far it has come: ends as near to each other are one
LEADS = 1e-5  # of x: what changes it by less is a step to a minimum, not along a tail
FEW = 8  # of the ends that may be in tails, of one piece of many
HARDLY = 1e-5  # of what f fell: what rises by less may be a tail of no minimum;
# what promises more isn't at one
SPENT = 1e-20  # of what f fell: what promises less has nothing left to gain
UNSEEN = 1e-16  # of what f fell: a lower value isn't lower by less than that
TINY = 1e-150
BESIDES = 1e3  # times f, and what it rises by around an end: more it fell by elsewhere
SHARE = 0.5  # of what is usual: less of a direction is what rounding left of it
NONE = 1e-10  # of the largest curvature: below, it is that of a singular Hessian
EXACTLY = 1e-28  # of f: what promises less is the rounding of a gradient
MOST_OF_IT = 0.5  # of f: where Newton's step promises that it is tried, far as it leads
LITTLE_OF_IT = 0.1  # of f, at most, that is left by then
BEYOND_MEASURE = 4e-12  # of f, which may have lost digits on the way
BESIDE = 1e-2  # of x: where a plateau is level
TIGHT = 1e-8  # of the gradient at the start, where no curvature is known


end_at, arrays_at = record_at(EndState), record_at(EndArrays)


@jit
def _moved(x: Any, origin: Any, work: Any) -> float:
    """Return the largest part of its size by which Newton's step changes a variable.

    The size of what is 0, and has always been, is that of the step itself, unless this
    is rounding beside the others.
    """
    n = x.shape[0]
    free = floats(work.free, (n,))
    scale = floats(work.scale, (n,))
    units = floats(work.units, (n,))
    step = floats(work.step, (n,))
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
def _is_read(function: Any, p: Any, end: Any, x: Any, work: Any, only: int) -> bool:
    """Return whether f reads a variable that may be in no term, or any of them: -1.

    What is no number spoils all terms in which it is, whatever their size.
    """
    n = end.variables
    free = floats(work.free, (n,))
    trial = floats(work.trial, (n,))
    for k in range(n):
        wanted = free[k] == STRAIGHT if only < 0 else k == only
        trial[k] = nan if wanted else x[k]
    end.evaluations += 1
    value = evaluate(function, trial, p, floats(work.trial_g, (n,)))
    return value != end.value


@jit
def _hold_unread(function: Any, p: Any, end: Any, x: Any, g: Any, work: Any) -> None:
    """Take variables out of the free ones that are in no term: they stay as given."""
    n = end.variables
    free = floats(work.free, (n,))
    scale = floats(work.scale, (n,))
    count = 0
    for k in range(n):
        if free[k] == STRAIGHT and g[k] == 0.0:
            count += 1
    if count == 0:
        return
    any_read = _is_read(function, p, end, x, work, -1)
    for k in range(n):
        if free[k] != STRAIGHT or g[k] != 0.0:
            continue
        if not any_read or not _is_read(function, p, end, x, work, k):
            free[k], scale[k] = 0.0, 0.0


@jit
def examine(
    function: Any,
    hessian: Any,
    p: Any,
    end: Any,
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
    end : record
        See ``native.records.EndState``; ``evaluations`` counts those that are made
        here.
    x, g, origin : arrays of shape (n,)
        The end, its gradient; where the run began.
    work, matrices : record EndArrays, array of shape (4, n, n)
        Where the working space is; after LOWER, it holds the lower point.

    Returns
    -------
    int
        EXACT; INEXACT, if there is more to gain; LOWER, if a lower point was found;
        FLAT, if f has nothing to gain though it falls on for ever; SADDLE, if f curves
        downwards though no lower point was found; UNKNOWN, if the Hessian is not
        finite, and no lower point was found.
    """
    n, a, v = x.shape[0], matrices[0], matrices[1]
    free = floats(work.free, (n,))
    scale = floats(work.scale, (n,))
    units = floats(work.units, (n,))
    step = floats(work.step, (n,))
    along = floats(work.along, (n,))
    f = end.value
    fallen = max(end.first - f, 0.0)
    end.promised, end.moved, end.lower_value, end.weak = 0.0, 0.0, inf, 0.0
    known = set_units(x, origin, units)
    least = max(NOISE * abs(f), UNSEEN * fallen)
    for i in range(n):
        free[i] = 0.0 if is_held(x[i], g[i], lower[i], upper[i]) else 1.0
        step[i] = 0.0
        for j in range(n):
            a[i, j] = 0.0
    size = max(abs(f), fallen) if max(abs(f), fallen) > 0.0 else 1.0
    if set_lost(g, free, size, along):
        ways = function, p, end, least, size, x, along, lower, upper, work
        endless = leave_lost(*ways)
        if endless or end.lower_value < inf:
            return FLAT if endless else LOWER
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
                *(function, p, end, least, known, x, along, lower, upper),
                *(work, a, v, 0.0),
            )
        mixed(
            *(function, p, end, least, known, x, lower, upper, work),
            *(a, v, 0.0),
        )
        return LOWER if end.lower_value < inf else UNKNOWN
    if end.analytic:
        _hold_unread(function, p, end, x, g, work)
    diagonalise(a, v, floats(work.along, (n,)), floats(work.moves, (n,)))
    largest = 0.0
    for i in range(n):
        largest = max(largest, abs(a[i, i]))
    endless, singular, lowest, highest = False, False, 0.0, 0.0
    for i in range(n):
        curvature, slope, farthest, share = a[i, i], 0.0, 0.0, 0.0
        for k in range(n):
            if free[k] != 0.0:
                slope += scale[k] * g[k] * v[k, i]
                farthest = max(farthest, abs(scale[k] * v[k, i]) / units[k])
                share += v[k, i] * v[k, i]
        if farthest == 0.0 or share < SHARE / n:
            continue
        if slope != 0.0:
            size = slope / max(abs(curvature), ROUNDED * largest, TINY)
            end.promised += 0.5 * slope * size
            for k in range(n):
                step[k] -= size * scale[k] * v[k, i]
        rise = 0.5 * curvature * share / farthest / farthest
        for k in range(n):
            along[k] = scale[k] * v[k, i] / farthest
        if is_open(x, along, units, lower, upper):
            lowest = min(lowest, rise)
        highest = max(highest, rise)
        if rise <= HARDLY * fallen:
            end.weak = 1.0
        weak = rise <= WEAK * fallen or curvature <= NULL * largest
        if weak or fallen == 0.0 or not end.analytic:
            down = -1.0 if slope > 0.0 else 1.0
            falls_on = probe(
                function, p, end, least, down, x, along, lower, upper, work
            )
            endless = endless or (falls_on and slope != 0.0)
            probe(function, p, end, least, -down, x, along, lower, upper, work)
            if curvature < -NONE * largest and not known:
                outward(
                    *(function, p, end, least, known, x, along),
                    *(lower, upper, work, a, v, inf),
                )
        if curvature < -NONE * largest and end.lower_value == inf:
            leave_top(
                *(function, p, end, 2.0 * rise, x, along, lower, upper),
                work,
            )
        singular = singular or abs(curvature) <= NONE * largest
    if singular:
        mixed(
            *(function, p, end, least, known, x, lower, upper, work),
            *(a, v, NONE * largest),
        )
    around = max(highest, abs(f))
    if BESIDES * around < fallen and abs(f) > highest / BESIDES:
        fallen = BESIDES * around  # it began where f was of another size
    highest = max(highest, fallen)
    farthest, far = 0.0, 0.0
    for k in range(n):
        farthest = max(farthest, units[k])
    for k in range(n):
        # What is nearly 0 and began there says nothing of how far is far.
        far = max(far, abs(step[k]) / max(units[k], LITTLE * farthest))
    end.moved = _moved(x, origin, work)
    if 0.0 < end.moved < LEADS:
        end.weak = 0.0
    if end.lower_value < inf:
        return LOWER
    inexact = False
    if not end.moved <= end.close:
        if end.promised > MOST_OF_IT * abs(f):
            trial = floats(work.trial, (n,))
            placed(x, 1.0, step, lower, upper, trial)
            value = evaluate(function, trial, p, floats(work.trial_g, (n,)))
            end.evaluations += 1
            keep(end, value, LITTLE_OF_IT * f, work)
            if end.lower_value < inf:
                return LOWER
        spent = end.promised <= BEYOND_MEASURE * max(fallen, abs(f))
        if spent and ran_away(function, p, end, x, g, origin, work):
            return FLAT
        inexact = not end.promised <= max(SPENT * fallen, EXACTLY * abs(f))
        if inexact and not (spent and end.analytic):
            return INEXACT
        if endless and far > FAR and not end.analytic:
            return FLAT
    elif end.promised > HARDLY * max(fallen, abs(f)):
        inexact = True  # it has come from so far away that x is small beside that
    noise = NOISE * abs(f)
    if end.analytic and has_tail(
        *(function, p, end, noise, x, g, origin, lower, upper, work),
        *(a, v, NULL * largest),
    ):
        return FLAT
    if end.analytic:
        tail = has_bent_tail(
            *(function, hessian, p, end, noise, largest, x, g, lower),
            *(upper, work, matrices),
        )
        if end.lower_value < inf:
            return LOWER
        if tail:
            return FLAT
    if inexact:
        return INEXACT
    if end.analytic == 2.0 and is_rounding(hessian, p, end, x, origin, work, a):
        return FLAT
    return SADDLE if lowest < -NULL * highest else EXACT


@jit
def _set_rows(at: Any, n: int) -> None:
    """Say where the rows of the working space are."""
    size, work = WORD * n, at.work
    at.free, at.scale, at.trial, at.trial_g = (
        *(work, work + size, work + 2 * size, work + 3 * size),
    )
    at.lower_x, at.lower_g = work + 4 * size, work + 5 * size
    at.units, at.step, at.along = work + 6 * size, work + 7 * size, work + 8 * size
    at.moves, at.inner_scale = work + 9 * size, work + 10 * size
    at.normal, at.kept = work + 11 * size, work + 12 * size
    at.place, at.beside = work + 13 * size, work + 14 * size
    at.beside_g = work + 15 * size


def entry(end: Any, arrays: Any) -> int:
    """Run :func:`examine`, with the addresses of records."""
    state, at = end_at(end), arrays_at(arrays)
    n = state.variables
    _set_rows(at, n)
    return examine(
        at.function,
        at.hessian,
        floats(at.constants, (1,)),
        state,
        floats(at.x, (n,)),
        floats(at.gradient, (n,)),
        floats(at.origin, (n,)),
        floats(at.lower, (n,)),
        floats(at.upper, (n,)),
        at,
        floats(at.matrices, (4, n, n)),
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


@jit
def _same(x: Any, other: Any, origin: Any) -> bool:
    """Return whether two ends are one, beside how far it was to there."""
    far, apart = 0.0, 0.0
    for k in range(x.shape[0]):
        far = max(far, abs(x[k] - origin[k]))
        apart = max(apart, abs(x[k] - other[k]))
    return apart <= NEAR * far


@jit
def _is_on_plateau(
    function: Any, p: Any, x: Any, g: Any, lower: Any, upper: Any, work: Any
) -> bool:
    """Return whether slopes that are 0 are so beside a point, too, though f has them.

    No smooth function is level along some coordinates, unless it is constant.
    """
    n = x.shape[0]
    beside, slope = floats(work.beside, (n,)), floats(work.beside_g, (n,))
    largest, level, seed = 0.0, 0, 1
    for k in range(n):
        largest = max(largest, abs(x[k]))
        level += 1 if g[k] == 0.0 else 0
    if level == 0:
        return False
    for k in range(n):
        seed = (1103515245 * seed + 12345) % 2147483648
        size = abs(x[k]) if x[k] != 0.0 else (largest if largest > 0.0 else 1.0)
        moved = x[k] + BESIDE * (seed / 1073741824.0 - 1.0) * size
        beside[k] = min(max(moved, lower[k]), upper[k])
    evaluate(function, beside, p, slope)
    level = 0
    for k in range(n):
        is_level = g[k] == 0.0 and slope[k] == 0.0 and beside[k] != x[k]
        level += 1 if is_level else 0
        beside[k] = nan if is_level else x[k]
    if level == 0:
        return False
    spoilt = evaluate(function, beside, p, slope)
    return spoilt != spoilt


def each_entry(
    end: Any,
    arrays: Any,
    descents: int,
    first: int,
    last: int,
    starts: int,
    parameters: int,
    x: int,
    fun: int,
    jac: int,
    status: int,
    nfev: int,
) -> int:
    """Examine some of many ends that have converged; what isn't exact runs on: -1.

    So do a few of those that may be in tails, each elsewhere, which only runs alone
    can tell.
    Where ``end.close`` is inf, only LOWER, FLAT and SADDLE count.
    """
    state, at = end_at(end), arrays_at(arrays)
    n, count = state.variables, state.parameters
    _set_rows(at, n)
    slope, matrices = floats(at.trial_g, (n,)), floats(at.matrices, (4, n, n))
    origins, points = floats(starts, (descents, n)), floats(x, (descents, n))
    gradients = floats(jac, (descents, n))
    constants = floats(parameters, (descents, count))
    values, ends = floats(fun, (descents,)), integers(status, (descents,))
    evaluations = integers(nfev, (descents,))
    low, high = floats(at.lower, (n,)), floats(at.upper, (n,))
    weak, seen = 0, local(1, FEW)[0]
    for i in range(first, last):
        if ends[i] != CONVERGED:
            continue
        state.value, state.evaluations = values[i], 0
        state.first = evaluate(at.function, origins[i], constants[i], slope)
        if at.hessian == 0:
            fallen = state.first - values[i]
            left = state.close < inf and _steep(
                points[i], gradients[i], origins[i], slope, fallen
            )
            left = left or (
                state.analytic == 2.0
                and _is_on_plateau(
                    *(at.function, constants[i], points[i], gradients[i]),
                    *(low, high, at),
                )
            )
        else:
            verdict = examine(
                *(at.function, at.hessian, constants[i], state, points[i]),
                *(gradients[i], origins[i], low, high, at, matrices),
            )
            left = verdict != EXACT and verdict != UNKNOWN
            if verdict == EXACT and state.weak > 0.0 and state.analytic == 2.0:
                left = weak < FEW
                for k in range(weak):
                    other = points[int(seen[k])]
                    left = left and not _same(points[i], other, origins[i])
                if left:
                    seen[weak] = float(i)
                    weak += 1
        evaluations[i] += state.evaluations
        ends[i] = -1 if left else CONVERGED
    return 0
