"""Verdicts on formulas whose curvature is known, and attacks on all that is said."""

import math
import re

import mpmath
import numpy as np
import pytest
import sympy as sp

import symgd
from symgd.insight import exact
from symgd.insight.analysis import analyze
from symgd.insight.witnesses import Chord, Witness
from symgd.language.nodes import symbol
from tests.insight.formulas import KNOWN

FEWEST = 0.96  # of the table, that is to be decided


def told(text, bounds):
    return analyze(text, bounds, time_limit=0.6)


@pytest.fixture(scope="module")
def verdicts():
    return {(text, str(bounds)): told(text, bounds) for text, bounds, _ in KNOWN}


def test_nothing_wrong_is_said_and_most_is_decided(verdicts):
    wrong, open_ = [], []
    for text, bounds, known in KNOWN:
        said = verdicts[text, str(bounds)].curvature.replace("strongly ", "")
        if said == "unknown":
            open_.append(text)
        elif said != known:
            wrong.append((text, bounds, said, known))
    assert wrong == []
    assert len(open_) <= (1 - FEWEST) * len(KNOWN), open_


def test_each_witness_is_confirmed_by_50_digits(verdicts):
    seen = set()
    for analysis in verdicts.values():
        if analysis.curvature == "not convex":
            value = analysis.witness.check()
            seen.add(type(analysis.witness))
            assert value < 0 if isinstance(analysis.witness, Witness) else value > 0
    assert seen == {Witness, Chord}


def test_random_segments_contradict_no_verdict(verdicts):
    rng = np.random.default_rng(0)
    for (text, _), analysis in verdicts.items():
        names, f = analysis.problem.names, analysis.problem.expression
        low, high = analysis.problem.box.within_reach()
        low, high = np.maximum(low, -3), np.minimum(high, 3)
        value = sp.lambdify([symbol(n) for n in names], f, ["mpmath", _more()])
        a, b = (low + (high - low) * rng.random((len(names), 40)) for _ in "ab")
        for q in range(40):
            ends = value(*a[:, q]) + value(*b[:, q])
            above = value(*(0.5 * (a[:, q] + b[:, q]))) - ends / 2
            slack = 1e-12 * (1 + abs(ends))
            if analysis.is_convex:
                assert above <= slack, text
            if analysis.curvature in ("concave", "affine"):
                assert above >= -slack, text


def _more():
    import mpmath

    return {
        "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
        "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
        "log_cosh": lambda x: mpmath.log(mpmath.cosh(x)),
        "real_abs": abs,
    }


def test_curvatures_at_points_are_within_L_and_mu(verdicts):
    rng = np.random.default_rng(1)
    for (text, bounds), analysis in verdicts.items():
        names = [symbol(n) for n in analysis.problem.names]
        f = symgd.Objective(text)
        if not f.is_analytic or bounds == "None":
            continue
        low, high = analysis.problem.box.within_reach()
        for _ in range(10):
            x = low[:, 0] + (high - low)[:, 0] * rng.random(len(names))
            values = np.linalg.eigvalsh(f.hess(x))
            slack = 1e-9 * (1 + np.abs(values).max())
            assert np.abs(values).max() <= analysis.lipschitz.upper + slack, text
            assert values[0] >= analysis.convexity.lower - slack, text


RANDOM = [
    "a*x**2 + b*x*y + c*y**2 + d*x**4",
    "a*exp(b*x + c*y) + d*x**2 + y**2/3",
    "log(exp(a*x) + exp(b*y) + 1) + c*x*y/4 + d*(x - y)**2",
    "a*cos(b*x + y) + c*x**2 + d*y**2",
    "sqrt(1 + (a*x + b*y)**2) + c*sin(x)*sin(y) + d*y**2",
    "(a*x + b)**4 + (c*y + d*x)**2 - x*y",
    "a*x/(2 + y) + b*x**2/(3 + x) + c*y**2 + d*x*y",
    "max(a*x, b*y) + c*abs(x - d) + x*y/9",
]


@pytest.mark.parametrize("text", RANDOM)
def test_random_coefficients_are_attacked(text):
    rng = np.random.default_rng(len(text))
    for _ in range(3):
        values = dict(zip("abcd", rng.normal(size=4).round(2), strict=True))
        f = symgd.Objective(text, ["x", "y"], parameters=values)
        analysis = analyze(f, [(-1, 1)] * 2, time_limit=0.2)
        a, b = rng.uniform(-1, 1, (2, 400, 2))
        near = rng.random(400) < 0.5
        b[near] = np.clip(a[near] + 0.1 * (b - a)[near], -1, 1)
        at_a, at_b, middle = (
            np.array([f.value(x) for x in points]) for points in (a, b, (a + b) / 2)
        )
        above = middle - (at_a + at_b) / 2
        if analysis.is_convex:
            assert above.max() <= 1e-13 * (1 + np.abs(middle).max())
        elif analysis.is_convex is False:
            value = analysis.witness.check()
            assert value < 0 if isinstance(analysis.witness, Witness) else value > 0
        if analysis.curvature == "concave":
            assert above.min() >= -1e-13 * (1 + np.abs(middle).max())


