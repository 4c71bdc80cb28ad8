"""What rows add to a fit: functions of a regression that has them.

Where rows are in several places, what they return is added, or it is an extreme of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from symgd.fitting.likelihoods import family
from symgd.objectives.data import digest_of
from symgd.objectives.scattered.partitions import added

Regression: TypeAlias = Any  # it stands above
BLOCK = 2**17  # rows, whose Jacobian is in memory at a time


class Extent(NamedTuple):
    """How large the numbers of rows are."""

    least: float  # of the target
    most: float
    least_sigma: float
    most_sigma: float

    @property
    def largest(self) -> float:
        """The largest size of the target."""
        return max(self.most, -self.least)

    @classmethod
    def of_all(cls, parts: Sequence[Extent]) -> Extent:
        """Return that of rows in several places."""
        if len(parts) == 1:
            return parts[0]
        least, most, least_sigma, most_sigma = zip(*parts, strict=True)
        return cls(min(least), max(most), min(least_sigma), max(most_sigma))


def extent(regression: Regression) -> Extent:
    """Return how large the numbers of rows are."""
    target, sigma = regression.target, regression.sigma
    sides = (sigma[0],) * 2 if sigma.strides == (0,) else (sigma.min(), sigma.max())
    return Extent(*map(float, (target.min(), target.max(), *sides)))


def weighing(regression: Regression) -> int:
    """Return how many rows have another weight than 0."""
    weight = regression.weight
    return len(weight) if weight.strides == (0,) else int(np.count_nonzero(weight))


def largest_ratio(regression: Regression) -> float:
    """Return the largest size of the target, in units of sigma."""
    return float(abs(regression.target / regression.sigma).max())


def totals(regression: Regression, kind: str, at: list[float]) -> np.ndarray:
    """Return the sums over rows of the formulas of a kind."""
    found: np.ndarray = regression.rows(kind).totals(at)
    return found


# R of the Jacobian's QR, the gradient, and the sizes of rest and target; None if they
# aren't finite.
Factored: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray] | None


def factored(regression: Regression, x: np.ndarray) -> Factored:
    """Return what a factor of the rows is made of, block by block."""
    count, columns = regression.count, regression.columns.items()
    if count <= BLOCK:
        return _factored(regression, x)
    blocks = [
        regression.with_data({s: each[k : k + BLOCK] for s, each in columns})
        for k in range(0, count, BLOCK)
    ]
    return factored_together([_factored(block, x) for block in blocks])


def factored_together(parts: Sequence[Factored]) -> Factored:
    """Return what is made of that of several blocks of rows."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    factors, gradients, sizes = zip(*known, strict=True)
    factor: Any = factors[0]
    if len(factors) > 1:
        factor = np.linalg.qr(np.concatenate(factors), mode="r")
    return factor, added(gradients), added(sizes)


@np.errstate(over="ignore", invalid="ignore")  # what isn't finite is no step
def _factored(regression: Regression, x: np.ndarray) -> Factored:
    predicted, jacobian = regression.curve(x)
    unit = np.sqrt(regression.weight) / regression.sigma
    residuals = (predicted - regression.target) * unit
    rows = jacobian * unit[:, None]
    if not (np.isfinite(rows).all() and np.isfinite(residuals).all()):
        return None
    target = np.sum((regression.target * unit) ** 2)
    sizes = np.array([residuals @ residuals, target])
    factor: Any = np.linalg.qr(rows, mode="r")
    return factor, rows.T @ residuals, sizes


def slopes(regression: Regression, x: np.ndarray) -> np.ndarray:
    """Return in how many rows the model depends on each parameter, and the squares."""
    jacobian = regression.curve(x)[1]
    rows = jacobian * regression.unit[:, None]
    return np.array(
        [np.count_nonzero(jacobian, axis=0), np.einsum("np,np->p", rows, rows)]
    )


def some_columns(regression: Regression, step: int) -> dict[Any, np.ndarray]:
    """Return the columns of one row of so many, drawn from all."""
    columns, count = regression.columns.items(), regression.count
    if step == 1:
        return dict(columns)
    # Drawn, as rows may repeat a pattern.
    rows = np.random.default_rng(0).choice(count, -(-count // step), replace=False)
    rows.sort()
    return {s: np.asarray(column)[rows] for s, column in columns}


def digests(regression: Regression) -> dict[str, list[str]]:
    """Return what tells targets, and how they count, from others."""
    columns = {
        what: getattr(regression, what) for what in ("target", "sigma", "weight")
    }
    return {what: digest_of({what: column}) for what, column in columns.items()}


def moments(regression: Regression) -> np.ndarray:
    """Return the sum of what rows weigh, and of that times the target."""
    weight = regression.weight / regression.sigma**2
    return np.array([weight.sum(), (regression.target * weight).sum()])


def squares_about(regression: Regression, at: float) -> float:
    """Return the weighted sum of squares about a constant."""
    centred = (regression.target - at) / regression.sigma
    return float(np.sum(regression.weight * centred**2))


def squares_left(regression: Regression, x: np.ndarray) -> float:
    """Return the weighted sum of squares that a curve leaves."""
    return float(np.sum(regression.weight * regression.residuals(x) ** 2))


def target_sides(regression: Regression) -> tuple[float, float]:
    """Return the least and the largest target of the rows that count."""
    target = regression.target[regression.weight > 0.0]
    return float(target.min()), float(target.max())


def saturated(regression: Regression) -> float:
    """Return the log-likelihood of rows that are met exactly."""
    rows = family(regression.loss.name).saturated(regression.target, regression.weight)
    return float(rows.sum())


def log_units(regression: Regression) -> float:
    """Return the sum of the logarithms of what makes differences residuals."""
    weight = regression.weight
    kept = weight > 0.0
    with np.errstate(divide="ignore"):  # a row of weight 0 in large data
        logs = np.log(weight[kept]).sum() / 2.0 - np.log(regression.sigma[kept]).sum()
    return float(logs)
