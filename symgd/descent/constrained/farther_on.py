"""Whether f falls for ever from an end within constraints, by ever less.

There the conditions of a minimum hold to any tolerance, and no minimum is attained:
``exp(-x)`` for ``x >= 1``. Points far away are looked at, along the constraints that
hold the end: they are brought back to these by Newton's method.

Elsewhere: directions of recession.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from symgd.descent.certificate import CTOL, NEAR
from symgd.descent.constrained.surroundings import (
    LEAST_SIZE,
    FirstOrder,
    nearest_sides,
    sizes_of,
)

OUTWARD = (1e-3, 0.1, 1.0, 1e2)  # times the size of x
BACK = (0.9999, 0.99, 0.9, 0.5, 0.1, 1e-3)  # of the way that the run has come
ROUNDED, OF_FALL = 4e-15, 1e-3  # of f, of its fall: what is higher by less isn't
VISIBLE = 1e-12  # of f: a fall that isn't rounding
SLOPED = 1e-6  # of what terms of a slope are, that may cancel: a slope
BESIDE = 1e-2  # of the size of x: the end, where constraints hold exactly
HALF = 0.5  # of a distance: bounds have stopped what goes less far
CORRECTIONS = 20  # back to the constraints
EPS = 1e-15


@dataclass
class Outlook:
    """What is known around an end.

    Parameters
    ----------
    around : callable
        Of a point: f, its gradient, the constraints, and their derivatives.
    end, start, step : array
        The last step, too.
    prices : array
        The multipliers of constraints.
    bounds, sides : pairs of arrays
        Of variables, of constraints.
    """

    around: Callable[[np.ndarray], FirstOrder]
    end: np.ndarray
    start: np.ndarray
    step: np.ndarray
    prices: np.ndarray
    bounds: tuple[np.ndarray, np.ndarray]
    sides: tuple[np.ndarray, np.ndarray]

    def falls_for_ever(self) -> bool:
        """Return whether f does so, in one of the directions that are looked in."""
        with np.errstate(all="ignore"):
            known = self.around(self.end)
            if not all(np.isfinite(each).all() for each in known):
                return False
            self._settle(*known)
            return any(self._is_tail(way) for way in self._ways())

    def _settle(
        self, f: float, slope: np.ndarray, c: np.ndarray, rows: np.ndarray
    ) -> None:
        """Find out which constraints hold the end, and be exactly on them."""
        x, (low, high) = self.end, self.bounds
        sizes, largest = sizes_of(x, self.start)
        self.sizes = np.maximum(sizes, LEAST_SIZE * largest)
        gap = NEAR * np.minimum(self.sizes, np.maximum(1.0, np.abs(x)))
        self.open = (x - low > gap) & (high - x > gap)
        self.sides_met, missed = nearest_sides(c, self.sides)
        near = NEAR * np.maximum(1.0, np.abs(c))
        units = np.abs(rows) @ self.sizes
        # What the multiplier is worth of the slope, beside how far off the side is.
        held = np.abs(self.prices) * units * units > missed * (
            np.abs(slope) @ self.sizes
        )
        self.f = f
        for self.held in (held | (missed <= near), missed <= near):
            there = self._brought_back(x)
            if there is not None and self._far(there) <= BESIDE:
                self.end, self.f = there, self.around(there)[0]
                break

    def _ways(self) -> Iterator[np.ndarray]:
        """Yield directions along the constraints, in sizes of x, in which f falls."""
        _, slope, _, rows = self.around(self.end)
        across = (rows[self.held] * self.sizes)[:, self.open]
        slope = (slope * self.sizes)[self.open]
        come, step = (
            (way / self.sizes)[self.open] for way in (self.end - self.start, self.step)
        )
        count = len(come)
        back = np.linalg.pinv(across) if len(across) else np.zeros((count, 0))
        for way in (come, step, *np.eye(count)):
            along = way - back @ (across @ way)
            largest = np.abs(along).max(initial=0.0)
            if largest <= SLOPED * np.abs(way).max(initial=0.0):
                continue
            sign = -1.0 if slope @ along > 0.0 else 1.0
            whole = np.zeros(len(self.end))
            whole[self.open] = sign * along / largest
            yield whole

    def _is_tail(self, way: np.ndarray) -> bool:
        """Return whether f falls on a way, never rises on it, and has fallen before."""
        least = self.f
        for far in OUTWARD:
            there = self._brought_back(self.end + far * self.sizes * way)
            if there is None or self._far(there) < HALF * far:
                return False
            value, slope, _, rows = self.around(there)
            noise = max(ROUNDED * abs(least), OF_FALL * (self.f - least))
            if not value <= least + noise:
                return False
            # Where it has no slope any more, it has left float64, or is a plateau.
            if far == OUTWARD[0] and not self._slopes(slope, rows, way, there):
                return False
            least = min(least, value)
        return self._has_fallen(way)

    def _far(self, there: np.ndarray) -> float:
        return float(np.abs((there - self.end) / self.sizes).max())

    def _slopes(
        self, slope: np.ndarray, rows: np.ndarray, way: np.ndarray, there: np.ndarray
    ) -> bool:
        """Return whether f falls along the constraints, by more than cancels."""
        sizes = np.maximum(self.sizes, np.abs(there))
        slope = (slope * sizes)[self.open]
        across = (rows[self.held] * sizes)[:, self.open]
        if len(across):
            slope = slope - across.T @ (np.linalg.pinv(across.T) @ slope)
        terms = slope * (way * self.sizes / sizes)[self.open]
        return bool(terms.sum() < -SLOPED * np.abs(terms).sum())

    def _has_fallen(self, way: np.ndarray) -> bool:
        """Return whether f is visibly higher on the way back to the start."""
        far = self._far(self.start)
        for part in BACK:
            there = self._brought_back(self.end - part * far * self.sizes * way)
            if there is not None:
                value = self.around(there)[0]
                if value > self.f + VISIBLE * abs(self.f):
                    return True
        return False

    def _brought_back(self, there: np.ndarray) -> np.ndarray | None:
        """Return a point brought to the constraints that hold the end, or None."""
        there = np.clip(there, *self.bounds)
        for count in range(CORRECTIONS):
            f, slope, c, rows = self.around(there)
            if not all(np.isfinite(each).all() for each in (f, slope, c, rows)):
                return None
            missed = (c - self.sides_met)[self.held]
            rounded = EPS * (np.abs(rows) @ np.abs(there))
            if count and (np.abs(missed) <= rounded[self.held]).all():
                beyond = np.maximum(self.sides[0] - c, c - self.sides[1])
                return there if (beyond <= CTOL + rounded).all() else None
            sizes = np.maximum(self.sizes, np.abs(there))
            across = (rows[self.held] * sizes)[:, self.open]
            moved = there.copy()
            moved[self.open] -= sizes[self.open] * (np.linalg.pinv(across) @ missed)
            there = np.clip(moved, *self.bounds)
        return None
