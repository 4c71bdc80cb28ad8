"""Straight-line functions written out as LLVM instructions, without numba's compiler.

numba needs tens of milliseconds for every function that it reads, types and lowers, and
much more for a long one. Here the function is simply called, with arguments that are
LLVM's values and operators that write instructions: microseconds for each of them.

This is tracing by operator overloading, as JAX does it.
"""

from __future__ import annotations

import dis
import functools
import operator
import types
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llvmlite import ir

from symgd.arithmetic import primitives
from symgd.lowering.building import (
    DOUBLE,
    TRUTH,
    WORD,
    counting,
    declared,
    memory,
    splat,
)
from symgd.lowering.known import unless_known
from symgd.native import machine

_IR = ir.IRBuilder
_LOADS = ("LOAD_GLOBAL", "LOAD_NAME")
MOST_COPIES = 32  # of an elementary function that are written into another


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

    @property
    def lanes(self) -> int:
        """How many numbers it is; 0 for a plain one."""
        kind = self.value.type
        return kind.count if isinstance(kind, ir.VectorType) else 0

    def spread(self, other: Value) -> Value:
        """Return the value in as many lanes as another."""
        if self.lanes == other.lanes:
            return self
        vector = ir.VectorType(self.value.type, other.lanes)
        return Value(self.builder, splat(self.builder, self.value, vector))

    def constant(self, number: Any, element: Any = None) -> Value:
        """Return a constant, in as many lanes as this value."""
        constant = ir.Constant(element or self.element, number)
        kind = self.value.type
        if isinstance(kind, ir.VectorType):
            vector = ir.VectorType(constant.type, kind.count)
            constant = splat(self.builder, constant, vector)
        return Value(self.builder, constant)

    def cast(self, element: Any) -> Value:
        """Return the bits as numbers of another type."""
        kind = self.value.type
        if isinstance(kind, ir.VectorType):
            element = ir.VectorType(element, kind.count)
        return Value(self.builder, self.builder.bitcast(self.value, element))

    def __pow__(self, exponent: int) -> Value:
        """Multiply a whole number of times, by repeated squaring."""
        power: Any = self
        result: Any = None
        while exponent:
            if exponent & 1:
                result = power if result is None else result * power
            exponent >>= 1
            power = power * power if exponent else power
        return self.constant(1.0) if result is None else result

    if TYPE_CHECKING:  # the operators that are made below

        def __add__(self, other: Any) -> Value: ...
        def __sub__(self, other: Any) -> Value: ...
        def __mul__(self, other: Any) -> Value: ...
        def __lt__(self, other: Any) -> Value: ...
        def __gt__(self, other: Any) -> Value: ...

    def __neg__(self) -> Value:
        negate = self.builder.fneg if self.element == DOUBLE else self.builder.neg
        return Value(self.builder, negate(self.value))

    def __abs__(self) -> Value:
        return _call("fabs", self)


class Numbers:
    """Numbers at an address, in code that is being written."""

    def __init__(self, builder: Any, address: Any) -> None:
        self.builder, self.address = builder, address

    def __getitem__(self, place: int) -> Value:
        return Value(self.builder, self.builder.load(self.at(place)))

    def at(self, place: int) -> Any:
        """Return the address of one of them."""
        return self.builder.gep(self.address, [WORD(place)], inbounds=True)


class Given(Numbers):
    """Numbers that nothing changes: each is loaded once."""

    def __init__(self, builder: Any, address: Any) -> None:
        super().__init__(builder, address)
        self._loaded: dict[int, Value] = {}

    def __getitem__(self, place: int) -> Value:
        if place not in self._loaded:
            self._loaded[place] = super().__getitem__(place)
        return self._loaded[place]


