"""Ends at the least value that squares allow, which float64 doesn't show."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd import Objective, maximize, minimize
from symgd.descent.many_digits import ManyDigits
from symgd.descent.squares import zero_of_squares

INF = math.inf

# formula, start, minimum
ATTAINED = {
    "along a curve, steep": ("1e9*(exp(x) - y - 0.3)**2", [1, 2], 0.0),
    "along a curve, from elsewhere": ("1e9*(exp(x) - y - 0.3)**2", [0.5, 10], 0.0),
    "along a parabola": ("(x**2 - y)**2", [-4.24, 1.53], 0.0),
    "along a parabola, far away": ("(x**2 - y)**2", [100, -2], 0.0),
    "of a high power": ("(x - 1)**100", [-5], 0.0),
    "of a high power, almost there": ("(x - 1)**100", [3], 0.0),
    "inside of others": ("log(3 + (x - 1)**60) - 2*exp(-(y - x)**2)", [3, 3], None),
    "of huge coefficients": ("(1e200*x - 3)**2", [0], 0.0),
    "of many digits": ("(1e300*x + 1e300*y - 1)**2 + x**2", [0, 0], 0.0),
}
# what is squared never is 0
NOWHERE = {
    "an exponential's square": ("exp(-x)**2", [400]),
    "a tail's": ("(tanh(x) - 1)**2", [3]),
    "a tail's, with no digits left": ("(tanh(x) - 1)**2 + (y - 3)**2", [400, 3]),
    "a power's": ("(1/x)**2", [1e100]),
    "no zero of both": ("(exp(-x) - y)**2 + y**2", [30, 0]),
}


@pytest.mark.parametrize("name", ATTAINED)
def test_an_end_where_squares_are_0_is_a_minimum(name):
    formula, start, least = ATTAINED[name]
    least = math.log(3) - 2 if least is None else least
    result = minimize(formula, start)
    assert result.success
    assert result.fun == pytest.approx(least, rel=1e-15, abs=1e-24)


def test_it_says_so():
    told = "f has the least value that its squares allow"
    assert told in minimize("(x - 1)**8", 3.0).message
    assert "f has the largest value" in maximize("-(x - 1)**8", 3.0).message


@pytest.mark.parametrize("name", NOWHERE)
def test_what_is_squared_has_no_zero_there(name):
    formula, start = NOWHERE[name]
    digits = ManyDigits(Objective(formula), start, start, 1.0)
    assert zero_of_squares(digits, ([-INF] * 2, [INF] * 2)) is None
    assert not minimize(formula, start).success


def test_zeros_out_of_bounds_are_none():
    digits = ManyDigits(Objective("(x - 1)**8"), [3.0], [3.0], 1.0)
    assert zero_of_squares(digits, ([2.0], [INF])) is None


@settings(max_examples=15, deadline=None)
@given(
    st.floats(-5, 5),
    st.sampled_from([1e-12, 1e-6, 1.0, 1e6, 1e12]),
    st.sampled_from([1e-12, 1e-3, 1.0, 1e5, 1e12]),
)
def test_units_do_not_matter(x, factor, unit):
    formula = f"{factor!r}*(exp(x/{unit!r}) - y/{unit!r} - 0.3)**2"
    result = minimize(formula, [x * unit, 2 * unit])
    assert result.success
    assert result.fun <= 1e-12 * factor


def test_what_cannot_be_told_is_said_to_be_so():
    message = minimize("exp(-exp(x))", 1.0).message
    assert "it may still fall, for ever or not" in message
    assert "no minimum is attained" not in message
