"""What a formula with arrays is made of: which names are sizes, how long arrays are.

Sizes come from those that are given, from data, or from a start; what is accessed must
be there. All of this is known before anything runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import sympy as sp

from symgd.errors import FormulaError, InputError
from symgd.formula import names_in, symbol, text_of

ENUMERATED = 200_000  # iterations that are looked at one by one, where bounds are vague

# An index with its bounds, both inclusive; the outermost first.
Range: TypeAlias = tuple[sp.Symbol, sp.Expr, sp.Expr]


@dataclass(frozen=True)
class Access:
    """An access to an array, and the ranges of the indices around it."""

    node: sp.Indexed
    ranges: tuple[Range, ...]

    @property
    def name(self) -> str:
        """Of the array."""
        return str(self.node.base.label)


class OutOfRange(Exception):
    """An index that is not in an array; says for which indices."""


def has_arrays(expression: sp.Expr) -> bool:
    """Return whether an expression has sums or accesses."""
    return expression.has(sp.Sum, sp.Product, sp.Indexed)


def accesses(expression: sp.Basic) -> list[Access]:
    """Return all accesses in an expression, those inside of indices too."""
    found: dict[Access, None] = {}

    def visit(node: sp.Basic, ranges: tuple[Range, ...]) -> None:
        if isinstance(node, (sp.Sum, sp.Product)):
            for index, low, high in reversed(node.limits):
                ranges = (*ranges, (index, low, high))
            visit(node.function, ranges)
            return
        if isinstance(node, sp.Indexed):
            found[Access(node, ranges)] = None
            for index in node.indices:
                visit(index, ranges)
            return
        for part in node.args:
            visit(part, ranges)

    visit(expression, ())
    return list(found)


def size_names(expression: sp.Expr) -> set[str]:
    """Return the names in bounds of sums and in indices that are no index."""
    names: set[str] = set()
    for access in accesses(expression):
        indices = {r[0] for r in access.ranges}
        for index in access.node.indices:
            inner = {
                s for a in index.atoms(sp.Indexed) for s in a.base.atoms(sp.Symbol)
            }
            names |= {s.name for s in index.atoms(sp.Symbol) - indices - inner}
    for node in expression.atoms(sp.Sum, sp.Product):
        bounds = [bound for limit in node.limits for bound in limit[1:]]
        names |= {s.name for bound in bounds for s in bound.atoms(sp.Symbol)}
    indices = {
        limit[0].name
        for node in expression.atoms(sp.Sum, sp.Product)
        for limit in node.limits
    }
    plain, _ = names_in(expression)
    return {name for name in names if name in plain and name not in indices}


# --------------------------------------------------------------------- inference


def inferred_sizes(
    expression: sp.Expr,
    names: set[str],
    given: Mapping[str, int],
    shapes: Mapping[str, Sequence[int]],
) -> dict[str, int]:
    """Return the sizes that follow from those given and from shapes of arrays.

    A size is as large as the accesses to an array of known length allow.

    Raises
    ------
    InputError
        If two arrays say otherwise of a size.
    """
    sizes, sources = dict(given), dict.fromkeys(given, "")
    listed = accesses(expression)
    progress = True
    while progress:
        progress = False
        for name, axis, length, ends in _ends(listed, shapes, sizes):
            unknown = sorted({s for end in ends for s in _unknown(end, names, sizes)})
            if len(unknown) != 1 or any(
                len(_unknown(e, names, sizes)) > 1 for e in ends
            ):
                continue
            size = unknown[0]
            solved = [_solved(end, symbol(size), length) for end in ends]
            known = [number for number in solved if number is not None]
            if not known:
                continue
            sizes[size], progress = min(known), True
            sources[size] = f"{name} has {_length(length, axis)}"
    for name, axis, length, ends in _ends(listed, shapes, {}):
        used = sorted({s.name for end in ends for s in end.atoms(sp.Symbol)})
        if len(used) != 1 or used[0] in given or used[0] not in sizes:
            continue
        solved = [_solved(end, symbol(used[0]), length) for end in ends]
        known = [number for number in solved if number is not None]
        if known and min(known) != sizes[used[0]]:
            least = min(*known, sizes[used[0]])
            problem = f"{sources[used[0]]}, but {name} has {_length(length, axis)}"
            advice = f"give sizes={{{used[0]!r}: {least}}} if that is meant"
            raise InputError(f"{problem}: which is {used[0]}? {advice}")
    return sizes


def _length(length: int, axis: int) -> str:
    return f"{length} elements" if axis == 0 else f"{length} columns"


def _ends(
    listed: Sequence[Access],
    shapes: Mapping[str, Sequence[int]],
    sizes: Mapping[str, int],
) -> Iterator[tuple[str, int, int, list[sp.Expr]]]:
    """Yield the arrays of known length, with one more than each largest index."""
    for name, shape in shapes.items():
        for axis, length in enumerate(shape):
            ends = []
            for access in listed:
                if access.name == name:
                    top = _extreme(access.node.indices[axis], access.ranges, True)
                    if top is not None:
                        ends.append((top + 1).xreplace(_numbers(sizes)))
            if ends:
                yield name, axis, length, ends


def _numbers(sizes: Mapping[str, int]) -> dict[sp.Symbol, sp.Integer]:
    return {symbol(name): sp.Integer(size) for name, size in sizes.items()}


def _unknown(end: sp.Expr, names: set[str], sizes: Mapping[str, int]) -> set[str]:
    return {s.name for s in end.atoms(sp.Symbol) if s.name in names} - set(sizes)


def _solved(end: sp.Expr, size: sp.Symbol, length: int) -> int | None:
    """Return the largest size for which an end is within a length, or None."""
    if not end.has(size):
        return None
    slope = sp.expand(end.xreplace({size: size + 1}) - end)
    if slope.is_Integer and slope > 0:
        return int(sp.floor((length - end.xreplace({size: sp.S.Zero})) / slope))
    low, high = 0, 2 * length + 64
    values = [end.xreplace({size: sp.Integer(k)}) for k in (low, high)]
    if not all(v.is_Integer for v in values) or not values[0] <= length <= values[1]:
        return None
    while high - low > 1:  # it grows, if not evenly: n//2, say
        middle = (low + high) // 2
        above = end.xreplace({size: sp.Integer(middle)}) > length
        low, high = (low, middle) if above else (middle, high)
    return low


def _extreme(index: sp.Expr, ranges: Sequence[Range], largest: bool) -> sp.Expr | None:
    """Return the largest or smallest value of an affine index; None for others."""
    if index.has(sp.Indexed):
        return None
    for name, low, high in reversed(ranges):
        if index.has(name):
            slope = sp.expand(index.xreplace({name: name + 1}) - index)
            if not slope.is_number:
                return None
            index = index.xreplace({name: high if (slope > 0) == largest else low})
    return sp.expand(index)


def lengths(expression: sp.Expr, name: str, rank: int) -> list[sp.Expr | None]:
    """Return an array's lengths in terms of sizes, where one access is the last."""
    found: list[sp.Expr | None] = []
    for axis in range(rank):
        ends = []
        for access in accesses(expression):
            if access.name == name:
                top = _extreme(access.node.indices[axis], access.ranges, True)
                ends.append(sp.nan if top is None else top + 1)
        last = [
            end
            for end in ends
            if all(sp.expand(end - other).is_nonnegative for other in ends)
        ]
        found.append(last[0] if last else None)
    return found


