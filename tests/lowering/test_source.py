"""Generated code: exact numbers, lazy branches, few operations, safe names."""

import math

import mpmath
import numba
import numpy as np
import pytest
import sympy as sp

from symgd import FormulaError, Objective
from symgd.arithmetic import special as numeric
from symgd.language.formula import read, symbol
from symgd.language.functions import ORDERS, TABLE
from symgd.lowering import sharing
from symgd.lowering.code_printer import Style
from symgd.lowering.inlining import straight
from symgd.lowering.sharing import share
from symgd.lowering.source import lower, source_of

x, y = symbol("x"), symbol("y")


def compiled(*outputs, python=False):
    places = {x: "x[0]", y: "x[1]"}
    expressions = [read(output) for output in outputs]
    if python:
        return lower("f", ("x",), expressions, places)
    lowered = lower("f", ("x", "p"), expressions, places, style=Style.LATENCY)
    call = straight(lowered, len(outputs))

    @numba.njit(error_model="numpy")
    def function(x):
        return call(x, ())

    return function


@pytest.mark.parametrize(
    ("constant", "expected"),
    [
        ("1/3", 1 / 3),
        ("10**25", 1e25),
        ("10**25/3", 10**25 / 3),
        ("2**63 + 1", float(2**63 + 1)),
        ("123456789012345678901234567890/7", 123456789012345678901234567890 / 7),
        ("0.1", 0.1),
        ("1.1234567890123457", 1.1234567890123457),
        ("4.9e-324", 5e-324),
        ("pi", math.pi),
        ("sqrt(2)", math.sqrt(2)),
        ("E**10", float(mpmath.exp(10))),
        ("log(3)", math.log(3)),
    ],
)
def test_constants_become_the_nearest_float(constant, expected):
    function = compiled(f"{constant} + 0*x", python=True)
    assert function((0.0, 0.0)) == (expected,)
    assert repr(expected) in source_of(function)


def test_600_random_floats_are_carried_exactly():
    numbers = np.random.default_rng(0).normal(size=600).tolist()
    function = compiled(*(sp.Float(number) for number in numbers), python=True)
    assert list(function((0.0, 0.0))) == numbers


def test_powers_at_zero_are_infinite_not_exceptions():
    function = compiled("x**-2", "1/x", "x**-3", "x**(-1/2)", "1/x**0.3")
    assert function((0.0, 0.0)) == (math.inf,) * 5


def test_domains_give_nan_and_limits_give_infinities():
    function = compiled("log(x)", "sqrt(x)", "x**0.3", "exp(-1000*x)", "log(x + 1)")
    results = function((-1.0, 0.0))
    assert [math.isnan(r) for r in results[:3]] == [True] * 3
    assert results[3:] == (math.inf, -math.inf)


def test_branches_not_taken_are_not_evaluated():
    # Unjitted, a logarithm or a division that should not happen raises.
    text = "sqrt(x)*log(x) + 1/x if x > 0 else x**2"
    function = compiled(text, sp.diff(read(text), x))
    python = compiled(text, python=True)
    assert python((-3.0, 0.0)) == (9.0,)
    assert python((0.0, 0.0)) == (0.0,)
    assert python((4.0, 0.0)) == (pytest.approx(2 * math.log(4) + 0.25),)
    assert function((-3.0, 0.0)) == (9.0, -6.0)


def test_shared_subexpressions_of_a_branch_stay_inside_it():
    text = "(log(x)*y + log(x)**2 if x > 0 else y) + (log(x) if x > 0 else 1)"
    python = compiled(text, python=True)
    assert source_of(python).count("log(") == 1
    assert python((-1.0, 5.0)) == (6.0,)
    assert python((1.0, 5.0)) == (0.0,)


def test_shared_subexpressions_of_nested_branches():
    text = "(log(y)/(1 + log(y)) if y > 0 else 3) if x > 0 else x"
    python = compiled(text, python=True)
    assert python((1.0, -1.0)) == (3.0,)
    assert python((-2.0, -1.0)) == (-2.0,)
    assert python((1.0, math.e)) == (0.5,)


def test_what_is_needed_outside_is_computed_once():
    python = compiled("exp(x) + (exp(x)*y if y > 0 else 0)", python=True)
    assert source_of(python).count("exp(") == 1


def test_conditions_may_be_combined():
    python = compiled("1 if (x > 0 and not y > 1) or x == -5 else 2", python=True)
    cases = {(1.0, 0.0): 1.0, (1.0, 2.0): 2.0, (-5.0, 9.0): 1.0, (0.0, 0.0): 2.0}
    for point, expected in cases.items():
        assert python(point) == (expected,)


@pytest.mark.parametrize(
    ("text", "point", "expected"),
    [
        ("x + (-2 if y > 1 else 5)", (10, 0), 15),
        ("x + (-1 if y > 0 else 2)", (10, -1), 12),
        ("y + (-x if x > 0 else x**2)", (-3, 10), 19),
        ("(-2 if y > 1 else 5) - x", (10, 0), -5),
        ("(-x - 1)*3 - (x + y) + 2*(-x if x > y else y)", (1, 2), -6 - 3 + 4),
        ("x - expm1(-40) - 1", (0, 0), -math.expm1(-40) - 1),
        ("x - cbrt(-1)", (0, 0), 1),
        ("max(0, (x if y > 0 else -x))", (3, -1), 0),
        ("max(1 - x*(1 if y > 0 else -1), 0)", (3, -1), 4),
        ("1 if (x if y > 2 else -x) > 1 else 7 + 0*x", (3, 0), 7),
        ("max(x, y, x*y, 3) - min(x, y, 0)", (-2, 5), 7),
    ],
)
def test_conditionals_among_other_terms(text, point, expected):
    objective = Objective(text, ["x", "y"])
    assert objective.value(point) == pytest.approx(expected)


