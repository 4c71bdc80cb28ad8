"""Memory and calls that plain Python can't say to LLVM, each with a Python twin.

With ``NUMBA_DISABLE_JIT=1`` the twins are used, so that every loop of symgd can be
opened and stepped through in a debugger.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from symgd.native.record import Record


def _called_with_arrays(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    double, pointer = ir.DoubleType(), ir.DoubleType().as_pointer()
    kind = ir.FunctionType(double, [pointer] * (len(args) - 1))
    function = builder.inttoptr(args[0], kind.as_pointer())
    arrays = zip(sig.args[1:], args[1:], strict=True)
    data = [context.make_array(k)(context, builder, a).data for k, a in arrays]
    return builder.call(function, data)


@intrinsic
def _evaluate(_context: Any, address: Any, x: Any, p: Any, out: Any) -> Any:
    """Call ``double f(double *x, double *p, double *out)`` at an address."""
    return types.float64(types.int64, x, p, out), _called_with_arrays


@intrinsic
def _multiply(_context: Any, address: Any, x: Any, p: Any, out: Any, v: Any) -> Any:
    """Call ``double f(double *x, double *p, double *out, double *v)``."""
    return types.float64(types.int64, x, p, out, v), _called_with_arrays


def _array(
    context: Any, builder: Any, kind: Any, address: Any, shape: list[Any]
) -> Any:
    """Return the array of a shape, row by row, at an address."""
    word, size = context.get_value_type(types.intp), ir.Constant(ir.IntType(64), 8)
    strides = [size]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    array = context.make_array(kind)(context, builder)
    element = context.get_data_type(kind.dtype).as_pointer()
    populate_array(
        array,
        data=builder.bitcast(address, element),
        shape=shape,
        strides=strides,
        itemsize=ir.Constant(word, 8),
        meminfo=None,
    )
    return array._getvalue()


@intrinsic
def _local(_context: Any, rows: Any, columns: Any) -> Any:
    """Return an array of rows x columns numbers on the stack; not to be in a loop."""
    kind = types.Array(types.float64, 2, "C")

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        lengths = [
            context.cast(builder, length, given, types.intp)
            for length, given in zip(args, sig.args, strict=True)
        ]
        memory = builder.alloca(ir.DoubleType(), size=builder.mul(*lengths))
        return _array(context, builder, kind, memory, lengths)

    return kind(rows, columns), generate


def _at_address(element: Any) -> Any:
    @intrinsic
    def array_at(_context: Any, address: Any, shape: Any) -> Any:
        kind = types.Array(element, len(shape), "C")

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            lengths = [
                context.cast(builder, length, given, types.intp)
                for given, length in zip(
                    sig.args[1], cgutils.unpack_tuple(builder, args[1]), strict=True
                )
            ]
            memory = args[0]
            if isinstance(sig.args[0], types.Integer):
                memory = builder.inttoptr(memory, ir.IntType(8).as_pointer())
            return _array(context, builder, kind, memory, lengths)

        return kind(address, shape), generate

    return array_at


def _layout(kind: type[Record]) -> types.Record:
    """Return numba's type of a record."""
    letters = {ctypes.c_int64: "i8", ctypes.c_double: "f8"}
    fields = [(name, letters[each]) for name, each in kind.kinds().items()]
    return numba.from_dtype(np.dtype(fields, align=True))


