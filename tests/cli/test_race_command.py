"""The command line: methods against each other."""

import csv
import json

import pytest

import symgd
from symgd.rules.family import BUILT_IN
from tests.cli.running import run

RACE = ("race", "x**2 + 3*y**2", "--start", "x=1,y=-2", "--maxiter", "50")


def test_a_race_in_words(tmp_path):
    picture, table = tmp_path / "race.svg", tmp_path / "race.csv"
    options = ("--set", "step_size=0.2", "--plot", str(picture), "--csv", str(table))
    result = run(*RACE, "--methods", "momentum,gd", *options)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "race of 2 methods from x = 1, y = -2 to gtol = 1e-08"
    assert [line.split()[:2] for line in lines[3:5]] == [
        ["gd", "CONVERGED"],
        ["momentum", "MAXITER"],
    ]
    assert lines[6] == "best: gd"
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["label"] for row in rows] == ["gd", "momentum"]
    assert "<svg" in picture.read_text()


def test_a_race_as_json():
    methods = "auto, gd(step_size=0.2), gd(step_size=0.1/sqrt(t)), momentum"
    sets = ("--set", "momentum.step_size=0.02", "--set", "step_size=0.3")
    result = run(*RACE, "--methods", methods, *sets, "--json")
    record = json.loads(result.stdout, parse_constant=pytest.fail)
    expected = symgd.race(
        "x**2 + 3*y**2",
        {"x": 1, "y": -2},
        [
            "auto",
            ("gd", {"step_size": 0.2}),
            ("gd", {"step_size": "0.1/sqrt(t)"}),
            ("momentum", {"step_size": 0.02}),
        ],
        maxiter=50,
    )
    assert list(record["results"]) == list(expected)
    for label, ours in record["results"].items():
        assert ours["x"] == expected[label].x.tolist()
        assert ours["hyperparameters"] == expected[label].hyperparameters


def test_a_race_without_success():
    result = run(*RACE, "--methods", "gd(step_size=1)")
    assert result.exit_code == 1
    assert "none succeeded; the lowest: gd" in result.stdout


def test_rules_of_files_take_part(heavy, tmp_path):
    own = tmp_path / "own.rule"
    own.write_text(run("rules", "gd").stdout.replace("0.01", "0.2"))
    files = ("--rule-file", str(own), "--rule-file", str(heavy))
    methods = ("--methods", "gd,heavy(rate=0.1)", "--set", "own.step_size=0.3")
    results = json.loads(run(*RACE, *files, *methods, "--json").stdout)["results"]
    given = {label: result["hyperparameters"] for label, result in results.items()}
    assert given == {
        "gd": {"step_size": 0.01},
        "heavy": {"rate": 0.1, "beta": 0.8},
        "own": {"step_size": 0.3},
    }
    named = ("own", "own.rule", "heavy", "heavy.rule")  # so often, but not more
    same = run(*RACE, *files, *files, *files)
    assert (same.exit_code, "own.rule: another rule is" in same.stderr) == (2, True)
    more = run(*RACE, *files, *files, "--methods", "gd", "--json").stdout
    assert {*json.loads(more)["results"]} == {"gd", *named}


def test_all_rules_take_part_in_a_race_without_methods(monkeypatch):
    taking_part = []

    def raced(objective, start, methods, **_):
        taking_part.extend(methods)
        raise symgd.InputError("enough")

    monkeypatch.setattr("symgd.many.racing.race", raced)
    assert run("race", "x**2").exit_code == 2
    assert taking_part == [(name, {}) for name in ("auto", *BUILT_IN)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--methods", "gd,adm"), "did you mean 'adam'"),
        (("--methods", "gd,gd"), "the race has 'gd' twice\n"),
        (("--methods", "gd,,adam"), "--methods expects auto,gd,adam or"),
        (("--methods", "gd(step_size=0.1"), "--methods expects"),
        (("--methods", "gd(0.1)"), "--methods expects name=value, not '0.1'"),
        (("--methods", "gd(step=0.1)"), "did you mean 'step_size'"),
        (
            ("--methods", "gd", "--set", "momentum=1"),
            "unknown hyperparameter of the ra",
        ),
        (
            ("--methods", "gd", "--set", "adam.eps=1"),
            "unknown method of the race 'adam'",
        ),
        (
            ("--methods", "gd", "--set", "gd.eps=1"),
            "unknown hyperparameter of 'gd' 'eps'",
        ),
        (
            ("--methods", "gd", "--set", "gd.target=1"),
            "--set target: that is no hyperpa",
        ),
        (
            ("--methods", "gd", "--set", "methods=1"),
            "--set methods: that is no hyperpa",
        ),
        (("--methods", "auto(step_size=1)"), "'auto' has no hyperparameters"),
        (("--methods", "gd", "--start", "1"), "--start has 1 number(s); expected 2"),
        (("--methods", "gd", "--csv", "no/such/folder/t.csv"), "does not exist"),
        (("--methods", "gd", "--plot", "t.xyz"), "a picture ends in"),
        (("--methods", "gd", "--rule-file", "none.rule"), "none.rule: No such file"),
    ],
)
def test_bad_races_are_a_message_and_status_2(arguments, message, monkeypatch):
    monkeypatch.setattr(
        "symgd.native.compiled.kernel", lambda *_: pytest.fail("compiled")
    )
    result = run(*RACE, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
