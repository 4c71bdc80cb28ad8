"""Minimise within constraints: a primal-dual interior point method with a filter.

An inequality has a slack variable, which is between the sides of the constraint; what
has sides is kept inside them by a barrier whose weight, mu, falls to 0. A step solves
Newton's system of the optimality conditions (Karush, Kuhn and Tucker) with the exact
Hessian of the Lagrangian, made to have the right signs. A step is taken if it lowers
the sum of violations or the barrier function, as the filter of earlier pairs decides;
where no step does, the violation alone is lowered (restoration). A point where that has
no way on is infeasible. Sides are never crossed: nothing is evaluated beyond them.

Sources: Wächter and Biegler 2006, "On the implementation of an interior-point filter
line-search algorithm for large-scale nonlinear programming", sections 2 and 3;
``kernels.factoring`` names those of the linear algebra.
"""

from __future__ import annotations

from math import inf, log, sqrt
from typing import Any

from symgd.kernels.common import LOWEST
from symgd.kernels.factoring import factored, regularised, solved
from symgd.lowering.intrinsics import evaluate, floats, integers, record_at
from symgd.lowering.jitting import jit
from symgd.native.records import (
    ABNORMAL,
    CONVERGED,
    DIVERGED,
    FILTER,
    INFEASIBLE,
    STALLED,
    TARGET_REACHED,
    TRACE_ROWS,
    InteriorArrays,
    InteriorState,
)
from symgd.native.status import RUNNING

run_at, arrays_at = record_at(InteriorState), record_at(InteriorArrays)

PUSHED = 1e-2  # from the sides, as a part of them
FAINT, MOST_SCALE = 1e-3, 1e100  # derivatives that are scaled up, and by how much
STEEP, LEAST_SCALE = 100.0, 1e-8  # a gradient that is scaled down, and by how much
LARGE_MULTIPLIER = 1e3  # at first: such an estimate is dropped
TOLERANCE, FINE = 1e-9, 1e-12  # of the scaled conditions: enough, and all there is
ROUGHLY = 1e-6  # likewise, where there is no way on
POLISHING = 4  # steps from the one to the other
OPTIMAL, COMPLEMENTARY = 1e-6, 1e-7  # of the gradient, and of the value, unscaled
PRICED = 1e-7  # of the value, which the violation may be worth
SOLVED = 10.0  # times mu: when the barrier problem is done
SLOWER, FASTER = 0.2, 1.5  # a factor of mu, and a power
TO_BOUNDARY = 0.99  # of the way to a side, at most
MARGIN, GAIN = 1e-5, 1e-8  # what a step lowers of the violation, or else of the value
ARMIJO = 1e-8
EPS = 2.220446049250313e-16
CLOSEST = 4.0 * EPS  # of a side, to itself: nearer, a gap has no digits
CORRECTIONS = 4
SHORT, CRAWL = 1e-2, 10  # steps that are no progress, so many in a row
FEASIBLE = 1e-6
FIRST_SHIFT, SHIFTS, FARTHEST_SHIFT = 1e-4, 60, 1e40
SINGULAR = 1e-5  # of a system's right side, which solving it must leave at most
NEAR, FAR = 1e-10, 1e10  # what a multiplier times its gap is, in units of mu
RESTORATIONS, RESTORING = 50, 300
BOTTOM = -1e12  # times the value at the start: a feasible point so low has no lowest
AWAY = 1e10  # so far out
LEVEL = 1e-4  # of what f changed by: curvature that is little
FLAT = 1e-9  # of the largest second derivative: what curves no more is flat


@jit
def _observe(run: Any, at: Any, p: Any, v: Any, h: Any) -> float:
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
def _differentiate(run: Any, at: Any, p: Any, v: Any, y: Any, factor: float) -> bool:
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
def _sum_of(h: Any) -> float:
    total = 0.0
    for k in range(h.shape[0]):
        total += abs(h[k])
    return total


@jit
def _barrier(run: Any, at: Any, f: float, v: Any, mu: float) -> float:
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
def _errors(run: Any, at: Any, mu: float) -> tuple[float, float, float, float]:
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
def _look(run: Any, at: Any) -> None:
    """Note what the conditions are missed by, of the problem as it is given."""
    whole, steep, _, apart = _errors(run, at, 0.0)
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


