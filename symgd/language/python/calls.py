"""Calls in a Python function: of libraries, of methods, of functions with a source."""

from __future__ import annotations

import ast
import math
from typing import Any

from symgd.language.functions import FUNCTIONS
from symgd.language.python.expressions import LISTS, STARS, has_items
from symgd.language.python.python_elements import Elements
from symgd.language.python.python_source import is_function
from symgd.language.python.values import (
    Inner,
    Library,
    Listed,
    NotKnownYet,
    Outside,
    is_array,
)

_OPERATORS: dict[str, type[ast.operator]] = {
    "add": ast.Add,
    "subtract": ast.Sub,
    "multiply": ast.Mult,
    "divide": ast.Div,
    "true_divide": ast.Div,
    "dot": ast.MatMult,
    "inner": ast.MatMult,
    "matmul": ast.MatMult,
    "power": ast.Pow,
    "float_power": ast.Pow,
    "pow": ast.Pow,
}
_SAME = (  # of their only argument: they change what it is kept in
    *("asarray", "array", "asanyarray", "ascontiguousarray", "float", "float64"),
    *(
        "list",
        "tuple",
        "atleast_1d",
        "copy",
        "ravel",
        "tensor",
        "as_tensor",
        "asfarray",
    ),
)
_SAME_METHODS = ("copy", "ravel", "flatten", "astype", "tolist", "to_numpy", "clone")
_SUMS = ("sum", "fsum", "prod", "product", "nansum")
_EXTREMES = ("max", "min", "amax", "amin")
_NAMES_OF_MODULES = {
    "numpy": "np",
    "jax.numpy": "jnp",
    "autograd.numpy": "np",
    "math": "math",
    "torch": "torch",
}
_INFINITE = ("inf", "-inf", "nan")
_CHOOSE = ("max", "min", "maximum", "minimum")
_NEUTRAL = {"max": -math.inf, "min": math.inf}  # of which others are chosen
_ONE = ("mod", "maximum", "minimum")  # elementwise, of two arguments


