"""Whole numbers, exactly: how far an index reaches, and each part of it.

Loops compute indices with 64 bits. A sum or a product may wrap around on the way if it
fits in the end, but what is divided or compared must be what it says, and so must an
index. So every part is bounded here, in integers of any length, before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
import sympy as sp

from symgd.calculus.structure import Range, extreme, numbers_of
from symgd.errors import FormulaError, InputError
from symgd.language.formula import text_of
from symgd.language.functions import real_abs
from symgd.language.indexing import is_whole

# The smallest and the largest value.
Span: TypeAlias = tuple[int, int]

LEAST, MOST = -(2**63), 2**63 - 1  # of what a loop can hold


def operands(node: sp.Expr) -> Sequence[sp.Expr]:
    """Return what a part of an index is computed from.

    ``floor(r)`` is ``whole + above//below``, ``ceiling(r)`` is ``-floor(-r)``. What is
    a multiple of the divisor is left out of a division, as it may be large.

    >>> i = sp.Symbol("i", real=True)
    >>> operands(sp.floor(7 * i / 2 + sp.Rational(1, 4)))
    (3*i, 2*i + 1, 4)
    >>> operands(sp.Mod(9 * i + 8, 7))
    (2*i + 1, 7)
    """
    if isinstance(node, sp.floor):
        whole, rest = _split(node.args[0], sp.S.One)
        return whole, *rest.as_numer_denom()
    if isinstance(node, sp.ceiling):
        return operands(sp.floor(-node.args[0], evaluate=False))
    if isinstance(node, sp.Mod) and node.args[1].is_Integer:
        return _split(*node.args)[1], node.args[1]
    return node.args


def _split(number: sp.Expr, unit: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Return the multiples of a unit in a sum of whole numbers, and the rest."""
    multiples, rest = [], []
    for term in sp.Add.make_args(number):
        factor, whole = term.as_coeff_Mul()
        if unit != 0 and factor.is_Rational and is_whole(whole):
            times = sp.Integer(int(factor / unit))  # towards 0
            multiples.append(times * unit * whole)
            factor -= times * unit
        rest.append(factor * whole)
    return sp.Add(*multiples), sp.Add(*rest)