@jit
def _multipliers(run: Any, at: Any) -> None:
    """Estimate the constraints' multipliers by least squares; 0 if one is large."""
    size, m = run.unknowns, run.constraints
    every = size + m
    z_low, z_high = floats(at.z_low, (size,)), floats(at.z_high, (size,))
    slope, jacobian = floats(at.slope, (size,)), floats(at.jacobian, (m, size))
    system, factors = (
        floats(at.system, (every, every)),
        floats(at.factors, (every, every)),
    )
    right, step, y = (
        floats(at.right, (every,)),
        floats(at.step, (every,)),
        floats(at.y, (m,)),
    )
    rest, better = floats(at.rest, (every,)), floats(at.better, (every,))
    for i in range(every):
        for j in range(every):
            system[i, j] = 0.0
        right[i] = 0.0
    for i in range(size):
        system[i, i], right[i] = 1.0, -(slope[i] - z_low[i] + z_high[i])
        for k in range(m):
            system[size + k, i] = system[i, size + k] = jacobian[k, i]
    regularised(system, size, factors)
    largest = inf
    if factored(factors) == m:
        solved(factors, system, right, step, rest, better)
        largest = 0.0
        for k in range(m):
            largest = (
                max(largest, abs(step[size + k]))
                if step[size + k] == step[size + k]
                else inf
            )
    for k in range(m):
        y[k] = step[size + k] if largest <= LARGE_MULTIPLIER else 0.0


@jit
def _fill(run: Any, at: Any, added: float, corner: float, own: Any) -> None:
    """Write Newton's system.

    Parameters
    ----------
    added, corner : float
        On the diagonal: of the unknowns, of the constraints.
    own : array of shape (unknowns,)
        Likewise, for each unknown.
    """
    n, m, nx, size = run.variables, run.constraints, run.moving, run.unknowns
    every = size + m
    second = floats(at.second, (n + m + 1, n + m + 1))
    places, system = integers(at.places, (nx,)), floats(at.system, (every, every))
    jacobian = floats(at.jacobian, (m, size))
    for i in range(size):
        for j in range(size):
            inside = i < nx and j < nx
            system[i, j] = second[places[i], places[j]] if inside else 0.0
        system[i, i] += own[i] + added
        for k in range(m):
            system[size + k, i] = system[i, size + k] = jacobian[k, i]
    for k in range(m):
        for j in range(m):
            system[size + k, size + j] = 0.0
        system[size + k, size + k] = corner


@jit
def _solves(run: Any, at: Any, out: Any) -> bool:
    """Solve the system for a right side; return whether that is a solution."""
    every = run.unknowns + run.constraints
    system, factors = (
        floats(at.system, (every, every)),
        floats(at.factors, (every, every)),
    )
    right = floats(at.right, (every,))
    rest, better = floats(at.rest, (every,)), floats(at.better, (every,))
    left = solved(factors, system, right, out, rest, better)
    entries, far, wanted = 0.0, 0.0, 0.0
    for i in range(every):
        far, wanted = max(far, abs(out[i])), max(wanted, abs(right[i]))
        if not abs(out[i]) < inf:
            return False
        for j in range(every):
            entries = max(entries, abs(system[i, j]))
    return left <= SINGULAR * max(1e-300, entries * far + wanted)


@jit
def _newton(run: Any, at: Any, mu: float, corner: float, own: Any) -> bool:
    """Find Newton's step, on a Hessian that is made convex where it has to be.

    Parameters
    ----------
    corner : float
        0, or what the constraints' diagonal is.
    """
    size, m = run.unknowns, run.constraints
    every = size + m
    system, factors = (
        floats(at.system, (every, every)),
        floats(at.factors, (every, every)),
    )
    step = floats(at.step, (every,))
    added, relaxed, last = 0.0, 0.0, run.convexity
    for _ in range(SHIFTS):
        _fill(run, at, added, corner - relaxed, own)
        regularised(system, size, factors)
        negative = factored(factors)
        bad = negative < 0
        if negative == m:
            if _solves(run, at, step):
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
def _to_sides(run: Any, at: Any, step: Any, mu: float) -> float:
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
def _side_steps(run: Any, at: Any, step: Any, mu: float) -> float:
    """Find the steps of the sides' multipliers; return how much keeps them positive."""
    size, part, most = run.unknowns, 1.0, max(TO_BOUNDARY, 1.0 - mu)
    v = floats(at.v, (size,))
    low, high = floats(at.v_low, (size,)), floats(at.v_high, (size,))
    z_low, z_high = floats(at.z_low, (size,)), floats(at.z_high, (size,))
    dz_low, dz_high = floats(at.dz_low, (size,)), floats(at.dz_high, (size,))
    for i in range(size):
        dz_low[i] = dz_high[i] = 0.0
        if low[i] > -inf:
            gap = v[i] - low[i]
            dz_low[i] = mu / gap - z_low[i] - z_low[i] / gap * step[i]
            if dz_low[i] < 0.0:
                part = min(part, -most * z_low[i] / dz_low[i])
        if high[i] < inf:
            gap = high[i] - v[i]
            dz_high[i] = mu / gap - z_high[i] + z_high[i] / gap * step[i]
            if dz_high[i] < 0.0:
                part = min(part, -most * z_high[i] / dz_high[i])
    return part


