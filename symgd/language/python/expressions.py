"""Expressions of a Python function, with what its names stand for written in.

The result is a syntax tree of the formula language, or nearly: what isn't known here,
as whole arrays, is left as it is to whoever reads formulas.
"""

from __future__ import annotations

import ast
import contextlib
import math
import types
from collections.abc import Callable
from typing import Any

from symgd.errors import guess
from symgd.language.notation.ranks import least_rank
from symgd.language.python.python_known import Knowing
from symgd.language.python.python_source import Surroundings
from symgd.language.python.values import (
    ArrayShape,
    Frame,
    Library,
    Listed,
    Missing,
    NotKnownYet,
    Outside,
    Uneven,
    attribute,
    broadcast,
    is_array,
    is_table,
)

_CONSTANTS = {"pi": ("pi", math.pi), "e": ("E", math.e)}


_BEGINS = {ast.Add: 0, ast.Mult: 1}  # where sums and products begin


class Expressions(Knowing):
    """Reads the expressions of one place in Python code."""

    # ---------------------------------------------------------------- values

    def value(self, node: ast.expr) -> Any:
        """Return what an expression stands for."""
        read = getattr(self, f"_of_{type(node).__name__}", None)
        if read is None:
            raise self.error(node, *_refusal(node))
        return read(node)

    def expression(self, node: ast.expr) -> ast.expr:
        """Return what an expression stands for as a tree of the formula language."""
        return self.as_tree(self.value(node), node)

    def as_tree(self, value: Any, node: ast.AST) -> ast.expr:
        """Return a value as a tree of the formula language."""
        if isinstance(value, ast.expr):
            return self.place.placed(value, node)
        if isinstance(value, Listed):
            inner = [self.as_tree(each, node) for each in value.items]
            return self.place.placed(ast.List(inner, ast.Load()), node)
        if isinstance(value, Outside) and is_array(value.value):
            name = self.names.array(value.name, value.value)
            return self.place.placed(ast.Name(name, ast.Load()), node)
        raise self.error(node, *no_number(value))

    def decided(self, node: ast.expr) -> bool | ast.expr:
        """Return a condition: whether it holds, where that is known, or as a tree."""
        if isinstance(node, ast.Compare) and any(
            isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops
        ):
            left, right = self.value(node.left), self.value(node.comparators[0])
            nothing = [_is_none(each) for each in (left, right)]
            if len(node.ops) == 1 and any(nothing):
                return all(nothing) is isinstance(node.ops[0], ast.Is)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self.decided(node.operand)
            if isinstance(inner, bool):
                return not inner
            return self.place.placed(ast.UnaryOp(ast.Not(), inner), node)
        if isinstance(node, ast.BoolOp):
            return self._joined(node)
        value = self.value(node)
        if isinstance(value, Outside) and type(value.value) in (dict, list, tuple):
            return bool(value.value)
        tree = self.as_tree(value, node)
        try:
            return bool(self.known(tree))
        except NotKnownYet:
            return tree

    def _joined(self, node: ast.BoolOp) -> bool | ast.expr:
        ends = isinstance(node.op, ast.Or)
        open_parts: list[ast.expr] = []
        for part in node.values:
            decided = self.decided(part)
            if isinstance(decided, ast.expr):
                open_parts.append(decided)
            elif decided is ends and not open_parts:
                return ends
            elif decided is ends:
                open_parts.append(self.place.placed(ast.Constant(ends), part))
        if len(open_parts) < 2:
            return open_parts[0] if open_parts else not ends
        return self.place.placed(ast.BoolOp(node.op, open_parts), node)

    # ----------------------------------------------------------------- leaves

    def _of_Constant(self, node: ast.Constant) -> Any:
        return self.place.placed(ast.Constant(node.value), node)

    def _of_Name(self, node: ast.Name) -> Any:
        found = self._looked_up(node)
        if isinstance(found, Missing):
            raise self.error(node, f"{node.id!r} {found.why}")
        return self._placed_leaf(found, node)

    def _placed_leaf(self, value: Any, node: ast.AST) -> Any:
        """Return a name or constant as a node of its own, where it is used."""
        if type(value) is ast.Name:
            return self.place.placed(ast.Name(value.id, ast.Load()), node)
        if isinstance(value, ast.Constant):
            return self.place.placed(ast.Constant(value.value), node)
        return value

    def _looked_up(self, node: ast.Name) -> Any:
        place: Frame | Surroundings = self.place
        while isinstance(place, Frame):
            if node.id in place.names:
                return place.names[node.id]
            if node.id in place.own:
                raise self.error(node, f"{node.id!r} has no value here")
            place = place.outer
        there, value = place.find(node.id)
        if not there:
            known = {**place.function.__globals__, **self.place.names}
            raise self.error(node, f"{node.id!r} is not defined{guess(node.id, known)}")
        return self.names.meaning(node.id, self.names.instead.get(node.id, value))

    def _of_Attribute(self, node: ast.Attribute) -> Any:
        base = self.value(node.value)
        if isinstance(base, Library):
            if node.attr in _CONSTANTS:
                made = self.names.constant(*_CONSTANTS[node.attr])
                return self.place.placed(made, node)
            if node.attr == "tau":
                two, pi = ast.Constant(2), self.names.constant(*_CONSTANTS["pi"])
                return self._binary(node, ast.Mult(), two, pi)
            if node.attr in ("inf", "nan"):
                return Outside(float(node.attr), node.attr)
            return Library(f"{base.path}.{node.attr}")
        if isinstance(base, Outside):
            return self._attribute_of(node, base)
        if isinstance(base, Listed):
            if node.attr == "size":
                return self.place.placed(ast.Constant(len(base.items)), node)
            raise self.error(node, f"a list has no {node.attr!r} in a formula")
        if isinstance(base, ast.Name) and node.attr == "shape":
            return ArrayShape(base)
        if isinstance(base, ast.Name) and node.attr == "size":
            shape = self.names.shapes.get(base.id, (None,))
            if len(shape) == 1:
                self.names.flat[base.id] = self.place.placed(ast.Name(base.id), node)
                return self.length(base, 0, node)
        if node.attr in ("values", "real") and isinstance(base, ast.Name):
            return base
        tree = self.as_tree(base, node.value)
        return self.place.placed(ast.Attribute(tree, node.attr, ast.Load()), node)

    def _attribute_of(self, node: ast.Attribute, base: Outside) -> Any:
        if isinstance(base.value, types.ModuleType):
            inner = vars(base.value)
            if node.attr in inner:
                return self.names.meaning(node.attr, inner[node.attr])
        elif is_table(base.value) and node.attr in base.value.columns:
            return self.names.meaning(node.attr, base.value[node.attr])
        else:
            try:
                return self.names.meaning(node.attr, attribute(base.value, node.attr))
            except AttributeError:
                pass
        problem = f"{base.name!r} has no plain attribute {node.attr!r}"
        advice = f"take what it is before: {node.attr} = {base.name}.{node.attr}"
        raise self.error(node, problem, advice)

    # ------------------------------------------------------------- operations

    def _of_BinOp(self, node: ast.BinOp) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.MatMult):
            return self._dot(node, left, right)
        if isinstance(node.op, ast.Pow):
            right = self._written_in(right, node.right)
        return self._elementwise(
            node, lambda a, b: self._binary(node, node.op, a, b), left, right
        )

    def _written_in(self, exponent: Any, node: ast.AST) -> Any:
        """Return an exponent from outside as a number: x**2 is no power by exp."""
        if isinstance(exponent, ast.Constant) or not isinstance(exponent, ast.expr):
            return exponent
        try:
            number = self.known(exponent)
        except NotKnownYet:
            return exponent
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            return exponent
        size = self.place.placed(ast.Constant(abs(number)), node)
        if number >= 0:
            return size
        return self.place.placed(ast.UnaryOp(ast.USub(), size), node)

    def _binary(self, node: ast.AST, op: ast.operator, a: Any, b: Any) -> ast.expr:
        left, right = self.as_tree(a, node), self.as_tree(b, node)
        begin = left.value if isinstance(left, ast.Constant) else None
        if type(begin) in (int, float) and begin == _BEGINS.get(type(op)):
            return right
        return self.place.placed(ast.BinOp(left, op, right), node)

    def _dot(self, node: ast.BinOp, left: Any, right: Any) -> Any:
        """Return a product of two arrays that are written out; others are handed on."""
        if isinstance(left, Listed) and isinstance(right, Listed):
            if not _is_flat(left) or not _is_flat(right):
                raise self.error(node, "@ is of two rows of numbers here", LISTS)
            times = self._elementwise(
                node, lambda a, b: self._binary(node, ast.Mult(), a, b), left, right
            )
            return self.combined(node, "sum", times)
        return self._binary(node, node.op, left, right)

    def combined(self, node: ast.AST, name: str, value: Listed) -> Any:
        """Return the sum, product or extreme of what is written out."""
        parts = [self.as_tree(each, node) for each in value.items]
        if name == "mean" and parts:
            total, count = self.combined(node, "sum", value), ast.Constant(len(parts))
            return self._binary(node, ast.Div(), total, count)
        if name == "norm":
            squares = (self._binary(node, ast.Pow(), a, ast.Constant(2)) for a in parts)
            total = self.combined(node, "sum", Listed(tuple(squares)))
            func = self.place.placed(ast.Name("sqrt", ast.Load()), node)
            return self.place.placed(ast.Call(func, [total], []), node)
        if name in ("max", "min"):
            if not parts:
                raise self.error(node, f"{name} of nothing")
            if len(parts) == 1:
                return parts[0]
            func = self.place.placed(ast.Name(name, ast.Load()), node)
            return self.place.placed(ast.Call(func, parts, []), node)
        op = ast.Add() if name == "sum" else ast.Mult()
        if not parts:
            return self.place.placed(ast.Constant(int(name != "sum")), node)
        whole = parts[0]
        for part in parts[1:]:
            whole = self._binary(node, op, whole, part)
        return whole

    def _elementwise(
        self, node: ast.AST, make: Callable[..., Any], *values: Any
    ) -> Any:
        if any(isinstance(each, Listed) for each in values) and any(
            self._is_whole(each) for each in values
        ):
            return make(*values)  # shapes are compared where formulas are read
        try:
            return broadcast(make, *values)
        except Uneven as wrong:
            raise self.error(node, f"this is done with {wrong}", LISTS) from None

    def _is_whole(self, value: Any) -> bool:
        """Return whether a value is an array of which a start, or data, tell that."""
        known = {name: len(shape) for name, shape in self.names.shapes.items()}
        return isinstance(value, ast.expr) and least_rank(value, known) > 0

    def _of_UnaryOp(self, node: ast.UnaryOp) -> Any:
        if isinstance(node.op, ast.USub) and isinstance(node.operand, _MAYBE_INFINITE):
            inner = self.value(node.operand)
            if isinstance(inner, Outside) and isinstance(inner.value, float):
                return Outside(-inner.value, inner.name)
        if isinstance(node.op, ast.Not):
            decided = self.decided(node)
            made = ast.Constant(decided) if isinstance(decided, bool) else decided
            return self.place.placed(made, node)
        return self._elementwise(
            node,
            lambda a: self.place.placed(
                ast.UnaryOp(node.op, self.as_tree(a, node)), node
            ),
            self.value(node.operand),
        )

    def _of_BoolOp(self, node: ast.BoolOp) -> Any:
        decided = self._joined(node)
        made = ast.Constant(decided) if isinstance(decided, bool) else decided
        return self.place.placed(made, node)

    def _of_Compare(self, node: ast.Compare) -> Any:
        if any(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops):
            if isinstance(decided := self.decided(node), bool):
                return self.place.placed(ast.Constant(decided), node)
            raise self.error(node, "'is' asks for an object, not for a number", "==")
        if any(isinstance(op, (ast.In, ast.NotIn)) for op in node.ops):
            return self._found_in(node)
        left, *others = (self.expression(e) for e in (node.left, *node.comparators))
        return self.place.placed(ast.Compare(left, node.ops, others), node)

    def _found_in(self, node: ast.Compare) -> ast.expr:
        """Return whether something known is in what is known: mode in ("a", "b")."""
        with contextlib.suppress(NotKnownYet):
            wanted, row = self.value(node.left), self.value(node.comparators[0])
            items = row.items if isinstance(row, Listed) else None
            if isinstance(row, Outside) and type(row.value) in (list, tuple, dict):
                items = tuple(ast.Constant(each) for each in row.value)
            if items is not None and len(node.ops) == 1:
                inside = self.known(wanted) in [self.known(each) for each in items]
                decided = inside is isinstance(node.ops[0], ast.In)
                return self.place.placed(ast.Constant(decided), node)
        raise self.error(node, "'in' is not part of a formula", "write ==, or <=")

    def _of_IfExp(self, node: ast.IfExp) -> Any:
        test = self.decided(node.test)
        if isinstance(test, bool):
            return self.value(node.body if test else node.orelse)
        one, other = (self._whole_value(each) for each in (node.body, node.orelse))
        return self.chosen(test, one, other, node)

    def _whole_value(self, node: ast.expr) -> Any:
        """Return a value, as a tree unless there are several."""
        return self.in_place(self.value(node), node)

    def in_place(self, value: Any, node: ast.AST) -> Any:
        """Return a value that errors will show at a node."""
        return value if isinstance(value, Listed) else self.as_tree(value, node)

    def chosen(self, test: ast.expr, one: Any, other: Any, node: ast.AST) -> Any:
        """Return one value where a condition holds, else the other."""
        if one is other:
            return one
        several = isinstance(one, Listed) and isinstance(other, Listed)
        if several and len(one.items) == len(other.items):
            pairs = zip(one.items, other.items, strict=True)
            chosen = (self.chosen(test, a, b, node) for a, b in pairs)
            return Listed(tuple(chosen), one.is_array and other.is_array)
        a, b = self.as_tree(one, node), self.as_tree(other, node)
        return self.place.placed(ast.IfExp(test, a, b), node)

    def _of_Tuple(self, node: ast.Tuple) -> Listed:
        return Listed(tuple(self.value(each) for each in node.elts))

    def _of_List(self, node: ast.List) -> Listed:
        return Listed(tuple(self.value(each) for each in node.elts))

    def _of_Slice(self, node: ast.Slice) -> ast.expr:
        ends = (node.lower, node.upper, node.step)
        trees = [None if each is None else self.expression(each) for each in ends]
        return self.place.placed(ast.Slice(*trees), node)

    def length(self, array: ast.Name, axis: int, node: ast.AST) -> ast.expr:
        """Return the length of an array."""
        name = self.names.length(array.id, axis)
        return self.place.placed(ast.Name(name, ast.Load()), node)


