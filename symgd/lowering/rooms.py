"""A program's own arrays, and what factors the matrices among them.

They are in memory that is taken when the function begins and given back when it ends;
what factors is a kernel, whose address is among the words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from symgd.calculus.lifting import System, slopes_of
from symgd.calculus.program import FACTOR_BACK, Dense, Program
from symgd.lowering.building import POINTER, WORD, declared
from symgd.lowering.loops import Writer
from symgd.lowering.places import Here, OwnMatrix

_BYTES = ir.IntType(8).as_pointer()
_TOLD = 4  # numbers about a matrix
_NOWHERE = Here({}, {})


@contextmanager
def roomed(writer: Writer, program: Program) -> Iterator[None]:
    """Take memory for a program's own arrays, all of it 0, and give it back."""
    if not program.systems:
        yield
        return
    build, module = writer.builder, writer.builder.module
    sizes = _sizes(writer, program.systems)
    total: Any = WORD(0)
    starts = {}
    for name, (rows, columns) in sizes.items():
        starts[name] = total
        total = build.add(total, build.mul(rows, columns))
    calloc = declared(module, "calloc", ir.FunctionType(_BYTES, [WORD, WORD]))
    free = declared(module, "free", ir.FunctionType(ir.VoidType(), [_BYTES]))
    memory = build.call(calloc, [total, WORD(8)])
    first = build.bitcast(memory, POINTER)
    for name, (_, columns) in sizes.items():
        writer.rooms[name] = OwnMatrix(writer.element(first, starts[name]), columns)
    yield
    build.call(free, [memory])


def _sizes(
    writer: Writer, systems: tuple[System, ...]
) -> Mapping[str, tuple[Any, Any]]:
    """Return how many rows and columns each array has."""
    sizes: dict[str, tuple[Any, Any]] = {}
    for system in systems:
        rows, columns = (
            writer.integer(length, _NOWHERE) for length in (system.rows, system.columns)
        )
        for name in (system.name, slopes_of(system.name)):
            sizes[name] = rows, columns
        if not system.matrix:
            sizes[system.pivots] = rows, WORD(1)
            sizes[system.room] = rows, columns
            sizes[system.told] = WORD(1), WORD(_TOLD)
            sizes[slopes_of(system.told)] = WORD(1), WORD(_TOLD)
    return sizes


def dense(writer: Writer, step: Dense) -> None:
    """Call the kernel that factors and solves."""
    build, rooms = writer.builder, writer.rooms
    matrix, right = step.matrix, step.right
    back = FACTOR_BACK if step.kind == FACTOR_BACK else None
    values = matrix.room if right.name == matrix.name else right.name
    slopes = matrix.told if back is not None else right.name
    rows = writer.integer(matrix.rows, _NOWHERE)
    arrays = (
        *(matrix.name, matrix.pivots, matrix.told, values),
        *(slopes_of(slopes), slopes_of(matrix.name)),
    )
    arguments = [WORD(step.kind), rows, writer.integer(right.columns, _NOWHERE)]
    arguments += [build.bitcast(rooms[name].first, _BYTES) for name in arrays]
    kind = ir.FunctionType(WORD, [each.type for each in arguments])
    kernel = build.inttoptr(writer.word("factors"), kind.as_pointer())
    build.call(kernel, arguments)
