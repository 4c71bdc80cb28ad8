"""Sums and products; those without names become numbers.

They are computed here, term by term, because SymPy would look for closed forms and
approximations. Numbers are exact as long as they are short.

Constant folding.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import sympy as sp

from symgd.errors import FormulaError
from symgd.language.functions import NODES, Function, real_abs, real_sign
from symgd.language.nodes import MAX_BITS, Maximum, Product, Sum, names_in

MAX_TERMS = 100_000  # of all sums that become numbers in one formula
MAX_EXACT_TERMS = 1_000
MAX_STEPS = 30 * MAX_TERMS
FLOAT_BITS = 1023  # an integer in a formula fits in a float64

Exact: TypeAlias = int | Fraction
Number: TypeAlias = Exact | float
Place: TypeAlias = Mapping[sp.Symbol, int]


def _sign(number: Exact) -> int:
    return (number > 0) - (number < 0)


_EXACT: dict[type, Any] = {
    sp.floor: math.floor,
    sp.ceiling: math.ceil,
    sp.Mod: operator.mod,
    sp.Max: max,
    sp.Min: min,
    sp.Abs: abs,
    real_abs: abs,
    sp.sign: _sign,
    real_sign: _sign,
}
_COMPARISONS: dict[type, Any] = {
    sp.Eq: operator.eq,
    sp.Ne: operator.ne,
    sp.Lt: operator.lt,
    sp.Le: operator.le,
    sp.Gt: operator.gt,
    sp.Ge: operator.ge,
}


def numeric(row: Function, arguments: list[float]) -> float:
    """Return the value of a function of the language in floats."""
    if row.arity[1] is None:
        return functools.reduce(row.numeric, arguments)
    return row.numeric(*arguments)


class Folding:
    """Builds the sums, products and maxima of one formula."""

    def __init__(self) -> None:
        self._terms = 0
        self._steps = 0
        self._constants: dict[sp.Expr, Number | None] = {}

    def built(
        self, kind: type[Sum | Product | Maximum], body: sp.Expr, limits: Sequence[Any]
    ) -> sp.Expr:
        """Return a sum or product, or its value if no name is in it."""
        if any((high - low).is_negative for _, low, high in limits):
            return kind.empty
        node = kind(body, *limits)
        if any(names_in(node)):
            return node
        try:
            number = _short(self._value(node, {}), FLOAT_BITS)
            float(number)
        except FormulaError:
            raise
        except OverflowError:
            raise FormulaError("the result is too large for float64") from None
        except (ArithmeticError, ValueError):
            raise FormulaError("the result is not a real number") from None
        return sp.Float(number) if isinstance(number, float) else sp.Rational(number)

    def _value(self, node: sp.Expr, at: Place) -> Number:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise FormulaError(f"the value needs more than {MAX_STEPS} operations")
        if isinstance(node, sp.Symbol):
            return at[node]
        if (constant := self._constant(node)) is not None:
            return constant
        if isinstance(node, Sum):
            return _total(self._values(node.function, node.limits, at))
        if isinstance(node, Product):
            return _product(self._values(node.function, node.limits, at))
        if isinstance(node, Maximum):
            return max(self._values(node.function, node.limits, at))
        if isinstance(node, sp.Piecewise):
            for value, condition in node.args:
                if self._holds(condition, at):
                    return self._value(value, at)
            raise ValueError("no branch")
        return _short(_applied(node, [self._value(a, at) for a in node.args]))

    def _constant(self, node: sp.Expr) -> Number | None:
        if node not in self._constants:
            value: Number | None = None
            if node.is_Rational:
                value = int(node) if node.is_Integer else Fraction(node.p, node.q)
            elif node.is_number:
                value = float(node)
            self._constants[node] = value
        return self._constants[node]

    def _values(
        self, body: sp.Expr, limits: Sequence[Any], at: Place
    ) -> Iterator[Number]:
        if not limits:
            self._terms += 1
            if self._terms > MAX_TERMS:
                raise FormulaError(f"a sum of numbers has more than {MAX_TERMS} terms")
            yield self._value(body, at)
            return
        *inner, (index, low, high) = limits
        first, last = int(self._value(low, at)), int(self._value(high, at))
        for number in range(first, last + 1):
            yield from self._values(body, inner, {**at, index: number})

    def _holds(self, condition: sp.Basic, at: Place) -> bool:
        if condition in (sp.true, sp.false):
            return condition == sp.true
        if isinstance(condition, sp.Not):
            return not self._holds(condition.args[0], at)
        if isinstance(condition, sp.And):
            return all(self._holds(part, at) for part in condition.args)
        if isinstance(condition, sp.Or):
            return any(self._holds(part, at) for part in condition.args)
        if isinstance(condition, sp.ITE):
            test, yes, no = condition.args
            return self._holds(yes if self._holds(test, at) else no, at)
        left, right = (self._value(side, at) for side in condition.args)
        return _COMPARISONS[type(condition)](left, right)


def _applied(node: sp.Expr, arguments: list[Any]) -> Number:
    exact = not any(isinstance(argument, float) for argument in arguments)
    if isinstance(node, sp.Add):
        return sum(arguments)
    if isinstance(node, sp.Mul):
        return math.prod(arguments)
    if isinstance(node, sp.Pow):
        base, exponent = arguments
        if (
            exact
            and exponent == int(exponent)
            and _bits(base) * abs(exponent) <= MAX_BITS
        ):
            return Fraction(base) ** int(exponent)
        return math.pow(base, exponent)
    if exact and type(node) in _EXACT:
        return _EXACT[type(node)](*arguments)
    return numeric(NODES[type(node)], [float(argument) for argument in arguments])


def _bits(number: Exact) -> int:
    return max(number.numerator.bit_length(), number.denominator.bit_length())


def _short(number: Number, bits: int = MAX_BITS) -> Number:
    """Round an exact number that has grown too long; refuse what isn't finite."""
    if not isinstance(number, float):
        return number if _bits(number) <= bits else float(number)
    if math.isinf(number):
        raise OverflowError
    if math.isnan(number):
        raise ValueError
    return number


def _total(terms: Iterable[Number]) -> Number:
    exact: Exact = 0
    rounded: list[float] = []
    for count, term in enumerate(terms):
        if isinstance(term, float):
            rounded.append(term)
            continue
        exact += term
        if count >= MAX_EXACT_TERMS or _bits(exact) > MAX_BITS:
            rounded.append(float(exact))
            exact = 0
    return _short(math.fsum([*rounded, float(exact)])) if rounded else exact


def _product(factors: Iterable[Number]) -> Number:
    result: Number = 1
    for count, factor in enumerate(factors):
        result = _short(result * factor)
        if count >= MAX_EXACT_TERMS:
            result = float(result)
    return result
