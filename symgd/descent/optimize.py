"""Minimise and maximise: check the arguments, run the kernels in slices, report."""

from __future__ import annotations

import functools
import hashlib
import math
import os
from array import array
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from symgd.descent import methods, safe_steps
from symgd.descent import settings as arguments
from symgd.descent.driving import Watcher, drive
from symgd.descent.habits import met
from symgd.descent.reporting import result_of
from symgd.descent.result import Result
from symgd.descent.run import Run
from symgd.descent.settings import Seed
from symgd.errors import InputError
from symgd.language.plain import count, is_python, plain_number
from symgd.native.interrupts import Interrupts
from symgd.native.status import RUNNING, Status
from symgd.native.version import __version__
from symgd.objectives import points
from symgd.objectives.meant import within
from symgd.objectives.objective import Objective
from symgd.objectives.points import Bounds
from symgd.rules.rule import Rule

if TYPE_CHECKING:
    from symgd.descent.callbacks import State
    from symgd.descent.checkpoints import Checkpoint
    from symgd.language.formula import Formula


MOST_WALLS = 4  # beside which a run begins that has no slope at its start


def minimize(
    objective: Formula | Objective | Callable[..., Any],
    x0: Any = None,
    *,
    method: str | Rule | None = "auto",
    bounds: Any = None,
    maxiter: int | None = 10_000,
    gtol: float | None = None,
    ftol: float = 0.0,
    patience: int = 0,
    target: float | None = None,
    time_limit: float | None = None,
    rng: Seed = None,
    trace: bool | int = False,
    progress: bool = False,
    callback: Callable[[State], Any] | None = None,
    callback_every: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    batch_size: int | None = None,
    subject_to: Any = None,
    **hyperparameters: Formula,
) -> Result:
    """Find a minimum of a formula.

    Parameters
    ----------
    objective : str, SymPy expression, Python function or Objective
        What to minimise. A function of numbers, or of one vector, is read, and never
        called: see :func:`symgd.objective`.
    x0 : sequence, mapping by name, or None
        The start. None is a random point inside ``bounds``; without bounds it is the
        origin, or, where the objective isn't finite or is flat there, the first of a
        seeded sequence of random points where it is fine. ``result.start_source``
        says which.
    method : str or Rule
        ``"auto"``: projected L-BFGS with a weak Wolfe line search, then
        Newton steps with the exact Hessian, or, beyond 50 variables, its products
        with directions; it needs no tuning. Or the
        name of an update rule (``symgd rules`` lists them), or a :class:`Rule`.
    bounds : mapping of name to pair, or sequence of pairs, optional
        Iterates are projected onto them; None or an infinity leaves a side open.
    maxiter : int
        The largest number of iterations; None is 10 000.
    gtol : float, optional
        CONVERGED when no component of the gradient is larger, but for variables that
        bounds hold against the descent. None is 1e-8, and that Newton's step has
        nothing left to gain: so the end is the same in other units of f and x.
    ftol, patience : float, int
        STALLED when the value has not improved by more than ``ftol`` in ``patience``
        iterations; not tested if ``patience`` is 0.
    target : float, optional
        TARGET_REACHED when the value is at most this.
    time_limit : float, optional
        In seconds; TIME_LIMIT after it.
    rng : int, numpy.random.Generator or RandomState, optional
        Where random starts come from; None is the seed 0, so that a run is repeatable.
    trace : bool or int
        True keeps every iterate, k every k-th one.
    progress : bool
        Whether to show a progress bar: value, gradient, iterations a second.
    callback : callable, optional
        Called with a :class:`State` (``t``, ``x``, ``fun``, ``grad_norm``, ...) at the
        start and every few hundredths of a second, or every ``callback_every``
        iterations. It stops the run by returning True or raising StopIteration.
    callback_every : int
        See there; 0 is by time.
    checkpoint : path, optional
        Where the whole state is written every few seconds, and at the end. The same
        call goes on from there, and comes to the same bits as if it had never been
        stopped; ``maxiter`` and ``time_limit`` may be others.
    batch_size : int, optional
        Each update of a rule sees only so many rows of the data, and scales its sum to
        all rows. Rows are shuffled in each epoch, in an order that ``rng`` decides;
        schedules may use ``epoch`` (from 1). The run goes on to ``maxiter``, and
        reports value and gradient over all rows. Of rows in partitions, each brings
        its share of a batch, more or less by less than a row.
    subject_to : str, relation, sequence of these, or mapping by name, optional
        What the point is to satisfy: ``"x + y == 10"``, ``"1 <= x*y <= 2"``, or
        ``"x[i+1] - x[i] <= r for i in range(n - 1)"``. The default method then is an
        interior point method (Wächter and Biegler 2006), and ``result.multipliers``
        tells what each constraint costs.
    **hyperparameters : float or str
        Those of the rule; text is a schedule, a formula in ``t``. ``method="gd",
        step_size="auto"`` finds its steps itself: spectral projected gradients with a
        nonmonotone line search; ``trace["step_size"]`` has the steps taken. Of gd,
        momentum and nesterov, ``step_size="safe"`` is what :func:`symgd.analyze`
        proves to be safe within the bounds, with the momentum that goes with it.
        Of SciPy's arguments ``args``, what follows a Python function's first argument,
        and ``options`` with ``maxiter`` and ``gtol`` are known, too.

    Returns
    -------
    Result

    Raises
    ------
    FormulaError
        If a formula can't be read or differentiated.
    InputError
        If another argument can't be used, or the objective isn't finite at ``x0``.

    Examples
    --------
    >>> result = minimize("(1 - x)**2 + 100*(y - x**2)**2", [-1.2, 1])
    >>> result.status.name, result.x.round(6).tolist()
    ('CONVERGED', [1.0, 1.0])
    >>> minimize("x**2", 1.0, method="gd", step_size=0.25, maxiter=3).x
    array([0.125])
    """
    return _optimize(
        1.0,
        objective,
        x0,
        method=method,
        bounds=bounds,
        maxiter=maxiter,
        gtol=gtol,
        ftol=ftol,
        patience=patience,
        target=target,
        time_limit=time_limit,
        rng=rng,
        trace=trace,
        progress=progress,
        callback=callback,
        callback_every=callback_every,
        checkpoint=checkpoint,
        batch_size=batch_size,
        subject_to=subject_to,
        hyperparameters=hyperparameters,
    )


