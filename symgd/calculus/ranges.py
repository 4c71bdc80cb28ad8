"""What the indices of a formula reach: the least shapes, and what is out of range.

All of this is known before anything runs.

Shape inference and bounds checking, by interval arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from symgd.calculus.structure import Access, Range, accesses, extreme, numbers_of
from symgd.errors import FormulaError, InputError, shortened
from symgd.language.formula import text_of

LONGEST = 2**48  # iterations of a sum
ENUMERATED = 200_000  # iterations that are looked at one by one, where bounds are vague


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
        for place in _enumerated(access.ranges, numbers_of(sizes)):
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
    try:
        return _spans_of(access, numbers_of(sizes), arrays)
    except ZeroDivisionError:
        problem = f"a divisor is 0 in an index of {text_of(access.node)}, or its range"
        raise FormulaError(problem) from None


def _spans_of(
    access: Access, numbers: Mapping[sp.Symbol, sp.Integer], arrays: Mapping[str, Any]
) -> list[tuple[int, int]] | None:
    ranges: list[Range] = []
    spans: dict[sp.Basic, tuple[int, int]] = {}
    for name, low, high in _not_empty(access.ranges, numbers):
        ends = [_span(bound, ranges, spans, arrays) for bound in (low, high)]
        if ends[1][1] < ends[0][0]:
            return None
        spans[name] = ends[0][0], ends[1][1]
        ranges.append((name, low, high))
    return [
        _span(index.xreplace(numbers), ranges, spans, arrays)
        for index in access.node.indices
    ]


def _not_empty(
    ranges: Sequence[Range], numbers: Mapping[sp.Symbol, sp.Integer]
) -> list[Range]:
    """Return ranges without the part in which a range inside of them is empty."""
    known = [
        (i, low.xreplace(numbers), high.xreplace(numbers)) for i, low, high in ranges
    ]
    for inner in range(len(known) - 1, 0, -1):
        gap = sp.expand(known[inner][2] - known[inner][1])  # at least 0
        for place in range(inner):
            name, low, high = known[place]
            slope = sp.expand(gap.xreplace({name: name + 1}) - gap)
            rest = gap.xreplace({name: sp.S.Zero})
            if not (slope.is_Integer and rest.is_Integer) or slope == 0:
                continue
            if slope > 0:
                known[place] = name, sp.Max(low, sp.ceiling(-rest / slope)), high
            else:
                known[place] = name, low, sp.Min(high, sp.floor(rest / -slope))
    return known


def check_bounds(expression: sp.Expr, sizes: Mapping[str, int], formula: str) -> None:
    """Raise FormulaError if a sum is longer than anybody can wait for."""
    numbers = numbers_of(sizes)
    for node in expression.atoms(sp.Sum, sp.Product):
        for bound in (bound for limit in node.limits for bound in limit[1:]):
            number = bound.xreplace(numbers)
            if number.is_Integer and abs(number) > LONGEST:
                problem = f"a sum has a range up to {shortened(str(number))}"
                raise FormulaError(f"{problem}, which is too long to compute", formula)


def _span(
    index: sp.Expr,
    ranges: Sequence[Range],
    spans: Mapping[sp.Basic, tuple[int, int]],
    arrays: Mapping[str, Any],
) -> tuple[int, int]:
    """Return the smallest and the largest value of an index."""
    low, high = (extreme(index, ranges, largest) for largest in (False, True))
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
        if parts[1][0] <= 0 <= parts[1][1]:
            raise FormulaError(f"the divisor of {text_of(index)} may be 0")
        corners = [rounded(sp.Rational(a, b)) for a in parts[0] for b in parts[1]]
        return min(corners), max(corners)
    if isinstance(index, sp.Mod):
        least, most = parts[1]
        if least <= 0 <= most:
            raise FormulaError(f"the divisor of {text_of(index)} may be 0")
        return (0, most - 1) if least > 0 else (least + 1, 0)
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
        return index.args[0].as_numer_denom()
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
