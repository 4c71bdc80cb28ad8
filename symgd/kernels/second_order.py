"""What an end within constraints is: its curvature, and how firmly it is held.

The signs of D tell both, see ``kernels.factoring``. Of what is noted here nothing
depends on how many constraints there are.

Elsewhere: second-order sufficient conditions, strict complementarity, and linear
independence of active constraints.
"""

from __future__ import annotations

from math import inf
from typing import Any

from symgd.kernels.factoring import factored
from symgd.kernels.lagrangian import differentiate
from symgd.kernels.newton_system import fill
from symgd.kernels.sides import weights_of_sides
from symgd.lowering.intrinsics import floats, integers
from symgd.lowering.jitting import jit

LEVEL = 1e-4  # of what f changed by: curvature that is little
CLEARLY = 1e3  # times a multiplier: a slack that shows that the row holds nothing
FLAT = 1e-9  # of the largest second derivative: what curves no more is flat
WEAK = 1e-3  # a multiplier and a distance, scaled: of a side that may not hold
NEAR = 1e-6  # of a value, or of 1: a side so near holds the point
FIXED = 1e20  # on the diagonal: what can't move
INDEPENDENT = 1e-4  # square of a singular value, of gradients that are of length 1


@jit
def examine(run: Any, at: Any, p: Any) -> None:
    """Note how f curves at an end, and whether it is held firmly."""
    run.weak, run.dependent = _is_weakly_held(run, at), _may_depend(run, at)
    _curving(run, at, p)


@jit
def _is_weakly_held(run: Any, at: Any) -> int:
    """Return whether a side is near whose multiplier is next to nothing."""
    size = run.unknowns
    v = floats(at.v, (size,))
    low, high = floats(at.v_low, (size,)), floats(at.v_high, (size,))
    z_low, z_high = floats(at.z_low, (size,)), floats(at.z_high, (size,))
    for i in range(size):
        if (v[i] - low[i] < WEAK and z_low[i] < WEAK) or (
            high[i] - v[i] < WEAK and z_high[i] < WEAK
        ):
            return 1
    return 0


@jit
def _may_depend(run: Any, at: Any) -> int:
    """Return whether gradients of what holds the point may depend on each other.

    Of ``[[1, J'], [J, t]]`` as many of D are negative as J has singular values whose
    squares are above t. Variables at bounds don't move, rows that hold nothing count
    as independent.
    """
    size, m, nx, me = run.unknowns, run.constraints, run.moving, run.equalities
    every = size + m
    values, columns = (
        floats(at.values, (run.entries,)),
        integers(at.columns, (run.entries,)),
    )
    starts, diagonal = (
        integers(at.row_starts, (m + 1,)),
        integers(at.diagonal, (every,)),
    )
    system, own = floats(at.system, (run.filled,)), floats(at.other_step, (every,))
    v, scales = floats(at.v, (size,)), floats(at.scales, (m,))
    low, high = floats(at.v_low, (size,)), floats(at.v_high, (size,))
    held = 0
    for j in range(nx):
        near = NEAR * max(1.0, abs(v[j]))
        own[j] = FIXED if min(v[j] - low[j], high[j] - v[j]) <= near else 1.0
    for i in range(nx, size):
        own[i] = FIXED
    fill(run, at, 0.0, 0.0, -FIXED, own)
    for k in range(m):
        if k >= me:
            i = nx + k - me
            near = NEAR * max(scales[k], abs(v[i]))
            if min(v[i] - low[i], high[i] - v[i]) > near:
                continue
        square = 0.0
        for e in range(starts[k], starts[k + 1]):
            j = columns[e]
            if j < nx and own[j] < FIXED:
                square += values[e] * values[e]
        if not 0.0 < square < inf:
            return 1
        system[diagonal[size + k]], held = INDEPENDENT * square, held + 1
    return 1 if held > 0 and factored(run, at) != m else 0


@jit
def _curving(run: Any, at: Any, p: Any) -> None:
    """Note in how many directions the Lagrangian curves the other way.

    What the barrier leaves of the multiplier of a constraint that doesn't hold the
    point is no part of it.
    """
    size, m, nx, me = run.unknowns, run.constraints, run.moving, run.equalities
    values, v = floats(at.values, (run.entries,)), floats(at.v, (size,))
    own, largest = floats(at.other_step, (size,)), 0.0
    low, high = floats(at.v_low, (size,)), floats(at.v_high, (size,))
    y, holding = floats(at.y, (m,)), floats(at.h_more, (m,))
    for k in range(m):
        i = nx + k - me
        free = k >= me and min(v[i] - low[i], high[i] - v[i]) > CLEARLY * abs(y[k])
        holding[k] = 0.0 if free else y[k]
    differentiate(run, at, p, v, holding, run.scale)
    for e in range(run.hessians):
        largest = max(largest, abs(values[e]))
    for i in range(size):
        own[i] = 0.0
    weights_of_sides(run, at, own)
    fill(run, at, 1.0, FLAT * largest, 0.0, own)
    run.curved = max(0, factored(run, at) - m)
    # Beside what f changed by on the way.
    far = 0.0
    for j in range(run.moving):
        far += v[j] * v[j]
    changed = run.scale * max(abs(run.first_value - run.value), abs(run.value))
    level = LEVEL * changed / far if far > 0.0 else 0.0
    fill(run, at, 1.0, -max(level, FLAT * largest), 0.0, own)
    run.level = max(0, factored(run, at) - m) if level > 0.0 else 1