@jit
def _move_sides(run: Any, at: Any, part: float) -> None:
    size = run.unknowns
    z_low, z_high = floats(at.z_low, (size,)), floats(at.z_high, (size,))
    dz_low, dz_high = floats(at.dz_low, (size,)), floats(at.dz_high, (size,))
    for i in range(size):
        z_low[i] += part * dz_low[i]
        z_high[i] += part * dz_high[i]


@jit
def _keep_sides(run: Any, at: Any, mu: float) -> None:
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
def _set_sides(run: Any, at: Any, mu: float) -> None:
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


@jit
def _weights_of_sides(run: Any, at: Any, own: Any) -> None:
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
def _with_barrier(run: Any, at: Any, slope: Any, mu: float, out: Any) -> None:
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
def _acceptable(run: Any, at: Any, theta: float, phi: float) -> bool:
    """Return whether the filter lets a pair pass."""
    if not theta <= run.most_violated:
        return False
    pairs = floats(at.filter, (FILTER, 2))
    for k in range(run.filtered):
        least, most = (1.0 - MARGIN) * pairs[k, 0], pairs[k, 1] - GAIN * pairs[k, 0]
        if not (theta <= least or phi <= most):
            return False
    return True


@jit
def _remember(run: Any, at: Any, theta: float, phi: float) -> None:
    """Let no pair pass again that is no better than one; forget what it makes idle."""
    pairs, kept = floats(at.filter, (FILTER, 2)), 0
    theta, phi = (1.0 - MARGIN) * theta, phi - GAIN * theta
    for k in range(run.filtered):
        if not (pairs[k, 0] >= theta and pairs[k, 1] >= phi):
            pairs[kept, 0], pairs[kept, 1] = pairs[k, 0], pairs[k, 1]
            kept += 1
    kept = min(kept, FILTER - 1)
    pairs[kept, 0], pairs[kept, 1] = theta, phi
    run.filtered = kept + 1


@jit
def _lower_barrier(run: Any) -> None:
    mu = run.barrier
    run.barrier = max(run.least_barrier, min(SLOWER * mu, mu * sqrt(mu)))
    run.filtered = 0


@jit
def _begin(run: Any, at: Any, p: Any) -> int:
    """Scale the problem, and find multipliers, at the first point."""
    n, m, nx, me, size = (
        run.variables,
        run.constraints,
        run.moving,
        run.equalities,
        run.unknowns,
    )
    v, y, h = floats(at.v, (size,)), floats(at.y, (m,)), floats(at.h, (m,))
    image = floats(at.image, (n + m + 1,))
    scales = floats(at.scales, (m,))
    low, high = floats(at.low, (m,)), floats(at.high, (m,))
    jacobian = floats(at.jacobian, (m, size))
    v_low, v_high = floats(at.v_low, (size,)), floats(at.v_high, (size,))
    run.scale = 1.0
    for k in range(m):
        scales[k], y[k] = 1.0, 0.0
    f = _observe(run, at, p, v, h)
    if not (abs(f) < inf and _differentiate(run, at, p, v, y, 1.0)):
        return DIVERGED
    run.scale = _scale(run, at)
    for k in range(m):
        steepest = 0.0
        for j in range(nx):
            steepest = max(steepest, abs(jacobian[k, j]))
        scales[k] = max(LEAST_SCALE, min(1.0, STEEP / max(steepest, 1e-300)))
    for k in range(me, m):
        i = nx + k - me
        v_low[i], v_high[i] = scales[k] * low[k], scales[k] * high[k]
        v[i] = _inside(scales[k] * image[n + k], v_low[i], v_high[i])
    run.value = run.first_value = f
    run.barrier = run.first_barrier
    run.least_barrier = max(1e-15, FINE / 11.0 * min(1.0, 10.0 * run.scale))
    run.convexity, run.filtered, run.restored = 0.0, 0, 0
    run.crawled = run.tiny = run.polished = run.tried = 0
    run.started = 1
    _set_sides(run, at, inf)
    _observe(run, at, p, v, h)
    _differentiate(run, at, p, v, y, run.scale)
    _multipliers(run, at)
    theta = _sum_of(h)
    run.most_violated = 1e4 * max(1.0, theta)
    run.little_violated = 1e-4 * max(1.0, theta)
    return RUNNING


