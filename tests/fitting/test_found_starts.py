"""Starts that nobody gave: scales, frequencies, peaks and breaks are found."""

import numpy as np
import pytest

from symgd.fitting.curve_fit import fit
from symgd.fitting.trials import least_squares

UP, YEAR = np.linspace(0.0, 8000.0, 20), np.linspace(0.0, 200.0, 400)
WARM, COLD = np.linspace(300.0, 900.0, 15), np.linspace(280.0, 330.0, 12)
LINE, STEPS = np.linspace(0.0, 40.0, 160), np.arange(0.0, 21.0, 0.2)
JITTERED = np.sort(np.arange(300) + np.random.default_rng(5).uniform(-0.3, 0.3, 300))
GAUSS, LORENTZ = "a{0}*exp(-((x - m{0})/s{0})**2)", "a{0}/(1 + ((x - m{0})/s{0})**2)"


def peaks(shape, *numbers):
    return " + ".join(shape.format(k) for k in numbers)


SCALES = {
    "air": ("n*exp(-m*9.81*x/(1.380649e-23*290))", UP, {"n": 2, "m": 4.8e-26}),
    "level": ("A*exp(-E1/(1.380649e-23*x))", WARM, {"A": 4e3, "E1": 8e-21}),
    "rate": ("A*exp(-Ea/(8.314*x))", COLD, {"A": 2e13, "Ea": 78000}),
    "diode": (
        "I*(exp(1.602e-19*x/(n*1.380649e-23*300)) - 1)",
        *(LINE / 70, {"I": 1e-12, "n": 1.3}),
    ),
    "black body": (
        "a*x**3/(exp(6.626e-34*x/(1.380649e-23*T)) - 1)",
        *(np.linspace(1e13, 9e14, 30), {"a": 1e-47, "T": 5000}),
    ),
    "emission": (
        "A*x**2*exp(-W*1.602e-19/(1.380649e-23*x))",
        *(3 * WARM, {"A": 6e5, "W": 4.5}),
    ),
    "nernst": ("c - 8.314*x/(z*96485)*log(r)", WARM, {"c": 0.3, "z": 2, "r": 5}),
    "dose": ("V*x**n/(K**n + x**n)", WARM * 1e-9, {"V": 1e5, "K": 4e-7, "n": 1.4}),
    "tiny decay": ("a*exp(-x/s)", LINE * 1e-12, {"a": 3e8, "s": 9e-12}),
    "photons": (
        "a*exp(-6.626e-34*2.998e8/(x*1.380649e-23*T))",
        *(LINE[5:] * 1e-6, {"a": 7, "T": 900}),
    ),
}
WAVES = {
    "many periods": ("a*sin(w*x + p) + c", YEAR, {"a": 2, "w": 3.1, "p": 1, "c": 5}),
    "a period": ("a*sin(2*pi*x/T + p)", YEAR, {"a": 2, "T": 3.7, "p": 1}),
    "two parts": (
        "a*sin(w*x) + b*cos(w*x) + c",
        *(YEAR, {"a": 2, "b": -1, "w": 5.2, "c": 3}),
    ),
    "uneven rows": ("a*sin(w*x + p)", JITTERED, {"a": 2, "w": 2.1, "p": -2}),
    "damped": ("a*exp(-g*x)*cos(w*x)", YEAR, {"a": 4, "g": 0.02, "w": 2.7}),
    "on a line": (
        "a*sin(w*x + p) + b*x + c",
        *(YEAR, {"a": 1, "w": 4.4, "p": 2, "b": 0.1, "c": -3}),
    ),
    "a frequency alone": ("sin(w*x)", YEAR, {"w": 2.2}),
    "hertz": ("a*cos(2*pi*f*x)", YEAR / 1e6, {"a": 3, "f": 3.3e5}),
    "slow": ("a*sin(w*x + p) + c", YEAR, {"a": 2, "w": 0.05, "p": 1, "c": 5}),
    "two waves": (
        "a*sin(w*x) + b*sin(v*x)",
        *(YEAR, {"a": 3, "w": 1.7, "b": 2, "v": 4.1}),
    ),
    "a square": ("a*sin(w*x)**2", YEAR, {"a": 4, "w": 1.9}),
    "a size of a wave": ("a*abs(sin(w*x + p))", YEAR, {"a": 4, "w": 0.7, "p": 1}),
    "a product": ("a*sin(w*x)*cos(v*x)", YEAR, {"a": 4, "w": 2.6, "v": 0.31}),
    "a modulated wave": (
        "a*sin(w*x + p)*(1 + b*cos(v*x + q))",
        *(YEAR, {"a": 2, "b": 0.5, "w": 3.1, "p": 1, "v": 0.6, "q": 2}),
    ),
    "a chirp": ("a*sin(w*x + q*x**2)", YEAR, {"a": 2, "w": 1.3, "q": 2e-3}),
    "a quick chirp": (
        "a*sin(2*pi*(f*x + k*x**2) + p)",
        *(YEAR, {"a": 2, "f": 0.31, "k": 9e-4, "p": 1}),
    ),
    "a falling chirp": (
        "a*cos(w*x + k*x**2) + b",
        *(YEAR, {"a": 2, "w": 4.4, "k": -8e-3, "b": 1}),
    ),
}
PEAKS = {
    "two": (peaks(GAUSS, 0, 1), LINE, [9, 5, 14, 21, 2, 2]),
    "three": (peaks(GAUSS, 0, 1, 2), LINE, [9, 5, 7, 8, 18, 31, 2, 1.5, 2.5]),
    "two on a floor": (peaks(GAUSS, 0, 1) + " + c", LINE, [9, 5, 3, 14, 21, 2, 2]),
    "two on a slope": (
        *(peaks(GAUSS, 0, 1) + " + c + d*x", LINE),
        *([9, 5, 3, 0.1, 14, 21, 2, 2],),
    ),
    "two with tails": (peaks(LORENTZ, 0, 1), LINE, [9, 5, 14, 24, 2, 1.2]),
    "three with tails": (
        *(peaks(LORENTZ, 0, 1, 2), LINE),
        *([9, 5, 7, 8, 18, 31, 2, 1.5, 2.5],),
    ),
    "a dip and a peak": (peaks(GAUSS, 0, 1), LINE, [-9, 5, 14, 26, 2, 3]),
    "one by the other": (
        "a*(exp(-((x - m)/s)**2) + r*exp(-((x - m - d)/s)**2)) + c",
        *(LINE, {"a": 5, "m": 12, "s": 1.5, "r": 0.5, "d": 6, "c": 0}),
    ),
    "narrow": (peaks(GAUSS, 0), STEPS, [7, 7.3, 0.15]),
    "narrow on a floor": (peaks(GAUSS, 0) + " + c", STEPS, [7, 2, 12.7, 0.2]),
    "narrow with tails": (peaks(LORENTZ, 0), STEPS, [7, 3.1, 0.12]),
    "narrow and wide": (peaks(GAUSS, 0, 1), STEPS, [7, 5, 3.1, 12, 0.25, 3]),
}
BREAKS = {
    "a step": ("lo if x < c else hi", np.arange(20.0), {"lo": -9.5, "hi": 0.5}),
    "half": ("a + b*Heaviside(x - c)", LINE, {"a": 1, "b": 3}),
    "a sign": ("a + b*sign(x - c)", LINE, {"a": 1, "b": -3}),
    "two lines": ("max(a*x + b, k*x + d)", LINE, {"a": -1, "b": 9, "k": 1, "d": -8}),
    "a roof": ("min(a*x, b)", LINE, {"a": 2, "b": 31}),
    "a size": ("abs(a)*exp(-b*x) + d", LINE, {"a": 3, "b": 0.2, "d": 1}),
    "a slope's size": ("abs(a)*x + b", LINE, {"a": 3, "b": 0.2}),
    "two pieces": (
        "a + b*x if x < c else d + k*x",
        *(LINE, {"a": 1, "b": 0.3, "d": 9, "k": -0.5}),
    ),
    "a hinge": ("a + b*x + d*max(x - k, 0)", LINE, {"a": 1, "b": 1, "d": -2, "k": 13}),
    "many rows": ("lo if x < c else hi", np.arange(3000.0), {"lo": -9.5, "hi": 0.5}),
}


