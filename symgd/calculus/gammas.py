"""Quotients of gamma functions that overflow: ``gamma(x + 0.5)/gamma(x)``.

Where all arguments are large, they are the exponential of a sum of logarithms; those of
two whose arguments differ by a number are subtracted without cancellation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp
from sympy.codegen.cfunctions import log1p

from symgd.language.as_written import both, choice, either
from symgd.language.nodes import kept

LARGE = 70  # the cube of gamma is a float64 below
ASYMPTOTIC = 30  # where Stirling's series is exact to rounding
NEAR = 30  # arguments that differ by more are no pair


def quotient_of_gammas(node: sp.Expr, inner: Callable[[Any], Any]) -> sp.Expr | None:
    """Return a product with quotients of gamma functions; None where there are none.

    ``inner`` rewrites what is inside of them, and what is beside them.
    """
    powers = [factor.as_base_exp() for factor in sp.Mul.make_args(node)]
    found = [(inner(b.args[0]), e) for b, e in powers if isinstance(b, sp.gamma)]
    if any(not e.is_number for _, e in found) or {
        bool(e.is_negative) for _, e in found
    } != {True, False}:
        return None
    plain = sp.Mul(*(sp.gamma(x) ** e for x, e in found))
    rest = (inner(b) ** inner(e) for b, e in powers if not isinstance(b, sp.gamma))
    far, is_far = _pair(found) or _several(found)
    return sp.Mul(choice((sp.exp(far), is_far), (plain, True)), *rest)


def _several(powers: list[tuple[sp.Expr, sp.Expr]]) -> tuple[sp.Expr, Any]:
    """Return the logarithm of a product of powers, and where it is needed."""
    positive = [sp.Gt(x, 0, evaluate=False) for x, _ in powers]
    large = [sp.Gt(x, LARGE, evaluate=False) for x, _ in powers]
    whole = sp.Add(*(times * sp.loggamma(x) for x, times in powers))
    return whole, both(*positive, either(*large))


def _pair(powers: list[tuple[sp.Expr, sp.Expr]]) -> tuple[sp.Expr, Any] | None:
    """Return the same of a ratio whose arguments differ by a number."""
    if len(powers) != 2 or powers[0][1] != -powers[1][1]:
        return None
    (a, times), (b, _) = powers
    gap = a - b
    if not (gap.is_number and abs(gap) < NEAR):
        return None
    large = [sp.Gt(x, ASYMPTOTIC, evaluate=False) for x in (a, b)]
    return times * _logarithm_of_ratio(a, b, gap), both(*large)


def _logarithm_of_ratio(a: sp.Expr, b: sp.Expr, gap: sp.Expr) -> sp.Expr:
    """Return log(gamma(a)/gamma(b)) of large arguments.

    By Stirling's series (DLMF 5.11.1).
    """
    turned = (b - sp.S.Half) * log1p(kept(gap / b))
    return turned + gap * (sp.log(a) - 1) + _series(a) - _series(b)


def _series(x: sp.Expr) -> sp.Expr:
    w = 1 / x**2
    return (1 - w * (sp.Rational(1, 30) - w * (sp.Rational(1, 105) - w / 140))) / 12 / x
