"""Kinks are said smoothly where that is exact, and nowhere else."""

import pytest

from symgd import Objective
from symgd.calculus.epigraph import epigraph, squares_of
from symgd.calculus.spans import EVERYTHING, span_of
from symgd.language.formula import read, symbol


def smooth(text, known=None, variables="xyzw"):
    expression = read(text, {}, arrays=True)
    return epigraph([(expression, (), True)], variables, known or {}, [*variables])


EXACT = {
    "abs(x)": "kink + kink_1",
    "max(x, 0)": "kink",
    "-min(x, 2)": "kink - 2",
    "3*max(x, y, 1) + x**2": "3*kink + x**2",
    "exp(abs(x - y))": "exp(kink + kink_1)",
    "(1 + abs(x))**2": "(kink + kink_1 + 1)**2",
    "sqrt(1 + abs(x))": "sqrt(kink + kink_1 + 1)",
    "hypot(x, y)": "kink",
    "max(abs(x), abs(y))": "kink",
    "abs(x)*abs(y - 1)": "(kink + kink_1)*(kink_2 + kink_3)",
    "log(2 + abs(x))": "log(kink + kink_1 + 2)",
    "max(abs(w[j]) for j in range(n))": "kink",
    "-min(exp(w[j]) for j in range(n)) + x**2": "kink + x**2",
    "sum(max(w[j]*k for k in range(3)) for j in range(2))": "Sum(kink[j], (j, 0, 1))",
    "max(abs(x), max(abs(w[j]) for j in range(n)))": "kink",
    "sum(abs(w[j]) for j in range(n))": "Sum(kink[j] + kink_1[j], (j, 0, n - 1))",
}


@pytest.mark.parametrize("text", EXACT)
def test_a_kink_that_f_rises_with_is_said_by_new_variables(text):
    (found,), parts = smooth(text)
    assert str(found) == EXACT[text]
    assert parts


NOT_EXACT = [
    "-abs(x)",  # a ridge
    "min(x, y)",
    "abs(abs(x) - 1)",  # two valleys
    "y*abs(x)",  # of a sign that isn't known
    "cos(abs(x))",
    "min(w[j] for j in range(n))",
    "max(w[i + j] for i in range(n) for j in range(i + 1))",  # a triangle
    "1/(1 + abs(x))",
    "(abs(x) - 1)**2",
    "abs(x) - 2*abs(y)",
    "abs(x) + sign(y)",  # a jump beside it
    "abs(x) + floor(y)",
    "sum(abs(x[j]) for i in range(3) for j in range(i + 1))",  # a triangle
]


@pytest.mark.parametrize("text", NOT_EXACT)
def test_what_is_no_valley_stays_as_it_is(text):
    assert smooth(text) is None


@pytest.mark.parametrize(("span", "exact"), [((0, 2), True), ((-1, 2), False)])
def test_a_coefficient_counts_by_its_values(span, exact):
    for text in ("a*abs(x)", "sum(a[i]*abs(x - i) for i in range(3))"):
        assert (smooth(text, {"a": span}) is not None) == exact


@pytest.mark.parametrize(("weight", "exact"), [("1 + i", True), ("i - 1", False)])
def test_an_index_has_a_sign_by_its_range(weight, exact):
    text = f"sum(({weight})*abs(x[i] - i) for i in range(4))"
    assert (smooth(text) is not None) == exact


def test_a_negative_coefficient_turns_a_minimum_into_a_maximum():
    (found,), _ = smooth("a*min(x, 1)", {"a": (-2.0, -2.0)})
    assert str(found) == "a*(1 - kink)"
    assert smooth("a*max(x, 1)", {"a": (-2.0, -2.0)}) is None


def test_the_inner_kinks_come_first():
    _, parts = smooth("max(2*abs(x) + y, hypot(x, y), 3)")
    assert [part.kind for part in parts][-1] == "most"
    assert len(parts) == 3


def test_new_names_are_nobody_elses():
    _, parts = epigraph([(abs(symbol("kink")), (), True)], ["kink"], {}, ["kink"])
    assert parts[0].names == ("kink_1", "kink_2")


def test_a_smooth_formula_needs_nothing():
    assert smooth("x**2 + sqrt(1 + y**2)")[1] == ()


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("a*x**2", (0, float("inf"))),
        ("a - abs(x)", (-float("inf"), 3)),
        ("max(a, x)", (2, float("inf"))),
        ("-a", (-3, -2)),
        ("sum(a*exp(x) for i in range(n))", (0, float("inf"))),
        ("sum(-(1 + i)*exp(x) for i in range(n))", (-float("inf"), 0)),
        ("sum((i - 1)*exp(x) for i in range(n))", (-float("inf"), float("inf"))),
        ("max((i + 1)*a for i in range(n))", (2, float("inf"))),
        ("sum(sum((i - j)*exp(x) for j in range(i)) for i in range(n))", EVERYTHING),
    ],
)
def test_spans_follow_from_what_is_known(text, span):
    expression = Objective(text, ["x", "a"], sizes={"n": 3} if "n)" in text else None)
    assert span_of(expression.expression, {"a": (2.0, 3.0)}) == span


def test_squares_have_weights():
    x, y = symbol("x"), symbol("y")
    assert squares_of(x**2 + 3 * (y - 1) ** 2) == [(1, x, ()), (3, y - 1, ())]
    assert squares_of(x**2 + y) == []
