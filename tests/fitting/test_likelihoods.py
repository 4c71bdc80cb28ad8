"""Likelihoods: optima by SciPy, errors by Fisher's information, published models."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats

from symgd import FormulaError, InputError, Status
from symgd.fitting.curve_fit import fit
from symgd.fitting.likelihoods import _MADE, F, Y, family
from symgd.fitting.losses import LIKELIHOODS

DECAY = "a*exp(-b*t) + c"
LOGISTIC = "1/(1 + exp(-(a + b*t)))"
T = np.linspace(0, 10, 60)


def decay(t, a, b, c):
    return a * np.exp(-b * t) + c


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(0)
    return {"t": T, "y": rng.poisson(decay(T, 30, 0.4, 2)).astype(float)}


@pytest.fixture(scope="module")
def poisson(counts):
    return fit(DECAY, counts, "y", loss="poisson")


@pytest.fixture(scope="module")
def trials():
    rng = np.random.default_rng(1)
    n = rng.integers(5, 30, 60)
    return {"t": T, "k": rng.binomial(n, special.expit(0.7 * T - 3)), "n": n}


@pytest.fixture(scope="module")
def binomial(trials):
    return fit(LOGISTIC, trials, "k", loss="binomial", trials="n")


def negative_log_likelihoods(counts, trials):
    k, n = trials["k"], trials["n"]
    times = counts["y"] + 0.25
    return {
        "poisson": lambda x: -stats.poisson.logpmf(counts["y"], decay(T, *x)).sum(),
        "binomial": lambda x: (
            -stats.binom.logpmf(k, n, special.expit(x[0] + x[1] * T)).sum()
        ),
        "exponential": lambda x: -stats.expon.logpdf(times, scale=decay(T, *x)).sum(),
    }


def minimum_of(function, start):
    options = {"xatol": 1e-10, "fatol": 1e-13, "maxiter": 10_000, "maxfev": 10_000}
    with np.errstate(all="ignore"):
        return optimize.minimize(
            function, start, method="Nelder-Mead", options=options
        ).x


@pytest.fixture(scope="module")
def fits(counts, poisson, binomial):
    times = {"t": T, "y": counts["y"] + 0.25}
    exponential = fit(DECAY, times, "y", loss="exponential")
    return {"poisson": poisson, "binomial": binomial, "exponential": exponential}


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_optimum_is_scipys(name, fits, counts, trials):
    found, minus = fits[name], negative_log_likelihoods(counts, trials)[name]
    assert found.status == Status.CONVERGED
    expected = minimum_of(minus, found.x * 1.05)
    np.testing.assert_allclose(found.x, expected, rtol=3e-6)
    assert found.log_likelihood == pytest.approx(-minus(found.x), rel=1e-12)
    assert found.aic == pytest.approx(2 * len(found.x) + 2 * minus(found.x), rel=1e-12)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_errors_are_those_of_fishers_information(name, fits, trials):
    found = fits[name]
    value, slopes = found.regression.curve(found.x)
    n = trials["n"] if name == "binomial" else 1.0
    weight = {"poisson": 1 / value, "binomial": n / (value * (1 - value))}.get(
        name, value**-2
    )
    information = slopes.T @ (weight[:, None] * slopes)
    np.testing.assert_allclose(found.covariance, np.linalg.inv(information), rtol=1e-9)


def test_dobsons_counts_are_those_of_r():
    """Return the example of R's ``glm``, after Dobson 1990, page 93."""
    outcome, treatment = np.tile([1, 2, 3], 3), np.repeat([1, 2, 3], 3)
    data = {"n": [18, 17, 15, 20, 10, 20, 25, 13, 12]}
    data |= {f"o{k}": (outcome == k) * 1 for k in (2, 3)}
    data |= {f"t{k}": (treatment == k) * 1 for k in (2, 3)}
    found = fit("exp(b1 + b2*o2 + b3*o3 + b4*t2 + b5*t3)", data, "n", loss="poisson")
    expected = [3.045, -0.4543, -0.2930, 0, 0]
    np.testing.assert_allclose(found.x, expected, rtol=2e-4, atol=1e-12)
    errors = [*found.standard_errors.values()]
    np.testing.assert_allclose(errors, [0.1709, 0.2022, 0.1927, 0.2, 0.2], rtol=3e-4)
    assert 2 * found.fun == pytest.approx(5.1291, abs=1e-4)
    assert 2 * found.regression.sum_of_a_constant == pytest.approx(10.5814, abs=1e-4)
    assert found.aic == pytest.approx(56.76, abs=0.01)
    assert found.degrees_of_freedom == 4


