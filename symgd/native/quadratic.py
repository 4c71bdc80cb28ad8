"""What a descent by quadratic models shares with the loop that makes its steps."""

from __future__ import annotations

from typing import Any, NamedTuple

from symgd.native.record import Record, record

TRUST_REGION = "i:ppppp"  # how the loop is called, see ``machine.Kernel``
RESOLUTION = 1e-15  # of curvatures as sums of squares: below it, they are rounding
FINE_RESOLUTION = 1e-26  # of curvatures as squares of singular values


@record
class TrustRegion(Record):
    """Where a descent is, and how far its model is trusted."""

    parameters: int
    function: int  # the address of the sum over rows; 0: it is evaluated elsewhere
    blocks: int
    best: int  # the row of the best point, and of its model
    nit: int
    nfev: int
    maxiter: int
    slice: int  # evaluations before the loop ends for others to look
    factored: int  # whether R is known
    known: int  # whether the trial has been evaluated
    first: int  # whether no step has been taken yet
    gtol: float
    floor: float
    radius: float
    offset: float
    predicted: float
    level: float  # the square of a cosine that may be rounding, where nothing bends


class Vectors(NamedTuple):
    """The rows of working space, as long as there are parameters."""

    points: Any  # two rows: the best point, and the trial
    lower: Any
    upper: Any
    scale: Any
    units: Any  # of what is looked at; ``scale`` has those of steps
    step: Any
    free: Any
    slope: Any
    along: Any
    squares: Any
    lengths: Any


ROWS = 1 + len(Vectors._fields)
VALUE, SIZE, GRADIENT = range(3)  # how a model begins; then curvatures, then R


def root_of(p: int) -> int:
    """Return where R begins in a row."""
    return GRADIENT + p + p * (p + 1) // 2
