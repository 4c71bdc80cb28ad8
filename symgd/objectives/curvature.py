"""Second derivatives of formulas with arrays: along a direction, or by columns.

A Hessian-vector product, ``hessp``, is the gradient of a directional derivative.
"""

from __future__ import annotations

import ctypes
import itertools
import threading
import weakref
from array import array
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from symgd.calculus.elements import DIRECTION
from symgd.errors import InputError
from symgd.native.machine import PythonKernel, address
from symgd.native.records import EVALUATION
from symgd.native.stopping import stoppable
from symgd.objectives.numbers_given import as_array, named

# It stands above: what is asked of one is its space, arrays, hess and kernels.
Objective: TypeAlias = Any


def hessp(objective: Objective, x: Any, v: Any) -> np.ndarray:
    """Return the product of the Hessian at a point with a direction."""
    point, direction = (_point(objective, each, n) for each, n in ((x, "x"), (v, "v")))
    if objective.arrays is None:
        return objective.hess(point) @ direction
    out = np.empty_like(point)
    along = _known_along(objective)
    along.direction[:] = direction
    with stoppable():
        along(address(point), along.words(objective.parameters), address(out))
    return out


_own = threading.local()  # each thread's directions


def _known_along(objective: Objective) -> Along:
    """Return the product of an objective, which this thread may know."""
    if not hasattr(_own, "along"):
        _own.along = weakref.WeakKeyDictionary()
    if objective not in _own.along:
        _own.along[objective] = Along(objective)
    known: Along = _own.along[objective]
    return known


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


class Along:
    """The product of the Hessian with a direction, natively.

    Attributes
    ----------
    direction : ndarray, shape (n,)
        To be set before a call.
    """

    def __init__(self, objective: Objective) -> None:
        assert objective.arrays is not None
        self.direction = np.zeros(len(objective.space))
        self.arrays = objective.arrays.directed(self.direction)
        parts = ("hessp", self.arrays.key)
        self.kernel = objective.written(parts, EVALUATION, self._built)
        self._words: array[float] = array("d")

    @property
    def scalars(self) -> array[int]:
        """Pairs: where the direction's scalars are in the words, and in x."""
        space, words = self.arrays.space, self.arrays.layout.words
        pairs = zip(space.names, space.shapes, strict=True)
        names = [name for name, shape in pairs if not shape]
        places = (
            (words["parameter", DIRECTION + name], space.places(name, "variable")[0])
            for name in names
        )
        return array("q", itertools.chain.from_iterable(places))

    def _built(self) -> str:
        from symgd.lowering import array_objective as programs

        return programs.evaluation(self.arrays.program(), self.arrays.layout)

    def words(self, parameters: Any) -> int:
        """Return the address of the constants, the direction's scalars among them."""
        values = dict(parameters)
        space = self.arrays.space
        for name, shape in zip(space.names, space.shapes, strict=True):
            if not shape:
                place = space.places(name, "variable")[0]
                values[DIRECTION + name] = self.direction[place]
        self._words = self.arrays.words(values)
        return address(self._words)

    @property
    def direction_address(self) -> int:
        """Where the direction is."""
        return int(self.direction.ctypes.data)

    def __call__(self, x: int, words: int, out: int) -> float:
        """Write the product; return the derivative along the direction."""
        return float(self.kernel(x, words, out))


class HessianByColumns(PythonKernel):
    """The Hessian, ``double f(x, p, out)``, a column for each unit direction.

    Each thread has a direction of its own.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.parameters = tuple(objective.parameters)
        self.own = threading.local()
        self._along()  # what has no derivative is refused here
        super().__init__(self._columns, EVALUATION)

    def _along(self) -> Along:
        known: Along | None = getattr(self.own, "along", None)
        if known is None:
            known = self.own.along = Along(self.objective)
        return known

    def _columns(self, x: int, p: int, out: int) -> float:
        along, count = self._along(), len(self.parameters)
        given = (ctypes.c_double * count).from_address(p) if count else ()
        values = dict(zip(self.parameters, given, strict=True))
        n = len(along.direction)
        for k in range(n):
            along.direction[:] = 0.0
            along.direction[k] = 1.0
            along(x, along.words(values), out + 8 * n * k)
        return 0.0
