"""Truncated Newton steps: what they find, and that they are steps of a run."""

import numpy as np
import pytest

from symgd import Objective, Status, minimize, minimize_many
from symgd.descent import truncated_run
from symgd.descent.truncated_run import TruncatedRun, units_differ

# CUTEst's SCOSINE and SBRYBND: of units as different as exp(12) and 1.
SCALED_COSINE = "sum(cos((s[i]*x[i])**2 - 0.5*s[i + 1]*x[i + 1]) for i in range(n - 1))"
SCALED_BAND = (
    "sum((s[i]*x[i]*(2 + 5*(s[i]*x[i])**2) + 1 + s[i]*x[i]*(1 + s[i]*x[i])"
    " - sum(s[j]*x[j]*(1 + s[j]*x[j]) for j in range(max(0, i - 5), min(n, i + 2))))**2"
    " for i in range(n))"
)
QUADRATIC = (
    "sum(s[i]*(x[i] - i/n)**2 for i in range(n)) + (a - sum(x[i] for i in range(n)))**2"
    " + sum((x[i+1] - x[i])**2 for i in range(n-1))"
)
BENT = "sum((x[i + 1] - x[i]**2)**2 + (x[i] - 1)**4/(i + 1) for i in range(n - 1))"
BOUNDARY_VALUES = (
    "sum((2*x[i + 1] - x[i] - x[i + 2] + h**2*(x[i + 1] + (i + 1)*h + 1)**3/2)**2"
    " for i in range(n - 2))"
)


def scales(n, power=12):
    return np.exp(power * np.arange(n) / (n - 1))


def scaled(formula, n, power=12):
    s = scales(n, power)
    return Objective(formula, data={"s": s}), 1 / s


@pytest.fixture
def at_once(monkeypatch):
    """Begin with truncated Newton steps, whatever the start."""
    monkeypatch.setattr(truncated_run, "units_differ", lambda *_: True)


# ------------------------------------------------------------------ what they find


@pytest.mark.parametrize("power", [6, 12])
def test_units_that_differ_much_are_seen_in_the_start(power):
    cosine, start = scaled(SCALED_COSINE, 1000, power)
    result = minimize(cosine, start)
    assert result.status == Status.CONVERGED
    assert result.fun == pytest.approx(-999, abs=1e-9)
    assert result.nit < 100
    band, start = scaled(SCALED_BAND, 1000, power)
    result = minimize(band, start)
    assert result.status.success
    s = scales(1000, power)
    assert np.abs(result.jac / s).max() < 1e-8
    assert np.linalg.eigvalsh(band.hess(result.x) / np.outer(s, s))[0] > -1e-9


def test_units_are_alike_at_usual_starts():
    rng, n = np.random.default_rng(0), 400
    slopes = rng.normal(size=n)
    for start in (rng.normal(size=n), rng.uniform(size=n), np.arange(n) + 1.0):
        assert not units_differ(start, slopes)
        assert not units_differ(start, start)
        assert not units_differ(start, 1 / start)
    assert not units_differ(np.zeros(n), slopes)
    assert units_differ(1 / scales(n), scales(n))


def test_what_lbfgs_does_not_solve_soon_is_solved_by_products():
    f, n = Objective(BOUNDARY_VALUES, parameters={"h": 1 / 101}), 102
    t = np.arange(n) / 101
    result = minimize(f, t * (t - 1))
    assert result.status == Status.CONVERGED
    assert truncated_run.LBFGS_ITERATIONS < result.nit < 1500
    assert result.fun < 1e-20


@pytest.mark.parametrize("seed", range(4))
def test_a_quadratic_ends_where_its_gradient_is_0(at_once, seed):
    sizes = 10 ** np.random.default_rng(seed).uniform(-3, 3, 60)
    objective = Objective(QUADRATIC, ["a", "x"], data={"s": sizes})
    x = np.zeros(61)
    hessian = np.array([objective.hessp(x, each) for each in np.eye(61)])
    result = minimize(objective, x)
    assert result.status == Status.CONVERGED
    expected = -np.linalg.solve(hessian, objective.grad(x))
    np.testing.assert_allclose(result.x, expected, atol=1e-6)


def test_bounds_hold_coordinates_and_let_them_go(at_once):
    f = "sum((i + 1)*(x[i] - c[i])**2 + (x[i]*x[i + 1])**2 for i in range(n - 1))"
    n = 90
    wanted = np.cos(np.arange(n)) * 2
    objective = Objective(f, data={"c": wanted}, sizes={"n": n})
    box = [(-0.5, 0.7)] * n
    result = minimize(objective, np.full(n, 0.7), bounds=box)
    assert result.status == Status.CONVERGED
    x, g = np.array(result.x), np.array(result.jac)
    assert ((x >= -0.5) & (x <= 0.7)).all()
    inside = (x > -0.5) & (x < 0.7)
    assert 0 < inside.sum() < n
    assert np.abs(g[inside]).max() < 1e-7
    assert (g[x == -0.5] >= 0).all()
    assert (g[x == 0.7] <= 0).all()
    assert result.nit < 30


