"""What an end is called: a success only where no lower point is near."""

import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from symgd import Objective, Rule, maximize, minimize, minimize_many
from symgd.descent.kinks.at_end import nearest_to_origin
from symgd.native.status import Status

NOT_ATTAINED = (Status.STATIONARY, Status.ABNORMAL, Status.DIVERGED, Status.MAXITER)
LEAST = -math.exp(-1.0)  # of x*log(x)

# formula, start, bounds, minima: lowest values that a run may end at as a success
MINIMA = {
    "at a bound, nanometres": ("((x-5e-9)*1e9)**2", [2e-9], [(1e-9, 9e-9)], [0.0]),
    "at a bound, steep": ("x**0.1", [1.0], [(0, None)], [0.0]),
    "one steep, one not": (
        *("50*a**0.2 + b**2 - b", [3.0, 1.0], [(0, 10), (0, 1)]),
        [-0.25],
    ),
    "small units": ("1e-12*(x-3)**2", [0.0], None, [0.0]),
    "small units of one": ("(x-1e3)**2 + 1e-12*(y-3)**2", [0.0, 0.0], None, [0.0]),
    "large units": ("1e12*(x-0.3)**2", [5.0], None, [0.0]),
    "large values": ("1e110*(x-1)**2 - 2e110", [3.0], None, [-2e110]),
    "a plateau beside it": (
        *("Piecewise((x*log(x), x > 0), (0, True))", [1.0], None),
        [LEAST],
    ),
    "a plateau far down": (
        *("Piecewise((x**2 - x + 1000, x > 0), (1000, True))", [1.0], None),
        [999.75],
    ),
    "a saddle": ("x**2 - y**2 + y**4", [1.0, 0.0], None, [-0.25]),
    "the top of a hat": ("(x**2 + y**2 - 1)**2", [0.0, 0.0], None, [0.0]),
    "a hill": ("-cos(x) - cos(y)", [math.pi, math.pi], None, [-2.0]),
    "an inflection": ("x**3*(x + 4)", [2.0], None, [-27.0]),
    "the other bound": ("x**2 - y**2", [1.0, 0.0], [(-1, 1), (0, 1)], [-1.0]),
    "the far side of a hill": ("-1/(1 + x**2)", [1e5], None, [-1.0]),
    "flat but a minimum": ("x**4 + y**6", [1.0, 1.0], None, [0.0]),
    "a plateau that is lowest": ("max(x**3, -1)", [3.0], None, [-1.0]),
    "a kink of two": ("abs(3*x-1) + abs(7*y-2)", [1.0, 1.0], None, [0.0]),
    "a kink on a slope": ("(x-1)**2 + 3*abs(x-0.3)", [2.0], None, [0.49]),
    "a kink of a maximum": (
        *("max(x**2 + 3, (x - 2)**2 + 1, 0.1*x + 2)", [1.3], None),
        [3.25],
    ),
    "three at once": ("max(abs(x), abs(y), abs(x+y-1))", [3.0, 4.0], None, [1 / 3]),
    "a kink that is a hill": ("x**2 - abs(x)", [0.0], None, [-0.25]),
    "nanometres from 0": ("((x-4e-9)**2 + (y-1e-9)**2)*1e18", [0, 0], None, [0.0]),
    "a product of three": ("(x*y*z-8)**2", [0, 0, 0], None, [0.0]),
    "one whose valley is flat only there": ("x**2*(1 + y**2)", [1, 3], None, [0.0]),
    "a bent valley that is flat": ("(y - x**2)**2", [1, 3], None, [0.0]),
    "a hyperbola": ("(x*y - 1)**2 + (y - x)**2*0.5", [3, 1], None, [0.0]),
    "all of a hyperbola": ("(x*y - 1)**2", [3, 1], None, [0.0]),
    "all of a circle": ("(x**2 + y**2 - 1)**2", [3, 1], None, [0.0]),
    "far up an exponential": ("exp(x) - x", [100.0], None, [1.0]),
    "where two bounds hold a saddle": ("x*y", [1, 1], [(0, 1), (0, 1)], [0.0]),
    "a kink between hills": ("abs(x) - x**2/4", [0.5], None, [0.0]),
    "a kink between waves": ("max(cos(x), sin(x))", [1.0], None, [math.sqrt(0.5)]),
    "down a bent kink": ("abs(x - y**2) - 0.5*x + 0.01*x**2", [0, 0], None, [-6.25]),
    "along one of two kinks": (
        *("abs(y - 2*abs(x) + 1) + abs(x - 1)/4", [0, -1], None),
        [0.0],
    ),
    "halved slopes that cancel": (
        *("abs(x - y) - 0.3*abs(x + y) + x**2 + y**2", [0, 0], None),
        [-0.045],
    ),
    "far apart in size": ("(1e-9*x - 1)**2 + (1e9*y - 1)**2", [0, 0], None, [0.0]),
    "a corner": ("-x*y*z", [0, 0, 0], [(0, 1)] * 3, [-1.0]),
    "a monkey saddle": ("x*y*z + x**4 + y**4 + z**4", [0, 0, 0], None, [-1 / 256]),
    "lower between the axes": ("-(x*y)**2 + x**6 + y**6", [0, 0], None, [-1 / 27]),
    "a bent valley": (
        *("x**4 - 3*x**2*y + 2*y**2 + x**6", [0, 0], None),
        [-1 / 3456],
    ),
    "flat as far as numbers tell": ("x**400", [0.5], None, [0.0]),
    "flat around it": ("exp(-1/x**2) + (y - 1)**2", [0.01, 0.0], None, [0.0]),
    "singular, and one begins at 0": (
        "(x + 10*y)**2 + 5*(z - w)**2 + (y - 2*z)**4 + 10*(x - w)**4",
        *([3, -1, 0, 1], None, [0.0]),
    ),
    "flat to a bound": ("tanh(x)", [1.0], [(-100, 100)], [-1.0]),
    "an infinite curvature": ("x**2*log(x)", [0], [(0, None)], [-0.5 * math.exp(-1)]),
    "one that falls with it": ("-x**1.5", [0], [(0, 1)], [-1.0]),
    "one beside another": (
        *("x**2*log(x) + (y-1)**2", [0, 0], [(0, 1), (-2, 2)]),
        [-0.5 * math.exp(-1)],
    ),
    "a flat valley": ("x**2 - 2*x*y + y**2 + 0.3*z**2", [0.1, 0.7, 0.2], None, [0.0]),
    "a flat valley at 0": ("x**2 - 2*x*y + y**2", [0, 0], None, [0.0]),
    "two kinks with a narrow corner": (
        "abs(a+4.84*b-9.57) + abs(a+0.51*b-2.99) + abs(a+0.1*b-1.25)"
        " + abs(a+2.25*b-5.55) + abs(a+0.9*b-3.76) + abs(a+4.54*b-11.81)"
        " + abs(a+2.84*b-3.87)",
        [0, 0],
        None,
        [6.710386100386],
    ),
    "a start at its kink": (
        *("abs(3*x) - 0.3*abs(2*x) + 2*abs(x - 1) + x**2", [0.0], None),
        [2.0],
    ),
    "a kink beside which f is the same": (
        *("max(-x, (2*x)**2) + min(2*x, (0.5*x + 2)**2) + 0.1*x**4", [1.0], None),
        [-0.249609375],
    ),
    "a start at a bent kink": (
        *("abs(-2*x - x**2) - 0.5*(3*x + 1) + 0.1*x**4", [0.0], None),
        [-0.5],
    ),
    "a gradient that doesn't show in f": (
        *("cosh(x) - 1 - x**2/2", [1.0], None),
        [0.0],
    ),
    "a plateau beside a kink": (
        *("max(x, 0)**2 + abs(y - 1)", [1.0, 0.0], None),
        [0.0],
    ),
    "a slope to a bound beside a kink": (
        *("exp(-x) + abs(y - 1)", [1.0, 0.0], [(0, 50), (-2, 2)]),
        [math.exp(-50)],
    ),
    "a start at a lopsided kink": ("abs(x-2) + abs(x) + x**2", [0.0], None, [2.0]),
    "a start at the kink of a norm": (
        *("0.5*((x-3)**2 + (y+4)**2) + 6*sqrt(x**2 + y**2)", [0.0, 0.0], None),
        [12.5],
    ),
    "a valley beside a kink, nearly at its bottom": (
        *("abs(z) + (x+y-1)**2*(1+exp(-x))", [1.0, 3.0, 1.0], None),
        [0.0],
    ),
    "a valley that widens beside a kink": (
        *("max(z, -z) + (x+y-0.3)**2*(2+tanh(x-y))", [1.0, 0.5, 2.0], None),
        [0.0],
    ),
    "a line of kinks of a norm": (
        *("5*sqrt((x+y+z/2)**2 + (x-2*y+z)**2) + cosh(x+y+z+1) - 1", [-1, -2.1, -1]),
        *(None, [0.0]),
    ),
    "a line of kinks of a norm, and a valley": (
        *("5*sqrt((y/2-2*x-2*z)**2 + (2*x+y+z)**2) + 0.1*(3*x+3*y+z-1)**2", [1, 0, 2]),
        *(None, [0.0]),
    ),
    "a sharp edge between kinks": (
        *(
            "max(abs(y-0.7*x+1), abs(3*y-x+0.5)) + log(1+exp(-x-2*y))",
            [0.0, -2.0],
            None,
        ),
        [math.log1p(math.exp(-38 / 11))],
    ),
    "a kink where f is 0": ("0.1*abs(0.7*x+y+3) + (y+3)**2", [0.7, 0.0], None, [0.0]),
    "a plateau that ends": ("max(0, 1-x-y)**2", [3.16, -4.97], None, [0.0]),
    "a plateau along a valley": (
        *("3*max(0, 0.5*y+3*x+0.5) + cosh(y-x-3) + cosh(y-x-1)", [5.0, 1.0], None),
        [2 * math.cosh(1)],
    ),
    "a kink at 0 that began near 0": (
        *("abs(2*x-2*y+1)**1.5 + 3*abs(x) + 0.5*x - y + 1", [0.0, 0.3], None),
        [13 / 27],
    ),
    "an edge of kinks": (
        *("abs(x+y-z) + abs(y+z-x) - 0.1*x - 0.1*y", [0, 0, 0], [(-1, 1)] * 3),
        [-0.1],
    ),
    "a bent kink that is a start": ("abs((x+y)**2 - 4)", [2.0, 0.0], None, [0.0]),
    "a kink that a coordinate began at": (
        *("2.5*abs(y) + cosh(x+y-1) - 1", [-1.0, 0.0], None),
        [0.0],
    ),
    "a corner that a coordinate began at": (
        *("max(x/2+y+1, 2*x-y-1, -2.5*x)", [0.0, 0.0], None),
        [0.0],
    ),
    "a kink along which a coordinate has hardly moved": (
        *("5*abs(3*x-2*y+0.5) + 0.1*(x-y-0.3)**2", [1.0, 0.0], None),
        [0.0],
    ),
    "a kink with a coordinate that vanishes": (
        *("max(0, 1+2*x) + max(y**2, abs(2*x-y+1))", [1.0, 0.0], None),
        [0.0],
    ),
    "a quotient that depends on directions": (
        *("(2*x**2 + 5*y**2 + 9*z**2)/(x**2 + y**2 + z**2)", [0.1, 0.5, 1.0]),
        *(None, [2.0]),
    ),
    "a quotient that a saddle leads far away in": (
        *("(2*x**2 + 5*y**2 + 9*z**2)/(x**2 + y**2 + z**2)", [0.0, 1.0, 0.0]),
        *(None, [2.0]),
    ),
    "the square of a quotient": ("(x/y - 2)**2", [5.0, 0.1], None, [0.0]),
    "a ratio of a gain and its deviation": (
        *("-(x + 2*y)/sqrt(x**2 + x*y + 3*y**2)", [0.3, 0.4], None),
        [-math.sqrt(20 / 11)],
    ),
    "a peak of a norm on the way": (
        *("(sqrt((a-c)**2 + (b-d)**2) - 1)**2 + 0.1*(a**2+b**2+c**2+d**2)",),
        *([0.5, 0.5, 0.5, 0.5], None, [1 / 21]),
    ),
    "a kink along which a coordinate of another unit has far to go": (
        *("abs(x/1e-6 - 3) + 2*abs(x/1e-6 + y/1e4 - 5)", [0.0, 0.0], None),
        [0.0],
    ),
    "a norm that only some of its gradients hold": (
        *(
            "max(0.5-0.7*y, 0.5-2*x-y) + 0.1*(3*x-y)**2"
            " + sqrt((x/2)**2 + (x/2-2*y+1)**2)",
            [0.3, -2.0],
            None,
        ),
        [0.175],
    ),
}
WITHOUT = {  # a minimum, or one that can be reached
    "falls to 0": ("exp(-x)", [0.0]),
    "falls slowly": ("-log(x)", [1.0]),
    "falls ever faster": ("x**3", [1.0]),
    "falls from an inflection": ("x**5", [1.0]),
    "falls from a hill": ("-x**4", [0.0]),
    "falls from a flat saddle": ("x**2 - y**4", [1.0, 0.0]),
    "falls from a kink": ("abs(x) - abs(y)", [1.0, 0.0]),
    "falls into a hole": ("log(x**2)", [1.7]),
    "falls by ever less": ("atan(x)", [1.0]),
    "falls to where it is flat": ("tanh(x)", [1.0]),
    "falls to where its slope is tiny": ("erf(x)", [8.0]),
    "falls to 0 and beyond what shows": ("1/(1 + exp(-x))", [-800.0]),
    "falls like a power": ("x/sqrt(1 + x**2)", [1.0]),
    "falls faster than Newton sees": ("exp(-x**4)", [0.1]),
    "falls where two run together": ("1/x + (y - x)**2", [1.0, 3.0]),
    "falls like a root": ("sqrt(1 + x**2) - x", [1.0]),
    "falls beside a minimum": ("atan(x) + y**2*(1 + x**2)", [0.0, 1.0]),
    "falls across the axes": ("(x - y)**2 + tanh(x + y)", [0.5, 0.3]),
    "falls along a softmax": ("exp(x)/(exp(x) + exp(y)) + z**2", [0.0, 0.0, 1.0]),
    "drifts beyond rounding": ("(x + y)**2 - 1e-3*x", [0.0, 0.0]),
    "drifts in three": ("(x + y + z)**2 - 1e-4*x", [0.0, 0.0, 0.0]),
    "drifts, and a tail": ("(x - y)**2 + x*0.01 + tanh(y)", [1.0, 0.0]),
    "falls on one side of a kink": ("max(x, 0)**2 + min(x, 0)**3", [2.0]),
    "falls on one side of a choice": ("x**3 if x < 0 else x**2", [1.0]),
    "falls on either side of a hill": ("exp(-x**2)", [40.0]),
    "falls to 0 across the axes": ("exp(-x - y) + (x - y)**2", [0.0, 1.0]),
    "falls along a curve": ("erf(x) + erf(y - x)**2", [0.0, 1.0]),
    "falls like a root, across": ("sqrt(1+(x+y)**2)-x-y+(x-y)**2", [0.3, -2.0]),
    "falls along a kink": ("abs(y - 2*abs(x)) + x/4", [0.0, 0.0]),
    "falls along a bent kink": ("abs(y - x**2) - 0.1*y", [0.0, 0.0]),
    "falls slowly beside a minimum": ("1e-10*x + (y - 1)**2", [0.0, 0.0]),
    "falls along one of two": ("tanh(x) + (y - 1)**2", [25.0, 0.0]),
    "falls between the axes": ("-x*y*z", [0.0, 0.0, 0.0]),
    "falls beside rounding": ("2*atan(x) - tanh(y) + (x + y)**2", [-1.21, -2.48]),
    "falls up to a jump": ("-x if x < 1 else (x - 3)**2", [0.0]),
    "falls up to a jump to where it is flat": ("-x if x < 1 else 5", [0.5]),
    "falls beside a kink": ("0.3*abs(x - 1) + exp(-y)", [0.0, 0.0]),
    "falls slowly beside kinks": (
        *("abs(x - 1) + abs(x + 1) + 2*atan(y)", [1.0, -2.7]),
    ),
    "falls like a root, and cancels": ("0.3*(sqrt(1 + x**2) - x)", [-1.82]),
    "falls along two kinks": ("abs(x - y) + abs(y - z) - 0.1*x", [1.0, 2.0, 5.0]),
    "falls along a bent valley": ("(y-x**2)*(y-2*x**2)", [0.0, 0.0]),
    "falls along a kink of what is seen no more": (
        *("1/(1 + (x+y)**2) + max((x-y)**2, abs(x-y-3))", [1.0, 2.0]),
    ),
    "falls by rounding beside a kink": ("sqrt(1+y**2) - y + abs(x-1)", [0.3, 1.0]),
    "is spent beside a kink": ("abs(x - 1) + tanh(z)", [0.3, -30.0]),
    "falls by ever more, as terms cancel": (
        *("2*(abs(x-2*y) - 1.5*(x-2*y)) + 2*(x+y-1)**2", [0.3, 1.0]),
    ),
    "falls between steep walls": (
        *("3*-abs(y-0.7*x-1) + 2*sin(y+x+0.5) + (3*x-0.7*y+2)**4", [0.7, 0.7]),
    ),
    "falls along the kink of a product": (
        *(
            "abs((3*x-0.7*y-1)*(0.5*x-0.7*y-1)) - max(2*y-0.7*x, 0.5*x+2*y)",
            [1.0, -2.0],
        ),
    ),
    "falls along the kinks of a norm": (
        *("sqrt((x+y)**2 + (x-2*z)**2) + 1/(1 + (y+z)**2)", [1.0, 1.0, 1.0]),
    ),
    "falls within a cone": (
        *("2*abs(2*x-3*z-2*y+3) + exp(y/2+z) + 3/(1+exp(2*y+2*z-1))", [1.0, 1.0, 5.0]),
    ),
    "falls where a smooth kink is": (
        *("0.1*abs(x+y+1)**1.5 + 0.1*atan(x/2+2) + tanh(3*x-2*y)", [-2.0, -2.0]),
    ),
    "falls from valley to valley": (
        *("0.5*min((3*x+3*y-3)**2, (0.7*x+y)**2) + 1/(1+(1-0.7*x)**2)", [0.0, 0.3]),
    ),
    "falls beside a hill to a plateau": ("exp(-(x-1000)**2)", [1001.0]),
    "falls beside a hill along a valley": (
        *("exp(-(x-1000)**2/9) + y**2", [1001.0, 1.0]),
    ),
    "falls beside a hill of two": (
        *("exp(-((x-1000)**2 + (y-300)**2)/9)", [1001.0, 300.5]),
    ),
    "falls along a valley that rounding fills": (
        *(
            "cosh(0.5-0.7*x-2*y) - 0.1*sqrt((2*x+y/2-3)**2 + (1-2*x-2*y)**2)",
            [0.7, -2.0],
        ),
    ),
    "falls by an exponential of one": ("abs(y - 1) + exp(-exp(x))", [1.0, 3.0]),
}


