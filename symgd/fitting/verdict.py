"""Whether the end of a fit is worth anything, whatever the descent says of it.

On a plateau nothing slopes, and a descent ends there as it does at a minimum: but a
curve that is no better than a constant, or that a parameter doesn't change, was not
fitted.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np

from symgd.fitting.goodness import (
    beside_a_constant,
    has_waves,
    is_flat,
    is_met,
    is_structured,
    leaves_less,
)
from symgd.fitting.levenberg_marquardt import End, Point, is_ill_conditioned
from symgd.fitting.regression import Regression
from symgd.language.text import number, told
from symgd.native.status import Status
from symgd.objectives.points import Bounds

GOOD = 1e-3  # of a constant's sum: no more is asked of what is lower
NOISE = 1e-8  # of a constant's sum: what leaves less is straight about its end
MOST = 0.5  # of a constant's sum, left by waves
POOR = 0.1  # of a constant's sum
NO_BETTER = 1.0 - 1e-9
FAR = 1e30  # times the data: of a parameter that ran away
BEYOND, NEARER = 10.0, (1e-2, 1e-4, 1e-6, 1e-8)  # times as far as it ran
SAME, WORSE = 1.0 + 1e-9, 1.0 + 1e-6  # times a sum
UNKNOWN = 0.1  # of a direction of length 1: a parameter that has a part of it
SEEN = 20_000  # rows, of which a pattern is looked for


def held(x: np.ndarray, bounds: Bounds) -> np.ndarray:
    """Return which parameters are at a bound."""
    if not bounds.finite:
        return np.zeros(len(x), dtype=bool)
    return (x == bounds.lower) | (x == bounds.upper)


class FitVerdict:
    """What is to be said of an end; nothing is asked twice, or in vain.

    Parameters
    ----------
    regression : Regression
    end : End
    bounds : Bounds
    """

    def __init__(self, regression: Regression, end: End, bounds: Bounds) -> None:
        self.regression, self.end, self.bounds = regression, end, bounds
        formulas = regression.formulas
        self.is_linear = len(formulas.linear) == len(formulas.parameters)

    @functools.cached_property
    def free(self) -> np.ndarray:
        """Which parameters no bound holds."""
        return ~held(self.end.x, self.bounds)

    @property
    def count(self) -> int:
        """How many parameters no bound holds."""
        bounded = self.bounds.finite
        return int(np.count_nonzero(self.free)) if bounded else len(self.end.x)

    @functools.cached_property
    def is_met(self) -> bool:
        """Whether what is left is rounding."""
        return is_met(self.regression, self.end.x, self.end.fun)

    @functools.cached_property
    def left(self) -> float:
        """The sum as a share of the least one that a constant has."""
        return beside_a_constant(self.regression, self.end.x, self.end.fun)

    @functools.cached_property
    def point(self) -> Point:
        """The model of the sum there."""
        return self.regression.gauss_newton(self.end.x)

    @functools.cached_property
    def is_ill(self) -> bool:
        """Whether the rows don't determine all parameters, or hardly."""
        return is_ill_conditioned(self.point)

    @functools.cached_property
    def idle(self) -> list[int]:
        """Which parameters change nothing there, though they could elsewhere."""
        squares = self.point.squares_of_columns
        if 0.0 not in squares:
            return []
        jumping, free = self.regression.formulas.jumping, self.free
        return [
            k
            for k, s in enumerate(squares)
            if s == 0.0 and free[k] and k not in jumping
        ]

    def judged(self) -> End:
        """Return the end; where it is no better than a plateau, as no success."""
        end = self.end
        if not end.status.success or not (problem := self._problem()):
            return end
        message = f"{problem}; {told(end.message)}"
        return end._replace(status=Status.ABNORMAL, message=message)

    def reservation(self) -> str:
        """Say what is to be said of a success: too few rows matter, or leave a pattern.

        A model leaves one that isn't the data's; so does a curve that was fitted to
        another feature of the data.
        """
        regression = self.regression
        if not self.end.status.success:
            return ""
        if regression.count < self.count:
            return f"{regression.count} rows can't determine {self.count} parameters"
        if self.is_linear or regression.count > SEEN or self.is_met:
            return ""
        if not is_structured(regression, self.end.x):
            if has_waves(regression) and self.left > MOST:
                return (
                    f"the waves leave {100 * self.left:.0f} % of what a constant "
                    "leaves: those of other frequencies may leave less"
                )
            if self.left <= GOOD or not self.is_ill:
                return ""
            return (
                "the rows don't determine all parameters there: few may be met by "
                "chance"
            )
        return (
            "the residuals have a pattern: the model doesn't follow the data "
            "everywhere, or another minimum is lower"
        )

    @property
    def is_poor(self) -> bool:
        """Whether another start might well end lower."""
        if self.is_linear or self.is_met:
            return False
        if not self.end.status.success or self.idle:
            return True
        if self.regression.formulas.breaking:  # no descent moves them
            return True
        if self.is_ill:
            return True
        if self.left <= GOOD:
            return False
        if self.left > POOR or has_waves(self.regression):
            return True
        return is_structured(self.regression, self.end.x)

    @property
    def has_noise(self) -> bool:
        """Whether rows may have two minima beside each other, by what is left."""
        if self.is_linear or leaves_less(self.regression, self.end.fun, NOISE):
            return False
        return self.left > NOISE

    def _problem(self) -> str:
        regression, x, fun, *_ = self.regression, *self.end
        if self.is_met or (self.is_linear and is_flat(regression)):
            return ""
        if self.idle:
            names = ", ".join(regression.variables[k] for k in self.idle)
            if self.is_linear:
                return f"no row depends on {names}"
            return f"the model doesn't depend on {names} there, to first order"
        if self.is_linear and not self.is_ill:  # a slope may well be 0
            return ""
        least = regression.sum_of_a_constant
        if self.left >= NO_BETTER:
            return f"the fit is no better than a constant, whose sum is {number(least)}"
        by_chance = (self.count - 1) / max(1, regression.count - 1)
        if not self.is_linear and 1.0 - self.left <= by_chance < 1.0:
            return (
                f"the fit is no better than a constant, whose sum is {number(least)}, "
                f"than {self.count} parameters would be by chance"
            )
        if not self.is_ill:
            return ""
        if far := _falls_for_ever(regression, x, fun, self.free):
            return f"the sum falls for ever as {far} grow: it has no minimum"
        if _ran_to_a_limit(regression, x):
            return "the model follows the data badly, and parameters have run away"
        return ""


