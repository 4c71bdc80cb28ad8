"""Logarithms of what overflows or cancels, as sums of logarithms that don't.

Of products and powers, by their factors' sizes and signs; of sums of exponentials, with
the largest taken out; of differences, by exp(x) - 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import sympy as sp

from symgd.calculus.growth import Growth, Scaled
from symgd.calculus.powers import Powers, has_powers
from symgd.calculus.removable import T, kind_of
from symgd.calculus.units import unit_of
from symgd.language.as_written import choice
from symgd.language.composed import log_abs, log_less, log_power
from symgd.language.functions import (
    held,
    log_cosh,
    log_erfc,
    real_abs,
    real_sign,
    sigmoid,
    softplus,
)
from symgd.language.nodes import Product, Sum, kept
from symgd.language.signs import is_nonnegative, is_positive

_GROWING = (sp.exp, sp.cosh, sp.sinh, sigmoid)
MOST_FACTORS = 4  # of a product that can't be split by signs
MOST_DEGREE = 8  # of powers in a product that stay there


class _Logarithm(NamedTuple):
    """The logarithm of a factor's size, and a factor of the same sign."""

    size: sp.Expr
    sign: sp.Expr = sp.S.One


class LogarithmRules:
    """Rewrites logarithms in one expression.

    ``inner`` rewrites what is inside of them. ``removes`` says whether singularities
    are removed on the way, ``powers`` whether powers with varying exponents are looked
    at.
    """

    def __init__(
        self,
        inner: Callable[[Any], Any],
        growth: Growth,
        removes: bool,
        powers: bool,
    ) -> None:
        self.inner = inner
        self.growth = growth
        self.removes = removes
        self.powers = powers

    def of(self, inner: sp.Expr) -> sp.Expr | None:
        """Return log of an expression, rewritten; None where it can stay."""
        unit = unit_of(inner) if self.removes and inner.is_Mul else None
        if unit is None:
            known = self._by_factors(inner, True)
            return known and known.size
        if unit.argument is None:
            known = self._by_factors(sp.Mul(*unit.parts), True)
            return known.size if known else sp.log(self.inner(inner))
        if (apart := self._apart(inner, True)) is None:
            return None
        near = sp.Lt(sp.Abs(self.inner(unit.argument)), 1, evaluate=False)
        return choice((sp.log(self.inner(inner)), near), (apart.size, True))

    def _by_factors(self, inner: sp.Expr, alone: bool) -> _Logarithm | None:
        """Return the logarithm of a product; if it is alone, it must be positive."""
        if self.removes and inner.is_Mul and unit_of(inner) is not None:
            return self._of_sum(inner, alone or is_nonnegative(inner))
        return self._apart(inner, alone)

    def _apart(self, inner: sp.Expr, alone: bool) -> _Logarithm | None:
        """Return the same of what is 0/0 nowhere."""
        factors = sp.Mul.make_args(inner)
        low = len(factors) > 1 and _degree(factors) <= MOST_DEGREE
        one = alone and sum(not is_nonnegative(f) for f in factors) < 2
        taken, rest = [], []
        for factor in factors:
            part = self._of_factor(factor, one, low)
            if part is None and len(factors) > MOST_FACTORS and is_positive(factor):
                part = _Logarithm(sp.log(self.inner(factor)))
            taken += [] if part is None else [part]
            rest += [factor] if part is None else []
        if not taken:
            return None
        if len(rest) > MOST_FACTORS:
            taken += [_signed(self.inner(factor)) for factor in rest]
            rest = []
        size = sp.Add(*(part.size for part in taken))
        sign = sp.Mul(*(part.sign for part in taken))
        left = self.inner(sp.Mul(*rest))
        if alone and left * sign == 1:
            return _Logarithm(size)
        if alone:
            never = (left * sign).is_number and not (left * sign).is_positive
            return None if never else _Logarithm(size + sp.log(left * sign))
        known = _signed(left) if rest else _Logarithm(sp.S.Zero)
        return _Logarithm(size + known.size, sign * known.sign)

    def _of_factor(
        self, factor: sp.Expr, alone: bool, low: bool = False
    ) -> _Logarithm | None:
        """Return the logarithm of what may overflow; None where it can stay.

        Parameters
        ----------
        factor : SymPy expression
        alone : bool
            Whether the whole is a number only if this one is positive.
        low : bool
            Whether powers, unless their exponents vary, can stay.
        """
        if isinstance(factor, sp.exp):
            return _Logarithm(self.inner(factor.args[0]))
        if isinstance(factor, sp.cosh):
            return _Logarithm(log_cosh(self.inner(factor.args[0])))
        if isinstance(factor, sigmoid):
            return _Logarithm(-softplus(-self.inner(factor.args[0])))
        if isinstance(factor, (sp.Abs, real_abs)):
            known = self._by_factors(factor.args[0], False)
            return known and _Logarithm(known.size)
        if isinstance(factor, sp.erfc):
            return _Logarithm(log_erfc(self.inner(factor.args[0])))
        if isinstance(factor, sp.gamma):
            return self._of_gamma(factor)
        if isinstance(factor, sp.Piecewise):
            return self._of_choice(factor, alone)
        if isinstance(factor, sp.Product):
            return self._of_product(factor)
        if isinstance(factor, sp.Pow):
            return self._of_power(factor, alone, low)
        if isinstance(factor, kept):
            return self._by_factors(factor.args[0], alone)
        if isinstance(factor, sp.Mul):
            return self._by_factors(factor, alone)
        return self._of_sum(factor, alone or is_nonnegative(factor))

    def _of_power(self, factor: sp.Pow, alone: bool, low: bool) -> _Logarithm | None:
        base, exponent = factor.args
        power = self.inner(exponent)
        if base.is_number and base.is_positive:
            return None if exponent.is_number else _Logarithm(power * sp.log(base))
        # Whether it is a number only if its base is positive.
        broken = bool(exponent.is_number and not exponent.is_integer)
        single = broken or is_nonnegative(base) or bool(alone and exponent.is_odd)
        inner = self._of_factor(base, single)
        if inner is None and low and exponent.is_number:
            return None
        if inner is None:
            x = self.inner(base)
            inner = _Logarithm(sp.log(x)) if single else _signed(x)
            size = log_power(x, power) if _may_vanish(power, x) else power * inner.size
        else:
            size = power * inner.size
        sign = sp.S.One if exponent.is_even else inner.sign
        if sign != 1 and not exponent.is_odd:
            sign = held(sign**power)
        return _Logarithm(size, sign)

    def _of_gamma(self, factor: sp.gamma) -> _Logarithm:
        # gamma(x)*gamma(1 - x) = pi/sin(pi*x): far below 0 gamma is 0 in float64.
        x = self.inner(factor.args[0])
        positive, whole = sp.Ge(x, 0, evaluate=False), sp.floor(x)
        sine = sp.sin(sp.pi * (x - held(whole)))
        reflected = sp.log(sp.pi) - log_abs(sine) - sp.loggamma(kept(1 - x))
        size = choice((sp.loggamma(x), positive), (reflected, True))
        odd = sp.S.One - 4 * (whole / 2 - sp.floor(whole / 2))
        sign = choice((sp.S.One, positive), (odd, True))
        return _Logarithm(size, held(sign))

    def _of_choice(self, factor: sp.Piecewise, alone: bool) -> _Logarithm | None:
        values = [pair.args[0] for pair in factor.args]
        conditions = [self.inner(pair.args[1]) for pair in factor.args]
        if any(value.is_number and not value.is_positive for value in values):
            return self._of_sum(factor, alone or is_nonnegative(factor))
        found = [self._by_factors(value, alone) for value in values]
        if not any(found):
            return None
        whole = [
            known or (_Logarithm(sp.log(x)) if alone else _signed(x))
            for known, x in zip(found, map(self.inner, values), strict=True)
        ]
        sizes, signs = zip(*whole, strict=True)
        return _Logarithm(
            choice(*zip(sizes, conditions, strict=True)),
            held(choice(*zip(signs, conditions, strict=True)))
            if any(sign != 1 for sign in signs)
            else sp.S.One,
        )

    def _of_product(self, node: sp.Expr) -> _Logarithm:
        """Return a sum of logarithms; signs don't matter if their product is 1."""
        parts = []
        for factor in sp.Mul.make_args(node.function):
            part = self._of_factor(factor, False)
            if part is None:
                x = self.inner(factor)
                part = _Logarithm(sp.log(x)) if is_nonnegative(factor) else _signed(x)
            parts.append(part)
        size = Sum(sp.Add(*(part.size for part in parts)), *node.limits)
        sign = sp.Mul(*(part.sign for part in parts))
        return _Logarithm(size, sign if sign == 1 else Product(sign, *node.limits))

    def _of_sum(self, total: sp.Expr, alone: bool) -> _Logarithm | None:
        """Return the logarithm of a sum with exponentials; None where there is none."""
        if total.func is sp.Add and len(total.args) == 2 and total.args[0] == 1:
            opposite = -total.args[1]
            opposite = self.inner(opposite) if opposite.has(*_GROWING) else opposite
            if isinstance(opposite, sigmoid):
                return _Logarithm(-softplus(opposite.args[0]))
        if (vanishing := self._of_vanishing(total, alone)) is not None:
            return vanishing
        any_scaled = self.growth.any_scaled(total)
        if any_scaled is not None and (pair := _difference(any_scaled)):
            return _of_difference(*pair, alone)
        if (scaled := self.growth.scaled(total)) is None:
            return self._of_powers(total, alone)
        if two := scaled.with_number():
            number, factor, inner = two
            if number.is_positive and factor.is_positive:
                argument = inner + sp.log(factor / number)
                return _Logarithm(sp.log(number) + softplus(argument))
        largest, rest = scaled.taken_out()
        known = _Logarithm(sp.log(rest)) if alone else _signed(rest)
        return _Logarithm(largest + known.size, known.sign)

    def _of_powers(self, total: sp.Expr, alone: bool) -> _Logarithm | None:
        """Return the logarithm of a sum of powers in two forms."""
        if not (alone and self.powers and has_powers(total)):
            return None
        powers = Powers(self.inner)
        if (scaled := powers.growth.scaled(total)) is None:
            return None
        plain = sp.log(self.inner(total))
        size = powers.chosen(_logarithm(scaled), plain, [total])
        return None if size is None else _Logarithm(size)

    def _of_vanishing(self, total: sp.Expr, alone: bool) -> _Logarithm | None:
        """Return the logarithm of 1 + tanh(x), 1 - tanh(x)**2, 1 + erf(x), or so."""
        if (square := half_square(total)) is not None:
            return self._by_factors(square, alone) or _Logarithm(
                sp.log(self.inner(square))
            )
        number, rest = total.as_coeff_Add()
        factor, inner = rest.as_coeff_Mul()
        if not (number.is_positive and abs(factor) == number):
            return None
        power = inner.args[1] if isinstance(inner, sp.Pow) else sp.S.One
        function = inner.args[0] if isinstance(inner, sp.Pow) else inner
        if not isinstance(function, (sp.tanh, sp.erf)):
            return None
        x = sp.sign(factor) * self.inner(function.args[0])
        if power == 2 and isinstance(function, sp.tanh) and factor.is_negative:
            return _Logarithm(sp.log(number) - 2 * log_cosh(x))
        if power != 1:
            return None
        if isinstance(function, sp.erf):
            return _Logarithm(sp.log(number) + log_erfc(-x))
        return _Logarithm(sp.log(2 * number) - softplus(-2 * x))


