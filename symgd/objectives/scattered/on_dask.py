"""Partitions that the workers of a Dask cluster keep.

What travels for an evaluation is a point to each worker, and sums back. A worker that
is lost has its partitions read again by others: the scheduler knows from what.
"""

from __future__ import annotations

import functools
import importlib
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

from symgd.errors import InputError
from symgd.native.stopping import flag
from symgd.objectives.scattered.rows_read import Facts, Passing, Task, read
from symgd.objectives.scattered.sources import Sources

LOOK_SECONDS = 0.1  # between two looks at Ctrl-C and the time limit
LARGE = 2**20  # bytes of a point that goes to each worker once, not with each task


class Stopped(Exception):
    """An evaluation was to stop, by Ctrl-C or at a time limit."""


def client_of(executor: Any, sources: Sources) -> Any:
    """Return the client whose workers keep partitions; None if they are read here.

    Raises
    ------
    InputError
        If an executor is given that can't keep anything.
    """
    if executor is None:
        distributed = sys.modules.get("distributed")
        if distributed is None or not sources.of_dask:
            return None
        try:
            return distributed.default_client()
        except ValueError:
            return None
    if not hasattr(executor, "who_has"):
        problem = "rows in partitions need the client of a Dask cluster, whose workers"
        raise InputError(f"{problem} keep what they have read: not {executor!r}")
    return executor


class OnDask:
    """Partitions on the workers of a cluster."""

    threads = 1  # a worker passes as many partitions at once as it has threads

    def __init__(self, sources: Sources, client: Any) -> None:
        self.sources, self.client = sources, client
        self._read: tuple[Any, list[Any]] = (None, [])  # the columns read last

    def __reduce__(self) -> Any:
        raise InputError("what a cluster keeps is known to this process only")

    def facts(self, names: tuple[str, ...], missing: str) -> list[Facts]:
        """Return what is known of all partitions, in order."""
        parts = self._parts(names, missing)
        found: list[Facts] = self.client.gather(
            [self.client.submit(_facts, part, pure=False) for part in parts]
        )
        return found

    def _parts(self, names: tuple[str, ...], missing: str) -> list[Any]:
        """Return futures of facts and columns: what workers keep."""
        if self._read[0] != (names, missing):
            later = importlib.import_module("dask").delayed(read, pure=False)
            told = self.sources.told
            tasks = [
                later(table, names, missing, told(place))
                for place, table in enumerate(self.sources.delayed(names))
            ]
            self._read = (names, missing), self.client.compute(tasks)
        return self._read[1]

    def passes(
        self, names: tuple[str, ...], missing: str, task: Task, used: Sequence[int]
    ) -> Callable[..., list[Any]]:
        """Return what does a task with some partitions, in order."""
        parts = self._parts(names, missing)
        begun = [
            self.client.submit(_begun, task, parts[place], pure=False) for place in used
        ]
        self._wait(begun)
        groups = self._groups(begun)
        return functools.partial(self._passed, begun, groups)

    def _groups(self, begun: list[Any]) -> list[tuple[str, list[int]]]:
        """Return places of partitions by who has them: as many parts as threads."""
        owners = self.client.who_has(begun)
        threads = self.client.nthreads()
        mine: dict[str, list[int]] = {}
        for place, future in enumerate(begun):
            mine.setdefault(next(iter(owners[future.key]), ""), []).append(place)
        groups = []
        for worker, places in mine.items():
            count = min(threads.get(worker, 1), len(places))
            size = math.ceil(len(places) / count)
            groups += [
                (worker, places[k : k + size]) for k in range(0, len(places), size)
            ]
        return groups

    def _passed(
        self, begun: list[Any], groups: list[tuple[str, list[int]]], *given: Any
    ) -> list[Any]:
        if sum(getattr(each, "nbytes", 0) for each in given) > LARGE:
            given = tuple(self.client.scatter(list(given), broadcast=True))
        sent = [
            self.client.submit(
                _passes,
                [begun[place] for place in places],
                *given,
                workers=[worker] if worker else None,
                allow_other_workers=bool(worker),
                pure=False,
            )
            for worker, places in groups
        ]
        try:
            self._wait(sent)
        except BaseException:
            self.client.cancel(sent)
            raise
        results: list[Any] = [None] * len(begun)
        for (_, places), found in zip(groups, self.client.gather(sent), strict=True):
            for place, each in zip(places, found, strict=True):
                results[place] = each
        return results

    def _wait(self, futures: list[Any]) -> None:
        """Wait for results, as long as this thread isn't told to stop."""
        wait, stop = importlib.import_module("distributed").wait, flag()
        while True:
            try:
                wait(futures, timeout=LOOK_SECONDS)
            except TimeoutError:
                if stop[0]:
                    raise Stopped from None
            else:
                return


class Held:
    """A partition with what a worker keeps of it; its size is that of its rows."""

    def __init__(self, passing: Passing, size: int) -> None:
        self.passing, self.size = passing, size

    def __sizeof__(self) -> int:
        return self.size


def _facts(part: Any) -> Facts:
    found: Facts = part[0]
    return found


def _begun(task: Task, part: Any) -> Held:
    _, columns = part
    size = sum(column.nbytes for column in columns.values())
    return Held(task.begun(columns), size)


def _passes(held: list[Held], *given: Any) -> list[Any]:
    return [each.passing(*given) for each in held]
