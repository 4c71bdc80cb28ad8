"""Values and derivatives where a formula, as written, is 0*infinity or overflows."""

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd import InputError, Objective, fit, minimize, minimize_many
from symgd.calculus.stable import stable
from symgd.language.formula import read, symbol
from tests.calculus.digits import STEP, computed, exact

# A formula, a point, and value and gradient there: limits, or a subgradient.
AT_LIMITS = [
    ("x*log(x)", [0], 0, [-np.inf]),
    ("x*log(x) + y*log(y) + 2*x", [0, 1], 0, [-np.inf, 1]),
    ("(1 - x)*log(1 - x)", [1], 0, [np.inf]),
    ("x*(log(x) - 1)*y", [0, 3], 0, [-np.inf, 0]),
    ("x**2*log(x)", [0], 0, [0]),
    ("x*log(x/3)", [0], 0, [-np.inf]),
    ("a*x**b", [2, 1.5, 0], 0, [0, 0, 0]),
    ("x**n/(k**n + x**n)", [2, 1.5, 0], 0, [0, 0, 0]),
    ("sin(x)*log(x)", [0], 0, [-np.inf]),
    ("tanh(x)**2*log(x)", [0], 0, [0]),
    ("x*log(sin(x))", [0], 0, [-np.inf]),
    ("x*log(x)**2", [0], 0, [np.inf]),
    ("sqrt(x)*log(x)", [0], 0, [-np.inf]),
    ("x**3*log(x)**2", [0], 0, [0]),
    ("x*log(x) + 5*x + 3*sqrt(x)", [0], 0, [np.inf]),
    ("sqrt(x) - 2*x**0.75", [0], 0, [np.inf]),
    ("x**0.3 + x**0.6*log(x)", [0], 0, [np.inf]),
    ("sqrt(x - 2) + (x - 2)*log(x - 2)", [2], 0, [np.inf]),
    ("sqrt(1 - x) + (1 - x)*log(1 - x)", [1], 0, [-np.inf]),
    ("x*log(x) + y*log(y) + sqrt(x) - sqrt(y)", [0, 0], 0, [np.inf, -np.inf]),
    (
        "sum(x[i]*log(x[i]) + sqrt(x[i]) for i in range(2))",
        [0, 1],
        0 + 1,
        [np.inf, 1.5],
    ),
    ("x**a*log(x)", [1.5, 0], 0, [0, 0]),
    ("c*log(m)", [0, 0], 0, [-np.inf, 0]),
    ("c*log(m)", [0, -1], np.nan, [np.nan, -0.0]),
    ("c*log1p(-m)", [0, 1], 0, [-np.inf, 0]),
    ("c*log(a*b)", [0, 1, 0], 0, [0, 0, -np.inf]),
    ("c*(log(a) - log(b))", [2, 0, 0], 0, [0, 0, np.inf]),
    ("x*log(x*y)", [1, 0], -np.inf, [-np.inf, np.inf]),
    ("x*log(x/y)", [0, 0], 0, [np.nan, 0]),
    ("x*log(x/y)", [0, 2], 0, [-np.inf, 0]),
    ("(1 - p)*log((1 - p)/0.7)", [1], 0, [np.inf]),
    ("(x**2 + y**2)*log(x**2 + y**2)", [0, 0], 0, [0, 0]),
    ("x*log(1 + 2/x)", [0], 0, [np.inf]),
    ("x*log1p(2/x)", [0], 0, [np.inf]),
    ("x*log(1 + 2/x**2)", [0], 0, [np.inf]),
    ("x**2*log(3 + 2/x)", [0], 0, [0]),
    ("x*atan(1/x)", [0], 0, [np.pi / 2]),
    ("log(gamma(x)) - 3*x", [0], np.inf, [-np.inf]),
    ("exp(-1/x**2)", [0], 0, [0]),
    ("sqrt(x**2 + y**2)", [0, 0], 0, [0, 0]),
    ("sqrt((x - 1)**2 + (y - 2)**2) + 0.1*x", [1, 2], 0.1, [0.1, 0]),
    ("(x**2 + 2*y**4)**0.3", [0, 0], 0, [0, 0]),
    ("(x**2 + y**2)**1.5", [0, 0], 0, [0, 0]),
    ("hypot(x, y) + sqrt(abs(x))", [0, 0], 0, [0, 0]),
    ("sqrt(sum(x[i]**2 for i in range(3))) + x[0]", [0, 0, 0], 0, [1, 0, 0]),
    ("sum(x[i]*log(x[i]) for i in range(2))", [0, 1], 0, [-np.inf, 1]),
    ("1/cosh(x)**2", [800], 0, [0]),
    ("t/(1 + (k/x)**n)", [2, 1.5, 3, 0], 0, [0, 0, 0, 0]),
    ("t/(1 + (k/x)**n)", [2, 0.5, 3, 0], 0, [0, 0, 0, np.inf]),
    ("t/(1 + k/x)**3", [2, 3, 0], 0, [0, 0, 0]),
    ("t/(1 + k/x)", [2, 3, 0], 0, [0, 0, 1.5]),
    ("t*exp(-(k/x)**n)", [2, 0.5, 3, 0], 0, [0, 0, 0, 0]),
    ("t/(1 + exp(n*(log(k) - log(x))))", [2, 1.5, 3, 0], 0, [0, 0, 0, 0]),
    ("t/(1 + exp(n*(log(k) - log(x))))", [2, 0.5, 3, 0], 0, [0, 0, 0, np.inf]),
]


