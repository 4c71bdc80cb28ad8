"""Fixed and tied parameters, and quantities that follow: by substitution, and SciPy."""

import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from symgd import InputError
from symgd.fitting.curve_fit import fit

DECAY = "a*exp(-b*t) + c"


@pytest.fixture(scope="module")
def data():
    noise = np.random.default_rng(5).standard_normal(50)
    t = np.linspace(0, 5, 50)
    return {"t": t, "y": 2.5 * np.exp(-0.8 * t) + 0.5 + 0.05 * noise}


@pytest.fixture(scope="module")
def whole(data):
    return fit(DECAY, data, "y")


@pytest.fixture(scope="module")
def tied(data):
    return fit(DECAY, data, "y", tied={"c": "a/5"})


def test_what_is_fixed_is_as_if_it_was_written(data):
    found = fit(DECAY, data, "y", fixed={"c": 0.5})
    written = fit("a*exp(-b*t) + 0.5", data, "y")
    assert found.x.tolist() == written.x.tolist()
    assert found.covariance.tolist() == written.covariance.tolist()
    assert found.degrees_of_freedom == 48
    assert found.names == ("a", "b")
    assert found.parameters == {**written.parameters, "c": 0.5}
    assert found.standard_errors["c"] == 0.0
    assert found.confidence_intervals()["c"] == (0.5, 0.5)
    assert found.fixed == {"c": 0.5}


def test_what_is_tied_has_the_error_that_follows(tied, data):
    x, covariance = optimize.curve_fit(
        lambda t, a, b: a * np.exp(-b * t) + a / 5, data["t"], data["y"], [1, 1]
    )
    np.testing.assert_allclose(tied.x, x, rtol=1e-6)
    np.testing.assert_allclose(tied.covariance, covariance, rtol=1e-5)
    errors = tied.standard_errors
    assert errors["c"] == pytest.approx(errors["a"] / 5, rel=1e-14)
    assert tied.parameters["c"] == pytest.approx(tied.parameters["a"] / 5, rel=1e-15)
    assert tied.tied == {"c": "a/5"}
    low, high = tied.confidence_intervals()["a"]
    assert tied.confidence_intervals()["c"] == pytest.approx((low / 5, high / 5))


def test_the_table_says_which_are_not_free(data):
    found = fit(DECAY, data, "y", fixed={"b": "4/5"}, tied={"c": "a/5"})
    told = str(found).splitlines()
    assert told[0].startswith(f"fit of y by {DECAY}: 50 rows, 49 degrees")
    assert told[3].split() == ["b", "0.8", "fixed"]
    assert told[4].startswith("c = a/5 ")
    record = found.to_dict()
    assert (record["fixed"], record["tied"]) == ({"b": 0.8}, {"c": "a/5"})
    assert record["names"] == ["a"]


def test_ties_to_new_parameters_and_to_each_other(data, whole):
    found = fit(DECAY, data, "y", tied={"b": "1/tau", "c": "d", "d": "q**2"})
    assert found.names == ("a", "q", "tau")
    assert found.parameters["b"] == pytest.approx(whole.parameters["b"], rel=1e-7)
    assert found.parameters["c"] == found.parameters["d"]
    assert found.standard_errors["c"] == pytest.approx(
        whole.standard_errors["c"], rel=1e-4
    )


def test_a_whole_number_is_an_exact_power(data):
    held = {"t": data["t"] - 2.0, "y": data["y"]}
    found = fit("a*t**n + c", held, "y", fixed={"n": 2.0})
    assert np.isfinite(found.residuals).all()


def test_predictions_and_bands_know_them(tied, data):
    new = {"t": [1.0, 9.0]}
    band = tied.predict(new, level=0.95)
    a, b = tied.x
    expected = a * np.exp(-b * np.array(new["t"])) + a / 5
    np.testing.assert_allclose(band.value, expected, rtol=1e-13)
    far = tied.predict({"t": [1e6]}, level=0.95)
    low, high = tied.confidence_intervals()["c"]
    assert (far.lower[0], far.upper[0]) == pytest.approx((low, high), rel=1e-9)


