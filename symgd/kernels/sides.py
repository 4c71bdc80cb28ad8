"""The barrier that keeps unknowns between their sides, and the sides' multipliers.

Sides are bounds of variables, and of the slacks of constraints.
"""

from __future__ import annotations

from math import inf, log
from typing import Any

from symgd.kernels.factoring import EPS
from symgd.lowering.intrinsics import floats
from symgd.lowering.jitting import jit

PUSHED = 1e-2  # from the sides, as a part of them
MOST_BENT = 10.0  # of the barrier parameter, that products are moved by
LARGE_MULTIPLIER = 1e3  # at first: such an estimate is dropped
TO_BOUNDARY = 0.99  # of the way to a side, at most
CLOSEST = 4.0 * EPS  # of a side, to itself: nearer, a gap has no digits
NEAR, FAR = 1e-10, 1e10  # what a multiplier times its gap is, in units of mu


@jit
def barrier_function(run: Any, at: Any, f: float, v: Any, mu: float) -> float:
    """Return the barrier function: the value, and how near the sides are."""
    low = floats(at.v_low, (run.unknowns,))
    high = floats(at.v_high, (run.unknowns,))
    total = f
    for i in range(run.unknowns):
        if low[i] > -inf:
            total -= mu * log(v[i] - low[i])
        if high[i] < inf:
            total -= mu * log(high[i] - v[i])
    return total


@jit
def with_barrier(run: Any, at: Any, slope: Any, mu: float, out: Any) -> None:
    """Write a slope, and what the barrier adds to it."""
    size = run.unknowns
    v = floats(at.v, (size,))
    low, high = floats(at.v_low, (size,)), floats(at.v_high, (size,))
    for i in range(size):
        out[i] = slope[i]
        if low[i] > -inf:
            out[i] -= mu / (v[i] - low[i])
        if high[i] < inf:
            out[i] += mu / (high[i] - v[i])


@jit
def weights_of_sides(run: Any, at: Any, own: Any) -> None:
    """Add what the barrier has of second derivatives."""
    size = run.unknowns
    v = floats(at.v, (size,))
    low, high = floats(at.v_low, (size,)), floats(at.v_high, (size,))
    z_low, z_high = floats(at.z_low, (size,)), floats(at.z_high, (size,))
    for i in range(size):
        if low[i] > -inf:
            own[i] += z_low[i] / (v[i] - low[i])
        if high[i] < inf:
            own[i] += z_high[i] / (high[i] - v[i])


@jit
def to_sides(run: Any, at: Any, step: Any, mu: float) -> float:
    """Return how much of a step leads no nearer to a side than may be."""
    size, part, most = run.unknowns, 1.0, max(TO_BOUNDARY, 1.0 - mu)
    v = floats(at.v, (size,))
    low, high = floats(at.v_low, (size,)), floats(at.v_high, (size,))
    for i in range(size):
        if step[i] < 0.0 and low[i] > -inf:
            part = min(part, -most * (v[i] - low[i]) / step[i])
        if step[i] > 0.0 and high[i] < inf:
            part = min(part, most * (high[i] - v[i]) / step[i])
    return part


@jit
def place_trial(run: Any, at: Any, part: float, step: Any) -> None:
    """Write the end of a part of a step, no nearer to a side than rounding allows."""
    size = run.unknowns
    v, trial = floats(at.v, (size,)), floats(at.trial, (size,))
    low, high = floats(at.v_low, (size,)), floats(at.v_high, (size,))
    for i in range(size):
        there = v[i] + part * step[i]
        if low[i] > -inf:
            there = max(there, low[i] + min(CLOSEST * abs(low[i]), v[i] - low[i]))
        if high[i] < inf:
            there = min(there, high[i] - min(CLOSEST * abs(high[i]), high[i] - v[i]))
        trial[i] = there


@jit
def inside(x: float, low: float, high: float) -> float:
    """Return a number that is not at a side."""
    below = PUSHED * max(1.0, abs(low)) if low > -inf else 0.0
    above = PUSHED * max(1.0, abs(high)) if high < inf else 0.0
    if low > -inf and high < inf:
        below, above = (
            min(below, PUSHED * (high - low)),
            min(above, PUSHED * (high - low)),
        )
    return min(max(x, low + below), high - above)