def _is_flat(value: Listed) -> bool:
    inner = (isinstance(each, Listed) for each in value.items)
    return value.is_array and not any(inner)


def has_items(value: Any) -> bool:
    """Return whether an object has items that are looked up without running code."""
    return type(value) in (dict, list, tuple) or hasattr(value, "columns")


def _is_none(value: Any) -> bool:
    if isinstance(value, Outside):
        return value.value is None
    return isinstance(value, ast.Constant) and value.value is None


_MAYBE_INFINITE = (ast.Name, ast.Attribute, ast.Call)  # not what is long: read twice


LISTS = "write it element by element, or make it an array: np.array([a, b])"
STARS = (
    "a star spreads arguments, which a formula doesn't",
    "write the arguments one by one",
)


def _refusal(node: ast.AST) -> tuple[str, str | None]:
    if isinstance(node, ast.Starred):
        return STARS
    if isinstance(node, ast.JoinedStr):
        return "text is not part of a formula", "leave it out"
    if isinstance(node, (ast.Dict, ast.Set, ast.DictComp, ast.SetComp)):
        return "a formula has no sets and dictionaries", "use names, or a list"
    what = type(node).__name__
    return f"{ast.unparse(node)!r} is not part of a formula ({what})", None


def no_number(value: Any) -> tuple[str, str | None]:
    """Return why a value isn't a number, and what to write."""
    if isinstance(value, Outside) and isinstance(value.value, float):
        what = "NaN" if value.value != value.value else "infinity"
        advice = f"give bounds=, or subject_to=, instead of {what} outside of them"
        return f"a formula has no {what}", advice
    if isinstance(value, Outside):
        kind = type(value.value).__name__
        return f"{value.name!r} is no number, but of type {kind}", None
    if isinstance(value, Library):
        return f"{value.path} is a function or a module, not a number", None
    if isinstance(value, ArrayShape):
        return "a shape is no number", f"write len({value.array.id})"
    name = getattr(value, "name", "this")
    return f"{name} is a function, not a number: call it", None
