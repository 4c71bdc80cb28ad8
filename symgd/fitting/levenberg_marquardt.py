"""Descent by quadratic models within a trust region: Levenberg and Marquardt's method.

The model of the objective at a point is its gradient and a matrix of curvature: for
least squares J'WJ, for which this is the method of Levenberg (1944) and Marquardt
(1963) as Moré arranged it, or an exact Hessian. Steps are measured in units that the
problem gives itself, so that parameters of sizes 1e-4 and 1e3 are as good as any.

The loop is a kernel, :mod:`symgd.kernels.trust_region`; here is what it works
on. There are two points, the best one so far and a trial: the first two vectors. The
model at each is a row of numbers: value, sum of squares, gradient, the lower triangle
of the curvature, and R, where that is R'R and R is known.
"""

from __future__ import annotations

import functools
import math
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np

from symgd.fitting.rows import Pass
from symgd.kernels.shared import shared
from symgd.native.machine import address
from symgd.native.quadratic import (
    FINE_RESOLUTION,
    GRADIENT,
    RESOLUTION,
    ROWS,
    SIZE,
    VALUE,
    TrustRegion,
    Vectors,
    root_of,
)
from symgd.native.status import RUNNING, Status

BY_SQUARES = RESOLUTION  # what Cauchy and Schwarz allow where least squares don't bend
BY_HESSIANS = 1e-21  # where the slope knows no such bound
LONG = 1_000_000  # rows passed, or as much algebra, before others may look: some ms
ELSEWHERE = Pass(0, array("d", [0.0]), 0, LONG)  # the sums are found by others


