"""Formulas rewritten where their parts overflow though the whole is a plain number.

``log(1 + exp(x))``, ``log(exp(a) + exp(b) + ...)``, ``exp(a)/(exp(a) + exp(b))``,
``1/(1 + exp(-x))``, ``log(cosh(x))``, and logarithms of products, as of likelihoods.
From a sum of exponentials the largest is taken out as a factor; that number is held,
since the whole doesn't depend on which it is, and so derivatives are stable likewise.

This is the log-sum-exp trick, also for quotients. What needs nothing stays as it is.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import sympy as sp
from sympy.codegen.cfunctions import log1p

from symgd.calculus.derivatives import gradient
from symgd.calculus.differences import without_tie
from symgd.calculus.growth import Growth, Scaled, distributed, is_far
from symgd.calculus.removable import T, kind_of, removable, without_singularity
from symgd.language.as_written import choice, made
from symgd.language.functions import (
    by_expm1,
    exp_less,
    held,
    log_abs,
    log_cosh,
    log_less,
    real_abs,
    real_sign,
    sigmoid,
    softplus,
)
from symgd.language.nodes import REPEATED, Product, Sum, kept
from symgd.language.signs import is_nonnegative, is_positive

_GROWING = (sp.exp, sp.cosh, sp.sinh, sigmoid)
MOST_FACTORS = 4  # of a logarithm's product that can't be split by signs
MOST_DEGREE = 8  # of powers in a logarithm's product that stay there


class _Logarithm(NamedTuple):
    """The logarithm of a factor's size, and a factor of the same sign."""

    size: sp.Expr
    sign: sp.Expr = sp.S.One


@functools.lru_cache(maxsize=256)
def stable(expression: sp.Expr) -> sp.Expr:
    """Return an expression of the same value that doesn't overflow on the way.

    >>> from symgd.language.formula import read
    >>> stable(read("log(1 + exp(x)) + 1/(1 + exp(-y))"))
    sigmoid(y) + softplus(x)
    >>> stable(read("log(exp(-x**2)*exp(-y**2))"))
    -x**2 - y**2
    """
    return _Pass().of(expression)


def both_sides(node: removable) -> sp.Piecewise:
    """Return a function without its singularity as a choice: near, and elsewhere."""
    near, radius = node.near()
    (x,) = node.args
    far = _far(node.template, node.order).xreplace({T: x})
    return choice((near, sp.Lt(sp.Abs(x), radius, evaluate=False)), (far, True))


@functools.lru_cache(maxsize=256)
def _far(template: sp.Expr, order: int) -> sp.Expr:
    if order == 0:
        return _Pass(removes=False).of(template)
    return gradient(_far(template, order - 1), (T,))[0]


