"""A fit is a run: it can be traced, watched, stopped, stored and raced."""

import json
import signal
import warnings

import numpy as np
import pytest

from symgd import InputError, Result, Status, fit
from symgd.descent import checkpoints
from symgd.fitting.fit_run import FitRun
from symgd.fitting.starts import Search
from symgd.native.quadratic import TrustRegion

MODEL = "h*exp(-((t - m)/s)**2) + k*t"
NEAR = {"h": 1, "k": 0, "m": 3, "s": 1}
FAR = NEAR | {"m": 30, "s": 0.1}  # from where nothing is seen
LOSSES = ["squared", "huber", "absolute", "abs(r)**1.5"]
STARTS = {"searched": None, "near": NEAR, "far": FAR}
PLACES = list(TrustRegion.kinds())


def table(count=200):
    rng, t = np.random.default_rng(0), np.linspace(0, 10, count)
    y = 3 * np.exp(-(((t - 4) / 1.3) ** 2)) + 0.5 * t
    return {"t": t, "y": y + 0.1 * rng.standard_normal(count)}


DATA = table()


def assert_same(one, other):
    for name in ("fun", "status", "message", "nit", "nfev", "note", "start_source"):
        assert getattr(one, name) == getattr(other, name), name
    assert one.x.tolist() == other.x.tolist()
    assert one.start.tolist() == other.start.tolist()
    for name in one.trace:
        np.testing.assert_array_equal(one.trace[name], other.trace[name])


# ----------------------------------------------------------------------- the trace


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_trace_is_of_the_sum_that_is_fitted(loss, start):
    found = fit(MODEL, DATA, "y", STARTS[start], loss=loss, trace=True)
    trace = found.trace
    assert trace.names == ("t", "x", "fun", "grad_norm", "offset")
    assert trace.t.tolist() == list(range(found.nit + 1))
    assert trace.x[0].tolist() == found.start.tolist()
    assert trace.x[-1].tolist() == found.x.tolist()
    values = [found.objective.value(x) for x in trace.x]
    np.testing.assert_allclose(trace.fun, values, rtol=1e-9)
    assert trace.fun[-1] == pytest.approx(found.fun, rel=1e-12)


def test_a_trace_keeps_each_so_many_steps_and_changes_nothing():
    plain = fit(MODEL, DATA, "y", NEAR)
    found = fit(MODEL, DATA, "y", NEAR, trace=3)
    assert plain.trace is None
    assert found.trace.t.tolist() == list(range(0, found.nit + 1, 3))
    assert found.x.tolist() == plain.x.tolist()
    assert (found.nit, found.nfev) == (plain.nit, plain.nfev)


def test_what_a_sample_of_the_rows_tells_is_not_in_the_trace():
    found = fit(MODEL, table(30_000), "y", NEAR, trace=True)
    assert found.trace.t.tolist() == list(range(found.nit + 1))
    assert found.trace.x[0].tolist() == found.start.tolist()


# ---------------------------------------------------------------------- a callback


@pytest.mark.parametrize("loss", LOSSES)
def test_a_callback_is_told_each_step(loss):
    states = []
    found = fit(
        *(MODEL, DATA, "y", NEAR),
        loss=loss,
        trace=True,
        callback=states.append,
        callback_every=1,
    )
    assert [state.t for state in states] == list(range(found.nit + 1))
    assert states[-1].values == found.values
    for state in states:
        value, slopes = found.objective.value_and_grad(state.x)
        assert state.fun == pytest.approx(value, rel=1e-9)
        assert state.grad_norm == pytest.approx(abs(slopes).max(), rel=1e-6, abs=1e-7)
    assert states[0]["offset"] == pytest.approx(np.full(4, found.trace["offset"][0]))


@pytest.mark.parametrize("how", ["True", "StopIteration"])
def test_a_callback_stops_a_fit(how):
    def stop(state):
        if state.t == 2 and how == "StopIteration":
            raise StopIteration
        return state.t == 2

    found = fit(MODEL, DATA, "y", NEAR, callback=stop, callback_every=1)
    assert (found.status, found.success, found.nit) == (Status.INTERRUPTED, False, 2)
    assert "stopped by the callback after iteration 2" in found.message
    whole = fit(MODEL, DATA, "y", NEAR, trace=True)
    assert found.x.tolist() == whole.trace.x[2].tolist()


