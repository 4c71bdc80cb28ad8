"""Parameters of sizes 1e-13 and 1e13 in one model: an end is a minimum in both."""

import numpy as np
import pytest

from symgd.fitting.curve_fit import fit

COLD, WARM = np.linspace(280, 330, 12), np.linspace(300, 900, 15)
SMALL = np.linspace(0.5, 4, 15)
CASES = {
    "arrhenius": ("A*exp(-Ea/(8.314*T))", "T", COLD, [2e13, 78000.0]),
    "arrhenius, slow": ("A*exp(-Ea/(8.314*T))", "T", WARM, [3e-7, 150000.0]),
    "three parameters": ("A*T**n*exp(-Ea/(8.314*T))", "T", WARM, [4e9, 60000.0, 0.5]),
    "electron volts": ("A*exp(-Ea/(8.617e-5*T))", "T", WARM, [1e12, 1.1]),
    "vapour pressure": ("exp(A - B/(C + T))", "T", COLD, [23.2, 3816.0, -46.0]),
    "boiling": ("P*exp(-H/8.314*(1/T - 1/373.15))", "T", COLD, [40700.0, 101325.0]),
    "diode": ("I*exp(v/(n*0.02585)) - I", "v", SMALL / 6, [1e-12, 1.3]),
    "large power": ("a*x**b", "x", SMALL * 1e6, [3e-13, 2.5]),
    "small power": ("a*x**b", "x", SMALL * 1e-9, [1e13, 1.7]),
    "emission": ("A*T**2*exp(-W/(8.617e-5*T))", "T", 3 * WARM, [6e5, 4.5]),
    "radiation": ("a/(exp(b/x) - 1)", "x", SMALL * 1e3, [1e-13, 5e3]),
    "two decays": (
        "a*exp(-b*t) + c*exp(-d*t)",
        *("t", np.linspace(0, 4e-6, 30), [2e-9, 3e6, 1e-9, 4e5]),
    ),
    "years": ("a*exp(b*t)", "t", np.linspace(2000, 2020, 21), [1e-30, 0.035]),
    "dose": (
        "V*c**n/(K**n + c**n)",
        "c",
        np.geomspace(1e-9, 1e-5, 15),
        [3e-7, 1e5, 1.4],
    ),
}


def curve_at(model, column, values, x):
    """Return what the model gives at x."""
    flat = {column: values, "y": np.ones(len(values))}
    return fit(model, flat, "y", x, maxiter=0).predict({column: values})


def cosine(found):
    """Return the cosine between the residuals and the columns, each of length 1."""
    predicted, jacobian = found.regression.curve(found.x)
    rest = found.regression.target - predicted
    design = jacobian / np.linalg.norm(jacobian, axis=0)
    step = np.linalg.lstsq(design, rest, rcond=1e-14)[0]
    return np.linalg.norm(design @ step) / np.linalg.norm(rest)


def is_met(found):
    rest = np.linalg.norm(found.residuals)
    return rest <= 1e-10 * np.linalg.norm(found.regression.target)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_from_near_it_ends_at_the_minimum(name, noise):
    model, column, values, truth = CASES[name]
    rng = np.random.default_rng(3)
    y = curve_at(model, column, values, truth)
    y = y * (1.0 + noise * rng.standard_normal(len(y)))
    starts = [np.array(truth) * 10.0 ** rng.uniform(-0.02, 0.02, len(truth))]
    starts += [np.array(truth) * rng.uniform(0.8, 1.25, len(truth)) for _ in range(3)]
    ends = [fit(model, {column: values, "y": y}, "y", start) for start in starts]
    assert ends[0].success
    for found in ends:
        assert not found.success or is_met(found) or cosine(found) <= 1e-6, found


@pytest.mark.parametrize("start", [None, [1.0, 1.0], [1e10, 5e4]])
def test_a_rate_by_arrhenius_is_found(start):
    temperature = np.arange(280.0, 331.0, 10.0)
    rate = 2e13 * np.exp(-78000.0 / 8.314 / temperature)
    data = {"T": temperature, "k": rate}
    found = fit("A*exp(-Ea/8.314/T)", data, "k", start)
    assert found.success
    assert found.x == pytest.approx([2e13, 78000.0], rel=1e-8)
