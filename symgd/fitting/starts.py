"""Where a fit begins: linear parameters are solved for, the others tried.

For given values of the rest, parameters in which the model is linear are found by
linear least squares, so that only the rest must be searched (G. H. Golub and V.
Pereyra, The differentiation of pseudo-inverses and nonlinear least squares problems
whose variables separate, SIAM J. Numerical Analysis 10, 1973).

Elsewhere: initial guesses, and variable projection.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from symgd.fitting.levenberg_marquardt import Limits
from symgd.fitting.regression import Regression
from symgd.fitting.row_formulas import RowFormulas

ROWS = 200  # on which starts are tried
DRAWS = 300
REFINED = 6  # of them, by a short descent each
ITERATIONS = 40
CHOOSING = (sp.Max, sp.Min, sp.Abs, sp.sign, sp.Heaviside, sp.floor, sp.ceiling, sp.Mod)
REWEIGHTED = 5  # solutions on the way to the absolute loss


def linear_parameters(formulas: RowFormulas) -> list[int]:
    """Return places of parameters in which the model is linear, jointly.

    >>> import sympy as sp
    >>> from symgd.fitting import losses
    >>> from symgd.fitting.row_formulas import row_formulas
    >>> a, b, c, t, y = sp.symbols("a b c t y", real=True)
    >>> model, one = a * sp.exp(-b * t) + c, sp.S.One
    >>> squared = losses.read("squared", {})
    >>> linear_parameters(row_formulas(model, (a, b, c), y, one, one, squared))
    [0, 2]
    """
    rows = formulas.hessian.tolist()
    bent = np.array([[each != 0 for each in row] for row in rows])
    chosen: list[int] = []
    choosing = _choosing(formulas.model)
    choosers = [p in choosing for p in formulas.parameters]
    for place in np.argsort(bent.sum(axis=1), kind="stable").tolist():
        if not (choosers[place] or bent[place, [*chosen, place]].any()):
            chosen.append(place)
    return sorted(chosen)


def _choosing(model: sp.Expr) -> set[sp.Basic]:
    """Return the names that a choice depends on: where it changes, nothing is linear.

    >>> from symgd.language.formula import read
    >>> _choosing(read("a*x + b*max(x - c, 0)"))
    {c, x}
    """
    found: set[sp.Basic] = set()
    for node in model.atoms(*CHOOSING):
        found |= node.free_symbols
    for node in model.atoms(sp.Piecewise):
        for _, condition in node.args:
            found |= condition.free_symbols
    return found


class Search:
    """A search for a start, with some parameters perhaps given (the others NaN).

    A point ``near`` which the start may be is tried too.
    """

    def __init__(
        self,
        regression: Regression,
        given: np.ndarray,
        lower: Any,
        upper: Any,
        rng: Any,
        near: Any = None,
    ) -> None:
        self.whole, self.near = regression, near
        step = max(1, regression.count // ROWS)
        thinned = {s: each[::step] for s, each in regression.columns.items()}
        self.regression = regression.with_data(thinned).counted
        self.given, self.lower, self.upper, self.rng = given, lower, upper, rng
        unknown = np.isnan(given)
        self.linear = [p for p in linear_parameters(regression.formulas) if unknown[p]]
        self.other = [
            p for p in np.flatnonzero(unknown).tolist() if p not in self.linear
        ]
        used = regression.formulas.model.free_symbols
        columns = [each for s, each in self.regression.columns.items() if s in used]
        self.columns = [np.asarray(each, dtype=np.float64) for each in columns]
        self.wanted = self.regression.target
        self.unit = np.sqrt(self.regression.weight) / self.regression.sigma

    def best(self) -> np.ndarray | None:
        """Return the best start found; None if the model is finite at none."""
        if not self.other:
            return self._completed(self.given)[1]
        draws = [self._completed(x) for x in self._candidates()]
        draws = sorted((d for d in draws if d[1] is not None), key=lambda d: d[0])
        ends = [self._refined(x) for _, x in draws[:REFINED]]
        return min(ends, key=lambda end: end[0])[1] if ends else None

    def _refined(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        limits = Limits(1e-3, ITERATIONS)
        point, _, _ = self.regression.minimize(x, self.lower, self.upper, limits)
        return point.fun, point.x

    @np.errstate(over="ignore", invalid="ignore")  # such starts are not taken
    def _completed(self, x: np.ndarray) -> tuple[float, Any]:
        """Solve for what is linear; return the cost, and the point if it is finite."""
        x = x.copy()
        x[self.linear] = 0.0
        predicted, jacobian = self.regression.curve(x)
        design = jacobian[:, self.linear] * self.unit[:, None]
        rest = (self.wanted - predicted) * self.unit
        if not (np.isfinite(design).all() and np.isfinite(rest).all()):
            return np.inf, None
        x[self.linear] = self._solved(design, rest)
        x = np.clip(x, self.lower, self.upper)
        residuals = rest - design @ x[self.linear]
        finite = self.regression.gauss_newton(x).finite
        return float(abs(residuals).sum()), x if finite else None

    def _solved(self, design: np.ndarray, rest: np.ndarray) -> np.ndarray:
        """Return the linear parameters, for any other loss than squares robustly."""
        solved = np.linalg.lstsq(design, rest, rcond=1e-12)[0]
        for _ in range(0 if self.regression.loss.squares else REWEIGHTED):
            sizes = abs(rest - design @ solved)
            root = 1.0 / np.sqrt(sizes + 1e-3 * sizes.mean() + 1e-300)
            rows = design * root[:, None]
            if not np.isfinite(rows).all():
                break
            solved = np.linalg.lstsq(rows, rest * root, rcond=1e-12)[0]
        return solved

    def _candidates(self) -> Any:
        """Yield points: all ones, then draws on the scales that the columns have."""
        for draw in range(DRAWS):
            x = self.given.copy()
            x[self.other] = [self._drawn(p) if draw else 1.0 for p in self.other]
            yield np.clip(x, self.lower, self.upper)
        if self.near is not None:
            yield self.near

    def _drawn(self, place: int) -> float:
        """Draw a value of a parameter that a scale of some column suggests.

        It may be a place in the column (a centre), a length (a width), or the inverse
        of one (a rate or a frequency); between two bounds, anything.
        """
        low, high = self.lower[place], self.upper[place]
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
