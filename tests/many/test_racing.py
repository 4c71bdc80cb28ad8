"""Races: the runs are those of minimize; who takes part, who wins, what is drawn."""

from __future__ import annotations

import csv
import itertools
import json
import signal

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

matplotlib.use("Agg")

import matplotlib.pyplot as plt

import symgd
from symgd import InputError, Objective, Race, Rule, Status, minimize, race
from symgd.descent.trajectory_run import RuleRun
from symgd.many import racing
from symgd.native import compiled
from symgd.plotting.door import save
from symgd.plotting.race_curves import plot

BOWL = "x**2 + 3*y**2"
HEAVY = Rule("heavy", "m = beta*m + g\nx = x - rate*m", rate=0.01, beta=0.9)
QUICK = {"step_size": 0.2}


@pytest.fixture(scope="module")
def bowl():
    return Objective(BOWL)


@pytest.fixture(scope="module")
def done(bowl):
    """Return a race with a winner, a slow one, one that is too slow, and one lost."""
    methods = {
        "lost": ("gd", {"step_size": 1.0}),
        "slow": "gd",
        "too slow": ("gd", {"step_size": 1e-4}),
        "quick": ("gd", QUICK),
    }
    return race(bowl, [1, -2], methods, maxiter=2000)


# ------------------------------------------------------------------- the runs


def test_the_runs_are_those_of_minimize(bowl):
    methods = ["auto", "gd", ("momentum", {"momentum": 0.5}), (HEAVY, {"rate": 0.1})]
    raced = race(bowl, [1, -2], methods)
    assert list(raced) == ["auto", "gd", "momentum", "heavy"]
    alone = [
        minimize(bowl, [1, -2], trace=True),
        minimize(bowl, [1, -2], method="gd", trace=True),
        minimize(bowl, [1, -2], method="momentum", momentum=0.5, trace=True),
        minimize(bowl, [1, -2], method=HEAVY, rate=0.1, trace=True),
    ]
    for (label, ours), theirs in zip(raced.items(), alone, strict=True):
        assert ours is raced[label] is raced.results[label]
        assert theirs.success
        for name in ("fun", "nit", "nfev", "status", "message", "hyperparameters"):
            assert ours[name] == theirs[name]
        for name in ("x", "jac", "start"):
            np.testing.assert_array_equal(ours[name], theirs[name])
        for name in theirs.trace.names:
            np.testing.assert_array_equal(ours.trace[name], theirs.trace[name])
        assert raced.traces[label] is ours.trace
        assert ours.seconds == raced.seconds[label]
    assert raced.start == {"x": 1.0, "y": -2.0}


@pytest.mark.parametrize("seed", [5, np.random.default_rng])
def test_a_start_is_chosen_once(bowl, seed):
    def rng():
        return seed if isinstance(seed, int) else seed(3)

    bounds = {"x": (-1, 1), "y": (1, 2)}
    raced = race(bowl, None, ["gd", "momentum"], bounds=bounds, rng=rng())
    alone = minimize(bowl, method="momentum", bounds=bounds, rng=rng())
    for result in raced.values():
        assert result.start.tolist() == alone.start.tolist()
        assert result.start_source == alone.start_source
        assert result.bounds.tolist() == alone.bounds.tolist()
    assert raced["momentum"].x.tolist() == alone.x.tolist()


def test_nothing_is_recorded_in_the_time_of_a_run(monkeypatch):
    timed, every = racing._timed, []

    def measured(run, start):
        every.append(run.settings.every)
        return timed(run, start)

    monkeypatch.setattr(racing, "_timed", measured)
    raced = race("x**2 + 5*y**4", [1, 1], ["gd"], maxiter=1000)
    assert every == [0]
    assert raced.seconds["gd"] > 0
    assert len(raced["gd"].trace) == 1001


