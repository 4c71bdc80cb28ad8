"""What is proven of formulas: what is asked, beside what is measured here.

``python -m benchmarks.certain`` prints the table. Formulas with known answers are those
of the tests; minima are of functions that are used to compare optimisers, with their
usual bounds (Jamil and Yang 2013; Surjanovic and Bingham).
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import symgd
from symgd.insight.second_derivatives import Derivatives
from symgd.language.nodes import symbol
from tests.insight.formulas import KNOWN
from tests.insight.test_analysis import STRONGLY, TRUTHS
from tests.insight.test_global_minimum import CASES, HIMMELBLAU, HUMPS, WAVES

SECONDS, CLOSE = 10.0, 1e-6
BOXES = 200_000
VALLEY = "(1 - x)**2 + 100*(y - x**2)**2"


def each(count: int, text: str, join: str = " + ") -> str:
    """Return a term for each variable."""
    return join.join(text.replace("#", f"x{k}") for k in range(count))


def pairs(count: int, text: str) -> str:
    """Return a term for each variable and the next."""
    texts = (text.replace("#", f"x{k}") for k in range(count - 1))
    return " + ".join(t.replace("@", f"x{k + 1}") for k, t in enumerate(texts))


def ackley(n: int) -> str:
    """Return Ackley's function."""
    root, waves = each(n, "#**2"), each(n, "cos(2*pi*#)")
    return f"20 + exp(1) - 20*exp(-0.2*sqrt(({root})/{n})) - exp(({waves})/{n})"


def griewank(n: int) -> str:
    """Return Griewank's function."""
    waves = "*".join(f"cos(x{k}/sqrt({k + 1}))" for k in range(n))
    return f"1 + ({each(n, '#**2')})/4000 - {waves}"


