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
from symgd.calculus.removable import T, kind_of, removable, without_singularity
from symgd.language.as_written import choice, made
from symgd.language.functions import (
    exp_less,
    held,
    log_cosh,
    real_abs,
    real_sign,
    sigmoid,
    softplus,
)
from symgd.language.nodes import REPEATED, Maximum, Product, Sum, kept
from symgd.language.signs import is_nonnegative, is_positive

_GROWING = (sp.exp, sp.cosh, sp.sinh, sigmoid)
MOST_FACTORS = 4  # of a logarithm's product that can't be split by signs


class _Term(NamedTuple):
    """A factor times a sum, over limits, of a number times an exponential."""

    factor: sp.Expr
    exponent: sp.Expr
    number: sp.Expr = sp.S.One
    limits: tuple[sp.Tuple, ...] = ()


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
            return self._softplus(sp.S.One + node.args[0])
        if isinstance(node, (sp.Mul, sp.Add)) and self.removes:
            found = without_singularity(node)
            if found is not None:
                template, argument, rest = found
                function = kind_of(template)(self.of(argument))
                return node.func(function, self.of(rest))
        if isinstance(node, (sp.Mul, sp.Pow)) and not node.is_number:
            return self._quotient(node)
        return None

    # ------------------------------------------------------------------- logarithms

    def logarithm(self, inner: sp.Expr) -> sp.Expr | None:
        """Return log of an expression, rewritten; None where it can stay."""
        if (whole := self._logarithm_of_factor(inner)) is not None:
            return whole
        factors = sp.Mul.make_args(inner)
        if len(factors) < 2:
            return None
        taken, rest = [], []
        for factor in factors:
            part = self._logarithm_of_factor(factor)
            if part is None and len(factors) > MOST_FACTORS and is_positive(factor):
                part = sp.log(self.of(factor))
            taken += [] if part is None else [part]
            rest += [factor] if part is None else []
        if not taken:
            return None
        if len(rest) > MOST_FACTORS:
            signs = sp.Mul(*map(real_sign, rest))
            taken += [sp.log(real_abs(self.of(f))) for f in rest] + [sp.log(signs)]
        elif rest:
            taken.append(sp.log(self.of(sp.Mul(*rest))))
        return sp.Add(*taken)

    def _logarithm_of_factor(self, factor: sp.Expr) -> sp.Expr | None:
        """Return the logarithm of what is positive or a long product, if rewritten."""
        if isinstance(factor, (sp.exp, kept)):
            inner = factor.args[0]
            return (
                self.of(inner) if isinstance(factor, sp.exp) else self.logarithm(inner)
            )
        if isinstance(factor, sp.cosh):
            return log_cosh(self.of(factor.args[0]))
        if isinstance(factor, sigmoid):
            return -softplus(-self.of(factor.args[0]))
        if isinstance(factor, sp.Product):
            return self._logarithm_of_product(factor)
        if isinstance(factor, sp.Pow):
            base, exponent = factor.args
            if base.is_number and base.is_positive and not exponent.is_number:
                return self.of(exponent) * sp.log(base)
            part = self.logarithm(base) if is_positive(base) else None
            return None if part is None else self.of(exponent) * part
        return self._softplus(factor) if isinstance(factor, (sp.Add, sp.Sum)) else None

    def _logarithm_of_product(self, node: sp.Expr) -> sp.Expr:
        """Return a sum of logarithms; signs don't matter if their product is 1."""
        summed, signs = [], []
        for factor in sp.Mul.make_args(node.function):
            part = self._logarithm_of_factor(factor)
            if part is None:
                inner = self.of(factor)
                positive = is_nonnegative(factor)
                part = sp.log(inner if positive else real_abs(inner))
                signs += [] if positive else [real_sign(inner)]
            summed.append(part)
        total = Sum(sp.Add(*summed), *node.limits)
        if not signs:
            return total
        return total + sp.log(Product(sp.Mul(*signs), *node.limits))

    def _softplus(self, total: sp.Expr) -> sp.Expr | None:
        """Return the logarithm of a sum with exponentials; None where there is none."""
        if total.func is sp.Add and len(total.args) == 2 and total.args[0] == 1:
            opposite = -total.args[1]
            opposite = self.of(opposite) if opposite.has(*_GROWING) else opposite
            if isinstance(opposite, sigmoid):
                return -softplus(opposite.args[0])
        terms = _exponentials(total)
        if terms is None:
            return None
        if two := _number_and_exponential(terms):
            number, factor, inner = two
            return sp.log(number) + softplus(self.of(inner) + sp.log(factor / number))
        largest, rest = self._taken_out(terms)
        return largest + sp.log(rest)

    # --------------------------------------------------------------------- quotients

    def _quotient(self, node: sp.Expr) -> sp.Expr | None:
        """Return a product in which exponentials are divided by sums of them."""
        exponents: list[sp.Expr] = []
        others: list[sp.Expr] = []
        sums: list[tuple[list[_Term], sp.Expr]] = []
        far = sp.S.Zero
        for factor in sp.Mul.make_args(node):
            base, exponent = factor.as_base_exp()
            terms = None
            if isinstance(factor, sp.exp):
                exponents.append(factor.args[0])
                continue
            if _is_far(factor):
                far = sp.log(abs(factor))
                others.append(sp.sign(factor))
                continue
            if exponent.is_number:
                base = base.args[0] if isinstance(base, kept) else base
                terms = _exponentials(base)
            if terms is None:
                others.append(factor)
            else:
                sums.append((terms, exponent))
        if not any(power.is_negative for _, power in sums):
            if far.is_zero or not exponents:
                return None
            rest = [factor for factor in node.args if not isinstance(factor, sp.exp)]
            rest = [sp.sign(each) if _is_far(each) else self.of(each) for each in rest]
            return sp.Mul(exp_less(self.of(sp.Add(*exponents)), -far), *rest)
        exponents += [] if far.is_zero else [far]
        known = self._logistic(exponents, sums)
        if known is None:
            known = self._balanced(exponents, sums)
        return sp.Mul(known, *map(self.of, others))

    def _logistic(
        self, exponents: list[sp.Expr], sums: list[tuple[list[_Term], sp.Expr]]
    ) -> sp.Expr | None:
        """Return 1/(c + d*exp(x)) or exp(x)/(c + d*exp(x)) by the logistic function."""
        if len(sums) != 1 or sums[0][1] != -1:
            return None
        if (two := _number_and_exponential(sums[0][0])) is None:
            return None
        number, factor, inner = two
        argument = self.of(inner) + sp.log(factor / number)
        if not exponents:
            return sigmoid(-argument) / number
        if sp.Add(*exponents) == inner:
            return sigmoid(argument) / factor
        return None

    def _balanced(
        self, exponents: list[sp.Expr], sums: list[tuple[list[_Term], sp.Expr]]
    ) -> sp.Expr:
        """Return a product in which the largest exponentials are taken out of sums."""
        above: list[sp.Expr] = list(map(self.of, exponents))
        below: list[sp.Expr] = []
        factors = []
        for terms, power in sums:
            largest, rest = self._taken_out(terms)
            factors.append(rest**power)
            if power.is_negative:
                below.append(-power * largest)
            else:
                above.append(power * largest)
        grown, shrunk = sp.Add(*above), sp.Add(*below)
        both = sp.S.One if grown == shrunk else exp_less(grown, shrunk)
        return sp.Mul(both, *factors)

    def _taken_out(self, terms: Sequence[_Term]) -> tuple[sp.Expr, sp.Expr]:
        """Return the largest exponent, and the sum divided by its exponential."""
        terms = [term._replace(exponent=self.of(term.exponent)) for term in terms]
        different = list(dict.fromkeys(map(_largest, terms)))
        if len(different) == 1 and not any(term.limits for term in terms):
            return different[0], sp.Add(*(self.of(term.factor) for term in terms))
        largest = held(made(sp.Max, different))
        return largest, sp.Add(*(self._divided(term, largest) for term in terms))

    def _divided(self, term: _Term, largest: sp.Expr) -> sp.Expr:
        """Return a term divided by the exponential of the largest exponent."""
        part = self.of(term.number) * exp_less(term.exponent, largest)
        part = Sum(part, *term.limits) if term.limits else part
        return self.of(term.factor) * part


