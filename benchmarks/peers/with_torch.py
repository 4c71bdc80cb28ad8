"""PyTorch, eager: autograd, and the rule on whole tensors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks import codegen
from benchmarks.formulas import Task
from benchmarks.sums import Answer, Rows

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


# --------------------------------------------------------------------------- sums


def rows(task: Rows, loss: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Return autograd's logistic regression; the loss is that of a margin."""
    data, labels = torch.tensor(task.data), torch.tensor(task.labels)

    def run() -> Answer:
        torch.set_num_threads(task.cores)
        w = torch.tensor(task.point, requires_grad=True)
        value = loss(labels * (data @ w)).sum()
        value.backward()
        return value.item(), w.grad.numpy()

    return run


def written(margin: torch.Tensor) -> torch.Tensor:
    """Return the loss as the formula has it."""
    return torch.log(1.0 + torch.exp(-margin))


def special(margin: torch.Tensor) -> torch.Tensor:
    """Return the loss by PyTorch's own function, the fastest form of those tried."""
    return -torch.nn.functional.logsigmoid(margin)


ROWS = {
    "PyTorch": functools.partial(rows, loss=written),
    "PyTorch logsigmoid": functools.partial(rows, loss=special),
}
