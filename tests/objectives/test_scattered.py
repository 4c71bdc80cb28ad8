"""Objectives whose rows are in files: those of the rows in one place, or refused."""

from unittest import mock

import numpy as np
import pytest

import symgd
from symgd.errors import FormulaError, InputError
from symgd.native.stopping import stoppable
from symgd.objectives.scattered import one_by_one
from symgd.objectives.scattered.partitions import added
from symgd.objectives.scattered.row_sums import SumsOfPart
from symgd.objectives.scattered.rows_read import Facts, read

RNG = np.random.default_rng(0)
DATA = {"A": RNG.standard_normal((50, 3)), "y": RNG.standard_normal(50)}
CUTS = (0, 7, 8, 30)


@pytest.fixture
def files(tmp_path):
    """Return what writes columns to files, cut at some rows."""

    def written(data, cuts=CUTS):
        paths = {name: [] for name in data}
        for name, column in data.items():
            for k, part in enumerate(np.split(column, cuts)):
                paths[name].append(tmp_path / f"{name}{k}.npy")
                np.save(paths[name][-1], part)
        return paths

    return written


SAME = {
    "a sum and a regulariser": "sum((y[i] - sum(A[i, j]*w[j] for j in range(d)))**2"
    " for i in range(n))/n + 0.1*sum(w[j]**2 for j in range(d))",
    "an array beside them": "sum((y[i] - sum(A[i, j]*b[j]*w[j] for j in range(d)))**2"
    " for i in range(n)) + sum(b[j]*w[j]**4 for j in range(d))",
    "sums that are made here": "sum((y[i] - sum(A[i, j]*w[j] for j in range(d)))**2"
    " for i in range(n)) + sum(w[j]**2*w[0] for j in range(d))"
    " + sum(exp(w[j])*w[j - 1] for j in range(1, d))",
    "products of both": "sum((y[i] - sum(A[i, j]*w[j] for j in range(d)))**2"
    " for i in range(n))*sum(w[j]*w[0]**3 for j in range(d)) + sum(A[i, 0]*exp(w[1])"
    " for i in range(n))*prod(w[j] - w[0]*w[1] + 2 for j in range(d))",
    "a maximum of sums": "max(sum(w[j]**2*w[2] for j in range(d)), w[0]"
    "*sum((y[i] - sum(A[i, j]*w[j] for j in range(d)))**2 for i in range(n)))",
    "whole arrays": "norm(A @ w - y)**2",
    "a function of several sums": "sqrt(sum((y[i] - w[0])**2 for i in range(n)))"
    "*sum(exp(w[1]*A[i, 0]) for i in range(n)) + w[2]**2*sum(y[i] for i in range(n))",
    "a parameter": "sum(log(cosh(c*y[i] - A[i, 1]*w[0])) for i in range(n))"
    " + w[1]*w[2]",
    "logarithms of quotients": "sum(log(exp(y[i])/(w[0]**2*exp(-A[i, 0])"
    " + exp(-w[1]*y[i]))) for i in range(n)) + w[2]",
}


@pytest.mark.parametrize("case", SAME)
def test_value_gradient_and_hessian_are_those_of_one_place(files, case):
    used = {name: DATA[name] for name in ("A", "y")}
    beside = {"b": np.array([1.0, 2.0, -3.0])} if "b[j]" in SAME[case] else {}
    given = {"parameters": {"c": 2.0}} if case == "a parameter" else {}
    given |= {} if "@" in SAME[case] or "d)" in SAME[case] else {"sizes": {"w": 3}}
    far, here = (
        symgd.Objective(SAME[case], data=data | beside, **given)
        for data in (files(used), used)
    )
    x, v = np.array([0.3, -0.2, 0.5]), np.array([1.0, 2.0, -1.0])
    for of_far, of_here in (
        (far.value(x), here.value(x)),
        (far.grad(x), here.grad(x)),
        (far.hess(x), here.hess(x)),
        (far.hessp(x, v), here.hessp(x, v)),
    ):
        np.testing.assert_allclose(of_far, of_here, rtol=1e-12, atol=1e-12)


def test_the_end_of_a_run_is_that_of_one_place(files):
    text = SAME["a sum and a regulariser"]
    far, here = (
        symgd.minimize(symgd.Objective(text, data=d)) for d in (files(DATA), DATA)
    )
    np.testing.assert_allclose(far.x, here.x, rtol=1e-7)


