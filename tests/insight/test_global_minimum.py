"""Certified minima: the enclosure holds the truth, the boxes hold all minimisers."""

import math

import numpy as np
import pytest

import symgd
from symgd import InputError, minimize_global

PI = math.pi
BRANIN = "(y - 5.1*x**2/(4*pi**2) + 5*x/pi - 6)**2 + 10*(1 - 1/(8*pi))*cos(x) + 10"
HUMPS = "(4 - 2.1*x**2 + x**4/3)*x**2 + x*y + (-4 + 4*y**2)*y**2"
HIMMELBLAU = "(x**2 + y - 11)**2 + (x + y**2 - 7)**2"
WAVES = "20 + x**2 + y**2 - 10*cos(2*pi*x) - 10*cos(2*pi*y)"
STYBLINSKI = "+".join(f"(x{i}**4 - 16*x{i}**2 + 5*x{i})/2" for i in range(10))
HARTMANN = " - ".join(
    [
        "0",
        "1.0*exp(-(3*(x-0.3689)**2 + 10*(y-0.117)**2 + 30*(z-0.2673)**2))",
        "1.2*exp(-(0.1*(x-0.4699)**2 + 10*(y-0.4387)**2 + 35*(z-0.747)**2))",
        "3*exp(-(3*(x-0.1091)**2 + 10*(y-0.8732)**2 + 30*(z-0.5547)**2))",
        "3.2*exp(-(0.1*(x-0.03815)**2 + 10*(y-0.5743)**2 + 35*(z-0.8828)**2))",
    ]
)
GOLDSTEIN = (
    "(1 + (x + y + 1)**2*(19 - 14*x + 3*x**2 - 14*y + 6*x*y + 3*y**2))"
    "*(30 + (2*x - 3*y)**2*(18 - 32*x + 12*x**2 + 48*y - 36*x*y + 27*y**2))"
)

CASES = [  # formula, bounds, minimum, minimisers
    ("(1 - x)**2 + 100*(y - x**2)**2", [(-2, 2)] * 2, 0, [(1, 1)]),
    (HIMMELBLAU, [(-5, 5)] * 2, 0, [(3, 2), (3.584428340330, -1.848126526964),
     (-3.779310253377, -3.283185991286), (-2.805118086952, 3.131312518250)]),
    (HUMPS, [(-2, 2), (-1.5, 1.5)], -1.0316284534898774,
     [(0.0898420131, -0.7126564030), (-0.0898420131, 0.7126564030)]),
    (BRANIN, {"x": (-5, 10), "y": (0, 15)}, 0.39788735772973816,
     [(-PI, 12.275), (PI, 2.275), (3 * PI, 2.475)]),
    (WAVES, [(-5.12, 5.12)] * 2, 0, [(0, 0)]),
    ("sin(x + y) + (x - y)**2 - 1.5*x + 2.5*y + 1", [(-1.5, 4), (-3, 4)],
     -1.9132229549810367, [(-0.5471975512, -1.5471975512)]),
    ("x**4 - x**2", [(-2, 2)], -0.25, [(-math.sqrt(0.5),), (math.sqrt(0.5),)]),
    (GOLDSTEIN, [(-2, 2)] * 2, 3, [(0, -1)]),
    ("3*x + 2*y", [(-1, 1)] * 2, -5, [(-1, -1)]),
    ("x**2 + y**2 + x*y", [(1, 2)] * 2, 3, [(1, 1)]),
    ("-x**2 - y**2 + x/4", [(-1, 1)] * 2, -2.25, [(-1, -1), (-1, 1)]),
    (HARTMANN, [(0, 1)] * 3, -3.8627821478207554,
     [(0.1146143386, 0.5556488499, 0.8525469535)]),
    (STYBLINSKI, [(-5, 5)] * 10, -391.6616570377142, [(-2.9035340277,) * 10]),
    ("abs(x - 1) + 2", [(-3, 3)], 2, [(1,)]),
    ("x*log(x) + 1", [(0.01, 2)], 1 - 1 / math.e, [(1 / math.e,)]),
    ("x + 1/x + 0.5", [(0.1, 3)], 2.5, [(1,)]),
    ("sqrt(x) + y**2", [(0, 1), (-1, 1)], 0, [(0, 0)]),
    ("x if x > 0 else 1 - x", [(-1, 1)], 0, [(0,)]),
    ("max(x, y, -x - y)", [(-1, 1)] * 2, 0, [(0, 0)]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "bounds", "minimum", "where"), CASES)