def _record_at(kind: type[Record]) -> Any:
    layout = _layout(kind)

    @intrinsic
    def record_at(_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            kind = context.get_value_type(layout)
            if isinstance(sig.args[0], types.Integer):
                return builder.inttoptr(args[0], kind)
            return builder.bitcast(args[0], kind)

        return layout(address), generate

    return record_at


@intrinsic
def as_integers(_context: Any, array: Any) -> Any:
    """Return the memory of an array of numbers as one of integers."""
    kind = types.Array(types.int64, 1, "C")

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        given = context.make_array(sig.args[0])(context, builder, args[0])
        (length,) = cgutils.unpack_tuple(builder, given.shape)
        return _array(context, builder, kind, given.data, [length])

    return kind(array), generate


@intrinsic
def as_table(_context: Any, array: Any, columns: Any) -> Any:
    """Return the memory of an array of numbers as rows of so many columns."""
    kind = types.Array(types.float64, 2, "C")

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        given = context.make_array(sig.args[0])(context, builder, args[0])
        (length,) = cgutils.unpack_tuple(builder, given.shape)
        rows = builder.sdiv(length, args[1])
        return _array(context, builder, kind, given.data, [rows, args[1]])

    return kind(array, types.int64), generate


@intrinsic
def _call_at(_context: Any, address: Any, arguments: Any) -> Any:
    """Call the kernel at an address, with arrays, records and numbers.

    It returns a status.
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        word = ir.IntType(64)
        passed = []
        for kind, value in zip(
            sig.args[1], cgutils.unpack_tuple(builder, args[1]), strict=True
        ):
            if isinstance(kind, (types.Array, types.Record)):
                data = value
                if isinstance(kind, types.Array):
                    data = context.make_array(kind)(context, builder, value).data
                passed.append(builder.bitcast(data, ir.IntType(8).as_pointer()))
            elif isinstance(kind, types.Float):
                passed.append(context.cast(builder, value, kind, types.float64))
            else:
                passed.append(context.cast(builder, value, kind, types.int64))
        function = ir.FunctionType(word, [value.type for value in passed])
        return builder.call(builder.inttoptr(args[0], function.as_pointer()), passed)

    return types.int64(types.int64, arguments), generate


@intrinsic
def _store(_context: Any, array: Any, numbers: Any) -> Any:
    """Write a tuple of numbers to the start of a flat array."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        for place in range(len(sig.args[1])):
            number = builder.extract_value(args[1], place)
            builder.store(number, cgutils.gep_inbounds(builder, data, place))
        return context.get_dummy_value()

    return types.void(array, numbers), generate


def _storing(places: tuple[int, ...]) -> Any:
    @intrinsic
    def store_at(_context: Any, array: Any, numbers: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            data = context.make_array(sig.args[0])(context, builder, args[0]).data
            for row, place in enumerate(places, start=1):
                number = builder.extract_value(args[1], row)
                builder.store(number, cgutils.gep_inbounds(builder, data, place))
            return context.get_dummy_value()

        return types.void(array, numbers), generate

    return store_at


INTERPRETED: dict[int, Callable[..., Any]] = {}  # what runs in Python, by address


def _array_at(address: int, shape: tuple[int, ...], kind: Any) -> Any:
    size = math.prod(shape)
    if size == 0:
        return np.zeros(shape, dtype=kind)
    return np.ctypeslib.as_array((kind * size).from_address(address)).reshape(shape)


def _function_at(address: int, returned: Any) -> Callable[..., Any]:
    """Return a kernel that runs in Python, or one that is machine code all the same."""
    if int(address) in INTERPRETED:
        return INTERPRETED[int(address)]
    native = ctypes.CFUNCTYPE(returned)(int(address))

    def call(*words: float) -> Any:
        kinds = (
            ctypes.c_double if isinstance(w, float) else ctypes.c_int64 for w in words
        )
        return native(*(kind(w) for kind, w in zip(kinds, words, strict=True)))

    return call


def _passed(argument: Any) -> float:
    """Return what a kernel is called with: of arrays and records, where they are."""
    if isinstance(argument, Record):
        return ctypes.addressof(argument)
    if hasattr(argument, "ctypes"):
        return argument.ctypes.data
    return argument if isinstance(argument, float) else int(argument)


if numba.config.DISABLE_JIT:

    def local(rows: int, columns: int) -> Any:
        """Return a working array of rows x columns; compiled, on the stack."""
        return np.zeros((rows, columns))

    def store(array: Any, numbers: tuple[float, ...]) -> None:
        """Write a tuple of numbers to the start of a flat array."""
        array[: len(numbers)] = numbers

    def storing(places: tuple[int, ...]) -> Any:
        """Return what writes the second, third, ... number of a tuple to places."""

        def store_at(array: Any, numbers: tuple[float, ...]) -> None:
            array[list(places)] = numbers[1:]

        return store_at

    def record_at(kind: type[Record]) -> Any:
        """Return what returns the record of a kind at an address."""
        return kind.from_address

    def floats(address: int, shape: tuple[int, ...]) -> Any:
        """Return the array of float64 at an address."""
        return _array_at(address, shape, ctypes.c_double)

    def integers(address: int, shape: tuple[int, ...]) -> Any:
        """Return the array of int64 at an address."""
        return _array_at(address, shape, ctypes.c_int64)

    def evaluate(function: int, x: Any, p: Any, out: Any) -> float:
        """Call a kernel that returns a number and writes to ``out``."""
        addresses = (array.ctypes.data for array in (x, p, out))
        return _function_at(function, ctypes.c_double)(*addresses)

    def multiply(function: int, x: Any, p: Any, out: Any, v: Any) -> float:
        """Call a kernel that writes the Hessian's product with ``v`` to ``out``."""
        addresses = (array.ctypes.data for array in (x, p, out, v))
        return _function_at(function, ctypes.c_double)(*addresses)

    def call_at(function: int, arguments: tuple[Any, ...]) -> int:
        """Call a kernel with arrays and numbers."""
        return _function_at(function, ctypes.c_int64)(*map(_passed, arguments))

else:
    local = _local
    store = _store
    storing = _storing
    record_at = _record_at
    floats = _at_address(types.float64)
    integers = _at_address(types.int64)
    evaluate = _evaluate
    multiply = _multiply
    call_at = _call_at
