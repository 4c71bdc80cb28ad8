"""Work shared by threads, while the main one still hears Ctrl-C."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, wait
from typing import Any

LOOK_SECONDS = 0.2


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
