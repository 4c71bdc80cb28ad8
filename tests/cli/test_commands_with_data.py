"""The command line with sums, arrays and data."""

import csv
import json

import numpy as np
import pytest

from tests.cli.running import run

LINE = "sum((y[i] - a*t[i] - b)**2 for i in range(n))"
CHAIN = "sum(100*(x[i + 1] - x[i]**2)**2 + (1 - x[i])**2 for i in range(n - 1))"
NEAR = "sum((x[i] - 2)**2 for i in range(n))"
GRID = "sum((u[i, j] - i - 10*j)**2 for i in range(n) for j in range(m))"


@pytest.fixture
def line(tmp_path):
    file = tmp_path / "line.csv"
    file.write_text("t,y\n0,1\n1,3.1\n2,4.9\n3,7\n")
    return str(file)


@pytest.fixture
def holes(tmp_path):
    file = tmp_path / "holes.csv"
    file.write_text("t,y\n0,1\n1,\n2,5\n3,7\n")
    return str(file)


def record_of(*arguments):
    return json.loads(run(*arguments, "--json").stdout)


# ------------------------------------------------------------------------ data


def test_a_line_through_the_rows_of_a_file(line):
    result = run("minimize", LINE, "--data", line)
    assert result.exit_code == 0
    assert "f = 0.018 at\n  a = 1.98\n  b = 1.03\n" in result.stdout
    assert result.stderr == ""


def test_a_file_of_arrays(tmp_path):
    file = tmp_path / "rows.npz"
    matrix = np.random.default_rng(0).normal(size=(20, 3))
    np.savez(file, X=matrix, y=matrix @ [1.0, 2.0, 3.0])
    formula = "sum((y[i] - sum(X[i, j]*w[j] for j in range(d)))**2 for i in range(n))"
    record = record_of("minimize", formula, "--data", str(file))
    assert record["values"]["w"] == pytest.approx([1, 2, 3])


def test_rows_that_are_not_finite_are_dropped_if_asked(holes):
    record = record_of("minimize", LINE, "--data", holes, "--missing", "drop")
    assert record["values"] == pytest.approx({"a": 2, "b": 1})


def test_maximize_takes_data(line):
    record = record_of("maximize", f"-{LINE}", "--data", line)
    assert record["values"] == pytest.approx({"a": 1.98, "b": 1.03})
    assert record["kind"] == "maximum"


def test_parameters_and_data(line):
    formula = f"{LINE} + ridge*a**2"
    record = record_of("minimize", formula, "--data", line, "--parameter", "ridge=1e9")
    assert record["values"] == pytest.approx({"a": 0, "b": 4}, abs=1e-6)


# ------------------------------------------------------------- arrays and sizes


def test_what_is_printed_of_an_array_is_short():
    result = run("minimize", NEAR, "--size", "n=1000", "--verbose")
    assert result.exit_code == 0
    assert "  x[0] = 2\n" in result.stdout
    assert "  ... 980 more ...\n" in result.stdout
    assert "  x[999] = 2\n" in result.stdout
    assert ">0 f([0. 0. 0. ... 0. 0. 0.]) = 4000\n" in result.stdout
    assert len(result.stdout.splitlines()) < 40


@pytest.mark.parametrize(
    "sizes",
    [("--size", "n=2,m=3"), ("--size", "n=2", "--size", "m=2+1")],
)
def test_sizes_come_one_by_one_or_in_a_list(sizes):
    record = record_of("minimize", GRID, *sizes)
    np.testing.assert_allclose(record["values"]["u"], [[0, 10, 20], [1, 11, 21]])


def test_a_number_is_the_start_or_bound_of_all_elements():
    options = ("--size", "n=3", "--start", "x=0.5", "--bounds", "x=-1:1")
    record = record_of("minimize", NEAR, *options)
    assert record["start"] == [0.5, 0.5, 0.5]
    assert record["values"]["x"] == [1, 1, 1]


def test_elements_have_starts_and_bounds_of_their_own():
    options = ("--start", "x[0]=0,x[1]=1,x[2]=0", "--bounds", "x=-1:1,x[1]=0:3")
    record = record_of("minimize", NEAR, "--size", "n=3", *options)
    assert record["start"] == [0, 1, 0]
    assert record["values"]["x"] == [1, 2, 1]


