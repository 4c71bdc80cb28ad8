"""How likely the data are by a fitted model, and what that is worth beside others.

Elsewhere: model selection, information criteria.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeAlias

from symgd.errors import InputError
from symgd.fitting import shares
from symgd.fitting.correlated import Correlated
from symgd.fitting.likelihoods import Likelihood
from symgd.fitting.orthogonal import Orthogonal
from symgd.fitting.quantiles import tail_of_chi_squared, tail_of_f
from symgd.fitting.regression import Regression

Fit: TypeAlias = Any  # it stands above, and is asked for its public names only
ROUNDING = 1e-9  # of a sum, by which that of a larger model may be larger


class NestedTest(NamedTuple):
    """Whether a larger model is better than one within it by more than chance."""

    statistic: float  #: F, or twice the difference of the log-likelihoods.
    freedom: tuple[int, ...]  #: Of the statistic.
    p: float  #: How often it would be as large if the smaller model were true.


def log_likelihood(fit: Fit) -> float:
    """Return the log-likelihood of a fit, of all constants, as R's ``logLik``."""
    regression: Regression = fit.regression.counted
    if isinstance(regression.loss, Likelihood) and regression.loss.known:
        return float(regression.summed(shares.saturated) - fit.fun)
    if isinstance(regression, Orthogonal):
        problem = "with errors in x there is a likelihood of more than the target"
        raise InputError(f"{problem}: AIC and BIC are not defined")
    if not regression.loss.squares:
        problem = f"the loss {regression.loss.name!r} is no likelihood"
        raise InputError(f"{problem}: there is no AIC, BIC or test by it")
    count, squares = regression.weighing, 2.0 * fit.fun
    if isinstance(regression, Correlated):
        units = -regression.log_determinant
    else:
        units = regression.summed(shares.log_units)
    if fit.absolute_sigma:
        return float(units - squares / 2.0 - count / 2.0 * math.log(2.0 * math.pi))
    if squares == 0.0:
        return math.inf
    variance = squares / count
    return float(units - count / 2.0 * (math.log(2.0 * math.pi * variance) + 1.0))


def estimated(fit: Fit) -> int:
    """Return how many numbers were estimated, an unknown variance among them."""
    parameters = rows_of(fit) - fit.degrees_of_freedom
    return parameters + int(fit.regression.loss.squares and not fit.absolute_sigma)


def rows_of(fit: Fit) -> int:
    """Return the number of rows that count."""
    rows: int = fit.regression.counted.weighing
    return rows


def aic(fit: Fit) -> float:
    """Return Akaike's information criterion (1974)."""
    return 2.0 * estimated(fit) - 2.0 * log_likelihood(fit)


def aicc(fit: Fit) -> float:
    """Return the same for few rows (Hurvich and Tsai 1989); infinite for too few."""
    k, left = estimated(fit), rows_of(fit) - estimated(fit) - 1
    return aic(fit) + 2.0 * k * (k + 1) / left if left > 0 else math.inf


def bic(fit: Fit) -> float:
    """Return Schwarz's criterion (1978)."""
    return estimated(fit) * math.log(rows_of(fit)) - 2.0 * log_likelihood(fit)


def check_same_data(fits: dict[str, Fit]) -> None:
    """Refuse fits of different rows, or by different losses."""
    (first, one), *others = fits.items()
    for name, other in others:
        mine, theirs = one.regression, other.regression
        told = f"{first!r} and {name!r}"
        if mine.loss.name != theirs.loss.name:
            raise InputError(f"{told} have different losses")
        if one.absolute_sigma != other.absolute_sigma:
            raise InputError(f"{told} differ in absolute_sigma")
        if what := mine.differs_in(theirs):
            raise InputError(f"{told} are no fits of the same data: {what} differs")


def _nested(larger: Fit, smaller: Fit) -> int:
    """Return how many parameters more a fit has."""
    check_same_data({"the larger fit": larger, "the smaller fit": smaller})
    more = smaller.degrees_of_freedom - larger.degrees_of_freedom
    if more <= 0:
        problem = "the other fit must have fewer free parameters than this one"
        raise InputError(f"{problem}: ask the fit of the larger model")
    if larger.fun > smaller.fun + ROUNDING * abs(smaller.fun):
        problem = "the model with fewer parameters has the lower sum"
        raise InputError(f"{problem}: it isn't nested, or the other is no minimum")
    return more


def f_test(larger: Fit, smaller: Fit) -> NestedTest:
    """Return the F test of two nested least squares fits."""
    if not larger.regression.loss.squares or larger.absolute_sigma:
        problem = "an F test is for least squares with an estimated variance"
        raise InputError(f"{problem}; for others there is likelihood_ratio_test")
    more, freedom = _nested(larger, smaller), larger.degrees_of_freedom
    if freedom <= 0:
        raise InputError("there are no degrees of freedom for a test")
    gain, unit = max(0.0, smaller.fun - larger.fun) / more, larger.fun / freedom
    ratio = gain / unit if unit > 0.0 else math.inf
    return NestedTest(ratio, (more, freedom), tail_of_f(ratio, more, freedom))


def likelihood_ratio_test(larger: Fit, smaller: Fit) -> NestedTest:
    """Return the test of two nested fits by their likelihoods (Wilks 1938)."""
    more = _nested(larger, smaller)
    gain = max(0.0, 2.0 * (log_likelihood(larger) - log_likelihood(smaller)))
    return NestedTest(gain, (more,), tail_of_chi_squared(gain, more))
