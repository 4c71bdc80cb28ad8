"""The straight-line functions of many descents at once, and what need not be watched.

The state of all variables of W descents is a tuple of packs: for each variable the
iterate and what the rule remembers of it. Code is generated for all variables at once
and has no branches, so that the tuple stays in registers from one iteration to the
next.
"""

from __future__ import annotations

import functools
from types import FunctionType

import sympy as sp

from symgd.formula import symbol
from symgd.lowering.native import NativeObjective
from symgd.lowering.printing import Style
from symgd.lowering.source import lower
from symgd.rules import Rule


@functools.lru_cache(maxsize=128)
def lane_objective(objective: NativeObjective, width: int) -> FunctionType:
    """Return ``(s, p) -> (f, g0, g1, ...)``.

    A variable stands in every place of ``s`` whose number ``width`` divides, its state
    behind it.
    """
    places = {s: f"s[{i * width}]" for i, s in enumerate(objective.variables)}
    places |= {s: f"p[{i}]" for i, s in enumerate(objective.parameters)}
    outputs = (objective.expression, *objective.gradient)
    arguments = ("s", "p")
    return lower(
        "value_and_gradient", arguments, outputs, places, style=Style.THROUGHPUT
    )


@functools.lru_cache(maxsize=128)
def lane_update(rule: Rule, n: int) -> FunctionType:
    """Return the update of all variables: (t, fg, s, h) -> s."""
    names, numbers = tuple(rule.updates), range(n)

    def own(name: str, k: int) -> sp.Symbol:
        return sp.Symbol(f"{name} of {k}", real=True)

    # In the order of native_update, so that terms are added in the same order.
    places = {symbol("t"): "t", symbol("f"): "fg[0]"}
    places |= {own("g", k): f"fg[{k + 1}]" for k in numbers}
    places |= {
        own(name, k): f"s[{k * len(names) + j}]"
        for j, name in enumerate(names)
        for k in numbers
    }
    places |= {symbol(name): f"h[{j}]" for j, name in enumerate(rule.hyperparameters)}
    outputs = [
        update.xreplace({symbol(name): own(name, k) for name in ("g", *names)})
        for k in numbers
        for update in rule.updates.values()
    ]
    arguments, late = ("t", "fg", "s", "h"), [own("g", k) for k in numbers]
    return lower(
        "update", arguments, outputs, places, late, groups=n, style=Style.THROUGHPUT
    )


# ------------------------------------------------------- what need not be watched


def watched_slots(rule: Rule, n: int) -> tuple[int, ...]:
    """Return the places of the slots that must be watched at each iterate."""
    width, known = 1 + len(rule.state), frozenset(map(symbol, rule.hyperparameters))
    fragile = [
        j
        for j, (name, update) in enumerate(rule.updates.items())
        if not _keeps_infinity(symbol(name), update, known)
    ]
    return tuple(k * width + j for k in range(n) for j in fragile)


def gradient_is_watched(rule: Rule) -> bool:
    """Return whether the gradient must be watched at each iterate, beside the slots.

    Not if it enters a slot as ``c*g``, and the slot keeps it.
    """
    known = frozenset(map(symbol, rule.hyperparameters))
    return not any(
        _keeps_infinity(symbol(name), update, known)
        and _enters(symbol("g"), update, known)
        for name, update in rule.updates.items()
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


_EVERYWHERE_REAL = (
    *(sp.Add, sp.Mul, sp.exp, sp.sin, sp.cos, sp.tanh, sp.atan, sp.asinh, sp.sinh),
    *(sp.cosh, sp.erf, sp.erfc, sp.Abs, sp.sign, sp.Max, sp.Min),
)


def value_is_watched(rule: Rule, expression: sp.Expr) -> bool:
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
