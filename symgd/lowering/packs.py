"""Packs: numba numbers that are SIMD registers, one number for each lane.

The state of several registers of descents is a tuple with, for each register, a tuple
of packs. Only the few functions here touch them in numba's code: they are loaded from
and stored to the rows of a table, and a straight-line function is written out for each
register, one after the other, so that the independent work of the registers hides the
latency of each operation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.extending import register_model
from numba.extending import intrinsic

from symgd.lowering.building import splat
from symgd.lowering.inlining import argument
from symgd.lowering.tracing import writing

NUMBER = types.float64


class Pack(types.Type):
    """The type of a vector of float64."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(name=f"pack of {width}")


@register_model(Pack)
class _PackModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Pack) -> None:
        super().__init__(manager, kind, ir.VectorType(ir.DoubleType(), kind.width))


@intrinsic(prefer_literal=True)
def loaded(
    _context: Any, table: Any, row: Any, count: Any, registers: Any, width: Any
) -> Any:
    """Return some rows of a table by registers: of each, a pack for every row."""
    pack = Pack(width.literal_value)
    kind = types.UniTuple(
        types.UniTuple(pack, count.literal_value), registers.literal_value
    )

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = context.get_value_type(pack)

        def read(register: int, row: int) -> Any:
            place = _place(context, builder, sig, args, row, register * pack.width)
            return builder.load(builder.bitcast(place, vector.as_pointer()), align=8)

        return _by_registers(context, builder, kind, read)

    return kind(table, row, count, registers, width), generate


@intrinsic(prefer_literal=True)
def numbers_of_rows(
    _context: Any, table: Any, row: Any, count: Any, registers: Any, width: Any
) -> Any:
    """Return the same of rows that have one number in all lanes: just the numbers."""
    kind = types.UniTuple(
        types.UniTuple(NUMBER, count.literal_value), registers.literal_value
    )

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows = range(count.literal_value)
        numbers = [
            builder.load(_place(context, builder, sig, args, row, 0)) for row in rows
        ]
        return _by_registers(context, builder, kind, lambda _, row: numbers[row])

    return kind(table, row, count, registers, width), generate


def _by_registers(context: Any, builder: Any, kind: Any, read: Any) -> Any:
    parts = [
        context.make_tuple(
            builder, kind.dtype, [read(register, r) for r in range(kind.dtype.count)]
        )
        for register in range(kind.count)
    ]
    return context.make_tuple(builder, kind, parts)


def _place(context: Any, builder: Any, sig: Any, args: Any, row: int, lane: int) -> Any:
    """Return the address of a lane in the row that is so far below the one given."""
    table = context.make_array(sig.args[0])(context, builder, args[0])
    first = context.cast(builder, args[1], sig.args[1], types.intp)
    index = [builder.add(first, first.type(row)), first.type(lane)]
    return cgutils.get_item_pointer(context, builder, sig.args[0], table, index)


@intrinsic
def stored(_context: Any, table: Any, row: Any, registers: Any) -> Any:
    """Write a tuple of packs of each register down a table."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        for register, tuple_of_packs in enumerate(registers):
            for below, pack in enumerate(tuple_of_packs):
                vector = builder.extract_value(args[2], [register, below])
                lane = register * pack.width
                place = _place(context, builder, sig, args, below, lane)
                place = builder.bitcast(place, vector.type.as_pointer())
                builder.store(vector, place, align=8)
        return context.get_dummy_value()

    return types.void(table, row, registers), generate


@intrinsic(prefer_literal=True)
def part(_context: Any, registers: Any, place: Any) -> Any:
    """Return one part of what each register has."""
    index = place.literal_value
    kind = types.UniTuple(registers.dtype[index], registers.count)

    def generate(context: Any, builder: Any, _sig: Any, args: Any) -> Any:
        parts = [builder.extract_value(args[0], [r, index]) for r in range(kind.count)]
        return context.make_tuple(builder, kind, parts)

    return kind(registers, place), generate


@intrinsic(prefer_literal=True)
def any_nonzero(_context: Any, registers: Any, place: Any) -> Any:
    """Return whether one pack of any register has a number that isn't 0."""

    def generate(_ctx: Any, builder: Any, sig: Any, args: Any) -> Any:
        found: Any = None
        for register in range(registers.count):
            path = [register, sig.args[1].literal_value]
            pack = builder.extract_value(args[0], path)
            zero = splat(builder, ir.Constant(ir.DoubleType(), 0.0), pack.type)
            there = builder.fcmp_unordered("!=", pack, zero)
            found = there if found is None else builder.or_(found, there)
        word = ir.IntType(found.type.count)
        return builder.icmp_unsigned("!=", builder.bitcast(found, word), word(0))

    return types.boolean(registers, place), generate


def for_each(function: Callable[..., Any], width: int, *counts: int) -> Any:
    """Return what writes a straight-line function out for each register.

    Parameters
    ----------
    function : function
        Its first arguments are a register's own, the others common to all. It returns
        a tuple of tuples of packs or numbers.
    width : int
        Of a pack.
    *counts : int
        The lengths of these tuples.

    Returns
    -------
    intrinsic
        ``(own, common) -> registers``, both tuples of arguments.
    """
    parts = types.Tuple([types.UniTuple(Pack(width), count) for count in counts])

    @intrinsic
    def each(_context: Any, own: Any, common: Any) -> Any:
        kind = types.UniTuple(parts, own[0].count)

        def generate(context: Any, builder: Any, _sig: Any, args: Any) -> Any:
            shared = argument(context, builder, common, args[1])
            mine = argument(context, builder, own, args[0])
            results = []
            for register in range(kind.count):
                ends = writing(function)(*(a[register] for a in mine), *shared)
                tuples = [
                    context.make_tuple(
                        builder, expected, [_vector(builder, v, width) for v in end]
                    )
                    for expected, end in zip(parts, ends, strict=True)
                ]
                results.append(context.make_tuple(builder, parts, tuples))
            return context.make_tuple(builder, kind, results)

        return kind(own, common), generate

    return each


def _vector(builder: Any, number: Any, width: int) -> Any:
    value = getattr(number, "value", number)
    if isinstance(value, (int, float)):
        value = ir.Constant(ir.DoubleType(), float(value))
    vector = ir.VectorType(ir.DoubleType(), width)
    return value if value.type == vector else splat(builder, value, vector)
