"""Where Newton's system within constraints has entries, and how these are found.

Known from the formulas before any number is: which entries there are, which products
with the Lagrangian's Hessian tell them, and in which order unknowns are eliminated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from symgd.calculus.couplings import Couplings
from symgd.calculus.iterations import TooManyError
from symgd.errors import InputError
from symgd.kernels.shared import shared
from symgd.native import records
from symgd.native.machine import address
from symgd.native.room import memory
from symgd.objectives.constraints import Lagrangian

BYTES = 24  # of an entry of the factors, with what it takes to find it
ROOM = 2  # times the entries, at first, to find an order in


class _Entries(NamedTuple):
    """Entries of one half of the system: second derivatives, then by constraints.

    In coordinates of the Lagrangian, where each is read; slacks have none.
    """

    rows: np.ndarray
    columns: np.ndarray
    hessians: int
    one: np.ndarray
    other: np.ndarray


class NewtonPattern:
    """The pattern of Newton's system for variables that aren't fixed.

    Parameters
    ----------
    lagrangian : Lagrangian
    free : sequence of int
        The variables that aren't fixed.

    Attributes
    ----------
    sizes : dict of str to int
        How many there are of what a kernel is told, see ``records.InteriorState``.
    arrays : dict of str to ndarray
        What it is given, see ``records.InteriorArrays``.

    Raises
    ------
    InputError
        If the factors would be too large.
    """

    def __init__(self, lagrangian: Lagrangian, free: Sequence[int]) -> None:
        n, m, me = lagrangian.size, lagrangian.rows, lagrangian.equalities
        self.every, self.free = n + m + 1, np.array(free, dtype=np.int64)
        self.by_products = lagrangian.function.arrays is not None
        unknowns = len(free) + m - me
        entries = self._entries(lagrangian, n, m, me)
        self.arrays: dict[str, np.ndarray] = {
            "rows": entries.rows,
            "columns": entries.columns,
            "row_starts": np.searchsorted(
                entries.rows[entries.hessians :], unknowns + np.arange(m + 1)
            )
            + entries.hessians,
        }
        read = self._reading(entries)
        late = np.zeros(unknowns + m, dtype=np.int64)
        late[unknowns : unknowns + me] = 1  # these have nothing on their diagonal
        self._order(entries, late)
        self.sizes = {
            "entries": len(entries.rows),
            "hessians": entries.hessians,
            "filled": int(self.arrays["starts"][-1]),
            "factored": int(self.arrays["factor_starts"][-1]),
            "groups": len(self.arrays["group_starts"]) - 1,
            "read": read,
        }

    def _entries(self, lagrangian: Lagrangian, n: int, m: int, me: int) -> _Entries:
        """Find where the system has entries."""
        one, other = self._coupled(lagrangian)
        unknown = np.full(self.every, -1)
        unknown[self.free] = np.arange(len(self.free))
        moves = unknown[other] >= 0
        second = moves & (one < n) & (unknown[one] >= 0)
        first = moves & (one >= n) & (one < n + m)
        slacks = np.arange(me, m)
        rows = np.concatenate([one[first] - n, slacks])
        columns = np.concatenate([unknown[other[first]], len(self.free) + slacks - me])
        read = np.concatenate([other[first], np.full(m - me, -1)])
        by_row = np.argsort(rows, kind="stable")  # the slack's is a row's last
        hessians, unknowns = int(second.sum()), len(self.free) + m - me
        return _Entries(
            np.concatenate([unknown[one[second]], unknowns + rows[by_row]]),
            np.concatenate([unknown[other[second]], columns[by_row]]),
            hessians,
            np.concatenate([one[second], n + rows[by_row]]),
            np.concatenate([other[second], read[by_row]]),
        )

    def _coupled(self, lagrangian: Lagrangian) -> tuple[np.ndarray, np.ndarray]:
        """Return the pairs of coordinates that are coupled, later ones first."""
        arrays = lagrangian.function.arrays
        if arrays is not None:
            shapes = dict(zip(arrays.space.names, arrays.space.shapes, strict=True))
            couplings = Couplings(arrays.expression, arrays.variables)
            try:
                return couplings.places(arrays.sizes, arrays.data, shapes)
            except TooManyError:
                pass
        # All with all; but multipliers and the factor stand alone in a term.
        self._check(self.every * lagrangian.size)
        one, other = np.tril_indices(self.every)
        there = other < lagrangian.size
        return one[there], other[there]

    def _reading(self, entries: _Entries) -> int:
        """Find how derivatives tell the entries; return how many numbers are read."""
        (told,) = np.nonzero(entries.other >= 0)
        one, other = entries.one[told], entries.other[told]
        slope = len(entries.rows) + np.arange(len(self.free))
        if self.by_products:
            starts, columns, group, place = self._grouped(one, other)
            last = len(starts) - 2  # the objective's factor, alone
            group = np.concatenate([group, np.full(len(self.free), last)])
            place = np.concatenate([place, self.free])
        else:
            starts, columns = np.zeros(1, dtype=np.int64), self.free[:0]
            group = np.zeros(len(told) + len(self.free), dtype=np.int64)
            factor = (self.every - 1) * self.every + self.free
            place = np.concatenate([one * self.every + other, factor])
        ordered = np.argsort(group, kind="stable")
        groups = max(1, len(starts) - 1)
        self.arrays |= {
            "group_starts": starts,
            "group_columns": columns,
            "read_starts": np.searchsorted(group[ordered], np.arange(groups + 1)),
            "read_places": place[ordered],
            "read_entries": np.concatenate([told, slope])[ordered],
        }
        return len(place)

    def _grouped(self, one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, ...]:
        """Group columns so that few products with the Hessian tell all entries.

        A row with many entries is a column, too: as one of its own, it tells all of
        them, and puts no others apart.

        Returns
        -------
        starts, columns : arrays
            The groups.
        group, place : arrays
            Which group tells an entry, and where in the product.
        """
        within = one != other
        in_half = (other >= 0) & within & np.isin(one, self.free)
        row = np.concatenate([one, other[in_half]])
        column = np.concatenate([other, one[in_half]])
        lengths = np.bincount(row, minlength=self.every)
        longest = np.argsort(-lengths, kind="stable")
        alone = longest[: int(np.argmin(np.arange(self.every) + lengths[longest]))]
        is_alone = np.zeros(self.every, dtype=bool)
        is_alone[alone] = True
        short = ~(is_alone[row] | is_alone[column])
        used, narrow = np.unique(column[short], return_inverse=True)
        groups = groups_of(row[short], narrow, self.every, len(used))
        count = int(groups.max(initial=-1)) + 1
        of = np.full(self.every, -1)
        of[used] = groups
        of[alone] = count + np.arange(len(alone))
        columns = np.concatenate([used, alone, [self.every - 1]])
        number = np.concatenate([of[columns[:-1]], [count + len(alone)]])
        ordered = np.argsort(number, kind="stable")
        starts = np.searchsorted(number[ordered], np.arange(count + len(alone) + 2))
        by_row = is_alone[one]
        group = np.where(by_row, of[one], of[other])
        return starts, columns[ordered], group, np.where(by_row, other, one)

    def _order(self, entries: _Entries, late: np.ndarray) -> None:
        """Find the order of elimination, and the pattern of the factors."""
        count, unknowns = len(entries.rows), len(late)
        given = {"rows": entries.rows, "columns": entries.columns, "late": late}
        for name in ("order", "diagonal", "parents"):
            self.arrays[name] = np.zeros(unknowns, dtype=np.int64)
        for name in ("starts", "factor_starts"):
            self.arrays[name] = np.zeros(unknowns + 1, dtype=np.int64)
        self.arrays["within"] = np.zeros(count + unknowns, dtype=np.int64)
        self.arrays["entry_places"] = np.zeros(count, dtype=np.int64)
        told = {**self.arrays, "places": self.arrays["entry_places"], **given}
        rooms, found = ROOM * (2 * count + unknowns), -1
        while found < 0:
            self._check(rooms)
            work = {name: np.zeros(unknowns, dtype=np.int64) for name in _WORK}
            work["room"] = np.zeros(rooms, dtype=np.int64)
            every = told | work
            run = records.Elimination(
                unknowns=unknowns,
                entries=count,
                natural=not self.by_products,
                rooms=rooms,
                **{
                    name: address(each)
                    for name, each in every.items()
                    if name in records.Elimination.kinds()
                },
            )
            found, rooms = shared("elimination").call(address(run)), 4 * rooms
        self._check(found)

    def _check(self, count: int) -> None:
        """Refuse what memory can't hold."""
        if BYTES * count > memory():
            problem = f"a step would solve a system with more than {count:,} entries"
            raise InputError(f"{problem} in its factors: more than memory can hold")


_WORK = (
    *("first", "count", "parts", "kind", "mark", "met", "outside", "degree"),
    *("heads", "after", "before"),
)


def groups_of(
    row: np.ndarray, column: np.ndarray, rows: int, columns: int
) -> np.ndarray:
    """Return a group for each column, no two of which have an entry in one row."""
    by_row, by_column = (np.argsort(each, kind="stable") for each in (row, column))
    arrays = {
        "row_starts": np.searchsorted(row[by_row], np.arange(rows + 1)),
        "in_row": column[by_row],
        "column_starts": np.searchsorted(column[by_column], np.arange(columns + 1)),
        "in_column": row[by_column],
        "groups": np.zeros(columns, dtype=np.int64),
        "taken": np.zeros(columns, dtype=np.int64),
    }
    arrays = {name: np.ascontiguousarray(each) for name, each in arrays.items()}
    places = {name: address(each) for name, each in arrays.items()}
    run = records.Grouping(rows=rows, columns=columns, entries=len(row), **places)
    shared("grouping").call(address(run))
    return arrays["groups"]
