"""Kernels of programs with loops: modules of LLVM's instructions, written here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sympy as sp
from llvmlite import ir

from symgd.calculus.program import Dense, Gather, Let, Nest, Program, Step, Total
from symgd.lowering.building import DOUBLE, POINTER, WORD, function_of
from symgd.lowering.gathers import GatherWriter, storing
from symgd.lowering.loops import Writer
from symgd.lowering.places import Here
from symgd.lowering.rooms import dense, roomed
from symgd.lowering.totals import NEUTRAL, joined
from symgd.lowering.tracing import Value
from symgd.native.layout import Layout, size_of
from symgd.native.machine import ENTRY

BLOCK = 2048  # iterations of an outermost loop that are added up without a break
OUTER_BLOCK = 16  # likewise where it has loops inside
DEEPEST = 48  # levels of pairwise sums: more than memory can hold


def evaluation(program: Program, layout: Layout) -> str:
    """Return the module of ``double f(double *x, words *p, double *gradient)``."""
    return _whole(program, layout, 3)


def product(program: Program, layout: Layout) -> str:
    """Return the module of ``double f(x, p, product, direction)``.

    The program is that of a derivative along the direction, whose gradient is the
    product of the Hessian with it.
    """
    return _whole(program, layout, 4)


def _whole(program: Program, layout: Layout, taken: int) -> str:
    function = function_of(ENTRY, DOUBLE, [POINTER] * taken)
    builder = ir.IRBuilder(function.append_basic_block())
    writer = Writer(layout, builder, *function.args)
    here = Here({}, {})
    _cleared(writer, program, layout)
    with roomed(writer, program):
        for step in program.steps:
            here = _stepped(writer, step, here)
        value = _ended(writer, program, here).value
    builder.ret(value)
    return str(function.module)


def _ended(writer: Writer, program: Program, here: Here) -> Value:
    """Write what is added to the gradient at last; return the objective's value."""
    values = [program.value, *(add.value for add in program.adds)]
    value, *numbers = writer.computed(values, here)
    for add, number in zip(program.adds, numbers, strict=True):
        writer.add(add, number, here)
    return writer.unless_stopped(value)


def pieces(program: Program, layout: Layout) -> str:
    """Return the module of a program whose steps, and parts of them, are called for.

    It is ``blocks f(step, x, p, gradient, known, first, last, out)``: a loop writes the
    totals of its blocks from ``first`` up to ``last`` to ``out``, a name its value; the
    step after the last one writes the objective's value, and step -1, which is to come
    first, sets the gradient to 0. ``known`` has the values of all names of the steps
    before, in order. Returned is the number of blocks.
    """
    words = [WORD, POINTER, POINTER, POINTER, POINTER, WORD, WORD, POINTER]
    function = function_of(ENTRY, WORD, words)
    step, x, p, gradient, known, first, last, out = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    writer = Writer(layout, builder, x, p, gradient)
    end = function.append_basic_block("end")
    choice = builder.switch(step, end)
    names = known_names(program)
    for number, each in enumerate((*program.steps, None)):
        block = function.append_basic_block("step")
        choice.add_case(WORD(number), block)
        builder.position_at_end(block)
        here = Here({}, _read(writer, known, names, each, program))
        count, values = _piece(writer, each, program, here, first, last)
        for k, value in enumerate(values):
            builder.store(value.value, builder.gep(out, [WORD(k)], inbounds=True))
        builder.ret(count)
    builder.position_at_end(end)
    _cleared(writer, program, layout)
    builder.ret(WORD(0))
    return str(function.module)


def known_names(program: Program) -> list[sp.Symbol]:
    """Return the names that the steps of a program define, in order."""
    return [name for step in program.steps for name in _names(step)]


def _names(step: Step) -> list[sp.Symbol]:
    return [step.name] if isinstance(step, Let) else [t.name for t in step.totals]


def _read(
    writer: Writer,
    known: Any,
    names: list[sp.Symbol],
    each: Step | None,
    whole: Program,
) -> dict[sp.Symbol, Value]:
    """Return what is known before a step."""
    build = writer.builder
    steps = whole.steps if each is None else whole.steps[: whole.steps.index(each)]
    before = {name for step in steps for name in _names(step)}
    return {
        name: Value(build, build.load(build.gep(known, [WORD(k)], inbounds=True)))
        for k, name in enumerate(names)
        if name in before
    }


def _piece(
    writer: Writer, step: Step | None, whole: Program, here: Here, first: Any, last: Any
) -> tuple[Any, list[Value]]:
    """Write a step, or the end; return its number of blocks and its values."""
    if step is None:
        return WORD(1), [_ended(writer, whole, here)]
    if isinstance(step, Let):
        return WORD(1), writer.computed([step.value], here)
    assert not isinstance(step, Dense)  # those programs are not in pieces
    count = blocks(writer, step, here)
    return count, summed(writer, step, first, last, here)


def each_row(expressions: Sequence[sp.Expr], index: sp.Symbol, layout: Layout) -> str:
    """Return the module of ``f(x, p, out, first, last)``: values, row by row.

    The values of one expression stand together in ``out``, from row ``first`` on.
    """
    kinds = [POINTER, POINTER, POINTER, WORD, WORD]
    function = function_of(ENTRY, WORD, kinds)
    x, p, out, first, last = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    writer = Writer(layout, builder, x, p, None)
    count = builder.sub(last, first)

    def enter(here: Here) -> None:
        row = builder.sub(here.indices[index], first)
        for k, number in enumerate(writer.computed(expressions, here)):
            place = builder.add(row, builder.mul(count, WORD(k)))
            writer.store(builder.gep(out, [place], inbounds=True), number, here)

    writer.side_by_side(index, first, last, Here({}, {}), enter)
    builder.ret(WORD(0))
    return str(function.module)


