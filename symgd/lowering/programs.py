"""Kernels of programs with loops: modules of LLVM's instructions, written here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from symgd.layout import Layout, size_of
from symgd.lowering.loops import (
    BLOCK,
    DEEPEST,
    DOUBLE,
    OUTER_BLOCK,
    WORD,
    Here,
    Writer,
)
from symgd.lowering.tracing import Value
from symgd.machine import ENTRY
from symgd.programs import Gather, Let, Nest, Program, Step, Total

POINTER = DOUBLE.as_pointer()


def evaluation(program: Program, layout: Layout) -> str:
    """Return the module of ``double f(double *x, words *p, double *gradient)``."""
    module, function = _function(ENTRY, DOUBLE, [POINTER] * 3)
    builder = ir.IRBuilder(function.append_basic_block())
    writer = Writer(layout, builder, *function.args)
    here = Here({}, {})
    _cleared(writer, program, layout)
    for step in program.steps:
        here = _stepped(writer, step, here)
    values = [program.value, *(add.value for add in program.adds)]
    value, *numbers = writer.computed(values, here)
    for add, number in zip(program.adds, numbers, strict=True):
        writer.add(add, number, here)
    builder.ret(value.value)
    return str(module)


def _function(name: str, returned: Any, kinds: Sequence[Any]) -> tuple[Any, Any]:
    module = ir.Module(name="symgd")
    function = ir.Function(module, ir.FunctionType(returned, kinds), name)
    for argument in function.args:
        if isinstance(argument.type, ir.PointerType):
            argument.add_attribute("noalias")
    return module, function


def _cleared(writer: Writer, program: Program, layout: Layout) -> None:
    """Set the gradient to 0, where it isn't gathered."""
    build = writer.builder
    gathered = {s.array for s in program.steps if isinstance(s, Gather)}
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
    if isinstance(step, Let):
        return writer.stepped([step], here)
    count = blocks(writer, step, here)
    totals = summed(writer, step, WORD(0), count, here)
    names = [total.name for total in step.totals]
    return here.knowing(dict(zip(names, totals, strict=True)))


def _range(writer: Writer, step: Nest | Gather, here: Here) -> tuple[Any, Any]:
    if isinstance(step, Gather):
        return WORD(0), writer.word("length", step.array, 0)
    loop = step.loop
    return writer.integer(loop.start, here), writer.integer(loop.stop, here)


def _block_size(step: Nest | Gather) -> int:
    if isinstance(step, Gather):
        return BLOCK if step.rank == 1 else OUTER_BLOCK
    flat = not any(isinstance(inner, Nest) for inner in step.steps)
    return BLOCK if flat else OUTER_BLOCK


def blocks(writer: Writer, step: Nest | Gather, here: Here) -> Any:
    """Return in how many blocks a loop goes."""
    build = writer.builder
    start, stop = _range(writer, step, here)
    size = _block_size(step)
    length = build.add(build.sub(stop, start), WORD(size - 1))
    return build.ashr(length, WORD(size.bit_length() - 1))


def summed(
    writer: Writer, step: Nest | Gather, first: Any, last: Any, here: Here
) -> list[Value]:
    """Write the loop over blocks; return the totals, added pairwise.

    The partial sums on the stack are of 2**k blocks each, ever fewer: a block is added
    to the one before when that is as long, and so on.
    """
    build, totals = writer.builder, step.totals
    start, stop = _range(writer, step, here)
    size = WORD(_block_size(step))
    width = max(1, len(totals))
    stack = writer.memory(DOUBLE, DEEPEST * width)
    depth = writer.memory(WORD)
    build.store(WORD(0), depth)
    with writer.counting(first, last) as block:
        low = build.add(start, build.mul(block, size))
        high = build.add(low, size)
        high = build.select(build.icmp_signed("<", high, stop), high, stop)
        if isinstance(step, Gather):
            finish = writer.storing(step)
            parts = writer.gather(step, low, high, here, finish)
        else:
            parts = writer.nest(step, low, high, here)
        _entered(writer, stack, depth, parts)
        done = build.add(build.sub(block, first), WORD(1))
        # As many pairs are complete as the count of blocks has zeros at its end.
        count = build.cttz(done, ir.IntType(1)(1))
        with writer.counting(WORD(0), count):
            _joined(writer, stack, depth, totals)
    with writer.counting(WORD(1), build.load(depth)):
        _joined(writer, stack, depth, totals)
    none = build.icmp_signed("==", build.load(depth), WORD(0))
    results = []
    for k, total in enumerate(totals):
        value = build.load(build.gep(stack, [WORD(k)], inbounds=True))
        neutral = DOUBLE(1.0 if total.product else 0.0)
        results.append(Value(build, build.select(none, neutral, value)))
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
        op = build.fmul if total.product else build.fadd
        build.store(op(build.load(a), build.load(b)), a)
    build.store(top, depth)
