"""The arguments of a run, checked and brought into one form.

Stopping criteria: tolerances and limits.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import numbers
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from symgd.errors import InputError, guess
from symgd.language.plain import count
from symgd.native.criteria import MEANINGS, Criteria

if TYPE_CHECKING:
    import numpy as np

    from symgd.native.records import RunState


Seed: TypeAlias = Union[int, "np.random.Generator", "np.random.RandomState", None]

TIGHT = 1e-8  # of the gradient, where gtol is not given
AUTOMATIC = "auto"  # the step size that asks for steps found on the way


@dataclass(frozen=True)
class Settings:
    """When to stop and what to record, checked."""

    sign: float
    maxiter: int
    gtol: float
    ftol: float
    patience: int
    target: float
    time_limit: float
    every: int
    progress: bool
    relative: bool = False  # gtol is not given: how much is left to gain decides
    rough: bool = False  # an end is where others begin: it need not be proven

    @property
    def slope(self) -> float:
        """What slope is allowed to be left."""
        return 0.0 if self.relative else max(0.0, self.gtol)

    def put_into(self, record: RunState) -> None:
        """Let a run's record know when it is to end."""
        record.patience = self.patience
        record.gtol, record.ftol, record.target = self.gtol, self.ftol, self.target

    def of(self, objective: Any, batches: bool = False) -> Settings:
        """Return the settings as they apply to an objective.

        Where it changes with the iteration, or the batch, a gradient of 0 doesn't mean
        that the run has converged, and is not tested: gtol is -1. Values are of other
        functions.

        Raises
        ------
        InputError
            If values are to be compared there.
        """
        if objective.iteration is None and not batches:
            return self
        clock = "the batch" if batches else objective.iteration
        for name, unset in (("patience", 0), ("target", -math.inf)):
            if getattr(self, name) != unset:
                problem = f"the objective changes with {clock}, so {name}"
                raise InputError(f"{problem} can't be tested: its values don't compare")
        return dataclasses.replace(self, gtol=-1.0, relative=False)

    @classmethod
    def checked(cls, **given: Any) -> Settings:
        """Return the settings: see :func:`_checked`, which is asked once for each."""
        try:
            return _checked(**given)
        except TypeError:  # something can't be hashed
            return _checked.__wrapped__(**given)


@functools.lru_cache(maxsize=256, typed=True)
def _checked(
    *,
    sign: float,
    maxiter: Any,
    gtol: Any,
    ftol: Any,
    patience: Any,
    target: Any,
    time_limit: Any,
    trace: Any,
    progress: Any,
) -> Settings:
    """Return the settings, or raise InputError for the first that can't be used."""
    goal = -math.inf if target is None else sign * _number("target", target, -math.inf)
    if _number("ftol", ftol) > 0.0 and not patience:
        raise InputError("ftol is only tested with patience: give patience=10, say")
    limit = math.inf if time_limit is None else _number("time_limit", time_limit)
    return Settings(
        sign=sign,
        maxiter=Criteria().maxiter if maxiter is None else count("maxiter", maxiter),
        gtol=TIGHT if gtol is None else _number("gtol", gtol),
        relative=gtol is None,
        ftol=_finite("ftol", ftol),
        patience=count("patience", patience),
        target=goal,
        time_limit=limit,
        every=int(trace) if isinstance(trace, bool) else count("trace", trace),
        progress=bool(progress),
    )


def _finite(name: str, value: Any) -> float:
    if math.isinf(number := _number(name, value)):
        raise InputError(f"{name} must be finite, not {value!r}")
    return number


def _number(name: str, value: Any, least: float = 0.0) -> float:
    try:
        result = float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number, not {value!r}") from None
    if math.isnan(result) or result < least:
        raise InputError(f"{name} must be a number, at least {least:g}, not {value!r}")
    return result