def test_nothing_is_compiled_in_a_run(monkeypatch):
    timed, kernel, running = racing._timed, compiled.kernel, []

    def measured(*arguments):
        running.append(True)
        ended = timed(*arguments)
        running.pop()
        return ended

    def made(parts, signature, build):
        def built():
            assert not running
            return build()

        return kernel(parts, signature, built)

    monkeypatch.setattr(racing, "_timed", measured)
    monkeypatch.setattr(compiled, "kernel", made)
    # The default method goes on to Newton's, the rule has a state that begins with x.
    rule = Rule("raced", "y = y - 0.001*g\nx = y", initial={"y": "x"})
    raced = race("exp(x) - 3*x + (y**2 - 2)**2", [1, 1], ["auto", rule], gtol=0)
    assert raced["auto"].success


def test_traces_can_be_thinned_and_left_out(bowl):
    thin = race(bowl, [1, -2], ["gd"], maxiter=100, trace=25)
    assert thin["gd"].trace.t.tolist() == [0, 25, 50, 75, 100]
    none = race(bowl, [1, -2], ["gd"], trace=False)
    assert none["gd"].trace is None
    assert none.traces == {}


def test_a_run_that_is_cut_has_its_trace(bowl):
    forever = {"gtol": 0.0, "maxiter": 10**9, "trace": 10**5, "time_limit": 0.05}
    raced = race(bowl, [1, -2], [("momentum", {"step_size": 1e-12})], **forever)
    result = raced["momentum"]
    assert result.status == Status.TIME_LIMIT
    assert raced.seconds["momentum"] >= 0.05
    last = result.nit // 10**5 * 10**5
    assert result.trace.t.tolist() == list(range(0, last + 1, 10**5))
    again = {"method": "momentum", "step_size": 1e-12, "gtol": 0.0}
    alone = minimize(bowl, [1, -2], maxiter=result.nit, **again)
    assert alone.x.tolist() == result.x.tolist()


def test_an_online_objective_is_for_rules_only():
    moving = Objective("(x - 1/t)**2", iteration="t")
    assert "auto" not in racing.everybody(moving)
    raced = race(moving, [3], ["gd"], maxiter=50)
    assert raced["gd"].status == Status.MAXITER
    assert raced.fastest is None
    assert " to gtol" not in repr(raced)
    with pytest.raises(InputError, match="needs an update rule"):
        race(moving, [3], ["gd", "auto"])


# --------------------------------------------------------------- who takes part


@pytest.mark.parametrize(
    ("methods", "labels"),
    [
        (["gd", ("gd", QUICK)], ["gd step_size=0.01", "gd step_size=0.2"]),
        ([("gd", QUICK)], ["gd"]),
        (
            [("gd", {"step_size": 1}), ["gd", {"step_size": "0.1/t"}], "momentum"],
            ["gd step_size=1", "gd step_size=0.1/t", "momentum"],
        ),
        (
            ["momentum", ("momentum", {**QUICK, "momentum": 0.5}), HEAVY],
            [
                "momentum step_size=0.01, momentum=0.9",
                "momentum step_size=0.2, momentum=0.5",
                "heavy",
            ],
        ),
        ({"a": "gd", "b": "gd", 3: (HEAVY, {})}, ["a", "b", "3"]),
    ],
)
def test_labels(bowl, methods, labels):
    assert list(race(bowl, [1, -2], methods, maxiter=3)) == labels


def test_shared_hyperparameters_go_to_those_that_have_them(bowl):
    methods = ["auto", "gd", ("momentum", {"step_size": 0.3}), HEAVY]
    raced = race(bowl, [1, -2], methods, maxiter=3, step_size=0.1, momentum=0.2)
    given = {label: result.hyperparameters for label, result in raced.items()}
    assert given == {
        "auto": {},
        "gd": {"step_size": 0.1},
        "momentum": {"step_size": 0.3, "momentum": 0.2},
        "heavy": {"rate": 0.01, "beta": 0.9},
    }


