"""Relations between formulas: ``x + y == 10``, ``x[i] <= r for i in range(n)``.

Elsewhere: constraints.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import sympy as sp

from symgd.errors import FormulaError
from symgd.language.as_written import both
from symgd.language.checking import checked
from symgd.language.functions import FUNCTIONS
from symgd.language.nodes import NOT_REAL
from symgd.language.notation.extents import Measured
from symgd.language.notation.indexed_form import Shapes
from symgd.language.reading import Reader

_SENSES: dict[type, str] = {
    ast.Eq: "==",
    ast.LtE: "<=",
    ast.Lt: "<=",
    ast.GtE: ">=",
    ast.Gt: ">=",
}
_OF_SYMPY: dict[Any, str] = {
    sp.Eq: "==",
    sp.Le: "<=",
    sp.Lt: "<=",
    sp.Ge: ">=",
    sp.Gt: ">=",
}
_INFINITE = {"inf", "Inf", "infinity", "oo"}
_ONE_EQUALS = re.compile(r"(?<![=<>!])=(?!=)([<>]?)")


class Relation(NamedTuple):
    """What a formula is to be: 0, at most 0, at least 0; or between two formulas.

    Attributes
    ----------
    text : str
        As it was written.
    body : SymPy expression
        The left side without the right one; of a chain, what is in the middle.
    sense : str
        ``==``, ``<=``, ``>=``, or ``between``.
    low, high : SymPy expression
        Of a chain, the outer ones.
    limits : tuple of (index, first, last)
        Of a family, the innermost first: there is a relation for each index.
    condition : SymPy condition
        Of a family: for which indices.
    measured : Measured
        How long whole arrays are.
    """

    text: str
    body: sp.Expr
    sense: str
    low: sp.Expr = sp.S.Zero
    high: sp.Expr = sp.S.Zero
    limits: tuple[tuple[sp.Symbol, sp.Expr, sp.Expr], ...] = ()
    condition: Any = sp.true
    measured: Measured = Measured()

    def parts(self) -> tuple[sp.Expr, ...]:
        """Return the formulas in it."""
        return self.body, self.low, self.high


def read_relation(
    given: Any, names: Mapping[str, sp.Expr], shapes: Shapes | None = None
) -> Relation:
    """Return the relation that a text or SymPy's own says.

    One between whole arrays, of which ``shapes`` tells, is a family.

    Raises
    ------
    FormulaError
        If it is none, with what to write.

    Examples
    --------
    >>> read_relation("x**2 + y <= 4", {}).body
    x**2 + y - 4
    >>> read_relation("1 <= x + y <= 2", {}).high
    2
    >>> read_relation("A @ x <= b", {}, Shapes({"A": (2, 3), "b": (2,)})).limits
    ((i, 0, n - 1),)
    >>> read_relation("x[i+1] >= x[i] for i in range(n - 1)", {}).limits
    ((i, 0, n - 2),)
    """
    if isinstance(given, str):
        reader = _RelationReader(given, names, False, FUNCTIONS, True, shapes)
        return reader.relation()
    if given in (True, False, sp.true, sp.false):
        told = "always holds" if given else "never holds"
        problem = f"a relation that SymPy has evaluated {told}"
        raise FormulaError(f"{problem}: write it as text, such as 'x + y == 1'")
    for kind, sense in _OF_SYMPY.items():
        if isinstance(given, kind):
            sides = (checked(each, names, False, True) for each in given.args)
            left, right = sides
            return Relation(f"{left} {sense} {right}", left - right, sense)
    if isinstance(given, sp.Ne):
        raise FormulaError("!= can't be a constraint: almost every point satisfies it")
    what = type(given).__name__
    raise FormulaError(
        f"a constraint is a relation, such as 'x + y <= 1', not of type {what}"
    )


def _is_inside(found: re.Match[str]) -> bool:
    """Return whether a sign is inside of brackets, as the = of a keyword is."""
    before = found.string[: found.start()]
    return any(before.count(a) > before.count(b) for a, b in ("()", "[]"))


class _RelationReader(Reader):
    """Reads one relation, or a family of them."""

    def relation(self) -> Relation:
        if (found := _ONE_EQUALS.search(self.text)) and not _is_inside(found):
            problem, hint = "a single = is no relation", "write == for an equality"
            if sign := found[1]:
                problem, hint = f"{found[0]} is no relation", f"write {sign}="
            raise FormulaError(problem, self.text, *found.span(), hint)
        family = re.search(r"\bfor\b", self.text)
        tree = self._tree("(", ")") if family else self._tree()
        with self._understood():
            return self._related(self._family(tree))

    def _family(self, tree: ast.expr) -> ast.expr:
        """Return a relation with indices: between arrays, there is one for each."""
        if isinstance(tree, ast.GeneratorExp):
            whole = self._indexed(_as_sum(tree))
            assert isinstance(whole, ast.Call)
            return whole.args[0]
        return self._indexed(tree) if isinstance(tree, ast.Compare) else tree

    def _related(self, tree: ast.expr) -> Relation:
        limits: list[Any] = []
        conditions: list[Any] = []
        if isinstance(tree, ast.GeneratorExp):
            for index, ends, tests in self._clauses(_as_sum(tree)):
                limits.insert(0, self._limit(index, *ends))
                conditions += [self._condition(test) for test in tests]
            tree = tree.elt
        if isinstance(tree, (ast.BoolOp, ast.UnaryOp)) and not isinstance(
            getattr(tree, "op", None), (ast.USub, ast.UAdd)
        ):
            problem = "and, or, not can't join constraints"
            raise self._error(tree, problem, "give a list of relations: all hold then")
        if isinstance(tree, (ast.Tuple, ast.List)):
            several = ", ".join(repr(self._source(each)) for each in tree.elts)
            problem = "a text is one relation"
            raise self._error(tree, problem, f"give subject_to=[{several}]")
        if not isinstance(tree, ast.Compare):
            shown = self._source(tree)
            problem = "a constraint is a relation"
            raise self._error(tree, problem, f"write {shown} == 0, or {shown} <= 0")
        if wrong := [op for op in tree.ops if type(op) not in _SENSES]:
            problem = "this relation can't be a constraint"
            if isinstance(wrong[0], ast.NotEq):
                problem = "!= can't be a constraint: almost every point satisfies it"
            raise self._error(tree, problem, "relations are ==, <= and >=")
        for side in (tree.left, *tree.comparators):
            self._check_is_finite(side)
        senses = [_SENSES[type(op)] for op in tree.ops]
        parts = [self._value(part) for part in (tree.left, *tree.comparators)]
        if any(part.has(*NOT_REAL) for part in parts):
            raise FormulaError("the constraint is not finite and real", self.text)
        text, condition = self.text.strip(), both(*conditions)
        family = tuple(limits), condition, self.measured
        if len(senses) == 1:
            body = parts[0] - parts[1]
            zero = sp.S.Zero
            return Relation(text, body, senses[0], zero, zero, *family)
        if len(senses) > 2 or senses[0] != senses[1] or "==" in senses:
            problem = "a chain has two relations in one direction: a <= b <= c"
            raise self._error(
                tree, problem, "give the others as relations of their own"
            )
        low, body, high = parts if senses[0] == "<=" else parts[::-1]
        return Relation(text, body, "between", low, high, *family)

    def _check_is_finite(self, side: ast.expr) -> None:
        """Refuse a side that is infinite, unless it is a variable of that name."""
        plain = side.operand if isinstance(side, ast.UnaryOp) else side
        if isinstance(plain, ast.Name) and plain.id in _INFINITE - {*self.names}:
            problem = "a side that is infinite is no constraint"
            raise self._error(side, problem, "leave it out")


def _as_sum(family: ast.GeneratorExp) -> ast.Call:
    """Return a sum over the indices of a family, which is read like one."""
    function = ast.copy_location(ast.Name("sum", ast.Load()), family)
    return ast.copy_location(ast.Call(function, [family], []), family)
