"""Determinants and solutions of linear systems taken out of an expression.

What is left has accesses to arrays in their places, which are computed before.
"""

from __future__ import annotations

from typing import NamedTuple

import sympy as sp

from symgd.language.nodes import (
    DETERMINANTS,
    FACTORED,
    Solution,
    Table,
    replaced,
    replaced_free,
)

ROOM, SLOPE = "[m]", "[w]"  # before the name of a program's own array, and its slopes


class System(NamedTuple):
    """A matrix, or a right side of its system, and how its arrays are called.

    Attributes
    ----------
    table : Table
        Its elements, counted from 0; without determinants and solutions.
    rows, columns : SymPy expressions
    name : str
        Of the array that has the elements first, and then factors, or the solution.
    matrix : str
        The name of the matrix of which this is a right side; else nothing.
    """

    table: Table
    rows: sp.Expr
    columns: sp.Expr
    name: str
    matrix: str = ""

    @property
    def told(self) -> str:
        """The name of the array of what a determinant is."""
        return f"{self.name}d"

    @property
    def room(self) -> str:
        """The name of an array of the matrix' size, to work with."""
        return f"{self.name}r"

    @property
    def pivots(self) -> str:
        """The name of the array of which rows were exchanged."""
        return f"{self.name}p"


class Lifted:
    """An expression whose determinants and solutions have names.

    Attributes
    ----------
    systems : list of System
        Each after all that it reads.
    rest : SymPy expression
    """

    def __init__(self, expression: sp.Expr) -> None:
        self.systems: list[System] = []
        self._known: dict[tuple[Table, str], System] = {}
        self._done: dict[sp.Basic, sp.Basic] = {}
        self.rest: sp.Expr = self._without(expression)

    @property
    def results(self) -> list[str]:
        """The names of what the rest reads."""
        return [each.name if each.matrix else each.told for each in self.systems]

    def _without(self, node: sp.Basic) -> sp.Basic:
        if not node.args or not node.has(*FACTORED):
            return node
        if node not in self._done:
            self._done[node] = self._named(node)
        return self._done[node]

    def _named(self, node: sp.Basic) -> sp.Basic:
        if isinstance(node, DETERMINANTS):
            system = self._system(node.args[0])
            which = DETERMINANTS.index(type(node))
            return sp.Indexed(_base(system.told), sp.S.Zero, sp.Integer(which))
        if isinstance(node, Solution):
            matrix, right, *places = node.args
            system = self._system(right, self._system(matrix).name)
            row, column = (*places, sp.S.Zero)[:2]
            return sp.Indexed(_base(system.name), row, column)
        return replaced(node, {part: self._without(part) for part in node.args})

    def _system(self, table: Table, matrix: str = "") -> System:
        """Return what is known of a matrix, which may have other names for indices."""
        limits = [*table.limits]
        if len(limits) == 1:
            limits.insert(
                0, sp.Tuple(sp.Symbol("[c]", real=True), sp.S.Zero, sp.S.Zero)
            )
        (_, first, last), (_, low, high) = limits
        inner = {limits[1][0]: index(0) + low, limits[0][0]: index(1) + first}
        body = self._without(replaced_free(table.function, inner))
        columns, rows = last - first + 1, high - low + 1
        known = Table(body, (index(1), 0, columns - 1), (index(0), 0, rows - 1))
        if (known, matrix) not in self._known:
            name = f"{ROOM}{len(self.systems)}"
            system = System(known, rows, columns, name, matrix)
            self._known[known, matrix] = system
            self.systems.append(system)
        return self._known[known, matrix]


def index(axis: int) -> sp.Symbol:
    """Return the index of an axis of a matrix, as loops have it."""
    return sp.Symbol(f"[i{axis}]", real=True)


def _base(name: str) -> sp.IndexedBase:
    return sp.IndexedBase(sp.Symbol(name, real=True))


def slopes_of(name: str) -> str:
    """Return the name of the array of the slopes of another one."""
    return SLOPE + name


def is_own(name: str) -> bool:
    """Return whether an array is a program's own, and not one of slopes."""
    return name.startswith(ROOM)


def element(name: str, row: sp.Expr, column: sp.Expr) -> sp.Indexed:
    """Return an access to one of a program's own arrays."""
    return sp.Indexed(_base(name), row, column)
