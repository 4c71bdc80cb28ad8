"""Whether value and gradient are right: by 50 digits, and by Taylor's formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from hypothesis import assume
from hypothesis import strategies as st

from symgd.objectives.objective import Objective
from symgd.testing.drawn_objectives import objective_in, starting_points
from symgd.testing.high_precision import DIGITS, HighPrecision, exact_number
from symgd.testing.pasted import call, failure, objective_of_text
from symgd.testing.trying import tried

MOST = 20  # coordinates along which slopes are looked at
STEP = 1e-8  # of Taylor's formula: what is farther away doesn't count
KINK = 1e-8  # how far one-sided slopes differ at most where there is none
SLOPE = 1.9  # Taylor's remainder goes down with the square of the step


def check_gradient(
    objective: Any,
    *,
    points: st.SearchStrategy[Any] | None = None,
    rtol: float = 1e-9,
    examples: int = 20,
) -> None:
    """Check value and gradient of an objective against 50 digits.

    The formula is evaluated by mpmath, with 50 digits and no derivative: slopes are
    differences of values. So the symbolic gradient and its native code are tried
    together. Then Taylor's formula: along a direction p the remainder
    ``f(x + h*p) - f(x) - h*g*p`` must go down as h**2. Points at a kink or a jump are
    left out. Of more than 20 coordinates, some are looked at.

    Parameters
    ----------
    objective : formula or Objective
        Whose arrays have sizes: they come from data, ``sizes=`` or ``sized(x)``.
    points : strategy, optional
        By default ``starting_points(objective)``.
    rtol : float
        The largest error, of the value, of the largest slope, or of 1.
    examples : int
        At how many points.

    Raises
    ------
    AssertionError
        With the smallest point at which something differs, as a line to paste.

    Examples
    --------
    >>> check_gradient("(1 - x)**2 + 100*(y - x**2)**2")
    >>> check_gradient("max(x, y)**2 + abs(sin(x*y))")
    """
    given = objective_in(objective)
    exactly = HighPrecision(given)
    n = len(exactly.symbols)
    looked_at = np.unique(np.linspace(0, n - 1, min(n, MOST)).astype(int)).tolist()

    def is_right(point: np.ndarray) -> None:
        x = np.ravel(np.asarray(point, dtype=float))
        value, gradient = given.value_and_grad(x)
        _compare(given, x, "value", "f", value, exactly.value(x), rtol, 1.0)
        slopes = [exactly.slopes(x, k) for k in looked_at]
        size = max(abs(float(central)) for central, _, _ in slopes)
        for _, forward, backward in slopes:
            assume(abs(forward - backward) <= KINK * (1 + size))
        names = list(given.space)
        for k, (central, _, _) in zip(looked_at, slopes, strict=True):
            what = f"df/d{names[k]}"
            _compare(given, x, "grad", what, gradient[k], central, rtol, size)
        _taylor(given, exactly, x, np.asarray(gradient))

    drawn = starting_points(given) if points is None else points
    tried(is_right, drawn, examples)


def _compare(
    objective: Objective,
    x: np.ndarray,
    method: str,
    what: str,
    computed: float,
    exact: sp.Expr,
    rtol: float,
    size: float,
) -> None:
    """Raise AssertionError if a number is off."""
    right = float(exact)
    if not abs(computed - right) <= rtol * max(1.0, abs(right), size):
        problem = f"{what} is {float(computed)!r}, and {right!r} by 50 digits"
        raise AssertionError(failure(problem, _line(objective, method, x)))


def _taylor(
    objective: Objective, exactly: HighPrecision, x: np.ndarray, gradient: np.ndarray
) -> None:
    """Raise AssertionError if Taylor's remainder doesn't go down as a square."""
    along = np.where(np.arange(len(x)) % 2, -0.5, 1.0) * np.maximum(1.0, np.abs(x))
    here, slope = exactly.value(x), sum(map(_times, gradient, along))
    steps = [sp.Float(STEP, DIGITS), sp.Float(STEP, DIGITS) / 10]
    pairs = list(zip(map(exact_number, x), map(exact_number, along), strict=True))
    left = []
    for step in steps:
        there = exactly.value([start + step * way for start, way in pairs])
        left.append(abs(there - here - step * slope))
    noise = 1e-14 * (1 + float(np.abs(gradient) @ np.abs(along)))  # of the gradient
    if left[1] > steps[1] * noise and float(sp.log(left[0] / left[1], 10)) < SLOPE:
        power = float(sp.log(left[0] / left[1], 10))
        problem = f"Taylor's remainder goes down as h**{power:.2f} along "
        problem += f"{along.tolist()}, not as h**2"
        raise AssertionError(failure(problem, _line(objective, "grad", x)))


def _times(slope: float, length: float) -> sp.Expr:
    return exact_number(slope) * exact_number(length)


def _line(objective: Objective, method: str, x: np.ndarray) -> str:
    text = objective_of_text(objective)
    made = text if text.startswith("symgd.") else call("symgd.Objective", text)
    return f"{made}.{method}({x.tolist()!r})"
