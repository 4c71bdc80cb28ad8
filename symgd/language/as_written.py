"""Nodes that stay as they are written: extremes, remainders, conditions and choices.

SymPy's constructors compare all pairs of a maximum, make a polynomial of a power in a
remainder, and rewrite comparisons. That takes long for a short text, and what has been
rewritten may round to another side. Here only numbers are computed, each for itself.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import sympy as sp
from sympy.codegen.cfunctions import expm1
from sympy.functions.elementary.piecewise import ExprCondPair

from symgd.language.quick import applied, power, product, total

DIGITS = 50  # of constants that are compared
MOST_SORTED = 16  # arguments of an extreme, beyond which they stay in their order
_ORDER = functools.cmp_to_key(sp.Basic.compare)


def extreme(kind: Any, *arguments: Any) -> Any:
    """Return a maximum or minimum, of one number at most and of other arguments."""
    parts: dict[Any, None] = {}
    for argument in map(sp.sympify, arguments):
        inner = argument.args if isinstance(argument, kind) else (argument,)
        parts.update(dict.fromkeys(inner))
    numbers = [part for part in parts if part.is_number]
    if len(numbers) > 1 and all(_comparable(n).is_comparable for n in numbers):
        best = (max if kind is sp.Max else min)(numbers, key=_comparable)
        parts = {p: None for p in parts if not p.is_number} | {best: None}
    if len(parts) < 2:
        return kind(*parts)
    ordered = sorted(parts, key=_ORDER) if len(parts) <= MOST_SORTED else parts
    node = sp.Expr.__new__(kind, *ordered)
    node._argset = frozenset(parts)
    return node


largest = functools.partial(extreme, sp.Max)
smallest = functools.partial(extreme, sp.Min)


def _comparable(number: sp.Expr) -> sp.Expr:
    return number if number.is_Rational else number.evalf(DIGITS)


def remainder(above: Any, below: Any) -> Any:
    """Return what is left of a division that is rounded down."""
    above, below = sp.sympify(above), sp.sympify(below)
    if not (above.is_number and below.is_number):
        same = above.is_zero or above in (below, -below)
        return sp.S.Zero if same else sp.Mod(above, below, evaluate=False)
    quotient = above / below
    if quotient.is_Rational:
        return (quotient - quotient.p // quotient.q) * below
    # As many digits as the whole part of the quotient has, and more.
    digits = DIGITS + max(0, int(sp.log(abs(quotient.evalf(5)), 10).evalf(5)))
    above, below = above.evalf(digits), below.evalf(digits)
    return (above - sp.floor(above / below) * below).evalf(DIGITS)


def relation(kind: Any, left: sp.Expr, right: sp.Expr) -> Any:
    """Return a comparison, its number to the right; true or false of two numbers.

    Equal are two in SymPy's order: it has none of its own.
    """
    if left.is_number and right.is_number:
        return kind(left, right)
    if kind in (sp.Eq, sp.Ne):
        left, right = sp.ordered((left, right))
    made = kind(left, right, evaluate=False)
    return made.reversed if left.is_number else made


def junction(kind: Any, *conditions: Any) -> Any:
    """Return all conditions, or any of them, as one."""
    parts: dict[Any, None] = {}
    for condition in map(sp.sympify, conditions):
        inner = condition.args if isinstance(condition, kind) else (condition,)
        parts.update(dict.fromkeys(inner))
    if kind.zero in parts:
        return kind.zero
    parts.pop(kind.identity, None)
    if len(parts) < 2:
        return next(iter(parts), kind.identity)
    node = sp.Basic.__new__(kind, *sp.ordered(parts))
    node._argset = frozenset(parts)
    return node


both = functools.partial(junction, sp.And)
either = functools.partial(junction, sp.Or)


def choice(*branches: tuple[Any, Any]) -> sp.Piecewise:
    """Return the value of the first branch whose condition holds."""
    pairs = (
        sp.Tuple.__new__(ExprCondPair, sp.sympify(value), sp.sympify(condition))
        for value, condition in branches
    )
    return sp.Basic.__new__(sp.Piecewise, *pairs)


def exponential_less_1(x: Any) -> Any:
    """Return exp(x) - 1; SymPy would take what is no integer out of a sum."""
    is_sum = isinstance(x, sp.Add) and x.as_coeff_Add()[0].is_Float
    return expm1(x, evaluate=False) if is_sum else expm1(x)


def raised(base: Any, exponent: Any) -> Any:
    """Return a power; of a choice, a choice of powers."""
    if not isinstance(base, sp.Piecewise) or exponent in (0, 1):
        return power(base, exponent)
    return choice(*((raised(value, exponent), where) for value, where in base.args))


def decided(*branches: tuple[Any, Any]) -> Any:
    """Return the same, of the branches that may be taken; a value if it is known."""
    open_ones = []
    for value, condition in branches:
        if condition != sp.false:
            open_ones.append((value, condition))
        if condition == sp.true:
            break
    if not open_ones:
        return sp.nan
    return open_ones[0][0] if open_ones[0][1] == sp.true else choice(*open_ones)


def made(kind: Any, arguments: Iterable[Any]) -> Any:
    """Build a node of any kind; those of this file as they are."""
    if kind in _OWN:
        return _OWN[kind](*arguments)
    if issubclass(kind, sp.Piecewise):
        return choice(*(pair.args for pair in arguments))
    if issubclass(kind, ExprCondPair):
        return sp.Tuple.__new__(kind, *arguments)
    if issubclass(kind, (sp.Not, sp.ITE, sp.core.relational.Rel)):
        return kind(*arguments, evaluate=False)
    return applied(kind, *arguments)


_OWN: dict[Any, Any] = {
    sp.Max: largest,
    sp.Min: smallest,
    sp.Mod: remainder,
    sp.And: both,
    sp.Add: total,
    sp.Mul: product,
    sp.Pow: raised,
    sp.Or: either,
    expm1: exponential_less_1,
}
