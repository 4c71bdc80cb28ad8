"""Descents on executors: the same bits as in this process, and nothing is lost."""

import os
import pickle
import signal
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import numpy as np
import pytest

from symgd import Objective, Rule, minimize_many, race, sweep
from symgd.errors import FormulaError, InputError
from symgd.many import pieces
from symgd.native.status import Status

VALLEY = "(1 - x)**2 + 100*(y - x**2)**2"
STARTS = np.random.default_rng(0).uniform(-2.0, 2.0, (203, 2))
FIELDS = ("x", "fun", "jac", "status", "nit", "nfev", "grad_norm")


def assert_same(one, other):
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)


def size_of(piece):
    return piece.problem.count if hasattr(piece, "problem") else 1


class Sent(Executor):
    """Runs each piece at once, as another process would see it."""

    _max_workers = 3

    def __init__(self, failing=()):
        self.sizes, self.failing = [], failing

    def submit(self, function, given):
        future = Future()
        self.sizes.append(size_of(given[1]))
        if len(self.sizes) in self.failing:
            future.set_exception(BrokenProcessPool("a worker was killed"))
        else:
            future.set_result(function(pickle.loads(pickle.dumps(given))))
        return future


@pytest.fixture(scope="module")
def two_processes():
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


CASES = {
    "the default method": {"method": "auto"},
    "a rule, in lanes": {"method": "adam", "step_size": 0.01, "maxiter": 300},
    "automatic steps": {"method": "gd", "step_size": "auto", "maxiter": 200},
    "hyperparameters of each": {
        "method": "momentum",
        "step_size": np.linspace(1e-5, 1e-3, len(STARTS)),
        "maxiter": 200,
    },
    "a rule of one's own": {
        "method": Rule("own", "m = b*m + g\nx = x - s*m", b=0.9, s=1e-4),
        "maxiter": 100,
    },
    "bounds": {"bounds": [(-1, 0.5), (None, 0.3)]},
    "constraints": {"subject_to": "x**2 + y**2 <= 1"},
}


@pytest.mark.parametrize("case", CASES)
def test_pieces_have_the_bits_of_the_whole(case):
    executor, starts = Sent(), np.clip(STARTS, -0.99, 0.29)
    one = minimize_many(VALLEY, starts, executor=executor, **CASES[case])
    assert_same(one, minimize_many(VALLEY, starts, **CASES[case]))
    assert sum(executor.sizes) == len(STARTS)
    assert len(executor.sizes) > 2


def test_parameters_data_and_sweeps_go_along():
    data = {"t": np.arange(6.0), "y": np.exp(-0.5 * np.arange(6.0))}
    text = "sum((y[i] - a*exp(-b*t[i]))**2 for i in range(n)) + c*a**2"
    objective = Objective(text, data=data, parameters={"c": 0.1})
    starts, given = STARTS[:40], {"parameters": {"c": np.linspace(0.0, 1.0, 40)}}
    sent = minimize_many(objective, starts, executor=Sent(), **given)
    assert_same(sent, minimize_many(objective, starts, **given))
    grid = {"method": "gd", "step_size": np.linspace(1e-4, 2e-3, 50), "maxiter": 50}
    here, there = sweep(VALLEY, [0, 0], **grid), None
    there = sweep(VALLEY, [0, 0], executor=Sent(), **grid)
    np.testing.assert_array_equal(here.fun, there.fun)


def test_processes_and_threads_are_executors(two_processes):
    here = minimize_many(VALLEY, STARTS)
    assert_same(minimize_many(VALLEY, STARTS, executor=two_processes), here)
    with ThreadPoolExecutor(3) as pool:
        assert_same(minimize_many(VALLEY, STARTS, executor=pool), here)


def test_what_a_lost_worker_had_is_done_here():
    here = minimize_many(VALLEY, STARTS)
    with pytest.warns(UserWarning, match="workers of the executor were lost"):
        assert_same(minimize_many(VALLEY, STARTS, executor=Sent({2})), here)


def _dies(_):
    os._exit(1)


def test_a_pool_that_is_broken_costs_nothing_but_time():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with pytest.raises(BrokenProcessPool):
            pool.submit(_dies, 0).result()
        with pytest.warns(UserWarning, match="done here"):
            broken = minimize_many(VALLEY, STARTS[:20], executor=pool)
    assert_same(broken, minimize_many(VALLEY, STARTS[:20]))


