"""A point at kinks is proved to be a minimum by its multipliers, or it is not."""

import numpy as np
import pytest

from symgd import Objective
from symgd.descent.kinks.on_kinks import on_kinks
from symgd.descent.kinks.proof import Posed
from symgd.objectives.smooth_forms import smooth_form


def proofs(text, x, bounds=(-np.inf, np.inf), gtol=0.0):
    """Return what is proved at a point, strictly or not; not what is elsewhere."""
    objective = Objective(text)
    sides = tuple(np.full(len(x), side) for side in bounds)
    form = smooth_form(objective, 100)
    posed = Posed(form, sides, np.ones(len(x)), gtol)
    found = list(on_kinks(posed, np.array(x, dtype=float)))
    return [each.is_strict for each in found if np.abs(each.x - x).max() < 1e-6]


MINIMA = {
    "abs(x - 1) + abs(x - 2)/2": [1.0],
    "abs(x) + 0.9*x": [0.0],
    "max(x, -2*x, 3*x - 5)": [0.0],
    "hypot(x, y) + 0.7*x - 0.7*y": [0.0, 0.0],
    "max(x**2 + y**2, 2 - x - y) + abs(x - y)": [(5**0.5 - 1) / 2] * 2,
    "3*max(x, 0) - x + (y - 2)**2": [0.0, 2.0],
    "-min(x, -x) + x*y + y**2": [0.0, 0.0],
}


@pytest.mark.parametrize("text", MINIMA)
def test_a_minimum_is_proved(text):
    assert proofs(text, MINIMA[text])[:1] == [True]


NO_MINIMA = {
    "abs(x - 1) + 2*abs(x - 2)": [1.0],  # f falls on
    "abs(x) + 1.1*x": [0.0],
    "max(x, 2*x, 3*x - 5)": [0.0],
    "hypot(x, y) + 0.8*x - 0.8*y": [0.0, 0.0],
    "abs(x) - y**2": [0.0, 0.0],  # a saddle, along the kink
    "max(x**2 + y**2, 2 - x - y) - abs(x - y)/9 + abs(x - y)/9 + x": [1.0, 1.0],
}


@pytest.mark.parametrize("text", NO_MINIMA)
def test_what_is_none_is_not(text):
    assert proofs(text, NO_MINIMA[text]) == []


UNDECIDED = {  # of first order it is one, but values must tell
    "abs(x) + x": [0.0],
    "abs(x) + y**4": [0.0, 0.0],
    "abs(x) + y**3": [0.0, 0.0],
    "abs(x) + exp(-y)": [0.0, 40.0],
    "abs(x - y) + abs(y - x)": [1.0, 1.0],
}


@pytest.mark.parametrize("text", UNDECIDED)
def test_what_is_flat_is_not_proved_strictly(text):
    assert True not in proofs(text, UNDECIDED[text])


def test_bounds_hold_a_point_only_on_their_side():
    assert proofs("abs(x - 1) + 2*y", [1.0, 0.0], (0.0, 5.0)) == [True]
    assert proofs("abs(x - 1) - 2*y", [1.0, 0.0], (0.0, 5.0)) == []


def test_coordinates_are_put_on_kinks_exactly():
    form = smooth_form(Objective("abs(3*x - 1) + abs(y) + (x - y)**2"), 100)
    nothing = np.full(2, np.inf)
    posed = Posed(form, (-nothing, nothing), np.ones(2), 0.0)
    x, y = next(on_kinks(posed, [0.33333334, 1e-9])).x
    assert (3 * x - 1, y) == (0.0, 0.0)
