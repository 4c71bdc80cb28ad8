"""Fits: optima against closed forms, SciPy and linear programs; starts; bad input."""

import warnings

import mpmath
import numpy as np
import pytest
import sympy as sp
from scipy import optimize

from symgd import FormulaError, InputError, Status
from symgd.fitting.curve_fit import fit
from symgd.fitting.levenberg_marquardt import Limits, Point, Stage, descended

DECAY = "a*exp(-b*t) + c"


def decay(t, a, b, c):
    return a * np.exp(-b * t) + c


@pytest.fixture(scope="module")
def data():
    noise = np.random.default_rng(1).standard_normal(60)
    t = np.linspace(0, 6, 60)
    y = decay(t, 2.5, 0.8, 0.5) + 0.05 * noise
    return {"t": t, "y": y, "s": 0.02 + 0.01 * t, "w": 1 / (1 + t)}


@pytest.fixture(scope="module")
def spoilt(data):
    """Return data with outliers."""
    y = data["y"].copy()
    y[::11] += 4.0
    return {"t": data["t"], "y": y}


# ------------------------------------------------------------- least squares


def test_parameters_and_covariance_are_those_of_curve_fit(data):
    found = fit(DECAY, data, "y", [1, 1, 1])
    x, covariance = optimize.curve_fit(
        decay, data["t"], data["y"], [1, 1, 1], xtol=1e-14, ftol=1e-14, gtol=1e-14
    )
    assert found.status == Status.CONVERGED
    np.testing.assert_allclose(found.x, x, rtol=1e-7)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-5)
    residuals = data["y"] - decay(data["t"], *found.x)
    assert found.fun == pytest.approx(residuals @ residuals / 2, rel=1e-13)
    np.testing.assert_allclose(found.residuals, residuals, atol=1e-14)


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("how", ["name", "array"])
def test_sigma_is_scipys(data, absolute, how):
    sigma = "s" if how == "name" else data["s"]
    found = fit(DECAY, data, "y", sigma=sigma, absolute_sigma=absolute)
    x, covariance = optimize.curve_fit(
        *(decay, data["t"], data["y"], [1, 1, 1]),
        sigma=data["s"],
        absolute_sigma=absolute,
        xtol=1e-14,
        ftol=1e-14,
        gtol=1e-14,
    )
    np.testing.assert_allclose(found.x, x, rtol=1e-7)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-5)


def test_weights_are_inverse_squares_of_sigma(data):
    weighted = fit(DECAY, data, "y", weights="w")
    scaled = fit(DECAY, data, "y", sigma=data["w"] ** -0.5)
    np.testing.assert_allclose(weighted.x, scaled.x, rtol=1e-7)
    np.testing.assert_allclose(weighted.covariance, scaled.covariance, rtol=1e-6)
    assert weighted.r_squared == pytest.approx(scaled.r_squared, rel=1e-12)


def test_whole_weights_count_rows(data):
    counts = np.arange(60) % 3
    repeated = {name: np.repeat(each, counts) for name, each in data.items()}
    weighted = fit(DECAY, data, "y", weights=counts)
    np.testing.assert_allclose(weighted.x, fit(DECAY, repeated, "y").x, rtol=1e-7)
    assert weighted.degrees_of_freedom == np.count_nonzero(counts) - 3


def test_a_linear_model_is_solved_at_once():
    rng = np.random.default_rng(2)
    u, v, e = rng.standard_normal((3, 40))
    y = 3 - 2 * u + 0.5 * v + 0.1 * e
    found = fit("p0 + p1*u + p2*v", {"u": u, "v": v, "y": y}, "y")
    design = np.column_stack([np.ones(40), u, v])
    solution, squares, *_ = np.linalg.lstsq(design, y)
    np.testing.assert_allclose(found.x, solution, rtol=1e-12)
    exact = squares[0] / 37 * np.linalg.inv(design.T @ design)
    np.testing.assert_allclose(found.covariance, exact, rtol=1e-10)
    assert found.nit == 0
    assert found.start_source == "p0, p1, p2 by linear least squares"


