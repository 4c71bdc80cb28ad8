"""A fit ends at the least of its minima, in whatever units; else a pattern is told."""

import numpy as np
import pytest

from symgd.fitting.curve_fit import fit
from symgd.fitting.fit_run import _is_better
from symgd.fitting.goodness import CERTAIN, LIKELY, Left, _slowness
from symgd.fitting.levenberg_marquardt import End
from symgd.native.status import Status

GAUSS, LORENTZ = "a{0}*exp(-((x - m{0})/s{0})**2)", "a{0}/(1 + ((x - m{0})/s{0})**2)"
POWER = "a*x**b*(1 - exp(-x/k))"
RATIO = "(a + b*x)/(1 + c*x + d*x**2)"
LINE, LONG = np.linspace(0, 10, 60), np.linspace(0, 100, 150)


def peaks(form, count):
    return " + ".join(form.format(k) for k in range(count))


def of_peaks(heights, places, widths):
    columns = {"a": heights, "m": places, "s": widths}
    return {f"{n}{k}": v for n, each in columns.items() for k, v in enumerate(each)}


def in_units(names, unit, **values):
    """Return parameters where x has another unit, with powers by which they change."""
    return {n: v * unit ** names.get(n, 0) for n, v in values.items()}


CASES = {  # model, column, truth, noise
    "a power that saturates": (
        *(POWER, 2e4 * LINE, {"a": 7e-5, "b": 1.2, "k": 1.9e4}),
        0,
    ),
    "the same in noise": (
        *(POWER, 3e4 * LINE, {"a": 2e-4, "b": 0.98, "k": 2.7e4}),
        0.01,
    ),
    "a ratio in small units": (
        *(RATIO, 1e12 * LINE),
        in_units({"b": -1, "c": -1, "d": -2}, 1e12, a=2.4, b=1.5, c=0.05, d=0.076),
        0.01,
    ),
    "four peaks": (
        *(peaks(GAUSS, 4), LONG),
        of_peaks([7.9, 7, 6.3, 5.3], [25, 50, 64, 86], [15, 9.5, 6.8, 13]),
        0.01,
    ),
    "four with tails, on a slope": (
        *(peaks(LORENTZ, 4) + " + c + d*x", LONG),
        of_peaks([7, 3.7, 4.1, 4.1], [13, 45, 65, 88], [6.6, 8.2, 7.5, 6.2])
        | {"c": 4.9, "d": 0.01},
        0.01,
    ),
    "three peaks on a decay": (
        *(peaks(GAUSS, 3) + " + c*exp(-x/t)", LONG),
        of_peaks([3.5, 2.2, 6.5], [43, 56, 85], [8.4, 3.4, 3.7]) | {"c": -1.6, "t": 25},
        0.05,
    ),
    "two reactions": (
        "k1*exp(-e1/x) + k2*exp(-e2/x)",
        np.linspace(300, 1500, 57),
        {"k1": 2e3, "e1": 1530, "k2": 2.9e6, "e2": 12400},
        0.01,
    ),
}


def data_of(model, x, truth, noise):
    flat = {"x": x, "y": np.ones(len(x))}
    y = fit(model, flat, "y", truth, maxiter=0).predict({"x": x})
    rest = np.random.default_rng(3).standard_normal(len(x))
    return {"x": x, "y": y + noise * np.ptp(y) * rest}


@pytest.mark.parametrize("name", CASES)
def test_the_least_minimum_is_found(name):
    model, x, truth, noise = CASES[name]
    data = data_of(model, x, truth, noise)
    found, from_truth = fit(model, data, "y"), fit(model, data, "y", truth)
    rounding = 1e-16 * np.sum(data["y"] ** 2)
    assert found.success
    assert found.fun <= 1.001 * from_truth.fun + rounding


def test_terms_that_begin_alike_are_told_apart():
    model = "a*x**b + c*x**d"
    truth = {"a": 5.4, "b": 0.5, "c": 0.2, "d": 2.8}
    data = data_of(model, LINE, truth, 0.05)
    found = fit(model, data, "y", [1, 1, 1, 1])
    assert found.fun <= 1.001 * fit(model, data, "y", truth).fun
    assert "the given start led to" in found.note


def ended(fun, status=Status.CONVERGED):
    return End(np.zeros(1), fun, status, "", 0, 1, 0.0, "")


def test_any_sum_is_lower_than_none():
    assert _is_better(ended(1.0), ended(2.0))
    assert _is_better(ended(1.0), ended(np.nan))
    assert not _is_better(ended(1.0), ended(1.0))
    assert not _is_better(ended(np.nan), ended(np.nan))


def test_a_minimum_that_is_hardly_lower_is_better_than_none():
    minimum, none = ended(0.9999), ended(1.0, Status.ABNORMAL)
    assert _is_better(minimum, none)
    assert not _is_better(minimum, ended(1.0))
    assert not _is_better(minimum._replace(fun=1.1), none)


def test_slow_waves_that_noise_hides_are_told():
    t, rng = np.linspace(0, 10, 200), np.random.default_rng(1)
    y = 5 * np.exp(-t / 3) + 0.1 * rng.standard_normal(200)
    assert fit("a*exp(-b*t)", {"t": t, "y": y}, "y").note == ""
    bent = fit("a*exp(-b*t)", {"t": t, "y": y + 0.08 * np.cos(t)}, "y")
    assert "the residuals have a pattern" in bent.note


@pytest.mark.parametrize("count", [13, 50, 200])
@pytest.mark.parametrize("parameters", [1, 6])
def test_noise_has_slow_waves_no_oftener_than_it_should(count, parameters):
    rng = np.random.default_rng(count)
    slopes = np.vander(np.linspace(-1, 1, count), parameters)
    basis = np.linalg.qr(slopes)[0]
    noise = rng.standard_normal((1000, count))
    rest = noise - (noise @ basis) @ basis.T
    found = np.array([_slowness(Left.of(each), slopes) for each in rest])
    assert np.mean(found > LIKELY) < 0.09
    assert not (found > CERTAIN + 0.5).any()
