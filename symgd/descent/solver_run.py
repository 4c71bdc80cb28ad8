"""The default method as a run: which stage comes when.

Of few variables, there is Newton's method with the exact Hessian; of many, with its
products with directions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from symgd.descent.ends import Ending
from symgd.descent.run import FARTHEST, NO_END, floats
from symgd.descent.search_run import SearchRun
from symgd.descent.settings import Settings
from symgd.errors import FormulaError
from symgd.kernels.shared import shared
from symgd.native import records as layout
from symgd.native.machine import address
from symgd.native.status import RUNNING, Status
from symgd.objectives.objective import Objective
from symgd.objectives.points import Bounds

if TYPE_CHECKING:
    from symgd.objectives.curvature import Along

LBFGS_ITERATIONS = 2000  # before Newton's method is tried
NEWTON_ITERATIONS = 200
TRUNCATED_ITERATIONS = 1000


class SolverRun(SearchRun):
    """The default method: L-BFGS, Newton, L-BFGS, each from the best point so far."""

    name, loop = "auto", "solver"
    descends = True
    space = staticmethod(layout.solver_space)

    def __init__(
        self, objective: Objective, bounds: Bounds, settings: Settings
    ) -> None:
        super().__init__(objective, bounds, settings)
        self.stages: list[tuple[str, int]] = []
        self.stage_end = 0
        self.along: Along | None = None  # the Hessian's products with directions

    @property
    def among_many(self) -> int:
        """How many iterations it makes at once where there are many starts."""
        return LBFGS_ITERATIONS if self._curves else NO_END

    @property
    def _curves(self) -> bool:
        """Whether there may be second derivatives to be had."""
        return self.objective.has_quick_hessian or self.objective.arrays is not None

    def begin(self, x: Sequence[float]) -> int:
        """Evaluate the start, and plan the stages."""
        self.record.t = -1
        self._plan()
        return super().begin(x)

    def _continue(self) -> int:
        last = self.record.last
        while True:
            self.record.last = min(last, self.stage_end)
            truncated = self.record.newton == layout.TRUNCATED
            descend = shared("truncated_newton").call if truncated else self.descend
            status = descend(*self.addresses)
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
            possible = name not in GETTERS or GETTERS[name](self)
            del self.stages[0]  # not before: Ctrl-C may have come while compiling
            if possible:
                self._set_stage(name, self.t + iterations)
                return True
        return False

    def _set_stage(self, name: str, end: int) -> None:
        self.record.newton = STAGES.index(name)
        self.record.radius = self.record.steep = 0.0
        self.record.pairs = self.record.idle = 0
        self.record.reach = 1.0
        self.record.deepest = self.record.value
        self.stage_end = end

    def _plan(self) -> None:
        """Plan the stages to come."""
        self.stages, self.stage_end = [], NO_END
        if self._curves:
            few = self.objective.has_quick_hessian
            second = ("newton", NEWTON_ITERATIONS), ("truncated", TRUNCATED_ITERATIONS)
            self.stages = [second[0] if few else second[1], ("lbfgs", NO_END)]
            self.stage_end = max(self.t, 0) + LBFGS_ITERATIONS

    def _get_hessian(self) -> bool:
        """Compile the Hessian; return whether there is one, not too large for that."""
        hessian = self.objective.quick_hessian()
        if hessian is None:
            return False
        self.hessian, self.matrices = hessian, floats(2 * self.n * self.n)
        self.places.hessian = hessian.address
        self.places.matrices = address(self.matrices)
        return True

    def _get_products(self) -> bool:
        """Compile products of the Hessian; return whether there are any."""
        from symgd.objectives.curvature import Along

        try:
            self.along = along = Along(self.objective)
        except FormulaError:
            return False
        self.scalar_places = along.scalars
        self.places.product = along.kernel.address
        self.places.product_constants = along.words(self.objective.parameters)
        self.places.direction = along.direction_address
        self.places.scalar_count = len(self.scalar_places) // 2
        self.places.scalars = address(self.scalar_places) if self.scalar_places else 0
        return True

    def _out_of_steps(self, status: int, end: Ending) -> int:
        """Return how a run has ended that finds no step.

        What may well be a minimum isn't worth the time that products take to compile.
        """
        few = self.objective.has_quick_hessian
        if not few and self.ending_of(status, end) == Status.STALLED:
            self.stages = []
        return super()._out_of_steps(status, end)

    def ending_of(self, status: int, end: Ending) -> int:
        """Return the status of a run that can do no more: STALLED or ABNORMAL."""
        if status == Status.STALLED and self.record.newton == layout.TRUNCATED:
            return int(Status.STALLED)  # the Hessian promises no more
        return super().ending_of(status, end)

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
            "newton": (0, len(STAGES) - 1 if self._curves else 0),
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
        stage = STAGES[self.record.newton]
        if stage in GETTERS and not GETTERS[stage](self):
            raise ValueError("there is no Hessian")


STAGES = ("lbfgs", "newton", "truncated")  # in the order of ``RunState.newton``
GETTERS: Mapping[str, Callable[[SolverRun], bool]] = {
    "newton": SolverRun._get_hessian,
    "truncated": SolverRun._get_products,
}
