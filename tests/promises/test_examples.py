"""Each example runs, prints what it promises, and draws its pictures."""

import runpy
import shlex
from fractions import Fraction
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import optimize
from typer.testing import CliRunner

from symgd import cli

EXAMPLES = Path(__file__).parents[2] / "examples"
PROMISES = {
    "first_minimum": ["minimum: f =", "CONVERGED"],
    "ravine": [
        "gd: f = 2.83e+00 after 60 steps",
        "gd: f = 6.46e-03 after 60 steps",
        "momentum: f = 4.88e-06 after 60 steps",
    ],
    "step_and_momentum": ["318 DIVERGED", "best: f = 3.9e-19 at {'step_size': 0.0024"],
    "schedules": [
        "constant: f = 3.4e-01",
        "1/sqrt(t): f = 2.0e-01",
        "1/t: f = 1.8e-05",
        "warm-up, then cosine: f = 1.1e-05",
    ],
    "basins": [f"{method}: 4 minima, 100.0%" for method in ("gd", "momentum", "auto")],
    "certificate": [
        "15 stationary points: 6 minimum, 2 maximum, 7 saddle\n",
        "-1.0316285 <= minimum <= -1.0316285 (proven)\n",
        "step 0.05: safe, it is at most 2/L, and L <= 20; CONVERGED\n",
        "step 0.101: unsafe, the curvature is 20 everywhere along one way; MAXITER\n",
    ],
    "robust_fit": ["squared: a = 2.033 ± 0.560", "huber: a = 1.106 ± 0.057"],
    "global_fit": [
        "75 rows, 68 degrees of freedom",
        "together: 0.403 ± 0.018",
        "short alone: 0.447 ± 0.144",
        "one background for all: p = 1.1e-25",
    ],
    "errors_in_x": [
        "here 11.8663532",
        "errors in x and y: b = -0.4805 ± 0.0580",
        "errors in y: b = -0.6108 ± 0.0301",
    ],
    "poisson_fit": [
        "likelihood: 1.134 ± 0.110",
        "squares by sqrt(counts): 0.845 ± 0.087",
        "area = 104.86173, from 82.5904 to 129.706",
    ],
    "portfolio": ["active: budget", "the last percent at 0.09 costs 0.00153"],
    "hanging_chain": [
        "24 links",
        "the pull is 4.31 to 13.78 links; 4.307 to",
        "largest distance from the catenary: 0.0007",
    ],
    "obstacle": [
        "it touches at 19 points",
        "the ground pushes with 5.70852, the ends pull with 5.70852",
    ],
    "rate_limits": ["fastest: 0.5000, of 0.5", "most acceleration: 0.0800, of 0.08"],
    "soap_film": ["1681 variables", "area: 2.5037 as it was laid, 1.9496 as"],
    "gradient_descent": [
        ">1 f([0.74724774]) = 0.55838",
        ">30 f([0.00115631]) = 0.00000",
        "step size 1.0: after 30 steps at x = 0.9341",
        "step size 1e-05: after 30 steps at x = 0.9335",
        "step size 1.1: f is inf in iteration 1947",
    ],
    "momentum": [">3 f([0.37175575])", "f([6.17748881e-07])", "momentum at 6.18e-07"],
    "amsgrad": [">1 f([-0.15895599  0.43364899])", "f = 1.6359731e-06"],
    "anisotropic": ["the gradient is (4*x, y)", "momentum 0.9: f ="],
    "own_rule": ["Rule cautious", "cautious: f =", "CONVERGED"],
    "test_your_rule": [
        "passed: test_its_vhat_never_decreases",
        "vhat of hasty decreases: from ",
        'symgd.minimize("x**2 + y**2", [0.0, 1.0], method=rule',
    ],
    "amsgrad_beats_adam": ["1000000    1.0000  0.2280   -0.9973  0.0347"],
    "heavy_ball_cycle": [
        "gd: CONVERGED",
        "nesterov: CONVERGED",
        "momentum: MAXITER",
        "-1.80244897959184  -2208/1225 = -1.80244897959184",
    ],
    "clipped_and_normalised": [
        "gd: DIVERGED, 1 updates",
        "clipped: TARGET_REACHED",
        "normalised: TARGET_REACHED",
        "polyak: TARGET_REACHED",
        "bb: TARGET_REACHED",
    ],
    "chained_rosenbrock": [
        "    for i in range(shape(x)[0]):\n",
        "n = 10: f = 265.66, |gradient| = 761.198\n  CONVERGED",
        "n = 1000: f = 44201, |gradient| = 11979.8\n  CONVERGED",
        "n = 1000000: f = 4.30667e+07, |gradient| = 370481\n  CONVERGED",
    ],
    "logistic_regression": [
        "exact minimum: CONVERGED at loss = 0.42484621\n",
        "up to 0.042 from the true ones",
        "batches of 16: 1.6e-03 above it after one epoch, 6.7e-05 after 30",
        "batches of 128: 2.5e-03 above it after one epoch, 1.1e-05 after 30",
        "batches of 1024: 5.8e-03 above it after one epoch, 2.6e-06 after 30",
    ],
    "decay_fit": [
        "fit of y by a*exp(-b*t) + c: 41 rows, 38 degrees of freedom",
        "0.68677248          0.0295  0.627047 to 0.746498",
        "the decay rate is 0.687 ± 0.030; the data were made with 0.7",
        "at t = 20 the curve is at 0.399, in [0.362, 0.435]",
    ],
    "total_variation": [
        "4096 variables: CONVERGED",
        "energy: 584.606 before, 218.111 after",
        "noise (rms): 0.1995 before, 0.0595 after",
    ],
    "minimax_fit": [
        "CONVERGED: the largest error is 0.000546",
        "it is reached 6 times: 1 -1 1 -1 1 -1",
    ],
    "ridge_and_lasso": [
        "e-11 from the solution by linear algebra",
        "ridge: 10 of 10 weights are not 0",
        "lasso: 3 of 10 weights are not 0",
    ],
    "gaussian_process": [
        "length 1.31, height 0.98",
        "noise 0.20, of which 0.20 is true",
        "as by NumPy: True",
    ],
    "lasso_path": [
        "price    1.0: 12 of 12 weights are not 0",
        "price  158.7: 4 of 12 weights are not 0",
        "price 2000.0: 0 of 12 weights are not 0",
    ],
    "enclosing_circle": [
        "CONVERGED: radius 3.175897, held by 2 points",
        "the sum of distances is least, 40.6686",
    ],
    "circle_fit": [
        "algebraic: centre (1.343, 2.183), radius 2.652, f = 0.79990",
        "by distance: centre (0.887, 2.013), radius 3.089, f = 0.68611",
        "CONVERGED in",
    ],
}


