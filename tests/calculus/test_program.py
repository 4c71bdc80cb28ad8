"""Value and gradient of formulas with sums, against the same formulas written out."""

import functools
import itertools
import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from symgd import FormulaError, Objective
from symgd.calculus import structure
from symgd.calculus.gathering import quickened
from symgd.calculus.program import gradient_program, value_program
from symgd.language.formula import Sum, array, symbol
from symgd.lowering import array_objective as programs
from symgd.native import machine
from symgd.native.machine import address
from symgd.objectives.parallel import PIECES, Steps
from symgd.testing.drawn_sums import sum_formulas, sum_objective
from tests.expansion import Exact, error_of, forward

TOLERANCE = 1e-12


# ------------------------------------------------------- the ways to compute it


def kernels_of(objective, which=0):
    """Return functions of x that compute the same by different programs."""
    arrays = objective.arrays
    whole, names = arrays.expression, arrays.variables
    short = structure.written_out(whole, arrays.static)
    plain = gradient_program(whole, names)
    others = {
        "with inner sums written out": lambda: gradient_program(short, names),
        "with inner loops, quickened": lambda: quickened(plain),
        "in threads": arrays.program,
    }
    name = list(others)[which % 3]
    other = others[name]()
    ways = {"as it is": compiled(plain, objective), "its own": objective.value_and_grad}
    ways[name] = (in_threads if name == "in threads" else compiled)(other, objective)
    return ways


def compiled(program, objective):
    text = programs.evaluation(program, objective.arrays.layout)
    return called(machine.linked(machine.optimised(text), "d:ppp"), objective)


def in_threads(program, objective):
    text = programs.pieces(program, objective.arrays.layout)
    kernel = machine.linked(machine.optimised(text), PIECES)
    return called(Steps(kernel, program, 3).value, objective)


def called(kernel, objective):
    words = objective.parameter_values()

    def function(x):
        x, gradient = np.array(x, dtype=float).ravel(), np.full(np.size(x), np.nan)
        value = kernel(address(x), address(words), address(gradient))
        return value, gradient

    return function


def check(objective, seed=0, tolerance=TOLERANCE, written_out=False):
    """Compare all ways of computing with an oracle, at two points."""
    ways = kernels_of(objective, seed)
    oracle = Exact(objective) if written_out else functools.partial(forward, objective)
    rng = np.random.default_rng(seed)
    for _ in range(2):
        x = rng.uniform(-1.5, 1.5, len(objective.space))
        expected = oracle(x)
        for name, way in ways.items():
            error = error_of(way(x), expected)
            assert error < tolerance, (name, error)


@given(sum_formulas(), st.integers(0, 5), st.integers(0, 5))
@settings(max_examples=12)
def test_drawn_formulas_agree_with_what_they_are_written_out(formula, n, seed):
    objective = sum_objective(formula, n, seed)
    check(objective, seed, written_out=True)
    x = np.random.default_rng(seed).uniform(-1.5, 1.5, len(objective.space))
    assert error_of(forward(objective, x), Exact(objective)(x)) < 1e-14


@given(sum_formulas(), st.integers(6, 20), st.integers(0, 5))
@settings(max_examples=12)
def test_drawn_formulas_agree_with_forward_differentiation(formula, n, seed):
    check(sum_objective(formula, n, seed), seed)


# --------------------------------------------------------------------- lengths

CHAIN = "sum(100*(x[i + 1] - x[i]**2)**2 + (1 - x[i])**2 for i in range(n - 1))"
AROUND_BLOCKS = [31, 2047, 2048, 2049, 2056, 4095, 4096, 4097, 4099, 6144, 10_001]


def chain(x):
    """Return value and gradient of the chain above."""
    a, b = x[:-1], x[1:]
    inner = b - a * a
    gradient = np.zeros(len(x))
    gradient[:-1] = -400 * a * inner - 2 * (1 - a)
    gradient[1:] += 200 * inner
    return math.fsum(100 * inner**2 + (1 - a) ** 2), gradient


