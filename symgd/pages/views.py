"""Where a page looks: the minima that are known, and the window around them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symgd.descent.optimize import minimize
from symgd.descent.result import Result
from symgd.errors import SymgdError
from symgd.many.descents import minimize_many
from symgd.objectives.objective import Objective

STARTS = 64  # descents that look for other minima
MOST = 12  # minima that are marked
LEAST = 2.0  # of a window's width and more, if nobody gives a start
MARGIN = 0.06  # of a window's width, beyond a bound
# Where the start may be in the window, if nobody says: on no axis and no diagonal.
ASIDE = ((0.16, 0.78), (0.82, 0.7), (0.2, 0.24), (0.78, 0.18), (0.3, 0.55))


@dataclass(frozen=True)
class View:
    """What a page shows of an objective's space.

    Attributes
    ----------
    start : ndarray, shape (n,)
    window : ndarray, shape (n, 2)
    minima : list of (ndarray, float)
        Places and values, the lowest first.
    run : Result
        Of the default method, from the start.
    """

    start: np.ndarray
    window: np.ndarray
    minima: list[tuple[np.ndarray, float]]
    run: Result


def view_of(objective: Objective, x0: Any, bounds: Any) -> View:
    """Return the minima of an objective that a few descents find, and a window."""
    run = minimize(objective, x0, bounds=bounds, trace=True)
    limits = run.bounds if run.bounds is not None else _unbounded(len(run.x))
    known = [run.start, run.x] if run.success else [run.start]
    least = LEAST if x0 is None else 0.0
    window = _around(known, limits, least)
    minima = _minima(objective, run, _twice(window, limits), bounds)
    near = [x for x, _ in minima if _inside(x, _twice(window, limits))]
    window = _around([*known, *near], limits, least)
    if x0 is None:
        start = _aside(objective, window, limits, [x for x, _ in minima])
        run = minimize(objective, start, bounds=bounds, trace=True)
    return View(run.start, window, minima, run)


def _unbounded(n: int) -> np.ndarray:
    return np.array([[-math.inf, math.inf]] * n)


def _around(
    points: Sequence[np.ndarray], limits: np.ndarray, least: float = 0.0
) -> np.ndarray:
    """Return the bounds, and where there are none the surroundings of points."""
    low, high = np.min(points, axis=0), np.max(points, axis=0)
    spread = high - low
    # Axes of one scale, unless the points themselves are of several.
    common = float(spread.max()) or float(np.abs(points).max()) or 1.0
    common = max(common, least)
    half = 0.8 * np.where(spread > common / 20.0, np.maximum(spread, common), common)
    middle = (low + high) / 2.0
    window = np.stack([middle - half, middle + half], axis=1)
    inner = np.where(np.isfinite(limits), limits, window)
    # Beside a bound a strip of what is not allowed is seen, and minima on it are.
    beside = MARGIN * np.ptp(inner, axis=1)[:, None] * np.array([-1.0, 1.0])
    return np.where(np.isfinite(limits), inner + beside, inner)


def _twice(window: np.ndarray, limits: np.ndarray) -> np.ndarray:
    middle, half = window.mean(axis=1), np.ptp(window, axis=1)
    wide = np.stack([middle - half, middle + half], axis=1)
    return np.clip(wide, limits[:, :1], limits[:, 1:])


def _inside(x: np.ndarray, window: np.ndarray) -> bool:
    return bool(((window[:, 0] <= x) & (x <= window[:, 1])).all())


def _aside(
    objective: Objective,
    window: np.ndarray,
    limits: np.ndarray,
    minima: Sequence[np.ndarray],
) -> np.ndarray:
    """Return the place farthest from all minima, of those where f is defined."""
    width = np.ptp(window, axis=1)
    parts = (np.resize(part, len(window)) for part in ASIDE)
    places = [_clipped(window[:, 0] + part * width, limits) for part in parts]

    def far(place: np.ndarray) -> float:
        if not math.isfinite(objective.value(place)):
            return -1.0
        return min((np.abs((place - x) / width).max() for x in minima), default=0.0)

    return max(places, key=far)


def _clipped(place: np.ndarray, limits: np.ndarray) -> np.ndarray:
    return np.clip(place, limits[:, 0], limits[:, 1])


def _minima(
    objective: Objective, run: Result, window: np.ndarray, bounds: Any
) -> list[tuple[np.ndarray, float]]:
    """Return the lowest minima that descents from many places end in."""
    shape = STARTS, len(window)
    starts = np.random.default_rng(0).uniform(window[:, 0], window[:, 1], shape)
    found = [(run.x, run.fun)] if run.success else []
    try:
        many = minimize_many(objective, starts, bounds=bounds)
    except SymgdError:  # f isn't defined at some of the starts, say
        return found
    found = [(m.x, float(m.fun)) for m in many.minima()] or found
    return sorted(found, key=lambda minimum: minimum[1])[:MOST]
