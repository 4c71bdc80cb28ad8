"""Fits of rows in files: those of the same rows in one place, or refused."""

import numpy as np
import pandas as pd
import pytest

import symgd
from symgd.errors import InputError
from symgd.fitting import scattered_fit, shares
from symgd.native import stopping
from symgd.native.status import Status

RNG = np.random.default_rng(0)
T = np.linspace(0.0, 4.0, 600)
SIGMA = RNG.uniform(0.02, 0.1, 600)
DECAY = 2.5 * np.exp(-1.3 * T) + 0.5
DATA = {
    "t": T,
    "y": DECAY + SIGMA * RNG.standard_normal(600),
    "s": SIGMA,
    "w": RNG.integers(0, 3, 600).astype(float),
    "k": RNG.poisson(20.0 * DECAY).astype(np.int16),
    "n": np.full(600, 80, dtype=np.int8),
}
MODEL = "a*exp(-b*t) + c"


@pytest.fixture
def files(tmp_path):
    """Return what writes columns to files, cut at some rows."""

    def written(data, cuts=(100, 101, 350)):
        pieces = {name: np.split(column, cuts) for name, column in data.items()}
        paths = {name: [] for name in data}
        for name, parts in pieces.items():
            for k, part in enumerate(parts):
                paths[name].append(tmp_path / f"{name}{k}.npy")
                np.save(paths[name][-1], part)
        return paths

    return written


def assert_alike(far, here, digits=1e-9):
    assert far.status == here.status
    for name in ("x", "fun", "covariance", "r_squared", "adjusted", "dispersion"):
        of_far, of_here = getattr(far, name), getattr(here, name)
        np.testing.assert_allclose(of_far, of_here, rtol=digits, err_msg=name)
    assert far.degrees_of_freedom == here.degrees_of_freedom
    assert far.source == here.source


FITS = {
    "least squares": {},
    "sigma of each row": {"sigma": "s"},
    "absolute sigma": {"sigma": "s", "absolute_sigma": True},
    "one sigma": {"sigma": 0.05},
    "weights, also 0": {"weights": "w"},
    "a start": {"x0": [2, 1, 0]},
    "bounds": {"bounds": {"c": (0.6, None)}},
    "fixed and tied": {"fixed": {"c": 0.5}, "tied": {"b": "a/2"}},
    "a robust loss": {"loss": "huber", "sigma": "s"},
    "a loss of one's own": {"loss": "log(1 + r**2)", "sigma": "s"},
}


@pytest.mark.parametrize("how", FITS)
def test_it_is_the_fit_of_the_rows_in_one_place(files, how):
    far = symgd.fit(MODEL, files(DATA), "y", **FITS[how])
    assert_alike(far, symgd.fit(MODEL, DATA, "y", **FITS[how]), 1e-6)


COUNTED = {
    "poisson": {"loss": "poisson"},
    "binomial": {"loss": "binomial", "trials": "n"},
}


@pytest.mark.parametrize("how", COUNTED)
def test_likelihoods(files, how):
    parts = ("k", [0.5, 1.0, 0.1]) if how == "binomial" else ("k", [50, 1, 10])
    far = symgd.fit(MODEL, files(DATA), *parts, **COUNTED[how])
    here = symgd.fit(MODEL, DATA, *parts, **COUNTED[how])
    assert_alike(far, here, 1e-6)
    assert far.log_likelihood == pytest.approx(here.log_likelihood, rel=1e-12)
    summaries = (str(fit).splitlines() for fit in (far, here))
    for mine, theirs in zip(*summaries, strict=True):
        assert mine == theirs or mine.startswith("CONVERGED")


def test_what_follows_from_a_fit_is_the_same(files):
    far = symgd.fit(MODEL, files(DATA), "y", sigma="s")
    here = symgd.fit(MODEL, DATA, "y", sigma="s")
    assert far.profile("b").interval == pytest.approx(here.profile("b").interval)
    assert far.derive("log(2)/b").interval == pytest.approx(
        here.derive("log(2)/b").interval
    )
    far_band, band = (f.predict({"t": [1.0]}, level=0.9) for f in (far, here))
    np.testing.assert_allclose(far_band, band, rtol=1e-9)
    for name in ("aic", "aicc", "bic", "log_likelihood"):
        assert getattr(far, name) == pytest.approx(getattr(here, name), rel=1e-12)
    assert far.objective.value(far.x) == pytest.approx(far.fun, rel=1e-12)
    assert far.result.kind == here.result.kind


