"""Whether the sum falls again beside a minimum, along one parameter after the other.

Where few rows have noise, a strongly curved model may have two minima some standard
errors apart, and nothing in the residuals tells which is the least. So each parameter
is moved, the others follow as the model is straight, and what is linear is solved for.

Elsewhere: profile traces (D. M. Bates and D. G. Watts, Nonlinear Regression Analysis
and Its Applications, 1988, section 6.1).
"""

from __future__ import annotations

import functools
import math

import numpy as np

from symgd.fitting.levenberg_marquardt import Limits
from symgd.fitting.regression import Regression
from symgd.fitting.trials import Solver

STEPS = 2.0 ** np.arange(0.0, 5.5, 0.5)  # in standard errors
FAR = 4.0  # of them, where it is seen whether the sum is as a bowl
BOWL = 0.8, 1.25  # times what a bowl rises
FALLS = 1.0 - 1e-6  # of a sum
LOWER = 1.0 - 1e-3  # of a sum: what is worth another end
MOST = 3  # dips that are descended into
ITERATIONS = 40
SMALLEST = 1e-12  # curvature, as a share of the largest
WORK = 20_000  # rows at one step along all parameters


class Dips:
    """What is beside the end of a descent.

    Parameters
    ----------
    regression : Regression
    solver : Solver
        Of what is linear.
    other : list of int
        The places of the parameters that are moved.
    x : ndarray
    """

    cut = False  # whether a search gives what it has when it is interrupted

    def __init__(
        self, regression: Regression, solver: Solver, other: list[int], x: np.ndarray
    ) -> None:
        self.regression, self.solver, self.other, self.x = regression, solver, other, x
        self.lower, self.upper = solver.lower, solver.upper

    @classmethod
    def beside(
        cls, regression: Regression, x: np.ndarray, lower: np.ndarray, upper: np.ndarray
    ) -> Dips:
        """Return those of a point whose parameters are free between bounds."""
        free = np.flatnonzero((x > lower) & (x < upper)).tolist()
        linear = [p for p in regression.formulas.linear if p in free]
        other = [p for p in free if p not in linear]
        held = lower.copy(), upper.copy()
        fixed = [p for p in range(len(x)) if p not in free]
        for side in held:
            side[fixed] = x[fixed]
        return cls(regression, Solver(regression, linear, *held), other, x)

    @property
    def is_possible(self) -> bool:
        """Whether it can be done, and is worth what it costs."""
        work = len(self.other) * self.regression.count
        return 0 < work <= WORK and not self.regression.loss.pairs

    @np.errstate(all="ignore")
    def best(self) -> np.ndarray | None:
        """Return a point that is lower; None if there is none."""
        if self.regression.loss.squares and self._is_bowl():
            return None
        fun, found = LOWER * self.regression.gauss_newton(self.x).fun, None
        for start in self.points():
            limits = Limits(1e-3, ITERATIONS)
            ended = self.regression.minimize(start, self.lower, self.upper, limits)
            if ended.point.fun < fun:
                fun, found = ended.point.fun, ended.point.x
        return found

    @np.errstate(all="ignore")
    def points(self) -> list[np.ndarray]:
        """Return where the sum is least after it has risen, the lowest first."""
        found: list[tuple[float, np.ndarray]] = []
        for costs, points in self._traces():
            before, after = costs[:-1], np.append(costs[2:], math.inf)
            dips = (costs[1:] < FALLS * before) & (costs[1:] <= after)
            found += [(costs[1 + k], points[k]) for k in np.flatnonzero(dips)]
        found.sort(key=lambda each: each[0])
        usable = (x for _, x in found if self.regression.gauss_newton(x).finite)
        return [x for _, x in zip(range(MOST), usable, strict=False)]

    def _is_bowl(self) -> bool:
        """Return whether the sum rises to all sides about as its curvature says."""
        ways = self._ways
        if ways is None:
            return False
        fun = self.regression.gauss_newton(self.x).fun
        low, high = (share * FAR**2 * fun / self._freedom for share in BOWL)
        for way in (FAR * ways).tolist():
            for side in (np.array(way), -np.array(way)):
                there = self.regression.gauss_newton(self.x + side).fun
                if not low < there - fun < high:
                    return False
        return True

    @property
    def _freedom(self) -> int:
        return max(1, self.regression.extent.rows - len(self.x))

    def _traces(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return sums from x on to each side of each parameter, and where they are."""
        ways = self._ways
        if ways is None:
            return []
        both = np.concatenate((ways, -ways))
        points = self.x + STEPS[:, None] * both[:, None, :]
        points = np.clip(points, self.lower, self.upper)
        every = np.concatenate((self.x[None], points.reshape(-1, len(self.x))))
        tried = self.solver.solved(every, self.solver.linear)
        squares = self.regression.loss.squares
        left = np.einsum("dn,dn->d", tried.residuals, tried.residuals)
        costs = np.where(
            np.isfinite(tried.costs), left if squares else tried.costs, math.inf
        )
        along = costs[1:].reshape(len(both), -1)
        places = tried.points[1:].reshape(points.shape)
        return [
            (np.concatenate((costs[:1], each)), at)
            for each, at in zip(along, places, strict=True)
        ]

    @functools.cached_property
    def _ways(self) -> np.ndarray | None:
        """Return a standard error of each parameter, and how the others follow."""
        point = self.regression.gauss_newton(self.x)
        free = [*self.solver.linear, *self.other]
        curvature = point.curvature[np.ix_(free, free)]
        units = np.sqrt(np.diag(curvature))
        if not (np.isfinite(curvature).all() and (units > 0.0).all()):
            return None
        scaled = curvature / np.outer(units, units)
        inverse = np.linalg.pinv(scaled, SMALLEST, hermitian=True)
        inverse /= np.outer(units, units)
        moved = inverse[len(self.solver.linear) :]
        own = np.sqrt(np.diag(inverse)[len(self.solver.linear) :])
        if not (own > 0.0).all():
            return None
        ways = np.zeros((len(self.other), len(self.x)))
        ways[:, free] = moved / own[:, None] * math.sqrt(point.size / self._freedom)
        return ways
