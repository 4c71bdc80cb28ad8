"""What names in a Python function stand for while it is read.

Numbers and arrays from outside become names of the formula, with their values beside
it; whatever depends on the variables is a syntax tree.
"""

from __future__ import annotations

import ast
import inspect
import keyword
import math
import numbers
import re
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from symgd.errors import FormulaError
from symgd.language.python.python_source import SourceText, Surroundings
from symgd.language.text import CONSTANT_NAMES

LIBRARIES = ("numpy", "math", "scipy", "jax", "jaxlib", "torch", "autograd", "builtins")


@dataclass(frozen=True)
class Library:
    """A module of a library, or a function in it, by its path."""

    path: str

    @property
    def name(self) -> str:
        """The last part."""
        return self.path.rpartition(".")[2]

    @property
    def root(self) -> str:
        """The first part."""
        return self.path.partition(".")[0]


@dataclass(frozen=True, eq=False)
class Listed:
    """Values in a row: of a tuple, a list, or an array that is written out."""

    items: tuple[Any, ...]
    is_array: bool = False


@dataclass(frozen=True, eq=False)
class Outside:
    """An object from outside of the function, by the name that it has there."""

    value: Any
    name: str


@dataclass(frozen=True)
class RowByRow:
    """What stands for each row of a column, as in a model that is fitted."""


@dataclass(frozen=True, eq=False)
class ArrayShape:
    """The shape of an array."""

    array: ast.Name


@dataclass(frozen=True, eq=False)
class Missing:
    """What a name stands for that has no value here."""

    why: str


@dataclass(eq=False)
class Frame:
    """Where code is that is read: its text, its names, and those around it."""

    name: str
    source: SourceText
    own: frozenset[str]  # names that are assigned somewhere
    outer: Frame | Surroundings
    names: dict[str, Any] = field(default_factory=dict)
    given: frozenset[int] = frozenset()  # what the function was called with

    def error(
        self, node: ast.AST, problem: str, advice: str | None = None
    ) -> FormulaError:
        """Return the error that shows a node."""
        source, name = getattr(node, "origin", (self.source, self.name))
        return source.error(node, name, problem, advice)

    def placed(self, made: Any, node: ast.AST) -> Any:
        """Return a new node with the place of one in the source."""
        if not hasattr(made, "origin"):
            ast.copy_location(made, node)
            made.origin = getattr(node, "origin", (self.source, self.name))
        return made


@dataclass(frozen=True, eq=False)
class Inner:
    """A function that is defined inside of another."""

    name: str
    node: ast.FunctionDef | ast.Lambda
    place: Frame
    defaults: Mapping[str, Any]


class NotKnownYet(Exception):
    """Raised where a number is needed that depends on variables."""


class Names:
    """The names of one formula that stand for numbers and arrays from outside.

    Attributes
    ----------
    numbers : dict of str to number
    arrays : dict of str to array
    variables : frozenset of str
    lengths : dict of str to (str, int)
        Names of sizes, and of which array, and which axis, they are the length.
    shapes : dict of str to tuple
        Of arrays, also of variables as long as a start.
    fixed : set of str
        Names of numbers and lengths that something was decided by.
    """

    def __init__(
        self,
        taken: Iterable[str],
        shapes: Mapping[str, Any],
        instead: Mapping[str, Any] | None = None,
    ) -> None:
        self.variables = frozenset(taken)
        self.taken = {*taken, *CONSTANT_NAMES}
        self.flat: dict[str, ast.AST] = {}  # arrays of which one length is the size
        self.instead = dict(instead or {})  # of what is found outside, by name
        self.asked: set[str] = set()
        self.numbers: dict[str, Any] = {}
        self.arrays: dict[str, Any] = {}
        self.lengths: dict[str, tuple[str, int]] = {}
        self.shapes: dict[str, Sequence[int]] = dict(shapes)
        self.fixed: set[str] = set()
        self.exact: dict[str, int] = {}
        self._known: dict[Any, str] = {}
        self._objects: list[Any] = []  # so that no other has the same identity

    def fresh(self, base: str) -> str:
        """Return a name that nothing has yet, and take it."""
        base = re.sub(r"\W", "_", base).strip("_") or "k"
        base = f"k{base}" if base[0].isdecimal() else base
        base = f"{base}_" if keyword.iskeyword(base) else base
        name, count = base, 1
        while name in self.taken:
            count += 1
            name = f"{base}_{count}"
        self.taken.add(name)
        return name

    def number(self, name: str, value: Any) -> str:
        """Return the name in the formula of a number from outside."""
        key = "number", name, repr(value)
        if key not in self._known:
            self._known[key] = self.fresh(name)
            self.numbers[self._known[key]] = value
        return self._known[key]

    def array(self, name: str, value: Any) -> str:
        """Return the name in the formula of an array from outside."""
        key = "array", id(value)
        if key not in self._known:
            self._known[key] = self.fresh(name)
            self._objects.append(value)
            self.declare(self._known[key], value)
        return self._known[key]

    def declare(self, name: str, value: Any) -> None:
        """Let a name stand for an array."""
        import numpy as np

        self.arrays[name] = value
        self.shapes[name] = np.shape(value)

    def length(self, array: str, axis: int) -> str:
        """Return the name of an array's length."""
        key = "length", array, axis
        if key not in self._known:
            common = "nmkl"[axis] if axis < 4 else "n"
            self._known[key] = self.fresh(common)
            self.lengths[self._known[key]] = array, axis
        return self._known[key]

    def known(self, name: str) -> Any:
        """Return the number that a name stands for, which from now on is fixed."""
        if name in self.lengths:
            array, axis = self.lengths[name]
            if axis >= len(self.shapes.get(array, ())):
                raise NotKnownYet
            self.fixed.add(name)
            return self.shapes[array][axis]
        if name not in self.numbers:
            raise NotKnownYet
        self.fixed.add(name)
        return self.numbers[name]

    def meaning(self, name: str, value: Any) -> Any:
        """Return what an object from outside is in a formula."""
        self.asked.add(name)
        if isinstance(value, RowByRow):
            self.taken.add(name)
            return ast.Name(name)
        if isinstance(value, bool) or type(value).__name__ == "bool_":
            return ast.Constant(bool(value))
        if value is None or isinstance(value, str):
            return ast.Constant(value)
        if _is_number(value):
            return self._of_number(name, value)
        if (path := library_of(value)) is not None:
            return Library(path)
        kept_whole = isinstance(value, (list, tuple)) or is_table(value)
        if is_array(value) and not kept_whole:
            return ast.Name(self.array(name, value))
        return Outside(value, name)

    def _of_number(self, name: str, value: Any) -> ast.expr | Outside:
        value = value.item() if hasattr(value, "item") else value
        if not isinstance(value, (int, float)):
            value = float(value)
        if isinstance(value, float) and not math.isfinite(value):
            return Outside(value, name)
        for constant, meant in ((math.pi, "pi"), (math.e, "E")):
            if value == constant and name in ("pi", "e", "E"):
                return self.constant(meant, value)
        return ast.Name(self.number(name, value))

    def constant(self, name: str, value: float) -> ast.expr:
        """Return the constant of a name, which may be that of a variable."""
        return ast.Constant(value) if name in self.variables else ast.Name(name)


