"""Numbers and lists as people give them: checked, and made plain."""

from __future__ import annotations

import math
import numbers
from typing import Any

from symgd.errors import InputError, shortened


def count(name: str, value: Any) -> int:
    """Return a whole number, 0 or more, or raise InputError."""
    if type(value) is int and 0 <= value < 2**62:
        return value
    whole = isinstance(value, numbers.Real)
    if isinstance(value, bool) or not whole or not 0 <= value < 2**62 or value % 1:
        raise InputError(f"{name} must be a whole number, 0 or more, not {value!r}")
    return int(value)


def plain_number(value: Any) -> float | None:
    """Return a finite number as a float; None if it isn't one, or is a formula."""
    if not isinstance(value, (numbers.Real, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def constant(value: Any, what: str) -> float:
    """Return the value of a number, or of a formula without variables.

    Raises
    ------
    FormulaError, InputError
        If it can't be read, or isn't finite; ``what`` says which it is.
    """
    number = plain_number(value)
    if number is not None:
        return number
    if isinstance(value, str) and not value.strip():
        raise InputError(f"{what} has no value: a number is missing")
    if isinstance(value, float):
        raise InputError(f"{what} must be a finite number, not {value!r}")
    if not isinstance(value, str) and not hasattr(value, "free_symbols"):
        shown = shortened(repr(value), 40)
        problem = f"{what} must be a number, not {shown} ({type(value).__name__})"
        advice = ": arrays are data" if hasattr(value, "__len__") else ""
        raise InputError(problem + advice)
    from symgd.language import formula

    return formula.constant(value, what)


def is_python(formula: Any) -> bool:
    """Return whether a formula is given as a Python function.

    >>> is_python(lambda x: x**2), is_python("x**2"), is_python(print)
    (True, False, True)
    """
    if not callable(formula) or isinstance(formula, type):
        return False
    return not hasattr(formula, "free_symbols")


def split(text: str) -> list[str]:
    """Split at the commas that are not inside parentheses or brackets.

    >>> split("a=1, b=max(2, 3)")
    ['a=1', ' b=max(2, 3)']
    """
    parts, depth = [""], 0
    for sign in text:
        depth += (sign in "([") - (sign in ")]")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts
