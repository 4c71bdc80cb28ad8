"""Where a formula is defined is said, and where that is open."""

import math

import numpy as np
import pytest

from symgd import analyze
from symgd.insight.boxes import halves, indivisible


@pytest.mark.parametrize(
    ("formula", "bounds", "said"),
    [
        ("log(x) + y", [(1, 2), (0, 1)], "defined and continuous throughout"),
        ("sqrt(2*x - 1)", None, "sqrt(2*x - 1) is undefined for x < 1/2"),
        ("sqrt(3 - x) + y", [(0, 5), (0, 1)], "sqrt(3 - x) is undefined for x > 3"),
        ("log(x)", [(0, 1)], "log(x) may be undefined, or jump, at x = 0"),
        (
            "log(x)",
            [(-1, 2)],
            "log(x) is undefined for x < 0; log(x) may be undefined, or jump, at x = 0",
        ),
        (
            "x*log(x) + y*log(y)",
            [(0, 5), (0, 5)],
            "log(x) may be undefined, or jump, at x = 0; "
            "log(y) may be undefined, or jump, at y = 0",
        ),
        (
            "1/(x - 3) + 1/(x + 2)",
            None,
            "1/(x - 3) may be undefined, or jump, at x = 3; "
            "1/(x + 2) may be undefined, or jump, at x = -2",
        ),
        ("log(log(x))", None, "log(x) may be undefined, or jump, for x in [0, 1]"),
        ("log(x*y)", [(-1, 1), (1, 2)], "for x in [-1, 0], for y in [1, 2]"),
        ("x**y", [(0, 2), (1, 2)], "at x = 0"),
        ("log(x) if x > 0 else 0", [(-1, 1)], "log(x) may be undefined, or jump, "),
        ("sqrt(x) + sqrt(-x)", None, "x < 0; sqrt(-x) is undefined for x > 0"),
        ("gamma(x)", [(1, 2)], "unknown: nothing is proven about gamma"),
    ],
)
def test_domains(formula, bounds, said):
    assert said in analyze(formula, bounds, time_limit=0.2).domain


def test_many_regions_are_shortened():
    said = analyze("tan(x)", [(0, 40)], time_limit=0.2).domain
    assert said.count("tan(x)") == 3
    assert said.endswith("...")


@pytest.mark.parametrize(
    ("low", "high"),
    [(0, math.inf), (-math.inf, 0), (-math.inf, math.inf), (-1, 1), (3, 1e300)],
)
def test_every_box_ends_by_being_halved(low, high):
    for side in (0, -1):
        a, b = np.array([[float(low)]]), np.array([[float(high)]])
        for _ in range(5000):
            if indivisible(a, b)[0]:
                break
            a, b = halves(a, b)
            a, b = a[:, [side]], b[:, [side]]
        assert indivisible(a, b)[0]


def test_what_is_endless_is_divided():
    assert not indivisible(np.array([[0.0]]), np.array([[math.inf]]))[0]
    assert analyze("-log(x) + x**2", [(0, None)]).curvature == "strongly convex"


def test_the_smallest_curvature_is_at_most_that_of_the_witness():
    analysis = analyze("(x - 1)**2 + log(x)", time_limit=0.2)
    assert analysis.convexity.upper <= -1.99999 < analysis.witness.curvature + 1e-4
    assert analysis.lipschitz.lower >= -analysis.convexity.upper