def adam_goes_to_the_worst_point_and_amsgrad_to_the_best(names):
    adam, amsgrad = (names["runs"][method] for method in ("adam", "amsgrad"))
    regret = names["regret"]
    assert len(adam) == len(amsgrad) == 1_000_001
    assert adam.x[-1, 0] > 0.99
    assert regret["adam"][-1] > 0.19
    assert amsgrad.x[-1, 0] < -0.99
    assert regret["amsgrad"][-1] < 0.04
    # The same regret from its definition: the slope of f_t, and how far x is from -1.
    slopes = np.where(np.arange(1, 1_000_001) % 101 == 1, 1010, -10)
    for method, trace in (("adam", adam), ("amsgrad", amsgrad)):
        lost = np.mean(slopes * (trace.x[:-1, 0] + 1))
        assert regret[method][-1] == pytest.approx(lost, rel=1e-9)


def the_heavy_ball_runs_through_three_fractions(names):
    plain, nesterov, heavy = names["results"]
    assert abs(plain.x[0]) < 1e-9
    assert abs(nesterov.x[0]) < 1e-9
    cycle = [float(Fraction(n, 1225)) for n in (792, -2208, 2592)]
    expected = [cycle[k % 3] for k in range(100, 301)]
    np.testing.assert_allclose(heavy.trace.x[100:, 0], expected, rtol=1e-13)


def a_million_variables_agree_with_scipy(names):
    start, gradient = names["start"], names["gradient"]
    assert start.size == 1_000_000
    assert names["value"] == pytest.approx(optimize.rosen(start), rel=1e-12)
    np.testing.assert_allclose(gradient, optimize.rosen_der(start), rtol=0, atol=1e-9)
    np.testing.assert_allclose(names["result"].values["x"], 1, rtol=0, atol=1e-6)


def batches_come_near_to_the_exact_minimum(names):
    rows, labels, w = names["features"], names["labels"], names["exact"].values["w"]
    ridge = 1e-4
    margins = labels * (rows @ w)
    loss = np.mean(np.logaddexp(0, -margins)) + ridge * np.sum(w**2)
    assert names["exact"].fun == pytest.approx(loss, rel=1e-13)
    slopes = -labels / (1 + np.exp(margins)) / len(labels)
    np.testing.assert_allclose(rows.T @ slopes + 2 * ridge * w, 0, atol=1e-8)
    excess = names["excess"]
    assert all(len(each) == 31 and (each > 0).all() for each in excess.values())
    small, middle, large = (excess[size] for size in (16, 128, 1024))
    assert small[1] < middle[1] < large[1]
    assert small[-1] > middle[-1] > large[-1]


def the_fit_is_scipys_and_the_commands(names):
    t, y = (names["table"][column] for column in ("t", "y"))
    expected, covariance = optimize.curve_fit(
        lambda t, a, b, c: a * np.exp(-b * t) + c, t, y, [2, 1, 0], ftol=1e-14
    )
    fit = names["fit"]
    assert list(fit.parameters.values()) == pytest.approx(expected, rel=1e-6)
    errors = np.sqrt(np.diag(covariance))
    assert list(fit.standard_errors.values()) == pytest.approx(errors, rel=1e-4)
    lines = names["__doc__"].splitlines()
    (command,) = (line for line in lines if line.startswith("    symgd"))
    arguments = shlex.split(command.replace("decay.csv", f"{EXAMPLES / 'decay.csv'}"))
    done = CliRunner().invoke(cli.app, arguments[1:])
    assert done.stdout == f"{fit}\n"