@pytest.mark.parametrize(("formula", "x", "value", "slopes"), AT_LIMITS)
def test_what_has_a_limit_has_it(formula, x, value, slopes):
    objective = Objective(formula)
    np.testing.assert_equal(objective.value(x), value)
    np.testing.assert_array_equal(objective.grad(x), slopes)


TERMS = st.tuples(
    st.integers(-3, 3).filter(bool),
    st.sampled_from([0.25, 0.5, 0.75, 1, 1.5, 2]),
    st.integers(0, 2),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(TERMS, min_size=2, max_size=4, unique_by=lambda term: term[1:]))
def test_at_the_edge_of_a_domain_a_slope_is_that_of_the_strongest_term(terms):
    formula = " + ".join(f"{c}*x**{p}*log(x)**{k}" for c, p, k in terms)
    objective = Objective(formula)
    with mpmath.workdps(50):
        near = mpmath.mpf(10) ** -4000
        slopes = [
            c
            * near ** (p - 1)
            * mpmath.log(near) ** (k - 1)
            * (p * mpmath.log(near) + k)
            for c, p, k in terms
        ]
        slope = mpmath.fsum(slopes)
    assert objective.value([0]) == 0
    found = objective.grad([0])[0]
    if abs(slope) > 1000:
        assert found == float(mpmath.sign(slope)) * np.inf
    else:
        assert found == pytest.approx(float(slope), abs=1e-9)


@pytest.mark.parametrize("form", ["c[i]*log(r[i]*s)", "c[i]*log(c[i]/(r[i]*s))"])
def test_a_count_of_0_at_a_rate_of_0_adds_nothing(form):
    data = {"c": np.array([0.0, 3, 1]), "r": np.array([0.0, 1, 2])}
    objective = Objective(f"sum({form} for i in range(3))", data=data)
    whole = Objective(f"sum({form} for i in range(1, 3))", data=data)
    for s in (0.5, 2.0):
        assert objective.value([s]) == pytest.approx(whole.value([s]))
        assert objective.grad([s]) == pytest.approx(whole.grad([s]))
        assert objective.hess([s]) == pytest.approx(whole.hess([s]))


def test_a_coefficient_of_0_leaves_nothing_of_its_logarithm():
    objective = Objective("m - c*log(m)", parameters={"c": 0})
    parts = objective.value([0]), objective.grad([0]), objective.hess([0])
    assert parts == (0, [1], [[0]])
    assert np.isnan(objective.value([-1]))
    result = minimize(objective, [0], bounds=[(0, None)])
    assert (result.success, result.fun) == (True, 0)


