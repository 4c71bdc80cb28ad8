"""What is proven of sums over rows: the Hessian is A'DA, with D enclosed row by row.

Between A'diag(low)A and A'diag(high)A, in the order of symmetric matrices: rows are
gone through once, however many there are.

Source: Laue, Mitterreiter and Giesen 2018, "Computing higher order derivatives of
matrix and tensor expressions"; Boehning 1992, "Multinomial logistic regression
algorithm", for the bound.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import sympy as sp

from symgd.errors import FormulaError
from symgd.insight import spectra
from symgd.insight.bounded_formula import BoundedFormula
from symgd.insight.boxes import EPS, SMALL, Box
from symgd.insight.convexity import Verdict
from symgd.insight.deadlines import is_past
from symgd.insight.extremes import NOTHING, Curvatures, Enclosure
from symgd.insight.gram import Gram
from symgd.insight.rough import Rough, lost_in_sum
from symgd.insight.row_functions import RowFunction
from symgd.insight.row_terms import RowTerm, row_terms
from symgd.insight.row_values import RowValues
from symgd.insight.tape import NotEnclosed
from symgd.insight.witnesses import RowWitness
from symgd.language.formula import text_of

DRAWN = 1  # points beside the middle of the bounds
SCALES = (1.0, 0.1, 10.0, 0.01, 100.0, 3.0, 0.3, 30.0)  # of points that are tried
BENDS = "each row is a {} function of what is affine"
LATE = "the time was up after {} rows: give a larger time_limit"


class Chunk(NamedTuple):
    """Some rows: affine forms as a matrix and constants, weights, other data."""

    a: Rough
    b: Rough
    weight: Rough
    facts: list[Rough]


class RowProofs:
    """The proofs of a sum over rows.

    Parameters
    ----------
    problem : BoundedFormula
        Of an objective with arrays.
    deadline : float
        Of ``time.monotonic()``.

    Raises
    ------
    NotOfRows
        If the formula isn't a sum of functions of one affine form each.
    """

    def __init__(self, problem: BoundedFormula, deadline: float) -> None:
        arrays = problem.objective.arrays
        assert arrays is not None
        self.problem, self.rows = problem, RowValues(arrays)
        sides = [
            (problem.fixed[name],) * 2 if name in problem.fixed else None
            for name in arrays.space
        ]
        self.free = np.array([k for k, pair in enumerate(sides) if pair is None], int)
        self.lower = np.array([pair[0] if pair else 0.0 for pair in sides])
        self.upper = self.lower.copy()
        self.lower[self.free] = problem.box.lower[:, 0]
        self.upper[self.free] = problem.box.upper[:, 0]
        self.terms = row_terms(problem.expression, arrays.variables)
        seconds = max(0.05, 0.3 * (deadline - time.monotonic()))
        self.functions = [
            RowFunction(t.phi, seconds / len(self.terms)) for t in self.terms
        ]
        self.points = self._points(problem.box)
        self._go_through(deadline)

    def _points(self, box: Box) -> np.ndarray:
        """Return points within the bounds, a row each."""
        drawn = box.points(DRAWN)
        near = np.clip(np.zeros((box.n, 1)), box.lower, box.upper)
        points = np.hstack([near, drawn[:, : 1 + DRAWN]]).T
        return np.unique(points, axis=0)

    # ------------------------------------------------------------------ the rows

    def _go_through(self, deadline: float) -> None:
        n = len(self.free)
        self.least, self.most = Gram(n), Gram(n)
        self.grams = [Gram(n) for _ in self.points]
        self.convex = self.concave = self.defined = True
        self.floor = 0.0  # of f
        self.late = ""
        self.undefined = ""
        seen = 0
        for term, function, chunk in self._chunks():
            if seen and is_past(deadline):
                self.late = LATE.format(f"{seen:,}")
                return
            self._enter(term, function, chunk)
            seen += len(chunk.b.value)

    def _chunks(self) -> Iterator[tuple[RowTerm, RowFunction, Chunk]]:
        """Yield all rows, some at a time."""
        for term, function in zip(self.terms, self.functions, strict=True):
            for count, indices in self.rows.chunks(term.ranges):
                form = self.rows.form(term.form, indices)
                facts = [self.rows.leaf(leaf, indices) for leaf in function.leaves]
                weight = self.rows.number(term.weight, indices)
                a = form.matrix(count, self.rows.width)
                numbers = _column(form.constant, count), _column(weight, count)
                yield term, function, Chunk(a, *numbers, facts)

    def _enter(self, term: RowTerm, function: RowFunction, chunk: Chunk) -> None:
        bends = function.bends(*self._between(chunk), chunk.facts)
        if not bends.defined.all():
            self.defined = False
            self.undefined = self.undefined or text_of(term.phi)
        ends = _products(bends.low, bends.high, chunk.weight)
        self.convex &= bool((ends[0] >= 0).all())
        self.concave &= bool((ends[1] <= 0).all())
        beyond = np.full(len(bends.value), np.inf)
        with np.errstate(over="ignore"):
            self.floor += float(_products(bends.value, beyond, chunk.weight)[0].sum())
        for gram, end in zip((self.least, self.most), ends, strict=True):
            gram.add(self._of_free(chunk), Rough(end, np.zeros(len(end))))
        for point, gram in zip(self.points, self.grams, strict=True):
            gram.add(self._of_free(chunk), self._at(point, function, chunk))

    def _of_free(self, chunk: Chunk) -> Rough:
        return Rough(chunk.a.value[:, self.free], chunk.a.error[:, self.free])

    def _between(self, chunk: Chunk) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends of affine forms within the bounds."""
        a, b = chunk.a, chunk.b
        with np.errstate(invalid="ignore", over="ignore"):
            ends = [_no_nan(a.value * side) for side in (self.lower, self.upper)]
            reach = np.maximum(np.abs(self.lower), np.abs(self.upper))
            fixed = _no_nan(a.error * reach).sum(1) + b.error
            found = []
            for chosen in (np.minimum(*ends), np.maximum(*ends)):
                size = np.abs(chosen).sum(1) + np.abs(b.value)
                lost = lost_in_sum(chosen.shape[1] + 1) * size
                found.append((chosen.sum(1) + b.value, (lost + fixed) * (1 + 1e-9)))
            (low, below), (high, above) = found
            low, high = low - below, high + above
        low, high = (
            np.where(np.isnan(each), sign * np.inf, each)
            for each, sign in ((low, -1), (high, 1))
        )
        return low, high

    def _at(self, point: np.ndarray, function: RowFunction, chunk: Chunk) -> Rough:
        """Return the second derivative by the affine form of each row near a point."""
        t = self._forms(point, chunk)
        around = SMALL * np.abs(t.value) + 2.0**-60
        bent = function.at(t.low - around, t.high + around, chunk.facts)
        return bent * chunk.weight

    def _forms(self, point: np.ndarray, chunk: Chunk) -> Rough:
        """Return the affine forms at a point."""
        (a, b), x = chunk[:2], self.lower.copy()
        x[self.free] = point
        with np.errstate(over="ignore", invalid="ignore"):
            size = (np.abs(a.value) + a.error) @ np.abs(x) + np.abs(b.value)
            lost = lost_in_sum(len(x) + 1) * size + a.error @ np.abs(x) + b.error
            return Rough(a.value @ x + b.value, lost * (1 + 1e-9))

    def at(self, point: np.ndarray) -> Gram:
        """Return the Hessian at a point, by free coordinates."""
        gram = Gram(len(self.free))
        for _, function, chunk in self._chunks():
            gram.add(self._of_free(chunk), self._at(point, function, chunk))
        return gram

    def _form(self, x: Sequence[float], v: Sequence[float]) -> tuple[float, float]:
        """Enclose the second derivative at a point along a direction of few digits."""
        gram = self.at(np.asarray(x))
        return spectra.form(gram.low, gram.high, np.asarray(v))

    # ----------------------------------------------------------------- the proofs

    def verdict(self, deadline: float) -> Verdict:
        """Return whether it is convex."""
        if self.late:
            return Verdict(None, None, self.late)
        flat = (self.least.known and not self.least.value.any()) and (
            self.most.known and not self.most.value.any()
        )
        if self.convex and self.concave and flat:
            return Verdict(True, True, "affine")
        if self.convex:
            return Verdict(True, None, BENDS.format("convex"))
        witness = self._witness()
        if self.concave:
            refuted = None if witness is None else False
            return Verdict(refuted, True, BENDS.format("concave"), witness)
        if witness is None:
            witness = self._witness_elsewhere(deadline)
        if witness is not None:
            return Verdict(False, None, str(witness), witness)
        return Verdict(None, None, "some rows may bend down, and others make up for it")

    def _witness(self) -> RowWitness | None:
        pairs = zip(self.points, self.grams, strict=True)
        found = (self._witness_at(point, gram) for point, gram in pairs)
        return next((each for each in found if each is not None), None)

    def _witness_elsewhere(self, deadline: float) -> RowWitness | None:
        rng, box = np.random.default_rng(0), self.problem.box
        for scale in SCALES:
            if is_past(deadline):
                return None
            point = box.clipped(scale * rng.standard_normal((box.n, 1)))[:, 0]
            if (found := self._witness_at(point, self.at(point))) is not None:
                return found
        return None

    def _witness_at(self, point: np.ndarray, gram: Gram) -> RowWitness | None:
        if not gram.known:
            return None
        v, _, high = gram.along(-1)
        if high >= 0:
            return None
        names = self.problem.names
        x, along = (dict(zip(names, p.tolist(), strict=True)) for p in (point, v))
        return RowWitness(x, along, high, self._form)

    def curvatures(self, deadline: float) -> Curvatures:
        """Enclose the extreme curvatures."""
        if self.late:
            return Curvatures(NOTHING, NOTHING)
        low, high = self.least.eigenvalues()[0], self.most.eigenvalues()[1]
        low = max(low, 0.0) if self.convex else low
        high = min(high, 0.0) if self.concave else high
        known = [gram for gram in self.grams if gram.known]
        reached = [gram.along(1)[1] for gram in known]
        fallen = [gram.along(-1)[2] for gram in known]
        return Curvatures(
            Enclosure(low, max(low, min(fallen, default=math.inf))),
            Enclosure(min(high, max(reached, default=-math.inf)), high + 0.0),
        )

    def per_coordinate(self) -> dict[str, float]:
        """Return upper bounds of the second derivatives by one coordinate each."""
        sides = []
        for gram in (self.least, self.most):
            ends = np.maximum(np.abs(gram.low), np.abs(gram.high))
            known = gram.known and not self.late
            sides.append(ends.diagonal() if known else np.full(len(ends), np.inf))
        largest = np.maximum(*sides).tolist()
        return dict(zip(self.problem.names, largest, strict=True))

    @property
    def domain(self) -> str:
        """Where it is defined."""
        if self.late:
            return f"unknown: {self.late}"
        if self.defined:
            return "defined and continuous throughout"
        return f"{self.undefined} may be undefined, or jump, in some row"

    @property
    def blocks(self) -> list[list[str]]:
        """All coordinates: whether some are apart isn't looked for."""
        return [self.problem.names]

    def bounded_below(self, least: float) -> bool | None:
        """Return whether f is proven to be bounded below."""
        if self.late or not self.defined:
            return None
        return True if least > 0 or self.floor > -math.inf else None

    @property
    def invariances(self) -> list[dict[str, sp.Expr]]:
        """None is looked for."""
        return []

    @property
    def symmetries(self) -> list[str]:
        """None is looked for."""
        return []

    @property
    def periods(self) -> dict[str, sp.Expr]:
        """None is looked for."""
        return {}

    @functools.cached_property
    def is_quadratic(self) -> bool:
        """Whether the Hessian is the same everywhere."""
        return all(function.bends_alike for function in self.functions)

    def gradient_norm(self, x: Sequence[float]) -> float:
        """Return at least the norm of the gradient at a point; inf if it is unknown."""
        point, whole = np.asarray(x, float), Rough(np.zeros(self.rows.width))
        try:
            for _, function, chunk in self._chunks():
                whole = whole + self._gradient(point, function, chunk)
        except (NotEnclosed, FormulaError):
            return math.inf
        size = (np.abs(whole.value) + whole.error)[self.free]
        return float(np.sqrt((size**2).sum()) * (1 + 1e-9))

    def _gradient(
        self, point: np.ndarray, function: RowFunction, chunk: Chunk
    ) -> Rough:
        slope = function.slopes(self._forms(point, chunk), chunk.facts) * chunk.weight
        size = np.abs(chunk.a.value) + chunk.a.error
        whole = np.abs(slope.value) + slope.error
        lost = lost_in_sum(len(size)) * (whole @ size)
        lost = lost + slope.error @ size + whole @ chunk.a.error
        return Rough(slope.value @ chunk.a.value, lost * (1 + 1e-9))


def _column(values: Rough, count: int) -> Rough:
    parts = (values.value, values.error)
    return Rough(*(np.broadcast_to(np.asarray(p, float), count) for p in parts))


def _no_nan(products: np.ndarray) -> np.ndarray:
    """Return products in which 0 times infinity is 0."""
    return np.where(np.isnan(products), 0.0, products)


def _products(
    low: np.ndarray, high: np.ndarray, weight: Rough
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of intervals times weights."""
    with np.errstate(invalid="ignore", over="ignore"):
        ends = [_no_nan(a * b) for a in (low, high) for b in (weight.low, weight.high)]
        least, most = np.minimum.reduce(ends), np.maximum.reduce(ends)
        exact = (weight.error == 0) & (np.abs(weight.value) == 1)
        rounded = least - 2 * EPS * np.abs(least), most + 2 * EPS * np.abs(most)
        least, most = (
            np.where(exact | np.isinf(end), end, moved)
            for end, moved in zip((least, most), rounded, strict=True)
        )
        return least, most
