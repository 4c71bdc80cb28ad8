"""Rows of numbers, as they are in memory, turned into columns.

A transpose of registers, by shuffles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir


def transposed(builder: Any, rows: Sequence[Any]) -> list[Any]:
    """Return the columns of eight rows of 8, 4, 2 or 1 numbers: packs of eight."""
    width = rows[0].type.count
    packs = list(rows)
    while packs[0].type.count < 8:  # rows side by side, until packs are full
        pairs = zip(packs[::2], packs[1::2], strict=True)
        count = 2 * packs[0].type.count
        packs = [_picked(builder, a, b, list(range(count))) for a, b in pairs]
    # Perfect shuffles: after three, each number of a full square is in its place.
    while len(packs) > 1 and width == 8:
        half = len(packs) // 2
        for _ in range(3):
            packs = [
                _picked(builder, a, b, [first + k // 2 + k % 2 * 8 for k in range(8)])
                for a, b in zip(packs[:half], packs[half:], strict=True)
                for first in (0, 4)
            ]
        return packs
    return [_column(builder, packs, width, column) for column in range(width)]


def _column(builder: Any, packs: Sequence[Any], width: int, column: int) -> Any:
    """Return every ``width``-th number of some packs, one after the other."""
    chosen = list(range(column, 8, width))
    parts = [_picked(builder, pack, pack, chosen) for pack in packs]
    while len(parts) > 1:
        pairs = zip(parts[::2], parts[1::2], strict=True)
        count = 2 * parts[0].type.count
        parts = [_picked(builder, a, b, list(range(count))) for a, b in pairs]
    return parts[0]


def _picked(builder: Any, a: Any, b: Any, places: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places)
    return builder.shuffle_vector(a, b, mask)