def test_a_parameter_named_like_a_constant_may_be_fixed():
    T = np.linspace(280, 330, 6)
    rows = {"T": T, "y": 5e6 * np.exp(-40000 / (8.314 * T))}
    found = fit("A*exp(-E/(8.314*T))", rows, "y", fixed={"E": 40000})
    assert found.parameters == pytest.approx({"A": 5e6, "E": 40000}, rel=1e-9)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"tied": {"c": "a/5", "a": "c"}}, "tied to themselves in the end: c = a/5"),
        ({"tied": {"c": "2*c"}}, "tied to themselves in the end: c = 2*c"),
        ({"fixed": {"q": 1}}, "unknown fixed parameter 'q'; accepted: a, b, c"),
        ({"tied": {"q": "a"}}, "unknown tied parameter 'q'"),
        ({"fixed": {"a": 1, "b": 2, "c": 3}}, "no parameter is left to be fitted"),
        ({"tied": {"c": "2*t"}}, "c = 2*t depends on the column 't'"),
        ({"fixed": {"t": 0}}, "'t' is a column, and can't be fixed"),
        ({"fixed": {"c": 0}, "tied": {"c": "a"}}, "'c' is fixed and tied"),
        ({"fixed": {"c": 0}, "x0": {"c": 1}}, "'c' is in x0, and fixed: c = 0"),
        ({"tied": {"c": "a"}, "bounds": {"c": (0, 1)}}, "'c' is in bounds, and tied"),
        ({"fixed": {"c": math.inf}}, "fixed c = inf is not a finite number"),
        ({"fixed": {"c": "a"}}, "fixed c = a is no number"),
        ({"fixed": 3}, "fixed is a mapping of names"),
        ({"tied": {"c": 2}}, "'c' is tied to 2, which is no formula"),
        ({"fixed": {"c": 0}, "x0": [1, 2, 3]}, "x0"),
    ],
)
def test_what_can_not_be_held_is_said(data, given, problem):
    with pytest.raises(InputError) as caught:
        fit(DECAY, data, "y", **given)
    assert problem in str(caught.value)


def test_a_model_that_is_nowhere_finite_is_refused(data):
    with pytest.raises(InputError, match="the model is not finite with k = 0"):
        fit("a*exp(-t/k)", data, "y", fixed={"k": 0})


# --------------------------------------------------------------- derived quantities


def test_a_half_life_has_the_error_of_its_rate(whole):
    b, error = whole.parameters["b"], whole.standard_errors["b"]
    half_life = whole.derive("log(2)/b")
    assert half_life.value == pytest.approx(math.log(2) / b, rel=1e-15)
    expected = math.log(2) / b**2 * error
    assert half_life.standard_error == pytest.approx(expected, rel=1e-14)
    low, high = half_life.interval
    narrow = whole.derive("log(2)/b", level=0.5).interval
    assert low < narrow[0] < half_life.value < narrow[1] < high


@settings(deadline=None, max_examples=20)
@given(
    scale=st.floats(0.1, 10), shift=st.floats(-5, 5), name=st.sampled_from(["a", "b"])
)
def test_a_linear_quantity_is_exact(whole, scale, shift, name):
    found = whole.derive(f"{scale!r}*{name} + {shift!r}".replace("+ -", "- "))
    exact = scale * whole.parameters[name] + shift
    assert found.value == pytest.approx(exact, rel=1e-13, abs=1e-13)
    error = scale * whole.standard_errors[name]
    assert found.standard_error == pytest.approx(error, rel=1e-12)


def test_the_covariance_counts(whole):
    slope = np.array([1.0, 0.0, 1.0])
    variance = slope @ whole.covariance @ slope
    assert whole.derive("a + c").standard_error == pytest.approx(variance**0.5)
    a, c = sp.symbols("a c")
    assert whole.derive(a + c) == whole.derive("a + c")


def test_a_reparametrised_fit_agrees(data, whole):
    other = fit("a*exp(-t*log(2)/h) + c", data, "y")
    mine, theirs = whole.derive("log(2)/b"), other.derive("h")
    assert mine.value == pytest.approx(theirs.value, rel=1e-7)
    assert mine.standard_error == pytest.approx(theirs.standard_error, rel=1e-4)


def test_derived_by_what_is_fixed_and_tied(data, tied):
    assert tied.derive("c/a") == (pytest.approx(0.2), 0.0, (0.2, 0.2))
    found = fit(DECAY, data, "y", fixed={"c": 0.5})
    assert found.derive("c**2") == (0.25, 0.0, (0.25, 0.25))
    assert found.derive("a*c").standard_error == pytest.approx(
        found.standard_errors["a"] / 2, rel=1e-14
    )


def test_what_the_data_do_not_determine_is_not_derived(data):
    found = fit("a*b*exp(-t) + c", data, "y")
    assert found.derive("a").standard_error == math.inf
    assert math.isfinite(found.derive("a*b").standard_error)
    assert math.isfinite(found.derive("c").standard_error)


@pytest.mark.parametrize(
    ("quantity", "problem"),
    [
        ("log(2)/q", "'q' is no parameter of this fit; its parameters: a, b, c"),
        ("a*t", "'t' is no parameter of this fit, but a column: predict"),
        ("log(-a)", "no value, or no slope, at a = "),
        ("sqrt(a - a)*b", ""),
        ("a +", "something is missing"),
    ],
)
def test_what_can_not_be_derived_is_said(whole, quantity, problem):
    if not problem:
        assert whole.derive(quantity).value == 0.0
        return
    with pytest.raises(ValueError, match=problem):
        whole.derive(quantity)
