"""Points from which a fit may start, group by group."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgd.fitting.aims import Aims
from symgd.fitting.draws import Draws
from symgd.fitting.levenberg_marquardt import Limits
from symgd.fitting.regression import Regression
from symgd.fitting.row_formulas import RowFormulas
from symgd.fitting.spectrum import chirps, unevenness
from symgd.fitting.trials import Solver

DRAWS = 300
TURNS = 12
TRIES = 24  # of where a term is placed
ITERATIONS = 40
PHASES = 8  # at which a chirp is tried


class Term(NamedTuple):
    """Linear parameters, and those that what they multiply depends on."""

    linear: list[int]
    other: list[int]


class Candidates:
    """Yields points: drawn, with terms placed in turn, or changed from others.

    Parameters
    ----------
    regression : Regression
    solver : Solver
        Of what is linear.
    terms : list of Term
    chirps : list of pairs of int
        Parts of the formula, that are one argument of a sine.
    draws : Draws
    aims : Aims
    """

    def __init__(
        self,
        regression: Regression,
        solver: Solver,
        terms: list[Term],
        chirps: list[tuple[int, int]],
        draws: Draws,
        aims: Aims,
    ) -> None:
        self.regression, self.solver = regression, solver
        self.terms, self.chirps = terms, chirps
        self.draws, self.aims = draws, aims

    def drawn(self) -> Iterator[np.ndarray]:
        """Yield all ones, then draws on scales of the columns and formula."""
        for draw in range(DRAWS):
            x = self.draws.simple(ones=draw == 0)
            yield self.draws.redrawn(x, self.draws.other) if draw % 2 else x

    def scaled(self) -> Any:
        """Yield draws on the scales that the formula has."""
        for _ in range(DRAWS if self.draws.scales.parts else 0):
            yield self.draws.redrawn(self.draws.somewhere(), self.draws.other)

    def in_turn(self) -> Any:
        """Yield points where one term after the other was placed on what was left."""
        if not self.terms or not self.draws.scales.parts:
            return
        for turn in range(TURNS):
            x = self.draws.redrawn(self.draws.somewhere(), self.draws.other)
            yield self._placed(x, self.aims.view() if turn else 1.0, refit=turn % 4 < 3)

    @np.errstate(all="ignore")
    def chirping(self) -> Any:
        """Yield points with frequencies that change, at any phase."""
        for pair in self.chirps:
            x = self.draws.redrawn(self.draws.somewhere(), self.draws.other)
            one, other = sorted(
                pair, key=lambda k: unevenness(self.draws.scales.at(k, x)[0])
            )
            at, bend = (
                self.draws.scales.parts[one].place,
                self.draws.scales.parts[other].place,
            )
            left = self.solver.solved(x[None], []).residuals[0]
            phase, curve = (
                self.draws.scales.at(one, x)[0],
                self.draws.scales.at(other, x)[0],
            )
            x[bend] = 0.0
            known = self.draws.scales.at(one, x)[2]
            usable = np.isfinite([left, phase, curve, known]).all()
            if not (usable and np.ptp(phase) > 0.0 and np.ptp(curve) > 0.0):
                continue  # it is a phase
            for found in chirps(phase, left, self.aims.limit(phase), curve, known):
                for _ in range(PHASES):
                    x = self.draws.redrawn(self.draws.somewhere(), self.draws.other)
                    x[at], x[bend] = found
                    yield np.clip(x, self.draws.lower, self.draws.upper)

    def _placed(self, x: np.ndarray, view: Any, refit: bool) -> np.ndarray:
        """Return a point with terms placed on what those before them leave.

        What is left counts as it is seen, so that it isn't always the same. Those that
        are placed may be fitted together, before another one is.
        """
        solved = [
            p for p in self.draws.linear if all(p not in t.linear for t in self.terms)
        ]
        done: set[int] = set()
        for term in self.terms:
            left = self.solver.solved(x[None], solved).residuals[0]
            solved = [*solved, *term.linear]
            own = [p for p in term.other if p not in done]
            done.update(own)
            tries = np.array(
                [self.aims.aimed(x, own, view * left) for _ in range(TRIES)]
            )
            tried = self.solver.solved(tries, solved)
            x = tried.points[np.argmin(tried.costs)]
            if refit:
                x = self._refitted(x, [*solved, *done])
        return x

    def _refitted(self, x: np.ndarray, places: list[int]) -> np.ndarray:
        """Return the end of a short descent along some parameters."""
        lower, upper, draws = x.copy(), x.copy(), self.draws
        lower[places], upper[places] = draws.lower[places], draws.upper[places]
        if not self.regression.gauss_newton(x).finite:
            return x
        ended = self.regression.minimize(x, lower, upper, Limits(1e-3, ITERATIONS))
        return ended.point.x if ended.point.finite else x

    def _left_without(self, term: Term, x: np.ndarray) -> np.ndarray:
        """Return what is left at a point where a term isn't."""
        others = [p for p in self.draws.linear if p not in term.linear]
        left: np.ndarray = self.solver.solved(x[None], others).residuals[0]
        return left

    def exchanged(self, x: np.ndarray) -> Iterator[np.ndarray]:
        """Yield points where two terms stand in each other's place."""
        for one, two in itertools.combinations(self.terms, 2):
            if len(one.other) == len(two.other):
                there = x.copy()
                there[one.other], there[two.other] = x[two.other], x[one.other]
                yield np.clip(there, self.draws.lower, self.draws.upper)

    def changed(self, bases: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield points of which some parameters are redrawn."""
        whole = Term([], self.draws.other)
        parts = [term for term in self.terms if len(term.other) < len(self.draws.other)]
        aims = [
            (base, term, self._left_without(term, base))
            for base in bases
            for term in [whole, *parts]
        ]
        for draw in range(DRAWS):
            base, term, left = aims[draw % len(aims)]
            some = term.other
            if term is whole:
                count = int(self.draws.rng.integers(1, 4))
                some = self.draws.rng.permutation(some)[:count].tolist()
            yield self.aims.aimed(base, some, left)


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
