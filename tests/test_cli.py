"""The command line: what it prints where, and how it exits."""

import csv
import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from symgd import cli
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
        (("x**2", "--method", "newton"), "unknown method 'newton'"),
        (("x**2", "--method", "gd", "--set", "stepsize=1"), "did you mean 'step_size'"),
        (("x**2", "--set", "step_size=1"), "'auto' has no hyperparameters"),
        (("x**2", "--set", "target=3"), "no hyperparameter"),
        (("x**2", "--ftol", "0.1"), "ftol is only tested with patience"),
        (("x*y", "--start", "x=1,x=2,y=1"), "--start names 'x' twice"),
        (("x**2", "--bounds", "x=0:1,x=2:3"), "--bounds names 'x' twice"),
        (("np.sin(x)",), "write sin(...)"),
        (("3x^2",), "write 3*x**2"),
        (("x**2", "--set", "step_size"), "--set expects name=value"),
        (("x**2", "--start", "1,2"), "x0 has shape (2,)"),
        (("x*y", "--start", "x=1,2"), "--start expects"),
        (("x**2", "--start", "y=1"), "unknown variable in x0 'y'"),
        (("x**2", "--start", "x=foo"), "unknown name 'foo'"),
        (("x**2", "--bounds", "y=0:1"), "unknown variable in bounds 'y'"),
        (("x**2", "--bounds", "x=1:0"), "lower bound of x is above"),
        (("x**2", "--bounds", "x=1"), "--bounds expects"),
        (("x**2", "--bounds", "x=0:1", "--start", "3"), "outside the bounds"),
        (("log(x)", "--start", "-1"), "f is nan"),
        (("x**2", "--maxiter", "-1"), "maxiter must be"),
        (("x**2", "--gtol=-1"), "gtol must be"),
        (("x**2", "--seed", "-1", "--bounds", "x=0:1"), "a seed must be"),
        (("a*x", "--parameter", "b=1"), "unused parameter 'b'"),
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


def test_version_and_help():
    assert run("--version").stdout.strip() == cli.__version__
    for command in ((), ("minimize",), ("show",), ("rules",)):
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
