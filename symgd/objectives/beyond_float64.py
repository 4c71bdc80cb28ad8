"""Values and derivatives in many digits, where float64 leaves its range on the way.

``sqrt(x**2 + 1)`` is a plain number at 1e200, where the square isn't; ``atan(exp(x))``
has a plain derivative at 900; ``x*sqrt(-log(x))`` has the limit 0 at 0. What compiled
code has no number for, or 0 at extreme points, is computed once more: with exponents of
any size, and where that is no number, either, as the limit from beside.

Elsewhere: arbitrary precision arithmetic, extended exponents.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from symgd.calculus import derivatives
from symgd.errors import FormulaError
from symgd.language.digits import digits, value_of
from symgd.language.formula import symbol
from symgd.language.nodes import parts_of
from symgd.native.machine import address

DIGITS = 1000  # more than twice those that are between the largest and the least number
BESIDE = 300, 400  # digits below 1: how far away limits are looked for
EXTREME = 1e50  # beyond, and below 1/EXTREME, sixth powers are out of range, or near
VARIABLES, NODES = 20, 200  # of formulas for which it is done
SIGNS = 3  # variables that are moved to all sides
TENS = 310  # by which a start is moved nearer to the origin at most
ASIDE = 1e-4, 1e-2, 0.1, 1.0  # of x: how far beside a start it may begin
ROUGHLY = 1e-6  # as computed as in many digits
SAME = 1e-14  # of two numbers that are one
LEAST = 1e-290  # a number that is as good as 0, as a limit


def mended(objective: Any, kind: str, x: np.ndarray, value: float, out: Any) -> float:
    """Return the value, and write the derivatives, where float64 has the wrong ones.

    Parameters
    ----------
    objective : Objective
        Without arrays.
    kind : str
        "evaluation" or "hessian".
    x : array of shape (n,)
    value, out : float, array
        What compiled code has found; ``out`` is written to.
    """
    all_of_it = _is_extreme(x)
    plain = math.isfinite(value) and np.isfinite(out).all()
    if (plain and not all_of_it) or not _is_short(objective, x):
        return value
    try:
        parts = [objective.expression, *_derivatives(objective, kind)]
    except FormulaError:
        return value
    found = numbers_at(objective, parts, x.tolist())
    place = out.reshape(-1)
    for k, number in enumerate(found[1:]):
        if not math.isnan(number) and (all_of_it or not math.isfinite(place[k])):
            place[k] = number
    keeps = math.isnan(found[0]) or (math.isfinite(value) and not all_of_it)
    return value if keeps else found[0]


def _is_extreme(x: np.ndarray) -> bool:
    sizes = np.abs(x[x != 0.0])
    return bool(((sizes > EXTREME) | (sizes < 1.0 / EXTREME)).any())


def _is_short(objective: Any, x: Any) -> bool:
    if len(x) > VARIABLES or not np.isfinite(x).all():
        return False
    parts = itertools.islice(parts_of(objective.expression), NODES + 1)
    return sum(1 for _ in parts) <= NODES


def _derivatives(objective: Any, kind: str) -> list[sp.Expr]:
    symbols = tuple(map(symbol, objective.space.names))
    slopes = derivatives.gradient(objective.expression, symbols)
    if kind == "hessian":
        return list(derivatives.hessian(slopes, symbols))
    return list(slopes)


def numbers_at(
    objective: Any, parts: Sequence[sp.Expr], x: Sequence[float]
) -> list[float]:
    """Return the values of expressions at a point, or their limits; else NaN."""
    given = {symbol(k): mpmath.mpf(v) for k, v in objective.parameters.items()}
    names = [symbol(name) for name in objective.space.names]
    with digits(DIGITS):

        def at(point: Sequence[Any], wanted: Sequence[sp.Expr]) -> list[Any]:
            numbers = given | dict(zip(names, point, strict=True))
            known: dict[Any, Any] = {}  # parts have much in common
            return [value_of(each, numbers, known) for each in wanted]

        here = [mpmath.mpf(float(each)) for each in x]
        found = at(here, parts)
        if all(map(mpmath.isfinite, found)):
            return list(map(float, found))
        lost = [p for p, f in zip(parts, found, strict=True) if not mpmath.isfinite(f)]
        around = ([at(p, lost) for p in _beside(here, apart)] for apart in BESIDE)
        near, nearer = (list(zip(*rows, strict=True)) for rows in around)
        limits = map(_limit, near, nearer)
        return [float(f) if mpmath.isfinite(f) else next(limits) for f in found]


def _beside(x: Sequence[Any], apart: int) -> Iterator[list[Any]]:
    """Yield points beside another, on all sides of it if there are few variables.

    Each side in several ways, as x/y tends to anything where both are 0.
    """
    n, step = len(x), mpmath.mpf(10) ** -apart
    rising = [step * (1 + k) for k in range(n)]
    slower = [step if k % 2 else step**2 for k in range(n)]
    few = itertools.product((1, -1), repeat=n)
    for signs in few if n <= SIGNS else ((1,) * n, (-1,) * n):
        for far in (rising, rising[::-1], slower) if n > 1 else (rising,):
            yield [a + s * d for a, s, d in zip(x, signs, far, strict=True)]


def _limit(near: Sequence[Any], nearer: Sequence[Any]) -> float:
    """Return what values beside a point tend to, on all sides that have any."""
    pairs = zip(near, nearer, strict=True)
    some = [(a, b) for a, b in pairs if not (mpmath.isnan(a) or mpmath.isnan(b))]
    known = [(a, b) for a, b in some if mpmath.isfinite(a) and mpmath.isfinite(b)]
    if len(known) < len(some):  # exp(1/x) is 0 beside 0, and beyond any number
        return math.nan
    limits = {_tends(a, b) for a, b in known}
    first = next(iter(limits), math.nan)
    same = all(
        math.isclose(first, each, rel_tol=SAME, abs_tol=LEAST) for each in limits
    )
    return first if same else math.nan


def _tends(near: Any, nearer: Any) -> float:
    if abs(nearer - near) <= SAME * abs(nearer) + LEAST:
        return float(nearer) if abs(nearer) > LEAST else 0.0
    grows = near * nearer > 0 and abs(nearer) > abs(near)
    return math.copysign(math.inf, nearer) if grows else math.nan


# ------------------------------------------------------------------- where to begin


def starts_near(
    objective: Any, x: Sequence[float], sides: tuple[Sequence[float], Sequence[float]]
) -> Iterator[list[float]]:
    """Yield points at which to begin instead of one with which float64 can't compute.

    From far away they are nearer to the origin, by tens; else beside the point. None,
    where f has no number at the point, nor a limit, or is -inf.

    Parameters
    ----------
    sides : pair of sequences of float
        The bounds.
    """
    if objective.arrays is not None or not _is_short(objective, np.array(x)):
        return
    try:
        parts = [objective.expression, *_derivatives(objective, "hessian")]
        parts[1:1] = _derivatives(objective, "evaluation")
    except FormulaError:
        return
    value, *slopes = numbers_at(objective, parts[: 1 + len(x)], x)
    steep = not all(map(math.isfinite, slopes))  # and so it is, where f has its number
    if (
        math.isnan(value)
        or value == -math.inf
        or (steep and math.isfinite(_value_at(objective, x)))
    ):
        return
    points = [[10.0**-k * each for each in x] for k in range(1, TENS)]
    points += [
        [each + sign * far * (abs(each) or 1.0) for each in x]
        for far in ASIDE
        for sign in (1.0, -1.0)
    ]
    for point in points:
        each = zip(sides[0], point, sides[1], strict=True)
        inside = [min(max(value, low), high) for low, value, high in each]
        if inside != list(x) and _is_computed(objective, parts, inside):
            yield inside


def _value_at(objective: Any, x: Sequence[float]) -> float:
    """Return the value that compiled code has."""
    here, slopes, p = np.array(x), np.zeros(len(x)), objective.parameter_values()
    return float(objective.kernel("evaluation")(*map(address, (here, p, slopes))))


def _is_computed(objective: Any, parts: Sequence[sp.Expr], x: Sequence[float]) -> bool:
    """Return whether compiled code has f and its derivatives right at a point."""
    n, p = len(x), objective.parameter_values()
    found, here = np.zeros(1 + n + n * n), np.array(x)
    kernels = objective.kernel("evaluation"), objective.kernel("hessian")
    found[0] = kernels[0](*map(address, (here, p, found[1 : 1 + n])))
    if not np.isfinite(found[: 1 + n]).all():
        return False
    kernels[1](*map(address, (here, p, found[1 + n :])))
    with np.errstate(all="ignore"):
        return bool(np.allclose(found, numbers_at(objective, parts, x), ROUGHLY, LEAST))
