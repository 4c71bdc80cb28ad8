"""The loop of Levenberg and Marquardt's method, one for all models.

It sums over the rows by the address of what does that; or, where that is for Python to
do, it ends after each step with a trial that is to be evaluated.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Any, NamedTuple

from symgd.kernels.common import WORD
from symgd.kernels.eigenvalues import diagonalise
from symgd.lowering.intrinsics import call_at, floats, record_at
from symgd.lowering.jitting import jit
from symgd.native.quadratic import (
    EPSILON,
    FINE_RESOLUTION,
    RESOLUTION,
    SUMS,
    RegionArrays,
    Sums,
    TrustRegion,
    root_of,
)
from symgd.native.records import (
    ABNORMAL,
    CONVERGED,
    DIVERGED,
    STALLED,
    TARGET_REACHED,
)
from symgd.native.status import RUNNING, Status

MAXED = int(Status.MAXITER)

FIRST_RADIUS = 1.0  # of the trust region, in units of the start
LEAST_GAIN = 1e-4  # of the predicted reduction, for a step to be taken
NEARLY = 1e-4  # an offset, or digits lost of the target, that rounding can leave
INVISIBLE = 1e-20  # a relative change of the sum that no convergence waits for
NOISE = 1e-13  # a relative change of the sum that may be rounding alone
LOUD = 1e-10  # likewise, where none that is larger than NOISE is expected
SADDLE = 1e-10  # of the largest curvature: a negative one that isn't rounding
STALE = 0.1  # of its unit: a norm below which that no longer is one
ORTHOGONAL = 1e-16  # a cosine that is 0
SWEEPS = 30


# ------------------------------------------------------------------- the model


region_at, places_at = record_at(TrustRegion), record_at(RegionArrays)
sums_at = record_at(Sums)
_root = jit(root_of)


class Quadratic(NamedTuple):
    """A model in memory, as one row of numbers and in its parts."""

    begin: Any  # where its sums are
    numbers: Any  # all but R
    gradient: Any
    triangle: Any  # the lower one of the curvature, row by row
    root: Any  # R, where that is known, or the target's size


class Vectors(NamedTuple):
    """The rows of working space, as long as there are parameters."""

    points: Any  # two rows: the best point, and the trial
    lower: Any
    upper: Any
    scale: Any
    units: Any
    step: Any
    free: Any
    slope: Any
    along: Any
    squares: Any
    lengths: Any


@jit
def _model(places: Any, place: int, n: int) -> Quadratic:
    """Return one of the two models."""
    begin = places.models + WORD * place * (_root(n) + n * n)
    return Quadratic(
        begin,
        floats(begin, (_root(n),)),
        floats(begin + WORD * SUMS, (n,)),
        floats(begin + WORD * (SUMS + n), (n * (n + 1) // 2,)),
        floats(begin + WORD * _root(n), (n, n)),
    )


@jit
def _value(model: Any) -> float:
    return sums_at(model.begin).value


@jit
def _size(model: Any) -> float:
    """Return the weighted sum of squared residuals."""
    return sums_at(model.begin).size


@jit
def _place(i: int, j: int) -> int:
    """Return where the curvature along two parameters is in its triangle."""
    return i * (i + 1) // 2 + j if i >= j else j * (j + 1) // 2 + i


@jit
def _is_finite(model: Any) -> bool:
    """Return whether a descent may go there."""
    zero = 0.0
    for k in range(model.numbers.shape[0]):
        zero += 0.0 * model.numbers[k]
    return zero == 0.0


@jit
def _bend(model: Any, step: Any, factored: int) -> float:
    """Return step' curvature step."""
    n = step.shape[0]
    whole = 0.0
    for i in range(n):
        along = 0.0
        for j in range(n):
            bend = model.root[i, j] if factored else model.triangle[_place(i, j)]
            along += bend * step[j]
        whole += along * (along if factored else step[i])
    return whole


@jit
def _orthogonalise(a: Any, v: Any) -> None:
    """Rotate the columns of a until they are orthogonal; v becomes the rotation.

    One-sided Jacobi's method (Hestenes 1958), which keeps the digits of the small
    singular values.
    """
    n = a.shape[0]
    for i in range(n):
        for j in range(n):
            v[i, j] = 1.0 if i == j else 0.0
    for _sweep in range(SWEEPS):
        rotated = False
        for i in range(n - 1):
            for j in range(i + 1, n):
                first = second = both = 0.0
                for k in range(n):
                    first += a[k, i] * a[k, i]
                    second += a[k, j] * a[k, j]
                    both += a[k, i] * a[k, j]
                if not abs(both) > ORTHOGONAL * sqrt(first) * sqrt(second):
                    continue
                rotated = True
                theta = (second - first) / (2.0 * both)
                t = 1.0 / (abs(theta) + sqrt(theta * theta + 1.0))
                t = -t if theta < 0.0 else t
                c = 1.0 / sqrt(t * t + 1.0)
                s = t * c
                for k in range(n):
                    a[k, i], a[k, j] = (
                        c * a[k, i] - s * a[k, j],
                        s * a[k, i] + c * a[k, j],
                    )
                    v[k, i], v[k, j] = (
                        c * v[k, i] - s * v[k, j],
                        s * v[k, i] + c * v[k, j],
                    )
        if not rotated:
            return