SMALL = [  # formula, bounds, minimum
    *((f, b, m) for f, b, m, _ in CASES[:12]),
    *((f, b, m) for f, b, m, _ in CASES[13:]),
    ("(x - 2)**2 + sin(5*x)", [(-3, 5)], None),
    ("sin(x) + sin(10*x/3)", [(2.7, 7.5)], -1.8995993491521),
    ("-x*sin(x)", [(0, 10)], -7.916727371587),
    ("-(1.4 - 3*x)*sin(18*x)", [(0, 1.2)], -1.48907253868),
    ("(x**2 - 5*x + 6)/(x**2 + 1)", [(-5, 5)], -0.03553390593),
    ("-exp(-x)*sin(2*pi*x)", [(0, 4)], -0.7886853874),
    ("x**6 - 15*x**4 + 27*x**2 + 250", [(-4, 4)], 7.0),
    ("(1.5 - x + x*y)**2 + (2.25 - x + x*y**2)**2 + (2.625 - x + x*y**3)**2",
     [(-4.5, 4.5)] * 2, 0.0),
    ("(x + 2*y - 7)**2 + (2*x + y - 5)**2", [(-10, 10)] * 2, 0.0),
    ("0.26*(x**2 + y**2) - 0.48*x*y", [(-10, 10)] * 2, 0.0),
    ("2*x**2 - 1.05*x**4 + x**6/6 + x*y + y**2", [(-5, 5)] * 2, 0.0),
    ("sin(3*pi*x)**2 + (x - 1)**2*(1 + sin(3*pi*y)**2)"
     " + (y - 1)**2*(1 + sin(2*pi*y)**2)", [(-10, 10)] * 2, 0.0),
    ("-cos(x)*cos(y)*exp(-(x - pi)**2 - (y - pi)**2)", [(-10, 10)] * 2, -1.0),
    ("x**2 + 2*y**2 - 0.3*cos(3*pi*x) - 0.4*cos(4*pi*y) + 0.7", [(-10, 10)] * 2, 0.0),
    ("0.5 + (sin(x**2 - y**2)**2 - 0.5)/(1 + 0.001*(x**2 + y**2))**2",
     [(-10, 10)] * 2, 0.0),
    ("-(1 + cos(12*sqrt(x**2 + y**2)))/((x**2 + y**2)/2 + 2)", [(-5.12, 5.12)] * 2,
     -1.0),
    ("x**2 + y**2 + 25*(sin(x)**2 + sin(y)**2)", [(-5, 5)] * 2, 0.0),
    ("1 + sin(x)**2 + sin(y)**2 - 0.1*exp(-x**2 - y**2)", [(-10, 10)] * 2, 0.9),
    ("(x - 13 + ((5 - y)*y - 2)*y)**2 + (x - 29 + ((y + 1)*y - 14)*y)**2",
     [(-10, 10)] * 2, 0.0),
    ("(x + 10*y)**2 + (x - y)**4", [(-4, 5)] * 2, 0.0),
    ("cos(x)*sin(y) - x/(y**2 + 1)", [(-1, 2), (-1, 1)], -2.02180678),
    ("1e5*x**2 + y**2 - (x**2 + y**2)**2 + 1e-5*(x**2 + y**2)**4", [(-20, 20)] * 2,
     -24776.51834),
    ("sin(x)*exp((1 - cos(y))**2) + cos(y)*exp((1 - sin(x))**2) + (x - y)**2",
     [(-6.283185307179586, 6.283185307179586)] * 2, -106.764536749),
    ("(x**2 + y**2)/2 - cos(10*x)*cos(10*y) + 1", [(-1, 1)] * 2, 0.0),
    ("100*sqrt(abs(y - 0.01*x**2)) + 0.01*abs(x + 10)", [(-15, -5), (-3, 3)], 0.0),
    ("abs(x) + abs(y) + abs(x*y)/2", [(-10, 10)] * 2, 0.0),
    (ackley(2), [(-5, 5)] * 2, 0.0),
    (griewank(2), [(-20, 20)] * 2, 0.0),
    (pairs(3, "(100*(@ - #**2)**2 + (1 - #)**2)"), [(-2, 2)] * 3, 0.0),
    ("(x - y)**2 + (y - z)**4 + (z - 1)**2", [(-3, 3)] * 3, 0.0),
    (pairs(4, "(100*(@ - #**2)**2 + (1 - #)**2)"), [(-2, 2)] * 4, 0.0),
    ("100*(b - a**2)**2 + (1 - a)**2 + 90*(d - c**2)**2 + (1 - c)**2"
     " + 10.1*((b - 1)**2 + (d - 1)**2) + 19.8*(b - 1)*(d - 1)", [(-3, 3)] * 4, 0.0),
    ("(a + 10*b)**2 + 5*(c - d)**2 + (b - 2*c)**4 + 10*(a - d)**4", [(-4, 5)] * 4, 0.0),
]  # fmt: skip
LARGE = [
    (CASES[12][0], CASES[12][1], CASES[12][2]),
    (f"100 + {each(10, '#**2 - 10*cos(2*pi*#)')}", [(-5.12, 5.12)] * 10, 0.0),
    (pairs(10, "(100*(@ - #**2)**2 + (1 - #)**2)"), [(-2, 2)] * 10, 0.0),
    (each(10, "#**2"), [(-5, 5)] * 10, 0.0),
    (" + ".join(f"{k + 1}*x{k}**2" for k in range(10)), [(-5, 5)] * 10, 0.0),
    ("(x0 - 1)**2 + " + " + ".join(f"{k + 1}*(2*x{k}**2 - x{k - 1})**2"
     for k in range(1, 10)), [(-10, 10)] * 10, 0.0),
    (f"{each(10, '#**2')} + ({each(10, '#/2')})**2 + ({each(10, '#/2')})**4",
     [(-5, 10)] * 10, 0.0),
    (f"-exp(-({each(10, '#**2')})/2)", [(-1, 1)] * 10, -1.0),
    (" + ".join(f"abs(x{k})**{k + 2}" for k in range(10)), [(-1, 1)] * 10, 0.0),
    (pairs(10, "((# - @)**2 + 0.1*#**4)"), [(-2, 2)] * 10, 0.0),
    (each(10, "exp(#) - #"), [(-2, 2)] * 10, 10.0),
    (griewank(10), [(-5, 5)] * 10, 0.0),
]  # fmt: skip


def convexity() -> tuple[int, int, int]:
    """Return how many formulas are decided, how many wrongly, of how many."""
    decided = wrong = 0
    for text, bounds, truth in KNOWN:
        word = symgd.analyze(text, bounds).curvature.replace("strongly ", "")
        known = word != "unknown"
        decided += known
        wrong += known and word != truth
    return decided, wrong, len(KNOWN)


def curvatures() -> tuple[int, int, int, int]:
    """Return for how many formulas L, and mu, are within 1 %, how many are wrong."""
    l_close = mu_close = wrong = 0
    for text, bounds, largest, least in TRUTHS:
        a = symgd.analyze(text, bounds)
        slack = 1e-14 * max(1, largest)
        close = []
        for found, truth in ((a.lipschitz, largest), (a.convexity, least)):
            wrong += not found.lower - slack <= truth <= found.upper + slack
            close.append(found.width <= 0.0102 * max(largest, 1e-300))
        l_close, mu_close = l_close + close[0], mu_close + close[1]
    return l_close, mu_close, wrong, len(TRUTHS)


