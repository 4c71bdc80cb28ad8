"""Mini-batches: unbiased, repeatable, and about the whole objective at the end."""

import numpy as np
import pytest

from symgd import FormulaError, InputError, Objective, Rule, maximize, minimize
from symgd.descent.batch_run import BatchRun

ROWS = 103
rng = np.random.default_rng(0)
A = rng.normal(size=(ROWS, 3))
Y = np.sign(A @ [1, -2, 0.5] + rng.logistic(size=ROWS))
DATA = {"A": A, "y": Y}
FORMULA = (
    "sum(log(1 + exp(-y[i]*sum(A[i, j]*w[j] for j in range(d)))) for i in range(n))"
    " + c*sum(w[j]**2 for j in range(d))"
)
OBJECTIVE = Objective(FORMULA, data=DATA, parameters={"c": 0.5})
COLLECT = Rule("collect", "last = g + 0*last\ns = s + g\nx = x + 0*g")
W = np.array([0.3, -0.2, 0.1])


def collected(objective=OBJECTIVE, x0=W, **run):
    run = {"method": COLLECT, "trace": True, "rng": 5} | run
    return minimize(objective, x0, **run)


def one_hot(n=ROWS):
    """Return an objective whose gradient tells which rows were seen."""
    return Objective("sum(x[i]*y[i] for i in range(n))", data={"y": np.ones(n)})


# -------------------------------------------------------------------- which rows


