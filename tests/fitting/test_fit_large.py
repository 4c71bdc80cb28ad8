"""Fits of many rows, which begin on a sample of them: the optimum is that of all."""

import numpy as np
import pytest

from symgd import InputError, Status
from symgd.fitting import regression
from symgd.fitting.curve_fit import fit
from symgd.fitting.rows import Rows

COUNT = 40_000
DECAY = "a*exp(-b*t) + c"
MODELS = {
    DECAY: ([2.5, 1.3, 0.5], [1, 1, 0]),
    "a*exp(-b*t) + d*exp(-e*t) + f": ([2, 3, 1.5, 0.5, 0.3], [1, 2, 1, 0.3, 0]),
    "h*exp(-((t - m)/s)**2/2) + k": ([3, 0.4, 2.2, 0.6], [1, 0, 2, 1]),
    "v*t/(k + t)": ([1.2, 4.0], [1, 1]),
    "L/(1 + exp(-r*(t - m)))": ([5, 2.4, 2.0], [1, 2, 1]),
}


def rows(model, true, noise=0.05, count=COUNT):
    rng = np.random.default_rng(5)
    t = np.linspace(0, 5, count)
    data = {"t": t, "y": np.zeros(count)}
    y = fit(model, data, "y", true, maxiter=0).predict(data)
    w, s = rng.integers(0, 3, count), rng.uniform(0.5, 2, count)
    return {"t": t, "y": y + noise * rng.standard_normal(count), "weight": w, "sd": s}


def without_sample(monkeypatch, *arguments, **options):
    with monkeypatch.context() as patch:
        patch.setattr(regression, "LARGE", np.inf)
        return fit(*arguments, **options)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("factors", [{}, {"weights": "weight", "sigma": "sd"}])
def test_a_sample_changes_nothing_but_the_way(model, factors, monkeypatch):
    true, start = MODELS[model]
    data = rows(model, true)
    given = {"target": "y", "x0": start, **factors, "gtol": 1e-10}
    found = fit(model, data, **given)
    whole = without_sample(monkeypatch, model, data, **given)
    assert found.status == whole.status == Status.CONVERGED
    np.testing.assert_allclose(found.x, whole.x, rtol=1e-9)
    np.testing.assert_allclose(found.covariance, whole.covariance, rtol=1e-8)
    assert found.fun == pytest.approx(whole.fun, rel=1e-14)
    assert found.nfev <= whole.nfev
    assert found.nit < whole.nit


@pytest.mark.parametrize("loss", ["squared", "log_cosh"])
def test_the_loop_sums_as_others_do_for_it(loss, monkeypatch):
    # As where threads sum over the rows.
    data = rows(DECAY, [2.5, 1.3, 0.5])
    within = fit(DECAY, data, "y", [1, 1, 0], loss=loss)
    monkeypatch.setattr(Rows, "native", lambda *_: None)
    outside = fit(DECAY, data, "y", [1, 1, 0], loss=loss)
    assert within.x.tolist() == outside.x.tolist()
    assert (within.fun, within.offset) == (outside.fun, outside.offset)
    assert (within.nit, within.nfev) == (outside.nit, outside.nfev)


def test_a_perfect_fit():
    data = rows(DECAY, [2.5, 1.3, 0.5], noise=0.0)
    found = fit(DECAY, data, "y", [1, 1, 0])
    assert found.status == Status.CONVERGED
    np.testing.assert_allclose(found.x, [2.5, 1.3, 0.5], rtol=1e-12)


def test_bounds():
    data = rows(DECAY, [2.5, 1.3, 0.5])
    found = fit(DECAY, data, "y", [1, 1, 0.7], bounds={"c": (0.6, None)})
    held = fit("a*exp(-b*t) + 0.6", data, "y", [1, 1])
    assert found.at_bound == ("c",)
    np.testing.assert_allclose(found.x[:2], held.x, rtol=1e-9)


def test_a_sample_without_what_matters():
    # The weight is on rows that no sample has.
    data = rows(DECAY, [2.5, 1.3, 0.5])
    weights = np.arange(COUNT) % regression.EVERY == 1
    kept = {name: each[weights] for name, each in data.items()}
    found = fit(DECAY, data, "y", [1, 1, 0], weights=weights.astype(float))
    np.testing.assert_allclose(found.x, fit(DECAY, kept, "y", [1, 1, 0]).x, rtol=1e-8)


def test_a_sample_that_is_of_another_curve(monkeypatch):
    data = rows(DECAY, [2.5, 1.3, 0.5])
    data["y"][:: regression.EVERY] = 1e3 * data["t"][:: regression.EVERY] ** 2
    found = fit(DECAY, data, "y", [1, 1, 0])
    whole = without_sample(monkeypatch, DECAY, data, "y", [1, 1, 0])
    assert found.fun <= whole.fun * (1 + 1e-12)


def test_what_the_data_leave_open():
    data = rows(DECAY, [2.5, 1.3, 0.5])
    found = fit("(a + d)*exp(-b*t) + c", data, "y", [1, 1, 0, 1])
    assert found.success
    (direction,) = found.undetermined
    assert direction == pytest.approx({"a": -1.0, "d": 1.0}) or direction == (
        pytest.approx({"a": 1.0, "d": -1.0})
    )


def test_strided_columns_and_whole_numbers(monkeypatch):
    data = rows(DECAY, [2.5, 1.3, 0.5], count=2 * COUNT)
    n = np.arange(2 * COUNT) // 100
    table = {"n": n[::2].astype(np.int16), "y": data["y"][::2]}
    model, start = "a*exp(-b*n/160) + c", [1, 1, 0]
    found = fit(model, table, "y", start)
    whole = without_sample(monkeypatch, model, table, "y", start)
    np.testing.assert_allclose(found.x, whole.x, rtol=1e-8)


def test_limits_hold_and_bad_starts_are_told():
    data = rows(DECAY, [2.5, 1.3, 0.5])
    for maxiter in (1, 3):
        found = fit(DECAY, data, "y", [1, 9, 1], maxiter=maxiter)
        assert (found.status, found.nit) == (Status.MAXITER, maxiter)
    assert fit(DECAY, data, "y", [1, 9, 1], time_limit=0).status == Status.TIME_LIMIT
    data["t"][1] = 0.0
    with pytest.raises(InputError, match=r"in row 0 \(t = 0.0\)"):
        fit("a/t + b", data, "y", [1, 1])
