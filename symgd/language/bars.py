"""Progress bars: on a terminal by standard error, in a notebook under its cell."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any, TypeAlias

import rich.progress as rich
from rich.console import Console
from rich.text import Text

OFTEN = 0.2  # seconds from one picture to the next, in a notebook

# Takes how far it is, and the other fields by name.
Move: TypeAlias = Callable[..., None]


@contextmanager
def bar_of(
    columns: Sequence[rich.ProgressColumn], total: float, **fields: Any
) -> Iterator[Move]:
    """Show a bar; yield the function that moves it.

    Parameters
    ----------
    columns : sequence of rich's columns
    total : float
        Where the bar ends.
    **fields
        What else the columns show, at first.
    """
    console = Console(stderr=True)
    inside = console.is_jupyter
    with rich.Progress(*columns, console=console, disable=inside) as bar:
        task = bar.add_task("", total=total, **fields)
        place = _Place(columns) if inside else None

        def move(completed: float, **fields: Any) -> None:
            bar.update(task, completed=completed, **fields)
            if place is not None:
                place.show(bar.tasks[0])

        yield move
        if place is not None:
            place.show(bar.tasks[0], last=True)


class _Place:
    """Where a notebook shows a bar."""

    def __init__(self, columns: Sequence[rich.ProgressColumn]) -> None:
        from IPython.display import HTML, display

        self.columns, self.html = columns, HTML
        self.handle = display(HTML(""), display_id=True)
        self.next = 0.0

    def show(self, task: rich.Task, last: bool = False) -> None:
        now = time.monotonic()
        if now < self.next and not last:
            return
        self.next = now + OFTEN
        told = (column.render(task) for column in self.columns)
        words = " &nbsp; ".join(escape(t.plain) for t in told if isinstance(t, Text))
        part = f"<progress value='{task.completed}' max='{task.total}'></progress>"
        self.handle.update(self.html(f"<div>{part} {words}</div>"))
