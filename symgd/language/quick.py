"""Nodes that SymPy would leave as they are, made without asking it.

A constructor looks for what it could simplify: whether an argument is a multiple of pi,
zero, imaginary, a logarithm. For most formulas the answer is no, and the question takes
most of the time. Here it is answered by the kinds of nodes in the argument; what may be
simplified is left to SymPy. The results are the same.
"""

from __future__ import annotations

import functools
import operator
from typing import Any

import sympy as sp
from sympy.core.add import _addsort
from sympy.core.mul import _mulsort

_ODD = {sp.sin, sp.tan, sp.sinh, sp.tanh, sp.erf}
_ODD_INVERSE = {sp.asinh, sp.atan}
_EVEN = {sp.cos, sp.cosh}
_INNER = {*_ODD, *_EVEN, sp.exp}  # may be arguments: no inverse of anything here
_NODES = (sp.Symbol, sp.Function, sp.Max, sp.Min)
_SLOPES: dict[Any, Any] = {
    sp.sin: lambda node, x: applied(sp.cos, x),
    sp.cos: lambda node, x: -applied(sp.sin, x),
    sp.exp: lambda node, x: node,
    sp.sinh: lambda node, x: applied(sp.cosh, x),
    sp.cosh: lambda node, x: applied(sp.sinh, x),
    sp.tanh: lambda node, x: applied(sp.cosh, x) ** -2,  # 1 - tanh(x)**2 cancels
}


def applied(kind: Any, *arguments: Any) -> Any:
    """Return ``kind(*arguments)``; sizes and signs are those of what is real."""
    if kind in (sp.Abs, sp.sign) and not arguments[0].is_number:
        known = (magnitude if kind is sp.Abs else direction)(arguments[0])
        return unasked(kind, *arguments) if known is None else known
    if len(arguments) == 1 and _stays(kind, arguments[0]):
        return unasked(kind, *arguments)
    return kind(*arguments)


def unasked(kind: Any, *arguments: Any) -> Any:
    """Return a function of arguments as it stands."""
    node = sp.Basic.__new__(kind, *arguments)
    node.nargs = _numbers_of_arguments(kind)
    return node


@functools.lru_cache(maxsize=256)
def _numbers_of_arguments(kind: Any) -> Any:
    return kind.nargs  # a set, which SymPy makes anew for each node


def power(base: Any, exponent: Any) -> Any:
    """Return ``base**exponent``."""
    is_sum = isinstance(base, sp.Add) and isinstance(exponent, sp.Rational)
    if is_sum and exponent.p and exponent is not sp.S.One and is_plain(base):
        return sp.Pow(base, exponent, evaluate=False)
    return base**exponent


def total(*terms: Any) -> Any:
    """Return ``Add(*terms)``."""
    numbers, parts = _flat(sp.Add, terms)
    number = functools.reduce(operator.add, numbers, sp.S.Zero)
    tails = [_tail(part) for part in parts]
    known = parts and None not in tails and len(set(tails)) == len(tails)
    if not known or _is_rounded_nothing(number):
        return sp.Add(*terms)
    if not number and len(parts) == 1:
        return parts[0]
    _addsort(parts)
    return sp.Add._from_args([number, *parts] if number else parts, True)


def _flat(kind: Any, items: Any) -> tuple[list[Any], list[Any]]:
    """Return the numbers and the other operands, in the order in which SymPy goes."""
    flat = [item for item in items if type(item) is not kind]
    flat += [part for item in items if type(item) is kind for part in item.args]
    numbers = [part for part in flat if _is_real_number(part)]
    return numbers, [part for part in flat if not _is_real_number(part)]


def _is_rounded_nothing(number: Any) -> bool:
    return bool(number.is_Float and not number)


def _tail(term: Any) -> Any:
    """Return what equal terms have in common; None where one may be rewritten."""
    kind = type(term)
    if kind is sp.Mul:
        rest = term.args[1:] if _is_real_number(term.args[0]) else term.args
        return rest if len(rest) > 1 else _tail(rest[0])
    if kind is sp.Pow:
        return None if term.args[0].is_number else term
    return term if isinstance(term, _NODES) else None


def product(*factors: Any) -> Any:
    """Return ``Mul(*factors)``."""
    numbers, parts = _flat(sp.Mul, factors)
    number = functools.reduce(operator.mul, numbers, sp.S.One)
    if not parts or _is_rounded_nothing(number) or not _stay_apart(parts):
        return sp.Mul(*factors)
    if number is sp.S.Zero:
        return number
    if len(parts) == 1:
        if number is sp.S.One:
            return parts[0]
        if type(parts[0]) is sp.Add:
            return _spread(number, factors, parts[0])
    _mulsort(parts)
    return sp.Mul._from_args(([] if number is sp.S.One else [number]) + parts, True)


