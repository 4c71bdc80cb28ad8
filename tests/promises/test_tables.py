"""What is said in several rooms is said of all members."""

import dataclasses
import inspect
from math import inf

import pytest

from symgd import Objective, Status, fit, maximize, minimize, minimize_many, race
from symgd.descent.run import Run
from symgd.descent.settings import Settings
from symgd.native.criteria import MEANINGS, Criteria
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


OF_DESCENTS = {each: {} for each in (minimize, maximize, minimize_many, race)}
# A fit's tolerance limits the offset, and its target is a column.
TAKING = OF_DESCENTS | {fit: {"gtol": 1e-8, "target": inspect.Parameter.empty}}


@pytest.mark.parametrize("function", TAKING, ids=lambda function: function.__name__)
def test_a_function_that_ends_by_criteria_has_their_defaults(function):
    parameters = inspect.signature(function).parameters
    defaults = dataclasses.asdict(Criteria()) | TAKING[function]
    taken = [name for name in MEANINGS if name in parameters]
    assert taken == list(MEANINGS) or function is fit
    assert {n: parameters[n].default for n in taken} == {n: defaults[n] for n in taken}
