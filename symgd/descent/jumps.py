"""Lower values just beyond a jump of f, where an end stands beside one.

Curvature says nothing of them: a function such as ``sign`` is flat on either side.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator

from symgd.descent.felt import Lower
from symgd.native.machine import Kernel, address

NEAR = (1e-10, 1e-8, 1e-6)  # parts of a coordinate
STEEP = 10.0  # a change is a jump if it is so much larger than slopes explain
NOISE = 1e-12  # a part of f that may be rounding


def lower_beside(
    kernel: Kernel,
    parameters: array[float],
    point: tuple[array[float], float, array[float]],
    sides: tuple[array[float], array[float]],
    sizes: array[float],
) -> Lower:
    """Return the lowest point beyond a jump near a point, if it is lower.

    Parameters
    ----------
    kernel : Kernel
        Of value and gradient.
    parameters : array of float
    point : (x, f, gradient)
    sides : pair of array of float
        The bounds.
    sizes : array of float
        Of the coordinates, each above 0.
    """
    x, f, slopes = point
    found, count = Lower(math.inf, x, slopes, 0), 0
    for k, there in _beside(x, sides, sizes):
        gradient = array("d", bytes(8 * len(x)))
        value = kernel(*map(address, (there, parameters, gradient)))
        count += 1
        steepest = max(abs(slopes[k]), abs(gradient[k]))
        explained = STEEP * steepest * abs(there[k] - x[k])
        if value < min(found.fun, f - explained - NOISE * abs(f)):
            found = Lower(value, there, gradient, 0)
    return found._replace(evaluations=count)


def stands_before(
    kernel: Kernel,
    parameters: array[float],
    point: tuple[array[float], float, array[float]],
    sides: tuple[array[float], array[float]],
    sizes: array[float],
) -> bool:
    """Return whether f jumps up close beside a point, in the direction it falls in.

    Parameters are those of ``lower_beside``.
    """
    x, f, slopes = point
    for k, there in _beside(x, sides, sizes):
        gradient, far = array("d", bytes(8 * len(x))), there[k] - x[k]
        value = kernel(*map(address, (there, parameters, gradient)))
        steepest = max(abs(slopes[k]), abs(gradient[k]))
        above = f + STEEP * steepest * abs(far) + NOISE * abs(f)
        if slopes[k] * far < 0.0 and value > above:
            return True
    return False


def _beside(
    x: array[float], sides: tuple[array[float], array[float]], sizes: array[float]
) -> Iterator[tuple[int, array[float]]]:
    """Yield points along the axes inside of bounds, and which axis it is."""
    for k, each in enumerate(x):
        for part in NEAR:
            for step in (part * sizes[k], -part * sizes[k]):
                moved = min(max(each + step, sides[0][k]), sides[1][k])
                if moved != each:
                    there = x[:]
                    there[k] = moved
                    yield k, there