@pytest.mark.parametrize(
    ("methods", "options", "message"),
    [
        (["gd", "adm"], {}, r"unknown method 'adm' \(did you mean 'adam'\?\)"),
        (["gd", 3], {}, "unknown method 3"),
        (["adam", ("gd", {"stepsize": 1})], {}, "did you mean 'step_size'"),
        ([("auto", QUICK)], {}, "'auto' has no hyperparameters"),
        (["gd", "gd"], {}, "the race has 'gd' twice"),
        (["gd", ("gd", {"step_size": 0.010})], {}, "the race has 'gd' twice"),
        ([("gd", {"step_size": 1}), "gd"], {"step_size": 1.0}, "'gd' twice"),
        ({1: "gd", "1": "auto"}, {}, "the race has '1' twice"),
        ([HEAVY, Rule("heavy", "x = x - g")], {"gtol": -1}, "gtol must be"),
        ([], {}, "methods is empty"),
        ("gd", {}, r"methods takes a list, such as \['gd', 'adam'\]"),
        (3, {}, "methods takes a list"),
        ([("gd",)], {}, "or a pair of one of them"),
        ([("gd", 0.1)], {}, "or a pair of one of them"),
        (["gd"], {"momentum": 0.9}, "unknown hyperparameter of the race 'momentum'"),
        (["auto"], {"step_size": 1}, "no method of the race has any"),
        (["gd"], {"method": "adam"}, "methods="),
        (["gd"], {"maxiter": -1}, "maxiter must be"),
        (["gd"], {"bounds": {"z": (0, 1)}}, "unknown variable in bounds 'z'"),
        (["gd"], {"x0": [1, 2, 3]}, r"x0 has shape \(3,\)"),
        (["gd"], {"x0": {"x": 1}}, "x0 has no value for y"),
    ],
)
def test_what_cannot_be_raced_is_refused_at_once(
    bowl, methods, options, message, monkeypatch
):
    monkeypatch.setattr(
        "symgd.native.compiled.kernel", lambda *_: pytest.fail("compiled")
    )
    with pytest.raises(InputError, match=message):
        race(bowl, options.pop("x0", [1, -2]), methods, **options)


def test_nothing_runs_before_all_values_are_read(bowl, monkeypatch):
    monkeypatch.setattr(racing, "drive", lambda *_: pytest.fail("a run"))
    with pytest.raises(ValueError, match="unknown name 'q'; known: t"):
        race(bowl, [1, -2], ["gd", ("momentum", {"step_size": "1/q"})])


def test_a_start_where_f_is_not_finite_is_refused():
    with pytest.raises(InputError, match=r"the start can't be used: at x = 0\.0, f is"):
        race("log(x) + x", [0], ["gd", "momentum"])


# ----------------------------------------------------------------- the outcome


def ended(status, seconds, fun):
    """Return a run that pretends to have ended like that."""
    result = minimize(BOWL, [1, -2], method="gd", maxiter=0)
    result.status, result.seconds, result.fun = status, seconds, fun
    return result


def test_the_ranking():
    raced = Race(
        {
            "lost": ended(Status.DIVERGED, 0.1, -1e9),
            "far": ended(Status.MAXITER, 0.1, 3.0),
            "near": ended(Status.STALLED, 9.0, 2.0),
            "second": ended(Status.CONVERGED, 2.0, 1.0),
            "first": ended(Status.CONVERGED, 1.0, 1.5),
        },
        {"x": 1.0},
    )
    assert raced.ranking == ["first", "second", "near", "far", "lost"]
    assert [row["label"] for row in raced.table()] == raced.ranking
    assert raced.fastest == "first"
    assert raced.best_label == "second"
    assert raced.best is raced["second"]


def test_a_target_comes_before_the_tolerance():
    quick, target = (
        ended(Status.CONVERGED, 1.0, 5.0),
        ended(Status.TARGET_REACHED, 2.0, 1.0),
    )
    raced = Race({"quick": quick, "target": target}, {})
    assert raced.ranking == ["target", "quick"]
    assert raced.fastest == "target"


def test_of_the_same_values_the_fastest_is_the_best():
    slow = ended(Status.CONVERGED, 2.0, 7.0)
    quick = ended(Status.CONVERGED, 1.0, 7.0 + 1e-9)
    assert Race({"slow": slow, "quick": quick}, {}).best_label == "quick"
    quick.fun = 7.0 + 1e-7
    assert Race({"slow": slow, "quick": quick}, {}).best_label == "slow"
    lost = [ended(Status.DIVERGED, 1.0, f) for f in (2.0, 1.0)]
    raced = Race(dict(zip("ab", lost, strict=True)), {})
    assert (raced.fastest, raced.best) == (None, lost[0])


