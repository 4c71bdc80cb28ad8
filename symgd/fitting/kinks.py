"""Sums of losses with a kink where a residual is 0, by smooth ones.

Elsewhere: least absolute deviations, quantile regression.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, TypeAlias

import numpy as np

from symgd.fitting.levenberg_marquardt import (
    ENDED,
    ROUGHLY,
    Ended,
    Limits,
    Path,
    Point,
)
from symgd.fitting.losses import SMOOTHING
from symgd.fitting.stages import BoundedSum, by_hessians, roughly
from symgd.native.quadratic import EPSILON
from symgd.native.status import Status

Regression: TypeAlias = Any  # it stands above
DIGITS = 12  # to which the absolute value is approached, in units of its mean
OUTLYING = 0.1  # of the mean residual: a typical one, where outliers make up the mean
ALIKE = 1.0 - 1e-12  # of a sum: one that is no lower
STEPS = 3  # of Newton's method
LEAST = 1e-9  # of the mean residual: what is still a size of residuals
UNBALANCED = 1e-10  # a share of the rows that is rounding
RESOLVED = 1e-8  # a share of the sum that rounding may leave
ROUNDED = 16.0 * EPSILON  # a share of the target, or of a sum, that is rounding
INDEPENDENT = 1e-6  # of a row's slopes, which it has beside those of others
TINY = 1e-300  # of a sum


def past_kinks(bounded: BoundedSum, x: np.ndarray, limits: Limits) -> Path:
    """Minimise with sqrt(r**2 + s**2) for |r|, for an s that goes to 0.

    K. Madsen and H. B. Nielsen, A finite smoothing algorithm for linear l1
    estimation, SIAM J. Optimization 3 (1993), follow the same path.
    """
    regression = bounded.regression
    regression.constants[SMOOTHING] = mean = _mean_residual(regression, x)
    point = yield from roughly(bounded, x, limits)
    if _is_met(regression, point.x):
        return Ended(_unsmoothed(regression, point), 0.0, Status.CONVERGED)
    mean = min(mean, _mean_residual(regression, point.x))
    typical = _typical_residual(regression, x)
    if typical > OUTLYING * mean:
        return (yield from _followed(bounded, point.x, mean, limits))
    # Outliers make up the mean, and they may lead squares away.
    ended = yield from _followed(bounded, x, typical, limits)
    if ended.status != Status.ABNORMAL:
        return ended
    other = yield from _followed(bounded, point.x, mean, limits)
    # A minimum is known to so many digits: what is lower by less is no other one.
    open_ = other.offset if other.status.success else 0.0
    return ended if ended.point.fun < (ALIKE - open_) * other.point.fun else other


def _followed(bounded: BoundedSum, x: np.ndarray, size: float, limits: Limits) -> Path:
    """Follow the minimum from x, from an s somewhat below a size of residuals on."""
    rough = _roughly(bounded.regression, x)
    ended = yield from _stages(bounded, x, size, rough, limits)
    if ended.status != Status.ABNORMAL:
        return ended
    # A rest that bends may be most of a loss: then rows at kinks are a small share.
    other = yield from _stages(bounded, ended.point.x, size, limits.gtol, limits)
    return other if other.status.success else ended


def _stages(
    bounded: BoundedSum, x: np.ndarray, size: float, rough: float, limits: Limits
) -> Path:
    """Let s be smaller and smaller, each time from an offset that is rough."""
    regression = bounded.regression
    for power in range(1, DIGITS + 1):
        regression.constants[SMOOTHING] = size * 10.0**-power
        last = power == DIGITS or min(10.0**-power, rough) <= 10.0 * limits.gtol
        stage = dataclasses.replace(limits, gtol=limits.gtol if last else rough)
        point, _, status = yield by_hessians(bounded, x, stage)
        x, limits.nit, limits.nfev = point.x, stage.nit, stage.nfev
        # At kinks, where the optimum of this loss is, steps may be in vain.
        stopped = status not in (*ENDED, Status.ABNORMAL)
        if last or stopped:
            gap = _gap(bounded, x)
            if stopped or gap <= limits.gtol:
                break
    if not stopped:
        # Of the absolute loss a gap within gtol is all that is asked for.
        worth = gap > limits.gtol or regression.loss.name != "absolute"
        worth = worth and limits.nit < limits.maxiter
        if worth and (there := _at_rows(bounded, x)) is not None:
            limits.nit += 1
            stage = dataclasses.replace(limits, maxiter=limits.nit)
            point, _, _ = yield by_hessians(bounded, there, stage)
            limits.nfev = stage.nfev
            # What bounds the sum from below does so from any point.
            gap = min(gap, _gap(bounded, point.x))
        almost = Status.STALLED if gap <= RESOLVED else Status.ABNORMAL
        status = Status.CONVERGED if gap <= limits.gtol else almost
    return Ended(_unsmoothed(regression, point), gap, status)


def _roughly(regression: Regression, x: np.ndarray) -> float:
    """Return the offset from which a smaller s takes over.

    It is a share of all residuals, of which outliers may be the most.
    """
    typical, mean = _typical_residual(regression, x), _mean_residual(regression, x)
    return ROUGHLY * math.sqrt(min(1.0, typical / mean))


def _at_rows(bounded: BoundedSum, near: np.ndarray) -> np.ndarray | None:
    """Return the point nearby that meets as many rows as there are parameters.

    A linear model with a loss that is straight on both sides has a minimum there,
    beside outliers lower by less than the sum can tell. None where it is higher.
    """
    (regression, lower, upper), x = bounded, near.copy()
    free = (x > lower) & (x < upper)
    sizes = np.where(regression.weight > 0.0, abs(regression.residuals(x)), math.inf)
    rows = _independent(np.argsort(sizes), regression.curve(x)[1][:, free])
    for _ in range(STEPS):
        predicted, jacobian = regression.curve(x)
        if not (len(rows) and np.isfinite(jacobian).all()):
            return None
        left = (regression.target - predicted)[rows]
        x[free] += np.linalg.lstsq(jacobian[np.ix_(rows, free)], left, rcond=None)[0]
        x = np.clip(x, lower, upper)
    return x if _total(regression, x) <= _total(regression, near) else None


def _unsmoothed(regression: Regression, point: Point) -> Point:
    return point.changed(fun=_total(regression, point.x))


def _independent(order: np.ndarray, jacobian: np.ndarray) -> np.ndarray:
    """Return the first rows in an order that determine all that rows can."""
    chosen: list[int] = []
    units = np.linalg.norm(jacobian, axis=1)
    known = np.isfinite(units) & (units > 0.0)
    ways, left = jacobian[known] / units[known, None], np.zeros(len(jacobian))
    for _ in range(jacobian.shape[1]):
        left[known] = np.linalg.norm(ways, axis=1)
        apart = order[left[order] > INDEPENDENT]
        if not len(apart):
            break
        chosen.append(int(apart[0]))
        way = ways[np.count_nonzero(known[: apart[0]])] / left[apart[0]]
        ways = ways - np.outer(ways @ way, way)
    return np.array(chosen, dtype=np.intp)


def _total(regression: Regression, x: np.ndarray) -> float:
    """Return the sum that is minimised."""
    return float(regression.losses(x, 0.0)[0].sum())


def _is_met(regression: Regression, x: np.ndarray) -> bool:
    """Return whether the residuals are no more than the rounding of the target."""
    size = regression.weight @ abs(regression.residuals(x))
    return bool(
        size
        <= ROUNDED * (regression.weight @ abs(regression.target / regression.sigma))
    )


def _gap(bounded: BoundedSum, x: np.ndarray) -> float:
    """Return by what share the sum may be above its least, to first order.

    Any d with d'J = 0 within the slopes that the losses have about r shows that the
    sum is at least the one less their room, which is 0 where each d is a slope: the
    dual of the linear program (H. M. Wagner, Linear programming techniques for
    regression analysis, JASA 54, 1959; R. Koenker and G. Bassett, Regression
    quantiles, Econometrica 46, 1978). Such a d is near the slope of what was
    minimised; rows at a kink have room to mend it.
    """
    regression, lower, upper = bounded
    if _is_met(regression, x):
        return 0.0
    predicted, jacobian = regression.curve(x)
    residuals = (predicted - regression.target) / regression.sigma
    smoothing = regression.constants[SMOOTHING]
    losses, slope, _ = regression.losses(x, smoothing)
    kink, far = regression.loss.kink * regression.weight, np.hypot(residuals, smoothing)
    middle, room, root = slope - kink * residuals / far, smoothing / far, np.sqrt(kink)
    rows = jacobian / regression.sigma[:, None]
    rise, units = slope @ rows, root @ abs(root[:, None] * rows)
    held = ((x == lower) & (rise > 0.0)) | ((x == upper) & (rise < 0.0))
    free = ~held & (units > 0.0)
    part = rows[:, free] / units[free] * (root * room)[:, None]
    mended = -np.linalg.lstsq(part.T, rise[free] / units[free], rcond=None)[0]
    dual = _within(slope + root * room * mended, middle - kink, middle + kink)
    rise = dual @ rows
    off = abs(rise[free] / units[free]).max(initial=0.0)
    wrong = held & np.where(x == lower, rise < 0.0, rise > 0.0)
    if not off <= UNBALANCED or wrong.any():
        return math.inf
    above = float(np.sum(kink * abs(residuals) + (middle - dual) * residuals))
    if above <= ROUNDED * (kink @ abs(residuals)):
        return 0.0
    return above / max(abs(float(losses.sum())), TINY)


def _within(dual: np.ndarray, least: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Return a dual that is small enough, and within its ends but for rounding."""
    with np.errstate(all="ignore"):
        over = np.where(dual > 0.0, dual / most, dual / least)
    dual = dual / max(1.0, over[np.isfinite(over)].max(initial=1.0))
    spare = UNBALANCED * (most - least)
    fits = (dual >= least - spare) & (dual <= most + spare)
    return dual if fits.all() else np.full(len(dual), np.nan)


def _typical_residual(regression: Regression, x: np.ndarray) -> float:
    """Return the median of |r|, which outliers don't change; it may be small, not 0."""
    typical = np.median(abs(regression.residuals(x))[regression.weight > 0.0])
    return max(float(typical), LEAST * _mean_residual(regression, x))


def _mean_residual(regression: Regression, x: np.ndarray) -> float:
    """Return the weighted mean of |r|, at least what is above rounding."""
    size = np.average(abs(regression.residuals(x)), weights=regression.weight)
    target = np.average(
        abs(regression.target / regression.sigma), weights=regression.weight
    )
    return float(max(size, 1e-15 * target, TINY))
