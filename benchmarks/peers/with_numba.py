"""numba by hand: the loops that the C has, with a gradient derived by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np

from benchmarks import codegen
from benchmarks.formulas import Task

LIBRARY = "numba"
LANES = 64
OPTIONS = {"error_model": "numpy", "fastmath": {"contract"}, "nogil": True}
SPACE = {"np": np, **{name: getattr(math, name) for name in ("sqrt", "exp", "cos")}}
TRAJECTORY_SOURCE = """
def descend({slots}, steps, {hyper}):
    for _ in range(steps):
        {step}
    return {slots}
"""
BLOCKS_SOURCE = """
def descend(x, steps, {hyper}):
    n = x.shape[1]
    s = np.zeros({count}*{lanes})
    for low in range(0, n, {lanes}):
        width = min({lanes}, n - low)
        s[:] = 0.0
        for k in range({size}):
            for l in range(width):
                s[k*{lanes} + l] = x[k, low + l]
        for _ in range(steps):
            for l in range({lanes}):
                {load}
                {step}
                {store}
        for k in range({size}):
            for l in range(width):
                x[k, low + l] = s[k*{lanes} + l]
"""


def _compiled(template: str, task: Task, indent: int) -> Callable[..., object]:
    slots = codegen.slot_names(task.problem, task.rule)
    rows = [f"s[{j * LANES} + l]" for j in range(len(slots))]
    joint = "\n" + " " * indent
    pairs = list(zip(slots, rows, strict=True))
    source = template.format(
        slots=", ".join(slots),
        hyper=", ".join(task.rule.hyperparameters),
        step=joint.join(codegen.step_lines(task.problem, task.rule)),
        load=joint.join(f"{name} = {row}" for name, row in pairs),
        store=joint.join(f"{row} = {name}" for name, row in pairs),
        lanes=LANES,
        count=len(slots),
        size=task.problem.size,
    )
    names = dict(SPACE)
    exec(source, names)
    return numba.njit(**OPTIONS)(names["descend"])


def trajectory(task: Task) -> Callable[[], np.ndarray]:
    """Return the loop of one trajectory."""
    descend = _compiled(TRAJECTORY_SOURCE, task, 8)
    size = task.problem.size
    states = [0.0] * (size * len(task.rule.state))
    start = task.starts.tolist()
    return lambda: descend(*start, *states, task.steps, *task.numbers)[:size]


def batch(task: Task) -> Callable[[], np.ndarray]:
    """Return the loop over blocks of starts, in as many threads as cores."""
    descend = _compiled(BLOCKS_SOURCE, task, 16)

    def run() -> np.ndarray:
        parts = [p.T.copy() for p in np.array_split(task.starts, task.cores)]
        with ThreadPoolExecutor(task.cores) as pool:
            list(pool.map(lambda x: descend(x, task.steps, *task.numbers), parts))
        return np.hstack(parts).T

    return run


TRAJECTORY = {"numba by hand": trajectory}
BATCH = {"numba by hand": batch}
