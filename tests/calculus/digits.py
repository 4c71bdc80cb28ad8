"""What a formula as written is, with its derivatives, from thousands of digits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from symgd import Objective
from symgd.language.formula import read, symbol

STEP = mpmath.mpf(10) ** -150
_NUMBERS = [{"real_abs": abs}, "mpmath"]


def computed(formula: str | Objective, point: Sequence[float]) -> np.ndarray:
    """Return value, gradient and Hessian, row by row, as symgd has them."""
    objective = Objective(formula) if isinstance(formula, str) else formula
    x = np.array(point, dtype=float)
    parts = [objective.value(x)], objective.grad(x), objective.hess(x)
    return np.concatenate([np.ravel(part) for part in parts])


def exact(
    formula: str,
    names: Sequence[str],
    point: Sequence[float],
    *,
    digits: int = 2500,
    beside: Any = 0,
) -> np.ndarray:
    """Return value, gradient and Hessian, row by row; NaN where there is none.

    Derivatives are differences of values whose error is beyond all float64's digits.
    ``beside`` is what the k-th coordinate is moved by, times k + 1: to the side of a
    singularity that is removable.
    """
    function = sp.lambdify(list(map(symbol, names)), read(formula), _NUMBERS)
    with mpmath.workdps(digits):
        moves = [beside * (k + 1) for k in range(len(point))]
        pairs = zip(point, moves, strict=True)
        there = [mpmath.mpf(float(x)) + move for x, move in pairs]
        try:
            return np.array(list(map(_as_float, _derivatives(function, there))))
        except (ZeroDivisionError, ValueError):
            return np.full(1 + len(names) + len(names) ** 2, np.nan)


def _derivatives(function: Callable[..., Any], x: list[Any]) -> list[Any]:
    def at(*moves: tuple[int, int]) -> Any:
        y = list(x)
        for place, sign in moves:
            y[place] += sign * STEP
        return mpmath.mpmathify(function(*y))

    n = len(x)
    first = [(at((i, 1)) - at((i, -1))) / (2 * STEP) for i in range(n)]
    lower = {
        (i, j): sum(s * t * at((i, s), (j, t)) for s in (1, -1) for t in (1, -1))
        for i in range(n)
        for j in range(i + 1)
    }
    second = [lower[max(i, j), min(i, j)] for i in range(n) for j in range(n)]
    return [at(), *first, *(part / (4 * STEP**2) for part in second)]


def _as_float(number: Any) -> float:
    if isinstance(number, mpmath.mpc):
        return float(number.real) if number.imag == 0 else float("nan")
    return float(number)
