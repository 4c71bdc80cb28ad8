"""Least squares whose rows are in memory together, and are evaluated at once."""

from __future__ import annotations

import math

import numpy as np

from symgd.fitting.levenberg_marquardt import Limits, Path, Point, Stage
from symgd.fitting.regression import Regression
from symgd.native.quadratic import EPSILON


class RowsAtOnce(Regression):
    """A sum of squares whose evaluations are kept: the last one is asked for again."""

    def gauss_newton(self, x: np.ndarray) -> Point:
        """Return the model of least squares."""
        at = x.tolist()
        if at != self.last[0]:
            self.last = at, self._point(x)
        return self.last[1]

    def orthogonal(self, x: np.ndarray) -> Point:
        """Return the same: its factor is of the rows, by orthogonal steps."""
        return self.gauss_newton(x)

    def _point(self, x: np.ndarray) -> Point:
        raise NotImplementedError

    def path(
        self, x: np.ndarray, lower: np.ndarray, upper: np.ndarray, limits: Limits
    ) -> Path:
        """Minimise from x."""
        return (yield Stage(self.gauss_newton, x, lower, upper, limits, None, self))

    def samples(self, maxiter: int) -> bool:
        """Return False: a descent is of all rows."""
        return False


def point_of_rows(
    x: np.ndarray,
    residuals: np.ndarray,
    rows: np.ndarray,
    target: np.ndarray,
    size: float,
) -> Point:
    """Return a point with the model that rows make, or one where nothing is finite.

    Parameters
    ----------
    x : ndarray, shape (p,)
    residuals, target : ndarray, shape (n,)
        In units of their errors.
    rows : ndarray, shape (n, p)
        The derivatives of the residuals.
    size : float
        The sum of squares.
    """
    p = len(x)
    if not (np.isfinite(rows).all() and np.isfinite(residuals).all()):
        return Point.of(x, math.nan, math.nan, np.zeros(p), np.zeros((p, p)))
    factor = np.zeros((p, p))
    part = np.linalg.qr(rows, mode="r")
    factor[: len(part)] = part
    floor = float(EPSILON**2 * np.sum(target**2))
    parts = x, size / 2.0, size, rows.T @ residuals, factor.T @ factor
    return Point.of(*parts, factor=factor, floor=floor, squares=True)
