"""Many descents at once: from many starts, with many hyperparameters.

Update rules run in SIMD lanes (``kernels.lanes``), the default method start by start;
both on all cores, in pieces that do not depend on their number, so that results don't.
"""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from symgd import arguments, rules
from symgd.arguments import Seed, Settings
from symgd.errors import InputError, unknown_name
from symgd.formula import Formula
from symgd.kernels import run as layout
from symgd.kernels import solver
from symgd.kernels.lanes import lanes
from symgd.lowering.lanes import lane_objective, lane_update
from symgd.objective import Objective
from symgd.results import Results, Sweep
from symgd.rules import Rule
from symgd.runs import (
    LBFGS_ITERATIONS,
    NEWTON_VARIABLES,
    RuleRun,
    SolverRun,
    drive,
)
from symgd.status import RUNNING, Status

PIECE = 1024  # descents handed to a thread at a time
ROUND_SECONDS = 0.05  # between two looks at the clock
BLOCKS = (64, 32, 16, 8)
BLOCK_BYTES = 32_768  # what a block may take of the first cache
LANE_SLOTS = 200  # beyond so many, straight-line code gets too long


def minimize_many(
    objective: Formula | Objective,
    x0: Any,
    *,
    method: str | Rule = "auto",
    bounds: Any = None,
    maxiter: int = 10_000,
    gtol: float = 1e-8,
    ftol: float = 0.0,
    patience: int = 0,
    target: float | None = None,
    time_limit: float | None = None,
    rng: Seed = None,
    trace: Sequence[int] = (),
    parameters: Mapping[str, Any] | None = None,
    workers: int | None = None,
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
        Threads; by default one for each core. Results don't depend on it.
    **hyperparameters : float, str or array of shape (N,)
        Those of the rule, for all descents or for each; text is a schedule.

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
    given = objective if isinstance(objective, Objective) else Objective(objective)
    settings = Settings.checked(
        sign=1.0,
        maxiter=maxiter,
        gtol=gtol,
        ftol=ftol,
        patience=patience,
        target=target,
        time_limit=time_limit,
        trace=False,
        progress=False,
    )
    limits = arguments.read_bounds(bounds, given.variables)
    starts = _starts(x0, given, limits, rng)
    problem = Problem(
        given, limits, settings, starts, method, hyperparameters, parameters or {}
    )
    descents = _in_lanes if problem.fits_lanes else _one_by_one
    table = descents(problem, _workers(workers))
    return Results(problem, table, trace)


def sweep(
    objective: Formula | Objective,
    x0: Any,
    *,
    method: str | Rule,
    bounds: Any = None,
    parameters: Mapping[str, Any] | None = None,
    workers: int | None = None,
    **options: Any,
) -> Sweep:
    """Minimise from one start with every combination of hyperparameters.

    A hyperparameter or parameter that is a sequence becomes an axis of the grid, in
    the order in which they are given; other arguments are those of
    :func:`minimize_many`.

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
    given = objective if isinstance(objective, Objective) else Objective(objective)
    if isinstance(method, str) and method == "auto":
        raise InputError("method 'auto' has nothing to sweep; name a rule")
    constants = {} if parameters is None else dict(parameters)
    choices = {**options, **constants}
    axes = {
        name: np.asarray(values, dtype=np.float64)
        for name, values in choices.items()
        if not isinstance(values, str) and np.ndim(values) == 1
    }
    if not axes:
        raise InputError("nothing to sweep: give a sequence for a hyperparameter")
    for name, values in axes.items():
        if values.size == 0:
            raise InputError(f"the axis {name!r} is empty")
    grid = np.meshgrid(*axes.values(), indexing="ij")
    columns = dict(zip(axes, (values.ravel() for values in grid), strict=True))
    limits = arguments.read_bounds(bounds, given.variables)
    start = arguments.read_point(x0, given.variables, limits)
    results = minimize_many(
        given,
        np.repeat(start[None, :], grid[0].size, axis=0),
        method=method,
        bounds=bounds,
        parameters={k: columns.get(k, v) for k, v in constants.items()},
        workers=workers,
        **{k: columns.get(k, v) for k, v in options.items()},
    )
    return Sweep(axes, results)


# ----------------------------------------------------------------- the problem


class Problem:
    """N descents: what all of them share, and an array for what they don't."""

    def __init__(
        self,
        objective: Objective,
        bounds: np.ndarray,
        settings: Settings,
        starts: np.ndarray,
        method: str | Rule,
        hyperparameters: Mapping[str, Any],
        parameters: Mapping[str, Any],
    ) -> None:
        self.objective = objective
        self.bounds = bounds
        self.settings = settings
        self.starts = starts
        self.count = len(starts)
        for name in parameters:
            if name not in objective.parameters:
                raise unknown_name("parameter", name, objective.parameters)
        self.parameters = {
            name: self._column(name, parameters.get(name, value))
            for name, value in objective.parameters.items()
        }
        self.rule: Rule | None = None
        self.hyperparameters: dict[str, Any] = {}
        if not (isinstance(method, str) and method == "auto"):
            self.rule = rules.find(method)
            self._read_hyperparameters(hyperparameters)
        elif hyperparameters:
            raise arguments.no_hyperparameters(next(iter(hyperparameters)))

    def _read_hyperparameters(self, given: Mapping[str, Any]) -> None:
        assert self.rule is not None
        for name in given:
            self.rule.schedule(name, 0.0)
        for name, default in self.rule.hyperparameters.items():
            value = given.get(name, default)
            if np.ndim(value) == 0:
                self.rule.schedule(name, value)
                self.hyperparameters[name] = value
            else:
                self.hyperparameters[name] = self._column(name, value)

    def _column(self, name: str, value: Any) -> Any:
        if np.ndim(value) == 0:
            return value
        column = np.array(value, dtype=np.float64)
        if column.shape != (self.count,) or not np.isfinite(column).all():
            problem = f"{name} must be a number or {self.count} finite numbers, one "
            raise InputError(f"{problem}for each start; its shape is {column.shape}")
        return column

    @property
    def fits_lanes(self) -> bool:
        """Whether the descents can run in lanes."""
        if self.rule is None:
            return False
        return self.starts.shape[1] * (1 + len(self.rule.state)) <= LANE_SLOTS

    def choice(self, values: Mapping[str, Any], which: int) -> dict[str, Any]:
        """Return the values of one descent."""
        return {k: v if np.ndim(v) == 0 else v[which].item() for k, v in values.items()}

    def run(self, which: int, settings: Settings | None = None) -> RuleRun | SolverRun:
        """Return one descent as a run of its own, not begun."""
        constants = self.choice(self.parameters, which)
        objective = self.objective.with_parameters(**constants)
        settings = settings or self.settings
        if self.rule is None:
            return SolverRun(objective, self.bounds, settings)
        hyper = self.choice(self.hyperparameters, which)
        return RuleRun(objective, self.bounds, settings, self.rule, hyper)


@dataclass
class Table:
    """The ends of N descents."""

    x: np.ndarray
    fun: np.ndarray
    jac: np.ndarray
    grad_norm: np.ndarray
    status: np.ndarray
    nit: np.ndarray
    nfev: np.ndarray


def _starts(x0: Any, objective: Objective, limits: np.ndarray, rng: Seed) -> np.ndarray:
    n = len(objective.variables)
    if isinstance(x0, (int, np.integer)) and not isinstance(x0, bool):
        if x0 < 1:
            raise InputError(f"x0 is a number of starts, at least 1, not {x0}")
        source = arguments.generator(rng)
        return np.array(
            [arguments.random_point(source, limits, 1.0) for _ in range(x0)]
        )
    try:
        starts = np.array(x0, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("x0 must be an array of shape (N, n), or a number") from None
    if starts.ndim != 2 or starts.shape[1] != n or len(starts) == 0:
        names = ", ".join(objective.variables)
        problem = f"x0 has shape {starts.shape}; expected (N, {n}), for {names}"
        raise InputError(f"{problem}, or a whole number of random starts")
    inside = (starts >= limits[0]) & (starts <= limits[1])
    if not np.isfinite(starts).all() or not inside.all():
        row = int(np.argmin((inside & np.isfinite(starts)).all(axis=1)))
        problem = "is not finite or is outside the bounds"
        raise InputError(f"start {row} {problem}: {starts[row].tolist()}")
    return starts


def _workers(workers: int | None) -> int:
    if workers is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if isinstance(workers, bool) or workers != int(workers) or workers < 1:
        raise InputError(f"workers must be a whole number, 1 or more, not {workers!r}")
    return int(workers)


# --------------------------------------------------------------------- in lanes


class _Lanes:
    """The arrays of all descents of a rule, a column for each."""

    def __init__(self, problem: Problem) -> None:
        first = problem.run(0)
        assert isinstance(first, RuleRun)
        self.problem = problem
        self.first = first
        rule, native = first.rule, first.objective.native
        n, count = problem.starts.shape[1], problem.count
        width = 1 + len(rule.state)
        names = tuple(rule.hyperparameters)
        scheduled = tuple(formula is not None for formula in first.schedules)
        updates = tuple(rule.updates.values())
        sizes = (n, width, len(names), len(problem.parameters))
        self.sizes = sizes
        rows = n * width + n + 1 + len(names) + len(problem.parameters) + 9
        fitting = [b for b in BLOCKS if 8 * b * rows <= BLOCK_BYTES]
        self.kernel = lanes(
            lane_objective(native, width),
            first.native_schedule,
            lane_update(updates, rule.state, names, scheduled, n),
            first.descend,
            sizes,
            first.bounded,
            problem.settings.patience > 0,
            fitting[0] if fitting else BLOCKS[-1],
        )
        self.slots = np.zeros((n * width, count))
        self.slots[::width] = problem.starts.T
        self.hyper = self._columns(
            [
                0.0 if follows else value
                for value, follows in zip(
                    problem.hyperparameters.values(), scheduled, strict=True
                )
            ]
        )
        self.parameters = self._columns(problem.parameters.values())
        self.fg = np.zeros((n + 1, count))
        self.marks = np.zeros((3, count))
        self.marks[1] = math.inf
        self.ends = np.full((3, count), RUNNING, dtype=np.int64)

    def _columns(self, values: Any) -> np.ndarray:
        count = self.problem.count
        rows = [np.broadcast_to(np.asarray(v, dtype=np.float64), count) for v in values]
        return np.array(rows).reshape(len(rows), count)

    def advance(self, active: np.ndarray, start: int, stop: int) -> None:
        """Continue some of the descents; safe in several threads for others."""
        n, width, n_hyper, n_parameters = self.sizes
        counters = np.zeros(layout.COUNTERS, dtype=np.int64)
        limits = np.zeros(layout.LIMITS)
        settings = self.problem.settings
        counters[layout.PATIENCE] = settings.patience
        limits[layout.GTOL] = settings.gtol
        limits[layout.FTOL] = settings.ftol
        limits[layout.TARGET] = settings.target
        self.kernel(
            *(active, start, stop, self.slots, self.hyper, self.parameters),
            *(self.fg, self.marks, self.ends, *self.problem.bounds, counters, limits),
            *(np.zeros((width, n)), np.zeros(n * width + n + 1), np.zeros(n)),
            *(np.zeros(n_hyper), np.zeros(n_parameters), np.zeros((1, 3 + n * width))),
        )

    def begin(self, everywhere: np.ndarray) -> None:
        """Evaluate the starts, then the initial state, which may depend on them."""
        self.advance(everywhere, 0, 0)
        rule = self.first.rule
        if not any(rule.initial.values()):
            return
        for which in everywhere:
            if self.ends[0, which] != Status.DIVERGED:
                run = self.problem.run(int(which))
                run.begin(self.problem.starts[which])
                self.slots[:, which] = run.slots.T.ravel()

    def table(self) -> Table:
        """Return the ends."""
        width = self.sizes[1]
        return Table(
            x=self.slots[::width].T.copy(),
            fun=self.fg[0] + 0.0,
            jac=self.fg[1:].T + 0.0,
            grad_norm=self.marks[0].copy(),
            status=self.ends[0].copy(),
            nit=np.maximum(self.ends[1], 0),
            nfev=np.maximum(self.ends[2], 1),
        )


def _in_lanes(problem: Problem, workers: int) -> Table:
    """Run a rule in rounds: all running descents a number of iterations further."""
    state, settings = _Lanes(problem), problem.settings
    state.begin(np.arange(problem.count))

    def play(
        active: np.ndarray, start: int, stop: int, each: Callable[..., Any]
    ) -> None:
        pieces = [active[i : i + PIECE] for i in range(0, len(active), PIECE)]
        list(each(lambda piece: state.advance(piece, start, stop), pieces))

    ended = _rounds(state.ends[0], settings, workers, play)
    state.ends[0, state.ends[0] == RUNNING] = ended
    return state.table()


def _rounds(
    status: np.ndarray, settings: Settings, workers: int, play: Callable[..., None]
) -> Status:
    """Play rounds until no descent runs; return why those that still run ended."""
    begun, t, iterations = time.perf_counter(), 0, 64
    with ThreadPoolExecutor(workers) as pool:
        each = pool.map if workers > 1 else map
        try:
            while t < settings.maxiter:
                active = np.flatnonzero(status == RUNNING)
                if not len(active):
                    break
                before = time.perf_counter()
                left = settings.time_limit - (before - begun)
                if left <= 0.0:
                    return Status.TIME_LIMIT
                stop = min(settings.maxiter, t + iterations)
                play(active, t, stop, each)
                elapsed = max(time.perf_counter() - before, 1e-7)
                wanted = min(ROUND_SECONDS, left) / elapsed * (stop - t)
                iterations = int(min(8 * iterations, max(1.0, wanted)))
                t = stop
        except KeyboardInterrupt:
            return Status.INTERRUPTED
    return Status.MAXITER


# --------------------------------------------------------------- start by start


def _one_by_one(problem: Problem, workers: int) -> Table:
    """Run each descent for itself: the default method, and rules too wide for lanes."""
    count, n = problem.starts.shape
    table = Table(
        x=problem.starts.copy(),
        fun=np.full(count, math.nan),
        jac=np.full((count, n), math.nan),
        grad_norm=np.full(count, math.nan),
        status=np.full(count, RUNNING, dtype=np.int64),
        nit=np.zeros(count, dtype=np.int64),
        nfev=np.zeros(count, dtype=np.int64),
    )
    settings, deadline = problem.settings, math.inf
    if settings.time_limit < math.inf:
        deadline = time.perf_counter() + settings.time_limit
    shared = _SolverLoop(problem, table) if problem.rule is None else None
    stopped: list[Status] = []

    def play(piece: np.ndarray) -> None:
        if not stopped and time.perf_counter() < deadline:
            unfinished = piece if shared is None else shared.advance(piece)
            for which in unfinished.tolist():
                if stopped or time.perf_counter() >= deadline:
                    return
                _alone(problem, which, table, deadline)

    size = 16 if shared is None else 128
    pieces = [np.arange(i, min(i + size, count)) for i in range(0, count, size)]
    with ThreadPoolExecutor(workers) as pool:
        try:
            list(pool.map(play, pieces))
        except KeyboardInterrupt:
            stopped.append(Status.INTERRUPTED)
    rest = stopped[0] if stopped else Status.TIME_LIMIT
    table.status[table.status == RUNNING] = rest
    return table


def _alone(problem: Problem, which: int, table: Table, deadline: float) -> None:
    """Make one descent as ``minimize`` does, and enter its end."""
    left = max(0.0, deadline - time.perf_counter())
    settings = dataclasses.replace(problem.settings, time_limit=left)
    run = problem.run(which, settings)
    status = run.begin(problem.starts[which])
    status = drive(run, status) if status == RUNNING else status
    table.x[which], table.jac[which] = run.x, run.gradient
    table.fun[which], table.grad_norm[which] = run.fun, run.norm
    table.nit[which], table.nfev[which] = max(run.t, 0), run.evaluations
    table.status[which] = status


class _SolverLoop:
    """The first stage of the default method, start after start in one native loop."""

    def __init__(self, problem: Problem, table: Table) -> None:
        self.problem, self.table = problem, table
        settings, n = problem.settings, problem.starts.shape[1]
        self.function = problem.objective.native.evaluate.handle
        self.last = settings.maxiter
        if n <= NEWTON_VARIABLES:
            self.last = min(self.last, LBFGS_ITERATIONS)
        columns = [
            np.broadcast_to(np.asarray(v, dtype=np.float64), problem.count)
            for v in problem.parameters.values()
        ]
        self.parameters = (
            np.array(columns).reshape(len(columns), problem.count).T.copy()
        )

    def advance(self, piece: np.ndarray) -> np.ndarray:
        """Run this piece; return the numbers of those that need a further stage."""
        problem, table, settings = self.problem, self.table, self.problem.settings
        n = problem.starts.shape[1]
        counters = np.zeros(layout.COUNTERS, dtype=np.int64)
        limits = np.zeros(layout.LIMITS)
        counters[layout.PATIENCE], counters[layout.LAST] = settings.patience, self.last
        limits[layout.GTOL], limits[layout.FTOL] = settings.gtol, settings.ftol
        limits[layout.TARGET] = settings.target
        solver.solve_each(
            *(piece, self.function, counters, limits, problem.starts, self.parameters),
            *(problem.bounds[0], problem.bounds[1]),
            *(np.zeros((solver.MEMORY, 2, n)), np.zeros(solver.MEMORY)),
            *(np.zeros((solver.VECTORS, n)), np.zeros((2, 0, 0)), np.zeros((1, 3 + n))),
            *(table.x, table.fun, table.jac, table.grad_norm),
            *(table.status, table.nit, table.nfev),
        )
        status = table.status[piece]
        if self.last == settings.maxiter:
            table.status[piece[status == RUNNING]] = Status.MAXITER
            status = table.status[piece]
        ended = np.isin(status, (Status.STALLED, Status.ABNORMAL))
        return piece[ended | (status == RUNNING)]
