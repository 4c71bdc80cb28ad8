"""``symgd cache``: what is kept from one process to the next."""

from __future__ import annotations

import typer

from symgd.cli.options import Json
from symgd.cli.output import errors_reported, print_json
from symgd.errors import InputError
from symgd.native import store

app = typer.Typer(
    help="Look at, or remove, the compiled kernels and the answers that are kept.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
@errors_reported()
def info(as_json: Json = False) -> None:
    """Print where they are kept, and how many."""
    held = store.contents()
    if as_json:
        print_json(
            folder=str(held.folder),
            entries=held.entries,
            size=held.size,
            capacity=held.capacity,
            private=held.private,
        )
        return
    print(f"folder   {held.folder}")
    print(f"entries  {held.entries}")
    print(f"size     {_size(held.size)} of at most {_size(held.capacity)}")
    if not held.private:
        print("not used: others may write to the folder, whose code would be run")


@app.command()
@errors_reported()
def clear() -> None:
    """Remove them all; what is needed is made anew."""
    removed, held = store.clear(), store.contents()
    print(f"removed {_entries(removed)} from {held.folder}")
    if held.entries:
        raise InputError(f"{_entries(held.entries)} can't be removed: not permitted")


def _entries(count: int) -> str:
    return f"{count} entry" if count == 1 else f"{count} entries"


def _size(count: int) -> str:
    """Return a number of bytes for people.

    >>> _size(999), _size(1536), _size(256 * 1024 * 1024)
    ('999 bytes', '1.5 KiB', '256 MiB')
    """
    if count < 1024:
        return f"{count} bytes"
    if count < 1024 * 1024:
        return f"{count / 1024:.3g} KiB"
    return f"{count / 1024 / 1024:.4g} MiB"
