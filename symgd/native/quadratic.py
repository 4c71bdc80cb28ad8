"""What a descent by quadratic models shares with the loop that makes its steps."""

from __future__ import annotations

from symgd.native.record import Record, record
from symgd.native.records import RunState

EPSILON = 2.0**-52
RESOLUTION = 1e-15  # of curvatures as sums of squares: below it, they are rounding
FINE_RESOLUTION = 1e-26  # of curvatures as squares of singular values


@record
class TrustRegion(RunState):
    """Where a descent is, and how far its model is trusted.

    ``place`` is that of the best point and its model, ``radius`` that of the region,
    and ``pending`` says whether the trial is the start.
    """

    slice: int  # evaluations before the loop ends for others to look
    maxiter: int
    blocks: int  # of rows
    factored: int  # whether R is known
    made: int  # whether there is a trial that hasn't been judged
    known: int  # whether it has been evaluated
    first: int  # whether no step has been taken in these units
    sized: int  # whether the target's size follows sums, which tells the floor
    strict: int  # whether it is over at once where the start isn't finite
    floor: float  # a size at which the residuals are rounding
    level: float  # the square of a cosine that may be rounding, where nothing bends
    offset: float
    predicted: float


@record
class RegionArrays(Record):
    """Where what a descent by models works with is: addresses."""

    function: int  # of the sum over rows; 0: it is evaluated elsewhere
    words: int  # what that takes, parameters first
    models: int  # two: ``Sums``, and what follows them
    matrices: int  # two
    points: int  # two: the best point, and the trial
    # Rows as long as there are parameters.
    lower: int
    upper: int
    scale: int
    units: int  # of what is looked at; ``scale`` has those of steps
    step: int
    free: int
    slope: int
    along: int
    squares: int
    lengths: int


ROWS = 12  # as long as there are parameters, the two points among them


@record
class Sums(Record):
    """How a model begins; then gradient, lower triangle of the curvature, and R.

    Where the target's size is summed, too, it is in the place of R.
    """

    value: float
    size: float  # the weighted sum of squared residuals


SUMS = Sums.length()  # words


def root_of(p: int) -> int:
    """Return where R begins in a model."""
    return SUMS + p + p * (p + 1) // 2


# What there is beside a point: see ``kernels.bowl``.
BOWL, NO_BOWL, UNKNOWN, NO_WAYS = range(4)
