"""What llvmlite's builder of instructions lacks: loops, memory, functions by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from llvmlite.ir.instructions import Terminator

DOUBLE, WORD, TRUTH = ir.DoubleType(), ir.IntType(64), ir.IntType(1)
POINTER = DOUBLE.as_pointer()
MOST_IN_BLOCK = 100  # instructions


class InPieces(ir.IRBuilder):
    """Writes straight code as a chain of basic blocks.

    LLVM selects instructions for a block as a whole: in one long block that takes time
    that grows with the square of its length.
    """

    _away = 0  # how deep in what is written into another block, to come back

    @contextmanager
    def goto_block(self, block: Any) -> Iterator[None]:
        """Write into another block for a while; the one to come back to stays open."""
        self._away += 1
        try:
            with super().goto_block(block):
                yield
        finally:
            self._away -= 1

    def _insert(self, instruction: Any) -> None:
        written = len(self.block.instructions)
        at_end = self._anchor == written and not self.block.is_terminated
        if (
            at_end
            and not self._away
            and written >= MOST_IN_BLOCK
            and not isinstance(instruction, Terminator)
        ):
            following = self.append_basic_block()
            self.branch(following)
            self.position_at_end(following)
            instruction.parent = following
        super()._insert(instruction)


def function_of(name: str, returned: Any, kinds: Sequence[Any]) -> Any:
    """Return a function in a module of its own; its arrays don't overlap."""
    module = ir.Module(name="symgd")
    function = ir.Function(module, ir.FunctionType(returned, kinds), name)
    for argument in function.args:
        if isinstance(argument.type, ir.PointerType):
            argument.add_attribute("noalias")
    return function


def splat(builder: Any, number: Any, vector: Any) -> Any:
    """Return the vector that has a number in every lane."""
    if isinstance(number, ir.Constant):
        return ir.Constant(vector, [number] * vector.count)
    word, nothing = ir.IntType(32), ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(nothing, number, ir.Constant(word, 0))
    zeros = ir.Constant(ir.VectorType(word, vector.count), [0] * vector.count)
    return builder.shuffle_vector(one, nothing, zeros)


def declared(module: Any, name: str, kind: Any) -> Any:
    """Return the function of a name, declared where it is first asked for."""
    return module.globals.get(name) or ir.Function(module, kind, name)


def memory(builder: Any, kind: Any) -> Any:
    """Return memory on the stack, allocated once however often it is passed."""
    with builder.goto_entry_block():
        place = builder.alloca(kind)
        builder.store(kind(None), place)
    return place


@contextmanager
def counting(
    builder: Any, start: Any, stop: Any, step: int = 1, ended: Any = None
) -> Iterator[Any]:
    """Write a loop from start up to stop; what is written inside is its body.

    ``ended`` may write what ends it before, looked at before each round.
    """
    before = builder.block
    head = builder.append_basic_block("loop")
    body = builder.append_basic_block("body")
    after = builder.append_basic_block("after")
    builder.branch(head)
    builder.position_at_end(head)
    count = builder.phi(WORD)
    count.add_incoming(start, before)
    goes_on = builder.icmp_signed("<", count, stop)
    if ended is not None:
        goes_on = builder.and_(goes_on, builder.not_(ended()))
    builder.cbranch(goes_on, body, after)
    builder.position_at_end(body)
    yield count
    count.add_incoming(builder.add(count, WORD(step)), builder.block)
    builder.branch(head)
    builder.position_at_end(after)
