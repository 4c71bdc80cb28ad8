"""The default method for sums over many variables, as a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symgd.descent.ends import SMALL, Ending
from symgd.descent.run import FARTHEST, NO_END
from symgd.descent.solver_run import LBFGS_ITERATIONS, SolverRun
from symgd.errors import FormulaError
from symgd.kernels.shared import shared
from symgd.native.status import Status

TRUNCATED_ITERATIONS = 1000
BY_PRODUCTS = 2  # Newton's directions, as ``RunState.newton`` has it


class TruncatedRun(SolverRun):
    """L-BFGS, truncated Newton, L-BFGS, each from the best point so far.

    The products of the Hessian with directions take some 0.1 s to compile, so they are
    for what L-BFGS alone doesn't solve soon.
    """

    @property
    def among_many(self) -> int:
        """How many iterations it makes at once where there are many starts."""
        return LBFGS_ITERATIONS

    def _plan(self) -> None:
        self.stages = [("truncated", TRUNCATED_ITERATIONS), ("lbfgs", NO_END)]
        self.stage_end = max(self.t, 0) + LBFGS_ITERATIONS

    def _set_stage(self, name: str, end: int) -> None:
        super()._set_stage(name, end)
        self.record.newton = BY_PRODUCTS if name == "truncated" else 0
        self.record.radius = 0.0
        self._choose_kernel()

    def _choose_kernel(self) -> None:
        by_products = self.record.newton == BY_PRODUCTS
        self.descend = shared("truncated" if by_products else self.loop).call

    def _prepare_newton(self) -> bool:
        """Compile the Hessian's products; return whether there are any."""
        try:
            self.product = self.objective.kernel("product")
        except FormulaError:
            return False
        self.places.product = self.product.address
        return True

    def begin(self, x: Sequence[float]) -> int:
        """Evaluate the start, and plan the stages."""
        self.descend = self.kernel.call
        return super().begin(x)

    def sharpen(self) -> None:
        """Go on as before: L-BFGS finds small gradients, too."""

    def _out_of_steps(self, status: int, end: Ending) -> int:
        """Return how a run has ended that finds no step."""
        if self.norm <= SMALL * self.steepest and status == Status.STALLED:
            self.stages = []  # there is nothing left to gain
        return super()._out_of_steps(status, end)

    def possible(self) -> dict[str, tuple[int, int]]:
        """Return between what each whole number of the record can be."""
        own = {"newton": (0, BY_PRODUCTS), "products": (0, FARTHEST)}
        return super().possible() | own

    def restore(self, stored: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        """Be where another run was when it was stored; raises likewise."""
        super().restore(stored, plan)
        self._choose_kernel()
