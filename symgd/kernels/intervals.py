"""A formula's operations on many boxes: enclosures, and what is known of each value.

A tape is a list of operations, each on registers. Of each box a register has a lower
and an upper end, between which all values on the box are, and a decoration: 2 smooth on
the whole box, 1 continuous (a kink may be inside), 0 perhaps undefined, or a jump. An
operation runs over all boxes before the next one begins, so that finding out what it is
costs little.

Elsewhere: interval arithmetic, the decorations of IEEE 1788.

The C library's functions are moved outwards by at least three steps, and then to where
the function is known to be: exp(x) >= 0, and >= 1 from x = 0 on.
"""

from __future__ import annotations

import math
from math import inf
from typing import Any

from symgd.kernels.operations import (
    ABS,
    ACOS,
    ACOSH,
    ADD,
    AND,
    ASIN,
    ASINH,
    ATAN,
    ATANH,
    CBRT,
    COS,
    COSH,
    DIV,
    ERF,
    ERFC,
    EXP,
    EXPM1,
    FLOOR,
    LESS,
    LESS_EQUAL,
    LOG,
    LOG1P,
    LOG_COSH,
    MAX,
    MIN,
    MUL,
    NEG,
    NOT,
    POWER,
    REAL_POWER,
    SELECT,
    SHARE,
    SIGMOID,
    SIGN,
    SIN,
    SINH,
    SOFTPLUS,
    SQRT,
    SQUARE,
    TAN,
    TANH,
)
from symgd.kernels.rounding import (
    LEAST,
    add_down,
    add_up,
    divide_down,
    divide_up,
    far_above,
    far_below,
    multiply_down,
    multiply_up,
    root_down,
    root_up,
)
from symgd.lowering.intrinsics import floats, integers
from symgd.lowering.jitting import jit

FAR = 1e9  # beyond, waves may be anywhere
ROOT = 3e-14  # of a cube root, what pow(x, 1/3) may miss: 1/3 is no float64
WHOLE = 2.0**52  # beyond, all numbers are whole
LOG_2 = 0.6931471805599453


