"""Tuples of packs: the state of many descents, in and out of arrays, and its norms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from symgd.lowering import packs
from symgd.lowering.packs import FLOAT, Pack


@intrinsic(prefer_literal=True)
def as_packs(_context: Any, numbers: Any, width: Any) -> Any:
    """Return a tuple of packs, from one of packs and plain numbers."""
    pack = Pack(FLOAT, width.literal_value)
    kind = types.UniTuple(pack, len(numbers))

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        each = [
            context.cast(builder, builder.extract_value(args[0], place), given, pack)
            for place, given in enumerate(sig.args[0])
        ]
        return context.make_tuple(builder, kind, each)

    return kind(numbers, width), generate


@intrinsic(prefer_literal=True)
def loaded(
    _context: Any, table: Any, row: Any, count: Any, registers: Any, width: Any
) -> Any:
    """Return some rows of a table by registers: of each, a pack for every row."""
    pack = Pack(FLOAT, width.literal_value)
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
        types.UniTuple(FLOAT, count.literal_value), registers.literal_value
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
            builder,
            kind.dtype,
            [read(register, row) for row in range(kind.dtype.count)],
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
            zero = ir.Constant(
                pack.type, [ir.Constant(ir.DoubleType(), 0.0)] * pack.type.count
            )
            there = builder.fcmp_unordered("!=", pack, zero)
            found = there if found is None else builder.or_(found, there)
        word = ir.IntType(found.type.count)
        return builder.icmp_unsigned("!=", builder.bitcast(found, word), word(0))

    return types.boolean(registers, place), generate


@intrinsic
def each(typing: Any, function: Any, own: Any, common: Any) -> Any:
    """Call a function for each register, unrolled: first its own, then the common."""
    kinds = (*(registers.dtype for registers in own), *common)
    inner = typing.resolve_function_type(function, kinds, {})
    kind = types.UniTuple(inner.return_type, own[0].count)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        call = context.get_function(sig.args[0], inner)
        context.add_linking_libs(getattr(call, "libs", ()))
        shared = [builder.extract_value(args[2], place) for place in range(len(common))]
        results = []
        for register in range(kind.count):
            mine = [
                builder.extract_value(args[1], [place, register])
                for place in range(len(own))
            ]
            results.append(call(builder, [*mine, *shared]))
        return context.make_tuple(builder, kind, results)

    return kind(function, own, common), generate


def summed(places: Iterable[int]) -> Any:
    """Return what adds some packs of a tuple to a pack.

    The sum is finite only if they all are, or it overflows: a cheap alarm.
    """
    chosen = tuple(places)

    @intrinsic
    def total_of(_context: Any, numbers: Any, total: Any) -> Any:
        def generate(_ctx: Any, builder: Any, _sig: Any, args: Any) -> Any:
            result = args[1]
            for place in chosen:
                result = builder.fadd(result, builder.extract_value(args[0], place))
            return result

        return total(numbers, total), generate

    return total_of


@intrinsic(prefer_literal=True)
def projected(_context: Any, numbers: Any, stride: Any, lower: Any, upper: Any) -> Any:
    """Return a tuple of packs whose variables lie within bounds; NaN passes."""
    kind = numbers

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        result = args[0]
        for place in range(0, len(kind), sig.args[1].literal_value):
            k = place // sig.args[1].literal_value
            x = builder.extract_value(args[0], place)
            for side, sign in ((2, "<"), (3, ">")):
                bound = _bound(context, builder, sig, args, side, k, x.type)
                beyond = builder.fcmp_ordered(sign, x, bound)
                x = builder.select(beyond, bound, x)
            result = builder.insert_value(result, x, place)
        return result

    return kind(kind, stride, lower, upper), generate


def _bound(
    context: Any, builder: Any, sig: Any, args: Any, side: int, k: int, vector: Any
) -> Any:
    data = context.make_array(sig.args[side])(context, builder, args[side]).data
    return packs.splat(builder, builder.load(cgutils.gep(builder, data, k)), vector)


@intrinsic
def size_of_gradient(_context: Any, fg: Any) -> Any:
    """Return the sum of the components' magnitudes: not below the largest of them."""

    def generate(_ctx: Any, builder: Any, _sig: Any, args: Any) -> Any:
        gradient = [builder.extract_value(args[0], k) for k in range(1, len(fg))]
        return _magnitudes(builder, gradient, _sum)

    return fg.dtype(fg), generate


@intrinsic
def largest(_context: Any, fg: Any) -> Any:
    """Return the largest component of the gradient; NaN may be overlooked."""

    def generate(_ctx: Any, builder: Any, _sig: Any, args: Any) -> Any:
        gradient = [builder.extract_value(args[0], k) for k in range(1, len(fg))]
        return _magnitudes(builder, gradient, _larger)

    return fg.dtype(fg), generate


@intrinsic(prefer_literal=True)
def largest_projected(
    _context: Any, fg: Any, s: Any, stride: Any, lower: Any, upper: Any
) -> Any:
    """Return the same of the projected gradient, at the point in ``s``."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        steps = []
        for k in range(len(fg) - 1):
            step = builder.fneg(builder.extract_value(args[0], k + 1))
            x = builder.extract_value(args[1], k * sig.args[2].literal_value)
            for side, sign in ((3, ">"), (4, "<")):
                bound = _bound(context, builder, sig, args, side, k, x.type)
                room = builder.fsub(bound, x)
                kept = builder.fcmp_ordered(sign, step, room)
                step = builder.select(kept, step, room)
            steps.append(step)
        return _magnitudes(builder, steps, _larger)

    return fg.dtype(fg, s, stride, lower, upper), generate


def _magnitudes(builder: Any, numbers: Any, combine: Any) -> Any:
    total = packs.call(builder, "fabs", numbers[0])
    for number in numbers[1:]:
        total = combine(builder, packs.call(builder, "fabs", number), total)
    return total


def _sum(builder: Any, a: Any, b: Any) -> Any:
    return builder.fadd(a, b)


def _larger(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)
