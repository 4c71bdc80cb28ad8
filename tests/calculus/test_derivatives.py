"""Derivatives: exact, of the active branch, at a cost that grows as the text."""

import math

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from symgd import FormulaError, Objective, minimize
from symgd.calculus import derivatives
from symgd.language.formula import read, symbol
from symgd.lowering.source import lower
from symgd.testing.drawn_formulas import NAMES
from symgd.testing.drawn_objectives import points

SYMBOLS = tuple(map(symbol, NAMES))
DIGITS = 50

# ------------------------------------------------------------- what is drawn
# A tree is a text, or (function, trees).

constants = st.one_of(
    st.floats(-4, 4, allow_subnormal=False).map(repr), st.integers(-5, 5).map(str)
)
shifted = st.tuples(st.sampled_from(NAMES), constants)
leaves = st.one_of(
    st.sampled_from(NAMES),
    shifted.map(lambda t: f"({t[0]} + ({t[1]}))"),
    st.tuples(constants, st.sampled_from(NAMES)).map(lambda t: f"({t[0]})*{t[1]}**2"),
    st.tuples(constants, st.sampled_from(NAMES)).map(
        lambda t: f"sin({t[1]} - ({t[0]}))"
    ),
    constants.map(lambda c: f"({c})"),
)


def grown(inner):
    several = st.lists(inner, min_size=2, max_size=5).map(tuple)
    return st.one_of(
        st.tuples(st.sampled_from(["max", "min"]), several),
        st.tuples(st.just("abs"), st.tuples(inner)),
        st.tuples(st.just("if"), st.tuples(inner, inner, inner, inner)),
        st.tuples(st.just("clip"), st.tuples(inner, inner, inner)),
        st.tuples(st.just("+"), st.tuples(inner, inner)),
        st.tuples(st.just("*"), st.tuples(inner, inner)),
    )


trees = st.recursive(leaves, grown, max_leaves=14)


def written(tree):
    """Return the text of a tree."""
    if isinstance(tree, str):
        return tree
    kind, parts = tree
    inner = [written(part) for part in parts]
    return {
        "if": "({} if {} + 0.3 >= {} else {})",
        "clip": "max(min({}, {}), {})",
        "+": "({} + {})",
        "*": "({})*({})",
    }.get(kind, f"{kind}({', '.join(['{}'] * len(inner))})").format(*inner)


def active(tree, point):
    """Return the expression that a tree is near a point, and its value.

    Points near a tie are not used.
    """
    if isinstance(tree, str):
        expression = sp.sympify(read(tree))
        return expression, valued(expression, point)
    kind, parts = tree
    inner = [active(part, point) for part in parts]
    if kind in ("max", "min"):
        return picked(kind, inner)
    if kind == "clip":
        return picked("max", [picked("min", inner[:2]), inner[2]])
    if kind == "abs":
        ((expression, value),) = inner
        assume(abs(value) > 1e-6)
        return (expression, value) if value > 0 else (-expression, -value)
    if kind == "if":
        yes, left, right, no = inner
        gap = left[1] + mpmath.mpf(0.3) - right[1]
        assume(abs(gap) > 1e-6)
        return yes if gap >= 0 else no
    (a, u), (b, v) = inner
    return (a + b, u + v) if kind == "+" else (a * b, u * v)


def picked(kind, inner):
    ordered = sorted(inner, key=lambda pair: pair[1], reverse=kind == "max")
    best = ordered[0]
    others = [pair for pair in ordered[1:] if pair[0] != best[0]]
    assume(all(abs(pair[1] - best[1]) > 1e-6 for pair in others))
    return best


def valued(expression, point):
    values = {s: sp.Float(v, DIGITS) for s, v in zip(SYMBOLS, point, strict=True)}
    return mpmath.mpf(sp.N(expression.subs(values), DIGITS))


def computed(outputs, point):
    places = {s: f"x[{i}]" for i, s in enumerate(SYMBOLS)}
    return lower("f", ("x",), outputs, places)(list(point))


