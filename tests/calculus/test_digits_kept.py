"""What vanishes, overflows or cancels on the way to a plain number, by mpmath's digits.

Each row is a kind; the points are far out, near to where terms cancel, and in between,
where nothing is rewritten.
"""

import math

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd import FormulaError, Objective
from symgd.language.formula import read
from tests.calculus.digits import STEP, computed, exact

# A formula, the names of its variables, and points.
VANISHING = [
    ("log(erfc(x))", "x", [[30], [5], [1], [0.5], [-3], [1e100]]),
    ("log(1 - erf(x))*y", "xy", [[15, 2], [0.3, 2]]),
    ("log(0.5*(1 + erf(x/sqrt(2))))", "x", [[-40], [-1], [1]]),
    ("log(y*erfc(x)**3)", "xy", [[50, 2], [-1, 2]]),
    ("log(1 - tanh(x))", "x", [[30], [-30], [0.3]]),
    ("log(3 + 3*tanh(x/2))", "x", [[-80], [0.3]]),
    ("log(2 - 2*tanh(x)**2)", "x", [[400], [0.3]]),
    ("log(1 - cos(x))", "x", [[1e-9], [2]]),
    ("log(cosh(x) - 1)", "x", [[1e-9], [900]]),
    ("log(abs(sinh(x)))", "x", [[1e-9], [-900]]),
    ("1/(1 - cos(x))", "x", [[1e-7], [2]]),
    ("sqrt(cosh(x) - 1)", "x", [[1e-9], [900]]),
    ("sqrt(2*(1 - cos(x)))/abs(x)", "x", [[1e-9], [-1e-5], [0.3]]),
    ("abs(sin(x))/abs(x)", "x", [[1e-9], [-0.4]]),
    ("1/sinh(x)", "x", [[1e-9], [0.3], [900]]),
    ("1/sqrt(sinh(x))", "x", [[1e-9], [0.3]]),
    ("expm1(x + 0.5)", "x", [[-0.5 + 1e-12], [1]]),
    ("log1p(x - 1)", "x", [[1e-13], [3]]),
]
OVERFLOWING = [
    ("x**y/(1 + x**y)", "xy", [[10, 400], [10, -400], [2, 3]]),
    ("x**z/(y**z + x**z)", "xyz", [[10, 20, 400], [10, 10, 400], [0.1, 0.2, 500]]),
    ("a/(1 + (x/k)**n)", "aknx", [[2, 10, 400, 20], [2, 10, 4000, 11], [2, 3, 4, 1]]),
    ("z*x**y/(1 + x**y)**2", "xyz", [[20, 200, 2], [2, 3, 2]]),
    ("1/(x**y + y**x)", "xy", [[20, 300], [2, 3]]),
    ("log(1 + x**y)", "xy", [[10, 400], [10, -400], [2, 3]]),
    ("log(x**y + z**y)", "xyz", [[20, 300, 19], [20, -300, 19], [2, 3, 4]]),
    ("gamma(x + 0.5)/gamma(x)", "x", [[3], [69], [71], [200], [1e5]]),
    ("gamma(x + y)/(gamma(x)*gamma(y))", "xy", [[100, 90], [2, 3]]),
    ("y*gamma(x)/gamma(x + 1)", "xy", [[1e10, 2], [0.5, 2]]),
    ("(0.5*exp(y + 950.5))**1", "y", [[-950]]),
    ("(0.5*exp(y + 950.5))**0.3", "y", [[-950]]),
]


@pytest.mark.parametrize(("formula", "names", "points"), VANISHING + OVERFLOWING)
def test_no_digits_are_lost(formula, names, points):
    for point in points:
        wanted = exact(formula, list(names), point, digits=1500)
        found = computed(formula, point)
        known = np.abs(wanted) < 1e290
        allowed = 1e-11 * np.abs(wanted) + 1e-14 * min(1.0, np.abs(wanted[known]).max())
        assert (np.abs(found - wanted) <= allowed)[known].all(), (point, found, wanted)


