"""Lower points beside an end within constraints, where curvature doesn't tell.

Each direction is followed outwards as long as f doesn't rise: a lower point behind a
hump says nothing against a minimum. Points are brought back to the constraints.

Elsewhere: higher-order necessary conditions, and feasible direct search.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from symgd.descent.certificate import NEAR
from symgd.descent.constrained.surroundings import (
    LEAST_SIZE,
    FirstOrder,
    nearest_sides,
    null_space,
    sizes_of,
)

DISTANCES = (1e-3, 1e-2, 1e-1, 1.0)  # sizes of x
CORRECTIONS = 6  # back to the constraints that hold it
STAGES, ACROSS = 40, 3  # steps along a valley, and to its bottom after each of them
SHORTER, SHORTEST = 0.2, 1e-5  # sizes of x: a step along it
HALF = 0.5  # of a step, which is to lead on; of what was missed, two corrections ago
SLOW, TINY = 2, 1e-300
LEAST = 1e-12  # of f, and of what it changed by: what isn't lower
ROUNDED = 4e-15  # of what a constraint is made of: a violation that is none
STEEP = 1e-4  # of the largest curvature: across a valley
SLANTED = 8  # directions between coordinates, and one for each of these


@dataclass
class Nearby:
    """What is known around an end.

    Parameters
    ----------
    evaluated : callable
        Of a point: f, and the constraints.
    around : callable
        Likewise: f, its gradient, the constraints, and their derivatives.
    prices : array
        The multipliers of constraints, as in ``f + sum(price*c)``.
    curvature : callable
        Of a point: the Hessian of the Lagrangian; what isn't known of it is 0.
    end, start : arrays
    bounds, sides : pairs of arrays
        Of variables, of constraints.
    steep : float
        What the conditions of a minimum are missed by: a slope that explains a fall.
    hidden : float
        What the barrier is worth at the end: by so much it may be higher.
    is_large : bool
        Whether only few directions are to be looked in.

    Attributes
    ----------
    is_sloped : bool
        Whether the slope that was left at the end explains all falls, as in a tail.
    """

    evaluated: Callable[[np.ndarray], tuple[float, np.ndarray]]
    around: Callable[[np.ndarray], FirstOrder]
    prices: np.ndarray
    curvature: Callable[[np.ndarray], np.ndarray]
    end: np.ndarray
    start: np.ndarray
    bounds: tuple[np.ndarray, np.ndarray]
    sides: tuple[np.ndarray, np.ndarray]
    steep: float
    hidden: float
    is_large: bool
    is_sloped: bool = False
    inverses: dict[bytes, np.ndarray] = field(default_factory=dict)

    def lower(self) -> array[float] | None:
        """Return the lowest point that is found to satisfy the constraints, or None."""
        with np.errstate(all="ignore"):
            return self._lower()

    def _lower(self) -> array[float] | None:
        self.f, slope, c, self.rows = self.around(self.end)
        slope = np.where(np.isinf(slope), 0.0, slope)  # across a bound that holds it
        if not all(np.isfinite(each).all() for each in (self.f, slope, c, self.rows)):
            return None
        self.worth = np.abs(self.rows)
        aside = np.clip(self.end + next(self._scales()) / 3.0, *self.bounds)
        self.bends = not np.array_equal(self.around(aside)[3], self.rows)
        near = NEAR * np.maximum(1.0, np.abs(c))
        self.goals, missed = nearest_sides(c, self.sides)
        held, equal = missed <= near, self.sides[0] == self.sides[1]
        least = LEAST * (abs(self.f) + abs(self.f - self.evaluated(self.start)[0]))
        least += self.hidden
        sets = (held, equal) if (held != equal).any() else (held,)
        sets = sets[:1] if self.is_large else sets
        lowest: dict[bool, tuple[float, np.ndarray]] = {}
        for there, lower in self._points(slope, sets, least):
            explained = 2.0 * self.steep * np.abs(there - self.end).sum()
            sloped = lower >= self.f - least - explained
            known = lowest[sloped][0] if sloped in lowest else np.inf
            if lower < min(known, self.f - least):
                lowest[sloped] = lower, there
        if not lowest:
            return None
        self.is_sloped = False not in lowest
        return array("d", lowest[self.is_sloped][1].tolist())

    def _points(
        self, slope: np.ndarray, sets: Sequence[np.ndarray], least: float
    ) -> Iterator[tuple[np.ndarray, float]]:
        """Yield points from the end on to which f doesn't rise."""
        f = self.f
        for sizes in self._scales():
            self.sizes = sizes
            # The barrier leaves the end a little inside: that is worth no fall.
            exact = self._brought_back(self.end, sets[0])
            self.f = f if exact is None else float(np.fmin(f, exact[1]))
            for kept in sets:
                for way in self._ways(slope, kept, kept is sets[-1]):
                    yield from self._onwards(way, kept, least)
        if not self.is_large:
            self.sizes = next(self._scales())
            yield from self._along_valleys(sets[0], least)

    def _scales(self) -> Iterator[np.ndarray]:
        """Yield how large coordinates may be: small ones as others."""
        sizes, largest = sizes_of(self.end, self.start)
        yield np.maximum(sizes, LEAST_SIZE * largest)
        if not self.is_large and (sizes < LEAST_SIZE * largest).any():
            yield np.where(sizes < LEAST_SIZE * largest, largest, sizes)

    def _onwards(
        self, way: np.ndarray, kept: np.ndarray, least: float
    ) -> Iterator[tuple[np.ndarray, float]]:
        """Yield points on a direction, as far as f doesn't rise."""
        unit = max(1.0, 1.0 / self.sizes.max())
        for far in (*DISTANCES, *(d * unit for d in DISTANCES if unit > 1.0)):
            found = self._brought_back(self.end + far * self.sizes * way, kept)
            if found is None:
                continue
            if not found[1] <= self.f + least:
                return
            yield found

    def _ways(
        self, slope: np.ndarray, kept: np.ndarray, across: bool
    ) -> Iterator[np.ndarray]:
        """Yield directions along constraints, in sizes of x, each of length one.

        Across some that are kept others lead, which may bend.
        """
        n, rng = len(self.end), np.random.default_rng(0)
        low, high = self.bounds
        if self.is_large:
            gap = NEAR * self.sizes
            open_ = (self.end - low > gap) & (high - self.end > gap)
            whole = np.zeros(n)
            for way in null_space((self.rows[kept] * self.sizes)[:, open_]):
                whole[open_] = way / np.abs(way).max()
                yield whole
                yield -whole
            return
        free = np.diag(1.0 * (high > low))
        along = null_space(self.rows[kept] * self.sizes * (high > low)) @ free
        if len(along):
            scaled = self.curvature(self.end) * self.sizes * self.sizes[:, None]
            along = np.linalg.eigh(along @ scaled @ along.T)[1].T @ along
        slanted = rng.uniform(-1.0, 1.0, (n + SLANTED, len(along))) @ along
        every = [
            *along,
            *(free @ along.T @ along),
            *slanted,
            along.T @ (along @ (slope * self.sizes)),
        ]
        if across and len(along) < n:
            every += [*free, *(rng.uniform(-1.0, 1.0, (n + SLANTED, n)) @ free)]
        for way in every:
            if (largest := np.abs(way).max(initial=0.0)) > NEAR:
                yield way / largest
                yield -way / largest

    def _along_valleys(
        self, kept: np.ndarray, least: float
    ) -> Iterator[tuple[np.ndarray, float]]:
        """Yield points in valleys, as far as f doesn't rise along them.

        A step along the valley is followed by Newton's steps across it.
        """
        across, along = self._axes(self.end, kept)
        if not len(across[0]):
            return  # nothing bends: it is straight
        for first in (*along, *-along):
            x, way, far = self.end, first / np.abs(first).max(), DISTANCES[0]
            for _ in range(STAGES):
                found = self._to_bottom(x + far * self.sizes * way, kept)
                moved = 0.0 * way if found is None else (found[0] - x) / self.sizes
                onwards = moved @ way >= HALF * far * (way @ way)
                if found is None or not (onwards and found[1] <= self.f + least):
                    far *= SHORTER
                    if far < SHORTEST:
                        break
                    continue
                yield found
                x, far = found[0], min(2.0 * far, 1.0)
                along = self._axes(x, kept)[1]
                way = along.T @ (along @ moved)
                if not (largest := np.abs(way).max(initial=0.0)) > 0.0:
                    break
                way = way / largest

    def _axes(
        self, x: np.ndarray, kept: np.ndarray
    ) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        """Return directions across a valley, with curvatures, and along it."""
        rows = self.around(x)[3][kept] * self.sizes
        along = null_space(rows * (self.bounds[0] < self.bounds[1]))
        curvature = self.curvature(x) * self.sizes * self.sizes[:, None]
        if not np.isfinite(curvature).all():
            along = along[:0]
        bends, turned = np.linalg.eigh(along @ curvature @ along.T)
        along = turned.T @ along
        steep = bends > STEEP * np.abs(bends).max(initial=0.0)
        return (along[steep], bends[steep]), along[~steep]

    def _to_bottom(
        self, there: np.ndarray, kept: np.ndarray
    ) -> tuple[np.ndarray, float] | None:
        """Return a point moved to the bottom of the valley, or None."""
        found = self._brought_back(there, kept)
        for _ in range(ACROSS):
            if found is None:
                return None
            (ways, bends), _ = self._axes(found[0], kept)
            _, slope, _, rows = self.around(found[0])
            slope = (slope + self.prices @ rows) * self.sizes
            step = (ways @ slope / bends) @ ways * self.sizes
            found = self._brought_back(found[0] - step, kept)
        return found

    def _brought_back(
        self, there: np.ndarray, kept: np.ndarray
    ) -> tuple[np.ndarray, float] | None:
        """Return a point that satisfies the constraints, and f there, or None.

        Those that are kept hold as equalities. Derivatives are those at the end, if
        these lead back.
        """
        start = np.clip(there, *self.bounds)  # nothing is evaluated beyond bounds
        for anew in (False, True) if self.bends else (False,):
            there, before = start, [np.inf] * SLOW
            for _ in range(CORRECTIONS):
                f, c = self.evaluated(there)
                if not (np.isfinite(f) and np.isfinite(c).all()):
                    return None
                rows = self.around(there)[3] if anew else self.rows
                missed = np.where(kept, c - self.goals, c - np.clip(c, *self.sides))
                worth = np.abs(rows) if anew else self.worth
                rounded = ROUNDED * (worth @ np.abs(there) + np.abs(c))
                off = np.abs(missed) > rounded
                if not off.any():
                    return there, float(f)
                which = kept if self.is_large else off | kept
                if not np.isfinite(rows).all() or not (off & which).any():
                    return None
                left = (np.abs(missed) / (rounded + TINY)).max()
                if left > HALF * before[-SLOW]:
                    break  # it doesn't lead there
                before.append(left)
                there = self._stepped_back(there, rows, missed, which)
        return None

    def _stepped_back(
        self, there: np.ndarray, rows: np.ndarray, missed: np.ndarray, which: np.ndarray
    ) -> np.ndarray:
        """Return the nearest point at which linear parts of rows aren't missed."""
        low, high = self.bounds
        at = self.end if self.is_large else there
        gap = NEAR * self.sizes * self.is_large
        sizes = self.sizes * (((at - low > gap) & (high - at > gap)) | (low == -high))
        key = which.tobytes() + (sizes > 0.0).tobytes() + self.sizes.tobytes()
        inverse = self.inverses.get(key) if rows is self.rows else None
        if inverse is None:
            moves = sizes > 0.0
            scaled = rows[which][:, moves] * sizes[moves]
            units = np.abs(scaled).max(axis=1, initial=0.0) + 1e-300
            inverse = np.zeros((len(sizes), len(scaled)))
            inverse[moves] = np.linalg.pinv(scaled / units[:, None]) / units
            if rows is self.rows:
                self.inverses[key] = inverse
        return np.clip(there - sizes * (inverse @ missed[which]), low, high)
