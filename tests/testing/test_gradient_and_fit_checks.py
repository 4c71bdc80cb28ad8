"""Checks of gradients and fits: right ones pass, wrong ones are caught and told."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import symgd
from symgd import InputError, Objective
from symgd.testing import check_fit, check_gradient, datasets, formulas, sums

NESTED = list(HealthCheck)


def told(check, *arguments, **named):
    with pytest.raises(AssertionError) as caught:
        check(*arguments, **named)
    return str(caught.value)


def with_gradient(formula, change, **options):
    """Return an objective whose compiled gradient is changed."""
    objective = Objective(formula, **options)
    right = objective.value_and_grad

    def wrong(x):
        value, gradient = right(x)
        return value, change(gradient, x)

    objective.__dict__["value_and_grad"] = wrong
    return objective


@pytest.mark.parametrize(
    "formula",
    ["x**2*y + sin(y)", "log(x) + 1/y", "abs(x - y)", "x if x > y else y**3"],
)
def test_right_gradients_pass(formula):
    check_gradient(formula)


def test_sums_over_data_pass():
    rng = np.random.default_rng(0)
    data = {"A": rng.normal(size=(5, 3)), "y": np.ones(5)}
    formula = "sum(log(1 + exp(-y[i]*sum(A[i, j]*w[j] for j in range(d))))"
    check_gradient(Objective(f"{formula} for i in range(n))", data=data), examples=5)
    chain = Objective("sum((x[i + 1] - x[i]**2)**2 for i in range(n - 1))")
    check_gradient(chain.sized(np.zeros(30)), examples=3)


@given(formulas())
@settings(max_examples=6, suppress_health_check=NESTED)
def test_drawn_formulas_pass(formula):
    check_gradient(Objective(f"x*y + z + {formula}", "x y z"), examples=4)


@given(sums(st.integers(0, 5)))
@settings(max_examples=6, suppress_health_check=NESTED)
def test_drawn_sums_pass(objective):
    check_gradient(objective, examples=3)


def test_a_gradient_that_is_off_is_caught_where_it_is_simplest():
    wrong = with_gradient("x**2*y + sin(y)", lambda g, x: g * [1, 1 + 1e-6])
    message = told(check_gradient, wrong)
    assert message == (
        "df/dy is 1.000001, and 1.0 by 50 digits:\n"
        'symgd.Objective("x**2*y + sin(y)").grad([0.0, 0.0])'
    )
    right = eval(message.partition("\n")[2], {"symgd": symgd})
    assert right.tolist() == [0, 1]


def test_a_gradient_that_is_off_in_some_places_only():
    def change(gradient, x):
        return gradient + (x[0] > 1) * 1e-3

    message = told(check_gradient, with_gradient("x**2 + y**2", change))
    assert float(message.rpartition("[")[2].split(",")[0]) > 1


def test_taylors_remainder_is_looked_at(monkeypatch):
    from symgd.testing import gradient_checks

    monkeypatch.setattr(gradient_checks, "_compare", lambda *_: None)
    wrong = with_gradient("x**2*y + sin(y)", lambda g, x: g * [1, 1.01])
    assert "goes down as h**1.0" in told(check_gradient, wrong)


# --------------------------------------------------------------------------- fits


@pytest.mark.parametrize("model", ["a + b*x", "v*t/(k + t)"])
def test_models_find_what_made_their_data(model):
    check_fit(model, examples=5)


def test_columns_parameters_and_a_start_can_be_said():
    ranges = {"columns": {"u": (0, 1)}, "parameters": {"w": (2, 5)}}
    check_fit("a*sin(w*u) + b*t", near=0.05, examples=3, **ranges)
    with pytest.raises(InputError, match="say which names are"):
        check_fit("a*u + b")
    with pytest.raises(InputError, match="did you mean 'rate'"):
        check_fit("a*exp(-rate*t)", parameters={"rat": (1, 2)})
    with pytest.raises(InputError, match="no parameter"):
        check_fit("t**2")
    with pytest.raises(InputError, match="the data are drawn"):
        check_fit("a*t", target="y")


def test_a_fit_that_cannot_reach_its_data_is_told():
    message = told(check_fit, "a*exp(-b*t)", bounds={"b": (3, 4)}, examples=5)
    assert "from data that the model made with {'a': " in message
    found = eval(message.partition("\n")[2], {"symgd": symgd})
    assert found.parameters["b"] == 3


@given(datasets("a + b*t + c*x", "y", noise=0.1))
@settings(max_examples=20)
def test_datasets_are_of_their_model(drawn):
    a, b, c = (drawn.truth[name] for name in "abc")
    t, x = drawn.data["t"], drawn.data["x"]
    np.testing.assert_allclose(drawn.exact, a + b * t + c * x, rtol=1e-14)
    assert sorted(t) == sorted(x)
    assert len(t) >= 6
    assert 0 < np.abs(drawn.data["y"] - drawn.exact).max() < 0.5 * drawn.exact.max()
