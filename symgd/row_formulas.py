"""The formulas of one row that fits are made of: loss, gradient, curvature."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp

from symgd import derivatives
from symgd.losses import RESIDUAL, Loss


@dataclass(frozen=True)
class RowFormulas:
    """What a row adds to the sum of weight*rho((model - target)/sigma), symbolically.

    Attributes
    ----------
    model : SymPy expression
    parameters : tuple of symbols
    target : symbol
    sigma, weight : SymPy expression
        1, or a symbol of a column.
    loss : Loss

    Examples
    --------
    >>> from symgd import losses
    >>> a, t, y = sp.symbols("a t y", real=True)
    >>> squared = losses.read("squared", {})
    >>> RowFormulas(a * t, (a,), y, sp.S.One, sp.S.One, squared).gauss_newton
    [(a*t - y)**2/2, (a*t - y)**2, t*(a*t - y), t**2]
    """

    model: sp.Expr
    parameters: tuple[sp.Symbol, ...]
    target: sp.Symbol
    sigma: sp.Expr
    weight: sp.Expr
    loss: Loss

    @functools.cached_property
    def constants(self) -> tuple[sp.Symbol, ...]:
        """The loss's constants, and a scale of residuals, by names that are free."""
        taken = {*self.model.free_symbols, self.target, self.sigma, self.weight}
        names = {each.name for each in taken if each.is_Symbol}
        wanted = [*self.loss.constants, sp.Symbol("scale")]
        return () if self.loss.squares else tuple(unused(s.name, names) for s in wanted)

    @functools.cached_property
    def jacobian(self) -> sp.ImmutableMatrix:
        """The model's derivatives by its parameters, a column."""
        return derivatives.gradient(self.model, self.parameters)

    @functools.cached_property
    def hessian(self) -> sp.ImmutableMatrix:
        """The model's second derivatives by its parameters."""
        return derivatives.hessian(self.jacobian, self.parameters)

    @property
    def curve(self) -> list[sp.Expr]:
        """The model and its derivatives."""
        return [self.model, *self.jacobian]

    @functools.cached_property
    def gauss_newton(self) -> list[sp.Expr]:
        """Value, size, gradient, and the lower triangle of J'WJ."""
        weight = self._of(self.loss.weight) / self._unit**2
        return [*self._sloped, *self._products(weight)]

    @functools.cached_property
    def newton(self) -> list[sp.Expr]:
        """Value, size, gradient, the Hessian, and the products of the gradient."""
        bend = self._products(self._of(self.loss.curvature) / self._unit**2)
        places = self._places
        seconds = [self._slope * self.hessian[i, j] for i, j in places]
        exact = map(sp.Add, bend, seconds)
        return [*self._sloped, *exact, *self._products(self._slope**2)]

    @property
    def _unit(self) -> sp.Expr:
        return self.sigma * self.constants[-1] if self.constants else self.sigma

    @property
    def _places(self) -> list[tuple[int, int]]:
        return list(zip(*np.tril_indices(len(self.parameters)), strict=True))

    def _of(self, loss: sp.Expr) -> sp.Expr:
        """Return a formula in r with the residual of a row in its place."""
        names = dict(zip(self.loss.constants, self.constants, strict=False))
        residual = (self.model - self.target) / self._unit
        return self.weight * loss.xreplace(names).xreplace({RESIDUAL: residual})

    @functools.cached_property
    def _slope(self) -> sp.Expr:
        return self._of(self.loss.score) / self._unit

    @functools.cached_property
    def _sloped(self) -> list[sp.Expr]:
        whole = (self.loss.value, self.loss.score * RESIDUAL)
        return [*map(self._of, whole), *(self._slope * j for j in self.jacobian)]

    def _products(self, factor: sp.Expr) -> list[sp.Expr]:
        slopes: Sequence[sp.Expr] = list(self.jacobian)
        return [factor * slopes[i] * slopes[j] for i, j in self._places]


@functools.lru_cache(maxsize=64)
def row_formulas(*parts: sp.Basic) -> RowFormulas:
    """Return formulas, those of an earlier fit of the same model if there was one."""
    return RowFormulas(*parts)


def unused(name: str, taken: set[str]) -> sp.Symbol:
    """Return a symbol whose name is none of those taken, and take it.

    >>> unused("scale", {"scale", "a"})
    scale_
    """
    while name in taken:
        name += "_"
    taken.add(name)
    return sp.Symbol(name, real=True)
