"""Names that are given, as formulas have them: Python's identifiers."""

from __future__ import annotations

import unicodedata
from typing import Any


def name_of(key: Any) -> str:
    """Return a name as Python has it in code, and so formulas have it.

    Letters that are only drawn otherwise are the same, as the micro sign and mu (NFKC).

    >>> name_of("\u00b5") == "\u03bc", name_of("flow in m\u00b3")
    (True, 'flow in m\u00b3')
    """
    text = str(key)
    if text.isascii() or not text.isidentifier():
        return text
    return unicodedata.normalize("NFKC", text)
