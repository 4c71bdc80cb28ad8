"""Objectives within constraints: names, lengths, copies, and the Lagrangian."""

import pickle

import numpy as np
import pytest
from scipy import optimize

from symgd import FormulaError, InputError, Objective, minimize, minimize_many, race

RAMP = {
    "ramp": "x[i+1] - x[i] <= r for i in range(n - 1)",
    "sum": "sum(x[i] for i in range(n)) == 10",
}


def test_names_are_those_of_the_formula_and_of_all_relations():
    objective = Objective(
        "x**2", subject_to=["x + y >= a", "z == 1"], parameters={"a": 1}
    )
    assert objective.variables == ("x", "y", "z")
    assert objective.value([3, 0, 0]) == 9.0


def test_the_lagrangian_tells_f_constraints_and_first_derivatives():
    objective = Objective("x*y", subject_to=["x + y == 10", "x**2 + y**2 <= 60"])
    function = objective.constraints.function
    slopes = function.grad([1.0, 2.0, 0.0, 0.0, 1.0])
    np.testing.assert_array_equal(slopes, [2.0, 1.0, -7.0, -55.0, 2.0])
    second = function.hess([1.0, 2.0, 0.5, 0.25, 1.0])
    np.testing.assert_array_equal(second[2:4, :2], [[1.0, 1.0], [2.0, 4.0]])
    np.testing.assert_array_equal(second[:2, :2], [[0.5, 1.0], [1.0, 0.5]])


def test_equalities_come_first_and_names_stay_in_order():
    whole = Objective("x + y", subject_to={"a": "x >= 1", "b": "y == 2"}).constraints
    assert whole.equalities == 1
    assert list(whole.by_name([7.0, 8.0])) == ["a", "b"]
    assert whole.by_name([7.0, 8.0]) == {"a": 8.0, "b": 7.0}


def test_lengths_are_those_of_a_start():
    objective = Objective(
        "sum((x[i] - 1)**2 for i in range(n))", subject_to=RAMP, parameters={"r": 2}
    )
    whole = objective.sized(np.ones(5)).constraints
    assert whole.rows == 5
    assert [whole.name_of(k) for k in (0, 1, 4)] == ["sum", "ramp[0]", "ramp[3]"]


def test_copies_have_the_constraints():
    given = {"subject_to": "x*y >= a", "parameters": {"a": 2}}
    objective = Objective("x + y", **given)
    for other in (pickle.loads(pickle.dumps(objective)), Objective(objective)):
        assert other == objective
        assert other.constraints.texts == objective.constraints.texts
    assert objective != Objective("x + y")
    changed = objective.with_parameters(a=5)
    assert changed.constraints.function.parameters["a"] == 5.0


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "empty"),
        ("1 <= 2", "no variable"),
        ("3 <= x <= 2", "no point satisfies"),
        ({"type": "eq", "fun": abs}, "SciPy's dict"),
        ([{"type": "eq", "fun": abs}], "SciPy's dict"),
        (3, "a constraint is a relation|relations, not"),
        ([3], "a constraint is a relation"),
    ],
)
def test_what_are_no_constraints_is_refused(given, told):
    with pytest.raises((InputError, FormulaError), match=told):
        Objective("x**2", subject_to=given)


@pytest.mark.parametrize("argument", ["subject_to", "constraints"])
def test_a_linear_constraint_of_scipy_is_shown_as_relations(argument):
    given = optimize.LinearConstraint([[1, -2], [3, 4]], [1, -np.inf], [3, 5])
    shown = r"subject_to=\['1 <= x - 2\*y <= 3', '3\*x \+ 4\*y <= 5'\]"
    for each in (given, [given]):
        with pytest.raises(InputError, match=shown):
            minimize("x**2 + y**2", [0, 0], **{argument: each})
        with pytest.raises(InputError, match=shown):
            minimize_many("x**2 + y**2", [[0, 0]], **{argument: each})


@pytest.mark.parametrize("argument", ["subject_to", "constraints"])
def test_a_function_of_scipy_is_to_be_written_as_a_formula(argument):
    for each in (
        {"type": "eq", "fun": abs},
        optimize.NonlinearConstraint(abs, 0, 1),
    ):
        with pytest.raises(InputError, match="can't be differentiated, so write its"):
            minimize("x**2", [0], **{argument: each})


def test_what_has_no_derivative_is_told_with_its_constraint():
    relations = {"fine": "x <= 3", "jumps": "x + floor(x) >= 1"}
    with pytest.raises(FormulaError, match="floor") as caught:
        minimize("x**2", subject_to=relations)
    assert caught.value.formula == "x + floor(x) >= 1"
    with pytest.raises(FormulaError, match="floor") as caught:
        minimize("floor(x)", subject_to="x >= 1")
    assert caught.value.formula == "floor(x)"


def test_errors_show_what_was_given():
    objective = Objective(
        "sum(x[i]**2 for i in range(n))", sizes={"n": 3}, subject_to="x[5] >= 1"
    )
    with pytest.raises(FormulaError, match=r"subject to x\[5\] >= 1") as caught:
        objective.sized([0.0, 0.0, 0.0])
    assert "multiplier" not in str(caught.value)


@pytest.mark.parametrize("known", [{"sizes": {"n": 1}}, {}])
def test_a_family_without_an_index_is_named(known):
    relation = {"ramp": "x[i+1] <= x[i] for i in range(n - 1)"}
    with pytest.raises(FormulaError, match="the constraint 'ramp' has no index"):
        Objective("sum(x[i]**2 for i in range(n))", subject_to=relation, **known).sized(
            [1.0]
        )


def test_what_cannot_keep_to_constraints_says_so():
    objective = Objective("x**2", subject_to="x >= 1")
    with pytest.raises(InputError, match=r"'adam' can't keep to constraints.*'auto'"):
        minimize_many(objective, [[1.0]], method="adam")
    with pytest.raises(InputError, match="patience isn't tested within constraints"):
        minimize_many(objective, [[1.0]], patience=3)
    with pytest.raises(InputError, match=r"'gd' can't keep to constraints.*'auto'"):
        race(objective, [1.0], methods=["gd", "adam"])


def test_what_is_written_twice_is_two_constraints():
    whole = Objective("x**2", subject_to=["x >= 1", "x >= 1"]).constraints
    assert [label for label, _ in whole.texts] == ["x >= 1", "x >= 1 (2)"]


def test_relations_given_later_know_all_data_that_the_objective_was_given():
    text, relation = (
        "sum((x[i] - y[i])**2 for i in range(n))",
        "x[i] <= u[i] for i in range(n)",
    )
    data = {"y": np.array([3.0, 4.0]), "u": np.array([1.0, 2.0])}
    found = minimize(Objective(text, data=data), subject_to=relation)
    assert found.x == pytest.approx([1.0, 2.0], abs=1e-6)
    gaps = {name: np.append(each, np.nan) for name, each in data.items()}
    some = Objective(text, data=gaps, missing="drop")
    assert minimize(some, subject_to=relation).fun == pytest.approx(found.fun)


def test_a_name_that_only_relations_have_and_is_nearly_another_is_noted():
    with pytest.warns(
        UserWarning, match=r"'Y', which only relations have, .* mean 'y'"
    ):
        Objective("x**2 + y**2", subject_to="x + Y >= 1")