def test_models_are_compared_on_the_same_rows_only(files):
    paths = files(DATA)
    larger, smaller = (symgd.fit(m, paths, "y") for m in (MODEL, "a*exp(-b*t)"))
    here = [symgd.fit(m, DATA, "y") for m in (MODEL, "a*exp(-b*t)")]
    assert larger.f_test(smaller).statistic == pytest.approx(
        here[0].f_test(here[1]).statistic
    )
    other = symgd.fit("a*exp(-b*t)", paths, "k")
    with pytest.raises(InputError, match="no fits of the same data: target differs"):
        larger.f_test(other)
    with pytest.raises(InputError, match="where the rows are differs"):
        larger.f_test(here[1])


def test_rows_that_do_not_count_cost_no_more_passes(files):
    regression = symgd.fit(MODEL, files(DATA), "y", weights="w").regression
    assert regression.counted is regression.counted
    assert regression.counted.count == np.count_nonzero(DATA["w"])
    assert regression.counted._passed_to is regression._passed_to


def test_trials_may_be_none_for_any_method(files):
    data = {**DATA, "n": np.where(np.arange(600) % 7, 80, 0).astype(np.int8)}
    data["k"] = np.where(data["n"], data["k"], 0).astype(np.int16)
    how = {"loss": "binomial", "trials": "n", "method": "lbfgs", "x0": [0.5, 1.0, 0.1]}
    far, here = (symgd.fit(MODEL, each, "k", **how) for each in (files(data), data))
    np.testing.assert_allclose(far.x, here.x, rtol=1e-5)


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
def test_other_methods_minimise_the_sum(files, method):
    how = {"method": method, "x0": [2, 1, 0], "sigma": "s", "weights": "w"}
    how |= {"maxiter": 50} if method == "adam" else {}
    far = symgd.fit(MODEL, files(DATA), "y", **how)
    np.testing.assert_allclose(far.x, symgd.fit(MODEL, DATA, "y", **how).x, rtol=1e-6)


def test_many_parameters_go_by_factors_of_the_partitions(files):
    model = " + ".join(f"a{k}*cos({k}*t)" for k in range(14))
    far, here = (symgd.fit(model, data, "y") for data in (files(DATA), DATA))
    assert_alike(far, here, 1e-7)


def test_a_poor_condition_is_met_by_factors(files):
    """The normal matrix would have no digit left: its condition is 1e18."""
    data = {"t": T + 1e4, "y": 3.0 * T**2 - T + 1.0 + 0.1 * RNG.standard_normal(600)}
    model = "a*(t - 10000)**2 + b*t + c"
    far, here = (symgd.fit(model, each, "y") for each in (files(data), data))
    assert_alike(far, here, 1e-5)


def test_a_large_fit_begins_on_a_sample(files, monkeypatch):
    count = 30_000
    t = np.linspace(0.0, 4.0, count)
    noise = np.random.default_rng(1).standard_normal(count)
    data = {"t": t, "y": 2.5 * np.exp(-1.3 * t) + 0.5 + 0.05 * noise}
    monkeypatch.setattr(scattered_fit, "SAMPLED", 2000)
    far = symgd.fit(MODEL, files(data), "y")
    assert_alike(far, symgd.fit(MODEL, data, "y"), 1e-6)
    assert "on 2002 of the rows" in far.start_source  # a row more for each file
    assert far.nfev <= 6


def test_rows_that_are_missing_and_empty_partitions(files):
    data = {name: DATA[name].astype(float) for name in ("t", "y")}
    data["y"][[3, 100, 250]] = np.nan
    far = symgd.fit(MODEL, files(data, (0, 100, 101, 400, 400)), "y", missing="drop")
    assert_alike(far, symgd.fit(MODEL, data, "y", missing="drop"))
    assert far.source.dropped == 3
    with pytest.raises(InputError, match="partition 0: column 'y' is not finite"):
        symgd.fit(MODEL, files(data), "y")


def test_a_parquet_file_each(tmp_path):
    paths = []
    for k, rows in enumerate(np.array_split(np.arange(600), 4)):
        paths.append(tmp_path / f"part{k}.parquet")
        pd.DataFrame({n: DATA[n][rows] for n in ("t", "y")}).to_parquet(paths[-1])
    assert_alike(symgd.fit(MODEL, paths, "y"), symgd.fit(MODEL, DATA, "y"))


