"""Descents in other processes, or on other machines: pieces that an executor runs.

A piece goes out with the formula as text, and its ends come back as arrays. Each
descent depends on nothing but its own start, so results have the same bits however
they are cut. Elsewhere: distributed, or embarrassingly parallel, computing.
"""

from __future__ import annotations

import dataclasses
import math
import time
import warnings
from collections.abc import Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Future,
    wait,
)
from typing import Any, NamedTuple

import numpy as np

from symgd.descent.progress import ProgressOfMany
from symgd.errors import InputError
from symgd.many import in_lanes, in_turn
from symgd.many.problem import Ends, Problem
from symgd.native.interrupts import Interrupts
from symgd.native.status import RUNNING, Status

PIECE_SECONDS = 2.0  # of work in a piece
FIRST_PIECE = 16  # descents, before it is known how long they take
GROWTH = 16  # times the piece before, at most
AHEAD = 2  # pieces for each worker: the next one is there when it has done one
LOOK_SECONDS = 0.1  # between two looks at Ctrl-C


class Piece(NamedTuple):
    """Some descents, as they are sent."""

    problem: Problem
    threads: int
    deadline: float  # as ``time.time`` tells it, on machines that agree about it


def here(
    problem: Problem, threads: int, progress: ProgressOfMany, interrupts: Interrupts
) -> Ends:
    """Run all descents in this process."""
    way = in_lanes if problem.fits_lanes else in_turn
    return way.run(problem, threads, progress, interrupts)


def ended(piece: Piece) -> tuple[Ends, float]:
    """Return the ends of a piece, and the seconds that it took: what a worker does."""
    begun, problem = time.perf_counter(), piece.problem
    left = max(0.0, piece.deadline - time.time())
    problem.settings = dataclasses.replace(problem.settings, time_limit=left)
    table = here(problem, piece.threads, _untold, Interrupts())
    return table, time.perf_counter() - begun


def run(
    problem: Problem,
    executor: Any,
    threads: int,
    progress: ProgressOfMany,
    interrupts: Interrupts,
) -> Ends:
    """Let an executor run all descents.

    Parameters
    ----------
    problem : Problem
    executor : concurrent.futures.Executor, or what has ``get_executor``
    threads : int
        Of a piece.
    progress, interrupts
        As for runs in this process. After Ctrl-C no piece is begun any more.
    """
    executor = executor_of(executor)
    table = _unknown(problem)
    deadline = time.time() + problem.settings.time_limit
    sent: dict[Future[tuple[Ends, float]], slice] = {}
    lost: list[slice] = []
    begun, size, at_once = 0, FIRST_PIECE, AHEAD * _workers(executor)

    def is_over() -> bool:
        return interrupts.noted or time.time() >= deadline or bool(lost)

    try:
        while True:
            while begun < problem.count and len(sent) < at_once and not is_over():
                rows = slice(begun, min(begun + size, problem.count))
                piece = Piece(problem.part(rows), threads, deadline)
                try:
                    sent[executor.submit(ended, piece)] = rows
                except BrokenExecutor:
                    lost.append(rows)
                begun = rows.stop
            if not sent:
                break
            done, _ = wait(sent, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                rows = sent.pop(future)
                try:
                    ends, seconds = future.result()
                except (BrokenExecutor, CancelledError):
                    lost.append(rows)
                    continue
                table.enter(rows, ends)
                count = rows.stop - rows.start
                wanted = count * PIECE_SECONDS / max(seconds, 1e-3)
                size = max(1, min(int(wanted), GROWTH * count))
                ended_so_far = int((table.status != RUNNING).sum())
                progress(table.nit, ended_so_far, table.fun)
            if interrupts.noted:
                for future in [each for each in sent if each.cancel()]:
                    del sent[future]
    finally:
        for future in sent:
            future.cancel()
    if lost and not interrupts.noted:
        _run_again(problem, [*lost, slice(begun, problem.count)], table, threads)
    cut = Status.INTERRUPTED if interrupts.noted else Status.TIME_LIMIT
    table.status[table.status == RUNNING] = cut
    return table


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


def _run_again(problem: Problem, lost: list[slice], table: Ends, threads: int) -> None:
    """Run pieces here whose workers are gone for good."""
    told = "workers of the executor were lost: what they had not done is done here"
    warnings.warn(told, stacklevel=6)
    for rows in lost:
        if rows.start < rows.stop:
            part = problem.part(rows)
            table.enter(rows, here(part, threads, _untold, Interrupts()))


def _unknown(problem: Problem) -> Ends:
    """Return ends of which nothing is known yet."""
    count, n = problem.starts.shape
    nothing = np.full(count, math.nan)
    within = problem.is_constrained
    return Ends(
        x=problem.starts.copy(),
        fun=nothing.copy(),
        jac=np.full((count, n), math.nan),
        status=np.full(count, RUNNING, dtype=np.int64),
        nit=np.zeros(count, dtype=np.int64),
        nfev=np.zeros(count, dtype=np.int64),
        grad_norm=nothing.copy() if within else None,
        constraint_violation=nothing.copy() if within else None,
    )


def _untold(*_: Any) -> None:
    """Tell nobody how far it is."""
