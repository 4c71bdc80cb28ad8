"""The sum over rows that a fit minimises, as an objective of the parameters."""

from __future__ import annotations

import sympy as sp

from symgd.fitting.likelihoods import F, Y
from symgd.fitting.losses import RESIDUAL
from symgd.fitting.regression import Regression
from symgd.fitting.row_formulas import unused
from symgd.language.composed import written_out
from symgd.objectives.objective import Objective


def objective(regression: Regression) -> Objective:
    """Return the sum over rows as an objective of the model's parameters."""
    formulas, loss = regression.formulas, regression.loss
    parameters = [each.name for each in regression.parameters]
    taken = {*parameters, *regression.data}
    index, count = unused("i", taken), unused("n", taken)
    in_row = regression.in_row(index)
    residual = (formulas.model - formulas.target) / formulas.sigma
    residual = residual / sp.Float(regression.scale)
    constants = {s: sp.Float(v) for s, v in regression.constants.items()}
    pair = {F: formulas.model, Y: formulas.target}
    value = written_out(loss.plain.xreplace(constants))
    of_row = value.xreplace(pair if loss.pairs else {RESIDUAL: residual})
    body = formulas.weight * of_row
    whole = sp.Sum(body.xreplace(in_row), (index, 0, count - 1))
    return Objective(whole, parameters, data=regression.data)
