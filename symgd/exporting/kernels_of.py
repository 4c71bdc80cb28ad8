"""The modules of machine code of a formula and a method."""

from __future__ import annotations

from typing import Any

from symgd.descent.run import NO_END
from symgd.descent.solver_run import LBFGS_ITERATIONS, NEWTON_ITERATIONS
from symgd.descent.trajectory_run import written_parts
from symgd.exporting.request import Request
from symgd.kernels.shared import joined, module_of
from symgd.native import machine


def modules_of(asked: Request) -> dict[str, Any]:
    """Return LLVM's modules by the names that their entries get."""
    objective, formula = asked.objective, asked.formula
    texts = {"evaluation": objective.module_text("evaluation")}
    if formula.curvature is not None:
        texts["second"] = objective.module_text("hessian")
    if formula.product is not None:
        texts["along"] = objective.module_text("product")
    modules = {name: machine.parsed(text) for name, text in texts.items()}
    if asked.rule is not None:
        schedules = [v if isinstance(v, str) else None for v in asked.values.values()]
        initial = () if asked.rule.starts_at_zero else (True,)
        for first in (False, *initial):
            loop = "initial" if first else "trajectory"
            kind = {"initial": first, "bounded": asked.bounds is not None}
            parts = written_parts(asked.objective, asked.rule, schedules, **kind)
            modules["initial" if first else "loop"] = joined(loop, *parts)
    if asked.is_auto:
        modules["loop"] = module_of("solver")
    return {f"{asked.name}_{name}": module for name, module in modules.items()}


def stages_of(asked: Request) -> tuple[int, ...]:
    """Return how long the stages of the default method are; none without it."""
    if not asked.is_auto:
        return ()
    if asked.objective.has_quick_hessian and asked.formula.curvature is not None:
        return LBFGS_ITERATIONS, NEWTON_ITERATIONS, NO_END
    return (NO_END,)
