"""Many trajectories in blocks of lanes: who is in a block, who stops, and where.

``lanes`` advances a block and says when a lane may have a reason to stop. Such a lane
is taken back to where its last iterations began, and the loop for one trajectory finds
the exact end, or that there was none: with the same roundings, so that a descent is the
same, bit for bit, alone or among others. Both are called by their addresses: this loop
is compiled once for all formulas.
"""

from __future__ import annotations

from math import inf
from typing import Any

from symgd.kernels.common import run_at
from symgd.lowering.intrinsics import (
    as_integers,
    as_table,
    call_at,
    floats,
    integers,
    record_at,
)
from symgd.lowering.jitting import jit
from symgd.native.records import (
    WATCHED,
    BlockShape,
)
from symgd.native.status import RUNNING

shape_at = record_at(BlockShape)

SHORTEST, FIXED = 64, 240  # iterations between two looks at the lanes


@jit
def _get(
    source: Any, columns: Any, in_a_row: bool, varied: int, table: Any, row: int
) -> None:
    """Copy a block's columns; where all are the same, the one that is looked at."""
    lanes = columns.shape[0] if varied != 0 else 1
    first = varied * columns[0]
    for j in range(source.shape[0]):
        if in_a_row or varied == 0:
            for lane in range(lanes):
                table[row + j, lane] = source[j, first + lane]
        else:
            for lane in range(lanes):
                table[row + j, lane] = source[j, columns[lane]]


@jit
def _put(
    target: Any, columns: Any, in_a_row: bool, alive: Any, table: Any, row: int
) -> None:
    """Copy the columns of living lanes back; those in a row all live."""
    lanes, first = columns.shape[0], columns[0]
    for j in range(target.shape[0]):
        if in_a_row:
            for lane in range(lanes):
                target[j, first + lane] = table[row + j, lane]
        else:
            for lane in range(lanes):
                if alive[lane] != 0.0:
                    target[j, columns[lane]] = table[row + j, lane]


@jit
def _alone(
    descend: int, lane: int, who: int, since: int, last: int, table: Any,
    hyper: Any, varied_h: int, parameters: Any, varied_p: int, marks_row: int,
    lower: Any, upper: Any, run: Any, one: Any, candidate: Any,
    gradient: Any, h: Any, p: Any, slots: Any, fg: Any, ends: Any,
) -> bool:  # fmt: skip
    """Repeat a lane's last iterations alone; enter its end, if it has one."""
    width, n = one.shape
    for k in range(n):
        for j in range(width):
            one[j, k] = table[k * width + j, lane]
    for j in range(h.shape[0]):
        h[j] = hyper[j, varied_h * who]
    for j in range(p.shape[0]):
        p[j] = parameters[j, varied_p * who]
    # The first iterate is evaluated again, and its wait counted again.
    run.t, run.pending, run.last = since - 1, 1, last
    run.best = table[marks_row, lane]
    run.waited = int(table[marks_row + 1, lane]) - 1
    arguments = (run, one, candidate, gradient, h, p, lower, upper, one)
    status = call_at(descend, arguments)
    if status == RUNNING:
        return False
    for k in range(n):
        fg[k + 1, who] = gradient[k]
        for j in range(width):
            slots[k * width + j, who] = one[j, k]
    fg[0, who] = run.value
    if run.t < 0:  # there is no last finite iterate, only the start
        for k in range(n + 1):
            fg[k, who] = candidate[n * width + k]
    ends[0, who], ends[1, who] = status, run.t
    return True


