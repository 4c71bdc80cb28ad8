"""Numbers and tables for people to read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

CONSTANT_NAMES = frozenset({"E", "pi", "π"})  # in formulas
# Functions of which all arguments are lengths.
COUNTING = frozenset({"range", "arange", "eye", "identity", "ones", "zeros"})

Told: TypeAlias = str | Callable[[], str]  # a message, which many never ask for


def told(message: Told) -> str:
    """Return a message, made when it is asked for."""
    return message if isinstance(message, str) else message()


def plain(value: Any) -> Any:
    """Return a number, or an array as lists."""
    return value.tolist() if hasattr(value, "tolist") else value


def brief(value: Any) -> str:
    """Return a number for people, or what an array is like.

    >>> import numpy as np
    >>> brief(0.5), brief(np.ones((2, 3)))
    ('0.5', '2 x 3 numbers from 1 to 1')
    """
    if not hasattr(value, "shape") or not value.shape:
        return number(float(value))
    shape = " x ".join(map(str, value.shape))
    return f"{shape} numbers from {number(value.min())} to {number(value.max())}"


def number(value: float) -> str:
    """Return a number for people: eight digits, and no noise after them.

    >>> number(0.9999999999), number(1.5e-30)
    ('1', '1.5e-30')
    """
    return f"{value + 0.0:.8g}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows of a table as lines, the first column to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(w) for cell, w in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return lines


def duration(seconds: float) -> str:
    """Return a time for people: three digits.

    >>> duration(1.2345e-5), duration(0.0123), duration(0.99999), duration(75.2)
    ('12.3 µs', '12.3 ms', '1 s', '75.2 s')
    """
    for size, unit in ((1e-6, "µs"), (1e-3, "ms")):
        if seconds < 999.5 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:.0f} s"
