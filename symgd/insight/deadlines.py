"""Deadlines of proofs, and whether one has cut an answer short."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# The deadlines that have passed, for whoever wants to know.
_passed: ContextVar[list[float] | None] = ContextVar("passed", default=None)


def is_past(deadline: float) -> bool:
    """Return whether the time is up, of ``time.monotonic()``.

    >>> is_past(float("inf")), is_past(0.0)
    (False, True)
    """
    late = time.monotonic() > deadline
    if late and (passed := _passed.get()) is not None:
        passed.append(deadline)
    return late


@contextmanager
def watched() -> Iterator[list[float]]:
    """Collect the deadlines that pass meanwhile: with more time, more may be proven.

    >>> with watched() as passed:
    ...     late = is_past(0.0)
    >>> late, passed
    (True, [0.0])
    """
    passed: list[float] = []
    token = _passed.set(passed)
    try:
        yield passed
    finally:
        _passed.reset(token)
