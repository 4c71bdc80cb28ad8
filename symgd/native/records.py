"""The plain arrays that describe a run, and what stands where in them.

Kernels keep their counts in one array of integers and their numbers in one of
floats, so that a run can be stopped, stored and continued anywhere.

Elsewhere they are the fields of a struct.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

from symgd.native.status import Status

COUNTERS = 22
T = 0  # the last evaluated iterate; -1 before the start has been evaluated
LAST = 1  # where the slice ends
EVERY = 2  # updates from one recorded row of the trace to the next; 0: none
ROWS = 3  # rows recorded in this slice
PATIENCE = 4  # iterations without improvement that are allowed; 0: any number
WAITED = 5  # iterations since the value last improved
EVALUATIONS = 6  # of value and gradient
PAIRS = 7  # of steps and gradient changes that a quasi-Newton method remembers
NEWEST = 8  # of these pairs
IDLE = 9  # steps in a row that lowered no value by more than rounding
NEWTON = 10  # 1: directions from the exact Hessian, 0: from the pairs
PENDING = 11  # 1: the slots hold an iterate that has not been evaluated yet
VARIABLES = 12  # where the kernel doesn't know their number
PARAMETERS = 13  # likewise
STALE = 14  # of the newest pairs, how many have no curvature yet
PLACE = 15  # of the iterate, where several rows take turns
AHEAD = 16  # -1: what was computed beyond the iterate isn't finite
CURSOR = 17  # where the next batch begins in the order of rows
EPOCH = 18  # how often all rows have been shuffled
RANDOM = 19  # the generator's state: two numbers
KEPT = 21  # the iterate that is kept, to come back to

LIMITS = 11
GTOL, FTOL, TARGET = 0, 1, 2
BEST = 3  # the value by which improvement is measured
NORM = 4  # the largest component of the (projected) gradient at the iterate
VALUE = 5  # of the objective at the iterate
REACH = 6  # how far the last search went along a gradient that did not bend
STEP = 7  # the next spectral step; 0 where nothing is known of the curvature
FLATTEST = 8  # the smallest NORM so far
BOTTOM = 9  # a value below shows that there is no lowest
DEEPEST = 10  # the value that a step must lower visibly not to be idle

WATCHED = 4  # numbers that lanes are compared with: norm, ftol, target, patience
TRACE_ROWS = 4096  # recorded in one slice at most

CONVERGED = int(Status.CONVERGED)
TARGET_REACHED = int(Status.TARGET_REACHED)
STALLED = int(Status.STALLED)
DIVERGED = int(Status.DIVERGED)
ABNORMAL = int(Status.ABNORMAL)

# How the kernels are called, see ``machine.Kernel``.
EVALUATION = "d:ppp"  # of value and gradient, and of the Hessian
TRAJECTORY = "i:pppppppppp"
TRAJECTORY_LOOP = TRAJECTORY + "p"
INITIAL = "i:iippp"
INITIAL_LOOP = INITIAL + "p"
LANES = "i:piiiipppp"
BLOCKS = "i:iippiiippppppppppp"
SOLVER = "i:iipppppppppppp"
SOLVER_EACH = "i:ippiiippppppppppppp"
SPECTRAL = "i:ipppppppppp"
LARGE = "i:pppppppppppppp"
LARGE_STEP = "i:pppppppppi"
SPECTRAL_EACH = "i:ippiiipppppppppppp"
EXAMINATION = "i:iipppppppppp"
EXAMINATION_EACH = "i:iippiiippppppppppp"

MEMORY = 10  # pairs that L-BFGS remembers
VECTORS = 6  # of working space, beside the pairs


def solver_space(n: int) -> tuple[int, int, int]:
    """Return how many numbers the solver needs: for pairs, their weights, vectors."""
    return 2 * MEMORY * n, 2 * MEMORY, VECTORS * n


HISTORY = 10  # values that a spectral step is compared with
SPECTRAL_VECTORS = 3  # of working space, beside these values


def spectral_space(n: int) -> tuple[int, int]:
    """Return how many numbers spectral steps need: for values, vectors."""
    return HISTORY, SPECTRAL_VECTORS * n


# What an end is, see ``kernels.examination``.
EXACT, INEXACT, LOWER, FLAT, SADDLE, UNKNOWN = range(6)
FACTS = 8
FIRST = 0  # the value at the start
VALUE_THERE = 1  # that at the end
CLOSE = 2  # the longest step, as a part of x, that Newton's method may have left
PROMISED = 3  # what that step would lower the value by
MOVED = 4  # the largest part of x by which it would change it
LOWER_VALUE = 5  # that at the lowest point that was found, or inf
SLOPE = 6  # a point is lower if it is so by more than this for each unit of x
ANALYTIC = 7  # 2: no part of the formula has a kink, 1: its roots may, 0: others, too
EXAMINED_VECTORS = 14  # of working space

TRAJECTORY_FORM = 14  # integers, see ``TrajectoryForm``


class TrajectoryForm(NamedTuple):
    """What the loop of rules is told of a rule and an objective, in this order.

    Numbers of variables, of slots of each, of hyperparameters and parameters; of totals
    over coordinates, and how often they are to be formed before an update; whether
    there are bounds; whether the last parameter is the number of the update; whether
    the gradient is watched, and which slots, as bits; then addresses of functions.
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
    value: Any
    schedule: Any
    summands: Any
    update: Any


SCHEDULE = "i:dpp"  # (t, h) -> hyperparameters
UPDATE = "i:dddpippp"  # (t, g, f, s, k, hyper, totals) -> slots, or summands

SHAPE = 17  # integers that describe a block: see ``blocks.entry``
STOP = 16  # of these, becomes 1 when no further block is to begin


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
