"""Progress bars of descents."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

from symgd.descent.driving import Watcher
from symgd.descent.run import Run
from symgd.language.bars import bar_of
from symgd.language.text import number

if TYPE_CHECKING:
    import numpy as np


@contextmanager
def progress_bar(maxiter: int) -> Iterator[Watcher]:
    """Show a bar on standard error; yield the function that moves it."""
    begun = time.perf_counter()
    columns = (
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} iterations"),
        BarColumn(),
        TextColumn("f = {task.fields[f]}, gradient {task.fields[g]}"),
        TextColumn("{task.fields[rate]}/s"),
        TimeElapsedColumn(),
    )
    with bar_of(columns, maxiter, f="?", g="?", rate="?") as show:
        first: list[int] = []  # a run may go on from a checkpoint

        def move(run: Run) -> str:
            first.append(run.t)
            f, g = number(run.settings.sign * run.fun), number(run.norm)
            seconds = max(time.perf_counter() - begun, 1e-9)
            rate = f"{(run.t - first[0]) / seconds:.3g}"
            del first[1:]
            show(run.t, f=f, g=g, rate=rate)
            return ""

        yield move


@contextmanager
def progress_of_many(count: int, maxiter: int) -> Iterator[ProgressOfMany]:
    """Show a bar of many descents; yield the function that moves it."""
    columns = (
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} descents have ended"),
        BarColumn(),
        TextColumn("iteration {task.fields[t]:,} of {task.fields[most]:,}"),
        TextColumn("lowest f = {task.fields[f]}"),
        TimeElapsedColumn(),
    )
    with bar_of(columns, count, t=0, most=maxiter, f="?") as show:

        def move(iterations: np.ndarray, ended: int, values: np.ndarray) -> None:
            known = values[abs(values) < float("inf")]
            f = number(known.min()) if known.size else "?"
            show(ended, t=max(iterations.max(), 0), f=f)

        yield move


# Told the iterations made, how many descents have ended, and values, of all descents.
ProgressOfMany: TypeAlias = Callable[[np.ndarray, int, np.ndarray], None]
