"""Convex quadratics whose minimum and curvature are known, and steps that suit them."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from symgd.objectives.objective import Objective

USUAL = ("x", "y", "z")
DECIMALS = 9  # of coordinates: squares of smaller ones underflow
NEARLY = 1.0 - 2.0**-40  # of what is a limit; so that rounding keeps below it


def coordinates(limit: float) -> st.SearchStrategy[float]:
    """Draw numbers up to a limit that are easy to read; they shrink to 0."""
    numbers = st.floats(-limit, limit, allow_subnormal=False)
    return numbers.map(lambda number: round(number, DECIMALS) + 0.0)


@dataclass(frozen=True, eq=False)
class ConvexQuadratic:
    """The function ``(x - c)'A(x - c)/2``, A symmetric and positive definite.

    Attributes
    ----------
    objective : Objective
        All of the same dimension share their machine code: the numbers are parameters.
    matrix : ndarray
        A.
    minimiser : ndarray
        c; the minimum is 0.
    """

    objective: Objective
    matrix: np.ndarray
    minimiser: np.ndarray

    @classmethod
    def of(
        cls,
        matrix: np.ndarray,
        minimiser: np.ndarray,
        names: tuple[str, ...] | None = None,
    ) -> ConvexQuadratic:
        """Return the quadratic of a matrix and a minimiser."""
        matrix, minimiser = np.asarray(matrix, float), np.asarray(minimiser, float)
        n = len(minimiser)
        pairs = itertools.combinations_with_replacement(range(n), 2)
        parameters = {f"a{i}_{j}": float(matrix[i, j]) for i, j in pairs}
        parameters |= {f"c{i}": float(each) for i, each in enumerate(minimiser)}
        usual = USUAL[:n] if n <= len(USUAL) else tuple(f"x{i}" for i in range(n))
        known = _template(names or usual)
        return cls(known.with_parameters(**parameters), matrix, minimiser)

    @functools.cached_property
    def curvatures(self) -> np.ndarray:
        """The eigenvalues of A, the smallest first."""
        return np.linalg.eigvalsh(self.matrix)

    @property
    def smallest(self) -> float:
        """The smallest curvature, mu."""
        return float(self.curvatures[0])

    @property
    def largest(self) -> float:
        """The largest curvature, L: the gradient's Lipschitz constant."""
        return float(self.curvatures[-1])

    def renamed(self, *names: str) -> ConvexQuadratic:
        """Return the same function of variables with other names."""
        return ConvexQuadratic.of(self.matrix, self.minimiser, names)

    def permuted(self, order: Sequence[int]) -> ConvexQuadratic:
        """Return the same function of the variables in another order."""
        places = list(order)
        matrix = self.matrix[np.ix_(places, places)]
        return ConvexQuadratic.of(matrix, self.minimiser[places])

    def scaled(self, f: float = 1.0, x: float = 1.0) -> ConvexQuadratic:
        """Return f times the function, of coordinates that are x times as large."""
        matrix = self.matrix * (f / x**2)
        return ConvexQuadratic.of(matrix, self.minimiser * x)

    def __repr__(self) -> str:
        from symgd.testing.pasted import formula_of

        return f"ConvexQuadratic({formula_of(self.objective)!r})"


@functools.cache
def _template(names: tuple[str, ...]) -> Objective:
    terms, parameters = [], {}
    for i, j in itertools.combinations_with_replacement(range(len(names)), 2):
        half = "/2" if i == j else ""
        terms.append(f"a{i}_{j}*({names[i]} - c{i})*({names[j]} - c{j}){half}")
        parameters[f"a{i}_{j}"] = 1.0
    parameters |= {f"c{i}": 0.0 for i in range(len(names))}
    return Objective(" + ".join(terms), list(names), parameters=parameters)


def convex_quadratics(
    dims: int | Sequence[int] = 2,
    condition: float = 1e4,
    *,
    separable: bool = False,
    centre: float = 5.0,
) -> st.SearchStrategy[ConvexQuadratic]:
    """Draw convex quadratics.

    Parameters
    ----------
    dims : int or sequence of int
        The number of variables; each is compiled once for a rule.
    condition : float
        The largest ratio of curvatures. The largest curvature is 0.001 to 1000.
    separable : bool
        Whether the matrix is diagonal.
    centre : float
        How far coordinates of the minimiser may be from 0; 0 puts it at the origin.

    Returns
    -------
    strategy of ConvexQuadratic
        It shrinks to ``x**2/2 + y**2/2``.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(convex_quadratics(), lambda quadratic: quadratic.largest > 2)
    ConvexQuadratic('3*x**2/2 + 3*y**2/2')
    """
    return _quadratics(_several(dims), condition, separable, centre)


def _several(dims: int | Sequence[int]) -> list[int]:
    return [dims] if isinstance(dims, int) else list(dims)


@st.composite
def _quadratics(
    draw: Callable,
    dims: Sequence[int],
    condition: float,
    separable: bool,
    centre: float,
) -> ConvexQuadratic:
    n = draw(st.sampled_from(dims))
    largest = draw(st.floats(1e-3, 1e3))
    small = min(10, int(condition))
    ratio = st.integers(1, small).map(float) | st.floats(1.0, condition)
    curvatures = [largest, *(largest / draw(ratio) for _ in range(n - 1))]
    matrix = np.diag(curvatures)
    angles = coordinates(math.pi / 2)
    for i, j in [] if separable else itertools.combinations(range(n), 2):
        turned = _rotation(n, i, j, draw(angles))
        matrix = turned @ matrix @ turned.T
    minimiser = np.array([draw(coordinates(centre)) for _ in range(n)])
    return ConvexQuadratic.of((matrix + matrix.T) / 2, minimiser)


def _rotation(n: int, i: int, j: int, angle: float) -> np.ndarray:
    turned = np.eye(n)
    turned[i, i] = turned[j, j] = math.cos(angle)
    turned[i, j], turned[j, i] = -math.sin(angle), math.sin(angle)
    return turned


def stable_step_sizes(
    quadratic: ConvexQuadratic, most: float = 1.0
) -> st.SearchStrategy[float]:
    """Draw step sizes for which gradient descent is stable: below 2/L.

    Parameters
    ----------
    quadratic : ConvexQuadratic
    most : float
        The steps are below this share of 2/L.

    Examples
    --------
    >>> from hypothesis import find
    >>> steep = ConvexQuadratic.of([[8.0]], [0.0])
    >>> find(stable_step_sizes(steep), lambda step: True) < 2 / 8
    True
    """
    shares = st.floats(1e-6, NEARLY)
    return shares.map(lambda share: share * most * 2 / quadratic.largest)
