"""Quotients that are 0/0 where two variables tie, against thousands of digits."""

import mpmath
import numpy as np
import pytest

from symgd import Objective, fit, minimize
from symgd.calculus.stable import stable
from symgd.language.formula import read
from tests.calculus.digits import STEP, computed, exact

FUNCTIONS = [
    *("exp({})", "log({})", "sin({})", "cos({})", "tan({}/4)", "sinh({})", "cosh({})"),
    *("tanh({})", "atan({})", "asinh({})", "erf({})", "sigmoid({})", "sqrt({})"),
    *("{}**3", "{}**20", "{}**-2", "{}**1.5", "{}**a", "2**{}", "log1p({})"),
    *("{0}*log({0})", "exp(-{}**2)", "sin({}**2)", "{0}/(1 + {0})", "log(1 + exp({}))"),
    *("sqrt(1 + {}**2)", "log({0})/{0}", "exp(-{0}*a)*{0}"),
]
NEAR = [0.0, 4e-16, 1e-9, 1e-3, 0.03, 0.13, -0.3, 1.0]


def check(formula, points, tolerance=1e-10):
    names = Objective(formula).variables
    for point in points:
        x = [point[name] for name in names]
        wanted = exact(formula, names, x, digits=900, beside=STEP / 10**150)
        scale = tolerance * np.abs(wanted[np.isfinite(wanted)]).max()
        np.testing.assert_allclose(
            computed(formula, x), wanted, rtol=tolerance, atol=scale
        )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_difference_has_its_limit_at_a_tie(function):
    quotient = f"({function.format('x')} - {function.format('y')})/(x - y)"
    check(quotient, [{"x": 2.0, "y": 2.0 + gap, "a": 1.3} for gap in NEAR])


@pytest.mark.parametrize(
    "formula",
    [
        "(x - y)/(log(x) - log(y))",
        "(x - y)/log(x/y)",
        "log(x/y)/(x - y)",
        "(exp(x) - exp(y))/(log(x) - log(y))",
        "(x**2 - y**2)/(x**3 - y**3)",
        "x*y/(y - x)*(exp(-x*a) - exp(-y*a))",
        "exp(-x)/(x - y) + exp(-y)/(y - x) + a",
        "3 + a*((exp(x) - exp(y))/(x - y))**2",
        "log((exp(x) - exp(y))/(x - y))",
        "(cos(x) - cos(y))/(x**2 - y**2)",
        "x*(1 - exp(-(y - x)))/(y - x)",
    ],
)
def test_in_other_forms(formula):
    check(formula, [{"x": 2.0, "y": 2.0 + gap, "a": 1.3} for gap in NEAR])


QUOTIENT = "(exp(x) - exp(y))/(x - y)"
AROUND = [
    *("sqrt({})", "({})**(1/3)", "hypot({}, 1)", "1/sqrt({})", "log(abs({}))"),
    *("log(1 + {})", "log(abs({})*sigmoid(x))", "abs(sqrt({}) - 3)**0.3"),
    *("1/(1 + exp(-x)*{})", "log(y + sqrt({}))", "max(y - 1, log({}))"),
]


@pytest.mark.parametrize(
    "formula",
    [
        *(around.format(QUOTIENT) for around in AROUND),
        "sqrt(1 + (exp(x) - exp(y))**2/(x - y)**2)",
        "log(abs((x*exp(x) - y*exp(y))/(x - y))*sigmoid(x))",
        "sqrt(exp(x)/(x - y) + exp(y)/(y - x))",
    ],
)
def test_a_quotient_is_one_unit_inside_of_others(formula):
    check(formula, [{"x": 0.467, "y": 0.467 * (1 + gap)} for gap in NEAR])


@pytest.mark.parametrize("around", ["sqrt({})", "log({})", "({})**-0.3", "log(1 + {})"])
def test_a_quotient_inside_of_others_may_overflow(around):
    points = [(1000, 999), (1000, 999.5), (1000, 1000), (-800, 800), (-900, -900.5)]
    points = [(x, y) for x, y in points if x > 0 or around == "log({})"]
    check(around.format(QUOTIENT), [{"x": x, "y": y} for x, y in points], 1e-9)


@pytest.mark.parametrize("around", ["exp(-x)*{}", "{}/(exp(x) + exp(y))"])
def test_a_quotient_among_factors_may_overflow(around):
    points = [(800, 799), (800, 799.5), (800, 800), (-800, -799.5), (0.4, 0.4)]
    check(around.format(f"({QUOTIENT})"), [{"x": x, "y": y} for x, y in points])


def test_of_more_than_two_variables():
    text = "((p - s) - (r - q))/log((p - s)/(r - q))"
    for gap in NEAR:
        check(text, [{"p": 12.0, "q": 4.0, "r": 11.0 + gap, "s": 5.0}])


def test_elements_of_arrays_tie():
    text = "sum((exp(x[i]) - exp(x[0]))/(x[i] - x[0]) for i in range(1, 3))"
    objective = Objective(text)
    assert objective.value([1, 1, 1]) == pytest.approx(2 * np.e)
    assert objective.grad([1, 1, 1]) == pytest.approx([np.e, np.e / 2, np.e / 2])
    assert np.isfinite(objective.hess([1, 1, 1])).all()


def test_a_run_ends_at_a_tie():
    text = "((exp(x) - exp(y))/(x - y) - E)**2 + (x - y)**2"
    result = minimize(text, {"x": 0.3, "y": 0.1})
    assert result.success
    assert list(result.x) == pytest.approx([1, 1])


def test_rates_of_a_fit_may_be_equal():
    t = np.linspace(0.1, 8, 30)
    y = 3 * 0.8**2 * t * np.exp(-0.8 * t)
    model = "d*a*b/(a - b)*(exp(-b*t) - exp(-a*t))"
    start = {"a": 1, "b": 1, "d": 1}
    result = fit(model, {"t": t, "y": y}, target="y", x0=start)
    assert result.success
    assert list(result.parameters.values()) == pytest.approx([0.8, 0.8, 3], rel=1e-4)


def test_logarithms_of_what_is_negative_stay_no_numbers():
    objective = Objective("(log(x) - log(y))/(x - y)")
    assert np.isnan(objective.value([-1, -1]))
    assert np.isnan(objective.value([-1, -2]))
    assert objective.value([3, 2]) == pytest.approx(float(mpmath.log(1.5)))


def test_what_has_no_tie_stays_as_it_is():
    for text in ("x/(x - y)", "(x + y)/(x - y)", "exp(x)/(x - y)", "(x - 1)/(y - 1)"):
        assert stable(read(text)) == read(text)
