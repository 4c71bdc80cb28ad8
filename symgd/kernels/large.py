"""One trajectory of a rule over arrays of any length.

The loop calls what depends on rule and objective by address, so it is compiled once for
all of them.

Where an update is part of the pass that evaluates, a pass looks at one iterate and
makes the next one, in two arrays that take turns; between two slices, and at the end,
the run is at the former. The iterate before is gone by then: should the run diverge,
it is computed again, from one that is kept every KEEP passes. Elsewhere there are three
arrays, and the one before is still there.
"""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

from symgd.kernels.common import WORD, copy, is_held, judged, run_at
from symgd.lowering.intrinsics import (
    call_at,
    evaluate,
    floats,
    integers,
    multiply,
    record_at,
)
from symgd.lowering.jitting import jit
from symgd.native.exchange import (
    HYPERPARAMETERS,
    KEEP,
    MOST_TOTALS,
    TOTALS,
    ArrayFacts,
    ArrayPlaces,
    Room,
)
from symgd.native.records import (
    DIVERGED,
    TRACE_ROWS,
)
from symgd.native.status import RUNNING


class Working(NamedTuple):
    """What an update reads and writes, beside the iterates."""

    gradient: Any  # at the iterate, unless it is gathered
    p: Any  # constants of the objective
    state: Any  # one state variable after the other
    h: Any  # hyperparameters
    lower: Any
    upper: Any
    room: Any  # what the kernels share with the loop
    totals: Any  # that stand behind it
    each: Any  # all totals as each array sees them, where there are some of each
    ends: Any  # of the arrays among the coordinates


facts_at, places_at = record_at(ArrayFacts), record_at(ArrayPlaces)
room_at = record_at(Room)


@jit
def record(run: Any, x: Any, state: Any, used: Any, rows: Any) -> None:
    """Write a row of the trace."""
    row = rows[run.rows]
    row[0], row[1], row[2] = run.t, run.value, run.norm
    n, size = x.shape[0], state.shape[0]
    for k in range(n):
        row[3 + k] = x[k]
    for k in range(size):
        row[3 + n + k] = state[k]
    for j in range(row.shape[0] - 3 - n - size):
        row[3 + n + size + j] = used[j]
    run.rows += 1


@jit
def _random(run: Any) -> int:
    """Return a whole number below 2**31 - 86 (L'Ecuyer 1988, figure 3)."""
    a = 40014 * run.first_random % 2147483563
    b = 40692 * run.second_random % 2147483399
    run.first_random, run.second_random = a, b
    return (a - b) % 2147483562


@jit
def shuffle(order: Any, run: Any) -> None:
    """Bring rows into a random order (Fisher and Yates; Durstenfeld 1964)."""
    for k in range(order.shape[0] - 1, 0, -1):
        j = (_random(run) * 2147483562 + _random(run)) % (k + 1)
        order[k], order[j] = order[j], order[k]


@jit
def next_batch(facts: Any, run: Any, p: Any, words: Any, order: Any) -> None:
    """Choose the rows of the next evaluation."""
    rows = facts.data_rows
    if run.cursor >= rows:
        shuffle(order, run)
        run.cursor = 0
        run.epoch += 1
    run.cursor = min(run.cursor + facts.batch, rows)
    same_batch(facts, run, p, words)


@jit
def same_batch(facts: Any, run: Any, p: Any, words: Any) -> None:
    """Tell an evaluation the rows of the last batch that was chosen."""
    last = run.cursor
    first = (last - 1) // facts.batch * facts.batch
    words[facts.first], words[facts.first + 1] = first, last
    p[facts.scale] = facts.data_rows / (last - first)


@jit
def _called(kernel: int, x: Any, new: Any, working: Any) -> None:
    """Call a kernel of a rule by its address."""
    given = (x, new, working.gradient, working.p, working.state, working.h)
    call_at(kernel, (*given, working.lower, working.upper, working.room, x.shape[0]))


