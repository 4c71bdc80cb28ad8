"""Where a formula is at the least value that its squares allow, by Newton's method.

Near such a point float64 may show neither that f has no more to gain nor that it has a
minimum: ``(x**2 - y)**2`` is level along a parabola, ``(x - 1)**100`` around 1. In many
digits what is squared has a zero close by, or has none: ``exp(-x)`` goes on for ever.

Elsewhere: Newton's method for underdetermined systems; a certificate of optimality.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import mpmath
import sympy as sp

from symgd.calculus.least_values import zeros_at_least
from symgd.descent.many_digits import Direction, ManyDigits, across_and_along
from symgd.language.digits import digits as precision

DIGITS = 120
VARIABLES, NODES = 8, 300  # of formulas for which it is asked
STEPS = 40
ARRIVED = 60  # digits below x: of a step that leads nowhere
VISIBLE = 20  # digits below its terms: of a slope that isn't of rounding


def zero_of_squares(
    digits: ManyDigits, sides: tuple[Sequence[float], Sequence[float]]
) -> array[float] | None:
    """Return the point nearby at which f is as low as it can be, to rounding.

    Parameters
    ----------
    digits : ManyDigits
        The formula, around where to begin; it is moved.
    sides : pair of sequences of float
        The bounds.

    Returns
    -------
    array, or None
        None where the formula doesn't show its least value, or none is found.
    """
    if len(digits.x) > VARIABLES or digits.nodes > NODES:
        return None
    zeros = zeros_at_least(digits.with_numbers(digits.expression))
    if not zeros:
        return None
    with precision(DIGITS):
        if not _arrives(digits, zeros):
            return None
        found = array("d", map(float, digits.x))
    inside = zip(sides[0], found, sides[1], strict=True)
    return found if all(low <= x <= high for low, x, high in inside) else None


def _arrives(digits: ManyDigits, zeros: Sequence[sp.Expr]) -> bool:
    """Go to where all expressions are 0; return whether they are, each once."""
    nowhere = [mpmath.mpf(0)] * len(digits.x)
    least = mpmath.mpf(10) ** -ARRIVED
    for _ in range(STEPS):
        values = [digits.at(nowhere, each) for each in zeros]
        slopes = [digits.slopes(each) for each in zeros]
        if not all(map(mpmath.isfinite, values + [s for row in slopes for s in row])):
            return False
        if not all(
            _is_steep(digits, *each) for each in zip(zeros, slopes, strict=True)
        ):
            return False
        step, _ = across_and_along(slopes, values)
        digits.x = digits.moved(step)
        if max(map(abs, step)) <= least:
            sizes = [max(map(abs, row)) for row in slopes]
            rest = [digits.at(nowhere, each) for each in zeros]
            return all(abs(r) <= least * s for r, s in zip(rest, sizes, strict=True))
    return False


def _is_steep(digits: ManyDigits, zero: sp.Expr, slopes: Direction) -> bool:
    """Return whether an expression changes by more than its terms are rounded by.

    Where ``tanh(x) - 1`` is 0 in all digits, it isn't 0.
    """
    nowhere = [mpmath.mpf(0)] * len(digits.x)
    terms = [abs(digits.at(nowhere, term)) for term in sp.Add.make_args(zero)]
    return bool(max(map(abs, slopes)) > max(terms) * mpmath.mpf(10) ** -VISIBLE)
