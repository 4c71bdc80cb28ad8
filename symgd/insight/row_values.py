"""What the rows of a sum hold: indices, data, and affine forms as matrices."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from symgd.calculus.structure import Range, ranges_of
from symgd.insight.rough import Rough
from symgd.insight.row_terms import NotOfRows
from symgd.insight.tape import NotEnclosed, Tape
from symgd.objectives.arrays import Arrays

ROWS = 2**15  # at a time
MOST_INNER = 4096  # terms of the sums inside of a row

Indices = Mapping[sp.Basic, Any]  # of whole numbers, or of one for each row


class AffineForms:
    """Affine forms, one for each row: coefficients by place, and a constant.

    A place is a number, or one for each row.
    """

    def __init__(self, constant: Rough) -> None:
        self.constant = constant
        self.columns: dict[int, Rough] = {}
        self.scattered: list[tuple[np.ndarray, Rough]] = []

    def add(self, other: AffineForms) -> None:
        """Add another form."""
        self.constant = self.constant + other.constant
        for place, number in other.columns.items():
            mine = self.columns.get(place)
            self.columns[place] = number if mine is None else mine + number
        self.scattered += other.scattered

    def times(self, factor: Rough) -> AffineForms:
        """Return a multiple."""
        made = AffineForms(self.constant * factor)
        made.columns = {place: c * factor for place, c in self.columns.items()}
        made.scattered = [(place, c * factor) for place, c in self.scattered]
        return made

    def matrix(self, rows: int, width: int) -> Rough:
        """Return the coefficients as a matrix of (rows, width)."""
        value, error = np.zeros((rows, width)), np.zeros((rows, width))
        for place, c in self.columns.items():
            value[:, place], error[:, place] = c.value, c.error
        each = np.arange(rows)
        for places, c in self.scattered:
            old = Rough(value[each, places], error[each, places])
            new = old + Rough(*(np.broadcast_to(p, rows) for p in (c.value, c.error)))
            value[each, places], error[each, places] = new.value, new.error
        return Rough(value, error)


class RowValues:
    """The data and the coordinates of an objective, at indices.

    Parameters
    ----------
    arrays : Arrays
        Of known sizes, without conditions that guard accesses.
    """

    def __init__(self, arrays: Arrays) -> None:
        self.data, space = arrays.data, arrays.space
        self.width = len(space)
        self.shapes = dict(zip(space.names, space.shapes, strict=True))
        self.offsets = dict(zip(space.names, space.offsets, strict=True))
        self._tapes: dict[sp.Basic, tuple[list[Any], Tape]] = {}

    # ------------------------------------------------------------------- indices

    def chunks(self, ranges: Sequence[Range]) -> Iterator[tuple[int, Indices]]:
        """Yield the indices of some rows at a time, and how many rows they are."""
        if not ranges:
            yield 1, {}
            return
        (index, low, high), *inner = ranges
        first, last = int(self.whole(low, {})), int(self.whole(high, {}))
        step = max(1, ROWS // self._within(inner, {index: first}))
        for begin in range(first, last + 1, step):
            outer = np.arange(begin, min(begin + step, last + 1))
            indices = self._inside(inner, {index: outer}, len(outer))
            rows = len(next(iter(indices.values())))
            if rows:
                yield rows, indices

    def _within(self, ranges: Sequence[Range], at: Indices) -> int:
        """Return about how many rows there are in one of the outermost range."""
        return len(next(iter(self._inside(ranges, at, 1).values()), ())) or 1

    def _inside(
        self, ranges: Sequence[Range], indices: Indices, rows: int
    ) -> dict[sp.Basic, np.ndarray]:
        made = {k: np.broadcast_to(v, rows) for k, v in indices.items()}
        for index, low, high in ranges:
            ends = (self.whole(end, made) for end in (low, high))
            first, last = (np.broadcast_to(end, rows) for end in ends)
            lengths = np.maximum(last - first + 1, 0)
            made = {k: np.repeat(v, lengths) for k, v in made.items()}
            rows = int(lengths.sum())
            begins = np.repeat(np.cumsum(lengths) - lengths, lengths)
            made[index] = np.repeat(first, lengths) + np.arange(rows) - begins
        return made

    def whole(self, node: Any, indices: Indices) -> Any:
        """Return the whole number that an index is."""
        if node.is_Integer:
            return int(node)
        if node in indices:
            return indices[node]
        if isinstance(node, sp.Indexed) and node.base.label.name in self.data:
            return self._entry(node, indices).astype(np.int64)
        combined = next(
            (f for kind, f in _WHOLE.items() if isinstance(node, kind)), None
        )
        if combined is None:
            raise NotOfRows(node)
        return functools.reduce(combined, (self.whole(a, indices) for a in node.args))

    def _entry(self, node: sp.Indexed, indices: Indices) -> Any:
        column = self.data[node.base.label.name]
        return np.asarray(column[self._places(node, indices, column.shape)])

    def _places(
        self, node: sp.Indexed, indices: Indices, shape: Sequence[int]
    ) -> tuple[Any, ...]:
        places = tuple(self.whole(index, indices) for index in node.indices)
        for place, length in zip(places, shape, strict=True):
            if np.any(np.less(place, 0)) or np.any(np.greater_equal(place, length)):
                raise NotOfRows(node)
        return places

    # ------------------------------------------------------------------- numbers

    def form(self, node: Any, indices: Indices) -> AffineForms:
        """Return an affine form at each row."""
        if node.is_Symbol and node.name in self.offsets:
            return self._one(self.offsets[node.name])
        if isinstance(node, sp.Indexed) and node.base.label.name in self.offsets:
            name = node.base.label.name
            places = self._places(node, indices, self.shapes[name])
            flat = np.ravel_multi_index(places, self.shapes[name])
            return self._one(self.offsets[name] + flat)
        if isinstance(node, sp.Sum):
            return self._sum(node, indices)
        if node.is_Add:
            return _added(self.form(part, indices) for part in node.args)
        if node.is_Mul and node.has(sp.Sum, *self._bases(node)):
            factors = [self.form(part, indices) for part in node.args]
            product = AffineForms(Rough(1.0))
            for factor in factors:
                if factor.columns or factor.scattered:
                    product = factor.times(product.constant)
                else:
                    product = product.times(factor.constant)
            return product
        return AffineForms(self.number(node, indices))

    def _bases(self, node: sp.Basic) -> list[sp.Basic]:
        """Return the variables in a node."""
        return [s for s in node.atoms(sp.Symbol) if s.name in self.offsets]

    @staticmethod
    def _one(place: Any) -> AffineForms:
        made = AffineForms(Rough(0.0))
        if np.ndim(place):
            made.scattered.append((place, Rough(1.0)))
        else:
            made.columns[int(place)] = Rough(1.0)
        return made

    def _sum(self, node: sp.Sum, indices: Indices) -> AffineForms:
        inner = self._constant_ranges(node, indices)
        return _added(
            self.form(node.function, {**indices, **at}) for at in _products(inner, node)
        )

    def _constant_ranges(
        self, node: sp.Sum, indices: Indices
    ) -> list[tuple[Any, range]]:
        found = []
        for index, low, high in ranges_of(node):
            first, last = (self.whole(end, indices) for end in (low, high))
            if np.ndim(first) or np.ndim(last):
                raise NotOfRows(node)
            found.append((index, range(int(first), int(last) + 1)))
        return found

    def number(self, node: Any, indices: Indices) -> Rough:
        """Return what is made of data and numbers, at each row."""
        leaves, tape = self._tape(node)
        if isinstance(node, sp.Indexed) and leaves == [node]:
            return self.leaf(node, indices)
        sides = [self.leaf(leaf, indices) for leaf in leaves]
        low, high = columns_of(sides)
        found = tape(low, high)
        low, high = found.low[0], found.high[0]
        if not np.isfinite([low, high]).all() or not found.known[0].all():
            raise NotOfRows(node)
        if not any(np.ndim(side.value) for side in sides):
            low, high = low[0], high[0]
        return Rough.between(low, high)

    def _tape(self, node: sp.Basic) -> tuple[list[Any], Tape]:
        if node not in self._tapes:
            leaves = leaves_of(node)
            names = [sp.Dummy(real=True) for _ in leaves]
            plain = node.xreplace(dict(zip(leaves, names, strict=True)))
            try:
                self._tapes[node] = leaves, Tape([plain], names)
            except NotEnclosed:
                raise NotOfRows(node) from None
        return self._tapes[node]

    def leaf(self, node: Any, indices: Indices) -> Rough:
        """Return an element of the data, an index, or a sum of data."""
        if isinstance(node, sp.Indexed) and node.base.label.name in self.data:
            return Rough(self._entry(node, indices).astype(float)[()])
        if isinstance(node, sp.Sum):
            return self._sum(node, indices).constant
        return Rough(np.asarray(self.whole(node, indices), float)[()])


_WHOLE: dict[Any, np.ufunc] = {
    sp.Add: np.add,
    sp.Mul: np.multiply,
    sp.Max: np.maximum,
    sp.Min: np.minimum,
}


def leaves_of(node: Any) -> list[Any]:
    """Return what differs from row to row in a node: data, sums of them, indices."""
    if isinstance(node, (sp.Indexed, sp.Sum)) or node.is_Symbol:
        return [node]
    found = (leaf for part in node.args for leaf in leaves_of(part))
    return list(dict.fromkeys(found))


def columns_of(sides: Sequence[Rough], rows: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers as the ends of boxes: (numbers, rows)."""
    sizes = [np.size(side.value) for side in sides]
    rows = max([rows, *sizes])
    low, high = np.empty((len(sides), rows)), np.empty((len(sides), rows))
    for k, side in enumerate(sides):
        low[k], high[k] = side.low, side.high
    return low, high


def _added(forms: Iterator[AffineForms]) -> AffineForms:
    whole = AffineForms(Rough(0.0))
    for form in forms:
        whole.add(form)
    return whole


def _products(
    ranges: Sequence[tuple[Any, range]], node: sp.Basic
) -> Iterator[dict[Any, int]]:
    if math.prod(len(each) for _, each in ranges) > MOST_INNER:
        raise NotOfRows(node)
    names = [name for name, _ in ranges]
    for values in itertools.product(*(each for _, each in ranges)):
        yield dict(zip(names, values, strict=True))
