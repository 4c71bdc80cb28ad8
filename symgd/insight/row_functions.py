"""A function of one number on many intervals at once: its curvature and its range."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import sympy as sp

from symgd.calculus import derivatives
from symgd.errors import FormulaError
from symgd.insight import extremes, univariate
from symgd.insight.boxes import Box
from symgd.insight.rough import Rough
from symgd.insight.row_values import columns_of, leaves_of
from symgd.insight.second_derivatives import Derivatives
from symgd.insight.tape import Enclosed, NotEnclosed, Tape
from symgd.insight.univariate import CONCAVE, CONVEX, T
from symgd.kernels.operations import SMOOTH

CELLS = 256  # into which the range of what has no data is cut
PIECES = 8  # into which each row's range is cut, where there are data
FAR = 2.0 ** np.arange(-6, 13)


class RowBends(NamedTuple):
    """Of each interval: ends of the second derivative, and of the value."""

    low: np.ndarray
    high: np.ndarray
    value: np.ndarray  # its lower end; -inf also where it may be undefined
    defined: np.ndarray


class RowFunction:
    """phi(t), with numbers of a row in it.

    Parameters
    ----------
    phi : SymPy expression
    seconds : float
        How long its curvature on an unbounded range is looked for.
    """

    def __init__(self, phi: sp.Expr, seconds: float) -> None:
        self.seconds = seconds
        self._known: dict[tuple[float, float], tuple[float, float]] = {}
        self.leaves = [leaf for leaf in leaves_of(phi) if leaf != T]
        names = [sp.Dummy(real=True) for _ in self.leaves]
        self.phi = phi.xreplace(dict(zip(self.leaves, names, strict=True)))
        self.symbols = (T, *names)

    @functools.cached_property
    def _derivatives(self) -> tuple[sp.Expr, sp.Expr]:
        (first,) = derivatives.gradient(self.phi, (T,))
        return first, derivatives.hessian(sp.Matrix([first]), (T,))[0, 0]

    @functools.cached_property
    def _slope(self) -> Tape:
        return Tape([self._derivatives[0]], self.symbols)

    def slopes(self, t: Rough, facts: Sequence[Rough]) -> Rough:
        """Return the first derivative at a number of each row.

        Raises
        ------
        NotEnclosed, FormulaError
            If there is none.
        """
        low, high = columns_of([t, *facts])
        found = self._slope(low, high)
        return Rough.between(found.low[0], found.high[0])

    @functools.cached_property
    def _tape(self) -> Tape | None:
        """The function, and its second derivative, as far as they can be enclosed."""
        for outputs in (lambda: [self.phi, self._derivatives[1]], lambda: [self.phi]):
            with contextlib.suppress(NotEnclosed, FormulaError):
                return Tape(outputs(), self.symbols)
        return None

    @functools.cached_property
    def bends_alike(self) -> bool:
        """Whether the second derivative is the same for all t."""
        try:
            second = self._derivatives[1]
        except FormulaError:
            return False
        return T not in second.free_symbols and bool(self.phi.is_polynomial(T))

    def bends(
        self, low: np.ndarray, high: np.ndarray, facts: Sequence[Rough]
    ) -> RowBends:
        """Return what holds where t is between two numbers, for each row."""
        if facts:
            return self._in_pieces(low, high, facts)
        edges = _edges(float(low.min()), float(high.max()))
        cells = self._on(edges[None, :-1], edges[None, 1:])
        known = self._overall(*_outward(edges[0], edges[-1]))
        lows = np.maximum(_over(edges, -cells.low, low, high) * -1, known[0])
        highs = np.minimum(_over(edges, cells.high, low, high), known[1])
        value = -_over(edges, -cells.value, low, high)
        bad = _over(edges, (~cells.defined).astype(float), low, high) > 0
        # A curvature that is bounded on one side is that of what is continuous.
        return RowBends(lows, highs, value, ~bad | bool(np.isfinite(known).any()))

    def at(self, low: np.ndarray, high: np.ndarray, facts: Sequence[Rough]) -> Rough:
        """Return the second derivative near a number of each row."""
        found = self._on(low[None, :], high[None, :], facts)
        return Rough.between(found.low, found.high)

    def _in_pieces(
        self, low: np.ndarray, high: np.ndarray, facts: Sequence[Rough]
    ) -> RowBends:
        count = 1 if self.bends_alike else PIECES
        if np.isfinite(low).all() and np.isfinite(high).all():
            parts = [low + (high - low) * (k / count) for k in range(count + 1)]
        else:
            cuts = (-FAR[::-4], [0.0], FAR[::4])
            parts = [np.clip(cut, low, high) for cut in np.concatenate(cuts)]
        parts[0], parts[-1] = low, high
        found = [
            self._on(a[None], b[None], facts) for a, b in itertools.pairwise(parts)
        ]
        ways = (np.minimum, np.maximum, np.minimum, np.logical_and)
        columns = zip(*found, strict=True)
        joined = (way.reduce(each) for way, each in zip(ways, columns, strict=True))
        return RowBends(*joined)

    def _on(
        self, low: np.ndarray, high: np.ndarray, facts: Sequence[Rough] = ()
    ) -> RowBends:
        rows = low.shape[1]
        if self._tape is None:
            unknown = np.full(rows, np.inf)
            return RowBends(-unknown, unknown, -unknown, np.zeros(rows, bool))
        more_low, more_high = columns_of(facts, rows)
        sides = np.vstack([low, more_low]), np.vstack([high, more_high])
        found: Enclosed = self._tape(*map(np.ascontiguousarray, sides))
        defined = found.known[0] > 0
        value = np.where(defined & ~np.isnan(found.low[0]), found.low[0], -np.inf)
        ends = np.full(rows, -np.inf), np.full(rows, np.inf)
        if len(found.low) > 1:
            smooth = found.known[0] == SMOOTH
            smooth &= ~np.isnan(found.low[1]) & ~np.isnan(found.high[1])
            ends = (
                np.where(smooth, found.low[1], -np.inf),
                np.where(smooth, found.high[1], np.inf),
            )
        return RowBends(*ends, value, defined)

    def _overall(self, low: float, high: float) -> tuple[float, float]:
        """Return ends of the second derivative; of kinks that of what bends one way."""
        if (low, high) not in self._known:
            self._known[low, high] = self._found(low, high)
        return self._known[low, high]

    def _found(self, low: float, high: float) -> tuple[float, float]:
        box = Box([low], [high])
        bits = univariate.bits_of(univariate.OfOne(self.phi, T, box))
        signs = bool(bits & CONVEX), bool(bits & CONCAVE)
        if not math.isinf(high - low):
            return (0.0 if signs[0] else -math.inf), (0.0 if signs[1] else math.inf)
        until = time.monotonic() + self.seconds
        found = extremes.curvatures(Derivatives(self.phi, [T]), box, until, *signs)
        return found.least.lower, found.most.upper


def _edges(low: float, high: float) -> np.ndarray:
    """Return where a range is cut into cells."""
    if math.isfinite(low) and math.isfinite(high):
        made = np.linspace(low, high, CELLS + 1)
    else:
        made = np.concatenate([[low], -FAR[::-1], [0.0], FAR, [high]])
        made = np.unique(np.clip(made, low, high))
    if len(made) < 2:
        made = np.array([low, high])
    made[0], made[-1] = low, high
    return made


def _outward(low: float, high: float) -> tuple[float, float]:
    """Return a range with few digits around another, so that there are few of them."""

    def below(x: float) -> float:
        if x == 0 or math.isinf(x):
            return x
        exponent = math.floor(math.log2(abs(x)))
        return 2.0**exponent if x > 0 else -(2.0 ** (exponent + 1))

    return below(low), -below(-high)


def _over(
    edges: np.ndarray, cells: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Return the largest number of the cells that each range touches."""
    last = len(cells) - 1
    first = np.clip(np.searchsorted(edges, low, "left") - 1, 0, last)
    until = np.clip(np.searchsorted(edges, high, "right") - 1, first, last)
    level = np.log2(until - first + 1).astype(int)
    tables = [cells]
    for k in range(int(level.max(initial=0))):
        gap = 2**k
        longer = tables[-1].copy()
        longer[:-gap] = np.maximum(tables[-1][:-gap], tables[-1][gap:])
        tables.append(longer)
    table = np.stack(tables)
    return np.maximum(table[level, first], table[level, until - 2**level + 1])