def test_products_and_sums_of_constants_are_rounded_once():
    exact = float(sp.N(sp.pi * sp.sqrt(5) / 7, 40))
    assert repr(exact) in Objective("pi*sqrt(5)/7 + x").source
    assert "3.0" in Objective("log10(1000) + x").source
    assert repr(float(sp.N(sp.pi + sp.E, 40))) in Objective("pi + E + x").source


def test_a_missing_last_branch_is_nan():
    function = compiled("Piecewise((x, x > 0))")
    assert function((2.0, 0.0)) == (2.0,)
    assert math.isnan(function((-2.0, 0.0))[0])


def test_kinks_do_not_multiply_infinity_by_zero():
    objective = Objective("max(log(x), -5)")
    assert objective.value([0]) == -5
    assert objective.grad([0]) == [0]
    assert Objective("max(x, 2*x)").grad([0]) == [1.5]  # half of each side


def test_nan_is_never_lost_in_max_and_min():
    for a, b in ((math.nan, 1.0), (1.0, math.nan)):
        for text in ("max(x, y)", "min(x, y)", "sign(x + y)", "Heaviside(x + y)"):
            assert math.isnan(compiled(text)((a, b))[0])


def test_sums_that_differ_by_a_factor_share_a_name():
    shared, reduced = share((x - y, 3 * y - 3 * x, (y - x) ** 2))
    assert len(shared) == 1
    name = shared[0][0]
    assert {abs(r.coeff(name)) for r in reduced[:2]} == {1, 3}
    assert reduced[2] == name**2


def test_the_late_symbol_is_added_last():
    g = symbol("g")
    update = lower(
        "f", ("x", "g"), [x - 2 * y - 3 * g], {x: "x[0]", y: "x[1]", g: "g"}, [g]
    )
    assert "fma(-3.0, g, fma(-2.0, x[1], x[0]))" in source_of(update)


def test_products_and_sums_are_fused():
    source = Objective("(1 - x)**2 + 100*(y - x**2)**2").source
    assert source == (
        "def value_and_gradient(x, p):\n"
        "    c0 = fma(x[0], x[0], -x[1])\n"
        "    return (fma(100.0*c0, c0, (1.0 - x[0])**2), "
        "fma(400.0*x[0], c0, fma(2.0, x[0], -2.0)), -200.0*c0,)\n"
    )


def test_generated_code_has_only_our_names():
    evil = sp.Symbol("x[0]; __import__('os').abort()")
    objective = Objective((evil - 1) ** 2)
    assert "import" not in objective.source
    assert objective.value([3]) == 4
    with pytest.raises(KeyError):
        lower("f", ("x",), [x + symbol("unknown")], {x: "x[0]"})


def test_the_order_of_names_does_not_matter():
    sources = {
        Objective(f"sin({a})*{b} + {b}**2 + {a}*{b}", [a, b]).source
        for a, b in (("x", "y"), ("y", "x"), ("zz", "A"), ("x10", "x2"))
    }
    assert len(sources) == 1


def test_an_expression_too_large_to_compile_says_so(monkeypatch):
    monkeypatch.setattr(sharing, "MAX_OPERATIONS", 50)
    text = " + ".join(f"sin({i}*x)" for i in range(2, 100))
    with pytest.raises(FormulaError, match="over 50 different operations"):
        Objective(text).value([1])


def test_constants_beyond_float64_are_refused():
    with pytest.raises(FormulaError, match="too large for float64"):
        lower("f", ("x",), [sp.Integer(10) ** 400 * x], {x: "x[0]"})


@pytest.mark.parametrize("row", [r for r in TABLE if r.node], ids=lambda row: row.name)
def test_each_function_agrees_with_high_precision(row):
    count = 1 if row.arity[0] == 1 and row.arity[1] == 1 else 2
    if row.name == "log":
        count = 1
    arguments = [x, y][:count]
    order = 2
    expression = row.node(order, x) if row.node in ORDERS else row.node(*arguments)
    function = compiled(expression)
    numbers = [0.1, 0.3, 0.7, 0.99, 1.5, 2.5, 7.25, 30.0, -0.4, -2.7]
    checked = 0
    for a in numbers:
        for b in (1.5, -0.7) if count == 2 else (0.0,):
            point = {x: sp.Float(a, 40), y: sp.Float(b, 40)}
            exact = expression.evalf(40, subs=point)
            if not exact.is_real or (row.name == "loggamma" and a < 0):
                continue
            if row.name == "polygamma" and a < 0:
                continue
            assert function((a, b))[0] == pytest.approx(float(exact), rel=2e-15)
            checked += 1
    assert checked >= 4


@pytest.mark.parametrize("order", range(6))
@pytest.mark.parametrize("a", [1e-3, 0.5, 3.0, 19.9, 20.0, 1e3, 1e8])
def test_polygamma(order, a):
    expected = float(mpmath.polygamma(order, mpmath.mpf(a)))
    assert numeric.polygamma(float(order), a) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("a", [-0.25, -1.5, -7.3])
def test_polygamma_is_reflected(order, a):
    expected = float(mpmath.polygamma(order, mpmath.mpf(a)))
    assert numeric.polygamma(float(order), a) == pytest.approx(expected, rel=1e-12)
