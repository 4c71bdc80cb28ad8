"""The stage of the default method that has products of the Hessian only."""

import numpy as np
import pytest

from symgd import Objective, Status, minimize, minimize_many
from symgd.descent import truncated_run

SCALED_COSINE = "sum(cos((s[i]*x[i])**2 - s[i+1]*x[i+1]/2) for i in range(n-1))"
QUADRATIC = (
    "sum(s[i]*(x[i] - i/n)**2 for i in range(n)) + (a - sum(x[i] for i in range(n)))**2"
    " + sum((x[i+1] - x[i])**2 for i in range(n-1))"
)


@pytest.fixture
def at_once(monkeypatch):
    """Let the stage be the first."""
    monkeypatch.setattr(truncated_run, "LBFGS_ITERATIONS", 0)


def scaled_cosine(n):
    scales = np.exp(12 * np.arange(n) / (n - 1))
    return Objective(SCALED_COSINE, data={"s": scales}), 1 / scales


def quadratic(n, seed=0):
    scales = 10 ** np.random.default_rng(seed).uniform(-3, 3, n)
    return Objective(QUADRATIC, ["a", "x"], data={"s": scales})


def hessian(objective, x):
    return np.array([objective.hessp(x, each) for each in np.eye(len(x))])


def test_what_is_scaled_badly_ends_at_its_minimum():
    objective, start = scaled_cosine(1000)
    result = minimize(objective, start)
    assert result.success
    assert result.fun == pytest.approx(-999, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_a_quadratic_ends_where_its_gradient_is_0(at_once, seed):
    objective, x = quadratic(60, seed), np.zeros(61)
    expected = -np.linalg.solve(hessian(objective, x), objective.grad(x))
    result = minimize(objective, x)
    assert result.status == Status.CONVERGED
    assert result.nit < 30
    np.testing.assert_allclose(result.x, expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_bounds_hold_what_falls_towards_them(at_once, seed):
    objective, x = quadratic(60, seed), np.full(61, 0.25)
    bounds = [(0.1, 0.4)] * 61
    result = minimize(objective, x, bounds=bounds)
    assert result.status == Status.CONVERGED
    assert (result.x >= 0.1).all()
    assert (result.x <= 0.4).all()
    slopes = objective.grad(result.x)
    free = (result.x > 0.1) & (result.x < 0.4)
    assert np.abs(slopes[free]).max(initial=0.0) < 1e-6
    assert (slopes[result.x == 0.1] >= 0).all()
    assert (slopes[result.x == 0.4] <= 0).all()
    assert free.any()
    assert not free.all()


def test_a_hill_is_left(at_once):
    hilly = Objective("sum(x[i]**4 - x[i]**2 for i in range(n))", sizes={"n": 60})
    result = minimize(hilly, np.full(60, 1e-3))
    assert result.success
    assert result.fun == pytest.approx(-15.0)


def test_what_has_no_lowest_value_diverges(at_once):
    falling = Objective("sum(x[i]**3 for i in range(n))", sizes={"n": 60})
    assert minimize(falling, np.ones(60)).status == Status.DIVERGED


def test_slices_and_checkpoints_change_nothing(at_once, tmp_path):
    objective, start = scaled_cosine(80)
    whole = minimize(objective, start)
    file = tmp_path / "run"
    stopped = minimize(objective, start, checkpoint=file, callback=lambda s: s.t >= 5)
    assert 0 < stopped.nit < whole.nit
    resumed = minimize(objective, start, checkpoint=file)
    assert resumed.nit == whole.nit
    np.testing.assert_array_equal(resumed.x, whole.x)


def test_many_starts_end_as_each_does_alone():
    objective, start = scaled_cosine(60)
    starts = start * np.array([[1.0], [0.7], [1.3]])
    together = minimize_many(objective, starts)
    for each, ended in zip(starts, together, strict=True):
        alone = minimize(objective, each)
        assert (ended.status, ended.fun) == (alone.status, alone.fun)


def test_a_product_is_that_of_the_whole_hessian():
    objective = quadratic(60)
    rng = np.random.default_rng(1)
    x, v = rng.normal(size=(2, 61))
    whole = hessian(objective, x)
    np.testing.assert_allclose(whole, whole.T, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(objective.hessp(x, v), whole @ v, rtol=1e-10)
    other = quadratic(60, seed=1)  # whose product is its own
    np.testing.assert_allclose(other.hessp(x, v), hessian(other, x) @ v, rtol=1e-10)
    assert not np.allclose(other.hessp(x, v), whole @ v)
