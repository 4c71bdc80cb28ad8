"""Whether f falls on where a run has ended, far from where it began: in tails."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

from symgd.descent.ends import Ending, Run

if TYPE_CHECKING:
    from symgd.descent.kinks.at_end import Evaluated
    from symgd.descent.kinks.surfaces import Surface

RAN_AWAY = 1e6  # times as far as it began
SMOOTH = 1e-2  # at a minimum, the gradient changes f by no more of it on the way to 0


def ran_away(run: Run) -> bool:
    """Return whether it is so far from where it began that f may fall without bound."""
    began = max(map(abs, run.origin)) or 1.0
    return max(map(abs, run.x)) > RAN_AWAY * began


def is_lost(run: Run, end: Ending) -> bool:
    """Return whether it ran away to where f, as steep as it was, has no digits.

    At a kink nothing is promised by a step.
    """
    if run.kink is not None:
        return False
    fallen = run.first - run.fun
    return ran_away(run) and end.promised > SMOOTH * fallen


def lower_on_the_way(run: Run) -> Evaluated | None:
    """Return a point farther on where f is visibly lower."""
    from symgd.descent.falls import lower_on

    way = [a - b for a, b in zip(run.x, run.origin, strict=True)]
    kernel, sides = run.objective.kernel("evaluation"), (run.lower, run.upper)
    return lower_on(kernel, run.parameters, (run.x, run.fun), sides, way)


def falls_on(run: Run, surfaces: Sequence[Surface] = ()) -> bool:
    """Return whether f falls for ever, by ever less, also along some kinks."""
    from symgd.descent.falls import falls_for_ever
    from symgd.descent.kinks.surfaces import along

    way = [a - b for a, b in zip(run.x, run.origin, strict=True)]
    sizes = run.sizes
    ways = [way, *along(surfaces, sizes)] if surfaces else [way]
    kernel, parameters, point, sides = run.around()
    fallen = run.first - run.fun
    return falls_for_ever(
        kernel, parameters, point, sides, sizes, ways, fallen
    ) or _falls_unseen(run, way, surfaces)


def _falls_unseen(run: Run, way: Sequence[float], surfaces: Sequence[Surface]) -> bool:
    """Return whether f falls for ever, by less than float64 shows."""
    from symgd.descent.falls import may_fall
    from symgd.descent.kinks.surfaces import surfaces_near
    from symgd.descent.many_digits import ManyDigits
    from symgd.descent.recession import falls_along_bent_kinks, falls_in_all_digits

    if run.objective.arrays is not None:
        return False
    sizes, fallen = run.sizes, run.first - run.fun
    kernel, parameters, point, sides = run.around()
    surfaces = surfaces or surfaces_near(run.objective, run.x, sizes)
    kinks = [surface.expression for surface in surfaces]
    seen = ManyDigits(run.objective, run.x, sizes, fallen + abs(run.fun))

    def may(way: array[float]) -> bool:
        return may_fall(kernel, parameters, point, sides, way, fallen)

    if falls_in_all_digits(seen, sides, kinks, way, may):
        return True
    return falls_along_bent_kinks(seen, sides, kinks)