def test_rules_and_lbfgs_are_watched_too():
    for method in ("lbfgs", "adam"):
        seen = []
        found = fit(
            *("a + b*t", DATA, "y", [0, 0]),
            method=method,
            maxiter=5,
            trace=True,
            callback=seen.append,
            callback_every=1,
        )
        assert len(found.trace) == len(seen) == found.nit + 1


def test_another_method_begins_where_it_is_told(monkeypatch):
    monkeypatch.setattr(FitRun, "begin", None)
    found = fit("a + b*t", DATA, "y", [0, 0], method="lbfgs", loss="huber")
    assert found.success
    assert found.scale != 1.0
    assert found.start.tolist() == [0, 0]


# ---------------------------------------------------------------- one set of names


def test_a_fit_speaks_as_a_result_does():
    found = fit(MODEL, DATA, "y", NEAR, bounds={"k": (0, 9)}, trace=True)
    told = found.result
    assert isinstance(told, Result)
    for name in ("fun", "nit", "nfev", "njev", "status", "success", "message"):
        assert getattr(found, name) == getattr(told, name)
    for name in ("method", "values", "variables", "seconds", "criteria", "grad_norm"):
        assert getattr(found, name) == getattr(told, name)
    for name in ("x", "jac", "start", "bounds"):
        assert getattr(found, name).tolist() == getattr(told, name).tolist()
    assert found.values == found.parameters
    assert told.kind == "minimum"
    assert found.criteria["gtol"].reached == found.offset
    gradient = found.objective.value_and_grad(found.x)[1]
    np.testing.assert_allclose(found.jac, gradient, rtol=1e-6, atol=1e-9)


def test_the_way_of_a_fit_is_drawn_as_that_of_a_run():
    found = fit("a*exp(-b*t)", DATA, "y", [1, 1], trace=True)
    assert found.plot(kind="convergence").get_ylabel()
    assert found.plot(kind="contour").get_xlabel() == "a"
    assert found.plot().get_xlabel() == "t"


# -------------------------------------------------------------------- checkpoints


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_fit_in_pieces_is_the_same_fit(loss, start, tmp_path):
    asked = (MODEL, DATA, "y", STARTS[start])
    options = {"loss": loss, "trace": True}
    whole = fit(*asked, **options)
    options |= {"checkpoint": tmp_path / "fit.npz", "callback_every": 1}
    for _piece in range(3 * whole.nfev):
        calls = iter([False, False])
        part = fit(*asked, **options, callback=lambda _, c=calls: next(c, True))
        if part.status != Status.INTERRUPTED:
            break
    assert_same(part, whole)
    assert_same(fit(*asked, **options), whole)


@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_why_a_start_was_refused_is_known_after_a_checkpoint(loss, tmp_path):
    asked = ("a/(t - b)", DATA, "y", [1.0, 0.0])
    whole = fit(*asked, loss=loss)
    assert "another was searched" in whole.note
    options = {"loss": loss, "checkpoint": tmp_path / "fit.npz"}
    part = fit(*asked, **options, maxiter=2)
    assert part.note.startswith("the start can't be used")
    done = fit(*asked, **options)
    assert (done.note, done.x.tolist()) == (whole.note, whole.x.tolist())


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("loss", LOSSES)
def test_who_watches_a_fit_changes_nothing(loss, start):
    asked = (MODEL, DATA, "y", STARTS[start])
    plain, seen = fit(*asked, loss=loss), []
    watched = fit(*asked, loss=loss, callback=seen.append, callback_every=1)
    for name in ("fun", "status", "message", "nit", "nfev", "offset", "note"):
        assert getattr(watched, name) == getattr(plain, name), name
    assert watched.x.tolist() == plain.x.tolist()
    given = STARTS[start]
    first = plain.start.tolist() if given is None else list(given.values())
    assert (seen[0].t, seen[0].x.tolist()) == (0, first)


