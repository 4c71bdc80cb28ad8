"""Ends at kinks: whether 0 is a mean of the gradients around, as at a minimum.

Elsewhere: the Clarke subdifferential, by gradient sampling.

Sources: Burke, Lewis and Overton 2005, "A robust gradient sampling algorithm for
nonsmooth, nonconvex optimization", section 2; Wolfe 1976, "Finding the nearest point in
a polytope".
"""

from __future__ import annotations

import itertools
import math
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from symgd.descent.kinks.surfaces import (
    Surface,
    kinks_of,
    name_of,
    step_to,
    surfaces_at,
)
from symgd.native.machine import address
from symgd.objectives.objective import Objective

if TYPE_CHECKING:
    import numpy as np

    from symgd.descent.run import Run

Evaluated: TypeAlias = "tuple[array[float], float, array[float]]"  # x, f, gradient

DISTANCES = (1e-9, 1e-8, 1e-7, 1e-6)  # parts of x, within which gradients are taken
NEAREST = 1e-6  # of the largest gradient: a mean by no more is 0
REFINED, LESS = 24, 0.99  # times a mean is made less, each by some part of it
UNBOUNDED = 0.9  # of the fall in the part of the way before
GENUINE = 128.0  # times as far away f must still fall, so that a lower point counts
STEEP = 1e-6  # of the gradient on the way: what isn't small at an end
LEAST, UNSEEN = 4e-15, 1e-16  # of f, and of its fall: what can't be seen
ALIKE = 1e-6  # of the largest coordinate: what is smaller may be no size of its own
FARTHER, CORRECTIONS = (1e-3, 0.1), 3  # parts of x along a kink; steps back to it
DOUBLINGS = 60  # of such a way, while it leads lower
MOST = 16  # directions in which f is looked at along kinks
SIDES = 8  # kinks, of which all sides are looked at
EDGES = 64  # where kinks meet


class Kink(NamedTuple):
    """What was found around an end.

    Attributes
    ----------
    is_minimum : bool
        Whether 0 is a mean of the gradients around, and f is lower nowhere near.
    is_hole : bool
        Whether f seems to fall there without bound.
    lower : (x, f, gradient), or None
        A lower point.
    pieces : tuple of str
        What has a kink there, where that can be told.
    evaluations : int
    surfaces : tuple of Surface
        The kinks.
    units : sequence of float
        How large coordinates were taken for.
    """

    is_minimum: bool
    is_hole: bool
    lower: Evaluated | None
    pieces: tuple[str, ...]
    evaluations: int
    surfaces: tuple[Surface, ...] = ()
    units: Sequence[float] = ()

    def told(self, gradient: str) -> str:
        """Say why this is a minimum, or none."""
        if self.is_hole:
            return f"f falls without bound near this point; {gradient}"
        where = f"a kink of {' and of '.join(self.pieces)}" if self.pieces else "a kink"
        return f"0 is a mean of the gradients around: this is at {where}; {gradient}"


