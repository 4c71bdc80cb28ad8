"""Mini-batches of rows that are in partitions.

In each epoch, every partition brings its rows into a random order. Of N rows in all, a
batch has those from ``first`` to ``last``: of a partition with n rows they are, in its
order, those from (n*first + r)//N to (n*last + r)//N, with r drawn below N for the
epoch. So each row is in one batch of an epoch, and n*(last - first)/N of a partition
are expected in each: the sum over a batch, times N/(last - first), is unbiased. Of what
a batch has, partitions differ from their share by less than a row.

Elsewhere this is systematic sampling within strata (Cochran 1977, chapters 5 and 8).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from symgd.language.formula import symbol
from symgd.objectives.arrays import Arrays
from symgd.objectives.batches import (
    FIRST,
    LAST,
    ORDER,
    SCALE,
    batch_of,
    check_unbiased,
)
from symgd.objectives.kernels import Kernels
from symgd.objectives.scattered.row_sums import Chained, RowSums, SumsOfPart
from symgd.objectives.scattered.rows_read import Passing
from symgd.objectives.scattered.split_sums import Split


class BatchSums(RowSums):
    """Sums over those rows of partitions that are in a batch: a task for each."""

    bytes_of_row: ClassVar[int] = 8  # of their order

    def begun(
        self, columns: Mapping[str, np.ndarray], threads: int, number: int
    ) -> Passing:
        """Return what sums over rows of a partition."""
        order = np.arange(len(next(iter(columns.values()))), dtype=np.int64)
        sizes = {**self.arrays.sizes, FIRST: 0, LAST: len(order)}
        made = BatchSums(
            self.arrays.replaced(
                data={**self.arrays.data, ORDER: order},
                sizes=sizes,
                size_names={*self.arrays.size_names, FIRST, LAST},
            ),
            [batch_of(each) for each in self.sums],
            (*self.columns, ORDER),
        )
        return BatchOfPart(made.kernels(columns), threads, order, number)


class BatchOfPart:
    """The sums over rows of a partition that are in a batch."""

    def __init__(
        self,
        kernels: Sequence[Kernels],
        threads: int,
        order: np.ndarray,
        number: int,
    ) -> None:
        self.sums = SumsOfPart(kernels, threads)
        self.order, self.number = order, number
        self.drawn: tuple[Sequence[int], int] = (), 0  # by which seeds, and r

    def __call__(
        self,
        x: np.ndarray,
        p: Sequence[float],
        directions: np.ndarray,
        seeds: Sequence[int],
        batch: tuple[int, int, int],
    ) -> np.ndarray:
        """Return for each sum its value, its gradient, and products of its Hessian.

        Parameters
        ----------
        x, p, directions : as of all rows
        seeds : sequence of int
            Other ones in each epoch.
        batch : tuple of int
            Where it begins and ends, and how many rows there are in all.
        """
        first, last, rows = batch
        count = len(self.order)
        if self.drawn[0] != seeds:
            rng = np.random.default_rng([*seeds, self.number])
            self.order[:] = rng.permutation(count)
            self.drawn = seeds, int(rng.integers(rows))
        begin, end = ((count * each + self.drawn[1]) // rows for each in (first, last))
        if begin == end:
            return np.zeros((len(self.sums.kernels), 1 + len(directions), 1 + len(x)))
        self.sums.share = (end - begin) / count
        for kernels in self.sums.kernels:
            assert kernels.arrays is not None
            kernels.arrays.sizes.update({FIRST: begin, LAST: end})
        return self.sums(x, p, directions)


class ScatteredBatches(Chained):
    """An objective as batches of rows see it.

    Parameters
    ----------
    arrays : Arrays
        Of the whole objective.
    batch_size : int

    Attributes
    ----------
    arrays : Arrays
        Of a batch: its words tell which one it is.
    rows : int
        How many batches an epoch has.
    order : ndarray of int64
        That a loop shuffles; in which order batches come doesn't matter.
    seeds : function
        Returns what the order of rows depends on.

    Raises
    ------
    FormulaError
        If f isn't linear in the sums over rows.
    """

    seeds: Callable[[], tuple[int, ...]]

    def __init__(self, arrays: Arrays, batch_size: int) -> None:
        super().__init__(arrays)
        self.size = min(batch_size, self.length)
        self.rows = -(-self.length // self.size)
        self.order: np.ndarray = np.arange(self.rows, dtype=np.int64)
        self.arrays = arrays.replaced(
            data={},
            partitions=None,
            parameters=(*arrays.parameters, SCALE),
            size_names={*arrays.size_names, FIRST, LAST},
            sizes={**arrays.sizes, FIRST: 0, LAST: self.rows},
        )
        self._place = 8 * self.arrays.layout.words["size", FIRST]

    def _task(self, plain: Arrays, parts: Split, arrays: Arrays) -> RowSums:
        check_unbiased(parts.whole, map(symbol, parts.names), arrays)
        return BatchSums(plain, parts.sums, tuple(arrays.data))

    def _total(self, p: int, *given: Any) -> np.ndarray:
        which = (ctypes.c_int64 * 2).from_address(p + self._place)
        first, last = (min(each * self.size, self.length) for each in which)
        batch = first, last, self.length
        total = super()._total(p, *given, self.seeds(), batch)
        return total * (self.length / (last - first))
