"""The default method for sums over many variables, as a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symgd.descent.ends import SMALL, Ending
from symgd.descent.run import FARTHEST, NO_END, floats
from symgd.descent.solver_run import NEWTON_ITERATIONS, SolverRun
from symgd.errors import FormulaError
from symgd.kernels.shared import shared
from symgd.native.machine import Kernel, address
from symgd.native.status import RUNNING, Status

# Of 1000 variables, they take as long as compiling the Hessian's products.
LBFGS_ITERATIONS = 1000
TRUNCATED_ITERATIONS = 500  # before the whole Hessian is tried
MOST = 300  # variables of a Hessian that is written out where all else fails
WITH_HESSIAN = ("newton", NEWTON_ITERATIONS), ("lbfgs", NO_END)
BY_PRODUCTS = 2  # Newton's directions, as ``RunState.newton`` has it
SPREAD = 1.5  # of logarithms: a factor of 4.5 up or down


class TruncatedRun(SolverRun):
    """L-BFGS, then truncated Newton steps, then L-BFGS, each from the best point.

    The first stage is left out where the start shows that coordinates are in units of
    very different sizes: the gradient says little then. Where none comes to an end, and
    variables aren't too many, it goes on as of few: with the whole Hessian, by which
    its ends are judged, too.
    """

    whole: Kernel | None = None  # the Hessian, once it is wanted

    @property
    def among_many(self) -> int:
        """How many iterations it makes at once where there are many starts."""
        return LBFGS_ITERATIONS

    def prepare(self) -> None:
        """Compile what a later stage may need."""
        self._prepare_newton()

    def begin(self, x: Sequence[float]) -> int:
        """Evaluate the start, and plan the stages."""
        self.descend, self.whole, self.origin = self.kernel.call, None, floats(0)
        self.examiner = None
        status = super().begin(x)
        if status == RUNNING and units_differ(self.x, self.gradient):
            self.next_stage()
        return status

    def goes_alone(self, start: Any, parameters: Any) -> bool:
        """Whether a start among many is not for L-BFGS."""
        gradient = np.zeros(self.n)
        self.function(*map(address, (start, parameters, gradient)))
        return units_differ(start, gradient)

    def _plan(self) -> None:
        if self.whole is not None:
            self.stages, self.stage_end = [*WITH_HESSIAN], self.t + LBFGS_ITERATIONS
            return
        self.stages = [("truncated", NO_END), ("lbfgs", NO_END)]
        if self.n <= MOST:
            once = ("truncated", TRUNCATED_ITERATIONS), ("lbfgs", LBFGS_ITERATIONS)
            self.stages = [*once, *WITH_HESSIAN]
        self.stage_end = max(self.t, 0) + LBFGS_ITERATIONS

    def _set_stage(self, name: str, end: int) -> None:
        super()._set_stage(name, end)
        if name == "truncated":
            self.record.newton = BY_PRODUCTS
        self.record.radius = 0.0
        self._choose_kernel()

    def _choose_kernel(self) -> None:
        by_products = self.record.newton == BY_PRODUCTS
        self.descend = shared("truncated" if by_products else self.loop).call

    def _is_possible(self, name: str) -> bool:
        if name == "newton":
            return self._prepare_whole()
        return name == "lbfgs" or self._prepare_newton()

    def _prepare_whole(self) -> bool:
        """Have the whole Hessian from here on; return whether there is one."""
        if self.n > MOST or not self._prepare_newton():
            return False
        self.whole, self.origin = self.objective.kernel("hessian"), self.far_origin
        self.matrices = floats(2 * self.n * self.n)
        self.places.hessian = self.whole.address
        self.places.matrices = address(self.matrices)
        return True

    def quick_hessian(self) -> Kernel | None:
        """Return the Hessian, where it is wanted."""
        return self.whole

    def _prepare_newton(self) -> bool:
        """Compile the Hessian's products; return whether there are any."""
        try:
            self.product = self.objective.kernel("product")
        except FormulaError:
            return False
        self.places.product = self.product.address
        return True

    def sharpen(self) -> None:
        """Go on as before: L-BFGS finds small gradients, too."""

    def _out_of_steps(self, status: int, end: Ending) -> int:
        """Return how a run has ended that finds no step."""
        small = max(SMALL * self.steepest, self.settings.gtol)
        if status == Status.STALLED and self.norm <= small and self.whole is None:
            # There is nothing left to gain, or second derivatives are to tell.
            enough = self.ending_of(status, end) == Status.STALLED
            self.stages = [] if enough or self.n > MOST else [*WITH_HESSIAN]
        return super()._out_of_steps(status, end)

    def possible(self) -> dict[str, tuple[int, int]]:
        """Return between what each whole number of the record can be."""
        own = {"newton": (0, BY_PRODUCTS), "products": (0, FARTHEST)}
        return super().possible() | own

    def restore(self, stored: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        """Be where another run was when it was stored; raises likewise."""
        if plan["whole"] and not self._prepare_whole():
            raise ValueError("there is no Hessian")
        super().restore(stored, plan)
        if self.record.newton == 1 and self.whole is None:
            raise ValueError("there is no Hessian")
        self._choose_kernel()

    def plan(self) -> dict[str, Any]:
        """Return the stages to come."""
        return super().plan() | {"whole": self.whole is not None}


def units_differ(x: Any, gradient: Any) -> bool:
    """Return whether coordinates are in units of very different sizes.

    Slopes are steep then where coordinates are small, so that their products are alike.
    """
    sizes, slopes = np.abs(x), np.abs(gradient)
    known = (sizes > 0.0) & (slopes > 0.0) & np.isfinite(slopes)
    if 2 * known.sum() < len(sizes):
        return False
    units, steepness = np.log(sizes[known]), np.log(slopes[known])
    alike = np.std(units + steepness) < 0.5 * np.std(steepness)
    return bool(alike and np.std(units) > SPREAD)
