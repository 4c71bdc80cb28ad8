"""Where an expression is as low as it can be, as it shows by itself.

A sum of squares is at its least where all of them are 0, whatever is inside of them.
Functions that rise with it are lowest there, too.

Elsewhere: a sum-of-squares certificate.
"""

from __future__ import annotations

import sympy as sp
from sympy.codegen.cfunctions import expm1, log1p

from symgd.language.functions import log_cosh, real_abs, softplus
from symgd.language.nodes import kept
from symgd.language.signs import is_nonnegative, is_positive, reaches_0

_RISING = (
    *(sp.exp, sp.log, sp.sinh, sp.tanh, sp.asinh, sp.atan, sp.erf),
    *(expm1, log1p, softplus, kept),
)
_EVEN = (sp.Abs, real_abs, sp.cosh, log_cosh)  # and rising with the size


def zeros_at_least(node: sp.Expr, sign: int = 1) -> list[sp.Expr] | None:
    """Return what is 0 exactly where an expression has its least value, if anywhere.

    Parameters
    ----------
    node : sympy.Expr
    sign : int
        -1 for the largest value.

    Returns
    -------
    list of sympy.Expr, or None
        None where it doesn't show. Where all are 0, no other value is lower.

    Examples
    --------
    >>> x, y = sp.symbols("x y", real=True)
    >>> zeros_at_least(3 * (x**2 - y) ** 2 + sp.log(1 + (x - 1) ** 4) - 7)
    [x**2 - y, x - 1]
    >>> zeros_at_least(x**2 + y)
    """
    if node.is_number:
        return []
    if isinstance(node, sp.Add):
        found = [zeros_at_least(term, sign) for term in node.args]
        parts = [each for each in found if each is not None]
        if len(parts) < len(found):
            return None
        return list(dict.fromkeys(zero for part in parts for zero in part))
    if isinstance(node, sp.Mul):
        return _of_product(node, sign)
    if isinstance(node, sp.Pow):
        return _of_power(node, sign)
    if isinstance(node, _RISING):
        return zeros_at_least(node.args[0], sign)
    if isinstance(node, _EVEN):
        return _of_size(node.args[0], sign)
    return None


def _of_product(node: sp.Mul, sign: int) -> list[sp.Expr] | None:
    number, rest = node.as_coeff_Mul()
    if number != 1:
        return zeros_at_least(rest, sign if number.is_positive else -sign)
    others = [factor for factor in node.args if not is_positive(factor)]
    if sign < 0 or len(others) != 1 or not reaches_0(others[0]):
        return None
    return zeros_at_least(others[0], sign)


def _of_power(node: sp.Pow, sign: int) -> list[sp.Expr] | None:
    base, exponent = node.args
    if not exponent.is_number:
        return zeros_at_least(exponent, sign) if _grows(base) else None
    if exponent.is_negative:
        return zeros_at_least(base, -sign) if is_positive(base) else None
    if exponent.is_even:
        return _of_size(base, sign)
    return zeros_at_least(base, sign)


def _of_size(base: sp.Expr, sign: int) -> list[sp.Expr] | None:
    """Return the same of a function that rises with the size of another."""
    if is_nonnegative(base):
        return zeros_at_least(base, sign)
    return [base] if sign > 0 else None


def _grows(base: sp.Expr) -> bool:
    return bool(base.is_number and base > 1)
