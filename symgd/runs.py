"""Runs: plain arrays that a kernel continues slice by slice.

Between two slices a run can be watched, interrupted and stopped; nothing else is
needed for Ctrl-C, time limits and progress.
"""

from __future__ import annotations

import json
import math
import time
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from symgd import compiled
from symgd.arguments import Bounds, Settings
from symgd.errors import FormulaError
from symgd.kernels import run as layout
from symgd.machine import Kernel, address
from symgd.objective import Objective
from symgd.result import Result, Trace, number
from symgd.rules import Rule
from symgd.status import RUNNING, Status

if TYPE_CHECKING:
    from symgd.formula import Formula

SLICE_SECONDS = 0.02
NEWTON_VARIABLES = 50  # the Hessian is used up to so many
LBFGS_ITERATIONS = 2000  # before Newton's method is tried
NEWTON_ITERATIONS = 200
SMOOTH = 1e-2  # at a minimum, the gradient changes f by no more of it on the way to 0


class Run:
    """A run: its arrays, and how it is begun, continued and described."""

    name = ""
    state: tuple[str, ...] = ()
    hyperparameters: Mapping[str, Formula] = {}

    def __init__(
        self,
        objective: Objective,
        bounds: Bounds,
        settings: Settings,
        slots: int = 1,
    ) -> None:
        n = len(objective.variables)
        self.n = n
        self.objective = objective
        self.settings = settings
        self.bounds = bounds
        self.bounded = bounds.finite
        self.lower, self.upper = array("d", bounds.lower), array("d", bounds.upper)
        self.parameters = objective.parameter_values()
        self.counters = array("q", bytes(8 * layout.COUNTERS))
        self.limits = floats(layout.LIMITS)
        self.slots = floats(slots * n)
        self.gradient = floats(n)
        self.columns = 3 + slots * n
        self.rows = floats(layout.TRACE_ROWS * self.columns if settings.every else 0)
        self.recorded = array("d")

    # ------------------------------------------------------ where the run is

    @property
    def t(self) -> int:
        """The number of updates made."""
        return int(self.counters[layout.T])

    @property
    def x(self) -> array[float]:
        """The iterate."""
        return self.slots[: self.n]

    @property
    def fun(self) -> float:
        """The value that is minimised, at the iterate."""
        return float(self.limits[layout.VALUE])

    @property
    def norm(self) -> float:
        """The largest component of the (projected) gradient at the iterate."""
        return float(self.limits[layout.NORM])

    @property
    def evaluations(self) -> int:
        """Evaluations of value and gradient so far."""
        return int(self.counters[layout.EVALUATIONS])

    # ---------------------------------------------------------- what it does

    def begin(self, x: Sequence[float]) -> int:
        """Evaluate the start; DIVERGED if the objective is not finite there."""
        settings = self.settings
        self.recorded = array("d")
        self.slots[: self.n] = array("d", x)
        self.counters[:] = array("q", bytes(8 * layout.COUNTERS))
        self.counters[layout.VARIABLES] = self.n
        self.counters[layout.T] = -1
        self.counters[layout.PENDING] = 1
        self.counters[layout.EVERY] = settings.every
        self.counters[layout.PATIENCE] = settings.patience
        self.limits[layout.NORM] = self.limits[layout.VALUE] = 0.0
        self.limits[layout.GTOL] = settings.gtol
        self.limits[layout.FTOL] = settings.ftol
        self.limits[layout.TARGET] = settings.target
        self.limits[layout.BEST] = math.inf
        self.limits[layout.REACH] = 1.0
        return self.advance(0)

    def advance(self, last: int) -> int:
        """Continue, at most to iteration ``last``; return RUNNING or a status."""
        every = self.settings.every
        if every:
            self._harvest()
            last = min(last, max(self.t, 0) + (layout.TRACE_ROWS - 1) * every)
        self.counters[layout.LAST] = last
        return self._continue()

    def _continue(self) -> int:
        raise NotImplementedError

    def _harvest(self) -> None:
        count = self.counters[layout.ROWS]
        self.recorded += self.rows[: count * self.columns]
        self.counters[layout.ROWS] = 0

    def ended_at(
        self,
        x: Sequence[float],
        fun: float,
        jac: Sequence[float],
        norm: float,
        nit: int,
        nfev: int,
        patient: bool,
    ) -> None:
        """Be a run that has ended there, in another kernel's hands."""
        self.slots[: self.n], self.gradient = array("d", x), array("d", jac)
        self.limits[layout.VALUE], self.limits[layout.NORM] = fun, norm
        self.counters[layout.T], self.counters[layout.EVALUATIONS] = nit, nfev
        self.counters[layout.WAITED] = self.settings.patience if patient else 0

    def trace(self) -> Trace:
        """Return what was recorded."""
        import numpy as np

        self._harvest()
        rows = np.array(self.recorded).reshape(-1, self.columns)
        n = self.n
        columns = {
            "t": rows[:, 0].astype(np.int64),
            "x": rows[:, 3 : 3 + n].copy(),
            "fun": self.settings.sign * rows[:, 1] + 0.0,
            "grad_norm": rows[:, 2].copy(),
        }
        for j, name in enumerate(self.state, start=1):
            columns[name] = rows[:, 3 + j * n : 3 + (j + 1) * n].copy()
        return Trace(columns | self._schedules_at(columns["t"]))

    def _schedules_at(self, t: Any) -> dict[str, Any]:
        return {}

    # ------------------------------------------------- what it says of itself

    def blame(self) -> str:
        """Say what was not finite."""
        names = self.objective.variables
        sign = self.settings.sign
        gradient = [sign * each for each in self.gradient]
        return _not_finite(names, {}, sign * self.fun, gradient)

    def message(self, status: Status) -> str:
        """Say why the run ended, with the numbers."""
        settings = self.settings
        what = "projected gradient" if self.bounded else "gradient"
        norm = f"the largest component of the {what} is {number(self.norm)}"
        gtol = f"gtol = {settings.gtol:g}"
        above = f"{norm}, {'within' if self.norm <= settings.gtol else 'above'} {gtol}"
        f = number(settings.sign * self.fun)
        goal = number(settings.sign * settings.target)
        stalled = "no lower value was found: f changes by no more than its rounding"
        if settings.patience and self.counters[layout.WAITED] >= settings.patience:
            stalled = (
                f"f did not improve by more than ftol = {settings.ftol:g} "
                f"in {settings.patience} iterations"
            )
        return {
            Status.CONVERGED: above,
            Status.TARGET_REACHED: f"f = {f} has reached the target {goal}",
            Status.STALLED: f"{stalled}; {above}",
            Status.MAXITER: f"maxiter = {settings.maxiter} was reached; {above}",
            Status.TIME_LIMIT: (
                f"the time limit of {settings.time_limit:g} s was reached; {above}"
            ),
            Status.INTERRUPTED: f"interrupted after iteration {self.t}; {above}",
            Status.ABNORMAL: (
                f"no step along the search direction lowers f, as at a kink; {above}"
            ),
            Status.DIVERGED: (
                f"{self.blame()} in iteration {self.t + 1}; "
                "this is the last finite iterate"
            ),
        }[status]


