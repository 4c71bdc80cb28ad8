"""The main job: what minimize and maximize find, and what they say about it."""

import math

import numpy as np
import pytest
import sympy as sp
from numba.core import event

import symgd
from symgd import InputError, Objective, Rule, Status, maximize, minimize
from symgd.native import machine
from tests.problems import PROBLEMS, ROSENBROCK

TUTORIAL_START = -1 + 2 * np.random.RandomState(4).rand()


# ----------------------------------------------------- the figures of the tutorials


def test_gradient_descent_follows_the_tutorial():
    run = {"step_size": 0.1, "maxiter": 30, "trace": True}
    result = minimize("x**2", TUTORIAL_START, method="gd", **run)
    path = result.trace.x[:, 0]
    expected = [0.74724774, 0.59779819, 0.47823856]
    np.testing.assert_allclose(path[1:4], expected, atol=5e-9)
    assert path[30] == pytest.approx(0.00115631, abs=5e-9)
    assert result.trace.fun[1] == pytest.approx(0.55838, abs=5e-6)
    assert len(result.trace) == result.nit + 1 == 31


def test_momentum_follows_the_tutorial():
    run = {"step_size": 0.1, "momentum": 0.3, "maxiter": 30, "trace": True}
    path = minimize("x**2", TUTORIAL_START, method="momentum", **run).trace.x[:, 0]
    expected = [0.74724774, 0.54175461, 0.37175575]
    np.testing.assert_allclose(path[1:4], expected, atol=5e-9)
    assert path[30] == pytest.approx(6.17748881e-07, abs=5e-16)


def test_amsgrad_follows_the_tutorial():
    result = minimize(
        "x**2 + y**2",
        method="amsgrad",
        bounds=[(-1, 1), (-1, 1)],
        rng=np.random.RandomState(1),
        step_size=0.007,
        beta1="0.9**t",
        beta2=0.99,
        eps=1e-8,
        maxiter=100,
        trace=True,
    )
    first = [-0.15895599, 0.43364899]
    np.testing.assert_allclose(result.trace.x[1], first, atol=5e-9)
    assert result.fun == pytest.approx(1.636e-6, rel=5e-4)
    np.testing.assert_allclose(result.trace["beta1"][1:4], [0.9, 0.81, 0.729])
    assert math.isnan(result.trace["beta1"][0])


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_true_gradient_of_the_anisotropic_quadratic(momentum):
    objective = Objective("(4*x**2 + y**2)/2")
    x, y = objective.symbols
    assert objective.gradient == sp.Matrix([4 * x, y])
    run = {"step_size": 0.1, "momentum": momentum, "maxiter": 30, "trace": True}
    path = minimize(objective, [2, 2], method="momentum", **run).trace.x
    np.testing.assert_allclose(path[1], [2 - 0.1 * 8, 2 - 0.1 * 2], rtol=1e-15)
    assert len(path) == 31


def test_a_step_of_one_bounces_forever():
    result = minimize("x**2", 0.75, method="gd", step_size=1.0, maxiter=1001)
    assert result.status == Status.MAXITER
    assert not result.success
    assert result.x[0] == -0.75


def test_a_tiny_step_stays_where_it_is():
    result = minimize("x**2", -0.8733, method="gd", step_size=1e-5, maxiter=30)
    assert result.x[0] == pytest.approx(-0.8731, abs=5e-4)
    assert result.x[0] == pytest.approx(-0.8733 * (1 - 2e-5) ** 30, rel=1e-12)


def test_divergence_is_reported_when_numbers_stop_being_finite():
    result = minimize("x**2", 1.0, method="gd", step_size=1.1, trace=True)
    assert result.status == Status.DIVERGED
    assert not result.success
    assert math.isfinite(result.fun)
    assert result.fun == pytest.approx(1.2 ** (2 * result.nit), rel=1e-9)
    assert result.x[0] ** 2 > 1.7e308 / 1.44  # the next value overflows
    assert f"f is inf in iteration {result.nit + 1}" in result.message
    assert np.isfinite(result.trace.fun).all()


# ------------------------------------------------------------- the default method


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_default_method_finds_a_minimum(name):
    problem = PROBLEMS[name]
    result = minimize(problem.formula, problem.start)
    assert result.objective.value(problem.start) == pytest.approx(problem.at_start)
    gap = min(abs(result.fun - minimum) for minimum in problem.minima)
    assert gap < 1e-8
    assert result.status == Status.CONVERGED
    gradient = result.objective.grad(result.x)
    np.testing.assert_array_equal(result.jac, gradient)
    assert result.grad_norm == np.abs(gradient).max()
    assert (result.grad_norm <= 1e-8) == (name != "maximum of three")  # a kink
    assert f"{result.grad_norm:.8g}" in result.message


