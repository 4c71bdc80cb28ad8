"""What is known at a point within constraints: values, derivatives, what is missed.

All of it comes from the Lagrangian: its gradient holds the constraints and the
objective, its Hessian their Jacobian. Values are scaled, constraints without slacks.
"""

from __future__ import annotations

from math import inf
from typing import Any

from symgd.kernels.factoring import EPS
from symgd.lowering.intrinsics import evaluate, floats, integers, multiply
from symgd.lowering.jitting import jit

FAINT, MOST_SCALE = 1e-3, 1e100  # derivatives that are scaled up, and by how much
STEEP, LEAST_SCALE = 100.0, 1e-8  # a gradient that is scaled down, and by how much


@jit
def observe(run: Any, at: Any, p: Any, v: Any, h: Any) -> float:
    """Evaluate a point; write the constraints there, scaled and without slacks.

    Returns
    -------
    float
        The scaled objective; inf where not all is finite.
    """
    n, m, nx, me = run.variables, run.constraints, run.moving, run.equalities
    point, image = floats(at.point, (n + m + 1,)), floats(at.image, (n + m + 1,))
    places, scales = integers(at.places, (nx,)), floats(at.scales, (m,))
    low = floats(at.low, (m,))
    for k in range(nx):
        point[places[k]] = v[k]
    for k in range(m):
        point[n + k] = 0.0
    point[n + m] = 1.0
    evaluate(at.function, point, p, image)
    run.evaluations += 1
    f = run.sign * image[n + m]
    zero = 0.0 * f
    for k in range(m):
        c = image[n + k]
        h[k] = scales[k] * (c - low[k]) if k < me else scales[k] * c - v[nx + k - me]
        zero += 0.0 * h[k]
    return run.scale * f if zero == 0.0 else inf


@jit
def differentiate(run: Any, at: Any, p: Any, v: Any, y: Any, factor: float) -> bool:
    """Find slope, Jacobian and the Hessian of the Lagrangian at a point.

    Returns
    -------
    bool
        Whether the first derivatives are finite; entries of the Hessian that aren't
        are 0.
    """
    n, m, nx, me = run.variables, run.constraints, run.moving, run.equalities
    point, places = floats(at.point, (n + m + 1,)), integers(at.places, (nx,))
    scales, starts = floats(at.scales, (m,)), integers(at.row_starts, (m + 1,))
    values, slope = floats(at.values, (run.entries,)), floats(at.slope, (run.unknowns,))
    for k in range(nx):
        point[places[k]] = v[k]
    for k in range(m):
        point[n + k] = scales[k] * y[k]
    point[n + m] = run.sign * factor
    _read_derivatives(run, at, p)
    zero = 0.0
    for e in range(run.hessians):
        if not abs(values[e]) < inf:
            values[e] = 0.0
    for k in range(m):
        last = starts[k + 1] if k < me else starts[k + 1] - 1
        for e in range(starts[k], last):
            values[e] *= scales[k]
            zero += 0.0 * values[e]
        if k >= me:  # of the slack
            values[last] = -1.0
    for j in range(nx):
        slope[j] *= run.scale * run.sign
        zero += 0.0 * slope[j]
    for j in range(nx, run.unknowns):
        slope[j] = 0.0
    return zero == 0.0


@jit
def _read_derivatives(run: Any, at: Any, p: Any) -> None:
    """Find second derivatives of the Lagrangian: the matrix, or by groups of columns.

    The slope and the constraints' derivatives are among them.
    """
    every = run.variables + run.constraints + 1
    point, direction = floats(at.point, (every,)), floats(at.direction, (every,))
    whole = run.groups == 0
    second = floats(at.second, (every * every if whole else every,))
    values = floats(at.values, (run.entries + run.unknowns,))
    starts, columns = (
        integers(at.group_starts, (run.groups + 1,)),
        integers(at.group_columns, (every,)),
    )
    reads, places, entries = (
        integers(at.read_starts, (run.groups + 2,)),
        integers(at.read_places, (run.read,)),
        integers(at.read_entries, (run.read,)),
    )
    for group in range(max(1, run.groups)):
        if whole:
            evaluate(at.hessian, point, p, second)
        else:
            for k in range(starts[group], starts[group + 1]):
                direction[columns[k]] = 1.0
            multiply(at.product, point, p, second, direction)
            run.evaluations += 1
            for k in range(starts[group], starts[group + 1]):
                direction[columns[k]] = 0.0
        for k in range(reads[group], reads[group + 1]):
            values[entries[k]] = second[places[k]]


