"""What is said in several rooms is said of all members."""

from math import inf

import pytest

from symgd import Objective, Status
from symgd.descent.run import Run
from symgd.descent.settings import Settings
from symgd.objectives.points import read_bounds
from symgd.plotting.sweep_map import COLOURS

USUAL = {"sign": 1.0, "maxiter": 100, "gtol": 1e-8, "ftol": 0.0, "patience": 0}
USUAL |= {"target": -inf, "time_limit": inf, "every": 0, "progress": False}


@pytest.fixture(scope="module")
def run():
    objective = Objective("x**2")
    return Run(objective, read_bounds(None, objective.space), Settings(**USUAL))


@pytest.mark.parametrize("status", Status)
def test_a_status_has_a_sentence_a_message_and_a_colour(run, status):
    assert status.sentence.endswith(".")
    assert run.message(status)
    assert COLOURS[status]
