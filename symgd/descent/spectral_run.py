"""Gradient descent that finds its step sizes itself, as a run."""

from __future__ import annotations

from array import array
from typing import Any

from symgd.descent.run import FARTHEST, floats
from symgd.descent.search_run import SearchRun
from symgd.descent.settings import AUTOMATIC, Settings
from symgd.kernels.shared import shared
from symgd.native import records as layout
from symgd.native.machine import address
from symgd.objectives.objective import Objective
from symgd.objectives.points import Bounds


class SpectralRun(SearchRun):
    """Spectral projected gradients: ``gd`` with automatic steps."""

    name = "gd"
    scheduled = frozenset({"step_size"})  # the trace has the steps taken

    def __init__(
        self, objective: Objective, bounds: Bounds, settings: Settings
    ) -> None:
        super().__init__(objective, bounds, settings, constants=("step_size",))
        self.hyperparameters = {"step_size": AUTOMATIC}
        self.descend = shared("spectral")
        self.function = objective.kernel("evaluation")
        self.values, self.work = map(floats, layout.spectral_space(self.n))
        arrays: list[Any] = [self.record, self.slots, self.gradient]
        arrays += [self.parameters, self.lower, self.upper, self.values, self.work]
        self.arguments = [self.function.address, *map(address, [*arrays, self.rows])]

    def _continue(self) -> int:
        return self.descend(*self.arguments)

    def restart(self) -> None:
        """Forget what was learnt elsewhere."""
        self.record.step = 0.0
        self.record.flattest = self.norm
        self.record.idle = 0
        self.values[:] = array("d", [self.fun]) * len(self.values)

    def possible(self) -> dict[str, tuple[int, int]]:
        """Return between what each whole number of the record can be."""
        return super().possible() | {"idle": (0, FARTHEST)}

    def arrays(self) -> dict[str, array[Any]]:
        """Return all numbers that the run consists of, by name."""
        return super().arrays() | {"values": self.values}
