"""Data in files mapped into memory: reading beyond their end ends a process."""

from __future__ import annotations

import mmap
from typing import Any

from symgd.errors import InputError


def check_file(name: str, column: Any) -> None:
    """Raise InputError if the file of a column has become shorter.

    It is looked at before each run and each evaluation; against what happens to it
    meanwhile there is no help.
    """
    array: Any = column
    mapped: Any = None
    while array is not None and not isinstance(array, mmap.mmap):
        mapped, array = array, getattr(array, "base", None)
    if array is None or not hasattr(mapped, "offset"):
        return
    needed = mapped.offset + mapped.nbytes
    try:
        length = array.size()
    except (OSError, ValueError):  # the mapping has no file, or can't say
        return
    if length < needed:
        problem = f"the file of column {name!r} has become shorter: it has {length:,}"
        raise InputError(f"{problem} bytes, of which {needed:,} are needed")
