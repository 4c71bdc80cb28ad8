"""The few operations that Python lacks and numerical functions are made from.

Each is here as plain Python, for reading, stepping through and testing; compiled code
uses a twin of it (``lowering.tracing``) that works on one number or on a pack of
numbers, one in each lane. A function written with these, without ``if`` and with
``choose`` instead, therefore runs on numbers and in SIMD, with the same bits.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

_WORD = 1 << 64


def fma(a: float, b: float, c: float) -> float:
    """Return a*b + c with one rounding."""
    if not (math.isfinite(a) and math.isfinite(b) and math.isfinite(c)):
        return a * b + c
    (a_above, a_below), (b_above, b_below) = a.as_integer_ratio(), b.as_integer_ratio()
    c_above, c_below = c.as_integer_ratio()
    below = a_below * b_below
    above = a_above * b_above * c_below + c_above * below
    try:  # a quotient of integers is correctly rounded
        return above / (below * c_below) if above else a * b + c
    except OverflowError:
        return math.inf if above > 0 else -math.inf


def choose(condition: bool, yes: Any, no: Any) -> Any:
    """Return ``yes`` where the condition holds, ``no`` elsewhere; both are computed."""
    return yes if condition else no


def square_root(x: float) -> float:
    """Return the square root, correctly rounded; NaN below 0."""
    return math.sqrt(x) if x >= 0.0 else (x if x == 0.0 or x != x else math.nan)


def largest_size(*numbers: float) -> float:
    """Return the largest of some magnitudes, whatever of NaN."""
    return max(map(abs, numbers))


def whole(x: float) -> float:
    """Return the nearest whole number, ties to even, as a float."""
    return math.copysign(round(x), x) if math.isfinite(x) else x


def whole_below(x: float) -> float:
    """Return the largest whole number that is not larger, as a float."""
    return float(math.floor(x)) if math.isfinite(x) and x != 0.0 else x


def with_sign(x: float, sign: float) -> float:
    """Return x with the sign bit of another number."""
    return math.copysign(x, sign)


def bits(x: float) -> int:
    """Return the 64 bits of a float as a signed integer."""
    return struct.unpack("<q", struct.pack("<d", x))[0]


def from_bits(word: int) -> float:
    """Return the float of 64 bits; bits beyond are dropped."""
    return struct.unpack("<d", struct.pack("<Q", word % _WORD))[0]


def repaired(
    wrong: bool, function: Callable[..., float], result: float, *arguments: float
) -> float:
    """Return ``result``, but ``function(*arguments)`` where ``wrong`` holds.

    The function is one of the C ``library``, for one number at a time: this is for
    arguments that hardly ever occur, such as sin(1e300), and costs a test where none
    does.
    """
    return function(*arguments) if wrong else result


C_NAMES: dict[Callable[..., float], str] = {}  # of the functions of the C library


def library(name: str, symbol: str = "") -> Callable[..., float]:
    """Return a function of the C library; where Python's raises, it is NaN.

    In compiled code it is called for one number at a time, by its C name ``symbol``.
    """
    python = getattr(math, name)

    def function(*arguments: float) -> float:
        try:
            return python(*arguments)
        except ValueError:
            return math.nan
        except OverflowError:
            return math.inf

    C_NAMES[function] = symbol or name
    return function
