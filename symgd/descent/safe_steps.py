"""Steps that are proven to be safe before the run begins: ``step_size="safe"``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from symgd.errors import InputError
from symgd.objectives.objective import Objective
from symgd.objectives.points import Bounds
from symgd.rules.rule import Rule

if TYPE_CHECKING:
    from symgd.insight.analysis import Analysis

SAFE = "safe"
SECONDS = 2.0  # of scalars
SECONDS_OF_ROWS = 20.0  # one pass over rows, however many
STEPS = {"gd": "safe", "momentum": "polyak", "nesterov": "nesterov"}
WHY = {
    "gd": "no L is proven",
    "momentum": "its momentum is proven for strongly convex quadratics only",
    "nesterov": "its momentum is proven where f is strongly convex only",
}


def resolved(
    objective: Objective,
    bounds: Bounds,
    method: str | Rule,
    hyperparameters: Mapping[str, Any],
) -> Mapping[str, Any]:
    """Return hyperparameters with numbers for a step size that is to be safe.

    Raises
    ------
    InputError
        If no such step is proven, with the reason.
    """
    step_size = hyperparameters.get("step_size")
    if not isinstance(step_size, str) or step_size.strip() != SAFE:
        return hyperparameters
    name = method.name if isinstance(method, Rule) else str(method)
    if name not in STEPS:
        known = ", ".join(STEPS)
        problem = f"step_size='safe' is proven for {known} only"
        raise InputError(f"{problem}; give {name!r} a number or a schedule")
    if "momentum" in hyperparameters:
        problem = "step_size='safe' comes with the momentum that is proven"
        raise InputError(f"{problem}: leave momentum out")
    analysis = _analysis(objective, bounds)
    step = analysis.steps.get(STEPS[name])
    if step is None:
        problem = f"no step of {name} is proven to be safe: {WHY[name]}"
        raise InputError(f"{problem}; {_advice(name, analysis)}")
    found = {"step_size": step.step_size}
    if step.momentum is not None:
        found["momentum"] = step.momentum
    return {**hyperparameters, **found}


def _analysis(objective: Objective, bounds: Bounds) -> Analysis:
    from symgd.insight.analysis import analyze

    seconds = SECONDS if objective.arrays is None else SECONDS_OF_ROWS
    pairs = list(zip(bounds.lower, bounds.upper, strict=True))
    return analyze(objective, pairs, time_limit=seconds)


def _advice(name: str, analysis: Analysis) -> str:
    if name != "gd" and "safe" in analysis.steps:
        return "of gd there is one"
    return "give bounds, or other ones, or a number"
