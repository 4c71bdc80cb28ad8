"""``symgd rules --test``: a file that pytest runs, for any rule, whatever its name."""

import ast
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from symgd import Rule, cli
from symgd.cli.written_tests import written_tests
from symgd.rules.family import BUILT_IN

HEAVY = "Rule heavy\nm = beta*m + g\nx = x - step_size*m\nwith step_size=0.1, beta=0.5"


def run(*arguments):
    return CliRunner().invoke(cli.app, ["rules", *map(str, arguments)])


def names_of(text):
    """Return what a file tests."""
    return re.findall(r"^def test_(\w+)", text, re.MULTILINE)


EVERY = "what_holds_for_any_rule"
DESCENT = "steps_below_2_over_l_descend_on_convex_quadratics"
WITHOUT_MOMENTUM = "without_momentum_it_is_gradient_descent"
MORE = {
    "gd": [DESCENT],
    "momentum": [WITHOUT_MOMENTUM],
    "nesterov": [WITHOUT_MOMENTUM],
    "adagrad": ["v_never_decreases"],
    "amsgrad": ["vhat_never_decreases"],
    "amsgrad_torch": ["vhat_never_decreases"],
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_what_is_tested_follows_from_the_equations(name):
    done = run(name, "--test")
    assert done.exit_code == 0
    assert names_of(done.stdout) == [EVERY, *MORE.get(name, [])]
    assert f'RULE = "{name}"\n' in done.stdout
    known = {}
    exec(compile(done.stdout, name, "exec"), known)
    for test in MORE.get(name, []):  # the first one is tried in tests/testing
        known[f"test_{test}"]()


def test_a_rule_of_a_file_is_written_into_its_test(tmp_path):
    rule, test = tmp_path / "my.rule", tmp_path / "test_mine.py"
    rule.write_text(HEAVY, "utf-8")
    done = run("--rule-file", rule, "--test")
    assert names_of(done.stdout) == [EVERY, "without_beta_it_is_gradient_descent"]
    test.write_text(done.stdout, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout
    assert "2 passed" in ran.stdout


def test_a_file_is_as_ruff_formats_it():
    for rule in (*BUILT_IN.values(), Rule.from_text(HEAVY)):
        command = [sys.executable, "-m", "ruff", "format", "--isolated", "--check", "-"]
        text = f"{written_tests(rule)}\n"
        done = subprocess.run(command, input=text, capture_output=True, text=True)
        if "No module named ruff" in done.stderr:
            assert ast.parse(text)
        else:
            assert done.returncode == 0, text


@pytest.mark.parametrize(
    "name",
    ['a"""\nimport os\n"""', 'x""" + print(1) + """', "back\\slash", "'''", "\x07"],
)
def test_a_name_is_never_code(name):
    rule = Rule(name, "x = x - step_size*g", step_size=0.1)
    tree = ast.parse(written_tests(rule))
    kinds = [type(node) for node in tree.body]
    assert kinds == [
        *(ast.Expr, ast.Import, ast.ImportFrom, ast.Assign),
        *(ast.FunctionDef, ast.FunctionDef),
    ]
    (made,) = (node.value for node in tree.body if isinstance(node, ast.Assign))
    (text,) = made.args
    assert ast.literal_eval(text).strip() == rule.text.strip()


def test_what_is_asked_wrongly_is_refused():
    for arguments in (
        ["--test"],
        ["gd", "--test", "--json"],
        ["gd", "--test", "--latex"],
    ):
        done = run(*arguments)
        assert done.exit_code == 2
        assert (
            "--test is of one rule, and alone: symgd rules NAME --test" in done.stderr
        )
