"""Compiled functions of objectives and rules, each made when it is first needed.

Just-in-time (JIT) compilation, with numba.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np
import sympy as sp

from symgd.calculus import derivatives
from symgd.language.formula import read, symbol
from symgd.lowering.code_printer import Style
from symgd.lowering.intrinsics import Interpreted, evaluate, floats, storing
from symgd.lowering.source import lower, source_of
from symgd.lowering.tracing import straight

# Without reference counts: nothing is allocated, and code stays free of the runtime.
# Without wrappers: only other compiled code calls it, and each would be compiled, too.
JIT_OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "_nrt": False,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
EVALUATION = "d:ppp"  # the signature of value and gradient, and of the Hessian


def native(function: Callable[..., Any], signature: str) -> Any:
    """Compile a function of addresses and numbers, as a ``Kernel`` is called.

    Returns
    -------
    numba.cfunc
        Or, if jitting is disabled, a Kernel that runs the function in Python.
    """
    if numba.config.DISABLE_JIT:
        return Interpreted(function, signature)
    kinds = {"p": numba.types.voidptr, "i": numba.types.int64, "d": numba.types.float64}
    returned, taken = signature.split(":")
    typed = kinds[returned](*(kinds[letter] for letter in taken))
    return numba.cfunc(typed, **JIT_OPTIONS)(function)


class NativeObjective:
    """The compiled functions of one formula, each made when it is first needed."""

    def __init__(
        self,
        expression: sp.Expr,
        gradient: tuple[sp.Expr, ...],
        variables: tuple[sp.Symbol, ...],
        parameters: tuple[sp.Symbol, ...],
    ) -> None:
        self.expression = expression
        self.gradient = gradient
        self.variables = variables
        self.parameters = parameters
        self.sizes = (len(variables), len(parameters))
        self._places = {s: f"x[{i}]" for i, s in enumerate(variables)}
        self._places |= {s: f"p[{i}]" for i, s in enumerate(parameters)}

    @functools.cached_property
    def source(self) -> str:
        """Value and gradient as Python, conditionals as conditionals."""
        outputs = (self.expression, *self.gradient)
        return source_of(lower("value_and_gradient", ("x", "p"), outputs, self._places))

    def in_lanes(self, width: int) -> types.FunctionType:
        """Return the same for lanes: (s, p) -> (f, g0, g1, ...).

        A variable stands in every place of ``s`` whose number ``width`` divides, its
        state behind it.
        """
        places = {s: f"s[{i * width}]" for i, s in enumerate(self.variables)}
        places |= {s: f"p[{i}]" for i, s in enumerate(self.parameters)}
        outputs = (self.expression, *self.gradient)
        name, arguments = "value_and_gradient", ("s", "p")
        return lower(name, arguments, outputs, places, style=Style.THROUGHPUT)

    @functools.cached_property
    def value_and_gradient(self) -> Any:
        """The straight-line function, as numba calls it: (x, p) -> (f, g0, g1, ...)."""
        outputs = (self.expression, *self.gradient)
        lowered = lower(
            "value_and_gradient", ("x", "p"), outputs, self._places, style=Style.LATENCY
        )
        return straight(lowered, len(outputs))

    @functools.cached_property
    def second_derivatives(self) -> tuple[Any, list[int]]:
        """The entries of the Hessian that aren't 0, and their places in the matrix."""
        matrix = derivatives.hessian(sp.Matrix(self.gradient), self.variables)
        places = [place for place, entry in enumerate(matrix) if entry != 0]
        outputs = (sp.S.Zero, *(matrix[place] for place in places))
        lowered = lower(
            "hessian", ("x", "p"), outputs, self._places, style=Style.LATENCY
        )
        return straight(lowered, len(outputs)), places

    # ---- as kernels: double f(double *x, double *p, double *out)

    def evaluation(self) -> Any:
        """Return the value, write the gradient."""
        return self._writing(self.value_and_gradient, range(self.sizes[0]))

    def hessian(self) -> Any:
        """Write the Hessian, row by row, where it isn't 0."""
        return self._writing(*self.second_derivatives)

    def _writing(self, function: Any, places: Sequence[int]) -> Any:
        n, k = self.sizes
        count, store_at = len(places), storing(tuple(places))

        def write(x: Any, p: Any, out: Any) -> float:
            results = function(floats(x, (n,)), floats(p, (k,)))
            store_at(floats(out, (count,)), results)
            return results[0]

        return native(write, EVALUATION)

    # ---- as a user's own jitted function calls them

    @functools.cached_property
    def jitted_value(self) -> Any:
        """Return the value, from an array or a tuple."""
        function = self.value_and_gradient

        @numba.njit(error_model="numpy")
        def value(x: Any, p: Any = ()) -> float:
            return function(x, p)[0]

        return value

    @functools.cached_property
    def jitted_value_and_grad(self) -> Any:
        """Return value and gradient."""
        function, n = self.value_and_gradient, self.sizes[0]
        store_at = storing(tuple(range(n)))

        @numba.njit(error_model="numpy")
        def value_and_grad(x: Any, p: Any = ()) -> Any:
            results = function(x, p)
            gradient = np.empty(n)
            store_at(gradient, results)
            return results[0], gradient

        return value_and_grad

    @functools.cached_property
    def jitted_grad(self) -> Any:
        """Return the gradient."""
        value_and_grad = self.jitted_value_and_grad

        @numba.njit(error_model="numpy")
        def grad(x: Any, p: Any = ()) -> Any:
            return value_and_grad(x, p)[1]

        return grad

    @functools.cached_property
    def jitted_hess(self) -> Any:
        """Return the Hessian."""
        function, places = self.second_derivatives
        store_at, n = storing(tuple(places)), self.sizes[0]

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


@functools.lru_cache(maxsize=256)
def native_objective(
    expression: sp.Expr,
    gradient: tuple[sp.Expr, ...],
    variables: tuple[sp.Symbol, ...],
    parameters: tuple[sp.Symbol, ...],
) -> NativeObjective:
    """Return the native form of a formula, one however often it is asked for."""
    return NativeObjective(expression, gradient, variables, parameters)


@functools.lru_cache(maxsize=256)
def native_schedule(schedules: tuple[str | None, ...]) -> Any:
    """Return the hyperparameters of update t: (t, h) -> tuple.

    A hyperparameter without a schedule, None, is passed through from ``h``.
    """
    return straight(lowered_schedule(schedules, Style.LATENCY), len(schedules))


@functools.lru_cache(maxsize=256)
def lowered_schedule(
    schedules: tuple[str | None, ...], style: Style = Style.PYTHON
) -> types.FunctionType:
    """Return the same as plain Python."""
    constants = [sp.Symbol(f"h{j}", real=True) for j in range(len(schedules))]
    t = {"t": symbol("t")}
    outputs = [
        constants[j] if schedule is None else read(schedule, t, closed=True)
        for j, schedule in enumerate(schedules)
    ]
    places = {s: f"h[{j}]" for j, s in enumerate(constants)}
    places[symbol("t")] = "t"
    return lower("schedule", ("t", "h"), outputs, places, style=style)
