"""The default method where f has kinks: it ends exactly on them, by a smooth form.

It searches as elsewhere. Where that comes to an end, or takes long, the kinks nearby
are looked at: whether the minimum is on them, by its multipliers. If not, an interior
point method solves the smooth form, from the best point; its iterates count as the
lowest point that it has seen. What it leads to is looked at likewise. Where all that
proves nothing, the search goes on where it was, and judges its ends itself; if it ends
above what was seen, it goes on from there.
"""

from __future__ import annotations

import dataclasses
import math
from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from symgd.descent.ends import Ending
from symgd.descent.falling_on import falls_on
from symgd.descent.kinks.at_end import Kink, kink_at
from symgd.descent.run import NO_END, NOISE, floats, projected_norm
from symgd.descent.solver_run import SolverRun
from symgd.descent.truncated_run import TruncatedRun
from symgd.native import records as layout
from symgd.native.machine import address
from symgd.native.status import RUNNING, Status

if TYPE_CHECKING:
    import numpy as np

    from symgd.descent.constrained.interior_run import InteriorRun
    from symgd.descent.kinks.on_kinks import OnKinks
    from symgd.objectives.smooth_forms import SmoothForm

SEARCHED, LONG = 200, 2000  # iterations, before it takes long; of a large smooth form
MOST = 3000  # coordinates and relations of a smooth form
# Rows of its matrix, up to which it is solved: on the way, and where a search ended
# without a proof; and from which on a step takes long.
EARLY, INSIDE, SLOW = 600, 2000, 300
NO_WORSE = 25.0 * NOISE  # of f: what its terms make of rounding
ENDS = (Status.CONVERGED, Status.STALLED, Status.ABNORMAL)