class _Surroundings:
    """Values and gradients near the end of a run."""

    def __init__(self, run: Run, alike: bool = False) -> None:
        """Take coordinates that began at 0 for as large as others, if they may be."""
        import numpy as np

        self.kernel = run.objective.kernel("evaluation")
        self.parameters = run.parameters
        self.x = np.array(run.x)
        self.lower, self.upper = np.array(run.lower), np.array(run.upper)
        origin = np.array(run.origin)
        self.units = np.maximum(np.abs(self.x), np.abs(self.x - origin))
        largest = self.units.max() or 1.0
        unknown = (origin == 0.0) & (self.units < ALIKE * largest)
        self.differ = bool((unknown & (self.units > 0.0)).any())
        self.units[unknown if alike else self.units == 0.0] = largest
        # What f gains on a shorter way doesn't show in it.
        if run.norm > STEEP * run.steepest:
            shown = LEAST * abs(run.fun) / run.norm
            self.units = np.maximum(self.units, shown / DISTANCES[-2])
        # What is lower by less isn't lower.
        self.least = max(LEAST * abs(run.fun), UNSEEN * (run.first - run.fun))
        self.evaluations = 0

    def at(self, x: np.ndarray) -> Evaluated:
        """Evaluate a point, brought inside the bounds."""
        import numpy as np

        point = array("d", np.clip(x, self.lower, self.upper))
        gradient = array("d", bytes(8 * len(point)))
        f = float(self.kernel(*map(address, (point, self.parameters, gradient))))
        self.evaluations += 1
        return point, f, gradient

    def finite(self, distance: float, directions: Any) -> list[Evaluated]:
        """Return the points in some directions at which all is finite."""
        import numpy as np

        points = [self.at(self.x + distance * self.units * way) for way in directions]
        return [p for p in points if math.isfinite(p[1]) and np.isfinite(p[2]).all()]

    def directions(self, slopes: np.ndarray) -> np.ndarray:
        """Return along what to look: the coordinates, between them, and between kinks.

        Parameters
        ----------
        slopes : array of shape (m, n)
            Of what changes its sign at each kink that is known.
        """
        import numpy as np

        n = len(self.x)
        rng = np.random.default_rng(0)
        between = rng.choice([-1.0, 1.0], (2 * n + 8, n)) * rng.uniform(0.3, 1.0)
        slanted = rng.uniform(-1.0, 1.0, (2 * n + 8, n))
        around = [np.eye(n), -np.eye(n), between, slanted]
        if 0 < len(slopes) <= SIDES:
            scaled = slopes * self.units
            sides = np.array(list(itertools.product((-1.0, 1.0), repeat=len(slopes))))
            sizes = np.linalg.norm(scaled, axis=1)
            scaled = scaled[sizes > 0.0] / sizes[sizes > 0.0, None]
            cells = sides[:, sizes > 0.0] @ np.linalg.pinv(scaled).T
            around += [_of_length_one(cells), _of_length_one(_edges(scaled))]
        return np.concatenate(around)


def _of_length_one(directions: np.ndarray) -> np.ndarray:
    import numpy as np

    largest = np.abs(directions).max(axis=1, keepdims=True)
    return directions / np.where(largest > 0.0, largest, 1.0)


def _edges(slopes: np.ndarray) -> np.ndarray:
    """Return directions along kinks, as many at once as leave one free."""
    import numpy as np

    n = slopes.shape[1]
    together = itertools.combinations(range(len(slopes)), min(n - 1, len(slopes)))
    ways = [np.linalg.svd(slopes[list(chosen)])[2][-1] for chosen in together if chosen]
    edges = np.array(ways[:EDGES]).reshape(-1, n)
    return np.concatenate([edges, -edges])


def kink_at(run: Run) -> Kink:
    """Look around the end of a run."""
    around = _Surroundings(run)
    own = _kink_among(run, around)
    if not around.differ or own.is_hole:
        return own
    # A coordinate that began at 0 and has hardly moved tells nothing of its size.
    alike = _kink_among(run, _Surroundings(run, alike=True))
    lower = [kink for kink in (alike, own) if kink.lower is not None]
    known = own.is_minimum and (own.surfaces or not alike.is_minimum)
    kink = min(lower, key=_value_of_lower) if lower else own if known else alike
    return kink._replace(evaluations=own.evaluations + alike.evaluations)


def _value_of_lower(kink: Kink) -> float:
    return math.inf if kink.lower is None else kink.lower[1]


def _kink_among(run: Run, around: _Surroundings) -> Kink:
    import numpy as np

    f = run.fun
    switches = list(kinks_of(run.objective, run.x, around.units.tolist()))
    nearest, pieces = None, tuple(name_of(node) for node, _ in switches)
    surfaces = [surface for _, each in switches for surface in each]
    slopes = np.array([surface.slopes for surface in surfaces])
    directions = around.directions(slopes)
    if lower := _where_they_meet(around, surfaces, f):
        return Kink(False, False, lower, pieces, around.evaluations)
    if _is_hole(around, np.array(run.gradient)):
        return Kink(False, True, None, (), around.evaluations)
    for distance in DISTANCES:
        kept = around.finite(distance, directions)
        if not kept:
            continue
        mean, size = _mean_of_gradients(around, run.gradient, kept, distance)
        lowest = min(kept, key=lambda point: point[1])
        if lowest[1] < f and (lower := _further(around, lowest, f)):
            return Kink(False, False, lower, pieces, around.evaluations)
        nearest = mean if nearest is None else nearest
        if np.linalg.norm(mean) <= NEAREST * size:
            below = _along_kinks(run, around, switches, directions)
            at = below is None
            found = at, False, below, pieces, around.evaluations
            return Kink(*found, tuple(surfaces), around.units.tolist())
    lower = _along(around, nearest, f)
    return Kink(False, False, lower, pieces, around.evaluations)


