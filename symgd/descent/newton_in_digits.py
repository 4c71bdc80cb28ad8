"""Newton's steps in many digits, from an end at which f hardly curves.

At a minimum they get shorter, each by a factor where many derivatives are 0. In a tail,
along a bent valley too, they don't: ``(x*y - 1)**2 + x**2`` falls for ever along
``x = 1/y``, by less than its rounding, and attains no minimum.

Elsewhere: path following by a predictor along the valley and correctors across it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mpmath

from symgd.calculus.derivatives import gradient, hessian
from symgd.descent.many_digits import Direction, ManyDigits
from symgd.errors import FormulaError
from symgd.language.digits import digits as precision
from symgd.language.formula import symbol

DIGITS = 120
VARIABLES, NODES = 3, 300  # of formulas for which it is asked
MANY_DIGITS, ARRIVALS, CLOSE = 500, 10, 1e-3  # steps to a minimum; units
GONE, PLAIN = 250, 1e-40  # digits of what is 0, and a part of what isn't
ASIDE = (-1.0, -0.1, -1e-3, 1e-3, 0.1, 1.0)  # units along a level valley
LEAPS = 6  # in tails, they make steps shorter by exp(1) each, or by less
ALMOST = 0.9999  # of a step: what is as long isn't on the way to a point
STAGES, ACROSS = 20, 4  # steps along a valley, and to its bottom before each of them
SHORTER = 0.45  # times the longest way of a stage: less is shorter
LEAST, DONE = 1e-4, 40  # units: of a way that leads anywhere; digits of what doesn't
SEEN = 60  # digits: by less f doesn't fall, where all of a valley is a minimum
FLAT, NOTHING = 6, 60  # digits below the largest curvature: along a valley; of none


def never_arrives(
    digits: ManyDigits, sides: tuple[Sequence[float], Sequence[float]]
) -> bool:
    """Return whether Newton's method goes on and on from a point, and f falls.

    Parameters
    ----------
    digits : ManyDigits
        The formula, around the point; it is moved.
    sides : pair of sequences of float
        The bounds, towards which nothing goes on for ever.
    """
    derivatives = _derivatives(digits)
    if derivatives is None:
        return False
    with precision(DIGITS):
        least = digits.largest_part() * mpmath.mpf(10) ** -SEEN
        first = last = longest = mpmath.mpf(0)
        for stage in range(STAGES):
            last, ways = _stage(digits, derivatives)
            first = first if stage else last
            # At a bound on the way it arrives.
            ends = (sides[way > 0][k] for k, way in enumerate(ways) if abs(way) > LEAST)
            if any(map(mpmath.isfinite, ends)):
                return False
            way = max(map(abs, ways))
            if way < max(LEAST, SHORTER * longest):
                return False
            if stage > 0:  # the first leads to the bottom of the valley, too
                longest = max(longest, way)
        falls = bool(last < first - least)
        return falls and not _arrives_by_leaps(digits, derivatives, longest)


def _derivatives(digits: ManyDigits) -> tuple[Any, Any] | None:
    """Return gradient and Hessian of a short formula of few variables."""
    if len(digits.x) > VARIABLES or digits.nodes > NODES:
        return None
    symbols = tuple(map(symbol, digits.names))
    try:
        slopes = gradient(digits.expression, symbols)
        return slopes, hessian(slopes, symbols)
    except FormulaError:
        return None


def is_at_minimum(digits: ManyDigits) -> bool:
    """Return whether Newton's method arrives where all slopes are 0, close to a point.

    In a tail some part of the formula is neither plain nor gone, or has no digits.

    Parameters
    ----------
    digits : ManyDigits
        The formula, around the point; it is moved.
    """
    derivatives = _derivatives(digits)
    if derivatives is None:
        return False
    with precision(MANY_DIGITS):
        before, nowhere = digits.x, [mpmath.mpf(0)] * len(digits.x)
        for _ in range(ARRIVALS):
            digits.x = digits.moved(_step(digits, *derivatives, steep=True))
        pairs = zip(digits.x, before, digits.sizes, strict=True)
        if not max(abs(a - b) / size for a, b, size in pairs) < CLOSE:
            return False
        parts = list(digits.values_of_parts())
        largest = max(parts, default=mpmath.mpf(0))
        gone, plain = largest * mpmath.mpf(10) ** -GONE, largest * PLAIN
        if any(gone < each < plain for each in parts) or digits.is_saturated(plain):
            return False
        slopes, matrix = _at(digits, *derivatives)
        if not all(abs(each) <= gone for each in slopes):
            return False
        values, vectors = mpmath.eigsy(matrix)
        here, highest = digits.at(nowhere), max(map(abs, values))
        for k, curvature in enumerate(values):
            if curvature < -highest * mpmath.mpf(10) ** -NOTHING:
                return False
            for far in ASIDE if curvature <= highest * mpmath.mpf(10) ** -FLAT else ():
                step = [far * vectors[i, k] for i in range(len(digits.x))]
                if not digits.at(step) >= here - gone:
                    return False
        return True


def _at(digits: ManyDigits, slopes: Any, curvatures: Any) -> tuple[Direction, Any]:
    """Return gradient and Hessian there, in units."""
    n, sizes = len(digits.x), digits.sizes
    nowhere = [mpmath.mpf(0)] * n
    slope = [
        size * digits.at(nowhere, each)
        for size, each in zip(sizes, slopes, strict=True)
    ]
    matrix = mpmath.matrix(n, n)
    for i in range(n):
        for j in range(n):
            matrix[i, j] = sizes[i] * sizes[j] * digits.at(nowhere, curvatures[i, j])
    return slope, matrix


def _stage(digits: ManyDigits, derivatives: tuple[Any, Any]) -> tuple[Any, Direction]:
    """Go to the bottom of a valley, and along it; return the value there, and the way.

    The way is in units, from where it began.
    """
    before, nowhere = digits.x, [mpmath.mpf(0)] * len(digits.x)
    for _ in range(ACROSS):
        step = _step(digits, *derivatives, steep=True)
        digits.x = digits.moved(step)
        if not max(map(abs, step)) > mpmath.mpf(10) ** -DONE:
            break
    bottom = digits.at(nowhere)
    digits.x = digits.moved(_step(digits, *derivatives, steep=False))
    pairs = zip(digits.x, before, digits.sizes, strict=True)
    return bottom, [(a - b) / size for a, b, size in pairs]


def _arrives_by_leaps(
    digits: ManyDigits, derivatives: tuple[Any, Any], longest: Any
) -> bool:
    """Return whether it arrives where steps are extrapolated: ``(x - 1)**100``.

    Of each step it leaves 98/99 to go, which look as if they went on for ever. In
    tails, steps get shorter by no more than a factor from one leap to the next.

    Elsewhere: Steffensen's method, Aitken's delta-squared process.
    """
    for _ in range(LEAPS):
        _, one = _stage(digits, derivatives)
        _, two = _stage(digits, derivatives)
        length, way = mpmath.fdot(one, one), max(map(abs, two))
        if not (length and way):  # it has left its digits
            return False
        if way < LEAST * longest:
            return True
        ratio = mpmath.fdot(one, two) / length
        if not 0 < ratio < ALMOST:
            return False
        digits.x = digits.moved([ratio / (1 - ratio) * each for each in two])
    return False


def _step(digits: ManyDigits, slopes: Any, curvatures: Any, steep: bool) -> Direction:
    """Return Newton's step across a valley, or along it; nothing of what is no number.

    It is downwards where f curves downwards, and no longer than one unit.
    """
    n, nowhere = len(digits.x), [mpmath.mpf(0)] * len(digits.x)
    slope, matrix = _at(digits, slopes, curvatures)
    if not all(map(mpmath.isfinite, [*slope, *matrix])):
        return nowhere
    values, vectors = mpmath.eigsy(matrix)
    largest, ten, step = max(map(abs, values)), mpmath.mpf(10), nowhere
    for k in range(n):
        size = abs(values[k])
        across = size > largest * ten**-FLAT
        if across is steep and size > largest * ten**-NOTHING:
            way = [vectors[i, k] for i in range(n)]
            far = -mpmath.fdot(way, slope) / size
            step = [a + far * b for a, b in zip(step, way, strict=True)]
    longest = max(map(abs, step))
    return [each / max(longest, 1) for each in step]
