"""Update rules on arrays: the iterates of the formula written out, term by term."""

import math

import numpy as np
import pytest

from symgd import Objective, Rule, Status, maximize, minimize
from symgd.descent.large_run import LargeRun
from symgd.descent.methods import run_of
from symgd.descent.settings import Settings
from symgd.objectives.points import Bounds
from symgd.rules.family import BUILT_IN

N = 10  # eight elements inside, side by side, and both ends
CHAIN = "sum(10*(x[i + 1] - x[i]**2)**2 + (1 - x[i])**2 for i in range(n - 1))"
WRITTEN = "+".join(f"10*(x{i + 1} - x{i}**2)**2 + (1 - x{i})**2" for i in range(N - 1))
SQUARES = "sum((i + 1)*(x[i] - 1)**2 for i in range(n))"
START = np.random.default_rng(0).uniform(-1, 1, N)
RUN = {"maxiter": 60, "gtol": 0.0}
CLIPPED = Rule(
    "clipped",
    """
    m = mean(g)
    x = x - step_size*(g - m/9)*Min(1, radius/norm(g)) + 1e-4*dot(x, g)/(1 + norm(x))
    """,
    step_size=0.01,
    radius=1,
)
VALUE = Rule("value", "x = x - step_size*g*f/(1 + f + norm(g))", step_size=0.01)
STATEFUL = Rule(
    "stateful",
    "s = s + Abs(g)/2\nx = x - step_size*g/(s + 1)*(1 - 0*last)\nlast = x",
    initial={"s": "1 + x**2", "last": "x"},
    step_size=0.1,
)
RULES = [*BUILT_IN.values(), CLIPPED, VALUE, STATEFUL]


def close(a, b, tolerance=1e-12):
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def same(a, b):
    """Check that two results have the same bits."""
    assert a.x.tobytes() == b.x.tobytes()
    assert a.jac.tobytes() == b.jac.tobytes()
    assert (a.fun, a.nit, a.status, a.grad_norm) == (
        b.fun,
        b.nit,
        b.status,
        b.grad_norm,
    )


# ------------------------------------------------------------ the same iterates


NUMPY = {
    "Max": np.maximum,
    "Min": np.minimum,
    "Abs": np.abs,
    "sign": np.sign,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "dot": np.dot,
    "norm": np.linalg.norm,
    "mean": np.mean,
}


def interpreted(rule, objective, x, hyper, iterations, online=False):
    """Run a rule as a reader would, with NumPy: return the iterates."""
    rule = BUILT_IN.get(rule, rule) if isinstance(rule, str) else rule
    path, state = [x], {}
    for t in range(1, iterations + 1):
        f, g = objective.value_and_grad(x, **({"t": t} if online else {}))
        names = NUMPY | {"x": x, "g": g, "f": f, "t": t}
        for name, value in {**rule.hyperparameters, **hyper}.items():
            names[name] = eval(value, names) if isinstance(value, str) else value
        if t == 1:
            initial = {k: eval(str(v), names) for k, v in rule.initial.items()}
            state = {k: np.zeros(len(x)) for k in rule.state} | initial
        names |= state
        exec(rule.equations, names)
        x, state = names["x"], {name: names[name] for name in rule.state}
        path.append(x)
    return np.array(path)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rules_on_arrays_line_by_line(rule):
    run = {**RUN, "method": rule, "maxiter": 12 if rule.name == "bb" else 60}
    hyper = {"step_size": 1.0 if rule.name == "adadelta" else 0.003}
    result = minimize(CHAIN, START, **run, **hyper)
    traced = minimize(CHAIN, START, trace=True, **run, **hyper)
    objective = Objective(CHAIN)
    path = interpreted(rule, objective, START, hyper, run["maxiter"])
    close(traced.trace.x, path, 1e-7 if rule.name == "bb" else 1e-12)
    assert set(traced.trace.names) >= {"t", "x", "fun", "grad_norm", *rule.state}
    same(traced, result)
    assert (result.nit, result.nfev) == (run["maxiter"], run["maxiter"] + 1)
    assert (result.fun, result.jac.tolist()) == (
        objective.value(result.x),
        objective.grad(result.x).tolist(),
    )


