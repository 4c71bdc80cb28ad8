"""Loops gone through before they are compiled: which indices are reached, and where.

Blocks of iterations at once, in NumPy's integers, for which
:mod:`symgd.calculus.whole` has found the numbers small enough. Conditions are decided
as far as sizes, indices and data say; what depends on a variable or a parameter may
hold or not.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
import sympy as sp

from symgd.calculus.structure import Guard, Range
from symgd.calculus.whole import Spans, operands
from symgd.errors import FormulaError, InputError
from symgd.language.functions import real_abs

BLOCK = 2**16
MOST = 2**26  # iterations: some seconds
EXACT = 2**53  # whole numbers up to this are the same as float64
_ROUNDING = 2.0**-50

# Where a condition holds, and where it doesn't; elsewhere nobody knows.
Decided: TypeAlias = tuple[Any, Any]
# Values, where they are known, and by how much those of a loop may be others.
Known: TypeAlias = tuple[Any, Any, Any]


class TooManyError(Exception):
    """The loops have more iterations than can be looked at."""


def iterations(ranges: Sequence[Range], spans: Spans) -> Iterator[Iterations]:
    """Yield all iterations of nested loops, blocks of them at once.

    Raises
    ------
    TooManyError
        If there are more than MOST.
    """
    done = 0

    def inside(outer: Iterations, rows: int, rest: Sequence[Range]) -> Any:
        nonlocal done
        if not rest:
            yield outer
            return
        (index, low, high), *inner = rest
        first, last = (np.broadcast_to(outer.whole(b)[0], rows) for b in (low, high))
        ends = np.cumsum(np.maximum(last - first + 1, 0))
        done += (count := int(ends[-1]))
        if done > MOST:
            raise TooManyError
        for begin in range(0, count, BLOCK):
            place = np.arange(begin, min(begin + BLOCK, count))
            row = np.searchsorted(ends, place, side="right")
            known = {name: values[row] for name, values in outer.indices.items()}
            known[index] = last[row] + 1 - (ends[row] - place)
            yield from inside(Iterations(known, spans), len(place), inner)

    yield from inside(Iterations({}, spans), 1, ranges)


class Iterations:
    """Some iterations of nested loops.

    Parameters
    ----------
    indices : mapping of symbols to arrays
        The indices, and their values.
    spans : Spans
        Of all iterations.
    """

    def __init__(self, indices: Mapping[sp.Basic, np.ndarray], spans: Spans) -> None:
        self.indices = indices
        self.spans = spans

    def whole(self, node: sp.Expr) -> tuple[Any, Any]:
        """Return the values of an index, and where it reads no array outside."""
        if isinstance(node, sp.Integer):
            return int(node), True
        if isinstance(node, sp.Symbol):
            known = self.indices.get(node)
            return self.spans.of(node)[0] if known is None else known, True
        if isinstance(node, sp.Indexed):
            values, fine = self._elements(node)
            return values.astype(np.int64), fine
        if isinstance(node, sp.Pow):
            values, fine = self.whole(node.base)
            return values ** int(node.exp), fine
        parts, fine = zip(*map(self.whole, operands(node)), strict=True)
        compute = next(f for kind, f in _WHOLE.items() if isinstance(node, kind))
        return compute(*parts), reduce(np.logical_and, fine)

    def _elements(self, access: sp.Indexed) -> tuple[Any, Any]:
        array, inside = self.spans.arrays[str(access.base.label)], True
        if hasattr(array, "span"):
            raise TooManyError  # its numbers are elsewhere
        places = []
        for index, length in zip(access.indices, array.shape, strict=True):
            values, fine = self.whole(index)
            inside = inside & fine & (values >= 0) & (values < length)
            places.append(np.clip(values, 0, length - 1))
        return array[tuple(places)], inside

    # --------------------------------------------------------------- conditions

    def possible(self, guards: Sequence[Guard]) -> Any:
        """Return where all conditions may be as they are wanted."""
        possible: Any = True
        for condition, wanted in guards:
            holds, fails = self.decided(condition)
            possible = possible & np.logical_not(fails if wanted else holds)
        return possible

    def decided(self, condition: sp.Basic) -> Decided:
        """Return where a condition holds, and where it doesn't, as far as is known."""
        if isinstance(condition, sp.core.relational.Relational):
            return self._compared(condition)
        if isinstance(condition, sp.ITE):
            test, yes, no = condition.args
            condition = sp.Or(sp.And(test, yes), sp.And(sp.Not(test), no))
        parts = [self.decided(part) for part in condition.args]
        holds, fails = ([part[k] for part in parts] for k in (0, 1))
        if isinstance(condition, sp.Not):
            return fails[0], holds[0]
        if isinstance(condition, sp.And):
            return reduce(operator.and_, holds), reduce(operator.or_, fails)
        if isinstance(condition, sp.Or):
            return reduce(operator.or_, holds), reduce(operator.and_, fails)
        return condition == sp.true, condition == sp.false

    def _compared(self, condition: Any) -> Decided:
        left, right = map(self._number, (condition.lhs, condition.rhs))
        if left is None or right is None:
            return False, False
        (a, known_a, slack_a), (b, known_b, slack_b) = left, right
        with np.errstate(invalid="ignore", over="ignore"):
            gap, slack = a - b, slack_a + slack_b
        known = known_a & known_b
        above, below = (gap > slack) & known, (gap < -slack) & known
        equal = (gap == 0) & (slack == 0) & known
        return {
            ">": (above, below | equal),
            ">=": (above | equal, below),
            "<": (below, above | equal),
            "<=": (below | equal, above),
            "==": (equal, above | below),
            "!=": (above | below, equal),
        }[condition.rel_op]

    def _number(self, node: sp.Expr) -> Known | None:
        """Return a side of a comparison as a loop computes it; None if nobody knows."""
        try:
            low, high = self.spans.of(node)
            if low >= -EXACT and high <= EXACT:
                return *self.whole(node), 0.0
        except (FormulaError, InputError):
            pass  # it isn't whole, or too large
        if node.is_number:
            return node.p / node.q if node.is_Rational else float(node), True, 0.0
        if isinstance(node, sp.Indexed) and str(node.base.label) in self.spans.arrays:
            values, inside = self._elements(node)
            return values.astype(np.float64), inside, 0.0
        combine = next((f for k, f in _NUMBERS.items() if isinstance(node, k)), None)
        parts = [self._number(part) for part in node.args] if combine else [None]
        return None if combine is None or None in parts else reduce(combine, parts)


_WHOLE: dict[type, Callable[..., Any]] = {
    sp.Add: lambda *parts: reduce(operator.add, parts),
    sp.Mul: lambda *parts: reduce(operator.mul, parts),
    sp.Abs: np.abs,
    real_abs: np.abs,
    sp.floor: lambda whole, above, below: whole + np.floor_divide(above, below),
    sp.ceiling: lambda whole, above, below: -whole - np.floor_divide(above, below),
    sp.Mod: np.mod,
    sp.Max: lambda *parts: reduce(np.maximum, parts),
    sp.Min: lambda *parts: reduce(np.minimum, parts),
}


def _sum(a: Known, b: Known) -> Known:
    rounding = _ROUNDING * (abs(a[0]) + abs(b[0]))
    return a[0] + b[0], a[1] & b[1], a[2] + b[2] + rounding


def _product(a: Known, b: Known) -> Known:
    value = a[0] * b[0]
    slack = abs(a[0]) * b[2] + abs(b[0]) * a[2] + a[2] * b[2]
    return value, a[1] & b[1], slack + _ROUNDING * abs(value)


_NUMBERS: dict[type, Callable[[Any, Any], Known]] = {sp.Add: _sum, sp.Mul: _product}