# ------------------------------------------------------------------ at kinks


@given(trees, st.lists(points(3, limit=4.0), min_size=2, max_size=2))
@settings(max_examples=100)
def test_derivatives_are_those_of_the_active_branch(tree, places):
    expression = read(written(tree))
    column = derivatives.gradient(expression, SYMBOLS)
    matrix = derivatives.hessian(column, SYMBOLS)
    for point in places:
        with mpmath.workdps(DIGITS):
            near, _ = active(tree, point.tolist())
            exact = [sp.diff(near, s) for s in SYMBOLS]
            exact += [sp.diff(near, s, t) for s in SYMBOLS for t in SYMBOLS]
            expected = [float(valued(each, point.tolist())) for each in exact]
        results = computed((*column, *matrix), point.tolist())
        np.testing.assert_allclose(results, expected, rtol=1e-9, atol=1e-9)


@given(st.floats(-10, 10), st.floats(-3, 3))
def test_the_largest_of_shifted_arguments_is_found_whatever_their_rounding(z, shift):
    """A difference of two arguments may round to 0, or to the other side."""
    for name, better in (("max", max), ("min", min)):
        expression = read(f"{name}(x, y, z + c)")
        column = derivatives.gradient(expression, (*SYMBOLS, symbol("c")))
        places = {s: f"x[{i}]" for i, s in enumerate((*SYMBOLS, symbol("c")))}
        slopes = lower("f", ("x",), tuple(column), places)
        for low in (z + shift, math.nextafter(z + shift, -9e9 * (name == "max"))):
            shares = slopes([low, low, z, shift])
            extreme = [v == better(low, z + shift) for v in (low, low, z + shift)]
            expected = [e / sum(extreme) for e in extreme]
            assert list(shares) == [*expected, expected[-1]]


@given(st.lists(st.sampled_from([-1.0, 0.0, 0.5]), min_size=6, max_size=6))
def test_the_shares_of_ties_sum_to_one(values):
    names = tuple(symbol(f"x{i}") for i in range(6))
    places = {s: f"x[{i}]" for i, s in enumerate(names)}
    for count in (2, 3, 6):
        for name in ("max", "min"):
            listed = ", ".join(map(str, names[:count]))
            column = derivatives.gradient(read(f"{name}({listed})"), names[:count])
            shares = lower("f", ("x",), tuple(column), places)(values)
            assert math.fsum(shares) == pytest.approx(1.0, abs=1e-15)
            assert len({share for share in shares if share}) == 1


def test_a_kink_is_left_for_the_minimum():
    result = minimize("max(x**2 + 3, (x - 2)**2 + 1, 0.1*x + 2)", [1.3])
    assert result.fun == pytest.approx(3.25, abs=1e-12)


@pytest.mark.parametrize("kind", ["max", "min"])
def test_shares_of_ties_sum_to_one_when_numbers_are_put_in_with_sympy(kind):
    x, y, z = map(symbol, "xyz")
    slopes = derivatives.gradient(read(f"{kind}(x, y, z)"), (x, y, z))
    third = sp.Rational(1, 3)
    at_once = [slope.xreplace(dict.fromkeys((x, y, z), third)) for slope in slopes]
    assert at_once == [third] * 3
    one_by_one = [slope.subs({x: 1, y: 1, z: 1}) for slope in slopes]
    assert sum(one_by_one) == 1
    assert [s.subs({x: sp.pi, y: 1, z: 5}) for s in slopes] == (
        [0, 0, 1] if kind == "max" else [0, 1, 0]
    )
    written = derivatives.gradient(read(f"{kind}(1/3, x + 1/3)"), (x,))[0]
    assert float(written.evalf(40, subs={x: sp.Float(0, 40)})) == 0.5


def test_a_gradient_with_shares_is_an_objective_too():
    slope = Objective("max(x, y, 2*x - 3)*x").gradient[0]
    again = Objective(slope, ["x", "y"])
    assert again.value([5, 1]) == 2 * 5 + (2 * 5 - 3)
    assert again.value([1, 5]) == 5


