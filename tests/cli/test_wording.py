"""Messages of Python in the words of options, and what others call these."""

import ast
import re
from pathlib import Path

import pytest
import typer

import symgd
from symgd import FormulaError
from symgd.cli import app, wording
from tests.cli.running import run

SOURCES = [
    path
    for path in Path(symgd.__file__).parent.rglob("*.py")
    if "cli" not in path.parts and "testing" not in path.parts
]


@pytest.fixture(autouse=True)
def any_command():
    wording.speak_of(None)


def texts():
    """Return what the package says: its texts in several words, but for docstrings."""
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        said = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                said |= {id(part) for part in node.values}
                parts = [getattr(part, "value", None) for part in node.values]
                yield "".join(p if isinstance(p, str) else "x" for p in parts)
            elif isinstance(node, ast.Constant) and id(node) not in said:
                yield node.value if isinstance(node.value, str) else ""


def test_no_setting_of_python_is_left_in_what_is_said():
    names = "|".join(wording.OPTIONS)
    pattern = re.compile(rf"(?<![\w.'\"<-])({names})=(?![=\w']* *\")")
    said = [text for text in texts() if " " in text and not set("<\n") & set(text)]
    settings = [text for text in said if pattern.search(text)]
    assert len(settings) > 20
    left = [text for text in settings if pattern.search(wording.as_options(text))]
    assert left == []


def test_every_option_exists():
    commands = typer.main.get_command(app).commands.values()
    known = {o for c in commands for p in c.params for o in p.opts}
    assert set(wording.OPTIONS.values()) <= known


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("give trials=", "give --trials"),
        ('drop with missing="drop", or mend', "drop with --missing drop, or mend"),
        ("give sizes={'n': 5, 'm': 2}, say", "give --size n=5,m=2, say"),
        ("fit again with x0={'a': 1, 'b': 2}", "fit again with --start a=1,b=2"),
        ("name it: x0={'E': 1, ...}", "name it: --start E=1,..."),
        ("give parameters={'a': 1, 'b': 2}", "give --parameter a=1 --parameter b=2"),
        ("bounds={'x': (0, None)}", "--bounds x=0:"),
        ("methods=['gd', 'adam'], say", "--methods gd,adam, say"),
        ("subject_to=['x >= 0']", '--subject-to "x >= 0"'),
        ("it is there twice; tell them apart: methods={'a': ..., 'b': ...}",
         "it is there twice"),
        ("pass trace=True", "pass --trace FILE"),
        ("unknown variable in x0 'z'; accepted: x0, x1",
         "unknown variable in --start 'z'; accepted: x0, x1"),
        ("the gradient of x0 is nan", "the gradient of x0 is nan"),
        ("x0 has shape (1,); expected 2 number(s), for x0, x1",
         "--start has 1 number(s); expected 2 number(s), for x0, x1"),
        ("unknown name 'x0=1'", "unknown name 'x0=1'"),
        ("column 'time_limit' isn't numbers", "column 'time_limit' isn't numbers"),
        ("time_limit must be a number", "--time-limit must be a number"),
        ("within gtol = 1e-8", "within gtol = 1e-8"),
        ("the method can't", "the method can't"),
        ("missing option '--method'", "missing option '--method'"),
        ("fixed b = c is no number; it goes into tied",
         "--fix b = c is no number; it goes into --tie"),
    ],
)  # fmt: skip
def test_settings_are_options_and_users_names_stay(message, shown):
    assert wording.as_options(message) == shown


def test_formulas_in_errors_stay_as_they_are():
    error = FormulaError("x0= is wrong", "x0=1 + sizes=2", 0, 3, "write sizes*x0")
    assert "    x0=1 + sizes=2\n" in wording.error_as_options(error)
    assert wording.error_as_options(error).endswith("\nwrite sizes*x0")


@pytest.mark.parametrize(
    ("option", "meant"),
    [
        ("--x0", "it is --start"),
        ("--p0", "it is --start"),
        ("--rng", "it is --seed"),
        ("--tol", "it is --gtol"),
        ("--time_limit", "it is --time-limit"),
        ("--constraints", "it is --subject-to"),
        ("--parameters", "it is --parameter"),
        ("--max-iter", "it is --maxiter"),
        ("--maxitr", "(did you mean '--maxiter'?)"),
        ("--lr", "it is --set step_size=0.1"),
        ("--step_size", "it is --set step_size=0.1"),
        ("--fix", "there is no --fix\n"),
        ("--zzz", "there is no --zzz\n"),
    ],
)
def test_options_of_elsewhere_are_told(option, meant):
    result = run("minimize", "x**2", option, "1")
    assert result.exit_code == 2
    assert meant in result.stderr


def test_a_formula_without_quotes_is_put_in_them():
    refused = run("minimize", "x**2", "+", "y**2", "--start", "1,2")
    assert "write symgd minimize 'x**2 + y**2'" in refused.stderr
    assert "quotes" not in run("minimize", "x**2", "y**2").stderr


def test_what_the_same_option_says_twice_is_not_lost():
    twice = run("minimize", "x + y", "--start", "x=1", "--start=y=2")
    assert "--start is given once, for all: --start x=...,y=..." in twice.stderr
    assert twice.exit_code == 2
    last = ("--start", "x=1,y=1", "--start", "x=2,y=2")  # as an alias has it
    assert run("minimize", "x**2 + y**2", *last).exit_code == 0


@pytest.mark.parametrize("option", ["-v", "-o"])
def test_short_options_that_are_none_are_no_formula(option):
    assert f"there is no {option}\n" in run("minimize", "x**2", option).stderr


def test_relations_in_one_text_are_given_one_by_one():
    refused = run("minimize", "x**2", "--subject-to", "x > 1, x < 3")
    assert 'give --subject-to "x > 1" --subject-to "x < 3"' in refused.stderr