def test_what_diverges_is_a_row(done):
    assert set(done.ranking[:2]) == {"quick", "slow"}
    assert done.ranking[2:] == ["too slow", "lost"]
    assert done["lost"].status == Status.DIVERGED
    rows = {row["label"]: row for row in done.table()}
    assert rows["quick"]["nit_to_gtol"] == rows["quick"]["nit"] == done["quick"].nit
    assert rows["quick"]["seconds_to_gtol"] == done.seconds["quick"]
    assert rows["too slow"]["nit"] == 2000
    assert rows["too slow"]["nit_to_gtol"] is rows["lost"]["seconds_to_gtol"] is None
    assert rows["lost"]["status"] == "DIVERGED"
    assert (rows["lost"]["success"], rows["slow"]["success"]) == (False, True)


def test_as_text_json_and_csv(done, tmp_path):
    first, _, *table = repr(done).splitlines()
    assert first == "race of 4 methods from x = 1, y = -2 to gtol = 1e-08"
    assert len({len(line) for line in table}) == 1
    assert table[0].split()[:3] == ["method", "status", "iterations"]
    assert [line.split("  ")[0] for line in table[1:]] == done.ranking
    assert f" {done['slow'].nit} " in repr(done)

    record = json.loads(json.dumps(done.to_dict()))
    assert record["table"] == done.table()
    assert record["fastest"] == done.fastest
    assert (record["success"], record["missing"]) == (True, [])
    assert record["start"] == {"x": 1, "y": -2}
    assert record["results"]["lost"]["status"] == "DIVERGED"

    file = tmp_path / "race.csv"
    done.to_csv(file)
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert [row["label"] for row in rows] == done.ranking
    assert float(rows[-1]["fun"]) == done["lost"].fun
    assert rows[-1]["nit_to_gtol"] == ""


def test_a_race_is_a_mapping(done):
    assert len(done) == 4
    assert "slow" in done
    assert "fast" not in done
    with pytest.raises(KeyError, match=r"unknown label 'quik' \(did you mean"):
        done["quik"]
    assert symgd.Race is Race


# --------------------------------------------------------------------- Ctrl-C


@pytest.mark.parametrize(
    ("when", "status"), [(0, Status.INTERRUPTED), (32, Status.MAXITER)]
)
def test_ctrl_c_ends_a_run_and_the_race(bowl, monkeypatch, when, status):
    """Also if it comes in the last slice, so that the run has ended anyway."""
    advance = RuleRun.advance

    def pressed(self, last):
        if self.name == "momentum" and last > 0 and self.t == when:
            signal.raise_signal(signal.SIGINT)
        return advance(self, last)

    monkeypatch.setattr(RuleRun, "advance", pressed)
    methods = ["gd", ("momentum", {"step_size": 1e-4}), "adam"]
    raced = race(bowl, [1, -2], methods, maxiter=100)
    assert list(raced) == ["gd", "momentum"]
    assert raced["momentum"].status == status
    assert raced.missing == ("adam",)
    assert "interrupted; did not run: adam" in repr(raced)
    assert "gd" in raced.traces
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_while_iterates_are_recorded(bowl, monkeypatch):
    advance = RuleRun.advance

    def pressed(self, last):
        if self.settings.every and last > 0:
            signal.raise_signal(signal.SIGINT)
        return advance(self, last)

    monkeypatch.setattr(RuleRun, "advance", pressed)
    raced = race(bowl, [1, -2], ["gd", "momentum"], maxiter=100)
    assert raced["gd"].status == Status.MAXITER
    assert raced.missing == ("momentum",)
    assert raced.traces == {}


