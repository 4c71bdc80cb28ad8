"""Whether a formula is convex on a box: proven, refuted by a witness, or open.

In this order: what is separable apart; quadratics in fractions; rules; a witness; the
Hessian on boxes that are split until it is semidefinite on each.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import sympy as sp

from symgd.insight import exact, witnesses
from symgd.insight.boxes import Box, fewer, halves, indivisible, middles
from symgd.insight.compositions import AFFINE, Rules
from symgd.insight.deadlines import is_past
from symgd.insight.second_derivatives import Derivatives
from symgd.insight.tape import NotEnclosed
from symgd.insight.univariate import CONCAVE, CONVEX
from symgd.insight.witnesses import Chord, RowWitness, Witness

POINTS = 600
PACK = 512  # boxes at a time
MOST_BOXES = 200_000


@dataclass(frozen=True)
class Verdict:
    """What is proven of a formula, or of a part of it.

    Attributes
    ----------
    convex, concave : bool or None
        None: neither proven nor refuted.
    reason : str
    witness : Witness, RowWitness, Chord or None
        Of what isn't convex.
    blame : SymPy expression or None
        Of what isn't convex the worst term; of what is open the innermost node about
        which no rule tells anything.
    """

    convex: bool | None
    concave: bool | None
    reason: str
    witness: Witness | RowWitness | Chord | None = None
    blame: sp.Expr | None = None

    @property
    def curvature(self) -> str:
        """In a word or two."""
        if self.convex and self.concave:
            return "affine"
        if self.convex or self.concave:
            return "convex" if self.convex else "concave"
        return "unknown" if self.convex is None else "not convex"


def verdict_of_parts(verdicts: Sequence[Verdict]) -> Verdict:
    """Return what is proven of a sum of parts that share no variable."""
    if not verdicts:
        return Verdict(True, True, "a constant")
    for each in verdicts:
        if each.convex is False and not all(v.concave for v in verdicts):
            return Verdict(False, None, each.reason, each.witness, each.blame)
    convex = _all(v.convex for v in verdicts)
    concave = _all(v.concave for v in verdicts)
    open_ = [v for v in verdicts if v.convex is None and not v.concave]
    shown = open_ if convex is None and not concave else verdicts
    reasons = "; ".join(dict.fromkeys(v.reason for v in shown if v.reason))
    first = next((v for v in verdicts if v.witness), shown[0] if shown else verdicts[0])
    return Verdict(convex, concave, reasons, first.witness, first.blame)


def _all(values: Iterable[bool | None]) -> bool | None:
    known = list(values)
    if all(known):
        return True
    return False if False in known else None


def verdict(derived: Derivatives, box: Box, deadline: float) -> Verdict:
    """Return what is proven of a formula that has no separable parts.

    Parameters
    ----------
    derived : Derivatives
    box : Box
        Of sides that aren't equal.
    deadline : float
        Of ``time.monotonic()``.
    """
    expression, names = derived.expression, derived.symbols
    found = exact.quadratic(expression, names)
    if found is not None and len(names) <= exact.MOST_SIZE:
        return _of_quadratic(found, derived)
    half = time.monotonic() + 0.5 * (deadline - time.monotonic())
    rules = Rules(names, box, half)
    try:
        bits = rules(expression)
    except RecursionError:
        bits = 0
    reason = rules.reasons.get(expression, "")
    if bits == AFFINE:
        return Verdict(True, True, reason)
    if bits == CONVEX:
        return Verdict(True, None, reason)
    witness = _witness(derived, box, deadline)
    if bits == CONCAVE:
        return Verdict(None if witness is None else False, True, reason, witness)
    if witness is None:
        return _by_boxes(derived, box, deadline, rules.open)
    if _may_be_concave(derived, box):
        mirror = Derivatives(-expression, names)
        other = _by_boxes(mirror, box, deadline, None)
        if other.convex:
            return Verdict(False, True, other.reason, witness)
    return _refuted(derived, witness)


def _refuted(derived: Derivatives, witness: Witness | Chord) -> Verdict:
    blame = witnesses.to_blame(derived.expression, witness)
    return Verdict(False, None, str(witness), witness, blame)


def _of_quadratic(found: exact.ExactQuadratic, derived: Derivatives) -> Verdict:
    falling = exact.falling_direction(found.hessian)
    rising = exact.falling_direction(exact.negated(found.hessian))
    kind = "a quadratic with a {} semidefinite matrix, in fractions"
    if falling is None:
        return Verdict(True, None if rising else True, kind.format("positive"))
    witness = _of_fractions(found.hessian, falling, derived)
    if rising is None:
        return Verdict(False, True, kind.format("negative"), witness)
    if witness is None:
        return Verdict(False, None, "a quadratic with an indefinite matrix")
    return _refuted(derived, witness)


def _of_fractions(
    hessian: exact.Matrix, direction: list[Fraction], derived: Derivatives
) -> Witness | None:
    """Return the witness of a quadratic, unless floats are too few to show it."""
    size = max(map(abs, direction))
    rounded = [Fraction(float(v / size)) for v in direction]
    value = exact.form_of(hessian, rounded)
    if value >= 0:
        return None
    names = [s.name for s in derived.symbols]
    v = dict(zip(names, map(float, rounded), strict=True))
    curvature = float(value)
    return Witness(dict.fromkeys(names, 0.0), v, curvature, derived.expression)


def _witness(derived: Derivatives, box: Box, deadline: float) -> Witness | Chord | None:
    for points in (
        box.points(0),
        box.points(fewer(POINTS, box.n)),
    ):  # first the simple ones
        found = witnesses.negative_curvature(derived, box, points)
        if found is not None:
            return found
    return None if is_past(deadline) else witnesses.chord(derived, box)


def _may_be_concave(derived: Derivatives, box: Box) -> bool:
    points = box.points(fewer(50, box.n), seed=1)
    try:
        found = derived.curvature(points, points)
    except NotEnclosed:
        return False
    fine = np.isfinite(found.low).all((1, 2)) & np.isfinite(found.high).all((1, 2))
    middle = 0.5 * found.low[fine] + 0.5 * found.high[fine]
    if not len(middle):
        return False
    size = np.abs(middle).max()
    return bool((np.linalg.eigvalsh(middle)[:, -1] <= 1e-9 * size).all())


def _by_boxes(
    derived: Derivatives, box: Box, deadline: float, blame: sp.Expr | None
) -> Verdict:
    """Split the box until the Hessian is semidefinite on each part, or not at all."""
    lower, upper, total = box.lower, box.upper, 0
    pack = fewer(PACK, box.n)
    try:
        while lower.shape[1]:
            if is_past(deadline) or lower.shape[1] > MOST_BOXES:
                open_ = f"{lower.shape[1]} of {total} boxes"
                reason = f"its Hessian on boxes is undecided on {open_}"
                return Verdict(None, None, reason, None, blame)
            a, b = lower[:, -pack:], upper[:, -pack:]
            lower, upper = lower[:, :-pack], upper[:, :-pack]
            total += a.shape[1]
            left = ~derived.convex_on(a, b)
            a, b = a[:, left], b[:, left]
            if not a.shape[1]:
                continue
            witness = witnesses.negative_curvature(derived, box, middles(a, b))
            if witness is not None:
                return _refuted(derived, witness)
            if indivisible(a, b).any():
                reason = "its Hessian can't be proven semidefinite around"
                where = _point(derived, middles(a, b)[:, 0])
                return Verdict(None, None, f"{reason} {where}", None, blame)
            a, b = halves(a, b)
            lower, upper = np.hstack([lower, a]), np.hstack([upper, b])
    except NotEnclosed as error:
        reason = f"no rule tells, and {error}"
        return Verdict(None, None, reason, None, blame or error.node)
    reason = f"its Hessian is positive semidefinite on each of {total} boxes"
    return Verdict(True, None, reason)


def _point(derived: Derivatives, point: np.ndarray) -> str:
    pairs = zip(derived.symbols, point.tolist(), strict=True)
    return ", ".join(f"{s.name}={value:.6g}" for s, value in pairs)


def parts_of_sum(
    expression: sp.Expr, names: Sequence[sp.Symbol], box: Box
) -> list[tuple[Derivatives, Box]]:
    """Return the separable parts of a formula, each with its box."""
    made = []
    for part in exact.separated(expression):
        mine = [s for s in names if s in part.free_symbols]
        made.append((Derivatives(part, mine), box.part([names.index(s) for s in mine])))
    return made