def test_bounds_hold_and_the_projected_gradient_decides():
    result = minimize(ROSENBROCK, [-1.2, 1], bounds={"x": (-2, 0.5), "y": (None, 3)})
    assert result.status == Status.CONVERGED
    np.testing.assert_allclose(result.x, [0.5, 0.25], rtol=1e-8)
    assert result.jac[0] < -0.9  # the bound holds it
    assert result.grad_norm <= 1e-8
    np.testing.assert_array_equal(result.bounds, [[-2, 0.5], [-np.inf, 3]])


@pytest.mark.parametrize("method", ["gd", "momentum", "amsgrad"])
def test_rules_are_projected_onto_bounds(method):
    run = {"bounds": [(1, 2), (-5, 5)], "trace": True, "maxiter": 20_000}
    result = minimize("x**2 + (y - 1)**2", [2, 4], method=method, **run)
    assert result.status == Status.CONVERGED
    np.testing.assert_allclose(result.x, [1, 1], atol=1e-8)
    assert result.trace.x[:, 0].min() >= 1


@pytest.mark.parametrize("formula", ["x", "-x**2 + x", "x**3", "y - exp(x)"])
def test_an_unbounded_objective_is_never_a_success(formula):
    result = minimize(formula)
    assert result.status == Status.DIVERGED
    assert not result.success
    assert np.isfinite(result.x).all()
    assert math.isfinite(result.fun)


@pytest.mark.parametrize("minimum", [1e16, 1e100])
def test_a_far_minimum_is_not_taken_for_divergence(minimum):
    result = minimize(f"(x - {minimum})**2", 0.0)
    assert result.status == Status.CONVERGED
    assert result.x[0] == minimum


@pytest.mark.parametrize(("formula", "start"), [("1/x", -1.0), ("1/x + x", 5.0)])
def test_a_pole_is_no_minimum(formula, start):
    result = minimize(formula, start)
    assert not result.success


def test_a_start_at_a_bound_can_leave_it():
    result = minimize("(x - 1)**2 + (y - 2)**2", [0, 3], bounds=[(0, 5), (0, 3)])
    assert result.status == Status.CONVERGED
    np.testing.assert_allclose(result.x, [1, 2], atol=1e-8)
    bounds = [(0, 2), (0, 3)]
    for method in ("gd", "momentum"):
        result = minimize("(x + y - 9)**2", [0, 3], bounds=bounds, method=method)
        np.testing.assert_allclose(result.x, [2, 3])
        assert result.grad_norm == 0


def test_the_trace_of_the_default_method_is_its_path():
    result = minimize(ROSENBROCK, [-1.2, 1], trace=True)
    trace = result.trace
    assert len(trace) == result.nit + 1
    np.testing.assert_array_equal(trace.x[0], [-1.2, 1])
    np.testing.assert_array_equal(trace.x[-1], result.x)
    values, gradients = result.objective.value_and_grad(trace.x)
    np.testing.assert_array_equal(trace.fun, values)
    np.testing.assert_array_equal(trace.grad_norm, np.abs(gradients).max(axis=1))
    assert (np.diff(trace.fun) <= 1e-14).all()


def test_stopping_criteria_of_the_default_method():
    reached = minimize(ROSENBROCK, [-1.2, 1], target=1.0)
    assert reached.status == Status.TARGET_REACHED
    assert reached.fun <= 1.0
    stalled = minimize(ROSENBROCK, [-1.2, 1], patience=3, ftol=5.0)
    assert stalled.status == Status.STALLED
    assert "in 3 iterations" in stalled.message
    assert minimize(ROSENBROCK, [-1.2, 1], maxiter=5).nit == 5


def test_improvement_is_measured_by_ftol():
    run = {"method": "gd", "step_size": 0.01, "patience": 4, "maxiter": 1000}
    result = minimize("x**2", 1.0, ftol=0.01, **run)
    assert result.status == Status.STALLED
    assert minimize("x**2", 1.0, **run).nit > result.nit


def test_a_state_that_overflows_is_divergence():
    result = minimize("1e200*x", 1.0, method="amsgrad", maxiter=10)
    assert result.status == Status.DIVERGED
    assert "v of x is inf in iteration 1" in result.message
    assert result.nit == 0


