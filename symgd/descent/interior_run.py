"""The default method within constraints, as a run: an interior point method."""

from __future__ import annotations

import math
import random
import time
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from symgd.descent.certificate import CTOL, Certificate, Residuals
from symgd.descent.run import FARTHEST, NO_END, Run, floats
from symgd.descent.settings import Settings
from symgd.descent.unbounded import lower_for_ever
from symgd.errors import InputError
from symgd.kernels.shared import shared
from symgd.language.text import number
from symgd.native import records as layout
from symgd.native.machine import address, raise_pending
from symgd.native.status import RUNNING, Status
from symgd.objectives.bound_rows import Box
from symgd.objectives.objective import Objective
from symgd.objectives.points import Bounds

PUSHED = (
    1e-2  # from bounds, at the start, as ``kernels.sides``, which needs numba, has it
)
MOST = 3000  # rows of a matrix
NUDGES = 20  # of a start where not all is finite
BARRIERS = (0.1, 10.0, 1e-2)  # first weights: what one doesn't solve, another may
TRIED = 250  # steps, after which they are to have come nearer
NEARER = 0.1  # times what the conditions were missed by, so many steps ago
FEASIBLE_STEPS = 300  # at most, to satisfy the constraints alone
ROUGHLY, LARGE_MULTIPLIER = 1e-6, 1e3  # a gradient, and a scaled multiplier
LATER = (0.1, 1e-3)  # likewise, from a feasible point, and from near an end
MOST_LEFT = 10  # ends that were no minima
BESIDE = 1e-3  # where that begins, in sizes of x
RESISTING, NAMED = 1e-2, 4  # of the largest violation; so many names
INFEASIBLE_IS_MORE = 0.999  # times its violation: it says more than others
COUNTED = ("t", "last", "rows", "evaluations", "waited")  # over all of these
AGAIN = (Status.ABNORMAL, Status.INFEASIBLE, Status.STATIONARY)

Rank: TypeAlias = tuple[float, float]  # of failed ends: violation, f where it is 0

UNKNOWNS = (
    *("v", "z_low", "z_high", "slope", "barrier_slope", "trial", "begun"),
    *("dz_low", "dz_high"),
)
ROWS = ("scales", "y", "h", "h_trial", "h_more")
BOTH = ("right", "step", "other_step", "rest", "better")