@pytest.mark.parametrize("formula", ["x**x/(x - 1) - 1/(x - 1)", "((1 + x)**x - 1)/x"])
def test_powers_of_what_is_near_1_are_divided(formula):
    for x in (1.0, 1 + 1e-9, 0.9) if "x - 1" in formula else (0.0, 1e-9, -0.1):
        wanted = exact(formula, ["x"], [x], digits=1200, beside=STEP / 10**150)
        np.testing.assert_allclose(computed(formula, [x]), wanted, rtol=2e-12)


@pytest.mark.parametrize(
    ("formula", "x", "value"),
    [
        ("log(exp(x)*y**z)", [1, 0, 0], 1),
        ("log(x**(k - 1)*exp(-x))", [1, 0], 0),
        ("log(x**y)", [-2, 2], 2 * np.log(2)),
        ("log(x**y)", [-2, 3], np.nan),
        ("x**y/(1 + x**y)", [-10, 401], 1),
        ("x**z/(y**z + x**z)", [0, 30, 300], 0),
        ("x**z/(y**z + x**z)", [30, 0, 300], 1),
    ],
)
def test_at_the_edge_of_where_a_power_is_a_number(formula, x, value):
    assert Objective(formula).value(x) == pytest.approx(value, nan_ok=True)


def test_a_quotient_of_powers_has_a_slope_where_a_base_is_0():
    slopes = Objective("x**z/(y**z + x**z)").grad([0, 30, 300])
    np.testing.assert_array_equal(slopes, [0, 0, 0])


def test_products_of_exponentials_over_an_index_are_divided():
    factors = {"a": np.array([1.0, 2.0, 3.0]), "b": np.array([1.5, 2.0, 2.4])}
    above, below = (f"prod(exp(w*{name}[i]) for i in range(n))" for name in "ab")
    objective = Objective(f"{above}/{below}", data=factors)
    wanted = exact("exp(w/10)", ["w"], [400])
    np.testing.assert_allclose(computed(objective, [400]), wanted, rtol=1e-12)
    above, below = (f"prod(1 + exp(w*{name}[i]) for i in range(n))" for name in "ab")
    objective = Objective(f"{above}/{below}", data=factors)
    np.testing.assert_allclose(computed(objective, [400]), wanted, rtol=1e-12)


def test_a_number_beyond_float64_is_refused_where_no_exponential_takes_it():
    with pytest.raises(FormulaError, match="too large for float64"):
        read("(1e300*x)**2")


SATURATED = {
    "tanh(x)": lambda x: (
        mpmath.sech(x) ** 2,
        -2 * mpmath.tanh(x) * mpmath.sech(x) ** 2,
    ),
    "log(cosh(x))": lambda x: (mpmath.tanh(x), mpmath.sech(x) ** 2),
    "1 - tanh(x)**2": lambda x: (
        -2 * mpmath.tanh(x) * mpmath.sech(x) ** 2,
        mpmath.sech(x) ** 2 * (4 - 6 * mpmath.sech(x) ** 2),
    ),
    "1/tanh(x)": lambda x: (
        -(mpmath.csch(x) ** 2),
        2 * mpmath.coth(x) * mpmath.csch(x) ** 2,
    ),
}


@pytest.mark.parametrize("formula", SATURATED)
def test_derivatives_of_what_tends_to_a_number_keep_their_digits(formula):
    @settings(deadline=None, max_examples=40)
    @given(st.floats(1, 350) | st.floats(-350, -1))
    def check(x):
        with mpmath.workdps(50):
            wanted = [float(each) for each in SATURATED[formula](mpmath.mpf(x))]
        found = [objective.grad([x])[0], objective.hess([x])[0, 0]]
        np.testing.assert_allclose(found, wanted, rtol=3e-15, atol=1e-306)

    objective = Objective(formula)
    check()


@pytest.mark.parametrize("formula", ["1 - tanh(x)", "1 + tanh(-x)", "2 - 2*tanh(x)**2"])
@pytest.mark.parametrize("x", [0.3, 10.0, 20.0, 350.0])
def test_differences_from_where_tanh_goes_keep_their_digits(formula, x):
    with mpmath.workdps(400):
        y = mpmath.tanh(mpmath.mpf(x))
        wanted = float(2 - 2 * y**2 if "2" in formula else 1 - y)
    assert Objective(formula).value([x]) == pytest.approx(wanted, rel=2e-15)


