"""A model, a loss and data: sums over the rows, and the descents that lower them."""

from __future__ import annotations

import dataclasses
import functools
import math
from array import array
from collections.abc import Generator, Iterable, Mapping
from typing import Any

import numpy as np
import sympy as sp

from symgd.fitting.least_absolute import least_absolute
from symgd.fitting.levenberg_marquardt import (
    ENDED,
    EPSILON,
    ROUGHLY,
    Ended,
    Limits,
    Path,
    Point,
    Stage,
    finished,
    symmetric,
)
from symgd.fitting.losses import SMOOTHING, Loss, read
from symgd.fitting.row_formulas import RowFormulas, row_formulas, unused
from symgd.fitting.rows import Rows, plan_of
from symgd.native.layout import column_of
from symgd.native.quadratic import root_of
from symgd.native.status import Status
from symgd.objectives.space import Space

ILL_CONDITIONED = 1e-10  # a ratio of squares whose inverse has lost half its digits
MANY = 12  # parameters whose products are too many sums for one loop
COPIED = 2**26  # bytes of columns, 64 MiB; of more, a fit has no copy
LARGE = 20_000  # rows, from which a sample of them is worth it
EVERY = 17  # of the rows is in the sample: a prime, as rows may repeat a pattern
NEAR = 1e-3  # an offset that is small for a sample
SOON = 10  # iterations
MORE = 200  # iterations
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
        self._last: tuple[Any, Any] = None, None  # where the rows were last passed

    def with_data(self, columns: Mapping[sp.Symbol, np.ndarray]) -> Regression:
        """Return the same with other rows; nothing is compiled anew."""
        return Regression(self.formulas, columns, self.constants, self.scale)

    def with_loss(self, loss: Loss, scale: float = 1.0) -> Regression:
        """Return the same with another loss."""
        old = self.formulas
        same = (old.model, old.parameters, old.target, old.sigma, old.weight)
        other = row_formulas(*same, loss)
        return Regression(other, self.columns, loss.constants, scale)

    def with_scale(self, scale: float) -> Regression:
        """Return the same with residuals divided by something else."""
        return Regression(self.formulas, self.columns, self.constants, scale)

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

    def _rows(self, kind: str) -> Rows:
        """Return what passes the rows, by the formulas of that name."""
        if kind in self._passes:
            return self._passes[kind]
        formulas, columns = self.formulas, self.columns
        if kind == "curve":
            used = formulas.used
            columns = {name: each for name, each in columns.items() if name in used}
        key = kind, *((s, each.dtype, each.strides) for s, each in columns.items())
        if key not in formulas.plans:
            parameters, named = self.parameters, {}
            if kind != "curve":
                parameters, named = (*parameters, *formulas.constants), formulas.firsts
            if kind == "newton":
                named = named | formulas.seconds
            ways = getattr(formulas, kind), parameters, columns, named
            formulas.plans[key] = plan_of(*ways)
        self._passes[kind] = made = Rows.planned(formulas.plans[key], columns.values())
        return made

    def _at(self, x: np.ndarray) -> list[float]:
        if self.loss.squares:
            return x.tolist()
        return [*x.tolist(), *self.constants.values(), self.resolution, self.scale]

    @functools.cached_property
    def resolution(self) -> float:
        """A residual, as the loss takes it, that the rounding of the target makes."""
        largest = float(abs(self.target / self.sigma).max())
        return EPSILON * max(largest, LEAST) / self.scale

    @property
    def _has_many(self) -> bool:
        return self.loss.squares and len(self.parameters) > MANY

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

    # -------------------------------------------------------- at a point

    def gauss_newton(self, x: np.ndarray) -> Point:
        """Return the model of reweighted least squares, all by one pass of the rows."""
        if (at := self._at(x)) != self._last[0]:
            point = self.orthogonal(x) if self._has_many else self._passed(x, at)
            self._last = at, point
        return self._last[1]

    def _passed(self, x: np.ndarray, at: list[float]) -> Point:
        totals = self._rows("gauss_newton").totals(at)
        row, floor = totals[:-1], _floor(totals[-1])
        return Point(x, row, floor=floor, squares=self.loss.squares)

    def newton(self, x: np.ndarray, floor: float = -math.inf) -> Point:
        """Return the model with the exact Hessian."""
        totals = self._rows("newton").totals(self._at(x))
        return Point(x, totals[: root_of(len(x))], floor=floor)

    def value_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the sum of losses, with none in their place, and its gradient."""
        if not self.loss.smoothed:
            point = self.gauss_newton(x)
            return point.fun, point.gradient
        predicted, jacobian = self.curve(x)
        rest = (self.target - predicted) / self.sigma
        slopes = -self.weight * np.sign(rest) / (self.sigma * self.scale)
        return float(self.weight @ abs(rest)) / self.scale, slopes @ jacobian

    def spread_of_scores(self, x: np.ndarray) -> np.ndarray:
        """Return the sum of the squared gradients of the rows, a matrix."""
        totals = self._rows("newton").totals(self._at(x))
        p = len(x)
        return symmetric(totals[root_of(p) :], p)

    def curve(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return predictions and Jacobian, row by row."""
        values = self._rows("curve").each(x.tolist())
        return values[:, 0], values[:, 1:]

    def curves(self, points: np.ndarray) -> np.ndarray:
        """Return the same of many points, shape (points, 1 + parameters, rows)."""
        return self._rows("curve").each_of(points.tolist())

    @np.errstate(over="ignore", invalid="ignore")  # what isn't finite is no step
    def orthogonal(self, x: np.ndarray) -> Point:
        """Return the model of least squares by an orthogonal factor of the rows.

        The normal matrix squares the condition of the Jacobian; this does not (G. H.
        Golub, Numerical methods for solving linear least squares problems, 1965).
        """
        predicted, jacobian = self.curve(x)
        unit = np.sqrt(self.weight) / self.sigma
        residuals = (predicted - self.target) * unit
        rows = jacobian * unit[:, None]
        if not (np.isfinite(rows).all() and np.isfinite(residuals).all()):
            p = len(x)
            return Point.of(x, math.nan, math.nan, np.zeros(p), np.zeros((p, p)))
        size, gradient = float(residuals @ residuals), rows.T @ residuals
        factor: Any = np.zeros((len(x), len(x)))
        part = np.linalg.qr(rows, mode="r")
        factor[: len(part)] = part
        floor = _floor(np.sum((self.target * unit) ** 2))
        parts = x, size / 2.0, size, gradient, factor.T @ factor
        return Point.of(*parts, factor=factor, floor=floor, squares=True)

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
        target, weight, sigma = self.target, self.weight, self.sigma
        if self.loss.squares and weight.strides == sigma.strides == (0,):
            scale = float(weight[0] / sigma[0] ** 2)
            off = target - np.add.reduce(target) / self.count
            variance = float(np.add.reduce(off * off) / self.count)
            return variance * self.count * scale / 2.0
        at = np.average(target, weights=weight / sigma**2)
        if self.loss.squares:
            return float(np.sum(((target - at) * self.unit) ** 2)) / 2.0
        old = self.formulas
        letter = unused("c", {each.name for each in self.columns})
        parts = (letter, (letter,), old.target, old.sigma, old.weight, old.loss)
        formulas, open = row_formulas(*parts), np.full(1, np.inf)
        constant = Regression(formulas, self.columns, self.constants, self.scale)
        starts = [np.array([start]) for start in (np.median(target), at)]
        return min(
            (
                constant.minimize(start, -open, open, Limits(1e-6, 200))[0].fun
                for start in starts
                if constant.gauss_newton(start).finite
            ),
            default=math.inf,
        )

    def _values(self, column: sp.Expr) -> np.ndarray:
        if column is sp.S.One:
            return np.ndarray((self.count,), np.float64, ONE, strides=(0,))
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
        bounds = (lower, upper)
        if self.loss.squares:
            return (yield from self._least_squares(x, *bounds, limits))
        if self.loss.smoothed:
            return (yield from least_absolute(self, x, *bounds, limits))
        point = yield from self.roughly(x, *bounds, limits)
        ended = yield self.by_hessians(point.x, *bounds, limits, point.floor)
        if ended.status == Status.ABNORMAL:
            # Where a loss is straight it has no curvature, but rows have weights.
            some = dataclasses.replace(limits, maxiter=limits.nit + MORE)
            point, _, _ = yield from self._by_products(ended.point.x, *bounds, some)
            limits.nit, limits.nfev = some.nit, some.nfev
            ended = yield self.by_hessians(point.x, *bounds, limits, point.floor)
        return ended

    def _by_products(
        self, x: np.ndarray, lower: np.ndarray, upper: np.ndarray, limits: Limits
    ) -> Path:
        """Descend from x, by reweighted least squares."""
        native = (
            None if self._has_many else self._rows("gauss_newton").native(self._at(x))
        )
        ended = yield Stage(self.gauss_newton, x, lower, upper, limits, native, self)
        self._last = self._at(ended.point.x), ended.point
        return ended

    def by_hessians(
        self,
        x: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
        limits: Limits,
        floor: float = -math.inf,
    ) -> Stage:
        """Return a descent from x with the exact Hessian."""
        native = self._rows("newton").native(self._at(x))
        evaluate = functools.partial(self.newton, floor=floor)
        return Stage(evaluate, x, lower, upper, limits, native, self)

    def roughly(
        self, x: np.ndarray, lower: np.ndarray, upper: np.ndarray, limits: Limits
    ) -> Generator[Stage, Ended, Point]:
        """Come near a minimum from x, or by way of least squares: what is lower."""
        squared = self.with_loss(read("squared", {}), self.scale)
        rough = dataclasses.replace(limits, gtol=max(ROUGHLY, limits.gtol))
        detour, _, _ = yield from squared._by_products(x, lower, upper, rough)
        ends = []
        for start in (x, detour.x):
            if not self.gauss_newton(start).finite:  # a likelihood ends somewhere
                continue
            ended = yield from self._by_products(start, lower, upper, rough)
            ends.append(ended.point)
        limits.nit, limits.nfev = rough.nit, rough.nfev
        return min(ends, key=lambda point: point.fun)

    def _least_squares(
        self, x: np.ndarray, lower: np.ndarray, upper: np.ndarray, limits: Limits
    ) -> Path:
        ended = None
        if self.samples(limits.maxiter):
            ended = yield from self._from_a_sample(x, lower, upper, limits)
        ended = ended or (yield from self._by_products(x, lower, upper, limits))
        point, _, status = ended
        if status in ENDED and is_ill_conditioned(point):
            at = (point.x, lower, upper, limits)
            return (yield Stage(self.orthogonal, *at, of=self))
        return ended

    def samples(self, maxiter: int) -> bool:
        """Return whether a descent begins on some of the rows."""
        return self.loss.squares and self.count >= LARGE and maxiter > SOON

    def _from_a_sample(
        self, x: np.ndarray, lower: np.ndarray, upper: np.ndarray, limits: Limits
    ) -> Generator[Stage, Ended, Ended | None]:
        """Minimise from where a sample of the rows has its minimum.

        None if that is no better than x, or is not soon followed by one of all rows.
        """
        columns = self.columns.items()
        some = self.with_data({s: _every(EVERY, each) for s, each in columns})
        rough = dataclasses.replace(limits, gtol=NEAR)
        near, _, status = yield from some._by_products(x, lower, upper, rough)
        # As many evaluations of all rows as were done, x among them.
        limits.nfev += 1 + math.ceil((rough.nfev - limits.nfev) / EVERY)
        if status not in ENDED or is_ill_conditioned(near):
            return None
        if not self.gauss_newton(x).fun > self.gauss_newton(near.x).fun:
            return None
        soon = dataclasses.replace(limits, maxiter=limits.nit + SOON)
        ended = yield from self._by_products(near.x, lower, upper, soon)
        limits.nfev = soon.nfev
        if ended.status in (Status.MAXITER, Status.ABNORMAL):
            return None
        limits.nit = soon.nit
        return ended

    def __getstate__(self) -> dict[str, object]:
        # What is compiled belongs to a process.
        kept = self.__dict__ | {"_passes": {}}
        return {k: each for k, each in kept.items() if not isinstance(each, Regression)}

    def residuals(self, x: np.ndarray) -> np.ndarray:
        """Return (target - prediction)/sigma."""
        difference = self.target - self.curve(x)[0]
        return difference / self.sigma


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


def is_ill_conditioned(point: Point) -> bool:
    """Return whether the normal matrix, in its own units, has lost half its digits."""
    if point.least >= ILL_CONDITIONED:
        return False
    norms = np.sqrt(np.diag(point.curvature))
    known = norms > 0.0
    block = point.curvature[known][:, known] / np.outer(norms[known], norms[known])
    return bool(known.any() and np.linalg.eigvalsh(block)[0] < ILL_CONDITIONED)
