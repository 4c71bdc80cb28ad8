"""Loops over arrays: ``for v in x``, ``for a, b in zip(x, y)``, ``range(len(x))``."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator

import sympy as sp

from symgd.language.notation import slices
from symgd.language.notation.array_values import Indices, Rewriting, Whole
from symgd.language.notation.ranks import called

_FOR = "write for v in x, for a, b in zip(x, y), or for i in range(len(x))"


class _Turn:
    """The index of a loop over an array, which is named when it is written."""

    def __init__(self, length: sp.Expr) -> None:
        self.length = length
        self.place: ast.expr | None = None

    def index(self) -> ast.expr:
        assert self.place is not None
        return self.place


def repeated(
    form: Rewriting, node: ast.Call, name: str, inner: ast.GeneratorExp
) -> Whole:
    """Return a sum, product or extreme over arrays and ranges."""
    before = form.bound
    turns = [_turn(form, clause) for clause in inner.generators]
    ranges = [
        _range(form, clause) if turn is None else []
        for turn, clause in zip(turns, inner.generators, strict=True)
    ]
    tests = [
        [form.scalar(test, "a condition") for test in clause.ifs]
        for clause in inner.generators
    ]
    body = form.value(inner.elt)
    form.bound = before

    def at(indices: Indices) -> ast.expr:
        write = form.write
        return write.like(
            node,
            ast.Call(
                write.name(node.func, name),
                [_written(form, inner, turns, ranges, tests, body, indices)],
                [],
            ),
        )

    return Whole(body.shape, at, node)


def _written(
    form: Rewriting,
    inner: ast.GeneratorExp,
    turns: list[_Turn | None],
    ranges: list[list[Whole]],
    tests: list[list[Whole]],
    body: Whole,
    indices: Indices,
) -> ast.expr:
    write, clauses = form.write, []
    with contextlib.ExitStack() as stack:
        for turn, ends, ifs, clause in zip(
            turns, ranges, tests, inner.generators, strict=True
        ):
            if turn is None:
                target = clause.target
                bounds = [end.at(()) for end in ends]
                source = write.call(clause.iter, "range", *bounds)
            else:
                length = write.length(clause.iter, turn.length)
                source = write.call(clause.iter, "range", length)
                target = turn.place = stack.enter_context(write.index(clause.iter))
            conditions = [test.at(()) for test in ifs]
            clauses.append(ast.comprehension(target, source, conditions, 0))
        return write.like(inner, ast.GeneratorExp(body.at(indices), clauses))


def _range(form: Rewriting, clause: ast.comprehension) -> list[Whole]:
    assert isinstance(clause.iter, ast.Call)
    return [form.scalar(end, "the end of a range") for end in clause.iter.args]


def _turn(form: Rewriting, clause: ast.comprehension) -> _Turn | None:
    """Bind what a clause names to elements; None where it is an index in a range."""
    source, target = clause.iter, clause.target
    kind = called(source)
    if kind == "range" and isinstance(target, ast.Name):
        return None
    counted = kind == "enumerate"
    if counted or kind == "zip":
        assert isinstance(source, ast.Call)
        arrays = [form.array(each, str(kind)) for each in source.args]
    else:
        arrays = [form.array(source, "for")]
    lengths = [array.shape[0] for array in arrays]
    if not lengths or (counted and len(lengths) != 1):
        raise form.refuse(source, "a loop goes over arrays", _FOR)
    if not all(form.extents.equal(lengths[0], each) for each in lengths[1:]):
        raise form.mismatch(source, arrays)
    turn = _Turn(lengths[0])
    parts = [_element(turn, array) for array in arrays]
    if counted:
        parts.insert(0, Whole((), lambda _: turn.index(), source))
    names = list(_names(target))
    several = isinstance(target, ast.Tuple)
    if len(names) != len(parts) or (several and kind not in ("zip", "enumerate")):
        raise form.refuse(target, f"a loop over {len(parts)} array(s)", _FOR)
    form.bound = {**form.bound, **dict(zip(names, parts, strict=True))}
    return turn


def _element(turn: _Turn, array: Whole) -> Whole:
    def at(indices: Indices) -> ast.expr:
        return array.at((turn.index(), *indices))

    return Whole(array.shape[1:], at, array.node)


def _names(target: ast.expr) -> Iterator[str]:
    parts = target.elts if isinstance(target, ast.Tuple) else [target]
    for part in parts:
        if isinstance(part, ast.Name):
            yield part.id


def as_array(form: Rewriting, node: ast.GeneratorExp | ast.ListComp) -> Whole:
    """Return the array of what a loop yields, as norm and mean take it."""
    before = form.bound
    turns = []
    for clause in node.generators:
        if clause.ifs:
            problem = "an array has no conditions: its length would vary"
            raise form.refuse(node, problem, "write them in a sum")
        turns.append(_turn(form, clause) or _counted(form, clause))
    body = form.value(node.elt)
    form.bound = before
    count = len(turns)

    def at(indices: Indices) -> ast.expr:
        places = [turn.place for turn in turns]
        for turn, index in zip(turns, indices, strict=False):
            turn.place = index
        element = body.at(indices[count:])
        for turn, place in zip(turns, places, strict=True):
            turn.place = place
        return element

    return Whole((*(turn.length for turn in turns), *body.shape), at, node)


def _counted(form: Rewriting, clause: ast.comprehension) -> _Turn:
    """Return the loop of an index, which is bound to what it is made of."""
    assert isinstance(clause.iter, ast.Call)
    assert isinstance(clause.target, ast.Name)
    ends = [slices.whole_number(form, end) for end in clause.iter.args]
    first, last = ends[:2] if len(ends) > 1 else (sp.S.Zero, ends[0])
    if len(ends) > 2:
        raise form.refuse(clause.iter, "a range has no step here", None)
    turn = _Turn(last - first)

    def at(_: Indices) -> ast.expr:
        if first == 0:
            return turn.index()
        start = form.write.length(clause.iter, first)
        return form.write.binary(clause.iter, turn.index(), ast.Add(), start)

    own = {clause.target.id: Whole((), at, clause.target)}
    form.bound = {**form.bound, **own}
    return turn
