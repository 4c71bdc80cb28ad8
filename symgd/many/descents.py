"""Many descents at once: from many starts, with many hyperparameters.

Update rules run in SIMD lanes, the default method and automatic steps start by start;
all on all cores, in pieces that do not depend on their number, so that results don't.

Elsewhere: multistart, and a grid search of hyperparameters, here ``sweep``.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from symgd.descent import settings as arguments
from symgd.descent.settings import Seed, Settings
from symgd.errors import InputError
from symgd.language.identifiers import name_of
from symgd.many import elsewhere
from symgd.many.many_results import Results, Sweep
from symgd.many.problem import Problem
from symgd.native.interrupts import Interrupts
from symgd.native.status import Status
from symgd.native.threads import threads_of
from symgd.objectives import numbers_given, points
from symgd.objectives.bound_rows import BoundBox
from symgd.objectives.meant import within
from symgd.objectives.objective import Objective
from symgd.objectives.points import Bounds
from symgd.rules.rule import Rule

if TYPE_CHECKING:
    from symgd.language.formula import Formula


def minimize_many(
    objective: Formula | Objective,
    x0: Any,
    *,
    method: str | Rule = "auto",
    bounds: Any = None,
    maxiter: int = 10_000,
    gtol: float | None = None,
    ftol: float = 0.0,
    patience: int = 0,
    target: float | None = None,
    time_limit: float | None = None,
    rng: Seed = None,
    trace: Sequence[int] = (),
    parameters: Mapping[str, Any] | None = None,
    workers: int | None = None,
    executor: Any = None,
    progress: bool = False,
    subject_to: Any = None,
    **hyperparameters: Any,
) -> Results:
    """Minimise from many starts at once.

    The arguments are those of :func:`minimize`, and each descent is, bit for bit, the
    one that ``minimize`` would make from the same start.

    Parameters
    ----------
    x0 : array of shape (N, n), or int
        The starts, or how many to draw: inside ``bounds``, normally where there are
        none, from ``rng``.
    trace : sequence of int
        The numbers of the descents whose iterates to keep.
    parameters : mapping of str to float or array of shape (N,), optional
        Values of the objective's named parameters, for all descents or for each.
    workers : int, optional
        Threads; by default one for each core. Results don't depend on it. With an
        executor: of each of its workers, by default 1.
    executor : concurrent.futures.Executor or Dask's Client, optional
        What runs the descents, in pieces of about two seconds: a pool of processes, of
        MPI's, a cluster. Results have the same bits as without.
    progress : bool
        Whether to show a progress bar.
    subject_to : str, relation, sequence of these, or mapping by name, optional
        As there. An end that doesn't satisfy the constraints is never the best, unless
        all are such; then it is the one that violates them least.
    **hyperparameters : float, str or array of shape (N,)
        Those of the rule, for all descents or for each; text is a schedule, and
        ``step_size="auto"`` is as there.

    Returns
    -------
    Results
        A start where the objective is not finite has status DIVERGED.

    Raises
    ------
    FormulaError, InputError
        As :func:`minimize` does.

    Examples
    --------
    >>> results = minimize_many("(x**2 - 1)**2", [[-2.0], [0.5], [3.0]])
    >>> results.x.round(6).ravel().tolist()
    [-1.0, 1.0, 1.0]
    """
    given = _objective(objective, subject_to, parameters, _first_row(x0), bounds)
    arguments.refuse_of_scipy(hyperparameters, given)
    settings = Settings.checked(
        sign=1.0,
        maxiter=maxiter,
        gtol=gtol,
        ftol=ftol,
        patience=patience,
        target=target,
        time_limit=time_limit,
        trace=False,
        progress=progress,
    ).of(given)
    if not np.iterable(trace) or not all(
        isinstance(which, numbers.Integral) for which in trace
    ):
        expected = "trace takes the numbers of the descents whose iterates to keep"
        raise InputError(f"{expected}, such as [0, 5], not {trace!r}")
    given = given.sized(_first_row(x0))
    limits = points.read_bounds(bounds, given.space)
    starts = _starts(x0, given, limits, rng)
    problem = Problem(
        given, limits, settings, starts, method, hyperparameters, parameters or {}
    )
    threads = 1 if workers is None and executor is not None else threads_of(workers)
    with ExitStack() as stack:
        interrupts, progress_told = stack.enter_context(Interrupts()), _untold
        if settings.progress:
            from symgd.descent.progress import progress_of_many

            bar = progress_of_many(problem.count, settings.maxiter)
            progress_told = stack.enter_context(bar)
        told = progress_told, interrupts
        if executor is None:
            table = elsewhere.here(problem, threads, *told)
        else:
            table = elsewhere.run(problem, executor, threads, *told)
        interrupts.answered = bool((table.status == Status.INTERRUPTED).any())
    return Results(problem, table, trace)


def _untold(*_: Any) -> None:
    """Tell nobody how far it is."""


def sweep(
    objective: Formula | Objective,
    x0: Any,
    *,
    method: str | Rule,
    bounds: Any = None,
    parameters: Mapping[str, Any] | None = None,
    workers: int | None = None,
    executor: Any = None,
    subject_to: Any = None,
    **options: Any,
) -> Sweep:
    """Minimise from one start with every combination of hyperparameters.

    A hyperparameter or parameter that is a sequence becomes an axis of the grid, in
    the order in which they are given; other arguments, ``executor`` too, are those
    of :func:`minimize_many`.

    Examples
    --------
    >>> grid = sweep(
    ...     "x**2", 1.0, method="momentum", step_size=[0.1, 0.5], momentum=[0, 0.3, 0.6]
    ... )
    >>> grid.fun.shape, list(grid.axes)
    ((2, 3), ['step_size', 'momentum'])
    >>> grid.best.hyperparameters
    {'step_size': 0.5, 'momentum': 0.0}
    """
    given = _objective(objective, subject_to, parameters, x0, bounds)
    constants = {} if parameters is None else dict(parameters)
    both = [name for name in constants if name in options]
    if both:
        problem = f"{both[0]!r} is a parameter and an argument: sweep over one of them"
        raise InputError(f"{problem}, or rename the parameter")
    axes = {
        name: _axis(name, values)
        for name, values in (options | constants).items()
        if not isinstance(values, str) and np.ndim(values) == 1
    }
    if not axes:
        raise InputError("nothing to sweep: give a sequence for a hyperparameter")
    for name, values in axes.items():
        if values.size == 0:
            raise InputError(f"the axis {name!r} is empty")
    grid = np.meshgrid(*axes.values(), indexing="ij")
    columns = dict(zip(axes, (values.ravel() for values in grid), strict=True))
    given = given.sized(x0)
    limits = points.read_bounds(bounds, given.space)
    start = points.read_point(x0, given.space, limits)
    results = minimize_many(
        given,
        np.tile(start, (grid[0].size, 1)),
        method=method,
        bounds=bounds,
        parameters={k: columns.get(k, v) for k, v in constants.items()},
        workers=workers,
        executor=executor,
        **{k: columns.get(k, v) for k, v in options.items()},
    )
    return Sweep(axes, results)


def _axis(name: str, values: Any) -> np.ndarray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        problem = f"the axis {name!r} must be numbers, not {values!r}"
        raise InputError(f"{problem}; race compares schedules") from None


def _objective(
    objective: Any,
    subject_to: Any,
    parameters: Mapping[str, Any] | None,
    *given: Any,
) -> Objective:
    """Return the objective; for a formula, ``parameters`` says what is constant."""
    firsts = {k: np.ravel(v)[0] for k, v in (parameters or {}).items() if np.size(v)}
    return within(objective, subject_to, *given, parameters=firsts)


def _starts(x0: Any, objective: Objective, limits: Bounds, rng: Seed) -> np.ndarray:
    n = len(objective.space)
    if isinstance(x0, (int, np.integer)) and not isinstance(x0, bool):
        if objective.constraints is not None:
            limits = BoundBox(objective.constraints, limits).bounds()
        if x0 < 1:
            raise InputError(f"x0 is a number of starts, at least 1, not {x0}")
        source = arguments.generator(rng)
        return points.random_points(source, limits, 1.0, int(x0))
    starts = np.array(_rows(x0, objective, limits), order="C")
    if starts.ndim != 2 or starts.shape[1] != n or len(starts) == 0:
        names = objective.space.described()
        problem = f"x0 has shape {starts.shape}; expected (N, {n}), for {names}"
        raise InputError(f"{problem}, or a whole number of random starts")
    bad = ~np.isfinite(starts)
    if limits.finite:
        bad |= (starts < limits.lower) | (starts > limits.upper)
    if bad.any():
        row = int(np.argmax(bad.any(axis=1)))
        problem = "is not finite or is outside the bounds"
        raise InputError(f"start {row} {problem}: {starts[row].tolist()}")
    return starts


def _first_row(x0: Any) -> Any:
    """Return the first of several starts, whose length tells that of arrays."""
    if isinstance(x0, (Sequence, np.ndarray)) and len(x0) and np.iterable(x0[0]):
        return x0[0]
    return None


def _rows(x0: Any, objective: Objective, limits: Bounds) -> np.ndarray:
    """Return starts as rows; those with names go by these."""
    space = objective.space
    columns = getattr(x0, "columns", None)
    if columns is not None and any(name_of(name) in space.names for name in columns):
        points_by_name = {name_of(name): np.asarray(x0[name]) for name in columns}
        count = len(x0)
        x0 = [{k: v[i] for k, v in points_by_name.items()} for i in range(count)]
    if isinstance(x0, Sequence) and not isinstance(x0, (str, bytes)):
        x0 = [numbers_given.named(row) for row in x0]
        if x0 and all(isinstance(row, Mapping) for row in x0):
            x0 = [points.read_point(row, space, limits) for row in x0]
    return numbers_given.as_array(x0, "x0")
