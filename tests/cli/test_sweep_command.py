"""The command line: sweeps, as words, tables and pictures."""

import csv
import json

import numpy as np
import pytest

import symgd
from symgd import Status
from tests.cli.running import run
from tests.problems import ROSENBROCK

SWEEP = ("sweep", ROSENBROCK, "--start", "-1.2,1", "--method", "momentum")
OVER = ("--over", "step_size=1e-4:1e-1:4:log", "--over", "momentum=0,0.9")


@pytest.fixture(scope="module")
def grid():
    return symgd.sweep(
        ROSENBROCK,
        [-1.2, 1],
        method="momentum",
        step_size=np.geomspace(1e-4, 1e-1, 4),
        momentum=[0, 0.9],
    )


def test_a_sweep_as_json_and_csv(grid, tmp_path):
    file = tmp_path / "grid.csv"
    result = run(*SWEEP, *OVER, "--json", "--csv", str(file))
    assert result.exit_code == 0
    record = json.loads(result.stdout, parse_constant=pytest.fail)
    assert list(record["axes"]) == ["step_size", "momentum"]
    assert record["axes"]["step_size"] == grid.axes["step_size"].tolist()
    assert record["shape"] == [4, 2]
    assert record["fun"] == grid.fun.tolist()
    assert record["nit"] == grid.nit.tolist()
    assert record["status"] == [[Status(s).name for s in row] for row in grid.status]
    assert record["best"]["fun"] == grid.best.fun
    assert record["best"]["hyperparameters"] == grid.best.hyperparameters
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert [float(row["fun"]) for row in rows] == grid.fun.ravel().tolist()
    assert [float(row["momentum"]) for row in rows] == [0, 0.9] * 4
    assert rows[-1]["status"] == "DIVERGED"
    assert rows[0]["success"] == "False"
    assert float(rows[3]["x[y]"]) == grid.x[1, 1, 1]


def test_a_sweep_in_words(grid):
    lines = run(*SWEEP, *OVER).stdout.splitlines()
    assert lines[0].startswith("4 x 2 = 8 runs of momentum: step_size from 0.0001 to")
    counts = dict(line.split() for line in lines[3 : lines.index("", 3)])
    names = grid.status_names.ravel().tolist()
    assert counts == {name: str(names.count(name)) for name in names}
    assert f"best: step_size = {grid.best_at['step_size']:g}, momentum = 0.9" in lines
    assert any(line.startswith("CONVERGED: the largest") for line in lines)
    table = [line.split() for line in lines[-4:]]
    assert [row[0] for row in table] == ["0.0001", "0.001", "0.01", "0.1"]
    assert table[1][2] == f"*{grid.fun[1, 1]:.4g}"
    assert table[3][1:] == ["diverged", "diverged"]
    assert len({len(line) for line in lines[-5:]}) == 1


def test_a_sweep_over_a_name_of_the_formula():
    options = ("--start", "3", "--method", "gd", "--set", "step_size=0.25")
    over = ("--over", "a=1:3:3", "--json")
    record = json.loads(run("sweep", "a*(x - 1)**2", *options, *over).stdout)
    declared = run("sweep", "a*(x - 1)**2", *options, *over, "--parameter", "a=7")
    assert json.loads(declared.stdout) == record
    assert record["axes"] == {"a": [1, 2, 3]}
    expected = symgd.sweep(
        symgd.Objective("a*(x - 1)**2", parameters={"a": 1}),
        3.0,
        method="gd",
        step_size=0.25,
        parameters={"a": [1, 2, 3]},
    )
    assert record["fun"] == expected.fun.tolist()
    assert record["nit"] == expected.nit.tolist()


def test_a_sweep_over_one_axis_lists_it_and_may_fail(tmp_path):
    picture = tmp_path / "grid.png"
    options = ("--start", "1", "--method", "gd", "--plot", str(picture))
    result = run("sweep", "x**2", *options, "--over", "step_size=1,2")
    assert result.exit_code == 1  # one bounces, the other diverges
    assert result.stdout.splitlines()[-1].split()[-1] == "DIVERGED"
    assert "2 runs of gd: step_size from 1 to 2" in result.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--over", "step=1,2"), "'step' is unknown; accepted: a hyperparameter of"),
        (("--over", "step=1,2"), "(step_size, momentum), or another name in the form"),
        (("--over", "momentum=1,2", "--parameter", "momentum=1"), "may be either"),
        (("--over", "step_size"), "--over expects name=low:high:count"),
        (("--over", "step_size=1:2"), "--over step_size expects"),
        (("--over", "step_size=1:2:3:lin"), "--over step_size expects"),
        (("--over", "step_size=1:2:3:log:4"), "--over step_size expects"),
        (("--over", "step_size=1:2:1"), "the count must be 2 or more, not '1'"),
        (("--over", "step_size=1:2:x"), "the count must be 2 or more, not 'x'"),
        (("--over", "step_size=1:1:5"), "there is no range from 1 to 1"),
        (("--over", "step_size=-1e308:1e308:5"), "there is no range"),
        (("--over", "step_size=0:1:5:log"), "needs ends above 0"),
        (("--over", "step_size=0:1:9999999"), "9,999,999 combinations; at most"),
        (("--over", "step_size=1,,2"), "a value is missing in '1,,2'"),
        (("--over", "step_size=1,foo"), "unknown name 'foo'"),
        (("--over", "step_size=1,2", "--over", "step_size=3"), "'step_size' twice"),
        (("--over", "step_size=1,2", "--set", "step_size=3"), "by --set and by --over"),
        (("--over", "step_size=1,2", "--set", "momntum=3"), "did you mean 'momentum'"),
        (("--over", "step_size=1,2", "--method", "auto"), "auto has no hyperparam"),
        (("--over", "step_size=1,2", "--method", "adm"), "unknown method 'adm'"),
        (("--over", "step_size=1,2", "--start", "1,2"), "--start has 2 number(s); ex"),
        (("--over", "step_size=1,2", "--gtol=-1"), "gtol must be"),
        (("--over", "step_size=1,2", "--csv", "no/such/folder/t.csv"), "does not exis"),
        (("--over", "step_size=1,2", "--plot", "t.xyz"), "a picture ends in"),
        (("--over", "x=1,2"), "the formula has no variable"),
        ((), "Missing option '--over'"),
    ],
)
def test_bad_sweeps_are_a_message_and_status_2(arguments, message, monkeypatch):
    monkeypatch.setattr(
        "symgd.native.compiled.kernel", lambda *_: pytest.fail("compiled")
    )
    result = run("sweep", "x**2", "--start", "1", "--method", "momentum", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_more_than_two_axes_are_not_drawn():
    over = [f"--over={name}=0.1,0.2" for name in ("step_size", "momentum", "a")]
    result = run(
        *("sweep", "a*x**2", "--start", "1", "--method", "momentum", *over),
        *("--plot", "grid.png"),
    )
    assert result.exit_code == 2
    assert "one or two axes, not 3: give a one value" in result.stderr


def test_a_sweep_needs_a_start_and_a_rule():
    over = ("--over", "step_size=1,2")
    result = run("sweep", "x**2", "--method", "gd", *over)
    assert (result.exit_code, "'--start'" in result.stderr) == (2, True)
    result = run("sweep", "x**2", "--start", "1", *over)
    assert (result.exit_code, "'--method'" in result.stderr) == (2, True)
