"""From a method's name, or a rule, to the run that it makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from symgd import arguments, family
from symgd.arguments import Bounds, Settings
from symgd.objective import Objective
from symgd.rule_run import RuleRun
from symgd.rules import Rule
from symgd.runs import Run
from symgd.solver_run import SolverRun

if TYPE_CHECKING:
    from symgd.formula import Formula


def is_default(method: Any) -> bool:
    """Return whether a method is the default one, which is not a rule."""
    return isinstance(method, str) and method == "auto"


def run_of(
    objective: Objective,
    bounds: Bounds,
    settings: Settings,
    method: str | Rule,
    hyperparameters: Mapping[str, Formula],
) -> Run:
    """Return a run that has not begun.

    Raises
    ------
    InputError, FormulaError
        If there is no such method, or it has no such hyperparameter.
    """
    if is_default(method):
        if hyperparameters:
            raise arguments.no_hyperparameters(next(iter(hyperparameters)))
        if objective.iteration is not None:
            raise arguments.needs_a_rule(objective.iteration)
        return SolverRun(objective, bounds, settings)
    rule = family.find(method)
    return RuleRun(objective, bounds, settings, rule, hyperparameters)
