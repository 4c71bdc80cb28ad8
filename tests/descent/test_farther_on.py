"""Tails within constraints: f falls for ever, by ever less, and is no minimum."""

import pytest

from symgd import Status, maximize, minimize

TAILS = [
    ("exp(-x)", [0.0], "x >= -5"),
    ("exp(-x) + 0*y", [0.0, 0.0], "x + y >= 1"),
    ("exp(-x) + y**2", [0.0, 0.0], "x + y >= 1"),
    ("1/(1 + x**2) + y**2", [1.0, 1.0], "x*y >= 1"),
    ("x/sqrt(1 + x**2)", [1.0, 1.0], "x + y == 0"),
    ("y**2", [1.0, 1.0], ["x*y >= 1", "x >= 0"]),
]


@pytest.mark.parametrize(("formula", "start", "relations"), TAILS)
def test_a_tail_is_no_minimum(formula, start, relations):
    result = minimize(formula, start, subject_to=relations)
    assert result.status == Status.STATIONARY
    assert "f still falls" in result.message
    assert "no minimum is attained" in result.message


def test_a_tail_of_a_maximum_rises():
    result = maximize("-exp(-x)", [0.0], subject_to="x >= -5")
    assert result.status == Status.STATIONARY
    assert "f still rises" in result.message


def test_a_tail_that_bounds_end_is_a_minimum():
    result = minimize("exp(-x)", [0.0, 0.0], subject_to="x + y >= 1", bounds=(-5, 30))
    assert result.status == Status.CONVERGED
    assert result.x[0] == pytest.approx(30.0, abs=1e-3)


# Flat along a line, at a corner of curvature, or hardly curved: minima all the same.
FLAT = [
    ("x**6", [0.1, 0.0], "x + y >= -1"),
    ("max(0, 5 - x)**2 + 0*y", [0.0, 0.0], "x + y >= 1"),
    ("2 + (x + y - 1)**2 + (x + y - 3)**2", [5.0, 3.0], "x >= 0"),
    ("(x*y - 1)**2", [3.0, 3.0], "x + y >= -1"),
    ("-x*exp(-x) + y**2", [6.0, 1.0], "x + y >= -1"),
    ("x**2 + 1e-6*(y - 3)**2", [1.0, 1000.0], "x + y >= 9"),
    ("x + y", [3.0, 0.5], ["x + y >= 2", "x - y <= 10"]),
    ("(x - 1e8)**2 + y**2", [0.0, 1.0], "x + y >= 1"),
]


@pytest.mark.parametrize(("formula", "start", "relations"), FLAT)
def test_what_is_flat_is_a_minimum(formula, start, relations):
    result = minimize(formula, start, subject_to=relations)
    assert result.status == Status.CONVERGED
