"""The descents of a rule, in SIMD lanes: all that run are advanced in rounds.

Elsewhere: a vectorised batch (vmap).
"""

from __future__ import annotations

import functools
import json
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from symgd.descent.progress import ProgressOfMany
from symgd.descent.settings import Settings
from symgd.descent.trajectory_run import RuleRun, initial_kernel
from symgd.kernels.shared import shared
from symgd.many.examined_ends import left_to_run
from symgd.many.in_turn import run_alone
from symgd.many.problem import Ends, Problem
from symgd.native import machine
from symgd.native import records as layout
from symgd.native.interrupts import Interrupts
from symgd.native.status import RUNNING, Status
from symgd.native.threads import mapped

SMALLEST = 256  # descents handed to a thread at a time
PIECES = 4  # for each thread in a round
ROUND_SECONDS = 0.05  # between two looks at the clock
# For so many slots of a descent, so many registers of lanes side by side, and 1 for
# more: of AVX-512, which has 32 registers, and of its predecessors with 16.
REGISTERS = {8: ((2, 6), (4, 4), (9, 2)), 4: ((9, 3),), 2: ((9, 3),)}


class _Lanes:
    """The arrays of all descents of a rule, a column for each."""

    def __init__(self, problem: Problem) -> None:
        first = problem.run(0)
        assert isinstance(first, RuleRun)
        self.problem = problem
        self.first = first
        n, count = problem.starts.shape[1], problem.count
        self.width = 1 + len(first.rule.state)
        named = zip(problem.hyperparameters, first.schedules, strict=True)
        scheduled = {name for name, schedule in named if schedule is not None}
        self.hyper = self._columns(problem.hyperparameters, scheduled)
        self.parameters = self._columns(problem.parameters)
        varied = self.hyper.shape[1] > 1, self.parameters.shape[1] > 1
        form = _form(problem, first, varied)
        self.blocks = shared("blocks")
        self.loops = lane_kernel(problem, first, form), first.descend
        block = form[0] * form[1]
        sizes = (n, self.width, len(self.hyper), len(self.parameters))
        rows = layout.LaneRows.of(*sizes)
        self.shape = layout.BlockShape(*sizes, count, block, *varied, *rows)
        # One large allocation gets large pages, where several would not.
        size, patient = n * self.width, 2 if problem.settings.patience else 0
        parts = np.cumsum([size, n + 1, patient])
        everything = np.zeros((parts[-1] + 2, count))
        self.slots, self.fg, self.marks, ends = np.split(everything, parts)
        self.ends = ends.view(np.int64)
        self.slots[:: self.width] = problem.starts.T
        self.marks[:1] = math.inf
        self.ends[0], self.ends[1] = RUNNING, -1
        self.scratch = layout.blocks_space(*sizes, block)
        arrays: list[Any] = [self.slots, self.hyper, self.parameters, self.fg]
        arrays += [self.marks, self.ends, first.lower, first.upper]
        self.arrays = [machine.address(array) for array in arrays]

    def _columns(self, values: Mapping[str, Any], scheduled: Any = ()) -> np.ndarray:
        """Return a row for each quantity; one column, if all are the same."""
        numbers = [0.0 if name in scheduled else v for name, v in values.items()]
        count = self.problem.count if any(map(np.ndim, numbers)) else 1
        rows = [
            np.broadcast_to(np.asarray(v, dtype=np.float64), count) for v in numbers
        ]
        return np.array(rows).reshape(len(rows), count)

    def advance(self, active: np.ndarray, start: int, stop: int) -> None:
        """Continue some of the descents; safe in several threads for others."""
        record = layout.RunState()
        self.problem.settings.put_into(record)
        own = (record, _aligned(self.scratch))
        self.blocks(
            *(loop.address for loop in self.loops),
            *map(machine.address, (self.shape, active)),
            *(len(active), start, stop),
            *(*self.arrays, *map(machine.address, own)),
        )

    def begin(self) -> None:
        """Set the initial state, where it depends on the start."""
        if self.first.rule.starts_at_zero:
            return
        self.advance(np.arange(self.problem.count), -1, 0)  # value and gradient
        self.ends[0] = RUNNING
        self.marks[:1] = math.inf
        objective, first = self.problem.objective, self.first
        kernel = initial_kernel(objective, first.rule, first.schedules)
        varied = int(self.hyper.shape[1] > 1)
        arrays = (self.slots, self.fg, self.hyper)
        kernel(self.problem.count, varied, *map(machine.address, arrays))

    def table(self) -> Ends:
        """Return the ends."""
        status, nit = self.ends
        updates = nit + (status == Status.DIVERGED)
        each = 1 + self.first.rule.evaluations
        if self.shape.stop and (never := nit < 0).any():
            self.fg[:, never] = math.nan
        return Ends(
            x=self.slots[:: self.width].T,
            fun=self.fg[0],
            jac=self.fg[1:].T,
            status=status,
            nit=np.maximum(nit, 0),
            nfev=np.maximum(1 + updates * each, 0),
        )


