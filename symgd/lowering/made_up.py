"""Data that a file makes up to check itself: the user's own don't leave with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symgd.lowering.array_words import C_KINDS


@dataclass(frozen=True)
class MadeUp:
    """An array of numbers that follow from their place, with the same bits anywhere.

    Number k is ``((37*k + first) % count + least)/divisor``.

    Attributes
    ----------
    shape : sequence of int
    kind : str
        NumPy's letters.
    first, count, least, divisor : int
    """

    shape: Sequence[int]
    kind: str
    first: int
    count: int
    least: int
    divisor: int

    @classmethod
    def like(cls, array: Any, shape: Sequence[int], first: int) -> MadeUp:
        """Return one with numbers of the same kind and the same signs."""
        kind = f"{array.dtype.kind}{array.dtype.itemsize}"
        low = array.min(initial=0)
        if kind[0] == "f":
            numbers = (64, -32, 32) if low < 0 else (64, 32, 64)
        elif array.max(initial=0) <= 1 and low >= 0:
            numbers = (2, 0, 1)
        else:
            numbers = (9, -4, 1) if low < 0 else (9, 1, 1)
        return cls(shape, kind, first, *numbers)

    def array(self) -> Any:
        """Return the array of NumPy."""
        places = np.arange(math.prod(self.shape))
        numbers = (37 * places + self.first) % self.count + self.least
        return (numbers / self.divisor).astype(self.kind).reshape(self.shape)

    def in_c(self, name: str) -> list[str]:
        """Return the statements that fill an array."""
        size, of = max(1, math.prod(self.shape)), C_KINDS[self.kind]
        number = f"(37*k + {self.first})%{self.count}"
        number += f" {'-' if self.least < 0 else '+'} {abs(self.least)}"
        if self.kind[0] == "f":
            number = f"(double)({number})/{self.divisor}.0"
        return [
            f"static {of} {name}[{size}];",
            f"for (int64_t k = 0; k < {size}; k++) {name}[k] = ({of})({number});",
        ]
