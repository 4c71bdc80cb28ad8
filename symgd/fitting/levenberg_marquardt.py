"""Descent by quadratic models within a trust region: Levenberg and Marquardt's method.

The model of the objective at a point is its gradient and a matrix of curvature: for
least squares J'WJ, for which this is the method of Levenberg (1944) and Marquardt
(1963) as Moré arranged it, or an exact Hessian. Steps are measured in units that the
problem gives itself, so that parameters of sizes 1e-4 and 1e3 are as good as any.

The loop is a kernel, :mod:`symgd.kernels.trust_region`; here is what it works on. There
are two points, the best one so far and a trial, each with its model. A fit is one
descent or some, one after the other: what says which is a path, a generator of stages
that is sent where each has ended.
"""

from __future__ import annotations

import copy
import functools
import math
from array import array
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from symgd.descent.run import FARTHEST, NO_END
from symgd.fitting.rows import Pass
from symgd.kernels.shared import shared
from symgd.language.text import Told
from symgd.native.machine import address
from symgd.native.quadratic import (
    FINE_RESOLUTION,
    RESOLUTION,
    ROWS,
    SUMS,
    RegionArrays,
    Sums,
    TrustRegion,
    root_of,
)
from symgd.native.status import RUNNING, Status

BY_SQUARES = RESOLUTION  # what Cauchy and Schwarz allow where least squares don't bend
BY_HESSIANS = 1e-21  # where the slope knows no such bound
ENDED = (Status.CONVERGED, Status.STALLED)
ROUGHLY = 1e-2  # an offset from which Newton's method takes over
ILL_CONDITIONED = 1e-10  # a ratio of squares whose inverse has lost half its digits
LONG = 1_000_000  # rows passed, or as much algebra, before others may look: some ms
# What changes during a descent: whole numbers, with the largest ones, and others.
COUNTS = {"t": FARTHEST, "evaluations": FARTHEST, "last": NO_END}
COUNTS |= dict.fromkeys(("place", "made", "known", "first", "pending", "strict"), 1)
MEASURES = ("value", "radius", "offset", "predicted")
# Places in a model, and in working space.
VALUE, SIZE = Sums.word_of("value"), Sums.word_of("size")
PLACES = {name: RegionArrays.word_of(name) for name in RegionArrays.kinds()}
FIRST = PLACES["lower"] - 2
ELSEWHERE = Pass(0, array("d", [0.0]), 0, LONG)  # the sums are found by others


class Point:
    """The quadratic model at a point.

    Parameters
    ----------
    x : ndarray
    row : ndarray
        The model's numbers, as the loop has them: value, size (the weighted sum of
        squared residuals, which tells which gradient is small), gradient, the lower
        triangle of the curvature.
    factor : ndarray, shape (p, p), optional
        R, where curvature is R'R: with it half as many digits are lost.
    floor : float
        A size at which the residuals are rounding.
    squares : bool
        Whether this is least squares.
    least : float
        The curvature's smallest eigenvalue in its own units is no smaller.
    """

    def __init__(
        self,
        x: np.ndarray,
        row: np.ndarray,
        factor: np.ndarray | None = None,
        floor: float = -math.inf,
        squares: bool = False,
        least: float = -math.inf,
    ) -> None:
        self.x, self.row, self.factor = x, row, factor
        self.floor, self.squares, self.least = floor, squares, least
        self.fun = float(row[VALUE])

    @classmethod
    def of(
        cls,
        x: np.ndarray,
        fun: float,
        size: float,
        gradient: np.ndarray,
        curvature: np.ndarray,
        **others: Any,
    ) -> Point:
        """Return the point of a value, a size, a gradient, and a curvature."""
        parts = [fun, size], gradient, curvature[_lower(len(x))]
        return cls(x, np.concatenate(parts), **others)

    @functools.cached_property
    def gradient(self) -> np.ndarray:
        """The slope there."""
        return self.row[SUMS : SUMS + len(self.x)]

    @property
    def size(self) -> float:
        """The weighted sum of squared residuals."""
        return float(self.row[SIZE])

    @functools.cached_property
    def curvature(self) -> np.ndarray:
        """The matrix of curvature, shape (p, p)."""
        p = len(self.x)
        return symmetric(self.row[SUMS + p : root_of(p)], p)

    @functools.cached_property
    def squares_of_columns(self) -> list[float]:
        """The curvature's diagonal."""
        return self.row[_diagonal(len(self.x))].tolist()

    @functools.cached_property
    def finite(self) -> bool:
        """Whether a descent may go there."""
        return bool(np.isfinite(self.row).all())

    def changed(self, **parts: Any) -> Point:
        """Return the same with other parts."""
        other = copy.copy(self)
        vars(other).update(parts)
        return other

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
            if not np.isfinite(block).all():  # nothing is determined by it
                return np.zeros(len(units)), np.eye(len(units))
            squares, vectors = np.linalg.eigh(block)
            least = RESOLUTION
        squares[abs(squares) < least * abs(squares).max(initial=0.0)] = 0.0
        return squares, vectors


