"""Sums, products, quotients and roots of float64 that are rounded one way.

Nothing changes how the processor rounds. The error of a sum is computed exactly, that
of a product or quotient from a fused multiplication; only where its sign says so does a
result move to its neighbour. So what is exact stays exact: the least value of
``12*x**2`` is 0, and not a number just below.

Source: Rump, Ogita and Oishi 2008, "Accurate floating-point summation", section 2;
Rump, Zimmermann, Boldo and Melquiond 2009, "Computing predecessor and successor".
"""

from __future__ import annotations

import math
from fractions import Fraction
from math import inf
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from symgd.lowering.jitting import jit

LARGEST = 1.7976931348623157e308
UNIT = 2.0**-53 * (1.0 + 2.0**-52)
LEAST = 5e-324
TINY = 1e-290  # below, an error may itself be rounded to 0


@intrinsic
def _fused(_context: Any, a: Any, b: Any, c: Any) -> Any:
    def generate(_context: Any, builder: Any, _sig: Any, args: Any) -> Any:
        double = ir.DoubleType()
        kind = ir.FunctionType(double, [double] * 3)
        name = "llvm.fma.f64"
        known = builder.module.globals.get(name)
        return builder.call(known or ir.Function(builder.module, kind, name), args)

    return types.float64(types.float64, types.float64, types.float64), generate


def _exactly(a: float, b: float, c: float) -> float:
    """Return a*b + c, rounded once."""
    if not all(map(math.isfinite, (a, b, c))):
        return a * b + c
    return float(Fraction(a) * Fraction(b) + Fraction(c))


fused: Any = _exactly if numba.config.DISABLE_JIT else _fused


@jit
def below(x: Any) -> Any:
    """Return the next smaller number, or one that is smaller still."""
    if abs(x) < inf:
        return x - (abs(x) * UNIT + LEAST)
    return LARGEST if x > 0.0 else x


@jit
def far_below(x: Any) -> Any:
    """Return what is below a function of the C library: by at least three steps."""
    if abs(x) < inf:
        return x - (abs(x) * 2.0**-49 + 16.0 * LEAST)
    return LARGEST if x > 0.0 else x


@jit
def far_above(x: Any) -> Any:
    """Return what is above a function of the C library."""
    return -far_below(-x)


@jit
def add_down(a: Any, b: Any) -> Any:
    """Return at most a + b."""
    s = a + b
    if not abs(s) < inf:
        if s != s:
            return -inf
        return s if abs(a) == inf or abs(b) == inf else below(s)
    t = s - a
    return s if (a - (s - t)) + (b - t) >= 0.0 else below(s)


@jit
def add_up(a: Any, b: Any) -> Any:
    """Return at least a + b."""
    return -add_down(-a, -b)


@jit
def multiply_down(a: Any, b: Any) -> Any:
    """Return at most a*b; 0 times what is unbounded is 0, as values are finite."""
    if a == 0.0 or b == 0.0:
        return 0.0
    p = a * b
    if abs(p) == inf:
        return p if abs(a) == inf or abs(b) == inf else below(p)
    if abs(p) < TINY:
        return max(0.0, below(p)) if (a > 0.0) == (b > 0.0) else below(p)
    return p if fused(a, b, -p) >= 0.0 else below(p)


@jit
def multiply_up(a: Any, b: Any) -> Any:
    """Return at least a*b."""
    return -multiply_down(-a, b)


@jit
def divide_down(a: Any, b: Any) -> Any:
    """Return at most a/b, of a b that isn't 0."""
    if a == 0.0:
        return 0.0
    if abs(b) == inf:
        if abs(a) == inf:
            return -inf
        return 0.0 if (a > 0.0) == (b > 0.0) else -LEAST
    q = a / b
    if abs(q) == inf:
        return q if abs(a) == inf else below(q)
    if abs(q) < TINY or abs(a) < TINY:
        return max(0.0, below(q)) if (a > 0.0) == (b > 0.0) else below(q)
    rest = fused(-q, b, a)
    return q if rest == 0.0 or (rest > 0.0) == (b > 0.0) else below(q)


@jit
def divide_up(a: Any, b: Any) -> Any:
    """Return at least a/b."""
    return -divide_down(-a, b)


@jit
def root_down(a: Any) -> Any:
    """Return at most the root of what isn't negative."""
    s = math.sqrt(a)
    if s in (0.0, inf):
        return s
    return s if a > 1e-280 and fused(s, s, -a) <= 0.0 else max(0.0, below(s))


@jit
def root_up(a: Any) -> Any:
    """Return at least the root of what isn't negative."""
    s = math.sqrt(a)
    if s in (0.0, inf):
        return s
    return s if a > 1e-280 and fused(s, s, -a) >= 0.0 else -below(-s)
