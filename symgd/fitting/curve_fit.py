"""Fit a model to the rows of a table: check the arguments, descend, report.

Nonlinear regression; least squares are the loss ``squared``.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from symgd.descent import settings as arguments
from symgd.descent.settings import Seed
from symgd.errors import InputError, unknown_name
from symgd.fitting import losses, verdict
from symgd.fitting import model as fit_model
from symgd.fitting.fit_result import Fit, Source, check_rows
from symgd.fitting.levenberg_marquardt import End, Limits, Onlooker, Point
from symgd.fitting.quantiles import of_sample
from symgd.fitting.regression import Regression, are_few
from symgd.fitting.starts import Search
from symgd.language import formula
from symgd.language.text import number
from symgd.native.interrupts import Interrupts
from symgd.native.status import Status
from symgd.objectives import points
from symgd.objectives.data import DataTable
from symgd.objectives.numbers_given import named as with_names
from symgd.objectives.points import Bounds
from symgd.objectives.space import Space

if TYPE_CHECKING:
    from symgd.language.formula import Formula
    from symgd.rules.rule import Rule

OURS = ("auto", "levenberg_marquardt")
NORMAL_MAD = 1.482602218505602  # the normal distribution's s by its median deviation
SIZES = 1e-70, 1e70  # of a target: squares of residuals are numbers, and not the last
SQUARES = 1e-240, 1e240  # of derivatives, summed
STOPPED = (Status.TIME_LIMIT, Status.INTERRUPTED)
LONG = 1000  # iterations without an end: a start that led nowhere
LOWER = 1.0 - 1e-3  # of a sum: what is worth another end than that of the given start
# Arguments of SciPy's curve_fit, and what they are here.
ELSEWHERE = {"p0": "x0", "maxfev": "maxiter", "max_nfev": "maxiter", "f_scale": "loss"}
OPTIONS = (
    *("bounds", "loss", "weights", "sigma", "absolute_sigma", "method", "missing"),
    *("maxiter", "gtol", "time_limit", "rng", "progress"),
)


def fit(
    model: Formula,
    data: Any,
    target: str,
    x0: Any = None,
    *,
    bounds: Any = None,
    loss: Formula = "squared",
    weights: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    method: str | Rule = "auto",
    missing: str = "error",
    maxiter: int = 10_000,
    gtol: float = 1e-8,
    time_limit: float | None = None,
    rng: Seed = None,
    progress: bool = False,
    **hyperparameters: Any,
) -> Fit:
    """Fit a formula to data.

    It minimises the sum over rows of weight*rho(r), r = (model - target)/sigma.

    Parameters
    ----------
    model : str or SymPy expression
        Names that are columns of the data stand for them, all others are parameters,
        in natural order.
    data : mapping of names to arrays, structured array, or dataframe
    target : str
        The column that the model should give.
    x0 : sequence, mapping by name, or None
        The start. Parameters that a mapping leaves out, or all, are chosen: those in
        which the model is linear by least squares, the others by trying values on
        the scales of the columns. Where a given start ends poorly (without success, no
        better than a constant, undetermined, or with residuals that follow a line), a
        start is searched all the same, and if that ends lower, it is taken, and
        ``fit.note`` says so.
    bounds : mapping of name to pair, or sequence of pairs, optional
    loss : str or SymPy expression
        ``"squared"``, rho = r**2/2 (so that ``fun`` is SciPy's ``cost``);
        ``"absolute"``, abs(r); ``"huber"``, r**2/2 up to ``huber_delta=1.345``, then
        straight; ``"log_cosh"``; or a formula in ``r``, whose other names are given as
        keywords. ``"huber"`` and ``"log_cosh"`` need to know which residual is large:
        without sigma they are divided by ``fit.scale``, 1.4826 times the median
        absolute residual of the absolute loss (Huber 1981, section 7.7).
    weights, sigma : str, array or float, optional
        The weight, and the standard deviation, of each row: the name of a column, or
        numbers. Rows of weight 0 count for nothing.
    absolute_sigma : bool
        Whether sigma is that, as in SciPy, rather than known up to a factor.
    method : str or Rule
        ``"auto"`` is Levenberg and Marquardt's, by exact derivatives; ``"lbfgs"`` is
        the default method of :func:`minimize`; or a rule, with its hyperparameters
        (and ``batch_size``) as keywords.
    missing : {"error", "drop"}
        What becomes of rows with an entry that isn't a finite number.
    maxiter : int
        The largest number of iterations.
    gtol : float
        CONVERGED when ``fit.offset`` is no larger. For another method than ``"auto"``,
        see :func:`minimize`.
    time_limit : float, optional
        In seconds, without what must be compiled.
    rng : int, numpy.random.Generator or RandomState, optional
        For the choice of a start; None is the seed 0.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    Fit

    Raises
    ------
    FormulaError
        If a formula can't be read or differentiated.
    InputError
        If another argument can't be used, or the model isn't finite at ``x0``.

    References
    ----------
    Moré 1978, "The Levenberg-Marquardt algorithm: implementation and theory".

    Examples
    --------
    >>> import numpy as np
    >>> t = np.linspace(0, 4, 50)
    >>> data = {"t": t, "y": 2.5 * np.exp(-1.3 * t) + 0.5}
    >>> print(fit("a*exp(-b*t) + c", data, "y").x.round(9))
    [2.5 1.3 0.5]
    """
    table = DataTable(data, missing)
    cost = losses.read(loss, hyperparameters)
    rest = _not_of_the_loss(hyperparameters, cost, method)
    factors = {"sigma": sigma, "weights": weights}
    named = tuple(str(n) for g in (x0, bounds) if isinstance(g, Mapping) for n in g)
    regression, source = _regression(model, data, table, target, factors, cost, named)
    _check_size(regression.counted, target)
    space = Space([each.name for each in regression.parameters])
    limits = points.read_bounds(bounds, space)
    settings: dict[str, Any] = {"maxiter": maxiter, "gtol": gtol}
    settings["time_limit"] = time_limit
    checked = _limits(**settings)
    sides = np.array(limits.lower), np.array(limits.upper)
    start, start_source = _start(regression, x0, space, limits, rng)
    if cost.name in losses.SCALED and sigma is None:
        scale = _scale(regression.counted, start, *sides)
        regression = regression.with_loss(cost, scale)
    begun = time.perf_counter()
    note = ""
    if isinstance(method, str) and method in OURS:
        watched = checked, progress
        end = _descended(regression.counted, start, *sides, *watched)
        if x0 is not None and _is_poor(regression.counted, end, sides):
            search = _search(regression.counted, sides, rng, start)
            if lower := _lower(search, end, *watched):
                searched = _described(search, space.names, rng)
                note, start_source = _led(end, lower[0]), f"given, then {searched}"
                end, start = lower
    else:
        from symgd.fitting.by_methods import minimized

        settings |= {"rng": rng, "progress": progress, **rest}
        end = minimized(regression.counted, start, limits, method, settings)
    held = _held(end.x, sides)
    end = verdict.judged(regression.counted, end, ~held)
    return Fit(
        *(regression, source),
        **end._asdict(),
        start=start,
        start_source=start_source,
        note=note or verdict.reservation(regression.counted, end, ~held),
        at_bound=held,
        absolute_sigma=bool(absolute_sigma),
        seconds=time.perf_counter() - begun,
    )


# ------------------------------------------------------------------ the problem


def _not_of_the_loss(
    given: Mapping[str, Any], loss: losses.Loss, method: Any
) -> dict[str, Any]:
    own = [each.name for each in loss.constants]
    rest = {name: value for name, value in given.items() if name not in own}
    if rest and isinstance(method, str) and method in OURS:
        name = next(iter(rest))
        accepted = ["x0", *OPTIONS, *own]
        raise unknown_name("argument", name, accepted, meant=ELSEWHERE.get(name, ""))
    return rest


def _regression(
    model: Formula,
    data: Any,
    table: DataTable,
    target: str,
    given: Mapping[str, Any],
    loss: losses.Loss,
    named: tuple[str, ...],
) -> tuple[Regression, Source]:
    """Read the model and the columns."""
    varying = tuple(what for what, value in given.items() if value is not None)
    known = fit_model.read(model, table.names, target, varying, loss, named)
    wanted = [*known.columns, target]
    loose = {w: v for w, v in given.items() if not _plain(v)}
    for what, value in given.items():
        if isinstance(value, str):
            if value not in table.names:
                raise unknown_name(f"column for {what}", value, table.names)
            wanted.append(value)
    arrays = _read(table, data, wanted, loose)
    check_rows(arrays)
    if are_few(arrays.values()):
        arrays = {name: np.array(each) for name, each in arrays.items()}
    held = {formula.symbol(name): arrays[name] for name in known.columns}
    held[known.meant["target"]] = arrays[target]
    for what in varying:
        value = given[what]
        key = value if isinstance(value, str) else f"={what}"
        column = arrays[key] if key in arrays else _repeated(value, len(arrays[target]))
        held[known.meant[what]] = _checked(what, column)
    told = {what: "" if what in loose else value for what, value in given.items()}
    names = (known.columns, target, told["sigma"], told["weights"])
    source = Source(*names, table.dropped)
    return Regression(known.formulas, held, loss.constants), source


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, numbers.Real))


def _read(
    table: DataTable, data: Any, names: Sequence[str], loose: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Return the columns; arrays beside the table lose the same rows as it does."""
    if not loose:
        return table.arrays(names)
    arrays = {name: data[name] for name in names}
    beside = DataTable(
        {**arrays, **{f"={w}": v for w, v in loose.items()}}, table.missing
    )
    read = beside.arrays(beside.names)
    table.dropped = beside.dropped
    return read


def _repeated(value: float, count: int) -> np.ndarray:
    return np.broadcast_to(np.float64(value), (count,))


def _checked(what: str, column: np.ndarray) -> np.ndarray:
    least = column.min()
    if not np.isfinite(least) or least < 0.0 or (what == "sigma" and least == 0.0):
        row = int(np.argmin(column))
        needed = "above 0" if what == "sigma" else "0 or more"
        problem = f"{what} must be {needed}; in row {row} it is"
        raise InputError(f"{problem} {float(least)!r}")
    if what == "weights" and not column.any():
        raise InputError("all weights are 0")
    return column


def _check_size(regression: Regression, target: str) -> None:
    """Refuse a target that has no squares in float64, in units of sigma."""
    column, sigma = regression.target, regression.sigma
    largest = max(float(column.max()), -float(column.min()))
    units = sigma[:1] if sigma.strides == (0,) else sigma
    least, most = largest / float(units.max()), largest / float(units.min())
    if largest and not SIZES[0] <= least <= most <= SIZES[1]:
        what = f"values of {target!r} are of size {number(most)}, in units of sigma"
        problem = f"{what}: float64 has no squares of that; use another unit"
        raise InputError(problem)


def _limits(maxiter: Any, gtol: Any, time_limit: Any) -> Limits:
    settings = arguments.Settings.checked(
        sign=1.0,
        ftol=0.0,
        patience=0,
        target=None,
        trace=False,
        progress=False,
        maxiter=maxiter,
        gtol=gtol,
        time_limit=time_limit,
    )
    return Limits(settings.gtol, settings.maxiter, settings.time_limit)


# -------------------------------------------------------------------- the start


def _start(
    regression: Regression, x0: Any, space: Space, limits: Bounds, rng: Seed
) -> tuple[np.ndarray, str]:
    """Return the start, and how it was found."""
    names = space.names
    given = np.full(len(names), np.nan)
    x0 = with_names(x0)
    if isinstance(x0, Mapping):
        named = {str(name): value for name, value in x0.items()}
        for name in named:
            if name not in names:
                raise unknown_name("parameter in x0", name, names)
        if len(named) == len(names):
            x0 = [named[name] for name in names]
        else:
            places = [names.index(name) for name in named]
            some = Bounds.between(
                *([side[p] for p in places] for side in _sides(limits))
            )
            given[places] = points.read_point(named, Space(tuple(named)), some)
            x0 = None
    if x0 is not None:
        x = np.array(points.read_point(x0, space, limits))
        _check_finite(regression, x)
        return x, "given"
    lower, upper = map(np.array, _sides(limits))
    counted = regression.counted
    search = Search(counted, given, lower, upper, arguments.generator(rng))
    best = search.best()
    if best is None or not counted.gauss_newton(best).finite:
        raise InputError(_nowhere_finite(counted, best))
    return best, _described(search, names, rng)


def _nowhere_finite(regression: Regression, tried: np.ndarray | None) -> str:
    """Say that no start was found, and which row is to blame if one always is."""
    problem = "no start was found where the model is finite"
    ones = np.ones(len(regression.parameters))
    points = [ones, 0.5 * ones, 2.0 * ones, 0.1 * ones]
    points += [] if tried is None else [tried]
    with np.errstate(all="ignore"):
        values = [regression.curve(x)[0] for x in points]
    broken = ~np.isfinite(values) & (regression.weight > 0.0)
    if not (always := broken.all(axis=0)).any():
        return f"{problem}: give x0"
    row = int(np.argmax(always))
    value = float(values[0][row])
    return f"{problem}: it is {value!r} in row {row} ({_row(regression, row)})"


def _row(regression: Regression, row: int) -> str:
    """Return the columns of the model in a row."""
    used = regression.formulas.model.free_symbols
    columns = regression.columns.items()
    at = [f"{s.name} = {float(c[row])!r}" for s, c in columns if s in used]
    return ", ".join(at)


def _sides(limits: Bounds) -> tuple[Sequence[float], Sequence[float]]:
    return limits.lower, limits.upper


def _described(search: Search, names: tuple[str, ...], rng: Seed) -> str:
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
    if len(search.linear) + len(search.other) < len(names):
        parts.append("the others given")
    return ", ".join(parts)


def _check_finite(regression: Regression, x: np.ndarray) -> None:
    if regression.counted.gauss_newton(x).finite:
        return
    predicted, jacobian = regression.curve(x)
    finite = np.isfinite(predicted) & np.isfinite(jacobian).all(axis=1)
    broken = ~finite & (regression.weight > 0.0)
    names = [each.name for each in regression.parameters]
    where = ", ".join(f"{n} = {v!r}" for n, v in zip(names, x.tolist(), strict=True))
    problem = f"the start can't be used: at {where}"
    if not broken.any():
        raise InputError(f"{problem}, the sum over rows is not finite")
    row = int(np.argmax(broken))
    what = f"the model is {float(predicted[row])!r}"
    if math.isfinite(predicted[row]):
        what = "the model's derivative is not finite"
    raise InputError(f"{problem}, {what} in row {row} ({_row(regression, row)})")


def _held(x: np.ndarray, sides: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return (x == sides[0]) | (x == sides[1])


def _is_poor(
    regression: Regression, end: End, sides: tuple[np.ndarray, np.ndarray]
) -> bool:
    cut_short = end.status == Status.MAXITER and end.nit < LONG
    if end.status in STOPPED or cut_short:
        return False
    return verdict.is_poor(regression, end, ~_held(end.x, sides))


def _search(
    regression: Regression, sides: tuple[np.ndarray, np.ndarray], rng: Seed, near: Any
) -> Search:
    unknown = np.full(len(near), np.nan)
    return Search(regression, unknown, *sides, arguments.generator(rng), near)


def _lower(
    search: Search, end: End, limits: Limits, progress: bool
) -> tuple[End, np.ndarray] | None:
    """Return where a start found by search ends, and that start, if it is lower."""
    start = search.best()
    if start is None:
        return None
    again = dataclasses.replace(limits, nit=0)
    sides = search.lower, search.upper
    found = _descended(search.whole, start, *sides, again, progress)
    return (found, start) if found.fun < LOWER * end.fun else None


def _led(end: End, lower: End) -> str:
    """Say where the start that was given led."""
    return (
        f"the given start led to a sum of {number(end.fun)} ({end.status.name}); "
        f"a start found by search ends at {number(lower.fun)}, which is what you see"
    )


def _scale(
    regression: Regression, x: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> float:
    """Return a robust standard deviation of the residuals, after the absolute loss."""
    absolute = regression.with_loss(losses.read("absolute", {}))
    point = absolute.minimize(x, lower, upper, Limits(1e-8, 1000))[0]
    sizes = abs(absolute.residuals(point.x))
    least = 1e-12 * float(abs(regression.target).max())
    scale = NORMAL_MAD * of_sample(sizes, regression.weight, 0.5)
    return max(scale, least) or 1.0


# ------------------------------------------------------------------ the descent


def _descended(
    regression: Regression,
    start: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    limits: Limits,
    progress: bool,
) -> End:
    with Interrupts() as interrupts, _watched(limits.maxiter, progress) as limits.watch:
        limits.interrupted = lambda: interrupts.noted
        point, offset, status = regression.minimize(start, lower, upper, limits)
        interrupts.answered = status == Status.INTERRUPTED
    message = _message(status, offset, limits, regression.loss)
    if lost := _without_square(regression, point):
        status = Status.ABNORMAL
        message = (
            f"squares of the derivative by {lost} leave float64: give x0 where {lost} "
            "matters, or use another unit"
        )
    return End(
        *(point.x, point.fun, status, message),
        *(limits.nit, limits.nfev, offset, "levenberg_marquardt"),
    )


def _watched(maxiter: int, progress: bool) -> AbstractContextManager[Onlooker | None]:
    if not progress:
        return nullcontext()
    from symgd.fitting.fit_progress import watcher

    return watcher(maxiter)


def _without_square(regression: Regression, point: Point) -> str:
    """Return which parameters' derivatives float64 can't square, by name."""
    lost = _left(np.diag(point.curvature))
    if lost.any():  # or else it is the loss that is flat or sharp there
        jacobian = regression.curve(point.x)[1]
        rows = jacobian * regression.unit[:, None]
        lost &= jacobian.any(axis=0) & _left(np.einsum("np,np->p", rows, rows))
    each = zip(regression.parameters, lost, strict=True)
    return ", ".join(parameter.name for parameter, is_lost in each if is_lost)


def _left(squares: np.ndarray) -> np.ndarray:
    return ~((squares >= SQUARES[0]) & (squares <= SQUARES[1]))


def _message(status: Status, offset: float, limits: Limits, loss: losses.Loss) -> str:
    """Say why the descent ended, with the numbers."""
    angle = f"the residuals are at {number(offset)} (a cosine) from orthogonal"
    within = "to what the model can change"
    if loss.smoothed:
        angle = f"the sum is at most {number(offset)} of itself above its least"
        within = "to first order"
    if status == Status.CONVERGED:
        if offset > limits.gtol:
            return "the residuals are no more than the rounding of the target"
        return f"{angle} {within}, within gtol = {limits.gtol:g}"
    if status == Status.MAXITER:
        return f"{status.sentence} {limits.maxiter}; {angle}"
    if status == Status.STALLED:
        return f"no step lowers the sum in float64; {angle}"
    return f"{status.sentence} {angle}"
