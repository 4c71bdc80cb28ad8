"""Where an end within constraints is no minimum: other ways to begin, one by one.

Elsewhere: restarts, a phase one that looks for a feasible point, and a fallback.
"""

from __future__ import annotations

import itertools
import math
import random
import time
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from symgd.descent.certificate import CTOL
from symgd.descent.constrained.row_units import units_of_rows
from symgd.descent.constrained.unbounded import BOTTOM, lower_for_ever
from symgd.descent.driving import SLICE_SECONDS
from symgd.descent.run import Run
from symgd.native.interrupts import Interrupts, is_noted
from symgd.native.machine import raise_pending
from symgd.native.status import RUNNING, Status
from symgd.native.stopping import flag

PUSHED = (
    1e-2  # from bounds, at the start, as ``kernels.sides``, which needs numba, has it
)
BARRIERS = (0.1, 10.0, 1e-2)  # first weights: what one doesn't solve, another may
TRIED = 250  # steps, after which they are to have come nearer
NEARER = 0.1  # times what the conditions were missed by, so many steps ago
FEASIBLE_STEPS = 300  # at most, to satisfy the constraints alone
SEEN = 1e-6  # of what a constraint changes by, as x does by its size: a violation
OF_SIDE = 0.1  # likewise, of the side that is missed
SMALL = 1e-5  # a change that is measured in a unit of its own
FELT = 1e-4  # of f: what a barrier is worth where it hides the minimum
ROUGHLY, LARGE_MULTIPLIER = 1e-6, 1e3  # a gradient, and a scaled multiplier
LATER = (0.1, 1e-3)  # likewise, from a feasible point, and from near an end
MOST_LEFT = 10  # ends that were no minima
SAME = 1e-7  # of f, and of what it changed by: what is as low
BESIDE = 1e-3  # where that begins, in sizes of x
INFEASIBLE_IS_MORE = 0.999  # times its violation: it says more than others
RANKED = ("known", "violation", "value", "status")  # of a failed end, as it is stored
NUMBERS = ("missed", "first_violation", "tail", "below")
LARGEST = 1e308  # of what is stored as text
COUNTED = ("t", "last", "rows", "evaluations", "waited")  # over all of these
AGAIN = (Status.ABNORMAL, Status.INFEASIBLE, Status.STATIONARY)
Rank: TypeAlias = tuple[float, float]  # of failed ends: violation, f where it is 0


class OutOfTime(Exception):
    """The time limit was reached, or an evaluation was cut short."""


