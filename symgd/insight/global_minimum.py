"""The global minimum within bounds, with a proof: ``symgd.minimize_global``."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from symgd.errors import InputError
from symgd.insight import convexity
from symgd.insight.bounded_formula import BoundedFormula, problem_of, seconds_of
from symgd.insight.boxes import Box, touching_joined
from symgd.insight.extremes import Enclosure
from symgd.insight.global_search import Found, GlobalSearch, Tell, within_ball
from symgd.insight.second_derivatives import Derivatives, range_of
from symgd.insight.tape import NotEnclosed
from symgd.kernels.shared import shared
from symgd.language.digits import digits, value_of
from symgd.language.drawing import card
from symgd.language.nodes import symbol
from symgd.language.plain import plain_number
from symgd.language.printing import text_of
from symgd.language.text import number
from symgd.native.threads import threads_of

if TYPE_CHECKING:
    from symgd.language.formula import Formula
    from symgd.objectives.objective import Objective

DIGITS = 40  # of a constant that has no other enclosure
MOST_VARIABLES = 12  # of one block
MOST_MINIMISERS = 1000


@dataclass(frozen=True)
class Minimiser:
    """A box in which a global minimiser may be; outside of all of them there is none.

    Attributes
    ----------
    bounds : dict of str to tuple of float
    unique : bool
        Whether there is one at most in it: the Hessian is definite there.
    """

    bounds: dict[str, tuple[float, float]]
    unique: bool

    @property
    def middle(self) -> dict[str, float]:
        """The middle of the box."""
        return {name: 0.5 * a + 0.5 * b for name, (a, b) in self.bounds.items()}

    def __str__(self) -> str:
        parts = []
        for name, (a, b) in self.bounds.items():
            middle, radius = 0.5 * a + 0.5 * b, 0.5 * (b - a)
            about = f" +- {radius:.1e}" if radius > 0 else ""
            parts.append(f"{name} = {number(middle)}{about}")
        return ", ".join(parts) + (" (unique)" if self.unique else "")


@dataclass(frozen=True)
class GlobalMinimum:
    """The global minimum within bounds, between two ends.

    Attributes
    ----------
    fun_bounds : Enclosure
        Of the least value: this is proven, also if the time was up.
    proven : bool
        Whether the gap that was asked for is closed.
    status : str
        "PROVEN", "TIME_LIMIT", "INTERRUPTED", or "OPEN" where more time would not help:
        f may fall without bound, or boxes can't be divided further.
    values : dict of str to float
        The best point that was found; its value is at most ``fun_bounds.upper``.
    minimisers : list of Minimiser
        Boxes outside of which there is no minimiser.
    boxes : int
        How many were looked at.
    seconds : float
    timed_out : bool
        Whether the search ended for want of time, or of memory.
    """

    fun_bounds: Enclosure
    proven: bool
    values: dict[str, float]
    minimisers: list[Minimiser]
    boxes: int
    seconds: float
    objective: Objective
    timed_out: bool = False
    interrupted: bool = False

    @property
    def status(self) -> str:
        """See the class."""
        if self.proven:
            return "PROVEN"
        if self.interrupted:
            return "INTERRUPTED"
        return "TIME_LIMIT" if self.timed_out else "OPEN"

    @property
    def fun(self) -> float:
        """A value that is reached: the upper end."""
        return self.fun_bounds.upper

    @property
    def gap(self) -> float:
        """How much is left open of the least value."""
        return self.fun_bounds.width

    @property
    def x(self) -> np.ndarray:
        """The best point as an array, in the order of the coordinates."""
        return np.array([self.values[name] for name in self.objective.space])

    def _why(self) -> str:
        """Say why the search ended."""
        if self.proven:
            return "proven"
        if self.status == "INTERRUPTED":
            return "interrupted, open is the rest"
        if self.status == "TIME_LIMIT":
            return "time is up, open is the rest"
        if self.fun_bounds.lower == -math.inf:
            return "no lower end: f may fall without bound, as at a pole in the boxes"
        return "the boxes can't be divided further, open is the rest"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain numbers and texts."""
        return {
            "status": self.status,
            "fun_bounds": list(self.fun_bounds),
            "values": self.values,
            "minimisers": [
                {"bounds": m.bounds, "unique": m.unique} for m in self.minimisers
            ],
            "boxes": self.boxes,
            "seconds": self.seconds,
        }

    def _repr_html_(self) -> str:
        return card("proof", self)

    def __str__(self) -> str:
        low, high = self.fun_bounds
        lines = [f"{number(low)} <= minimum <= {number(high)} ({self._why()})"]
        point = ", ".join(f"{k} = {number(v)}" for k, v in self.values.items())
        reached = f"reached at {point}" if high < math.inf else f"no value at {point}"
        lines.append(reached)
        count = len(self.minimisers)
        lines.append(f"minimisers: in {count} box{'es' * (count != 1)}")
        lines += [f"    {each}" for each in self.minimisers[:10]]
        lines += ["    ..."] * (count > 10)
        return "\n".join(lines)


