"""What an end is: examined by the exact Hessian, and by values nearby.

The driver of ``kernels.examination``. Elsewhere: second-order optimality conditions.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from symgd.descent.felt import lower_nearby
from symgd.descent.settings import TIGHT
from symgd.errors import FormulaError
from symgd.kernels.shared import shared
from symgd.native import records as layout
from symgd.native.machine import address

if TYPE_CHECKING:
    import numpy as np

    from symgd.descent.many_digits import ManyDigits

# It stands above: what is asked of one is its point, gradient, bounds and start.
Run: TypeAlias = Any

# How much of x Newton's step may still change, at the end of the default method, where
# f no longer falls measurably, and at the end of a rule, which has its own pace.
CLOSE, AT_ROUNDING, ROUGHLY = 1e-7, 1e-5, 1e-6
PRODUCTS = 30  # of the Hessian with a direction
SMALL = 1e-6  # of the gradient at the start, where no curvature is known
PARTS = 1.0, 0.1, 1e-3  # of a size: where a plateau is level
CLOSE_BY, MIXTURES = (1e-2, 1e-4), 8  # likewise, in so many mixtures of all coordinates
UNSEEN = 1e-16  # of f at the start: what is higher by less isn't higher
BESIDE, TURNS = 1e-9, 1e-3  # parts of x, and of the gradient there
NEARER, STEEP = 0.1, 0.2  # where a steep valley's slopes change by a tenth


class Ending(NamedTuple):
    """What an end is.

    Attributes
    ----------
    verdict : int
        EXACT, INEXACT, LOWER, FLAT, SADDLE or UNKNOWN, see ``kernels.examination``.
    promised, moved : float
        What Newton's step would lower f by, and the largest part of x that it would
        change.
    fun, x, gradient : float, array, array
        The lower point that was found, if any.
    evaluations : int
    weak : bool
        Whether f hardly rises along some direction, as far as the run has come, and
        Newton's step, if there is any, leads on.
    least : bool
        Whether f is as low there as its squares allow.
    at_most : float
        What Newton's step would lower f by at most, where only that is known.
    """

    verdict: int
    promised: float = math.nan
    moved: float = math.nan
    fun: float = math.inf
    x: array[float] = array("d")
    gradient: array[float] = array("d")
    evaluations: int = 0
    weak: bool = False
    least: bool = False
    at_most: float = math.nan


def examined(run: Run, close: float) -> Ending:
    """Say what the point is where a run has come to.

    Parameters
    ----------
    run : Run
    close : float
        How much of x Newton's step may change where an end is exact.
    """
    end = _by_curvature(run, close)
    weak = end.verdict == layout.EXACT and end.weak and may_go_on(run)
    if weak or end.verdict == layout.FLAT:
        end = unless_least(run, end)
    if end.verdict == layout.FLAT and not weak and _is_at_minimum(run):
        end = end._replace(verdict=layout.EXACT)
    if weak and end.verdict == layout.EXACT and not end.least and is_left_for_ever(run):
        end = end._replace(verdict=layout.FLAT)
    if end.verdict == layout.LOWER or not run.objective.has_jumps:
        return end
    from symgd.descent.jumps import lower_beside

    kernel = run.objective.kernel("evaluation")
    point = run.x, run.fun, run.gradient[:]
    sides = run.bounds.lower, run.bounds.upper
    sizes = sizes_of(run.x, run.origin or run.x)
    found = lower_beside(kernel, run.parameters, point, sides, sizes)
    count = end.evaluations + found.evaluations
    if math.isinf(found.fun):
        return end._replace(evaluations=count)
    at = found.fun, found.x, found.gradient
    return Ending(layout.LOWER, end.promised, end.moved, *at, count)


def may_go_on(run: Run) -> bool:
    """Return whether digits can tell whether Newton's method goes on for ever."""
    from symgd.descent.newton_in_digits import VARIABLES

    formula = run.objective
    return run.n <= VARIABLES and formula.arrays is None and formula.is_smooth


