"""What neighbours among residuals have in common: steps, slow waves, and bumps.

Waves are cosines of 0, 1, 2, ... half turns over all rows, each from two of its last
values. A bump is what neighbours are off together, where noise is as large as the
median of the steps says, and one row is never off by much of it.

Source: C. A. R. Hoare 1961, "Algorithm 65: Find", Communications of the ACM 4.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

from symgd.lowering.intrinsics import floats, record_at
from symgd.lowering.jitting import jit
from symgd.native.residual_pattern import Neighbours

MEDIAN_OF_STEPS = 0.6745 * 2.0**0.5  # of the sizes of normal noise's
OUTLYING = 3.0  # times the noise, a row
LEAST, MOST = 3, 33  # rows of a bump

neighbours_at = record_at(Neighbours)


@jit
def _selected(numbers: Any, place: int) -> float:
    """Return the number that would have a place in order; none before it is larger."""
    low, high = 0, numbers.shape[0] - 1
    while low < high:
        pivot, i, j = numbers[place], low, high
        while i <= j:
            while numbers[i] < pivot:
                i += 1
            while pivot < numbers[j]:
                j -= 1
            if i <= j:
                numbers[i], numbers[j] = numbers[j], numbers[i]
                i, j = i + 1, j - 1
        low = i if j < place else low
        high = j if place < i else high
    return numbers[place]


@jit
def _median(numbers: Any) -> float:
    """Return the median of some numbers, which are put in another order."""
    count = numbers.shape[0]
    middle = (count - 1) // 2
    low, high = _selected(numbers, middle), inf
    for k in range(middle + 1, count):
        high = min(high, numbers[k])
    return low if count % 2 else (low + high) / 2.0


@jit
def _step(rest: Any, sizes: Any, found: Any) -> None:
    """Sum squares, of rows and of steps, and write the steps' sizes."""
    found.size = rest[0] * rest[0]
    for k in range(1, rest.shape[0]):
        step = rest[k] - rest[k - 1]
        found.size += rest[k] * rest[k]
        found.apart += step * step
        sizes[k - 1] = abs(step)


@jit
def _bump(rest: Any, noise: float, sums: Any) -> float:
    """Return the largest sum of neighbours, as noise would be of size 1."""
    count, largest, span = rest.shape[0], 0.0, LEAST
    sums[0] = 0.0
    for k in range(count):
        sums[k + 1] = sums[k] + min(max(rest[k] / noise, -OUTLYING), OUTLYING)
    while 2 * span < count and span <= MOST:
        peak = 0.0
        for k in range(count + 1 - span):
            peak = max(peak, abs(sums[k + span] - sums[k]))
        largest = max(largest, peak / sqrt(span))
        span = 2 * span - 1
    return largest


@jit
def _weigh(rest: Any, turns: Any, before: Any, now: Any, powers: Any) -> None:
    """Write the power of each cosine, with that of all that are slower."""
    count, waves = rest.shape[0], powers.shape[0]
    for k in range(waves):
        before[k] = now[k] = turns[0, k]
        powers[k] = 0.0
    for row in range(count):
        for k in range(waves):
            powers[k] += rest[row] * now[k]
            following = turns[1, k] * now[k] - before[k]
            before[k], now[k] = now[k], following
    whole = 0.0
    for k in range(waves):
        whole += powers[k] * powers[k] * (2.0 if k else 1.0) / count
        powers[k] = whole


def entry(
    count: int, waves: int, numbers: Any, angles: Any, written: Any, about: Any
) -> int:
    """Look at residuals.

    Parameters
    ----------
    count, waves : int
        Of residuals, two at least, and of cosines.
    numbers : address
        The residuals.
    angles : address
        A row of the first value of each cosine, and one of twice that of its step.
    written : address
        Becomes the powers of so many cosines, with those of all slower ones; working
        space for twice as many numbers follows, and for one more than residuals.
    about : address
        Of :class:`Neighbours`, all 0.

    Returns
    -------
    int
        Whether all residuals are finite; else nothing is found.
    """
    rest, found = floats(numbers, (count,)), neighbours_at(about)
    memory = floats(written, (3 * waves + count + 1,))
    room = memory[3 * waves :]
    sizes = room[: count - 1]
    _step(rest, sizes, found)
    if not found.size < inf:
        return 0
    turns = floats(angles, (2, waves))
    before, now = memory[waves : 2 * waves], memory[2 * waves : 3 * waves]
    _weigh(rest, turns, before, now, memory[:waves])
    noise = _median(sizes) / MEDIAN_OF_STEPS
    if 0.0 < noise < inf:
        found.bump = _bump(rest, noise, room)
    return 1