def maximize(
    objective: Formula | Objective | Callable[..., Any],
    x0: Any = None,
    *,
    method: str | Rule | None = "auto",
    bounds: Any = None,
    maxiter: int | None = 10_000,
    gtol: float | None = None,
    ftol: float = 0.0,
    patience: int = 0,
    target: float | None = None,
    time_limit: float | None = None,
    rng: Seed = None,
    trace: bool | int = False,
    progress: bool = False,
    callback: Callable[[State], Any] | None = None,
    callback_every: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    batch_size: int | None = None,
    subject_to: Any = None,
    **hyperparameters: Formula,
) -> Result:
    """Find a maximum of a formula: gradient ascent.

    The arguments are those of :func:`minimize`; ``target`` is reached from below.
    A rule works on -f: ``f`` and ``g`` in its equations, and its state, are of -f.
    ``result.fun``, ``result.jac`` and ``trace["fun"]`` are of the objective itself.

    Examples
    --------
    >>> maximize("3 - (x - 2)**2").fun
    3.0
    """
    return _optimize(
        -1.0,
        objective,
        x0,
        method=method,
        bounds=bounds,
        maxiter=maxiter,
        gtol=gtol,
        ftol=ftol,
        patience=patience,
        target=target,
        time_limit=time_limit,
        rng=rng,
        trace=trace,
        progress=progress,
        callback=callback,
        callback_every=callback_every,
        checkpoint=checkpoint,
        batch_size=batch_size,
        subject_to=subject_to,
        hyperparameters=hyperparameters,
    )