def is_left_for_ever(run: Run) -> bool:
    """Return whether Newton's method, in many digits, goes on from an end for ever."""
    from symgd.descent.newton_in_digits import never_arrives

    if not may_go_on(run):
        return False
    return never_arrives(_in_digits(run), (run.bounds.lower, run.bounds.upper))


def _is_at_minimum(run: Run) -> bool:
    """Return whether Newton's method, in many digits, has a minimum close by."""
    from symgd.descent.newton_in_digits import is_at_minimum

    return may_go_on(run) and is_at_minimum(_in_digits(run))


def unless_least(run: Run, end: Ending) -> Ending:
    """Return an end that may be none, as EXACT where f is as low as its squares allow.

    LOWER if that is elsewhere.
    """
    from symgd.descent.squares import zero_of_squares

    if run.objective.arrays is not None:
        return end
    sides = run.bounds.lower, run.bounds.upper
    there = zero_of_squares(_in_digits(run), sides)
    if there is None:
        return end
    slopes, kernel = array("d", bytes(8 * run.n)), run.objective.kernel("evaluation")
    f = float(kernel(*map(address, (there, run.parameters, slopes))))
    if not all(map(math.isfinite, (f, *slopes))):
        return end
    sizes = sizes_of(run.x, run.origin or run.x)
    pairs = zip(run.x, there, sizes, strict=True)
    far = any(abs(a - b) > BESIDE * size for a, b, size in pairs)
    if f < run.fun or (f == run.fun and far):
        lower = layout.LOWER
        return end._replace(verdict=lower, fun=f, x=there, gradient=slopes)
    return end._replace(verdict=layout.EXACT, least=True)


def _in_digits(run: Run) -> ManyDigits:
    from symgd.descent.many_digits import ManyDigits

    sizes = sizes_of(run.x, run.origin or run.x)
    return ManyDigits(run.objective, run.x, sizes, abs(run.fun))


def promised_by_products(run: Run) -> float:
    """Return what Newton's step would lower f by, of some Krylov space; NaN if unknown.

    The conjugate gradient method (M. R. Hestenes and E. Stiefel 1952), in units of x.
    """
    import numpy as np

    if not run.objective.is_smooth:
        return math.nan
    x, units = np.array(run.x), np.array(sizes_of(run.x, run.origin or run.x))
    sides = (x == np.array(run.lower)) | (x == np.array(run.upper))
    left = np.where(sides, 0.0, np.array(run.gradient)) * units
    way, promised = left, 0.0
    with np.errstate(all="ignore"):
        for _ in range(PRODUCTS):
            try:
                bent = run.objective.hessp(x, units * way)
            except FormulaError:  # a coefficient of it is beyond float64
                return math.nan
            bent = np.where(sides, 0.0, bent) * units
            curvature, size = way @ bent, left @ left
            if not (0.0 < curvature < math.inf and size < math.inf):
                return promised if promised > size == 0.0 else math.nan
            promised += 0.5 * size * size / curvature
            left = left - size / curvature * bent
            way = left + (left @ left) / size * way
    return promised


def sizes_of(x: array[float], start: array[float]) -> array[float]:
    """Return how large coordinates are, or how far they have come."""
    pairs = zip(x, start, strict=True)
    sizes = [max(abs(a), abs(a - b)) for a, b in pairs]
    largest = max(sizes) or 1.0
    return array("d", [size or largest for size in sizes])


def is_level(
    value: float,
    x: array[float],
    sizes: Sequence[float],
    value_at: Callable[[array[float]], float],
) -> bool:
    """Return whether f is exactly the same all around: its slopes have left float64.

    Nothing smooth is so unless it is constant.

    Parameters
    ----------
    sizes : sequence of float
        Of the coordinates; 0 for those that don't move.
    """
    for k, size in enumerate(sizes):
        for part in PARTS if size else ():
            for step in (-part * size, part * size):
                there = array("d", x)
                there[k] += step
                if value_at(there) != value:
                    return False
    return True