@pytest.mark.parametrize("name", MINIMA)
def test_a_success_is_at_a_minimum(name):
    formula, start, bounds, minima = MINIMA[name]
    result = minimize(formula, start, bounds=bounds)
    gaps = [abs(result.fun - least) / max(1.0, abs(least)) for least in minima]
    assert result.success, result
    assert min(gaps) < 1e-8
    assert result.kind == "minimum"
    opposite = maximize(f"-({formula})", start, bounds=bounds)
    np.testing.assert_allclose(opposite.x, result.x, atol=1e-300)
    assert opposite.kind == "maximum"


@pytest.mark.parametrize("offset", [0.0, 1e-9])
@pytest.mark.parametrize("size", [1e-8, 1e-12])
def test_a_top_between_two_minima_that_are_close_is_left(size, offset):
    formula = f"(x - {offset})**4 - {size}*(x - {offset})**2"
    for result in (
        minimize(formula, 1.0),
        minimize(formula, -2.0),
        minimize_many(formula, [[1.0], [2.0]])[0],
    ):
        assert result.success
        assert result.fun == pytest.approx(-(size**2) / 4, rel=1e-3)


@pytest.mark.parametrize("formula", ["abs(x - y) - 0.3*x", "abs(x + y) - 0.1*y"])
def test_a_fall_along_a_kink_has_no_bound(formula):
    result = minimize(formula, [1.0, 2.0])
    assert result.status == Status.DIVERGED
    assert "f falls without bound" in result.message


