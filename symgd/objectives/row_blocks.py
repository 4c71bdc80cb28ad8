"""Rows of relations: each formula in them, and between which numbers it is to be."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sympy as sp

from symgd.errors import InputError
from symgd.language.as_written import decided
from symgd.language.formula import array as array_of
from symgd.language.formula import symbol
from symgd.language.nodes import Sum
from symgd.language.relations import Relation
from symgd.native.machine import address

# It stands above: what is asked of one are its names, kernels and parameters.
Objective = Any
INTO = {"==": (0.0, 0.0), "<=": (-math.inf, 0.0), ">=": (0.0, math.inf)}


class RowBlock(NamedTuple):
    """Rows of one relation that are alike."""

    relation: int
    body: sp.Expr
    low: float
    high: float
    multiplier: str
    limits: tuple[Any, ...]
    condition: Any

    @property
    def has_gaps(self) -> bool:
        """Whether there may be indices without a row."""
        ends = (end for _, *ends in self.limits for end in ends)
        inside = {name for end in ends for name in end.free_symbols}
        indices = {index for index, *_ in self.limits}
        return self.condition != sp.true or not inside.isdisjoint(indices)


def blocks_of(relations: Iterable[Relation], taken: set[str]) -> list[RowBlock]:
    """Return the rows of all relations, equalities first."""
    found = []
    for place, relation in enumerate(relations):
        for body, low, high in _rows(relation):
            name = unused("multiplier", taken)
            taken.add(name)
            family = relation.limits, relation.condition
            found.append(RowBlock(place, body, low, high, name, *family))
    return sorted(found, key=lambda block: block.low != block.high)


def _rows(relation: Relation) -> list[tuple[sp.Expr, float, float]]:
    """Return what is to be between which numbers, for a relation: one row, or two."""
    body, low, high = relation.parts()
    if relation.sense != "between":
        return [(body, *INTO[relation.sense])]
    if low.is_number and high.is_number:
        if not low <= high:
            problem = f"{low} is above {high}"
            raise InputError(f"no point satisfies {relation.text!r}: {problem}")
        return [(body, float(low), float(high))]
    return [(body - low, *INTO[">="]), (body - high, *INTO["<="])]


def term(block: RowBlock) -> sp.Expr:
    """Return what a block adds to the Lagrangian."""
    return _summed(block, _multiplier(block) * block.body)


def square(block: RowBlock) -> sp.Expr:
    """Return half the square of what a block, shifted, is beyond its sides."""
    shifted = block.body + _multiplier(block)
    if block.low == block.high:
        beyond = shifted - block.low
    else:
        ends = [] if block.low == -math.inf else [block.low - shifted]
        ends += [] if block.high == math.inf else [shifted - block.high]
        beyond = sp.Max(0, *ends)
    return _summed(block, beyond**2 / 2)


def _multiplier(block: RowBlock) -> sp.Expr:
    if not block.limits:
        return symbol(block.multiplier)
    places = [index - first for index, first, _ in reversed(block.limits)]
    return sp.Indexed(array_of(block.multiplier), *places)


def _summed(block: RowBlock, value: sp.Expr) -> sp.Expr:
    if not block.limits:
        return value
    return Sum(chosen(block.condition, value), *block.limits)


def chosen(condition: Any, value: Any) -> Any:
    """Return a value where a condition holds, and else 0."""
    return decided((sp.sympify(value), condition), (sp.S.Zero, sp.true))


def unused(name: str, taken: set[str]) -> str:
    """Return a name that isn't taken."""
    number = 0
    while (found := f"{name}_{number}" if number else name) in taken:
        number += 1
    return found


def numbers_of(
    function: Objective, pairs: Iterable[tuple[RowBlock, sp.Expr]], x: Sequence[float]
) -> array[float]:
    """Return what a formula is in each row, where blocks have one; else 0.

    Parameters
    ----------
    function : Objective
        A Lagrangian: of variables, a multiplier for each row, and a factor.
    pairs : iterable of (RowBlock, SymPy expression)
    x : sequence of float
        Values of the variables.
    """
    # The multiplier of each row stands in this once, beside the formula.
    total = sum(term(block._replace(body=each)) for block, each in pairs)
    n, size = len(x), function.space.size
    point = array("d", x) + array("d", bytes(8 * (size - n)))
    gradient = array("d", bytes(8 * size))
    if total != 0:
        made = function.with_expression(total)
        words = made.parameter_values()
        made.kernel("evaluation")(address(point), address(words), address(gradient))
    return gradient[n : size - 1]
