"""Eigenvalues and eigenvectors of a small symmetric matrix.

Householder's reflections make it tridiagonal, QL iterations with implicit shifts then
diagonal: a few times as fast as Jacobi's rotations from six rows on. What is lost is
rounding beside the largest eigenvalue.

Source: Golub and Van Loan 2013, "Matrix Computations", sections 8.3.1 and 8.3.3;
Bowdler et al. 1968, "The QR and QL algorithms for symmetric matrices".
"""

from __future__ import annotations

from math import sqrt
from typing import Any

from symgd.lowering.jitting import jit

ITERATIONS = 60  # for one eigenvalue; two are usual
LARGE = 1e140  # squares of what is larger may overflow
SMALL = 1e-16  # beside its neighbours on the diagonal


@jit
def _reflect(a: Any, v: Any, k: int, u: Any, w: Any) -> None:
    """Clear a column below the subdiagonal, by a reflection from both sides."""
    n, square = a.shape[0], 0.0
    for i in range(k + 2, n):
        square += a[i, k] * a[i, k]
    if square == 0.0:
        return
    first = a[k + 1, k]
    norm = sqrt(first * first + square)
    norm = -norm if first > 0.0 else norm
    u[k + 1] = first - norm
    for i in range(k + 2, n):
        u[i] = a[i, k]
    weight, along = -1.0 / (norm * u[k + 1]), 0.0
    for i in range(k + 1, n):
        total = 0.0
        for j in range(k + 1, n):
            total += a[i, j] * u[j]
        w[i] = weight * total
        along += w[i] * u[i]
    for i in range(k + 1, n):
        w[i] -= 0.5 * weight * along * u[i]
    for i in range(k + 1, n):
        for j in range(k + 1, n):
            a[i, j] -= u[i] * w[j] + w[i] * u[j]
    a[k + 1, k] = norm
    for i in range(n):
        w[i] = 0.0
    for j in range(k + 1, n):
        for i in range(n):
            w[i] += v[j, i] * u[j]
    for j in range(k + 1, n):
        for i in range(n):
            v[j, i] -= weight * u[j] * w[i]


@jit
def _chase(d: Any, e: Any, v: Any, first: int, last: int) -> None:
    """Make one QL step with a tridiagonal matrix, on the rows from first to last."""
    n = d.shape[0]
    ahead = (d[first + 1] - d[first]) / (2.0 * e[first])
    root = sqrt(ahead * ahead + 1.0)
    g = d[last] - d[first] + e[first] / (ahead + (root if ahead >= 0.0 else -root))
    s, c, p = 1.0, 1.0, 0.0
    for i in range(last - 1, first - 1, -1):
        f, b = s * e[i], c * e[i]
        r = sqrt(f * f + g * g)
        e[i + 1] = r
        if r == 0.0:
            d[i + 1] -= p
            e[last] = 0.0
            return
        s, c = f / r, g / r
        g = d[i + 1] - p
        r = (d[i] - g) * s + 2.0 * c * b
        p = s * r
        d[i + 1] = g + p
        g = c * r - b
        for k in range(n):
            v[i, k], v[i + 1, k] = (
                c * v[i, k] - s * v[i + 1, k],
                s * v[i, k] + c * v[i + 1, k],
            )
    d[first] -= p
    e[first] = g
    e[last] = 0.0


@jit
def diagonalise(a: Any, v: Any, d: Any, e: Any) -> None:
    """Set the diagonal to the eigenvalues, and the columns of v to the eigenvectors.

    Parameters
    ----------
    a : array of shape (n, n)
        Symmetric. Afterwards nothing but its diagonal means anything.
    v : array of shape (n, n)
    d, e : arrays of shape (n,)
        Working space.
    """
    n, largest = a.shape[0], 0.0
    for i in range(n):
        for j in range(n):
            v[i, j] = 1.0 if i == j else 0.0
            largest = max(largest, abs(a[i, j]))
    unit = largest if largest > LARGE else 1.0
    if unit > 1.0:
        for i in range(n):
            for j in range(n):
                a[i, j] /= unit
    for k in range(n - 2):
        _reflect(a, v, k, d, e)
    for i in range(n):
        d[i], e[i] = a[i, i], a[i + 1, i] if i + 1 < n else 0.0
    for first in range(n):
        for _iteration in range(ITERATIONS):
            last = first
            while last < n - 1 and abs(e[last]) > SMALL * (
                abs(d[last]) + abs(d[last + 1])
            ):
                last += 1
            if last == first:
                break
            _chase(d, e, v, first, last)
    for i in range(n):
        a[i, i] = d[i] * unit
        for j in range(i):
            v[i, j], v[j, i] = v[j, i], v[i, j]