def _cleared(writer: Writer, program: Program, layout: Layout) -> None:
    """Set the gradient to 0, where it isn't gathered."""
    build = writer.builder
    gathered = {s.array for s in program.steps if isinstance(s, Gather) and not s.adds}
    for name, rank in layout.variables:
        if name in gathered:
            continue
        size: Any = WORD(size_of(()))
        for axis in range(rank):
            size = build.mul(size, writer.word("length", name, axis))
        first = writer.word("offset", name)
        with writer.counting(first, build.add(first, size)) as place:
            build.store(DOUBLE(0.0), build.gep(writer.gradient, [place], inbounds=True))


def _stepped(writer: Writer, step: Step, here: Here) -> Here:
    if isinstance(step, Dense):
        dense(writer, step)
        return here
    if isinstance(step, Let):
        return writer.stepped([step], here)
    count = blocks(writer, step, here)
    totals = summed(writer, step, WORD(0), count, here)
    return here.knowing(dict(zip(_names(step), totals, strict=True)))


def range_of(writer: Writer, step: Nest | Gather, here: Here) -> tuple[Any, Any]:
    """Return where a loop begins and ends."""
    if isinstance(step, Gather):
        return WORD(0), writer.word("length", step.array, 0)
    loop = step.loop
    return writer.integer(loop.start, here), writer.integer(loop.stop, here)


def size_of_blocks(step: Nest | Gather) -> int:
    """Return how many iterations a block has."""
    if isinstance(step, Gather):
        return BLOCK if step.rank == 1 else OUTER_BLOCK
    flat = not any(isinstance(inner, Nest) for inner in step.steps)
    return BLOCK if flat else OUTER_BLOCK


def blocks(writer: Writer, step: Nest | Gather, here: Here) -> Any:
    """Return in how many blocks a loop goes."""
    return count_of(writer, *range_of(writer, step, here), size_of_blocks(step))


def count_of(writer: Writer, start: Any, stop: Any, size: int) -> Any:
    """Return the number of blocks of a size, a power of 2."""
    build = writer.builder
    length = build.add(build.sub(stop, start), WORD(size - 1))
    return build.ashr(length, WORD(size.bit_length() - 1))


def summed(
    writer: Writer, step: Nest | Gather, first: Any, last: Any, here: Here
) -> list[Value]:
    """Write the loop over some blocks of a step; return its totals."""

    def body(low: Any, high: Any) -> list[Value]:
        if isinstance(step, Gather):
            loops = GatherWriter(writer, step, storing(writer, step))
            return loops.written(low, high, here)
        return writer.nest(step, low, high, here)

    ends = range_of(writer, step, here)
    return in_blocks(
        writer, step.totals, size_of_blocks(step), ends, (first, last), body
    )


def in_blocks(
    writer: Writer,
    totals: Sequence[Total],
    size: int,
    ends: tuple[Any, Any],
    which: tuple[Any, Any],
    body: Callable[[Any, Any], list[Value]],
) -> list[Value]:
    """Write a loop over blocks; return the totals, added pairwise.

    The partial totals on the stack are of 2**k blocks each, ever fewer: a block is
    added to the one before when that is as long, and so on.

    Parameters
    ----------
    size : int
        Iterations in a block.
    ends : pair of integers
        Where the whole loop begins and ends.
    which : pair of integers
        The blocks: from the first up to, not including, the last.
    body : callable
        Writes a block from its first iteration up to its last; returns its totals.
    """
    build = writer.builder
    stack = writer.memory(DOUBLE, DEEPEST * max(1, len(totals)))
    depth = writer.memory(WORD)
    build.store(WORD(0), depth)
    with writer.counting(*which, long=True) as block:
        low = build.add(ends[0], build.mul(block, WORD(size)))
        high = build.add(low, WORD(size))
        high = build.select(build.icmp_signed("<", high, ends[1]), high, ends[1])
        _entered(writer, stack, depth, body(low, high))
        done = build.add(build.sub(block, which[0]), WORD(1))
        # As many pairs are complete as the count of blocks has zeros at its end.
        with writer.counting(WORD(0), build.cttz(done, ir.IntType(1)(1))):
            _joined(writer, stack, depth, totals)
    with writer.counting(WORD(1), build.load(depth)):
        _joined(writer, stack, depth, totals)
    none = build.icmp_signed("==", build.load(depth), WORD(0))
    results = []
    for k, total in enumerate(totals):
        value = build.load(build.gep(stack, [WORD(k)], inbounds=True))
        neutral = DOUBLE(NEUTRAL[total.kind])
        whole = Value(build, build.select(none, neutral, value))
        results.append(writer.unless_stopped(whole))
    return results


def _entered(writer: Writer, stack: Any, depth: Any, parts: Sequence[Value]) -> None:
    build = writer.builder
    base = build.mul(build.load(depth), WORD(max(1, len(parts))))
    for k, part in enumerate(parts):
        place = build.gep(stack, [build.add(base, WORD(k))], inbounds=True)
        build.store(part.value, place)
    build.store(build.add(build.load(depth), WORD(1)), depth)


def _joined(writer: Writer, stack: Any, depth: Any, totals: Sequence[Total]) -> None:
    """Add the uppermost partial sums to those below."""
    build = writer.builder
    top = build.sub(build.load(depth), WORD(1))
    above = build.mul(top, WORD(max(1, len(totals))))
    below = build.sub(above, WORD(max(1, len(totals))))
    for k, total in enumerate(totals):
        a, b = (
            build.gep(stack, [build.add(base, WORD(k))], inbounds=True)
            for base in (below, above)
        )
        both = joined(build, total.kind, build.load(a), build.load(b))
        build.store(both, a)
    build.store(top, depth)
