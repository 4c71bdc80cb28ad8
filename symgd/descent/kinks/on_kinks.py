"""The end of a run at kinks, exactly: which it is at, and the point on them.

Kinks near a point are taken for those where the minimum is. On these the problem is
smooth, with equalities, and Newton's method solves it; coordinates that a kink alone
decides are put there exactly. ``kink_proof`` says whether that is a minimum.

Elsewhere: active-set identification, and the UV decomposition of nonsmooth functions.
Source: Nocedal and Wright 2006, "Numerical optimization", section 18.1.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from symgd.calculus.epigraph import MOST_OF, NORM, PAIR
from symgd.descent.ends import sizes_of
from symgd.descent.kinks.eliminating import Equalities
from symgd.descent.kinks.proof import Guess, Posed, proof
from symgd.descent.kinks.surfaces import name_of
from symgd.objectives.smooth_forms import TIP, Group, SmoothForm, reaches

NEAR = (1e-8, 1e-6, 1e-4, 1e-2)  # sizes of x: where a kink may be the one it is at
STEPS = 12  # of Newton's method
SETTLED = 1e-10  # of x, that its last step changes at most
LEAST_UNIT = 1e-3  # of the largest coordinate: what a small one is taken for
LONGEST = 80  # letters of a kink, in a message
NEIGHBOURS = (1, -1, 2, -2)  # numbers of float64, beside a computed one


class OnKinks(NamedTuple):
    """A point at kinks that is a minimum, by its multipliers.

    Attributes
    ----------
    x : ndarray
    at : list of (Group, ndarray)
        Which kinks of each part it is at.
    is_strict : bool
        Whether f rises all around, beyond doubt.
    """

    x: np.ndarray
    at: list[tuple[Group, np.ndarray]]
    is_strict: bool

    @property
    def pieces(self) -> tuple[str, ...]:
        """At which kinks it is, as they are written."""
        told = []
        for group, at in self.at:
            if group.part.kind == MOST_OF:
                at = at.sum(axis=0) > 1
            if not at.any():
                continue
            count, whole = int(at.sum()), at.size
            where = f" ({count} of {whole} of these)" if group.part.limits else ""
            text = name_of(group.part.node)
            text = text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."
            told.append(f"{text}{where}")
        return tuple(told)


def units_at(x: Sequence[float], start: Sequence[float]) -> np.ndarray:
    """Return how large coordinates are; small ones are taken for a part of others."""
    units = np.array(sizes_of(array("d", x), array("d", start)))
    return np.asarray(np.maximum(units, LEAST_UNIT * units.max()))


def on_kinks(
    problem: Posed, x: Sequence[float], prices: np.ndarray | None = None
) -> Iterator[OnKinks]:
    """Yield the points at kinks nearby that are minima, by their multipliers.

    Parameters
    ----------
    problem : Posed
    x : sequence of float
    prices : array, optional
        Multipliers of the form's relations that are nearly right.
    """
    seen: set[bytes] = set()
    form = problem.form
    with np.errstate(all="ignore"):
        z = form.lifted(x)
        if not np.isfinite(z).all():
            return
        slopes = form.slopes(z)
        for near in NEAR:
            guess = _guess(problem, z, slopes, near)
            key = b"".join(mask.tobytes() for mask in (*guess.at, guess.fixed))
            if key in seen:
                continue
            seen.add(key)
            found = _solved(problem, z, guess, prices)
            if found is None:
                continue
            there, y = found
            for multipliers in (y, prices):
                proved = proof(problem, there, guess, multipliers)
                if proved is not None:
                    pairs = list(zip(form.groups, guess.at, strict=True))
                    yield OnKinks(there, pairs, proved.is_strict)
                    break


def _guess(problem: Posed, z: np.ndarray, slopes: np.ndarray, near: float) -> Guess:
    """Return which kinks a point is at, if those so near are."""
    form, (low, high) = problem.form, problem.sides
    steps = near * problem.units
    n, c = form.count, form.at(z)[2]
    reach, spread = reaches(form, slopes, steps)
    used = np.zeros(form.rows, dtype=bool)
    used[: form.lagrangian.equalities] = True
    fixed = np.zeros(form.size, dtype=bool)
    fixed[:n] = (z[:n] <= low + steps) | (z[:n] >= high - steps)
    masks = []
    for group in form.groups:
        first = z[group.places[0]]
        if group.part.kind == PAIR:
            other = z[group.places[1]]
            at = np.maximum(first, other) <= reach[group.rows[0]]
            fixed[group.places[0][at | (first < other)]] = True
            fixed[group.places[1][at | (first >= other)]] = True
        elif group.part.kind == MOST_OF:
            at = np.array([c[rows] <= reach[rows] for rows in group.rows])
            lowest = np.argmin([c[rows] for rows in group.rows], axis=0)
            at[lowest, np.arange(len(lowest))] = True
            for rows, active in zip(group.rows, at, strict=True):
                used[rows[active]] = True
        else:
            at = first <= spread[group.places[0]]
            used[group.rows[0][~at]] = True
            fixed[group.places[0][at]] = True
            fixed[form.parts_of_norms(group, at)] = True
        masks.append(at)
    goals = np.where(problem.low == problem.high, problem.low, 0.0)
    for limit, room in (
        (problem.low, c - problem.low),
        (problem.high, problem.high - c),
    ):
        near_it = room <= reach
        used[near_it], goals[near_it] = True, limit[near_it]
    return Guess(masks, used, fixed, goals)


def _solved(
    problem: Posed, begun: np.ndarray, guess: Guess, prices: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the point on these kinks where f is stationary, with multipliers."""
    form, n = problem.form, problem.form.count
    z, fixed = begun.copy(), guess.fixed.copy()
    _put_where_fixed(problem, guess, z)
    y = np.zeros(form.rows) if prices is None else np.where(guess.rows, prices, 0.0)
    pinned = False
    for _ in range(STEPS):
        _, slope, c = form.at(z)
        c = c - guess.goals
        if prices is None and not y.any():
            equal = Equalities(form, guess.rows, ~fixed, form.curvature(z, y)[1])
            y = equal.prices(slope)
        hessian, jacobian = form.curvature(z, y)
        step = Equalities(form, guess.rows, ~fixed, jacobian).step(hessian, slope, c)
        if step is None or not np.isfinite(step[0]).all():
            return None
        z, y = z + step[0], step[1]
        if (np.abs(step[0][:n]) <= SETTLED * problem.units).all():
            if pinned:
                # What is pinned had no part in the last multipliers.
                jacobian, slope = form.curvature(z, y)[1], form.at(z)[1]
                equal = Equalities(form, guess.rows, ~guess.fixed, jacobian)
                return np.clip(z[:n], *problem.sides), equal.prices(slope)
            pinned = True
            _pin(form, guess, z, fixed)
    return None


