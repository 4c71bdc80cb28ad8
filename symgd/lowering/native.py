"""Compiled functions of objectives and rules, each made when it is first needed."""

from __future__ import annotations

import ctypes
import functools
import types
from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np
import sympy as sp

from symgd import derivatives
from symgd.formula import symbol
from symgd.lowering.intrinsics import TWINS
from symgd.lowering.source import HELPERS, lower, source_of

JIT_OPTIONS: dict[str, Any] = {"error_model": "numpy"}


def inlined(function: types.FunctionType) -> Any:
    """Compile a straight-line function so that every caller inlines it.

    Beyond some size LLVM stops inlining on its own, and with it keeping the state of
    a loop in registers.
    """
    helpers = {name: _compiled(helper) for name, helper in HELPERS.items()}
    space = {**function.__globals__, **helpers}
    linked = types.FunctionType(function.__code__, space, function.__name__)
    return numba.njit(forceinline=True, **JIT_OPTIONS)(linked)


@functools.cache
def _compiled(helper: Callable[..., Any]) -> Any:
    """Compile a helper of the function table; numba knows the others itself."""
    if helper in TWINS:
        return TWINS[helper]
    if isinstance(helper, types.FunctionType):
        return numba.njit(forceinline=True, **JIT_OPTIONS)(helper)
    return helper


class NativeFunction:
    """A compiled ``double f(double *x, double *p, double *out)``.

    Parameters
    ----------
    function : jitted straight-line function
        Takes x and p, returns a tuple.
    sizes : (int, int)
        The lengths of x and p.
    places : sequence of int
        Where in ``out`` the second, third, ... number of the tuple goes; the first is
        returned.

    Attributes
    ----------
    handle : int
        The address, as kernels take it (a Python function if jitting is disabled).
    """

    def __init__(
        self, function: Any, sizes: tuple[int, int], places: Sequence[int]
    ) -> None:
        n, k = sizes
        targets = np.array(places, dtype=np.int64)
        count = len(places)

        def write(x: Any, p: Any, out: Any) -> float:
            results = function(x, p)
            for i in range(count):
                out[targets[i]] = results[i + 1]
            return results[0]

        if numba.config.DISABLE_JIT:
            self.handle: Any = write
            self._call: Callable[..., float] = write
            return

        writing = numba.njit(forceinline=True, **JIT_OPTIONS)(write)

        def entry(x: Any, p: Any, out: Any) -> float:
            return writing(
                numba.carray(x, n), numba.carray(p, k), numba.carray(out, count)
            )

        vector = numba.types.CPointer(numba.types.float64)
        signature = numba.types.float64(vector, vector, vector)
        self._compiled = numba.cfunc(signature, **JIT_OPTIONS)(entry)
        self.handle = self._compiled.address
        pointers = (ctypes.c_void_p,) * 3
        call = ctypes.CFUNCTYPE(ctypes.c_double, *pointers)(self.handle)
        self._call = lambda x, p, out: call(*(a.ctypes.data for a in (x, p, out)))

    def __call__(self, x: np.ndarray, p: np.ndarray, out: np.ndarray) -> float:
        """Call the function from Python."""
        return self._call(x, p, out)


