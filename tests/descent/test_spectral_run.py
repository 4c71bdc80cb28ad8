"""Gradient descent with automatic steps: against its description, and what it finds."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symgd import (
    InputError,
    Objective,
    Rule,
    Status,
    maximize,
    minimize,
    minimize_many,
    sweep,
)
from symgd.testing import convex_quadratics
from symgd.testing.drawn_objectives import points
from tests.problems import PROBLEMS, ROSENBROCK

AUTO = {"method": "gd", "step_size": "auto"}
VALLEY = Objective("a*(1 - x)**2 + b*(y - x**2)**2", parameters={"a": 1, "b": 100})
BOX = [(-2, 0.5), (None, 3)]


# -------------------------------------------------------------- what it computes


def unheld(x, g, low, high):
    """Return the gradient without what bounds hold."""
    return np.where(((x <= low) & (g > 0)) | ((x >= high) & (g < 0)), 0.0, g)


def described(objective, start, bounds, steps):
    """Follow the papers: iterates, and the steps taken."""
    low, high = np.array(bounds).T if bounds else (-np.inf, np.inf)
    x = np.array(start, dtype=float)
    f, g = objective.value_and_grad(x)
    history, path, taken = [f], [x], [math.nan]
    alpha = 1 / np.abs(unheld(x, g, low, high)).max()
    for k in range(1, steps + 1):
        d = np.clip(x - alpha * g, low, high) - x
        part = 1.0
        while True:
            new = np.clip(x + part * d, low, high)
            new_f, new_g = objective.value_and_grad(new)
            if not (np.isfinite(new_f) and np.isfinite(new_g).all()):
                part *= 0.1
            elif new_f <= max(history[-10:]) + 1e-4 * part * g @ d:
                break
            else:
                vertex = -(part**2) * (g @ d) / (2 * (new_f - f - part * (g @ d)))
                part = np.clip(vertex, 0.1 * part, 0.9 * part)
        s, y = new - x, new_g - g
        held = (s == 0) & ((x <= low) | (x >= high))
        taken.append(part * alpha)
        x, f, g = new, new_f, new_g
        history.append(f)
        path.append(x)
        if s @ y > 0:
            short = (s @ y) / (y[~held] @ y[~held])
            alpha = (s @ s) / (s @ y) if (k + 1) % 2 else short
        else:
            reach = np.abs(unheld(x, g, low, high)).max()
            alpha = max(1.0, np.abs(x).max()) / reach
    return np.array(path), np.array(taken)


@pytest.mark.parametrize(
    ("formula", "start", "bounds", "steps"),
    [
        (ROSENBROCK, [-1.2, 1], None, 20),
        (ROSENBROCK, [-1.2, 1], [(-2, 0.5), (-9, 3)], 15),
        (ROSENBROCK, [-2.5, 2], None, 22),  # needs exactly the last ten values
        (PROBLEMS["beale (5)"].formula, [0.3, 2.6], None, 16),  # likewise
        (PROBLEMS["wood (14)"].formula, [-3, -1, -3, -1], None, 15),
        (PROBLEMS["wood (14)"].formula, [-3, -1, -3, -1], [(-4, 0.5)] * 4, 9),
        ("sin(x)*cos(y) + 0.05*(x**2 + y**2)", [1.4, 0.1], None, 7),  # s.y < 0
        ("x + 2*y - 0.01*(log(x) + log(y) + log(1 - x - y))", [0.3, 0.3], None, 20),
    ],
)
def test_it_follows_its_description(formula, start, bounds, steps):
    result = minimize(
        formula, start, bounds=bounds, maxiter=steps, trace=True, gtol=0, **AUTO
    )
    assert result.nit == steps
    path, taken = described(result.objective, start, bounds, steps)
    np.testing.assert_allclose(result.trace.x, path, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(result.trace["step_size"], taken, rtol=1e-9)


PARABOLA = Objective("a*(x - b)**2", parameters={"a": 1, "b": 0})


@given(st.floats(1e-3, 1e3), st.floats(-10, 10), st.floats(-10, 10))
def test_a_parabola_takes_two_steps(a, b, start):
    result = minimize(PARABOLA.with_parameters(a=a, b=b), start, **AUTO)
    assert result.status == Status.CONVERGED
    assert result.nit <= 3  # a third, if rounding left something
    assert result.x[0] == pytest.approx(b, abs=1e-5)


def test_steps_on_a_parabola_in_closed_form():
    result = minimize("3*(x - 2)**2", 5.0, trace=True, **AUTO)
    np.testing.assert_array_equal(result.trace.x[:, 0], [5, 4, 2])
    # The first moves x by 1, the second is 1/f''.
    np.testing.assert_allclose(result.trace["step_size"], [math.nan, 1 / 18, 1 / 6])


@given(points(2, 3.0), st.floats(1, 1e4), st.booleans())
def test_the_value_never_exceeds_the_highest_of_the_last_ten(start, b, bounded):
    bounds = BOX if bounded else None
    start = np.minimum(start, 0.5) if bounded else start
    start = np.maximum(start, -2) if bounded else start
    objective = VALLEY.with_parameters(b=b)
    result = minimize(objective, start, bounds=bounds, maxiter=200, trace=True, **AUTO)
    f = result.trace.fun
    for t in range(1, len(f)):
        assert f[t] <= f[max(0, t - 10) : t].max()


def test_it_is_not_monotone():
    result = minimize(ROSENBROCK, [-1.2, 1], trace=True, **AUTO)
    assert (np.diff(result.trace.fun) > 0).any()


@given(st.tuples(*[st.integers(-200, 200)] * 2), st.integers(-300, 300))
def test_the_scale_of_the_objective_changes_nothing(place, exponent):
    start = np.array(place) / 64
    scale = 2.0**exponent
    scaled = VALLEY.with_parameters(a=scale, b=100 * scale)
    runs = [
        minimize(f, start, gtol=0, maxiter=60, trace=True, **AUTO)
        for f in (VALLEY, scaled)
    ]
    np.testing.assert_array_equal(runs[0].trace.x, runs[1].trace.x)
    steps = runs[0].trace["step_size"], scale * runs[1].trace["step_size"]
    np.testing.assert_array_equal(*steps)


# ------------------------------------------------------------------ what it finds


@pytest.mark.parametrize(
    "name", [name for name in PROBLEMS if name != "maximum of three"]
)
def test_it_finds_a_minimum(name):
    problem = PROBLEMS[name]
    result = minimize(problem.formula, problem.start, **AUTO)
    assert min(abs(result.fun - minimum) for minimum in problem.minima) < 1e-6
    noisy = name in ("powell badly scaled (3)", "brown badly scaled (4)")
    assert noisy or result.status == Status.CONVERGED
    np.testing.assert_array_equal(result.jac, result.objective.grad(result.x))
    assert result.grad_norm == np.abs(result.jac).max()


def test_it_needs_few_evaluations():
    # Fixed steps need thousands or diverge: see the tables in the documentation.
    counts = []
    for name in ("rosenbrock (1)", "beale (5)", "booth", "himmelblau", "wood (14)"):
        problem = PROBLEMS[name]
        counts.append(minimize(problem.formula, problem.start, **AUTO).nfev)
    assert max(counts) < 200
    assert np.median(counts) < 50


FORM = Objective(
    "(a*x**2 + b*y**2 + c*z**2)/2 + d*x*y + e*x*z + h*y*z - x + 2*y - z/2",
    parameters=dict.fromkeys("abcdeh", 1.0),
)


@given(convex_quadratics(3, condition=1e6))
def test_inside_a_box_it_ends_where_the_conditions_hold(quadratic):
    matrix = quadratic.matrix / np.abs(quadratic.matrix).max()
    a, d, e, _, b, h, _, _, c = matrix.ravel()
    objective = FORM.with_parameters(a=a, b=b, c=c, d=d, e=e, h=h)
    bounds = {"x": (-1, 0.5), "y": (None, 3), "z": (0.25, 0.5)}
    start = [0.25, 1, 0.25]
    run = {"bounds": bounds, "maxiter": 100_000, "trace": True}
    result = minimize(objective, start, **run, **AUTO)
    low, high = np.array(result.bounds).T
    assert (result.trace.x >= low).all()
    assert (result.trace.x <= high).all()
    assert result.success
    x, g = result.x, result.objective.grad(result.x)
    inside = (x > low) & (x < high)
    small = 1e-8 if result.status == Status.CONVERGED else 1e-5
    assert (np.abs(g[inside]) <= small).all()
    assert (g[x == low] >= -small).all()
    assert (g[x == high] <= small).all()
    exact = minimize(objective, start, bounds=bounds)
    assert result.fun == pytest.approx(exact.fun, abs=1e-7)


def test_a_bound_that_holds_is_reached_exactly():
    result = minimize(ROSENBROCK, [-1.2, 1], bounds=BOX, **AUTO)
    assert result.status == Status.CONVERGED
    assert result.x[0] == 0.5
    assert result.x[1] == pytest.approx(0.25, rel=1e-8)
    assert result.jac[0] < -0.9
    np.testing.assert_array_equal(result.bounds, [[-2, 0.5], [-np.inf, 3]])


DOWNHILL = Objective("c*x", parameters={"c": 1})


@given(st.floats(-1, 1), st.floats(1e-3, 1e6), st.floats(1e-6, 1e6))
def test_any_bound_is_reached_exactly(low, beyond, c):
    run = {"bounds": [(low, None)], "gtol": 0.0, **AUTO}
    result = minimize(DOWNHILL.with_parameters(c=c), low + beyond, **run)
    assert result.status == Status.CONVERGED
    assert result.x[0] == low


def test_a_start_at_a_bound_can_leave_it():
    for bounds in ([(0, 5), (0, 3)], [(None, None), (0, 3)]):
        result = minimize("(x - 1)**2 + (y - 2)**2", [0, 3], bounds=bounds, **AUTO)
        np.testing.assert_allclose(result.x, [1, 2], atol=1e-8)


def test_the_gradient_may_shrink_where_values_are_flat_to_rounding():
    squares = (f"{k**2}*(x{k} - x{k - 1} - 1)**2" for k in range(1, 9))
    result = minimize("1e8 + x0**2 + " + " + ".join(squares), np.zeros(9), **AUTO)
    assert result.status == Status.CONVERGED
    np.testing.assert_allclose(result.x, np.arange(9), atol=1e-6)


def test_maximize_climbs():
    best = maximize("x*y*exp(-x**2 - y**2)", [0.5, 0.4], trace=True, **AUTO)
    assert best.fun == pytest.approx(math.exp(-1) / 2, rel=1e-12)
    assert best.status == Status.CONVERGED
    down = minimize("-x*y*exp(-x**2 - y**2)", [0.5, 0.4], trace=True, **AUTO)
    np.testing.assert_array_equal(best.trace.x, down.trace.x)
    np.testing.assert_array_equal(best.trace.fun, -down.trace.fun)


def test_points_where_the_objective_is_not_finite_are_not_taken():
    # Both the first step and many others lead out of the domain.
    result = minimize("100*x - log(x) + y**2 - x*log(2 - y)", [5, 1], **AUTO)
    assert result.status == Status.CONVERGED
    overflow = minimize("exp(x**2) + exp(-30*x)", 0.0, **AUTO)
    assert overflow.status == Status.CONVERGED
    gradient = minimize("sqrt(x)*(x - 2)**2", 3.0, bounds=[(0, 9)], **AUTO)
    assert gradient.x[0] == pytest.approx(2, abs=1e-8)


# ------------------------------------------------------------------- how it ends


FLAT = "1 + (x - y/3 - 1/7)**2 + 3*(y - z/7 - 1/3)**2 + 7*(z - 1/11)**2"


@pytest.mark.parametrize(
    ("formula", "start", "options", "status"),
    [
        (ROSENBROCK, [-1.2, 1], {}, Status.CONVERGED),
        (ROSENBROCK, [-1.2, 1], {"target": 1.0}, Status.TARGET_REACHED),
        (ROSENBROCK, [-1.2, 1], {"patience": 3, "ftol": 5.0}, Status.STALLED),
        (ROSENBROCK, [-1.2, 1], {"maxiter": 5}, Status.MAXITER),
        (ROSENBROCK, [-1.2, 1], {"maxiter": 0}, Status.MAXITER),
        (ROSENBROCK, [-1.2, 1], {"time_limit": 0}, Status.TIME_LIMIT),
        ("(x - 1/3)**2 + 5", 0.0, {"gtol": 0.0}, Status.CONVERGED),
        (FLAT, [1, 2, 3], {"gtol": 0.0}, Status.CONVERGED),
        ("abs(x) + 1e-3*abs(x - 3)", 0.5, {}, Status.CONVERGED),
        ("max(x**2 + y**2, (x - 2)**2 + y**2)", [3, -3], {}, Status.CONVERGED),
        ("x", 0.0, {}, Status.DIVERGED),
        ("x - x**2", 0.0, {}, Status.DIVERGED),
        ("x**3", -1.0, {}, Status.DIVERGED),
        ("y - exp(x)", [0, 0], {}, Status.DIVERGED),
    ],
)
def test_how_it_ends(formula, start, options, status):
    result = minimize(formula, start, **options, **AUTO)
    assert result.status == status, result
    assert result.nfev >= result.nit + 1
    assert np.isfinite([result.fun, *result.x, *result.jac]).all()
    assert result.objective.value(result.x) == result.fun
    if status == Status.DIVERGED:
        assert "f falls without bound" in result.message
        assert result.fun > -1e100
    if "patience" in options:
        assert "in 3 iterations" in result.message


def test_a_maximum_without_bound_rises():
    assert "f rises without bound" in maximize("exp(x)", 0.0, **AUTO).message


@pytest.mark.parametrize("minimum", [1e16, 1e100])
def test_a_far_minimum_is_not_taken_for_a_flat_place(minimum):
    result = minimize(f"(x - {minimum})**2", 0.0, **AUTO)
    assert result.status == Status.CONVERGED
    assert result.x[0] == minimum


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e200])
def test_far_scales(scale):
    result = minimize(f"{scale}*((x - 2)**2 + 3*y**2)", [0, 1], gtol=0, **AUTO)
    np.testing.assert_allclose(result.x, [2, 0], atol=1e-7)


def test_a_pole_is_no_minimum():
    assert not minimize("1/x", -1.0, **AUTO).success
    assert not minimize("1/x + x", -5.0, **AUTO).success


def test_a_start_where_the_objective_is_not_finite():
    with pytest.raises(InputError, match=r"at x = -1\.0, f is nan"):
        minimize("log(x)", -1.0, **AUTO)


def test_a_callback_ends_it():
    seen = []

    def look(state):
        seen.append(state.t)
        return state.t >= 15

    result = minimize(ROSENBROCK, [-1.2, 1], callback=look, callback_every=5, **AUTO)
    assert result.status == Status.INTERRUPTED
    assert seen == [0, 5, 10, 15]


# ------------------------------------------------- slices, traces, other processes


@pytest.mark.parametrize("bounds", [None, BOX])
def test_slices_do_not_change_a_run(bounds, monkeypatch):
    run = {"bounds": bounds, **AUTO}
    whole = minimize(ROSENBROCK, [-1.2, 1], trace=3, **run)
    monkeypatch.setattr("symgd.descent.driving.SLICE_SECONDS", 1e-9)
    monkeypatch.setattr("symgd.native.records.TRACE_ROWS", 3)
    sliced = minimize(ROSENBROCK, [-1.2, 1], trace=3, **run)
    assert whole.x.tobytes() == sliced.x.tobytes()
    assert (whole.nit, whole.nfev) == (sliced.nit, sliced.nfev)
    assert whole.status == sliced.status
    for name in whole.trace.names:
        np.testing.assert_array_equal(whole.trace[name], sliced.trace[name])


def test_a_run_in_two_parts_is_the_run(tmp_path):
    run = {"trace": True, **AUTO}
    whole = minimize(ROSENBROCK, [-1.2, 1], **run)
    file = tmp_path / "run.npz"
    for maxiter in (13, 14, 60, 10_000):
        parts = minimize(ROSENBROCK, [-1.2, 1], checkpoint=file, maxiter=maxiter, **run)
        assert parts.nit == min(maxiter, whole.nit)
    for name in whole.trace.names:
        np.testing.assert_array_equal(whole.trace[name], parts.trace[name])
    assert parts.nfev == whole.nfev
    with pytest.raises(InputError, match="of another run"):
        minimize(ROSENBROCK, [-1.2, 1], checkpoint=file, method="gd", trace=True)


def test_the_trace_has_the_steps_taken():
    result = minimize(ROSENBROCK, [-1.2, 1], trace=True, **AUTO)
    trace = result.trace
    assert trace.names == ("t", "x", "fun", "grad_norm", "step_size")
    assert len(trace) == result.nit + 1
    np.testing.assert_array_equal(trace.t, np.arange(result.nit + 1))
    values, gradients = result.objective.value_and_grad(trace.x)
    np.testing.assert_array_equal(trace.fun, values)
    np.testing.assert_array_equal(trace.grad_norm, np.abs(gradients).max(axis=1))
    steps = trace["step_size"]
    assert math.isnan(steps[0])
    assert (steps[1:] > 0).all()
    moved = trace.x[:-1] - steps[1:, None] * gradients[:-1]
    np.testing.assert_allclose(trace.x[1:], moved, rtol=0, atol=1e-15)
    third = minimize(ROSENBROCK, [-1.2, 1], trace=3, **AUTO).trace
    for name in trace.names:
        np.testing.assert_array_equal(third[name], trace[name][::3])


REPORT = f"""
import sys, symgd
for bounds in (None, {BOX}):
    options = {{"bounds": bounds, "method": "gd", "step_size": "auto"}}
    result = symgd.minimize({ROSENBROCK!r}, [-1.2, 1], **options)
    print(*map(float.hex, result.values.values()), result.nit, result.nfev)
