"""Searches where a curve jumps, for given values of what isn't in a condition.

All places together, then two at a time, then each alone; what is linear is solved for
in each trial (:mod:`symgd.fitting.trials`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from symgd.fitting.breaks import SETS, Borders, best_of
from symgd.fitting.goodness import is_met
from symgd.fitting.regression import Regression
from symgd.fitting.trials import AT_ONCE, SMALLEST, Solver

ROUNDS = 12  # of places that depend on each other
WORK = 4e6  # rows at all points of a set
Completed = Callable[[np.ndarray], np.ndarray | None]


class Jumps:
    """The places of jumps that are unknown, and the rows among which they are.

    Parameters
    ----------
    regression : Regression
    solver : Solver
        Of what is linear.
    places : list of int
    completed : callable
        Solves for what is linear at a point; None if there is no such point.
    rng : numpy.random.Generator
    """

    def __init__(
        self,
        regression: Regression,
        solver: Solver,
        places: list[int],
        completed: Completed,
        rng: Any,
    ) -> None:
        self.regression, self.solver, self.places = regression, solver, places
        self.completed, self.rng = completed, rng
        found, names = regression.formulas.borders, regression.parameters
        self.borders = Borders(found, names, places, regression.columns)
        self.most = int(min(SETS, max(50, WORK / regression.count)))

    def searched(self, x: np.ndarray, anywhere: bool = True) -> np.ndarray:
        """Return a point that is no worse, with jumps where the sum is least.

        Parameters
        ----------
        anywhere : bool
            Whether they may be far from those of x.
        """
        best = self._value(x), x
        groups = [list(pair) for pair in itertools.combinations(self.places, 2)]
        groups = [self.places, *groups] if len(self.places) > 2 else groups
        for turn in range(ROUNDS if groups else 1):
            before = best[0]
            near = turn > 0 or not anywhere
            for group in groups:
                best = self._together(group, best, near)
            for place in self.places:
                best = self._alone(place, best)
            if is_met(self.regression, best[1], best[0]):
                break
            if turn and not best[0] < before:
                break
        return best[1]

    def _together(
        self, group: list[int], best: tuple[float, np.ndarray], near: bool
    ) -> tuple[float, np.ndarray]:
        """Try sets of places jointly."""
        x = best[1]
        points = self.borders.together(group, x, near, self.most, self.rng)
        lower, upper = self.solver.lower, self.solver.upper
        points = points[((points >= lower) & (points <= upper)).all(axis=1)]
        if not len(points):
            return best
        return self._better(points[np.argmin(self._costs(points))], best)

    def _alone(
        self, place: int, best: tuple[float, np.ndarray]
    ) -> tuple[float, np.ndarray]:
        """Try the places of one jump."""
        x = best[1]
        known = self.borders.alone(place, x)
        low, high = self.solver.lower[place], self.solver.upper[place]
        known = known[(known >= low) & (known <= high)]

        def at(values: np.ndarray) -> np.ndarray:
            points = np.repeat(x[None], len(values), axis=0)
            points[:, place] = values
            return points

        found = best_of(known, lambda values: self._costs(at(values)))
        return best if found is None else self._better(at(np.array([found]))[0], best)

    @np.errstate(all="ignore")
    def _costs(self, points: np.ndarray) -> np.ndarray:
        """Return squares that points leave, in an order that tells which is best.

        Normal equations are quick, and exact enough for an order.
        """
        solver, places = self.solver, self.solver.linear
        if not self.regression.loss.squares:
            return solver.solved(points, places).costs
        step = max(1, AT_ONCE // (self.regression.count * (1 + len(places))))
        some = [points[k : k + step] for k in range(0, len(points), step)]
        return np.concatenate([self._squares(each, places) for each in some])

    def _squares(self, points: np.ndarray, places: list[int]) -> np.ndarray:
        points = points.copy()
        points[:, self.solver.linear] = 0.0
        values = self.regression.curves(points)
        rest = (self.solver.target - values[:, 0]) * self.solver.unit
        design = values[:, [1 + p for p in places]] * self.solver.unit
        size = np.einsum("dn,dn->d", rest, rest)
        known = np.isfinite(size) & np.isfinite(design).all(axis=(1, 2))
        design, rest = design[known], rest[known]
        unit = np.sqrt(np.einsum("dcn,dcn->dc", design, design))
        design /= np.where(unit > 0.0, unit, 1.0)[..., None]
        normal = design @ design.swapaxes(1, 2)
        along = (design @ rest[..., None])[..., 0]
        inverse = np.linalg.pinv(normal, rcond=SMALLEST, hermitian=True)
        costs = np.full(len(points), np.inf)
        costs[known] = size[known] - np.einsum("dc,dce,de->d", along, inverse, along)
        return costs

    def _better(
        self, x: np.ndarray, best: tuple[float, np.ndarray]
    ) -> tuple[float, np.ndarray]:
        """Return a point, completed, if it is better than another."""
        solved = self.completed(x)
        if solved is None:
            return best
        value = self._value(solved)
        return (value, solved) if value < best[0] or np.isnan(best[0]) else best

    @np.errstate(all="ignore")
    def _value(self, x: np.ndarray) -> float:
        value = self.regression.gauss_newton(x).fun
        return value if np.isfinite(value) else np.inf