@jit
def _scale(run: Any, at: Any) -> float:
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
def _inside(x: float, low: float, high: float) -> float:
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
def _try(run: Any, at: Any, part: float, step: Any) -> None:
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
def _searched(run: Any, at: Any, p: Any, part: float) -> float:
    """Try a step and shorter ones, as the filter decides; -1 if none is acceptable.

    Returns
    -------
    float
        How much of the step is made; the trial is the new point, ``h_trial`` its
        constraints.
    """
    size, m, mu = run.unknowns, run.constraints, run.barrier
    every = size + m
    v, trial = floats(at.v, (size,)), floats(at.trial, (size,))
    step, other = floats(at.step, (every,)), floats(at.other_step, (every,))
    right, slope = floats(at.right, (every,)), floats(at.barrier_slope, (size,))
    h, h_trial, h_more = (
        floats(at.h, (m,)),
        floats(at.h_trial, (m,)),
        floats(at.h_more, (m,)),
    )
    f = run.scale * run.value
    theta, phi = _sum_of(h), _barrier(run, at, f, v, mu)
    falls, whole = 0.0, part
    for i in range(size):
        falls += slope[i] * step[i]
    least = MARGIN
    if falls < 0.0:
        least = min(MARGIN, GAIN * theta / -falls) if theta > 0.0 else 0.0
        if 0.0 < theta <= run.little_violated:
            least = min(least, _violation_counts(theta) / _value_counts(-falls))
    least *= 0.05
    if falls >= 0.0 and theta < 1e-15:
        least = 1e-12
    least = max(least, 1e-18)
    corrected = False
    while True:
        _try(run, at, part, step)
        new = _observe(run, at, p, trial, h_trial)
        if new < inf:
            new_theta = _sum_of(h_trial)
            if _is_progress(run, at, part, falls, theta, phi, new_theta, new, trial):
                return part
            if part == whole and new_theta >= theta and not corrected and m > 0:
                corrected = True
                before, share = new_theta, part
                for k in range(m):
                    h_more[k] = part * h[k] + h_trial[k]
                for _ in range(CORRECTIONS):
                    for k in range(m):
                        right[size + k] = -h_more[k]
                    if not _solves(run, at, other):
                        break
                    share = _to_sides(run, at, other, mu)
                    _try(run, at, share, other)
                    new = _observe(run, at, p, trial, h_trial)
                    if not new < inf:
                        break
                    new_theta = _sum_of(h_trial)
                    if _is_progress(
                        run, at, part, falls, theta, phi, new_theta, new, trial
                    ):
                        for i in range(size):
                            step[i] = other[i]
                        return share
                    if new_theta > 0.99 * before:
                        break
                    before = new_theta
                    for k in range(m):
                        h_more[k] = share * h_more[k] + h_trial[k]
        part *= 0.5
        if part < least:
            return -1.0


@jit
def _is_progress(
    run: Any,
    at: Any,
    part: float,
    falls: float,
    theta: float,
    phi: float,
    new_theta: float,
    f: float,
    trial: Any,
) -> bool:
    """Return whether a trial is acceptable, to the filter and beside the iterate."""
    new = _barrier(run, at, f, trial, run.barrier)
    if not (new == new and _acceptable(run, at, new_theta, new)):
        return False
    slack = 10.0 * EPS * abs(phi)
    if theta <= run.little_violated and _by_value(falls, part, theta):
        return new - phi - slack <= ARMIJO * part * falls
    return new_theta <= (1.0 - MARGIN) * theta or new - phi - slack <= -GAIN * theta