def is_found(model, x, truth):
    """Return whether a fit without a start meets what the model gives at the truth."""
    flat = {"x": x, "y": np.ones(len(x))}
    if isinstance(truth, dict):
        middle = float(x[len(x) // 3]) - 0.25 * float(x[1] - x[0])
        truth = {"c": middle} | truth if "c)" in model or "< c" in model else truth
    y = fit(model, flat, "y", truth, maxiter=0).predict({"x": x})
    found = fit(model, {"x": x, "y": y}, "y")
    met = np.linalg.norm(found.residuals) <= 1e-6 * np.linalg.norm(y - y.mean())
    return met and found.success


@pytest.mark.parametrize("name", SCALES)
def test_scales_come_from_the_formula(name):
    assert is_found(*SCALES[name])


@pytest.mark.parametrize("name", WAVES)
def test_frequencies_come_from_a_spectrum(name):
    assert is_found(*WAVES[name])


@pytest.mark.parametrize("name", PEAKS)
def test_peaks_are_placed_one_after_the_other(name):
    assert is_found(*PEAKS[name])


@pytest.mark.parametrize("name", BREAKS)
def test_breaks_are_found_among_the_rows(name):
    assert is_found(*BREAKS[name])


def test_no_frequency_is_above_the_sampling_limit():
    y = 2 * np.sin(3.1 * YEAR + 1) + 5 + 0.3 * np.cos(77 * YEAR)
    found = fit("a*sin(w*x + p) + c", {"x": YEAR, "y": y}, "y")
    assert abs(found.parameters["w"]) == pytest.approx(3.1, rel=1e-3)


NOISY = {  # model, and what it is of x and one parameter, for any sign of that
    "a*exp(b*x**3*50)": lambda x, b: np.exp(-50 * b * (x**3 - (b < 0) * x[-1] ** 3)),
    "a*exp(b*x) + c": lambda x, b: np.exp(-b * (x - (b < 0) * x[-1])),
    "a*tanh(30*(x - b)) + c": lambda x, b: np.tanh(30 * (x - b)),
}


@pytest.mark.parametrize("model", NOISY)
def test_of_many_minima_the_lowest_is_found(model):
    """Noise: whatever the scale, some rows look like the model."""
    sizes = np.geomspace(1e-4, 1e4, 1500)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        x = np.linspace(0, 10 ** rng.uniform(-1, 1.5), 25)
        y = rng.standard_normal(25)
        scales = np.r_[-sizes, sizes] / (50 * x[-1] ** 3 if "50" in model else x[-1])
        tries = np.linspace(0, x[-1], 1500) if "tanh" in model else scales
        curves = np.array([NOISY[model](x, b) for b in tries])
        design = [curves, np.ones_like(curves)] if "+ c" in model else [curves]
        design = np.stack(design, axis=1)
        units = abs(design).max(axis=2)
        solved = least_squares(design, np.broadcast_to(y, curves.shape), units)
        left = y - np.einsum("dc,dcn->dn", solved, design)
        found = fit(model, {"x": x, "y": y}, "y")
        assert 2 * found.fun <= 1.001 * np.min(np.sum(left**2, axis=1)), seed


@pytest.mark.parametrize("m", [9.2e-31, 3e-12, 4e17])
def test_a_parameter_that_divides_is_as_large_as_the_target_has_it(m):
    field = np.linspace(0.1, 2.0, 12)
    data = {"b": field, "y": 1.602e-19 * field / (2 * np.pi * m)}
    found = fit("1.602e-19*b/(2*pi*m)", data, "y")
    assert found.success
    assert found.values["m"] == pytest.approx(m, rel=1e-9)


@pytest.mark.parametrize("finesse", [2.0, 6.0, 20.0])
def test_the_square_of_a_sine_is_twice_as_quick(finesse):
    x = np.linspace(0.0, 5.0, 400)
    y = 0.9 / (1 + finesse * np.sin(np.pi * x / 0.31 + 0.4) ** 2)
    found = fit("T/(1 + F*sin(pi*x/L + p)**2)", {"x": x, "y": y}, "y")
    assert found.fun < 1e-12
    assert abs(found.values["L"]) == pytest.approx(0.31)


def test_a_descent_that_leaves_float64_is_no_start():
    x = np.linspace(0, 30, 150)
    first, second = ((x - 11.7883) / 1.0662) ** 2, ((x - 18.5185) / 1.7339) ** 2
    peaks = 6.2021 * np.exp(-first) + 8.6535 * np.exp(-second) + 0.0655 * x - 0.469
    noise = 0.02 * peaks.std() * np.random.default_rng(17).standard_normal(150)
    model = "a*exp(-((x-m)/s)**2) + b*exp(-((x-q)/t)**2) + c*x + d"
    found = fit(model, {"x": x, "y": peaks + noise}, "y")
    assert found.success
    assert found.fun <= (noise @ noise) / 2


@pytest.mark.parametrize("seed", [0, 25, 41, 55])
def test_rows_that_hide_others_are_no_guide(seed):
    # Vogel, Fulcher, Tammann: viscosities of glasses over some decades.
    rng = np.random.default_rng(seed)
    c, b = rng.uniform(100.0, 250.0), rng.uniform(300.0, 3000.0)
    t = np.sort(rng.uniform(c + b / 17.0, c + 300.0, 20))
    a = 10.0 ** rng.uniform(-6.0, 1.0)
    y = a * np.exp(b / (t - c)) * (1.0 + 0.01 * rng.normal(size=20))
    data = {"t": t, "y": y}
    led = fit("a*exp(b/(t - c))", data, "y", {"a": a, "b": b, "c": c})
    found = fit("a*exp(b/(t - c))", data, "y")
    assert found.fun <= 1.0001 * led.fun
    assert found.success


@pytest.mark.parametrize("model", ["a + b/(t - c)", "a + b/sqrt(t - c)"])
@pytest.mark.parametrize("c", [-3.0, 9.5])
def test_a_pole_is_beyond_the_rows(model, c):
    t = np.linspace(10.0, 30.0, 25)
    y = 2.0 + 7.0 * (t - c) ** (-0.5 if "sqrt" in model else -1.0)
    found = fit(model, {"t": t, "y": y}, "y")
    assert found.values["c"] == pytest.approx(c, rel=1e-6)
    assert found.success


@pytest.mark.parametrize("seed", range(4))
def test_uneven_rows_tell_frequencies_beyond_the_sampling_limit(seed):
    rng = np.random.default_rng(seed)
    t = np.sort(rng.uniform(0.0, 10.0, 20))
    y = 2.8 * np.sin(11.0 * t + 0.8) - 0.7 + 0.001 * rng.normal(size=20)
    found = fit("a*sin(b*t + c) + d", {"t": t, "y": y}, "y")
    assert abs(found.values["b"]) == pytest.approx(11.0, rel=1e-3)
    assert found.success


def test_waves_that_leave_most_are_told_of():
    rng = np.random.default_rng(3)
    data = {"t": np.arange(40.0), "y": rng.normal(size=40)}
    found = fit("a*sin(b*t + c) + d", data, "y")
    assert "other frequencies may leave less" in found.note


@pytest.mark.parametrize("unit", [1e-9, 1e-6, 1.0, 1e6])
@pytest.mark.parametrize("seed", [2, 5, 12])
def test_phases_are_small_in_any_unit(seed, unit):
    rng = np.random.default_rng(seed)
    t = np.linspace(0.0, 10.0, int(rng.integers(60, 200)))
    b, c, d = rng.uniform(0.1, 0.6), rng.uniform(3.0, 12.0), rng.uniform(-3.0, 3.0)
    y = 2.0 * np.exp(-b * t) * np.cos(c * t + d)
    noisy = y + 0.04 * rng.normal(size=len(t))
    data = {"t": t * unit, "y": noisy}
    found = fit("a*exp(-b*t)*cos(c*t + d)", data, "y")
    assert found.success, found.message
    assert found.fun <= np.sum((noisy - y) ** 2) / 2.0
    assert abs(found.values["d"]) < 10.0