@pytest.mark.parametrize("n", [*range(2, 21), *AROUND_BLOCKS])
def test_a_chain_of_any_length(n):
    x = np.random.default_rng(n).normal(size=n)
    value, gradient = Objective(CHAIN).value_and_grad(x)
    expected = chain(x)
    assert value == pytest.approx(expected[0], rel=1e-14)
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n", [0, 1, 2, 7, 8, 9, 15, 16, 17, 2047, 2048, 2049, 4099])
def test_rows_of_data_of_any_number(n):
    rng = np.random.default_rng(n)
    A, y, w = (
        rng.normal(size=(max(n, 1), 3)),
        rng.normal(size=max(n, 1)),
        rng.normal(size=3),
    )
    formula = "sum((y[i] - sum(A[i, j]*w[j] for j in range(d)))**2 for i in range(n))"
    sizes = {"n": n, "d": 3}
    if n == 0:
        with pytest.raises(FormulaError, match="no element of w"):
            Objective(formula, data={"A": A, "y": y}, sizes=sizes)
        formula += " + w[0]**2 + w[1] + w[2]"
    objective = Objective(formula, data={"A": A, "y": y}, sizes=sizes)
    value, gradient = objective.value_and_grad(w)
    rest = y[:n] - A[:n] @ w
    more = np.zeros(3) if n else np.array([2 * w[0], 1, 1])
    tail = 0 if n else w[0] ** 2 + w[1] + w[2]
    assert value == pytest.approx(math.fsum(rest**2) + tail, rel=1e-13)
    np.testing.assert_allclose(gradient, more - 2 * A[:n].T @ rest, rtol=1e-11)


LAPLACE = (
    "sum(w*(u[i + 1, j] - u[i, j])**2 for i in range(n - 1) for j in range(m))"
    " + sum((u[i, j + 1] - u[i, j])**3 for i in range(n) for j in range(m - 1))"
)


SHAPES = list(itertools.product([1, 2, 15, 16, 17, 32, 49], [1, 2, 8, 9, 20, 33]))


@pytest.mark.parametrize(
    ("rows", "columns"), SHAPES[1:]
)  # of 1 x 1, none are neighbours
def test_grids_of_any_shape(rows, columns):
    u = np.random.default_rng(rows).normal(size=(rows, columns))
    objective = Objective(LAPLACE, parameters={"w": 0.3})
    value, gradient = objective.value_and_grad(u)
    down, right = np.diff(u, axis=0), np.diff(u, axis=1)
    assert value == pytest.approx(0.3 * (down**2).sum() + (right**3).sum(), rel=1e-12)
    expected = np.zeros_like(u)
    expected[1:] += 0.6 * down
    expected[:-1] -= 0.6 * down
    expected[:, 1:] += 3 * right**2
    expected[:, :-1] -= 3 * right**2
    np.testing.assert_allclose(gradient.reshape(u.shape), expected, atol=1e-12)


def test_a_long_sum_is_accurate():
    rng = np.random.default_rng(3)
    y = rng.normal(size=1_000_000) * 10.0 ** rng.uniform(-8, 8, 1_000_000)
    objective = Objective("sum(y[i]*a for i in range(n))", data={"y": y})
    exact, size = math.fsum(y), math.fsum(abs(y))
    assert abs(objective.value([1.0]) - exact) <= 8 * np.finfo(float).eps * size
    positive = Objective("sum(abs(y[i])*a for i in range(n))", data={"y": y})
    assert abs(positive.value([1.0]) - size) <= 4 * math.ulp(size)
    assert abs(positive.grad([1.0])[0] - size) <= 4 * math.ulp(size)
    plain = functools.reduce(lambda a, b: a + b, np.abs(y).tolist())
    assert abs(plain - size) > 4 * math.ulp(size)  # one after the other is worse


# -------------------------------------------------------------------- products


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 17, 2049])
@pytest.mark.parametrize("zeros", [(), (0,), (-1,), (0, -1)])
def test_products_with_and_without_zeros(n, zeros):
    x = np.random.default_rng(n).uniform(0.99, 1.01, n)
    x[list(zeros)] = 0.0
    value, gradient = Objective("prod(x[i] for i in range(n))").value_and_grad(x)
    assert value == pytest.approx(np.prod(x), rel=1e-12)
    others = [np.prod(np.delete(x, k)) for k in range(n)]
    np.testing.assert_allclose(gradient, others, rtol=1e-12)


