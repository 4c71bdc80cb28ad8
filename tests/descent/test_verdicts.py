"""What an end is called: a success only where no lower point is near."""

import math

import numpy as np
import pytest

from symgd import Objective, maximize, minimize, minimize_many
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


@pytest.mark.parametrize("name", WITHOUT)
def test_what_has_no_minimum_is_no_success(name):
    formula, start = WITHOUT[name]
    result = minimize(formula, start)
    assert result.status in NOT_ATTAINED
    assert not result.success


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


def test_patience_that_is_lost_near_a_minimum_is_a_success():
    result = minimize(
        "x**2 + 1", 1.0, method="gd", step_size=0.3, ftol=1e-6, patience=3
    )
    assert result.status == Status.STALLED
    assert result.success


def test_ends_for_which_no_time_is_left_are_no_successes(monkeypatch):
    monkeypatch.setattr("symgd.many.in_lanes.run_alone", lambda *_: None)
    still = {"method": "gd", "step_size": 0.1}
    results = minimize_many("x**2 - y**2 + y**4", [[1.0, 0.0], [1.0, 0.5]], **still)
    assert results.success.tolist() == [False, True]


@pytest.mark.parametrize("far", [0.1, 7.0])
def test_where_curvature_leaves_float64_an_end_aside_is_no_success(far):
    result = minimize("log(x/3e-200)**2", [3e-200 * far])
    assert not result.success or result.fun < 1e-10


def test_a_rule_that_is_still_on_its_way_has_not():
    formula = "1e6*((x - 3)**2 + (y + 1)**2)"
    result = minimize(formula, [0, 0], method="gd", step_size=1e-11)
    assert result.status == Status.MAXITER


@pytest.mark.parametrize("n", [5, 60])
@pytest.mark.parametrize("term", ["q[:-1]**2", "(q[:-1] - 1)**2 + 0.1*q[:-1]**4"])
def test_a_variable_in_no_term_stays_where_it_is(n, term):
    start = [3.0] * (n - 1) + [7.0]
    result = minimize(f"sum({term})", start)
    plain = minimize(f"sum({term.replace('[:-1]', '')})", start[:-1])
    assert result.success
    assert result.x[-1] == 7.0
    assert result.nfev <= plain.nfev + (5 if n == 5 else 30)