def test_a_stationary_point_that_is_no_minimum_is_named():
    still = {"method": "gd", "step_size": 0.1}
    assert "no minimum" in repr(minimize("cos(x) + x*y", [0, 0], **still))
    assert "no maximum" in repr(maximize("x**2", 0.0, **still))
    assert repr(minimize("x**2", 1.0)).startswith("minimum")


def test_an_end_in_bounds_is_a_local_one():
    text, bounds = "sin(x) + x/10", [(-9, 9)]
    least, most = minimize(text, 1, bounds=bounds), maximize(text, 1, bounds=bounds)
    assert repr(least).startswith("local minimum: f = ")
    assert "f may be lower elsewhere in the bounds: minimize_many" in repr(least)
    assert repr(most).startswith("local maximum: f = ")
    assert "f may be higher" in repr(most)
    assert (least.kind, most.kind) == ("minimum", "maximum")
    for other in (
        minimize(text, 1),
        minimize(text, 1, bounds=bounds, maxiter=1),
        minimize(text, 1, bounds=bounds, target=0.5),
    ):
        assert "local" not in repr(other)
        assert "minimize_many" not in repr(other)
    one = symgd.minimize_many(text, [[1.0]], bounds=bounds)[0]
    assert repr(one).startswith("local minimum")
    assert "minimize_many" not in repr(one)


def test_a_kink_that_is_a_minimum_is_a_success_and_is_named():
    result = minimize("abs(x) + 1e-3*abs(x - 3)", 0.0)
    assert result.x[0] == 0.0
    assert result.status == Status.CONVERGED
    assert "kink of abs(x)" in result.message


def test_many_variables_do_without_the_hessian():
    terms = (f"(x{i} - {i})**4 + (x{i} - {i})**2" for i in range(60))
    result = minimize(" + ".join(terms), np.zeros(60))
    np.testing.assert_allclose(result.x, np.arange(60), atol=1e-8)


# ----------------------------------------------------------------------- starts


def test_without_a_start_the_origin_is_taken():
    result = minimize(ROSENBROCK)
    assert result.start_source == "the origin"
    np.testing.assert_array_equal(result.start, [0, 0])


@pytest.mark.parametrize("formula", ["x - log(x)", "x**2 + y**2"])
def test_where_the_origin_cannot_be_used_a_seeded_point_is(formula):
    first, second = minimize(formula), minimize(formula)
    assert "random point" in first.start_source
    assert "seed 0" in first.start_source
    np.testing.assert_array_equal(first.start, second.start)
    assert first.success


def test_an_origin_that_can_be_left_is_taken():
    result = minimize("cos(x) + y**2")
    assert result.start_source == "the origin"
    assert result.success
    assert result.fun == pytest.approx(-1)


def test_a_random_start_lies_inside_the_bounds():
    bounds = {"x": (2, 3), "y": (5, None)}
    for seed in range(20):
        start = minimize("x**2 + y**2", bounds=bounds, rng=seed, maxiter=0).start
        assert 2 <= start[0] <= 3
        assert start[1] >= 5
    same = [minimize("x*y", bounds=bounds, rng=7, maxiter=0).start for _ in range(2)]
    np.testing.assert_array_equal(*same)


def test_every_kind_of_generator_is_accepted():
    for rng in (3, np.random.default_rng(3), np.random.RandomState(3), None):
        result = minimize("x**2 + y**2", bounds=[(0, 1)] * 2, rng=rng, maxiter=0)
        assert ((result.start >= 0) & (result.start <= 1)).all()
    given = np.random.default_rng(3)
    from_generator = minimize("x**2 + y**2", bounds=[(0, 1)] * 2, rng=given, maxiter=0)
    from_seed = minimize("x**2 + y**2", bounds=[(0, 1)] * 2, rng=3, maxiter=0)
    np.testing.assert_array_equal(from_generator.start, from_seed.start)


def test_starts_by_position_by_name_and_by_symbol():
    x, y = sp.symbols("x y")
    for start in ([-1.2, 1], {"y": 1, "x": -1.2}, {x: -1.2, y: 1}, np.array([-1.2, 1])):
        np.testing.assert_array_equal(minimize(ROSENBROCK, start).start, [-1.2, 1])
    assert minimize("x**2", 3).start.tolist() == [3.0]


def test_what_the_user_gave_is_not_modified():
    start, bounds = np.array([-1.2, 1.0]), {"x": (-2.0, 2.0)}
    minimize(ROSENBROCK, start, bounds=bounds, method="gd", step_size=1e-3)
    assert start.tolist() == [-1.2, 1.0]
    assert bounds == {"x": (-2.0, 2.0)}


