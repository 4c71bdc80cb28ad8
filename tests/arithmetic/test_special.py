"""Special functions against mpmath, over all that they are defined for."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd import Objective, minimize
from symgd.arithmetic import special

DIGITS = 50
EPS = 2.0**-52


def exponents(low, high):
    return st.floats(low, high).map(lambda power: 10.0**power)


def error(number, exact, size=0):
    """Return the error in units of the last place of the value, or of a size."""
    largest = max(abs(exact), mpmath.mpf(size))
    return float(abs(number - exact) / largest / EPS) if largest else abs(number)


def amplitude(x):
    return min(1.0, math.sqrt(2 / (math.pi * abs(x)))) if x else 1.0


@given(n=st.integers(-20, 22), x=st.one_of(exponents(-8, 9), st.floats(0, 60)))
@settings(deadline=None, max_examples=300)
def test_bessel_functions(n, x):
    with mpmath.workdps(DIGITS):
        exact = mpmath.besselj(n, mpmath.mpf(x))
        size = amplitude(x) if x > abs(n) else 0
        most = 5 if abs(n) < 10 else 16
        if abs(exact) > 1e-290:
            assert error(special.besselj(float(n), x), exact, size) < most
    sign = -1 if n % 2 else 1
    assert special.besselj(float(n), -x) == sign * special.besselj(float(n), x)


@given(st.one_of(exponents(-300, 308), st.floats(-1 / math.e, 3), exponents(-17, -1)))
@settings(deadline=None, max_examples=300)
def test_lambert_w(x):
    for place in (x, math.nextafter(-1 / math.e, 0) + x):  # and next to its branch
        with mpmath.workdps(DIGITS):
            if -1 / mpmath.e < place and (place == 0 or abs(place) > 1e-300):
                exact = mpmath.lambertw(mpmath.mpf(place)).real
                assert error(special.lambertw(place), exact) < 3


def test_lambert_w_at_its_ends():
    assert math.isnan(special.lambertw(-0.37))
    assert special.lambertw(-1 / math.e) == -1
    assert special.lambertw(0.0) == 0
    assert special.lambertw(math.inf) == math.inf
    assert math.isnan(special.lambertw(math.nan))


@given(st.one_of(st.floats(0, 1), exponents(-300, -1), st.floats(-1e-3, 1e-3)))
@settings(deadline=None, max_examples=300)
def test_logit(x):
    for place in (x, 0.5 + x / 4, 1 - x):
        with mpmath.workdps(DIGITS):
            if 0 < place < 1:
                p = mpmath.mpf(place)
                exact = mpmath.log(p / (1 - p))
                assert error(special.logit(place), exact) < 3


def test_xlogy_is_nothing_where_x_is():
    assert special.xlogy(0.0, 0.0) == special.over(0.0, 0.0) == 0
    assert special.xlogy(3.0, 2.0) == 3 * math.log(2)
    assert math.isnan(special.xlogy(0.0, math.nan))
    assert special.xlogy(2.0, 0.0) == -math.inf
    counts = Objective("sum(f[i] - xlogy(y[i], f[i]) for i in range(n))",
                       data={"y": [0.0, 2.0]})  # fmt: skip
    assert counts.value_and_grad([0.0, 2.0])[1].tolist() == [1.0, 0.0]
    assert Objective("xlogy(x, y)").grad([0.0, 2.0]).tolist() == [math.log(2), 0]


TAILS = {
    "normal_cdf(x)": lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "(1 + erf(x))/2": lambda x: mpmath.erfc(-x) / 2,
    "3 - 3*erf(x)": lambda x: 3 * mpmath.erfc(x),
    "2 - erfc(x)": lambda x: mpmath.erfc(-x),
    "erfc(-x/3)": lambda x: mpmath.erfc(-x / 3),
    "log(normal_cdf(x))": lambda x: mpmath.log(mpmath.erfc(-x / mpmath.sqrt(2)) / 2),
}


@pytest.mark.parametrize("text", TAILS)
def test_tails_have_all_digits_that_the_argument_has(text):
    objective = Objective(text)
    for x in (-25.0, -10.1, -3.0, 0.0, 2.0, 4.5, 25.0):
        with mpmath.workdps(200):
            exact = TAILS[text](mpmath.mpf(x))
            slope = mpmath.diff(TAILS[text], mpmath.mpf(x))
            most = 6 * (1 + x * x)  # by as much changes what the argument is rounded by
            if text.startswith("log") and x > 0:
                assert float(abs(objective.value([x]) - exact)) < 1e-15
                continue
            assert error(objective.value([x]), exact) < most
            assert error(objective.grad([x])[0], slope) < most


DERIVED = {
    "j0(x)": lambda x: mpmath.besselj(0, x),
    "j1(x)": lambda x: mpmath.besselj(1, x),
    "jn(7, x)": lambda x: mpmath.besselj(7, x),
    "lambertw(x)": mpmath.lambertw,
    "logit(x/100)": lambda x: mpmath.log(x / 100) - mpmath.log(1 - x / 100),
    "xlogy(x, x + 1)": lambda x: x * mpmath.log(x + 1),
}


@pytest.mark.parametrize("text", DERIVED)
def test_derivatives_alone_and_in_sums(text):
    body = text.replace("x", "x[i]").replace("x[i]logy", "xlogy")
    alone, many = Objective(text), Objective(f"sum({body} for i in range(n))")
    points = np.array([0.3, 1.0, 2.7, 5.0, 9.0, 19.0, 21.0, 33.0, 70.0])
    whole = many.sized(points)
    slopes = whole.grad(points)
    curves = np.diag(whole.hess(points))
    for x, slope, curve in zip(points, slopes, curves, strict=True):
        with mpmath.workdps(DIGITS):
            first, second = (mpmath.diff(DERIVED[text], x, k) for k in (1, 2))
            size = amplitude(x) if text.startswith("j") and x > 9 else 0.01
            for found, exact in (
                (alone.grad([x])[0], first),
                (slope, first),
                (alone.hess([x])[0, 0], second),
                (curve, second),
            ):
                assert error(found, exact, size) < 20


def test_a_minimum_of_a_bessel_function():
    result = minimize("j0(x)", [3.0])
    assert result.x[0] == pytest.approx(3.8317059702075125, abs=1e-8)