def _ran_to_a_limit(regression: Regression, x: np.ndarray) -> bool:
    """Return whether only a limit of the model is near, as parameters are infinite.

    What they do together isn't determined then, and residuals show that it's not it.
    """
    if regression.count > SEEN or max(map(abs, x.tolist())) <= FAR:
        return False
    if not (np.abs(x) > FAR * regression.extent.largest).any():
        return False
    return is_structured(regression, x)


@np.errstate(all="ignore")
def _falls_for_ever(
    regression: Regression, x: np.ndarray, fun: float, free: np.ndarray
) -> str:
    """Return which parameters together are so large that larger is the same.

    The sum is worse where they are smaller, by any of some factors. What is merely
    redundant isn't.
    """
    curvature = regression.gauss_newton(x).curvature
    units = np.sqrt(np.diag(curvature))
    known = np.flatnonzero((units > 0.0) & free)
    block = curvature[np.ix_(known, known)] / np.outer(units[known], units[known])
    if not len(known):
        return ""
    weakest = np.linalg.eigh(block)[1][:, 0]
    moved = known[np.abs(weakest) > UNKNOWN]

    def at(factor: float) -> float:
        there = x.copy()
        there[moved] *= factor
        return regression.gauss_newton(there).fun

    sums = [fun, *map(at, NEARER)]
    rises = all(a <= SAME * b for a, b in itertools.pairwise(sums))
    if not (rises and sums[-1] > WORSE * fun and at(BEYOND) <= SAME * fun):
        return ""
    return " and ".join(regression.variables[k] for k in moved)