@settings(max_examples=20, deadline=None)
@given(c=st.floats(-3, 3), m=st.floats(1e-3, 20), t=st.floats(0.1, 3))
@pytest.mark.parametrize(
    "formula",
    ["c*log(t*m)", "sin(c)*log(m/t)", "c*log1p(m*t)", "c**2*(log(m) - log(t))"],
)
def test_elsewhere_it_is_what_was_written(formula, c, m, t):
    check_against_many_digits(formula, [(c, m, t)], tolerance=1e-10)


@pytest.mark.parametrize("formula", ["(x**2 + y**2)**1.5", "hypot(x, y)"])
def test_at_the_tip_of_a_norm_the_curvature_is_0(formula):
    np.testing.assert_array_equal(Objective(formula).hess([0, 0]), np.zeros((2, 2)))


@pytest.mark.parametrize("formula", ["log(x)", "y/x", "x/sqrt(x**2 + y**2)", "x/y + y"])
def test_what_has_no_limit_is_an_error(formula):
    objective = Objective(formula)
    with pytest.raises(InputError, match=r"f is (-inf|inf|nan)"):
        minimize(objective, [0] * len(objective.variables))


@pytest.mark.parametrize(
    ("formula", "x", "least"),
    [
        ("x*log(x)", [0], -float(mpmath.exp(-1))),
        ("x*log(x) + (1 - x)*log(1 - x)", [1], -float(mpmath.log(2))),
        ("x - sqrt(x)", [0], -0.25),
        ("sqrt(x)*log(x)", [0], -2 * float(mpmath.exp(-1))),
        ("sqrt(1 - x)*log(1 - x)", [1], -2 * float(mpmath.exp(-1))),
        ("x*log(x/y) - x + y + (y - 0.6)**2", [0, 0], 0),
    ],
)
def test_a_run_begins_on_a_bound_where_f_is_infinitely_steep(formula, x, least):
    result = minimize(formula, x, bounds=[(0, 1)] * len(x))
    assert result.success
    assert result.fun == pytest.approx(least, abs=1e-12)


def test_a_rule_begins_beside_a_bound_too():
    for method in ("gd", "adam"):
        options = {"method": method, "bounds": [(0, 1)]}
        one = minimize("x*log(x)", [0], **options)
        many = minimize_many("x*log(x)", [[0], [0.5]], **options)
        assert [one.success, *many.success] == [True] * 3
        assert [one.fun, *many.fun] == pytest.approx([-np.exp(-1)] * 3)
    f = Objective("sum(x[i]*log(x[i]) for i in range(n))", sizes={"n": 80})
    result = minimize(f, np.zeros(80), bounds={"x": (0, None)}, method="adam")
    assert (result.success, result.fun) == (True, pytest.approx(-80 * np.exp(-1)))


@pytest.mark.parametrize(
    ("model", "y_of"),
    [
        ("a*x**b", lambda x: 2 * x**1.5),
        ("a*x**b/(9**b + x**b)", lambda x: 2 * x**1.5 / (9**1.5 + x**1.5)),
        ("a/(1 + (9/x)**b)", lambda x: 2 * x**1.5 / (9**1.5 + x**1.5)),
        ("a*exp(-(9/x)**b)", lambda x: 2 * np.exp(-((9 / (x + 1e-99)) ** 1.5))),
    ],
)
def test_a_fit_has_a_row_at_dose_0(model, y_of):
    x = np.array([0.0, 1.0, 2.0, 4.0, 8.0, 16.0])
    y = y_of(x)
    for start in (None, [1, 1]):
        result = fit(model, {"x": x, "y": y}, target="y", x0=start)
        assert list(result.parameters.values()) == pytest.approx([2, 1.5])


def test_a_growth_that_begins_infinitely_steep_is_fitted():
    x = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0])
    y = 1 - np.exp(-((x / 2.5) ** 0.66))
    result = fit("1 - exp(-(x/k)**n)", {"x": x, "y": y}, target="y")
    assert result.success
    assert list(result.parameters.values()) == pytest.approx([2.5, 0.66])


# What would need thousands of digits, in another form.
SAME = {
    "log(1 - 1/(1 + exp(-x)))": "-log(1 + exp(x))",
    "log(1 - sigmoid(x))": "-log(1 + exp(x))",
}


