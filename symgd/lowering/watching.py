"""What a loop must watch at each iterate, so that nothing infinite passes unnoticed.

A slot that isn't finite often stays so, whatever else happens: then it is enough to
look at it from time to time.

Overflow and NaN are detected no more often than this needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import sympy as sp

from symgd.arithmetic.primitives import choose
from symgd.language.formula import symbol
from symgd.language.functions import real_abs, real_sign, sigmoid, softplus
from symgd.rules.rule import Rule


@dataclass(frozen=True)
class Watch:
    """What is watched at each iterate.

    Attributes
    ----------
    value : bool
        In lanes, where it costs most; one trajectory always watches it.
    gradient : bool
    slots : tuple of int
        Rows of the slots: 0 is the iterate, the others the rule's state.
    """

    value: bool
    gradient: bool
    slots: tuple[int, ...]


def watch(rule: Rule, expression: sp.Expr, bounded: bool) -> Watch:
    """Return what a rule's loop must watch on an objective."""
    known = frozenset(map(symbol, rule.hyperparameters))
    updates = [(symbol(name), update) for name, update in rule.updates.items()]
    kept = [_keeps_infinity(slot, update, known) for slot, update in updates]
    # A gradient that enters a slot as c*g shows there, if the slot keeps it.
    shows = any(
        keeps and _enters(symbol("g"), update, known)
        for keeps, (_, update) in zip(kept, updates, strict=True)
    )
    return Watch(
        value=_value_is_watched(rule, expression),
        gradient=bounded or not shows,
        slots=tuple(j for j, keeps in enumerate(kept) if not keeps),
    )


def _keeps_infinity(
    slot: sp.Symbol, update: sp.Expr, constants: frozenset[sp.Symbol]
) -> bool:
    """Return whether a slot that isn't finite stays so, whatever else happens.

    ``c*s + ...`` does if nothing else holds s, and so does ``Max(s, ...)`` of a finite
    start. That such a slot was not finite shows later.
    """
    if isinstance(update, (sp.Max, sp.Min)):
        return slot in update.args
    return _enters(slot, update, constants)


def _enters(name: sp.Symbol, update: sp.Expr, constants: frozenset[sp.Symbol]) -> bool:
    """Return whether an update is ``c*name + ...`` with the name nowhere else."""
    mine = [t for t in sp.Add.make_args(sp.expand_mul(update)) if t.has(name)]
    factors = [term / name for term in mine]
    return bool(mine) and all(
        f.free_symbols <= constants and not f.atoms(sp.Function, sp.Piecewise)
        for f in factors
    )


_NOWHERE_STEEP = (
    *(sp.exp, sp.sin, sp.cos, sp.tan, sp.tanh, sp.atan, sp.asinh, sp.sinh, sp.cosh),
    *(sp.erf, sp.erfc, sp.Abs, sp.sign, sp.Max, sp.Min, sp.Piecewise, sigmoid),
    *(real_abs, real_sign, softplus),
)
_EVERYWHERE_REAL = (
    *(sp.Add, sp.Mul, sp.exp, sp.sin, sp.cos, sp.tanh, sp.atan, sp.asinh, sp.sinh),
    *(sp.cosh, sp.erf, sp.erfc, sp.Abs, sp.sign, sp.Max, sp.Min),
)


def _value_is_watched(rule: Rule, expression: sp.Expr) -> bool:
    """Return whether f must be watched at each iterate, beside the gradient.

    Not if the rule doesn't read it and it can only fail to be finite by being too
    large: then the gradient, or the next iterate, isn't finite either, or f returns.
    """
    reads = any(u.has(symbol("f")) for u in rule.updates.values())
    return reads or not all(
        not node.args
        or isinstance(node, _EVERYWHERE_REAL)
        or (isinstance(node, sp.Pow) and node.exp.is_Integer and node.exp > 0)
        for node in sp.preorder_traversal(expression)
    )


def may_be_steep(expression: sp.Expr) -> bool:
    """Return whether a slope may be infinite where f isn't, as a root's is at 0."""
    nodes = sp.preorder_traversal(expression)
    return any(map(_has_steep_edge, nodes))


def _has_steep_edge(node: sp.Basic) -> bool:
    if isinstance(node, sp.Pow):
        return not node.exp.is_Integer
    return isinstance(node, sp.Function) and not isinstance(node, _NOWHERE_STEEP)


def steepness(slope: Any, x: Any, lower: Any, upper: Any) -> Any:
    """Return the size of a component of the projected gradient, as a straight line.

    It is 0 where a bound holds x against the descent.
    """
    size = choose((x <= lower) & (slope > 0.0), 0.0, abs(slope))
    return choose((x >= upper) & (slope < 0.0), 0.0, size)


def felt(slope: Any, x: Any, lower: Any, upper: Any) -> Any:
    """Return a component of the gradient as a rule is given it, as a straight line.

    It is 0 where a bound holds x against an infinite slope, as that of a root: the
    coordinate stays, and what the rule remembers of it stays finite.
    """
    slope = choose((x <= lower) & (slope == inf), 0.0, slope)
    return choose((x >= upper) & (slope == -inf), 0.0, slope)
