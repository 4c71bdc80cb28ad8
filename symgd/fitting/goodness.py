"""How good a point of a fit is: beside a constant, and by what pattern is left."""

from __future__ import annotations

import math

import numpy as np
import sympy as sp

from symgd.fitting import shares
from symgd.fitting.losses import NAMED
from symgd.fitting.regression import Regression
from symgd.fitting.spectrum import has_wave
from symgd.native.quadratic import EPSILON

ROUNDING = 1e7  # of the size that rounding the target makes: no more can be told
SURE = 0.5  # of a constant's squares: a curve that is better by any loss
TINY = 1e-300
FEW = 8  # residuals, too few to have a structure
BUMPS = 3, 5, 9, 17, 33  # rows
OUTLYING, SURELY = 3.0, 5.0  # times the noise, a row; of a sum's, neighbours
MEDIAN = 0.6745  # of the sizes of normal noise
MEDIAN_OF_STEPS = MEDIAN * 2.0**0.5
SELDOM, RARELY = 2.0, 3.0  # standard deviations: neighbours alike, and opposite
STRUCTURED = 1.0  # Durbin and Watson's number, 2 for independent residuals
SLOW = 4, 8, 16, 32  # cosines, of at most a third of the rows
LIKELY, CERTAIN = 2.0, 4.0  # standard deviations of a normal distribution


def is_met(regression: Regression, x: np.ndarray, fun: float) -> bool:
    """Return whether what is left is rounding."""
    if regression.loss.squares:
        return 2.0 * fun <= ROUNDING * regression.gauss_newton(x).floor
    if regression.loss.name in NAMED:
        target = regression.summed(shares.squares_about, 0.0)
        return regression.squares_left(x) <= ROUNDING * EPSILON**2 * target
    if not attains_zero(regression):
        return fun == 0.0
    largest = max(1.0, regression.extent.largest)
    return fun <= EPSILON * regression.weighing * largest  # a sum of differences


def is_flat(regression: Regression) -> bool:
    """Return whether the target is one number, but for rounding."""
    about = regression.summed(shares.squares_about, regression.mean)
    whole = regression.summed(shares.squares_about, 0.0)
    return about <= ROUNDING * EPSILON**2 * whole


def attains_zero(regression: Regression) -> bool:
    """Return whether a sum of 0 is a minimum, for sure, and not only a limit.

    A rate of 0 or a share of 1 may be what far parameters have.
    """
    loss, extent = regression.loss, regression.extent
    if loss.squares or not loss.pairs or loss.name == "custom":
        return loss.squares
    return extent.least > 0.0 and (loss.name != "binomial" or extent.most < 1.0)


def beside_a_constant(regression: Regression, x: np.ndarray, fun: float) -> float:
    """Return a sum of losses as a share of the least one that a constant has.

    Where the loss isn't of squares, squares may tell it, at less cost; or medians,
    where a few rows make up the sums.
    """
    loss = regression.loss
    shares = (_by_squares,) if loss.pairs else (_by_squares, _by_medians)
    for share in () if loss.squares else shares:
        if (left := share(regression, x)) < SURE:
            return left
    if regression.loss.name == "custom" and regression.loss.pairs:
        return SURE if fun < regression.sum_of_a_constant else 1.0  # it has no 0
    return fun / max(regression.sum_of_a_constant, TINY)


def leaves_less(regression: Regression, fun: float, share: float) -> bool:
    """Return whether a sum is less than a share of a constant's, as two rows tell.

    One of them at least is half of their distance from any constant.
    """
    formulas = regression.formulas
    plain = formulas.sigma is formulas.weight is sp.S.One and regression.loss.squares
    if not plain or regression.scattered:
        return False
    target = regression.target
    apart = float(target[0] - target[-1])
    return fun < share * apart * apart / 4.0


@np.errstate(over="ignore")  # it may be infinitely worse
def _by_squares(regression: Regression, x: np.ndarray) -> float:
    """Return what is left of a constant's squares."""
    left = regression.squares_left(x)
    about = regression.summed(shares.squares_about, regression.mean)
    return float(left / max(about, TINY))


def _by_medians(regression: Regression, x: np.ndarray) -> float:
    """Return what a typical residual leaves of a constant's squares; 1 if unknown."""
    target = regression.target / regression.sigma
    off = float(np.median(abs(target - np.median(target))))
    rest = float(np.median(abs(regression.residuals(x))))
    return (rest / off) ** 2 if off > 0.0 else 1.0


def is_structured(
    regression: Regression, x: np.ndarray, surely: float = CERTAIN
) -> bool:
    """Return whether neighbours have like residuals, or opposite ones.

    That is what the number of Durbin and Watson (1950) tells, of a sample where not
    all rows are here; and slow waves, of many rows. Where the model has waves, a wave
    in the residuals is a pattern too.

    Parameters
    ----------
    surely : float
        How many standard deviations slow waves are to be above noise.
    """
    regression = regression.sample
    curve, slopes = regression.curve(x)
    rest = (regression.target - curve) / regression.sigma
    if not (regression.loss.squares or regression.loss.pairs):  # that allow outliers
        most = OUTLYING * median(abs(rest)) / MEDIAN
        rest = np.minimum(np.maximum(rest, -most), most)
    slopes = slopes / regression.sigma[:, None]
    columns = regression.model_columns
    if columns:
        order = np.argsort(columns[0], kind="stable")
        rest, slopes = rest[order], slopes[order]
        if has_waves(regression) and len(rest) >= FEW:
            phase = np.asarray(columns[0], dtype=np.float64)[order]
            if np.isfinite(rest).all() and has_wave(phase, rest):
                return True
    if len(rest) < FEW:
        return False
    steps = rest[1:] - rest[:-1]
    alike = _are_alike(rest, steps, slopes)
    alike = alike or _slowness(rest, slopes, surely) > surely
    return alike or _has_bump(rest, steps)


