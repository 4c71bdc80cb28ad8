"""Constraints with kinks: the minimum, and prices, are those of what was given."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from symgd import Objective, maximize, minimize

KNOWN = [
    ("x + 2*y", "abs(x) + abs(y) <= 1", -2.0, -2.0),
    ("(x - 3)**2 + (y - 1)**2", "max(x, y) <= 2", 1.0, -2.0),
    ("x + y", "sqrt(x**2 + y**2) <= 1", -np.sqrt(2), -np.sqrt(2)),
    ("abs(x) + abs(y)", "x + 2*y == 3", 1.5, 0.5),
    ("max(x, y, z)", "x + y + z == 3", 1.0, 1 / 3),
    ("x**2 + y**2", "min(x, y) >= 1", 2.0, None),
    ("abs(x - 2) + abs(y)", "1 - abs(x) >= 0", 1.0, 1.0),
]


@pytest.mark.parametrize(("text", "relation", "best", "price"), KNOWN)
def test_known_minima_with_their_prices(text, relation, best, price):
    result = minimize(text, subject_to=relation)
    assert result.status.name == "CONVERGED"
    assert result.fun == pytest.approx(best, abs=1e-9)
    assert list(result.multipliers) == [relation]
    assert len(result.x) == len(result.objective.variables)
    if price is not None:
        assert result.multipliers[relation] == pytest.approx(price, abs=1e-6)


def lasso(relations):
    """Return a lasso of 12 columns, of which 9 are noise, within constraints."""
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(60, 12))
    y = columns[:, :3] @ [0.5, 0.3, 0.2] + 0.1 * rng.normal(size=60)
    return Objective(
        "sum((sum(A[i,j]*w[j] for j in range(n)) - y[i])**2 for i in range(m))"
        " + lam*sum(abs(w[j]) for j in range(n))",
        data={"A": columns, "y": y},
        parameters={"lam": 8.0},
        subject_to=relations,
    )


@pytest.mark.parametrize(
    ("relations", "zeros"),
    [
        ("sum(w[j] for j in range(n)) == 1", 6),
        (["sum(w[j] for j in range(n)) <= 0.7", "w[j] <= 0.3 for j in range(n)"], 9),
        (["sum(w[j] for j in range(n)) <= 0.7", "-0.05 <= w[2] - w[1] <= 0.05"], 9),
    ],
)
def test_zeros_within_constraints_are_0(relations, zeros):
    result = minimize(lasso(relations))
    assert result.status.name == "CONVERGED"
    assert int((result.x == 0.0).sum()) == zeros
    assert f"at a kink of abs(w[j]) ({zeros} of 12 of these)" in result.message
    assert result.constraint_violation <= 1e-14
    # 0 is a mean of the gradients, with the prices of constraints.
    again = minimize(lasso(relations), result.x)
    np.testing.assert_allclose(again.x, result.x, atol=1e-9)


def test_a_kink_that_a_constraint_leaves_is_none():
    far = minimize("(x - 3)**2 + abs(x) + abs(y - x)", subject_to="x + y >= 5")
    assert far.x.tolist() == [2.5, 2.5]
    assert "this is at a kink of abs(x - y)" in far.message
    off = minimize("(x - 3)**2 + abs(x)", [1.0], subject_to="x**2 >= 0.01")
    assert off.x[0] == pytest.approx(2.5)
    assert "kink" not in off.message


def test_maximize_has_prices_of_the_maximum():
    result = maximize("x + 2*y", subject_to={"reach": "abs(x) + abs(y) <= 1"})
    assert result.fun == pytest.approx(2.0)
    assert result.multipliers["reach"] == pytest.approx(2.0)
    assert result.constraints["reach"] == pytest.approx(0.0, abs=1e-9)


def test_what_no_point_satisfies_is_named():
    far = {"near": "abs(x) <= 1", "far": "x >= 3"}
    result = minimize("x**2 + y**2", subject_to=far)
    assert result.status.name == "INFEASIBLE"
    assert "near" in result.message or "far" in result.message
    assert "kink" not in result.message


def test_a_ridge_is_no_valley_and_stays_as_it_is():
    result = minimize("(x - 0.2)**2", [2.0], subject_to="abs(x) >= 1")
    assert result.x == pytest.approx([1.0], abs=1e-6)


BUDGET = "sum(abs(w[j]) for j in range(m)) <= r"
PLANE = "sum(c[j]*w[j] for j in range(m))"


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 8), st.integers(0, 2**32), st.floats(0.1, 10.0))
def test_a_plane_over_a_diamond_ends_at_a_corner(count, seed, r):
    c = np.random.default_rng(seed).normal(size=count)
    objective = Objective(
        PLANE, data={"c": c}, parameters={"r": r}, subject_to={"budget": BUDGET}
    )
    result = minimize(objective)
    assert result.success, result
    assert result.fun == pytest.approx(-r * np.abs(c).max(), rel=1e-8)
    assert result.multipliers["budget"] == pytest.approx(-np.abs(c).max(), rel=1e-6)
    assert np.abs(result.x).sum() <= r + 1e-8


BASIS = "sum(abs(w[j]) for j in range(m))"
ROWS = "sum(A[i, j]*w[j] for j in range(m)) == b[i] for i in range(n)"


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32))
def test_the_sparsest_solution_is_that_of_a_linear_program(seed):
    rng = np.random.default_rng(seed)
    A, b = rng.normal(size=(4, 10)), rng.normal(size=4)
    result = minimize(Objective(BASIS, data={"A": A, "b": b}, subject_to=ROWS))
    both = optimize.linprog(np.ones(20), A_eq=np.hstack([A, -A]), b_eq=b)
    assert result.success, result
    assert result.fun == pytest.approx(both.fun, rel=1e-8)
    assert pytest.approx(b, abs=1e-7) == A @ result.x


def test_a_trace_has_rows_of_the_users_variables():
    result = minimize("x + y", subject_to="abs(x) + abs(y) <= 1", trace=True)
    assert result.trace["t"].tolist() == list(range(result.nit + 1))
    assert result.trace["x"].shape == (result.nit + 1, 2)
    assert result.trace["violation"][-1] <= 1e-8


def test_a_checkpoint_goes_on_to_the_same_bits(tmp_path):
    way = {"subject_to": "abs(x) + abs(y) <= 1"}
    whole, file = minimize("x + 2*y", **way), tmp_path / "run.npz"
    minimize("x + 2*y", **way, maxiter=4, checkpoint=file)
    again = minimize("x + 2*y", **way, checkpoint=file)
    assert again.x.tobytes() == whole.x.tobytes()
    assert again.multipliers == whole.multipliers