@functools.cache
def _lower(p: int) -> tuple[np.ndarray, np.ndarray]:
    return np.tril_indices(p)


@functools.lru_cache(maxsize=64)
def _diagonal(p: int) -> np.ndarray:
    """Return where the diagonal of a curvature is in a model."""
    return np.array([SUMS + p + k * (k + 3) // 2 for k in range(p)], dtype=np.intp)


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


@dataclass
class Limits:
    """When descents end, and how far they have come; one may follow another.

    Where they are to be ``thorough``, second derivatives are worth being compiled.
    """

    gtol: float
    maxiter: int
    nit: int = 0
    nfev: int = 0
    thorough: bool = False

    def ahead(self, most: int) -> Limits:
        """Return the same, for at most so many more iterations."""
        maxiter = min(self.maxiter, self.nit + most)
        return Limits(self.gtol, maxiter, self.nit, self.nfev, self.thorough)


class Stage(NamedTuple):
    """A descent that is to be made.

    Attributes
    ----------
    evaluate : callable
        Returns the model at a point.
    x, lower, upper : ndarray
        The start, where the objective is finite, and bounds.
    limits : Limits
    native : Pass, optional
        The same as ``evaluate`` for the loop to call.
    of : Regression
        Whose sum it is.
    squares : bool
        Whether what the loop calls sums least squares.
    floor : float, optional
        A size at which residuals are rounding; by default the loop's sums tell it.
    """

    evaluate: Callable[[np.ndarray], Point]
    x: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    limits: Limits
    native: Pass | None = None
    of: Any = None
    squares: bool = False
    floor: float | None = None


class Ended(NamedTuple):
    """How a descent has ended.

    Attributes
    ----------
    point : Point
        The best one.
    offset : float
        The cosine between the residuals and what the model can change.
    status : Status
        CONVERGED where the offset is at most gtol, or the size at most the floor;
        STALLED where only rounding keeps it from that; ABNORMAL where no step lowers
        the objective all the same, as at a kink; or a limit's.
    """

    point: Point
    offset: float
    status: Status


Path: TypeAlias = Generator[Stage, Ended, Ended]


def finished(path: Path) -> Ended:
    """Return where a path ends that nobody watches."""
    try:
        stage = next(path)
        while True:
            stage = path.send(descended(stage))
    except StopIteration as end:
        return end.value


def descended(stage: Stage) -> Ended:
    """Make a descent.

    References
    ----------
    J. J. Moré, The Levenberg-Marquardt algorithm: implementation and theory (1978),
    sections 3 to 6.

    Examples
    --------
    >>> def bowl(x):
    ...     size = x @ x
    ...     return Point.of(x, size / 2, size, x, np.eye(2))
    >>> open = np.full(2, np.inf)
    >>> at = descended(Stage(bowl, np.ones(2), -open, open, Limits(1e-8, 10)))
    >>> at.point.x, at.status.name
    (array([0., 0.]), 'CONVERGED')
    """
    descent, status = Descent(stage), RUNNING
    while status == RUNNING:
        status = descent.proceed(NO_END)
    return descent.end(status)


class Descent:
    """The memory of a descent."""

    def __init__(self, stage: Stage) -> None:
        self.stage, limits, p = stage, stage.limits, len(stage.x)
        function, words, blocks, rows = stage.native or ELSEWHERE
        self.region = region = TrustRegion(
            variables=p,
            t=limits.nit,
            evaluations=limits.nfev,
            gtol=limits.gtol,
            target=-math.inf,
            slice=max(1, LONG // (rows + p**3)),
            maxiter=limits.maxiter,
            blocks=blocks,
            made=1,
            first=1,
            pending=1,
            sized=stage.floor is None,
            floor=stage.floor or 0.0,
            level=BY_SQUARES if stage.squares else BY_HESSIANS,
        )
        height, root = ROWS * p, root_of(p)
        numbers = height + 2 * (root + p * p)
        self.memory = memory = np.zeros(numbers + 2 * p * p)
        self.space = memory[:height].reshape(ROWS, p)
        self.models = memory[height:numbers].reshape(2, -1)
        first, row = address(memory), 8 * p
        others = address(words), first + 8 * height, first + 8 * numbers
        rest = range(first + 2 * row, first + ROWS * row, row)
        self.places = RegionArrays(function, *others, first, *rest)
        self._words = words
        self._set_sides()
        self.trial[:] = stage.x
        if not function:
            self._start(stage.evaluate(stage.x))
        self._addresses = address(region), address(self.places)
        self._kernel = shared("trust_region").call

    def _set_sides(self) -> None:
        self.row("lower")[:], self.row("upper")[:] = self.stage.lower, self.stage.upper

    def row(self, name: str) -> np.ndarray:
        """Return a row of working space, as long as there are parameters."""
        return self.space[PLACES[name] - FIRST]

    def proceed(self, last: int) -> int:
        """Go on for a slice, at most to iteration ``last``."""
        region = self.region
        if region.made and not (region.known or self.places.function):
            self._enter(self.stage.evaluate(self.trial.copy()))
        region.last = last
        return int(self._kernel(*self._addresses))

    def _start(self, point: Point) -> None:
        """Take note of a start that was evaluated here."""
        region = self.region
        region.factored, region.sized = point.factor is not None, 0
        region.floor = point.floor
        region.level = BY_SQUARES if point.squares else BY_HESSIANS
        self._enter(point)

    def _enter(self, point: Point) -> None:
        """Take note of what was found at the trial."""
        row, root = self.models[1 - self.region.place], root_of(len(point.x))
        row[:root] = point.row[:root]
        if point.factor is not None:
            row[root:] = point.factor.ravel()
        self.region.known = 1

    @property
    def trial(self) -> np.ndarray:
        """The point to be evaluated next."""
        return self.space[1 - self.region.place]

    @property
    def x(self) -> np.ndarray:
        """The best point so far."""
        return self.space[self.region.place]

    def best(self, least: float = -math.inf) -> Point:
        """Return the best point so far."""
        region, x, factor = self.region, self.x.copy(), None
        row, root = self.models[region.place].copy(), root_of(len(x))
        if region.factored:
            factor = row[root:].reshape(len(x), len(x))
        squares = region.level == BY_SQUARES
        return Point(x, row[:root], factor, region.floor, squares, least)

    def end(self, status: int) -> Ended:
        """Return where the descent ended."""
        limits, region = self.stage.limits, self.region
        limits.nit, limits.nfev = region.t, region.evaluations
        # The last eigenvalues are those there, in units that are no smaller than its
        # own: so in its own units they are no smaller.
        known = status == Status.CONVERGED
        least = min(self.row("squares").tolist()) if known else -math.inf
        return Ended(self.best(least), region.offset, Status(status))

    def arrays(self) -> dict[str, array[Any]]:
        """Return all that isn't known without having made the descent."""
        return {
            "counters": self.region.stored(),
            "space": array("d", self.space.tobytes()),
            "models": array("d", self.models.tobytes()),
        }

    def take(self, stored: Mapping[str, Any]) -> None:
        """Be where another descent of the same stage was; ValueError if none can be."""
        other = TrustRegion()
        other.take(array("q", stored["counters"].tobytes()))
        if self.region.sized and not other.pending:
            self.region.floor = self.stage.evaluate(self.stage.x).floor
        for name, own in self.region.numbers().items():
            number = getattr(other, name)
            possible = number == own or name == "maxiter"
            if name in COUNTS:
                possible = 0 <= number <= COUNTS[name]
                setattr(self.region, name, number)
            elif name in MEASURES:
                possible = math.isfinite(number)
                setattr(self.region, name, number)
            if not possible:
                raise ValueError(f"{name} can't be {number}")
        self.space[:] = stored["space"].reshape(self.space.shape)
        self.models[:] = stored["models"].reshape(self.models.shape)
        self._set_sides()
        model = self.models[self.region.place][: root_of(len(self.x))]
        if not all(np.isfinite(each).all() for each in (self.x, model)):
            raise ValueError("it has numbers that aren't finite")


def is_ill_conditioned(point: Point) -> bool:
    """Return whether the normal matrix, in its own units, has lost half its digits."""
    if point.least >= ILL_CONDITIONED:
        return False
    norms = np.sqrt(np.diag(point.curvature))
    known = norms > 0.0
    block = point.curvature[known][:, known] / np.outer(norms[known], norms[known])
    return bool(known.any() and np.linalg.eigvalsh(block)[0] < ILL_CONDITIONED)


class End(NamedTuple):
    """Where a fit ended, and why."""

    x: np.ndarray
    fun: float
    status: Status
    message: Told
    nit: int
    nfev: int
    offset: float
    method: str
