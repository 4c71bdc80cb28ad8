"""Standard errors, intervals, bands, and what data do not determine."""

import math
import pickle

import numpy as np
import pytest
from scipy import optimize, stats

from symgd import InputError
from symgd.fitting.curve_fit import fit
from symgd.fitting.quantiles import two_sided


@pytest.fixture(scope="module")
def data():
    noise = np.random.default_rng(4).standard_normal(25)
    t = np.linspace(0, 5, 25)
    return {"t": t, "y": 1 + 2 * t + 0.3 * noise, "s": 0.1 + 0.1 * t}


@pytest.fixture(scope="module")
def line(data):
    return fit("a + b*t", data, "y")


@pytest.mark.parametrize("freedom", [1, 2, 3, 10, 37, 1000, 99_997])
@pytest.mark.parametrize("level", [0.01, 0.5, 0.95, 0.9999])
def test_quantiles_are_scipys(freedom, level):
    exact = stats.t.ppf(0.5 + level / 2, freedom)
    assert two_sided(level, freedom) == pytest.approx(exact, rel=1e-10)
    exact = stats.norm.ppf(0.5 + level / 2)
    assert two_sided(level) == pytest.approx(exact, rel=1e-10)


def test_a_line_is_that_of_the_textbook(line, data):
    theirs = stats.linregress(data["t"], data["y"])
    errors = line.standard_errors
    assert errors["b"] == pytest.approx(theirs.stderr, rel=1e-10)
    assert errors["a"] == pytest.approx(theirs.intercept_stderr, rel=1e-10)
    assert line.r_squared == pytest.approx(theirs.rvalue**2, rel=1e-12)
    adjusted = 1 - (1 - theirs.rvalue**2) * 24 / 23
    assert line.adjusted == pytest.approx(adjusted, rel=1e-12)
    low, high = line.confidence_intervals(0.9)["b"]
    half = stats.t.ppf(0.95, 23) * theirs.stderr
    assert (high - low) / 2 == pytest.approx(half, rel=1e-10)
    mean = data["t"].mean()
    correlation = -mean / math.sqrt(np.mean(data["t"] ** 2))
    assert line.correlation[0, 1] == pytest.approx(correlation, rel=1e-10)


def test_bands_are_those_of_the_textbook(line, data):
    t, new = data["t"], np.array([-1.0, 2.5, 9.0])
    s2 = line.residuals @ line.residuals / 23
    leverage = 1 / 25 + (new - t.mean()) ** 2 / np.sum((t - t.mean()) ** 2)
    quantile = stats.t.ppf(0.975, 23)
    band = line.predict({"t": new}, level=0.95)
    np.testing.assert_allclose(band.value, line.x[0] + line.x[1] * new)
    half = quantile * np.sqrt(s2 * leverage)
    np.testing.assert_allclose(band.upper - band.value, half, rtol=1e-9)
    rows = line.predict({"t": new}, level=0.95, interval="prediction")
    half = quantile * np.sqrt(s2 * (1 + leverage))
    np.testing.assert_allclose(rows.value - rows.lower, half, rtol=1e-9)


def test_sigma_of_new_rows(data):
    named = fit("a + b*t", data, "y", sigma="s")
    new = {"t": [1.0, 1.0], "s": [0.0, 2.0]}
    curve = named.predict(new, level=0.9)
    rows = named.predict(new, level=0.9, interval="prediction")
    assert rows.upper[0] == curve.upper[0]
    assert rows.upper[1] > curve.upper[1] + 1
    loose = fit("a + b*t", data, "y", sigma=data["s"])
    with pytest.raises(InputError, match="as the name of a column"):
        loose.predict(new, level=0.9, interval="prediction")


def test_known_sigma_has_normal_quantiles(data):
    known = fit("a + b*t", data, "y", sigma=0.3, absolute_sigma=True)
    low, high = known.confidence_intervals(0.95)["a"]
    half = stats.norm.ppf(0.975) * known.standard_errors["a"]
    assert (high - low) / 2 == pytest.approx(half, rel=1e-10)


