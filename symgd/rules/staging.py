"""An update in stages: what a loop forms of all coordinates before it moves each.

A stage forms all totals, and may end with an evaluation at a point, whose gradient the
next stages read. So a total may hold another one, or a gradient, and a point as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from symgd.language.as_written import made
from symgd.language.formula import symbol
from symgd.rules import evaluations, reductions
from symgd.rules.reductions import dot, mean, norm


@dataclass(frozen=True)
class Staged:
    """Expressions of one coordinate without reductions and evaluations.

    Attributes
    ----------
    outputs : tuple of SymPy expressions
        They read totals and gradients as symbols.
    summands : tuple of SymPy expressions
        What each total is the sum of; those of a later stage read earlier totals.
    totals : tuple of symbols
    points : tuple of SymPy expressions
        Where the gradient is evaluated, in this order.
    gradients : tuple of symbols
        The gradient at each point.
    stages : int
        How often all totals must be summed until all of them are right.
    evaluates : int
        The stages that end with an evaluation, at the next point each, as bits.
    """

    outputs: tuple[sp.Expr, ...]
    summands: tuple[sp.Expr, ...]
    totals: tuple[sp.Symbol, ...]
    points: tuple[sp.Expr, ...]
    gradients: tuple[sp.Symbol, ...]
    stages: int
    evaluates: int


def staged(expressions: Sequence[sp.Expr], coordinates: int | sp.Symbol) -> Staged:
    """Take what needs all coordinates out of expressions of one of so many."""
    totals: dict[sp.Expr, sp.Symbol] = {}
    gradients: dict[sp.Expr, sp.Symbol] = {}

    def total(summand: sp.Expr) -> sp.Symbol:
        name = sp.Symbol(f"total {len(totals)}", real=True)
        return totals.setdefault(summand, name)

    def gradient(point: sp.Expr) -> sp.Symbol:
        if point == symbol("x"):
            return symbol("g")
        name = sp.Symbol(f"gradient {len(gradients)}", real=True)
        return gradients.setdefault(point, name)

    def taken_out(node: sp.Basic) -> sp.Basic:
        if not node.has(*reductions.KINDS, *evaluations.KINDS):
            return node
        arguments = [taken_out(argument) for argument in node.args]
        if isinstance(node, dot):
            return total(arguments[0] * arguments[1])
        if isinstance(node, norm):
            return sp.sqrt(total(arguments[0] ** 2))
        if isinstance(node, mean):
            return total(arguments[0]) / coordinates
        if isinstance(node, evaluations.g):
            return gradient(arguments[0])
        return made(node.func, arguments)

    outputs = tuple(taken_out(expression) for expression in expressions)
    stages, evaluates = _stages(totals, gradients)
    return Staged(
        outputs,
        tuple(totals),
        tuple(totals.values()),
        tuple(gradients),
        tuple(gradients.values()),
        stages,
        evaluates,
    )


def _stages(
    totals: Mapping[sp.Expr, sp.Symbol], gradients: Mapping[sp.Expr, sp.Symbol]
) -> tuple[int, int]:
    """Return how many stages there are, and which of them evaluate, as bits."""
    needed = {name: made_of.free_symbols for made_of, name in totals.items()}
    points = [(name, point.free_symbols) for point, name in gradients.items()]
    unknown = {*totals.values(), *gradients.values()}
    stages = evaluates = 0
    while unknown:
        known = {name for name in needed if not needed[name] & unknown}
        if points and not points[0][1] & unknown:
            known.add(points.pop(0)[0])
            evaluates |= 1 << stages
        unknown -= known
        stages += 1
    return stages, evaluates
