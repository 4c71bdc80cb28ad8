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
from typing import Any, NamedTuple

import numpy as np

from symgd.fitting import scales, trials
from symgd.fitting.break_search import Jumps
from symgd.fitting.goodness import (
    LIKELY,
    beside_a_constant,
    has_waves,
    is_met,
    is_structured,
)
from symgd.fitting.levenberg_marquardt import Limits, is_ill_conditioned
from symgd.fitting.regression import Regression
from symgd.fitting.row_formulas import RowFormulas
from symgd.fitting.spectrum import chirps, frequencies, sampling_limit, unevenness

ROWS = 200  # on which starts are tried
DRAWS = 300
WAYS = 3  # of drawing, as a minimum of one may not be the least
REFINED = 6  # of them, by a short descent each
TRIED = 12  # that differ, of which some may have no slope
ITERATIONS = 40
WAVY = 2000  # rows, where there are waves
TURNS = 12
TRIES = 24  # of where a term is placed
NEAR = 0.3  # of the rows' span
PHASES = 8  # at which a chirp is tried
ROUNDS = 2  # while a pattern is left, each with some
CHANGES, BETTER = 10, 0.99  # at most, while ends get lower
MIXED = 0.4  # of the frequencies where waves are multiplied, as their sums are seen
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
        columns = [each for s, each in table.items() if s in used]
        self.columns = [np.asarray(each, dtype=np.float64) for each in columns]
        sides = (self.lower, self.upper)
        self.solver = trials.Solver(regression, self.linear, *sides)
        parameters = regression.parameters
        self.scales = scales.Scales(self.found, parameters, table, self.rng)

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
            for x in self._promising(list(self._exchanged(best))):
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
        other._follow(higher)
        found = other._least(higher)
        if found is None or not self.regression.gauss_newton(found).fun < MUCH * fun:
            return ends
        self.beyond = HIGHER
        return higher

    def _groups(
        self, ends: list[tuple[float, np.ndarray]]
    ) -> Iterator[Iterable[np.ndarray]]:
        """Yield groups of points, one to be tried after the other."""
        if len(self.near) and len(self.other) > CROWD:
            yield self.near
            return
        yield self._candidates(ends)
        yield self._scaled()
        for turn in range(1 if self.is_relative else ROUNDS):
            yield self._in_turn()
            if turn == 0:
                yield self._chirping()
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
        ends = [end for end in ends if self._is_resolved(end[1])] or ends
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
        return self._is_resolved(x) and is_met(self.regression, x, fun)

    def _is_enough(self, fun: float, x: np.ndarray) -> bool:
        """Return whether a start needn't be bettered: what it leaves has no pattern."""
        if not self._is_resolved(x):
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
        limits = Limits(1e-3, ITERATIONS)
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
        points = [self._turned_back(x) for x in points if self._is_resolved(x)]
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

    # ------------------------------------------------------------- candidates

    def _candidates(self, ends: list[tuple[float, np.ndarray]]) -> Any:
        """Yield points: all ones, then draws on scales of the columns and formula."""
        for draw in range(DRAWS):
            x = self.given.copy()
            x[self.other] = [self._drawn(p) if draw else 1.0 for p in self.other]
            x = np.clip(x, self.lower, self.upper)
            yield self._redrawn(x, self.other) if draw % 2 else x
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

    def _scaled(self) -> Any:
        """Yield draws on the scales that the formula has."""
        for _ in range(DRAWS if self.scales.parts else 0):
            yield self._redrawn(self._somewhere(), self.other)

    def _in_turn(self) -> Any:
        """Yield points where one term after the other was placed on what was left."""
        if not self.terms or not self.scales.parts:
            return
        for turn in range(TURNS):
            x = self._redrawn(self._somewhere(), self.other)
            yield self._placed(x, self._view() if turn else 1.0, refit=turn % 4 < 3)

    def _view(self) -> Any:
        """Return what rows count as seen from one of them, the less the farther."""
        if not self.columns:
            return 1.0
        column = self.columns[int(self.rng.integers(len(self.columns)))]
        away = abs(column - self.rng.choice(column))
        return np.exp(-away / (NEAR * float(np.ptp(column)) or 1.0))

    def _changed(self, ends: list[tuple[float, np.ndarray]]) -> Any:
        """Yield the best end with some parameters redrawn, if it leaves a pattern.

        Where its terms cancel, the best end whose terms don't is changed, too.
        """
        best = self._least(ends)
        if best is None or not self._leaves_something(best):
            return
        plain = self._least([end for end in ends if not self._cancels(end[1])])
        bases = [best] if plain is None or plain is best else [best, plain]
        whole = Term([], self.other)
        parts = [term for term in self.terms if len(term.other) < len(self.other)]
        aims = [
            (base, term, self._left_without(term, base))
            for base in bases
            for term in [whole, *parts]
        ]
        for draw in range(DRAWS):
            base, term, left = aims[draw % len(aims)]
            some = term.other
            if term is whole:
                count = int(self.rng.integers(1, 4))
                some = self.rng.permutation(some)[:count].tolist()
            yield self._aimed(base, some, left)

    def _left_without(self, term: Term, x: np.ndarray) -> np.ndarray:
        """Return what is left at a point where a term isn't."""
        others = [p for p in self.linear if p not in term.linear]
        left: np.ndarray = self.solver.solved(x[None], others).residuals[0]
        return left

    def _exchanged(self, x: np.ndarray) -> Iterator[np.ndarray]:
        """Yield points where two terms stand in each other's place."""
        for one, two in itertools.combinations(self.terms, 2):
            if len(one.other) == len(two.other):
                there = x.copy()
                there[one.other], there[two.other] = x[two.other], x[one.other]
                yield np.clip(there, self.lower, self.upper)

    @np.errstate(all="ignore")
    def _chirping(self) -> Any:
        """Yield points with frequencies that change, at any phase."""
        for pair in self.chirps:
            x = self._redrawn(self._somewhere(), self.other)
            one, other = sorted(pair, key=lambda k: unevenness(self.scales.at(k, x)[0]))
            at, bend = self.scales.parts[one].place, self.scales.parts[other].place
            left = self.solver.solved(x[None], []).residuals[0]
            phase, curve = self.scales.at(one, x)[0], self.scales.at(other, x)[0]
            x[bend] = 0.0
            known = self.scales.at(one, x)[2]
            usable = np.isfinite([left, phase, curve, known]).all()
            if not (usable and np.ptp(phase) > 0.0 and np.ptp(curve) > 0.0):
                continue  # it is a phase
            for found in chirps(phase, left, self._limit(phase), curve, known):
                for _ in range(PHASES):
                    x = self._redrawn(self._somewhere(), self.other)
                    x[at], x[bend] = found
                    yield np.clip(x, self.lower, self.upper)

    def _placed(self, x: np.ndarray, view: Any, refit: bool) -> np.ndarray:
        """Return a point with terms placed on what those before them leave.

        What is left counts as it is seen, so that it isn't always the same. Those that
        are placed may be fitted together, before another one is.
        """
        solved = [p for p in self.linear if all(p not in t.linear for t in self.terms)]
        done: set[int] = set()
        for term in self.terms:
            left = self.solver.solved(x[None], solved).residuals[0]
            solved = [*solved, *term.linear]
            own = [p for p in term.other if p not in done]
            done.update(own)
            tries = np.array([self._aimed(x, own, view * left) for _ in range(TRIES)])
            tried = self.solver.solved(tries, solved)
            x = tried.points[np.argmin(tried.costs)]
            if refit:
                x = self._refitted(x, [*solved, *done])
        return x

    def _refitted(self, x: np.ndarray, places: list[int]) -> np.ndarray:
        """Return the end of a short descent along some parameters."""
        lower, upper = x.copy(), x.copy()
        lower[places], upper[places] = self.lower[places], self.upper[places]
        if not self._is_finite(x):
            return x
        ended = self.regression.minimize(x, lower, upper, Limits(1e-3, ITERATIONS))
        return ended.point.x if self._is_finite(ended.point.x) else x

    def _aimed(self, x: np.ndarray, places: list[int], left: np.ndarray) -> np.ndarray:
        """Return a point whose places are where most is left, others redrawn."""
        x = self._redrawn(x, places)
        ranks = self._ranks(2) if self.mixing and self.rng.uniform() < MIXED else None
        for p in places:
            value = self._frequency(p, x, left, ranks)
            if value is None and self.rng.uniform() < 0.8:
                value = self._centre(p, x, left)
            x[p] = x[p] if value is None else value
        return np.clip(x, self.lower, self.upper)

    @np.errstate(all="ignore")
    def _centre(self, place: int, x: np.ndarray, left: np.ndarray) -> float | None:
        """Return where something added to a column is 0 in the row with most left."""
        mine = self.scales.of(place, "meet", "choice")
        if not mine or not np.isfinite(left).all():
            return None
        factor, power, rest = self.scales.at(mine[0], x)
        value = float((-rest / factor)[np.argmax(abs(left))])
        usable = power == 1.0 and np.isfinite(value) and np.ptp(rest) > 0.0
        return value if usable else None

    def _frequency(
        self, place: int, x: np.ndarray, left: np.ndarray, ranks: Any
    ) -> float | None:
        """Return a frequency that is in the residuals.

        With two ranks, a part of two frequencies that are: a product of two waves is a
        wave of the sum of their frequencies and one of the difference.
        """
        mine = self.scales.of(place, "wave")
        if not mine:
            return None
        factor, power, rest = self.scales.at(mine[0], x)
        if not (np.isfinite(factor).all() and np.ptp(factor) > 0.0):
            # A phase, which is anything.
            return float(self.rng.uniform(-np.pi, np.pi)) if power == 1.0 else None
        if not (np.isfinite(left).all() and np.isfinite(rest).all()):
            return None
        found = frequencies(factor, left, self._limit(factor), rest)
        if not len(found):
            return None
        if ranks is None:
            rate = found[min(*self._ranks(1), len(found) - 1)]
        else:
            one, other = found[np.minimum(ranks, len(found) - 1)].tolist()
            part = int(self.rng.integers(4))
            apart = abs(one - other)
            rate = [one / 2.0, (one + other) / 2.0, apart / 2.0, apart][part]
        return float(rate ** (1.0 / power)) if rate else None

    def _limit(self, factor: np.ndarray) -> float:
        return self.beyond * sampling_limit(factor)

    def _ranks(self, count: int) -> list[int]:
        """Return ranks of peaks, all different, the first ones rather than others."""
        ranks: list[int] = []
        while len(ranks) < count:
            rank = int(self.rng.geometric(0.5)) - 1
            ranks += [] if rank in ranks else [rank]
        return ranks

    def _is_resolved(self, x: np.ndarray) -> bool:
        """Return whether no frequency is above what the rows can tell."""
        waves = [k for k, p in enumerate(self.scales.parts) if p.kind == "wave"]
        if not waves:
            return True
        with np.errstate(all="ignore"):
            for k in waves:
                factor, power, _ = self.scales.at(k, x)
                rate = abs(x[self.scales.parts[k].place]) ** power
                if np.ptp(factor) > 0.0 and rate > 1.05 * self._limit(factor):
                    return False
        return True

    def _somewhere(self) -> np.ndarray:
        x = self.given.copy()
        x[self.linear] = 0.0
        x[self.other] = [self._drawn(p) for p in self.other]
        return np.clip(x, self.lower, self.upper)

    def _redrawn(self, x: np.ndarray, places: list[int]) -> np.ndarray:
        """Return a point with some parameters on scales of the formula."""
        x = x.copy()
        for p in self.rng.permutation(places).tolist():
            value = self.scales.drawn(p, x)
            if value is not None and self.lower[p] <= value <= self.upper[p]:
                x[p] = value
        return x

    def _drawn(self, place: int) -> float:
        """Draw a value of a parameter that a scale of some column suggests.

        It may be a place in the column (a centre), a length (a width), or the inverse
        of one (a rate or a frequency); between two bounds, anything.
        """
        low, high = self.lower[place], self.upper[place]
        if place in self.periods and not (np.isfinite(low) or np.isfinite(high)):
            return float(self.periods[place] * self.rng.uniform(-0.5, 0.5))
        if np.isfinite(low) and np.isfinite(high):
            return float(self.rng.uniform(low, high))
        kind = int(self.rng.integers(4))
        factor = 10.0 ** self.rng.uniform(-1.5, 1.5)
        sign = 1.0 if self.rng.uniform() < 0.8 else -1.0
        if kind == 0 or not self.columns:
            return float(sign * factor)
        column = self.columns[int(self.rng.integers(len(self.columns)))]
        span = float(np.ptp(column)) or float(abs(column).max()) or 1.0
        if kind == 1:
            return float(self.rng.uniform(column.min(), column.max()))
        return float(sign * factor * (span if kind == 2 else 1.0 / span))


class Term(NamedTuple):
    """Linear parameters, and those that what they multiply depends on."""

    linear: list[int]
    other: list[int]


def terms_of(formulas: RowFormulas, linear: list[int], other: list[int]) -> list[Term]:
    """Return the terms of a model that can be placed one after the other."""
    found: dict[tuple[int, ...], list[int]] = {}
    names = formulas.parameters
    for p in linear:
        used = formulas.jacobian[p].free_symbols
        own = tuple(q for q in other if names[q] in used)
        if own:
            found.setdefault(own, []).append(p)
    terms = [Term(places, list(own)) for own, places in found.items()]
    placed = {q for own in found for q in own}
    rest = [q for q in other if q not in placed]
    return [Term([], rest), *terms] if rest else terms
