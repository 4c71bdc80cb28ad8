"""Fits with a robust loss: outliers lead neither the start away nor the scale."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from symgd.fitting.curve_fit import fit

KELVIN = np.linspace(280.0, 360.0, 21)
CELSIUS = np.linspace(5.0, 100.0, 17)

CURVES = {
    "Arrhenius": (
        "A*exp(-Ea/(8.314462618*T))",
        {"A": 3e9, "Ea": 6.1e4},
        KELVIN,
        lambda A, Ea: A * np.exp(-Ea / (8.314462618 * KELVIN)),
    ),
    "Antoine": (
        "10**(A - B/(C + T))",
        {"A": 7.1, "B": 1480.0, "C": 222.0},
        CELSIUS,
        lambda A, B, C: 10 ** (A - B / (C + CELSIUS)),
    ),
    "its logarithm": (
        "log(10)*(A - B/(C + T))",
        {"A": 7.1, "B": 1480.0, "C": 222.0},
        CELSIUS,
        lambda A, B, C: np.log(10) * (A - B / (C + CELSIUS)),
    ),
    "Vogel": (
        "eta*exp(B/(T - T0))",
        {"eta": 1.5e-5, "B": 900.0, "T0": 140.0},
        KELVIN,
        lambda eta, B, T0: eta * np.exp(B / (KELVIN - T0)),
    ),
    "Hill": (
        "q*(b*T)**m/(1 + (b*T)**m)",
        {"q": 5.0, "b": 0.04, "m": 1.2},
        CELSIUS - 5.0,
        lambda q, b, m: q * (1.0 - 1.0 / (1.0 + (b * (CELSIUS - 5.0)) ** m)),
    ),
}


def rows(name, seed):
    """Return data with some outliers, and the curve that they are about."""
    model, truth, x, curve = CURVES[name]
    rng = np.random.default_rng(seed)
    y = curve(**truth)
    wide = np.ptp(y)
    y = y + 0.01 * wide * rng.normal(size=len(y))
    y[rng.choice(len(y), 1)] += 0.5 * wide
    return model, truth, {"T": x, "y": y}, curve


def huber(found, data, curve, start):
    """Return the least sum that is found from a start, at the same scale."""
    unit = np.array(list(start.values()))

    def residuals(q):
        return (curve(*(q * unit)) - data["y"]) / found.scale

    options = {"x_scale": "jac", "ftol": 1e-13, "xtol": 1e-13, "gtol": 1e-13}
    ones = np.ones(len(unit))
    return least_squares(residuals, ones, loss="huber", f_scale=1.345, **options).cost


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", CURVES)
def test_a_robust_fit_ends_at_the_least_sum(name, seed):
    model, truth, data, curve = rows(name, seed)
    found = fit(model, data, "y", loss="huber")
    assert found.success, found.message
    assert found.fun <= 1.0001 * huber(found, data, curve, truth)


@pytest.mark.parametrize("name", CURVES)
def test_the_scale_does_not_depend_on_the_start(name):
    model, truth, data, _ = rows(name, 7)
    scales = [
        fit(model, data, "y", start, loss="huber").scale
        for start in (None, truth, {k: 1.5 * v for k, v in truth.items()})
    ]
    assert np.ptp(scales) <= 1e-3 * scales[0]


@pytest.mark.parametrize("loss", ["huber", "log_cosh", "absolute", "log(1 + r**2)"])
def test_a_power_of_nothing_has_second_derivatives(loss):
    model, _, data, _ = rows("Hill", 3)
    assert data["T"][0] == 0.0
    found = fit(model, data, "y", loss=loss)
    assert found.success, found.message
    assert np.isfinite(list(found.standard_errors.values())).all()
