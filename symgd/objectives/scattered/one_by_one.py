"""Partitions one after the other, on this machine: out of core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgd.native.room import memory
from symgd.objectives.parallel import cores
from symgd.objectives.scattered.given_as import Sources
from symgd.objectives.scattered.rows_read import Facts, Passing, Task, read

SHARE = 0.25  # of this machine's memory, which rows that are kept may have


class OneByOne:
    """Partitions that are read when their turn comes, and kept while there is room."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources

    def facts(self, names: tuple[str, ...], missing: str) -> list[Facts]:
        """Return what is known of all partitions, in order."""
        places = range(len(self.sources))
        return [self._read(place, names, missing)[0] for place in places]

    def _read(
        self, place: int, names: tuple[str, ...], missing: str
    ) -> tuple[Facts, dict[str, np.ndarray]]:
        table = self.sources.read(place, names)
        return read(table, names, missing, self.sources.told(place))

    def passes(
        self, names: tuple[str, ...], missing: str, task: Task, used: Sequence[int]
    ) -> Callable[..., list[Any]]:
        """Return what does a task with some partitions, in order."""
        kept: dict[int, Passing] = {}
        room = SHARE * memory()

        def begun(place: int) -> Passing:
            nonlocal room
            _, columns = self._read(place, names, missing)
            passing = task.begun(columns, cores())
            if (needed := sum(map(_needed, columns.values()))) <= room:
                room -= needed
                kept[place] = passing
            return passing

        def passed(*given: Any) -> list[Any]:
            return [(kept.get(place) or begun(place))(*given) for place in used]

        return passed


def _needed(column: np.ndarray) -> int:
    """Return the bytes of memory that a column has; what is mapped has none."""
    return 0 if isinstance(column, np.memmap) else column.nbytes
