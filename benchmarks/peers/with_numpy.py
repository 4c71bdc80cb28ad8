"""NumPy: whole arrays, a gradient derived by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks import codegen
from benchmarks.formulas import Task
from benchmarks.sums import CHAIN, ENERGY, Answer, Rows, Slope, Steps

LIBRARY = "numpy"
TRAJECTORY_STEPS = 3_000
BATCH_STEPS = 50
SUM_WORK = 20_000_000
SPACE = {
    "sqrt": np.sqrt,
    "exp": np.exp,
    "cos": np.cos,
    "sin": np.sin,
    "max": np.maximum,
}


def descent(task: Task) -> Callable[[], np.ndarray]:
    """Return a loop over steps; x has a row for each variable."""
    problem, rule = task.problem, task.rule
    gradient = codegen.python_function(
        "gradient",
        problem.variables,
        codegen.gradient_lines(problem),
        [f"g{k}" for k in range(problem.size)],
        SPACE,
    )
    update = codegen.vector_update(rule, SPACE)
    start = np.ascontiguousarray(task.starts.T)

    def run() -> np.ndarray:
        x, state = start, [np.zeros_like(start) for _ in rule.state]
        for _ in range(task.steps):
            x, *state = update(x, np.array(gradient(*x)), *state, *task.numbers)
        return x.T

    return run


TRAJECTORY = {"NumPy": descent}
BATCH = {"NumPy": descent}


# --------------------------------------------------------------------------- sums


def chain(x: np.ndarray) -> Answer:
    """Return value and gradient of the chained Rosenbrock function."""
    u, v = x[1:] - x[:-1] ** 2, 1.0 - x[:-1]
    g = np.zeros_like(x)
    g[1:] = 200.0 * u
    g[:-1] -= 400.0 * x[:-1] * u + 2.0 * v
    return 100.0 * (u @ u) + v @ v, g


def energy(u: np.ndarray) -> Answer:
    """Return the sum of squared differences of neighbours, and its gradient."""
    below, right = u[1:] - u[:-1], u[:, 1:] - u[:, :-1]
    g = np.zeros_like(u)
    g[1:] = below
    g[:-1] -= below
    g[:, 1:] += right
    g[:, :-1] -= right
    g *= 2.0
    return np.vdot(below, below) + np.vdot(right, right), g


SLOPES = {CHAIN: chain, ENERGY: energy}


def slope(task: Slope) -> Callable[[], Answer]:
    """Return the value and the gradient at a point."""
    function = SLOPES[task.formula]
    return lambda: function(task.point)


def steps(task: Steps) -> Callable[[], Answer]:
    """Return a loop over steps."""
    function = SLOPES[task.formula]

    def run() -> Answer:
        x = task.start.copy()
        value, g = function(x)
        for _ in range(task.steps):
            g *= task.step_size
            x -= g
            value, g = function(x)
        return value, x

    return run


def rows(task: Rows) -> Callable[[], Answer]:
    """Return logistic regression with few temporaries; it uses one core."""

    def run() -> Answer:
        e = task.data @ task.point
        e *= -task.labels
        np.exp(e, out=e)
        above = 1.0 + e
        value = np.log(above).sum()
        e /= above
        e *= task.labels
        return value, -(e @ task.data)

    return run


STEPS = {"NumPy": steps}
SLOPE = {"NumPy": slope}
ROWS = {"NumPy": rows}
