"""Quantiles: of the distributions that intervals are made of, and of samples."""

from __future__ import annotations

import math
from statistics import NormalDist

import mpmath
import numpy as np

from symgd.language.digits import digits

ROUNDING = 1e-12  # of a sum of weights


def two_sided(level: float, freedom: float = math.inf) -> float:
    """Return q so that |T| <= q with a probability, for Student's t or a normal T.

    >>> round(two_sided(0.95), 6), round(two_sided(0.95, 10), 6)
    (1.959964, 2.228139)

    References
    ----------
    Student, The probable error of a mean, Biometrika 6 (1908).
    """
    normal = NormalDist().inv_cdf(0.5 + level / 2.0)
    if math.isinf(freedom):
        return normal
    if freedom == 1:
        return math.tan(math.pi * level / 2.0)  # and heavier tails there are not

    def excess(log_t: float) -> mpmath.mpf:
        share = freedom / (freedom + mpmath.exp(2 * log_t))
        tail = mpmath.betainc(freedom / 2, 0.5, 0, share, regularized=True)
        return mpmath.log(tail) - mpmath.log(1.0 - level)

    low = math.log(normal)
    high = math.log(math.tan(math.pi * level / 2.0))
    with digits():
        return math.exp(mpmath.findroot(excess, (low, high), solver="anderson"))


def of_sample(values: np.ndarray, weights: np.ndarray, level: float) -> float:
    """Return a quantile of numbers that count by their weights, as if repeated.

    >>> weights = np.array([1.0, 2.0, 1.0, 0.0])
    >>> of_sample(np.array([5.0, 1.0, 3.0, 9.0]), weights, 0.5)  # of 1, 1, 3, 5
    2.0
    """
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    wanted = level * below[-1] * np.array([1.0 - ROUNDING, 1.0 + ROUNDING])
    places = np.searchsorted(below, wanted).clip(max=len(values) - 1)
    return float(values[order[places]].mean())


def tail_of_f(ratio: float, above: int, below: int) -> float:
    """Return how often a ratio of variances is larger, by Fisher's and Snedecor's F.

    >>> round(tail_of_f(4.0, 2, 20), 7)
    0.0345716
    """
    if math.isinf(ratio):
        return 0.0
    share = below / (below + above * ratio)
    with digits():
        tail = mpmath.betainc(below / 2, above / 2, 0, share, regularized=True)
        return float(tail)


def tail_of_chi_squared(square: float, freedom: int) -> float:
    """Return how often a sum of squares of normal numbers is larger.

    >>> round(tail_of_chi_squared(3.841459, 1), 7)
    0.05
    """
    if math.isinf(square):
        return 0.0
    with digits():
        tail = mpmath.gammainc(freedom / 2, square / 2, mpmath.inf, regularized=True)
        return float(tail)
