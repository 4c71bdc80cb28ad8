"""The objective: names, derivatives, and its native functions."""

import copy
import math
import pickle
import warnings

import numba
import numpy as np
import pytest
import sympy as sp

from symgd import FormulaError, InputError, Objective, minimize
from symgd.language.formula import read, symbol
from tests.problems import ROSENBROCK

x, y = symbol("x"), symbol("y")


@pytest.fixture(scope="module")
def rosenbrock():
    return Objective(ROSENBROCK)


def test_variables_come_in_natural_order_unless_given():
    assert Objective("x10 + x2 + x1").variables == ("x1", "x2", "x10")
    assert Objective("x + y", ["y", "x"]).variables == ("y", "x")
    assert Objective("x + y", sp.symbols("y x")).variables == ("y", "x")
    assert Objective("x + y", "y x").variables == ("y", "x")
    assert Objective("a*x", parameters={"a": 1}).variables == ("x",)
    assert Objective("x**2", ["x", "y"]).grad([3, 4]).tolist() == [6, 0]


def test_text_expressions_and_objectives_are_alike(rosenbrock):
    a, b = sp.symbols("x y")
    expression = (1 - a) ** 2 + 100 * (b - a**2) ** 2
    for same in (Objective(expression), Objective(rosenbrock)):
        assert same.expression == rosenbrock.expression
        assert same.variables == rosenbrock.variables


def test_symbolic_derivatives(rosenbrock):
    gradient = [-400 * x * (y - x**2) + 2 * x - 2, 200 * y - 200 * x**2]
    hessian = [[1200 * x**2 - 400 * y + 2, -400 * x], [-400 * x, 200]]
    assert (
        (sp.Matrix(rosenbrock.gradient) - sp.Matrix(gradient)).expand().is_zero_matrix
    )
    assert (sp.Matrix(rosenbrock.hessian) - sp.Matrix(hessian)).expand().is_zero_matrix


@pytest.mark.parametrize(
    "formula",
    [
        "exp(sin(x))*y**3 + x*y",
        "gamma(2 + x**2)*erf(y) + sigmoid(x*y)**2",
        "abs(x - 3)*max(x, y**2) + softplus(x)*cbrt(y)",
        "x**y + log1p(x**2)*expm1(y) + hypot(x, y)",
        "(x*y if x > y else x - y)*atan2(x, y)",
        "loggamma(x)*digamma(y) + erfc(x)",
        "tan(x/3)/sec(y) + asin(x/9)*acosh(1 + x*y) + tanh(x)*cot(y)",
    ],
)
def test_derivatives_agree_with_differences_in_high_precision(formula):
    objective = Objective(formula)
    point = np.array([0.7, 1.3])
    value, gradient = objective.value_and_grad(point)
    hessian = objective.hess(point)

    def exact(expression, shift=(0, 0)):
        values = [sp.Float(p, 60) + s for p, s in zip(point, shift, strict=True)]
        return expression.evalf(60, subs=dict(zip((x, y), values, strict=True)))

    h = sp.Float("1e-20", 60)
    assert value == pytest.approx(float(exact(objective.expression)), rel=1e-14)
    for k, shift in enumerate(((h, 0), (0, h))):
        back = tuple(-s for s in shift)
        slope = exact(objective.expression, shift) - exact(objective.expression, back)
        assert gradient[k] == pytest.approx(float(slope / (2 * h)), rel=1e-12)
        for i, entry in enumerate(objective.gradient):
            slope = exact(entry, shift) - exact(entry, back)
            assert hessian[i, k] == pytest.approx(float(slope / (2 * h)), rel=1e-11)


def test_native_functions_take_what_python_users_have(rosenbrock):
    assert rosenbrock.value([-1.2, 1]) == pytest.approx(24.2, rel=1e-15)
    for point in (
        (-1, 1),
        [-1, 1],
        np.array([-1, 1]),
        {"y": 1, "x": -1},
        {x: -1, y: 1},
    ):
        assert rosenbrock.value(point) == 4.0
    assert isinstance(rosenbrock.value([0, 0]), float)
    value, gradient = rosenbrock.value_and_grad([-1, 1])
    assert (value, gradient.tolist()) == (4.0, [-4.0, 0.0])
    assert rosenbrock.hess([-1, 1]).tolist() == [[802, 400], [400, 200]]
    assert Objective("x**2").value(3) == 9.0


def test_native_functions_take_arrays_of_points(rosenbrock):
    points = np.random.default_rng(0).normal(size=(4, 5, 2))
    assert rosenbrock.value(points).shape == (4, 5)
    assert rosenbrock.grad(points).shape == (4, 5, 2)
    assert rosenbrock.hess(points).shape == (4, 5, 2, 2)
    values, gradients = rosenbrock.value_and_grad(points)
    assert values[2, 3] == rosenbrock.value(points[2, 3])
    assert gradients[2, 3].tolist() == rosenbrock.grad(points[2, 3]).tolist()
    assert rosenbrock.value(np.empty((0, 2))).shape == (0,)


