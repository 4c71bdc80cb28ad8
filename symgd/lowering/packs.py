"""Blocks of lanes: SIMD registers side by side, and the rows of a table they are from.

A straight-line function is written out for each register, one after the other, so that
the independent work of the registers hides the latency of each operation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from llvmlite import ir

from symgd.lowering.building import DOUBLE, WORD, memory, splat
from symgd.lowering.tracing import Value


class Block:
    """The lanes of some registers, in code that is being written.

    Parameters
    ----------
    builder : llvmlite.ir.IRBuilder
    table : LLVM value
        The address of rows of as many numbers as there are lanes.
    registers, width : int
        How many registers, and the lanes of each.
    """

    def __init__(self, builder: Any, table: Any, registers: int, width: int) -> None:
        self.builder, self.table = builder, table
        self.registers, self.width = registers, width
        self.vector = ir.VectorType(DOUBLE, width)

    def each(self) -> range:
        """Return the numbers of the registers."""
        return range(self.registers)

    def _place(self, row: int, register: int) -> Any:
        word = WORD((row * self.registers + register) * self.width)
        return self.builder.gep(self.table, [word], inbounds=True)

    def loaded(
        self, row: int, count: int, alike: bool = False
    ) -> list[tuple[Value, ...]]:
        """Return some rows, of each register a value for every row.

        If a row has the same number in all lanes, it is just the number.
        """
        build, pointer = self.builder, self.vector.as_pointer()

        def read(row: int, register: int) -> Value:
            place = self._place(row, register)
            if alike:
                return Value(build, build.load(place))
            return Value(build, build.load(build.bitcast(place, pointer), align=8))

        every = range(row, row + count)
        if alike:
            numbers = tuple(read(each, 0) for each in every)
            return [numbers] * self.registers
        return [tuple(read(each, r) for each in every) for r in self.each()]

    def store(self, row: int, registers: Iterable[Sequence[Value]]) -> None:
        """Write what each register has down the table."""
        for register, packs in enumerate(registers):
            for below, pack in enumerate(packs):
                place = self._place(row + below, register)
                place = self.builder.bitcast(place, self.vector.as_pointer())
                self.builder.store(pack.value, place, align=8)

    def memory(self, count: int) -> Registers:
        """Return working memory for so many packs of each register."""
        return Registers(self, count)

    def any_nonzero(self, packs: Sequence[Value]) -> Any:
        """Return whether a number of some packs isn't 0."""
        build, found = self.builder, None
        for pack in packs:
            zero = splat(build, DOUBLE(0.0), self.vector)
            there = build.fcmp_unordered("!=", pack.value, zero)
            found = there if found is None else build.or_(found, there)
        word = ir.IntType(self.width)
        return build.icmp_unsigned("!=", build.bitcast(found, word), word(0))


class Registers:
    """Packs that are kept while loops run, so many of each register."""

    def __init__(self, block: Block, count: int) -> None:
        self.block = block
        self.places = [
            [memory(block.builder, block.vector) for _ in range(count)]
            for _ in block.each()
        ]

    def __getitem__(self, register: int) -> tuple[Value, ...]:
        build = self.block.builder
        return tuple(Value(build, build.load(p)) for p in self.places[register])

    def __setitem__(self, register: int, numbers: Sequence[Any]) -> None:
        pairs = zip(numbers, self.places[register], strict=True)
        for number, place in pairs:
            self.block.builder.store(self._pack(number), place)

    def _pack(self, number: Any) -> Any:
        value = number.value if isinstance(number, Value) else DOUBLE(float(number))
        vector = self.block.vector
        return (
            value if value.type == vector else splat(self.block.builder, value, vector)
        )

    def read(self) -> list[tuple[Value, ...]]:
        """Return what each register has."""
        return [self[register] for register in self.block.each()]

    def write(self, registers: Iterable[Sequence[Any]]) -> None:
        """Set what each register has."""
        for register, numbers in enumerate(registers):
            self[register] = numbers
