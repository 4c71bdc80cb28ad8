"""Errors in x: against scipy.odr, York's table, and rows that are all variables."""

import warnings

import numpy as np
import pytest

from symgd import InputError, Status
from symgd.fitting.curve_fit import fit

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # SciPy means to leave it to others
    from scipy import odr

# Pearson's data with York's weights: D. York, Can. J. Phys. 44 (1966), table II.
T = np.array([0.0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4])
Y = np.array([5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5])
OF_T = np.array([1000, 1000, 500, 800, 200, 80, 60, 20, 1.8, 1.0])
OF_Y = np.array([1, 1.8, 4, 8, 20, 20, 70, 70, 100, 500.0])
PEARSON = {"t": T, "y": Y, "st": OF_T**-0.5, "sy": OF_Y**-0.5}
DECAY = "a*exp(-b*t) + c"


@pytest.fixture(scope="module")
def decay():
    rng = np.random.default_rng(0)
    t = np.linspace(0, 6, 40)
    y = 3 * np.exp(-0.6 * t) + 0.5 + 0.05 * rng.normal(size=40)
    return {"t": t + 0.1 * rng.normal(size=40), "y": y}


@pytest.fixture(scope="module")
def found(decay):
    return fit(DECAY, decay, "y", sigma=0.05, sigma_x=0.1)


def of_scipy(data, curve, start, sx, sy):
    given = odr.RealData(data["t"], data["y"], sx=sx, sy=sy)
    model = odr.Model(lambda b, t: curve(t, *b))
    return odr.ODR(given, model, beta0=start, sstol=1e-15, partol=1e-15).run()


def test_pearsons_line_is_yorks():
    line = fit("a + b*t", PEARSON, "y", sigma="sy", sigma_x="st", absolute_sigma=True)
    assert line.status == Status.CONVERGED
    np.testing.assert_allclose(line.x, [5.4799102, -0.4805334], rtol=1e-7)
    errors = [*line.standard_errors.values()]
    np.testing.assert_allclose(errors, [0.29497, 0.05799], rtol=1e-4)
    assert 2 * line.fun == pytest.approx(11.8663532, rel=1e-8)


def test_a_curve_and_its_errors_are_those_of_odrpack(found, decay):
    theirs = of_scipy(decay, lambda t, a, b, c: a * np.exp(-b * t) + c, found.x,
                      0.1, 0.05)  # fmt: skip
    np.testing.assert_allclose(found.x, theirs.beta, rtol=1e-6)
    np.testing.assert_allclose(
        [*found.standard_errors.values()], theirs.sd_beta, rtol=1e-5
    )
    assert 2 * found.fun == pytest.approx(theirs.sum_square, rel=1e-9)
    np.testing.assert_allclose(found.shifts["t"], theirs.delta, atol=1e-6)


def test_where_the_curve_bends_strongly():
    rng = np.random.default_rng(1)
    t = np.linspace(-4, 4, 60)
    y = np.sin(1.3 * t) + 0.1 * rng.normal(size=60)
    data = {"t": t + 0.2 * rng.normal(size=60), "y": y}
    wave = fit("a*sin(w*t)", data, "y", {"a": 1, "w": 1.2}, sigma=0.1, sigma_x=0.2)
    theirs = of_scipy(data, lambda t, a, w: a * np.sin(w * t), wave.x, 0.2, 0.1)
    np.testing.assert_allclose(wave.x, theirs.beta, rtol=1e-6)
    np.testing.assert_allclose(
        [*wave.standard_errors.values()], theirs.sd_beta, rtol=1e-5
    )


def test_the_slope_of_the_sum_is_that_of_its_differences(found):
    x, step = found.x * [1.1, 0.9, 1.05], 1e-6
    point = found.regression.gauss_newton(x)
    for k, slope in enumerate(point.gradient):
        moved = np.outer([1, -1], np.eye(3)[k] * step) + x
        high, low = (found.regression.gauss_newton(each).fun for each in moved)
        assert (high - low) / (2 * step) == pytest.approx(slope, rel=1e-6)


def test_tiny_errors_in_x_change_nothing(decay):
    plain = fit(DECAY, decay, "y", sigma=0.05)
    tiny = fit(DECAY, decay, "y", sigma=0.05, sigma_x=1e-9)
    np.testing.assert_allclose(tiny.x, plain.x, rtol=1e-7)
    np.testing.assert_allclose(tiny.covariance, plain.covariance, rtol=1e-6)
    assert plain.shifts == {}


def test_x_and_y_change_places():
    there = fit("a + b*t", PEARSON, "y", sigma="sy", sigma_x="st")
    back = fit("c + d*y", PEARSON, "t", sigma="st", sigma_x="sy")
    a, b = there.x
    np.testing.assert_allclose(back.x, [-a / b, 1 / b], rtol=1e-6)
    assert back.fun == pytest.approx(there.fun, rel=1e-10)


def test_errors_of_some_columns_and_as_arrays(decay):
    data = {**decay, "u": np.cos(decay["t"])}
    spread = np.linspace(0.05, 0.2, 40)
    one = fit("a*exp(-b*t) + c*u", data, "y", sigma=0.05, sigma_x={"t": spread})
    assert [*one.shifts] == ["t"]
    both = fit("a*exp(-b*t) + c*u", data, "y", sigma=0.05,
               sigma_x={"t": spread, "u": 0.1})  # fmt: skip
    assert both.fun < one.fun
    assert [*both.shifts] == ["t", "u"]


def test_a_fit_of_that_kind_has_the_rest_of_a_fit(found, decay):
    low, high = found.profile("b").interval
    assert low < found.parameters["b"] < high
    assert found.bootstrap(5).samples.shape == (5, 3)
    assert found.derive("log(2)/b").standard_error > 0
    held = fit(DECAY, decay, "y", sigma=0.05, sigma_x=0.1, fixed={"c": 0.5})
    assert held.fun >= found.fun
    runs = {"one": decay, "two": {**decay, "y": 2 * decay["y"]}}
    shared = fit("a[set]*exp(-b*t)", runs, "y", sigma=0.05, sigma_x=0.1)
    assert shared.success


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"loss": "huber"}, "needs the loss 'squared'"),
        ({"method": "lbfgs"}, "sigma_x needs the method 'auto'"),
        ({"sigma_x": 0.0}, "sigma_x of 't' must be above 0"),
        ({"sigma_x": "q"}, "unknown column for sigma_x of 't' 'q'"),
        ({"sigma_x": {"q": 1.0}}, "unknown column of the model in sigma_x 'q'"),
    ],
)
def test_what_can_not_be_used_is_said(decay, given, problem):
    with pytest.raises(InputError, match=problem):
        fit(DECAY, decay, "y", **{"sigma_x": 0.1, **given})


def test_what_is_not_defined_is_said(found):
    with pytest.raises(InputError, match="AIC and BIC are not defined"):
        _ = found.aic
    with pytest.raises(InputError, match="no sum over rows as a formula"):
        _ = found.objective
