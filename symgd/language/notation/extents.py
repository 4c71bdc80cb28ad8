"""How long arrays are: symbols for lengths, and what is known to be equal.

Unification of dimensions, as a type checker does it for types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import sympy as sp

from symgd.language.nodes import symbol

# The known length of each axis, by names of sizes perhaps; None where it is unknown.
Lengths: TypeAlias = Sequence["int | sp.Expr | None"]


class Measured(NamedTuple):
    """How long the arrays of a formula are, which its indices alone don't tell.

    Of ``sum(x[:-1])``, which is a sum over n - 1 elements, that x has n.

    Attributes
    ----------
    lengths : tuple of (str, int, SymPy expression)
        Arrays, their axes, and how long these are, by names of sizes.
    needs : tuple of (SymPy expression, str)
        What must not be negative for parts of the text to be what was read, with words.
    """

    lengths: tuple[tuple[str, int, sp.Expr], ...] = ()
    needs: tuple[tuple[sp.Expr, str], ...] = ()

    def of(self, name: str, lengths: Sequence[sp.Expr | None]) -> list[sp.Expr | None]:
        """Return an array's lengths, those that are not told here as given."""
        own = {axis: n for array, axis, n in self.lengths if array == name}
        return [own.get(axis, n) for axis, n in enumerate(lengths)]

    def joined(self, other: Measured) -> Measured:
        """Return what two formulas tell."""
        lengths = dict.fromkeys((*self.lengths, *other.lengths))
        needs = dict.fromkeys((*self.needs, *other.needs))
        return Measured(tuple(lengths), tuple(needs))


class Extents:
    """The lengths of the axes of one formula's arrays.

    Parameters
    ----------
    known : mapping of str to sequence of int, SymPy expression or None
        What is known of some arrays.

    Examples
    --------
    >>> extents = Extents({"A": (3, None), "b": (3,)})
    >>> rows, columns = extents.of("A", 2)
    >>> (length,) = extents.of("x", 1)
    >>> extents.equal(columns, length), extents.told(columns), extents.told(rows)
    (True, 'A.shape[1]', '3')
    """

    def __init__(self, known: Mapping[str, Lengths]) -> None:
        self.known = known
        self._same: dict[sp.Symbol, sp.Expr] = {}
        self._numbers: dict[sp.Symbol, int] = {}
        self._axes: dict[sp.Symbol, tuple[str, int, int]] = {}
        self._needs: dict[sp.Expr, str] = {}  # what each is there for
        self._fixed: set[sp.Symbol] = set()

    def of(self, name: str, rank: int) -> tuple[sp.Expr, ...]:
        """Return the lengths of an array's axes."""
        axes = []
        for axis in range(rank):
            length = sp.Symbol(f"{name}.{axis}", integer=True)
            if length not in self._axes:
                self._axes[length] = (name, axis, rank)
                lengths = self.known.get(name, ())
                number = lengths[axis] if axis < len(lengths) else None
                if isinstance(number, sp.Expr) and not number.is_Integer:
                    number = number.xreplace(_whole(number))
                    if number != length:
                        self._same[length] = number
                elif number is not None:
                    self._numbers[length] = int(number)
            axes.append(length)
        return tuple(axes)

    def resolved(self, length: sp.Expr) -> sp.Expr:
        """Return a length in terms of those that stand for themselves."""
        while found := [s for s in length.free_symbols if s in self._same]:
            length = length.xreplace({s: self._same[s] for s in found})
        return length

    def number(self, length: sp.Expr) -> int | None:
        """Return a length as a number, if it is known."""
        length = self.resolved(length)
        if any(s not in self._numbers for s in length.free_symbols):
            return None
        known = {s: sp.Integer(self._numbers[s]) for s in length.free_symbols}
        return int(length.xreplace(known))

    def equal(self, one: sp.Expr, other: sp.Expr) -> bool:
        """Take two lengths for the same; return whether they can be."""
        one, other = self.resolved(one), self.resolved(other)
        difference = sp.expand(one - other)
        if difference.is_number:
            return bool(difference == 0)
        numbers = self.number(one), self.number(other)
        if None not in numbers and numbers[0] != numbers[1]:
            return False
        mine = difference.free_symbols & self._axes.keys()
        for length in sorted(mine, key=str, reverse=True):
            slope = difference.coeff(length)
            rest = sp.expand(difference - slope * length)
            if slope in (1, -1) and not rest.has(length):
                self._identify(length, -rest / slope)
                return True
        return None not in numbers

    def _identify(self, length: sp.Symbol, other: sp.Expr) -> None:
        number = self._numbers.get(length)
        self._same[length] = other
        free = other.free_symbols - self._numbers.keys()
        if number is not None and len(free) == 1:  # what is known of one is of both
            (unknown,) = free
            slope = sp.expand(other).coeff(unknown)
            rest = sp.expand(other - slope * unknown)
            if slope and rest.is_Integer and ((number - rest) / slope).is_Integer:
                self._numbers[unknown] = int((number - rest) / slope)

    def need(self, *numbers: sp.Expr, text: str) -> None:
        """Note that some numbers must not be negative, for a part of the text."""
        for number in map(self.resolved, numbers):
            if not (number.is_number or number.is_Symbol):
                self._needs.setdefault(number, f"{text} needs {self.told(number)} >= 0")

    def fix(self, length: sp.Expr) -> None:
        """Note that something is decided by the number that a length is."""
        self._fixed |= self.resolved(length).free_symbols

    def measured(self, names: Mapping[sp.Symbol, str]) -> Measured:
        """Return how long all arrays are, by the names that lengths have in a text."""
        fixed = {
            s: sp.Integer(self._numbers[s]) for s in self._fixed & {*self._numbers}
        }

        def renamed(length: sp.Expr) -> sp.Expr:
            free = length.free_symbols
            return length.xreplace({s: symbol(names.get(s, s.name)) for s in free})

        lengths = []
        for axis, (name, place, _) in self._axes.items():
            length = self.resolved(axis)
            lengths.append((name, place, renamed(length)))
            if length.free_symbols & fixed.keys():
                lengths.append((name, place, renamed(length.xreplace(fixed))))
        needs = tuple((renamed(each), text) for each, text in self._needs.items())
        return Measured(tuple(lengths), needs)

    def told(self, length: sp.Expr) -> str:
        """Return a length as people read it: a number, or what has this length."""
        if (number := self.number(length)) is not None:
            return str(number)
        names = {s: sp.Symbol(self._name(s)) for s in length.free_symbols}
        return str(length.xreplace(names))

    def shape(self, lengths: Sequence[sp.Expr]) -> str:
        """Return a shape as NumPy prints it."""
        inner = ", ".join(map(self.told, lengths))
        return f"({inner},)" if len(lengths) == 1 else f"({inner})"

    def _name(self, length: sp.Symbol) -> str:
        if length not in self._axes:
            return length.name
        name, axis, rank = self._axes[length]
        return f"len({name})" if rank == 1 else f"{name}.shape[{axis}]"


def _whole(length: sp.Expr) -> dict[sp.Symbol, sp.Symbol]:
    return {s: sp.Symbol(s.name, integer=True) for s in length.free_symbols}