def test_the_sandwich(data):
    found = fit("a + b*t", data, "y", loss="huber", sigma=0.1)
    r = (found.x[0] + found.x[1] * data["t"] - data["y"]) / 0.1
    inside = abs(r) <= 1.345
    assert 0 < inside.sum() < 25
    rows = np.column_stack([np.ones(25), data["t"]]) / 0.1
    bread = np.linalg.inv(rows[inside].T @ rows[inside])
    scores = rows * np.clip(r, -1.345, 1.345)[:, None]
    exact = bread @ (scores.T @ scores) @ bread
    np.testing.assert_allclose(found.covariance, exact, rtol=1e-8)


def test_errors_of_the_absolute_loss_are_about_right():
    rng = np.random.default_rng(5)
    medians, claimed = [], []
    for _ in range(60):
        found = fit("m", {"y": rng.standard_normal(101)}, "y", loss="absolute")
        medians.append(found.x[0])
        claimed.append(found.standard_errors["m"])
    # The median of n normal numbers has a standard error of sqrt(pi/2/n).
    exact = math.sqrt(math.pi / 2 / 101)
    assert np.std(medians) == pytest.approx(exact, rel=0.25)
    assert np.median(claimed) == pytest.approx(exact, rel=0.25)


# ------------------------------------------------- what is not determined


def test_a_product_is_all_that_is_determined(data):
    found = fit("a*b*t + c", data, "y", [1, 1, 1])
    assert found.success
    (direction,) = found.undetermined
    assert set(direction) == {"a", "b"}
    ratio = direction["a"] / direction["b"]  # along it the product stays the same
    assert ratio == pytest.approx(-found.x[0] / found.x[1], rel=1e-6)
    errors = found.standard_errors
    assert errors["a"] == errors["b"] == math.inf
    line = fit("c + d*t", data, "y")
    rescaled = line.standard_errors["c"]
    assert errors["c"] == pytest.approx(rescaled, rel=1e-6)
    assert found.degrees_of_freedom == 23
    assert not np.isnan(found.covariance).any()
    assert not np.isnan(found.correlation).any()
    assert "the data do not determine a, b" in str(found)
    # The curve is determined all the same.
    band, same = (f.predict({"t": [2.0]}, level=0.9) for f in (found, line))
    np.testing.assert_allclose(band.upper, same.upper, rtol=1e-6)


def test_a_parameter_without_effect(data):
    found = fit("a + b*t + 0*c + d*max(t - 100, 0)", data, "y")
    assert found.undetermined == [{"c": 1.0}, {"d": 1.0}]
    assert found.standard_errors["c"] == found.standard_errors["d"] == math.inf
    for name in "cd":
        assert f"the data do not determine {name}\n" in str(found)


def test_more_parameters_than_rows():
    data = {"t": [1.0, 2.0], "y": [1.0, 3.0]}
    found = fit("a + b*t + c*t**2", data, "y")
    assert found.fun == pytest.approx(0.0, abs=1e-20)
    assert found.degrees_of_freedom == 0
    assert set(found.standard_errors.values()) == {math.inf}
    assert "no degrees of freedom" in str(found)
    assert "a, b, c" in str(found)


def test_as_many_parameters_as_rows():
    found = fit("a + b*t", {"t": [1.0, 2.0], "y": [1.0, 3.0]}, "y")
    np.testing.assert_allclose(found.x, [-1, 2])
    assert set(found.standard_errors.values()) == {math.inf}
    low, high = found.confidence_intervals()["a"]
    assert (low, high) == (-math.inf, math.inf)
    assert found.predict({"t": [1.5]}, level=0.9).upper.tolist() == [math.inf]


# ------------------------------------------------------------------ the object


