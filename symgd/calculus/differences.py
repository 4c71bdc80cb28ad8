"""Quotients that are 0/0 where two expressions tie: (exp(x) - exp(y))/(x - y).

They are divided differences, which have rules as derivatives have: of a sum, a product
and a function of a function. For each elementary function there is a form without
cancellation near the tie, as sin(x) - sin(y) = 2*cos((x + y)/2)*sin((x - y)/2); so the
quotient has its limit there, and so have its derivatives.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import sympy as sp
from sympy.codegen.cfunctions import expm1, log1p
from sympy.integrals.quadrature import gauss_legendre

from symgd.calculus.removable import T, kind_of
from symgd.language.as_written import choice, raised
from symgd.language.functions import sigmoid
from symgd.language.nodes import Sum, kept, length_of, replaced
from symgd.language.signs import is_positive

MOST_FACTORS = 12  # of a product that is looked at, or terms of a sum
MOST_PLACES = 4  # variables in a divisor
MOST_NODES = 200  # of what is divided
MOST_MOVING = 6  # factors of a product that depend on a variable
MOST_TIMES = 64  # a power that is taken apart

SINC = kind_of(sp.sin(T) / T)
SINHC = kind_of(sp.sinh(T) / T)
ATANC = kind_of(sp.atan(T) / T)
ATANHC = kind_of(sp.atanh(T) / T)


def without_tie(node: sp.Expr) -> tuple[sp.Expr, sp.Expr] | None:
    """Return a quotient without its tie, and the factor or term beside it.

    None where there is no tie.

    >>> x, y = sp.symbols("x y", real=True)
    >>> without_tie((sp.sqrt(x) - sp.sqrt(y)) / (x - y))
    (1/(sqrt(x) + sqrt(y)), 1)
    >>> without_tie((x**3 - y**3) / (y - x) * x)
    (-x**2 - x*y - y**2, x)
    """
    if len(node.args) > MOST_FACTORS:
        return None
    return _in_product(node) if isinstance(node, sp.Mul) else _in_sum(node)


def _in_product(node: sp.Mul) -> tuple[sp.Expr, sp.Expr] | None:
    powers = [factor.as_base_exp() for factor in node.args]
    for below, (divisor, power) in enumerate(powers):
        if not (power.is_number and power.is_negative and _may_be_0(divisor)):
            continue
        for above, (divided, other) in enumerate(powers):
            if other != -power or divided.is_number or isinstance(divided, kept):
                continue
            if (quotient := _quotient(divided, divisor)) is not None:
                rest = [f for i, f in enumerate(node.args) if i not in (below, above)]
                return raised(quotient, other), sp.Mul(*rest)
    return None


def _in_sum(node: sp.Add) -> tuple[sp.Expr, sp.Expr] | None:
    """Return terms that have one divisor as one quotient."""
    divided: dict[sp.Expr, list[tuple[int, sp.Expr]]] = {}
    for place, term in enumerate(node.args):
        for factor in sp.Mul.make_args(term):
            base, exponent = factor.as_base_exp()
            if exponent == -1 and isinstance(base, sp.Add):
                sign = -1 if base.could_extract_minus_sign() else 1
                divided.setdefault(sign * base, []).append((place, term * base * sign))
    for divisor, terms in divided.items():
        if len(terms) > 1:
            whole = sp.Add(*(term for _, term in terms))
            if (quotient := _quotient(whole, divisor)) is not None:
                places = {place for place, _ in terms}
                rest = [t for i, t in enumerate(node.args) if i not in places]
                return quotient, sp.Add(*rest)
    return None


def _may_be_0(divisor: sp.Expr) -> bool:
    simple = divisor.is_number or isinstance(divisor, (sp.Symbol, sp.Indexed, kept))
    return not (simple or is_positive(divisor))


def _quotient(divided: sp.Expr, divisor: sp.Expr) -> sp.Expr | None:
    """Return a quotient of what is 0 at the same tie; None if there is none."""
    if length_of(divided, MOST_NODES) > MOST_NODES:
        return None
    for place, tie in _ties(divided, divisor):
        if _is_0(divisor, place, tie) and _is_0(divided, place, tie):
            rules = _Difference(place, tie)
            try:
                return rules.of(divided) / rules.of(divisor)
            except _NoRule:
                continue
    return None


def _ties(divided: sp.Expr, divisor: sp.Expr) -> Iterator[tuple[sp.Expr, sp.Expr]]:
    """Yield variables, and what they may be equal to where both are 0."""
    places = list(itertools.islice(_places(divisor), MOST_PLACES))
    for place in places:
        if not divided.has(place):
            continue
        for whole in (divisor, divided):
            if (root := _root(whole, place)) is not None:
                yield place, root
        yield from ((place, other) for other in places if other != place)


def _places(node: sp.Basic) -> Iterator[sp.Expr]:
    """Yield the variables and elements of arrays in a node, each once."""
    seen, pending = {node}, [node]
    while pending:
        part = pending.pop()
        if isinstance(part, (sp.Symbol, sp.Indexed)):
            yield part
            continue
        inner = [a for a in sp.ordered(part.args) if a not in seen]
        seen.update(inner)
        pending += inner


def _root(whole: sp.Expr, place: sp.Expr) -> sp.Expr | None:
    """Return where a sum is 0 that is straight in a variable."""
    moving = [term for term in sp.Add.make_args(whole) if term.has(place)]
    if len(moving) != 1:
        return None
    factor, rest = moving[0].as_coeff_Mul()
    return (moving[0] - whole) / factor if rest == place else None


def _is_0(node: sp.Expr, place: sp.Expr, tie: sp.Expr) -> bool:
    there = replaced(node, {place: tie})
    if there == 0 or not isinstance(there, sp.Add):
        return bool(there == 0)
    return bool(sp.expand(there, deep=False) == 0)


class _NoRule(Exception):
    """A function has no form without cancellation."""


class _Difference:
    """The divided differences of expressions between a variable and another value."""

    def __init__(self, place: sp.Expr, tie: sp.Expr) -> None:
        self.place = place
        self.tie = tie

    def there(self, node: sp.Expr) -> sp.Expr:
        """Return a node at the other value."""
        return replaced(node, {self.place: self.tie})

    def of(self, node: sp.Expr) -> sp.Expr:
        """Return the divided difference of a node, or raise."""
        if node == self.place:
            return sp.S.One
        if not node.has(self.place):
            return sp.S.Zero
        for kind in type(node).__mro__:
            rule = getattr(self, f"_of_{kind.__name__}", None)
            if rule is not None:
                return rule(node)
        if type(node) not in _RULES:
            raise _NoRule
        (x,) = node.args
        return _RULES[type(node)](x, self.there(x)) * self.of(x)

    def _of_Add(self, node: sp.Add) -> sp.Expr:
        return sp.Add(*map(self.of, node.args))

    def _of_Mul(self, node: sp.Mul) -> sp.Expr:
        """Return the sum over factors: those before it here, those after it there."""
        moving = [factor for factor in node.args if factor.has(self.place)]
        if len(moving) > MOST_MOVING:
            raise _NoRule
        there = list(map(self.there, moving))
        fixed = sp.Mul(*(factor for factor in node.args if factor not in moving))
        return fixed * sp.Add(
            *(
                sp.Mul(*moving[:i], self.of(factor), *there[i + 1 :])
                for i, factor in enumerate(moving)
            )
        )

    def _of_Pow(self, node: sp.Pow) -> sp.Expr:
        base, exponent = node.args
        if not exponent.has(self.place):
            rule = _of_power(base, self.there(base), exponent)
            return rule * self.of(base)
        if not is_positive(base):
            raise _NoRule
        power = exponent * sp.log(base)
        return _of_exp(power, self.there(power)) * self.of(power)

    def _of_Sum(self, node: sp.Sum) -> sp.Expr:
        around = set(node.limits[0].free_symbols).union(
            *(limit for limit in node.limits)
        )
        around |= {limit[0] for limit in node.limits}
        if around & (self.place.free_symbols | self.tie.free_symbols):
            raise _NoRule
        return Sum(self.of(node.function), *node.limits)

    def _of_Piecewise(self, node: sp.Piecewise) -> sp.Expr:
        if any(condition.has(self.place) for _, condition in node.args):
            raise _NoRule
        return choice(*((self.of(value), condition) for value, condition in node.args))

    def _of_kept(self, node: sp.Expr) -> sp.Expr:
        return self.of(node.args[0])

    def _of_Indexed(self, node: sp.Expr) -> sp.Expr:
        raise _NoRule


# ------------------------------------- (f(a) - f(b))/(a - b) of functions of one number


def _near(
    a: sp.Expr, b: sp.Expr, size: Any, near: sp.Expr, function: Callable[..., sp.Expr]
) -> sp.Expr:
    """Return a form that holds where a and b are nearer than a size, and the other."""
    if a == b:
        return near
    gap = kept(a - b)
    far = (function(a) - function(b)) / gap
    return choice((near, sp.Lt(sp.Abs(gap), size, evaluate=False)), (far, True))


def _of_exp(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    near = sp.exp(_middle(a, b)) * SINHC(_half(a, b))
    return _near(a, b, 1, near, sp.exp)


def _of_log(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    total = a + b
    near = 2 * ATANHC((a - b) / total) / total
    return _near(a, b, total / 2, near, sp.log)


def _of_sin(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    return sp.cos(_middle(a, b)) * SINC(_half(a, b))


def _of_cos(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    return -sp.sin(_middle(a, b)) * SINC(_half(a, b))


def _of_tan(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    return SINC(a - b) / (sp.cos(a) * sp.cos(b))


def _of_sinh(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    near = sp.cosh(_middle(a, b)) * SINHC(_half(a, b))
    return _near(a, b, 1, near, sp.sinh)


def _of_cosh(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    near = sp.sinh(_middle(a, b)) * SINHC(_half(a, b))
    return _near(a, b, 1, near, sp.cosh)


def _of_tanh(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    return _near(a, b, 1, SINHC(a - b) / (sp.cosh(a) * sp.cosh(b)), sp.tanh)


def _of_sigmoid(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    below = 4 * sp.cosh(a / 2) * sp.cosh(b / 2)
    return _near(a, b, 1, SINHC(_half(a, b)) / below, sigmoid)


def _of_atan(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    total = 1 + a * b
    return _near(a, b, total / 2, ATANC((a - b) / total) / total, sp.atan)


def _of_power(a: sp.Expr, b: sp.Expr, exponent: sp.Expr) -> sp.Expr:
    if exponent.is_Integer and abs(exponent) <= MOST_TIMES:
        times = abs(int(exponent))
        positive = _of_whole_power(a, b, times)
        return positive if exponent > 0 else -positive / (a**times * b**times)
    if exponent.is_Rational and exponent.q == 2 and abs(exponent.p) <= MOST_TIMES:
        roots = sp.sqrt(a), sp.sqrt(b)
        return _of_power(*roots, 2 * exponent) / sp.Add(*roots)
    total = a + b
    ratio = (a - b) / total
    turn = exponent * ratio * ATANHC(ratio)  # half of the logarithm of the quotient
    middle = a ** (exponent / 2) * b ** (exponent / 2)
    near = 2 * exponent * middle * SINHC(turn) * ATANHC(ratio) / total
    return _near(a, b, total / 2, near, lambda x: x**exponent)


def _of_whole_power(a: sp.Expr, b: sp.Expr, times: int) -> sp.Expr:
    if times <= 4:
        return sp.Add(*(a**k * b ** (times - 1 - k) for k in range(times)))
    half = times // 2
    even = _of_whole_power(a, b, half) * (a**half + b**half)
    return even * b + a ** (times - 1) if times % 2 else even


def _by_quadrature(function: type) -> Callable[[sp.Expr, sp.Expr], sp.Expr]:
    """Return the rule of a function by the mean of its derivative in between.

    This is Gauss and Legendre's quadrature, exact to rounding where the derivative
    has no singularity nearer than 1.
    """

    def rule(a: sp.Expr, b: sp.Expr) -> sp.Expr:
        middle, half = _middle(a, b), _half(a, b)
        points = (middle + half * point for point in _quadrature()[0])
        slopes = [function(point).fdiff() for point in points]
        pairs = zip(_quadrature()[1], slopes, strict=True)
        mean = sp.Add(*(weight / 2 * slope for weight, slope in pairs))
        return _near(a, b, sp.Rational(1, 8), mean, function)

    return rule


@functools.lru_cache(maxsize=1)
def _quadrature() -> tuple[list[sp.Expr], list[sp.Expr]]:
    return gauss_legendre(6, 17)


def _middle(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    return (a + b) / 2


def _half(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    return (a - b) / 2


_RULES: dict[type, Callable[[sp.Expr, sp.Expr], sp.Expr]] = {
    sp.exp: _of_exp,
    sp.log: _of_log,
    sp.sin: _of_sin,
    sp.cos: _of_cos,
    sp.tan: _of_tan,
    sp.sinh: _of_sinh,
    sp.cosh: _of_cosh,
    sp.tanh: _of_tanh,
    sp.atan: _of_atan,
    sigmoid: _of_sigmoid,
    expm1: _of_exp,
    log1p: lambda a, b: _of_log(1 + a, 1 + b),
    sp.erf: _by_quadrature(sp.erf),
    sp.erfc: _by_quadrature(sp.erfc),
    sp.asinh: _by_quadrature(sp.asinh),
}
