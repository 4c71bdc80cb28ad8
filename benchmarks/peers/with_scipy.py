"""SciPy: L-BFGS-B on what numba compiled, BFGS on what SymPy lambdified."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import sympy as sp
from scipy import optimize

from benchmarks.formulas import WOOD, Problem

LIBRARY = "scipy"


def rosenbrock(x: np.ndarray) -> tuple[float, np.ndarray]:
    """Return value and gradient of the chained Rosenbrock function, by hand."""
    f, g = 0.0, np.zeros_like(x)
    for k in range(x.size - 1):
        u, w = x[k + 1] - x[k] * x[k], 1.0 - x[k]
        f += 100.0 * u * u + w * w
        g[k] -= 400.0 * x[k] * u + 2.0 * w
        g[k + 1] += 200.0 * u
    return f, g


def wood(x: np.ndarray) -> tuple[float, np.ndarray]:
    """Return value and gradient of Wood's function, by hand."""
    u, v = x[1] - x[0] * x[0], x[3] - x[2] * x[2]
    a, b, c, d = x[0] - 1.0, x[1] - 1.0, x[2] - 1.0, x[3] - 1.0
    f = 100.0 * u * u + a * a + 90.0 * v * v + c * c
    f += 10.1 * (b * b + d * d) + 19.8 * b * d
    g = np.empty_like(x)
    g[0] = -400.0 * x[0] * u + 2.0 * a
    g[1] = 200.0 * u + 20.2 * b + 19.8 * d
    g[2] = -360.0 * x[2] * v + 2.0 * c
    g[3] = 180.0 * v + 20.2 * d + 19.8 * b
    return f, g


def jitted(problem: Problem) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Return the compiled value and gradient."""
    function = wood if problem == WOOD else rosenbrock
    return numba.njit(error_model="numpy", fastmath={"contract"})(function)


def lbfgsb(
    problem: Problem, start: np.ndarray, **options: Any
) -> Callable[[], np.ndarray]:
    """Return one call of L-BFGS-B."""
    function = jitted(problem)

    def run() -> np.ndarray:
        return optimize.minimize(
            function, start, jac=True, method="L-BFGS-B", options=options
        ).x

    return run


def tight_lbfgsb(problem: Problem, start: np.ndarray) -> Callable[[], np.ndarray]:
    """Return the same to symgd's default tolerance, not only to SciPy's."""
    return lbfgsb(problem, start, gtol=1e-8, ftol=0.0)


def bfgs(problem: Problem, start: np.ndarray) -> Callable[[], np.ndarray]:
    """Return one call of BFGS on what SymPy derives and lambdifies."""
    symbols = sp.symbols(problem.variables)
    expression = sp.sympify(problem.formula)
    value = sp.lambdify([symbols], expression, cse=True)
    slopes = [expression.diff(symbol) for symbol in symbols]
    gradient = sp.lambdify([symbols], slopes, cse=True)

    def run() -> np.ndarray:
        return optimize.minimize(
            value, start, jac=lambda x: np.array(gradient(x)), method="BFGS"
        ).x

    return run


def loop(problem: Problem, starts: np.ndarray) -> Callable[[], np.ndarray]:
    """Return a Python loop of L-BFGS-B over starts."""
    function = jitted(problem)

    def run() -> np.ndarray:
        return np.array(
            [
                optimize.minimize(function, start, jac=True, method="L-BFGS-B").x
                for start in starts
            ]
        )

    return run


MINIMIZE = {
    "SciPy L-BFGS-B": lbfgsb,
    "SciPy L-BFGS-B to 1e-8": tight_lbfgsb,
    "SciPy BFGS, lambdified": bfgs,
}
