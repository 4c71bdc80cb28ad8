"""Whole arrays in objectives: shapes from data, starts and sizes; values as NumPy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symgd
from symgd import FormulaError, InputError, Objective

seeds = st.integers(0, 2**32 - 1)

# What is written, and the same by NumPy; x is the variable.
VALUES = [
    ("norm(A @ x - b)**2 + 0.5*norm(x, 1)",
     lambda x, A, b, S: np.sum((A @ x - b) ** 2) + 0.5 * np.abs(x).sum()),
    ("x.T @ S @ x + np.dot(x, S[0]) - trace(S)",
     lambda x, A, b, S: x @ S @ x + x @ S[0] - np.trace(S)),
    ("((A*x - mean(A, axis=1, keepdims=True))**2).mean()",
     lambda x, A, b, S: ((A * x - A.mean(axis=1, keepdims=True)) ** 2).mean()),
    ("sum((x[1:] - x[:-1]**2)**2) + x[-1]*sum(x[::2]) + norm(x[::-1] - 1)",
     lambda x, A, b, S: np.sum((x[1:] - x[:-1] ** 2) ** 2)
     + x[-1] * x[::2].sum() + np.linalg.norm(x[::-1] - 1)),
    ("logsumexp(A @ x) + sum(softmax(x)*x)",
     lambda x, A, b, S: np.log(np.exp(A @ x).sum()) + np.exp(x) @ x / np.exp(x).sum()),
    ("sum(where(x > 0, x**2, -x)) + prod(cos(x)) + max(A[:, 0])*sum(clip(x, -1, 1))",
     lambda x, A, b, S: np.sum(np.where(x > 0, x**2, -x)) + np.prod(np.cos(x))
     + A[:, 0].max() * np.clip(x, -1, 1).sum()),
    ("b[:3] @ inv(S + x[0]*eye(3)) @ x + log(abs(det(S))) + sum(solve(S, x))",
     lambda x, A, b, S: b[:3] @ np.linalg.inv(S + x[0] * np.eye(3)) @ x
     + np.log(abs(np.linalg.det(S))) + np.linalg.solve(S, x).sum()),
    ("np.var(A @ x) + std(b*x[0], ddof=1) + sum(torch.var(A)*A.std(axis=1))",
     lambda x, A, b, S: np.var(A @ x) + np.std(b * x[0], ddof=1)
     + np.var(A, ddof=1) * A.std(axis=1).sum()),
    ("sum((np.roll(x, 1) - x)**2*np.roll(x, -2)) + sum(diag(S)*(tril(S) @ x))",
     lambda x, A, b, S: np.sum((np.roll(x, 1) - x) ** 2 * np.roll(x, -2))
     + np.sum(np.diag(S) * (np.tril(S) @ x))),
    ("sum(triu(S)*outer(x, x)) + sum(np.logaddexp(A @ x, b)) + sum(F.logsigmoid(x))",
     lambda x, A, b, S: np.sum(np.triu(S) * np.outer(x, x))
     + np.logaddexp(A @ x, b).sum() - np.logaddexp(0, -x).sum()),
    ("F.mse_loss(A @ x, b) + sum_squares(x - 1) + sum(np.heaviside(x, 0.5)*x)",
     lambda x, A, b, S: np.mean((A @ x - b) ** 2) + np.sum((x - 1) ** 2)
     + np.maximum(x, 0).sum()),
    ("norm(outer(x, b) - A.T)**2 + sum(abs(v - 1) for v in x)",
     lambda x, A, b, S: np.sum((np.outer(x, b) - A.T) ** 2) + np.abs(x - 1).sum()),
]  # fmt: skip


TAKEN = (  # with arrays of indices, of which there may be several
    *("W[I, k]", "W[I, 1]", "W[I]", "W[:, k]", "W[I, :2]", "W[I, -1]", "W[None, I, k]"),
    *("T[I, k]", "T[I, k, 1]", "T[0, :, I]", "T[I, :, k]", "T[:, I, k]", "T[0, k, I]"),
    *("T[:, 1, I]", "T[1, :, 2]", "T[I, None, k]", "T[I, k, 1:4]", "T[0, 1:3, k]"),
    *("W[I[:, None], k]", "T[I[:, None], k]", "W[J, J]", "W[J, J[0]]", "T[J, J, J]"),
    *("W[0:1, k]", "W[J, 1]"),
)


@pytest.mark.parametrize("taken", TAKEN)
def test_what_arrays_of_indices_take_is_what_numpy_takes(taken):
    source = np.random.default_rng(0)
    data = {
        "W": source.normal(size=(3, 4)),
        "T": source.normal(size=(3, 4, 5)),
        "I": np.array([0, 2, 1]),
        "k": np.array([3, 1, 0]),
        "J": np.array([[0, 1], [2, 0]]),
    }
    told = eval(taken, {}, data)
    data = {name: each for name, each in data.items() if name in taken}
    data["C"] = source.normal(size=told.shape)
    objective = Objective(f"sum(({taken})**2*x) + sum(C*({taken}))", ["x"], data=data)
    whole = 1.5 * (told**2).sum() + (data["C"] * told).sum()
    assert objective.value([1.5]) == pytest.approx(whole, rel=1e-13)


def test_arrays_of_indices_that_do_not_fit_are_refused():
    data = {"W": np.ones((3, 4)), "I": np.array([0, 1, 2]), "k": np.array([0, 1])}
    with pytest.raises(FormulaError, match="the shapes don't fit") as caught:
        Objective("sum(W[I, k])*x", data=data)
    assert "I has shape (3,), k has shape (2,)" in str(caught.value)


CHAINS = (  # from the left, as Python reads them; a vector ends what is a matrix
    *("(A @ x) @ v", "A @ x @ v", "C @ x @ u", "(C @ x) @ (C @ x)", "(A @ B) @ x @ v"),
    *(
        "A @ x @ (A @ x)",
        "(2*C @ x) @ u",
        "(C.T @ u) @ x",
        "v @ A @ B @ x",
        "u @ C @ x",
    ),
    *("A @ B @ x @ A @ v", "A @ x @ A @ B @ v", "x @ A @ A @ x", "sum(v @ A @ B*x)"),
)


@pytest.mark.parametrize("text", CHAINS)
def test_products_of_several_are_those_of_numpy(text):
    source = np.random.default_rng(0)
    shapes = {"A": (3, 3), "B": (3, 3), "C": (4, 3), "v": 3, "u": 4}
    data = {k: source.normal(size=n) for k, n in shapes.items() if k in text}
    x = source.normal(size=3)
    told = eval(text, {"sum": np.sum}, {**data, "x": x})
    objective = Objective(text, ["x"], data=data, sizes={"x": 3})
    assert objective.value(x) == pytest.approx(told, rel=1e-12)


def test_three_vectors_have_no_product():
    with pytest.raises(FormulaError, match="of three vectors there is no product @"):
        Objective("x @ v @ v", data={"v": np.ones(3)})


def numbers(seed):
    source = np.random.default_rng(seed)
    data = {"A": source.normal(size=(4, 3)), "b": source.normal(size=4)}
    return source.normal(size=3), {**data, "S": source.normal(size=(3, 3))}


@pytest.mark.parametrize(("text", "plain"), VALUES)
def test_values_and_gradients_are_those_of_numpy(text, plain):
    @settings(deadline=None, max_examples=20)
    @given(seeds)
    def check(seed):
        x, data = numbers(seed)
        if "inv" in text:  # as well-conditioned as differences need it
            data["S"] += 9 * np.eye(3)
        objective = Objective(text, data=data, sizes={"x": 3})
        value, slope = objective.value_and_grad(x)
        assert value == pytest.approx(plain(x, **data), rel=1e-12, abs=1e-12)
        step = 1e-6
        for k, along in enumerate(np.eye(3) * step):
            ends = [plain(x + side * along, **data) for side in (1, -1)]
            difference = (ends[0] - ends[1]) / (2 * step)
            assert slope[k] == pytest.approx(difference, rel=1e-6, abs=1e-7)

    check()


SAME = [
    ("norm(A @ x - b)**2",
     "sum((sum(A[i, j]*x[j] for j in range(m)) - b[i])**2 for i in range(n))"),
    ("norm(A @ x - b, inf)",
     "max(abs(sum(A[i, j]*x[j] for j in range(m)) - b[i]) for i in range(n))"),
    ("norm(A @ x - b, 1) + sum(b)",
     "sum(abs(sum(A[i, j]*x[j] for j in range(m)) - b[i]) for i in range(n))"
     " + sum(b[i] for i in range(n))"),
    ("mean((A @ x - b)**2)",
     "sum((sum(A[i, j]*x[j] for j in range(m)) - b[i])**2 for i in range(n))/n"),
    ("logsumexp(A @ x - b)",
     "log(sum(exp(sum(A[i, j]*x[j] for j in range(m)) - b[i]) for i in range(n)))"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "indexed"), SAME)
@settings(deadline=None, max_examples=20)
@given(seed=seeds)
def test_the_bits_are_those_of_the_form_with_indices(text, indexed, seed):
    x, data = numbers(seed)
    del data["S"]
    whole, plain = Objective(text, data=data), Objective(indexed, data=data)
    assert whole.value(x) == plain.value(x)
    assert whole.grad(x).tolist() == plain.grad(x).tolist()


@pytest.mark.parametrize(("text", "indexed"), SAME)
def test_new_shapes_compile_nothing_new(text, indexed):
    keys = set()
    for count in (4, 5):
        data = {"A": np.ones((count, 70)), "b": np.ones(count)}
        keys.add(Objective(text, data=data).code_key)
    assert len(keys) == 1


def test_elements_may_be_counted_from_the_end_without_a_sum():
    for text in ("x[-1]**2 + (x[0] - 1)**2", "x[n - 1]**2 + (x[0] - 1)**2"):
        assert symgd.minimize(text, [3.0, 4.0]).x == pytest.approx([1, 0], abs=1e-9)
    assert Objective("x[-1] - x[-2]", sizes={"x": 3}).value([1, 2, 4]) == 2
    with pytest.raises(FormulaError, match="'i' is not the index"):
        symgd.minimize("x[i - 1]**2", [1.0, 2.0])


ROWS = [  # of the page: what is written in several ways, with x, or A and S, known
    ("sum(x**2)", "(x**2).sum()", "sum(x[i]**2 for i in range(n))"),
    ("mean(x)", "x.mean()", "sum(x[i] for i in range(n))/n"),
    ("norm(x)", "np.linalg.norm(x)", "sqrt(sum(x[i]**2 for i in range(n)))"),
    ("max(x)", "x.max()", "max(x[i] for i in range(n))"),
    ("norm(x, inf)", "np.linalg.norm(x, np.inf)", "max(abs(x[i]) for i in range(n))"),
    ("sum(A @ x)", "(A @ x).sum()",
     "sum(A[i, j]*x[j] for i in range(n) for j in range(d))"),
    ("x @ S @ x", "x.dot(S).dot(x)",
     "sum(x[i]*S[i, j]*x[j] for i in range(n) for j in range(n))"),
    ("sum((x[1:] - x[:-1])**2)", "(np.diff(x)**2).sum()",
     "sum((x[i + 1] - x[i])**2 for i in range(n - 1))"),
    ("x[-1]", "x[2]", "x[n - 1]"),
]  # fmt: skip


@pytest.mark.parametrize("ways", ROWS)
def test_what_is_written_in_several_ways_is_one_thing(ways):
    x, data = numbers(3)
    shown = {name: data[name] for name in "AS" if name in ways[0]}
    more = " + 0*x[2]" if ways[0] != "x[-1]" else ""
    values = [
        Objective(way + more, data=shown or None, sizes={"x": 3}).value(x)
        for way in ways
    ]
    assert values == pytest.approx([values[0]] * 3, rel=1e-14)


def test_a_start_tells_what_is_an_array():
    assert symgd.minimize("sum((x - 1)**2)", [3, 4, 5]).x.tolist() == [1, 1, 1]
    found = symgd.minimize("norm(x - y)**2 + y**2", {"x": [1.0, 2.0], "y": 3.0})
    assert found.values["x"] == pytest.approx([0, 0], abs=1e-7)
    matrix = symgd.minimize("norm(X - 1)**2", {"X": np.zeros((2, 3))})
    assert matrix.values["X"] == pytest.approx(np.ones((2, 3)))


def test_many_starts_race_and_sweep_know_arrays():
    many = symgd.minimize_many("sum((x - 1)**2)", [[3.0, 4.0], [0.0, 1.0]])
    assert many.x == pytest.approx(np.ones((2, 2)))
    race = symgd.race("sum((x - 1)**2)", [3.0, 4.0], methods=["auto", "gd"])
    assert race.variables == ("x",) if hasattr(race, "variables") else race
    grid = symgd.sweep("sum((x - 1)**2)", [3.0, 4.0], method="gd", step_size=[0.1, 0.2])
    assert grid.fun.shape == (2,)


def test_sizes_tell_shapes():
    objective = Objective("norm(U @ V - 1)**2", sizes={"U": (2, 1), "V": (1, 3)})
    assert objective.space.shapes == ((2, 1), (1, 3))
    assert Objective("sum(x**2)", sizes={"x": 4}).space.size == 4
    with pytest.raises(InputError, match="such as"):
        Objective("sum(x**2)", sizes={"x": (1.5,)})


def test_columns_are_arrays_and_other_names_numbers():
    t = np.linspace(0, 1, 5)
    line = Objective("((y - m*t - c)**2).mean()", data={"t": t, "y": 3 * t + 1})
    assert line.variables == ("c", "m")
    assert symgd.minimize(line).values == pytest.approx({"c": 1, "m": 3}, abs=1e-6)


def test_relations_between_arrays_are_families():
    data = {"A": np.array([[1.0, 2], [3, 1]]), "b": np.array([4.0, 6])}
    relations = ["A @ x <= b", "x >= 0"]
    bought = Objective("sum(x)", data=data, subject_to=relations)
    found = symgd.maximize(bought, [0.1, 0.1])
    assert found.values["x"] == pytest.approx([1.6, 1.2], abs=1e-6)
    whole = symgd.minimize("norm(x)**2", [3.0, 2.0, 1.0], subject_to="sum(x) == 1")
    assert whole.values["x"] == pytest.approx([1 / 3] * 3)
    rising = symgd.minimize(
        "norm(x)**2", [3.0, 2.0, 1.0], subject_to=["x[1:] - x[:-1] >= 1", "x[0] >= 1"]
    )
    assert rising.values["x"] == pytest.approx([1, 2, 3], abs=1e-6)


def test_a_variable_of_relations_only_may_be_an_array():
    start = {"t": 1.0, "x": [1.0, 2.0, 3.0]}
    found = symgd.minimize("t", start, subject_to=["norm(x)**2 <= t", "sum(x) == 1"])
    assert found.fun == pytest.approx(1 / 3)


def test_a_copy_and_a_pickle_are_the_same():
    import pickle

    objective = Objective("norm(x - 1)**2", sizes={"x": 3})
    assert pickle.loads(pickle.dumps(objective)) == objective
    assert Objective(objective).value([1, 2, 3]) == 5


def test_softmax_and_logsumexp_do_not_overflow():
    objective = Objective("logsumexp(x) - sum(softmax(x)*x)", sizes={"x": 3})
    assert objective.value([1000, 0, -1000]) == pytest.approx(0, abs=1e-9)
    assert np.isfinite(objective.grad([1000, 0, -1000])).all()


# Objectives of public questions, as their authors wrote them.
PASTED = [
    ("np.sum(100.0*(x[1:] - x[:-1]**2.0)**2.0 + (1 - x[:-1])**2.0)", [1.3, 0.7], 0),
    ("10*len(x) + np.sum(x**2 - 10*np.cos(2*np.pi*x))", [0.1, 0], 0),
    ("-20*np.exp(-0.2*np.sqrt(np.mean(x**2))) - np.exp(np.mean(np.cos(2*np.pi*x)))"
     " + np.e + 20", [0.01, 0.02], 0),
    ("math.sin(x)*math.exp((1 - math.cos(y))**2) + (x - y)**2", [5, -1.5], None),
    ("np.dot(x, x) + x[0]*x[1]", [1.0, 1.0], 0),
    ("torch.sum((x - 3)**2)", [0.0, 0.0], 0),
    ("(x[0] - 1)**2 + (x[1] - 2.5)**2", [2.0, 0.0], 0),
    ("np.linalg.norm(x - np.array([1, 2]))**2", [0.0, 0.0], 0),
    ("0.5*x @ np.array([[2, 0], [0, 4]]) @ x - np.array([2, 4]) @ x", [0.0, 0.0], -3),
    ("jnp.where(x > 1, (x - 1)**2, (1 - x)**2)", [3.0], 0),
    ("sum((xi - 2)**2 for xi in x)", [0.0, 5.0], 0),
    ("sum(x[i]**2 for i in range(len(x)))", [1.0, 5.0], 0),
]  # fmt: skip


@pytest.mark.parametrize(("text", "start", "least"), PASTED)
def test_what_people_paste_is_minimised(text, start, least):
    result = symgd.minimize(text, start)
    assert result.success
    if least is not None:
        assert result.fun == pytest.approx(least, abs=1e-6)


def test_errors_show_shapes_and_name_arrays():
    data = {"A": np.ones((3, 2)), "b": np.ones(4)}
    with pytest.raises(FormulaError, match=r"A @ x has shape \(3,\), b has shape"):
        Objective("norm(A @ x - b)**2", data=data)
    with pytest.raises(FormulaError, match="which of A and x are arrays"):
        symgd.minimize("norm(A @ x)")
    with pytest.raises(InputError, match="give sizes"):
        symgd.minimize("norm(x)")


def test_a_length_by_a_name_of_its_own_is_pointed_out():
    data = {"y": np.ones(3)}
    with pytest.warns(UserWarning, match=r"'n' is a variable .* len\(x\)"):
        Objective("sum((y - a)**2)/n", data=data)
    Objective("sum((y - a)**2)/len(y)", data=data)
    assert symgd.minimize("sum((x - n)**2) + n**2", {"x": [1.0, 2.0], "n": 3.0}).success


def test_what_is_long_with_indices_is_an_expression(monkeypatch):
    monkeypatch.setattr("symgd.objectives.whole_arrays.LONG", 30)
    objective = Objective("norm(x - 1)**2 + sum(x)", sizes={"x": 3})
    assert objective.text is None
    assert objective.value([1, 2, 3]) == 11


@pytest.mark.parametrize(
    ("text", "told", "sizes"),
    [
        ("sum(x**2)", r"n \(the length of x\)", {"x": 3}),
        ("sum(x[i]**2 for i in range(n))", r"n \(the length of x\)", {"x": 3}),
        ("sum(x[i]**2 for i in range(n))", r"n \(the length of x\)", {"n": 3}),
        ("sum(X**2) + sum(X[0, :])", r"axis 1 of X.*axis 0 of X", {"X": (2, 3)}),
    ],
)
def test_a_length_is_asked_for_by_the_array_that_has_it(text, told, sizes):
    with pytest.raises(InputError, match=told) as caught:
        symgd.minimize(
            Objective(text, subject_to="sum(x) == 1" if "x" in text else None)
        )
    example = str(caught.value)
    assert all(name in example for name in sizes if name != "n")
    assert Objective(text, sizes=sizes).space.size == np.prod(
        next(iter(sizes.values()))
    )


@pytest.mark.parametrize("start", [[0.5, 0.0, 0.0], {"x": np.zeros(4)}])
def test_constraints_get_their_shapes_from_the_start(start):
    objective = Objective("norm(x)**2", subject_to="sum(x) == 1")
    result = symgd.minimize(objective, start)
    count = len(start["x"]) if isinstance(start, dict) else len(start)
    np.testing.assert_allclose(result.x, 1 / count, rtol=1e-9)
    by_name = symgd.minimize("sum(X**2)", {"X": np.zeros((2, 3))},
                             subject_to="sum(X, axis=1) == 1")  # fmt: skip
    np.testing.assert_allclose(by_name.x, 1 / 3, rtol=1e-9)
