"""Sparse symmetric systems without pivoting: K = L D L', and the signs of D.

A quasidefinite matrix has such factors in any order of its rows; a small diagonal makes
a saddle-point matrix one, and refinement against the matrix itself takes that back. So
the order, and what the factors have where, are known before any number is
(``kernels.elimination``).

Sources: Vanderbei 1995, "Symmetric quasidefinite matrices", theorem 2.1; Friedlander
and Orban 2012, "A primal-dual regularized interior-point method for convex quadratic
programs" (the diagonal); Davis 2005, "Algorithm 849: a concise sparse Cholesky
factorization package" (row by row, along the tree of eliminations).
"""

from __future__ import annotations

from math import inf
from typing import Any

from symgd.lowering.intrinsics import floats, integers
from symgd.lowering.jitting import jit

EPS = 2.220446049250313e-16  # of float64
LITTLE = 1e-10  # added to the diagonal, at most
ROUNDS = 10  # of refinement
LESS = 0.9  # of the residual, that a round must leave at most


@jit
def _regularise(run: Any, at: Any, out: Any) -> None:
    """Write what is added to the diagonal: little, for constraints less than 0."""
    n = run.unknowns + run.constraints
    starts, within = integers(at.starts, (n + 1,)), integers(at.within, (run.filled,))
    order, system = integers(at.order, (n,)), floats(at.system, (run.filled,))
    largest = floats(at.spread, (n,))
    for k in range(n):
        largest[k] = 0.0
    for k in range(n):
        for place in range(starts[k], starts[k + 1]):
            i, size = within[place], abs(system[place])
            largest[k], largest[i] = max(largest[k], size), max(largest[i], size)
    for i in range(n):
        k = order[i]
        out[k] = LITTLE * min(1.0, largest[k]) if i < run.unknowns else -LITTLE


@jit
def factored(run: Any, at: Any) -> int:
    """Find the factors of the system; return how many of D are negative.

    -1 if there are no such factors: a pivot is 0, or not finite.
    """
    n, negative = run.unknowns + run.constraints, 0
    starts, within = integers(at.starts, (n + 1,)), integers(at.within, (run.filled,))
    system, little = floats(at.system, (run.filled,)), floats(at.rest, (n,))
    first, parents = integers(at.factor_starts, (n + 1,)), integers(at.parents, (n,))
    below, factors = (
        integers(at.factor_rows, (run.factored,)),
        floats(at.factors, (run.factored,)),
    )
    pivots, row = floats(at.pivots, (n,)), floats(at.spread, (n,))
    marks, ends = integers(at.marks, (n,)), integers(at.ends, (n,))
    reached, path = integers(at.reached, (n,)), integers(at.path, (n,))
    _regularise(run, at, little)
    for k in range(n):
        marks[k], ends[k], row[k] = -1, first[k], 0.0
    for k in range(n):
        last = starts[k + 1] - 1
        pivot, top, marks[k] = system[last] + little[k], n, k
        for place in range(starts[k], last):
            i, length = within[place], 0
            row[i] = system[place]
            while marks[i] != k:
                path[length], marks[i] = i, k
                i, length = parents[i], length + 1
            while length > 0:
                length, top = length - 1, top - 1
                reached[top] = path[length]
        for place in range(top, n):
            i = reached[place]
            value, row[i] = row[i], 0.0
            for other in range(first[i], ends[i]):
                row[below[other]] -= factors[other] * value
            part = value / pivots[i]
            pivot -= part * value
            below[ends[i]], factors[ends[i]] = k, part
            ends[i] += 1
        if not (0.0 < abs(pivot) < inf):
            return -1
        if pivot < 0.0:
            negative += 1
        pivots[k] = pivot
    return negative


@jit
def _substitute(run: Any, at: Any, x: Any) -> None:
    n = run.unknowns + run.constraints
    first, pivots = integers(at.factor_starts, (n + 1,)), floats(at.pivots, (n,))
    below, factors = (
        integers(at.factor_rows, (run.factored,)),
        floats(at.factors, (run.factored,)),
    )
    for k in range(n):
        for place in range(first[k], first[k + 1]):
            x[below[place]] -= factors[place] * x[k]
    for k in range(n - 1, -1, -1):
        total = x[k] / pivots[k]
        for place in range(first[k], first[k + 1]):
            total -= factors[place] * x[below[place]]
        x[k] = total


@jit
def _residual(run: Any, at: Any, x: Any, right: Any, out: Any) -> float:
    """Write what is left of the system; return its largest part."""
    n, largest = run.unknowns + run.constraints, 0.0
    starts, within = integers(at.starts, (n + 1,)), integers(at.within, (run.filled,))
    system = floats(at.system, (run.filled,))
    for k in range(n):
        out[k] = right[k]
    for k in range(n):
        last = starts[k + 1] - 1
        left = out[k] - system[last] * x[k]
        for place in range(starts[k], last):
            i = within[place]
            left -= system[place] * x[i]
            out[i] -= system[place] * x[k]
        out[k] = left
    for k in range(n):
        largest = max(largest, abs(out[k])) if out[k] == out[k] else inf
    return largest


@jit
def solved(run: Any, at: Any, right: Any, out: Any) -> float:
    """Solve the system by its factors; refine against the system itself.

    Parameters
    ----------
    right, out : arrays of shape (unknowns + constraints,)
        The right side, and where the solution goes.

    Returns
    -------
    float
        The largest part of the residual.
    """
    n = run.unknowns + run.constraints
    order, wanted = integers(at.order, (n,)), floats(at.wanted, (n,))
    x, rest, better = (
        floats(at.found, (n,)),
        floats(at.rest, (n,)),
        floats(at.better, (n,)),
    )
    for i in range(n):
        wanted[order[i]] = x[order[i]] = right[i]
    _substitute(run, at, x)
    left = _residual(run, at, x, wanted, rest)
    for _ in range(ROUNDS):
        _substitute(run, at, rest)
        for k in range(n):
            better[k] = x[k] + rest[k]
        now = _residual(run, at, better, wanted, rest)
        if not now < LESS * left:
            break
        left = now
        for k in range(n):
            x[k] = better[k]
    for i in range(n):
        out[i] = x[order[i]]
    return left
