"""What a fit says is so: of the data as they were, at a minimum, in any units."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import optimize

from symgd import InputError, Status
from symgd.fitting import goodness, regression
from symgd.fitting.curve_fit import fit
from symgd.native import compiled
from symgd.sklearn import FormulaRegressor

DECAY = "a*exp(-b*t) + c"
LOSSES = ["squared", "huber", "log_cosh", "absolute"]


def decay(seed=1, count=60, noise=0.05):
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 6, count)
    y = 2.5 * np.exp(-0.8 * t) + 0.5 + noise * rng.standard_normal(count)
    return {"t": t, "y": y}


# ------------------------------------------------------- of the data as fitted


@pytest.mark.parametrize("loss", LOSSES)
def test_a_fit_is_of_the_data_as_they_were(loss):
    data = decay() | {"w": np.ones(60), "s": np.full(60, 0.3)}
    first, later = (
        fit(DECAY, data, "y", loss=loss, weights="w", sigma=data["s"]) for _ in range(2)
    )
    known = first.r_squared, first.residuals.tolist(), first.covariance.tolist()
    for column in data.values():
        column *= 100
    there = later.r_squared, later.residuals.tolist(), later.covariance.tolist()
    assert there == known
    assert pickle.loads(pickle.dumps(later)).degrees_of_freedom == 57


def test_large_data_are_read_in_place(monkeypatch):
    monkeypatch.setattr(regression, "COPIED", 100)
    data = decay()
    found = fit(DECAY, data, "y")
    assert np.shares_memory(found.regression.target, data["y"])


# ------------------------------------------------------------- at a minimum


def least_absolute(design, y, w):
    n, p = design.shape
    equations = np.hstack([design, np.eye(n), -np.eye(n)])
    bounds = [(None, None)] * p + [(0, None)] * (2 * n)
    cost = np.r_[np.zeros(p), w, w]
    return optimize.linprog(cost, A_eq=equations, b_eq=y, bounds=bounds).fun


NOISE = {
    "curved": lambda rng, t: np.exp(-1.3 * t),
    "heavy": lambda rng, t: rng.standard_t(1.5, len(t)),
    "ties": lambda rng, t: np.round(3 * rng.standard_normal(len(t))),
    "skew": lambda rng, t: rng.standard_normal(len(t)) ** 3,
}


@pytest.mark.parametrize("kind", NOISE)
@pytest.mark.parametrize("weighted", [False, True])
def test_absolute_fits_are_linear_programs(kind, weighted):
    for seed in range(25):
        rng = np.random.default_rng(seed)
        n, p = int(rng.integers(6, 110)), int(rng.integers(2, 5))
        t = np.sort(rng.uniform(0, 4, n))
        columns = {f"x{k}": t**k for k in range(1, p)}
        if kind != "curved":
            columns = {f"x{k}": np.round(rng.normal(0, 3, n)) for k in range(1, p)}
        y = 3 + NOISE[kind](rng, t) + sum(columns.values())
        w = rng.integers(0, 4, n) + (np.arange(n) < p) if weighted else np.ones(n)
        model = "c0" + "".join(f" + c{k}*x{k}" for k in range(1, p))
        data = {**columns, "y": y}
        found = fit(model, data, "y", loss="absolute", weights=w if weighted else None)
        design = np.column_stack([np.ones(n), *columns.values()])
        total = w @ abs(design @ found.x - y)
        assert found.success
        assert found.fun == pytest.approx(total, rel=1e-12)
        exact = least_absolute(design, y, w)
        assert total <= exact * (1 + 1e-8) + 1e-12 * (w @ abs(y)), seed


def test_a_line_through_a_decay():
    data = decay()
    found = fit("a + b*t", data, "y", loss="absolute")
    design = np.column_stack([np.ones(60), data["t"]])
    exact = least_absolute(design, data["y"], np.ones(60))
    assert found.success
    assert found.fun == pytest.approx(exact, rel=1e-8)
    assert "above its least" in found.message


@pytest.mark.parametrize("seed", range(6))
def test_absolute_fits_of_curves_are_minima(seed):
    data = decay(seed, count=30 + 7 * seed, noise=0.2)
    found = fit(DECAY, data, "y", loss="absolute")

    def total(x):
        return abs(x[0] * np.exp(-x[1] * data["t"]) + x[2] - data["y"]).sum()

    assert found.success
    assert found.fun == pytest.approx(total(found.x), rel=1e-12)
    rng = np.random.default_rng(seed)
    for _ in range(8):
        start = found.x * (1 + rng.normal(0, 0.02, 3))
        options = {"xatol": 1e-12, "fatol": 1e-14, "maxiter": 4000}
        near = optimize.minimize(total, start, method="Nelder-Mead", options=options)
        assert found.fun <= near.fun * (1 + 1e-8)


def test_a_bound_holds_an_absolute_fit():
    data = decay()
    found = fit(DECAY, data, "y", loss="absolute", bounds={"c": (0.7, None)})
    held = fit("a*exp(-b*t) + 0.7", data, "y", loss="absolute")
    assert found.success
    assert found.at_bound == ("c",)
    assert found.fun == pytest.approx(held.fun, rel=1e-8)


def test_a_rough_absolute_fit_says_how_rough_it_is():
    data = decay()
    rough = fit(DECAY, data, "y", loss="absolute", gtol=1e-3)
    fine = fit(DECAY, data, "y", loss="absolute", gtol=1e-11)
    assert rough.success
    assert fine.success
    assert fine.fun <= rough.fun <= fine.fun * (1 + 1e-3)
    assert fine.offset <= 1e-11 < rough.offset <= 1e-3
    assert rough.nfev < fine.nfev


def test_an_exact_absolute_fit():
    t = np.arange(9.0)
    found = fit("a + b*t", {"t": t, "y": 3 - 0.7 * t}, "y", loss="absolute")
    assert found.success
    np.testing.assert_allclose(found.x, [3, -0.7], rtol=1e-12)


def test_what_an_absolute_fit_can_not_resolve_is_no_success():
    x = np.linspace(5, 6, 200)
    y = np.sin(5 * x) + 0.1 * np.random.default_rng(0).standard_normal(200)
    model = " + ".join(f"c{k}*x**{k}" for k in range(10))
    assert not fit(model, {"x": x, "y": y}, "y", loss="absolute").success


@pytest.mark.parametrize(
    ("loss", "options"),
    [
        ("huber", {"sigma": 1.0, "huber_delta": 1e-2}),
        ("huber", {"sigma": 1.0, "huber_delta": 1e-5}),
        ("log_cosh", {"sigma": 1e-2}),
        ("log_cosh", {"sigma": 1e-4}),
    ],
)
def test_convex_fits_that_have_converged_have_no_slope(loss, options):
    ends = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        t = np.linspace(0, 5, 60)
        y = 1 + 2 * t + rng.standard_normal(60)
        found = fit("a + b*t", {"t": t, "y": y}, "y", loss=loss, **options)
        r = (found.x[0] + found.x[1] * t - y) / options["sigma"]
        delta = options.get("huber_delta")
        scores = np.tanh(r) if delta is None else np.clip(r / delta, -1, 1)
        slopes = abs(scores.sum()) / 60, abs(scores @ t) / t.sum()
        assert max(slopes) < 1e-5 or not found.success
        ends.append(found.success)
    assert np.mean(ends) > 0.8


@pytest.mark.parametrize("loss", ["r", "-r**2", "r**3"])
def test_a_loss_without_a_minimum_has_none(loss):
    found = fit("a + b*t", decay(), "y", loss=loss, maxiter=200)
    assert not found.success


# ------------------------------------------------- rows without a weight


def same(found, other, rtol=1e-12):
    np.testing.assert_allclose(found.x, other.x, rtol=rtol)
    assert found.fun == pytest.approx(other.fun, rel=rtol)
    assert found.scale == pytest.approx(other.scale, rel=rtol)
    assert found.r_squared == pytest.approx(other.r_squared, rel=rtol)
    assert found.adjusted == pytest.approx(other.adjusted, rel=rtol)
    assert found.degrees_of_freedom == other.degrees_of_freedom
    np.testing.assert_allclose(found.covariance, other.covariance, rtol=rtol)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("seed", range(3))
def test_rows_of_weight_0_count_for_nothing(loss, seed):
    rng = np.random.default_rng(seed)
    data = decay(seed) | {"w": rng.choice([0.0, 0.5, 1.0, 2.0], 60)}
    kept = data["w"] > 0
    rest = {name: column[kept] for name, column in data.items()}
    data["y"][~kept] = rng.choice([1e6, -1e9, 1e150], 60 - kept.sum())
    data["t"][~kept] = -1e5  # where the model is infinite
    masked = fit(DECAY, data, "y", loss=loss, weights="w")
    without = fit(DECAY, rest, "y", loss=loss, weights="w")
    same(masked, without)
    assert masked.start.tolist() == without.start.tolist()
    residuals = rest["y"] - without.predict(rest)
    np.testing.assert_allclose(masked.residuals[kept], residuals, atol=1e-12)
    assert len(masked.residuals) == 60


@pytest.mark.parametrize("loss", LOSSES)
def test_rows_of_weight_0_in_large_data(loss, monkeypatch):
    data = decay() | {"w": np.arange(60) % 3 * 1.0}
    kept = data["w"] > 0
    rest = {name: column[kept] for name, column in data.items()}
    data["y"][~kept] = 1e4
    without = fit(DECAY, rest, "y", loss=loss, weights="w")
    monkeypatch.setattr(regression, "COPIED", 100)
    same(fit(DECAY, data, "y", loss=loss, weights="w"), without, rtol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("model", [DECAY, "a + b*t"])
def test_whole_weights_are_repeated_rows(loss, model):
    for seed in range(2):
        counts = np.random.default_rng(seed).integers(0, 4, 60)
        data = decay(seed)
        repeated = {name: np.repeat(each, counts) for name, each in data.items()}
        weighted = fit(model, data, "y", loss=loss, weights=counts)
        other = fit(model, repeated, "y", loss=loss)
        assert weighted.scale == pytest.approx(other.scale, rel=1e-6)
        assert weighted.fun == pytest.approx(other.fun, rel=1e-6)
        np.testing.assert_allclose(weighted.x, other.x, rtol=1e-5)
        assert weighted.r_squared == pytest.approx(other.r_squared, rel=1e-6)


def test_a_start_that_is_not_finite_names_the_row_of_the_table():
    data = {"t": np.arange(4.0), "y": np.ones(4), "w": [1.0, 0.0, 1.0, 1.0]}
    assert "in row 2 (t = 2.0)" in fit("a/(t - b)", data, "y", [1, 2], weights="w").note
    assert fit("a/(t - b)", data, "y", [1, 1], weights="w").regression.count == 4


# -------------------------------------------------------------- any units


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("size", [1e-35, 1e-8, 1e8, 1e35])
def test_units_do_not_matter(loss, size):
    data, plain = decay(), fit(DECAY, decay(), "y", loss=loss)
    for of_t, of_y in [(1, size), (size, 1), (size, size), (size, 1 / size)]:
        scaled = {"t": of_t * data["t"], "y": of_y * data["y"]}
        found = fit(DECAY, scaled, "y", loss=loss)
        units = np.array([of_y, 1 / of_t, of_y])
        assert found.success
        np.testing.assert_allclose(found.x / units, plain.x, rtol=1e-6)
        errors = np.array(list(found.standard_errors.values())) / units
        exact = list(plain.standard_errors.values())
        # The density of the absolute loss is a quotient of two residuals.
        np.testing.assert_allclose(errors, exact, rtol=1e-5)
        assert found.r_squared == pytest.approx(plain.r_squared, rel=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("size", [1e-310, 1e-200, 1e-100, 1e100, 1e200])
def test_what_float64_can_not_square_is_told(loss, size):
    data = decay()
    data["y"] *= size
    with pytest.raises(InputError, match=r"'y' are of size .* another unit"):
        fit(DECAY, data, "y", loss=loss)


def test_sizes_in_units_of_sigma():
    data = decay()
    with pytest.raises(InputError, match="another unit"):
        fit(DECAY, data, "y", sigma=1e-200)
    data["y"] *= 1e-60
    assert fit("a + b*t", data, "y", sigma=1e-60).success
    data["y"][:] = 0.0
    assert fit("a + b*t", data, "y").success


def test_derivatives_that_float64_can_not_square_are_no_success():
    data = decay()
    data["t"] *= 1e-80
    data["y"] *= 1e-60
    found = fit(DECAY, data, "y")
    assert not found.success
    assert "derivative by b" in found.message
    data["t"] *= 1e-100
    found = fit("a + b*t", data, "y")
    assert not found.success
    assert "another unit" in found.message


@pytest.mark.parametrize("loss", LOSSES)
def test_unix_seconds(loss):
    rng = np.random.default_rng(0)
    since = np.linspace(0, 86_400, 200)
    t = 1.7e9 + since
    noise = 0.1 * rng.standard_normal(200)
    line = {"t": t, "y": 3 + 2e-5 * since + noise}
    found, near = (fit(m, line, "y", loss=loss) for m in ("a + b*t", "a + b*(t-1.7e9)"))
    assert found.success
    assert near.success
    assert found.fun == pytest.approx(near.fun, rel=1e-8)
    assert found.x[1] == pytest.approx(near.x[1], rel=1e-6)
    errors = found.standard_errors["b"], near.standard_errors["b"]
    assert errors[0] == pytest.approx(errors[1], rel=1e-3)
    peak = {"t": t, "y": 3 * np.exp(-(((since - 4e4) / 5e3) ** 2)) + noise}
    found = fit("h*exp(-((t - m)/s)**2) + k", peak, "y", loss=loss)
    assert found.success
    assert found.parameters["m"] == pytest.approx(1.7e9 + 4e4, abs=300)
    assert abs(found.parameters["s"]) == pytest.approx(5e3, rel=0.1)


# ------------------------------------------------------------- how long


def test_compiling_is_not_part_of_the_time_limit(monkeypatch):
    now, written = [0.0], compiled.written

    def slow(*arguments):
        now[0] += 100.0  # all other work takes no time
        return written(*arguments)

    clock = SimpleNamespace(perf_counter=lambda: now[0])
    for module in ("symgd.descent.driving", "symgd.fitting.fit_run"):
        monkeypatch.setattr(f"{module}.time", clock)
    monkeypatch.setattr(compiled, "written", slow)
    found = fit("a*exp(-b*t) + c + 1/7", decay(), "y", time_limit=0.05)
    assert now[0] > 0
    assert found.status == Status.CONVERGED


# ------------------------------------------------------------ scikit-learn


def test_a_parameter_may_be_called_as_the_target_is():
    x = np.linspace(0, 3, 30)
    found = FormulaRegressor("y*exp(-y_*x0)").fit(x[:, None], 2 * np.exp(-1.5 * x))
    assert found.parameters_ == pytest.approx({"y": 2.0, "y_": 1.5})
    assert found.predict(np.zeros((1, 1))) == pytest.approx(2.0)


def test_features_are_told_apart():
    X, y = np.eye(3)[:, :2], np.arange(3.0)
    with pytest.raises(InputError, match="'t' is there twice"):
        FormulaRegressor("a*t", features=("t", "t")).fit(X, y)
    with pytest.raises(InputError, match="x2; X has 2 columns"):
        FormulaRegressor("a*x0 + b*x2").fit(X, y)
    named = FormulaRegressor("a*u + b*v + x2", features=("u", "v")).fit(X, y)
    assert "x2" in named.parameters_


@pytest.mark.parametrize("loss", LOSSES)
def test_sample_weights_are_repeated_rows(loss):
    counts = np.random.default_rng(3).integers(0, 4, 60)
    data = decay()
    X, y = data["t"][:, None], data["y"]
    model = FormulaRegressor("a*exp(-b*t) + c", features=("t",), loss=loss)
    weighted = model.fit(X, y, sample_weight=counts).fit_.x
    repeated = model.fit(np.repeat(X, counts, axis=0), np.repeat(y, counts)).fit_.x
    np.testing.assert_allclose(weighted, repeated, rtol=1e-5)


@pytest.mark.parametrize("model", ["a + b*t + c*t**2", "a*exp(-b*t) + c"])
def test_fewer_rows_than_parameters_are_told(model):
    found = fit(model, {"t": [0.0, 1.0], "y": [2.0, 1.0]}, "y")
    assert found.note == "2 rows can't determine 3 parameters"
    assert "2 rows can't determine 3 parameters" in str(found)


PEAK = "a*exp(-((x - m)/s)**2) + c"


def test_a_peak_of_three_rows_among_thousands_is_found():
    rng, x = np.random.default_rng(34), np.arange(0, 4000, 1.0)
    peak = 50.0 * np.exp(-(((x - 1234.6) / 1.9) ** 2))
    y = peak + 7.0 + 0.8 * rng.normal(size=len(x))
    found = fit(PEAK, {"x": x, "y": y}, "y")
    assert found.success
    assert found.values["m"] == pytest.approx(1234.6, abs=0.2)


def test_a_peak_in_noise_is_no_success():
    rng, x = np.random.default_rng(3), np.arange(0, 3000, 1.0)
    table = {"x": x, "y": rng.normal(size=len(x))}
    start = {"a": 1.0, "m": 1500.0, "s": 40.0, "c": 0.0}
    found = fit(
        PEAK,
        table,
        "y",
        start,
        bounds={"s": (30, 60), "m": (1400, 1600)},
    )
    assert not found.success
    assert "by chance" in found.message


def test_parameters_that_ran_away_are_no_success():
    years = np.arange(1790.0, 1961.0, 10)
    people = 197.3 / (1 + 8.4e25 * np.exp(-0.0313 * years))
    found = fit("K/(1 + A*exp(-r*t))", {"t": years, "y": people}, "y")
    lost = found.fun > 1.0
    assert not (lost and found.success)


def test_a_scale_beyond_float64_is_none():
    doses = np.array([0.0, 0.1, 0.3, 1, 3, 10, 30, 100])
    table = {"x": doses, "y": 5 + 95 * doses**1.4 / (6**1.4 + doses**1.4)}
    assert fit("t*exp(-(k/x)**n)", table, "y").fun < 100.0


def test_rows_that_are_met_are_a_success_however_rounding_goes_on():
    t = np.linspace(0.0, 4.0, 30)
    found = fit("a*sin(b*t + c) + d", {"t": t, "y": np.sin(6.0 * t)}, "y")
    assert found.success
    assert found.fun < 1e-28
    # It depends on the processor whether rounding ends in a standstill.
    stalled = found.status == Status.STALLED
    assert stalled or "no more than the rounding" in found.message


@pytest.mark.parametrize("loss", ["absolute", "huber", "log_cosh"])
@pytest.mark.parametrize("outlier", [10.0, 1e3, 1e5])
@pytest.mark.parametrize("start", [{"a": 2.5, "b": 1.3, "c": 0.5}, None])
def test_an_outlier_leads_no_robust_loss_away(loss, outlier, start):
    t = np.linspace(0.0, 4.0, 30)
    y = 2.5 * np.exp(-1.3 * t) + 0.5 + 0.02 * np.cos(40.0 * t)
    y[7] = outlier
    found = fit("a*exp(-b*t) + c", {"t": t, "y": y}, "y", start, loss=loss)
    assert found.success, found.message
    # The typical residual, which the loss's scale may make it let the outlier touch.
    assert np.median(abs(found.residuals)) < 0.03


@pytest.mark.parametrize("outlier", [0.0, 1e3, 1e5])
@pytest.mark.parametrize("seed", range(4))
def test_absolute_residuals_have_one_least_sum_from_wherever_it_is_sought(
    seed, outlier
):
    rng, t = np.random.default_rng(seed), np.linspace(0.0, 4.0, 30)
    y = 2.5 * np.exp(-1.3 * t) + 0.5 + 0.02 * rng.standard_normal(30)
    y[rng.choice(30, 2, replace=False)] += outlier * np.array([-1.0, 0.7])
    data, truth = {"t": t, "y": y}, np.array([2.5, 1.3, 0.5])
    starts = [truth, truth * rng.uniform(0.7, 1.4, 3), None]
    ends = [
        fit("a*exp(-b*t) + c", data, "y", x0, bounds={"b": (0, 9)}, loss="absolute")
        for x0 in starts
    ]
    assert all(end.success for end in ends), [end.message for end in ends]
    sums = [np.sort(abs(end.residuals))[:-2].sum() for end in ends]
    assert np.ptp(sums) < 1e-3 * min(sums)


@pytest.mark.parametrize("count", range(1, 10))
def test_medians_are_numpys_bit_by_bit(count):
    numbers = np.random.default_rng(count).standard_normal(count) * 1e3
    assert goodness.median(numbers) == np.median(numbers)
    numbers[count // 2] = np.nan
    assert np.isnan(goodness.median(numbers))