class TriedRun(Run):
    """A run of ``kernels.interior`` that begins anew where it has found no minimum.

    At first with other barriers, beside the start; then where the constraints hold,
    wherever f leads; then where an augmented Lagrangian ends. What counts as a minimum
    is the same for all. Of failed ends it keeps the best.
    """

    tries: int  # how often it has begun anew
    waits: bool  # for another way to begin, which takes long
    is_over: bool  # as none is left
    left: int  # ends that were left for lower points close by
    missed: float  # of the conditions, when it last was given more steps
    first_violation: float
    failed: tuple[Rank, int, Any, list[array[float]]] | None
    tail: float  # f where it falls for ever, by ever less
    below: float  # the lowest f for which an end was left
    deadline: float
    heeds = False  # the deadline, and Ctrl-C: where an end is looked at
    conditions: Any  # the record
    lagrangian: Any
    start: array[float]
    sides: tuple[Sequence[float], Sequence[float]]
    small_sides: dict[int, float]  # by row
    free: Sequence[int]
    memory: array[float]

    def _stand_at(self, x: array[float]) -> None:
        raise NotImplementedError

    def _evaluated(self, x: Sequence[float]) -> tuple[float, array[float]]:
        raise NotImplementedError

    def _be_exact(self, status: int) -> bool:
        raise NotImplementedError

    def _lower_nearby(self) -> array[float] | None:
        raise NotImplementedError

    def _is_on_plateau(self) -> bool:
        raise NotImplementedError

    def _falls_on(self) -> bool:
        raise NotImplementedError

    def _is_saddle(self) -> bool:
        raise NotImplementedError

    def _called(self) -> int:
        """Call the kernel."""
        raise NotImplementedError

    def part(self, name: str, count: int) -> array[float]:
        """Return numbers that the kernel works with."""
        raise NotImplementedError

    def put(self, name: str, numbers: Sequence[float]) -> None:
        """Write such numbers."""
        raise NotImplementedError

    def _try(self) -> None:
        """Let the kernel begin at the start, with the next barrier."""
        state = self.conditions
        state.first_barrier = (*BARRIERS, *LATER)[self.tries]
        state.started, state.most_tried, self.missed = 0, TRIED, math.inf

    def judged(self, status: int) -> int:
        """Say how a run has ended; RUNNING if it is to be tried again.

        What is around an end may take longer to look at than the end took to find.
        """
        self.heeds = True
        try:
            return self._judged(status)
        except OutOfTime:
            return int(Status.TIME_LIMIT)
        finally:
            self.heeds = False

    def heed(self) -> None:
        """Stop looking around an end where time is over, or Ctrl-C was noted.

        Called after each evaluation: one that was cut short says nothing.
        """
        if not self.heeds:
            return
        if is_noted():
            raise KeyboardInterrupt
        if flag()[0] or time.perf_counter() >= self.deadline:
            raise OutOfTime

    def _judged(self, status: int) -> int:
        if self.is_over:
            return status
        if status != RUNNING:
            self._read_point()  # of no step is told where it is
        if self._be_exact(status):
            status = int(Status.CONVERGED)
        if status in (Status.CONVERGED, Status.STALLED):
            if (lower := self._lower_nearby()) and self.left < MOST_LEFT:
                self._leave_for(lower)
                return RUNNING
            if lower:
                return int(Status.STATIONARY)
            status = self._of_end(status)
        elif status == Status.ABNORMAL:
            self._is_missed_in_own_units()
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

    def _of_end(self, status: int) -> int:
        """Say what an end is, near which nothing lower was found."""
        if self._is_missed_in_own_units() or self._feels_the_barrier:
            return int(Status.ABNORMAL)
        return int(Status.STATIONARY if self._is_no_minimum() else status)

    def _leave_for(self, lower: array[float]) -> None:
        """Begin anew at a lower point, each time nearer to it."""
        self.left += 1
        self._stand_at(lower)
        self._call_kernel(0)  # it may be a minimum itself
        self.below = min(self.below, self.conditions.value)
        self._try()
        self.conditions.first_barrier *= NEARER**self.left

    def _is_no_minimum(self) -> bool:
        state = self.conditions
        least = SAME * (abs(self.below) + abs(state.value))
        if state.value > self.below + least:
            return True  # it is above where it has been
        return self._is_saddle() or self._is_in_tail()

    def _is_in_tail(self) -> bool:
        """Return whether f falls on for ever, or is as low as where it did.

        Far enough out its slope has left float64.
        """
        state = self.conditions
        size = abs(state.value) + abs(self.first - state.value)
        if abs(state.value - self.tail) <= SAME * size:
            return True
        if self._is_on_plateau() or self._falls_on():
            self.tail = state.value
            return True
        return False

    def _is_missed_in_own_units(self) -> bool:
        """Whether a violation is small only because all of its constraint is.

        Then less is allowed from here on.
        """
        state = self.conditions
        if state.visible <= 0.0:
            return False  # it is rounding
        units = units_of_rows(self._evaluated, self.x, (self.lower, self.upper))
        rows = self._evaluated(self.x)[1]
        least, own = math.inf, self.part("units", len(rows))
        constants = self.lagrangian.constants
        for k, (c, low, high) in enumerate(zip(rows, *self.sides, strict=True)):
            side = (low if low > c else high) - constants[k]
            size = min(SEEN * units[k], OF_SIDE * abs(side) or math.inf)
            if max(low - c, c - high) > size:
                least, own[k] = min(least, size), min(1.0, units[k], abs(side) or 1.0)
        if least == math.inf:
            return False
        state.ctol = min(state.ctol, least)
        self.put("units", own)  # in these it is tried again
        return True

    def _measure_sides(self) -> None:
        """Take small sides for units of their constraints, and allow less than they."""
        units = [1.0] * self.lagrangian.rows
        for k, size in self.small_sides.items():
            units[k] = size
        self.put("units", units)
        least = min(self.small_sides.values(), default=math.inf)
        self.conditions.ctol = min(CTOL, OF_SIDE * least)

    def _measures_rows(self) -> bool:
        """Take the units of constraints that change by little, if there are any."""
        units = units_of_rows(self._evaluated, self.x, (self.lower, self.upper))
        known = self.part("units", len(units))
        small = [
            min(each, unit) if unit < SMALL else each
            for each, unit in zip(known, units, strict=True)
        ]
        self.put("units", small)
        return small != known.tolist()

    @property
    def _is_infinite(self) -> bool:
        """Whether a derivative isn't finite where the run is, or began again."""
        return not (self.conditions.started and math.isfinite(self.conditions.norm))

    @property
    def _feels_the_barrier(self) -> bool:
        """Whether what the barrier is still worth is much of f, and of how it changed.

        Below some 1e-13 of the units of f and of the constraints it has no smaller
        weight.
        """
        state = self.conditions
        size = abs(state.value) + abs(self.first - state.value)
        return state.complementarity > FELT * size > 0.0

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
            self._try()
            return True
        self.waits = self.tries < len(BARRIERS) + len(LATER)
        return self.waits

    def _continue(self) -> int:
        if self.waits:
            found = self._goes_elsewhere()
            self.waits = False
            if not found:
                self.is_over = True
                return self._least_violated(int(Status.ABNORMAL))
            self._try()
        return self._called()

    def _goes_elsewhere(self) -> bool:
        """Stand where others begin, if they find such a place; it may take long."""
        if self.tries == len(BARRIERS):
            if self._satisfies_constraints_first():
                return True
            self.tries += 1
        return self._minimises_without()

    def _lacks_multipliers(self) -> bool:
        """Whether multipliers grow without bound where all else is as at a minimum.

        There the gradients of constraints depend on each other, or are 0: no way of
        beginning helps.
        """
        state, m = self.conditions, self.lagrangian.rows
        if not (
            state.started and state.visible <= state.ctol and state.norm <= ROUGHLY
        ):
            return False
        largest = max(map(abs, self.part("y", m)), default=0.0)
        return largest >= LARGE_MULTIPLIER

    def _falls_for_ever(self) -> bool:
        """Be where f is so low that there is no lowest, if the way leads there."""
        state = self.conditions
        if state.visible > state.ctol:
            return False
        if state.value < BOTTOM * max(1.0, abs(self.first)):
            return True
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
        if state.violation <= state.ctol:
            self._stand_at(self.x)
            return True
        if status == Status.INFEASIBLE and not self._was_less_violated:
            self._fail(status)
        return False

    def _minimises_without(self) -> bool:
        """Stand where f is lowest with a price for violations, if that is of use."""
        from symgd.descent.constrained.augmented_lagrangian import AugmentedLagrangian

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
        state.started, state.every = 0, 0
        status = self._in_slices(state.t + steps)
        for name, value in kept.items():
            setattr(state, name, value)
        self._read_point()
        return status

    def _read_point(self) -> None:
        """Be where the kernel is."""
        for k, each in zip(self.free, self.part("v", len(self.free)), strict=True):
            self.slots[k] = each
        self.gradient[:] = array(
            "d", (self.settings.sign * each for each in self.part("image", self.n))
        )

    def _in_slices(self, last: int) -> int:
        """Let the kernel go on to an iteration, if time and Ctrl-C allow."""
        state, size = self.conditions, 1
        with Interrupts() as stop:
            while True:
                begun = time.perf_counter()
                state.last = min(last, state.t + size)
                status = self._called()
                raise_pending()
                now = time.perf_counter()
                if status != RUNNING or state.t >= last or now >= self.deadline:
                    return status
                if stop.noted:
                    raise KeyboardInterrupt
                size *= 2 if now - begun < SLICE_SECONDS else 1

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
        missed = known * state.violation if state.violation > state.ctol else 0.0
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

    # ---------------------------------------------------- stored and continued

    def arrays(self) -> dict[str, array[Any]]:
        """Return all numbers that the run consists of, by name."""
        parts = (self.slots, self.gradient, self.memory)
        failed = array("d", bytes(8 * (len(RANKED) + sum(map(len, parts)))))
        record = self.record.stored()
        if self.failed is not None:
            rank, status, record, copies = self.failed
            failed = array("d", [1.0, *rank, status])
            for each in copies:
                failed += each
        return super().arrays() | {"failed": failed, "failed_record": record}

    def plan(self) -> dict[str, Any]:
        """Return what else is to be known to go on, as JSON can hold it."""
        numbers = {name: min(getattr(self, name), LARGEST) for name in NUMBERS}
        counts = {name: getattr(self, name) for name in ("tries", "left", "waits")}
        return super().plan() | counts | numbers

    def restore(self, stored: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        """Be where another run was when it was stored; raises likewise."""
        super().restore(stored, plan)
        self.tries, self.left = int(plan["tries"]), int(plan["left"])
        self.waits = bool(plan["waits"])
        for name in NUMBERS:
            setattr(self, name, float(plan[name]))
        most = len(BARRIERS) + len(LATER)
        if not (0 <= self.tries <= most and 0 <= self.left <= MOST_LEFT):
            raise ValueError(f"it can't have been tried {self.tries} times")
        self.deadline = time.perf_counter() + self.settings.time_limit
        known, missed, value, status, *rest = array("d", stored["failed"].tobytes())
        self.failed = None
        if known:
            sizes = [len(each) for each in (self.slots, self.gradient, self.memory)]
            ends = itertools.accumulate(sizes, initial=0)
            copies = [
                array("d", rest[first : first + size])
                for first, size in zip(ends, sizes, strict=False)
            ]
            record = array("q", stored["failed_record"].tobytes())
            self.failed = (missed, value), Status(int(status)), record, copies


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