def generator(rng: Seed) -> Any:
    """Return the source of random numbers that an argument names."""
    import numpy as np

    if rng is None or isinstance(rng, numbers.Integral):
        if rng is not None and rng < 0:
            raise InputError(f"a seed must be 0 or more, not {rng}")
        return np.random.default_rng(0 if rng is None else int(rng))
    if isinstance(rng, (np.random.Generator, np.random.RandomState)):
        return rng
    raise InputError(
        f"rng must be an int, a numpy.random.Generator or a RandomState, not {rng!r}"
    )


def source_of(rng: Seed) -> str:
    """Say where random numbers came from."""
    if rng is None or isinstance(rng, numbers.Integral):
        return f"seed {0 if rng is None else rng}"
    return "from the given generator"


def refuse_of_scipy(keywords: Mapping[str, Any], objective: Any) -> None:
    """Raise InputError for constraints as SciPy has them, shown as relations."""
    if "constraints" in keywords:
        from symgd.objectives.of_scipy import refuse

        refuse(keywords["constraints"], objective.variables)


def refuse_of_objective(keywords: Mapping[str, Any]) -> None:
    """Raise InputError for an argument that an objective takes, not a run."""
    for name in ("parameters", "data", "sizes", "missing", "iteration"):
        if name in keywords:
            problem = f"give {name} to the objective"
            raise InputError(f"{problem}: Objective(..., {name}=)")


OTHERS = {  # arguments of other libraries
    "constraints": "they are relations here: subject_to=['x + y == 10', 'x*y <= 2']",
    "subject_to": "give constraints to the objective: Objective(..., subject_to=)",
    "args": "name constants in the formula: Objective(..., parameters={'a': 1})",
    "jac": "derivatives are symgd's own, and exact: leave it out",
    "hess": "derivatives are symgd's own, and exact: leave it out",
    "hessp": "derivatives are symgd's own, and exact: leave it out",
    "start": "a start is given as x0",
    "init": "a start is given as x0",
    "tol": "give gtol, for the gradient, or ftol with patience, for f",
    **dict.fromkeys(("seed", "random_state"), "random numbers are drawn from rng=1"),
    **dict.fromkeys(("verbose", "disp"), "print the result, or give progress=True"),
    **dict.fromkeys(
        ("epochs", "iterations", "max_iter", "n_iter", "niter"),
        "their number is limited by maxiter=100, say",
    ),
    **dict.fromkeys(
        ("maxfev", "max_nfev", "maxfun"),
        "evaluations aren't limited: give maxiter or time_limit",
    ),
    **dict.fromkeys(
        ("integers", "integrality", "integer"),
        "variables are real: minimise without, and try the whole numbers around",
    ),
    "options": "give what it holds as arguments, maxiter=100 say",
}


def no_hyperparameters(name: str, variables: Iterable[str] = ()) -> InputError:
    """Return the error for a keyword that the default method doesn't know."""
    if name in variables:
        problem = f"unknown argument {name!r}: a start is given as x0={{{name!r}: ...}}"
        return InputError(problem)
    if name in OTHERS:
        return InputError(f"unknown argument {name!r}: {OTHERS[name]}")
    if name in ("callback", "callback_every", "checkpoint"):
        return InputError(f"{name!r} is an argument of minimize, maximize and fit only")
    hint = guess(name, MEANINGS)
    problem = f"unknown argument {name!r}"
    if hint:
        return InputError(problem + hint)
    problem += ": method 'auto' has no hyperparameters"
    return InputError(f"{problem}; name a rule to give it any: method='gd', say")


def refuse_constraints(objective: Any, what: str) -> None:
    """Raise InputError for constraints, which something can't keep to."""
    if objective.constraints is not None:
        raise InputError(f"{what} can't keep to constraints: call minimize")


def needs_a_rule(iteration: str) -> InputError:
    """Return the error for an online objective without a rule."""
    problem = f"the objective changes with {iteration}, so it needs an update rule"
    return InputError(f"{problem}: method='gd', say")