def test_a_product_inside_of_sums_with_zeros():
    check(
        Objective(
            "sum(prod(x[i] - x[j] for j in range(n) if j != i)*c[i] for i in range(n))"
            " + prod(sum(x[j]*i for j in range(n)) for i in range(4))",
            sizes={"n": 6},
            data={"c": np.arange(6.0)},
        ),
        written_out=True,
    )


# ----------------------------------------------------------- indices and data


def test_repeated_indices_add_up():
    rng = np.random.default_rng(0)
    for count in (1, 7, 8, 9, 100, 5000):
        key = rng.integers(0, 5, count)
        c = rng.normal(size=count)
        objective = Objective(
            "sum(c[k]*x[key[k]]**2 for k in range(m))", data={"key": key, "c": c}
        )
        x = rng.normal(size=len(objective.space))
        value, gradient = objective.value_and_grad(x)
        assert value == pytest.approx(np.sum(c * x[key] ** 2), rel=1e-11)
        expected = np.bincount(key, 2 * c * x[key], minlength=len(x))
        np.testing.assert_allclose(gradient, expected, rtol=1e-11, atol=1e-13)


def test_all_lanes_may_meet_in_one_element():
    key = np.full(24, 3, dtype=np.uint16)
    objective = Objective("sum(x[key[k]]*(k + 1) for k in range(m))", data={"key": key})
    assert objective.grad([1, 2, 3, 4]).tolist() == [0, 0, 0, 300]


