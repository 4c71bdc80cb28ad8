"""Formulas rewritten where their parts overflow though the whole is a plain number.

``log(1 + exp(x))``, ``log(exp(a) + exp(b) + ...)``, ``exp(a)/(exp(a) + exp(b))``,
``1/(1 + exp(-x))``, ``log(cosh(x))``, and logarithms of products, as of likelihoods.
From a sum of exponentials the largest is taken out as a factor; that number is held,
since the whole doesn't depend on which it is, and so derivatives are stable likewise.

This is the log-sum-exp trick, also for quotients. What needs nothing stays as it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import sympy as sp
from sympy.codegen.cfunctions import log1p

from symgd.calculus.derivatives import gradient
from symgd.calculus.gammas import quotient_of_gammas
from symgd.calculus.growth import Growth, Scaled, distributed, is_far, may_be_far
from symgd.calculus.logarithms import LogarithmRules, half_square
from symgd.calculus.overflowing import log_of_quotient
from symgd.calculus.powers import Powers, has_powers
from symgd.calculus.removable import T, removable
from symgd.calculus.units import unit_of
from symgd.language.as_written import choice, made, raised
from symgd.language.composed import by_expm1, times_log, times_log1p
from symgd.language.functions import (
    exp_less,
    sigmoid,
)
from symgd.language.nodes import REPEATED, kept
from symgd.language.quick import applied, unasked
from symgd.language.signs import is_nonnegative, is_positive

MOST_TERMS = 4  # of a sum of logarithms that is multiplied out
_Form: TypeAlias = "Callable[[list[sp.Expr], list[tuple[Scaled, sp.Expr]]], Any]"


@functools.lru_cache(maxsize=256)
def stable(expression: sp.Expr, powers: bool = True) -> sp.Expr:
    """Return an expression of the same value that doesn't overflow on the way.

    ``powers`` says whether powers with varying exponents are looked at. They get two
    forms: loops over rows of data would compute both, for what hardly occurs there.

    >>> from symgd.language.formula import read
    >>> stable(read("log(1 + exp(x)) + 1/(1 + exp(-y))"))
    sigmoid(y) + softplus(x)
    >>> stable(read("log(exp(-x**2)*exp(-y**2))"))
    -x**2 - y**2
    """
    return _Pass(powers=powers).of(expression)


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

    def __init__(self, removes: bool = True, powers: bool = True) -> None:
        self.removes = removes  # singularities
        self.powers = powers
        self.done: dict[sp.Basic, Any] = {}
        self.growth = Growth(self.of, removes)
        self.logarithms = LogarithmRules(self.of, self.growth, removes, powers)

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
        arguments = [self._argument(node, argument) for argument in node.args]
        same = all(new is old for new, old in zip(arguments, node.args, strict=True))
        return node if same else made(node.func, arguments)

    def _argument(self, node: Any, argument: Any) -> Any:
        """Return an argument; where it is 0 is known of a removable singularity."""
        if isinstance(node, removable) and argument.is_Mul:
            return sp.Mul(*map(self.of, argument.args))
        return self.of(argument)

    def _in_another_form(self, node: Any) -> Any:
        """Return a node in a stable form; None where its own is."""
        if isinstance(node, sp.log) and len(node.args) == 1:
            known = self._of_quotient(node, sp.S.One)
            return self.logarithms.of(node.args[0]) if known is None else known
        if isinstance(node, log1p):
            whole = sp.S.One + node.args[0]
            known = self.logarithms.of(whole)
            has_none = known is None and whole.as_coeff_Add()[0] == 0
            return sp.log(self.of(whole)) if has_none else known
        if isinstance(node, (sp.Mul, sp.Pow)):
            halves = list(map(_of_halves, sp.Mul.make_args(node)))
            if any(halves):
                pairs = zip(halves, sp.Mul.make_args(node), strict=True)
                return self.of(sp.Mul(*(new or old for new, old in pairs)))
        if isinstance(node, sp.Add) and (tail := _tail(node)) is not None:
            return self.of(tail)
        if self.removes and (unit := unit_of(node)) is not None:
            return self.of(node.func(*unit.parts))
        if isinstance(node, (sp.Mul, sp.Pow)) and not node.is_number:
            known = self._quotient(node, self.growth)
            known = self._of_powers(node) if known is None else known
            known = quotient_of_gammas(node, self.of) if known is None else known
            return self._of_nothing(node) if known is None else known
        return None

    def _of_powers(self, node: sp.Expr) -> sp.Expr | None:
        """Return a quotient by a sum of powers, or its root, in two forms.

        None where one will do.
        """
        factors = sp.Mul.make_args(node)
        divisors = (factor.as_base_exp() for factor in factors)
        sums = [
            base
            for base, e in divisors
            if has_powers(base) and not (e.is_integer and e.is_positive)
        ]
        if not (sums and self.powers):
            return None
        inside = [f for f in factors if f.as_base_exp()[0] in sums or may_be_far(f)]
        whole, powers = sp.Mul(*inside), Powers(self.of)
        far = self._quotient(whole, powers.growth, _share)
        plain = sp.Mul(*(made(f.func, map(self.of, f.args)) for f in inside))
        if (chosen := powers.chosen(far, plain, sums)) is None:
            return None
        return sp.Mul(chosen, *(self.of(f) for f in factors if f not in inside))

    def _of_nothing(self, node: sp.Expr) -> sp.Expr | None:
        """Return c*log(m) as what is 0 where both are 0; None where it needn't be.

        That of a name times its own powers is left to ``lowering.limits``.
        """
        factors = sp.Mul.make_args(node)
        logs = [f for f in factors if isinstance(f, (sp.log, log1p))]
        others = [factor for factor in factors if factor not in logs]
        if len(logs) != 1 or not any(map(_may_be_0, others)):
            return self._of_sum_of_logarithms(factors)
        (log,) = logs
        if (known := self._of_quotient(log, sp.Mul(*others))) is not None:
            return known
        number, c = sp.Mul(*others).as_coeff_Mul()
        found = (times_log1p if isinstance(log, log1p) else times_log)(c, log.args[0])
        bases = [base for base, _ in found.factors]
        if not any(map(_may_be_0, bases)) or self.of(log).func != log.func:
            return None
        own = len(bases) == 1 and isinstance(bases[0], (sp.Symbol, sp.Indexed))
        if own and any(factor.as_base_exp()[0] == bases[0] for factor in factors):
            return None
        return number * found.func(*map(self.of, found.args))

    def _of_quotient(self, log: sp.Expr, factor: sp.Expr) -> sp.Expr | None:
        """Return a multiple of log(1 + c/x) in two forms; None where one will do."""
        (x,) = log.args
        total = sp.S.One + x if isinstance(log, log1p) else x
        if not self.powers or self.logarithms.of(total) is not None:
            return None
        return log_of_quotient(total, factor, self.of)

    def _of_sum_of_logarithms(self, factors: Sequence[sp.Expr]) -> sp.Expr | None:
        """Return c*(log(x) - log(y)) term by term, if these are 0 where c is."""
        sums = [f for f in factors if isinstance(f, sp.Add) and _has_logarithms(f)]
        if len(sums) != 1:
            return None
        c = sp.Mul(*(factor for factor in factors if factor is not sums[0]))
        terms = [c * term for term in sums[0].args]
        known = [self._of_nothing(term) if term.is_Mul else None for term in terms]
        if not any(each is not None for each in known):
            return None
        pairs = zip(terms, known, strict=True)
        return sp.Add(*(self.of(t) if new is None else new for t, new in pairs))

    # --------------------------------------------------------------------- quotients

    def _quotient(
        self, node: sp.Expr, growth: Growth, known: _Form | None = None
    ) -> sp.Expr | None:
        """Return a product whose exponentials don't overflow where it is finite."""
        exponents: list[sp.Expr] = []
        done: list[sp.Expr] = []
        others: list[sp.Expr] = []
        sums: list[tuple[Scaled, sp.Expr]] = []
        far: sp.Expr = sp.S.Zero
        rooted = False
        for factor in sp.Mul.make_args(node):
            base, exponent = factor.as_base_exp()
            if is_far(factor):
                far = sp.log(abs(factor))
                done.append(sp.sign(factor))
                continue
            whole = growth.scaled(factor)
            if whole is not None and len(whole.terms) == 1:
                exponents.append(whole.terms[0].exponent)
                done.append(whole.terms[0].factor)
                rooted = rooted or isinstance(base, sp.Add)
            elif (scaled := growth.scaled(base)) is None:
                others.append(factor)
            else:
                sums.append((scaled, self.of(exponent)))
        if not (rooted or _is_risky(exponents, sums, far)):
            return None
        result = known(exponents, sums) if known is not None else None
        if result is None:
            result = self._known_quotient(exponents, sums, far)
        return sp.Mul(result, *done, *map(self.of, others))

    def _known_quotient(
        self, exponents: list[sp.Expr], sums: list[tuple[Scaled, sp.Expr]], far: sp.Expr
    ) -> sp.Expr:
        above = list(exponents)
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