class SolverRun(Run):
    """The default method: L-BFGS, Newton, L-BFGS, each from the best point so far."""

    name = "auto"

    def __init__(
        self, objective: Objective, bounds: Bounds, settings: Settings
    ) -> None:
        super().__init__(objective, bounds, settings)
        self.solve = solver_kernel()
        self.function = objective.kernel("evaluation")
        self.hessian = self.function  # until the Newton stage, which calls it, begins
        self.work = [floats(size) for size in layout.solver_space(self.n)]
        self.matrices = floats(0)
        self.stages: list[tuple[str, int]] = []
        self.stage_end = 0
        self.stalled_at = -1
        self.arguments = self._arguments()

    def begin(self, x: Sequence[float]) -> int:
        """Evaluate the start, and plan the stages."""
        everything = self.settings.maxiter
        self.stages = [("lbfgs", everything)]
        self.stage_end = everything
        if self.n <= NEWTON_VARIABLES:
            self.stages = [("newton", NEWTON_ITERATIONS), ("lbfgs", everything)]
            self.stage_end = min(everything, LBFGS_ITERATIONS)
        self.stalled_at = -1
        return super().begin(x)

    def _arguments(self) -> tuple[int, ...]:
        """Return what the kernel takes; arrays stay where they are."""
        arrays: list[Any] = [self.counters, self.limits, self.slots, self.gradient]
        arrays += [self.parameters, self.lower, self.upper, *self.work, self.matrices]
        places = map(address, [*arrays, self.rows])
        return self.function.address, self.hessian.address, *places

    def _continue(self) -> int:
        last = self.counters[layout.LAST]
        while True:
            self.counters[layout.LAST] = min(last, self.stage_end)
            status = self.solve(*self.arguments)
            if status == Status.STALLED:
                self.stalled_at = self.t
            if not self._stage_is_over(status) or not self._next_stage():
                break
        # Newton's promise of what is left to gain is better than the gradient's, but
        # at a kink neither means anything: there the gradient is not small.
        if status in (Status.STALLED, Status.ABNORMAL) and not self._impatient():
            reach = self.norm * max(1.0, *map(abs, self.x))
            smooth = reach <= SMOOTH * abs(self.fun) and self.stalled_at == self.t
            return int(Status.STALLED if smooth else Status.ABNORMAL)
        return status

    def _impatient(self) -> bool:
        patience = self.settings.patience
        return patience > 0 and self.counters[layout.WAITED] >= patience

    def _stage_is_over(self, status: int) -> bool:
        if status == RUNNING:
            return self.stage_end <= self.t < self.settings.maxiter
        return status in (Status.STALLED, Status.ABNORMAL) and not self._impatient()

    def _next_stage(self) -> bool:
        """Prepare the next stage that can be had; return whether there is one."""
        while self.stages:
            name, iterations = self.stages.pop(0)
            if name == "newton":
                try:
                    self.hessian = self.objective.kernel("hessian")
                except FormulaError:  # no Hessian, or one too large to compile
                    continue
                self.matrices = floats(2 * self.n * self.n)
                self.arguments = self._arguments()
            self.counters[layout.NEWTON] = int(name == "newton")
            self.counters[layout.PAIRS] = 0
            self.counters[layout.IDLE] = 0
            self.stage_end = min(self.settings.maxiter, self.t + iterations)
            return True
        return False

    def blame(self) -> str:
        """Say what was not finite."""
        if self.t < 0:
            return super().blame()
        falls = "falls" if self.settings.sign > 0 else "rises"
        return f"f {falls} without bound, beyond 1e100,"


