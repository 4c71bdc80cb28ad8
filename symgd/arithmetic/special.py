"""Functions that are not smooth, and special ones that Python's math lacks.

Plain Python, one number in, one number out: ``lowering`` compiles them, a reader can
run them. NaN goes in, NaN comes out, so that a diverging run is noticed.
"""

from __future__ import annotations

import math
from math import inf, nan, pi

from symgd.arithmetic.bessel import besselj as besselj
from symgd.arithmetic.elementary import exp, log, log1p, sin, tan
from symgd.arithmetic.primitives import (
    choose,
    fma,
    library,
    repaired,
    square_root,
    whole,
    whole_below,
    with_sign,
)


def maximum(a: float, b: float) -> float:
    """Return the larger number; NaN if either is NaN (Python's max drops it)."""
    return choose(b != b, b, choose(b > a, b, a))


def minimum(a: float, b: float) -> float:
    """Return the smaller number; NaN if either is NaN."""
    return choose(b != b, b, choose(b < a, b, a))


def far_hypot(x: float, y: float) -> float:
    """Return the root of x**2 + y**2, of which squares may be beyond float64."""
    large, small = maximum(abs(x), abs(y)), minimum(abs(x), abs(y))
    part = small / choose(large == 0.0, 1.0, large)
    return large * square_root(1.0 + part * part)


def sign(x: float) -> float:
    """Return -1, 0 or 1: the subgradient of abs with the middle value at 0."""
    return choose(x > 0.0, 1.0, choose(x < 0.0, -1.0, x))


def heaviside(x: float, at_zero: float = 0.5) -> float:
    """Return 0 or 1 by the sign of x, and ``at_zero`` at 0."""
    beside = choose(x < 0.0, 0.0, choose(x == 0.0, at_zero, x))
    return choose(x > 0.0, 1.0, beside)


def held(x: float) -> float:
    """Return the number as it is."""
    return x


def floor(x: float) -> float:
    """Return the floor as a float: math.floor gives an int, which overflows int64."""
    return whole_below(x)


def ceiling(x: float) -> float:
    """Return the ceiling as a float."""
    return -whole_below(-x)


def mod(x: float, y: float) -> float:
    """Return the remainder with the sign of the divisor, x - y*floor(x/y), exactly.

    The rounded quotient may reach the next whole number: y then comes back.
    """
    quotient = whole_below(x / y)
    rest = fma(-quotient, y, x)
    hard = (abs(quotient) > 2.0**52) | (rest != rest)
    rest = repaired(hard, _remainder, rest, x, y)
    over = ((rest < 0.0) & (y > 0.0)) | ((rest > 0.0) & (y < 0.0))
    rest = choose(over, rest + y, rest)
    return choose(rest == 0.0, with_sign(0.0, y), rest)


_remainder = library("fmod")


gamma = library("gamma", symbol="tgamma")
_lgamma = library("lgamma")


def loggamma(x: float) -> float:
    """Return log(gamma(x)) for x > 0; NaN below, where it isn't real in general."""
    pole = choose(x == 0.0, inf, nan)
    return choose(x > 0.0, _lgamma(choose(x > 0.0, x, 1.0)), pole)


