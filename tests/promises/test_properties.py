"""What must hold for every formula, rule and number; formulas are drawn rarely."""

import contextlib
import math
from itertools import pairwise

import numpy as np
import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from symgd import FormulaError, Objective, Rule, minimize
from symgd.calculus import derivatives
from symgd.language.formula import read, symbol, text_of
from symgd.lowering.source import lower
from symgd.rules.family import BUILT_IN
from symgd.testing import check_descent, check_monotone, convex_quadratics
from symgd.testing.drawn_formulas import NAMES, formulas
from symgd.testing.drawn_objectives import points
from symgd.testing.trying import cases

EXPLICIT_OBJECTIVES = (
    "(1 - x)**2 + 100*(y - x**2)**2",
    "sin(3*x)*cos(y) + x**2/10 + abs(y - x)",
    "max(x**2 + y, exp(y - x)) + log(1 + y**2)",
)
# All of them, compiled once: a branch that is not taken has no part in the result.
ANY_OBJECTIVE = Objective(
    "{} if which < 1 else {} if which < 2 else {}".format(*EXPLICIT_OBJECTIVES),
    parameters={"which": 0},
)
explicit_objectives = st.sampled_from(range(3)).map(
    lambda which: ANY_OBJECTIVE.with_parameters(which=which)
)


quadratics = convex_quadratics((1, 2, 5), condition=1e6)  # three are compiled

# ---------------------------------------------------------- gradient descent


def test_gradient_descent_never_increases_a_convex_quadratic():
    check_descent("gd", on=quadratics)


def runs(least, largest):
    """Draw runs, with steps between two shares of 1/L."""
    shares = st.floats(least, largest)
    steps = {"step_size": lambda each: shares.map(lambda share: share / each.largest)}
    return cases(quadratics, steps, limit=100.0)


@given(runs(1e-3, 1.0))
def test_gradient_descent_satisfies_the_descent_lemma(case):
    trace = case.path("gd", 30)
    step, largest = case.hyperparameters["step_size"], case.quadratic.largest
    gradients = (trace.x - case.quadratic.minimiser) @ case.quadratic.matrix
    bound = trace.fun - step * (1 - step * largest / 2) * (gradients**2).sum(axis=1)
    assert (trace.fun[1:] <= bound[:-1] + case.rounding(trace)).all()


@given(runs(0.01, 1.99))
def test_gradient_descent_has_its_closed_form(case):
    values, axes = np.linalg.eigh(case.quadratic.matrix)
    centre, step = case.quadratic.minimiser, case.hyperparameters["step_size"]
    faded = (1 - step * values) ** 20
    expected = centre + axes @ (faded * (axes.T @ (case.start - centre)))
    size = max(1.0, abs(case.start).max())
    np.testing.assert_allclose(case.run("gd", 20).x, expected, atol=1e-11 * size)


@given(explicit_objectives, points(2), st.floats(1e-4, 0.1), st.booleans())
def test_momentum_zero_is_gradient_descent_bit_for_bit(formula, start, step, bounded):
    run = {"step_size": step, "maxiter": 40, "trace": True}
    run["bounds"] = [(-3, 3)] * 2 if bounded else None
    descent = minimize(formula, start, method="gd", **run)
    momentum = minimize(formula, start, method="momentum", momentum=0.0, **run)
    assert descent.trace.x.tobytes() == momentum.trace.x.tobytes()
    assert descent.status == momentum.status


# -------------------------------------------------------------------- AMSGrad

UNIT = st.floats(0, 1, exclude_max=True)
# In pairs, as each of them is compiled.
ABOVE = Rule.from_text(BUILT_IN["amsgrad"].text + "\n  above = Min(vhat - v, 0)")
SCHEDULES = [("0.1/sqrt(t)", "0.9**t"), ("(1 + cos(t))/3", "0.1 if t < 10 else 0.01")]


@pytest.mark.parametrize("steps", [(st.floats(1e-5, 10.0), UNIT), *SCHEDULES])
def test_vhat_never_decreases_and_is_at_least_v(steps):
    hyper = {"step_size": steps[0], "beta1": steps[1], "beta2": UNIT}
    hyper |= {"eps": st.floats(0, 1.0)}
    check_monotone("amsgrad", "vhat", on=explicit_objectives, maxiter=60, **hyper)
    check_monotone(ABOVE, "above", on=explicit_objectives, maxiter=60, **hyper)


AWAY_FROM_0 = st.one_of(st.floats(1e-3, 50.0), st.floats(-50.0, -1e-3))


@given(st.tuples(AWAY_FROM_0, AWAY_FROM_0), st.integers(-30, 30))
def test_amsgrad_without_eps_ignores_the_scale_of_the_objective(start, power):
    objective = Objective("a*((x - 7)**2 + 3*(y + 5)**2 + x*y)", parameters={"a": 1})
    run = {"method": "amsgrad", "eps": 0.0, "maxiter": 30, "gtol": 0.0}
    plain = minimize(objective, start, **run)
    scaled = minimize(objective.with_parameters(a=2.0**power), start, **run)
    np.testing.assert_array_equal(plain.x, scaled.x)


# ----------------------------------------------------------------- derivatives

whole = formulas().map(lambda text: f"x*y + 0.3*z + {text}")