@jit
def _by_value(falls: float, part: float, theta: float) -> bool:
    """Return whether it is the value that a step is to lower, not the violation."""
    if not falls < 0.0:
        return False
    return part * _value_counts(-falls) > _violation_counts(theta)


@jit
def _value_counts(falls: float) -> float:
    """Return a power that decides, with the next, what a step is to lower.

    It is to be more than twice the other one, and that more than 1.
    """
    return falls * falls * sqrt(falls)


@jit
def _violation_counts(theta: float) -> float:
    return theta * sqrt(sqrt(sqrt(theta)))


@jit
def _restore(run: Any, at: Any, p: Any) -> int:
    """Lower the violation alone, until the filter lets the point pass.

    Returns
    -------
    int
        RUNNING; INFEASIBLE where there is no way on; ABNORMAL.
    """
    m, size = run.constraints, run.unknowns
    every = size + m
    v, trial, begun = (
        floats(at.v, (size,)),
        floats(at.trial, (size,)),
        floats(at.begun, (size,)),
    )
    low, high = floats(at.v_low, (size,)), floats(at.v_high, (size,))
    z_low, z_high = floats(at.z_low, (size,)), floats(at.z_high, (size,))
    h, h_trial = floats(at.h, (m,)), floats(at.h_trial, (m,))
    jacobian, slope = floats(at.jacobian, (m, size)), floats(at.barrier_slope, (size,))
    right, step = floats(at.right, (every,)), floats(at.step, (every,))
    weights = floats(at.other_step, (every,))
    theta, worst = _sum_of(h), 0.0
    for k in range(m):
        worst = max(worst, abs(h[k]))
    mu = max(run.barrier, 0.1 * worst * worst)
    zeta = 1e-2 * min(1e-2, sqrt(mu))
    for i in range(size):
        begun[i] = v[i]
        z_low[i] = min(1e3, mu / (v[i] - low[i])) if low[i] > -inf else 0.0
        z_high[i] = min(1e3, mu / (high[i] - v[i])) if high[i] < inf else 0.0
    convexity, run.convexity = run.convexity, 0.0
    for count in range(RESTORING):
        gradient, apart, off, worst = 0.0, 0.0, 0.0, 0.0
        for k in range(m):
            worst = max(worst, abs(h[k]))
        for i in range(size):
            near = min(1.0, 1.0 / max(1e-300, abs(begun[i])))
            total = zeta * near * near * (v[i] - begun[i])
            for k in range(m):
                total += jacobian[k, i] * h[k]
            right[i] = total
            gradient = max(gradient, abs(total - z_low[i] + z_high[i]))
            if low[i] > -inf:
                apart = max(apart, abs((v[i] - low[i]) * z_low[i]))
                off = max(off, abs((v[i] - low[i]) * z_low[i] - mu))
            if high[i] < inf:
                apart = max(apart, abs((high[i] - v[i]) * z_high[i]))
                off = max(off, abs((high[i] - v[i]) * z_high[i] - mu))
        whole, inner = max(gradient, apart), max(gradient, off)
        if count > 0 and _sum_of(h) <= 0.9 * theta:
            f = _observe(run, at, p, v, h)
            if _acceptable(run, at, _sum_of(h), _barrier(run, at, f, v, run.barrier)):
                run.convexity = convexity
                return RUNNING
        done = mu <= 1e-14 * max(1e-4, worst) and inner < 1e-10
        if whole <= 1e-8 * min(1.0, worst) or done:
            return INFEASIBLE if worst > FEASIBLE else RUNNING
        if inner <= 10.0 * mu:
            mu = max(0.1 * mu, 1e-16)
            zeta = min(zeta, 1e-2 * sqrt(mu))
        if not _differentiate(run, at, p, v, h, 0.0):
            return ABNORMAL
        for i in range(size):
            slope[i] = right[i]
        _with_barrier(run, at, slope, mu, right)
        for i in range(size):
            slope[i] = right[i]
            right[i] = -right[i]
            near = min(1.0, 1.0 / max(1e-300, abs(begun[i])))
            weights[i] = zeta * near * near
        for k in range(m):
            right[size + k] = 0.0
        _weights_of_sides(run, at, weights)
        if not _newton(run, at, mu, -1.0, weights):
            return ABNORMAL
        part = _to_sides(run, at, step, mu)
        share = _side_steps(run, at, step, mu)
        merit, falls = _merit(run, at, h, v, zeta, mu), 0.0
        for i in range(size):
            falls += slope[i] * step[i]
        found = False
        for _ in range(50):
            _try(run, at, part, step)
            new = _observe(run, at, p, trial, h_trial)
            if new < inf:
                there = _merit(run, at, h_trial, trial, zeta, mu)
                if there <= merit + 1e-4 * part * falls + 1e-15 * abs(merit):
                    found = True
                    break
            part *= 0.5
        if not found:
            return INFEASIBLE if worst > FEASIBLE and whole < 1e-4 else ABNORMAL
        for i in range(size):
            v[i] = trial[i]
        for k in range(m):
            h[k] = h_trial[k]
        _move_sides(run, at, share)
        if not _differentiate(run, at, p, v, h, 0.0):
            return ABNORMAL
    return ABNORMAL