def test_an_infimum_at_a_jump_is_said_to_be_one():
    result = minimize("-x if x < 1 else (x - 3)**2", 0.0)
    assert "f falls up to a jump" in result.message


@pytest.mark.parametrize("name", WITHOUT)
def test_what_has_no_minimum_is_no_success(name):
    formula, start = WITHOUT[name]
    result = minimize(formula, start)
    assert result.status in NOT_ATTAINED
    assert not result.success


@functools.cache
def slanted(tail):
    names = dict.fromkeys("abcd", 1.0)
    return Objective(f"(a*x + b*y)**2 + {tail}", parameters=names)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["tanh(c*x + d*y)", "exp(c*x + d*y)", "1/(1+exp(c*x+d*y))"]),
    st.tuples(*[st.integers(-4, 4)] * 4).filter(lambda m: m[0] * m[3] != m[1] * m[2]),
    st.tuples(*[st.integers(-30, 30)] * 2),
)
def test_a_tail_is_none_in_any_direction(tail, slopes, start):
    objective = slanted(tail).with_parameters(**dict(zip("abcd", slopes, strict=True)))
    result = minimize(objective, [each / 10 for each in start])
    assert not result.success, result


BESIDE = {  # a kink along the one form, a tail or a slope along the other
    "abs, tanh": "abs(a*x + b*y) + tanh(c*x + d*y)",
    "max, exp": "max(a*x + b*y, -2*(a*x + b*y)) + exp(c*x + d*y)",
    "hinge, root": "max(a*x+b*y, 0) + (a*x+b*y)**2 + sqrt(1+(c*x+d*y)**2) - c*x-d*y",
    "power, atan": "abs(a*x + b*y)**1.5 + atan(c*x + d*y)",
    "two, logistic": "max(abs(a*x+b*y), (a*x+b*y)**2) + 1/(1 + exp(c*x + d*y))",
    "valley, slope": "abs(a*x + b*y) + (a*x + b*y)**4 - 2*abs(c*x + d*y)",
}


