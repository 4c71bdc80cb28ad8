"""Mini-batches: an estimate of an objective from some rows of its data.

A sum over all rows becomes one over the rows of a batch, times the number of rows over
the batch's: its expectation, and that of its gradient, are the whole sum's (Robbins and
Monro 1951; Bottou, Curtis and Nocedal 2018, section 3). Rows come in a random order, a
new one in each epoch.

With them, an update rule is a stochastic gradient method (SGD).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import sympy as sp

from symgd.calculus.program import outermost
from symgd.calculus.structure import numbers_of
from symgd.errors import FormulaError, InputError
from symgd.language.formula import array, symbol
from symgd.language.nodes import replaced
from symgd.objectives.arrays import Arrays

if TYPE_CHECKING:
    import numpy as np

ORDER, FIRST, LAST, SCALE = "[order]", "[first]", "[last]", "[scale]"


class Batched:
    """An objective's arrays, as one batch of rows sees them.

    Parameters
    ----------
    arrays : Arrays
        Of the whole objective.

    Attributes
    ----------
    arrays : Arrays
        Of a batch.
    rows : int
        How many there are in all.
    order : ndarray of int64, shape (rows,)
        The order of the rows, which a kernel shuffles.

    Raises
    ------
    InputError, FormulaError
        If no sum, or not the sum alone, is over rows of data.
    """

    def __init__(self, arrays: Arrays) -> None:
        import numpy as np

        arrays = arrays.replaced(expression=arrays.safe, guarded={})
        sums = _over_rows(arrays)
        self.rows = _length(sums[0], arrays)
        self.order: np.ndarray = np.arange(self.rows, dtype=np.int64)
        expression = replaced(
            arrays.expression, {node: symbol(SCALE) * batch_of(node) for node in sums}
        )
        self.arrays = arrays.replaced(
            expression=expression,
            parameters=(*arrays.parameters, SCALE),
            size_names={*arrays.size_names, FIRST, LAST},
            sizes={**arrays.sizes, FIRST: 0, LAST: self.rows},
            data={**arrays.data, ORDER: self.order},
        )


def _over_rows(arrays: Arrays) -> list[sp.Expr]:
    """Return the sums over rows of data: the longest, all of the same range."""
    expression, formula = arrays.expression, arrays.formula
    sums = [n for n in outermost(expression, sp.Sum) if _reads_rows(n, arrays)]
    if not sums:
        problem = "batch_size needs a sum over rows of data, such as"
        raise InputError(f"{problem} sum((y[i] - a*t[i])**2 for i in range(n))")
    longest = max(_length(node, arrays) for node in sums)
    sums = [node for node in sums if _length(node, arrays) == longest]
    if len({node.limits[-1][1:] for node in sums}) > 1:
        raise FormulaError("there are sums over different rows: no batches", formula)
    names = {node: sp.Symbol(f"[s{k}]", real=True) for k, node in enumerate(sums)}
    check_unbiased(replaced(expression, names), names.values(), arrays)
    return sums


def check_unbiased(rest: sp.Expr, names: Iterable[sp.Symbol], arrays: Arrays) -> None:
    """Refuse what isn't linear in the sums over rows, which have these names."""
    fixed = {*arrays.parameters, *arrays.size_names}
    for name in names:
        slope = sp.diff(rest, name)
        if not {s.name for s in slope.atoms(sp.Symbol)} <= fixed:
            problem = "the sum over rows is inside of another function, so a batch"
            raise FormulaError(f"{problem} gives no unbiased estimate", arrays.formula)


def _length(node: sp.Expr, arrays: Arrays) -> int:
    """Return how many rows a sum is over."""
    numbers = numbers_of(arrays.sizes)
    first, last = (int(bound.xreplace(numbers)) for bound in node.limits[-1][1:])
    return last - first + 1


def _reads_rows(node: sp.Expr, arrays: Arrays) -> bool:
    """Return whether a sum's outermost index counts rows of data."""
    index = node.limits[-1][0]
    return any(
        str(access.base.label) in arrays.data and access.indices[0].has(index)
        for access in node.function.atoms(sp.Indexed)
    )


def batch_of(node: sp.Expr) -> sp.Expr:
    """Return a sum over the rows of a batch."""
    *inner, (index, low, _) = node.limits
    row = {index: low + array(ORDER)[index]}
    body = replaced(node.function, row)
    limits = [tuple(part.xreplace(row) for part in limit) for limit in inner]
    batch = (index, symbol(FIRST), symbol(LAST) - 1)
    return node.func(body, *limits, batch)
