"""How much memory this process may have."""

from __future__ import annotations

import math
import os


def memory() -> float:
    """Return the bytes of memory that a process can have here; infinity if unknown."""
    return min(_of_the_machine(), _allowed())


def _of_the_machine() -> float:
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):  # not on this system
        return math.inf


def _allowed() -> float:
    try:
        import resource
    except ImportError:
        return math.inf
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return math.inf if limit == resource.RLIM_INFINITY else float(limit)
