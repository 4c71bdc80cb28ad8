"""Where the numbers of a program are, and how they come into registers.

An index is a whole number, kept as such; what differs from lane to lane is loaded as a
pack: at once where the lanes are neighbours in memory, in rows that are transposed
where they are neighbours across a table, and otherwise one by one.

This is addressing: contiguous and strided loads, gathers, index arithmetic.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sympy as sp
from llvmlite import ir

from symgd.calculus.elements import DIRECTION
from symgd.calculus.program import outermost
from symgd.calculus.whole import LEAST, MOST, operands
from symgd.errors import FormulaError
from symgd.language.formula import text_of
from symgd.language.functions import real_abs
from symgd.language.nodes import replaced
from symgd.lowering.building import DOUBLE, TRUTH, WORD, memory
from symgd.lowering.code_printer import Style
from symgd.lowering.source import lower
from symgd.lowering.tracing import Value, writing
from symgd.lowering.transposing import transposed
from symgd.native.layout import Column, Layout

LANES = 8  # elements that are worked on at once, whatever the processor has

PACK = ir.VectorType(DOUBLE, LANES)


@dataclasses.dataclass(frozen=True)
class Here:
    """Where code is being written: the indices, and the values that have names.

    ``lanes`` is the index of which LANES neighbours are worked on at once, if any.
    """

    indices: Mapping[sp.Symbol, Any]
    values: Mapping[sp.Symbol, Value]
    lanes: sp.Symbol | None = None

    def at(self, index: sp.Symbol, place: Any, lanes: bool = False) -> Here:
        """Return the same with another index."""
        indices = {**self.indices, index: place}
        return Here(indices, self.values, index if lanes else None)

    def knowing(self, values: Mapping[sp.Symbol, Value]) -> Here:
        """Return the same with more values."""
        return Here(self.indices, {**self.values, **values}, self.lanes)


class OwnMatrix(NamedTuple):
    """A matrix of a program's own: where it begins, and how many columns it has."""

    first: Any
    columns: Any