@jit
def _merit(run: Any, at: Any, h: Any, v: Any, zeta: float, mu: float) -> float:
    """Return what a restoration lowers."""
    begun = floats(at.begun, (run.unknowns,))
    total = 0.0
    for k in range(run.constraints):
        total += 0.5 * h[k] * h[k]
    for i in range(run.unknowns):
        near = min(1.0, 1.0 / max(1e-300, abs(begun[i])))
        far = near * (v[i] - begun[i])
        total += 0.5 * zeta * far * far
    return _barrier(run, at, total, v, mu)


@jit
def _has_no_bottom(run: Any, at: Any) -> bool:
    """Return whether a feasible point is so low, or so far, that there is no lowest."""
    first = max(1.0, abs(run.first_value))
    if run.visible > run.ctol:
        return False
    if run.value < LOWEST * first:
        return True
    v, far = floats(at.v, (run.unknowns,)), 0.0
    for i in range(run.moving):
        far = max(far, abs(v[i]))
    fallen = run.value < run.first_value - first
    return run.value < BOTTOM * first or (far > AWAY and fallen)


@jit
def _is_solved(run: Any, at: Any, tolerance: float) -> bool:
    """Return whether the optimality conditions hold, scaled and as they are given.

    What the value would change by if the constraints held exactly is told by the
    multipliers, where there are any.
    """
    m = run.constraints
    slope, steepest = floats(at.slope, (run.unknowns,)), 0.0
    y, h, priced = floats(at.y, (m,)), floats(at.h, (m,)), 0.0
    for i in range(run.moving):
        steepest = max(steepest, abs(slope[i]))
    for k in range(m):
        priced += abs(y[k] * h[k])
    steepest /= run.scale
    return (
        run.missed <= tolerance
        and priced / run.scale <= PRICED * max(1.0, abs(run.value))
        and run.norm <= max(run.gtol, OPTIMAL * max(1.0, steepest))
        and run.complementarity <= COMPLEMENTARY * max(1.0, abs(run.value))
        and run.visible <= run.ctol
    )


@jit
def _curving(run: Any, at: Any) -> None:
    """Note in how many directions the Lagrangian curves the other way."""
    size, m, nx = run.unknowns, run.constraints, run.moving
    every, whole = size + m, run.variables + m + 1
    system, factors = (
        floats(at.system, (every, every)),
        floats(at.factors, (every, every)),
    )
    second, places = floats(at.second, (whole, whole)), integers(at.places, (nx,))
    v = floats(at.v, (size,))
    own, largest = floats(at.other_step, (every,)), 0.0
    for j in range(nx):
        for i in range(nx):
            largest = max(largest, abs(second[places[i], places[j]]))
    for i in range(size):
        own[i] = 0.0
    _weights_of_sides(run, at, own)
    _fill(run, at, FLAT * largest, 0.0, own)
    regularised(system, size, factors)
    run.curved = max(0, factored(factors) - m)
    # Beside what f changed by on the way.
    far = 0.0
    for j in range(nx):
        far = max(far, abs(v[j]))
    changed = run.scale * max(abs(run.first_value - run.value), abs(run.value))
    level = LEVEL * changed / (far * far) if far > 0.0 else 0.0
    _fill(run, at, -max(level, FLAT * largest), 0.0, own)
    regularised(system, size, factors)
    run.level = max(0, factored(factors) - m) if level > 0.0 else 1


