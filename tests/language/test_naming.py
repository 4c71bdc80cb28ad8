"""Names that cancel, names that may be misread, and what people write elsewhere."""

import warnings

import numpy as np
import pytest

from symgd import FormulaError, InputError, Objective, minimize, minimize_many
from symgd.language.naming import written_names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("x**2 + y - y", ("x", "y")),
        ("x**2 + 0*z + y/y", ("x", "y", "z")),
        ("x10*x2 + sin(pi*x10)  # and t", ("x2", "x10")),
    ],
)
def test_a_name_that_cancels_is_a_variable(text, names):
    assert tuple(written_names(text)) == names == Objective(text).variables
    start = dict.fromkeys(names, 2.0)
    assert set(minimize(text, start, maxiter=3).x.shape) == {len(names)}


def test_a_parameter_may_cancel():
    assert Objective("x**2 + a - a", parameters={"a": 1}).variables == ("x",)


def test_what_has_a_start_is_no_constant():
    result = minimize("(E - 1)**2 + (pi - 2)**2", {"E": 3, "pi": 3})
    assert result.x == pytest.approx([1, 2])


@pytest.mark.parametrize(
    ("text", "word"),
    [("e**x - 2*x", "exp"), ("x**2 + Pi**2", "pi"), ("x**2 + inf**2", "infinity")],
)
def test_a_name_that_is_a_slip_is_pointed_out(text, word):
    with pytest.warns(UserWarning, match=word):
        minimize(text, maxiter=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        names = Objective(text).variables
        minimize(text, dict.fromkeys(names, 1.0), maxiter=1)
        minimize("(e - 1)**2", maxiter=1)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("(x(1) - 2)**2", "x[1] for an element"),
        ("x**2 s.t. x >= 1", "subject_to="),
        ("x**2 subject to x > 1", "subject_to="),
        ("y ~ a*x + b", "write a*x + b alone, with target='y'"),
        ("x**2 = 4", "minimise (x**2 - 4)**2: it is least, 0, where"),
        ("x**2 == a - b", "minimise (x**2 - (a - b))**2: it is least, 0, where"),
        ("y = x**2 + 1", "write x**2 + 1 alone"),
        ("f(x, y) = x*y", "write x*y alone"),
        ("lambda x: x**2", "write x**2 alone"),
        ("def f(x): return x**2", "write x**2 alone"),
    ],
)
def test_what_others_write_gets_a_true_hint(text, advice):
    with pytest.raises(FormulaError) as refused:
        Objective(text)
    assert advice in str(refused.value)


@pytest.mark.parametrize("text", ["x**2 =", "= 3", "x + y = 1, x = 2", "x = y = 3"])
def test_where_nothing_true_can_be_said_there_is_no_hint(text):
    with pytest.raises(FormulaError) as refused:
        Objective(text)
    assert refused.value.suggestion is None


@pytest.mark.parametrize(
    ("text", "value"), [("x - x", "0"), ("sin(x*0)", "0"), ("x/x + 2", "3")]
)
def test_what_cancels_altogether_is_said(text, value):
    with pytest.raises(FormulaError, match=f"x cancels: f is the constant {value}"):
        Objective(text)


def test_euler_s_number_is_a_variable_of_arrays_and_of_many_where_it_is_named():
    text = "sum((x[i] - E)**2 for i in range(n)) + E**2"
    start = {"x": [1.0, 2.0], "E": 3}
    assert minimize(text, start).values["E"] == pytest.approx(0, abs=1e-6)
    many = minimize_many("(x - E)**2 + x**2", [[3.0, 2.0]], bounds={"E": (-5, 5)})
    assert many.objective.variables == ("E", "x")
    assert many.x[0] == pytest.approx([0, 0], abs=1e-6)


