"""The descents of a rule, in SIMD lanes: all that run are advanced in rounds."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from symgd import machine
from symgd.arguments import Settings
from symgd.kernels import run as layout
from symgd.problem import Problem, Table
from symgd.runs import RuleRun
from symgd.status import RUNNING, Status

SMALLEST, LARGEST = 256, 8192  # descents handed to a thread at a time
ROUND_SECONDS = 0.05  # between two looks at the clock
# For so many quantities of a lane, so many registers of lanes side by side.
REGISTERS = ((3, 8), (9, 6))  # and 2 for more


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
        self.kernel = lane_kernel(problem, first)
        # One large allocation gets large pages, where several would not.
        size, patient = n * self.width, 2 if problem.settings.patience else 0
        parts = np.cumsum([size, n + 1, patient])
        everything = np.zeros((parts[-1] + 2, count))
        self.slots, self.fg, self.marks, ends = np.split(everything, parts)
        self.ends = ends.view(np.int64)
        self.slots[:: self.width] = problem.starts.T
        self.marks[:1] = math.inf
        self.ends[0] = RUNNING
        self.scratch = 2 * size + 2 * n + 2 + len(self.hyper) + len(self.parameters)
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
        counters = np.zeros(layout.COUNTERS, dtype=np.int64)
        limits = np.zeros(layout.LIMITS)
        settings = self.problem.settings
        counters[layout.PATIENCE] = settings.patience
        limits[layout.GTOL] = settings.gtol
        limits[layout.FTOL] = settings.ftol
        limits[layout.TARGET] = settings.target
        own = (counters, limits, np.zeros(self.scratch))
        self.kernel(
            *(machine.address(active), len(active), start, stop, self.problem.count),
            *(*self.arrays, *map(machine.address, own)),
        )

    def begin(self) -> None:
        """Set the initial state, where it depends on the start."""
        if self.first.rule.starts_at_zero:
            return
        n = self.problem.starts.shape[1]
        for which, start in enumerate(self.problem.starts):
            run = self.problem.run(which)
            run.begin(start)
            slots = np.array(run.slots).reshape(self.width, n)
            self.slots[:, which] = slots.T.ravel()

    def table(self) -> Table:
        """Return the ends."""
        status, nit = self.ends
        return Table(
            x=self.slots[:: self.width].T,
            fun=self.fg[0],
            jac=self.fg[1:].T,
            status=status,
            nit=np.maximum(nit, 0),
            nfev=nit + 1 + (status == Status.DIVERGED),
        )


def lane_kernel(problem: Problem, first: RuleRun) -> machine.Kernel:
    """Return the loop over blocks of lanes of a rule on an objective."""
    objective, rule, settings = problem.objective, first.rule, problem.settings
    n, width, names = first.n, 1 + len(rule.state), tuple(rule.hyperparameters)
    varied = (
        any(np.ndim(v) for v in problem.hyperparameters.values()),
        any(np.ndim(v) for v in problem.parameters.values()),
    )
    quantities = n * width + sum(varied)
    registers = next((r for most, r in REGISTERS if quantities <= most), 2)
    targeted, patient = settings.target > -math.inf, settings.patience > 0
    form = (machine.register_width(), registers, first.bounded, patient)

    def build() -> Any:
        from symgd.kernels import lanes
        from symgd.kernels.trajectory import Sizes, trajectory
        from symgd.lowering import lanes as lowered
        from symgd.lowering import native
        from symgd.lowering.printing import Style

        schedules = tuple(first.schedules)
        sizes = Sizes(n, width, len(names), len(objective.parameters))
        schedule = native.native_schedule(schedules)
        shape = lanes.Form(
            *form,
            value=targeted or lowered.value_is_watched(rule, objective.expression),
            gradient=lowered.gradient_is_watched(rule),
            slots=lowered.watched_slots(rule, n),
            varied=varied,
        )
        alone = trajectory(
            objective.native.value_and_gradient,
            schedule,
            native.native_update(rule),
            sizes,
            first.bounded,
        )
        loop = lanes.lanes(
            lowered.lane_objective(objective.native, width),
            native.lowered_schedule(schedules, Style.THROUGHPUT),
            lowered.lane_update(rule, n),
            alone,
            sizes,
            shape,
        )
        return native.native(loop, layout.LANES)

    described = json.dumps(
        [rule.equations, names, first.schedules, form, targeted, varied]
    )
    return objective.compiled(("lanes", described), layout.LANES, build)


def run(problem: Problem, workers: int) -> Table:
    """Run a rule in rounds: all running descents a number of iterations further."""
    lanes = _Lanes(problem)
    lanes.begin()
    status = lanes.ends[0]
    with ThreadPoolExecutor(workers) as pool:
        each = pool.map if workers > 1 else map

        def play(start: int, stop: int) -> None:
            active = np.flatnonzero(status == RUNNING)
            size = max(SMALLEST, min(LARGEST, len(active) // (4 * workers)))
            pieces = [active[i : i + size] for i in range(0, len(active), size)]
            list(each(lambda piece: lanes.advance(piece, start, stop), pieces))

        ended = _rounds(status, problem.settings, play)
    status[status == RUNNING] = ended
    return lanes.table()


def _rounds(
    status: np.ndarray, settings: Settings, play: Callable[[int, int], None]
) -> Status:
    """Play rounds until no descent runs; return why those that still run ended."""
    begun, t, iterations = time.perf_counter(), -1, 256
    try:
        while t < settings.maxiter and (status == RUNNING).any():
            before = time.perf_counter()
            left = settings.time_limit - (before - begun)
            if left <= 0.0:
                return Status.TIME_LIMIT
            stop = min(settings.maxiter, max(t, 0) + iterations)
            play(t, stop)
            elapsed = max(time.perf_counter() - before, 1e-7)
            wanted = min(ROUND_SECONDS, left) / elapsed * max(stop - t, 1)
            iterations = int(min(16 * iterations, max(1.0, wanted)))
            t = stop
    except KeyboardInterrupt:
        return Status.INTERRUPTED
    return Status.MAXITER