def _is_number(value: Any) -> bool:
    if isinstance(value, numbers.Real):
        return True
    return getattr(value, "shape", None) == () and hasattr(value, "item")


def is_table(value: Any) -> bool:
    """Return whether an object is a data frame: of columns by name."""
    return hasattr(value, "columns") and hasattr(value, "__getitem__")


def is_array(value: Any) -> bool:
    """Return whether a value is an array of numbers, or a list of them."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(_is_number(v) or is_array(v) for v in value)
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    return hasattr(value, "__array__") and kind != "O" and bool(value.shape)


def library_of(value: Any) -> str | None:
    """Return the path of what belongs to a library of mathematics, or to Python."""
    if isinstance(value, types.ModuleType):
        path = value.__name__
        return path if path.partition(".")[0] in LIBRARIES else None
    name = getattr(value, "__name__", None)
    if not isinstance(name, str):
        return None
    if type(value).__name__ == "ufunc":
        for room in ("numpy", "scipy.special"):
            if getattr(sys.modules.get(room), name, None) is value:
                return f"{room}.{name}"
    room = getattr(value, "__module__", None) or ""
    if isinstance(room, str) and room.partition(".")[0] in LIBRARIES:
        return f"{room}.{name}"
    return None


def attribute(value: Any, name: str) -> Any:
    """Return an attribute that is there without anything being run.

    Raises
    ------
    AttributeError
    """
    fields = getattr(type(value), "_fields", None)
    if isinstance(value, tuple) and fields and name in fields:
        return tuple.__getitem__(value, fields.index(name))
    if name.startswith("__") and not name.endswith("__"):  # as classes write it
        kinds = (kind.__name__.lstrip("_") for kind in type(value).__mro__)
        mangled = [f"_{kind}{name}" for kind in kinds]
        known = [each for each in mangled if each in getattr(value, "__dict__", {})]
        name = known[0] if len(known) == 1 else name
    found = inspect.getattr_static(value, name)
    if isinstance(found, types.FunctionType):
        of_class = isinstance(value, (type, types.ModuleType))
        of_class = of_class or name in getattr(value, "__dict__", {})
        return found if of_class else types.MethodType(found, value)
    if isinstance(found, staticmethod):
        return found.__func__
    if isinstance(found, classmethod):
        kind = value if isinstance(value, type) else type(value)
        return types.MethodType(found.__func__, kind)
    if isinstance(found, types.MemberDescriptorType):
        return found.__get__(value)
    if isinstance(found, property) or hasattr(type(found), "__get__"):
        raise AttributeError(name)
    return found


class Uneven(Exception):
    """Raised where an operation goes element by element over what doesn't fit."""


def broadcast(make: Callable[..., Any], *values: Any) -> Any:
    """Apply a function element by element where some values are arrays.

    Raises
    ------
    Uneven
        If they are not of one shape; plain numbers go with all.
    """
    arrays = [each for each in values if isinstance(each, Listed)]
    if not arrays:
        return make(*values)
    if len({len(each.items) for each in arrays}) > 1:
        raise Uneven("arrays of different lengths")
    if not all(each.is_array for each in arrays):
        raise Uneven("a list that is no array")
    if len({_depth(each) for each in arrays}) > 1:
        raise Uneven("arrays of different dimensions")
    count = len(arrays[0].items)
    rows = [v.items if isinstance(v, Listed) else (v,) * count for v in values]
    return Listed(tuple(broadcast(make, *row) for row in zip(*rows, strict=True)), True)


def _depth(value: Any) -> int:
    if not isinstance(value, Listed):
        return 0
    return 1 + max(map(_depth, value.items), default=0)