def _optimize(
    sign: float,
    objective: Any,
    x0: Any,
    method: Any,
    bounds: Any,
    rng: Seed,
    callback: Any,
    callback_every: Any,
    checkpoint: Any,
    batch_size: Any,
    subject_to: Any,
    hyperparameters: Mapping[str, Any],
    **options: Any,
) -> Result:
    """Minimise sign*objective, and report about the objective itself."""
    method = "auto" if method is None else method
    python = is_python(objective)
    hyperparameters, options, args = met(hyperparameters, options, method, python)
    arguments.refuse_of_objective(hyperparameters)
    given = within(objective, subject_to, x0, bounds, args=args)
    arguments.refuse_of_scipy(hyperparameters, given)
    x0 = points.one_row(x0, lambda: given.ranks)
    given = given.sized(x0)
    batch = 0 if batch_size is None else count("batch_size", batch_size)
    if batch_size is not None and batch == 0:
        raise InputError("batch_size must be 1 or more")
    settings = arguments.Settings.checked(sign=sign, **options).of(given, batch > 0)
    every = count("callback_every", callback_every)
    limits = points.read_bounds(bounds, given.space)
    solved = given if sign > 0 else given.negated()
    hyperparameters = safe_steps.resolved(solved, limits, method, hyperparameters)
    way = (solved, limits, settings, method, hyperparameters)
    run = None if batch else methods.ended_run(*way)
    run = run or methods.run_of(*way, batch, rng)
    saved = None
    if checkpoint is not None:
        from symgd.descent.checkpoints import Checkpoint

        saved = Checkpoint(checkpoint, _identity(run, x0, rng, batch))
    begin = functools.partial(find_start, run, x0, limits, rng)
    ended, start, source = performed(run, begin, callback, every, saved)
    result = result_of(run, ended, given, start, source)
    if run.begins_again and solved.arrays is None and not solved.ended:
        solved.ended.append(run)
    return result


def performed(
    run: Run,
    begin: Callable[[], tuple[int, array[float], str]],
    callback: Callable[[State], Any] | None = None,
    every: int = 0,
    saved: Checkpoint | None = None,
) -> tuple[Status, array[float], str]:
    """Begin a run, or go on from its checkpoint, and drive it to its end.

    Parameters
    ----------
    begin : callable
        Begins the run; returns its status, its start, and how that was found.
    callback, every
        As those of :func:`minimize`.
    saved : Checkpoint, optional

    Returns
    -------
    Status, start, source
    """
    watchers: list[Watcher] = []
    bar: Any = nullcontext()
    if run.settings.progress:
        from symgd.descent.progress import progress_bar

        bar = progress_bar(run.settings.maxiter)
    with bar as shown:
        if callback is not None:
            from symgd.descent.callbacks import Callback

            watchers.append(Callback(callback, every))
        if saved is not None:
            watchers.append(saved)
        if shown is not None:
            watchers.append(shown)
        resumed = None if saved is None else saved.resume(run)
        status, start, source = resumed or begin()
        if saved is not None:
            saved.start, saved.source = start, source
        try:
            ended = drive(run, status, watchers, every)
        except BaseException:  # of the callback
            if saved is not None:
                saved.write(run, RUNNING)
            raise
        if saved is not None:
            with Interrupts():
                saved.finish(run, ended)
    return ended, start, source


def _identity(run: Run, x0: Any, rng: Seed, batch: int) -> dict[str, Any]:
    """Return what must be the same for a run to go on from a checkpoint."""
    settings = run.settings
    point = None if x0 is None else _read_start(run, x0)[0]
    constraints = run.objective.constraints
    return {
        "constraints": [] if constraints is None else constraints.texts,
        "version": __version__,
        "formula": run.objective.formula_key[2],
        "objective": run.objective.formula_key,
        "parameters": run.objective.constants,
        "method": run.method_key,
        "hyperparameters": {k: _plain(v) for k, v in run.hyperparameters.items()},
        "start": arguments.source_of(rng) if point is None else concise(point),
        "bounds": [concise(run.bounds.lower), concise(run.bounds.upper)],
        "gtol": settings.gtol,
        "ftol": settings.ftol,
        "patience": settings.patience,
        "target": settings.target,
        "trace": settings.every,
        "arrays": [] if run.objective.arrays is None else run.objective.arrays.digest(),
        "batches": [batch, arguments.source_of(rng) if batch else ""],
    }