def _is_far(factor: sp.Expr) -> bool:
    """Return whether it is a number near the limits of float64, or beyond.

    Such are what SymPy takes out of ``exp(x - 1234.5)``.
    """
    return bool(factor.is_Float and not 1e-200 < abs(factor) < 1e200)


def _largest(term: _Term) -> sp.Expr:
    return Maximum(term.exponent, *term.limits) if term.limits else term.exponent


def _exponentials(total: sp.Expr) -> list[_Term] | None:
    """Return the terms of a sum as factors of exponentials; None if it has none."""
    if not isinstance(total, (sp.Add, sp.Sum, sp.cosh, sp.sinh)):
        return None
    terms = _terms(total)
    moving = any(not term.exponent.is_number for term in terms)
    bounded = any(term.exponent == 0 for term in terms) and all(
        is_nonnegative(-term.exponent) for term in terms
    )
    return terms if moving and not bounded else None


def _terms(total: sp.Expr) -> list[_Term]:
    terms: list[_Term] = []
    for term in sp.Add.make_args(total):
        if (sums := _summed(term)) is not None:
            terms += sums
            continue
        factors, exponents = [], []
        signs: tuple[tuple[Any, int], ...] = ((sp.S.One, 1),)
        for factor in sp.Mul.make_args(term):
            base, exponent = factor.as_base_exp()
            if isinstance(factor, sp.exp):
                exponents.append(factor.args[0])
            elif base.is_number and base.is_positive and not exponent.is_number:
                exponents.append(exponent * sp.log(base))
            elif _is_far(factor):
                exponents.append(sp.log(abs(factor)))
                factors.append(sp.sign(factor))
            elif isinstance(factor, (sp.cosh, sp.sinh)) and len(signs) == 1:
                odd = -1 if isinstance(factor, sp.sinh) else 1
                inner = factor.args[0]
                signs = ((sp.S.Half, 1), (sp.S.Half * odd, -1))
                exponents.append(inner)
            else:
                factors.append(factor)
        if len(signs) == 2:
            *others, inner = exponents
            terms += [
                _Term(sp.Mul(part, *factors), sp.Add(*others, way * inner))
                for part, way in signs
            ]
        else:
            terms.append(_Term(sp.Mul(*factors), sp.Add(*exponents)))
    return terms


def _summed(term: sp.Expr) -> list[_Term] | None:
    """Return the terms of one that has a sum over indices with exponentials."""
    sums = [factor for factor in sp.Mul.make_args(term) if isinstance(factor, sp.Sum)]
    if len(sums) != 1:
        return None
    (node,) = sums
    inner = _terms(node.function)
    if all(each.exponent == 0 for each in inner) or any(each.limits for each in inner):
        return None
    others = sp.Mul(*(f for f in sp.Mul.make_args(term) if f is not node))
    return [
        _Term(others, each.exponent, each.factor, tuple(node.limits)) for each in inner
    ]


def _number_and_exponential(
    terms: Sequence[_Term],
) -> tuple[sp.Expr, sp.Expr, sp.Expr] | None:
    """Return c, d and x of c + d*exp(x), where c and d are positive numbers."""
    if len(terms) != 2 or any(term.limits for term in terms):
        return None
    one, two = sorted(terms, key=lambda term: term.exponent != 0)
    (number, none), (factor, inner) = one[:2], two[:2]
    if none != 0 or not (number.is_number and factor.is_number):
        return None
    if not (number.is_positive and factor.is_positive):
        return None
    return number, factor, inner
