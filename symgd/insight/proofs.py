"""What an analysis asks: of a formula of scalars, or of sums over rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import sympy as sp

from symgd.insight.bounded_formula import BoundedFormula
from symgd.insight.convexity import Verdict
from symgd.insight.extremes import Curvatures


class Proofs(Protocol):
    """What is proven of a formula within bounds, part by part."""

    problem: BoundedFormula

    def verdict(self, deadline: float) -> Verdict:
        """Return whether it is convex; asked first."""

    def curvatures(self, deadline: float) -> Curvatures:
        """Enclose the extreme eigenvalues of the Hessian."""

    def per_coordinate(self) -> dict[str, float]:
        """Return upper bounds of the second derivatives by one variable each."""

    def bounded_below(self, least: float) -> bool | None:
        """Return whether it is bounded below; ``least`` is its smallest curvature."""

    def gradient_norm(self, x: Sequence[float]) -> float:
        """Return at least the norm of the gradient at a point; inf if it is unknown."""

    @property
    def domain(self) -> str:
        """Where it is proven to be defined."""

    @property
    def blocks(self) -> list[list[str]]:
        """Variables that no term joins."""

    @property
    def invariances(self) -> list[dict[str, sp.Expr]]:
        """Directions along which it is the same everywhere."""

    @property
    def symmetries(self) -> list[str]:
        """Swaps and changes of signs that leave it as it is."""

    @property
    def periods(self) -> dict[str, sp.Expr]:
        """Shifts of one variable each that change nothing."""

    @property
    def is_quadratic(self) -> bool:
        """Whether its Hessian is the same everywhere."""
