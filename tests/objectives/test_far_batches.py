"""Mini-batches of rows in partitions: each row once in an epoch, and unbiased."""

import numpy as np
import pytest

import symgd
from symgd.errors import FormulaError, InputError
from symgd.native.stopping import TIME, flag
from symgd.objectives.scattered.far_batches import BatchOfPart
from symgd.objectives.scattered.row_sums import SumsOfPart

ROWS, CUTS = 61, (0, 7, 8, 30)  # the first partition is empty, one has a row
RNG = np.random.default_rng(0)
A = RNG.standard_normal((ROWS, 3))
Y = np.sign(A @ [1, -2, 0.5] + RNG.logistic(size=ROWS))
LOGISTIC = (
    "sum(log(1 + exp(-y[i]*sum(A[i, j]*w[j] for j in range(d)))) for i in range(n))"
    " + c*sum(w[j]**2 for j in range(d))"
)
COLLECT = symgd.Rule("collect", "last = g + 0*last\nx = x + 0*g")
W = np.array([0.3, -0.2, 0.1])


@pytest.fixture
def far(tmp_path):
    """Return what makes an objective of rows in files."""

    def made(formula, data, **given):
        paths = {name: [] for name in data}
        for name, column in data.items():
            for k, part in enumerate(np.split(column, CUTS)):
                paths[name].append(tmp_path / f"{name}{k}.npy")
                np.save(paths[name][-1], part)
        return symgd.Objective(formula, data=paths, **given)

    return made


@pytest.fixture
def logistic(far):
    return far(LOGISTIC, {"A": A, "y": Y}, parameters={"c": 0.5})


@pytest.fixture
def one_hot(far):
    """Return an objective whose gradient tells which rows were seen."""
    formula = "sum(sum(A[i, j]*x[j] for j in range(n)) for i in range(n))"
    return far(formula, {"A": np.eye(ROWS)})


def seen(objective, x0=W, **run):
    run = {"method": COLLECT, "trace": True, "rng": 5} | run
    return symgd.minimize(objective, x0, **run).trace["last"][1:]