def half_square(total: sp.Expr) -> sp.Expr | None:
    """Return 1 - cos(x) as 2*sin(x/2)**2, and cosh(x) - 1 likewise, with a factor.

    >>> x = sp.Symbol("x", real=True)
    >>> half_square(3 - 3 * sp.cos(x))
    6*sin(x/2)**2
    """
    number, rest = total.as_coeff_Add()
    factor, inner = rest.as_coeff_Mul()
    kinds = {sp.cos: (sp.sin, number), sp.cosh: (sp.sinh, factor)}
    if number.is_zero or number != -factor or type(inner) not in kinds:
        return None
    half, size = kinds[type(inner)]
    return 2 * size * half(inner.args[0] / 2) ** 2


def _logarithm(scaled: Scaled) -> sp.Expr:
    """Return the logarithm of a positive sum of exponentials."""
    if len(scaled.terms) == 2 and all(t.factor.is_positive for t in scaled.terms):
        one, two = (t.exponent + sp.log(t.factor) for t in scaled.terms)
        return one + softplus(two - one)
    largest, rest = scaled.taken_out()
    return largest + sp.log(rest)


def _degree(factors: Sequence[sp.Expr]) -> sp.Expr:
    """Return the sum of sizes of the exponents that are numbers."""
    exponents = [factor.as_base_exp()[1] for factor in factors]
    return sp.Add(*(abs(e) for e in exponents if e.is_number))