def test_the_minimum_is_enclosed_and_no_minimiser_is_lost(text, bounds, minimum, where):
    gap = 1e-4 if "max" in text else 1e-6
    found = minimize_global(text, bounds, time_limit=4, gap=gap)
    slack = 1e-13 * max(1, abs(minimum))
    assert found.fun_bounds.lower - slack <= minimum <= found.fun_bounds.upper + slack
    assert found.status == "PROVEN"
    assert found.gap <= 1.1e-4 * max(1, abs(minimum))
    assert symgd.Objective(text).value(found.x) <= found.fun + 1e-9
    names = symgd.Objective(text).variables
    for point in where:
        held = [
            all(
                a - 1e-7 <= x <= b + 1e-7
                for x, (a, b) in zip(point, (m.bounds[n] for n in names), strict=True)
            )
            for m in found.minimisers
        ]
        assert any(held), point


def test_each_of_several_minimisers_is_told_from_the_others():
    found = minimize_global(HIMMELBLAU, [(-5, 5)] * 2)
    assert len(found.minimisers) == 4
    assert all(m.unique for m in found.minimisers)
    widths = [b - a for m in found.minimisers for a, b in m.bounds.values()]
    assert max(widths) < 1e-6


def test_no_random_point_is_lower_than_what_is_proven():
    rng = np.random.default_rng(3)
    for _ in range(8):
        a, b, c, d = rng.normal(size=4).round(2).tolist()
        text = f"{a}*x**3 + {b}*x*y + sin({c}*x - y)*{d} + x**4/2 + y**2*exp(x)"
        found = minimize_global(text.replace("+ -", "- "), [(-2, 2)] * 2, time_limit=2)
        f = symgd.Objective(text.replace("+ -", "- "))
        starts = rng.uniform(-2, 2, (30, 2))
        best = min(
            symgd.minimize(f, start, bounds=[(-2, 2)] * 2).fun for start in starts
        )
        assert found.fun_bounds.lower <= best + 1e-12
        assert found.fun_bounds.upper <= best + 1e-6
        assert found.proven


def test_when_time_is_up_the_gap_is_honest():
    n = 11
    terms = (f"sin(x{i}*x{(i + 1) % n} + {i})*x{(i + 2) % n}" for i in range(n))
    text, box = "+".join(terms), [(-2, 2)] * n
    found = minimize_global(text, box, gap=1e-9, time_limit=0.01)
    assert found.status == "TIME_LIMIT"
    assert not found.proven
    assert found.seconds < 30
    f = symgd.Objective(text)
    best = min(f.value(x) for x in np.random.default_rng(0).uniform(-2, 2, (200, n)))
    assert found.fun_bounds.lower <= min(best, found.fun_bounds.upper)
    assert "time is up" in str(found)


def test_what_is_the_same_but_for_names_is_searched_once():
    many = minimize_global(STYBLINSKI, [(-5, 5)] * 10)
    one = minimize_global("(x**4 - 16*x**2 + 5*x)/2", [(-5, 5)], gap=1e-7)
    assert many.boxes == one.boxes


def test_fixed_variables_and_parameters():
    f = symgd.Objective("a*(x - 1)**2 + x*y + 3", ["x", "y"], parameters={"a": 2})
    found = minimize_global(f, {"x": (-5, 5), "y": (4, 4)})
    assert found.values == {"x": pytest.approx(0, abs=1e-6), "y": 4}
    assert found.fun == pytest.approx(5)