def _aligned(count: int) -> np.ndarray:
    """Return so many numbers that begin on a line of the cache."""
    numbers = np.zeros(count + 8)
    first = -machine.address(numbers) % 64 // 8
    return numbers[first : first + count]


def _form(
    problem: Problem, first: RuleRun, varied: tuple[bool, bool]
) -> tuple[int, int, bool, bool, bool, tuple[bool, bool]]:
    """Return what the loop of lanes is specialised for, as plain data."""
    settings, slots = problem.settings, len(first.slots)
    width = machine.register_width()
    registers = next((r for most, r in REGISTERS[width] if slots <= most), 1)
    patient, targeted = settings.patience > 0, settings.target > -math.inf
    return width, registers, first.bounded, patient, targeted, varied


def lane_kernel(problem: Problem, first: RuleRun, form: Any) -> machine.Kernel:
    """Return the loop over a block of lanes, of a rule on an objective."""
    objective, rule, n = problem.objective, first.rule, first.n

    def write() -> str:
        from symgd.kernels import lanes
        from symgd.lowering.code_printer import Style
        from symgd.lowering.rule_functions import lane_update, lowered_schedule
        from symgd.lowering.watching import may_be_steep, watch

        width, registers, bounded, patient, targeted, varied = form
        k, slots = len(objective.parameters), 1 + len(rule.state)
        watched = watch(rule, objective.expression, bounded)
        steep = bounded and may_be_steep(objective.expression)
        return lanes.iteration(
            objective.native.in_lanes(slots),
            objective.native.product_in_lanes(slots) if rule.asks_for("hvp") else None,
            lowered_schedule(tuple(first.schedules), Style.THROUGHPUT),
            lane_update(rule, n),
            lanes.Sizes(
                n, slots, len(rule.hyperparameters), k, objective.iteration is not None
            ),
            lanes.Form(
                *(width, registers, bounded, steep, patient),
                value=targeted or watched.value,
                gradient=watched.gradient,
                slots=watched.slots,
                varied=varied,
            ),
        )

    names = list(rule.hyperparameters)
    key = json.dumps([rule.equations, names, first.schedules, form])
    return objective.written(("lanes", key), layout.LANES, write)


def run(
    problem: Problem, workers: int, progress: ProgressOfMany, interrupts: Interrupts
) -> Ends:
    """Run a rule in rounds: all running descents a number of iterations further."""
    lanes = _Lanes(problem)
    lanes.begin()
    status = lanes.ends[0]
    deadline = time.perf_counter() + problem.settings.time_limit
    interrupts.shown_in(lanes.shape.seen("stop"))
    with ThreadPoolExecutor(workers) as pool:
        each = functools.partial(mapped, pool) if workers > 1 else map

        def play(start: int, last: int) -> None:
            active = np.flatnonzero(status == RUNNING)
            size = max(SMALLEST, -(-len(active) // (PIECES * workers)))
            pieces = [active[i : i + size] for i in range(0, len(active), size)]
            list(each(lambda piece: lanes.advance(piece, start, last), pieces))
            progress(lanes.ends[1], int((status != RUNNING).sum()), lanes.fg[0])

        ended = _rounds(status, problem.settings, play, interrupts)
    status[status == RUNNING] = ended
    progress(lanes.ends[1], problem.count, lanes.fg[0])
    table = lanes.table()
    left = left_to_run(problem, table)
    table.status[left] = RUNNING  # for which there may be no time
    run_alone(problem, left.tolist(), table, workers, deadline, progress, interrupts)
    cut = Status.INTERRUPTED if interrupts.noted else Status.TIME_LIMIT
    table.status[table.status == RUNNING] = cut
    return table


def _rounds(
    status: np.ndarray,
    settings: Settings,
    play: Callable[[int, int], None],
    interrupts: Interrupts,
) -> Status:
    """Play rounds until no descent runs; return why those that still run ended."""
    begun, t, iterations = time.perf_counter(), -1, 1024
    while t < settings.maxiter and (status == RUNNING).any():
        before = time.perf_counter()
        left = settings.time_limit - (before - begun)
        if left <= 0.0 and t >= 0:
            return Status.TIME_LIMIT
        # The starts are evaluated whatever the limit.
        last = min(settings.maxiter, max(t, 0) + iterations if left > 0.0 else 0)
        play(t, last)
        if interrupts.noted:
            return Status.INTERRUPTED
        elapsed = max(time.perf_counter() - before, 1e-7)
        wanted = min(ROUND_SECONDS, left) / elapsed * max(last - t, 1)
        iterations = int(min(16 * iterations, max(1.0, wanted)))
        t = last
    return Status.MAXITER