@jit
def _in_all_arrays(facts: Any, kernel: int, x: Any, new: Any, working: Any) -> None:
    """Call a kernel of a rule for all coordinates, or for one array after the other."""
    if facts.of_arrays == 0:
        _called(kernel, x, new, working)
        return
    room, first, bad = working.room, 0, 0.0
    for a in range(facts.arrays):
        room.first, room.last = first, working.ends[a]
        first = room.last
        for j in range(facts.totals):
            working.totals[j] = working.each[a, j]
        _called(kernel, x, new, working)
        bad += room.next_bad
        for j in range(facts.totals):
            working.each[a, j] = working.totals[j]
    room.next_bad = bad


@jit
def _summed(facts: Any, x: Any, new: Any, working: Any) -> None:
    """Form totals over coordinates, and a point or a vector."""
    _in_all_arrays(facts, facts.sums, x, new, working)
    for j in range(facts.totals - facts.of_arrays if facts.of_arrays != 0 else 0):
        total = 0.0
        for a in range(facts.arrays):
            total += working.each[a, j]
        for a in range(facts.arrays):
            working.each[a, j] = total


@jit
def staged(
    facts: Any,
    run: Any,
    x: Any,
    new: Any,
    working: Any,
    words: Any,
    slopes: Any,
) -> None:
    """Form totals, values and derivatives: all that an update reads."""
    p, points, derived = working.p, 0, 0
    working.room.place = 0.0
    if facts.places != 0 and facts.online >= 0:
        p[facts.online] = run.t + 1.0
    if facts.places != 0 and facts.batch != 0:
        same_batch(facts, run, p, words)
    for stage in range(facts.stages):
        _summed(facts, x, new, working)
        derives = ((facts.evaluates | facts.multiplies) >> stage) & 1
        if derives == 0 and ((facts.probes >> stage) & 1) == 0:
            continue
        working.room.place += 1.0
        found = slopes[derived if derives != 0 else facts.derivatives]
        if (facts.multiplies >> stage) & 1:
            value = multiply(facts.product, x, p, found, new)
        else:
            value = evaluate(facts.function, new, p, found)
            run.evaluations += 1
            if facts.values != 0:
                working.totals[facts.totals + points] = value
                points += 1
            if facts.steep != 0:
                for k in range(x.shape[0]):
                    held = is_held(new[k], found[k], working.lower[k], working.upper[k])
                    found[k] = 0.0 if held and abs(found[k]) == inf else found[k]
        for k in range(x.shape[0]):  # a value that isn't finite spoils the gradient
            found[k] += value - value
        derived += derives


@jit
def _step(facts: Any, x: Any, new: Any, working: Any, update: int) -> None:
    """Make an update; where gradients are gathered, evaluate the iterate before it."""
    working.room.update = update
    if facts.gathers != 0 and facts.online >= 0:
        working.p[facts.online] = update
    _in_all_arrays(facts, facts.step, x, new, working)


@jit
def _is_finite(room: Any) -> bool:
    return abs(room.value) < inf and room.bad == 0.0


@jit
def gathered_pass(facts: Any, run: Any, iterates: Any, working: Any, kept: Any) -> bool:
    """Evaluate the next iterate, and make the one after it.

    Returns
    -------
    bool
        Whether it is finite; if not, the run is at the iterate before.
    """
    t = run.t + 1
    place = 1 - run.place if t > 0 else 0
    x, new = iterates[place], iterates[1 - place]
    _step(facts, x, new, working, t + 1)
    if _is_finite(working.room):
        run.place = place
        if t % KEEP == 0:
            run.kept = t
            copy(x, iterates[2])
            copy(new, iterates[3])
            copy(working.state, kept)
        return True
    if t == 0:
        return False
    copy(iterates[2], iterates[0])
    copy(iterates[3], iterates[1])
    copy(kept, working.state)
    place = 0
    for k in range(run.kept + 1, t):
        place = 1 - place
        x, new = iterates[place], iterates[1 - place]
        _step(facts, x, new, working, k + 1)
    run.place = place
    return False