def test_new_data_need_their_columns(line):
    with pytest.raises(InputError, match=r"there is no column 't'.*did you mean 'tt'"):
        line.predict({"tt": [1.0]})
    with pytest.raises(InputError, match="level must be between 0 and 1"):
        line.predict({"t": [1.0]}, level=95)
    with pytest.raises(InputError, match="interval must be"):
        line.predict({"t": [1.0]}, level=0.95, interval="both")


def test_a_model_without_columns(data):
    found = fit("m", data, "y")
    assert found.x[0] == pytest.approx(data["y"].mean())
    assert found.r_squared == pytest.approx(0.0, abs=1e-12)
    assert found.predict({"t": [1.0, 2.0]}).tolist() == [found.x[0]] * 2


def test_it_can_be_pickled(line):
    again = pickle.loads(pickle.dumps(line))
    assert again.parameters == line.parameters
    assert again.predict({"t": [1.0]}).tolist() == line.predict({"t": [1.0]}).tolist()
    np.testing.assert_array_equal(again.covariance, line.covariance)


def test_dataframes(data):
    import pandas
    import polars

    for frame in (pandas.DataFrame(data), polars.DataFrame(data)):
        found = fit("a + b*t", frame, "y")
        assert found.predict(frame).shape == (25,)
        np.testing.assert_allclose(found.residuals, data["y"] - found.predict(frame))


def test_plots(line, data):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    assert line.plot().get_ylabel() == "y"
    assert fit("a + b*t + c*s", data, "y").plot().get_ylabel() == "predicted y"
    pyplot.close("all")


def test_a_covariance_of_an_ill_conditioned_fit():
    x = np.linspace(0, 1, 40)
    y = np.sin(3 * x)
    terms = " + ".join(f"c{k}*x**{k}" for k in range(9))
    found = fit(terms, {"x": x, "y": y}, "y")
    design = np.vander(x, 9, increasing=True)
    _, r = np.linalg.qr(design)
    inverse = np.linalg.inv(r)
    exact = 2 * found.fun / 31 * inverse @ inverse.T
    np.testing.assert_allclose(found.covariance, exact, rtol=1e-6)
    solution = np.linalg.lstsq(design, y)[0]
    np.testing.assert_allclose(found.x, solution, rtol=1e-6, atol=1e-6)


def test_curve_fits_covariance_at_a_far_scale():
    t = np.linspace(1, 2, 20)
    y = 1e6 * np.exp(-2 * t) + np.cos(40 * t)
    found = fit("a*exp(-b*t)", {"t": t, "y": y}, "y")
    x, covariance = optimize.curve_fit(
        lambda t, a, b: a * np.exp(-b * t), t, y, [1e6, 2], xtol=1e-14, ftol=1e-14
    )
    np.testing.assert_allclose(found.x, x, rtol=1e-7)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-4)


@pytest.mark.parametrize("loss", ["huber", "log_cosh", "poisson"])
def test_a_row_whose_second_derivatives_are_infinite_keeps_errors_finite(loss):
    """Those of (b*x)**1.2 by b are, where x is 0; beside it errors are the same."""
    x = np.linspace(0.0, 20.0, 21)
    y = 5 * (0.4 * x) ** 1.2 / (1 + (0.4 * x) ** 1.2)
    y = np.abs(y + 0.05 * np.random.default_rng(1).normal(size=21)) + 0.01
    more = {} if loss == "poisson" else {"sigma": 0.05}
    found, beside = (
        fit(
            "q*(b*x)**m/(1 + (b*x)**m) + 0.02",
            *({"x": np.maximum(x, least), "y": y}, "y"),
            {"q": 5, "b": 0.4, "m": 1.2},
            loss=loss,
            **more,
        )
        for least in (0.0, 1e-9)
    )
    known = np.array([*found.standard_errors.values()])
    other = np.array([*beside.standard_errors.values()])
    assert known == pytest.approx(other, rel=0.2)
    assert "standard error" in str(found)
