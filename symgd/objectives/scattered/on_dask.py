"""Partitions that the workers of a Dask cluster keep.

What travels for an evaluation is a point to each worker, and sums back. On each worker
there is one keeper, in Dask's words an actor. Over a connection of its own it is asked
in 0.05 ms; where there can be none, as an actor in 2 ms (a task that the scheduler
plans takes 10). Of a worker that is lost, others read the partitions again, as the
scheduler knows from what; then there are new keepers.
"""

from __future__ import annotations

import importlib
import os
import pickle
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from symgd.errors import InputError
from symgd.native.stopping import flag
from symgd.objectives.scattered.given_as import Sources
from symgd.objectives.scattered.links import (
    MOST,
    Door,
    answering,
    answers,
    links_to,
)
from symgd.objectives.scattered.rows_read import Facts, Stopped, Task, read

LOOK_SECONDS = 0.1  # between two looks at Ctrl-C and the time limit
MOST_LOSSES = 10  # of workers in one evaluation
LARGE = 2**16  # bytes: a socket may not take more at once, and then nobody looks


class Lost(Exception):
    """A worker is gone, and what it kept."""


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

    def __init__(self, sources: Sources, client: Any) -> None:
        self.sources, self.client = sources, client
        self._read: tuple[Any, list[Any]] = (None, [])  # the columns read last

    def __reduce__(self) -> Any:
        problem = "what the workers of a cluster keep is known to this process only"
        raise InputError(f"{problem}: no executor can be sent it")

    def facts(self, names: tuple[str, ...], missing: str) -> list[Facts]:
        """Return what is known of all partitions, in order."""
        _check_open(self.client)
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
        return Keepers(self.client, [parts[place] for place in used], task)


class Keepers:
    """What does a task with all partitions: a keeper on each worker has some.

    Parameters
    ----------
    client : dask.distributed.Client
    parts : list of futures
        Of facts and columns.
    task : Task
    """

    def __init__(self, client: Any, parts: list[Any], task: Task) -> None:
        self.client, self.parts, self.task = client, parts, task
        self._kept: list[tuple[Any, Any, list[int]]] = []  # future, actor, places
        self._links: list[Any] = []  # to each of them, or none
        self._turn, self._process = threading.Lock(), os.getpid()

    def __call__(self, *given: Any) -> list[Any]:
        """Return what is found in each partition, in order, one call after another."""
        if os.getpid() != self._process:  # a fork has the same connections
            problem = "workers of a cluster keep rows for the process that read them"
            raise InputError(f"{problem}: make client and objective after a fork")
        _check_open(self.client)
        stop = flag()
        while not stop[0]:
            if self._turn.acquire(timeout=LOOK_SECONDS):
                break
        else:
            raise Stopped
        try:
            return self._sure(given)
        finally:
            self._turn.release()

    def _sure(self, given: tuple[Any, ...]) -> list[Any]:
        """Return what is found, whichever workers are lost on the way."""
        for _ in range(MOST_LOSSES):
            try:
                if not self._kept:
                    self._kept = self._placed()
                    self._links = self._linked()
                return self._passed(given)
            except Lost:
                self._kept, self._links = [], []
            except BaseException:  # answers may be on their way, for which none waits
                self._kept, self._links = [], []
                raise
        raise InputError(f"{MOST_LOSSES} workers of the cluster were lost, one by one")

    def _placed(self) -> list[tuple[Any, Any, list[int]]]:
        """Return keepers on the workers that have partitions, and of which."""
        self._wait(self.parts)
        owners, threads = self.client.who_has(self.parts), self.client.nthreads()
        mine: dict[str, list[int]] = {}
        for place, part in enumerate(self.parts):
            if not (workers := owners[part.key]):
                raise Lost
            mine.setdefault(min(workers), []).append(place)
        futures = [
            self.client.submit(
                Keeper,
                self.task,
                [self.parts[place] for place in places],
                places,
                threads.get(worker, 1),
                workers=[worker],
                allow_other_workers=True,
                actor=True,
                pure=False,
            )
            for worker, places in mine.items()
        ]
        self._wait(futures)
        actors = [future.result() for future in futures]
        return list(zip(futures, actors, mine.values(), strict=True))

    def _linked(self) -> list[Any]:
        """Return a connection to each keeper, or none where there can't be all."""
        if len(self._kept) > MOST:
            return []
        return links_to(self._found([actor.answering() for _, actor, _ in self._kept]))

    def _passed(self, given: tuple[Any, ...]) -> list[Any]:
        results: list[Any] = [None] * len(self.parts)
        found = self._asked(pickle.dumps(given, 5))
        for told, (*_, places) in zip(found, self._kept, strict=True):
            shares, error = pickle.loads(told)
            if error is not None:
                raise error
            for place, share in zip(places, shares, strict=True):
                results[place] = share
        return results

    def _asked(self, question: bytes) -> list[bytes]:
        """Return the answers of all keepers, in order."""
        try:
            if not self._links or len(question) > LARGE:
                calls = [actor.passed(question) for _, actor, _ in self._kept]
                return self._found(calls)
            for link in self._links:
                link.send_bytes(question)
            return self._answered()
        except (RuntimeError, OSError, EOFError):  # as Dask and connections have it
            raise Lost from None

    def _answered(self) -> list[bytes]:
        """Return what comes over connections, as long as there is nothing to stop."""
        waiting = {link: place for place, link in enumerate(self._links)}
        found: dict[int, bytes] = {}
        while len(found) < len(self._links):
            came = answers(waiting, LOOK_SECONDS)
            waiting = {link: k for link, k in waiting.items() if k not in came}
            found |= came
            if not came:
                self._look()
        return [found[place] for place in range(len(found))]

    def _found(self, calls: list[Any]) -> list[Any]:
        """Return what keepers found, as long as this thread isn't told to stop."""
        while True:
            try:
                found: list[Any] = self.client.sync(
                    _all_of, calls, callback_timeout=LOOK_SECONDS
                )
                return found
            except TimeoutError:
                self._look()

    def _look(self) -> None:
        """See whether this thread is told to stop, or a keeper is gone."""
        if flag()[0]:
            raise Stopped
        if any(keeper.status != "finished" for keeper, *_ in self._kept):
            raise Lost

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


def _check_open(client: Any) -> None:
    """Refuse a client that was closed: its workers keep nothing any more."""
    if client.status not in ("running", "connecting"):
        problem = f"the client of the cluster is {client.status}"
        raise InputError(f"{problem}: workers keep rows for as long as it is open")


async def _all_of(calls: list[Any]) -> list[Any]:
    return [await call for call in calls]


class Keeper:
    """The partitions of a worker.

    It is sent bytes, and sends such: Dask would look at each array for itself.
    """

    def __init__(
        self, task: Task, parts: Sequence[Any], numbers: Sequence[int], threads: int
    ) -> None:
        self.passes = [
            task.begun(columns, threads, number)
            for (_, columns), number in zip(parts, numbers, strict=True)
        ]

    def answering(self) -> Door | None:
        """Answer over a connection, too; return where."""
        worker = importlib.import_module("distributed").get_worker()
        return answering(worker.address, self.passed)

    def passed(self, sent: bytes) -> bytes:
        """Return what is found in each of them, or what was raised instead."""
        told: tuple[Any, Any]
        try:
            given = pickle.loads(sent)
            told = [each(*given) for each in self.passes], None
        except Exception as error:
            told = None, _that_travels(error)
        return pickle.dumps(told, 5)


def _that_travels(error: Exception) -> Exception:
    """Return an error that can be sent: the same, or one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _facts(part: Any) -> Facts:
    found: Facts = part[0]
    return found
