"""SymPy's matrices in expressions: what is 1 by 1 is its element, symbols have indices.

Scalarisation: ``x.T*A*x`` of matrix symbols becomes a sum over ``x[i]*A[i, j]*x[j]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp
from sympy.matrices.expressions.matexpr import MatrixElement, MatrixExpr

from symgd.errors import FormulaError, shortened
from symgd.language.nodes import (
    Determinant,
    LogDeterminant,
    Sum,
    Table,
    array,
    inverse,
    symbol,
)

_LETTERS = "ijklmnopqrstuvwxyz"


def without_matrices(expression: Any) -> Any:
    """Return an expression in which matrices are arrays with indices.

    A Lambda is what it returns.

    Examples
    --------
    >>> n = sp.Symbol("n", integer=True)
    >>> A, x = sp.MatrixSymbol("A", n, n), sp.MatrixSymbol("x", n, 1)
    >>> without_matrices(x.T * A * x)
    Sum(A[i, j]*x[i]*x[j], (i, 0, n - 1), (j, 0, n - 1))
    >>> without_matrices(sp.Matrix([[n**2 + 1]]))
    n**2 + 1
    """
    if isinstance(expression, sp.Lambda):
        expression = expression.expr
    if isinstance(expression, (sp.MatrixBase, MatrixExpr)):
        if expression.shape != (1, 1):
            told = "the formula is a matrix of shape"
            problem = f"{shortened(str(expression), 60)}: {told} {expression.shape}"
            advice = "write one element of it, M[0, 0], or M.norm()"
            raise FormulaError(problem, suggestion=advice)
        expression = expression[0, 0]
    if not isinstance(expression, sp.Basic):
        return expression
    if not expression.has(MatrixElement, MatrixExpr):
        return expression
    return _Indexed(expression).of(expression, {})


class _Indexed:
    """One walk over one expression."""

    def __init__(self, expression: sp.Basic) -> None:
        self.taken = {s.name for s in expression.atoms(sp.Symbol, sp.MatrixSymbol)}

    def of(self, node: Any, names: Mapping[Any, sp.Symbol]) -> Any:
        """Return a part with indices; ``names`` are those of the sums around it."""
        if isinstance(node, MatrixElement):
            return self._element(node, names)
        if isinstance(node, sp.Trace):
            index, whole = sp.Dummy("i", integer=True), node.arg
            diagonal = whole[index, index], (index, 0, whole.shape[0] - 1)
            return self.of(sp.Sum(*diagonal), names)
        if isinstance(node, sp.log) and isinstance(node.args[0], sp.Determinant):
            inner = self.of(node.args[0], names)
            known = isinstance(inner, Determinant)
            return LogDeterminant(*inner.args) if known else sp.log(inner)
        if isinstance(node, sp.Determinant):
            small = _written_out(node.arg)
            return (
                Determinant(self._table(node.arg, names))
                if small is None
                else self.of(small.det(), names)
            )
        if isinstance(node, MatrixExpr):
            told = f"{shortened(str(node), 60)}: a matrix, where a number is expected"
            raise FormulaError(told)
        if isinstance(node, sp.Sum):
            for index, *_ in node.limits:
                names = {**names, index: self._name(index, names)}
            limits = [[self.of(part, names) for part in limit] for limit in node.limits]
            return Sum(self.of(node.function, names), *limits)
        if node in names:
            return names[node]
        if not node.args or not node.has(MatrixElement, MatrixExpr, *names):
            return node
        return node.func(*(self.of(part, names) for part in node.args))

    def _element(self, node: MatrixElement, names: Mapping[Any, sp.Symbol]) -> Any:
        whole, *places = node.args
        if not isinstance(whole, sp.MatrixSymbol):
            small = _written_out(whole)
            if small is not None and all(place.is_Integer for place in places):
                return self.of(small[tuple(places)], names)
            if isinstance(whole, sp.Inverse):
                own = [self.of(place, names) for place in places]
                return inverse(self._table(whole.arg, names), *own)
            told = f"{shortened(str(whole), 60)} is not part of the formula language"
            raise FormulaError(told)
        rows, columns = whole.shape
        if columns == 1:
            places = places[:1]
        elif rows == 1:
            places = places[1:]
        indices = (self.of(place, names) for place in places)
        return sp.Indexed(array(whole.name), *indices)

    def _table(self, whole: Any, names: Mapping[Any, sp.Symbol]) -> Table:
        """Return a matrix element by element."""
        row, column = (sp.Dummy(letter, integer=True) for letter in "ij")
        own = {**names, row: self._name(row, names)}
        own[column] = self._name(column, own)
        rows, columns = (self.of(length, names) for length in whole.shape)
        body = self.of(whole[row, column], own)
        return Table(body, (own[column], 0, columns - 1), (own[row], 0, rows - 1))

    def _name(self, index: Any, names: Mapping[Any, sp.Symbol]) -> Any:
        """Return an index, one of SymPy's own by a name that no sum around it has."""
        if not isinstance(index, sp.Dummy):
            return index
        taken = self.taken | {name.name for name in names.values()}
        return symbol(
            next((name for name in _LETTERS if name not in taken), index.name)
        )


def _written_out(whole: Any) -> Any:
    """Return a small matrix with all of its elements; None for others."""
    try:
        explicit = whole.as_explicit()
        small = max(explicit.shape) <= 4
    except (TypeError, ValueError, AttributeError):
        small = False
    return explicit if small else None
