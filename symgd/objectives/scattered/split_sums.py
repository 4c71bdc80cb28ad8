"""A formula in two parts: sums over the rows of partitions, and what is made of them.

f(x) is F(s, x), where each s is a sum over all rows. F is computed here; of the sums
each partition has its share.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import sympy as sp

from symgd.calculus.program import outermost
from symgd.calculus.structure import accesses, numbers_of
from symgd.errors import FormulaError
from symgd.language.formula import symbol, text_of
from symgd.language.nodes import REPEATED, Sum, is_factored, replaced

ROWS = "[rows]"  # how many a partition has
SUM = "[sum {}]"  # derivatives have names of their own for what they meet


class Split(NamedTuple):
    """The parts of a formula.

    Attributes
    ----------
    whole : SymPy expression
        What is made of the sums, which have the names below.
    names : tuple of str
    sums : tuple of SymPy expressions
        Over the rows of a partition.
    """

    whole: sp.Expr
    names: tuple[str, ...]
    sums: tuple[sp.Expr, ...]


def split(
    expression: sp.Expr, rows: Collection[str], count: int, sizes: Mapping[str, int]
) -> Split:
    """Return the sums over rows in an expression, and what is made of them.

    Parameters
    ----------
    expression : SymPy expression
    rows : collection of str
        The columns that are in partitions.
    count : int
        The number of rows in all.
    sizes : mapping of str to int

    Raises
    ------
    FormulaError
        If something else than sums over all rows is made of them.
    """
    sums: dict[sp.Expr, sp.Expr] = {}
    names: list[str] = []
    if is_factored(expression):
        problem = "det, inv and solve are of whole matrices, not of rows in partitions"
        raise FormulaError(problem)
    for node in outermost(expression, *REPEATED):
        if any(access.name in rows for access in accesses(node)):
            names.append(SUM.format(len(names)))
            sums[node] = _of_partition(node, rows, count, sizes)
    whole = replaced(expression, dict(zip(sums, map(symbol, names), strict=True)))
    if others := [a for a in accesses(whole) if a.name in rows]:
        raise _refused(others[0].node, "is of one row, outside of a sum")
    return Split(whole, tuple(names), tuple(sums.values()))


def _of_partition(
    node: sp.Expr, rows: Collection[str], count: int, sizes: Mapping[str, int]
) -> sp.Expr:
    """Return the part of a sum that a partition has."""
    read = [each.node for each in accesses(node) if each.name in rows]
    indices = {each.indices[0] for each in read}
    limits = {limit[0]: limit for limit in node.limits}
    if not isinstance(node, sp.Sum):
        raise _refused(node, "is no sum, and only sums can be added up")
    if len(indices) > 1 or not indices <= limits.keys():
        raise _refused(read[0], "isn't of the row that an outermost sum is at")
    index, first, last = limits[row := indices.pop()]
    numbers = numbers_of(sizes)
    if (first.xreplace(numbers), last.xreplace(numbers)) != (0, count - 1):
        raise _refused(node, f"isn't over all {count} rows")
    others = [limit for limit in node.limits if limit[0] != row]
    masked = {each: sp.Dummy() for each in read}
    beside = [
        replaced(node.function, masked),
        *(e for _, *ends in others for e in ends),
    ]
    if any(
        part.has(row) for part in (*beside, *(i for e in read for i in e.indices[1:]))
    ):
        problem = f"needs the number {row} of a row, which partitions don't know"
        raise _refused(node, f"{problem}: have it in a column")
    return Sum(node.function, *others, (index, first, symbol(ROWS) - 1))


def _refused(node: Any, why: str) -> FormulaError:
    problem = f"the data are in partitions, and {text_of(node)} {why}"
    return FormulaError(problem)