class _Pass:
    """One walk over one expression; what is shared is rewritten once."""

    def __init__(self, removes: bool = True) -> None:
        self.removes = removes  # singularities
        self.done: dict[sp.Basic, Any] = {}
        self.growth = Growth(self.of)

    def of(self, node: Any) -> Any:
        if not node.args or isinstance(node, sp.Indexed):
            return node
        if node not in self.done:
            self.done[node] = self._rewritten(node)
        return self.done[node]

    def _rewritten(self, node: Any) -> Any:
        if (result := self._in_another_form(node)) is not None:
            return result
        if isinstance(node, REPEATED):
            return node.func(self.of(node.function), *node.limits)
        arguments = [self.of(argument) for argument in node.args]
        same = all(new is old for new, old in zip(arguments, node.args, strict=True))
        return node if same else made(node.func, arguments)

    def _in_another_form(self, node: Any) -> Any:
        """Return a node in a stable form; None where its own is."""
        if isinstance(node, sp.log) and len(node.args) == 1:
            return self.logarithm(node.args[0])
        if isinstance(node, log1p):
            return self._logarithm_of_sum(sp.S.One + node.args[0])
        if isinstance(node, (sp.Mul, sp.Add)) and self.removes:
            found = without_singularity(node)
            if found is not None:
                template, argument, rest = found
                function = kind_of(template)(self.of(argument))
                return node.func(function, self.of(rest))
            if (tied := without_tie(node)) is not None:
                return node.func(*map(self.of, tied))
        if isinstance(node, (sp.Mul, sp.Pow)) and not node.is_number:
            return self._quotient(node)
        return None

    # ------------------------------------------------------------------- logarithms

    def logarithm(self, inner: sp.Expr) -> sp.Expr | None:
        """Return log of an expression, rewritten; None where it can stay."""
        found = without_singularity(inner) if self.removes and inner.is_Mul else None
        if found is None:
            tied = without_tie(inner) if self.removes and inner.is_Mul else None
            return self._by_factors(inner) if tied is None else sp.log(self.of(inner))
        if (apart := self._by_factors(inner)) is None:
            return None
        near = sp.Lt(sp.Abs(self.of(found[1])), 1, evaluate=False)
        return choice((sp.log(self.of(inner)), near), (apart, True))

    def _by_factors(self, inner: sp.Expr) -> sp.Expr | None:
        factors = sp.Mul.make_args(inner)
        low = len(factors) > 1 and _degree(factors) <= MOST_DEGREE
        taken, rest, signs = [], [], []
        for factor in factors:
            part = self._logarithm_of_factor(factor, low, len(factors) == 1)
            if part is None and len(factors) > MOST_FACTORS and is_positive(factor):
                part = _Logarithm(sp.log(self.of(factor)))
            if part is None:
                rest.append(factor)
            else:
                taken.append(part.size)
                signs.append(part.sign)
        if not taken:
            return None
        if len(rest) > MOST_FACTORS:
            taken += [sp.log(real_abs(self.of(factor))) for factor in rest]
            signs += map(real_sign, rest)
            rest = []
        sign = sp.Mul(*signs)
        if rest or sign != 1:
            taken.append(sp.log(sp.Mul(self.of(sp.Mul(*rest)), sign)))
        return sp.Add(*taken)

    def _logarithm_of_factor(
        self, factor: sp.Expr, low: bool = False, alone: bool = False
    ) -> _Logarithm | None:
        """Return the logarithm of what may overflow; None where it can stay."""
        if isinstance(factor, kept):
            known = self.logarithm(factor.args[0])
            return None if known is None else _Logarithm(known)
        if isinstance(factor, sp.exp):
            return _Logarithm(self.of(factor.args[0]))
        if isinstance(factor, sp.cosh):
            return _Logarithm(log_cosh(self.of(factor.args[0])))
        if isinstance(factor, sigmoid):
            return _Logarithm(-softplus(-self.of(factor.args[0])))
        if isinstance(factor, sp.gamma):
            return self._logarithm_of_gamma(factor)
        if isinstance(factor, sp.Piecewise):
            return self._logarithm_of_choice(factor)
        if isinstance(factor, sp.Product):
            return _Logarithm(self._logarithm_of_product(factor))
        if isinstance(factor, sp.Pow):
            return self._logarithm_of_power(factor, low, alone)
        known = self._logarithm_of_sum(factor)
        return None if known is None else _Logarithm(known)

    def _logarithm_of_power(
        self, factor: sp.Pow, low: bool, alone: bool
    ) -> _Logarithm | None:
        base, exponent = factor.args
        power = self.of(exponent)
        if base.is_number and base.is_positive:
            return None if exponent.is_number else _Logarithm(power * sp.log(base))
        inner = self._logarithm_of_factor(base)
        if inner is None and low and exponent.is_number:
            return None
        if inner is None:
            x = self.of(base)
            single = alone and exponent.is_odd
            only = is_nonnegative(base) or exponent.is_integer is False or single
            inner = _Logarithm(sp.log(x)) if only else _signed(x)
        if inner.sign == 1 or exponent.is_even:
            return _Logarithm(power * inner.size)
        odd = bool(exponent.is_odd)
        return _Logarithm(
            power * inner.size, inner.sign if odd else held(inner.sign**power)
        )

    def _logarithm_of_gamma(self, factor: sp.gamma) -> _Logarithm:
        x = self.of(factor.args[0])
        positive = sp.Gt(x, 0, evaluate=False)
        size = choice((sp.loggamma(x), positive), (log_abs(sp.gamma(x)), True))
        sign = choice((sp.S.One, positive), (real_sign(sp.gamma(x)), True))
        return _Logarithm(size, held(sign))

    def _logarithm_of_choice(self, factor: sp.Piecewise) -> _Logarithm | None:
        values, conditions = zip(*(pair.args for pair in factor.args), strict=True)
        if any(value.is_number and not value.is_positive for value in values):
            known = self._logarithm_of_sum(factor)
            return None if known is None else _Logarithm(known)
        found = [self.logarithm(value) for value in values]
        if not any(found):
            return None
        pairs = zip(values, found, strict=True)
        each = [sp.log(self.of(v)) if known is None else known for v, known in pairs]
        return _Logarithm(choice(*zip(each, map(self.of, conditions), strict=True)))

    def _logarithm_of_product(self, node: sp.Expr) -> sp.Expr:
        """Return a sum of logarithms; signs don't matter if their product is 1."""
        summed, signs = [], []
        for factor in sp.Mul.make_args(node.function):
            part = self._logarithm_of_factor(factor)
            if part is None:
                x = self.of(factor)
                part = _Logarithm(sp.log(x)) if is_nonnegative(factor) else _signed(x)
            summed.append(part.size)
            signs.append(part.sign)
        total, sign = Sum(sp.Add(*summed), *node.limits), sp.Mul(*signs)
        if sign == 1:
            return total
        return total + sp.log(Product(sign, *node.limits))

    def _logarithm_of_sum(self, total: sp.Expr) -> sp.Expr | None:
        """Return the logarithm of a sum with exponentials; None where there is none."""
        if total.func is sp.Add and len(total.args) == 2:
            opposite = sp.S.One - total
            opposite = self.of(opposite) if opposite.has(*_GROWING) else opposite
            if isinstance(opposite, sigmoid):
                return -softplus(opposite.args[0])
        any_scaled = None if total.is_Mul else self.growth.any_scaled(total)
        if any_scaled is not None and (pair := _difference(any_scaled)):
            return pair[0] + _log_less(pair[1])
        scaled = None if total.is_Mul else self.growth.scaled(total)
        if scaled is None:
            return None
        if two := _with_number(scaled):
            number, factor, inner = two
            if number.is_positive and factor.is_positive:
                return sp.log(number) + softplus(inner + sp.log(factor / number))
        largest, rest = scaled.taken_out()
        return largest + sp.log(rest)

    # --------------------------------------------------------------------- quotients

    def _quotient(self, node: sp.Expr) -> sp.Expr | None:
        """Return a product whose exponentials don't overflow where it is finite."""
        exponents: list[sp.Expr] = []
        others: list[sp.Expr] = []
        sums: list[tuple[Scaled, sp.Expr]] = []
        far: sp.Expr = sp.S.Zero
        for factor in sp.Mul.make_args(node):
            base, exponent = factor.as_base_exp()
            if isinstance(factor, sp.exp):
                exponents.append(factor.args[0])
            elif is_far(factor):
                far = sp.log(abs(factor))
                others.append(sp.sign(factor))
            elif (scaled := self.growth.scaled(base)) is None:
                others.append(factor)
            else:
                sums.append((scaled, self.of(exponent)))
        if not _is_risky(exponents, sums, far):
            return None
        known = self._known_quotient(exponents, sums, far)
        return sp.Mul(known, *map(self.of, others))

    def _known_quotient(
        self, exponents: list[sp.Expr], sums: list[tuple[Scaled, sp.Expr]], far: sp.Expr
    ) -> sp.Expr:
        above = list(map(self.of, exponents))
        if not sums:
            whole = sp.Add(*above)
            return _exponential(whole) if far.is_zero else exp_less(whole, -far)
        above += [] if far.is_zero else [far]
        if (logistic := _logistic(above, sums)) is not None:
            return logistic
        (scaled, power), *more = sums
        if power != 1 or more:
            return _balanced(above, sums)
        if not scaled.terms:
            return scaled.divided(-sp.Add(*above))
        terms = distributed(scaled, sp.S.One, sp.Add(*above)).terms
        return sp.Add(*(factor * _exponential(e) for factor, e in terms))


