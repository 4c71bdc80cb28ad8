"""What a residual costs: losses are formulas in r, and what descents need of them.

Those that grow more slowly than squares are of robust regression (M-estimators).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sympy as sp

from symgd.calculus.derivatives import gradient
from symgd.errors import InputError, guess
from symgd.language import formula
from symgd.language.plain import constant

if TYPE_CHECKING:
    from symgd.language.formula import Formula

RESIDUAL = formula.symbol("r")
SMOOTHING = formula.symbol("smoothing")  # what makes |r| smooth on the way to it

NAMED = {
    "squared": "r**2/2",
    "huber": "r**2/2 if abs(r) <= huber_delta "
    "else huber_delta*(abs(r) - huber_delta/2)",
    "log_cosh": "softplus(2*r) - r - log(2)",
    "absolute": "sqrt(r**2 + smoothing**2)",
}
DEFAULTS = {"huber": {"huber_delta": 1.345}, "absolute": {"smoothing": 0.0}}
SCALED = ("huber", "log_cosh")  # those that mean nothing without a scale
TINY = 1e-8  # a residual at which psi(r)/r is as good as its limit


@dataclass(frozen=True)
class Loss:
    """A loss rho(r), its constants, and its derivatives as formulas in r.

    Attributes
    ----------
    name : str
        One of ``NAMED``, or "custom".
    value, score, curvature : SymPy expression
        rho, its derivative psi, and the derivative of psi.
    constants : dict of symbol to float
        The loss's own numbers, such as ``huber_delta``.

    Examples
    --------
    >>> read("log(1 + (r/c)**2)", {"c": 2.0}).score
    2*r/(c**2*(1 + r**2/c**2))

    References
    ----------
    P. J. Huber, Robust Statistics (1981), section 7.
    """

    name: str
    value: sp.Expr
    score: sp.Expr
    curvature: sp.Expr
    constants: dict[sp.Symbol, float] = field(compare=False)

    @property
    def weight(self) -> sp.Expr:
        """psi(r)/r, the weight of a row in reweighted least squares."""
        ratio = self.score / RESIDUAL
        if RESIDUAL not in ratio.free_symbols or self.name == "absolute":
            return ratio
        near = sp.Lt(sp.Abs(RESIDUAL), sp.Float(TINY))
        return sp.Piecewise((self.curvature, near), (ratio, True))

    @property
    def squares(self) -> bool:
        """Whether this is least squares, which has a theory of its own."""
        return self.name == "squared"

    @property
    def smoothed(self) -> bool:
        """Whether the loss is approached through smooth ones."""
        return self.name == "absolute"


def read(loss: Formula, given: Mapping[str, Any]) -> Loss:
    """Return a loss by name, or from a formula in r, with its constants' values.

    Of what is given, it takes those that are its own.

    Raises
    ------
    FormulaError
        If the formula can't be read or differentiated.
    InputError
        If there is no such loss, or a constant is missing.
    """
    # Most losses have nothing to set, so they need not be read again.
    plain = isinstance(loss, str) and not given
    return _plain(loss) if plain else _read(loss, given)


@functools.lru_cache(maxsize=64)
def _plain(loss: str) -> Loss:
    return _read(loss, {})


def _read(loss: Formula, given: Mapping[str, Any]) -> Loss:
    name, text = "custom", loss
    if isinstance(loss, str) and loss.isidentifier() and loss != RESIDUAL.name:
        if loss not in NAMED:
            known = ", ".join(map(repr, NAMED))
            problem = f"unknown loss {loss!r}{guess(loss, NAMED)}; accepted: {known}"
            raise InputError(f"{problem}, or a formula in r")
        name, text = loss, NAMED[loss]
    value, score, curvature = _derivatives(text)
    return Loss(name, value, score, curvature, _constants(name, value, given))


@functools.lru_cache(maxsize=64)
def _derivatives(loss: Formula) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    value = formula.read(loss)
    if RESIDUAL not in value.free_symbols:
        raise InputError(f"the loss has no r, the residual, in it: {loss!r}")
    score = gradient(value, (RESIDUAL,))[0]
    return value, score, gradient(score, (RESIDUAL,))[0]


def _constants(
    name: str, value: sp.Expr, given: Mapping[str, Any]
) -> dict[sp.Symbol, float]:
    names = formula.natural_order(s.name for s in value.free_symbols - {RESIDUAL})
    settable = [each for each in names if each != SMOOTHING.name or name == "custom"]
    ours = {each: value for each, value in given.items() if each in settable}
    values = {**DEFAULTS.get(name, {}), **ours}
    for each in names:
        if each not in values:
            raise InputError(f"the loss has a constant {each!r}: give {each}=1.0, say")
    numbers = {each: constant(values[each], each) for each in names}
    if numbers.get("huber_delta", 1.0) <= 0.0:
        raise InputError(f"huber_delta must be above 0, not {values['huber_delta']!r}")
    return {formula.symbol(each): number for each, number in numbers.items()}