@jit
def _keep_solved(run: Any, at: Any) -> None:
    """Keep an iterate that is solved: beyond rounding, a step only spoils it."""
    size, m = run.unknowns, run.constraints
    kept, y = floats(at.solved, (3 * size + m,)), floats(at.y, (m,))
    v = floats(at.v, (size,))
    z_low, z_high = floats(at.z_low, (size,)), floats(at.z_high, (size,))
    for i in range(size):
        kept[i], kept[size + i], kept[2 * size + i] = v[i], z_low[i], z_high[i]
    for k in range(m):
        kept[3 * size + k] = y[k]


@jit
def _return_to_solved(run: Any, at: Any, p: Any) -> None:
    """Be at the iterate that was kept."""
    size, m = run.unknowns, run.constraints
    kept, y = floats(at.solved, (3 * size + m,)), floats(at.y, (m,))
    v = floats(at.v, (size,))
    z_low, z_high = floats(at.z_low, (size,)), floats(at.z_high, (size,))
    for i in range(size):
        v[i], z_low[i], z_high[i] = kept[i], kept[size + i], kept[2 * size + i]
    for k in range(m):
        y[k] = kept[3 * size + k]
    _enter(run, at, p)
    _look(run, at)


@jit
def _judged(run: Any, at: Any, status: int) -> int:
    """Say how a run has ended that can't go on, or need not."""
    if _is_solved(run, at, TOLERANCE):
        status = CONVERGED
    elif status == STALLED and not _is_solved(run, at, ROUGHLY):
        status = ABNORMAL
    if status in (CONVERGED, STALLED):
        _curving(run, at)
    return status


@jit
def _step(run: Any, at: Any, p: Any) -> int:
    """Make a step; RUNNING, or a status."""
    size, m = run.unknowns, run.constraints
    every = size + m
    v, y, h = floats(at.v, (size,)), floats(at.y, (m,)), floats(at.h, (m,))
    trial, h_trial = floats(at.trial, (size,)), floats(at.h_trial, (m,))
    slope, barrier_slope = floats(at.slope, (size,)), floats(at.barrier_slope, (size,))
    jacobian, right = floats(at.jacobian, (m, size)), floats(at.right, (every,))
    step, own = floats(at.step, (every,)), floats(at.other_step, (every,))
    mu = run.barrier
    for i in range(size):
        own[i] = 0.0
    _weights_of_sides(run, at, own)
    _with_barrier(run, at, slope, mu, barrier_slope)
    for i in range(size):
        total = barrier_slope[i]
        for k in range(m):
            total += jacobian[k, i] * y[k]
        right[i] = -total
    for k in range(m):
        right[size + k] = -h[k]
    if not _newton(run, at, mu, 0.0, own):
        return ABNORMAL
    part, share = _to_sides(run, at, step, mu), 0.0
    theta, phi = _sum_of(h), _barrier(run, at, run.scale * run.value, v, mu)
    falls, moved, worst = 0.0, 0.0, 0.0
    for i in range(size):
        falls += barrier_slope[i] * step[i]
        moved = max(moved, abs(step[i]) / (1.0 + abs(v[i])))
    for k in range(m):
        worst = max(worst, abs(h[k]))
    if moved < 10.0 * EPS and theta <= 1e-4:  # it is taken as it is
        _try(run, at, part, step)
        made = part if _observe(run, at, p, trial, h_trial) < inf else -1.0
        run.tiny += 1
        if run.barrier > run.least_barrier:
            _lower_barrier(run)
            run.tiny = 0
        elif run.tiny > 1:
            return STALLED
    else:
        made = _searched(run, at, p, part)
    run.crawled = run.crawled + 1 if 0.0 <= made < SHORT else 0
    if run.crawled >= CRAWL and worst > FEASIBLE:
        made, run.crawled = -1.0, 0
    if made < 0.0:
        return _without_step(run, at, p, theta, phi, worst)
    if not (theta <= run.little_violated and _by_value(falls, made, theta)):
        _remember(run, at, theta, phi)
    share = _side_steps(run, at, step, mu)
    for i in range(size):
        v[i] = trial[i]
    for k in range(m):
        y[k] += made * step[size + k]
        h[k] = h_trial[k]
    _move_sides(run, at, share)
    _keep_sides(run, at, mu)
    return _enter(run, at, p)