def _put_where_fixed(problem: Posed, guess: Guess, z: np.ndarray) -> None:
    """Put what is fixed where it is to be: at bounds, and at 0 where it is a kink."""
    n, (low, high) = problem.form.count, problem.sides
    at_bounds = guess.fixed.copy()
    for group, at in zip(problem.form.groups, guess.at, strict=True):
        if group.part.kind == PAIR:
            for places in group.places:
                z[places[guess.fixed[places]]] = 0.0
        elif group.part.kind == NORM:
            z[group.places[0][at]] = TIP
            there = problem.form.parts_of_norms(group, at)
            z[there], at_bounds[there] = 0.0, False
    nearer = np.where(z[:n] - low <= high - z[:n], low, high)
    z[:n] = np.where(at_bounds[:n], nearer, z[:n])


def _pin(form: SmoothForm, guess: Guess, z: np.ndarray, fixed: np.ndarray) -> None:
    """Put coordinates exactly where kinks alone say, and keep them there."""
    jacobian = form.slopes(z)
    rows = np.array(sorted(guess.kinked_rows(form)), dtype=int)
    moving = (jacobian[rows] != 0.0) & ~fixed
    alone = (moving.sum(axis=1) == 1) & moving[:, : form.count].any(axis=1)
    rows, places = rows[alone], np.argmax(moving[alone], axis=1)
    places, firsts = np.unique(places, return_index=True)
    rows = rows[firsts]
    exact = z[places] - form.at(z)[2][rows] / jacobian[rows, places]
    trial = z.copy()
    trial[places] = exact
    best, left = exact, np.abs(form.at(trial)[2][rows])
    for k in NEIGHBOURS:  # what isn't 0 there may be beside it
        if not left.any():
            break
        trial[places] = beside = exact + k * np.spacing(exact)
        more = np.abs(form.at(trial)[2][rows])
        best, left = np.where(more < left, beside, best), np.minimum(more, left)
    z[places], fixed[places] = best, True
