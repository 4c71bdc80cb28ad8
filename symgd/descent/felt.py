"""Lower points near the end of a run of many variables, found by gradients alone.

Changes of the gradient are products of the Hessian with a direction. They tell in which
direction f curves the least, and in which variables it is straight; along these, and
where f is not smooth along others, values are compared. Where f is straight but rises,
as a quartic does, a short descent begins beside the end: down a bent valley, or between
axes, no ray leads.

Elsewhere: the negative curvature test of truncated Newton methods, with a perturbed
start where it says nothing.

Sources: Royer, O'Neill and Wright 2020, "A Newton-CG algorithm with complexity
guarantees for smooth unconstrained optimization"; Jin et al. 2017, "How to escape
saddle points efficiently".
"""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, NamedTuple

from symgd.kernels.shared import shared
from symgd.native import records as layout
from symgd.native.machine import Kernel, address
from symgd.native.status import RUNNING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from symgd.descent.least_curvature import Least

NOISE = 4e-15  # a part of f that can't be measured
UNSEEN = 1e-16  # of what f fell: a lower value isn't lower by less than that
SLIGHT = 1e-9  # likewise, where f may still fall as it does at a minimum
DIFFERENCE = 1e-6  # of x, over which gradients are compared
DOWNWARDS = 1e-6  # of the largest curvature: below, it is not known to be negative
CERTAIN = 1e-4  # likewise: what curves downwards by more is no minimum
WEAK, NULL = 1e-2, 1e-5  # likewise: along it f may fall; it may do so by higher powers
ALIKE = 1e-3  # times the usual size, at least: as large as that
RISES, HARDLY = 1e-3, 1e-7  # likewise, of what f fell
SPREAD, ROUNDS = 1e3, 6  # of curvatures, before their units are made equal
ROUNDED = 1e-9  # of the largest curvature
SPENT = 1e-7  # likewise: less is the rounding of products
APART = 1e-9  # of the largest: what is smaller may be none
STEPS, ROUGH = 60, 6  # of Lanczos' method; of a function that isn't smooth
ALL = 300  # variables in all of whose directions curvatures are known
ROOM = 2**21  # numbers
DISTANCES = (1e-6, 1e-4, 1e-2, 0.1, 1.0)  # parts of x
FROM_ZERO = tuple(10.0**k for k in range(-16, 9, 2))  # where x has no size
MIXTURES = 10  # of variables in which f is straight: signs and sizes by chance
BESIDE = (0.1, 1e-3)  # likewise: where a descent begins
ITERATIONS = 30  # of such a descent
MOST = 10**6  # variables of it


class Lower(NamedTuple):
    """The lowest point that was found, if it is lower; and at what cost."""

    fun: float
    x: array[float]
    gradient: array[float]
    evaluations: int
    saddle: bool = False  # f curves downwards, whether or not a lower point was found
    promised: float = math.nan  # at most, by Newton's step; NaN if that isn't known


