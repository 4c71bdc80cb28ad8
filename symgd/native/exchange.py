"""What the loop over arrays exchanges with what it calls, and where that stands.

Offsets into a struct, elsewhere.
"""

from __future__ import annotations

from symgd.native.record import Record, record


@record
class ArrayFacts(Record):
    """What a loop over arrays knows of its objective and its rule."""

    function: int  # the address of the evaluation
    step: int  # of an update
    sums: int  # of totals over coordinates, and of a point or a vector
    look: int  # of a look at an iterate
    stages: int  # how often totals are to be formed before an update
    product: int  # likewise of the Hessian's product with a vector, if it is needed
    totals: int  # that are formed
    of_arrays: int  # of these, the last, those of each array alone
    arrays: int  # that there are, if there are such totals
    values: int  # at points, that are kept behind the totals: those of all, or none
    places: int  # points and vectors that an update asks for
    derivatives: int  # gradients and products of these
    evaluates: int  # the stages that end with a gradient elsewhere, as bits
    multiplies: int  # likewise with a product
    probes: int  # likewise with a value alone
    steep: int  # whether bounds may hold a variable against an infinite slope
    begins: int  # whether the update is the state before the first
    gathers: int  # whether the update is part of the pass that evaluates
    width: int  # slots of a variable
    constants: int  # hyperparameters
    online: int  # the place of the number of the update in the constants, or -1
    words: int  # how many constants the objective has
    batch: int  # rows of a mini-batch; 0: none
    data_rows: int
    first: int  # the word in which the first row of a batch stands; then the last
    scale: int  # the place of what a batch is multiplied by


@record
class ArrayPlaces(Record):
    """Where what a loop over arrays works with is: addresses."""

    iterates: int  # that take turns
    gradient: int
    constants: int  # of the objective
    state: int  # one state variable after the other
    hyperparameters: int
    lower: int
    upper: int
    room: int
    trace: int
    order: int  # of the rows of data, where there are batches
    kept: int  # a copy of the state to come back to
    ends: int  # of the arrays among the coordinates, where there are totals of each
    each: int  # all totals as each of them sees them


@record
class Room(Record):
    """What an update, totals and a look share with the loop that calls them.

    Behind it stand totals over coordinates and values at points, then hyperparameters
    as the last update used them.
    """

    value: float
    update: float  # its number
    epoch: float
    norm: float  # the gradient's
    bad: float  # not 0 if the iterate isn't finite
    next_bad: float  # likewise the next one
    place: float  # the number of the point or vector that is next
    first: int  # where the array begins that is worked on
    last: int  # where it ends


MOST_TOTALS, MOST_HYPERPARAMETERS = 32, 88
TOTALS = Room.length()
HYPERPARAMETERS = TOTALS + MOST_TOTALS
ROOM = HYPERPARAMETERS + MOST_HYPERPARAMETERS  # words in all

KEEP = 64  # passes from one iterate that is kept to the next
