"""Whether a point at kinks is a minimum: 0 is a mean of the gradients on all sides.

The weights of that mean are multipliers of the smooth form's relations, of which each
has its limits; and f must curve upwards along the kinks.

Elsewhere: the subdifferential, strict complementarity, second-order conditions.
Sources: Nocedal and Wright 2006, "Numerical optimization", sections 12.3 and 12.5;
Rockafellar and Wets 1998, "Variational analysis".
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from symgd.calculus.epigraph import MOST_OF, NORM, PAIR
from symgd.descent.kinks.eliminating import Equalities
from symgd.objectives.smooth_forms import TIP, Group, SmoothForm, reaches

RESIDUAL = 1e-9  # of the largest gradient: what is left of a mean that is 0
STRICT = 1e-6  # likewise: how far inside of its limits a multiplier is to be
ON = 1e-12  # sizes of x: what is at a kink
CURVED = 1e-8  # of the gradient, what curvature changes of it: what is 0
BENT = 1e-7  # of the largest second derivative: what isn't 0


@dataclasses.dataclass
class Posed:
    """A smooth form, and what is asked of its ends.

    Attributes
    ----------
    form : SmoothForm
    sides : pair of arrays
        The bounds of x.
    units : array
        How large coordinates are.
    gtol : float
        What may be left of the mean of gradients; 0 is a part of them.
    limits : pair of arrays, optional
        The sides of relations that are the problem's own; infinite for others.
    """

    form: SmoothForm
    sides: tuple[np.ndarray, np.ndarray]
    units: np.ndarray
    gtol: float
    limits: tuple[np.ndarray, np.ndarray] | None = None

    def __post_init__(self) -> None:
        if self.limits is None:
            free = np.full(self.form.rows, np.inf)
            self.limits = -free, free
        self.low, self.high = self.limits


class Guess(NamedTuple):
    """Which kinks a point is taken to be at.

    Attributes
    ----------
    at : list of arrays
        Of each group's kinks; of choices, which pieces are extreme.
    rows : array
        Which relations are equalities then.
    fixed : array
        Which coordinates don't move.
    goals : array
        What relations are equal to.
    """

    at: list[np.ndarray]
    rows: np.ndarray
    fixed: np.ndarray
    goals: np.ndarray

    def kinked_rows(self, form: SmoothForm) -> set[int]:
        """Return the relations of which what is 0 at a kink is told."""
        found: set[int] = set()
        for group, at in zip(form.groups, self.at, strict=True):
            if group.part.kind == PAIR:
                found.update(group.rows[0][at].tolist())
            elif group.part.kind == NORM:
                own = set(form.parts_of_norms(group, at).tolist())
                for places, rows in zip(group.places[1:], group.rows[1:], strict=True):
                    pairs = zip(places.tolist(), rows.tolist(), strict=True)
                    found.update(row for place, row in pairs if place in own)
        return found


class Proof(NamedTuple):
    """That a point is a minimum; strictly so, if f rises all around beyond doubt."""

    is_strict: bool


class _Gradients(NamedTuple):
    """What is left of the mean of gradients, and what it is compared with."""

    left: np.ndarray
    scale: np.ndarray
    allowed: np.ndarray

    @property
    def steepest(self) -> float:
        """The largest."""
        return float(self.scale.max())


def proof(
    problem: Posed, x: np.ndarray, guess: Guess, prices: np.ndarray | None
) -> Proof | None:
    """Return whether multipliers prove a point to be a minimum; None if they don't."""
    form = problem.form
    z = form.lifted(x.tolist())
    if prices is None or not np.isfinite(z).all():
        return None
    for group, at in zip(form.groups, guess.at, strict=True):
        if group.part.kind == NORM:
            z[group.places[0][at]] = TIP
            z[form.parts_of_norms(group, at)] = 0.0
    if not np.array_equal(z[: form.count], x):
        return None
    if not _is_there(problem, guess, z):
        return None
    y = np.where(guess.rows, prices, 0.0)
    hessian, jacobian = form.curvature(z, y)
    gradients = _gradients(problem, z, y, hessian, jacobian)
    if gradients is None:
        return None
    margin = _margin(problem, guess, z, y, gradients)
    if margin is None:
        return None
    own = _inside_of_limits(problem, guess, y, jacobian) / gradients.steepest
    if not (least := float(own.min(initial=np.inf))) >= -RESIDUAL:
        return None
    margin = min(margin, least)
    equal = Equalities(form, guess.rows, ~guess.fixed, jacobian)
    curvatures = equal.curvatures(hessian)
    if curvatures is None:
        return None
    lowest = float(curvatures.min(initial=np.inf))
    if lowest < -BENT * float(np.abs(hessian).max(initial=0.0)):
        return None
    # In a tail f curves upwards, too, but by less than is seen of its slopes.
    seen = lowest * float(problem.units.min()) > CURVED * gradients.steepest
    return Proof(bool(margin > STRICT and seen))


