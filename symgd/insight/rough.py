"""Numbers with bounds of their errors, in columns: midpoint-radius arithmetic.

Source: Rump 1999, "Fast and parallel interval arithmetic"; Higham 2002, "Accuracy and
Stability of Numerical Algorithms", section 3.1, for the sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from symgd.insight.boxes import EPS

TINY = 1e-300  # more than what is lost below the smallest normal number
MORE = 1 + 16 * EPS  # the bounds are computed in float64, too


@dataclass(frozen=True)
class Rough:
    """What is within ``error`` of ``value``; both numbers or arrays.

    >>> Rough(1.0) * Rough(3.0, 0.5)
    Rough(value=3.0, error=0.5)
    """

    value: Any
    error: Any = 0.0

    @classmethod
    def between(cls, low: np.ndarray, high: np.ndarray) -> Rough:
        """Return what is in intervals."""
        with np.errstate(all="ignore"):
            middle = np.where(low == high, low, 0.5 * low + 0.5 * high)
            error = np.maximum(high - middle, middle - low) * MORE
            error = np.where(low == high, 0.0, error + TINY)
        return cls(middle, np.where(np.isnan(error), np.inf, error))

    def __add__(self, other: Rough) -> Rough:
        if other.is_exactly(0.0):
            return self
        if self.is_exactly(0.0):
            return other
        value = self.value + other.value
        rounded = EPS * np.abs(value)
        return Rough(value, (self.error + other.error + rounded) * MORE)

    def __mul__(self, other: Rough) -> Rough:
        for a, b in ((self, other), (other, self)):
            for sign in (1.0, -1.0):
                if a.is_exactly(sign):
                    return Rough(sign * b.value, b.error)
        a, b = self, other
        with np.errstate(invalid="ignore", over="ignore"):
            value = a.value * b.value
            error = EPS * np.abs(value)
            if np.any(b.error):
                error = error + np.abs(a.value) * b.error
            if np.any(a.error):
                error = error + a.error * (np.abs(b.value) + b.error)
            error = error * MORE + TINY * ((a.value != 0) & (b.value != 0))
        return Rough(value, np.where(np.isnan(error), np.inf, error)[()])

    def is_exactly(self, number: float) -> bool:
        """Return whether it is one number, the given one."""
        return all(
            np.ndim(part) == 0 and part == wanted
            for part, wanted in ((self.value, number), (self.error, 0.0))
        )

    @property
    def low(self) -> Any:
        """The lower ends."""
        return np.where(
            self.error == 0, self.value, (self.value - self.error) - self._slack
        )

    @property
    def high(self) -> Any:
        """The upper ends."""
        return np.where(
            self.error == 0, self.value, (self.value + self.error) + self._slack
        )

    @property
    def _slack(self) -> Any:
        return 2 * EPS * (np.abs(self.value) + self.error)


def lost_in_sum(terms: int) -> float:
    """Return the share of a sum's terms, in size, that rounding may lose in any order.

    Of products of three numbers each.
    """
    u = EPS / 2
    count = (terms + 4) * u
    return count / (1 - count) * MORE
