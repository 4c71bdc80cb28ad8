"""Gradients elsewhere, and products with the Hessian, in rules: what they promise."""

import os
import subprocess
import sys

import numpy as np
import pytest

from symgd import (
    FormulaError,
    InputError,
    Objective,
    Rule,
    Status,
    maximize,
    minimize,
    minimize_many,
)
from symgd.language.formula import symbol
from symgd.rules.evaluations import f, g, hvp
from symgd.rules.reductions import norm
from symgd.rules.staging import staged

AHEAD = Rule(
    "ahead",
    """
    change = momentum*change - step_size*g(x + momentum*change)
    x = x + change
    """,
    step_size=0.01,
    momentum=0.9,
)
CAREFUL = Rule(
    "careful",
    "x = x - step_size*Max(-1, Min(1, g(x - far)))",
    step_size=0.1,
    far=10,
)
VALLEY = "(1 - x)**2 + 5*(y - x**2)**2"
START = [-1.2, 1.0]


def test_points_are_taken_out_in_stages():
    x, slope = symbol("x"), symbol("g")
    parts = staged([g(x - slope) + norm(g(x - g(x - slope)))], 2)
    first, second = parts.derivatives
    assert parts.places == (x - slope, x - first)
    assert parts.summands == (second**2,)
    assert (parts.stages, bin(parts.evaluates)) == (3, "0b11")
    mixed = staged([hvp(g(x - slope)) + g(x + hvp(slope))], 2)
    assert mixed.are_points in ([True, False, False, True], [False, True, True, False])
    assert (mixed.evaluations, mixed.stages) == (2, 4)
    assert staged([g(x)], 2).outputs == (slope,)
    assert staged([g(x - slope / norm(slope))], 2).evaluates == 0b10


def test_value_and_gradient_at_a_point_are_one_evaluation():
    x, slope = symbol("x"), symbol("g")
    parts = staged([f(x - slope) * g(x - slope) + f(x) + f(x + slope)], 2)
    assert parts.places in [(x - slope, x + slope), (x + slope, x - slope)]
    assert (len(parts.values), len(parts.derivatives)) == (2, 1)
    assert (parts.stages, parts.evaluates | parts.probes) == (2, 0b11)
    assert parts.probes.bit_count() == 1
    assert staged([g(x - slope)], 2).values == ()


def test_stages_are_no_more_than_the_bits_of_a_word():
    lines = [f"y{i + 1} = g(x - y{i})" for i in range(70)]
    rule = Rule("deep", "\n".join(["y0 = g", *lines, "x = x - y70"]))
    with pytest.raises(InputError, match="70 stages; at most 62"):
        minimize("x**2", 1.0, method=rule)


def test_looking_ahead_is_the_rule_of_nesterov_at_the_point_that_it_looks_at():
    options = {"maxiter": 200, "gtol": 0.0, "trace": True}
    ahead = minimize(VALLEY, START, method=AHEAD, **options)
    known = minimize(VALLEY, START, method="nesterov", **options)
    looked_at = ahead.trace.x + 0.9 * ahead.trace["change"]
    np.testing.assert_allclose(looked_at, known.trace.x, rtol=1e-11)


def test_each_point_is_an_evaluation():
    options = {"method": AHEAD, "maxiter": 30, "gtol": 0.0}
    assert minimize(VALLEY, START, **options).nfev == 61
    assert (
        minimize_many(VALLEY, [START, [0.0, 0.0]], **options).nfev.tolist() == [61] * 2
    )
    text = "sum((x[i] - i)**2 for i in range(n))"
    large = minimize(Objective(text, sizes={"n": 99}), {"x": np.ones(99)}, **options)
    assert large.njev == 61