def entry(
    iterate: int, descend: int, shape: Any, active: Any, count: int, start: int,
    stop: int, slots: Any, hyper: Any, parameters: Any, fg: Any, marks: Any, ends: Any,
    lower: Any, upper: Any, run: Any, scratch: Any,
) -> int:  # fmt: skip
    """Advance some descents from iteration ``start``, or their starts if it is -1.

    Parameters
    ----------
    iterate, descend : addresses
        Of the loops of lanes and of one trajectory.
    shape : address
        See ``native.records.BlockShape``.
    active : integers
        The numbers of the descents, ``count`` of them.
    slots, hyper, parameters, fg, marks, ends : arrays
        The quantities of all descents, a column for each: among them value and
        gradient, best value and wait (if patience is limited), status and iterations.
    scratch : array
        Space for one trajectory, and for a block and what its lanes are compared with.
    """
    shape = shape_at(shape)
    n, width = shape.variables, shape.width
    n_h, n_p = shape.hyperparameters, shape.parameters
    descents, block = shape.descents, shape.lanes
    varied_h, varied_p = shape.varied_h, shape.varied_p
    marks_row, alive_row = shape.marks, shape.alive
    end_slots, end_marks = shape.end_slots, shape.end_marks
    size, outputs, all_rows = n * width, n + 1, shape.rows
    run = run_at(run)
    patient = run.patience > 0
    who, ends = integers(active, (count,)), integers(ends, (2, descents))
    slots, fg = floats(slots, (size, descents)), floats(fg, (outputs, descents))
    marks = floats(marks, (2 if patient else 0, descents))
    hyper = floats(hyper, (n_h, descents if varied_h else 1))
    parameters = floats(parameters, (n_p, descents if varied_p else 1))
    lower, upper = floats(lower, (n,)), floats(upper, (n,))
    # Eight numbers are a line of the cache: where scratch begins on one, so does the
    # table, and no register is loaded from two lines.
    used = -(-(2 * size + outputs + n + n_h + n_p) // 8) * 8
    space = floats(scratch, (used + 8 + (all_rows + 1) * block,))
    one, candidate = floats(scratch, (width, n)), space[size : 2 * size + outputs]
    own = space[2 * size + outputs :]
    gradient, h, p = own[:n], own[n : n + n_h], own[n + n_h : n + n_h + n_p]
    watched = space[used : used + WATCHED]
    reached = as_integers(space[used + WATCHED : used + 8])
    columns = as_integers(space[used + 8 : used + 8 + block])
    table = as_table(space[used + 8 + block :], block)
    watched[0], watched[1], watched[2] = run.gtol, run.ftol, run.target
    watched[3] = float(run.patience) if patient else inf
    # Where no lane can converge, there is nothing to repeat.
    shortest = SHORTEST if run.gtol > 0.0 else FIXED

    for first in range(0, count, block):
        if shape.stop != 0:  # the calls in the loop keep this from being moved out
            break
        filled = min(block, count - first)
        for lane in range(block):  # lanes without a descent repeat the last one
            columns[lane] = who[first + min(lane, filled - 1)]
            table[alive_row, lane] = 1.0 if lane < filled else 0.0
            table[marks_row, lane], table[marks_row + 1, lane] = inf, 0.0
        # Lanes that repeat a descent make up for as many that are left out between.
        in_a_row = filled == block and columns[block - 1] - columns[0] == block - 1
        _get(slots, columns, in_a_row, 1, table, 0)
        _get(marks, columns, in_a_row, 1, table, marks_row)
        _get(hyper, columns, in_a_row, varied_h, table, shape.hyper_row)
        _get(parameters, columns, in_a_row, varied_p, table, shape.parameters_row)
        running, t = filled, max(start, 0)
        steps = min(shortest, stop - t)
        while True:
            arguments = (table, t, steps, stop, shortest, watched, lower, upper)
            call_at(iterate, (*arguments, reached))
            t, steps = reached[0], reached[1]
            for lane in range(filled):
                if table[end_marks + 2, lane] != 0.0 and _alone(
                    *(descend, lane, columns[lane], t - steps, t, table),
                    *(hyper, varied_h, parameters, varied_p, marks_row),
                    *(lower, upper, run, one, candidate),
                    *(gradient, h, p, slots, fg, ends),
                ):
                    table[alive_row, lane] = 0.0
                    running -= 1
            if t >= stop or running == 0:
                break
            for j in range(size + 3):
                for lane in range(block):
                    table[j, lane] = table[end_slots + j, lane]
            steps = min(shortest, stop - t)
        living, in_a_row = table[alive_row], in_a_row and running == block
        _put(slots, columns, in_a_row, living, table, end_slots)
        _put(fg, columns, in_a_row, living, table, shape.end_fg)
        _put(marks, columns, in_a_row, living, table, end_marks)
        for lane in range(filled):
            if living[lane] != 0.0:
                ends[1, columns[lane]] = t
    return 0
