"""What is asked of a point within constraints: its scale, nearest sides, directions."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

LEAST_SIZE = 1e-3  # of the largest: what a small coordinate is taken for

# f, its gradient, the constraints, and their derivatives.
FirstOrder: TypeAlias = tuple[float, np.ndarray, np.ndarray, np.ndarray]


def sizes_of(x: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, float]:
    """Return how large coordinates are, or how far they have come; the largest.

    >>> sizes_of(np.array([1.0, 0.0]), np.array([0.0, 2.0]))
    (array([1., 2.]), 2.0)
    """
    sizes = np.maximum(np.abs(x), np.abs(x - start))
    return sizes, float(sizes.max()) or 1.0


def nearest_sides(
    c: np.ndarray, sides: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the side that each constraint is nearer to, and how far that is.

    >>> nearest_sides(np.array([1.0]), (np.array([0.0]), np.array([np.inf])))
    (array([0.]), array([1.]))
    """
    below, above = np.abs(c - sides[0]), np.abs(sides[1] - c)
    return np.where(below <= above, *sides), np.minimum(below, above)


def null_space(across: np.ndarray, least: float = 1e-10) -> np.ndarray:
    """Return directions, as rows, along which linear parts don't change.

    Parameters
    ----------
    least : float
        Of the largest singular value: a smaller one is none.

    Examples
    --------
    >>> abs(null_space(np.array([[0.0, 3.0]])))
    array([[1., 0.]])
    """
    if not len(across):
        return np.eye(across.shape[1])
    if not np.isfinite(across).all():  # where a derivative isn't, no way is known
        return np.zeros((0, across.shape[1]))
    _, strengths, ways = np.linalg.svd(across)
    rank = int((strengths > least * max(strengths.max(initial=0.0), 1e-300)).sum())
    return np.asarray(ways[rank:])