@jit
def _unit(scale: float) -> float:
    """Return the scale of a parameter, 1 if nothing is known of it."""
    return scale if scale > 0.0 else 1.0


@jit
def _spectrum(
    model: Any, factored: int, level: float, vectors: Any, matrices: Any
) -> None:
    """Find eigenvalues and eigenvectors of the scaled curvature, and the slope in them.

    Parameters that aren't free have none. Eigenvalues that are rounding become 0; but
    where the slope isn't, as between kinks, so small that steps are long.
    """
    scale, free, fall = vectors.units, vectors.free, vectors.slope
    squares, along = vectors.squares, vectors.along
    n, a, v = scale.shape[0], matrices[0], matrices[1]
    for i in range(n):
        for j in range(n):
            unit = free[j] / _unit(scale[j])
            if factored:
                a[i, j] = model.root[i, j] * unit
            else:
                a[i, j] = (
                    model.triangle[_place(i, j)] * unit * (free[i] / _unit(scale[i]))
                )
    if factored:
        _orthogonalise(a, v)
    else:
        diagonalise(a, v, squares, along)
    largest = 0.0
    for j in range(n):
        squares[j], along[j] = 0.0 if factored else a[j, j], 0.0
        for k in range(n):
            along[j] += v[k, j] * free[k] * fall[k] / _unit(scale[k])
            squares[j] += a[k, j] * a[k, j] if factored else 0.0
        largest = max(largest, abs(squares[j]))
    least = (FINE_RESOLUTION if factored else RESOLUTION) * largest
    for j in range(n):
        if abs(squares[j]) <= least:
            size = abs(_size(model))
            slope = along[j] ** 2 / size if size != 0.0 else 0.0
            flat = slope <= level * largest
            squares[j] = 0.0 if flat else max(least, RESOLUTION * slope)


# ------------------------------------------------- the trust region: an ellipsoid


@jit
def _norm(model: Any, k: int) -> float:
    """Return the norm of a column of the Jacobian."""
    return sqrt(abs(model.triangle[_place(k, k)]))


@jit
def _observe(model: Any, vectors: Any) -> None:
    """Let units follow the largest column norms of the Jacobian."""
    for k in range(vectors.step.shape[0]):
        vectors.scale[k] = max(vectors.scale[k], _norm(model, k))


@jit
def _measure(region: Any, vectors: Any) -> None:
    """Let the region be as large as the best point is far from 0."""
    region.first, far = 1, 0.0
    for k in range(vectors.step.shape[0]):
        far += (vectors.scale[k] * vectors.points[region.place, k]) ** 2
    region.radius = FIRST_RADIUS * (sqrt(far) if far > 0.0 else 1.0)


@jit
def _renew(model: Any, region: Any, vectors: Any) -> bool:
    """Let units be the norms at the point; return whether any had become stale.

    A parameter whose column has shrunk far below its unit no longer counts in a step:
    its share of the curvature is taken for rounding.
    """
    n, stale = vectors.step.shape[0], False
    for k in range(n):
        norm = _norm(model, k)
        stale = stale or 0.0 < norm < STALE * vectors.scale[k]
    if stale:
        for k in range(n):
            norm = _norm(model, k)
            vectors.scale[k] = norm if norm > 0.0 else vectors.scale[k]
        _measure(region, vectors)
    return stale


@jit
def _release(model: Any, x: Any, vectors: Any) -> None:
    """Say which parameters no bound holds back, and how the model slopes."""
    for k in range(x.shape[0]):
        slope = model.gradient[k]
        inward = vectors.lower[k] if slope > 0.0 else vectors.upper[k]
        vectors.free[k] = 1.0 if x[k] != inward or slope == 0.0 else 0.0
        vectors.slope[k] = slope


