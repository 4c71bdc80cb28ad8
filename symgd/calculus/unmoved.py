"""Sums inside of sums that don't move with them, to be computed once, before.

In ``sum((x[i] - sum(x[j] for j in range(n))/n)**2 for i in range(n))`` the inner sum is
the same in all terms. This is loop-invariant code motion.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from symgd.language.as_written import made
from symgd.language.nodes import REPEATED, replaced


def moves(node: sp.Basic, indices: frozenset[sp.Basic]) -> bool:
    """Return whether a sum is another one for other values of indices around it."""
    return not node.free_symbols.isdisjoint(indices)


class Unmoved:
    """The sums of an expression, each with a name: those inside that don't move, too.

    Parameters
    ----------
    expression : SymPy expression
    name : callable
        Returns a new name for a sum.

    Attributes
    ----------
    inner : dict of sums to names
        Those inside of others that don't move with them; what is inside of one of
        these comes before it.
    outermost : dict of sums to names
        Those inside of no other.
    value : SymPy expression
        The expression, of names.
    """

    def __init__(self, expression: sp.Expr, name: Callable[[sp.Expr], Any]) -> None:
        self._name = name
        self.inner: dict[Any, sp.Symbol] = {}
        self.outermost: dict[Any, sp.Symbol] = {}
        found: dict[sp.Basic, sp.Basic] = {}
        pending = [expression]
        while pending:
            node = pending.pop()
            if isinstance(node, REPEATED):
                found[node] = sp.S.Zero
            else:
                pending.extend(reversed(node.args))
        lifted = {node: self._lifted(node) for node in found}
        for node, without in lifted.items():
            known = self.inner.get(without) or self.outermost.get(without)
            if known is None:
                known = self.outermost[without] = name(without)
            found[node] = known
        self.value = replaced(expression, found)

    def _lifted(self, node: Any, around: frozenset[Any] = frozenset()) -> Any:
        """Return a sum in which those that don't move have names."""
        own = around | {limit[0] for limit in node.limits}
        body = self._named(node.function, own)
        return node if body is node.function else node.func(body, *node.limits)

    def _named(self, part: Any, around: frozenset[Any]) -> Any:
        # In a branch that isn't taken, a sum may not be what it is to be.
        if isinstance(part, sp.Piecewise) or not part.has(*REPEATED):
            return part
        if not isinstance(part, REPEATED):
            arguments = [self._named(inner, around) for inner in part.args]
            pairs = zip(arguments, part.args, strict=True)
            same = all(new is old for new, old in pairs)
            return part if same else made(part.func, arguments)
        if moves(part, around):
            return self._lifted(part, around)
        without = self._lifted(part)
        if without not in self.inner:
            self.inner[without] = self._name(without)
        return self.inner[without]
