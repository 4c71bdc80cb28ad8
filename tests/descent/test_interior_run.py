"""Minima within constraints: public problems, and what must not change them."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd import FormulaError, InputError, Objective, Status, maximize, minimize
from symgd.descent.constrained.interior_run import InteriorRun

FILE = Path(__file__).parent / "references" / "constrained.json"
PUBLIC = {
    each["name"]: each for each in json.loads(FILE.read_text("utf-8"))["problems"]
}
SPECIAL = {
    each["name"]: each for each in json.loads(FILE.read_text("utf-8"))["special"]
}


def solved(problem, **options):
    relations = [f"{each} == 0" for each in problem["equalities"]]
    relations += [f"{each} >= 0" for each in problem["inequalities"]]
    names = problem["variables"]
    objective = Objective(
        problem["objective"], names, **({"subject_to": relations} if relations else {})
    )
    bounds = [tuple(pair) for pair in problem["bounds"]]
    return minimize(objective, problem["start"], bounds=bounds, **options)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_problem_ends_at_a_known_minimum(name):
    result, problem = solved(PUBLIC[name]), PUBLIC[name]
    others = [o["f"] if isinstance(o, dict) else o for o in problem["other_minima"]]
    gaps = [abs(result.fun - f) / max(1.0, abs(f)) for f in (problem["fstar"], *others)]
    assert result.success, result
    assert min(gaps) <= 1e-6
    size = max(1.0, float(np.abs(result.x).max()))
    assert result.constraint_violation <= 1e-8 + 1e-15 * size


@pytest.mark.parametrize("name", SPECIAL)
def test_a_special_case_is_told_as_it_is(name):
    result, wanted = solved(SPECIAL[name]), SPECIAL[name]["expected"]
    if wanted == "INFEASIBLE":
        assert result.status == Status.INFEASIBLE
        assert "no point near here satisfies the constraints" in result.message
    elif wanted == "not a success":
        assert not result.success
    elif wanted == "CONVERGED":
        assert result.status == Status.CONVERGED


# ------------------------------------------------------------------ properties

N, M = 4, 3
QUADRATIC = (
    "sum(sum(q[i,j]*x[i]*x[j] for j in range(n)) for i in range(n))/2"
    " + sum(c[i]*x[i] for i in range(n))"
)
ROWS = "sum(a[k,j]*x[j] for j in range(n)) <= b[k] for k in range(m)"


def quadratic(q, c, a, b):
    return Objective(QUADRATIC, data={"q": q, "c": c, "a": a, "b": b}, subject_to=ROWS)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(0, M))
def test_a_convex_quadratic_ends_where_its_conditions_hold(seed, active):
    """The problem is made from its minimum, the active rows and their multipliers."""
    rng = np.random.default_rng(seed)
    root, a = rng.normal(size=(N, N)), rng.normal(size=(M, N))
    q, x = root @ root.T + 0.1 * np.eye(N), rng.normal(size=N)
    prices = np.where(np.arange(M) < active, rng.uniform(0.1, 2.0, M), 0.0)
    gaps = np.where(np.arange(M) < active, 0.0, rng.uniform(0.1, 2.0, M))
    c, b = -(q @ x + a.T @ prices), a @ x + gaps
    result = minimize(quadratic(q, c, a, b), rng.normal(size=N) * 3.0)
    assert result.status == Status.CONVERGED
    np.testing.assert_allclose(result.x, x, atol=1e-7)
    (found,) = result.multipliers.values()
    np.testing.assert_allclose(found, -prices, atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6))
def test_rows_in_other_units_and_twice_are_the_same_problem(seed):
    rng = np.random.default_rng(seed)
    root, a = rng.normal(size=(N, N)), rng.normal(size=(M, N))
    q, c, b = (
        root @ root.T + 0.1 * np.eye(N),
        rng.normal(size=N),
        rng.uniform(0.1, 1, M),
    )
    scales = 10.0 ** rng.integers(-4, 5, size=(M, 1))
    plain = minimize(quadratic(q, c, a, b), np.zeros(N))
    twice = np.vstack([a, a * scales]), np.concatenate([b, b * scales[:, 0]])
    other = minimize(quadratic(q, c, *twice), np.zeros(N))
    assert plain.status == other.status == Status.CONVERGED
    np.testing.assert_allclose(other.x, plain.x, atol=1e-6)


U, V = "(a*x + b*y + p)", "(c*x + d*y + q)"
AFFINE = Objective(
    f"({U} - 3)**2 + ({V} - 2)**4 + {U}*{V}",
    ["x", "y"],
    parameters={"a": 1, "b": 0, "c": 0, "d": 1, "p": 0, "q": 0, "k": 1},
    subject_to={
        "disc": f"k*{U}**2 + k*{V}**2 <= 4*k",
        "line": f"{U} - {V} >= -1",
        "idle": f"{U} + {V} <= 50",
        "same": f"2*{U} - 2*{V} >= -2.5",
    },
)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6))
def test_the_minimum_is_the_same_in_other_coordinates(seed):
    """Affine ones; rows that never bind, and other units of a row, change nothing."""
    rng = np.random.default_rng(seed)
    matrix, shift = rng.normal(size=(2, 2)) + 2.0 * np.eye(2), rng.normal(size=2)
    start, unit = rng.normal(size=2), 10.0 ** rng.integers(-2, 3)
    plain = minimize(AFFINE, start)
    numbers = dict(zip("abcd", matrix.ravel(), strict=True))
    numbers |= {"p": shift[0], "q": shift[1], "k": unit}
    there = np.linalg.solve(matrix, start - shift)
    other = minimize(AFFINE.with_parameters(**numbers), there)
    assert plain.status == other.status == Status.CONVERGED
    np.testing.assert_allclose(matrix @ other.x + shift, plain.x, atol=1e-6)
    assert other.fun == pytest.approx(plain.fun, abs=1e-8)
    for name, factor in (("disc", unit), ("line", 1.0), ("idle", 1.0)):
        price = factor * other.multipliers[name]
        assert price == pytest.approx(plain.multipliers[name], abs=1e-5)


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e3, 1e6])
def test_the_minimum_is_the_same_in_other_units_of_x(scale):
    result = minimize(
        Objective(
            "(x/s - 3)**2 + (y/s - 2)**2",
            parameters={"s": scale},
            subject_to=["x + y <= 4*s", "x - y == s/2"],
        ),
        [scale, scale],
    )
    np.testing.assert_allclose(result.x, [2.25 * scale, 1.75 * scale], rtol=1e-7)


def test_a_multiplier_is_what_the_right_side_costs():
    objective = Objective(
        "x1*x4*(x1 + x2 + x3) + x3",
        parameters={"p": 25.0, "s": 40.0},
        subject_to={
            "product": "x1*x2*x3*x4 >= p",
            "length": "x1**2 + x2**2 + x3**2 + x4**2 == s",
        },
    )
    at = {"x0": [1, 5, 5, 1], "bounds": [(1, 5)] * 4}
    result = minimize(objective, **at)
    assert result.fun == pytest.approx(17.0140172891520, abs=1e-9)
    for name, key, value in (("product", "p", 25.0), ("length", "s", 40.0)):
        ends = [
            minimize(objective.with_parameters(**{key: value + step}), **at).fun
            for step in (1e-4, -1e-4)
        ]
        slope = (ends[0] - ends[1]) / 2e-4
        assert result.multipliers[name] == pytest.approx(slope, abs=1e-5)
    assert result.bound_multipliers["x1"] > 0.5


@pytest.mark.parametrize("sense", [minimize, maximize])
def test_signs_of_multipliers_are_those_of_sensitivities(sense):
    sign = 1.0 if sense is minimize else -1.0
    formula = "(x - 3)**2" if sign > 0 else "-(x - 3)**2"
    above = sense(formula, [0.0], subject_to={"most": "x <= 1"})
    below = sense(formula, [0.0], subject_to={"least": "x >= 5"})
    assert sign * above.multipliers["most"] == pytest.approx(-4.0)
    assert sign * below.multipliers["least"] == pytest.approx(4.0)


# ----------------------------------------------------------- families, and data


def test_a_signal_within_rates():
    y, r = np.array([0.0, 3, 1, 4, 1, 5, 9, 2, 6]), 1.0
    given = {"data": {"y": y}, "parameters": {"r": r}}
    objective = Objective(
        "sum((x[i] - y[i])**2 for i in range(n))",
        subject_to={"rate": "-r <= x[i+1] - x[i] <= r for i in range(n - 1)"},
        **given,
    )
    result = minimize(objective, y)
    steps = np.diff(result.x)
    assert np.abs(steps).max() <= r + 1e-8
    slopes, prices = 2.0 * (result.x - y), result.multipliers["rate"]
    held = np.concatenate([[0.0], prices]) - np.concatenate([prices, [0.0]])
    np.testing.assert_allclose(slopes, held, atol=1e-7)
    assert (np.abs(prices[np.abs(steps) < r - 1e-6]) < 1e-6).all()


def test_many_rates_take_few_steps_and_keep_to_all_conditions():
    n, r = 2000, 0.5
    y = np.cumsum(np.random.default_rng(0).normal(size=n))
    objective = Objective(
        "sum((x[i] - y[i])**2 for i in range(n))",
        data={"y": y},
        subject_to={"rate": f"-{r} <= x[i+1] - x[i] <= {r} for i in range(n - 1)"},
    )
    result = minimize(objective)
    assert result.success
    assert result.nit <= 26
    steps, prices = np.diff(result.x), result.multipliers["rate"]
    held = np.concatenate([[0.0], prices]) - np.concatenate([prices, [0.0]])
    np.testing.assert_allclose(2.0 * (result.x - y), held, atol=1e-6)
    assert np.abs(steps).max() <= r + 1e-8
    assert (np.abs(prices * (r - np.abs(steps))) < 1e-6).all()


def test_a_chain_of_equalities_takes_as_many_steps_at_any_length():
    chain = Objective(
        "sum(100*(x[i+1] - x[i]**2)**2 + (1 - x[i])**2 for i in range(n - 1))",
        sizes={"n": 3000},
        subject_to="3*x[k+1]**3 + 2*x[k+2] - 5 + sin(x[k+1] - x[k+2])*sin(x[k+1] +"
        " x[k+2]) + 4*x[k+1] - x[k]*exp(x[k] - x[k+1]) - 3 == 0 for k in range(n - 2)",
    )
    result = minimize(chain, np.where(np.arange(3000) % 2, 1.0, -1.2))
    assert result.success
    assert result.nit <= 8
    assert result.fun == pytest.approx(6.2324586324, rel=1e-9)


def test_one_constraint_on_all_variables_is_no_dense_system():
    n = 2000
    v = np.random.default_rng(1).normal(size=n)
    objective = Objective(
        "sum((x[i] - v[i])**2 for i in range(n))",
        data={"v": v},
        subject_to=["sum(x[i] for i in range(n)) == 1", "x[i] >= 0 for i in range(n)"],
    )
    result = minimize(objective)
    # The projection onto a simplex: Held, Wolfe and Crowder 1974.
    falling = np.sort(v)[::-1]
    rest = (np.cumsum(falling) - 1.0) / np.arange(1, n + 1)
    exact = np.maximum(v - rest[np.flatnonzero(falling > rest)[-1]], 0.0)
    assert result.success
    np.testing.assert_allclose(result.x, exact, atol=1e-7)


@pytest.mark.parametrize("rows", [1, 7])
def test_a_dense_least_squares_problem_has_the_solution_of_its_system(rows):
    rng = np.random.default_rng(rows)
    data = {
        "A": rng.normal(size=(80, 70)),
        "b": rng.normal(size=80),
        "C": rng.normal(size=(rows, 70)),
    }
    result = minimize(
        Objective(
            "sum((sum(A[i,j]*x[j] for j in range(m)) - b[i])**2 for i in range(n))",
            data=data,
            subject_to="sum(C[k,j]*x[j] for j in range(m)) == 1 for k in range(K)",
            sizes={"K": rows},
        )
    )
    A, b, C = data.values()
    system = np.block([[2.0 * A.T @ A, C.T], [C, np.zeros((rows, rows))]])
    exact = np.linalg.solve(system, np.concatenate([2.0 * A.T @ b, np.ones(rows)]))
    assert result.success
    np.testing.assert_allclose(result.x, exact[:70], atol=1e-7)


def test_bounds_hold_at_every_evaluation():
    result = minimize(
        "log(x) + y**2",
        [5.0, 5.0],
        bounds={"x": (0.5, None)},
        subject_to="x*y >= 1",
        trace=True,
    )
    assert result.success
    assert result.trace.x[:, 0].min() >= 0.5
    assert "violation" in result.trace.names


# --------------------------------------------------------------- what it says


def test_the_result_names_what_holds_the_point():
    result = minimize(
        "x**2 + y**2", subject_to={"sum": "x + y >= 2", "idle": "x - y <= 5"}
    )
    assert "active: sum (multiplier 2)" in repr(result)
    assert "idle" not in repr(result).split("active:")[1].split("\n")[0]
    assert result.constraints["sum"] == pytest.approx(0.0, abs=1e-9)
    assert result["multipliers"] == result.multipliers
    assert result.to_dict()["constraint_violation"] == result.constraint_violation
    assert "the violation" in result.message


@pytest.mark.parametrize(
    ("formula", "relations", "others"),
    [
        ("x**2 + y**2", ["x + y >= 2"], False),
        ("x**2 + y**2", ["x + y >= 2", "x + y >= 2"], True),
        ("x**2 + y**2", ["x + y >= 2", "2*x + 2*y == 4"], True),
        ("x + y", ["x >= 1", "y >= 1"], False),
        ("x + y", ["x >= 1", "y >= 1", "y >= 1"], True),
        ("x + y", ["x + y >= 2", "x >= 1", "y >= 1"], True),
        ("(x - 3)**2 + y**2", ["x + y <= 1", "x - y <= 1"], False),
    ],
)
def test_multipliers_that_are_not_the_only_ones_are_told(formula, relations, others):
    shown = repr(minimize(formula, [3.0, 4.0], subject_to=relations))
    assert ("other multipliers may do as well" in shown) == others


def test_no_success_is_claimed_where_no_multipliers_exist():
    result = minimize("x", [3.0], subject_to="x**2 == 0", maxiter=300)
    assert not result.success or abs(result.fun) < 1e-6


def test_a_saddle_within_constraints_is_no_minimum():
    result = minimize("x**2 - y**2", [0.0, 0.0], subject_to="x == 0")
    assert result.status == Status.DIVERGED
    assert "without bound" in result.message


def test_a_saddle_point_where_it_begins_is_left():
    result = minimize("x*y", [0.0, 0.0], subject_to="x**2 + y**2 <= 4")
    assert result.status == Status.CONVERGED
    assert result.fun == pytest.approx(-2.0)


def test_a_kink_is_not_claimed_to_be_a_minimum():
    ridge = "abs(x) - 0.5*abs(y)"  # which has no smooth form
    result = minimize(ridge, [1.0, 2.0], subject_to="x + 2*y == 3")
    assert not result.success


def test_of_all_tries_the_least_violation_is_kept():
    discs = ["x**2 + y**2 <= 1", "(x - 4)**2 + y**2 <= 1"]
    result = minimize("x - y", [5.0, 5.0], subject_to=discs)
    assert result.status == Status.INFEASIBLE
    assert result.constraint_violation == pytest.approx(3.0, abs=1e-6)
    assert max(result.constraints.values()) == pytest.approx(3.0, abs=1e-6)


TABLE = np.arange(6.0).reshape(2, 3)
SQUARES = "sum((w[i,j] - c[i,j])**2 for i in range(n) for j in range(k))"


@pytest.mark.parametrize(
    "family",
    [
        "w[i,j] >= 7 for i in range(n) for j in range(i + 1)",
        "w[i,j] >= 7 for i in range(n) for j in range(k) if j <= i",
        "w[i,j] >= 7 for i in range(n) for j in range(k) if chosen[i,j] > 0",
    ],
)
def test_indices_that_a_family_leaves_out_are_no_constraints(family):
    chosen = np.tril(np.ones((2, 3)))
    data = {"c": TABLE} | ({"chosen": chosen} if "chosen" in family else {})
    result = minimize(Objective(SQUARES, data=data, subject_to={"w": family}))
    assert result.status == Status.CONVERGED
    wanted = np.where(chosen > 0, 7.0, TABLE)
    np.testing.assert_allclose(result.values["w"], wanted, atol=1e-8)
    prices = result.multipliers["w"]
    slopes = np.where(chosen > 0, 2.0 * (7.0 - TABLE), 0.0)
    np.testing.assert_allclose(prices, slopes[:, : prices.shape[1]], atol=1e-6)
    assert repr(result).count("multiplier") == 3


def test_an_equality_of_some_indices():
    data = {"c": np.arange(9.0).reshape(3, 3)}
    same = "w[i,j] == w[j,i] for i in range(n) for j in range(i)"
    squares = SQUARES.replace("range(k)", "range(n)")
    result = minimize(Objective(squares, data=data, subject_to={"same": same}))
    found = result.values["w"]
    np.testing.assert_allclose(found, (data["c"] + data["c"].T) / 2, atol=1e-9)
    wanted = np.tril(data["c"].T - data["c"], -1)[:, :2]
    np.testing.assert_allclose(result.multipliers["same"], wanted, atol=1e-9)


def test_the_least_violated_constraint_that_resists_is_named():
    result = minimize("x", [0.0], subject_to={"far": "x >= 3", "near": "x <= 1"})
    assert result.status == Status.INFEASIBLE
    assert result.constraint_violation == pytest.approx(1.0, abs=1e-6)
    assert "far, near" in result.message or "near, far" in result.message


def test_limits_and_watchers_work_as_elsewhere(tmp_path):
    problem = {"x0": [1, 5, 5, 1], "bounds": [(1, 5)] * 4}
    problem["objective"] = Objective(
        "x1*x4*(x1 + x2 + x3) + x3",
        subject_to=["x1*x2*x3*x4 >= 25", "x1**2 + x2**2 + x3**2 + x4**2 == 40"],
    )
    whole = minimize(**problem, trace=True)
    seen = []
    watched = minimize(
        **problem, callback=lambda state: seen.append(state.t), callback_every=1
    )
    assert seen == list(range(watched.nit + 1))
    assert watched.x.tolist() == whole.x.tolist()
    file = tmp_path / "run.npz"
    cut = minimize(**problem, maxiter=4, checkpoint=file)
    assert cut.status == Status.MAXITER
    assert not cut.success
    resumed = minimize(**problem, checkpoint=file)
    assert resumed.x.tolist() == whole.x.tolist()
    assert resumed.nit == whole.nit
    late = minimize(**problem, time_limit=0.0)
    assert late.status == Status.TIME_LIMIT


def test_a_start_outside_of_bounds_is_moved_inside():
    result = minimize("(x - 3)**2", [9.0], bounds=[(0, 5)], subject_to="x <= 2")
    assert result.start_source == "given, moved inside the bounds"
    assert result.x[0] == pytest.approx(2.0)


def test_a_start_outside_of_the_domain_is_left():
    result = minimize("-log(x1) - log(x2 - x1)", [0.0, 0.0], subject_to="x1 + x2 == 3")
    assert result.fun == pytest.approx(-math.log(0.75) - math.log(1.5))


def test_rules_are_refused_naming_what_to_use():
    with pytest.raises(InputError, match=r"'gd' can't keep to constraints.*'auto'"):
        minimize("x**2", [3.0], method="gd", subject_to="x >= 1")
    with pytest.raises(InputError, match="subject_to="):
        minimize("x**2", [3.0], constraints=[{"type": "eq"}])


@pytest.mark.parametrize("argument", ["patience", "batch_size"])
def test_what_is_not_tested_within_constraints_is_refused(argument):
    with pytest.raises(InputError, match=argument):
        minimize("x**2", [3.0], subject_to="x >= 1", **{argument: 3})


def test_a_point_that_satisfies_all_is_found_where_f_is_flat():
    result = minimize("1", subject_to="x**2 == 4")
    assert result.status == Status.CONVERGED
    assert abs(result.x[0]) == pytest.approx(2.0)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6))
def test_bounds_that_are_not_0_are_approached_with_digits(seed):
    """Multipliers are those of the conditions, also where a gap is all rounding."""
    rng = np.random.default_rng(seed)
    c, a = rng.normal(size=N), rng.normal(size=(1, N))
    names = {"c": c, "a": a, "b": a @ rng.uniform(-1, 1, N) * 0.5}
    objective = Objective(
        "sum(c[i]*x[i] for i in range(n))",
        data=names,
        subject_to={
            "row": "sum(a[k,j]*x[j] for j in range(n)) == b[k] for k in range(m)"
        },
    )
    result = minimize(objective, np.zeros(N), bounds=[(-3, 3)] * N)
    assert result.status == Status.CONVERGED
    assert np.abs(result.x).max() <= 3.0
    prices = result.multipliers["row"] @ a + result.bound_multipliers["x"]
    np.testing.assert_allclose(prices, c, atol=1e-7)


def test_what_is_solved_is_not_spoiled_by_a_step_at_rounding():
    result = minimize(
        "x1**2 + x2**2 + x3**2",
        [0.4093956380565178, 1.3642698937946616, 0.7841733272026192],
        bounds=[(1.0, 10.0), (-10.0, 10.0), (-10.0, 10.0)],
        subject_to="-1 + x1**2 + x2**2 >= 0",
        trace=True,
    )
    assert result.status == Status.CONVERGED
    assert result.fun == pytest.approx(1.0, abs=1e-9)
    assert result.trace.x[-1].tolist() == result.x.tolist()
    assert len(result.trace.t) == result.nit + 1


# -------------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    ("formula", "start", "relations", "least"),
    [
        ("x*(x-1)**3", [3], "-2 <= x <= 4", -27 / 256),
        ("x**3", [3], "x >= -1", -1.0),
        ("y", [0.5, 0.1], ["y == x**3", "x >= -1"], -1.0),
        ("x**3 - 3*x*y**2", [0, 0], "x**2 + y**2 <= 1", -1.0),
        ("(x-1)**4", [3], "x >= -5", 0.0),
    ],
)
def test_an_inflection_is_no_minimum(formula, start, relations, least):
    result = minimize(formula, start, subject_to=relations)
    assert not result.success or result.fun == pytest.approx(least, abs=1e-8)
    assert result.success or result.status == Status.STATIONARY


def test_values_beside_an_end_are_taken_inside_of_bounds(monkeypatch):
    seen, evaluated = [], InteriorRun._evaluated
    monkeypatch.setattr(
        InteriorRun,
        "_evaluated",
        lambda run, x: (seen.append(list(x)), evaluated(run, x))[1],
    )
    bounds = {"x": (-0.01, 4.0), "y": (-0.002, 4.0)}
    minimize("y", [0.5, 0.1], bounds=bounds, subject_to="y == x**3")
    low, high = np.min(seen, axis=0), np.max(seen, axis=0)
    assert low[0] >= -0.01
    assert low[1] >= -0.002
    assert (high <= 4.0).all()


@pytest.mark.parametrize("unit", [1e-14, 1e-12, 1e-6, 1e6])
def test_units_of_f_change_neither_the_end_nor_its_name(unit):
    given = {"parameters": {"u": unit}, "subject_to": {"c": "x <= 100"}}
    result = minimize(Objective("u*(x-300)**2", **given), [0.0])
    assert result.status == Status.CONVERGED
    assert result.x[0] == pytest.approx(100.0, rel=1e-8)
    assert result.multipliers["c"] == pytest.approx(-400.0 * unit, rel=1e-6)


@pytest.mark.parametrize(
    ("formula", "start", "relations"),
    [
        ("exp(x)", [0], "exp(x) >= 5"),
        ("1/x", [5], "1/x >= 3"),
        ("-y + 3*z", [0, 0], "2*z <= -1"),
        ("-x", [1], "1/(1+x**2) >= 2"),
    ],
)
def test_what_is_farther_off_than_the_start_is_called_no_name_it_has_not(
    formula, start, relations
):
    result = minimize(formula, start, subject_to=relations, maxiter=500)
    assert not result.success or result.constraint_violation <= 1e-8
    assert not (result.status == Status.DIVERGED and result.constraint_violation > 1e-8)


def test_which_constraints_there_are_does_not_depend_on_the_point():
    with pytest.raises(FormulaError, match="can't depend on the variable x"):
        Objective(
            "sum((x[i]-4)**2 for i in range(3))",
            subject_to="x[i] <= 1 for i in range(3) if x[i] > 2",
        )


def test_a_variable_may_be_called_objective():
    result = minimize("objective**2", [0.0], subject_to="objective >= 1")
    assert result.x[0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("formula", "relations", "least"),
    [
        ("0.05*x + 0.05*y", ["x+y>=1", "x>=0", "y>=0"], 0.05),
        ("(x+y)**2", ["x+y>=0.1", "x-y<=0.1", "y-x<=0.1"], 0.01),
        ("exp(-x-y)*0.01", ["x+y>=1", "x+y<=2", "x>=0", "y>=0"], 0.01 * math.exp(-2)),
        ("-x-y", ["x+y<=0.1", "0<=x<=0.1", "0<=y<=0.1"], -0.1),
    ],
)
def test_minima_that_are_flat_along_a_constraint_are_minima(formula, relations, least):
    result = minimize(formula, [0.6, 0.7], subject_to=relations)
    assert result.success, result
    assert result.fun == pytest.approx(least, abs=1e-9)


@pytest.mark.parametrize("unit", [1e-2, 1e-4, 1e-5, 1e-6, 1e-8])
def test_where_the_barrier_hides_the_minimum_it_is_no_success(unit):
    result = minimize("x**2 + y**2", subject_to=f"x + y >= {unit!r}")
    near = pytest.approx(unit**2 / 2, rel=1e-3, abs=0)
    assert not result.success or result.fun == near


def test_a_target_and_a_direction_are_told_where_f_has_kinks():
    kinked = minimize("x**2+y**2+abs(x-0.3)", [5, 5], subject_to="x+y>=1", target=5.0)
    assert kinked.status == Status.TARGET_REACHED
    assert "has reached the target 5" in kinked.message
    rising = maximize("-abs(x-1) + 10*x", [4, 4], subject_to=["x+y>=3", "y>=-1"])
    assert "f rises without bound" in rising.message


@pytest.mark.parametrize("unit", [1e-14, 1e-10, 1e-7, 1e-3, 1e3, 1e9])
@pytest.mark.parametrize(
    "relation",
    ["{u}*(x + y) <= {u}", "{u}*(x + y) == {u}", "{u}*x**2 + {u}*x*y <= {u}"],
)
def test_the_units_of_a_constraint_change_neither_the_end_nor_its_name(relation, unit):
    usual = minimize("(x - 2)**2 + y**2", subject_to=relation.format(u=1))
    result = minimize("(x - 2)**2 + y**2", subject_to=relation.format(u=unit))
    assert result.status == usual.status == Status.CONVERGED
    assert result.x == pytest.approx(usual.x, abs=1e-6)
    (price,), (usual_price,) = result.multipliers.values(), usual.multipliers.values()
    assert price * unit == pytest.approx(usual_price, rel=1e-5)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(["x <= p", "x + y <= 2*p"]), st.floats(-8, -5))
def test_a_side_that_hardly_holds_the_point_is_no_reason_to_go_on(relation, size):
    p = -(10.0**size)
    known = Objective("x**2 + (y - x)**2", parameters={"p": -1.0}, subject_to=relation)
    result = minimize(known.with_parameters(p=p), [0.3, 0.1])
    assert result.status == Status.CONVERGED
    assert result.x == pytest.approx([p, p], abs=3e-6)


def test_a_multiple_of_a_variable_is_never_beyond_its_side():
    result = minimize("x - log(x - 1)", [0.0], subject_to="3*x - 2 >= 1", trace=True)
    assert result.status == Status.CONVERGED
    assert result.x == pytest.approx([2.0])
    assert result.trace.x.min() > 1.0


@pytest.mark.parametrize("least", [1e-4, 1e-6, 1e-8, 1e-9, 1e-10, 1e-12, 1e-14])
@pytest.mark.parametrize("start", [1e-5, 0.5])
def test_a_product_with_a_small_side_is_no_success_where_it_is_missed(start, least):
    relation = f"x*y >= {least!r}"
    result = minimize("x + y", [start] * 2, bounds=[(0, 1)] * 2, subject_to=relation)
    if result.success:
        assert result.fun == pytest.approx(2 * math.sqrt(least), rel=1e-2)
        assert math.prod(result.x) >= 0.9 * least
    assert result.success or least in (1e-8, 1e-12)


IN_UNITS = (
    "sum(Q[i,j]*x[i]*x[j] for i in range(n) for j in range(n))/2"
    " + sum(c[i]*x[i] for i in range(n)) + sum(exp(x[i]) for i in range(n))/10"
)
LINES = "u[k]*sum(A[k,j]*x[j] for j in range(n)) <= u[k]*b[k] for k in range(m)"
BALL = "v*sum((x[j] - p[j])**2 for j in range(n)) <= v*r"


@pytest.mark.parametrize(
    "relation", ["y**2 >= 1", "y**3 >= 1", "exp(y) >= 1", "-exp(y) <= -x", "y >= x**2"]
)
def test_a_variable_that_f_lacks_is_not_pushed_on(relation):
    result = minimize("(x - 1)**2", [3.0, 0.5], subject_to=relation)
    assert result.status == Status.CONVERGED
    assert result.nit <= 20
    assert result.x[0] == pytest.approx(1.0)


@pytest.mark.parametrize("start", [[0.5, 0.5], [3e-5, 0.9], [0.9, 0.01]])
@pytest.mark.parametrize("most", [1, None])
def test_a_small_side_is_measured_from_the_start(start, most):
    """Seen as satisfied where it was not yet, it took 2500 steps to nowhere."""
    result = minimize("x + y", start, bounds=[(0, most)] * 2, subject_to="x*y >= 1e-8")
    assert result.status == Status.CONVERGED
    assert result.nit <= 50
    assert result.fun == pytest.approx(2e-4, rel=1e-6)


@pytest.mark.parametrize("unit", [1e-10, 1e-8, 1e-4, 1.0])
@pytest.mark.parametrize("start", [0.1, 0.5])
def test_narrow_bounds_are_units_of_x(unit, start):
    bounds = [(0, unit)] * 2
    result = minimize(
        "-x*y", [start * unit] * 2, bounds=bounds, subject_to="x + y <= 8"
    )
    assert result.status == Status.CONVERGED
    np.testing.assert_allclose(result.x, unit, rtol=1e-6)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32),
    st.lists(st.floats(-9, 5), min_size=3, max_size=3),
    st.floats(-9, 5),
)
def test_each_constraint_may_have_a_unit_of_its_own(seed, units, unit):
    rng = np.random.default_rng(seed)
    M, A, p = rng.normal(size=(3, 3)), rng.normal(size=(3, 3)), rng.normal(size=3)
    data = {"Q": M @ M.T + 1e-3 * np.eye(3), "c": 3 * rng.normal(size=3), "A": A}
    data |= {"b": A @ p + rng.uniform(0, 1, 3), "p": p}  # p satisfies all of them
    start, ends = rng.normal(size=3), []
    for u, v in ((np.ones(3), 1.0), (10.0 ** np.array(units), 10.0**unit)):
        known = {"data": data | {"u": u}, "parameters": {"v": v, "r": 2.0}}
        objective = Objective(IN_UNITS, **known, subject_to=[LINES, BALL])
        ends.append(minimize(objective, start))
    usual, other = ends
    assert usual.status == other.status == Status.CONVERGED
    assert other.fun == pytest.approx(usual.fun, rel=1e-6, abs=1e-6)
    assert other.x == pytest.approx(usual.x, abs=1e-4)