@pytest.mark.parametrize("loss", LOSSES)
def test_more_iterations_than_were_allowed_go_on(loss, tmp_path):
    asked = (MODEL, DATA, "y", FAR)
    options = {"loss": loss, "trace": True}
    whole = fit(*asked, **options)
    options |= {"checkpoint": tmp_path / "fit.npz"}
    for maxiter in (0, 1, 4, 9):
        part = fit(*asked, **options, maxiter=maxiter)
        assert part.nit <= maxiter
    assert_same(fit(*asked, **options), whole)


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"model": MODEL + " + 1"}, "model"),
        ({"data": table(201)}, "data"),
        ({"data": DATA | {"y": DATA["y"] + 1}}, "data"),
        ({"x0": FAR}, "start"),
        ({"x0": {"m": 3}}, "start"),
        ({"loss": "absolute"}, "loss"),
        ({"loss": "huber", "huber_delta": 2}, "loss"),
        ({"bounds": {"k": (0, 1)}}, "bounds"),
        ({"gtol": 1e-6}, "gtol"),
        ({"rng": 1}, "rng"),
        ({"sigma": 2.0}, "columns"),
        ({"trace": True}, "trace"),
    ],
)
def test_the_checkpoint_of_another_fit_is_refused(other, what, tmp_path):
    asked = {"model": MODEL, "data": DATA, "target": "y", "x0": NEAR, "loss": "huber"}
    asked["checkpoint"] = tmp_path / "fit.npz"
    fit(**asked)
    with pytest.raises(InputError, match=f"of another run: its {what} is"):
        fit(**asked | other)


def forged(file, change, facts=None):
    read, arrays = checkpoints._read(file)
    facts = read if facts is None else facts
    facts = json.loads(json.dumps(facts))
    arrays = {name: numbers.copy() for name, numbers in arrays.items()}
    change(facts["plan"], arrays)
    words = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    digest = np.frombuffer(checkpoints._digest(words.tobytes(), arrays), np.uint8)
    np.savez(file, facts=words, digest=digest, **arrays)


def set_count(name, number):
    return lambda _, arrays: arrays["counters"].__setitem__(PLACES.index(name), number)


def set_number(name, number):
    def change(_, arrays):
        arrays["counters"].view("f8")[PLACES.index(name)] = number

    return change


FORGERIES = [
    *(set_count(name, 2) for name in ("place", "made", "known", "first", "blocks")),
    *(set_count(name, 2) for name in ("sized", "strict")),
    *(set_number("floor", floor) for floor in (np.nan, 1.0)),
    *(set_count(name, -1) for name in ("t", "evaluations", "variables", "slice")),
    *(set_number(name, np.nan) for name in ("value", "radius", "offset", "gtol")),
    lambda _, arrays: arrays["space"].fill(np.nan),
    lambda _, arrays: arrays["models"].fill(np.inf),
    lambda _, arrays: arrays["origin"].fill(np.nan),
    lambda _, arrays: arrays.update(space=arrays["space"][:-1]),
    lambda _, arrays: arrays.update(recorded=arrays["recorded"][:-1]),
    lambda _, arrays: arrays.pop("models"),
    lambda plan, _: plan.clear(),
    lambda plan, _: plan.update(ends=3),
    lambda plan, _: plan.update(ends=[]),
    lambda plan, _: plan.update(turn=10**9),
    lambda plan, _: plan.update(over=True),
    lambda plan, _: plan.update(scale=float("nan")),
    lambda plan, _: plan.update(scale=-1.0),
    lambda plan, _: plan["ends"].extend(9 * plan["ends"]),
    lambda plan, _: plan["ends"][0].update(x=[1.0]),
    lambda plan, _: plan["ends"][0].update(x=4 * [float("nan")]),
    lambda plan, _: plan["ends"][0].update(nit=-1),
    lambda plan, _: plan["ends"][0].update(offset=float("nan")),
    lambda plan, _: plan["ends"][0].update(status=99),
    lambda plan, _: plan["ends"].insert(0, {"start": None}),
]


