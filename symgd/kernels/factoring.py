"""Symmetric systems without pivoting: K = L D L', and how many of D are negative.

A quasidefinite matrix has such factors in any order of its rows; a small diagonal makes
a saddle-point matrix one, and refinement against the matrix itself takes that back.

Sources: Vanderbei 1995, "Symmetric quasidefinite matrices", theorem 2.1; Friedlander
and Orban 2012, "A primal-dual regularized interior-point method for convex quadratic
programs" (the diagonal).
"""

from __future__ import annotations

from math import inf
from typing import Any

from symgd.lowering.jitting import jit

EPS = 2.220446049250313e-16  # of float64
LITTLE = 1e-10  # added to the diagonal, at most
ROUNDS = 10  # of refinement
LESS = 0.9  # of the residual, that a round must leave at most


@jit
def regularised(matrix: Any, positive: int, out: Any) -> None:
    """Copy the lower half of a matrix, with a little more on its diagonal.

    Parameters
    ----------
    positive : int
        How many rows, the first, get more; the others get less.
    """
    n = matrix.shape[0]
    for i in range(n):
        largest = 0.0
        for j in range(n):
            largest = max(largest, abs(matrix[i, j]))
            if j <= i:
                out[i, j] = matrix[i, j]
        out[i, i] += LITTLE * min(1.0, largest) if i < positive else -LITTLE


@jit
def factored(a: Any) -> int:
    """Replace the lower half of a matrix by L and D; return how many D are negative.

    -1 if there are no such factors: a pivot is 0, or not finite.
    """
    n, negative = a.shape[0], 0
    for k in range(n):
        d = a[k, k]
        if not (0.0 < abs(d) < inf):
            return -1
        if d < 0.0:
            negative += 1
        for j in range(k + 1, n):
            part = a[j, k] / d
            if part != 0.0:
                for i in range(j, n):
                    a[i, j] -= a[i, k] * part
        for i in range(k + 1, n):
            a[i, k] /= d
    return negative


@jit
def _substituted(a: Any, x: Any) -> None:
    n = a.shape[0]
    for i in range(n):
        for j in range(i):
            x[i] -= a[i, j] * x[j]
    for i in range(n):
        x[i] /= a[i, i]
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            x[i] -= a[j, i] * x[j]


@jit
def _residual(matrix: Any, x: Any, right: Any, out: Any) -> float:
    """Write what is left of a system; return its largest part."""
    n, largest = matrix.shape[0], 0.0
    for i in range(n):
        left = right[i]
        for j in range(n):
            left -= matrix[i, j] * x[j]
        out[i] = left
        largest = max(largest, abs(left)) if left == left else inf
    return largest


@jit
def solved(a: Any, matrix: Any, right: Any, x: Any, rest: Any, better: Any) -> float:
    """Solve a system by its factors; refine against the matrix itself.

    Parameters
    ----------
    a : array of shape (n, n)
        As :func:`factored` leaves it.
    matrix : array of shape (n, n)
    right, x : arrays of shape (n,)
        The right side, and where the solution goes.
    rest, better : arrays of shape (n,)
        Working space.

    Returns
    -------
    float
        The largest part of the residual.
    """
    n = a.shape[0]
    for i in range(n):
        x[i] = right[i]
    _substituted(a, x)
    left = _residual(matrix, x, right, rest)
    for _ in range(ROUNDS):
        _substituted(a, rest)
        for i in range(n):
            better[i] = x[i] + rest[i]
        now = _residual(matrix, better, right, rest)
        if not now < LESS * left:
            break
        left = now
        for i in range(n):
            x[i] = better[i]
    return left
