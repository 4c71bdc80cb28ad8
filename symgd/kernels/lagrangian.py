"""What is known at a point within constraints: values, derivatives, what is missed.

All of it comes from the Lagrangian: its gradient holds the constraints and the
objective, its Hessian their Jacobian. Values are scaled, constraints without slacks.
"""

from __future__ import annotations

from math import inf
from typing import Any

from symgd.kernels.factoring import EPS
from symgd.lowering.intrinsics import evaluate, floats, integers
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
    every = n + m + 1
    point, second = floats(at.point, (every,)), floats(at.second, (every, every))
    places, scales = integers(at.places, (nx,)), floats(at.scales, (m,))
    jacobian = floats(at.jacobian, (m, run.unknowns))
    slope = floats(at.slope, (run.unknowns,))
    for k in range(nx):
        point[places[k]] = v[k]
    for k in range(m):
        point[n + k] = scales[k] * y[k]
    point[n + m] = run.sign * factor
    evaluate(at.hessian, point, p, second)
    zero = 0.0
    for j in range(nx):
        slope[j] = run.scale * run.sign * second[n + m, places[j]]
        zero += 0.0 * slope[j]
        for k in range(m):
            jacobian[k, j] = scales[k] * second[n + k, places[j]]
            zero += 0.0 * jacobian[k, j]
        for i in range(nx):
            if not abs(second[places[i], places[j]]) < inf:
                second[places[i], places[j]] = 0.0
    for j in range(nx, run.unknowns):
        slope[j] = 0.0
        for k in range(m):
            jacobian[k, j] = -1.0 if k - me == j - nx else 0.0
    return zero == 0.0


@jit
def sum_of(h: Any) -> float:
    """Return the sum of all sizes."""
    total = 0.0
    for k in range(h.shape[0]):
        total += abs(h[k])
    return total


@jit
def scale_of(run: Any, at: Any) -> float:
    """Return what brings the objective's derivatives at the start to a usual size."""
    nx, every = run.moving, run.variables + run.constraints + 1
    slope, v = floats(at.slope, (run.unknowns,)), floats(at.v, (run.unknowns,))
    second, places = floats(at.second, (every, every)), integers(at.places, (nx,))
    steepest, bent = 0.0, 0.0
    for j in range(nx):
        steepest = max(steepest, abs(slope[j]))
        for i in range(nx):
            curvature = abs(second[places[i], places[j]])
            bent = max(bent, curvature * max(1.0, max(abs(v[i]), abs(v[j]))))
    if 0.0 < max(steepest, bent) < FAINT:
        return min(1.0 / max(steepest, bent), MOST_SCALE)
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
    slope, jacobian = floats(at.slope, (size,)), floats(at.jacobian, (m, size))
    h = floats(at.h, (m,))
    steep, apart, sides, multipliers, count = 0.0, 0.0, 0.0, 0.0, 0
    for i in range(size):
        total = slope[i] - z_low[i] + z_high[i]
        for k in range(m):
            total += jacobian[k, i] * y[k]
        steep = max(steep, abs(total))
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
    jacobian = floats(at.jacobian, (m, run.unknowns))
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
        for j in range(nx):
            rounding += EPS * abs(jacobian[k, j] * v[j])
        run.visible = max(run.visible, missed - rounding / scales[k])
    run.norm, run.complementarity = steep / run.scale, apart / run.scale
