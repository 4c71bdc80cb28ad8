"""The exact point beside an end: Newton's method on the sides that hold it.

A barrier stops in units of its own: of ``x >= 1e-10`` it leaves a thousandth. Where the
sides that hold the point are known, they are equations, and the minimum on them is
found to rounding, in any units. What Newton's steps lead to counts if all else holds
there: the other sides, the signs of multipliers, and the curvature along.

Source: Nocedal and Wright 2006, "Numerical optimization", sections 16.5 and 18.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from symgd.descent.constrained.surroundings import FirstOrder, null_space

STEPS = 30  # of Newton's method, over all sets of sides
SETTLED = 1e-12  # of x, or of how far it has come: a step that is none
ROUNDED = 4e-15  # of what terms are
CLOSE = 2.0  # times how far it has come: where the end may have been meant to be
SINGULAR = 1e-14  # of the largest singular value: one that is none
SMALL = 1e-4  # of the largest coordinate: what a small one is taken for
DEPENDENT = 1e-12  # likewise, of the sides' derivatives
BENT = 1e-9  # of the largest curvature: one that is none
LEFT = 1e-9  # of the terms of a gradient: what may be left


@dataclass
class OnSides:
    """A minimum on some sides: its point, multipliers, and what is left.

    Attributes
    ----------
    x, y, z : arrays
        Multipliers of rows, as in ``f + sum(y*c)``, and of bounds.
    f, slope, c
        The value, its gradient, and the rows.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    f: float
    slope: np.ndarray
    c: np.ndarray
    left: float


