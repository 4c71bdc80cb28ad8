"""What plain Python can't say to LLVM, each with a Python twin.

The primitives work on one number or on a pack of them (``packs``). With
``NUMBA_DISABLE_JIT=1`` the twins are used, so that every loop of symgd can be opened
and stepped through in a debugger.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from types import FunctionType
from typing import Any, ClassVar

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numba.np.arrayobj import populate_array

from symgd import numeric, primitives, vectormath
from symgd.lowering import packs
from symgd.lowering.packs import FLOAT, INTEGER, MASK, Pack
from symgd.lowering.tracing import traced
from symgd.machine import Kernel

# ------------------------------------------------------------------ primitives


def _elementwise(name: str, arity: int, build: Callable[..., Any]) -> Any:
    """Return the intrinsic of a function of floats, or of packs of them."""

    def typed(kinds: Any, build: Callable[..., Any] = build) -> Any:
        kind = packs.common(kinds, FLOAT) or FLOAT

        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return build(builder, *args)

        return kind(*[kind] * arity), generate

    if arity == 1:

        def function(_context: Any, a: Any) -> Any:
            return typed([a])

    elif arity == 2:

        def function(_context: Any, a: Any, b: Any) -> Any:  # type: ignore[misc]
            return typed([a, b])

    else:

        def function(  # type: ignore[misc]
            _context: Any, a: Any, b: Any, c: Any
        ) -> Any:
            return typed([a, b, c])

    function.__name__ = name
    return intrinsic(function)


def _llvm(name: str, arity: int) -> Any:
    return _elementwise(name, arity, lambda b, *args: packs.call(b, name, *args))


@intrinsic
def _choose(_context: Any, condition: Any, yes: Any, no: Any) -> Any:
    kinds = (condition, yes, no)
    width = next((kind.width for kind in kinds if isinstance(kind, Pack)), None)
    whole = all(
        (k.element if isinstance(k, Pack) else k) in types.integer_domain
        for k in (yes, no)
    )
    element = INTEGER if whole else FLOAT
    kind = element if width is None else Pack(element, width)
    mask = Pack(MASK, condition.width) if isinstance(condition, Pack) else MASK

    def generate(_ctx: Any, builder: Any, _sig: Any, args: Any) -> Any:
        return builder.select(*args)

    return kind(mask, kind, kind), generate


@intrinsic
def _bits(_context: Any, x: Any) -> Any:
    kind = x.of(INTEGER) if isinstance(x, Pack) else INTEGER

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(sig.return_type))

    return kind(x if isinstance(x, Pack) else FLOAT), generate


@intrinsic
def _from_bits(_context: Any, word: Any) -> Any:
    kind = word.of(FLOAT) if isinstance(word, Pack) else FLOAT

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(sig.return_type))

    return kind(word if isinstance(word, Pack) else INTEGER), generate


@intrinsic
def anywhere(_context: Any, mask: Any) -> Any:
    """Return whether a condition holds in any lane."""

    def generate(_ctx: Any, builder: Any, sig: Any, args: Any) -> Any:
        if not isinstance(sig.args[0], Pack):
            return args[0]
        word = ir.IntType(sig.args[0].width)
        return builder.icmp_unsigned("!=", builder.bitcast(args[0], word), word(0))

    return MASK(mask if isinstance(mask, Pack) else MASK), generate


def lanewise(function: Any) -> Any:
    """Return a jitted function of numbers as one of numbers or packs, lane by lane."""

    def each(*arguments: Any) -> Any:
        return function(*arguments)

    @overload(each, jit_options={"error_model": "numpy", "_nrt": False})
    def compiled(*arguments: Any) -> Any:
        kind = packs.common(arguments, FLOAT)
        if kind is None:

            def plain(*arguments: Any) -> Any:
                return function(*arguments)

            return plain
        width, lane_of, with_lane = kind.width, packs.lane_of, packs.with_lane
        if len(arguments) == 1:

            def one(*arguments: Any) -> Any:
                result = arguments[0]
                for lane in range(width):
                    number = function(lane_of(arguments[0], lane))
                    result = with_lane(result, lane, number)
                return result

            return one

        def two(*arguments: Any) -> Any:
            a, b = _packed(arguments[0], width), _packed(arguments[1], width)
            result = a
            for lane in range(width):
                number = function(lane_of(a, lane), lane_of(b, lane))
                result = with_lane(result, lane, number)
            return result

        return two

    return each


@intrinsic(prefer_literal=True)
def _packed(_context: Any, number: Any, width: Any) -> Any:
    """Return a pack that has the number in every lane, or the pack that it is."""
    kind = number if isinstance(number, Pack) else Pack(FLOAT, width.literal_value)
    return kind(kind, width), lambda _ctx, _builder, _sig, args: args[0]


_STRAIGHT = [
    function
    for module in (numeric, vectormath)
    for name, function in vars(module).items()
    if isinstance(function, FunctionType)
    and function.__module__ == module.__name__
    and not (primitives.works_on_one(function) or name.startswith("_"))
]
COMPILED = {
    function: _elementwise(
        function.__name__, function.__code__.co_argcount, traced(function)
    )
    for function in _STRAIGHT
} | {
    primitives.fma: _llvm("fma", 3),
    primitives.choose: _choose,
    primitives.square_root: _llvm("sqrt", 1),
    primitives.whole: _llvm("rint", 1),
    primitives.whole_below: _llvm("floor", 1),
    primitives.with_sign: _llvm("copysign", 2),
    primitives.bits: _bits,
    primitives.from_bits: _from_bits,
}

# ------------------------------------------------------------ memory and calls


@intrinsic
def _evaluate(_context: Any, address: Any, x: Any, p: Any, out: Any) -> Any:
    """Call ``double f(double *x, double *p, double *out)`` at an address."""
    signature = types.float64(types.int64, x, p, out)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        double, pointer = ir.DoubleType(), ir.DoubleType().as_pointer()
        kind = ir.FunctionType(double, [pointer, pointer, pointer])
        function = builder.inttoptr(args[0], kind.as_pointer())
        arrays = zip(sig.args[1:], args[1:], strict=True)
        data = [context.make_array(k)(context, builder, a).data for k, a in arrays]
        return builder.call(function, data)

    return signature, generate


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


@intrinsic(prefer_literal=True)
def _local(_context: Any, rows: Any, columns: Any) -> Any:
    """Return an array of rows x columns numbers on the stack."""
    shape = rows.literal_value, columns.literal_value
    kind = types.Array(types.float64, 2, "C")
    return kind(rows, columns), _on_stack(kind, shape)


@intrinsic(prefer_literal=True)
def integers_on_stack(_context: Any, length: Any) -> Any:
    """Return an array of integers on the stack."""
    kind = types.Array(types.int64, 1, "C")
    return kind(length), _on_stack(kind, (length.literal_value,))


def _on_stack(kind: Any, shape: tuple[int, ...]) -> Any:
    def generate(context: Any, builder: Any, _sig: Any, _args: Any) -> Any:
        element = context.get_data_type(kind.dtype)
        storage = ir.ArrayType(element, max(1, math.prod(shape)))
        memory = cgutils.alloca_once(builder, storage)
        lengths = [ir.Constant(ir.IntType(64), length) for length in shape]
        return _array(context, builder, kind, memory, lengths)

    return generate


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
            return _array(context, builder, kind, args[0], lengths)

        return kind(types.voidptr, shape), generate

    return array_at


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


class Interpreted(Kernel):
    """A kernel that runs in Python, for debugging."""

    functions: ClassVar[dict[int, Callable[..., Any]]] = {}

    def __init__(self, function: Callable[..., Any], signature: str) -> None:
        self.signature = signature
        self.address = len(self.functions) + 1
        self.functions[self.address] = self.call = function


def _array_at(address: int, shape: tuple[int, ...], kind: Any) -> Any:
    size = math.prod(shape)
    if size == 0:
        return np.zeros(shape, dtype=kind)
    return np.ctypeslib.as_array((kind * size).from_address(address)).reshape(shape)


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

    def floats(address: int, shape: tuple[int, ...]) -> Any:
        """Return the array of float64 at an address."""
        return _array_at(address, shape, ctypes.c_double)

    def integers(address: int, shape: tuple[int, ...]) -> Any:
        """Return the array of int64 at an address."""
        return _array_at(address, shape, ctypes.c_int64)

    def evaluate(function: int, x: Any, p: Any, out: Any) -> float:
        """Call a kernel that returns a number and writes to ``out``."""
        addresses = (array.ctypes.data for array in (x, p, out))
        return Interpreted.functions[function](*addresses)

else:
    local = _local
    store = _store
    storing = _storing
    floats = _at_address(types.float64)
    integers = _at_address(types.int64)
    evaluate = _evaluate
