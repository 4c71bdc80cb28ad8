"""All stationary points, each proven, and what is open is said."""

import math

import mpmath
import numpy as np
import pytest
import sympy as sp

import symgd
from symgd import InputError, stationary
from tests.insight.test_global_minimum import HIMMELBLAU, HUMPS, WAVES

CASES = [  # formula, bounds, kinds
    (HIMMELBLAU, [(-5, 5)] * 2, {"minimum": 4, "maximum": 1, "saddle": 4}),
    (HUMPS, [(-2, 2), (-1.5, 1.5)], {"minimum": 6, "maximum": 2, "saddle": 7}),
    (WAVES, [(-1.2, 1.2)] * 2, {"minimum": 9, "maximum": 4, "saddle": 12}),
    ("x**2 + y**2 + z**2 - 3*x*y*z", [(-1, 1)] * 3, {"minimum": 1, "saddle": 4}),
    ("x**4 - x**2", [(-1, 1)], {"minimum": 2, "maximum": 1}),
    ("(1 - x)**2 + 100*(y - x**2)**2", [(-2, 2)] * 2, {"minimum": 1}),
    ("exp(x) + y**2", [(-1, 1)] * 2, {}),
    ("x**2 + y**2", [(0, 1)] * 2, {"minimum": 1}),
    ("sin(x)", [(0, 10)], {"maximum": 2, "minimum": 1}),
]


@pytest.mark.parametrize(("text", "bounds", "kinds"), CASES)
def test_all_are_found_with_their_kinds(text, bounds, kinds):
    found = stationary(text, bounds, time_limit=5)
    assert found.kinds() == kinds
    assert found.complete
    f = symgd.Objective(text)
    for point in found:
        assert np.abs(f.grad(point.values)).max() < 1e-6
        assert max(b - a for a, b in point.bounds.values()) < 1e-6


def test_a_root_of_many_digits_is_in_the_box():
    x = sp.Symbol("x")
    (point,) = stationary("x**2 + cos(3*x) + x", [(0.5, 2)])
    with mpmath.workdps(40):
        slope = sp.lambdify(x, 2 * x - 3 * sp.sin(3 * x) + 1, "mpmath")
        root = mpmath.findroot(slope, point.values["x"])
        low, high = point.bounds["x"]
        assert low <= root <= high
    assert high - low < 1e-13


def test_a_circle_of_points_stays_open():
    found = stationary("(x**2 + y**2 - 1)**2", [(-2, 2)] * 2, time_limit=1)
    assert found.kinds() == {"maximum": 1}
    assert not found.complete
    for angle in np.linspace(0, 2 * math.pi, 9):
        point = {"x": math.cos(angle), "y": math.sin(angle)}
        assert any(
            all(box[n][0] - 1e-9 <= point[n] <= box[n][1] + 1e-9 for n in "xy")
            for box in found.open
        )


@pytest.mark.parametrize(
    "text", ["x**4 + y**2", "abs(x) + y**2", "max(x, -2*x) + y**2"]
)
def test_a_singular_point_or_a_kink_stays_open(text):
    found = stationary(text, [(-1, 1)] * 2, time_limit=0.5)
    assert not found.complete
    assert any(all(a <= 0 <= b for a, b in box.values()) for box in found.open)


def test_what_cannot_be_told_is_refused():
    with pytest.raises(InputError, match="within bounds of all"):
        stationary("x**2 + y", {"x": (0, 1)})
    with pytest.raises(InputError, match="can't be told"):
        stationary("floor(x) + x**2", [(0, 1.5)])


def test_it_prints():
    text = str(stationary("x**4 - x**2", [(-1, 1)]))
    assert text.startswith("3 stationary points: 2 minimum, 1 maximum\n  minimum")
    assert text.endswith("no other one is within the bounds")
