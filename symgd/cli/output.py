"""What the commands print, and how they refuse bad input."""

from __future__ import annotations

import json
import math
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

from symgd.errors import SymgdError
from symgd.native import compiled
from symgd.native.criteria import MEANINGS

BAD_INPUT, NO_SUCCESS, INTERRUPTED = 2, 1, 130

# What the options are called in Python, in the sentences where errors name them.
IN_PYTHON = (
    (r"^x0 has shape \((\d+),\)", r"--start has \1 number(s)"),
    (r"^x0 (?=has |is |must )", "--start "),
    *((rf"^{name} must", f"--{name.replace('_', '-')} must") for name in MEANINGS),
    (r"^a seed must", "--seed must"),
    (r"^checkpoint (?=.* can't be written)", "--checkpoint "),
    (r"^unknown variable in x0", "unknown variable in --start"),
    (r'with missing="drop"', "with --missing drop"),
    (r"^batch_size (?=needs|must)", "--batch-size "),
    (r"^unknown value of missing", "unknown value of --missing"),
    (
        r"give sizes=\{.*\}, or a start x0 that has the arrays' lengths",
        "give --size, or a --start as long as the array",
    ),
    (
        r"give sizes=\{'(\w+)': (\d+)\}, data for the arrays, or a start x0 of",
        r"give --size \1=\2, --data for the arrays, or a --start of",
    ),
    (r"give sizes=\{'(\w+)': (\d+)\}", r"give --size \1=\2"),
    (r"^unknown parameter in x0", "unknown parameter in --start"),
    (r": give x0$", ": give --start"),
    (r"^unknown variable in bounds", "unknown variable in --bounds"),
    (r"^ftol is only tested with patience", "--ftol is only tested with --patience"),
    (r"^unknown argument '(\w+)': method 'auto'", r"--set \1: method 'auto'"),
    (r"give patience=10", "give --patience 10"),
    (r"method='(\w+)'", r"--method \1"),
    (r"give x0 or bounds$", "give --start or --bounds"),
    (r"or a symgd\.Rule$", "or a file, by --rule-file"),
    (r"; tell them apart by labels: .*", ""),
    (r"; if it is one, name it in the start, .*$", ""),  # show has no start
    (r"in the start, x0=\{'(\w+)': 1, \.\.\.\}$", r"in the start, --start \1=1"),
)


def in_words_of_options(message: str) -> str:
    """Return an error's message with options where it names arguments.

    >>> in_words_of_options("x0 must be numbers, not 'a'")
    "--start must be numbers, not 'a'"
    """
    problem, *rest = message.split("\n")  # below it are the user's formulas
    for pattern, option in IN_PYTHON:
        problem = re.sub(pattern, option, problem)
    return "\n".join([problem, *rest])


def shown(result: Any) -> str:
    """Return a result as it is printed, with what the command has for advice."""
    from symgd.descent.result import MANY_STARTS

    return repr(result).replace(MANY_STARTS, "try another --start")


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
    """Turn bad input into a message and exit status 2; Ctrl-C, into a word and 130.

    Warnings become notes. On a terminal it is said, too, when something takes long to
    compile.
    """
    if sys.stderr.isatty():
        compiled.when_long = _say_what_takes_long
    try:
        with warnings.catch_warnings():
            # catch_warnings puts it back; to mypy a function can't be replaced.
            warnings.showwarning = _note  # type: ignore[assignment]
            yield
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    except (SymgdError, OSError) as error:
        _refuse(in_words_of_options(str(error)))
    except MemoryError:
        _refuse(
            "out of memory: a trace or plot keeps every iterate of a long run, "
            "a sweep an end for each combination"
        )


def _note(message: Warning | str, *_: Any) -> None:
    print(f"note: {in_words_of_options(str(message))}", file=sys.stderr)


def _say_what_takes_long() -> None:
    compiled.when_long = None  # once is enough
    print("compiling, once for this formula ...", file=sys.stderr)


def _refuse(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(BAD_INPUT)
