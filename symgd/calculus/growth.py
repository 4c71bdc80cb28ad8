"""Expressions from which an exponential can be taken out: exp(L)*rest, whatever L is.

With the largest of its exponents as L, nothing in the rest overflows, and not all of it
vanishes. That is the shift of the log-sum-exp trick, here also for products, powers,
choices and extremes of sums, and for sums over indices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import sympy as sp
from sympy.codegen.cfunctions import expm1

from symgd.calculus.units import Unit, unit_of
from symgd.language.as_written import choice, made, raised
from symgd.language.composed import log_abs
from symgd.language.functions import exp_less, held, real_abs, sigmoid, softplus
from symgd.language.nodes import Maximum, Product, Sum, kept
from symgd.language.signs import is_nonnegative

ABSENT = sp.Float(-1.7e308)  # the exponent of what is 0
MOST_DEGREE = 8  # of powers by which nothing is taken to overflow
LOG_0 = sp.Float(-1e150)  # as good as infinite; its square is a number, too


class Exponential(NamedTuple):
    """A factor of an exponential."""

    factor: sp.Expr
    exponent: sp.Expr


class Scaled(NamedTuple):
    """What is a sum of exponentials, or made of such sums.

    ``divided`` returns it over the exponential of a given number. ``terms`` are those
    of a plain sum, else it is empty.
    """

    exponents: tuple[sp.Expr, ...]
    divided: Callable[[sp.Expr], sp.Expr]
    terms: tuple[Exponential, ...] = ()

    @property
    def moves(self) -> bool:
        """Whether an exponent isn't a number."""
        return not all(exponent.is_number for exponent in self.exponents)

    @property
    def may_vanish(self) -> bool:
        """Whether all exponents may be far below 0."""
        return not any(map(is_nonnegative, self.exponents))

    @property
    def may_overflow(self) -> bool:
        """Whether an exponent may be far above 0."""
        return not all(is_nonnegative(-exponent) for exponent in self.exponents)

    def with_number(self) -> tuple[sp.Expr, sp.Expr, sp.Expr] | None:
        """Return c, d and x of c + d*exp(x), where c and d are numbers."""
        if len(self.terms) != 2:
            return None
        one, two = sorted(self.terms, key=lambda term: term.exponent != 0)
        if one.exponent != 0 or not (one.factor.is_number and two.factor.is_number):
            return None
        return one.factor, two.factor, two.exponent

    def taken_out(self) -> tuple[sp.Expr, sp.Expr]:
        """Return the largest exponent, and the rest.

        The exponent is held: the whole doesn't depend on which it is.
        """
        if self.terms and len(self.exponents) == 1:
            (exponent,) = self.exponents
        else:
            exponent = held(_largest(self.exponents))
        return exponent, self.divided(exponent)


def of_terms(terms: Iterable[Exponential]) -> Scaled:
    """Return the sum of some factors of exponentials."""
    terms = tuple(terms)

    def divided(largest: sp.Expr) -> sp.Expr:
        return sp.Add(*(t.factor * _less(t.exponent, largest) for t in terms))

    return Scaled(tuple(dict.fromkeys(t.exponent for t in terms)), divided, terms)


def _of_sinh(x: sp.Expr) -> Scaled:
    """Return a hyperbolic sine, which mustn't cancel near 0."""
    terms = Exponential(sp.S.Half, x), Exponential(-sp.S.Half, -x)

    def divided(largest: sp.Expr) -> sp.Expr:
        above = -exp_less(x, largest) * expm1(kept(-2 * x)) / 2
        below = exp_less(-x, largest) * expm1(kept(2 * x)) / 2
        return choice((above, sp.Gt(x, 0, evaluate=False)), (below, True))

    return Scaled((x, -x), divided, terms)


def _less(exponent: sp.Expr, largest: sp.Expr) -> sp.Expr:
    return sp.S.One if exponent == largest else exp_less(exponent, largest)


def _largest(exponents: Sequence[sp.Expr]) -> sp.Expr:
    return exponents[0] if len(exponents) == 1 else made(sp.Max, list(exponents))


def is_far(factor: sp.Expr) -> bool:
    """Return whether it is a number whose powers are beyond float64, or it is itself.

    Such are what SymPy takes out of ``exp(x - 1234.5)``.
    """
    return bool(factor.is_Float and factor and not 1e-100 < abs(float(factor)) < 1e100)


def may_be_far(node: sp.Expr) -> bool:
    """Return whether a power has a varying exponent, or one by which it overflows."""
    if not isinstance(node, sp.Pow) or node.base.is_number:
        return False
    return not node.exp.is_number or bool(node.exp > MOST_DEGREE)


def _is_modest(exponent: sp.Expr) -> bool:
    return bool(exponent.is_number and abs(exponent) < 400)


