"""A poor start is no excuse: it is left for a better one, or the end is no success."""

import math

import numpy as np
import pytest

from symgd.fitting.curve_fit import fit

LONG, SHORT = np.linspace(0, 60, 121), np.linspace(0, 10, 41)
FAR = np.arange(0.0, 2000.0, 100.0)
CASES = {  # model, column, truth, start
    "a peak elsewhere": ("a*exp(-((x - m)/s)**2)", FAR, [3, 800, 200], [1, 1, 1]),
    "a peak with a floor": (
        *("a*exp(-((x - m)/s)**2) + c", FAR),
        *([3, 0.5, 800, 200], [1, 0, -500, 1]),
    ),
    "the wrong sign": ("a*exp(b*x)", SHORT, [5, 0.7], [1, -10]),
    "the wrong lobe": ("sin(w*x)", LONG, [2.2], [2.0]),
    "another lobe": ("a*sin(w*x)", LONG, [3, 1.3], [1, 0.7]),
    "a flat sigmoid": ("a/(1 + exp(-k*(x - m)))", SHORT, [4, 2, 6], [1, 50, -80]),
    "a flat half": ("max(a, 0)*x", SHORT, [2], [-1]),
    "a wide peak": ("h/(1 + ((x - m)/w)**2)", SHORT, [3, 4, 0.6], [1, 1e4, 1e-3]),
    "a dead decay": ("a*exp(-b*x) + c", SHORT, [3, 0.6, 1], [1, 1e3, 1]),
    "a dead growth": ("c*exp(-exp(b - k*x))", SHORT, [4, 3, 0.8], [1, 900, 1]),
    "far away": ("a*tanh((x - m)/s)", SHORT, [2, 5, 1.5], [1, -1e4, 1]),
}


def data_of(model, x, truth):
    known = fit(model, {"x": x, "y": np.ones(len(x))}, "y", truth, maxiter=0)
    return {"x": x, "y": known.predict({"x": x})}


def is_met(found):
    return np.linalg.norm(found.residuals) <= 1e-7 * np.linalg.norm(
        found.regression.target
    )


@pytest.mark.parametrize("name", CASES)
def test_a_start_that_leads_nowhere_is_left(name):
    model, x, truth, start = CASES[name]
    found = fit(model, data_of(model, x, truth), "y", start)
    assert found.success
    assert is_met(found), found


def test_the_fit_says_where_the_start_led():
    model, x, truth, start = CASES["a peak elsewhere"]
    found = fit(model, data_of(model, x, truth), "y", start)
    assert "the given start led to a sum of 11.2798" in found.note
    assert f"note: {found.note}" in str(found)
    assert found.to_dict()["note"] == found.note
    assert found.start_source.startswith("given, then ")


def test_a_good_start_is_kept():
    model, x, truth, _ = CASES["a peak elsewhere"]
    found = fit(model, data_of(model, x, truth), "y", np.array(truth) * 1.1)
    assert found.note == ""
    assert found.start_source == "given"


@pytest.mark.parametrize("loss", ["squared", "huber", "absolute"])
def test_a_plateau_is_no_success(loss):
    data = {"x": SHORT, "y": np.cos(SHORT)}
    sides = {"m": (100, 200), "s": (0.01, 0.02)}  # where no peak can be of use
    found = fit(
        "a*exp(-((x - m)/s)**2)", data, "y", [1, 150, 0.01], bounds=sides, loss=loss
    )
    assert not found.success
    assert "doesn't depend on" in found.message


def test_no_better_than_a_constant_is_no_success():
    data = {"x": SHORT, "y": 7.0 + np.cos(3 * SHORT)}
    found = fit("exp(-a*x**2)", data, "y")
    assert not found.success
    assert "no better than a constant" in found.message


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("a + b*max(t - 50, 0)", "no row depends on b"),
        ("a if t < 1000 else b", "no row depends on b"),
        ("c + a*exp(-1e6*t)", "no row depends on a"),
        ("a + b*exp(-u/100)", "no better than a constant"),
    ],
)
def test_a_straight_model_that_can_only_be_a_constant_is_no_success(model, says):
    t = np.linspace(1.0, 20.0, 40)
    y = 3.0 + 0.2 * np.random.default_rng(3).standard_normal(40)
    found = fit(model, {"t": t, "u": np.full(40, 7.0), "y": y}, "y")
    assert not found.success
    assert says in found.message
    assert found.fun == pytest.approx(0.5 * np.sum((y - y.mean()) ** 2))
    assert math.inf in found.standard_errors.values()


@pytest.mark.parametrize("model", ["a + b*t", "a + b*t + c"])
def test_a_slope_that_is_little_is_a_slope(model):
    t = np.linspace(-1.0, 1.0, 21)
    assert fit(model, {"t": t, "y": t**2 + 1e-3 * t}, "y").success


def test_a_slope_of_0_is_a_slope():
    t = np.linspace(-1.0, 1.0, 21)
    assert fit("a + b*t", {"t": t, "y": t**2}, "y").success


@pytest.mark.parametrize(
    ("model", "bounds"),
    [
        ("V*s/(K + s)", {"K": (0, None), "V": (0, None)}),
        ("-V*expm1(-s/K)", {"K": (0, None)}),
        ("V*s/sqrt(K**2 + s**2)", {}),
    ],
)
def test_parameters_that_grow_together_for_ever_have_no_minimum(model, bounds):
    s = np.linspace(1.0, 20.0, 40)
    noise = np.random.default_rng(5).standard_normal(40)
    y = 0.3 * s + 0.02 * s**2 + 0.05 * noise
    found = fit(model, {"s": s, "y": y}, "y", bounds=bounds)
    straight = y - s * (s @ y) / (s @ s)
    assert found.fun == pytest.approx(0.5 * straight @ straight, rel=1e-6)
    assert not found.success
    assert "no minimum" in found.message


@pytest.mark.parametrize("model", ["a*b*exp(-c*t)", "a*exp(b - c*t)", "a/b*exp(-c*t)"])
def test_what_is_redundant_is_a_minimum(model):
    t = np.linspace(0.0, 5.0, 40)
    y = 3.0 * np.exp(-0.7 * t) + 0.02 * np.random.default_rng(2).standard_normal(40)
    assert fit(model, {"t": t, "y": y}, "y").success


def test_a_line_through_the_origin_may_be_worse_than_a_constant():
    assert fit("a*x", {"x": SHORT, "y": 7.0 + np.cos(3 * SHORT)}, "y").success


def test_a_pattern_that_is_left_is_told():
    t = np.linspace(0, 6, 80)
    noise = 0.01 * np.random.default_rng(2).standard_normal(80)
    bent = fit("a*exp(-b*t)", {"t": t, "y": 2 * np.exp(-t) + np.sin(t) + noise}, "y")
    assert bent.success
    assert "the residuals have a pattern" in bent.note
    right = fit("a*exp(-b*t)", {"t": t, "y": 2 * np.exp(-t) + noise}, "y")
    assert right.success
    assert right.note == ""
