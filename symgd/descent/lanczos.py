"""In which direction a function of many variables curves the least, by products.

Lanczos' method, from a random direction: after k products of the Hessian with a
direction, the least curvature among all combinations of k directions is known, with
how far it may be from an eigenvalue. No library is asked, as its threads would wait for
each other longer than they work.

Sources: Golub and Van Loan 2013, "Matrix Computations", sections 8.4 and 10.1;
Kuczynski and Wozniakowski 1992, "Estimating the largest eigenvalue by the power and
Lanczos algorithms with a random start".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

SPENT = 1e-7  # of the largest curvature: what is left is the rounding of products
SURE = 0.1  # of the least: nearer to an eigenvalue, it is known
FIRST, LATER = 12, 1.6  # products before it is looked at, and times as many
ROWS = 1000  # variables of directions that are kept orthogonal to all before
HALVINGS = 45
ENOUGH = 1e-4  # of an eigenvalue
BESIDE = 1e-12  # of the largest: an eigenvalue's vector is found from beside it
TINY = 1e-300


class Least(NamedTuple):
    """The least curvature that is known of a symmetric matrix.

    Attributes
    ----------
    value, rest : float
        That of the direction, and how far at most an eigenvalue is from it.
    direction : array of shape (n,)
        Of length 1.
    largest : float
        No known curvature is larger.
    """

    value: float
    rest: float
    direction: np.ndarray
    largest: float


def least_curvature(
    multiply: Callable[[np.ndarray], np.ndarray],
    first: np.ndarray,
    product: np.ndarray,
    most: int,
) -> Least:
    """Return what so many products tell, or fewer where they tell enough.

    Parameters
    ----------
    multiply : callable
        Returns the product of the matrix with a direction.
    first, product : arrays of shape (n,)
        The first direction, at random, and its product, which is finite.
    most : int
    """
    length = _length(first)
    basis, rest = np.empty((most, len(first))), product / length
    basis[0] = first / length
    diagonal: list[float] = []
    beside: list[float] = []
    look, largest = FIRST, 0.0
    while True:
        count = len(diagonal) + 1
        diagonal.append(float(np.einsum("i,i->", basis[count - 1], rest)))
        largest = max(largest, _length(rest))
        rest = _orthogonal(rest, basis[:count])
        beside.append(_length(rest))
        over = count == most or beside[-1] <= SPENT * largest
        if not over and count >= look:
            value, weights = least_of_tridiagonal(diagonal, beside)
            if beside[-1] * abs(weights[-1]) <= SURE * abs(value):
                break
            look = int(LATER * count) + 1
        if not over:
            basis[count] = rest / beside[-1]
            rest = multiply(basis[count])
        if over or not np.isfinite(rest).all():
            value, weights = least_of_tridiagonal(diagonal, beside)
            break
    direction = np.einsum("i,ij->j", weights, basis[: len(weights)])
    return Least(value, beside[-1] * abs(weights[-1]), direction, largest)


def _length(numbers: np.ndarray) -> float:
    return math.sqrt(float(np.einsum("i,i->", numbers, numbers)))


def _orthogonal(rest: np.ndarray, basis: np.ndarray) -> np.ndarray:
    near = basis if basis.shape[1] <= ROWS else basis[-2:]
    for _twice in range(2):  # as once leaves what has cancelled
        rest = rest - np.einsum("i,ij->j", np.einsum("ij,j->i", near, rest), near)
    return rest


def least_of_tridiagonal(
    diagonal: Sequence[float], beside: Sequence[float]
) -> tuple[float, list[float]]:
    """Return the least eigenvalue of a symmetric matrix, and its vector of length 1.

    By bisection, with the signs of pivots; then by two inverse iterations.
    """
    squares = [0.0, *(each * each for each in beside[: len(diagonal) - 1])]
    sides = [0.0, *map(abs, beside[: len(diagonal) - 1]), 0.0]
    reaches = [a + b for a, b in itertools.pairwise(sides)]
    low = min(d - reach for d, reach in zip(diagonal, reaches, strict=True))
    high = min(diagonal)
    size = max(abs(d) + reach for d, reach in zip(diagonal, reaches, strict=True))
    for _ in range(HALVINGS):
        if high - low <= ENOUGH * abs(low):
            break
        middle, pivot = 0.5 * (low + high), 1.0
        for d, square in zip(diagonal, squares, strict=True):
            pivot = d - middle - square / pivot
            if not pivot > 0.0:
                break
        if pivot > 0.0:
            low = middle
        else:
            high = middle
    beyond = low - BESIDE * size - TINY
    weights = [1.0] * len(diagonal)
    for _ in range(2):
        weights = _solved(diagonal, sides, beyond, weights)
        length = max(map(abs, weights))
        weights = [each / length for each in weights]
        length = sum(each * each for each in weights) ** 0.5
        weights = [each / length for each in weights]
    return high, weights


def _solved(
    diagonal: Sequence[float],
    sides: Sequence[float],
    shift: float,
    right: Sequence[float],
) -> list[float]:
    """Solve a positive definite tridiagonal system: less a shift, on the diagonal."""
    pivots: list[float] = []
    left: list[float] = []
    for d, side, each in zip(diagonal, sides, right, strict=False):
        factor = side / pivots[-1] if pivots else 0.0
        pivots.append(max(d - shift - factor * side, TINY))
        left.append(each - (factor * left[-1] if left else 0.0))
    found = [left[-1] / pivots[-1]]
    for k in range(len(pivots) - 2, -1, -1):
        found.append((left[k] - sides[k + 1] * found[-1]) / pivots[k])
    return found[::-1]