def _mean_of_gradients(
    around: _Surroundings, own: Any, kept: list[Evaluated], distance: float
) -> tuple[np.ndarray, float]:
    """Return the least mean of gradients around, and the size of the largest.

    Where it isn't 0, the gradient is asked for in the direction against it: there is
    the one that would make it less, as at a kink of a norm, whose gradients are as many
    as the points of a ball. These points are kept, too.
    """
    import numpy as np

    for _ in range(REFINED):
        gradients = np.array([own, *(point[2] for point in kept)]) * around.units
        gradients = _unheld(around, gradients, distance)
        unit = float(np.abs(gradients).max()) or 1.0  # squares may leave float64
        mean = nearest_to_origin(gradients / unit)
        size = float(np.linalg.norm(gradients / unit, axis=1).max())
        if np.linalg.norm(mean) <= NEAREST * size:
            break
        more = around.finite(distance, [-mean / np.abs(mean).max()])
        kept += more
        if not more:
            break
        if not more[0][2] * around.units / unit @ mean < LESS * (mean @ mean):
            break
    return unit * mean, unit * size


def _where_they_meet(
    around: _Surroundings, surfaces: Sequence[Surface], f: float
) -> Evaluated | None:
    """Return the nearest point on all kinks that are near, if f is lower there."""
    if not 0 < len(surfaces) <= SIDES:
        return None
    step = step_to(surfaces, around.units)
    point = around.at(around.x + step * around.units)
    usable = all(map(math.isfinite, point[2]))
    return point if usable and point[1] < f - around.least else None


def _along_kinks(
    run: Run,
    around: _Surroundings,
    switches: Sequence[tuple[Any, list[Surface]]],
    directions: np.ndarray,
) -> Evaluated | None:
    """Return the lowest point on some of the kinks nearby, if f is lower there.

    Where 0 is a mean of the gradients, f may still fall along a kink that is bent, or
    where one of several goes on.
    """
    expressions = [each.expression for _, surfaces in switches for each in surfaces]
    groups = [[each] for each in expressions[:SIDES]]
    if 1 < len(expressions) <= SIDES:
        groups += [expressions[:k] + expressions[k + 1 :] for k in range(len(groups))]
        groups.append(expressions)
    lowest: Evaluated | None = None
    for group in groups:
        if len(group) >= len(around.x):
            continue
        for distance, direction in itertools.product(FARTHER, directions[:MOST]):
            # As far as it is lower: what has hardly moved may have far to go.
            for doubled in range(DOUBLINGS):
                step = distance * 2.0**doubled * direction
                point = _on_kinks(run.objective, around, group, step)
                if not point[1] < (run.fun if lowest is None else lowest[1]):
                    break
                lowest = point
    if lowest is None or not lowest[1] < run.fun - around.least:
        return None
    return lowest if all(map(math.isfinite, (lowest[1], *lowest[2]))) else None


def _on_kinks(
    objective: Objective, around: _Surroundings, group: Sequence[Any], step: np.ndarray
) -> Evaluated:
    """Return the point a step away, brought back to some kinks."""
    import numpy as np

    x = around.x + step * around.units
    for _ in range(CORRECTIONS):
        surfaces = surfaces_at(objective, array("d", x), group)
        if surfaces is None:
            break
        back = step_to(surfaces, around.units)
        x = x + back * around.units
        if not np.abs(back).max() > DISTANCES[0]:
            break
    return around.at(x)


