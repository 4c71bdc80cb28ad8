"""The arguments of a run, checked and brought into one form."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from symgd.errors import InputError, guess, unknown_name

if TYPE_CHECKING:
    import numpy as np

    from symgd.objective import Objective

Seed: TypeAlias = Union[int, "np.random.Generator", "np.random.RandomState", None]


@dataclass(frozen=True)
class Bounds:
    """The lower and the upper bound of each variable; infinite where there is none."""

    lower: list[float]
    upper: list[float]

    @property
    def finite(self) -> bool:
        """Whether there is any bound."""
        return any(map(math.isfinite, (*self.lower, *self.upper)))


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

    def of(self, objective: Objective) -> Settings:
        """Return the settings as they apply to an objective.

        Where it changes with the iteration, a gradient of 0 doesn't mean that the run
        has converged, and is not tested: gtol is -1. Values are of other functions.

        Raises
        ------
        InputError
            If values are to be compared there.
        """
        if objective.iteration is None:
            return self
        for name, unset in (("patience", 0), ("target", -math.inf)):
            if getattr(self, name) != unset:
                problem = f"the objective changes with {objective.iteration}, so {name}"
                raise InputError(f"{problem} can't be tested: its values don't compare")
        return dataclasses.replace(self, gtol=-1.0)

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
            maxiter=count("maxiter", maxiter),
            gtol=_number("gtol", gtol),
            ftol=_finite("ftol", ftol),
            patience=count("patience", patience),
            target=goal,
            time_limit=math.inf
            if time_limit is None
            else _number("time_limit", time_limit),
            every=int(trace) if isinstance(trace, bool) else count("trace", trace),
            progress=bool(progress),
        )


def count(name: str, value: Any) -> int:
    """Return a whole number, 0 or more, or raise InputError."""
    whole = isinstance(value, numbers.Real)
    if isinstance(value, bool) or not whole or not 0 <= value < 2**62 or value % 1:
        raise InputError(f"{name} must be a whole number, 0 or more, not {value!r}")
    return int(value)


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


def read_bounds(bounds: Any, variables: Sequence[str]) -> Bounds:
    """Return lower and upper bounds, infinite where there are none.

    Raises
    ------
    InputError
        For an unknown name, a wrong number of pairs, or a lower bound above an upper.
    """
    n = len(variables)
    limits = Bounds([-math.inf] * n, [math.inf] * n)
    if bounds is None:
        return limits
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):  # scipy.optimize.Bounds
        import numpy as np

        pair = (np.broadcast_to(bounds.lb, n), np.broadcast_to(bounds.ub, n))
        bounds = list(zip(*pair, strict=True))
    if isinstance(bounds, Mapping):
        named = {str(name): pair for name, pair in bounds.items()}
    else:
        if not _iterable(bounds) or isinstance(bounds, str):
            raise InputError(f"bounds must be a mapping or pairs, not {bounds!r}")
        pairs = list(bounds)
        if n == 1 and len(pairs) == 2 and not any(map(_iterable, pairs)):
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
        place = variables.index(name)
        limits.lower[place], limits.upper[place] = _pair(name, pair)
    return limits


def _iterable(value: Any) -> bool:
    try:
        iter(value)
    except TypeError:
        return False
    return True


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


def read_point(x0: Any, variables: Sequence[str], limits: Bounds) -> list[float]:
    """Return a start as a vector, checked against names, length and bounds."""
    if isinstance(x0, Mapping):
        x0 = from_mapping(x0, variables, "x0")
    n = len(variables)
    if not isinstance(x0, numbers.Real) and getattr(x0, "ndim", 1) != 1:
        if x0.ndim > 0:
            raise _wrong_shape(x0.shape, variables)
        x0 = x0.item()
    try:
        x = [float(x0)] if not _iterable(x0) or isinstance(x0, str) else list(x0)
        x = [float(value) for value in x]
    except (TypeError, ValueError):
        raise InputError(f"x0 must be numbers, not {x0!r}") from None
    if len(x) != n:
        raise _wrong_shape((len(x),), variables)
    for name, value, low, high in zip(
        variables, x, limits.lower, limits.upper, strict=True
    ):
        if not math.isfinite(value):
            raise InputError(f"x0 is not finite: {name} = {value}")
        if not low <= value <= high:
            raise InputError(
                f"x0 is outside the bounds: {name} = {value} is not in [{low}, {high}]"
            )
    return x


def _wrong_shape(shape: tuple[int, ...], variables: Sequence[str]) -> InputError:
    names = ", ".join(variables)
    expected = f"{len(variables)} number(s), for {names}"
    return InputError(f"x0 has shape {shape}; expected {expected}")


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


def described(rng: Seed) -> str:
    """Say where random numbers came from."""
    if rng is None or isinstance(rng, numbers.Integral):
        return f"seed {0 if rng is None else rng}"
    return "from the given generator"


def random_points(source: Any, limits: Bounds, scale: float, count: int) -> Any:
    """Draw uniformly between bounds; beside a single bound, or none, normally.

    Returns
    -------
    ndarray, shape (count, n)
    """
    import numpy as np

    lower, upper = np.array(limits.lower), np.array(limits.upper)
    uniform = source.uniform(size=(count, lower.size))
    normal = scale * source.standard_normal((count, lower.size))
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
    if name in ("callback", "callback_every", "checkpoint"):
        return InputError(f"{name!r} is an argument of minimize and maximize only")
    hint = guess(name, ("maxiter", "gtol", "ftol", "patience", "target", "time_limit"))
    problem = f"unknown argument {name!r}{hint}: method 'auto' has no hyperparameters"
    return InputError(f"{problem}; name a rule to give it any: method='gd', say")


def needs_a_rule(iteration: str) -> InputError:
    """Return the error for an online objective without a rule."""
    problem = f"the objective changes with {iteration}, so it needs an update rule"
    return InputError(f"{problem}: method='gd', say")


def from_mapping(
    numbers: Mapping[Any, Any], names: Sequence[str], what: str
) -> list[Any]:
    """Return the values of a mapping in the order of names, all of them given."""
    by_name = {str(key): value for key, value in numbers.items()}
    for name in by_name:
        if name not in names:
            raise unknown_name(f"variable in {what}", name, names)
    missing = [name for name in names if name not in by_name]
    if missing:
        raise InputError(f"{what} has no value for {', '.join(missing)}")
    return [by_name[name] for name in names]


def plain_number(value: Any) -> float | None:
    """Return a finite number as a float; None if it isn't one, or is a formula."""
    if not isinstance(value, (numbers.Real, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def constant(value: Any, what: str) -> float:
    """Return the value of a number, or of a formula without variables.

    Raises
    ------
    FormulaError
        If it can't be read, or isn't finite; ``what`` says which it is.
    """
    number = plain_number(value)
    if number is not None:
        return number
    from symgd import formula

    return formula.constant(value, what)


def split(text: str) -> list[str]:
    """Split at the commas that are not inside parentheses.

    >>> split("a=1, b=max(2, 3)")
    ['a=1', ' b=max(2, 3)']
    """
    parts, depth = [""], 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts
