"""What is known of a Python function's expressions while it is read."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

from symgd.errors import FormulaError
from symgd.language.python.values import Frame, Names, NotKnownYet, Outside

_NUMBERS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: lambda a, b: _small_power(a, b),
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}


class Knowing:
    """Computes with what doesn't depend on variables: whole numbers, texts, truths."""

    def __init__(self, names: Names, place: Frame) -> None:
        self.names = names
        self.place = place

    def error(
        self, node: ast.AST, problem: str, advice: str | None = None
    ) -> FormulaError:
        """Return the error that shows a node."""
        return self.place.error(node, problem, advice)

    def known(self, node: ast.AST | Any) -> Any:
        """Return the number, text, or truth that a tree is.

        Raises
        ------
        NotKnownYet
            If it depends on variables, or on an index.
        """
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self.names.known(node.id)
        if isinstance(node, (ast.UnaryOp, ast.BinOp)):
            parts = (
                [node.operand]
                if isinstance(node, ast.UnaryOp)
                else [node.left, node.right]
            )
            values = [self.known(part) for part in parts]
            if type(node.op) in _NUMBERS and not any(
                isinstance(v, str) for v in values
            ):
                try:
                    return _NUMBERS[type(node.op)](*values)
                except (ArithmeticError, TypeError):
                    raise NotKnownYet from None
        if isinstance(node, ast.Compare):
            values = [self.known(each) for each in (node.left, *node.comparators)]
            if all(type(op) in _NUMBERS for op in node.ops):
                pairs = zip(node.ops, values, values[1:], strict=False)
                return all(_NUMBERS[type(op)](a, b) for op, a, b in pairs)
        if isinstance(node, ast.BoolOp):
            return self._known_choice(node)
        if isinstance(node, Outside):
            return node.value
        raise NotKnownYet

    def _known_choice(self, node: ast.BoolOp) -> bool:
        ends = isinstance(node.op, ast.Or)  # one that is true ends an "or"
        unknown = False
        for part in node.values:
            try:
                if bool(self.known(part)) is ends:
                    return ends
            except NotKnownYet:
                unknown = True
        if unknown:
            raise NotKnownYet
        return not ends


def _small_power(a: Any, b: Any) -> Any:
    if not (isinstance(a, int) and isinstance(b, int) and 0 <= b < 64 > abs(a)):
        raise TypeError
    return a**b
