"""Ends of runs over many variables: saddles are left, and minima are minima."""

import ctypes
import math
import warnings
from array import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd import Objective, maximize, minimize, minimize_many
from symgd.descent.felt import lower_nearby
from symgd.descent.least_curvature import Least, least_curvature
from symgd.native.machine import PythonKernel
from symgd.native.records import EVALUATION
from symgd.native.status import Status

BOWL = "sum((x[i] - 1)**2 for i in range(n))"
MANY = 51, 60, 100, 300

# What is added to a bowl, from where, and its least value
BESIDE_A_BOWL = {
    "a hill": ("0.5*y**4 - y**2", {"y": 0}, -0.5),
    "a wave": ("-sin(y)**2", {"y": 0}, -1.0),
    "an inflection": ("4*y**3 + 3*y**4", {"y": 0}, -1.0),
    "a flat hill": ("-3*y**4 + 2*y**6", {"y": 0}, -1.0),
    "a product of three": ("(w*y*z - 1)**2", {"w": 0, "y": 0, "z": 0}, 0.0),
    "between the axes": ("y**4 + z**4 - 3*(y*z)**2 + y**6", {"y": 0, "z": 0}, None),
    "a monkey saddle": ("y**3 - 3*y*z**2 + (y**2 + z**2)**2", {"y": 0, "z": 0}, None),
    "a bent valley": ("(y - z**2)**2 - z**4/2 + z**6", {"y": 0, "z": 0}, None),
    "sixth powers": ("y**6 + z**6 - 4*(y*z)**3 + (y*z)**4", {"y": 0, "z": 0}, -1.0),
    "a ridge": ("y*z + (y**4 + z**4)/4", {"y": 0, "z": 0}, -0.5),
}


@pytest.mark.parametrize(("n", "first"), [(51, 1), (60, -2), (300, 1), (300, 3)])
@pytest.mark.parametrize("name", BESIDE_A_BOWL)
def test_a_saddle_beside_a_bowl_is_left(name, n, first):
    part, start, least = BESIDE_A_BOWL[name]
    objective = Objective(f"{BOWL} + {part}", sizes={"n": n})
    result = minimize(objective, {"x": [first] * n} | start)
    lower = min(-1e-3, least + 1e-6 if least is not None else 0.0)
    if least != 0.0:
        assert result.fun <= lower
    else:
        assert result.fun <= 1e-6
    assert result.success


@pytest.mark.parametrize("n", [81, 90])
def test_another_eigenvalue_than_the_least_one_is_not_taken_for_it(n):
    """By chance the first directions lie across the one that curves downwards."""
    objective = Objective("sum(x**2) + y*z + y**4 + z**4", sizes={"x": n})
    result = minimize(objective, {"x": [2.0] * n, "y": 0, "z": 0})
    assert result.fun == pytest.approx(-0.125)


def rotation(n, seed):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]


def rotated(n, seed, spread, **powers):
    """Return a bowl with one direction that is a power, and a start beside it."""
    axes = rotation(n, seed)
    sizes = np.geomspace(1.0, spread, n)
    sizes[0] = 0.0
    data = {"A": np.sqrt(sizes)[:, None] * axes.T, "q": axes[:, 0].copy()}
    objective = Objective(
        "sum((A@x)**2)/2 + a*sum(q*x)**2 + b*sum(q*x)**3"
        " + c*sum(q*x)**4 + d*sum(q*x)**6",
        data=data,
        parameters={"a": 0.0, "b": 0.0, "c": 0.0, "d": 0.0} | powers,
    )
    return objective, axes


@settings(max_examples=12)
@given(
    n=st.integers(51, 120),
    seed=st.integers(0, 10**6),
    spread=st.sampled_from([1.0, 10.0, 300.0]),
    powers=st.sampled_from(
        [
            {"a": -1.0, "c": 1.0},
            {"a": -0.2, "c": 1.0},
            {"b": 1.0, "c": 1.0},
            {"c": -1.0, "d": 1.0},
        ]
    ),
    at=st.sampled_from([0.0, 1.0]),
)
def test_a_planted_direction_is_found(n, seed, spread, powers, at):
    objective, axes = rotated(n, seed, spread, **powers)
    result = minimize(objective, at * (axes[:, 1] - 2 * axes[:, 7]))
    assert not result.success or result.fun < -1e-3