def test_a_start_tells_the_size():
    record = record_of("minimize", CHAIN, "--start", "0.5,0.6,0.7")
    assert record["values"]["x"] == pytest.approx([1, 1, 1], abs=1e-6)


@pytest.mark.parametrize("method", ["auto", "gd"])
def test_a_trace_has_a_column_for_each_element(tmp_path, method):
    trace, plot = tmp_path / "trace.csv", tmp_path / "plot.png"
    files = ("--trace", str(trace), "--plot", str(plot))
    record = record_of("minimize", NEAR, "--size", "n=3", "--method", method, *files)
    rows = list(csv.DictReader(trace.read_text().splitlines()))
    assert [float(rows[-1][f"x[{i}]"]) for i in range(3)] == record["x"]
    assert len(rows) == record["nit"] + 1
    assert plot.read_bytes().startswith(b"\x89PNG")


# ---------------------------------------------------------------------- batches


def test_batches(line):
    options = ("--data", line, "--method", "amsgrad", "--set", "step_size=1/epoch")
    options = (*options, "--batch-size", "2", "--maxiter", "2000")
    one, same, other = (
        record_of("minimize", LINE, *options, "--seed", seed) for seed in "112"
    )
    assert one["nit"] == 2000
    assert one["values"] == pytest.approx({"a": 1.98, "b": 1.03}, abs=0.05)
    assert one["values"] == same["values"] != other["values"]


# ------------------------------------------------------------------------- show


def test_show_prints_a_gradient_by_element():
    result = run("show", f"{CHAIN} + a*c", "--parameter", "c=2")
    assert result.exit_code == 0
    assert result.stdout.startswith("f(a, x) = a*c + sum(")
    assert "\n  df/da = c\n  df/dx[k] = " in result.stdout
    assert "Hessian" not in result.stdout
    assert "\ncode\n  def value_and_gradient(a, x, c, n):\n" in result.stdout
    assert "          d_x[i] = slope\n" in result.stdout


def test_show_with_data(line):
    result = run("show", LINE, "--data", line)
    assert result.stdout.startswith("f(a, b) = sum(")
    record = record_of("show", GRID)
    assert record["variables"] == ["u"]
    assert list(record["gradient"]) == ["u[k, l]"]
    assert record["hessian"] is None
    assert "value_and_gradient" in record["source"]


# --------------------------------------------------------------- race and sweep


def test_race_with_data(line):
    options = ("--methods", "auto,adam", "--maxiter", "200")
    result = run("race", LINE, "--data", line, *options)
    assert result.exit_code == 0
    assert "best: auto" in result.stdout


def test_race_with_an_array(tmp_path):
    options = ("--size", "n=30", "--methods", "auto,gd", "--start", "x=0")
    result = run("race", NEAR, *options, "--plot", str(tmp_path / "race.png"))
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) < 50
    record = record_of("race", NEAR, *options)
    assert record["start"]["x"] == [0] * 30


def test_sweep_with_data(line, tmp_path):
    grid = tmp_path / "grid.csv"
    options = ("--method", "gd", "--over", "step_size=0.001,0.01", "--start", "0,0")
    result = run("sweep", LINE, "--data", line, *options, "--csv", str(grid))
    assert result.exit_code == 0
    assert "best: step_size = 0.0" in result.stdout  # both are at the minimum
    assert len(grid.read_text().splitlines()) == 3


def test_sweep_over_a_constant_with_an_array():
    formula = "sum((c - x[i])**2 for i in range(n))"
    options = ("--size", "n=3", "--method", "gd", "--over", "c=1,2", "--start", "x=1")
    record = record_of("sweep", formula, *options)
    assert record["best"]["values"]["x"] == [1, 1, 1]


