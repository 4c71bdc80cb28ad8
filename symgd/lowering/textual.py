"""Straight-line functions written out in another language.

The twin of ``tracing``: the same functions are called with arguments that write text
in the place of LLVM's instructions. A language is a small table, a ``Language``. No
name of a user's is ever written: only those of the functions and arguments that the
caller gives, and numbered ones for what is in between.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from symgd.arithmetic import elementary, primitives
from symgd.lowering.known import unless_known
from symgd.lowering.source import HELPERS

DOUBLE, WORD, TRUTH = "double", "word", "truth"  # the kinds of numbers


@dataclass(frozen=True)
class Language:
    """How a language writes what straight-line functions are made of.

    Attributes
    ----------
    declared : mapping of kind to str
        What stands before the name of a new number.
    number, word : functions
        A float and a 64-bit integer as text.
    signs : mapping of str to str
        Operators that differ from Python's.
    integer : str
        Around an operation of 64-bit integers, which wraps.
    choice : str
        One of two numbers by a condition.
    primitives : mapping of function to (kind, template)
        How each of ``arithmetic.primitives`` is written.
    functions : mapping of function to str
        Functions that the language has itself.
    library : mapping of str to str
        What the functions of the C library are called.
    definition : str
        A function: ``{name}``, ``{arguments}`` and ``{body}``.
    argument : mapping of kind to str
        An argument; of kind "numbers", an array.
    result : str
        The end of a function of one number.
    """

    declared: Mapping[str, str]
    number: Callable[[float], str]
    word: Callable[[int], str]
    signs: Mapping[str, str]
    integer: str
    choice: str
    primitives: Mapping[Callable[..., Any], tuple[str, str]]
    functions: Mapping[Callable[..., Any], str]
    library: Mapping[str, str]
    definition: str
    argument: Mapping[str, str]
    result: str


@dataclass
class Written:
    """Functions in one language, and those that they call, each written once."""

    language: Language
    parts: dict[str, str] = field(default_factory=dict)

    def add(
        self, name: str, function: Callable[..., Any], arguments: Mapping[str, str]
    ) -> None:
        """Write a function that returns a tuple as one that fills ``out``.

        Parameters
        ----------
        name : str
        function : straight-line function
        arguments : mapping of name to kind
            In order: "double" for a number, "numbers" for an array of them.
        """
        body = _Body(self)
        given = [
            NumbersText(body, argument)
            if kind == "numbers"
            else Text(body, argument, kind)
            for argument, kind in arguments.items()
        ]
        results = [body.text(value) for value in body.twin(function)(*given)]
        lines = [f"out[{place}] = {result};" for place, result in enumerate(results)]
        kinds = {**arguments, "out": "numbers"}
        self.parts[name] = self._defined(name, kinds, [*body.needed(results), *lines])

    def shared(self, function: types.FunctionType) -> str:
        """Return the name of an elementary function, which is written if need be."""
        name = f"symgd_{function.__name__}"
        if name not in self.parts:
            body = _Body(self)
            names = "abc"[: function.__code__.co_argcount]
            value = body.inlined(function)(*(Text(body, v) for v in names))
            text = body.text(value)
            lines = [*body.needed([text]), self.language.result.format(text)]
            self.parts[name] = self._defined(name, dict.fromkeys(names, DOUBLE), lines)
        return name

    def _defined(
        self, name: str, arguments: Mapping[str, str], lines: Iterable[str]
    ) -> str:
        written = ", ".join(
            self.language.argument[kind].format(argument)
            for argument, kind in arguments.items()
        )
        body = "".join(f"  {line}\n" for line in lines)
        return self.language.definition.format(name=name, arguments=written, body=body)

    @property
    def text(self) -> str:
        """All functions, those first that others call."""
        return "".join(self.parts.values())


class Text:
    """A number in code that is being written."""

    def __init__(self, body: _Body, name: str, kind: str = DOUBLE) -> None:
        self.body, self.name, self.kind = body, name, kind

    def __bool__(self) -> bool:
        raise TypeError("straight-line code has no branches")

    def __pow__(self, exponent: int) -> Any:
        """Multiply a whole number of times, by repeated squaring, as ``tracing``."""
        power: Any = self
        result: Any = None
        while exponent:
            if exponent & 1:
                result = power if result is None else result * power
            exponent >>= 1
            power = power * power if exponent else power
        return 1.0 if result is None else result

    def __neg__(self) -> Text:
        return self.body.written(self.kind, "-{0}", self)

    def __abs__(self) -> Text:
        kind, template = self.body.language.primitives[abs]
        return self.body.written(kind, template, self)


def _operator(name: str, sign: str, kind: str = "") -> None:
    """Teach numbers an operator, with a constant on either side of it."""

    def write(body: _Body, a: Any, b: Any, of: str) -> Text:
        sign_there = body.language.signs.get(sign, sign)
        template = f"{{0}} {sign_there} {{1}}"
        if of == WORD and kind != TRUTH:
            template = body.language.integer.format(template)
        return body.written(kind or of, template, a, b, of=of)

    def method(self: Text, other: Any) -> Text:
        return write(self.body, self, other, self.kind)

    def reflected(self: Text, other: Any) -> Text:
        return write(self.body, other, self, self.kind)

    setattr(Text, f"__{name}__", method)
    setattr(Text, f"__r{name}__", reflected)


for _name, _sign in (
    *(("add", "+"), ("sub", "-"), ("mul", "*"), ("truediv", "/")),
    *(("lshift", "<<"), ("rshift", ">>")),
    *(("and", "&"), ("or", "|"), ("xor", "^")),
):
    _operator(_name, _sign)
for _name, _sign in (
    *(("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">=")),
    *(("eq", "=="), ("ne", "!=")),
):
    _operator(_name, _sign, TRUTH)


class NumbersText:
    """An array in code that is being written, of which nothing changes."""

    def __init__(self, body: _Body, name: str) -> None:
        self.body, self.name = body, name

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[k] for k in range(place.start, place.stop)]
        return self.body.written(DOUBLE, f"{self.name}[{place}]")


@dataclass(frozen=True)
class _Library:
    """A function of the C library, called by its name."""

    body: _Body
    function: Callable[..., float]

    def __call__(self, *arguments: Any) -> Any:
        if not any(isinstance(a, Text) for a in arguments):
            return self.function(*arguments)
        return self.body.written(DOUBLE, self.template(len(arguments)), *arguments)

    def template(self, count: int, first: int = 0) -> str:
        name = self.body.language.library[primitives.C_NAMES[self.function]]
        return _call(name, count, first)


class _Body:
    """The statements of one function."""

    def __init__(self, program: Written) -> None:
        self.program, self.language = program, program.language
        self._statements: dict[str, tuple[str, list[str]]] = {}  # what uses which
        self._known: dict[str, Text] = {}
        self._twins: dict[Any, Any] = {}

    def written(
        self, kind: str, template: str, *operands: Any, of: str = DOUBLE
    ) -> Text:
        """Return the number that an operation gives, which is written only once."""
        texts = [self.text(each, of) for each in operands]
        code = template.format(*texts)
        if code not in self._known:
            name = f"t{len(self._statements)}"
            used = [each.name for each in operands if isinstance(each, Text)]
            line = f"{self.language.declared[kind]} {name} = {code};"
            self._statements[name] = line, used
            self._known[code] = Text(self, name, kind)
        return self._known[code]

    def text(self, value: Any, kind: str = DOUBLE) -> str:
        """Return a number as it stands in code."""
        if isinstance(value, Text):
            return value.name
        if isinstance(value, bool):
            return str(value).lower()
        return self.language.word(value) if kind == WORD else self._number(value)

    def _number(self, value: float) -> str:
        text = self.language.number(float(value))
        return f"({text})" if text.startswith("-") else text

    def needed(self, results: Iterable[str]) -> list[str]:
        """Return the statements that the results need."""
        used, kept = {*results}, []
        for name in reversed(self._statements):
            if name in used:
                line, operands = self._statements[name]
                used.update(operands)
                kept.append(line)
        return kept[::-1]

    def twin(self, function: Any) -> Any:
        """Return a straight-line function that writes text instead of computing."""
        if not isinstance(function, types.FunctionType):
            return function
        if function not in self._twins:
            self._twins[function] = self._twin(function)
        return self._twins[function]

    def _twin(self, function: types.FunctionType) -> Any:
        language = self.language
        if function is primitives.choose:
            return self._choose
        if function is primitives.repaired:
            return self._repaired
        if function in language.primitives:
            kind, template = language.primitives[function]
            of = WORD if function is primitives.from_bits else DOUBLE
            return unless_known(
                Text, function, lambda *a: self.written(kind, template, *a, of=of)
            )
        if function in language.functions:
            name = language.functions[function]
            return unless_known(
                Text, function, lambda *a: self.written(DOUBLE, _call(name, len(a)), *a)
            )
        if function in primitives.C_NAMES:
            return _Library(self, function)
        return self._shared(function) if function in _SHARED else self.inlined(function)

    def _shared(self, function: types.FunctionType) -> Any:
        def call(*arguments: Any) -> Any:
            if not all(isinstance(a, Text) for a in arguments):
                return self.inlined(function)(*arguments)
            name = self.program.shared(function)
            return self.written(DOUBLE, _call(name, len(arguments)), *arguments)

        return unless_known(Text, function, call)

    def inlined(self, function: types.FunctionType) -> Any:
        """Return a function whose own calls write text."""
        code, names = function.__code__, function.__globals__
        space = {
            name: self.twin(names[name]) for name in code.co_names if name in names
        }
        space["__builtins__"] = _BUILTINS
        cells = (
            types.CellType(self.twin(c.cell_contents))
            for c in function.__closure__ or ()
        )
        return types.FunctionType(
            code, space, code.co_name, function.__defaults__, tuple(cells)
        )

    def _choose(self, condition: Any, yes: Any, no: Any) -> Any:
        if isinstance(condition, bool):
            return yes if condition else no
        kinds = [v.kind for v in (yes, no) if isinstance(v, Text)]
        whole = {type(yes), type(no)} & {int}
        truth = {type(yes), type(no)} & {bool}
        kind = kinds[0] if kinds else TRUTH if truth else WORD if whole else DOUBLE
        return self.written(kind, self.language.choice, condition, yes, no, of=kind)

    def _repaired(
        self, wrong: Any, function: _Library, result: Any, *arguments: Any
    ) -> Any:
        if isinstance(wrong, bool) and not any(
            isinstance(a, Text) for a in (result, *arguments)
        ):
            return function(*arguments) if wrong else result
        call = function.template(len(arguments), 2)
        template = self.language.choice.format("{0}", call, "{1}")
        return self.written(DOUBLE, template, wrong, result, *arguments)


def _call(name: str, count: int, first: int = 0) -> str:
    places = ", ".join(f"{{{place}}}" for place in range(first, first + count))
    return f"{name}({places})"


_SHARED = {f for f in HELPERS.values() if f not in vars(primitives).values()}
_BUILTINS = {f.__name__: f for f in (abs, enumerate, int, len, range, tuple, zip)}


# ------------------------------------------------------------------ JavaScript


def _number_in_javascript(value: float) -> str:
    return repr(value).replace("inf", "Infinity").replace("nan", "NaN")


_OF_MATH = {
    getattr(elementary, name): f"Math.{name}"
    for name in (
        *("exp", "expm1", "sinh", "cosh", "tanh", "log", "log1p", "sin", "cos", "tan"),
        *("atan", "atan2", "asin", "acos", "asinh", "acosh", "atanh", "cbrt"),
    )
} | {elementary.power: "Math.pow"}

JAVASCRIPT = Language(
    declared=dict.fromkeys((DOUBLE, WORD, TRUTH), "const"),
    number=_number_in_javascript,
    word=lambda value: f"{value}n" if value >= 0 else f"({value}n)",
    signs={"==": "===", "!=": "!=="},
    integer="BigInt.asIntN(64, {})",
    choice="{0} ? {1} : {2}",
    primitives={
        abs: (DOUBLE, "Math.abs({0})"),
        # Rounded twice: JavaScript has no fused multiply-add.
        primitives.fma: (DOUBLE, "{0}*{1} + {2}"),
        primitives.square_root: (DOUBLE, "Math.sqrt({0})"),
        primitives.whole: (DOUBLE, "whole({0})"),
        primitives.whole_below: (DOUBLE, "Math.floor({0})"),
        primitives.with_sign: (DOUBLE, "withSign({0}, {1})"),
        primitives.bits: (WORD, "bits({0})"),
        primitives.from_bits: (DOUBLE, "fromBits({0})"),
    },
    functions=_OF_MATH,
    library={
        "fmod": "remainder",
        "tgamma": "gamma",
        "lgamma": "logGamma",
        **{name: f"Math.{name}" for name in ("sin", "cos", "tan")},
    },
    definition="function {name}({arguments}) {{\n{body}}}\n",
    argument=dict.fromkeys((DOUBLE, WORD, TRUTH, "numbers"), "{}"),
    result="return {};",
)


def javascript(
    functions: Mapping[str, tuple[Callable[..., Any], Mapping[str, str]]],
) -> str:
    """Return functions as JavaScript; what they need beside is in ``PRELUDE``."""
    program = Written(JAVASCRIPT)
    for name, (function, arguments) in functions.items():
        program.add(name, function, arguments)
    return PRELUDE + program.text


PRELUDE = """\
const word = new DataView(new ArrayBuffer(8));
function bits(x) { word.setFloat64(0, x); return word.getBigInt64(0); }
function fromBits(w) { word.setBigInt64(0, w); return word.getFloat64(0); }
function withSign(x, y) {
  const below = y < 0 || Object.is(y, -0);
  return below ? -Math.abs(x) : Math.abs(x);
}
function whole(x) {
  const r = Math.round(x);
  return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}
function remainder(x, y) { return x % y; }
function logGamma(x) {
  if (x < 15) {
    let product = 1;
    while (x < 15) { product *= x; x += 1; }
    return logGamma(x) - Math.log(Math.abs(product));
  }
  const z = 1/(x*x);
  const series = 1/12 - z*(1/360 - z*(1/1260 - z*(1/1680 - z*(1/1188 - z*691/360360))));
  return (x - 0.5)*Math.log(x) - x + 0.91893853320467274178 + series/x;
}
function gamma(x) {
  if (x < 0.5) return Math.PI/(Math.sin(Math.PI*x)*gamma(1 - x));
  if (x % 1 === 0 && x < 172) {
    let product = 1;
    for (let k = 2; k < x; k++) product *= k;
    return product;
  }
  return Math.exp(logGamma(x));
}
"""