class RuleRun(Run):
    """A run of an update rule."""

    def __init__(
        self,
        objective: Objective,
        bounds: Bounds,
        settings: Settings,
        rule: Rule,
        hyperparameters: Mapping[str, Formula],
    ) -> None:
        super().__init__(objective, bounds, settings, slots=1 + len(rule.state))
        self.rule = rule
        self.name = rule.name
        self.state = rule.state
        self.hyperparameters = rule.with_defaults(hyperparameters)
        values = [rule.text_of(k, v) for k, v in self.hyperparameters.items()]
        self.schedules = [v if isinstance(v, str) else None for v in values]
        self.hyper = array("d", [math.nan if isinstance(v, str) else v for v in values])
        self.candidate = floats(len(self.slots) + self.n + 1)
        self.descend = rule_kernel(objective, rule, self.schedules, self.bounded)
        arrays: list[Any] = [
            self.counters,
            self.limits,
            self.slots,
            self.candidate,
            self.gradient,
        ]
        arrays += [self.hyper, self.parameters, self.lower, self.upper, self.rows]
        self.arguments = list(map(address, arrays))

    def begin(self, x: Sequence[float]) -> int:
        """Evaluate the start, then the initial state, which may depend on it."""
        self.slots[:] = floats(len(self.slots))
        status = super().begin(x)
        if status == Status.DIVERGED or self.rule.starts_at_zero:
            return status
        self._set_initial_state()
        return super().begin(x)

    def _set_initial_state(self) -> None:
        import sympy as sp

        from symgd.formula import symbol

        first = self._schedule_at(1.0)
        hyper = {symbol(k): v for k, v in zip(self.hyperparameters, first, strict=True)}
        for j, name in enumerate(self.state, start=1):
            formula = self.rule.initial[name]
            for k, (x, g) in enumerate(zip(self.x, self.gradient, strict=True)):
                point = {symbol("x"): x, symbol("g"): g, symbol("f"): self.fun}
                known = {s: sp.Float(float(v)) for s, v in (point | hyper).items()}
                value = formula.xreplace(known)
                real = value.is_extended_real
                self.slots[j * self.n + k] = float(value) if real else math.nan

    def _continue(self) -> int:
        return self.descend(*self.arguments)

    def _schedule_at(self, t: float) -> Sequence[float]:
        """Return the hyperparameters of update t; NaN where a schedule is undefined."""
        from symgd.lowering.native import lowered_schedule

        try:
            return lowered_schedule(tuple(self.schedules))(t, self.hyper)
        except (ArithmeticError, ValueError):
            return [math.nan] * len(self.hyper)

    def _schedules_at(self, t: Any) -> dict[str, Any]:
        import numpy as np

        scheduled = [
            j for j, formula in enumerate(self.schedules) if formula is not None
        ]
        if not scheduled:
            return {}
        values = np.full((len(t), len(self.hyper)), math.nan)
        for row, update in enumerate(t):
            if update > 0:
                values[row] = self._schedule_at(float(update))
        names = list(self.hyperparameters)
        return {names[j]: values[:, j].copy() for j in scheduled}

    def blame(self) -> str:
        """Say what was not finite."""
        n, sign, size = self.n, self.settings.sign, len(self.slots)
        slots = [self.candidate[i : i + n] for i in range(0, size, n)]
        state = dict(zip((*self.state, "x"), (*slots[1:], slots[0]), strict=True))
        value, *gradient = (sign * each for each in self.candidate[size:])
        return _not_finite(self.objective.variables, state, value, gradient)