@jit
def add_multiples(run: Any, at: Any, y: Any, out: Any) -> None:
    """Add multiples of the constraints' derivatives: their transpose times y."""
    m = run.constraints
    values, columns = (
        floats(at.values, (run.entries,)),
        integers(at.columns, (run.entries,)),
    )
    starts = integers(at.row_starts, (m + 1,))
    for k in range(m):
        for e in range(starts[k], starts[k + 1]):
            out[columns[e]] += values[e] * y[k]


@jit
def sum_of(h: Any) -> float:
    """Return the sum of all sizes."""
    total = 0.0
    for k in range(h.shape[0]):
        total += abs(h[k])
    return total


@jit
def scale_of(run: Any, at: Any) -> float:
    """Return what brings the objective's derivatives at the start to a usual size.

    Where they are small, it is what f changes by between bounds that is measured.
    """
    slope, v = floats(at.slope, (run.unknowns,)), floats(at.v, (run.unknowns,))
    low, high = floats(at.v_low, (run.unknowns,)), floats(at.v_high, (run.unknowns,))
    values, rows, columns = (
        floats(at.values, (run.entries,)),
        integers(at.rows, (run.entries,)),
        integers(at.columns, (run.entries,)),
    )
    steepest, changed = 0.0, 0.0
    for j in range(run.moving):
        steepest = max(steepest, abs(slope[j]))
        changed = max(changed, abs(slope[j]) * min(1.0, high[j] - low[j]))
    for e in range(run.hessians):
        i, j = rows[e], columns[e]
        unit = min(1.0, max(high[i] - low[i], high[j] - low[j]))
        far = max(abs(v[i]), abs(v[j]))
        changed = max(changed, abs(values[e]) * unit * max(unit, far))
    if 0.0 < changed < FAINT:
        return min(1.0 / changed, MOST_SCALE)
    return max(LEAST_SCALE, min(1.0, STEEP / max(steepest, 1e-300)))


@jit
def errors(run: Any, at: Any, mu: float) -> tuple[float, float, float, float]:
    """Return by how much the optimality conditions are missed, for some mu.

    Returns
    -------
    whole, stationarity, violation, complementarity : float
        All scaled; the whole in units of multipliers, too, where these are large.
    """
    size, m = run.unknowns, run.constraints
    v, y = floats(at.v, (size,)), floats(at.y, (m,))
    low, high = floats(at.v_low, (size,)), floats(at.v_high, (size,))
    z_low, z_high = floats(at.z_low, (size,)), floats(at.z_high, (size,))
    slope, whole_slope = floats(at.slope, (size,)), floats(at.whole_slope, (size,))
    h = floats(at.h, (m,))
    for i in range(size):
        whole_slope[i] = slope[i] - z_low[i] + z_high[i]
    add_multiples(run, at, y, whole_slope)
    steep, apart, sides, multipliers, count = 0.0, 0.0, 0.0, 0.0, 0
    for i in range(size):
        steep = max(steep, abs(whole_slope[i]))
        if low[i] > -inf:
            apart = max(apart, abs((v[i] - low[i]) * z_low[i] - mu))
            sides, count = sides + z_low[i], count + 1
        if high[i] < inf:
            apart = max(apart, abs((high[i] - v[i]) * z_high[i] - mu))
            sides, count = sides + z_high[i], count + 1
    violated = 0.0
    for k in range(m):
        violated = max(violated, abs(h[k]))
        multipliers += abs(y[k])
    unit = max(STEEP, (multipliers + sides) / max(1, m + count)) / STEEP
    side = max(STEEP, sides / max(1, count)) / STEEP
    whole = max(steep / unit, max(violated, apart / side))
    return whole, steep, violated, apart


@jit
def look(run: Any, at: Any) -> None:
    """Note what the conditions are missed by, of the problem as it is given."""
    whole, steep, _, apart = errors(run, at, 0.0)
    m, me, nx = run.constraints, run.equalities, run.moving
    scales, h = floats(at.scales, (m,)), floats(at.h, (m,))
    low, high = floats(at.low, (m,)), floats(at.high, (m,))
    v = floats(at.v, (run.unknowns,))
    values, columns = (
        floats(at.values, (run.entries,)),
        integers(at.columns, (run.entries,)),
    )
    starts = integers(at.row_starts, (m + 1,))
    run.violation = run.visible = 0.0
    run.worst, run.missed = 0, whole
    for k in range(m):
        if k < me:
            missed = abs(h[k]) / scales[k]
        else:
            c = (h[k] + v[nx + k - me]) / scales[k]
            missed = max(low[k] - c, c - high[k])
        if missed > run.violation:
            run.violation, run.worst = missed, k
        rounding = 0.0
        for e in range(starts[k], starts[k + 1]):
            if columns[e] < nx:
                rounding += EPS * abs(values[e] * v[columns[e]])
        run.visible = max(run.visible, missed - rounding / scales[k])
    run.norm, run.complementarity = steep / run.scale, apart / run.scale