@pytest.mark.parametrize("rule", ["gd", "adam", "bb", CLIPPED])
def test_rules_on_arrays_and_written_out(rule):
    run = {**RUN, "method": rule, "maxiter": 12 if rule == "bb" else 60}
    large, small = (
        minimize(f, START, step_size=0.003, **run) for f in (CHAIN, WRITTEN)
    )
    close(large.x, small.x, 1e-8 if rule == "bb" else 1e-12)
    close(large.jac, small.jac, 1e-7 if rule == "bb" else 1e-11)
    assert (large.nit, large.nfev, large.status) == (
        small.nit,
        small.nfev,
        small.status,
    )


@pytest.mark.parametrize("bounds", [None, (-0.5, 0.7)])
@pytest.mark.parametrize("rule", ["gd", "bb"])
def test_traces_and_written_out(rule, bounds):
    run = {**RUN, "method": rule, "step_size": 0.004, "trace": True, "maxiter": 12}
    start = np.clip(START, -0.5, 0.7)
    sides = {} if bounds is None else {"bounds": {"x": bounds}}
    large = minimize(CHAIN, start, **run, **sides).trace
    sides = {} if bounds is None else {"bounds": [bounds] * N}
    small = minimize(WRITTEN, start, **run, **sides).trace
    for name in small.names:
        close(large[name], small[name], 1e-7)


@pytest.mark.parametrize(
    "hyper",
    [
        {"method": "gd", "step_size": "0.005/sqrt(t)"},
        {"method": "gd", "step_size": "0.005 if t < 10 else 0.001"},
        {"method": "momentum", "step_size": 0.001, "momentum": "1 - 3/(t + 5)"},
        {"method": "adam", "step_size": "0.01*0.99**t"},
    ],
)
def test_schedules(hyper):
    large = minimize(CHAIN, START, **hyper, **RUN)
    traced = minimize(CHAIN, START, trace=True, **hyper, **RUN)
    values = {k: v for k, v in hyper.items() if k != "method"}
    path = interpreted(hyper["method"], Objective(CHAIN), START, values, 60)
    close(traced.trace.x, path)
    same(traced, large)
    name = next(k for k, v in hyper.items() if k != "method" and isinstance(v, str))
    assert math.isnan(traced.trace[name][0])
    assert np.isfinite(traced.trace[name][1:]).all()


@pytest.mark.parametrize("rule", ["gd", "amsgrad", CLIPPED])
def test_online_objectives(rule):
    drift = " + sum(x[i]*sin(t + i) for i in range(n))"
    run = {**RUN, "method": rule, "step_size": 0.003}
    large = minimize(Objective(CHAIN + drift, iteration="t"), START, **run)
    objective = Objective(CHAIN + drift, iteration="t")
    hyper = {"step_size": 0.003}
    close(large.x, interpreted(rule, objective, START, hyper, 60, online=True)[-1])
    assert large.fun == objective.value(large.x, t=61)
    assert large.jac.tolist() == objective.grad(large.x, t=61).tolist()
    same(minimize(objective, START, trace=7, **run), large)
    with pytest.raises(ValueError, match="needs an update rule"):
        minimize(objective, START)


@pytest.mark.parametrize("rule", ["gd", "lion", CLIPPED])
def test_maximize(rule):
    run = {**RUN, "method": rule, "step_size": 0.002}
    up = maximize(f"-({CHAIN})", START, **run)
    down = minimize(CHAIN, START, **run)
    assert up.x.tobytes() == down.x.tobytes()
    assert (up.fun, up.maximized) == (-down.fun, True)
    assert up.jac.tolist() == (-down.jac).tolist()


