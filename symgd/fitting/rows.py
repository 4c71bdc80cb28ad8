"""Formulas of one row of a table, natively: summed over all rows, or row by row."""

from __future__ import annotations

import dataclasses
import functools
import json
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import sympy as sp

from symgd.calculus.program import Let, Loop, Nest, Program, Total, index_at
from symgd.language.formula import array as indexed
from symgd.language.formula import symbol, text_of
from symgd.native import compiled
from symgd.native.layout import Column, Layout, column_of
from symgd.native.machine import Kernel, address
from symgd.native.threads import cores
from symgd.objectives.parallel import ENOUGH, PIECES, Steps

EACH = "i:pppii"


class Pass(NamedTuple):
    """What a loop needs to sum over the rows by itself.

    Attributes
    ----------
    function : int
        The address of a kernel of pieces, see :mod:`symgd.lowering.array_objective`.
    words : array
        The kernel's ``p``, which begins with the parameters.
    blocks, rows : int
    """

    function: int
    words: array[float]
    blocks: int
    rows: int


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
        :class:`~symgd.objectives.data.Table` gives, and read in place.
    workers : int, optional
        The number of threads; by default all cores where there are many rows. The
        results have the same bits for any number.
    names : mapping of symbol to SymPy expression, optional
        Values that the formulas of totals refer to.

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
        names: Mapping[sp.Symbol, sp.Expr] | None = None,
    ) -> None:
        plan = plan_of(expressions, parameters, columns, names or {})
        self._set(plan, columns.values(), workers)

    @classmethod
    def planned(
        cls, plan: Plan, columns: Iterable[np.ndarray], workers: int | None = None
    ) -> Rows:
        """Return the same of a plan that is known already."""
        rows = cls.__new__(cls)
        rows._set(plan, columns, workers)
        return rows

    def _set(
        self, plan: Plan, columns: Iterable[np.ndarray], workers: int | None = None
    ) -> None:
        self._plan = plan
        self._data = list(columns)  # which live as long as their addresses are used
        self.count = len(self._data[0])
        self._words = plan.words(self.count, self._data)
        work = self.count * (len(self._data) + len(plan.expressions))
        self.workers = (workers or cores()) if work >= 4 * ENOUGH else 1

    def totals(self, parameters: Sequence[float]) -> np.ndarray:
        """Return the sums over rows, shape (len(expressions),)."""
        words = address(self._with(parameters))
        if self.workers > 1:
            steps = Steps(self._pieces, self._plan.program, self.workers)
            return np.array(steps.done(0, words, 0))
        out = np.empty(len(self._plan.expressions))
        self._pieces(0, 0, words, 0, words, 0, self._blocks, address(out))
        return out

    def native(self, parameters: Sequence[float]) -> Pass | None:
        """Return what computes totals within a loop; None where threads do it.

        The loop changes the first parameters: only those that follow matter.
        """
        if self.workers > 1:
            return None
        words = self._with(parameters)
        return Pass(self._pieces.address, words, self._blocks, self.count)

    @property
    def _pieces(self) -> Kernel:
        return self._plan.kernel("totals", PIECES)

    @property
    def _blocks(self) -> int:
        known = self._plan.blocks
        if self.count not in known:
            out, words = np.empty(len(self._plan.expressions)), address(self._words)
            ends = (0, 0, words, 0, words, 0, 0, address(out))
            known[self.count] = int(self._pieces(*ends))
        return known[self.count]

    def each(self, parameters: Sequence[float]) -> np.ndarray:
        """Return the values, shape (rows, len(expressions))."""
        return self.each_of([parameters])[0].T

    def each_of(self, points: Sequence[Sequence[float]]) -> np.ndarray:
        """Return the values at many points, shape (points, expressions, rows)."""
        out = np.empty((len(points), len(self._plan.expressions), self.count))
        kernel = self._plan.kernel("each", EACH).call
        place, words = address(out), address(self._words)
        for parameters in points:
            self._with(parameters)
            kernel(0, words, place, 0, self.count)
            place += out.strides[0]
        return out

    def _with(self, parameters: Sequence[float]) -> array[float]:
        self._words[: self._plan.constants] = array("d", parameters)
        return self._words


