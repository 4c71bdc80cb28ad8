"""An update rule as a run."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from symgd.descent.run import Run, floats, not_finite
from symgd.descent.settings import Settings
from symgd.native import compiled
from symgd.native import records as layout
from symgd.native.machine import Kernel, address
from symgd.native.status import Status
from symgd.objectives.objective import Objective
from symgd.objectives.points import Bounds
from symgd.rules.rule import Rule

if TYPE_CHECKING:
    from symgd.language.formula import Formula
    from symgd.lowering.scalar_update import RuleCode


class UpdateRun(Run):
    """A run of an update rule, with its hyperparameters, on whatever objective."""

    clocks: tuple[str, ...] = ("t",)  # what schedules depend on

    def __init__(
        self,
        objective: Objective,
        bounds: Bounds,
        settings: Settings,
        rule: Rule,
        hyperparameters: Mapping[str, Formula],
    ) -> None:
        slots, names = 1 + len(rule.state), tuple(rule.hyperparameters)
        super().__init__(objective, bounds, settings, slots, names)
        self.rule, self.name = rule, rule.name
        self.state, self.scalars = rule.state, rule.scalars
        self.hyperparameters = rule.with_defaults(hyperparameters, self.clocks)
        given = self.hyperparameters.items()
        values = [rule.text_of(k, v, self.clocks) for k, v in given]
        self.schedules = [v if isinstance(v, str) else None for v in values]
        pairs = zip(names, self.schedules, strict=True)
        self.scheduled = frozenset(name for name, text in pairs if text is not None)
        self.hyper = array("d", [math.nan if isinstance(v, str) else v for v in values])

    @property
    def method_key(self) -> str:
        """The rule, as plain text."""
        return self.rule.text


class RuleRun(UpdateRun):
    """A run of an update rule on scalars."""

    def __init__(self, objective: Objective, *given: Any) -> None:
        super().__init__(objective, *given)
        self.candidate = floats(len(self.slots) + self.n + 1)
        how = self.rule, self.schedules, self.bounded
        self.descend = rule_kernel(objective, *how)
        arrays: list[Any] = [self.record, self.slots, self.candidate, self.gradient]
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
        n, width = self.n, 1 + len(self.state)
        # The kernel keeps the slots of a coordinate together.
        slots = floats(n * width)
        slots[::width] = self.x
        fg = array("d", [self.fun, *self.gradient])
        kernel = initial_kernel(self.objective, self.rule, self.schedules)
        kernel(1, 0, *map(address, (slots, fg, self.hyper)))
        for j in range(width):
            self.slots[j * n : (j + 1) * n] = slots[j::width]

    def arrays(self) -> dict[str, array[Any]]:
        """Return all numbers that the run consists of, by name."""
        return super().arrays() | {"candidate": self.candidate}

    def _continue(self) -> int:
        return self.descend(*self.arguments)

    @property
    def refused(self) -> tuple[float, Sequence[float]]:
        """The value that is minimised and its gradient, of which some is not finite."""
        value, *gradient = self.candidate[len(self.slots) :]
        return value, gradient

    def blame(self) -> str:
        """Say what was not finite."""
        n, sign, size = self.n, self.settings.sign, len(self.slots)
        slots = [self.candidate[i : i + n] for i in range(0, size, n)]
        state = dict(zip((*self.state, "x"), (*slots[1:], slots[0]), strict=True))
        value, gradient = self.refused
        slopes = [sign * each for each in gradient]
        numbers = state, sign * value, slopes
        asks = self.rule.asks_for("g", "hvp")
        return not_finite(self.objective.space, *numbers, asks)


def rule_kernel(
    objective: Objective, rule: Rule, schedules: Sequence[str | None], bounded: bool
) -> Kernel:
    """Return the loop of a rule on an objective."""
    names = tuple(rule.hyperparameters)
    parts = _Parts(objective, rule, schedules, initial=False, bounded=bounded)
    key = json.dumps([rule.equations, names, schedules, bounded])
    return objective.written(("trajectory", key), layout.TRAJECTORY, *parts.how())


def initial_kernel(
    objective: Objective, rule: Rule, schedules: Sequence[str | None]
) -> Kernel:
    """Return the loop that sets the state of a rule before the first update."""
    parts = _Parts(objective, rule, schedules, initial=True)
    key = json.dumps([len(objective.space), rule.text, schedules])
    return compiled.written(("initial", key), layout.INITIAL, *parts.how())


def written_parts(
    objective: Objective,
    rule: Rule,
    schedules: Sequence[str | None],
    *,
    initial: bool,
    bounded: bool,
) -> tuple[Mapping[str, str], layout.TrajectoryForm]:
    """Return the functions that a rule's loop calls, and what it is told of them."""
    kind = {"initial": initial, "bounded": bounded}
    texts, form = _Parts(objective, rule, schedules, **kind)._written()
    return texts, form


class _Parts:
    """What the loop of a rule on an objective consists of."""

    def __init__(
        self,
        objective: Objective,
        rule: Rule,
        schedules: Sequence[str | None],
        *,
        initial: bool,
        bounded: bool = False,
    ) -> None:
        self.objective, self.rule, self.schedules = objective, rule, tuple(schedules)
        self.initial, self.bounded = initial, bounded
        self.loop = "initial" if initial else "trajectory"

    def how(self) -> tuple[Any, ...]:
        """Return how the kernel is written, interpreted, and assembled."""
        return self._written, self._interpreted, self._assembled

    def _code(self) -> RuleCode:
        from symgd.lowering.scalar_update import RuleCode

        return RuleCode(
            self.rule, self.schedules, len(self.objective.space), self.initial
        )

    def _form(self, code: RuleCode, functions: Mapping[str, Any]) -> Any:
        from symgd.lowering.watching import watch

        watched = watch(self.rule, self.objective.expression, self.bounded)
        return layout.TrajectoryForm(
            *(code.n, code.width, code.hyper, len(self.objective.parameter_values())),
            *(code.update.totals, code.update.stages, int(self.bounded)),
            online=int(self.objective.iteration is not None),
            gradient=int(watched.gradient),
            slots=sum(1 << j for j in watched.slots),
            places=code.update.places,
            values=code.update.values,
            derivatives=code.update.derivatives,
            evaluates=code.update.evaluates,
            multiplies=code.update.multiplies,
            probes=code.update.probes,
            **functions,
        )

    def _written(self) -> Any:
        code = self._code()
        texts = code.written()
        if not self.initial:
            texts["value"] = self.objective.module_text("evaluation")
            if code.update.multiplies:
                texts["product"] = self.objective.module_text("product")
        functions = {"value": 0, "product": 0} | {name: name for name in texts}
        return texts, self._form(code, functions)

    def _assembled(self, written: Any) -> bytes:
        from symgd.kernels.shared import specialised

        return specialised(self.loop, *written)

    def _interpreted(self) -> Kernel:
        from importlib import import_module

        import numpy as np

        from symgd.lowering.entries import Interpreted

        code = self._code()
        kernels = code.interpreted()
        if not self.initial:
            kernels["value"] = self.objective.kernel("evaluation")
            if code.update.multiplies:
                kernels["product"] = self.objective.kernel("product")
        functions = {"value": 0, "product": 0}
        addresses = functions | {name: k.address for name, k in kernels.items()}
        form = np.array(self._form(code, addresses), dtype=np.int64)
        entry = import_module(f"symgd.kernels.{self.loop}").entry
        signature = layout.INITIAL if self.initial else layout.TRAJECTORY
        kernel = Interpreted(lambda *state: entry(*state, address(form)), signature)
        kernel.owner = kernels
        return kernel