class Places:
    """Reads the numbers of a program, and computes with them.

    Parameters
    ----------
    layout : Layout
    builder : llvmlite's IRBuilder
    x, p, gradient : pointers to numbers
        ``gradient`` may be None where nothing is added to it.
    direction : pointer to numbers, optional
        It has a part for each variable, where the variable is in ``x``.
    """

    def __init__(
        self,
        layout: Layout,
        builder: Any,
        x: Any,
        p: Any,
        gradient: Any,
        direction: Any = None,
    ) -> None:
        self.layout = layout
        self.builder = builder
        self.x, self.p, self.gradient = x, p, gradient
        self.direction = direction
        self.variables = dict(layout.variables)
        self.data = dict(layout.data)
        self.rooms: dict[str, OwnMatrix] = {}

    # ------------------------------------------------------------ words and places

    def word(self, *name: Any) -> Any:
        """Return a word of the layout as an integer."""
        place = self.element(self.p, WORD(self.layout.words[name]))
        return self._unchanging(self.builder.bitcast(place, WORD.as_pointer()), 8)

    def _unchanging(self, place: Any, align: int) -> Any:
        """Load from memory that nobody writes meanwhile."""
        loaded = self.builder.load(place, align=align)
        loaded.set_metadata("invariant.load", self.builder.module.add_metadata([]))
        return loaded

    def told_to_stop(self) -> Any:
        """Return whether what is computed is to be cut short, as of now."""
        build = self.builder
        if ("stop",) not in self.layout.words:
            return TRUTH(0)
        place = build.inttoptr(self.word("stop"), WORD.as_pointer())
        return build.icmp_signed(
            "!=", build.load_atomic(place, "monotonic", 8), WORD(0)
        )

    def unless_stopped(self, number: Value) -> Value:
        """Return a number, or NaN where it is that of loops that were cut short."""
        nan = ir.Constant(DOUBLE, math.nan)
        chosen = self.builder.select(self.told_to_stop(), nan, number.value)
        return Value(self.builder, chosen)

    def element(self, base: Any, place: Any) -> Any:
        """Return the address of a number of an array."""
        return self.builder.gep(base, [place], inbounds=True)

    def integer(self, expression: sp.Expr, here: Here) -> Any:
        """Return an index or a bound."""
        build = self.builder
        if expression.is_Integer and LEAST <= expression <= MOST:
            return WORD(int(expression))
        if isinstance(expression, sp.Symbol):
            if expression in here.indices:
                return here.indices[expression]
            if ("size", expression.name) in self.layout.words:
                return self.word("size", expression.name)
        if isinstance(expression, (sp.Add, sp.Mul)):
            op = build.add if isinstance(expression, sp.Add) else build.mul
            parts = [self.integer(part, here) for part in expression.args]
            return functools.reduce(op, parts)
        if isinstance(expression, (sp.floor, sp.ceiling)):
            whole, a, b = (self.integer(part, here) for part in operands(expression))
            rounded = build.add(whole, self._floored(a, b))
            return rounded if isinstance(expression, sp.floor) else build.neg(rounded)
        if isinstance(expression, sp.Mod):
            a, b = (self.integer(part, here) for part in operands(expression))
            return build.sub(a, build.mul(self._floored(a, b), b))
        if isinstance(expression, (sp.Max, sp.Min)):
            sign = ">" if isinstance(expression, sp.Max) else "<"
            parts = [self.integer(part, here) for part in expression.args]
            return functools.reduce(functools.partial(self.extreme, sign), parts)
        if isinstance(expression, sp.Indexed):
            place, kind = self._place_of_data(expression, here)
            return self._integer_at(place, kind)
        if isinstance(expression, (sp.Abs, real_abs)):
            inside = self.integer(expression.args[0], here)
            return self.extreme(">", inside, build.neg(inside))
        if isinstance(expression, sp.Pow) and expression.exp.is_Integer:
            base = self.integer(expression.base, here)
            return functools.reduce(build.mul, [base] * int(expression.exp))
        raise FormulaError(f"{text_of(expression)} can't be an index")

    def _floored(self, a: Any, b: Any) -> Any:
        """Divide, rounding down as Python does."""
        build = self.builder
        quotient, rest = build.sdiv(a, b), build.srem(a, b)
        other_sign = build.icmp_signed("<", build.xor(rest, b), WORD(0))
        below = build.and_(other_sign, build.icmp_signed("!=", rest, WORD(0)))
        return build.sub(quotient, build.zext(below, WORD))

    def extreme(self, sign: str, a: Any, b: Any) -> Any:
        """Return the larger, or the smaller, of two integers."""
        return self.builder.select(self.builder.icmp_signed(sign, a, b), a, b)

    def offset(self, name: str, indices: Sequence[sp.Expr], here: Here) -> Any:
        """Return the place of an element of a variable in ``x``."""
        build, inner = self.builder, None
        for axis, index in enumerate(indices):
            number = self.integer(index, here)
            if inner is not None:
                inner = build.mul(inner, self.word("length", name, axis))
                number = build.add(inner, number)
            inner = number
        offset = self.word("offset", name)
        return offset if inner is None else build.add(offset, inner)

    def place_in_room(self, name: str, indices: Sequence[sp.Expr], here: Here) -> Any:
        """Return the address of an element of one of the program's own arrays."""
        row, column = (self.integer(index, here) for index in indices)
        room = self.rooms[name]
        start = self.builder.mul(row, room.columns)
        return self.element(room.first, self.builder.add(start, column))

    def _place_of_data(self, access: sp.Indexed, here: Here) -> tuple[Any, str]:
        build, name = self.builder, str(access.base.label)
        column = self.data[name]
        place = self.word("address", name)
        for axis, index in enumerate(access.indices):
            dense = column.dense and axis == column.rank - 1
            width = int(column.kind[1:])
            stride = WORD(width) if dense else self.word("stride", name, axis)
            place = build.add(place, build.mul(self.integer(index, here), stride))
        return build.inttoptr(place, ir.IntType(8).as_pointer()), column.kind

    def _raw_type(self, kind: str) -> Any:
        if kind[0] == "f":
            return DOUBLE if kind == "f8" else ir.FloatType()
        return ir.IntType(8 * int(kind[1:]))

    def _integer_at(self, place: Any, kind: str) -> Any:
        raw = self._raw_type(kind)
        number = self._unchanging(self.builder.bitcast(place, raw.as_pointer()), 1)
        if raw == WORD:
            return number
        signed = kind[0] == "i"
        return (self.builder.sext if signed else self.builder.zext)(number, WORD)

    def _as_double(self, number: Any, kind: str) -> Any:
        """Convert a number, or a pack of them, from how it is stored."""
        build, target = self.builder, DOUBLE
        if isinstance(number.type, ir.VectorType):
            target = ir.VectorType(DOUBLE, number.type.count)
        if kind == "f8":
            return number
        if kind == "f4":
            return build.fpext(number, target)
        return (build.sitofp if kind[0] == "i" else build.uitofp)(number, target)

    # ------------------------------------------------------------------- loading

    def loaded(self, accesses: Sequence[sp.Indexed], here: Here) -> list[Value]:
        """Return elements of arrays; where they differ by lane, packs."""
        values: dict[sp.Indexed, Any] = {}
        if here.lanes is not None:
            for group in _neighbours(accesses, here.lanes, self.data):
                values |= self._columns(group, here)
        for access in accesses:
            if access not in values:
                values[access] = self._load(access, here)
        return [Value(self.builder, values[access]) for access in accesses]

    def _load(self, access: sp.Indexed, here: Here) -> Any:
        if here.lanes is None or not _moves(access, here.lanes):
            return self._load_one(access, here)
        if self._is_dense(access, here.lanes):
            return self._load_pack(access, here, LANES)
        pack = ir.Constant(PACK, ir.Undefined)
        for lane in range(LANES):
            number = self._load_one(access, self.lane(here, lane))
            place = ir.Constant(ir.IntType(32), lane)
            pack = self.builder.insert_element(pack, number, place)
        return pack

    def lane(self, here: Here, lane: int) -> Here:
        """Return where one of the lanes is."""
        assert here.lanes is not None
        place = self.builder.add(here.indices[here.lanes], WORD(lane))
        return here.at(here.lanes, place)

    def _is_dense(self, access: sp.Indexed, lanes: sp.Symbol) -> bool:
        name = str(access.base.label)
        if name in self.data and not self.data[name].dense:
            return False
        slopes = index_slopes(access.indices, lanes)
        return slopes is not None and slopes[-1] == 1 and not any(slopes[:-1])

    def _load_one(self, access: sp.Indexed, here: Here) -> Any:
        pointer, kind = self._pointer(access, here)
        return self._load_as(self._raw_type(kind), pointer, kind, access)

    def _load_pack(self, access: sp.Indexed, here: Here, width: int) -> Any:
        pointer, kind = self._pointer(access, here)
        raw = ir.VectorType(self._raw_type(kind), width)
        return self._load_as(raw, pointer, kind, access)

    def _load_as(self, raw: Any, pointer: Any, kind: str, access: sp.Indexed) -> Any:
        place = self.builder.bitcast(pointer, raw.as_pointer())
        if str(access.base.label) in self.rooms:
            return self.builder.load(place, align=8)
        return self._as_double(self._unchanging(place, 1), kind)

    def _pointer(self, access: sp.Indexed, here: Here) -> tuple[Any, str]:
        name = str(access.base.label)
        if name in self.data:
            return self._place_of_data(access, here)
        if name in self.rooms:
            return self.place_in_room(name, access.indices, here), "f8"
        base, name = self._vector(name)
        return self.element(base, self.offset(name, access.indices, here)), "f8"

    def _vector(self, name: str) -> tuple[Any, str]:
        """Return what a variable, or its part of a direction, is in; and its name."""
        if name.startswith(DIRECTION):
            return self.direction, name.removeprefix(DIRECTION)
        return self.x, name

    def _columns(self, group: list[sp.Indexed], here: Here) -> dict[sp.Indexed, Any]:
        """Load neighbouring columns of LANES rows, row by row, and transpose them."""
        values: dict[sp.Indexed, Any] = {}
        while group:
            count = len(group)
            width = 8 if count > 4 else 4 if count > 2 else min(count, 2)
            first = int(group[0].indices[-1])
            taken = [a for a in group if int(a.indices[-1]) < first + width]
            if int(group[-1].indices[-1]) - first + 1 < width:
                width = 1 << (int(group[-1].indices[-1]) - first).bit_length()
                width = width if width <= int(group[-1].indices[-1]) - first + 1 else 1
                taken = [a for a in group if int(a.indices[-1]) < first + width]
            rows = [
                self._load_pack(group[0], self.lane(here, lane), width)
                for lane in range(LANES)
            ]
            packs = transposed(self.builder, rows)
            values |= {a: packs[int(a.indices[-1]) - first] for a in taken}
            group = group[len(taken) :]
        return values

    def _symbol(self, symbol: sp.Symbol, here: Here) -> Value:
        """Return the number that a name stands for."""
        build = self.builder
        if symbol in here.values:
            return here.values[symbol]
        if symbol in here.indices:
            moves = symbol == here.lanes
            return self._as_number(here.indices[symbol], moves)
        words = self.layout.words
        if ("size", symbol.name) in words:
            return Value(build, build.sitofp(self.word("size", symbol.name), DOUBLE))
        if ("parameter", symbol.name) in words:
            place = WORD(words["parameter", symbol.name])
            return Value(build, self._unchanging(self.element(self.p, place), 8))
        base, name = self._vector(symbol.name)
        place = self.element(base, self.word("offset", name))
        return Value(build, self._unchanging(place, 8))

    def number_of(self, place: Any, here: Here) -> Value:
        """Return the number of a place, or of the places that follow it, in lanes."""
        return self._as_number(place, here.lanes is not None)

    def _as_number(self, whole: Any, moves: bool) -> Value:
        build = self.builder
        first = Value(build, build.sitofp(whole, DOUBLE))
        if not moves:
            return first
        steps = ir.Constant(PACK, [float(lane) for lane in range(LANES)])
        return Value(build, build.fadd(in_lanes(first).value, steps))

    def computed(self, outputs: Sequence[sp.Expr], here: Here) -> list[Value]:
        """Return the values of expressions, as numbers or packs."""
        function, accesses, symbols = straight(tuple(outputs))
        values = self.loaded(accesses, here)
        values += [self._symbol(symbol, here) for symbol in symbols]
        if not values:
            values = [Value(self.builder, DOUBLE(0.0))]
        results = writing(function)(tuple(values))
        return [
            r if isinstance(r, Value) else Value(self.builder, DOUBLE(float(r)))
            for r in results
        ]

    def memory(self, kind: Any, count: int = 1) -> Any:
        """Return room on the stack."""
        if count == 1:
            return memory(self.builder, kind)
        place = memory(self.builder, ir.ArrayType(kind, count))
        return self.builder.bitcast(place, kind.as_pointer())

    def number_at(self, base: Any, place: Any, here: Here) -> Value:
        """Return the number at a place, or the pack that begins there."""
        pointer = self.element(base, place)
        if here.lanes is None:
            return Value(self.builder, self.builder.load(pointer))
        target = self.builder.bitcast(pointer, PACK.as_pointer())
        return Value(self.builder, self.builder.load(target, align=8))

    def store(self, place: Any, number: Value, here: Here) -> None:
        """Write a number, or a pack, to memory."""
        if here.lanes is None:
            self.builder.store(number.value, place)
            return
        target = self.builder.bitcast(place, PACK.as_pointer())
        self.builder.store(in_lanes(number).value, target, align=8)


