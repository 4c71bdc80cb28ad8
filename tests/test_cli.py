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
from symgd import Status, cli, store
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
    commands = ("minimize", "maximize", "sweep", "show", "rules", "cache")
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
        (("--over", "step_size=1,2", "--start", "1,2"), "x0 has shape (2,)"),
        (("--over", "step_size=1,2", "--gtol=-1"), "gtol must be"),
        (("--over", "step_size=1,2", "--csv", "no/such/folder/t.csv"), "does not exis"),
        (("--over", "step_size=1,2", "--plot", "t.xyz"), "a picture ends in"),
        (("--over", "x=1,2"), "the formula has no variable"),
        ((), "Missing option '--over'"),
    ],
)
def test_bad_sweeps_are_a_message_and_status_2(arguments, message, monkeypatch):
    monkeypatch.setattr("symgd.compiled.kernel", lambda *_: pytest.fail("compiled"))
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
    assert set(imported) >= {"numba", "sympy"}
    second, imported = in_a_process("minimize", formula, *options)
    assert imported == []
    assert second == first


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
    assert "numba" in imported