def check_against_many_digits(formula, points, *, beside=0, tolerance=2e-12):
    """Compare value, gradient and Hessian with SymPy's of the formula as written."""
    objective = Objective(formula)
    symbols = [symbol(name) for name in objective.variables]
    plain = read(SAME.get(formula, formula))
    first = [sp.diff(plain, s) for s in symbols]
    second = [sp.diff(d, s) for d in first for s in symbols]
    exact = sp.lambdify(symbols, [plain, *first, *second], "mpmath", cse=True)
    for point in points:
        x = np.array(point, dtype=float)
        parts = [objective.value(x)], objective.grad(x), objective.hess(x).ravel()
        with mpmath.workdps(900):
            there = [mpmath.mpf(float(each)) + beside for each in x]
            wanted = list(map(float, exact(*there)))
        np.testing.assert_allclose(
            np.concatenate(parts), wanted, rtol=tolerance, atol=tolerance
        )


GROWING = [
    "log(1 + exp(x))",
    "log(2 + 3*exp(-x))",
    "log1p(exp(2*x - 1))",
    "log(1 + 2**x)",
    "log(exp(x) + exp(y) + 2*exp(-x))",
    "log(1 + exp(x) + exp(y))",
    "exp(x)/(exp(x) + exp(y))",
    "log(exp(y)/(exp(x) + exp(y) + 3))",
    "1/(1 + exp(-x))",
    "2/(3 + exp(-x))",
    "exp(x)/(2 + 3*exp(x))",
    "exp(x)/(1 + exp(x))**2",
    "log(1/(1 + exp(-x)))",
    "log(1 - 1/(1 + exp(-x)))",
    "log(sigmoid(x))",
    "log(1 - sigmoid(x))",
    "log(cosh(x))",
    "log(cosh(x)*exp(-y/8))",
    "(exp(x) - exp(-x))/(exp(x) + exp(-x))",
    "sinh(x)/cosh(x)",
    "1/cosh(x)",
    "log(exp(-x)*exp(y)/3)",
    "log(sqrt(1 + exp(2*x)))",
    "(3*exp(x) - 2*exp(y))/(exp(x) + exp(y))",
    "log((1 + exp(x))*(1 + exp(y)))",
    "log(1 + exp(x + y))",
]
SIZES = [-1e300, -1e5, -800.0, -30.0, -1.3, 0.0, 1e-9, 0.4, 7.0, 720.0, 3e4, 1e300]


@pytest.mark.parametrize("formula", GROWING)
def test_nothing_overflows_on_the_way_to_a_plain_number(formula):
    count = len(Objective(formula).variables)
    points = [[x] * count for x in SIZES] + [
        [x, y][:count] for x, y in zip(SIZES, reversed(SIZES), strict=True)
    ]
    if formula == "log(1 + exp(x + y))":  # 1e300 + 1e300 is no whole number off
        points = [p for p in points if abs(p[0]) < 1e299]
    check_against_many_digits(formula, points)


@pytest.mark.parametrize(
    ("formula", "point"),
    [
        ("log(w*exp(-(x - m)**2/2) + (1 - w)*exp(-(x + m)**2/2))", [60, 0.3, 0.5]),
        ("a/(1 + b*exp(-k*x))", [2, 3, -5, 400]),
        ("y*log(1/(1 + exp(-x))) + (1 - y)*log(1 - 1/(1 + exp(-x)))", [900, 0.25]),
        ("log(exp(-x)*s*exp(-y)/(t*u*v))", [800, 1, 2, 3, 900, 4]),
    ],
)
def test_coefficients_may_be_variables(formula, point):
    objective = Objective(formula)
    named = dict(zip(objective.variables, point, strict=True))
    check_against_many_digits(formula, [[named[v] for v in objective.variables]])


@pytest.mark.parametrize(
    ("formula", "points"),
    [
        ("exp(w - 1130.5)", [1130, 1129, 700]),
        ("log(exp(w) + exp(2*w - 1130.5) + 1) - 0.8*w", [1130, 1200, 900, -3]),
        ("exp(w - 1130.5)/(exp(w - 1130.25) + exp(2*w - 2300.75))", [1130, 1170]),
        ("(w - 1000)**2*exp(2*w - 2000.5)", [1001, 999]),
        ("exp(2*w - 1500.5)*exp(-w)", [1400, 1500]),
        ("exp(w + 900.5) + exp(-w - 900.5)", [-901, -900]),
        ("-1e-250*exp(2*w)", [280]),
        ("1e250*exp(w)/(1 + 1e250*exp(w))", [-580, -570]),
    ],
)
def test_numbers_in_exponents_may_be_large(formula, points):
    check_against_many_digits(formula, [[w] for w in points], tolerance=1e-11)