@pytest.mark.parametrize(
    ("text", "bounds", "message"),
    [
        ("x**2 + y", {"x": (-1, 1)}, "needs bounds of all variables: y has"),
        ("abs(log(x))", [(-2, -1)], "f is defined nowhere"),
        ("gamma(x)", [(1, 2)], "nothing is proven about gamma"),
        (
            "+".join(f"x{i}*x{i + 1}" for i in range(13)),
            [(-1, 1)] * 14,
            "14 variables that terms join",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused(text, bounds, message):
    with pytest.raises(InputError, match=message):
        minimize_global(text, bounds)


def test_it_prints():
    text = str(minimize_global("x**4 - x**2", [(-2, 2)]))
    assert "(proven)" in text
    assert "minimisers: in 2 boxes" in text
    assert "(unique)" in text


@pytest.mark.parametrize("formula", ["1/x", "log(x + 1)", "-1/x**2"])
def test_what_may_fall_without_bound_is_said_and_not_that_time_is_up(formula):
    found = symgd.minimize_global(formula, [(-1, 1)])
    assert found.status == "OPEN"
    assert "f may fall without bound, as at a pole" in str(found)
    assert "time is up" not in str(found)


def test_a_bar_shows_the_enclosure_and_ctrl_c_keeps_what_is_proven(capsys, monkeypatch):
    from symgd.insight.global_search import GlobalSearch

    stepped, rounds = GlobalSearch._step, []

    def interrupting(self, *boxes):
        rounds.append(boxes)
        if len(rounds) == 4:
            stepped(self, *boxes)  # what it would have found is lost, and no box is
            raise KeyboardInterrupt
        return stepped(self, *boxes)

    minimize_global(WAVES, [(-5.12, 5.12)] * 2, progress=True)
    assert "<= minimum <=" in capsys.readouterr().err
    monkeypatch.setattr(GlobalSearch, "_step", interrupting)
    coupled = f"{WAVES} + x*y/9"
    found = minimize_global(coupled, [(-5.12, 5.12)] * 2, gap=1e-12)
    assert found.status == "INTERRUPTED"
    assert "interrupted, open is the rest" in str(found)
    assert found.fun_bounds.lower <= 0 <= found.fun_bounds.upper
    assert any(
        all(low <= 0 <= high for low, high in box.bounds.values())
        for box in found.minimisers
    )


def test_what_is_found_does_not_depend_on_the_number_of_threads(monkeypatch):
    from symgd.insight import global_search

    monkeypatch.setattr(global_search, "PACK", 4)  # so that there are many parts
    monkeypatch.setattr(global_search, "PART", 1)
    coupled = f"{WAVES} + x*y/9 + sin(7*x*y)"
    stepped, parts = global_search.GlobalSearch._step, set()

    def noted(self, *boxes):
        parts.add(self)
        return stepped(self, *boxes)

    monkeypatch.setattr(global_search.GlobalSearch, "_step", noted)
    alone, *others = [
        minimize_global(coupled, [(-5.12, 5.12)] * 2, workers=workers)
        for workers in (1, 2, 3)
    ]
    assert len(parts) > 3
    assert alone.proven
    for other in others:
        assert other.fun_bounds == alone.fun_bounds
        assert other.boxes == alone.boxes
        assert other.minimisers == alone.minimisers
        assert other.values == alone.values


@pytest.mark.parametrize("workers", [0, 1.5, True, -2])
def test_workers_are_a_whole_number(workers):
    with pytest.raises(symgd.InputError, match="workers must be a whole number"):
        minimize_global("x**2", [(-1, 1)], workers=workers)


@pytest.mark.parametrize("text", ["log(x) + x**2", "1/sqrt(x)", "asin(x - 4)"])
def test_where_nothing_has_a_value_nothing_is_proven(text):
    found = minimize_global(text, [(-3, -1)], time_limit=0.2)
    assert (found.proven, found.fun_bounds.upper) == (False, math.inf)
    assert "no value at x = -2" in str(found)


def test_a_formula_that_is_seen_to_have_no_value_is_refused():
    with pytest.raises(InputError, match="f is defined nowhere within the bounds"):
        minimize_global("log(x)/x", [(-3, -1)])


def test_constants_that_intervals_do_not_know_are_enclosed_in_digits_or_refused():
    found = minimize_global("x**2 + gamma(1/3)", [(-1, 2)])
    low, high = found.fun_bounds
    assert found.proven
    assert low <= 2.678938534707747 <= high <= low + 1e-14
    with pytest.raises(InputError, match=r"the constant .* can't be enclosed"):
        minimize_global("x**2 + digamma(0.3)", [(-1, 2)])
