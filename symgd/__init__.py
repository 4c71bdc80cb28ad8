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

if TYPE_CHECKING:
    from symgd.errors import FormulaError, InputError, SymgdError
    from symgd.fit_result import Fit
    from symgd.fitting import fit
    from symgd.many import minimize_many, sweep
    from symgd.objective import Objective
    from symgd.optimize import maximize, minimize
    from symgd.plotting import plot, save
    from symgd.race_results import Race
    from symgd.racing import race
    from symgd.result import Result, Trace
    from symgd.results import Results, Sweep
    from symgd.rules import Rule
    from symgd.status import Status

__version__ = "0.1.0"

_HOMES = {
    "Fit": "fit_result",
    "FormulaError": "errors",
    "InputError": "errors",
    "Objective": "objective",
    "Race": "race_results",
    "Result": "result",
    "Results": "results",
    "Rule": "rules",
    "Status": "status",
    "Sweep": "results",
    "SymgdError": "errors",
    "Trace": "result",
    "fit": "fitting",
    "maximize": "optimize",
    "minimize": "optimize",
    "minimize_many": "many",
    "plot": "plotting",
    "race": "racing",
    "save": "plotting",
    "sweep": "many",
}

__all__ = [
    "Fit",
    "FormulaError",
    "InputError",
    "Objective",
    "Race",
    "Result",
    "Results",
    "Rule",
    "Status",
    "Sweep",
    "SymgdError",
    "Trace",
    "fit",
    "maximize",
    "minimize",
    "minimize_many",
    "plot",
    "race",
    "save",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name == "sklearn":
        return importlib.import_module("symgd.sklearn")
    if name not in _HOMES:
        raise AttributeError(f"module 'symgd' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"symgd.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
