"""Straight-line functions written out in another language.

The twin of ``tracing``: the same functions are called with arguments that write text
in the place of LLVM's instructions. A language is a small table, a ``Language``. No
name of a user's is ever written: only those of the functions and arguments that the
caller gives, and numbered ones for what is in between.
"""

from __future__ import annotations

import operator
import re
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from symgd.arithmetic import counter_based, primitives, special
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
    truth : pair of str
        What is false, and what is true.
    operation : function
        (sign of Python's, kind of the operands) -> template; 64-bit integers wrap.
    choice : str
        One of two numbers by a condition.
    primitives : mapping of function to (kind, template)
        How each of ``arithmetic.primitives`` is written.
    functions : mapping of function to str
        Functions that the language has itself.
    library : mapping of str to str
        What the functions of the C library are called.
    definition : str
        A function: ``{name}``, ``{arguments}`` and ``{body}``; where the language asks
        for them, ``{scope}``, that of functions which others call, and ``{returns}``.
    argument : mapping of kind to str
        An argument; of kind "numbers", an array that is read, "out" one that is filled.
    result : str
        The end of a function of one number.
    unused : str
        What says that an argument isn't read.
    returns : pair of str
        What a function returns that fills an array, and one of one number.
    nothing : str
        A body without statements.
    end : str
        The end of a statement.
    indent : str
        What a statement stands in by.
    own : str
        How the names of symgd's own functions begin.
    """

    declared: Mapping[str, str]
    number: Callable[[float], str]
    word: Callable[[int], str]
    truth: tuple[str, str]
    operation: Callable[[str, str], str]
    choice: str
    primitives: Mapping[Callable[..., Any], tuple[str, str]]
    functions: Mapping[Callable[..., Any], str]
    library: Mapping[str, str]
    definition: str
    argument: Mapping[str, str]
    result: str
    unused: str = ""
    returns: tuple[str, str] = ("", "")
    nothing: str = ""
    end: str = ";"
    indent: str = "  "
    own: str = "symgd_"


@dataclass
class Written:
    """Functions in one language, and those that they call, each written once."""

    language: Language
    parts: dict[str, str] = field(default_factory=dict)
    _called: set[str] = field(default_factory=set)

    def add(
        self,
        name: str,
        function: Callable[..., Any],
        arguments: Mapping[str, str],
        out: str = "out",
        places: Sequence[int] | None = None,
        scope: str = "",
    ) -> None:
        """Write a function that returns a tuple as one that fills an array.

        Parameters
        ----------
        name : str
        function : straight-line function
        arguments : mapping of name to kind
            In order: "double" for a number, "numbers" for an array of them.
        out : str
            What the array is called; without a name there is none, and only the first
            number is returned.
        places : sequence of int, optional
            If they are given, the first number is returned, and these are the places
            of the others.
        scope : str
            Who may call it, in the words of the language.
        """
        body = _Body(self)
        given = [
            NumbersText(body, argument)
            if kind == "numbers"
            else Text(body, argument, kind)
            for argument, kind in arguments.items()
        ]
        results = [body.text(value) for value in body.twin(function)(*given)]
        returned = [] if places is None and out else results[:1]
        stored = results[len(returned) :] if out else []
        needed = body.needed([*returned, *stored])
        filled = range(len(stored)) if places is None else places
        end = self.language.end
        lines = [
            f"{out}[{place}] = {result}{end}"
            for place, result in zip(filled, stored, strict=True)
        ]
        lines += [self.language.result.format(each) for each in returned]
        kinds = {**arguments, out: "out"} if out else dict(arguments)
        self.parts[name] = self._defined(
            name, kinds, [*needed, *lines], bool(returned), scope
        )

    def shared(self, function: types.FunctionType) -> str:
        """Return the name of an elementary function, which is written if need be."""
        name = f"{self.language.own}{function.__name__}"
        if name not in self.parts:
            body = _Body(self)
            names = "abc"[: function.__code__.co_argcount]
            value = body.inlined(function)(*(Text(body, v) for v in names))
            text = body.text(value)
            lines = [*body.needed([text]), self.language.result.format(text)]
            kinds = dict.fromkeys(names, DOUBLE)
            self.parts[name] = self._defined(name, kinds, lines, True, "static ")
            self._called.add(name)
        return name

    def _defined(
        self,
        name: str,
        arguments: Mapping[str, str],
        lines: Sequence[str],
        returns: bool,
        scope: str,
    ) -> str:
        language, words = self.language, {*re.findall(r"\w+", " ".join(lines))}
        unused = [each for each in arguments if language.unused and each not in words]
        lines = [*map(language.unused.format, unused), *lines]
        lines = lines or [language.nothing]
        return language.definition.format(
            name=name,
            arguments=", ".join(
                language.argument[kind].format(argument)
                for argument, kind in arguments.items()
            ),
            body="".join(f"{language.indent}{line}\n" for line in lines),
            scope=scope,
            returns=language.returns[returns],
        )

    @property
    def text(self) -> str:
        """All functions, those first that others call."""
        return "".join(self.parts[name] for name in self.parts if name in self._used())

    def _used(self) -> set[str]:
        """Return the functions that were asked for, and those that they call."""
        used: set[str] = set()
        found = self.parts.keys() - self._called
        while found:
            used |= found
            words = {w for name in found for w in re.findall(r"\w+", self.parts[name])}
            found = (words & self.parts.keys()) - used
        return used


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

    def __neg__(self) -> Any:
        if self.kind == WORD:
            return operator.sub(0, self)
        return self.body.written(self.kind, "-{0}", self)

    def __abs__(self) -> Text:
        kind, template = self.body.language.primitives[abs]
        return self.body.written(kind, template, self)


def _operator(name: str, sign: str, kind: str = "") -> None:
    """Teach numbers an operator, with a constant on either side of it."""

    def write(body: _Body, a: Any, b: Any, of: str) -> Text:
        template = body.language.operation(sign, of)
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
            line = f"{self.language.declared[kind]}{name} = {code}{self.language.end}"
            self._statements[name] = line, used
            self._known[code] = Text(self, name, kind)
        return self._known[code]

    def text(self, value: Any, kind: str = DOUBLE) -> str:
        """Return a number as it stands in code."""
        if isinstance(value, Text):
            return value.name
        if isinstance(value, bool):
            return self.language.truth[value]
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
            name, left = self.program.shared(function), function.__defaults__ or ()
            missing = function.__code__.co_argcount - len(arguments)
            given = (*arguments, *left[len(left) - missing :])
            return self.written(DOUBLE, _call(name, len(given)), *given)

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


# The order of these is part of their code.
_SHARED = {f for f in HELPERS.values() if f not in vars(primitives).values()}
_SHARED -= {special.polygamma, special.besselj, counter_based.standard_normal}
_BUILTINS = {f.__name__: f for f in (abs, enumerate, int, len, range, tuple, zip)}
