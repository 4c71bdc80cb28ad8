"""Several methods on one fit: Levenberg and Marquardt's, and those of other sums."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, TypeAlias

from symgd.descent.methods import run_of
from symgd.descent.settings import Settings
from symgd.fitting.fit_run import FitRun
from symgd.many.race_result import Race
from symgd.many.racing import Maker, labelled, raced
from symgd.objectives.points import Bounds
from symgd.rules import family

Fit: TypeAlias = Any  # it stands above, and is asked for its public names only


def race(
    fit: Fit,
    limits: Bounds,
    methods: Any,
    options: Mapping[str, Any],
    hyperparameters: Mapping[str, Any],
) -> Race:
    """Minimise the sum over rows by several methods, from where a fit began."""

    def ours(settings: Settings) -> FitRun:
        own = dataclasses.replace(settings, relative=False)
        return FitRun(fit.regression, limits, own)

    objective = fit.objective
    auto = functools.partial(
        run_of, objective, limits, method="auto", hyperparameters={}
    )
    solvers: dict[str, Maker] = {
        "levenberg_marquardt": ours,
        "auto": ours,
        "lbfgs": auto,
    }
    if methods is None:
        methods = ["levenberg_marquardt", "lbfgs", *family.BUILT_IN]
    entries = labelled(methods, hyperparameters, solvers)
    settings = Settings.checked(sign=1.0, ftol=0.0, patience=0, **options)
    return raced(objective, entries, limits, settings, fit.start)
