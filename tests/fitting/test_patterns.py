"""When residuals are said to have a pattern: rarely by chance, surely where they do."""

import numpy as np
import pytest

from symgd.fitting.curve_fit import fit


def noted(found):
    return "pattern" in found.note


@pytest.mark.parametrize("loss", ["squared", "huber"])
@pytest.mark.parametrize("count", [9, 14, 30])
def test_noise_has_none(count, loss):
    rng, x = np.random.default_rng(count), np.linspace(0.0, 4.0, count)
    curve, times = 3.0 * np.exp(-x) + 1.0, 60
    said = 0
    for _ in range(times):
        y = curve + 0.03 * rng.normal(size=count)
        if loss != "squared":
            y[rng.integers(1, count)] += 2.0
        start = {"a": 3.0, "b": 1.0, "c": 1.0}
        said += noted(fit("a*exp(-b*x) + c", {"x": x, "y": y}, "y", start, loss=loss))
    assert said <= 2


@pytest.mark.parametrize("count", [14, 30])
def test_what_the_model_does_not_follow_has_one(count):
    rng, x = np.random.default_rng(count), np.linspace(0.0, 4.0, count)
    for _ in range(10):
        y = 9.0 * np.exp(-3.0 * x) + 3.0 - 0.5 * x + 0.05 * rng.normal(size=count)
        assert noted(fit("a*exp(-b*x)", {"x": x, "y": y}, "y"))
