"""Whether f, that has kinks, falls for ever from an end, by ever less.

Values and slopes are compared up to far away, along coordinates and along the way that
the run has come. What is exactly flat close by is a plateau, whose values are attained.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence

from symgd.native.machine import Kernel, address

OUTWARD = (0.1, 1.0, 1e2, 1e4, 1e6, 1e8, 1e10)  # times as far as the run has come
NEARBY = (0.1, 1.0)
ONWARD = (1.0, 1e1, 1e2, 1e4, 1e6, 1e8, 1e10)
LEAST = 4e-15  # of f: what is higher by less isn't higher
ROUNDED = 4e-16  # of what is rounded on the way: a coordinate, or a fall
SLIGHT = 1e-6  # of what f fell
VISIBLE = 1e-3  # of f: what is lower by that is lower, whatever its slope


def falls_for_ever(
    kernel: Kernel,
    parameters: array[float],
    point: tuple[array[float], float, array[float]],
    sides: tuple[Sequence[float], Sequence[float]],
    sizes: Sequence[float],
    ways: Iterable[Sequence[float]],
    fallen: float,
    *,
    perhaps: bool = False,
) -> bool:
    """Return whether f does so along a coordinate, or one of some ways.

    Parameters
    ----------
    kernel, parameters
        Of value and gradient.
    point : (x, f, gradient)
    sides : pair of sequences of float
        The bounds.
    sizes : sequence of float
        Of the coordinates, each above 0.
    ways : sequences of float
        Directions to look in, besides.
    fallen : float
        By how much f has fallen: less than its rounding isn't visible.
    perhaps : bool
        Whether what is flat counts, too: it may fall by less than shows.
    """
    slopes = point[2]
    return any(
        _is_tail(kernel, parameters, point, sides, way, fallen, perhaps)
        for way in [
            *_coordinates(slopes, sizes, perhaps),
            *map(_downwards(slopes), ways),
        ]
    )


def falls_outward(
    kernel: Kernel,
    parameters: array[float],
    point: tuple[array[float], float, array[float]],
    sides: tuple[Sequence[float], Sequence[float]],
    fallen: float,
) -> bool:
    """Return whether f does so along the ray through the point, of many variables."""
    x, _, slopes = point
    way = _downwards(slopes)(x)
    return _is_tail(kernel, parameters, point, sides, way, fallen, False)


def lower_on(
    kernel: Kernel,
    parameters: array[float],
    point: tuple[array[float], float],
    sides: tuple[Sequence[float], Sequence[float]],
    way: Sequence[float],
) -> tuple[array[float], float, array[float]] | None:
    """Return the farthest point on a way to which f falls, visibly, in each step."""
    (x, f), found = point, None
    for far in ONWARD:
        there = array("d", (a + far * b for a, b in zip(x, way, strict=True)))
        inside = zip(sides[0], there, sides[1], strict=True)
        if not all(low <= each <= high for low, each, high in inside):
            break
        slopes = array("d", bytes(8 * len(x)))
        value = kernel(*map(address, (there, parameters, slopes)))
        if not value < f - VISIBLE * abs(f) or not all(map(math.isfinite, slopes)):
            break
        f, found = value, (there, value, slopes)
    return found


def _downwards(
    slopes: Sequence[float],
) -> Callable[[Sequence[float]], Sequence[float]]:
    """Return what turns a way to where f falls."""
    return lambda way: way if _slope(slopes, way) <= 0.0 else [-each for each in way]


def _coordinates(
    slopes: Sequence[float], sizes: Sequence[float], flat: bool
) -> Iterator[list[float]]:
    for k, slope in enumerate(slopes):
        signs = (1.0, -1.0) if slope == 0.0 and flat else (math.copysign(1.0, -slope),)
        for sign in signs if math.isfinite(slope) and (flat or slope != 0.0) else ():
            way = [0.0] * len(slopes)
            way[k] = sign * sizes[k]
            yield way


def _slope(slopes: Sequence[float], way: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(slopes, way, strict=True) if b != 0.0)


def may_fall(
    kernel: Kernel,
    parameters: array[float],
    point: tuple[array[float], float, array[float]],
    sides: tuple[Sequence[float], Sequence[float]],
    way: Sequence[float],
    fallen: float,
) -> bool:
    """Return whether f doesn't rise on a way, near its end, as far as that shows.

    What is little beside the fall so far may be of terms that cancel each other.
    """
    x, f, _ = point
    for far in NEARBY:
        there = array("d", (a + far * b for a, b in zip(x, way, strict=True)))
        inside = zip(sides[0], there, sides[1], strict=True)
        if not all(low <= each <= high for low, each, high in inside):
            return False
        slopes = array("d", bytes(8 * len(x)))
        value = kernel(*map(address, (there, parameters, slopes)))
        rounded = ROUNDED * sum(abs(a * b) for a, b in zip(slopes, there, strict=True))
        if not value <= f + max(LEAST * abs(f) + rounded, SLIGHT * fallen):
            return False
    return True


def _is_tail(
    kernel: Kernel,
    parameters: array[float],
    point: tuple[array[float], float, array[float]],
    sides: tuple[Sequence[float], Sequence[float]],
    way: Sequence[float],
    fallen: float,
    perhaps: bool,
) -> bool:
    x, f, _ = point
    visible = max(VISIBLE * abs(f), ROUNDED * fallen)
    for far in OUTWARD:
        there = array("d", (a + far * b for a, b in zip(x, way, strict=True)))
        inside = zip(sides[0], there, sides[1], strict=True)
        if there == x or not all(low <= each <= high for low, each, high in inside):
            return False
        slopes = array("d", bytes(8 * len(x)))
        value = kernel(*map(address, (there, parameters, slopes)))
        rounded = sum(abs(a * b) for a, b in zip(slopes, there, strict=True))
        if not value <= f + LEAST * abs(f) + ROUNDED * rounded:
            return False
        if perhaps or value < f - visible:
            continue
        left = _slope(slopes, way)
        if left > 0.0 or (left == 0.0 and far == OUTWARD[0]):
            return False
    return True
