"""Packs: numba numbers that are vectors of numbers, one for each lane.

A pack of W float64 takes part in arithmetic and comparisons as one number does, so the
same straight-line function serves one descent and W of them: numba compiles it again,
LLVM keeps packs in SIMD registers, and every lane has the bits that it would have
alone. A pack may be several registers wide; their independent work hides the latency
of each operation.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.extending import register_model
from numba.core.imputils import lower_builtin, lower_cast
from numba.core.typeconv import Conversion
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic

ELEMENTS = {
    types.float64: ir.DoubleType(),
    types.int64: ir.IntType(64),
    types.boolean: ir.IntType(1),
}
FLOAT, INTEGER, MASK = ELEMENTS


class Pack(types.Type):
    """The type of a vector of float64, of int64 or of truth values."""

    def __init__(self, element: Any, width: int) -> None:
        self.element = element
        self.width = width
        super().__init__(name=f"pack({width} x {element})")

    def of(self, element: Any) -> Pack:
        """Return the type of as many other elements."""
        return Pack(element, self.width)

    def can_convert_from(self, _context: Any, other: Any) -> Any:
        """Accept a number: it stands for itself in every lane."""
        number = isinstance(other, (types.Number, types.Boolean))
        return Conversion.safe if number else None


@register_model(Pack)
class _PackModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Pack) -> None:
        vector = ir.VectorType(ELEMENTS[kind.element], kind.width)
        super().__init__(manager, kind, vector)


def splat(builder: Any, number: Any, vector: Any) -> Any:
    """Return the vector that has a number in every lane."""
    if isinstance(number, ir.Constant):
        return ir.Constant(vector, [number] * vector.count)
    word, nothing = ir.IntType(32), ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(nothing, number, ir.Constant(word, 0))
    zeros = ir.Constant(ir.VectorType(word, vector.count), [0] * vector.count)
    return builder.shuffle_vector(one, nothing, zeros)


@lower_cast(types.Number, Pack)
@lower_cast(types.Boolean, Pack)
def _cast(context: Any, builder: Any, source: Any, target: Any, value: Any) -> Any:
    number = context.cast(builder, value, source, target.element)
    return splat(builder, number, context.get_value_type(target))


def common(kinds: Any, element: Any = None) -> Pack | None:
    """Return the type to which packs and numbers are brought, if one is a pack."""
    packs = {kind for kind in kinds if isinstance(kind, Pack)}
    rest = [kind for kind in kinds if not isinstance(kind, Pack)]
    if len(packs) != 1 or not all(
        isinstance(kind, (types.Number, types.Boolean)) for kind in rest
    ):
        return None
    (pack,) = packs
    return pack if element is None or pack.element is element else None


def _operator(
    function: Any, arity: int, element: Any, build: Callable[..., Any], result: Any
) -> None:
    """Teach numba one operator on packs of one kind of element."""

    @infer_global(function)
    class _Template(AbstractTemplate):
        def generic(self, args: Any, _keywords: Any) -> Any:
            kind = common(args, element)
            if kind is None or len(args) != arity:
                return None
            return signature(kind.of(result), *[kind] * arity)


def _implement(function: Any, arity: int, builds: dict[Any, Any]) -> None:
    def lowered(_context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builds[sig.args[0].element](builder, *args)

    lower_builtin(function, *[Pack] * arity)(lowered)


def _teach(function: Any, arity: int, cases: dict[Any, tuple[Any, Any]]) -> None:
    for element, (build, result) in cases.items():
        _operator(function, arity, element, build, result)
    _implement(function, arity, {e: build for e, (build, _) in cases.items()})


def _comparison(sign: str) -> dict[Any, tuple[Any, Any]]:
    def floats(builder: Any, a: Any, b: Any) -> Any:
        compare = builder.fcmp_unordered if sign == "!=" else builder.fcmp_ordered
        return compare(sign, a, b)

    def integers(builder: Any, a: Any, b: Any) -> Any:
        return builder.icmp_signed(sign, a, b)

    return {FLOAT: (floats, MASK), INTEGER: (integers, MASK)}


_IR = ir.IRBuilder
for _function, _floats, _integers in (
    (operator.add, _IR.fadd, _IR.add),
    (operator.sub, _IR.fsub, _IR.sub),
    (operator.mul, _IR.fmul, _IR.mul),
):
    _teach(_function, 2, {FLOAT: (_floats, FLOAT), INTEGER: (_integers, INTEGER)})
_teach(operator.truediv, 2, {FLOAT: (_IR.fdiv, FLOAT)})
_teach(operator.neg, 1, {FLOAT: (_IR.fneg, FLOAT), INTEGER: (_IR.neg, INTEGER)})
_teach(operator.lshift, 2, {INTEGER: (_IR.shl, INTEGER)})
_teach(operator.rshift, 2, {INTEGER: (_IR.ashr, INTEGER)})
_teach(operator.and_, 2, {INTEGER: (_IR.and_, INTEGER), MASK: (_IR.and_, MASK)})
_teach(operator.or_, 2, {INTEGER: (_IR.or_, INTEGER), MASK: (_IR.or_, MASK)})
_teach(operator.xor, 2, {INTEGER: (_IR.xor, INTEGER), MASK: (_IR.xor, MASK)})
_teach(operator.invert, 1, {INTEGER: (_IR.not_, INTEGER), MASK: (_IR.not_, MASK)})
for _function, _sign in (
    (operator.lt, "<"),
    (operator.le, "<="),
    (operator.gt, ">"),
    (operator.ge, ">="),
    (operator.eq, "=="),
    (operator.ne, "!="),
):
    _teach(_function, 2, _comparison(_sign))
_teach(abs, 1, {FLOAT: (lambda builder, x: call(builder, "fabs", x), FLOAT)})


@infer_global(operator.pow)
class _WholePower(AbstractTemplate):
    prefer_literal = True

    def generic(self, args: Any, _keywords: Any) -> Any:
        base, exponent = args
        if common((base,), FLOAT) and isinstance(exponent, types.IntegerLiteral):
            return signature(base, base, exponent)
        return None


@lower_builtin(operator.pow, Pack, types.IntegerLiteral)
def _whole_power(_context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Multiply in the order in which numba does it for one number."""
    exponent, power = sig.args[1].literal_value, args[0]
    result = None
    while exponent:
        if exponent & 1:
            result = power if result is None else builder.fmul(result, power)
        exponent >>= 1
        if exponent:
            power = builder.fmul(power, power)
    return result


