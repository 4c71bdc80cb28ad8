"""The statements of a Python function: one after the other they make one expression.

Elsewhere: symbolic execution, inlining of functions, if-conversion.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, NamedTuple

from symgd.errors import FormulaError
from symgd.language.python.python_loops import UNROLLED
from symgd.language.python.python_source import KnownFunction, Surroundings, known
from symgd.language.python.python_sums import LOOP, LoopEnd, LoopPass, NoSum, SumLoops
from symgd.language.python.scopes import (
    bound,
    changed_in_place,
    head_of,
    leaves,
    own_names,
    refused_statement,
)
from symgd.language.python.values import (
    LIBRARIES,
    Frame,
    Inner,
    Library,
    Listed,
    Missing,
    Names,
    NotKnownYet,
    Outside,
)

MOST_STEPS = 10_000
OF_A_CHOICE = 30  # steps, as all that follows is read twice
DEEPEST = 40


class Returned(NamedTuple):
    """That a function returns, and what."""

    value: Any
    node: ast.AST


class Body(SumLoops):
    """Reads the statements of one function."""

    def __init__(self, names: Names, place: Frame, stack: tuple[Any, ...]) -> None:
        super().__init__(names, place)
        self.stack = stack  # of the functions that are read
        self.steps = 0
        self.summing = 0  # how many sums are around

    def result(self, node: ast.FunctionDef | ast.Lambda) -> Any:
        """Return what a function returns."""
        if isinstance(node, ast.Lambda):
            return self._now(node.body, self.value, node.body)
        ended = self.run(node.body)
        if isinstance(ended, Returned):
            return ended.value
        problem = f"{self.place.name} returns nothing"
        raise self.error(node.body[-1], problem, "write return ... at its end")

    def _now(self, node: ast.AST, read: Any, *arguments: Any) -> Any:
        """Read something; what isn't known there is known nowhere, but in sums."""
        try:
            return read(*arguments)
        except NotKnownYet:
            if self.summing:
                raise
            raise self.error(node, f"which element this is, or {UNROLLED}") from None

    # -------------------------------------------------------------- statements

    def run(self, steps: Sequence[Any]) -> Returned | None:
        """Read statements until one returns; None if none does."""
        left = [*reversed(steps)]  # the next one is the last
        while left:
            step = left.pop()
            if isinstance(step, ast.AST):
                self._count(step)
            if isinstance(step, LoopPass):
                self.bind(step.target, step.value)
            elif isinstance(step, ast.Return):
                return self._returned(step)
            elif isinstance(step, (ast.Continue, ast.Break)):
                self._leave(step, left)
            elif isinstance(step, ast.If):
                chosen = self._now(step.test, self.decided, step.test)
                if isinstance(chosen, bool):
                    left += reversed(step.body if chosen else step.orelse)
                elif leaves(step):
                    return self._apart(step, chosen, left[::-1])
                else:
                    self._branches(step, chosen)
            elif isinstance(step, ast.For):
                left += reversed(self._now(step.iter, self._loop, step))
            elif not isinstance(step, LoopEnd):
                self._statement(step)
        return None

    def _count(self, step: ast.AST) -> None:
        self.steps += 1
        if self.steps > MOST_STEPS:
            problem = f"the function has more than {MOST_STEPS} steps"
            raise self.error(head_of(step), problem, "write loops as sums")

    def _returned(self, step: ast.Return) -> Returned:
        if step.value is None:
            raise self.error(step, "nothing is returned", "write return ...")
        if self.place.names.get(LOOP) is not None:
            raise NoSum(step, "a pass returns")
        return Returned(self._now(step.value, self.value, step.value), step.value)

    def _statement(self, step: ast.stmt) -> None:
        if isinstance(step, ast.Assign):
            value = self._now(step.value, self.value, step.value)
            for target in step.targets:
                self.bind(target, value)
        elif isinstance(step, ast.AnnAssign) and step.value is not None:
            self.bind(step.target, self._now(step.value, self.value, step.value))
        elif isinstance(step, ast.AugAssign):
            self._now(step, self._changed, step)
        elif isinstance(step, ast.FunctionDef):
            if step.decorator_list:
                problem = "a decorator may change what the function returns"
                raise self.error(step.decorator_list[0], problem, "leave it out")
            self.place.names[step.name] = self._inner(step.name, step)
        elif isinstance(step, (ast.Import, ast.ImportFrom)):
            self._imported(step)
        elif isinstance(step, ast.Assert):
            self._asserted(step)
        elif isinstance(step, ast.Expr):
            self._alone(step)
        elif not isinstance(step, ast.Pass):
            raise self.error(head_of(step), *refused_statement(step))

    def _alone(self, step: ast.Expr) -> None:
        """Pass over a docstring; anything else that stands alone does something."""
        node = step.value
        if isinstance(node, ast.Constant):
            return
        if isinstance(node, ast.Call) and self._appended(node):
            return
        if isinstance(node, ast.Call):
            self._now(node, self.value, node)  # which may have a reason of its own
        what = ast.unparse(node.func if isinstance(node, ast.Call) else node)
        problem = f"{what} stands alone: it does something, and a formula has a value"
        raise self.error(node, problem, "leave it out, or use what it returns")

    def _appended(self, node: ast.Call) -> bool:
        """Let a list that nobody else has be one longer; return whether it is one."""
        func = node.func
        if not isinstance(func, ast.Attribute) or func.attr != "append":
            return False
        name = func.value.id if isinstance(func.value, ast.Name) else ""
        before = self.place.names.get(name)
        others = (v for n, v in self.place.names.items() if n != name)
        shared = any(v is before or before in _items(v) for v in others)
        if not isinstance(before, Listed) or before.is_array or shared:
            return False
        if len(node.args) != 1 or id(before) in self.place.given:
            return False
        if self.place.names.get(LOOP) is not None:
            raise NoSum(node, f"{name} grows")
        added = self._now(node, self.value, node.args[0])
        self.place.names[name] = Listed((*before.items, added))
        return True

    def _asserted(self, step: ast.Assert) -> None:
        test = self._now(step.test, self.decided, step.test)
        if not (test is True or self._tells_a_length(test)):
            problem = "an assertion that depends on the variables is not a formula"
            advice = "leave it out, and give bounds= or subject_to="
            raise self.error(head_of(step), problem, advice)

    def _tells_a_length(self, test: Any) -> bool:
        """Take down that an array has so many elements: assert len(x) == 2."""
        if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], ast.Eq):
            return False
        name, number = test.left, test.comparators[-1]
        if not (isinstance(name, ast.Name) and isinstance(number, ast.Constant)):
            return False
        if len(test.ops) > 1 or name.id not in self.names.lengths:
            return False
        array, axis = self.names.lengths[name.id]
        if axis == 0 and isinstance(number.value, int):
            self.names.exact[array] = number.value
        return array in self.names.exact

    def _imported(self, step: ast.Import | ast.ImportFrom) -> None:
        for each in step.names:
            path = each.name
            if isinstance(step, ast.ImportFrom):
                path = f"{step.module}.{each.name}"
            if step.__dict__.get("level") or path.partition(".")[0] not in LIBRARIES:
                problem = "what is imported inside of a function isn't known"
                raise self.error(step, problem, "import it outside")
            bound = each.asname or each.name
            if isinstance(step, ast.Import) and each.asname is None:
                path = bound = each.name.partition(".")[0]
            self.place.names[bound] = Library(path)

    def _changed(self, step: ast.AugAssign) -> None:
        """Read ``s += a`` as ``s = s + a``, where no array can be changed by it."""
        target = step.target
        if not isinstance(target, ast.Name):
            raise self.error(target, *changed_in_place(ast.unparse(target)))
        load = ast.copy_location(ast.Name(target.id, ast.Load()), target)
        before = self.place.names.get(target.id)
        if self._may_be_shared(target.id, before):
            sign = ast.unparse(ast.BinOp(load, step.op, ast.Name("_")))[:-2]
            problem = f"{target.id} may be an array, which this changes in place"
            right = ast.unparse(step.value)
            advice = f"write {target.id} = {sign} {right}"
            raise self.error(step, problem, advice)
        whole = ast.copy_location(ast.BinOp(load, step.op, step.value), step)
        self.place.names[target.id] = self.value(whole)

    def _may_be_shared(self, name: str, value: Any) -> bool:
        """Return whether another name may stand for the same array."""
        if isinstance(value, ast.Constant) or value is None:
            return False
        if isinstance(value, ast.Name):
            number = value.id in self.names.numbers or value.id.endswith("'")
            return not number and value.id not in self.names.lengths
        if isinstance(value, ast.Subscript):
            whole = ast.unparse(value.slice)
            return ":" in whole or id(value) in self.place.given
        others = (v for n, v in self.place.names.items() if n != name)
        return (
            isinstance(value, (ast.Attribute, Listed))
            or id(value) in self.place.given
            or any(other is value for other in others)
        )

    # ------------------------------------------------------------------ choices

    def _branches(self, step: ast.If, test: ast.expr) -> None:
        """Read both branches of a choice; names have the value of either."""
        before = self.place.names
        ends = []
        for body in (step.body, step.orelse):
            self.place.names = dict(before)
            self.run(body)
            ends.append(self.place.names)
        self._merge(before, ends[0], ends[1], test, step)

    def _either(self, name: str, test: ast.expr, a: Any, b: Any, step: ast.If) -> Any:
        try:
            return self.chosen(test, a, b, step.test)
        except FormulaError:
            return Missing("is something else on either way")

    def _apart(
        self, step: ast.If, test: ast.expr, rest: Sequence[Any]
    ) -> Returned | None:
        """Read all that follows twice, as one of the branches leaves."""
        self.steps += OF_A_CHOICE
        self._count(step)
        before = self.place.names
        found, ends = [], []
        for body in (step.body, step.orelse):
            self.place.names = dict(before)
            found.append(self.run((*body, *rest)))
            ends.append(self.place.names)
        one, other = found
        if one is None and other is None:  # both passed on to the end of a pass
            self._merge(before, ends[0], ends[1], test, step)
            return None
        if one is None or other is None:
            problem = f"{self.place.name} returns nothing where this is "
            problem += "true" if one is None else "false"
            raise self.error(step.test, problem, "write return ... at its end")
        self.place.names = before
        a, b = (self.in_place(*each) for each in (one, other))
        return Returned(self.chosen(test, a, b, step.test), step.test)

    def _merge(
        self,
        before: dict[str, Any],
        one: dict[str, Any],
        other: dict[str, Any],
        test: ast.expr,
        step: ast.If,
    ) -> None:
        self.place.names = before
        for name in dict.fromkeys((*one, *other)):
            a, b = one.get(name), other.get(name)
            if a is b:
                before[name] = a
            elif a is None or b is None or Missing in (type(a), type(b)):
                before[name] = Missing("has a value on one way only")
            else:
                before[name] = self._either(name, test, a, b, step)

    def _leave(self, step: ast.Continue | ast.Break, left: list[Any]) -> None:
        """Go on with the next pass, or after the loop."""
        ends = [each.loop for each in reversed(left) if isinstance(each, LoopEnd)]
        if not ends and isinstance(step, ast.Break):
            raise NoSum(step, "the loop may end early")
        if not ends:  # in a sum: the pass is at its end
            left.clear()
            return
        wanted = (LoopPass, LoopEnd) if isinstance(step, ast.Continue) else LoopEnd
        while not (isinstance(left[-1], wanted) and left[-1].loop == ends[0]):
            left.pop()

    # --------------------------------------------------------- other functions

    def _of_Lambda(self, node: ast.Lambda) -> Inner:
        return self._inner("a lambda", node)

    def _inner(self, name: str, node: ast.FunctionDef | ast.Lambda) -> Inner:
        arguments = node.args
        names = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
        count = len(arguments.defaults)
        pairs = list(zip(names[len(names) - count :], arguments.defaults, strict=True))
        for each, default in zip(
            arguments.kwonlyargs, arguments.kw_defaults, strict=True
        ):
            if default is not None:
                pairs.append((each.arg, default))
        defaults = {each: self.value(default) for each, default in pairs}
        return Inner(name, node, self.place, defaults)

    def called(self, node: ast.Call, function: Inner | Outside) -> Any:
        """Return what a function returns, with the arguments of a call."""
        if any(isinstance(each, ast.Starred) for each in node.args) or any(
            each.arg is None for each in node.keywords
        ):
            values = self._spread(node)
        else:
            values = [self.value(each) for each in node.args]
        named = {
            each.arg: self.value(each.value)
            for each in node.keywords
            if each.arg is not None
        }
        if isinstance(function, Inner):
            around = function.place
            own = own_names(function.node)
            place = Frame(function.name, around.source, own, around)
            definition, defaults = function.node, function.defaults
        else:
            found = self._source_of(node, function)
            values = [
                *(self.names.meaning(f"{found.name}_{k}", each)
                  for k, each in enumerate(found.given)),
                *values,
            ]  # fmt: skip
            before = {k: self.names.meaning(k, v) for k, v in found.named.items()}
            named = {**before, **named}
            place, definition = place_of(found), found.node
            defaults = defaults_of(found, self.names)
        if definition in self.stack or len(self.stack) > DEEPEST:
            problem = f"{place.name} calls itself, and a formula has no recursion"
            raise self.error(node, problem, "write it as a sum, or as a loop")
        try:
            place.names.update(bound(definition.args, values, named, defaults))
        except ValueError as wrong:
            raise self.error(node, f"{place.name} {wrong}") from None
        place.given = frozenset(map(id, place.names.values()))
        body = Body(self.names, place, (*self.stack, definition))
        body.steps, body.summing = self.steps, self.summing
        value = body.result(definition)
        self.steps = body.steps
        return value

    def _spread(self, node: ast.Call) -> list[Any]:
        values: list[Any] = []
        for each in node.args:
            if isinstance(each, ast.Starred):
                inner = self.value(each.value)
                if isinstance(inner, Outside) and isinstance(inner.value, tuple):
                    inner = Listed(tuple(self.parts(inner, len(inner.value), each)))
                if not isinstance(inner, Listed):
                    raise self.error(each, "how many arguments this is isn't known")
                values += inner.items
            else:
                values.append(self.value(each))
        if any(each.arg is None for each in node.keywords):
            raise self.error(node, "what ** gives isn't known", "write names out")
        return values

    def _source_of(self, node: ast.Call, function: Outside) -> KnownFunction:
        try:
            return known(function.value)
        except FormulaError as error:
            if error.formula:
                raise
            raise self.error(node.func, error.problem, error.suggestion) from None


def _items(value: Any) -> tuple[Any, ...]:
    return value.items if isinstance(value, Listed) else ()


def place_of(function: KnownFunction) -> Frame:
    """Return the place in which a function's body is read."""
    around = Surroundings(function.function)
    return Frame(function.name, function.source, own_names(function.node), around)


def defaults_of(function: KnownFunction, names: Names) -> dict[str, Any]:
    """Return what arguments are by default."""
    given = function.function.__defaults__ or ()
    arguments = function.node.args
    listed = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
    pairs = dict(zip(listed[len(listed) - len(given) :], given, strict=True))
    pairs |= function.function.__kwdefaults__ or {}
    return {name: names.meaning(name, value) for name, value in pairs.items()}
