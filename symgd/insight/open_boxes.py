"""Boxes that a search has left, the lowest first: what branch and bound calls its list.

Whenever it is interrupted, all that was left is still in it: what replaces boxes is
entered before they are dropped.
"""

from __future__ import annotations

import math

import numpy as np


class OpenBoxes:
    """Boxes with numbers that are below the values on each.

    Parameters
    ----------
    lower, upper : ndarray, shape (n, boxes)
    """

    def __init__(self, lower: np.ndarray, upper: np.ndarray) -> None:
        self.n, self._count = lower.shape
        self._sides = np.hstack([lower.T, upper.T])  # (boxes, 2 n)
        self._bounds = np.full(self._count, -math.inf)

    def __len__(self) -> int:
        return self._count

    @property
    def lower(self) -> np.ndarray:
        """The lower sides, (n, boxes)."""
        return self._sides[: self._count, : self.n].T

    @property
    def upper(self) -> np.ndarray:
        """The upper sides, (n, boxes)."""
        return self._sides[: self._count, self.n :].T

    @property
    def bounds(self) -> np.ndarray:
        """What is below the values on each."""
        return self._bounds[: self._count]

    def lowest(self, count: int) -> np.ndarray:
        """Return the places of the boxes with the lowest bounds, from the first on."""
        return np.sort(np.argpartition(self.bounds, count - 1)[:count])

    def replace(
        self, where: np.ndarray, lower: np.ndarray, upper: np.ndarray, low: np.ndarray
    ) -> None:
        """Enter boxes with their bounds in the place of others."""
        end = self._count + len(low)
        self._make_room(end)
        self._sides[self._count : end] = np.hstack([lower.T, upper.T])
        self._bounds[self._count : end] = low
        self._count = end
        left = end - len(where)  # the last ones move to where boxes are dropped
        holes = where[where < left]
        moved = np.setdiff1d(np.arange(left, end), where, assume_unique=True)
        self._sides[holes] = self._sides[moved]
        self._bounds[holes] = self._bounds[moved]
        self._count = left

    def keep_up_to(self, most: float) -> None:
        """Drop the boxes whose values are all above a number."""
        left = self.bounds <= most
        count = int(left.sum())
        # The bounds first: until the sides follow none of those that stay is lost.
        self._bounds[:count] = self.bounds[left]
        self._sides[:count] = self._sides[: self._count][left]
        self._count = count

    def _make_room(self, count: int) -> None:
        if count > len(self._bounds):
            more = max(count, 2 * len(self._bounds)) - len(self._bounds)
            self._sides = np.vstack([self._sides, np.empty((more, 2 * self.n))])
            self._bounds = np.concatenate([self._bounds, np.empty(more)])
