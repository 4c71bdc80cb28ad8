"""In which direction a function of many variables curves the least.

Lanczos' method, a native loop: see ``kernels.lanczos``.
"""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, NamedTuple

from symgd.kernels.shared import shared
from symgd.native.machine import Kernel, address

if TYPE_CHECKING:
    import numpy as np


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
    evaluations : int
    """

    value: float
    rest: float
    direction: np.ndarray
    largest: float
    evaluations: int


def least_curvature(
    kernel: Kernel,
    parameters: array[float] | np.ndarray,
    point: tuple[np.ndarray, np.ndarray],
    sizes: tuple[np.ndarray, np.ndarray],
    first: np.ndarray,
    product: np.ndarray,
    most: int,
) -> Least:
    """Return what so many products tell, or fewer where they tell enough.

    Parameters
    ----------
    kernel, parameters
        What evaluates value and gradient.
    point : tuple of arrays
        Where, and the gradient there.
    sizes : tuple of arrays
        Scales, in which directions are, and units, of which differences are parts.
    first, product : arrays of shape (n,)
        The first direction, at random, and its product, which is finite.
    most : int
    """
    import numpy as np

    n, length = len(first), math.sqrt(float(np.einsum("i,i->", first, first)))
    basis, work, steps = np.empty((most, n)), np.empty((3, n)), np.empty((5, most))
    basis[0], work[0], told = first / length, product / length, array("d", bytes(24))
    parts = (*point, parameters, *sizes, basis, work, steps, told)
    count = shared("lanczos").call(kernel.address, n, most, *map(address, parts))
    # No library is asked: its threads would wait for each other longer than they work.
    direction = np.einsum("i,ij->j", steps[2, :count], basis[:count])
    return Least(told[0], told[1], direction, told[2], count - 1)