@pytest.mark.parametrize("x0", [None, [1.0, 1.0]])
def test_the_way_to_name_a_variable_is_one(x0):
    with pytest.warns(UserWarning, match=r"x0=\{'Pi': 1, \.\.\.\}"):
        minimize("x**2 + Pi**2", x0, maxiter=1)


@pytest.mark.parametrize(
    ("given", "hint"),
    [("tol", "give gtol"), ("maxitr", r"\(did you mean 'maxiter'\?\)$")],
)
def test_one_hint_is_enough(given, hint):
    with pytest.raises(InputError, match=hint) as refused:
        minimize("x**2", [1], **{given: 1})
    assert "hyperparameter" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("(x - 1)**2", "the origin"),
        ("1/x**2 + x**2", "a random point, as f is inf at the origin (seed 0)"),
        ("x**2 - x**4", "a random point, as f is flat at the origin (seed 0)"),
    ],
)
def test_why_a_run_begins_where_it_does(text, source):
    assert minimize(text, maxiter=1).start_source == source


@pytest.mark.parametrize("name", ["constraints", "args", "jac", "options"])
def test_arguments_of_others_are_explained(name):
    with pytest.raises(InputError, match=f"unknown argument '{name}': "):
        minimize("x**2", [1], **{name: 1})


@pytest.mark.parametrize(
    ("bounds", "count"),
    [
        (([0, 0, 0], [9, 8, 7]), 3),
        ((np.zeros(3), [9, 8, 7]), 3),
        (([0, 0], [9, 8]), 2),
        ((0, 9), 2),
        (([0, 0], np.inf), 2),
    ],
)
def test_bounds_may_be_two_sides(bounds, count):
    names = "xyz"[:count]
    formula = " + ".join(f"({name} + 1)**2" for name in names)
    result = minimize(formula, [1] * count, bounds=bounds)
    assert result.x.tolist() == [0] * count


def test_bounds_that_may_be_two_things_are_refused():
    with pytest.raises(InputError, match=r"\[\(0, 5\), \(1, 6\)\] or \[\(0, 1\)"):
        minimize("x**2 + y**2", [3, 3], bounds=([0, 5], [1, 6]))
    pairs = minimize("(x - 9)**2 + (y - 9)**2", [1, 1], bounds=[[0, 5], [1, 6]])
    assert pairs.x.tolist() == [5, 6]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x**2 + xy + y**2", r"'xy' is a variable .*: a product has signs, x\*y; if"),
        (
            "x**2 + sinx",
            r"'sinx' is a variable .*: a function has parentheses, sin\(x\)",
        ),
        ("k**2 + expk**2", r"function has parentheses, exp\(k\)"),
    ],
)
def test_names_that_may_be_products_or_calls_are_noted(text, told):
    with pytest.warns(UserWarning, match=told):
        minimize(text, maxiter=1)


@pytest.mark.parametrize("text", ["xy**2 + x**2", "logk**2 + x**2", "since**2 + x**2"])
def test_names_of_their_own_are_not_noted(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        minimize(text, maxiter=1)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("seed", "drawn from rng=1"),
        ("verbose", "progress=True"),
        ("epochs", "maxiter=100"),
        ("maxfev", "maxiter or time_limit"),
    ],
)
def test_arguments_of_elsewhere_are_explained(given, hint):
    with pytest.raises(InputError, match=hint):
        minimize("x**2", [1], **{given: 1})


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([3, 4], r"a must be a number, not \[3, 4\] \(list\): arrays are data"),
        (None, r"a must be a number, not None"),
        (float("nan"), "a must be a finite number, not nan"),
    ],
)
def test_parameters_that_are_no_numbers_are_named(value, told):
    with pytest.raises(InputError, match=told):
        Objective("a*x**2", parameters={"a": value})


def test_an_unused_parameter_may_be_a_slip():
    with pytest.raises(InputError, match=r"'A' \(did you mean 'a'\?\): it is not in"):
        Objective("a*x**2", parameters={"A": 3})