@functools.cache
def beside(name):
    return Objective(BESIDE[name], ["x", "y"], parameters=dict.fromkeys("abcd", 1.0))


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(BESIDE)),
    st.tuples(*[st.integers(-4, 4)] * 4).filter(lambda m: m[0] * m[3] != m[1] * m[2]),
    st.tuples(*[st.integers(-30, 30)] * 2),
)
def test_a_tail_is_none_beside_a_kink(name, slopes, start):
    objective = beside(name).with_parameters(**dict(zip("abcd", slopes, strict=True)))
    result = minimize(objective, [each / 10 for each in start])
    assert not result.success, result


LEVEL = {  # a kink along the one form, a plateau or a minimum along the other
    "abs, hinge": "abs(a*x + b*y) + max(0, c*x + d*y)**2",
    "hinges": "max(0, a*x + b*y - 1) + max(0, c*x + d*y)",
    "two, valley": "max(abs(a*x + b*y), (a*x + b*y)**2) + (c*x + d*y - 1)**2",
    "hinge, valley": "max(0, a*x + b*y)**2 + cosh(c*x + d*y - 1) - 1",
}


@functools.cache
def level(name):
    return Objective(LEVEL[name], ["x", "y"], parameters=dict.fromkeys("abcd", 1.0))


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(LEVEL)),
    st.tuples(*[st.integers(-4, 4)] * 4).filter(lambda m: m[0] * m[3] != m[1] * m[2]),
    st.tuples(*[st.integers(-30, 30)] * 2),
)
def test_a_plateau_beside_a_kink_is_a_minimum(name, slopes, start):
    objective = level(name).with_parameters(**dict(zip("abcd", slopes, strict=True)))
    result = minimize(objective, [each / 10 for each in start])
    assert result.success, result
    assert result.fun == pytest.approx(0.0, abs=1e-7)


BENT = {  # what falls for ever along y = c - b*x**2, or y = exp(b*x)
    "a parabola": "exp(a*x) + k*(y + b*x**2 - c)**2",
    "an exponential": "tanh(a*x) + k*(y - c*exp(b*x/4))**2",
    "a logistic curve": "1/(1 + exp(a*x)) + k*(y + b*x**2 - c)**2",
    "a bent kink": "exp(a*x) + k*abs(y - c*exp(b*x/4))",
    "bent sides": "exp(a*x) + max(y - c*exp(b*x/4), k*(c*exp(b*x/4) - y))",
}


@functools.cache
def bent(name):
    return Objective(BENT[name], ["x", "y"], parameters=dict.fromkeys("abck", 1.0))


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(BENT)),
    st.sampled_from([-2.0, 0.3, 1.0, 3.0]),
    st.sampled_from([-1.0, 0.5, 1.0, 2.0]),
    st.sampled_from([1.0, 2.0]),
    st.floats(-3, 3).map(lambda power: round(10**power, 6)),
    st.tuples(*[st.integers(-30, 30)] * 2),
)
def test_a_tail_is_none_along_a_bent_valley(name, a, b, c, k, start):
    objective = bent(name).with_parameters(a=a, b=b, c=c, k=k)
    result = minimize(objective, [each / 10 for each in start])
    assert not result.success, result


@pytest.mark.parametrize("method", ["auto", "gd with automatic steps"])
def test_many_starts_end_as_each_does_alone(method):
    how = {} if method == "auto" else {"method": "gd", "step_size": "auto"}
    rng = np.random.default_rng(1)
    starts = np.concatenate([rng.normal(size=(12, 2)), [[0, 0], [1, 0], [0, 1]]])
    for formula in (
        "x**2 - y**2 + y**4",
        "(x**2 + y**2 - 1)**2",
        "tanh(9*x) + (y - 1)**2",
    ):
        objective = Objective(formula)
        results = minimize_many(objective, starts, **how)
        for row, start in enumerate(starts):
            alone = minimize(objective, start, **how)
            assert results.status[row] == alone.status
            assert results.nfev[row] == alone.nfev
            assert results.x[row].tolist() == alone.x.tolist()


@given(
    factor=st.floats(-12, 12),
    offset=st.sampled_from([0.0, 1.0, -300.0]),
    unit=st.floats(-12, 12),
)
@settings(max_examples=60)
def test_units_change_neither_the_end_nor_what_it_is_called(factor, offset, unit):
    a, c = 10.0**factor, 10.0**unit
    result = minimize(SCALED.with_parameters(a=a, b=offset * a, c=c), [-1.2 / c, 1 / c])
    assert result.status == Status.CONVERGED
    np.testing.assert_allclose(np.array(result.x) * c, [1.0, 1.0], atol=2e-6)


SCALED = Objective(
    "a*((1 - c*x)**2 + 100*(c*y - (c*x)**2)**2) + b",
    parameters={"a": 1, "b": 0, "c": 1},
)


IN_UNITS = {  # of x*c and y*c; where a run begins, and what it may end at
    "two minima": (
        "(-13 + X + ((5 - Y)*Y - 2)*Y)**2 + (-29 + X + ((Y + 1)*Y - 14)*Y)**2",
        *([0.5, -2.0], 0.0, 48.98425367924001),
    ),
    "a bent valley": ("100*(Y - X**3)**2 + (1 - X)**2", [-1.2, 1.0], 0.0),
    "a flat bottom": ("(X - 2)**4 + (X - 2*Y)**2", [0.0, 3.0], 0.0),
    "six hollows": (
        "(4 - 2.1*X**2 + X**4/3)*X**2 + X*Y + (-4 + 4*Y**2)*Y**2",
        *([0.5, 0.5], -1.0316284534898774),
    ),
    "a median that is one of them": (
        "sqrt((X-1)**2 + (Y-2)**2) + sqrt((X-1.1)**2 + (Y-2.1)**2)"
        " + sqrt((X-0.9)**2 + (Y-1.9)**2)",
        *([5.0, -5.0], 0.2 * math.sqrt(2.0)),
    ),
    "hardly curved beside steep": (
        "1e-5*((X - 1)**2 + (Y - 1)**2) + (X**2 + Y**2 - 0.25)**2",
        *([1.0, 2.0], 8.357780799989137e-06),
    ),
}


@functools.cache
def in_units(name):
    text = IN_UNITS[name][0].replace("X", "(c*x)").replace("Y", "(c*y)")
    constants = {"a": 1.0, "b": 0.0, "c": 1.0}
    return Objective(f"a*({text}) + b", parameters=constants)


@given(
    name=st.sampled_from(sorted(IN_UNITS)),
    factor=st.floats(-12, 12),
    offset=st.sampled_from([0.0, 1.0, -10.0]),
    unit=st.floats(-12, 12),
)
@settings(max_examples=150, deadline=None)
def test_every_end_is_the_same_in_all_units(name, factor, offset, unit):
    _, start, *minima = IN_UNITS[name]
    a, c = 10.0**factor, 10.0**unit
    objective = in_units(name).with_parameters(a=a, b=offset * a, c=c)
    result = minimize(objective, [each / c for each in start])
    assert result.success, result
    assert min(abs(result.fun / a - offset - least) for least in minima) < 1e-8


@given(factor=st.floats(-12, 12), unit=st.floats(-12, 12))
@settings(max_examples=30)
def test_a_saddle_is_left_in_all_units(factor, unit):
    a, c = 10.0**factor, 10.0**unit
    result = minimize(SADDLE.with_parameters(a=a, c=c), [1 / c, 0.0])
    assert result.success
    np.testing.assert_allclose(result.fun / a, -0.25, rtol=1e-9)


SADDLE = Objective("a*((c*x)**2 - (c*y)**2 + (c*y)**4)", parameters={"a": 1, "c": 1})


