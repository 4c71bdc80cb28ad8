"""Lower points near the end of a run of many variables, found by gradients alone.

A few steps of Lanczos' method find the direction in which f curves downwards the most;
along it, and along two others, values are compared. That takes some twenty gradients,
however many variables there are.

Elsewhere: the negative curvature test of truncated Newton methods.

Source: Golub and Van Loan 2013, "Matrix Computations", section 10.1.
"""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, NamedTuple

from symgd.native.machine import Kernel, address

if TYPE_CHECKING:
    import numpy as np

NOISE = 4e-15  # a part of f that can't be measured
UNSEEN = 1e-16  # of what f fell: a lower value isn't lower by less than that
DIFFERENCE = 1e-6  # of x, over which gradients are compared
DOWNWARDS = 1e-6  # of the largest curvature: below, it is not known to be negative
STEPS, FEW, HUGE = 6, 2, 10**6  # of Lanczos' method, and for so many variables
DISTANCES = (1e-4, 1e-2, 1.0)  # parts of x
FROM_ZERO = (1e-8, 1e-6, *DISTANCES)  # where x is 0


class Lower(NamedTuple):
    """The lowest point that was found, if it is lower; and at what cost."""

    fun: float
    x: array[float]
    gradient: array[float]
    evaluations: int


class _Felt:
    """What is around a point."""

    def __init__(
        self,
        kernel: Kernel,
        parameters: array[float] | np.ndarray,
        point: tuple[array[float], float, array[float]],
        sides: tuple[array[float], array[float]],
    ) -> None:
        import numpy as np

        self.kernel, self.parameters = kernel, parameters
        self.x, self.f, self.g = np.array(point[0]), point[1], np.array(point[2])
        self.lower, self.upper = np.array(sides[0]), np.array(sides[1])
        held = (self.x <= self.lower) & (self.g > 0.0)
        self.free = ~(held | ((self.x >= self.upper) & (self.g < 0.0)))
        self.size = float(np.abs(self.x).max()) or 1.0
        self.evaluations, self.curvature = 0, 0.0

    def at(self, x: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
        """Evaluate a point, brought inside the bounds."""
        import numpy as np

        point = np.clip(x, self.lower, self.upper)
        gradient = np.zeros(len(point))
        f = self.kernel(*map(address, (point, self.parameters, gradient)))
        self.evaluations += 1
        return point, float(f), gradient

    def directions(self) -> list[np.ndarray]:
        """Return along what to look; the last curves downwards, if any does."""
        import numpy as np

        n = len(self.x)
        first = np.random.default_rng(0).standard_normal(n) * self.free
        if not self.free.any():
            return []
        basis, image = [first / np.linalg.norm(first)], []
        for _ in range(min(STEPS if n <= HUGE else FEW, int(self.free.sum()))):
            step = DIFFERENCE * self.size / np.abs(basis[-1]).max()
            change = (self.at(self.x + step * basis[-1])[2] - self.g) * self.free
            if not np.isfinite(change).all():
                break
            image.append(change / step)
            rest = image[-1].copy()
            for _twice in range(2):
                for each in basis:
                    rest -= (each @ rest) * each
            length = np.linalg.norm(rest)
            if length <= 1e-8 * np.linalg.norm(image[-1]):
                break
            basis.append(rest / length)
        found = [first, self.free.astype(float)]
        if image:
            known = np.array(basis[: len(image)])
            matrix = known @ np.array(image).T
            values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
            self.curvature = float(np.abs(values).max())
            if values[0] < -DOWNWARDS * self.curvature:
                found.append(vectors[:, 0] @ known)
        return found


def lower_nearby(
    kernel: Kernel,
    parameters: array[float] | np.ndarray,
    point: tuple[array[float], float, array[float]],
    sides: tuple[array[float], array[float]],
    first: float,
    slope: float,
) -> Lower:
    """Look around a point: its x, value and gradient.

    Parameters
    ----------
    kernel, parameters
        What evaluates value and gradient.
    point, sides : tuples of arrays
        The point; the lower and the upper bounds.
    first, slope : float
        The value at the start; by more than that for each unit of x, lower is lower.
    """
    import numpy as np

    felt = _Felt(kernel, parameters, point, sides)
    best: tuple[np.ndarray, float, np.ndarray] | None = None
    directions = felt.directions()
    cancelled = NOISE * felt.curvature * float(felt.x @ felt.x)
    seen = max(NOISE * abs(felt.f), UNSEEN * abs(first - felt.f), cancelled)
    for direction in directions:
        for sign in (1.0, -1.0):
            along, lowest = sign * direction / np.abs(direction).max(), felt.f
            for distance in DISTANCES if felt.x.any() else FROM_ZERO:
                trial = felt.at(felt.x + distance * felt.size * along)
                if not trial[1] <= lowest + seen:
                    break
                lowest = min(lowest, trial[1])
                enough = felt.f - seen - slope * float(np.abs(trial[0] - felt.x).sum())
                better = trial[1] < (enough if best is None else best[1])
                if better and np.isfinite(trial[2]).all():
                    best = trial
    if best is None:
        return Lower(math.inf, array("d"), array("d"), felt.evaluations)
    x, gradient = (array("d", each.tobytes()) for each in (best[0], best[2]))
    return Lower(best[1], x, gradient, felt.evaluations)