def test_elimination_in_fractions_knows_hilberts_matrix():
    from fractions import Fraction

    hilbert = [[Fraction(1, i + j + 1) for j in range(6)] for i in range(6)]
    assert exact.falling_direction(hilbert) is None
    assert exact.rank_of(hilbert) == 6
    hilbert[5][5] -= Fraction(2, 10**6)
    assert exact.form_of(hilbert, exact.falling_direction(hilbert)) < 0


def test_what_single_points_are_is_no_proof():
    """At x == 0 alone it bends down: that is nothing that a curve does."""
    x = symbol("x")
    odd = sp.Piecewise((-(x**2), sp.Eq(x, 0)), (x**2, True), evaluate=False)
    assert analyze(odd, [(-1, 1)], time_limit=0.3).curvature != "not convex"
    jumps = sp.Piecewise((sp.Integer(5), sp.Eq(x, 0)), (x**2, True), evaluate=False)
    assert analyze(jumps, [(-1, 1)], time_limit=0.3).curvature in (
        "unknown",
        "not convex",
    )


def test_what_is_not_defined_throughout_is_not_called_convex():
    cancelled = analyze("(x - y)/(y - x) + x", [(0, 1), (0, 2)], time_limit=0.3)
    assert cancelled.curvature == "unknown"
    for text in ("-log(x)", "x*sqrt(x)", "1/x", "acosh(x)", "-sqrt(x)"):
        analysis = analyze(text, [(-1, 1)], time_limit=0.3)
        assert analysis.curvature in ("unknown", "not convex"), text
        assert "undefined" in analysis.domain


ENDS = {
    "convex": [
        ("x*log(x)", (0, 5)),
        ("x*log(x) + (1 - x)*log(1 - x)", (0, 1)),
        ("-log(x) - log(3 - 2*x)", (0, 1.5)),
        ("-log(2*x - 2)", (1, 4)),
        ("-sqrt(x) + x**2/(1 - x)", (0, 1)),
        ("exp(-1/x)", (0, 0.45)),
        ("1/x**2 - log(x)", (0, 2)),
        ("-log(x) + x", (0, math.inf)),
        ("1/(x + 3)", (-3, math.inf)),
        ("-log(-x)", (-math.inf, 0)),
    ],
    "concave": [("log(x)/x", (0, 1)), ("log(x) + sqrt(7 - x)", (0, 7))],
    "not convex": [
        ("exp(-1/x)", (0, 4)),
        ("x*log(x)**2", (0, 1)),
        ("log(x/(1 - x))", (0, 1)),
        ("sqrt(x)*log(x)", (0, 2)),
    ],
    "unknown": [  # what has conditions may be anything at its end
        ("x*log(x) if x > 0 else -1", (0, 2)),
        ("x*log(x) if x > 0 else 0", (0, 2)),
    ],
}


@pytest.mark.parametrize(
    ("said", "formula", "bounds"),
    [(said, *each) for said, table in ENDS.items() for each in table],
)
def test_between_ends_at_which_it_is_not_smooth(said, formula, bounds):
    analysis = analyze(formula, [bounds], time_limit=0.5)
    assert analysis.curvature.removeprefix("strongly ") == said
    assert (analysis.convexity.lower >= 0) == (said == "convex")


@pytest.mark.parametrize(
    ("formula", "bounds", "mu"),
    [
        ("-log(x)", (0, 3), 1 / 9),
        ("x*log(x)", (0, 5), 1 / 5),
        ("x*log(x) + (1 - x)*log(1 - x)", (0, 1), 4),
        ("x**2 - log(x)", (0, math.inf), 2),
        ("-(3 - x)**(3/10)", (-1, 3), 0.3 * 0.7 * 4**-1.7),
    ],
)
def test_mu_of_what_is_smooth_between_ends(formula, bounds, mu):
    least = analyze(formula, [bounds]).convexity
    assert 0.99 * mu <= least.lower <= mu * (1 + 1e-12)
    assert mu * (1 - 1e-12) <= least.upper <= 1.01 * mu


@pytest.mark.parametrize("end", [0, 1, -0.75])
@pytest.mark.parametrize("side", [1, -1])
def test_near_an_end_chords_are_as_is_said(end, side):
    """From both sides of an end, down to 1e-30 of it, with 60 digits."""
    beside, rng = f"({side}*(x - ({end})))", np.random.default_rng(1)
    pairs = 10.0 ** -rng.uniform(0, 30, (200, 2))
    bounds = tuple(sorted([end, end + side * 2]))
    for form in ("t*log(t)", "-t**(3/10)", "1/t", "t**(5/2)*log(t)"):
        analysis = analyze(re.sub(r"\bt\b", beside, form), [bounds])
        value = sp.lambdify(sp.Symbol("t"), form, "mpmath")
        with mpmath.workdps(60):
            for a, b in pairs:
                p, q = mpmath.mpf(a), mpmath.mpf(b)
                above = value((p + q) / 2) - (value(p) + value(q)) / 2
                assert above <= 0 or analysis.curvature != "convex"
        expected = "not convex" if "5/2" in form else "convex"
        assert analysis.curvature.removeprefix("strongly ") == expected, form