@pytest.mark.parametrize(
    "bad", [[1], [1, 2, 3], 5.0, {"x": 1}, {"x": 1, "y": 2, "z": 3}]
)
def test_a_wrong_point_is_refused(rosenbrock, bad):
    with pytest.raises(InputError):
        rosenbrock.value(bad)


def test_native_functions_work_inside_jitted_functions(rosenbrock):
    value, grad = rosenbrock.value, rosenbrock.grad
    both, hess = rosenbrock.value_and_grad, rosenbrock.hess

    @numba.njit
    def inside(point):
        f, g = both(point)
        return value(point), grad(point), f, g, hess(point)

    point = np.array([-1.0, 1.0])
    f, g, f2, g2, h = inside(point)
    assert f == f2 == rosenbrock.value(point)
    assert g.tolist() == g2.tolist() == rosenbrock.grad(point).tolist()
    assert h.tolist() == rosenbrock.hess(point).tolist()


def test_parameters_inside_jitted_functions():
    value = Objective("a*x**2 + b", parameters={"a": 2, "b": 1}).value

    @numba.njit
    def inside(point, parameters):
        return value(point, parameters)

    assert inside(np.array([3.0]), np.array([10.0, 5.0])) == 95.0


def test_parameters():
    objective = Objective("a*x**2 + b", parameters={"a": 2, "b": "pi/2"})
    assert objective.value([1]) == 2 + math.pi / 2
    assert objective.value([1], a=5, b=0) == 5
    assert objective.with_parameters(b=0).value([3]) == 18
    assert objective.parameters == {"a": 2.0, "b": math.pi / 2}
    with pytest.raises(InputError, match="unknown parameter 'c'"):
        objective.with_parameters(c=1)
    with pytest.raises(TypeError):
        objective.parameters["a"] = 3


@pytest.mark.parametrize(
    ("formula", "options", "message"),
    [
        ("3", {}, "no variable"),
        ("x - x", {}, "x cancels: f is the constant 0"),
        ("a**2", {"parameters": {"a": 1}}, "no variable"),
        ("x + y", {"variables": ["x"]}, "unknown name 'y'; known: x"),
        ("x", {"variables": ["x", "x"]}, "'x' stands twice"),
        ("x", {"variables": ["x"], "parameters": {"x": 1}}, "both a variable"),
        ("a*x", {"parameters": {"a": math.nan}}, "a finite number"),
        ("a*x", {"parameters": {"a": "b"}}, "unknown name 'b'"),
    ],
)
def test_bad_objectives(formula, options, message):
    with pytest.raises(ValueError, match=message):
        Objective(formula, **options)


@pytest.mark.parametrize(
    ("formula", "inner"),
    [("floor(x)*y", "floor(x)"), ("Mod(x, 2) + y", "Mod(x, 2)"), ("ceil(x*y)", "x*y")],
)
def test_a_derivative_left_unevaluated_is_refused_by_name(formula, inner):
    with pytest.raises(FormulaError, match="has no derivative") as caught:
        _ = Objective(formula).gradient
    assert inner in str(caught.value)


def test_a_complex_derivative_is_refused():
    with pytest.raises(FormulaError, match="not real"):
        _ = Objective("(-2)**x").gradient


@pytest.mark.parametrize(
    ("formula", "point", "slope"),
    [
        ("abs(log(x))", 1.0, 0.0),
        ("abs(log(x))", 0.5, -2.0),
        ("abs(sqrt(x) - 1)**3", 4.0, 0.75),
        ("abs(x*log(x))", 1.0, 0.0),
        ("abs(x**x - 1)", 2.0, 4 * (math.log(2) + 1)),
        ("sign(log(x))*x**2", 3.0, 6.0),
    ],
)
def test_absolute_values_of_what_sympy_takes_for_complex(formula, point, slope):
    objective = Objective(formula)
    assert objective.grad([point])[0] == pytest.approx(slope)
    assert np.isfinite(objective.hess([point])).all()
    assert "im(" not in str(objective.gradient)


def test_jumps_of_what_is_no_variable_are_fine():
    assert Objective("floor(a)*x**2", parameters={"a": 2.5}).grad([3]) == [12]


@pytest.mark.parametrize(
    ("n", "slope", "bend"), [(1.5, 0, np.inf), (2, 0, 2), (3, 0, 0), (4.5, 0, 0)]
)
def test_a_power_of_0_has_a_slope_whatever_its_exponent(n, slope, bend):
    power = Objective("x**n", parameters={"n": n})
    assert power.grad([0.0]).tolist() == [slope]
    assert power.hess([0.0]).tolist() == [[bend]]
    by_exponent = Objective("sum(t[i]**x for i in range(3))", data={"t": [0, 1, 2]})
    assert by_exponent.grad([n])[0] == pytest.approx(2**n * np.log(2), rel=1e-15)


def test_subgradients_at_kinks():
    assert Objective("abs(x)").grad([0]) == [0]
    assert Objective("sign(x)*x").grad([2]) == [1]
    assert Objective("Heaviside(x)*x**2").grad([2]) == [4]
    assert Objective("abs(x)").hess([0]) == [[0]]


