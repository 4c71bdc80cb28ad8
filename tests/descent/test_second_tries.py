"""Within constraints, where one way to begin fails: what another one finds."""

import numpy as np
import pytest

from symgd import Objective, Status, maximize, minimize
from symgd.descent.constrained.augmented_lagrangian import AugmentedLagrangian
from symgd.descent.constrained.row_units import units_of_rows
from symgd.descent.constrained.unbounded import lower_for_ever
from symgd.descent.solver_run import SolverRun


@pytest.mark.parametrize(
    ("formula", "start", "relation", "end"),
    [
        ("exp(x)", 0.0, "exp(x) >= 5", np.log(5.0)),
        ("x", 0.0, "exp(x) >= 5", np.log(5.0)),
        ("1/x", 5.0, "1/x >= 3", 1.0 / 3.0),
        ("x", 6.0, "exp(-x**2) >= 0.5", -np.sqrt(np.log(2.0))),
    ],
)
def test_the_way_is_found_to_where_constraints_hold(formula, start, relation, end):
    result = minimize(formula, [start], subject_to=relation)
    assert result.status == Status.CONVERGED
    assert result.x[0] == pytest.approx(end, abs=1e-7)
    assert result.constraint_violation <= 1e-8


def test_a_maximum_is_found_in_the_same_way():
    result = maximize("-x", [0.0], subject_to="exp(x) >= 5")
    assert result.fun == pytest.approx(-np.log(5.0), abs=1e-7)
    assert result.status == Status.CONVERGED


@pytest.mark.parametrize("start", [[1.0, 0.5], [0.0, 0.0], [-2.0, 3.0]])
def test_a_feasible_way_without_end_is_told(start):
    result = minimize("x + y", start, subject_to={"ring": "x**2 + y**2 >= 1"})
    assert result.status == Status.DIVERGED
    assert "f falls without bound where the constraints hold" in result.message
    assert result.fun == pytest.approx(result.x.sum())
    assert result.jac.tolist() == [1.0, 1.0]
    assert result.constraints["ring"] == pytest.approx((result.x**2).sum() - 1.0)
    assert np.abs(result.x).max() > 1e10 or result.fun < -1e12


def test_a_way_without_end_may_lead_along_bounds():
    relations = ["-1 <= x <= 2.45", "x**2 + y**2 >= 0.62"]
    result = minimize("y", [0.586, -2.224], subject_to=relations)
    assert result.status == Status.DIVERGED
    assert -1.0 <= result.x[0] <= 2.45


def test_no_way_without_end_is_claimed_where_it_leaves_the_constraints():
    rows = ([-np.inf], [100.0])

    def line(x):
        return x[0], [-x[0]]

    def tail(x):
        return 1.0 / (1.0 + abs(x[0])), [0.0]

    none = ([-np.inf], [np.inf])
    assert lower_for_ever(line, [0.0], [-1.0], none, rows, 1e-8) is None
    assert lower_for_ever(line, [0.0], [-1.0], ([-1e6], [0.0]), none, 1e-8) is None
    wide = ([-np.inf, -1.0], [np.inf, 1.0])
    far = lower_for_ever(line, [0.0, 0.0], [-1.0, 0.4], wide, none, 1e-8)
    assert far[0] < -1e10
    assert far[1] == 1.0
    assert lower_for_ever(tail, [0.0], [-1.0], none, none, 1e-8) is None
    assert lower_for_ever(line, [0.0], [1.0], none, none, 1e-8) is None
    assert lower_for_ever(line, [0.0], [-1.0], none, none, 1e-8)[0] < -1e10


@pytest.mark.parametrize(
    ("formula", "relation"),
    [("x", "x**2 <= 0"), ("x", "x**2 == 0"), ("x + y", "x**2 + y**2 <= 0")],
)
def test_where_no_multipliers_exist_it_says_so_soon(formula, relation):
    result = minimize(
        formula, [3.0, 2.0][: formula.count("y") + 1], subject_to=relation
    )
    assert not result.success
    assert result.nit <= 1000
    assert result.constraint_violation <= 1e-8
    assert "multipliers grow without bound" in result.message


