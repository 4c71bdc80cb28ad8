"""The command line: rules that stand in files."""

import json

import pytest

import symgd
from symgd import Rule
from tests.cli.running import run
from tests.problems import ROSENBROCK


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
