"""The straight-line functions of many descents at once.

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
