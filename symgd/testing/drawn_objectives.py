"""Smooth objectives that are compiled once, and points where objectives are finite."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from symgd.objectives.objective import Objective
from symgd.testing.quadratics import ConvexQuadratic, coordinates


def objective_in(thing: Any) -> Objective:
    """Return the objective of a formula, an objective or a drawn problem."""
    thing = thing.objective if isinstance(thing, ConvexQuadratic) else thing
    return thing if isinstance(thing, Objective) else Objective(thing)


def points(n: int, limit: float = 2.0) -> st.SearchStrategy[np.ndarray]:
    """Draw vectors of n numbers up to a limit; they shrink to 0."""
    return st.lists(coordinates(limit), min_size=n, max_size=n).map(np.array)


def starting_points(
    objective: Any, limit: float = 2.0
) -> st.SearchStrategy[np.ndarray]:
    """Draw points where an objective and its gradient are finite.

    Parameters
    ----------
    objective : formula, Objective or ConvexQuadratic
    limit : float
        The largest coordinate.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(starting_points("log(x) + y**2"), lambda point: point[1] > 1)
    array([1., 2.])
    """
    given = objective_in(objective)
    return points(len(given.space), limit).filter(functools.partial(_is_fine, given))


def _is_fine(objective: Objective, point: np.ndarray) -> bool:
    value, gradient = objective.value_and_grad([point])  # as compiled code has them
    return bool(np.isfinite(value).all() and np.isfinite(gradient).all())


# Each term can be left out: numbers that shrink to 0.
_SMOOTH = (
    "a*(x - p)**2 + b*(y - q)**2 + valley*(y - x**2)**2 + wave*sin(3*x + y)"
    " + bend*log(1 + (x*y)**2) + ridge*sqrt(1 + (x - y)**2)"
)
_TERMS = ("valley", "wave", "bend", "ridge")


@functools.cache
def _smooth() -> Objective:
    constants = dict.fromkeys(("a", "b", "p", "q", *_TERMS), 1.0)
    return Objective(_SMOOTH, ["x", "y"], parameters=constants)


@st.composite
def smooth_objectives(draw: Callable) -> Objective:
    """Draw smooth objectives of x and y that are bounded below.

    They have valleys, waves, several minima, or are quadratics. All of them are one
    formula with other parameters, so that a rule is compiled for it once.

    Returns
    -------
    strategy of Objective
        It shrinks to ``x**2 + y**2``.

    Examples
    --------
    >>> from hypothesis import find
    >>> from symgd.testing.pasted import formula_of
    >>> formula_of(find(smooth_objectives(), lambda each: True))
    'x**2 + y**2'
    """
    curvature, place = st.floats(0.01, 100), coordinates(3.0)
    size = coordinates(100.0).map(abs)
    numbers = {"a": draw(curvature), "b": draw(curvature)}
    numbers |= {"p": draw(place), "q": draw(place)}
    return _smooth().with_parameters(**numbers, **{name: draw(size) for name in _TERMS})
