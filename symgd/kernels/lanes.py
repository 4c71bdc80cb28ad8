"""Iterations of many trajectories side by side, in SIMD lanes.

A block of lanes advances without a branch, its state in registers, and only notes
whether any of its lanes may have met a reason to stop on the way; see ``blocks``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

from llvmlite import ir

from symgd.arithmetic.primitives import choose, largest_size
from symgd.lowering.building import (
    DOUBLE,
    POINTER,
    WORD,
    counting,
    function_of,
    memory,
)
from symgd.lowering.packs import Block
from symgd.lowering.tracing import Numbers, Value, writing
from symgd.lowering.watching import felt, steepness
from symgd.native.machine import ENTRY
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
    bounded, steep, patient : bool
        Whether there are bounds; whether these may hold a variable against an infinite
        slope; whether patience is limited.
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
    steep: bool
    patient: bool
    value: bool
    gradient: bool
    slots: tuple[int, ...]
    varied: tuple[bool, bool]


def _steps(
    value_and_gradient: Any,
    product: Any,
    schedule: Any,
    update: Any,
    sizes: Sizes,
    form: Form,
) -> Any:
    """Return one update of a register of lanes, what precedes and what follows it.

    Seen is, since the last look: the smallest norm; a sum of what is watched, finite
    unless one of it wasn't; the lowest value; then the best value, the iterations
    since, and the most of them. These are straight-line functions of packs, cheap
    alarms: whoever looks closer finds the reason or none.
    """
    width, bounded, patient = sizes.width, form.bounded, form.patient
    value, gradient, watched = form.value, form.gradient, form.slots
    online, steep = sizes.online, form.steep

    def within(s: Any, lower: Any, upper: Any) -> Any:
        result: tuple[Any, ...] = ()
        if not bounded:
            return s
        for place, x in enumerate(s):
            if place % width == 0:
                low, high = lower[place // width], upper[place // width]
                x = choose(x < low, low, x)
                x = choose(x > high, high, x)
            result = (*result, x)
        return result

    def given_to_rule(fg: Any, s: Any, lower: Any, upper: Any) -> Any:
        if not steep:
            return fg
        result = fg[:1]
        for k, g in enumerate(fg[1:]):
            result = (*result, felt(g, s[k * width], lower[k], upper[k]))
        return result

    def elsewhere(s: Any, given: Any) -> Any:
        p, lower, upper = given
        s = within(s, lower, upper)
        return given_to_rule(value_and_gradient(s, p), s, lower, upper)

    def multiplied(s: Any, vector: Any, given: Any) -> Any:
        return product(s, vector, given[0])

    def projected(slopes: Any, s: Any, lower: Any, upper: Any) -> Any:
        result: tuple[Any, ...] = ()
        for k, g in enumerate(slopes):
            result = (*result, steepness(g, s[k * width], lower[k], upper[k]))
        return result

    def observe(fg: Any, s: Any, seen: Any, ftol: Any, lower: Any, upper: Any) -> Any:
        low, total, lowest, best, wait, longest = seen
        f, slopes = fg[0], fg[1:]
        if gradient:
            for g in slopes:
                total = total + g
        for place, number in enumerate(s):
            if place % width in watched:
                total = total + number
        if bounded:
            slopes = projected(slopes, s, lower, upper)
        norm = largest_size(*slopes)
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
        p = (*p[:-1], now) if online else p
        fg = given_to_rule(value_and_gradient(s, p), s, lower, upper)
        seen = observe(fg, s, seen, limits[1], lower, upper)
        given = p, lower, upper
        s = update(now, fg, s, schedule(now, h), elsewhere, multiplied, given)
        return within(s, lower, upper), seen

    def last_look(
        state: Any, p: Any, alive: Any, now: Any, limits: Any, lower: Any, upper: Any
    ) -> Any:
        s, seen = state
        gtol, ftol, target, limit = limits
        fg = value_and_gradient(s, (*p[:-1], now) if online else p)
        known = given_to_rule(fg, s, lower, upper)
        seen = observe(known, s, seen, ftol, lower, upper)
        low, total, lowest, best, wait, longest = seen
        for number in (*s, *known):
            total = total + number
        goes_on = (low > gtol) & (abs(total) < inf) & (lowest > target)
        noticed = choose(goes_on & (longest < limit), 0.0, alive[0])
        return s, (best, wait, noticed), fg

    return begun, step, last_look


def iteration(
    value_and_gradient: Any,
    product: Any,
    schedule: Any,
    update: Any,
    sizes: Sizes,
    form: Form,
) -> str:
    """Return the module of the loop over the iterations of a block.

    Parameters
    ----------
    value_and_gradient, product, schedule, update : straight-line functions
        Of all variables, see ``in_lanes`` of ``lowering.scalar_objective``; the product
        may be None where the update reads none.
    sizes : Sizes
    form : Form

    Returns
    -------
    str
        ``iterate(table, t, steps, stop, shortest, watched, lower, upper, reached)``
        advances the lanes in a table (see ``LaneRows``) from iteration t, at first
        so many steps, then until a lane may have a reason to stop, or to ``stop``;
        ``reached`` says how far it came, and with how many steps since it looked.
    """
    begin, advance, look = _steps(
        value_and_gradient, product, schedule, update, sizes, form
    )
    kinds = [POINTER, *[WORD] * 4, *[POINTER] * 4]
    function = function_of(ENTRY, WORD, kinds)
    build = ir.IRBuilder(function.append_basic_block())
    table, t, steps, stop, shortest, watched, lower, upper, reached = function.args
    block = Block(build, table, form.registers, form.width)
    n, width, n_h, n_p = (
        *(sizes.variables, sizes.width, sizes.hyperparameters, sizes.parameters),
    )
    rows = LaneRows.of(n, width, n_h, n_p)
    bounds = Numbers(build, lower), Numbers(build, upper)
    numbers = Numbers(build, watched)
    limits = tuple(numbers[k] for k in range(WATCHED))
    h = block.loaded(rows.hyper, n_h, alike=not form.varied[0])
    p = block.loaded(rows.parameters, n_p, alike=not form.varied[1])
    s, seen = block.memory(n * width), block.memory(6)
    marks, fg = block.memory(3), block.memory(1 + n)
    s.write(block.loaded(0, n * width))
    marks.write(block.loaded(rows.marks, 3))
    done, since = memory(build, WORD), memory(build, WORD)
    build.store(t, done)
    build.store(steps, since)

    again = build.append_basic_block("again")
    build.branch(again)
    build.position_at_end(again)
    block.store(0, s.read())
    block.store(rows.marks, marks.read())
    for own in block.each():
        s[own], seen[own] = writing(begin)(s[own], marks[own])
    now, count = build.load(done), build.load(since)
    with counting(build, WORD(0), count) as i:
        at = _time(build, build.add(now, i))
        for own in block.each():
            state = s[own], seen[own]
            s[own], seen[own] = writing(advance)(
                state, h[own], p[own], at, limits, *bounds
            )
    alive = block.loaded(rows.alive, 1)
    reached_t = build.add(now, count)
    at = _time(build, reached_t)
    for own in block.each():
        state = s[own], seen[own]
        s[own], marks[own], fg[own] = writing(look)(
            state, p[own], alive[own], at, limits, *bounds
        )
    build.store(reached_t, done)
    noticed = block.any_nonzero([own[2] for own in marks.read()])
    ended = build.or_(noticed, build.icmp_signed(">=", reached_t, stop))
    more, end = build.append_basic_block("more"), build.append_basic_block("end")
    build.cbranch(ended, end, more)

    build.position_at_end(more)
    next_steps = _smaller(build, build.ashr(reached_t, WORD(4)), WORD(LONGEST))
    next_steps = build.select(
        build.icmp_signed(">", shortest, next_steps), shortest, next_steps
    )
    left = build.sub(stop, reached_t)
    build.store(_smaller(build, next_steps, left), since)
    build.branch(again)

    build.position_at_end(end)
    block.store(rows.end_slots, s.read())
    block.store(rows.end_marks, marks.read())
    block.store(rows.end_fg, fg.read())
    words = build.bitcast(reached, WORD.as_pointer())
    for place, word in enumerate((reached_t, count)):
        build.store(word, build.gep(words, [WORD(place)], inbounds=True))
    build.ret(WORD(0))
    return str(function.module)


def _time(build: Any, t: Any) -> Value:
    """Return the number of the next iteration."""
    number = build.sitofp(t, DOUBLE)
    return Value(build, build.fadd(number, DOUBLE(1.0)))


def _smaller(build: Any, a: Any, b: Any) -> Any:
    return build.select(build.icmp_signed("<", a, b), a, b)