class Slow(Sent):
    """Takes the first piece, and says so; works on no other one."""

    def __init__(self, told):
        super().__init__()
        self.told = told

    def submit(self, function, given):
        if not self.sizes:
            return super().submit(function, given)
        self.sizes.append(size_of(given[1]))
        if len(self.sizes) == 2:
            self.told()
        return Future()


def test_after_ctrl_c_nothing_is_begun_and_what_is_known_is_kept():
    def interrupt():
        main = threading.main_thread().ident
        signal.pthread_kill(main, signal.SIGINT)

    results = minimize_many(VALLEY, STARTS, executor=Slow(interrupt))
    known = results.status == Status.CONVERGED
    assert 0 < known.sum() <= pieces.FIRST_PIECE
    assert (results.status[~known] == Status.INTERRUPTED).all()
    assert np.isnan(results.fun[~known]).all()


def test_the_time_limit_is_that_of_all():
    endless = {"method": "gd", "step_size": 1e-9, "maxiter": 10**9, "gtol": 0}
    results = minimize_many(
        VALLEY, STARTS[:40], executor=Sent(), time_limit=0.2, **endless
    )
    assert (results.status == Status.TIME_LIMIT).all()


def test_an_error_of_a_piece_is_raised_and_the_others_are_cancelled():
    class Failing(Sent):
        def submit(self, function, piece):
            future = Future()
            future.set_exception(InputError("no such file there"))
            return future

    with pytest.raises(InputError, match="no such file there"):
        minimize_many(VALLEY, STARTS, executor=Failing())


def test_what_cannot_run_anything_is_refused():
    with pytest.raises(InputError, match="executor takes an executor"):
        minimize_many(VALLEY, STARTS, executor=4)


RACE = (VALLEY, [-1.2, 1.0], ["auto", ("gd", {"step_size": 1e-3}), "adam", "momentum"])


def assert_same_race(one, other):
    assert list(one) == list(other)
    for label in one:
        for name in (*FIELDS, "message", "start_source", "hyperparameters"):
            mine, theirs = getattr(one[label], name), getattr(other[label], name)
            np.testing.assert_array_equal(mine, theirs, name)
        np.testing.assert_array_equal(one.traces[label].x, other.traces[label].x)


def test_a_race_has_the_bits_of_one_in_this_process(two_processes):
    here = race(*RACE, maxiter=200)
    assert_same_race(race(*RACE, maxiter=200, executor=Sent()), here)
    assert_same_race(race(*RACE, maxiter=200, executor=two_processes), here)
    drawn = race(RACE[0], None, RACE[2], maxiter=200, rng=5, executor=Sent())
    assert_same_race(drawn, race(RACE[0], None, RACE[2], maxiter=200, rng=5))


def test_a_race_runs_here_what_a_lost_worker_had():
    with pytest.warns(UserWarning, match="workers of the executor were lost"):
        one = race(*RACE, maxiter=100, executor=Sent({2}))
    assert_same_race(one, race(*RACE, maxiter=100))


def test_a_race_is_wrong_before_anything_runs():
    executor = Sent()
    with pytest.raises(InputError, match="unknown hyperparameter"):
        race(VALLEY, [0, 0], ["gd", ("adam", {"nothing": 1})], executor=executor)
    wrong = ["gd", ("adam", {"step_size": "1/(t"})]
    with pytest.raises(FormulaError, match="closed"):
        race(VALLEY, [0, 0], wrong, executor=executor)
    assert executor.sizes == []


def test_after_ctrl_c_a_race_has_the_runs_so_far():
    def interrupt():
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    some = race(*RACE, maxiter=100, executor=Slow(interrupt))
    assert list(some) == ["auto"]
    assert some.missing == ("gd", "adam", "momentum")


def test_the_time_limit_of_a_race_is_that_of_each_run():
    endless = {"step_size": 1e-9, "maxiter": 10**9, "gtol": 0, "trace": False}
    done = race(VALLEY, [0, 0], ["gd", "adam"], time_limit=0.1, executor=Sent(),
                **endless)  # fmt: skip
    assert {done[label].status for label in done} == {Status.TIME_LIMIT}
