"""Ends at bounds, poles, jumps and the edges of domains."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from symgd import Objective, Rule, minimize, minimize_many
from symgd.native.status import Status


def test_an_infimum_at_a_jump_is_said_to_be_one():
    result = minimize("-x if x < 1 else (x - 3)**2", 0.0)
    assert "f falls up to a jump" in result.message


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(2, 40))
def test_what_is_held_at_bounds_does_not_curve(seed, n):
    rng = np.random.default_rng(seed)
    A, b = rng.normal(size=(60, n)), rng.normal(size=60)
    objective = Objective("sum((A @ w - b)**2)", data={"A": A, "b": b})
    result = minimize(objective, {"w": np.ones(n)}, bounds={"w": (0, None)})
    assert result.success, result
    least = optimize.nnls(A, b)[1] ** 2
    assert result.fun == pytest.approx(least, rel=1e-9)


def test_a_bound_that_is_near_holds_nothing():
    run = {"method": "gd", "step_size": 1e-20, "maxiter": 20}
    result = minimize("((x-5e-9)*1e9)**2", [2e-9], bounds=[(1e-9, 9e-9)], **run)
    assert result.status == Status.MAXITER
    held = minimize("x", [0.5], bounds=[(0, 1)], method="gd", step_size=0.1)
    assert held.status == Status.CONVERGED
    assert held.x == 0.0


def test_an_end_with_an_infinite_slope_at_its_bound_is_returned_again(tmp_path):
    run = {"bounds": [(0, None)], "checkpoint": tmp_path / "c"}
    first, again = (minimize("x**0.1", 1.0, **run) for _ in range(2))
    assert first.x == again.x == [0.0]
    assert repr(first) == repr(again)


JUMPS = [
    ("sign(x) + x**2", [1.0], -1),
    ("(x - 1)**2 if x >= 1 else (x - 1)**2 - 5", [3.0], -5),
    ("Piecewise((x**2 - 1, x < 0), (x**2, True))", [1.0], -1),
    ("sum(sign(x[i]) + x[i]**2 for i in range(n))", [1.0] * 3, -3),
]


@pytest.mark.parametrize(("formula", "start", "least"), JUMPS)
def test_what_is_lower_just_beyond_a_jump_is_found(formula, start, least):
    for options in ({}, {"method": "gd", "step_size": "auto"}):
        result = minimize(formula, start, **options)
        assert result.fun == pytest.approx(least, abs=1e-8)
    rule = minimize(formula, start, method="gd", step_size=0.1)
    assert not rule.success or rule.fun == pytest.approx(least, abs=1e-8)
    many = minimize_many(formula, [start, start], maxiter=10_000)
    np.testing.assert_allclose(many.fun, least, atol=1e-8)


CONTINUOUS = [
    ("x**2 if abs(x) < 1 else 2*abs(x) - 1", [3.0], 0),
    ("1e12*(x - 3)**2 if x < 3 else (x - 3)**4", [7.0], 0),
    ("x**2 + (3 if x + y < 2 else 0) + (y - 4)**2", [4.0, 1.0], 0),
]


@pytest.mark.parametrize(("formula", "start", "least"), CONTINUOUS)
def test_where_two_pieces_meet_or_a_jump_is_far_nothing_is_left(formula, start, least):
    result = minimize(formula, start)
    assert result.success
    assert result.fun == pytest.approx(least, abs=1e-12)


@pytest.mark.parametrize("unit", [1e-8, 1e-20, 1e100])
@pytest.mark.parametrize("far", [0.1, 7.0])
def test_beyond_the_edge_of_a_domain_nothing_is_flat(unit, far):
    result = minimize(f"log(x/{3 * unit!r})**2", [3 * unit * far])
    assert result.status == Status.CONVERGED
    assert result.x[0] == pytest.approx(3 * unit, rel=1e-5)


@pytest.mark.parametrize(
    ("formula", "start", "bounds", "least"),
    [
        ("50*(a*(3-a))**0.2 - a", [2.1], [(0, 3)], -3.0),
        ("7*((5-a)*(a-1))**0.25 + (b-a)**2", [4, 0], {"a": (1, 5)}, 0.0),
    ],
)
def test_an_end_beside_a_bound_where_f_is_lower_is_no_success(
    formula, start, bounds, least
):
    result = minimize(formula, start, bounds=bounds)
    assert not result.success or result.fun == pytest.approx(least, abs=1e-9)


@pytest.mark.parametrize(
    ("formula", "start", "bounds", "least"),
    [
        ("x - 3*sqrt(x)", [5e-324], [(0, 9)], -2.25),
        ("x - 3*sqrt(x)", [1e-200], [(0, 9)], -2.25),
        ("-sqrt(x) - sqrt(2 - x)", [1e-310], [(0, 2)], -2.0),
        ("-sqrt(x - 1) - x/10", [1 + 2.3e-16], [(1, 3)], -math.sqrt(2) - 0.3),
        ("sqrt(x - 1) - x/10", [1 + 2.3e-16], [(1, 3)], -0.1),
        ("-x*log(x)", [1e-300], [(0, 0.2)], 0.0),
        ("x*log(x)**2", [0.1], [(0, 0.13)], 0.0),
        ("-sqrt(x)*log(x)", [0.05], [(0, 0.1)], 0.0),
        ("sqrt(x*y) + (x - 1.2)**2 + y", [1, 1], [(0, None)] * 2, 0.0),
        ("x**0.3*y**0.7 + (x - 1)**2", [0.5, 0.5], [(0, None)] * 2, 0.0),
    ],
)
@pytest.mark.parametrize("run", [{}, {"method": "gd", "step_size": "auto"}])
@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_at_or_beside_a_bound_a_slope_may_be_infinite(
    formula, start, bounds, least, run, unit
):
    result = minimize(f"{unit}*({formula})", start, bounds=bounds, **run)
    assert result.success
    assert result.fun == pytest.approx(unit * least, abs=1e-9 * unit)


@pytest.mark.parametrize("rule", ["gd", "momentum", "amsgrad"])
@pytest.mark.parametrize(
    ("formula", "start", "bounds", "end"),
    [
        ("4*a**0.5 + (b - 1)**2", [1, 3], {"a": (0, None)}, [0, 1]),
        ("a**0.8 + (b + 2)**2", [0.5, 2], [(0, None), (0, None)], [0, 0]),
        ("sqrt(a - 2) + (b - 1)**2", [2, 3], {"a": (2, None)}, [2, 1]),
        ("sqrt(1 - a) + (b - 1)**2", [0, 3], {"a": (None, 1)}, [1, 1]),
        ("sum(sqrt(a[i]) for i in range(2)) + b**2", {"a": [1, 2], "b": 3},
         {"a": (0, None)}, [0, 0, 0]),
    ],
)  # fmt: skip
def test_a_bound_holds_a_rule_against_an_infinite_slope(
    rule, formula, start, bounds, end
):
    result = minimize(
        formula, start, method=rule, step_size=0.02, bounds=bounds, gtol=1e-5
    )
    assert result.success
    assert result.x == pytest.approx(end, abs=1e-4)
    assert math.inf in abs(result.jac)


def test_a_rule_leaves_a_bound_where_f_falls_infinitely_steeply():
    run = {"method": "gd", "step_size": 0.05, "bounds": [(0, 3)]}
    result = minimize("x - sqrt(x)", [0.0], **run)
    assert result.success
    assert result.x == pytest.approx([0.25])


def test_a_look_ahead_may_meet_an_infinite_slope():
    ahead = Rule("ahead", "d = m*d - s*g(x + m*d)\nx = x + d", m=0.9, s=0.02)
    result = minimize(
        "4*a**0.5 + (b - 1)**2", [1, 3], method=ahead, bounds={"a": (0, None)}
    )
    assert result.success
    assert result.x == pytest.approx([0, 1])


@pytest.mark.parametrize("start", [0.01, 10.0, 500.0, 1e6])
def test_no_step_leaps_over_a_pole(start):
    assert minimize("log(gamma(x)) - 3*x", start).x == pytest.approx(20.5834630)
    assert minimize("log(gamma(x + 2)) - 3*x", start).x == pytest.approx(18.5834630)
    assert minimize("-gamma(x)", -0.5).x == pytest.approx(-0.50408301)
    many = minimize_many("log(gamma(x)) - 3*x", [[start], [start + 1.0]])
    assert many.x == pytest.approx(20.5834630)


@pytest.mark.parametrize(
    ("formula", "start", "least"),
    [
        ("sqrt(x**2 + 1) - 0.5*x", [1e200], math.sqrt(0.75)),
        ("log(1 + x**2)", [1e200], 0.0),
        ("log(1 + x**2) + y**2", [1e200, 1.0], 0.0),
        ("log(1 + (x/1e-3)**4) + log(1 + y**2)", [1e80, 1.0], 0.0),
        ("-x**2/(1 + x**4)", [1e100], -0.5),
        ("sqrt(x**2 + y**2)", [1e200, 1e200], 0.0),
        ("atan(exp(x)) + 0.01*x**2", [900.0], 0.13900218343420104),
        ("exp(x**2)*erfc(x) + 0.1*x", [30.0], 0.4551107822995821),
    ],
)
def test_a_start_may_be_where_float64_overflows_on_the_way(formula, start, least):
    result = minimize(formula, start)
    assert result.success
    assert result.fun == pytest.approx(least, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("start", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(
    ("formula", "least"),
    [
        ("x*abs(log(x))", 0.0),
        ("x*sqrt(-log(x))", 0.0),
        ("log(1 - x)*log(x)", 0.0),
        ("-log(1 - x)*log(x)", -(math.log(2.0) ** 2)),
    ],
)
def test_a_bound_may_be_where_only_a_limit_is(formula, least, start):
    result = minimize(formula, [start], bounds=[(0, 1)])
    assert result.success
    assert result.fun == pytest.approx(least, abs=1e-12)


@pytest.mark.parametrize(
    ("formula", "start", "least"),
    [
        ("50*log(x) + 2.1e9/x", 1e-9, 50 * (math.log(4.2e7) + 1)),
        ("7*log(x) + 8e10/x", 1e-12, 7 * (math.log(8e10 / 7) + 1)),
        ("1e9/x + 1e-9*x", 1e-9, 2.0),
        ("3*log(x) + 1e12/x**2", 1e-6, 1.5 * (math.log(2e12 / 3) + 1)),
    ],
)
def test_a_start_may_be_where_f_is_of_another_size(formula, start, least):
    result = minimize(formula, [start], bounds=[(1e-15, None)])
    assert result.success
    assert result.fun == pytest.approx(least, rel=1e-12)