@pytest.mark.parametrize("relation", ["sqrt(x - 1) == 0", "sqrt(x - 1) <= 0"])
def test_an_infinite_derivative_is_no_divergence(relation):
    result = minimize("x", [3.0], subject_to=relation)
    assert result.status == Status.ABNORMAL
    assert result.x[0] == pytest.approx(1.0, abs=1e-6)
    assert "a derivative isn't finite there" in result.message


def test_a_point_of_least_violation_is_found_where_f_leads_away():
    result = minimize("-x", [1.0], subject_to="1/(1 + x**2) >= 2")
    assert result.status == Status.INFEASIBLE
    assert result.x[0] == pytest.approx(0.0, abs=1e-6)
    assert result.constraint_violation == pytest.approx(1.0)


def test_of_failed_ends_the_lowest_that_satisfies_the_constraints_is_kept():
    """At the kink, which has no smooth form, nothing converges; there f is lowest."""
    kinked = "abs(x) + abs(y) - abs(x - y)/10"
    result = minimize(kinked, [1.0, 2.0], subject_to="x + 2*y == 3")
    assert not result.success
    assert result.fun == pytest.approx(1.35, abs=1e-6)


def small(unit):
    return Objective(
        "x**2 + y**2", parameters={"u": unit}, subject_to={"sum": "u*x + u*y >= 5*u"}
    )


@pytest.mark.parametrize("unit", [1e-12, 1e-10, 1e-8, 1e-6, 1e-3, 1.0, 1e5])
def test_no_success_is_claimed_that_is_one_in_small_units_only(unit):
    result = minimize(small(unit))
    if result.success:
        assert result.x == pytest.approx([2.5, 2.5], abs=1e-5)
    else:
        assert unit < 1e-5
        assert "sum is hardly violated" in result.message
        assert "multiply it by" in result.message


def test_units_of_rows_are_what_they_change_by():
    def rows(x):
        return 0.0, [1e-10 * x[0], 3.0 * x[1], 1e-3 * x[0] * x[1], 7.0]

    bounds = ([-np.inf, 0.0], [np.inf, 2.0])
    units = units_of_rows(rows, [5.0, 2.0], bounds)
    assert units[0] == pytest.approx(5e-10)
    assert units[1] == 1.0
    assert 1e-3 < units[2] <= 0.05
    assert units[3] == 1.0


def test_units_of_differences_are_no_rounding():
    """Probes that move both by the same would see nothing."""
    bounds = np.full(100, -np.inf), np.full(100, np.inf)

    def rows(x):
        return 0.0, 1e-4 * np.diff(x)

    units = units_of_rows(rows, np.linspace(0.0, 1.0, 100), bounds)
    assert min(units) > 1e-6


def test_increasing_sequences_are_found_in_small_units():
    y = np.random.default_rng(7).normal(size=15)
    fit = Objective(
        "sum((u*x[i] - y[i])**2 for i in range(n))",
        data={"y": y},
        parameters={"u": 1e-4},
        subject_to="u*x[i+1] - u*x[i] >= 0 for i in range(n - 1)",
    )
    small, large = minimize(fit), minimize(fit.with_parameters(u=1.0))
    assert small.success
    assert large.success
    assert small.fun == pytest.approx(large.fun)


