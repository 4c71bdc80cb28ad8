"""Whether a sum of squares rises beside a point about as its curvature says.

Each parameter is moved by its standard error, and the others follow as the model is
straight: these ways are the rows of the curvature's inverse, made as long.

Elsewhere: Bates and Watts 1988, "Nonlinear Regression Analysis and Its Applications",
section 6.1 (profile traces).
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

from symgd.kernels.eigenvalues import diagonalise
from symgd.lowering.intrinsics import call_at, floats, integers
from symgd.lowering.jitting import jit
from symgd.native.quadratic import BOWL, NO_BOWL, NO_WAYS, SUMS, UNKNOWN, root_of

SMALLEST = 1e-12  # an eigenvalue, as a share of the largest

_root = jit(root_of)


@jit
def _scaled(triangle: Any, order: Any, units: Any, a: Any) -> bool:
    """Write the curvature in its own units; return whether there are such."""
    for k in range(order.shape[0]):
        i = order[k]
        units[k] = sqrt(max(0.0, triangle[i * (i + 1) // 2 + i]))
        if not 0.0 < units[k] < inf:
            return False
    zero = 0.0
    for k in range(order.shape[0]):
        for m in range(k + 1):
            i, j = max(order[k], order[m]), min(order[k], order[m])
            a[k, m] = triangle[i * (i + 1) // 2 + j] / (units[k] * units[m])
            a[m, k] = a[k, m]
            zero += 0.0 * a[k, m]
    return zero == 0.0


@jit
def _find(
    triangle: Any, order: Any, linear: int, error: float, work: Any, ways: Any
) -> bool:
    """Write the ways; return whether all standard errors are known."""
    count = order.shape[0]
    a, v, units = work[:count], work[count : 2 * count], work[2 * count]
    if not _scaled(triangle, order, units, a):
        return False
    diagonalise(a, v, work[2 * count + 1], work[2 * count + 2])
    largest = 0.0
    for k in range(count):
        largest = max(largest, abs(a[k, k]))
    for place in range(linear, count):
        way, own = ways[place - linear], 0.0
        for k in range(count):
            total = 0.0
            for m in range(count):
                if abs(a[m, m]) > SMALLEST * largest:
                    total += v[place, m] * v[k, m] / a[m, m]
            way[order[k]] = total / units[k]
            own = total if k == place else own
        if not 0.0 < own < inf:
            return False
        for k in range(count):
            way[order[k]] *= error / sqrt(own)
    return True


def entry(
    function: int,
    blocks: int,
    n: int,
    count: int,
    linear: int,
    error: float,
    reach: float,
    low: float,
    high: float,
    places: Any,
    point: Any,
    model: Any,
    words: Any,
    rows: Any,
    sums: Any,
    found: Any,
) -> int:
    """Find the ways, and what the sum rises by along them.

    Parameters
    ----------
    function, blocks : address, int
        Of the sum over rows, see ``kernels.trust_region``; 0: only ways are wanted.
    n, count, linear : int
        Parameters; those that are free; those of them that are only to follow.
    error : float
        A residual's standard deviation.
    reach : float
        How far to go, in standard errors.
    low, high : float
        What a bowl rises by, at least and at most.
    places, point, model, words : addresses
        The free parameters, those that follow first; the parameters; the model there,
        as descents have it; what the sum takes.
    rows, sums : addresses
        Working space: 2*count + 3 rows of count numbers; those of a model and one more.
    found : address
        Becomes the ways, a row for each parameter that is moved; all are 0.

    Returns
    -------
    int
        BOWL, NO_BOWL, UNKNOWN as there is no function, or NO_WAYS.
    """
    order, x = integers(places, (count,)), floats(point, (n,))
    numbers, ways = floats(model, (_root(n),)), floats(found, (count - linear, n))
    work, totals = floats(rows, (2 * count + 3, count)), floats(sums, (_root(n) + 1,))
    trial = floats(words, (n,))
    if not _find(numbers[SUMS + n :], order, linear, error, work, ways):
        return NO_WAYS
    if not function:
        return UNKNOWN
    for way in range(count - linear):
        for side in range(2):
            far = reach if side == 0 else -reach
            for k in range(n):
                trial[k] = x[k] + far * ways[way, k]
            call_at(function, (0, 0, trial, 0, trial, 0, blocks, totals))
            if not low < totals[0] - numbers[0] < high:
                return NO_BOWL
    return BOWL
