"""N descents that differ in starts, hyperparameters and parameters, and their ends."""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from symgd.descent import methods
from symgd.descent import settings as arguments
from symgd.descent.run import Run
from symgd.descent.settings import Settings
from symgd.errors import InputError, unknown_name
from symgd.native import compiled
from symgd.native.stopping import stoppable
from symgd.objectives.numbers_given import as_array
from symgd.objectives.objective import Objective
from symgd.objectives.points import Bounds
from symgd.rules import family
from symgd.rules.rule import Rule

LANE_SLOTS = 200  # beyond so many, straight-line code gets too long


class Problem:
    """N descents: what all of them share, and an array for what they don't."""

    def __init__(
        self,
        objective: Objective,
        bounds: Bounds,
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
        self._ended: list[Run] = []
        for name in parameters:
            if name == objective.iteration:
                raise InputError(f"{name!r} counts the updates: it is no parameter")
            if name not in objective.parameters:
                raise unknown_name("parameter", name, objective.parameters)
        self.parameters = {
            name: self._column(name, parameters.get(name, value))
            for name, value in objective.parameters.items()
        }
        if self.is_constrained:
            methods.check_within(objective, settings, method, hyperparameters)
        self.rule: Rule | None = None
        self.hyperparameters: dict[str, Any] = {}
        self.automatic = False  # whether steps are found on the way
        if not methods.is_default(method):
            self.rule = rule = family.find(method)
            self.automatic = methods.has_automatic_steps(
                objective, rule, hyperparameters
            )
            self._read_hyperparameters(hyperparameters)
        elif hyperparameters:
            name = next(iter(hyperparameters))
            if name in objective.parameters:
                problem = f"{name!r} is a parameter of the objective, and no argument"
                raise InputError(f"{problem}: give parameters={{{name!r}: [...]}}")
            raise arguments.no_hyperparameters(name)
        elif objective.iteration is not None:
            raise arguments.needs_a_rule(objective.iteration)

    def _read_hyperparameters(self, given: Mapping[str, Any]) -> None:
        assert self.rule is not None
        if self.automatic:
            self.hyperparameters = dict(given)
            return
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
        column = np.array(as_array(value, name))
        if column.shape != (self.count,) or not np.isfinite(column).all():
            problem = f"{name} must be a number or {self.count} finite numbers, one "
            raise InputError(f"{problem}for each start; its shape is {column.shape}")
        return column

    def part(self, rows: slice) -> Problem:
        """Return some of the descents, to be run elsewhere."""

        def cut(values: Mapping[str, Any]) -> dict[str, Any]:
            return {k: v[rows] if np.ndim(v) else v for k, v in values.items()}

        other = copy.copy(self)
        other.__dict__.pop("_alike", None)
        other._ended = []
        other.starts = self.starts[rows]
        other.count = len(other.starts)
        other.parameters = cut(self.parameters)
        other.hyperparameters = cut(self.hyperparameters)
        return other

    def stoppable(self) -> AbstractContextManager[Sequence[int]]:
        """Let long evaluations be cut short: the flag is not 0 then."""
        if self.objective.arrays is None:
            return nullcontext((0,))
        return stoppable(self.settings.time_limit)

    @property
    def searches(self) -> bool:
        """Whether the descents search for their steps."""
        return self.rule is None or self.automatic

    @property
    def is_constrained(self) -> bool:
        """Whether the descents keep to constraints, each as a run of its own."""
        return self.objective.constraints is not None

    @property
    def fits_lanes(self) -> bool:
        """Whether the descents can run in lanes."""
        if self.rule is None or self.automatic or compiled.interpreted():
            return False
        if self.objective.arrays is not None:
            return False
        return self.starts.shape[1] * (1 + len(self.rule.state)) <= LANE_SLOTS

    def choice(self, values: Mapping[str, Any], which: int) -> dict[str, Any]:
        """Return the values of one descent."""
        return {k: v if np.ndim(v) == 0 else v[which].item() for k, v in values.items()}

    def constants(self) -> np.ndarray:
        """Return what kernels take as constants of the objective, a row for each."""
        if self.objective.arrays is None:
            columns = [
                np.broadcast_to(np.asarray(v, dtype=np.float64), self.count)
                for v in self.parameters.values()
            ]
            return np.array(columns).reshape(len(columns), self.count).T.copy()
        if not any(np.ndim(value) for value in self.parameters.values()):
            return np.tile(self._words(0), (self.count, 1))
        return np.array([self._words(which) for which in range(self.count)])

    def _words(self, which: int) -> np.ndarray:
        values = self.choice(self.parameters, which)
        return np.frombuffer(
            self.objective.with_parameters(**values).parameter_values()
        )

    def run(self, which: int, settings: Settings | None = None) -> Run:
        """Return one descent as a run of its own, not begun."""
        objective = self._objective_of(which)
        settings = settings or self.settings
        hyper, method = self.choice(self.hyperparameters, which), self.rule or "auto"
        return methods.run_of(objective, self.bounds, settings, method, hyper)

    def taken(self) -> Run | None:
        """Return a run that has ended and can begin as any other, if there is one."""
        with contextlib.suppress(IndexError):  # another thread has taken it
            return self._ended.pop()
        return None

    def give_back(self, run: Run) -> None:
        """Keep a run that has ended, for another descent of the same parameters."""
        alike = not any(map(np.ndim, self.parameters.values()))
        if run.begins_again and alike and run.settings == self.settings:
            self._ended.append(run)

    def _objective_of(self, which: int) -> Objective:
        """Return the objective of one descent."""
        if self.is_constrained and not any(map(np.ndim, self.parameters.values())):
            return self._alike  # it knows its rows
        return self.objective.with_parameters(**self.choice(self.parameters, which))

    @functools.cached_property
    def _alike(self) -> Objective:
        """The objective where all descents have the same parameters."""
        return self.objective.with_parameters(**self.choice(self.parameters, 0))


@dataclass
class Ends:
    """The ends of N descents; the last two only within constraints."""

    x: np.ndarray
    fun: np.ndarray
    jac: np.ndarray
    status: np.ndarray
    nit: np.ndarray
    nfev: np.ndarray
    grad_norm: np.ndarray | None = None
    constraint_violation: np.ndarray | None = None

    def enter(self, rows: slice, ends: Ends) -> None:
        """Enter the ends of some of the descents."""
        for name, numbers in vars(ends).items():
            if numbers is not None:
                getattr(self, name)[rows] = numbers
