"""Determinants and inverses of small matrices, written out.

The rule of Laplace, and that of Cramer by cofactors: exact, as derivatives are, and
cheap up to 4 by 4.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Sequence

import sympy as sp

from symgd.language.notation.array_values import Indices, Rewriting, Whole

LARGEST = 4
_ADVICE = "for larger ones, let NumPy factor what is constant, and give that as data"


def _size(form: Rewriting, node: ast.expr, whole: Whole, what: str) -> int:
    """Return how many rows a square matrix has, which is known then."""
    shape = form.extents.shape(whole.shape)
    if whole.rank != 2 or not form.extents.equal(*whole.shape):
        problem = f"{what} is of a square matrix, not of shape {shape}"
        raise form.refuse(node, problem, None)
    number = form.extents.number(whole.shape[0])
    if number is None or not 1 <= number <= LARGEST:
        problem = f"{what} is written out, of at most {LARGEST} rows, not of {shape}"
        raise form.refuse(node, problem, _ADVICE)
    form.extents.equal(whole.shape[0], sp.Integer(number))
    return number


class _Elements:
    """The elements of a small matrix, and what is computed of them."""

    def __init__(self, form: Rewriting, node: ast.expr, whole: Whole) -> None:
        self.write, self.node, self.whole = form.write, node, whole

    def at(self, row: int, column: int) -> ast.expr:
        places = (self.write.number(self.node, k) for k in (row, column))
        return self.whole.at(tuple(places))

    def minor(self, rows: Sequence[int], columns: Sequence[int]) -> ast.expr:
        """Return the determinant of some rows and columns, along the first row."""
        if not rows:
            return self.write.number(self.node, 1)
        if len(rows) == 1:
            return self.at(rows[0], columns[0])
        terms = []
        for k, column in enumerate(columns):
            rest = self.minor(rows[1:], [c for c in columns if c != column])
            element = self.at(rows[0], column)
            terms.append(self.write.binary(self.node, element, ast.Mult(), rest))
            if k:
                op = ast.Sub() if k % 2 else ast.Add()
                both = self.write.binary(self.node, terms[0], op, terms.pop())
                terms[0] = both
        return terms[0]

    def cofactor(self, row: int, column: int, size: int) -> ast.expr:
        """Return the determinant without a row and a column, with its sign."""
        rows = [k for k in range(size) if k != row]
        columns = [k for k in range(size) if k != column]
        minor = self.minor(rows, columns)
        if (row + column) % 2 == 0:
            return minor
        return self.write.like(self.node, ast.UnaryOp(ast.USub(), minor))


def determinant(form: Rewriting, node: ast.expr, whole: Whole) -> Whole:
    """Return the determinant of a square matrix."""
    size = _size(form, node, whole, "det")
    elements = _Elements(form, node, whole)
    return Whole((), lambda _: elements.minor(range(size), range(size)), node)


def inverse(form: Rewriting, node: ast.expr, whole: Whole) -> Whole:
    """Return the inverse of a square matrix, its cofactors over the determinant."""
    size = _size(form, node, whole, "inv")
    elements = _Elements(form, node, whole)

    def entry(row: int, column: int) -> ast.expr:
        above = elements.cofactor(column, row, size)
        below = elements.minor(range(size), range(size))
        return form.write.binary(node, above, ast.Div(), below)

    def at(indices: Indices) -> ast.expr:
        return chosen(form, node, indices, [size, size], entry)

    return Whole((sp.Integer(size), sp.Integer(size)), at, node)


def chosen(
    form: Rewriting,
    node: ast.expr,
    indices: Indices,
    lengths: Sequence[int],
    entry: Callable[..., ast.expr],
) -> ast.expr:
    """Return an entry by its indices; by choices, where these aren't numbers."""
    if not indices:
        return entry()
    index, rest = indices[0], indices[1:]

    def at(place: int) -> ast.expr:
        return chosen(form, node, rest, lengths[1:], functools.partial(entry, place))

    if isinstance(index, ast.Constant) and isinstance(index.value, int):
        return at(index.value)
    result = at(lengths[0] - 1)
    for place in reversed(range(lengths[0] - 1)):
        same = form.write.number(index, place)
        test = form.write.like(index, ast.Compare(index, [ast.Eq()], [same]))
        result = form.write.like(node, ast.IfExp(test, at(place), result))
    return result
