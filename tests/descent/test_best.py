"""What a run offers where it ends above the lowest f that was seen."""

import numpy as np
import pytest

import symgd
from symgd import maximize, minimize

RISING = {"method": "gd", "step_size": 1.01, "maxiter": 400}
SUM = "sum(x[i]**2 for i in range(n))"


@pytest.mark.parametrize("text", ["x**2 + y**2", SUM])
def test_what_rises_offers_its_start(text):
    result = minimize(text, [1.0, 2.0], **RISING)
    assert result.best.x.tolist() == [1.0, 2.0]
    assert (result.best.fun, result.best.nit) == (5.0, 0)
    assert result.to_dict()["best"] == {"x": [1.0, 2.0], "fun": 5.0, "nit": 0}
    assert "lowest f seen: 5 at the start" in repr(result)


def test_a_maximum_has_the_highest():
    best = maximize("3 - x**2 - y**2", [1.0, 2.0], **RISING).best
    assert (best.fun, best.x.tolist()) == (-2.0, [1.0, 2.0])


@pytest.mark.parametrize("way", [{}, {"method": "gd", "maxiter": 300}])
def test_what_ends_at_its_best_offers_nothing(way):
    result = minimize("x**2 + y**2", [1.0, 2.0], **way)
    assert result.best is None
    assert result.to_dict()["best"] is None
    assert "seen" not in repr(result)


def test_a_trace_has_the_lowest_of_all():
    way = {"method": "momentum", "step_size": 0.3, "momentum": 0.99, "maxiter": 57}
    result = minimize("x**2 + y**2", [1.0, 2.0], trace=True, **way)
    place = int(np.argmin(result.trace.fun))
    assert 0 < place < 57
    assert result.best.fun == result.trace.fun[place]
    assert result.best.nit == place
    assert result.best.x.tolist() == result.trace.x[place].tolist()
    assert result.objective.value(result.best.x) == pytest.approx(result.best.fun)


def test_what_is_seen_between_slices_is_an_iterate():
    schedule = {"method": "gd", "step_size": "0.001 if t <= 100 else 1.1"}
    result = minimize("x**2 + y**2", [1.0, 2.0], maxiter=1000, **schedule)
    best = result.best
    assert 0 < best.nit < 1000
    again = minimize("x**2 + y**2", [1.0, 2.0], maxiter=best.nit, **schedule)
    assert again.x.tolist() == best.x.tolist()


def test_ends_of_many_and_of_races_offer_it_too():
    way = {"step_size": 1.01, "maxiter": 400}
    many = symgd.minimize_many("x**2 + y**2", [[1.0, 2.0]], method="gd", **way)
    raced = symgd.race("x**2 + y**2", [1.0, 2.0], [("gd", {"step_size": 1.01})])
    for result in (many[0], *raced.values()):
        assert (result.best.fun, result.best.nit) == (5.0, 0)


def test_values_that_differ_by_the_iteration_are_not_compared():
    online = symgd.Objective("x**2 + t", iteration="t")
    assert minimize(online, [1.0], method="gd", maxiter=40).best is None
