"""Accesses that a condition guards, made safe where it doesn't hold.

Loops compute all branches and choose. So an index that only a condition keeps inside of
its array is moved to the array's nearest end: what is read there is not chosen, and
what is added there is 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

import sympy as sp

from symgd.language.as_written import made
from symgd.language.formula import symbol

END = "[end]"  # before an array's name and an axis: the last place there


def kept_inside(expression: sp.Expr, guarded: Mapping[sp.Indexed, Set[int]]) -> sp.Expr:
    """Return an expression with some indices of some accesses moved inside."""

    def safe(node: Any) -> Any:
        if not node.args or not node.has(sp.Indexed):
            return node
        arguments = list(map(safe, node.args))
        for axis in guarded.get(node, ()):
            last = symbol(f"{END}{node.base.label} {axis}")
            index = arguments[1 + axis]
            arguments[1 + axis] = sp.Max(0, sp.Min(index, last))
        same = all(new is old for new, old in zip(arguments, node.args, strict=True))
        return node if same else made(node.func, arguments)

    return safe(expression) if guarded else expression


def ends_of(
    guarded: Mapping[sp.Indexed, Set[int]], shapes: Mapping[str, Sequence[int]]
) -> dict[str, int]:
    """Return the last places of arrays, by the names they have in an expression."""
    return {
        f"{END}{access.base.label} {axis}": shapes[str(access.base.label)][axis] - 1
        for access, axes in guarded.items()
        for axis in axes
    }