class InteriorRun(Run):
    """A run of ``kernels.interior``."""

    name = "auto"
    short = 50
    begins_again = True

    def __init__(
        self, objective: Objective, bounds: Bounds, settings: Settings
    ) -> None:
        told = ("violation", "barrier")
        super().__init__(objective, bounds, settings, constants=told)
        assert objective.constraints is not None
        self.scheduled = frozenset(told)
        self.remembers = False  # values say nothing where constraints are violated
        self.lagrangian = whole = objective.constraints
        self.words = whole.function.parameter_values()
        self.sides = self.box.sides
        n, m, me = self.n, whole.rows, whole.equalities
        pairs = zip(self.lower, self.upper, strict=True)
        self.free = array("q", (k for k, (a, b) in enumerate(pairs) if a < b))
        self.counts = {
            "variables": n,
            "constraints": m,
            "equalities": me,
            "moving": len(self.free),
            "unknowns": len(self.free) + m - me,
        }
        self.record = self.conditions = layout.InteriorState()
        self._place(n, m)
        self.kernel = shared("interior")
        self.addresses = address(self.record), address(self.places)

    def _sides(self) -> tuple[array[float], array[float]]:
        self.box = Box(self.objective.constraints, self.bounds)
        return self.box.lower, self.box.upper

    def _place(self, n: int, m: int) -> None:
        """Allocate what the kernel works with."""
        size, every = self.counts["unknowns"], n + m + 1
        both = size + m
        if both > MOST:
            problem = f"{n} variables and {m} constraints: their matrices would be"
            raise InputError(f"{problem} too large; together at most about {MOST // 2}")
        lengths = {
            **dict.fromkeys(UNKNOWNS, size),
            **dict.fromkeys(ROWS, m),
            **dict.fromkeys(BOTH, both),
            "point": every,
            "image": every,
            "second": every * every,
            "system": both * both,
            "factors": both * both,
            "jacobian": m * size,
            "solved": 3 * size + m,
            "filter": 2 * layout.FILTER,
        }
        self.memory = floats(sum(lengths.values()))
        self.v_sides = floats(size), floats(size)
        self.start = floats(n)
        self.tries = self.left = 0
        self.missed = self.first_violation = self.deadline = math.inf
        self.failed: tuple[Rank, int, Any, list[array[float]]] | None = None
        function = self.lagrangian.function
        self.functions = function.kernel("evaluation"), function.kernel("hessian")
        self.places = layout.InteriorArrays(
            function=self.functions[0].address,
            hessian=self.functions[1].address,
            x=address(self.slots),
            gradient=address(self.gradient),
            constants=address(self.words),
            trace=address(self.rows),
            places=address(self.free),
            low=address(self.sides[0]),
            high=address(self.sides[1]),
            v_low=address(self.v_sides[0]),
            v_high=address(self.v_sides[1]),
        )
        self.starts: dict[str, int] = {}
        first = 0
        for name, length in lengths.items():
            setattr(self.places, name, address(self.memory) + 8 * first)
            self.starts[name], first = first, first + length

    def part(self, name: str, count: int) -> array[float]:
        """Return numbers that the kernel works with."""
        return self.memory[self.starts[name] : self.starts[name] + count]

    def prepare(self) -> None:
        """Compile nothing more: all that it needs is there."""

    def _continue(self) -> int:
        return self.kernel.call(*self.addresses)

    def _reset(self) -> None:
        self.record.clear()
        for name, count in self.counts.items():
            setattr(self.record, name, count)
        self.conditions.sign, self.conditions.ctol = self.settings.sign, CTOL
        self.tries, self.left, self.failed = 0, 0, None
        self.first_violation = math.inf
        self._try()

    def _try(self) -> None:
        """Let the kernel begin at the start, with the next barrier."""
        state = self.conditions
        state.first_barrier = (*BARRIERS, *LATER)[self.tries]
        state.started, state.most_tried, self.missed = 0, TRIED, math.inf

    def begin(self, x: Sequence[float]) -> int:
        """Evaluate the start, or a point beside it where all is finite."""
        self.deadline = time.perf_counter() + self.settings.time_limit
        status = self._begin_at(x)
        rng = random.Random(0)
        for _ in range(NUDGES):
            if status != Status.DIVERGED:
                break
            sizes = (0.1 * max(1.0, abs(a)) * rng.random() for a in self.slots)
            moved = [a + size for a, size in zip(self.slots, sizes, strict=True)]
            status = self._begin_at(moved)
        else:
            self.record.value = math.nan
        self.first_violation = self.conditions.violation
        return status

    def _begin_at(self, x: Sequence[float]) -> int:
        sides = zip(x, self.lower, self.upper, strict=True)
        inside = array("d", (_inside(*each) for each in sides))
        self._stand_at(inside)
        return super().begin(inside)

    def _stand_at(self, inside: array[float]) -> None:
        """Write a point where the kernel begins."""
        self.start[:] = inside
        first = self.starts["point"]
        self.memory[first : first + self.n] = inside
        for place, k in enumerate(self.free):
            self.memory[self.starts["v"] + place] = inside[k]
            self.v_sides[0][place] = self.lower[k]
            self.v_sides[1][place] = self.upper[k]

    # -------------------------------------------------------------- where it is

    @property
    def fun(self) -> float:
        """The value that is minimised, at the iterate."""
        return float(self.record.value)

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
        self._stand_at(array("d", (_inside(*one) for one in each)))
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

    def _lower_nearby(self) -> array[float] | None:
        """Return a lower point close by that satisfies the constraints, or None.

        Along directions in which f hardly curves it may fall by a third derivative.
        """
        from symgd.descent.beside import lower_within

        m, nx, size = self.lagrangian.rows, len(self.free), self.counts["unknowns"]
        found = lower_within(
            self._evaluated,
            self.x,
            self.origin or self.start,
            (self.lower, self.upper),
            self.sides,
            self.free,
            (self.part("jacobian", m * size), self.part("scales", m), (m, size, nx)),
            CTOL,
        )
        if found is None:
            return None
        sides = zip(found, self.lower, self.upper, strict=True)
        return array("d", (_inside(*each) for each in sides))

    def _evaluated(self, x: Sequence[float]) -> tuple[float, array[float]]:
        """Return what is minimised, and the constraints, at a point."""
        n, m = self.n, self.lagrangian.rows
        point = array("d", x) + floats(m) + array("d", [1.0])
        image = floats(n + m + 1)
        self.functions[0](*map(address, (point, self.words, image)))
        self.record.evaluations += 1
        return self.settings.sign * image[n + m], image[n : n + m]

    def _fail(self, status: int) -> None:
        """Keep the end of a try that is no success, if none was better."""
        state = self.conditions
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
        return array("d", (_inside(*each) for each in sides))

    def recall(self, status: Status) -> None:
        """Be as it was: all that it says is stored."""

    def _is_saddle(self) -> bool:
        return self.conditions.curved > 0

    def certificate(self) -> Certificate:
        """Return what shows that the end is a minimum, or how far it is from one."""
        m, me = self.lagrangian.rows, self.lagrangian.equalities
        nx, size = len(self.free), self.counts["unknowns"]
        state, sign = self.conditions, self.settings.sign
        where = self.lagrangian, self.objective.space, self.x
        if not state.started:  # nothing is known
            rows, nan = [math.nan] * m, math.nan
            return Certificate(
                *(*where, rows, rows, [nan] * self.n), Residuals(nan, nan, nan)
            )
        scales, y = self.part("scales", m), self.part("y", m)
        h, v = self.part("h", m), self.part("v", size)
        prices, values = [], []
        for k in range(m):
            prices.append(-sign * scales[k] * y[k] / state.scale + 0.0)
            own = self.sides[0][k] if k < me else v[nx + k - me] / scales[k]
            values.append(h[k] / scales[k] + own)
        residuals = Residuals(state.violation, state.norm, state.complementarity)
        return Certificate(
            *(*where, prices, values, self._prices_of_bounds(prices)), residuals
        )

    def _prices_of_bounds(self, prices: list[float]) -> list[float]:
        """Return the multipliers of bounds; enter those of rows that are bounds."""
        box, nx, bounds = self.box, len(self.free), [0.0] * self.n
        for k in box.rows:
            prices[k] = 0.0
        unit = self.settings.sign / self.conditions.scale
        for name, rows, factor in (
            ("z_low", box.low_rows, unit),
            ("z_high", box.high_rows, -unit),
        ):
            for k, z in zip(self.free, self.part(name, nx), strict=True):
                if row := rows.get(k):
                    prices[row.row] += row.sign * factor * z
                else:
                    bounds[k] += factor * z
        return bounds

    # ------------------------------------------------------------- what it says

    def told(self, status: Status) -> str:
        """Say why a run ended as it did, with the numbers."""
        state = self.conditions
        residuals = (
            f"the gradient of the Lagrangian is {number(state.norm)}, the violation "
            f"{number(state.violation)}, the complementarity "
            f"{number(state.complementarity)}"
        )
        if status == Status.CONVERGED:
            return residuals
        if status == Status.INFEASIBLE:
            return (
                "no point near here satisfies the constraints; the least violation "
                f"found is {number(state.violation)}, of {self._resisting()}"
            )
        if status == Status.STALLED:
            return (
                f"no lower value was found that satisfies the constraints; {residuals}"
            )
        if status == Status.ABNORMAL:
            return f"{self._why_lost()}; {residuals}"
        return f"{super().told(status)}; {residuals}"

    def _why_lost(self) -> str:
        """Say why there is no way on, as far as it shows."""
        if self._is_infinite:
            return "a derivative isn't finite there: whether it is a minimum isn't told"
        if self._lacks_multipliers():
            return (
                "multipliers grow without bound: where these constraints hold, their "
                "gradients are 0 or depend on each other; whether it is a minimum isn't "
                "told"
            )
        return "no step brings it nearer to a minimum"

    def _resisting(self) -> str:
        """Name the constraints that are violated, the most violated first."""
        m, me = self.lagrangian.rows, self.lagrangian.equalities
        low, high = self.lagrangian.sides
        values = self.certificate().values
        missed = {
            k: abs(values[k] - low[k])
            if k < me
            else max(low[k] - values[k], values[k] - high[k])
            for k in range(m)
        }
        least = RESISTING * self.conditions.violation
        rows = sorted((k for k in missed if missed[k] >= least), key=missed.__getitem__)
        names = [self.lagrangian.name_of(k) for k in reversed(rows)]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        return ", ".join(names[:NAMED]) + more

    def _not_a_minimum(self) -> str:
        best = "minimum" if self.settings.sign > 0 else "maximum"
        if not self._is_saddle():
            lower = "lower" if self.settings.sign > 0 else "higher"
            return f"f is {lower} nearby, where the constraints hold: it is no {best}"
        return f"f curves the other way within the constraints: it is no {best}"

    def blame(self) -> str:
        """Say what was not finite."""
        if self.t < 0:
            return "f, a constraint or a derivative isn't finite"
        falls = "falls" if self.settings.sign > 0 else "rises"
        return f"f {falls} without bound where the constraints hold,"

    # ---------------------------------------------------- stored and continued

    def arrays(self) -> dict[str, array[Any]]:
        """Return all numbers that the run consists of, by name."""
        sides = self.v_sides[0] + self.v_sides[1]
        kept = array("d", (min(max(each, -1e308), 1e308) for each in sides))
        own = {"memory": self.memory, "v_sides": kept, "tried_from": self.start}
        return super().arrays() | own

    def plan(self) -> dict[str, Any]:
        """Return what else is to be known to go on, as JSON can hold it."""
        missed = min(self.missed, 1e308)
        return super().plan() | {"tries": self.tries, "missed": missed}

    def restore(self, stored: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        """Be where another run was when it was stored; raises likewise."""
        super().restore(stored, plan)
        self.tries = int(plan["tries"])
        self.missed = float(plan["missed"])
        most = len(BARRIERS) + len(LATER)
        if not 0 <= self.tries <= most or not self.missed >= 0.0:
            raise ValueError(f"it can't have been tried {self.tries} times")
        sides = array("d", stored["v_sides"].tobytes())
        size = self.counts["unknowns"]
        for k, each in enumerate(sides):
            wide = math.copysign(math.inf, each) if abs(each) >= 1e308 else each
            self.v_sides[k // size][k % size] = wide

    def possible(self) -> dict[str, tuple[int, int]]:
        """Return between what each whole number of the record can be."""
        same = {name: (count, count) for name, count in self.counts.items()}
        names = ("restored", "crawled", "tiny", "tried", "polished")
        counted = dict.fromkeys(names, (0, FARTHEST))
        rows = {"worst": (0, max(0, self.lagrangian.rows - 1))}
        rows |= {"filtered": (0, layout.FILTER), "curved": (0, FARTHEST)}
        rows |= {"level": (0, FARTHEST)}
        rows |= {"started": (0, 1), "most_tried": (0, NO_END)}
        return super().possible() | same | counted | rows

    def _finite(self) -> Sequence[array[float]]:
        """Return what is finite between two slices."""
        return self.slots, self.gradient, self.memory


def _inside(x: float, low: float, high: float) -> float:
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
