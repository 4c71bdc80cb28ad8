"""What stands in brackets after an array: slices, elements from the end, rows."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TypeAlias

import sympy as sp

from symgd.language.notation.array_values import Element, Indices, Rewriting, Whole
from symgd.language.notation.ranks import called, is_new_axis, items

# An index of an array, made of those of what is taken from it.
_Place: TypeAlias = Callable[[Indices], ast.expr]


def is_more_than_index(node: ast.expr) -> bool:
    """Return whether an item in brackets is something that indices have no word for."""
    if isinstance(node, ast.Slice) or is_new_axis(node):
        return True
    return _negative(node) is not None or _is_ellipsis(node)


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is Ellipsis


def _negative(node: ast.expr) -> int | None:
    """Return the number that -1 is."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = node.operand
        if isinstance(inner, ast.Constant) and type(inner.value) is int:
            return -inner.value
    return None


def taken(form: Rewriting, node: ast.Subscript) -> Whole:
    """Return what is taken from an array: an element, a row, every other one."""
    inner = items(node)
    if isinstance(node.value, ast.Attribute) and node.value.attr == "shape":
        return _length(form, node)
    base = form.array(node.value, "an index")
    if any(map(_is_ellipsis, inner)):
        raise form.refuse(node, "... is not part of a formula", "write A[:, j]")
    count = sum(not is_new_axis(each) for each in inner)
    if count > base.rank:
        text, told = form.source(node.value), form.extents.shape(base.shape)
        problem = f"{text} has shape {told}: no {count} indices"
        raise form.refuse(node, problem, None)
    inner += [ast.copy_location(ast.Slice(), node)] * (base.rank - count)
    return _indexed(form, node, base, inner)


def _indexed(
    form: Rewriting, node: ast.Subscript, base: Whole, inner: list[ast.expr]
) -> Whole:
    """Return what items in brackets take, one for each axis or new axis.

    Arrays of indices are taken together, as NumPy does: the pairs that they make. They
    are where the first of them stands, or before all else if there are slices between.
    """
    lengths = iter(base.shape)
    pairs = [(item, None if is_new_axis(item) else next(lengths)) for item in inner]
    chosen = {
        k: _index(form, item, length)
        for k, (item, length) in enumerate(pairs)
        if length is not None and not isinstance(item, ast.Slice)
    }
    together = form.common(node, list(chosen.values()))
    side_by_side = not chosen or max(chosen) - min(chosen) < len(chosen)
    shape: list[sp.Expr] = [] if side_by_side else [*together]
    first = 0
    places: list[_Place] = []
    for k, (item, length) in enumerate(pairs):
        if k in chosen:
            if side_by_side and k == min(chosen):
                first, shape = len(shape), [*shape, *together]
            element = form.stretched(chosen[k], together)
            places.append(_chosen(first, len(together), element))
        elif length is None:
            shape.append(sp.S.One)
        elif isinstance(item, ast.Slice):
            size, place = _sliced(form, item, length, node)
            places.append(_at_axis(len(shape), place))
            shape.append(size)
    return Whole(tuple(shape), _elements(base, places), node)


def _elements(base: Whole, places: list[_Place]) -> Element:
    return lambda indices: base.at(tuple(place(indices) for place in places))


def _at_axis(axis: int, place: Callable[[ast.expr], ast.expr]) -> _Place:
    return lambda indices: place(indices[axis])


def _chosen(first: int, rank: int, element: Element) -> _Place:
    return lambda indices: element(indices[first : first + rank])


def _index(form: Rewriting, item: ast.expr, length: sp.Expr) -> Whole:
    if (back := _negative(item)) is not None:
        place = form.extents.resolved(length) + back
        if (number := form.extents.number(place)) is not None and number < 0:
            told = form.extents.told(length)
            raise form.refuse(item, f"there are {told} elements", None)
        return Whole((), lambda _: form.write.length(item, place), item)
    whole = form.value(item)
    if isinstance(item, (ast.Compare, ast.BoolOp)) or (
        isinstance(item, ast.BinOp) and isinstance(item.op, (ast.BitAnd, ast.BitOr))
    ):
        problem = "a condition can't choose elements: their number would vary"
        raise form.refuse(item, problem, "write where(x > 0, x, 0) in a sum")
    return whole


