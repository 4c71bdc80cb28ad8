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
    if len(digits.x) > VARIABLES or digits.nodes > NODES:
        return False
    symbols = tuple(map(symbol, digits.names))
    try:
        slopes = gradient(digits.expression, symbols)
        derivatives = slopes, hessian(slopes, symbols)
    except FormulaError:
        return False
    with precision(DIGITS):
        nowhere = [mpmath.mpf(0)] * len(digits.x)
        least = digits.largest_part() * mpmath.mpf(10) ** -SEEN
        first = last = digits.at(nowhere)
        longest = mpmath.mpf(0)
        for stage in range(STAGES):
            before = digits.x
            for _ in range(ACROSS):
                step = _step(digits, *derivatives, steep=True)
                digits.x = digits.moved(step)
                if not max(map(abs, step)) > mpmath.mpf(10) ** -DONE:
                    break
            last = digits.at(nowhere)
            first = first if stage else last  # at the bottom of the valley
            digits.x = digits.moved(_step(digits, *derivatives, steep=False))
            pairs = zip(digits.x, before, digits.sizes, strict=True)
            ways = [(a - b) / size for a, b, size in pairs]
            # At a bound on the way it arrives.
            ends = (sides[way > 0][k] for k, way in enumerate(ways) if abs(way) > LEAST)
            if any(map(mpmath.isfinite, ends)):
                return False
            way = max(map(abs, ways))
            if way < max(LEAST, SHORTER * longest):
                return False
            if stage > 0:  # the first leads to the bottom of the valley, too
                longest = max(longest, way)
        return bool(last < first - least)


def _step(digits: ManyDigits, slopes: Any, curvatures: Any, steep: bool) -> Direction:
    """Return Newton's step across a valley, or along it; nothing of what is no number.

    It is downwards where f curves downwards, and no longer than one unit.
    """
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
