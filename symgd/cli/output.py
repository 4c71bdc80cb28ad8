"""What the commands print, and how they refuse bad input."""

from __future__ import annotations

import json
import math
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

from symgd.cli.wording import as_options, error_as_options
from symgd.errors import SymgdError
from symgd.native import compiled

BAD_INPUT, NO_SUCCESS, INTERRUPTED = 2, 1, 130


def shown(result: Any) -> str:
    """Return a result as it is printed, with what the command has for advice."""
    from symgd.descent.result import MANY_STARTS

    return repr(result).replace(MANY_STARTS, "try another --start")


def print_json(**values: Any) -> None:
    """Print one JSON object."""
    print(json_of(values))


def json_of(values: dict[str, Any]) -> str:
    """Return one JSON object as it is printed."""
    return json.dumps(_plain(values), indent=2, allow_nan=False)


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
    """Turn bad input into a message and exit status 2; Ctrl-C, into a word and 130.

    Warnings become notes. On a terminal it is said, too, when something takes long to
    compile.
    """
    if sys.stderr.isatty():
        compiled.when_long = _say_what_takes_long
    try:
        with warnings.catch_warnings():
            # catch_warnings puts it back; to mypy a function can't be replaced.
            warnings.showwarning = note  # type: ignore[assignment]
            yield
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    except (SymgdError, OSError) as error:
        _refuse(error_as_options(error))
    except MemoryError:
        _refuse(
            "out of memory: a trace or plot keeps every iterate of a long run, "
            "a sweep an end for each combination"
        )


def note(message: Warning | str, *_: Any) -> None:
    """Print a warning; it takes what ``warnings.showwarning`` is called with."""
    print(f"note: {as_options(str(message))}", file=sys.stderr)


def _say_what_takes_long() -> None:
    compiled.when_long = None  # once is enough
    print("compiling, once for this formula ...", file=sys.stderr)


def _refuse(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(BAD_INPUT)
