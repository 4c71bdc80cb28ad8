"""Whether Newton's steps, in many digits, lead to a minimum or go on for ever."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd import Objective, minimize, minimize_many
from symgd.descent.many_digits import ManyDigits
from symgd.descent.newton_in_digits import is_at_minimum, never_arrives

INF = math.inf

TAILS = {
    "an exponential": ("exp(-x)", [40.0]),
    "beside 1": ("log(2 + tanh(-x))", [30.0]),
    "a hill's": ("exp(-x**2) + 3", [7.0]),
    "a power's": ("1/(1 + x**2)", [1e9]),
    "along a hyperbola": ("(x*y - 1)**2 + x**2", [1e-5, 1e5]),
    "along a parabola": ("cosh(y - x**2) + tanh(x)", [-20.0, 400.0]),
    "steeper and steeper": ("exp(-x**4)", [3.0]),
    "slower than any power": ("1/log(2 + x**2)", [1e6]),
    "along a parabola, a hill's": ("exp(-x**2) + (y - x**2)**2", [6.0, 36.0]),
    "of two": ("1/(1 + exp(x)) + exp(-y)", [50.0, 60.0]),
}
MINIMA = {
    "plain": ("(x - 3)**2 + 1e-9*(y - 1)**2", [3.0, 1.0000001]),
    "flat": ("(x - 3)**8", [3.004]),
    "flatter than any power": ("exp(-1/x**2)", [0.12]),
    "a valley of them": ("(x*y - 1)**2", [2.0, 0.5000001]),
    "flat along a parabola": ("(y - x**2)**2 + (x - 1)**4", [1.0001, 1.00021]),
    "of a high power": ("(x - 1)**100", [0.3]),
    "of a high power times a wave": ("(x - 1)**100*(2 + sin(x))", [0.3]),
    "a ratio": ("(x**2 + 2*y**2)/(x**2 + y**2)", [1.0, 1e-9]),
}


def goes_on(formula, x, sides=None, unit=1e-3):
    sizes = [max(abs(each), unit) for each in x]
    digits = ManyDigits(Objective(formula), x, sizes, 1.0)
    return never_arrives(digits, sides or ([-INF] * len(x), [INF] * len(x)))


@pytest.mark.parametrize("name", TAILS)
def test_in_a_tail_it_goes_on(name):
    assert goes_on(*TAILS[name])


@pytest.mark.parametrize("name", MINIMA)
def test_at_a_minimum_it_arrives(name):
    assert not goes_on(*MINIMA[name])


VALLEYS = {
    "along a parabola, written out": ("x**4 - 2*x**2*y + y**2", [1.0917879, 1.192001]),
    "along a ray": ("y*log(y/x) - y + x", [3.0971134, 3.0971134]),
    "a limit's": ("sinh(x)/x", [-1.6e-24]),
    "along a circle": ("(x**2 + y**2 - 1)**2*exp(x)", [0.6, 0.8000001]),
}
NO_MINIMA = {
    **TAILS,
    "beyond its digits": ("exp(-x) + (y - 1)**2", [2000.0, 1.0]),
    "nearly so": ("exp(-x) + (y - 1)**2", [300.0, 1.0]),
    "a quotient's": ("1/x + (y - 2)**2", [1e60, 2.0]),
    "with no digits left": ("tanh(x) + y**2", [-400.0, 0.0]),
    "an inflection": ("x**3 + y**2", [1e-300, 0.0]),
    "a level saddle": ("x**4 - 2*y**2*x**2", [1e-10, 1.0]),
}


@pytest.mark.parametrize("name", VALLEYS)
def test_a_level_valley_has_its_minimum(name):
    formula, x = VALLEYS[name]
    sizes = [max(abs(each), 1e-3) for each in x]
    assert is_at_minimum(ManyDigits(Objective(formula), x, sizes, 1.0))


@pytest.mark.parametrize("name", NO_MINIMA)
def test_what_is_no_minimum_is_none_in_digits(name):
    formula, x = NO_MINIMA[name]
    sizes = [max(abs(each), 1e-3) for each in x]
    assert not is_at_minimum(ManyDigits(Objective(formula), x, sizes, 1.0))


def test_ends_in_level_valleys_are_minima():
    assert minimize("x**4 - 2*x**2*y + y**2", [100, -2]).success
    assert minimize("sinh(x)/x", 1e-8).success


def test_at_a_bound_it_arrives():
    assert not goes_on("tanh(x)", [-30.0], ([-100.0], [INF]))
    assert goes_on("tanh(x)", [-30.0], ([-INF], [100.0]))


@settings(max_examples=15, deadline=None)
@given(st.floats(0.2, 5), st.floats(-3, 3), st.floats(1e-12, 1e12))
def test_units_and_shifts_do_not_matter(rate, shift, unit):
    x = f"(x/{unit!r} - {shift!r})"
    assert goes_on(f"{unit!r}*exp(-{rate!r}*{x}) + 2", [30 * unit / rate], unit=unit)
    assert not goes_on(f"{x}**4", [(shift + 1e-4) * unit], unit=unit)


@pytest.mark.parametrize(
    ("formula", "start"),
    [
        ("(x*y - 1.52)**2 + 1.06*x**2", [-2.858, -0.6807]),
        ("(x**2*y - 1.8)**2 + 2.22*x**2", [2.077, 0.0317]),
        ("2*log(2 + tanh(-x)) + 0.015*log(cosh(y - log(1 + x**2)))", [1.458, -0.454]),
        ("2.51*cosh(y - x**2) + 0.0114*erf(x)**3", [1.225, 1.593]),
    ],
)
def test_the_end_of_a_bent_tail_is_no_success(formula, start):
    assert not minimize(formula, start).success
    assert not minimize_many(formula, [start, start]).success.any()
