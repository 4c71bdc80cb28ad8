"""The largest and the smallest curvature on a box, as enclosures: L and mu.

A best-first search over boxes: from outside the eigenvalues of the Hessian on boxes,
from inside its curvature at points, until both are within one percent.
"""

from __future__ import annotations

import itertools
import math
import time
from typing import NamedTuple

import mpmath
import numpy as np
import sympy as sp

from symgd.insight import exact, spectra, univariate
from symgd.insight.boxes import EPS, Box, around, fewer, halves, middles
from symgd.insight.compositions import Rules
from symgd.insight.deadlines import is_past
from symgd.insight.second_derivatives import Derivatives
from symgd.insight.tape import NotEnclosed
from symgd.insight.univariate import CONVEX

CLOSE = 0.01
PACK = 256
MOST_BOXES = 300_000
POINTS = 400
ROUNDS = 25  # after which nothing more is found of what is unbounded
NOTHING_LEFT = 1e-9  # of the largest curvature, beside which the least one may be 0
DIGITS = 60


class Enclosure(NamedTuple):
    """Two numbers between which another one is proven to be.

    >>> Enclosure(1.0, 2.0).width
    1.0
    """

    lower: float
    upper: float

    @property
    def width(self) -> float:
        """How much is left open."""
        return self.upper - self.lower

    def __contains__(self, value: object) -> bool:
        return isinstance(value, (int, float)) and self.lower <= value <= self.upper


NOTHING = Enclosure(-math.inf, math.inf)


class Curvatures(NamedTuple):
    """The smallest eigenvalue of the Hessian on a box, and the largest."""

    least: Enclosure
    most: Enclosure


def of_parts(found: list[Curvatures]) -> Curvatures:
    """Return those of a sum of parts that share no variable."""
    least = Enclosure(*(min(f.least[k] for f in found) for k in (0, 1)))
    return Curvatures(
        least, Enclosure(*(max(f.most[k] for f in found) for k in (0, 1)))
    )


def lipschitz(found: Curvatures) -> Enclosure:
    """Return the Lipschitz constant of the gradient."""
    least, most = found
    low = max(-least.upper, most.lower, 0.0)
    return Enclosure(low, max(-least.lower, most.upper, low))


def curvatures(
    derived: Derivatives, box: Box, deadline: float, convex: bool, concave: bool
) -> Curvatures:
    """Enclose the extreme eigenvalues of the Hessian on a box.

    Of what has kinks on the box, nothing is known.

    Parameters
    ----------
    convex, concave : bool
        What is proven already.
    """
    found = exact.quadratic(derived.expression, derived.symbols)
    if found is not None and len(derived.symbols) <= exact.MOST_SIZE:
        return _of_quadratic(found.hessian)
    ceiling = 0.0 if concave else math.inf
    floor = max(0.0 if convex else -math.inf, _of_terms(derived, box, deadline))
    try:
        half = 0.5 * (time.monotonic() + deadline)
        least = _extreme(derived, box, -1, half, -floor)
        most = _extreme(derived, box, 1, deadline, ceiling)
    except NotEnclosed:
        return Curvatures(Enclosure(floor, math.inf), Enclosure(-math.inf, ceiling))
    return Curvatures(Enclosure(0.0 - least.upper, 0.0 - least.lower), most)


def _of_terms(derived: Derivatives, box: Box, deadline: float) -> float:
    """Return the least curvature of the quadratic terms, if all others are convex."""
    names = derived.symbols
    terms = sp.Add.make_args(derived.expression)
    flat = [t for t in terms if exact.quadratic(t, names) is not None]
    others = sp.Add(*(t for t in terms if t not in flat))
    found = exact.quadratic(sp.Add(*flat), names)
    if not flat or found is None or len(names) > exact.MOST_SIZE:
        return -math.inf
    if not Rules(names, box, deadline)(others) & CONVEX:
        return -math.inf
    return _of_quadratic(found.hessian).least.lower


def _of_quadratic(hessian: exact.Matrix) -> Curvatures:
    with mpmath.workdps(DIGITS):
        rows = [[mpmath.mpf(h.numerator) / h.denominator for h in r] for r in hessian]
        values = mpmath.eigsy(mpmath.matrix(rows), eigvals_only=True)
        size = max((abs(v) for v in values), default=mpmath.mpf(0))
        definite = exact.falling_direction(hessian) is None
        mirrored = exact.falling_direction(exact.negated(hessian)) is None
        full = exact.rank_of(hessian) == len(hessian) if definite else True
        last = exact.rank_of(exact.negated(hessian)) if mirrored else len(hessian)
        least, most = _around(min(values), size), _around(max(values), size)
        if definite:
            least = Enclosure(max(least.lower, 0.0), least.upper)
            least = least if full else Enclosure(0.0, 0.0)
        if mirrored:
            most = Enclosure(most.lower, min(most.upper, 0.0))
            most = most if last == len(hessian) else Enclosure(0.0, 0.0)
    return Curvatures(least, most)