@settings(max_examples=12)
@given(
    n=st.integers(51, 120),
    seed=st.integers(0, 10**6),
    spread=st.sampled_from([1.0, 10.0, 300.0]),
    powers=st.sampled_from([{"a": 1.0}, {"a": 0.01, "c": 1.0}, {"a": 0.0}]),
)
def test_what_is_convex_ends_in_success(n, seed, spread, powers):
    objective, axes = rotated(n, seed, spread, **powers)
    result = minimize(objective, axes[:, 0] + axes[:, 1] - 2 * axes[:, 7])
    assert result.success
    assert result.fun < 1e-6


def test_the_second_pair_of_a_matrix_is_left():
    rows = np.random.default_rng(3).standard_normal((30, 25))
    left, sizes, right = np.linalg.svd(rows)
    product = "sum(sum((M[i, j] - u[i]*v[j])**2 for j in range(25)) for i in range(30))"
    start = {"u": left[:, 1] * sizes[1], "v": right[1]}
    result = minimize(Objective(product, data={"M": rows}), start)
    assert result.fun == pytest.approx((sizes[1:] ** 2).sum(), rel=1e-6)


@pytest.mark.parametrize("n", MANY)
def test_other_doors_say_the_same(n):
    hill = Objective(f"-({BOWL}) + 2*y**2 - y**4", sizes={"n": n})
    assert maximize(hill, {"x": [3] * n, "y": 0}).fun == pytest.approx(1.0)
    objective = Objective(f"{BOWL} - 2*y**2 + y**4", sizes={"n": n})
    starts = np.ones((3, n + 1))
    starts[:, -1] = 0.0
    starts[0, :-1] = 2.0
    many = minimize_many(objective, starts)
    assert many.fun == pytest.approx(-1.0)
    bounds = {"x": (-5, 5), "y": (0, 0.5)}
    inside = minimize(objective, {"x": [0] * n, "y": 0}, bounds=bounds)
    assert inside.success
    assert inside.values["y"] == 0.5
    rule = minimize(
        objective, {"x": [1] * n, "y": 0}, method="gd", step_size=0.01, maxiter=50
    )
    assert rule.status == Status.STATIONARY
    assert not rule.success


def test_what_cancels_below_rounding_is_said_to_be_no_minimum():
    hidden = f"1e14 + {BOWL} - y**2 + y**4"
    result = minimize(Objective(hidden, sizes={"n": 60}), {"x": [1] * 60, "y": 0})
    assert not result.success or abs(result.values["y"]) > 0.5


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_units_change_nothing(scale):
    bowl = "sum((s*x[i])**2 for i in range(60)) + (s*y)**4 - 2*(s*y)**2"
    objective = Objective(bowl, parameters={"s": scale})
    result = minimize(objective, {"x": [1 / scale] * 60, "y": 0})
    assert result.success
    assert result.fun == pytest.approx(-1.0)


def least_of(matrix: np.ndarray, first: np.ndarray) -> Least:
    """Return the least curvature of half of ``x'Ax``, at 0."""
    n = len(first)

    def gradient(x: int, _parameters: int, out: int) -> float:
        here, there = (
            np.ctypeslib.as_array((ctypes.c_double * n).from_address(at))
            for at in (x, out)
        )
        there[:] = matrix @ here
        return 0.5 * float(here @ there)

    kernel = PythonKernel(gradient, EVALUATION)
    ones = np.ones(n)
    point, sizes = (np.zeros(n), np.zeros(n)), (ones, ones)
    return least_curvature(kernel, ones, point, sizes, first, matrix @ first, n)


@settings(max_examples=60)
@given(st.lists(st.floats(-9, 9), min_size=1, max_size=12), st.integers(0, 10**6))
def test_the_least_of_a_tridiagonal_matrix(diagonal, seed):
    # From the first axis, Lanczos' method finds the matrix itself.
    count = len(diagonal)
    off = np.diag(np.random.default_rng(seed).uniform(0.1, 3.0, count - 1), 1)
    matrix = np.diag(diagonal) + off + off.T
    least = least_of(matrix, np.eye(count)[0])
    values = np.linalg.eigvalsh(matrix)
    assert least.value == pytest.approx(values[0], rel=1e-3, abs=1e-6)
    along = least.direction
    assert math.hypot(*along) == pytest.approx(1.0)
    assert along @ matrix @ along <= values[0] + 1e-3 * abs(values).max() + 1e-9


