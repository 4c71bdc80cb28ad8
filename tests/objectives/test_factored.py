"""Determinants, inverses and linear systems of more than 4 rows, in formulas."""

import mpmath
import numpy as np
import pytest

from symgd import FormulaError, InputError, Objective, export, minimize
from symgd.native import compiled

COVARIANCE = "(s**2*exp(-(t[:, None] - t)**2/(2*l**2)) + m**2*eye(len(t)))"
LIKELIHOOD = f"0.5*log(det({COVARIANCE})) + 0.5*y @ solve({COVARIANCE}, y)"


def noted(rows, seed=3):
    source = np.random.default_rng(seed)
    t = np.sort(source.uniform(0, 10, rows))
    return {"t": t, "y": np.sin(t) + 0.1 * source.normal(size=rows)}


def surprise(length, noise, height, t, y):
    """Return the likelihood with as many digits as mpmath has."""
    exact = [mpmath.mpf(float(each)) for each in t]
    K = mpmath.matrix(len(t))
    for i, one in enumerate(exact):
        for j, other in enumerate(exact):
            K[i, j] = height**2 * mpmath.exp(-(((one - other) / length) ** 2) / 2)
            K[i, j] += noise**2 if i == j else 0
    right = mpmath.matrix([float(each) for each in y])
    solved = mpmath.lu_solve(K, right)
    return (mpmath.log(mpmath.det(K)) + (right.T * solved)[0]) / 2


@pytest.mark.parametrize("rows", [5, 13, 30])
def test_a_gaussian_process_likelihood_has_its_exact_derivatives(rows):
    data, point = noted(rows), [1.3, 0.25, 0.875]
    likelihood = Objective(LIKELIHOOD, data=data)
    value, slope = likelihood.value_and_grad(point)
    bend = likelihood.hessp(point, [0.5, -0.25, 1])
    with mpmath.workdps(50):
        step = mpmath.mpf(10) ** -15

        def along(way, of, at):
            ends = ([p + side * step * w for p, w in zip(at, way, strict=True)]
                    for side in (1, -1))  # fmt: skip
            above, below = (of(each) for each in ends)
            return (above - below) / (2 * step)

        def exact(at):
            return surprise(*at, **data)

        def bent(axis):
            return along([0.5, -0.25, 1], lambda at: along(axis, exact, at), here)

        here = [mpmath.mpf(each) for each in point]
        axes = [[int(j == k) for j in range(3)] for k in range(3)]
        slopes = [float(along(axis, exact, here)) for axis in axes]
        bends = [float(bent(axis)) for axis in axes]
        assert value == pytest.approx(float(exact(here)), rel=1e-12)
    assert slope == pytest.approx(slopes, rel=1e-10)
    assert bend == pytest.approx(bends, rel=1e-8)


FORMS = [
    ("det(A*x)", lambda A, b, x: np.linalg.det(A * x)),
    ("np.linalg.slogdet(A*x)[1]", lambda A, b, x: np.linalg.slogdet(A * x)[1]),
    ("slogdet(A*x)[0]*x[0]", lambda A, b, x: np.linalg.slogdet(A * x)[0] * x[0]),
    ("torch.logdet((A*x).T @ (A*x))",
     lambda A, b, x: np.linalg.slogdet((A * x).T @ (A * x))[1]),
    ("log(abs(det(A*x)))", lambda A, b, x: np.linalg.slogdet(A * x)[1]),
    ("trace(np.linalg.inv((A*x).T @ (A*x)))",
     lambda A, b, x: np.trace(np.linalg.inv((A * x).T @ (A * x)))),
    ("norm(solve(A*x, b))**2", lambda A, b, x: np.sum(np.linalg.solve(A * x, b) ** 2)),
    ("x @ inv(A) @ x + inv(A)[1, 2]*x[3]",
     lambda A, b, x: x @ np.linalg.solve(A, x) + np.linalg.inv(A)[1, 2] * x[3]),
    ("sum(solve(A*x, A.T)[1:, 2]**2)",
     lambda A, b, x: np.sum(np.linalg.solve(A * x, A.T)[1:, 2] ** 2)),
    ("sum(solve(A + solve(A*x, A), b))",
     lambda A, b, x: np.linalg.solve(A + np.linalg.solve(A * x, A), b).sum()),
    ("sum(exp(0.1*solve(A, x*b)))*det(A/x[0])",
     lambda A, b, x: np.exp(0.1 * np.linalg.solve(A, x * b)).sum()
     * np.linalg.det(A / x[0])),
    ("sum((b - solve(A, x))[i]*i for i in range(len(b)))",
     lambda A, b, x: (b - np.linalg.solve(A, x)) @ np.arange(len(b))),
]  # fmt: skip


@pytest.mark.parametrize(("text", "plain"), FORMS)
def test_values_and_derivatives_are_those_of_numpy(text, plain):
    source = np.random.default_rng(11)
    A = source.normal(size=(6, 6)) + 4 * np.eye(6)
    b, x, v = source.normal(size=6), source.uniform(1, 2, 6), source.normal(size=6)
    objective = Objective(text, data={"A": A, "b": b}, sizes={"x": 6})
    value, slope = objective.value_and_grad(x)
    assert value == pytest.approx(plain(A, b, x), rel=1e-11)
    step = 1e-6
    for k, axis in enumerate(np.eye(6) * step):
        difference = (plain(A, b, x + axis) - plain(A, b, x - axis)) / (2 * step)
        assert slope[k] == pytest.approx(difference, rel=1e-5, abs=1e-6 * abs(value))
    ends = [objective.grad(x + side * step * v) for side in (1, -1)]
    bend = (ends[0] - ends[1]) / (2 * step)
    largest = max(abs(bend))
    assert objective.hessp(x, v) == pytest.approx(bend, rel=1e-5, abs=1e-6 * largest)