@jit
def _offset(
    model: Any, x: Any, factored: int, level: float, vectors: Any, matrices: Any
) -> float:
    """Return the cosine between the residuals and what the model can change.

    It is the size of the Gauss-Newton step in units of the residuals (D. M. Bates and
    D. G. Watts, A relative offset orthogonality convergence criterion for nonlinear
    least squares, Technometrics 23, 1981); where the model bends down, at least 1.
    """
    if _size(model) == 0.0:
        return 0.0
    for k in range(x.shape[0]):
        vectors.units[k] = _norm(model, k)
    _release(model, x, vectors)
    _spectrum(model, factored, level, vectors, matrices)
    newton, size, largest = 0.0, abs(_size(model)), 0.0
    for k in range(x.shape[0]):
        largest = max(largest, vectors.squares[k])
    for k in range(x.shape[0]):
        if vectors.squares[k] != 0.0:
            newton += vectors.along[k] ** 2 / abs(vectors.squares[k])
        if vectors.squares[k] < -SADDLE * largest:
            newton = max(newton, size)
    return sqrt(newton / size)


@jit
def _damped(squares: Any, along: Any, mu: float, lengths: Any) -> float:
    """Write -along/(squares + mu), 0 where nothing bends; return the step's length."""
    size = 0.0
    for k in range(squares.shape[0]):
        bend = squares[k] + mu
        lengths[k] = -along[k] / bend if bend > 0.0 else 0.0
        size += lengths[k] ** 2
    return sqrt(size)


@jit
def _within(squares: Any, along: Any, radius: float, lengths: Any) -> None:
    """Find the step that lowers the model most within a radius, in eigenvectors.

    The damping mu of the step -along/(squares + mu) is found as Moré and Sorensen do,
    Computing a trust region step (1983), section 3: Newton's method on 1/length.
    """
    least, steepness = inf, 0.0
    for k in range(squares.shape[0]):
        least = min(least, squares[k])
        steepness += along[k] ** 2
    if least >= 0.0 and _damped(squares, along, 0.0, lengths) <= 1.1 * radius:
        return
    low, width = max(0.0, -least), sqrt(steepness) / radius
    high = low + (width if width > 0.0 else 1.0)
    mu = low + 1e-3 * (high - low)
    for _ in range(50):
        length = _damped(squares, along, mu, lengths)
        if abs(length - radius) <= 0.1 * radius:
            return
        if length > radius:
            low = mu
        else:
            high = mu
        slope = 0.0
        for k in range(squares.shape[0]):
            slope += lengths[k] ** 2 / (squares[k] + mu)
        if slope > 0.0:
            mu += length * length / slope * (length - radius) / radius
        if not low < mu < high:
            mu = low + 0.1 * (high - low)


@jit
def _stride(model: Any, x: Any, region: Any, vectors: Any, m: Any) -> None:
    """Find the best step in the region and the bounds, and what it promises."""
    n, free, step = x.shape[0], vectors.free, vectors.step
    _release(model, x, vectors)
    for k in range(n):
        step[k], vectors.units[k] = 0.0, vectors.scale[k]
    for _round in range(n):
        _spectrum(model, region.factored, region.level, vectors, m)
        _within(vectors.squares, vectors.along, region.radius, vectors.lengths)
        inside = True
        for k in range(n):
            if free[k] != 0.0:
                step[k] = 0.0
                for j in range(n):
                    length = m[1][k, j] * vectors.lengths[j]
                    step[k] += length / _unit(vectors.scale[k])
                there = min(max(x[k] + step[k], vectors.lower[k]), vectors.upper[k])
                if there != x[k] + step[k]:
                    step[k], free[k], inside = there - x[k], 0.0, False
        if inside:
            break
        for k in range(n):
            vectors.slope[k] = model.gradient[k]
            for j in range(n):
                held = step[j] * (1.0 - free[j])
                vectors.slope[k] += model.triangle[_place(k, j)] * held
    region.predicted = -0.5 * _bend(model, step, region.factored)
    for k in range(n):
        region.predicted -= model.gradient[k] * step[k]


@jit
def _resize(gain: float, length: float, region: Any) -> None:
    """Make the region as large as its model is good."""
    if region.first:
        region.radius = min(region.radius, length)
    if gain < 0.25:
        # The minimum of a parabola through what is known, as Moré has it.
        share = 0.5 / (1.0 - gain) if gain < 0.0 else 0.5
        region.radius = max(share, 0.1) * min(region.radius, 10.0 * length)
    elif gain > 0.75:
        region.radius = max(region.radius, 2.0 * length)
    if gain >= LEAST_GAIN:
        region.first = 0


# --------------------------------------------------------------------- the loop


@jit
def _take(offset: float, model: Any, region: Any, vectors: Any) -> None:
    """Let the trial be the best point."""
    region.place = 1 - region.place
    region.offset, region.value = offset, _value(model)
    _observe(model, vectors)


