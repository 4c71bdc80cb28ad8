"""NumPy: whole arrays, a gradient derived by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks import codegen
from benchmarks.formulas import Task

LIBRARY = "numpy"
TRAJECTORY_STEPS = 3_000
BATCH_STEPS = 50
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
