"""Loops of a Python function as the sums, products and extremes that they are.

Elsewhere: recognition of reductions.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from symgd.errors import FormulaError
from symgd.language.python.python_loops import Loops, Passes
from symgd.language.python.scopes import assigned, changes_of, head_of
from symgd.language.python.values import Missing, NotKnownYet, Outside


class LoopPass(NamedTuple):
    """A step of a loop that is written out: what its target stands for."""

    target: ast.expr
    value: Any
    loop: int


class LoopEnd(NamedTuple):
    """The end of a loop that is written out."""

    loop: int


class NoSum(Exception):
    """Raised where a loop's passes depend on each other in another way than a sum's."""

    def __init__(self, node: ast.AST, problem: str) -> None:
        super().__init__(problem)
        self.node, self.problem = node, problem


def holds(tree: ast.AST, name: str) -> bool:
    """Return whether a name is anywhere in a tree; what is shared is seen once."""
    seen: set[int] = set()
    pending = [tree]
    while pending:
        node = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, ast.Name) and node.id == name:
            return True
        pending += ast.iter_child_nodes(node)
    return False


def gained(tree: ast.expr, name: str, node: ast.AST) -> tuple[str, ast.expr | None]:
    """Return how a pass changes a number, and by what: ("sum", what is added).

    Raises
    ------
    NoSum
        If it is neither added to nor multiplied, nor an extreme.
    """
    if isinstance(tree, ast.Name) and tree.id == name:
        return "", None
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, tuple(_KINDS)):
        return _by_operation(tree, name, node)
    if isinstance(tree, ast.IfExp) and not holds(tree.test, name):
        one, other = (gained(t, name, node) for t in (tree.body, tree.orelse))
        kind = one[0] or other[0]
        if {one[0], other[0]} <= {kind, ""} and kind in ("sum", "prod"):
            nothing = ast.Constant(0 if kind == "sum" else 1)
            nothing = _placed_like(nothing, tree)
            chosen = ast.IfExp(tree.test, one[1] or nothing, other[1] or nothing)
            return kind, _placed_like(chosen, tree)
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        inner = [each for each in tree.args if not _is_name(each, name)]
        alone = len(inner) == len(tree.args) - 1 == 1 and not holds(inner[0], name)
        if alone and tree.func.id in ("max", "min", "maximum", "minimum"):
            return tree.func.id[:3], inner[0]
    raise NoSum(node, f"{name.rstrip(_MARK)} isn't summed up here")


def _by_operation(
    tree: ast.BinOp, name: str, node: ast.AST
) -> tuple[str, ast.expr | None]:
    kind, inverse = _KINDS[type(tree.op)]
    sides = holds(tree.left, name), holds(tree.right, name)
    if sides == (True, False):
        inner, term = gained(tree.left, name, node), tree.right
    elif sides == (False, True) and not inverse:
        inner, term = gained(tree.right, name, node), tree.left
    else:
        raise NoSum(node, f"{name.rstrip(_MARK)} isn't summed up here")
    if inner[0] not in ("", kind):
        raise NoSum(node, f"{name.rstrip(_MARK)} is both added to and multiplied")
    if inverse and kind == "sum" and inner[1] is None:
        return kind, _placed_like(ast.UnaryOp(ast.USub(), term), tree)
    first = inner[1] or _placed_like(ast.Constant(1), tree)
    if inner[1] is None and not inverse:
        return kind, term
    return kind, _placed_like(ast.BinOp(first, tree.op, term), tree)


_MARK = "'"  # ends the name of what a pass begins with: nobody can write it
_KINDS: dict[type, tuple[str, bool]] = {
    ast.Add: ("sum", False),
    ast.Sub: ("sum", True),
    ast.Mult: ("prod", False),
    ast.Div: ("prod", True),
}


def carried(name: str) -> str:
    """Return what stands for a number that a pass begins with."""
    return name + _MARK


def _is_name(tree: ast.expr, name: str) -> bool:
    return isinstance(tree, ast.Name) and tree.id == name


def _placed_like(made: Any, tree: ast.AST) -> Any:
    ast.copy_location(made, tree)
    if hasattr(tree, "origin"):
        made.origin = tree.origin
    return made


_NEUTRAL = {"sum": 0, "prod": 1}
_INFINITIES = {"max": -math.inf, "min": math.inf}
LOOP = "for"  # in the names of a place: the loop that is read as a sum


def _is_infinite(value: Any) -> bool:
    return isinstance(value, Outside) and isinstance(value.value, float)


class SumLoops(Loops):
    """Reads loops as sums, or writes them out."""

    summing = 0  # how many sums are around

    def run(self, steps: Sequence[Any]) -> Any:
        """Read statements."""
        raise NotImplementedError

    def _loop(self, step: ast.For) -> tuple[Any, ...]:
        """Read a loop as a sum; if it is none, return its passes as statements."""
        if step.orelse:
            problem = "'else' of a loop is not part of a formula"
            raise self.error(step.orelse[0], problem, "write it after the loop")
        passes = self.passes(step.iter)
        before, fixed = dict(self.place.names), {*self.names.fixed}
        reason = None
        try:
            self._summed(step, passes)
            return ()
        except (NoSum, NotKnownYet) as refused:
            self.place.names, self.names.fixed = before, fixed
            reason = refused if isinstance(refused, NoSum) else None
        try:
            values = self.written_out(passes, step.iter)
        except NotKnownYet:
            if self.summing:
                raise
            raise self._no_sum(step, reason) from None
        loop = id(step)
        written: list[Any] = []
        for value in values:
            written += [LoopPass(step.target, value, loop), *step.body]
        return (*written, LoopEnd(loop))

    def _no_sum(self, step: ast.For, reason: NoSum | None) -> FormulaError:
        advice = (
            "a loop adds up, s += ..., multiplies, or has a length that is known: "
            "with numbers in range(...), or by a start x0"
        )
        if reason is None:
            problem = "the passes of this loop aren't those of a sum"
            return self.error(step.iter, problem, advice)
        problem = f"the loop is no sum: {reason.problem}"
        return self.error(head_of(reason.node), problem, advice)

    def _summed(self, step: ast.For, passes: Passes) -> None:
        before = dict(self.place.names)
        changed = assigned(step.body)
        marks = {}
        for name in changed & before.keys():
            if isinstance(before[name], ast.expr) or _is_infinite(before[name]):
                marks[name] = self.place.placed(ast.Name(carried(name)), step)
        self.place.names.update(marks)
        clause = self.clause(step.target, passes, step.iter)
        self.place.names[LOOP] = step
        self.summing += 1
        try:
            self.run(step.body)
        finally:
            self.summing -= 1
        after, self.place.names = self.place.names, before
        self._check_apart(step, marks, after)
        for name in {*changed, *assigned([step])}:
            mark, value = marks.get(name), after.get(name)
            if mark is None and name in before and name in changed:
                raise NoSum(step, f"{name} is another thing after each pass")
            if mark is not None and value is mark:
                continue
            if mark is None or value is None or not holds(value, mark.id):
                before[name] = Missing("is what the last pass of a loop leaves")
                continue
            node = changes_of(step.body, name)
            terms = gained(self.as_tree(value, step), mark.id, node)
            if terms[0] in _INFINITIES and self.is_short(passes):
                raise NoSum(node, "an extreme of few numbers is written out")
            for each in marks.values():
                if terms[1] is not None and holds(terms[1], each.id):
                    what = each.id.rstrip("'")
                    raise NoSum(node, f"what is added depends on {what} before")
            before[name] = self._with_sum(before[name], clause, terms, step)

    def _check_apart(
        self, step: ast.For, marks: Mapping[str, ast.Name], after: Mapping[str, Any]
    ) -> None:
        """Refuse passes that go on with lists, or functions, of the pass before."""
        for name, value in after.items():
            if name in marks and not isinstance(value, ast.expr):
                raise NoSum(step, f"{name} is another thing after each pass")

    def _with_sum(
        self,
        begin: Any,
        clause: ast.comprehension,
        terms: tuple[str, ast.expr | None],
        step: ast.For,
    ) -> ast.expr:
        kind, term = terms
        if term is None:
            return begin
        tests = list(clause.ifs)
        if isinstance(term, ast.IfExp) and kind in ("sum", "prod"):
            nothing = term.orelse
            if isinstance(nothing, ast.Constant) and nothing.value == _NEUTRAL[kind]:
                tests, term = [*tests, term.test], term.body
        own = ast.comprehension(clause.target, clause.iter, tests, 0)
        placed = self.place.placed
        inner = placed(ast.GeneratorExp(term, [own]), step.iter)
        func = placed(ast.Name(kind, ast.Load()), step.iter)
        whole = placed(ast.Call(func, [inner], []), step.iter)
        neutral = _NEUTRAL.get(kind)
        if isinstance(begin, ast.Constant) and begin.value == neutral:
            return whole
        if _is_infinite(begin):
            if begin.value != _INFINITIES.get(kind):
                raise NoSum(step, "it begins with infinity")
            return whole
        if neutral is None:
            func = placed(ast.Name(kind, ast.Load()), step.iter)
            return placed(ast.Call(func, [begin, whole], []), step.iter)
        op = ast.Add() if kind == "sum" else ast.Mult()
        return placed(ast.BinOp(begin, op, whole), step.iter)
