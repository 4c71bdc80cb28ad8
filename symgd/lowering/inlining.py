"""Straight-line functions as numba's code calls them, written out at every call."""

from __future__ import annotations

from typing import Any

import numba as nb
from numba.core import cgutils
from numba.extending import intrinsic

from symgd.lowering.building import DOUBLE, WORD
from symgd.lowering.tracing import Value, writing


class _Elements:
    """An array in code that is being written: its elements are values."""

    def __init__(self, context: Any, builder: Any, kind: Any, array: Any) -> None:
        self.context, self.builder, self.kind = context, builder, kind
        self.array = context.make_array(kind)(context, builder, array)

    def __getitem__(self, index: Any) -> Value:
        places = index if isinstance(index, tuple) else (index,)
        words = [p.value if isinstance(p, Value) else WORD(p) for p in places]
        context, builder, kind = self.context, self.builder, self.kind
        address = cgutils.get_item_pointer(context, builder, kind, self.array, words)
        number = context.unpack_value(builder, kind.dtype, address)
        return Value(builder, context.cast(builder, number, kind.dtype, nb.float64))


def argument(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Return an argument of numba's as a function that is being written sees it."""
    if isinstance(kind, nb.types.Array):
        return _Elements(context, builder, kind, value)
    if isinstance(kind, nb.types.BaseTuple):
        parts = cgutils.unpack_tuple(builder, value)
        pairs = zip(kind, parts, strict=True)
        return tuple(argument(context, builder, k, v) for k, v in pairs)
    if isinstance(kind, nb.types.Integer):
        return Value(builder, context.cast(builder, value, kind, nb.int64))
    if isinstance(kind, nb.types.Float):
        return Value(builder, context.cast(builder, value, kind, nb.float64))
    return Value(builder, value)


def straight(function: Any, outputs: int) -> Any:
    """Return a straight-line function as numba calls it, written out at every call.

    Parameters
    ----------
    function : function
        Of numbers, arrays and tuples; it returns a tuple of numbers.
    outputs : int
        How many.
    """
    if nb.config.DISABLE_JIT:
        return function
    result = nb.types.UniTuple(nb.float64, outputs)

    def typed(*kinds: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            pairs = zip(sig.args, args, strict=True)
            given = [argument(context, builder, k, v) for k, v in pairs]
            numbers = [
                each.value if isinstance(each, Value) else DOUBLE(each)
                for each in writing(function)(*given)
            ]
            return context.make_tuple(builder, result, numbers)

        return result(*kinds), generate

    if function.__code__.co_argcount == 2:
        return intrinsic(lambda _context, a, b: typed(a, b))
    return intrinsic(lambda _context, a, b, c, d, e, f, g: typed(a, b, c, d, e, f, g))
