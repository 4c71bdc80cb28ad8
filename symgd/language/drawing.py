"""The one arrow that points up: what has a picture asks ``plotting`` for it."""

from __future__ import annotations

import importlib
from typing import Any


def drawn(kind: str, thing: Any, /, **options: Any) -> Any:
    """Return the Axes on which a run, race, sweep or fit is drawn."""
    return importlib.import_module(f"symgd.plotting.{kind}").plot(thing, **options)


def card(kind: str, thing: Any, /) -> str:
    """Return what a notebook shows of a thing, as HTML."""
    cards = importlib.import_module("symgd.plotting.cards")
    return str(getattr(cards, kind)(thing))


def animated(kind: str, thing: Any, file: Any, /, **options: Any) -> None:
    """Write a run or a race as a moving picture."""
    importlib.import_module("symgd.plotting.animation").save(kind, thing, file, options)
