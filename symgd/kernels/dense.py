"""Factors of a square matrix, what is computed with them, and the way back.

Gaussian elimination with row exchanges, P A = L U, where the matrix is. The way back is
reverse mode by its rules: with X = A^-1 B and its slopes S, those of B are W = A^-T S
and those of A are -W X^T; those of det A are det(A) A^-T, of log|det A| they are A^-T.

Numbers are combined in an order that the size alone fixes.

Sources: Golub and Van Loan 2013, "Matrix Computations", section 3.4; Higham 2002,
"Accuracy and Stability of Numerical Algorithms", theorem 9.3 (which pivots are nothing
but rounding); Giles 2008, "Collected matrix derivative results for forward and reverse
mode algorithmic differentiation", sections 2.2 and 2.3.
"""

from __future__ import annotations

from math import inf, log, nan
from typing import Any

from symgd.lowering.intrinsics import floats
from symgd.lowering.jitting import jit

EPS = 2.220446049250313e-16  # of float64
FACTOR, SOLVE, SOLVE_BACK, FACTOR_BACK = range(4)
REGULAR, ROUNDED, SINGULAR = 0.0, 1.0, 2.0  # what a matrix is, beside its determinant


@jit
def _factor(a: Any, pivots: Any, told: Any) -> None:
    """Write L and U over a matrix; say what its determinant is, and what it is."""
    n, determinant, size = a.shape[0], 1.0, 0.0
    sign, kind = 1.0, REGULAR
    for k in range(n):
        best = k
        for i in range(k + 1, n):
            if abs(a[i, k]) > abs(a[best, k]):
                best = i
        pivots[k] = best
        if best != k:
            sign = -sign
            for j in range(n):
                a[k, j], a[best, j] = a[best, j], a[k, j]
        pivot = a[k, k]
        if not 0.0 < abs(pivot) < inf:
            told[0] = 0.0 if pivot == 0.0 else nan
            told[1] = told[2] = nan
            told[3] = SINGULAR
            return
        sign = -sign if pivot < 0.0 else sign
        determinant *= abs(pivot)
        size += log(abs(pivot))
        terms = abs(pivot)
        for m in range(k):
            terms += abs(a[k, m] * a[m, k])
        if abs(pivot) <= n * EPS * terms:
            kind = ROUNDED
        for i in range(k + 1, n):
            factor = a[i, k] / pivot
            a[i, k] = factor
            for j in range(k + 1, n):
                a[i, j] -= factor * a[k, j]
    told[0] = sign * determinant if 0.0 < determinant < inf else nan
    told[2] = size if kind == REGULAR else nan
    told[1] = told[2] if sign > 0.0 else nan
    told[3] = kind


@jit
def _solve(a: Any, pivots: Any, x: Any) -> None:
    """Write A^-1 X over X."""
    n, columns = x.shape
    for k in range(n):
        other = int(pivots[k])
        if other != k:
            for j in range(columns):
                x[k, j], x[other, j] = x[other, j], x[k, j]
    for i in range(n):
        for k in range(i):
            factor = a[i, k]
            for j in range(columns):
                x[i, j] -= factor * x[k, j]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            factor = a[i, k]
            for j in range(columns):
                x[i, j] -= factor * x[k, j]
        for j in range(columns):
            x[i, j] /= a[i, i]


@jit
def _solve_transposed(a: Any, pivots: Any, x: Any) -> None:
    """Write A^-T X over X."""
    n, columns = x.shape
    for i in range(n):
        for j in range(columns):
            x[i, j] /= a[i, i]
        for k in range(i + 1, n):
            factor = a[i, k]
            for j in range(columns):
                x[k, j] -= factor * x[i, j]
    for i in range(n - 1, -1, -1):
        for k in range(i):
            factor = a[i, k]
            for j in range(columns):
                x[k, j] -= factor * x[i, j]
    for k in range(n - 1, -1, -1):
        other = int(pivots[k])
        if other != k:
            for j in range(columns):
                x[k, j], x[other, j] = x[other, j], x[k, j]


@jit
def _fill(x: Any, number: float) -> None:
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[i, j] = number


@jit
def _solve_back(a: Any, pivots: Any, x: Any, slopes: Any, of_matrix: Any) -> None:
    """Write the slopes of B over those of X, and add to those of A."""
    _solve_transposed(a, pivots, slopes)
    for i in range(a.shape[0]):
        for j in range(a.shape[0]):
            total = 0.0
            for k in range(x.shape[1]):
                total += slopes[i, k] * x[j, k]
            of_matrix[i, j] -= total


@jit
def _factor_back(
    a: Any, pivots: Any, told: Any, slopes: Any, room: Any, of_matrix: Any
) -> None:
    """Add the slopes of the determinant, and of its logarithms, to those of A."""
    weight = slopes[1] + slopes[2]
    if slopes[0] != 0.0:
        weight += slopes[0] * told[0]
    if told[3] == SINGULAR or not abs(weight) < inf:
        _fill(of_matrix, nan)
        return
    n = a.shape[0]
    for i in range(n):
        for j in range(n):
            room[i, j] = 1.0 if i == j else 0.0
    _solve_transposed(a, pivots, room)
    for i in range(n):
        for j in range(n):
            of_matrix[i, j] += weight * room[i, j]


def entry(
    what: int,
    n: int,
    columns: int,
    matrix: int,
    pivots: int,
    told: int,
    values: int,
    slopes: int,
    of_matrix: int,
) -> int:
    """Do one of FACTOR, SOLVE, SOLVE_BACK and FACTOR_BACK.

    Parameters
    ----------
    n, columns : int
        How many rows the matrix has, and how many columns the right side.
    matrix, pivots, told : addresses
        Of n x n numbers, of n, and of four: the determinant, its logarithm, that of its
        absolute value, and whether the matrix is regular.
    values : address
        Of the right side, which becomes the solution; of room for n x n on the way back
        from a determinant.
    slopes, of_matrix : addresses
        Of those of the solution, or of the three numbers of the determinant; and of
        those of the matrix, to which there is added.
    """
    a, exchanges, about = (
        floats(matrix, (n, n)),
        floats(pivots, (n,)),
        floats(told, (4,)),
    )
    if what == FACTOR:
        _factor(a, exchanges, about)
    elif what == FACTOR_BACK:
        of_determinant = floats(slopes, (3,))
        room, back = floats(values, (n, n)), floats(of_matrix, (n, n))
        used = of_determinant[0] != 0.0 or of_determinant[1] + of_determinant[2] != 0.0
        if used:
            _factor_back(a, exchanges, about, of_determinant, room, back)
    else:
        x = floats(values, (n, columns))
        if about[3] != REGULAR:
            _fill(x, nan)
        elif what == SOLVE:
            _solve(a, exchanges, x)
        else:
            others, back = floats(slopes, (n, columns)), floats(of_matrix, (n, n))
            _solve_back(a, exchanges, x, others, back)
    return 0
