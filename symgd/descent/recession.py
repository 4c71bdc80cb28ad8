"""Whether a formula falls for ever from an end, by less than float64 shows.

A formula of linear forms, such as ``exp(x - y) + abs(x + y)``, falls for ever along a
direction along which all but a few of its forms stay as they are, if it does at all.
Those directions are tried, with those in which it doesn't curve and the way that the
run has come; values in many digits tell whether it is lower all the way.

Elsewhere: directions of recession.

Source: Rockafellar 1970, "Convex Analysis", section 8 and theorem 18.5 (extreme
directions).
"""

from __future__ import annotations

import itertools
import math
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import mpmath
import sympy as sp

from symgd.descent.many_digits import (
    DIGITS,
    FLAT,
    PARALLEL,
    Direction,
    ManyDigits,
    across_and_along,
)
from symgd.language.digits import digits as precision

SURE = 150  # of the digits: a value is lower if they say so
VARIABLES = 8  # of formulas for which it is asked
NODES = 300  # of formulas for which it is asked
FORMS, EDGES = 12, 300  # so many of them are taken, and directions between them
JUMPS = (sp.Piecewise, sp.sign, sp.Heaviside, sp.floor, sp.ceiling, sp.Mod)
BACK = (0.0, -0.5, -0.75, -0.9, -0.97, -1.0)  # of the way that the run has come
OUTWARD = (0.1, 1.0, 1e2, 1e4, 1e6, 1e8, 1e10)  # times as far as the run has come


def falls_in_all_digits(
    digits: ManyDigits,
    sides: tuple[Sequence[float], Sequence[float]],
    kinks: Sequence[sp.Expr],
    come: Sequence[float],
    may_fall: Callable[[array[float]], bool],
) -> bool:
    """Return whether a formula falls for ever from a point.

    Parameters
    ----------
    digits : ManyDigits
        The formula, around the point.
    sides : pair of sequences of float
        The bounds.
    kinks : sequence of sympy.Expr
        What is 0 along each kink on which the point is.
    come : sequence of float
        Where the point came from: the way from there.
    may_fall : callable
        Whether f may fall along a direction, as far as float64 shows.
    """
    n = len(digits.x)
    if n > VARIABLES or digits.nodes > NODES:
        return False
    with precision(DIGITS):
        basis = digits.go_to(kinks)
        branch = digits.branch([mpmath.mpf(0)] * n)
        if not {each.name for each in branch.free_symbols} & set(digits.names):
            return False
        way = [a / b for a, b in zip(map(mpmath.mpf, come), digits.sizes, strict=True)]
        if not any(True for _ in _directions(digits, basis, way, may_fall)):
            return False
        digits.settle(basis)
        return any(
            _falls(digits, direction, sides)
            for direction in _directions(digits, basis, way, may_fall)
        )


def falls_along_bent_kinks(
    digits: ManyDigits,
    sides: tuple[Sequence[float], Sequence[float]],
    kinks: Sequence[sp.Expr],
) -> bool:
    """Return whether a formula falls for ever from a point, along kinks y = g(x)."""
    if digits.nodes > NODES:
        return False
    free = [low == -high == -math.inf for low, high in zip(*sides, strict=True)]
    with precision(DIGITS):
        straight = digits.straightened(kinks, free)
    if straight is None:
        return False
    nowhere = [0.0] * len(digits.x)
    return falls_in_all_digits(straight, sides, [], nowhere, lambda _: True)


def _directions(
    digits: ManyDigits,
    basis: list[Direction],
    way: Direction,
    may_fall: Callable[[array[float]], bool],
) -> Iterator[Direction]:
    """Yield the directions in which f may fall for ever, as far as float64 shows."""
    found = itertools.chain([_onto(basis, way)], _flat(digits, basis), _edges(digits))
    for direction in filter(any, found):
        for sign in (1, -1):
            if may_fall(_in_float(digits, direction, sign)):
                yield [sign * each for each in direction]


def _in_float(digits: ManyDigits, direction: Direction, sign: int) -> array[float]:
    steps = zip(direction, digits.sizes, strict=True)
    return array("d", (float(sign * a * size) for a, size in steps))