@jit
def _product(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Return the ends of [a, b]*[c, d]."""
    if a >= 0.0:
        low = multiply_down(a if c >= 0.0 else b, c)
        return low, multiply_up(b if d >= 0.0 else a, d)
    if b <= 0.0:
        low = multiply_down(a if d >= 0.0 else b, d)
        return low, multiply_up(b if c >= 0.0 else a, c)
    if c >= 0.0:
        return multiply_down(a, d), multiply_up(b, d)
    if d <= 0.0:
        return multiply_down(b, c), multiply_up(a, c)
    low = min(multiply_down(a, d), multiply_down(b, c))
    return low, max(multiply_up(a, c), multiply_up(b, d))


@jit
def _quotient(a: Any, b: Any, c: Any, e: Any) -> Any:
    """Return the ends of [a, b]/[c, e], without what is divided by 0."""
    if c < 0.0 < e or (c == 0.0 and e == 0.0):
        return -inf, inf
    if c < 0.0:
        a, b, c, e = -b, -a, -e, -c
    if c == 0.0:
        low = divide_down(a, e) if a >= 0.0 else -inf
        return low, divide_up(b, e) if b <= 0.0 else inf
    low = divide_down(a, e if a >= 0.0 else c)
    return low, divide_up(b, c if b >= 0.0 else e)


@jit
def _power_down(x: Any, n: Any) -> Any:
    r = 1.0
    for _ in range(n):
        r = multiply_down(r, x)
    return r


@jit
def _power_up(x: Any, n: Any) -> Any:
    r = 1.0
    for _ in range(n):
        r = multiply_up(r, x)
    return r


@jit
def _power(a: Any, b: Any, n: Any) -> Any:
    """Return the ends of a power, whose exponent is a whole number from 1 on."""
    if n % 2 == 0:
        if a >= 0.0:
            return _power_down(a, n), _power_up(b, n)
        if b <= 0.0:
            return _power_down(-b, n), _power_up(-a, n)
        return 0.0, _power_up(max(-a, b), n)
    low = _power_down(a, n) if a >= 0.0 else -_power_up(-a, n)
    return low, _power_up(b, n) if b >= 0.0 else -_power_down(-b, n)


@jit
def _real_power(a: Any, b: Any, d: Any, p: Any) -> Any:
    """Return the ends of a power of what isn't negative."""
    if a <= 0.0:
        d = min(d, 0 if (a < 0.0 or p < 0.0) else (2 if p >= 2.0 else 1))
    a, b = max(a, 0.0), max(b, 0.0)
    if p < 0.0:
        low = max(0.0, far_below(math.pow(b, p))) if b > 0.0 else inf
        return low, far_above(math.pow(a, p)) if a > 0.0 else inf, d
    low = max(0.0, far_below(math.pow(a, p))) if a > 0.0 else 0.0
    return low, far_above(math.pow(b, p)) if b > 0.0 else 0.0, d


@jit
def _wave(a: Any, b: Any, sides: Any, shift: Any) -> Any:
    """Return the ends of what is 1 and -1, in turns, at each (k + shift)*pi."""
    slack = 2e-15 * (1.0 + max(abs(a), abs(b)))
    first = math.ceil(a / math.pi - shift - slack)
    last = math.floor(b / math.pi - shift + slack)
    low = max(-1.0, far_below(min(sides)))
    high = min(1.0, far_above(max(sides)))
    if last - first >= 1.0:
        return -1.0, 1.0
    if last == first:
        if int(first) % 2 == 0:
            high = 1.0
        else:
            low = -1.0
    return low, high


@jit
def _periodic(kind: Any, a: Any, b: Any, d: Any) -> Any:
    """Return the ends of a sine, cosine or tangent."""
    known = abs(a) < FAR and abs(b) < FAR and b - a < 6.2831853
    if kind == TAN:
        slack = 1e-13 * (1.0 + max(abs(a), abs(b)))
        if not known or math.floor(a / math.pi + 0.5 - slack) != math.floor(
            b / math.pi + 0.5 + slack
        ):
            return -inf, inf, 0
        low, high = far_below(math.tan(a)), far_above(math.tan(b))
        if a >= 0.0 and b < 1.57:
            low = max(low, 0.0)
        if a > -1.57 and b <= 0.0:
            high = min(high, 0.0)
        return low, high, d
    if not known:
        return -1.0, 1.0, d
    if kind == COS:
        low, high = _wave(a, b, (math.cos(a), math.cos(b)), 0.0)
        return low, high, d
    low, high = _wave(a, b, (math.sin(a), math.sin(b)), 0.5)
    if a >= 0.0 and b <= math.pi:
        low = max(low, 0.0)
    if a >= -math.pi and b <= 0.0:
        high = min(high, 0.0)
    return low, high, d


@jit
def _of_size(kind: Any, x: Any) -> Any:
    """Return an even function of what isn't negative."""
    if kind == COSH:
        return math.cosh(x)
    if x < 1.0:
        s = math.sinh(x)
        return 0.5 * math.log1p(s * s)
    return x - LOG_2 + math.log1p(math.exp(-2.0 * x))


@jit
def _even(kind: Any, a: Any, b: Any) -> Any:
    """Return the ends of cosh or log(cosh)."""
    least = 0.0 if a <= 0.0 <= b else min(abs(a), abs(b))
    most, floor = max(abs(a), abs(b)), 1.0 if kind == COSH else 0.0
    low = floor if least == 0.0 else max(floor, far_below(_of_size(kind, least)))
    return low, floor if most == 0.0 else far_above(_of_size(kind, most))


@jit
def _increasing_at(kind: Any, x: Any) -> Any:
    """Return a function that is defined everywhere and increases."""
    if kind == EXP:
        return math.exp(x)
    if kind == EXPM1:
        return math.expm1(x)
    if kind == ATAN:
        return math.atan(x)
    if kind == SINH:
        return math.sinh(x)
    if kind == TANH:
        return math.tanh(x)
    if kind == ASINH:
        return math.asinh(x)
    if kind == ERF:
        return math.erf(x)
    if kind == SIGMOID:
        return 1.0 / (1.0 + math.exp(-x))
    if x > 0.0:
        return x + math.log1p(math.exp(-x))
    return math.log1p(math.exp(x))


@jit
def _increasing(kind: Any, a: Any, b: Any) -> Any:
    """Return the ends of such a function, within its range."""
    low = far_below(_increasing_at(kind, a))
    high = far_above(_increasing_at(kind, b))
    if kind in (SIGMOID, SOFTPLUS):
        low = max(low, 0.0)
        return low, min(high, 1.0) if kind == SIGMOID else high
    at_0 = 1.0 if kind == EXP else 0.0
    if a >= 0.0:
        low = max(low, at_0)
    if b <= 0.0:
        high = min(high, at_0)
    if kind == EXP:
        low = max(low, 0.0)
    elif kind == EXPM1:
        low = max(low, -1.0)
    elif kind in (TANH, ERF):
        low, high = max(low, -1.0), min(high, 1.0)
    return (at_0 if a == 0.0 else low), (at_0 if b == 0.0 else high)


@jit
def _logarithmic(kind: Any, a: Any, b: Any, d: Any) -> Any:
    """Return the ends of what is defined from somewhere on: log, log1p, acosh."""
    edge = 0.0 if kind == LOG else (-1.0 if kind == LOG1P else 1.0)
    zero = 0.0 if kind == LOG1P else 1.0
    if a < edge or (a == edge and kind != ACOSH):
        d = 0
    elif a == edge:
        d = min(d, 1)
    bottom = 0.0 if kind == ACOSH else -inf
    low = high = bottom
    if kind == LOG:
        low = far_below(math.log(a)) if a > edge else low
        high = far_above(math.log(b)) if b > edge else high
    elif kind == LOG1P:
        low = far_below(math.log1p(a)) if a > edge else low
        high = far_above(math.log1p(b)) if b > edge else high
    else:
        low = max(0.0, far_below(math.acosh(a))) if a > edge else low
        high = far_above(math.acosh(b)) if b > edge else high
    if a >= zero:
        low = max(low, 0.0)
    if b <= zero:
        high = min(high, 0.0)
    return low, high, d


@jit
def _inverse(kind: Any, a: Any, b: Any, d: Any) -> Any:
    """Return the ends of asin, acos or atanh."""
    if kind == ATANH:
        if a <= -1.0 or b >= 1.0:
            d = 0
        low = far_below(math.atanh(a)) if -1.0 < a < 1.0 else -inf
        high = far_above(math.atanh(b)) if -1.0 < b < 1.0 else inf
    else:
        if a < -1.0 or b > 1.0:
            d = 0
        elif a == -1.0 or b == 1.0:
            d = min(d, 1)
        c, e = min(1.0, max(-1.0, a)), max(-1.0, min(1.0, b))
        if kind == ACOS:
            return max(0.0, far_below(math.acos(e))), far_above(math.acos(c)), d
        low, high = far_below(math.asin(c)), far_above(math.asin(e))
    if a >= 0.0:
        low = max(low, 0.0)
    if b <= 0.0:
        high = min(high, 0.0)
    return low, high, d


@jit
def _pieced(kind: Any, a: Any, b: Any, d: Any) -> Any:
    """Return the ends of what has kinks or jumps."""
    if kind == ABS:
        if a <= 0.0 <= b:
            return 0.0, max(-a, b), min(d, 1)
        return min(abs(a), abs(b)), max(abs(a), abs(b)), d
    if kind == NOT:
        return 1.0 - b, 1.0 - a, d
    if kind == FLOOR:
        low = math.floor(a) + 0.0 if abs(a) < WHOLE else a
        high = math.floor(b) + 0.0 if abs(b) < WHOLE else b
        return low, high, d if low == high else 0
    least = -1.0 if kind == SIGN else 0.0
    low = 1.0 if a > 0.0 else least
    high = least if b < 0.0 else 1.0
    return low, high, d if low == high else 0


@jit
def _of_one(kind: Any, a: Any, b: Any, d: Any, p: Any) -> Any:
    """Return what a function of one register is on a box, and its decoration."""
    if kind == NEG:
        return -b, -a, d
    if kind >= EXP:
        if kind > SOFTPLUS:
            return -inf, inf, 0
        low, high = _increasing(kind, a, b)
        return low, high, d
    if kind == POWER:
        low, high = _power(a, b, int(p))
        return low, high, d
    if kind == REAL_POWER:
        return _real_power(a, b, d, p)
    if kind == SQRT:
        d = min(d, 2 if a > 0.0 else (1 if a == 0.0 else 0))
        return root_down(max(a, 0.0)), root_up(max(b, 0.0)), d
    if kind == CBRT:
        if a <= 0.0 <= b:
            d = min(d, 1)
        low = math.copysign(math.pow(abs(a), 1.0 / 3.0), a)
        high = math.copysign(math.pow(abs(b), 1.0 / 3.0), b)
        low = low - (ROOT * abs(low) + LEAST) if a != 0.0 else 0.0
        return low, high + (ROOT * abs(high) + LEAST) if b != 0.0 else 0.0, d
    if kind in (SIN, COS, TAN):
        return _periodic(kind, a, b, d)
    if kind in (COSH, LOG_COSH):
        low, high = _even(kind, a, b)
        return low, high, d
    if kind in (LOG, LOG1P, ACOSH):
        return _logarithmic(kind, a, b, d)
    if kind in (ASIN, ACOS, ATANH):
        return _inverse(kind, a, b, d)
    if kind == ERFC:
        low = max(0.0, far_below(math.erfc(b)))
        return low, min(2.0, far_above(math.erfc(a))), d
    return _pieced(kind, a, b, d)


@jit
def _of_two(kind: Any, a: Any, b: Any, c: Any, e: Any, d: Any) -> Any:
    """Return what a function of two registers is on a box, and its decoration."""
    if kind == DIV:
        low, high = _quotient(a, b, c, e)
        return low, high, 0 if c <= 0.0 <= e else d
    if kind == MAX:
        return max(a, c), max(b, e), d if b < c or e < a else min(d, 1)
    if kind == MIN:
        return min(a, c), min(b, e), d if b < c or e < a else min(d, 1)
    if kind == LESS:
        return (1.0 if b < c else 0.0), (0.0 if a >= e else 1.0), d
    if kind == LESS_EQUAL:
        return (1.0 if b <= c else 0.0), (0.0 if a > e else 1.0), d
    if kind == SHARE:
        return (1.0 if a > e else 0.0), (0.0 if b < c else 1.0), d
    if kind == AND:
        return min(a, c), min(b, e), d
    return max(a, c), max(b, e), d


@jit
def run(
    count: Any, boxes: Any, tape: Any, powers: Any, low: Any, high: Any, known: Any
) -> int:
    """Run the operations of a tape over all boxes."""
    for k in range(count):
        kind, r, i, j, m = tape[k, 0], tape[k, 1], tape[k, 2], tape[k, 3], tape[k, 4]
        if kind == ADD:
            for q in range(boxes):
                low[r, q] = add_down(low[i, q], low[j, q])
                high[r, q] = add_up(high[i, q], high[j, q])
                known[r, q] = min(known[i, q], known[j, q])
        elif kind == MUL:
            for q in range(boxes):
                low[r, q], high[r, q] = _product(
                    low[i, q], high[i, q], low[j, q], high[j, q]
                )
                known[r, q] = min(known[i, q], known[j, q])
        elif kind == SQUARE:
            for q in range(boxes):
                a, b = abs(low[i, q]), abs(high[i, q])
                least = 0.0 if low[i, q] <= 0.0 <= high[i, q] else min(a, b)
                low[r, q] = multiply_down(least, least)
                high[r, q] = multiply_up(max(a, b), max(a, b))
                known[r, q] = known[i, q]
        elif kind == SELECT:
            for q in range(boxes):
                sure, d = low[i, q] == high[i, q], known[i, q]
                one = j if low[i, q] == 1.0 else m
                other = m if high[i, q] == 0.0 else j
                low[r, q] = min(low[one, q], low[other, q])
                high[r, q] = max(high[one, q], high[other, q])
                known[r, q] = min(d, known[one, q]) if sure else 0
        else:
            for q in range(boxes):
                a, b, d = low[i, q], high[i, q], known[i, q]
                if kind < SELECT:
                    d = min(d, known[j, q])
                    x, y, d = _of_two(kind, a, b, low[j, q], high[j, q], d)
                else:
                    x, y, d = _of_one(kind, a, b, d, powers[k])
                if x != x or y != y:
                    x, y, d = -inf, inf, 0
                low[r, q], high[r, q], known[r, q] = x, y, d
    return 0


def entry(
    count: int,
    registers: int,
    boxes: int,
    tape: Any,
    powers: Any,
    low: Any,
    high: Any,
    known: Any,
) -> int:
    """Run :func:`run`, with addresses.

    Parameters
    ----------
    count, registers, boxes : int
    tape : address
        Of an operation's number, its register, and those it takes: rows of five.
    powers : address
        The exponent of each operation that has one.
    low, high, known : addresses
        Of (registers, boxes); variables and constants are given.
    """
    return run(
        count,
        boxes,
        integers(tape, (count, 5)),
        floats(powers, (count,)),
        floats(low, (registers, boxes)),
        floats(high, (registers, boxes)),
        integers(known, (registers, boxes)),
    )