def _may_vanish(power: sp.Expr, base: sp.Expr) -> bool:
    """Return whether a varying power may be 0 where its base is."""
    known = power.is_number or is_positive(power) or is_positive(-power)
    known = known or power == base
    return not (known or is_positive(base))


def _signed(x: sp.Expr) -> _Logarithm:
    return _Logarithm(log_abs(x), real_sign(x))


def _of_difference(more: sp.Expr, less: sp.Expr, alone: bool) -> _Logarithm:
    """Return the logarithm of exp(a) - exp(b)."""
    one = more + _log_less(less - more)
    if alone:
        return _Logarithm(one)
    positive = sp.Gt(more, less, evaluate=False)
    other = less + _log_less(more - less)
    return _Logarithm(choice((one, positive), (other, True)), real_sign(more - less))


def _log_less(exponent: sp.Expr) -> sp.Expr:
    """Return log(1 - exp(x)), also where x is the negative of an exponential."""
    number, inner = exponent.as_coeff_Mul()
    if not (isinstance(inner, sp.exp) and number.is_negative):
        return log_less(exponent)
    z = inner.args[0] + sp.log(-number)
    near = kind_of((1 - sp.exp(-T)) / T)(sp.exp(z))
    first = sp.Lt(z, 0, evaluate=False)
    return choice((z + sp.log(near), first), (log_less(-sp.exp(z)), True))


def _difference(scaled: Scaled) -> tuple[sp.Expr, sp.Expr] | None:
    """Return a and b of exp(a) - exp(b); None if it isn't such a difference."""
    if len(scaled.terms) != 2:
        return None
    if not all(term.factor.is_number for term in scaled.terms):
        return None
    less, more = sorted(scaled.terms, key=lambda term: bool(term.factor.is_positive))
    if not (less.factor.is_negative and more.factor.is_positive):
        return None
    return more.exponent + sp.log(more.factor), less.exponent + sp.log(-less.factor)
