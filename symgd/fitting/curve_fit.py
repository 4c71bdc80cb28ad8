"""Fit a model to the rows of a table: check the arguments, descend, report.

Nonlinear regression; least squares are the loss ``squared``.
"""

from __future__ import annotations

import functools
import math
import numbers
import os
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symgd.descent import settings as arguments
from symgd.descent.optimize import concise, performed
from symgd.descent.run import criteria_of
from symgd.descent.settings import Seed, Settings
from symgd.errors import InputError, unknown_name
from symgd.fitting import losses
from symgd.fitting import model as fit_model
from symgd.fitting.fit_result import Fit, Source, check_rows
from symgd.fitting.fit_run import FitRun
from symgd.fitting.levenberg_marquardt import Limits
from symgd.fitting.quantiles import of_sample
from symgd.fitting.regression import Regression, are_few
from symgd.fitting.starts import Search
from symgd.language import formula
from symgd.language.plain import count
from symgd.language.text import number
from symgd.native.status import Status
from symgd.native.version import __version__
from symgd.objectives import points
from symgd.objectives.data import DataTable, digest_of
from symgd.objectives.numbers_given import named as with_names
from symgd.objectives.points import Bounds
from symgd.objectives.space import Space

if TYPE_CHECKING:
    from symgd.descent.callbacks import State
    from symgd.descent.checkpoints import Checkpoint
    from symgd.language.formula import Formula
    from symgd.rules.rule import Rule

OURS = ("auto", "levenberg_marquardt")
NORMAL_MAD = 1.482602218505602  # the normal distribution's s by its median deviation
SIZES = 1e-70, 1e70  # of a target: squares of residuals are numbers, and not the last
# Arguments of SciPy's curve_fit, and what they are here.
ELSEWHERE = {"p0": "x0", "maxfev": "maxiter", "max_nfev": "maxiter", "f_scale": "loss"}
OPTIONS = (
    *("bounds", "loss", "weights", "sigma", "absolute_sigma", "method", "missing"),
    *("maxiter", "gtol", "time_limit", "rng", "trace", "progress"),
    *("callback", "callback_every", "checkpoint"),
)