# -------------------------------------------------------------- shapes and ranges


def inferred_shapes(
    expression: sp.Expr,
    ranks: Mapping[str, int],
    sizes: Mapping[str, int],
    arrays: Mapping[str, Any],
) -> dict[str, tuple[int, ...]]:
    """Return the least shapes that hold all accesses to some arrays.

    ``arrays`` are the data, in which indices are looked up.
    """
    tops = {name: [0] * rank for name, rank in ranks.items()}
    for access in accesses(expression):
        if access.name in tops:
            spans = _spans(access, sizes, arrays)
            for axis, span in enumerate(spans or ()):
                tops[access.name][axis] = max(tops[access.name][axis], span[1] + 1)
    return {name: tuple(shape) for name, shape in tops.items()}


def check_ranges(
    expression: sp.Expr,
    sizes: Mapping[str, int],
    shapes: Mapping[str, Sequence[int]],
    arrays: Mapping[str, Any],
    formula: str,
) -> None:
    """Raise FormulaError if an index may be outside of its array."""
    for access in accesses(expression):
        spans = _spans(access, sizes, arrays) or ()
        shape = shapes[access.name]
        for axis, (low, high) in enumerate(spans):
            if low >= 0 and high < shape[axis]:
                continue
            wrong = _wrong_index(access, axis, shape[axis], sizes, arrays)
            if wrong is None:
                continue
            what = "elements" if len(shape) == 1 else f"along axis {axis}"
            problem = (
                f"the index {text_of(access.node.indices[axis])} of "
                f"{text_of(access.node)} becomes {wrong}, but {access.name} has "
                f"{shape[axis]} {what}"
            )
            raise FormulaError(problem, formula, suggestion=_about(sizes))