print(*{{"numba", "sympy", "numpy"}} & set(sys.modules))
"""


@pytest.mark.parametrize("interpreted", [False, True])
def test_a_later_process_needs_no_compiler(interpreted):
    expected = []
    for bounds in (None, BOX):
        result = minimize(ROSENBROCK, [-1.2, 1], bounds=bounds, **AUTO)
        numbers = map(float.hex, result.values.values())
        expected.append(" ".join([*numbers, str(result.nit), str(result.nfev)]))
    setting = {"NUMBA_DISABLE_JIT": "1"} if interpreted else {}
    for _ in range(2):  # by the second time all is stored
        output = subprocess.run(
            [sys.executable, "-W", "error", "-c", REPORT],
            env=os.environ | setting,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    *reported, loaded = output.splitlines()
    assert reported == expected
    assert bool(loaded) == interpreted


# --------------------------------------------------------------- many at once


STARTS = np.random.default_rng(6).uniform(-2, 2, (150, 2))
KINK = "abs(x - y) + 2*abs(x + y - 1) + 0.1*x**2"


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        (ROSENBROCK, {}),
        (ROSENBROCK, {"maxiter": 7}),
        (ROSENBROCK, {"bounds": [(-2, 0.9), (-2, 2)]}),
        (ROSENBROCK, {"patience": 5, "ftol": 1e-2}),
        (ROSENBROCK, {"target": 0.5}),
        (KINK, {}),
        ("x*y + x", {}),
        ("sqrt(x)*y**2 + log(y)**2 + x", {}),
    ],
)
def test_each_descent_is_the_one_made_alone(formula, options):
    starts = STARTS
    if "bounds" in options:
        starts = np.clip(starts, *np.transpose(options["bounds"]))
    results = minimize_many(formula, starts, **options, **AUTO)
    assert len(results) == 150
    for which in range(0, 150, 7):
        try:
            alone = minimize(formula, starts[which], **options, **AUTO)
        except InputError:
            assert results.status[which] == Status.DIVERGED
            continue
        assert results.x[which].tobytes() == alone.x.tobytes()
        assert results.fun[which] == alone.fun
        np.testing.assert_array_equal(results.jac[which], alone.jac)
        assert results.grad_norm[which] == alone.grad_norm
        assert results.status[which] == alone.status
        counts = results.nit[which], results.nfev[which]
        assert counts == (alone.nit, alone.nfev)
        again, text = results[which], repr(alone).replace(alone.start_source, "given")
        lines = text.splitlines(keepends=True)  # but what is said of other starts
        text = "".join(line for line in lines if "minimize_many" not in line)
        assert repr(again) == text
        assert again.hyperparameters == {"step_size": "auto"}


def test_many_iterations_are_made_in_slices(monkeypatch):
    whole = minimize_many(ROSENBROCK, STARTS, **AUTO)
    monkeypatch.setattr("symgd.descent.spectral_run.AMONG_MANY", 30)
    sliced = minimize_many(ROSENBROCK, STARTS, workers=1, **AUTO)
    assert (whole.nit > 30).any()
    assert whole.x.tobytes() == sliced.x.tobytes()
    np.testing.assert_array_equal(whole.nfev, sliced.nfev)
    np.testing.assert_array_equal(whole.status, sliced.status)
    assert whole.method == "gd"


def test_a_descent_of_many_can_be_traced():
    results = minimize_many(ROSENBROCK, STARTS[:3], trace=[1], **AUTO)
    alone = minimize(ROSENBROCK, STARTS[1], trace=True, **AUTO)
    assert results[0].trace is None
    for name in alone.trace.names:
        np.testing.assert_array_equal(results[1].trace[name], alone.trace[name])


def test_a_sweep_over_parameters():
    grid = sweep(VALLEY, [-1.2, 1], parameters={"a": [1, 2, 3], "b": [1, 10]}, **AUTO)
    assert grid.shape == (3, 2)
    assert grid.success.all()
    alone = minimize(VALLEY.with_parameters(a=2, b=10), [-1.2, 1], **AUTO)
    assert grid.x[1, 1].tobytes() == alone.x.tobytes()
    assert grid.nfev[1, 1] == alone.nfev
    assert "gd" in repr(grid.best)


# -------------------------------------------------------------------- bad input


ONLINE = Objective("(x - 1/t)**2", iteration="t")
OWN = Rule("gd", "x = x - 2*step_size*g", step_size=0.1)


@pytest.mark.parametrize(
    ("formula", "arguments", "message"),
    [
        ("x**2", {"method": "momentum"}, "only gd has automatic steps"),
        ("x**2", {"method": "bb"}, "only gd has automatic steps"),
        ("x**2", {"method": OWN}, "only gd has automatic steps"),
        ("x**2", {"method": "auto"}, "method 'auto' has no hyperparameters"),
        ("x**2", {"method": "gd", "momentum": 0.9}, "accepted: step_size"),
        ("x**2", {"method": "gd", "step_size": "automatic"}, "unknown name"),
        (ONLINE, {"method": "gd"}, "changes with t, so its steps can't be automatic"),
    ],
)
def test_bad_arguments_have_clear_errors(formula, arguments, message):
    options = AUTO | arguments
    with pytest.raises(ValueError, match=message):
        minimize(formula, 1.0, **options)
    with pytest.raises(ValueError, match=message):
        minimize_many(formula, [[1.0], [2.0]], **options)


def test_the_rule_itself_may_be_given():
    rule = Rule("gd", "x = x - step_size*g", step_size=0.01)
    result = minimize("x**2", 3.0, method=rule, step_size="auto")
    assert result.nit <= 3
    assert result.hyperparameters == {"step_size": "auto"}
