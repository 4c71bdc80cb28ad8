"""Fit a model to the rows of a table: check the arguments, descend, report.

Nonlinear regression; least squares are the loss ``squared``.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symgd.descent import settings as arguments
from symgd.descent.optimize import concise, performed
from symgd.descent.reporting import criteria_of
from symgd.descent.settings import Seed, Settings
from symgd.errors import InputError, unknown_name
from symgd.fitting import beginnings, likelihoods, losses, ties
from symgd.fitting.correlated import Correlated
from symgd.fitting.fit_problem import check_size, labels_of, posed
from symgd.fitting.fit_result import Fit
from symgd.fitting.fit_run import FitRun
from symgd.fitting.scattered_fit import FarTable, posed_far
from symgd.fitting.several import VALUE, are_several, as_one
from symgd.fitting.sources import Source
from symgd.fitting.tables import FitTable
from symgd.language import formula
from symgd.language.identifiers import name_of
from symgd.language.plain import count
from symgd.native.version import __version__
from symgd.objectives import points
from symgd.objectives.data import digest_of
from symgd.objectives.numbers_given import named as with_names
from symgd.objectives.scattered.partitions import Partitions, partitioned

if TYPE_CHECKING:
    from symgd.descent.callbacks import State
    from symgd.descent.checkpoints import Checkpoint
    from symgd.language.formula import Formula
    from symgd.rules.rule import Rule

OURS = ("auto", "levenberg_marquardt")
# Arguments of SciPy's curve_fit, and what they are here.
ELSEWHERE = {"p0": "x0", "maxfev": "maxiter", "max_nfev": "maxiter", "f_scale": "loss"}
OPTIONS = (
    *("bounds", "fixed", "tied", "loss", "weights", "sigma", "absolute_sigma"),
    *("sigma_x", "trials", "method", "missing", "maxiter", "gtol", "time_limit", "rng"),
    *("trace", "progress", "callback", "callback_every", "checkpoint"),
    "executor",
)


def fit(
    model: Formula | Callable[..., Any] | Sequence[Formula] | Mapping[str, Formula],
    data: Any,
    target: str | Sequence[str],
    x0: Any = None,
    *,
    bounds: Any = None,
    fixed: Mapping[str, Any] | None = None,
    tied: Mapping[str, Formula] | None = None,
    loss: Formula = "squared",
    weights: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    sigma_x: Any = None,
    trials: Any = None,
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
    executor: Any = None,
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
        Or rows in partitions, perhaps more than a machine holds, as for
        :class:`Objective`: a list of files, a dataframe of Dask, or arrays of Dask by
        name. Of such, starts are searched on a sample of 20 000 rows.
    target : str
        The column that the model should give, or a formula of columns, as ``"log(y)"``.
        Or a list of columns, ``["re", "im"]``, and a list of as many models, or a
        mapping; sigma and weights may be lists then, too.
    x0 : sequence, mapping by name, or None
        The start. Parameters that a mapping leaves out, or all, are chosen: those in
        which the model is linear by least squares, the others by trying values on
        the scales of the columns. Where a given start ends poorly (without success, no
        better than a constant, undetermined, or with residuals that follow a line), a
        start is searched all the same, and if that ends lower, it is taken. Where the
        model isn't finite at a start, another is searched. ``fit.note`` says so.
    bounds : mapping of name to pair, or sequence of pairs, optional
    fixed : mapping of name to number, optional
        Parameters that are known: ``{"c": 0}``. They are not fitted, and have no error.
    tied : mapping of name to formula, optional
        Parameters that follow from others: ``{"b": "2*a"}``, also from new ones. They
        have the errors that follow from those of the others.
    loss : str or SymPy expression
        ``"squared"``, rho = r**2/2 (so that ``fun`` is SciPy's ``cost``);
        ``"absolute"``, abs(r); ``"huber"``, r**2/2 up to ``huber_delta=1.345``, then
        straight; ``"log_cosh"``; or a formula in ``r``, whose other names are given as
        keywords. Or a likelihood of the target y by the model's value f: ``"poisson"``
        of counts, ``"binomial"`` of successes of so many ``trials``, f their
        probability, ``"exponential"`` of times whose mean is f; ``fun`` is half the
        deviance then. Or any formula in ``y`` and ``f``.

        ``"huber"`` and ``"log_cosh"`` need to know which residual is large:
        without sigma they are divided by ``fit.scale``, 1.4826 times the median
        absolute residual of the absolute loss (Huber 1981, section 7.7).
    weights, sigma : str, array or float, optional
        The weight, and the standard deviation, of each row: the name of a column, or
        numbers. Rows of weight 0 count for nothing. A sigma of shape (n, n) is the
        covariance matrix of the rows' errors.
    absolute_sigma : bool
        Whether sigma is that, as in SciPy, rather than known up to a factor.
    sigma_x : str, array or float, or mapping of column to such, optional
        The standard deviation of each row's entry in a column of the model, beside
        sigma, which is 1 by default: the rows' distances from the curve are minimised
        (orthogonal distance regression), by the loss ``"squared"``.
    trials : str, array or float, optional
        How many trials a row's successes are of, for ``"binomial"``; by default 1.
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

    executor : dask.distributed.Client, optional
        Whose workers read files, and keep their rows; Dask's collections are kept by
        those of the current client.

    Returns
    -------
    Fit
        After Ctrl-C, of the best parameters so far, with the status INTERRUPTED.

    Raises
    ------
    FormulaError
        If a formula can't be read or differentiated.
    InputError
        If another argument can't be used, or the model is finite at no start.

    References
    ----------
    Moré 1978, "The Levenberg-Marquardt algorithm: implementation and theory".
    Boggs, Byrd and Schnabel 1987, "A stable and efficient algorithm for nonlinear
    orthogonal distance regression".

    Examples
    --------
    >>> import numpy as np
    >>> t = np.linspace(0, 4, 50)
    >>> data = {"t": t, "y": 2.5 * np.exp(-1.3 * t) + 0.5}
    >>> print(fit("a*exp(-b*t) + c", data, "y").x.round(9))
    [2.5 1.3 0.5]
    """
    data = partitioned(data, missing, executor)
    far = isinstance(data, Partitions)
    table: Any = FarTable(data) if far else FitTable(data, missing)
    factors = {"sigma": sigma, "weights": weights, "trials": trials}
    factors = {what: _column(each) for what, each in factors.items()}
    several = as_one(model, target, table, factors) if are_several(target) else None
    name: Any = VALUE if several else _column(target)
    of_rows: Any = several.model if several else model
    if several:
        table, factors = several.table, several.factors
    labelled = labels_of(of_rows, table)
    fixed, tied = labelled.spread(fixed, "fixed"), labelled.spread(tied, "tied")
    not_free = ties.read(fixed, tied)
    held = [tie.name for tie in not_free]
    x0 = labelled.spread(with_names(x0), "x0", held)
    bounds = labelled.spread(with_names(bounds), "bounds", held)
    cost = likelihoods.read(loss, hyperparameters)
    rest = _not_of_the_loss(hyperparameters, cost, method)
    for what, each in (("x0", x0), ("bounds", bounds)):
        ties.check_is_free(what, each, not_free)
    named = tuple(str(n) for g in (x0, bounds) if isinstance(g, Mapping) for n in g)
    parts = (table, name, factors, cost, named, not_free, labelled)
    pose = posed_far if far else posed
    regression, source, pool = pose(of_rows, *parts, sigma_x)
    if several is not None:
        name = ", ".join(several.targets)
        own = {"target": name, "targets": several.targets, "model": several.written}
        source = source._replace(**own)
    if sigma_x is not None and not (isinstance(method, str) and method in OURS):
        raise InputError(f"sigma_x needs the method 'auto', not {method!r}")
    if isinstance(regression, Correlated) and method not in OURS:
        raise InputError(f"a covariance matrix needs the method 'auto', not {method!r}")
    check_size(regression.counted, name)
    space = regression.space
    limits = points.read_bounds(bounds, space)
    known = beginnings.given(x0, space, limits)
    stops = {"maxiter": maxiter, "gtol": gtol, "time_limit": time_limit}
    stops |= {"trace": trace, "progress": progress}
    settings = Settings.checked(sign=1.0, ftol=0.0, patience=0, target=None, **stops)
    scaled = cost.name in losses.SCALED and sigma is None
    another = functools.partial(beginnings.another, limits, rng, pool)
    search = None if x0 is None else another
    watched = settings.progress or callback is not None or checkpoint is not None
    run = FitRun(regression, limits, settings, search, watched)
    place = functools.partial(beginnings.placed, run, rng, scaled, pool)
    begin = functools.partial(beginnings.begin, run, known, place)
    facts: dict[str, Any] = {"source": source, "absolute_sigma": bool(absolute_sigma)}
    if not (isinstance(method, str) and method in OURS):
        from symgd.fitting.by_methods import fitted
        from symgd.rules.family import ELSEWHERE

        if isinstance(method, str) and method.lower() in ELSEWHERE - {"lbfgs"}:
            instead = "leave method out for the default, Levenberg-Marquardt's"
            raise InputError(f"unknown method {method!r}: {instead}, within any bounds")
        others: dict[str, Any] = {"callback": callback, **rest}
        others |= {"callback_every": callback_every, "rng": rng}
        others["checkpoint"] = checkpoint
        _, start, found = begin(run.tried)
        if run.cut:
            raise KeyboardInterrupt
        facts["note"] = run.note
        return fitted(run, start, found, method, {**stops, **others}, facts)
    every = count("callback_every", callback_every)
    saved = (
        None if checkpoint is None else _checkpoint(checkpoint, run, source, known, rng)
    )
    begun = functools.partial(begin, run.begin)
    ended, start, found = performed(run, begun, callback, every, saved)
    run.conclude(ended)
    assert run.end is not None
    x = np.array(start)
    if run.elsewhere is not None:
        led, x = run.elsewhere
        found = f"given, then {beginnings.described(led, rng)}"
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


def _column(given: Any) -> Any:
    """Return the name of a column as formulas have it; anything else as it is."""
    return name_of(given) if isinstance(given, str) else given


def _not_of_the_loss(
    given: Mapping[str, Any], loss: losses.Loss, method: Any
) -> dict[str, Any]:
    own = [each.name for each in loss.constants if each.name.isidentifier()]
    rest = {name: value for name, value in given.items() if name not in own}
    if rest and isinstance(method, str) and method in OURS:
        name = next(iter(rest))
        accepted = ["x0", *OPTIONS, *own]
        raise unknown_name("argument", name, accepted, meant=ELSEWHERE.get(name, ""))
    return rest


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
        "data": run.whole.digest(),
        "loss": [loss.name, formula.text_of(loss.plain), values],
        "method": run.name,
        "start": given,
        "rng": arguments.source_of(rng),
        "bounds": [concise(bounds.lower), concise(bounds.upper)],
        "gtol": settings.gtol,
        "trace": settings.every,
        "first rows": "a sample" if regression.samples(settings.maxiter) else "all",
    }
    if isinstance(run.whole, Correlated):
        identity["covariance"] = digest_of({"sigma": run.whole.factor})
    return Checkpoint(file, identity)
