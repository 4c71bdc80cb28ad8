"""Where f falls for ever, or is level: tails, rays and plateaus."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd import Objective, minimize, minimize_many
from symgd.native.status import Status


@pytest.mark.parametrize("formula", ["abs(x - y) - 0.3*x", "abs(x + y) - 0.1*y"])
def test_a_fall_along_a_kink_has_no_bound(formula):
    result = minimize(formula, [1.0, 2.0])
    assert result.status == Status.DIVERGED
    assert "f falls without bound" in result.message


@functools.cache
def slanted(tail):
    names = dict.fromkeys("abcd", 1.0)
    return Objective(f"(a*x + b*y)**2 + {tail}", parameters=names)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["tanh(c*x + d*y)", "exp(c*x + d*y)", "1/(1+exp(c*x+d*y))"]),
    st.tuples(*[st.integers(-4, 4)] * 4).filter(lambda m: m[0] * m[3] != m[1] * m[2]),
    st.tuples(*[st.integers(-30, 30)] * 2),
)
def test_a_tail_is_none_in_any_direction(tail, slopes, start):
    objective = slanted(tail).with_parameters(**dict(zip("abcd", slopes, strict=True)))
    result = minimize(objective, [each / 10 for each in start])
    assert not result.success, result


BESIDE = {  # a kink along the one form, a tail or a slope along the other
    "abs, tanh": "abs(a*x + b*y) + tanh(c*x + d*y)",
    "max, exp": "max(a*x + b*y, -2*(a*x + b*y)) + exp(c*x + d*y)",
    "hinge, root": "max(a*x+b*y, 0) + (a*x+b*y)**2 + sqrt(1+(c*x+d*y)**2) - c*x-d*y",
    "power, atan": "abs(a*x + b*y)**1.5 + atan(c*x + d*y)",
    "two, logistic": "max(abs(a*x+b*y), (a*x+b*y)**2) + 1/(1 + exp(c*x + d*y))",
    "valley, slope": "abs(a*x + b*y) + (a*x + b*y)**4 - 2*abs(c*x + d*y)",
}


@functools.cache
def beside(name):
    return Objective(BESIDE[name], ["x", "y"], parameters=dict.fromkeys("abcd", 1.0))


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(BESIDE)),
    st.tuples(*[st.integers(-4, 4)] * 4).filter(lambda m: m[0] * m[3] != m[1] * m[2]),
    st.tuples(*[st.integers(-30, 30)] * 2),
)
def test_a_tail_is_none_beside_a_kink(name, slopes, start):
    objective = beside(name).with_parameters(**dict(zip("abcd", slopes, strict=True)))
    result = minimize(objective, [each / 10 for each in start])
    assert not result.success, result


LEVEL = {  # a kink along the one form, a plateau or a minimum along the other
    "abs, hinge": "abs(a*x + b*y) + max(0, c*x + d*y)**2",
    "hinges": "max(0, a*x + b*y - 1) + max(0, c*x + d*y)",
    "two, valley": "max(abs(a*x + b*y), (a*x + b*y)**2) + (c*x + d*y - 1)**2",
    "hinge, valley": "max(0, a*x + b*y)**2 + cosh(c*x + d*y - 1) - 1",
}


@functools.cache
def level(name):
    return Objective(LEVEL[name], ["x", "y"], parameters=dict.fromkeys("abcd", 1.0))


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(LEVEL)),
    st.tuples(*[st.integers(-4, 4)] * 4).filter(lambda m: m[0] * m[3] != m[1] * m[2]),
    st.tuples(*[st.integers(-30, 30)] * 2),
)
def test_a_plateau_beside_a_kink_is_a_minimum(name, slopes, start):
    objective = level(name).with_parameters(**dict(zip("abcd", slopes, strict=True)))
    result = minimize(objective, [each / 10 for each in start])
    assert result.success, result
    assert result.fun == pytest.approx(0.0, abs=1e-7)


BENT = {  # what falls for ever along y = c - b*x**2, or y = exp(b*x)
    "a parabola": "exp(a*x) + k*(y + b*x**2 - c)**2",
    "an exponential": "tanh(a*x) + k*(y - c*exp(b*x/4))**2",
    "a logistic curve": "1/(1 + exp(a*x)) + k*(y + b*x**2 - c)**2",
    "a bent kink": "exp(a*x) + k*abs(y - c*exp(b*x/4))",
    "bent sides": "exp(a*x) + max(y - c*exp(b*x/4), k*(c*exp(b*x/4) - y))",
}


@functools.cache
def bent(name):
    return Objective(BENT[name], ["x", "y"], parameters=dict.fromkeys("abck", 1.0))


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(BENT)),
    st.sampled_from([-2.0, 0.3, 1.0, 3.0]),
    st.sampled_from([-1.0, 0.5, 1.0, 2.0]),
    st.sampled_from([1.0, 2.0]),
    st.floats(-3, 3).map(lambda power: round(10**power, 6)),
    st.tuples(*[st.integers(-30, 30)] * 2),
)
def test_a_tail_is_none_along_a_bent_valley(name, a, b, c, k, start):
    objective = bent(name).with_parameters(a=a, b=b, c=c, k=k)
    result = minimize(objective, [each / 10 for each in start])
    assert not result.success, result


@pytest.mark.parametrize(
    "formula", ["abs(1e6*y) + exp(-1e-6*x)", "abs(y - x) + exp(-x)", "max(y, -y) + 1/x"]
)
def test_a_tail_along_a_kink_is_no_minimum(formula):
    assert not minimize(formula, [1, 2]).success


@pytest.mark.parametrize(
    ("formula", "start"),
    [
        ("x + y + z - 3*(x*y*z)**(1/3)", [1, 2, 3]),
        ("hypot(x, y) - 0.6*x - 0.8*y", [1, 1]),
        ("x + 2*y - 3*x**(1/3)*y**(2/3)", [1, 2]),
        ("x + y + z + w - 4*(x*y*z*w)**0.25", [1, 2, 3, 4]),
        ("(x**4 + y**4)**0.25 - x", [1, 0.1]),
        ("x**2/y + 4*y - 4*x", [3, 1]),
    ],
)
def test_a_homogeneous_function_is_least_along_a_ray(formula, start):
    result = minimize(formula, start, bounds=[(0, None)] * len(start))
    assert result.success
    assert result.fun == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("formula", "start", "bounds"),
    [
        ("1/x", [1], [(0, None)]),
        ("1/hypot(x, y)", [1, 1], None),
        ("x*exp(-y/x)", [1, 1], [(0.1, None), (0, None)]),
        ("x - sqrt(x*y)", [1, 1], [(0, None), (0, None)]),
        ("y**3/x**2", [1, 1], [(0.1, None), (None, None)]),
    ],
)
def test_a_homogeneous_function_without_a_minimum_has_none(formula, start, bounds):
    assert not minimize(formula, start, bounds=bounds).success


@pytest.mark.parametrize("formula", ["x**2 + y**x", "x**y + y**2", "x**2 + 2*y**x"])
@pytest.mark.parametrize("start", [[1.0, 1.0], [0.7, 1.1], [0.5, 0.5]])
def test_a_power_falls_on_at_any_size_of_its_base(formula, start):
    # As the base goes to 0 before the exponent does; at (0, 0) it is 1.
    assert not minimize(formula, start).success


@pytest.mark.parametrize("power", [0.1, 0.5])
def test_a_power_whose_exponent_is_known_has_its_minimum_at_0(power):
    result = minimize(f"x**{power} + (y - 1)**2", [1.0, 2.0])
    assert result.success
    assert result.fun < 1e-12


@pytest.mark.parametrize("term", ["exp(-x[i])", "1/(1 + x[i]**2)", "atan(x[i])"])
@pytest.mark.parametrize("start", [1.0, 30.0, -20.0])
def test_a_tail_is_none_with_many_variables(term, start):
    assert not minimize(f"sum({term} for i in range(60))", [start] * 60).success


@pytest.mark.parametrize("method", ["auto", "gd"])
@pytest.mark.parametrize(
    ("formula", "start"),
    [
        ("sum(exp(-x[i]**2) for i in range(60))", [30.0] * 60),
        ("prod(exp(-x[i]) for i in range(60))", [20.0] * 60),
        ("sum((x[i] - 1)**2 for i in range(59)) + exp(-x[59]**2)", [1.0] * 59 + [40.0]),
    ],
)
def test_many_variables_on_a_plateau_are_at_no_minimum(formula, start, method):
    for result in (
        minimize(formula, start, method=method),
        minimize_many(formula, np.array([start] * 2), method=method)[0],
    ):
        assert result.status == Status.STATIONARY


@pytest.mark.parametrize("formula", ["1e-200*x", "(1e-320*x - 3)**2", "-exp(1e-200*x)"])
def test_what_falls_as_far_as_there_are_numbers_has_no_minimum(formula):
    assert not minimize(formula, [0.0]).success


def test_a_rule_says_that_f_is_lower_far_away():
    result = minimize("(1e-200*x - 3)**2", [0.0], method="gd")
    assert result.status == Status.STATIONARY
    assert "x = 3e+200" in result.message


@pytest.mark.parametrize(
    ("formula", "start", "bounds"),
    [
        ("sqrt(x**2 + y**2) - x", [-2.0, 1.0], None),
        ("sqrt(x**2 + 4*y**2) - x", [-1.0, 1.0], None),
        ("sqrt(x**2 + y**2 + z**2) - z", [1.0, 2.0, -3.0], None),
        ("x + y - 2*sqrt(x*y)", [1.0, 3.0], [(0, None)] * 2),
    ],
)
def test_a_level_ray_is_a_minimum(formula, start, bounds):
    result = minimize(formula, start, bounds=bounds)
    assert result.success
    assert result.fun == pytest.approx(0.0, abs=1e-13)


@pytest.mark.parametrize(
    "formula", ["sqrt(x**2 + y**2 + 1) - x", "sqrt(x**2 + y**2) - x + exp(-x)"]
)
def test_what_only_tends_to_a_level_ray_has_no_minimum(formula):
    assert not minimize(formula, [-2.0, 1.0]).success


@pytest.mark.parametrize("steep", [50, 500, 5000])
def test_a_steep_valley_beside_a_wide_one_is_no_kink(steep):
    text = f"x - sqrt(x) + {steep}*y - sqrt(y)"
    result = minimize(text, [1, 1], bounds={"x": (0, None), "y": (0, None)})
    assert result.success
    assert "kink" not in result.message