@settings(deadline=None, max_examples=60)
@given(st.floats(-37, 8), st.floats(0.01, 1e4))
def test_what_the_pages_say_of_tails_and_of_sinc(z, x):
    with mpmath.workdps(50):
        below = mpmath.erfc(-mpmath.mpf(z) / mpmath.sqrt(2)) / 2
        density = mpmath.npdf(mpmath.mpf(z))
        wave = mpmath.sinpi(mpmath.mpf(x)) / (mpmath.pi * mpmath.mpf(x))
    assert CDF.value([z]) == pytest.approx(float(below), rel=5e-13)
    assert PDF.value([z]) == pytest.approx(float(density), rel=5e-13)
    assert abs(SINC.value([x]) - wave) < 3e-16


CDF, PDF = (Objective(f"normal_{kind}(z, 0, 1)") for kind in ("cdf", "pdf"))
SINC = Objective("sinc(x)")


RECIPROCAL = ["sec", "csc", "cot", "sech", "csch", "coth"]
RECIPROCAL += [f"a{name}" for name in RECIPROCAL]


@pytest.mark.parametrize("name", RECIPROCAL)
@pytest.mark.parametrize("x", [0.3, 1.5, -2.5, 25.0, -100.0, 800.0, 1e6])
def test_reciprocal_functions_and_their_inverses_have_all_digits(name, x):
    with mpmath.workdps(160):
        wanted = getattr(mpmath, name)(mpmath.mpf(x))
        wanted = [wanted, *(_slope(name, mpmath.mpf(x), n) for n in (1, 2))]
    if any(isinstance(each, mpmath.mpc) for each in wanted):  # out of its domain
        wanted = [math.nan]
    of_sympy = Objective(getattr(sp, name)(sp.Symbol("x")))
    for objective in (Objective(f"{name}(x)"), of_sympy):
        slopes = objective.grad([x])[0], objective.hess([x])[0, 0]
        found = [objective.value([x]), *slopes][: len(wanted)]
        wanted = list(map(float, wanted))
        np.testing.assert_allclose(found, wanted, rtol=1e-13, atol=1e-300)


def _slope(name, x, n):
    step = abs(x) * mpmath.mpf(10) ** -30
    return mpmath.diff(getattr(mpmath, name), x, n, h=step)


@pytest.mark.parametrize("at", [0.0, 1e-9, 1e-3, 2.0, 800.0, 1e300])
def test_langevins_function_has_its_limit(at):
    objective = Objective("coth(x) - 1/x")
    with mpmath.workdps(700):
        x = mpmath.mpf(at)
        wanted = [0.0, 1 / 3]
        if at:
            far = x > 1e5
            slope = 1 / x**2 - (0 if far else mpmath.csch(x) ** 2)
            wanted = [(1 if far else mpmath.coth(x)) - 1 / x, slope]
    found = [objective.value([at]), objective.grad([at])[0]]
    np.testing.assert_allclose(found, list(map(float, wanted)), rtol=1e-14)


@pytest.mark.parametrize(
    ("formula", "x", "value", "slope", "curvature"),
    [
        ("hypot(x, 3e200)/1e200", 1.0, 3.0, 0.0, 0.0),
        ("hypot(x, 3e200)/1e200", 4e200, 5.0, 8e-201, 0.0),
        ("hypot(4e200*x, 3e200)/1e200", 1.0, 5.0, 3.2, 1.152),
        ("hypot(x, 1e-200)*1e200", 1e-200, 2**0.5, 1e200 * 0.5**0.5, np.inf),
        ("hypot(1e-200*x, 1e-200)*1e200", 1.0, 2**0.5, 0.5**0.5, 8**-0.5),
        ("hypot(hypot(x, 3e200), 4e200)/1e200", 1.0, 5.0, 0.0, 0.0),
        ("log(hypot(x, 3e200)) + x**2", 2.0, math.log(3e200) + 4, 4.0, 2.0),
    ],
)
def test_hypot_is_that_of_numbers_whose_squares_are_out_of_range(
    formula, x, value, slope, curvature
):
    objective = Objective(formula)
    found = objective.value([x]), objective.grad([x])[0], objective.hess([x])[0, 0]
    assert found == pytest.approx((value, slope, curvature), rel=1e-13)
    again = Objective(str(objective.expression))
    assert again.value([x]) == pytest.approx(value, rel=1e-13)
