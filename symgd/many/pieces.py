"""Work that is cut into pieces, which an executor does: in processes, on machines.

Elsewhere: a bag of tasks, dynamic load balancing.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Future,
    wait,
)
from typing import Any

from symgd.errors import InputError
from symgd.native.interrupts import Interrupts

PIECE_SECONDS = 2.0  # of work in a piece
FIRST_PIECE = 16  # of what is counted, before it is known how long that takes
GROWTH = 16  # times the piece before, at most
AHEAD = 2  # pieces for each worker: the next one is there when it has done one
LOOK_SECONDS = 0.1  # between two looks at Ctrl-C


def done(
    executor: Any,
    work: Callable[[Any], Any],
    part: Callable[[slice], Any],
    count: int,
    interrupts: Interrupts | None = None,
    *,
    first: int = FIRST_PIECE,
    most: float = math.inf,
    deadline: float = math.inf,
) -> Iterator[tuple[slice, Any]]:
    """Let an executor do work in pieces, and yield what each brings, as it comes.

    What lost workers had is done here, at last.

    Parameters
    ----------
    executor : concurrent.futures.Executor, or what has ``get_executor``
    work : callable
        Of a piece; a function that other processes can import.
    part : callable
        Returns the piece of a slice, as it is sent.
    count : int
        How much there is to do.
    interrupts : Interrupts, optional
        Once Ctrl-C is noted, no piece is begun any more.
    first : int
        How much is in the first pieces; later ones take about two seconds.
    most : float
        How much is in any.
    deadline : float
        As ``time.time`` tells it: later, no piece is begun.
    """
    executor, cut = executor_of(executor), interrupts or Interrupts()
    sent: dict[Future[tuple[Any, float]], slice] = {}
    lost: list[slice] = []
    begun, size, at_once = 0, first, AHEAD * _workers(executor)

    def is_over() -> bool:
        return cut.noted or time.time() >= deadline or bool(lost)

    try:
        while True:
            while begun < count and len(sent) < at_once and not is_over():
                # Smaller ones at the end, so that no worker is left alone with one.
                most_now = max(first, -(-(count - begun) // at_once))
                rows = slice(begun, min(begun + min(size, most_now), count))
                try:
                    sent[executor.submit(timed, (work, part(rows)))] = rows
                except BrokenExecutor:
                    lost.append(rows)
                except Exception as error:  # an executor's own, about what is sent
                    raise _ours(error) from None
                begun = rows.stop
            if not sent:
                break
            ended, _ = wait(sent, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
            for future in sorted(ended, key=lambda each: sent[each].start):
                rows = sent.pop(future)
                try:
                    found, seconds = future.result()
                except (BrokenExecutor, CancelledError):
                    lost.append(rows)
                    continue
                size = int(min(_next_size(rows.stop - rows.start, seconds), most))
                yield rows, found
            if cut.noted:
                for future in [each for each in sent if each.cancel()]:
                    del sent[future]
    finally:
        for future in sent:
            future.cancel()
    if not lost:
        return
    told = "workers of the executor were lost: what they had not done is done here"
    warnings.warn(told, stacklevel=4)
    lost += [slice(k, min(k + size, count)) for k in range(begun, count, size)]
    for rows in lost:
        if not cut.noted and time.time() < deadline:
            yield rows, work(part(rows))


def _ours(error: BaseException) -> BaseException:
    """Return the error of symgd that is behind another one, if one is."""
    behind: BaseException | None = error
    while behind is not None and not isinstance(behind, InputError):
        behind = behind.__cause__ or behind.__context__
    return behind or error


def _next_size(size: int, seconds: float) -> int:
    wanted = size * PIECE_SECONDS / max(seconds, 1e-3)
    return max(1, min(int(wanted), GROWTH * size))


def timed(given: tuple[Callable[[Any], Any], Any]) -> tuple[Any, float]:
    """Return what work makes of a piece, and the seconds it took: on a worker."""
    begun, (work, piece) = time.perf_counter(), given
    found = work(piece)
    return found, time.perf_counter() - begun


def executor_of(given: Any) -> Any:
    """Return an executor, also that of a cluster's client.

    Raises
    ------
    InputError
        If it can't be told to run anything.
    """
    if hasattr(given, "get_executor"):
        return given.get_executor()
    if not hasattr(given, "submit"):
        expected = "an executor of concurrent.futures, or a client of Dask"
        raise InputError(f"executor takes {expected}, not {given!r}")
    return given


def _workers(executor: Any) -> int:
    """Return how many pieces it works on at a time, as far as it says so."""
    known = getattr(executor, "_max_workers", None)
    client = getattr(executor, "_client", None)
    if known is None and client is not None:
        threads: Mapping[str, int] = client.nthreads()
        known = sum(threads.values())
    return max(1, known or 1)
