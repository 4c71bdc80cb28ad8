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
        slots, names = 1 + len(rule.state), tuple(rule.hyperparameters)
        super().__init__(objective, bounds, settings, slots, names)
        self.rule = rule
        self.name = rule.name
        self.state, self.scalars = rule.state, rule.scalars
        self.hyperparameters = rule.with_defaults(hyperparameters)
        values = [rule.text_of(k, v) for k, v in self.hyperparameters.items()]
        self.schedules = [v if isinstance(v, str) else None for v in values]
        pairs = zip(names, self.schedules, strict=True)
        self.scheduled = frozenset(name for name, text in pairs if text is not None)
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
        n, width = self.n, 1 + len(self.state)
        # The kernel keeps the slots of a coordinate together.
        slots = floats(n * width)
        slots[::width] = self.x
        fg = array("d", [self.fun, *self.gradient])
        kernel = initial_kernel(self.objective, self.rule, self.schedules)
        kernel(1, 0, *map(address, (slots, fg, self.hyper)))
        for j in range(width):
            self.slots[j * n : (j + 1) * n] = slots[j::width]

    @property
    def method_key(self) -> str:
        """The rule, as plain text."""
        return self.rule.text

    def arrays(self) -> dict[str, array[Any]]:
        """Return all numbers that the run consists of, by name."""
        return super().arrays() | {"candidate": self.candidate}

    def _continue(self) -> int:
        return self.descend(*self.arguments)

    def blame(self) -> str:
        """Say what was not finite."""
        n, sign, size = self.n, self.settings.sign, len(self.slots)
        slots = [self.candidate[i : i + n] for i in range(0, size, n)]
        state = dict(zip((*self.state, "x"), (*slots[1:], slots[0]), strict=True))
        value, *gradient = (sign * each for each in self.candidate[size:])
        return not_finite(self.objective.space, state, value, gradient)


def rule_kernel(
    objective: Objective, rule: Rule, schedules: Sequence[str | None], bounded: bool
) -> Kernel:
    """Return the loop of a rule on an objective."""
    names = tuple(rule.hyperparameters)

    def build() -> Any:
        from symgd.kernels.trajectory import Sizes, entry, trajectory
        from symgd.lowering import scalar_update as updates
        from symgd.lowering.entries import native
        from symgd.lowering.inlining import straight
        from symgd.lowering.watching import watch

        n, k = len(objective.space), len(objective.parameters)
        online = objective.iteration is not None
        sizes = Sizes(n, 1 + len(rule.state), len(names), k, online)
        loop = trajectory(
            straight(objective.native.value_and_gradient, 1 + n),
            updates.native_schedule(tuple(schedules)),
            updates.native_update(rule, n),
            sizes,
            bounded,
            watch(rule, objective.expression, bounded),
        )
        return native(entry(loop, sizes), layout.TRAJECTORY)

    key = json.dumps([rule.equations, names, schedules, bounded])
    return objective.compiled(("trajectory", key), layout.TRAJECTORY, build)


def initial_kernel(
    objective: Objective, rule: Rule, schedules: Sequence[str | None]
) -> Kernel:
    """Return the loop that sets the state of a rule before the first update."""
    n, names = len(objective.space), tuple(rule.hyperparameters)

    def build() -> Any:
        from symgd.kernels import initial
        from symgd.kernels.trajectory import Sizes
        from symgd.lowering import scalar_update as updates
        from symgd.lowering.entries import native

        sizes = Sizes(n, 1 + len(rule.state), len(names), 0)
        schedule = updates.native_schedule(tuple(schedules))
        loop = initial.entry(schedule, updates.native_initial(rule, n), sizes)
        return native(loop, layout.INITIAL)

    key = json.dumps([n, rule.text, schedules])
    return compiled.kernel(("initial", key), layout.INITIAL, build)
