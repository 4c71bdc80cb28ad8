"""Fit by any method of :func:`symgd.minimize`: the sum over rows as an objective."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from symgd.descent.optimize import minimize
from symgd.fitting.losses import RESIDUAL
from symgd.fitting.regression import Regression
from symgd.fitting.row_formulas import unused
from symgd.objectives.objective import Objective
from symgd.objectives.points import Bounds

if TYPE_CHECKING:
    from symgd.fitting.levenberg_marquardt import End
    from symgd.rules.rule import Rule


def objective(regression: Regression) -> Objective:
    """Return the sum over rows as an objective of the model's parameters."""
    formulas, loss = regression.formulas, regression.loss
    parameters = [each.name for each in regression.parameters]
    taken = {*parameters, *(s.name for s in regression.columns)}
    index, count = unused("i", taken), unused("n", taken)
    in_row = {s: sp.IndexedBase(s)[index] for s in regression.columns}
    residual = (formulas.model - formulas.target) / formulas.sigma
    residual = residual / sp.Float(regression.scale)
    constants = {s: sp.Float(v) for s, v in regression.constants.items()}
    value = sp.Abs(RESIDUAL) if loss.smoothed else loss.value.xreplace(constants)
    body = formulas.weight * value.xreplace({RESIDUAL: residual})
    whole = sp.Sum(body.xreplace(in_row), (index, 0, count - 1))
    data = {s.name: each for s, each in regression.columns.items()}
    return Objective(whole, parameters, data=data)


def minimized(
    regression: Regression,
    start: np.ndarray,
    limits: Bounds,
    method: str | Rule,
    settings: Mapping[str, Any],
) -> End:
    """Minimise the sum over rows by a method of :func:`symgd.minimize`."""
    from symgd.fitting.levenberg_marquardt import End

    chosen = "auto" if method == "lbfgs" else method
    pairs = list(zip(limits.lower, limits.upper, strict=True))
    result = minimize(
        objective(regression),
        start,
        method=chosen,
        bounds=pairs if limits.finite else None,
        **settings,
    )
    name = "lbfgs" if method == "lbfgs" else result.method
    counts = (result.nit, result.nfev, float("nan"), name)
    return End(result.x, result.fun, result.status, result.message, *counts)