def test_points_are_kept_within_bounds():
    options = {"method": CAREFUL, "maxiter": 8, "gtol": 0.0, "far": 10}
    within = {"bounds": [(1.0, 9.0)], **options}
    alone = minimize("x*log(x)", 5.0, **within)
    x = 5.0
    for _ in range(8):  # the slope at the bound, 1
        x -= 0.1 * (1 + np.log(1.0))
    assert alone.x[0] == x
    assert minimize_many("x*log(x)", [[5.0], [6.0]], **within).x[0, 0] == x
    logarithms = Objective("sum(x[i]*log(x[i]) for i in range(n))", sizes={"n": 20})
    many = {"x": np.full(20, 5.0)}
    large = minimize(logarithms, many, **options, bounds={"x": (1.0, 9.0)})
    assert (large.x == x).all()


@pytest.mark.parametrize("name", ["sqrt", "log"])
def test_where_a_point_has_no_value_the_run_ends(name):
    # The slope of log is finite where log is not: it is no gradient there.
    options = {"method": CAREFUL, "maxiter": 99, "gtol": 0.0}
    alone = minimize(f"{name}(x)", 12.0, **options)
    assert alone.status == Status.DIVERGED
    assert "g(...) or hvp(...) is not finite" in alone.message
    assert 9.9 < alone.x[0] < 10.0
    many = minimize_many(f"{name}(x)", [[12.0], [13.0]], **options)
    assert many.status.tolist() == [Status.DIVERGED] * 2
    assert many.x[0].tobytes() == alone.x.tobytes()
    assert many.nfev[0] == alone.nfev
    whole = Objective(f"sum({name}(x[i]) for i in range(n))", sizes={"n": 20})
    large = minimize(whole, {"x": np.full(20, 12.0)}, **options)
    assert (large.status, large.nfev) == (alone.status, alone.nfev)
    assert "g(...) or hvp(...) is not finite" in large.message
    np.testing.assert_array_equal(large.x, np.full(20, alone.x[0]))


def test_an_infinite_slope_ends_a_run_that_would_not_see_it():
    options = {"method": CAREFUL, "maxiter": 5, "gtol": 0.0}  # its steps are cut to 1
    alone = minimize("cbrt(x)", 10.0, **options)
    many = minimize_many("cbrt(x)", [[10.0], [20.0]], **options)
    whole = Objective("sum(cbrt(x[i]) for i in range(n))", sizes={"n": 20})
    large = minimize(whole, {"x": np.full(20, 10.0)}, **options)
    assert alone.status == large.status == many.status[0] == Status.DIVERGED
    assert (alone.x[0], many.x[0, 0], large.x[0]) == (10.0, 10.0, 10.0)
    assert many.status[1] == Status.MAXITER


def test_the_evaluations_of_an_update_see_the_same_batch(tmp_path):
    still = Rule(
        "still",
        """
        gap = gap + norm(g(x + nothing*g) - g)
        x = x - step_size*g
        """,
        step_size=0.1,
        nothing=0.0,
    )
    data = {"c": np.random.default_rng(0).normal(size=1000)}
    objective = Objective("sum((a - c[i])**2 for i in range(n))/1000", data=data)
    options = {"batch_size": 64, "rng": 1, "gtol": 0.0, "trace": True}
    result = minimize(objective, {"a": 1.0}, method=still, maxiter=60, **options)
    assert result.trace["gap"].max() == 0.0
    first = minimize(objective, {"a": 1.0}, method=AHEAD, maxiter=60, **options)
    file = tmp_path / "run.npz"
    for updates in (17, 60):
        second = minimize(objective, {"a": 1.0}, method=AHEAD, maxiter=updates,
                          checkpoint=file, **options)  # fmt: skip
    assert second.x.tobytes() == first.x.tobytes()
    assert second.nfev == first.nfev == 121


def test_of_an_online_objective_all_points_are_of_one_update():
    online = Objective("(x - t)**2 + (y + 1/t)**2", iteration="t")
    options = {"method": AHEAD, "maxiter": 150, "gtol": 0.0, "step_size": 0.1}
    result = minimize(online, [1.0, 2.0], **options)
    x, change = np.array([1.0, 2.0]), np.zeros(2)
    for t in range(1, 151):
        slope = 2 * (x + 0.9 * change - [t, -1 / t])
        change = 0.9 * change - 0.1 * slope
        x = x + change
    np.testing.assert_allclose(result.x, x, rtol=1e-12)
    many = minimize_many(online, [[0.0, 0.0], [1.0, 2.0]], **options)
    assert many.x[1].tobytes() == result.x.tobytes()


