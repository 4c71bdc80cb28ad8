"""Numbers as people give them, taken for what they are or refused.

NumPy would drop imaginary parts and masks, and take dates and texts for numbers.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Set
from decimal import Decimal
from typing import Any

from symgd.errors import InputError, shortened

_KINDS = {"S": "bytes", "U": "text", "M": "dates", "m": "spans of time", "V": "records"}


def named(value: Any) -> Any:
    """Return a mapping for what has a label for each number, as a pandas Series has.

    One that only counts its rows, and anything else, is returned as it is.
    """
    if value is None or type(value) in (dict, list, tuple):
        return value
    labels: Any = getattr(value, "index", None)
    if isinstance(value, Mapping) or callable(labels) or not hasattr(value, "to_dict"):
        return value
    if getattr(value, "ndim", 1) != 1 or not all(isinstance(k, str) for k in labels):
        return value
    if len(set(labels)) < len(labels):
        twice = next(k for k in labels if list(labels).count(k) > 1)
        raise InputError(f"{twice!r} stands twice in the index")
    return value.to_dict()


def as_number(value: Any, what: str) -> float:
    """Return one number as a float, or raise InputError that says what it is for.

    ``what`` is a name, or the message as far as the number itself: it ends in " = ".
    """
    if type(value) is float:
        return value
    if isinstance(value, (numbers.Real, Decimal)):
        try:
            return float(value)
        except OverflowError:
            problem = f"{_of(what)}{shortened(str(value), 40)} is too large for float64"
            raise InputError(problem) from None
        except (TypeError, ValueError):
            raise _refused(value, what) from None
    if isinstance(value, (str, bytes, Set)) or not hasattr(value, "dtype"):
        try:
            if isinstance(value, (str, bytes)):
                raise TypeError
            if isinstance(value, complex) and value.imag == 0.0:
                return value.real
            return float(value)
        except (TypeError, ValueError):
            raise _refused(value, what) from None
    array = as_array(value, what)
    if array.size != 1:
        raise _refused(value, what)
    return float(array.reshape(-1)[0])


def as_array(values: Any, what: str) -> Any:
    """Return numbers as an array of float64, or raise InputError.

    Not finite is what is NaN or infinite, and what is too small for float64 is 0.
    """
    import numpy as np

    if isinstance(values, (Set, str, bytes)):
        raise _refused(values, what)
    if np.ma.is_masked(values):
        raise InputError(f"{_of(what)}{shortened(str(values), 60)} has masked entries")
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, OverflowError):
        raise _ragged(values, what) from None
    if array.dtype.kind in "biuf":
        with np.errstate(over="ignore"):
            return array.astype(np.float64, copy=False)
    if array.dtype.kind == "c" and not array.imag.any():
        return array.real.astype(np.float64)
    if array.dtype.kind == "O" and array.ndim:
        entries = [as_number(each, what) for each in array.ravel().tolist()]
        return np.array(entries, dtype=np.float64).reshape(array.shape)
    if array.dtype.kind == "O" and not hasattr(values, "dtype"):
        return np.array(as_number(values, what))
    raise _refused(values, what, _KINDS.get(array.dtype.kind, ""))


def shape_of(values: Any, what: str) -> tuple[int, ...]:
    """Return the shape of numbers, or raise InputError."""
    import numpy as np

    try:
        return np.shape(values)
    except (TypeError, ValueError, OverflowError):
        raise _ragged(values, what) from None


def _ragged(values: Any, what: str) -> InputError:
    problem = f"{_of(what)}rows of different lengths, or no numbers"
    return InputError(f"{problem}: {shortened(repr(values), 60)}")


def _refused(value: Any, what: str, kind: str = "") -> InputError:
    if isinstance(value, Set):
        return InputError(f"{_of(what)}a set has no order: give a list, or a mapping")
    if getattr(getattr(value, "dtype", None), "kind", "") == "c":
        kind = "complex"
    shown = shortened(repr(value), 60)
    kind = kind or ("complex" if isinstance(value, complex) else type(value).__name__)
    what = what if what.endswith(" = ") else f"{what} must be numbers, not "
    return InputError(f"{what}{shown} ({kind})")


def _of(what: str) -> str:
    return what if what.endswith(" = ") else f"{what}: "
