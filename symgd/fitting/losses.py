"""What a residual costs: losses are formulas in r, and what descents need of them.

Those that grow more slowly than squares are of robust regression (M-estimators).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import sympy as sp

from symgd.calculus.derivatives import gradient
from symgd.calculus.stable import stable
from symgd.errors import InputError, guess
from symgd.language import formula
from symgd.language.composed import Composed, written_out
from symgd.language.nodes import replaced
from symgd.language.plain import constant
from symgd.native.quadratic import EPSILON

if TYPE_CHECKING:
    from symgd.language.formula import Formula

RESIDUAL = formula.symbol("r")
SMOOTHING = formula.symbol("[smoothing]")  # what makes |r| smooth on the way to it
KINK = formula.symbol("[kink]")  # how much of |r| a loss has
STRAIGHT = formula.symbol("[straight]")  # its slope at 0, midway between both sides
RESOLUTION = formula.symbol("[resolution]")  # below it, r is rounding

NAMED = {
    "squared": "r**2/2",
    "huber": "r**2/2 if abs(r) <= huber_delta "
    "else huber_delta*(abs(r) - huber_delta/2)",
    "log_cosh": "softplus(2*r) - r - log(2)",
    "absolute": "abs(r)",
}
SCORES = {"log_cosh": "tanh(r)"}  # where the derivative as it comes loses digits at 0
DEFAULTS = {"huber": {"huber_delta": 1.345}}
LIKELIHOODS = ("poisson", "binomial", "exponential")  # :mod:`.likelihoods` has them
OF_SCIPY = {  # whose loss is of r**2, and twice as large
    "linear": "'squared'",
    "soft_l1": "the formula 'sqrt(1 + r**2) - 1'",
    "cauchy": "the formula 'log(1 + r**2)/2'",
    "arctan": "the formula 'atan(r**2)/2'",
}
SCALED = ("huber", "log_cosh")  # those that mean nothing without a scale


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

    Notes
    -----
    A row may be met exactly. There psi(r)/r is 0/0 and the derivative of psi need not
    be finite, as for abs(r)**1.5; so in both, a residual that rounding can't tell from
    0 counts as ``RESOLUTION``. Only steps depend on them, not where the minimum is.

    Examples
    --------
    >>> read("sqrt(1 + (r/c)**2)", {"c": 2.0}).score
    r/(c**2*sqrt(1 + r**2/c**2))

    References
    ----------
    P. J. Huber, Robust Statistics (1981), section 7.
    """

    name: str
    value: sp.Expr
    score: sp.Expr
    curvature: sp.Expr
    constants: dict[sp.Symbol, float] = field(compare=False)
    pairs: ClassVar[bool] = False  # whether it is of y and f, and not of r
    smoothed: ClassVar[bool] = False  # whether it is approached through smooth ones

    @property
    def weight(self) -> sp.Expr:
        """psi(r)/r, the weight of a row in reweighted least squares."""
        return _resolved(self.score / RESIDUAL)

    @property
    def weight_of_rounding(self) -> sp.Expr:
        """The weight of a row that is met."""
        return replaced(self.score / RESIDUAL, {RESIDUAL: RESOLUTION})

    @property
    def size(self) -> sp.Expr:
        """r*psi(r), by how much a row counts: of any loss none makes up for another."""
        size = self.score * RESIDUAL
        return sp.Abs(size) if self.name == "custom" else size

    @property
    def squares(self) -> bool:
        """Whether this is least squares, which has a theory of its own."""
        return self.name == "squared"

    @property
    def plain(self) -> sp.Expr:
        """The loss as it was given."""
        return self.value