def test_negative_curvature_is_followed_down(at_once):
    f = "sum((x[i]**2 - 1)**2 for i in range(n))"
    result = minimize(f, np.where(np.arange(70) % 2, 1e-3, -1e-3), gtol=1e-9)
    assert result.status == Status.CONVERGED
    np.testing.assert_allclose(np.abs(result.x), 1)


def test_a_saddle_is_no_success(at_once):
    f = "sum(x[i]**2 for i in range(n - 1)) - x[n - 1]**2 + x[n - 1]**4"
    result = minimize(f, np.append(np.ones(70), 0.0))
    assert result.status.success
    assert result.fun == pytest.approx(-0.25)


def test_no_lower_bound_is_told(at_once):
    result = minimize("sum(x[i]**3 for i in range(n))", np.full(60, -1.0))
    assert result.status == Status.DIVERGED
    assert "without bound" in result.message


def test_up_to_50_variables_the_exact_hessian_is_used(monkeypatch):
    monkeypatch.setattr(TruncatedRun, "__init__", None)
    assert minimize(BENT, np.full(50, 0.5)).status.success
    with pytest.raises(TypeError):
        minimize(BENT, np.full(51, 0.5))


# ------------------------------------------------------------- steps of a run


def same(a, b):
    assert a.x.tobytes() == b.x.tobytes()
    assert (a.fun, a.nit, a.nfev, a.status) == (b.fun, b.nit, b.nfev, b.status)


def test_slices_a_callback_and_a_trace_change_nothing(at_once):
    start, seen = np.full(80, 0.5), []
    whole = minimize(BENT, start)
    same(whole, minimize(BENT, start, trace=1, callback=lambda r: seen.append(r.nit)))
    assert seen[0] == 0
    assert seen[-1] == whole.nit
    trace = minimize(BENT, start, trace=1).trace
    assert len(trace["t"]) == whole.nit + 1
    assert (np.diff(trace["fun"]) <= 1e-15).all()


@pytest.mark.parametrize("stopped", [0, 1, 4])
def test_a_run_goes_on_from_a_checkpoint_with_the_same_bits(at_once, stopped, tmp_path):
    start, file = np.full(80, 0.5), tmp_path / "c"
    minimize(BENT, start, maxiter=stopped, checkpoint=file)
    rest = minimize(BENT, start, checkpoint=file)
    same(rest, minimize(BENT, start))
    assert rest.nit > 4


def test_a_checkpoint_between_the_stages_goes_on_by_products(tmp_path):
    f, n = Objective(BOUNDARY_VALUES, parameters={"h": 1 / 101}), 102
    t, file = np.arange(n) / 101, tmp_path / "c"
    start, stage = t * (t - 1), truncated_run.LBFGS_ITERATIONS
    minimize(f, start, maxiter=stage, checkpoint=file)
    minimize(f, start, maxiter=stage + 3, checkpoint=file)
    same(minimize(f, start, checkpoint=file), minimize(f, start))


def test_a_time_limit_cuts_a_long_step_short(at_once):
    # Conjugate gradients alone would take seconds here.
    f = "sum((x[i] - 2*x[i + 1] + x[i + 2])**2 for i in range(n - 2)) + (x[0] - 1)**2"
    result = minimize(f, np.zeros(100_000), time_limit=0.2, gtol=1e-14)
    assert result.status == Status.TIME_LIMIT
    assert np.isfinite(result.x).all()
    assert result.seconds < 2


def test_many_starts_end_where_each_does_alone():
    f, first = scaled(SCALED_COSINE, 60)
    starts = [first, 1.2 * first, np.linspace(0.1, 1, 60)]
    many = minimize_many(f, starts, maxiter=1050)
    for k, start in enumerate(starts):
        alone = minimize(f, start, maxiter=1050)
        assert many.x[k].tobytes() == alone.x.tobytes()
        assert (many.nit[k], many.nfev[k]) == (alone.nit, alone.nfev)


# ---------------------------------------------------------------------- products


def test_a_product_is_compiled_once_and_knows_scalars():
    f = Objective(
        "sum((a*x[i] - b)**2*x[i] for i in range(n)) + a**2*b", ["a", "b", "x"]
    )
    point, way = np.linspace(-1, 2, 62), np.cos(np.arange(62))
    f = f.sized(point)
    product = f.hessp(point, way)
    np.testing.assert_allclose(product, f.hess(point) @ way, rtol=1e-12, atol=1e-12)
    step = 1e-6 * way
    difference = (f.grad(point + step) - f.grad(point - step)) / 2e-6
    np.testing.assert_allclose(product, difference, atol=1e-6)
    assert f.kernel("product") is f.kernel("product")
