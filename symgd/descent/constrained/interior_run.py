"""The default method within constraints, as a run: an interior point method."""

from __future__ import annotations

import math
import random
import time
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from symgd.descent.certificate import CTOL, Certificate, Residuals
from symgd.descent.constrained.ends_within import EndsWithin
from symgd.descent.constrained.newton_pattern import NewtonPattern
from symgd.descent.constrained.second_tries import SMALL, inside
from symgd.descent.run import FARTHEST, NO_END, floats
from symgd.descent.settings import Settings
from symgd.kernels.shared import shared
from symgd.language.text import number
from symgd.native import records as layout
from symgd.native.machine import address
from symgd.native.status import RUNNING, Status
from symgd.objectives.bound_rows import BoundBox
from symgd.objectives.objective import Objective
from symgd.objectives.points import Bounds

NUDGES = 20  # of a start where not all is finite
RESISTING, NAMED = 1e-2, 4  # of the largest violation; so many names


UNKNOWNS = (
    *("v", "z_low", "z_high", "whole_slope", "barrier_slope", "trial", "begun"),
    *("dz_low", "dz_high", "bent_low", "bent_high"),
)
ROWS = ("scales", "units", "y", "h", "h_trial", "h_more")
BOTH = ("right", "step", "other_step")
WORDS = (
    *("pivots", "marks", "ends", "reached", "path", "spread", "wanted", "found"),
    *("rest", "better"),
)


