"""Fits by the methods of ``minimize``: the objective is the sum over rows."""

import numpy as np
import pytest

from symgd import InputError
from symgd.fitting.curve_fit import fit


@pytest.fixture(scope="module")
def data():
    noise = np.random.default_rng(6).standard_normal(40)
    t = np.linspace(0, 4, 40)
    y = 2 * np.exp(-t) + 0.05 * noise
    return {"t": t, "y": y, "w": 1 / (1 + t)}


MODEL = "a*exp(-b*t)"


@pytest.mark.parametrize("loss", ["squared", "huber", "log_cosh"])
@pytest.mark.parametrize("more", [{}, {"weights": "w"}, {"bounds": {"b": (0, 0.8)}}])
def test_lbfgs_comes_to_the_same(data, loss, more):
    ours = fit(MODEL, data, "y", [1, 0.5], loss=loss, **more)
    theirs = fit(MODEL, data, "y", [1, 0.5], loss=loss, method="lbfgs", **more)
    assert theirs.method == "lbfgs"
    assert theirs.success
    assert theirs.fun == pytest.approx(ours.fun, rel=1e-10)
    np.testing.assert_allclose(theirs.x, ours.x, rtol=1e-5)
    np.testing.assert_allclose(theirs.covariance, ours.covariance, rtol=1e-3)
    assert theirs.at_bound == ours.at_bound


def test_a_rule(data):
    ours = fit(MODEL, data, "y", [1, 0.5])
    theirs = fit(MODEL, data, "y", [1, 0.5], method="adam", step_size=0.05, gtol=1e-6)
    assert theirs.method == "adam"
    assert theirs.success
    np.testing.assert_allclose(theirs.x, ours.x, rtol=1e-4)


def test_arguments_are_checked_there(data):
    with pytest.raises(InputError, match="step_sze"):
        fit(MODEL, data, "y", [1, 1], method="adam", step_sze=1)


def test_each_fit_has_its_own_constants(data):
    for delta in (0.02, 0.2):
        given = {"loss": "huber", "huber_delta": delta, "sigma": 1.0}
        ours = fit(MODEL, data, "y", [1, 0.5], **given)
        theirs = fit(MODEL, data, "y", [1, 0.5], method="lbfgs", **given)
        assert theirs.fun == pytest.approx(ours.fun, rel=1e-10)
