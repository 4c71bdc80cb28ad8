"""How well data determine parameters: covariance, and directions left open.

Standard errors, and identifiability: what is open is collinear, or has no effect.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from symgd.fitting.levenberg_marquardt import Point, is_ill_conditioned
from symgd.fitting.likelihoods import Likelihood
from symgd.fitting.losses import Kinked
from symgd.fitting.quantiles import of_sample
from symgd.fitting.regression import Regression

INVOLVED = 1e-6  # a component of a direction that is not rounding
SMOOTH = 1e100  # in place of a residual: a kink so round that it is flat
MET = 1e-6  # of the median residual: what is 0 but for rounding


@dataclass(frozen=True)
class Uncertainty:
    """What is known about parameters at an optimum.

    Attributes
    ----------
    spread : float
        s**2, the variance of a residual of unit weight; 1 where sigma is absolute,
        infinite without degrees of freedom.
    freedom : int
        Rows of positive weight, less the directions that they determine.
    known : ndarray, shape (p, p)
        The covariance within what is determined.
    open : ndarray, shape (k, p)
        Directions along which nothing changes, each of length 1 in units of the
        parameters' effects.
    units : ndarray, shape (p,)
        Those units: the column norms of the Jacobian.
    """

    spread: float
    freedom: int
    known: np.ndarray
    open: np.ndarray
    units: np.ndarray

    @functools.cached_property
    def involved(self) -> Any:
        """Which parameters the data leave open."""
        if math.isinf(self.spread):
            return np.ones(len(self.units), dtype=bool)
        return np.any(abs(self.open) > INVOLVED, axis=0)

    @functools.cached_property
    def covariance(self) -> np.ndarray:
        """The covariance; of what is open, infinity, and 0 beside it."""
        open = self.involved
        covariance = np.where(np.logical_or.outer(open, open), 0.0, self.known)
        variances = np.maximum(np.diag(self.known), 0.0)  # below 0 by rounding
        np.fill_diagonal(covariance, np.where(open, np.inf, variances))
        return covariance

    def variance_along(self, rows: np.ndarray) -> np.ndarray:
        """Return the variance of each row's product with the parameters."""
        if math.isinf(self.spread):
            return np.full(len(rows), np.inf)
        variance = np.einsum("ni,ij,nj->n", rows, self.known, rows)
        scaled = rows / self.units
        along = abs(scaled @ self.open.T).max(axis=1, initial=0.0)
        lost = along > INVOLVED * np.linalg.norm(scaled, axis=1)
        return np.where(lost, np.inf, np.maximum(variance, 0.0))

    def directions(self, names: tuple[str, ...]) -> list[dict[str, float]]:
        """Return the open directions by name, the largest component 1."""
        found = []
        for row in self.open:
            step = np.where(abs(row) > INVOLVED, row, 0.0) / self.units
            step = step / step[np.argmax(abs(step))]
            pairs = zip(names, step.tolist(), strict=True)
            found.append({name: size for name, size in pairs if size})
        return found


def at_optimum(
    regression: Regression, x: np.ndarray, free: np.ndarray, absolute_sigma: bool
) -> Uncertainty:
    """Return the uncertainty of the free parameters, as if the others were known.

    For least squares it is s**2 (J'WJ)**-1; for a likelihood the inverse of Fisher's
    information (R. A. Fisher, On the mathematical foundations of theoretical
    statistics, 1922), which is J'WJ; for another loss H**-1 (sum of squared
    scores) H**-1, with the exact Hessian H: P. J. Huber, The behavior of maximum
    likelihood estimates under nonstandard conditions (1967), and H. White, Maximum
    likelihood estimation of misspecified models, Econometrica 50 (1982). A loss with a
    kink at 0 has no Hessian: there H is the density of residuals at 0 times 2 J'WJ for
    the absolute loss, after G. Bassett and R. Koenker, Asymptotic theory of least
    absolute error regression, JASA 73 (1978), and likewise for others.
    """
    count = regression.weighing
    meat = None
    if regression.loss.squares:
        point = regression.gauss_newton(x)
        if is_ill_conditioned(point):
            point = regression.orthogonal(x)
    elif isinstance(regression.loss, Likelihood) and regression.loss.known:
        point = regression.gauss_newton(x)
    elif isinstance(regression.loss, Kinked):
        point, meat = _at_kinks(regression, regression.loss, x)
    else:
        point, meat = regression.newton(x), regression.spread_of_scores(x)
        if not np.isfinite(point.curvature).all():  # as of x**1.2 in a row where x is 0
            point = regression.gauss_newton(x)
    norms = np.sqrt(abs(np.diag(point.curvature)))
    units = np.where(norms > 0.0, norms, 1.0)
    inverse, open = np.zeros((len(x), len(x))), np.zeros((0, len(x)))
    if free.any():
        squares, vectors = point.spectrum(free, units)
        kept = squares > 0.0
        block = (vectors[:, kept] / squares[kept]) @ vectors[:, kept].T
        inverse[np.ix_(free, free)] = block / np.outer(units[free], units[free])
        open = np.zeros((int(np.sum(~kept)), len(x)))
        open[:, free] = vectors[:, ~kept].T
    freedom = count - (int(free.sum()) - len(open))
    spread = 1.0
    if regression.loss.squares and not absolute_sigma:
        spread = 2.0 * point.fun / freedom if freedom > 0 else math.inf
    known = inverse if meat is None else inverse @ meat @ inverse
    known = known * spread if math.isfinite(spread) else known
    return Uncertainty(spread, freedom, known, open, units)


def _at_kinks(
    regression: Regression, loss: Kinked, x: np.ndarray
) -> tuple[Point, np.ndarray]:
    """Return curvature and spread of scores for a loss with a kink at 0.

    One by the density at 0 is a difference quotient of quantiles of the residuals, 0
    where as many are equal, with the bandwidth of P. Hall and S. J. Sheather, On the
    distribution of a studentized quantile, JRSS B 50 (1988). Both are times that.
    """
    weights = regression.weight
    rows = regression.curve(x)[1] / regression.sigma[:, None]
    residuals, n = regression.residuals(x), int(np.count_nonzero(weights))
    met = abs(residuals) <= MET * of_sample(abs(residuals), weights, 0.5)
    signs = np.where(met, 0.0, np.sign(residuals))
    level = 0.5 - float(np.average(signs, weights=weights)) / 2.0
    least, most = 0.25 / n, 1.0 - 0.25 / n
    middle = NormalDist().inv_cdf(min(max(level, least), most))
    peak, quantile = NormalDist().pdf(middle), NormalDist().inv_cdf(0.975)
    share = 1.5 * (quantile * peak) ** 2 / (2.0 * middle**2 + 1.0)
    width = max((share / n) ** (1 / 3), 1.0 / n)
    ends = max(level - width, least), min(level + width, most)
    low, high = (of_sample(residuals, weights, end) for end in ends)
    sparsity = (high - low) / (ends[1] - ends[0])  # one by the density
    _, scores, bends = regression.losses(x, SMOOTH)
    expected = weights * math.sqrt(loss.kink**2 - loss.straight**2)
    scores = np.where(met, expected, scores - weights * loss.kink * signs)
    bends = 2.0 * loss.kink * weights + sparsity * bends
    curvature = rows.T @ (bends[:, None] * rows)
    factor = None
    if (bends >= 0.0).all():
        factor = np.linalg.qr(np.sqrt(bends)[:, None] * rows, mode="r")
    zero = np.zeros(len(x))
    point = Point.of(x, math.nan, math.nan, zero, curvature, factor=factor)
    scores = sparsity * scores[:, None] * rows
    return point, scores.T @ scores