@dataclass
class ActiveSet:
    """Which sides hold a point.

    Parameters
    ----------
    around : callable
        Of a point: f, its gradient, the rows, and their derivatives.
    curvature : callable
        Of a point and multipliers of rows: the Hessian of the Lagrangian.
    end, sizes : arrays
        The point, and how far it has come.
    y, z : arrays
        About what the multipliers are, of rows and of bounds.
    bounds, sides : pairs of arrays
        Of variables, of rows.
    """

    around: Callable[[np.ndarray], FirstOrder]
    curvature: Callable[[np.ndarray, np.ndarray], np.ndarray]
    end: np.ndarray
    sizes: np.ndarray
    y: np.ndarray
    z: np.ndarray
    bounds: tuple[np.ndarray, np.ndarray]
    sides: tuple[np.ndarray, np.ndarray]

    def exact(self) -> OnSides | None:
        """Return the minimum on the sides that hold the end, if there is one."""
        with np.errstate(all="ignore"):
            try:
                return self._exact()
            except np.linalg.LinAlgError:
                return None

    def _exact(self) -> OnSides | None:
        _, slope, c, rows = self.around(self.end)
        units, worth = np.abs(rows) @ self.sizes, np.abs(slope) @ self.sizes
        self.of_rows = self._guess(c, self.sides, self.y, units, worth)
        self.of_x = self._guess(self.end, self.bounds, -self.z, self.sizes, worth)
        x, y, left = self.end.copy(), self.y.copy(), STEPS
        seen = set()
        while (key := (*self.of_rows, *self.of_x)) not in seen:
            seen.add(key)
            while left > 0:
                left -= 1
                x, y, moved = self._stepped(x, y)
                if (
                    not np.isfinite(x).all()
                    or (np.abs(x - self.end) > CLOSE * self.sizes).any()
                ):
                    return None
                if moved <= SETTLED:
                    break
            else:
                return None
            found = self._seen_at(x, y)
            if not self._changes(found):
                return found if self._is_minimum(found) else None
        return None

    @staticmethod
    def _guess(
        at: np.ndarray,
        sides: tuple[np.ndarray, np.ndarray],
        price: np.ndarray,
        units: np.ndarray,
        worth: float,
    ) -> np.ndarray:
        """Say of each which side holds it: -1 for the low one, 1; 0 for none.

        It is one whose multiplier is worth more of f's slope than it is away.
        """
        low, high = at - sides[0], sides[1] - at
        side = np.where(low <= high, -1, 1)
        away = np.minimum(low, high)
        held = np.abs(price) * units * units > away * worth
        return np.where(held | (sides[0] == sides[1]), side, 0)

    def _stepped(
        self, x: np.ndarray, y: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Return Newton's next point, its multipliers, and how far it is, in sizes."""
        x = np.where(self.of_x, np.where(self.of_x < 0, *self.bounds), x)
        _, slope, c, rows = self.around(x)
        at, free = self.of_rows != 0, self.of_x == 0
        y = np.where(at, y, 0.0)
        sizes, count = self.sizes[free], int(free.sum())
        second = self.curvature(x, y)[np.ix_(free, free)] * sizes * sizes[:, None]
        first = rows[np.ix_(at, free)] * sizes
        units = np.abs(first).max(axis=1, initial=0.0)
        if not units.all():
            raise np.linalg.LinAlgError
        first /= units[:, None]
        largest = (np.abs(a).max(initial=0.0) for a in (slope[free] * sizes, second))
        unit = max(largest) or 1.0
        zero = np.zeros((len(first), len(first)))
        whole = np.block([[second / unit, first.T], [first, zero]])
        goals = np.where(self.of_rows < 0, *self.sides)
        right = np.concatenate([-slope[free] * sizes / unit, (goals - c)[at] / units])
        if not (np.isfinite(whole).all() and np.isfinite(right).all()):
            raise np.linalg.LinAlgError
        found = np.linalg.lstsq(whole, right, rcond=SINGULAR)[0]
        moved, x = x.copy(), x.copy()
        x[free] += sizes * found[:count]
        y[at] = found[count:] * unit / units
        own = np.maximum(np.abs(x), SMALL * np.abs(x).max() + 1e-300)
        far = np.abs(x - moved) / np.minimum(self.sizes, own)
        return x, y, float(far.max(initial=0.0))

    def _seen_at(self, x: np.ndarray, y: np.ndarray) -> OnSides:
        f, slope, c, rows = self.around(x)
        rest = slope + y @ rows
        free = self.of_x == 0
        terms = np.abs(slope) + np.abs(y) @ np.abs(rows)
        share = np.abs(rest) / np.where(terms > 0.0, terms, 1.0)
        left = float(share[free].max(initial=0.0))
        self.terms, self.rows = terms, rows
        return OnSides(x, y, np.where(free, 0.0, rest), f, slope, c, left)

    def _changes(self, found: OnSides) -> bool:
        """Let go what doesn't hold, and keep to what is crossed; return whether."""
        low, high = self.sides
        rounded = ROUNDED * (np.abs(self.rows) @ np.abs(found.x) + np.abs(found.c))
        equal = low == high
        wrong = ~equal & (found.y * self.of_rows < 0.0)
        pull = found.z * self.of_x
        pulled = (pull > ROUNDED * self.terms) | (pull == np.inf)
        self.of_rows[wrong] = 0
        self.of_x[pulled & (self.bounds[0] < self.bounds[1])] = 0
        below, above = found.c < low - rounded, found.c > high + rounded
        loose = (self.of_rows == 0) & ~wrong
        self.of_rows[below & loose], self.of_rows[above & loose] = -1, 1
        under, over = found.x < self.bounds[0], found.x > self.bounds[1]
        self.of_x[under], self.of_x[over] = -1, 1
        changed = wrong, pulled, (below | above) & loose, under | over
        return any(each.any() for each in changed)

    def _is_minimum(self, found: OnSides) -> bool:
        """Return whether nothing is left, and f curves upwards along the sides.

        Off a bound it may rise infinitely steeply, as a root does: that holds, too.
        """
        if not (found.left <= LEFT and np.isfinite(found.f)):
            return False
        if np.isnan(found.z).any():
            return False
        at, free = self.of_rows != 0, self.of_x == 0
        sizes = self.sizes[free]
        second = self.curvature(found.x, found.y)[np.ix_(free, free)]
        second = second * sizes * sizes[:, None]
        first = self.rows[np.ix_(at, free)] * sizes
        if len(first):
            along = null_space(first, DEPENDENT)
            second = along @ second @ along.T
        if not second.size:
            return True
        bends = np.linalg.eigvalsh(second)
        return bool(bends[0] >= -BENT * np.abs(bends).max())