def _degree(factors: Sequence[sp.Expr]) -> sp.Expr:
    """Return the sum of sizes of the exponents that are numbers."""
    exponents = [factor.as_base_exp()[1] for factor in factors]
    return sp.Add(*(abs(e) for e in exponents if e.is_number))


def _signed(x: sp.Expr) -> _Logarithm:
    return _Logarithm(log_abs(x), real_sign(x))


def _is_risky(
    exponents: Sequence[sp.Expr],
    sums: Sequence[tuple[Scaled, sp.Expr]],
    far: sp.Expr,
) -> bool:
    """Return whether a part of a product may be infinite where the product is not."""
    if not far.is_zero and exponents:
        return True
    if any(not power.is_number or power < 1 for _, power in sums):
        return True
    vanishing = [not is_nonnegative(e) for e in exponents]
    overflowing = [not is_nonnegative(-e) for e in exponents]
    vanishing += [scaled.may_vanish for scaled, _ in sums]
    overflowing += [scaled.may_overflow for scaled, _ in sums]
    pairs = len(vanishing) > 1 and any(vanishing) and any(overflowing)
    return pairs and not (
        sum(vanishing) == 1 == sum(overflowing) and vanishing == overflowing
    )


def _logistic(
    exponents: Sequence[sp.Expr], sums: Sequence[tuple[Scaled, sp.Expr]]
) -> sp.Expr | None:
    """Return 1/(c + d*exp(x)) or exp(x)/(c + d*exp(x)) by the logistic function."""
    if len(sums) != 1 or sums[0][1] != -1:
        return None
    if (two := _with_number(sums[0][0])) is None:
        return None
    number, factor, inner = two
    if number.is_positive != factor.is_positive:
        argument = inner + sp.log(-factor / number)
        if not exponents:
            return -by_expm1(argument) / number
        if sp.Add(*exponents) == inner:
            return -by_expm1(-argument) / factor
        return None
    argument = inner + sp.log(factor / number)
    if not exponents:
        return sigmoid(-argument) / number
    if sp.Add(*exponents) == inner:
        return sigmoid(argument) / factor
    return None