def test_an_exact_optimum_in_many_digits():
    t, y = [0, 1, 2, 3, 4, 5], [3.0, 1.9, 1.1, 0.8, 0.4, 0.3]
    found = fit("a*exp(-b*t)", {"t": t, "y": y}, "y")
    with mpmath.workdps(40):

        def normal(a, b):
            e = [mpmath.exp(-b * u) for u in t]
            r = [a * each - mpmath.mpf(v) for each, v in zip(e, y, strict=True)]
            first = sum(q * each for q, each in zip(r, e, strict=True))
            second = sum(q * u * p for q, u, p in zip(r, t, e, strict=True))
            return first, second

        exact = mpmath.findroot(normal, tuple(found.x))
    np.testing.assert_allclose(found.x, [float(v) for v in exact], rtol=1e-8)


def test_sizes_side_by_side():
    t = np.linspace(1, 9e3, 80)
    y = 3e3 * t / (1 + 2e-4 * t)
    found = fit("a*t/(1 + b*t)", {"t": t, "y": y}, "y", [30, 2e-3])
    np.testing.assert_allclose(found.x, [3e3, 2e-4], rtol=1e-10)


@pytest.mark.parametrize("factor", [0.1, 10])
def test_starts_that_are_off_by_ten(factor):
    t = np.linspace(0, 40, 90)
    true = np.array([120.0, 5.0, 0.3])
    y = true[0] / (1 + np.exp(true[1] - true[2] * t))
    found = fit("k/(1 + exp(m - r*t))", {"t": t, "y": y}, "y", true * factor)
    np.testing.assert_allclose(found.x, true, rtol=1e-9)


def test_columns_of_other_types_are_read_in_place(data):
    t = np.repeat(data["t"].astype(np.float32), 2)[::2]
    other = {"t": t, "y": data["y"][::-1][::-1]}
    found = fit(DECAY, other, "y")
    same = fit(DECAY, {"t": t.astype(float), "y": data["y"]}, "y")
    np.testing.assert_allclose(found.x, same.x, rtol=1e-7)


def test_a_sympy_model_and_names_that_are_functions(data):
    gamma, t = sp.Symbol("gamma"), sp.Symbol("t")
    found = fit(gamma * sp.exp(-sp.Symbol("beta") * t), data, "y")
    assert list(found.parameters) == ["beta", "gamma"]
    assert fit("x10*t + x2 + E**2", data, "y").names == ("x2", "x10")


def test_a_parameter_e_is_no_constant_but_where_its_powers_are_taken(recwarn):
    T = np.linspace(280, 330, 6)
    data = {"T": T, "y": 5e6 * np.exp(-40000 / (8.314 * T))}
    found = fit("A*exp(-E/(8.314*T))", data, "y", bounds={"E": (0, None)})
    assert found.parameters["E"] == pytest.approx(40000)
    assert not recwarn
    with pytest.warns(UserWarning, match=r"'E' is a parameter in .* is exp\(1\)"):
        found = fit("A*exp(-E/(8.314*T))", data, "y")
    assert found.parameters["E"] == pytest.approx(40000)
    data["y"] = 5 * np.exp(-T / 300) + np.e
    with pytest.warns(UserWarning, match=r"'E' in .* is Euler's number"):
        assert fit("A*E**(-T/300) + E", data, "y").names == ("A",)
    data = {"E": T, "y": 3 * T}
    assert fit("a*E", data, "y").names == ("a",)
    with pytest.raises(FormulaError):
        fit("A*exp(-E/(T)", data, "y")


def test_what_may_be_a_slip_is_told_where_fit_is_called_each_time():
    data = {"t": np.arange(4.0), "time": np.ones(4), "y": [2.0, 3.0, 5.0, 6.0]}
    model = "b*timee + c*t"
    for _ in range(2):
        with pytest.warns(UserWarning, match="did you mean 'time'") as told:
            fit(model, data, "y", [1.0, 1.0, 1.0])
        assert [each.filename for each in told] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(model, data, "y", {"b": 1.0, "c": 1.0, "timee": 1.0})
        fit(model, data | {"timee": np.ones(4)}, "y", [1.0, 1.0])