def minimize_global(
    f: Formula | Objective,
    bounds: Any = None,
    *,
    gap: float = 1e-6,
    time_limit: float = 10.0,
    progress: bool = False,
    workers: int | None = None,
) -> GlobalMinimum:
    """Find the global minimum within bounds, and prove that there is no lower value.

    Branch and bound with interval arithmetic: what is dropped is proven not to hold a
    minimum. Terms that share no variable are searched apart.

    Parameters
    ----------
    f : str, SymPy expression or Objective
        Of scalars.
    bounds : mapping of name to pair, or sequence of pairs
        Of all variables.
    gap : float
        PROVEN when the enclosure of the minimum is no wider, beside 1 or its size.
    time_limit : float
        In seconds; TIME_LIMIT after it, with what is proven by then. Ctrl-C also ends
        the search, with what is proven by then: INTERRUPTED.
    progress : bool
        Whether to show a progress bar: the time, the enclosure, the number of boxes.
    workers : int, optional
        The number of threads; by default all cores. What is found does not depend on
        it, unless the time is up.

    Returns
    -------
    GlobalMinimum

    Raises
    ------
    InputError
        If a variable has no bounds, there are too many variables that terms join, or
        nothing is proven about a function in the formula.

    Examples
    --------
    >>> import symgd
    >>> r = symgd.minimize_global("(x**2 + y - 11)**2 + (x + y**2 - 7)**2",
    ...                           {"x": (-5, 5), "y": (-5, 5)})
    >>> r.status, len(r.minimisers), r.fun_bounds.upper < 1e-9
    ('PROVEN', 4, True)
    >>> round(symgd.minimize_global("x**4 - x**2", [(-2, 2)]).fun_bounds.upper, 9)
    -0.25
    """
    seconds = seconds_of(time_limit)
    width = plain_number(gap)
    if width is None or not 0 < width < math.inf:
        raise InputError(f"gap must be a positive number, not {gap!r}")
    threads = threads_of(workers)
    problem = problem_of(f, bounds)
    _check(problem)
    shared("intervals")
    begin = time.monotonic()
    parts = convexity.parts_of_sum(problem.expression, problem.symbols, problem.box)
    try:
        with search_bar(seconds) if progress else nullcontext() as tell:
            wide = width / max(1, len(parts))
            found = _searched(parts, wide, begin + seconds, threads, tell)
    except NotEnclosed as error:
        raise InputError(f"{error}: no minimum of it can be certified") from None
    return _joined(problem, parts, found, width, begin)


@contextmanager
def search_bar(seconds: float) -> Iterator[Tell]:
    """Show a bar of a search; yield the function that moves it."""
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

    from symgd.language.bars import bar_of

    begun = time.monotonic()
    columns = (
        TextColumn("{task.fields[boxes]:,} boxes"),
        BarColumn(),
        TextColumn("{task.fields[low]} <= minimum <= {task.fields[high]}"),
        TimeElapsedColumn(),
    )
    with bar_of(columns, seconds, boxes=0, low="?", high="?") as show:

        def tell(low: float, high: float, boxes: int) -> None:
            part = min(time.monotonic() - begun, seconds)
            show(part, boxes=boxes, low=number(low), high=number(high))

        yield tell


def _check(problem: BoundedFormula) -> None:
    sides = zip(
        problem.names, problem.box.lower[:, 0], problem.box.upper[:, 0], strict=True
    )
    for name, low, high in sides:
        if not math.isfinite(high - low):
            problem_ = f"a global search needs bounds of all variables: {name} has"
            raise InputError(f"{problem_} ({low}, {high})")


def _searched(
    parts: list[tuple[Derivatives, Box]],
    gap: float,
    deadline: float,
    threads: int,
    tell: Tell | None,
) -> list[tuple[GlobalSearch, Found]]:
    """Search each part; those that differ in names only once."""
    known: dict[Any, tuple[GlobalSearch, Found]] = {}
    found = []
    for k, (derived, box) in enumerate(parts):
        if derived.n > MOST_VARIABLES:
            names = ", ".join(s.name for s in derived.symbols[:4])
            problem = f"{derived.n} variables that terms join ({names}, ...)"
            raise InputError(f"{problem} are too many: {MOST_VARIABLES} at most")
        renamed = {s: symbol(f"_{i}") for i, s in enumerate(derived.symbols)}
        form = derived.expression.xreplace(renamed)
        key = (form, box.lower.tobytes(), box.upper.tobytes())
        if key not in known:
            search = GlobalSearch(derived, box, gap, threads)
            left = max(0.01, deadline - time.monotonic()) / (len(parts) - k)
            known[key] = (search, search.run(time.monotonic() + left, tell))
            deadline = -math.inf if search.interrupted else deadline
        found.append(known[key])
    return found