def _is_hole(around: _Surroundings, gradient: np.ndarray) -> bool:
    """Return whether f falls by as much in each tenth of the way to the end.

    So it does with a logarithm, or faster; towards a minimum it falls by less and less.
    """
    import numpy as np

    steep = np.abs(gradient * around.units)
    if not (steep > 0.0).any():
        return False
    direction = -np.sign(gradient) * around.units * (steep == steep.max())
    values = [around.at(around.x - d * direction)[1] for d in (1e-3, 1e-6, 1e-9)]
    first, second = values[0] - values[1], values[1] - values[2]
    return bool(first > 0.0 and second > UNBOUNDED * first)


def _further(around: _Surroundings, point: Evaluated, f: float) -> Evaluated | None:
    """Return the lowest point farther on, if f falls there and not only here."""
    import numpy as np

    step, lowest, factor = np.array(point[0]) - around.x, point, 2.0
    while factor <= 1e9:
        trial = around.at(around.x + factor * step)
        if not trial[1] < lowest[1]:
            break
        lowest, factor = trial, 2.0 * factor
    usable = all(map(math.isfinite, lowest[2]))
    seen = factor > GENUINE and lowest[1] < f - around.least
    return lowest if seen and usable else None


def _along(around: _Surroundings, mean: Any, f: float) -> Evaluated | None:
    """Return a lower point down a mean of gradients, if there is one."""
    if mean is None or not any(mean):
        return None
    direction = -mean * around.units / abs(mean).max()
    for power in range(40):
        trial = around.at(around.x + 0.5**power * direction)
        if trial[1] < f - around.least and all(map(math.isfinite, trial[2])):
            return trial
    return None


def _unheld(
    around: _Surroundings, gradients: np.ndarray, distance: float
) -> np.ndarray:
    """Return gradients with 0 for what bounds that are near hold against all."""
    import numpy as np

    near = distance * around.units
    low = (around.x <= around.lower + near) & (gradients.mean(axis=0) > 0.0)
    high = (around.x >= around.upper - near) & (gradients.mean(axis=0) < 0.0)
    return np.where(low | high, 0.0, gradients)


def nearest_to_origin(points: np.ndarray) -> np.ndarray:
    """Return the mean of points that is nearest to the origin: Wolfe's algorithm."""
    import numpy as np

    size = np.abs(points).max()
    if size == 0.0 or not np.isfinite(size):
        return points[0]
    points = points / size
    chosen = [int(np.argmin(np.linalg.norm(points, axis=1)))]
    weights = np.ones(1)
    for _ in range(10 * len(points)):
        mean = weights @ points[chosen]
        new = int(np.argmin(points @ mean))
        if new in chosen or points[new] @ mean >= mean @ mean - 1e-14:
            return size * mean
        chosen.append(new)
        weights = np.append(weights, 0.0)
        while True:
            wanted = _affine(points[chosen])
            if (wanted > 1e-13).all():
                weights = wanted
                break
            out = wanted <= 1e-13
            part = np.min(weights[out] / np.maximum(weights - wanted, 1e-300)[out])
            weights = weights + min(part, 1.0) * (wanted - weights)
            kept = weights > 1e-13
            kept[np.argmax(weights)] = True
            if kept.all():
                kept[np.argmin(weights)] = False
            chosen = [place for place, stays in zip(chosen, kept, strict=True) if stays]
            weights = weights[kept] / weights[kept].sum()
    return size * (weights @ points[chosen])


def _affine(points: np.ndarray) -> np.ndarray:
    """Return the weights, of sum 1, of the point of a plane nearest to the origin."""
    import numpy as np

    count = len(points)
    matrix = np.ones((count + 1, count + 1))
    matrix[0, 0] = 0.0
    matrix[1:, 1:] = points @ points.T
    scale = max(1e-300, np.abs(matrix[1:, 1:]).max())
    matrix[1:, 1:] /= scale
    right = np.zeros(count + 1)
    right[0] = 1.0
    return np.linalg.lstsq(matrix, right, rcond=None)[0][1:]