def _may_be_0(node: sp.Expr) -> bool:
    """Return whether a factor, or what it is a power of, may be 0."""
    base, exponent = node.as_base_exp()
    if exponent.is_number and not exponent.is_positive:
        return False
    return not (base.is_number or is_positive(base) or base.has(removable))


def _has_logarithms(total: sp.Add) -> bool:
    """Return whether a short sum has logarithms as terms, or multiples of them."""
    terms = (term.as_coeff_Mul()[1] for term in total.args)
    return len(total.args) <= MOST_TERMS and any(isinstance(t, sp.log) for t in terms)


def _tail(node: sp.Add) -> sp.Expr | None:
    """Return a difference from where erf, erfc or tanh go as what doesn't cancel."""
    number, rest = node.as_coeff_Add()
    factor, function = rest.as_coeff_Mul()
    if isinstance(function, sp.erf) and factor in (number, -number):
        (x,) = function.args
        return number * unasked(sp.erfc, x if factor == -number else -x)
    if isinstance(function, sp.erfc) and number == -2 * factor:
        return -factor * unasked(sp.erfc, -function.args[0])
    base, power = function.as_base_exp()
    if isinstance(base, sp.tanh) and power == 2 and factor == -number:
        return number * applied(sp.cosh, *base.args) ** -2
    if isinstance(function, sp.tanh) and factor in (number, -number):
        (x,) = function.args
        return 2 * number * sigmoid(2 * factor / number * x)
    return None