KINDS = ["f8", "f4", "i8", "i4", "i2", "i1", "u4", "u2", "u1", "b1", ">f8", ">i4", "f2"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", [1, 3, -1, -2])
def test_data_of_all_types_and_strides(kind, step):
    rng = np.random.default_rng(1)
    whole = rng.uniform(0, 2, 120) if "f" in kind else rng.integers(0, 2, 120)
    y = whole.astype(kind)[::step][:37]
    objective = Objective("sum(a*y[i]*(i + 1) for i in range(n))", data={"y": y})
    exact = math.fsum(float(each) * (k + 1) for k, each in enumerate(y))
    assert objective.value([1.0]) == pytest.approx(exact, rel=1e-15)
    assert objective.grad([7.0])[0] == pytest.approx(exact, rel=1e-15)


LAYOUTS = ["C", "F", "rows reversed", "part", "columns reversed"]
COLUMNS = [(0, 1), (0, 1, 2), (0, 2), (1, 4, 6), range(8), range(13)]


@pytest.mark.parametrize(
    ("kind", "layout", "columns"),
    [("f8", layout, columns) for layout in LAYOUTS for columns in COLUMNS]
    + [(kind, layout, (1, 4, 6)) for kind in ("f4", "i4", "u1") for layout in LAYOUTS],
)
def test_constant_columns_of_all_layouts(kind, layout, columns):
    A = (10 * np.random.default_rng(2).uniform(size=(27, 13))).astype(kind)
    A = {
        "C": A,
        "F": np.asfortranarray(A),
        "rows reversed": A[::-1],
        "part": np.tile(A, (2, 2))[::2, 3:16],
        "columns reversed": A[:, ::-1],
    }[layout]
    terms = " + ".join(f"A[i, {c}]*w[{c}]" for c in columns)
    objective = Objective(f"sum(({terms})*(i + 1) for i in range(n))", data={"A": A})
    w = np.arange(1.0, len(objective.space) + 1)
    rows = np.arange(1.0, len(A) + 1)
    expected = np.zeros(len(w))
    for column in columns:
        expected[column] = rows @ A[:, column].astype(float)
    value, gradient = objective.value_and_grad(w)
    np.testing.assert_allclose(gradient, expected, rtol=1e-14)
    assert value == pytest.approx(expected @ w, rel=1e-14)


def test_fields_of_a_structured_array_are_read_where_they_are():
    table = np.zeros(19, dtype=[("k", "i1"), ("y", "f8"), ("t", "f4"), ("b", "?")])
    rng = np.random.default_rng(0)
    table["k"], table["b"] = rng.integers(0, 4, 19), rng.integers(0, 2, 19)
    table["y"], table["t"] = rng.normal(size=19), rng.normal(size=19)
    formula = "sum((y[i] - w[k[i]]*t[i]*b[i])**2 for i in range(n))"
    objective = Objective(formula, data=table)
    w = rng.normal(size=len(objective.space))
    rest = table["y"] - w[table["k"]] * table["t"].astype(float) * table["b"]
    assert objective.value(w) == pytest.approx(np.sum(rest**2), rel=1e-13)
    assert np.shares_memory(objective.arrays.data["t"], table)


def test_three_indices():
    T = np.random.default_rng(4).normal(size=(5, 6, 11)).astype("f4")
    formula = (
        "sum(T[i, j, k]*x[i, j, k]**2 + x[k, 0, i] for k in range(5) for i in range(5)"
        " for j in range(6)) + sum((x[i, j, k + 1] - x[i, j, k])**2"
        " for i in range(5) for j in range(6) for k in range(10))"
    )
    check(Objective(formula, data={"T": T}))


def test_long_sums_inside_of_sums():
    rng = np.random.default_rng(5)
    A, y = rng.normal(size=(20, 70)), rng.normal(size=20)
    formula = "sum((y[i] - sum(A[i, j]*w[j] for j in range(d)))**2 for i in range(n))"
    objective = Objective(formula, data={"A": A, "y": y})
    assert objective.arrays.static == {}
    w = rng.normal(size=70)
    value, gradient = objective.value_and_grad(w)
    assert value == pytest.approx(np.sum((y - A @ w) ** 2), rel=1e-13)
    np.testing.assert_allclose(gradient, -2 * A.T @ (y - A @ w), rtol=1e-11)


def test_the_sum_of_a_users_own_sympy_is_the_same():
    i, n, x = sp.Symbol("i"), sp.Symbol("n"), sp.IndexedBase("x")
    plain = Objective(sp.Sum((x[i + 1] - x[i] ** 2) ** 2, (i, 0, n - 2)))
    ours = Objective("sum((x[i + 1] - x[i]**2)**2 for i in range(n - 1))")
    assert plain.expression == ours.expression
    place = [0.3, -2, 0.5, 1.5]
    assert plain.value(place) == ours.value(place)
    assert plain.grad(place).tolist() == ours.grad(place).tolist()
    product = Objective(sp.Product(1 + x[i] ** 2, (i, 0, n - 1)))
    assert product.value([1, 2]) == 10


# ----------------------------------------------------------------- the programs


def test_the_value_alone_is_that_of_the_gradient_program():
    objective = sum_objective(
        "sum(sin(x[i]*x[i + 1]) for i in range(n)) + p*a + u[0, 0]", 9, 0
    )
    arrays = objective.arrays
    alone = compiled(value_program(arrays.expression), objective)
    x = np.linspace(-1, 1, len(objective.space))
    value, gradient = alone(x)
    assert value == pytest.approx(objective.value(x), rel=1e-15)
    assert not gradient.any()  # it is only cleared


def test_the_size_of_a_program_does_not_depend_on_lengths():
    i, n, x = symbol("i"), symbol("n"), array("x")
    expression = Sum((x[i + 1] - x[i]) ** 2, (i, 0, n - 2))
    small, large = (
        gradient_program(expression.xreplace({n: sp.Integer(size)}), ["x"])
        for size in (4, 10**9)
    )
    assert str(small).replace("stop=3", "stop=999999999") == str(large)


# -------------------------------------------------------------------- extremes

EXTREMES = [  # with what NumPy makes of it, and of which elements it has a share
    ("max(x)", lambda x: x.max()),
    ("min(x[i]**2 for i in range(n))", lambda x: (x**2).min()),
    ("max(abs(x[i] - x[i + 1]) for i in range(n - 1))",
     lambda x: abs(np.diff(x)).max()),
    ("norm(x, inf)**2", lambda x: abs(x).max() ** 2),
    ("sum(max(x[i]*x[j] for j in range(n)) for i in range(n))",
     lambda x: np.outer(x, x).max(axis=1).sum()),
    ("log(1 + max(x[i]*exp(x[i]) - min(x) for i in range(n)))",
     lambda x: np.log(1 + (x * np.exp(x)).max() - x.min())),
]  # fmt: skip


@pytest.mark.parametrize(("text", "known"), EXTREMES)
@given(seed=st.integers(0, 2**32), n=st.sampled_from([2, 3, 8, 9, 50, 5000]))
@settings(max_examples=8)
def test_extremes_over_indices_have_value_gradient_and_hessian(text, known, seed, n):
    rng = np.random.default_rng(seed)
    n = min(n, 60) if "x[j]" in text else n
    x, way = rng.normal(size=n), rng.normal(size=n) * 1e-6
    objective = Objective(text).sized(x)
    value, gradient = objective.value_and_grad(x)
    assert value == pytest.approx(known(x), rel=1e-14)
    ends = [objective.value_and_grad(x + side * way) for side in (1, -1)]
    slope = (ends[0][0] - ends[1][0]) / 2
    assert gradient @ way == pytest.approx(slope, rel=1e-4, abs=1e-14)
    if n < 10:
        change = (ends[0][1] - ends[1][1]) / 2
        np.testing.assert_allclose(
            objective.hess(x) @ way, change, rtol=1e-3, atol=1e-12
        )


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 63, 2049, 4096])
@pytest.mark.parametrize("sign", ["", "-"])
def test_what_is_tied_shares_the_slope_of_an_extreme(n, sign):
    kind = "min" if sign else "max"
    for ties in {1, max(1, n // 2), n}:
        x = np.full(n, -3.0)
        x[-ties:] = 2.0
        objective = Objective(f"{kind}(({sign}x[i])**3 for i in range(n))").sized(x)
        value, gradient = objective.value_and_grad(x)
        assert value == (-8.0 if sign else 8.0)
        expected = np.where(x > 0, (-12.0 if sign else 12.0) / ties, 0.0)
        np.testing.assert_allclose(gradient, expected, rtol=1e-15)


def test_an_extreme_is_reached_whatever_it_is_rounded_to():
    # Products and sums that are fused here and not there would miss their own largest.
    text = (
        "max((x[i] - a[i])**2*c[i] + x[i]*c[i]*a[i] + y*a[i] for i in range(n)) + y*y"
    )
    rng = np.random.default_rng(0)
    a, c = rng.normal(size=(2, 40))
    objective = Objective(text, data={"a": a, "c": c})
    for _ in range(200):
        x = rng.normal(size=41)
        gradient = objective.grad(x)
        reached = int(np.argmax((x[:-1] - a) ** 2 * c + x[:-1] * c * a + x[-1] * a))
        assert np.count_nonzero(gradient[:-1]) == 1
        assert gradient[-1] == a[reached] + 2 * x[-1]


@pytest.mark.parametrize(
    "body",
    [
        "(x[i] - a[k, i])**2*a[k, i] + x[i]*a[k, i]*a[k, 0] + a[k, 1]",
        "x[i]*a[k, i]*x[0] + (x[i] - a[k, 0])*a[k, i]",
    ],
)
def test_so_it_is_where_a_short_one_is_written_out(body):
    rng = np.random.default_rng(1)
    text = f"sum(max({body} for i in range(3))**2 for k in range(m))"
    objective = Objective(text, data={"a": rng.normal(size=(50, 3))})
    for _ in range(20):
        x, way = rng.normal(size=3), 1e-6 * rng.normal(size=3)
        change = (objective.grad(x + way) - objective.grad(x - way)) / 2
        np.testing.assert_allclose(
            objective.hess(x) @ way, change, rtol=1e-4, atol=1e-8
        )


@pytest.mark.parametrize("place", [0, 3, 8, 2050, 4098])
def test_nan_is_no_extreme_that_is_passed_over(place):
    x = np.arange(4099.0)
    x[place] = np.nan
    for text in ("max(x)", "min(x)", "norm(x, inf)"):
        assert np.isnan(Objective(text).sized(x).value(x))


def test_what_is_not_extreme_may_have_an_infinite_slope():
    objective = Objective("max(sqrt(x[i]) for i in range(n))")
    assert objective.grad([0.0, 4.0]).tolist() == [0.0, 0.25]


def test_an_extreme_over_new_lengths_compiles_nothing():
    objective = Objective("norm(x, inf)")
    objective.sized([1.0, 2.0]).value_and_grad([1.0, 2.0])
    before = objective.sized([1.0, 2.0]).kernel("evaluation")
    assert objective.sized(np.ones(100)).kernel("evaluation") is before