class Calls(Elements):
    """Reads the calls of one place in Python code."""

    def _of_Call(self, node: ast.Call) -> Any:
        if isinstance(node.func, ast.Attribute):
            base = self.value(node.func.value)
            if isinstance(base, (ast.expr, Listed)):
                return self._method(node, node.func, base)
        function = self.value(node.func)
        if isinstance(function, Library):
            return self._library(node, function)
        if isinstance(function, Inner) or (
            isinstance(function, Outside) and is_function(function.value)
        ):
            return self.called(node, function)
        name = ast.unparse(node.func)
        if isinstance(function, Outside):
            problem = f"{name} has no source in Python, so it can't be read"
            raise self.error(node.func, problem, "write out what it computes")
        raise self.error(node.func, f"{name} is no function here", "write * for times")

    def called(self, node: ast.Call, function: Any) -> Any:
        """Return what a function returns whose source is known."""
        raise NotImplementedError

    def written_list(self, node: ast.expr) -> Listed | None:
        """Return the numbers of a comprehension, where they are few."""
        raise NotImplementedError

    def _method(self, node: ast.Call, func: ast.Attribute, base: Any) -> Any:
        if func.attr in _SAME_METHODS:
            return base
        if isinstance(base, Listed):
            reduced = (*_SUMS, *_EXTREMES, "mean")
            if func.attr in reduced and not (node.args or node.keywords):
                return self._reduced(node, func.attr, base)
            if func.attr == "dot" and len(node.args) == 1:
                product = ast.BinOp(func.value, ast.MatMult(), node.args[0])
                return self._of_BinOp(ast.copy_location(product, node))
            problem = f"a list has no method {func.attr!r} in a formula"
            advice = (
                "write the list at once: [a, b]" if func.attr == "append" else LISTS
            )
            raise self.error(node, problem, advice)
        method = self.place.placed(ast.Attribute(base, func.attr, ast.Load()), func)
        return self._handed_on(node, method)

    def _handed_on(self, node: ast.Call, func: ast.expr) -> ast.expr:
        """Return a call for whoever reads formulas."""
        arguments = [self._given(each, func) for each in node.args]
        keywords = []
        for each in node.keywords:
            if each.arg != "dtype":
                word = ast.keyword(each.arg, self._given(each.value, func))
                keywords.append(self.place.placed(word, each))
        return self.place.placed(ast.Call(func, arguments, keywords), node)

    def _given(self, node: ast.expr, func: ast.expr) -> ast.expr:
        """Return an argument as a tree; infinity is an order of norms."""
        value = self.value(node)
        if isinstance(func, ast.Attribute) and func.attr == "norm":
            order = self.place.placed(ast.Name("inf", ast.Load()), node)
            if _is_infinity(value, math.inf):
                return order
            if _is_infinity(value, -math.inf):
                return self.place.placed(ast.UnaryOp(ast.USub(), order), node)
        return self.as_tree(value, node)

    def _library(self, node: ast.Call, function: Library) -> Any:
        name, count = function.name, len(node.args)
        if "random" in function.path.split("."):
            problem = "a formula has no random numbers"
            raise self.error(node, problem, "draw them before, as data")
        if name in _UNDONE:
            raise self.error(node, *_UNDONE[name])
        if name in ("dot", "inner", "matmul"):
            values = [self.value(each) for each in node.args]
            if not all(isinstance(each, Listed) for each in values):
                return self._handed_on(node, self._dotted(node.func, function))
        if name in _OPERATORS and count == 2:
            op, (a, b) = _OPERATORS[name](), node.args
            same_place = ast.copy_location(ast.BinOp(a, op, b), node)
            return self._of_BinOp(same_place)
        if name == "square" and count == 1:
            two = ast.copy_location(ast.Constant(2), node)
            return self._of_BinOp(
                ast.copy_location(ast.BinOp(node.args[0], ast.Pow(), two), node)
            )
        if count == 1:
            if name in _SAME:
                return self._same(node, function)
            if name in ("len", "size"):
                return self._counted(node, self.value(node.args[0]))
            if name == "int":
                return self._whole_number(node)
            if name in (*_SUMS, *_EXTREMES, "mean", "norm"):
                few = self.written_list(node.args[0]) if name in _EXTREMES else None
                value = self.value(node.args[0]) if few is None else few
                return self._reduced(node, name, value, function)
        if name in FUNCTIONS or name in ("absolute", "fabs"):
            return self._function(node, function)
        return self._handed_on(node, self._dotted(node.func, function))

    def _same(self, node: ast.Call, function: Library) -> Any:
        value = self.value(node.args[0])
        if isinstance(value, ast.Constant) and value.value in _INFINITE:
            return Outside(float(value.value), str(value.value))
        if isinstance(value, Outside) and is_array(value.value):
            return self.as_tree(value, node)
        if isinstance(value, Listed):
            return _as_array(value, function.root != "builtins")
        return value

    def _counted(self, node: ast.Call, value: Any) -> Any:
        if isinstance(value, Listed):
            return self.place.placed(ast.Constant(len(value.items)), node)
        if isinstance(value, Outside) and has_items(value.value):
            if not is_array(value.value):
                return self.place.placed(ast.Constant(len(value.value)), node)
            value = self.as_tree(value, node)
        if isinstance(value, ast.Name):
            return self.length(value, 0, node)
        return self._handed_on(node, ast.Name("len", ast.Load()))

    def _whole_number(self, node: ast.Call) -> ast.expr:
        tree = self.expression(node.args[0])
        try:
            return self.place.placed(ast.Constant(int(self.known(tree))), node)
        except NotKnownYet:
            advice = "write floor(...), whose derivative is 0"
            raise self.error(node, "int is of a number that is known", advice) from None

    def _function(self, node: ast.Call, function: Library) -> Any:
        """Return a call of a function that formulas have, element by element."""
        name = "abs" if function.name in ("absolute", "fabs") else function.name
        plain = function.root == "builtins" or name not in _EXTREMES
        if not plain or node.keywords or (name in _ONE and len(node.args) != 2):
            return self._handed_on(node, self._dotted(node.func, function))
        if any(isinstance(each, ast.Starred) for each in node.args):
            raise self.error(node, *STARS)
        func = self.place.placed(ast.Name(name, ast.Load()), node.func)

        def made(*parts: Any) -> ast.expr:
            arguments = [self.as_tree(part, node) for part in parts]
            return self.place.placed(ast.Call(func, arguments, []), node)

        parts = [self.value(each) for each in node.args]
        if (neutral := _NEUTRAL.get(name[:3])) is not None and name in _CHOOSE:
            finite = [each for each in parts if not _is_infinity(each, neutral)]
            parts = finite or parts
            if len(parts) < len(node.args) and len(parts) == 1:
                return parts[0]
        return self._elementwise(node, made, *parts)

    def _dotted(self, node: ast.AST, function: Library) -> ast.expr:
        """Return a function's name as people write it."""
        room, _, name = function.path.rpartition(".")
        for path, short in _NAMES_OF_MODULES.items():
            if room == path or room.startswith(f"{path}."):
                room = short + room[len(path) :]
                break
        parts = [*room.split("."), name] if room and room != "builtins" else [name]
        parts = [part for part in parts if not part.startswith("_")]
        tree: ast.expr = self.place.placed(ast.Name(parts[0], ast.Load()), node)
        for part in parts[1:]:
            made = ast.Attribute(tree, part, ast.Load())
            tree = self.place.placed(made, node)
        return tree

    def _reduced(
        self, node: ast.Call, name: str, value: Any, function: Library | None = None
    ) -> Any:
        """Return the sum, product or extreme of what is in a list, or in an array."""
        short = "prod" if name.startswith("prod") else "sum"
        short = short if name in _SUMS else name.removeprefix("a")
        if isinstance(value, Listed) and not node.keywords:
            if any(isinstance(each, Listed) for each in value.items):
                raise self.error(node, f"{name} of rows isn't read", LISTS)
            return self.combined(node, short, value)
        if isinstance(value, ast.GeneratorExp) and not node.keywords:
            func = self.place.placed(ast.Name(short, ast.Load()), node.func)
            return self.place.placed(ast.Call(func, [value], []), node)
        func = ast.Name(name, ast.Load())
        if function is not None:
            func = self._dotted(node.func, function)
        return self._handed_on(node, func)


def _is_infinity(value: Any, number: float) -> bool:
    infinite = isinstance(value, Outside) and isinstance(value.value, float)
    return infinite and value.value == number


def _as_array(value: Listed, is_array: bool) -> Listed:
    inner = (
        _as_array(each, is_array) if isinstance(each, Listed) else each
        for each in value.items
    )
    return Listed(tuple(inner), is_array)


_UNDONE = {
    "print": ("print does something, and a formula only has a value", "leave it out"),
    "input": ("a formula can't ask", "give the number as an argument"),
    "open": ("a formula reads no files", "read the data before"),
    "map": ("a formula has no map", "write g(v) for v in x"),
    "filter": ("a formula has no filter", "write v for v in x if v > 0"),
}
