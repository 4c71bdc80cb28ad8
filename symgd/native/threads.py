"""Work shared by threads, while the main one still hears Ctrl-C."""

from __future__ import annotations

import numbers
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, wait
from typing import Any

from symgd.errors import InputError

LOOK_SECONDS = 0.2


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_of(workers: int | None) -> int:
    """Return how many threads are wanted, by default one for each core.

    Raises
    ------
    InputError
        If it isn't a whole number, 1 or more.
    """
    if workers is None:
        return cores()
    whole = isinstance(workers, numbers.Real) and workers >= 1 and workers % 1 == 0
    if isinstance(workers, bool) or not whole:
        raise InputError(f"workers must be a whole number, 1 or more, not {workers!r}")
    return int(workers)


def mapped(
    pool: Executor, function: Callable[[Any], Any], items: Iterable[Any]
) -> Iterator[Any]:
    """Yield what a function returns of each item, in order, as ``pool.map`` does.

    Python's handler of Ctrl-C runs in the main thread. Where another one receives the
    signal, or it comes just before the main one goes to sleep, nothing wakes that: it
    looks up now and then.
    """
    futures = deque(pool.submit(function, item) for item in items)
    try:
        while futures:
            while not futures[0].done():
                wait([futures[0]], timeout=LOOK_SECONDS)
            yield futures.popleft().result()
    finally:
        for future in futures:
            future.cancel()