def _joined(
    problem: BoundedFormula,
    parts: list[tuple[Derivatives, Box]],
    found: list[tuple[GlobalSearch, Found]],
    gap: float,
    begin: float,
) -> GlobalMinimum:
    """Add what is found of the parts."""
    rest = _constant(problem.expression)
    low = math.fsum([rest.lower, *(f.lower for _, f in found)])
    high = math.fsum([rest.upper, *(f.upper for _, f in found)])
    if len(found) > 1 or rest != (0.0, 0.0):  # the sum itself was rounded
        low, high = math.nextafter(low, -math.inf), math.nextafter(high, math.inf)
    values = dict(problem.fixed)
    for (derived, box), (_, part) in zip(parts, found, strict=True):
        x = 0.5 * box.lower[:, 0] + 0.5 * box.upper[:, 0] if part.x is None else part.x
        values |= dict(zip((s.name for s in derived.symbols), x.tolist(), strict=True))
    for name, pair in zip(problem.names, problem.box.lower[:, 0], strict=True):
        values.setdefault(name, float(pair))
    if low == math.inf:
        raise InputError("f is defined nowhere within the bounds")
    closed = high - low <= gap * max(1.0, min(abs(low), abs(high)))
    proven = closed and math.isfinite(high)  # it has a value there
    return GlobalMinimum(
        fun_bounds=Enclosure(low, high),
        proven=bool(proven),
        values={name: values[name] for name in problem.objective.space},
        minimisers=_minimisers(parts, found),
        boxes=sum(f.boxes for _, f in {id(f): (s, f) for s, f in found}.values()),
        seconds=time.monotonic() - begin,
        objective=problem.objective,
        timed_out=any(part.timed_out for _, part in found),
        interrupted=any(search.interrupted for search, _ in found),
    )


def _constant(expression: sp.Expr) -> Enclosure:
    """Enclose the terms without a variable."""
    terms = [t for t in sp.Add.make_args(expression) if not t.free_symbols]
    low, high, _ = range_of(sp.Add(*terms), [symbol("_")], Box([0.0], [0.0]))
    if math.isfinite(low) and math.isfinite(high):
        return Enclosure(low, high)
    with digits(DIGITS):
        value = float(value_of(sp.Add(*terms), {}))
    if not math.isfinite(value):
        problem = f"the constant {text_of(sp.Add(*terms))} can't be enclosed"
        raise InputError(f"{problem}: give its value as a number")
    low, high = (math.nextafter(value, end) for end in (-math.inf, math.inf))
    return Enclosure(low, high)


def _minimisers(
    parts: list[tuple[Derivatives, Box]], found: list[tuple[GlobalSearch, Found]]
) -> list[Minimiser]:
    """Return the boxes of all parts in all combinations, unless they are too many."""
    each = []
    for (derived, _), (search, part) in zip(parts, found, strict=True):
        names = [s.name for s in derived.symbols]
        each.append([(_named(names, a, b), u) for a, b, u in _regions(search, part)])
    if math.prod(map(len, each)) > MOST_MINIMISERS:
        each = [[_hull_of(boxes)] for boxes in each]
    made = []
    for combination in itertools.product(*each):
        bounds: dict[str, tuple[float, float]] = {}
        for box, _ in combination:
            bounds |= box
        made.append(Minimiser(bounds, all(unique for _, unique in combination)))
    return made


def _named(
    names: list[str], low: np.ndarray, high: np.ndarray
) -> dict[str, tuple[float, float]]:
    pairs = zip(low.tolist(), high.tolist(), strict=True)
    return dict(zip(names, pairs, strict=True))


def _hull_of(boxes: list[tuple[dict[str, Any], bool]]) -> tuple[dict[str, Any], bool]:
    names = boxes[0][0]
    sides = {
        name: (min(b[name][0] for b, _ in boxes), max(b[name][1] for b, _ in boxes))
        for name in names
    }
    return sides, len(boxes) == 1 and boxes[0][1]


def _regions(
    search: GlobalSearch, part: Found
) -> list[tuple[np.ndarray, np.ndarray, bool]]:
    """Join boxes that touch, and tell where there is one minimiser at most."""
    if part.low.shape[1] > MOST_MINIMISERS:
        low, high = part.low.min(1, keepdims=True), part.high.max(1, keepdims=True)
        return [(low[:, 0], high[:, 0], False)]
    low, high, _ = within_ball(search, part.low.copy(), part.high.copy())
    low, high = touching_joined(low, high)
    low, high, unique = within_ball(search, low, high)
    return [(low[:, q], high[:, q], bool(unique[q])) for q in range(low.shape[1])]
