"""Data in partitions, which may be more than a machine holds, as an objective has them.

Of each column its type, its shape and, of whole numbers, the span are known here. What
needs the rows goes to them, and what it finds comes back in the partitions' order.
Elsewhere: distributed, or out-of-core, data.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from symgd.errors import InputError
from symgd.objectives.data import digest_of
from symgd.objectives.scattered.given_as import sources_of
from symgd.objectives.scattered.rows_read import Engine, Facts, Task

ROWS_STAY = "the rows are in partitions, not on this machine"


class StandIn(np.ndarray):
    """A column in the place of one that is elsewhere: of its shape and type.

    It has no numbers: floats in it are NaN, whole numbers no index of anything.

    Attributes
    ----------
    span : pair of int, or None
        The smallest and the largest of whole numbers.
    """

    span: tuple[int, int] | None = None

    @classmethod
    def of(cls, name: str, facts: Sequence[Facts]) -> StandIn:
        """Return what stands for a column."""
        kinds = [each.columns[name] for each in facts if each.rows]
        shapes = {shape for _, shape in kinds}
        if len(shapes) > 1:
            listed = " and ".join(map(str, sorted(shapes)))
            raise InputError(f"rows of column {name!r} have the shapes {listed}")
        dtype = np.result_type(*(kind for kind, _ in kinds))
        nothing = np.iinfo(dtype).max if dtype.kind in "iu" else np.nan
        one = np.full((1, *shapes.pop()), nothing, dtype)
        count = sum(each.rows for each in facts)
        column = np.broadcast_to(one, (count, *one.shape[1:])).view(cls)
        spans = [each.spans[name] for each in facts if name in each.spans]
        if spans and dtype.kind in "iu":
            lows, highs = zip(*spans, strict=True)
            column.span = min(lows), max(highs)
        return column

    def copy(self, order: Any = "C") -> Any:
        """Return the same: there is nothing that could be copied."""
        return self

    def __reduce__(self) -> Any:
        raise InputError(f"{ROWS_STAY}, so they can't be sent to others")


class Partitions(Mapping[str, np.ndarray]):
    """Columns by name, whose rows are in partitions.

    Parameters
    ----------
    engine : Engine
    names : sequence of str
        The columns in partitions.
    missing : {"error", "drop"}
    beside : mapping of str to array
        What everybody gets whole.
    """

    def __init__(
        self,
        engine: Engine,
        names: Sequence[str],
        missing: str,
        beside: Mapping[str, Any],
    ) -> None:
        self.engine, self.missing, self.beside = engine, missing, beside
        self.scattered = tuple(names)
        self._facts: dict[tuple[str, ...], list[Facts]] = {}

    def __iter__(self) -> Iterator[str]:
        return iter((*self.scattered, *self.beside))

    def __len__(self) -> int:
        return len(self.scattered) + len(self.beside)

    def __getitem__(self, name: str) -> Any:
        if name in self.scattered:
            return StandIn.of(name, self.known([name]))
        return self.beside[name]

    def stand_ins(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Return what stands for those of some columns that are in partitions."""
        if not (own := self._own(names)):
            return {}
        facts = self.known(own)
        return {name: StandIn.of(name, facts) for name in own}

    def known(self, names: Iterable[str]) -> list[Facts]:
        """Return what is known of each partition: all rows are looked at once."""
        own = self._own(names)
        for asked, facts in self._facts.items():
            if own == asked or (self.missing == "error" and {*own} <= {*asked}):
                return facts
        facts = self.engine.facts(own, self.missing)
        if not any(each.rows for each in facts):
            raise InputError("the partitions have no rows")
        self._facts[own] = facts
        return facts

    def _own(self, names: Iterable[str]) -> tuple[str, ...]:
        asked = {*names}
        return tuple(name for name in self.scattered if name in asked)

    def digest(self, names: Iterable[str]) -> list[str]:
        """Return what tells the partitions from others."""
        return [line for lines in self.passes(names, _Digest())() for line in lines]

    def told(self, names: Iterable[str]) -> list[str]:
        """Return what partitions with rows are called in messages, in order."""
        facts = enumerate(self.known(self._own(names)))
        return [self.engine.sources.told(k) for k, each in facts if each.rows]

    def passes(self, names: Iterable[str], task: Task) -> Callable[..., list[Any]]:
        """Return what does a task with all rows: it returns a result of each part.

        Partitions without rows are left out.
        """
        own = self._own(names)
        used = [k for k, each in enumerate(self.known(own)) if each.rows]
        return self.engine.passes(own, self.missing, task, used)


class _Digest:
    """What tells the rows of a partition from others."""

    bytes_of_row: ClassVar[int] = 0

    def begun(
        self, columns: Mapping[str, np.ndarray], threads: int, number: int
    ) -> Callable[[], list[str]]:
        """Return what says it."""
        return functools.partial(digest_of, columns)


def added(shares: Sequence[Any]) -> Any:
    """Return the sum of numbers or arrays, added pairwise in their order."""
    rows = list(shares)
    while len(rows) > 1:
        pairs = zip(rows[::2], rows[1::2], strict=False)
        rows = [a + b for a, b in pairs] + rows[len(rows) & ~1 :]
    return rows[0]


def partitioned(data: Any, missing: str = "error", executor: Any = None) -> Any:
    """Return data as they are, or as partitions if they are in such.

    Parameters
    ----------
    data : list of files, collection of Dask, mapping of names to these, or other data
    missing : {"error", "drop"}
    executor : dask.distributed.Client, optional
        Whose workers keep the partitions. By default it is the current one for
        collections of Dask; files are read here, one after the other.

    Raises
    ------
    InputError
        If partitions can't be read, or don't fit to each other.
    """
    if isinstance(data, Partitions):
        return data
    if (found := sources_of(data)) is None:
        if executor is not None:
            problem = "executor is for data in partitions: a list of files, or"
            raise InputError(f"{problem} what Dask has; not {type(data).__name__}")
        return data
    from symgd.objectives.scattered.on_dask import OnDask, client_of
    from symgd.objectives.scattered.one_by_one import OneByOne

    sources, beside = found
    client = client_of(executor, sources)
    engine: Engine = OneByOne(sources) if client is None else OnDask(sources, client)
    return Partitions(engine, sources.names, missing, beside)