def exact(expression, point, digits=40):
    """Evaluate an expression with SymPy, at the exact value of each float."""
    values = {symbol(n): sp.Float(v, digits) for n, v in point.items()}
    return complex(expression.xreplace(values).evalf(digits))


def is_tied(expression, point):
    """Return whether rounding may decide what the extreme of a Max or Min is."""
    for node in expression.atoms(sp.Max, sp.Min):
        values = sorted(exact(part, point).real for part in node.args)
        if any(b - a <= 1e-9 * (1 + abs(a)) for a, b in pairwise(values)):
            return True
    return False


@given(whole, st.lists(points(3), min_size=3, max_size=3))
@settings(max_examples=40)
def test_compiled_functions_agree_with_high_precision(formula, places):
    objective = Objective(formula, NAMES)
    for x in places:
        point = dict(zip(NAMES, x.tolist(), strict=True))
        assume(not is_tied(objective.expression, point))
        value, gradient = objective.value_and_grad(x)
        expected = exact(objective.expression, point)
        assert expected.imag == 0
        magnitude = 1.0 + abs(expected.real)
        assert value == pytest.approx(expected.real, abs=1e-12 * magnitude)
        for derivative, entry in zip(objective.gradient, gradient, strict=True):
            expected = exact(derivative, point)
            size = 1.0 + abs(expected.real)
            assert entry == pytest.approx(expected.real, rel=1e-10, abs=1e-10 * size)


@given(whole, points(3))
@settings(max_examples=250)
def test_generated_code_agrees_with_high_precision(formula, x):
    # Not compiled, so that many formulas can be drawn.
    negated = formula.replace("x*y + 0.3*z + ", "x - ")
    symbols = tuple(symbol(name) for name in NAMES)
    expression = read(negated)
    outputs = (expression, *derivatives.gradient(expression, symbols))
    places = {s: f"x[{i}]" for i, s in enumerate(symbols)}
    results = lower("f", ("x",), outputs, places)(x.tolist())
    point = dict(zip(NAMES, x.tolist(), strict=True))
    assume(not is_tied(expression, point))
    for output, result in zip(outputs, results, strict=True):
        expected = exact(output, point).real
        assert result == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(whole)
@settings(max_examples=60)
def test_a_printed_expression_parses_back(formula):
    expression = read(formula)
    assert read(text_of(expression)) == expression


@given(st.text(max_size=60))
@settings(max_examples=300)
def test_any_text_parses_or_raises_formula_error(text):
    with contextlib.suppress(FormulaError):
        assert isinstance(read(text), sp.Expr)


ALPHABET = [*"xy19.+-*/()<>=,^! \n[]{}'\"#_:;@&|~%\\", "**", "sin", "log", "if", "else"]
ALPHABET += [
    "and",
    "not",
    "lambda",
    "gamma",
    "floor",
    "factorial",
    "exp",
    "1e9",
    "True",
]
ALPHABET += ["Piecewise", "max", "9**9", "for", "in", "x[0]", "__class__", ".real"]


@given(st.lists(st.sampled_from(ALPHABET), max_size=12).map("".join))
@settings(max_examples=400)
def test_any_mixture_of_tokens_parses_or_raises_formula_error(text):
    with contextlib.suppress(FormulaError):
        assert isinstance(read(text), sp.Expr)


# ------------------------------------------------------- names, order, and truth


RENAMED = [
    Objective("(1 - {0})**2 + 10*({1} - {0}**2)**2 + {0}*sin({1})".format(*both), both)
    for both in (["x", "y"], ["g", "t"], ["m", "v"], ["beta1", "vhat"], ["z9", "z10"])
]


@given(start=points(2), method=st.sampled_from(["amsgrad", "momentum", "bb"]))
@settings(max_examples=20)
def test_renaming_variables_changes_nothing(start, method):
    run = {"method": method, "step_size": 0.005, "maxiter": 50, "trace": True}
    plain, *others = (minimize(objective, start, **run) for objective in RENAMED)
    for renamed in others:
        for name in plain.trace.names:
            assert plain.trace[name].tobytes() == renamed.trace[name].tobytes()


PERMUTED = {
    order: Objective("(1 - x)**2 + 9*(y - x**2)**2 + (z - y*x)**2 + exp(-z)", [*order])
    for order in ("xyz", "zyx", "yzx", "xzy")
}


@given(start=points(3), order=st.sampled_from(sorted(PERMUTED)))
@settings(max_examples=20)
def test_permuting_variables_permutes_the_path(start, order):
    place = [NAMES.index(name) for name in order]
    run = {"method": "amsgrad", "maxiter": 50, "trace": True}
    plain = minimize(PERMUTED["xyz"], start, **run).trace
    permuted = minimize(PERMUTED[order], start[place], **run).trace
    np.testing.assert_allclose(permuted.x, plain.x[:, place], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(permuted.fun, plain.fun, rtol=1e-9)


@given(points(2, limit=3.0))
def test_all_fields_of_a_result_describe_one_point(start):
    for method in ("auto", "gd", "amsgrad"):
        result = minimize(EXPLICIT_OBJECTIVES[1], start, method=method, maxiter=25)
        value, gradient = result.objective.value_and_grad(result.x)
        # inlined into another loop, the same source has the same bits
        assert result.fun == value
        np.testing.assert_array_equal(result.jac, gradient)
        assert result.grad_norm == np.abs(gradient).max()
        assert math.isfinite(value)
