"""Errors in x as well: each row's columns move to where the row costs least.

Orthogonal distance regression: the sum over rows is of ((f(x + d) - y)/sigma)**2 and of
(d/sigma_x)**2, least by d for each row by itself. What is left is a sum over parameters
alone; its slope is that at fixed d, and its curvature that of least squares with the
variance sigma**2 + (df/dx*sigma_x)**2: P. T. Boggs, R. H. Byrd and R. B. Schnabel, A
stable and efficient algorithm for nonlinear orthogonal distance regression, SIAM J.
Scientific and Statistical Computing 8 (1987). Elsewhere: total least squares, Deming.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy as sp

from symgd.calculus import derivatives
from symgd.fitting.levenberg_marquardt import Point
from symgd.fitting.regression import Regression
from symgd.fitting.rows import Rows
from symgd.fitting.rows_at_once import RowsAtOnce, point_of_rows

STEPS = 60  # of the columns, towards where a row costs least
NEAR = 1e-12  # a step, in units of sigma_x


class Moved:
    """The rows at a point, where their columns have moved to.

    Attributes
    ----------
    residuals : ndarray
        Model minus target there, not divided by sigma.
    jacobian : ndarray, shape (rows, p)
    slopes, shifts : ndarray, shape (columns, rows)
        The model's derivatives by the columns, and how far those have moved.
    """

    def __init__(
        self, values: np.ndarray, count: int, target: np.ndarray, shifts: np.ndarray
    ) -> None:
        self.residuals = values[:, 0] - target
        self.jacobian = values[:, 1 : 1 + count]
        self.slopes = values[:, 1 + count :].T
        self.shifts = shifts


class Orthogonal(RowsAtOnce):
    """The sum over rows of least squares with errors in columns, too.

    Parameters
    ----------
    formulas, columns, constants, scale
        As of :class:`Regression`; the columns hold those of the spreads.
    spreads : mapping of symbol to symbol
        For columns with errors, the columns of their standard deviations.
    """

    def __init__(self, *parts: Any, spreads: Mapping[sp.Symbol, sp.Symbol]) -> None:
        super().__init__(*parts)
        self.spreads = dict(spreads)

    def with_data(self, columns: Mapping[sp.Symbol, np.ndarray]) -> Regression:
        """Return the same with other rows."""
        parts = (self.formulas, columns, self.constants, self.scale)
        return Orthogonal(*parts, spreads=self.spreads)

    def __getstate__(self) -> dict[str, object]:
        # What is compiled belongs to a process, and what it moves to a thread.
        return {k: v for k, v in super().__getstate__().items() if k != "_moving"}

    @functools.cached_property
    def _moving(self) -> tuple[list[np.ndarray], Rows]:
        """Return columns that may be moved, and what computes the model of them."""
        formulas, used = self.formulas, self.formulas.used
        slopes = derivatives.gradient(formulas.model, tuple(self.spreads))
        held = {s: c for s, c in self.columns.items() if s in used}
        moving = {s: np.array(held[s], dtype=np.float64) for s in self.spreads}
        every = [*formulas.curve, *slopes]
        return list(moving.values()), Rows(every, self.parameters, {**held, **moving})

    @functools.cached_property
    def _widths(self) -> np.ndarray:
        """The standard deviations of columns, shape (columns, rows)."""
        of_columns = [self._values(spread) for spread in self.spreads.values()]
        return np.array([np.broadcast_to(each, self.count) for each in of_columns])

    def _at_shifts(self, x: np.ndarray, shifts: np.ndarray) -> Moved:
        columns, rows = self._moving
        for column, name, shift in zip(columns, self.spreads, shifts, strict=True):
            column[:] = self._values(name) + shift
        values = rows.each(x.tolist())
        return Moved(values, len(x), self.target, shifts)

    def _cost(self, moved: Moved) -> np.ndarray:
        """Return what each row costs."""
        aside = moved.shifts / self._widths
        return (moved.residuals / self.sigma) ** 2 + (aside**2).sum(axis=0)

    @np.errstate(all="ignore")  # what isn't finite is no step
    def moved(self, x: np.ndarray) -> Moved:
        """Return the rows where they cost least, by Gauss and Newton's steps."""
        widths, sigma = self._widths, self.sigma
        now = self._at_shifts(x, np.zeros(widths.shape))
        cost, share = self._cost(now), np.ones(self.count)
        for _ in range(STEPS):
            straight = now.residuals - (now.slopes * now.shifts).sum(axis=0)
            variance = sigma**2 + ((now.slopes * widths) ** 2).sum(axis=0)
            goal = -(widths**2) * now.slopes * straight / variance
            step = share * (goal - now.shifts)
            if not (abs(step) > NEAR * widths).any():
                break
            there = self._at_shifts(x, now.shifts + step)
            lower = self._cost(there) <= cost
            if not lower.any() and share.max() < NEAR:
                break
            share = np.where(lower, np.minimum(1.0, 2.0 * share), share / 4.0)
            shifts = np.where(lower, there.shifts, now.shifts)
            now = there if lower.all() else self._at_shifts(x, shifts)
            cost = self._cost(now)
        return now

    @np.errstate(over="ignore", invalid="ignore")
    def _point(self, x: np.ndarray) -> Point:
        moved = self.moved(x)
        spread = ((moved.slopes * self._widths) ** 2).sum(axis=0)
        root, weight = np.sqrt(self.sigma**2 + spread), np.sqrt(self.weight)
        residuals = moved.residuals * root / self.sigma**2 * weight
        rows = moved.jacobian * (weight / root)[:, None]
        size, target = float(self.weight @ self._cost(moved)), self.target * weight
        return point_of_rows(x, residuals, rows, target / root, size)
