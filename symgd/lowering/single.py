"""How far straight-line code in single precision can be from what it computes.

Running error analysis (Higham 2002, "Accuracy and Stability of Numerical Algorithms",
section 3.3): the code is called with numbers that know a bound of their error. An
operation is rounded to half an ulp, an elementary function of the C library is taken to
be within LIBRARY ulps; where a comparison might go the other way, both ways count.
"""

from __future__ import annotations

import functools
import math
import operator
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symgd.arithmetic import primitives, special
from symgd.lowering.c_language import OF_MATH

HALF_ULP = 2.0**-24  # of a float, relative
LEAST = 2.0**-149  # of all of them
LIBRARY = 8  # ulps
_EXACT = (abs, primitives.with_sign, primitives.whole, primitives.whole_below)


def rounded(value: float) -> float:
    """Return the nearest float."""
    with np.errstate(over="ignore"):
        return float(np.float32(value))


@dataclass(frozen=True)
class Bounded:
    """A number, and a bound of what it is off by in single precision."""

    value: float
    error: float

    def __pow__(self, exponent: int) -> Any:
        """Multiply a whole number of times."""
        return functools.reduce(operator.mul, [self] * exponent, 1.0)

    def __neg__(self) -> Bounded:
        return Bounded(-self.value, self.error)

    def __abs__(self) -> Bounded:
        return Bounded(abs(self.value), self.error)


@dataclass(frozen=True)
class _Truth:
    """A comparison, and whether it can't go the other way."""

    holds: bool
    is_sure: bool

    def __and__(self, other: Any) -> _Truth:
        a, b = self, _truth(other)
        never = (a.is_sure and not a.holds) or (b.is_sure and not b.holds)
        return _Truth(a.holds and b.holds, never or (a.is_sure and b.is_sure))

    def __or__(self, other: Any) -> _Truth:
        a, b = self, _truth(other)
        always = (a.is_sure and a.holds) or (b.is_sure and b.holds)
        return _Truth(a.holds or b.holds, always or (a.is_sure and b.is_sure))

    __rand__, __ror__ = __and__, __or__


def _truth(value: Any) -> _Truth:
    return value if isinstance(value, _Truth) else _Truth(bool(value), True)


def _bounded(value: Any) -> Bounded:
    if isinstance(value, Bounded):
        return value
    return Bounded(
        float(value), abs(value - rounded(value)) if value - value == 0 else 0
    )


def _computed(
    function: Callable[..., float], *arguments: Any, ulps: float = 0.5
) -> Bounded:
    """Return what a function gives, however its arguments are off."""
    given = [_bounded(each) for each in arguments]
    values = [each.value for each in given]
    result, error = _at(function, values), 0.0
    for k, each in enumerate(given):
        if each.error:
            ends = (each.value - each.error, each.value + each.error)
            others = (_at(function, [*values[:k], e, *values[k + 1 :]]) for e in ends)
            error += max(_apart(result, other) for other in others)
    if abs(result) > float(np.finfo(np.float32).max):
        return Bounded(result, math.inf)
    lost = 2 * ulps * HALF_ULP * (abs(result) + error) + (LEAST if ulps else 0.0)
    return Bounded(result, error + (lost if math.isfinite(result) else 0.0))


def _at(function: Callable[..., float], values: Sequence[float]) -> float:
    try:
        return function(*values)
    except ZeroDivisionError:
        above, zero = values
        return math.nan if above == 0.0 else above * math.copysign(math.inf, zero)


def _apart(a: float, b: float) -> float:
    """Return how far two numbers are apart; infinitely, if one isn't finite alone."""
    if a == b or (a != a and b != b):
        return 0.0
    return abs(a - b) if math.isfinite(a) and math.isfinite(b) else math.inf


def _operator(name: str) -> None:
    function = getattr(operator, name)
    compares = name in ("lt", "le", "gt", "ge", "eq", "ne")

    def result(a: Any, b: Any) -> Any:
        if not compares:
            return _computed(function, a, b)
        a, b = _bounded(a), _bounded(b)
        gap = abs(a.value - b.value)
        sure = not gap <= a.error + b.error or a.error + b.error == 0.0
        return _Truth(function(a.value, b.value), sure)

    setattr(Bounded, f"__{name}__", lambda self, other: result(self, other))
    if not compares:
        setattr(Bounded, f"__r{name}__", lambda self, other: result(other, self))


for _name in ("add", "sub", "mul", "truediv", "lt", "le", "gt", "ge", "eq", "ne"):
    _operator(_name)


def _choose(condition: Any, yes: Any, no: Any) -> Any:
    condition = _truth(condition)
    if not any(isinstance(each, Bounded | _Truth) for each in (yes, no)):
        yes, no = (e if isinstance(e, bool | int) else _bounded(e) for e in (yes, no))
    chosen, other = (yes, no) if condition.holds else (no, yes)
    if condition.is_sure or isinstance(chosen, bool | int | _Truth):
        return chosen
    a, b = _bounded(chosen), _bounded(other)
    return Bounded(a.value, max(a.error, _apart(a.value, b.value) + b.error))


def _repaired(wrong: Any, function: Any, result: Any, *arguments: Any) -> Any:
    return _choose(wrong, function(*arguments), result)


def errors_of(
    function: Callable[..., Any], x: Sequence[float], p: Sequence[float]
) -> list[float]:
    """Return bounds of how far the numbers of a straight-line function are off.

    Parameters
    ----------
    function : straight-line function
        (x, p) -> tuple.
    x : sequence of float
        Numbers that are floats in single precision.
    p : sequence of float
        Numbers that are rounded to some.
    """
    given = [Bounded(each, 0.0) for each in x], [_bounded(each) for each in p]
    results = map(_bounded, _twin(function)(*given))
    own = (each.error + abs(each.value) * HALF_ULP + LEAST for each in results)
    return [each if math.isfinite(each) else math.inf for each in own]


def _twin(function: Any) -> Any:
    """Return a function that computes with bounds."""
    if function is primitives.choose:
        return _choose
    if function is primitives.repaired:
        return _repaired
    if function in _EXACT:
        return functools.partial(_computed, function, ulps=0.0)
    if function in (primitives.square_root, special.mod):
        return functools.partial(_computed, function)
    if function is primitives.fma:
        return lambda a, b, c: _bounded(a) * b + c
    if function in OF_MATH or function in primitives.C_NAMES:
        return functools.partial(_computed, function, ulps=LIBRARY)
    if not isinstance(function, types.FunctionType):
        return function
    code, names = function.__code__, function.__globals__
    space = {name: _twin(names[name]) for name in code.co_names if name in names}
    space["__builtins__"] = names["__builtins__"]
    cells = (types.CellType(_twin(c.cell_contents)) for c in function.__closure__ or ())
    return types.FunctionType(
        code, space, code.co_name, function.__defaults__, tuple(cells)
    )
