"""Minimise formulas at the speed of hand-written C.

>>> import symgd
>>> result = symgd.minimize("(1 - x)**2 + 100*(y - x**2)**2")
>>> round(result.values["x"], 6), round(result.values["y"], 6)
(1.0, 1.0)

Names are loaded when they are first used, so that ``import symgd`` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from symgd.language.drawing import DRAWN_IN
from symgd.native.by_name import LOOPS_IN
from symgd.native.version import __version__ as __version__

if TYPE_CHECKING:
    from symgd.descent.history import Trace
    from symgd.descent.optimize import maximize, minimize
    from symgd.descent.result import Result
    from symgd.errors import FormulaError, InputError, SymgdError
    from symgd.exporting.saving import export
    from symgd.fitting.comparing import compare
    from symgd.fitting.curve_fit import fit
    from symgd.fitting.fit_result import Fit
    from symgd.insight.analysis import Analysis, analyze
    from symgd.insight.global_minimum import GlobalMinimum, minimize_global
    from symgd.insight.stationary_points import StationaryPoints, stationary
    from symgd.many.descents import minimize_many, sweep
    from symgd.many.many_results import Results, Sweep
    from symgd.many.race_result import Race
    from symgd.many.racing import race
    from symgd.native.status import Status
    from symgd.objectives.meant import objective
    from symgd.objectives.objective import Objective
    from symgd.pages.document import page
    from symgd.plotting.door import plot, save
    from symgd.rules.rule import Rule

# What has a picture asks for it by these, from rooms that stand below.
DRAWN_IN.update(pictures="symgd.plotting", pages="symgd.pages")

# Likewise loops, whose addresses code is told.
LOOPS_IN.append("symgd.kernels.shared")

_HOMES = {
    "Analysis": "insight.analysis",
    "Fit": "fitting.fit_result",
    "FormulaError": "errors",
    "GlobalMinimum": "insight.global_minimum",
    "InputError": "errors",
    "Objective": "objectives.objective",
    "Race": "many.race_result",
    "Result": "descent.result",
    "Results": "many.many_results",
    "Rule": "rules.rule",
    "StationaryPoints": "insight.stationary_points",
    "Status": "native.status",
    "Sweep": "many.many_results",
    "SymgdError": "errors",
    "Trace": "descent.history",
    "analyze": "insight.analysis",
    "compare": "fitting.comparing",
    "export": "exporting.saving",
    "fit": "fitting.curve_fit",
    "maximize": "descent.optimize",
    "minimize": "descent.optimize",
    "minimize_global": "insight.global_minimum",
    "minimize_many": "many.descents",
    "objective": "objectives.meant",
    "page": "pages.document",
    "plot": "plotting.door",
    "race": "many.racing",
    "save": "plotting.door",
    "stationary": "insight.stationary_points",
    "sweep": "many.descents",
}

# Modules by names; of checkpoints by the one that it had before there were rooms.
_MODULES = {"checkpoints": "descent.checkpoints", "sklearn": "sklearn"}
_MODULES["testing"] = "testing"

__all__ = [
    "Analysis",
    "Fit",
    "FormulaError",
    "GlobalMinimum",
    "InputError",
    "Objective",
    "Race",
    "Result",
    "Results",
    "Rule",
    "StationaryPoints",
    "Status",
    "Sweep",
    "SymgdError",
    "Trace",
    "analyze",
    "compare",
    "export",
    "fit",
    "maximize",
    "minimize",
    "minimize_global",
    "minimize_many",
    "objective",
    "page",
    "plot",
    "race",
    "save",
    "stationary",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"symgd.{_MODULES[name]}")
    if name not in _HOMES:
        from symgd.errors import guess

        hint = guess(name, [*_HOMES, *_MODULES])
        raise AttributeError(f"module 'symgd' has no attribute {name!r}{hint}")
    value = getattr(importlib.import_module(f"symgd.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
