"""What kernels are given: records with named fields, sizes, and how they are called.

Kernels keep all that they know of a run in its record and its arrays, so that a run can
be stopped, stored and continued anywhere.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

from symgd.native.record import Record, record
from symgd.native.status import Status


@record
class RunState(Record):
    """Where a run is, and how far it may go."""

    t: int  # the last evaluated iterate; -1 before the start has been evaluated
    last: int  # where the slice ends
    every: int  # updates from one recorded row of the trace to the next; 0: none
    rows: int  # recorded in this slice
    patience: int  # iterations without improvement that are allowed; 0: any number
    waited: int  # iterations since the value last improved
    evaluations: int  # of value and gradient
    variables: int  # where the kernel doesn't know their number
    parameters: int  # likewise
    gtol: float
    ftol: float
    target: float
    best: float  # the value by which improvement is measured
    norm: float  # the largest component of the (projected) gradient at the iterate
    value: float  # of the objective at the iterate
    bottom: float  # a value below shows that there is no lowest
    deepest: float  # the value that a step must lower visibly not to be idle
    # Of methods that search along directions.
    idle: int  # steps in a row that lowered no value by more than rounding
    pairs: int  # of steps and gradient changes that a quasi-Newton method remembers
    newest: int  # of these pairs
    stale: int  # of the newest pairs, how many have no curvature yet
    newton: int  # directions from the pairs: 0, from the Hessian: 1, its products: 2
    products: int  # that the last step took
    reach: float  # how far the last search went along a gradient that did not bend
    step: float  # the next spectral step; 0 where nothing is known of the curvature
    flattest: float  # the smallest norm so far
    radius: float  # of the region where a model is trusted; 0: to be found
    # Of rules.
    pending: int  # 1: the slots hold an iterate that has not been evaluated yet
    place: int  # of the iterate, where several rows take turns
    ahead: int  # -1: what was computed beyond the iterate isn't finite
    kept: int  # the iterate that is kept, to come back to
    cursor: int  # where the next batch begins in the order of rows
    epoch: int  # how often all rows have been shuffled
    first_random: int  # the state of the generator that shuffles, with the next
    second_random: int


@record
class RunArrays(Record):
    """Where what a run works with is: addresses."""

    function: int  # of value and gradient
    hessian: int
    product: int  # of the Hessian with a direction
    x: int
    gradient: int
    constants: int  # the objective's parameters
    lower: int
    upper: int
    memory: int  # of the method
    matrices: int  # two, where there is a Hessian
    trace: int


@record
class InteriorState(RunState):
    """Where a run is that keeps to constraints."""

    constraints: int
    equalities: int  # of these: the first
    unknowns: int  # variables that aren't fixed, and a slack for each inequality
    moving: int  # of these, variables
    entries: int  # of Newton's system: one half, without a diagonal of its own
    hessians: int  # of these, the first: the Lagrangian's second derivatives
    filled: int  # entries with all of the diagonal
    factored: int  # entries of the factors
    groups: int  # of columns of second derivatives; 0: they come as a matrix
    read: int  # numbers that are read from derivatives: entries, and the slope
    filtered: int  # pairs of violation and barrier function that are not acceptable
    restored: int  # how often constraints alone were looked at
    crawled: int  # short steps in a row
    tiny: int  # steps that change nothing, one after the other
    started: int  # 0 where the problem is to be scaled, at a first point
    faint: int  # whether a constraint's derivatives are small there
    tried: int  # steps since then
    most_tried: int  # of these
    worst: int  # the constraint that is violated most
    polished: int  # steps since it was solved well enough
    curved: int  # directions in which the Lagrangian curves the other way at the end
    level: int  # directions in which it hardly curves there
    weak: int  # whether a side may not hold the end that is near
    dependent: int  # whether gradients of what holds it may depend on each other
    barrier: float  # its weight, mu
    first_barrier: float
    least_barrier: float
    sign: float  # of the objective: -1 to find a maximum
    scale: float  # of the objective
    convexity: float  # what was last added to the Hessian's diagonal
    most_violated: float  # the sum of violations that no step may leave
    little_violated: float  # where the value is what counts
    first_value: float
    violation: float  # the largest, of constraints as they are given
    visible: float  # the same, without what rounding makes
    missed: float  # the optimality conditions, scaled
    complementarity: float
    ctol: float  # allowed violation


@record
class InteriorArrays(RunArrays):
    """Where what such a run works with is: addresses."""

    point: int  # variables, multipliers, the objective's factor: where to evaluate
    image: int  # the gradient there: of the Lagrangian, constraints, the objective
    second: int  # the Hessian there, or its product with a group of columns
    direction: int  # such a group
    places: int  # of the variables that aren't fixed
    scales: int  # of the constraints
    units: int  # by which they change as x does by its size, where that is little
    low: int  # of the constraints, as they are given
    high: int
    # Of unknowns.
    v: int
    v_low: int
    v_high: int
    z_low: int  # multipliers of the sides
    z_high: int
    slope: int  # of the objective
    whole_slope: int  # of the Lagrangian, with the sides' multipliers
    barrier_slope: int
    trial: int
    begun: int  # where a restoration began
    solved: int  # the last iterate that is solved: v, z_low, z_high, and y
    dz_low: int
    dz_high: int
    bent_low: int  # by what these were missed, as steps are straight
    bent_high: int
    # Of constraints.
    y: int
    h: int  # their values, without the slacks
    h_trial: int
    h_more: int
    # Of both.
    right: int
    step: int
    other_step: int
    # What is read from derivatives, by groups of columns.
    group_starts: int  # in the columns
    group_columns: int
    read_starts: int
    read_places: int  # in a product, or in the matrix
    read_entries: int
    # Newton's system, see Elimination.
    values: int  # of its entries: the Hessian's, then the constraints' row by row
    rows: int
    columns: int
    row_starts: int  # of the constraints' entries
    order: int
    starts: int
    within: int
    entry_places: int
    diagonal: int
    parents: int
    factor_starts: int
    factor_rows: int
    system: int
    factors: int
    pivots: int
    marks: int
    ends: int
    reached: int
    path: int
    spread: int
    wanted: int
    found: int
    rest: int
    better: int
    filter: int


@record
class Elimination(Record):
    """The pattern of a sparse symmetric system, and how it is to be solved: addresses.

    The system is stored by columns, in the order of elimination, above its diagonal,
    which is each column's last entry.
    """

    unknowns: int
    entries: int  # of one half, and of the diagonal; each once
    natural: int  # 1: in the order as it is
    rooms: int  # numbers that the room has
    rows: int  # of entries
    columns: int
    late: int  # 1 for an unknown that comes after one of its neighbours
    order: int  # when each unknown is eliminated
    starts: int  # of columns
    within: int  # the row of each entry, by columns
    places: int  # of the given entries among these
    diagonal: int  # places of the diagonal's
    parents: int  # the first row below the diagonal of a factor's column
    factor_starts: int  # of the factors' columns
    # To work with.
    room: int
    first: int
    count: int
    parts: int
    kind: int
    mark: int
    met: int
    outside: int
    degree: int
    heads: int
    after: int
    before: int


@record
class Grouping(Record):
    """A pattern by rows and by columns, and the groups of its columns: addresses."""

    rows: int
    columns: int
    entries: int
    row_starts: int
    in_row: int  # columns
    column_starts: int
    in_column: int  # rows
    groups: int
    taken: int  # to work with


FILTER = 256  # pairs in a filter, at most

WATCHED = 4  # numbers that lanes are compared with: norm, ftol, target, patience
TRACE_ROWS = 4096  # recorded in one slice at most

CONVERGED = int(Status.CONVERGED)
TARGET_REACHED = int(Status.TARGET_REACHED)
STALLED = int(Status.STALLED)
DIVERGED = int(Status.DIVERGED)
ABNORMAL = int(Status.ABNORMAL)
INFEASIBLE = int(Status.INFEASIBLE)

# How the kernels are called, see ``machine.Kernel``.
EVALUATION = "d:ppp"  # of value and gradient, and of the Hessian
PRODUCT = "d:pppp"  # of the Hessian with a direction
TRAJECTORY = "i:ppppppppp"
TRAJECTORY_LOOP = TRAJECTORY + "p"
INITIAL = "i:iippp"
INITIAL_LOOP = INITIAL + "p"
LANES = "i:piiiipppp"
BLOCKS = "i:iippiiipppppppppp"
DESCENT = "i:pp"  # a run, its arrays
ANALYSIS = "i:p"  # of a pattern
EACH = "i:ippiiiiiiiiiii"
LARGE = "i:ppp"
LARGE_STEP = "i:pppppppppi"
EXAMINATION = "i:pp"
EXAMINATION_EACH = "i:ppiiiiiiiiii"

MEMORY = 10  # pairs that L-BFGS remembers
VECTORS = 6  # of working space, beside the pairs


def solver_space(n: int) -> int:
    """Return how many numbers the solver needs: for pairs, their weights, vectors."""
    return 2 * MEMORY * (n + 1) + VECTORS * n


MODEL_VECTORS = 11  # that a truncated Newton step works with: no more than the pairs


HISTORY = 10  # values that a spectral step is compared with
SPECTRAL_VECTORS = 3  # of working space, beside these values


def spectral_space(n: int) -> int:
    """Return how many numbers spectral steps need: for values, vectors."""
    return HISTORY + SPECTRAL_VECTORS * n


# What an end is, see ``kernels.examination``.
EXACT, INEXACT, LOWER, FLAT, SADDLE, UNKNOWN = range(6)


@record
class EndState(Record):
    """What is known of an end, and what its examination finds."""

    evaluations: int
    variables: int
    parameters: int
    first: float  # the value at the start
    value: float  # that at the end
    close: float  # the longest step, as a part of x, that Newton's method may leave
    slope: float  # a point is lower if it is so by more than this for each unit of x
    analytic: float  # 2: no part of the formula has a kink, 1: its roots may; 0: others
    promised: float  # what Newton's step would lower the value by
    moved: float  # the largest part of x by which it would change it
    lower_value: float  # that at the lowest point that was found, or inf
    weak: float  # 1: f hardly rises along some direction, and it may be a tail


@record
class EndArrays(Record):
    """Where what an examination works with is: addresses."""

    function: int  # of value and gradient
    hessian: int  # 0: there is none
    x: int
    gradient: int
    origin: int  # where the run began
    constants: int
    lower: int
    upper: int
    work: int
    matrices: int  # four
    # Rows of the work, which the kernel finds itself.
    free: int
    scale: int
    trial: int
    trial_g: int
    lower_x: int  # the lowest point that was found, and its gradient
    lower_g: int
    units: int
    step: int  # Newton's
    along: int
    moves: int
    inner_scale: int
    normal: int
    kept: int
    place: int
    beside: int
    beside_g: int


END_ROWS = 16


TRAJECTORY_FORM = 21  # integers, see ``TrajectoryForm``


class TrajectoryForm(NamedTuple):
    """What the loop of rules is told of a rule and an objective, in this order.

    Numbers of variables, of slots of each, of hyperparameters and parameters; of totals
    over coordinates, and how often they are to be formed before an update; whether
    there are bounds; whether the last parameter is the number of the update; whether
    the gradient is watched, and which slots, as bits; points and vectors of an update,
    values at points that it reads, and derivatives, and the stages that end with a
    gradient, a product, or a value alone, as bits; then addresses of functions.
    """

    variables: int
    width: int
    hyperparameters: int
    parameters: int
    totals: int
    stages: int
    bounded: int
    online: int
    gradient: int
    slots: int
    places: int
    values: int
    derivatives: int
    evaluates: int
    multiplies: int
    probes: int
    value: Any
    product: Any
    schedule: Any
    summands: Any
    update: Any


SCHEDULE = "i:dpp"  # (t, h) -> hyperparameters
UPDATE = "i:dddpippp"  # (t, g, f, s, k, hyper, totals) -> slots; or summands, places


@record
class BlockShape(Record):
    """What a block of lanes is like, and when no further one is to begin."""

    variables: int
    width: int  # slots of a variable
    hyperparameters: int
    parameters: int
    descents: int
    lanes: int
    varied_h: int  # whether hyperparameters have a column for each descent, or one
    varied_p: int  # likewise parameters
    # Where the quantities of a block begin in its table: ``LaneRows``.
    marks: int
    end_slots: int
    end_marks: int
    end_fg: int
    alive: int
    hyper_row: int
    parameters_row: int
    rows: int
    stop: int  # becomes 1


class LaneRows(NamedTuple):
    """Where the quantities of a block of lanes stand in its table.

    Slots, from row 0, and marks (best value, wait, whether there may be a reason to
    stop) are as they were where the last iterations began; then as they are now.
    """

    marks: int
    end_slots: int
    end_marks: int
    end_fg: int
    alive: int
    hyper: int
    parameters: int
    all: int

    @classmethod
    def of(cls, n: int, width: int, n_h: int, n_p: int) -> LaneRows:
        """Return the rows for so many variables, slots of each, constants."""
        heights = (n * width, 3, n * width, 3, n + 1, 1, n_h, n_p)
        return cls(*itertools.accumulate(heights))


def blocks_space(n: int, width: int, n_h: int, n_p: int, block: int) -> int:
    """Return how many numbers the loop over blocks needs: see ``blocks.entry``."""
    alone = -(-(2 * n * width + n + 1 + n + n_h + n_p) // 8) * 8
    rows = LaneRows.of(n, width, n_h, n_p).all
    return alone + 8 + (rows + 1) * block