def call(builder: Any, name: str, *numbers: Any) -> Any:
    """Call LLVM's own function of doubles, or of vectors of them."""
    kind = numbers[0].type
    vector = isinstance(kind, ir.VectorType)
    suffix = f"v{kind.count}f64" if vector else "f64"
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(kind, [kind] * len(numbers)),
        f"llvm.{name}.{suffix}",
    )
    return builder.call(function, numbers)


# ------------------------------------------------------- lanes and plain numbers


@intrinsic(prefer_literal=True)
def splatted(_context: Any, number: Any, width: Any) -> Any:
    """Return a pack that has the number in every lane."""
    kind = Pack(FLOAT, width.literal_value)

    def generate(context: Any, builder: Any, _sig: Any, args: Any) -> Any:
        return splat(builder, args[0], context.get_value_type(kind))

    return kind(FLOAT, width), generate


@intrinsic
def lane_of(_context: Any, pack: Any, lane: Any) -> Any:
    """Return the number in one lane."""

    def generate(_ctx: Any, builder: Any, _sig: Any, args: Any) -> Any:
        return builder.extract_element(args[0], args[1])

    return pack.element(pack, lane), generate


@intrinsic
def with_lane(_context: Any, pack: Any, lane: Any, number: Any) -> Any:
    """Return a pack with another number in one lane."""

    def generate(_ctx: Any, builder: Any, _sig: Any, args: Any) -> Any:
        return builder.insert_element(args[0], args[2], args[1])

    return pack(pack, lane, pack.element), generate