REFUSED = {
    "max(y[i]*a for i in range(n))": "only sums can be added up",
    "sum((y[i] - a)**2 for i in range(3))": "isn't over all 50 rows",
    "sum(i*(y[i] - a)**2 for i in range(n))": "needs the number i of a row",
    "y[0]*a**2 + sum((y[i] - a)**2 for i in range(n))": "is of one row",
    "sum((y[i] - y[i + 1]*a)**2 for i in range(n - 1))": "isn't of the row",
    "sum(a*y[i]*y[j] for i in range(n) for j in range(n))": "isn't of the row",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_sum_over_all_rows_is_refused(files, text):
    objective = symgd.Objective(text, data=files({"y": DATA["y"]}))
    with pytest.raises(FormulaError, match=REFUSED[text]):
        objective.value([1.0])


def test_rows_that_are_missing_are_left_out_partition_by_partition(files):
    column = DATA["y"].copy()
    column[[3, 7, 40]] = np.nan  # 7 is a partition of its own
    text = "sum((y[i] - a)**2 for i in range(n))/n"
    far = symgd.Objective(text, data=files({"y": column}), missing="drop")
    kept = column[np.isfinite(column)]
    assert far.value([0.5]) == pytest.approx(np.mean((kept - 0.5) ** 2), rel=1e-14)
    with pytest.raises(InputError, match="partition 1: column 'y' is not finite in ro"):
        symgd.Objective(text, data=files({"y": column}))
    nothing = files({"y": np.full(50, np.nan)})
    with pytest.raises(InputError, match="the partitions have no rows"):
        symgd.Objective(text, data=nothing, missing="drop")


@pytest.mark.parametrize("missing", ["error", "drop"])
@pytest.mark.parametrize("text", ["sum((y[i] - c)**2 for i in range(n))", "norm(y-c)"])
def test_columns_that_no_formula_names_may_be_anything(files, missing, text):
    here = {"y": DATA["y"], "holes": np.where(DATA["y"] > 0, np.nan, 1.0)}
    there = files(here | {"words": np.array(["a"] * 50)})
    whole = symgd.Objective(text, ["c"], data=here, missing=missing)
    far = symgd.Objective(text, ["c"], data=there, missing=missing)
    assert far.value([0.5]) == pytest.approx(whole.value([0.5]), rel=1e-14)


def test_a_partition_whose_rows_are_all_missing_is_an_empty_one():
    table = {"y": np.full(3, np.nan)}
    assert read(table, ("y",), "drop", "here") == (Facts(0, 3, {}, {}), {})


def test_columns_that_do_not_fit_are_refused(files):
    paths = files(DATA)
    with pytest.raises(InputError, match="as many partitions each: A 5, y 4"):
        symgd.Objective(SAME["whole arrays"], data={**paths, "y": paths["y"][:-1]})
    swapped = {**paths, "y": paths["y"][::-1]}
    with pytest.raises(InputError, match="its columns have"):
        symgd.Objective(SAME["whole arrays"], data=swapped)


def test_what_does_not_fit_in_the_memory_is_read_again(tmp_path, monkeypatch):
    paths = []
    for k, part in enumerate(np.split(DATA["y"], (20, 40))):
        paths.append(tmp_path / f"{k}.csv")
        paths[-1].write_text("y\n" + "\n".join(map(repr, part.tolist())) + "\n")
    reads = []
    whole = one_by_one.OneByOne._read

    def counted(self, place, *rest):
        reads.append(place)
        return whole(self, place, *rest)

    monkeypatch.setattr(one_by_one.OneByOne, "_read", counted)
    values = []
    for room in (0, 1 << 40):
        monkeypatch.setattr(one_by_one, "memory", lambda room=room: room)
        objective = symgd.Objective("sum((y[i] - a)**2 for i in range(n))", data=paths)
        objective.value([1.0])
        del reads[:]
        values.append(objective.value([2.0]))
        assert reads == ([] if room else [0, 1, 2])
    assert values[0] == values[1]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8])
def test_shares_are_added_in_pairs(count):
    def text(first, last):
        return first if last is None else f"({first}{last})"

    class Word(str):
        def __add__(self, other):
            return Word(text(self, other))

    assert added([Word(k) for k in range(count)]) == {
        1: "0", 2: "(01)", 3: "((01)2)", 7: "(((01)(23))((45)6))",
        8: "(((01)(23))((45)(67)))",
    }[count]  # fmt: skip


def test_objectives_whose_parts_are_written_alike_have_their_own_kernels(files):
    data, numbers = files({"y": np.arange(50.0)}), np.arange(50.0)
    size = "sum((y[i] - w)**2 for i in range(n))*a + n*w**2"
    parameter = "sum((y[i] - w)**2 for i in range(50))*a + n*w**2"
    squares = float(((numbers - 0.5) ** 2).sum())
    for text, given, n in ((size, {}, 50), (parameter, {"n": 2.5}, 2.5)):
        objective = symgd.Objective(text, data=data, parameters={"a": 1.0} | given)
        assert objective.value([0.5]) == pytest.approx(squares + n * 0.25, rel=1e-14)


def test_guards_of_rows_leave_what_is_made_of_sums_alone(files):
    plain = "sum((y[i] - sum(A[i,j]*w[j] for j in range(3)))**2 for i in range(n))"
    guarded = (
        "sum(sum(A[i,j+1]*w[j] if j+1 < 3 else y[i]*w[j] for j in range(3))**2"
        " for i in range(n))"
    )
    x = np.array([0.3, -0.2, 0.5])
    for text in (plain, guarded):
        text += " + sum(w[j]**2 for j in range(3))"
        far, here = (
            symgd.Objective(text, data=files(DATA)),
            symgd.Objective(text, data=DATA),
        )
        np.testing.assert_allclose(far.hess(x), here.hess(x), rtol=1e-12)
        assert far.value(x) == pytest.approx(here.value(x), rel=1e-13)


def test_what_is_to_stop_passes_no_more_rows(files):
    objective = symgd.Objective(SAME["whole arrays"], data=files(DATA))
    x = np.array([0.3, -0.2, 0.5])
    with stoppable() as stop:
        before = objective.value(x)
        stop[0] = 1
        with mock.patch.object(SumsOfPart, "__call__") as passed:
            assert np.isnan(objective.value(x))
        passed.assert_not_called()
    assert objective.value(x) == before
