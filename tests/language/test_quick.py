"""What is made without asking SymPy is what SymPy makes."""

import sys

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy.core.cache import clear_cache

from symgd.language import quick
from symgd.language.formula import read

NAMES = [sp.Symbol(name, real=True) for name in "xyz"]
FUNCTIONS = [sp.sin, sp.cos, sp.tan, sp.exp, sp.log, sp.sinh, sp.cosh, sp.tanh, sp.erf]
FUNCTIONS += [sp.atan, sp.asinh]
NUMBERS = [-3, -1, 0, 1, 2, sp.Rational(1, 2), sp.Rational(-7, 3), sp.Float(0.3)]
NUMBERS += [sp.Float(-1.5), sp.sqrt(2), sp.pi, sp.E]
EXPONENTS = [2, 3, -1, -2, sp.Rational(1, 2), sp.Rational(-3, 2), NAMES[0]]
NO_FORMULA = (sp.I, sp.zoo, sp.oo, -sp.oo, sp.nan)

numbers = st.sampled_from(NUMBERS).map(sp.sympify)


def larger(inner):
    parts = st.lists(inner, min_size=1, max_size=3)
    with_number = st.tuples(numbers, parts).map(lambda drawn: (drawn[0], *drawn[1]))
    several = st.one_of(parts, with_number)
    return st.one_of(
        several.map(lambda terms: sp.Add(*terms)),
        several.map(lambda factors: sp.Mul(*factors)),
        st.tuples(inner, st.sampled_from(EXPONENTS)).map(lambda pair: sp.Pow(*pair)),
        st.tuples(st.sampled_from([*FUNCTIONS, sp.Abs]), inner).map(
            lambda pair: pair[0](pair[1])
        ),
    ).filter(lambda made: not made.has(*NO_FORMULA))


expressions = st.recursive(st.sampled_from(NAMES), larger, max_leaves=6)
unlimited = settings(deadline=None)


@unlimited
@given(expressions)
def test_functions_and_their_slopes(x):
    for kind in FUNCTIONS:
        node = quick.applied(kind, x)
        assert node == kind(x)
        if isinstance(node, kind):
            keeps_digits = kind is sp.tanh  # where SymPy's own cancels
            own = sp.cosh(*node.args) ** -2 if keeps_digits else node.fdiff(1)
            assert quick.slope(node) == own


@unlimited
@given(expressions, st.sampled_from(EXPONENTS).map(sp.sympify))
def test_powers(base, exponent):
    assert quick.power(base, exponent) == base**exponent


@unlimited
@given(st.lists(st.one_of(expressions, numbers), min_size=1, max_size=5))
def test_products(factors):
    made = quick.product(*factors)
    assert made == sp.Mul(*factors)
    assert made.args == sp.Mul(*factors).args


@unlimited
@given(st.lists(st.one_of(expressions, numbers), min_size=1, max_size=5))
def test_sums(terms):
    made = quick.total(*terms)
    assert made == sp.Add(*terms)
    assert made.args == sp.Add(*terms).args


@unlimited
@given(
    st.lists(st.tuples(numbers, st.sampled_from([*NAMES, sp.S.One])), max_size=4).map(
        lambda pairs: sp.Add(*(number * name for number, name in pairs))
    )
)
def test_signs_of_sums(x):
    assert quick.magnitude(x) == sp.Abs(x)
    assert quick.direction(x) == sp.sign(x)
    assert quick.applied(sp.Abs, x) == sp.Abs(x)


@pytest.mark.parametrize(
    "term",
    [
        "sin({i}*x + y)*cos(y - {i})",
        "exp(-(x - {i})**2/{i})*y",
        "log(x**2 + y**2 + {i})",
        "sqrt((x - {i})**2 + (y - {i})**2)",
        "abs({i}*x - y + 3)",
        "tanh({i}*x + y)",
        "(x - y)/(x**2 + {i})",
    ],
)
def test_of_a_usual_term_sympy_is_asked_little(term):
    asked = [0]

    def noted(frame, event, argument):
        if event == "call" and frame.f_code.co_name == "_ask":
            asked[0] += not frame.f_locals["obj"].is_Number

    text = "+".join(term.format(i=i) for i in range(2, 42))
    clear_cache()
    before = sys.getprofile()
    sys.setprofile(noted)
    try:
        read(text)
    finally:
        sys.setprofile(before)
    assert asked[0] <= 2 * 40  # it asks each function whether it commutes
