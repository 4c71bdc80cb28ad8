"""Many descents at once: each is the one that minimize makes alone, to the last bit."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest

from symgd import InputError, Objective, Rule, Status, minimize, minimize_many, sweep
from tests.problems import ROSENBROCK

STARTS = np.random.default_rng(5).uniform(-2, 2, (150, 2))
AVERAGED = Rule(
    "averaged",
    "y = y - step_size*g\nx = (1 - c)*x + c*y",
    initial={"y": "x - c*g"},
    step_size=0.01,
    c=0.5,
)
OPTIONS = {
    "gd": {"method": "gd", "step_size": 1e-3, "maxiter": 700},
    "momentum": {
        "method": "momentum",
        "step_size": "0.002/(1 + t/100)",
        "maxiter": 300,
    },
    "amsgrad": {"method": "amsgrad", "step_size": 0.05, "maxiter": 4000, "gtol": 1e-3},
    "with bounds": {"method": "momentum", "bounds": [(-2, 0.9), (-2, 2)]},
    "patience": {"method": "amsgrad", "step_size": 0.3, "patience": 7, "ftol": 1e-3},
    "target": {"method": "gd", "step_size": 1e-3, "target": 0.5, "maxiter": 3000},
    "diverging": {"method": "gd", "step_size": 0.004, "maxiter": 500},
    "initial state": {"method": AVERAGED, "maxiter": 100, "step_size": 1e-3},
    "auto": {"method": "auto"},
    "auto, few iterations": {"method": "auto", "maxiter": 7},
    "auto, bounds": {"method": "auto", "bounds": [(-2, 0.9), (-2, 2)]},
}


def assert_same(results, which, alone):
    assert results.x[which].tobytes() == alone.x.tobytes()
    assert results.fun[which] == alone.fun
    np.testing.assert_array_equal(results.jac[which], alone.jac)
    assert results.grad_norm[which] == alone.grad_norm
    assert results.status[which] == alone.status
    assert (results.nit[which], results.nfev[which]) == (alone.nit, alone.nfev)


@pytest.mark.parametrize("case", OPTIONS)
def test_each_descent_is_the_one_made_alone(case):
    options = OPTIONS[case]
    starts = STARTS
    if "bounds" in options:
        starts = np.clip(STARTS, *np.transpose(options["bounds"]))
    results = minimize_many(ROSENBROCK, starts, **options)
    assert len(results) == 150
    for which in range(0, 150, 7):
        assert_same(results, which, minimize(ROSENBROCK, starts[which], **options))
    reached = {Status(s) for s in results.status}
    expected = {
        "amsgrad": Status.CONVERGED,
        "patience": Status.STALLED,
        "target": Status.TARGET_REACHED,
        "diverging": Status.DIVERGED,
    }
    assert expected.get(case, next(iter(reached))) in reached


@pytest.mark.parametrize("method", ["gd", "momentum"])
def test_a_bound_holds_lanes_against_an_infinite_slope(method):
    formula, starts = "4*a**0.5 + (b - 1)**2", np.abs(STARTS)
    options = {"method": method, "step_size": 0.02, "bounds": {"a": (0, None)}}
    results = minimize_many(formula, starts, **options)
    assert results.success.all()
    assert (results.x[:, 0] == 0.0).all()
    for which in range(0, 150, 29):
        assert_same(results, which, minimize(formula, starts[which], **options))


@pytest.mark.parametrize(
    "formula", ["abs(x - y) + max(x, y**2)", "sqrt(x)*y + log(y)**2"]
)
def test_branches_and_domains_in_lanes(formula):
    options = {"method": "momentum", "step_size": 0.01, "maxiter": 200}
    starts = np.abs(STARTS) + 0.1
    results = minimize_many(formula, starts, **options)
    for which in range(0, 150, 15):
        assert_same(results, which, minimize(formula, starts[which], **options))


def test_ten_variables_in_lanes():
    terms = (f"100*(x{i + 1} - x{i}**2)**2 + (1 - x{i})**2" for i in range(9))
    formula = " + ".join(terms)
    starts = np.random.default_rng(1).uniform(-1, 1, (70, 10))
    options = {"method": "amsgrad", "step_size": 0.01, "maxiter": 300}
    results = minimize_many(formula, starts, **options)
    for which in (0, 33, 69):
        assert_same(results, which, minimize(formula, starts[which], **options))


def test_results_do_not_depend_on_workers_or_company():
    options = {"method": "amsgrad", "maxiter": 500}
    starts = np.random.default_rng(2).normal(size=(3000, 2))
    one = minimize_many(ROSENBROCK, starts, workers=1, **options)
    two = minimize_many(ROSENBROCK, starts, workers=2, **options)
    some = minimize_many(ROSENBROCK, starts[::3], **options)
    assert one.x.tobytes() == two.x.tobytes()
    assert one.x[::3].tobytes() == some.x.tobytes()


@pytest.mark.parametrize("count", [192, 224, 240])
def test_a_descent_that_ends_early_leaves_the_others_their_places(count):
    # A whole number of blocks. Later the last one has a gap and, at its end, a lane
    # that repeats another one.
    starts = np.random.default_rng(3).uniform(-1, 1, size=(count, 2))
    starts[-3] = 1.0
    options = {"method": "gd", "step_size": 1e-5, "maxiter": 1100}
    results = minimize_many(ROSENBROCK, starts, **options)
    assert results.nit[-4:].tolist() == [1100, 0, 1100, 1100]
    for which in (-1, -2, -4):
        alone = minimize(ROSENBROCK, starts[which], **options)
        assert results.x[which].tobytes() == alone.x.tobytes()


def test_every_lane_has_its_own_numbers():
    objective = Objective("a*(x - b)**2", parameters={"a": 1, "b": 0})
    steps, b = np.linspace(0.01, 0.4, 30), np.linspace(-3, 3, 30)
    options = {"method": "gd", "maxiter": 50}
    results = minimize_many(
        objective, np.ones((30, 1)), step_size=steps, parameters={"b": b}, **options
    )
    for which in range(0, 30, 5):
        changed = objective.with_parameters(b=b[which])
        alone = minimize(changed, 1.0, step_size=steps[which], **options)
        assert_same(results, which, alone)
        assert results[which].hyperparameters == {"step_size": steps[which]}
    default = minimize_many(objective, np.ones((30, 1)), parameters={"b": b})
    np.testing.assert_allclose(default.x[:, 0], b, atol=1e-8)


def test_random_starts_and_distinct_minima():
    formula = "(x**2 + y - 11)**2 + (x + y**2 - 7)**2"
    bounds = {"x": (-5, 5), "y": (-5, 5)}
    results = minimize_many(formula, 400, bounds=bounds, rng=3)
    assert results.success.all()
    assert (np.abs(results.start) <= 5).all()
    minima = results.minima(1e-6)
    expected = {(3, 2), (-2.805, 3.131), (-3.779, -3.283), (3.584, -1.848)}
    assert {tuple(m.x.round(3).tolist()) for m in minima} == expected
    assert sum(m.count for m in minima) == 400
    assert sorted(np.concatenate([m.descents for m in minima])) == list(range(400))
    assert results.best.fun == results.fun.min() == minima[0].fun
    same = minimize_many(formula, 400, bounds=bounds, rng=3)
    assert same.x.tobytes() == results.x.tobytes()


def test_results_are_a_sequence():
    options = {"method": "gd", "step_size": 0.1, "maxiter": 5}
    results = minimize_many("x**2", [[1.0], [2.0], [3.0]], trace=[1], **options)
    assert [r.start[0] for r in results] == [1, 2, 3]
    assert results[-1].x == results[2].x
    assert len(results[1:]) == 2
    assert len(results[1].trace) == 6
    assert results[0].trace is None
    with pytest.raises(IndexError):
        results[3]
    assert "3 MAXITER" in repr(results)


def test_starts_that_are_not_finite_are_reported_not_raised():
    results = minimize_many("x - log(x)", [[1.5], [-1.0], [0.0]], method="gd")
    assert Status(results.status[0]) == Status.CONVERGED
    assert [Status(s) for s in results.status[1:]] == [Status.DIVERGED] * 2
    assert results.best.x[0] == pytest.approx(1, abs=1e-6)
    assert "f is nan" in results[1].message
    auto = minimize_many("x - log(x)", [[1.5], [-1.0], [0.0]])
    assert auto.success.tolist() == [True, False, False]


def test_a_time_limit_leaves_where_they_were(monkeypatch):
    clock = SimpleNamespace(perf_counter=itertools.count(step=0.02).__next__)
    monkeypatch.setattr("symgd.many.in_lanes.time", clock)
    options = {"method": "gd", "step_size": 1e-9, "maxiter": 10**9}
    results = minimize_many("x**2", [[1.0], [2.0]], time_limit=0.1, **options)
    assert [Status(s) for s in results.status] == [Status.TIME_LIMIT] * 2
    assert 0 < results.nit[0] < 10**9
    assert results[1].x[0] == results.x[1, 0]
    assert results[1].status == Status.TIME_LIMIT


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x0": [1, 2]}, "expected \\(N, 2\\)"),
        ({"x0": [[1, 2, 3]]}, "expected \\(N, 2\\)"),
        ({"x0": np.empty((0, 2))}, "expected \\(N, 2\\)"),
        ({"x0": 0}, "at least 1"),
        ({"x0": [[1, math.nan]]}, "start 0 is not finite"),
        ({"x0": [[0, 0], [5, 0]], "bounds": [(-1, 1)] * 2}, "start 1"),
        ({"x0": "many"}, "must be numbers"),
        ({"method": "gd", "step": 1}, "did you mean 'step_size'"),
        ({"method": "gd", "step_size": [1, 2, 3]}, "2 finite numbers"),
        ({"step_size": 0.1}, "'auto' has no hyperparameters"),
        ({"parameters": {"a": 1}}, "unused parameter 'a'"),
        ({"workers": 0}, "workers must be"),
        ({"trace": [2]}, "descent 2 of 2"),
    ],
)
def test_bad_arguments(arguments, message):
    given = {"x0": [[0, 0], [1, 1]]} | arguments
    with pytest.raises((InputError, IndexError), match=message):
        minimize_many(ROSENBROCK, **given)


def test_a_sweep_is_the_full_grid():
    steps, momenta = [1e-4, 1e-3, 0.1], [0.0, 0.5, 0.9, 0.99]
    options = {"method": "momentum", "maxiter": 2000}
    grid = sweep(ROSENBROCK, [-1.2, 1], step_size=steps, momentum=momenta, **options)
    assert grid.fun.shape == grid.status.shape == grid.nit.shape == (3, 4)
    assert grid.x.shape == (3, 4, 2)
    for i, step_size in enumerate(steps):
        for j, momentum in enumerate(momenta):
            hyper = {"step_size": step_size, "momentum": momentum}
            alone = minimize(ROSENBROCK, [-1.2, 1], **hyper, **options)
            assert grid.fun[i, j] == alone.fun
            assert grid.nit[i, j] == alone.nit
    assert Status(grid.status[2, 3]) == Status.DIVERGED
    best = grid.best
    assert best.fun == grid.fun[grid.status != Status.DIVERGED].min()
    assert set(best.hyperparameters) == {"step_size", "momentum"}


def test_a_sweep_as_tables_of_others():
    steps, momenta = [1e-4, 1e-3, 0.1], [0.0, 0.5]
    run = {"method": "momentum", "maxiter": 9}
    grid = sweep(ROSENBROCK, [-1.2, 1], step_size=steps, momentum=momenta, **run)
    table, cube = grid.to_pandas(), grid.to_xarray()
    for i, step_size in enumerate(steps):
        for j, momentum in enumerate(momenta):
            here = (table.step_size == step_size) & (table.momentum == momentum)
            place = cube.sel(step_size=step_size, momentum=momentum)
            assert table[here].fun.item() == place.fun.item() == grid.fun[i, j]
            assert table[here].status.item() == grid.status_names[i, j]
            assert table[here]["x[y]"].item() == place.x.sel(variable="y").item()


def test_a_sweep_over_parameters_and_one_schedule():
    objective = Objective("a*x**2", parameters={"a": 1})
    options = {"method": "momentum", "step_size": "0.1/sqrt(t)", "maxiter": 20}
    grid = sweep(
        objective, 1.0, momentum=[0, 0.5], parameters={"a": [1, 2, 3]}, **options
    )
    assert list(grid.axes) == ["momentum", "a"]
    alone = minimize(objective.with_parameters(a=3), 1.0, momentum=0.5, **options)
    assert grid.fun[1, 2] == alone.fun


def test_a_sweep_needs_an_axis():
    with pytest.raises(InputError, match="nothing to sweep"):
        sweep("x**2", 1.0, method="gd", step_size=0.1)
    with pytest.raises(InputError, match="name a rule"):
        sweep("x**2", 1.0, method="auto", step_size=[0.1])
    with pytest.raises(InputError, match="is empty"):
        sweep("x**2", 1.0, method="gd", step_size=[])


def test_a_sweep_says_where_the_best_is(tmp_path):
    options = {"method": "momentum", "maxiter": 200}
    steps, momenta = [0.01, 0.4, 5], [0, 0.9]
    grid = sweep("(x - 1)**2", 3.0, step_size=steps, momentum=momenta, **options)
    assert grid.best_at == {"step_size": 0.4, "momentum": 0.0}
    assert grid.best_at == grid.best.hyperparameters
    assert grid.results[grid.results.best_index].fun == grid.best.fun
    assert grid.status_names.shape == (3, 2)
    assert grid.status_names[2].tolist() == ["DIVERGED", "DIVERGED"]
    assert grid.results.method == "momentum"
    assert minimize_many("x**2", [[1.0]]).method == "auto"
    grid.to_csv(tmp_path / "grid.csv")
    header, *rows = (tmp_path / "grid.csv").read_text().splitlines()
    assert header == "step_size,momentum,fun,grad_norm,nit,success,status,x[x]"
    assert len(rows) == 6
    first = rows[0].split(",")
    assert [float(first[k]) for k in (0, 2, 7)] == [
        0.01,
        grid.fun[0, 0],
        grid.x[0, 0, 0],
    ]


def test_a_saddle_is_no_minimum():
    results = minimize_many("x**2 - y**2 + y**4", [[1.0, 0.0], [1.0, 0.1]])
    assert results.success.all()
    assert [r.kind for r in results] == ["minimum", "minimum"]
    assert {m.count for m in results.minima()} <= {1, 2}
    np.testing.assert_allclose(results.fun, -0.25)
    still = {"method": "gd", "step_size": 0.1}
    results = minimize_many("x**2 - y**2 + y**4", [[1.0, 0.0], [1.0, 0.1]], **still)
    assert [r.kind for r in results] == ["stationary point", "minimum"]


def test_results_are_not_run_again(monkeypatch):
    results = minimize_many(ROSENBROCK, STARTS[:20], method="amsgrad", maxiter=500)
    expected = minimize(ROSENBROCK, STARTS[3], method="amsgrad", maxiter=500)
    monkeypatch.setattr("symgd.many.many_results.drive", None)
    assert results[3].message == expected.message
    assert repr(results[3]) == repr(expected)


def test_a_formula_may_have_parameters_for_each_descent():
    b = np.array([0.0, 1.0, 2.0])
    results = minimize_many("(x - b)**2", np.zeros((3, 1)), parameters={"b": b})
    np.testing.assert_allclose(results.x[:, 0], b, atol=1e-8)
    grid = sweep("(x - b)**2", 0.0, method="auto", parameters={"b": b})
    np.testing.assert_allclose(grid.x[:, 0], b, atol=1e-8)


@pytest.mark.parametrize(
    "formula",
    [
        "2*x**2 + 2*x + 3 - 2*y + 2*y**2",
        "2*x - 3 + (x + 2*y)**2",
        "x**2 - 2*x*y + 4*y**2",
    ],
)
def test_doubling_changes_no_bit(formula):
    options = {"method": "gd", "step_size": 0.05, "maxiter": 20}
    results = minimize_many(formula, STARTS[:60], **options)
    for which in range(60):
        assert_same(results, which, minimize(formula, STARTS[which], **options))


def test_starts_may_be_laid_out_in_any_way():
    starts = np.random.default_rng(3).uniform(-2, 2, (2, 30)).T
    for method in ("auto", "gd"):
        results = minimize_many(ROSENBROCK, starts, method=method, maxiter=0)
        np.testing.assert_array_equal(results.x, starts)


def test_a_start_that_diverges_shows_its_own_numbers():
    starts = [[4.0, 0.0], [-5.0, 1.0], [1.0, 1.0]]
    results = minimize_many(
        "sqrt(x) + (x - 4)**2", np.array(starts)[:, :1], method="gd"
    )
    assert results.status[1] == Status.DIVERGED
    assert np.isnan(results.fun[1])
    assert results.nit[1] == 0


def test_starts_are_evaluated_whatever_the_time_limit():
    results = minimize_many("(x - 3)**2 + 5", [[1.0], [2.0]], method="gd", time_limit=0)
    assert results.fun.tolist() == [9.0, 6.0]
    assert (results.status == Status.TIME_LIMIT).all()


def test_an_infinite_gradient_is_noticed_at_a_bound():
    options = {"method": "gd", "step_size": 1.0, "bounds": [(0, 1)], "maxiter": 100}
    results = minimize_many("10*x - sqrt(x)", [[1.0]], **options)
    assert_same(results, 0, minimize("10*x - sqrt(x)", [1.0], **options))
    assert results.status[0] == Status.DIVERGED


# ----------------------------------------------------------- within constraints

LENS = {"left": "x**2 + y**2 <= 4", "right": "(x - 1)**2 + y**2 <= p"}


def lens():
    return Objective("x*y + y", parameters={"p": 4.0}, subject_to=LENS)


@pytest.mark.parametrize("workers", [1, 3])
def test_each_descent_within_constraints_is_the_one_made_alone(workers):
    starts = np.random.default_rng(4).uniform(-3, 3, (12, 2))
    results = minimize_many(lens(), starts, workers=workers)
    for which, start in enumerate(starts):
        alone = minimize(lens(), start)
        assert_same(results, which, alone)
        assert results.constraint_violation[which] == alone.constraint_violation
        assert results[which].multipliers == alone.multipliers
        assert results[which].message == alone.message


def test_random_starts_within_constraints_find_the_minima():
    relations = ["x**2 + y**2 == 25", "x <= 6"]
    bounds = [(-6, 6), (-6, 6)]
    results = minimize_many("-(x*y)**2", 60, bounds=bounds, subject_to=relations)
    found = results.minima(1e-5)
    side = np.sqrt(12.5)
    expected = {(a, b) for a in (-1, 1) for b in (-1, 1)}
    assert {tuple(np.sign(m.x).astype(int)) for m in found} == expected
    assert all(np.allclose(np.abs(m.x), side, atol=1e-6) for m in found)


def test_an_infeasible_end_is_never_better_than_a_feasible_one():
    """From the left, where f is lower, the way to the feasible side is barred."""
    relation = {"far": "10*(x**2 - 9)**2 - x <= -2"}
    results = minimize_many("x", [[-3.0], [4.0], [-3.1]], subject_to=relation)
    missed = results.constraint_violation > 1e-8
    assert missed.tolist() == [True, False, True]
    assert results.fun[missed].max() < results.best.fun
    assert results.best.constraint_violation <= 1e-8
    assert results.best.fun == results.fun[results.feasible].min()


def test_of_infeasible_ends_the_one_that_violates_least_is_the_best():
    results = minimize_many(
        "-x", [[0.0], [6.0], [-6.0]], subject_to="(x**2 - 9)**2 + x <= -10"
    )
    assert not results.success.any()
    least = results.constraint_violation.min()
    assert results.best.constraint_violation == least
    assert "least violation" in repr(results)


def test_a_parameter_of_a_constraint_is_swept():
    grid = sweep(lens(), [0.5, 0.5], method="auto", parameters={"p": [1.0, 2.0, 4.0]})
    alone = [minimize(lens().with_parameters(p=p), [0.5, 0.5]) for p in (1, 2, 4)]
    assert grid.fun.tolist() == [each.fun for each in alone]
    text = sweep(
        "x**2 + p", 3.0, method="auto", parameters={"p": [1, 2]}, subject_to=["x >= p"]
    )
    np.testing.assert_allclose(text.fun, [2.0, 6.0])


def test_a_start_where_a_constraint_is_not_finite_has_no_value():
    results = minimize_many("x", [[-5.0], [5.0]], subject_to="sqrt(x) + 1/x >= 2")
    assert Status(results.status[0]) == Status.DIVERGED
    assert np.isnan(results.fun[0])
    assert results.best_index == 1
    unknown = minimize_many("x", [[5.0]], subject_to="x >= 1", time_limit=0.0)
    assert np.isnan(unknown[0].constraint_violation)


@pytest.mark.parametrize(
    ("formula", "starts", "bounds"),
    [
        ("abs(3*x - 1) + (y - 2)**2 + 5", [[1, 1], [-4, 3]], None),
        ("max(x, 0.3 - x)", [[2], [-3]], None),
        ("x*2 if x > 0.5 else 1.5 - x", [[3], [4]], None),
        ("(x - 3)**2 + (y - 4)**2 + 2*sqrt(x**2 + y**2)", [[0, 0], [5, 5]], None),
        ("x*log(x)", [[0.0], [1.5]], [(0, 2)]),
        ("acos(x) + x**2", [[-1.0], [0.5]], [(-1, 1)]),
        ("(x**2 - 1)**2", [[-2], [0.5]], None),
    ],
)
def test_each_result_is_its_row_and_what_minimize_finds(formula, starts, bounds):
    many = minimize_many(formula, starts, bounds=bounds)
    for result, x, fun, start in zip(many, many.x, many.fun, starts, strict=True):
        assert result.x.tolist() == x.tolist()
        assert result.fun == pytest.approx(fun, rel=1e-15)
        alone = minimize(formula, start, bounds=bounds)
        assert alone.x.tolist() == x.tolist()
        assert alone.status == result.status
    assert many.best.fun == many.fun.min()
