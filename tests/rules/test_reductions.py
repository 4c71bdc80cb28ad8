"""Reductions in rules, schedules, and objectives that change with the iteration."""

import math

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
    sweep,
)
from symgd.language.formula import symbol
from symgd.rules.family import BUILT_IN
from symgd.rules.reductions import dot, norm
from symgd.rules.staging import staged

BOWL = "x**2 + 3*y**2 + 2*z**2 + x*y"


# ------------------------------------------------------------------- reductions


def test_reductions_are_taken_out_in_stages():
    a, b = symbol("a"), symbol("b")
    parts = staged([norm(a / norm(b)) + dot(a, b), norm(b)], 2)
    assert parts.stages == 2
    assert len(parts.totals) == 3  # b*b only once
    assert {a * b, b**2} < set(parts.summands)
    assert staged([a + b], 2).stages == 0


RULES = {
    "clipped": "x = x - s*g*Min(1, 1/norm(g))",
    "twice": "d = g/norm(g)\nx = x - s*d*mean(x/norm(x + d))",
    "scalar state": "r = r + dot(g, g)\nx = x - s*g/sqrt(r)",
    "conditional": "x = x - s*(g if norm(g) > 0.5 else sign(g)*mean(abs(g)))",
}


def _by_hand(name, x, gradient, step, updates):
    r = 0.0
    for _ in range(updates):
        g = gradient(x)
        size = math.sqrt(g @ g)
        if name == "clipped":
            x = x - step * g * min(1, 1 / size)
        elif name == "twice":
            d = g / size
            x = x - step * d * np.mean(x / math.sqrt((x + d) @ (x + d)))
        elif name == "scalar state":
            r = r + g @ g
            x = x - step * g / math.sqrt(r)
        else:
            small = np.sign(g) * np.mean(abs(g))
            x = x - step * (g if size > 0.5 else small)
    return x


@pytest.mark.parametrize("name", RULES)
def test_a_rule_with_reductions_does_what_it_says(name):
    rule = Rule("r", RULES[name], s=0.05)
    start, objective = np.array([1.0, -2.0, 0.5]), Objective(BOWL)
    result = minimize(objective, start, method=rule, maxiter=40, gtol=0.0)
    expected = _by_hand(name, start, objective.grad, 0.05, 40)
    np.testing.assert_allclose(result.x, expected, rtol=1e-12)
    many = minimize_many(
        *(objective, np.array([[0.1, 0.2, 0.3], start, -start])),
        method=rule,
        maxiter=40,
        gtol=0.0,
    )
    assert many.x[1].tobytes() == result.x.tobytes()


def test_what_is_the_same_for_all_coordinates_is_one_number_in_the_trace():
    rule = Rule("r", RULES["scalar state"], s=0.05)
    assert rule.scalars == {"r"}
    trace = minimize(BOWL, [1, -2, 0.5], method=rule, maxiter=3, trace=True).trace
    assert trace["r"].shape == (4,)
    gradients = Objective(BOWL).grad(trace.x)
    sums = np.concatenate([[0], np.cumsum((gradients**2).sum(axis=1))[:-1]])
    np.testing.assert_allclose(trace["r"], sums, rtol=1e-14)
    assert BUILT_IN["bb"].scalars == {"step"}


def test_initial_state_may_reduce():
    rule = Rule("r", "m = m/2\nx = x - m", initial={"m": "s*g/norm(g) + f"}, s=0.5)
    objective, start = Objective(BOWL), [1.0, 2.0, 3.0]
    first = minimize(objective, start, method=rule, maxiter=1, trace=True).trace
    g, f = objective.grad(start), objective.value(start)
    np.testing.assert_allclose(first["m"][0], 0.5 * g / math.sqrt(g @ g) + f)
    steps = {"s": [0.5, 0.25]}
    many = minimize_many(objective, [start] * 2, method=rule, maxiter=5, **steps)
    alone = [
        minimize(objective, start, method=rule, maxiter=5, s=s) for s in (0.5, 0.25)
    ]
    assert many.x.tolist() == [result.x.tolist() for result in alone]


@pytest.mark.parametrize(
    ("equations", "message"),
    [
        ("x = x - s*norm(2*t)", r"norm\(2\*t\): nothing in it differs"),
        ("n = norm(g)\nx = x - g/norm(n)", r"norm\(n\): nothing in it differs"),
        ("n = norm(g)\nx = x - s*q/n", "unknown name 'q'"),
        ("x = x - s*dot(g)", "dot takes 2 argument"),
        ("x = x - s*Norm(g)", "did you mean 'norm'"),
    ],
)
def test_what_a_rule_can_not_reduce(equations, message):
    with pytest.raises(FormulaError, match=message) as caught:
        Rule("r", equations, s=0.1)
    line = next(line for line in str(caught.value).splitlines() if "x = " in line)
    assert equations.splitlines()[-1] in line


def test_a_state_has_no_value_before_the_first_update():
    with pytest.raises(FormulaError, match="'v' has no value before the first update"):
        Rule("r", "v = v + g\nm = m + v\nx = x - m", initial={"m": "v"})


def test_objectives_have_reductions_of_arrays_only():
    with pytest.raises(FormulaError, match="norm is of an array"):
        minimize("norm(x)", {"x": 1.0})