class InteriorRun(EndsWithin):
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
        self.sides, known = self.box.sides, whole.small_sides(SMALL)
        self.small_sides = {k: known[k] for k in known if k not in self.box.rows}
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
        self.box = BoundBox(self.objective.constraints, self.bounds)
        return self.box.lower, self.box.upper

    def _place(self, n: int, m: int) -> None:
        """Allocate what the kernel works with."""
        pattern = self.lagrangian.patterns.get(key := bytes(self.free))
        if pattern is None:
            pattern = NewtonPattern(self.lagrangian, self.free)
            self.lagrangian.patterns[key] = pattern
        self.pattern = pattern
        self.counts |= pattern.sizes
        size, every = self.counts["unknowns"], n + m + 1
        both, entries = size + m, pattern.sizes["entries"]
        lengths = {
            **dict.fromkeys(UNKNOWNS, size),
            **dict.fromkeys(ROWS, m),
            **dict.fromkeys(BOTH, both),
            "point": every,
            "image": every,
            "values": entries,
            "slope": size,  # where it is read with them
            "solved": 3 * size + m,
            "filter": 2 * layout.FILTER,
        }
        again = {  # found again in each step
            **dict.fromkeys(WORDS, both),
            "second": every if pattern.sizes["groups"] else every * every,
            "direction": every,
            "system": pattern.sizes["filled"],
            "factors": pattern.sizes["factored"],
            "factor_rows": pattern.sizes["factored"],
        }
        self.memory = floats(sum(lengths.values()))
        self.v_sides = floats(size), floats(size)
        self.start = floats(n)
        self.tries = self.left = 0
        self.missed = self.first_violation = self.deadline = math.inf
        self.tail = self.below = math.inf
        self.failed, self.waits, self.is_over = None, False, False
        function = self.lagrangian.function
        of_second = "product" if pattern.sizes["groups"] else "hessian"
        with self.lagrangian.derivatives_told():
            self.functions = function.kernel("evaluation"), function.kernel(of_second)
        self.places = layout.InteriorArrays(
            function=self.functions[0].address,
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
        setattr(self.places, of_second, self.functions[1].address)
        for name, each in pattern.arrays.items():
            setattr(self.places, name, address(each))
        self.starts: dict[str, int] = {}
        first = 0
        for name, length in lengths.items():
            setattr(self.places, name, address(self.memory) + 8 * first)
            self.starts[name], first = first, first + length
        self.work = {name: floats(length) for name, length in again.items()}
        for name, work in self.work.items():
            setattr(self.places, name, address(work))

    def part(self, name: str, count: int) -> array[float]:
        """Return numbers that the kernel works with."""
        return self.memory[self.starts[name] : self.starts[name] + count]

    def put(self, name: str, numbers: Sequence[float]) -> None:
        """Write such numbers."""
        first = self.starts[name]
        self.memory[first : first + len(numbers)] = array("d", numbers)

    def prepare(self) -> None:
        """Compile nothing more: all that it needs is there."""

    def _called(self) -> int:
        return self.kernel.call(*self.addresses)

    def _reset(self) -> None:
        self.record.clear()
        for name, count in self.counts.items():
            setattr(self.record, name, count)
        self.conditions.sign = self.settings.sign
        self.tries, self.left, self.failed = 0, 0, None
        self.waits = self.is_over = False
        self.first_violation = self.tail = self.below = math.inf
        self._measure_sides()
        self._try()

    def begin(self, x: Sequence[float]) -> int:
        """Evaluate the start, or a point beside it where all is finite."""
        self.deadline = time.perf_counter() + self.settings.time_limit
        status = self._begin_at(x)
        if status == Status.DIVERGED:
            status = self._begin_nearby()
        if status == Status.DIVERGED:
            self.record.value = math.nan
        self.first_violation = self.conditions.violation
        return status

    def _begin_nearby(self) -> int:
        """Begin at random points, each beside the one before."""
        rng = random.Random(0)
        for _ in range(NUDGES):
            sizes = (0.1 * max(1.0, abs(a)) * rng.random() for a in self.slots)
            moved = [a + size for a, size in zip(self.slots, sizes, strict=True)]
            if (status := self._begin_at(moved)) != Status.DIVERGED:
                return status
        return int(Status.DIVERGED)

    def _begin_at(self, x: Sequence[float]) -> int:
        sides = zip(x, self.lower, self.upper, strict=True)
        point = array("d", (inside(*each) for each in sides))
        self._stand_at(point)
        status = super().begin(point)
        if status == RUNNING and self.conditions.faint and self._measures_rows():
            self._stand_at(point)
            self._try()
            status = self.judged(self._call_kernel(0))
        return status

    def _stand_at(self, x: array[float]) -> None:
        """Write a point where the kernel begins."""
        self.start[:] = x
        self.put("point", x)
        for place, k in enumerate(self.free):
            self.memory[self.starts["v"] + place] = x[k]
            self.v_sides[0][place] = self.lower[k]
            self.v_sides[1][place] = self.upper[k]

    # -------------------------------------------------------------- where it is

    @property
    def fun(self) -> float:
        """The value that is minimised, at the iterate."""
        return float(self.record.value)

    def recall(self, status: Status) -> None:
        """Be as it was: all that it says is stored."""

    def _is_saddle(self) -> bool:
        return self.conditions.curved > 0

    def certificate(self) -> Certificate:
        """Return what shows that the end is a minimum, or how far it is from one."""
        m, me = self.lagrangian.rows, self.lagrangian.equalities
        nx, size = len(self.free), self.counts["unknowns"]
        state, sign = self.conditions, self.settings.sign
        where = self.lagrangian, self.objective.space, self.x, self.box
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
        return Certificate(
            *(*where, prices, values, self._prices_of_bounds(prices)), self.residuals
        )

    @property
    def residuals(self) -> Residuals:
        """What is missed by how much."""
        state = self.conditions
        return Residuals(state.violation, state.norm, state.complementarity)

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
                    prices[row.row] += factor * z / row.factor
                else:
                    bounds[k] += factor * z
        return bounds

    # ------------------------------------------------------------- what it says

    def told(self, status: Status) -> str:
        """Say why a run ended as it did, with the numbers."""
        if status == Status.CONVERGED:
            return self._gradient_told()
        if status == Status.INFEASIBLE:
            return (
                "no point near here satisfies the constraints; the least violation "
                f"found is {number(self.residuals.constraint_violation)}, of "
                f"{self._resisting()}"
            )
        told = super().told(status)
        reached = status == Status.TARGET_REACHED
        return f"{told}; {self._gradient_told()}" if reached else told

    def _gradient_told(self) -> str:
        told = self.residuals.told()
        if not any(map(math.isinf, self.gradient)):
            return told
        turns = "rises" if self.settings.sign > 0 else "falls"
        return f"{told}; off a bound f {turns} infinitely steeply"

    def _stalled(self) -> str:
        return "no lower value was found that satisfies the constraints"

    def _lost(self) -> str:
        """Say why there is no way on, as far as it shows."""
        if self._is_infinite:
            return "a derivative isn't finite there: whether it is a minimum isn't told"
        state = self.conditions
        if state.ctol < CTOL and state.visible > state.ctol:
            told = (
                f"{self.lagrangian.name_of(state.worst)} is hardly violated, but much"
            )
            factor = f"{CTOL / state.ctol:.0e}"
            return f"{told} beside its small numbers: multiply it by {factor}"
        if self._feels_the_barrier:
            return (
                "the numbers are so small that the barrier hides the minimum: give f "
                "and the constraints in larger units"
            )
        if self._lacks_multipliers():
            return (
                "multipliers grow without bound: where these constraints hold, their "
                "gradients are 0 or depend on each other, and whether it is a minimum "
                "isn't told"
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
        evaluations = self.record.evaluations
        is_tail = not self._is_saddle() and (self._is_on_plateau() or self._falls_on())
        self.record.evaluations = evaluations  # it was known before
        if is_tail:
            falls = "falls" if self.settings.sign > 0 else "rises"
            return f"f still {falls}, by less than shows in it: no {best} is attained"
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

    def restore(self, stored: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        """Be where another run was when it was stored; raises likewise."""
        super().restore(stored, plan)
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
        rows |= dict.fromkeys(("started", "faint", "weak", "dependent"), (0, 1))
        rows |= {"most_tried": (0, NO_END)}
        return super().possible() | same | counted | rows

    def _finite(self) -> Sequence[array[float]]:
        """Return what is finite between two slices."""
        return self.slots, self.gradient, self.memory
