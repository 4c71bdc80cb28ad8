"""Iterations of many trajectories side by side, in SIMD lanes.

A block of lanes advances without a branch, its state in registers, and only notes
whether any of its lanes may have met a reason to stop on the way; see ``blocks``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

from symgd.arithmetic.primitives import choose
from symgd.lowering.intrinsics import floats, integers
from symgd.lowering.packs import (
    any_nonzero,
    for_each,
    loaded,
    numbers_of_rows,
    part,
    stored,
)
from symgd.lowering.watching import steepness
from symgd.native.records import WATCHED, LaneRows

LONGEST = 240  # iterations between two looks at the lanes


@dataclass(frozen=True)
class Sizes:
    """The numbers of variables, slots of each, hyperparameters and parameters.

    ``online`` says whether the last parameter is the number of the update.
    """

    variables: int
    width: int
    hyperparameters: int
    parameters: int
    online: bool = False


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
        Of each variable, the slots that are watched; see ``lowering.watching``.
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
    online = sizes.online

    def projected(s: Any, lower: Any, upper: Any) -> Any:
        result: tuple[Any, ...] = ()
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
            size = steepness(g, s[k * width], lower[k], upper[k])
            largest = choose(size > largest, size, largest)
        return largest

    def observe(fg: Any, s: Any, seen: Any, ftol: Any, lower: Any, upper: Any) -> Any:
        low, total, lowest, best, wait, longest = seen
        f, norm = fg[0], abs(fg[1])
        for g in fg[2:]:
            norm = norm + abs(g)
        if gradient:
            total = total + norm
        for place, number in enumerate(s):
            if place % width in watched:
                total = total + number
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
        fg = value_and_gradient(s, (*p[:-1], now) if online else p)
        seen = observe(fg, s, seen, limits[1], lower, upper)
        s = update(now, fg, s, schedule(now, h))
        if bounded:
            s = projected(s, lower, upper)
        return s, seen

    def last_look(
        state: Any, p: Any, alive: Any, now: Any, limits: Any, lower: Any, upper: Any
    ) -> Any:
        s, seen = state
        small, ftol, target, limit = limits
        fg = value_and_gradient(s, (*p[:-1], now) if online else p)
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


def iteration(
    value_and_gradient: Any, schedule: Any, update: Any, sizes: Sizes, form: Form
) -> Any:
    """Return the loop over the iterations of a block, as a function of addresses.

    Parameters
    ----------
    value_and_gradient, schedule, update : straight-line functions
        Of all variables, see ``in_lanes`` of ``lowering.scalar_objective``.
    sizes : Sizes
    form : Form

    Returns
    -------
    function
        ``iterate(table, t, steps, stop, shortest, watched, lower, upper, reached)``
        advances the lanes in a table (see ``LaneRows``) from iteration t, at first
        so many steps, then until a lane may have a reason to stop, or to ``stop``;
        ``reached`` says how far it came, and with how many steps since it looked.
    """
    n, width, n_h, n_p = (
        *(sizes.variables, sizes.width, sizes.hyperparameters, sizes.parameters),
    )
    size, registers, lane_width = n * width, form.registers, form.width
    rows = LaneRows.of(n, width, n_h, n_p)
    marks_row, end_slots, end_marks, end_fg, alive_row, h_row, p_row, all_rows = rows
    block = registers * lane_width
    read_h = loaded if form.varied[0] else numbers_of_rows
    read_p = loaded if form.varied[1] else numbers_of_rows
    begin, advance, look = _steps(value_and_gradient, schedule, update, sizes, form)

    def iterate(
        table: Any, t: int, steps: int, stop: int, shortest: int, watched: Any,
        lower: Any, upper: Any, reached: Any,
    ) -> int:  # fmt: skip
        table = floats(table, (all_rows, block))
        watched, reached = floats(watched, (WATCHED,)), integers(reached, (2,))
        lower, upper = floats(lower, (n,)), floats(upper, (n,))
        s = loaded(table, 0, size, registers, lane_width)
        marks = loaded(table, marks_row, 3, registers, lane_width)
        h = read_h(table, h_row, n_h, registers, lane_width)
        p = read_p(table, p_row, n_p, registers, lane_width)
        limits = (watched[0], watched[1], watched[2], watched[3])
        while True:
            stored(table, 0, s)
            stored(table, marks_row, marks)
            states = begin((s, marks), ())
            for i in range(steps):
                now = t + i + 1.0
                states = advance((states, h, p), (now, limits, lower, upper))
            alive = loaded(table, alive_row, 1, registers, lane_width)
            now = t + steps + 1.0
            ends = look((states, p, alive), (now, limits, lower, upper))
            s, marks = part(ends, 0), part(ends, 1)
            t += steps
            if any_nonzero(marks, 2) or t >= stop:
                break
            steps = min(max(shortest, min(t // 16, LONGEST)), stop - t)
        stored(table, end_slots, s)
        stored(table, end_marks, marks)
        stored(table, end_fg, part(ends, 2))
        reached[0], reached[1] = t, steps
        return 0

    return iterate
