"""The value of a formula in many digits, in one thread at a time.

mpmath keeps how many digits it computes with in one place for all threads, and SymPy
sets that, too: without a lock, one thread would compute with another's digits. SymPy's
own ``evalf`` takes all digits of an exponent, so that ``exp(exp(1e6))`` never ends.

Elsewhere: arbitrary precision arithmetic.
"""

from __future__ import annotations

import functools
import operator
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import mpmath
import sympy as sp

from symgd.language.composed import Composed

FLOAT = 15
HUGE = mpmath.mpf(10) ** 40  # what is raised to no such power

_alone = threading.RLock()


@contextmanager
def digits(count: int = FLOAT) -> Iterator[None]:
    """Compute with so many digits, within; other threads wait."""
    with _alone, mpmath.workdps(count):
        yield


def value_of(
    part: Any, numbers: Mapping[sp.Symbol, Any], known: dict[Any, Any] | None = None
) -> Any:
    """Return the value of a formula; NaN where it has none, or has no digits here.

    Parameters
    ----------
    part : sympy.Expr
    numbers : mapping of symbols to mpf
        The values of what is free in it.
    known : dict, optional
        What was computed with these numbers before; the parts of this one come to it.

    Examples
    --------
    >>> x = sp.Symbol("x", real=True)
    >>> with digits(60):
    ...     found = value_of(sp.sqrt(1 + x**2) - x, {x: mpmath.mpf(10) ** 9})
    ...     print(mpmath.nstr(found, 22))
    4.99999999999999999875e-10
    """
    if part.is_Symbol:
        return numbers.get(part, mpmath.nan)
    if part.is_Rational:
        return mpmath.mpf(part.p) / part.q
    if part.is_Float:
        return as_written(part)
    known = {} if known is None else known
    if part not in known:
        known[part] = _computed(part, numbers, known)
    return known[part]


def _computed(
    part: Any, numbers: Mapping[sp.Symbol, Any], known: dict[Any, Any]
) -> Any:
    if isinstance(part, Composed):
        return value_of(part.composed(), numbers, known)
    if isinstance(part, sp.Piecewise):
        return _chosen(part, numbers, known)
    compute = FUNCTIONS.get(part.func.__name__)
    if compute is None:
        return mpmath.nan
    try:
        value = compute(*[value_of(each, numbers, known) for each in part.args])
    except (ArithmeticError, ValueError, TypeError):
        return mpmath.nan
    return value if isinstance(value, mpmath.mpf) else mpmath.nan


def as_written(number: Any) -> Any:
    """Return a number as it was written, in decimals, not what it is in binary.

    What cancels ``0.1*x`` then does so wherever x is. In no more digits than those of
    float64, a number is what float64 computes with.
    """
    if mpmath.mp.dps <= FLOAT:
        return mpmath.mpf(float(number))
    return mpmath.mpf(written(number))


def written(number: Any) -> str:
    """Return the decimals of a float64.

    >>> written(0.1)
    '0.1'
    """
    return f"{float(number):.{FLOAT}g}"


def _chosen(
    part: sp.Piecewise, numbers: Mapping[sp.Symbol, Any], known: dict[Any, Any]
) -> Any:
    """Return the value of the first case whose condition holds."""
    for expression, condition in part.args:
        holds = _holds(condition, numbers, known)
        if holds is None:
            break
        if holds:
            return value_of(expression, numbers, known)
    return mpmath.nan


def _holds(
    condition: Any, numbers: Mapping[sp.Symbol, Any], known: dict[Any, Any]
) -> bool | None:
    """Return whether a condition holds; None where that isn't known."""
    if condition in (sp.true, sp.false):
        return bool(condition)
    if isinstance(condition, (sp.And, sp.Or, sp.Not)):
        parts = [_holds(each, numbers, known) for each in condition.args]
        told = [part for part in parts if part is not None]
        if len(told) < len(parts):
            return None
        if isinstance(condition, sp.Not):
            return not told[0]
        return all(told) if isinstance(condition, sp.And) else any(told)
    compare = RELATIONS.get(condition.func.__name__)
    if compare is None:
        return None
    left, right = (value_of(each, numbers, known) for each in condition.args)
    are_numbers = not (mpmath.isnan(left) or mpmath.isnan(right))
    return bool(compare(left, right)) if are_numbers else None


