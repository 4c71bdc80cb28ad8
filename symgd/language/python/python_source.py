"""The source of a Python function: found, parsed, and known to be what it was made of.

Nothing of it is run. That the file is still the one that the function came from is
known by compiling the text again, which runs nothing either, and comparing bytecode.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from symgd.errors import FormulaError

Definition: TypeAlias = ast.FunctionDef | ast.Lambda

PASS_TEXT = "give the formula as text, such as 'x**2 + y**2'"


@dataclass(frozen=True, eq=False)
class SourceText:
    """The lines that a function was written in."""

    lines: tuple[str, ...]
    file: str

    def error(
        self, node: Any, name: str, problem: str, advice: str | None = None
    ) -> FormulaError:
        """Return the error that shows a node's place, in the function of a name."""
        first, last = node.lineno, node.end_lineno
        text = "\n".join(self.lines[first - 1 : last])
        start = self._column(first, node.col_offset)
        before = sum(len(line) + 1 for line in self.lines[first - 1 : last - 1])
        end = before + self._column(last, node.end_col_offset)
        margin = len(text) - len(text.lstrip())
        place = f"in {name}, line {first} of {self.file}"
        text, start, end = text[margin:], start - margin, end - margin
        return FormulaError(f"{problem} ({place})", text, start, end, advice)

    def _column(self, line: int, offset: int) -> int:
        encoded = self.lines[line - 1].encode()[:offset]
        return len(encoded.decode(errors="ignore"))


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What names mean outside of a function: closures, globals, and builtins."""

    function: types.FunctionType

    def find(self, name: str) -> tuple[bool, Any]:
        """Return whether there is something of a name, and what it is."""
        code = self.function.__code__
        if name in code.co_freevars:
            cells = self.function.__closure__ or ()
            try:
                return True, cells[code.co_freevars.index(name)].cell_contents
            except ValueError:  # it has no value yet
                return False, None
        for names in (self.function.__globals__, _builtins_of(self.function)):
            if name in names:
                return True, names[name]
        return False, None


def _builtins_of(function: types.FunctionType) -> Mapping[str, Any]:
    found = function.__globals__.get("__builtins__", {})
    return found if isinstance(found, Mapping) else vars(found)


@dataclass(frozen=True, eq=False)
class KnownFunction:
    """A function whose text is known, with what it is given beforehand."""

    name: str
    node: Definition
    source: SourceText
    function: types.FunctionType
    given: tuple[Any, ...] = ()  # the first arguments, as a method has its object
    named: Mapping[str, Any] = field(default_factory=dict)


def is_function(value: Any) -> bool:
    """Return whether a value is something that may have Python's source."""
    return _plain(value) is not None


def _plain(value: Any) -> tuple[types.FunctionType, tuple[Any, ...], Any] | None:
    """Return the plain function of a value, and the arguments that it is given."""
    given: tuple[Any, ...] = ()
    named: dict[str, Any] = {}
    for _ in range(20):
        if isinstance(value, types.FunctionType):
            return value, given, named
        if isinstance(value, types.MethodType):
            value, given = value.__func__, (value.__self__, *given)
        elif type(value) is functools.partial:
            named = {**value.keywords, **named}
            value, given = value.func, (*value.args, *given)
        elif (inner := _compiled_from(value)) is not None:
            value = inner
        elif isinstance(call := _call_of(value), _FUNCTION):
            value, given = call, (value, *given)
        else:
            return None
    return None


_FUNCTION = types.FunctionType


def _call_of(value: Any) -> Any:
    """Return what is run where an object is called."""
    return inspect.getattr_static(type(value), "__call__", None)


def _compiled_from(value: Any) -> Any:
    """Return what a compiler or a cache of another library has wrapped."""
    kind = type(value)
    room = kind.__module__.partition(".")[0]
    if room == "numba":
        return getattr(value, "py_func", None)
    if room in ("jaxlib", "jax") or kind is functools._lru_cache_wrapper:
        return getattr(value, "__wrapped__", None)
    return None


def known(value: Any) -> KnownFunction:
    """Return a function with its source.

    Raises
    ------
    FormulaError
        If there is none, or it isn't known which it is.
    """
    plain = _plain(value)
    if plain is None:
        what = getattr(value, "__name__", None) or type(value).__name__
        problem = f"{what!r} has no source in Python, so it can't be read as a formula"
        raise FormulaError(problem, suggestion=PASS_TEXT)
    function, given, named = plain
    code = function.__code__
    name = "a lambda" if code.co_name == "<lambda>" else code.co_name
    if code.co_flags & 0x2A0:  # of generators and coroutines
        problem = f"{name} yields or awaits, so it is no formula"
        raise FormulaError(problem, suggestion=PASS_TEXT)
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename, function.__globals__)
    if not lines:
        problem = f"the source of {name} isn't known: {_why_unknown(code)}"
        raise FormulaError(problem, suggestion=f"{PASS_TEXT}, or define it in a file")
    tree, source = _parsed(tuple(lines), code.co_filename)
    node = _defined(name, code, tree)
    return KnownFunction(name, node, source, function, given, named)