class KinkedRun(SolverRun):
    """The default method for a formula with kinks, of few variables."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.looked, self.inner = False, None  # whether kinks have been looked at
        self.search_ended = RUNNING  # how the search had ended before
        # Value, point and gradient: where it was, and the lowest that was seen since.
        self.left, self.seen = floats(2 * self.n + 1), floats(2 * self.n + 1)
        self.left[0] = self.seen[0] = math.inf  # also of one that never begins
        self.proved: OnKinks | None = None
        self.next_look = SEARCHED  # later where the smooth form is large

    inner: InteriorRun | None

    def begin(self, x: Sequence[float]) -> int:
        """Evaluate the start, and plan the stages."""
        self.looked, self.inner, self.proved = False, None, None
        self.search_ended, self.next_look = RUNNING, SEARCHED
        self.left[0] = self.seen[0] = math.inf
        return super().begin(x)

    def _continue(self) -> int:
        last = self.record.last
        if self.inner is not None:
            return self._continue_inside(last)
        if self.looked:
            return super()._continue()
        self.record.last = min(last, self.next_look)
        status = super()._continue()
        self.record.last = last
        if status == RUNNING and self.t >= self.next_look:
            return self._look_at_kinks(RUNNING)
        return status

    def judged(self, status: int) -> int:
        """Say how a run has ended, by what the end is; RUNNING if it is to go on."""
        if self.inner is not None or self.proved is not None:
            return status
        ended = status in ENDS and not self.looked and not self.impatient
        if ended and (status != Status.CONVERGED or self._turns()):
            looked = self._look_at_kinks(status)
            if self.proved is not None or self.inner is not None:
                return looked
        status = super().judged(status)
        if status != RUNNING and not self.impatient and self._was_lower():
            self._move_to(self.seen)
            self.seen[0] = math.inf
            return self._goes_on(self.settings.gtol)
        return status

    def conclude(self, status: Status) -> None:
        """Be at the lowest point that was seen."""
        if self._was_lower():
            self._move_to(self.seen)

    def _was_lower(self) -> bool:
        """Return whether f was visibly lower elsewhere."""
        return self.seen[0] < self.fun - NO_WORSE * abs(self.fun)

    # ------------------------------------------------------- what is at kinks

    def _form(self) -> SmoothForm | None:
        from symgd.objectives.smooth_forms import smooth_form

        return smooth_form(self.objective, MOST)

    def _look_at_kinks(self, status: int) -> int:
        """Return CONVERGED where kinks nearby prove it; else be in the smooth form.

        Where there is none, the status is still the one that was given.
        """
        form = self._form()
        if form is not None and form.height > EARLY:
            self.next_look = LONG if form.height <= INSIDE else NO_END
        if status == RUNNING and self.t < self.next_look:
            return status
        self.looked, self.search_ended = True, status
        if form is None:
            return status
        self._keep(self.left)
        if self._ends_on_kinks(form, self.x, None):
            return int(Status.CONVERGED)
        if form.height > INSIDE:
            return self._search_on()
        self.inner = self._inside(form)
        if self.inner.begin(form.lifted(self.x).tolist()) != RUNNING:
            return self._search_on()
        return RUNNING

    @property
    def _is_slow(self) -> bool:
        form = self._form()
        return form is not None and form.height > SLOW

    def _inside(self, form: SmoothForm) -> InteriorRun:
        from symgd.descent.constrained.interior_run import InteriorRun

        own: dict[str, Any] = {"sign": 1.0, "every": 0, "patience": 0, "ftol": 0.0}
        settings = dataclasses.replace(self.settings, target=-math.inf, **own)
        return InteriorRun(form.objective, form.bounds(self.bounds), settings)

    def _ends_on_kinks(
        self, form: SmoothForm, x: Sequence[float], prices: np.ndarray | None
    ) -> bool:
        """Be at a minimum on the kinks nearby, if there is one; return whether."""
        import numpy as np

        from symgd.descent.kinks.on_kinks import on_kinks, units_at
        from symgd.descent.kinks.proof import Posed

        units = units_at(x, self.origin or x)
        gtol = 0.0 if self.settings.relative else self.settings.gtol
        sides = np.array(self.lower), np.array(self.upper)
        best = self.fun
        for found in on_kinks(Posed(form, sides, units, gtol), x, prices):
            fun, gradient = self._evaluated(found.x.tolist())
            if not fun <= best + NO_WORSE * abs(best):
                continue
            self._move(found.x.tolist(), fun, gradient)
            if self._is_minimum(found):
                return True
        return False

    def _is_minimum(self, found: OnKinks) -> bool:
        """Return whether a point on kinks is a minimum, where f may be flat as well."""
        pieces = found.pieces
        if not pieces:  # it is where f is smooth, of which the search knows more
            return False
        if found.is_strict:
            self.kink = Kink(True, False, None, pieces, 0)
        elif not self.origin:
            return False
        else:
            kink = kink_at(self)
            self.record.evaluations += kink.evaluations
            if not kink.is_minimum or falls_on(self, kink.surfaces):
                return False
            self.kink = kink._replace(pieces=pieces)
        self.ending, self.proved = Ending(layout.EXACT), found
        return True

    def _evaluated(self, x: Sequence[float]) -> tuple[float, array[float]]:
        point, gradient = array("d", x), floats(self.n)
        self.record.evaluations += 1
        where = map(address, (point, self.parameters, gradient))
        return float(self.function(*where)), gradient

    def _keep(self, place: array[float]) -> None:
        place[:] = array("d", [self.fun, *self.x, *self.gradient])

    def _move_to(self, place: array[float]) -> None:
        self._move(place[1 : self.n + 1], place[0], place[self.n + 1 :])

    def _move(self, x: Sequence[float], fun: float, gradient: array[float]) -> None:
        self._be_at(array("d", x), gradient)
        self.record.value = fun
        self.record.norm = projected_norm(self.x, gradient, self.lower, self.upper)

    # ------------------------------------------------- inside the smooth form

    def _continue_inside(self, last: int) -> int:
        """Make steps of the interior point method, and keep the lowest point."""
        import numpy as np

        inner = self.inner
        assert inner is not None
        each = bool(self.record.every) or self._is_slow
        while True:
            before = inner.t, inner.evaluations
            with np.errstate(all="ignore"):
                status = inner.advance(inner.t + (1 if each else last - self.t))
            self.record.t += inner.t - before[0]
            self.record.evaluations += inner.evaluations - before[1]
            fun, gradient = self._evaluated(inner.x[: self.n])
            if fun < self.fun and all(map(math.isfinite, gradient)):
                self._move(inner.x[: self.n], fun, gradient)
            self._record()
            if self.fun <= self.settings.target:
                self.inner = None
                return int(Status.TARGET_REACHED)
            if status != RUNNING:
                return self._leave_inside(inner, status)
            if self.t >= last or self._is_slow:
                return RUNNING

    def _record(self) -> None:
        """Record where it is, as the kernel does."""
        every, count = self.record.every, len(self.recorded) // self.columns
        if every and self.t % every == 0 and count <= self.t // every:
            row = array("d", [self.t, self.fun, self.norm, *self.x])
            self.recorded += row + array("d", [math.nan] * len(self.constants))

    def _leave_inside(self, inner: InteriorRun, status: int) -> int:
        """End where the smooth form led to, or go on with the search."""
        form = self._form()
        if form is not None and status in (*ENDS, Status.STATIONARY):
            import numpy as np

            prices = np.array(inner.part("scales", form.rows))
            prices *= np.array(inner.part("y", form.rows)) / inner.conditions.scale
            self.inner = None
            if self._ends_on_kinks(form, inner.x[: self.n], prices):
                return int(Status.CONVERGED)
        return self._search_on()

    def _search_on(self) -> int:
        """Be where the search was; return how it had ended."""
        self.inner = None
        if self.fun < self.left[0]:
            self._keep(self.seen)
        self._move_to(self.left)
        return self.search_ended

    # ---------------------------------------------------- stored and continued

    def recall(self, status: Status) -> None:
        """Find out again what the end is, of a run that was stored after it."""
        if self.ending is None and status == Status.CONVERGED and self.looked:
            there, form = (self.x, self.fun, self.gradient[:]), self._form()
            if form is not None and self._ends_on_kinks(form, there[0], None):
                self._move(*there)
                return
        super().recall(status)

    def foresee(self, plan: Mapping[str, Any]) -> None:
        """Have the arrays that a stored run has."""
        self.inner = None
        if plan.get("inner") is not None:
            form = self._form()
            if form is None:
                raise ValueError("it has no smooth form")
            self.inner = self._inside(form)

    def arrays(self) -> dict[str, array[Any]]:
        """Return all numbers that the run consists of, by name."""
        inner = {} if self.inner is None else self.inner.arrays()
        own = {"left": self.left, "seen": self.seen}
        return super().arrays() | own | {f"inner_{k}": v for k, v in inner.items()}

    def plan(self) -> dict[str, Any]:
        """Return what else is to be known to go on, as JSON can hold it."""
        inner = None if self.inner is None else self.inner.plan()
        own = {"looked": self.looked, "search_ended": int(self.search_ended)}
        return super().plan() | own | {"inner": inner}

    def restore(self, stored: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        """Be where another run was when it was stored; raises likewise."""
        own = {k: v for k, v in stored.items() if not k.startswith("inner_")}
        inner, self.inner = self.inner, None
        super().restore(own, plan)
        self.looked = bool(plan["looked"])
        self.search_ended = int(plan["search_ended"])
        if self.search_ended not in (RUNNING, *Status):
            raise ValueError("no search ends like that")
        if inner is not None:
            theirs = {k: stored[f"inner_{k}"] for k in inner.arrays()}
            inner.restore(theirs, plan["inner"])
            self.inner = inner


class KinkedTruncatedRun(KinkedRun, TruncatedRun):
    """The same for sums over many variables."""


def kinked_run(*way: Any) -> KinkedRun:
    """Return a run of the default method, of an objective, bounds and settings."""
    many = way[0].has_many_variables
    return KinkedTruncatedRun(*way) if many else KinkedRun(*way)
