"""Why a run ended."""

from __future__ import annotations

import enum

RUNNING = -1  # what a kernel returns when only its slice has ended


class Status(enum.IntEnum):
    """Why a run ended; each member carries a sentence.

    >>> Status.MAXITER.sentence
    'The iteration limit was reached.'
    >>> Status.CONVERGED.success, Status.DIVERGED.success
    (True, False)
    """

    CONVERGED = 0
    MAXITER = 1
    ABNORMAL = 2
    TARGET_REACHED = 3
    STALLED = 4
    DIVERGED = 5
    TIME_LIMIT = 6
    INTERRUPTED = 7
    STATIONARY = 8
    INFEASIBLE = 9

    @property
    def sentence(self) -> str:
        """What the status means."""
        return _SENTENCES[self]

    @property
    def success(self) -> bool:
        """Whether the run ended as hoped."""
        return self in (Status.CONVERGED, Status.TARGET_REACHED, Status.STALLED)

    def __str__(self) -> str:
        return self.name


# Where a run ends by these is no property of it.
CUT = (Status.TIME_LIMIT, Status.INTERRUPTED)

_SENTENCES = {
    Status.CONVERGED: "The gradient is within the tolerance.",
    Status.MAXITER: "The iteration limit was reached.",
    Status.ABNORMAL: "No step along the search direction was acceptable.",
    Status.TARGET_REACHED: "The objective reached its target.",
    Status.STALLED: "The objective no longer improves.",
    Status.DIVERGED: "A quantity stopped being finite.",
    Status.TIME_LIMIT: "The time limit was reached.",
    Status.INTERRUPTED: "The run was interrupted.",
    Status.STATIONARY: "The gradient is small, but not at a minimum.",
    Status.INFEASIBLE: "No point near here satisfies the constraints.",
}
