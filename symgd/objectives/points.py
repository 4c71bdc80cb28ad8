"""Points and bounds, read and checked; random points.

Bounds are box constraints; projection onto them is clipping, which kernels do.
"""

from __future__ import annotations

import functools
import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any

from symgd.errors import InputError, shortened
from symgd.language.identifiers import name_of
from symgd.objectives.numbers_given import as_array, as_number, named
from symgd.objectives.space import Space

MANY = 1000  # coordinates; beyond, NumPy is worth its import
BESIDE = 1e-8  # how far from a wall a run begins, of the width between bounds


class Bounds:
    """The bounds of so many coordinates; infinite where there is none."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.finite = False  # whether there is any bound

    @classmethod
    def between(cls, lower: Iterable[float], upper: Iterable[float]) -> Bounds:
        """Return the bounds that are given for each coordinate."""
        pairs = list(zip(lower, upper, strict=True))
        limits = cls(len(pairs))
        for place, (low, high) in enumerate(pairs):
            limits.enter(place, low, high)
        return limits

    @functools.cached_property
    def lower(self) -> array[float]:
        """The lower bounds; made when they are needed, as there may be millions."""
        return array("d", [-math.inf]) * self.count

    @functools.cached_property
    def upper(self) -> array[float]:
        """The upper bounds."""
        return array("d", [math.inf]) * self.count

    def same_as(self, other: Bounds) -> bool:
        """Return whether these are the same bounds."""
        if not (self.finite or other.finite):
            return self.count == other.count
        return (self.lower, self.upper) == (other.lower, other.upper)

    def copied(self) -> Bounds:
        """Return the same bounds, which may be changed."""
        return Bounds.between(self.lower, self.upper)

    def enter(self, place: int, low: float, high: float) -> None:
        """Set the bounds of one coordinate."""
        self.lower[place], self.upper[place] = low, high
        self.finite = self.finite or math.isfinite(low) or math.isfinite(high)


def beside_a_wall(
    x: Sequence[float], gradient: Sequence[float], limits: Bounds
) -> array[float]:
    """Return a point, moved a little where f is infinitely steep, as x*log(x) at 0.

    There no step has a length. It is moved to where f falls, but not out of bounds;
    upwards where the slope is unknown, as of sqrt(x)*log(x) at 0.
    """
    moved = array("d", x)
    for place, slope in enumerate(gradient):
        if not math.isfinite(slope):
            low, high = limits.lower[place], limits.upper[place]
            width = min(1.0, high - low)
            step = math.copysign(BESIDE * max(width, abs(x[place])), -slope)
            if not low <= x[place] + step <= high:
                step = -step
            moved[place] = min(max(x[place] + step, low), high)
    return moved


def read_bounds(bounds: Any, space: Space) -> Bounds:
    """Return lower and upper bounds, infinite where there are none.

    Raises
    ------
    InputError
        For an unknown name, a wrong number of pairs, or a lower bound above an upper.
    """
    n = len(space)
    if bounds is None:
        return _none(n) if n <= MANY else Bounds(n)
    limits = Bounds(n)
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):  # scipy.optimize.Bounds
        import numpy as np

        pair = (np.broadcast_to(bounds.lb, n), np.broadcast_to(bounds.ub, n))
        bounds = list(zip(*pair, strict=True))
    bounds = named(bounds)
    if isinstance(bounds, Mapping):
        # What is given of an element is meant, whatever all of its array have.
        whole_first = sorted(
            bounds.items(), key=lambda each: each[0] not in space.names
        )
        for name, pair in whole_first:
            places = space.places(name_of(name), "variable in bounds")
            _enter_pairs(limits, places, name_of(name), pair)
        return limits
    if not _iterable(bounds) or isinstance(bounds, (str, bytes, Set)):
        raise InputError(f"bounds must be a mapping or pairs, not {bounds!r}")
    pairs = bounds if isinstance(bounds, tuple) else list(bounds)
    if len(pairs) == 2 and (sides := _sides(pairs, n)) is not None:
        pairs = sides
    if len(pairs) != n:
        names = f"expected {n}, for {space.described()}"
        raise InputError(f"bounds has {len(pairs)} pairs; {names}")
    for place, pair in enumerate(pairs):
        limits.enter(place, *_pair(space[place], pair))
    return limits


@functools.lru_cache(maxsize=64)
def _none(n: int) -> Bounds:
    """Return no bounds, which nothing is entered into."""
    return Bounds(n)


def _sides(given: Sequence[Any], n: int) -> list[Any] | None:
    """Return the pairs of two sides, ``([lows], [highs])`` or ``(low, high)``.

    None where what is given are pairs. Two lists of two numbers may be either.
    """
    several = [_iterable(side) and not isinstance(side, str) for side in given]
    if n == 2 and all(several):
        return _sides_of_two(given)
    if isinstance(given, list) and n > 1 and not all(several):
        return None
    lists = zip(given, several, strict=True)
    sides = [list(side) if many else [side] * n for side, many in lists]
    fits = all(len(side) == n for side in sides)
    return list(zip(*sides, strict=True)) if fits else None


def _sides_of_two(given: Sequence[Any]) -> list[Any] | None:
    """Return the pairs of the sides of two variables; None where these are pairs."""
    pairs = [list(pair) for pair in given]
    lists = all(isinstance(pair, list) or hasattr(pair, "shape") for pair in given)
    if not lists or any(len(pair) != 2 for pair in pairs):
        return None
    sides = [list(pair) for pair in zip(*pairs, strict=True)]
    if not _is_plausible(sides) or (_is_plausible(pairs) and isinstance(given, list)):
        return None
    if isinstance(given, tuple) and not _is_plausible(pairs):
        return sides
    (a, b), (c, d) = pairs
    raise InputError(
        f"bounds={given!r} may be two pairs or two sides: write one pair for each "
        f"variable, [({a}, {b}), ({c}, {d})] or [({a}, {c}), ({b}, {d})]"
    )


def _is_plausible(pairs: Sequence[Any]) -> bool:
    """Return whether each pair has a lower and a higher end."""
    try:
        return all(
            (-math.inf if low is None else float(low))
            < (math.inf if high is None else float(high))
            for low, high in pairs
        )
    except (TypeError, ValueError):
        return False


def _enter_pairs(limits: Bounds, places: range, name: str, pair: Any) -> None:
    """Enter the bounds of a variable: numbers, or on a side an array."""
    sides = list(pair) if _iterable(pair) and not isinstance(pair, str) else []
    if len(sides) != 2 or not any(map(_iterable, sides)):
        low, high = _pair(name, pair)
        for place in places:
            limits.enter(place, low, high)
        return
    import numpy as np

    each = []
    for side, none in zip(sides, (-math.inf, math.inf), strict=True):
        values = as_array(none if side is None else side, f"the bounds of {name}")
        values = values.ravel()
        if values.size not in (1, len(places)):
            problem = f"the bounds of {name} have {values.size} numbers"
            raise InputError(f"{problem}; expected {len(places)}, or one")
        each.append(np.broadcast_to(values, len(places)).tolist())
    for place, low, high in zip(places, *each, strict=True):
        limits.enter(place, *_pair(name, (low, high)))


def _iterable(value: Any) -> bool:
    try:
        iter(value)
    except TypeError:
        return False
    return True


def _pair(name: str, pair: Any) -> tuple[float, float]:
    try:
        if isinstance(pair, Set):
            raise TypeError("it has no order")
        low, high = pair
        what = f"the bounds of {name}"
        low = -math.inf if low is None else as_number(low, what)
        high = math.inf if high is None else as_number(high, what)
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


def read_point(x0: Any, space: Space, limits: Bounds) -> array[float]:
    """Return a start as a vector, checked against names, length and bounds."""
    x0 = named(x0)
    if isinstance(x0, (list, tuple)):
        point = _from_sequence(x0, space)
    elif isinstance(x0, Mapping):
        point = space.flat(x0, "x0")
    elif hasattr(x0, "shape"):
        point = _from_array(x0, space)
    elif not _iterable(x0) or isinstance(x0, (str, bytes, Set)):
        point = array("d", [as_number(x0, "x0")])
    else:
        point = _from_sequence(list(x0), space)
    if len(point) != len(space):
        raise _wrong_shape((len(point),), space)
    _check_inside(point, space, limits)
    return point


def one_row(x0: Any, ranks: Callable[[], Mapping[str, int]]) -> Any:
    """Return a start that is a matrix of one row as that row.

    Where a variable is a matrix, it is left as it is.

    >>> one_row([[1, 2]], lambda: {"x": 0, "y": 0})
    [1, 2]
    """
    if isinstance(x0, (list, tuple)):
        inner = x0[0] if len(x0) == 1 else None
        if not (isinstance(inner, (list, tuple)) or hasattr(inner, "shape")):
            return x0
    elif not hasattr(x0, "reshape") or len(x0.shape) != 2 or x0.shape[0] != 1:
        return x0
    return x0 if max(ranks().values(), default=0) > 1 else x0[0]


def moved_inside(point: array[float], limits: Bounds) -> array[float]:
    """Return the nearest point that is inside the bounds."""
    if len(point) > MANY:
        import numpy as np

        sides = map(np.frombuffer, (limits.lower, limits.upper))
        return array("d", np.clip(np.frombuffer(point), *sides).tobytes())
    sides_of_each = zip(point, limits.lower, limits.upper, strict=True)
    return array("d", (min(max(x, low), high) for x, low, high in sides_of_each))


def _from_sequence(values: Sequence[Any], space: Space) -> array[float]:
    if space.is_plain and values and isinstance(values[0], (list, tuple)):
        row = shortened(str(list(values[0])), 40)
        raise InputError(f"x0 must be one point, not a list of points: write {row}")
    if space.is_plain or not any(map(_iterable, values)):
        return array("d", [as_number(value, "x0") for value in values])
    return _from_array(as_array(values, "x0"), space)


def _from_array(x0: Any, space: Space) -> array[float]:
    """Return the numbers of an array: of a point, or shaped as the only variable is."""
    import numpy as np

    values = as_array(x0, "x0")
    if values.ndim > 1 and values.shape not in (*space.shapes,):
        raise _wrong_shape(values.shape, space)
    point = array("d")
    point.frombytes(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
    return point


def _check_inside(point: array[float], space: Space, limits: Bounds) -> None:
    if len(point) > MANY:
        import numpy as np

        x = np.frombuffer(point)
        fine = np.isfinite(x)
        if limits.finite:
            low, high = map(np.frombuffer, (limits.lower, limits.upper))
            fine &= (low <= x) & (x <= high)
        wrong = np.flatnonzero(~fine)[:1].tolist()
    elif not limits.finite and all(map(math.isfinite, point)):
        return
    else:
        sides = enumerate(zip(point, limits.lower, limits.upper, strict=True))
        wrong = [
            place
            for place, (x, low, high) in sides
            if not (math.isfinite(x) and low <= x <= high)
        ][:1]
    for place in wrong:
        name, value = space[place], point[place]
        if not math.isfinite(value):
            raise InputError(f"x0 is not finite: {name} = {value}")
        low, high = limits.lower[place], limits.upper[place]
        raise InputError(
            f"x0 is outside the bounds: {name} = {value} is not in [{low}, {high}]"
        )


def _wrong_shape(shape: tuple[int, ...], space: Space) -> InputError:
    return InputError(f"x0 has shape {shape}; expected {space.expected()}")


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
        width = upper - lower
        inside = lower + uniform * width
        between = (1.0 - uniform) * lower + uniform * upper
        inside = np.where(np.isfinite(width), inside, between)
    x = np.where(closed, inside, normal)
    x = np.where(np.isfinite(lower) & ~closed, lower + np.abs(normal), x)
    x = np.where(np.isfinite(upper) & ~closed, upper - np.abs(normal), x)
    return np.clip(x, lower, upper)
