"""From SymPy expressions back to the text of formulas.

An unparser, or pretty-printer.
"""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.printing.str import StrPrinter

from symgd.language.nodes import unit_table


class _FormulaPrinter(StrPrinter):
    """Print an expression so that :func:`symgd.language.formula.read` gives it back."""

    def _print_Float(self, expr: sp.Float) -> str:
        return repr(float(expr))

    def _print_Relational(self, expr: Any) -> str:
        return f"{self._print(expr.lhs)} {expr.rel_op} {self._print(expr.rhs)}"

    def _print_And(self, expr: Any) -> str:
        return " and ".join(f"({self._print(a)})" for a in expr.args)

    def _print_Or(self, expr: Any) -> str:
        return " or ".join(f"({self._print(a)})" for a in expr.args)

    def _print_ITE(self, expr: Any) -> str:
        test, yes, no = (self._print(argument) for argument in expr.args)
        return f"(({yes}) if ({test}) else ({no}))"

    def _print_Not(self, expr: Any) -> str:
        return f"not ({self._print(expr.args[0])})"

    def _print_Sum(self, expr: sp.Sum) -> str:
        return f"sum({self._repeated(expr)})"

    def _print_Product(self, expr: sp.Product) -> str:
        return f"prod({self._repeated(expr)})"

    def _print_Maximum(self, expr: Any) -> str:
        return f"max({self._repeated(expr)})"

    def _print_Table(self, expr: Any) -> str:
        return f"({self._repeated(expr)})"

    def _print_Determinant(self, expr: Any) -> str:
        return f"{expr.what}{self._print(expr.args[0])}"

    _print_LogDeterminant = _print_LogAbsDeterminant = _print_Determinant

    def _print_Solution(self, expr: Any) -> str:
        matrix, right, *places = map(self._print, expr.args)
        if expr.args[1] == unit_table(expr.args[0].limits[-1]):
            return f"inv{matrix}[{', '.join(places)}]"
        return f"solve({matrix}, {right})[{', '.join(places)}]"

    def _repeated(self, expr: Any) -> str:
        parts = [self._print(expr.function)]
        for index, low, high in reversed(expr.limits):
            start = "" if low.is_zero else f"{self._print(low)}, "
            stop = self._print(high + 1)
            parts.append(f"for {self._print(index)} in range({start}{stop})")
        return " ".join(parts)


def text_of(expression: sp.Basic) -> str:
    """Return an expression as a formula, with every number exact.

    Examples
    --------
    >>> x, i, n = sp.IndexedBase("x"), *sp.symbols("i n")
    >>> text_of(0.1 * abs(n) + sp.Sum(x[i + 1] ** 2 / 3, (i, 0, n - 1)))
    '0.1*Abs(n) + sum(x[i + 1]**2/3 for i in range(n))'
    """
    return _FormulaPrinter().doprint(expression)
