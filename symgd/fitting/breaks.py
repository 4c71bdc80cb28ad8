"""Where a curve jumps: a place without a gradient, which is searched among the rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

COARSE = 200  # places that are tried at first
Cost = Callable[[float], float]


def between(values: np.ndarray) -> np.ndarray:
    """Return the places between neighbours, all that make a difference.

    >>> between(np.array([3.0, 1.0, 2.0, 2.0])).tolist()
    [1.5, 2.5]
    """
    known = np.unique(values[np.isfinite(values)])
    return known[:-1] + np.diff(known) / 2.0


def best_of(places: np.ndarray, cost: Cost) -> float | None:
    """Return the best of ordered places: of some, then of all about the best of those.

    >>> best_of(np.arange(1000.0), lambda c: abs(c - 437.0))
    437.0
    """
    while len(places):
        step = -(-len(places) // COARSE)
        some = list(range(0, len(places), step))
        best = min(some, key=lambda k: cost(float(places[k])))
        if step == 1:
            return float(places[best])
        places = places[max(0, best - step + 1) : best + step]
    return None