@pytest.mark.parametrize("size", [1, 2, 10, 50, 102, 103])
def test_an_epoch_sees_each_row_once(size):
    batches = -(-ROWS // size)
    run = collected(one_hot(), np.zeros(ROWS), batch_size=size, maxiter=3 * batches)
    seen = run.trace["last"][1:]
    rows = [np.flatnonzero(each) for each in seen]
    last = ROWS - (batches - 1) * size
    for epoch in range(3):
        part = rows[epoch * batches : (epoch + 1) * batches]
        assert [len(each) for each in part] == [size] * (batches - 1) + [last]
        assert sorted(np.concatenate(part)) == list(range(ROWS))
    for each, which in zip(seen, rows, strict=True):
        np.testing.assert_allclose(each[which], ROWS / len(which), rtol=1e-15)
    if size < ROWS:
        assert [r.tolist() for r in rows[:batches]] != [
            r.tolist() for r in rows[batches : 2 * batches]
        ]


def test_rows_are_in_a_random_order():
    run = collected(one_hot(), np.zeros(ROWS), batch_size=1, maxiter=20 * ROWS)
    order = run.trace["last"][1:].argmax(axis=1).reshape(20, ROWS)
    places = order.argsort(axis=1)
    steps = np.corrcoef(order[:, :-1].ravel(), order[:, 1:].ravel())[0, 1]
    assert abs(steps) < 0.1
    assert abs(places.mean(axis=0) - 51).max() < 4.5 * 29.7 / np.sqrt(20)


@pytest.mark.parametrize("size", [1, 2, 10, 50, 103])
def test_batches_are_unbiased(size):
    batches = -(-ROWS // size)
    run = collected(batch_size=size, maxiter=2 * batches)
    seen = run.trace["last"][1:]
    whole = OBJECTIVE.grad(W)
    regular = 2 * 0.5 * W
    counts = np.array([size] * (batches - 1) + [ROWS - (batches - 1) * size] * 1)
    for epoch in (seen[:batches], seen[batches:]):
        weighted = counts @ (epoch - regular) / ROWS + regular
        np.testing.assert_allclose(weighted, whole, rtol=1e-12)


def test_a_range_that_begins_later():
    objective = Objective(
        "sum((y[i + 1] - a)**2 for i in range(3, n))", data={"y": np.arange(20.0)}
    )
    full = collected(objective, [1.0], batch_size=100, maxiter=1)
    assert full.trace["last"][1] == pytest.approx(objective.grad([1.0]), rel=1e-13)
    single = collected(objective, [0.0], batch_size=1, maxiter=16)
    seen = sorted((single.trace["last"][1:, 0] / -32).round(6).tolist())
    assert seen == list(range(4, 20))


def test_two_sums_over_the_same_rows_see_the_same_batch():
    objective = Objective(
        "sum(y[i]*a for i in range(n)) + 3*sum(y[i]*b for i in range(n)) + a*b",
        data={"y": 2.0 ** np.arange(10)},
    )
    run = collected(objective, [0.0, 0.0], batch_size=2, maxiter=5)
    seen = run.trace["last"][1:]
    np.testing.assert_allclose(3 * seen[:, 0], seen[:, 1], rtol=1e-14)


def test_inner_sums_of_any_length():
    wide = np.random.default_rng(1).normal(size=(30, 70))
    formula = "sum(sum(A[i, j]*w[j] for j in range(d))**2 for i in range(n))"
    objective = Objective(formula, data={"A": wide})
    w = np.linspace(-1, 1, 70)
    run = collected(objective, w, batch_size=10, maxiter=3)
    np.testing.assert_allclose(
        run.trace["last"][1:].mean(axis=0), objective.grad(w), rtol=1e-11
    )


# -------------------------------------------------------------------- the runs


@pytest.mark.parametrize("rule", ["gd", "adam", "bb"])
def test_a_full_batch_is_no_batch(rule):
    run = {"method": rule, "step_size": 1e-3, "maxiter": 40, "gtol": 0.0}
    plain = minimize(OBJECTIVE, W, **run)
    for size in (ROWS, 10**9):
        full = minimize(OBJECTIVE, W, batch_size=size, rng=1, **run)
        np.testing.assert_allclose(full.x, plain.x, rtol=1e-9)


def test_steps_are_those_of_numpy():
    run = collected(batch_size=10, maxiter=30)
    seen = run.trace["last"][1:]
    descent = minimize(
        OBJECTIVE, W, method="gd", step_size=1e-9, batch_size=10, maxiter=30, rng=5
    )
    np.testing.assert_allclose(descent.x - W, -1e-9 * seen.sum(axis=0), rtol=1e-5)


def test_seeds():
    def end(rng):
        run = {"method": "adam", "batch_size": 10, "maxiter": 100}
        return minimize(OBJECTIVE, W, rng=rng, **run).x.tobytes()

    assert end(3) == end(3)
    assert end(3) != end(4)
    assert end(None) == end(0)
    assert end(np.random.default_rng(3)) == end(3)
    assert end(np.random.RandomState(3)) == end(np.random.RandomState(3))


def test_the_epoch_in_schedules():
    run = {"method": "gd", "step_size": "0.01/epoch", "batch_size": 50, "trace": True}
    result = minimize(OBJECTIVE, W, maxiter=7, **run)
    steps = result.trace["step_size"][1:]
    np.testing.assert_allclose(
        steps, 0.01 / np.array([1, 1, 1, 2, 2, 2, 3]), rtol=1e-15
    )
    both = minimize(OBJECTIVE, W, maxiter=7, **run | {"step_size": "0.01/(epoch + t)"})
    expected = 0.01 / (np.array([1, 1, 1, 2, 2, 2, 3]) + np.arange(1, 8))
    np.testing.assert_allclose(both.trace["step_size"][1:], expected, rtol=1e-15)


@pytest.mark.parametrize("maximized", [False, True])
def test_a_result_is_about_the_whole_objective(maximized):
    run = {"method": "adam", "batch_size": 7, "maxiter": 50}
    objective = OBJECTIVE
    if maximized:
        objective = Objective(f"-({FORMULA})", data=DATA, parameters={"c": 0.5})
    result = (maximize if maximized else minimize)(objective, W, **run)
    value, gradient = objective.value_and_grad(result.x)
    assert result.fun == pytest.approx(value, rel=1e-15)
    np.testing.assert_allclose(result.jac, gradient, rtol=1e-13)
    assert result.grad_norm == np.abs(result.jac).max()
    assert result.status.name == "MAXITER"
    same = minimize(OBJECTIVE, W, **run)
    assert result.x.tobytes() == same.x.tobytes()


def test_it_comes_near_the_minimum():
    best = minimize(OBJECTIVE)
    run = {"method": "amsgrad", "step_size": "0.05/sqrt(epoch)", "batch_size": 16}
    result = minimize(OBJECTIVE, maxiter=20_000, **run)
    np.testing.assert_allclose(result.x, best.x, atol=0.02)
    assert best.fun <= result.fun <= best.fun + 0.01


def test_bounds_parameters_and_callbacks():
    seen = []
    run = {"method": "gd", "step_size": 0.01, "batch_size": 20, "maxiter": 100}
    result = minimize(
        OBJECTIVE.with_parameters(c=3),
        np.zeros(3),
        bounds={"w": (-0.1, 0.1)},
        callback=seen.append,
        callback_every=10,
        **run,
    )
    assert np.abs(result.x).max() == 0.1
    assert [state.t for state in seen] == list(range(0, 101, 10))
    silent = minimize(
        OBJECTIVE.with_parameters(c=3), np.zeros(3), bounds={"w": (-0.1, 0.1)}, **run
    )
    assert silent.x.tobytes() == result.x.tobytes()


@pytest.mark.parametrize("trace", [0, 7])
def test_a_run_that_was_stopped_goes_on_with_the_same_bits(tmp_path, trace):
    run = {"method": "adam", "batch_size": 10, "rng": 5, "trace": trace}
    whole = minimize(OBJECTIVE, W, maxiter=333, **run)
    path = tmp_path / "run.npz"
    for maxiter in (4, 150, 333):
        part = minimize(OBJECTIVE, W, maxiter=maxiter, checkpoint=path, **run)
        assert part.nit == maxiter
    assert part.x.tobytes() == whole.x.tobytes()
    assert (part.fun, part.nfev) == (whole.fun, whole.nfev)
    if trace:
        assert part.trace.x.tobytes() == whole.trace.x.tobytes()
        assert part.trace.fun.tobytes() == whole.trace.fun.tobytes()
    for other in ({"batch_size": 11}, {"rng": 6}):
        with pytest.raises(InputError, match="checkpoint"):
            minimize(OBJECTIVE, W, maxiter=9, checkpoint=path, **run | other)


def test_the_order_belongs_to_a_run():
    run = {"method": "gd", "batch_size": 10, "maxiter": 25, "rng": 2, "step_size": 1e-3}
    first = minimize(OBJECTIVE, W, **run)
    minimize(OBJECTIVE, W, **run | {"rng": 9})
    assert minimize(OBJECTIVE, W, **run).x.tobytes() == first.x.tobytes()
    assert OBJECTIVE.value(W) == Objective(
        FORMULA, data=DATA, parameters={"c": 0.5}
    ).value(W)


def test_online_objectives_have_batches_too():
    objective = Objective(
        "sum((y[i] - a)**2 for i in range(n))*t", data={"y": Y}, iteration="t"
    )
    run = collected(objective, [0.0], batch_size=ROWS, maxiter=3)
    whole = objective.grad([0.0])[0]
    np.testing.assert_allclose(run.trace["last"][1:, 0], whole * np.array([1, 2, 3]))


# --------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("formula", "run", "message"),
    [
        (FORMULA, {"batch_size": 0}, "batch_size must be 1 or more"),
        (FORMULA, {"batch_size": 2.5}, "batch_size must be a whole number"),
        (FORMULA, {"method": "auto"}, "rule"),
        (FORMULA, {"step_size": "auto"}, "step_size"),
        (FORMULA, {"target": 1}, "target can't be tested"),
        (FORMULA, {"patience": 3}, "patience can't be tested"),
        (FORMULA, {"batch_size": None, "step_size": "1/epoch"}, "epoch"),
        ("c*x**2", {}, "batch_size needs"),
        ("c*sum(x[i]**2 for i in range(3))", {}, "sum over rows of data"),
        ("log(c + sum((y[i] - a)**2 for i in range(n)))", {}, "no unbiased estimate"),
        ("a*sum((y[i] - c)**2 for i in range(n))", {}, "no unbiased estimate"),
        ("sum(y[i]*a for i in range(n))*sum(y[i]*c for i in range(n))", {}, "unbiased"),
    ],
)
def test_where_batches_are_refused(formula, run, message):
    parameters = {"c": 1.0}
    data = (
        None
        if "y[" not in formula
        else {k: DATA[k] for k in DATA if f"{k}[" in formula}
    )
    objective = Objective(formula, data=data, parameters=parameters)
    run = {"method": "gd", "batch_size": 5, "maxiter": 3} | run
    x0 = None if objective.arrays is None else np.zeros(len(objective.space))
    with pytest.raises((InputError, FormulaError), match=message):
        minimize(objective, x0, **run)


def test_a_mean_over_rows_is_fine():
    objective = Objective(
        "sum((y[i] - a)**2 for i in range(n))/n*p + a**2",
        data={"y": Y},
        parameters={"p": 2},
    )
    run = collected(objective, [0.3], batch_size=1, maxiter=ROWS)
    mean = run.trace["last"][1:].mean()
    assert mean == pytest.approx(objective.grad([0.3])[0], rel=1e-12)


def test_the_run_is_another():
    from symgd.descent.methods import run_of
    from symgd.descent.settings import Settings
    from symgd.objectives.points import Bounds

    settings = Settings(1.0, 1, -1.0, 0.0, 0, -np.inf, np.inf, 0, False)
    run = run_of(OBJECTIVE, Bounds(3), settings, "gd", {}, 10, 1)
    assert isinstance(run, BatchRun)
    assert (run.batch_size, run.batched.rows) == (10, ROWS)
