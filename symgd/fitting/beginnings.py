"""Where a fit begins: at a start that is given, or found, and what is said of it."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from symgd.descent import settings as arguments
from symgd.descent.settings import Seed
from symgd.errors import InputError, unknown_name
from symgd.fitting import losses
from symgd.fitting.dips import Dips
from symgd.fitting.fit_run import FitRun
from symgd.fitting.levenberg_marquardt import End, Limits, Point
from symgd.fitting.likelihoods import forbidden
from symgd.fitting.pooling import Pool
from symgd.fitting.quantiles import of_sample
from symgd.fitting.regression import Regression
from symgd.fitting.starts import Search
from symgd.fitting.verdict import FitVerdict
from symgd.language.identifiers import name_of
from symgd.native.status import Status
from symgd.objectives import points
from symgd.objectives.points import Bounds
from symgd.objectives.space import Space

NORMAL_MAD = 1.482602218505602  # the normal distribution's s by its median deviation


def given(x0: Any, space: Space, limits: Bounds) -> np.ndarray:
    """Return the start as it is given, NaN where it isn't."""
    some = isinstance(x0, Mapping) and {*map(name_of, x0)} != {*space.names}
    if x0 is not None and not some:
        return np.array(points.read_point(x0, space, limits))
    given = np.full(len(space), np.nan)
    if x0 is not None:
        named = {name_of(name): value for name, value in x0.items()}
        for name in named:
            if name not in space.names:
                raise unknown_name("parameter in x0", name, space.names)
        places = [space.names.index(name) for name in named]
        sides = ([side[p] for p in places] for side in (limits.lower, limits.upper))
        part = Space(tuple(named))
        given[places] = points.read_point(named, part, Bounds.between(*sides))
    return given


def begin(
    run: FitRun,
    known: np.ndarray,
    place: Callable[[np.ndarray], tuple[array[float], str]],
    begun: Callable[[array[float]], int],
) -> tuple[int, array[float], str]:
    """Begin a run; return its status, where that is, and why there.

    Where the model isn't finite at a given start, that is another one.
    """
    start, found = place(known)
    status = begun(start)
    if status == Status.DIVERGED:
        problem = unusable(run.whole, np.array(start))
        run.note = run.unusable = f"{problem}: another was searched"
        start, found = place(np.full_like(known, math.nan))
        status = begun(start)
    return int(Status.INTERRUPTED) if run.cut else status, start, found


def placed(
    run: FitRun, rng: Seed, scaled: bool, pool: Pool | None, known: np.ndarray
) -> tuple[array[float], str]:
    """Return where a run begins, of which perhaps something is known, and why there."""
    regression, found, start = run.regression, "given", known
    sought = regression.with_loss(losses.read("absolute", {})) if scaled else regression
    if any(map(math.isnan, known.tolist())):
        source = arguments.generator(rng)
        near = _near(pool, known, *run.sides, source)
        search = Search(sought, known, *run.sides, source, near)
        best, run.cut = search.best(), search.cut
        if best is None or not regression.gauss_newton(best).finite:
            raise InputError(_nowhere_finite(regression, best))
        start, found = best, described(search, rng)
        if scaled and not run.cut:
            start = _least(sought, start, *run.sides).x
            run.rescale(_scale(sought, start))
    elif scaled and regression.gauss_newton(start).finite:
        run.rescale(_scale(sought, _best(sought, start, run, rng)))
    return array("d", start.tolist()), found


def _nowhere_finite(regression: Regression, tried: np.ndarray | None) -> str:
    """Say that no start was found, and which row is to blame if one always is."""
    problem = "no start was found where the model is finite"
    row = regression.problem(_always_lost, tried)
    return f"{problem}: it is {row}" if row else f"{problem}: give x0"


def _always_lost(regression: Regression, tried: np.ndarray | None) -> str:
    """Return in which row a model is never finite, if in one."""
    ones = np.ones(len(regression.parameters))
    points = [ones, 0.5 * ones, 2.0 * ones, 0.1 * ones]
    points += [] if tried is None else [tried]
    with np.errstate(all="ignore"):
        values = [regression.curve(x)[0] for x in points]
    broken = ~np.isfinite(values) & (regression.weight > 0.0)
    if not (always := broken.all(axis=0)).any():
        return ""
    row = int(np.argmax(always))
    return f"{float(values[0][row])!r} in row {row} ({_row(regression, row)})"


