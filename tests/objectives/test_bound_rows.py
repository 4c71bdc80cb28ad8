"""Inequalities of one variable are bounds, which have names and multipliers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd import InputError, Objective, Status, maximize, minimize

INF = math.inf


def bounds_of(formula, relations, **more):
    """Return place and bounds of each row that is a bound."""
    rows = Objective(formula, subject_to=relations, **more).constraints.bound_rows
    return sorted((each.place, each.low, each.high) for each in rows)


@pytest.mark.parametrize(
    ("relation", "place", "low", "high"),
    [
        ("x >= 0", 0, 0.0, INF),
        ("x < 2", 0, -INF, 2.0),
        ("3 >= y", 1, -INF, 3.0),
        ("-y <= 3", 1, -3.0, INF),
        ("0 <= x <= 1", 0, 0.0, 1.0),
        ("1 >= -x >= 0", 0, -1.0, 0.0),
        ("x - 1/2 >= 2", 0, 2.5, INF),
        ("p - x >= 1", 0, -INF, 3.0),
        ("2*x - 1 >= 1", 0, 1.0, INF),
        ("-4*x >= 2", 0, -INF, -0.5),
        ("-1 <= x/4 <= 2", 0, -4.0, 8.0),
        ("y <= sqrt(p)", 1, -INF, 2.0),
    ],
)
def test_a_variable_beside_constants_is_a_bound(relation, place, low, high):
    more = {"parameters": {"p": 4.0}} if "p" in relation else {}
    assert bounds_of("x**2 + y**2", relation, **more) == [(place, low, high)]


@pytest.mark.parametrize(
    "relation",
    [
        "x == 1",
        "x + y <= 1",
        "x + 2*x*y <= 1",
        "x**2 <= 1",
        "x + sin(x) <= 1",
        "x*y >= 1",
    ],
)
def test_what_is_more_than_a_variable_is_no_bound(relation):
    assert bounds_of("x**2 + y**2", relation) == []


SQUARES = "sum((x[i] - y[i])**2 for i in range(n))"
DATA = {"y": [5.0, -6.0, 7.0], "u": [1.0, 2.0, 3.0]}


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        ("x[i] >= 0 for i in range(n)", [(k, 0.0, INF) for k in range(3)]),
        ("x[i] <= u[i] for i in range(n)", [(k, -INF, k + 1.0) for k in range(3)]),
        (
            "-i <= x[i+1] <= 4 for i in range(2)",  # two rows for each
            [(1, -INF, 4.0), (1, 0.0, INF), (2, -INF, 4.0), (2, -1.0, INF)],
        ),
        ("x[i] >= 0 for i in range(n) if u[i] > 1", [(1, 0.0, INF), (2, 0.0, INF)]),
        ("x[1] >= 0", [(1, 0.0, INF)]),
        ("x[i+1] <= x[i] for i in range(n-1)", []),
    ],
)
def test_a_family_bounds_elements_of_an_array(relation, expected):
    data = DATA if "u" in relation else {"y": DATA["y"]}
    found = bounds_of(SQUARES, relation, data=data)
    assert found == expected


PAIRS = (
    ("x >= p", "k*x >= k*p", 2.0),
    ("p <= x", "k*p <= k*x", 2.0),
    ("x <= p", "k*x <= k*p", 2.0),
    ("p >= x", "k*p >= k*x", 2.0),
    ("-x >= p", "-k*x >= k*p", 2.0),
    ("-x <= p", "-k*x <= k*p", 2.0),
    ("-1 <= x <= p", "-k <= k*x <= k*p", 2.0),
    ("p - 1 >= x - 1", "k*(p - 1) >= k*(x - 1)", 2.0),
)


def parametric(relation):
    return Objective(
        "(x - a)**2 + (y - x)**2",
        parameters={"a": 0.0, "p": 0.0} | ({"k": 2.0} if "k" in relation else {}),
        subject_to={"only": relation},
    )


BOTH = [(parametric(one), parametric(other), unit) for one, other, unit in PAIRS]


@settings(deadline=None, max_examples=80)
@given(
    st.sampled_from(BOTH),
    st.sampled_from([minimize, maximize]),
    st.floats(-3, 3),
    st.floats(-0.9, 3),
)
def test_a_bound_has_the_multiplier_that_it_has_as_a_row(both, sense, a, p):
    as_bound, as_row, unit = (each for each in both)
    if sense is maximize:
        as_bound, as_row = (
            Objective(
                "-(x - a)**2 - (y - x)**2",
                parameters=dict(each.parameters),
                subject_to=each.constraints.constraints,
            )
            for each in (as_bound, as_row)
        )
    known = {"a": a, "p": p}
    one = sense(as_bound.with_parameters(**known), [0.3, 0.1])
    other = sense(as_row.with_parameters(**known), [0.3, 0.1])
    assert one.status == other.status == Status.CONVERGED
    assert one.x == pytest.approx(other.x, abs=1e-5)
    price = unit * other.multipliers["only"]
    assert one.multipliers["only"] == pytest.approx(price, abs=1e-5)
    assert unit * one.constraints["only"] == pytest.approx(
        other.constraints["only"], abs=1e-5
    )
    assert one.bound_multipliers == {"x": 0.0, "y": 0.0}


def test_nothing_is_evaluated_beyond_a_bound_of_a_family():
    result = minimize(
        Objective(
            "sum(x[i]*log(x[i]) for i in range(n)) + sum(y[i]*x[i] for i in range(n))",
            data={"y": [1.0, -2.0, 30.0]},
            subject_to=[
                "x[i] >= 0 for i in range(n)",
                "sum(x[i] for i in range(n)) == 2",
            ],
        ),
        [-5.0, 1.0, 1.0],
        trace=True,
    )
    assert result.status == Status.CONVERGED
    assert result.trace.x.min() > 0.0
    assert np.isfinite(result.trace.fun).all()
    weights = np.exp([-1.0, 2.0, -30.0])
    assert result.x == pytest.approx(2.0 * weights / weights.sum(), abs=1e-8)


def test_the_tighter_of_a_bound_and_a_row_has_the_multiplier():
    relation = {"row": "x >= 1"}
    row = minimize("x", [3.0], bounds=[(0, None)], subject_to=relation)
    bound = minimize("x", [3.0], bounds=[(2, None)], subject_to=relation)
    assert row.multipliers["row"] == pytest.approx(1.0)
    assert row.bound_multipliers["x"] == 0.0
    assert bound.multipliers["row"] == 0.0
    assert bound.bound_multipliers["x"] == pytest.approx(1.0)
    tightest = minimize("x", [3.0], subject_to={"a": "x >= 1", "b": "x >= 2"})
    assert tightest.multipliers == {"a": 0.0, "b": pytest.approx(1.0)}


def test_a_bound_that_leaves_no_room_beside_given_bounds_names_both():
    with pytest.raises(
        InputError, match=r"constraint 'most' and the bounds of x, \(2, 3"
    ):
        minimize("x", bounds={"x": (2, 3)}, subject_to={"most": "x <= 1"})
    one_point = minimize("x", bounds={"x": (1, 3)}, subject_to={"most": "x <= 1"})
    assert one_point.success
    assert one_point.x[0] == pytest.approx(1.0, abs=1e-8)


def test_rows_that_leave_no_room_are_told_as_infeasible():
    result = minimize("x", subject_to={"far": "x >= 3", "near": "x <= 1"})
    assert result.status == Status.INFEASIBLE
    assert result.constraint_violation == pytest.approx(1.0, abs=1e-6)


def test_new_numbers_move_the_bound():
    made = parametric("x >= p").with_parameters(a=-5.0)
    for p in (0.5, -0.25):
        assert minimize(made.with_parameters(p=p)).x[0] == pytest.approx(p, abs=1e-8)


def test_a_chain_with_parameters_tells_what_is_in_the_middle():
    made = Objective(
        "(x - 3)**2", parameters={"r": 1.0}, subject_to={"c": "-r <= x**3 <= 8*r"}
    )
    assert minimize(made, [1.0]).constraints["c"] == pytest.approx(8.0)
