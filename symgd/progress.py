"""A progress bar on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from symgd.result import number
from symgd.runs import Run


@contextmanager
def progress_bar(maxiter: int) -> Iterator[Callable[[Run], None]]:
    """Show a bar on standard error; yield the function that moves it."""
    columns = (
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} iterations"),
        BarColumn(),
        TextColumn("f = {task.fields[f]}, gradient {task.fields[g]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=maxiter, f="?", g="?")

        def move(run: Run) -> None:
            f = number(run.settings.sign * run.fun)
            bar.update(task, completed=run.t, f=f, g=number(run.norm))

        yield move