def _about(sizes: Mapping[str, int]) -> str | None:
    listed = ", ".join(f"{name} = {size}" for name, size in sorted(sizes.items()))
    return f"here {listed}" if listed else None


def _wrong_index(
    access: Access,
    axis: int,
    length: int,
    sizes: Mapping[str, int],
    arrays: Mapping[str, Any],
) -> int | None:
    """Return an index that is outside, or None if all are inside after all."""
    low, high = (_spans(access, sizes, arrays) or ())[axis]
    try:
        for place in _enumerated(access.ranges, _numbers(sizes)):
            index = _looked_up(access.node.indices[axis].xreplace(place), arrays)
            if not 0 <= index < length:
                return index
    except OverflowError:
        return high if high >= length else low
    return None


def _enumerated(
    ranges: Sequence[Range], numbers: Mapping[sp.Symbol, sp.Integer]
) -> Iterator[dict[sp.Symbol, sp.Integer]]:
    """Yield the values of all indices, one iteration after the other."""
    count = 0
    pending = [(0, dict(numbers))]
    while pending:
        depth, known = pending.pop()
        count += 1
        if count > ENUMERATED:
            raise OverflowError
        if depth == len(ranges):
            yield known
            continue
        name, low, high = ranges[depth]
        first, last = (int(bound.xreplace(known)) for bound in (low, high))
        if last - first > ENUMERATED:
            raise OverflowError
        pending += [
            (depth + 1, {**known, name: sp.Integer(k)}) for k in range(first, last + 1)
        ]


def _looked_up(index: sp.Expr, arrays: Mapping[str, Any]) -> int:
    """Return an index whose own indices are numbers."""
    values = {
        node: sp.Integer(
            int(
                arrays[str(node.base.label)][
                    tuple(_looked_up(part, arrays) for part in node.indices)
                ]
            )
        )
        for node in index.atoms(sp.Indexed)
        if str(node.base.label) in arrays
    }
    return int(index.xreplace(values))


def _spans(
    access: Access, sizes: Mapping[str, int], arrays: Mapping[str, Any]
) -> list[tuple[int, int]] | None:
    """Return the smallest and largest value of each index; None if nothing is done."""
    numbers = _numbers(sizes)
    ranges: list[Range] = []
    spans: dict[sp.Basic, tuple[int, int]] = {}
    for name, low, high in access.ranges:
        ends = [
            _span(bound.xreplace(numbers), ranges, spans, arrays)
            for bound in (low, high)
        ]
        if ends[1][1] < ends[0][0]:
            return None
        spans[name] = ends[0][0], ends[1][1]
        ranges.append((name, low.xreplace(numbers), high.xreplace(numbers)))
    return [
        _span(index.xreplace(numbers), ranges, spans, arrays)
        for index in access.node.indices
    ]


def _span(
    index: sp.Expr,
    ranges: Sequence[Range],
    spans: Mapping[sp.Basic, tuple[int, int]],
    arrays: Mapping[str, Any],
) -> tuple[int, int]:
    """Return the smallest and the largest value of an index."""
    low, high = (_extreme(index, ranges, largest) for largest in (False, True))
    if low is not None and high is not None and low.is_Integer and high.is_Integer:
        return int(low), int(high)
    if isinstance(index, sp.Symbol):
        if index not in spans:
            raise InputError(f"the size {index} is not known")
        return spans[index]
    if isinstance(index, sp.Indexed):
        return _data_span(index, ranges, spans, arrays)
    if isinstance(index, sp.Integer):
        return int(index), int(index)
    parts = [_span(part, ranges, spans, arrays) for part in _operands(index)]
    if isinstance(index, sp.Add):
        return sum(p[0] for p in parts), sum(p[1] for p in parts)
    if isinstance(index, sp.Mul):
        corners = [1]
        for part in parts:
            corners = [c * end for c in corners for end in part]
        return min(corners), max(corners)
    if isinstance(index, (sp.floor, sp.ceiling)):
        rounded = math.floor if isinstance(index, sp.floor) else math.ceil
        divisor = index.args[0].as_numer_denom()[1]
        first, last = (rounded(sp.Integer(end) / divisor) for end in parts[0])
        return first, last
    if isinstance(index, sp.Mod):
        return 0, abs(parts[1][1]) - 1
    if isinstance(index, (sp.Abs, sp.Pow)):
        corners = [abs(end) if isinstance(index, sp.Abs) else end for end in parts[0]]
        if parts[0][0] <= 0 <= parts[0][1]:
            corners.append(0)
        power = int(index.exp) if isinstance(index, sp.Pow) else 1
        return min(c**power for c in corners), max(c**power for c in corners)
    if isinstance(index, (sp.Max, sp.Min)):
        pick = max if isinstance(index, sp.Max) else min
        return pick(p[0] for p in parts), pick(p[1] for p in parts)
    raise FormulaError(f"{text_of(index)} can't be an index or a bound of a sum")


