"""The coordinates of a point: names, places, and points given by name."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd import InputError, Objective, minimize
from symgd.objectives.space import Space
from tests.expansion import every_index

SQUARES = "sum((x[i] - 1)**2 for i in range(n))"
MIXED = (
    "sum((x[i] - a)**2 for i in range(n)) + (a - b)**2"
    " + sum((u[i, j] - b)**2 for i in range(2) for j in range(3))"
)

shapes = st.lists(
    st.lists(st.integers(1, 4), max_size=3).map(tuple), min_size=1, max_size=4
)


@given(shapes)
@settings(max_examples=50)
def test_names_and_places_are_inverse(shapes):
    space = Space([f"v{k}" for k in range(len(shapes))], shapes)
    expected = [
        f"v{k}[{', '.join(map(str, index))}]" if shape else f"v{k}"
        for k, shape in enumerate(shapes)
        for index in every_index(shape)
    ]
    assert list(space) == expected
    assert len(space) == space.size == len(expected)
    assert space[-1] == expected[-1]
    assert space[1:3] == expected[1:3]
    for place, name in enumerate(expected):
        assert list(space.places(name, "name")) == [place]
    whole = [place for name in space.names for place in space.places(name, "name")]
    assert whole == list(range(len(space)))
    point = np.arange(float(len(space)))
    values = space.values(point)
    assert [np.shape(values[name]) for name in space.names] == list(shapes)
    assert space.flat(values, "x0").tolist() == point.tolist()
    assert space.flat(dict(zip(expected, point, strict=True)), "x0").tolist() == (
        point.tolist()
    )
    with pytest.raises(IndexError):
        space[len(space)]


@pytest.mark.parametrize(
    "name", ["x[3]", "x[0, 0]", "u[0]", "u[2, 0]", "x[-1]", "x[]", "y", "a[0]", "x [1"]
)
def test_other_names_are_refused(name):
    space = Space(["a", "x", "u"], [(), (3,), (2, 2)])
    with pytest.raises(InputError, match="unknown thing"):
        space.places(name, "thing")


def test_names_may_have_spaces():
    space = Space(["a", "x", "u"], [(), (3,), (2, 2)])
    assert list(space.places(" x[ 1 ] ", "name")) == [2]
    assert list(space.places("u[1,0]", "name")) == [6]


def test_what_is_said_of_a_space():
    space = Space(["a", "x", "u"], [(), (3,), (2, 2)])
    assert space.expected() == "8 number(s), for a, x[3], u[2, 2]"
    assert repr(space) == "<Space of a, x[3], u[2, 2]>"
    assert not space.is_plain
    assert Space(["a", "b"]).is_plain


# ------------------------------------------------------------------ points by name


def test_points_by_name():
    objective = Objective(MIXED, sizes={"n": 3})
    u = np.arange(6.0).reshape(2, 3)
    flat = [2, 5, *u.ravel(), 7, 8, 9]
    expected = objective.value(flat)
    assert objective.variables == ("a", "b", "u", "x")
    assert objective.value({"a": 2, "b": 5, "u": u, "x": [7, 8, 9]}) == expected
    elements = {"x[0]": 7, "x[1]": 8, "x[2]": 9}
    assert objective.value({"b": 5, "u": u, "a": 2, **elements}) == expected
    changed = {"a": 2, "b": 5, "u": u, "x": [7, 8, 0], "x[2]": 9}
    assert objective.value(changed) == expected
    constant = {"a": 0, "b": 0, "u": 0, "x": 3}
    assert objective.value(constant) == 27
    result = minimize(objective, {"a": 2, "b": 5, "u": u, "x": [7, 8, 9]})
    assert result.values["u"].shape == (2, 3)
    assert isinstance(result.values["a"], float)
    np.testing.assert_allclose(result.x, result.x[0], atol=1e-7)


@pytest.mark.parametrize(
    ("x0", "message"),
    [
        ({"x": [1, 2, 3]}, "no value for a, b, u"),
        ({"a": 1, "b": 2, "u": 0, "x[0]": 3}, "no value for x"),
        ({"a": 1, "b": 2, "u": 0, "x": 3, "y": 1}, "unknown variable in x0 'y'"),
        (
            {"a": 1, "b": 2, "u": 0, "x": 3, "x[3]": 1},
            r"unknown variable in x0 'x\[3\]'",
        ),
        ({"a": 1, "b": 2, "u": [1, 2], "x": 3}, r"u in x0 has shape \(2,\); expected"),
        ({"a": 1, "b": 2, "u": 0, "x": [1, 2]}, "x has 2 elements"),
        ({"a": [1, 2], "b": 2, "u": 0, "x": 0}, "a: a number in the formula"),
        ({"a": 1, "b": 2, "u": "q", "x": 0}, "must be numbers: u"),
        ([1, 2, 3], r"shape \(3,\); expected 11 number\(s\), for a, b, u\[2, 3\], x"),
        (np.ones((2, 3)), "expected 11"),
        ([1] * 10 + [np.nan], r"not finite: x\[2\] = nan"),
    ],
)
def test_a_wrong_start_is_refused(x0, message):
    with pytest.raises(ValueError, match=message):
        minimize(Objective(MIXED, sizes={"n": 3}), x0)


def test_starts_of_two_dimensions():
    formula = "sum((u[i, j] - i - j)**2 for i in range(n) for j in range(m))"
    for x0 in (np.zeros((2, 3)), np.asfortranarray(np.zeros((2, 3))), [[0] * 3] * 2):
        result = minimize(formula, x0)
        np.testing.assert_allclose(
            result.values["u"], [[0, 1, 2], [1, 2, 3]], atol=1e-9
        )
        assert result.x.shape == (6,)
    sized = Objective(formula, sizes={"n": 2, "m": 3})
    assert sized.value(np.zeros(6)) == sized.value(np.zeros((2, 3))) == 19
    assert sized.value(np.zeros((4, 6))).tolist() == [19] * 4
    points = np.zeros((4, 1, 6))
    assert sized.value(points).tolist() == [[19]] * 4
    assert sized.grad(points).shape == (4, 1, 6)


def test_a_fortran_start_is_read_by_its_indices():
    u = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    formula = "sum(u[i, j]*(10*i + j) for i in range(n) for j in range(m))"
    expected = sum(u[i, j] * (10 * i + j) for i in range(2) for j in range(3))
    assert Objective(formula).value(u) == expected
    assert Objective(formula).value(u[:, ::-1]) != expected


# ----------------------------------------------------------------------- bounds


@pytest.mark.parametrize("method", ["auto", "gd", "adam"])
def test_bounds_by_array_by_element_and_as_arrays(method):
    run = {"method": method, "maxiter": 3000}
    if method == "gd":
        run["step_size"] = 0.3
    if method == "adam":
        run["step_size"] = 0.02

    def end(bounds):
        return minimize(SQUARES, np.zeros(3), bounds=bounds, **run).x

    near = {"atol": 1e-6}
    np.testing.assert_allclose(end({"x": (-1, 0.5)}), [0.5] * 3, **near)
    np.testing.assert_allclose(end({"x[1]": (None, 0.5)}), [1, 0.5, 1], **near)
    both = {"x": (-1, 0.7), "x[1]": (0, 0.5)}
    np.testing.assert_allclose(end(both), [0.7, 0.5, 0.7], **near)
    sides = {"x": ([-1, -1, -2], [0.1, 0.2, 0.3])}
    np.testing.assert_allclose(end(sides), [0.1, 0.2, 0.3], **near)
    above = {"x": (None, [0.1, 0.2, 0.3])}
    np.testing.assert_allclose(end(above), [0.1, 0.2, 0.3], **near)
    pairs = [(0, 0.1), (None, None), (-5, 0.3)]
    np.testing.assert_allclose(end(pairs), [0.1, 1, 0.3], **near)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"y": (0, 1)}, "unknown variable in bounds 'y'; accepted: x"),
        ({"x[3]": (0, 1)}, r"unknown variable in bounds 'x\[3\]'"),
        ({"x": ([0, 0], 1)}, "bounds of x have 2 numbers; expected 3, or one"),
        ({"x": (1, 0)}, "lower bound of x is above the upper"),
        ({"x": ([0, 2, 0], [1, 1, 1])}, "lower bound of x is above"),
        ({"x": 3}, "must be a pair"),
        ([(0, 1)], r"1 pairs; expected 3, for x\[3\]"),
    ],
)
def test_wrong_bounds_are_refused(bounds, message):
    with pytest.raises(InputError, match=message):
        minimize(SQUARES, np.zeros(3), bounds=bounds)


def test_many_bounded_coordinates():
    n = 3000
    upper = np.linspace(-1, 2, n)
    result = minimize(SQUARES, np.full(n, -2.0), bounds={"x": (-3, upper)})
    np.testing.assert_allclose(result.x, np.minimum(upper, 1), atol=1e-9)
    x0 = np.full(n, -2.0)
    x0[2000] = 5
    moved = minimize(SQUARES, x0, bounds={"x": (-3, upper)})
    assert moved.start_source == "given, moved inside the bounds"
    assert moved.start[2000] == upper[2000]