OF_POWERS = [
    *("log(1 + x**400)/400", "log(3*x**100 + 2*y**60 + 1)", "(1 + x**300)**(1/300)"),
    *("(x**200 + y**200)**(1/200)", "(2*x**30 + y**30 + z**30)**(1/30)"),
    *("log(1 + (x - 3*y)**50)", "(1 + x**100)**0.02"),
]


@pytest.mark.parametrize("formula", OF_POWERS)
@pytest.mark.parametrize("point", [(1e3, 2e3, 5), (-1e9, 1e8, 9e8), (2.5, 2.25, -2)])
def test_powers_overflow_inside_of_a_plain_number(formula, point):
    count = len(Objective(formula).variables)
    check_against_many_digits(formula, [point[:count]], tolerance=1e-11)


@settings(max_examples=30, deadline=None)
@given(
    x=st.floats(-1e300, 1e300), y=st.floats(1e-6, 1e300), p=st.sampled_from([20, 200])
)
def test_a_norm_of_powers_is_about_the_largest(x, y, p):
    objective = Objective(f"(x**{p} + y**{p})**(1/{p})")
    larger, ratio = max(abs(x), y), min(abs(x), y) / max(abs(x), y)
    whole = larger * (1 + ratio**p) ** (1 / p)
    assert objective.value([x, y]) == pytest.approx(whole, rel=1e-12)
    slopes = np.sign(x) * (abs(x) / whole) ** (p - 1), (y / whole) ** (p - 1)
    assert objective.grad([x, y]) == pytest.approx(slopes, rel=1e-9, abs=1e-12)


def test_a_norm_of_powers_has_a_subgradient_at_its_tip():
    objective = Objective("(x**200 + y**200)**(1/200)")
    assert objective.value([0, 0]) == 0
    np.testing.assert_array_equal(objective.grad([0, 0]), [0, 0])
    assert minimize(f"{objective.expression} + (x - 3)**2 + y**2", [1e9, 1e3]).success


VANISHING = [
    *("sin(x)/x", "(1 - cos(x))/x**2", "(exp(x) - 1)/x", "log(1 + x)/x", "sinh(x)/x"),
    *("tan(x)/x", "x/(exp(x) - 1)", "tanh(x)/x", "atan(x)/x", "asin(x)/x", "erf(x)/x"),
    *("(exp(x) - 1 - x)/x**2", "1/tanh(x) - 1/x", "x/tanh(x)", "expm1(x)/x"),
    *("log1p(x)/x", "x/log(1 + x)", "(x - sin(x))/x**3", "sin(3*x)/x", "x/sin(x)"),
    *("3*(sin(x) - x*cos(x))/x**3", "(sin(x)/x)**2", "(2**x - 1)/x", "sinh(x)/sin(x)"),
    *("1/x - 1/sin(x)", "log(sinh(x)/x)", "(cosh(x) - 1)/x**2", "(x**3 - x)/(2*x)"),
]
NEAR = [0.0, 1e-300, 1e-9, -1e-9, 1e-5, 0.001, 0.03, -0.1, 0.24, 0.26, -0.51, 0.9]


@pytest.mark.parametrize("formula", VANISHING)
def test_a_removable_singularity_is_removed(formula):
    check_against_many_digits(
        formula, [[x] for x in NEAR], beside=mpmath.mpf(10) ** -60
    )


INSIDE = [
    *("sqrt((exp(x) - 1)/x)", "((exp(x) - 1)/x)**0.3", "1/sqrt(1 + sinh(x)**2/x**2)"),
    *("log(abs(sinh(x)/x)*sigmoid(x))", "log(2 + exp(-x)*(exp(x) - 1)/x)"),
    *("hypot((exp(2*x) - 1)/x, exp(x))", "exp(x)/(x*exp((exp(x) - 1)/x) + 1)"),
    *("sqrt(1/tanh(x) - 1/x + exp(x))", "exp(x)/(x*exp(x/tanh(x)) + exp(x))"),
]