@given(scale=st.floats(-12, 12), shift=st.floats(-12, 12))
@settings(max_examples=40)
def test_a_start_at_0_has_no_units(scale, shift):
    c, s = 10.0**scale, 10.0**shift
    result = minimize(SHIFTED.with_parameters(c=c, s=s), [0.0, 0.0])
    assert result.success
    np.testing.assert_allclose(np.array(result.x) * c / s, [1.0, -2.0], rtol=1e-5)


SHIFTED = Objective(
    "(c*x - s)**2 + (c*y + c*x + s)**2", parameters={"c": 1.0, "s": 1.0}
)


@pytest.mark.parametrize(
    ("formula", "start", "fun"),
    [
        ("sum((x[i]**2-1)**2 for i in range(n))", 0.0, 0.0),
        ("sum(x[i]**2 for i in range(n)) - 3*x[7]**2 + x[7]**4", 0.0, -1.0),
    ],
)
def test_a_hill_of_many_variables_is_left(formula, start, fun):
    objective = Objective(formula, sizes={"n": 60})
    result = minimize(objective, [start] * 60)
    assert result.success
    assert result.fun == pytest.approx(fun, abs=1e-8)
    rule = minimize(objective, [start] * 60, method="gd", step_size=1e-3)
    assert rule.status == Status.STATIONARY
    many = minimize_many(objective, [[start] * 60] * 2)
    assert many.fun == pytest.approx([fun, fun], abs=1e-8)


def test_a_minimum_of_many_variables_costs_few_gradients_more():
    objective = Objective("sum((x[i]-1)**2*(i+1) for i in range(n))", sizes={"n": 300})
    result = minimize(objective, [1.0] * 300)
    assert result.status == Status.CONVERGED
    assert result.nfev <= 60  # most of them for the least curvature


@pytest.mark.parametrize("apart", [1e9, 1e18, 1e24, 1e40])
@pytest.mark.parametrize("turned", [0.0, 1e-30])
def test_what_is_left_of_f_is_a_variable_of_another_unit(apart, turned):
    """Beside what f fell by at first it is nothing; of what is left it is all."""
    small, large = apart**-0.5, apart**0.5
    text = f"{small!r}*(a - 3)**2 + {large!r}*(b - 2 + {turned!r}*a)**2"
    result = minimize(text, [0, 0])
    assert result.success
    assert result.x == pytest.approx([3, 2])


@pytest.mark.parametrize("unit", [1e-12, 1e-9, 1.0, 1e12])
def test_the_units_of_one_variable_make_no_kink(unit):
    x = np.linspace(0, 9, 30)
    data = {"x": unit * x, "y": np.exp(-x / 2) / unit}
    result = minimize(Objective(DECAY, data=data), {"a": 0.1 / unit, "t": unit})
    assert "kink" not in result.message
    if result.success:
        found = result.values["a"] * unit, result.values["t"] / unit
        np.testing.assert_allclose(found, [1.0, 2.0], rtol=1e-5)


DECAY = "sum((y[i]-a*exp(-x[i]/t))**2 for i in range(n))"


@pytest.mark.parametrize(("option", "kind"), [("gtol", "within"), ("target", "at")])
def test_what_is_no_minimum_is_not_called_one(option, kind):
    result = minimize("(x-3)**2", [0.0], **{option: 10})
    assert result.success
    assert result.kind.startswith(f"point {kind}")
    assert "minimum" not in repr(result).split(":")[0]
    assert minimize("(x-3)**2", [0.0], gtol=1e-3).kind == "minimum"


def test_where_curvature_leaves_float64_a_success_is_at_a_minimum():
    result = minimize("log(x/3e-200)**2", [8e-200], bounds=[(1e-200, 9e-200)])
    assert not result.success or result.x[0] == pytest.approx(3e-200)


def test_a_given_tolerance_is_absolute():
    assert minimize("1e-12*(x-3)**2", 0.0, gtol=1e-8).nit == 0
    assert minimize("1e-12*(x-3)**2", 0.0).x == pytest.approx(3.0)


def test_a_message_tells_what_decided():
    told = minimize("cosh(x) + x").message
    assert "Newton's step lowers f by" in told
    assert "kink of abs(x - 0.3)" in minimize("(x-1)**2 + 3*abs(x-0.3)", 2.0).message
    assert "no minimum is attained" in minimize("exp(-x)", 0.0).message
    assert "no maximum is attained" in maximize("-exp(-x)", 0.0).message
    nearby = minimize("x**4 - x**2", 0.0, method="gd", step_size=0.1)
    assert nearby.status == Status.STATIONARY
    assert "f is lower nearby: -0." in nearby.message


@pytest.mark.parametrize(
    ("run", "told"),
    [
        ({"method": "gd", "step_size": 1.1, "patience": 10}, "the best was 1"),
        ({"method": "momentum", "step_size": 2, "patience": 6}, "the best was"),
        ({"method": "adam", "step_size": 5, "patience": 2}, "the best was"),
        ({"method": "gd", "step_size": 1.0, "patience": 5}, "the best was 1"),
        ({"method": "gd", "step_size": 0.0, "patience": 5}, "its steps are 0"),
        ({"method": "gd", "step_size": 1.1, "maxiter": 300}, "f rose from 1"),
    ],
)
def test_what_rises_or_stands_still_is_no_success(run, told):
    result = minimize("x**2", 1.0, **run)
    assert not result.success
    assert told in result.message
    many = minimize_many("x**2", [[1.0], [1.0]], **run)
    assert many.status.tolist() == [result.status] * 2


@pytest.mark.parametrize("n", [1, 3, 80])
def test_patience_that_is_lost_around_a_minimum_is_none(n):
    f = "sum((x[i] - 0.55)**2 for i in range(n))"
    options = {"method": "lion", "step_size": 0.1, "patience": 30}
    result = minimize(Objective(f, sizes={"n": n}), np.zeros(n), **options)
    assert result.fun == pytest.approx(n * 0.05**2)
    assert not result.success


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(2, 40))
def test_what_is_held_at_bounds_does_not_curve(seed, n):
    rng = np.random.default_rng(seed)
    A, b = rng.normal(size=(60, n)), rng.normal(size=60)
    objective = Objective("sum((A @ w - b)**2)", data={"A": A, "b": b})
    result = minimize(objective, {"w": np.ones(n)}, bounds={"w": (0, None)})
    assert result.success, result
    least = optimize.nnls(A, b)[1] ** 2
    assert result.fun == pytest.approx(least, rel=1e-9)


def test_patience_that_is_lost_near_a_minimum_is_a_success():
    result = minimize(
        "x**2 + 1", 1.0, method="gd", step_size=0.3, ftol=1e-6, patience=3
    )
    assert result.status == Status.STALLED
    assert result.success


def test_a_rule_with_small_units_has_not_converged_at_its_start():
    result = minimize("1e-12*(x-3)**2", 0.0, method="gd", step_size=0.1, maxiter=50)
    assert result.status == Status.MAXITER
    result = minimize("1e-12*(x-3)**2", 0.0, method="gd", step_size=4e11)
    assert result.success
    assert result.x == pytest.approx(3.0, rel=1e-2)


def test_a_bound_that_is_near_holds_nothing():
    run = {"method": "gd", "step_size": 1e-20, "maxiter": 20}
    result = minimize("((x-5e-9)*1e9)**2", [2e-9], bounds=[(1e-9, 9e-9)], **run)
    assert result.status == Status.MAXITER
    held = minimize("x", [0.5], bounds=[(0, 1)], method="gd", step_size=0.1)
    assert held.status == Status.CONVERGED
    assert held.x == 0.0


