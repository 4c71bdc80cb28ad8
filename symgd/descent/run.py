"""Runs: plain arrays that a kernel continues slice by slice.

Between two slices a run can be watched, interrupted and stopped; nothing else is
needed for Ctrl-C, time limits and progress. ``descent.driving`` has the loop.
"""

from __future__ import annotations

import math
import warnings
from array import array
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from symgd.descent.ends import (
    CLOSE,
    ROUGHLY,
    Ending,
    Examiner,
    examined,
    is_left_for_ever,
)
from symgd.descent.history import NOWHERE, AtStart, Seen, Trace
from symgd.descent.settings import TIGHT, Settings
from symgd.language.text import Told, number
from symgd.native import records as layout
from symgd.native.machine import address, raise_pending
from symgd.native.status import CUT, RUNNING, Status
from symgd.native.stopping import stoppable
from symgd.objectives.forms import QUICK_VARIABLES
from symgd.objectives.objective import Objective
from symgd.objectives.points import MANY, Bounds

if TYPE_CHECKING:
    from symgd.descent.certificate import Certificate
    from symgd.language.formula import Formula
    from symgd.native.machine import Kernel

SHORT = 32  # iterations that take no time
MEMORY = 2**24  # numbers recorded in one slice at most
NO_END = 2**62  # of iterations
FARTHEST = 2**53  # iterations that a run can have come
NOISE = 4e-15  # a part of f that can't be measured
BEYOND_MEASURE = 1e3 * NOISE  # likewise, where it may have lost digits on the way
TIGHTER = 1e-3  # of the norm, asked for where more is left to gain
SETTLED = 1e-3  # of the norm at the start
CALMED = 1e-2  # likewise, where curvatures aren't known
GAINED = 1e-6  # of what f fell: what a step may promise where patience is lost
WITHOUT_CURVATURE = 1e100  # what a step promises where no curvature limits it
LEFT = 10.0  # times what counts as an improvement, where patience is lost
REMEMBERED = 2**20  # variables of an iterate that is kept, at most


