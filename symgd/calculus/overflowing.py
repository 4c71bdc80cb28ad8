"""Logarithms of sums in which a quotient overflows: ``x*log(1 + c/x)`` near 0.

The product is finite, or 0, where ``c/x`` is infinite. There the logarithm is that of
``x + c`` less that of x; elsewhere it is one of 1 and something small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import sympy as sp
from sympy.codegen.cfunctions import log1p

from symgd.language.as_written import both, choice
from symgd.language.composed import log_abs
from symgd.language.functions import real_abs
from symgd.language.nodes import kept
from symgd.language.signs import is_positive


class _Quotient(NamedTuple):
    """A number and a quotient by a power of what may be 0: number + above/base**n."""

    number: sp.Expr
    above: sp.Expr
    base: sp.Expr
    power: sp.Expr


def log_of_quotient(
    total: sp.Expr, factor: sp.Expr, inner: Callable[[Any], Any]
) -> sp.Expr | None:
    """Return factor*log(total), in two forms; None where one will do.

    ``inner`` rewrites what is inside.
    """
    if (found := _quotient(total)) is None:
        return None
    number, above, base, power = found
    above, base, times = inner(above), inner(base), inner(factor)
    below = base**power
    size = real_abs(number * below)
    far = sp.Gt(above, size, evaluate=False)
    if not power.is_even:
        far = both(far, sp.Ge(base, 0, evaluate=False))
    apart = times * sp.log(kept(number * below + above)) - power * times * log_abs(base)
    near = times * log1p(kept(above / (number * below)))
    if number != 1:
        near += times * sp.log(number)
    return choice((apart, far), (near, True))


def _quotient(total: sp.Expr) -> _Quotient | None:
    """Return a sum of a positive number and a quotient as such."""
    number, rest = total.as_coeff_Add()
    if not number.is_positive or isinstance(rest, sp.Add):
        return None
    powers = [factor.as_base_exp() for factor in sp.Mul.make_args(rest)]
    below = [(b, -e) for b, e in powers if _divides(b, e)]
    if len(below) != 1:
        return None
    base, power = below[0]
    above = rest * base**power
    if not power.is_even and above.could_extract_minus_sign():
        above, base = -above, -base
    return _Quotient(number, above, base, power)


def _divides(base: sp.Expr, exponent: sp.Expr) -> bool:
    number = exponent.is_Integer and exponent.is_negative
    return bool(number and not base.is_number and not is_positive(base))
