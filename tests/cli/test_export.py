"""``symgd export``."""

import runpy

import pytest

from tests.cli.running import run

VALLEY = "(1 - x)**2 + 100*(y - x**2)**2"


def export(*arguments):
    return run("export", *arguments)


def test_files_are_written_and_named(tmp_path):
    file = tmp_path / "valley.c"
    done = export(
        VALLEY, "--method", "momentum", "--set", "momentum=0.5", "-o", str(file)
    )
    header = file.with_suffix(".h")
    assert (done.exit_code, done.stdout) == (0, f"written: {file}, {header}\n")
    text = header.read_text("utf-8")
    assert "#define VALLEY_HYPERPARAMETERS {0.01, 0.5}" in text


def test_a_rule_of_a_file_and_a_schedule_are_exported(tmp_path):
    file, rule = tmp_path / "f.c", tmp_path / "own.rule"
    rule.write_text("Rule own\nx = x - rate*g\nwith rate=0.1\n")
    options = ["--rule-file", str(rule), "--set", "rate=1/t", "--name", "own"]
    done = export("a*x**2", "--parameter", "a=2", "-o", str(file), *options)
    assert done.exit_code == 0
    text = file.with_suffix(".h").read_text("utf-8")
    assert "rate is 1/t, whatever h has" in text
    assert "OWN_PARAMETERS {2.0}" in text


def test_bounds_are_part_of_the_loop(tmp_path):
    file = tmp_path / "f.py"
    options = ["--method", "gd", "--bounds", "x=-2:0.5,y=1:"]
    assert export(VALLEY, *options, "-o", str(file)).exit_code == 0
    run_module = runpy.run_path(str(file))["minimize"]
    assert run_module([3.0, 0.0], maxiter=0).x == [0.5, 1.0]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["-o", "f.txt"], "the suffix says what is written: .c"),
        (["-o", "f.o", "--float32"], "float32 is about .c only"),
        (["-o", "f.c", "--method", "auto"], "the default method can't be exported"),
        (["-o", "f.c", "--set", "step_size=1"], "is for a method, and none is given"),
        (["-o", "f.c", "--bounds", "x=0:1"], "bounds are for a method"),
        (["-o", "f.c", "--method", "gd", "--bounds", "z=0:1"], "--bounds"),
        (["-o", "f.c", "--math", "fast"], "unknown math 'fast'"),
        (["-o", "none/f.c"], "the folder none does not exist"),
    ],
)
def test_bad_input_is_refused(tmp_path, monkeypatch, arguments, problem):
    monkeypatch.chdir(tmp_path)
    done = export(VALLEY, *arguments)
    assert done.exit_code == 2
    assert problem in done.stderr
    assert not [*tmp_path.iterdir()]