def _exp(x: Any) -> Any:
    """Return exp(x), without all the digits of what is beyond any number."""
    if abs(x) > HUGE:
        return mpmath.mpf(0) if x < 0 else mpmath.inf
    return mpmath.exp(x)


def _power(base: Any, exponent: Any) -> Any:
    if mpmath.isint(exponent) and abs(exponent) <= HUGE:
        return base ** int(exponent)
    if not base > 0:
        return mpmath.mpf(0) if base == 0 and exponent > 0 else mpmath.nan
    if mpmath.isint(2 * exponent) and abs(exponent) <= HUGE:
        return mpmath.sqrt(base) ** int(2 * exponent)
    return _exp(exponent * mpmath.log(base))


def _log(x: Any) -> Any:
    """Return log(x), without all the digits of what isn't real."""
    return mpmath.nan if x < 0 else mpmath.log(x)


def _softplus(x: Any) -> Any:
    return x + _softplus(-x) if x > 0 else mpmath.log1p(_exp(x))


def _of_reals(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that has no value where that isn't finite, or is huge."""
    return lambda *x: function(*x) if all(abs(a) <= HUGE for a in x) else mpmath.nan


def _extreme(choose: Callable[..., Any]) -> Callable[..., Any]:
    """Return the largest or the least, of what are all numbers."""
    return lambda *x: mpmath.nan if any(map(mpmath.isnan, x)) else choose(x)


PLAIN = "sin cos tan asin acos atan2 acosh atanh erf erfc gamma loggamma"
OF_ANY_SIZE = "atan asinh"  # no digits of them are lost
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: _of_reals(getattr(mpmath, name)) for name in PLAIN.split()},
    **{name: getattr(mpmath, name) for name in OF_ANY_SIZE.split()},
    "Add": lambda *terms: mpmath.fsum(terms),
    "Mul": lambda *factors: functools.reduce(operator.mul, factors),
    "Pow": _power,
    "exp": _exp,
    "log": _log,
    "Exp1": lambda: mpmath.e + 0,
    "Pi": lambda: mpmath.pi + 0,
    "Abs": abs,
    "real_abs": abs,
    "Max": _extreme(max),
    "Min": _extreme(min),
    "sign": mpmath.sign,
    "real_sign": mpmath.sign,
    "floor": mpmath.floor,
    "ceiling": mpmath.ceil,
    "log1p": mpmath.log1p,
    "expm1": lambda x: mpmath.expm1(x) if abs(x) < 1 else _exp(x) - 1,
    "cosh": lambda x: (_exp(x) + _exp(-x)) / 2,
    "sinh": lambda x: mpmath.sinh(x) if abs(x) < 1 else (_exp(x) - _exp(-x)) / 2,
    "tanh": lambda x: mpmath.tanh(x) if abs(x) < HUGE else mpmath.sign(x),
    "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)),
    "sigmoid": lambda x: 1 / (1 + _exp(-x)),
    "softplus": _softplus,
    "kept": lambda x: x,
    "held": lambda x: x,
    "hypot": mpmath.hypot,
    "exp_less": lambda x, y: _exp(x - y),
    "log_cosh": lambda x: abs(x) + mpmath.log1p(_exp(-2 * abs(x))) - mpmath.log(2),
    "log_erfc": _of_reals(lambda x: mpmath.log(mpmath.erfc(x))),
    "besselj": _of_reals(mpmath.besselj),
    "lambertw": _of_reals(
        lambda x: mpmath.lambertw(x) if x * mpmath.e >= -1 else mpmath.nan
    ),
    "xlogy": _of_reals(lambda x, y: x * mpmath.log(y) if x else mpmath.mpf(0)),
    "over": lambda x, y: x / y if x else mpmath.mpf(0),
    "logit": _of_reals(lambda x: mpmath.log(x) - mpmath.log1p(-x)),
    "erfcx": _of_reals(lambda x: _exp(x * x) * mpmath.erfc(x)),
}
RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "StrictLessThan": operator.lt,
    "LessThan": operator.le,
    "StrictGreaterThan": operator.gt,
    "GreaterThan": operator.ge,
    "Equality": operator.eq,
    "Unequality": operator.ne,
}