def test_progress_is_on_standard_error(bowl, capfd):
    race(bowl, [1, -2], ["gd", "momentum"], maxiter=3, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "running momentum" in err


# -------------------------------------------------------------------- pictures


@pytest.fixture
def ax():
    return Figure(layout="constrained").subplots()


def lines(ax):
    return {line.get_label(): line for line in ax.lines}


def test_a_picture_shows_the_gradients_by_name(done, ax):
    assert done.plot(ax) is ax
    for label in ("quick", "slow", "too slow"):
        trace = done[label].trace
        np.testing.assert_array_equal(lines(ax)[label].get_xdata(), trace.t)
        np.testing.assert_array_equal(lines(ax)[label].get_ydata(), trace.grad_norm)
    names = {text.get_text(): text for text in ax.texts}
    assert set(names) == {"quick", "slow", "too slow", "lost (diverged)", "gtol"}
    for label in ("quick", "slow", "too slow"):
        assert names[label].get_color() == lines(ax)[label].get_color()
        assert names[label].xy == (done[label].nit, done[label].grad_norm)
    assert (ax.get_xscale(), ax.get_yscale()) == ("symlog", "log")
    assert ax.get_ylabel() == "largest component of the gradient"
    assert ax.get_title().startswith("$x^{2} + 3")
    lost = lines(ax)["lost"].get_ydata()
    reach = 1e3 * max(done["quick"].trace.grad_norm)
    assert lost[-1] == reach > lost[-2]


def test_a_picture_of_the_distance_to_the_best_value(done, ax):
    plot(done, ax=ax, quantity="gap")
    best = min(result.trace.fun.min() for result in done.values())
    expected = np.maximum(done["slow"].trace.fun - best, 1e-16 * (13 - best))
    np.testing.assert_array_equal(lines(ax)["slow"].get_ydata(), expected)
    assert "gtol" not in {text.get_text() for text in ax.texts}


def boxes(ax):
    ax.figure.draw_without_rendering()
    texts = [text for text in ax.texts if text.get_text() != "gtol"]
    return [Text.get_window_extent(text) for text in texts]


@pytest.mark.parametrize("layout", ["constrained", None])
@pytest.mark.parametrize("quantity", ["grad_norm", "gap", "fun"])
def test_names_do_not_hide_each_other(bowl, layout, quantity):
    steps = [0.001 * 1.001**k for k in range(8)]
    methods = [("gd", {"step_size": step}) for step in [*steps, 0.2, 0.201]]
    raced = race(bowl, [1, -2], methods, maxiter=200)
    figure = Figure(layout=layout)
    found = boxes(raced.plot(figure.subplots(), quantity))
    assert len(found) == 10
    for one, other in itertools.combinations(found, 2):
        assert not one.overlaps(other)
    for box in found:
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1


def test_zeros_are_below_all_else(bowl, ax):
    methods = {"exact": ("gd", {"step_size": 0.5}), "slow": "gd"}
    raced = race("x**2", [1], methods, maxiter=20)
    assert raced["exact"].grad_norm == 0
    raced.plot(ax)
    assert lines(ax)["exact"].get_ydata()[-1] == pytest.approx(1e-9)  # gtol is 1e-8


def test_pictures_are_saved_and_made_by_pyplot(done, tmp_path):
    save(done, tmp_path / "race.png")
    assert (tmp_path / "race.png").read_bytes().startswith(b"\x89PNG")
    assert done.plot() is plt.gca()
    plt.close("all")


def test_what_cannot_be_drawn_is_refused(bowl, done, ax, tmp_path):
    with pytest.raises(InputError, match="unknown quantity 'grad'"):
        done.plot(ax, "grad")
    with pytest.raises(InputError, match="pass trace=True"):
        race(bowl, [1, -2], ["gd"], trace=False).plot(ax)
    with pytest.raises(InputError, match="no known format"):
        save(done, tmp_path / "race.xyz")


def test_within_constraints_the_default_method_races_alone():
    relation = {"sum": "x + y >= 2"}
    done = race("x**2 + y**2", [3.0, 0.0], subject_to=relation)
    alone = minimize("x**2 + y**2", [3.0, 0.0], subject_to=relation)
    assert list(done) == ["auto"]
    assert done.best.x.tolist() == alone.x.tolist()
    assert done.best.multipliers == alone.multipliers
    assert "violation" in done.best.trace.names
    with pytest.raises(InputError, match=r"'heavy' can't keep to .*'auto'"):
        race("x**2 + y**2", [3.0, 0.0], ["auto", HEAVY], subject_to=relation)