@jit
def _without_step(
    run: Any, at: Any, p: Any, theta: float, phi: float, worst: float
) -> int:
    """Go on where no step is acceptable: by a smaller mu, or by a restoration."""
    if worst <= 0.1 * TOLERANCE or run.constraints == 0:
        run.tiny += 1
        if run.barrier <= run.least_barrier or run.tiny > 60:
            return STALLED
        _lower_barrier(run)
        return _enter(run, at, p)
    run.restored += 1
    _remember(run, at, theta, phi)
    status = _restore(run, at, p)
    if status == RUNNING and run.restored <= RESTORATIONS:
        _set_sides(run, at, run.barrier)
        y = floats(at.y, (run.constraints,))
        for k in range(run.constraints):
            y[k] = 0.0
        status = _enter(run, at, p)
        if status == RUNNING:
            _multipliers(run, at)
            _differentiate(
                *(run, at, p, floats(at.v, (run.unknowns,)), y, run.scale),
            )
        return status
    ended = _enter(run, at, p)
    return ABNORMAL if status == RUNNING or ended != RUNNING else status


@jit
def _enter(run: Any, at: Any, p: Any) -> int:
    """Take note of the point where the run is."""
    v, h = floats(at.v, (run.unknowns,)), floats(at.h, (run.constraints,))
    y = floats(at.y, (run.constraints,))
    f = _observe(run, at, p, v, h)
    if not abs(f) < inf:
        return DIVERGED
    run.value = f / run.scale
    return RUNNING if _differentiate(run, at, p, v, y, run.scale) else DIVERGED


@jit
def _record(run: Any, at: Any, rows: Any) -> None:
    """Count the iterate, and record it."""
    run.t += 1
    n, nx = run.variables, run.moving
    x, point = floats(at.x, (n,)), floats(at.point, (n + run.constraints + 1,))
    v, places = floats(at.v, (run.unknowns,)), integers(at.places, (nx,))
    image, gradient = floats(at.image, (n,)), floats(at.gradient, (n,))
    for k in range(n):
        x[k], gradient[k] = point[k], run.sign * image[k]
    for k in range(nx):
        x[places[k]] = v[k]
    if run.every != 0 and run.t % run.every == 0:
        row = rows[run.rows]
        row[0], row[1], row[2] = run.t, run.value, run.norm
        for k in range(n):
            row[3 + k] = x[k]
        row[3 + n], row[4 + n] = run.violation, run.barrier
        run.rows += 1


@jit
def descend(run: Any, at: Any, p: Any, rows: Any) -> int:
    """Continue a run, at most to iteration ``run.last``.

    Parameters
    ----------
    run, at : records
        See ``native.records``: InteriorState, InteriorArrays.
    p : array
        The objective's parameters.
    rows : array
        Where the trace goes.

    Returns
    -------
    int
        RUNNING or a status. INFEASIBLE is a point of least violation, near there.
    """
    if run.started == 0:
        status = _begin(run, at, p)
        if status != RUNNING:
            return status
        _enter(run, at, p)
        _look(run, at)
        if run.t < 0:
            _record(run, at, rows)
    while True:
        if _is_solved(run, at, TOLERANCE):
            run.polished += 1
            if run.missed <= FINE or run.polished > POLISHING:
                return _judged(run, at, CONVERGED)
            _keep_solved(run, at)
        if run.value <= run.target and run.visible <= run.ctol:
            return TARGET_REACHED
        if _has_no_bottom(run, at):
            return DIVERGED
        if run.t >= run.last:
            return RUNNING
        if run.tried >= run.most_tried:
            return ABNORMAL
        while (
            run.barrier > run.least_barrier
            and _errors(run, at, run.barrier)[0] <= SOLVED * run.barrier
        ):
            _lower_barrier(run)
        run.tried += 1
        status = _step(run, at, p)
        _look(run, at)
        if run.polished > 0 and not _is_solved(run, at, TOLERANCE):
            _return_to_solved(run, at, p)
            status = CONVERGED
        _record(run, at, rows)
        if status != RUNNING:
            return _judged(run, at, status)


def entry(run: Any, arrays: Any) -> int:
    """Run :func:`descend`, with the addresses of records."""
    state, at = run_at(run), arrays_at(arrays)
    rows = floats(at.trace, (TRACE_ROWS, 5 + state.variables))
    return descend(state, at, floats(at.constants, (1,)), rows)
