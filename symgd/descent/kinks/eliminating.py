"""Newton's steps within equalities, of which most only say what one coordinate is.

Such a coordinate is what the others make it: both leave the system (the null-space
method), which then is as small as the problem without what stands for its kinks.

Source: Nocedal and Wright 2006, "Numerical optimization", sections 15.3 and 16.2.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from symgd.calculus.epigraph import NORM, PAIR
from symgd.objectives.smooth_forms import SmoothForm

DENSE = 400  # unknowns, up to which dependent relations are allowed for
INDEPENDENT = 1e-11  # of the largest singular value


class Equalities:
    """Relations that hold where a point moves, solved for coordinates where possible.

    Parameters
    ----------
    form : SmoothForm
    rows : array of bool
        Which relations hold.
    free : array of bool
        Which coordinates move.
    jacobian : array
        Of all relations.
    """

    def __init__(
        self,
        form: SmoothForm,
        rows: np.ndarray,
        free: np.ndarray,
        jacobian: np.ndarray,
    ) -> None:
        pairs = [(r, p) for r, p in _solvable(form) if rows[r] and free[p]]
        own_rows = np.array([r for r, _ in pairs], dtype=int)
        own = np.array([p for _, p in pairs], dtype=int)
        own, first = np.unique(own, return_index=True)
        own_rows = own_rows[first]
        among = jacobian[np.ix_(own_rows, own)]
        alone = (among != 0.0).sum(axis=1) == 1
        self.own, self.own_rows = own[alone], own_rows[alone]
        left = free.copy()
        left[self.own] = False
        rest = rows.copy()
        rest[self.own_rows] = False
        self.kept, self.rest = np.flatnonzero(left), np.flatnonzero(rest)
        self.factors = jacobian[self.own_rows, self.own]
        dependence = jacobian[np.ix_(self.own_rows, self.kept)]
        ways = np.zeros((len(jacobian[0]), len(self.kept)))
        ways[self.kept, np.arange(len(self.kept))] = 1.0
        ways[self.own] = -dependence / self.factors[:, None]
        self.ways = ways  # how all coordinates move with those that are kept
        self.jacobian = jacobian
        self.reduced = jacobian[self.rest] @ ways

    def prices(self, slope: np.ndarray) -> np.ndarray:
        """Return the multipliers that leave least of a gradient."""
        right = -self.ways.T @ slope
        found = np.linalg.lstsq(self.reduced.T, right, rcond=1e-10)[0]
        return self._all_prices(slope, found)

    def _all_prices(self, slope: np.ndarray, found: np.ndarray) -> np.ndarray:
        y = np.zeros(len(self.jacobian))
        y[self.rest] = found
        left = slope[self.own] + found @ self.jacobian[np.ix_(self.rest, self.own)]
        y[self.own_rows] = -left / self.factors
        return y

    def step(
        self, hessian: np.ndarray, slope: np.ndarray, c: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Return Newton's step, and the multipliers after it."""
        begun = np.zeros(len(slope))
        begun[self.own] = -c[self.own_rows] / self.factors
        there = slope + hessian @ begun
        n, m = len(self.kept), len(self.rest)
        matrix = np.zeros((n + m, n + m))
        matrix[:n, :n] = self.ways.T @ hessian @ self.ways
        matrix[:n, n:], matrix[n:, :n] = self.reduced.T, self.reduced
        missed = c[self.rest] + self.jacobian[self.rest] @ begun
        right = -np.concatenate([self.ways.T @ there, missed])
        if not (np.isfinite(matrix).all() and np.isfinite(right).all()):
            return None
        try:
            if n + m > DENSE:
                found = np.linalg.solve(matrix, right)
            else:
                found = np.linalg.lstsq(matrix, right, rcond=1e-13)[0]
        except np.linalg.LinAlgError:
            return None
        step = begun + self.ways @ found[:n]
        return step, self._all_prices(slope + hessian @ step, found[n:])

    def curvatures(self, hessian: np.ndarray) -> np.ndarray | None:
        """Return the second derivatives along what moves; None if not all are finite.

        Nothing moves where there are none.
        """
        own = self.ways.T @ hessian @ self.ways
        if not (np.isfinite(own).all() and np.isfinite(self.reduced).all()):
            return None
        if not len(self.kept):
            return np.zeros(0)
        _, strengths, ways = np.linalg.svd(self.reduced, full_matrices=True)
        largest = float(strengths.max(initial=0.0))
        along = ways[int((strengths > INDEPENDENT * largest).sum()) :]
        curving = along @ own @ along.T
        return np.asarray(np.linalg.eigvalsh((curving + curving.T) / 2.0))


def _solvable(form: SmoothForm) -> Iterator[tuple[int, int]]:
    """Yield relations that say what one coordinate is, with that coordinate."""
    for group in form.groups:
        if group.part.kind == PAIR:
            for places in group.places:
                yield from zip(group.rows[0].tolist(), places.tolist(), strict=True)
        elif group.part.kind == NORM:
            for places, rows in zip(group.places[1:], group.rows[1:], strict=True):
                yield from zip(rows.tolist(), places.tolist(), strict=True)
