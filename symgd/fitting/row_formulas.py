"""The formulas of one row that fits are made of: loss, gradient, curvature."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from symgd.calculus import derivatives
from symgd.calculus.stable import stable
from symgd.fitting import breaks
from symgd.fitting.likelihoods import F, Y
from symgd.fitting.losses import RESIDUAL, RESOLUTION, Loss
from symgd.fitting.rows import Plan
from symgd.language.functions import real_abs, real_sign
from symgd.objectives.space import Space

SIGNS = (sp.Abs, real_abs, sp.sign, real_sign, sp.Heaviside)
CHOOSING = (sp.Max, sp.Min, *SIGNS, sp.floor, sp.ceiling, sp.Mod)
OFF = sp.Symbol("[off]", real=True)  # the residual of a row; f, for losses of pairs


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
    >>> from symgd.fitting import losses
    >>> a, t, y = sp.symbols("a t y", real=True)
    >>> squared = losses.read("squared", {})
    >>> line = RowFormulas(a * t, (a,), y, sp.S.One, sp.S.One, squared)
    >>> line.gauss_newton
    [[off]**2/2, [off]**2, [j0]*[off], [j0]**2, y**2]
    >>> line.firsts
    {[off]: a*t - y, [j0]: t}
    >>> line.linear, line.jumping
    ([0], [])
    """

    model: sp.Expr
    parameters: tuple[sp.Symbol, ...]
    target: sp.Symbol
    sigma: sp.Expr
    weight: sp.Expr
    loss: Loss

    @functools.cached_property
    def space(self) -> Space:
        """The parameters' names."""
        return Space([each.name for each in self.parameters])

    @functools.cached_property
    def used(self) -> set[sp.Basic]:
        """What a curve depends on, and the target, which is there for any model."""
        return self.model.free_symbols | {self.target}

    @functools.cached_property
    def waves(self) -> bool:
        """Whether the model has sines."""
        return bool(self.model.has(sp.sin, sp.cos))

    @functools.cached_property
    def plans(self) -> dict[Any, Plan]:
        """How sums over rows are computed, once that is known."""
        return {}

    def __getstate__(self) -> dict[str, Any]:
        # What is compiled belongs to a process.
        return {name: each for name, each in vars(self).items() if name != "plans"}

    @functools.cached_property
    def constants(self) -> tuple[sp.Symbol, ...]:
        """The loss's constants, the residuals' resolution and scale, by free names."""
        taken = {*self.model.free_symbols, self.target, self.sigma, self.weight}
        names = {each.name for each in taken if each.is_Symbol}
        wanted = [*self.loss.constants, sp.Symbol("resolution"), sp.Symbol("scale")]
        return () if self.loss.squares else tuple(unused(s.name, names) for s in wanted)

    @functools.cached_property
    def jacobian(self) -> sp.ImmutableMatrix:
        """The model's derivatives by its parameters, a column."""
        return derivatives.gradient(stable(self.model, powers=False), self.parameters)

    @functools.cached_property
    def hessian(self) -> sp.ImmutableMatrix:
        """The model's second derivatives by its parameters."""
        return derivatives.hessian(self.jacobian, self.parameters)

    @functools.cached_property
    def linear(self) -> list[int]:
        """Places of parameters in which the model is linear, jointly."""
        rows = self.hessian.tolist()
        bent = np.array([[each != 0 for each in row] for row in rows])
        choosing = choosers(self.model)
        chosen: list[int] = []
        for place in np.argsort(bent.sum(axis=1), kind="stable").tolist():
            chooses = self.parameters[place] in choosing
            if not (chooses or bent[place, [*chosen, place]].any()):
                chosen.append(place)
        return sorted(chosen)

    @functools.cached_property
    def jumping(self) -> list[int]:
        """Places of parameters that the model has no slope in, anywhere."""
        return [p for p, slope in enumerate(self.jacobian) if slope == 0]

    @functools.cached_property
    def borders(self) -> list[sp.Expr]:
        """What is 0 where the model may jump, by some parameter."""
        return breaks.borders(self.model, set(self.parameters))

    @functools.cached_property
    def breaking(self) -> list[int]:
        """Places of parameters on which it depends where the model may jump."""
        found = set[sp.Basic]().union(*(each.free_symbols for each in self.borders))
        return [p for p, name in enumerate(self.parameters) if name in found]

    @functools.cached_property
    def bends(self) -> list[sp.Expr]:
        """What is 0 where the model bends, by some parameter that it has a slope in."""
        fixed = {self.parameters[p] for p in self.jumping}
        moved = [
            b
            for b in self.borders
            if b.free_symbols.intersection(self.parameters) - fixed
        ]
        return [*moved, *breaks.bends(self.model, set(self.parameters))]

    @property
    def curve(self) -> list[sp.Expr]:
        """The model and its derivatives."""
        return [stable(self.model, powers=False), *self.jacobian]

    @functools.cached_property
    def firsts(self) -> dict[sp.Symbol, sp.Expr]:
        """The residual and the model's derivatives, by their names in the sums.

        Without names SymPy would make of exp(-t)*exp(-t) another exponential.
        """
        value = stable(self.model, powers=False)
        off = value if self.loss.pairs else (value - self.target) / self._unit
        return {OFF: off} | dict(zip(self._slopes, self.jacobian, strict=True))

    @functools.cached_property
    def seconds(self) -> dict[sp.Symbol, sp.Expr]:
        """The model's second derivatives that aren't 0, likewise."""
        values = [self.hessian[place] for place in self._places]
        pairs = zip(self._bends, values, strict=True)
        return {name: value for name, value in pairs if value != 0}

    @functools.cached_property
    def gauss_newton(self) -> list[sp.Expr]:
        """Value, size, gradient, lower triangle of J'WJ, and the target's size."""
        weight = self._of(self.loss.weight) / self._unit**2
        target = (
            self._of(self.loss.weight_of_rounding) * (self.target / self._unit) ** 2
        )
        return [*self._sloped, *self._products(weight), target]

    @functools.cached_property
    def newton(self) -> list[sp.Expr]:
        """Value, size, gradient, the Hessian, and the products of the gradient."""
        bend = self._products(self._of(self.loss.curvature) / self._unit**2)
        known = self.seconds.keys()
        seconds = [self._slope * b if b in known else 0 for b in self._bends]
        exact = map(sp.Add, bend, seconds)
        return [*self._sloped, *exact, *self._products(self._slope**2)]

    @property
    def losses(self) -> list[sp.Expr]:
        """The loss as it was given, score and curvature, each times the weight."""
        loss, off = self.loss, {OFF: self.firsts[OFF]}
        each = loss.plain, loss.score, loss.curvature
        return [self._of(formula).xreplace(off) for formula in each]

    @property
    def _unit(self) -> sp.Expr:
        if self.loss.pairs:
            return sp.S.One
        return self.sigma * self.constants[-1] if self.constants else self.sigma

    @property
    def _places(self) -> list[tuple[int, int]]:
        return list(zip(*np.tril_indices(len(self.parameters)), strict=True))

    @property
    def _slopes(self) -> list[sp.Symbol]:
        count = len(self.parameters)
        return [sp.Symbol(f"[j{k}]", real=True) for k in range(count)]

    @property
    def _bends(self) -> list[sp.Symbol]:
        return [sp.Symbol(f"[h{i} {j}]", real=True) for i, j in self._places]

    def _of(self, loss: sp.Expr) -> sp.Expr:
        """Return a formula in r with the residual of a row in its place."""
        ours = [*self.loss.constants, RESOLUTION]
        names = dict(zip(ours, self.constants, strict=False))
        pair = {F: OFF, Y: self.target} if self.loss.pairs else {RESIDUAL: OFF}
        return self.weight * loss.xreplace(names).xreplace(pair)

    @functools.cached_property
    def _slope(self) -> sp.Expr:
        return self._of(self.loss.score) / self._unit

    @functools.cached_property
    def _sloped(self) -> list[sp.Expr]:
        whole = (self.loss.value, self.loss.size)
        return [*map(self._of, whole), *(self._slope * j for j in self._slopes)]

    def _products(self, factor: sp.Expr) -> list[sp.Expr]:
        slopes = self._slopes
        return [factor * slopes[i] * slopes[j] for i, j in self._places]


@functools.lru_cache(maxsize=64)
def row_formulas(*parts: sp.Basic) -> RowFormulas:
    """Return formulas, those of an earlier fit of the same model if there was one."""
    return RowFormulas(*parts)


def choosers(model: sp.Expr) -> set[sp.Basic]:
    """Return the names that a choice depends on: where it changes, nothing is linear.

    >>> from symgd.language.formula import read
    >>> sorted(choosers(read("a*x + b*max(x - c, 0)")), key=str)
    [c, x]
    """
    found: set[sp.Basic] = set()
    for node in model.atoms(*CHOOSING):
        found |= node.free_symbols
    for node in model.atoms(sp.Piecewise):
        for _, condition in node.args:
            found |= condition.free_symbols
    return found


def unused(name: str, taken: set[str]) -> sp.Symbol:
    """Return a symbol whose name is none of those taken, and take it.

    >>> unused("scale", {"scale", "a"})
    scale_
    """
    while name in taken:
        name += "_"
    taken.add(name)
    return sp.Symbol(name, real=True)