def test_a_model_without_a_column_is_refused(data):
    with pytest.raises(InputError, match="none of the columns"):
        fit("a*exp(-b*time) + c", data, "y")
    assert fit("level", data, "y").success


def test_a_row_where_no_start_is_finite_is_named(data):
    with pytest.raises(InputError, match=r"it is (nan|-inf) in row 0 \(t = 0.0\)"):
        fit("a*log(t - 1)", {"t": [0.0, 2, 3, 4], "y": [1.0, 2, 3, 5]}, "y")


# -------------------------------------------------------------------- bounds


def test_an_active_bound(data):
    found = fit(DECAY, data, "y", bounds={"c": (0.7, None)})
    bounds = ([-np.inf, -np.inf, 0.7], np.inf)
    x, _ = optimize.curve_fit(
        *(decay, data["t"], data["y"], [1, 1, 1]),
        bounds=bounds,
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
    )
    assert found.status == Status.CONVERGED
    np.testing.assert_allclose(found.x, x, rtol=1e-6)
    assert found.at_bound == ("c",)
    # The others' covariance is that of a model in which it is a constant.
    held = fit("a*exp(-b*t) + 0.7", data, "y")
    np.testing.assert_allclose(found.x[:2], held.x, rtol=1e-7)
    np.testing.assert_allclose(
        found.covariance[:2, :2] * found.degrees_of_freedom,
        held.covariance * held.degrees_of_freedom,
        rtol=1e-5,
    )
    assert found.standard_errors["c"] == 0.0
    assert "at its bound" in str(found)


def test_bounds_in_the_way_are_left_again():
    t = np.linspace(0, 3, 30)
    data = {"t": t, "y": 2 * np.exp(-1.5 * t)}
    found = fit("a*exp(-b*t)", data, "y", [0, 0], bounds=[(0, 5), (0, 5)])
    np.testing.assert_allclose(found.x, [2, 1.5], rtol=1e-9)
    assert found.at_bound == ()


def test_all_parameters_at_bounds(data):
    found = fit("a + b*t", data, "y", bounds={"a": (3, 4), "b": (1, 2)})
    assert found.x.tolist() == [3.0, 1.0]
    assert found.success
    assert found.covariance.tolist() == [[0.0, 0.0], [0.0, 0.0]]


# -------------------------------------------------------------------- losses

RHO = {
    "huber": lambda r: np.where(abs(r) < 1.345, r**2 / 2, 1.345 * (abs(r) - 0.6725)),
    "log_cosh": lambda r: np.logaddexp(r, -r) - np.log(2),
    "absolute": abs,
    "log(1 + (r/k)**2)": lambda r: np.log1p((r / 3.0) ** 2),
}


@pytest.mark.parametrize("loss", RHO)
def test_losses_against_direct_minimisation(spoilt, loss):
    constants = {"k": 3.0} if "k)" in loss else {}
    found = fit(DECAY, spoilt, "y", loss=loss, sigma=0.1, **constants)

    def total(x):
        return RHO[loss]((decay(spoilt["t"], *x) - spoilt["y"]) / 0.1).sum()

    direct = optimize.minimize(
        *(total, found.x * 1.01),
        method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 5000},
    )
    assert found.success
    assert found.fun <= direct.fun * (1 + 1e-8)
    assert found.fun == pytest.approx(total(found.x), rel=1e-12)
    np.testing.assert_allclose(found.x, [2.5, 0.8, 0.5], atol=0.12)


def test_huber_is_scipys(spoilt):
    found = fit(DECAY, spoilt, "y", loss="huber", huber_delta=0.3, sigma=1.0)
    theirs = optimize.least_squares(
        lambda x: decay(spoilt["t"], *x) - spoilt["y"],
        [2, 1, 1],
        loss="huber",
        f_scale=0.3,
        xtol=1e-14,
        ftol=1e-14,
        gtol=1e-14,
    )
    assert found.fun == pytest.approx(theirs.cost, rel=1e-9)
    np.testing.assert_allclose(found.x, theirs.x, rtol=1e-5)


