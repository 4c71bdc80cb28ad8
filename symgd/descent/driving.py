"""The loop around every run: slice by slice, until it ends or is stopped.

Elsewhere: the outer optimisation loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from symgd.descent.history import NOWHERE
from symgd.descent.run import SHORT, Run
from symgd.native.interrupts import Interrupts
from symgd.native.status import RUNNING, Status
from symgd.native.stopping import SIGNAL

SLICE_SECONDS = 0.02

# Looks at a run between two slices, and says why it is to stop, or nothing.
Watcher: TypeAlias = Callable[[Run], str]


def drive(
    run: Run, status: int, watchers: Sequence[Watcher] = (), every: int = 0
) -> Status:
    """Continue a run that has begun until it ends; Ctrl-C ends it too.

    Slices last some tens of milliseconds: long enough to cost nothing, short enough
    to be interrupted between them.

    Parameters
    ----------
    run : Run
    status : int
        RUNNING, or what beginning it returned.
    watchers : sequence of callables
        Called at the start and after each slice.
    every : int
        If not 0, slices end at its multiples.
    """
    begun = time.perf_counter()
    run.lowest, run.excused = NOWHERE, 0.0
    try:
        if status == RUNNING and not watchers and run.is_short:
            # Over in less than a millisecond, and then there is nothing to interrupt.
            run.look()
            status = run.advance(run.short)
        if status != RUNNING and not watchers:
            run.look()
            return Status(status)
        with Interrupts() as interrupts, run.stoppable() as cut:
            try:
                ended = _slices(run, status, watchers, every, interrupts, cut)
            except KeyboardInterrupt:
                run.is_torn, ended = True, Status.INTERRUPTED
            interrupts.answered = ended == Status.INTERRUPTED
        return ended
    finally:
        run.seconds += time.perf_counter() - begun - run.excused


def _slices(
    run: Run,
    status: int,
    watchers: Sequence[Watcher],
    every: int,
    stop: Interrupts,
    cut: Sequence[int],
) -> Status:
    # An evaluation may take a microsecond, or seconds where there are many rows.
    settings = run.settings
    iterations = (
        1 if run.objective.arrays is not None else 8 * SHORT if run.t else SHORT
    )
    deadline = time.perf_counter() + settings.time_limit
    reason = _reason(run, watchers)
    while status == RUNNING and run.t < settings.maxiter:
        before, start = time.perf_counter(), run.t
        if reason or stop.noted:
            run.stopped_by = reason or run.stopped_by
            return Status.INTERRUPTED
        if before >= deadline + run.excused:
            return Status.TIME_LIMIT
        last = min(settings.maxiter, start + iterations)
        last = min(last, start - start % every + every) if every else last
        status = run.advance(last)
        if cut[0] and status not in (Status.CONVERGED, Status.TARGET_REACHED):
            # An evaluation was cut short; what the kernel made of it says nothing.
            run.is_torn = True
            interrupted = stop.noted or cut[0] == SIGNAL  # heard in another thread
            return Status.INTERRUPTED if interrupted else Status.TIME_LIMIT
        elapsed = max(time.perf_counter() - before, 1e-7)
        wanted = min(SLICE_SECONDS, deadline + run.excused - before) / elapsed
        wanted *= max(run.t - start, 1)
        iterations = int(min(8 * iterations, max(1.0, wanted)))
        reason = _reason(run, watchers)
    return run.at_maxiter() if status == RUNNING else Status(status)


def _reason(run: Run, watchers: Sequence[Watcher]) -> str:
    """Look, and let all watchers look; return the first reason to stop."""
    run.look()
    if not watchers:
        return ""
    return next(filter(None, [watcher(run) for watcher in watchers]), "")