def test_budworms_are_those_of_venables_and_ripley():
    """Return the example of Modern Applied Statistics with S, section 7.2."""
    killed = [1, 4, 9, 13, 18, 20, 0, 2, 6, 10, 12, 16]
    data = {"male": np.repeat([1, 0], 6), "dose": np.tile(range(6), 2), "k": killed}
    model = "sigmoid(a + b*male + c*dose + d*male*dose)"
    found = fit(model, data, "k", loss="binomial", trials=20)
    np.testing.assert_allclose(found.x, [-2.9935, 0.1750, 0.9060, 0.3529], rtol=3e-4)
    errors = [*found.standard_errors.values()]
    np.testing.assert_allclose(errors, [0.5527, 0.7783, 0.1671, 0.2700], rtol=3e-4)
    assert 2 * found.fun == pytest.approx(4.9937, abs=1e-4)
    assert found.aic == pytest.approx(43.104, abs=1e-3)


def test_single_trials_say_the_same_as_sums_of_them(trials, binomial):
    t = np.repeat(T, trials["n"])
    pairs = zip(trials["k"], trials["n"], strict=True)
    y = np.concatenate([np.arange(n) < k for k, n in pairs])
    found = fit(LOGISTIC, {"t": t, "y": y}, "y", loss="binomial")
    np.testing.assert_allclose(found.x, binomial.x, rtol=1e-7)
    np.testing.assert_allclose(found.covariance, binomial.covariance, rtol=1e-6)


def test_weights_count_rows(counts):
    often = np.arange(60) % 3
    repeated = {name: np.repeat(column, often) for name, column in counts.items()}
    whole = fit(DECAY, repeated, "y", loss="poisson")
    found = fit(DECAY, counts, "y", loss="poisson", weights=often)
    np.testing.assert_allclose(found.x, whole.x, rtol=1e-7)
    np.testing.assert_allclose(found.covariance, whole.covariance, rtol=1e-6)
    assert found.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-12)


# --------------------------------------------------------------- formulas in y and f


def test_a_formula_of_y_and_f_has_its_own_optimum(counts, poisson):
    same = fit(DECAY, counts, "y", loss="f - y*log(f)")
    np.testing.assert_allclose(same.x, poisson.x, rtol=1e-7)
    pearson = fit(DECAY, counts, "y", loss="(y - f)**2/f")

    def chi_squared(x):
        value = decay(T, *x)
        return ((counts["y"] - value) ** 2 / value).sum() if value.min() > 0 else np.inf

    expected = minimum_of(chi_squared, pearson.x * 1.05)
    np.testing.assert_allclose(pearson.x, expected, rtol=3e-6)
    assert pearson.fun == pytest.approx(chi_squared(pearson.x), rel=1e-12)


def test_its_errors_do_not_depend_on_its_unit(counts):
    one, other = (fit(DECAY, counts, "y", loss=f"{k}*(y - f)**2/f") for k in (1, 7))
    np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-6)


def test_squares_as_a_formula_of_y_and_f_are_squares(counts):
    plain = fit(DECAY, counts, "y")
    found = fit(DECAY, counts, "y", loss="(y - f)**2/(2*s)", s=1.0)
    np.testing.assert_allclose(found.x, plain.x, rtol=1e-7)
    assert found.fun == pytest.approx(plain.fun, rel=1e-12)


# ---------------------------------------------------------------------- the families


@pytest.mark.parametrize("name", LIKELIHOODS)
@settings(deadline=None, max_examples=50)
@given(f=st.floats(0.01, 0.99), y=st.floats(0.01, 0.99))
def test_derivatives_and_information_belong_together(name, f, y):
    own = family(name)
    at = {F: f, Y: y}
    score = own.score.subs(at)
    assert float(own.value.diff(F).subs(at) - score) == pytest.approx(0, abs=1e-8)
    bend = float(own.curvature.subs(at))
    assert float(own.score.diff(F).subs(at)) == pytest.approx(bend, rel=1e-9)
    assert float(own.value.subs({F: y, Y: y})) == pytest.approx(0, abs=1e-12)
    # The curvature is linear in y, whose mean is f.
    mean = float(own.curvature.subs({F: f, Y: f}))
    assert float(own.information.subs(at)) == pytest.approx(mean, rel=1e-9)
    squared = float(score) ** 2 / mean
    assert float(own.chi_squared.subs(at)) == pytest.approx(squared, rel=1e-6)


def test_the_families_are_those_that_losses_name():
    assert (*_MADE,) == LIKELIHOODS


# --------------------------------------------------------------------------- the edge


def test_a_rate_of_0_may_be_met():
    x = np.arange(30.0)
    y = np.random.default_rng(2).poisson(3 * x)
    found = fit("a*x", {"x": x, "y": y}, "y", loss="poisson")
    assert found.success
    assert found.x[0] == pytest.approx(y.sum() / x.sum(), rel=1e-9)


def test_exact_counts_are_met():
    found = fit("a*exp(-b*t)", {"t": T, "y": 50 * np.exp(-T)}, "y", loss="poisson")
    assert found.status == Status.CONVERGED
    np.testing.assert_allclose(found.x, [50, 1], rtol=1e-9)


def test_no_model_goes_below_0():
    """Return the optimum on the edge: it is no minimum, and no success."""
    x = np.arange(10.0)
    found = fit("a - b*x", {"x": x, "y": [9, 7, 8, 5, 2, 4, 2, 1, 0, 0]}, "y",
                loss="poisson")  # fmt: skip
    assert (found.predict({"x": x}) > -1e-9).all()