def test_the_shown_gradient_is_of_the_same_numbers():
    data = noted(5)
    likelihood = Objective(LIKELIHOOD, data=data)
    shown = Objective(likelihood.gradient[1], data=data)
    assert shown.value([1.3, 0.25, 0.875]) == pytest.approx(
        likelihood.grad([1.3, 0.25, 0.875])[1], rel=1e-12
    )


@pytest.mark.parametrize("method", ["auto", "gd", "bb"])
def test_the_most_likely_scales_are_found(method):
    likelihood = Objective(LIKELIHOOD, data=noted(40))
    options = {"step_size": "auto"} if method == "gd" else {}
    start = {"l": 1, "m": 0.3, "s": 1}
    found = minimize(likelihood, start, method=method, **options)
    assert found.success
    assert max(abs(likelihood.grad(found.x))) < 1e-5
    assert all(np.linalg.eigvalsh(likelihood.hess(found.x)) > 0)


def test_other_lengths_compile_nothing(monkeypatch):
    Objective(LIKELIHOOD, data=noted(9)).value_and_grad([1, 1, 1])

    def refused(*_):
        raise AssertionError("compiled")

    monkeypatch.setattr(compiled.machine, "optimised", refused)
    for rows in (5, 70):
        value, _ = Objective(LIKELIHOOD, data=noted(rows)).value_and_grad([1, 1, 1])
        assert value == pytest.approx(float(surprise(1, 1, 1, **noted(rows))))


def test_a_determinant_that_leaves_float64_still_has_its_logarithm():
    size, scale = 400, 1e-3
    small = f"det(x*eye({size}))"
    assert np.isnan(Objective(small).value([scale]))
    logarithm = Objective(f"log({small})")
    assert logarithm.value([scale]) == pytest.approx(size * np.log(scale))
    assert logarithm.grad([scale]) == pytest.approx([size / scale])
    negative = Objective("logdet(x*eye(7)) + 0*x")
    assert np.isnan(negative.value([-1]))
    assert Objective("logabsdet(x*eye(7))").value([-2]) == pytest.approx(7 * np.log(2))


def test_a_singular_matrix_has_no_value_and_is_no_success():
    source = np.random.default_rng(2)
    X = source.normal(size=(9, 6))
    X[:, 5] = X[:, :5] @ np.arange(1.0, 6.0)
    design = Objective("trace(inv(X.T @ X*w**2))", data={"X": X})
    with pytest.raises(InputError, match="nan"):
        minimize(design, [1])
    # Where it may become singular, a run ends before.
    A = np.diag([1.0, 2, 3, 4, 5])
    end = minimize(Objective("log(det(A - x*eye(5)))", data={"A": A}), [0])
    assert not end.success
    assert end.x[0] < 1


def test_units_make_no_matrix_singular():
    source = np.random.default_rng(4)
    A, units = source.normal(size=(6, 6)), 10.0 ** np.arange(-60, 60, 20)
    scaled = Objective("sum(solve(A, b*x))", data={"A": A * units, "b": np.ones(6)})
    expected = (np.linalg.solve(A, np.ones(6)) / units).sum()
    assert scaled.value([1]) == pytest.approx(expected, rel=1e-9)


def test_bits_are_the_same_each_time_and_for_any_number_of_threads():
    data, point = noted(60), [1.3, 0.25, 0.875]
    ends = [Objective(LIKELIHOOD, data=data, workers=k) for k in (1, 1, 4)]
    slopes = {each.grad(point).tobytes() for each in ends}
    assert len({each.value(point) for each in ends}) == len(slopes) == 1


def test_what_is_printed_is_read_as_the_same():
    likelihood = Objective(LIKELIHOOD, data=noted(8))
    again = Objective(likelihood.text, data=noted(8))
    assert again.expression == likelihood.expression
    assert "logdet(" in likelihood.text
    assert r"\log \det" in likelihood._repr_latex_()
    assert "= factors(m0)" in likelihood.source


def test_an_element_that_a_solution_has_not_is_refused():
    data = {"A": np.eye(6), "b": np.ones(6)}
    rows = "A[i, j] for i in range(n) for j in range(n)"
    right = "(b[i]*x for i in range(n))"
    text = f"sum(solve(({rows}), {right})[k] for k in range(n + 1))"
    with pytest.raises(FormulaError, match="of 6 elements goes from 0 to 6"):
        Objective(text, data=data)


def test_factored_matrices_stay_here(tmp_path):
    with pytest.raises(InputError, match="can't be exported"):
        export(Objective(LIKELIHOOD, data=noted(6)), tmp_path / "f.c")


TIMES = np.linspace(0, 3, 7)
WIDTHS = np.linspace(1, 2, 7)


def with_unpacking(height, noise):
    n = len(TIMES)
    K = height * np.exp(-((TIMES[:, None] - TIMES) ** 2)) + noise * np.eye(n)
    sign, logarithm = np.linalg.slogdet(K)
    return sign * (logarithm + TIMES @ np.linalg.inv(K) @ TIMES) / n


def with_a_diagonal(height, noise):
    K = height * np.outer(TIMES, TIMES) + np.diag(noise * WIDTHS)
    return np.log(np.linalg.det(K)) + np.diag(K).sum()


def sized_by_ones(height, noise):
    return sum(np.ones(len(TIMES)) * height) + noise * sum(np.arange(len(TIMES)))


@pytest.mark.parametrize("function", [with_unpacking, with_a_diagonal, sized_by_ones])
def test_python_functions_have_matrices_of_the_length_of_data(function):
    objective = Objective(function)
    assert objective.value([1.5, 0.5]) == pytest.approx(function(1.5, 0.5), rel=1e-12)
