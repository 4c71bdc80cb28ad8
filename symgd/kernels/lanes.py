"""Many trajectories of one rule, side by side in SIMD lanes.

A block of lanes advances some iterations without a branch, its state in registers, and
only notes whether any of its lanes may have met a reason to stop on the way. A lane
that did is taken back to where these iterations began, and the loop for one trajectory
finds the exact end, or that there was none: the same functions with the same
roundings, so that a descent is the same, bit for bit, alone or among others.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import numba

from symgd.kernels.run import (
    BEST,
    COUNTERS,
    FTOL,
    GTOL,
    LAST,
    LIMITS,
    PATIENCE,
    PENDING,
    TARGET,
    VALUE,
    WAITED,
    T,
)
from symgd.kernels.trajectory import Sizes
from symgd.lowering.intrinsics import floats, integers, integers_on_stack, local
from symgd.lowering.native import JIT_OPTIONS
from symgd.lowering.packs import (
    any_nonzero,
    for_each,
    loaded,
    numbers_of_rows,
    part,
    stored,
)
from symgd.primitives import choose
from symgd.status import RUNNING

CHUNK = 64, 240  # iterations between two looks at the lanes: at first, and at most


@dataclass(frozen=True)
class Form:
    """What a kernel of lanes is specialised for.

    Attributes
    ----------
    width, registers : int
        Numbers in a register; registers that a block is wide.
    bounded, patient : bool
        Whether there are bounds; whether patience is limited.
    value, gradient : bool
        Whether these are watched at each iterate.
    slots : tuple of int
        The slots that are watched at each iterate; the others keep an infinity.
    varied : (bool, bool)
        Whether hyperparameters, and parameters, differ from lane to lane.
    """

    width: int
    registers: int
    bounded: bool
    patient: bool
    value: bool
    gradient: bool
    slots: tuple[int, ...]
    varied: tuple[bool, bool]


def _inlined(function: Any) -> Any:
    return numba.njit(forceinline=True, **JIT_OPTIONS)(function)


@_inlined
def _adjacent(columns: Any) -> bool:
    last = columns.shape[0] - 1
    return columns[last] - columns[0] == last


@_inlined
def _get_columns(source: Any, columns: Any, table: Any, row: int, count: int) -> None:
    if _adjacent(columns):  # as they are unless some descents have ended
        first = columns[0]
        for j in range(count):
            for lane in range(columns.shape[0]):
                table[row + j, lane] = source[j, first + lane]
        return
    for j in range(count):
        for lane in range(columns.shape[0]):
            table[row + j, lane] = source[j, columns[lane]]


@_inlined
def _put_columns(
    target: Any, columns: Any, alive: Any, running: int, table: Any, row: int,
    count: int,
) -> None:  # fmt: skip
    if running == columns.shape[0] and _adjacent(columns):
        first = columns[0]
        for j in range(count):
            for lane in range(columns.shape[0]):
                target[j, first + lane] = table[row + j, lane]
        return
    for lane in range(columns.shape[0]):
        if alive[lane] != 0:
            for j in range(count):
                target[j, columns[lane]] = table[row + j, lane]


class _Rows:
    """Where the quantities of a block stand in its table."""

    def __init__(self, size: int, outputs: int, n_h: int, n_p: int) -> None:
        self.slots = 0  # where the iterations began
        self.marks = size  # best value, wait, whether there may be a reason to stop
        self.end_slots = self.marks + 3  # where they ended
        self.end_marks = self.end_slots + size
        self.end_fg = self.end_marks + 3
        self.alive = self.end_fg + outputs
        self.hyper = self.alive + 1
        self.parameters = self.hyper + n_h
        self.all = self.parameters + n_p


def _steps(
    value_and_gradient: Any, schedule: Any, update: Any, sizes: Sizes, form: Form
) -> Any:
    """Return one update of a register of lanes, what precedes and what follows it.

    Seen is, since the last look: the smallest norm, or a sum that is not below it; a
    sum of what is watched, finite unless one of it wasn't; the lowest value; then the
    best value, the iterations since, and the most of them. These are straight-line
    functions of packs, cheap alarms: whoever looks closer finds the reason or none.
    """
    width, bounded, patient = sizes.width, form.bounded, form.patient
    value, gradient, watched = form.value, form.gradient, form.slots

    def projected(s: Any, lower: Any, upper: Any) -> Any:
        result = ()
        for place, x in enumerate(s):
            if place % width == 0:
                low, high = lower[place // width], upper[place // width]
                x = choose(x < low, low, x)
                x = choose(x > high, high, x)
            result = (*result, x)
        return result

    def largest_projected(fg: Any, s: Any, lower: Any, upper: Any) -> Any:
        largest = 0.0
        for k, g in enumerate(fg[1:]):
            step, x = -g, s[k * width]
            step = choose(step > lower[k] - x, step, lower[k] - x)
            step = choose(step < upper[k] - x, step, upper[k] - x)
            largest = choose(abs(step) > largest, abs(step), largest)
        return largest

    def observe(fg: Any, s: Any, seen: Any, ftol: Any, lower: Any, upper: Any) -> Any:
        low, total, lowest, best, wait, longest = seen
        f, norm = fg[0], abs(fg[1])
        for g in fg[2:]:
            norm = norm + abs(g)
        if gradient:
            total = total + norm
        for place in watched:
            total = total + s[place]
        if bounded:
            norm = largest_projected(fg, s, lower, upper)
        low = choose(norm < low, norm, low)
        if value:
            total = total + f
            lowest = choose(f < lowest, f, lowest)
        if patient:
            better = f < best - ftol
            best = choose(better, f, best)
            wait = choose(better, 0.0, wait + 1.0)
            longest = choose(wait > longest, wait, longest)
        return low, total, lowest, best, wait, longest

    def begun(s: Any, marks: Any) -> Any:
        best, wait, _ = marks
        # The first iterate was seen before: it doesn't count as waiting again.
        return s, (inf, 0.0, inf, best, wait - 1.0, -1.0)

    def step(
        state: Any, h: Any, p: Any, now: Any, limits: Any, lower: Any, upper: Any
    ) -> Any:
        s, seen = state
        fg = value_and_gradient(s, p)
        seen = observe(fg, s, seen, limits[1], lower, upper)
        s = update(now, fg, s, schedule(now, h))
        if bounded:
            s = projected(s, lower, upper)
        return s, seen

    def last_look(
        state: Any, p: Any, alive: Any, limits: Any, lower: Any, upper: Any
    ) -> Any:
        s, seen = state
        small, ftol, target, limit = limits
        fg = value_and_gradient(s, p)
        seen = observe(fg, s, seen, ftol, lower, upper)
        low, total, lowest, best, wait, longest = seen
        for number in (*s, *fg):
            total = total + number
        goes_on = (low > small) & (abs(total) < inf) & (lowest > target)
        noticed = choose(goes_on & (longest < limit), 0.0, alive[0])
        return s, (best, wait, noticed), fg

    n = sizes.variables * width
    return (
        for_each(begun, form.width, n, 6),
        for_each(step, form.width, n, 6),
        for_each(last_look, form.width, n, 3, sizes.variables + 1),
    )


def lanes(
    value_and_gradient: Any,
    schedule: Any,
    update: Any,
    descend: Any,
    sizes: Sizes,
    form: Form,
) -> Any:
    """Return the loop over blocks of lanes, as a function of addresses.

    Parameters
    ----------
    value_and_gradient, update
        Of all variables, see ``lowering.lanes``.
    schedule : (t, h) -> tuple
    descend
        The loop for one trajectory, see ``trajectory``.
    sizes : Sizes
    form : Form

    Returns
    -------
    function
        It advances the descents whose numbers are ``active`` from iteration ``start``,
        or from their starts if that is -1, to ``stop``. The quantities of all
        descents are rows, a column for each: ``slots``, ``hyper`` and ``parameters``
        (one column if they don't vary), the
        results ``fg`` (value, gradient) and, with patience, ``marks`` (best, waited),
        and ``ends`` (status, nit). ``scratch`` is space for one trajectory.
    """
    n, width, n_h, n_p = (
        *(sizes.variables, sizes.width, sizes.hyperparameters, sizes.parameters),
    )
    size, outputs, block = n * width, n + 1, form.width * form.registers
    begin, advance_all, look = _steps(value_and_gradient, schedule, update, sizes, form)
    rows = _Rows(size, outputs, n_h, n_p)
    slots_row, marks_row, end_slots, end_marks = (
        *(rows.slots, rows.marks, rows.end_slots, rows.end_marks),
    )
    end_fg, alive_row, h_row, p_row, all_rows = (
        *(rows.end_fg, rows.alive, rows.hyper, rows.parameters, rows.all),
    )
    registers, lane_width, patient = form.registers, form.width, form.patient
    varied_h, varied_p = form.varied
    read_h = loaded if varied_h else numbers_of_rows
    read_p = loaded if varied_p else numbers_of_rows

    @_inlined
    def iterate(
        table: Any, t: int, steps: int, stop: int, shortest: int, limits: Any,
        lower: Any, upper: Any,
    ) -> Any:  # fmt: skip
        """Advance until a lane may have a reason to stop; return how far, and since."""
        s = loaded(table, slots_row, size, registers, lane_width)
        marks = loaded(table, marks_row, 3, registers, lane_width)
        h = read_h(table, h_row, n_h, registers, lane_width)
        p = read_p(table, p_row, n_p, registers, lane_width)
        while True:
            stored(table, slots_row, s)
            stored(table, marks_row, marks)
            states = begin((s, marks), ())
            for i in range(steps):
                now = t + i + 1.0
                states = advance_all((states, h, p), (now, limits, lower, upper))
            alive = loaded(table, alive_row, 1, registers, lane_width)
            ends = look((states, p, alive), (limits, lower, upper))
            s, marks = part(ends, 0), part(ends, 1)
            t += steps
            if any_nonzero(marks, 2) or t >= stop:
                break
            steps = min(max(shortest, min(t // 16, CHUNK[1])), stop - t)
        stored(table, end_slots, s)
        stored(table, end_marks, marks)
        stored(table, end_fg, part(ends, 2))
        return t, steps

    @numba.njit(**JIT_OPTIONS)
    def alone(
        lane: int, who: int, begun_at: int, last: int, table: Any, fg: Any, marks: Any,
        ends: Any, slots: Any, hyper: Any, parameters: Any, lower: Any, upper: Any,
        counters: Any, limits: Any, one: Any, candidate: Any, gradient: Any, h: Any,
        p: Any, no_rows: Any,
    ) -> bool:  # fmt: skip
        """Repeat a lane's last iterations alone; enter its end, if it has one."""
        for k in range(n):
            for j in range(width):
                one[j, k] = table[slots_row + k * width + j, lane]
        for j in range(n_h):
            h[j] = hyper[j, who] if varied_h else hyper[j, 0]
        for j in range(n_p):
            p[j] = parameters[j, who] if varied_p else parameters[j, 0]
        # The first iterate is evaluated again, and its wait counted again.
        counters[T], counters[PENDING], counters[LAST] = begun_at - 1, 1, last
        limits[BEST] = table[marks_row, lane]
        counters[WAITED] = int(table[marks_row + 1, lane]) - 1
        status = descend(
            *(counters, limits, one, candidate, gradient, h, p, lower, upper, no_rows)
        )
        if status == RUNNING:
            return False
        for k in range(n):
            fg[k + 1, who] = gradient[k]
            for j in range(width):
                slots[k * width + j, who] = one[j, k]
        fg[0, who] = limits[VALUE]
        ends[0, who], ends[1, who] = status, counters[T]
        return True

    def advance(
        active: Any, count: int, start: int, stop: int, descents: int, slots: Any,
        hyper: Any, parameters: Any, fg: Any, marks: Any, ends: Any, lower: Any,
        upper: Any, counters: Any, limits: Any, scratch: Any,
    ) -> int:  # fmt: skip
        active, ends = integers(active, (count,)), integers(ends, (2, descents))
        slots, fg = floats(slots, (size, descents)), floats(fg, (outputs, descents))
        marks = floats(marks, (2, descents))
        hyper = floats(hyper, (n_h, descents if varied_h else 1))
        parameters = floats(parameters, (n_p, descents if varied_p else 1))
        lower, upper = floats(lower, (n,)), floats(upper, (n,))
        counters, limits = integers(counters, (COUNTERS,)), floats(limits, (LIMITS,))
        one, no_rows = floats(scratch, (width, n)), floats(scratch, (1, 3 + size))
        space = floats(scratch, (2 * size + outputs + n + n_h + n_p,))
        candidate, space = space[size : 2 * size + outputs], space[2 * size + outputs :]
        gradient, h, p = space[:n], space[n : n + n_h], space[n + n_h :]
        table, columns = local(all_rows, block), integers_on_stack(block)
        zeros = integers_on_stack(block)
        for lane in range(block):
            zeros[lane] = 0
        own_h, own_p = columns if varied_h else zeros, columns if varied_p else zeros
        # Above every sum of magnitudes of which none is above gtol, rounding included.
        small = max(5e-324, n * limits[GTOL] * (1.0 + 1e-12))
        # Where no lane can converge, there is nothing to repeat.
        shortest = CHUNK[0] if limits[GTOL] > 0.0 else CHUNK[1]
        limit = float(counters[PATIENCE]) if patient else inf
        watched = (small, limits[FTOL], limits[TARGET], limit)

        for first in range(0, count, block):
            filled = min(block, count - first)
            for lane in range(block):  # lanes without a descent repeat the last one
                columns[lane] = active[first + min(lane, filled - 1)]
                table[alive_row, lane] = 1.0 if lane < filled else 0.0
            _get_columns(slots, columns, table, slots_row, size)
            if patient:
                _get_columns(marks, columns, table, marks_row, 2)
            _get_columns(hyper, own_h, table, h_row, n_h)
            _get_columns(parameters, own_p, table, p_row, n_p)
            # The start is an iterate that no step leads to.
            running, t = filled, max(start, 0)
            steps = 0 if start < 0 else min(shortest, stop - t)
            while True:
                t, steps = iterate(
                    *(table, t, steps, stop, shortest, watched, lower, upper)
                )
                for lane in range(filled):
                    if table[end_marks + 2, lane] != 0.0 and alone(
                        *(lane, columns[lane], t - steps, t, table, fg, marks, ends),
                        *(slots, hyper, parameters, lower, upper, counters, limits),
                        *(one, candidate, gradient, h, p, no_rows),
                    ):
                        table[alive_row, lane] = 0.0
                        running -= 1
                if t >= stop or running == 0:
                    break
                for j in range(size + 3):
                    for lane in range(block):
                        table[slots_row + j, lane] = table[end_slots + j, lane]
                steps = min(shortest, stop - t)
            living = table[alive_row]
            _put_columns(slots, columns, living, running, table, end_slots, size)
            _put_columns(fg, columns, living, running, table, end_fg, outputs)
            if patient:
                _put_columns(marks, columns, living, running, table, end_marks, 2)
            for lane in range(filled):
                if living[lane] != 0.0:
                    ends[1, columns[lane]] = t
        return 0

    return advance
