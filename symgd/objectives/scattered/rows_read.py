"""The rows of one partition, as loops take them, and what others know of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from symgd.errors import InputError
from symgd.objectives.data import DataTable, NoRowLeft
from symgd.objectives.scattered.given_as import Sources

Passing = Callable[..., Any]


class Stopped(Exception):
    """What rows are passed for was to stop, by Ctrl-C or at a time limit."""


class Facts(NamedTuple):
    """What is known of a partition."""

    rows: int
    dropped: int
    columns: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]  # type, shape of a row
    spans: Mapping[str, tuple[int, int]]  # of whole numbers


class Task(Protocol):
    """What is done with the rows of a partition, again and again.

    Attributes
    ----------
    bytes_of_row : int
        Of memory, that it keeps for each row.
    """

    bytes_of_row: ClassVar[int]

    def begun(
        self, columns: Mapping[str, np.ndarray], threads: int, number: int
    ) -> Passing:
        """Return what does it, with so many threads, and what it keeps.

        The number is the partition's, among those that have rows.
        """


class Engine(Protocol):
    """Where partitions are, and who passes their rows.

    Attributes
    ----------
    sources : Sources
    """

    sources: Sources

    def facts(self, names: tuple[str, ...], missing: str) -> list[Facts]:
        """Return what is known of all partitions, in order."""

    def passes(
        self, names: tuple[str, ...], missing: str, task: Task, used: Sequence[int]
    ) -> Callable[..., list[Any]]:
        """Return what does a task with some partitions, by their places, in order."""


def read(
    table: Any, names: tuple[str, ...], missing: str, told: str
) -> tuple[Facts, dict[str, np.ndarray]]:
    """Return what is to be known of a partition, and its columns.

    Raises
    ------
    InputError
        If they can't be used; it tells in which partition.
    """
    if _is_empty(table):
        return Facts(0, 0, {}, {}), {}
    opened = DataTable(table, missing)
    try:
        columns = opened.arrays(names)
        counts = {len(column) for column in columns.values()}
        if len(counts) > 1:
            raise InputError(f"its columns have {sorted(counts)} rows")
    except NoRowLeft:
        return Facts(0, opened.dropped, {}, {}), {}
    except InputError as error:
        raise InputError(f"{told}: {error}") from None
    whole = {n: each for n, each in columns.items() if each.dtype.kind in "iu"}
    facts = Facts(
        counts.pop(),
        opened.dropped,
        {name: (each.dtype, each.shape[1:]) for name, each in columns.items()},
        {name: (int(each.min()), int(each.max())) for name, each in whole.items()},
    )
    return facts, columns


def _is_empty(table: Any) -> bool:
    if isinstance(table, Mapping):
        return any(len(column) == 0 for column in table.values())
    return len(table) == 0
