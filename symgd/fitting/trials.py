"""Many points at once: what is linear is solved for, and the promising ones are told.

Of points whose curves are alike the best one is enough: descents from the others would
lead to the same end.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np

from symgd.fitting.regression import Regression

REWEIGHTED = 5  # solutions on the way to the absolute loss
SMALLEST = 1e-12  # a singular value, as a share of the largest
ALIKE = 0.98  # a correlation of two curves, and of what they leave
AT_ONCE = 2**22  # numbers


class Trials(NamedTuple):
    """Points, what each costs (infinite where it isn't finite), and its residuals."""

    costs: np.ndarray
    points: np.ndarray
    residuals: np.ndarray


class Solver:
    """Solves for linear parameters of a model, at many values of the others at once.

    Parameters
    ----------
    regression : Regression
    linear : list of int
        Their places; those that aren't solved for are 0.
    lower, upper : ndarray
    """

    def __init__(
        self,
        regression: Regression,
        linear: list[int],
        lower: np.ndarray,
        upper: np.ndarray,
    ) -> None:
        self.regression, self.linear = regression, linear
        self.lower, self.upper = lower, upper
        self.target = regression.target
        self.unit = np.sqrt(regression.weight) / regression.sigma

    def with_target(self, target: np.ndarray) -> Solver:
        """Return what solves for another target."""
        other = copy.copy(self)
        other.target = target
        return other

    def mean(self) -> np.ndarray:
        """Return the target's mean, for each row."""
        mean = np.average(self.target, weights=self.unit**2)
        return np.full(len(self.target), mean)

    def solved(self, points: np.ndarray, places: list[int]) -> Trials:
        """Return points with some linear parameters solved for."""
        rows = len(self.target) * (1 + len(self.linear))
        count = max(1, AT_ONCE // rows)
        some = [points[k : k + count] for k in range(0, len(points), count)]
        parts = [self._solved(each, places) for each in some]
        return Trials(*map(np.concatenate, zip(*parts, strict=True)))

    @np.errstate(all="ignore")  # such points are not taken
    def _solved(self, points: np.ndarray, places: list[int]) -> Trials:
        points = points.copy()
        points[:, self.linear] = 0.0
        values = self.regression.curves(points)
        design = values[:, [1 + p for p in places]] * self.unit
        rest = (self.target - values[:, 0]) * self.unit
        finite = np.isfinite(design).all(axis=(1, 2)) & np.isfinite(rest).all(axis=1)
        costs = np.full(len(points), np.inf)
        if finite.any():
            some, left = design[finite], rest[finite]
            units = abs(values[finite][:, [1 + p for p in places]]).max(axis=2)
            points[np.ix_(finite, places)] = self._coefficients(some, left, units)
            points = np.clip(points, self.lower, self.upper)
            rest[finite] = left - _times(points[finite][:, places], some)
            # A row of weight 2 counts as two rows do.
            costs[finite] = abs(rest[finite]) @ np.sqrt(self.regression.weight)
        return Trials(np.where(np.isnan(costs), np.inf, costs), points, rest)

    def _coefficients(
        self, design: np.ndarray, rest: np.ndarray, units: np.ndarray
    ) -> np.ndarray:
        """Return the linear parameters, for any other loss than squares robustly."""
        solved = least_squares(design, rest, units)
        for _ in range(0 if self.regression.loss.squares else REWEIGHTED):
            sizes = abs(rest - _times(solved, design))
            least = 1e-3 * sizes.mean(axis=1, keepdims=True) + 1e-300
            root = 1.0 / np.sqrt(sizes + least)
            solved = least_squares(design * root[:, None], rest * root, units)
        return solved


def least_squares(
    design: np.ndarray, rest: np.ndarray, units: np.ndarray
) -> np.ndarray:
    """Return the solutions of many linear least squares, of the least norm.

    Parameters
    ----------
    design : ndarray, shape (problems, columns, rows)
    rest : ndarray, shape (problems, rows)
    units : ndarray, shape (problems, columns)
        The sizes of the columns, whatever the rows' weights.

    Examples
    --------
    >>> least_squares(np.array([[[1.0, 2.0]]]), np.array([[3.0, 6.0]]), np.ones((1, 1)))
    array([[3.]])
    """
    if not design.shape[1]:
        return np.zeros(design.shape[:2])
    units = np.where((units == 0.0) | ~np.isfinite(units), 1.0, units)
    scaled = np.nan_to_num(design / units[:, :, None])
    left, values, right = np.linalg.svd(scaled, full_matrices=False)
    known = values > SMALLEST * values[:, :1]
    inverse = np.where(known, 1.0, 0.0) / np.where(known, values, 1.0)
    along = np.einsum("dkn,dn->dk", right, rest) * inverse
    return np.einsum("dck,dk->dc", left, along) / units


def _times(coefficients: np.ndarray, design: np.ndarray) -> np.ndarray:
    return np.einsum("dc,dcn->dn", coefficients, design)


@np.errstate(all="ignore")  # some are of any size
def distinct(
    trials: Trials, target: np.ndarray, unit: np.ndarray, most: int
) -> list[int]:
    """Return the best points, of which no two have like curves and like residuals.

    Parameters
    ----------
    target, unit : ndarray
        What the curves should give, and 1, as residuals are weighted.
    """
    order = np.argsort(trials.costs, kind="stable")
    order = order[np.isfinite(trials.costs[order])]
    residuals = trials.residuals[order]
    curves = _directions(target - residuals, unit)
    left = _directions(residuals, unit)
    chosen: list[int] = []
    free = np.ones(len(order), dtype=bool)
    while free.any() and len(chosen) < most:
        first = int(np.argmax(free))
        chosen.append(int(order[first]))
        # Poor curves leave much the same, and good ones are much the same.
        likeness = np.minimum(curves @ curves[first], left @ left[first])
        free &= likeness < ALIKE
        free[first] = False
    return chosen


def _directions(rows: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return rows without their means, of length 1."""
    means = rows @ unit / (unit @ unit)
    rows = rows - means[:, None] * unit
    sizes = np.sqrt(np.einsum("dn,dn->d", rows, rows))
    return rows / np.where(sizes > 0.0, sizes, 1.0)[:, None]
