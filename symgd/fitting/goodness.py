"""How good a point of a fit is: beside a constant, and by what pattern is left."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import sympy as sp

from symgd.fitting import shares
from symgd.fitting.losses import NAMED
from symgd.fitting.regression import Regression
from symgd.fitting.spectrum import has_wave
from symgd.kernels.shared import shared
from symgd.native.machine import address
from symgd.native.quadratic import EPSILON
from symgd.native.residual_pattern import Neighbours

ROUNDING = 1e7  # of the size that rounding the target makes: no more can be told
SURE = 0.5  # of a constant's squares: a curve that is better by any loss
TINY = 1e-300
FEW = 8  # residuals, too few to have a structure
OUTLYING, SURELY = 3.0, 5.0  # times the noise, a row; of a sum's, neighbours
MEDIAN = 0.6745  # of the sizes of normal noise
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
    columns, order = regression.model_columns, None
    if columns and (columns[0][1:] < columns[0][:-1]).any():
        order = np.argsort(columns[0], kind="stable")
        rest = rest[order]
    if len(rest) < FEW:
        return False
    if columns and has_waves(regression):
        phase = np.asarray(columns[0], dtype=np.float64)
        phase = phase if order is None else phase[order]
        if np.isfinite(rest).all() and has_wave(phase, rest):
            return True
    left = Left.of(rest)
    if left.bump > SURELY:
        return True
    if left.is_usual and not left.may_be_slow(slopes.shape[1], surely):
        return False
    slopes = slopes / regression.sigma[:, None]
    slopes = slopes if order is None else slopes[order]
    return _are_alike(left, slopes) or _slowness(left, slopes, surely) > surely


class Left(NamedTuple):
    """What residuals, one row after the other, have in common with their neighbours.

    Attributes
    ----------
    rows : int
    size, apart : float
        The sums of squares, and of squared steps from one row to the next.
    bump : float
        The largest sum of neighbours, as noise would be of size 1.
    powers : list of float
        Of the so many slowest cosines together, see ``SLOW``.
    """

    rows: int
    size: float
    apart: float
    bump: float
    powers: list[float]

    @classmethod
    def of(cls, rest: np.ndarray) -> Left:
        """Return that of residuals; all is 0 where they aren't finite."""
        count, found = len(rest), Neighbours()
        some, turns = _waves(count)
        waves = turns.shape[1]
        memory = np.empty(3 * waves + count + 1)
        places = map(address, (rest, turns, memory, found))
        if not shared("neighbours").call(count, waves, *places):
            return cls(count, 0.0, 0.0, 0.0, [0.0] * len(some))
        powers = memory[:waves].tolist()
        whole = [powers[few - 1] for few in some]
        return cls(count, found.size, found.apart, found.bump, whole)

    @property
    def is_usual(self) -> bool:
        """Whether Durbin and Watson's number is about 2, or unknown."""
        least, most = STRUCTURED * self.size, (4.0 - STRUCTURED) * self.size
        return least <= self.apart <= most or not self.size > 0.0

    def may_be_slow(self, parameters: int, least: float) -> bool:
        """Return whether slow cosines may be above the others.

        At most all that parameters take is slow; mostly that tells already.
        """
        some, _ = _waves(self.rows)
        taken = [(max(0.5, few - parameters), self.rows - few) for few in some]
        return self.slowest(taken) > least

    def slowest(self, taken: Sequence[tuple[float, float]]) -> float:
        """Return how far slow cosines are above the others, in standard deviations.

        Parameters
        ----------
        taken : sequence of pairs
            The degrees of freedom of slow cosines, and of the others.
        """
        above = [
            _above(slow, max(self.size - slow, EPSILON * self.size), *freedom)
            for slow, freedom in zip(self.powers, taken, strict=True)
        ]
        return max((each for each in above if not math.isnan(each)), default=0.0)


def _are_alike(left: Left, slopes: np.ndarray) -> bool:
    """Return whether Durbin and Watson's number is far from 2, and not by chance.

    Its mean and variance are those it has after a fit with these slopes, as Durbin and
    Watson give them: neighbours of few residuals are often opposite.
    """
    if left.is_usual:
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
    above = (left.apart / left.size - mean) / math.sqrt(max(variance, TINY))
    return bool(above < -SELDOM or above > RARELY)


def _slowness(left: Left, slopes: np.ndarray, least: float = 0.0) -> float:
    """Return how far slow cosines are above the others, in standard deviations.

    That is an F-test of a smooth curve added to the model, whatever the rows' noise is,
    less what parameters take of each cosine; F is made normal (E. Paulson, An
    approximate normalization of the analysis of variance distribution, Annals of
    Mathematical Statistics 13, 1942).

    Parameters
    ----------
    left : Left
    slopes : ndarray, shape (rows, parameters)
        The model's derivatives.
    least : float
        What is of no interest if it is less.

    >>> t, noise = np.arange(300.0), np.random.default_rng(0).standard_normal(300)
    >>> waves = [noise + size * np.cos(t / 40.0) for size in (0.0, 0.5)]
    >>> [round(_slowness(Left.of(wave), t[:, None])) for wave in waves]
    [1, 4]
    """
    count, parameters = slopes.shape
    if not left.may_be_slow(parameters, least) or not np.isfinite(slopes).all():
        return 0.0
    basis: np.ndarray = np.linalg.qr(slopes / (abs(slopes).max(axis=0) + TINY))[0]
    known = np.array([Left.of(column).powers for column in basis.T.copy()])
    free = np.array(_waves(count)[0]) - known.sum(axis=0)
    rest = count - parameters - free
    return left.slowest(np.clip([free, rest], 0.5, None).T.tolist())


def _above(slow: float, fast: float, one: float, other: float) -> float:
    """Return F, of two sums with their degrees of freedom, as a normal deviate."""
    root = math.cbrt(slow / one * other / (fast + TINY))
    one, other = 2.0 / (9.0 * one), 2.0 / (9.0 * other)
    return ((1.0 - other) * root - (1.0 - one)) / math.sqrt(other * root * root + one)


@functools.lru_cache(maxsize=64)
def _waves(count: int) -> tuple[list[int], np.ndarray]:
    """Return how many cosines are slow, and by what they are made.

    That is the first value of each, and twice that of its step.
    """
    some = [few for few in SLOW if 3 * few <= count]
    angles = np.arange(max(some, default=0)) * np.pi / count
    return some, np.array([np.cos(angles / 2.0), 2.0 * np.cos(angles)])


def median(numbers: np.ndarray) -> float:
    """Return the median, NaN where there is one, in less time than NumPy's."""
    ordered, count = np.sort(numbers), len(numbers)
    middle = ordered[(count - 1) // 2 : count // 2 + 1]
    return float(middle.sum() / len(middle)) if ordered[-1] == ordered[-1] else np.nan


def has_waves(regression: Regression) -> bool:
    """Return whether the model has sines, whose residuals' pattern may be any."""
    return regression.formulas.waves
