"""Descents in other processes, or on other machines: pieces that an executor runs.

A piece goes out with the formula as text, and its ends come back as arrays. Each
descent depends on nothing but its own start, so results have the same bits however
they are cut. Elsewhere: distributed, or embarrassingly parallel, computing.
"""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Any, NamedTuple

import numpy as np

from symgd.descent.progress import ProgressOfMany
from symgd.many import in_lanes, in_turn, pieces
from symgd.many.problem import Ends, Problem
from symgd.native.interrupts import Interrupts
from symgd.native.status import RUNNING, Status


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


def ended(piece: Piece) -> Ends:
    """Return the ends of a piece: what a worker does."""
    problem = piece.problem
    left = max(0.0, piece.deadline - time.time())
    problem.settings = dataclasses.replace(problem.settings, time_limit=left)
    return here(problem, piece.threads, _untold, Interrupts())


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
    table = _unknown(problem)
    deadline = time.time() + problem.settings.time_limit

    def part(rows: slice) -> Piece:
        return Piece(problem.part(rows), threads, deadline)

    given = (executor, ended, part, problem.count, interrupts)
    for rows, ends in pieces.done(*given, deadline=deadline):
        table.enter(rows, ends)
        progress(table.nit, int((table.status != RUNNING).sum()), table.fun)
    cut = Status.INTERRUPTED if interrupts.noted else Status.TIME_LIMIT
    table.status[table.status == RUNNING] = cut
    return table


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
