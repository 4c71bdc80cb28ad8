"""Value, gradient and Hessian of an objective whose rows are in partitions.

Of f(x) = F(s, x), where s are sums over rows, the chain rule needs of each partition
its share of s, of their gradients G and of their Hessians' products:

    grad f = F_x + G'F_s
    Hv = (F_xx v + F_xs Gv) + G'(F_sx v + F_ss Gv) + sum F_s H_s v

Shares are added pairwise in the partitions' order: so the bits depend on neither who
was first, nor on how many there are.

Elsewhere this is a map and a reduction, with one round trip for each evaluation.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from symgd.errors import InputError
from symgd.native.machine import Kernel, PythonKernel, address
from symgd.native.records import EVALUATION, PRODUCT
from symgd.objectives.arrays import Arrays
from symgd.objectives.forms import Forms
from symgd.objectives.kernels import Kernels
from symgd.objectives.parallel import ENOUGH
from symgd.objectives.scattered.partitions import ROWS_STAY, added
from symgd.objectives.scattered.rows_read import Passing, Stopped
from symgd.objectives.scattered.split_sums import ROWS, Split, split


class RowSums:
    """Sums over the rows of partitions, and their derivatives: a task for each.

    Parameters
    ----------
    arrays : Arrays
        What the names stand for, without the rows.
    sums : sequence of SymPy expressions
    columns : sequence of str
        The data, in order.
    """

    bytes_of_row: ClassVar[int] = 0

    def __init__(
        self, arrays: Arrays, sums: Sequence[Any], columns: Sequence[str]
    ) -> None:
        self.arrays, self.sums, self.columns = arrays, tuple(sums), tuple(columns)

    def begun(
        self, columns: Mapping[str, np.ndarray], threads: int, number: int
    ) -> Passing:
        """Return what sums over the rows of a partition."""
        return SumsOfPart(self.kernels(columns), threads)

    def kernels(self, columns: Mapping[str, np.ndarray]) -> list[Kernels]:
        """Return the native functions of each sum, over some rows."""
        arrays, held = self.arrays, {**self.arrays.data, **columns}
        count = len(next(iter(columns.values())))
        more = {
            "data": {name: held[name] for name in self.columns},
            "sizes": {**arrays.sizes, ROWS: count},
            "size_names": {*arrays.size_names, ROWS},
        }
        return [_kernels(arrays, expression=each, **more) for each in self.sums]


class SumsOfPart:
    """The sums over the rows of a partition.

    Attributes
    ----------
    share : float
        Of the rows, that is summed over.
    """

    share = 1.0

    def __init__(self, kernels: Sequence[Kernels], threads: int) -> None:
        self.kernels, self.threads = kernels, threads

    def __call__(
        self, x: np.ndarray, p: Sequence[float], directions: np.ndarray
    ) -> np.ndarray:
        """Return for each sum its value, its gradient, and products of its Hessian."""
        found = np.zeros((len(self.kernels), 1 + len(directions), 1 + len(x)))
        for kernels, rows in zip(self.kernels, found, strict=True):
            assert kernels.arrays is not None
            words = kernels.arrays.words(
                dict(zip(kernels.arrays.parameters, p, strict=True))
            )
            place, at = address(rows), (address(x), address(words))
            enough = kernels.arrays.work * self.share >= ENOUGH
            evaluate = kernels.get("evaluation", self.threads if enough else 1)
            rows[0, 0] = evaluate(*at, place + 8)
            for direction, row in zip(directions, rows[1:], strict=True):
                kernels.get("product")(*at, address(row[1:]), address(direction))
        return found


class ScatteredKernels(Kernels):
    """The functions of an objective whose rows are in partitions."""

    def written(self, parts: tuple[str, ...], signature: str, *how: Any) -> Kernel:
        """Refuse a kernel that would read the rows itself."""
        raise InputError(f"{ROWS_STAY}: this needs them here")

    def get(self, kind: str, workers: int = 1) -> Kernel:
        """Return one of the functions of every objective: see ``Objective.kernel``."""
        if (kind,) not in self.made:
            self.made[kind,] = self._chained.kernel(kind)
        return self.made[kind,]

    @functools.cached_property
    def _chained(self) -> Chained:
        assert self.arrays is not None
        return Chained(self.arrays)


class Chained:
    """What is made of sums over partitions, by the chain rule.

    Parameters
    ----------
    arrays : Arrays
        With stand-ins for the rows.
    """

    def __init__(self, arrays: Arrays) -> None:
        partitions = arrays.partitions
        assert partitions is not None
        rows = [name for name in arrays.data if name in partitions.scattered]
        self.length = len(arrays.data[rows[0]])  # rows in all
        parts = split(arrays.safe, rows, self.length, arrays.sizes)
        beside = {n: each for n, each in arrays.data.items() if n not in rows}
        plain = arrays.replaced(data=beside, guarded={}, partitions=None)
        self.n, self.parameters = arrays.space.size, arrays.parameters
        self.count = len(parts.names)
        scalars = dict.fromkeys(parts.names, 0)
        self.whole = _kernels(
            plain,
            expression=parts.whole,
            variables=(*parts.names, *arrays.variables),
            ranks=scalars | arrays.ranks,
            shapes=dict.fromkeys(parts.names, ()) | (arrays.shapes or {}),
        )
        self._passes = partitions.passes(rows, self._task(plain, parts, arrays))

    def _task(self, plain: Arrays, parts: Split, arrays: Arrays) -> RowSums:
        """Return what is done with the rows of each partition."""
        return RowSums(plain, parts.sums, tuple(arrays.data))

    def kernel(self, kind: str) -> Kernel:
        """Return one of the functions of every objective: see ``Objective.kernel``."""
        if kind == "evaluation":
            return PythonKernel(self._evaluation, EVALUATION)
        if kind == "product":
            return PythonKernel(self._product, PRODUCT)
        return PythonKernel(self._hessian, EVALUATION)

    def _evaluation(self, x: int, p: int, out: int) -> float:
        value, gradient, _ = self._at(x, p, np.zeros((0, self.n)))
        _numbers(out, self.n)[:] = gradient
        return value

    def _product(self, x: int, p: int, out: int, direction: int) -> float:
        value, _, products = self._at(x, p, _numbers(direction, self.n)[None])
        _numbers(out, self.n)[:] = products[0]
        return value

    def _hessian(self, x: int, p: int, out: int) -> float:
        n = self.n
        value, _, products = self._at(x, p, np.eye(n))
        _numbers(out, n * n)[:] = products.ravel()
        return value

    def _total(self, p: int, *given: Any) -> np.ndarray:
        """Return of each sum over all rows its value, its gradient and products."""
        total: np.ndarray = added(self._passes(*given))
        return total

    @np.errstate(all="ignore")  # what isn't finite is seen by who asked
    def _at(
        self, x: int, p: int, directions: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """Return value, gradient, and the Hessian's products with directions."""
        k, point = self.count, _numbers(x, self.n).copy()
        parameters = _numbers(p, len(self.parameters)).tolist()
        try:
            total = self._total(p, point, parameters, directions.copy())
        except Stopped:
            nothing = np.full((1 + len(directions), self.n), np.nan)
            return np.nan, nothing[0], nothing[1:]
        sums, slopes = total[:, 0, 0], total[:, 0, 1:]
        at = np.concatenate([sums, point])
        arrays = self.whole.arrays
        assert arrays is not None
        named = dict(zip(self.parameters, parameters, strict=True))
        words, outer = arrays.words(named), np.zeros(k + self.n)
        where = address(at), address(words), address(outer)
        value = float(self.whole.get("evaluation")(*where))
        gradient = outer[k:] + outer[:k] @ slopes
        products = np.zeros_like(directions)
        for row, direction in enumerate(directions):
            along = np.concatenate([slopes @ direction, direction])
            bent = np.zeros(k + self.n)
            self.whole.get("product")(*where[:2], address(bent), address(along))
            curved = outer[:k] @ total[:, 1 + row, 1:]
            products[row] = bent[k:] + bent[:k] @ slopes + curved
        return value, gradient, products


def _kernels(arrays: Arrays, **parts: Any) -> Kernels:
    """Return the native functions of another expression of the same names."""
    made = arrays.replaced(**parts)
    known = (*made.parameters, *sorted(made.size_names))  # what isn't a variable
    forms = Forms(made.expression, made.variables, known)
    forms.expression = made.expression  # checked, and then made stable
    forms.read(made.variables)
    return Kernels(forms, made)


def _numbers(place: int, count: int) -> np.ndarray:
    """Return the numbers at an address."""
    if count == 0:
        return np.zeros(0)
    return np.ctypeslib.as_array((ctypes.c_double * count).from_address(place))
