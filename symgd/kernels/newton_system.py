"""Newton's system of the optimality conditions, made to have the right signs.

Sources: Wächter and Biegler 2006, section 3.1; see ``kernels.interior``. Colombo and
Gondzio 2008, "Further development of multiple centrality correctors for interior point
methods" (the correction).
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

from symgd.kernels.factoring import factored, solved
from symgd.kernels.sides import LARGE_MULTIPLIER, bend, side_steps, to_sides
from symgd.lowering.intrinsics import floats, integers
from symgd.lowering.jitting import jit

FIRST_SHIFT, SHIFTS, FARTHEST_SHIFT = 1e-4, 60, 1e40
SINGULAR = 1e-5  # of a system's right side, which solving it must leave at most
WHOLE, LONGER = 0.99, 1.1  # steps that need no correction; those that one must make


@jit
def fill(
    run: Any, at: Any, bends: float, added: float, corner: float, own: Any
) -> None:
    """Write Newton's system.

    Parameters
    ----------
    bends : float
        What second derivatives are multiplied by: 1, or 0 to leave them out.
    added, corner : float
        On the diagonal: of the unknowns, of the constraints.
    own : array of shape (unknowns,)
        Likewise, for each unknown.
    """
    size, every = run.unknowns, run.unknowns + run.constraints
    values, system = (
        floats(at.values, (run.entries,)),
        floats(at.system, (run.filled,)),
    )
    places, diagonal = (
        integers(at.entry_places, (run.entries,)),
        integers(at.diagonal, (every,)),
    )
    for i in range(every):
        system[diagonal[i]] = 0.0
    for e in range(run.hessians):
        system[places[e]] = bends * values[e]
    for e in range(run.hessians, run.entries):
        system[places[e]] = values[e]
    for i in range(size):
        system[diagonal[i]] += own[i] + added
    for i in range(size, every):
        system[diagonal[i]] = corner


@jit
def solves(run: Any, at: Any, out: Any) -> bool:
    """Solve the system for a right side; return whether that is a solution."""
    every, system = run.unknowns + run.constraints, floats(at.system, (run.filled,))
    right = floats(at.right, (every,))
    left = solved(run, at, right, out)
    entries, far, wanted = 0.0, 0.0, 0.0
    for i in range(every):
        far, wanted = max(far, abs(out[i])), max(wanted, abs(right[i]))
        if not abs(out[i]) < inf:
            return False
    for place in range(run.filled):
        entries = max(entries, abs(system[place]))
    return left <= SINGULAR * max(1e-300, entries * far + wanted)


@jit
def newton(run: Any, at: Any, mu: float, corner: float, own: Any) -> bool:
    """Find Newton's step, on a Hessian that is made convex where it has to be.

    Parameters
    ----------
    corner : float
        0, or what the constraints' diagonal is.
    """
    m, step = run.constraints, floats(at.step, (run.unknowns + run.constraints,))
    added, relaxed, last = 0.0, 0.0, run.convexity
    for _ in range(SHIFTS):
        fill(run, at, 1.0, added, corner - relaxed, own)
        negative = factored(run, at)
        bad = negative < 0
        if negative == m:
            if solves(run, at, step):
                if added > 0.0:
                    run.convexity = added
                return True
            bad = True
        if (bad or negative < m) and relaxed == 0.0 and corner == 0.0 and m > 0:
            relaxed = 1e-8 * sqrt(sqrt(mu))
        elif added == 0.0:
            added = FIRST_SHIFT if last == 0.0 else max(1e-20, last / 3.0)
        else:
            added *= 100.0 if last == 0.0 else 8.0
            if added > FARTHEST_SHIFT:
                return False
    return False


@jit
def correct(run: Any, at: Any, mu: float) -> float:
    """Correct a step that sides cut short, if that makes it longer.

    Products of gaps and multipliers are to be mu: what a straight step misses that by
    is known after it.

    Returns
    -------
    float
        How much of the step leads no nearer to a side than may be.
    """
    size, every = run.unknowns, run.unknowns + run.constraints
    step, other = floats(at.step, (every,)), floats(at.other_step, (every,))
    right = floats(at.right, (every,))
    bent_low, bent_high = floats(at.bent_low, (size,)), floats(at.bent_high, (size,))
    bend(run, at, step, 0.0)
    part, share = to_sides(run, at, step, mu), side_steps(run, at, step, mu)
    if min(part, share) >= WHOLE:
        return part
    bend(run, at, step, part * share)
    for i in range(size):
        right[i] -= bent_low[i] + bent_high[i]
    solved(run, at, right, other)
    more = to_sides(run, at, other, mu)
    if more * side_steps(run, at, other, mu) > LONGER * part * share:
        for i in range(every):
            step[i] = other[i]
        return more
    for i in range(size):
        right[i] += bent_low[i] + bent_high[i]
    bend(run, at, step, 0.0)
    return part


@jit
def multipliers(run: Any, at: Any) -> None:
    """Estimate the constraints' multipliers by least squares; 0 if one is large."""
    size, m = run.unknowns, run.constraints
    z_low, z_high = floats(at.z_low, (size,)), floats(at.z_high, (size,))
    slope, y, own = (
        floats(at.slope, (size,)),
        floats(at.y, (m,)),
        floats(at.other_step, (size,)),
    )
    right, step = floats(at.right, (size + m,)), floats(at.step, (size + m,))
    for i in range(size):
        own[i], right[i] = 1.0, -(slope[i] - z_low[i] + z_high[i])
    for k in range(m):
        right[size + k] = 0.0
    fill(run, at, 0.0, 0.0, 0.0, own)
    largest = inf
    if factored(run, at) == m:
        solved(run, at, right, step)
        largest = 0.0
        for k in range(m):
            largest = (
                max(largest, abs(step[size + k]))
                if step[size + k] == step[size + k]
                else inf
            )
    for k in range(m):
        y[k] = step[size + k] if largest <= LARGE_MULTIPLIER else 0.0
