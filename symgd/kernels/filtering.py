"""Which steps are made: a filter of pairs of violation and barrier function.

Elsewhere: a filter line search, with second-order corrections.

Source: Wächter and Biegler 2006, sections 2.3 and 2.4; see ``kernels.interior``.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

from symgd.kernels.factoring import EPS
from symgd.kernels.lagrangian import observe, sum_of
from symgd.kernels.newton_system import solves
from symgd.kernels.sides import barrier_function, place_trial, to_sides
from symgd.lowering.intrinsics import floats
from symgd.lowering.jitting import jit
from symgd.native.records import FILTER

SLOWER = 0.2  # a factor of mu; or else it is raised to the power of 1.5
MARGIN, GAIN = 1e-5, 1e-8  # what a step lowers of the violation, or else of the value
ARMIJO = 1e-8
CORRECTIONS = 4


@jit
def acceptable(run: Any, at: Any, theta: float, phi: float) -> bool:
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
def remember(run: Any, at: Any, theta: float, phi: float) -> None:
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
def lower_barrier(run: Any) -> None:
    """Give the barrier less weight, and forget the filter, which was of the old one."""
    mu = run.barrier
    run.barrier = max(run.least_barrier, min(SLOWER * mu, mu * sqrt(mu)))
    run.filtered = 0


@jit
def searched(run: Any, at: Any, p: Any, part: float) -> float:
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
    theta, phi = sum_of(h), barrier_function(run, at, f, v, mu)
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
        place_trial(run, at, part, step)
        new = observe(run, at, p, trial, h_trial)
        if new < inf:
            new_theta = sum_of(h_trial)
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
                    if not solves(run, at, other):
                        break
                    share = to_sides(run, at, other, mu)
                    place_trial(run, at, share, other)
                    new = observe(run, at, p, trial, h_trial)
                    if not new < inf:
                        break
                    new_theta = sum_of(h_trial)
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
    new = barrier_function(run, at, f, trial, run.barrier)
    if not (new == new and acceptable(run, at, new_theta, new)):
        return False
    slack = 10.0 * EPS * abs(phi)
    if theta <= run.little_violated and by_value(falls, part, theta):
        return new - phi - slack <= ARMIJO * part * falls
    return new_theta <= (1.0 - MARGIN) * theta or new - phi - slack <= -GAIN * theta


@jit
def by_value(falls: float, part: float, theta: float) -> bool:
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
