"""Reductions over coordinates, ``dot(a, b)``, ``norm(a)`` and ``mean(a)``, in rules.

A rule's equations are for one coordinate; a reduction is the same number for all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from symgd.language.as_written import made
from symgd.language.functions import Function


class dot(sp.Function):
    """The sum over coordinates of the products a*b."""

    nargs = 2
    is_extended_real = True

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        first, second = map(printer._print, self.args)
        return _to_power(rf"\left\langle {first}, {second}\right\rangle", exp)


class norm(sp.Function):
    """The square root of the sum of squares."""

    nargs = 1
    is_extended_real = True
    is_nonnegative = True

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        inner = printer._print(self.args[0])
        return _to_power(rf"\left\lVert {inner}\right\rVert", exp)


class mean(sp.Function):
    """The sum over coordinates, divided by their number."""

    nargs = 1
    is_extended_real = True

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        inner = printer._print(self.args[0])
        return _to_power(rf"\operatorname{{mean}}\left({inner}\right)", exp)


def _to_power(base: str, exponent: str | None) -> str:
    return base if exponent is None else f"{base}^{{{exponent}}}"


KINDS = (dot, norm, mean)
TABLE = {
    kind.__name__: Function(
        kind.__name__,
        kind,
        lambda *_: math.nan,  # a constant is never reduced: see Rule
        (count, count),
        node=kind,
    )
    for kind, count in ((dot, 2), (norm, 1), (mean, 1))
}


@dataclass(frozen=True)
class Staged:
    """Expressions of one coordinate whose reductions have been taken out.

    Attributes
    ----------
    outputs : tuple of SymPy expressions
        They read the totals as symbols.
    summands : tuple of SymPy expressions
        What each total is the sum of; those of a later stage read earlier totals.
    totals : tuple of symbols
    stages : int
        How often all totals must be summed until all of them are right.
    """

    outputs: tuple[sp.Expr, ...]
    summands: tuple[sp.Expr, ...]
    totals: tuple[sp.Symbol, ...]
    stages: int


def staged(expressions: Sequence[sp.Expr], coordinates: int) -> Staged:
    """Take the reductions out of expressions of one of so many coordinates."""
    totals: dict[sp.Expr, sp.Symbol] = {}
    stage: dict[sp.Symbol, int] = {}

    def total(summand: sp.Expr) -> sp.Symbol:
        if summand not in totals:
            before = [stage[s] for s in summand.free_symbols if s in stage]
            totals[summand] = sp.Symbol(f"total {len(totals)}", real=True)
            stage[totals[summand]] = 1 + max(before, default=0)
        return totals[summand]

    def taken_out(node: sp.Basic) -> sp.Basic:
        if not node.has(*KINDS):
            return node
        arguments = [taken_out(argument) for argument in node.args]
        if isinstance(node, dot):
            return total(arguments[0] * arguments[1])
        if isinstance(node, norm):
            return sp.sqrt(total(arguments[0] ** 2))
        if isinstance(node, mean):
            return total(arguments[0]) / coordinates
        return made(node.func, arguments)

    outputs = tuple(taken_out(expression) for expression in expressions)
    return Staged(
        outputs, tuple(totals), tuple(totals.values()), max(stage.values(), default=0)
    )
