"""Data that a model might have made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from symgd.errors import InputError, unknown_name
from symgd.objectives.objective import Objective

Range = tuple[float, float]
USUAL_COLUMNS = ("t", "x")
USUAL_RANGES = {"column": (0.0, 4.0), "parameter": (0.5, 2.0)}
MOST_ROWS = 40
DECIMALS = 3  # of what is drawn, so that tables are easy to read


@dataclass(frozen=True, eq=False)
class Dataset:
    """A table that a model made.

    Attributes
    ----------
    data : dict of str to ndarray
        The columns, with the target.
    target : str
    truth : dict of str to float
        The parameters that it was made with.
    exact : ndarray
        The target without noise.
    """

    data: dict[str, np.ndarray]
    target: str
    truth: dict[str, float]
    exact: np.ndarray

    def reordered(self, order: Any) -> Dataset:
        """Return the same rows in another order."""
        data = {name: column[order] for name, column in self.data.items()}
        return Dataset(data, self.target, self.truth, self.exact[order])


@st.composite
def datasets(
    draw: Callable,
    model: str,
    target: str = "target",
    *,
    columns: Mapping[str, Range] | None = None,
    parameters: Mapping[str, Range] | None = None,
    noise: float = 0.0,
    rows: int | None = None,
) -> Dataset:
    """Draw tables that a model made, with the parameters that made them.

    Parameters
    ----------
    model : formula
    target : str
        What the column is called that the model gives.
    columns : mapping of name to pair, optional
        Which names of the model are columns, and between which numbers their rows
        are spread evenly; by default ``t`` and ``x``, 0 to 4.
    parameters : mapping of name to pair, optional
        Between which numbers the other names are; 0.5 to 2 where it isn't said.
    noise : float
        The standard deviation of what is added, of the target's largest entry.
    rows : int, optional
        How many; drawn between 3 more than there are parameters, and 40.

    Returns
    -------
    strategy of Dataset

    Examples
    --------
    >>> from hypothesis import find
    >>> found = find(datasets("a*exp(-b*t)", "y"), lambda drawn: drawn.truth["b"] >= 1)
    >>> found.truth, found.data["t"].tolist()
    ({'a': 1.0, 'b': 1.0}, [0.0, 1.0, 2.0, 3.0, 4.0])
    """
    ranges = _ranges(model, columns, parameters)
    curve = Objective(model, [*ranges["column"], *ranges["parameter"]])
    truth = {
        name: draw(st.floats(*ends).map(lambda v: round(v, DECIMALS)))
        for name, ends in ranges["parameter"].items()
    }
    count = draw(st.integers(3 + len(truth), MOST_ROWS)) if rows is None else rows
    data = {}
    for k, (name, (low, high)) in enumerate(ranges["column"].items()):
        spread = np.linspace(low, high, count)
        order = np.random.default_rng(k).permutation(count) if k else np.arange(count)
        data[name] = spread[order]
    numbers = np.array([*data.values(), *(np.full(count, v) for v in truth.values())])
    exact = np.array([curve.value(row) for row in numbers.T])
    seed = draw(st.integers(0, 9)) if noise else 0
    size = noise * np.abs(exact).max(initial=0.0)
    added = size * np.random.default_rng(seed).normal(size=count)
    return Dataset({**data, target: exact + added}, target, truth, exact)


def _ranges(
    model: str,
    columns: Mapping[str, Range] | None,
    parameters: Mapping[str, Range] | None,
) -> dict[str, dict[str, Range]]:
    """Return which names are columns and which parameters, and where they are."""
    names = Objective(model).variables
    usual = {n: USUAL_RANGES["column"] for n in USUAL_COLUMNS if n in names}
    own, given = dict(usual if columns is None else columns), dict(parameters or {})
    if not own:
        raise InputError('columns: say which names are, such as {"u": (0, 1)}')
    for name in (*own, *given):
        if name not in names:
            raise unknown_name("name of the model", name, names)
    free = [name for name in names if name not in own]
    if not free:
        raise InputError("the model has no parameter: all its names are columns")
    found = {name: given.get(name, USUAL_RANGES["parameter"]) for name in free}
    return {"column": own, "parameter": found}
