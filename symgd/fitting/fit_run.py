"""A fit as a run: Levenberg and Marquardt's method, from a start and perhaps another.

Between its descents nobody looks; what is compiled there isn't in a time limit.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from symgd.descent.run import NO_END, Run, floats, projected_norm
from symgd.descent.settings import Settings
from symgd.fitting import shares
from symgd.fitting.bends import Bends
from symgd.fitting.dips import Dips
from symgd.fitting.goodness import attains_zero, is_met
from symgd.fitting.levenberg_marquardt import (
    End,
    Ended,
    Limits,
    Point,
)
from symgd.fitting.regression import Regression
from symgd.fitting.starts import Search
from symgd.fitting.verdict import SEEN, FitVerdict
from symgd.fitting.way import Descents, Looking, Way
from symgd.language.text import Told, number, told
from symgd.native.interrupts import Interrupts, raised_at_once
from symgd.native.machine import raise_pending
from symgd.native.quadratic import ROWS, TrustRegion, root_of
from symgd.native.status import CUT, RUNNING, Status
from symgd.objectives.points import Bounds

SQUARES = 1e-240, 1e240  # of derivatives, summed
LONG = 1000  # iterations without an end: a start that led nowhere
LOWER = 1.0 - 1e-3  # of a sum: what is worth another end than that of the given start
STOPPED = (*CUT, Status.MAXITER)  # from where a run can go on
SOON_OVER = 10_000  # rows passed, or as much algebra: nothing is to be interrupted

# Makes the search for another start than one.
Searching: TypeAlias = Callable[[Regression, np.ndarray], Search]


class FitRun(Run):
    """A run of Levenberg and Marquardt's method on a sum over rows."""

    name = "levenberg_marquardt"
    descends = True
    state, scalars = ("offset",), frozenset({"offset"})
    objective: Any

    def __init__(
        self,
        regression: Regression,
        bounds: Bounds,
        settings: Settings,
        search: Searching | None = None,
        watched: bool = True,
    ) -> None:
        objective: Any = regression.counted
        super().__init__(objective, bounds, settings, slots=2)
        self.whole, self.search = regression, search
        self.watched = watched  # whether each descent's start is to be seen, and kept
        self.unusable = ""  # why the start isn't the given one
        self.sides = np.array(self.lower), np.array(self.upper)
        self.record.every = settings.every
        self.way: Way | None = None
        self.descent: Any = None  # that is being made
        self._is_rough = False  # whether it is of some of the rows, and doesn't count
        self._is_own = True  # whether it is of the sum itself, and not of one beside it
        self._is_hasty = False  # whether its start is no place to stop
        self.end: End | None = None
        self.elsewhere: tuple[Search | Dips, np.ndarray] | None = (
            None  # which led lower
        )
        self.note = ""
        self.cut = False  # whether Ctrl-C ended the search for its start
        self._turn = 0  # the row of the trace where another start is
        self._kept: tuple[dict[str, array[Any]], dict[str, Any]] | None = None

    def _allocate(self, slots: int) -> None:
        """Leave it to each descent."""

    # ------------------------------------------------------ where the run is

    @property
    def regression(self) -> Regression:
        """What is minimised."""
        return self.objective

    @property
    def t(self) -> int:
        """The number of steps made."""
        if self.end is not None:
            return self.end.nit
        if self.descent is None:
            return -1
        return self.limits.nit if self._is_rough else int(self.descent.region.t)

    @property
    def point(self) -> np.ndarray:
        """The parameters."""
        if self.end is not None:
            return self.end.x
        return self.descent.stage.x if self._is_rough else self.descent.x

    def _at_point(self) -> tuple[float, np.ndarray]:
        if self.end is None and self._is_own:
            best = self.descent.best()
            return best.fun, best.gradient
        return self.regression.value_and_gradient(self.point)

    @property
    def x(self) -> array[float]:
        """The parameters."""
        return array("d", self.point.tolist())

    @property
    def fun(self) -> float:
        """The sum over rows."""
        return self._at_point()[0] if self.end is None else self.end.fun

    @property
    def gradient(self) -> array[float]:
        """Its gradient."""
        return array("d", self._at_point()[1].tolist())

    @property
    def norm(self) -> float:
        """The largest component of the (projected) gradient."""
        return projected_norm(self.x, self.gradient, self.lower, self.upper)

    @property
    def tested(self) -> float:
        """What ``gtol`` limits: the offset."""
        if self.end is not None:
            return self.end.offset
        return math.nan if self._is_rough else float(self.descent.region.offset)

    @property
    def slots(self) -> array[float]:
        """The parameters and the state, one after the other."""
        return self.x + array("d", [self.tested]) * self.n

    @property
    def evaluations(self) -> int:
        """Passes of the rows so far."""
        if self.end is not None:
            return self.end.nfev
        return int(self.descent.region.evaluations)

    # ---------------------------------------------------------- what it does

    def rescale(self, scale: float) -> None:
        """Divide residuals by a scale."""
        self.whole = self.whole.with_scale(scale)
        self.objective = self.whole.counted

    def begin(self, x: Sequence[float] | np.ndarray) -> int:
        """Evaluate the start; DIVERGED if the sum is not finite there.

        Where nobody watches, and it is soon over, it goes on to the end.
        """
        start, self.recorded = np.array(x), array("d")
        self._begin_at(start)
        begun = time.perf_counter()
        if self._is_own:
            self.descent.region.strict = 1  # so the loop says it
        elif self.tried(start) == Status.DIVERGED:
            return self._refuse()
        alone = not (self.watched or self.cut or self.settings.every)
        self._is_hasty = alone and self.is_short
        status = self.advance(self.short if self._is_hasty else 0)
        self.seconds += time.perf_counter() - begun - self.excused
        return status

    def tried(self, x: Sequence[float] | np.ndarray) -> int:
        """Return RUNNING, or DIVERGED where the sum isn't finite."""
        finite = self.regression.gauss_newton(np.array(x)).finite
        return RUNNING if finite else int(Status.DIVERGED)

    def _refuse(self) -> int:
        """Be at a start where the sum isn't finite."""
        start = np.array(self.origin)
        self.end = End(start, math.nan, Status.DIVERGED, "", 0, 1, math.nan, "")
        return int(Status.DIVERGED)

    def prepare(self) -> None:
        """Nothing more is to be compiled."""

    def begin_in_time(self, x: Sequence[float]) -> int:
        """Begin; what that takes isn't limited."""
        return self.begin(x)

    def _begin_at(self, x: np.ndarray, known: Sequence[Any] = ()) -> None:
        self.origin = array("d", x.tolist())
        self.end = self.elsewhere = self._kept = self.descent = None
        self.note, self._turn = self.unusable, 0
        given = self.settings
        self.limits = Limits(given.gtol, given.maxiter, thorough=True)
        self.way = Way(self._steps(x), known, self.watched)
        self._enter()

    def _enter(self) -> None:
        """Take note of the descent that is being made."""
        assert self.way is not None
        self.end = self.way.end
        if self.end is None:
            self.descent, regression = self.way.descent, self.regression
            self.record, of = self.descent.region, self.descent.stage.of
            self._is_rough = of.count != regression.count
            self._is_own = of is regression and not regression.loss.smoothed
            region = self.descent.region
            region.every = self.settings.every
            region.target = self.settings.target if self._is_own else -math.inf
            if self.settings.every:
                self._forget(self.t)

    @property
    def is_short(self) -> bool:
        """Whether some iterations are made in no time, and are allowed."""
        regression = self.regression
        quick = regression.count + self.n**3 <= SOON_OVER and not regression.scattered
        return quick and super().is_short

    def advance(self, last: int) -> int:
        """Continue, at most to iteration ``last``; return RUNNING or a status."""
        while self.end is None:
            before, every = self.t, self.settings.every
            there = min(last, before - before % every + every) if every else last
            if self.descent.region.pending and not self._is_hasty:  # it is to be seen
                there = last = min(last, before)
            status = self.descent.proceed(NO_END if self._is_rough else there)
            raise_pending()
            if status == Status.DIVERGED:
                return self._refuse()
            if every:
                self._take_down()
            if status == RUNNING:
                if self.t >= last or self.t < there:
                    return RUNNING
            elif status == Status.MAXITER and self.t >= self.settings.maxiter:
                self._keep()  # more may be allowed another time
            if status == Status.TARGET_REACHED:
                self.conclude(Status.TARGET_REACHED)
            elif status != RUNNING:
                self._follow(Way.follow, status)
        if self.end.status not in STOPPED:
            self._kept = None
        return int(self.end.status)

    def _follow(self, how: Callable[[Way, int], None], status: int) -> None:
        """Go on to the next descent, or to the end."""
        assert self.way is not None
        begun, self._is_hasty = time.perf_counter(), False
        how(self.way, status)
        self._enter()
        self.excused += time.perf_counter() - begun

    def conclude(self, status: Status) -> None:
        """Go to the end, if a run was stopped before."""
        if self.end is not None:
            return
        reached = status == Status.TARGET_REACHED and self.fun <= self.settings.target
        if not reached:
            status = status if status in STOPPED else Status.INTERRUPTED
            self._keep()
            if self.way is not None and not self.way.lost:
                self._follow(Way.cut_short, status)
        if self.end is None:
            point, offset, _ = self.descent.end(status)
            self.limits = self.limits if self._is_rough else self.descent.stage.limits
            point = point.changed(x=self.point, fun=self.fun)
            self.end = self._ended(Ended(point, offset, status))

    # ------------------------------------------------------------ its descents

    def _steps(self, x: np.ndarray) -> Descents:
        """Yield one descent after the other, and return the end."""
        ended = yield from self.regression.path(x, *self.sides, self.limits)
        verdict = self._verdict(self._ended(ended))
        if (search := self._elsewhere(x, verdict)) is not None:
            end = yield from self._from_elsewhere(search, verdict.end)
            verdict = self._verdict(end)
        if self._has_bends(verdict):
            verdict = self._verdict((yield from self._beyond_bends(verdict.end)))
        return verdict.judged()

    def _verdict(self, end: End) -> FitVerdict:
        return FitVerdict(self.regression, end, self.bounds)

    def _elsewhere(self, x: np.ndarray, verdict: FitVerdict) -> Search | Dips | None:
        """Return what finds another start, if it may lead lower than the given one."""
        end = verdict.end
        cut_short = end.status == Status.MAXITER and end.nit < LONG
        if self.search is None or self.unusable or end.status in CUT or cut_short:
            return None
        if verdict.is_poor:
            return self.search(self.regression, x)
        if self.regression.scattered or not verdict.has_noise:
            return None
        dips = Dips.beside(self.regression, end.x, *self.sides)
        return dips if dips.is_possible and not dips.is_a_bowl else None

    def _from_elsewhere(self, search: Search | Dips, end: End) -> Descents:
        """Descend from another start; return where that ends, if it is lower."""
        stopped = Interrupts()
        found = yield Looking(lambda: self._found(search, stopped))
        if found is None:
            return self._stopped(end) if stopped.answered else end
        self.limits, self._turn = dataclasses.replace(self.limits, nit=0), self._rows
        ended = yield from self.regression.path(found, *self.sides, self.limits)
        lower, turn = self._ended(ended), self._turn * self.columns
        self._turn = 0
        if _is_better(lower, end):
            self.elsewhere, self.recorded = (search, found), self.recorded[turn:]
            self.note = (
                f"the given start led to a sum of {number(end.fun)} "
                f"({end.status.name}); a start found by search ends at "
                f"{number(lower.fun)}, which is what you see"
            )
            return lower
        self.recorded = self.recorded[:turn]
        return self._stopped(end) if lower.status == Status.INTERRUPTED else end

    def _beyond_bends(self, end: End) -> Descents:
        """Go on to where no bend of the curve is held by a row, or is held for good."""
        rows = self.regression.sample  # which has all of so few
        bends, stopped = Bends(rows, end.x, *self.sides), Interrupts()
        found = yield Looking(lambda: self._found(bends, stopped))
        if found is not None:
            ended = yield from self.regression.path(found, *self.sides, self.limits)
            if not ended.point.fun < self.regression.gauss_newton(found).fun:
                ended = ended._replace(point=self.regression.gauss_newton(found))
            end = self._ended(ended)
        if stopped.answered:
            return self._stopped(end)
        if (offset := bends.offset(end.x)) is None:
            return end
        least = offset <= self.settings.gtol
        status = Status.CONVERGED if least else Status.ABNORMAL
        message = functools.partial(_at_a_row, offset, self.settings.gtol)
        return end._replace(status=status, offset=offset, message=message)

    def _has_bends(self, verdict: FitVerdict) -> bool:
        """Return whether rows may hold bends of the curve."""
        regression = self.regression
        if not regression.formulas.bends or verdict.end.status in STOPPED:
            return False
        few = regression.count <= SEEN and not regression.loss.smoothed
        return few and not verdict.is_met

    def _found(
        self, search: Search | Bends | Dips, stopped: Interrupts
    ) -> np.ndarray | None:
        with stopped:
            try:
                with raised_at_once():
                    found = search.best()
            except KeyboardInterrupt:
                found = None
            stopped.answered = stopped.noted or search.cut
        if stopped.answered:
            self._keep()
            return None
        return found

    def _stopped(self, end: End) -> End:
        why = f"{self.stopped_by} on the way from another start; {told(end.message)}"
        return end._replace(status=Status.INTERRUPTED, message=why)

    def _ended(self, ended: Ended) -> End:
        """Say how a path has ended."""
        point, offset, status = ended
        lost = status == Status.ABNORMAL and attains_zero(self.regression)
        unsure = lost or status == Status.MAXITER
        if unsure and is_met(self.regression, point.x, point.fun):
            status = Status.CONVERGED  # rounding may go on for ever, or rise
        message: Told = self._message(offset, status)
        if status not in CUT and (names := self._without_square(point)):
            status = Status.ABNORMAL
            message = (
                f"squares of the derivative by {names} leave float64: give x0 where "
                f"{names} matters, or use another unit"
            )
        counts = self.limits.nit, self.limits.nfev
        return End(point.x, point.fun, status, message, *counts, offset, self.name)

    def _without_square(self, point: Point) -> str:
        """Return which parameters' derivatives float64 can't square, by name."""
        squares, (least, most) = point.squares_of_columns, SQUARES
        if all(least <= square <= most for square in squares):
            return ""
        regression, lost = self.regression, _left(np.array(squares))
        # Or else it is the loss that is flat or sharp there.
        dependent, squares_of_rows = regression.summed(shares.slopes, point.x)
        lost &= (dependent > 0.0) & _left(squares_of_rows)
        names = zip(regression.variables, lost, strict=True)
        return ", ".join(name for name, gone in names if gone)

    # ------------------------------------------------- what it says of itself

    def _message(self, offset: float, status: Status) -> Told:
        """Say why the descent ended, with the numbers."""
        smoothed = self.regression.loss.smoothed
        if status == Status.CONVERGED:
            return functools.partial(_within, offset, self.settings.gtol, smoothed)
        self._angle = _angle(offset, smoothed)
        return self.told(status)

    def recall(self, status: Status) -> None:
        """Find out again what the end is; that is known."""

    def found(self, status: Status) -> str:
        """Return what a success is, where it is no minimum; else nothing."""
        return "point at the target" if status == Status.TARGET_REACHED else ""

    def message(self, status: Status) -> str:
        """Say why the run ended, with the numbers."""
        if status == Status.DIVERGED:
            return "the sum over rows is not finite at the start"
        return "" if self.end is None else told(self.end.message)

    def _gradient_told(self) -> str:
        return self._angle

    def _stalled(self) -> str:
        return "no step lowers the sum in float64"

    def _lost(self) -> str:
        return "no step lowers the sum"

    # ---------------------------------------------------------------- its trace

    @property
    def _rows(self) -> int:
        return len(self.recorded) // self.columns

    def _take_down(self) -> None:
        """Record where the run is, once."""
        width, t = self.columns, self.t
        new = self._rows == self._turn or self.recorded[-width] < t
        if new and t % self.settings.every == 0:
            fun, gradient = self._at_point()
            sides = self.lower, self.upper
            norm = projected_norm(self.x, gradient.tolist(), *sides)
            self.recorded += array("d", [t, fun, norm]) + self.slots

    def _forget(self, t: int) -> None:
        """Go back to an iteration: what came next led nowhere."""
        while self._rows > self._turn and self.recorded[-self.columns] > t:
            del self.recorded[-self.columns :]

    # ---------------------------------------------------- stored and continued

    def arrays(self) -> dict[str, array[Any]]:
        """Return all numbers that the run consists of, by name."""
        if self._kept:
            return self._kept[0]
        n = self.n
        own: dict[str, array[Any]] = {
            "counters": TrustRegion().stored(),
            "space": floats(ROWS * n),
            "models": floats(2 * (root_of(n) + n * n)),
        }
        own = self.descent.arrays() if self.way and self.way.made else own
        return own | {"recorded": self.recorded[:], "origin": self.origin}

    def plan(self) -> dict[str, Any]:
        """Return the descents that were made, as JSON can hold it."""
        if self._kept or self.way is None:
            return self._kept[1] if self._kept else {}
        over, ends = self.way.end is not None, self.way.ends
        ends = ends if over else ends[: self.way.before]
        scale = self.regression.scale
        plan = {"ends": ends, "over": over, "turn": self._turn, "scale": scale}
        return plan | {"unusable": self.unusable}

    def _keep(self) -> None:
        """Let what is stored be where the run is now."""
        self._kept = self._kept or (self.arrays(), self.plan())

    def restore(self, stored: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        """Be where another run was when it was stored.

        Raises
        ------
        ValueError
            If no run can have been there.
        """
        start, scale = np.array(stored["origin"]), float(plan["scale"])
        if not (np.isfinite(start).all() and 0.0 < scale < math.inf):
            raise ValueError("no run begins like that")
        if scale != self.regression.scale:
            self.rescale(scale)
        self.unusable = str(plan["unusable"])
        self._begin_at(start, plan["ends"])
        if plan["over"] != (self.end is not None):
            raise ValueError("it has other descents")
        self.recorded = array("d", stored["recorded"].tobytes())
        self._turn = int(plan["turn"])
        if len(self.recorded) % self.columns or not 0 <= self._turn <= self._rows:
            raise ValueError("there can't be such rows")
        if self.end is None:
            self.descent.take(stored)
            self._enter()


def _is_better(end: End, other: End) -> bool:
    """Return whether an end is worth more than another; any is where that isn't finite.

    Where outliers make up the sums none is much lower, but one may be a minimum.
    """
    least = end.status.success and not other.status.success
    lower = end.fun < (other.fun if least else LOWER * other.fun)
    return lower or (math.isfinite(end.fun) and not math.isfinite(other.fun))


def _angle(offset: float, smoothed: bool) -> str:
    if smoothed:
        return f"the sum is at most {number(offset)} of itself above its least"
    if offset >= 1.0:  # the sum bends down there, or isn't finite beside it
        return "the residuals are far from orthogonal"
    return f"the residuals are at {number(offset)} (a cosine) from orthogonal"


def _within(offset: float, gtol: float, smoothed: bool) -> str:
    """Say how good an end is."""
    if offset > gtol:
        return "the residuals are no more than the rounding of the target"
    what = "to first order" if smoothed else "to what the model can change"
    return f"{_angle(offset, smoothed)} {what}, within gtol = {gtol:g}"


def _at_a_row(offset: float, gtol: float) -> str:
    """Say how good an end at a row is."""
    where = "a bend of the curve is at a row"
    if offset == math.inf:
        return f"{where}, to a side of which the sum falls, but no step lowers it"
    if offset > gtol:
        return f"{where}; {_angle(offset, smoothed=False)}"
    where += ", to either side of which the sum rises"
    return f"{where}; {_within(offset, gtol, smoothed=False)}"


def _left(squares: np.ndarray) -> np.ndarray:
    return ~((squares >= SQUARES[0]) & (squares <= SQUARES[1]))
