"""Where a fit begins: linear parameters are solved for, the others tried.

For given values of the rest, parameters in which the model is linear are found by
linear least squares, so that only the rest must be searched (G. H. Golub and V.
Pereyra, The differentiation of pseudo-inverses and nonlinear least squares problems
whose variables separate, SIAM J. Numerical Analysis 10, 1973). Those are tried on
the columns' scales, on those of the formula (:mod:`symgd.fitting.scales`), at
frequencies of a spectrum (:mod:`symgd.fitting.spectrum`), term after term on what is
left, as peaks are; places of jumps are searched (:mod:`symgd.fitting.break_search`).

Elsewhere: initial guesses, and variable projection.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from symgd.fitting import scales, trials
from symgd.fitting.aims import Aims
from symgd.fitting.break_search import Jumps
from symgd.fitting.candidates import ITERATIONS, Candidates, terms_of
from symgd.fitting.dips import Dips
from symgd.fitting.draws import Draws
from symgd.fitting.goodness import (
    LIKELY,
    beside_a_constant,
    has_waves,
    is_met,
    is_structured,
)
from symgd.fitting.levenberg_marquardt import Limits, is_ill_conditioned
from symgd.fitting.regression import Regression

ROWS = 200  # on which starts are tried
WAYS = 3  # of drawing, as a minimum of one may not be the least
REFINED = 6  # of them, by a short descent each
TRIED = 12  # that differ, of which some may have no slope
WAVY = 2000  # rows, where there are waves
ROUNDS = 2  # while a pattern is left, each with some
CHANGES, BETTER = 10, 0.99  # at most, while ends get lower
CROWD = 12  # parameters, more than draws can tell: each label is searched alone
NEARER = 0.9, 0.5, 0.1, 0.0  # of the way from a constant curve
APART = 100.0  # times as large as others: rows that hide them
HIGHER = 8.0  # times the sampling limit, where nothing below it is
POOR, MUCH = 0.1, 0.1  # of a constant's sum; of a sum: what isn't lower by chance
ENOUGH = 0.01  # of a constant's sum
BROKEN = 4  # ends, from which jumps are searched
CANCELLED = 30.0  # times the data: terms that hardly mean what they say
OUTSTANDING, BESIDE = 16, 2  # a part of the rows, and how many beside each


class Search:
    """A search for a start, with some parameters perhaps given (the others NaN).

    Points ``near`` which the start may be are tried too. Of rows that are elsewhere it
    has a sample.
    """

    def __init__(
        self,
        regression: Regression,
        given: np.ndarray,
        lower: Any,
        upper: Any,
        rng: Any,
        near: Sequence[np.ndarray] = (),
    ) -> None:
        self.whole, self.near = regression.sample, near
        self.sampled = self.whole.count < regression.count
        self.cut = False  # whether Ctrl-C ended it
        self.beyond = 1.0  # times the sampling limit: up to which frequencies are tried
        self.is_relative = False  # whether rows are as large as their targets
        self.given, self.lower, self.upper, self.rng = given, lower, upper, rng
        unknown = np.isnan(given)
        self.linear = [p for p in regression.formulas.linear if unknown[p]]
        self.other = [
            p for p in np.flatnonzero(unknown).tolist() if p not in self.linear
        ]
        model, parameters = regression.formulas.model, regression.parameters
        free = [parameters[p] for p in self.other]
        target = regression.formulas.target
        found = scales.parts(model, free, target) if free else []
        found = [replace(part, place=self.other[part.place]) for part in found]
        waves = any(part.kind == "wave" for part in found)
        self.found, self.mixing = found, waves and scales.mixes_waves(model)
        self.chirps = scales.chirps(found, parameters)
        self.periods = scales.periods(model, parameters) if waves else {}
        self.terms = terms_of(regression.formulas, self.linear, self.other)
        self.jumps = [p for p in regression.formulas.breaking if p in self.other]
        self._use(self._thinned(WAVY if waves else ROWS, waves))

    def _use(self, regression: Regression) -> None:
        """Look at the rows of a regression."""
        self.regression = regression
        used, table = regression.formulas.model.free_symbols, regression.columns
        columns = [
            np.asarray(each, dtype=np.float64) for s, each in table.items() if s in used
        ]
        sides = (self.lower, self.upper)
        self.solver = trials.Solver(regression, self.linear, *sides)
        own = scales.Scales(self.found, regression.parameters, table, self.rng)
        draws = Draws(
            *(self.given, *sides, self.linear, self.other),
            *(columns, self.periods, own, self.rng),
        )
        self.aims = Aims(draws, self.mixing, self.beyond)
        known = regression, self.solver, self.terms, self.chirps
        self.candidates = Candidates(*known, draws, self.aims)

    def _thinned(self, most: int, scattered: bool) -> Regression:
        """Return the regression of some rows; evenly chosen, they have aliases."""
        count = self.whole.count
        step = max(1, count // most)
        rows: Any = slice(None, None, step)
        if scattered and step > 1:
            rows = np.sort(np.random.default_rng(0).choice(count, most, replace=False))
        elif step > 1:
            rows = np.union1d(np.arange(count)[rows], self._outstanding(most))
        columns = self.whole.columns.items()
        return self.whole.with_data({s: each[rows] for s, each in columns}).counted

    def _outstanding(self, most: int) -> np.ndarray:
        """Return the rows of the most extreme targets: a peak may be narrow."""
        target = np.asarray(self.whole.target, dtype=np.float64)
        away = np.abs(target - np.median(target))
        chosen = np.argsort(away)[-max(1, most // OUTSTANDING) :]
        near = chosen[:, None] + np.arange(-BESIDE, BESIDE + 1)
        return np.unique(np.clip(near, 0, len(target) - 1))

    def best(self) -> np.ndarray | None:
        """Return the best start found; None if the model is finite at none."""
        if not self.other:
            return self._completed(self.given)
        ends: list[tuple[float, np.ndarray]] = []
        try:
            self._follow(ends)
            if has_waves(self.regression):
                ends = self._with_higher(ends)
            return self._broken(ends) if self.jumps else self._least(ends)
        except KeyboardInterrupt:
            if not ends:
                raise
            self.cut = True
            return self._least(ends)

    def _follow(self, ends: list[tuple[float, np.ndarray]]) -> None:
        """Add ends of descents, until one is good enough."""
        ways = WAYS if len(self.other) > 1 else 1
        for tried, group in enumerate(self._groups(ends), 1):
            for x in self._promising(list(group)):
                ends.append(self._refined(x))
            enough = self._is_enough if tried >= ways else self._is_met
            if any(enough(*end) for end in ends):
                break
        if (best := self._least(ends)) is not None:
            for x in self._promising(list(self.candidates.exchanged(best))):
                ends.append(self._refined(x))
            sides = self.solver.lower, self.solver.upper
            dips = Dips(self.regression, self.linear, self.other, best, *sides)
            met = self._is_met(self.regression.gauss_newton(best).fun, best)
            for x in dips.points() if dips.is_possible and not met else ():
                ends.append(self._refined(x))

    def _with_higher(
        self, ends: list[tuple[float, np.ndarray]]
    ) -> list[tuple[float, np.ndarray]]:
        """Return ends at higher frequencies instead, if they are much better.

        Uneven rows tell frequencies beyond the sampling limit, but by chance, too.
        """
        best = self._least(ends)
        if best is None or self.beyond > 1.0:
            return ends
        fun = self.regression.gauss_newton(best).fun
        if not beside_a_constant(self.regression, best, fun) > POOR:
            return ends
        other, higher = copy.copy(self), list[tuple[float, np.ndarray]]()
        other.beyond = HIGHER
        other._use(self.regression)
        other._follow(higher)
        found = other._least(higher)
        if found is None or not self.regression.gauss_newton(found).fun < MUCH * fun:
            return ends
        self.beyond, self.aims = HIGHER, other.aims
        return higher

    def _groups(
        self, ends: list[tuple[float, np.ndarray]]
    ) -> Iterator[Iterable[np.ndarray]]:
        """Yield groups of points, one to be tried after the other."""
        if len(self.near) and len(self.other) > CROWD:
            yield self.near
            return
        yield self._candidates(ends)
        yield self.candidates.scaled()
        for turn in range(1 if self.is_relative else ROUNDS):
            yield self.candidates.in_turn()
            if turn == 0:
                yield self.candidates.chirping()
            yield from self._changes(ends)
            best = self._least(ends)
            if best is None or not self._leaves_something(best):
                return

    def _changes(
        self, ends: list[tuple[float, np.ndarray]]
    ) -> Iterator[Iterable[np.ndarray]]:
        """Yield changes of the best end, while ends get lower."""
        least = math.inf
        for change in range(CHANGES):
            before, least = least, min((fun for fun, _ in ends), default=math.inf)
            if change >= 2 and not least < BETTER * before:
                return
            yield self._changed(ends)

    def _least(self, ends: list[tuple[float, np.ndarray]]) -> np.ndarray | None:
        """Return the best of some ends."""
        ends = [end for end in ends if self.aims.is_resolved(end[1])] or ends
        return min(ends, key=lambda end: end[0])[1] if ends else None

    def _broken(self, ends: list[tuple[float, np.ndarray]]) -> np.ndarray | None:
        """Search the places of jumps, from some of the ends, among all rows at last."""
        jumps = self._jumps()
        for _, x in sorted(ends, key=lambda end: end[0])[:BROKEN]:
            ends.append(self._refined(jumps.searched(x)))
            if self._is_enough(*ends[-1]):
                break
        best = self._least(ends)
        if best is None:
            return None
        whole = copy.copy(self)
        whole._use(self.whole.counted)
        return whole._jumps().searched(best, anywhere=False)

    def _jumps(self) -> Jumps:
        known = self.regression, self.solver, self.jumps
        return Jumps(*known, self._completed, self.rng)

    def _is_met(self, fun: float, x: np.ndarray) -> bool:
        return self.aims.is_resolved(x) and is_met(self.regression, x, fun)

    def _is_enough(self, fun: float, x: np.ndarray) -> bool:
        """Return whether a start needn't be bettered: what it leaves has no pattern."""
        if not self.aims.is_resolved(x):
            return False
        if self._is_met(fun, x):
            return True
        if has_waves(self.regression):
            return False
        small = beside_a_constant(self.regression, x, fun) <= ENOUGH
        return small and not self._leaves_something(x)

    def _leaves_something(self, x: np.ndarray) -> bool:
        """Return whether a better point is likely: few rows may be met by chance."""
        point = self.regression.gauss_newton(x)
        pattern = is_structured(self.regression, x, LIKELY)
        return pattern or self._cancels(x) or bool(is_ill_conditioned(point))

    def _cancels(self, x: np.ndarray) -> bool:
        """Return whether terms are large, and only their sum is not.

        As two peaks at one place are, which stand for the slope of one.
        """
        terms = self.regression.curve(x)[1][:, self.linear] * x[self.linear]
        largest = CANCELLED * abs(self.solver.target).max()
        return bool(len(self.linear) > 1 and (abs(terms) > largest).any())

    def _refined(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        # Of other losses there are several descents, one after the other.
        times = 1 if self.regression.loss.squares else 2
        limits = Limits(1e-3, times * ITERATIONS)
        point, _, _ = self.regression.minimize(x, self.lower, self.upper, limits)
        x = self._turned_back(point.x)
        return (point.fun if self._is_finite(x) else math.inf), x

    def _turned_back(self, x: np.ndarray) -> np.ndarray:
        """Return a point with phases that are small, as their digits are few."""
        x = x.copy()
        for p, period in self.periods.items():
            if p in self.other:
                back = math.remainder(float(x[p]), period)
                x[p] = back if self.lower[p] <= back <= self.upper[p] else x[p]
        return x

    def _promising(self, points: list[np.ndarray]) -> list[np.ndarray]:
        """Return the best of some points, completed, of which no two are alike."""
        points = [self._turned_back(x) for x in points if self.aims.is_resolved(x)]
        if not points:
            return []
        tried = self.solver.solved(np.array(points), self.linear)
        unit = self.solver.unit
        chosen = trials.distinct(tried, self.solver.target * unit, unit, TRIED)
        usable = (x for x in map(self._feasible, tried.points[chosen]) if x is not None)
        return list(itertools.islice(usable, REFINED))

    def _feasible(self, x: np.ndarray) -> np.ndarray | None:
        """Return a point where the sum is finite, None if there is none near.

        A likelihood may not allow what least squares find, as a negative count: then
        what is linear is drawn towards a curve that is nearly constant.
        """
        if self._is_finite(x):
            return x
        if not (self.regression.loss.pairs and self.linear):
            return None
        level = self.solver.with_target(self.solver.mean())
        flat = level.solved(x[None], self.linear).points[0]
        nearer = (flat + share * (x - flat) for share in NEARER)
        return next((point for point in nearer if self._is_finite(point)), None)

    def _completed(self, x: np.ndarray) -> np.ndarray | None:
        """Solve for what is linear; return the point if it is finite."""
        tried = self.solver.solved(x[None], self.linear)
        return self._feasible(tried.points[0]) if np.isfinite(tried.costs[0]) else None

    def _is_finite(self, x: np.ndarray) -> bool:
        return self.regression.gauss_newton(x).finite

    def _changed(self, ends: list[tuple[float, np.ndarray]]) -> Iterable[np.ndarray]:
        """Return changes of the best end, if it leaves a pattern.

        Where its terms cancel, the best end whose terms don't is changed, too.
        """
        best = self._least(ends)
        if best is None or not self._leaves_something(best):
            return ()
        plain = self._least([end for end in ends if not self._cancels(end[1])])
        bases = [best] if plain is None or plain is best else [best, plain]
        return self.candidates.changed(bases)

    def _candidates(self, ends: list[tuple[float, np.ndarray]]) -> Any:
        """Yield points: all ones, then draws on scales of the columns and formula."""
        yield from self.candidates.drawn()
        yield from self.near
        yield from self._of_relative_size(ends)

    def _of_relative_size(
        self, ends: list[tuple[float, np.ndarray]]
    ) -> Iterator[np.ndarray]:
        """Yield the best start where each row counts as much, if their sizes differ."""
        sizes = abs(self.whole.target / self.whole.sigma)
        least, most = sizes.min(), sizes.max()
        if self.is_relative or not 0.0 < APART * least < most < math.inf:
            return
        search = Search(
            self.whole.relative, self.given, self.lower, self.upper, self.rng, self.near
        )
        search.is_relative = True
        if (found := search.best()) is None:
            return
        if search.cut:
            ends.append((self.regression.gauss_newton(found).fun, found))
            raise KeyboardInterrupt
        yield found
