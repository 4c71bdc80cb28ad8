"""Partitions one after the other, on this machine: out of core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgd.native.room import memory
from symgd.native.stopping import flag
from symgd.native.threads import cores
from symgd.objectives.scattered.given_as import Sources
from symgd.objectives.scattered.rows_read import Facts, Passing, Stopped, Task, read

SHARE = 0.25  # of this machine's memory, which rows that are kept may have


class OneByOne:
    """Partitions that are read when their turn comes, and kept while there is room."""

    def __init__(self, sources: Sources) -> None:
        self.sources, self.room = sources, SHARE * memory()
        self._kept: dict[Any, dict[str, np.ndarray]] = {}  # columns, for all tasks

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_kept": {}, "room": SHARE * memory()}

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
        begun: dict[int, Passing] = {}  # of what is kept

        def passing(number: int, place: int) -> Passing:
            if place in begun:
                return begun[place]
            key = place, names, missing
            columns = self._kept.get(key) or self._read(place, names, missing)[1]
            made = task.begun(columns, cores(), number)
            needed = 0 if key in self._kept else sum(map(_needed, columns.values()))
            needed += task.bytes_of_row * len(next(iter(columns.values())))
            if needed <= self.room:
                self.room -= needed
                self._kept[key], begun[place] = columns, made
            return made

        def passed(*given: Any) -> list[Any]:
            found: list[Any] = []
            stop = flag()
            for number, place in enumerate(used):
                if stop[0]:
                    raise Stopped
                found.append(passing(number, place)(*given))
            return found

        return passed


def _needed(column: np.ndarray) -> int:
    """Return the bytes of memory that a column has; what is mapped has none."""
    return 0 if isinstance(column, np.memmap) else column.nbytes
