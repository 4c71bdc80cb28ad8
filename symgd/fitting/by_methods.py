"""Fit by any method of :func:`symgd.minimize`: the sum over rows as an objective."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from symgd.descent.optimize import minimize
from symgd.fitting.fit_result import Fit
from symgd.fitting.fit_run import FitRun
from symgd.fitting.levenberg_marquardt import End
from symgd.fitting.sums import objective
from symgd.fitting.verdict import FitVerdict

if TYPE_CHECKING:
    from symgd.rules.rule import Rule


def fitted(
    run: FitRun,
    start: array[float],
    found: str,
    method: str | Rule,
    options: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> Fit:
    """Fit by a method of :func:`symgd.minimize`, from where a run has begun."""
    pairs = list(zip(run.lower, run.upper, strict=True))
    result = minimize(
        objective(run.regression),
        start,
        method="auto" if method == "lbfgs" else method,
        bounds=pairs if run.bounded else None,
        **options,
    )
    name = "lbfgs" if method == "lbfgs" else result.method
    counts = (result.nit, result.nfev, math.nan, name)
    end = End(result.x, result.fun, result.status, result.message, *counts)
    return Fit(
        run.whole,
        FitVerdict(run.regression, end, run.bounds).judged(),
        **facts,
        start=result.start,
        start_source=found,
        bounds=run.bounds,
        seconds=result.seconds,
        trace=result.trace,
        criteria=result.criteria,
        hyperparameters=result.hyperparameters,
    )