# ----------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((CHAIN,), "the size n (the length of x) can't be known"),
        ((CHAIN, "--size", "m=3"), "unknown size 'm'; accepted: n"),
        ((CHAIN, "--size", "n"), "--size expects n=1000, not 'n'"),
        ((CHAIN, "--size", "n=many"), "unknown name 'many'"),
        ((CHAIN, "--size", "n=2.5"), "whole number"),
        ((CHAIN, "--size", "n=2,n=3"), "--size names 'n' twice"),
        ((CHAIN, "--size", "n=5", "--start", "1,2,3"), "but x has 3 elements"),
        ((CHAIN, "--size", "n=5", "--start", "y=1"), "unknown variable in --start 'y'"),
        ((CHAIN, "--size", "n=5", "--bounds", "y=0:1"), "in --bounds 'y'"),
        (("x**2", "--size", "n=5"), "the formula has no indices"),
        ((LINE, "--data", "nowhere.csv"), "nowhere.csv can't be read"),
        ((LINE, "--missing", "drop"), "--missing is about the rows of --data"),
    ],
)
def test_bad_input_is_a_message_and_status_2(arguments, message):
    result = run("minimize", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((CHAIN, "--size", "m=3"), "unknown size 'm'; accepted: n"),
        (("x**2", "--size", "n=5"), "the formula has no indices"),
        ((LINE, "--data", "nowhere.csv"), "nowhere.csv can't be read"),
        ((LINE, "--missing", "drop"), "--missing is about the rows of --data"),
    ],
)
def test_show_refuses_bad_input(arguments, message):
    result = run("show", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("formula", "more", "message"),
    [
        (LINE, ("--size", "n=5"), "becomes 4, but"),
        (LINE.replace("y[i]", "y[i + 1]"), ("--size", "n=4"), "the index i + 1 of y"),
        (LINE.replace("y[i]", "y[i, 0]"), (), "2 index(es) in the formula"),
        (LINE.replace("y[i]", "y"), (), "write y[i]"),
        ("x**2", (), "the formula has no indices"),
        (LINE, ("--missing", "dorp"), "(did you mean 'drop'?)"),
        (LINE, ("--batch-size", "2"), "needs an update rule: --method amsgrad"),
        (LINE, ("--batch-size", "0", "--method", "gd"), "--batch-size"),
        (LINE, ("--set", "batch_size=2", "--method", "gd"), "no hyperparameter"),
        (NEAR, ("--batch-size", "2", "--method", "gd", "--size", "n=3"), "over rows"),
    ],
)
def test_data_that_do_not_fit_are_a_message(line, formula, more, message):
    result = run("minimize", formula, "--data", line, *more)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("minimize",),
        ("maximize",),
        ("show",),
        ("race", "--methods", "auto,gd"),
        ("sweep", "--method", "gd", "--start", "0,0", "--over", "step_size=1e-3,1e-2"),
    ],
)
def test_rows_that_are_not_finite_are_a_message(holes, command):
    name, *options = command
    result = run(name, LINE, "--data", holes, *options)
    assert result.exit_code == 2
    assert "column 'y' is not finite in line 3 (nan)" in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    dropped = run(name, LINE, "--data", holes, *options, "--missing", "drop")
    assert "not finite" not in dropped.stderr
    assert dropped.exit_code != 2


def test_a_text_column_is_a_message(tmp_path):
    file = tmp_path / "text.csv"
    file.write_text("t,y\n0,one\n1,two\n")
    result = run("minimize", LINE, "--data", str(file))
    assert result.exit_code == 2
    assert "column 'y' isn't numbers" in result.stderr


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("1,2\n2,\n3,4\n", "column 'y' is not finite in line 4 (nan)"),
        ("1,2\n\n2,inf\n3,nan\n", "not finite in lines 5, 6 (inf, nan)"),
        ("1,2\n2,abc\n", "with 'abc' in line 4)"),
        ("(s),(m)\n1,2\n2,3\n", ")' in line 3): if that is a unit below the name"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        ("fit", "a*t", "--target", "y"),
        ("minimize", "sum(a*t[i]-y[i] for i in range(n))"),
    ],
)
def test_rows_are_told_by_the_lines_of_the_file(tmp_path, command, rows, told):
    path = tmp_path / "a.csv"
    path.write_text(f"# by me\nt,y\n{rows}")
    refused = run(*command, "--data", str(path))
    assert refused.exit_code == 2
    assert told in refused.stderr


def test_decimal_commas_between_semicolons_are_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("t;y\n1,0;2,5\n2,0;5,0\n4,0;10\n")
    done = run("fit", "a*t", "--data", str(path), "--target", "y", "--json")
    assert '"a": 2.5' in done.stdout
