"""Loops of a Python function: what they go over, and the sums that they add up.

Elsewhere: recognition of reductions.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from symgd.language.notation.ranks import called
from symgd.language.python.calls import Calls
from symgd.language.python.values import (
    ArrayShape,
    Library,
    Listed,
    NotKnownYet,
    Outside,
    is_array,
)

FEW = 64  # numbers of which an extreme is written out
MOST_PASSES = 1000  # of a loop that is written out
UNROLLED = "its length isn't known here: write it as a sum, or give a start x0"


@dataclass(frozen=True, eq=False)
class Passes:
    """What a loop goes over: a range, and what is at each place of it."""

    arguments: tuple[ast.expr, ...]  # of range
    at: Callable[[ast.expr], Any]
    is_range: bool = False  # what is at a place is the number itself


class Loops(Calls):
    """Reads what loops and comprehensions go over."""

    def passes(self, node: ast.expr) -> Passes:
        """Return what a loop over an expression goes through."""
        if isinstance(node, ast.Call):
            function = (
                self.value(node.func)
                if isinstance(node.func, (ast.Name, ast.Attribute))
                and not self._is_method(node)
                else None
            )
            if isinstance(function, Library):
                if function.name in ("range", "arange"):
                    return self._range(node)
                if function.name == "enumerate" and node.args:
                    return self._enumerated(node)
                if function.name == "zip" and node.args:
                    return self._zipped(node)
        value = self.value(node)
        if isinstance(value, Outside) and is_array(value.value):
            value = self.as_tree(value, node)
        if isinstance(value, Outside) and type(value.value) in (list, tuple):
            value = Listed(self.parts(value, len(value.value), node))
        if isinstance(value, Listed):
            items, count = value, ast.Constant(len(value.items))
            self.place.placed(count, node)
            return Passes((count,), lambda k: self.element(items, [k], node))
        if isinstance(value, (ast.Name, ast.Subscript)):
            return self._over_array(value, node)
        problem = f"a loop over {ast.unparse(node)} is no sum over an index"
        raise self.error(node, problem, "write for i in range(n), or over an array")

    def _is_method(self, node: ast.Call) -> bool:
        if not isinstance(node.func, ast.Attribute):
            return False
        return isinstance(self.value(node.func.value), (ast.expr, Listed))

    def _over_array(self, value: ast.expr, node: ast.expr) -> Passes:
        base, axis = value, 0
        if isinstance(value, ast.Subscript):  # a row of a matrix
            inner = value.slice
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            base, axis = value.value, len(parts)
            if any(isinstance(part, ast.Slice) for part in parts):
                problem = "a loop over a slice is no sum over an index"
                raise self.error(node, problem, "write for i in range(1, n), say")
        if not isinstance(base, ast.Name):
            problem = f"a loop over {ast.unparse(node)} is no sum over an index"
            raise self.error(node, problem, "write for i in range(n)")
        count = self.length(base, axis, node)
        return Passes((count,), lambda k: self.element(value, [k], node))

    def _range(self, node: ast.Call) -> Passes:
        if node.keywords or not 1 <= len(node.args) <= 3:
            raise self.error(node, "a range has one to three numbers", "range(n)")
        arguments = tuple(self.expression(each) for each in node.args)
        return Passes(arguments, lambda k: k, True)

    def _enumerated(self, node: ast.Call) -> Passes:
        first, *start = node.args
        start += [each.value for each in node.keywords]
        inner = self.passes(first)
        if len(inner.arguments) > 1:
            raise self.error(node, "enumerate goes over an array here", "use range")
        begin = self.expression(start[0]) if start else None

        def at(k: ast.expr) -> Listed:
            count = k if begin is None else self._binary(node, ast.Add(), begin, k)
            return Listed((count, inner.at(k)))

        return Passes(inner.arguments, at)

    def _zipped(self, node: ast.Call) -> Passes:
        inner = [self.passes(each) for each in node.args]
        if any(len(each.arguments) > 1 for each in inner):
            raise self.error(node, "zip goes over arrays here", "use one range")
        # One too long for an array is refused where the array is indexed.
        counts = [each.arguments[0] for each in inner]
        found = [(self._length_of(count), count) for count in counts]
        known = [(length, count) for length, count in found if length is not None]
        count = counts[0]
        if len(known) == len(counts):
            count = min(known, key=lambda pair: pair[0])[1]
        elif any(each.is_range for each in inner):
            raise self.error(node, "zip goes over arrays here", "use enumerate")
        return Passes((count,), lambda k: Listed(tuple(each.at(k) for each in inner)))

    def _length_of(self, count: ast.expr) -> int | None:
        fixed = {*self.names.fixed}
        try:
            return int(self.known(count))
        except NotKnownYet:
            return None
        finally:
            self.names.fixed = fixed

    def written_out(self, passes: Passes, node: ast.AST) -> list[Any]:
        """Return what is at each place, one after the other.

        Raises
        ------
        NotKnownYet
            If the length isn't known.
        """
        ends = [self.known(each) for each in passes.arguments]
        if not all(isinstance(end, int) for end in ends):
            raise self.error(node, "the ends of a range are whole numbers", "range(n)")
        numbers = range(*ends)
        if len(numbers) > MOST_PASSES:
            problem = f"a loop of {len(numbers)} passes that is no sum is too long"
            raise self.error(node, problem, f"at most {MOST_PASSES} are written out")
        return [passes.at(self._number(k, node)) for k in numbers]

    def is_short(self, passes: Passes) -> bool:
        """Return whether there are few passes, as far as is known."""
        fixed = {*self.names.fixed}
        try:
            ends = [self.known(each) for each in passes.arguments]
            return len(range(*ends)) <= FEW
        except (NotKnownYet, TypeError):
            return False
        finally:
            self.names.fixed = fixed

    def _number(self, number: int, node: ast.AST) -> ast.expr:
        size = self.place.placed(ast.Constant(abs(number)), node)
        if number >= 0:
            return size
        return self.place.placed(ast.UnaryOp(ast.USub(), size), node)

    def bind(self, target: ast.expr, value: Any) -> None:
        """Let names stand for a value, or for its parts."""
        if isinstance(target, ast.Name):
            self.place.names[target.id] = value
            return
        if isinstance(target, (ast.Tuple, ast.List)):
            parts = self.parts(value, len(target.elts), target)
            for each, part in zip(target.elts, parts, strict=True):
                self.bind(each, part)
            return
        raise self.error(target, *_no_target(target))

    def parts(self, value: Any, count: int, node: ast.AST) -> tuple[Any, ...]:
        """Return the parts of a value that is unpacked."""
        if isinstance(value, Outside) and type(value.value) in (list, tuple):
            items = enumerate(value.value)
            pairs = ((f"{value.name}_{k}", each) for k, each in items)
            value = Listed(tuple(self.names.meaning(*pair) for pair in pairs))
        if isinstance(value, Listed):
            if len(value.items) != count:
                problem = f"{len(value.items)} values can't be unpacked into {count}"
                raise self.error(node, problem)
            return value.items
        numbers = [self.place.placed(ast.Constant(k), node) for k in range(count)]
        if isinstance(value, ArrayShape):
            return tuple(self.length(value.array, k, node) for k in range(count))
        if isinstance(value, ast.Name):
            known = self.names.shapes.get(value.id)
            if known is not None and known[0] != count:
                problem = f"{value.id} has {known[0]} elements, not {count}"
                raise self.error(node, problem)
            self.names.exact[value.id] = count
        elif called(value) == "slogdet" and count == 2:
            pass  # its sign, and its logarithm
        elif not isinstance(value, (ast.Subscript, ast.Attribute)):
            raise self.error(node, "only arrays, lists and tuples can be unpacked")
        return tuple(self.element(value, [k], node) for k in numbers)

    # ------------------------------------------------------------ comprehensions

    def written_list(self, node: ast.expr) -> Listed | None:
        """Return the numbers of a comprehension, where they are few."""
        if not isinstance(node, (ast.GeneratorExp, ast.ListComp)):
            return None
        before, fixed = dict(self.place.names), {*self.names.fixed}
        try:
            if not self.is_short(self.passes(node.generators[0].iter)):
                return None
            return Listed(tuple(self._each(node, list(node.generators))))
        except NotKnownYet:
            self.names.fixed = fixed
            return None
        finally:
            self.place.names = before

    def _of_GeneratorExp(self, node: ast.GeneratorExp | ast.ListComp) -> Any:
        before = dict(self.place.names)
        for inner in ast.walk(node.elt):
            if isinstance(inner, ast.Lambda):
                problem = "a lambda in a comprehension sees what is last in it"
                raise self.error(inner, problem, "write out what it computes")
        try:
            try:
                return self._with_indices(node)
            except NotKnownYet:
                self.place.names = dict(before)
                return Listed(tuple(self._each(node, list(node.generators))))
        except NotKnownYet:
            problem = f"this is no sum over an index, and {UNROLLED}"
            raise self.error(node, problem) from None
        finally:
            self.place.names = before

    _of_ListComp = _of_GeneratorExp

    def _with_indices(self, node: ast.GeneratorExp | ast.ListComp) -> ast.expr:
        clauses = []
        for clause in node.generators:
            made = self.clause(clause.target, self.passes(clause.iter), clause.iter)
            for test in clause.ifs:
                decided = self.decided(test)
                if decided is False:
                    raise NotKnownYet
                if isinstance(decided, ast.expr):
                    made.ifs.append(decided)
            clauses.append(made)
        body = self.expression(node.elt)
        return self.place.placed(ast.GeneratorExp(body, clauses), node)

    def clause(
        self, target: ast.expr, passes: Passes, node: ast.expr
    ) -> ast.comprehension:
        """Return a clause over an index of its own, and bind the target to it."""
        first = next(n for n in ast.walk(target) if isinstance(n, ast.Name))
        base = first.id if len(first.id) == 1 or first is target else "i"
        index = self.names.fresh(base if passes.is_range else "i")
        self.bind(target, passes.at(self.place.placed(ast.Name(index), node)))
        call = ast.Call(ast.Name("range", ast.Load()), list(passes.arguments), [])
        self.place.placed(call.func, node)
        self.place.placed(call, node)
        name = self.place.placed(ast.Name(index, ast.Store()), target)
        return ast.comprehension(name, call, [], 0)

    def _each(
        self, node: ast.GeneratorExp | ast.ListComp, left: list[ast.comprehension]
    ) -> list[Any]:
        if not left:
            return [self.value(node.elt)]
        clause, *rest = left
        found: list[Any] = []
        for value in self.written_out(self.passes(clause.iter), clause.iter):
            self.bind(clause.target, value)
            tests = [self.decided(test) for test in clause.ifs]
            if any(isinstance(test, ast.expr) for test in tests):
                raise NotKnownYet
            if all(tests):
                found += self._each(node, rest)
        return found


def _no_target(node: ast.AST) -> tuple[str, str | None]:
    if isinstance(node, (ast.Subscript, ast.Attribute)):
        what = ast.unparse(node)
        advice = "build it at once: r = [a, b, c], or r = [... for i in range(n)]"
        return f"{what} is changed, and a formula changes nothing", advice
    return "this can't be assigned to", "write names: a, b = ..."
