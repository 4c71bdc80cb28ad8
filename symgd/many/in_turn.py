"""Descents start by start: what searches for its steps, and what is too wide for lanes.

The default method and gradient descent with automatic steps search.
"""

from __future__ import annotations

import dataclasses
import math
import time
from array import array
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np

from symgd.descent.driving import drive
from symgd.descent.optimize import begun_at
from symgd.descent.progress import ProgressOfMany
from symgd.descent.search_run import SearchRun
from symgd.kernels.shared import shared
from symgd.many.examined_ends import ExaminedEnds
from symgd.many.problem import Ends, Problem
from symgd.native import machine
from symgd.native import records as layout
from symgd.native.interrupts import Interrupts
from symgd.native.status import RUNNING, Status
from symgd.native.threads import mapped


def run(
    problem: Problem, workers: int, progress: ProgressOfMany, interrupts: Interrupts
) -> Ends:
    """Run each descent for itself."""
    with problem.stoppable() as cut:
        return _run(problem, workers, progress, interrupts, cut)


def _run(
    problem: Problem,
    workers: int,
    progress: ProgressOfMany,
    interrupts: Interrupts,
    cut_short: Sequence[int],
) -> Ends:
    count, n = problem.starts.shape
    table = Ends(
        x=problem.starts.copy(),
        fun=np.full(count, math.nan),
        jac=np.full((count, n), math.nan),
        status=np.full(count, RUNNING, dtype=np.int64),
        nit=np.zeros(count, dtype=np.int64),
        nfev=np.zeros(count, dtype=np.int64),
    )
    if problem.is_constrained:
        table.grad_norm = np.full(count, math.nan)
        table.constraint_violation = np.full(count, math.nan)
    settings, deadline = problem.settings, math.inf
    if settings.time_limit < math.inf:
        deadline = time.perf_counter() + settings.time_limit
    looped = problem.searches and not problem.is_constrained
    shared = _Loop(problem, table, cut_short) if looped else None

    def stopped() -> bool:
        return interrupts.noted or time.perf_counter() >= deadline

    def first(piece: np.ndarray) -> np.ndarray:
        return piece if shared is None or stopped() else shared.advance(piece)

    # What is begun can't be stopped: less at a time where that takes long.
    quick = shared is not None and settings.time_limit == math.inf and n <= 10
    size = 128 if quick else max(1, min(16, 400 // n))
    pieces = [np.arange(i, min(i + size, count)) for i in range(0, count, size)]
    unfinished: list[int] = []
    with ThreadPoolExecutor(workers) as pool:
        for done, remaining in enumerate(mapped(pool, first, pieces), start=1):
            unfinished += remaining.tolist()
            ended = min(done * size, count) - len(unfinished)
            progress(table.nit, ended, table.fun)
    run_alone(problem, unfinished, table, workers, deadline, progress, interrupts)
    cut = Status.INTERRUPTED if interrupts.noted else Status.TIME_LIMIT
    table.status[table.status == RUNNING] = cut
    return table


def run_alone(
    problem: Problem,
    which: Sequence[int],
    table: Ends,
    workers: int,
    deadline: float,
    progress: ProgressOfMany,
    interrupts: Interrupts,
) -> None:
    """Make some of the descents as ``minimize`` does, and enter their ends."""

    def stopped() -> bool:
        return interrupts.noted or time.perf_counter() >= deadline

    def run(each: int) -> None:
        if not stopped():
            _alone(problem, each, table, deadline, interrupts)

    if not len(which) or stopped():
        return
    with suppress(KeyboardInterrupt):  # which has been noted
        _prepare(problem, which[0])
    ended = problem.count - len(which)
    with ThreadPoolExecutor(workers) as pool:
        for done, _ in enumerate(mapped(pool, run, which), start=1):
            progress(table.nit, ended + done, table.fun)


def _prepare(problem: Problem, which: int) -> None:
    """Compile what a descent of its own needs: here, where Ctrl-C can stop it."""
    problem.run(which).prepare()


def _alone(
    problem: Problem,
    which: int,
    table: Ends,
    deadline: float,
    interrupts: Interrupts,
) -> None:
    """Make one descent as ``minimize`` does, and enter its end."""
    run = problem.taken() if deadline == math.inf else None
    if run is None:
        left = max(0.0, deadline - time.perf_counter())
        settings = dataclasses.replace(problem.settings, time_limit=left)
        run = problem.run(which, settings)
    status, _ = begun_at(run, array("d", problem.starts[which]), problem.bounds)
    if status == RUNNING:
        noted = [lambda _: "interrupted" if interrupts.noted else ""]
        status = drive(run, status, noted)
    table.x[which], table.jac[which] = run.x, run.gradient
    table.fun[which] = run.fun
    table.nit[which], table.nfev[which] = max(run.t, 0), run.evaluations
    table.status[which] = status
    known = run.certificate()
    if known and table.grad_norm is not None and table.constraint_violation is not None:
        table.grad_norm[which] = run.norm
        table.constraint_violation[which] = known.residuals.constraint_violation
        problem.give_back(run)


class _Loop:
    """The first iterations, start after start in one native loop."""

    def __init__(self, problem: Problem, table: Ends, cut: Sequence[int]) -> None:
        self.problem, self.table, self.cut = problem, table, cut
        first = problem.run(0)
        assert isinstance(first, SearchRun)
        self.loop, self.method, self.function = (
            shared("each"),
            first.kernel,
            first.function,
        )
        self.goes_alone = first.goes_alone
        self.space = first.space(first.n)
        self.last = min(problem.settings.maxiter, first.among_many)
        self.parameters = problem.constants()
        self.ends = ExaminedEnds(problem, table)

    def advance(self, piece: np.ndarray) -> np.ndarray:
        """Run this piece; return the numbers of those that have not ended by it."""
        problem, table, settings = self.problem, self.table, self.problem.settings
        n = problem.starts.shape[1]
        record = layout.RunState(last=self.last, variables=n)
        record.parameters = self.parameters.shape[1]
        settings.put_into(record)
        lower, upper = map(np.array, (problem.bounds.lower, problem.bounds.upper))
        memory = np.zeros(self.space)
        places = layout.RunArrays(function=self.function.address)
        places.lower, places.upper = map(machine.address, (lower, upper))
        places.memory = machine.address(memory)
        tables = (problem.starts, self.parameters, table.x, table.fun, table.jac)
        self.loop(
            *(self.method.address, machine.address(record), machine.address(places)),
            *(problem.count, int(piece[0]), int(piece[-1]) + 1),
            *map(machine.address, (*tables, table.status, table.nit, table.nfev)),
        )
        machine.raise_pending()
        if self.cut[0]:  # what else a kernel made of what was cut short says nothing
            sure = np.isin(
                table.status[piece], (Status.CONVERGED, Status.TARGET_REACHED)
            )
            table.status[piece[~sure]] = RUNNING
            return piece[:0]
        if self.last == settings.maxiter:
            table.status[piece[table.status[piece] == RUNNING]] = Status.MAXITER
        self.ends.examine(piece)
        again = (RUNNING, Status.STALLED, Status.ABNORMAL)
        starts, constants = problem.starts[piece], self.parameters[piece]
        alone = np.array([*map(self.goes_alone, starts, constants)], dtype=bool)
        # A run alone may begin beside a start where not all is finite.
        alone |= (table.status[piece] == Status.DIVERGED) & (table.nit[piece] == 0)
        return piece[np.isin(table.status[piece], again) | alone]
