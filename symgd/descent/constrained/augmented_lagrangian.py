"""Minimise within constraints by minimising without: an augmented Lagrangian.

What is minimised, by the default method within bounds, is f with the squares of what
each constraint is beyond its sides, shifted by its multiplier. A shift takes the place
of a weight that would have to grow without bound. Each step lowers one function, so
it doesn't leap to where a constraint is flat, as filters allow. Where it ends is
known to a few digits only: it is where the interior point method begins once more.

Source: Birgin and Martínez 2014, "Practical Augmented Lagrangian Methods for
Constrained Optimization".
"""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Sequence
from typing import Any

from symgd.descent.driving import drive
from symgd.descent.run import Run
from symgd.descent.settings import Settings
from symgd.native.status import Status
from symgd.objectives.constraints import Lagrangian
from symgd.objectives.points import Bounds

OUTER, INNER = 15, 300  # iterations
LEAST_WEIGHT, FIRST_WEIGHT, MOST_WEIGHT = 1e-6, 10.0, 1e10
HEAVIER, LESS = 10.0, 0.25  # the weight, where the violation isn't so much less
ENOUGH = 1e-6  # of the violation
FAR, LARGEST = 1e10, 1e8  # points that ran away, and multipliers


class AugmentedLagrangian:
    """Minimisations in turn, each with better multipliers.

    Parameters
    ----------
    lagrangian : Lagrangian
    bounds : pair of arrays
        Between which numbers each coordinate is.
    sign : float
        -1 if a maximum is sought.
    deadline : float
        As ``time.perf_counter`` tells it.

    Attributes
    ----------
    evaluations : int
    """

    def __init__(
        self,
        lagrangian: Lagrangian,
        bounds: tuple[Sequence[float], Sequence[float]],
        sign: float,
        deadline: float,
    ) -> None:
        self.lagrangian, self.bounds, self.sign = lagrangian, bounds, sign
        self.function: Any = lagrangian.augmented
        self.deadline, self.evaluations = deadline, 0

    def ended(self, start: Sequence[float], first: float) -> array[float]:
        """Return where it ends that begins at a point, where f is ``first``."""
        x, shifts = array("d", start), array("d", bytes(8 * self.lagrangian.rows))
        beyond = self._beyond(x, shifts)
        missed = sum(each * each for each in beyond) / 2.0
        weight = FIRST_WEIGHT * max(1.0, abs(first)) / max(missed, 1e-300)
        weight = min(max(weight, LEAST_WEIGHT), FIRST_WEIGHT)
        violation = math.inf
        for count in range(OUTER):
            there, status = self._minimised(x, shifts, weight, 0.1 ** (1 + count // 2))
            if status == Status.TIME_LIMIT:
                return x
            ran_away = status == Status.DIVERGED or max(map(abs, there)) > FAR
            if not ran_away:
                x, before = there, violation
                missed_now = self._beyond(x, array("d", bytes(8 * len(shifts))))
                violation = max(map(abs, missed_now), default=0.0)
                shifts = self._beyond(x, shifts)
                if violation <= ENOUGH:
                    break
            if ran_away or violation > LESS * before:
                factor = HEAVIER * HEAVIER if ran_away else HEAVIER
                weight *= factor
                if weight > MOST_WEIGHT:
                    break
                shifts = array("d", (each / factor for each in shifts))
            limit = LARGEST / weight
            shifts = array("d", (min(max(each, -limit), limit) for each in shifts))
        return x

    def _beyond(self, x: Sequence[float], shifts: array[float]) -> array[float]:
        """Return how far each constraint, shifted, is beyond its sides."""
        n, m = len(x), len(shifts)
        function = self.lagrangian.function
        image = function.grad([*x, *[0.0] * m, 1.0])[n : n + m]
        self.evaluations += 1
        sides = zip(image, shifts, *self.lagrangian.sides, strict=True)
        shifted = ((c + shift, low, high) for c, shift, low, high in sides)
        return array("d", (t - min(max(t, low), high) for t, low, high in shifted))

    def _minimised(
        self, x: Sequence[float], shifts: array[float], weight: float, part: float
    ) -> tuple[array[float], Status]:
        """Minimise with these multipliers, in units of the weight."""
        factor = self.sign / weight
        fixed = [*shifts, factor]
        low, high = ([*side, *fixed] for side in self.bounds)
        left = max(0.0, self.deadline - time.perf_counter())
        settings = Settings(
            sign=1.0,
            maxiter=INNER,
            gtol=part * abs(factor),
            ftol=0.0,
            patience=0,
            target=-math.inf,
            time_limit=left,
            every=0,
            progress=False,
            rough=True,
        )
        run = self._run(Bounds.between(low, high), settings)
        status = drive(run, run.begin_in_time(array("d", [*x, *fixed])))
        if status == Status.INTERRUPTED:
            raise KeyboardInterrupt
        self.evaluations += run.evaluations
        return run.x[: len(x)], status

    def _run(self, bounds: Bounds, settings: Settings) -> Run:
        if self.function.has_many_variables:
            from symgd.descent.truncated_run import TruncatedRun

            return TruncatedRun(self.function, bounds, settings)
        from symgd.descent.solver_run import SolverRun

        return SolverRun(self.function, bounds, settings)