def check_by_differences(formula, x):
    wanted = exact(formula, ["x"], [x], digits=1200, beside=STEP / 10**150)
    np.testing.assert_allclose(computed(formula, [x]), wanted, rtol=2e-12, atol=2e-12)


@pytest.mark.parametrize("formula", INSIDE)
def test_a_singularity_inside_of_others_is_removed(formula):
    for x in [*NEAR, 1.1, -1.5, 20.0]:
        check_by_differences(formula, x)


@pytest.mark.parametrize("x", [1.0, 1 + 1e-9, 0.9, 2.0, -0.5, -1.5])
def test_a_singularity_elsewhere_than_at_0_is_removed_inside_of_others(x):
    check_by_differences("log(abs((exp(-x**2) - exp(-1))/(1 - x)))", x)


def test_a_singularity_inside_of_terms_of_a_sum_is_removed():
    p = np.array([0.5, 1.0, -1.5, 2.0])
    text = "sum(sqrt((exp(w[0]*p[i]) - 1)/w[0]/p[i]) for i in range(4))"
    objective = Objective(text, data={"p": p})
    assert objective.value([0.0]) == pytest.approx(4)
    assert objective.grad([0.0]) == pytest.approx([p.sum() / 4])


@pytest.mark.parametrize(
    ("formula", "x"),
    [
        ("exp(x)/(x*exp(x*log(x)) + exp(x))", 1.0),
        ("x/(x*exp(x*log(x)) + exp(x))", 1.0),
        ("min((cos(x) - cos(1))**2/(x - 1)**2, log(1 - exp(x)))/(x - 10)", -1.0),
    ],
)
def test_what_is_no_number_at_a_point_is_asked_for(formula, x):
    check_by_differences(formula, x)


@pytest.mark.parametrize(
    ("formula", "points"),
    [
        ("log(x)/(x - 1)", [[1], [1.01], [0.5]]),
        ("(x**2 - 1)/(x - 1)", [[1], [1.01], [0.5]]),
        ("(10 - x)/(exp((10 - x)/10) - 1)", [[10], [10.5], [40], [-900]]),
        ("(1 - exp(-x*y))/x", [[0, 2], [1e-9, 2], [1, 0], [3, 0.1]]),
        ("(exp(x*y) - 1)/(x*y)", [[0, 2], [1e-9, 2], [0, 0], [3, 0.1]]),
        ("(exp(x*y) - 1 - x*y)/(x**2*y)", [[0, 2], [1e-9, 2], [0, 0], [3, 0.1]]),
        ("(x**y - 1)/y", [[2, 0], [2, 1e-9], [2, 1]]),
    ],
)
def test_elsewhere_than_at_0_and_of_several_variables(formula, points):
    check_against_many_digits(formula, points, beside=mpmath.mpf(10) ** -60)


def test_sums_over_arrays_are_as_stable():
    loss = "sum(log(1 + exp(-y[i]*x[i])) + sin(x[i])/x[i] for i in range(3))"
    x, y = np.array([0.0, -900.0, 1e300]), np.array([1.0, 1.0, 1.0])
    objective = Objective(loss, data={"y": y})
    expected = [np.log(2) + 1, 900 + np.sin(900) / 900, 0]
    assert objective.value(x) == pytest.approx(sum(expected))
    assert objective.grad(x)[0] == -0.5
    assert np.isfinite(objective.hess(x)).all()


OVER_INDICES = [
    ("log({sum})", "exp(x[{i}])"),
    ("log(y/3*{sum})", "exp(x[{i}])*({i} + 1)"),
    ("log(2 + {sum} + 3*exp(-y))", "exp(x[{i}])"),
    ("exp(y)/{sum}", "exp(x[{i}])"),
    ("exp(x[1] + y)/sqrt({sum})", "exp(2*x[{i}])/({i} + 2)"),
    ("log({sum})", "cosh(x[{i}])"),
    ("log({sum}/(1 + {sum}))", "exp(x[{i}] + y)"),
]


