"""Objectives of Python functions: lengths, names, data, and what runs make of them."""

import pickle

import numpy as np
import pytest

import symgd
from symgd import (
    FormulaError,
    InputError,
    Objective,
    maximize,
    minimize,
    minimize_many,
)
from tests.language import python_examples as examples


def all_but_the_last(x):
    total = 0
    for i in range(len(x) - 1):
        total += (x[i] - 1) ** 2
    return total


def with_mean(x):
    total = (x[-1] - 2) ** 2
    for i in range(len(x) - 1):
        total += (x[i] - 1) ** 2
    return total / len(x)


def by_pairs(v):
    x, y = v
    return (x - 1) ** 2 + (y - 2) ** 2


def test_a_length_is_that_of_the_array():
    objective = Objective(with_mean)
    for x in ([3.0, 4.0], [3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0]):
        assert objective.value(x) == pytest.approx(with_mean(x), rel=1e-15)
    assert minimize(with_mean, [3.0, 4.0, 5.0]).x == pytest.approx([1.0, 1.0, 2.0])
    sized = objective.sized([3.0, 4.0, 5.0])
    for same in (objective, sized, Objective(objective)):
        kept = pickle.loads(pickle.dumps(same))
        assert kept.value([3.0, 4.0, 5.0]) == pytest.approx(22 / 3, rel=1e-15)


@pytest.mark.parametrize("made", [Objective, lambda f: f], ids=["before", "with x0"])
def test_an_array_may_be_longer_than_what_is_read_of_it(made):
    # As text, without len(x), it would be read as a sum over all elements.
    x = [3.0, 4.0, 5.0]
    result = minimize(made(all_but_the_last), x)
    assert result.x[:-1] == pytest.approx(
        minimize(all_but_the_last, [*x[:-1], 9]).x[:-1]
    )
    for same in (Objective, lambda f: pickle.loads(pickle.dumps(Objective(f)))):
        assert same(all_but_the_last).value(x) == all_but_the_last(x)


@pytest.mark.parametrize("made", [Objective, lambda f: f], ids=["before", "with x0"])
def test_what_is_unpacked_has_as_many_elements(made):
    assert minimize(made(by_pairs), [0, 0]).x == pytest.approx([1, 2])
    with pytest.raises(
        ValueError, match=r"v has (shape \(3,\), but here it has 2|3 elements)"
    ):
        minimize(made(by_pairs), [0, 0, 0])


def test_variables_are_the_arguments_in_their_order():
    result = minimize(lambda y, x: (y - 1) ** 2 + (x - 2) ** 2, [0, 0])
    assert result.variables == ("y", "x")
    assert result.x == pytest.approx([1.0, 2.0])
    both = maximize(lambda b, a: -((a - 3) ** 2) - b**2, {"a": 0, "b": 1})
    assert both.values == pytest.approx({"b": 0.0, "a": 3.0})


def test_arguments_may_be_parameters_and_data():
    def loss(w, scale, t, y):
        return scale * sum((w * t[i] - y[i]) ** 2 for i in range(len(t)))

    data = {"t": [1.0, 2.0], "y": [2.0, 4.0]}
    objective = Objective(loss, parameters={"scale": 3}, data=data)
    assert objective.variables == ("w",)
    assert objective.value([1.0]) == 15.0
    assert objective.with_parameters(scale=1).value([1.0]) == 5.0
    longer = {"t": [1.0, 2.0, 3.0], "y": [0.0, 0.0, 0.0]}
    assert Objective(loss, parameters={"scale": 1}, data=longer).value([1]) == 14.0


def test_numbers_and_arrays_around_a_function_may_be_others():
    objective = Objective(examples.residuals_by_index, data={"T": np.zeros(9)})
    assert objective.value([1, 5]) == pytest.approx(((examples.Y - 1) ** 2).sum())
    with pytest.raises(InputError, match="unused parameter 'c'"):
        Objective(by_pairs, parameters={"c": 1})


def test_new_numbers_around_a_function_compile_nothing(monkeypatch):
    def loss(level):
        return lambda x: sum((v - level) ** 2 for v in x)

    assert minimize(loss(2.0), [0.0, 0.0]).x == pytest.approx([2, 2])
    one, two = Objective(loss(2.0)), Objective(loss(5.0))
    sized = [each.sized([0.0, 0.0]) for each in (one, two)]
    assert sized[0].code_key == sized[1].code_key
    assert minimize(two, [0.0, 0.0]).x == pytest.approx([5, 5])