def test_several_variables_and_two_indices():
    formula = (
        "sum((u[i + 1, j] - u[i, j] - a)**2 for i in range(n - 1) for j in range(m))"
        " + a**2 + sum((u[i, j] - b*i*j)**2 for i in range(n) for j in range(m))"
    )
    n, m = 3, 10
    terms = [
        f"(u{i + 1}_{j} - u{i}_{j} - a)**2" for i in range(n - 1) for j in range(m)
    ]
    terms += [f"(u{i}_{j} - b*{i * j})**2" for i in range(n) for j in range(m)]
    names = ["a", "b", *[f"u{i}_{j}" for i in range(n) for j in range(m)]]
    x0 = np.random.default_rng(1).normal(size=len(names))
    run = {**RUN, "method": "adam", "step_size": 0.01}
    objective = Objective(formula, sizes={"n": n, "m": m})
    large = minimize(objective, x0, **run)
    close(large.x, interpreted("adam", objective, x0, {"step_size": 0.01}, 60)[-1])
    written = Objective("+".join([*terms, "a**2"]), names)
    close(large.fun, written.value(large.x))
    close(large.jac, written.grad(large.x))
    assert large.values["u"].shape == (n, m)


# --------------------------------------------------------- passes that are fused


def run_on(formula, n, rule, trace=0, **hyper):
    objective = Objective(formula).sized(np.zeros(n))
    settings = Settings(1.0, 100, 0.0, 0.0, 0, -math.inf, math.inf, trace, False)
    return run_of(objective, Bounds(n), settings, rule, hyper, 0, None)


def test_updates_are_part_of_the_pass_where_they_can_be():

    fused = run_on(SQUARES, 5, "adam")
    assert isinstance(fused, LargeRun)
    assert fused.facts.gathers
    for rule in (CLIPPED, VALUE):
        assert not run_on(SQUARES, 5, rule).facts.gathers
    for formula in (f"{SQUARES} + x[0]", "sum(x[2*i]**2 for i in range(n))"):
        assert not run_on(formula, 5, "adam").facts.gathers


@pytest.mark.parametrize("n", [2, 7, 8, 9, 10, 17, 2047, 2048, 2049, 4100])
def test_fused_passes_of_any_length(n):
    x0 = np.random.default_rng(n).uniform(-1, 1, n)
    run = {"method": "momentum", "step_size": 1e-3, "gtol": 0.0, "maxiter": 7}
    fused = minimize(CHAIN, x0, **run)
    x, change = x0.copy(), np.zeros(n)
    objective = Objective(CHAIN)
    for _ in range(7):
        change = 1e-3 * objective.grad(x) + 0.9 * change
        x = x - change
    close(fused.x, x, 1e-13)
    traced = minimize(CHAIN, x0, trace=3, **run)
    same(traced, fused)
    assert traced.trace.t.tolist() == [0, 3, 6]
    assert (
        traced.trace.x[2].tolist()
        == minimize(CHAIN, x0, **run | {"maxiter": 6}).x.tolist()
    )


@pytest.mark.parametrize("rule", ["momentum", "bb", CLIPPED, VALUE, STATEFUL])
def test_slices_do_not_change_bits(rule):
    run = {**RUN, "method": rule, "step_size": 1e-3, "maxiter": 100}
    whole = minimize(CHAIN, START, **run)
    for every in (1, 3, 17):
        sliced = minimize(
            CHAIN, START, callback=lambda _: None, callback_every=every, **run
        )
        same(sliced, whole)


# ------------------------------------------------------------------- how it ends


