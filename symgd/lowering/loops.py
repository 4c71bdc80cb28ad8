"""Programs of nested loops as LLVM's instructions.

The innermost loops work on LANES elements at once, always so many, whatever the
processor has, and what remains is done one at a time; the order in which numbers are
added is therefore fixed by the lengths alone. The outermost loops go in blocks, whose
totals are added pairwise (Higham 2002, "Accuracy and Stability of Numerical
Algorithms", section 4.2), so that blocks may be done by several threads, and the result
has the same bits for any number of them.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sympy as sp
from llvmlite import ir
from numba.core import cgutils

from symgd.errors import FormulaError
from symgd.formula import text_of
from symgd.layout import Column, Layout
from symgd.lowering.printing import Style
from symgd.lowering.source import lower
from symgd.lowering.tracing import Value, writing
from symgd.lowering.transposing import transposed
from symgd.programs import (
    LARGEST,
    PRODUCT,
    SUM,
    Add,
    Gather,
    Let,
    Nest,
    Region,
    Total,
    index_at,
    outermost,
)

LANES = 8
BLOCK = 2048  # iterations of the outermost loop that are added up without a break
OUTER_BLOCK = 16  # likewise where it has loops inside
DEEPEST = 48  # levels of pairwise sums: more than memory can hold

WORD, DOUBLE = ir.IntType(64), ir.DoubleType()
PACK = ir.VectorType(DOUBLE, LANES)
NEUTRAL = {SUM: 0.0, PRODUCT: 1.0, LARGEST: 0.0}

# What a kernel writes for elements of a gather: (places, slopes) -> None
Finish = Callable[["Here", Value], None]


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


class Writer:
    """Writes the loops of a program into a function.

    Parameters
    ----------
    layout : Layout
    builder : llvmlite's IRBuilder
    x, p, gradient : pointers to numbers
        ``gradient`` may be None where nothing is added to it.
    """

    def __init__(
        self, layout: Layout, builder: Any, x: Any, p: Any, gradient: Any
    ) -> None:
        self.layout = layout
        self.builder = builder
        self.x, self.p, self.gradient = x, p, gradient
        self.variables = dict(layout.variables)
        self.data = dict(layout.data)

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

    def element(self, base: Any, place: Any) -> Any:
        """Return the address of a number of an array."""
        return self.builder.gep(base, [place], inbounds=True)

    def integer(self, expression: sp.Expr, here: Here) -> Any:
        """Return an index or a bound."""
        build = self.builder
        if expression.is_Integer:
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
        if isinstance(expression, sp.floor):
            above, below = expression.args[0].as_numer_denom()
            return self._floored(self.integer(above, here), self.integer(below, here))
        if isinstance(expression, sp.Mod):
            a, b = (self.integer(part, here) for part in expression.args)
            return build.sub(a, build.mul(self._floored(a, b), b))
        if isinstance(expression, (sp.Max, sp.Min)):
            sign = ">" if isinstance(expression, sp.Max) else "<"
            parts = [self.integer(part, here) for part in expression.args]
            return functools.reduce(functools.partial(self._extreme, sign), parts)
        if isinstance(expression, sp.Indexed):
            place, kind = self._place_of_data(expression, here)
            return self._integer_at(place, kind)
        if isinstance(expression, sp.ceiling):
            above, below = expression.args[0].as_numer_denom()
            negative = build.neg(self.integer(above, here))
            return build.neg(self._floored(negative, self.integer(below, here)))
        if isinstance(expression, sp.Abs):
            inside = self.integer(expression.args[0], here)
            return self._extreme(">", inside, build.neg(inside))
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

    def _extreme(self, sign: str, a: Any, b: Any) -> Any:
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
            number = self._load_one(access, self._lane(here, lane))
            place = ir.Constant(ir.IntType(32), lane)
            pack = self.builder.insert_element(pack, number, place)
        return pack

    def _lane(self, here: Here, lane: int) -> Here:
        assert here.lanes is not None
        place = self.builder.add(here.indices[here.lanes], WORD(lane))
        return here.at(here.lanes, place)

    def _is_dense(self, access: sp.Indexed, lanes: sp.Symbol) -> bool:
        name = str(access.base.label)
        if name in self.data and not self.data[name].dense:
            return False
        slopes = _index_slopes(access.indices, lanes)
        return slopes is not None and slopes[-1] == 1 and not any(slopes[:-1])

    def _load_one(self, access: sp.Indexed, here: Here) -> Any:
        pointer, kind = self._pointer(access, here)
        raw = self._raw_type(kind)
        place = self.builder.bitcast(pointer, raw.as_pointer())
        return self._as_double(self._unchanging(place, 1), kind)

    def _load_pack(self, access: sp.Indexed, here: Here, width: int) -> Any:
        pointer, kind = self._pointer(access, here)
        raw = ir.VectorType(self._raw_type(kind), width)
        place = self.builder.bitcast(pointer, raw.as_pointer())
        return self._as_double(self._unchanging(place, 1), kind)

    def _pointer(self, access: sp.Indexed, here: Here) -> tuple[Any, str]:
        name = str(access.base.label)
        if name in self.data:
            return self._place_of_data(access, here)
        return self.element(self.x, self.offset(name, access.indices, here)), "f8"

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
                self._load_pack(group[0], self._lane(here, lane), width)
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
            first = build.sitofp(here.indices[symbol], DOUBLE)
            if symbol != here.lanes:
                return Value(build, first)
            steps = ir.Constant(PACK, [float(lane) for lane in range(LANES)])
            lanes = in_lanes(Value(build, first)).value
            return Value(build, build.fadd(lanes, steps))
        words = self.layout.words
        if ("size", symbol.name) in words:
            return Value(build, build.sitofp(self.word("size", symbol.name), DOUBLE))
        if ("parameter", symbol.name) in words:
            place = WORD(words["parameter", symbol.name])
            return Value(build, self._unchanging(self.element(self.p, place), 8))
        place = self.element(self.x, self.word("offset", symbol.name))
        return Value(build, self._unchanging(place, 8))

    def computed(self, outputs: Sequence[sp.Expr], here: Here) -> list[Value]:
        """Return the values of expressions, as numbers or packs."""
        function, accesses, symbols = _straight(tuple(outputs))
        values = self.loaded(accesses, here)
        values += [self._symbol(symbol, here) for symbol in symbols]
        if not values:
            values = [Value(self.builder, DOUBLE(0.0))]
        results = writing(function)(tuple(values))
        return [
            r if isinstance(r, Value) else Value(self.builder, DOUBLE(float(r)))
            for r in results
        ]

    # --------------------------------------------------------------------- loops

    @contextmanager
    def counting(self, start: Any, stop: Any, step: int = 1) -> Iterator[Any]:
        """Write a loop from start up to stop; what is written inside is its body."""
        build = self.builder
        before = build.block
        head = build.append_basic_block("loop")
        body = build.append_basic_block("body")
        after = build.append_basic_block("after")
        build.branch(head)
        build.position_at_end(head)
        count = build.phi(WORD)
        count.add_incoming(start, before)
        build.cbranch(build.icmp_signed("<", count, stop), body, after)
        build.position_at_end(body)
        yield count
        count.add_incoming(build.add(count, WORD(step)), build.block)
        build.branch(head)
        build.position_at_end(after)

    def memory(self, kind: Any, count: int = 1) -> Any:
        """Return room on the stack."""
        if count == 1:
            return cgutils.alloca_once(self.builder, kind)
        place = cgutils.alloca_once(self.builder, ir.ArrayType(kind, count))
        return self.builder.bitcast(place, kind.as_pointer())

    def nest(self, nest: Nest, start: Any, stop: Any, here: Here) -> list[Value]:
        """Write a loop over part of its range; return its totals, one number each."""
        sums = Totals(self, nest.totals)
        if any(isinstance(step, Nest) for step in nest.steps):
            with self.counting(start, stop) as place:
                self._iteration(nest, here.at(nest.loop.index, place), sums)
            return sums.ended()
        index = nest.loop.index
        self.side_by_side(
            index, start, stop, here, lambda at: self._iteration(nest, at, sums)
        )
        return sums.ended()

    def side_by_side(
        self,
        index: sp.Symbol,
        start: Any,
        stop: Any,
        here: Here,
        body: Callable[[Here], None],
    ) -> None:
        """Write a loop whose body works on LANES iterations, then on one at a time."""
        whole = self.builder.and_(self.builder.sub(stop, start), WORD(-LANES))
        whole = self._extreme(">", whole, WORD(0))
        rest = self.builder.add(start, whole)
        with self.counting(start, rest, LANES) as place:
            body(here.at(index, place, lanes=True))
        with self.counting(rest, stop) as place:
            body(here.at(index, place))

    def _iteration(self, nest: Nest, here: Here, sums: Totals) -> None:
        here = self.stepped(nest.steps, here)
        values = [total.value for total in nest.totals]
        values += [add.value for add in nest.adds]
        numbers = self.computed(values, here)
        sums.enter(numbers[: len(nest.totals)], nest.totals, here)
        for add, number in zip(nest.adds, numbers[len(nest.totals) :], strict=True):
            self.add(add, number, here)

    def stepped(self, steps: Sequence[Any], here: Here) -> Here:
        """Write steps one after the other; return what is known after them."""
        for step in steps:
            if isinstance(step, Let):
                here = here.knowing({step.name: self.computed([step.value], here)[0]})
                continue
            start = self.integer(step.loop.start, here)
            stop = self.integer(step.loop.stop, here)
            totals = self.nest(step, start, stop, here)
            names = [total.name for total in step.totals]
            here = here.knowing(dict(zip(names, totals, strict=True)))
        return here

    def add(self, add: Add, number: Value, here: Here) -> None:
        """Add to the gradient, lane by lane where lanes may meet."""
        build = self.builder
        if here.lanes is None:
            place = self.element(self.gradient, self._offset_of(add, here))
            build.store(build.fadd(build.load(place), number.value), place)
            return
        pack = in_lanes(number)
        slopes = _index_slopes(add.indices, here.lanes)
        if slopes is not None and slopes[-1] == 1 and not any(slopes[:-1]):
            place = self.element(self.gradient, self._offset_of(add, here))
            place = build.bitcast(place, PACK.as_pointer())
            total = build.fadd(build.load(place, align=8), pack.value)
            build.store(total, place, align=8)
            return
        for lane in range(LANES):
            one = build.extract_element(pack.value, ir.Constant(ir.IntType(32), lane))
            self.add(add, Value(build, one), self._lane(here, lane))

    def _offset_of(self, add: Add, here: Here) -> Any:
        return self.offset(add.array, add.indices, here)

    # -------------------------------------------------------------------- gathers

    def gather(
        self, gather: Gather, start: Any, stop: Any, here: Here, finish: Finish
    ) -> list[Value]:
        """Write the loops over part of an array's elements; return the totals.

        Inside of all regions lanes are worked on; at the edges it is one element at a
        time, with a look at each region.
        """
        sums = Totals(self, gather.totals)
        everywhere = [ir.IntType(1)(1)] * len(gather.regions)
        self._gather_axis(gather, 0, start, stop, here, finish, sums, everywhere)
        return sums.ended()

    def _gather_axis(
        self,
        gather: Gather,
        axis: int,
        start: Any,
        stop: Any,
        here: Here,
        finish: Finish,
        sums: Totals,
        inside: list[Any],
    ) -> None:
        """Write the loop over one axis; ``inside`` says so of each region so far."""
        index, build = index_at(axis), self.builder
        boxes = [
            (self.integer(r.starts[axis], here), self.integer(r.stops[axis], here))
            for r in gather.regions
        ]
        if axis < gather.rank - 1:
            end = self.word("length", gather.array, axis + 1)
            with self.counting(start, stop) as place:
                marks = self._marks(place, boxes, inside)
                at = here.at(index, place)
                inner = (WORD(0), end, at, finish, sums, marks)
                self._gather_axis(gather, axis + 1, *inner)
            return
        low = functools.reduce(lambda a, b: self._extreme(">", a, b[0]), boxes, start)
        high = functools.reduce(lambda a, b: self._extreme("<", a, b[1]), boxes, stop)
        everywhere = functools.reduce(build.and_, inside, ir.IntType(1)(1))
        high = build.select(everywhere, high, low)
        width = build.and_(build.sub(high, low), WORD(-LANES))
        empty = build.icmp_signed("<=", high, low)
        low = build.select(empty, stop, low)
        high = build.select(empty, stop, build.add(low, width))
        with self.counting(low, high, LANES) as place:
            at = here.at(index, place, lanes=True)
            finish(at, self._inside(gather, at, sums))
        for first, last in ((start, low), (high, stop)):
            with self.counting(first, last) as place:
                marks = self._marks(place, boxes, inside)
                at = here.at(index, place)
                finish(at, self._at_edge(gather, at, sums, marks))

    def _marks(self, place: Any, boxes: Any, inside: Sequence[Any]) -> list[Any]:
        """Return of each region whether a place is inside on this axis, too."""
        build, marks = self.builder, []
        for (low, high), so_far in zip(boxes, inside, strict=True):
            above = build.icmp_signed(">=", place, low)
            below = build.icmp_signed("<", place, high)
            marks.append(build.and_(so_far, build.and_(above, below)))
        return marks

    def _inside(self, gather: Gather, here: Here, sums: Totals) -> Value:
        slope = sp.Add(*(region.slope for region in gather.regions))
        values = [slope, *(total.value for total in gather.totals)]
        numbers = self.computed(values, here)
        sums.enter(numbers[1:], gather.totals, here)
        return numbers[0]

    def _at_edge(
        self, gather: Gather, here: Here, sums: Totals, marks: Sequence[Any]
    ) -> Value:
        build = self.builder
        slope = self.memory(DOUBLE)
        build.store(DOUBLE(0.0), slope)
        for region, mark in zip(gather.regions, marks, strict=True):
            with build.if_then(mark):
                self._region(region, here, sums, slope)
        return Value(build, build.load(slope))

    def _region(self, region: Region, here: Here, sums: Totals, slope: Any) -> None:
        values = [region.slope, *(total.value for total in region.totals)]
        numbers = self.computed(values, here)
        sums.enter(numbers[1:], region.totals, here)
        build = self.builder
        build.store(build.fadd(build.load(slope), numbers[0].value), slope)

    def storing(self, gather: Gather) -> Finish:
        """Return what writes slopes to the gradient."""
        indices = [index_at(axis) for axis in range(gather.rank)]

        def finish(here: Here, slope: Value) -> None:
            place = self.element(
                self.gradient, self.offset(gather.array, indices, here)
            )
            self.store(place, slope, here)

        return finish

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


class Totals:
    """Totals while a loop runs: of lanes, and of single elements."""

    def __init__(self, writer: Writer, totals: Sequence[Total]) -> None:
        self.writer, self.totals = writer, totals
        self.places: dict[sp.Symbol, tuple[Any, Any]] = {}
        build = writer.builder
        for total in totals:
            pack, one = writer.memory(PACK), writer.memory(DOUBLE)
            neutral = NEUTRAL[total.kind]
            build.store(ir.Constant(PACK, [neutral] * LANES), pack)
            build.store(DOUBLE(neutral), one)
            self.places[total.name] = pack, one

    def enter(
        self, numbers: Sequence[Value], totals: Sequence[Total], here: Here
    ) -> None:
        """Add the numbers of an iteration, or of LANES iterations."""
        build = self.writer.builder
        for number, total in zip(numbers, totals, strict=True):
            pack, one = self.places[total.name]
            place = one if here.lanes is None else pack
            value = number.value if here.lanes is None else in_lanes(number).value
            build.store(joined(build, total.kind, build.load(place), value), place)

    def ended(self) -> list[Value]:
        """Return the totals, lanes added in halves."""
        build = self.writer.builder
        results = []
        for total in self.totals:
            pack, one = (build.load(place) for place in self.places[total.name])
            width = LANES
            while width > 1:
                width //= 2
                halves = [
                    build.shuffle_vector(
                        pack,
                        ir.Constant(pack.type, ir.Undefined),
                        ir.Constant(
                            ir.VectorType(ir.IntType(32), width),
                            list(range(first, first + width)),
                        ),
                    )
                    for first in (0, width)
                ]
                pack = joined(build, total.kind, *halves)
            last = build.extract_element(pack, ir.Constant(ir.IntType(32), 0))
            results.append(Value(build, joined(build, total.kind, last, one)))
        return results


def joined(builder: Any, kind: str, a: Any, b: Any) -> Any:
    """Return two totals as one."""
    if kind == LARGEST:  # a number that isn't one is noticed elsewhere
        return builder.select(builder.fcmp_ordered(">", b, a), b, a)
    return (builder.fmul if kind == PRODUCT else builder.fadd)(a, b)


def in_lanes(number: Value) -> Value:
    """Return a number as a pack, the same in all lanes if it is a plain one."""
    return number.spread(Value(number.builder, ir.Constant(PACK, ir.Undefined)))


def _moves(access: sp.Indexed, lanes: sp.Symbol) -> bool:
    return any(index.has(lanes) for index in access.indices)


def _index_slopes(
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
def _straight(
    outputs: tuple[sp.Expr, ...],
) -> tuple[Any, list[sp.Indexed], list[sp.Symbol]]:
    """Return the function of some expressions, and what it takes."""
    accesses: dict[sp.Basic, sp.Symbol] = {}
    for output in outputs:
        for access in outermost(output, sp.Indexed):
            accesses.setdefault(access, sp.Symbol(f"[a{len(accesses)}]", real=True))
    flat = [output.xreplace(accesses) for output in outputs]
    inner = set(accesses.values())
    symbols = sorted(
        {s for output in flat for s in output.atoms(sp.Symbol)} - inner,
        key=lambda s: s.name,
    )
    order = [*accesses.values(), *symbols]
    places = {symbol: f"a[{k}]" for k, symbol in enumerate(order)}
    function = lower("body", ("a",), flat, places, style=Style.THROUGHPUT)
    return function, list(accesses), symbols