def _why_unknown(code: types.CodeType) -> str:
    return f"it was typed into a session, or made by exec ({code.co_filename})"


@functools.lru_cache(maxsize=16)
def _parsed(lines: tuple[str, ...], file: str) -> tuple[ast.Module, SourceText]:
    shown = tuple(line.rstrip("\r\n") for line in lines)
    try:
        tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        problem = f"the source in {Path(file).name} can't be read: {error}"
        raise FormulaError(problem, suggestion=PASS_TEXT) from None
    return tree, SourceText(shown, Path(file).name)


@functools.lru_cache(maxsize=256)
def _defined(name: str, code: types.CodeType, tree: ast.Module) -> Definition:
    """Return the definition that a function was made of."""
    line = code.co_firstlineno
    where = f"line {line} of {Path(code.co_filename).name}"
    there = [each for each in _definitions(tree, code) if _first_line(each) == line]
    if not there:
        advice = f"run the definition again, or {PASS_TEXT}"
        raise FormulaError(f"{where} doesn't define {name}", suggestion=advice)
    around = [each for each in there if _is_around(each, code)]
    if len(around) > 1 and _has_columns(code):  # one inside of the other
        around = [max(around, key=lambda each: (each.lineno, each.col_offset))]
    same = len(around) == 1 and _is_made_of(around[0], code, tree)
    if not same and len(there) > 1:
        problem = f"{where} has several lambdas, and it isn't known which one this is"
        raise FormulaError(problem, suggestion=f"give it a line alone, or {PASS_TEXT}")
    if not same and not _was_changed(there[0]):
        problem = f"{name} isn't what {where} says now: the source has changed"
        advice = f"run the definition again, or {PASS_TEXT}"
        raise FormulaError(problem, suggestion=advice)
    return around[0] if same else there[0]


def _has_columns(code: types.CodeType) -> bool:
    return any(column is not None for _, _, column, _ in code.co_positions())


def _is_around(node: Definition, code: types.CodeType) -> bool:
    """Return whether all of a function's code comes from inside of a definition."""
    ends = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
    for line, last, column, end in code.co_positions():
        if None in (line, last, column, end) or end == 0:
            continue
        if not (ends[0] <= (line, column) and (last, end) <= ends[1]):
            return False
    return True


def _definitions(tree: ast.Module, code: types.CodeType) -> Iterator[Definition]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda) and code.co_name == "<lambda>":
            yield node
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            yield node


def _first_line(node: Definition) -> int:
    decorators: Iterable[Any] = getattr(node, "decorator_list", ())
    return min((each.lineno for each in decorators), default=node.lineno)


def _is_made_of(node: Definition, code: types.CodeType, tree: ast.Module) -> bool:
    """Return whether a definition compiles to a function's bytecode.

    In a notebook each statement is compiled alone, which may give other bytecode.
    """
    alone = [each for each in tree.body if node in ast.walk(each)]
    return any(
        made.co_firstlineno == code.co_firstlineno and _are_same(made, code)
        for module in (tree, ast.Module(alone, []))
        for made in _functions_of(module, code.co_name)
    )


def _was_changed(node: Definition) -> bool:
    """Return whether bytecode is another: pytest writes what asserts anew."""
    return any(isinstance(each, ast.Assert) for each in ast.walk(node))


def _functions_of(module: ast.Module, name: str) -> Iterator[types.CodeType]:
    try:
        pending = [compile(module, "<source>", "exec", dont_inherit=True)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    while pending:
        inner = [c for c in pending.pop().co_consts if isinstance(c, types.CodeType)]
        yield from (each for each in inner if each.co_name == name)
        pending += inner


def _are_same(one: types.CodeType, other: types.CodeType) -> bool:
    names = ("co_code", "co_names", "co_varnames", "co_argcount", "co_posonlyargcount")
    same = all(getattr(one, name) == getattr(other, name) for name in names)
    same = same and list(one.co_positions()) == list(other.co_positions())
    constants = zip(one.co_consts, other.co_consts, strict=False)
    return (
        same
        and sorted(one.co_freevars) == sorted(other.co_freevars)
        and len(one.co_consts) == len(other.co_consts)
        and all(_are_equal(a, b) for a, b in constants)
    )


def _are_equal(one: Any, other: Any) -> bool:
    if isinstance(one, types.CodeType) and isinstance(other, types.CodeType):
        return _are_same(one, other)
    return type(one) is type(other) and repr(one) == repr(other)