def _around(value: mpmath.mpf, size: mpmath.mpf) -> Enclosure:
    """Return float64 on both sides of a number of 60 digits, of which 45 are used."""
    slack = size * mpmath.mpf(10) ** -45
    low, high = float(value - slack), float(value + slack)
    if low == high and mpmath.mpf(low) == value:
        return Enclosure(low, high)
    return Enclosure(math.nextafter(low, -math.inf), math.nextafter(high, math.inf))


def _extreme(
    derived: Derivatives, box: Box, sign: int, deadline: float, ceiling: float
) -> Enclosure:
    """Enclose the largest eigenvalue of sign*Hessian, which a ceiling is known of."""
    reached = _reached(derived, box, box.points(fewer(POINTS, box.n)), sign)
    lower, upper = box.lower, box.upper
    smooth = _is_smooth_between_ends(derived, box)
    bounds = _outer(derived, lower, upper, sign, smooth)
    size = abs(_reached(derived, box, box.points(fewer(POINTS, box.n)), -sign))
    for rounds in itertools.count():
        worst = min(float(bounds.max()), ceiling) if len(bounds) else reached
        worst = max(worst, reached)
        if worst - reached <= CLOSE * max(abs(worst), abs(reached)):
            return Enclosure(reached, worst)
        hopeless = (rounds > ROUNDS and worst == math.inf) or (
            worst == ceiling and worst - reached <= NOTHING_LEFT * size
        )
        if hopeless or is_past(deadline) or len(bounds) > MOST_BOXES:
            break
        take = min(fewer(PACK, box.n), len(bounds))
        chosen = np.zeros(len(bounds), bool)
        chosen[np.argpartition(-bounds, take - 1)[:take]] = True
        a, b = halves(lower[:, chosen], upper[:, chosen])
        if (a == b).all(0).any():
            break
        new = _outer(derived, a, b, sign, smooth)
        new = np.minimum(new, np.tile(bounds[chosen], 2))
        reached = max(reached, _reached(derived, box, middles(a, b), sign))
        lower = np.hstack([lower[:, ~chosen], a])
        upper = np.hstack([upper[:, ~chosen], b])
        bounds = np.concatenate([bounds[~chosen], new])
        left = bounds > reached
        lower, upper, bounds = lower[:, left], upper[:, left], bounds[left]
    return Enclosure(reached, worst)


def _outer(
    derived: Derivatives,
    lower: np.ndarray,
    upper: np.ndarray,
    sign: int,
    smooth: bool,
) -> np.ndarray:
    """Return an upper bound on each box; infinite where there may be a kink.

    Unless it is smooth but for the ends of the range: what is defined of the second
    derivative is enclosed at an end, too.
    """
    found = derived.curvature(lower, upper)
    least, most = spectra.hull(found.low, found.high)
    return np.where(found.smooth | smooth, most if sign > 0 else -least, np.inf)


def _is_smooth_between_ends(derived: Derivatives, box: Box) -> bool:
    if derived.n > 1 or derived.curvature(box.lower, box.upper).smooth.all():
        return False
    one = univariate.as_one(derived.expression, derived.symbols, box)
    return one is not None and univariate.is_smooth_between_ends(one)


def _reached(derived: Derivatives, box: Box, points: np.ndarray, sign: int) -> float:
    """Return the largest curvature that is proven around some points."""
    found = derived.curvature(*around(points, box))
    good = found.smooth & np.isfinite(found.low).all((1, 2))
    good &= np.isfinite(found.high).all((1, 2))
    if not good.any():
        return -math.inf
    low, high = found.low[good], found.high[good]
    if derived.n == 1:
        ends = low[:, 0, 0] if sign > 0 else -high[:, 0, 0]
        return float(ends.max())
    values, vectors = np.linalg.eigh(0.5 * low + 0.5 * high)
    ends = values[:, -1] if sign > 0 else -values[:, 0]
    best = -math.inf
    for q in np.argsort(-ends)[:3]:
        v = vectors[q, :, -1 if sign > 0 else 0]
        v = np.round(v * 2.0**20) / 2.0**20
        least, most = spectra.form(low[q], high[q], v)
        value = least if sign > 0 else -most
        length = float(v @ v)  # exact: 20 bits each
        slack = 4 * EPS * abs(value / length)
        best = max(best, value / length - slack)
    return best


def per_coordinate(derived: Derivatives, box: Box, deadline: float) -> list[float]:
    """Return upper bounds of the second derivatives by one variable each."""
    lower, upper = box.lower, box.upper
    try:
        while True:
            found = derived.curvature(lower, upper)
            ends = np.maximum(np.abs(found.low), np.abs(found.high))
            ends[~found.smooth] = np.inf
            diagonal = np.einsum("bii->ib", ends)
            if is_past(deadline) or lower.shape[1] >= fewer(PACK, box.n):
                return [float(each) for each in diagonal.max(1)]
            lower, upper = halves(lower, upper)
    except NotEnclosed:
        return [math.inf] * derived.n
