"""Sums, products, powers and choices of exponentials, against thousands of digits."""

import mpmath
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from symgd import FormulaError, Objective, minimize
from symgd.calculus.stable import stable
from symgd.language.formula import read
from tests.calculus.digits import computed, exact

NAMES = ["x", "y", "z"]
EXPONENTS = [
    *("x", "-x", "y", "-y", "2*x - y", "x - 900", "y + 950.5", "z", "x + y - z"),
    *("-x**2/900", "x*y/800", "-z - 1200", "x/2", "exp(x/100)", "-exp(y/100)"),
]
exponents = st.sampled_from(EXPONENTS)
factors = st.sampled_from(["", "2*", "0.5*", "1e-200*"])
exponentials = st.builds("{}exp({})".format, factors, exponents)
numbers = st.sampled_from(["1", "2", "0.25", "7"])
powers = st.sampled_from(["2", "0.5", "-1", "-0.3", "1.5", "0.1"])


def joined(terms):
    return st.lists(terms, min_size=1, max_size=3).map(" + ".join)


def with_more(terms):
    """Products, powers, choices and extremes of sums of terms."""
    return st.one_of(
        st.builds("max({}, {})".format, terms, terms),
        st.builds("min({}, {})".format, terms, terms),
        st.builds("({} if y > 3 else {})".format, terms, terms | st.just("0")),
        st.builds("({})*{}".format, joined(terms), terms),
        st.builds("({})**{}".format, joined(terms), powers),
        st.builds("cosh({})".format, exponents),
        st.builds("sigmoid({})*exp({})".format, exponents, exponents),
    )


terms = st.recursive(exponentials | numbers, with_more, max_leaves=4)
sums = joined(terms)
plain_factors = st.one_of(
    st.builds("({})**{}".format, sums, st.sampled_from(["2", "y", "-1", "0.5"])),
    st.builds(
        "{}**{}".format,
        st.sampled_from(NAMES),
        st.sampled_from(["2", "40", "200", "3", "-30", "5"]),
    ),
    st.builds("abs({})**{}".format, st.sampled_from(NAMES), st.sampled_from(NAMES)),
    exponentials,
    st.builds("(exp({}) - 1)".format, exponents),
    st.just("gamma(abs(z) + 1)"),
)
KINDS = {
    "logarithms of sums": st.builds("log({})".format, sums),
    "quotients": st.builds("({})/({})".format, sums, sums),
    "products and roots": st.builds(
        "({})**{}*exp({})*({})**{}".format, sums, powers, exponents, sums, powers
    ),
    "differences": st.one_of(
        st.builds("log({} - {})".format, exponentials, exponentials),
        st.builds("log(1 - exp({}))".format, exponents),
        st.builds("log(sinh({}))".format, exponents),
        st.builds("1/({} - 1)".format, exponentials),
    ),
    "logarithms of products": st.lists(plain_factors, min_size=1, max_size=4).map(
        lambda parts: f"log({'*'.join(parts)})"
    ),
}
coordinates = st.one_of(
    st.floats(-2000, 2000), st.floats(-3, 3), st.sampled_from([0.5, 1.0, -2.0, 700.0])
)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_finite_is_computed(kind):
    @settings(max_examples=6, derandomize=True, database=None, phases=[Phase.generate])
    @given(KINDS[kind], st.tuples(*[coordinates] * 3))
    def check(formula, point):
        names = names_of(formula)
        if not names:
            return
        x = [point[NAMES.index(name)] for name in names]
        wanted = exact(formula, names, x)
        if not np.isfinite(wanted[0]) or is_beside_a_kink(wanted):
            return
        known = np.abs(wanted) < 1e290
        allowed = 2e-9 * np.abs(wanted) + 1e-10 * sizes(wanted, len(names))
        found = computed(formula, x)
        assert (np.abs(found - wanted) <= allowed)[known].all(), (found, wanted)

    check()


def names_of(formula):
    """Return the variables; none of a constant."""
    try:
        return Objective(formula).variables
    except FormulaError:
        return []


def is_beside_a_kink(numbers):
    """Return whether one is within the oracle's step, of a maximum or a condition."""
    known = np.abs(numbers[np.isfinite(numbers)])
    return known.max() / 1e100 > 1 + known[0]


def sizes(numbers, n):
    """Return what numbers may be sums of: the value, slopes, sqrt(h[i, i]*h[j, j])."""
    numbers = np.nan_to_num(np.abs(numbers), posinf=0.0)
    numbers = np.where(numbers < 1e290, numbers, 0.0)
    roots = np.sqrt(np.diag(numbers[1 + n :].reshape(n, n)))
    parts = [[0.0], np.zeros(n), np.outer(roots, roots).ravel()]
    return 1 + min(numbers[0], 1e200) + np.concatenate(parts)


