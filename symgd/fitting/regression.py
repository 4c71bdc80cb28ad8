"""A model, a loss and data: sums over the rows, and the descents that lower them."""

from __future__ import annotations

import functools
import math
from array import array
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import sympy as sp

from symgd.fitting import paths, shares
from symgd.fitting.levenberg_marquardt import (
    Ended,
    Limits,
    Path,
    Point,
    finished,
    symmetric,
)
from symgd.fitting.losses import SMOOTHING, Loss
from symgd.fitting.row_formulas import RowFormulas, row_formulas, unused
from symgd.fitting.rows import Pass, Rows, plan_of
from symgd.fitting.shares import Extent
from symgd.fitting.stages import BoundedSum
from symgd.native.layout import column_of
from symgd.native.quadratic import EPSILON, root_of
from symgd.objectives.data import digest_of
from symgd.objectives.scattered.partitions import added
from symgd.objectives.space import Space

MANY = 12  # parameters whose products are too many sums for one loop
COPIED = 2**26  # bytes of columns, 64 MiB; of more, a fit has no copy
LARGE = 20_000  # rows, from which a sample of them is worth it
EVERY = 17  # of the rows is in the sample: a prime, as rows may repeat a pattern
LEAST = 1e-70  # what a target is at least, but for one that is 0


ONE = array("d", [1.0]).tobytes()


