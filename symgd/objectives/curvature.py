"""Second derivatives of formulas with arrays: along a direction, or by columns.

A Hessian-vector product, ``hessp``, is the gradient of a directional derivative.
"""

from __future__ import annotations

import functools
from array import array
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from symgd.errors import InputError
from symgd.native.machine import Kernel, PythonKernel, address
from symgd.native.records import EVALUATION
from symgd.native.stopping import stoppable
from symgd.objectives.numbers_given import as_array, named

# It stands above: what is asked of one is its space, hess and kernels.
Objective: TypeAlias = Any


def hessp(objective: Objective, x: Any, v: Any) -> np.ndarray:
    """Return the product of the Hessian at a point with a direction."""
    point, direction = (_point(objective, each, n) for each, n in ((x, "x"), (v, "v")))
    if objective.arrays is None:
        return objective.hess(point) @ direction
    out = np.empty_like(point)
    given = point, objective.parameter_values(), out, direction
    with stoppable():
        objective.kernel("product")(*map(address, given))
    return out


def _point(objective: Objective, values: Any, what: str) -> np.ndarray:
    space = objective.space
    values = named(values)
    if isinstance(values, Mapping):
        values = space.flat(values, what)
    point = np.array(as_array(values, what))
    if point.shape in ((), *space.shapes) and point.size == len(space):
        point = point.reshape(-1)
    if point.shape != (len(space),):
        raise InputError(f"{what} has shape {point.shape}; expected {space.expected()}")
    return point


def hessian_by_columns(product: Kernel, n: int) -> Kernel:
    """Return the Hessian, ``double f(x, p, out)``: a column for each unit direction."""
    return PythonKernel(functools.partial(_columns, product, n), EVALUATION)


def _columns(product: Kernel, n: int, x: int, p: int, out: int) -> float:
    unit = array("d", bytes(8 * n))
    for k in range(n):
        unit[k] = 1.0
        product(x, p, out + 8 * n * k, address(unit))
        unit[k] = 0.0
    return 0.0
