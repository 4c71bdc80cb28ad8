"""Where an end within constraints is no minimum: other ways to begin, one by one.

Elsewhere: restarts, a phase one that looks for a feasible point, and a fallback.
"""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Sequence
from typing import Any, TypeAlias

from symgd.descent.certificate import CTOL
from symgd.descent.run import Run
from symgd.descent.unbounded import lower_for_ever
from symgd.native.machine import raise_pending
from symgd.native.status import RUNNING, Status

PUSHED = (
    1e-2  # from bounds, at the start, as ``kernels.sides``, which needs numba, has it
)
BARRIERS = (0.1, 10.0, 1e-2)  # first weights: what one doesn't solve, another may
TRIED = 250  # steps, after which they are to have come nearer
NEARER = 0.1  # times what the conditions were missed by, so many steps ago
FEASIBLE_STEPS = 300  # at most, to satisfy the constraints alone
ROUGHLY, LARGE_MULTIPLIER = 1e-6, 1e3  # a gradient, and a scaled multiplier
LATER = (0.1, 1e-3)  # likewise, from a feasible point, and from near an end
MOST_LEFT = 10  # ends that were no minima
BESIDE = 1e-3  # where that begins, in sizes of x
INFEASIBLE_IS_MORE = 0.999  # times its violation: it says more than others
COUNTED = ("t", "last", "rows", "evaluations", "waited")  # over all of these
AGAIN = (Status.ABNORMAL, Status.INFEASIBLE, Status.STATIONARY)
Rank: TypeAlias = tuple[float, float]  # of failed ends: violation, f where it is 0


