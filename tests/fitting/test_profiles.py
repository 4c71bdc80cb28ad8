"""Profiles and bootstraps: against linear theory, SciPy, and other parametrisations."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from symgd import InputError
from symgd.fitting import bootstraps
from symgd.fitting.curve_fit import fit

DECAY = "a*exp(-b*t) + c"
# Bates and Watts 1988, appendix A1.3: puromycin, treated.
SUBSTRATE = np.repeat([0.02, 0.06, 0.11, 0.22, 0.56, 1.10], 2)
VELOCITY = [76, 47, 97, 107, 123, 139, 159, 152, 191, 201, 207, 200]


@pytest.fixture(scope="module")
def data():
    noise = np.random.default_rng(5).standard_normal(50)
    t = np.linspace(0, 5, 50)
    return {"t": t, "y": 2.5 * np.exp(-0.8 * t) + 0.5 + 0.05 * noise, "s": 0.1 + t}


@pytest.fixture(scope="module")
def decay(data):
    return fit(DECAY, data, "y")


# ------------------------------------------------------------------------ profiles


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
@pytest.mark.parametrize("absolute", [False, True])
def test_of_a_linear_model_it_is_the_interval_of_students_t(data, level, absolute):
    line = fit("a + b*t", data, "y", sigma="s", absolute_sigma=absolute)
    found = line.profile("b", level)
    expected = line.confidence_intervals(level)["b"]
    np.testing.assert_allclose(found.interval, expected, rtol=1e-8)
    slope = found.roots[found.values != found.value]
    steps = (found.values - found.value)[found.values != found.value]
    np.testing.assert_allclose(slope * line.standard_errors["b"], steps, rtol=1e-6)


def test_the_interval_is_where_scipys_sum_grows_as_much(decay, data):
    t, y = data["t"], data["y"]

    def least(b):
        def sum_of_squares(p):
            return y - p[0] * np.exp(-b * t) - p[1]

        return 2 * optimize.least_squares(sum_of_squares, [1, 1], xtol=1e-15).cost

    best = least(decay.parameters["b"])
    wanted = stats.t.ppf(0.975, 47) ** 2 * best / 47
    middle = decay.parameters["b"]
    expected = [
        optimize.brentq(lambda b: least(b) - best - wanted, middle, middle + step)
        for step in (-0.2, 0.2)
    ]
    np.testing.assert_allclose(decay.profile("b").interval, expected, rtol=1e-6)


def test_another_parametrisation_has_the_same_interval(decay, data):
    other = fit("a*exp(-t/tau) + c", data, "y").profile("tau").interval
    mine = decay.profile("b").interval
    np.testing.assert_allclose(mine, [1 / other[1], 1 / other[0]], rtol=1e-7)


def test_puromycin_has_the_intervals_of_r():
    """Return those that MASS prints, ``confint(nls(...))``, by interpolation."""
    found = fit("V*c/(K + c)", {"c": SUBSTRATE, "v": VELOCITY}, "v")
    np.testing.assert_allclose(found.profile("V").interval, [197.302, 229.290], 1e-4)
    np.testing.assert_allclose(found.profile("K").interval, [0.046925, 0.08616], 2e-4)


def test_a_side_that_never_ends_is_infinite():
    rows = {"t": np.arange(5.0), "y": [1, 0.02, 0.01, -0.02, 0.03]}
    low, high = fit("a*exp(-b*t)", rows, "y").profile("b").interval
    assert 1.0 < low < 3.9
    assert high == math.inf


def test_a_bound_ends_a_profile(decay, data):
    wall = decay.parameters["b"] - 0.01
    held = fit(DECAY, data, "y", bounds={"b": (wall, None)})
    assert held.profile("b").interval[0] == wall
    assert held.profile("b").interval[1] == pytest.approx(
        decay.profile("b").interval[1], rel=1e-6
    )


def test_data_without_noise_leave_a_point():
    rows = {"t": np.arange(5.0), "y": 1 + 2 * np.arange(5.0)}
    np.testing.assert_allclose(fit("a + b*t", rows, "y").profile("b").interval, 2)


def test_what_the_data_do_not_determine_has_no_ends(data):
    found = fit("a + b + c*t", data, "y")
    assert found.profile("a").interval == (-math.inf, math.inf)


def test_a_lower_sum_is_no_interval():
    t = np.linspace(0, 10, 60)
    rows = {"t": t, "y": np.sin(2.2 * t)}
    wrong = fit("sin(w*t)", rows, "y", {"w": 1.5}, maxiter=0)
    with pytest.raises(InputError, match=r"lower elsewhere.*fit again with x0=\{'w'"):
        wrong.profile("w", level=0.9999999)


@pytest.mark.parametrize(
    ("given", "name", "problem"),
    [
        ({"fixed": {"c": 0.5}}, "c", "'c' is fixed (c = 0.5), and not free"),
        ({"tied": {"c": "a"}}, "c", "'c' is tied (c = a), and not free"),
        ({}, "q", "unknown parameter 'q'"),
        ({"loss": "huber"}, "b", "a profile needs the loss 'squared'"),
    ],
)
def test_what_has_no_profile_is_said(data, given, name, problem):
    with pytest.raises(InputError) as caught:
        fit(DECAY, data, "y", **given).profile(name)
    assert problem in str(caught.value)


# ----------------------------------------------------------------------- bootstrap


def test_a_bootstrap_has_about_the_errors_of_theory(decay):
    for kind in ("rows", "residuals"):
        drawn = decay.bootstrap(400, kind)
        assert drawn.failed == 0
        for name, error in drawn.standard_errors.items():
            assert error == pytest.approx(decay.standard_errors[name], rel=0.35)
        for name, (low, high) in drawn.confidence_intervals(0.8).items():
            assert low < decay.parameters[name] < high
        there = np.sqrt(np.diag(drawn.covariance))
        np.testing.assert_allclose(there, [*drawn.standard_errors.values()])


def test_each_sample_is_a_fit_of_drawn_rows(decay, data):
    drawn = decay.bootstrap(3, rng=7)
    seeds = np.random.default_rng(7).integers(2**31, size=3)
    for seed, x in zip(seeds.tolist(), drawn.samples, strict=True):
        some = np.random.default_rng(seed).integers(50, size=50)
        rows = {name: column[some] for name, column in data.items()}
        np.testing.assert_allclose(x, fit(DECAY, rows, "y").x, rtol=1e-6)


def test_threads_change_nothing(decay, monkeypatch):
    samples = decay.bootstrap(20).samples
    monkeypatch.setattr(bootstraps, "cores", lambda: 1)
    assert decay.bootstrap(20).samples.tolist() == samples.tolist()
    other = decay.bootstrap(20, rng=1).samples
    assert other.tolist() != samples.tolist()


def test_a_derived_quantity_of_samples(data):
    found = fit(DECAY, data, "y", tied={"b": "log(2)/h"})
    drawn = found.bootstrap(50)
    rates = math.log(2) / drawn.samples[:, found.names.index("h")]
    value, error, (low, high) = drawn.derive("b", level=0.9)
    assert value == pytest.approx(found.parameters["b"], rel=1e-14)
    assert error == pytest.approx(rates.std(ddof=1), rel=1e-12)
    np.testing.assert_allclose([low, high], np.quantile(rates, [0.05, 0.95]))
    assert str(drawn).startswith("bootstrap of 50 samples\n")


def test_samples_that_can_not_be_fitted_are_counted():
    rows = {"x": [0.0, 0, 0, 0, 1], "y": [1.0, 1.1, 0.9, 1.05, 2]}
    drawn = fit("a + b*x", rows, "y").bootstrap(60)
    assert len(drawn.samples) + drawn.failed == 60


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ((1,), "2 samples or more"),
        ((10, "columns"), "unknown kind of bootstrap 'columns'"),
        ((10.5,), "count must be a whole number"),
    ],
)
def test_what_can_not_be_drawn_is_said(decay, given, problem):
    with pytest.raises(InputError, match=problem):
        decay.bootstrap(*given)


def test_residuals_of_a_robust_fit_are_not_drawn(data):
    robust = fit(DECAY, data, "y", loss="huber")
    assert robust.bootstrap(10).samples.shape == (10, 3)
    with pytest.raises(InputError, match="needs the loss 'squared'"):
        robust.bootstrap(10, "residuals")