def _is_there(problem: Posed, guess: Guess, z: np.ndarray) -> bool:
    """Return whether a point is at the kinks it is taken to be at, and at no others."""
    form = problem.form
    c, slopes = form.at(z)[2], form.slopes(z)
    small, spread = reaches(form, slopes, ON * problem.units)
    for group, at in zip(form.groups, guess.at, strict=True):
        if group.part.kind == PAIR:
            p, q = (z[places] for places in group.places)
            if (np.maximum(p, q) > small[group.rows[0]])[at].any():
                return False
            is_above = ~guess.fixed[group.places[0]]
            if (np.where(is_above, p < q, p > q) & ~at).any():
                return False
        elif group.part.kind == MOST_OF:
            for rows, active in zip(group.rows, at, strict=True):
                allowed = small[rows] + ON * np.abs(z[group.places[0]])
                if (c[rows] > allowed)[active].any():
                    return False
        elif (form.norms(group, z) > spread[group.places[0]])[at].any():
            return False
    own = guess.rows & (np.isfinite(problem.low) | np.isfinite(problem.high))
    if (np.abs(c - guess.goals) > small)[own].any():
        return False
    return bool((np.maximum(problem.low - c, c - problem.high) <= small).all())


def _gradients(
    problem: Posed,
    z: np.ndarray,
    y: np.ndarray,
    hessian: np.ndarray,
    jacobian: np.ndarray,
) -> _Gradients | None:
    """Return what is left of the gradients, beside the largest of what was added.

    Of x that is also what a step of its size changes. What stands for kinks has
    multipliers of one size.
    """
    form, n = problem.form, problem.form.count
    own, left = form.at(z)[1], form.at(z, y)[1]
    terms = np.abs(y[:, None] * jacobian).max(axis=0, initial=0.0)
    scale = np.maximum(np.abs(own), terms)
    scale[:n] = np.maximum(scale[:n], np.abs(hessian[:n, :n]) @ problem.units)
    scale[n:] = scale[n:].max(initial=0.0)
    if not (np.isfinite(left).all() and np.isfinite(scale).all()):
        return None
    allowed = RESIDUAL * scale
    if problem.gtol > 0.0:
        allowed[:n] = problem.gtol
    return _Gradients(left, np.maximum(scale, 1e-300), allowed)


def _margin(
    problem: Posed, guess: Guess, z: np.ndarray, y: np.ndarray, of: _Gradients
) -> float | None:
    """Return how far multipliers are inside of their limits; None if they aren't."""
    form, n = problem.form, problem.form.count
    insides: list[np.ndarray] = []  # how far inside, and what is allowed to miss
    tied = np.zeros(form.size, dtype=bool)  # by limits, not by equality
    for group, at in zip(form.groups, guess.at, strict=True):
        if group.part.kind == PAIR:
            for places in group.places:
                held = places[guess.fixed[places]]
                tied[held] = True
                insides.append(of.left[held] / of.scale[held])
        elif group.part.kind == MOST_OF:
            # Of sign*(t - piece) >= 0, multipliers are at most 0, and their sum is set.
            scale = of.scale[group.places[0]]
            choice = at.sum(axis=0) > 1
            insides += [
                (-y[rows] / scale)[active & choice]
                for rows, active in zip(group.rows, at, strict=True)
            ]
        else:
            inside, there = _inside_of_norms(form, group, at, of)
            if tied[there].any() or len(set(there.tolist())) < len(there):
                return None  # of two norms: their gradients would be to be told apart
            tied[there] = tied[group.places[0][at]] = True
            insides.append(inside)
    lower, upper = problem.sides
    fixed = guess.fixed[:n] & ~tied[:n]
    low, high = fixed & (z[:n] <= lower), fixed & (z[:n] >= upper)
    held = of.left[:n] * (1.0 * low - 1.0 * high) / of.scale[:n]
    insides.append(held[low ^ high])
    equal = ~tied
    equal[:n] &= ~(low | high)
    if (np.abs(of.left) > of.allowed)[equal].any():
        return None
    margin = min((float(each.min(initial=np.inf)) for each in insides), default=np.inf)
    return margin if margin >= -RESIDUAL else None


def _inside_of_limits(
    problem: Posed, guess: Guess, y: np.ndarray, jacobian: np.ndarray
) -> np.ndarray:
    """Return how far the gradients of inequalities hold a point to their sides."""
    held = guess.rows & (problem.low < problem.high)
    held &= np.isfinite(problem.low) | np.isfinite(problem.high)
    outward = np.where(guess.goals == problem.low, -y, y)
    return np.asarray((outward * np.abs(jacobian).max(axis=1, initial=0.0))[held])


def _inside_of_norms(
    form: SmoothForm, group: Group, at: np.ndarray, of: _Gradients
) -> tuple[np.ndarray, np.ndarray]:
    """Return how far gradients are inside of a norm's, and of which coordinates."""
    places, weights = form.components(group)
    places, weights = places[at], weights[at]
    whole = group.places[0][at]
    squares = of.left[places] ** 2 / np.where(weights > 0.0, weights, 1.0)
    length = np.sqrt(np.where(weights > 0.0, squares, 0.0).sum(axis=1))
    return (of.left[whole] - length) / of.scale[whole], places[weights > 0.0]
