"""A progress bar of a fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import TextColumn, TimeElapsedColumn

from symgd.language.bars import bar_of
from symgd.language.text import number

if TYPE_CHECKING:
    from symgd.fitting.levenberg_marquardt import Onlooker, Point


@contextmanager
def watcher(maxiter: int) -> Iterator[Onlooker]:
    """Show where a fit is on standard error; yield the function that moves it."""
    columns = (
        TextColumn("{task.completed:,.0f} of at most {task.total:,.0f} iterations"),
        TextColumn("sum of losses = {task.fields[f]}, offset {task.fields[offset]}"),
        TimeElapsedColumn(),
    )
    with bar_of(columns, maxiter, f="?", offset="?") as show:

        def move(nit: int, point: Point, offset: float) -> None:
            f = number(point.fun)
            show(nit, f=f, offset=number(offset))

        yield move
