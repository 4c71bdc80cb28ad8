"""Quantities that follow from fitted parameters, with the errors that follow too.

The standard error is that of the delta method: to first order, with exact derivatives.
Elsewhere: propagation of uncertainty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import mpmath
import numpy as np
import sympy as sp

from symgd.calculus.derivatives import gradient
from symgd.errors import FormulaError, InputError, guess
from symgd.fitting.by_labels import with_names
from symgd.fitting.ties import Tie, put_into
from symgd.language import formula
from symgd.language.digits import digits, value_of
from symgd.language.formula import Formula
from symgd.language.text import number

DIGITS = 30  # so that what cancels is still known in float64


class Derived(NamedTuple):
    """A quantity that follows from a fit's parameters."""

    value: float  #: Of the formula at the optimum.
    standard_error: float  #: By the delta method; infinite where it isn't determined.
    interval: tuple[float, float]  #: With the level that was asked for.

    def __str__(self) -> str:
        low, high = self.interval
        error = f"{number(self.value)} ± {self.standard_error:.4g}"
        return f"{error} ({low:.6g} to {high:.6g})"


def read(
    text: Formula, names: Sequence[str], ties: Sequence[Tie], columns: Sequence[str]
) -> sp.Expr:
    """Return a formula in the free parameters of a fit.

    Parameters
    ----------
    names : sequence of str
        Of the free parameters.
    ties : sequence of Tie
        The others.
    columns : sequence of str
        What is none, but might be meant.
    """
    known = [*names, *(tie.name for tie in ties)]
    expression = with_names(text, {name: formula.symbol(name) for name in known})
    strange = {s.name for s in expression.free_symbols} - set(known)
    for name in formula.natural_order(strange):
        problem = f"{name!r} is no parameter of this fit{guess(name, known)}"
        advice = f"; its parameters: {', '.join(known)}"
        if name in columns:
            advice = ", but a column: predict gives the model's values for rows"
        raise InputError(problem + advice)
    return put_into(expression, ties)


def at(
    expression: sp.Expr, parameters: Sequence[sp.Symbol], x: Sequence[float]
) -> tuple[float, np.ndarray]:
    """Return the value and the gradient of a formula at a point.

    >>> b = sp.Symbol("b", real=True)
    >>> at(sp.log(2) / b, [b], [2.0])
    (0.34657359027997264, array([-0.1732868]))

    Raises
    ------
    FormulaError
        If one of them isn't a number there.
    """
    slopes = gradient(expression, tuple(parameters))
    with digits(DIGITS):
        known = dict(zip(parameters, map(mpmath.mpf, x), strict=True))
        values = [float(value_of(part, known)) for part in (expression, *slopes)]
    if not np.isfinite(values).all():
        where = _told(dict(zip(parameters, x, strict=True)))
        problem = f"a derived quantity has no value, or no slope, at {where}"
        raise FormulaError(problem, formula.text_of(expression))
    return values[0], np.array(values[1:])


def value_at(
    expression: sp.Expr, parameters: Sequence[sp.Symbol], x: Sequence[float]
) -> float:
    """Return the value of a formula at a point; NaN where it has none."""
    with digits(DIGITS):
        known = dict(zip(parameters, map(mpmath.mpf, x), strict=True))
        return float(value_of(expression, known))


def _told(point: Mapping[Any, float]) -> str:
    return ", ".join(f"{name} = {number(value)}" for name, value in point.items())