class Growth:
    """Takes exponentials out of the parts of one expression.

    ``of`` rewrites what is inside of them, and what has none. ``removes`` says whether
    what is 0/0 somewhere is one unit. With ``bases``, powers that may be far from 1 are
    exponentials, too; their bases are added there, and whether they may be negative.
    """

    def __init__(
        self,
        of: Callable[[Any], Any],
        removes: bool,
        bases: dict[sp.Expr, bool] | None = None,
    ) -> None:
        self.of = of
        self.removes = removes
        self.bases = bases
        self._known: dict[sp.Basic, Scaled | None] = {}

    def scaled(self, node: sp.Expr) -> Scaled | None:
        """Return how an exponential is taken out; None where there is no need."""
        found = self.any_scaled(node)
        if found is None or not (found.may_vanish or found.may_overflow):
            return None
        return found

    def any_scaled(self, node: sp.Expr) -> Scaled | None:
        """Return the same, needed or not; None where there is no exponential."""
        if node not in self._known:
            unit = unit_of(node) if self.removes else None
            self._known[node] = self._found(node)  # which a unit may have elsewhere
            if unit is not None:
                self._known[node] = self._of_unit(node, unit)
        return self._known[node]

    def _of_unit(self, node: sp.Expr, unit: Unit) -> Scaled | None:
        """Return the same of what is 0/0 somewhere: near to there, and elsewhere."""
        whole = node.func(*unit.parts)
        near = self.any_scaled(whole)
        apart = None if unit.argument is None else self._known[node]
        if apart is None:
            return near
        if near is None:
            near = of_terms([Exponential(self.of(whole), sp.S.Zero)])
        inside = sp.Lt(sp.Abs(self.of(unit.argument)), 1, evaluate=False)
        return _chosen([near, apart], [inside, sp.true])

    def _found(self, node: sp.Expr) -> Scaled | None:
        if isinstance(node, sp.exp) and _is_modest(node.args[0]):
            return None
        if isinstance(node, sp.exp):
            return of_terms([Exponential(sp.S.One, self.of(node.args[0]))])
        if isinstance(node, sigmoid):
            exponent = -softplus(-self.of(node.args[0]))
            return of_terms([Exponential(sp.S.One, exponent)])
        if is_far(node):
            return of_terms([Exponential(sp.sign(node), sp.log(abs(node)))])
        if isinstance(node, sp.cosh):
            x = self.of(node.args[0])
            return of_terms([Exponential(sp.S.Half, x), Exponential(sp.S.Half, -x)])
        if isinstance(node, sp.sinh):
            return _of_sinh(self.of(node.args[0]))
        for kind, rule in _RULES.items():
            if isinstance(node, kind):
                return rule(self, node)
        return None

    def _of_power(self, node: sp.Pow) -> Scaled | None:
        base, exponent = node.args
        if base.is_number and base.is_positive and not exponent.is_number:
            return of_terms([Exponential(sp.S.One, self.of(exponent) * sp.log(base))])
        if (inner := self.scaled(base)) is None:
            if self.bases is None or not may_be_far(node):
                return None
            x = self.of(base)
            if exponent.is_even:
                known, size = sp.Ne(x, 0, evaluate=False), log_abs(x)
            else:
                known, size = sp.Gt(x, 0, evaluate=False), sp.log(x)
            self.bases[x] = self.bases.get(x, True) and bool(exponent.is_even)
            logarithm = choice((size, known), (LOG_0, True))
            return of_terms([Exponential(sp.S.One, self.of(exponent) * logarithm)])
        power = self.of(exponent)
        if len(inner.terms) == 1:
            (term,) = inner.terms
            return of_terms([Exponential(term.factor**power, power * term.exponent)])
        if not exponent.is_integer and (two := inner.with_number()):
            number, factor, x = two
            if number.is_positive and factor.is_positive:
                logarithm = softplus(x + sp.log(factor / number))
                return of_terms([Exponential(number**power, power * logarithm)])
        largest, rest = inner.taken_out()
        return _product([raised(rest, power)], power * largest)

    def _of_product(self, node: sp.Mul) -> Scaled | None:
        plain, exponents, compounds = [], [], []
        for factor in node.args:
            inner = self.scaled(factor)
            if inner is None:
                plain.append(self.of(factor))
            elif len(inner.terms) == 1:
                plain.append(inner.terms[0].factor)
                exponents.append(inner.terms[0].exponent)
            else:
                compounds.append(inner)
        if not (exponents or compounds):
            return None
        factor, exponent = sp.Mul(*plain), sp.Add(*exponents)
        if not compounds:
            return of_terms([Exponential(factor, exponent)])
        if len(compounds) == 1:
            (one,) = compounds
            if one.terms:
                return distributed(one, factor, exponent)
            if exponent == 0:
                return Scaled(
                    one.exponents, lambda largest: factor * one.divided(largest)
                )
        parts = [compound.taken_out() for compound in compounds]
        exponent += sp.Add(*(largest for largest, _ in parts))
        return _product([factor, *(rest for _, rest in parts)], exponent)

    def _of_sum(self, node: sp.Add) -> Scaled | None:
        parts = [self.scaled(term) for term in node.args]
        if not any(parts):
            return None
        whole = [
            of_terms([Exponential(self.of(term), sp.S.Zero)]) if part is None else part
            for part, term in zip(parts, node.args, strict=True)
        ]
        if all(part.terms for part in whole):
            found = of_terms(term for part in whole for term in part.terms)
        else:
            found = _together(whole)
        return found if found.moves else None

    def _of_indexed_sum(self, node: sp.Sum) -> Scaled | None:
        if (inner := self.scaled(node.function)) is None:
            return None
        return Scaled(
            (Maximum(_largest(inner.exponents), *node.limits),),
            lambda largest: Sum(inner.divided(largest), *node.limits),
        )

    def _of_indexed_product(self, node: sp.Product) -> Scaled | None:
        if (inner := self.scaled(node.function)) is None:
            return None
        if len(inner.terms) == 1:
            factor, exponent = inner.terms[0]
        else:
            exponent, factor = inner.taken_out()
        rest = factor if factor == 1 else Product(factor, *node.limits)
        return of_terms([Exponential(rest, Sum(exponent, *node.limits))])

    def _of_choice(self, node: sp.Piecewise) -> Scaled | None:
        parts = [self.scaled(value) for value, _ in node.args]
        if not any(parts):
            return None
        conditions = [self.of(condition) for _, condition in node.args]
        whole = [
            of_terms(
                [Exponential(self.of(value), ABSENT if value.is_zero else sp.S.Zero)]
            )
            if part is None
            else part
            for part, (value, _) in zip(parts, node.args, strict=True)
        ]
        return _chosen(whole, conditions)

    def _of_extreme(self, node: sp.Expr) -> Scaled | None:
        # The largest part decides only if none is negative.
        if not all(map(is_nonnegative, node.args)):
            return None
        parts = [self.scaled(argument) for argument in node.args]
        if not any(parts):
            return None
        whole = [
            of_terms([Exponential(self.of(argument), sp.S.Zero)])
            if part is None
            else part
            for part, argument in zip(parts, node.args, strict=True)
        ]
        exponents = [_largest(part.exponents) for part in whole]
        return Scaled(
            (made(node.func, exponents),),
            lambda largest: made(node.func, [p.divided(largest) for p in whole]),
        )

    def _of_size(self, node: sp.Expr) -> Scaled | None:
        if (inner := self.scaled(node.args[0])) is None:
            return None
        return Scaled(
            inner.exponents, lambda largest: node.func(inner.divided(largest))
        )

    def _of_kept(self, node: sp.Expr) -> Scaled | None:
        return self.scaled(node.args[0])


