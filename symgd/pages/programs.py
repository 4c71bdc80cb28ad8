"""What a page computes with: a formula and rules as JavaScript."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symgd.errors import FormulaError
from symgd.lowering.code_printer import Style
from symgd.lowering.rule_functions import lane_update, lowered_schedule
from symgd.lowering.textual import javascript
from symgd.objectives.objective import Objective
from symgd.rules.rule import Rule

_OF_POINT = {"x": "numbers", "p": "numbers"}
_OF_STEP = {"t": "double", "fg": "numbers", "s": "numbers", "h": "numbers"}


@dataclass(frozen=True)
class Scheduled:
    """A rule, and which of its hyperparameters are formulas in t."""

    rule: Rule
    schedules: tuple[str | None, ...]


def program(objective: Objective, methods: Sequence[Scheduled]) -> str:
    """Return functions that a page calls; names of users are not in it.

    ``evaluate(x, p, out)`` gives the value and the gradient; ``curvature(x, p, out)``,
    if there is one, the entries of the Hessian that ``CURVED`` places. Of rule k,
    ``first_k`` gives the slots at the start, ``step_k`` those after an update, and
    ``schedule_k(t, h, out)`` the hyperparameters.
    """
    native = objective.native
    functions = {"evaluate": (native.value_and_gradient, _OF_POINT)}
    places: list[int] = []
    if (found := _second_derivatives(objective)) is not None:
        function, places = found
        functions["curvature"] = (function, _OF_POINT)
    n = len(objective.variables)
    for k, method in enumerate(methods):
        functions[f"schedule_{k}"] = (
            lowered_schedule(method.schedules, Style.LATENCY),
            {"t": "double", "h": "numbers"},
        )
        functions[f"first_{k}"] = (lane_update(method.rule, n, initial=True), _OF_STEP)
        functions[f"step_{k}"] = (lane_update(method.rule, n), _OF_STEP)
    rules = ", ".join(
        f"{{first: first_{k}, step: step_{k}, schedule: schedule_{k}}}"
        for k in range(len(methods))
    )
    curved = "curvature" if "curvature" in functions else "null"
    return (
        javascript(functions)
        + f"const CURVED = {places}, CURVATURE = {curved}, RULES = [{rules}];\n"
    )


def _second_derivatives(objective: Objective) -> tuple[object, list[int]] | None:
    """Return what computes the Hessian; none where it isn't defined."""
    try:
        return objective.native.second_derivatives
    except FormulaError:
        return None