def the_energy_is_least(names):
    u, b = names["denoised"], names["noisy"]
    down, right = u[1:, :-1] - u[:-1, :-1], u[:-1, 1:] - u[:-1, :-1]
    length = np.sqrt(down**2 + right**2 + 1e-4)
    energy = np.sum((u - b) ** 2) + 0.4 * np.sum(length)
    assert names["result"].fun == pytest.approx(energy, rel=1e-12)
    gradient = 2 * (u - b)  # the energy is convex, so this decides
    gradient[:-1, :-1] -= 0.4 * (down + right) / length
    gradient[1:, :-1] += 0.4 * down / length
    gradient[:-1, 1:] += 0.4 * right / length
    assert np.abs(gradient).max() < 1.01e-5


def the_circle_is_scipys(names):
    x, y = (names["points"][name] for name in ("x", "y"))
    found = optimize.least_squares(
        lambda p: np.hypot(x - p[0], y - p[1]) - p[2],
        list(names["algebraic"].values()),
        ftol=1e-15,
        xtol=1e-15,
        gtol=1e-12,
    )
    assert names["result"].x == pytest.approx(found.x, abs=1e-6)
    assert names["result"].fun == pytest.approx(2 * found.cost, rel=1e-10)


def each_pixel_is_in_its_basin(names):
    results, minima = names["results"], names["minima"]
    ends = np.array([minimum.x for minimum in minima])
    apart = np.abs(results.x[:, None] - ends).max(axis=2)
    assert (apart.argmin(axis=1) == names["found"]).all()
    assert sum(minimum.count for minimum in minima) == len(names["starts"])


def the_films_area_is_least(names):
    film, rim, n = names["film"], names["rim"], names["SIDE"]
    assert (film == names["wire"])[rim].all()
    down, right = film[1:, :-1] - film[:-1, :-1], film[:-1, 1:] - film[:-1, :-1]
    area = np.sqrt(1 + (n - 1) ** 2 * (down**2 + right**2))
    assert names["result"].fun == pytest.approx(area.mean(), rel=1e-12)
    gradient = np.zeros_like(film)  # it is convex, so this decides
    gradient[:-1, :-1] -= (down + right) / area
    gradient[1:, :-1] += down / area
    gradient[:-1, 1:] += right / area
    assert np.abs(gradient[~rim]).max() < 1e-4


def outliers_bend_only_least_squares(names):
    truth, fits = {"a": 1.0, "b": 0.5}, names["fits"]
    off = {
        loss: max(abs(fit.parameters[n] - truth[n]) for n in truth)
        for loss, fit in fits.items()
    }
    assert off["huber"] < 0.15 < 1.0 < off["squared"]
    a, b = np.polynomial.polynomial.polyfit(names["x"], names["y"], 1)
    assert list(fits["squared"].parameters.values()) == pytest.approx([a, b])


def the_price_of_a_gain_is_the_slope_of_the_variance(names):
    price, slope = names["price"], names["slope"]
    assert np.median(np.abs(price - slope)) < 0.02 * np.median(price)
    assert (names["shares"] >= -1e-9).all()
    assert names["shares"].sum(axis=0) == pytest.approx(np.ones(len(price)))


CHECKS = {
    "portfolio": the_price_of_a_gain_is_the_slope_of_the_variance,
    "basins": each_pixel_is_in_its_basin,
    "soap_film": the_films_area_is_least,
    "robust_fit": outliers_bend_only_least_squares,
    "chained_rosenbrock": a_million_variables_agree_with_scipy,
    "logistic_regression": batches_come_near_to_the_exact_minimum,
    "decay_fit": the_fit_is_scipys_and_the_commands,
    "total_variation": the_energy_is_least,
    "circle_fit": the_circle_is_scipys,
    "amsgrad_beats_adam": adam_goes_to_the_worst_point_and_amsgrad_to_the_best,
    "heavy_ball_cycle": the_heavy_ball_runs_through_three_fractions,
}


def test_every_example_is_tested():
    assert {file.stem for file in EXAMPLES.glob("*.py")} == set(PROMISES)


def test_the_gallery_has_an_order_of_all():
    order = runpy.run_path(str(EXAMPLES.parent / "docs" / "gallery_order.py"))["ORDER"]
    assert sorted(order) == sorted(PROMISES)


@pytest.mark.parametrize("name", PROMISES)
def test_example(name, monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.extend(plt.get_fignums()))
    names = runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    printed = capsys.readouterr().out
    for promise in PROMISES[name]:
        assert promise in printed
    assert shown
    plt.close("all")
    if name in CHECKS:
        CHECKS[name](names)