# -------------------------------------------------------------------- schedules


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1/sqrt(t)", lambda t: 0.1 / math.sqrt(t)),
        ("0.9**t", lambda t: 0.9**t),
        ("0.9/t", lambda t: 0.9 / t),
        ("0.1 if t < 10 else 0.01", lambda t: 0.1 if t < 10 else 0.01),
        (
            "0.1*t/5 if t < 5 else 0.05*(1 + cos(pi*(t - 5)/20))",
            lambda t: (
                0.1 * t / 5 if t < 5 else 0.05 * (1 + math.cos(math.pi * (t - 5) / 20))
            ),
        ),
    ],
)
def test_a_schedule_is_recorded_in_the_trace(text, value):
    run = {"method": "momentum", "momentum": text, "step_size": 0.01}
    trace = minimize("x**2", 1.0, maxiter=20, gtol=0.0, trace=True, **run).trace
    assert np.isnan(trace["momentum"][0])
    expected = [value(t) for t in range(1, 21)]
    np.testing.assert_allclose(trace["momentum"][1:], expected, rtol=1e-14)
    assert "step_size" not in trace.names
    x, change = 1.0, 0.0
    for t in range(1, 21):
        change = 0.01 * 2 * x + value(t) * change
        x -= change
        assert trace.x[t, 0] == pytest.approx(x, rel=1e-12)


def test_schedules_are_no_axis_of_a_sweep():
    with pytest.raises(InputError, match=r"'step_size' must be numbers.*race"):
        sweep("x**2", 1.0, method="gd", step_size=["0.1/t", "0.1"])


# ------------------------------------------------------------ online objectives

ONLINE = Objective("(x - t)**2 + a*y**2", parameters={"a": 1}, iteration="t")


def test_an_online_objective_counts_updates():
    assert ONLINE.variables == ("x", "y")
    assert ONLINE.value([3, 0]) == 4
    assert ONLINE.value([3, 0], t=5) == 4
    assert ONLINE.grad([3, 0], t=5).tolist() == [-4, 0]
    result = minimize(
        ONLINE, [0, 1], method="gd", step_size=0.25, maxiter=6, trace=True
    )
    x = 0.0
    for t in range(1, 7):
        assert result.trace.x[t - 1, 0] == x
        assert result.trace.fun[t - 1] == (x - t) ** 2 + result.trace.x[t - 1, 1] ** 2
        x -= 0.25 * 2 * (x - t)
    assert result.x[0] == x
    assert result.fun == ONLINE.value(result.x, t=7)
    assert "gtol" not in result.criteria


def test_an_online_objective_does_not_converge_in_passing():
    jumping = Objective("(x - 1)**2 if t < 5 else (x + 1)**2", iteration="t")
    run = {"method": "gd", "step_size": 0.5, "maxiter": 20}
    result = minimize(jumping, [1.0], **run)
    assert (result.status, result.x.tolist()) == (Status.MAXITER, [-1.0])
    assert not result.success
    climbed = maximize(Objective("-(x - t)**2", iteration="t"), [0.0], **run)
    assert climbed.x.tolist() == [20.0]


def test_online_in_lanes_as_alone():
    starts = np.random.default_rng(0).uniform(-2, 2, (40, 2))
    run = {"method": "adam", "step_size": "0.5/sqrt(t)", "maxiter": 300}
    many = minimize_many(ONLINE, starts, parameters={"a": np.arange(40.0)}, **run)
    for i in (0, 7, 39):
        alone = minimize(ONLINE.with_parameters(a=i), starts[i], **run)
        assert alone.x.tobytes() == many.x[i].tobytes()
        assert alone.fun == many.fun[i]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: minimize(ONLINE, [0, 1]),
            "changes with t, so it needs an update rule",
        ),
        (lambda: minimize_many(ONLINE, [[0, 1]]), "needs an update rule"),
        (
            lambda: minimize_many(ONLINE, [[0, 1]], method="gd", parameters={"t": 3}),
            "'t' counts the updates",
        ),
        (lambda: Objective("x**2", iteration="t"), "unused parameter 't'"),
        (
            lambda: Objective("x*t", iteration="t", parameters={"t": 5}),
            "both a parameter and the iteration",
        ),
        (
            lambda: minimize(ONLINE, [0, 1], method="gd", patience=5),
            "so patience can't be tested",
        ),
        (
            lambda: minimize(ONLINE, [0, 1], method="gd", target=0),
            "so target can't be tested",
        ),
        (lambda: Objective("x*t", ["x", "t"], iteration="t"), "both a variable"),
    ],
)
def test_what_an_online_objective_can_not_do(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize(
    ("update", "shown"),
    [
        ("norm(g)", r"\left\lVert g\right\rVert"),
        ("dot(g, x)", r"\left\langle g, x\right\rangle"),
        ("mean(g)", r"\operatorname{mean}\left(g\right)"),
        ("array_norm(g)", r"\left\lVert g\right\rVert_{\mathrm{array}}"),
        ("array_dot(g, x)", r"\left\langle g, x\right\rangle_{\mathrm{array}}"),
        ("array_mean(g)", r"\operatorname{mean}\left(g\right)_{\mathrm{array}}"),
        ("hvp(g)", r"\left(H \cdot \left(g\right)\right)"),
    ],
)
def test_formulas_of_papers_and_their_powers(update, shown):
    once = Rule("r", f"x = x*{update}")._repr_latex_()
    assert shown in once
    assert shown + "^" not in once
    assert shown + "^{3}" in Rule("r", f"x = x*{update}**3")._repr_latex_()


def test_what_only_a_reduction_reads_before_its_line_is_of_the_update_before():
    rule = Rule("r", "x = x - 0.1*g/(1 + norm(m))\nm = g")
    assert [*rule.state] == ["m"]
    f = Objective("x**2 + y**2/2")
    path = minimize(f, [3.0, 4.0], method=rule, maxiter=2, gtol=0.0, trace=True).trace
    x, m = np.array([3.0, 4.0]), np.zeros(2)
    for k in range(3):
        np.testing.assert_allclose(path.x[k], x, rtol=1e-15)
        g = x * [2.0, 1.0]
        x, m = x - 0.1 * g / (1.0 + np.linalg.norm(m)), g