@pytest.mark.parametrize(("whole", "term"), OVER_INDICES)
def test_a_sum_over_indices_is_as_stable_as_its_terms(whole, term):
    rows = " + ".join(term.format(i=i) for i in range(3))
    objectives = [
        Objective(whole.format(sum=text), variables=["x", "y"] if "y" in text + whole
                  else ["x"])
        for text in (f"sum({term.format(i='i')} for i in range(3))", f"({rows})")
    ]  # fmt: skip
    count = 3 + len(objectives[0].variables) - 1
    for size in (1.0, 30.0, 800.0, 1e5, 1e300):
        x = size * np.array([-1.0, 0.25, 0.5, 0.75])[:count]
        found, expected = (
            np.concatenate([[o.value(x)], o.grad(x), o.hess(x).ravel()])
            for o in objectives
        )
        assert np.isfinite(found).all() or not np.isfinite(expected).all()
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)


def test_a_softmax_has_the_gradient_of_one():
    x = np.linspace(-1000, 1000, 700)
    shares = np.exp(x - x.max()) / np.exp(x - x.max()).sum()
    text = "log(sum(exp(x[i]) for i in range(n))) - sum(w[i]*x[i] for i in range(n))"
    objective = Objective(text, data={"w": shares})
    assert objective.value(x) == pytest.approx(
        x.max() + np.log(np.exp(x - x.max()).sum()) - shares @ x, rel=1e-15
    )
    assert np.abs(objective.grad(x)).max() < 1e-15


def test_a_likelihood_as_it_is_written():
    text = "-log(prod(exp(-(d[i] - m)**2/(2*s**2))/(s*sqrt(2*pi)) for i in range(n)))"
    data = np.random.default_rng(0).normal(3, 2, 500)
    result = minimize(Objective(text, data={"d": data}), {"m": 0, "s": 1})
    assert result.success
    assert list(result.x) == pytest.approx([data.mean(), data.std()])


def test_logarithms_of_products_keep_their_sign():
    product = Objective("log(prod(x[i] for i in range(3)))")
    assert product.value([-1, -2, 3]) == pytest.approx(np.log(6))
    assert np.isnan(product.value([-1, 2, 3]))
    assert product.value([1e-200] * 3) == pytest.approx(-600 * np.log(10))


def test_a_run_begins_where_a_formula_overflows():
    result = minimize("log(1 + exp(w)) - 0.3*w", 800)
    assert result.success
    assert result.fun == pytest.approx(0.6108643020548935)


def test_what_needs_nothing_stays_as_it_is():
    for text in ("x/y + exp(-x**2)", "log(1 + x**2)", "1/(2 + exp(-x**2))", "cos(x)/x"):
        assert stable(read(text)) == read(text)


@pytest.mark.parametrize(
    "formula",
    [
        "x*log(1 + 1/x)",
        "x*log(1 + 2/x**2)",
        "x**2*log(3 + 2/x)",
        "x*log1p(3/x)",
        "(x + 1)*log(1 + (2/x)**3)",
        "x*atan(2/x)",
    ],
)
@pytest.mark.parametrize("x", [1e-300, 1e-160, 1e-20, 0.3, 5.0, 1e3])
def test_a_quotient_may_overflow_in_a_logarithm(formula, x, monkeypatch):
    monkeypatch.setattr("tests.calculus.digits.STEP", mpmath.mpf(10) ** -700)
    found, wanted = computed(formula, [x]), exact(formula, ["x"], [x])
    some = np.isfinite(wanted) & (np.abs(wanted) > 1e-290)
    np.testing.assert_allclose(found[some], wanted[some], rtol=1e-9)


@pytest.mark.parametrize("x", [-1.5, -3.7, -169.5, -251.5, -1001.5])
def test_logarithms_of_gamma_functions_far_below_0(x):
    wanted = float(mpmath.log(mpmath.gamma(x)))
    assert Objective("log(gamma(x))").value([x]) == pytest.approx(wanted, rel=1e-14)
    assert np.isnan(Objective("log(gamma(x))").value([x - 1]))