def fit(
    model: Formula | Callable[..., Any],
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
    trace: bool | int = False,
    progress: bool = False,
    callback: Callable[[State], Any] | None = None,
    callback_every: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    **hyperparameters: Any,
) -> Fit:
    """Fit a formula to data.

    It minimises the sum over rows of weight*rho(r), r = (model - target)/sigma.

    Parameters
    ----------
    model : str, SymPy expression or Python function
        Names that are columns of the data stand for them, all others are parameters,
        in natural order; those of a function, which is read and never called, are its
        arguments, in their order.
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
    trace, progress, callback, callback_every, checkpoint
        As for :func:`minimize`: ``x`` are the parameters, ``f`` the sum over rows, and
        ``state["offset"]`` and ``trace["offset"]`` what gtol limits. Where a start is
        searched after a given one, ``t`` begins again; a trace has the way from the
        start that was taken. What compares or samples starts isn't in it.

    Returns
    -------
    Fit
        After Ctrl-C, of the best parameters so far, with the status INTERRUPTED.

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
    space = regression.space
    limits = points.read_bounds(bounds, space)
    known = _given(x0, space, limits)
    stops = {"maxiter": maxiter, "gtol": gtol, "time_limit": time_limit}
    stops |= {"trace": trace, "progress": progress}
    settings = _settings(**stops)
    scaled = cost.name in losses.SCALED and sigma is None
    search = None if x0 is None else functools.partial(_search, limits, rng)
    run = FitRun(regression, limits, settings, search)
    place = functools.partial(_placed, run, known, rng, scaled)
    facts: dict[str, Any] = {"source": source, "absolute_sigma": bool(absolute_sigma)}
    if not (isinstance(method, str) and method in OURS):
        from symgd.fitting.by_methods import fitted

        watched: dict[str, Any] = {
            "callback": callback,
            "callback_every": callback_every,
        }
        watched |= {"checkpoint": checkpoint, "rng": rng}
        start, found = place()
        if run.cut:
            raise KeyboardInterrupt
        return fitted(run, start, found, method, {**stops, **watched, **rest}, facts)
    every = count("callback_every", callback_every)
    saved = (
        None if checkpoint is None else _checkpoint(checkpoint, run, source, known, rng)
    )
    begin = functools.partial(_begin, run, place)
    ended, start, found = performed(run, begin, callback, every, saved)
    run.conclude(ended)
    assert run.end is not None
    x = np.array(start)
    if run.elsewhere is not None:
        another, x = run.elsewhere
        found = f"given, then {described(another, rng)}"
    return Fit(
        run.whole,
        run.end,
        **facts,
        start=x,
        start_source=found,
        note=run.note,
        bounds=run.bounds,
        seconds=run.seconds,
        trace=run.trace() if settings.every else None,
        criteria=criteria_of(run, run.end.status),
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
    model: Formula | Callable[..., Any],
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
    least = most = largest / float(sigma[0])
    if sigma.strides != (0,):
        least, most = largest / float(sigma.max()), largest / float(sigma.min())
    if largest and not SIZES[0] <= least <= most <= SIZES[1]:
        what = f"values of {target!r} are of size {number(most)}, in units of sigma"
        problem = f"{what}: float64 has no squares of that; use another unit"
        raise InputError(problem)


def _settings(target: Any = None, **given: Any) -> Settings:
    return Settings.checked(sign=1.0, ftol=0.0, patience=0, target=target, **given)


def _checkpoint(
    file: Any, run: FitRun, source: Source, known: np.ndarray, rng: Seed
) -> Checkpoint:
    from symgd.descent.checkpoints import Checkpoint

    regression, bounds = run.regression, run.bounds
    loss, settings = regression.loss, run.settings
    values = {s.name: value for s, value in run.whole.constants.items()}
    given = [None if math.isnan(value) else value for value in known.tolist()]
    identity = {
        "version": __version__,
        "model": formula.text_of(regression.formulas.model),
        "columns": [*source.columns, source.target, source.sigma, source.weights],
        "data": digest_of({s.name: c for s, c in run.whole.columns.items()}),
        "loss": [loss.name, formula.text_of(loss.value), values],
        "method": run.name,
        "start": given,
        "rng": arguments.source_of(rng),
        "bounds": [concise(bounds.lower), concise(bounds.upper)],
        "gtol": settings.gtol,
        "trace": settings.every,
        "first rows": "a sample" if regression.samples(settings.maxiter) else "all",
    }
    return Checkpoint(file, identity)


# -------------------------------------------------------------------- the start


def _given(x0: Any, space: Space, limits: Bounds) -> np.ndarray:
    """Return the start as it is given, NaN where it isn't."""
    x0, given = with_names(x0), np.full(len(space), np.nan)
    if isinstance(x0, dict) and x0.keys() == set(space.names):
        return np.array(points.read_point(x0, space, limits))
    if isinstance(x0, Mapping):
        named = {str(name): value for name, value in x0.items()}
        for name in named:
            if name not in space.names:
                raise unknown_name("parameter in x0", name, space.names)
        places = [space.names.index(name) for name in named]
        sides = ([side[p] for p in places] for side in (limits.lower, limits.upper))
        some = Space(tuple(named))
        given[places] = points.read_point(named, some, Bounds.between(*sides))
    elif x0 is not None:
        return np.array(points.read_point(x0, space, limits))
    return given


def _begin(
    run: FitRun, place: Callable[[], tuple[array[float], str]]
) -> tuple[int, array[float], str]:
    start, found = place()
    status = run.begin(start)
    return int(Status.INTERRUPTED) if run.cut else status, start, found


def _placed(
    run: FitRun, known: np.ndarray, rng: Seed, scaled: bool
) -> tuple[array[float], str]:
    """Return where a run begins, of which perhaps something is known, and why there."""
    regression, found, start = run.regression, "given", known
    if not any(map(math.isnan, known.tolist())):
        _check_finite(run.whole, known)
    else:
        search = Search(regression, known, *run.sides, arguments.generator(rng))
        best, run.cut = search.best(), search.cut
        if best is None or not regression.gauss_newton(best).finite:
            raise InputError(_nowhere_finite(regression, best))
        start, found = best, described(search, rng)
    if scaled:
        run.rescale(_scale(regression, start, *run.sides))
    return array("d", start.tolist()), found


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


def described(search: Search, rng: Seed) -> str:
    """Say how a start was found."""
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


def _search(limits: Bounds, rng: Seed, regression: Regression, near: Any) -> Search:
    sides = np.array(limits.lower), np.array(limits.upper)
    unknown = np.full(len(near), np.nan)
    return Search(regression, unknown, *sides, arguments.generator(rng), near)


def _scale(
    regression: Regression, x: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> float:
    """Return a robust standard deviation of the residuals, after the absolute loss."""
    absolute = regression.with_loss(losses.read("absolute", {}))
    point = absolute.minimize(x, lower, upper, Limits(1e-8, 1000)).point
    sizes = abs(absolute.residuals(point.x))
    least = 1e-12 * float(abs(regression.target).max())
    scale = NORMAL_MAD * of_sample(sizes, regression.weight, 0.5)
    return max(scale, least) or 1.0
