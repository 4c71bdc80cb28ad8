"""The command line: what it prints where, and how it exits."""

import csv
import json
import subprocess
import sys

import pytest

import symgd
from symgd import Rule, cli
from symgd.rules.family import BUILT_IN
from tests.cli.running import run
from tests.problems import ROSENBROCK


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


def test_whole_arrays_have_the_shape_of_a_start_or_of_sizes():
    result = run("minimize", "sum((x - 1)**2)", "--start", "3,4")
    assert "  x[0] = 1\n  x[1] = 1\n" in result.stdout
    result = run(
        "minimize", "norm(x - 1)**2", "--size", "x=2", "--subject-to", "x >= 2"
    )
    assert "  x[0] = 2\n  x[1] = 2\n" in result.stdout
    shown = run("show", "norm(x - 1)**2", "--size", "x=2").stdout
    assert "f(x) = sum((x[i] - 1)**2 for i in range(n))" in shown
    unknown = run("minimize", "norm(x - y)")
    assert unknown.exit_code == 2
    assert "x and y are arrays can't be known" in unknown.stderr


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
        (("x**2", "--method", "newton"), "unknown method 'newton': leave --method out"),
        (("x**2", "--method", "newt"), "or a file, by --rule-file"),
        (("sum(x[i] for i in range(n))",), "give --size x=100, --data for the arrays"),
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
        (("np.random.rand(x)",), "not a function of formulas"),
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
    assert record["jacobian"] == {"x + y - 10": {"x": "1", "y": "1"}}
    assert record["lagrangian_gradient"]["x"] == "multiplier + objective*y"
    assert record["lagrangian_hessian"] == [["0", "objective"], ["objective", "0"]]


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
        (
            "symgd.descent.history.Trace.to_csv",
            ("minimize", "x**2", "--trace", "t.csv"),
        ),
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
    noted = "note: 'Pi' is a variable in 'x**2 + Pi**2': the number is pi"
    advice = "; if it is one, name it in the start, --start Pi=1,...\n"
    has_no_start = arguments[0] == "show"
    assert run(*arguments).stderr == noted + ("\n" if has_no_start else advice)


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
