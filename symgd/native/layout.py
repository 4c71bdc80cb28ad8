"""Where a program with arrays finds its numbers: variables in ``x``, the rest in words.

A kernel takes the addresses of ``x``, of the constants ``p`` and of what it writes. For
a program with arrays, ``p`` is a row of 64-bit words: parameters, as floats; then
sizes, for each array where it begins and how it is laid out, as integers, and where the
flag is that tells it to stop. So a kernel is compiled for names and types, never for
lengths or addresses.

Elsewhere these words are array descriptors: pointers, shapes, strides.
"""

from __future__ import annotations

import functools
import itertools
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from symgd.native.machine import address
from symgd.native.stopping import flag


@dataclass(frozen=True)
class Column:
    """How data lie in memory.

    ``kind`` is NumPy's letter and size of a number, such as ``f8``; ``dense`` says
    whether numbers are neighbours along the last axis.
    """

    rank: int
    kind: str
    dense: bool


@dataclass(frozen=True)
class Layout:
    """The names of a program's numbers, in the order of their words.

    Attributes
    ----------
    parameters, sizes : tuple of str
    variables : tuple of (name, rank)
        In the order of ``x``; a scalar has rank 0.
    data : tuple of (name, Column)
    factors : bool
        Whether matrices are factored: there is the address of what does that.
    """

    parameters: tuple[str, ...]
    sizes: tuple[str, ...]
    variables: tuple[tuple[str, int], ...]
    data: tuple[tuple[str, Column], ...]
    factors: bool = False

    @functools.cached_property
    def words(self) -> dict[tuple[Any, ...], int]:
        """The place of each word: ("size", "n"), ("stride", "A", 0) and the like."""
        names: list[tuple[Any, ...]] = [("parameter", name) for name in self.parameters]
        names += [("size", name) for name in self.sizes]
        for name, rank in self.variables:
            names.append(("offset", name))
            names += [("length", name, axis) for axis in range(rank)]
        for name, column in self.data:
            names.append(("address", name))
            names += [("stride", name, axis) for axis in range(column.rank)]
        if self.variables:
            names.append(("stop",))
        if self.factors:
            names.append(("factors",))
        return {name: place for place, name in enumerate(names)}

    def filled(
        self,
        parameters: Mapping[str, float],
        sizes: Mapping[str, int],
        shapes: Mapping[str, Sequence[int]],
        data: Mapping[str, Any],
        factors: int = 0,
    ) -> array[float]:
        """Return the words for given numbers; the arrays must live as long as it."""
        integers: dict[tuple[Any, ...], int] = {
            ("size", name): sizes[name] for name in self.sizes
        }
        ends = itertools.accumulate(size_of(shapes[name]) for name, _ in self.variables)
        offsets = itertools.chain([0], ends)
        for (name, rank), offset in zip(self.variables, offsets, strict=False):
            integers["offset", name] = offset
            integers |= {("length", name, a): shapes[name][a] for a in range(rank)}
        for name, _ in self.data:
            integers["address", name] = data[name].__array_interface__["data"][0]
            strides = enumerate(data[name].strides)
            integers |= {("stride", name, axis): stride for axis, stride in strides}
        if self.variables:
            integers["stop",] = address(flag())
        if self.factors:
            integers["factors",] = factors
        words = array("d", bytes(8 * len(self.words)))
        for name in self.parameters:
            words[self.words["parameter", name]] = parameters[name]
        view = memoryview(words).cast("B").cast("q")
        for key, number in integers.items():
            view[self.words[key]] = number
        return words


def size_of(shape: Sequence[int]) -> int:
    """Return how many elements an array of a shape has; 1 for a scalar."""
    return functools.reduce(lambda a, b: a * b, shape, 1)


def column_of(array: Any) -> Column:
    """Return how a NumPy array lies in memory."""
    kind = f"{array.dtype.kind}{array.dtype.itemsize}"
    dense = bool(array.ndim) and array.strides[-1] == array.dtype.itemsize
    return Column(array.ndim, kind, dense)
