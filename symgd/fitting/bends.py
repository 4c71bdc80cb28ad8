"""Where a curve bends: minima on either side of a row, and at one.

The sum has no second derivative where a bend passes a row, and often a minimum between
any two rows. So a descent that has ended goes on without the rows beside a bend, and
then with all of them. Where a bend is at a row in a minimum, nothing slopes along the
parameters that keep it there, and the sum rises to either side.

Elsewhere: knots, segmented regression, join points (D. J. Hudson, Fitting segmented
curves whose join points have to be estimated, J. American Statistical Association 61,
1966, where all places between two rows are tried likewise).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from symgd.fitting.breaks import Borders
from symgd.fitting.levenberg_marquardt import Limits, Point, Stage, descended
from symgd.fitting.regression import Regression

TRIED = 500  # ends of descents
LOWER, SAME = 1.0 - 1e-9, 1.0 + 1e-12  # of a sum: what is lower, or no higher
GTOL, ITERATIONS = 1e-8, 200  # of each descent
# Lengths of steps, by what they change of the residuals:
AT_ROW = 1e-9  # from a bend to a row it is at
BESIDE = 1e-6  # far enough from a row for the slope on that side
JUMP = 1e3 * BESIDE  # of a sum: more than any slope makes of it there
LEVEL = 1e-5  # a slope, as a cosine, that is 0
INDEPENDENT = 1e-6  # of a way, which it has beside others
PLACES, PLACES_OF_TWO = 24, 9  # of bends among the rows
REFINED = 8  # of the places of two bends, those with the least sums
SMALLEST = 1e-10  # curvature, as a share of the largest
RETURNS = 5  # to rows, where the way along them isn't straight


class Lines(NamedTuple):
    """Where parameters put a bend at a row, for each bend and row.

    Attributes
    ----------
    levels : ndarray, shape (bends * rows,)
        What is 0 there.
    ways : ndarray, shape (bends * rows, parameters)
        Their slopes, in units of the parameters.
    distances : ndarray, shape (bends * rows,)
    """

    levels: np.ndarray
    ways: np.ndarray
    distances: np.ndarray


class Bends:
    """The bends of a model's curve among the rows, about the end of a descent.

    Parameters
    ----------
    regression : Regression
    x : ndarray
    lower, upper : ndarray
    """

    cut = False  # whether a search gives what it has when it is interrupted

    def __init__(
        self,
        regression: Regression,
        x: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
    ) -> None:
        self.regression, self.x, self.lower, self.upper = regression, x, lower, upper
        names, found = regression.parameters, regression.formulas.bends
        self.borders = Borders(found, names, range(len(names)), regression.columns)

    @np.errstate(all="ignore")  # what isn't finite is not taken
    def best(self) -> np.ndarray | None:
        """Return a point that is better; None if there is none."""
        x, fun = self.x, self._value(self.x)
        ends, tried = self._ends(x), 0
        while tried < TRIED and (there := next(ends, None)) is not None:
            tried += 1
            if (value := self._value(there)) < LOWER * fun:
                x, fun, ends = there, value, self._ends(there)
        if _offset(self.regression.gauss_newton(x)) <= GTOL:
            return None if x is self.x else x
        for there in self._at_rows(x):
            offset = self.offset(there) if self._value(there) <= SAME * fun else None
            if offset is not None and offset <= GTOL:
                return there
        return None if x is self.x else x

    @np.errstate(all="ignore")
    def offset(self, x: np.ndarray) -> float | None:
        """Return how far a point is from a minimum with bends at rows, as a cosine.

        Infinite where the sum falls to a side of a row; None where no bend is at one.
        """
        lines = self._lines(x)
        near = int(np.sum(lines.distances <= AT_ROW))
        tied: list[int] = []
        for place in np.argsort(lines.distances, kind="stable")[:near].tolist():
            if self._is_apart(lines.ways, tied, place):
                tied.append(place)
        if not tied:
            return None
        if not self._rises(x, lines.ways[tied]):
            return math.inf
        return _offset(self._along(x, self._basis(x, lines.ways[tied]), np.zeros(0)))

    # --------------------------------------------------------- ends of descents

    def _ends(self, x: np.ndarray) -> Iterator[np.ndarray]:
        """Yield where descents end that the rows beside a bend don't hold."""
        yield from self._at_rows(x)
        for start in self._between_others(x):
            yield self._ended(start, self.regression)
        for rows in self._beside(x):
            kept = np.ones(self.regression.count, dtype=bool)
            kept[rows] = False
            columns = self.regression.columns.items()
            some = self.regression.with_data({s: each[kept] for s, each in columns})
            if some.count > len(x) and some.gauss_newton(x).finite:
                yield self._ended(self._ended(x, some), self.regression)

    def _ended(self, x: np.ndarray, regression: Regression) -> np.ndarray:
        if not regression.gauss_newton(x).finite:
            return x
        limits = Limits(GTOL, ITERATIONS)
        return regression.minimize(x, self.lower, self.upper, limits).point.x

    def _sides(self, x: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return for each bend the lines of rows before and after it, nearest first."""
        lines, count = self._lines(x), self.regression.count
        sides = []
        for first in range(0, len(lines.levels), count):
            order = np.argsort(lines.distances[first : first + count], kind="stable")
            order = first + order[np.isfinite(lines.distances[first + order])]
            before = lines.levels[order] < 0.0
            sides.append((order[before], order[~before]))
        return sides

    def _between_others(self, x: np.ndarray) -> Iterator[np.ndarray]:
        """Yield points with each bend at other rows; then two bends, the best ones."""
        lines, sides = self._lines(x), self._sides(x)
        for side in sides:
            for row in _some(side, PLACES):
                yield from self._placed(x, lines, [row])
        few = [_some(side, PLACES_OF_TWO) for side in sides]
        pairs = itertools.chain(
            *(itertools.product(*two) for two in itertools.combinations(few, 2))
        )
        points = (self._placed(x, lines, list(pair)) for pair in pairs)
        yield from sorted(itertools.chain(*points), key=self._value)[:REFINED]

    def _placed(self, x: np.ndarray, lines: Lines, tied: list[int]) -> list[np.ndarray]:
        """Return the point with bends at rows and what is linear solved for, if any.

        Where bends stay, Gauss and Newton's step does that.
        """
        units = self._units(x)
        back = _inverse(lines.ways[tied]) @ lines.levels[tied]
        at = self.regression.gauss_newton(x - back / units)
        if not at.finite:
            return []
        bend = at.curvature / np.outer(units, units)
        inverse = _inverse(bend, SMALLEST, hermitian=True)
        step = inverse @ (at.gradient / units) / units
        return [np.clip(at.x - step, self.lower, self.upper)]

    def _beside(self, x: np.ndarray) -> Iterator[np.ndarray]:
        """Yield rows beside each bend, few at first: on both sides, or on one."""
        sides, count = self._sides(x), 1
        while any(count < 2 * len(side) for both in sides for side in both):
            for before, after in sides:
                some = before[:count], after[:count]
                for places in (np.concatenate(some), *some):
                    yield places % self.regression.count
            count *= 2

    def _at_rows(self, x: np.ndarray) -> Iterator[np.ndarray]:
        """Yield where the sum is least with bends at rows, of those next to them."""
        for side in itertools.chain(*self._sides(x)):
            tied, there = side[:1].tolist(), x
            while tied:
                ended = self._held(there, tied)
                if ended is None:
                    break
                there, is_least = ended
                yield there
                tied = [] if is_least else self._with_next(there, tied)

    # ------------------------------------------------------------- bends at rows

    def _held(self, x: np.ndarray, tied: list[int]) -> tuple[np.ndarray, bool] | None:
        """Return where the sum is least with bends at rows, and whether it is.

        None if parameters are out of bounds there.
        """
        for _ in range(RETURNS):
            lines, units = self._lines(x), self._units(x)
            ways = lines.ways[tied]
            x = x - _inverse(ways) @ lines.levels[tied] / units
            if not self._is_allowed(x):
                return None
            basis = self._basis(x, ways)
            if not basis.shape[1]:
                return x, True
            none, limits = np.zeros(basis.shape[1]), Limits(GTOL, ITERATIONS)
            open, along = np.full(len(none), np.inf), partial(self._along, x, basis)
            ended = descended(Stage(along, none, -open, open, limits))
            x = x + basis @ ended.point.x
            if self._lines(x).distances[tied].max() <= AT_ROW:
                return x, ended.status.success
        return None

    def _with_next(self, x: np.ndarray, tied: list[int]) -> list[int]:
        """Return what is tied, and the nearest row that isn't; nothing if none is."""
        lines = self._lines(x)
        order = np.argsort(lines.distances, kind="stable")
        for place in order[np.isfinite(lines.distances[order])].tolist():
            if self._is_apart(lines.ways, tied, place):
                return [*tied, place]
        return []

    def _is_apart(self, ways: np.ndarray, tied: list[int], place: int) -> bool:
        """Return whether a bend can leave a row while others stay at theirs."""
        way, others = ways[place], ways[tied]
        rest = way - _inverse(others) @ (others @ way) if tied else way
        return bool(np.linalg.norm(rest) > INDEPENDENT * np.linalg.norm(way))

    def _rises(self, x: np.ndarray, ways: np.ndarray) -> bool:
        """Return whether the sum rises to either side of where bends are at rows."""
        units, at = self._units(x), self.regression.gauss_newton(x)
        held = np.eye(len(x))[self._held_by_bounds(x)]
        inverse = _inverse(np.concatenate((ways, held)))
        for away in inverse.T[: len(ways)]:
            away = away / np.linalg.norm(away)
            for side in (away, -away):
                there = x + BESIDE * side / units
                point = self.regression.gauss_newton(there)
                slope = float(point.gradient / units @ side)
                # Beyond a jump up, what slopes there doesn't matter.
                near = point.fun <= (1.0 + JUMP) * at.fun
                steep = near and slope < -LEVEL * math.sqrt(at.size)
                falls = steep or not point.fun >= LOWER * at.fun
                if not self._is_allowed(there) or falls:
                    return False
        return True

    def _basis(self, x: np.ndarray, ways: np.ndarray) -> np.ndarray:
        """Return ways that keep bends at rows and parameters at bounds, as columns."""
        held = np.eye(len(x))[self._held_by_bounds(x)]
        _, values, rows = np.linalg.svd(np.concatenate((ways, held)))
        rank = int(np.sum(values > INDEPENDENT * values[0]))
        return rows[rank:].T / self._units(x)[:, None]

    def _along(self, x: np.ndarray, basis: np.ndarray, z: np.ndarray) -> Point:
        """Return the model of the sum at x + basis @ z, as one of z."""
        there = x + basis @ z if len(z) else x
        point = self.regression.gauss_newton(there)
        usable = point.finite and self._is_allowed(there)
        fun, size = (point.fun, point.size) if usable else (math.nan, math.nan)
        slope, bend = basis.T @ point.gradient, basis.T @ point.curvature @ basis
        return Point.of(
            z, fun, size, slope, bend, floor=point.floor, squares=point.squares
        )

    # -------------------------------------------------------------- at a point

    def _lines(self, x: np.ndarray) -> Lines:
        each = self.borders.at(x)
        levels = np.concatenate([level for level, _ in each])
        ways = np.concatenate([slope for _, slope in each]) / self._units(x)
        sizes = np.linalg.norm(ways, axis=1)
        known = np.isfinite(levels) & np.isfinite(sizes) & (sizes > 0.0)
        distances = np.full(len(levels), np.inf)
        distances[known] = abs(levels[known]) / sizes[known]
        return Lines(levels, ways, distances)

    def _units(self, x: np.ndarray) -> np.ndarray:
        """Return by what parts of the residuals parameters change them."""
        point = self.regression.gauss_newton(x)
        units = np.sqrt(np.array(point.squares_of_columns) / point.size)
        return np.where(np.isfinite(units) & (units > 0.0), units, 1.0)

    def _held_by_bounds(self, x: np.ndarray) -> np.ndarray:
        return (x == self.lower) | (x == self.upper)

    def _is_allowed(self, x: np.ndarray) -> bool:
        return bool(((x >= self.lower) & (x <= self.upper)).all())

    def _value(self, x: np.ndarray) -> float:
        fun = self.regression.gauss_newton(x).fun
        return fun if math.isfinite(fun) else math.inf


def _some(side: tuple[np.ndarray, np.ndarray], most: int) -> list[int]:
    """Return some lines of a bend, from one end to the other."""
    places = np.concatenate((side[0][::-1], side[1]))
    count = min(most, len(places))
    some = np.unique(np.linspace(0, len(places) - 1, count).astype(int))
    return places[some].tolist()


def _inverse(matrix: np.ndarray, least: float = 1e-15, **kind: bool) -> np.ndarray:
    """Return the pseudo-inverse; NaN, which leads nowhere, of what has none."""
    if not np.isfinite(matrix).all():
        return np.full(matrix.T.shape, np.nan)
    return np.linalg.pinv(matrix, least, **kind)


def _offset(point: Point) -> float:
    """Return the cosine between the residuals and what may change of them."""
    step = _inverse(point.curvature, hermitian=True) @ point.gradient
    return math.sqrt(abs(float(point.gradient @ step)) / point.size)
