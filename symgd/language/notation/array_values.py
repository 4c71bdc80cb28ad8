"""Arrays as they are while a formula is read: a shape, and what an element is.

Elements are syntax trees, which are written when all shapes are known; a scalar is an
array without axes.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import sympy as sp

from symgd.errors import FormulaError
from symgd.language.nodes import MAX_NODES
from symgd.language.notation.extents import Extents
from symgd.language.printing import text_of

Indices: TypeAlias = tuple[ast.expr, ...]
Element: TypeAlias = Callable[[Indices], ast.expr]

_INDEX_NAMES = "ijklmnopqrstuvwxyz"
_SIZE_NAMES = ("n", "m", "p", "q", "r", "s", "d")


@dataclass(frozen=True)
class Whole:
    """An array of lengths ``shape``; its element at some indices is ``at(indices)``."""

    shape: tuple[sp.Expr, ...]
    at: Element
    node: ast.expr

    @property
    def rank(self) -> int:
        """How many axes there are."""
        return len(self.shape)


class TreeWriter:
    """Writes syntax trees: with indices and names of lengths that nothing else has."""

    def __init__(self, extents: Extents, taken: set[str]) -> None:
        self.extents = extents
        self.taken = taken
        self.sizes: dict[sp.Symbol, str] = {}
        self._open: list[str] = []
        self._count = 0

    def like(self, node: ast.expr, made: Any) -> Any:
        """Return a new tree at the place of another one in the text."""
        self._count += 1
        if self._count > MAX_NODES:
            problem = "the formula, with indices, has more than"
            raise FormulaError(f"{problem} {MAX_NODES} operations")
        return ast.copy_location(made, node)

    def name(self, node: ast.expr, name: str) -> ast.expr:
        """Return a name."""
        return self.like(node, ast.Name(name, ast.Load()))

    def number(self, node: ast.expr, number: int) -> ast.expr:
        """Return a whole number."""
        return self.like(node, ast.Constant(number))

    def binary(
        self, node: ast.expr, left: ast.expr, op: ast.operator, right: ast.expr
    ) -> ast.expr:
        """Return an operation."""
        return self.like(node, ast.BinOp(left, op, right))

    def call(self, node: ast.expr, name: str, *arguments: ast.expr) -> ast.expr:
        """Return a call of a function."""
        made = ast.Call(self.name(node, name), list(arguments), [])
        return self.like(node, made)

    def length(self, node: ast.expr, length: sp.Expr) -> ast.expr:
        """Return a length, by the names that lengths are given."""
        length = self.extents.resolved(length)
        names = {s: sp.Symbol(self._size(s)) for s in _in_order(length)}
        tree = ast.parse(text_of(length.xreplace(names)), mode="eval").body
        for part in ast.walk(tree):
            if isinstance(part, ast.expr):
                self.like(node, part)
        return tree

    def _size(self, length: sp.Symbol) -> str:
        if "." not in length.name:
            return length.name
        if length not in self.sizes:
            self.sizes[length] = _unused(_SIZE_NAMES, self.taken)
            self.taken.add(self.sizes[length])
        return self.sizes[length]

    @contextlib.contextmanager
    def index(self, node: ast.expr) -> Iterator[ast.expr]:
        """Yield the name of an index that is no other inside of this."""
        name = _unused(_INDEX_NAMES, {*self.taken, *self._open})
        self._open.append(name)
        yield self.name(node, name)
        self._open.pop()

    def over(
        self, function: str, node: ast.expr, lengths: Sequence[sp.Expr], body: Element
    ) -> ast.expr:
        """Return a sum, product or extreme of elements."""
        if not lengths:
            return body(())
        ranges = [self.call(node, "range", self.length(node, n)) for n in lengths]
        with contextlib.ExitStack() as stack:
            names = [stack.enter_context(self.index(node)) for _ in lengths]
            element = body(tuple(names))
        clauses = [
            ast.comprehension(target, source, [], 0)
            for target, source in zip(names, ranges, strict=True)
        ]
        loop = self.like(node, ast.GeneratorExp(element, clauses))
        return self.call(node, function, loop)


class Rewriting(Protocol):
    """A formula that is being rewritten, as what rewrites a part of it sees it."""

    ranks: Mapping[str, int]
    extents: Extents
    bound: Mapping[str, Whole]  # names of loops over arrays
    write: TreeWriter
    written_out: bool  # whether short sums are to be terms
    source: Callable[[ast.expr], str]  # the text of a node
    # The error for a node, with what is wrong and what to write.
    refuse: Callable[[ast.expr, str, str | None], FormulaError]

    def value(self, node: ast.expr) -> Whole:
        """Return what an expression is, an array or a scalar."""

    def scalar(self, node: ast.expr, what: str) -> Whole:
        """Return the value of an expression that must be a number."""

    def array(self, node: ast.expr, what: str) -> Whole:
        """Return the value of an expression that must be an array."""

    def elementwise(
        self, node: ast.expr, parts: Sequence[Whole], made: Callable[..., Any]
    ) -> Whole:
        """Return an array of what is made of the elements of others, broadcast."""

    def common(self, node: ast.expr, parts: Sequence[Whole]) -> tuple[sp.Expr, ...]:
        """Return the shape of arrays that are combined, as NumPy broadcasts them."""

    def stretched(self, part: Whole, shape: Sequence[sp.Expr]) -> Element:
        """Return the elements of an array in a larger shape."""

    def product(self, node: ast.expr, one: Whole, other: Whole) -> Whole:
        """Return what ``one @ other`` is."""

    def over(
        self, kind: str, node: ast.expr, lengths: Sequence[sp.Expr], body: Element
    ) -> ast.expr:
        """Return a sum, product or extreme of elements."""

    def mismatch(self, node: ast.expr, parts: Sequence[Whole]) -> FormulaError:
        """Return the error for shapes that don't fit."""


def _in_order(length: sp.Expr) -> list[sp.Symbol]:
    return sorted(length.free_symbols, key=str)


def _unused(names: Sequence[str], taken: set[str]) -> str:
    for name in names:
        if name not in taken:
            return name
    number = 1
    while (name := f"{names[0]}{number}") in taken:
        number += 1
    return name
