"""From a method's name, or a rule, to the run that it makes: it alone is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from symgd.descent import settings as arguments
from symgd.descent.run import Run
from symgd.descent.settings import AUTOMATIC, Seed, Settings
from symgd.errors import InputError
from symgd.objectives.objective import Objective
from symgd.objectives.points import Bounds
from symgd.rules import family
from symgd.rules.rule import Rule

if TYPE_CHECKING:
    from symgd.language.formula import Formula


def is_default(method: Any) -> bool:
    """Return whether a method is the default one, which is not a rule."""
    return isinstance(method, str) and method == "auto"


def has_automatic_steps(
    objective: Objective, rule: Rule, hyperparameters: Mapping[str, Any]
) -> bool:
    """Return whether the steps are to be found on the way: ``step_size="auto"``.

    Raises
    ------
    InputError
        If they can't be, or ``gd`` has no such other hyperparameter.
    """
    step_size = hyperparameters.get("step_size")
    asked = isinstance(step_size, str) and step_size.strip() == AUTOMATIC
    if not asked or "step_size" not in rule.hyperparameters:
        return False
    gd = family.BUILT_IN["gd"]
    if rule != gd:
        problem = f"step_size='auto': only {gd.name} has automatic steps"
        raise InputError(f"{problem}; give {rule.name!r} a number or a schedule")
    if objective.iteration is not None:
        problem = f"the objective changes with {objective.iteration}, so its steps"
        raise InputError(f"{problem} can't be automatic: give step_size=0.01, say")
    for name in hyperparameters:
        gd.schedule(name, 0.0)
    return True


def ended_run(
    objective: Objective,
    bounds: Bounds,
    settings: Settings,
    method: str | Rule,
    hyperparameters: Mapping[str, Formula],
) -> Run | None:
    """Return a run as :func:`run_of` makes it that has ended and can be begun again.

    Who minimises the same formula often, from many starts, pays once for its arrays.
    """
    if not objective.ended or not is_default(method) or hyperparameters:
        return None
    try:
        run: Run = objective.ended.pop()
    except IndexError:  # another thread has taken it
        return None
    same = run.settings == settings and run.bounds.same_as(bounds)
    run.seconds = 0.0
    return run if same else None


def check_within(
    objective: Objective,
    settings: Settings,
    method: str | Rule,
    hyperparameters: Mapping[str, Any],
) -> None:
    """Refuse what can't keep to constraints, or isn't tested within them."""
    if not is_default(method):
        named = method if isinstance(method, str) else method.name
        problem = f"{named!r} can't keep to constraints: it is projected onto bounds"
        raise InputError(f"{problem} only; leave method out, or give 'auto'")
    if hyperparameters:
        name = next(iter(hyperparameters))
        raise arguments.no_hyperparameters(name, objective.space.names)
    if settings.patience:
        problem = "patience isn't tested within constraints, where f may have to rise"
        raise InputError(f"{problem}; give target or time_limit")


def _run_within(objective: Objective, bounds: Bounds, settings: Settings) -> Run:
    """Return a run that keeps to constraints."""
    assert objective.constraints is not None
    if objective.constraints.function.is_smooth:
        from symgd.descent.constrained.interior_run import InteriorRun

        return InteriorRun(objective, bounds, settings)
    from symgd.descent.constrained.kinked import run_within

    return run_within(objective, bounds, settings)


def run_of(
    objective: Objective,
    bounds: Bounds,
    settings: Settings,
    method: str | Rule,
    hyperparameters: Mapping[str, Formula],
    batch_size: int = 0,
    rng: Seed = None,
) -> Run:
    """Return a run that has not begun; with a batch size, on batches in rng's order.

    Raises
    ------
    InputError, FormulaError
        If there is no such method, or it has no such hyperparameter.
    """
    if objective.constraints is not None:
        if batch_size:
            problem = "batch_size needs an update rule, and these can't keep to"
            raise InputError(f"{problem} constraints")
        check_within(objective, settings, method, hyperparameters)
        return _run_within(objective, bounds, settings)
    if is_default(method):
        if batch_size:
            problem = "batch_size needs an update rule: method='amsgrad', say"
            raise InputError(f"{problem}; the default method needs exact values")
        if hyperparameters:
            name = next(iter(hyperparameters))
            raise arguments.no_hyperparameters(name, objective.space.names)
        if objective.iteration is not None:
            raise arguments.needs_a_rule(objective.iteration)
        if not objective.is_smooth:
            from symgd.descent.epigraph_run import kinked_run

            return kinked_run(objective, bounds, settings)
        if objective.has_many_variables:
            from symgd.descent.truncated_run import TruncatedRun

            return TruncatedRun(objective, bounds, settings)
        from symgd.descent.solver_run import SolverRun

        return SolverRun(objective, bounds, settings)
    rule = family.find(method)
    way = (objective, bounds, settings, rule, hyperparameters)
    if batch_size:
        from symgd.descent.batch_run import BatchRun, FarBatchRun

        far = objective.arrays is not None and objective.arrays.partitions is not None
        return (FarBatchRun if far else BatchRun)(*way, batch_size=batch_size, rng=rng)
    if has_automatic_steps(objective, rule, hyperparameters):
        from symgd.descent.spectral_run import SpectralRun

        return SpectralRun(objective, bounds, settings)
    if objective.arrays is not None:
        from symgd.descent.large_run import LargeRun

        return LargeRun(*way)
    from symgd.descent.trajectory_run import RuleRun

    return RuleRun(*way)
