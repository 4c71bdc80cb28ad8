"""Descent by quadratic models within a trust region: Levenberg and Marquardt's method.

The model of the objective at a point is its gradient and a matrix of curvature: for
least squares J'WJ, for which this is the method of Levenberg (1944) and Marquardt
(1963) as Moré arranged it, or an exact Hessian. Steps are measured in units that the
problem gives itself, so that parameters of sizes 1e-4 and 1e3 are as good as any.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from symgd.status import RUNNING, Status

FIRST_RADIUS = 1.0  # of the trust region, in units of the start
LEAST_GAIN = 1e-4  # of the predicted reduction, for a step to be taken
RESOLUTION = 1e-15  # of curvatures as sums of squares: below it, they are rounding
FINE_RESOLUTION = 1e-26  # of curvatures as squares of singular values
NEARLY = 1e-4  # an offset, or digits lost of the target, that rounding can leave
INVISIBLE = 1e-20  # a relative change of the sum that no convergence waits for
NOISE = 1e-13  # a relative change of the sum that may be rounding alone


@dataclass(frozen=True)
class Point:
    """The quadratic model at a point.

    Attributes
    ----------
    x, fun, gradient : ndarray, float, ndarray
    curvature : ndarray, shape (p, p)
    size : float
        The weighted sum of squared residuals, which tells which gradient is small.
    factor : ndarray, shape (m, p), optional
        R, where curvature is R'R: with it half as many digits are lost.
    """

    x: np.ndarray
    fun: float
    size: float
    gradient: np.ndarray
    curvature: np.ndarray
    factor: np.ndarray | None = None

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

    def bend(self, step: np.ndarray) -> float:
        """Return step' curvature step."""
        if self.factor is not None:
            along = self.factor @ step
            return float(along @ along)
        return float(step @ self.curvature @ step)


@dataclass
class Limits:
    """When a descent ends, and how far it has come; one may follow another."""

    gtol: float
    maxiter: int
    time_limit: float = math.inf
    floor: float = 0.0  # a value at which the residuals are rounding
    interrupted: Callable[[], bool] = lambda: False
    watch: Callable[[int, Point, float], None] = lambda *_: None
    nit: int = 0
    nfev: int = 0
    begun: float = field(default_factory=time.perf_counter)

    def reached(self, point: Point, offset: float) -> int:
        """Return why the descent ends here, or RUNNING."""
        self.watch(self.nit, point, offset)
        if offset <= self.gtol or point.fun <= self.floor:
            return Status.CONVERGED
        if self.interrupted():
            return Status.INTERRUPTED
        if self.nit >= self.maxiter:
            return Status.MAXITER
        if time.perf_counter() - self.begun > self.time_limit:
            return Status.TIME_LIMIT
        return RUNNING