def _falls(
    digits: ManyDigits,
    way: Direction,
    sides: tuple[Sequence[float], Sequence[float]],
) -> bool:
    """Return whether it is lower along a direction, inside bounds, as far as seen.

    Where it is level at last, in all digits, it is a plateau, whose value is attained,
    if the branch there is a constant: others are level only when they are spent.
    """
    here = digits.at([mpmath.mpf(0)] * len(way))
    unseen = max(abs(here) * mpmath.mpf(10) ** -SURE, digits.unseen)
    values = [here]
    for far in OUTWARD:
        step = [far * each for each in way]
        inside = zip(sides[0], digits.moved(step), sides[1], strict=True)
        if not all(low <= each <= high for low, each, high in inside):
            return False
        values.append(digits.at(step))
        if not values[-1] <= here + unseen:
            return False
    if abs(values[1] - here) <= unseen and not _varies(digits, way, OUTWARD[0]):
        return False
    falling = values[-1] < values[-2] - unseen
    return falling or _varies(digits, way, OUTWARD[-1])


def _varies(digits: ManyDigits, way: Direction, far: float) -> bool:
    """Return whether the branch so far away is no constant, on the way to there."""
    branch = digits.branch([far * each for each in way])
    if branch.has(*JUMPS):
        return False
    values = [digits.at([back * each for each in way], branch) for back in (far, *BACK)]
    seen = [each for each in values if mpmath.isfinite(each)]
    unseen = max(map(abs, seen), default=0) * mpmath.mpf(10) ** -SURE
    return len(seen) > 1 and max(seen) - min(seen) > max(unseen, digits.unseen)


def _onto(basis: list[Direction], way: Direction) -> Direction:
    """Return the part of a direction that is along a basis of unit lengths."""
    total = [mpmath.mpf(0)] * len(way)
    for each in basis:
        length = mpmath.fdot(each, way)
        total = [a + length * b for a, b in zip(total, each, strict=True)]
    return total


def _flat(digits: ManyDigits, basis: list[Direction]) -> Iterator[Direction]:
    """Yield the coordinates that a basis contains, and where f doesn't curve along it.

    What it doesn't curve in may bend; coordinates don't.
    """
    n, m = len(digits.x), len(basis)
    least = mpmath.mpf(10) ** -PARALLEL
    for k in range(n):
        axis = [mpmath.mpf(int(j == k)) for j in range(n)]
        if abs(_onto(basis, axis)[k] - 1) <= least:
            yield axis
    if m < 2:
        yield from basis
        return
    curvatures, ways = digits.curvatures(basis)
    least = max(map(abs, curvatures), default=0) * mpmath.mpf(10) ** -FLAT
    for curvature, direction in zip(curvatures, ways, strict=True):
        if abs(curvature) <= least:
            yield direction


def _edges(digits: ManyDigits) -> Iterator[Direction]:
    """Yield directions along which all linear forms but one stay as they are."""
    forms = [digits.slopes(each) for each in _linear_forms(digits)]
    n, count = len(digits.x), len(forms)
    together = itertools.combinations(range(count), max(0, min(n, count) - 1))
    for chosen in itertools.islice(together, EDGES):
        fixed = [forms[k] for k in chosen] or [[mpmath.mpf(0)] * n]
        along = across_and_along(fixed, [mpmath.mpf(0)] * len(fixed))[1]
        for k in set(range(count)) - set(chosen):
            way = _onto(along, forms[k])
            size = max(map(abs, way))
            if size > mpmath.mpf(10) ** -PARALLEL * max(map(abs, forms[k])):
                yield [each / size for each in way]
                break


def _linear_forms(digits: ManyDigits) -> list[sp.Expr]:
    """Return the different linear forms of which functions are taken, or products."""
    found: dict[tuple[Any, ...], sp.Expr] = {}
    for node in sp.preorder_traversal(digits.expression):
        if node.is_Add or not node.args or not node.free_symbols:
            continue
        parts = [each for each in node.args if isinstance(each, sp.Expr)]
        if isinstance(node, (sp.Max, sp.Min)):
            parts += [a - b for a, b in itertools.combinations(parts, 2)]
        elif node.is_Mul and sum(bool(each.free_symbols) for each in parts) < 2:
            continue
        for part in parts:
            slopes = _constant_slopes(part, digits.names)
            if slopes and len(found) < FORMS:
                found.setdefault(slopes, part)
    return list(found.values())


def _constant_slopes(part: sp.Expr, names: Sequence[str]) -> tuple[Any, ...]:
    """Return the slopes of a linear form, the first as 1; nothing of what is none."""
    symbols = {each.name: each for each in part.free_symbols}
    if not (part.is_Add or part.is_Mul or part.is_Symbol) or not symbols:
        return ()
    slopes = [sp.diff(part, symbols[k]) if k in symbols else sp.S.Zero for k in names]
    if any(each.free_symbols & set(symbols.values()) for each in slopes):
        return ()
    first = next((each for each in slopes if each != 0), None)
    return () if first is None else tuple(each / first for each in slopes)
