"""Records: numbers with names in memory that Python and kernels share.

Elsewhere: a C struct. Python sees one without NumPy, as attributes; kernels by its
address, as ``lowering.intrinsics.record_at`` returns it.
"""

from __future__ import annotations

import ctypes
import inspect
from array import array
from collections.abc import Sequence
from typing import Any, TypeVar

KINDS: dict[str, Any] = {"int": ctypes.c_int64, "float": ctypes.c_double}


class Record(ctypes.Structure):
    """Numbers of 64 bits, each with a name; see :func:`record`."""

    @classmethod
    def kinds(cls) -> dict[str, Any]:
        """Return the fields' names with ctypes' kinds, in the order of memory."""
        ancestors: Sequence[Any] = [c for c in cls.__mro__ if issubclass(c, Record)]
        fields = (each for c in reversed(ancestors[:-1]) for each in c._fields_)
        return {name: kind for name, kind, *_ in fields}

    @classmethod
    def length(cls) -> int:
        """Return how many words it has."""
        return ctypes.sizeof(cls) // 8

    @classmethod
    def word_of(cls, name: str) -> int:
        """Return the word of a field, for code that is written."""
        return getattr(cls, name).offset // 8

    def seen(self, name: str) -> Any:
        """Return a number as an array of one, in the same memory."""
        kind = self.kinds()[name] * 1
        return kind.from_buffer(self, getattr(type(self), name).offset)

    def numbers(self) -> dict[str, int | float]:
        """Return all numbers by name."""
        return {name: getattr(self, name) for name in self.kinds()}

    def stored(self) -> array[int]:
        """Return its memory, in words."""
        return array("q", bytes(self))

    def take(self, words: array[int]) -> None:
        """Have what another had in its memory."""
        ctypes.memmove(ctypes.addressof(self), words.tobytes(), ctypes.sizeof(self))

    def clear(self) -> None:
        """Set all numbers to 0."""
        ctypes.memset(ctypes.addressof(self), 0, ctypes.sizeof(self))


Declared = TypeVar("Declared", bound=type[Record])


def record(declared: Declared) -> Declared:
    """Give a kind of record the fields that it declares as annotations.

    >>> @record
    ... class Point(Record):
    ...     number: int
    ...     height: float
    >>> point = Point(number=3)
    >>> point.height = 1.5
    >>> point.number, point.height, point.numbers()
    (3, 1.5, {'number': 3, 'height': 1.5})
    """
    fields = inspect.get_annotations(declared).items()
    declared._fields_ = [(name, KINDS[_name(kind)]) for name, kind in fields]
    return declared


def _name(kind: Any) -> str:
    return kind if isinstance(kind, str) else kind.__name__