class Plan:
    """What is computed of a row, and the kernels that do it."""

    def __init__(
        self,
        expressions: tuple[sp.Expr, ...],
        constants: int,
        kinds: Sequence[Column],
        named: Mapping[sp.Symbol, sp.Expr],
    ) -> None:
        self.expressions, self.named, self.constants = expressions, named, constants
        self.names = [f"c{k}" for k in range(len(kinds))]
        parameters = tuple(f"p{k}" for k in range(constants))
        pairs = tuple(zip(self.names, kinds, strict=True))
        self.layout = Layout(parameters, ("n",), (), pairs)
        totals = (
            Total(sp.Symbol(f"[t{k}]", real=True), expression)
            for k, expression in enumerate(expressions)
        )
        loop = Loop(index_at(0), sp.S.Zero, symbol("n"))
        self._nest = Nest(loop, (), tuple(totals))
        self.program = Program((self._nest,), sp.S.Zero, ())
        self._kernels: dict[str, Kernel] = {}
        self.blocks: dict[int, int] = {}  # how many the rows are, by their number

    def words(self, count: int, columns: Sequence[np.ndarray]) -> array[float]:
        """Return the words of a kernel, see ``Layout``; parameters are 0."""
        integers = [0] * self.constants + [count]
        for column in columns:
            integers += (_begin_of(column), *column.strides)
        return array("d", array("q", integers).tobytes())

    def kernel(self, kind: str, signature: str) -> Kernel:
        """Return a kernel, "totals" or "each"."""
        if kind in self._kernels:
            return self._kernels[kind]

        def build() -> str:
            from symgd.lowering import array_objective as programs

            if kind == "each":
                return programs.each_row(self.expressions, index_at(0), self.layout)
            nest = dataclasses.replace(self._nest, steps=_lets(self.named))
            program = dataclasses.replace(self.program, steps=(nest,))
            return programs.pieces(program, self.layout)

        columns = [[n, c.kind, c.dense] for n, c in self.layout.data]
        texts = [text_of(e) for e in self.expressions]
        texts += [f"{name} = {text_of(value)}" for name, value in self.named.items()]
        parts = json.dumps([self.layout.parameters, columns, texts])
        made = compiled.written(("rows", kind, parts), signature, build)
        self._kernels[kind] = made
        return made


def _lets(named: Mapping[sp.Symbol, sp.Expr]) -> tuple[Let, ...]:
    """Return values by their names, and before them what several of them share."""
    from symgd.lowering.sharing import prepared, share

    accesses = set[sp.Basic]().union(*(v.atoms(sp.Indexed) for v in named.values()))
    plain = {each: sp.Symbol(f"[{each}]", real=True) for each in accesses}
    # Before anything has a name: a share of a maximum names its arguments.
    values = prepared([value.xreplace(plain) for value in named.values()], {})
    shared, rest = share(values)
    steps = [*shared, *zip(named, rest, strict=True)]
    known = {plain[each]: each for each in accesses}
    known |= {name: sp.Symbol(f"[{name}]", real=True) for name, _ in shared}
    return tuple(Let(known.get(s, s), value.xreplace(known)) for s, value in steps)


def _begin_of(column: np.ndarray) -> int:
    try:
        return address(column)
    except ValueError:  # it has gaps, which strides tell
        return int(column.__array_interface__["data"][0])


def plan_of(
    expressions: Sequence[sp.Expr],
    parameters: Sequence[sp.Symbol],
    columns: Mapping[sp.Symbol, np.ndarray],
    names: Mapping[sp.Symbol, sp.Expr],
) -> Plan:
    """Return how formulas of rows are computed; see :class:`Rows`."""
    kinds = tuple(map(column_of, columns.values()))
    own = tuple(expressions), tuple(parameters), tuple(columns)
    return _planned(*own, kinds, tuple(names.items()))


@functools.lru_cache(maxsize=256)
def _planned(
    expressions: tuple[sp.Expr, ...],
    parameters: tuple[sp.Symbol, ...],
    columns: tuple[sp.Symbol, ...],
    kinds: tuple[Column, ...],
    named: tuple[tuple[sp.Symbol, sp.Expr], ...],
) -> Plan:
    """Return the plan of some formulas, by numbers: code depends on no names."""
    renamed: dict[sp.Basic, sp.Basic] = {
        s: symbol(f"p{k}") for k, s in enumerate(parameters)
    }
    renamed |= {s: indexed(f"c{k}")[index_at(0)] for k, s in enumerate(columns)}
    plain = tuple(expression.xreplace(renamed) for expression in expressions)
    values = {name: value.xreplace(renamed) for name, value in named}
    return Plan(plain, len(parameters), kinds, values)
