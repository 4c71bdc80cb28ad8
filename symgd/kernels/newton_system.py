"""Newton's system of the optimality conditions, made to have the right signs.

Source: Wächter and Biegler 2006, section 3.1; see ``kernels.interior``.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

from symgd.kernels.factoring import factored, regularised, solved
from symgd.kernels.sides import LARGE_MULTIPLIER
from symgd.lowering.intrinsics import floats, integers
from symgd.lowering.jitting import jit

FIRST_SHIFT, SHIFTS, FARTHEST_SHIFT = 1e-4, 60, 1e40
SINGULAR = 1e-5  # of a system's right side, which solving it must leave at most


@jit
def fill(run: Any, at: Any, added: float, corner: float, own: Any) -> None:
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
def solves(run: Any, at: Any, out: Any) -> bool:
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
def newton(run: Any, at: Any, mu: float, corner: float, own: Any) -> bool:
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
        fill(run, at, added, corner - relaxed, own)
        regularised(system, size, factors)
        negative = factored(factors)
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
def multipliers(run: Any, at: Any) -> None:
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