def test_the_hessian_of_fifty_variables_is_sparse_and_right():
    terms = (f"100*(x{i + 1} - x{i}**2)**2 + (1 - x{i})**2" for i in range(49))
    objective = Objective("+".join(terms))
    hessian = objective.hess(np.full(50, 0.5))
    assert np.count_nonzero(hessian) == 50 + 2 * 49
    np.testing.assert_array_equal(hessian, hessian.T)
    assert hessian[3, 3] == pytest.approx(1200 * 0.25 - 400 * 0.5 + 202)


def test_display(rosenbrock):
    assert repr(rosenbrock).startswith("Objective('(1 - x)**2 + 100*(-x**2 + y)**2'")
    assert r"\nabla f" in rosenbrock._repr_latex_()
    assert "a=3.0" in repr(Objective("a*x", parameters={"a": 3}))
    assert read(str(rosenbrock.expression)) == rosenbrock.expression


def test_objectives_are_values_and_can_be_sent_elsewhere():
    objective = Objective("a*x**2 + y", parameters={"a": 3})
    assert objective == Objective("y + a*x**2", parameters={"a": 3})
    assert objective != objective.with_parameters(a=2)
    assert objective != Objective("a*x**2 + y", ["y", "x"], parameters={"a": 3})
    objective.value([1, 2])
    again = pickle.loads(pickle.dumps(objective))
    assert again == objective
    assert hash(again) == hash(objective)
    assert again.value([1, 2]) == 5
    result = minimize("x**2 + y**2", [1, 2], method="momentum", maxiter=5, trace=True)
    sent = pickle.loads(pickle.dumps(result))
    assert sent.x.tobytes() == result.x.tobytes()
    assert sent.objective == result.objective
    assert sent.trace["change"].tolist() == result.trace["change"].tolist()


def test_the_same_formula_is_compiled_once():
    first = Objective("sin(x)**2 + 7*x")
    assert Objective("sin(x)**2 + 7*x").native is first.native
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert first.value([0]) == 0


def test_the_largest_of_several_is_found_whatever_their_rounding():
    objective = Objective("max(1.65*y, x/3, 0.7*z + 0.1)", ["x", "y", "z"])
    rng = np.random.default_rng(0)
    for x, y, z in rng.uniform(-3, 3, (300, 3)):
        which = int(np.argmax([x / 3, 1.65 * y, 0.7 * z + 0.1]))
        expected = np.zeros(3)
        expected[which] = (1 / 3, 1.65, 0.7)[which]
        np.testing.assert_array_equal(objective.grad([x, y, z]), expected)


def test_a_branch_that_is_not_taken_has_no_part_in_the_gradient():
    objective = Objective("x**(y if y > 0 else 2) + y**2", ["x", "y"])
    assert objective.grad([-3, -1]).tolist() == [-6, -2]


def test_for_a_long_formula_no_hessian_is_compiled_unasked():
    short, long = (
        Objective(" + ".join(f"(x - {k})**2*cosh(y/{k})" for k in range(1, count)))
        for count in (20, 300)
    )
    for objective, quick in ((short, True), (long, False)):
        assert objective.has_quick_hessian == quick
        assert minimize(objective, [0.5, 0.5]).success
        assert (("hessian",) in objective._kernels.made) == quick
    assert long.hess([0.0, 0.0]).shape == (2, 2)


@pytest.mark.parametrize("order", [1, -1])
def test_bounds_of_an_element_count_before_those_of_its_array(order):
    f = Objective("sum((y[i] - 5)**2 for i in range(n))", sizes={"n": 3})
    pairs = [("y[0]", (0, 1)), ("y", (0, None))][::order]
    assert minimize(f, [1, 1, 1], bounds=dict(pairs)).x == pytest.approx([1, 5, 5])


def test_a_point_is_one_argument_and_a_start_one_point():
    objective = Objective("x**2 + y**2")
    with pytest.raises(InputError, match=r"write value\(\[1, 2\]\)"):
        objective.value(1, 2)
    with pytest.raises(InputError, match=r"not a list of points: write \[1, 2\]"):
        minimize(objective, [[1, 2], [3, 4]])


@pytest.mark.parametrize("shape", [(0, 2), (3, 0, 2), (3, 2)])
def test_of_any_number_of_points_there_are_as_many_values(rosenbrock, shape):
    points, many = np.zeros(shape), shape[:-1]
    assert rosenbrock.value(points).shape == many
    assert rosenbrock.grad(points).shape == shape
    assert rosenbrock.hess(points).shape == (*many, 2, 2)
    values, slopes = rosenbrock.value_and_grad(points)
    assert (values.shape, slopes.shape) == (many, shape)


@pytest.mark.parametrize("kind", ["value", "grad", "value_and_grad", "hess"])
def test_native_functions_go_to_other_processes_after_a_call(rosenbrock, kind):
    function, point = getattr(rosenbrock, kind), np.array([0.5, -1.0])
    here = function(point)
    for other in (pickle.loads(pickle.dumps(function)), copy.deepcopy(function)):
        np.testing.assert_equal(other(point), here)
