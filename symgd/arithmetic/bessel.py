"""Bessel functions of the first kind, of whole orders and real arguments.

The error is some units in the last place of the largest value nearby, sqrt(2/(pi*x))
far out: near a zero, not of the value itself.
"""

from __future__ import annotations

from math import inf, pi

from symgd.arithmetic.elementary import cos, sin
from symgd.arithmetic.primitives import choose, fma, square_root

FAR = 20.0  # where Hankel's expansion has all digits
FIRST = 64  # order at which the recurrence begins: J is nothing there, up to FAR
TERMS = 26  # of Hankel's expansion
NEAR = 1.0  # up to which it is the power series
POWERS = 12  # of it


def besselj(order: float, x: float) -> float:
    """Return J of a whole order, a constant, at x.

    Its power series up to 1 (DLMF 10.2.2). Then the recurrence, backward from where J
    is nothing, divided by a sum that is 1 (Miller's algorithm, DLMF 3.6(v); 10.12.4).
    Far out Hankel's expansion of orders 0 and 1 (DLMF 10.17.3), and the recurrence
    forward.
    """
    n = abs(int(order))
    turned = n % 2 == 1 and order < 0.0
    size = abs(x)
    near = _by_powers(n, choose(size > NEAR, NEAR, size))
    inner = choose(size > NEAR, choose(size > FAR, FAR, size), NEAR)
    between = _by_recurrence(n, inner)
    far = _by_expansion(n, choose(size > FAR, size, FAR))
    y = choose(size > FAR, far, choose(size > NEAR, between, near))
    y = choose(size == inf, 0.0, choose(size != size, size, y))
    if n % 2 == 1:
        y = choose(x < 0.0, -y, y)
    return -y if turned else y


def _by_powers(n: int, x: float) -> float:
    half = 0.5 * x
    square, total = -half * half, 1.0
    for k in range(POWERS, 0, -1):
        total = 1.0 + total * square / (k * (k + n))
    for k in range(1, n + 1):
        total = total * half / k
    return total


def _by_recurrence(n: int, x: float) -> float:
    """Return J of order n between NEAR and FAR."""
    twice = 2.0 / x
    lost = fma(-twice, x, 2.0) / x
    above, here, total, found = 0.0, 1e-200, 0.0, 0.0
    for k in range(FIRST, 0, -1):
        above, here = here, fma(fma(k, twice, k * lost), here, -above)
        if k - 1 == n:
            found = here
        if k % 2 == 1 and k > 1:
            total = total + here
    return found / (2.0 * total + here)


def _by_expansion(n: int, x: float) -> float:
    """Return J of order n beyond FAR."""
    size = square_root(1.0 / (pi * x))
    c, s = cos(x), sin(x)
    below = size * _turned(0, x, c + s, s - c)
    if n == 0:
        return below
    here = size * _turned(1, x, s - c, -s - c)
    for k in range(1, n):
        below, here = here, 2.0 * k / x * here - below
    return here


def _turned(n: int, x: float, along: float, across: float) -> float:
    """Return a wave of order n with the phase and the size that it has at x."""
    eighth, square = 1.0 / (8.0 * x), 4.0 * n * n
    term, even, odd = 1.0, 1.0, 0.0
    for k in range(1, TERMS):
        term = term * ((square - (2.0 * k - 1.0) ** 2) / k) * eighth
        sign = -1.0 if k % 4 in (2, 3) else 1.0
        if k % 2 == 0:
            even = even + sign * term
        else:
            odd = odd + sign * term
    return even * along - odd * across
