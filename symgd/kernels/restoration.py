"""Lowering the violation of constraints alone, where no step is acceptable.

Source: Wächter and Biegler 2006, section 3.3; see ``kernels.interior``. Here it is
Newton's method on the squares of the violations, beside the barrier.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

from symgd.kernels.filtering import acceptable
from symgd.kernels.lagrangian import add_multiples, differentiate, observe, sum_of
from symgd.kernels.newton_system import newton
from symgd.kernels.sides import (
    barrier_function,
    bend,
    move_sides,
    place_trial,
    side_steps,
    to_sides,
    weights_of_sides,
    with_barrier,
)
from symgd.lowering.intrinsics import floats
from symgd.lowering.jitting import jit
from symgd.native.records import ABNORMAL, INFEASIBLE
from symgd.native.status import RUNNING

FEASIBLE = 1e-6
RESTORATIONS, RESTORING = 50, 300


@jit
def restore(run: Any, at: Any, p: Any) -> int:
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
    slope = floats(at.barrier_slope, (size,))
    right, step = floats(at.right, (every,)), floats(at.step, (every,))
    weights = floats(at.other_step, (every,))
    theta, worst = sum_of(h), 0.0
    for k in range(m):
        worst = max(worst, abs(h[k]))
    mu = max(run.barrier, 0.1 * worst * worst)
    zeta = 1e-2 * min(1e-2, sqrt(mu))
    for i in range(size):
        begun[i] = v[i]
        z_low[i] = min(1e3, mu / (v[i] - low[i])) if low[i] > -inf else 0.0
        z_high[i] = min(1e3, mu / (high[i] - v[i])) if high[i] < inf else 0.0
    bend(run, at, step, 0.0)  # its steps are straight
    convexity, run.convexity = run.convexity, 0.0
    for count in range(RESTORING):
        gradient, apart, off, worst = 0.0, 0.0, 0.0, 0.0
        for k in range(m):
            worst = max(worst, abs(h[k]))
        for i in range(size):
            near = min(1.0, 1.0 / max(1e-300, abs(begun[i])))
            right[i] = zeta * near * near * (v[i] - begun[i])
        add_multiples(run, at, h, right)
        for i in range(size):
            gradient = max(gradient, abs(right[i] - z_low[i] + z_high[i]))
            if low[i] > -inf:
                apart = max(apart, abs((v[i] - low[i]) * z_low[i]))
                off = max(off, abs((v[i] - low[i]) * z_low[i] - mu))
            if high[i] < inf:
                apart = max(apart, abs((high[i] - v[i]) * z_high[i]))
                off = max(off, abs((high[i] - v[i]) * z_high[i] - mu))
        whole, inner = max(gradient, apart), max(gradient, off)
        if count > 0 and sum_of(h) <= 0.9 * theta:
            f = observe(run, at, p, v, h)
            if acceptable(
                run, at, sum_of(h), barrier_function(run, at, f, v, run.barrier)
            ):
                run.convexity = convexity
                return RUNNING
        done = mu <= 1e-14 * max(1e-4, worst) and inner < 1e-10
        if whole <= 1e-8 * min(1.0, worst) or done:
            return INFEASIBLE if worst > FEASIBLE else RUNNING
        if inner <= 10.0 * mu:
            mu = max(0.1 * mu, 1e-16)
            zeta = min(zeta, 1e-2 * sqrt(mu))
        if not differentiate(run, at, p, v, h, 0.0):
            return ABNORMAL
        for i in range(size):
            slope[i] = right[i]
        with_barrier(run, at, slope, mu, right)
        for i in range(size):
            slope[i] = right[i]
            right[i] = -right[i]
            near = min(1.0, 1.0 / max(1e-300, abs(begun[i])))
            weights[i] = zeta * near * near
        for k in range(m):
            right[size + k] = 0.0
        weights_of_sides(run, at, weights)
        if not newton(run, at, mu, -1.0, weights):
            return ABNORMAL
        part = to_sides(run, at, step, mu)
        share = side_steps(run, at, step, mu)
        merit, falls = _merit(run, at, h, v, zeta, mu), 0.0
        for i in range(size):
            falls += slope[i] * step[i]
        found = False
        for _ in range(50):
            place_trial(run, at, part, step)
            new = observe(run, at, p, trial, h_trial)
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
        move_sides(run, at, share)
        if not differentiate(run, at, p, v, h, 0.0):
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
    return barrier_function(run, at, total, v, mu)
