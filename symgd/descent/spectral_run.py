"""Gradient descent that finds its step sizes itself, as a run."""

from __future__ import annotations

from array import array

from symgd.descent.run import FARTHEST
from symgd.descent.search_run import SearchRun
from symgd.descent.settings import AUTOMATIC, Settings
from symgd.native import records as layout
from symgd.objectives.objective import Objective
from symgd.objectives.points import Bounds

AMONG_MANY = 2000  # iterations


class SpectralRun(SearchRun):
    """Spectral projected gradients: ``gd`` with automatic steps."""

    name, loop = "gd", "spectral"
    scheduled = frozenset({"step_size"})  # the trace has the steps taken
    space = staticmethod(layout.spectral_space)

    def __init__(
        self, objective: Objective, bounds: Bounds, settings: Settings
    ) -> None:
        super().__init__(objective, bounds, settings, constants=("step_size",))
        self.hyperparameters = {"step_size": AUTOMATIC}

    @property
    def among_many(self) -> int:
        """How many iterations it makes at once where there are many starts."""
        return AMONG_MANY

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
