"""The one arrow that points up: what has a picture asks ``plotting`` for it."""

from __future__ import annotations

import importlib
from typing import Any


def drawn(kind: str, thing: Any, /, **options: Any) -> Any:
    """Return the Axes on which a run, race, sweep or fit is drawn."""
    return importlib.import_module(f"symgd.plotting.{kind}").plot(thing, **options)
