"""An update in stages: what a loop forms of all coordinates before it moves each.

A stage forms all totals, and may end with a derivative, which the next stages read: the
gradient at a point, or the Hessian's product with a vector. So a total may hold another
one, or a derivative, and a point or a vector as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from symgd.errors import InputError
from symgd.language.as_written import made
from symgd.language.formula import symbol
from symgd.rules import evaluations, reductions
from symgd.rules.reductions import dot, mean, norm

MOST = 62  # stages: bits of a word, without its sign


@dataclass(frozen=True)
class Staged:
    """Expressions of one coordinate without reductions and derivatives.

    Attributes
    ----------
    outputs : tuple of SymPy expressions
        They read totals and derivatives as symbols.
    summands : tuple of SymPy expressions
        What each total is the sum of; those of a later stage read earlier totals.
    totals : tuple of symbols
    places : tuple of SymPy expressions
        The points and vectors, in the order in which their derivatives are computed.
    derivatives : tuple of symbols
        The derivative for each of them.
    stages : int
        How often all totals must be summed until all of them are right.
    evaluates, multiplies : int
        The stages that end with a gradient, or a product, for the next place; as bits.
    """

    outputs: tuple[sp.Expr, ...]
    summands: tuple[sp.Expr, ...]
    totals: tuple[sp.Symbol, ...]
    places: tuple[sp.Expr, ...]
    derivatives: tuple[sp.Symbol, ...]
    stages: int
    evaluates: int
    multiplies: int

    @property
    def are_points(self) -> list[bool]:
        """Whether each place is a point, not a vector."""
        either = self.evaluates | self.multiplies
        ends = (stage for stage in range(self.stages) if either >> stage & 1)
        return [bool(self.evaluates >> stage & 1) for stage in ends]

    @property
    def evaluations(self) -> int:
        """How many gradients there are."""
        return self.evaluates.bit_count()


def staged(expressions: Sequence[sp.Expr], coordinates: int | sp.Symbol) -> Staged:
    """Take what needs all coordinates out of expressions of one of so many."""
    totals: dict[sp.Expr, sp.Symbol] = {}
    derivatives: dict[sp.Expr, sp.Symbol] = {}

    def total(summand: sp.Expr) -> sp.Symbol:
        name = sp.Symbol(f"total {len(totals)}", real=True)
        return totals.setdefault(summand, name)

    def derivative(node: sp.Expr) -> sp.Symbol:
        if node == evaluations.g(symbol("x")):
            return symbol("g")
        name = sp.Symbol(f"derivative {len(derivatives)}", real=True)
        return derivatives.setdefault(node, name)

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
        if isinstance(node, evaluations.KINDS):
            return derivative(node.func(*arguments))
        return made(node.func, arguments)

    outputs = tuple(taken_out(expression) for expression in expressions)
    return Staged(
        outputs,
        tuple(totals),
        tuple(totals.values()),
        tuple(node.args[0] for node in derivatives),
        tuple(derivatives.values()),
        *_stages(totals, derivatives),
    )


def _stages(
    totals: Mapping[sp.Expr, sp.Symbol], derivatives: Mapping[sp.Expr, sp.Symbol]
) -> tuple[int, int, int]:
    """Return how many stages there are, and, as bits, which end with what."""
    needed = {name: summand.free_symbols for summand, name in totals.items()}
    waiting = [(node, name) for node, name in derivatives.items()]
    unknown = {*totals.values(), *derivatives.values()}
    stages = evaluates = multiplies = 0
    while unknown:
        known = {name for name in needed if not needed[name] & unknown}
        if waiting and not waiting[0][0].free_symbols & unknown:
            node, name = waiting.pop(0)
            known.add(name)
            evaluates |= isinstance(node, evaluations.g) << stages
            multiplies |= isinstance(node, evaluations.hvp) << stages
        unknown -= known
        stages += 1
    if stages > MOST:
        raise InputError(f"an update of {stages} stages; at most {MOST} are possible")
    return stages, evaluates, multiplies
