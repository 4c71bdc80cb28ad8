"""From whole arrays to indices: ``norm(A @ x)`` becomes a root of sums of products.

A pass over the syntax tree of a formula, before it is read: desugaring. What has no
whole array in it stays as it is, so that formulas with indices mean what they did.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from symgd.errors import FormulaError
from symgd.language import mistakes
from symgd.language.functions import FUNCTIONS
from symgd.language.notation import array_functions, iterating, slices, square_matrices
from symgd.language.notation.array_values import (
    Element,
    Indices,
    Rewriting,
    TreeWriter,
    Whole,
)
from symgd.language.notation.extents import Extents, Lengths, Measured
from symgd.language.notation.ranks import arguments, called, ranks_of
from symgd.language.notation.recognition import (
    BUILT,
    arrayed,
    is_of_numbers,
    may_have_arrays,
    without_index,
)
from symgd.language.notation.spellings import MODULES, root_of
from symgd.language.notation.square_matrices import chosen

_JOINED = {ast.BitAnd: ast.And, ast.BitOr: ast.Or}


@dataclass(frozen=True)
class Shapes:
    """What is known of the names of a formula beside it.

    Attributes
    ----------
    arrays : mapping of str to sequence of int or None
        The lengths of some arrays, or None for each axis.
    scalars : frozenset of str
        Names that are no arrays.
    start : int, optional
        The rank of a start without names, which only has a length.
    taken : frozenset of str
        Names that mean something elsewhere: lengths get other ones.
    """

    arrays: Mapping[str, Lengths] = field(default_factory=dict)
    scalars: frozenset[str] = frozenset()
    start: int | None = None
    taken: frozenset[str] = frozenset()


def indexed(
    tree: ast.expr,
    shapes: Shapes,
    source: Callable[[ast.expr], str],
    refuse: Callable[[ast.expr, str, str | None], FormulaError],
) -> tuple[ast.expr, Measured]:
    """Return the tree of the same formula with indices, and how long its arrays are.

    Parameters
    ----------
    tree : syntax tree
    shapes : Shapes
    source : callable
        Returns the text of a node.
    refuse : callable
        Returns the error for a node, with what is wrong and what to write.
    """
    if not may_have_arrays(tree, shapes.arrays):
        return tree, Measured()
    known = {name: len(lengths) for name, lengths in shapes.arrays.items()}
    known |= dict.fromkeys(shapes.scalars, 0)
    ranks = ranks_of(tree, known, shapes.start, refuse)
    extents = Extents(shapes.arrays)
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    write = TreeWriter(extents, {*names, *shapes.taken})
    written = _IndexedForm(tree, ranks, write, source, refuse).written()
    return written, extents.measured(write.sizes)


class _IndexedForm(Rewriting):
    """One formula with whole arrays, as it is rewritten."""

    def __init__(
        self,
        tree: ast.expr,
        ranks: Mapping[str, int],
        write: TreeWriter,
        source: Callable[[ast.expr], str],
        refuse: Callable[[ast.expr, str, str | None], FormulaError],
    ) -> None:
        self.tree, self.ranks = tree, ranks
        self.write, self.extents = write, write.extents
        self.source, self.refuse = source, refuse
        self.bound: Mapping[str, Whole] = {}
        self._known: dict[tuple[int, int], tuple[Whole, Mapping[str, Whole]]] = {}
        self.written_out = any(isinstance(n, ast.List) for n in ast.walk(tree))
        self.arrayed = arrayed(tree, ranks)

    def written(self) -> ast.expr:
        """Return the tree with indices; a relation between arrays becomes a family."""
        if id(self.tree) not in self.arrayed:
            return self.tree
        whole = self.value(self.tree)
        if whole.rank and not isinstance(self.tree, ast.Compare):
            shape = self.extents.shape(whole.shape)
            problem = f"the formula is an array of shape {shape}, not a number"
            meant = without_index(self.tree, self.ranks)
            advice = f"write {meant or f'sum({self.source(self.tree)})'}, say"
            raise self.refuse(self.tree, problem, advice)
        if not whole.rank:
            return self._told(whole.at(()))
        family = self.write.over("sum", self.tree, whole.shape, whole.at)
        assert isinstance(family, ast.Call)
        return self._told(family.args[0])

    def _told(self, tree: ast.expr) -> ast.expr:
        """Return a tree in which lengths that no range tells are numbers."""
        telling = (n for n in ast.walk(tree) if called(n) == "range" or _has_index(n))
        known = {n.id for t in telling for n in ast.walk(t) if isinstance(n, ast.Name)}
        for length, name in self.write.sizes.items():
            if name not in known:
                tree = _Numbered(self, length, name).visit(tree)
        return tree

    # ----------------------------------------------------------------- values

    def value(self, node: ast.expr) -> Whole:
        """Return what an expression is, an array or a scalar."""
        if isinstance(node, ast.Name):
            return self._of_Name(node)
        if id(node) not in self.arrayed:
            return Whole((), lambda _: node, node)
        key = id(node), id(self.bound)
        if key not in self._known:
            self._known[key] = self._value(node), self.bound
        return self._known[key][0]

    def _value(self, node: ast.expr) -> Whole:
        method = getattr(self, "_of_" + type(node).__name__, None)
        if method is None:  # the reader says what is wrong with it
            return Whole((), lambda _: node, node)
        result: Whole = method(node)
        return result

    def scalar(self, node: ast.expr, what: str) -> Whole:
        """Return the value of an expression that must be a number."""
        whole = self.value(node)
        if whole.rank:
            shape = self.extents.shape(whole.shape)
            raise self.refuse(node, f"{what} is a number, not of shape {shape}", None)
        return whole

    def array(self, node: ast.expr, what: str) -> Whole:
        """Return the value of an expression that must be an array."""
        whole = self.value(node)
        if not whole.rank:
            problem = f"{what} is of an array, and {self.source(node)!r} is a number"
            raise self.refuse(node, problem, self._advice(node))
        return whole

    def _advice(self, node: ast.expr) -> str | None:
        """Return how a name is told to be an array."""
        names = [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
        free = [name for name in names if self.ranks.get(name) == 0]
        if not free:
            return None
        advice = f"if {free[0]} is an array, give data, a start x0 by name, or"
        return f"{advice} sizes={{{free[0]!r}: 3}}"

    def elementwise(
        self, node: ast.expr, parts: Sequence[Whole], made: Callable[..., Any]
    ) -> Whole:
        """Return an array of what is made of the elements of others, broadcast."""
        shape = self.common(node, parts)

        def at(indices: Indices) -> ast.expr:
            elements = [self.stretched(part, shape)(indices) for part in parts]
            return self.write.like(node, made(*elements))

        return Whole(shape, at, node)

    def common(self, node: ast.expr, parts: Sequence[Whole]) -> tuple[sp.Expr, ...]:
        """Return the shape of arrays that are combined, as NumPy broadcasts them."""
        shape: list[sp.Expr] = []
        for place in range(1, 1 + max((part.rank for part in parts), default=0)):
            lengths = [part.shape[-place] for part in parts if part.rank >= place]
            wide = [n for n in lengths if self.extents.number(n) != 1] or lengths
            if not all(self.extents.equal(wide[0], each) for each in wide[1:]):
                raise self.mismatch(node, parts)
            shape.insert(0, wide[0])
        return tuple(shape)

    def stretched(self, part: Whole, shape: Sequence[sp.Expr]) -> Element:
        """Return the elements of an array in a larger shape."""
        own = shape[len(shape) - part.rank :]
        fixed = [
            self.extents.number(length) == 1 and self.extents.number(wide) != 1
            for length, wide in zip(part.shape, own, strict=True)
        ]

        def at(indices: Indices) -> ast.expr:
            mine = indices[len(indices) - part.rank :]
            first = self.write.number(part.node, 0)
            chosen = zip(fixed, mine, strict=True)
            return part.at(tuple(first if single else each for single, each in chosen))

        return at

    def mismatch(self, node: ast.expr, parts: Sequence[Whole]) -> FormulaError:
        """Return the error for shapes that don't fit, which stand under the text."""
        told = [
            f"{self.source(part.node)} has shape {self.extents.shape(part.shape)}"
            for part in parts
            if part.rank
        ]
        shown = ", ".join(dict.fromkeys(told))
        return self.refuse(node, "the shapes don't fit", shown)

    # ------------------------------------------------------------ expressions

    def _of_Name(self, node: ast.Name) -> Whole:
        if node.id in self.bound:
            return self.bound[node.id]
        shape = self.extents.of(node.id, self.ranks.get(node.id, 0))

        def at(indices: Indices) -> ast.expr:
            if not indices:
                return node
            several = self.write.like(node, ast.Tuple(list(indices), ast.Load()))
            inner = indices[0] if len(indices) == 1 else several
            return self.write.like(node, ast.Subscript(node, inner, ast.Load()))

        return Whole(shape, at, node)

    def _of_BinOp(self, node: ast.BinOp) -> Whole:
        if isinstance(node.op, ast.MatMult):
            return self._chain(node)
        parts = [self.value(node.left), self.value(node.right)]
        if isinstance(node.op, (ast.BitAnd, ast.BitOr)):
            joined = _JOINED[type(node.op)]()
            return self.elementwise(
                node, parts, lambda *sides: ast.BoolOp(joined, list(sides))
            )
        return self.elementwise(
            node, parts, lambda left, right: ast.BinOp(left, node.op, right)
        )

    def _of_UnaryOp(self, node: ast.UnaryOp) -> Whole:
        op = ast.Not() if isinstance(node.op, ast.Invert) else node.op
        return self.elementwise(
            node, [self.value(node.operand)], lambda inner: ast.UnaryOp(op, inner)
        )

    def _of_BoolOp(self, node: ast.BoolOp) -> Whole:
        parts = [self.value(each) for each in node.values]
        return self.elementwise(
            node, parts, lambda *sides: ast.BoolOp(node.op, list(sides))
        )

    def _of_Compare(self, node: ast.Compare) -> Whole:
        parts = [self.value(each) for each in (node.left, *node.comparators)]
        return self.elementwise(
            *(node, parts),
            lambda left, *others: ast.Compare(left, node.ops, list(others)),
        )

    def _of_IfExp(self, node: ast.IfExp) -> Whole:
        parts = [self.value(each) for each in (node.test, node.body, node.orelse)]
        return self.elementwise(node, parts, ast.IfExp)

    def _of_List(self, node: ast.List) -> Whole:
        parts = [self.value(each) for each in node.elts]
        if not parts:
            raise self.refuse(node, "an array has elements", None)
        shape = self.common(node, parts)

        def at(indices: Indices) -> ast.expr:
            def entry(place: int) -> ast.expr:
                return self.stretched(parts[place], shape)(indices[1:])

            return chosen(self, node, indices[:1], [len(parts)], entry)

        return Whole((sp.Integer(len(parts)), *shape), at, node)

    _of_Tuple = _of_List

    def _of_GeneratorExp(self, node: ast.GeneratorExp | ast.ListComp) -> Whole:
        return iterating.as_array(self, node)

    _of_ListComp = _of_GeneratorExp

    def _of_Subscript(self, node: ast.Subscript) -> Whole:
        if (
            not isinstance(node.value, ast.Attribute)
            and not self.value(node.value).rank
        ):
            return Whole((), lambda _: node, node)  # the reader says what is wrong
        return slices.taken(self, node)

    def _of_Attribute(self, node: ast.Attribute) -> Whole:
        return array_functions.attribute(self, node)

    def _of_Call(self, node: ast.Call) -> Whole:
        name = called(node)
        if name is None:
            return Whole((), lambda _: node, node)
        given = arguments(node)
        if given and isinstance(given[0], ast.GeneratorExp) and name in BUILT:
            return iterating.repeated(self, node, name, given[0])
        known = array_functions.TABLE.get(name)
        if known is not None and not is_of_numbers(name, node):
            if name in ("sum", "prod") and not (given and self.value(given[0]).rank):
                return Whole((), lambda _: node, node)  # the reader says how it has one
            return known(self, node, given)
        if isinstance(node.func, ast.Attribute) and name not in _ELEMENTWISE_METHODS:
            if root_of(node.func) in MODULES:
                source = self.source(node.func)
                raise self.refuse(node.func, *mistakes.prefixed(name, source))
            problem = f"arrays have no {name} in formulas"
            raise self.refuse(node.func, problem, array_functions.METHODS)
        if name == "Piecewise":
            return self._of_Piecewise(node)
        if name not in FUNCTIONS and (wrong := mistakes.unknown_function(name)):
            raise self.refuse(node.func, *wrong)
        if node.keywords or name not in FUNCTIONS:
            return Whole((), lambda _: node, node)
        function = self.write.name(node.func, name)
        return self.elementwise(
            *(node, [self.value(each) for each in given]),
            lambda *elements: ast.Call(function, list(elements), []),
        )

    def _of_Piecewise(self, node: ast.Call) -> Whole:
        pairs = [p for p in node.args if isinstance(p, ast.Tuple) and len(p.elts) == 2]
        if len(pairs) < len(node.args):
            return Whole((), lambda _: node, node)
        parts = [self.value(each) for pair in pairs for each in pair.elts]

        def made(*elements: ast.expr) -> ast.Call:
            both = zip(elements[::2], elements[1::2], strict=True)
            branches = [
                self.write.like(node, ast.Tuple(list(pair), ast.Load()))
                for pair in both
            ]
            return ast.Call(node.func, branches, [])

        return self.elementwise(node, parts, made)

    # --------------------------------------------------------- sums of products

    def _chain(self, node: ast.BinOp) -> Whole:
        """Return a product of matrices, from the right up to a vector.

        That of a matrix and a vector is one, on the left of what follows.
        """
        sides: list[ast.expr] = [node]
        while isinstance(first := sides[0], ast.BinOp) and _is_product(first):
            sides[:1] = [first.left, first.right]
        parts = [self.array(side, "a product @") for side in sides]
        whole, rest = parts[:1], parts[1:]
        for part in rest:
            whole.append(part)
            if part.rank == 1:
                whole = [
                    functools.reduce(
                        lambda right, left: self.product(node, left, right), whole[::-1]
                    )
                ]
        return functools.reduce(functools.partial(self.product, node), whole)

    def product(self, node: ast.expr, one: Whole, other: Whole) -> Whole:
        """Return what ``one @ other`` is."""
        if one.rank > 2 or other.rank > 2:
            raise self.refuse(node, "@ is of vectors and matrices", None)
        if not one.rank or not other.rank:
            problem = "of three vectors there is no product @: two of them are a number"
            advice = (
                "if one is a matrix, say so: sizes={'A': (3, 3)}, or give it as data"
            )
            raise self.refuse(node, problem, advice)
        inner = one.shape[-1]
        if not self.extents.equal(inner, other.shape[0]):
            raise self.mismatch(node, [one, other])
        if called(one.node) == "inv" and isinstance(one.node, ast.Call):
            matrix = self.array(arguments(one.node)[0], "inv")
            if (
                solved := square_matrices.factored_solution(self, node, matrix, other)
            ) is not None:
                return solved
        rows, columns = one.shape[:-1], other.shape[1:]

        def at(indices: Indices) -> ast.expr:
            before, after = indices[: len(rows)], indices[len(rows) :]

            def term(inside: Indices) -> ast.expr:
                factors = one.at((*before, *inside)), other.at((*inside, *after))
                return self.write.binary(node, factors[0], ast.Mult(), factors[1])

            return self.over("sum", node, [inner], term)

        return Whole((*rows, *columns), at, node)

    def over(
        self, kind: str, node: ast.expr, lengths: Sequence[sp.Expr], body: Element
    ) -> ast.expr:
        """Return a sum, product or extreme; where there are lists, of terms."""
        numbers = self._few(lengths)
        if numbers is None:
            return self.write.over(kind, node, lengths, body)
        elements: list[Indices] = [()]
        for n in numbers:
            places = [self.write.number(node, k) for k in range(n)]
            elements = [(*each, place) for each in elements for place in places]
        terms = [body(each) for each in elements]
        if kind in ("max", "min"):
            return self.write.call(node, kind, *terms) if len(terms) > 1 else terms[0]
        op = ast.Add() if kind == "sum" else ast.Mult()
        return functools.reduce(
            lambda one, other: self.write.binary(node, one, op, other), terms
        )

    def _few(self, lengths: Sequence[sp.Expr]) -> list[int] | None:
        """Return lengths as numbers, if there is to be a term for each element."""
        resolved = [self.extents.resolved(n) for n in lengths]
        short = all(n.is_Integer and 0 < n <= SHORT for n in resolved)
        return list(map(int, resolved)) if short and self.written_out else None


SHORT = 16  # elements of a list


class _Numbered(ast.NodeTransformer):
    """Writes a length as the number that it is."""

    def __init__(self, form: _IndexedForm, length: sp.Symbol, name: str) -> None:
        self.form, self.length, self.name = form, length, name

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id != self.name:
            return node
        number = self.form.extents.number(self.length)
        if number is None:
            told = self.form.extents.told(self.length)
            advice = "give data, a start x0, or sizes"
            raise self.form.refuse(node, f"{told} can't be known", advice)
        return self.form.write.number(node, number)


def _has_index(node: ast.AST) -> bool:
    return isinstance(node, ast.Subscript)


_ELEMENTWISE_METHODS = frozenset(
    {"abs", "exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid", "square", "pow"}
)


def _is_product(node: ast.BinOp) -> bool:
    return isinstance(node.op, ast.MatMult)
