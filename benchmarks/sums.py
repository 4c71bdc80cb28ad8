"""Objectives with sums over indices, and what is asked for each.

symgd gets the formulas; the others get them by hand, vectorised, in their modules. A
result is a value and an array: where the steps end, or the gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CHAIN = "sum(100*(x[i+1] - x[i]**2)**2 + (1 - x[i])**2 for i in range(n - 1))"
ENERGY = (
    "sum((u[i+1,j] - u[i,j])**2 for i in range(n - 1) for j in range(m))"
    " + sum((u[i,j+1] - u[i,j])**2 for i in range(n) for j in range(m - 1))"
)
LOGISTIC = (
    "sum(log(1 + exp(-y[i]*sum(A[i, j]*w[j] for j in range(d)))) for i in range(n))"
)
FEATURES = 10  # columns of A
Answer = tuple[float, np.ndarray]


@dataclass(frozen=True)
class Steps:
    """Steps of gradient descent from a start, and the value where they end.

    Everyone computes the value at each of the ``steps + 1`` points.
    """

    formula: str
    start: np.ndarray
    steps: int
    step_size: float

    @property
    def work(self) -> int:
        """Steps times elements."""
        return self.steps * self.start.size


@dataclass(frozen=True)
class Slope:
    """The value and the gradient at a point."""

    formula: str
    point: np.ndarray


@dataclass(frozen=True)
class Rows:
    """The value and the gradient of logistic regression.

    Attributes
    ----------
    data : ndarray, shape (rows, FEATURES)
    labels : ndarray, shape (rows,)
        Of -1 and 1.
    point : ndarray, shape (FEATURES,)
    cores : int
        How many a contender may use.
    """

    data: np.ndarray
    labels: np.ndarray
    point: np.ndarray
    cores: int = 1


def random_rows(count: int, source: np.random.Generator) -> Rows:
    """Return rows whose labels follow a known point, with noise."""
    data = source.standard_normal((count, FEATURES))
    truth = source.standard_normal(FEATURES)
    noise = source.logistic(size=count)
    labels = np.where(data @ truth + noise > 0.0, 1.0, -1.0)
    return Rows(data, labels, source.standard_normal(FEATURES))


def sizes_of(formula: str, point: np.ndarray) -> dict[str, int]:
    """Return the lengths that the formula names."""
    return dict(zip("nm" if formula == ENERGY else "n", point.shape, strict=True))
