"""Values of parameters, drawn on scales of the columns and of a formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symgd.fitting.scales import Scales


class Draws:
    """Draws values of some parameters; the others are given.

    Parameters
    ----------
    given, lower, upper : ndarray
    linear, other : list of int
        The places of those that are 0, to be solved for, and of those to be drawn.
    columns : sequence of ndarray
        Those of the model.
    periods : mapping of int to float
        Of phases, by their places.
    scales : Scales
    rng : numpy.random.Generator
    """

    def __init__(
        self,
        given: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
        linear: list[int],
        other: list[int],
        columns: Sequence[np.ndarray],
        periods: Mapping[int, float],
        scales: Scales,
        rng: Any,
    ) -> None:
        self.given, self.lower, self.upper = given, lower, upper
        self.linear, self.other = linear, other
        self.columns, self.periods = columns, periods
        self.scales, self.rng = scales, rng

    def simple(self, ones: bool) -> np.ndarray:
        """Return a point on scales of the columns alone, or with ones."""
        x = self.given.copy()
        x[self.other] = [1.0 if ones else self.drawn(p) for p in self.other]
        return np.clip(x, self.lower, self.upper)

    def somewhere(self) -> np.ndarray:
        """Return a point on scales of the columns alone, what is linear 0."""
        x = self.given.copy()
        x[self.linear] = 0.0
        x[self.other] = [self.drawn(p) for p in self.other]
        return np.clip(x, self.lower, self.upper)

    def redrawn(self, x: np.ndarray, places: list[int]) -> np.ndarray:
        """Return a point with some parameters on scales of the formula."""
        x = x.copy()
        for p in self.rng.permutation(places).tolist():
            value = self.scales.drawn(p, x)
            if value is not None and self.lower[p] <= value <= self.upper[p]:
                x[p] = value
        return x

    def drawn(self, place: int) -> float:
        """Draw a value of a parameter that a scale of some column suggests.

        It may be a place in the column (a centre), a length (a width), or the inverse
        of one (a rate or a frequency); between two bounds, anything.
        """
        low, high = self.lower[place], self.upper[place]
        if place in self.periods and not (np.isfinite(low) or np.isfinite(high)):
            return float(self.periods[place] * self.rng.uniform(-0.5, 0.5))
        if np.isfinite(low) and np.isfinite(high):
            return float(self.rng.uniform(low, high))
        kind = int(self.rng.integers(4))
        factor = 10.0 ** self.rng.uniform(-1.5, 1.5)
        sign = 1.0 if self.rng.uniform() < 0.8 else -1.0
        if kind == 0 or not self.columns:
            return float(sign * factor)
        column = self.columns[int(self.rng.integers(len(self.columns)))]
        span = float(np.ptp(column)) or float(abs(column).max()) or 1.0
        if kind == 1:
            return float(self.rng.uniform(column.min(), column.max()))
        return float(sign * factor * (span if kind == 2 else 1.0 / span))