class Regression:
    """The sum over rows of weight*rho((model - target)/sigma), and its derivatives.

    Parameters
    ----------
    formulas : RowFormulas
    columns : mapping of symbol to ndarray
    constants : mapping of symbol to float
        Those of the loss.
    scale : float
        What residuals are divided by, besides sigma.

    Attributes
    ----------
    count : int
        The number of rows.

    Examples
    --------
    >>> from symgd.fitting import losses
    >>> a, t, y = sp.symbols("a t y", real=True)
    >>> columns = {t: np.array([1.0, 2.0]), y: np.array([2.0, 5.0])}
    >>> squared = losses.read("squared", {})
    >>> formulas = row_formulas(a * t, (a,), y, sp.S.One, sp.S.One, squared)
    >>> line = Regression(formulas, columns, {})
    >>> point = line.gauss_newton(np.array([2.0]))
    >>> point.fun, point.gradient, point.curvature
    (0.5, array([-2.]), array([[5.]]))
    """

    scattered = False  # whether the rows are elsewhere
    # What a run asks of an objective.
    iteration = arrays = None

    def __init__(
        self,
        formulas: RowFormulas,
        columns: Mapping[sp.Symbol, np.ndarray],
        constants: Mapping[sp.Symbol, float],
        scale: float = 1.0,
    ) -> None:
        self.formulas, self.columns, self.scale = formulas, dict(columns), scale
        self.loss, self.parameters = formulas.loss, formulas.parameters
        self.constants = dict(constants)
        self.count = len(columns[formulas.target])
        if self.loss.smoothed:
            self.constants[SMOOTHING] = self.resolution  # as little as can be told
        self._passes: dict[str, Rows] = {}
        self.threads: int | None = None  # by default, one for each core
        self.last: tuple[Any, Any] = None, None  # where the rows were last passed

    def with_data(self, columns: Mapping[sp.Symbol, np.ndarray]) -> Regression:
        """Return the same with other rows; nothing is compiled anew."""
        return Regression(self.formulas, columns, self.constants, self.scale)

    def with_loss(self, loss: Loss, scale: float = 1.0) -> Regression:
        """Return the same with another loss."""
        old = self.formulas
        same = (old.model, old.parameters, old.target, old.sigma, old.weight)
        other = row_formulas(*same, loss)
        return self._like(other, loss.constants, scale)

    def with_scale(self, scale: float) -> Regression:
        """Return the same with residuals divided by something else."""
        return self._like(self.formulas, self.constants, scale)

    @property
    def relative(self) -> Regression:
        """The same with residuals in units of the target, which is 0 nowhere."""
        old = self.formulas
        size = unused("size", {each.name for each in self.columns})
        parts = (old.model, old.parameters, old.target, size, old.weight, old.loss)
        columns = self.columns | {size: abs(self.target)}
        return Regression(row_formulas(*parts), columns, self.constants, self.scale)

    @property
    def space(self) -> Space:
        """The parameters' names."""
        return self.formulas.space

    @property
    def variables(self) -> tuple[str, ...]:
        """The parameters' names."""
        return self.space.names

    def parameter_values(self) -> array[float]:
        """Return what an objective has beside its variables: nothing here."""
        return array("d")

    def rows(self, kind: str) -> Rows:
        """Return what passes the rows, by the formulas of that name."""
        if kind in self._passes:
            return self._passes[kind]
        formulas, columns = self.formulas, self.columns
        if kind == "curve":
            used = formulas.used
            columns = {name: each for name, each in columns.items() if name in used}
        key = kind, *((s, each.dtype, each.strides) for s, each in columns.items())
        if (plan := formulas.plans.get(key)) is None:
            parameters, named = self.parameters, {}
            if kind != "curve":
                parameters, named = (*parameters, *formulas.constants), formulas.firsts
            if kind == "newton":
                named = named | formulas.seconds
            ways = getattr(formulas, kind), parameters, columns, named
            plan = formulas.plans[key] = plan_of(*ways)
        self._passes[kind] = made = Rows.planned(plan, columns.values(), self.threads)
        return made

    def at(self, x: np.ndarray) -> list[float]:
        """Return what formulas of rows are given: x, and constants of the loss."""
        if self.loss.squares:
            return x.tolist()
        return [*x.tolist(), *self.constants.values(), self.resolution, self.scale]

    @functools.cached_property
    def resolution(self) -> float:
        """A residual, as the loss takes it, that the rounding of the target makes."""
        largest = max(self.each_part(shares.largest_ratio))
        return EPSILON * max(largest, LEAST) / self.scale

    @functools.cached_property
    def extent(self) -> Extent:
        """How large the numbers of rows are."""
        return Extent.of_all(self.each_part(shares.extent))

    @functools.cached_property
    def weighing(self) -> int:
        """How many rows have another weight than 0."""
        return int(self.summed(shares.weighing))

    @property
    def has_many(self) -> bool:
        """Whether there are more parameters than sums go well with."""
        return self.loss.squares and len(self.parameters) > MANY

    @property
    def kind(self) -> np.dtype[Any]:
        """The type of the target."""
        return self.columns[self.formulas.target].dtype

    @property
    def model_columns(self) -> list[np.ndarray]:
        """The columns that the model depends on."""
        used, target = self.formulas.used, self.formulas.target
        columns = self.columns.items()
        return [each for s, each in columns if s in used and s != target]

    @property
    def counted(self) -> Regression:
        """The same without rows of weight 0; large data with them, where they add 0."""
        if self.formulas.weight is sp.S.One:
            return self
        weight = self.weight
        if weight.strides == (0,) or weight.all() or not weight.any():
            return self
        return self._counted if are_few(self.columns.values()) else self

    @functools.cached_property
    def _counted(self) -> Regression:
        kept = self.weight > 0.0
        return self.with_data({s: each[kept] for s, each in self.columns.items()})

    # ------------------------------------------- rows, wherever they are

    def each_part(self, function: Callable[..., Any], *given: Any) -> list[Any]:
        """Return what a function finds in the rows of each place: here there is one."""
        return [function(self, *given)]

    def summed(self, function: Callable[..., Any], *given: Any) -> Any:
        """Return the sum of that."""
        return added(self.each_part(function, *given))

    def problem(self, function: Callable[..., str], *given: Any) -> str:
        """Return what a function says of rows that can't be used, if anything."""
        return function(self, *given)

    @property
    def sample(self) -> Regression:
        """The regression of rows that are here, perhaps not of all."""
        return self

    def differs_in(self, other: Regression) -> str:
        """Return in which column of rows another regression differs, if in any."""
        for what in ("target", "sigma", "weight"):
            if not np.array_equal(getattr(self, what), getattr(other, what)):
                return what
        return ""

    def digest(self) -> list[str]:
        """Return what tells the rows from others."""
        return digest_of(self.data)

    def in_row(self, index: Any) -> dict[sp.Symbol, sp.Expr]:
        """Return what columns are in a row, as a formula has them."""
        return {s: sp.IndexedBase(s)[index] for s in self.columns}

    @property
    def data(self) -> Any:
        """The data of such a formula."""
        return {s.name: each for s, each in self.columns.items()}

    def _like(
        self,
        formulas: RowFormulas,
        constants: Mapping[sp.Symbol, float],
        scale: float,
    ) -> Regression:
        """Return another sum over the same rows."""
        return Regression(formulas, self.columns, constants, scale)

    def _totals(self, kind: str, at: list[float]) -> np.ndarray:
        return shares.totals(self, kind, at)

    def native(self, kind: str, x: np.ndarray) -> Pass | None:
        """Return what passes the rows within a loop, if that can be."""
        return self.rows(kind).native(self.at(x))

    # -------------------------------------------------------- at a point

    def gauss_newton(self, x: np.ndarray) -> Point:
        """Return the model of reweighted least squares, all by one pass of the rows."""
        if (at := self.at(x)) == self.last[0]:
            return self.last[1]
        point = self.orthogonal(x) if self.has_many else self._passed(x, at)
        if point.finite:  # what was cut short isn't
            self.last = at, point
        return point

    def _passed(self, x: np.ndarray, at: list[float]) -> Point:
        totals = self._totals("gauss_newton", at)
        row, floor = totals[:-1], _floor(totals[-1])
        return Point(x, row, floor=floor, squares=self.loss.squares)

    def newton(self, x: np.ndarray, floor: float = -math.inf) -> Point:
        """Return the model with the exact Hessian."""
        totals = self._totals("newton", self.at(x))
        return Point(x, totals[: root_of(len(x))], floor=floor)

    def value_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the sum of losses, with none in their place, and its gradient."""
        if not self.loss.smoothed:
            point = self.gauss_newton(x)
            return point.fun, point.gradient
        losses, scores, _ = self.losses(x, self.resolution)
        slopes = scores / (self.sigma * self.scale)
        return float(losses.sum()), slopes @ self.curve(x)[1]

    def losses(
        self, x: np.ndarray, smoothing: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the loss of each row as it was given; smooth, score and curvature.

        Each is times the row's weight.
        """
        constants = self.constants | {SMOOTHING: smoothing}
        at = [*x.tolist(), *constants.values(), self.resolution, self.scale]
        losses, scores, curvatures = self.rows("losses").each(at).T
        return losses, scores, curvatures

    def spread_of_scores(self, x: np.ndarray) -> np.ndarray:
        """Return the sum of the squared gradients of the rows, a matrix."""
        totals = self._totals("newton", self.at(x))
        p = len(x)
        return symmetric(totals[root_of(p) :], p)

    def curve(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return predictions and Jacobian, row by row."""
        values = self.rows("curve").each(x.tolist())
        return values[:, 0], values[:, 1:]

    def curves(self, points: np.ndarray) -> np.ndarray:
        """Return the same of many points, shape (points, 1 + parameters, rows)."""
        return self.rows("curve").each_of(points.tolist())

    def orthogonal(self, x: np.ndarray) -> Point:
        """Return the model of least squares by an orthogonal factor of the rows.

        The normal matrix squares the condition of the Jacobian; this does not (G. H.
        Golub, Numerical methods for solving linear least squares problems, 1965).
        """
        p, parts = len(x), self.each_part(shares.factored, x)
        if (whole := shares.factored_together(parts)) is None:
            return Point.of(x, math.nan, math.nan, np.zeros(p), np.zeros((p, p)))
        part, gradient, sizes = whole
        size, target = sizes.tolist()
        factor = np.zeros((p, p))
        factor[: len(part)] = part
        floor = _floor(target)
        with np.errstate(over="ignore", invalid="ignore"):
            model = x, size / 2.0, size, gradient, factor.T @ factor
        return Point.of(*model, factor=factor, floor=floor, squares=True)

    @property
    def target(self) -> np.ndarray:
        """The column that the model should give."""
        return self._values(self.formulas.target)

    @property
    def sigma(self) -> np.ndarray:
        """The standard deviation of each row."""
        return self._values(self.formulas.sigma)

    @property
    def weight(self) -> np.ndarray:
        """The weight of each row."""
        return self._values(self.formulas.weight)

    @property
    def unit(self) -> np.ndarray:
        """What makes a difference in each row a residual, weighted."""
        return np.sqrt(self.weight) / (self.sigma * self.scale)

    @functools.cached_property
    def sum_of_a_constant(self) -> float:
        """The least sum of losses that a constant in place of the model has."""
        if self.loss.squares:
            return self._squares_of_a_constant() / 2.0
        old = self.formulas
        used = (old.target, old.sigma, old.weight)
        letter = unused("c", {s.name for each in used for s in each.free_symbols})
        formulas = row_formulas(letter, (letter,), *used, old.loss)
        open = np.full(1, np.inf)
        constant = self._like(formulas, self.constants, self.scale)
        middle = np.median(self.sample.target)
        starts = [np.array([start]) for start in (middle, self.mean)]
        return min(
            (
                constant.minimize(start, -open, open, Limits(1e-6, 200))[0].fun
                for start in starts
                if constant.gauss_newton(start).finite
            ),
            default=math.inf,
        )

    @functools.cached_property
    def mean(self) -> float:
        """The weighted mean of the target."""
        weight, whole = self.summed(shares.moments)
        return float(whole / weight)

    def squares_left(self, x: np.ndarray) -> float:
        """Return the weighted sum of squares that a curve leaves."""
        return float(self.summed(shares.squares_left, x))

    def _squares_of_a_constant(self) -> float:
        target, weight, sigma = self.target, self.weight, self.sigma
        if weight.strides == sigma.strides == (0,):
            scale = float(weight[0] / sigma[0] ** 2)
            off = target - np.add.reduce(target) / self.count
            return float(np.vdot(off, off)) * scale
        return float(np.sum(((target - self.mean) * self.unit) ** 2))

    def _values(self, column: sp.Expr) -> np.ndarray:
        if column is sp.S.One:
            return _ones(self.count)
        return np.asarray(self.columns[column], dtype=np.float64)

    # -------------------------------------------------------------- descents

    def minimize(
        self, x: np.ndarray, lower: np.ndarray, upper: np.ndarray, limits: Limits
    ) -> Ended:
        """Minimise from x, and let nobody watch."""
        return finished(self.path(x, lower, upper, limits))

    def path(
        self, x: np.ndarray, lower: np.ndarray, upper: np.ndarray, limits: Limits
    ) -> Path:
        """Minimise from x, by the descents that suit the loss."""
        return (yield from paths.path(BoundedSum(self, lower, upper), x, limits))

    def samples(self, maxiter: int) -> bool:
        """Return whether a descent begins on some of the rows."""
        return self.loss.squares and self.count >= LARGE and maxiter > paths.SOON

    def sampled(self) -> Regression:
        """Return the regression of some of the rows."""
        columns = self.columns.items()
        return self.with_data({s: _every(EVERY, each) for s, each in columns})

    def __getstate__(self) -> dict[str, object]:
        # What is compiled belongs to a process.
        kept = self.__dict__ | {"_passes": {}}
        return {k: each for k, each in kept.items() if not isinstance(each, Regression)}

    def residuals(self, x: np.ndarray) -> np.ndarray:
        """Return (target - prediction)/sigma."""
        difference = self.target - self.curve(x)[0]
        return difference / self.sigma


@functools.lru_cache(maxsize=64)
def _ones(count: int) -> np.ndarray:
    """Return so many ones, which are one in memory, and only to be read."""
    return np.ndarray((count,), np.float64, ONE, strides=(0,))


def are_few(columns: Iterable[np.ndarray]) -> bool:
    """Return whether there may be a copy of columns."""
    return sum(each.nbytes for each in columns) <= COPIED


def _floor(size: float) -> float:
    """Return the size that residuals have by rounding a target of this size."""
    return float(EPSILON**2 * size)


def _every(step: int, column: np.ndarray) -> np.ndarray:
    """Return every so many rows, in memory as the column is."""
    some = column[::step]
    return some.copy() if column_of(column).dense else some
