"""Indices: what may stand in brackets and in ranges, and which names they may have.

Text and SymPy expressions obey the same rules. Errors have no place in the text yet:
who reads the text adds it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from symgd.errors import FormulaError
from symgd.language.functions import real_abs

MAX_INDICES = 3

_WHOLE_LEAVES = (sp.Integer, sp.Symbol, sp.Indexed, sp.floor, sp.ceiling)
_WHOLE_IF_ARGUMENTS_ARE = (*(sp.Add, sp.Mul, sp.Mod, sp.Max, sp.Min, sp.Abs, real_abs),)


def _refused(problem: str, suggestion: str | None = None) -> FormulaError:
    return FormulaError(problem, suggestion=suggestion)


def is_whole(value: sp.Expr) -> bool:
    """Return whether a value is a whole number if all names in it are."""
    if isinstance(value, sp.Pow):
        return is_whole(value.base) and value.exp.is_Integer and value.exp > 0
    if isinstance(value, _WHOLE_IF_ARGUMENTS_ARE):
        return all(map(is_whole, value.args))
    return isinstance(value, _WHOLE_LEAVES)


def _check_whole(value: sp.Expr, what: str) -> None:
    if not is_whole(value):
        rounded = value.has(sp.Float)
        raise _refused(
            f"{what} is a whole number: integers and names with + - * // %",
            f"write {'1 for 1.0' if rounded else 'a//b for a/b'}",
        )


def check_index(value: sp.Expr, array: str) -> None:
    """Refuse what can't be an index of an array."""
    _check_whole(value, "an index")
    if value.is_Integer and value < 0:
        problem = f"an index counts from 0: {value} is not one"
        raise _refused(problem, f"write {array}[n - {-value}], n being the length")


def check_bound(value: sp.Expr) -> None:
    """Refuse what can't be the end of a range."""
    _check_whole(value, "the end of a range")
    if value.has(sp.Indexed):
        advice = "write a range that is long enough, with a condition: ... if i < k[j]"
        raise _refused("a range can't depend on indexed names", advice)


@dataclass(frozen=True)
class Scope:
    """The indices that are known in one place of a formula, and what they stand for.

    ``sizes`` are the names in the ranges of these indices.
    """

    indices: dict[str, Any] = field(default_factory=dict)
    sizes: frozenset[str] = frozenset()

    def within(self, name: str, meaning: Any, bounds: tuple[sp.Expr, ...]) -> Scope:
        """Return the scope of the body of a sum over one more index."""
        sizes = {s.name for bound in bounds for s in bound.free_symbols} | self.sizes
        if name in self.indices:
            problem = f"{name!r} is already the index of a sum around this one"
        elif name in sizes:
            problem = f"the index {name!r} has the name of a size in a range"
        else:
            return Scope(self.indices | {name: meaning}, frozenset(sizes))
        raise _refused(problem, "give the index another name")


class Uses:
    """How the names of one formula are used: plain, as an array, as an index."""

    def __init__(self) -> None:
        self._dimensions: dict[str, int] = {}
        self._indices: set[str] = set()

    def plain(self, name: str) -> None:
        """Note a use without an index."""
        self._use(name, 0)

    def indexed(self, name: str, indices: int) -> None:
        """Note a use with so many indices."""
        if not 1 <= indices <= MAX_INDICES:
            problem = f"{name} has {indices} indices: one to {MAX_INDICES} are possible"
            raise _refused(problem, f"write {name}[i] or {name}[i, j]")
        if name in self._indices:
            raise self._both(name)
        self._use(name, indices)

    def index(self, name: str) -> None:
        """Note a use as the index of a sum."""
        if self._dimensions.get(name):
            raise self._both(name)
        self._indices.add(name)

    def _both(self, name: str) -> FormulaError:
        problem = f"{name!r} is both an index and an indexed name"
        return _refused(problem, "give one of them another name")

    def _use(self, name: str, indices: int) -> None:
        before = self._dimensions.setdefault(name, indices)
        if before == indices:
            return
        if before and indices:
            problem = f"{name!r} is used with {before} and with {indices} indices"
            raise _refused(
                problem, "an array has the same number of indices everywhere"
            )
        problem = f"{name!r} is used both with and without an index"
        raise _refused(problem, "give one of them another name")
