"""Gradient descent that finds its step sizes itself, as a run."""

from __future__ import annotations

from array import array

from symgd.descent.run import FARTHEST
from symgd.descent.search_run import SearchRun
from symgd.descent.settings import AUTOMATIC, Settings
from symgd.kernels.shared import shared
from symgd.native import records as layout
from symgd.objectives.objective import Objective
from symgd.objectives.points import Bounds


class SpectralRun(SearchRun):
    """Spectral projected gradients: ``gd`` with automatic steps."""

    name = "gd"
    scheduled = frozenset({"step_size"})  # the trace has the steps taken
    space = staticmethod(layout.spectral_space)

    def __init__(
        self, objective: Objective, bounds: Bounds, settings: Settings
    ) -> None:
        super().__init__(objective, bounds, settings, constants=("step_size",))
        self.hyperparameters = {"step_size": AUTOMATIC}
        self.descend = shared("spectral")

    def _continue(self) -> int:
        return self.descend(*self.addresses)

    def restart(self) -> None:
        """Forget what was learnt elsewhere."""
        self.record.step = 0.0
        self.record.flattest = self.norm
        self.record.idle = 0
        values = array("d", [self.fun]) * layout.HISTORY
        self.memory[: layout.HISTORY] = values

    def possible(self) -> dict[str, tuple[int, int]]:
        """Return between what each whole number of the record can be."""
        return super().possible() | {"idle": (0, FARTHEST)}
