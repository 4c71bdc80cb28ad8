"""Where a fit with labels may begin: at that of all rows as one, and of each label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from symgd.fitting.levenberg_marquardt import Limits
from symgd.fitting.regression import Regression
from symgd.fitting.starts import Search

SEARCHED = 12  # labels, of which each has a search of its own
ITERATIONS = 100


@dataclass(frozen=True)
class Pool:
    """The model in which all labels have the same parameters.

    Attributes
    ----------
    regression : Regression
        Of that model and all rows.
    groups : list of ndarray
        The rows of each label (of the first column of labels).
    places : list of int
        For each parameter of the fit, the one that it is here.
    owners : list of int
        The group it belongs to; -1 of what is shared.
    """

    regression: Regression
    groups: list[np.ndarray]
    places: list[int]
    owners: list[int]

    def starts(self, lower: np.ndarray, upper: np.ndarray, rng: Any) -> list[Any]:
        """Return points of the fit: of all rows as one, and of each label by itself."""
        sides = self._sides(lower, upper)
        whole = self._searched(self.regression, sides, rng)
        if whole is None:
            return []
        ends = []
        for rows in self.groups:
            columns = self.regression.columns.items()
            some = {s: c[rows] if any(c.strides) else c for s, c in columns}
            part = self.regression.with_data(some)
            near = self._searched(part, sides, rng, whole)
            ends.append(whole if near is None else near)
        alone = np.array(ends)
        middle = np.median(alone, axis=0)
        pairs = list(zip(self.places, self.owners, strict=True))
        mixed = [middle[p] if k < 0 else alone[k][p] for p, k in pairs]
        points = [np.array([whole[p] for p, _ in pairs]), np.array(mixed)]
        return [np.clip(point, lower, upper) for point in points]

    def _searched(
        self,
        regression: Regression,
        sides: tuple[np.ndarray, np.ndarray],
        rng: Any,
        near: Any = None,
    ) -> np.ndarray | None:
        """Return the best start of some rows, a little descended from."""
        unknown = np.full(len(regression.parameters), np.nan)
        start = near
        if near is None or len(self.groups) <= SEARCHED:
            known = () if near is None else (near,)
            start = Search(regression, unknown, *sides, rng, known).best()
        if start is None or not regression.gauss_newton(start).finite:
            return None
        return regression.minimize(start, *sides, Limits(1e-6, ITERATIONS)).point.x

    def _sides(
        self, lower: np.ndarray, upper: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return bounds within those of all labels, if there are such."""
        count = len(self.regression.parameters)
        low, high = np.full(count, -np.inf), np.full(count, np.inf)
        np.maximum.at(low, self.places, lower)
        np.minimum.at(high, self.places, upper)
        crossed = low > high
        return np.where(crossed, -np.inf, low), np.where(crossed, np.inf, high)