def test_a_robust_fit_needs_no_scale(spoilt):
    found = fit(DECAY, spoilt, "y", loss="huber")
    assert 0.02 < found.scale < 0.1
    inflated = {"t": spoilt["t"], "y": 1e3 * spoilt["y"]}
    larger = fit(DECAY, inflated, "y", loss="huber")
    assert larger.scale == pytest.approx(1e3 * found.scale, rel=1e-6)
    np.testing.assert_allclose(larger.x, found.x * [1e3, 1, 1e3], rtol=1e-6)


def test_the_absolute_fit_of_a_constant_is_the_median():
    y = np.random.default_rng(3).exponential(size=51)
    assert fit("m", {"y": y}, "y", loss="absolute").x == pytest.approx(np.median(y))
    even = fit("m", {"y": y[:50]}, "y", loss="absolute")
    assert even.fun == pytest.approx(abs(y[:50] - np.median(y[:50])).sum(), rel=1e-8)


def test_the_absolute_fit_of_a_line_is_a_linear_program(spoilt):
    t, y = spoilt["t"], spoilt["y"]
    n = len(t)
    design = np.column_stack([np.ones(n), t])
    equations = np.hstack([design, np.eye(n), -np.eye(n)])
    cost = np.r_[0, 0, np.ones(2 * n)]
    bounds = [(None, None)] * 2 + [(0, None)] * (2 * n)
    program = optimize.linprog(cost, A_eq=equations, b_eq=y, bounds=bounds)
    found = fit("a + b*t", spoilt, "y", loss="absolute")
    assert found.fun == pytest.approx(program.fun, rel=1e-8)
    np.testing.assert_allclose(found.x, program.x[:2], rtol=1e-6)


# -------------------------------------------------------------------- starts


def test_partial_starts(data):
    found = fit(DECAY, data, "y", {"b": 3})
    assert found.start[1] == 3.0
    assert found.start_source == "a, c by linear least squares, the others given"
    assert fit(DECAY, data, "y", {"c": 0, "a": 1, "b": 1}).start_source == "given"


def test_chosen_starts_are_repeatable_and_within_bounds(data):
    model, bounds = "a*exp(-b*t) + c*sin(d*t)", {"b": (0.5, 2), "a": (None, 1)}
    first, second = (fit(model, data, "y", bounds=bounds) for _ in range(2))
    assert first.start.tolist() == second.start.tolist()
    assert 0.5 <= first.start[1] <= 2
    assert first.start[0] <= 1
    assert "b, d by trial (seed 0)" in first.start_source


def test_a_start_is_chosen_for_a_peak_far_away():
    x = np.linspace(400, 500, 101)
    y = 3 * np.exp(-(((x - 451.5) / 4) ** 2) / 2) + 1
    found = fit("h*exp(-((x - m)/s)**2/2) + c", {"x": x, "y": y}, "y")
    assert found.parameters["m"] == pytest.approx(451.5, abs=1e-8)


def test_a_branch_that_is_not_taken_has_no_part(data):
    model = "a*exp(-b*t) + c*(sqrt(t - 3)*exp(-b*t) if t > 3 else 0)"
    t = data["t"]
    bent = np.sqrt(np.clip(t - 3, 0, None)) * np.exp(-0.8 * t)
    table = {"t": t, "y": 2.5 * np.exp(-0.8 * t) + 0.3 * bent}
    for loss in ("squared", "log_cosh"):
        found = fit(model, table, "y", [1, 1, 0], loss=loss, sigma=1.0)
        np.testing.assert_allclose(found.x, [2.5, 0.8, 0.3], rtol=1e-6)


def test_steps_to_where_the_model_is_not_finite_are_rejected():
    t = np.linspace(1, 5, 30)
    found = fit("a*log(t - b)", {"t": t, "y": 2 * np.log(t - 0.9)}, "y", [1, -20])
    np.testing.assert_allclose(found.x, [2, 0.9], rtol=1e-8)


# ----------------------------------------------------------------- how it ends


