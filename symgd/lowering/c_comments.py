"""Comments of C."""

from __future__ import annotations

from collections.abc import Iterable

from symgd.lowering.travelling import wrapped


def comment(lines: Iterable[str]) -> str:
    """Return lines as a comment of C."""
    return "/* " + "\n   ".join(wrapped(map(_safe, lines))).rstrip() + " */\n"


def _safe(text: str) -> str:
    r"""Return a text that neither ends a comment nor means something else in C.

    >>> print(_safe("x*/y ??/ \\u0041"))
    x* /y ? ?/ /u0041
    """
    text = text.replace("\\", "/").replace("??", "? ?")
    return text.replace("*/", "* /").replace("/*", "/ *")
