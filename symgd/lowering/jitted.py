"""An objective's functions as a user's own jitted function calls them."""

from __future__ import annotations

import functools
from typing import Any

import numba
import numpy as np

from symgd.lowering.inlining import straight
from symgd.lowering.intrinsics import evaluate, storing
from symgd.lowering.scalar_objective import NativeObjective


@functools.lru_cache(maxsize=256)
def jitted(objective: NativeObjective, kind: str) -> Any:
    """Return a function of x, an array or a tuple, and of the parameters' values.

    Parameters
    ----------
    kind : str
        "value", "grad", "value_and_grad" or "hess".
    """
    makers = {"value": _value, "grad": _grad, "hess": _hess}
    return makers.get(kind, _value_and_grad)(objective)


def _value(objective: NativeObjective) -> Any:
    function = straight(objective.value_and_gradient, 1 + objective.sizes[0])

    @numba.njit(error_model="numpy")
    def value(x: Any, p: Any = ()) -> float:
        return function(x, p)[0]

    return value


def _value_and_grad(objective: NativeObjective) -> Any:
    n = objective.sizes[0]
    function = straight(objective.value_and_gradient, 1 + n)
    store_at = storing(tuple(range(n)))

    @numba.njit(error_model="numpy")
    def value_and_grad(x: Any, p: Any = ()) -> Any:
        results = function(x, p)
        gradient = np.empty(n)
        store_at(gradient, results)
        return results[0], gradient

    return value_and_grad


def _grad(objective: NativeObjective) -> Any:
    value_and_grad = jitted(objective, "value_and_grad")

    @numba.njit(error_model="numpy")
    def grad(x: Any, p: Any = ()) -> Any:
        return value_and_grad(x, p)[1]

    return grad


def _hess(objective: NativeObjective) -> Any:
    plain, places = objective.second_derivatives
    function, n = straight(plain, 1 + len(places)), objective.sizes[0]
    store_at = storing(tuple(places))

    @numba.njit(error_model="numpy")
    def hess(x: Any, p: Any = ()) -> Any:
        matrix = np.zeros(n * n)
        store_at(matrix, function(x, p))
        return matrix.reshape(n, n)

    return hess


def jitted_at(address: int, words: np.ndarray, n: int, kind: str) -> Any:
    """Return the kernel at an address as a jitted function of x.

    Parameters
    ----------
    words : ndarray
        The constants that it takes.
    n : int
        The number of coordinates.
    kind : str
        "value", "grad", "value_and_grad" or "hess".
    """

    @numba.njit(error_model="numpy")
    def value_and_grad(x: Any) -> Any:
        gradient = np.empty(n)
        return evaluate(address, x, words, gradient), gradient

    @numba.njit(error_model="numpy")
    def value(x: Any) -> float:
        return value_and_grad(x)[0]

    @numba.njit(error_model="numpy")
    def grad(x: Any) -> Any:
        return value_and_grad(x)[1]

    @numba.njit(error_model="numpy")
    def hess(x: Any) -> Any:
        matrix = np.empty((n, n))
        evaluate(address, x, words, matrix)
        return matrix

    chosen = {"value": value, "grad": grad, "hess": hess}
    return chosen.get(kind, value_and_grad)