def _are_alike(rest: np.ndarray, steps: np.ndarray, slopes: np.ndarray) -> bool:
    """Return whether Durbin and Watson's number is far from 2, and not by chance.

    Its mean and variance are those it has after a fit with these slopes, as Durbin and
    Watson give them: neighbours of few residuals are often opposite.
    """
    size = float(np.add.reduce(rest * rest))
    apart = float(np.add.reduce(steps * steps))
    if STRUCTURED * size <= apart <= (4.0 - STRUCTURED) * size or not size > 0.0:
        return False
    if not np.isfinite(slopes).all():
        return True
    count, parameters = slopes.shape
    basis: np.ndarray = np.linalg.qr(slopes / (abs(slopes).max(axis=0) + TINY))[0]
    once = np.diff(basis, axis=0)
    twice = np.pad(once, ((1, 1), (0, 0)))
    twice = twice[:-1] - twice[1:]  # what the sum of squared steps is a form in
    inner = once.T @ once
    freedom = max(1, count - parameters)
    mean = (2.0 * (count - 1) - np.trace(inner)) / freedom
    squares = 6.0 * count - 8.0 - 2.0 * np.sum(twice**2) + np.sum(inner**2)
    variance = 2.0 * (squares - freedom * mean**2) / (freedom * (freedom + 2.0))
    above = (apart / size - mean) / math.sqrt(max(variance, TINY))
    return bool(above < -SELDOM or above > RARELY)


def _slowness(rest: np.ndarray, slopes: np.ndarray, least: float = 0.0) -> float:
    """Return how far slow cosines are above the others, in standard deviations.

    That is an F-test of a smooth curve added to the model, whatever the rows' noise is,
    less what parameters take of each cosine; F is made normal (E. Paulson, An
    approximate normalization of the analysis of variance distribution, Annals of
    Mathematical Statistics 13, 1942).

    Parameters
    ----------
    rest : ndarray, shape (rows,)
    slopes : ndarray, shape (rows, parameters)
        The model's derivatives.
    least : float
        What is of no interest if it is less.

    >>> t, noise = np.arange(300.0), np.random.default_rng(0).standard_normal(300)
    >>> waves = [noise + size * np.cos(t / 40.0) for size in (0.0, 0.5)]
    >>> [round(_slowness(wave, t[:, None])) for wave in waves]
    [1, 4]
    """
    count, parameters = slopes.shape
    some = np.array([few for few in SLOW if 3 * few <= count], dtype=int)
    if not len(some) or not np.isfinite(slopes).all():
        return 0.0
    power = np.cumsum(_cosines(rest[:, None])[:, 0])
    slow, fast = power[some - 1], power[-1] - power[some - 1]
    # At most all that parameters take is slow; mostly that tells already.
    taken = np.clip(some - parameters, 0.5, None)
    if not _above(slow, fast, taken, count - some).max() > least:
        return 0.0
    basis: np.ndarray = np.linalg.qr(slopes / (abs(slopes).max(axis=0) + TINY))[0]
    free = np.cumsum(1.0 - _cosines(basis).sum(axis=1))
    taken = np.clip(free[some - 1], 0.5, None)
    rest_free = np.clip(free[-1] - free[some - 1], 0.5, None)
    return float(_above(slow, fast, taken, rest_free).max())


def _above(
    slow: np.ndarray, fast: np.ndarray, one: np.ndarray, other: np.ndarray
) -> np.ndarray:
    """Return F, of two sums with their degrees of freedom, as a normal deviate."""
    root = np.cbrt(slow / one * other / (fast + TINY))
    one, other = 2.0 / (9.0 * one), 2.0 / (9.0 * other)
    above: np.ndarray = (1.0 - other) * root - (1.0 - one)
    return above / np.sqrt(other * root**2 + one)


def _cosines(columns: np.ndarray) -> np.ndarray:
    """Return the power of columns in cosines of 0, 1, 2, ... half turns."""
    count = len(columns)
    waves = np.fft.rfft(np.concatenate([columns, columns[::-1]]), axis=0)[:count]
    power: np.ndarray = abs(waves) ** 2 / (2.0 * count)
    power[0] /= 2.0
    return power


def _has_bump(rest: np.ndarray, steps: np.ndarray) -> bool:
    """Return whether some neighbours are off together, more than noise would be.

    Noise is what medians of steps say it is, and one row is never off by much of it.
    """
    noise = median(abs(steps)) / MEDIAN_OF_STEPS
    if not 0.0 < noise < np.inf:
        return False
    sums = np.zeros(len(rest) + 1)
    np.minimum(np.maximum(rest / noise, -OUTLYING), OUTLYING).cumsum(out=sums[1:])
    spans = (span for span in BUMPS if span < len(rest) / 2)
    bumps = (abs(sums[span:] - sums[:-span]).max() / span**0.5 for span in spans)
    return max(bumps, default=0.0) > SURELY


def median(numbers: np.ndarray) -> float:
    """Return the median, NaN where there is one, in less time than NumPy's."""
    ordered, count = np.sort(numbers), len(numbers)
    middle = ordered[(count - 1) // 2 : count // 2 + 1]
    return float(middle.sum() / len(middle)) if ordered[-1] == ordered[-1] else np.nan


def has_waves(regression: Regression) -> bool:
    """Return whether the model has sines, whose residuals' pattern may be any."""
    return regression.formulas.waves