@pytest.mark.parametrize("size", [1, 4, 50, 60, 61, 10**9])
def test_an_epoch_sees_each_row_once(one_hot, size):
    batches = -(-ROWS // size)
    found = seen(one_hot, np.zeros(ROWS), batch_size=size, maxiter=3 * batches)
    rows = [np.flatnonzero(each) for each in found]
    for epoch in range(3):
        part = rows[epoch * batches : (epoch + 1) * batches]
        assert sorted(np.concatenate(part)) == list(range(ROWS))
        for k, (each, which) in enumerate(
            zip(found[epoch * batches :], part, strict=False)
        ):
            count = min(size, ROWS - k * size)
            np.testing.assert_allclose(each[which], ROWS / count, rtol=1e-15)
            shares = np.diff(np.searchsorted(which, (*CUTS, ROWS)))
            expected = np.diff((*CUTS, ROWS)) * count / ROWS
            assert (abs(shares - expected) < 1).all()
    if batches > 1:
        first, second = rows[:batches], rows[batches : 2 * batches]
        assert [r.tolist() for r in first] != [r.tolist() for r in second]


def test_each_row_is_as_likely_in_each_batch(one_hot):
    epochs, size = 400, 13
    batches = -(-ROWS // size)
    found = seen(
        one_hot, np.zeros(ROWS), batch_size=size, maxiter=epochs * batches, rng=1
    )
    counts = (found != 0).reshape(epochs, batches, ROWS).sum(axis=0)
    share = np.full(batches, size / ROWS)
    share[-1] = 1 - (batches - 1) * size / ROWS
    spread = np.sqrt(epochs * share * (1 - share))
    assert (abs(counts - epochs * share[:, None]) < 4.5 * spread[:, None]).all()


@pytest.mark.parametrize("size", [1, 10, 61])
def test_what_is_beside_the_sum_is_not_scaled(logistic, size):
    batches = -(-ROWS // size)
    found = seen(logistic, batch_size=size, maxiter=2 * batches)
    regular = 2 * 0.5 * W
    counts = [size] * (batches - 1) + [ROWS - (batches - 1) * size]
    for epoch in (found[:batches], found[batches:]):
        mean = np.array(counts) @ (epoch - regular) / ROWS + regular
        np.testing.assert_allclose(mean, logistic.grad(W), rtol=1e-12)


@pytest.mark.parametrize("rule", ["gd", "adam", "bb"])
def test_a_full_batch_is_no_batch(logistic, rule):
    run = {"method": rule, "step_size": 1e-3, "maxiter": 20, "gtol": 0.0}
    plain = symgd.minimize(logistic, W, **run)
    full = symgd.minimize(logistic, W, batch_size=ROWS, rng=1, **run)
    np.testing.assert_allclose(full.x, plain.x, rtol=1e-9)


def test_products_with_the_hessian_are_of_the_batch(logistic):
    newtonly = symgd.Rule("newtonly", "p = hvp(g) + 0*p\nx = x + 0*g")
    run = {"method": newtonly, "trace": True, "maxiter": 1, "batch_size": ROWS}
    result = symgd.minimize(logistic, W, **run)
    expected = logistic.hess(W) @ logistic.grad(W)
    np.testing.assert_allclose(result.trace["p"][1], expected, rtol=1e-10)


def test_seeds_and_epochs(logistic):
    def end(rng, step="0.01/epoch"):
        run = {"method": "gd", "step_size": step, "batch_size": 25, "trace": True}
        return symgd.minimize(logistic, W, maxiter=7, rng=rng, **run)

    assert end(3).x.tobytes() == end(3).x.tobytes() != end(4).x.tobytes()
    steps = end(3).trace["step_size"][1:]
    np.testing.assert_allclose(steps, 0.01 / np.array([1, 1, 1, 2, 2, 2, 3]))


def test_it_comes_near_the_minimum_and_tells_the_whole_objective(logistic):
    best = symgd.minimize(logistic)
    run = {"method": "amsgrad", "step_size": "0.05/sqrt(epoch)", "batch_size": 16}
    result = symgd.minimize(logistic, maxiter=2000, **run)
    np.testing.assert_allclose(result.x, best.x, atol=0.05)
    value, gradient = logistic.value_and_grad(result.x)
    assert result.fun == value
    assert (result.jac == gradient).all()


def test_rows_that_are_not_kept_are_drawn_alike(logistic, far, monkeypatch):
    from symgd.objectives.scattered import one_by_one

    run = {"method": "adam", "batch_size": 16, "maxiter": 12}
    kept = symgd.minimize(logistic, W, **run)
    monkeypatch.setattr(one_by_one, "memory", lambda: 0)
    again = far(LOGISTIC, {"A": A, "y": Y}, parameters={"c": 0.5})
    assert symgd.minimize(again, W, **run).x.tobytes() == kept.x.tobytes()


def test_a_run_that_was_stopped_goes_on_with_the_same_bits(logistic, tmp_path):
    run = {"method": "adam", "batch_size": 10, "rng": 5}
    whole = symgd.minimize(logistic, W, maxiter=33, **run)
    path = tmp_path / "run.npz"
    for maxiter in (4, 15, 33):
        part = symgd.minimize(logistic, W, maxiter=maxiter, checkpoint=path, **run)
    assert part.x.tobytes() == whole.x.tobytes()
    assert (part.fun, part.nfev) == (whole.fun, whole.nfev)
    other = run | {"batch_size": 11}
    with pytest.raises(InputError, match="checkpoint"):
        symgd.minimize(logistic, W, maxiter=9, checkpoint=path, **other)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"method": "adam"},
        {"method": "gd", "step_size": "auto"},
        {"method": "adam", "batch_size": 10},
        {"method": "momentum", "trace": 2},
    ],
)
def test_an_evaluation_that_is_cut_short_costs_no_bit(
    logistic, tmp_path, monkeypatch, how
):
    run = {"maxiter": 12, "gtol": 1e-14} | how
    whole = symgd.minimize(logistic, W, **run)
    path, calls = tmp_path / "run.npz", [0]
    kind = BatchOfPart if "batch_size" in how else SumsOfPart
    summed = kind.__call__

    def cut(self, *given):
        calls[0] += 1
        if calls[0] % 17 == 11:  # in the middle of the rows
            flag()[0] = TIME
        return summed(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(kind, "__call__", cut)
        ends = [symgd.minimize(logistic, W, checkpoint=path, **run) for _ in range(30)]
    assert {"TIME_LIMIT"} <= {each.status.name for each in ends}
    last = symgd.minimize(logistic, W, checkpoint=path, **run)
    assert last.x.tobytes() == whole.x.tobytes()
    assert (last.fun, last.status, last.nit) == (whole.fun, whole.status, whole.nit)
    assert last.message == whole.message


@pytest.mark.parametrize(
    ("formula", "run", "message"),
    [
        ("sum((y[i] - a)**2 for i in range(n))", {"method": "auto"}, "rule"),
        ("sqrt(sum((y[i] - a)**2 for i in range(n)))", {}, "no unbiased estimate"),
        ("a*sum((y[i] - b)**2 for i in range(n))", {}, "no unbiased estimate"),
        ("sum((y[i] - a)**2 for i in range(1, n))", {}, "isn't over all 61 rows"),
        ("sum((y[i] - a)**2 for i in range(n))", {"batch_size": 0}, "1 or more"),
    ],
)
def test_where_batches_are_refused(far, formula, run, message):
    objective = far(formula, {"y": Y})
    run = {"method": "gd", "batch_size": 5, "maxiter": 3} | run
    with pytest.raises((InputError, FormulaError), match=message):
        symgd.minimize(objective, **run)


def test_data_that_are_not_read_are_no_rows(far):
    objective = far("sum(w[j]**2 for j in range(3))", {"y": Y})
    assert objective.value([1, 2, 3]) == 14
    with pytest.raises(InputError, match="batch_size needs a sum over rows"):
        symgd.minimize(objective, [1, 2, 3], method="gd", batch_size=5)
