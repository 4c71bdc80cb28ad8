"""Verdicts are the same in all units, of x and of f."""

import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd import Objective, minimize, minimize_many
from symgd.native.status import Status


@given(
    factor=st.floats(-12, 12),
    offset=st.sampled_from([0.0, 1.0, -300.0]),
    unit=st.floats(-12, 12),
)
@settings(max_examples=60)
def test_units_change_neither_the_end_nor_what_it_is_called(factor, offset, unit):
    a, c = 10.0**factor, 10.0**unit
    result = minimize(SCALED.with_parameters(a=a, b=offset * a, c=c), [-1.2 / c, 1 / c])
    assert result.status == Status.CONVERGED
    np.testing.assert_allclose(np.array(result.x) * c, [1.0, 1.0], atol=2e-6)


SCALED = Objective(
    "a*((1 - c*x)**2 + 100*(c*y - (c*x)**2)**2) + b",
    parameters={"a": 1, "b": 0, "c": 1},
)


IN_UNITS = {  # of x*c and y*c; where a run begins, and what it may end at
    "two minima": (
        "(-13 + X + ((5 - Y)*Y - 2)*Y)**2 + (-29 + X + ((Y + 1)*Y - 14)*Y)**2",
        *([0.5, -2.0], 0.0, 48.98425367924001),
    ),
    "a bent valley": ("100*(Y - X**3)**2 + (1 - X)**2", [-1.2, 1.0], 0.0),
    "a flat bottom": ("(X - 2)**4 + (X - 2*Y)**2", [0.0, 3.0], 0.0),
    "six hollows": (
        "(4 - 2.1*X**2 + X**4/3)*X**2 + X*Y + (-4 + 4*Y**2)*Y**2",
        *([0.5, 0.5], -1.0316284534898774),
    ),
    "a median that is one of them": (
        "sqrt((X-1)**2 + (Y-2)**2) + sqrt((X-1.1)**2 + (Y-2.1)**2)"
        " + sqrt((X-0.9)**2 + (Y-1.9)**2)",
        *([5.0, -5.0], 0.2 * math.sqrt(2.0)),
    ),
    "hardly curved beside steep": (
        "1e-5*((X - 1)**2 + (Y - 1)**2) + (X**2 + Y**2 - 0.25)**2",
        *([1.0, 2.0], 8.357780799989137e-06),
    ),
}


@functools.cache
def in_units(name):
    text = IN_UNITS[name][0].replace("X", "(c*x)").replace("Y", "(c*y)")
    constants = {"a": 1.0, "b": 0.0, "c": 1.0}
    return Objective(f"a*({text}) + b", parameters=constants)


@given(
    name=st.sampled_from(sorted(IN_UNITS)),
    factor=st.floats(-12, 12),
    offset=st.sampled_from([0.0, 1.0, -10.0]),
    unit=st.floats(-12, 12),
)
@settings(max_examples=150, deadline=None)
def test_every_end_is_the_same_in_all_units(name, factor, offset, unit):
    _, start, *minima = IN_UNITS[name]
    a, c = 10.0**factor, 10.0**unit
    objective = in_units(name).with_parameters(a=a, b=offset * a, c=c)
    result = minimize(objective, [each / c for each in start])
    assert result.success, result
    assert min(abs(result.fun / a - offset - least) for least in minima) < 1e-8


@given(factor=st.floats(-12, 12), unit=st.floats(-12, 12))
@settings(max_examples=30)
def test_a_saddle_is_left_in_all_units(factor, unit):
    a, c = 10.0**factor, 10.0**unit
    result = minimize(SADDLE.with_parameters(a=a, c=c), [1 / c, 0.0])
    assert result.success
    np.testing.assert_allclose(result.fun / a, -0.25, rtol=1e-9)


SADDLE = Objective("a*((c*x)**2 - (c*y)**2 + (c*y)**4)", parameters={"a": 1, "c": 1})


@given(scale=st.floats(-12, 12), shift=st.floats(-12, 12))
@settings(max_examples=40)
def test_a_start_at_0_has_no_units(scale, shift):
    c, s = 10.0**scale, 10.0**shift
    result = minimize(SHIFTED.with_parameters(c=c, s=s), [0.0, 0.0])
    assert result.success
    np.testing.assert_allclose(np.array(result.x) * c / s, [1.0, -2.0], rtol=1e-5)


SHIFTED = Objective(
    "(c*x - s)**2 + (c*y + c*x + s)**2", parameters={"c": 1.0, "s": 1.0}
)


