"""What analyze says of L, mu, steps and rates, and what runs do."""

import math

import pytest
import sympy as sp

import symgd
from symgd import InputError, analyze

TRUTHS = [  # text, bounds, L, mu
    ("x**2 + 10*y**2", None, 20, 2),
    ("(x + y)**2", None, 4, 0),
    ("x*y", None, 1, -1),
    ("3*x + y", None, 0, 0),
    ("x**2 + z", None, 2, 0),
    ("x**4", [(-1, 2)], 48, 0),
    ("x**4 + y**2", [(1, 2), (0, 1)], 48, 2),
    ("exp(x)", [(0, 1)], math.e, 1),
    ("-exp(x)", [(0, 1)], math.e, -math.e),
    ("sin(x)", [(0, 1)], math.sin(1), -math.sin(1)),
    ("log(1 + exp(x))", None, 0.25, 0),
    ("log(exp(x) + exp(y))", [(-1, 1)] * 2, 0.5, 0),
    ("log(cosh(x)) + y**2/2", None, 1, 0),
    ("x**2 + y**2 + cos(x + y)/2", None, 3, 1),
    ("x**2 + cos(x)", None, 3, 1),
    ("1/x", [(0.5, 2)], 16, 0.25),
    ("1/x", [(-2, -0.5)], 16, -16),
    ("x**2*y", [(-1, 1)] * 2, 1 + math.sqrt(5), -1 - math.sqrt(5)),
    ("sqrt(1 + x**2)", None, 1, 0),
    ("x**2 if x > 0 else 2*x**2", [(1, 2)], 2, 2),
]


@pytest.mark.parametrize(("text", "bounds", "largest", "least"), TRUTHS)
def test_L_and_mu_are_enclosed_within_a_percent(text, bounds, largest, least):
    analysis = analyze(text, bounds)
    slack = 1e-14 * max(1, largest)
    for found, truth in ((analysis.lipschitz, largest), (analysis.convexity, least)):
        assert found.lower - slack <= truth <= found.upper + slack
        assert found.width <= 0.0102 * max(largest, 1e-300)
    if least > 0:
        assert analysis.curvature == "strongly convex"


def test_an_infinite_L_is_not_said_to_be_finite():
    for text, bounds in (("abs(x)", [(-1, 1)]), ("x**4", None), ("sqrt(x)", [(0, 1)])):
        assert analyze(text, bounds, time_limit=0.3).lipschitz.upper == math.inf
        assert analyze(text, bounds, time_limit=0.3).steps == {}


STRONGLY = [
    ("x**2 + 10*y**2", None, [1.0, -2.0]),
    ("x**2 + y**2 + cos(x + y)/2", None, [3.0, -1.0]),
    ("x**2 + cos(x)", None, [4.0]),
    ("exp(x) + exp(-x) + y**2 + x*y/2", [(-2, 2)] * 2, [1.0, 0.5]),
    ("log(cosh(x - y)) + x**2/8 + y**2/8", None, [3.0, 1.0]),
    ("x**4/12 + x**2 + y**2 - x*y", [(-2, 2)] * 2, [1.5, 1.0]),
    ("sqrt(1 + x**2) + x**2/20 - x/3", None, [2.0]),
    ("softplus(x + y) + (x - 2*y)**2/4 + x**2/9", None, [-1.0, 2.0]),
]


@pytest.mark.parametrize(("text", "bounds", "start"), STRONGLY)
def test_runs_need_no_more_iterations_than_are_proven(text, bounds, start):
    analysis = analyze(text, bounds)
    assert analysis.curvature == "strongly convex"
    for name in ("safe", "best"):
        step = analysis.steps[name]
        assert analysis.judge(step.step_size)[0] == "safe"
        most = analysis.iterations(start, 1e-6, step=name)
        run = symgd.minimize(
            *(text, start), method="gd", step_size=step.step_size, gtol=1e-6
        )
        assert run.success
        assert run.nit <= most
        assert most < 40 * (run.nit + 5), "and they are not far from it"


@pytest.mark.parametrize("text", ["x**2 + 10*y**2", "(x - y)**2 + x**2 + y", "7*x**2"])
def test_no_run_converges_with_a_step_that_is_unsafe(text):
    analysis = analyze(text)
    step = 2.02 / analysis.lipschitz.lower
    assert analysis.judge(step)[0] == "unsafe"
    n = len(analysis.problem.names)
    run = symgd.minimize(text, [1.0] * n, method="gd", step_size=step, maxiter=3000)
    assert not run.success


def test_steps_with_momentum_are_quicker_and_converge():
    analysis = analyze("x**2 + 100*y**2")
    nits = {}
    for name, step in analysis.steps.items():
        more = {} if step.momentum is None else {"momentum": step.momentum}
        run = symgd.minimize(
            *("x**2 + 100*y**2", [1, 1]),
            method=step.method,
            step_size=step.step_size,
            **more,
        )
        assert run.success, name
        nits[name] = run.nit
    assert nits["polyak"] < nits["nesterov"] < nits["best"] < nits["safe"]
    assert analysis.iterations([1, 1], step="polyak") is None


