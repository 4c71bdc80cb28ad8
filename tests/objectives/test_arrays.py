"""Objectives with arrays as values: data in place, copies, and what is compiled."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from symgd import (
    FormulaError,
    InputError,
    Objective,
    maximize,
    minimize,
    minimize_many,
    race,
    sweep,
)
from symgd.native import machine

LINE = "sum((y[i] - a*t[i] - b)**2 for i in range(n))"
CHAIN = "sum(100*(x[i + 1] - x[i]**2)**2 + (1 - x[i])**2 for i in range(n - 1))"
LOGISTIC = (
    "sum(log(1 + exp(-y[i]*sum(A[i, j]*w[j] for j in range(d)))) for i in range(n))"
)


@pytest.fixture
def count(monkeypatch):
    """Return a function that says how often something was compiled since."""
    times = []
    optimised = machine.optimised

    def counted(text, **options):
        times.append(text)
        return optimised(text, **options)

    monkeypatch.setattr(machine, "optimised", counted)

    def since():
        number = len(times)
        times.clear()
        return number

    return since


def line(seed=0, n=20, kind="f8"):
    rng = np.random.default_rng(seed)
    return {"t": rng.normal(size=n).astype(kind), "y": rng.normal(size=n).astype(kind)}


# -------------------------------------------------------------- what is compiled


def test_new_data_and_lengths_are_not_compiled_again(count):
    formula = "p*sum((y[i] - 1.7*a*t[i] - b)**2 for i in range(n))"
    first = Objective(formula, data=line(), parameters={"p": 2})
    first.value([1, 2])
    assert count() == 1
    for seed, n in ((1, 20), (2, 1), (3, 7), (4, 5000)):
        data = line(seed, n)
        other = Objective(formula, data=data, parameters={"p": seed})
        expected = seed * np.sum((data["y"] - 1.7 * data["t"] - 2) ** 2)
        assert other.value([1, 2]) == pytest.approx(expected, rel=1e-12)
        assert other.with_parameters(p=-1).value([1, 2]) < 0
    views = {name: np.repeat(column, 2)[:40] for name, column in line(5).items()}
    Objective(formula, data=views, parameters={"p": 1}).value([1, 2])
    assert count() == 0
    for kind in ("f4", "i4"):
        Objective(formula, data=line(0, 20, kind), parameters={"p": 1}).value([0, 0])
        assert count() == 1
    strided = {name: np.repeat(column, 2)[::2] for name, column in line(5).items()}
    Objective(formula, data=strided, parameters={"p": 1}).value([1, 2])
    assert count() == 1
    reversed_ = {name: column[::-1] for name, column in line(5).items()}
    Objective(formula, data=reversed_, parameters={"p": 1}).value([1, 2])
    assert count() == 0


def test_small_and_large_lengths_have_the_same_kernel(count):
    formula = CHAIN.replace("100", "17")
    objective = Objective(formula)
    objective.value([1, 2, 3])
    assert count() == 1
    kernels = {objective.sized(np.ones(n)).kernel("evaluation") for n in (2, 3, 10_000)}
    assert len(kernels) == 1
    for n in (2, 9, 100_000):
        objective.grad(np.ones(n))
    assert count() == 0


@pytest.mark.parametrize("method", ["auto", "momentum", "bb"])
def test_runs_of_other_lengths_are_not_compiled_again(count, method):
    # Of its own for each method: whichever runs first in a process compiles the sum.
    formula = CHAIN.replace("100", f"18*{len(method)}")
    minimize(formula, np.zeros(60), method=method, maxiter=5)
    assert count() > 0
    for n in (61, 100, 4000):
        minimize(formula, np.zeros(n), method=method, maxiter=5)
    assert count() == 0


def test_batches_of_other_data_are_not_compiled_again(count):
    run = {"method": "gd", "step_size": 1e-3, "maxiter": 5}
    formula = LINE.replace("a*t", "2.5*a*t")
    minimize(Objective(formula, data=line()), batch_size=3, **run)
    assert count() > 0
    for seed, n, size in ((1, 20, 4), (2, 50, 50), (3, 700, 7)):
        other = Objective(formula, data=line(seed, n))
        minimize(other, batch_size=size, rng=seed, **run)
    assert count() == 0


def test_only_what_is_written_out_depends_on_a_length(count):
    def value(d, n=5):
        data = {"A": np.ones((n, d)), "y": np.ones(n)}
        return Objective(LOGISTIC.replace("1 +", "3 +"), data=data).value(np.zeros(d))

    value(3)
    assert count() == 1
    value(3, 50)
    assert count() == 0
    value(4)
    assert count() == 1
    value(70)
    assert count() == 1
    value(71)
    assert count() == 0


# ------------------------------------------------------------------ data in place


@pytest.mark.parametrize("kind", ["f8", "f4", "i4", "u1"])
def test_data_are_read_where_they_are(kind):
    data = {"A": np.ones((9, 4), dtype=kind)[::2, 1:], "y": np.ones(5, dtype=kind)}
    objective = Objective(LOGISTIC, data=data)
    for name, column in objective.arrays.data.items():
        assert column.dtype == data[name].dtype
        assert np.shares_memory(column, data[name])
    changed = objective.with_parameters().negated().sized(np.zeros(3))
    assert np.shares_memory(changed.arrays.data["A"], data["A"])
    before = objective.value([1, 1, 1])
    data["A"][:] = 0
    assert objective.value([1, 1, 1]) != before


def test_mapped_files_are_read_where_they_are(tmp_path):
    table = np.zeros(1000, dtype=[("t", "f4"), ("k", "i2"), ("y", "f8")])
    table["t"], table["y"] = np.arange(1000), 2 * np.arange(1000) + 1
    np.save(tmp_path / "table.npy", table)
    mapped = np.load(tmp_path / "table.npy", mmap_mode="r")
    objective = Objective(LINE, data=mapped)
    assert np.shares_memory(objective.arrays.data["y"], mapped)
    result = minimize(objective)
    np.testing.assert_allclose(result.x, [2, 1], rtol=1e-6)
    assert minimize(objective, method="gd", step_size=1e-10, maxiter=3).nit == 3


def test_data_may_be_a_dataframe():
    import pandas

    frame = pandas.DataFrame(line())
    expected = Objective(LINE, data=line()).value([1, 2])
    assert Objective(LINE, data=frame).value([1, 2]) == expected


def test_data_that_are_not_in_the_formula_are_not_read():
    data = line() | {"words": ["a", "b"], "bad": [np.nan]}
    objective = Objective(LINE, data=data)
    assert set(objective.arrays.data) == {"t", "y"}


# ------------------------------------------------------------ objectives as values


def test_equality_and_hash():
    data = line()
    one, same = (Objective(LINE, data=data) for _ in range(2))
    assert one == same
    assert hash(one) == hash(same)
    assert one != Objective(LINE, data=line(1))
    assert one != Objective(LINE, data=data, sizes={"n": 3})
    assert one != one.negated()
    assert one == one.negated().negated()
    chain = Objective(CHAIN, sizes={"n": 3})
    assert chain == Objective(CHAIN).sized([1, 2, 3])
    assert chain != Objective(CHAIN, sizes={"n": 4})


def test_objectives_with_data_can_be_sent_elsewhere():
    objective = Objective(LINE, data=line(kind="f4"), sizes={"n": 15}, workers=1)
    for each in (objective, objective.negated()):
        again = pickle.loads(pickle.dumps(each))
        assert again.value([1, 2]) == each.value([1, 2])
        assert again.arrays.data["t"].dtype == np.float32
        assert again.arrays.sizes == {"n": 15}
        assert again.variables == each.variables
        assert again.expression == each.expression
        assert again._workers == 1
    sized = Objective(CHAIN).sized([1, 2, 3])
    assert pickle.loads(pickle.dumps(sized)).value([1, 2, 4]) == sized.value([1, 2, 4])


def test_results_can_be_sent_elsewhere():
    objective = Objective("sum((x[k[i]] - 1)**2 for i in range(n))", data={"k": [1]})
    result = minimize(objective, [1, 2, 3], method="gd", trace=True)
    sent = pickle.loads(pickle.dumps(result))
    assert sent.x.tolist() == result.x.tolist()
    assert sent.values["x"].tolist() == result.values["x"].tolist()
    assert sent.objective.space.shapes == ((3,),)
    fit = pickle.loads(pickle.dumps(minimize(Objective(LINE, data=line()))))
    assert fit.objective.value(fit.x) == fit.fun


@pytest.mark.parametrize(
    "change",
    [
        lambda o: o.with_parameters(p=2),
        lambda o: o.negated().negated(),
        copy.copy,
        lambda o: Objective(o),
    ],
)
def test_copies_keep_lengths_and_workers(change):
    formula, data = "sum(p*x[k[i]]**2 for i in range(n))", {"k": [0, 1]}
    objective = Objective(formula, data=data, parameters={"p": 2}, workers=1)
    changed = change(objective.sized([1, 2, 3]))
    assert changed.space.shapes == ((3,),)
    assert changed.value([1, 2, 5]) == 10
    assert changed._workers == 1
    assert objective.space.shapes == ((2,),)


def test_parameters():
    objective = Objective(
        "sum((x[i] - p)**2 for i in range(n)) + q", parameters={"p": 1, "q": 0}
    )
    assert objective.value([1, 2], p=2, q=5) == 6
    assert objective.with_parameters(p=0).grad([1, 2]).tolist() == [2, 4]
    assert objective.value([1, 2]) == 1
    with pytest.raises(InputError, match="unknown parameter 'n'"):
        objective.with_parameters(n=3)


def test_the_opposite():
    objective = Objective(LINE, data=line())
    value, gradient = objective.value_and_grad([1, 2])
    other = objective.negated()
    assert other.value([1, 2]) == -value
    assert other.grad([1, 2]).tolist() == (-gradient).tolist()
    assert objective.value([1, 2]) == value
    low = minimize(objective)
    high = maximize(Objective(f"-{LINE}", data=line()))
    assert high.fun == pytest.approx(-low.fun, rel=1e-12)
    np.testing.assert_allclose(high.x, low.x, rtol=1e-6)
    np.testing.assert_allclose(high.jac, 0, atol=1e-7)


def test_names_in_the_given_order():
    objective = Objective("sum((x[i] - a)**2 for i in range(2))", ["x", "a"])
    assert list(objective.space) == ["x[0]", "x[1]", "a"]
    assert objective.grad([1, 2, 5]).tolist() == [-8, -6, 14]
    extra = Objective("sum(x[i]**2 for i in range(2))", ["z", "x"])
    assert extra.grad([7, 1, 2]).tolist() == [0, 2, 4]
    with pytest.raises(InputError, match="unknown name in the formula 'a'"):
        Objective("sum((x[i] - a)**2 for i in range(2))", ["x"])


# -------------------------------------------------------------- the default method


@pytest.mark.parametrize("n", [2, 10, 49, 200])
def test_a_chain_is_minimised(n):
    x0 = np.where(np.arange(n) % 2, 1.0, -1.2)
    result = minimize(CHAIN, x0 if n < 100 else np.full(n, 0.5))
    assert result.status.name in ("CONVERGED", "STALLED")
    assert result.fun < 1e-9 or result.fun == pytest.approx(3.98, abs=0.02)
    assert result.fun == result.objective.value(result.x)
    assert result.jac.tolist() == result.objective.grad(result.x).tolist()
    assert result.grad_norm == np.abs(result.jac).max()


def test_least_squares():
    rng = np.random.default_rng(0)
    A, y = rng.normal(size=(200, 6)), rng.normal(size=200)
    formula = "sum((y[i] - sum(A[i, j]*w[j] for j in range(d)))**2 for i in range(n))"
    result = minimize(Objective(formula, data={"A": A, "y": y}))
    expected, residual, *_ = np.linalg.lstsq(A, y)
    assert result.start_source == "the origin"
    np.testing.assert_allclose(result.x, expected, rtol=1e-7)
    assert result.fun == pytest.approx(residual[0], rel=1e-12)


# ----------------------------------------------------------------- many descents


@pytest.mark.parametrize(
    "run",
    [
        {},
        {"method": "gd", "step_size": 0.02},
        {"method": "adam", "step_size": 0.1, "maxiter": 50},
        {"method": "bb"},
        {"method": "gd", "step_size": "auto"},
    ],
    ids=str,
)
def test_many_descents_are_those_of_single_runs(run):
    formula = "sum((x[i] - a*i)**2*(1 + i) + y[i]*x[i] for i in range(n))"
    data = {"y": np.linspace(-1, 1, 9)}
    objective = Objective(formula, data=data, parameters={"a": 1})
    starts = np.random.default_rng(0).normal(size=(5, 9))
    values = np.linspace(1, 2, 5)
    many = minimize_many(objective, starts, parameters={"a": values}, **run)
    for k in range(5):
        single = minimize(objective.with_parameters(a=values[k]), starts[k], **run)
        np.testing.assert_allclose(many.x[k], single.x, rtol=1e-9, atol=1e-9)
        assert many.nit[k] == single.nit
        assert many.fun[k] == pytest.approx(single.fun, rel=1e-12)


def test_a_race_and_a_sweep():
    formula = "sum((x[i] - i)**2 for i in range(n))"
    raced = race(formula, np.ones(4), methods=["auto", "gd", "adam"])
    assert "from x = " in repr(raced)
    assert {each.status.name for each in raced.results.values()} == {"CONVERGED"}
    grid = sweep(formula, np.ones(4), method="gd", step_size=[0.1, 0.2, 0.3])
    for step, fun in zip(grid.axes["step_size"], grid.fun, strict=True):
        single = minimize(formula, np.ones(4), method="gd", step_size=step)
        assert fun == pytest.approx(single.fun, abs=1e-15)
    both = sweep(
        "sum((x[i] - a)**2 + a for i in range(n))",
        np.ones(4),
        method="auto",
        parameters={"a": [1.0, 2.0]},
    )
    np.testing.assert_allclose(both.fun, [4, 8], rtol=1e-12)


# ------------------------------------------------- what a user may do by mistake


def test_indices_are_the_objective_s_own():
    p = np.array([0, 1, 2])
    f = Objective("sum((x[p[k]] - 1)**2 for k in range(m))", data={"p": p})
    p[:] = 10**12
    assert f.value([0, 0, 0]) == 3.0


def test_rows_are_dropped_where_one_index_counts_them():
    data = {"y": [1, np.nan, 2], "z": [1, 200, 3], "t": [1, 2, 3]}
    apart = "sum(y[i]*a for i in range(n)) + sum(z[j]*a for j in range(m))"
    assert Objective(apart, data=data, missing="drop").value([1]) == 207.0
    together = "sum(y[i]*t[i]*a for i in range(n))"
    f = Objective(together, data=data, missing="drop")
    assert f.arrays.data["t"].tolist() == [1, 3]
    shifted = "sum(y[i + 1]*a for i in range(n))"
    with pytest.raises(FormulaError, match="needs the rows as they are"):
        Objective(shifted, data=data, missing="drop")


@pytest.mark.parametrize(
    ("formula", "problem"),
    [
        ("sum(x[i % j] for i in range(4) for j in range(3))", "may be 0"),
        ("sum(x[i // j] for i in range(4) for j in range(3))", "may be 0"),
        ("sum(x[i % (-3)] for i in range(4))", "becomes -"),
        ("sum((x - 1)**2 for i in range(10**20))", "too long to compute"),
    ],
)
def test_indices_that_no_array_has(formula, problem):
    with pytest.raises(FormulaError, match=problem):
        Objective(formula)


def test_an_array_that_no_memory_holds():
    with pytest.raises(InputError, match="would have 10,000,000,000,000 elements"):
        Objective("sum(x[i]**2 for i in range(n))", sizes={"n": 10**13})


def test_conditions_on_indices_narrow_the_ranges():
    x = np.array([1.0, 2.0, 4.0, 8.0])
    steps = "sum((x[i] - x[i-1])**2 for i in range(n) if i > 0)"
    assert Objective(steps).value(x) == 21.0
    pairs = "sum(x[i]*x[j] for i in range(n) for j in range(n) if i < j)"
    f = Objective(pairs)
    assert f.value(x) == (x.sum() ** 2 - (x**2).sum()) / 2
    np.testing.assert_allclose(f.grad(x), x.sum() - x)
    some = "sum(x[i]*x[j] for i in range(n) for j in range(n) if j != i and i + j < n)"
    expected = sum(
        x[i] * x[j] for i in range(4) for j in range(4) if j != i and i + j < 4
    )
    assert Objective(some).value(x) == expected
    reached = "sum(x[i+j] for i in range(5) for j in range(i, 3))"
    assert len(Objective(reached).space) == 5


def test_what_python_raises_under_a_native_loop_is_raised(monkeypatch):

    def fails(*_):
        raise MemoryError("none left")

    kernel = machine.PythonKernel(fails, "d:ppp")
    f = Objective("sum((x[i] - 1)**2 for i in range(n))", sizes={"n": 4})
    f._kernels.made["evaluation",] = kernel
    with pytest.raises(MemoryError, match="none left"):
        minimize(f, np.zeros(4))
    with pytest.raises(MemoryError, match="none left"):
        f.value(np.zeros(4))


def test_hessians_of_products_at_one_size_after_another():
    product = "prod(x[i] for i in range(n))"
    for n in (40, 3, 100, 8):
        x = np.linspace(0.5, 1.5, n)
        f = Objective(product, sizes={"n": n})
        whole = np.prod(x)
        expected = whole / x * (np.sum(1 / x) - 1 / x)
        np.testing.assert_allclose(f.hessp(x, np.ones(n)), expected, rtol=1e-12)
        if n <= 8:
            exact = whole / np.outer(x, x) * (1 - np.eye(n))
            np.testing.assert_allclose(f.hess(x), exact, rtol=1e-12, atol=1e-300)


def test_hessians_of_nested_sums_against_differences():
    formula = (
        "sum(log(sum(exp(sum(X[i, j]*W[j, k] for j in range(d))) for k in range(K)))"
        " - sum(X[i, j]*W[j, l[i]] for j in range(d)) for i in range(n))"
    )
    rng = np.random.default_rng(0)
    for d, k in ((2, 3), (9, 8)):  # written out, and not
        data = {"X": rng.normal(size=(12, d)), "l": rng.integers(0, k, 12)}
        f = Objective(formula, data=data, sizes={"K": k})
        w, step = rng.normal(size=d * k), 1e-6
        for direction in rng.normal(size=(3, d * k)):
            ends = f.grad(w + step * direction), f.grad(w - step * direction)
            expected = (ends[0] - ends[1]) / (2 * step)
            np.testing.assert_allclose(f.hessp(w, direction), expected, atol=1e-6)


def test_an_array_with_nearly_the_name_of_a_column_is_noted():
    data = {"height": [1.0, 2.0], "day": [1.0, 3.0]}
    text = "sum((height[i] - a*dya[i])**2 for i in range(n))"
    with pytest.warns(UserWarning, match="'dya' is a variable here.*mean 'day'"):
        Objective(text, data=data)
    Objective(text, ["a", "dya"], data=data)  # it is meant
    Objective(text.replace("dya", "x"), data=data)  # nobody can know


def test_threads_have_directions_of_their_own():
    formula = "sum(a*x[i]**4 + x[i]*x[i-1] for i in range(1, n)) + b*sum(x)**2"
    formula = formula.replace("sum(x)", "sum(x[i] for i in range(n))")
    objective = Objective(formula, sizes={"n": 6}, parameters={"a": 1, "b": 2})
    points = np.random.default_rng(0).normal(size=(400, 6))
    expected = [objective.hess(x) for x in points]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(objective.hess, points))
    np.testing.assert_array_equal(found, expected)