def test_limits(data):
    found = fit(DECAY, data, "y", [1, 9, 1], maxiter=1)
    assert (found.status, found.success, found.nit) == (Status.MAXITER, False, 1)
    slow = fit(DECAY, data, "y", [1, 9, 1], time_limit=0)
    assert slow.status == Status.TIME_LIMIT
    assert "reached" in slow.message


def test_a_perfect_fit_has_converged():
    t = np.arange(8.0)
    found = fit("a*exp(-b*t)", {"t": t, "y": 3 * np.exp(-t / 2)}, "y", [1, 1])
    assert found.status == Status.CONVERGED
    np.testing.assert_allclose(found.x, [3, 0.5], rtol=1e-13)


def test_a_kink_that_is_no_optimum_is_no_success():
    def bent(x):
        value = 1 + abs(x[0]) + 0.1 * x[0]
        slope = np.array([np.sign(x[0]) + 0.1])
        return Point.of(x, value, value, slope, np.array([[1e-3]]))

    side = np.array([np.inf])
    stage = Stage(bent, np.array([1.0]), -side, side, Limits(1e-8, 10_000))
    assert descended(stage).status == Status.ABNORMAL


# ------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"target": "z"}, "unknown column for the target 'z'"),
        ({"model": "t*y"}, "the model has no parameters: all of its names are columns"),
        ({"x0": [1, 2]}, "x0 has shape"),
        ({"x0": {"q": 1}}, "unknown parameter in x0 'q'"),
        ({"bounds": {"q": (0, 1)}}, "unknown variable in bounds 'q'"),
        ({"sigma": "sgm"}, "unknown column for sigma 'sgm'"),
        ({"sigma": 0.0}, "sigma must be above 0"),
        ({"weights": -1.0}, "weights must be 0 or more"),
        ({"weights": np.ones(3)}, "the columns have different lengths"),
        ({"loss": "hubber"}, "did you mean 'huber'"),
        ({"loss": "cauchy"}, r"give the formula 'log\(1 \+ r\*\*2\)/2'"),
        ({"loss": "linear"}, "give 'squared'"),
        ({"loss": "c*r**2"}, "the loss has a constant 'c'"),
        ({"loss": "huber", "huber_delta": -1}, "huber_delta must be above 0"),
        ({"step_size": 1}, "unknown argument 'step_size'"),
        ({"maxitr": 1}, "did you mean 'maxiter'"),
        ({"p0": [1, 1, 1]}, "did you mean 'x0'"),
        ({"data": np.ones(3)}, "give names: {'x': x, 'y': y}"),
        ({"data": {"t (s)": [1, 2], "y": [1, 2]}}, "'t .s.' can't be a name"),
        ({"missing": "ignore"}, "unknown value of missing"),
        ({"gtol": -1}, "gtol must be a number"),
        ({"x0": [1, 2, np.nan]}, "x0 is not finite"),
    ],
)
def test_bad_input(data, arguments, problem):
    given = {"model": DECAY, "data": data, "target": "y", **arguments}
    with pytest.raises(InputError, match=problem):
        fit(**given)


def test_formulas_that_are_none(data):
    with pytest.raises(FormulaError):
        fit("a*exp(-b t)", data, "y")
    with pytest.raises(FormulaError):
        fit("floor(a*t)", data, "y")


def test_a_start_that_is_not_finite_names_the_first_row():
    data = {"t": [1.0, 2.0, 3.0], "y": [1.0, 1.0, 1.0]}
    found = fit("a/(t - b)", data, "y", [1, 2])
    told = "the start can't be used: at a = 1.0, b = 2.0, the model is inf in row 1"
    assert found.note.startswith(f"{told} (t = 2.0): another was searched")
    assert np.isfinite(found.fun)


@pytest.mark.parametrize("method", ["auto", "lbfgs"])
def test_a_start_where_the_model_is_infinite_is_replaced(method):
    t = np.linspace(300.0, 900.0, 30)
    data = {"t": t, "y": 5.0 * np.exp(-0.004 * t)}
    found = fit("a*exp(b*t)", data, "y", {"a": 1, "b": 3}, method=method)
    assert "the model is inf in row 0 (t = 300.0)" in found.note
    assert found.success
    np.testing.assert_allclose(found.x, [5.0, -0.004], rtol=1e-5)


