"""A formula with its derivatives on boxes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import sympy as sp

from symgd.calculus import derivatives
from symgd.errors import FormulaError
from symgd.insight import spectra
from symgd.insight.boxes import Box, range_on
from symgd.insight.factors import expanded, factored
from symgd.insight.tape import NotEnclosed, Tape
from symgd.kernels.operations import SMOOTH

MOST_VARIABLES = 60  # of which there is a Hessian on boxes
LONG = 150  # operations of a determinant that SymPy is asked to simplify


class Curvature(NamedTuple):
    """Of each box: the Hessian's ends, whether f is smooth there, its determinant."""

    low: np.ndarray  # (boxes, n, n)
    high: np.ndarray
    smooth: np.ndarray
    determinant: np.ndarray | None  # its lower end, of two variables


class Derivatives:
    """A formula, its gradient and its Hessian on boxes.

    Each is there or raises ``NotEnclosed``: what isn't smooth has a gradient, what
    jumps has none.

    Parameters
    ----------
    expression : SymPy expression
    variables : sequence of symbols
    """

    def __init__(self, expression: sp.Expr, variables: Sequence[sp.Symbol]) -> None:
        self.expression, self.symbols = expression, tuple(variables)
        self.n = len(self.symbols)

    def require(self, *parts: str) -> None:
        """Find some of its parts.

        Raises
        ------
        NotEnclosed
            If one of them can't be enclosed.
        """
        for part in parts:
            getattr(self, part)

    @functools.cached_property
    def gradient(self) -> tuple[sp.Expr, ...]:
        """The first derivatives."""
        try:
            return tuple(derivatives.gradient(self.expression, self.symbols))
        except (FormulaError, RecursionError):
            raise NotEnclosed(self.expression) from None

    @functools.cached_property
    def hessian(self) -> list[sp.Expr]:
        """The lower triangle of second derivatives, row by row."""
        if self.n > MOST_VARIABLES:
            raise NotEnclosed(self.expression)
        column = sp.Matrix(self.gradient)
        try:
            whole = derivatives.hessian(column, self.symbols)
        except (FormulaError, RecursionError):
            raise NotEnclosed(self.expression) from None
        return [whole[i, j] for i in range(self.n) for j in range(i + 1)]

    @functools.cached_property
    def value(self) -> Tape:
        """The formula itself."""
        return Tape([self.expression], self.symbols)

    @functools.cached_property
    def first(self) -> Tape:
        """The formula and its gradient."""
        return Tape([self.expression, *self.gradient], self.symbols)

    @functools.cached_property
    def slopes(self) -> Tape:
        """The gradient alone."""
        return Tape(self.gradient, self.symbols)

    @functools.cached_property
    def second(self) -> Tape:
        """The formula, its Hessian, and of two variables the determinant."""
        more = [_simpler_determinant(*self.hessian)] if self.n == 2 else []
        return Tape([self.expression, *self.hessian, *more], self.symbols)

    def curvature(self, lower: np.ndarray, upper: np.ndarray) -> Curvature:
        """Enclose the Hessian on boxes, (variables, boxes)."""
        found = self.second(np.ascontiguousarray(lower), np.ascontiguousarray(upper))
        n, boxes = self.n, lower.shape[1]
        low, high = np.empty((boxes, n, n)), np.empty((boxes, n, n))
        places = ((i, j) for i in range(n) for j in range(i + 1))
        for k, (i, j) in enumerate(places, start=1):
            low[:, i, j] = low[:, j, i] = found.low[k]
            high[:, i, j] = high[:, j, i] = found.high[k]
        determinant = found.low[-1] if n == 2 else None
        return Curvature(low, high, found.known[0] == SMOOTH, determinant)

    def convex_on(self, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
        """Return on which boxes the formula is proven to be convex."""
        return self.proven_convex(self.curvature(lower, upper))

    @staticmethod
    def proven_convex(found: Curvature) -> np.ndarray:
        """Return where a Hessian is positive semidefinite, and all is smooth."""
        proven = spectra.semidefinite(found.low, found.high)
        if found.determinant is not None:
            diagonal = np.einsum("bii->bi", found.low)
            proven |= (diagonal >= 0).all(1) & (found.determinant >= 0)
        return proven & found.smooth


def _simpler_determinant(a: sp.Expr, b: sp.Expr, c: sp.Expr) -> sp.Expr:
    """Return a*c - b**2, simplified where that is quick: it may be 0 throughout."""
    whole = a * c - b**2
    if whole.count_ops() > LONG:
        return whole
    try:
        if whole.is_rational_function(*whole.free_symbols):
            simpler = factored(whole)
            return whole if simpler is None else simpler
        if (terms := expanded(whole)) is None:
            return whole
        simpler = sp.factor_terms(sp.powsimp(terms))
    except (sp.PolynomialError, AttributeError, TypeError, ValueError):
        return whole
    return simpler if simpler.count_ops() <= whole.count_ops() else whole


def range_of(
    expression: sp.Expr, variables: Sequence[Any], box: Box
) -> tuple[float, float, int]:
    """Enclose an expression on a box; nothing is known of what has no operation."""
    try:
        return range_on(Tape([expression], variables), box)
    except NotEnclosed:
        return -np.inf, np.inf, 0
