"""Two minima some standard errors apart, of which few rows with noise tell nothing."""

import numpy as np
import pytest

from symgd.fitting.curve_fit import fit

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