@settings(max_examples=30)
@given(st.integers(51, 100), st.integers(0, 10**6), st.booleans())
def test_lanczos_finds_the_sign_of_the_least_curvature(n, seed, negative):
    axes = rotation(n, seed)
    sizes = np.geomspace(1.0, 1e3, n)
    sizes[0] = -0.1 if negative else 1.0
    matrix = (axes * sizes) @ axes.T
    first = np.random.default_rng(seed).uniform(-1.0, 1.0, n)
    least = least_of(matrix, first)
    assert (least.value < 0.0) == negative
    assert least.direction @ matrix @ least.direction == pytest.approx(
        least.value, rel=0.1, abs=1e-3
    )


# Where gradients and products alone come to no end: a formula, what i means, and bounds
HARD = {
    "infinite slopes at bounds": (
        "sum(x[i]*log(x[i]) + 25*i/n*x[i] for i in range(n))",
        0.5,
        (0, None),
        lambda i, n: np.exp(-1 - 25 * i / n),
    ),
    "minima near infinite slopes": (
        "sum((1 + i)*x[i] - sqrt(x[i]) for i in range(n))",
        1.0,
        (0, None),
        lambda i, n: 0.25 / (1 + i) ** 2,
    ),
    "a norm at its kink": (
        "sqrt(sum(x**2)) + sum((x[i] - 0.01)**2 for i in range(n))/2",
        1.0,
        (None, None),
        lambda i, n: 0.0 * i,
    ),
}


@pytest.mark.parametrize("n", [51, 100])
@pytest.mark.parametrize("name", HARD)
def test_the_whole_hessian_judges_where_all_else_fails(name, n):
    text, start, (low, high), least = HARD[name]
    bounds = {} if low is high is None else {"bounds": {"x": (low, high)}}
    result = minimize(Objective(text, sizes={"n": n}), {"x": [start] * n}, **bounds)
    assert result.success, result.message
    expected = least(np.arange(n), n)
    np.testing.assert_allclose(result.x, expected, rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize("n", [30, 60])
def test_a_ratios_rounding_is_no_tail(n):
    """Its numerator cancels: values on one ray differ by more than the last digits."""
    draw = np.random.default_rng(12)
    m = draw.standard_normal((n, n))
    s = m.T @ m
    w, v = np.linalg.eigh(s)
    objective = Objective("(x @ S @ x)/sum(x**2)", data={"S": s})
    result = minimize(objective, {"x": v[:, 3]})
    assert result.success, result.message
    assert result.fun == pytest.approx(w[0], abs=1e-9 * w[-1])


def test_the_whole_hessian_is_continued_from_a_checkpoint(tmp_path):
    text, start, bounds, _ = HARD["infinite slopes at bounds"]
    objective = Objective(text, sizes={"n": 60})
    way = {"x0": {"x": [start] * 60}, "bounds": {"x": bounds}}
    whole = minimize(objective, **way)
    file = tmp_path / "run"
    minimize(objective, **way, maxiter=whole.nit - 1, checkpoint=file)
    result = minimize(objective, **way, checkpoint=file)
    assert (result.nit, result.fun) == (whole.nit, whole.fun)


@pytest.mark.parametrize("largest", [-300, -100, 0, 5, 150])
@pytest.mark.parametrize("smallest", [-323, -160, -5])
def test_what_is_around_an_end_is_finite_or_not_taken(smallest, largest):
    # Units of x can be so far apart that products of the Hessian overflow.
    chain = (
        "sum((x[i] - 2*x[i + 1] + x[i + 2])**2 for i in range(n - 2)) + (x[0] - 1)**2"
    )
    f = Objective(chain, sizes={"n": 400})
    x = 10.0 ** np.linspace(largest, smallest, 400)
    sides = array("d", [-math.inf] * 400), array("d", [math.inf] * 400)
    value, gradient = f.value_and_grad(x)
    point = array("d", x), value, array("d", gradient)
    with warnings.catch_warnings(action="error"):
        lower = lower_nearby(
            *(f.kernel("evaluation"), f.parameter_values(), point, sides),
            *(np.zeros(400), f.value(np.zeros(400)), 0.0, True, 10),
        )
    assert np.isfinite(lower.x).all()
    assert lower.fun == math.inf or lower.fun < value
