"""Determinants, inverses and solutions of linear systems.

Small ones are written out, by the rules of Laplace and Cramer: exact, as derivatives
are, and cheap up to 4 by 4. Larger ones, and those of lengths that aren't known yet,
are calls that the reader knows, of a matrix element by element; loops factor it.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Sequence

import sympy as sp

from symgd.language.notation.array_values import Indices, Rewriting, Whole

LARGEST = 4  # that is written out


def _size(form: Rewriting, node: ast.expr, whole: Whole, what: str) -> int | None:
    """Return how many rows a square matrix has, if it is small; else None."""
    shape = form.extents.shape(whole.shape)
    if whole.rank != 2 or not form.extents.equal(*whole.shape):
        problem = f"{what} is of a square matrix, not of shape {shape}"
        raise form.refuse(node, problem, None)
    number = form.extents.number(whole.shape[0])
    if number is None or not 1 <= number <= LARGEST:
        return None
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


def determinant(
    form: Rewriting, node: ast.expr, whole: Whole, outer: Sequence[str] = ()
) -> Whole:
    """Return the determinant of a square matrix, or what functions make of it."""
    name = {0: "det", 1: "logdet", 2: "logabsdet"}[len(outer)]
    size = _size(form, node, whole, name)
    write = form.write

    def at(_: Indices) -> ast.expr:
        if size is None:
            return write.over(name, node, whole.shape, whole.at)
        minor = _Elements(form, node, whole).minor(range(size), range(size))
        for function in reversed(outer):
            minor = write.call(node, function, minor)
        return minor

    return Whole((), at, node)


def sign_and_logarithm(form: Rewriting, node: ast.expr, whole: Whole) -> Whole:
    """Return the pair of slogdet: the determinant's sign, and the other's logarithm."""
    sign = form.elementwise(
        node,
        [determinant(form, node, whole)],
        lambda det: ast.Call(form.write.name(node, "sign"), [det], []),
    )
    parts = [sign, determinant(form, node, whole, LOG_ABS)]

    def at(indices: Indices) -> ast.expr:
        return chosen(form, node, indices, [2], lambda place: parts[place].at(()))

    return Whole((sp.Integer(2),), at, node)


LOG, LOG_ABS = ("log",), ("log", "abs")


def inverse(form: Rewriting, node: ast.expr, whole: Whole) -> Whole:
    """Return the inverse of a square matrix."""
    size, write = _size(form, node, whole, "inv"), form.write
    if size is None:

        def element(indices: Indices) -> ast.expr:
            call = write.over("inv", node, whole.shape, whole.at)
            return _element(form, node, call, indices)

        return Whole(whole.shape, element, node)
    form.written_out = True  # elements are chosen among
    elements = _Elements(form, node, whole)

    def entry(row: int, column: int) -> ast.expr:
        above = elements.cofactor(column, row, size)
        below = elements.minor(range(size), range(size))
        return write.binary(node, above, ast.Div(), below)

    def at(indices: Indices) -> ast.expr:
        return chosen(form, node, indices, [size, size], entry)

    return Whole((sp.Integer(size), sp.Integer(size)), at, node)


def solution(form: Rewriting, node: ast.expr, matrix: Whole, right: Whole) -> Whole:
    """Return what solves ``matrix @ x == right``, a vector or a matrix."""
    solved = factored_solution(form, node, matrix, right)
    if solved is None:
        return form.product(node, inverse(form, node, matrix), right)
    return solved


def factored_solution(
    form: Rewriting, node: ast.expr, matrix: Whole, right: Whole
) -> Whole | None:
    """Return the same, unless the matrix is so small that its inverse is written."""
    if _size(form, node, matrix, "solve") is not None:
        return None
    if right.rank > 2 or not form.extents.equal(matrix.shape[1], right.shape[0]):
        raise form.mismatch(node, [matrix, right])
    write = form.write

    def at(indices: Indices) -> ast.expr:
        call = write.over("solve", node, matrix.shape, matrix.at)
        other = write.over("solve", node, right.shape, right.at)
        assert isinstance(call, ast.Call)
        assert isinstance(other, ast.Call)
        call.args += other.args
        return _element(form, node, call, indices)

    return Whole(right.shape, at, node)


def _element(
    form: Rewriting, node: ast.expr, call: ast.expr, indices: Indices
) -> ast.expr:
    inner: ast.expr = indices[0]
    if len(indices) > 1:
        inner = form.write.like(node, ast.Tuple(list(indices), ast.Load()))
    return form.write.like(node, ast.Subscript(call, inner, ast.Load()))


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
