"""The few things that plain Python can't say to LLVM, each with a Python twin.

With ``NUMBA_DISABLE_JIT=1`` the twins are used, so that every loop of symgd can be
opened and stepped through in a debugger.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from symgd import numeric


@intrinsic
def _fma(_context: Any, a: Any, b: Any, c: Any) -> Any:
    signature = types.float64(types.float64, types.float64, types.float64)
    return signature, lambda _ctx, builder, _sig, args: builder.fma(*args)


@intrinsic
def _evaluate(_context: Any, address: Any, x: Any, p: Any, out: Any) -> Any:
    """Call ``double f(double *x, double *p, double *out)`` at an address."""
    vector = types.CPointer(types.float64)
    signature = types.float64(types.int64, vector, vector, vector)

    def generate(_ctx: Any, builder: Any, _sig: Any, args: Any) -> Any:
        double, pointer = ir.DoubleType(), ir.DoubleType().as_pointer()
        kind = ir.FunctionType(double, [pointer, pointer, pointer])
        function = builder.inttoptr(args[0], kind.as_pointer())
        return builder.call(function, args[1:])

    return signature, generate


@intrinsic
def _pointer(_context: Any, array: Any) -> Any:
    """Return the address of an array's first number."""
    signature = types.CPointer(types.float64)(array)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.make_array(sig.args[0])(context, builder, args[0]).data

    return signature, generate


@intrinsic(prefer_literal=True)
def _local(_context: Any, rows: Any, columns: Any) -> Any:
    """Return an array of rows x columns numbers on the stack."""
    kind = types.Array(types.float64, 2, "C")
    shape = rows.literal_value, columns.literal_value

    def generate(context: Any, builder: Any, sig: Any, _args: Any) -> Any:
        storage = ir.ArrayType(ir.DoubleType(), max(1, shape[0] * shape[1]))
        memory = cgutils.alloca_once(builder, storage)
        array = context.make_array(kind)(context, builder)
        word = context.get_value_type(types.intp)
        populate_array(
            array,
            data=builder.bitcast(memory, ir.DoubleType().as_pointer()),
            shape=[ir.Constant(word, length) for length in shape],
            strides=[ir.Constant(word, 8 * shape[1]), ir.Constant(word, 8)],
            itemsize=ir.Constant(word, 8),
            meminfo=None,
        )
        return array._getvalue()

    return kind(rows, columns), generate


@intrinsic
def _store(_context: Any, array: Any, numbers: Any) -> Any:
    """Write a tuple of numbers to the start of a flat array."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        for place in range(len(sig.args[1])):
            number = builder.extract_value(args[1], place)
            target = cgutils.gep_inbounds(builder, data, place)
            builder.store(number, target)
        return context.get_dummy_value()

    return types.void(array, numbers), generate


if numba.config.DISABLE_JIT:
    TWINS: dict[Any, Any] = {}

    def local(rows: int, columns: int) -> Any:
        """Return a working array of rows x columns; compiled, on the stack."""
        return np.zeros((rows, columns))

    def store(array: Any, numbers: tuple[float, ...]) -> None:
        """Write a tuple of numbers to the start of a flat array."""
        array[: len(numbers)] = numbers

    def evaluate(function: Any, x: Any, p: Any, out: Any) -> float:
        """Call a function of arrays that writes to ``out`` and returns a number."""
        return function(x, p, out.reshape(-1))

else:
    TWINS = {numeric.fma: _fma}
    local = _local
    store = _store

    @numba.njit
    def evaluate(function: int, x: Any, p: Any, out: Any) -> float:
        """Call a compiled function of arrays by its address."""
        return _evaluate(function, _pointer(x), _pointer(p), _pointer(out))
