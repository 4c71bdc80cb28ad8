"""The default method as a run: which stage comes when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symgd.descent.run import FARTHEST, NO_END, floats
from symgd.descent.search_run import SearchRun
from symgd.descent.settings import Settings
from symgd.native import records as layout
from symgd.native.machine import address
from symgd.native.status import RUNNING
from symgd.objectives.objective import Objective
from symgd.objectives.points import Bounds

LBFGS_ITERATIONS = 2000  # before Newton's method is tried
NEWTON_ITERATIONS = 200


class SolverRun(SearchRun):
    """The default method: L-BFGS, Newton, L-BFGS, each from the best point so far."""

    name, loop = "auto", "solver"
    descends = begins_again = True
    space = staticmethod(layout.solver_space)

    def __init__(
        self, objective: Objective, bounds: Bounds, settings: Settings
    ) -> None:
        super().__init__(objective, bounds, settings)
        self.stages: list[tuple[str, int]] = []
        self.stage_end = 0

    @property
    def among_many(self) -> int:
        """How many iterations it makes at once where there are many starts."""
        return LBFGS_ITERATIONS if self.objective.has_quick_hessian else NO_END

    def begin(self, x: Sequence[float]) -> int:
        """Evaluate the start, and plan the stages."""
        self.record.t = -1
        self._plan()
        return super().begin(x)

    def _continue(self) -> int:
        last = self.record.last
        while True:
            self.record.last = min(last, self.stage_end)
            status = self.descend(*self.addresses)
            over = status == RUNNING and self.stage_end <= self.t < last
            if not over or not self.next_stage():
                return status

    def restart(self) -> None:
        """Forget what was learnt elsewhere, and begin with the first stage."""
        self._plan()
        self._set_stage("lbfgs", self.stage_end)

    def next_stage(self) -> bool:
        """Prepare the next stage that can be had; return whether there is one."""
        while self.stages:
            name, iterations = self.stages[0]
            possible = self._is_possible(name)
            del self.stages[0]  # not before: Ctrl-C may have come while compiling
            if possible:
                self._set_stage(name, self.t + iterations)
                return True
        return False

    def _is_possible(self, name: str) -> bool:
        return name == "lbfgs" or self._prepare_newton()

    def _set_stage(self, name: str, end: int) -> None:
        self.record.newton = int(name == "newton")
        self.record.pairs = self.record.idle = 0
        self.record.reach = 1.0
        self.record.deepest = self.record.value
        self.stage_end = end

    def _plan(self) -> None:
        """Plan the stages to come."""
        self.stages, self.stage_end = [], NO_END
        if self.objective.has_quick_hessian:
            self.stages = [("newton", NEWTON_ITERATIONS), ("lbfgs", NO_END)]
            self.stage_end = max(self.t, 0) + LBFGS_ITERATIONS

    def _prepare_newton(self) -> bool:
        """Compile the Hessian; return whether there is one, not too large for that."""
        hessian = self.quick_hessian()
        if hessian is None:
            return False
        self.hessian, self.matrices = hessian, floats(2 * self.n * self.n)
        self.places.hessian = hessian.address
        self.places.matrices = address(self.matrices)
        return True

    def plan(self) -> dict[str, Any]:
        """Return the stages to come."""
        own = {name: getattr(self, name) for name in ("stages", "stage_end")}
        return super().plan() | own

    def possible(self) -> dict[str, tuple[int, int]]:
        """Return between what each whole number of the record can be."""
        pairs = {
            "pairs": (0, layout.MEMORY),
            "newest": (0, layout.MEMORY - 1),
            "stale": (0, layout.MEMORY),
            "idle": (0, FARTHEST),
            "newton": (0, int(self.objective.has_quick_hessian)),
        }
        return super().possible() | pairs

    def restore(self, stored: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        """Be where another run was when it was stored; raises likewise."""
        super().restore(stored, plan)
        self.stages = [(str(name), int(count)) for name, count in plan["stages"]]
        self.stage_end = int(plan["stage_end"])
        ends = [self.stage_end, *(count for _, count in self.stages)]
        if self.stage_end < self.t or max(ends) < NO_END:
            raise ValueError("its stages come to no end")
        if self.record.newton and not self._prepare_newton():
            raise ValueError("there is no Hessian")