AT_POINTS = [
    ("log(exp(x) + (exp(y) if c > 0 else 0))", ["c", "x", "y"], [1, -800, -900]),
    ("(exp(w - 1000) + exp(v - 1000))/exp(u - 1000)", ["u", "v", "w"], [3, 2, 1]),
    ("exp(w)*exp(-w**2)*exp(800 - w)", ["w"], [28]),
    ("sqrt(exp(w) + exp(2*w - 1500))", ["w"], [1400]),
    ("-log(1 - exp(-exp(x)))", ["x"], [-800]),
    ("-log(1 - exp(-exp(x)))", ["x"], [800]),
    ("-log(1 - exp(-exp(x)))", ["x"], [-40]),
    ("log(1 - exp(-x))", ["x"], [1e-20]),
    ("1/(exp(x) - 1)", ["x"], [1e-20]),
    ("log(sinh(800*x))", ["x"], [1]),
    ("log(sinh(x)/x)", ["x"], [-900]),
    ("log(abs(w)**v)", ["v", "w"], [400, -1e10]),
    ("log(w**400*v**300)", ["v", "w"], [1e3, -1e3]),
    ("log((x + y)**6*(x - y)**4)", ["x", "y"], [1e80, 3e80]),
    ("log(x**x)", ["x"], [300]),
    ("log(x**(a - 1)*exp(-x/b)/(b**a*gamma(a)))", ["a", "b", "x"], [300, 2, 700]),
    ("log(factorial(x)/factorial(y))", ["x", "y"], [300, 200]),
    ("(1 + exp(x))**y*exp(-x*y)", ["x", "y"], [900, 1.5]),
    ("exp(x)*exp(-exp(x))", ["x"], [800]),
    ("cosh(x)/exp(x)", ["x"], [800]),
]


@pytest.mark.parametrize(("formula", "names", "x"), AT_POINTS)
def test_an_end_of_a_kind(formula, names, x):
    wanted = exact(formula, names, x, digits=1500)
    scale = 1e-12 * max(1, np.abs(wanted[0]))
    np.testing.assert_allclose(computed(formula, x), wanted, rtol=1e-10, atol=scale)


def over(term, n=4):
    return " + ".join(term.format(i=i) for i in range(n))


OTHERS = {i: " + ".join(f"exp(x{j})" for j in range(4) if j != i) for i in range(4)}
OVER_INDICES = [
    ("log(sum(exp(x[j]) for j in range(n) if j != 1))", f"log({OTHERS[1]})"),
    (
        "sum(log(sum(exp(x[j]) for j in range(n) if j != i)) for i in range(n))",
        " + ".join(f"log({OTHERS[i]})" for i in range(4)),
    ),
    (
        "sum(exp(x[i])/sum(exp(x[j]) for j in range(n) if j != i) for i in range(n))",
        " + ".join(f"exp(x{i})/({OTHERS[i]})" for i in range(4)),
    ),
    (
        "log(sum(exp(x[j])*sum(exp(2*x[i]) for i in range(n)) for j in range(n)))",
        f"log(({over('exp(x{i})')})*({over('exp(2*x{i})')}))",
    ),
    (
        "sqrt(sum(exp(2*x[i]) for i in range(n)))*exp(-x[0])",
        f"sqrt({over('exp(2*x{i})')})*exp(-x0)",
    ),
    (
        "sum(log(1 - exp(-exp(x[i]))) for i in range(n))",
        over("log(1 - exp(-exp(x{i})))"),
    ),
    ("log(prod(x[i]**200 for i in range(n)))", over("100*log(x{i}**2)")),
    ("log(prod(exp(x[i]) + 1 for i in range(n)))", over("log(exp(x{i}) + 1)")),
]


@pytest.mark.parametrize(("formula", "written_out"), OVER_INDICES)
def test_over_an_index(formula, written_out):
    names = [f"x{i}" for i in range(4)]
    for x in ([800, 801, 790, -3], [-800, -801, -790, -803], [1, 2, 3, -1]):
        wanted = exact(written_out, names, x, digits=1500)
        known = np.abs(wanted) < 1e290
        np.testing.assert_allclose(
            computed(formula, x)[known], wanted[known], rtol=1e-11, atol=1e-12
        )


@pytest.mark.parametrize(
    ("formula", "x", "value"),
    [
        ("log(sinh(x)/x)", [-5], float(mpmath.log(mpmath.sinh(5) / 5))),
        ("log((exp(x) - exp(y))**2)", [1, 2], 2 * np.log(np.exp(2) - np.exp(1))),
        ("log(y*(exp(x) - 1))", [-3, -3], np.log(3 * (1 - np.exp(-3)))),
        ("log(x**3*y)", [-1, -2], np.log(2)),
        ("log(x**3)", [-1], np.nan),
        ("log(x**x)", [-2], -2 * np.log(2)),
        ("log(x**x)", [-3], np.nan),
        ("log(gamma(x)*y)", [-0.5, -1], np.log(2 * np.sqrt(np.pi))),
        ("log((exp(x) - 1)*(exp(-x) - 1))", [2], np.nan),
    ],
)
def test_signs_in_logarithms_are_those_of_the_formula(formula, x, value):
    assert Objective(formula).value(x) == pytest.approx(value, nan_ok=True)


def test_a_sum_without_terms_is_as_it_is():
    objective = Objective("log(sum(exp(x[j]) for j in range(3) if x[j] > 5))")
    assert objective.value([1, 2, 3]) == -np.inf
    assert objective.value([1, 2, 900]) == 900


def test_a_run_begins_where_all_exponentials_underflow():
    text = "log(exp(x - 1) + (exp(-x) if x < 3 else 0))"
    result = minimize(text, -900)
    assert result.success
    assert result.fun == pytest.approx(np.log(2 * np.exp(-0.5)))


def test_what_has_no_opposite_stays_as_it_is():
    for text in ("exp(-x**2)*exp(-y**2)", "log(x*y)", "log(x**2*y)", "(1 + exp(x))**2"):
        assert stable(read(text)) == read(text)