@dataclass(frozen=True)
class Kinked(Loss):
    """A loss with a kink at 0, as absolute residuals and those of quantiles have.

    It is kink*|r|, and a rest whose slope at 0 is the ``straight`` one. Its value is
    kink*sqrt(r**2 + smoothing**2) and the rest, for a smoothing that goes to 0.

    Examples
    --------
    >>> pinball = read("max(tau*r, (tau - 1)*r)", {"tau": 0.8})
    >>> pinball.kink, round(pinball.straight, 12)
    (0.5, 0.3)
    """

    given: sp.Expr
    rest: sp.Expr  # its slope
    kink: float = field(compare=False)
    straight: float = field(compare=False)
    smoothed: ClassVar[bool] = True

    @property
    def plain(self) -> sp.Expr:
        """The loss as it was given."""
        return self.given

    @property
    def weight(self) -> sp.Expr:
        """The weight of a row; what is straight has none."""
        round_ = self.score - self.rest
        return _resolved((self.rest - STRAIGHT) / RESIDUAL) + round_ / RESIDUAL

    @classmethod
    def of(cls, loss: Loss, low: float, high: float) -> Kinked:
        """Return a loss whose slopes before and after 0 differ."""
        kink, straight = (high - low) / 2.0, (high + low) / 2.0
        value, score, curvature = _rounded()
        rest = loss.score - KINK * sp.sign(RESIDUAL)
        rest = sp.Piecewise((STRAIGHT, sp.Eq(RESIDUAL, 0)), (rest, True))
        return cls(
            loss.name,
            loss.value - KINK * sp.Abs(RESIDUAL) + KINK * value,
            rest + KINK * score,
            loss.curvature + KINK * curvature,
            loss.constants | {SMOOTHING: 0.0, KINK: kink, STRAIGHT: straight},
            *(loss.value, rest, kink, straight),
        )


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
            every = (*NAMED, *LIKELIHOODS)
            known = ", ".join(map(repr, every))
            advice = (
                f": give {OF_SCIPY[loss]}" if loss in OF_SCIPY else guess(loss, every)
            )
            problem = f"unknown loss {loss!r}{advice}; accepted: {known}"
            raise InputError(f"{problem}, or a formula in r, or in y and f")
        name, text = loss, NAMED[loss]
    value, score, curvature = _derivatives(text, SCORES.get(name, ""))
    name = "absolute" if value == sp.Abs(RESIDUAL) else name
    constants = constants_of(name, value, given, {RESIDUAL})
    if not _is_finite_at_0(value, constants):
        problem = "the loss is not finite at r = 0, where a row is met exactly"
        raise InputError(f"{problem}: {loss!r}")
    if not _is_finite_at_0(score, constants):  # a cusp: 0, as sign(0) at a kink
        score = sp.Piecewise((sp.S.Zero, sp.Eq(RESIDUAL, 0)), (score, True))
    whole = Loss(name, value, score, _resolved(curvature), constants)
    if name in NAMED and name != "absolute":  # they are smooth
        return whole
    (before, low), (after, high) = (_beside_0(value, constants, s) for s in (-1, 1))
    # A loss that jumps has no least sum where a row is met.
    has_kink = math.isclose(before, after, abs_tol=EPSILON) and low <= 0.0 <= high
    return Kinked.of(whole, low, high) if has_kink and low != high else whole


def _beside_0(
    value: sp.Expr, constants: Mapping[sp.Symbol, float], side: int
) -> tuple[float, float]:
    """Return a loss and its slope just before or after 0; NaN if one isn't finite."""
    known = {name: sp.Float(number) for name, number in constants.items()}
    size = sp.Dummy(positive=True)
    beside = written_out(value).xreplace(known).subs(RESIDUAL, side * size)
    both = (sp.N(each.subs(size, 0)) for each in (beside, sp.diff(beside, size)))
    there, slope = (float(each) if each.is_finite else math.nan for each in both)
    return there, side * slope


@functools.cache
def _rounded() -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """Return a smooth loss in place of |r|, and its derivatives."""
    return _derivatives(sp.sqrt(RESIDUAL**2 + SMOOTHING**2))


def _resolved(factor: sp.Expr) -> sp.Expr:
    """Return a factor for residuals that are no smaller than their resolution."""
    if RESIDUAL not in factor.free_symbols:
        return factor
    least = replaced(factor, {RESIDUAL: RESOLUTION})
    near = sp.Lt(sp.Abs(RESIDUAL), RESOLUTION)
    return sp.Piecewise((least, near), (factor, True))


def _is_finite_at_0(value: sp.Expr, constants: Mapping[sp.Symbol, float]) -> bool:
    known = {name: sp.Float(number) for name, number in constants.items()}
    plain = value.replace(lambda n: isinstance(n, Composed), lambda n: n.composed())
    there = plain.xreplace(known | {RESIDUAL: sp.S.Zero})
    return not there.has(sp.nan, sp.zoo, sp.oo, -sp.oo)


@functools.lru_cache(maxsize=64)
def _derivatives(loss: Formula, score: str = "") -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    value = stable(formula.read(loss))
    if RESIDUAL not in value.free_symbols:
        raise InputError(f"the loss has no r, the residual, in it: {loss!r}")
    score = formula.read(score) if score else gradient(value, (RESIDUAL,))[0]
    return value, score, gradient(score, (RESIDUAL,))[0]


def constants_of(
    name: str, value: sp.Expr, given: Mapping[str, Any], others: set[sp.Symbol]
) -> dict[sp.Symbol, float]:
    """Return the numbers of a loss by name: what isn't among the others."""
    names = formula.natural_order(s.name for s in value.free_symbols - others)
    ours = {each: value for each, value in given.items() if each in names}
    values = {**DEFAULTS.get(name, {}), **ours}
    for each in names:
        if each not in values:
            raise InputError(f"the loss has a constant {each!r}: give {each}=1.0, say")
    numbers = {each: constant(values[each], each) for each in names}
    if numbers.get("huber_delta", 1.0) <= 0.0:
        raise InputError(f"huber_delta must be above 0, not {values['huber_delta']!r}")
    return {formula.symbol(each): number for each, number in numbers.items()}
