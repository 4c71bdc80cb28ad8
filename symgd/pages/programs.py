"""What a page computes with: a formula and rules as JavaScript."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from symgd.errors import FormulaError
from symgd.lowering.code_printer import Style
from symgd.lowering.javascript import javascript
from symgd.lowering.modules import OF_POINT, OF_STEP, OF_VECTOR
from symgd.lowering.rule_functions import (
    lowered_schedule,
    lowered_update,
    slots_after,
)
from symgd.objectives.objective import Objective
from symgd.rules.rule import Rule


@dataclass(frozen=True)
class Scheduled:
    """A rule, and which of its hyperparameters are formulas in t."""

    rule: Rule
    schedules: tuple[str | None, ...]


def program(objective: Objective, methods: Sequence[Scheduled]) -> str:
    """Return functions that a page calls; names of users are not in it.

    ``evaluate(x, p, out)`` gives the value and the gradient; ``curvature(x, p, out)``,
    if there is one, the entries of the Hessian that ``CURVED`` places, and
    ``product(x, v, p, out)`` its product, if a rule asks for it. ``RULES`` has
    of each rule ``schedule(t, h, out)``, the hyperparameters, and of its ``first``
    state and of a ``step`` what ``symgd.lowering.rule_functions.ScalarUpdate`` has.
    """
    native = objective.native
    functions: dict[str, Any] = {"evaluate": (native.value_and_gradient, OF_POINT)}
    places: list[int] = []
    if (found := _second_derivatives(objective)) is not None:
        function, places = found
        functions["curvature"] = (function, OF_POINT)
    if any(method.rule.asks_for("hvp") for method in methods):
        functions["product"] = (native.product, OF_VECTOR)
    rules = []
    for place, method in enumerate(methods):
        name = f"schedule_{place}"
        schedule = lowered_schedule(method.schedules, Style.LATENCY)
        functions[name] = (schedule, {"t": "double", "h": "numbers"})
        parts = {"schedule": name}
        for part in ("first", "step"):
            slots = slots_after(method.rule, part == "first")
            n = len(objective.variables)
            update = lowered_update(method.rule, slots, n, "s[{j}]", Style.LATENCY)
            functions[f"{part}_{place}"] = (update.slots, OF_STEP)
            about = f"slots: {part}_{place}, totals: {update.totals}, "
            about += f"places: {update.places}, ends: {list(update.ends)}"
            if update.stages:
                functions[f"{part}_sums_{place}"] = (update.summands, OF_STEP)
                about = f"summands: {part}_sums_{place}, {about}"
            parts[part] = f"{{{about}}}"
        rules.append(f"{{{', '.join(f'{k}: {v}' for k, v in parts.items())}}}")
    curved = "curvature" if "curvature" in functions else "null"
    return (
        javascript(functions) + f"const CURVED = {places}, CURVATURE = {curved}, "
        f"RULES = [{', '.join(rules)}];\n"
    )


def _second_derivatives(objective: Objective) -> tuple[object, list[int]] | None:
    """Return what computes the Hessian; none where it isn't defined."""
    try:
        return objective.native.second_derivatives
    except FormulaError:
        return None