@jit
def _judge(offset: float, region: Any, vectors: Any, best: Any, trial: Any) -> None:
    """Take the trial or leave it; its offset is infinite where it isn't finite."""
    predicted, value = region.predicted, _value(best)
    fall, gain, length = value - _value(trial), -inf, 0.0
    if offset < inf and predicted > 0.0:
        gain = fall / predicted
    if abs(fall) <= (NOISE if predicted > NOISE * abs(value) else LOUD) * abs(value):
        # Where values only round, the gradient still tells.
        gain = 1.0 if offset < region.offset else -inf
    for k in range(vectors.step.shape[0]):
        length += (_unit(vectors.scale[k]) * vectors.step[k]) ** 2
    _resize(gain, sqrt(length), region)
    if gain >= LEAST_GAIN:
        region.t += 1
        _take(offset, trial, region, vectors)


@jit
def _reached(model: Any, region: Any) -> int:
    """Return why the descent ends at the best point, or RUNNING."""
    if region.offset <= region.gtol or _size(model) <= region.floor:
        return CONVERGED
    if region.value <= region.target:
        return TARGET_REACHED
    return MAXED if region.t >= region.maxiter else RUNNING


@jit
def _try(model: Any, x: Any, trial: Any, region: Any, vectors: Any) -> int:
    """Make the trial; where no step can be made, say why, else return RUNNING."""
    same = True
    for k in range(x.shape[0]):
        there = x[k] + vectors.step[k]
        same = same and there == x[k]
        trial[k] = min(max(there, vectors.lower[k]), vectors.upper[k])
    if INVISIBLE * abs(_value(model)) < abs(region.predicted) < inf and not same:
        return RUNNING
    # For rounding, or else for a kink.
    small = _size(model) <= region.floor / NEARLY**2
    rounding = region.offset <= NEARLY or small
    return STALLED if rounding else ABNORMAL


@jit
def _go_on(model: Any, x: Any, region: Any, vectors: Any, m: Any) -> int:
    """Make the next trial, in new units where there is none in those as they are."""
    trial = vectors.points[1 - region.place]
    _stride(model, x, region, vectors, m)
    status = _try(model, x, trial, region, vectors)
    if status != RUNNING and _renew(model, region, vectors):
        _stride(model, x, region, vectors, m)
        status = _try(model, x, trial, region, vectors)
    return status


@jit
def _begin(offset: float, start: Any, region: Any, vectors: Any) -> None:
    """Let the start be the best point."""
    region.pending = 0
    if region.sized:
        region.floor = EPSILON * EPSILON * start.root[0, 0]
    _take(offset, start, region, vectors)
    _measure(region, vectors)


@jit
def descend(region: Any, places: Any, vectors: Any, matrices: Any) -> int:
    """Go on from a trial, the start at first, for some evaluations or to the end."""
    n = region.variables
    words = floats(places.words, (n,))
    for _evaluation in range(region.slice):
        best = _model(places, region.place, n)
        trial = _model(places, 1 - region.place, n)
        if not region.made:
            at = vectors.points[region.place]
            status = _reached(best, region)
            if status == RUNNING and region.t >= region.last:
                return RUNNING
            if status == RUNNING:
                status = _go_on(best, at, region, vectors, matrices)
            if status != RUNNING:
                return status
            region.made = 1
        x = vectors.points[1 - region.place]
        if not region.known:
            if not places.function:
                return RUNNING
            for k in range(n):
                words[k] = x[k]
            ends = (0, 0, words, 0, words, 0, region.blocks, trial.numbers)
            call_at(places.function, ends)
        region.made = region.known = 0
        region.evaluations += 1
        finite, offset = _is_finite(trial), inf
        if finite:
            offset = _offset(trial, x, region.factored, region.level, vectors, matrices)
        if region.pending:
            _begin(offset, trial, region, vectors)
            if region.strict and not finite:
                return DIVERGED
        else:
            _judge(offset, region, vectors, best, trial)
    return _reached(_model(places, region.place, n), region)


def entry(run: Any, arrays: Any) -> int:
    """Run :func:`descend` with addresses for a record, and for that of its arrays."""
    region, places = region_at(run), places_at(arrays)
    n = region.variables
    vectors = Vectors(
        floats(places.points, (2, n)),
        floats(places.lower, (n,)),
        floats(places.upper, (n,)),
        floats(places.scale, (n,)),
        floats(places.units, (n,)),
        floats(places.step, (n,)),
        floats(places.free, (n,)),
        floats(places.slope, (n,)),
        floats(places.along, (n,)),
        floats(places.squares, (n,)),
        floats(places.lengths, (n,)),
    )
    return descend(region, places, vectors, floats(places.matrices, (2, n, n)))