def _of_halves(node: sp.Expr) -> sp.Expr | None:
    """Return a root or divisor of 1 - cos(x), or of cosh(x) - 1, by half of x."""
    base, exponent = node.args if isinstance(node, sp.Pow) else (node, sp.S.One)
    if exponent.is_integer and exponent.is_positive:
        return None
    factor, total = base.as_coeff_Mul()
    square = half_square(total)
    return None if square is None else raised(factor * square, exponent)


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
    if len(exponents) + len(sums) < 2:
        return False
    vanishing = [not is_nonnegative(e) for e in exponents]
    overflowing = [not is_nonnegative(-e) for e in exponents]
    vanishing += [scaled.may_vanish for scaled, _ in sums]
    overflowing += [scaled.may_overflow for scaled, _ in sums]
    pairs = any(vanishing) and any(overflowing)
    return pairs and not (
        sum(vanishing) == 1 == sum(overflowing) and vanishing == overflowing
    )


def _logistic(
    exponents: Sequence[sp.Expr], sums: Sequence[tuple[Scaled, sp.Expr]]
) -> sp.Expr | None:
    """Return 1/(c + d*exp(x)) or exp(x)/(c + d*exp(x)) by the logistic function."""
    if len(sums) != 1 or sums[0][1] != -1:
        return None
    if (two := sums[0][0].with_number()) is None:
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


def _share(
    exponents: Sequence[sp.Expr], sums: Sequence[tuple[Scaled, sp.Expr]]
) -> sp.Expr | None:
    """Return exp(x)/(c*exp(x) + d*exp(y)) by the logistic function of x - y."""
    if len(sums) != 1 or sums[0][1] != -1 or len(sums[0][0].terms) != 2:
        return None
    one, two = sums[0][0].terms
    if one.exponent == sp.Add(*exponents):
        one, two = two, one
    both = one.factor, two.factor
    if two.exponent != sp.Add(*exponents) or not all(f.is_positive for f in both):
        return None
    gap = _less(two.exponent, one.exponent)
    return sigmoid(gap + sp.log(two.factor / one.factor)) / two.factor


def _less(x: sp.Expr, y: sp.Expr) -> sp.Expr:
    """Return x - y, of products without the factors that they have in common."""
    mine, other = sp.Mul.make_args(x), sp.Mul.make_args(y)
    common = [factor for factor in mine if factor in other]
    rest = (sp.Mul(*(f for f in each if f not in common)) for each in (mine, other))
    return sp.Mul(*common, kept(next(rest) - next(rest)))


def _balanced(
    above: Sequence[sp.Expr], sums: Sequence[tuple[Scaled, sp.Expr]]
) -> sp.Expr:
    """Return a product in which the largest exponentials are taken out of sums."""
    above, below = list(above), []
    factors = []
    for scaled, power in sums:
        largest, rest = scaled.taken_out()
        factors.append(raised(rest, power))
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
