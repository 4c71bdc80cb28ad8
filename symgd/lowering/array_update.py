"""One update of a rule, over arrays of any length, as LLVM's instructions.

Either the gradient is there already, or the update is part of the loop that gathers it:
each element is then read, differentiated and moved at once, and the gradient is never
in memory.

All kernels here are called alike: ``f(x, new, gradient, p, state, h, lower, upper,
room, n)``, see ``kernels.large``. They read the iterate ``x`` and write the ``new``
one; ``state`` has a row for each state variable, ``h`` the hyperparameters.

``gathered`` is the fused loop, ``moved`` the update alone, and ``looked`` computes the
norm of the gradient and looks for NaN and infinity.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp
from llvmlite import ir

from symgd.arithmetic.primitives import choose
from symgd.calculus.program import FINITE, LARGEST, Gather, Program, Total, index_at
from symgd.language.formula import read, symbol
from symgd.lowering.array_objective import (
    BLOCK,
    count_of,
    in_blocks,
    range_of,
    size_of_blocks,
)
from symgd.lowering.building import DOUBLE, POINTER, WORD, function_of
from symgd.lowering.gathers import GatherWriter
from symgd.lowering.loops import Writer
from symgd.lowering.places import Here
from symgd.lowering.totals import Totals
from symgd.lowering.tracing import Value, writing
from symgd.lowering.watching import felt, steepness
from symgd.native import exchange
from symgd.native.layout import Layout
from symgd.native.machine import ENTRY
from symgd.rules.random_numbers import COORDINATE
from symgd.rules.rule import Rule
from symgd.rules.staging import Staged, staged

NO_ARRAYS = Layout((), (), (), ())
_PLACE = sp.Symbol("[place]", real=True)
_COUNT = sp.Symbol("[n]", real=True)
_NORM = Total(sp.Symbol("[norm]", real=True), sp.S.Zero, LARGEST)
_WORD = exchange.Room.word_of
_BAD = Total(sp.Symbol("[bad]", real=True), sp.S.Zero, FINITE)
_NEXT = Total(sp.Symbol("[next]", real=True), sp.S.Zero, FINITE)


@dataclass(frozen=True)
class ArrayUpdate:
    """What a rule does with one coordinate.

    Attributes
    ----------
    rule : Rule
    expressions : sequence of SymPy expressions
        The new coordinate and state, in terms of the rule's names.
    schedules : sequence of str or None
        Of each hyperparameter, in ``t`` and ``epoch``; None is a constant.
    bounded, steep : bool
        Whether there are bounds, and these may hold a variable against an infinite
        slope.
    """

    rule: Rule
    expressions: Sequence[sp.Expr]
    schedules: Sequence[str | None]
    bounded: bool
    steep: bool

    @functools.cached_property
    def parts(self) -> Staged:
        """What the update reads of all coordinates, and what is left of it."""
        return staged(self.expressions, _COUNT, alone=False)


def fits(
    program: Program, update: ArrayUpdate, variables: Sequence[tuple[str, int]]
) -> bool:
    """Return whether an update can be part of the loop that gathers the gradient."""
    if len(variables) != 1 or program.adds or update.parts.stages:
        return False
    alone = len(program.steps) == 1 and isinstance(program.steps[0], Gather)
    reads = {s.name for e in update.expressions for s in e.atoms(sp.Symbol)}
    return alone and "f" not in reads


def gathered(update: ArrayUpdate, program: Program, arrays: Layout) -> str:
    """Return the module of an update that gathers the gradient on its way."""
    writer, function = _begun(arrays)
    (step,) = program.steps
    assert isinstance(step, Gather)
    move = _Move(writer, function, update)
    start, stop = range_of(writer, step, Here({}, {}))
    size = size_of_blocks(step)
    which = WORD(0), count_of(writer, start, stop, size)
    indices = [index_at(axis) for axis in range(step.rank)]

    def finish(here: Here, slope: Value) -> None:
        move.at(writer.offset(step.array, indices, here), slope, here)

    def body(low: Any, high: Any) -> list[Value]:
        return GatherWriter(writer, step, finish).written(low, high, Here({}, {}))

    totals = in_blocks(writer, step.totals, size, (start, stop), which, body)
    names = [total.name for total in step.totals]
    here = Here({}, dict(zip(names, totals, strict=True)))
    move.room(_WORD("value"), writer.computed([program.value], here)[0])
    move.ended()
    return str(function.module)


def moved(update: ArrayUpdate) -> str:
    """Return the module of an update whose gradient and totals are there."""
    writer, function = _begun(NO_ARRAYS)
    move = _Move(writer, function, update)

    def body(here: Here) -> None:
        place = here.indices[index_at(0)]
        move.at(place, writer.number_at(move.gradient, place, here), here)

    writer.side_by_side(index_at(0), *move.ends, Here({}, {}), body)
    move.ended()
    return str(function.module)


def summed_up(update: ArrayUpdate) -> str:
    """Return the module of a stage: totals, and a point or vector where ``new`` is."""
    writer, function = _begun(NO_ARRAYS)
    move = _Move(writer, function, update)
    totals = [
        Total(name, summand)
        for name, summand in zip(move.parts.totals, move.parts.summands, strict=True)
    ]

    def body(low: Any, high: Any) -> list[Value]:
        sums = Totals(writer, totals)

        def one(here: Here) -> None:
            place = here.indices[index_at(0)]
            slope = writer.number_at(move.gradient, place, here)
            at = here.knowing(move.known(place, slope, here))
            sums.enter(writer.computed([t.value for t in totals], at), totals, here)
            if move.parts.places:
                move.place(place, at)

        writer.side_by_side(index_at(0), low, high, Here({}, {}), one)
        return sums.ended()

    which = WORD(0), count_of(writer, *move.ends, BLOCK)
    for k, value in enumerate(in_blocks(writer, totals, BLOCK, move.ends, which, body)):
        move.room(exchange.TOTALS + k, value)
    writer.builder.ret(WORD(0))
    return str(function.module)


def looked(bounded: bool) -> str:
    """Return the module that looks at an iterate: how steep it is, and if finite."""
    writer, function = _begun(NO_ARRAYS)
    x, _, gradient, _, _, _, lower, upper, room, count = function.args
    totals = [_NORM, _BAD]
    sums = Totals(writer, totals)

    def one(here: Here) -> None:
        place = here.indices[index_at(0)]
        g, at = (writer.number_at(base, place, here) for base in (gradient, x))
        size = abs(g)
        if bounded:
            sides = [writer.number_at(b, place, here) for b in (lower, upper)]
            size, g = _projected(g, at, *sides), _felt(g, at, *sides)
        sums.enter([size], [_NORM], here)
        for number in (g, at):
            sums.enter([number], [_BAD], here)

    writer.side_by_side(index_at(0), WORD(0), count, Here({}, {}), one)
    for where, value in zip((_WORD("norm"), _WORD("bad")), sums.ended(), strict=True):
        writer.builder.store(value.value, writer.element(room, WORD(where)))
    writer.builder.ret(WORD(0))
    return str(function.module)


def _begun(arrays: Layout) -> tuple[Writer, Any]:
    function = function_of(ENTRY, WORD, [POINTER] * 9 + [WORD])
    builder = ir.IRBuilder(function.append_basic_block())
    x, _, _, p = function.args[:4]
    return Writer(arrays, builder, x, p, None), function


class _Move:
    """Writes the update of one coordinate, or of several side by side."""

    def __init__(self, writer: Writer, function: Any, update: ArrayUpdate) -> None:
        self.writer, self.update = writer, update
        self.parts = update.parts
        self.x, self.new, self.gradient, _, self.state, h, low, high, room, count = (
            function.args
        )
        self.lower, self.upper, self.count, self._room = low, high, count, room
        self.ends = WORD(0), count
        if self.parts.of_arrays:
            self.ends = self._whole("first"), self._whole("last")
        self.common = self._common(h)
        self.looks = [_NORM, _BAD, _NEXT]
        self.sums = Totals(writer, self.looks)

    def room(self, place: int, value: Value) -> None:
        """Write a number for the loop around it to read."""
        target = self.writer.element(self._room, WORD(place))
        self.writer.builder.store(value.value, target)

    def _whole(self, name: str) -> Any:
        """Return an integer that the loop around it has written."""
        build = self.writer.builder
        place = self.writer.element(self._room, WORD(_WORD(name)))
        return build.load(build.bitcast(place, WORD.as_pointer()))

    def _common(self, h: Any) -> dict[sp.Symbol, Value]:
        """Return what is the same for all coordinates, by the rule's names."""
        writer, update = self.writer, self.update
        build = writer.builder

        def read_at(base: Any, place: int) -> Value:
            return Value(build, build.load(writer.element(base, WORD(place))))

        known = {
            symbol("t"): read_at(self._room, _WORD("update")),
            symbol("epoch"): read_at(self._room, _WORD("epoch")),
        }
        moment = Here({}, known)
        values = {
            symbol("t"): known[symbol("t")],
            symbol("f"): read_at(self._room, _WORD("value")),
            _PLACE: read_at(self._room, _WORD("place")),
        }
        values[_COUNT] = Value(build, build.sitofp(self.count, DOUBLE))
        for k, name in enumerate((*self.parts.totals, *self.parts.values)):
            values[name] = read_at(self._room, exchange.TOTALS + k)
        pairs = zip(update.rule.hyperparameters, update.schedules, strict=True)
        for k, (name, schedule) in enumerate(pairs):
            value = read_at(h, k)
            if schedule is not None:
                names = {"t": symbol("t"), "epoch": symbol("epoch")}
                formula = read(schedule, names, closed=True)
                value = writer.computed([formula], moment)[0]
            self.room(exchange.HYPERPARAMETERS + k, value)
            values[symbol(name)] = value
        return values

    def known(self, place: Any, slope: Value, here: Here) -> dict[sp.Symbol, Value]:
        """Return the rule's names where a coordinate is."""
        writer, values = self.writer, dict(self.common)
        x = values[symbol("x")] = writer.number_at(self.x, place, here)
        values[symbol("g")] = self._felt(slope, x, place, here)
        values[COORDINATE] = writer.number_of(place, here)
        rows = (*map(symbol, self.update.rule.state), *self.parts.derivatives)
        for row, name in enumerate(rows):
            values[name] = writer.number_at(
                self.state, self._in_state(row, place), here
            )
        return values

    def place(self, place: Any, here: Here) -> None:
        """Write the point or vector of the next derivative, as the new iterate."""
        found = self.writer.computed(self.parts.places, here)
        kinds = zip(self.parts.are_points, found, strict=True)
        ends = [self._within(e, place, here) if point else e for point, e in kinds]
        new = ends[0]
        for number, end in enumerate(ends):
            new = _CHOSEN(here.values[_PLACE] > number - 0.5, end, new)
        self.writer.store(self.writer.element(self.new, place), new, here)

    def _sides(self, place: Any, here: Here) -> tuple[Value, Value]:
        """Return the bounds of a coordinate."""
        number_at = self.writer.number_at
        return number_at(self.lower, place, here), number_at(self.upper, place, here)

    def _felt(self, slope: Value, x: Value, place: Any, here: Here) -> Value:
        """Return a slope as the rule is given it."""
        if not self.update.steep:
            return slope
        return _felt(slope, x, *self._sides(place, here))

    def _within(self, number: Value, place: Any, here: Here) -> Value:
        """Return a number, or the bound that it is beyond."""
        if not self.update.bounded:
            return number
        low, high = self._sides(place, here)
        number = _CHOSEN(number < low, low, number)
        return _CHOSEN(number > high, high, number)

    def _in_state(self, row: int, place: Any) -> Any:
        build = self.writer.builder
        return build.add(place, build.mul(self.count, WORD(row)))

    def at(self, place: Any, slope: Value, here: Here) -> None:
        """Write the update at a place."""
        writer = self.writer
        values = self.known(place, slope, here)
        x = values[symbol("x")]
        at = Here(here.indices, values, here.lanes)
        new, *state = writer.computed(self.parts.outputs, at)
        for name in self.parts.derivatives:  # what isn't finite spoils the coordinate
            new = new + (values[name] - values[name])
        size = abs(slope)
        if self.update.bounded:
            size = _projected(slope, x, *self._sides(place, here))
            new = self._within(new, place, here)
        writer.store(writer.element(self.new, place), new, here)
        for row, value in enumerate(state):
            target = writer.element(self.state, self._in_state(row, place))
            writer.store(target, value, here)
        self.sums.enter([size], [_NORM], here)
        if self.update.bounded:  # a bound makes the size finite
            self.sums.enter([values[symbol("g")]], [_BAD], here)
        for value in (new, *state):
            self.sums.enter([value], [_NEXT], here)

    def ended(self) -> None:
        """Write what was noted of all coordinates, and return."""
        norm, bad, following = self.sums.ended()
        self.room(_WORD("norm"), norm)
        self.room(_WORD("bad"), bad + norm * 0.0)
        self.room(_WORD("next_bad"), following)
        self.writer.builder.ret(WORD(0))


_CHOSEN = writing(choose)
_projected, _felt = writing(steepness), writing(felt)
