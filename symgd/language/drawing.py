"""The one arrow that points up: what has a picture asks the rooms above for it."""

from __future__ import annotations

import importlib
from typing import Any


def drawn(kind: str, thing: Any, /, **options: Any) -> Any:
    """Return the Axes on which a run, race, sweep or fit is drawn."""
    return importlib.import_module(f"symgd.plotting.{kind}").plot(thing, **options)


def saved(thing: Any, file: Any, /, **options: Any) -> None:
    """Write a run as a page, if the file's suffix is that of one, or a picture."""
    paged = str(file).lower().endswith((".html", ".htm"))
    room = "symgd.pages.document" if paged else "symgd.plotting.door"
    importlib.import_module(room).save(thing, file, **options)


def pictured(thing: Any, file: Any, /, **options: Any) -> None:
    """Write the picture of a race, a sweep or a fit."""
    importlib.import_module("symgd.plotting.door").save(thing, file, **options)


def card(kind: str, thing: Any, /) -> str:
    """Return what a notebook shows of a thing, as HTML."""
    cards = importlib.import_module("symgd.plotting.cards")
    return str(getattr(cards, kind)(thing))


def animated(kind: str, thing: Any, file: Any, /, **options: Any) -> None:
    """Write a run or a race as a moving picture."""
    importlib.import_module("symgd.plotting.animation").save(kind, thing, file, options)