def floats(count: int) -> array[float]:
    """Return so many zeros."""
    return array("d", bytes(8 * count))


def solver_kernel() -> Kernel:
    """Return the loop of the default method, one for all objectives."""

    def build() -> Any:
        from symgd.kernels import solver
        from symgd.lowering.native import native

        return native(solver.entry, layout.SOLVER)

    return compiled.kernel(("solver",), layout.SOLVER, build)


def rule_kernel(
    objective: Objective, rule: Rule, schedules: Sequence[str | None], bounded: bool
) -> Kernel:
    """Return the loop of a rule on an objective."""
    names = tuple(rule.hyperparameters)

    def build() -> Any:
        from symgd.kernels.trajectory import Sizes, entry, trajectory
        from symgd.lowering import native
        from symgd.lowering.watching import watch

        n, k = len(objective.variables), len(objective.parameters)
        sizes = Sizes(n, 1 + len(rule.state), len(names), k)
        loop = trajectory(
            objective.native.value_and_gradient,
            native.native_schedule(tuple(schedules)),
            native.native_update(rule),
            sizes,
            bounded,
            watch(rule, objective.expression, bounded),
        )
        return native.native(entry(loop, sizes), layout.TRAJECTORY)

    described = json.dumps([rule.equations, names, schedules, bounded])
    return objective.compiled(("trajectory", described), layout.TRAJECTORY, build)


def _not_finite(
    variables: Sequence[str],
    state: Mapping[str, Iterable[float]],
    value: float,
    gradient: Iterable[float],
) -> str:
    """Name the first quantity that is not finite, in the order of computation."""
    for what, numbers in (*state.items(), ("f", [value]), ("the gradient", gradient)):
        for variable, each in zip(variables, numbers, strict=False):
            if not math.isfinite(each):
                where = "" if what == "f" else f" of {variable}"
                name = f"{variable}" if what == "x" else f"{what}{where}"
                return f"{name} is {each}"
    return "the sum of f, the gradient and the state is infinite"


def drive(run: Run, status: int, monitor: Any = None) -> Status:
    """Continue a run that has begun until it ends; Ctrl-C ends it too.

    Slices last some tens of milliseconds: long enough to cost nothing, short enough
    to be interrupted between them.
    """
    settings = run.settings
    begun = time.perf_counter()
    iterations = 32
    try:
        while status == RUNNING and run.t < settings.maxiter:
            before, left = time.perf_counter(), settings.time_limit
            left -= before - begun
            if left <= 0.0:
                return Status.TIME_LIMIT
            start = run.t
            status = run.advance(min(settings.maxiter, start + iterations))
            elapsed = max(time.perf_counter() - before, 1e-7)
            wanted = min(SLICE_SECONDS, left) / elapsed * max(run.t - start, 1)
            iterations = int(min(8 * iterations, max(1.0, wanted)))
            if monitor is not None:
                monitor(run)
    except KeyboardInterrupt:
        return Status.INTERRUPTED
    return Status.MAXITER if status == RUNNING else Status(status)


def result_of(
    run: Run, status: Status, objective: Objective, start: Sequence[float], source: str
) -> Result:
    """Return the end of a run as it is reported: about the objective itself."""
    sign = run.settings.sign
    pairs = list(zip(run.lower, run.upper, strict=True))
    return Result(
        x=run.x,
        fun=sign * run.fun + 0.0,  # no -0.0
        jac=array("d", (sign * each + 0.0 for each in run.gradient)),
        grad_norm=run.norm,
        nit=max(run.t, 0),
        nfev=run.evaluations,
        status=status,
        message=run.message(status),
        method=run.name,
        hyperparameters=dict(run.hyperparameters),
        start=array("d", start),
        start_source=source,
        bounds=pairs if run.bounded else None,
        trace=run.trace() if run.settings.every else None,
        objective=objective,
        maximized=sign < 0,
    )