def _sliced(
    form: Rewriting, item: ast.Slice, length: sp.Expr, node: ast.expr
) -> tuple[sp.Expr, Callable[[ast.expr], ast.expr]]:
    """Return the length of a slice, and what makes an index of one of it."""
    step = 1 if item.step is None else whole_number(form, item.step)
    if step == 0 or not (isinstance(step, int) or step.is_Integer):
        raise form.refuse(node, "the step of a slice is a whole number, not 0", None)
    step = int(step)
    first, last = _ends(form, item, length, step, form.source(node))
    count = (last - first if step > 0 else first - last) + abs(step) - 1
    count = count if abs(step) == 1 else sp.floor(count / abs(step))
    if (number := form.extents.number(count)) is not None and number < 0:
        count = sp.S.Zero

    def place(index: ast.expr) -> ast.expr:
        start = form.write.length(node, first)
        if abs(step) != 1:
            factor = form.write.number(node, abs(step))
            index = form.write.binary(node, factor, ast.Mult(), index)
        if first == 0 and step > 0:
            return index
        if step > 0:
            return form.write.binary(node, index, ast.Add(), start)
        return form.write.binary(node, start, ast.Sub(), index)

    return count, place


def _ends(
    form: Rewriting, item: ast.Slice, length: sp.Expr, step: int, text: str
) -> tuple[sp.Expr, sp.Expr]:
    """Return where a slice begins, and before which place it ends.

    Both are formulas of the length as long as that is enough; where NumPy goes no
    further than an array does, they are numbers.
    """
    given = [
        None if end is None else whole_number(form, end)
        for end in (item.lower, item.upper)
    ]
    limits = (sp.S.Zero, length) if step > 0 else (length - 1, sp.S.NegativeOne)
    first, last = (
        limit if end is None else _from_end(end, length)
        for end, limit in zip(given, limits, strict=True)
    )
    numbers = [end if end is None else form.extents.number(end) for end in given]
    size = form.extents.number(length)
    if size is not None and numbers.count(None) == given.count(None):
        exact = range(*slice(numbers[0], numbers[1], step).indices(size))
        as_read = tuple(map(form.extents.number, (first, last)))
        if not exact or (exact.start, exact.stop) != as_read:
            form.extents.fix(length)
            stop = exact.stop if exact else exact.start
            return sp.Integer(exact.start), sp.Integer(stop)
    low, high = (first, last) if step > 0 else (last, first)
    at_least, at_most = limits if step > 0 else limits[::-1]
    form.extents.need(low - at_least, at_most - high, high - low, text=text)
    return first, last


def _from_end(end: sp.Expr, length: sp.Expr) -> sp.Expr:
    return length + end if end.is_negative else end


def whole_number(form: Rewriting, node: ast.expr) -> sp.Expr:
    """Return a whole number that is written with numbers, names of sizes, and len."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return sp.Integer(node.value)
    if isinstance(node, ast.Name) and not (
        form.ranks.get(node.id, 0) or node.id in form.bound
    ):
        return sp.Symbol(node.id, integer=True)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -whole_number(form, node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _WHOLE:
        sides = (whole_number(form, side) for side in (node.left, node.right))
        return _WHOLE[type(node.op)](*sides)
    if called(node) == "len" and isinstance(node, ast.Call) and len(node.args) == 1:
        return form.array(node.args[0], "len").shape[0]
    if (length := _axis_length(form, node)) is not None:
        return length
    raise form.refuse(node, "a whole number is expected here", None)


_WHOLE = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.FloorDiv: lambda a, b: sp.floor(a / b),
}


def _length(form: Rewriting, node: ast.Subscript) -> Whole:
    """Return one of the lengths in a shape."""
    length = _axis_length(form, node)
    if length is None:
        raise form.refuse(node, "a shape has a length for each axis", "A.shape[0]")
    return Whole((), lambda _: form.write.length(node, length), node)


def _axis_length(form: Rewriting, node: ast.expr) -> sp.Expr | None:
    """Return what A.shape[0] is; None for anything else."""
    if not (isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute)):
        return None
    if node.value.attr != "shape":
        return None
    shape = form.array(node.value.value, "shape").shape
    axis = whole_number(form, node.slice)
    if not (axis.is_Integer and -len(shape) <= axis < len(shape)):
        raise form.refuse(node, f"there are {len(shape)} axes", "write A.shape[0]")
    return shape[int(axis)]