def test_maxima_in_sums_choose_by_what_they_compute():
    z = np.random.default_rng(0).uniform(-10, 10, 400)
    formula = "sum(max(w + c[i], d[i], e[i], w*0) for i in range(n))"
    w = 0.7
    data = {"c": z, "d": w + z, "e": np.nextafter(w + z, -np.inf)}
    objective = Objective(formula, data=data)
    value, slope = objective.value_and_grad([w])
    top = np.maximum(w + z, 0)
    assert value == pytest.approx(top.sum(), rel=1e-14)
    assert slope[0] == pytest.approx(np.sum(w + z > 0) / 2, abs=1e-12)  # ties with d


# --------------------------------------------------------------------- cost


def operations(text, names=("x", "y")):
    """Return how many lines value and gradient take, without compiling."""
    symbols = tuple(map(symbol, names))
    expression = read(text)
    column = derivatives.gradient(expression, symbols)
    places = {s: f"x[{i}]" for i, s in enumerate(symbols)}
    code = lower("f", ("x",), (expression, *column), places).__code__
    return len(code.co_code)


@pytest.mark.parametrize(
    "text",
    [
        lambda n: "*".join(f"(x + {i}*y)" for i in range(n)),
        lambda n: "*".join(f"exp(-(x - {i})**2)*(y + {i})" for i in range(n)),
        lambda n: " + ".join(f"max(x - {i}*y, {i})" for i in range(n)),
        lambda n: " + ".join(f"(x if y > {i} else {i}*y)" for i in range(n)),
    ],
)
def test_the_size_of_a_derivative_grows_as_the_text(text):
    few, many = operations(text(50)), operations(text(400))
    assert many < 8 * few * 1.5


def test_a_product_of_many_factors_is_differentiated_exactly():
    factors = [f"(x + {i}*y)" for i in range(1, 60)]
    value, gradient = Objective("*".join(factors)).value_and_grad([1.0, 0.01])
    x, y = sp.Rational(1), sp.Rational(0.01)
    whole = sp.prod([x + i * y for i in range(1, 60)])
    slopes = [
        whole * sum(1 / (x + i * y) for i in range(1, 60)),
        whole * sum(i / (x + i * y) for i in range(1, 60)),
    ]
    assert value == pytest.approx(float(whole), rel=1e-14)
    np.testing.assert_allclose(gradient, [float(s) for s in slopes], rtol=1e-13)


def test_a_long_sum_in_a_power_is_differentiated_exactly():
    names = [f"x{i}" for i in range(12)]
    squares = "+".join(f"{name}**2" for name in names)
    at = np.arange(12.0) - 3.5
    total, length = at.sum(), np.linalg.norm(at)
    gradient = Objective(f"({'+'.join(names)})**3").grad(at)
    np.testing.assert_allclose(gradient, np.full(12, 3 * total**2), rtol=1e-14)
    objective = Objective(f"sqrt({squares})")
    np.testing.assert_allclose(objective.grad(at), at / length, rtol=1e-14)
    assert objective.grad(np.zeros(12)).tolist() == [0.0] * 12
    hessian = np.eye(12) / length - np.outer(at, at) / length**3
    np.testing.assert_allclose(objective.hess(at), hessian, rtol=1e-13, atol=1e-15)


def test_a_product_with_a_factor_of_zero_has_the_product_of_the_others():
    formula = "*".join(f"(x{i} - {i})" for i in range(12))
    at = np.arange(12.0) + 1
    at[5] = 5.0
    gradient = Objective(formula).grad(at)
    assert gradient.tolist() == [0.0] * 5 + [1.0] + [0.0] * 6


def test_what_has_no_derivative_is_named_with_its_term():
    with pytest.raises(FormulaError, match=r"floor\(x\) has no derivative by x") as why:
        derivatives.gradient(read("y + x*floor(x)"), SYMBOLS)
    assert "x*floor(x)" in str(why.value)
