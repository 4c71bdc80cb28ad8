"""Slices of data and variables: the elements, values and gradients that NumPy has."""

import contextlib
import pickle

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import symgd
from symgd import InputError, Objective

ends = st.none() | st.integers(-6, 6)
cuts = st.builds(slice, ends, ends, st.sampled_from([None, 1, 2, 3, -1, -2, -3]))
lengths = st.integers(1, 5)


def text_of(*cuts):
    parts = [(c.start, c.stop, c.step) for c in cuts]
    return ", ".join(
        ":".join("" if part is None else str(part) for part in each) for each in parts
    )


def check(objective, x, taken):
    """Compare value and gradient with those of squares of what is taken of x."""
    flat = np.zeros(x.size)
    flat[np.arange(x.size).reshape(x.shape)[taken].ravel()] = 1
    assert objective.value(x.ravel()) == (x[taken] ** 2).sum()
    assert objective.grad(x.ravel()) == pytest.approx(2 * flat * x.ravel(), abs=0)


@settings(deadline=None, max_examples=60)
@given(cuts, lengths)
def test_a_variable_in_one_slice_has_its_own_length(cut, n):
    x = np.arange(2.0, n + 2)
    text = f"sum(x[{text_of(cut)}]**2)"
    assume(len(x[cut]))
    check(Objective(text, sizes={"x": n}), x, cut)
    with contextlib.suppress(symgd.SymgdError):  # of ends beyond an array
        untold = Objective(text)
        check(untold, x, cut)
        check(pickle.loads(pickle.dumps(untold)), x, cut)


@pytest.mark.parametrize("text", ["sum(x[:9])", "sum(x[-9:])", "sum(x[len(x) - 9:])"])
def test_ends_beyond_an_array_whose_length_comes_later_are_refused(text):
    with pytest.raises(InputError, match=r"needs len\(x\) - 9 >= 0"):
        Objective(text).value([1.0, 2, 3, 4, 5])


@settings(deadline=None, max_examples=40)
@given(cuts, lengths)
def test_data_in_one_slice_have_their_own_length(cut, n):
    y = np.arange(2.0, n + 2)
    assume(len(y[cut]))
    text = f"a*sum(y[{text_of(cut)}]) + a"
    assert Objective(text, data={"y": y}).value([1]) == y[cut].sum() + 1


@settings(deadline=None, max_examples=30)
@given(cuts, cuts, lengths, lengths)
def test_each_axis_has_its_own_length(rows, columns, m, n):
    x = np.arange(2.0, m * n + 2).reshape(m, n)
    text = f"sum(A[{text_of(rows, columns)}]**2)"
    assume(x[rows, columns].size)
    check(Objective(text, sizes={"A": (m, n)}), x, (rows, columns))


@settings(deadline=None, max_examples=30)
@given(cuts, lengths, st.integers(1, 5))
def test_slices_fit_what_they_are_combined_with(cut, n, other):
    x = np.arange(2.0, n + 2)
    assume(len(x[cut]))
    y = np.arange(1.0, len(x[cut]) + 1)
    text = f"sum((x[{text_of(cut)}] - y)**2)"
    objective = Objective(text, data={"y": y}, sizes={"x": n})
    assert objective.value(x) == ((x[cut] - y) ** 2).sum()
    if other not in (len(y), 1) and len(y) != 1:
        with pytest.raises(symgd.FormulaError, match="the shapes don't fit"):
            Objective(text, data={"y": np.ones(other)}, sizes={"x": n})


LOOPS = [
    ("sum(x[i] for i in range(len(x) - 1))", lambda x: x[:-1].sum()),
    ("sum(x[i] for i in range(1, len(x) - 2))", lambda x: x[1:-2].sum()),
    ("sum(a*b for a, b in zip(x[:-2], x[1:-1]))", lambda x: x[:-2] @ x[1:-1]),
    ("sum(v for v in x[:-1])", lambda x: x[:-1].sum()),
    ("sum(i*v for i, v in enumerate(x[:-1]))", lambda x: x[:-1] @ np.arange(4)),
    ("x[:-3] @ x[2:-1] + x[-2]", lambda x: x[:-3] @ x[2:-1] + x[-2]),
    ("mean(x[:-1]) + max(x[:-2])", lambda x: x[:-1].mean() + x[:-2].max()),
    ("norm(x[:-1] - 2)", lambda x: np.linalg.norm(x[:-1] - 2)),
    ("sum(x[len(x) - 3:-1])", lambda x: x[2:-1].sum()),
    ("sum(x[:2]) + x[2]", lambda x: x[:3].sum()),
]


def by_slice(x):
    return sum(x[:-1])


def by_loop(x):
    total = 0
    for i in range(len(x) - 1):
        total += x[i]
    return total


@pytest.mark.parametrize(
    ("formula", "plain"),
    [*LOOPS, *((f, lambda x: x[:-1].sum()) for f in (by_slice, by_loop))],
)
def test_lengths_in_loops_are_those_of_arrays(formula, plain):
    x = np.array([3.0, 1.0, 4.0, 1.5, 9.0])
    untold = Objective(formula)
    for objective in (untold, untold.sized(x), Objective(formula, sizes={"x": 5})):
        assert objective.value(x) == pytest.approx(plain(x), rel=1e-15)
        slope = objective.grad(x)
        moved = [plain(x + 1e-6 * e) - plain(x - 1e-6 * e) for e in np.eye(5)]
        assert slope == pytest.approx(np.array(moved) / 2e-6, abs=1e-8)


def test_a_fit_without_the_last_row():
    data = {"y": [1.0, 2, 3, 4, 100]}
    objective = Objective("sum((y[:-1] - m)**2)", data=data)
    assert symgd.minimize(objective).x == pytest.approx([2.5])
    data["y"][1] = float("nan")
    dropped = Objective(
        "sum((y[i] - m)**2 for i in range(len(y) - 1))", data=data, missing="drop"
    )
    assert symgd.minimize(dropped).x == pytest.approx([8 / 3])


def test_slices_within_constraints_and_of_constrained_variables():
    x = [1.0, 2.0, 3.0]
    for objective, relation in (
        ("sum(x[:-1]**2) + (x[-1] - 1)**2", "sum(x) == 3"),
        ("sum(x[:-1]**2) + sum((x - 1)**2)", "sum(x[:-1]) == 1"),
        ("sum((x - 1)**2)", ["x[1:] >= x[:-1] + 1", "x[:-1] <= 2"]),
    ):
        told = symgd.minimize(objective, x, subject_to=relation)
        later = Objective(objective, subject_to=relation)
        assert len(told.x) == 3
        for same in (later, pickle.loads(pickle.dumps(later))):
            assert symgd.minimize(same, x).x == pytest.approx(told.x, abs=1e-6)
    assert told.x == pytest.approx([0, 1, 2], abs=1e-6)
    held = symgd.minimize("sum(x[:-1]**2) + x[-1]**2", x, subject_to="sum(x) == 3")
    assert held.x == pytest.approx([1, 1, 1])


def test_what_is_shown_of_a_gradient_knows_the_length():
    shown = str(Objective("sum(x[:-1]**2)").gradient[0])
    assert shown == "Piecewise((2*x[k], k <= n - 2), (0, True))"


def test_an_array_of_another_length_than_others_say_is_refused():
    objective = Objective("sum(y[:-1]*x[1:-1])", data={"y": [1.0, 2, 3, 4]})
    assert objective.space.shapes == ((5,),)
    with pytest.raises(InputError, match=r"x has shape \(4,\), but here it has 5"):
        objective.value([1.0, 2, 3, 4])