def test_an_interrupt_on_another_way_is_heard(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(AugmentedLagrangian, "ended", interrupted)
    result = minimize("1/x", [5.0], subject_to="1/x >= 3")
    assert result.status == Status.INTERRUPTED


def test_another_way_ends_with_the_time(monkeypatch):
    asked = []
    monkeypatch.setattr(
        AugmentedLagrangian,
        "_run",
        lambda way, bounds, settings: (
            asked.append(settings.time_limit)
            or SolverRun(way.function, bounds, settings)
        ),
    )
    result = minimize("1/x", [5.0], subject_to="1/x >= 3", time_limit=60.0)
    assert result.success
    assert asked
    assert all(0.0 < limit < 60.0 for limit in asked)
    assert sorted(asked, reverse=True) == asked


def test_a_run_that_is_stopped_between_ways_goes_on_from_there(tmp_path):
    file, given = tmp_path / "run.npz", {"x0": [5.0], "subject_to": "1/x >= 3"}
    whole = minimize("1/x", **given)
    for last in (5, 31, whole.nit - 1):
        file.unlink(missing_ok=True)
        cut = minimize("1/x", **given, maxiter=last, checkpoint=file)
        assert cut.nit == last
        resumed = minimize("1/x", **given, checkpoint=file)
        assert resumed.status == Status.CONVERGED
        assert resumed.x.tolist() == whole.x.tolist()
        assert resumed.nit == whole.nit


@pytest.mark.parametrize("last", [20, 150, 151])
def test_of_a_run_that_goes_on_the_best_failed_end_is_kept(tmp_path, last):
    file = tmp_path / "run.npz"
    discs = ["x**2 + y**2 <= 1", "(x - 4)**2 + y**2 <= 1"]
    given = {"objective": "x - y", "x0": [5.0, 5.0], "subject_to": discs}
    whole = minimize(**given)
    minimize(**given, maxiter=last, checkpoint=file)
    resumed = minimize(**given, checkpoint=file)
    assert resumed.x.tolist() == whole.x.tolist()
    assert (resumed.status, resumed.message) == (whole.status, whole.message)


# ---------------------------------------------------- the augmented Lagrangian alone


def ended(objective, start, bounds, sign=1.0):
    first = sign * objective.value(np.array(start))
    way = AugmentedLagrangian(objective.constraints, bounds, sign, np.inf)
    return np.array(way.ended(start, first)), way


def test_it_ends_near_a_minimum_within_constraints():
    objective = Objective(
        "x1*x4*(x1 + x2 + x3) + x3",
        subject_to=["x1*x2*x3*x4 >= 25", "x1**2 + x2**2 + x3**2 + x4**2 == 40"],
    )
    x, way = ended(objective, [1.0, 5.0, 5.0, 1.0], ([1.0] * 4, [5.0] * 4))
    assert objective.value(x) == pytest.approx(17.0140173, abs=1e-3)
    assert x == pytest.approx([1.0, 4.7429994, 3.8211503, 1.3794082], abs=1e-3)
    assert way.evaluations > 0


def test_it_sees_families_ranges_and_parameters():
    objective = Objective(
        "sum((x[i] - y[i])**2 for i in range(n))",
        data={"y": [0.0, 3, 1, 4, 1, 5]},
        parameters={"r": 1.0},
        subject_to={"rate": "-r <= x[i+1] - x[i] <= r for i in range(n - 1)"},
    )
    unbounded = ([-np.inf] * 6, [np.inf] * 6)
    x, _ = ended(objective.sized(None), [0.0] * 6, unbounded)
    assert x == pytest.approx([1.0, 2.0, 2.0, 3.0, 2.5, 3.5], abs=1e-3)
    wide, _ = ended(objective.with_parameters(r=9.0), [0.0] * 6, unbounded)
    assert wide == pytest.approx([0.0, 3.0, 1.0, 4.0, 1.0, 5.0], abs=1e-3)


def test_it_finds_a_maximum_with_the_other_sign():
    objective = Objective("x*y", subject_to={"fence": "2*x + y <= 40"})
    x, _ = ended(objective, [1.0, 1.0], ([0.0] * 2, [100.0] * 2), sign=-1.0)
    assert x == pytest.approx([10.0, 20.0], abs=0.05)


def test_where_another_run_begins_need_not_be_proven(monkeypatch):
    """Ends of an augmented Lagrangian were, in 50 digits, for half a minute."""
    proofs = []
    monkeypatch.setattr(
        "symgd.descent.recession.falls_in_all_digits",
        lambda *_: proofs.append("sought"),
    )
    minimize(
        "(0.4 - x - (0.5 - x)*exp(-y))**2 + (0.3 - x - (0.5 - x)*exp(-2*y))**2",
        [-3.0, -31.0],
        bounds=[(0.4, None), (-4, None)],
        subject_to="0.5*y - x*y >= 0.1",
    )
    assert not proofs
