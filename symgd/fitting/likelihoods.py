"""Losses in a row's target y and the model's value f: likelihoods of counts and times.

Those with names are half the deviance: the negative log-likelihood above its least, as
in generalised linear models (P. McCullagh and J. A. Nelder, Generalized Linear Models,
1989), but with any formula as the model. It is 0 where all rows are met.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from symgd.calculus.derivatives import gradient
from symgd.calculus.stable import stable
from symgd.errors import InputError
from symgd.fitting import losses
from symgd.fitting.losses import RESIDUAL, Loss, constants_of
from symgd.language import formula
from symgd.language.naming import written_names

if TYPE_CHECKING:
    from symgd.language.formula import Formula

Y, F = formula.symbol("y"), formula.symbol("f")
Column = np.ndarray


@dataclass(frozen=True)
class Family:
    """What belongs to the name of a likelihood.

    Attributes
    ----------
    value, score, curvature : SymPy expression
        Half the deviance of a row in y and f, and its derivatives by f.
    information : SymPy expression
        Fisher's: what the curvature is on average. 0 at an end of what f can be.
    chi_squared : SymPy expression
        The square of the score by the information (Pearson's).
    largest : float
        The largest y; the least is 0.
    saturated : callable
        The log-likelihoods of rows (y, weight) that are met exactly.
    """

    value: sp.Expr
    score: sp.Expr
    curvature: sp.Expr
    information: sp.Expr
    chi_squared: sp.Expr
    largest: float
    saturated: Callable[[Column, Column], Column]


def _cases(*cases: tuple[Any, Any]) -> sp.Expr:
    return sp.Piecewise(*cases)


_NONE, _ALL = sp.Eq(Y, 0), sp.Eq(Y, 1)


def _poisson() -> Family:
    deviance = F - Y - Y * sp.log(F / Y)
    inside = sp.Gt(F, 0)
    return Family(
        _cases((F, sp.And(_NONE, sp.Ge(F, 0))), (deviance, True)),
        _cases((1 - Y / F, inside), (sp.S.One, True)),
        _cases((Y / F**2, inside), (sp.S.Zero, True)),
        _cases((1 / F, inside), (sp.S.Zero, True)),
        _cases(((F - Y) ** 2 / F, inside), (sp.S.Zero, True)),
        math.inf,
        lambda y, weight: weight * (_times_log(y, y) - y - _log_factorial(y)),
    )


def _binomial() -> Family:
    """Return that of shares of successes, whose weight are the trials."""
    rest = 1 - F
    deviance = Y * sp.log(Y / F) + (1 - Y) * sp.log((1 - Y) / rest)
    inside = sp.And(sp.Gt(F, 0), sp.Lt(F, 1))
    return Family(
        _cases(
            (-sp.log(rest), sp.And(_NONE, sp.Ge(F, 0))),
            (-sp.log(F), sp.And(_ALL, sp.Le(F, 1))),
            (deviance, True),
        ),
        _cases((1 / rest, _NONE), (-1 / F, _ALL), ((F - Y) / (F * rest), True)),
        _cases((rest**-2, _NONE), (F**-2, _ALL), (Y / F**2 + (1 - Y) / rest**2, True)),
        _cases((1 / (F * rest), inside), (sp.S.Zero, True)),
        _cases(((F - Y) ** 2 / (F * rest), inside), (sp.S.Zero, True)),
        1.0,
        lambda y, n: (
            _log_factorial(n)
            - _log_factorial(n * y)
            - _log_factorial(n * (1.0 - y))
            + n * (_times_log(y, y) + _times_log(1.0 - y, 1.0 - y))
        ),
    )


def _exponential() -> Family:
    return Family(
        _cases((sp.log(F), _NONE), (Y / F - 1 - sp.log(Y / F), True)),
        (F - Y) / F**2,
        (2 * Y - F) / F**3,
        F**-2,
        (F - Y) ** 2 / F**2,
        math.inf,
        lambda y, weight: -weight * (1.0 + np.log(np.where(y > 0.0, y, math.exp(-1)))),
    )


def _times_log(x: Column, y: Column) -> Column:
    return x * np.log(np.where(y > 0.0, y, 1.0))


def _log_factorial(counts: Column) -> Column:
    return np.array([math.lgamma(count + 1.0) for count in counts.tolist()])


_MADE = {"poisson": _poisson, "binomial": _binomial, "exponential": _exponential}


@functools.cache
def family(name: str) -> Family:
    """Return what belongs to a name."""
    return _MADE[name]()


@dataclass(frozen=True)
class Likelihood(Loss):
    """A loss of pairs (y, f), as :class:`~symgd.fitting.losses.Loss` is one of r.

    Attributes
    ----------
    information : SymPy expression
        The weight of a row in reweighted least squares (Fisher scoring).
    size : SymPy expression
        The square of a row's score, in units of its information.

    Examples
    --------
    >>> read("f - y*log(f)", {}).score
    1 - y/f
    """

    information: sp.Expr = sp.S.One
    size: sp.Expr = sp.S.Zero
    pairs = True

    @property
    def weight(self) -> sp.Expr:
        """The weight of a row in reweighted least squares."""
        return self.information

    @property
    def weight_of_rounding(self) -> sp.Expr:
        """The weight of a row that is met; 0 where that says nothing."""
        return (
            family(self.name).information.xreplace({F: Y}) if self.known else sp.S.Zero
        )

    @property
    def known(self) -> bool:
        """Whether it is a likelihood, so that its information tells the errors."""
        return self.name in _MADE


def read(loss: Formula, given: Mapping[str, Any]) -> Loss:
    """Return a loss by name, or from a formula in r, or in y and f.

    Of what is given, it takes those that are its own.

    Raises
    ------
    FormulaError
        If the formula can't be read or differentiated.
    InputError
        If there is no such loss, or a constant is missing.
    """
    if isinstance(loss, str) and loss in _MADE:
        own = family(loss)
        parts = (own.value, own.score, own.curvature)
        return Likelihood(loss, *parts, {}, own.information, own.chi_squared)
    if not _is_of_pairs(loss):
        return losses.read(loss, given)
    value, score, curvature = _derivatives(loss)
    constants = constants_of("custom", value, given, {Y, F})
    bend = sp.Abs(curvature)
    bent = sp.Piecewise((bend, sp.Gt(bend, 0)), (sp.S.One, True))
    whole = (value, score, curvature, constants)
    return Likelihood("custom", *whole, bent, score**2 / bent)


def _is_of_pairs(loss: Formula) -> bool:
    if isinstance(loss, sp.Basic):
        names = {s.name for s in loss.free_symbols}
    elif isinstance(loss, str) and not loss.isidentifier():
        formula.read(loss)  # what is wrong with it is said there
        names = {*written_names(loss)}
    else:
        return False
    return F.name in names and RESIDUAL.name not in names


@functools.lru_cache(maxsize=64)
def _derivatives(loss: Formula) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    value = stable(formula.read(loss))
    if F not in value.free_symbols:
        raise InputError(f"the loss doesn't depend on f, the model's value: {loss!r}")
    score = gradient(value, (F,))[0]
    return value, score, gradient(score, (F,))[0]


def forbidden(loss: Loss, f: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return in which rows a model's value is none that a likelihood allows.

    >>> forbidden(read("poisson", {}), np.array([-1.0, 0.0, 0.0]), np.array([0, 0, 3]))
    array([ True, False,  True])
    """
    if not (isinstance(loss, Likelihood) and loss.known):
        return np.zeros(len(f), dtype=bool)
    largest = family(loss.name).largest
    below = (f < 0.0) | ((f == 0.0) & ((y > 0.0) | (loss.name == "exponential")))
    return below | (f > largest) | ((f == largest) & (y < largest))


def check_target(loss: Loss, name: str, target: np.ndarray) -> None:
    """Refuse a target that a likelihood can't have."""
    if not (isinstance(loss, Likelihood) and loss.known):
        return
    largest = family(loss.name).largest
    wrong = (target < 0.0) | (target > largest)
    if not wrong.any():
        return
    row = int(np.argmax(wrong))
    told = f"{name!r} is {float(target[row])!r} in row {row}"
    needed = "0 or more" if math.isinf(largest) else "from 0 to the number of trials"
    advice = "; give trials=" if loss.name == "binomial" and target[row] > 1.0 else ""
    raise InputError(f"the loss {loss.name!r} needs a target {needed}: {told}{advice}")