COUNTED = Rule(  # g(x - far) and f(x - far) are one evaluation, f(x + far) another
    "counted",
    "x = x - step_size*g(x - far)/(1 + Abs(f(x + far) - f(x - far)))",
    step_size=0.01,
    far=0.5,
)
TRIED = Rule(
    "tried",
    """
    x = x - step*g if f(x - step*g) <= f else x
    step = step/2
    """,
    initial={"step": "first"},
    first=16.0,
)


def test_each_point_of_a_value_is_an_evaluation():
    options = {"method": COUNTED, "maxiter": 10, "gtol": 0.0, "trace": True}
    result = minimize(VALLEY, START, **options)
    assert (result.nfev, COUNTED.evaluations) == (31, 2)
    objective = Objective(VALLEY)
    for x, following in zip(result.trace.x, result.trace.x[1:], strict=False):
        rise = objective.value(x + 0.5) - objective.value(x - 0.5)
        step = 0.01 * objective.grad(x - 0.5) / (1 + abs(rise))
        np.testing.assert_allclose(following, x - step, rtol=1e-12)


def test_a_value_elsewhere_is_the_same_for_all_coordinates():
    rule = Rule("r", "far = f(x - g)\nnow = f(x)\nd = g(x - far)\nx = x - d")
    assert rule.scalars == {"far", "now"}


def test_where_a_value_elsewhere_is_not_finite_a_run_may_go_on():
    """A trial that fails is what a line search is for."""
    options = {"method": TRIED, "maxiter": 30, "gtol": 0.0}
    for text, start in (("-log(x) + x", 3.0), ("x*sqrt(x) - x", 2.0)):
        alone = minimize(text, start, **options)
        assert alone.status == Status.MAXITER
        assert alone.fun < Objective(text).value([start])
        many = minimize_many(text, [[start], [start + 1]], **options)
        assert many[0].x.tobytes() == alone.x.tobytes()
        assert many[0].nfev == alone.nfev == 61
    whole = Objective("sum(x[i] - log(x[i]) for i in range(n))", sizes={"n": 20})
    large = minimize(whole, {"x": np.full(20, 3.0)}, **options)
    assert (large.status, large.njev) == (Status.MAXITER, 61)
    one = minimize("x - log(x)", 3.0, **options)
    np.testing.assert_allclose(large.x, np.full(20, one.x[0]), rtol=1e-14)


def test_a_value_elsewhere_is_of_the_batch_of_the_update():
    rule = Rule("r", "gap = gap + Abs(f(x + nothing*g) - f)\nx = x - step_size*g",
                step_size=0.1, nothing=0.0)  # fmt: skip
    data = {"c": np.random.default_rng(0).normal(size=1000)}
    objective = Objective("sum((a - c[i])**2 for i in range(n))/1000", data=data)
    options = {"batch_size": 64, "rng": 1, "gtol": 0.0, "trace": True}
    trace = minimize(objective, {"a": 1.0}, method=rule, maxiter=60, **options).trace
    assert trace["gap"].max() == 0.0


def test_going_up_a_value_elsewhere_has_the_sign_of_what_is_minimised():
    up = maximize("3 - (x - 1)**2", 0.0, method=TRIED, maxiter=30, gtol=0.0)
    down = minimize("(x - 1)**2 - 3", 0.0, method=TRIED, maxiter=30, gtol=0.0)
    assert up.x.tobytes() == down.x.tobytes()


def test_going_up_a_point_is_uphill():
    up = maximize("3 - (x - 1)**2", 0.0, method=AHEAD, maxiter=500)
    down = minimize("(x - 1)**2 - 3", 0.0, method=AHEAD, maxiter=500)
    assert up.x.tobytes() == down.x.tobytes()
    assert up.success


