"""Straight-line functions written out as LLVM instructions, without numba's compiler.

numba needs tens of milliseconds for every function that it reads, types and lowers, and
an elementary function has several. Here the function is simply called, with arguments
that are LLVM's values and operators that write instructions: less than one millisecond.
"""

from __future__ import annotations

import functools
import operator
import types
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from symgd import primitives
from symgd.lowering import packs

_IR = ir.IRBuilder
_DOUBLE, _WORD, _TRUTH = ir.DoubleType(), ir.IntType(64), ir.IntType(1)


class Value:
    """A number, or a pack of numbers, in code that is being written."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder = builder
        self.value = value

    @property
    def element(self) -> Any:
        """The type of one number."""
        kind = self.value.type
        return kind.element if isinstance(kind, ir.VectorType) else kind

    def constant(self, number: Any, element: Any = None) -> Value:
        """Return a constant, in as many lanes as this value."""
        constant = ir.Constant(element or self.element, number)
        kind = self.value.type
        if isinstance(kind, ir.VectorType):
            vector = ir.VectorType(constant.type, kind.count)
            constant = packs.splat(self.builder, constant, vector)
        return Value(self.builder, constant)

    def cast(self, element: Any) -> Value:
        """Return the bits as numbers of another type."""
        kind = self.value.type
        if isinstance(kind, ir.VectorType):
            element = ir.VectorType(element, kind.count)
        return Value(self.builder, self.builder.bitcast(self.value, element))

    def __neg__(self) -> Value:
        negate = self.builder.fneg if self.element == _DOUBLE else self.builder.neg
        return Value(self.builder, negate(self.value))

    def __abs__(self) -> Value:
        return _call("fabs", self)


def _binary(name: str, floats: Any, integers: Any) -> None:
    """Teach values an operator, with a constant on either side of it."""

    def write(a: Value, b: Value) -> Value:
        build = floats if a.element == _DOUBLE else integers
        return Value(a.builder, build(a.builder, a.value, b.value))

    def method(self: Value, other: Any) -> Value:
        return write(self, other if isinstance(other, Value) else self.constant(other))

    def reflected(self: Value, other: Any) -> Value:
        return write(self.constant(other), self)

    setattr(Value, f"__{name}__", method)
    setattr(Value, f"__r{name}__", reflected)


def _comparison(name: str, sign: str) -> None:
    def floats(builder: Any, a: Any, b: Any) -> Any:
        return (builder.fcmp_unordered if sign == "!=" else builder.fcmp_ordered)(
            sign, a, b
        )

    _binary(name, floats, lambda builder, a, b: builder.icmp_signed(sign, a, b))


for _name, _floats, _integers in (
    ("add", _IR.fadd, _IR.add),
    ("sub", _IR.fsub, _IR.sub),
    ("mul", _IR.fmul, _IR.mul),
    ("truediv", _IR.fdiv, None),
    ("lshift", None, _IR.shl),
    ("rshift", None, _IR.ashr),
    ("and", None, _IR.and_),
    ("or", None, _IR.or_),
    ("xor", None, _IR.xor),
):
    _binary(_name, _floats, _integers)
for _name, _sign in (
    ("lt", "<"),
    ("le", "<="),
    ("gt", ">"),
    ("ge", ">="),
    ("eq", "=="),
    ("ne", "!="),
):
    _comparison(_name, _sign)


def _alike(numbers: tuple[Any, ...], element: Any = None) -> list[Value]:
    """Return the numbers as values, constants in as many lanes as the others."""
    known = next(number for number in numbers if isinstance(number, Value))
    return [
        number if isinstance(number, Value) else known.constant(number, element)
        for number in numbers
    ]


def _call(name: str, *numbers: Any) -> Value:
    values = _alike(numbers)
    builder = values[0].builder
    return Value(builder, packs.call(builder, name, *(v.value for v in values)))


def _choose(condition: Value, yes: Any, no: Any) -> Value:
    whole = isinstance(yes, int) or isinstance(no, int)
    kind = _WORD if whole else _DOUBLE
    for branch in (yes, no):
        kind = branch.element if isinstance(branch, Value) else kind
    _, yes, no = _alike((condition, yes, no), kind)
    select = condition.builder.select
    return Value(condition.builder, select(condition.value, yes.value, no.value))


def _repaired(
    wrong: Value, function: Callable[..., float], result: Value, *arguments: Any
) -> Value:
    """Call the C library's function for the lanes where something is wrong."""
    builder, values = wrong.builder, [v.value for v in _alike(arguments)]
    kind = ir.FunctionType(_DOUBLE, [_DOUBLE] * len(values))
    name = function.library  # type: ignore[attr-defined]
    library = cgutils.get_or_insert_function(builder.module, kind, name)
    place = cgutils.alloca_once_value(builder, result.value)
    if not isinstance(result.value.type, ir.VectorType):
        with builder.if_then(wrong.value, likely=False):
            builder.store(builder.call(library, values), place)
        return Value(builder, builder.load(place))
    width = result.value.type.count
    mask = builder.bitcast(wrong.value, ir.IntType(width))
    with (
        builder.if_then(builder.icmp_unsigned("!=", mask, mask.type(0)), likely=False),
        cgutils.for_range(builder, _WORD(width)) as loop,
        builder.if_then(builder.extract_element(wrong.value, loop.index)),
    ):
        one = [builder.extract_element(value, loop.index) for value in values]
        number = builder.call(library, one)
        pack = builder.insert_element(builder.load(place), number, loop.index)
        builder.store(pack, place)
    return Value(builder, builder.load(place))


WRITING: dict[Callable[..., Any], Callable[..., Any]] = {
    primitives.fma: functools.partial(_call, "fma"),
    primitives.choose: _choose,
    primitives.square_root: functools.partial(_call, "sqrt"),
    primitives.whole: functools.partial(_call, "rint"),
    primitives.whole_below: functools.partial(_call, "floor"),
    primitives.with_sign: functools.partial(_call, "copysign"),
    primitives.bits: operator.methodcaller("cast", _WORD),
    primitives.from_bits: operator.methodcaller("cast", _DOUBLE),
    primitives.repaired: _repaired,
}


@functools.cache
def writing(function: types.FunctionType) -> Callable[..., Any]:
    """Return a straight-line function that writes instructions instead of computing."""

    def twin(known: Any) -> Any:
        if isinstance(known, types.FunctionType):
            straight = not primitives.works_on_one(known)
            return WRITING.get(known) or (writing(known) if straight else known)
        return known

    code, names = function.__code__, function.__globals__
    space = {name: twin(names[name]) for name in code.co_names if name in names}
    name, defaults, closure = code.co_name, function.__defaults__, function.__closure__
    return types.FunctionType(code, space, name, defaults, closure)


def traced(function: types.FunctionType) -> Callable[..., Any]:
    """Return what writes a function's instructions: (builder, values) -> value."""

    def write(builder: Any, *arguments: Any) -> Any:
        return writing(function)(*(Value(builder, a) for a in arguments)).value

    return write