class _Felt:
    """What is around a point."""

    def __init__(
        self,
        kernel: Kernel,
        parameters: array[float] | np.ndarray,
        point: tuple[array[float], float, array[float]],
        sides: tuple[array[float], array[float]],
        start: Sequence[float] | np.ndarray,
        first: float,
        slope: float,
    ) -> None:
        import numpy as np

        self.kernel, self.parameters, self.sides = kernel, parameters, sides
        self.x, self.f, self.g = np.array(point[0]), point[1], np.array(point[2])
        self.lower, self.upper = np.array(sides[0]), np.array(sides[1])
        held = (self.x <= self.lower) & (self.g > 0.0)
        self.free = ~(held | ((self.x >= self.upper) & (self.g < 0.0)))
        came = np.array(start) if len(start) else self.x
        self.units = np.maximum(np.abs(self.x), np.abs(self.x - came))
        largest = float(self.units.max(initial=0.0))
        self.has_size = largest > 0.0
        self.units[self.units == 0.0] = largest or 1.0
        usual = float(np.median(self.units))
        self.units[(self.units >= ALIKE * usual) & (self.units < usual)] = usual
        self.scales, self.widest = self.units * self.free, float(self.units.max())
        self.fallen = max(0.0, first - self.f)
        self.seen = max(NOISE * abs(self.f), UNSEEN * self.fallen)
        self.slope, self.evaluations, self.saddle = slope, 0, False
        self.promised = math.nan
        self.lowest: tuple[np.ndarray, float, np.ndarray] | None = None

    def at(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Evaluate a point."""
        import numpy as np

        gradient = np.empty(len(x))
        f = self.kernel(*map(address, (x, self.parameters, gradient)))
        self.evaluations += 1
        return float(f), gradient

    def product(self, direction: np.ndarray) -> np.ndarray:
        """Return how the gradient changes along a direction, all in ``scales``."""
        import numpy as np

        way = self.scales * direction
        step = DIFFERENCE / float(np.max(np.abs(way) / self.units))
        change: np.ndarray = self.at(self.x + step * way)[1] - self.g
        return self.scales * change / step

    def first_product(self) -> tuple[np.ndarray, np.ndarray]:
        """Return a random direction and its product, in units that suit f.

        Elsewhere: matrix-free equilibration.
        """
        import numpy as np

        draw, before = np.random.default_rng(0), self.scales.copy()
        first, other = self.some(draw) * self.free, None
        for _ in range(ROUNDS):
            bent = self.product(first)
            if not self.differs(np.abs(bent)).any():
                break
            other = self.some(draw) * self.free if other is None else other
            # One product may vanish by chance.
            sizes = np.hypot(bent, self.product(other))
            if not (differs := self.differs(sizes)).any():
                break
            usual = np.exp(np.mean(np.log(sizes[differs])))
            equal = usual if self.has_size else sizes[differs].min()
            self.scales[differs] /= np.sqrt(sizes[differs] / equal)
            self.scales = np.minimum(self.scales, self.widest * self.free)
        moved = self.free & (self.scales > 0.0)
        if (self.scales != before).any() and moved.any():
            natural = float(np.median(self.units[moved] / self.scales[moved]))
            self.units = np.maximum(self.units, natural * self.scales)
        return first, bent

    def some(self, draw: np.random.Generator) -> np.ndarray:
        """Return a random direction, none of whose parts is small."""
        import numpy as np

        sizes, n = draw.uniform(0.5, 1.5, len(self.x)), len(self.x)
        return sizes * np.where(draw.integers(0, 2, n), 1.0, -1.0)

    def differs(self, sizes: np.ndarray) -> np.ndarray:
        """Return whose curvatures are to be made equal: none if they are alike."""
        can: np.ndarray = (sizes > APART * sizes.max()) & (sizes < math.inf)
        if self.has_size:  # what can't be larger
            can &= (self.scales < self.widest) | (sizes > sizes.max() / SPREAD)
        alike = not can.any() or sizes[can].max() <= SPREAD * sizes[can].min()
        return can & (not alike)

    def known(self, most: int) -> tuple[Least, np.ndarray] | None:
        """Return what is known of curvatures, and in which variables f is straight.

        None where nothing is.
        """
        import numpy as np

        from symgd.descent.least_curvature import least_curvature

        if not self.free.any():
            return None
        first, bent = self.first_product()
        if not np.isfinite(bent).all():
            # Beyond a bound f may be nothing.
            near = DIFFERENCE * self.units
            inside = (self.x - self.lower > near) & (self.upper - self.x > near)
            self.free &= inside
            self.scales = self.units * self.free
            if not self.free.any():
                return None
            first, bent = self.first_product()
            if not np.isfinite(bent).all():
                return None
        count = int(self.free.sum())
        most = min(count, max(most, ALL) if count <= ALL else min(most, ALL))
        found = least_curvature(
            *(self.kernel, self.parameters, (self.x, self.g)),
            *((self.scales, self.units), first, bent),
            min(count, max(ROUGH, min(most, ROOM // len(self.x)))),
        )
        self.evaluations += found.evaluations
        sizes = np.abs(bent)
        straight = self.free & (sizes <= SPENT * sizes.max())
        return found, straight

    def look(self, found: tuple[Least, np.ndarray], smooth: bool) -> None:
        """Compare values along the ways on which f may be lower."""
        import numpy as np

        (value, rest, direction, largest, _), straight = found
        parts = np.where(self.scales > 0.0, self.x / self.scales, 0.0)
        self.seen = max(self.seen, NOISE * largest * float(parts @ parts))
        if value > rest:
            steep = self.g * self.scales
            self.promised = 0.5 * float(steep @ steep) / (value - rest)
        slight = max(self.seen, SLIGHT * (abs(self.f) + self.fallen))
        draw = np.random.default_rng(1)
        least = direction * self.scales
        down = value < -DOWNWARDS * largest
        ways = [least] if down else []
        if not smooth:
            ways.append(draw.standard_normal(len(self.x)) * self.units * self.free)
            ways.append(self.free.astype(float))
        for way in ways:
            self.probe(way, self.seen)
        if self.lowest is not None:
            return
        if value + rest < -CERTAIN * largest:
            self.saddle = smooth and self.is_top(least)
        if self.saddle:
            return
        null = [least] if down else []
        farthest = float(np.max(np.abs(least) / self.units))
        rise = 0.5 * value / farthest**2
        bent = max(abs(value), ROUNDED * largest) / farthest**2
        if not down and (value <= WEAK * largest or rise <= RISES * self.fallen):
            self.probe(-self.g * self.scales**2, slight)
            flat = value + rest <= NULL * largest or rise <= HARDLY * self.fallen
            if self.probe(least, slight, bent) and flat:
                null.append(least)
        self.look_between(null, straight, draw, slight)

    def look_between(
        self,
        null: list[np.ndarray],
        straight: np.ndarray,
        draw: np.random.Generator,
        slight: float,
    ) -> None:
        """Look along mixtures of variables in which f is straight, and down from there.

        Parameters
        ----------
        null : list of arrays
            Another way in which it is, though f rises there, if there is any.
        """
        rises = bool(null)
        if not straight.any():
            if rises and self.lowest is None:
                self.descend(null[0], slight)
            return
        for _ in range(MIXTURES):
            way = self.some(draw) * self.units * straight
            rises = self.probe(way, slight) or rises
            if self.lowest is None and rises:
                self.descend(sum(null, way), slight)
            if self.lowest is not None or not rises:
                return

    def probe(self, way: np.ndarray, least: float, bent: float = 0.0) -> bool:
        """Compare values along a way, both ways.

        Returns
        -------
        bool
            Whether f rises by more than a curvature foretells.
        """
        import numpy as np

        rises = False
        if not (longest := float(np.max(np.abs(way) / self.units))) > 0.0:
            return False
        way = way / longest
        for sign in (1.0, -1.0):
            lowest = self.f
            for distance in DISTANCES if self.has_size else FROM_ZERO:
                there = self.x + sign * distance * way
                there = np.clip(there, self.lower, self.upper)
                f, gradient = self.at(there)
                rises = rises or not f <= self.f + self.seen + bent * distance**2
                if not f <= lowest + self.seen and self.has_size:
                    break
                lowest = min(lowest, f)
                self.keep(there, f, gradient, least)
        return rises

    def keep(
        self, there: np.ndarray, f: float, gradient: np.ndarray, least: float
    ) -> None:
        """Keep a point that is the lowest, if it is lower by enough."""
        import numpy as np

        far = float(np.abs(there - self.x).sum())
        enough = self.f - least - self.slope * far
        enough = enough if self.lowest is None else min(enough, self.lowest[1])
        if f < enough and np.isfinite(gradient).all():
            self.lowest = there, f, gradient

    def descend(self, way: np.ndarray, least: float) -> None:
        """Descend from beside the end, and keep where that leads."""
        import numpy as np

        n = len(self.x)
        if n > MOST:
            return
        way = way / np.max(np.abs(way) / self.units)
        memory, x, slopes = (np.zeros(k) for k in (layout.solver_space(n), n, n))
        places = layout.RunArrays(
            function=self.kernel.address,
            x=address(x),
            gradient=address(slopes),
            constants=address(self.parameters),
            lower=address(self.lower),
            upper=address(self.upper),
            memory=address(memory),
        )
        for part in (sign * part for part in BESIDE for sign in (1.0, -1.0)):
            x[:] = np.clip(self.x + part * way, self.lower, self.upper)
            record = layout.RunState(variables=n, t=-1, last=ITERATIONS, reach=1.0)
            record.gtol, record.ftol, record.pending = 0.0, 0.0, 1
            record.target, record.best = self.f - max(least, self.seen), math.inf
            status = shared("solver").call(address(record), address(places))
            self.evaluations += int(record.evaluations)
            if status != RUNNING and record.value < record.target:
                self.keep(x.copy(), record.value, slopes.copy(), least)
                return

    def is_top(self, way: np.ndarray) -> bool:
        """Return whether gradients on both sides confirm that f curves downwards."""
        import numpy as np

        way = way / np.max(np.abs(way) / self.units)
        bent = []
        for distance in DISTANCES[1:3]:
            ahead, behind = (
                self.at(self.x + sign * distance * way)[1] for sign in (1.0, -1.0)
            )
            bent.append(float((ahead - behind) @ way) / distance)
        return max(bent) < 0.0 and 2.0 * max(bent) < min(bent)


def lower_nearby(
    kernel: Kernel,
    parameters: array[float] | np.ndarray,
    point: tuple[array[float], float, array[float]],
    sides: tuple[array[float], array[float]],
    start: Sequence[float] | np.ndarray,
    first: float,
    slope: float,
    smooth: bool,
    spent: int,
) -> Lower:
    """Look around a point: its x, value and gradient.

    Parameters
    ----------
    kernel, parameters
        What evaluates value and gradient.
    point, sides : tuples of arrays
        The point; the lower and the upper bounds.
    start : sequence
        Where the run began; empty if that isn't known.
    first, slope : float
        The value at the start; by more than that for each unit of x, lower is lower.
    smooth : bool
        Whether f has all derivatives.
    spent : int
        Evaluations that the run has made: a few of them may be made here.
    """
    import numpy as np

    felt = _Felt(kernel, parameters, point, sides, start, first, slope)
    with np.errstate(all="ignore"):  # what isn't finite is no product, nor lower
        found = felt.known(ROUGH if not smooth else max(STEPS, spent // 10))
        if found is not None:
            felt.look(found, smooth)
    told = felt.evaluations, felt.saddle, felt.promised
    if felt.lowest is None:
        return Lower(math.inf, array("d"), array("d"), *told)
    there, f, slopes = felt.lowest
    x, gradient = (array("d", each.tobytes()) for each in (there, slopes))
    return Lower(f, x, gradient, *told)
