"""A long evaluation hears Ctrl-C and its time limit, and is no number then."""

import math
import os
import signal
import threading
from array import array

import numpy as np
import pytest

import symgd
from symgd.descent.driving import drive
from symgd.descent.large_run import LargeRun
from symgd.descent.methods import run_of
from symgd.descent.settings import Settings
from symgd.native.status import Status
from symgd.native.stopping import flag, stoppable
from symgd.objectives.meant import objective_of
from symgd.objectives.points import read_bounds

LONG = "sum((x - i)**2/n for i in range(n))"
DEEP = "sum(sum((x - i*j)**2/n for j in range(n)) for i in range(m))"


def long(text=LONG, n=10**12, **sizes):
    return symgd.Objective(text, sizes={"n": n, **sizes})


@pytest.fixture
def raised():
    flag()[0] = 1
    yield
    flag()[0] = 0


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_cut_short_is_nan(raised, workers):
    text = "sum((x[i] - 1)**2 for i in range(n))"
    objective = symgd.Objective(text, sizes={"n": 3}, workers=workers)
    assert math.isnan(objective.value(np.zeros(3)))


def test_what_is_not_cut_short_is_the_same():
    with stoppable():
        assert long(n=10).value([1.0]) == pytest.approx(20.5)


@pytest.mark.parametrize("objective", [long(), long(DEEP, m=4)], ids=["flat", "deep"])
@pytest.mark.parametrize("minimize", [symgd.minimize, symgd.maximize])
@pytest.mark.parametrize("method", ["auto", "adam"])
def test_a_time_limit_is_heard(objective, minimize, method):
    result = minimize(objective, [1.0], method=method, time_limit=0.05)
    assert result.status == Status.TIME_LIMIT
    assert not result.success
    assert math.isnan(result.fun)
    assert result.x.tolist() == [1.0]
    assert "before f was known" in result.message


def test_many_hear_it():
    ends = symgd.minimize_many(long(), [[1.0], [2.0]], time_limit=0.05)
    assert set(ends.status.tolist()) == {Status.TIME_LIMIT}
    assert np.isnan(ends.fun).all()
    one = ends.best  # nothing is evaluated for it
    assert (one.status, one.nit) == (Status.TIME_LIMIT, 0)
    assert "before f was known" in one.message


@pytest.mark.parametrize("kind", ["value", "grad", "value_and_grad", "hess"])
def test_ctrl_c_is_heard(kind):
    evaluate, x = getattr(long(), kind), [1.0]
    evaluate.objective.kernel("hessian" if kind == "hess" else "evaluation")
    with pytest.raises(KeyboardInterrupt):
        _pressed(lambda: evaluate(x))


def test_ctrl_c_is_heard_along_a_direction():
    with pytest.raises(KeyboardInterrupt):
        _pressed(lambda: long().hessp([1.0], [1.0]))


def _pressed(function):
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        return function()
    finally:
        timer.join()


def test_the_last_finished_iterate_is_the_result():
    seen = []

    def cut(state):
        seen.append((state.x.tolist(), state.fun))
        flag()[0] = 1  # as if the time were over within the next evaluation

    result = symgd.minimize(long(n=1000), [1.0], method="adam", callback=cut)
    assert result.status == Status.TIME_LIMIT
    assert (result.x.tolist(), result.fun) == seen[-1]
    assert flag()[0] == 0


def test_what_is_before_is_as_it_was():
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    with stoppable(), stoppable(1e6) as own:
        assert own[0] == 0
    assert signal.set_wakeup_fd(before) == before


def test_a_race_hears_it():
    methods = ["auto", "gd", ("gd", {"step_size": "auto"}), "adam"]
    done = symgd.race(long(), [1.0], methods, time_limit=0.05)
    assert {result.status for result in done.values()} == {Status.TIME_LIMIT}
    assert all(math.isnan(result.fun) for result in done.values())


def test_what_was_raised_around_it_stays_raised():
    with stoppable(1e6) as own:
        with stoppable(0.0) as inner:
            _wait_for(inner)
        assert own[0] == 0
        with stoppable(0.0), stoppable(1e6) as inner:
            _wait_for(inner)
            with stoppable(1e6):
                pass
            assert own[0] == 1
        assert own[0] == 0


def _wait_for(raised):
    for _ in range(1000):
        if raised[0]:
            return
        threading.Event().wait(0.01)
    pytest.fail("the time limit was not heard")


AUTOMATIC = {"method": "gd", "step_size": "auto"}
WAYS = [{"method": "auto"}, AUTOMATIC, {"method": "adam"}]


@pytest.mark.parametrize("text", ["(x - 1)**2", long(n=1000)], ids=["one", "sum"])
@pytest.mark.parametrize("way", WAYS, ids=["auto", "spectral", "rule"])
def test_a_run_that_was_cut_short_begins_again(text, way):
    objective = objective_of(text)
    limits = read_bounds(None, objective.space)
    usual = {"sign": 1.0, "maxiter": 10_000, "gtol": None, "ftol": 0.0, "patience": 0}
    usual |= {"target": None, "time_limit": None, "trace": False, "progress": False}
    settings = Settings.checked(**usual).of(objective)
    hyper = {k: v for k, v in way.items() if k != "method"}
    run = run_of(objective, limits, settings, way["method"], hyper)
    gradient = None if isinstance(run, LargeRun) else run.gradient
    run._be_at(array("d", [3.0]), array("d", [math.nan]))
    if gradient is not None:  # else its address is passed with each call
        assert run.gradient is gradient
    drive(run, run.begin([0.0]))
    whole = symgd.minimize(text, [0.0], **way)
    assert (list(run.x), run.t) == (whole.x.tolist(), whole.nit)
