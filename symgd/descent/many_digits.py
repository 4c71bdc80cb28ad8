"""Values and slopes of a formula in many digits, around a point.

Far out, terms of a formula cancel each other, or are rounded to what they tend to:
float64 shows nothing of what is left.

Elsewhere: arbitrary precision arithmetic.
"""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import mpmath
import sympy as sp
from sympy.codegen.cfunctions import expm1

from symgd.language.digits import as_written, value_of, written
from symgd.language.functions import log_cosh, sigmoid, softplus
from symgd.language.nodes import parts_of
from symgd.objectives.objective import Objective

Direction: TypeAlias = "list[Any]"

DIGITS = 500
SEEN = 400  # of the digits, beside the largest values
APART = 150  # digits below x, of the points of which differences are taken
PARALLEL = 20  # digits, of slopes that are one another's multiples
FLAT = 12  # digits below the largest curvature: of what doesn't curve
NEAR = 1e-2  # units: how far the bottom of a valley may be
CORRECTIONS = 6  # steps to where kinks meet, or to the bottom of a valley
SATURATED = (sp.tanh, sp.erf, sp.erfc, expm1, sigmoid, softplus, log_cosh)
SHORT = 15  # of their arguments, in digits that show what is left
CHOICES = (sp.Abs, sp.Max, sp.Min)


