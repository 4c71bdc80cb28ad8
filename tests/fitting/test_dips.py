"""Two minima some standard errors apart, of which few rows with noise tell nothing."""

import numpy as np
import pytest

from symgd.fitting.curve_fit import fit
from symgd.fitting.dips import Dips
from symgd.fitting.regression import Regression

MODEL = "g*log((K + 0.1*x)/(0.05*x + 0.14))"
X = np.linspace(0.01, 0.2, 12)


def curve(k):
    return np.log((k + 0.1 * X) / (0.05 * X + 0.14))


def rows(seed):
    rng = np.random.default_rng(seed)
    y = 0.0217 * curve(0.0464)
    return y + 0.01 * np.ptp(y) * rng.normal(size=len(X))


def least(y):
    """Return the least sum of all K, with g solved for."""
    shapes = curve(np.geomspace(1e-3, 10.0, 20_000)[:, None])
    sizes = np.sum(shapes**2, axis=1)
    return 0.5 * np.min(np.sum(y**2) - (shapes @ y) ** 2 / sizes)


@pytest.mark.parametrize("start", [None, {"g": 1.0, "K": 1.0}, {"g": 0.02, "K": 0.1}])
@pytest.mark.parametrize("seed", [410102, *range(12)])
def test_the_lower_one_is_found(seed, start):
    y = rows(seed)
    found = fit(MODEL, {"x": X, "y": y}, "y", start)
    assert found.success
    assert found.fun <= 1.001 * least(y)


def test_it_is_said_that_the_start_led_to_the_other():
    found = fit(MODEL, {"x": X, "y": rows(410102)}, "y", {"g": 0.02, "K": 0.1})
    assert "the given start led to a sum" in found.note
    assert "along one parameter after the other" in found.start_source


def dips_of(y):
    found = fit(MODEL, {"x": X, "y": y}, "y", {"g": 1.0, "K": 1.0})
    open = np.full(2, np.inf)
    return Dips.beside(found.regression, found.x, -open, open)


@pytest.mark.parametrize("scatter", [1.0, 0.1, 1e-2, 1e-3])
@pytest.mark.parametrize("seed", range(3))
def test_the_loop_sees_what_sums_one_by_one_tell(seed, scatter, monkeypatch):
    y = scatter * rows(seed) + (1.0 - scatter) * 0.0217 * curve(0.0464)
    natively = dips_of(y).is_a_bowl
    monkeypatch.setattr(Regression, "native", lambda *_: None)
    assert dips_of(y).is_a_bowl == natively
    assert natively == (scatter < 1e-2) or scatter in (0.1, 1e-2)


@pytest.mark.parametrize("linear", [[], [1], [2, 0]])
def test_ways_are_rows_of_the_inverse(linear):
    t = np.linspace(0.0, 4.0, 40)
    noise = 0.05 * np.random.default_rng(0).normal(size=40)
    data = {"t": t, "y": 3.0 * np.exp(-0.7 * t) + 1.0 + noise}
    found = fit("a*exp(-b*t) + c", data, "y", [1, 1, 0])
    other = [p for p in range(3) if p not in linear]
    open = np.full(3, np.inf)
    dips = Dips(found.regression, linear, other, found.x, -open, open)
    _, ways = dips._looked
    errors = np.sqrt(np.diag(found.covariance))
    expected = found.covariance[other] / errors[other, None]
    assert ways == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("parts", [{"sigma": 0.05 * np.eye(40)}, {"sigma_x": 1e-3}])
def test_what_a_loop_does_not_sum_is_looked_at_too(parts):
    t = np.linspace(0.0, 4.0, 40)
    noise = 0.05 * np.random.default_rng(0).normal(size=40)
    data = {"t": t, "y": 3.0 * np.exp(-0.7 * t) + 1.0 + noise}
    found = fit("a*exp(-b*t) + c", data, "y", [1, 1, 0], **parts)
    open = np.full(3, np.inf)
    assert Dips.beside(found.regression, found.x, -open, open).is_a_bowl


def test_a_parameter_without_influence_has_no_way():
    t = np.linspace(0.0, 4.0, 20)
    data = {"t": t, "y": np.exp(-t) + 0.01 * np.cos(9.0 * t)}
    found = fit("exp(-b*t) + max(0, d - 9)*t", data, "y", [1, 1])
    open = np.full(2, np.inf)
    dips = Dips(found.regression, [], [0, 1], found.x, -open, open)
    assert not dips.is_a_bowl
    assert dips.points() == []
