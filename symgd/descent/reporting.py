"""The end of a run as it is reported: a result, and which criterion fired."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

from symgd.descent.history import Seen
from symgd.descent.result import Criterion, Result
from symgd.descent.run import Run
from symgd.native.status import Status
from symgd.objectives.objective import Objective
from symgd.objectives.points import MANY


def result_of(
    run: Run, status: Status, objective: Objective, start: Sequence[float], source: str
) -> Result:
    """Return the end of a run as it is reported: about the objective itself."""
    run.conclude(status)
    run.recall(status)
    sign = run.settings.sign
    pairs = list(zip(run.lower, run.upper, strict=True)) if run.bounded else None
    return Result(
        x=run.x,
        fun=sign * run.fun + 0.0,  # no -0.0
        jac=_signed(run.gradient, sign),
        grad_norm=run.norm,
        nit=max(run.t, 0),
        nfev=run.evaluations,
        status=status,
        message=run.message(status),
        method=run.name,
        hyperparameters=dict(run.hyperparameters),
        start=start if isinstance(start, array) else array("d", start),
        start_source=source,
        bounds=pairs,
        trace=run.trace() if run.settings.every else None,
        objective=objective,
        maximized=sign < 0,
        seconds=run.seconds,
        criteria=criteria_of(run, status),
        lowest=_lowest(run),
        found=run.found(status),
        certificate=run.certificate(),
    )


def _lowest(run: Run) -> Seen | None:
    """Return the lowest iterate that was looked at, about the objective itself."""
    x, fun, nit = run.lowest
    return Seen(x, run.settings.sign * fun + 0.0, nit) if run.remembers else None


def _signed(numbers: array[float], sign: float) -> array[float]:
    """Return numbers with another sign, and without -0.0."""
    if len(numbers) <= MANY:
        return array("d", [sign * each + 0.0 for each in numbers])
    import numpy as np

    signed = numbers[:]
    view = np.frombuffer(signed)
    np.multiply(view, sign, out=view)
    np.add(view, 0.0, out=view)
    return signed


def criteria_of(run: Run, status: Status) -> dict[str, Criterion]:
    """Return each criterion that was set, what was reached of it, which fired."""
    settings, n = run.settings, max(run.t, 0)
    sign, patience, waited = settings.sign, settings.patience, run.record.waited
    found: dict[str, Criterion] = {}
    if settings.gtol >= 0.0:
        small = status == Status.CONVERGED and run.tested <= settings.gtol  # no kink
        found["gtol"] = Criterion(settings.gtol, run.tested, small)
    if not math.isinf(settings.target):
        reached = status == Status.TARGET_REACHED
        found["target"] = Criterion(sign * settings.target, sign * run.fun, reached)
    if patience > 0:
        lost = status in (Status.STALLED, Status.ABNORMAL) and patience <= waited
        found["patience"] = Criterion(patience, waited, lost)
    found["maxiter"] = Criterion(settings.maxiter, n, status == Status.MAXITER)
    if not math.isinf(settings.time_limit):
        late = status == Status.TIME_LIMIT
        found["time_limit"] = Criterion(settings.time_limit, run.seconds, late)
    return found