@jit
def side_steps(run: Any, at: Any, step: Any, mu: float) -> float:
    """Find the steps of the sides' multipliers; return how much keeps them positive."""
    size, part, most = run.unknowns, 1.0, max(TO_BOUNDARY, 1.0 - mu)
    v = floats(at.v, (size,))
    low, high = floats(at.v_low, (size,)), floats(at.v_high, (size,))
    z_low, z_high = floats(at.z_low, (size,)), floats(at.z_high, (size,))
    dz_low, dz_high = floats(at.dz_low, (size,)), floats(at.dz_high, (size,))
    bent_low, bent_high = floats(at.bent_low, (size,)), floats(at.bent_high, (size,))
    for i in range(size):
        dz_low[i], dz_high[i] = -bent_low[i], bent_high[i]
        if low[i] > -inf:
            gap = v[i] - low[i]
            dz_low[i] += mu / gap - z_low[i] - z_low[i] / gap * step[i]
            if dz_low[i] < 0.0:
                part = min(part, -most * z_low[i] / dz_low[i])
        if high[i] < inf:
            gap = high[i] - v[i]
            dz_high[i] += mu / gap - z_high[i] + z_high[i] / gap * step[i]
            if dz_high[i] < 0.0:
                part = min(part, -most * z_high[i] / dz_high[i])
    return part


@jit
def bend(run: Any, at: Any, step: Any, weight: float) -> None:
    """Note what products of gaps and multipliers miss mu by, after a straight step.

    It is to be made up for by the multipliers; so much of it as the weight says.
    """
    size, most = run.unknowns, MOST_BENT * run.barrier
    v = floats(at.v, (size,))
    low, high = floats(at.v_low, (size,)), floats(at.v_high, (size,))
    dz_low, dz_high = floats(at.dz_low, (size,)), floats(at.dz_high, (size,))
    bent_low, bent_high = floats(at.bent_low, (size,)), floats(at.bent_high, (size,))
    for i in range(size):
        bent_low[i] = bent_high[i] = 0.0
        if weight > 0.0 and low[i] > -inf:
            product = weight * step[i] * dz_low[i]
            bent_low[i] = max(-most, min(most, product)) / (v[i] - low[i])
        if weight > 0.0 and high[i] < inf:
            product = weight * step[i] * dz_high[i]
            bent_high[i] = max(-most, min(most, product)) / (high[i] - v[i])


@jit
def move_sides(run: Any, at: Any, part: float) -> None:
    """Make a part of the steps of the sides' multipliers."""
    size = run.unknowns
    z_low, z_high = floats(at.z_low, (size,)), floats(at.z_high, (size,))
    dz_low, dz_high = floats(at.dz_low, (size,)), floats(at.dz_high, (size,))
    for i in range(size):
        z_low[i] += part * dz_low[i]
        z_high[i] += part * dz_high[i]


@jit
def keep_sides(run: Any, at: Any, mu: float) -> None:
    """Keep the sides' multipliers about mu divided by the gaps."""
    size = run.unknowns
    v = floats(at.v, (size,))
    low, high = floats(at.v_low, (size,)), floats(at.v_high, (size,))
    z_low, z_high = floats(at.z_low, (size,)), floats(at.z_high, (size,))
    for i in range(size):
        if low[i] > -inf:
            middle = mu / max(v[i] - low[i], 1e-300)
            z_low[i] = max(min(z_low[i], FAR * middle), NEAR * middle)
        if high[i] < inf:
            middle = mu / max(high[i] - v[i], 1e-300)
            z_high[i] = max(min(z_high[i], FAR * middle), NEAR * middle)


@jit
def set_sides(run: Any, at: Any, mu: float) -> None:
    """Set the sides' multipliers: mu divided by the gaps; all 1 if one is large."""
    size, largest = run.unknowns, 0.0
    v = floats(at.v, (size,))
    low, high = floats(at.v_low, (size,)), floats(at.v_high, (size,))
    z_low, z_high = floats(at.z_low, (size,)), floats(at.z_high, (size,))
    for i in range(size):
        z_low[i] = mu / (v[i] - low[i]) if low[i] > -inf else 0.0
        z_high[i] = mu / (high[i] - v[i]) if high[i] < inf else 0.0
        largest = max(largest, max(z_low[i], z_high[i]))
    if not largest < LARGE_MULTIPLIER:
        for i in range(size):
            z_low[i] = 1.0 if low[i] > -inf else 0.0
            z_high[i] = 1.0 if high[i] < inf else 0.0
