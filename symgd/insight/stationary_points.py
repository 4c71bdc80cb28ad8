"""All stationary points within bounds, each proven: ``symgd.stationary``.

Krawczyk's operator on packs of boxes: where it maps a box into its inside there is
exactly one stationary point; where its image is apart from the box there is none. Boxes
are widened a little first, so that a point on a face between two is found in one.

Source: Krawczyk 1969, "Newton-Algorithmen zur Bestimmung von Nullstellen mit
Fehlerschranken"; Neumaier 1990, "Interval Methods for Systems of Equations", chapter 5.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from symgd.errors import InputError
from symgd.insight import spectra
from symgd.insight.bounded_formula import problem_of, seconds_of
from symgd.insight.boxes import (
    EPS,
    Box,
    halves,
    indivisible,
    middles,
    touching_joined,
)
from symgd.insight.deadlines import is_past
from symgd.insight.second_derivatives import Derivatives
from symgd.insight.tape import NotEnclosed
from symgd.kernels.shared import shared
from symgd.language.drawing import card
from symgd.language.text import number

if TYPE_CHECKING:
    from symgd.language.formula import Formula
    from symgd.objectives.objective import Objective

PACK = 512
WIDER = 0.05  # of a box's width, at each side
SMALLEST = 1e-7  # of the width of the bounds: boxes so small stay open
MOST_OPEN = 20_000
SHRUNK = 20  # at most times that Krawczyk's operator makes a point's box smaller
KINDS = ("minimum", "maximum", "saddle", "degenerate")


@dataclass(frozen=True)
class StationaryPoint:
    """A box with exactly one stationary point in it, and what that is.

    Attributes
    ----------
    bounds : dict of str to tuple of float
    kind : str
        "minimum", "maximum", "saddle", each proven, or "degenerate": not told.
    """

    bounds: dict[str, tuple[float, float]]
    kind: str

    @property
    def values(self) -> dict[str, float]:
        """The middle of the box."""
        return {name: 0.5 * a + 0.5 * b for name, (a, b) in self.bounds.items()}

    def __str__(self) -> str:
        where = ", ".join(f"{k} = {number(v)}" for k, v in self.values.items())
        return f"{self.kind:10} {where}"


@dataclass(frozen=True)
class StationaryPoints:
    """All stationary points inside of bounds: those proven, and what is open.

    Outside of both there is none.

    Attributes
    ----------
    points : list of StationaryPoint
    open : list of dict of str to tuple of float
        Boxes, joined where they touch, about which nothing is proven: there may be a
        singular point in one, a whole curve of points, a kink, or nothing.
    complete : bool
        Whether nothing is open.
    seconds : float
    """

    points: list[StationaryPoint]
    open: list[dict[str, tuple[float, float]]]
    boxes: int
    seconds: float

    @property
    def complete(self) -> bool:
        """See the class."""
        return not self.open

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[StationaryPoint]:
        return iter(self.points)

    def __getitem__(self, k: int) -> StationaryPoint:
        return self.points[k]

    def kinds(self) -> dict[str, int]:
        """Return how many there are of each kind."""
        counted = {k: sum(p.kind == k for p in self.points) for k in KINDS}
        return {kind: count for kind, count in counted.items() if count}

    def to_dict(self) -> dict[str, Any]:
        """Return all as plain numbers and texts."""
        points = [{"bounds": p.bounds, "kind": p.kind} for p in self.points]
        return {"points": points, "open": self.open, "complete": self.complete}

    def _repr_html_(self) -> str:
        return card("proof", self)

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kinds().items())
        head = f"{len(self)} stationary points" + (f": {kinds}" if kinds else "")
        lines = [head, *(f"  {point}" for point in self.points[:20])]
        lines += ["  ..."] * (len(self) > 20)
        for box in self.open[:5]:
            sides = ", ".join(f"{k} in [{a:.6g}, {b:.6g}]" for k, (a, b) in box.items())
            lines.append(f"  open: {sides}")
        return "\n".join([*lines, "  no other one is within the bounds"])


def stationary(
    f: Formula | Objective, bounds: Any = None, *, time_limit: float = 10.0
) -> StationaryPoints:
    """Find all points within bounds at which the gradient is 0, and prove each.

    Parameters
    ----------
    f : str, SymPy expression or Objective
        Of scalars.
    bounds : mapping of name to pair, or sequence of pairs
        Of all variables.
    time_limit : float
        In seconds; what is undecided by then is in ``open``.

    Returns
    -------
    StationaryPoints

    Raises
    ------
    InputError
        If a variable has no bounds, or there are no second derivatives.

    Examples
    --------
    >>> import symgd
    >>> found = symgd.stationary("x**4 - x**2 + y**2", [(-1, 1), (-1, 1)])
    >>> found.kinds(), found.complete
    ({'minimum': 2, 'saddle': 1}, True)
    """
    seconds = seconds_of(time_limit)
    problem = problem_of(f, bounds)
    box = problem.box
    if not np.isfinite(box.upper - box.lower).all():
        raise InputError("stationary points are looked for within bounds of all names")
    derived = Derivatives(problem.expression, problem.symbols)
    shared("intervals")
    begin = time.monotonic()
    try:
        search = _Search(derived, box)
    except NotEnclosed as error:
        raise InputError(f"{error}: its stationary points can't be told") from None
    search.run(begin + seconds)
    points = [
        StationaryPoint(_named(problem.names, low, high), kind)
        for low, high, kind in search.points()
    ]
    points.sort(key=lambda p: tuple(p.values.values()))
    left = [_named(problem.names, low, high) for low, high in search.open_boxes()]
    return StationaryPoints(points, left, search.total, time.monotonic() - begin)


def _named(
    names: list[str], low: np.ndarray, high: np.ndarray
) -> dict[str, tuple[float, float]]:
    pairs = zip(low.tolist(), high.tolist(), strict=True)
    return dict(zip(names, pairs, strict=True))


class _Search:
    def __init__(self, derived: Derivatives, box: Box) -> None:
        self.derived, self.box, self.total = derived, box, 0
        derived.require("second", "slopes", "value")
        # Of each point a small box, and the large one in which there is no other.
        self.found: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
        self.left: list[tuple[np.ndarray, np.ndarray]] = []

    def run(self, deadline: float) -> None:
        """Split boxes until each is decided, too small, or the time is up."""
        lower, upper, open_ = self.box.lower, self.box.upper, 0
        small = SMALLEST * (upper - lower)
        while lower.shape[1]:
            if is_past(deadline) or open_ > MOST_OPEN:
                self.left.append((lower, upper))
                return
            a, b = lower[:, -PACK:], upper[:, -PACK:]
            lower, upper = lower[:, :-PACK], upper[:, :-PACK]
            self.total += a.shape[1]
            a, b = self._undecided(*map(np.ascontiguousarray, (a, b)))
            tiny = (b - a <= small).all(0) | indivisible(a, b)
            if tiny.any():
                open_ += int(tiny.sum())
                self.left.append((a[:, tiny], b[:, tiny]))
            a, b = a[:, ~tiny], b[:, ~tiny]
            if a.shape[1]:
                a, b = halves(a, b)
                lower, upper = np.hstack([lower, a]), np.hstack([upper, b])

    def _undecided(self, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return boxes that may hold points which aren't found, made smaller."""
        first = self.derived.first(a, b)
        # Where f isn't known to be smooth, no gradient can tell that there is none.
        zero = ((first.low[1:] <= 0) & (first.high[1:] >= 0)).all(0)
        stay = zero | (first.known[0] < 2)
        a, b = a[:, stay], b[:, stay]
        if not a.shape[1]:
            return a, b
        wide = WIDER * (b - a) + 1e-12 * (np.abs(a) + np.abs(b)) + 1e-300
        wider_a, wider_b = map(np.ascontiguousarray, (a - wide, b + wide))
        low, high = krawczyk(self.derived, wider_a, wider_b)
        apart = (low > b).any(0) | (high < a).any(0)
        inside = (low > wider_a).all(0) & (high < wider_b).all(0) & ~apart
        for q in np.flatnonzero(inside):
            small = self._shrunk(low[:, q : q + 1], high[:, q : q + 1])
            self.found.append((*small, wider_a[:, q], wider_b[:, q]))
        rest = ~apart & ~inside
        return np.maximum(a, low)[:, rest], np.minimum(b, high)[:, rest]

    def _shrunk(
        self, low: np.ndarray, high: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        for _ in range(SHRUNK):
            width = high - low
            low, high = map(np.ascontiguousarray, (low, high))
            a, b = krawczyk(self.derived, low, high)
            low, high = np.maximum(low, a), np.minimum(high, b)
            if (high - low > 0.9 * width).all():
                break
        return low[:, 0], high[:, 0]

    def points(self) -> list[tuple[np.ndarray, np.ndarray, str]]:
        """Return each point once, with its kind; only those within the bounds."""
        lower, upper = self.box.lower[:, 0], self.box.upper[:, 0]
        kept: list[tuple[np.ndarray, ...]] = []
        for low, high, wider_low, wider_high in self.found:
            outside = (low > upper).any() or (high < lower).any()
            known = any(
                ((c <= low) & (high <= d)).all()
                or ((wider_low <= a) & (b <= wider_high)).all()
                for a, b, c, d in kept
            )
            if not outside and not known:
                kept.append((low, high, wider_low, wider_high))
        return [(low, high, self._kind(low, high)) for low, high, *_ in kept]

    def _kind(self, low: np.ndarray, high: np.ndarray) -> str:
        sides = (np.ascontiguousarray(side[:, None]) for side in (low, high))
        found = self.derived.curvature(*sides)
        least, most = spectra.hull(found.low, found.high)
        if least[0] > 0:
            return "minimum"
        if most[0] < 0:
            return "maximum"
        middle = 0.5 * found.low[0] + 0.5 * found.high[0]
        if not np.isfinite(middle).all():
            return "degenerate"
        _, vectors = np.linalg.eigh(middle)
        ends = []
        for k in (0, -1):
            v = np.round(vectors[:, k] * 2.0**20) / 2.0**20
            ends.append(spectra.form(found.low[0], found.high[0], v))
        return "saddle" if ends[0][1] < 0 < ends[1][0] else "degenerate"

    def open_boxes(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return what is open: joined, and without what lies around a found point."""
        if not self.left:
            return []
        low = np.hstack([a for a, _ in self.left])
        high = np.hstack([b for _, b in self.left])
        if low.shape[1] > 1000:
            return [(low.min(1), high.max(1))]
        low, high = touching_joined(low, high)
        return [(low[:, q], high[:, q]) for q in range(low.shape[1])]


def krawczyk(
    derived: Derivatives, lower: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the image of each box under Krawczyk's operator.

    All stationary points in a box are in its image; if that is inside of the box there
    is exactly one. Where the Hessian in the middle is singular the image is infinite.
    """
    n = derived.n
    c = middles(lower, upper)
    found, slopes = derived.curvature(lower, upper), derived.slopes(c, c)
    with np.errstate(all="ignore"):
        middle = 0.5 * found.low + 0.5 * found.high
        fine = found.smooth & np.isfinite(middle).all((1, 2))
        fine &= np.isfinite(slopes.low).all(0) & np.isfinite(slopes.high).all(0)
        middle[~fine] = np.eye(n)
        size = np.abs(np.linalg.det(middle))
        fine &= np.isfinite(size) & (size > 0)
        middle[~fine] = np.eye(n)
        inverse = np.linalg.inv(middle)
        fine &= np.isfinite(inverse).all((1, 2))
        low, high = _product(inverse, found.low, found.high)
        off = np.maximum(np.abs(np.eye(n) - low), np.abs(np.eye(n) - high))
        off = off * (1 + 4 * EPS) + 4 * EPS * np.eye(n)
        radius = np.maximum(upper - c, c - lower).T[:, :, None] * (1 + 4 * EPS)
        spread = (off @ radius)[:, :, 0].T * (1 + 4 * (n + 2) * EPS) + 1e-300
        sides = (side.T[:, :, None] for side in (slopes.low, slopes.high))
        step_low, step_high = (each[:, :, 0].T for each in _product(inverse, *sides))
        low, high = c - step_high - spread, c - step_low + spread
        size = np.abs(c) + np.maximum(np.abs(step_low), np.abs(step_high)) + spread
        low, high = low - 4 * EPS * size, high + 4 * EPS * size
    low[:, ~fine], high[:, ~fine] = -math.inf, math.inf
    low = np.where(np.isnan(low), -math.inf, low)
    return low, np.where(np.isnan(high), math.inf, high)


def _product(
    matrices: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return matrices times interval matrices, the errors of sums included."""
    middle = 0.5 * low + 0.5 * high
    radius = np.maximum(high - middle, middle - low) * (1 + 4 * EPS) + 1e-300
    n = matrices.shape[1]
    whole = radius + 4 * (n + 2) * EPS * (np.abs(middle) + radius)
    spread = (np.abs(matrices) @ whole) * (1 + 4 * (n + 4) * EPS) + 1e-300
    centre = matrices @ middle
    return centre - spread, centre + spread
