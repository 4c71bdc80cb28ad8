"""The derivative of a maximum over indices: that of the body where it is reached.

A subgradient: of several indices that reach it, each has an equal share.
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from symgd.language.as_written import choice
from symgd.language.nodes import Sum


class reached(sp.Function):
    """1 where a value is a maximum that it is of, else 0; a step, so its slope is 0."""

    is_extended_real = True
    is_nonnegative = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative, away from the jumps."""
        return sp.S.Zero

    def as_choice(self) -> sp.Piecewise:
        """Return the same as a comparison, which SymPy must not rewrite."""
        return where_reached(*self.args)

    def _sympystr(self, printer: Any) -> str:
        return str(printer._print(self.as_choice()))


def where_reached(value: sp.Expr, largest: sp.Expr) -> sp.Piecewise:
    """Return 1 where a value is the largest, else 0."""
    at_it = sp.S.One, sp.Ge(value, largest, evaluate=False)
    return choice(at_it, (sp.S.Zero, sp.true))


def ties(node: sp.Expr, largest: sp.Expr) -> Sum:
    """Return how often a maximum, whose value has a name, is reached."""
    return Sum(reached(node.function, largest), *node.limits)


def share(node: sp.Expr) -> sp.Expr:
    """Return the derivative of a maximum by its body, at the body's own indices."""
    return reached(node.function, node) / ties(node, node)
