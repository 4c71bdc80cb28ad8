"""Deadlines: an answer that none has cut short would be the same with more time."""

import ast
from pathlib import Path

import pytest

import symgd
from symgd.insight import deadlines
from tests.problems import ROSENBROCK

BOX = {"x": (-2, 2), "y": (-2, 2)}
ROWS = "sum(log(1 + exp(-y[i]*(w*t[i] + b))) for i in range(n))"
DATA = {"t": [0.5, 1.0, 2.0] * 100, "y": [1.0, -1.0, 1.0] * 100}


def told(f, bounds, time_limit):
    """Return what is proven in this time, and the deadlines that passed."""
    with deadlines.watched() as passed:
        analysis = symgd.analyze(f, bounds, time_limit=time_limit)
        return str(analysis), passed


@pytest.mark.parametrize(
    ("f", "bounds"),
    [
        (ROSENBROCK, BOX),
        ("x**2 + 10*y**2", None),
        ("exp(x)*sin(x*y) + y**4", BOX),
        ("sin(3*x) + cos(y)", BOX),
        (symgd.Objective(ROWS, data=DATA), None),
    ],
)
def test_what_no_deadline_cut_short_needs_no_more_time(f, bounds):
    short = [told(f, bounds, seconds) for seconds in (1e-9, 0.01, 0.1, 1.0)]
    whole, passed = told(f, bounds, 1000.0)
    assert not passed
    assert [text for text, passed in short if not passed and text != whole] == []


def test_a_deadline_that_passes_is_noticed():
    assert told("exp(x)*sin(x*y) + y**4", BOX, 1e-9)[1]


def test_who_watches_no_longer_is_told_nothing():
    with deadlines.watched() as passed:
        pass
    assert deadlines.is_past(0.0)
    assert passed == []


def test_all_that_has_a_deadline_asks_whether_it_is_past():
    room = Path(deadlines.__file__).parent
    asking = [
        file.name
        for file in sorted(room.glob("*.py"))
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Compare) and "monotonic" in ast.unparse(node)
    ]
    assert asking == ["deadlines.py"]
