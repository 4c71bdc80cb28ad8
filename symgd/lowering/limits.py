"""Products of 0 and infinity that have a limit: x*log(x) and exp(-1/x)/x at 0.

They come from users, as in an entropy, and from derivatives, as that of x**b by b.
Whatever the arguments, the product is the limit, so that a start or a row there is no
error. A product that has none stays NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy as sp

from symgd.language.as_written import choice
from symgd.language.functions import real_abs
from symgd.language.nodes import kept

_Pair = tuple[int, int, Any]  # the places of two factors, and where their product is 0


def with_limits(factors: Sequence[sp.Expr]) -> sp.Expr | None:
    """Return a product whose 0*infinity is a limit; None where there is none of it.

    >>> x, y = sp.symbols("x y", real=True)
    >>> with_limits([x, y, sp.log(x)])
    y*Piecewise((0, Eq(x, 0)), (x*log(x), True))
    >>> with_limits([y, sp.log(x)])
    """
    left, pairs = list(factors), []
    while (found := _vanishing(left)) is not None:
        small, large, where = found
        pair = left[small] * left[large]
        pairs.append(choice((sp.S.Zero, where), (pair, True)))
        left = [f for place, f in enumerate(left) if place not in (small, large)]
    return sp.Mul(*left, *pairs) if pairs else None


def _vanishing(factors: Sequence[sp.Expr]) -> _Pair | None:
    for large, factor in enumerate(factors):
        for inner in _logarithms(factor):
            zeros = _zeros(inner)
            for small, other in enumerate(factors):
                if small != large and (power := _power_of(other, zeros)) is not None:
                    where: Any = sp.Eq(inner, 0, evaluate=False)
                    if not power.is_number:  # x**b, where b may be 0 or less
                        nought = sp.Eq(other, 0, evaluate=False)
                        where = sp.And(nought, where, evaluate=False)
                    return small, large, where
        if (pair := _of_a_power(large, factors)) is not None:
            return pair
        if (small_ := _smaller(factor, factors)) is not None:
            return small_, large, sp.Eq(factors[small_], 0, evaluate=False)
    return None


def _of_a_power(large: int, factors: Sequence[sp.Expr]) -> _Pair | None:
    """Return how x makes x*(x/k)**(n - 1) vanish, whatever n > 0 is."""
    factor = factors[large]
    if not isinstance(factor, sp.Pow) or factor.exp.is_number:
        return None
    for zero in sp.Mul.make_args(factor.base):
        for small, other in enumerate(factors):
            if small == large or zero.is_number:
                continue
            power = _power_of(other, [zero])
            if power is not None and power.is_number:
                nought = sp.Eq(other, 0, evaluate=False)
                vanishes = sp.Gt(factor.exp + power, 0, evaluate=False)
                return small, large, sp.And(nought, vanishes, evaluate=False)
    return None


def _logarithms(factor: sp.Expr) -> list[sp.Expr]:
    """Return the arguments of the logarithms by which alone a factor is infinite."""
    if isinstance(factor, kept):
        return _logarithms(factor.args[0])
    if isinstance(factor, sp.log):
        return [factor.args[0]]
    if isinstance(factor, sp.Pow) and factor.exp.is_Integer and factor.exp > 0:
        return _logarithms(factor.base)
    if not isinstance(factor, sp.Add) or any(
        _is_inverse(n) for n in factor.atoms(sp.Pow)
    ):
        return []
    parts = [f for term in factor.args for f in sp.Mul.make_args(term)]
    return [inner for part in parts for inner in _logarithms(part)]


def _is_inverse(node: sp.Pow) -> bool:
    return not (node.exp.is_number and node.exp.is_positive) and not node.is_number


def _zeros(inner: sp.Expr) -> list[sp.Expr]:
    """Return the factors of which each makes a logarithm's argument 0."""
    zeros = []
    for factor in sp.Mul.make_args(inner):
        base, exponent = factor.as_base_exp()
        if exponent.is_number and exponent.is_negative:
            continue
        if isinstance(base, (sp.Abs, real_abs)):
            base = base.args[0]
        if not base.is_number:
            zeros.append(base)
    return zeros


def _power_of(factor: sp.Expr, zeros: Sequence[sp.Expr]) -> sp.Expr | None:
    """Return the exponent of a power of one of the zeros that may vanish with it."""
    base, exponent = factor.as_base_exp()
    if isinstance(base, (sp.Abs, real_abs)):
        base = base.args[0]
    if exponent.is_number and not exponent.is_positive:
        return None
    same = any(base == zero or base == -zero for zero in zeros)
    return exponent if same else None


def _smaller(factor: sp.Expr, factors: Sequence[sp.Expr]) -> int | None:
    """Return the place of an exponential that vanishes faster than a power grows."""
    if not (isinstance(factor, sp.Pow) and factor.exp.is_number):
        return None
    if not factor.exp.is_negative or factor.base.is_number:
        return None
    for place, other in enumerate(factors):
        if isinstance(other, sp.exp) and any(
            power.base == factor.base and power.exp.is_number and power.exp.is_negative
            for power in other.args[0].atoms(sp.Pow)
        ):
            return place
    return None
