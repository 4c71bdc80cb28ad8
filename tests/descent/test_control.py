"""A run is watched, stopped, stored and continued, and stays the same to the bit."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from symgd import InputError, Status, maximize, minimize, minimize_many, sweep
from symgd.descent.callbacks import State
from symgd.descent.driving import SLICE_SECONDS
from symgd.descent.trajectory_run import RuleRun
from symgd.many import in_lanes, in_turn
from symgd.native.interrupts import Interrupts
from symgd.rules.family import BUILT_IN
from tests.problems import ROSENBROCK

START = [-1.2, 1.0]
LONG = {"method": "gd", "step_size": 1e-12, "maxiter": 10**15, "gtol": 0.0}
NET = 600.0  # seconds, for what would hang if a test failed: no test waits for a time
ENDLESS = LONG | {"time_limit": NET}
METHODS = ["auto", "gd with automatic steps", *BUILT_IN]


def same(one, other):
    """Compare all that two results say, to the last bit."""
    assert one.x.tobytes() == other.x.tobytes()
    assert one.jac.tobytes() == other.jac.tobytes()
    assert (one.fun, one.nit, one.nfev) == (other.fun, other.nit, other.nfev)
    assert (one.status, one.message) == (other.status, other.message)
    assert one.start.tolist() == other.start.tolist()
    if one.trace is not None:
        assert one.trace.names == other.trace.names
        for name in one.trace.names:
            np.testing.assert_array_equal(one.trace[name], other.trace[name])


# -------------------------------------------------------------------- callbacks


def test_a_callback_sees_every_kth_iterate():
    states = []
    result = minimize(
        *(ROSENBROCK, START),
        method="amsgrad",
        maxiter=35,
        trace=True,
        callback=states.append,
        callback_every=10,
    )
    assert [state.t for state in states] == [0, 10, 20, 30]
    for state in states:
        assert isinstance(state, State)
        assert state.x.tolist() == result.trace.x[state.t].tolist()
        assert state.fun == result.trace.fun[state.t]
        assert state.grad_norm == result.trace.grad_norm[state.t]
        assert state["vhat"].tolist() == result.trace["vhat"][state.t].tolist()
        assert state.values == dict(zip("xy", state.x, strict=True))
        assert max(abs(state.jac)) == state.grad_norm


def test_a_callback_between_slices_sees_the_start_and_the_end():
    seen = []
    result = minimize(ROSENBROCK, START, callback=lambda state: seen.append(state.t))
    assert seen[0] == 0
    assert seen[-1] == result.nit


def test_a_callback_is_of_the_objective_itself():
    seen = []
    maximize("3 - (x - 2)**2", [0.0], callback=seen.append)
    assert (seen[0].fun, seen[0].jac.tolist()) == (-1.0, [4.0])


def _stop(state):
    raise StopIteration


@pytest.mark.parametrize("stop", [lambda state: state.t >= 20, _stop])
def test_a_callback_stops_a_run(stop):
    run = {"method": "gd", "step_size": 1e-4, "callback_every": 5}
    result = minimize(ROSENBROCK, START, callback=stop, **run)
    assert result.status == Status.INTERRUPTED
    assert result.nit == (0 if stop is _stop else 20)
    assert "stopped by the callback" in result.message
    assert not result.success


def test_what_a_callback_raises_is_raised_and_nothing_is_lost(tmp_path):
    def fail(state):
        return state.t == 20 and 1 / 0

    run = {"method": "amsgrad", "checkpoint": tmp_path / "c", "maxiter": 40}
    with pytest.raises(ZeroDivisionError):
        minimize(ROSENBROCK, START, callback=fail, callback_every=10, **run)
    seen = []
    minimize(ROSENBROCK, START, callback=seen.append, callback_every=10, **run)
    assert [state.t for state in seen] == [20, 30, 40]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"callback": 3}, "callback must be callable"),
        ({"callback_every": -1}, "callback_every must be a whole number"),
        ({"checkpoint": 3}, "checkpoint must be a file"),
        ({"checkpoint": "no/such/folder/run.npz"}, "no such folder"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        minimize(ROSENBROCK, START, **arguments)


def test_a_state_has_the_variables_of_its_rule():
    with pytest.raises(InputError, match="state variable 'w'"):
        minimize("x**2", 1.0, method="adam", callback=lambda state: state["w"])


# --------------------------------------------------------------------- criteria


def test_each_criterion_is_shown_beside_what_was_reached():
    run = {"method": "gd", "step_size": 0.1, "patience": 50, "time_limit": 60.0}
    result = minimize("x**2", 1.0, target=0.5, **run)
    assert list(result.criteria) == [
        *("gtol", "target", "patience", "maxiter", "time_limit")
    ]
    assert [name for name, each in result.criteria.items() if each.fired] == ["target"]
    assert result.criteria["target"][:2] == (0.5, result.fun)
    assert result.criteria["maxiter"][:2] == (10_000, result.nit)
    assert "target 0.4096 of 0.5 (fired)" in repr(result)
    assert result.to_dict()["criteria"]["gtol"]["limit"] == 1e-8


@pytest.mark.parametrize(
    ("arguments", "fired"),
    [
        ({"method": "gd", "step_size": 0.25}, "gtol"),
        ({"method": "gd", "maxiter": 3}, "maxiter"),
        ({"method": "gd", "step_size": 1.0, "patience": 5}, "patience"),
        (LONG | {"time_limit": 0.05}, "time_limit"),
    ],
)
def test_which_criterion_fired(arguments, fired):
    result = minimize("x**2", 1.0, **arguments)
    assert [n for n, each in result.criteria.items() if each.fired] == [fired]


def test_a_time_limit_is_kept_to_a_slice(monkeypatch):
    now, advance = [0.0], RuleRun.advance

    def timed(self, last):
        begun = self.t
        status = advance(self, last)
        now[0] += 1e-6 * (self.t - begun)  # each iteration takes a microsecond
        return status

    monkeypatch.setattr(RuleRun, "advance", timed)
    clock = SimpleNamespace(perf_counter=lambda: now[0])
    monkeypatch.setattr("symgd.descent.driving.time", clock)
    result = minimize("x**2", 1.0, time_limit=0.3, **LONG)
    assert result.status == Status.TIME_LIMIT
    assert 0.3 <= result.seconds <= 0.3 + 1.01 * SLICE_SECONDS


# ------------------------------------------------------------------- interrupts


@pytest.fixture
def control_c():
    """Press Ctrl-C when told so, once, from another thread: it comes at any moment."""

    def wait_and_press():
        if told.wait(NET):
            os.kill(os.getpid(), signal.SIGINT)

    told = threading.Event()
    finger = threading.Thread(target=wait_and_press, daemon=True)
    finger.start()
    yield told.set
    assert told.is_set()
    finger.join()


@pytest.fixture
def control_c_on_the_way(control_c, monkeypatch):
    """Press Ctrl-C when some iterations are done."""
    for owner in (RuleRun, in_lanes._Lanes):

        def advanced(self, *arguments, advance=owner.advance):
            ended = advance(self, *arguments)
            if arguments[-1] > 0:  # the iteration reached, beyond the start
                control_c()
            return ended

        monkeypatch.setattr(owner, "advance", advanced)


@pytest.mark.usefixtures("control_c_on_the_way")
def test_control_c_ends_a_run():
    result = minimize("x**2", 1.0, **ENDLESS)
    assert result.status == Status.INTERRUPTED
    assert "interrupted after iteration" in result.message
    assert 0 < result.x[0] < 1
    assert result.fun == result.x[0] ** 2
    assert result.nit > 0


@pytest.mark.usefixtures("control_c_on_the_way")
def test_control_c_ends_many_runs():
    results = minimize_many("x**2", np.ones((5000, 1)), **ENDLESS)
    assert (results.status == Status.INTERRUPTED).all()
    begun = results.nit > 0
    assert begun.any()
    assert (results.fun[begun] == results.x[begun, 0] ** 2).all()
    one = int(np.flatnonzero(begun)[0])
    alone = minimize("x**2", 1.0, **(LONG | {"maxiter": int(results.nit[one])}))
    assert alone.x.tolist() == results[one].x.tolist()


def test_control_c_before_a_descent_began_leaves_no_numbers(monkeypatch):
    def none(self, active, start, last):
        self.shape.stop = 1
        advance(self, active, start, last)
        signal.raise_signal(signal.SIGINT)

    advance = in_lanes._Lanes.advance
    monkeypatch.setattr(in_lanes._Lanes, "advance", none)
    results = minimize_many("x**2", [[1.0], [2.0]], method="gd", workers=1)
    assert (results.status == Status.INTERRUPTED).all()
    assert np.isnan(results.fun).all()
    assert results.nit.tolist() == results.nfev.tolist() == [0, 0]


def test_control_c_ends_the_default_method_from_many_starts(monkeypatch):
    noted, note, advance = threading.Event(), Interrupts._note, in_turn._Loop.advance

    def seen(self, *arguments):
        note(self, *arguments)
        noted.set()

    def pressed(self, piece):
        left = advance(self, piece)
        if not noted.is_set():
            while not noted.wait(0.01):  # one may come just before the thread waits
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return left

    monkeypatch.setattr(Interrupts, "_note", seen)
    monkeypatch.setattr(in_turn._Loop, "advance", pressed)
    results = minimize_many(ROSENBROCK, np.tile(START, (10**4, 1)))
    ended = results.status == Status.CONVERGED
    assert 0 < ended.sum() < 10**4
    assert (results.status[~ended] == Status.INTERRUPTED).all()
    assert np.isnan(results.fun[~ended]).all()


@pytest.mark.usefixtures("control_c_on_the_way")
def test_control_c_ends_what_runs_start_by_start():
    wide = " + ".join(f"{i}*x{i}**2" for i in range(1, 120))
    run = ENDLESS | {"method": "momentum", "step_size": 1e-15}
    results = minimize_many(wide, np.ones((4, 119)), **run)
    assert (results.status == Status.INTERRUPTED).all()
    assert results.nit.max() > 0


def test_control_c_that_wakes_another_thread_is_heard(monkeypatch):
    def advanced(self, last):
        slices.append(self)
        if len(slices) == 40:  # the main thread sleeps by now
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        return advance(self, last)

    slices, advance = [], RuleRun.advance
    monkeypatch.setattr(RuleRun, "advance", advanced)
    wide = " + ".join(f"{i}*x{i}**2" for i in range(1, 120))
    run = ENDLESS | {"method": "momentum", "step_size": 1e-15}
    results = minimize_many(wide, np.ones((4, 119)), **run)
    assert (results.status == Status.INTERRUPTED).all()


def test_control_c_in_the_moment_of_the_end_is_not_lost():
    def strike(state):
        if state.t == 3:
            timer.start()
            timer.join()

    timer = threading.Thread(target=lambda: os.kill(os.getpid(), signal.SIGINT))
    with Interrupts() as interrupts:
        result = minimize("x**2", 1.0, method="gd", maxiter=3, callback=strike)
        assert interrupts.noted
        interrupts.answered = True
    assert result.status in (Status.MAXITER, Status.INTERRUPTED)
    with pytest.raises(KeyboardInterrupt), Interrupts():
        signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("control_c_on_the_way")
def test_control_c_ends_a_sweep():
    steps = np.linspace(1e-12, 1e-11, 500)
    grid = sweep("x**2", 1.0, **(ENDLESS | {"step_size": steps}))
    assert (grid.status == Status.INTERRUPTED).all()


def test_control_c_in_a_callback_ends_the_run(control_c):
    def slow(state):
        control_c()
        end = time.monotonic() + NET
        while time.monotonic() < end:  # in one long wait a signal may be missed
            time.sleep(0.001)

    result = minimize("x**2", 1.0, callback=slow, **ENDLESS)
    assert result.status == Status.INTERRUPTED


@pytest.mark.usefixtures("control_c_on_the_way")
def test_control_c_ends_a_run_and_the_one_whose_callback_made_it():
    def another(state):
        minimize("x**2", 1.0, **ENDLESS)

    result = minimize("x**2", 1.0, callback=another, **ENDLESS)
    assert result.status == Status.INTERRUPTED


def test_a_second_control_c_is_raised(monkeypatch):
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGINT)
        assert interrupts.noted
        signal.raise_signal(signal.SIGINT)  # the same, for the process and its group
        monkeypatch.setattr("symgd.native.interrupts.SOON", 0.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        interrupts.answered = True
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_user_is_left_alone():
    mine, seen = signal.getsignal(signal.SIGINT), []
    signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGINT)
        assert seen == [1]
        assert not interrupts.noted
    finally:
        signal.signal(signal.SIGINT, mine)


def test_runs_in_other_threads_need_no_signals():
    results = []
    thread = threading.Thread(target=lambda: results.append(minimize("x**2", 1.0)))
    thread.start()
    thread.join()
    assert results[0].success


# --------------------------------------------------------------------- progress


def test_progress_shows_value_gradient_and_rate(capsys):
    minimize("x**2", 1.0, method="gd", progress=True)
    error = capsys.readouterr().err
    for part in ("iterations", "f = ", "gradient ", "/s"):
        assert part in error


def test_progress_of_many(capsys):
    for method in ("auto", "gd"):
        minimize_many("x**2", [[1.0]] * 5, method=method, progress=True)
        captured = capsys.readouterr()
        assert "5 of 5" in captured.err
        assert not captured.out


# ------------------------------------------------------------------ checkpoints


@pytest.mark.parametrize("method", METHODS)
def test_a_run_in_two_parts_is_the_run(method, tmp_path):
    run = {"objective": "cosh(x) + 3*y**2 + x*y", "x0": START, "method": method}
    run |= {"trace": True, "gtol": 0.0}
    if method == "gd with automatic steps":
        run |= {"method": "gd", "step_size": "auto"}
    whole = minimize(maxiter=6, **run)
    half = minimize(maxiter=3, checkpoint=tmp_path / "c", **run)
    assert half.nit == 3
    rest = minimize(maxiter=6, checkpoint=tmp_path / "c", **run)
    same(whole, rest)
    assert [file.name for file in tmp_path.iterdir()] == ["c"]


def test_the_default_method_goes_on_in_each_of_its_stages(tmp_path, monkeypatch):
    monkeypatch.setattr("symgd.descent.solver_run.LBFGS_ITERATIONS", 10)
    monkeypatch.setattr("symgd.descent.solver_run.NEWTON_ITERATIONS", 5)
    whole = minimize(ROSENBROCK, START, gtol=0.0, maxiter=60)
    for maxiter in range(1, 61):
        parts = minimize(
            *(ROSENBROCK, START),
            gtol=0.0,
            maxiter=maxiter,
            checkpoint=tmp_path / "c",
        )
        if parts.status != Status.MAXITER:
            break
    same(whole, parts)


def test_a_run_that_was_near_its_end_goes_on_where_more_is_allowed(tmp_path):
    text, start = "(1 - x)**2 + 100*(y - x**2)**2 + (z - y)**4", [-1.2, 1.0, 3.0]
    whole = minimize(text, start)
    near = 0
    for most in range(whole.nit - 3, whole.nit):
        file = tmp_path / f"{most}"
        near += minimize(text, start, maxiter=most, checkpoint=file).success
        same(whole, minimize(text, start, checkpoint=file))
    assert near  # a success, though not all iterations were made


def test_what_has_ended_is_returned_again(tmp_path):
    run = {"method": "gd", "checkpoint": tmp_path / "c"}
    first = minimize("x**2", 1.0, **run)
    same(first, minimize("x**2", 1.0, **run))
    diverged = {"method": "gd", "step_size": 3.0, "checkpoint": tmp_path / "d"}
    same(minimize("x**2", 1.0, **diverged), minimize("x**2", 1.0, **diverged))


def test_a_deleted_checkpoint_begins_again(tmp_path):
    file, run = tmp_path / "c", {"method": "gd", "step_size": 1e-3}
    minimize("x**2", 1.0, maxiter=5, checkpoint=file, **run)
    (tmp_path / "c.previous").write_bytes(file.read_bytes())
    file.unlink()
    assert minimize("x**2", 1.0, maxiter=2, checkpoint=file, **run).nit == 2
    assert [each.name for each in tmp_path.iterdir()] == ["c"]


def test_a_random_start_is_kept(tmp_path):
    run = {"bounds": [(-2, 2)] * 2, "rng": 5, "method": "gd", "step_size": 1e-4}
    whole = minimize(ROSENBROCK, maxiter=20, **run)
    minimize(ROSENBROCK, maxiter=10, checkpoint=tmp_path / "c", **run)
    same(whole, minimize(ROSENBROCK, maxiter=20, checkpoint=tmp_path / "c", **run))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"objective": "x**2 + y**2"}, "formula"),
        ({"method": "momentum"}, "method"),
        ({"step_size": 0.02}, "hyperparameters"),
        ({"x0": [1.0, 2.0]}, "start"),
        ({"bounds": [(-9, 9), (-9, 9)]}, "bounds"),
        ({"gtol": 1e-3}, "gtol"),
        ({"trace": True}, "trace"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused(change, what, tmp_path):
    run = {"objective": ROSENBROCK, "x0": START, "method": "gd", "step_size": 1e-4}
    minimize(maxiter=3, checkpoint=tmp_path / "c", **run)
    before = (tmp_path / "c").read_bytes()
    if "method" in change:
        run.pop("step_size")
    with pytest.raises(InputError, match=f"of another run: its {what} is"):
        minimize(maxiter=6, checkpoint=tmp_path / "c", **(run | change))
    assert (tmp_path / "c").read_bytes() == before


def test_the_checkpoint_of_another_version_is_refused(tmp_path, monkeypatch):
    run = {"method": "gd", "maxiter": 3, "checkpoint": tmp_path / "c"}
    minimize("x**2", 1.0, **run)
    monkeypatch.setattr("symgd.descent.optimize.__version__", "9.9")
    with pytest.raises(InputError, match=r"its version is .*, not 9\.9"):
        minimize("x**2", 1.0, **run)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_checkpoint_is_refused_and_the_one_before_used(damage, tmp_path):
    file, previous = tmp_path / "c", tmp_path / "c.previous"
    run = {"method": "momentum", "trace": True}
    whole = minimize("x**2", 1.0, maxiter=9, **run)
    minimize("x**2", 1.0, maxiter=3, checkpoint=file, **run)
    good = file.read_bytes()
    middle = good.index(b'"identity"')
    bad = {
        "cut": good[:-40],
        "flipped": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :],
        "empty": b"",
        "text": b"my precious notes",
    }[damage]
    file.write_bytes(bad)
    with pytest.raises(InputError, match=r"damaged.*delete it to begin again"):
        minimize("x**2", 1.0, maxiter=9, checkpoint=file, **run)
    assert file.read_bytes() == bad
    previous.write_bytes(good)
    with pytest.warns(RuntimeWarning, match="the one before"):
        same(whole, minimize("x**2", 1.0, maxiter=9, checkpoint=file, **run))


def test_a_run_goes_on_where_no_checkpoint_can_be_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("symgd.descent.checkpoints._write", full)
    with pytest.warns(RuntimeWarning, match="could not be written.*No space"):
        result = minimize("x**2", 1.0, checkpoint=tmp_path / "c")
    assert result.success
    assert not list(tmp_path.iterdir())


KILLED = """
import sys
from symgd import minimize
from symgd.descent import checkpoints
checkpoints.SECONDS, checkpoints.SHARE = 0.0, 1.0
write, file, method = checkpoints._write, *sys.argv[1:]
def telling(*arguments):
    print("writing", flush=True)
    write(*arguments)
    print("written", flush=True)
checkpoints._write = telling
run = {"method": method, "maxiter": int(3e7), "gtol": 0.0, "trace": 10**6}
result = minimize("x**2 + 3*y**2 + 4", [1.0, 1.0], checkpoint=file, **run)
print(result.x.tobytes().hex(), result.trace.x.tobytes().hex(), result.nit)
"""


def test_killed_at_random_moments_a_run_comes_to_the_same_bits(tmp_path):
    moments, file = random.Random(0), tmp_path / "run.npz"

    def process(method):
        command = [sys.executable, "-c", KILLED, str(file), method]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def end(running):
        printed, _ = running.communicate()
        assert running.returncode == 0
        file.unlink()
        return printed.splitlines()[-1]

    for method in ("adam", "momentum"):
        expected = end(process(method))
        for _ in range(3):
            running = process(method)
            for _ in range(moments.randint(1, 9)):
                last = running.stdout.readline()
            if last.startswith("writ"):
                running.kill()
                running.communicate()
            else:
                assert end(running) == expected
        assert end(process(method)) == expected
