"""Profiles: how far one parameter can go while the others follow.

The interval of a profile has the parameter's values for which the others can still keep
the sum within what chance explains. It needs no symmetry, and doesn't depend on how the
model is written: D. M. Bates and D. G. Watts, Nonlinear Regression Analysis and Its
Applications (1988), section 6.1; for likelihoods it is that of S. S. Wilks (1938).
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from symgd.errors import InputError, unknown_name
from symgd.fitting.levenberg_marquardt import Limits
from symgd.fitting.regression import Regression
from symgd.language.text import number
from symgd.many import pieces
from symgd.objectives.points import Bounds

Fit: TypeAlias = Any  # it stands above, and is asked for its public names only
DOUBLINGS = 40  # of a step outwards; farther there is no end
STEPS = 100  # to an end
RESOLVED = 1e-9  # of what is wanted
ITERATIONS = 1000
LOWER = 1e-4  # of what chance explains: a sum that is lower by more was no minimum


@dataclass(frozen=True)
class Profile:
    """How the sum over rows grows with one parameter, the others following.

    Attributes
    ----------
    name : str
    level : float
    value : float
        Of the parameter, as it was fitted.
    interval : tuple of two floats
        Infinite where the sum never grows as much; or a bound.
    values, roots : ndarray
        What was tried, in order, and the signed roots of how much the sum grew there,
        in units of the residuals' variance: on a line for a linear model.
    points : ndarray, shape (values, p)
        All parameters there.
    """

    name: str
    level: float
    value: float
    interval: tuple[float, float]
    values: np.ndarray = field(repr=False)
    roots: np.ndarray = field(repr=False)
    points: np.ndarray = field(repr=False)

    def __str__(self) -> str:
        low, high = self.interval
        told = f"{self.name} = {number(self.value)}, from {low:.6g} to {high:.6g}"
        return f"{told} ({100.0 * self.level:g}%, by its profile)"


class Profiler:
    """Minimises a sum over rows for values of one parameter.

    Parameters
    ----------
    regression : Regression
    x : ndarray
        Where the sum is least.
    bounds : Bounds
    place : int
        The parameter's.
    unit : float
        What twice the sum grows by, by chance: the residuals' variance.
    """

    def __init__(
        self,
        regression: Regression,
        x: np.ndarray,
        bounds: Bounds,
        place: int,
        unit: float,
    ) -> None:
        self.regression, self.x, self.place, self.unit = regression, x, place, unit
        self.sides = np.array(bounds.lower), np.array(bounds.upper)
        self.least = regression.gauss_newton(x).fun
        self.known: dict[float, tuple[float, np.ndarray]] = {x[place]: (0.0, x)}

    def copied(self) -> Profiler:
        """Return another one, for another thread perhaps: it shares no memory."""
        other = copy.copy(self)
        other.regression, other.known = copy.copy(self.regression), dict(self.known)
        return other

    def root(self, value: float) -> float:
        """Return the root of how much the sum grows for a value, in its unit."""
        if value not in self.known:
            self.known[value] = self._followed(value)
        return self.known[value][0]

    def _followed(self, value: float) -> tuple[float, np.ndarray]:
        """Let the other parameters follow, from the nearest value that is known."""
        nearest = min(self.known, key=lambda each: abs(each - value))
        ends = []
        for start in (self.known[nearest][1], self.x):
            start = start.copy()
            start[self.place] = value
            if self.regression.gauss_newton(start).finite:
                lower, upper = (side.copy() for side in self.sides)
                lower[self.place] = upper[self.place] = value
                limits = Limits(1e-10, ITERATIONS)
                ends.append(self.regression.minimize(start, lower, upper, limits).point)
            if nearest == self.x[self.place]:
                break
        if not ends:
            return math.inf, self.known[nearest][1]
        point = min(ends, key=lambda each: each.fun)
        grown = 2.0 * (point.fun - self.least) / self.unit
        if grown < -LOWER:
            raise InputError(_lower(self.regression, point.x, point.fun))
        return math.sqrt(max(grown, 0.0)), point.x

    def end(self, step: float, wanted: float) -> float:
        """Return where the root is as large as wanted, on the side of a step."""
        middle = float(self.x[self.place])
        wall = float(self.sides[int(step > 0.0)][self.place])
        inside = middle
        for power in range(DOUBLINGS):
            outside = middle + step * 2.0**power
            if abs(outside - middle) >= abs(wall - middle):
                if self.root(wall) <= wanted:
                    return wall
                outside = wall
            if self.root(outside) > wanted:
                return self._between(inside, outside, wanted)
            inside = outside
        return math.copysign(math.inf, step)

    def _between(self, inside: float, outside: float, wanted: float) -> float:
        """Return where the root is as wanted, by false position (Illinois)."""
        low, high = self.root(inside) - wanted, self.root(outside) - wanted
        moved = 0  # which side was moved last
        for _ in range(STEPS):
            share = low / (low - high) if math.isfinite(high) else 0.5
            value = inside + share * (outside - inside)
            if value in (inside, outside):
                break
            left = self.root(value) - wanted
            if abs(left) <= RESOLVED * wanted:
                return value
            if left < 0.0:
                inside, low, high = value, left, high / (2.0 if moved < 0 else 1.0)
            else:
                outside, high, low = value, left, low / (2.0 if moved > 0 else 1.0)
            moved = -1 if left < 0.0 else 1
        return inside


def _lower(regression: Regression, x: np.ndarray, fun: float) -> str:
    names = zip(regression.variables, x.tolist(), strict=True)
    start = ", ".join(f"{name!r}: {number(value)}" for name, value in names)
    problem = f"the sum is lower elsewhere, {number(fun)}: the fit is no minimum"
    return f"{problem}; fit again with x0={{{start}}}"


def _elsewhere(
    profiler: Profiler, wanted: float, step: float, executor: Any
) -> tuple[float, float]:
    """Return both ends, which an executor looks for: neither needs the other."""

    def part(rows: slice) -> tuple[Profiler, float, float]:
        return profiler.copied(), wanted, (-step, step)[rows.start]

    ends = [0.0, 0.0]
    for rows, (end, known) in pieces.done(executor, _ended, part, 2, first=1, most=1):
        ends[rows.start] = end
        profiler.known |= known
    return ends[0], ends[1]


def _ended(given: tuple[Profiler, float, float]) -> tuple[float, dict[float, Any]]:
    """Return an end, and what was tried on the way to it: what a worker does."""
    profiler, wanted, step = given
    return profiler.end(step, wanted), profiler.known


def profile(
    profiler: Profiler,
    name: str,
    level: float,
    wanted: float,
    step: float,
    executor: Any = None,
) -> Profile:
    """Return the profile of a parameter, as far as an interval of a level reaches.

    Parameters
    ----------
    wanted : float
        The quantile of the level.
    step : float
        How far an end may be.
    executor : concurrent.futures.Executor, optional
        What looks for the ends.
    """
    if executor is None:
        interval = profiler.end(-step, wanted), profiler.end(step, wanted)
    else:
        interval = _elsewhere(profiler, wanted, step, executor)
    values = sorted(v for v, (root, _) in profiler.known.items() if math.isfinite(root))
    middle = float(profiler.x[profiler.place])
    roots = [math.copysign(profiler.known[v][0], v - middle) for v in values]
    points = np.array([profiler.known[v][1] for v in values])
    given = (np.array(values), np.array(roots), points)
    return Profile(name, level, middle, interval, *given)


def of_fit(
    fit: Fit, name: str, level: float, bounds: Bounds, executor: Any = None
) -> Profile:
    """Return the profile of a fit's parameter: see ``Fit.profile``."""
    if not (fit.regression.loss.squares or fit.is_likelihood):
        problem = "a profile needs the loss 'squared', or a likelihood"
        raise InputError(f"{problem}; bootstrap has intervals for any loss")
    place, unit = _place(fit, name), fit.uncertainty.spread
    if math.isinf(unit):
        raise InputError("there are no degrees of freedom for a profile")
    wanted, value = fit.quantile(level), float(fit.x[place])
    error = fit.standard_errors[name]
    step = wanted * error if 0.0 < error < math.inf else max(abs(value), 1.0) / 8.0
    if unit == 0.0:
        unit, step = math.ulp(0.0), 1e-8 * step
    profiler = Profiler(fit.regression.counted, fit.x, bounds, place, unit)
    return profile(profiler, name, level, wanted, step, executor)


def _place(fit: Fit, name: str) -> int:
    if name in fit.names:
        return int(fit.names.index(name))
    for tie in fit.source.ties:
        if tie.name == name:
            raise InputError(f"{name!r} is {tie.kind} ({tie.told}), and not free")
    raise unknown_name("parameter", name, fit.names)
