"""Fits by losses with a kink where a residual is 0, such as those of quantiles."""

import itertools

import numpy as np
import pytest
from scipy import optimize

from symgd.fitting import kinks
from symgd.fitting.curve_fit import fit
from symgd.fitting.losses import SMOOTHING, read
from symgd.fitting.stages import BoundedSum

LINE, DECAY = "a*t + c", "a*exp(-b*t) + c"
PINBALL = "max(tau*r, (tau - 1)*r)"
SPELLINGS = [
    PINBALL,
    "tau*max(r, 0) + (1 - tau)*max(-r, 0)",
    "where(r > 0, tau*r, (tau - 1)*r)",
    "(abs(r) + (2*tau - 1)*r)/2",
]
BENT = {
    "abs(r) + r**2/2": lambda r: abs(r) + r**2 / 2,
    "abs(r) + 50*r**2": lambda r: abs(r) + 50 * r**2,
    "exp(abs(r)) - 1": lambda r: np.expm1(abs(r)),
    "abs(r) + 0.3*r": lambda r: abs(r) + 0.3 * r,
    "log(1 + abs(r))": lambda r: np.log1p(abs(r)),
    "abs(r)/(1 + abs(r))": lambda r: abs(r) / (1 + abs(r)),
    "abs(r) if abs(r) < 2 else 2": lambda r: np.minimum(abs(r), 2),
}


def pinball(tau, r):
    return np.maximum(tau * r, (tau - 1) * r)


def linear_program(design, y, tau, w, bounds=None):
    """Return the least sum of w*pinball(tau, design @ x - y)."""
    n, p = design.shape
    equations = np.hstack([design, -np.eye(n), np.eye(n)])
    sides = [*(bounds or [(None, None)] * p), *[(0, None)] * (2 * n)]
    cost = np.r_[np.zeros(p), tau * w, (1 - tau) * w]
    return optimize.linprog(cost, A_eq=equations, b_eq=y, bounds=sides).fun


def line(seed, count, whole=False):
    rng, t = np.random.default_rng(seed), np.linspace(0, 4, count)
    y = 2 * t + 1 + rng.normal(size=count)
    return {"t": np.floor(t), "y": np.round(y)} if whole else {"t": t, "y": y}


def design_of(data):
    return np.column_stack([data["t"], np.ones(len(data["t"]))])


# -------------------------------------------------------- linear programs


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("count", [30, 60, 101])
@pytest.mark.parametrize("tau", [0.1, 0.5, 0.8])
def test_fits_of_quantiles_are_linear_programs(tau, count, whole):
    for seed in range(8):
        data = line(seed, count, whole)
        found = fit(LINE, data, "y", loss=PINBALL, tau=tau)
        exact = linear_program(design_of(data), data["y"], tau, np.ones(count))
        assert found.status.name == "CONVERGED", found.message
        total = pinball(tau, design_of(data) @ found.x - data["y"]).sum()
        assert found.fun == pytest.approx(total, rel=1e-14)
        assert total == pytest.approx(exact, rel=1e-14 if not whole else 1e-9)
        assert "above its least" in found.message
        # As many are below as the level says, but for those that are met.
        share = np.mean(data["y"] < design_of(data) @ found.x - 1e-9)
        assert whole or abs(share - (1 - tau)) <= 2 / count


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_loss_is_one_however_it_is_written(spelling):
    data = line(1, 50)
    for tau in (0.1, 0.5, 0.8):
        found = fit(LINE, data, "y", loss=spelling, tau=tau)
        exact = linear_program(design_of(data), data["y"], tau, np.ones(50))
        assert found.success
        assert found.fun == pytest.approx(exact, rel=1e-13)


@pytest.mark.parametrize("seed", range(6))
def test_rows_may_have_weights_and_errors(seed):
    rng, data = np.random.default_rng(seed), line(seed, 40)
    w, s = rng.integers(0, 4, 40).astype(float), rng.uniform(0.2, 3.0, 40)
    design = design_of(data) / s[:, None]
    found = fit(LINE, data, "y", loss=PINBALL, tau=0.7, weights=w, sigma=s)
    exact = linear_program(design, data["y"] / s, 0.7, w)
    assert found.success
    assert found.fun == pytest.approx(exact, rel=1e-13)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("bounds", [(2.3, 3.0), (0.0, 1.7), (2.0, 2.0 + 1e-3)])
def test_a_bound_may_hold_a_parameter(seed, bounds):
    data = line(seed, 40)
    found = fit(LINE, data, "y", loss=PINBALL, tau=0.7, bounds={"a": bounds})
    sides = [bounds, (None, None)]
    exact = linear_program(design_of(data), data["y"], 0.7, np.ones(40), sides)
    assert found.success
    assert found.fun == pytest.approx(exact, rel=1e-13)


# ------------------------------------------------------ curves, other losses