@given(
    st.integers(1, 4),
    st.integers(1, 8),
    st.integers(0, 2**32),
    st.sampled_from([1.0, 1e-200, 1e200]),
)
@settings(max_examples=60)
def test_the_nearest_point_of_a_hull(n, count, seed, unit):
    points = np.random.default_rng(seed).normal(0.3, 1.0, (count, n))
    nearest = nearest_to_origin(unit * points) / unit
    # By the theorem of Wolfe's paper: no point lies on the other side of its plane.
    slack = points @ nearest - nearest @ nearest
    assert slack.min() >= -1e-9 * (points**2).sum(axis=1).max()


def test_a_kink_is_no_small_gradient():
    result = minimize("abs(3*x - 1)", 1.0)
    assert result.status == Status.CONVERGED
    assert not result.criteria["gtol"].fired


def test_an_end_with_an_infinite_slope_at_its_bound_is_returned_again(tmp_path):
    run = {"bounds": [(0, None)], "checkpoint": tmp_path / "c"}
    first, again = (minimize("x**0.1", 1.0, **run) for _ in range(2))
    assert first.x == again.x == [0.0]
    assert repr(first) == repr(again)


def test_ends_for_which_no_time_is_left_are_no_successes(monkeypatch):
    monkeypatch.setattr("symgd.many.in_lanes.run_alone", lambda *_: None)
    still = {"method": "gd", "step_size": 0.1}
    results = minimize_many("x**2 - y**2 + y**4", [[1.0, 0.0], [1.0, 0.5]], **still)
    assert results.success.tolist() == [False, True]


# ------------------------------------------------------------------------ jumps

JUMPS = [
    ("sign(x) + x**2", [1.0], -1),
    ("(x - 1)**2 if x >= 1 else (x - 1)**2 - 5", [3.0], -5),
    ("Piecewise((x**2 - 1, x < 0), (x**2, True))", [1.0], -1),
    ("sum(sign(x[i]) + x[i]**2 for i in range(n))", [1.0] * 3, -3),
]


@pytest.mark.parametrize(("formula", "start", "least"), JUMPS)
def test_what_is_lower_just_beyond_a_jump_is_found(formula, start, least):
    for options in ({}, {"method": "gd", "step_size": "auto"}):
        result = minimize(formula, start, **options)
        assert result.fun == pytest.approx(least, abs=1e-8)
    rule = minimize(formula, start, method="gd", step_size=0.1)
    assert not rule.success or rule.fun == pytest.approx(least, abs=1e-8)
    many = minimize_many(formula, [start, start], maxiter=10_000)
    np.testing.assert_allclose(many.fun, least, atol=1e-8)


CONTINUOUS = [
    ("x**2 if abs(x) < 1 else 2*abs(x) - 1", [3.0], 0),
    ("1e12*(x - 3)**2 if x < 3 else (x - 3)**4", [7.0], 0),
    ("x**2 + (3 if x + y < 2 else 0) + (y - 4)**2", [4.0, 1.0], 0),
]


@pytest.mark.parametrize(("formula", "start", "least"), CONTINUOUS)
def test_where_two_pieces_meet_or_a_jump_is_far_nothing_is_left(formula, start, least):
    result = minimize(formula, start)
    assert result.success
    assert result.fun == pytest.approx(least, abs=1e-12)


@pytest.mark.parametrize(
    ("method", "step_size"), [("gd", 1e-20), ("momentum", 1e-20), ("adam", 1e-11)]
)
def test_a_rule_at_a_minimum_in_small_units_has_found_it(method, step_size):
    formula, starts = "((x - 3e-9)/1e-9)**2 + ((y + 1e-9)/1e-9)**2", [[0, 0], [1e-9, 0]]
    given = {"method": method, "step_size": step_size, "maxiter": 20_000}
    result = minimize(formula, starts[0], **given)
    assert result.status == Status.CONVERGED
    assert result.x.tolist() == pytest.approx([3e-9, -1e-9], rel=1e-7)
    many = minimize_many(formula, starts, **given)
    assert (many.status == Status.CONVERGED).all()


@pytest.mark.parametrize("unit", [1e-8, 1e-20, 1e100])
@pytest.mark.parametrize("far", [0.1, 7.0])
def test_beyond_the_edge_of_a_domain_nothing_is_flat(unit, far):
    result = minimize(f"log(x/{3 * unit!r})**2", [3 * unit * far])
    assert result.status == Status.CONVERGED
    assert result.x[0] == pytest.approx(3 * unit, rel=1e-5)


@pytest.mark.parametrize("far", [0.1, 7.0])
def test_where_curvature_leaves_float64_an_end_aside_is_no_success(far):
    result = minimize("log(x/3e-200)**2", [3e-200 * far])
    assert not result.success or result.fun < 1e-10


def test_a_rule_that_is_still_on_its_way_has_not():
    formula = "1e6*((x - 3)**2 + (y + 1)**2)"
    result = minimize(formula, [0, 0], method="gd", step_size=1e-11)
    assert result.status == Status.MAXITER


@pytest.mark.parametrize(
    ("formula", "start", "bounds", "least"),
    [
        ("50*(a*(3-a))**0.2 - a", [2.1], [(0, 3)], -3.0),
        ("7*((5-a)*(a-1))**0.25 + (b-a)**2", [4, 0], {"a": (1, 5)}, 0.0),
    ],
)
def test_an_end_beside_a_bound_where_f_is_lower_is_no_success(
    formula, start, bounds, least
):
    result = minimize(formula, start, bounds=bounds)
    assert not result.success or result.fun == pytest.approx(least, abs=1e-9)


@pytest.mark.parametrize(
    ("formula", "start", "bounds", "least"),
    [
        ("x - 3*sqrt(x)", [5e-324], [(0, 9)], -2.25),
        ("x - 3*sqrt(x)", [1e-200], [(0, 9)], -2.25),
        ("-sqrt(x) - sqrt(2 - x)", [1e-310], [(0, 2)], -2.0),
        ("-sqrt(x - 1) - x/10", [1 + 2.3e-16], [(1, 3)], -math.sqrt(2) - 0.3),
        ("sqrt(x - 1) - x/10", [1 + 2.3e-16], [(1, 3)], -0.1),
        ("-x*log(x)", [1e-300], [(0, 0.2)], 0.0),
        ("x*log(x)**2", [0.1], [(0, 0.13)], 0.0),
        ("-sqrt(x)*log(x)", [0.05], [(0, 0.1)], 0.0),
        ("sqrt(x*y) + (x - 1.2)**2 + y", [1, 1], [(0, None)] * 2, 0.0),
        ("x**0.3*y**0.7 + (x - 1)**2", [0.5, 0.5], [(0, None)] * 2, 0.0),
    ],
)
@pytest.mark.parametrize("run", [{}, {"method": "gd", "step_size": "auto"}])
@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_at_or_beside_a_bound_a_slope_may_be_infinite(
    formula, start, bounds, least, run, unit
):
    result = minimize(f"{unit}*({formula})", start, bounds=bounds, **run)
    assert result.success
    assert result.fun == pytest.approx(unit * least, abs=1e-9 * unit)


@pytest.mark.parametrize("rule", ["gd", "momentum", "amsgrad"])
@pytest.mark.parametrize(
    ("formula", "start", "bounds", "end"),
    [
        ("4*a**0.5 + (b - 1)**2", [1, 3], {"a": (0, None)}, [0, 1]),
        ("a**0.8 + (b + 2)**2", [0.5, 2], [(0, None), (0, None)], [0, 0]),
        ("sqrt(a - 2) + (b - 1)**2", [2, 3], {"a": (2, None)}, [2, 1]),
        ("sqrt(1 - a) + (b - 1)**2", [0, 3], {"a": (None, 1)}, [1, 1]),
        ("sum(sqrt(a[i]) for i in range(2)) + b**2", {"a": [1, 2], "b": 3},
         {"a": (0, None)}, [0, 0, 0]),
    ],
)  # fmt: skip
def test_a_bound_holds_a_rule_against_an_infinite_slope(
    rule, formula, start, bounds, end
):
    result = minimize(
        formula, start, method=rule, step_size=0.02, bounds=bounds, gtol=1e-5
    )
    assert result.success
    assert result.x == pytest.approx(end, abs=1e-4)
    assert math.inf in abs(result.jac)


