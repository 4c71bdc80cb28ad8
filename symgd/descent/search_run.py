"""Runs that search along directions: where they end, and how they go on from there."""

from __future__ import annotations

import functools
import math
from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from symgd.descent.ends import (
    AT_ROUNDING,
    CLOSE,
    SMALL,
    Ending,
    examined,
    is_left_for_ever,
    promised_by_products,
    rises_around,
    sizes_of,
    turns,
    unless_least,
)
from symgd.descent.falling_on import (
    SMOOTH,
    falls_on,
    is_lost,
    lower_on_the_way,
    ran_away,
)
from symgd.descent.lower_points import (
    FELT,
    LOST,
    LowerPoint,
    at_other_sizes,
    beside_bounds,
    on_bounds,
)
from symgd.descent.rays import has_fallen_to_a_plateau, is_the_same_on_its_ray
from symgd.descent.run import (
    BEYOND_MEASURE,
    NO_END,
    TIGHTER,
    Run,
    floats,
    gradient_told,
    is_held,
    left_told,
    projected_norm,
)
from symgd.descent.settings import Settings
from symgd.kernels.shared import shared
from symgd.language.text import Told
from symgd.native import records as layout
from symgd.native.machine import address
from symgd.native.status import RUNNING, Status
from symgd.objectives.objective import Objective
from symgd.objectives.points import Bounds

if TYPE_CHECKING:
    from symgd.descent.kinks.at_end import Kink
    from symgd.descent.kinks.surfaces import Surface

MOST_ESCAPES = 50  # from ends that are no minima
SPENT = 5e-32  # of what f fell: squares of roundings
ENDS = Status.CONVERGED, Status.STALLED, Status.ABNORMAL, Status.STATIONARY