@pytest.mark.parametrize("change", FORGERIES)
def test_no_forged_checkpoint_is_taken(change, tmp_path):
    file = tmp_path / "fit.npz"
    asked = {"model": MODEL, "data": DATA, "target": "y", "x0": NEAR, "loss": "huber"}
    asked |= {"checkpoint": file, "trace": True}
    fit(**asked, callback=lambda state: state.t == 9, callback_every=1)
    forged(file, lambda *_: None)
    kept = file.read_bytes()
    assert fit(**asked).success
    file.write_bytes(kept)
    forged(file, change)
    with pytest.raises(InputError, match="is no checkpoint of symgd, or a damaged one"):
        fit(**asked)


def test_a_forged_success_is_none(tmp_path):
    file = tmp_path / "fit.npz"
    asked = {"model": MODEL, "data": DATA, "target": "y", "x0": NEAR}
    asked |= {"checkpoint": file}
    fit(**asked, callback=lambda state: state.t == 2, callback_every=1)
    for status in (Status.CONVERGED, Status.TARGET_REACHED, Status.STALLED):
        facts, _ = checkpoints._read(file)
        forged(file, lambda *_: None, {**facts, "status": int(status)})
        assert not fit(**asked).success


# ---------------------------------------------------------------------- interrupts


def test_control_c_leaves_the_best_so_far(monkeypatch):
    advance = FitRun.advance

    def pressed(self, last):
        status = advance(self, last)
        if self.t == 2:
            signal.raise_signal(signal.SIGINT)
        return status

    monkeypatch.setattr(FitRun, "advance", pressed)
    found = fit(MODEL, DATA, "y", NEAR, callback=lambda _: None, callback_every=1)
    assert (found.status, found.nit) == (Status.INTERRUPTED, 2)
    assert "interrupted after iteration 2" in found.message
    assert np.isfinite(list(found.standard_errors.values())).all()


@pytest.mark.parametrize("x0", [None, FAR])
def test_control_c_during_a_search_leaves_the_best_so_far(x0, monkeypatch):
    refined, ends = Search._refined, []

    def pressed(self, x):
        if len(ends) == 2:
            signal.raise_signal(signal.SIGINT)
        ends.append(refined(self, x))
        return ends[-1]

    monkeypatch.setattr(Search, "_refined", pressed)
    found = fit(MODEL, DATA, "y", x0)
    assert found.status == Status.INTERRUPTED
    assert len(ends) == 2
    assert "interrupted" in found.message
    assert np.isfinite(found.fun)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_control_c_before_anything_is_known_is_raised(monkeypatch):
    def pressed(self, x):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Search, "_refined", pressed)
    with pytest.raises(KeyboardInterrupt):
        fit(MODEL, DATA, "y")


# --------------------------------------------------------------------------- races


@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_methods_race_on_the_sum_of_a_fit(loss):
    found = fit(MODEL, DATA, "y", NEAR, loss=loss)
    target = found.fun * (1 + 1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = found.race(["auto", "lbfgs", "adam"], target=target, maxiter=50)
    assert list(done) == ["auto", "lbfgs", "adam"]
    for label in ("auto", "lbfgs"):
        assert done[label].success
        assert done[label].fun <= target
    assert done["auto"].method == "levenberg_marquardt"
    assert done["auto"].trace.t[-1] == done["auto"].nit
    assert done["adam"].status == Status.MAXITER
    assert done["lbfgs"].start.tolist() == found.start.tolist()


def test_without_a_target_a_race_repeats_the_fit():
    found = fit(MODEL, DATA, "y", NEAR, trace=True)
    again = found.race(["levenberg_marquardt"])["levenberg_marquardt"]
    assert again.x.tolist() == found.x.tolist()
    assert (again.nit, again.nfev, again.status) == (found.nit, found.nfev, 0)
    assert again.trace.x.tolist() == found.trace.x.tolist()
    with pytest.raises(InputError, match="unknown method 'newton'"):
        found.race(["newton"])
