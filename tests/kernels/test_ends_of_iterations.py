"""What is asked after each iteration: what ends a run, and what bounds hold."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from symgd.arithmetic import primitives
from symgd.descent.run import is_held, projected_norm
from symgd.kernels import common
from symgd.lowering import projection
from symgd.native.status import RUNNING, Status

INF = math.inf
LOW, HIGH = np.array([-INF, 0.0, 0.0, -1.0]), np.array([INF, 2.0, INF, 0.0])
NAMES = ("begin", "commit", "dot", "is_held", "judged", "largest_of", "mark_free")


@pytest.fixture(autouse=True)
def python(monkeypatch):
    """Let the functions of loops be those of Python."""
    for name in NAMES:
        function = getattr(common, name)
        monkeypatch.setattr(common, name, getattr(function, "py_func", function))


def run_of(**numbers):
    usual = {"t": 4, "value": 5.0, "norm": 1.0, "gtol": 0.1, "target": -INF}
    usual |= {"patience": 0, "waited": 0, "best": INF, "ftol": 0.0}
    usual |= {"every": 0, "rows": 0, "evaluations": 2}
    return SimpleNamespace(**(usual | numbers))


@pytest.mark.parametrize(
    ("numbers", "status"),
    [
        ({}, RUNNING),
        ({"norm": 0.1}, Status.CONVERGED),
        ({"norm": 0.0, "gtol": 0.0}, Status.CONVERGED),
        ({"norm": math.nextafter(0.1, 1)}, RUNNING),
        ({"norm": math.nan}, RUNNING),
        ({"target": 5.0}, Status.TARGET_REACHED),
        ({"target": math.nextafter(5.0, 0)}, RUNNING),
        ({"target": 5.0, "norm": 0.0}, Status.CONVERGED),
        ({"waited": 99}, RUNNING),
    ],
)
def test_gradient_comes_before_target_and_target_before_patience(numbers, status):
    assert common.judged(run_of(**numbers)) == status


@pytest.mark.parametrize("ftol", [0.0, 0.5])
def test_patience_counts_iterations_without_improvement(ftol):
    run, statuses = run_of(patience=2, ftol=ftol), []
    for value in (5.0, 5.0 - ftol, 5.0 - 1.5 * ftol - 0.125, 6.0, 7.0):
        run.value = value
        statuses.append((common.judged(run), run.waited, run.best))
    better = 5.0 - 1.5 * ftol - 0.125
    expected = [(RUNNING, 0, 5.0), (RUNNING, 1, 5.0), (RUNNING, 0, better)]
    expected += [(RUNNING, 1, better), (Status.STALLED, 2, better)]
    assert statuses == expected


def test_patience_of_one():
    run = run_of(patience=1)
    assert common.judged(run) == RUNNING
    assert common.judged(run) == Status.STALLED


def test_an_iterate_is_counted_and_its_free_slopes_are_measured():
    x, g = np.array([1.0, 0.0, 3.0, 0.0]), np.array([-2.0, 7.0, 0.5, -9.0])
    run, rows = run_of(every=5, gtol=2.0), np.zeros((2, 7))
    assert common.commit(run, x, g, LOW, HIGH, rows) == Status.CONVERGED
    assert (run.t, run.norm, run.rows) == (5, 2.0, 1)
    assert rows[0].tolist() == [5.0, 5.0, 2.0, *x]
    assert common.commit(run, x, g, LOW, HIGH, rows) == Status.CONVERGED
    assert (run.t, run.rows) == (6, 1)  # no row of it
    assert common.commit(run, x, g / 8.0, LOW, HIGH, rows) == Status.CONVERGED
    assert run.norm == 0.25
    still = run_of(gtol=1.0)
    assert common.commit(still, x, g, LOW, HIGH, rows) == RUNNING
    assert still.rows == 0


def test_the_start_is_counted():
    run = run_of()
    common.begin(run, -3.0)
    assert (run.evaluations, run.value, run.deepest) == (3, -3.0, -3.0)
    assert run.bottom == 3.0 * common.LOWEST
    common.begin(run, 0.5)
    assert run.bottom == common.LOWEST


# What bounds hold: at, beside and beyond each side, for slopes of both signs and 0.
SIDES = [
    ((0.0, 1.0, 0.0, 2.0), True),
    ((-0.5, 1.0, 0.0, 2.0), True),
    ((0.0, -1.0, 0.0, 2.0), False),
    ((0.0, 0.0, 0.0, 2.0), False),
    ((1.0, 1.0, 0.0, 2.0), False),
    ((1.0, -1.0, 0.0, 2.0), False),
    ((2.0, -1.0, 0.0, 2.0), True),
    ((2.5, -1.0, 0.0, 2.0), True),
    ((2.0, 1.0, 0.0, 2.0), False),
    ((2.0, 0.0, 0.0, 2.0), False),
    ((2.0, 0.5, 0.0, 2.0), False),
    ((0.0, -0.5, 0.0, 2.0), False),
    ((1.0, 3.0, 1.0, 1.0), True),
    ((1.0, -3.0, 1.0, 1.0), True),
    ((-9.0, 3.0, -INF, INF), False),
    ((-9.0, -3.0, -INF, INF), False),
]


@pytest.mark.parametrize(("sides", "held"), SIDES)
def test_three_functions_agree_on_what_a_bound_holds(sides, held, monkeypatch):
    monkeypatch.setattr(projection, "choose", lambda c, a, b: a if c else b)
    x, g, low, high = sides
    assert common.is_held(*sides) == is_held(*sides) == held
    slopes = projection.projected_gradient([(low, high)])
    assert slopes((x,), (g,)) == (0.0 if held else g,)
    assert projected_norm([x], [g], [low], [high]) == (0.0 if held else abs(g))


def test_the_largest_of_the_slopes_that_are_free():
    assert projected_norm([], [], [], []) == 0.0
    ends = [0.0] * 3, [9.0] * 3
    assert projected_norm([0.0, 1.0, 2.0], [5.0, -3.0, 2.0], *ends) == 3.0


def test_points_are_brought_inside(monkeypatch):
    monkeypatch.setattr(projection, "choose", lambda c, a, b: a if c else b)
    inside = projection.projected([(0.0, 2.0), (-INF, 1.0), (1.0, INF), (-INF, INF)])
    assert inside((-1.0, -5.0, 0.5, -9.0)) == (0.0, -5.0, 1.0, -9.0)
    assert inside((3.0, 1.5, 7.0, 9.0)) == (2.0, 1.0, 7.0, 9.0)
    assert inside((0.0, 1.0, 1.0, 0.0)) == (0.0, 1.0, 1.0, 0.0)
    assert math.isnan(inside((math.nan, 0.0, 1.0, 0.0))[0])


def test_choose_is_what_the_projection_needs():
    assert primitives.choose(True, 1.0, 2.0) == 1.0
    assert primitives.choose(False, 1.0, 2.0) == 2.0


def test_free_coordinates_and_what_is_computed_with_them():
    x, g = np.array([1.0, 0.0, 3.0, 0.0]), np.array([-2.0, 7.0, 0.5, -9.0])
    free = np.zeros(4)
    assert common.mark_free(x, g, LOW, HIGH, free)
    assert free.tolist() == [1.0, 0.0, 1.0, 0.0]
    assert not common.mark_free(x, g, LOW, HIGH, free)
    free[3] = 1.0
    assert common.mark_free(x, g, LOW, HIGH, free)
    assert common.largest_of(g, free) == 2.0
    assert common.largest_of(np.zeros(4), free) == 0.0
    assert common.dot(np.array([3.0, INF, 2.0, 1.0]), np.ones(4), free) == 5.0
