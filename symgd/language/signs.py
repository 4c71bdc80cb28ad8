"""What is nowhere negative, as a formula shows it; real, by the rules of the language.

SymPy's own assumptions take log(x) for a complex number, and ask long.
"""

from __future__ import annotations

import functools

import sympy as sp

from symgd.language.functions import erfcx, real_abs, sigmoid, softplus
from symgd.language.nodes import REPEATED, kept

_POSITIVE = (sp.exp, sp.cosh, sp.erfc, erfcx, sigmoid, softplus)


@functools.lru_cache(maxsize=4096)  # derivatives ask again
def is_nonnegative(node: sp.Expr) -> bool:
    """Return whether a value can't be below 0, where it is one.

    >>> x, y = sp.symbols("x y", real=True)
    >>> is_nonnegative(x**2 + 2 * abs(y)), is_nonnegative(x**2 + y)
    (True, False)
    """
    if node.is_Float:
        return bool(node >= 0)
    if node.is_number or isinstance(node, sp.Symbol):
        return bool(node.is_nonnegative)
    if isinstance(node, (sp.Abs, real_abs, *_POSITIVE)):
        return True
    if isinstance(node, (sp.Add, sp.Mul, sp.Min)):
        return all(map(is_nonnegative, node.args))
    if isinstance(node, sp.Max):
        return any(map(is_nonnegative, node.args))
    if isinstance(node, kept):
        return is_nonnegative(node.args[0])
    if isinstance(node, REPEATED):
        return is_nonnegative(node.function)
    if isinstance(node, sp.Piecewise):
        return all(is_nonnegative(value) for value, _ in node.args)
    if isinstance(node, sp.Pow):
        return bool(node.exp.is_even) or is_nonnegative(node.base)
    return False


@functools.lru_cache(maxsize=4096)
def is_positive(node: sp.Expr) -> bool:
    """Return whether a value is above 0, but for underflow.

    >>> x = sp.Symbol("x", real=True)
    >>> is_positive(1 + x**2), is_positive(x**2)
    (True, False)
    """
    if node.is_number or isinstance(node, sp.Symbol):
        return bool(node.is_positive)
    if isinstance(node, _POSITIVE):
        return True
    if isinstance(node, sp.Add):
        return any(map(is_positive, node.args)) and is_nonnegative(node)
    if isinstance(node, sp.Mul):
        return all(map(is_positive, node.args))
    if isinstance(node, sp.Max):
        return any(map(is_positive, node.args))
    if isinstance(node, kept):
        return is_positive(node.args[0])
    if isinstance(node, sp.Piecewise):
        return all(is_positive(value) for value, _ in node.args)
    return isinstance(node, sp.Pow) and is_positive(node.base)


def reaches_0(node: sp.Expr) -> bool:
    """Return whether 0 is the least value, and may be one: a sum of squares, say."""
    return is_nonnegative(node) and not is_positive(node)
