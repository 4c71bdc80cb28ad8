"""An objective's native functions, as Python and users' jitted code call them."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symgd.errors import InputError, shortened
from symgd.native.machine import address
from symgd.native.stopping import stoppable
from symgd.objectives.numbers_given import as_array, named, shape_of

FLOAT = np.dtype(np.float64)
FAR = 1e50  # how far a point may be, so that sixth powers are in range
FEW = 20  # variables of what is computed again in more digits
MATRIX = 10_000  # rows of a Hessian at most: 800 MB


class Evaluation:
    """One native function of an objective, to be called with a point.

    From Python, ``x`` is a sequence in the order of the variables, a mapping by name,
    or an array of points, one a row: shape (..., n). Keywords give other values of
    parameters for this call. In a user's own ``numba.njit`` function, ``x`` is an array
    of float64, followed by an array of the parameters' values if there are any. (Of a
    formula with arrays it takes x alone; data and parameters are the objective's.)

    Examples
    --------
    >>> import numba
    >>> from symgd import Objective
    >>> value = Objective("x**2 + y**2").value
    >>> @numba.njit
    ... def twice(x):
    ...     return 2*value(x)
    >>> twice(np.array([1.0, 2.0]))
    10.0
    """

    def __init__(self, objective: Any, kind: str) -> None:
        self.objective = objective
        self.kind = kind
        self._jitted: Any = None
        self._quick: tuple[Any, Any] | None = None  # the kernel, and its constants

    def __reduce__(self) -> Any:
        return Evaluation, (self.objective, self.kind)  # native functions stay here

    @property
    def _numba_type_(self) -> Any:
        from symgd.lowering.jitted import jitted

        if self.objective.arrays is None:
            return jitted(self.objective.native, self.kind)._numba_type_
        if self._jitted is None:
            self._jitted = self._at_address()
        return self._jitted._numba_type_

    def _at_address(self) -> Any:
        """Return a jitted function of x that calls the kernel where it is."""
        from symgd.lowering.jitted import jitted_at

        space, kind = self.objective.space, self.kind
        self._kernel = self.objective.kernel(
            "hessian" if kind == "hess" else "evaluation"
        )
        words = np.array(self.objective.parameter_values())
        return jitted_at(self._kernel.address, words, len(space), kind)

    def __call__(self, x: Any, *others: Any, **parameters: float) -> Any:
        """Evaluate at a point or at an array of points, one a row."""
        plain = type(x) is np.ndarray and x.dtype == FLOAT and x.flags.c_contiguous
        if plain and x.shape == self._shape and not (others or parameters):
            return self._at(x)
        if others:
            whole = shortened(", ".join(map(str, (x, *others))), 40)
            raise InputError(f"a point is one argument: write {self.kind}([{whole}])")
        x = named(x)
        if parameters:
            changed = self.objective.with_parameters(**parameters)
            return getattr(changed, self.kind)(x)
        if not self._is_points(x):
            objective = self.objective.sized(x)
            if objective is not self.objective:
                return getattr(objective, self.kind)(x)
        points = self._points(x)
        if points.ndim == 1:
            return self._at(points)
        *shape, n = points.shape
        results = [self._at(row, alone=False) for row in points.reshape(-1, n)]
        if self.kind == "value_and_grad":
            values, slopes = zip(*results, strict=True) if results else ((), ())
            return _stacked(values, shape), _stacked(slopes, (*shape, n))
        each = {"value": (), "grad": (n,), "hess": (n, n)}[self.kind]
        return _stacked(results, (*shape, *each))

    @functools.cached_property
    def _shape(self) -> tuple[int, ...] | None:
        """The shape of a point, where it is known and nothing else can be meant."""
        scalars = self.objective.arrays is None
        return (len(self.objective.space),) if scalars else None

    def _is_points(self, x: Any) -> bool:
        """Return whether x is as long as points are, where that is known."""
        arrays = self.objective.arrays
        if arrays is None:
            return True
        if arrays.shapes is None or isinstance(x, Mapping):
            return False
        shape = shape_of(x, "x")
        return bool(shape) and shape[-1] == len(self.objective.space)

    def _at(self, x: np.ndarray, alone: bool = True) -> Any:
        n, hessian = x.size, self.kind == "hess"
        if hessian and n > MATRIX:
            problem = f"the Hessian would have {n} rows; at most {MATRIX}"
            raise InputError(f"{problem}: use hessp(x, v)")
        out = np.zeros((n, n) if hessian else n)
        if self.objective.arrays is not None:  # may change, and take long
            return self._told(self._of_arrays(x, out), out)
        if self._quick is None:
            self._quick = self._kernel_now(), self.objective.parameter_values()
        call, p = self._quick
        value = call(address(x), address(p), address(out))
        if alone and n <= FEW:
            # What isn't finite, or 0, and what is far away, may be wrong.
            slopes, far = math.hypot(*out.ravel().tolist()), math.hypot(*x.tolist())
            told = hessian or (value and -math.inf < value < math.inf)
            if not (told and 0.0 < slopes < math.inf and far < FAR):
                value = self._mended(x, value, out)
        return self._told(value, out)

    def _mended(self, x: np.ndarray, value: float, out: np.ndarray) -> float:
        """Return the value, and write derivatives, where float64 has none of them."""
        from symgd.objectives.beyond_float64 import mended

        kind = "hessian" if self.kind == "hess" else "evaluation"
        return mended(self.objective, kind, x, value, out)

    def _of_arrays(self, x: np.ndarray, out: np.ndarray) -> float:
        p = self.objective.parameter_values()
        call = self._kernel_now()
        with stoppable():  # Ctrl-C is heard
            return call(address(x), address(p), address(out))

    def _kernel_now(self) -> Any:
        return self.objective.kernel("hessian" if self.kind == "hess" else "evaluation")

    def _told(self, value: float, out: np.ndarray) -> Any:
        if self.kind == "value_and_grad":
            return value, out
        return value if self.kind == "value" else out

    def _points(self, x: Any) -> np.ndarray:
        space = self.objective.space
        if isinstance(x, Mapping):
            x = space.flat(x, "x")
        points = np.ascontiguousarray(as_array(x, "x"))
        if points.shape == () or (points.shape,) == space.shapes:
            points = points.reshape(-1)
        if points.ndim == 0 or points.shape[-1] != len(space):
            raise InputError(f"x has shape {points.shape}; expected {space.expected()}")
        return points

    def __repr__(self) -> str:
        return f"<native {self.kind}(x) of {self.objective!r}>"


def _stacked(results: Iterable[Any], shape: Sequence[int]) -> np.ndarray:
    return np.array(list(results), dtype=np.float64).reshape(shape)