def test_where_no_start_is_finite_there_is_no_fit():
    data = {"t": [0.0, 2.0, 3.0], "y": [1.0, 1.0, 1.0]}
    with pytest.raises(InputError, match=r"finite: it is inf in row 0 \(t = 0.0\)"):
        fit("exp(a) + exp(b)/t", data, "y", [1, 2])


def test_missing_rows(data):
    y = data["y"].copy()
    y[[3, 7]] = np.nan
    spoilt = {**data, "y": y}
    with pytest.raises(InputError, match="column 'y' is not finite"):
        fit(DECAY, spoilt, "y")
    kept = ~np.isnan(y)
    whole = {name: each[kept] for name, each in spoilt.items()}
    for sigma in ("s", data["s"]):
        found = fit(DECAY, spoilt, "y", sigma=sigma, missing="drop")
        np.testing.assert_allclose(found.x, fit(DECAY, whole, "y", sigma="s").x)
        assert "58 rows (2 dropped)" in str(found)


def test_names_of_ours_are_free():
    data = {"weight": np.arange(1.0, 9.0), "target": np.arange(1.0, 9.0) ** 2}
    found = fit("sigma*weight**scale", data, "target", loss="huber", sigma=1.0)
    assert found.parameters == pytest.approx({"scale": 2.0, "sigma": 1.0})


@pytest.mark.parametrize(
    ("model", "target", "problem"),
    [
        ("a*exp(-b*tt) + c", "y", "uses none of the columns t: 'tt'.*did you mean 't'"),
        ("a*y + b", "y", "the target 'y' is in the model"),
        ("a*t + b", np.ones(3), "target is the name of a column of the data"),
    ],
)
def test_columns_that_are_not_what_is_meant(model, target, problem):
    data = {"t": [1.0, 2, 3], "y": [1.0, 2, 4]}
    with pytest.raises(InputError, match=problem):
        fit(model, data, target)


def test_a_parameter_that_cancels_is_not_determined():
    rows = {"x": [1.0, 2.0, 3.0], "y": [2.1, 3.9, 6.0]}
    found = fit("a*x + b - b", rows, "y", {"b": 1})
    assert list(found.parameters) == ["a", "b"]
    assert "the data do not determine b" in repr(found)


WITH_TEMPERATURE = {
    "t": [1.0, 2.0, 3.0, 4.0],
    "Temp": [1.0, 0.0, 2.0, 1.0],
    "y": [4.0, 2.0, 1.1, 0.4],
}


def test_a_parameter_with_nearly_a_column_s_name_is_noted():
    with pytest.warns(UserWarning, match=r"'temp' is a parameter .*mean 'Temp'"):
        fit("a*exp(-b*t) + temp", WITH_TEMPERATURE, "y")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit("a*exp(-b*t) + temp", WITH_TEMPERATURE, "y", x0={"temp": 0.1})
        fit("a*exp(-b*t)", WITH_TEMPERATURE, "y")  # a table may have other columns


@pytest.mark.parametrize("method", ["lm", "trf", "Leastsq", "Nelder-Mead"])
def test_methods_of_others_are_answered_with_that_of_fits(method):
    with pytest.raises(InputError, match="default, Levenberg"):
        fit("a*exp(-b*t)", WITH_TEMPERATURE, "y", method=method)


@pytest.mark.parametrize("target", [[4, 2, 1.1, 0.4], 3])
def test_numbers_are_no_target(target):
    with pytest.raises(InputError, match="is the name of a column"):
        fit("a*exp(-b*t)", WITH_TEMPERATURE, target)


def test_rows_of_different_lengths_are_told():
    with pytest.raises(InputError, match=r"'t' .*its rows have different lengths"):
        fit("a*t", {"t": [[1, 2], [3]], "y": [1, 2]}, "y")


def test_a_file_in_place_of_data_is_to_be_read():
    with pytest.raises(InputError, match=r"pandas\.read_csv\('a\.csv'\)"):
        fit("a*t", "a.csv", "y")