@dataclass(frozen=True)
class Point:
    """The quadratic model at a point.

    Attributes
    ----------
    x, fun, gradient : ndarray, float, ndarray
    curvature : ndarray, shape (p, p)
    size : float
        The weighted sum of squared residuals, which tells which gradient is small.
    factor : ndarray, shape (p, p), optional
        R, where curvature is R'R: with it half as many digits are lost.
    floor : float
        A size at which the residuals are rounding.
    squares : bool
        Whether this is least squares.
    least : float
        The curvature's smallest eigenvalue in its own units is no smaller.
    """

    x: np.ndarray
    fun: float
    size: float
    gradient: np.ndarray
    curvature: np.ndarray
    factor: np.ndarray | None = None
    floor: float = -math.inf
    squares: bool = False
    least: float = -math.inf

    @classmethod
    def unpacked(
        cls,
        x: np.ndarray,
        row: np.ndarray,
        floor: float = -math.inf,
        squares: bool = False,
        factored: bool = False,
        least: float = -math.inf,
    ) -> Point:
        """Return the point of a row of numbers."""
        p = len(x)
        lower, root = GRADIENT + p, root_of(p)
        gradient, curvature = row[GRADIENT:lower].copy(), symmetric(row[lower:root], p)
        factor = row[root : root + p * p].reshape(p, p).copy() if factored else None
        sizes = float(row[VALUE]), float(row[SIZE])
        return cls(x, *sizes, gradient, curvature, factor, floor, squares, least)

    def pack(self, row: np.ndarray) -> None:
        """Write the point as a row of numbers."""
        p = len(self.x)
        row[VALUE], row[SIZE] = self.fun, self.size
        row[GRADIENT : GRADIENT + p] = self.gradient
        row[GRADIENT + p : root_of(p)] = self.curvature[_lower(p)]
        if self.factor is not None:
            row[root_of(p) : root_of(p) + p * p] = self.factor.ravel()

    @property
    def finite(self) -> bool:
        """Whether a descent may go there."""
        arrays = (self.gradient, self.curvature)
        return math.isfinite(self.fun) and all(np.isfinite(a).all() for a in arrays)

    def spectrum(
        self, free: np.ndarray, scale: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return eigenvalues and eigenvectors of the scaled curvature.

        Eigenvalues that are rounding are 0.
        """
        units = scale[free]
        if self.factor is not None:
            _, values, rows = np.linalg.svd(self.factor[:, free] / units)
            squares = np.zeros(len(units))
            squares[: len(values)] = values**2
            vectors, least = rows.T, FINE_RESOLUTION
        else:
            block = self.curvature[np.ix_(free, free)] / np.outer(units, units)
            squares, vectors = np.linalg.eigh(block)
            least = RESOLUTION
        squares[abs(squares) < least * abs(squares).max(initial=0.0)] = 0.0
        return squares, vectors


@functools.cache
def _lower(p: int) -> tuple[np.ndarray, np.ndarray]:
    return np.tril_indices(p)


@functools.cache
def _places(p: int) -> np.ndarray:
    """Return where each entry of a symmetric matrix is in its lower triangle."""
    places = np.empty((p, p), dtype=np.intp)
    rows, columns = _lower(p)
    places[rows, columns] = places[columns, rows] = np.arange(len(rows))
    return places


def symmetric(lower: np.ndarray, p: int) -> np.ndarray:
    """Return the matrix of a lower triangle, which is given row by row."""
    return lower[_places(p)]


Onlooker: TypeAlias = Callable[[int, Point, float], None]


@dataclass
class Clock:
    """How many seconds descents have taken, without what was compiled before them."""

    spent: float = 0.0


@dataclass
class Limits:
    """When a descent ends, and how far it has come; one may follow another."""

    gtol: float
    maxiter: int
    time_limit: float = math.inf
    interrupted: Callable[[], bool] = lambda: False
    watch: Onlooker | None = None
    nit: int = 0
    nfev: int = 0
    clock: Clock = field(default_factory=Clock)  # one for all that follow another

    def reached(self, begun: float) -> int:
        """Return why a descent ends between two evaluations, or RUNNING."""
        if self.interrupted():
            return Status.INTERRUPTED
        if self.clock.spent + time.perf_counter() - begun > self.time_limit:
            return Status.TIME_LIMIT
        return RUNNING


def descend(
    evaluate: Callable[[np.ndarray], Point],
    x: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    limits: Limits,
    native: Pass | None = None,
) -> tuple[Point, float, Status]:
    """Minimise within bounds, from a point where the objective is finite.

    Parameters
    ----------
    evaluate : callable
        Returns the model at a point.
    native : Pass, optional
        The same for the loop to call, from the second evaluation on.

    Returns
    -------
    point : Point
        The best one.
    offset : float
        The cosine between the residuals and what the model can change.
    status : Status
        CONVERGED where the offset is at most gtol, or the size at most the floor;
        STALLED where only rounding keeps it from that; ABNORMAL where no step lowers
        the objective all the same, as at a kink; or a limit's.

    References
    ----------
    J. J. Moré, The Levenberg-Marquardt algorithm: implementation and theory (1978),
    sections 3 to 6.

    Examples
    --------
    >>> def bowl(x):
    ...     size = x @ x
    ...     return Point(x, size / 2, size, x, np.eye(2))
    >>> open = np.full(2, np.inf)
    >>> at = descend(bowl, np.ones(2), -open, open, Limits(1e-8, 10))
    >>> at[0].x, at[2].name
    (array([0., 0.]), 'CONVERGED')
    """
    run = _Run(evaluate(x), lower, upper, limits, native)
    status, begun = RUNNING, time.perf_counter()
    while status == RUNNING:
        status = run.proceed()
        if limits.watch is not None:
            limits.watch(limits.nit + run.region.nit, run.best(), run.offset)
        if status == RUNNING:
            status = limits.reached(begun)
        if status == RUNNING and native is None:
            run.enter(evaluate(run.trial))
    limits.clock.spent += time.perf_counter() - begun
    limits.nit += run.region.nit
    limits.nfev += run.region.nfev
    return run.end(status), run.offset, Status(status)


class _Run:
    """The memory of a descent."""

    def __init__(
        self,
        start: Point,
        lower: np.ndarray,
        upper: np.ndarray,
        limits: Limits,
        native: Pass | None,
    ) -> None:
        p = len(start.x)
        looked_at = limits.watch is not None or math.isfinite(limits.time_limit)
        function, words, blocks, rows = native or ELSEWHERE
        self.region = TrustRegion(
            parameters=p,
            first=1,
            function=function,
            blocks=blocks,
            factored=start.factor is not None,
            maxiter=limits.maxiter - limits.nit,
            slice=1 if looked_at else max(1, LONG // (rows + p**3)),
            gtol=limits.gtol,
            floor=start.floor,
            level=BY_SQUARES if start.squares else BY_HESSIANS,
        )
        space = np.zeros((ROWS, p))
        self.vectors = Vectors(space[:2], *space[2:])
        self.vectors.lower[:], self.vectors.upper[:] = lower, upper
        self.vectors.points[1 - self.region.best] = start.x
        self.models = np.zeros((2, root_of(p) + p * p))
        self.enter(start)
        room = np.empty((2, p, p)), words
        self._arrays = self.region, space, self.models, *room
        self._places = [address(each) for each in self._arrays]
        self._kernel = shared("trust_region")

    def proceed(self) -> int:
        """Go on for a slice."""
        return int(self._kernel(*self._places))

    def enter(self, point: Point) -> None:
        """Take note of what was found at the trial."""
        point.pack(self.models[1 - self.region.best])
        self.region.known = 1

    @property
    def trial(self) -> np.ndarray:
        """The point to be evaluated next."""
        return self.vectors.points[1 - self.region.best].copy()

    def best(self, least: float = -math.inf) -> Point:
        """Return the best point so far."""
        row, factored = self.region.best, self.region.factored != 0
        x = self.vectors.points[row].copy()
        floor = self.region.floor
        squares = self.region.level == BY_SQUARES
        return Point.unpacked(x, self.models[row], floor, squares, factored, least)

    def end(self, status: int) -> Point:
        """Return the point where the descent ended."""
        if status != Status.CONVERGED:
            return self.best()
        # The last eigenvalues are those there, in units that are no smaller than its
        # own: so in its own units they are no smaller.
        return self.best(least=min(self.vectors.squares.tolist()))

    @property
    def offset(self) -> float:
        """The cosine between the residuals and what the model can change there."""
        return self.region.offset


class End(NamedTuple):
    """Where a descent ended, and why."""

    x: np.ndarray
    fun: float
    status: Status
    message: str
    nit: int
    nfev: int
    offset: float
    method: str
