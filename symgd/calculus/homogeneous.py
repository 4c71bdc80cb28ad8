"""Homogeneous functions: f(t*x) is t**d*f(x) for all t > 0, and d is their degree.

Where a gradient of one is 0, so is f, by Euler's theorem, unless d is 0; and f stays 0
along the ray through that point.
"""

from __future__ import annotations

from collections.abc import Set

import sympy as sp

from symgd.language.functions import cbrt, real_abs, real_sign
from symgd.language.nodes import kept

_SAME = (sp.Add, sp.Max, sp.Min, sp.Abs, real_abs, kept)  # of one degree, and have it


def degree(node: sp.Expr, names: Set[sp.Symbol]) -> sp.Expr | None:
    """Return the degree of a function of some names; None where it has none, or may.

    >>> x, y = sp.symbols("x y", real=True)
    >>> degree(sp.sqrt(x**2 + y**2) - 3 * x, {x, y})
    1
    >>> degree(sp.exp(x / y) * x**3, {x, y})
    3
    >>> degree(x**2 + y, {x, y})
    """
    if node.free_symbols.isdisjoint(names):
        return sp.S.Zero
    if node in names:
        return sp.S.One
    if isinstance(node, sp.Pow) and node.exp.is_number:
        inner = degree(node.base, names)
        return None if inner is None else inner * node.exp
    if not node.is_Mul and not isinstance(node, (*_SAME, sp.Function)):
        return None
    if not all(isinstance(part, sp.Expr) for part in node.args):
        return None
    known = [degree(part, names) for part in node.args]
    degrees = [each for each in known if each is not None]
    if len(degrees) < len(known):
        return None
    if node.is_Mul:
        return sp.Add(*degrees)
    if isinstance(node, _SAME):
        return degrees[0] if len(set(degrees)) == 1 else None
    if isinstance(node, cbrt):
        return degrees[0] / 3
    same = isinstance(node, (real_sign, sp.sign)) or not any(degrees)
    return sp.S.Zero if same else None