class SearchRun(Run):
    """A run that searches along directions, and ends where no step is acceptable.

    An end that is no minimum is left, where f is lower nearby.
    """

    short = 100
    loop = ""  # one of kernels.shared.LOOPS

    def __init__(
        self, objective: Objective, bounds: Bounds, settings: Settings, **options: Any
    ) -> None:
        self.given, self.poles = bounds, objective.poles
        within = bounds.copied() if self.poles else bounds
        super().__init__(objective, within, settings, **options)
        self.kernel = shared(self.loop)
        self.descend = self.kernel.call
        self.function = self.objective.kernel("evaluation")
        self.memory = floats(self.space(self.n))
        self.places = layout.RunArrays(
            function=self.function.address,
            x=address(self.slots),
            gradient=address(self.gradient),
            constants=address(self.parameters),
            lower=address(self.lower),
            upper=address(self.upper),
            memory=address(self.memory),
            trace=address(self.rows),
        )
        self.addresses = address(self.record), address(self.places)
        self.escapes = 0
        self.kink: Kink | None = None
        self.kinks_left: set[bytes] = set()  # the points from which it went on

    @staticmethod
    def space(n: int) -> int:
        """Return how many numbers the method remembers and works with."""
        raise NotImplementedError

    @property
    def among_many(self) -> int:
        """How many iterations it makes at once where there are many starts.

        What needs more is repeated alone, in slices.
        """
        return NO_END

    def goes_alone(self, _start: Any, _parameters: Any) -> bool:
        """Whether a start among many is not for the loop around :attr:`kernel`."""
        return bool(self.poles)

    def _continue(self) -> int:
        return self.descend(*self.addresses)

    def begin(self, x: Sequence[float]) -> int:
        """Evaluate the start; DIVERGED if the objective is not finite there."""
        self.escapes, self.kink, self.kinks_left = 0, None, set()
        self._stay_between_poles(x)
        return super().begin(x)

    def _stay_between_poles(self, x: Sequence[float]) -> None:
        """Have bounds there: no step shows that f is infinite on its way."""
        for k, last in self.poles.items():
            apart = math.floor(x[k] - last)
            low = last + min(apart, 0)
            high = math.inf if apart >= 0 else low + 1.0
            self.lower[k] = max(low, self.given.lower[k])
            self.upper[k] = min(high, self.given.upper[k])

    def judged(self, status: int) -> int:
        """Say how a run has ended, by what the end is; RUNNING if it is to go on."""
        lost = self.bounded and status == Status.ABNORMAL
        if lost and self._leaves_for(beside_bounds(self)):
            return self._goes_on(self.settings.gtol)
        status = self._by_what_it_is(status)
        if not self.bounded or status not in ENDS:
            return status
        if (lower := on_bounds(self, status)) is None and status in LOST:
            lower = beside_bounds(self)
        if self._leaves_for(lower):
            return self._goes_on(self.settings.gtol)
        return status if lower is None or status in LOST else int(Status.ABNORMAL)

    def _leaves_for(self, lower: LowerPoint | None) -> bool:
        """Go on from a lower point, if there is one with slopes."""
        f, there, slopes = lower or (math.inf, self.x, None)
        return slopes is not None and self._leaves(there, f, slopes)

    def _by_what_it_is(self, status: int) -> int:
        if status not in (Status.CONVERGED, Status.STALLED, Status.ABNORMAL):
            return status
        if self.impatient:
            return super().judged(status)
        close = self.close if status == Status.CONVERGED else AT_ROUNDING
        end = examined(self, close)
        seen = BEYOND_MEASURE * (abs(self.fun) + max(0.0, self.first - self.fun))
        spent = not end.promised > seen
        if end.verdict == layout.FLAT and spent and is_the_same_on_its_ray(self):
            end = end._replace(verdict=layout.EXACT)
        self.ending = end
        self.record.evaluations += end.evaluations
        if end.verdict in (layout.EXACT, layout.SADDLE) and self._turns():
            return self._at_kink(int(Status.CONVERGED), end)
        if end.verdict == layout.EXACT:
            return self._of_exact(end)
        asked = self._tolerance(end)
        if end.verdict == layout.LOWER and self._leaves(end.x, end.fun, end.gradient):
            return self._goes_on(asked)
        if status == Status.CONVERGED:
            return self._converged(end)
        return self._out_of_steps(status, end)

    def _of_exact(self, end: Ending) -> int:
        """Return how a run has ended that has nothing to gain close by."""
        still = self.norm == 0.0 and self.objective.is_smooth
        if still and has_fallen_to_a_plateau(self):
            return self._in_tail(end)
        return self._unless_it_falls_on(Status.CONVERGED, end)

    def _unless_it_falls_outward(self, status: Status, end: Ending) -> int:
        """Return a status, unless f, of many variables, falls for ever from 0."""
        from symgd.descent.falls import falls_outward

        kernel, parameters, point, sides = self.around()
        around = kernel, parameters, point, sides, self.first - self.fun
        if self.origin or not falls_outward(*around) or is_the_same_on_its_ray(self):
            return int(status)
        return self._in_tail(end)

    def _unless_it_falls_on(
        self, status: Status, end: Ending, surfaces: Sequence[Surface] = ()
    ) -> int:
        """Return a status, unless f is lower farther on, or falls for ever."""
        if self.settings.rough:
            return int(status)
        if end.verdict == layout.INEXACT and end.weak and is_left_for_ever(self):
            return self._in_tail(end)
        if not self.origin:
            return self._unless_it_falls_outward(status, end)
        if self.objective.is_smooth and not ran_away(self):
            return int(status)
        if ran_away(self) and is_the_same_on_its_ray(self):
            return int(status)
        lower = lower_on_the_way(self) if ran_away(self) else None
        if lower is not None and self._leaves(*lower):
            return self._goes_on(self.settings.gtol)
        falls = lower is not None or falls_on(self, surfaces) or is_lost(self, end)
        # Beside a level ray f falls along it, in digits that float64 doesn't have.
        if falls and (lower is not None or not is_the_same_on_its_ray(self)):
            return self._in_tail(end)
        return int(status)

    def _in_tail(self, end: Ending) -> int:
        self.kink, self.ending = None, end._replace(verdict=layout.FLAT)
        return int(Status.STATIONARY)

    @property
    def sizes(self) -> Sequence[float]:
        """How large coordinates are, or were taken for where a kink was found."""
        known = self.kink is not None and self.kink.units
        return known or sizes_of(self.x, self.origin)

    def around(self) -> tuple[Any, ...]:
        """Return what evaluates f near the end: with the point, and the bounds."""
        kernel = self.objective.kernel("evaluation")
        point = self.x, self.fun, self.gradient
        return kernel, self.parameters, point, (self.lower, self.upper)

    @property
    def close(self) -> float:
        """How much of x Newton's step may change where an end is exact."""
        return CLOSE if self.settings.relative else math.inf

    def recall(self, status: Status) -> None:
        """Find out again what the end is, of a run that was stored after it."""
        at_rounding = self.norm > self.record.gtol
        if self.ending is None and status in (Status.CONVERGED, Status.STATIONARY):
            end = examined(self, AT_ROUNDING if at_rounding else self.close)
            if at_rounding and end.verdict != layout.EXACT:
                end = unless_least(self, end)
            self.ending = end
            if at_rounding and end.verdict != layout.EXACT:
                from symgd.descent.kinks.at_end import kink_at

                self.kink = kink_at(self)

    def _converged(self, end: Ending) -> int:
        """Return how a run has ended that may have more to gain."""
        if end.verdict == layout.FLAT and self._has_gained_nothing:
            return self._at_kink(int(Status.STATIONARY), end)
        if end.verdict in (layout.LOWER, layout.FLAT, layout.SADDLE):
            return int(Status.STATIONARY)
        if end.verdict == layout.UNKNOWN or not self.settings.relative:
            return self._unless_it_falls_outward(Status.CONVERGED, end)
        if self.norm == 0.0:
            return int(Status.STATIONARY)
        self.tighten()
        self.sharpen()
        return RUNNING

    def sharpen(self) -> None:
        """Go on in a way that finds smaller gradients, where there is one."""
        if not self.record.newton:
            self.next_stage()

    def _out_of_steps(self, status: int, end: Ending) -> int:
        """Return how a run has ended that finds no step."""
        if self.next_stage():
            return RUNNING
        if end.verdict == layout.FLAT:
            return int(Status.STATIONARY)
        ended = self.ending_of(status, end)
        if ended == Status.ABNORMAL:
            self.ending = end = unless_least(self, end)
            if end.least:
                relative = self.settings.relative
                return int(Status.CONVERGED if relative else Status.STALLED)
            if end.verdict == layout.LOWER and self._leaves(
                end.x, end.fun, end.gradient
            ):
                return self._goes_on(self.settings.gtol)
        if ended == Status.STALLED and self._may_be_at_kink:
            ended = self._at_kink(ended, end)
            if ended != Status.STALLED:
                return ended
        if ended == Status.STALLED:
            return self._unless_it_falls_on(Status.STALLED, end)
        if not self.origin:
            return ended
        return self._at_kink(int(Status.ABNORMAL), end)

    def _at_kink(self, status: int, end: Ending) -> int:
        """Look for a kink at an end; without one, return a status."""
        from symgd.descent.kinks.at_end import kink_at

        self._return_to_start()
        self.kink = kink = kink_at(self)
        self.record.evaluations += kink.evaluations
        if kink.lower is not None and self._leaves(*kink.lower):
            if (there := self.x.tobytes()) not in self.kinks_left:
                self.kinks_left.add(there)
                return self._goes_on(self.settings.gtol)
            # The search came back to beside it, where f is the same to rounding.
            self.kink = kink = kink_at(self)
            self.record.evaluations += kink.evaluations
        if kink.is_minimum and (lower := at_other_sizes(self)) is not None:
            if self._leaves_for(lower):
                return self._goes_on(self.settings.gtol)
            self.kink = None
            return int(Status.ABNORMAL)
        flat = not self.objective.is_smooth and self._may_be_flat()
        if kink.is_minimum and (kink.surfaces or flat):
            at_jump = Status(self._before_a_jump() or Status.CONVERGED)
            if not (kink.surfaces or self._has_kinks_near):
                self.kink = None  # it is a smooth minimum, of a steep valley
            return self._unless_it_falls_on(at_jump, end, kink.surfaces)
        if status != Status.CONVERGED:
            return status
        self.kink = None
        if end.verdict == layout.SADDLE:
            return int(Status.STATIONARY)
        return self._of_exact(end)

    @property
    def _has_gained_nothing(self) -> bool:
        """Whether f, that may have kinks, is as at the start, which it has left."""
        gained = self.first - self.fun > BEYOND_MEASURE * abs(self.fun)
        moved = bool(self.origin) and self.x != self.origin
        return moved and not gained and not self.objective.is_smooth

    def _return_to_start(self) -> None:
        """Be at the start again if f is as low there: it may be the kink itself."""
        if not self._has_gained_nothing:
            return
        x, gradient = array("d", self.origin), array("d", bytes(8 * self.n))
        kernel = self.objective.kernel("evaluation")
        fun = float(kernel(*map(address, (x, self.parameters, gradient))))
        self.record.evaluations += 1
        self.slots[: self.n], self.gradient[:] = x, gradient
        self.record.value = fun
        self.record.norm = projected_norm(x, gradient, self.lower, self.upper)

    def _may_be_flat(self) -> bool:
        """Return whether gradients whose mean is 0 are no noise of a steep valley."""
        small = self.norm <= min(self.settings.gtol, SMALL * self.steepest)
        return small or self._has_kinks_near

    @property
    def _has_kinks_near(self) -> bool:
        """Whether a part of the formula may have a kink near the point."""
        from symgd.descent.kinks.surfaces import may_have_kinks

        units = sizes_of(self.x, self.origin)
        return may_have_kinks(self.objective, self.x, units)

    @property
    def _may_be_at_kink(self) -> bool:
        """Whether it may be a kink, of a root perhaps, that hides what is left."""
        if not self.origin or self.objective.is_smooth:
            return False
        steep = not self.norm <= max(self.settings.gtol, SMALL * self.steepest)
        return steep and self._has_kinks_near

    def _turns(self) -> bool:
        """Return whether the gradient is another close beside an end: at a kink."""
        if self.objective.is_smooth or not self.origin:
            return False
        self.record.evaluations += 2 * self.n + 1
        kernel, sides = self.objective.kernel("evaluation"), (self.lower, self.upper)
        sizes = sizes_of(self.x, self.origin)
        ways = kernel, self.parameters, self.x, sides, sizes
        return turns(*ways, SMALL * self.steepest)

    def ending_of(self, status: int, end: Ending) -> int:
        """Return the status of a run that can do no more: STALLED or ABNORMAL.

        What a step promises says nothing at a kink, but there the gradient is not
        small.
        """
        spent = SPENT * max(0.0, self.first - self.fun)
        if math.isnan(end.promised):
            reach = self.norm * max(1.0, max(map(abs, self.x)))
            smooth = status == Status.STALLED and reach <= SMOOTH * abs(self.fun)
            small = min(self.settings.gtol, SMALL * self.steepest)
            smooth = smooth or self.norm <= small
            smooth = smooth or end.at_most <= max(BEYOND_MEASURE * abs(self.fun), spent)
            smooth = smooth or promised_by_products(self) <= spent
        elif end.promised == 0.0 and self._is_steep:
            smooth = False  # second derivatives have left float64
        else:
            smooth = end.promised <= max(BEYOND_MEASURE * abs(self.fun), spent)
            smooth = smooth or self._is_at_rounding(end)
        return int(Status.STALLED if smooth else Status.ABNORMAL)

    @property
    def _is_steep(self) -> bool:
        """Whether its slope, as far as coordinates are large, is much of f."""
        sides = zip(self.x, self.gradient, self.lower, self.upper, strict=True)
        slopes = [0.0 if is_held(*each) else abs(each[1]) for each in sides]
        felt = sum(map(math.prod, zip(slopes, self.sizes, strict=True)))
        scale = max(abs(self.fun), self.first - self.fun)
        return self.norm > self.settings.gtol and felt > FELT * scale

    def _is_at_rounding(self, end: Ending) -> bool:
        """Return whether f, whose terms cancel, doesn't show what is left to gain.

        Its gradient is within the tolerance; Newton's step was tried, and f rises all
        around.
        """
        fallen = self.first - self.fun
        return (
            self.norm <= self.settings.gtol
            and self.objective.is_analytic
            and end.verdict == layout.INEXACT
            and end.promised <= BEYOND_MEASURE * fallen
            and rises_around(self)
        )

    def _leaves(self, x: array[float], fun: float, gradient: array[float]) -> bool:
        """Go on from a lower point, as with an iteration; return whether it may."""
        if self.escapes >= MOST_ESCAPES:
            return False
        self._harvest()
        self.escapes += 1
        self.record.t += 1
        far = sum(abs(b - a) for a, b in zip(self.x, x, strict=True))
        slope = (self.fun - fun) / far if far > 0.0 else 0.0
        self.slots[: self.n], self.gradient[:] = x, gradient
        self.record.value = fun
        self.record.norm = projected_norm(x, gradient, self.lower, self.upper)
        # At the start, where it may be 0, the gradient says nothing of what is small.
        there = self.at_start
        there.norm = max(there.norm, self.norm, slope if slope < math.inf else 0.0)
        if self.record.every and self.t % self.record.every == 0:
            row = array("d", [self.t, fun, self.norm, *x])
            self.recorded += row + array("d", [math.nan] * len(self.constants))
        return True

    def _tolerance(self, end: Ending) -> float:
        """Return which gradient is asked for on the way on from an end.

        Where it had more to gain than that, it asked for too little.
        """
        gtol = self.settings.gtol
        loose = self.settings.relative and end.moved > self.close
        return min(gtol, TIGHTER * self.norm) if loose and self.norm > 0.0 else gtol

    def _goes_on(self, gtol: float) -> int:
        self.kink = None
        self.record.gtol = gtol
        self.restart()
        if self.fun <= self.settings.target:
            return int(Status.TARGET_REACHED)
        if self.fun < self.record.bottom:
            return int(Status.DIVERGED)
        small = self.norm <= gtol
        if small and self.settings.relative and self.norm > 0.0:
            self.tighten()
            return RUNNING
        return self.judged(int(Status.CONVERGED)) if small else RUNNING

    def restart(self) -> None:
        """Forget what was learnt elsewhere."""
        raise NotImplementedError

    def next_stage(self) -> bool:
        """Go on in another way; return whether there is one."""
        return False

    def arrays(self) -> dict[str, array[Any]]:
        """Return all numbers that the run consists of, by name."""
        return super().arrays() | {"memory": self.memory}

    def plan(self) -> dict[str, Any]:
        """Return what else is to be known to go on, as JSON can hold it."""
        return super().plan() | {"escapes": self.escapes}

    def restore(self, stored: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        """Be where another run was when it was stored; raises likewise."""
        super().restore(stored, plan)
        self.escapes = int(plan["escapes"])
        if not 0 <= self.escapes <= MOST_ESCAPES:
            raise ValueError(f"it can't have left {self.escapes} ends")

    def found(self, status: Status) -> str:
        """Return what a success is, where it is no minimum; else nothing."""
        return "" if self.kink is not None else super().found(status)

    def message(self, status: Status) -> Told:
        """Say why the run ended, with the numbers; most never ask at a minimum."""
        least = self.ending is not None and self.ending.least
        if status != Status.CONVERGED or self.kink is not None or least:
            return super().message(status)
        end = self.norm, self.settings, self.bounded, self.ending
        return functools.partial(_converged, *end)

    def told(self, status: Status) -> str:
        """Say why a run ended as it did, with the numbers."""
        hole = self.kink is not None and self.kink.is_hole
        at_kink = status == Status.CONVERGED and self.kink is not None
        if self.kink is not None and (at_kink or (hole and status == Status.ABNORMAL)):
            return self.kink.told(self._gradient_told())
        return super().told(status)

    def _before_a_jump(self) -> int:
        """Return ABNORMAL where f falls up to a jump, else 0."""
        from symgd.descent.jumps import stands_before

        if not self.objective.has_jumps or not self.origin:
            return 0
        sizes = sizes_of(self.x, self.origin)
        point, sides = (self.x, self.fun, self.gradient), (self.lower, self.upper)
        kernel = self.objective.kernel("evaluation")
        stands = stands_before(kernel, self.parameters, point, sides, sizes)
        return int(Status.ABNORMAL) if stands else 0

    def _lost(self) -> str:
        """Say why there is no way on."""
        if self.impatient or not self._before_a_jump():
            return super()._lost()
        falls = "falls" if self.settings.sign > 0 else "rises"
        return f"f {falls} up to a jump close by, whose near side it doesn't attain"

    def blame(self) -> str:
        """Say what was not finite."""
        if self.t < 0:
            return super().blame()
        falls = "falls" if self.settings.sign > 0 else "rises"
        return f"f {falls} without bound,"


def _converged(
    norm: float, settings: Settings, bounded: bool, end: Ending | None
) -> str:
    return gradient_told(norm, settings.gtol, bounded) + left_told(end, settings)