def test_what_is_separated_has_no_optimum():
    rows = {"t": T, "y": (T > 5) * 1.0}
    assert not fit(LOGISTIC, rows, "y", loss="binomial").success


def test_a_profile_of_a_likelihood_is_of_its_deviance(poisson, counts):
    low, high = poisson.profile("c").interval
    for end in (low, high):
        held = fit(DECAY, counts, "y", loss="poisson", fixed={"c": end})
        grown = 2 * (held.fun - poisson.fun)
        assert grown == pytest.approx(stats.chi2.ppf(0.95, 1), rel=1e-6)


def test_likelihoods_of_nested_models(poisson, counts):
    smaller = fit(DECAY, counts, "y", loss="poisson", fixed={"c": 0})
    found = poisson.likelihood_ratio_test(smaller)
    assert found.statistic == pytest.approx(2 * (smaller.fun - poisson.fun), rel=1e-9)
    assert found.p == pytest.approx(stats.chi2.sf(found.statistic, 1), rel=1e-9)


def test_other_methods_have_the_same_sum(poisson, counts):
    other = fit(DECAY, counts, "y", loss="poisson", method="lbfgs")
    np.testing.assert_allclose(other.x, poisson.x, rtol=1e-6)
    assert poisson.objective.value(poisson.x) == pytest.approx(poisson.fun, rel=1e-12)
    np.testing.assert_allclose(
        poisson.jac, poisson.objective.grad(poisson.x), atol=1e-8
    )


def test_the_table_tells_the_deviance(binomial):
    told = str(binomial)
    assert f"deviance (binomial) = {2 * binomial.fun:.8g}, of a constant" in told
    shares = binomial.regression.target
    n, f = binomial.regression.weight, shares - binomial.residuals
    pearson = (n * (shares - f) ** 2 / (f * (1 - f))).sum() / 58
    assert binomial.dispersion == pytest.approx(pearson, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"loss": "poisson", "sigma": 1.0}, "takes weights, but no sigma"),
        ({"loss": "squared", "trials": 3}, "trials are for the loss 'binomial'"),
        ({"loss": "binomial", "trials": 9, "weights": 2}, "trials are weights"),
        ({"loss": "binomial"}, r"needs a target from 0 to .* give trials="),
        ({"loss": "binomial", "trials": 3}, "needs a target from 0 to the number"),
        ({"loss": "binomial", "trials": -1}, "trials must be 0 or more"),
        ({"loss": "binomial", "trials": "m"}, "unknown column for trials 'm'"),
        ({"loss": "poison"}, "did you mean 'poisson'"),
        ({"loss": "(y - f)**2/q"}, "the loss has a constant 'q'"),
        ({"loss": "f - f + y"}, "doesn't depend on f"),
        ({"loss": "y**2"}, "has no r"),
    ],
)
def test_what_can_not_be_used_is_said(counts, change, problem):
    with pytest.raises(InputError, match=problem):
        fit(DECAY, counts, "y", **change)


def test_a_target_below_0_is_no_count(counts):
    rows = {**counts, "y": counts["y"] - 9}
    with pytest.raises(InputError, match=r"'poisson' needs a target 0 or more: 'y' is"):
        fit(DECAY, rows, "y", loss="poisson")


def test_a_loss_that_ends_too_soon_is_told(counts):
    rows = {**counts, "y": counts["y"] - 9}
    with pytest.raises(FormulaError, match="something is missing after it"):
        fit(DECAY, rows, "y", loss="(y - f)**2/f +")


def test_a_start_that_is_not_allowed_names_its_row(counts):
    found = fit("a*exp(-b*t)", counts, "y", [-1, 1], loss="poisson")
    assert "which the loss 'poisson' doesn't allow, in row 0" in found.note
    assert found.success


def test_few_facts_of_a_robust_loss_are_those_of_no_likelihood(counts):
    robust = fit(DECAY, counts, "y", loss="(y - f)**2/f")
    assert not robust.is_likelihood
    assert math.isfinite(robust.dispersion)
    with pytest.raises(InputError, match="the loss 'custom' is no likelihood"):
        _ = robust.aic


@pytest.mark.parametrize("loss", ["f - y*log(f)", "y*log(y/f) - y + f", "r*tanh(r)"])
def test_the_sum_of_a_loss_is_an_objective_of_its_own(loss):
    source, t = np.random.default_rng(0), np.linspace(0.1, 4.0, 40)
    data = {"t": t, "y": source.poisson(9 * np.exp(-t) + 0.5).astype(float)}
    found = fit("a*exp(-b*t) + c", data, "y", loss=loss, x0=[9.0, 1.0, 0.5])
    assert found.objective.value(found.x) == pytest.approx(found.fun, rel=1e-12)
    other = fit("a*exp(-b*t) + c", data, "y", loss=loss, x0=found.x, method="lbfgs")
    assert other.fun == pytest.approx(found.fun, rel=1e-10)
