"""The default method within constraints where these or f have kinks.

An interior point method solves the smooth form, which has more variables; all that is
said of it is of the problem as it was given.
"""

from __future__ import annotations

import dataclasses
import math
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symgd.descent.certificate import Certificate, Residuals
from symgd.descent.constrained.interior_run import CTOL, InteriorRun
from symgd.descent.history import AtStart
from symgd.descent.kinks.on_kinks import on_kinks, units_at
from symgd.descent.kinks.proof import Posed
from symgd.descent.run import NOISE, Run, floats
from symgd.descent.settings import Settings
from symgd.language.text import number
from symgd.native.machine import address
from symgd.native.status import RUNNING, Status
from symgd.objectives.bound_rows import BoundBox
from symgd.objectives.objective import Objective
from symgd.objectives.points import Bounds
from symgd.objectives.smooth_forms import SmoothForm, smooth_form

MOST = 3000  # rows of a matrix
EXACT = 2000  # likewise, to be exactly on kinks
NO_WORSE = 25.0 * NOISE  # of f: what its terms make of rounding


def run_within(objective: Objective, bounds: Bounds, settings: Settings) -> Run:
    """Return a run that keeps to constraints, in a smooth form where there is one."""
    form = smooth_form(objective, MOST)
    if form is None:
        return InteriorRun(objective, bounds, settings)
    return KinkedInteriorRun(form, objective, bounds, settings)


