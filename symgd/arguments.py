"""The arguments of a run, checked and brought into one form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from symgd.errors import InputError, unknown_name
from symgd.objective import from_mapping

Seed: TypeAlias = int | np.random.Generator | np.random.RandomState | None


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

    @classmethod
    def checked(
        cls,
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
        goal = (
            -math.inf if target is None else sign * _number("target", target, -math.inf)
        )
        if _number("ftol", ftol) > 0.0 and not patience:
            raise InputError("ftol is only tested with patience: give patience=10, say")
        return cls(
            sign=sign,
            maxiter=_count("maxiter", maxiter),
            gtol=_number("gtol", gtol),
            ftol=_number("ftol", ftol),
            patience=_count("patience", patience),
            target=goal,
            time_limit=math.inf
            if time_limit is None
            else _number("time_limit", time_limit),
            every=int(trace) if isinstance(trace, bool) else _count("trace", trace),
            progress=bool(progress),
        )


def _count(name: str, value: Any) -> int:
    whole = isinstance(value, (int, float, np.integer, np.floating))
    if isinstance(value, bool) or not whole or not 0 <= value < 2**62 or value % 1:
        raise InputError(f"{name} must be a whole number, 0 or more, not {value!r}")
    return int(value)


def _number(name: str, value: Any, least: float = 0.0) -> float:
    try:
        result = float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number, not {value!r}") from None
    if math.isnan(result) or result < least:
        raise InputError(f"{name} must be a number, at least {least:g}, not {value!r}")
    return result


def read_bounds(bounds: Any, variables: Sequence[str]) -> np.ndarray:
    """Return lower and upper bounds, shape (2, n); infinite where there are none.

    Raises
    ------
    InputError
        For an unknown name, a wrong number of pairs, or a lower bound above an upper.
    """
    n = len(variables)
    limits = np.array([np.full(n, -np.inf), np.full(n, np.inf)])
    if bounds is None:
        return limits
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):  # scipy.optimize.Bounds
        pair = (np.broadcast_to(bounds.lb, n), np.broadcast_to(bounds.ub, n))
        bounds = list(zip(*pair, strict=True))
    if isinstance(bounds, Mapping):
        named = {str(name): pair for name, pair in bounds.items()}
    else:
        if not np.iterable(bounds) or isinstance(bounds, str):
            raise InputError(f"bounds must be a mapping or pairs, not {bounds!r}")
        pairs = list(bounds)
        if n == 1 and len(pairs) == 2 and not any(np.iterable(side) for side in pairs):
            pairs = [tuple(pairs)]
        if len(pairs) != n:
            names = ", ".join(variables)
            raise InputError(
                f"bounds has {len(pairs)} pairs; expected {n}, for {names}"
            )
        named = dict(zip(variables, pairs, strict=True))
    for name, pair in named.items():
        if name not in variables:
            raise unknown_name("variable in bounds", name, variables)
        limits[:, variables.index(name)] = _pair(name, pair)
    return limits


def _pair(name: str, pair: Any) -> tuple[float, float]:
    try:
        low, high = pair
        low = -math.inf if low is None else float(low)
        high = math.inf if high is None else float(high)
    except (TypeError, ValueError):
        problem = f"the bounds of {name} must be a pair (lower, upper), not {pair!r}"
        raise InputError(problem) from None
    if math.isnan(low) or math.isnan(high) or low == math.inf or high == -math.inf:
        raise InputError(f"the bounds of {name} are not numbers: ({low}, {high})")
    if low > high:
        raise InputError(
            f"the lower bound of {name} is above the upper: {low} > {high}"
        )
    return low, high


def read_point(x0: Any, variables: Sequence[str], limits: np.ndarray) -> np.ndarray:
    """Return a start as a vector, checked against names, length and bounds."""
    if isinstance(x0, Mapping):
        x0 = from_mapping(x0, variables, "x0")
    try:
        x = np.array(x0, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"x0 must be numbers, not {x0!r}") from None
    x = x.reshape(1) if x.ndim == 0 else x
    n = len(variables)
    if x.shape != (n,):
        names = ", ".join(variables)
        problem = f"x0 has shape {x.shape}; expected {n} number(s), for {names}"
        raise InputError(problem)
    for name, value, low, high in zip(variables, x, *limits, strict=True):
        if not math.isfinite(value):
            raise InputError(f"x0 is not finite: {name} = {value}")
        if not low <= value <= high:
            raise InputError(
                f"x0 is outside the bounds: {name} = {value} is not in [{low}, {high}]"
            )
    return x


def generator(rng: Seed) -> Any:
    """Return the source of random numbers that an argument names."""
    if rng is None or isinstance(rng, (int, np.integer)):
        if rng is not None and rng < 0:
            raise InputError(f"a seed must be 0 or more, not {rng}")
        return np.random.default_rng(0 if rng is None else int(rng))
    if isinstance(rng, (np.random.Generator, np.random.RandomState)):
        return rng
    raise InputError(
        f"rng must be an int, a numpy.random.Generator or a RandomState, not {rng!r}"
    )


def described(rng: Seed) -> str:
    """Say where random numbers came from."""
    if rng is None or isinstance(rng, (int, np.integer)):
        return f"seed {0 if rng is None else rng}"
    return "from the given generator"


def random_point(source: Any, limits: np.ndarray, scale: float) -> np.ndarray:
    """Draw uniformly between bounds; beside a single bound, or none, normally."""
    lower, upper = limits
    uniform = source.uniform(size=lower.size)
    normal = scale * source.standard_normal(lower.size)
    closed = np.isfinite(lower) & np.isfinite(upper)
    with np.errstate(invalid="ignore", over="ignore"):
        inside = lower + uniform * (upper - lower)
    x = np.where(closed, inside, normal)
    x = np.where(np.isfinite(lower) & ~closed, lower + np.abs(normal), x)
    x = np.where(np.isfinite(upper) & ~closed, upper - np.abs(normal), x)
    return np.clip(x, lower, upper)


def no_hyperparameters(name: str) -> InputError:
    """Return the error for a keyword that the default method doesn't know."""
    if name == "parameters":
        return InputError(
            "give parameters to the objective: Objective(..., parameters=)"
        )
    problem = f"unknown argument {name!r}: method 'auto' has no hyperparameters"
    return InputError(f"{problem}; name a rule if it is one of its: method='gd'")