class Spans:
    """How far whole numbers reach, in given ranges of the indices around them.

    Parameters
    ----------
    sizes : mapping of str to int
    arrays : mapping of str to ndarray
        The data, in which indices are looked up.
    ranges : sequence of Range
        The outermost first.
    tight : bool
        Whether sums of indices are bounded as sums: ``i - j`` is at least 0 where j is
        in ``range(i + 1)``. That takes SymPy some milliseconds.

    Attributes
    ----------
    empty : bool
        Whether one of the ranges is, so that nothing is done.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        arrays: Mapping[str, Any],
        ranges: Sequence[Range] = (),
        tight: bool = False,
    ) -> None:
        self.arrays = arrays
        self.tight = tight
        self.empty = False
        self._numbers = numbers_of(sizes)
        self._ranges: list[Range] = []
        self._known: dict[sp.Basic, Span] = {
            name: (int(size), int(size)) for name, size in self._numbers.items()
        }
        for index, low, high in ranges:
            first, last = self.of(low)[0], self.of(high)[1]
            self.empty = self.empty or last < first
            self._known[index] = first, max(first, last)
            self._ranges.append((index, low, high))

    def of(self, node: sp.Expr) -> Span:
        """Return the smallest and the largest value.

        Raises
        ------
        FormulaError
            If it, or a part of it, may leave 64 bits, divides by 0, or isn't whole.
        InputError
            If a size isn't known, or data aren't whole numbers.
        """
        if node not in self._known:
            span = self._of(node)
            if self.tight and isinstance(node, (sp.Add, sp.Mul)):
                span = self._tightened(node, *span)
            self._known[node] = _fitting(node, *span)
        return self._known[node]

    def _of(self, node: sp.Expr) -> Span:
        if isinstance(node, sp.Integer):
            return int(node), int(node)
        if isinstance(node, sp.Symbol):
            raise InputError(f"the size {node} is not known")
        if isinstance(node, sp.Indexed):
            return self._of_data(node)
        rule = next((r for kind, r in _RULES.items() if isinstance(node, kind)), None)
        if rule is None or (isinstance(node, sp.Pow) and not _is_repeated(node)):
            raise FormulaError(f"{text_of(node)} can't be an index or a bound of a sum")
        parts = node.args[:1] if isinstance(node, sp.Pow) else operands(node)
        return rule(node, [self.of(part) for part in parts])

    def _tightened(self, node: sp.Expr, low: int, high: int) -> Span:
        known = node.xreplace(self._numbers)
        for largest in (False, True):
            bound = extreme(known, self._ranges, largest)
            bound = None if bound is None else bound.xreplace(self._numbers)
            if bound is not None and bound.is_Integer:
                low, high = (
                    (low, min(high, int(bound)))
                    if largest
                    else (max(low, int(bound)), high)
                )
        return low, high

    def _of_data(self, access: sp.Indexed) -> Span:
        """Return the smallest and the largest of the numbers that are looked up."""
        name = str(access.base.label)
        if name not in self.arrays:
            problem = f"{text_of(access)} is an index, so {name} must be data"
            raise FormulaError(problem)
        array = self.arrays[name]
        if array.dtype.kind not in "iu":
            problem = f"{name} has indices, which must be integers, not {array.dtype}"
            # As numbers, what chooses rows would be the rows 0 and 1.
            choosing, whole = f"numpy.flatnonzero({name})", f"{name}.astype(int)"
            advice = choosing if array.dtype.kind == "b" else whole
            raise InputError(f"{problem}: convert it, {advice} say")
        if (known := getattr(array, "span", None)) is not None:
            return known  # of numbers that are elsewhere
        box = []
        for index, length in zip(access.indices, array.shape, strict=True):
            first, last = (min(max(end, 0), length - 1) for end in self.of(index))
            box.append(slice(first, last + 1))
        chosen = array[tuple(box)]
        return int(np.min(chosen)), int(np.max(chosen))


def _fitting(node: sp.Expr, low: int, high: int) -> Span:
    """Return a span, or raise FormulaError if it leaves 64 bits."""
    if low >= LEAST and high <= MOST:
        return low, high
    wrong = low if low < LEAST else high
    number = str(wrong) if abs(wrong) < 10**20 else str(sp.Float(wrong, 3))
    problem = f"{text_of(node)} may become {number}, which 64 bits can't hold"
    advice = "keep its parts smaller, as (a % m)*(b % m) % m is a*b % m"
    raise FormulaError(problem, suggestion=advice)


def _is_repeated(node: sp.Pow) -> bool:
    return bool(node.exp.is_Integer and node.exp > 0)


# -------------------------------------------------------------- from those of its parts


def _of_sum(_node: sp.Expr, parts: list[Span]) -> Span:
    return sum(p[0] for p in parts), sum(p[1] for p in parts)


def _of_product(_node: sp.Expr, parts: list[Span]) -> Span:
    def times(a: Span, b: Span) -> Span:
        corners = [x * y for x in a for y in b]
        return min(corners), max(corners)

    return reduce(times, parts)


def _of_power(node: sp.Pow, parts: list[Span]) -> Span:
    times = int(node.exp)
    times = min(times, 64 + times % 2)  # more is too large, or 0, 1 or -1 as it is
    (low, high) = parts[0]
    corners = [low**times, high**times] + [0] * (low <= 0 <= high)
    return min(corners), max(corners)


def _of_size(_node: sp.Expr, parts: list[Span]) -> Span:
    (low, high) = parts[0]
    corners = [abs(low), abs(high)] + [0] * (low <= 0 <= high)
    return min(corners), max(corners)


def _divided(node: sp.Expr, above: Span, below: Span) -> Span:
    if below[0] <= 0 <= below[1]:
        raise FormulaError(f"the divisor of {text_of(node)} may be 0")
    corners = [a // b for a in above for b in below]
    return _fitting(node, min(corners), max(corners))


def _of_floor(node: sp.Expr, parts: list[Span]) -> Span:
    whole, above, below = parts
    return _of_sum(node, [whole, _divided(node, above, below)])


def _of_ceiling(node: sp.Expr, parts: list[Span]) -> Span:
    low, high = _fitting(node, *_of_floor(node, parts))
    return -high, -low


def _of_remainder(node: sp.Expr, parts: list[Span]) -> Span:
    _divided(node, *parts)  # as a loop does first
    least, most = parts[1]
    return (0, most - 1) if least > 0 else (least + 1, 0)


def _of_largest(_node: sp.Expr, parts: list[Span]) -> Span:
    return max(p[0] for p in parts), max(p[1] for p in parts)


def _of_smallest(_node: sp.Expr, parts: list[Span]) -> Span:
    return min(p[0] for p in parts), min(p[1] for p in parts)


_RULES: dict[type, Callable[[Any, list[Span]], Span]] = {
    sp.Add: _of_sum,
    sp.Mul: _of_product,
    sp.Pow: _of_power,
    sp.Abs: _of_size,
    real_abs: _of_size,
    sp.floor: _of_floor,
    sp.ceiling: _of_ceiling,
    sp.Mod: _of_remainder,
    sp.Max: _of_largest,
    sp.Min: _of_smallest,
}
