"""The least value of a formula on a box, enclosed: branch and bound on packs of boxes.

From above by values at points; from below by the range on a box, by the mean value
form, and, where the Hessian is positive semidefinite, by the tangent plane at a point
near the minimum, which closes the box around a minimiser at once. Boxes in which a
derivative has one sign shrink to a face; where a second derivative is negative there is
no minimum inside.

Source: Ratschek and Rokne 1988, "New Computer Methods for Global Optimization"; Hansen
and Walster 2004, "Global Optimization Using Interval Analysis".
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from symgd.insight import spectra
from symgd.insight.boxes import EPS, Box, centred, fewer, halves, indivisible, middles
from symgd.insight.deadlines import is_past
from symgd.insight.open_boxes import OpenBoxes
from symgd.insight.second_derivatives import Curvature, Derivatives
from symgd.insight.tape import NotEnclosed
from symgd.native.threads import mapped

# Of boxes that may hold a minimum: their sides, what is below the values on each, and
# a flag.
_Looked: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
# Is told the enclosure of the least value, and the number of boxes.
Tell: TypeAlias = Callable[[float, float, int], None]

PACK = 256  # boxes that are divided at once, while few are open
MOST_PACKS = 16  # of many that are open
PART = 4  # packs that one thread takes
MOST_BOXES = 500_000
SAMPLES = 1000
STARTS = 24
DESCENT = 30  # iterations from these
LOCATING = 20_000  # boxes that are looked at after the value is proven
LOCATED = 1e-4  # of the width of the bounds: boxes so small aren't split for that
FIXED = 1e3  # what stands for the curvature of what is fixed: the rest decides
NEWTON = 6  # in a convex box


class Found(NamedTuple):
    """The least value between two ends, where it was found, where it may be."""

    lower: float
    upper: float
    x: np.ndarray | None
    low: np.ndarray  # sides of the boxes that may hold a minimiser
    high: np.ndarray
    boxes: int
    timed_out: bool  # some of the boxes could be divided further


def below(total: np.ndarray, size: np.ndarray, n: int) -> np.ndarray:
    """Return what is below sums of n terms, whatever their rounding was."""
    return total - 4 * (n + 4) * EPS * size - 1e-300


class GlobalSearch:
    """A search for the least value on a bounded box.

    Parameters
    ----------
    derived : Derivatives
    box : Box
    gap : float
        The width of the enclosure that ends it, beside 1 or the value.
    workers : int
        Threads; what is found is the same for any number of them.
    """

    def __init__(
        self, derived: Derivatives, box: Box, gap: float, workers: int = 1
    ) -> None:
        self.derived, self.box, self.n, self.gap = derived, box, box.n, gap
        self.workers = workers
        self.upper = math.inf
        self.x: np.ndarray | None = None
        self.interrupted = False
        self.total = 0  # boxes that were looked at
        # Boxes that are not to be divided, with what is below the values on each.
        self.shut: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        derived.require("value")
        self.has_slopes = _is_there(derived, "first")
        self.has_curvature = self.has_slopes and _is_there(derived, "second")

    @property
    def tolerance(self) -> float:
        """The gap that is wanted, beside the value that is known."""
        size = abs(self.upper) if math.isfinite(self.upper) else 1.0
        return self.gap * max(1.0, size)

    def run(self, deadline: float, tell: Tell | None = None) -> Found:
        """Search until the gap is closed, the time is up, or Ctrl-C is pressed.

        ``tell`` is told the enclosure so far, and how many boxes were looked at.
        """
        open_, proven_at = OpenBoxes(self.box.lower, self.box.upper), None
        try:
            self._look_around(deadline)
            with ThreadPoolExecutor(self.workers) as pool:
                while len(open_):
                    least = self._least(open_)
                    if tell is not None:
                        tell(min(least, self.upper), self.upper, self.total)
                    if is_past(deadline) or len(open_) > MOST_BOXES:
                        break
                    if self.upper - least <= self.tolerance:  # left: where it is
                        proven_at = self.total if proven_at is None else proven_at
                        if self.total - proven_at > LOCATING:
                            break
                    self._divide(open_, pool)
        except KeyboardInterrupt:  # what is open is all that may hold it
            self.interrupted = True
        return self._found(open_)

    def _least(self, open_: OpenBoxes) -> float:
        """Return what is below all values on what is left."""
        return float(min([open_.bounds.min(), *(s[2].min() for s in self.shut)]))

    def _divide(self, open_: OpenBoxes, pool: ThreadPoolExecutor) -> None:
        """Halve the boxes with the lowest bounds, and look at the halves."""
        packs = min(max(1, len(open_) // (2 * PACK)), MOST_PACKS)
        where = open_.lowest(min(packs * fewer(PACK, self.n), len(open_)))
        known, least = np.tile(open_.bounds[where], 2), self.upper
        a, b = halves(open_.lower[:, where], open_.upper[:, where])
        self.total += a.shape[1]
        a, b, found, closed = self._in_parts(a, b, known, pool)
        closed |= (b - a <= LOCATED * (self.box.upper - self.box.lower)).all(0)
        closed &= found >= self.upper - 0.5 * self.tolerance
        closed |= indivisible(a, b)
        if closed.any():
            self.shut.append((a[:, closed], b[:, closed], found[closed]))
        left = ~closed
        open_.replace(where, a[:, left], b[:, left], found[left])
        if self.upper < least:
            open_.keep_up_to(self.upper)

    def _in_parts(
        self,
        lower: np.ndarray,
        upper: np.ndarray,
        known: np.ndarray,
        pool: ThreadPoolExecutor,
    ) -> _Looked:
        """Look at boxes, shared among threads where they are many.

        Each part begins with the least value so far: what it finds doesn't depend on
        what the others have found by then.
        """
        size = 2 * PART * fewer(PACK, self.n)
        count = -(-len(known) // size)
        if count <= 1:
            return self._step(lower, upper, known)
        searches = [copy.copy(self) for _ in range(count)]
        parts = (np.array_split(each, count, axis=-1) for each in (lower, upper, known))

        def looked(task: tuple[GlobalSearch, Any, Any, Any]) -> _Looked:
            return task[0]._step(*task[1:])

        found = list(mapped(pool, looked, zip(searches, *parts, strict=True)))
        best = min(searches, key=lambda each: each.upper)
        self.x, self.upper = best.x, best.upper
        a, b, bounds, closed = zip(*found, strict=True)
        sides = np.hstack(a), np.hstack(b)
        return (*sides, np.concatenate(bounds), np.concatenate(closed))

    def _found(self, open_: OpenBoxes) -> Found:
        low = np.hstack([open_.lower, *(s[0] for s in self.shut)])
        high = np.hstack([open_.upper, *(s[1] for s in self.shut)])
        bounds = np.concatenate([open_.bounds, *(s[2] for s in self.shut)])
        left = bounds <= self.upper
        low, high, bounds = (e[..., left] for e in (low, high, bounds))
        least = float(bounds.min()) if len(bounds) else self.upper
        ends = min(least, self.upper), self.upper
        return Found(*ends, self.x, low, high, self.total, bool(len(open_)))

    # ------------------------------------------------------------- from above

    def _improve(self, points: np.ndarray) -> np.ndarray:
        """Return proven values at points; the least of all is kept."""
        points = self.box.clipped(points)
        found = self.derived.value(points, points)
        fine = (found.known[0] > 0) & np.isfinite(found.high[0])
        values = np.where(fine, found.high[0], math.inf)
        q = int(np.argmin(values))
        if values[q] < self.upper:
            self.x = points[:, q].copy()
            self.upper = float(values[q])
        return values

    def _look_around(self, deadline: float) -> None:
        points = self.box.points(SAMPLES)
        values = self._improve(points)
        if not self.has_slopes:
            return
        best = points[:, np.argsort(values)[: fewer(STARTS, self.n)]]
        self._descend(best, deadline)

    def _descend(self, x: np.ndarray, deadline: float) -> None:
        """Go down from several points at once: Newton's steps, made to descend."""
        values = self._improve(x)
        reach = np.full(x.shape[1], 0.25)
        width = (self.box.upper - self.box.lower)[:, 0]
        for _ in range(DESCENT):
            if is_past(deadline):
                return
            moved = self.box.clipped(x + self._steps(x, reach, width))
            new = self._improve(moved)
            better = new < values
            x, values = np.where(better, moved, x), np.where(better, new, values)
            reach = np.where(better, np.minimum(2 * reach, 1.0), reach / 8)
            if (reach < 1e-9).all():
                return

    def _steps(self, x: np.ndarray, reach: np.ndarray, width: np.ndarray) -> np.ndarray:
        """Return steps within reach, a part of the box's width."""
        slopes = self.derived.slopes(x, x)
        g = centred(slopes.low, slopes.high)
        held = ((x <= self.box.lower) & (g > 0)) | ((x >= self.box.upper) & (g < 0))
        g = np.where(held, 0.0, g)
        step = -g
        if self.has_curvature:
            step = _newton(self._middle_hessian(x, held), g, True)
        limit = reach * width[:, None]
        longest = np.abs(step).max(0)
        length = limit.min(0) / np.maximum(longest, 1e-300)
        return step * (np.minimum(1.0, length) if self.has_curvature else length)

    def _middle_hessian(self, x: np.ndarray, held: np.ndarray) -> np.ndarray:
        found = self.derived.curvature(x, x)
        return _without(centred(found.low, found.high), held, 0.0)

    # ------------------------------------------------------------- from below

    def _step(self, lower: np.ndarray, upper: np.ndarray, known: np.ndarray) -> _Looked:
        """Bound boxes, shrink them, drop them; return where one minimum is at most."""
        self._improve(middles(lower, upper))
        if self.has_slopes:
            lower, upper, bounds, alive = self._by_slopes(lower, upper)
        else:
            bounds = self.derived.value(*map(np.ascontiguousarray, (lower, upper))).low[
                0
            ]
            alive = np.ones(len(bounds), bool)
        bounds = np.fmax(bounds, known)
        alive &= ~(bounds > self.upper)
        lower, upper, bounds = (e[..., alive] for e in (lower, upper, bounds))
        closed = np.zeros(len(bounds), bool)
        if self.has_curvature and len(bounds):
            lower, upper, bounds, closed = self._by_curvature(lower, upper, bounds)
        return lower, upper, bounds, closed

    def _by_slopes(self, lower: np.ndarray, upper: np.ndarray) -> _Looked:
        lower, upper = map(np.ascontiguousarray, (lower, upper))
        middle = middles(lower, upper)
        found, at = self.derived.first(lower, upper), self.derived.value(middle, middle)
        bounds, least, most = found.low[0].copy(), found.low[1:], found.high[1:]
        smooth = (found.known[0] > 0) & np.isfinite(least).all(0)
        smooth &= np.isfinite(most).all(0)
        with np.errstate(all="ignore"):
            fall = np.maximum(-least, 0) * (upper - middle)
            fall = np.maximum(fall, np.maximum(most, 0) * (middle - lower)).sum(0)
            mean = below(at.low[0] - fall, np.abs(at.low[0]) + fall, self.n)
            bounds = np.where(smooth & (mean > bounds), mean, bounds)
        up, down = (least > 0) & smooth, (most < 0) & smooth
        at_low, at_high = lower <= self.box.lower, upper >= self.box.upper
        alive = ~(up & ~at_low).any(0) & ~(down & ~at_high).any(0)
        lower, upper = np.where(down, upper, lower), np.where(up, lower, upper)
        return lower, upper, bounds, alive

    def _by_curvature(
        self, lower: np.ndarray, upper: np.ndarray, bounds: np.ndarray
    ) -> _Looked:
        found = self.derived.curvature(lower, upper)
        thin = lower >= upper
        caved = (np.einsum("bii->ib", found.high) < 0) & ~thin & found.smooth
        inside = (lower > self.box.lower) & (upper < self.box.upper)
        left = ~(caved & inside).any(0)
        lower, upper, bounds, thin = (
            e[..., left] for e in (lower, upper, bounds, thin)
        )
        convex = self._convex(_picked(found, left), thin)
        where = np.flatnonzero(convex)
        if where.size:
            tangent = self._tangents(lower[:, where], upper[:, where])
            bounds[where] = np.fmax(bounds[where], tangent)
            convex[where] = _is_definite(found, left, where, thin)
        alive = ~(bounds > self.upper)
        return lower[:, alive], upper[:, alive], bounds[alive], convex[alive]

    @staticmethod
    def _convex(found: Curvature, thin: np.ndarray) -> np.ndarray:
        """Return where the formula is convex in what isn't on a face."""
        low, high = _without(found.low, thin, 1.0), _without(found.high, thin, 1.0)
        determinant = found.determinant
        if determinant is not None:
            determinant = np.where(thin.any(0), -1.0, determinant)
        return Derivatives.proven_convex(
            Curvature(low, high, found.smooth, determinant)
        )

    def _tangents(self, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
        """Return lower bounds of what is convex on boxes, by its tangent planes."""
        x, best = middles(lower, upper), np.full(lower.shape[1], -math.inf)
        for k in range(NEWTON):
            found = self.derived.first(x, x)
            least, most = found.low[1:], found.high[1:]
            with np.errstate(all="ignore"):
                fall = np.maximum(-least, 0) * (upper - x)
                fall = np.maximum(fall, np.maximum(most, 0) * (x - lower)).sum(0)
                value = below(found.low[0] - fall, np.abs(found.low[0]) + fall, self.n)
                best = np.fmax(best, np.where(np.isfinite(value), value, -math.inf))
            self._improve(x)
            if k == NEWTON - 1:
                break
            g = centred(least, most)
            held = ((x <= lower) & (g > 0)) | ((x >= upper) & (g < 0))
            held |= lower >= upper
            step = _newton(self._middle_hessian(x, held), np.where(held, 0.0, g), False)
            x = np.ascontiguousarray(np.clip(x + step, lower, upper))
        return best


def _is_there(derived: Derivatives, what: str) -> bool:
    try:
        derived.require(what)
    except NotEnclosed:
        return False
    return True


def _is_definite(
    found: Curvature, left: np.ndarray, where: np.ndarray, thin: np.ndarray
) -> np.ndarray:
    """Return which of some of the boxes that are left have a definite Hessian."""
    some = _picked(_picked(found, left), where)
    sides = (_without(side, thin[:, where], FIXED) for side in (some.low, some.high))
    least, _ = spectra.hull(*sides)
    return least > 0


def _picked(found: Curvature, which: np.ndarray) -> Curvature:
    determinant = None if found.determinant is None else found.determinant[which]
    return Curvature(
        found.low[which], found.high[which], found.smooth[which], determinant
    )


def _without(matrices: np.ndarray, places: np.ndarray, diagonal: float) -> np.ndarray:
    """Return matrices (boxes, n, n) without some rows and columns, (n, boxes)."""
    out = places.T
    matrices = np.where(out[:, :, None] | out[:, None, :], 0.0, matrices)
    eye = np.eye(matrices.shape[1]) * diagonal
    return matrices + out[:, :, None] * eye


def _newton(hessians: np.ndarray, g: np.ndarray, absolute: bool) -> np.ndarray:
    """Return Newton's steps, (n, boxes); with absolute eigenvalues they descend."""
    values, vectors = np.linalg.eigh(hessians)
    size = np.abs(values).max(1, keepdims=True)
    values = np.abs(values) if absolute else np.maximum(values, 0.0)
    values = np.maximum(values, 1e-12 * size + 1e-150)
    along = (vectors.transpose(0, 2, 1) @ g.T[:, :, None])[:, :, 0] / values
    step = -(vectors @ along[:, :, None])[:, :, 0].T
    return np.where(np.isfinite(step), step, 0.0)


def within_ball(
    search: GlobalSearch, lower: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shrink boxes in which f is strongly convex around their least points.

    Returns
    -------
    lower, upper : ndarray, shape (n, boxes)
        A minimiser that is in the box given is in these, too.
    unique : ndarray of bool
        Whether the Hessian is proven to be definite there: there is one at most.
    """
    unique = np.zeros(lower.shape[1], bool)
    if not search.has_curvature or not lower.shape[1]:
        return lower, upper, unique
    found = search.derived.curvature(lower, upper)
    thin = lower >= upper
    least, _ = spectra.hull(
        _without(found.low, thin, 1e3), _without(found.high, thin, 1e3)
    )
    unique = found.smooth & (least > 0)
    where = np.flatnonzero(unique)
    if not where.size:
        return lower, upper, unique
    a, b = lower[:, where].copy(), upper[:, where].copy()
    x = (
        a * 0 + np.clip(search.x[:, None], a, b)
        if search.x is not None
        else middles(a, b)
    )
    for _ in range(NEWTON):
        slopes = search.derived.slopes(x, x)
        g = centred(slopes.low, slopes.high)
        held = ((x <= a) & (g > 0)) | ((x >= b) & (g < 0)) | (a >= b)
        step = _newton(search._middle_hessian(x, held), np.where(held, 0.0, g), False)
        x = np.ascontiguousarray(np.clip(x + step, a, b))
    at = search.derived.first(x, x)
    mu = least[where]
    with np.errstate(all="ignore"):
        # What falls inside of the box: a slope that pushes outwards is none.
        down = np.where(x >= b, 0.0, np.maximum(-at.low[1:], 0))
        rise = np.where(x <= a, 0.0, np.maximum(at.high[1:], 0))
        slope = np.where(a >= b, 0.0, np.maximum(down, rise))
        norm = np.sqrt((slope**2).sum(0)) * (1 + 8 * search.n * EPS)
        excess = np.maximum(search.upper - at.low[0], 0.0) * (1 + 4 * EPS) + 1e-300
        radius = (norm + np.sqrt(norm**2 + 2 * mu * excess)) / mu * (1 + 32 * EPS)
        radius = np.where(np.isfinite(radius), radius, math.inf) + 1e-300
        slack = 2 * EPS * np.abs(x)
        lower[:, where] = np.maximum(a, x - radius - slack)
        upper[:, where] = np.minimum(b, x + radius + slack)
    return lower, upper, unique