def polygamma(order: float, x: float) -> float:
    """Return the derivative of digamma of the given order, a constant (0, 1, 2, ...).

    Upward recurrence to x >= 20, then the asymptotic series (DLMF 5.11.2, 5.15.8 and
    its derivatives). For x < 0 the reflection formula (DLMF 5.5.4), written out for
    orders 0 and 1 only: NaN for higher ones.
    """
    n, reflected = int(order), x < 0.0
    z, shift, factorial = choose(reflected, 1.0 - x, x), 0.0, 1.0
    for k in range(2, n + 1):
        factorial *= k
    for _ in range(20):
        small = z < 20.0
        term = factorial / _whole_power(choose(small, z, 20.0), n + 1)
        shift = shift + choose(small, term, 0.0)
        z = choose(small, z + 1.0, z)
    power = _whole_power(z, n)
    series = -log(z) if n == 0 else factorial / (order * power)
    series = series + 0.5 * factorial / (z * power)
    coefficient = 0.5 * factorial * (order + 1.0)
    index = 2.0
    for bernoulli in BERNOULLI:
        if n == 0:
            coefficient = 1.0 / index
        power = power * (z * z)
        series = series + bernoulli * coefficient / power
        coefficient *= (index + order) * (index + order + 1.0)
        coefficient /= (index + 1.0) * (index + 2.0)
        index += 2.0
    total = series + shift
    value = total if n % 2 == 1 else -total
    if n > 1:
        return choose(reflected, nan, value)
    # The distance from a pole: what matters of x, and exact.
    angle = pi * choose(reflected, x - whole(x), 0.25)
    value = choose(reflected & (angle == 0.0), nan, value)
    if n == 0:
        return choose(reflected, value - pi / tan(angle), value)
    slope = pi / sin(angle)
    return choose(reflected, slope * slope - value, value)


def _whole_power(z: float, n: int) -> float:
    power = 1.0
    for _ in range(n):
        power = power * z
    return power


BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)


def xlogy(x: float, y: float) -> float:
    """Return x*log(y), and 0 where x is 0, unless y is NaN."""
    nothing = (x == 0.0) & (y == y)
    return choose(nothing, 0.0, x * log(choose(nothing, 1.0, y)))


def over(x: float, y: float) -> float:
    """Return x/y, and 0 where both are 0."""
    nothing = (x == 0.0) & (y == 0.0)
    return choose(nothing, 0.0, x / choose(nothing, 1.0, y))


def logit(x: float) -> float:
    """Return log(x/(1 - x)), also next to 1/2, where the logarithms cancel."""
    middle = (x > 0.25) & (x < 0.75)
    inside = choose(middle, x, 0.5)
    near = log1p((2.0 * inside - 1.0) / (1.0 - inside))
    return choose(middle, near, log(x) - log1p(-x))


E_INVERSE = 0.36787944117144233  # 1/e, and what it is rounded by
E_INVERSE_REST = -1.2428753672788363e-17
E = 2.718281828459045
BRANCH = -0.25  # up to which w is found by its distance from -1


def lambertw(x: float) -> float:
    """Return the principal w with w*exp(w) = x, for x >= -1/e.

    Newton's method for w + log(w) = log(x), from an estimate good to 1 % (Iacono and
    Boyd 2017, "New approximations to the principal real-valued branch of the Lambert
    W-function", equations 16 and 19); near -1/e, for a series in w + 1.
    """
    above = (x + E_INVERSE) + E_INVERSE_REST  # exact where it cancels
    above = choose(x + E_INVERSE == 0.0, 0.0, above)
    root = square_root(E) * square_root(above)
    guess = 2.036 * log((1.0 + 1.14956131 * root) / (1.0 + 0.4549574 * log1p(root)))
    near = x < BRANCH
    v = choose(near & (above > 0.0), guess, 0.5)
    w = choose(abs(x) < 0.01, x, guess - 1.0)
    w = choose(near | (x == 0.0), 1.0, w)
    y = choose(near | (x == 0.0), E, x)
    for _ in range(4):
        residual = v * v * _branch_series(v) - E * above
        v = v - residual / (v * exp(v))
        w = w / (1.0 + w) * (1.0 + log(y / w))
    v = choose(above == 0.0, 0.0, choose(above < 0.0, nan, v))
    return choose(near, v - 1.0, choose((x == 0.0) | (x == inf), x, w))


def _branch_series(v: float) -> float:
    """Return (1 - (1 - v)*exp(v))/v**2, the sum of v**k/(k!*(k + 2)), for v to 0.7."""
    total = 0.0
    for factor in BRANCH_FACTORS:
        total = fma(total, v, factor)
    return total


BRANCH_FACTORS = tuple(1.0 / (math.factorial(k) * (k + 2)) for k in range(16, -1, -1))
