"""The command line: what it prints where, and how it exits."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

import symgd
from symgd import Rule, Status, cli
from symgd.native import store
from symgd.rules.family import BUILT_IN
from tests.problems import ROSENBROCK


def run(*arguments, stdin=None):
    """Run the command in this process, with the arguments as main() prepares them."""
    prepared = cli.prepared(list(arguments))
    return CliRunner().invoke(cli.app, prepared, input=stdin)


def test_the_main_job():
    result = run("minimize", ROSENBROCK)
    assert result.exit_code == 0
    assert "  x = 1\n  y = 1\n" in result.stdout
    assert "CONVERGED" in result.stdout
    assert result.stderr == ""


def test_json_is_alone_on_standard_output():
    result = run("minimize", ROSENBROCK, "--start", "x=-1.2,y=1", "--json", "--verbose")
    record = json.loads(result.stdout)
    assert record["success"] is True
    assert record["status"] == "CONVERGED"
    assert record["values"]["x"] == pytest.approx(1, abs=1e-6)
    assert record["values"]["y"] == pytest.approx(1, abs=1e-6)
    assert record["x"] == [record["values"]["x"], record["values"]["y"]]
    assert record["start"] == [-1.2, 1]
    assert set(record) >= {"fun", "jac", "nit", "nfev", "njev", "message", "method"}
    assert len(result.stderr.splitlines()) == record["nit"] + 1


def test_json_holds_no_infinity():
    result = run("minimize", "x", "--json", "--gtol", "0")
    assert result.exit_code == 1
    json.loads(result.stdout, parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("minimize", "x**2"), 0),
        (("maximize", "-x**2"), 0),
        (("minimize", "x"), 1),
        (("minimize", "x**2", "--method", "gd", "--maxiter", "3", "--start", "1"), 1),
        (("minimize", "x^2"), 2),
    ],
)
def test_exit_status(arguments, status):
    assert run(*arguments).exit_code == status


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("foo(x)",), "did you mean 'floor'"),
        (("((x",), "never closed"),
        (("x^2",), "write x**2"),
        (("2x",), "write 2*x"),
        (("x = 3",), "an expression is expected"),
        (("",), "the formula is empty"),
        (("3",), "no variable"),
        (("sqrt(-1)*x",), "not a real number"),
        (("floor(x)",), "floor(x) has no derivative"),
        (("x**2", "--method", "newton"), "unknown method 'newton': leave method out"),
        (("x**2", "--method", "newt"), "or a file, by --rule-file"),
        (("sum(x[i] for i in range(n))",), "give --size n=100, --data for the arrays"),
        (("x**2/t", "--iteration", "t"), "an update rule: --method gd, say"),
        (("x**2", "--iteration", "t"), "unused parameter 't'"),
        (("x**2", "--method", "gd", "--set", "stepsize=1"), "did you mean 'step_size'"),
        (
            ("x**2", "--set", "step_size=1"),
            "--set step_size: method 'auto' has no hyperpa",
        ),
        (
            ("x**2", "--set", "step_size=1"),
            "name a rule to give it any: --method gd",
        ),
        (("x**2", "--set", "callback_every=1"), "no hyperparameter"),
        (("x**2", "--set", "target=3"), "no hyperparameter"),
        (
            ("x**2", "--ftol", "0.1"),
            "--ftol is only tested with --patience: give --patien",
        ),
        (("x*y", "--start", "x=1,x=2,y=1"), "--start names 'x' twice"),
        (("x**2", "--bounds", "x=0:1,x=2:3"), "--bounds names 'x' twice"),
        (("np.sin(x)",), "write sin(...)"),
        (("3x^2",), "write 3*x**2"),
        (("x**2", "--set", "step_size"), "--set expects name=value"),
        (("x**2", "--start", "1,2"), "--start has 2 number(s); expected 1 number(s)"),
        (("x**2", "--start", ""), "--start is empty: give x=1"),
        (("x*y", "--start", "x=1"), "--start has no value for y"),
        (("x*y", "--start", "x=1,2"), "--start expects"),
        (("x**2", "--start", "y=1"), "unknown variable in --start 'y'"),
        (("x**2", "--start", "x=foo"), "unknown name 'foo'"),
        (("x**2", "--bounds", "y=0:1"), "unknown variable in --bounds 'y'"),
        (("x**2", "--bounds", "x=1:0"), "lower bound of x is above"),
        (("x**2", "--bounds", "x=1"), "--bounds expects"),
        (("x**2", "--subject-to", "x = 1"), "write == for an equality"),
        (("x**2", "--subject-to", "x >= 1", "--method", "gd"), "'gd' can't keep to"),
        (("x*log(-1 - x**2)",), "give --start or --bounds"),
        (("log(x)", "--start", "-1"), "f is nan"),
        (("x**2", "--maxiter", "-1"), "error: --maxiter must be"),
        (("x**2", "--time-limit", "nan"), "error: --time-limit must be"),
        (("x**2", "--gtol=-1"), "gtol must be"),
        (("x**2", "--seed", "-1", "--bounds", "x=0:1"), "--seed must be 0 or more"),
        (("a*x", "--parameter", "b=1"), "unused parameter 'b'"),
        (
            ("a*x + b", "--parameter", "a=1,b=2"),
            "--parameter takes one at a time: --parameter a=1 --parameter b=2",
        ),
        (("x**2", "--trace", "no/such/folder/t.csv"), "does not exist"),
        (("x**2", "--plot", "no/such/folder/t.png"), "does not exist"),
        (("x**2", "--plot", "picture.xyz"), "xyz"),
        (("x**2", "--maxiter", "many"), "--maxiter"),
        (("x**2", "--wrong"), "--wrong"),
        ((), "FORMULA"),
    ],
)
def test_bad_input_is_a_message_and_status_2(arguments, message):
    result = run("minimize", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_constraints_are_given_one_by_one():
    given = (
        "--subject-to",
        "x + y >= a",
        "--subject-to",
        "x <= 3",
        "--parameter",
        "a=2",
    )
    result = run("minimize", "x**2 + y**2", *given, "--json")
    record = json.loads(result.stdout)
    assert result.exit_code == 0
    assert record["multipliers"]["x + y >= a"] == pytest.approx(2.0)
    assert (
        "active: x + y >= a (multiplier"
        in run("minimize", "x**2 + y**2", *given).stdout
    )
    never = run("minimize", "x", "--subject-to", "x >= 2", "--subject-to", "x <= 1")
    assert never.exit_code == 1
    assert "INFEASIBLE" in never.stdout
    raced = run("race", "x**2 + y**2", "--start", "3,0", *given, "--json")
    assert list(json.loads(raced.stdout)["results"]) == ["auto"]


def test_constraints_are_shown_with_their_lagrangian():
    given = ("show", "x*y", "--subject-to", "x + y == 10")
    assert "constraints\n  x + y == 10\n" in run(*given).stdout
    record = json.loads(run(*given, "--json").stdout)
    assert record["constraints"] == {"x + y == 10": "x + y == 10"}
    assert record["lagrangian"] == "multiplier*(x + y - 10) + objective*x*y"


def test_options_reach_the_run(tmp_path):
    trace = tmp_path / "trace.csv"
    plot = tmp_path / "plot.png"
    result = run(
        *("minimize", "a*x**2 + y**2", "--parameter", "a=2", "--method", "amsgrad"),
        *("--start", "y=pi/4, x=-max(1, (2))", "--bounds", "x=-2:2,y=0:inf"),
        *("--set", "step_size=0.1/sqrt(t)", "--set", "beta1=0.5", "--maxiter", "4"),
        *("--trace", str(trace), "--plot", str(plot), "--json", "--gtol", "1e-20"),
    )
    record = json.loads(result.stdout)
    assert record["start"] == pytest.approx([-2, 0.7853981633974483])
    assert record["hyperparameters"]["step_size"] == "0.1/sqrt(t)"
    assert record["hyperparameters"]["beta1"] == 0.5
    rows = list(csv.DictReader(trace.read_text().splitlines()))
    assert [int(row["t"]) for row in rows] == [0, 1, 2, 3, 4]
    assert float(rows[4]["x"]) == record["values"]["x"]
    assert set(rows[0]) >= {"x", "y", "fun", "grad_norm", "vhat[y]", "step_size"}
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_verbose_prints_a_line_an_iteration():
    options = ("--method", "gd", "--set", "step_size=0.1", "--maxiter", "2")
    result = run("minimize", "x**2", *options, "--start", "1", "--verbose")
    lines = result.stdout.splitlines()
    assert lines[:3] == [
        ">0 f([1.]) = 1",
        ">1 f([0.8]) = 0.64",
        ">2 f([0.64]) = 0.4096",
    ]
    lost = run("minimize", "x**2", *options[:3], "step_size=1e200", "--verbose")
    assert lost.stdout.count("\n>") == 0  # no iterate comes twice


def test_verbose_prints_while_the_run_goes_on():
    endless = (
        "--method",
        "gd",
        "--set",
        "step_size=1e-12",
        "--maxiter",
        "1" + 12 * "0",
    )
    command = [sys.executable, "-m", "symgd", "minimize", "x**2", "--start", "1"]
    with subprocess.Popen(
        [*command, *endless, "--verbose"], stdout=subprocess.PIPE, text=True
    ) as process:
        lines = [process.stdout.readline() for _ in range(3)]
        process.kill()
    assert [line.split()[0] for line in lines] == [">0", ">1", ">2"]
    assert process.returncode < 0  # it had not ended


def test_a_checkpoint_is_gone_on_from(tmp_path):
    file = tmp_path / "run.checkpoint"
    options = ("--method", "momentum", "--set", "step_size=0.001", "--json")

    def end(maxiter, *more):
        result = run("minimize", ROSENBROCK, *options, "--maxiter", maxiter, *more)
        return json.loads(result.stdout)

    assert end("5", "--checkpoint", str(file))["nit"] == 5
    assert file.exists()
    gone_on = end("9", "--checkpoint", str(file), "--verbose")
    assert gone_on["nit"] == 9
    assert gone_on["x"] == end("9")["x"]
    other = run("minimize", ROSENBROCK, "--checkpoint", str(file))
    assert (other.exit_code, "of another run" in other.stderr) == (2, True)
    refused = run("minimize", ROSENBROCK, "--checkpoint", "no/such/folder/file")
    assert "--checkpoint no/such/folder/file can't be written" in refused.stderr


def test_a_name_that_counts_updates():
    online = symgd.Objective("(x - 1/t)**2", iteration="t")
    expected = symgd.minimize(online, 3.0, method="gd", maxiter=4)
    options = ("--iteration", "t", "--start", "3", "--maxiter", "4", "--json")
    done = run("minimize", "(x - 1/t)**2", "--method", "gd", *options)
    assert json.loads(done.stdout)["x"] == expected.x.tolist()
    raced = run("race", "(x - 1/t)**2", "--methods", "gd", *options)
    assert json.loads(raced.stdout)["results"]["gd"]["x"] == expected.x.tolist()
    over = ("--method", "gd", "--over", "step_size=0.01,0.02")
    swept = run("sweep", "(x - 1/t)**2", *over, *options)
    assert json.loads(swept.stdout)["fun"][0] == expected.fun
    refused = run("sweep", "x**2/t", *over, "--over", "t=1,2", *options)
    assert "'t' is both a parameter and the iteration" in refused.stderr


@pytest.mark.parametrize(
    ("place", "arguments"),
    [
        ("symgd.descent.optimize.find_start", ("minimize", "x**2")),
        ("symgd.descent.result.Trace.to_csv", ("minimize", "x**2", "--trace", "t.csv")),
        ("symgd.rules.family.find", ("rules", "gd")),
    ],
)
def test_ctrl_c_outside_of_a_run(place, arguments, monkeypatch):
    def pressed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(place, pressed)
    result = run(*arguments)
    assert result.exit_code == 130
    assert (result.stdout, result.stderr) == ("", "interrupted\n")


def test_a_seed_chooses_the_start():
    def start(seed):
        options = ("--bounds", "x=0:1", "--seed", seed, "--maxiter", "0", "--json")
        return json.loads(run("minimize", "x**2", *options).stdout)["start"]

    assert start("1") == start("1") != start("2")


def test_formulas_from_standard_input_and_with_a_minus():
    assert "x = 3" in run("minimize", "-", stdin="(x - 3)**2  # comment\n").stdout
    assert "f = 4" in run("maximize", "-x**2 + 4*x").stdout


def test_show():
    result = run("show", "(1 - x)**2 + a*y**2", "--parameter", "a=3")
    assert result.exit_code == 0
    for part in (
        "df/dx = 2*x - 2",
        "d2f/dy dy = 2*a",
        "def value_and_gradient",
        "p[0] is a",
    ):
        assert part in result.stdout
    record = json.loads(run("show", "x**2*y", "--json").stdout)
    assert record["gradient"] == {"x": "2*x*y", "y": "x**2"}
    assert record["hessian"] == [["2*y", "2*x"], ["2*x", "0"]]
    assert record["latex"] == "x^{2} y"
    assert run("show", "x^2").exit_code == 2


def test_rules():
    listing = run("rules").stdout
    for part in ("Rule gd", "Rule momentum", "Rule amsgrad", "Reddi", "vhat = Max"):
        assert part in listing
    assert "momentum" not in run("rules", "amsgrad").stdout
    assert json.loads(run("rules", "--json").stdout)["gd"]["state"] == []
    assert "unknown method 'adm'" in run("rules", "adm").stderr
    assert "auto is no update rule" in run("rules", "auto").stderr


@pytest.mark.parametrize("name", BUILT_IN)
def test_what_rules_prints_is_a_rule_file(name):
    text = run("rules", name).stdout
    assert text.startswith("# ")
    assert max(map(len, text.splitlines())) <= 88
    read = Rule.from_text(text, "another name")
    assert read == BUILT_IN[name]
    assert read.reference == BUILT_IN[name].reference


def test_rules_in_brief_and_as_latex():
    lines = run("rules", "--brief").stdout.splitlines()
    assert len(lines) == len(BUILT_IN)
    assert lines[1].split("  ")[0] == "momentum"
    assert "step_size=0.01, momentum=0.9" in lines[1]
    assert lines[1].endswith("Polyak 1964")
    latex = run("rules", "momentum", "--latex").stdout
    assert latex.startswith("% momentum\n$\\begin{aligned}change &\\leftarrow ")
    record = json.loads(run("rules", "momentum", "--latex", "--json").stdout)
    assert record["momentum"]["latex"] in latex


def test_version_and_help():
    assert run("--version").stdout.strip() == symgd.__version__
    commands = [command.__name__ for command in cli.COMMANDS] + ["cache"]
    for command in ((), *((name,) for name in commands), ("cache", "info")):
        assert run(*command, "--help").exit_code == 0


def test_the_installed_command_in_a_process_of_its_own():
    command = [sys.executable, "-m", "symgd", "minimize", "-x**2 + x**4", "--json"]
    done = subprocess.run([*command, "--start", "0.9"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr == ""
    assert json.loads(done.stdout)["fun"] == pytest.approx(-0.25)


def test_importing_is_cheap():
    code = "import symgd, symgd.cli, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint({"sympy", "numba", "numpy", "matplotlib", "hypothesis"})


# ----------------------------------------------------------------------- sweep

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


# ------------------------------------------------------------------ rule files

HEAVY = """# Me 2026
m = beta*m + g
x = x - rate*m
  with rate=0.001, beta=0.8
