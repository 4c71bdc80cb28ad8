"""What is proven of a formula of scalars, by its separable parts."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Sequence

import numpy as np
import sympy as sp

from symgd.insight import convexity, domains, exact, extremes, facts
from symgd.insight.bounded_formula import BoundedFormula
from symgd.insight.convexity import Verdict
from symgd.insight.extremes import Curvatures, Enclosure
from symgd.insight.second_derivatives import Derivatives
from symgd.insight.tape import NotEnclosed


class ScalarProofs:
    """The proofs of a formula of scalars within bounds.

    Parameters
    ----------
    problem : BoundedFormula
    """

    def __init__(self, problem: BoundedFormula) -> None:
        self.problem = problem
        whole = (problem.expression, problem.symbols, problem.box)
        self._parts = convexity.parts_of_sum(*whole)
        self._verdicts: list[Verdict] = []

    def verdict(self, deadline: float) -> Verdict:
        """Return whether it is convex."""
        self._verdicts = []
        for k, (derived, box) in enumerate(self._parts):
            left = deadline - time.monotonic()
            until = time.monotonic() + max(0.02, left / (len(self._parts) - k))
            self._verdicts.append(convexity.verdict(derived, box, until))
        return convexity.verdict_of_parts(self._verdicts)

    def curvatures(self, deadline: float) -> Curvatures:
        """Enclose the extreme curvatures; the verdict must be there."""
        found = []
        for k, (derived, box) in enumerate(self._parts):
            left = deadline - time.monotonic()
            until = time.monotonic() + max(0.02, left / (len(self._parts) - k))
            known = self._verdicts[k]
            signs = bool(known.convex), bool(known.concave)
            found.append(extremes.curvatures(derived, box, until, *signs))
        if sum(derived.n for derived, _ in self._parts) < len(self.problem.symbols):
            flat = Enclosure(0.0, 0.0)
            found.append(Curvatures(flat, flat))
        return extremes.of_parts(found)

    def per_coordinate(self) -> dict[str, float]:
        """Return upper bounds of the second derivatives by one variable each."""
        found = dict.fromkeys(self.problem.names, 0.0)
        for derived, box in self._parts:
            each = extremes.per_coordinate(derived, box, time.monotonic() + 0.2)
            found |= dict(zip((s.name for s in derived.symbols), each, strict=True))
        return found

    @functools.cached_property
    def _derived(self) -> Derivatives:
        return Derivatives(self.problem.expression, self.problem.symbols)

    @property
    def domain(self) -> str:
        """Where it is proven to be defined."""
        return domains.domain(self._parts)

    @property
    def blocks(self) -> list[list[str]]:
        """Variables that no term joins."""
        return [[s.name for s in derived.symbols] for derived, _ in self._parts]

    def bounded_below(self, least: float) -> bool | None:
        """Return whether f is proven to be bounded below, or not to be."""
        parts = [
            facts.bounded_below(derived, box, verdict.convex, least)
            for (derived, box), verdict in zip(self._parts, self._verdicts, strict=True)
        ]
        if False in parts:
            return False
        return True if all(parts) else None

    @property
    def invariances(self) -> list[dict[str, sp.Expr]]:
        """Directions along which f is the same everywhere."""
        return facts.invariances(self.problem.expression, self.problem.symbols)

    @property
    def symmetries(self) -> list[str]:
        """Swaps and changes of signs that leave f as it is."""
        return facts.symmetries(self.problem.expression, self.problem.symbols)

    @property
    def periods(self) -> dict[str, sp.Expr]:
        """Shifts of one variable each that change nothing."""
        return facts.periods(self.problem.expression, self.problem.symbols)

    @functools.cached_property
    def is_quadratic(self) -> bool:
        """Whether it is a polynomial of degree two at most."""
        names = list(self.problem.symbols)
        return exact.quadratic(self.problem.expression, names) is not None

    def gradient_norm(self, x: Sequence[float]) -> float:
        """Return at least the norm of the gradient at a point; inf if it is unknown."""
        point = np.array(x, float).reshape(-1, 1)
        try:
            low, high, _ = self._derived.slopes(point, point)
        except NotEnclosed:
            return math.inf
        return float(np.sqrt((np.maximum(np.abs(low), np.abs(high)) ** 2).sum()))