class KinkedInteriorRun(Run):
    """A run of the interior point method on the smooth form of a problem."""

    name = "auto"
    short = 50

    def __init__(
        self, form: SmoothForm, objective: Objective, bounds: Bounds, settings: Settings
    ) -> None:
        told = ("violation", "barrier")
        super().__init__(objective, bounds, settings, constants=told)
        self.scheduled, self.remembers = frozenset(told), False
        assert objective.constraints is not None
        self.form, self.lagrangian = form, objective.constraints
        self.pieces: tuple[str, ...] | None = None  # the kinks at which it ended
        own = dataclasses.replace(settings, sign=1.0, every=0)
        self.inner = InteriorRun(form.objective, form.bounds(bounds), own)
        self.function = objective.kernel("evaluation")
        self.relations = self.lagrangian.function.kernel("evaluation")
        self.words = self.lagrangian.function.parameter_values()

    def begin(self, x: Sequence[float]) -> int:
        """Begin inside of the smooth form."""
        self.recorded, self.pieces = array("d"), None
        if self.origin:
            self.origin[:] = array("d", x)
        self.record.clear()
        self.record.variables, self.record.every = self.n, self.settings.every
        self.settings.put_into(self.record)
        with np.errstate(all="ignore"):
            lifted = self.form.lifted(x)
        self._be_at(array("d", x), floats(self.n))
        self.record.value = self.record.norm = math.nan
        self.record.t = -1
        if not np.isfinite(lifted).all():
            return int(Status.DIVERGED)
        status = self.inner.begin(lifted.tolist())
        self._copy()
        if status == RUNNING:
            self.at_start = AtStart(self.fun, self.norm, sum(map(abs, x)))
        return status

    def advance(self, last: int) -> int:
        """Continue, at most to iteration ``last``; return RUNNING or a status."""
        each, status = self.settings.every > 0, RUNNING
        while status == RUNNING and self.t < last:
            with np.errstate(all="ignore"):
                status = self.inner.advance(self.inner.t + 1 if each else last)
            self._copy()
            reached = self.fun <= self.settings.target
            if reached and self.violation <= CTOL:
                return int(Status.TARGET_REACHED)
        if status not in (Status.CONVERGED, Status.STALLED):
            return status
        if not self.violation <= CTOL:
            return int(Status.ABNORMAL)
        self._be_on_kinks()
        return status

    def _be_on_kinks(self) -> None:
        """Be exactly on the kinks and sides nearby, if a minimum is proved there."""
        inner, form, before = self.inner, self.form, (self.fun, self.x)
        self.pieces = ()
        if form.height > EXACT:
            return
        prices = np.array(inner.part("scales", form.rows))
        prices *= np.array(inner.part("y", form.rows)) / inner.conditions.scale
        for found in on_kinks(self._posed(), self.x, prices):
            if not found.pieces:
                continue  # nothing there is to be exact
            self._be_there(array("d", found.x.tolist()))
            no_worse = self.fun <= before[0] + NO_WORSE * abs(before[0])
            if no_worse and self.violation <= CTOL:
                self.pieces = found.pieces
                return
        self._be_there(before[1])

    def _posed(self) -> Posed:
        """Return the smooth form, and what holds its ends."""
        inner, form, n = self.inner, self.form, self.n
        limits = np.full(form.rows, -math.inf), np.full(form.rows, math.inf)
        for limit, side in zip(limits, form.lagrangian.sides, strict=True):
            limit[form.own_rows] = np.array(side)[form.own_rows]
        for each in form.lagrangian.bound_rows:
            if each.place < n and each.row in inner.box.rows:  # it is among the bounds
                limits[0][each.row], limits[1][each.row] = -math.inf, math.inf
        units = units_at(self.x, self.origin or self.x)
        sides = np.array(inner.lower[:n]), np.array(inner.upper[:n])
        gtol = 0.0 if self.settings.relative else self.settings.gtol
        return Posed(form, sides, units, gtol, limits)

    def _copy(self) -> None:
        """Be where the inner run is, and record that."""
        inner, record = self.inner, self.record
        self._be_there(inner.x[: self.n])
        record.t, record.norm = inner.t, inner.norm
        record.evaluations = inner.evaluations
        every, count = record.every, len(self.recorded) // self.columns
        if every and self.t % every == 0 and count <= self.t // every:
            told = [self.violation, inner.conditions.barrier]
            self.recorded += array("d", [self.t, self.fun, self.norm, *self.x, *told])

    def _be_there(self, x: array[float]) -> None:
        gradient = floats(self.n)
        where = map(address, (x, self.parameters, gradient))
        self.record.value = self.function(*where)
        self._be_at(x, gradient)

    def _values(self) -> array[float]:
        """Return what each constraint is, left side without the right one."""
        n, m = self.n, self.lagrangian.rows
        point = self.x + floats(m) + array("d", [1.0])
        image = floats(n + m + 1)
        self.relations(*map(address, (point, self.words, image)))
        return image[n : n + m]

    @property
    def violation(self) -> float:
        """By how much the given constraints, and bounds, are missed."""
        low, high = map(np.array, self.lagrangian.sides)
        values, x = np.array(self._values()), np.array(self.x)
        sides = np.array(self.lower) - x, x - np.array(self.upper)
        missed = [*sides, low - values, values - high]
        return max(float(each.max(initial=0.0)) for each in missed)

    def certificate(self) -> Certificate:
        """Return what shows that the end is a minimum, or how far it is from one."""
        inner, sign = self.inner.certificate(), self.settings.sign
        prices = [sign * inner.prices[k] + 0.0 for k in self.form.own_rows]
        bounds = [sign * each + 0.0 for each in inner._bounds[: self.n]]
        where = self.lagrangian, self.objective.space, self.x
        box = BoundBox(self.lagrangian, self.bounds)
        return Certificate(*where, box, prices, self._values(), bounds, self.residuals)

    @property
    def residuals(self) -> Residuals:
        """What is missed by how much."""
        inner = self.inner.residuals
        return inner._replace(constraint_violation=self.violation)

    def blame(self) -> str:
        """Say what was not finite."""
        if self.t < 0:
            return self.inner.blame()
        falls = "falls" if self.settings.sign > 0 else "rises"
        return f"f {falls} without bound where the constraints hold,"

    def told(self, status: Status) -> str:
        """Say why a run ended as it did, with the numbers."""
        if status == Status.CONVERGED:
            told = self._gradient_told()
            kinks = " and of ".join(self.pieces or ())
            return f"{told}; this is at a kink of {kinks}" if kinks else told
        if status != Status.INFEASIBLE:
            return super().told(status)
        low, high = map(np.array, self.lagrangian.sides)
        values = np.array(self._values())
        worst = int(np.argmax(np.maximum(low - values, values - high)))
        return (
            "no point near here satisfies the constraints; the least violation found "
            f"is {number(self.violation)}, of {self.lagrangian.name_of(worst)}"
        )

    def _gradient_told(self) -> str:
        return self.residuals.told()

    def _stalled(self) -> str:
        return self.inner._stalled()

    def _lost(self) -> str:
        return self.inner._lost()

    def _not_a_minimum(self) -> str:
        return self.inner._not_a_minimum()

    def recall(self, status: Status) -> None:
        """Find out again at which kinks the end is, of a run that was stored there."""
        if self.pieces is None and status in (Status.CONVERGED, Status.STALLED):
            there = self.x
            self._be_on_kinks()
            self._be_there(there)

    # ---------------------------------------------------- stored and continued

    def arrays(self) -> dict[str, array[Any]]:
        """Return all numbers that the run consists of, by name."""
        inner = {f"inner_{k}": v for k, v in self.inner.arrays().items()}
        return super().arrays() | inner

    def plan(self) -> dict[str, Any]:
        """Return what else is to be known to go on, as JSON can hold it."""
        return super().plan() | {"inner": self.inner.plan()}

    def restore(self, stored: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        """Be where another run was when it was stored; raises likewise."""
        inner = self.inner.arrays()
        theirs = {name: stored[f"inner_{name}"] for name in inner}
        super().restore(stored, plan)
        self.inner.restore(theirs, plan["inner"])