def _binary(name: str, floats: Any, integers: Any) -> None:
    """Teach values an operator, with a constant on either side of it."""

    def write(a: Value, b: Value) -> Value:
        build = floats if a.element == DOUBLE else integers
        return Value(a.builder, build(a.builder, a.value, b.value))

    def method(self: Value, other: Any) -> Value:
        return write(*_alike((self, other), self.element))

    def reflected(self: Value, other: Any) -> Value:
        return write(*_alike((other, self), self.element))

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
    """Return numbers as values, in as many lanes as the widest of them."""
    values = [number for number in numbers if isinstance(number, Value)]
    widest = next((v for v in values if v.lanes), values[0])
    return [
        number.spread(widest)
        if isinstance(number, Value)
        else widest.constant(number, element)
        for number in numbers
    ]


def _call_llvm(builder: Any, name: str, *numbers: Any) -> Any:
    """Call LLVM's own function of doubles, or of vectors of them."""
    kind = numbers[0].type
    vector = isinstance(kind, ir.VectorType)
    suffix = f"v{kind.count}f64" if vector else "f64"
    typed = ir.FunctionType(kind, [kind] * len(numbers))
    function = declared(builder.module, f"llvm.{name}.{suffix}", typed)
    return builder.call(function, numbers)


def _call(name: str, *numbers: Any) -> Value:
    values = _alike(numbers)
    builder = values[0].builder
    return Value(builder, _call_llvm(builder, name, *(v.value for v in values)))


def _choose(condition: Any, yes: Any, no: Any) -> Any:
    if isinstance(condition, bool):
        return yes if condition else no
    whole = isinstance(yes, int) or isinstance(no, int)
    kind = TRUTH if isinstance(yes, bool) else WORD if whole else DOUBLE
    for branch in (yes, no):
        kind = branch.element if isinstance(branch, Value) else kind
    _, yes, no = _alike((condition, yes, no), kind)
    select = condition.builder.select
    return Value(condition.builder, select(condition.value, yes.value, no.value))


def _largest_size(*numbers: Any) -> Value:
    largest, *others = _alike(numbers)
    if not others:
        return abs(largest)
    for other in others:
        largest = _larger_size(largest, other)
    return largest


def _larger_size(a: Value, b: Value) -> Value:
    """Return the larger magnitude, in one instruction where there is one for it."""
    if a.lanes != 8 or not machine.has("avx512dq"):
        a, b = abs(a), abs(b)
        return _choose(b > a, b, a)
    build, kind = a.builder, a.value.type
    # Of magnitudes the larger, without its sign; in all lanes; exceptions as usual.
    how, mask, rounding = ir.IntType(32)(0b1011), ir.IntType(8)(255), ir.IntType(32)(4)
    given = (a.value, b.value, how, a.value, mask, rounding)
    typed = ir.FunctionType(kind, [each.type for each in given])
    name = "llvm.x86.avx512.mask.range.pd.512"
    return Value(build, build.call(declared(build.module, name, typed), given))


def _library(function: Callable[..., float], *arguments: Any) -> Any:
    """Call a function of the C library, lane by lane."""
    if not any(isinstance(argument, Value) for argument in arguments):
        return function(*arguments)
    values = _alike(arguments)
    everywhere = Value(values[0].builder, TRUTH(1)).spread(values[0])
    return _repaired(everywhere, function, values[0], *values)


def _repaired(
    wrong: Value, function: Callable[..., float], result: Value, *arguments: Any
) -> Value:
    """Call the C library's function for the lanes where something is wrong."""
    builder, values = wrong.builder, [v.value for v in _alike(arguments)]
    kind = ir.FunctionType(DOUBLE, [DOUBLE] * len(values))
    library = declared(builder.module, primitives.C_NAMES[function], kind)
    for promise in ("nounwind", "readnone", "willreturn"):  # so that it can be left out
        set.add(library.attributes, promise)
    place = memory(builder, result.value.type)
    builder.store(result.value, place)
    if not isinstance(result.value.type, ir.VectorType):
        with builder.if_then(wrong.value, likely=False):
            builder.store(builder.call(library, values), place)
        return Value(builder, builder.load(place))
    width = result.value.type.count
    mask = builder.bitcast(wrong.value, ir.IntType(width))
    with (
        builder.if_then(builder.icmp_unsigned("!=", mask, mask.type(0)), likely=False),
        counting(builder, WORD(0), WORD(width)) as lane,
        builder.if_then(builder.extract_element(wrong.value, lane)),
    ):
        one = [builder.extract_element(value, lane) for value in values]
        number = builder.call(library, one)
        pack = builder.insert_element(builder.load(place), number, lane)
        builder.store(pack, place)
    return Value(builder, builder.load(place))


