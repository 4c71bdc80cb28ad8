"""Rows whose errors are correlated: least squares by a covariance matrix.

Residuals are multiplied by the inverse of the matrix's Cholesky factor, which makes
them independent. Elsewhere: generalised least squares (A. C. Aitken, 1935).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy as sp

from symgd.errors import InputError
from symgd.fitting.levenberg_marquardt import Point
from symgd.fitting.regression import Regression
from symgd.fitting.rows_at_once import RowsAtOnce, point_of_rows

ALIKE = 1e-8  # of the entries of a symmetric matrix


class Correlated(RowsAtOnce):
    """The sum of squares r'V**-1 r, halved, of residuals r with a covariance V.

    Parameters
    ----------
    formulas, columns, constants, scale
        As of :class:`Regression`; sigma are the roots of the diagonal.
    covariance : ndarray, shape (rows, rows)
    """

    def __init__(self, *parts: Any, covariance: np.ndarray) -> None:
        super().__init__(*parts)
        self.factor = np.linalg.cholesky(covariance)

    def with_data(self, columns: Mapping[sp.Symbol, np.ndarray]) -> Regression:
        """Return a regression of other rows, whose errors are taken for independent."""
        return Regression(self.formulas, columns, self.constants, self.scale)

    @property
    def log_determinant(self) -> float:
        """That of the factor."""
        return float(np.log(np.diag(self.factor)).sum())

    def whitened(self, rows: np.ndarray) -> np.ndarray:
        """Return rows that are independent."""
        return np.linalg.solve(self.factor, rows)

    @np.errstate(over="ignore", invalid="ignore")
    def _point(self, x: np.ndarray) -> Point:
        predicted, jacobian = self.curve(x)
        both = np.column_stack([predicted - self.target, jacobian])
        if np.isfinite(both).all():
            both = self.whitened(both)
        residuals, rows = both[:, 0], both[:, 1:]
        size, target = float(residuals @ residuals), self.whitened(self.target)
        return point_of_rows(x, residuals, rows, target, size)

    @functools.cached_property
    def sum_of_a_constant(self) -> float:
        """The least sum that a constant in place of the model has."""
        ones, target = self.whitened(
            np.column_stack([np.ones(self.count), self.target])
        ).T
        left = target - ones * (ones @ target) / (ones @ ones)
        return float(left @ left) / 2.0


def matrix_of(sigma: Any) -> np.ndarray | None:
    """Return a covariance matrix, if sigma is one.

    Raises
    ------
    InputError
        If it isn't symmetric and positive definite.
    """
    if sigma is None or isinstance(sigma, (str, int, float)):
        return None
    try:
        matrix = np.asarray(sigma, dtype=np.float64)
    except (TypeError, ValueError):
        return None  # which reading a column explains
    if matrix.ndim != 2:
        return None
    what = "sigma, a covariance matrix,"
    if matrix.shape[0] != matrix.shape[1]:
        raise InputError(f"{what} must be square; it has shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise InputError(f"{what} has entries that aren't finite")
    if abs(matrix - matrix.T).max() > ALIKE * abs(matrix).max():
        raise InputError(f"{what} must be symmetric")
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        problem = f"{what} must be positive definite"
        raise InputError(f"{problem}: some combination of rows has no error") from None
    return matrix
