"""Ends at kinks: exact, proved by multipliers, and as linear programs have them."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

import symgd
from symgd import Objective, maximize, minimize

LASSO = (
    "sum((y[i] - sum(A[i, j]*w[j] for j in range(m)))**2 for i in range(n))"
    " + lam*sum(abs(w[j]) for j in range(m))"
)
DISTANCES = "sum(abs(y[i] - sum(A[i, j]*w[j] for j in range(m))) for i in range(n))"
HINGE = (
    "sum(w[j]**2 for j in range(m))/2"
    " + c*sum(max(0, 1 - y[i]*sum(A[i, j]*w[j] for j in range(m))) for i in range(n))"
)
GROUPS = (
    "sum((y[i] - sum(A[i, k, j]*w[k, j] for k in range(g) for j in range(m)))**2"
    " for i in range(n)) + lam*sum(sqrt(sum(w[k, j]**2 for j in range(m)))"
    " for k in range(g))"
)


def table(rows, columns, seed, true=(3.0, -2.0)):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(rows, columns))
    return {"A": A, "y": A[:, : len(true)] @ np.array(true) + rng.normal(size=rows)}


def lasso_by_coordinates(A, y, lam):
    x, gram, right = np.zeros(A.shape[1]), A.T @ A, A.T @ y
    for _ in range(5000):
        old = x.copy()
        for j in range(len(x)):
            r = right[j] - gram[j] @ x + gram[j, j] * x[j]
            x[j] = np.sign(r) * max(abs(r) - lam / 2, 0) / gram[j, j]
        if np.abs(x - old).max() < 1e-15:
            break
    return x


def least_distances(A, y):
    """Return the least sum of absolute residuals, as a linear program finds it."""
    n, m = A.shape
    matrix = np.block([[A, -np.eye(n)], [-A, -np.eye(n)]])
    sides = [(None, None)] * m + [(0, None)] * n
    costs = np.r_[np.zeros(m), np.ones(n)]
    return optimize.linprog(costs, matrix, np.r_[y, -y], bounds=sides).fun


@pytest.mark.parametrize("rows", [3, 20, 200, 1000])
@pytest.mark.parametrize(
    "text",
    [
        "max(abs(A[i, :] @ w - y[i]) for i in range(m))",
        "norm(A @ w - y, inf)",
        "-min(y - A @ w) + norm(w, inf)",
    ],
)
def test_minimax_ends_where_a_linear_program_does(text, rows):
    data = table(rows, 3, rows)
    A, y = data["A"], data["y"]
    n, one, zero = 3, np.ones((rows, 1)), np.zeros((rows, 1))
    matrix = [np.hstack([A, -one, zero])]
    sides = [y]
    if "min" in text:
        bent = np.vstack([np.eye(n), -np.eye(n)])
        matrix.append(np.hstack([bent, np.zeros((2 * n, 1)), -np.ones((2 * n, 1))]))
        sides.append(np.zeros(2 * n))
    else:
        matrix.append(np.hstack([-A, -one, zero]))
        sides.append(-y)
    costs = [0, 0, 0, 1, 1]
    free = [(None, None)] * 4 + [(0, None)]
    least = optimize.linprog(costs, np.vstack(matrix), np.hstack(sides), bounds=free)
    result = minimize(Objective(text, data=data))
    assert result.success
    assert result.fun == pytest.approx(least.fun, rel=1e-9)


@pytest.mark.parametrize(("rows", "columns", "lam"), [(1000, 50, 300.0)])
def test_lasso_has_exact_zeros(rows, columns, lam):
    data = table(rows, columns, 0)
    result = minimize(Objective(LASSO, data=data, parameters={"lam": lam}))
    true = lasso_by_coordinates(**data, lam=lam)
    assert result.status.name == "CONVERGED"
    assert ((result.x == 0.0) == (np.abs(true) < 1e-10)).all()
    assert result.x == pytest.approx(true, abs=1e-8)
    assert "a kink of abs(w[j])" in result.message


@settings(deadline=None, max_examples=30)
@given(st.integers(3, 25), st.integers(1, 3), st.integers(0, 2**32), st.booleans())
def test_sums_of_distances_are_those_of_a_linear_program(rows, columns, seed, whole):
    rng = np.random.default_rng(seed)
    A, y = rng.normal(size=(rows, columns)), rng.standard_t(2, rows)
    if whole:  # ties, and more kinks at a point than it has coordinates
        A, y = np.round(A), np.round(y)
    result = minimize(Objective(DISTANCES, data={"A": A, "y": y}))
    best = least_distances(A, y)
    assert result.success, result
    assert result.fun == pytest.approx(best, rel=1e-9, abs=1e-9)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from([0.01, 1.0, 100.0]))
def test_hinges_with_a_ridge_are_those_of_a_quadratic_program(seed, c):
    rng = np.random.default_rng(seed)
    A, y = rng.normal(size=(12, 2)), rng.choice([-1.0, 1.0], 12)
    result = minimize(Objective(HINGE, data={"A": A, "y": y}, parameters={"c": c}))
    assert result.success, result
    rows, count = y[:, None] * A, len(y)
    short = {"type": "ineq", "fun": lambda v: v[2:] - 1.0 + rows @ v[:2]}
    found = optimize.minimize(
        lambda v: v[:2] @ v[:2] / 2 + c * v[2:].sum(),
        np.r_[result.x + 0.1, np.full(count, 2.0)],
        bounds=[(None, None)] * 2 + [(0.0, None)] * count,
        constraints=short,
        options={"ftol": 1e-13, "maxiter": 1000},
        method="SLSQP",
    )
    assert result.fun <= result.objective.value(found.x[:2]) * (1 + 1e-9)
    assert result.fun == pytest.approx(found.fun, rel=1e-6) or not found.success


@pytest.mark.parametrize("n", [20, 60, 200])
def test_weights_by_index_and_large_smooth_forms_end_on_the_kinks(n):
    """A search alone makes all its iterations beside them."""
    text = "sum((1 + i)*abs(x[i] - c[i]) for i in range(n)) + abs(sum(x))/10"
    c = np.linspace(-1.0, 2.0, n)
    result = minimize(Objective(text, data={"c": c}), {"x": np.zeros(n)})
    assert result.success
    np.testing.assert_allclose(result.x, c, atol=1e-9)


def test_groups_are_left_out_as_a_whole():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(60, 4, 3))
    y = A[:, 0] @ [2.0, -1.0, 1.0] + rng.normal(size=60)
    data = {"A": A, "y": y}
    objective = Objective(GROUPS, data=data, parameters={"lam": 60.0})
    result = minimize(objective)
    w = result.values["w"]
    slope = -2 * np.einsum("ikj,i->kj", A, y - np.einsum("ikj,kj->i", A, w))
    assert result.success
    assert (w[0] != 0.0).all()
    for k in range(4):
        if (w[k] == 0.0).all():
            assert np.linalg.norm(slope[k]) < 60.0
        else:
            direction = 60.0 * w[k] / np.linalg.norm(w[k])
            assert slope[k] == pytest.approx(-direction, abs=1e-6)
    assert (w[1:] == 0.0).all()


def test_the_smallest_circle_around_points_is_through_three_or_two():
    rng = np.random.default_rng(1)
    points = rng.normal(size=(12, 2))
    terms = (f"sqrt((x - ({a!r}))**2 + (y - ({b!r}))**2)" for a, b in points.tolist())
    result = minimize(f"max({', '.join(terms)})")
    far = np.linalg.norm(points - result.x, axis=1)
    assert result.success
    assert result.fun == pytest.approx(far.max())

    def radius(some):
        """Return the radius of the circle through two or three points, if all fit."""
        first, *others = points[list(some)]
        spans = np.array(others) - first
        right = (spans**2).sum(axis=1) / 2
        centre = first + np.linalg.lstsq(spans, right, rcond=None)[0]
        size = np.linalg.norm(first - centre)
        inside = np.linalg.norm(points - centre, axis=1) <= size + 1e-9
        return size if inside.all() else np.inf

    groups = (
        *itertools.combinations(range(12), 2),
        *itertools.combinations(range(12), 3),
    )
    assert result.fun == pytest.approx(min(map(radius, groups)), abs=1e-9)


FAMOUS = {  # Lukšan and Vlček 2000, "Test problems for nonsmooth optimization"
    "cb2": ("max(x**2+y**4, (2-x)**2+(2-y)**2, 2*exp(y-x))", [1, -0.1], 1.9522244939),
    "dem": ("max(5*x+y, -5*x+y, x**2+y**2+4*y)", [1, 1], -3.0),
    "ql": (
        *("max(x**2+y**2, x**2+y**2+10*(4-4*x-y), x**2+y**2+10*(6-x-2*y))", [-1, 5]),
        7.2,
    ),
    "lq": ("max(-x-y, -x-y+x**2+y**2-1)", [-0.5, -0.5], -np.sqrt(2)),
    "mifflin1": ("-x + 20*max(x**2+y**2-1, 0)", [0.8, 0.6], -1.0),
    "mifflin2": ("-x + 2*(x**2+y**2-1) + 1.75*abs(x**2+y**2-1)", [-1, -1], -1.0),
    "wf": (
        "max(0.5*(x + 10*x/(x+0.1) + 2*y**2), 0.5*(-x + 10*x/(x+0.1) + 2*y**2),"
        " 0.5*(x - 10*x/(x+0.1) + 2*y**2))",
        *([3.0, 1.0], 0.0),
    ),
}


@pytest.mark.parametrize("name", FAMOUS)
def test_famous_kinks(name):
    text, start, best = FAMOUS[name]
    result = minimize(text, start)
    assert result.success, result
    assert result.fun == pytest.approx(best, abs=1e-8)


def test_a_fused_signal_is_flat_in_pieces():
    signal = np.r_[np.zeros(8), np.full(8, 3.0)] + np.tile([0.1, -0.1, 0.2, 0.0], 4)
    text = (
        "sum((x[i] - s[i])**2 for i in range(n))/2"
        " + sum(abs(x[i + 1] - x[i]) for i in range(n - 1))"
    )
    result = minimize(Objective(text, data={"s": signal}))
    assert result.success
    # Each piece is its mean, moved by what its jump weighs: 1/8.
    assert result.x[:8] == pytest.approx(signal[:8].mean() + 0.125, abs=1e-9)
    assert result.x[8:] == pytest.approx(signal[8:].mean() - 0.125, abs=1e-9)


def test_maximize_reports_the_maximum_itself():
    result = maximize("min(x + y, 3 - 2*x, 5 - y) - (x - 1)**2")
    mirrored = minimize("max(-x - y, 2*x - 3, y - 5) + (x - 1)**2")
    assert result.success
    assert result.fun == pytest.approx(-mirrored.fun, abs=1e-12)
    assert "min(" in result.message


def test_bounds_hold_beside_kinks():
    result = minimize("2*abs(x - 3) + abs(x + y) + (y - 1)**2", bounds={"x": (-1, 2)})
    assert result.success
    assert result.values == pytest.approx({"x": 2.0, "y": 0.5}, abs=1e-9)


def test_a_parameters_sign_decides():
    objective = Objective("a*abs(x - 1) + (x - 3)**2", parameters={"a": 10.0})
    assert minimize(objective).x.tolist() == [1.0]
    valley = minimize(objective.with_parameters(a=-1.0), [4.0])
    assert valley.x == pytest.approx([3.5])


@pytest.fixture(scope="module")
def lasso():
    return Objective(LASSO, data=table(40, 12, 3), parameters={"lam": 20.0})


def test_the_trace_has_a_row_for_each_iteration(lasso):
    result = minimize(lasso, trace=True)
    trace = result.trace
    assert trace["t"].tolist() == list(range(result.nit + 1))
    assert trace["fun"][-1] >= result.fun
    assert trace["x"].shape == (result.nit + 1, 12)


def test_callbacks_see_only_the_users_variables(lasso):
    seen = []
    result = minimize(
        lasso, callback=lambda s: seen.append(len(s.x)), callback_every=20
    )
    assert set(seen) == {12}
    assert result.success


def test_it_ends_in_time_with_the_lowest_point(lasso):
    result = minimize(lasso, time_limit=1e-9)
    assert result.status.name == "TIME_LIMIT"
    assert len(result.x) == 12


def test_maxiter_ends_it_anywhere(lasso):
    values = [minimize(lasso, maxiter=k).fun for k in (5, 100, 203, 205, 1000)]
    assert sorted(values, reverse=True) == values


def test_a_target_is_reached_on_the_way(lasso):
    best = minimize(lasso).fun
    result = minimize(lasso, target=best * (1 + 1e-3))
    assert result.status.name == "TARGET_REACHED"
    assert result.fun <= best * (1 + 1e-3)


@pytest.mark.parametrize("stop", [100, 203, 206])
def test_a_checkpoint_goes_on_to_the_same_bits(lasso, tmp_path, stop):
    whole = minimize(lasso)
    file = tmp_path / "run.npz"
    minimize(lasso, checkpoint=file, maxiter=stop)
    assert minimize(lasso, checkpoint=file).x.tobytes() == whole.x.tobytes()
    again = minimize(lasso, checkpoint=file)  # it has ended
    assert (again.status, again.message) == (whole.status, whole.message)


def test_a_run_again_is_the_same(lasso):
    objective = Objective("abs(x - 1) + 2*abs(x + y) + (x - y)**2")
    first, second = minimize(objective, [3, 3]), minimize(objective, [3, 3])
    assert first.x.tobytes() == second.x.tobytes()
    assert first.nit == second.nit


def test_many_starts_end_likewise():
    text = "max(x**2 + y**2, 2 - x, 1 + y)"
    found = symgd.minimize_many(text, 20, bounds=[(-3, 3), (-3, 3)])
    alone = minimize(text)
    assert found.fun.min() == pytest.approx(alone.fun, abs=1e-9)
