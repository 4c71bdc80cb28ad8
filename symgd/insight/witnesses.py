"""Points that show that a formula isn't convex, each to be computed again exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from symgd.calculus import derivatives
from symgd.errors import FormulaError
from symgd.insight import spectra
from symgd.insight.boxes import EPS, Box, around
from symgd.insight.exact import rational
from symgd.insight.second_derivatives import Derivatives
from symgd.insight.tape import NotEnclosed
from symgd.language.nodes import symbol
from symgd.language.text import number

DIGITS = 50
ALONG = sp.Dummy("s", real=True)  # how far along a direction
TRIED = 5  # points whose direction is looked at closely
BITS = 2.0**20  # of a direction's components
CHORDS = 2000
SHOWN = 4  # coordinates of many


@dataclass(frozen=True)
class Witness:
    """A point and a direction along which the second derivative is negative.

    Attributes
    ----------
    x, v : dict of str to float
        The point and the direction, by name.
    curvature : float
        The second derivative along v, an upper bound of it.
    """

    x: dict[str, float]
    v: dict[str, float]
    curvature: float
    expression: sp.Expr

    def check(self) -> sp.Expr:
        """Compute the second derivative along v anew, by SymPy with 50 digits.

        Returns
        -------
        SymPy number
            It is negative.
        """
        along = {
            symbol(name): rational(x) + rational(self.v[name]) * ALONG
            for name, x in self.x.items()
        }
        line = self.expression.xreplace(along)
        first = derivatives.gradient(line, (ALONG,))
        second = derivatives.hessian(first, (ALONG,))[0, 0]
        return second.xreplace({ALONG: sp.S.Zero}).evalf(DIGITS)

    def __str__(self) -> str:
        along = ", ".join(f"{k}={number(v)}" for k, v in self.v.items())
        where = ", ".join(f"{k}={number(x)}" for k, x in self.x.items())
        value = number(self.curvature)
        return f"at {where} along {along} the second derivative is {value}"


@dataclass(frozen=True)
class RowWitness:
    """The same of a sum over rows, whose second derivatives are enclosed row by row.

    Attributes
    ----------
    x, v : dict of str to float
    curvature : float
    """

    x: dict[str, float]
    v: dict[str, float]
    curvature: float
    form: Callable[[Sequence[float], Sequence[float]], tuple[float, float]]

    def check(self) -> sp.Expr:
        """Compute an upper bound of the second derivative along v anew."""
        return sp.Float(self.form(list(self.x.values()), list(self.v.values()))[1])

    def __str__(self) -> str:
        where, along = _largest(self.x), _largest(self.v)
        value = number(self.curvature)
        return f"at {where} along {along} the second derivative is at most {value}"


def _largest(point: dict[str, float]) -> str:
    """Return the largest coordinates of a point, as there may be hundreds."""
    names = sorted(point, key=lambda name: -abs(point[name]))
    shown = [f"{name}={number(point[name])}" for name in names[:SHOWN]]
    return ", ".join(shown + ["..."] * (len(names) > SHOWN))


@dataclass(frozen=True)
class Chord:
    """Two points, and by how much f in their middle is above the chord between them."""

    a: dict[str, float]
    b: dict[str, float]
    above: float
    expression: sp.Expr

    def check(self) -> sp.Expr:
        """Compute anew how far the middle is above, by SymPy with 50 digits."""
        symbols = [s for s in self.expression.free_symbols if s.name in self.a]
        a, b = ({s: rational(e[s.name]) for s in symbols} for e in (self.a, self.b))
        middle = {s: (a[s] + b[s]) / 2 for s in symbols}
        f = self.expression
        ends = f.xreplace(a) + f.xreplace(b)
        return (f.xreplace(middle) - ends / 2).evalf(DIGITS)

    def __str__(self) -> str:
        one, two = (
            ", ".join(f"{k}={number(x)}" for k, x in each.items())
            for each in (self.a, self.b)
        )
        return f"between {one} and {two} the middle is {number(self.above)} above"


def negative_curvature(
    derived: Derivatives, box: Box, points: np.ndarray
) -> Witness | None:
    """Return a proven witness at one of some points, if there is one."""
    try:
        found = derived.curvature(*around(points, box))
    except NotEnclosed:
        return None
    good = found.smooth & np.isfinite(found.low).all((1, 2))
    good &= np.isfinite(found.high).all((1, 2))
    where = np.flatnonzero(good)
    if not where.size:
        return None
    middle = 0.5 * found.low[where] + 0.5 * found.high[where]
    values, vectors = np.linalg.eigh(middle)
    size = np.maximum(np.abs(middle).sum(2).max(1), 1e-300)
    for q in np.argsort(values[:, 0] / size)[:TRIED]:
        v = _few_digits(vectors[q, :, 0])
        _, most = spectra.form(found.low[where[q]], found.high[where[q]], v)
        if most < 0:
            made = _witness(derived, points[:, where[q]], v, most)
            if _is_confirmed(made, -1):
                return made
    return None


def _few_digits(vector: np.ndarray) -> np.ndarray:
    v = vector / np.abs(vector).max()
    return np.round(v * BITS) / BITS * np.sign(v[np.argmax(np.abs(v))])


def _witness(
    derived: Derivatives, x: np.ndarray, v: np.ndarray, value: float
) -> Witness:
    names = [s.name for s in derived.symbols]
    at, along = dict(zip(names, x.tolist(), strict=True)), {}
    along = dict(zip(names, (v + 0.0).tolist(), strict=True))
    return Witness(at, along, value, derived.expression)


def _is_confirmed(made: Any, sign: int) -> bool:
    """Return whether 50 digits say the same as intervals do."""
    try:
        value = made.check()
    except (FormulaError, ArithmeticError, TypeError, ValueError):
        return False
    return bool(value.is_Float or value.is_Rational) and bool(sign * value > 0)


def chord(derived: Derivatives, box: Box, seed: int = 0) -> Chord | None:
    """Return two points whose middle is proven to be above the chord, or None."""
    rng = np.random.default_rng(seed)
    low, high = box.within_reach()
    a = low + (high - low) * rng.random((box.n, CHORDS))
    b = low + (high - low) * rng.random((box.n, CHORDS))
    near = rng.random(CHORDS) < 0.5
    b[:, near] = a[:, near] + (b - a)[:, near] * 10 ** rng.uniform(-3, 0, near.sum())
    with np.errstate(over="ignore"):  # few digits: their middle is exact
        a, b = (p.astype(np.float32).astype(float) for p in (a, b))
    a, b = box.clipped(a), box.clipped(b)
    middle = 0.5 * a + 0.5 * b
    fair = ((middle - a) == (b - middle)).all(0)
    try:
        at_a, at_b, at_middle = (derived.value(p, p) for p in (a, b, middle))
    except NotEnclosed:
        return None
    with np.errstate(all="ignore"):
        above = at_middle.low[0] - 0.5 * at_a.high[0] - 0.5 * at_b.high[0]
        ends = (at_middle.low[0], at_a.high[0], at_b.high[0])
        size = sum(np.abs(e) for e in ends)
        fair &= (above > 8 * EPS * size + 1e-300) & np.isfinite(size)
    fair &= np.all([each.known[0] > 0 for each in (at_a, at_b, at_middle)], axis=0)
    if not fair.any():
        return None
    q = int(np.argmax(np.where(fair, above / np.maximum(size, 1e-300), -1.0)))
    names = [s.name for s in derived.symbols]
    one, two = (dict(zip(names, p[:, q].tolist(), strict=True)) for p in (a, b))
    made = Chord(one, two, float(above[q]), derived.expression)
    return made if _is_confirmed(made, 1) else None


def to_blame(expression: sp.Expr, witness: Witness | Chord) -> sp.Expr:
    """Return the term of a sum whose part of a witness is the worst."""
    terms: Sequence[sp.Expr] = sp.Add.make_args(expression)

    def part(term: sp.Expr) -> float:
        if not term.free_symbols:
            return 0.0
        if isinstance(witness, Witness):
            one = Witness(witness.x, witness.v, 0.0, term)
            return float(one.check())
        return -float(Chord(witness.a, witness.b, 0.0, term).check())

    try:
        return min(terms, key=part)
    except (FormulaError, TypeError, ValueError, ArithmeticError):
        return expression