def is_on_plateau(run: Run) -> bool:
    """Return whether slopes along some coordinates are 0 all around, though f has them.

    No smooth function is level along them, unless it is constant: it has left float64.
    """
    import numpy as np

    x, level = np.array(run.x), np.array(run.gradient) == 0.0
    if not (run.objective.is_smooth and level.any()):
        return False
    spoilt = _evaluated(run, np.where(level, math.nan, x))[0]
    if not math.isnan(spoilt):  # they are in no term
        return False
    sizes = np.where(x == 0.0, abs(x).max() or 1.0, abs(x))
    draw = np.random.default_rng(0)
    for part in CLOSE_BY * MIXTURES:
        mixture = part * draw.uniform(-1.0, 1.0, run.n) * sizes
        there = np.clip(x + mixture, run.bounds.lower, run.bounds.upper)
        level &= (_evaluated(run, there)[1] == 0.0) & (there != x)
        if not level.any():
            return False
    return math.isnan(_evaluated(run, np.where(level, math.nan, x))[0])


def _evaluated(run: Run, x: np.ndarray) -> tuple[float, np.ndarray]:
    """Return value and slopes at a point, which counts."""
    import numpy as np

    slopes, kernel = np.zeros(run.n), run.objective.kernel("evaluation")
    run.record.evaluations += 1
    return float(kernel(*map(address, (x, run.parameters, slopes)))), slopes


def rises_around(run: Run) -> bool:
    """Return whether f rises, near and far, along each coordinate and the way back."""
    n, units = run.n, sizes_of(run.x, run.origin)
    ways = [[float(k == j) * units[k] for j in range(n)] for k in range(n)]
    ways.append([a - b for a, b in zip(run.origin, run.x, strict=True)])
    kernel, least = run.objective.kernel("evaluation"), UNSEEN * abs(run.first)
    for way in ways:
        for far in (1.0, -1.0, 0.1, -0.1):
            there, slopes = array("d", run.x), array("d", bytes(8 * n))
            for k, step in enumerate(way):
                moved = run.x[k] + far * step
                there[k] = min(max(moved, run.lower[k]), run.upper[k])
            if there != run.x:
                f = kernel(*map(address, (there, run.parameters, slopes)))
                if not f > run.fun + least:
                    return False
    return True


def turns(
    kernel: Any,
    parameters: Any,
    x: array[float],
    sides: tuple[array[float], array[float]],
    sizes: array[float],
    least: float,
) -> bool:
    """Return whether the gradient is another close beside a point, as at a kink.

    In a steep valley it changes by less the closer that is, by as much on both sides.

    Parameters
    ----------
    kernel, parameters
        Of value and gradient.
    x, sizes : arrays
        The point, and the size of each coordinate.
    sides : pair of arrays
        The bounds.
    least : float
        What no gradient at a kink is below.
    """
    here = array("d", [0.0]) * len(x)
    kernel(*map(address, (x, parameters, here)))
    around = kernel, parameters, x, here, sides
    far = [_beside(*around, k, BESIDE * size) for k, size in enumerate(sizes)]
    steepest = max(each.steepest for each in far)
    if not steepest > least:
        return False
    for k, each in enumerate(far):
        if each.change > TURNS * steepest:
            nearer = _beside(*around, k, NEARER * BESIDE * sizes[k])
            if max(nearer.change, each.lopsided) > STEEP * each.change:
                return True
    return False


class _Beside(NamedTuple):
    """Slopes on both sides of a point: the steepest, and how they differ."""

    steepest: float
    change: float
    lopsided: float  # by how much more on one side