WRONG = {
    "the labels in 'k' are not known here": {"model": "a[k]*t"},
    "a fit has one target": {"model": ["a*t", "b*t"], "target": ["y", "s"]},
    r"the target 'log\(y\)' has to be the name of a column": {"target": "log(y)"},
    "the loss 'absolute' has no sums": {"loss": "absolute"},
    "the loss 'huber' without sigma needs a median": {"loss": "huber"},
    "sigma is the name of a column, or one number": {"sigma": SIGMA},
    "for errors in x, sigma_x, they have to be here": {"sigma_x": 0.1},
    "the sum jumps with c, whose place is searched": {"model": "a if t > c else b"},
    r"partition 2: sigma must be above 0; in row 0": {"sigma": "bad"},
    "all weights are 0": {"weights": "none"},
    "no start was found where the model is finite: it is nan in row 0": {
        "model": "a*log(t - 5) + b"
    },
}


@pytest.mark.parametrize("problem", WRONG)
def test_what_is_refused(files, problem):
    bad = np.where(np.arange(600) == 101, 0.0, 1.0)
    paths = files({**DATA, "bad": bad, "none": np.zeros(600)})
    given = {"model": MODEL, "target": "y", **WRONG[problem]}
    with pytest.raises(symgd.SymgdError, match=problem):
        symgd.fit(given.pop("model"), paths, given.pop("target"), **given)


def test_the_row_where_a_start_is_not_finite_is_told(files):
    found = symgd.fit("a*log(t - c)", files(DATA), "y", [1, 1])
    assert "the model is nan in row 0 (t = 0.0), of partition 0" in found.note


def test_what_needs_rows_here_says_so(files):
    far = symgd.fit(MODEL, files(DATA), "y")
    for ask in (lambda: far.residuals, far.plot, lambda: far.bootstrap(10)):
        with pytest.raises(InputError, match="the rows are in partitions"):
            ask()


def test_a_checkpoint_goes_on_and_knows_its_rows(files, tmp_path):
    paths, file = files(DATA), tmp_path / "fit.ckpt"
    start = {"x0": [1, 0.1, 0]}
    whole = symgd.fit(MODEL, paths, "y", **start)
    part = symgd.fit(MODEL, paths, "y", checkpoint=file, maxiter=2, **start)
    assert part.status == Status.MAXITER
    resumed = symgd.fit(MODEL, paths, "y", checkpoint=file, **start)
    np.testing.assert_array_equal(resumed.x, whole.x)
    other = files({**DATA, "y": DATA["y"] + 1.0})
    with pytest.raises(InputError, match="checkpoint"):
        symgd.fit(MODEL, other, "y", checkpoint=file, **start)


def test_a_time_limit_cuts_sums_short_but_not_what_is_between_descents(files):
    regression = symgd.fit(MODEL, files(DATA), "y").regression
    x = np.array([2.0, 1.0, 0.0])
    with stopping.stoppable(0.01):
        while not stopping.flag()[0]:
            pass
        assert not regression.gauss_newton(x).finite
        assert np.isfinite(regression.summed(shares.squares_left, x))
    assert regression.gauss_newton(x).finite


def test_ctrl_c_is_heard_between_descents(files):
    regression = symgd.fit(MODEL, files(DATA), "y").regression
    with stopping.stoppable() as flag:
        flag[0] = stopping.SIGNAL
        with pytest.raises(KeyboardInterrupt):
            regression.summed(shares.squares_left, np.ones(3))


def test_bends_are_put_at_rows_where_the_rows_are_few(files):
    model, t = "a + b*t + c*max(t - d, 0)", np.linspace(0.0, 4.0, 60)
    y = 1.0 + t + 2.0 * np.maximum(t - 1.7, 0.0) + 0.3 * np.cos(9.0 * t)
    data = {"t": t, "y": y}
    far, here = (symgd.fit(model, each, "y") for each in (files(data, (9, 30)), data))
    np.testing.assert_allclose(far.x, here.x, rtol=1e-9)
    assert (far.status, far.message[:30]) == (here.status, here.message[:30])


def test_factors_are_of_blocks_where_rows_are_many(monkeypatch):
    model = " + ".join(f"a{k}*cos({k}*t)" for k in range(14))
    whole = symgd.fit(model, DATA, "y", weights="w")
    monkeypatch.setattr(shares, "BLOCK", 250)
    assert_alike(symgd.fit(model, DATA, "y", weights="w"), whole, 1e-7)