def _operands(index: sp.Expr) -> Sequence[sp.Expr]:
    if isinstance(index, (sp.floor, sp.ceiling)):
        return (index.args[0].as_numer_denom()[0],)
    return index.args


def _data_span(
    access: sp.Indexed,
    ranges: Sequence[Range],
    spans: Mapping[sp.Basic, tuple[int, int]],
    arrays: Mapping[str, Any],
) -> tuple[int, int]:
    name = str(access.base.label)
    if name not in arrays:
        problem = f"{text_of(access)} is an index, so {name} must be data"
        raise FormulaError(problem)
    if arrays[name].dtype.kind not in "iu":
        problem = f"{name} has indices, which must be integers, not"
        raise InputError(f"{problem} {arrays[name].dtype}")
    box = []
    for axis, index in enumerate(access.indices):
        low, high = _span(index, ranges, spans, arrays)
        length = arrays[name].shape[axis]
        box.append(slice(min(max(low, 0), length), min(max(high, 0), length - 1) + 1))
    chosen = arrays[name][tuple(box)]
    if chosen.size == 0:
        return 0, 0
    return int(np.min(chosen)), int(np.max(chosen))


# ------------------------------------------------------------------- written out

WRITTEN_OUT = 64  # terms of a sum inside of another one


def written_out(expression: sp.Expr, sizes: Mapping[str, int]) -> sp.Expr:
    """Return an expression whose short inner sums are sums of terms.

    The rows of data are then worked on side by side, rather than the few columns.
    """

    def outer(node: sp.Basic) -> sp.Basic:
        if isinstance(node, (sp.Sum, sp.Product)):
            return node.func(inner(node.function), *node.limits)
        return node.func(*map(outer, node.args)) if node.args else node

    def inner(node: sp.Basic) -> sp.Basic:
        if not node.has(sp.Sum, sp.Product):
            return node
        if isinstance(node, (sp.Sum, sp.Product)):
            body = inner(node.function)
            terms = _terms(node, body, sizes)
            if terms is None:
                return node.func(body, *node.limits)
            return (sp.Add if isinstance(node, sp.Sum) else sp.Mul)(*terms)
        return node.func(*map(inner, node.args))

    return outer(expression)


def static_sizes(expression: sp.Expr, sizes: Mapping[str, int]) -> dict[str, int]:
    """Return the sizes that become part of the code: those of what is written out."""
    used: set[str] = set()
    for outer in expression.atoms(sp.Sum, sp.Product):
        for node in outer.function.atoms(sp.Sum, sp.Product):
            if _terms(node, sp.S.Zero, sizes) is not None:
                bounds = [bound for limit in node.limits for bound in limit[1:]]
                used |= {s.name for bound in bounds for s in bound.atoms(sp.Symbol)}
    return {name: sizes[name] for name in sorted(used)}


def _terms(
    node: sp.Expr, body: sp.Expr, sizes: Mapping[str, int]
) -> list[sp.Expr] | None:
    """Return the terms of a sum, or None if they are many or their number varies."""
    numbers, terms = _numbers(sizes), [body]
    for index, low, high in node.limits:
        first, last = (bound.xreplace(numbers) for bound in (low, high))
        if not (first.is_Integer and last.is_Integer):
            return None
        if (last - first + 1) * len(terms) > WRITTEN_OUT:
            return None
        terms = [
            term.xreplace({index: sp.Integer(k)})
            for term in terms
            for k in range(int(first), int(last) + 1)
        ]
    return terms
