"""Every built-in rule, row by row, against PyTorch, Optax and exact arithmetic."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest

from symgd import Objective, minimize
from symgd.rules.family import BUILT_IN

FILES = sorted((Path(__file__).parent / "references").glob("*.json"))
REFERENCES = {file.stem: json.loads(file.read_text()) for file in FILES}


def test_every_rule_has_its_references():
    assert set(REFERENCES) == set(BUILT_IN)
    for rule, reference in REFERENCES.items():
        assert reference["source"]
        assert reference["versions"]
        assert len({run["objective"] for run in reference["runs"]}) == 3
        for run in reference["runs"]:
            assert set(run["hyperparameters"]) == set(BUILT_IN[rule].hyperparameters)
            assert len(run["x"]) == 61


@functools.cache
def objectives(rule):
    """Return those of a rule: one formula, compiled once, of which one term counts."""
    runs = REFERENCES[rule]["runs"]
    sum_of_all = " + ".join(f"w{i}*({run['objective']})" for i, run in enumerate(runs))
    none = dict.fromkeys(("w0", "w1", "w2"), 0.0)
    whole = Objective(sum_of_all, "x y z", parameters=none)
    return [whole.with_parameters(**{name: 1.0}) for name in none]


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("rule", REFERENCES)
def test_a_rule_follows_its_reference(rule, number):
    run = REFERENCES[rule]["runs"][number]
    expected = np.array(run["x"])
    rows, n = expected.shape
    options = {"maxiter": rows - 1, "gtol": 0.0, "trace": True}
    options |= run["hyperparameters"]
    start = [*expected[0], 0.0][:3]  # z stays 0 where it isn't in the formula
    x = minimize(objectives(rule)[number], start, method=rule, **options).trace.x
    # Where the gradient is exactly 0, a run is over; the reference stays there.
    x = np.pad(x, [(0, rows - len(x)), (0, 0)], mode="edge")[:, :n]
    largest = abs(expected).max(axis=1, keepdims=True)
    assert (abs(x - expected) / largest).max() <= 1e-12