class ManyDigits:
    """A formula around a point, in units of its coordinates.

    All of it is to be asked within ``language.digits.digits(DIGITS)``.
    """

    def __init__(
        self,
        objective: Objective,
        x: Sequence[float],
        sizes: Sequence[float],
        scale: float,
    ) -> None:
        self.nodes = sum(1 for _ in parts_of(objective.expression))
        self.expression = objective.expression
        self.names = objective.space.names
        given = objective.parameters.items()
        self.constants = {k: as_written(v) for k, v in given}
        self.x, self.sizes = list(map(mpmath.mpf, x)), list(map(mpmath.mpf, sizes))
        self._scale = scale

    def straightened(
        self, kinks: Sequence[sp.Expr], free: Sequence[bool]
    ) -> ManyDigits | None:
        """Return the same with bent kinks as coordinates; None if none is bent.

        Where a kink is y = g(x), the others are as they were in what is y - g(x): f
        falls for ever in these coordinates if it does in those.

        Parameters
        ----------
        free : sequence of bool
            Which variables have no bounds.
        """
        other, taken = copy.copy(self), set[str]()
        other.x, whole = list(self.x), self.with_numbers(self.expression)
        for kink in map(self.with_numbers, kinks):
            symbols = {each.name: each for each in kink.free_symbols}
            slopes = {name: sp.diff(kink, each) for name, each in symbols.items()}
            varying = {name for name, slope in slopes.items() if self._varies(slope)}
            bent = bool(varying.intersection(self.names))
            for k, name in enumerate(self.names):
                slope = slopes.get(name, sp.S.Zero)
                usable = free[k] and slope != 0 and name not in varying
                if bent and usable and not taken & symbols.keys():
                    y, new = symbols[name], sp.Dummy(real=True)
                    whole = whole.xreplace({kink: new, -kink: -new})
                    rest = kink.xreplace({y: sp.S.Zero})
                    whole = whole.xreplace({y: (y - rest) / slope, new: y})
                    other.x[k] = self._value(kink, self.x)
                    taken.add(name)
                    break
        other.expression = sp.expand_mul(whole)  # what cancels is gone
        return other if taken else None

    def with_numbers(self, part: sp.Expr) -> sp.Expr:
        """Return a part of the formula with constants as exact numbers."""
        known = ((each, self.constants.get(each.name)) for each in part.free_symbols)
        exact = {each: sp.Rational(written(v)) for each, v in known if v is not None}
        return part.xreplace(exact)

    def _varies(self, part: sp.Expr) -> bool:
        return any(each.name in self.names for each in part.free_symbols)

    @functools.cached_property
    def unseen(self) -> Any:
        """What no value shows, beside those there were, or what they are made of."""
        scale = mpmath.mpf(self._scale) or self.largest_part()
        return mpmath.mpf(10) ** -SEEN * scale

    def largest_part(self) -> Any:
        """Return the size of the largest number that the value is made of."""
        return max(self.values_of_parts())

    def values_of_parts(self) -> Iterator[Any]:
        """Yield the sizes of the numbers that the value is made of."""
        parts = (e for e in parts_of(self.expression) if isinstance(e, sp.Expr))
        values = (abs(self._value(each, self.x)) for each in parts)
        return filter(mpmath.isfinite, values)

    def is_saturated(self, least: Any) -> bool:
        """Return whether a function may be too near to its limit for any digit to show.

        Exponentials and quotients never are 0: they are above a least size.
        """
        whole = self.expression
        inner = (e.args[0] for e in whole.atoms(*SATURATED))
        if any(not abs(self._value(each, self.x)) < SHORT for each in inner):
            return True
        powers = (e for e in whole.atoms(sp.Pow) if not e.exp.is_positive)
        never_0 = itertools.chain(whole.atoms(sp.exp), powers)
        return any(not abs(self._value(e, self.x)) > least for e in never_0)

    def moved(self, step: Sequence[Any]) -> Direction:
        """Return the point a step away."""
        steps = zip(self.x, step, self.sizes, strict=True)
        return [a + b * size for a, b, size in steps]

    def at(self, step: Sequence[Any], part: sp.Expr | None = None) -> Any:
        """Return the value a step away, or that of a part; NaN where there is none."""
        wanted = self.expression if part is None else part
        return self._value(wanted, self.moved(step))

    def branch(self, step: Sequence[Any]) -> sp.Expr:
        """Return the formula that holds around a point, without its choices.

        Of what is equal there, the one of fewest variables.
        """
        found, point = self.expression, self.moved(step)
        while choices := found.atoms(*CHOICES):
            taken = {}
            for node in choices:
                values = [self._value(each, point) for each in node.args]
                if isinstance(node, sp.Abs):
                    taken[node] = node.args[0] * (1 if values[0] >= 0 else -1)
                else:
                    best = (max if isinstance(node, sp.Max) else min)(values)
                    equal = (
                        arg
                        for arg, value in zip(node.args, values, strict=True)
                        if not abs(value - best) > self.unseen
                    )
                    taken[node] = min(equal, key=lambda arg: len(arg.free_symbols))
            found = found.xreplace(taken)
        return found

    def _value(self, part: sp.Expr, point: Sequence[Any]) -> Any:
        named = self.constants | dict(zip(self.names, point, strict=True))
        symbols = [each for each in part.free_symbols if each.name in named]
        return value_of(part, {each: named[each.name] for each in symbols})

    def slopes(self, part: sp.Expr) -> Direction:
        """Return the gradient of a part of the formula."""
        symbols = {each.name: each for each in part.free_symbols}
        return [
            size * self._value(sp.diff(part, symbols[name]), self.x)
            if name in symbols
            else mpmath.mpf(0)
            for name, size in zip(self.names, self.sizes, strict=True)
        ]

    def curvatures(self, basis: list[Direction]) -> tuple[list[Any], list[Direction]]:
        """Return the curvatures along a basis, and in which directions, or nothing."""
        m = len(basis)
        matrix = mpmath.matrix(m, m)
        for i, j in itertools.combinations_with_replacement(range(m), 2):
            matrix[i, j] = matrix[j, i] = self._curvature(basis[i], basis[j])
        if m == 0 or not all(map(mpmath.isfinite, matrix)):
            return [], []
        values, vectors = mpmath.eigsy(matrix)
        parts = [
            [[vectors[i, k] * each for each in basis[i]] for i in range(m)]
            for k in range(m)
        ]
        ways = [[mpmath.fsum(e) for e in zip(*rows, strict=True)] for rows in parts]
        return list(values), ways

    def _curvature(self, a: Direction, b: Direction) -> Any:
        """Return the second derivative along two directions, by differences."""
        h = mpmath.mpf(10) ** -APART
        total = mpmath.mpf(0)
        for s, t in itertools.product((h, -h), repeat=2):
            step = [s * p + t * q for p, q in zip(a, b, strict=True)]
            total += mpmath.sign(s * t) * self.at(step)
        return total / (4 * h * h)

    def settle(self, basis: list[Direction]) -> None:
        """Go to the bottom of the valley, by Newton's steps where f curves upwards."""
        h = mpmath.mpf(10) ** -APART
        for _ in range(CORRECTIONS):
            values, ways = self.curvatures(basis)
            least = max(map(abs, values), default=0) * mpmath.mpf(10) ** -FLAT
            step = [mpmath.mpf(0)] * len(self.x)
            for value, way in zip(values, ways, strict=True):
                if value > least:
                    ahead, behind = ([s * each for each in way] for s in (h, -h))
                    slope = (self.at(ahead) - self.at(behind)) / (2 * h)
                    far = slope / value
                    step = [a - far * b for a, b in zip(step, way, strict=True)]
            nowhere = [mpmath.mpf(0)] * len(self.x)
            if not (mpmath.norm(step) < NEAR and self.at(step) < self.at(nowhere)):
                break
            self.x = self.moved(step)

    def go_to(self, kinks: Sequence[sp.Expr]) -> list[Direction]:
        """Go to where all kinks meet; return a basis of the directions along them."""
        n = len(self.x)
        basis = [[mpmath.mpf(int(j == k)) for j in range(n)] for k in range(n)]
        values = [self._value(each, self.x) for each in kinks]
        for _ in range(CORRECTIONS if kinks else 0):
            slopes = [self.slopes(each) for each in kinks]
            if not all(map(mpmath.isfinite, itertools.chain(values, *slopes))):
                return []
            step, basis = across_and_along(slopes, values)
            self.x = self.moved(step)
            values = [self._value(each, self.x) for each in kinks]
            if all(abs(value) <= self.unseen for value in values):
                break
        return basis


def across_and_along(
    slopes: list[Direction], values: list[Any]
) -> tuple[Direction, list[Direction]]:
    """Return the shortest step to where linear parts are 0, and a basis along that."""
    n, sizes = len(slopes[0]), [mpmath.norm(each) or 1 for each in slopes]
    rows = [[a / s for a in row] for row, s in zip(slopes, sizes, strict=True)]
    rows += [[mpmath.mpf(0)] * n for _ in range(n - len(rows))]
    left, strengths, ways = mpmath.svd_r(mpmath.matrix(rows))
    least = mpmath.mpf(10) ** -PARALLEL
    step, along = [mpmath.mpf(0)] * n, []
    for k in range(n):
        way = [ways[k, j] for j in range(n)]
        if not strengths[k] > least:
            along.append(way)
            continue
        wanted = sum(left[i, k] * v / sizes[i] for i, v in enumerate(values))
        step = [a - wanted / strengths[k] * b for a, b in zip(step, way, strict=True)]
    return step, along
