"""Runs that search along directions: where they end, and how they go on from there."""

from __future__ import annotations

import functools
import math
from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from symgd.descent.ends import (
    AT_ROUNDING,
    CLOSE,
    SMALL,
    Ending,
    examined,
    is_left_for_ever,
    is_level,
    promised_by_products,
    rises_around,
    sizes_of,
    turns,
    unless_least,
)
from symgd.descent.run import (
    NO_END,
    NOISE,
    TIGHTER,
    Run,
    all_finite,
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
from symgd.objectives.points import Bounds, beside_a_wall

if TYPE_CHECKING:
    from symgd.descent.kinks.at_end import Evaluated, Kink
    from symgd.descent.kinks.surfaces import Surface

MOST_ESCAPES = 50  # from ends that are no minima
BEYOND_MEASURE = 1e3 * NOISE  # of f, which may have lost digits on the way
SPENT = 5e-32  # of what f fell: squares of roundings
RAN_AWAY = 1e6  # times as far as it began
SIZES = tuple(10.0**k for k in range(-12, 7))  # times x: where f may be the same
PARTS = (0.5, 0.9, 1.0, 1.1, 2.0)  # likewise, of how far along the ray it began
ALIKE = tuple(1.0 + k * 2.0**-40 for k in (-4, -3, -2, -1, 1, 2, 3, 4))  # by rounding
BESIDE, VISIBLE = 0.03, 1e-6  # the ray, in parts of x, and by what part of its fall f
NEARER = 1e-100, 1e-10, 1e-3, 1e3, 0.0  # times a coordinate
TINY = 1e-6  # of its unit: a coordinate that may be of any size
AT_BOUND = 1e-15  # of x, or of how far it has come: from a bound
FELT = 3e-6  # of f: what a slope changes it by, where a step may still lower it
SMOOTH = 1e-2  # at a minimum, the gradient changes f by no more of it on the way to 0


ENDS = Status.CONVERGED, Status.STALLED, Status.ABNORMAL, Status.STATIONARY
LOST = Status.ABNORMAL, Status.STATIONARY
LowerPoint: TypeAlias = (
    "tuple[float, array[float], array[float] | None]"  # f, x, slopes
)


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
        if lost and self._leaves_for(self._beside_bounds()):
            return self._goes_on(self.settings.gtol)
        status = self._by_what_it_is(status)
        if not self.bounded or status not in ENDS:
            return status
        if (lower := self._on_bounds(status)) is None and status in LOST:
            lower = self._beside_bounds()
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
        if end.verdict == layout.FLAT and spent and self._is_a_ratio():
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

    def _on_bounds(self, status: int) -> LowerPoint | None:
        """Return the point on bounds that are as near as rounding, if f is lower there.

        Where its slope is infinite, f falls by much on the last bit of the way. What is
        lost beside them needn't be higher.
        """
        there, each = self.x, zip(self.x, self.lower, self.upper, strict=True)
        for k, (x, low, high) in enumerate(each):
            width = min(1.0, high - low) if status in LOST else 0.0
            size = max(abs(x), abs(x - self.origin[k]), width) if self.origin else 0.0
            near = AT_BOUND * size
            if 0.0 < x - low <= near:
                there[k] = low
            elif 0.0 < high - x <= near:
                there[k] = high
        return self._if_lower(there, status in LOST)

    def _beside_bounds(self) -> LowerPoint | None:
        """Return a point off bounds at which f falls steeply, if it is lower there.

        So near to them no step has a length.
        """
        slopes = floats(self.n)
        sides = zip(self.x, self.gradient, self.lower, self.upper, strict=True)
        for k, (x, slope, low, high) in enumerate(sides):
            wall = low if slope < 0.0 else high
            if slope and abs(x - wall) <= AT_BOUND * max(abs(x), min(1.0, high - low)):
                slopes[k] = math.copysign(math.inf, slope)
        return self._if_lower(beside_a_wall(self.x, slopes, self.bounds))

    def _at_other_sizes(self) -> LowerPoint | None:
        """Return a point where f is lower as a coordinate is much nearer to 0, or at 0.

        A power's slope is infinite there, and as steep at any size.
        """
        units = self._sizes
        for k, (x, unit) in enumerate(zip(self.x, units, strict=True)):
            for size in NEARER if 0.0 < abs(x) < TINY * unit else ():
                there = self.x
                there[k] = min(max(x * size, self.lower[k]), self.upper[k])
                lower = self._if_lower(there)
                if lower and lower[0] < self.fun - FELT * (self.first - self.fun):
                    return lower
        return None

    def _if_lower(
        self, there: array[float], or_equal: bool = False
    ) -> LowerPoint | None:
        """Return f, a point, and slopes if they are numbers; None if f isn't lower."""
        if there == self.x:
            return None
        f, slopes = self._known_at(there)
        lower = f < self.fun - NOISE * abs(self.fun)
        if not (lower or (or_equal and f == self.fun)):
            return None
        ends = zip(there, slopes, self.lower, self.upper, strict=True)
        usable = all(math.isfinite(end[1]) or is_held(*end) for end in ends)
        return f, there, slopes if usable else None

    def _known_at(self, there: array[float]) -> tuple[float, array[float]]:
        """Return value and slopes at a point, which may be limits."""
        slopes = floats(self.n)
        kernel = self.objective.kernel("evaluation")
        f = float(kernel(*map(address, (there, self.parameters, slopes))))
        self.record.evaluations += 1
        if self.objective.arrays is None and not all_finite(array("d", [f, *slopes])):
            import numpy as np

            from symgd.objectives.beyond_float64 import mended

            numbers = np.array(there), f, np.asarray(slopes)
            f = mended(self.objective, "evaluation", *numbers)
        return f, slopes

    def _is_a_ratio(self) -> bool:
        """Return whether f is the same along the ray through the point, and not beside.

        Rayleigh's quotient and Sharpe's ratio depend on directions only, and so does
        where ``sqrt(x**2 + y**2) - x`` is least, whose rounding grows with x. Beside
        that ray they fall along it, by ever less: that is no tail. On a
        plateau f is the same beside the ray, too; in a tail it is higher where the run
        began.
        """
        x, fallen = self.x, self.first - self.fun
        square = sum(each * each for each in x)
        if self.n == 1 or not (fallen > BEYOND_MEASURE * abs(self.fun) and square):
            return False
        nearby = (self._value_at(array("d", (size * e for e in x))) for size in ALIKE)
        rounding = max(abs(value - self.fun) for value in nearby)
        noise = max(NOISE * (abs(self.fun) + fallen), 4.0 * rounding)
        origin = self.origin or self.far_origin or x
        begun = sum(a * b for a, b in zip(x, origin, strict=True)) / square
        sizes = (*SIZES, *(part * begun for part in PARTS), (1.0 + begun) / 2.0)
        for size in () if self._is_0_on_a_ray() else (s for s in sizes if s > 0.0):
            change = self._value_at(array("d", (size * e for e in x))) - self.fun
            if not abs(change) <= noise * max(1.0, size):
                return False
        largest = max(map(abs, x))
        for k in range(self.n):
            beside = array("d", x)
            beside[k] += BESIDE * largest
            if self._value_at(beside) > self.fun + VISIBLE * fallen:
                return True
        return False

    def _is_0_on_a_ray(self) -> bool:
        """Return whether f, which is 0 but for rounding, is so along the ray, too."""
        from symgd.calculus.homogeneous import degree
        from symgd.language.formula import symbol

        objective, fallen = self.objective, self.first - self.fun
        if objective.arrays is not None or abs(self.fun) > BEYOND_MEASURE * fallen:
            return False
        known = degree(objective.expression, set(map(symbol, objective.space)))
        return known is not None and bool(known > 0)

    def _is_on_plateau(self) -> bool:
        """Return whether f, which has fallen, is exactly the same all around."""
        if not self.first > self.fun or not self.origin:
            return False
        return is_level(self.fun, self.x, self._sizes, self._value_at)

    def _value_at(self, x: array[float]) -> float:
        """Return f at a point; NaN out of bounds."""
        for low, each, high in zip(self.lower, x, self.upper, strict=True):
            if not low <= each <= high:
                return math.nan
        slope, kernel = floats(self.n), self.objective.kernel("evaluation")
        return float(kernel(*map(address, (x, self.parameters, slope))))

    def _of_exact(self, end: Ending) -> int:
        """Return how a run has ended that has nothing to gain close by."""
        if self.norm == 0.0 and self.objective.is_smooth and self._is_on_plateau():
            return self._in_tail(end)
        return self._unless_it_falls_on(Status.CONVERGED, end)

    def _unless_it_falls_outward(self, status: Status, end: Ending) -> int:
        """Return a status, unless f, of many variables, falls for ever from 0."""
        from symgd.descent.falls import falls_outward

        kernel, parameters, point, sides = self._around()
        around = kernel, parameters, point, sides, self.first - self.fun
        tail = not self.origin and falls_outward(*around)
        return self._in_tail(end) if tail and not self._is_a_ratio() else int(status)

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
        if self.objective.is_smooth and not self._ran_away:
            return int(status)
        if self._ran_away and self._is_a_ratio():
            return int(status)
        lower = self._lower_on_the_way() if self._ran_away else None
        if lower is not None and self._leaves(*lower):
            return self._goes_on(self.settings.gtol)
        falls = lower is not None or self._falls_on(surfaces) or self._is_lost(end)
        # Beside a level ray f falls along it, in digits that float64 doesn't have.
        if falls and (lower is not None or not self._is_a_ratio()):
            return self._in_tail(end)
        return int(status)

    def _is_lost(self, end: Ending) -> bool:
        """Return whether it ran away to where f, as steep as it was, has no digits.

        At a kink nothing is promised by a step.
        """
        if self.kink is not None:
            return False
        fallen = self.first - self.fun
        return self._ran_away and end.promised > SMOOTH * fallen

    @property
    def _ran_away(self) -> bool:
        """Whether it is so far from where it began that f may fall without bound."""
        began = max(map(abs, self.origin)) or 1.0
        return max(map(abs, self.x)) > RAN_AWAY * began

    def _lower_on_the_way(self) -> Evaluated | None:
        """Return a point farther on where f is visibly lower."""
        from symgd.descent.falls import lower_on

        way = [a - b for a, b in zip(self.x, self.origin, strict=True)]
        kernel, sides = self.objective.kernel("evaluation"), (self.lower, self.upper)
        return lower_on(kernel, self.parameters, (self.x, self.fun), sides, way)

    def _in_tail(self, end: Ending) -> int:
        self.kink, self.ending = None, end._replace(verdict=layout.FLAT)
        return int(Status.STATIONARY)

    def _falls_on(self, surfaces: Sequence[Surface] = ()) -> bool:
        """Return whether f falls for ever, by ever less, also along some kinks."""
        from symgd.descent.falls import falls_for_ever
        from symgd.descent.kinks.surfaces import along

        way = [a - b for a, b in zip(self.x, self.origin, strict=True)]
        sizes = self._sizes
        ways = [way, *along(surfaces, sizes)] if surfaces else [way]
        kernel, parameters, point, sides = self._around()
        fallen = self.first - self.fun
        return falls_for_ever(
            kernel, parameters, point, sides, sizes, ways, fallen
        ) or self._falls_unseen(way, surfaces)

    def _falls_unseen(self, way: Sequence[float], surfaces: Sequence[Surface]) -> bool:
        """Return whether f falls for ever, by less than float64 shows."""
        from symgd.descent.falls import may_fall
        from symgd.descent.kinks.surfaces import surfaces_near
        from symgd.descent.many_digits import ManyDigits
        from symgd.descent.recession import falls_along_bent_kinks, falls_in_all_digits

        if self.objective.arrays is not None:
            return False
        sizes, fallen = self._sizes, self.first - self.fun
        kernel, parameters, point, sides = self._around()
        surfaces = surfaces or surfaces_near(self.objective, self.x, sizes)
        kinks = [surface.expression for surface in surfaces]
        seen = ManyDigits(self.objective, self.x, sizes, fallen + abs(self.fun))

        def may(way: array[float]) -> bool:
            return may_fall(kernel, parameters, point, sides, way, fallen)

        if falls_in_all_digits(seen, sides, kinks, way, may):
            return True
        return falls_along_bent_kinks(seen, sides, kinks)

    @property
    def _sizes(self) -> Sequence[float]:
        """How large coordinates are, or were taken for where a kink was found."""
        known = self.kink is not None and self.kink.units
        return known or sizes_of(self.x, self.origin)

    def _around(self) -> tuple[Any, ...]:
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
        if kink.is_minimum and (lower := self._at_other_sizes()) is not None:
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
        felt = sum(map(math.prod, zip(slopes, self._sizes, strict=True)))
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
        self.begun[1] = max(self.begun[1], self.norm, slope if slope < math.inf else 0)
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