def test_a_rule_leaves_a_bound_where_f_falls_infinitely_steeply():
    run = {"method": "gd", "step_size": 0.05, "bounds": [(0, 3)]}
    result = minimize("x - sqrt(x)", [0.0], **run)
    assert result.success
    assert result.x == pytest.approx([0.25])


def test_a_look_ahead_may_meet_an_infinite_slope():
    ahead = Rule("ahead", "d = m*d - s*g(x + m*d)\nx = x + d", m=0.9, s=0.02)
    result = minimize(
        "4*a**0.5 + (b - 1)**2", [1, 3], method=ahead, bounds={"a": (0, None)}
    )
    assert result.success
    assert result.x == pytest.approx([0, 1])


@pytest.mark.parametrize(
    ("formula", "least"),
    [
        ("abs(1e6*x - 3) + abs(1e-6*y - 2) + 0.5*abs(1e6*x + 1e-6*y - 7)", 1.0),
        ("max(abs(1e9*x - 1), abs(1e-9*y - 1))", 0.0),
        ("abs(1e-7*x - 1) + abs(y)", 0.0),
        ("sqrt((1e-8*x - 1)**2 + y**2) + abs(y)", 0.0),
    ],
)
def test_a_kink_is_found_far_away_in_small_units(formula, least):
    result = minimize(formula, [1, 1])
    assert result.success
    assert result.fun == pytest.approx(least, abs=1e-12)


@pytest.mark.parametrize(
    "formula", ["abs(1e6*y) + exp(-1e-6*x)", "abs(y - x) + exp(-x)", "max(y, -y) + 1/x"]
)
def test_a_tail_along_a_kink_is_no_minimum(formula):
    assert not minimize(formula, [1, 2]).success


CANCELLED = [
    "x**2 + y**2 - 2*x*y",
    "x**4 - 2*x**2*y**2 + y**4",
    "x**2 - 2*x*y**2 + y**4",
    "exp(2*x) - 2*exp(x + y) + exp(2*y)",
]


@settings(deadline=None, max_examples=10)
@given(x=st.integers(3, 40), y=st.integers(3, 40))
@pytest.mark.parametrize("formula", CANCELLED)
def test_what_is_rounded_is_no_way_down(formula, x, y):
    # Squares, written out: along a line they are 0, and in float64 also below.
    result = minimize(formula, [x / 10, y / 10])
    assert abs(result.fun) < 1e-9
    assert abs(result.x).max() < 20
    assert result.success or result.status == Status.ABNORMAL


@pytest.mark.parametrize(
    ("formula", "start"),
    [
        ("x + y + z - 3*(x*y*z)**(1/3)", [1, 2, 3]),
        ("hypot(x, y) - 0.6*x - 0.8*y", [1, 1]),
        ("x + 2*y - 3*x**(1/3)*y**(2/3)", [1, 2]),
        ("x + y + z + w - 4*(x*y*z*w)**0.25", [1, 2, 3, 4]),
        ("(x**4 + y**4)**0.25 - x", [1, 0.1]),
        ("x**2/y + 4*y - 4*x", [3, 1]),
    ],
)
def test_a_homogeneous_function_is_least_along_a_ray(formula, start):
    result = minimize(formula, start, bounds=[(0, None)] * len(start))
    assert result.success
    assert result.fun == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("formula", "start", "bounds"),
    [
        ("1/x", [1], [(0, None)]),
        ("1/hypot(x, y)", [1, 1], None),
        ("x*exp(-y/x)", [1, 1], [(0.1, None), (0, None)]),
        ("x - sqrt(x*y)", [1, 1], [(0, None), (0, None)]),
        ("y**3/x**2", [1, 1], [(0.1, None), (None, None)]),
    ],
)
def test_a_homogeneous_function_without_a_minimum_has_none(formula, start, bounds):
    assert not minimize(formula, start, bounds=bounds).success


@pytest.mark.parametrize("unit", [1e-12, 1e-8, 1.0, 1e6])
def test_a_rule_ends_at_the_same_point_in_other_units_of_f(unit):
    result = minimize(f"{unit}*(x-3)**2", [0], method="gd", step_size=0.4 / unit)
    assert result.success
    assert result.x[0] == pytest.approx(3.0, rel=1e-5)


@pytest.mark.parametrize("formula", ["x**2 + y**x", "x**y + y**2", "x**2 + 2*y**x"])
@pytest.mark.parametrize("start", [[1.0, 1.0], [0.7, 1.1], [0.5, 0.5]])
def test_a_power_falls_on_at_any_size_of_its_base(formula, start):
    # As the base goes to 0 before the exponent does; at (0, 0) it is 1.
    assert not minimize(formula, start).success


@pytest.mark.parametrize("power", [0.1, 0.5])
def test_a_power_whose_exponent_is_known_has_its_minimum_at_0(power):
    result = minimize(f"x**{power} + (y - 1)**2", [1.0, 2.0])
    assert result.success
    assert result.fun < 1e-12


@pytest.mark.parametrize("term", ["exp(-x[i])", "1/(1 + x[i]**2)", "atan(x[i])"])
@pytest.mark.parametrize("start", [1.0, 30.0, -20.0])
def test_a_tail_is_none_with_many_variables(term, start):
    assert not minimize(f"sum({term} for i in range(60))", [start] * 60).success


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e5, 1e9, 1e12])
@pytest.mark.parametrize("bounded", [False, True])
def test_many_variables_may_be_in_any_unit(unit, bounded):
    n = 60
    formula = f"sum(({unit}*x[i] - 1)**2*(1 + i) for i in range({n}))"
    bounds = [(0.0, 9.0 / unit)] * n if bounded else None
    result = minimize(formula, [0.0] * n, bounds=bounds)
    assert result.success, result.message
    assert result.x == pytest.approx(np.full(n, 1.0 / unit), rel=1e-7)


@pytest.mark.parametrize("method", ["auto", "gd"])
@pytest.mark.parametrize(
    ("formula", "start"),
    [
        ("sum(exp(-x[i]**2) for i in range(60))", [30.0] * 60),
        ("prod(exp(-x[i]) for i in range(60))", [20.0] * 60),
        ("sum((x[i] - 1)**2 for i in range(59)) + exp(-x[59]**2)", [1.0] * 59 + [40.0]),
    ],
)
def test_many_variables_on_a_plateau_are_at_no_minimum(formula, start, method):
    for result in (
        minimize(formula, start, method=method),
        minimize_many(formula, np.array([start] * 2), method=method)[0],
    ):
        assert result.status == Status.STATIONARY


@pytest.mark.parametrize("n", [5, 60])
@pytest.mark.parametrize("term", ["q[:-1]**2", "(q[:-1] - 1)**2 + 0.1*q[:-1]**4"])
def test_a_variable_in_no_term_stays_where_it_is(n, term):
    start = [3.0] * (n - 1) + [7.0]
    result = minimize(f"sum({term})", start)
    plain = minimize(f"sum({term.replace('[:-1]', '')})", start[:-1])
    assert result.success
    assert result.x[-1] == 7.0
    assert result.nfev <= plain.nfev + (5 if n == 5 else 30)


