"""How busy other processes keep the machine while something is timed.

A neighbour takes cores from those who can use all of them, so that ratios of rows on
several cores mean little then; if all cores are taken, so do those on one.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

STAT = Path("/proc/stat")
DISTURBED = 0.15  # cores that others may use before the table says so


class Neighbours:
    """Watches from its making on."""

    def __init__(self) -> None:
        self.begun, self.busy, self.own = time.perf_counter(), _busy(), _own()

    def cores(self) -> float | None:
        """Return how many cores others used in the mean; None if unknown."""
        busy, wall = _busy(), time.perf_counter() - self.begun
        if busy is None or self.busy is None or wall <= 0.0:
            return None
        return max(0.0, busy - self.busy - (_own() - self.own)) / wall


def _busy() -> float | None:
    """Return the seconds in which any core of the machine did something."""
    try:
        numbers = [int(word) for word in STAT.read_text().split("\n")[0].split()[1:]]
    except (OSError, ValueError):
        return None
    user, nice, system, _, _, interrupts, soft = numbers[:7]
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