WRITING: dict[Any, Callable[..., Any]] = {
    primitives.fma: functools.partial(_call, "fma"),
    primitives.choose: _choose,
    primitives.largest_size: _largest_size,
    primitives.square_root: functools.partial(_call, "sqrt"),
    primitives.whole: functools.partial(_call, "rint"),
    primitives.whole_below: functools.partial(_call, "floor"),
    primitives.with_sign: functools.partial(_call, "copysign"),
    primitives.bits: operator.methodcaller("cast", WORD),
    primitives.from_bits: operator.methodcaller("cast", DOUBLE),
    primitives.repaired: _repaired,
}
WRITING = {known: unless_known(Value, known, write) for known, write in WRITING.items()}


@functools.lru_cache(maxsize=256)
def writing(function: Any) -> Callable[..., Any]:
    """Return a straight-line function that writes instructions instead of computing."""
    if function in WRITING:
        return WRITING[function]
    if function in primitives.C_NAMES:
        call = functools.partial(_library, function)
        primitives.C_NAMES[call] = primitives.C_NAMES[function]
        return call

    def twin(known: Any) -> Any:
        return writing(known) if isinstance(known, types.FunctionType) else known

    code, names = function.__code__, function.__globals__
    space = {name: twin(names[name]) for name in code.co_names if name in names}
    large = {name for name in code.co_names if _calls_others(names.get(name))}
    for name in _called_often(code) & large if large else ():
        space[name] = _written_once(names[name].__name__, space[name])
    space["__builtins__"] = BUILTINS
    cells = (types.CellType(twin(c.cell_contents)) for c in function.__closure__ or ())
    name, defaults = code.co_name, function.__defaults__
    return types.FunctionType(code, space, name, defaults, tuple(cells))


def _called_often(code: types.CodeType) -> set[str]:
    loads = (step for step in dis.get_instructions(code) if step.opname in _LOADS)
    uses = Counter(step.argval for step in loads)
    return {name for name, number in uses.items() if number > MOST_COPIES}


def _calls_others(function: Any) -> bool:
    """Return whether a function is more than a few primitives."""
    if not isinstance(function, types.FunctionType) or function in WRITING:
        return False
    names = function.__globals__
    called = [names.get(name) for name in function.__code__.co_names]
    return any(isinstance(f, types.FunctionType) and f not in WRITING for f in called)


def _written_once(name: str, write: Callable[..., Any]) -> Callable[..., Any]:
    """Return what calls a function that is in the module once, with the same bits.

    A thousand copies of a sine would take LLVM half a minute.
    """

    def call(*arguments: Any) -> Any:
        values = [a for a in arguments if isinstance(a, Value)]
        if not values or any(value.element != DOUBLE for value in values):
            return write(*arguments)
        values = _alike(arguments)
        builder, kind = values[0].builder, values[0].value.type
        full_name = f"symgd.{name}.{len(values)}.{values[0].lanes}"
        if full_name not in builder.module.globals:
            typed = ir.FunctionType(kind, [kind] * len(values))
            function = ir.Function(builder.module, typed, full_name)
            function.linkage = "internal"
            function.attributes.add("noinline")
            inner = ir.IRBuilder(function.append_basic_block())
            result = write(*(Value(inner, argument) for argument in function.args))
            inner.ret(result.value)
        function = builder.module.globals[full_name]
        return Value(builder, builder.call(function, [v.value for v in values]))

    return call


BUILTINS = {f.__name__: f for f in (abs, enumerate, int, len, range, tuple, zip)}
