"""What the lines of a rule's text are, and which names their formulas read."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from symgd.errors import FormulaError
from symgd.language.plain import plain_number

REDUCTIONS = ("dot", "norm", "mean")
OF_ARRAYS = ("array_dot", "array_norm", "array_mean")
DERIVATIVES = ("g", "hvp")  # that are called
ELSEWHERE = ("f", *DERIVATIVES)
NOISE = "noise"


def assignment(line: str) -> tuple[str, str]:
    """Split ``name = formula``, the comment dropped."""
    text = line.split("#")[0].rstrip()
    match = re.fullmatch(r"\s*([^\W\d]\w*)\s*=(?!=)(.*)", text)
    if match is None or not match[2].strip():
        problem = "an equation is expected, such as x = x - step_size*g, in one line"
        raise FormulaError(problem, text.strip(), 0)
    if ";" in text:
        raise FormulaError("one equation a line", text.strip(), text.strip().index(";"))
    # As Python's parser writes the names that it reads.
    return unicodedata.normalize("NFKC", match[1]), match[2]


def default(part: str) -> tuple[str, Any]:
    """Read ``name=value`` of a line of defaults."""
    name, equals, value = (piece.strip() for piece in part.partition("="))
    if not (equals and name.isidentifier() and value):
        problem = "defaults are expected, such as with step_size=0.01, beta=0.9"
        raise FormulaError(problem, f"with {part.strip()}")
    number, text = plain_number(value), value.strip("'\"")
    return name, text if number is None else number


def enter(values: dict[str, Any], pairs: Iterable[tuple[str, Any]], line: str) -> None:
    """Add names and values; a name that comes twice is a mistake."""
    for name, value in pairs:
        if name in values:
            raise FormulaError(f"{name!r} is given twice", line)
        values[name] = value


def start_of(part: str) -> tuple[str, str]:
    """Read ``name starts at formula``."""
    name, between, formula = part.partition(" starts at ")
    if not between or not formula.strip():
        problem = "initial values are expected, such as where m starts at g"
        raise FormulaError(problem, f"where {part.strip()}")
    return name.strip(), formula.strip()


def _nodes(formula: str) -> list[ast.AST]:
    """Return the syntax nodes of a formula, none if it can't be parsed."""
    try:
        return list(ast.walk(ast.parse(formula.strip(), mode="eval")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # what is wrong is said when the formula is read


def calls_in(formula: str) -> list[Any]:
    """Return the calls of named functions."""
    calls = [node for node in _nodes(formula) if isinstance(node, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Name)]


def names_in(formula: str, reduced: bool = True) -> set[str]:
    """Return the names that a formula reads, as far as it can be read.

    A derivative that is called reads the gradient, and so does noise: what differs
    between coordinates. Without ``reduced``, names don't count that are only read
    inside of what is the same for all coordinates: reductions, and values at points.
    """
    nodes, hidden, evaluated = _nodes(formula), set[int](), set[int]()
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            inner = not reduced and node.func.id in (*REDUCTIONS, "f")
            hidden |= {id(part) for part in (ast.walk(node) if inner else [node.func])}
            varies = node.func.id in (*DERIVATIVES, NOISE)
            evaluated |= {id(node)} if varies else set()
    names = (node for node in nodes if isinstance(node, ast.Name))
    read = {node.id for node in names if id(node) not in hidden}
    return read | ({"g"} if evaluated - hidden else set())
