"""A covariance matrix of the rows: against SciPy, and least squares of other rows."""

import numpy as np
import pytest
from scipy import optimize, stats

from symgd import InputError, Status
from symgd.fitting.curve_fit import fit

DECAY = "a*exp(-b*t) + c"
T = np.linspace(0, 5, 30)
NEAR = 0.05**2 * np.exp(-abs(T[:, None] - T) / 0.4)


@pytest.fixture(scope="module")
def data():
    noise = np.linalg.cholesky(NEAR) @ np.random.default_rng(2).normal(size=30)
    return {"t": T, "y": 2 * np.exp(-0.8 * T) + 0.5 + noise}


@pytest.mark.parametrize("absolute", [False, True])
def test_it_is_that_of_curve_fit(data, absolute):
    found = fit(DECAY, data, "y", sigma=NEAR, absolute_sigma=absolute)
    x, covariance = optimize.curve_fit(
        lambda t, a, b, c: a * np.exp(-b * t) + c,
        *(T, data["y"], [1, 1, 1]),
        sigma=NEAR,
        absolute_sigma=absolute,
        xtol=1e-14,
        ftol=1e-14,
        gtol=1e-14,
    )
    assert found.status == Status.CONVERGED
    np.testing.assert_allclose(found.x, x, rtol=1e-6)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-5)
    rest = found.residuals
    squares = rest @ np.linalg.solve(NEAR, rest)
    assert 2 * found.fun == pytest.approx(squares, rel=1e-10)


def test_a_diagonal_matrix_is_a_column_of_sigma(data):
    sigma = np.linspace(0.05, 0.2, 30)
    found = fit(DECAY, data, "y", sigma=np.diag(sigma**2))
    plain = fit(DECAY, data, "y", sigma=sigma)
    np.testing.assert_allclose(found.x, plain.x, rtol=1e-7)
    np.testing.assert_allclose(found.covariance, plain.covariance, rtol=1e-6)
    assert found.fun == pytest.approx(plain.fun, rel=1e-10)
    assert found.aic == pytest.approx(plain.aic, rel=1e-10)


def test_its_likelihood_is_that_of_a_normal_vector(data):
    found = fit(DECAY, data, "y", sigma=NEAR, absolute_sigma=True)
    exact = stats.multivariate_normal(np.zeros(30), NEAR).logpdf(found.residuals)
    assert found.log_likelihood == pytest.approx(exact, rel=1e-10)
    low, high = found.profile("b").interval
    assert low < found.parameters["b"] < high


def test_several_targets_may_be_correlated(data):
    rows = {"t": T, "u": data["y"], "v": 2 * data["y"][::-1]}
    wide = np.kron(np.array([[1.0, 0.5], [0.5, 2.0]]), NEAR)
    found = fit(["a*exp(-b*t)", "a*exp(-b*(5 - t))*d"], rows, ["u", "v"], sigma=wide)
    assert found.success
    rest = found.residuals
    squares = rest @ np.linalg.solve(wide, rest)
    assert 2 * found.fun == pytest.approx(squares, rel=1e-10)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"sigma": NEAR[:, :9]}, "must be square"),
        ({"sigma": NEAR + np.triu(NEAR)}, "must be symmetric"),
        ({"sigma": -NEAR}, "must be positive definite"),
        ({"sigma": np.full((30, 30), np.nan)}, "entries that aren't finite"),
        ({"sigma": NEAR[:9, :9]}, "different lengths"),
        ({"sigma": NEAR, "weights": 2.0}, "goes with neither weights nor sigma_x"),
        ({"sigma": NEAR, "loss": "huber"}, "needs the loss 'squared'"),
        ({"sigma": NEAR, "method": "lbfgs"}, "needs the method 'auto'"),
    ],
)
def test_what_is_no_covariance_is_said(data, given, problem):
    with pytest.raises(InputError, match=problem):
        fit(DECAY, data, "y", **given)


def test_a_checkpoint_is_of_one_matrix(data, tmp_path):
    file = tmp_path / "fit.npz"
    start = {"a": 1, "b": 3, "c": 1}
    whole = fit(DECAY, data, "y", start, sigma=NEAR)
    fit(DECAY, data, "y", start, sigma=NEAR, maxiter=2, checkpoint=file)
    rest = fit(DECAY, data, "y", start, sigma=NEAR, checkpoint=file)
    assert rest.x.tolist() == whole.x.tolist()
    other = NEAR + 0.5 * (NEAR - np.diag(np.diag(NEAR)))
    with pytest.raises(InputError, match="covariance"):
        fit(DECAY, data, "y", start, sigma=other, checkpoint=file)


def test_rows_are_neither_drawn_nor_dropped(data):
    with pytest.raises(InputError, match="aren't drawn from each other"):
        fit(DECAY, data, "y", sigma=NEAR).bootstrap(10)
    lost = {**data, "y": [np.nan, *data["y"][1:]]}
    with pytest.raises(InputError, match="can't be dropped"):
        fit(DECAY, lost, "y", sigma=NEAR, missing="drop")
