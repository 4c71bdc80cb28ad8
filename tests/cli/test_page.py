"""``symgd report`` and ``symgd play``."""

import subprocess
import sys
import urllib.request

import pytest

from tests.cli.running import run

VALLEY = "(1 - x)**2 + 100*(y - x**2)**2"


def test_a_report_is_written_and_named(tmp_path):
    file = tmp_path / "page.html"
    done = run("report", VALLEY, "-o", str(file), "--start", "-1.2,1")
    assert (done.exit_code, done.stdout) == (0, f"written: {file}\n")
    assert '"start":[-1.2,1.0]' in file.read_text("utf-8")


def test_a_report_has_the_methods_that_are_asked_for(tmp_path):
    file, rule = tmp_path / "page.html", tmp_path / "own.rule"
    rule.write_text("Rule own\nx = x - rate*g\nwith rate=0.1\n")
    options = ["--methods", "gd(step_size=0.25),adam", "--rule-file", str(rule)]
    done = run("report", "a*x**2", "--parameter", "a=2", "-o", str(file), *options)
    assert done.exit_code == 0
    html = file.read_text("utf-8")
    assert all(f'"name":"{name}"' in html for name in ("gd", "adam", "own"))
    assert '"name":"step_size","value":0.25' in html
    assert '"parameters":{"a":2.0}' in html


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("x^2", "-o", "page.html"), "write x**2"),
        (("x**2", "-o", "page.txt"), "a page ends in .html"),
        (("x**2", "-o", "missing/page.html"), "does not exist"),
        (("x**2", "-o", "page.html", "--methods", "adma"), "unknown method"),
        (("x**2", "-o", "page.html", "--set", "gd.rate=1"), "unknown argument"),
        (("sum(x[i]**2 for i in range(3))", "-o", "page.html"), "arrays"),
    ],
)
def test_mistakes_are_told(tmp_path, monkeypatch, arguments, problem):
    monkeypatch.chdir(tmp_path)
    done = run("report", *arguments)
    assert done.exit_code == 2
    assert problem in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_play_prints_an_address_that_answers():
    command = [sys.executable, "-m", "symgd", "play", "x**2", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:")
            with urllib.request.urlopen(address) as answer:
                assert b'<textarea name="formula"' in answer.read()
        finally:
            process.terminate()