def distributed(scaled: Scaled, factor: sp.Expr, exponent: sp.Expr) -> Scaled:
    """Return a sum of exponentials times one factor of one more."""
    return of_terms(Exponential(factor * f, exponent + e) for f, e in scaled.terms)


def _chosen(parts: Sequence[Scaled], conditions: Sequence[Any]) -> Scaled:
    exponents = [_largest(part.exponents) for part in parts]

    def divided(largest: sp.Expr) -> sp.Expr:
        values = [part.divided(largest) for part in parts]
        return choice(*zip(values, conditions, strict=True))

    return Scaled((choice(*zip(exponents, conditions, strict=True)),), divided)


def _product(factors: Sequence[sp.Expr], exponent: sp.Expr) -> Scaled:
    rest = sp.Mul(*factors)
    return Scaled((exponent,), lambda largest: rest * _less(exponent, largest))


def _together(parts: Sequence[Scaled]) -> Scaled:
    exponents = dict.fromkeys(e for part in parts for e in part.exponents)
    return Scaled(
        tuple(exponents),
        lambda largest: sp.Add(*(part.divided(largest) for part in parts)),
    )


_RULES: dict[Any, Callable[[Growth, Any], Scaled | None]] = {
    sp.Pow: Growth._of_power,
    sp.Mul: Growth._of_product,
    sp.Add: Growth._of_sum,
    sp.Sum: Growth._of_indexed_sum,
    sp.Product: Growth._of_indexed_product,
    sp.Piecewise: Growth._of_choice,
    (sp.Max, sp.Min): Growth._of_extreme,
    (sp.Abs, real_abs): Growth._of_size,
    kept: Growth._of_kept,
}