def in_lanes(number: Value) -> Value:
    """Return a number as a pack, the same in all lanes if it is a plain one."""
    return number.spread(Value(number.builder, ir.Constant(PACK, ir.Undefined)))


def _moves(access: sp.Indexed, lanes: sp.Symbol) -> bool:
    return any(index.has(lanes) for index in access.indices)


def index_slopes(
    indices: Sequence[sp.Expr], lanes: sp.Symbol
) -> tuple[int, ...] | None:
    """Return by how much each index grows from lane to lane; None if unevenly."""
    slopes = []
    for index in indices:
        slope = sp.expand(index.xreplace({lanes: lanes + 1}) - index)
        if not slope.is_Integer:
            return None
        slopes.append(int(slope))
    return tuple(slopes)


def _neighbours(
    accesses: Sequence[sp.Indexed], lanes: sp.Symbol, data: Mapping[str, Column]
) -> list[list[sp.Indexed]]:
    """Return groups of accesses to constant columns of the same rows, in order."""
    groups: dict[Any, list[sp.Indexed]] = {}
    for access in accesses:
        name, (*rows, last) = str(access.base.label), access.indices
        dense = name not in data or data[name].dense
        if dense and rows and last.is_Integer and _moves(access, lanes):
            groups.setdefault((name, tuple(rows)), []).append(access)
    several = [group for group in groups.values() if len(group) > 1]
    return [sorted(group, key=lambda a: int(a.indices[-1])) for group in several]


@functools.lru_cache(maxsize=1024)
def straight(
    outputs: tuple[sp.Expr, ...],
) -> tuple[Any, list[sp.Indexed], list[sp.Symbol]]:
    """Return the function of some expressions, and what it takes."""
    accesses: dict[sp.Basic, sp.Symbol] = {}
    for output in outputs:
        for access in outermost(output, sp.Indexed):
            accesses.setdefault(access, sp.Symbol(f"[a{len(accesses)}]", real=True))
    flat = [replaced(output, accesses) for output in outputs]
    inner = set(accesses.values())
    symbols = sorted(
        {s for output in flat for s in output.atoms(sp.Symbol)} - inner,
        key=lambda s: s.name,
    )
    order = [*accesses.values(), *symbols]
    places = {symbol: f"a[{k}]" for k, symbol in enumerate(order)}
    function = lower("body", ("a",), flat, places, style=Style.THROUGHPUT)
    return function, list(accesses), symbols
