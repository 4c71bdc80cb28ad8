"""Gradient descent that finds its step sizes itself, as a run."""

from __future__ import annotations

from array import array
from typing import Any

from symgd import compiled
from symgd.arguments import Bounds, Settings
from symgd.kernels import run as layout
from symgd.machine import Kernel, address
from symgd.objective import Objective
from symgd.runs import Run, floats
from symgd.solver_run import SMOOTH
from symgd.status import Status

AUTOMATIC = "auto"  # the step size that asks for this


class SpectralRun(Run):
    """Spectral projected gradients: ``gd`` with automatic steps."""

    name = "gd"
    scheduled = frozenset({"step_size"})  # the trace has the steps taken

    def __init__(
        self, objective: Objective, bounds: Bounds, settings: Settings
    ) -> None:
        super().__init__(objective, bounds, settings, constants=("step_size",))
        self.hyperparameters = {"step_size": AUTOMATIC}
        self.descend = spectral_kernel()
        self.function = objective.kernel("evaluation")
        self.values, self.work = map(floats, layout.spectral_space(self.n))
        arrays: list[Any] = [self.counters, self.limits, self.slots, self.gradient]
        arrays += [self.parameters, self.lower, self.upper, self.values, self.work]
        self.arguments = [self.function.address, *map(address, [*arrays, self.rows])]

    def _continue(self) -> int:
        status = self.descend(*self.arguments)
        if status not in (Status.STALLED, Status.ABNORMAL) or self._impatient():
            return status
        # What a step promises says nothing at a kink: there the gradient is not small.
        reach = self.norm * max(1.0, *map(abs, self.x))
        smooth = status == Status.STALLED and reach <= SMOOTH * abs(self.fun)
        return int(Status.STALLED if smooth else Status.ABNORMAL)

    def _impatient(self) -> bool:
        patience = self.settings.patience
        return patience > 0 and self.counters[layout.WAITED] >= patience

    def arrays(self) -> dict[str, array[Any]]:
        """Return all numbers that the run consists of, by name."""
        return super().arrays() | {"values": self.values}

    def blame(self) -> str:
        """Say what was not finite."""
        if self.t < 0:
            return super().blame()
        falls = "falls" if self.settings.sign > 0 else "rises"
        return f"f {falls} without bound, beyond 1e100,"


def spectral_kernel() -> Kernel:
    """Return the loop of automatic steps, one for all objectives."""

    def build() -> Any:
        from symgd.kernels import spectral
        from symgd.lowering.native import native

        return native(spectral.entry, layout.SPECTRAL)

    return compiled.kernel(("spectral",), layout.SPECTRAL, build)


def spectral_each_kernel() -> Kernel:
    """Return the same loop over starts."""

    def build() -> Any:
        from symgd.kernels import spectral
        from symgd.lowering.native import native

        return native(spectral.each_entry, layout.SPECTRAL_EACH)

    return compiled.kernel(("spectral each",), layout.SPECTRAL_EACH, build)