"""


@pytest.fixture
def heavy(tmp_path):
    file = tmp_path / "heavy.rule"
    file.write_text(HEAVY)
    return file


def test_a_rule_of_a_file_minimises_and_sweeps(heavy):
    rule = Rule("heavy", "m = beta*m + g\nx = x - rate*m", rate=0.001, beta=0.8)
    options = ("--start", "x=-1,y=1", "--rule-file", str(heavy), "--json")
    record = json.loads(run("minimize", ROSENBROCK, *options).stdout)
    expected = symgd.minimize(ROSENBROCK, [-1, 1], method=rule)
    assert record["method"] == "heavy"
    assert record["x"] == expected.x.tolist()
    more = ("--set", "beta=0.5", "--maxiter", "7")
    record = json.loads(run("minimize", ROSENBROCK, *options, *more).stdout)
    expected = symgd.minimize(ROSENBROCK, [-1, 1], method=rule, beta=0.5, maxiter=7)
    assert record["x"] == expected.x.tolist()
    record = json.loads(run("sweep", ROSENBROCK, *options, "--over=beta=0,0.5").stdout)
    swept = symgd.sweep(ROSENBROCK, [-1, 1], method=rule, beta=[0, 0.5])
    assert record["fun"] == swept.fun.tolist()
    assert run("rules", "--rule-file", str(heavy)).stdout.startswith(
        "# Me 2026\nRule he"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "m = g\n\nx  = x - stepsize*m\nwith step_size=1",
            "m.rule, line 3: rule 'm': un",
        ),
        ("x = x - stepsize*g", "\n    x = x - stepsize*g\n            ^^^^^^^^\n"),
        ("m = g\ng = 3\nx = x - m", "m.rule, line 2: rule 'm' assigns 'g'"),
        ("m = g\ng = 3\nx = x - m", "\n    g = 3\n"),
        ("m += g", "m.rule, line 1: an equation is expected"),
        ("x = x - b*g\nb = 2*b\nwith b=1", "line 2: rule 'm': 'b' is a hyperparameter"),
        ("x = x - g\nwhere z starts at g", "line 2: unknown state of rule 'm' 'z'"),
        ("x = x - s*g\nwith s=0.1/q", "line 2: s: a number or a formula in t"),
        ("x = x - name*g\nwith name=1", "line 2: 'name' can't be a hyperparameter"),
        ("Rule other\nm = g", "m.rule: rule 'other' has no line for x"),
        ("", "m.rule: rule 'm' has no line for x"),
    ],
)
def test_what_is_wrong_in_a_rule_file_is_shown(text, message, tmp_path):
    file = tmp_path / "m.rule"
    file.write_text(text)
    for command in (("minimize", "x**2"), ("rules",)):
        result = run(*command, "--rule-file", str(file))
        assert (result.exit_code, result.stdout) == (2, "")
        assert message in result.stderr


def test_rule_files_that_cannot_be_used(heavy, tmp_path):
    def refused(*arguments):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        return result.stderr

    file, minimize = str(heavy), ("minimize", "x**2", "--rule-file")
    assert "--method and --rule-file" in refused(*minimize, file, "--method", "gd")
    assert "only a race takes several" in refused(*minimize, file, "--rule-file", file)
    assert "none.rule: No such file" in refused(*minimize, str(tmp_path / "none.rule"))
    assert "keep one" in refused("rules", "gd", "--rule-file", file)
    heavy.write_bytes(b"\xff\xfe")
    assert "heavy.rule is not a text in UTF-8" in refused(*minimize, file)


# ------------------------------------------------------------------------ race

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


# ----------------------------------------------------------------------- cache


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return the folder of an empty store."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SYMGD_CACHE_DIR", str(folder))
    return folder


def test_cache_info_and_clear(cache):
    assert "entries  0\n" in run("cache", "info").stdout
    assert store.put("a" * 64, b"x" * 1504)
    assert store.put("b" * 64, b"")
    shown = run("cache", "info").stdout
    assert f"folder   {cache}\nentries  2\nsize     1.53 KiB of at most" in shown
    record = json.loads(run("cache", "info", "--json").stdout)
    assert record == {
        "folder": str(cache),
        "entries": 2,
        "size": 1568,
        "capacity": store.CAPACITY,
        "private": True,
    }
    assert run("cache", "clear").stdout == f"removed 2 entries from {cache}\n"
    assert run("cache", "clear").stdout == f"removed 0 entries from {cache}\n"
    assert run("cache", "clear", "x").exit_code == 2


def test_cache_info_says_why_a_store_is_not_used(cache, monkeypatch):
    monkeypatch.setattr(store, "_is_private", lambda status: False)
    cache.mkdir()
    assert "not used: others may write" in run("cache", "info").stdout
    assert json.loads(run("cache", "info", "--json").stdout)["private"] is False


def test_entries_that_stay_are_an_error(cache, monkeypatch):
    store.put("a" * 64, b"")
    monkeypatch.setattr(store, "clear", lambda: 0)
    result = run("cache", "clear")
    assert result.exit_code == 2
    assert "1 entry can't be removed" in result.stderr


PROBE = """
import atexit, sys
heavy = {"sympy", "numba", "numpy", "matplotlib"}
atexit.register(lambda: print(*sorted(heavy & set(sys.modules)), file=sys.stderr))
from symgd.cli import main
main()
"""
BY_HAND = ("--method", "gd", "--set", "step_size=0.001", "--start", "x=-1,y=1")


def in_a_process(*arguments, folder=None):
    """Return what is printed, and the heavy modules that were imported."""
    place = {"SYMGD_CACHE_DIR": str(folder)} if folder else {}
    command = [sys.executable, "-c", PROBE, *arguments]
    settings = {"capture_output": True, "text": True, "env": {**os.environ, **place}}
    done = subprocess.run(command, **settings)
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr.split()


@pytest.mark.parametrize("options", [(), ("--json",), BY_HAND])
def test_a_formula_is_compiled_in_one_process_and_used_in_the_next(options):
    formula = f"(1 - x)**2 + 3*(y - x**2)**2 + {len(options)}"
    first, imported = in_a_process("minimize", formula, *options)
    assert "sympy" in imported
    second, imported = in_a_process("minimize", formula, *options)
    assert imported == []

    def told(printed):
        return [line for line in printed.splitlines() if '"seconds"' not in line]

    assert told(second) == told(first)


def test_a_rule_file_is_read_once(heavy):
    options = ("--rule-file", str(heavy), "--start", "x=-1,y=1")
    first, _ = in_a_process("minimize", ROSENBROCK, *options)
    second, imported = in_a_process("minimize", ROSENBROCK, *options)
    assert "method heavy" in first
    assert (second, imported) == (first, [])


def _truncated(folder):
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[:100])


def _emptied(folder):
    for file in folder.iterdir():
        file.write_bytes(b"")


def _garbled(folder):
    for file in folder.iterdir():
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)


def _made_a_file(folder):
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    folder.write_bytes(b"")


def _opened_to_all(folder):
    folder.chmod(0o777)
    for file in folder.iterdir():
        file.chmod(0o666)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Return a store that holds a run, and what that run printed."""
    folder = tmp_path_factory.mktemp("store") / "cache"
    printed, _ = in_a_process("minimize", ROSENBROCK, *BY_HAND, folder=folder)
    return {file.name: file.read_bytes() for file in folder.iterdir()}, printed


