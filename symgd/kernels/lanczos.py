"""In which direction a function of many variables curves the least, by gradients.

Lanczos' method, from a random direction: after k products of the Hessian with a
direction, the least curvature among all combinations of k directions is known, with
how far it may be from an eigenvalue. Products are changes of the gradient.

Sources: Golub and Van Loan 2013, "Matrix Computations", sections 8.4 and 10.1;
Kuczynski and Wozniakowski 1992, "Estimating the largest eigenvalue by the power and
Lanczos algorithms with a random start".
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

from symgd.kernels.common import is_finite
from symgd.lowering.intrinsics import evaluate, floats
from symgd.lowering.jitting import jit

DIFFERENCE = 1e-6  # of x, over which gradients are compared
SPENT = 1e-7  # of the largest curvature: what is left is the rounding of products
SURE = 0.1  # of the least: nearer to an eigenvalue, it is known
FIRST, LATER = 12, 1.6  # products before it is looked at, and times as many
ROWS = 1000  # variables of directions that are kept orthogonal to all before
HALVINGS = 45
ENOUGH = 1e-4  # of an eigenvalue
BESIDE = 1e-12  # of the largest: an eigenvalue's vector is found from beside it
TINY = 1e-300


@jit
def _along(a: Any, b: Any) -> float:
    total = 0.0
    for k in range(a.shape[0]):
        total += a[k] * b[k]
    return total


@jit
def _multiply(
    function: Any,
    x: Any,
    g: Any,
    p: Any,
    scales: Any,
    units: Any,
    along: Any,
    there: Any,
    change: Any,
    product: Any,
) -> None:
    """Set a product of the Hessian, all in scales."""
    farthest = 0.0
    for k in range(x.shape[0]):
        farthest = max(farthest, abs(scales[k] * along[k]) / units[k])
    step = DIFFERENCE / farthest
    for k in range(x.shape[0]):
        there[k] = x[k] + step * (scales[k] * along[k])
    evaluate(function, there, p, change)
    for k in range(x.shape[0]):
        product[k] = scales[k] * (change[k] - g[k]) / step


@jit
def _remove(basis: Any, first: int, end: int, rest: Any) -> None:
    """Make a vector orthogonal to some of a basis: four at a time are faster."""
    n = rest.shape[0]
    for j in range(first, end - 3, 4):
        a, b, c, d = 0.0, 0.0, 0.0, 0.0
        for k in range(n):
            a += basis[j, k] * rest[k]
            b += basis[j + 1, k] * rest[k]
            c += basis[j + 2, k] * rest[k]
            d += basis[j + 3, k] * rest[k]
        for k in range(n):
            rest[k] -= (a * basis[j, k] + b * basis[j + 1, k]) + (
                c * basis[j + 2, k] + d * basis[j + 3, k]
            )
    for j in range(end - (end - first) % 4, end):
        along = _along(basis[j], rest)
        for k in range(n):
            rest[k] -= along * basis[j, k]


@jit
def _has_none_below(shift: float, diagonal: Any, beside: Any, count: int) -> bool:
    """Return whether a tridiagonal matrix less a shift is positive definite."""
    pivot, side = 1.0, 0.0
    for k in range(count):
        pivot = diagonal[k] - shift - side * side / pivot
        side = beside[k]
        if not pivot > 0.0:
            return False
    return True


@jit
def _least(numbers: Any, count: int) -> float:
    """Return the least eigenvalue of a tridiagonal matrix, and set its vector.

    By bisection, with the signs of pivots; then by two inverse iterations. Nothing is
    beside the last of the diagonal.
    """
    diagonal, beside, weights = numbers[0], numbers[1], numbers[2]
    low, high, size, before = inf, inf, 0.0, 0.0
    for k in range(count):
        reach = before + beside[k]
        before = beside[k]
        low, high = min(low, diagonal[k] - reach), min(high, diagonal[k])
        size = max(size, abs(diagonal[k]) + reach)
    for _ in range(HALVINGS):
        if high - low <= ENOUGH * abs(low):
            break
        middle = 0.5 * (low + high)
        if _has_none_below(middle, diagonal, beside, count):
            low = middle
        else:
            high = middle
    for k in range(count):
        weights[k] = 1.0
    for _ in range(2):
        _solve(low - BESIDE * size - TINY, numbers, count)
        largest, total = 0.0, 0.0
        for k in range(count):
            largest = max(largest, abs(weights[k]))
        for k in range(count):
            weights[k] /= largest
            total += weights[k] * weights[k]
        for k in range(count):
            weights[k] /= sqrt(total)
    return high


@jit
def _solve(shift: float, numbers: Any, count: int) -> None:
    """Solve a positive definite tridiagonal system: less a shift, on the diagonal."""
    diagonal, beside, right = numbers[0], numbers[1], numbers[2]
    pivots, left = numbers[3], numbers[4]
    pivot, total, side = 1.0, 0.0, 0.0
    for k in range(count):
        factor = side / pivot
        pivot = pivots[k] = max(diagonal[k] - shift - factor * side, TINY)
        total = left[k] = right[k] - factor * total
        side = beside[k]
    found = 0.0
    for k in range(count - 1, -1, -1):
        found = right[k] = (left[k] - beside[k] * found) / pivots[k]


def entry(
    function: int,
    n: int,
    most: int,
    point: Any,
    slope: Any,
    constants: Any,
    in_scales: Any,
    in_units: Any,
    directions: Any,
    vectors: Any,
    steps: Any,
    told: Any,
) -> int:
    """Find what so many products tell, or fewer where they tell enough.

    Parameters
    ----------
    function : address
        Of value and gradient.
    n, most : int
        Variables; products, with the first.
    point, slope, constants, in_scales, in_units : addresses
        The point and the gradient there; the scales in which directions are, and the
        units of which the longest part of a difference is DIFFERENCE.
    directions : address
        For each product, n numbers. The first are a random direction, of length 1.
    vectors : address
        Three rows of n numbers. The first is the first direction's product, finite.
    steps : address
        Five rows of as many numbers as products. The third becomes the weights of
        directions in the one along which the curvature is the least.
    told : address
        Becomes the least curvature, how far at most an eigenvalue is from it, and what
        no known curvature is larger than.

    Returns
    -------
    int
        How many products are known: a gradient for each but the first.
    """
    x, g, p = floats(point, (n,)), floats(slope, (n,)), floats(constants, (1,))
    scales, units = floats(in_scales, (n,)), floats(in_units, (n,))
    basis, work = floats(directions, (most, n)), floats(vectors, (3, n))
    numbers, results = floats(steps, (5, most)), floats(told, (3,))
    rest, there, change = work[0], work[1], work[2]
    diagonal, beside, weights = numbers[0], numbers[1], numbers[2]
    largest, left, look, count = 0.0, 0.0, FIRST, 0
    while True:
        over = not is_finite(0.0, rest)
        if not over:
            count += 1
            diagonal[count - 1] = _along(basis[count - 1], rest)
            largest = max(largest, sqrt(_along(rest, rest)))
            near = max(0, count - 2)
            for turn in range(2):  # as once leaves what has cancelled: most is near
                every = turn == 1 and n <= ROWS
                _remove(basis, 0 if every else near, count, rest)
            left = sqrt(_along(rest, rest))
            over = count == most or left <= SPENT * largest
        beside[count - 1] = 0.0
        if over or count >= look:
            results[0] = _least(numbers, count)
            results[1], results[2] = left * abs(weights[count - 1]), largest
            if over or results[1] <= SURE * abs(results[0]):
                return count
            look = int(LATER * count) + 1
        beside[count - 1] = left
        for k in range(n):
            basis[count, k] = rest[k] / left
        _multiply(
            *(function, x, g, p, scales, units),
            *(basis[count], there, change, rest),
        )