def _spread(number: Any, factors: Any, terms: sp.Add) -> Any:
    """Return a multiple of a sum, which SymPy takes into it."""
    if len(factors) == 2 and any(type(factor) is sp.Mul for factor in factors):
        return sp.Mul(*factors)
    return total(
        *(
            number * term if _is_real_number(term) else product(number, term)
            for term in terms.args
        )
    )


def _stay_apart(parts: list[Any]) -> bool:
    """Return whether no two factors become one, nor any is a power of a number."""
    powers = [_power_of(part) for part in parts]
    return None not in powers and len(set(powers)) == len(powers)


def _power_of(part: Any) -> Any:
    """Return what factors that become one agree in; None where one may be rewritten.

    It is what they are powers of, and what exponents have but for a number.
    """
    if type(part) is sp.exp:
        return (sp.E, part.args[0].as_coeff_Mul()[1]) if is_plain(part) else None
    base, tail = part, sp.S.One
    if type(part) is sp.Pow:
        base, tail = part.args[0], part.args[1].as_coeff_Mul()[1]
    simple = isinstance(base, _NODES) or type(base) is sp.Add
    return None if not simple or base.is_number else (base, tail)


def slope(node: Any) -> Any:
    """Return a function's derivative by its argument."""
    if type(node) in _SLOPES and len(node.args) == 1:
        return _SLOPES[type(node)](node, node.args[0])
    return node.fdiff(1)


def magnitude(x: Any) -> Any:
    """Return ``Abs(x)``; None where it isn't real beyond doubt."""
    if is_linear(x):
        return unasked(sp.Abs, -x if _turns(x) else x)
    return sp.Abs(x) if x.is_extended_real else None


def direction(x: Any) -> Any:
    """Return ``sign(x)``; None where it isn't real beyond doubt."""
    if is_linear(x):
        return unasked(sp.sign, x)
    return sp.sign(x) if x.is_extended_real else None


def _stays(kind: Any, x: Any) -> bool:
    """Return whether SymPy has nothing to do for a function of an argument."""
    if kind is sp.exp:
        parts = x.args if isinstance(x, sp.Add) else ()
        exact = all(part.is_Rational for part in parts if part.is_Number)
        return exact and is_plain(x)
    if kind is sp.log:
        return type(x) is not sp.exp and is_plain(x)
    if kind is sp.erfc:  # of -x it is no difference from 2, which would cancel
        return not x.is_number
    if kind in _ODD or kind in _EVEN:
        return is_plain(x) and not _turns(x)
    if kind in _ODD_INVERSE:
        return not isinstance(x, sp.Function) and is_plain(x) and not _turns(x)
    return False


def _turns(x: Any) -> bool:
    """Return whether SymPy prefers the opposite of an argument."""
    if type(x) is not sp.Add:
        return _is_negative(x)
    negative = sum(map(_is_negative, x.args))
    if 2 * negative == len(x.args):
        return bool(x.could_extract_minus_sign())
    return 2 * negative > len(x.args)


def _is_negative(term: Any) -> bool:
    number = term.args[0] if type(term) is sp.Mul else term
    if number.is_Rational:
        return bool(number.p < 0)
    return bool(number.is_Float and number._mpf_[0])


@functools.lru_cache(maxsize=4096)
def is_plain(node: Any) -> bool:
    """Return whether a node is of kinds with which no rule of a function begins.

    It is no number, not zero, not imaginary, and has no constants but numbers in it.

    >>> x = sp.Symbol("x", real=True)
    >>> is_plain(3 * x + sp.exp(x) ** 2), is_plain(x + sp.pi), is_plain(sp.log(x))
    (True, False, False)
    """
    kind = type(node)
    if kind is sp.Symbol:
        return bool(node.is_real) and node.is_zero is None
    if kind is sp.Pow:
        base, exponent = node.args
        return is_plain(base) and (exponent.is_Rational or is_plain(exponent))
    if kind is sp.Add or kind is sp.Mul:
        parts = node.args[1:] if _is_real_number(node.args[0]) else node.args
        return all(map(is_plain, parts))
    return kind in _INNER and is_plain(node.args[0])


def is_linear(node: Any) -> bool:
    """Return whether a node is a sum of multiples of symbols of which no sign is known.

    >>> x, y = sp.symbols("x y", real=True)
    >>> is_linear(2 * x - y + 3), is_linear(x), is_linear(x * y + 1)
    (True, False, False)
    """
    if type(node) is not sp.Add:
        return False
    terms = node.args[1:] if _is_real_number(node.args[0]) else node.args
    return all(map(_is_multiple, terms))


def _is_multiple(term: Any) -> bool:
    if type(term) is sp.Mul and len(term.args) == 2 and _is_real_number(term.args[0]):
        term = term.args[1]
    known = type(term) is sp.Symbol and term.is_real
    return bool(known) and term.is_nonnegative is None and term.is_nonpositive is None


def _is_real_number(node: Any) -> bool:
    return bool(node.is_Rational or (node.is_Float and node.is_finite))