def descend(
    evaluate: Callable[[np.ndarray], Point],
    x: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    limits: Limits,
) -> tuple[Point, float, Status]:
    """Minimise within bounds, from a point where the objective is finite.

    Returns
    -------
    point : Point
        The best one.
    offset : float
        See :meth:`_Region.offset`.
    status : Status
        CONVERGED where the offset is at most gtol, or the value at most the floor;
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
    point = evaluate(x)
    limits.nfev += 1
    region = _Region(point, lower, upper)
    offset = region.offset(point)
    while (status := limits.reached(point, offset)) == RUNNING:
        step, predicted = region.step(point)
        tiny = abs(predicted) <= INVISIBLE * abs(point.fun)
        if tiny or np.all(point.x + step == point.x):
            return point, offset, _at_rest(point, offset, limits)
        trial = evaluate(np.clip(point.x + step, lower, upper))
        limits.nfev += 1
        gain = _gain(point, trial, predicted)
        if abs(trial.fun - point.fun) <= NOISE * abs(point.fun):
            # Where values only round, the gradient still tells.
            better = trial.finite and region.offset(trial) < offset
            gain = 0.5 if better else -math.inf
        region.resize(gain, step)
        if gain >= LEAST_GAIN:
            point = trial
            limits.nit += 1
            region.observe(point)
            offset = region.offset(point)
    return point, offset, Status(status)


def _at_rest(point: Point, offset: float, limits: Limits) -> Status:
    """Say why no step can be made: for rounding, or else for a kink."""
    rounding = offset <= NEARLY or point.fun <= limits.floor * NEARLY**-2
    return Status.STALLED if rounding else Status.ABNORMAL


def _gain(point: Point, trial: Point, predicted: float) -> float:
    """Return the reduction as a share of the predicted one."""
    if not trial.finite or not predicted > 0.0:
        return -math.inf
    return (point.fun - trial.fun) / predicted


class _Region:
    """The trust region: an ellipsoid in units that grow with what has been seen."""

    def __init__(self, point: Point, lower: np.ndarray, upper: np.ndarray) -> None:
        self.lower, self.upper = lower, upper
        self.scale = np.zeros(len(point.x))
        self.observe(point)
        length = float(np.linalg.norm(self.scale * point.x))
        self.radius = FIRST_RADIUS * (length or 1.0)
        self.first = True

    def observe(self, point: Point) -> None:
        """Let the units follow the largest column norms of the Jacobian so far."""
        norms = np.sqrt(abs(np.diag(point.curvature)))
        self.scale = np.maximum(self.scale, norms)

    @property
    def units(self) -> np.ndarray:
        """The scale of each parameter, 1 for those that nothing is known of."""
        return np.where(self.scale > 0.0, self.scale, 1.0)

    def free(self, point: Point) -> np.ndarray:
        """Return which parameters no bound holds back."""
        inward = np.where(point.gradient > 0.0, self.lower, self.upper)
        return (point.x != inward) | (point.gradient == 0.0)

    def offset(self, point: Point) -> float:
        """Return the cosine between the residuals and what the model can change.

        It is the size of the Gauss-Newton step in units of the residuals.

        References
        ----------
        D. M. Bates and D. G. Watts, A relative offset orthogonality convergence
        criterion for nonlinear least squares, Technometrics 23 (1981).
        """
        if not point.size > 0.0:
            return 0.0
        free = self.free(point)
        squares, vectors = point.spectrum(free, self.units)
        along = vectors.T @ (point.gradient / self.units)[free]
        known = squares != 0.0
        newton = float(np.sum(along[known] ** 2 / abs(squares[known])))
        return math.sqrt(newton / point.size)

    def step(self, point: Point) -> tuple[np.ndarray, float]:
        """Return the best step in the region and the bounds, and what it promises."""
        free, step = self.free(point), np.zeros(len(point.x))
        for _ in range(len(step)):
            if not free.any():
                break
            slope = point.gradient + point.curvature @ np.where(free, 0.0, step)
            squares, vectors = point.spectrum(free, self.units)
            along = vectors.T @ (slope / self.units)[free]
            lengths = _within(squares.tolist(), along.tolist(), self.radius)
            step[free] = (vectors @ lengths) / self.units[free]
            limited = np.clip(point.x + step, self.lower, self.upper) - point.x
            beyond = free & (
                (point.x + step < self.lower) | (point.x + step > self.upper)
            )
            step = np.where(beyond, limited, step)
            if not beyond.any():
                break
            free &= ~beyond
        promised = -(float(point.gradient @ step) + 0.5 * point.bend(step))
        return step, promised

    def resize(self, gain: float, step: np.ndarray) -> None:
        """Make the region as large as its model is good."""
        length = float(np.linalg.norm(self.units * step))
        if self.first:
            self.radius = min(self.radius, length)
        if gain < 0.25:
            # The minimum of a parabola through what is known, as Moré has it.
            share = 0.5 / (1.0 - gain) if gain < 0.0 else 0.5
            self.radius = max(share, 0.1) * min(self.radius, 10.0 * length)
        elif gain > 0.75:
            self.radius = max(self.radius, 2.0 * length)
        self.first = self.first and gain < LEAST_GAIN


def _within(squares: list[float], along: list[float], radius: float) -> np.ndarray:
    """Return the step that lowers the model most within a radius, in eigenvectors.

    The damping mu of the step -along/(squares + mu) is found as Moré and Sorensen do,
    Computing a trust region step (1983), section 3: Newton's method on 1/length.
    """
    pairs = list(zip(squares, along, strict=True))
    least = min(squares)
    if least >= 0.0:
        full = [-a / s if s > 0.0 else 0.0 for s, a in pairs]
        if math.hypot(*full) <= 1.1 * radius:
            return np.array(full)
    low = max(0.0, -least)
    high = low + (math.hypot(*along) / radius or 1.0)
    mu = low + 1e-3 * (high - low)
    for _ in range(50):
        lengths = [-a / (s + mu) for s, a in pairs]
        length = math.hypot(*lengths)
        if abs(length - radius) <= 0.1 * radius:
            break
        low, high = (mu, high) if length > radius else (low, mu)
        slope = sum(h * h / (s + mu) for h, (s, _) in zip(lengths, pairs, strict=True))
        if slope > 0.0:
            mu += length * length / slope * (length - radius) / radius
        if not low < mu < high:
            mu = low + 0.1 * (high - low)
    return np.array(lengths)