@pytest.mark.parametrize("apart", [1e9, 1e18, 1e24, 1e40])
@pytest.mark.parametrize("turned", [0.0, 1e-30])
def test_what_is_left_of_f_is_a_variable_of_another_unit(apart, turned):
    """Beside what f fell by at first it is nothing; of what is left it is all."""
    small, large = apart**-0.5, apart**0.5
    text = f"{small!r}*(a - 3)**2 + {large!r}*(b - 2 + {turned!r}*a)**2"
    result = minimize(text, [0, 0])
    assert result.success
    assert result.x == pytest.approx([3, 2])


@pytest.mark.parametrize("unit", [1e-12, 1e-9, 1.0, 1e12])
def test_the_units_of_one_variable_make_no_kink(unit):
    x = np.linspace(0, 9, 30)
    data = {"x": unit * x, "y": np.exp(-x / 2) / unit}
    result = minimize(Objective(DECAY, data=data), {"a": 0.1 / unit, "t": unit})
    assert "kink" not in result.message
    if result.success:
        found = result.values["a"] * unit, result.values["t"] / unit
        np.testing.assert_allclose(found, [1.0, 2.0], rtol=1e-5)


DECAY = "sum((y[i]-a*exp(-x[i]/t))**2 for i in range(n))"


def test_a_rule_with_small_units_has_not_converged_at_its_start():
    result = minimize("1e-12*(x-3)**2", 0.0, method="gd", step_size=0.1, maxiter=50)
    assert result.status == Status.MAXITER
    result = minimize("1e-12*(x-3)**2", 0.0, method="gd", step_size=4e11)
    assert result.success
    assert result.x == pytest.approx(3.0, rel=1e-2)


@pytest.mark.parametrize(
    ("method", "step_size"), [("gd", 1e-20), ("momentum", 1e-20), ("adam", 1e-11)]
)
def test_a_rule_at_a_minimum_in_small_units_has_found_it(method, step_size):
    formula, starts = "((x - 3e-9)/1e-9)**2 + ((y + 1e-9)/1e-9)**2", [[0, 0], [1e-9, 0]]
    given = {"method": method, "step_size": step_size, "maxiter": 20_000}
    result = minimize(formula, starts[0], **given)
    assert result.status == Status.CONVERGED
    assert result.x.tolist() == pytest.approx([3e-9, -1e-9], rel=1e-7)
    many = minimize_many(formula, starts, **given)
    assert (many.status == Status.CONVERGED).all()


@pytest.mark.parametrize(
    ("formula", "least"),
    [
        ("abs(1e6*x - 3) + abs(1e-6*y - 2) + 0.5*abs(1e6*x + 1e-6*y - 7)", 1.0),
        ("max(abs(1e9*x - 1), abs(1e-9*y - 1))", 0.0),
        ("abs(1e-7*x - 1) + abs(y)", 0.0),
        ("sqrt((1e-8*x - 1)**2 + y**2) + abs(y)", 0.0),
    ],
)
def test_a_kink_is_found_far_away_in_small_units(formula, least):
    result = minimize(formula, [1, 1])
    assert result.success
    assert result.fun == pytest.approx(least, abs=1e-12)


@pytest.mark.parametrize("unit", [1e-12, 1e-8, 1.0, 1e6])
def test_a_rule_ends_at_the_same_point_in_other_units_of_f(unit):
    result = minimize(f"{unit}*(x-3)**2", [0], method="gd", step_size=0.4 / unit)
    assert result.success
    assert result.x[0] == pytest.approx(3.0, rel=1e-5)


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e5, 1e9, 1e12])
@pytest.mark.parametrize("bounded", [False, True])
def test_many_variables_may_be_in_any_unit(unit, bounded):
    n = 60
    formula = f"sum(({unit}*x[i] - 1)**2*(1 + i) for i in range({n}))"
    bounds = [(0.0, 9.0 / unit)] * n if bounded else None
    result = minimize(formula, [0.0] * n, bounds=bounds)
    assert result.success, result.message
    assert result.x == pytest.approx(np.full(n, 1.0 / unit), rel=1e-7)


@pytest.mark.parametrize("start", [0.0, 1.0])
@pytest.mark.parametrize("unit", [1e-120, 1e-160, 1e-170, 1e-200, 1e-250])
@pytest.mark.parametrize(
    "formula",
    ["({u}*x - 3)**2", "({u}*x - 3)**2 + (y - 1)**2", "log(1 + ({u}*x - 3)**2)"],
)
def test_a_minimum_may_be_farther_than_squares_of_slopes_show(formula, unit, start):
    result = minimize(formula.format(u=unit), [start] * (1 + ("y" in formula)))
    assert result.success
    assert result.fun < 1e-28
    assert result.x[0] == pytest.approx(3 / unit, rel=1e-14)
