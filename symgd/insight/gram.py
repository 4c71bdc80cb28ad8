"""A'DA of rows, added up with a bound of its error, and its eigenvalues."""

from __future__ import annotations

import math

import numpy as np

from symgd.insight import spectra
from symgd.insight.boxes import EPS
from symgd.insight.rough import Rough, lost_in_sum

FEW_DIGITS = 2.0**20  # of a direction


class Gram:
    """A'DA, added up with a bound of its error."""

    def __init__(self, width: int) -> None:
        self.value, self.error = np.zeros((width, width)), np.zeros((width, width))
        self.known = True

    def add(self, a: Rough, d: Rough) -> None:
        """Add the part of some rows.

        By Cauchy and Schwarz the sum of abs(a_i d a_j) is at most the root of those of
        i and of j: errors need no second product of matrices.
        """
        size = np.abs(a.value) + a.error
        used = size.any(1)
        if not np.isfinite([d.value[used], d.error[used]]).all():
            self.known = False
        if not self.known:
            return
        middle, radius = (np.where(used, part, 0.0) for part in (d.value, d.error))
        with np.errstate(over="ignore", invalid="ignore"):
            self._add(a, middle, radius, size)

    def _add(
        self, a: Rough, middle: np.ndarray, radius: np.ndarray, size: np.ndarray
    ) -> None:
        whole, squares = np.abs(middle) + radius, size**2
        if not whole.any():
            return
        sides = np.sqrt(whole @ squares)
        lost = lost_in_sum(len(size)) * np.outer(sides, sides)
        if radius.any():
            around = np.sqrt(radius @ squares)
            lost += np.outer(around, around)
        if a.error.any():
            beside = np.outer(np.sqrt(whole @ a.error**2), sides)
            lost += beside + beside.T
        self.value += a.value.T @ (middle[:, None] * a.value)
        self.known = bool(np.isfinite([self.value, lost]).all())
        self.error += lost * (1 + 1e-9) + EPS * np.abs(self.value) + 1e-290

    @property
    def low(self) -> np.ndarray:
        """The lower ends of the entries."""
        return self.value - self.error * (1 + 1e-9)

    @property
    def high(self) -> np.ndarray:
        """The upper ends of the entries."""
        return self.value + self.error * (1 + 1e-9)

    def eigenvalues(self) -> tuple[float, float]:
        """Enclose all eigenvalues."""
        if not self.known:
            return -math.inf, math.inf
        low, high = spectra.hull(self.low[None], self.high[None])
        return float(low[0]), float(high[0])

    def along(self, sign: int) -> tuple[np.ndarray, float, float]:
        """Return the direction of an extreme curvature, with that curvature's ends."""
        _, vectors = np.linalg.eigh(self.value)
        v = vectors[:, -1 if sign > 0 else 0]
        v = np.round(v / np.abs(v).max() * FEW_DIGITS) / FEW_DIGITS
        low, high = spectra.form(self.low, self.high, v)
        length = float(v @ v)  # exact: few digits each
        slack = 4 * EPS * max(abs(low), abs(high)) / length
        return v, low / length - slack, high / length + slack