def test_criteria():
    run = {"method": "gd", "step_size": 0.05, "maxiter": 1000}
    converged = minimize(SQUARES, np.zeros(9), gtol=1e-3, **run)
    assert converged.status is Status.CONVERGED
    assert converged.grad_norm == np.abs(converged.jac).max() <= 1e-3
    before = minimize(SQUARES, np.zeros(9), **run | {"maxiter": converged.nit - 1})
    assert before.status is Status.MAXITER
    assert before.grad_norm > 1e-3
    reached = minimize(SQUARES, np.zeros(9), target=0.5, **run)
    assert reached.status is Status.TARGET_REACHED
    assert reached.fun <= 0.5
    stalled = minimize(SQUARES, np.zeros(9), patience=4, ftol=1e-2, gtol=0, **run)
    assert stalled.status is Status.STALLED
    assert stalled.criteria["patience"].reached == 4
    none = minimize(SQUARES, np.zeros(9), **run | {"maxiter": 0})
    assert (none.nit, none.nfev, none.x.tolist()) == (0, 1, [0] * 9)
    assert none.jac.tolist() == Objective(SQUARES).grad(np.zeros(9)).tolist()
    limited = minimize(SQUARES, np.zeros(9), time_limit=0, **run)
    assert limited.status is Status.TIME_LIMIT


@pytest.mark.parametrize("trace", [False, True])
@pytest.mark.parametrize(
    "criterion", [{"gtol": 1e-3}, {"target": 0.5}, {"patience": 3, "ftol": 1e-2}]
)
@pytest.mark.parametrize("rule", ["gd", CLIPPED])
def test_runs_end_where_the_written_out_ones_do(rule, criterion, trace):
    written = "+".join(f"{i + 1}*(x{i} - 1)**2" for i in range(9))
    run = {"method": rule, "step_size": 0.04, "maxiter": 2000, "trace": trace}
    large, small = (
        minimize(f, np.zeros(9), **run, **criterion) for f in (SQUARES, written)
    )
    assert (large.status, large.nit, large.nfev) == (
        small.status,
        small.nit,
        small.nfev,
    )
    close(large.x, small.x)


@pytest.mark.parametrize("rule", ["gd", "momentum", CLIPPED])
@pytest.mark.parametrize("every", [0, 1])
def test_a_run_that_diverges_ends_at_the_last_finite_iterate(rule, every):
    run = {"method": rule, "step_size": 3.0, "maxiter": 5000}
    if rule is CLIPPED:
        run |= {"radius": 1e300}
    written = minimize(WRITTEN, START, **run)
    result = minimize(
        CHAIN, START, callback=lambda _: None, callback_every=every, **run
    )
    assert result.status is written.status is Status.DIVERGED
    assert result.nit == written.nit
    close(result.x, written.x, 1e-9)
    assert np.isfinite([result.fun, *result.x, *result.jac]).all()
    assert result.fun == result.objective.value(result.x)
    assert "is" in result.message
    assert "last finite iterate" in result.message
    traced = minimize(CHAIN, START, trace=True, **run)
    assert traced.trace.x[-1].tobytes() == result.x.tobytes()


def test_a_start_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match=r"at x\[0\] = -1.0, .* f is nan"):
        minimize("sum(log(x[i]) for i in range(n))", [-1, 1], method="gd")


def test_an_infinite_state_is_noticed():
    rule = Rule("grows", "s = 1e200*(s + 1)\nx = x - step_size*g", step_size=1e-3)
    result = minimize(CHAIN, START, method=rule)
    assert (result.status, result.nit) == (Status.DIVERGED, 1)
    assert "s is" in result.message or "is inf" in result.message


# ---------------------------------------------------------- watched and continued


def test_callbacks():
    seen = []
    run = {**RUN, "method": "adam", "maxiter": 40}
    result = minimize(CHAIN, START, callback=seen.append, callback_every=10, **run)
    assert [state.t for state in seen] == [0, 10, 20, 30, 40]
    for state in seen:
        expected = minimize(CHAIN, START, **run | {"maxiter": state.t})
        assert state.x.tolist() == expected.x.tolist()
        assert (state.fun, state.grad_norm) == (expected.fun, expected.grad_norm)
    stopped = minimize(
        CHAIN, START, callback=lambda s: s.t >= 20, callback_every=10, **run
    )
    assert (stopped.status, stopped.nit) == (Status.INTERRUPTED, 20)
    assert result.nit == 40


