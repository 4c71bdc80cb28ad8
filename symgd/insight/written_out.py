"""Short sums over arrays, written out: formulas of scalars, whose names are ``w[0]``.

Elsewhere: loop unrolling.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import sympy as sp

from symgd.calculus.structure import ranges_of
from symgd.errors import InputError
from symgd.insight.exact import rational
from symgd.language.as_written import decided, made
from symgd.language.nodes import FACTORED, REPEATED, Maximum, Product, Sum, symbol
from symgd.objectives.arrays import Arrays

SHORT = 64  # terms, of which all can be looked at
LONGEST = 200  # terms that are written out where nothing else can be said

_WRITTEN = {Sum: sp.Add, Product: sp.Mul, Maximum: sp.Max}


class TooLong(InputError):
    """There are more terms than are written out."""


def written_out(arrays: Arrays, most: int = LONGEST) -> sp.Expr:
    """Return the formula of the elements of arrays, with data as fractions.

    Raises
    ------
    TooLong
        If it has more terms.
    """
    return _Writer(arrays, most)(arrays.expression, {})


class _Writer:
    """A formula at given indices."""

    def __init__(self, arrays: Arrays, most: int) -> None:
        if arrays.shapes is None:
            raise arrays.unknown_sizes()
        self.data, self.most, self.terms = arrays.data, most, 0
        self.sizes = {symbol(k): sp.Integer(n) for k, n in arrays.sizes.items()}

    def __call__(self, node: Any, at: Mapping[sp.Basic, Any]) -> Any:
        """Return a node at the values of the indices around it."""
        if isinstance(node, FACTORED):
            raise TooLong("a matrix of more than 4 rows is not written out here")
        if isinstance(node, REPEATED):
            terms = [self(node.function, inner) for inner in self._each(node, at)]
            return made(_WRITTEN[node.func], terms) if terms else node.empty
        if isinstance(node, sp.Indexed):
            return self._element(node, at)
        if isinstance(node, sp.Piecewise):
            return self._choice(node, at)
        if not node.args:
            return at.get(node, self.sizes.get(node, node))
        return made(node.func, [self(part, at) for part in node.args])

    def _each(
        self, node: Any, at: Mapping[sp.Basic, Any]
    ) -> Iterator[Mapping[sp.Basic, Any]]:
        around = [at]
        for index, low, high in ranges_of(node):
            ends = [
                (each, int(self(low, each)), int(self(high, each))) for each in around
            ]
            around = [
                {**each, index: sp.Integer(k)}
                for each, first, last in ends
                for k in itertools.islice(range(first, last + 1), self.most + 1)
            ]
            if self.terms + len(around) > self.most:
                raise self._too_long()
        # Derivatives of products and extremes are as long as the square of theirs.
        count = len(around)
        self.terms += count if isinstance(node, sp.Sum) else count * count
        if self.terms > self.most:
            raise self._too_long()
        yield from around

    def _too_long(self) -> TooLong:
        problem = "formulas with sums of many terms can't be analysed"
        return TooLong(f"{problem}: there are more than {self.most:,} terms")

    def _range(self, low: sp.Expr, high: sp.Expr, at: Mapping[sp.Basic, Any]) -> range:
        return range(int(self(low, at)), int(self(high, at)) + 1)

    def _element(self, node: sp.Indexed, at: Mapping[sp.Basic, Any]) -> sp.Expr:
        name = str(node.base.label)
        places = tuple(int(self(index, at)) for index in node.indices)
        if name in self.data:
            return rational(float(self.data[name][places]))
        return symbol(f"{name}[{', '.join(map(str, places))}]")

    def _choice(self, node: sp.Piecewise, at: Mapping[sp.Basic, Any]) -> sp.Expr:
        """Return what may count: elements that no condition allows may not be there."""
        branches = []
        for value, condition in node.args:
            open_ = self(condition, at)
            open_ = open_ if open_.free_symbols else open_.doit()
            if open_ != sp.false:
                branches.append((self(value, at), open_))
            if open_ == sp.true:
                break
        return decided(*branches)
