"""A page as a notebook's widget, from which Python reads what was dragged."""

from __future__ import annotations

from typing import Any

from symgd.errors import InputError


def widget_of(html: str, script: str, height: int) -> Any:
    """Return a widget of a page; ``state`` is what it was dragged to."""
    try:
        import anywidget
        import traitlets
    except ImportError:
        problem = 'a widget needs anywidget: pip install "symgd[widget]"'
        raise InputError(problem) from None
    traits = {
        "html": traitlets.Unicode(html).tag(sync=True),
        "height": traitlets.Int(height).tag(sync=True),
        "state": traitlets.Dict().tag(sync=True),
    }
    kind = type("DraggedPage", (anywidget.AnyWidget,), {"_esm": script, **traits})
    return kind()
