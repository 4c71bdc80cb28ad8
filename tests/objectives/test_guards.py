"""Conditions guard indices: what is read where they don't hold is not chosen."""

import numpy as np
import pytest

from symgd import FormulaError, Objective, minimize
from tests.exactly import exactly

V = [3, -1, 2, 5, -2, 1, 4, -3, 2]
KEYS = {"k": np.array([1, -1, 4, 0, -7]), "w": np.array([1.5, 0.0, -2.0, 1.0, 0.0])}
FLAGS = {**KEYS, "m": np.array([1, 0, 1, -1, 0], dtype=np.int8)}
GRID = "sum((u[i, j] - ({} if {} else 1))**2 for i in range(n) for j in range(m))"

GUARDED = [
    ("sum(x[k[i]]**2 for i in range(n) if k[i] >= 0)", KEYS),
    ("sum(x[k[i]]**2 if k[i] >= 0 else 1 for i in range(n))", KEYS),
    ("sum(0 if k[i] < 0 else i*x[k[i]]**3 for i in range(n))", KEYS),
    ("sum((x[i] - (x[k[i]] if not k[i] < 0 else 2))**2 for i in range(n))", KEYS),
    ("sum(x[k[i]]*x[i] for i in range(n) if 0 <= k[i] < n - 1)", KEYS),
    ("sum(x[k[i]]*x[i] for i in range(n) if w[i] > 0)", KEYS),
    ("sum(x[k[i]]*x[i] for i in range(n) if 2*w[i] + 1 > 1.5)", KEYS),
    ("sum(x[k[i]]*x[i] for i in range(n) if k[i] >= 0 and m[k[i]] > 0)", FLAGS),
    ("sum(x[i] if k[i] < 0 or m[k[i]] > 0 else x[k[i]]**2 for i in range(n))", FLAGS),
    ("sum(sum(x[k[i]]*x[j] for j in range(i)) for i in range(n) if k[i] >= 0)", KEYS),
    ("sum(x[k[i] + j]*x[i] for i in range(n) for j in range(3) if k[i] == 1)", KEYS),
    ("prod(1 + x[k[i]] for i in range(n) if k[i] >= 0)", KEYS),
    ("sum((x[i] - (x[i - 1] if i > 0 else 0))**2 for i in range(n))", {}),
    ("sum((x[i] - (0 if i == 0 else x[i - 1]))**2 for i in range(n))", {}),
    ("sum((x[i + 1] if i < n - 1 else 3)*x[i] for i in range(n))", {}),
    ("sum((x[i-1]*x[i+1] if i > 0 and i < n-1 else x[i]**2) for i in range(n))", {}),
    ("sum(x[(i - 1)//2]*x[i] if i % 2 == 1 else x[i] for i in range(n))", {}),
    (GRID.format("u[i - 1, j]", "i > 0"), {"m": 3}),
    (GRID.format("u[i - 1, j + 1]", "i > 0 and j < m - 1"), {"m": 3}),
]


@pytest.mark.parametrize(("formula", "known"), GUARDED)
def test_a_condition_on_indices_and_data_guards_an_index(formula, known):
    data = {name: a for name, a in known.items() if f"{name}[" in formula}
    sizes = {name: size for name, size in known.items() if isinstance(size, int)}
    sizes |= {"n": 5} if "x" in formula else {"n": 2}
    name, shape = ("x", (5,)) if "x" in formula else ("u", (2, 3))
    x = 1.0 + np.arange(np.prod(shape)).reshape(shape) % 4
    v = V[: x.size]
    objective = Objective(formula, data=data or None, sizes=sizes).sized({name: x})
    assert objective.arrays.guarded
    found = (
        objective.value({name: x}),
        objective.grad({name: x}).tolist(),
        objective.hessp(x.ravel(), v).tolist(),
    )
    assert found == exactly(formula, {name: x}, v, **data, **sizes)


def test_a_condition_tells_how_many_elements_there_are():
    forward = "sum((x[i] - (x[i + 1] if i < n - 1 else 0))**2 for i in range(n))"
    assert Objective(forward).value([1.0, 3.0, 7.0]) == 4 + 16 + 49
    assert Objective(forward, sizes={"n": 3}).space.shapes == ((3,),)
    marked = {"k": np.array([1, 999, 0])}
    objective = Objective("sum(x[k[i]]**2 for i in range(n) if k[i] < 99)", data=marked)
    assert objective.space.shapes == ((2,),)


@pytest.mark.parametrize("method", ["auto", "gd", "bb", "adam"])
def test_every_method_minimises_a_sum_with_guards(method):
    t = np.array([2.0, 3.0, 5.0, 7.0])
    data = {"k": np.array([0, -1, 2, 1]), "t": t}
    formula = "sum((x[k[i]] - t[i])**2 for i in range(n) if k[i] >= 0)"
    options = {} if method in ("auto", "bb") else {"step_size": 0.1}
    result = minimize(
        Objective(formula, data=data), np.zeros(3), method=method, **options
    )
    np.testing.assert_allclose(result.x, [2, 7, 5], rtol=1e-5)


def test_batches_keep_their_guards():
    data = {"k": np.array([0, -1, 2, 1] * 8), "t": np.arange(32.0)}
    formula = "sum((x[k[i]] - t[i])**2 for i in range(n) if k[i] >= 0)"
    objective = Objective(formula, data=data)
    run = {"method": "gd", "step_size": 1e-3, "maxiter": 40, "rng": 1}
    batched = minimize(objective, np.zeros(3), batch_size=32, **run)
    whole = minimize(objective, np.zeros(3), **run)
    np.testing.assert_allclose(batched.x, whole.x, rtol=1e-12)


def test_only_what_needs_it_is_guarded():
    formula = "sum(x[k[i]]**2 for i in range(n) if k[i] >= 0)"
    inside = Objective(formula, data={"k": np.array([1, 0, 2])})
    assert not inside.arrays.guarded
    outside = Objective(formula, data={"k": np.array([1, -1, 2])})
    assert outside.code_key != inside.code_key
    assert "x[Max(0, Min(shape(x)[0] - 1, k[i]))]**2" in outside.source


@pytest.mark.parametrize(
    ("formula", "data", "problem"),
    [
        ("sum(x[k[i]] for i in range(n) if k[i] > a) + a**2", KEYS, "becomes -7"),
        ("sum(x[k[i]] for i in range(n) if x[i] > 0)", KEYS, "becomes -7"),
        ("sum(x[k[i]] for i in range(n) if k[i] >= -1)", KEYS, "becomes -1"),
        ("sum(x[k[i]] for i in range(n) if w[i] >= 0)", KEYS, "becomes -7"),
    ],
)
def test_a_condition_that_leaves_an_index_outside_is_refused(formula, data, problem):
    data = {name: column for name, column in data.items() if f"{name}[" in formula}
    with pytest.raises(FormulaError, match=problem) as caught:
        Objective(formula, data=data)
    assert "where indices and data decide it" in str(caught.value)


def test_a_condition_does_not_guard_the_indices_in_itself():
    with pytest.raises(FormulaError, match=r"index k\[i\] of m\[k\[i\]\] becomes -7"):
        Objective(
            "sum(x[k[i]] for i in range(n) if m[k[i]] > 0)",
            data={name: FLAGS[name] for name in ("k", "m")},
        )