@pytest.mark.parametrize(
    ("lines", "initial", "message"),
    [
        ("x = x - g(step_size)", {}, r"g\(step_size\): nothing in it differs"),
        ("x = x - hvp(t)", {}, "there is no vector"),
        ("x = x - g(x, x)", {}, "g takes 1 argument"),
        (
            "m = m\nx = x - m",
            {"m": "g(x - g)"},
            "a start reads f and g where it is",
        ),
    ],
)
def test_what_is_no_point_is_refused(lines, initial, message):
    with pytest.raises(FormulaError, match=message):
        Rule("r", lines, initial=initial, step_size=0.1)


def test_what_a_gradient_elsewhere_enters_differs_between_coordinates():
    rule = Rule("r", "m = g(x - g)\nx = x - step_size*m", step_size=0.1)
    assert (rule.state, rule.scalars, rule.evaluations) == ((), frozenset(), 1)
    assert r"g\left(- g + x\right)" in rule._repr_latex_()
    assert Rule.from_text(rule.text) == rule


NEWTONLY = Rule("newtonly", "x = x - step_size*g*dot(g, g)/dot(g, hvp(g))", step_size=1)


def test_products_are_no_evaluations_and_see_the_batch_of_the_update():
    n = 640
    t = np.linspace(0.0, 1.0, n)
    text = "sum((a + b*t[i] - c[i])**2 for i in range(n))/n"
    fit = Objective(text, data={"t": t, "c": np.cos(np.arange(n))})
    options = {"method": NEWTONLY, "maxiter": 10, "gtol": 0.0}
    assert minimize(fit, {"a": 1, "b": 0}, **options).nfev == 11
    still = Rule(  # without c, the gradient is the Hessian's product with x
        "still",
        """
        gap = gap + norm(g - hvp(x))
        x = x - step_size*g
        """,
        step_size=0.05,
    )
    origin = Objective(text, data={"t": t**3, "c": np.zeros(n)})
    options = {"batch_size": 64, "rng": 1, "gtol": 0.0, "trace": True, "maxiter": 60}
    result = minimize(origin, {"a": 1, "b": 2}, method=still, **options)
    assert result.trace["gap"].max() < 1e-12


def test_a_product_is_where_the_update_began():
    rule = Rule("r", "x = x - step_size*g\nx = x - step_size*hvp(x)", step_size=0.1)
    result = minimize("x**4", 1.0, method=rule, maxiter=1, gtol=0.0)
    middle = 1.0 - 0.1 * 4.0
    assert result.x[0] == pytest.approx(middle - 0.1 * 12.0 * middle, rel=1e-15)
    assert rule.evaluations == 0


TWINS = """
import symgd
lines = "x = x - step_size*(g(x - step_size*g/norm(g)) + hvp(g)/99)/(9 + f(x + g))"
rule = symgd.Rule("r", lines, step_size=0.1)
options = {"method": rule, "maxiter": 5, "gtol": 0.0}
alone = symgd.minimize("x**2 + 3*y**2 + x*y", [1.0, -2.0], **options)
whole = symgd.Objective("sum((x[i] - i)**2 for i in range(n))", sizes={"n": 19})
large = symgd.minimize(whole, {"x": [1.0] * 19}, **options)
print(alone.x.tobytes().hex(), large.x.tobytes().hex(), alone.nfev, large.nfev)
"""


def test_the_loops_in_python_have_the_same_bits(tmp_path):
    told = []
    for name, setting in (("native", {}), ("python", {"NUMBA_DISABLE_JIT": "1"})):
        cache = {"SYMGD_CACHE_DIR": str(tmp_path / name)}
        done = subprocess.run(
            [sys.executable, "-c", TWINS],
            env={**os.environ, **setting, **cache},
            capture_output=True,
            text=True,
            check=True,
        )
        told.append(done.stdout)
    assert told[0] == told[1]
    assert told[0].endswith(" 16 16\n")


@pytest.mark.parametrize("word", ["exact", "line search", "Armijo"])
@pytest.mark.parametrize("method", ["gd", "momentum"])
def test_a_step_that_is_to_be_searched_for_is_told_how(method, word):
    with pytest.raises(FormulaError, match=r"step_size: .*") as caught:
        minimize(VALLEY, START, method=method, step_size=word)
    assert "with f(point)" in str(caught.value)