def minima(cases: list[Any]) -> tuple[int, int, float]:
    """Return how many minima are proven, how many wrongly, and the median seconds."""
    proven, wrong, seconds = 0, 0, []
    for text, bounds, minimum in cases:
        found = symgd.minimize_global(text, bounds, time_limit=SECONDS)
        proven += found.proven
        seconds.append(found.seconds)
        low, high = found.fun_bounds
        slack = 1e-8 * max(1.0, abs(minimum or 0.0))
        wrong += minimum is not None and not low - slack <= minimum <= high + slack
        if not found.proven:
            print(f"    open: {text[:60]} in {found.fun_bounds}")
    return proven, wrong, statistics.median(seconds)


def boxes_a_second() -> float:
    """Return on how many boxes f, gradient and Hessian are enclosed in a second."""
    x, y = symbol("x"), symbol("y")
    derived = Derivatives((1 - x) ** 2 + 100 * (y - x**2) ** 2, (x, y))
    low = np.random.default_rng(0).uniform(-2, 2, (2, BOXES))
    high, best = low + 0.1, math.inf
    for tape in (derived.first, derived.second):
        tape(low[:, :10], high[:, :10])
    for _ in range(7):
        begin = time.process_time()
        for tape in (derived.first, derived.second):
            tape(low, high)
        best = min(best, time.process_time() - begin)
    return BOXES / best


def steps() -> tuple[int, int]:
    """Return how many safe runs exceed their bound, and how many unsafe ones converge.

    Of strongly convex formulas, from several starts; unsafe are quadratics' steps
    beyond 2/L.
    """
    exceeding = converging = 0
    for text, bounds, start in STRONGLY:
        a = symgd.analyze(text, bounds)
        for scale in (1.0, 0.5, -0.7, 0.1, -0.3, 0.9):
            x = [scale * v for v in start]
            step = a.steps["safe"].step_size
            run = symgd.minimize(text, x, method="gd", step_size=step, gtol=1e-6)
            most = a.iterations(x, 1e-6)
            exceeding += not run.success or (most is not None and run.nit > most)
    rng = np.random.default_rng(1)
    for _ in range(25):
        p, q, r = rng.uniform(0.5, 9, 3)
        text = f"{p}*x**2 + {q}*y**2 + {r}*(x - y)**2"
        a = symgd.analyze(text)
        step = 2.02 / a.lipschitz.lower
        assert a.judge(step)[0] == "unsafe"
        run = symgd.minimize(text, [1.0, 0.7], method="gd", step_size=step)
        converging += run.success
    return exceeding, converging


def median_of_analyses() -> float:
    """Return the median milliseconds of an analysis, by processor time."""
    found = []
    for text, bounds, _ in KNOWN:
        begin = time.process_time()
        symgd.analyze(text, bounds)
        found.append(time.process_time() - begin)
    return 1e3 * statistics.median(found)


def main() -> None:
    """Print the table."""
    symgd.analyze("x**2")

    def row(what: str, asked: str, told: str) -> None:
        print(f"{what:52} {asked:>12}  {told}")

    decided, wrong, count = convexity()
    row("convexity decided", ">= 96 %", f"{decided} of {count}, {wrong} wrong")
    large, small, wrong, count = curvatures()
    row("L within 1 %", ">= 88 %", f"{large} of {count}")
    row("mu within 1 %", ">= 94 %", f"{small} of {count}; {wrong} ends are wrong")
    for what, asked, cases in (
        ("certified minimum, up to 4 variables", ">= 93 %", SMALL),
        ("certified minimum, 10 variables", ">= 97 %", LARGE),
    ):
        proven, wrong, seconds = minima(cases)
        told = f"{proven} of {len(cases)}, {wrong} wrong, median {seconds:.2f} s"
        row(what, asked, told)
    counted: list[tuple[str, str, Any, Callable[..., Any]]] = [
        ("Rastrigin's stationary points", WAVES, [(-5.12, 5.12)] * 2, symgd.stationary),
        ("of the six-hump camel, 15", HUMPS, [(-2, 2), (-1.5, 1.5)], symgd.stationary),
        ("of Himmelblau's function, 9", HIMMELBLAU, [(-5, 5)] * 2, symgd.stationary),
    ]
    for what, text, bounds, function in counted:
        found = function(text, bounds)
        told = f"{len(found.points)}, complete {found.complete}, {found.seconds:.2f} s"
        row(what, "all", told)
    row("boxes a second", ">= 3e6", f"{boxes_a_second():.2g}")
    row("analyze, median", "<= 30 ms", f"{median_of_analyses():.1f} ms")
    exceeding, converging = steps()
    row("safe steps that exceed their bound", "0", str(exceeding))
    row("unsafe steps that converge", "0", str(converging))


if __name__ == "__main__":
    main()