def _beside(
    kernel: Any,
    parameters: Any,
    x: array[float],
    here: array[float],
    sides: tuple[array[float], array[float]],
    k: int,
    step: float,
) -> _Beside:
    """Return how slopes differ beside a point, along a coordinate."""
    slopes = []
    for part in (-step, step):
        beside, slope = x[:], array("d", [0.0]) * len(x)
        beside[k] = min(max(x[k] + part, sides[0][k]), sides[1][k])
        kernel(*map(address, (beside, parameters, slope)))
        slopes.append(slope)
    both = list(zip(*slopes, strict=True))
    return _Beside(
        max(max(abs(a), abs(b)) for a, b in both),
        max(abs(b - a) for a, b in both),
        max(abs(a - 2.0 * g + b) for (a, b), g in zip(both, here, strict=True)),
    )


class Examiner:
    """What the kernel of examinations works with: for all ends of one run."""

    def __init__(self, run: Run, hessian: Any) -> None:
        n, nothing = run.n, array("d", [0.0])
        self.hessian = hessian
        self.work = nothing * (layout.END_ROWS * n)
        self.matrices = nothing * (4 * n * n)
        self.state = layout.EndState()
        self.places = layout.EndArrays(
            function=run.objective.kernel("evaluation").address,
            hessian=hessian.address,
            origin=address(run.origin),
            constants=address(run.parameters),
            lower=address(run.lower),
            upper=address(run.upper),
            work=address(self.work),
            matrices=address(self.matrices),
        )
        self.addresses = address(self.state), address(self.places)
        self.examine = shared("examination").call
        self.analytic = run.objective.is_analytic + run.objective.is_smooth

    def of(self, run: Run, close: float) -> Ending:
        """Say what the point is where the run has come to."""
        state, places = self.state, self.places
        x, gradient = run.slots, run.gradient  # of some runs never the same arrays
        places.x, places.gradient = address(x), address(gradient)
        state.clear()
        state.variables = run.n
        state.first, state.value, state.close = run.first, run.fun, close
        state.slope = run.settings.slope
        state.analytic = self.analytic
        verdict = self.examine(*self.addresses)
        count = state.evaluations
        if verdict == layout.UNKNOWN:
            return Ending(verdict, evaluations=count)
        weak = state.weak > 0.0
        end = Ending(verdict, state.promised, state.moved, evaluations=count, weak=weak)
        if verdict != layout.LOWER:
            return end
        lower = [(at - places.work) // 8 for at in (places.lower_x, places.lower_g)]
        x, gradient = (self.work[first : first + run.n] for first in lower)
        return end._replace(fun=state.lower_value, x=x, gradient=gradient)


def _by_curvature(run: Run, close: float) -> Ending:
    if run.examiner is None and (hessian := run.quick_hessian()) is not None:
        run.examiner = Examiner(run, hessian)
    if run.examiner is None:
        steep = run.norm > TIGHT * min(1.0, run.steepest) and math.isfinite(close)
        if steep and close != AT_ROUNDING:
            return Ending(layout.INEXACT)
        felt = _felt(run)
        inexact = steep and felt.verdict == layout.UNKNOWN
        return felt._replace(verdict=layout.INEXACT) if inexact else felt
    end: Ending = run.examiner.of(run, close)
    if end.verdict == layout.UNKNOWN and is_on_plateau(run):
        return end._replace(verdict=layout.FLAT)
    return end


def _felt(run: Run) -> Ending:
    """Say what an end is of which no Hessian is known."""
    point = run.x, run.fun, run.gradient[:]
    sides = run.bounds.lower, run.bounds.upper
    kernel = run.objective.kernel("evaluation")
    found = lower_nearby(
        *(kernel, run.parameters, point, sides, run.origin or run.far_origin),
        *(run.first, run.settings.slope, run.objective.is_smooth, run.evaluations),
    )
    verdict = layout.SADDLE if found.saddle else layout.UNKNOWN
    if found.fun < math.inf:
        verdict = layout.LOWER
    if verdict == layout.UNKNOWN and is_on_plateau(run):
        verdict = layout.FLAT
    lower = found.fun, found.x, found.gradient, found.evaluations
    return Ending(verdict, math.nan, math.nan, *lower, at_most=found.promised)