@pytest.mark.parametrize("start", [0.01, 10.0, 500.0, 1e6])
def test_no_step_leaps_over_a_pole(start):
    assert minimize("log(gamma(x)) - 3*x", start).x == pytest.approx(20.5834630)
    assert minimize("log(gamma(x + 2)) - 3*x", start).x == pytest.approx(18.5834630)
    assert minimize("-gamma(x)", -0.5).x == pytest.approx(-0.50408301)
    many = minimize_many("log(gamma(x)) - 3*x", [[start], [start + 1.0]])
    assert many.x == pytest.approx(20.5834630)


ROOTS_WITHOUT_KINK = [  # formula, parameters, start, the least value
    ("sqrt(x**2 + a**2)/v + sqrt((d - x)**2 + b**2)/u", {"a": 1e-6, "b": 2e-6,
     "d": 1e-5, "u": 2e8, "v": 3e8}, 0.0, 4.0988836902362873e-14),
    ("A/L*(sqrt(x**2 + L**2) + 1.5*sqrt((2*L - x)**2 + (3*L)**2))",
     {"A": 1e-21, "L": 1e-9}, 0.0, 6.12470750465792e-21),
    ("sqrt(p**2 + m**2) - v*p", {"m": 1e-30, "v": 0.5}, 0.0, 1e-30 * 0.75**0.5),
    ("sqrt(p**2 + m**2) - v*p", {"m": 1e-30, "v": 0.5}, 5.0, 1e-30 * 0.75**0.5),
    ("sqrt(x**2 + s**2) - 0.5*x", {"s": 1e-9}, 1.0, 1e-9 * 0.75**0.5),
]  # fmt: skip


@pytest.mark.parametrize(("text", "parameters", "start", "least"), ROOTS_WITHOUT_KINK)
def test_a_root_that_is_never_0_has_no_kink(text, parameters, start, least):
    """A small parameter's square was taken for 0, and the start for a kink."""
    result = minimize(Objective(text, parameters=parameters), start)
    assert result.success
    assert result.fun == pytest.approx(least, rel=1e-8)
    assert "kink" not in result.message
    named = {name: 0.0 for name in parameters if name in "ams"}
    if text.startswith("sqrt(p"):  # with 0 there is one
        kinked = minimize(Objective(text, parameters={**parameters, **named}), 5.0)
        assert kinked.x == pytest.approx([0.0], abs=1e-12)
        assert "kink" in kinked.message


@pytest.mark.parametrize("start", [0.0, 1.0])
@pytest.mark.parametrize("unit", [1e-120, 1e-160, 1e-170, 1e-200, 1e-250])
@pytest.mark.parametrize(
    "formula",
    ["({u}*x - 3)**2", "({u}*x - 3)**2 + (y - 1)**2", "log(1 + ({u}*x - 3)**2)"],
)
def test_a_minimum_may_be_farther_than_squares_of_slopes_show(formula, unit, start):
    result = minimize(formula.format(u=unit), [start] * (1 + ("y" in formula)))
    assert result.success
    assert result.fun < 1e-28
    assert result.x[0] == pytest.approx(3 / unit, rel=1e-14)


@pytest.mark.parametrize("formula", ["1e-200*x", "(1e-320*x - 3)**2", "-exp(1e-200*x)"])
def test_what_falls_as_far_as_there_are_numbers_has_no_minimum(formula):
    assert not minimize(formula, [0.0]).success


def test_a_rule_says_that_f_is_lower_far_away():
    result = minimize("(1e-200*x - 3)**2", [0.0], method="gd")
    assert result.status == Status.STATIONARY
    assert "x = 3e+200" in result.message


@pytest.mark.parametrize(
    ("formula", "start", "least"),
    [
        ("sqrt(x**2 + 1) - 0.5*x", [1e200], math.sqrt(0.75)),
        ("log(1 + x**2)", [1e200], 0.0),
        ("log(1 + x**2) + y**2", [1e200, 1.0], 0.0),
        ("log(1 + (x/1e-3)**4) + log(1 + y**2)", [1e80, 1.0], 0.0),
        ("-x**2/(1 + x**4)", [1e100], -0.5),
        ("sqrt(x**2 + y**2)", [1e200, 1e200], 0.0),
        ("atan(exp(x)) + 0.01*x**2", [900.0], 0.13900218343420104),
        ("exp(x**2)*erfc(x) + 0.1*x", [30.0], 0.4551107822995821),
    ],
)
def test_a_start_may_be_where_float64_overflows_on_the_way(formula, start, least):
    result = minimize(formula, start)
    assert result.success
    assert result.fun == pytest.approx(least, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("start", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(
    ("formula", "least"),
    [
        ("x*abs(log(x))", 0.0),
        ("x*sqrt(-log(x))", 0.0),
        ("log(1 - x)*log(x)", 0.0),
        ("-log(1 - x)*log(x)", -(math.log(2.0) ** 2)),
    ],
)
def test_a_bound_may_be_where_only_a_limit_is(formula, least, start):
    result = minimize(formula, [start], bounds=[(0, 1)])
    assert result.success
    assert result.fun == pytest.approx(least, abs=1e-12)


@pytest.mark.parametrize(
    ("formula", "start", "least"),
    [
        ("50*log(x) + 2.1e9/x", 1e-9, 50 * (math.log(4.2e7) + 1)),
        ("7*log(x) + 8e10/x", 1e-12, 7 * (math.log(8e10 / 7) + 1)),
        ("1e9/x + 1e-9*x", 1e-9, 2.0),
        ("3*log(x) + 1e12/x**2", 1e-6, 1.5 * (math.log(2e12 / 3) + 1)),
    ],
)
def test_a_start_may_be_where_f_is_of_another_size(formula, start, least):
    result = minimize(formula, [start], bounds=[(1e-15, None)])
    assert result.success
    assert result.fun == pytest.approx(least, rel=1e-12)


@pytest.mark.parametrize(
    ("formula", "start", "bounds"),
    [
        ("sqrt(x**2 + y**2) - x", [-2.0, 1.0], None),
        ("sqrt(x**2 + 4*y**2) - x", [-1.0, 1.0], None),
        ("sqrt(x**2 + y**2 + z**2) - z", [1.0, 2.0, -3.0], None),
        ("x + y - 2*sqrt(x*y)", [1.0, 3.0], [(0, None)] * 2),
    ],
)
def test_a_level_ray_is_a_minimum(formula, start, bounds):
    result = minimize(formula, start, bounds=bounds)
    assert result.success
    assert result.fun == pytest.approx(0.0, abs=1e-13)


@pytest.mark.parametrize(
    "formula", ["sqrt(x**2 + y**2 + 1) - x", "sqrt(x**2 + y**2) - x + exp(-x)"]
)
def test_what_only_tends_to_a_level_ray_has_no_minimum(formula):
    assert not minimize(formula, [-2.0, 1.0]).success


def test_a_logarithm_of_gamma_has_no_kink():
    result = minimize("loggamma(x) - 3*x", [1e6], bounds=[(1e-9, None)])
    assert result.success
    assert "kink" not in result.message


@pytest.mark.parametrize("steep", [50, 500, 5000])
def test_a_steep_valley_beside_a_wide_one_is_no_kink(steep):
    text = f"x - sqrt(x) + {steep}*y - sqrt(y)"
    result = minimize(text, [1, 1], bounds={"x": (0, None), "y": (0, None)})
    assert result.success
    assert "kink" not in result.message


@pytest.mark.parametrize("place", [0.0, 1.0, 3e-11, 1 + 2e-10])
def test_a_kink_is_found_on_either_side_of_an_end(place):
    result = minimize(f"abs(x - {place!r}) + x**2/1e6 + (y - 1)**2", [3.0, 3.0])
    assert result.success
    assert "kink" in result.message