def concise(numbers: array[float]) -> list[float] | str:
    """Return numbers, or of many a digest."""
    if len(numbers) <= points.MANY:
        return list(numbers)
    return hashlib.sha256(numbers.tobytes()).hexdigest()


def _plain(value: Any) -> float | str:
    number = plain_number(value)
    return str(value) if number is None else number


def _read_start(run: Run, x0: Any) -> tuple[array[float], str]:
    """Return a given start, moved inside the bounds, and how it is to be called."""
    space, bounds = run.objective.space, run.bounds
    if not run.bounded:
        return points.read_point(x0, space, bounds), "given"
    point = points.read_point(x0, space, Bounds(len(space)))
    inside = points.moved_inside(point, bounds)
    return inside, "given" if inside == point else "given, moved inside the bounds"


def begun_at(run: Run, x: array[float], limits: Bounds) -> tuple[int, array[float]]:
    """Begin a run at a point, or beside it where the slope is infinite, and f isn't.

    In a corner it may be so along one wall after the other.
    """
    status, there = run.begin_in_time(x), x
    if status == Status.DIVERGED and math.isfinite(run.refused[0]):
        for _ in range(MOST_WALLS):
            there = points.beside_a_wall(there, run.refused[1], limits)
            if (beside := run.begin_in_time(there)) != Status.DIVERGED:
                return beside, there
        status = run.begin_in_time(x)
    return status, x


def _begun_near(run: Run, x: array[float]) -> tuple[int, array[float], str] | None:
    """Begin a run where float64 can compute f, near a start where only digits can."""
    from symgd.objectives.beyond_float64 import starts_near

    if run.objective.constraints is not None:
        return None
    blame = run.blame()
    for point in starts_near(run.objective, x, (run.lower, run.upper)):
        there = array("d", point)
        if there != x and (status := run.begin_in_time(there)) != Status.DIVERGED:
            return status, there, f"near the one given, at which {blame} in float64"
    run.begin_in_time(x)
    return None


def find_start(
    run: Run, x0: Any, limits: Bounds, rng: Seed
) -> tuple[int, array[float], str]:
    """Begin a run at the given start, or choose one.

    Returns
    -------
    status : int
        RUNNING, or why the run is over already.
    x : array of float
        The start.
    source : str
        How it was found.

    Raises
    ------
    InputError
        If the objective or its gradient is not finite there.
    """
    space = run.objective.space
    if x0 is not None:
        if not isinstance(rng, (int, type(None))):
            arguments.generator(rng)  # which it doesn't take; but it must be one
        x, source = _read_start(run, x0)
        status, x = begun_at(run, x, limits)
        refused = status == Status.DIVERGED and run.t <= 0  # else it has come that far
        if refused and (near := _begun_near(run, x)) is not None:
            return near
        if refused:
            shown = range(min(len(x), 10))
            where = ", ".join(f"{space[k]} = {x[k]!r}" for k in shown)
            where += ", ..." if len(x) > 10 else ""
            raise InputError(f"the start can't be used: at {where}, {run.blame()}")
        return status, x, source
    why = ""
    if not run.bounded:
        x = array("d", bytes(8 * len(space)))
        status = run.begin_in_time(x)
        if status == Status.TIME_LIMIT:
            return status, x, "the origin"
        if status != Status.DIVERGED and run.first_norm > 0.0:
            return status, x, "the origin"
        flat = status != Status.DIVERGED
        why = "f is flat at the origin" if flat else f"{run.blame()} at the origin"
    source = arguments.generator(rng)
    for attempt in range(200):
        scale = 1.0 + attempt // 20
        x = array("d", points.random_points(source, limits, scale, 1)[0])
        status = run.begin_in_time(x)
        # Within constraints a flat f is a problem, too: to satisfy them.
        steep = run.first_norm > 0.0 or run.objective.constraints is not None
        usable = status == Status.TIME_LIMIT or run.bounded or steep
        if status != Status.DIVERGED and usable:
            inside = "a random point inside the bounds"
            place = inside if run.bounded else f"a random point, as {why}"
            return status, x, f"{place} ({arguments.source_of(rng)})"
    raise InputError(
        "no start was found where f is finite and not flat; give x0 or bounds"
    )
