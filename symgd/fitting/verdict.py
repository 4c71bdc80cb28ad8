"""Whether the end of a fit is worth anything, whatever the descent says of it.

On a plateau nothing slopes, and a descent ends there as it does at a minimum: but a
curve that is no better than a constant, or that a parameter doesn't change, was not
fitted.
"""

from __future__ import annotations

import itertools

import numpy as np

from symgd.fitting.goodness import (
    beside_a_constant,
    has_waves,
    is_flat,
    is_met,
    is_structured,
)
from symgd.fitting.levenberg_marquardt import End, is_ill_conditioned
from symgd.fitting.regression import Regression
from symgd.language.text import number, told
from symgd.native.status import Status

GOOD = 1e-3  # of a constant's sum: no more is asked of what is lower
NOISE = 1e-8  # of a constant's sum: what leaves less is straight about its end
MOST = 0.5  # of a constant's sum, left by waves
POOR = 0.1  # of a constant's sum
NO_BETTER = 1.0 - 1e-9
FAR = 1e30  # times the data: of a parameter that ran away
BEYOND, NEARER = 10.0, (1e-2, 1e-4, 1e-6, 1e-8)  # times as far as it ran
SAME, WORSE = 1.0 + 1e-9, 1.0 + 1e-6  # times a sum
UNKNOWN = 0.1  # of a direction of length 1: a parameter that has a part of it
SEEN = 20_000  # rows, of which a pattern is looked for


def judged(regression: Regression, end: End, free: np.ndarray) -> End:
    """Return an end; where it is no better than a plateau, as no success."""
    if not end.status.success:
        return end
    if not (problem := _problem(regression, end.x, end.fun, free)):
        return end
    message = f"{problem}; {told(end.message)}"
    return end._replace(status=Status.ABNORMAL, message=message)


def reservation(regression: Regression, end: End, free: np.ndarray) -> str:
    """Say what is to be said of a success: too few rows matter, or leave a pattern.

    A model leaves one that isn't the data's; so does a curve that was fitted to
    another feature of the data.
    """
    if not end.status.success:
        return ""
    if regression.count < free.sum():
        return f"{regression.count} rows can't determine {free.sum()} parameters"
    if _is_linear(regression) or regression.count > SEEN:
        return ""
    if is_met(regression, end.x, end.fun):
        return ""
    if not is_structured(regression, end.x):
        left = beside_a_constant(regression, end.x, end.fun)
        if has_waves(regression) and left > MOST:
            return (
                f"the waves leave {100 * left:.0f} % of what a constant leaves: those "
                "of other frequencies may leave less"
            )
        if left <= GOOD or not is_ill_conditioned(regression.gauss_newton(end.x)):
            return ""
        return "the rows don't determine all parameters there: few may be met by chance"
    return (
        "the residuals have a pattern: the model doesn't follow the data everywhere, "
        "or another minimum is lower"
    )


def is_poor(regression: Regression, end: End, free: np.ndarray) -> bool:
    """Return whether another start might well end lower."""
    return not _is_linear(regression) and _might_be_lower(regression, end, free)


def has_noise(regression: Regression, end: End) -> bool:
    """Return whether rows may have two minima beside each other, by what is left."""
    if _is_linear(regression):
        return False
    return beside_a_constant(regression, end.x, end.fun) > NOISE


def _might_be_lower(regression: Regression, end: End, free: np.ndarray) -> bool:
    if is_met(regression, end.x, end.fun):
        return False
    if not end.status.success or idle(regression, end.x, free):
        return True
    if regression.formulas.breaking:  # no descent moves them
        return True
    left = beside_a_constant(regression, end.x, end.fun)
    if is_ill_conditioned(regression.gauss_newton(end.x)):
        return True
    if left <= GOOD:
        return False
    if left > POOR or has_waves(regression):
        return True
    return is_structured(regression, end.x)


def idle(regression: Regression, x: np.ndarray, free: np.ndarray) -> list[int]:
    """Return which parameters change nothing at x, though they could elsewhere."""
    squares = regression.gauss_newton(x).squares_of_columns
    jumping = regression.formulas.jumping
    return [
        k for k, s in enumerate(squares) if s == 0.0 and free[k] and k not in jumping
    ]


def _problem(
    regression: Regression, x: np.ndarray, fun: float, free: np.ndarray
) -> str:
    straight = _is_linear(regression)
    if is_met(regression, x, fun) or (straight and is_flat(regression)):
        return ""
    if lost := idle(regression, x, free):
        names = ", ".join(regression.variables[k] for k in lost)
        if straight:
            return f"no row depends on {names}"
        return f"the model doesn't depend on {names} there, to first order"
    ill = is_ill_conditioned(regression.gauss_newton(x))
    if straight and not ill:  # a slope may well be 0
        return ""
    left, least = beside_a_constant(regression, x, fun), regression.sum_of_a_constant
    if left >= NO_BETTER:
        return f"the fit is no better than a constant, whose sum is {number(least)}"
    by_chance = (np.count_nonzero(free) - 1) / max(1, regression.count - 1)
    if not straight and 1.0 - left <= by_chance < 1.0:
        return (
            f"the fit is no better than a constant, whose sum is {number(least)}, "
            f"than {free.sum()} parameters would be by chance"
        )
    if ill and (far := _falls_for_ever(regression, x, fun, free)):
        return f"the sum falls for ever as {far} grow: it has no minimum"
    if ill and _ran_to_a_limit(regression, x):
        return "the model follows the data badly, and parameters have run away"
    return ""


def _ran_to_a_limit(regression: Regression, x: np.ndarray) -> bool:
    """Return whether only a limit of the model is near, as parameters are infinite.

    What they do together isn't determined then, and residuals show that it's not it.
    """
    if regression.count > SEEN or max(map(abs, x.tolist())) <= FAR:
        return False
    if not (np.abs(x) > FAR * regression.extent.largest).any():
        return False
    return is_structured(regression, x)


@np.errstate(all="ignore")
def _falls_for_ever(
    regression: Regression, x: np.ndarray, fun: float, free: np.ndarray
) -> str:
    """Return which parameters together are so large that larger is the same.

    The sum is worse where they are smaller, by any of some factors. What is merely
    redundant isn't.
    """
    curvature = regression.gauss_newton(x).curvature
    units = np.sqrt(np.diag(curvature))
    known = np.flatnonzero((units > 0.0) & free)
    block = curvature[np.ix_(known, known)] / np.outer(units[known], units[known])
    if not len(known):
        return ""
    weakest = np.linalg.eigh(block)[1][:, 0]
    moved = known[np.abs(weakest) > UNKNOWN]

    def at(factor: float) -> float:
        there = x.copy()
        there[moved] *= factor
        return regression.gauss_newton(there).fun

    sums = [fun, *map(at, NEARER)]
    rises = all(a <= SAME * b for a, b in itertools.pairwise(sums))
    if not (rises and sums[-1] > WORSE * fun and at(BEYOND) <= SAME * fun):
        return ""
    return " and ".join(regression.variables[k] for k in moved)


def _is_linear(regression: Regression) -> bool:
    return len(regression.formulas.linear) == len(regression.parameters)