@pytest.mark.parametrize("tau", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("seed", range(4))
def test_fits_of_curves_are_minima(seed, tau):
    rng, t = np.random.default_rng(seed), np.linspace(0, 6, 50)
    y = 2.5 * np.exp(-0.8 * t) + 0.5 + 0.1 * rng.normal(size=50)
    found = fit(DECAY, {"t": t, "y": y}, "y", loss=PINBALL, tau=tau)

    def total(x):
        return pinball(tau, x[0] * np.exp(-x[1] * t) + x[2] - y).sum()

    assert found.success
    assert found.fun == pytest.approx(total(found.x), rel=1e-13)
    for size in 10.0 ** -np.arange(2, 9):
        for way in rng.normal(size=(20, 3)):
            assert total(found.x + size * way) >= found.fun
    for _ in range(4):
        start = found.x * (1 + rng.normal(0, 0.02, 3))
        options = {"xatol": 1e-12, "fatol": 1e-14, "maxiter": 4000}
        near = optimize.minimize(total, start, method="Nelder-Mead", options=options)
        assert found.fun <= near.fun * (1 + 1e-14)


@pytest.mark.parametrize("loss", BENT)
def test_a_rest_may_bend(loss):
    rng = np.random.default_rng(5)
    for seed in range(20):
        data = line(seed, int(rng.integers(5, 300)), seed % 3 == 0)
        found = fit(LINE, data, "y", loss=loss)
        assert found.success, (seed, found.message)
        total = BENT[loss](design_of(data) @ found.x - data["y"]).sum()
        assert found.fun == pytest.approx(total, rel=1e-13)
        for size in 10.0 ** -np.arange(4, 9):
            for way in rng.normal(size=(6, 2)):
                x = found.x + size * way
                beside = BENT[loss](design_of(data) @ x - data["y"]).sum()
                assert beside >= total * (1 - 1e-8)


# ------------------------------------------------------- no false success


@pytest.mark.parametrize("tau", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(4))
def test_lines_through_rows_are_minima_only_where_the_sum_is_least(seed, tau):
    data = line(seed, 11)
    found = fit(LINE, data, "y", loss=PINBALL, tau=tau)
    sides = np.full(2, -np.inf), np.full(2, np.inf)
    bounded = BoundedSum(found.regression, *sides)
    found.regression.constants[SMOOTHING] = 1e-12
    exact = linear_program(design_of(data), data["y"], tau, np.ones(11))
    proven = 0
    for rows in itertools.combinations(range(11), 2):
        x = np.linalg.solve(design_of(data)[[*rows]], data["y"][[*rows]])
        total = pinball(tau, design_of(data) @ x - data["y"]).sum()
        gap = kinks._gap(bounded, x)
        assert total * (1 - gap) <= exact * (1 + 1e-9)
        proven += gap <= 1e-8
        from_there = fit(LINE, data, "y", x, loss=PINBALL, tau=tau)
        assert from_there.success
        assert from_there.fun == pytest.approx(exact, rel=1e-13)
    assert proven  # two of them, where the sum is as low between


@pytest.mark.parametrize("loss", ["abs(r) + 2*r", "-abs(r)", "r - 2*abs(r)"])
def test_a_sum_without_a_minimum_is_no_success(loss):
    assert not fit(LINE, line(0, 20), "y", [1.0, 1.0], loss=loss, maxiter=200).success


KINKS = {
    "abs(r)": (1.0, 0.0),
    "sqrt(r**2)": (1.0, 0.0),
    "relu(r) + 2*relu(-r)": (1.5, -0.5),
    "abs(r)**1.01": None,
    "sqrt(abs(r))": None,
    "abs(r) - log(1 + abs(r))": None,
    "max(abs(r) - 1, 0)": None,
    "abs(r) + 2*r": None,
    "-abs(r)": None,
    "where(r > 0, 1 + r, -r)": None,
}


@pytest.mark.parametrize("text", KINKS)
def test_kinks_are_told_from_smooth_losses_and_cusps(text):
    loss = read(text, {})
    assert loss.smoothed == (KINKS[text] is not None)
    if loss.smoothed:
        assert (loss.kink, loss.straight) == KINKS[text]


# ------------------------------------------------------------ standard errors


@pytest.mark.parametrize("tau", [0.25, 0.5, 0.9])
def test_errors_of_quantiles_are_about_right(tau):
    rng, found = np.random.default_rng(5), []
    for _ in range(60):
        data = {"y": rng.uniform(size=301)}
        found.append(fit("m", data, "y", loss=PINBALL, tau=1 - tau))
    # Of uniform numbers a quantile has an error of sqrt(tau*(1 - tau)/n).
    exact = np.sqrt(tau * (1 - tau) / 301)
    claimed = [each.standard_errors["m"] for each in found]
    assert np.mean([each.x[0] for each in found]) == pytest.approx(tau, abs=0.02)
    assert np.std([each.x[0] for each in found]) == pytest.approx(exact, rel=0.3)
    assert np.median(claimed) == pytest.approx(exact, rel=0.25)