def _row(regression: Regression, row: int) -> str:
    """Return the columns of the model in a row."""
    used = regression.formulas.model.free_symbols
    columns = regression.columns.items()
    at = [f"{s.name} = {float(c[row])!r}" for s, c in columns if s in used]
    return ", ".join(at)


def described(search: Search | Dips, rng: Seed) -> str:
    """Say how a start was found."""
    if isinstance(search, Dips):
        return "along one parameter after the other"
    names = search.whole.variables
    linear = ", ".join(names[p] for p in search.linear)
    jumps = ", ".join(names[p] for p in search.jumps)
    other = ", ".join(names[p] for p in search.other if p not in search.jumps)
    parts = []
    if linear:
        parts.append(f"{linear} by linear least squares")
    if other:
        parts.append(f"{other} by trial ({arguments.source_of(rng)})")
    if jumps:
        parts.append(f"{jumps} among the rows, as the sum has no slope there")
    if search.sampled:
        parts.append(f"on {search.whole.count} of the rows")
    if len(search.linear) + len(search.other) < len(names):
        parts.append("the others given")
    return ", ".join(parts)


def unusable(regression: Regression, x: np.ndarray) -> str:
    """Say why a start can't be used, and in which row."""
    names = [each.name for each in regression.parameters]
    where = ", ".join(f"{n} = {v!r}" for n, v in zip(names, x.tolist(), strict=True))
    row = regression.problem(_lost_at, x) or "the sum over rows is not finite"
    return f"the start can't be used: at {where}, {row}"


def _lost_at(regression: Regression, x: np.ndarray) -> str:
    """Return in which row a model can't be used at a point, and why."""
    predicted, jacobian = regression.curve(x)
    finite = np.isfinite(predicted) & np.isfinite(jacobian).all(axis=1)
    broken = ~finite & (regression.weight > 0.0)
    lost = forbidden(regression.loss, predicted, regression.target)
    lost &= regression.weight > 0.0
    if not (broken | lost).any():
        return ""
    row = int(np.argmax(broken | lost))
    what = f"the model is {float(predicted[row])!r}"
    if math.isfinite(predicted[row]) and not lost[row]:
        what = "the model's derivative is not finite"
    if lost[row] and not broken[row]:
        what += f", which the loss {regression.loss.name!r} doesn't allow,"
    return f"{what} in row {row} ({_row(regression, row)})"


def _near(
    pool: Pool | None, known: np.ndarray, lower: Any, upper: Any, rng: Any
) -> list[np.ndarray]:
    """Return starts by the labels of a fit, with what is known of them."""
    points = [] if pool is None else pool.starts(lower, upper, rng)
    return [np.where(np.isnan(known), point, known) for point in points]


def another(
    limits: Bounds, rng: Seed, pool: Pool | None, regression: Regression, near: Any
) -> Search:
    """Return the search for another start than one."""
    sides = np.array(limits.lower), np.array(limits.upper)
    unknown = np.full(len(near), np.nan)
    source = arguments.generator(rng)
    points = [near, *_near(pool, unknown, *sides, source)]
    return Search(regression, unknown, *sides, source, points)


def _best(absolute: Regression, x: np.ndarray, run: FitRun, rng: Seed) -> np.ndarray:
    """Return the least sum from a start, or from another one where that is poor.

    The scale of a fit isn't to depend on where it begins.
    """
    point = _least(absolute, x, *run.sides)
    end = End(point.x, point.fun, Status.CONVERGED, "", 0, 0, 0.0, "")
    if not FitVerdict(absolute, end, run.bounds).is_poor:
        return point.x
    unknown, source = np.full_like(x, math.nan), arguments.generator(rng)
    found = Search(absolute, unknown, *run.sides, source, [x]).best()
    if found is None:
        return point.x
    other = _least(absolute, found, *run.sides)
    return other.x if other.fun < point.fun else point.x


def _least(
    absolute: Regression, x: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> Point:
    return absolute.minimize(x, lower, upper, Limits(1e-8, 5000)).point


def _scale(absolute: Regression, x: np.ndarray) -> float:
    """Return a robust standard deviation of residuals, those of the absolute loss."""
    sizes = abs(absolute.residuals(x))
    least = 1e-12 * float(abs(absolute.target).max())
    scale = NORMAL_MAD * of_sample(sizes, absolute.weight, 0.5)
    return max(scale, least) or 1.0