# --------------------------------------------------------------------- stopping


def test_every_status_is_reached():
    def deadline(**options):
        return minimize("x**2", 1.0, method="gd", step_size=1e-12, **options)

    wait = {"patience": 5, "ftol": 1e-3}
    still = minimize("x**4 - x**2", 0.0, method="gd", step_size=0.1)
    runs = {
        Status.CONVERGED: minimize("x**2", 1.0),
        Status.TARGET_REACHED: minimize("x**2", 1.0, method="gd", target=0.5),
        Status.STALLED: minimize("x**2", 1.0, method="gd", step_size=0.4, **wait),
        Status.MAXITER: minimize("x**2", 1.0, method="gd", maxiter=3),
        Status.DIVERGED: minimize("x**2", 1.0, method="gd", step_size=3.0),
        Status.TIME_LIMIT: deadline(maxiter=10**12, time_limit=0.05),
        Status.ABNORMAL: minimize("x**2", 1.0, method="gd", step_size=1.0, **wait),
        Status.STATIONARY: still,
    }
    for status, result in runs.items():
        assert result.status == status, result
        assert result.success == status.success
    assert "target 0.5" in runs[Status.TARGET_REACHED].message
    assert "in 5 iterations" in runs[Status.STALLED].message


def test_slices_do_not_change_a_run(monkeypatch):
    run = {"method": "amsgrad", "maxiter": 3000, "trace": 7}
    whole = minimize(ROSENBROCK, [-1.2, 1], **run)
    monkeypatch.setattr("symgd.descent.driving.SLICE_SECONDS", 1e-9)
    monkeypatch.setattr("symgd.native.records.TRACE_ROWS", 3)
    sliced = minimize(ROSENBROCK, [-1.2, 1], **run)
    np.testing.assert_array_equal(whole.x, sliced.x)
    for name in whole.trace.names:
        np.testing.assert_array_equal(whole.trace[name], sliced.trace[name])
    assert whole.trace.t.tolist() == list(range(0, 3001, 7))


def test_slices_do_not_change_the_default_method(monkeypatch):
    whole = minimize(ROSENBROCK, [-1.2, 1], trace=True)
    monkeypatch.setattr("symgd.descent.driving.SLICE_SECONDS", 1e-9)
    sliced = minimize(ROSENBROCK, [-1.2, 1], trace=True)
    np.testing.assert_array_equal(whole.trace.x, sliced.trace.x)
    assert whole.nfev == sliced.nfev


def test_no_iterations_at_all():
    for method in ("auto", "gd"):
        result = minimize("x**2", 2.0, method=method, maxiter=0, trace=True)
        assert (result.nit, result.nfev, result.fun) == (0, 1, 4.0)
        assert result.status == Status.MAXITER
        assert len(result.trace) == 1


