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
from array import array

import numpy as np

from symgd.fitting.levenberg_marquardt import ELSEWHERE, Limits, Point
from symgd.fitting.regression import Regression
from symgd.fitting.trials import Solver
from symgd.kernels.shared import shared
from symgd.native.machine import address
from symgd.native.quadratic import BOWL, NO_WAYS, UNKNOWN, root_of

STEPS = 2.0 ** np.arange(0.0, 5.5, 0.5)  # in standard errors
FAR = 4.0  # of them, where it is seen whether the sum is as a bowl
RISES = 0.8, 1.25  # times what a bowl rises
FALLS = 1.0 - 1e-6  # of a sum
LOWER = 1.0 - 1e-3  # of a sum: what is worth another end
MOST = 3  # dips that are descended into
ITERATIONS = 40
WORK = 20_000  # rows at one step along all parameters


class Dips:
    """What is beside the end of a descent.

    Parameters
    ----------
    regression : Regression
    linear, other : lists of int
        The places of the parameters that are solved for, and of those that are moved.
    x, lower, upper : ndarrays
    """

    cut = False  # whether a search gives what it has when it is interrupted

    def __init__(
        self,
        regression: Regression,
        linear: list[int],
        other: list[int],
        x: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
    ) -> None:
        self.regression, self.linear, self.other = regression, linear, other
        self.x, self.lower, self.upper = x, lower, upper

    @classmethod
    def beside(
        cls, regression: Regression, x: np.ndarray, lower: np.ndarray, upper: np.ndarray
    ) -> Dips:
        """Return those of a point whose parameters are free between bounds."""
        sides = zip(lower.tolist(), x.tolist(), upper.tolist(), strict=True)
        free = [p for p, (low, at, high) in enumerate(sides) if low < at < high]
        linear = [p for p in regression.formulas.linear if p in free]
        other = [p for p in free if p not in linear]
        if len(free) < len(x):
            fixed = [p for p in range(len(x)) if p not in free]
            lower, upper = lower.copy(), upper.copy()
            lower[fixed] = upper[fixed] = x[fixed]
        return cls(regression, linear, other, x, lower, upper)

    @functools.cached_property
    def point(self) -> Point:
        """The model of the sum at x."""
        return self.regression.gauss_newton(self.x)

    @property
    def is_possible(self) -> bool:
        """Whether it can be done, and is worth what it costs."""
        work = len(self.other) * self.regression.count
        return 0 < work <= WORK and not self.regression.loss.pairs

    @np.errstate(all="ignore")
    def best(self) -> np.ndarray | None:
        """Return a point that is lower; None if there is none."""
        fun, found = LOWER * self.point.fun, None
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

    @property
    def is_a_bowl(self) -> bool:
        """Whether the sum rises to all sides about as its curvature says."""
        verdict, ways = self._looked
        if verdict != UNKNOWN or not self.regression.loss.squares:
            return verdict == BOWL
        fun, (low, high) = self.point.fun, self._rise
        sides = (side * way for way in FAR * ways for side in (1.0, -1.0))
        with np.errstate(all="ignore"):
            there = (self.regression.gauss_newton(self.x + side).fun for side in sides)
            return all(low < each - fun < high for each in there)

    @property
    def _rise(self) -> tuple[float, float]:
        """What a bowl rises by, at least and at most."""
        unit = FAR**2 * self.point.fun / self._freedom
        return RISES[0] * unit, RISES[1] * unit

    @property
    def _freedom(self) -> int:
        return max(1, self.regression.weighing - len(self.x))

    @functools.cached_property
    def _looked(self) -> tuple[int, np.ndarray]:
        """Return whether it is a bowl, and a standard error of each parameter.

        That is how far it is moved, and how the others follow: see ``kernels.bowl``.
        """
        regression, n, count = self.regression, len(self.x), len(self.other)
        native = None
        if regression.loss.squares and not regression.has_many:
            native = regression.native("gauss_newton", self.x)
        function, words, blocks, _ = native or ELSEWHERE
        point, free = self.point, len(self.linear) + count
        sizes = math.sqrt(point.size / self._freedom), FAR, *self._rise
        work, ways = (2 * free + 3) * free, count * n
        memory = np.zeros(work + root_of(n) + 1 + ways)
        given = array("q", [*self.linear, *self.other]), self.x, point.row, words
        rows = address(memory)
        sums = rows + 8 * work
        found = sums + 8 * (root_of(n) + 1)
        counts = blocks, n, free, len(self.linear)
        arguments = *counts, *sizes, *map(address, given), rows, sums, found
        verdict = int(shared("bowl").call(function, *arguments))
        return verdict, memory[-ways:].reshape(count, n)

    def _traces(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return sums from x on to each side of each parameter, and where they are."""
        verdict, ways = self._looked
        if verdict == NO_WAYS:
            return []
        both = np.concatenate((ways, -ways))
        points = self.x + STEPS[:, None] * both[:, None, :]
        points = np.clip(points, self.lower, self.upper)
        every = np.concatenate((self.x[None], points.reshape(-1, len(self.x))))
        solver = Solver(self.regression, self.linear, self.lower, self.upper)
        tried = solver.solved(every, self.linear)
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
