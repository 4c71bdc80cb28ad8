"""Whether the end of a fit is worth anything, whatever the descent says of it.

On a plateau nothing slopes, and a descent ends there as it does at a minimum: but a
curve that is no better than a constant, or that a parameter doesn't change, was not
fitted.
"""

from __future__ import annotations

import numpy as np

from symgd.fitting.breaks import jumping
from symgd.fitting.levenberg_marquardt import End, Limits
from symgd.fitting.regression import Regression, is_ill_conditioned
from symgd.fitting.row_formulas import row_formulas, unused
from symgd.fitting.starts import linear_parameters
from symgd.language.text import number
from symgd.native.status import Status

MET = 1e-12  # of the target: residuals that are rounding
GOOD = 1e-3  # of a constant's sum: no more is asked of what is lower
POOR = 0.1  # of a constant's sum
FEW = 8  # residuals, too few to have a structure
STRUCTURED = 1.0  # Durbin and Watson's number, 2 for independent residuals
SAMPLE = 1000  # rows that tell a constant's sum roughly
NO_BETTER = 1.0 - 1e-9


def judged(regression: Regression, end: End, free: np.ndarray) -> End:
    """Return an end; where it is no better than a plateau, as no success."""
    if not end.status.success or _is_linear(regression):
        return end
    problem = _problem(regression, end.x, end.fun, free)
    if not problem:
        return end
    message = f"{problem}; {end.message}"
    return end._replace(status=Status.ABNORMAL, message=message)


def is_poor(regression: Regression, end: End, free: np.ndarray) -> bool:
    """Return whether another start might well end lower."""
    if _is_linear(regression) or _is_met(regression, end.fun):
        return False
    if jumping(regression.formulas):  # no descent moves them
        return True
    if not end.status.success or idle(regression, end.x, free).any():
        return True
    left = end.fun / max(_sum_of_a_constant(regression), 1e-300)
    if left <= GOOD and not is_ill_conditioned(regression.gauss_newton(end.x)):
        return False
    return left > POOR or left <= GOOD or _is_structured(regression, end.x)


def idle(regression: Regression, x: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Return which parameters change nothing at x, though they could elsewhere."""
    slopes = np.array([each != 0 for each in regression.formulas.jacobian])
    return slopes & free & (np.diag(regression.gauss_newton(x).curvature) == 0.0)


def _problem(
    regression: Regression, x: np.ndarray, fun: float, free: np.ndarray
) -> str:
    if _is_met(regression, fun):
        return ""
    lost = idle(regression, x, free)
    if lost.any():
        each = zip(regression.parameters, lost, strict=True)
        names = ", ".join(parameter.name for parameter, is_lost in each if is_lost)
        return f"the model doesn't depend on {names} there, to first order"
    least = _sum_of_a_constant(regression)
    if least > 0.0 and fun >= NO_BETTER * least:
        return f"the fit is no better than a constant, whose sum is {number(least)}"
    return ""


def _is_linear(regression: Regression) -> bool:
    return len(linear_parameters(regression.formulas)) == len(regression.parameters)


def _is_met(regression: Regression, fun: float) -> bool:
    if not regression.loss.squares:
        return fun == 0.0
    return 2.0 * fun <= MET**2 * float(
        np.sum((regression.target * regression.unit) ** 2)
    )


def _sum_of_a_constant(regression: Regression) -> float:
    """Return the least sum of losses that a constant has."""
    target, weight = regression.target, regression.weight
    at = np.average(target, weights=weight / regression.sigma**2)
    if regression.loss.squares:
        return float(np.sum(((target - at) * regression.unit) ** 2)) / 2.0
    old = regression.formulas
    letter = unused("c", {each.name for each in regression.columns})
    parts = (letter, (letter,), old.target, old.sigma, old.weight, old.loss)
    constant = Regression(
        row_formulas(*parts), regression.columns, regression.constants, regression.scale
    )
    open = np.full(1, np.inf)
    starts = np.median(target), at
    limits = Limits(1e-6, 200)
    return min(
        constant.minimize(np.array([start]), -open, open, limits)[0].fun
        for start in starts
    )


def _is_structured(regression: Regression, x: np.ndarray) -> bool:
    """Return whether neighbours have like residuals (Durbin and Watson 1950)."""
    rest = regression.residuals(x)
    used = regression.formulas.model.free_symbols - {regression.formulas.target}
    columns = [each for s, each in regression.columns.items() if s in used]
    if columns:
        rest = rest[np.argsort(columns[0], kind="stable")]
    size = float(np.sum(rest**2))
    apart = float(np.sum(np.diff(rest) ** 2))
    return len(rest) >= FEW and apart < STRUCTURED * size