@pytest.mark.parametrize(
    "damage", [_truncated, _emptied, _garbled, _made_a_file, _opened_to_all]
)
def test_a_damaged_store_is_as_good_as_none(damage, filled, tmp_path):
    content, expected = filled
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    for name, data in content.items():
        (folder / name).write_bytes(data)
    damage(folder)
    printed, imported = in_a_process("minimize", ROSENBROCK, *BY_HAND, folder=folder)
    assert printed == expected
    assert "sympy" in imported  # the formula was read again


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    "arguments",
    [
        ("minimize", "x**2 + Pi**2", "--maxiter", "1"),
        ("show", "x**2 + Pi**2"),
        ("race", "x**2 + Pi**2", "--methods", "gd", "--maxiter", "1"),
    ],
)
def test_a_name_that_is_a_slip_is_noted(arguments):
    noted = "note: 'Pi' is a variable in 'x**2 + Pi**2': the number is pi\n"
    assert run(*arguments).stderr == noted


@pytest.mark.parametrize("option", ["--start", "--bounds"])
def test_a_name_with_a_start_or_bounds_is_meant(option):
    value = {"--start": "E=3,Pi=1", "--bounds": "E=0:5,Pi=0:5"}[option]
    result = run("minimize", "(E - 1)**2 + (Pi - 1)**2", option, value)
    assert result.stderr == ""
    assert "  E = 1\n  Pi = 1\n" in result.stdout


def test_what_may_be_local_is_said_in_words_of_options():
    result = run("minimize", "sin(x) + x/10", "--start", "1", "--bounds", "x=-9:9")
    assert result.stdout.startswith("local minimum: f = ")
    assert "elsewhere in the bounds: try another --start\n" in result.stdout


@pytest.mark.parametrize("formula", ["x**2 + y", "-x**2"])
def test_a_formula_without_a_command_says_which_one(formula):
    done = run(formula)
    assert done.exit_code == 2
    assert f"write symgd minimize '{formula}'" in done.stderr
    assert (
        "No such command 'minimise'. Did you mean 'minimize'" in run("minimise").stderr
    )
