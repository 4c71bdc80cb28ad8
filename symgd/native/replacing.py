"""Files that are there only when they are whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def replacing(file: str | Path, binary: bool = False) -> Iterator[IO[Any]]:
    """Write a file under another name, and give it its name when it is whole."""
    target = Path(file)
    how: Any = {"mode": "wb"} if binary else {"mode": "w", "encoding": "utf-8"}
    if target.exists() and not target.is_file():  # a pipe, a terminal
        with target.open(**how) as out:
            yield out
        return
    part = target.with_name(f".{target.name}.part")
    try:
        with part.open(**how) as out:
            yield out
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