@jit
def plain_pass(
    facts: Any,
    run: Any,
    iterates: Any,
    working: Any,
    order: Any,
    words: Any,
    slopes: Any,
) -> bool:
    """Make the next iterate, and evaluate it; return whether it is finite."""
    t, place, p, room = run.t, run.place, working.p, working.room
    x, new = iterates[place], iterates[(place + 1) % 3]
    if t >= 0:
        room.value = run.value
        room.update = t + 1.0
        staged(facts, run, x, new, working, words, slopes)
        _step(facts, x, new, working, t + 1)
        if room.next_bad != 0.0:
            return False
        x, place = new, (place + 1) % 3
    if facts.online >= 0:
        p[facts.online] = t + 2.0
    if facts.batch != 0:
        next_batch(facts, run, p, words, order)
        room.epoch = run.epoch
    room.value = evaluate(facts.function, x, p, working.gradient)
    _called(facts.look, x, new, working)
    if _is_finite(room):
        run.place = place
        return True
    return False


@jit
def descend(
    facts: Any,
    run: Any,
    iterates: Any,
    working: Any,
    used: Any,
    rows: Any,
    order: Any,
    words: Any,
    kept: Any,
    slopes: Any,
) -> int:
    """Continue a run, at most to iteration ``run.last``; or set its first state.

    Parameters
    ----------
    facts : record
        See ``native.exchange.ArrayFacts``.
    run : record
        See ``native.records.RunState``. ``run.place`` is the row of the iterate.
    iterates : array of shape (4, n), or (3, n) if gradients aren't gathered
    working : Working
    used : array
        The hyperparameters in what is shared with the loop.
    rows : array
        Where the trace goes.
    order : array of integers
        Of the rows of data, where there are batches.
    words : array of integers
        The same memory as ``working.p``.
    kept : array
        A copy of the state, to come back to.
    slopes : array
        The derivatives that an update asks for, and room for those that it doesn't;
        they stand behind the state.
    """
    if facts.begins != 0:
        staged(facts, run, iterates[0], iterates[1], working, words, slopes)
        _step(facts, iterates[0], iterates[1], working, 1)
        return RUNNING
    while run.t < run.last:
        if run.ahead < 0:  # the state, or an iterate, is no longer finite
            return DIVERGED
        if facts.gathers != 0:
            finite = gathered_pass(facts, run, iterates, working, kept)
        else:
            finite = plain_pass(facts, run, iterates, working, order, words, slopes)
        run.evaluations += 1
        if not finite:
            run.ahead = -1
            return DIVERGED
        run.t += 1
        run.value, run.norm = working.room.value, working.room.norm
        if run.every != 0 and run.t % run.every == 0:
            record(run, iterates[run.place], working.state, used, rows)
        status = judged(run)
        if status != RUNNING:
            return status
        if facts.gathers != 0 and working.room.next_bad != 0.0:
            run.ahead = -1
    return RUNNING


def entry(facts: Any, run: Any, places: Any) -> int:
    """Run :func:`descend`, with the addresses of records."""
    known, state, at = facts_at(facts), run_at(run), places_at(places)
    n, size = state.variables, known.width - 1
    used = at.room + WORD * HYPERPARAMETERS
    rows = floats(at.state, ((size + known.derivatives + 1) * n,))
    working = Working(
        floats(at.gradient, (n,)),
        floats(at.constants, (known.words,)),
        rows[: size * n],
        floats(at.hyperparameters, (1,)),
        floats(at.lower, (n,)),
        floats(at.upper, (n,)),
        room_at(at.room),
        floats(at.room + WORD * TOTALS, (MOST_TOTALS,)),
        floats(at.each, (known.arrays, known.totals)),
        integers(at.ends, (known.arrays,)),
    )
    return descend(
        known,
        state,
        floats(at.iterates, (4, n)),
        working,
        floats(used, (known.constants,)),
        floats(at.trace, (TRACE_ROWS, 3 + (1 + size) * n + known.constants)),
        integers(at.order, (known.data_rows,)),
        integers(at.constants, (known.words,)),
        floats(at.kept, (size * n,)),
        floats(at.state + WORD * size * n, (known.derivatives + 1, n)),
    )