def test_progress_goes_to_standard_error(capsys):
    minimize("x**2", 1.0, method="gd", progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "iterations" in captured.err


# -------------------------------------------------------------------- maximise


def test_maximize_climbs_and_reports_the_objective_itself():
    run = {"method": "gd", "step_size": 0.1, "maxiter": 5, "trace": True}
    up = maximize("3 - (x - 2)**2", 0.0, **run)
    down = minimize("(x - 2)**2 - 3", 0.0, **run)
    np.testing.assert_array_equal(up.x, down.x)
    np.testing.assert_allclose(up.trace.fun, -down.trace.fun)
    assert up.fun == pytest.approx(3 - (up.x[0] - 2) ** 2)
    assert up.jac[0] == pytest.approx(-2 * (up.x[0] - 2))
    assert up.objective.expression == Objective("3 - (x - 2)**2").expression


def test_maximize_by_default_and_up_to_a_target():
    best = maximize("x*y*exp(-x**2 - y**2)", [0.5, 0.5])
    assert best.fun == pytest.approx(math.exp(-1) / 2, rel=1e-12)
    assert "maximum" in repr(best)
    reached = maximize("3 - x**2", 2.0, method="gd", step_size=0.1, target=2.5)
    assert reached.status == Status.TARGET_REACHED
    assert 2.5 <= reached.fun < 3
    unbounded = maximize("exp(x)", 0.0)
    assert unbounded.status == Status.DIVERGED
    assert "rises" in unbounded.message


# ---------------------------------------------------------- nothing is recompiled


def test_new_numbers_cause_no_compilation(monkeypatch):
    objective = Objective(
        "a*(1 - x)**2 + b*(y - x**2)**2", parameters={"a": 1, "b": 10}
    )

    def run(a, start, step_size, bounds, **options):
        changed = objective.with_parameters(a=a)
        minimize(changed, start)
        minimize("(1 - x)**2 + 3*y**2", start, method="amsgrad", step_size=step_size)
        minimize(changed, start, method="momentum", bounds=bounds, **options)
        new = Objective(objective.expression, parameters={"a": a, "b": 20})
        return minimize(new, start, method="gd", step_size="0.001/t", trace=3)

    run(1, [-1.2, 1], 0.01, [(-3, 3)] * 2, momentum=0.5)
    monkeypatch.setattr(machine, "optimised", lambda *_, **__: pytest.fail("written"))
    with event.install_recorder("numba:compile") as recorder:
        run(2, {"x": 0.5, "y": 0.25}, 0.02, {"x": (-1, 5)}, momentum=0.7, maxiter=77)
        objective.value([1, 2])
        objective.value([1, 2], a=5)
    assert recorder.buffer == []


# --------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x0": [1, 2, 3]}, "x0 has shape"),
        ({"x0": 1.0}, "x0 has shape"),
        ({"x0": {"x": 1}}, "no value for y"),
        ({"x0": {"x": 1, "y": 2, "z": 3}}, "unknown variable in x0 'z'"),
        ({"x0": [1, math.nan]}, "not finite: y"),
        ({"x0": ["a", "b"]}, "must be numbers"),
        ({"bounds": {"z": (0, 1)}}, "unknown variable in bounds 'z'"),
        ({"bounds": [(0, 1)]}, "bounds has 1 pairs; expected 2"),
        ({"bounds": [(0, 1), (2, 1)]}, "lower bound of y is above"),
        ({"bounds": [(0, 1), 5]}, "must be a pair"),
        ({"bounds": [(0, 1), (math.nan, 1)]}, "not numbers"),
        ({"method": "grad"}, "unknown method 'grad'.*gd, momentum, nesterov"),
        ({"method": "L-BFGS-B"}, "leave method out for the default"),
        ({"x": 1, "y": 2}, "unknown argument 'x': a start is given as x0={'x': "),
        ({"method": "gd", "stepsize": 1}, "did you mean 'step_size'"),
        ({"method": "gd", "momentum": 1}, "accepted: step_size"),
        ({"step_size": 1}, "method 'auto' has no hyperparameters"),
        ({"maxiter": -1}, "maxiter must be a whole number"),
        ({"maxiter": 1.5}, "maxiter must be a whole number"),
        ({"gtol": -1}, "gtol must be a number"),
        ({"gtol": "small"}, "gtol must be a number"),
        ({"ftol": math.nan}, "ftol must be a number"),
        ({"patience": True}, "patience must be"),
        ({"target": "low"}, "target must be"),
        ({"time_limit": -1}, "time_limit must be"),
        ({"rng": "seed"}, "rng must be"),
        ({"rng": -3}, "a seed must be"),
        ({"trace": -1}, "trace must be"),
        ({"method": "gd", "step_size": "0.1/q"}, "unknown name 'q'; known: t"),
        ({"method": "gd", "step_size": math.inf}, "not a finite real number"),
    ],
)
def test_bad_arguments_have_clear_errors(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        minimize(ROSENBROCK, **({"bounds": [(-9, 9)] * 2} | arguments))
    assert isinstance(caught.value, symgd.SymgdError)


@pytest.mark.parametrize("method", ["auto", "gd"])
@pytest.mark.parametrize(
    ("formula", "start", "what"),
    [
        ("log(x)", -1.0, "f is nan"),
        ("1/x", 0.0, "f is inf"),
        ("sqrt(x)", 0.0, "the gradient of x is inf"),
    ],
)
def test_a_start_where_the_objective_is_not_finite(method, formula, start, what):
    with pytest.raises(InputError, match=rf"at x = {start}, {what}"):
        minimize(formula, start, method=method)


def test_no_start_can_be_found():
    with pytest.raises(InputError, match="no start was found"):
        minimize("log(-1 - x**2)")


def test_a_users_rule_with_an_initial_state():
    rule = Rule(
        "averaged",
        """
        y = y - step_size*g
        x = (1 - c)*x + c*y
        """,
        initial={"y": "x + c"},
        step_size=0.1,
        c=0.5,
    )
    run = {"method": rule, "maxiter": 2, "trace": True}
    trace = minimize("x**2/2", 1.0, **run).trace
    assert trace["y"][:, 0].tolist() == pytest.approx([1.5, 1.4, 1.28])
    assert trace.x[:, 0].tolist() == pytest.approx([1.0, 1.2, 1.24])
