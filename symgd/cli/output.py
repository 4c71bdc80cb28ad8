"""What the commands print, and how they refuse bad input."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

from symgd.errors import SymgdError

BAD_INPUT, NO_SUCCESS = 2, 1


def print_json(**values: Any) -> None:
    """Print one JSON object."""
    print(json.dumps(_plain(values), indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    """Return what JSON can hold: it has no infinities, so they become null."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print right-aligned columns; on a terminal, with a line below the header."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=10_000)  # nothing is wrapped or cut
    frame = box.SIMPLE_HEAD if console.is_terminal else None
    table = Table(box=frame, pad_edge=False, header_style="bold")
    for name in header:
        table.add_column(Text(name), justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


@contextmanager
def errors_reported() -> Iterator[None]:
    """Turn bad input into a message and exit status 2."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (SymgdError, OSError) as error:
        _refuse(str(error))
    except MemoryError:
        _refuse(
            "out of memory: a trace or plot keeps every iterate of a long run, "
            "a sweep an end for each combination"
        )


def _refuse(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(BAD_INPUT)