class TriedRun(Run):
    """A run of ``kernels.interior`` that begins anew where it has found no minimum.

    At first with other barriers, beside the start; then where the constraints hold,
    wherever f leads; then where an augmented Lagrangian ends. What counts as a minimum
    is the same for all. Of failed ends it keeps the best.
    """

    tries: int  # how often it has begun anew
    left: int  # ends that were left for lower points close by
    missed: float  # of the conditions, when it last was given more steps
    first_violation: float
    failed: tuple[Rank, int, Any, list[array[float]]] | None
    deadline: float
    conditions: Any  # the record
    lagrangian: Any
    start: array[float]
    sides: tuple[Sequence[float], Sequence[float]]
    free: Sequence[int]
    memory: array[float]

    def _stand_at(self, x: array[float]) -> None:
        raise NotImplementedError

    def _evaluated(self, x: Sequence[float]) -> tuple[float, array[float]]:
        raise NotImplementedError

    def _lower_nearby(self) -> array[float] | None:
        raise NotImplementedError

    def _is_saddle(self) -> bool:
        raise NotImplementedError

    def part(self, name: str, count: int) -> array[float]:
        """Return numbers that the kernel works with."""
        raise NotImplementedError

    def _try(self) -> None:
        """Let the kernel begin at the start, with the next barrier."""
        state = self.conditions
        state.first_barrier = (*BARRIERS, *LATER)[self.tries]
        state.started, state.most_tried, self.missed = 0, TRIED, math.inf

    def judged(self, status: int) -> int:
        """Say how a run has ended; RUNNING if it is to be tried again."""
        if status in (Status.CONVERGED, Status.STALLED):
            if self._is_saddle():
                status = int(Status.STATIONARY)
            elif self.conditions.level > 0 and (lower := self._lower_nearby()):
                if self.left < MOST_LEFT:
                    self.left += 1
                    self._stand_at(lower)
                    self._try()
                    return RUNNING
                return int(Status.STATIONARY)
        if status == Status.DIVERGED and self.t >= 0 and self._is_infinite:
            status = int(Status.ABNORMAL)
        if status == Status.INFEASIBLE and self._was_less_violated:
            status = int(Status.ABNORMAL)
        if status not in AGAIN or self.t < 0:
            return status
        if self._comes_nearer():
            return RUNNING
        if status == Status.ABNORMAL and self._falls_for_ever():
            return int(Status.DIVERGED)
        self._fail(status)
        self.tries += 1
        return RUNNING if self._tries_again() else self._least_violated(status)

    @property
    def _is_infinite(self) -> bool:
        """Whether a derivative isn't finite where the run is, or began again."""
        return not (self.conditions.started and math.isfinite(self.conditions.norm))

    def _comes_nearer(self) -> bool:
        """Give a run more steps that used up those it had, if they were of use."""
        state = self.conditions
        if state.tried < state.most_tried or state.missed > NEARER * self.missed:
            return False
        self.missed = state.missed
        state.most_tried += TRIED
        return True

    def _tries_again(self) -> bool:
        """Begin anew where it may do better, if there is such a place left."""
        if self._lacks_multipliers():
            return False
        if self.tries < len(BARRIERS):
            self._stand_at(self._beside(self.start))
        elif self.tries > len(BARRIERS) or not self._satisfies_constraints_first():
            if self.tries > len(BARRIERS) + 1 or not self._minimises_without():
                return False
            self.tries = len(BARRIERS) + 1
        self._try()
        return True

    def _lacks_multipliers(self) -> bool:
        """Whether multipliers grow without bound where all else is as at a minimum.

        There the gradients of constraints depend on each other, or are 0: no way of
        beginning helps.
        """
        state, m = self.conditions, self.lagrangian.rows
        if not (state.started and state.visible <= CTOL and state.norm <= ROUGHLY):
            return False
        largest = max(map(abs, self.part("y", m)), default=0.0)
        return largest >= LARGE_MULTIPLIER

    def _falls_for_ever(self) -> bool:
        """Be where f is so low that there is no lowest, if the way leads there."""
        if self.conditions.visible > CTOL:
            return False
        start = self.origin or self.start
        found = lower_for_ever(
            self._evaluated, start, self.x, (self.lower, self.upper), self.sides, CTOL
        )
        if found is not None:
            self._stand_at(found)
            self._call_kernel(0)
        return found is not None

    def _satisfies_constraints_first(self) -> bool:
        """Stand where the constraints hold, wherever f leads, if that can be found."""
        state = self.conditions
        sign, target = state.sign, state.target
        state.sign, state.target = 0.0, -math.inf  # f is 0 everywhere
        self._stand_at(self.origin or self.start)
        self._try()
        status = self._call_kernel(FEASIBLE_STEPS)
        state.sign, state.target = sign, target
        self._stand_at(self.x)
        if self._call_kernel(0) == Status.DIVERGED:
            return False
        if state.violation <= CTOL:
            self._stand_at(self.x)
            return True
        if status == Status.INFEASIBLE and not self._was_less_violated:
            self._fail(status)
        return False

    def _minimises_without(self) -> bool:
        """Stand where f is lowest with a price for violations, if that is of use."""
        from symgd.descent.augmented_lagrangian import AugmentedLagrangian

        if not self.lagrangian.function.is_analytic:
            return False  # kinks stay
        sides, sign = (self.lower, self.upper), self.settings.sign
        way = AugmentedLagrangian(self.lagrangian, sides, sign, self.deadline)
        found = way.ended(self.origin or self.start, self.first)
        self.record.evaluations += way.evaluations
        each = zip(found, self.lower, self.upper, strict=True)
        self._stand_at(array("d", (inside(*one) for one in each)))
        return True

    def _call_kernel(self, steps: int) -> int:
        """Let the kernel begin, and make some steps that are not counted."""
        state = self.conditions
        kept = {name: getattr(state, name) for name in ("t", "last", "every")}
        state.started, state.every, state.last = 0, 0, state.t + steps
        status = self._continue()
        raise_pending()
        for name, value in kept.items():
            setattr(state, name, value)
        for k, each in zip(self.free, self.part("v", len(self.free)), strict=True):
            self.slots[k] = each
        self.gradient[:] = array(
            "d", (self.settings.sign * each for each in self.part("image", self.n))
        )
        return status

    @property
    def _was_less_violated(self) -> bool:
        """Whether the start satisfied the constraints better than the end does."""
        return self.conditions.violation > self.first_violation * (1.0 + CTOL)

    def _fail(self, status: int) -> None:
        """Keep the end of a try that is no success, if none was better."""
        state = self.conditions
        if not state.started:
            return  # nothing is known of it
        known = INFEASIBLE_IS_MORE if status == Status.INFEASIBLE else 1.0
        missed = known * state.violation if state.violation > CTOL else 0.0
        rank = missed, state.value if missed == 0.0 else 0.0
        if self.failed is None or rank < self.failed[0]:
            parts = (self.slots, self.gradient, self.memory)
            copies = [array("d", part) for part in parts]
            self.failed = rank, status, self.record.stored(), copies

    def _least_violated(self, status: int) -> int:
        """Be where constraints were violated least, or f was lowest, of all tries."""
        if self.failed is None:
            return status
        _, status, record, copies = self.failed
        counted = {name: getattr(self.record, name) for name in COUNTED}
        self.record.take(record)
        for name, count in counted.items():
            setattr(self.record, name, count)
        for part, copy in zip(
            (self.slots, self.gradient, self.memory), copies, strict=True
        ):
            part[:] = copy
        return status

    def _beside(self, x: array[float]) -> array[float]:
        """Return a point close by: a start may be a saddle point itself."""
        rng = random.Random(self.tries)
        moved = (a + BESIDE * max(1.0, abs(a)) * rng.uniform(-1.0, 1.0) for a in x)
        sides = zip(moved, self.lower, self.upper, strict=True)
        return array("d", (inside(*each) for each in sides))


def inside(x: float, low: float, high: float) -> float:
    """Return a number that is between two, and not at one of them."""
    if low == high:
        return low
    below = PUSHED * max(1.0, abs(low)) if low > -math.inf else 0.0
    above = PUSHED * max(1.0, abs(high)) if high < math.inf else 0.0
    if low > -math.inf and high < math.inf:
        below, above = (
            min(below, PUSHED * (high - low)),
            min(above, PUSHED * (high - low)),
        )
    return min(max(x, low + below), high - above)
