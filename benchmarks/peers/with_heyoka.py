"""heyoka: its compiled gradient, and the rule in NumPy."""

from __future__ import annotations

from collections.abc import Callable

import heyoka
import numpy as np

from benchmarks import codegen
from benchmarks.formulas import Task
from benchmarks.peers import with_numpy

LIBRARY = "heyoka"
TRAJECTORY_STEPS = 3_000
BATCH_STEPS = 50
SPACE = {"sqrt": heyoka.sqrt, "exp": heyoka.exp, "cos": heyoka.cos}


def descent(task: Task) -> Callable[[], np.ndarray]:
    """Return a loop over steps; x has a row for each variable."""
    variables = heyoka.make_vars(*task.problem.variables)
    value = codegen.value_function(task.problem, SPACE)(*variables)
    derivatives = [heyoka.diff(value, variable) for variable in variables]
    gradient = heyoka.cfunc(derivatives, vars=variables)
    update = codegen.vector_update(task.rule, with_numpy.SPACE)
    start = np.ascontiguousarray(task.starts.T)

    def run() -> np.ndarray:
        x, state = start, [np.zeros_like(start) for _ in task.rule.state]
        g = np.empty_like(start)
        for _ in range(task.steps):
            gradient(x, outputs=g)
            x, *state = update(x, g, *state, *task.numbers)
        return x.T

    return run


TRAJECTORY = {"heyoka + NumPy": descent}
BATCH = {"heyoka + NumPy": descent}
