"""A ready objective that is minimised often: runs are used again, and nothing of one
is in the next."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from symgd import InputError, Objective, maximize, minimize

FORMULAS = {
    "valley": ("100*(y - x**2)**2 + (1 - x)**2", 2),
    "saddle": ("x**4 - x**2 + y**2", 2),
    "kinks": ("abs(x - 1) + abs(x + 2*y) + y**2", 2),
    "tail": ("exp(-x) + y**2", 2),
    "no bottom": ("x**3 + y**2", 2),
    "parameter": ("(x - a)**2 + (y - a*x)**4", 2),
}
STARTS = [[-1.2, 1.0], [3.0, -2.0], [0.0, 0.0], [1e3, 0.1], [-1.2, 1.0]]
OPTIONS = [{}, {"maxiter": 3}, {"gtol": 1e-3}, {}, {"target": 0.5}]
TOLD = ("fun", "nit", "nfev", "status", "message", "criteria", "kind")


def made(name):
    formula, _ = FORMULAS[name]
    given = {"parameters": {"a": 2.0}} if name == "parameter" else {}
    return Objective(formula, **given)


def facts(result):
    told = [getattr(result, name) for name in TOLD]
    best = None if result.best is None else [*result.best.x, result.best.fun]
    where = [result.x.tolist(), result.jac.tolist(), result.start.tolist()]
    return repr([told, best, where])  # NaN is itself in it


@pytest.mark.parametrize("sense", [minimize, maximize])
@pytest.mark.parametrize("name", FORMULAS)
def test_a_run_is_as_the_first_of_an_objective(name, sense):
    often = made(name)
    for start, options in [*zip(STARTS, OPTIONS, strict=True)] * 2:
        again = sense(often, start, **options)
        assert facts(again) == facts(sense(made(name), start, **options))


def test_a_result_stays_as_it_is_when_others_follow():
    objective = made("valley")
    first = minimize(objective, [-1.2, 1.0])
    before = facts(minimize(made("valley"), [-1.2, 1.0]))
    minimize(objective, [5.0, 5.0], maxiter=2)
    assert facts(first) == before


def test_a_start_that_is_none_leaves_nothing_behind():
    objective = Objective("log(x) + x**2 - 3*x")
    expected = facts(minimize(Objective("log(x) + x**2 - 3*x"), [2.0]))
    assert facts(minimize(objective, [2.0])) == expected
    with pytest.raises(InputError):
        minimize(objective, [-1.0])
    assert facts(minimize(objective, [2.0])) == expected


def test_bounds_and_parameters_are_those_of_the_call():
    objective = made("parameter")
    assert minimize(objective, [0.0, 0.0]).x[0] == pytest.approx(2.0, abs=1e-4)
    held = minimize(objective, [0.0, 0.0], bounds={"x": (None, 1.0)})
    assert held.x[0] == 1.0
    other = objective.with_parameters(a=-1.0)
    assert minimize(other, [0.0, 0.0]).x[0] == pytest.approx(-1.0, abs=1e-4)
    assert minimize(objective, [0.0, 0.0]).x[0] == pytest.approx(2.0, abs=1e-4)
    with pytest.raises(InputError, match="batch_size needs an update rule"):
        minimize(objective, [0.0, 0.0], batch_size=2)


def test_threads_have_runs_of_their_own():
    objective = made("valley")
    starts = np.random.default_rng(0).uniform(-3.0, 3.0, (200, 2))
    alone = [facts(minimize(objective, x)) for x in starts]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda x: facts(minimize(objective, x)), starts))
    assert together == alone


def test_a_callback_may_minimise_the_same_objective():
    objective, inner = made("valley"), []
    minimize(objective, [0.5, 0.5])

    def callback(state):
        inner.append(facts(minimize(objective, [3.0, -2.0])))

    outer = minimize(objective, [-1.2, 1.0], callback=callback, callback_every=5)
    assert facts(outer) == facts(minimize(made("valley"), [-1.2, 1.0]))
    assert set(inner) == {facts(minimize(made("valley"), [3.0, -2.0]))}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_message_that_is_asked_for_later_is_of_its_own_run(name):
    often = made(name)
    results = [minimize(often, start) for start in STARTS]
    carried = [pickle.loads(pickle.dumps(result)).message for result in results]
    alone = [minimize(made(name), start).message for start in STARTS]
    assert [result.message for result in results] == carried == alone