class Run:
    """A run: its arrays, and how it is begun, continued and described."""

    name = ""
    state: tuple[str, ...] = ()
    scalars: frozenset[str] = frozenset()  # of the state, the same for all coordinates
    scheduled: frozenset[str] = frozenset()  # hyperparameters that change with t
    hyperparameters: Mapping[str, Formula] = {}
    descends = False  # whether f never rises from one iterate to the next
    begins_again = False  # whether, once begun anew, nothing is left of what it was
    short = SHORT  # iterations before anybody looks

    def __init__(
        self,
        objective: Objective,
        bounds: Bounds,
        settings: Settings,
        slots: int = 1,
        constants: Sequence[str] = (),
    ) -> None:
        n = len(objective.space)
        self.n = n
        self.constants = constants
        self.objective = objective
        self.settings = settings
        self.bounds = bounds
        self.bounded = bounds.finite
        self.lower, self.upper = self._sides()
        self.parameters = objective.parameter_values()
        self.record = layout.RunState()
        self._allocate(slots)
        self.columns = 3 + slots * n + len(constants)
        self.rows = floats(self.trace_rows * self.columns if settings.every else 0)
        self.recorded = array("d")
        self.seconds = 0.0  # spent in it, compilation excluded
        self.excused = 0.0  # likewise on what no limit counts
        self.stopped_by = "interrupted"
        self.is_torn = False  # in the middle of an iteration, as one was cut short
        self.is_limited = False  # whether it made all iterations that were allowed
        few = n <= QUICK_VARIABLES
        self.origin = floats(n if few else 0)
        self.far_origin = floats(0 if few or n > REMEMBERED else n)  # of many variables
        self.at_start = AtStart()
        self.ending: Ending | None = None
        self.examiner: Examiner | None = None  # where ends have been looked at
        comparable = objective.iteration is None and not self.descends
        self.remembers = comparable and n <= REMEMBERED
        self.lowest = NOWHERE

    @property
    def trace_rows(self) -> int:
        """How many rows of a trace are recorded in one slice, at most."""
        return min(layout.TRACE_ROWS, max(2, MEMORY // self.columns))

    def _sides(self) -> tuple[array[float], array[float]]:
        return self.bounds.lower, self.bounds.upper

    def _allocate(self, slots: int) -> None:
        self._slots = floats(slots * self.n)
        self._gradient = floats(self.n)

    @property
    def slots(self) -> array[float]:
        """The iterate and the state, one after the other."""
        return self._slots

    @property
    def gradient(self) -> array[float]:
        """The gradient at the iterate."""
        return self._gradient

    # ------------------------------------------------------ where the run is

    @property
    def t(self) -> int:
        """The number of updates made."""
        return int(self.record.t)

    @property
    def x(self) -> array[float]:
        """The iterate."""
        return self.slots[: self.n]

    @property
    def fun(self) -> float:
        """The value that is minimised, at the iterate."""
        return float(self.record.value)

    @property
    def first(self) -> float:
        """The value that is minimised, at the start."""
        return self.at_start.value

    @property
    def first_norm(self) -> float:
        """The norm at the start."""
        return self.at_start.norm

    @property
    def steepest(self) -> float:
        """A norm that there was on the way: the start may be where there is none."""
        fallen, far = self.first - self.fun, self.at_start.size + size_of(self.x)
        slope = fallen / far if far > 0.0 else 0.0
        return max(self.first_norm, slope if slope < math.inf else 0.0)

    @property
    def norm(self) -> float:
        """The largest component of the (projected) gradient at the iterate."""
        return float(self.record.norm)

    @property
    def tested(self) -> float:
        """What ``gtol`` limits."""
        return self.norm

    @property
    def evaluations(self) -> int:
        """Evaluations of value and gradient so far."""
        return int(self.record.evaluations)

    # ---------------------------------------------------------- what it does

    def begin(self, x: Sequence[float]) -> int:
        """Evaluate the start; DIVERGED if the objective is not finite there."""
        settings, self.ending, self.is_limited = self.settings, None, False
        self.recorded = array("d")
        start = x if isinstance(x, array) else array("d", x)
        self._set_start(start)
        self._reset()
        record = self.record
        record.variables, record.t, record.pending = self.n, -1, 1
        record.every = settings.every
        settings.put_into(record)
        record.best, record.reach = math.inf, 1.0
        if kept := self.origin or self.far_origin:
            kept[:] = start
        self.at_start.value = math.nan
        return self.advance(0)

    def prepare(self) -> None:
        """Compile what the examination of an end may need."""
        self.quick_hessian()

    def quick_hessian(self) -> Kernel | None:
        """Return the Hessian by which ends are examined, where there is one."""
        return self.objective.quick_hessian()

    def begin_in_time(self, x: Sequence[float]) -> int:
        """Begin; TIME_LIMIT if that took too long, and nothing is known of f."""
        if self.objective.arrays is None:
            return self.begin(x)
        with self.stoppable() as cut:
            status = self.begin(x)
            if not cut[0] or status != Status.DIVERGED:
                return status
        self.be_unknown_at(x)
        self.is_torn = True
        return int(Status.TIME_LIMIT)

    def be_unknown_at(self, x: Sequence[float]) -> None:
        """Be at a start of which nothing is known but where it is."""
        self._be_at(array("d", x), array("d", [math.nan]) * self.n)
        self.record.value = self.record.norm = math.nan
        self.record.t = -1

    def stoppable(self) -> AbstractContextManager[Sequence[int]]:
        """Let a long evaluation be cut short: the flag is not 0 then."""
        if self.objective.arrays is None:
            return nullcontext((0,))
        return stoppable(self.settings.time_limit)

    def _reset(self) -> None:
        self.record.clear()

    def conclude(self, status: Status) -> None:
        """Be about the objective itself, at the end of a run."""

    def certificate(self) -> Certificate | None:
        """Return the multipliers at the end, where there are constraints."""
        return None

    def _set_start(self, x: array[float]) -> None:
        self.slots[: self.n] = x

    def advance(self, last: int) -> int:
        """Continue, at most to iteration ``last``; return RUNNING or a status."""
        every = self.settings.every
        if every:
            self._harvest()
            last = min(last, max(self.t, 0) + (self.trace_rows - 1) * every)
        self.record.last = last
        status = self._continue()
        raise_pending()
        if math.isnan(self.first) and status != Status.DIVERGED:
            self.at_start = AtStart(self.fun, self.norm, size_of(self.x))
        return self.judged(status)

    def judged(self, status: int) -> int:
        """Say how a run has ended, by what the end is; RUNNING if it is to go on."""
        if status == Status.CONVERGED:
            return self._examined()
        if status == Status.STALLED and self.impatient:
            return int(Status.STALLED if self._has_settled() else Status.ABNORMAL)
        return status

    def recall(self, status: Status) -> None:
        """Find out again what the end is, of a run that was stored after it."""
        if self.ending is None and status in (Status.CONVERGED, Status.STATIONARY):
            self.ending = examined(self, self.close)

    @property
    def close(self) -> float:
        """How much of x Newton's step may change where an end is exact."""
        return ROUGHLY if self.settings.relative else math.inf

    def _examined(self) -> int:
        """Return how a run has ended whose gradient is within the tolerance."""
        self.ending = end = examined(self, self.close)
        if end.verdict in (layout.EXACT, layout.UNKNOWN):
            return int(Status.CONVERGED)
        more = end.verdict == layout.INEXACT or end.moved > self.close
        if more and self.settings.relative and self.norm > 0.0:
            self.tighten()
            return RUNNING
        return int(Status.STATIONARY)

    def at_maxiter(self) -> Status:
        """Return how a run has ended that has made all its iterations.

        In small units of x a gradient is large even where nothing is left to gain.
        """
        self.is_limited = True
        if self.settings.relative and self.norm <= TIGHT * self.first_norm:
            self.ending = examined(self, CLOSE)
            if self.ending.verdict == layout.EXACT:
                return Status.CONVERGED
        return Status.MAXITER

    def tighten(self) -> None:
        """Ask for a smaller gradient."""
        self.record.gtol = TIGHTER * self.norm

    @property
    def impatient(self) -> bool:
        """Whether the value has not improved for long enough."""
        patience = self.settings.patience
        return patience > 0 and self.record.waited >= patience

    def _has_settled(self) -> bool:
        """Return whether a run has ended well, of which patience was lost."""
        f, noise = self.fun, self.settings.ftol + NOISE * abs(self.fun)
        if f > self.record.best + noise or self._has_not_moved():
            return False
        if self.norm <= SETTLED * self.first_norm:
            return True
        self.ending = end = examined(self, ROUGHLY)
        if end.verdict == layout.UNKNOWN or self.quick_hessian() is None:
            return f < self.first and self.norm <= CALMED * self.first_norm
        enough = max(LEFT * noise, GAINED * (self.first - f))
        return end.verdict == layout.EXACT or end.promised <= enough

    def _has_not_moved(self) -> bool:
        return bool(self.origin) and self.norm > 0.0 and self.x == self.origin

    @property
    def is_short(self) -> bool:
        """Whether some iterations are made in no time, and are allowed."""
        settings = self.settings
        if self.t != 0 or settings.maxiter <= self.short:
            return False
        return self.objective.arrays is None and settings.time_limit == math.inf

    def _continue(self) -> int:
        raise NotImplementedError

    def look(self) -> None:
        """Keep the iterate if f is the lowest there that was looked at."""
        if self.remembers and self.fun < self.lowest.fun:
            self.lowest = Seen(self.x, self.fun, max(self.t, 0))

    def _harvest(self) -> None:
        count = self.record.rows
        self.record.rows = 0
        try:
            self.recorded += self.rows[: count * self.columns]
        except MemoryError:  # better no trace than no result
            self.recorded = array("d")
            self.record.every = 0

    def ended_at(
        self,
        start: Sequence[float],
        x: Sequence[float],
        fun: float,
        jac: Sequence[float],
        norm: float,
        nit: int,
        nfev: int,
        patient: bool,
    ) -> None:
        """Be a run that has ended there, in another kernel's hands."""
        origin, slope = array("d", start), floats(self.n)
        kernel = self.objective.kernel("evaluation")
        with self.stoppable():
            first = kernel(*map(address, (origin, self.parameters, slope)))
        sides = self.bounds.lower, self.bounds.upper
        first_norm = projected_norm(origin, slope, *sides)
        self.at_start = AtStart(first, first_norm, size_of(origin))
        if kept := self.origin or self.far_origin:
            kept[:] = origin
        if self.remembers and first < fun:
            self.lowest = Seen(origin, first, 0)
        self.record.gtol = self.settings.gtol
        self.record.best = fun
        self._be_at(array("d", x), array("d", jac))
        self.record.value, self.record.norm = fun, norm
        self.record.t, self.record.evaluations = nit, nfev
        self.record.waited = self.settings.patience if patient else 0

    def _be_at(self, x: array[float], gradient: array[float]) -> None:
        # In place: kernels know the addresses.
        self.slots[: self.n], self.gradient[:] = x, gradient

    # ---------------------------------------------------- stored and continued

    @property
    def method_key(self) -> str:
        """The method, as plain text."""
        return self.name

    def arrays(self) -> dict[str, array[Any]]:
        """Return all numbers that the run consists of, by name."""
        self._harvest()
        return {
            "counters": self.record.stored(),
            "slots": self.slots,
            "gradient": self.gradient,
            "recorded": self.recorded,
            "origin": self.origin or self.far_origin,
            "begun": array("d", bytes(self.at_start)),
        }

    def plan(self) -> dict[str, Any]:
        """Return what else is to be known to go on, as JSON can hold it."""
        return {}

    def foresee(self, plan: Mapping[str, Any]) -> None:
        """Have the arrays that a stored run has: before they are read."""

    def restore(self, stored: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        """Be where another run was when it was stored.

        Raises
        ------
        ValueError
            If no run can have been there.
        """
        self.recorded = array("d", stored["recorded"].tobytes())
        for name, numbers in self.arrays().items():
            numbers[:] = array(numbers.typecode, stored[name].tobytes())
        self.record.take(array("q", stored["counters"].tobytes()))
        self.at_start.take(array("q", stored["begun"].tobytes()))
        self._check_counts()
        self._check_numbers()

    def possible(self) -> dict[str, tuple[int, int]]:
        """Return between what each whole number of the record can be; others are 0."""
        settings = self.settings
        pairs = {
            "t": (-1, FARTHEST),
            "last": (0, NO_END),
            "every": (0, settings.every),
            "patience": (settings.patience, settings.patience),
            "variables": (self.n, self.n),
            "pending": (0, 1),
        }
        return pairs | dict.fromkeys(("waited", "evaluations"), (0, FARTHEST))

    def _check_counts(self) -> None:
        possible = self.possible()
        for name, count in self.record.numbers().items():
            low, high = possible.get(name, (0, 0))
            if isinstance(count, int) and not low <= count <= high:
                raise ValueError(f"{name} can't be {count}")
        every = self.record.every
        rows = self.t // every + 1 if every else 0
        if every not in (0, self.settings.every):
            raise ValueError(f"each {every} rows can't be recorded")
        if len(self.recorded) != rows * self.columns:
            raise ValueError(f"there can't be {len(self.recorded)} numbers recorded")

    def _check_numbers(self) -> None:
        settings, record = self.settings, self.record
        tighter = settings.relative and 0.0 <= record.gtol <= settings.gtol
        same = tighter or record.gtol == settings.gtol
        asked = settings.ftol, settings.target
        if not same or (record.ftol, record.target) != asked or math.isnan(record.best):
            raise ValueError("it has other limits")
        open_ended = "gtol", "ftol", "target", "best"
        numbers = record.numbers()
        own = array("d", [v for k, v in numbers.items() if k not in open_ended])
        finite = [own, self.origin, *self._finite()]
        if not all(map(all_finite, finite)):
            raise ValueError("it has numbers that aren't finite")

    def _finite(self) -> Sequence[array[float]]:
        """Return what is finite between two slices: not slopes that bounds hold."""
        sides = zip(self.x, self.gradient, self.lower, self.upper, strict=True)
        free = (g for each in sides if not is_held(*each) for g in each[1:2])
        return self.slots, array("d", free)

    def trace(self) -> Trace | None:
        """Return what was recorded; None, with a warning, if that was too much."""
        self._harvest()
        try:
            if self.record.every:
                return self._trace()
        except MemoryError:
            self.recorded = array("d")
        problem = "the trace is too large for the memory; trace=k keeps every k-th row"
        warnings.warn(problem, RuntimeWarning, stacklevel=2)
        return None

    def _trace(self) -> Trace:
        import numpy as np

        rows = np.frombuffer(self.recorded).reshape(-1, self.columns)
        n = self.n
        columns = {
            "t": rows[:, 0].astype(np.int64),
            "x": rows[:, 3 : 3 + n].copy(),
            "fun": self.settings.sign * rows[:, 1] + 0.0,
            "grad_norm": rows[:, 2].copy(),
        }
        for j, name in enumerate(self.state, start=1):
            column = rows[:, 3 + j * n : 3 + (j + 1) * n].copy()
            columns[name] = column[:, 0] if name in self.scalars else column
        scheduled = rows[:, 3 + (1 + len(self.state)) * n :]
        for j, name in enumerate(self.constants):
            if name in self.scheduled:
                columns[name] = np.where(columns["t"] > 0, scheduled[:, j], math.nan)
        return Trace(columns)

    # ------------------------------------------------- what it says of itself

    @property
    def refused(self) -> tuple[float, Sequence[float]]:
        """The value that is minimised and its gradient, of which some is not finite."""
        return self.fun, self.gradient

    def blame(self) -> str:
        """Say what was not finite."""
        sign, (value, gradient) = self.settings.sign, self.refused
        slopes = [sign * each for each in gradient]
        return not_finite(self.objective.space, {}, sign * value, slopes)

    def message(self, status: Status) -> Told:
        """Say why the run ended, with the numbers."""
        if self.t < 0 and status in CUT:
            limit = f"the time limit of {self.settings.time_limit:g} s was reached"
            cut = limit if status == Status.TIME_LIMIT else self.stopped_by
            return f"{cut} before f was known at the start"
        if status == Status.DIVERGED:
            last = "this is the last finite iterate"
            return f"{self.blame()} in iteration {self.t + 1}; {last}"
        if status == Status.STATIONARY:
            return f"{self._gradient_told()}, but {self._not_a_minimum()}"
        told = self.told(status)
        rises = self.fun > self.first + NOISE * abs(self.first)
        if not status.success and rises and self.objective.constraints is None:
            sign = self.settings.sign
            rose = "rose" if sign > 0 else "fell"
            told += f"; f {rose} from {number(sign * self.first)} at the start"
        return told

    def _gradient_told(self) -> str:
        """Say how large the gradient is, beside its tolerance."""
        return gradient_told(self.norm, self.settings.gtol, self.bounded)

    def _not_a_minimum(self) -> str:
        """Say why the end of a run is not what was sought."""
        end, sign = self.ending, self.settings.sign
        best, lower = ("minimum", "lower") if sign > 0 else ("maximum", "higher")
        if end is None or end.verdict == layout.SADDLE:
            return f"f curves the other way: it is no {best}"
        if end.verdict == layout.FLAT and is_left_for_ever(self):
            falls = "falls" if sign > 0 else "rises"
            return f"f still {falls}, by less than shows in it: no {best} is attained"
        if end.verdict == layout.FLAT:
            falls = "fall" if sign > 0 else "rise"
            return f"f shows no {best} there: it may still {falls}, for ever or not"
        names, x = self.objective.space, end.x
        where = ", ".join(f"{names[k]} = {number(x[k])}" for k in range(min(len(x), 4)))
        where += ", ..." if len(x) > 4 else ""
        value = number(sign * end.fun)
        return f"f is {lower} nearby: {value} at {where}; it is no {best}"

    def found(self, status: Status) -> str:
        """Return what a success is, where it is no minimum; else nothing."""
        if status == Status.TARGET_REACHED:
            return "point at the target"
        if status != Status.CONVERGED or self.settings.relative:
            return ""
        end = self.ending
        if end is None or math.isnan(end.moved):
            loose = self.norm > max(TIGHT, SETTLED * self.first_norm)
        else:
            loose = end.moved > ROUGHLY and end.promised > NOISE * abs(self.fun)
        return "point within the tolerance" if loose else ""

    def told(self, status: Status) -> str:
        """Say why a run ended as it did, with the numbers."""
        settings, above = self.settings, self._gradient_told()
        ended = status in (Status.CONVERGED, Status.STALLED)
        if ended and self.ending and self.ending.least:
            least = "least" if settings.sign > 0 else "largest"
            return f"f has the {least} value that its squares allow; {above}"
        if status == Status.CONVERGED:
            return above + left_told(self.ending, settings)
        if status == Status.STALLED:
            return f"{self._stalled()}; {above}"
        if status == Status.ABNORMAL:
            return f"{self._lost()}; {above}"
        if status == Status.INTERRUPTED:
            return f"{self.stopped_by} after iteration {self.t}; {above}"
        if status == Status.MAXITER:
            return f"maxiter = {settings.maxiter} was reached; {above}"
        if status == Status.TIME_LIMIT:
            limit = f"the time limit of {settings.time_limit:g} s"
            return f"{limit} was reached; {above}"
        goal = number(settings.sign * settings.target)
        f = number(settings.sign * self.fun)
        return f"f = {f} has reached the target {goal}"

    def _stalled(self) -> str:
        """Say in what way f no longer improves."""
        settings = self.settings
        if self.impatient:
            return (
                f"f did not improve by more than ftol = {settings.ftol:g} "
                f"in {settings.patience} iterations"
            )
        return "no lower value was found: f changes by no more than its rounding"

    def _lost(self) -> str:
        """Say why there is no way on."""
        if not self.impatient:
            return "no step along the search direction lowers f"
        if self._has_not_moved():
            return f"{self._stalled()}: x has not moved, its steps are 0"
        best = number(self.settings.sign * self.record.best)
        return f"{self._stalled()}, nor is it at a minimum: the best was {best}"


def gradient_told(norm: float, gtol: float, bounded: bool) -> str:
    """Say how large a gradient is, beside its tolerance."""
    what = "projected gradient" if bounded else "gradient"
    size = f"the largest component of the {what} is {number(norm)}"
    if gtol < 0.0:
        return size
    return f"{size}, {'within' if norm <= gtol else 'above'} gtol = {gtol:g}"


def left_told(end: Ending | None, settings: Settings) -> str:
    """Say what is left to gain, where that decided."""
    known = end is not None and end.promised < WITHOUT_CURVATURE
    if end is None or not (settings.relative and known):
        return ""
    changes = "lowers" if settings.sign > 0 else "raises"
    gain = f"{changes} f by {end.promised:.1g}"
    return f"; Newton's step {gain}, and changes x by {end.moved:.1g} of its size"


def all_finite(numbers: array[float]) -> bool:
    """Return whether all numbers are finite."""
    if len(numbers) <= MANY:
        return all(map(math.isfinite, numbers))
    import numpy as np

    return bool(np.isfinite(np.frombuffer(numbers)).all())


def size_of(numbers: array[float]) -> float:
    """Return the sum of all sizes."""
    if len(numbers) <= MANY:
        return sum(map(abs, numbers))
    import numpy as np

    return float(np.abs(np.frombuffer(numbers)).sum())


def projected_norm(
    x: Sequence[float],
    gradient: Sequence[float],
    lower: Sequence[float],
    upper: Sequence[float],
) -> float:
    """Return the largest component of the gradient that no bound holds."""
    sides = zip(x, gradient, lower, upper, strict=True)
    return max((abs(each[1]) for each in sides if not is_held(*each)), default=0.0)


def is_held(x: float, slope: float, lower: float, upper: float) -> bool:
    """Return whether a bound holds a coordinate against the descent."""
    return (x <= lower and slope > 0.0) or (x >= upper and slope < 0.0)


_NOTHING = array("d", [0.0])


def floats(count: int) -> array[float]:
    """Return so many zeros."""
    return _NOTHING * count


def not_finite(
    variables: Sequence[str],
    state: Mapping[str, Iterable[float]],
    value: float,
    gradient: Iterable[float],
    asks: bool = False,
) -> str:
    """Name the first quantity that is not finite, in the order of computation.

    A rule may have asked for other derivatives, which are not kept.
    """
    for what, numbers in (*state.items(), ("f", [value]), ("the gradient", gradient)):
        for place, each in enumerate(numbers):
            if not math.isfinite(each):
                variable = variables[place]
                where = "" if what == "f" else f" of {variable}"
                name = f"{variable}" if what == "x" else f"{what}{where}"
                spoilt = ", as it is where g(...) or hvp(...) is not finite,"
                return f"{name} is {each}{spoilt if asks else ''}"
    return "the sum of f, the gradient and the state is infinite"
