"""What is in loops that are written as text: numbers, and where they are in arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sympy as sp
from sympy.printing.str import StrPrinter

from symgd.calculus.elements import DIRECTION
from symgd.calculus.program import Add
from symgd.calculus.whole import operands
from symgd.errors import FormulaError
from symgd.language.formula import text_of
from symgd.language.functions import real_abs
from symgd.lowering.array_words import ArrayWords
from symgd.lowering.places import straight
from symgd.lowering.textual import Written

_INDICES = "ijklmn"


@dataclass(frozen=True)
class LoopSyntax:
    """How a language writes what is around straight-line code in loops.

    Attributes
    ----------
    helper : str
        How the functions are called that loops need.
    changing : mapping of kind to str
        What stands before the name of a number that will change.
    numbers : function
        (name, count, value of all or None) -> an array of numbers.
    converted : str
        A whole number, or one of data, as a number.
    large : str
        A whole number of more than 32 bits.
    """

    helper: str
    changing: Mapping[str, str]
    numbers: Callable[[str, int, str | None], str]
    converted: str
    large: str


class LoopNumbers:
    """Writes numbers, one statement after the other, into ``lines``.

    Names are ``i``, ``j`` for indices, ``s1`` for what the program has a name for,
    ``t1`` for what is in between.
    """

    def __init__(self, words: ArrayWords, written: Written, syntax: LoopSyntax) -> None:
        self.words, self.written, self.syntax = words, written, syntax
        self.fixed = {k: v for k, v in words.sizes.items() if k not in words.rows}
        self.lines: list[str] = []
        self.numbered: dict[sp.Symbol, int] = {}
        self.named = 0  # how many numbers in between have names
        self.bounds: dict[str, str] = {}  # what symbols in indices are called

    def name_of(self, own: sp.Symbol) -> str:
        """Return what one of the program's own names is called."""
        return index_of(own) if is_index(own) else f"s{self.number_of(own)}"

    def number_of(self, own: sp.Symbol) -> int:
        """Return the number in such a name."""
        return self.numbered.setdefault(own, 1 + len(self.numbered))

    def line(self, text: str) -> None:
        """Write a line."""
        self.lines.append(text)

    def computed(self, outputs: Sequence[sp.Expr]) -> list[str]:
        """Write the statements that compute expressions; return their values."""
        function, accesses, symbols = straight(tuple(outputs))
        given = [*map(self.element, accesses), *map(self._number, symbols)]
        lines, results, self.named = self.written.statements(
            function, given or ["0.0"], self.named
        )
        self.lines += lines
        return results

    def _number(self, name: sp.Symbol) -> str:
        """Return the number that a name stands for."""
        layout, text = self.words.layout, name.name
        if text.startswith("[") and not text.startswith(DIRECTION):
            known = self.name_of(name)
            return self.syntax.converted.format(known) if is_index(name) else known
        if text in layout.sizes:
            size = self.integer(name)
            counts = text in self.words.rows
            return self.syntax.converted.format(size) if counts else f"{size}.0"
        if text in layout.parameters:
            return f"d.{self.words.names[text]}"
        base, own = vector_of(text)
        return f"{base}[{self.words.offsets[own]}]"

    def element(self, access: sp.Indexed) -> str:
        """Return an element of an array."""
        name = str(access.base.label)
        kind = self.words.columns.get(name)
        if kind is None:
            base, own = vector_of(name)
            return f"{base}[{self.place(own, access.indices)}]"
        number = f"d.{self.words.names[name]}[{self.place(name, access.indices)}]"
        return number if kind == "f8" else self.syntax.converted.format(number)

    def slope(self, add: Add) -> str:
        """Return an element of the gradient."""
        return f"g[{self.place(add.array, add.indices)}]"

    def place(self, name: str, indices: Sequence[sp.Expr]) -> str:
        """Return where an element is in its array, or in x."""
        place = sp.S.Zero
        for index, length in zip(indices, self.words.shapes[name], strict=True):
            place = place * length + self.sized(index)
        offset = self.words.offsets.get(name, 0)
        return self.integer(sp.expand(place + offset))

    def sized(self, expression: sp.Expr) -> sp.Expr:
        """Put in the sizes that stay as they are."""
        return expression.xreplace(
            {
                s: sp.Integer(self.fixed[s.name])
                for s in expression.atoms(sp.Symbol)
                if s.name in self.fixed
            }
        )

    def integer(self, expression: sp.Expr) -> str:
        """Return an index or a bound."""
        known = {name: f"d.{self.words.names[name]}" for name in self.words.rows}
        known |= self.bounds
        return _Integers(self.syntax, known).doprint(self.sized(expression))


class _Integers(StrPrinter):
    """Writes whole numbers; their divisions round down."""

    def __init__(self, syntax: LoopSyntax, known: dict[str, str]) -> None:
        super().__init__()
        self.syntax, self.known = syntax, known

    def emptyPrinter(self, expr: sp.Expr) -> str:
        raise FormulaError(f"{text_of(expr)} can't be an index")

    def _call(self, name: str, *arguments: str) -> str:
        return f"{self.syntax.helper.format(name)}({', '.join(arguments)})"

    def _print_Integer(self, expr: sp.Integer) -> str:
        return str(expr) if abs(expr) < 2**31 else self.syntax.large.format(expr)

    def _print_Rational(self, expr: sp.Rational) -> str:
        return self.emptyPrinter(expr)

    def _print_Symbol(self, expr: sp.Symbol) -> str:
        return self.known.get(expr.name) or index_of(expr)

    def _print_floor(self, expr: sp.floor) -> str:
        whole, above, below = operands(expr)
        text = self._call("floored", *map(self._print, (above, below)))
        return text if whole == 0 else f"({self._print(whole)} + {text})"

    def _print_ceiling(self, expr: sp.ceiling) -> str:
        return f"(-{self._print_floor(sp.floor(-expr.args[0], evaluate=False))})"

    def _print_Mod(self, expr: sp.Mod) -> str:
        return self._call("modulus", *map(self._print, operands(expr)))

    def _extreme(self, name: str, expr: sp.Expr) -> str:
        first, *others = map(self._print, expr.args)
        for other in others:
            first = self._call(name, first, other)
        return first

    def _print_Max(self, expr: sp.Max) -> str:
        return self._extreme("larger", expr)

    def _print_Min(self, expr: sp.Min) -> str:
        return self._extreme("smaller", expr)

    def _print_Abs(self, expr: sp.Expr) -> str:
        (inside,) = expr.args
        return self._call("larger", *map(self._print, (inside, -inside)))

    def _print_Pow(self, expr: sp.Pow, rational: bool = False) -> str:
        if not (expr.exp.is_Integer and expr.exp > 0):
            return self.emptyPrinter(expr)
        return "*".join([f"({self._print(expr.base)})"] * int(expr.exp))


setattr(_Integers, f"_print_{real_abs.__name__}", _Integers._print_Abs)


def vector_of(name: str) -> tuple[str, str]:
    """Return where a variable is: in x, or in v, the direction; and its name."""
    if name.startswith(DIRECTION):
        return "v", name.removeprefix(DIRECTION)
    return "x", name


def index_name(depth: int) -> str:
    """Return what the index of the loops at a depth is called."""
    return _INDICES[depth] if depth < len(_INDICES) else f"i{depth}"


def index_of(own: sp.Symbol) -> str:
    """Return what one of the program's own indices is called."""
    return index_name(int(own.name[2:-1]))


def is_index(own: sp.Symbol) -> bool:
    """Return whether one of the program's own names is an index."""
    return own.name.startswith("[i")
