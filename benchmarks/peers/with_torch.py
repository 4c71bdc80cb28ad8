"""PyTorch, eager: autograd, and the rule on whole tensors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from benchmarks import codegen
from benchmarks.formulas import Task

LIBRARY = "torch"
TRAJECTORY_STEPS = 200
BATCH_STEPS = 20
SPACE = {"sqrt": torch.sqrt, "exp": torch.exp, "cos": torch.cos, "max": torch.maximum}


def descent(task: Task) -> Callable[[], np.ndarray]:
    """Return a loop over steps; x has a row for each variable."""
    value = codegen.value_function(task.problem, SPACE)
    update = codegen.vector_update(task.rule, SPACE)
    start = torch.tensor(np.ascontiguousarray(task.starts.T))

    def run() -> np.ndarray:
        torch.set_num_threads(task.cores)
        x, state = start.clone(), [torch.zeros_like(start) for _ in task.rule.state]
        for _ in range(task.steps):
            x.requires_grad_()
            (g,) = torch.autograd.grad(value(*x.unbind(0)).sum(), x)
            with torch.no_grad():
                x, *state = update(x, g, *state, *task.numbers)
        return x.numpy().T

    return run


TRAJECTORY = {"PyTorch eager": descent}
BATCH = {"PyTorch eager": descent}