@pytest.mark.parametrize("trace", [False, 5])
@pytest.mark.parametrize("rule", ["adam", "bb", CLIPPED])
def test_checkpoints(tmp_path, rule, trace):
    run = {**RUN, "method": rule, "step_size": 1e-3, "trace": trace}
    whole = minimize(CHAIN, START, **run | {"maxiter": 50})
    path = tmp_path / "run.npz"
    for maxiter in (13, 27, 50):
        part = minimize(CHAIN, START, checkpoint=path, **run | {"maxiter": maxiter})
        assert part.nit == maxiter
    same(part, whole)
    if trace:
        assert part.trace.x.tobytes() == whole.trace.x.tobytes()


def test_a_checkpoint_of_other_data_or_lengths_is_refused(tmp_path):
    formula = "sum((x[i] - y[i])**2 for i in range(n))"
    run = {"method": "gd", "maxiter": 3, "checkpoint": tmp_path / "run.npz"}
    minimize(Objective(formula, data={"y": [1, 2, 3]}), **run)
    for y in ([1, 2], [1, 2, 4]):
        with pytest.raises(ValueError, match="checkpoint"):
            minimize(Objective(formula, data={"y": y}), **run)


# ------------------------------------------------------------------------- large


def test_a_large_run(monkeypatch):
    monkeypatch.setattr("symgd.objectives.parallel.ENOUGH", 1000)
    n = 100_000
    x0 = np.random.default_rng(0).uniform(-1, 1, n)
    run = {"method": "gd", "step_size": 1e-2, "maxiter": 10}
    results = [
        minimize(Objective(CHAIN, workers=workers), x0, **run) for workers in (1, 2)
    ]
    same(*results)
    same(minimize(CHAIN, x0, trace=10, **run), results[0])
    clipped = [
        minimize(Objective(CHAIN, workers=w), x0, method=CLIPPED, maxiter=5)
        for w in (1, 2)
    ]
    same(*clipped)
    g = Objective(CHAIN).grad(x0)
    step = 0.01 * (g - g.mean() / 9) * min(1, 1 / np.linalg.norm(g))
    x = x0 - step + 1e-4 * (x0 @ g) / (1 + np.linalg.norm(x0))
    close(minimize(CHAIN, x0, method=CLIPPED, maxiter=1).x, x, 1e-11)


@pytest.mark.parametrize("method", ["gd", "adam", "momentum"])
@pytest.mark.parametrize("growth", [1.02, 1.05, 1.1, 1.3, 2.0, 10.0])
def test_a_run_that_diverges_comes_back_to_its_last_finite_iterate(method, growth):
    # Gathered passes overwrite the iterate before; traced runs don't gather.
    chain = "sum(exp((x[i + 1] - x[i])**2) + x[i]**4 for i in range(n - 1))"
    start = np.linspace(-1, 1, 33)
    options = {"method": method, "step_size": f"0.01*{growth}**t", "maxiter": 3000}
    gathered = minimize(chain, start, gtol=0, **options)
    traced = minimize(chain, start, gtol=0, trace=True, **options)
    assert gathered.status == traced.status
    assert gathered.status.name == "DIVERGED"
    assert gathered.nit == traced.nit
    np.testing.assert_array_equal(gathered.x, traced.x)
    np.testing.assert_array_equal(gathered.jac, traced.jac)
    assert gathered.fun == traced.fun
    assert np.isfinite(gathered.x).all()
    pieces = minimize(chain, start, gtol=0, callback=lambda _: None, **options)
    np.testing.assert_array_equal(pieces.x, gathered.x)