def _balanced(
    above: Sequence[sp.Expr], sums: Sequence[tuple[Scaled, sp.Expr]]
) -> sp.Expr:
    """Return a product in which the largest exponentials are taken out of sums."""
    above, below = list(above), []
    factors = []
    for scaled, power in sums:
        largest, rest = scaled.taken_out()
        factors.append(rest**power)
        if power.is_negative:
            below.append(-power * largest)
        else:
            above.append(power * largest)
    grown, shrunk = sp.Add(*above), sp.Add(*below)
    both = sp.S.One if grown == shrunk else exp_less(grown, shrunk)
    return sp.Mul(both, *factors)


def _exponential(exponent: sp.Expr) -> sp.Expr:
    """Return an exponential, of which SymPy would take numbers out as factors."""
    number, rest = exponent.as_coeff_Add()
    return exp_less(rest, -number) if number.is_Float else sp.exp(exponent)


def _log_less(exponent: sp.Expr) -> sp.Expr:
    """Return log(1 - exp(x)), also where x is the negative of an exponential."""
    number, inner = exponent.as_coeff_Mul()
    if not (isinstance(inner, sp.exp) and number.is_negative):
        return log_less(exponent)
    z = inner.args[0] + sp.log(-number)
    near = kind_of((1 - sp.exp(-T)) / T)(sp.exp(z))
    return choice(
        (z + sp.log(near), sp.Lt(z, 0, evaluate=False)), (log_less(-sp.exp(z)), True)
    )


def _with_number(scaled: Scaled) -> tuple[sp.Expr, sp.Expr, sp.Expr] | None:
    """Return c, d and x of c + d*exp(x), where c and d are numbers."""
    if len(scaled.terms) != 2:
        return None
    one, two = sorted(scaled.terms, key=lambda term: term.exponent != 0)
    if one.exponent != 0 or not (one.factor.is_number and two.factor.is_number):
        return None
    return one.factor, two.factor, two.exponent


def _difference(scaled: Scaled) -> tuple[sp.Expr, sp.Expr] | None:
    """Return a and x of exp(a)*(1 - exp(x)); None if it isn't such a difference."""
    if len(scaled.terms) != 2:
        return None
    if not all(term.factor.is_number for term in scaled.terms):
        return None
    less, more = sorted(scaled.terms, key=lambda term: bool(term.factor.is_positive))
    if not (less.factor.is_negative and more.factor.is_positive):
        return None
    ratio = sp.log(-less.factor / more.factor)
    return more.exponent + sp.log(more.factor), less.exponent - more.exponent + ratio
