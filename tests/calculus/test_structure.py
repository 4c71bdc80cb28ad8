"""Sizes and lengths: what tells them, and what is said where they don't fit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd import FormulaError, InputError, Objective, minimize
from symgd.calculus import structure
from symgd.language.formula import read

SQUARES = "sum((x[i] - 1)**2 for i in range(n))"
FIT = "sum((y[i] - x[i])**2 for i in range(n))"


def opened(formula):
    return read(formula, arrays=True)


# ------------------------------------------------------------- what tells a size


@pytest.mark.parametrize(
    ("formula", "x0", "sizes"),
    [
        (SQUARES, [1, 2, 3], {"n": 3}),
        ("sum((x[i + 1] - x[i])**2 for i in range(n - 1))", [1, 2, 3], {"n": 3}),
        ("sum((x[i + 1] - x[i])**2 for i in range(n))", [1, 2, 3], {"n": 2}),
        ("sum((x[2*i] - x[2*i + 1])**2 for i in range(n))", np.ones(6), {"n": 3}),
        ("sum((x[2*i] - x[2*i + 1])**2 for i in range(n//2))", np.ones(6), {"n": 7}),
        ("sum((x[i] - x[(i + 1) % n])**2 for i in range(n))", np.ones(5), {"n": 5}),
        ("sum(x[n - 1 - i]**2 for i in range(n))", np.ones(5), {"n": 5}),
        ("sum(x[i + j]**2 for i in range(n) for j in range(3))", np.ones(5), {"n": 3}),
        (
            "sum(u[i, j]**2 for i in range(n) for j in range(m))",
            np.ones((2, 5)),
            {"n": 2, "m": 5},
        ),
        ("sum(a*x[i]**2 for i in range(n))", {"a": 1, "x": [1, 2]}, {"n": 2}),
        (
            "sum(x[i]*z[j] for i in range(n) for j in range(m))",
            {"x": [1, 2], "z": [1, 2, 3]},
            {"n": 2, "m": 3},
        ),
    ],
)
def test_a_start_tells_sizes(formula, x0, sizes):
    assert Objective(formula).sized(x0).arrays.sizes == sizes


def test_data_tell_sizes_and_the_lengths_of_variables():
    A, y = np.ones((5, 3)), np.ones(5)
    formula = "sum((y[i] - sum(A[i, j]*w[j] for j in range(d)))**2 for i in range(n))"
    objective = Objective(formula, data={"A": A, "y": y})
    assert objective.arrays.sizes == {"n": 5, "d": 3}
    assert list(objective.space) == ["w[0]", "w[1]", "w[2]"]
    key = {"key": np.array([4, 0, 2])}
    objective = Objective("sum((x[key[i]] - 1)**2 for i in range(n))", data=key)
    assert objective.space.shapes == ((5,),)
    longer = objective.sized(np.ones(9))
    assert longer.space.shapes == ((9,),)
    assert objective.space.shapes == ((5,),)


def test_sizes_are_numbers_in_a_body():
    objective = Objective(
        "sum((x[i] - n)**2 for i in range(n))/n + 0*n", sizes={"n": 4}
    )
    assert objective.value([4, 4, 4, 0]) == 4
    assert objective.variables == ("x",)


def test_a_start_may_be_longer_only_where_data_say_what_is_accessed():
    data = {"key": np.array([2, 0, 2])}
    objective = Objective("sum((x[key[i]] - 1)**2 for i in range(n))", data=data)
    assert objective.value([0, 5, 1, 7, 7]) == 1
    assert objective.grad([0, 5, 1, 7, 7]).tolist() == [-2, 0, 0, 0, 0]
    result = minimize(objective, [0, 5, 2, 7, 7])
    np.testing.assert_allclose(result.x, [1, 5, 1, 7, 7], rtol=1e-8)
    assert result.x[[1, 3, 4]].tolist() == [5, 7, 7]
    assert result.values["x"].shape == (5,)


@pytest.mark.parametrize(
    ("formula", "sizes", "x0"),
    [
        (SQUARES, {"n": 2}, [1, 2, 3]),
        ("x[0]**2 + (x[1] - 1)**2", None, [1, 2, 3]),
        ("sum((x[2*i] - x[2*i + 1])**2 for i in range(n))", None, np.ones(7)),
        ("sum(u[i, j]**2 for i in range(2) for j in range(m))", None, np.ones((3, 2))),
    ],
)
def test_a_start_with_elements_that_no_index_reaches_is_refused(formula, sizes, x0):
    with pytest.raises(InputError, match=r"has shape \(.*\), but the formula reaches"):
        minimize(Objective(formula, sizes=sizes), x0)


def test_names_of_sizes():
    formula = "sum(x[i + k]*n for i in range(n) if i < a) + sum(y[q] for q in range(m))"
    assert structure.size_names(opened(formula)) == {"n", "m", "k"}
    assert structure.size_names(opened("x[p] + p + q")) == {"p"}


# ------------------------------------------------------------------ what is said


@pytest.mark.parametrize(
    ("formula", "options", "x0", "messages"),
    [
        (
            SQUARES,
            {},
            None,
            ["the size n (the length of x) can't be known", "'x': 100", "x0"],
        ),
        (
            "sum(u[i, j]**2 for i in range(n) for j in range(m))",
            {},
            [1, 2],
            [
                "sizes m (axis 1 of u), n (axis 0 of u) can't be known",
                "'u': (100, 100)",
            ],
        ),
        (SQUARES, {"sizes": {"n": 4}}, [1, 2, 3], ["becomes 3", "3 elements", "n = 4"]),
        (FIT, {"data": {"y": [1, 2, 3]}}, [1, 2], ["index i of x[i]", "becomes 2"]),
        (
            "sum((y[i] - z[i])**2*a for i in range(n))",
            {"data": {"y": [1, 2, 3], "z": [1, 2]}},
            [1],
            ["y has shape (3,), but z has shape (2,)", "which is n?", "{'n': 2}"],
        ),
        (
            "sum((x[i + 1] - y[i + 1])**2 for i in range(n))",
            {"sizes": {"n": 3}, "data": {"y": [1, 2, 3]}},
            None,
            ["the index i + 1 of y[i + 1] becomes 3", "y has 3 elements", "here n = 3"],
        ),
        (
            "sum(x[i - 1]**2 for i in range(n))",
            {"sizes": {"n": 3}},
            None,
            ["the index i - 1 of x[i - 1] becomes -1"],
        ),
        (
            "sum(A[i, j]*a for i in range(n) for j in range(4))",
            {"data": {"A": np.ones((3, 3))}},
            None,
            ["becomes 3", "along axis 1"],
        ),
        (
            "sum(x[key[i]]**2 for i in range(n))",
            {"data": {"key": [1, -2]}},
            None,
            ["x[key[i]] becomes -2"],
        ),
        (
            "sum(x[key[i]]**2 for i in range(n))",
            {"data": {"key": [1, 5]}},
            [1, 2],
            ["x[key[i]] becomes 5", "2 elements"],
        ),
        (
            "sum(x[key[i]]**2 for i in range(n))",
            {"data": {"key": [1.0, 2.0]}},
            None,
            ["key has indices, which must be integers, not float64"],
        ),
        (
            "sum(x[key[i]]**2 for i in range(n))",
            {"sizes": {"n": 3}},
            None,
            ["key must be data"],
        ),
        (SQUARES, {"sizes": {"n": 0}}, None, ["no element of x is used", "(0,)"]),
        (SQUARES, {"sizes": {"m": 3}}, None, ["unknown size 'm'; accepted: n"]),
        (SQUARES, {"sizes": {"n": -1}}, None, ["size n must be a whole number"]),
        (SQUARES, {"sizes": {"n": 2.5}}, None, ["size n must be a whole number"]),
        (SQUARES, {"sizes": [("n", 3)]}, None, ["sizes must be a mapping"]),
        ("x**2", {"sizes": {"n": 3}}, None, ["no indices", "no sizes"]),
        ("x**2", {"data": {"y": [3]}}, None, ["no indices", "no data"]),
        (
            "sum(y*a for i in range(n))",
            {"data": {"y": [1, 2]}, "sizes": {"n": 2}},
            None,
            ["is an array of shape (2,)", "write y[i], say"],
        ),
        (
            "sum(A[i]*a for i in range(n))",
            {"data": {"A": np.ones((2, 3))}},
            None,
            ["is an array of shape (3,)", "not a number"],
        ),
        (
            "sum(y[i, i]*a for i in range(n))",
            {"data": {"y": [1, 2]}},
            None,
            ["'y' has 1 dimension(s) in the data, but 2 index(es)"],
        ),
        (
            "sum((y[i] - p)**2 for i in range(n))",
            {"data": {"y": [1, 2]}, "parameters": {"p": 1}},
            None,
            ["has no variable"],
        ),
        (SQUARES, {"parameters": {"p": 1}}, None, ["unused parameter 'p'"]),
        (FIT, {"data": {"y": [1, np.nan]}}, None, ["'y' is not finite in row 1"]),
    ],
)
def test_errors_name_formula_index_and_size(formula, options, x0, messages):
    def evaluate():
        objective = Objective(formula, **options)
        return objective.space if x0 is None else objective.value(x0)

    with pytest.raises((FormulaError, InputError)) as caught:
        evaluate()
    for message in messages:
        assert message in str(caught.value)


def test_an_index_that_is_out_of_range_shows_the_formula():
    with pytest.raises(FormulaError) as caught:
        Objective("sum(x[i - 1]**2 for i in range(n))", sizes={"n": 3})
    assert "sum(x[i - 1]**2 for i in range(n))" in str(caught.value)


def test_two_lengths_can_be_meant():
    data = {"y": [1, 2, 3], "z": [1, 2]}
    formula = "sum((y[i] - z[i] - a)**2 for i in range(n))"
    assert Objective(formula, data=data, sizes={"n": 2}).value([1]) == 2


def test_rows_with_missing_values_can_be_dropped():
    data = {"y": [1, np.nan, 5], "t": [1, 2, 3]}
    formula = "sum((y[i] - a*t[i])**2 for i in range(n))"
    objective = Objective(formula, data=data, missing="drop")
    assert objective.arrays.sizes == {"n": 2}
    assert objective.value([1]) == 4


# --------------------------------------------------- exactly where there is a place


INDICES = ["i", "i + j", "i - j", "n - 1 - i", "2*i - j", "i//2", "(i + j) % n", "i*j"]
INDICES += ["max(i, j)", "min(i, j + 1)", "key[i]", "key[i] + j", "n - j", "abs(i - j)"]
INDICES += ["(i + 2*j)//3", "key[j % 3] - i", "i**2 - j"]


@st.composite
def indices(draw):
    """Return an index of x in i and j, and a range of j."""
    index, shift = draw(st.sampled_from(INDICES)), draw(st.integers(-2, 2))
    inner = draw(st.sampled_from(["i", "i + 1", "3", "n - i", "max(0, 2 - i)"]))
    return f"{index} + {shift}", inner


@given(indices(), st.integers(1, 6), st.integers(1, 8))
@settings(max_examples=150)
def test_an_index_is_refused_exactly_where_it_is_outside(drawn, n, length):
    (index, inner), key = drawn, [0, 2, 1, 4, 0, 3]
    names = {"max": max, "min": min, "abs": abs, "n": n, "key": key}
    reached = [
        eval(index, {**names, "i": i, "j": j})
        for i in range(n)
        for j in range(eval(inner, {**names, "i": i}))
    ]
    formula = f"sum(x[{index}]**2 for i in range(n) for j in range({inner}))"
    data = {"key": key} if "key" in index else None
    inside = all(0 <= place < length for place in reached)
    x = np.arange(1.0, length + 1)
    objective, refused = None, None
    x = x if data else x[: max(reached, default=0) + 1]  # no longer than needed
    inside = inside and len(x) > max(reached, default=0)
    try:
        objective = Objective(formula, sizes={"n": n}, data=data).sized(x)
    except FormulaError as error:
        refused = error
    if reached and inside:
        assert refused is None
        assert objective.value(x) == sum(x[place] ** 2 for place in reached)
    else:
        assert refused is not None


def test_many_iterations_are_not_looked_at_one_by_one():
    formula = "sum((x[i] - x[(i + 1) % n])**2 + x[min(i + 1, n - 1)] for i in range(n))"
    x = np.arange(1_000_000.0)
    assert Objective(formula).value(x) > 0


# ------------------------------------------------------------------- written out


def test_short_inner_sums_are_written_out_and_long_ones_are_not():
    formula = "sum((y[i] - sum(A[i, j]*w[j] for j in range(d)))**2 for i in range(n))"
    expression = opened(formula)
    for width in (1, 64):
        sizes = structure.static_sizes(expression, {"n": 10**6, "d": width})
        assert sizes == {"d": width}
        short = structure.written_out(expression, sizes)
        assert len(short.atoms(type(expression))) == 1
    assert structure.static_sizes(expression, {"n": 3, "d": 65}) == {}
    assert structure.written_out(expression, {}) == expression


def test_outer_sums_are_never_written_out():
    expression = opened("sum(x[i] for i in range(3)) + sum(x[i] for i in range(n))")
    assert structure.written_out(expression, {"n": 2}) == expression
    assert structure.static_sizes(expression, {"n": 2}) == {}
