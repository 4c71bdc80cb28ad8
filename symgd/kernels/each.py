"""Many starts, one after the other: the loop around any method that searches.

The method is called by its address, so there is one such loop for all of them.
"""

from __future__ import annotations

from math import inf
from typing import Any

from symgd.kernels.common import WORD, arrays_at, copy, run_at
from symgd.lowering.intrinsics import call_at, floats, integers


def entry(
    descend: int,
    run: Any,
    arrays: Any,
    descents: int,
    first: int,
    last: int,
    starts: int,
    parameters: int,
    x: int,
    fun: int,
    jac: int,
    status: int,
    nit: int,
    nfev: int,
) -> int:
    """Run from some of many starts, and enter the ends in tables.

    Parameters
    ----------
    descend : address
        Of the method.
    run, arrays : addresses
        See ``native.records.RunState`` and ``RunArrays``.
    descents, first, last : int
        How many starts there are, and which are to be run.
    starts, parameters, x, fun, jac, status, nit, nfev : addresses
        Of tables with a row for each start.
    """
    state, places = run_at(run), arrays_at(arrays)
    n, k = state.variables, state.parameters
    origins, points = floats(starts, (descents, n)), floats(x, (descents, n))
    values, ends = floats(fun, (descents,)), integers(status, (descents,))
    steps, evaluations = integers(nit, (descents,)), integers(nfev, (descents,))
    for i in range(first, last):
        copy(origins[i], points[i])
        state.t, state.waited, state.evaluations, state.best = -1, 0, 0, inf
        places.x, places.gradient = x + WORD * n * i, jac + WORD * n * i
        places.constants = parameters + WORD * k * i
        ends[i] = call_at(descend, (state, places))
        values[i], steps[i] = state.value, max(state.t, 0)
        evaluations[i] = state.evaluations
    return 0
