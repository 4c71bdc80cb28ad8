"""Formulas of one row of a table, natively: summed over all rows, or row by row."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence

import numpy as np
import sympy as sp

from symgd import compiled
from symgd.formula import array as indexed
from symgd.formula import symbol, text_of
from symgd.layout import Layout, described
from symgd.machine import Kernel, address
from symgd.parallel import ENOUGH, PIECES, Steps, cores
from symgd.programs import Loop, Nest, Program, Total, index_at

EACH = "i:pppii"


class Rows:
    """Formulas of one row of a table, summed over all rows.

    Parameters
    ----------
    expressions : sequence of SymPy expressions
        The formulas, in the symbols below.
    parameters : sequence of symbols
        Those that are the same in all rows.
    columns : mapping of symbol to ndarray
        Those that differ from row to row, at least one; of any type that
        :class:`~symgd.data.Table` gives, and read in place.
    workers : int, optional
        The number of threads; by default all cores where there are many rows. The
        results have the same bits for any number.

    Examples
    --------
    >>> a, t = sp.symbols("a t", real=True)
    >>> rows = Rows([a * t, t**2], [a], {t: np.array([1.0, 2.0])})
    >>> rows.totals([10.0])
    array([30.,  5.])
    >>> rows.each([10.0])
    array([[10.,  1.],
           [20.,  4.]])
    """

    def __init__(
        self,
        expressions: Sequence[sp.Expr],
        parameters: Sequence[sp.Symbol],
        columns: Mapping[sp.Symbol, np.ndarray],
        workers: int | None = None,
    ) -> None:
        # By numbers, so that the code depends on no names.
        constants = {s: symbol(f"p{k}") for k, s in enumerate(parameters)}
        data = {f"c{k}": column for k, column in enumerate(columns.values())}
        cells = {s: indexed(f"c{k}")[index_at(0)] for k, s in enumerate(columns)}
        renamed = {**constants, **cells}
        self.expressions = [e.xreplace(renamed) for e in expressions]
        self.count = len(next(iter(columns.values())))
        self._data = data  # which must live as long as their addresses are used
        names = tuple(s.name for s in constants.values())
        kinds = tuple((name, described(column)) for name, column in data.items())
        self.layout = Layout(names, ("n",), (), kinds)
        self._words = self.layout.filled(
            dict.fromkeys(names, 0.0), {"n": self.count}, {}, data
        )
        work = self.count * max(len(data), len(self.expressions))
        self.workers = workers or (cores() if work >= ENOUGH else 1)
        self._steps: Steps | None = None
        self._each: Kernel | None = None

    def totals(self, parameters: Sequence[float]) -> np.ndarray:
        """Return the sums over rows, shape (len(expressions),)."""
        if self._steps is None:
            self._steps = self._summing()
        words = self._with(parameters)
        return np.array(self._steps.done(0, address(words), 0))

    def each(self, parameters: Sequence[float]) -> np.ndarray:
        """Return the values, shape (rows, len(expressions))."""
        if self._each is None:
            self._each = self._compiled("each", EACH)
        words = self._with(parameters)
        out = np.empty((len(self.expressions), self.count))
        self._each(0, address(words), address(out), 0, self.count)
        return out.T

    def _with(self, parameters: Sequence[float]) -> array[float]:
        self._words[: len(self.layout.parameters)] = array("d", map(float, parameters))
        return self._words

    def _summing(self) -> Steps:
        pieces = self._compiled("totals", PIECES)
        return Steps(pieces, self._program(), self.workers)

    def _program(self) -> Program:
        totals = (
            Total(sp.Symbol(f"[t{k}]", real=True), expression)
            for k, expression in enumerate(self.expressions)
        )
        loop = Loop(index_at(0), sp.S.Zero, symbol("n"))
        return Program((Nest(loop, (), tuple(totals)),), sp.S.Zero, ())

    def _compiled(self, kind: str, signature: str) -> Kernel:
        def build() -> str:
            from symgd.lowering import programs

            if kind == "each":
                return programs.each_row(self.expressions, index_at(0), self.layout)
            return programs.pieces(self._program(), self.layout)

        columns = [[n, c.kind, c.dense] for n, c in self.layout.data]
        texts = [text_of(e) for e in self.expressions]
        described = json.dumps([self.layout.parameters, columns, texts])
        return compiled.kernel(("rows", kind, described), signature, build)
