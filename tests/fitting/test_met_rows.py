"""Fits of curves that pass through rows exactly, where a residual is 0."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from symgd import InputError
from symgd.fitting.curve_fit import fit

LINE = "a + b*t"
CONVEX = {
    "squared": lambda r: r**2 / 2,
    "huber": lambda r: np.where(abs(r) <= 1.345, r**2 / 2, 1.345 * (abs(r) - 0.6725)),
    "log_cosh": lambda r: np.logaddexp(r, -r) - np.log(2),
    "absolute": abs,
    "sqrt(r**2)": abs,
    "abs(r)**1.5": lambda r: abs(r) ** 1.5,
    "r**4": lambda r: r**4,
    "sqrt(1 + r**2) - 1": lambda r: np.hypot(1, r) - 1,
    "abs(r) - log(1 + abs(r))": lambda r: abs(r) - np.log1p(abs(r)),
}
OTHERS = {
    "log(1 + r**2)": lambda r: np.log1p(r**2),
    "r**2/(1 + r**2)": lambda r: r**2 / (1 + r**2),
    "max(0.25*r, -0.75*r)": lambda r: np.maximum(0.25 * r, -0.75 * r),
    "sqrt(abs(r))": lambda r: np.sqrt(abs(r)),
}
LOSSES = CONVEX | OTHERS
ANY_UNIT = ["squared", "huber", "log_cosh", "absolute", "sqrt(r**2)", "abs(r)**1.5"]

# Whole numbers and halves: a line through rows is so without any rounding.
wholes = st.integers(-8, 8).map(float)
halves = st.integers(-16, 16).map(lambda whole: whole / 2)


@st.composite
def tables(draw, off=wholes):
    """Draw rows, and a line through some of them, all, or none."""
    a, b = draw(halves), draw(halves)
    ts = draw(st.lists(wholes, min_size=1, max_size=9))
    t = np.array(ts)
    y = a + b * t + np.array([draw(off) if draw(st.booleans()) else 0.0 for _ in ts])
    return t, y, [a, b]


def total(loss, found, t, y):
    return LOSSES[loss]((found.x[0] + found.x[1] * t - y) / found.scale).sum()


def least_absolute(t, y):
    n = len(t)
    equations = np.hstack([np.ones((n, 1)), t[:, None], np.eye(n), -np.eye(n)])
    bounds = [(None, None)] * 2 + [(0, None)] * (2 * n)
    cost = np.r_[0.0, 0.0, np.ones(2 * n)]
    return optimize.linprog(cost, A_eq=equations, b_eq=y, bounds=bounds).fun


def all_of(found, t):
    """Ask for everything that a fit tells."""
    band = found.predict({"t": t}, level=0.9)
    assert np.isfinite(band.value).all()
    numbers = [*found.standard_errors.values(), found.r_squared, found.adjusted]
    assert not np.isnan(numbers).any()
    assert not np.isnan(found.covariance).any()
    assert np.isfinite(found.correlation).all()
    return str(found), found.to_dict(), found.undetermined


@pytest.mark.parametrize("loss", LOSSES)
@settings(max_examples=60)
@given(tables(), st.booleans())
def test_a_start_may_pass_through_rows(loss, table, given_start):
    t, y, line = table
    found = fit(LINE, {"t": t, "y": y}, "y", line if given_start else None, loss=loss)
    all_of(found, t)
    size = abs(y).max() / found.scale
    rounding = len(t) * LOSSES[loss](1e-14 * size) + 1e-15
    exact = total(loss, found, t, y)
    assert found.fun == pytest.approx(exact, rel=1e-9, abs=rounding)
    if loss not in CONVEX:
        return
    assert found.success == (np.ptp(t) > 0.0 or np.ptp(y) == 0.0)
    beside = fit(LINE, {"t": t, "y": y}, "y", [line[0] + 0.3, line[1] - 0.2], loss=loss)
    if beside.scale == found.scale:
        assert found.fun == pytest.approx(beside.fun, rel=1e-6, abs=rounding)
    rng = np.random.default_rng(0)
    for _ in range(8):
        near = found.x + 1e-3 * rng.standard_normal(2)
        r = (near[0] + near[1] * t - y) / found.scale
        assert found.fun <= LOSSES[loss](r).sum() * (1 + 1e-7) + rounding
    if loss == "absolute":
        assert found.fun <= least_absolute(t, y) * (1 + 1e-7) + rounding


@pytest.mark.parametrize("loss", LOSSES)
@settings(max_examples=60)
@given(tables(off=st.just(0.0)), st.booleans(), st.integers(-60, 60))
def test_exact_data_are_fitted_exactly(loss, table, given_start, power):
    t, y, line = table
    unit = 10.0**power if loss in ANY_UNIT else 1.0
    start = [unit * each for each in line] if given_start else None
    found = fit(LINE, {"t": t, "y": unit * y}, "y", start, loss=loss)
    all_of(found, t)
    assert found.success or loss == "sqrt(abs(r))"
    assert found.r_squared == 1.0
    rounding = 1e-15 * (10 + abs(y).max())
    np.testing.assert_allclose(found.predict({"t": t}) / unit, y, atol=rounding)


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber", "abs(r)**1.5"])
@settings(max_examples=30)
@given(st.lists(wholes, min_size=3, max_size=9, unique=True), wholes)
def test_a_constant_target_is_explained_or_not(loss, ts, level):
    t = np.array(ts)
    y = np.full(len(t), 0.1 * level)
    assert fit(LINE, {"t": t, "y": y}, "y", loss=loss).r_squared == 1.0
    through_0 = fit("b*t", {"t": t, "y": y}, "y", loss=loss)
    assert through_0.r_squared == float(level == 0.0)


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber", "log_cosh"])
@settings(max_examples=30)
@given(st.floats(0.2, 4.0), st.floats(0.1, 9.0), st.booleans())
def test_a_power_law_may_begin_at_0(loss, exponent, size, given_start):
    t = np.arange(6.0)
    start = [1.0, 1.0] if given_start else None
    found = fit("a*t**b", {"t": t, "y": size * t**exponent}, "y", start, loss=loss)
    assert found.success
    np.testing.assert_allclose(found.x, [size, exponent], rtol=1e-6)


@pytest.mark.parametrize("loss", ["huber", "log_cosh"])
@given(st.lists(wholes, min_size=9, max_size=20, unique=True), st.data())
def test_most_rows_may_be_met(loss, ts, data):
    t = np.array(sorted(ts))
    off = np.zeros(len(t))
    places = st.integers(0, len(t) - 1)
    for place in data.draw(st.lists(places, max_size=2)):
        off[place] = data.draw(st.floats(-1e3, 1e3))
    found = fit(LINE, {"t": t, "y": 3 - 0.7 * t + off}, "y", loss=loss)
    assert found.success
    np.testing.assert_allclose(found.x, [3, -0.7], rtol=1e-5)


@pytest.mark.parametrize("size", [1e-30, 1e-10, 1.0, 1e20])
def test_the_unit_of_a_loss_of_ones_own_does_not_matter(size):
    rng = np.random.default_rng(0)
    t = np.arange(20.0)
    y = 1 + 2 * t + rng.standard_cauchy(20)
    loss = {"loss": "log(1 + (r/c)**2)", "x0": [size, size]}
    plain = fit(LINE, {"t": t, "y": y}, "y", [1, 1], loss=loss["loss"], c=1.0)
    found = fit(LINE, {"t": t, "y": size * y}, "y", **loss, c=size)
    assert found.nit == plain.nit
    np.testing.assert_allclose(found.x / size, plain.x, rtol=1e-9)


@pytest.mark.parametrize("loss", ["log(abs(r))", "1/r", "r**2*log(r**2)"])
def test_a_loss_that_is_not_finite_where_a_row_is_met_is_refused(loss):
    with pytest.raises(InputError, match="not finite at r = 0"):
        fit(LINE, {"t": [0.0, 1.0], "y": [0.0, 1.0]}, "y", loss=loss)


@pytest.mark.parametrize("loss", ["r", "r**3"])
def test_residuals_that_cancel_are_no_minimum(loss):
    data = {"t": [0.0, 1.0, 2.0], "y": [1.0, 0.0, -1.0]}
    assert not fit("a + 0*t", data, "y", [0.0], loss=loss, maxiter=50).success


@pytest.mark.parametrize("level", [1e-300, 1e-17, 1.0 - 1e-16])
def test_a_level_without_a_quantile_is_refused(level):
    found = fit(LINE, {"t": [0.0, 1.0, 2.0], "y": [0.0, 1.0, 3.0]}, "y")
    with pytest.raises(InputError, match="level must be between 0 and 1"):
        found.confidence_intervals(level)
