"""Packs of boxes: their sides as columns of arrays, split, sampled and made wider."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from symgd.insight.tape import Tape

EPS = 2.0**-52
REACH = 1e3  # how far points are looked at where there is no bound
LITTLE = 5  # variables whose matrices cost nothing
LEAST = 8  # matrices at a time
CORNERS = 6  # variables whose box has few enough corners to look at
NEAR = 1e-9  # beside 1: boxes so close to each other are one
FARTHEST = 1e300
SMALL = 2.0**-40  # of a box around a point, beside the size of the point


class Box:
    """A box as (variables, 1) arrays."""

    def __init__(self, lower: Any, upper: Any) -> None:
        self.lower = np.array(lower, float).reshape(-1, 1)
        self.upper = np.array(upper, float).reshape(-1, 1)

    @property
    def n(self) -> int:
        """The number of variables."""
        return len(self.lower)

    def part(self, places: Sequence[int]) -> Box:
        """Return the box of some variables."""
        return Box(self.lower[places, 0], self.upper[places, 0])

    @property
    def finite(self) -> bool:
        """Whether all sides are bounded."""
        return bool(np.isfinite(self.lower).all() and np.isfinite(self.upper).all())

    def clipped(self, points: np.ndarray) -> np.ndarray:
        """Return the nearest points inside."""
        return np.ascontiguousarray(np.clip(points, self.lower, self.upper))

    def within_reach(self) -> tuple[np.ndarray, np.ndarray]:
        """Return bounded sides, to draw points from."""
        low = np.where(np.isfinite(self.lower), self.lower, 0.0)
        low = np.where(
            np.isfinite(self.lower), low, np.minimum(-REACH, self.upper - REACH)
        )
        low = np.maximum(low, -1e300)
        high = np.where(
            np.isfinite(self.upper), self.upper, np.maximum(REACH, low + REACH)
        )
        return low, np.minimum(high, 1e300)

    def points(self, count: int, seed: int = 0) -> np.ndarray:
        """Return the middle, points by chance, and corners where they are few."""
        rng = np.random.default_rng(seed)
        low, high = self.within_reach()
        part = rng.random((self.n, count))
        drawn = low * (1 - part) + high * part
        near = np.sign(drawn) * np.abs(drawn) ** rng.random(count)  # also of size 1
        found = [0.5 * low + 0.5 * high, drawn, near]
        if self.n <= CORNERS:
            sides = np.hstack([low, high]).tolist()
            found.append(np.array(list(itertools.product(*sides))).T)
        return self.clipped(np.hstack(found))


def fewer(count: int, n: int) -> int:
    """Return how many matrices of n rows take as long as so many small ones."""
    return count if n <= LITTLE else max(LEAST, count * LITTLE**2 // n**2)


def middles(lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Return a point in each box; also where a side has no end."""
    low, high = np.clip(lower, -1e300, 1e300), np.clip(upper, -1e300, 1e300)
    middle = np.where(
        np.isneginf(lower) | np.isposinf(upper), 0.0, 0.5 * low + 0.5 * high
    )
    return np.ascontiguousarray(np.clip(middle, low, high))


def centred(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the middles of intervals; 0 where they have none."""
    with np.errstate(invalid="ignore"):
        middle = 0.5 * low + 0.5 * high
    return np.where(np.isfinite(middle), middle, 0.0)


def halves(lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split each box where its widest side is cut: in the middle, or far out."""
    with np.errstate(invalid="ignore", over="ignore"):
        width = upper - lower
    k, q = np.argmax(width, axis=0), np.arange(lower.shape[1])
    a, b = lower[k, q], upper[k, q]
    cut = 0.5 * np.clip(a, -1e307, 1e307) + 0.5 * np.clip(b, -1e307, 1e307)
    no_low, no_high = np.isneginf(a), np.isposinf(b)
    with np.errstate(over="ignore"):
        cut = np.where(no_low & ~no_high, np.where(b > 0, 0.0, 4 * b - 1), cut)
        cut = np.where(no_high & ~no_low, np.where(a < 0, 0.0, 4 * a + 1), cut)
    cut = np.where(no_low & no_high, 0.0, cut)
    cut = np.clip(cut, a, b)
    first, second = upper.copy(), lower.copy()
    first[k, q], second[k, q] = cut, cut
    return np.hstack([lower, second]), np.hstack([first, upper])


def around(points: np.ndarray, box: Box) -> tuple[np.ndarray, np.ndarray]:
    """Return small boxes around points, inside of a box.

    What is proven on them is true of more than the point, which a condition such as
    ``x == 0`` may single out. Where the box itself is flat there is no inside.
    """
    radius = SMALL * np.abs(points) + 2.0**-60
    return box.clipped(points - radius), box.clipped(points + radius)


def indivisible(lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Return which boxes are too small to be split again, or too far out."""
    size = np.maximum(np.abs(lower), np.abs(upper))
    with np.errstate(invalid="ignore"):
        small = (upper - lower) <= 8 * EPS * size + 1e-300
    # Up to infinity from where numbers end, or from infinity on.
    nearest = np.where(np.isinf(size), np.minimum(np.abs(lower), np.abs(upper)), 0.0)
    endless = np.isneginf(lower) & np.isposinf(upper)
    far = (nearest > FARTHEST) & ~endless
    ended: np.ndarray = np.all(np.where(np.isinf(size), far, small), axis=0)
    return ended


def sign_proven(tape: Tape, box: Box, most: int = 4096) -> bool:
    """Return whether a tape's only output is at least 0 on a box, by subdivision.

    It must be defined and continuous there.
    """
    lower, upper, used = box.lower, box.upper, 0
    while lower.shape[1]:
        used += lower.shape[1]
        if used > most:
            return False
        low, high, known = tape(
            np.ascontiguousarray(lower), np.ascontiguousarray(upper)
        )
        if (high[0] < 0).any():
            return False
        left = ~((low[0] >= 0) & (known[0] >= 1))
        lower, upper = lower[:, left], upper[:, left]
        if indivisible(lower, upper).any():
            return False
        lower, upper = halves(lower, upper)
    return True


def range_on(tape: Tape, box: Box) -> tuple[float, float, int]:
    """Return the ends of a tape's only output on a box, and its decoration."""
    low, high, known = tape(box.lower, box.upper)
    return float(low[0, 0]), float(high[0, 0]), int(known[0, 0])


def touching_joined(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes that hold all of those that touch each other."""
    boxes = [(low[:, q], high[:, q]) for q in range(low.shape[1])]
    joined = True
    while joined:
        joined = False
        made: list[tuple[np.ndarray, np.ndarray]] = []
        for a, b in boxes:
            near = NEAR * (1 + np.maximum(np.abs(a), np.abs(b)))
            for k, (c, d) in enumerate(made):
                if ((a - near <= d) & (c <= b + near)).all():
                    made[k] = (np.minimum(a, c), np.maximum(b, d))
                    joined = True
                    break
            else:
                made.append((a, b))
        boxes = made
    if not boxes:
        return low, high
    return np.array([a for a, _ in boxes]).T.copy(), np.array(
        [b for _, b in boxes]
    ).T.copy()
