"""Projection onto bounds, as straight-line functions that a loop elsewhere calls.

What kernels do with arrays of bounds (``kernels.trajectory``), step by step, for bounds
that are known when code is written: a side that is open costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

from symgd.arithmetic.primitives import choose

Pairs = Sequence[tuple[float, float]]


def projected(bounds: Pairs) -> Callable[..., Any]:
    """Return the function that brings a point inside the bounds: x -> tuple."""

    def inside(x: Any) -> Any:
        result: tuple[Any, ...] = ()
        for k, (low, high) in enumerate(bounds):
            result = (*result, _clipped(x[k], low, high))
        return result

    return inside


def projected_gradient(bounds: Pairs) -> Callable[..., Any]:
    """Return the function that leaves out slopes that a bound holds: (x, g) -> tuple.

    A bound holds a coordinate that is on it where f falls towards the outside.
    """

    def slopes(x: Any, g: Any) -> Any:
        result: tuple[Any, ...] = ()
        for k, (low, high) in enumerate(bounds):
            result = (*result, _free(x[k], g[k], low, high))
        return result

    return slopes


def _clipped(x: Any, low: float, high: float) -> Any:
    """Return a coordinate inside its bounds; NaN stays NaN."""
    x = choose(x < low, low, x) if low > -inf else x
    return choose(x > high, high, x) if high < inf else x


def _free(x: Any, g: Any, low: float, high: float) -> Any:
    """Return a slope, or 0 where a bound holds the coordinate against it."""
    g = choose(x <= low, choose(g > 0.0, 0.0, g), g) if low > -inf else g
    return choose(x >= high, choose(g < 0.0, 0.0, g), g) if high < inf else g