def test_a_start_tells_how_often_a_loop_goes_round():
    def recurrence(x):
        value = 1.0
        for v in x:
            value = value * v + 1
        return value

    assert isinstance(minimize(lambda x: recurrence(x) ** 2, [1.0, 2.0]).fun, float)
    with pytest.raises(symgd.FormulaError, match="the loop is no sum"):
        symgd.objective(recurrence)


def test_functions_are_minimised_within_constraints():
    result = minimize(lambda x, y: x + y, [1, 1], subject_to="x**2 + y**2 <= 2")
    assert result.x == pytest.approx([-1, -1])
    chained = minimize(with_mean, [0.5, 0.0, 0.0], subject_to="x[0] + x[1] + x[2] == 7")
    assert chained.x == pytest.approx([2, 2, 3])
    later = Objective(with_mean, subject_to="x[0] == 1")
    assert minimize(later, [0.5, 0.0, 0.0]).x == pytest.approx([1, 1, 2])
    with pytest.raises(InputError, match="the length of x"):
        later.value(None)


def test_the_decorator_makes_an_objective_also_with_arguments():
    @symgd.objective
    def plain(x, y):
        return x**2 + y**2

    @symgd.objective(parameters={"a": 3})
    def scaled(x, a):
        return a * (x - 1) ** 2

    assert (plain.variables, plain.text) == (("x", "y"), "x**2 + y**2")
    assert scaled.parameters == {"a": 3.0}
    assert minimize(scaled, 0.0).x == pytest.approx([1.0])


def test_the_value_of_an_objective_is_minimised_as_the_objective():
    objective = Objective("(x - 1)**2")
    assert minimize(objective.value, 0.0).objective is objective


def test_functions_are_taken_wherever_formulas_are():
    himmelblau = lambda x, y: (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2
    found = minimize_many(himmelblau, 200, bounds=[(-5, 5), (-5, 5)]).minima()
    assert len(found) == 4
    race = symgd.race(himmelblau, [1.0, 1.0], methods=["auto", "gd"])
    assert "2 methods" in repr(race)
    sweep = symgd.sweep(himmelblau, [1, 1], method="gd", step_size=[1e-3, 1e-2])
    assert sweep.fun.shape == (2,)


def test_of_several_starts_the_first_tells_the_length():
    def recurrence(x):
        value = 0.5
        for v in x:
            value = value * v - 1
        return value**2 + x[0] ** 2 + x[1] ** 2 + x[2] ** 2

    starts = np.arange(15.0).reshape(5, 3) / 10
    found = minimize_many(recurrence, starts)
    alone = minimize(recurrence, starts[1])
    assert found.x[1] == pytest.approx(alone.x)
    assert found.fun[1] == pytest.approx(recurrence(alone.x))


def weighted(x):
    return np.sum((x - 1) ** 2 * np.array([1, 2, 3])) + np.max(x * [1, 1, 2]) ** 2


def by_products(x):
    return np.array([1, 2, 3]) @ (x - np.array([3, 2, 1])) ** 2


def a_quadratic(x):
    matrix, b = np.array([[2.0, 1], [1, 3]]), np.array([1, 2.0])
    return 0.5 * x @ matrix @ x - b @ x


def of_a_number(x):
    return np.sum((np.array([1, 2, 3]) - x) ** 2)


@pytest.mark.parametrize(
    ("function", "start"),
    [
        (weighted, [5.0, 4, 3]),
        (by_products, [5, 5, 5]),
        (a_quadratic, [5, 5]),
        (of_a_number, [1.5]),
        (of_a_number, [1.5, 2, 2]),
    ],
)
def test_an_array_meets_one_that_is_written_in_the_function(function, start):
    found = minimize(function, start, maxiter=3, gtol=0)
    assert found.fun == pytest.approx(function(np.array(found.x)), rel=1e-12)


def test_an_array_that_does_not_fit_one_in_the_function_is_refused():
    with pytest.raises(FormulaError, match="the shapes don't fit"):
        minimize(of_a_number, [1.0, 2.0])