def test_where_it_is_not_convex_there_is_a_step_and_no_rate():
    analysis = analyze("(1 - x)**2 + 100*(y - x**2)**2", [(-2, 2)] * 2)
    assert [*analysis.steps] == ["safe"]
    assert analysis.steps["safe"].rate == 1
    assert analysis.iterations([0, 0]) is None
    assert analysis.judge(1e-4)[0] == "safe"
    assert analysis.judge(1e-3)[0] == "not proven"
    with pytest.raises(InputError, match="no step 'best' is proven; there are: safe"):
        analysis.iterations([0, 0], step="best")


def test_facts():
    analysis = analyze("(x - y)**2 + exp(z)/exp(w)")
    assert analysis.blocks == [["w", "z"], ["x", "y"]]
    assert {"x": 1, "y": 1} in analysis.invariances
    assert {"w": 1, "z": 1} in analysis.invariances
    assert "x <-> y" in analysis.symmetries
    assert analyze("x**2 + y**4").bounded_below is True
    assert analyze("x**2 - y**2").bounded_below is False
    assert analyze("(x + y)**2 + x").bounded_below is not True
    scaled = analyze("a*exp(b)*c").invariances
    assert {"b": 1, "c": -symbol("c")} in scaled
    assert {"a": symbol("a"), "c": -symbol("c")} in scaled


def symbol(name):
    from symgd.language.nodes import symbol

    return symbol(name)


def test_parameters_and_equal_bounds_are_numbers():
    f = symgd.Objective("a*x**2 + x*y + y**2", ["x", "y"], parameters={"a": 3})
    assert analyze(f).curvature == "strongly convex"
    assert analyze(f, {"y": (2, 2)}).lipschitz == (6, 6)
    assert analyze("0.1*x**2").lipschitz.lower == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("f", "bounds", "message"),
    [
        ("sum(x[i]**2 for i in range(n))", None, "the size n"),
        ("x**2", {"x": (1, 1)}, "no variable free"),
        ("x**2", {"z": (1, 1)}, "unknown variable in bounds"),
    ],
)
def test_what_cannot_be_analysed_is_refused(f, bounds, message):
    with pytest.raises(InputError, match=message):
        analyze(f, bounds)


def test_time_limit_and_step_sizes_are_checked():
    with pytest.raises(InputError, match="time_limit must be"):
        analyze("x**2", time_limit=0)
    with pytest.raises(InputError, match="step_size must be"):
        analyze("x**2").judge(-1)


def test_what_has_no_operation_is_unknown_not_an_error():
    analysis = analyze("gamma(x) + x**2", [(1, 2)])
    assert analysis.curvature == "unknown"
    assert "gamma" in analysis.reason
    assert "gamma" in analysis.domain


def test_it_prints():
    text = str(analyze("x**2 + 10*y**2"))
    assert text.startswith("strongly convex\n")
    assert "L  = 20\nmu = 2\n" in text
    text = str(analyze("x**2 + log(x)", [(-1, 1)], time_limit=0.2))
    assert "log(x) may be undefined" in text
    assert repr(analyze("x**2")) == "<Analysis: strongly convex, L = 2, mu = 2>"


def test_a_notebook_shows_it():
    for shown in (
        analyze("x**2 if x < 1 else 2*x - 1", [(0, 2)]),
        symgd.minimize_global("x**4 - x**2", [(-1, 1)]),
        symgd.stationary("x**4 - x**2", [(-1, 1)]),
    ):
        html = shown._repr_html_()
        assert html.count("<div") == html.count("</div>")
        assert "<pre>" in html


@pytest.mark.parametrize("text", ["tanh(x**0.7)**-2*x", "x/cosh(x**0.7)**2"])
def test_an_exponent_is_the_fraction_that_is_written(text):
    """As the float64 that it is, SymPy looks for ever at tanh of it."""
    f = symgd.Objective(text.replace("0.7", "p"), ["x"], parameters={"p": 0.7})
    for given in (text, f):
        analysis = analyze(given, [(0.5, 2)], time_limit=0.3)
        assert analysis.problem.expression.atoms(sp.Rational) >= {sp.Rational(7, 10)}
    with pytest.raises(InputError, match=r"the exponent .* can't be"):
        analyze("x**0.123456789", [(1, 2)])


PERIODS = [
    ("sin(x) + cos(2*x)", {"x": 2 * sp.pi}),
    ("sin(x)**2 + y**2", {"x": sp.pi}),
    ("tan(3*x)*cos(y/2)", {"x": sp.pi / 3, "y": 4 * sp.pi}),
    ("sin(x)*cos(x) + sin(x - y)", {"x": 2 * sp.pi, "y": 2 * sp.pi}),
    ("sin(x) + x", {}),
    ("exp(sin(2*x/3) + cos(x/2))", {"x": 12 * sp.pi}),
    ("sin(x**2)", {}),
    ("abs(sin(x))", {"x": sp.pi}),
]


@pytest.mark.parametrize(("text", "periods"), PERIODS)
def test_periods(text, periods):
    analysis = analyze(text)
    assert analysis.periods == periods
    f = symgd.Objective(text)
    for name, period in periods.items():
        x = [0.3 + 0.1 * k for k in range(len(f.variables))]
        moved = list(x)
        moved[f.variables.index(name)] += float(period)
        assert f.value(moved) == pytest.approx(f.value(x), abs=1e-12)