class NativeObjective:
    """The native functions of one formula, each compiled when it is first needed."""

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
        self._lowered = lower(
            "value_and_gradient", ("x", "p"), (expression, *gradient), self._places
        )
        self.source = source_of(self._lowered)

    @functools.cached_property
    def value_and_gradient(self) -> Any:
        """The straight-line function, to be inlined: (x, p) -> (f, g0, g1, ...)."""
        return inlined(self._lowered)

    @functools.cached_property
    def evaluate(self) -> NativeFunction:
        """Value returned, gradient written: what solvers and Python call."""
        return NativeFunction(self.value_and_gradient, self.sizes, range(self.sizes[0]))

    @functools.cached_property
    def lowered_hessian(self) -> tuple[types.FunctionType, list[int]]:
        """The entries of the Hessian that aren't 0, and their places in the matrix."""
        matrix = derivatives.hessian(sp.Matrix(self.gradient), self.variables)
        places = [place for place, entry in enumerate(matrix) if entry != 0]
        outputs = (sp.S.Zero, *(matrix[place] for place in places))
        lowered = lower("hessian", ("x", "p"), outputs, self._places)
        return lowered, places

    @functools.cached_property
    def second_derivatives(self) -> tuple[Any, list[int]]:
        """The same, compiled."""
        lowered, places = self.lowered_hessian
        return inlined(lowered), places

    def curvatures(self, x: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Return the eigenvalues of the Hessian, without compiling it."""
        n = self.sizes[0]
        lowered, places = self.lowered_hessian
        matrix = np.zeros(n * n)
        matrix[places] = lowered(x.tolist(), p.tolist())[1:]
        return np.linalg.eigvalsh(matrix.reshape(n, n))

    @functools.cached_property
    def evaluate_hessian(self) -> NativeFunction:
        """Write the Hessian, row by row, where it isn't 0."""
        return NativeFunction(
            self.second_derivatives[0], self.sizes, self.second_derivatives[1]
        )

    # ---- as Python calls them

    def value_and_grad(self, x: np.ndarray, p: np.ndarray) -> tuple[float, np.ndarray]:
        """Return value and gradient."""
        gradient = np.empty(self.sizes[0])
        return self.evaluate(x, p, gradient), gradient

    def value(self, x: np.ndarray, p: np.ndarray) -> float:
        """Return the value."""
        return self.value_and_grad(x, p)[0]

    def grad(self, x: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Return the gradient."""
        return self.value_and_grad(x, p)[1]

    def hess(self, x: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Return the Hessian."""
        matrix = np.zeros((self.sizes[0],) * 2)
        self.evaluate_hessian(x, p, matrix)
        return matrix

    # ---- as a user's own jitted function calls them

    @functools.cached_property
    def jitted_value(self) -> Any:
        """Return the value, from an array or a tuple."""
        function = self.value_and_gradient

        @numba.njit(**JIT_OPTIONS)
        def value(x: Any, p: Any = ()) -> float:
            return function(x, p)[0]

        return value

    @functools.cached_property
    def jitted_value_and_grad(self) -> Any:
        """Return value and gradient."""
        function, n = self.value_and_gradient, self.sizes[0]

        @numba.njit(**JIT_OPTIONS)
        def value_and_grad(x: Any, p: Any = ()) -> Any:
            results = function(x, p)
            gradient = np.empty(n)
            for i in range(n):
                gradient[i] = results[i + 1]
            return results[0], gradient

        return value_and_grad

    @functools.cached_property
    def jitted_grad(self) -> Any:
        """Return the gradient."""
        value_and_grad = self.jitted_value_and_grad

        @numba.njit(**JIT_OPTIONS)
        def grad(x: Any, p: Any = ()) -> Any:
            return value_and_grad(x, p)[1]

        return grad

    @functools.cached_property
    def jitted_hess(self) -> Any:
        """Return the Hessian."""
        function, places = self.second_derivatives
        targets, n = np.array(places, dtype=np.int64), self.sizes[0]

        @numba.njit(**JIT_OPTIONS)
        def hess(x: Any, p: Any = ()) -> Any:
            results = function(x, p)
            matrix = np.zeros(n * n)
            for i in range(len(targets)):
                matrix[targets[i]] = results[i + 1]
            return matrix.reshape(n, n)

        return hess


@functools.lru_cache(maxsize=256)
def native_objective(
    expression: sp.Expr,
    gradient: tuple[sp.Expr, ...],
    variables: tuple[sp.Symbol, ...],
    parameters: tuple[sp.Symbol, ...],
) -> NativeObjective:
    """Return the native form of a formula, compiled once however often it is asked."""
    return NativeObjective(expression, gradient, variables, parameters)


@functools.lru_cache(maxsize=256)
def native_update(
    updates: tuple[sp.Expr, ...],
    state: tuple[str, ...],
    hyperparameters: tuple[str, ...],
) -> Any:
    """Return a rule's update of one coordinate: (t, g, f, s, k, h) -> (x, state...).

    ``s[0, k]`` is the coordinate, ``s[1, k]``, ... its state; ``h`` are the
    hyperparameters.
    """
    slots = {symbol(name): f"s[{j}, k]" for j, name in enumerate(("x", *state))}
    hyper = {symbol(name): f"h[{j}]" for j, name in enumerate(hyperparameters)}
    given = {symbol(name): name for name in ("t", "g", "f")}
    arguments = ("t", "g", "f", "s", "k", "h")
    places = {**given, **slots, **hyper}
    return inlined(lower("update", arguments, updates, places, late=[symbol("g")]))


@functools.lru_cache(maxsize=256)
def native_schedule(schedules: tuple[sp.Expr | None, ...]) -> Any:
    """Return the hyperparameters of update t: (t, h) -> tuple.

    A hyperparameter without a schedule, None, is passed through from ``h``.
    """
    return inlined(lowered_schedule(schedules))


def lowered_schedule(schedules: tuple[sp.Expr | None, ...]) -> types.FunctionType:
    """Return the same as plain Python."""
    constants = [sp.Symbol(f"h{j}", real=True) for j in range(len(schedules))]
    outputs = [
        constants[j] if schedule is None else schedule
        for j, schedule in enumerate(schedules)
    ]
    places = {s: f"h[{j}]" for j, s in enumerate(constants)}
    return lower("schedule", ("t", "h"), outputs, {symbol("t"): "t", **places})
