"""What has a picture or a page asks for it here, and names no room above its own.

Who draws is told by the package itself, in ``symgd/__init__.py`` (dependency
inversion).
"""

from __future__ import annotations

import importlib
from os import PathLike
from typing import Any

from symgd.errors import InputError

DRAWN_IN: dict[str, str] = {}  # packages, by what they make


def _room(made: str, name: str) -> Any:
    return importlib.import_module(f"{DRAWN_IN[made]}.{name}")


def drawn(kind: str, thing: Any, /, **options: Any) -> Any:
    """Return the Axes on which a run, race, sweep or fit is drawn."""
    if isinstance(file := options.get("ax"), (str, PathLike)):
        advice = f"symgd.save(result, {str(file)!r}) writes a file"
        raise InputError(f"ax is an Axes of Matplotlib: {advice}")
    return _room("pictures", kind).plot(thing, **options)


def saved(thing: Any, file: Any, /, **options: Any) -> None:
    """Write a run as a page, if the file's suffix is that of one, or a picture."""
    if str(file).lower().endswith((".html", ".htm")):
        _room("pages", "document").save(thing, file, **options)
    else:
        pictured(thing, file, **options)


def pictured(thing: Any, file: Any, /, **options: Any) -> None:
    """Write the picture of a race, a sweep or a fit."""
    _room("pictures", "door").save(thing, file, **options)


def card(kind: str, thing: Any, /) -> str:
    """Return what a notebook shows of a thing, as HTML."""
    return str(getattr(_room("pictures", "cards"), kind)(thing))


def animated(kind: str, thing: Any, file: Any, /, **options: Any) -> None:
    """Write a run or a race as a moving picture."""
    _room("pictures", "animation").save(kind, thing, file, options)
