"""What is exported: one formula of all functions, points of all sizes, all rules."""

import re

import numpy as np

import symgd
from symgd.language.functions import TABLE
from symgd.rules.family import BUILT_IN

BESIDE = ["x if x > y else y**2", "x**1.3", "x**y", "log(cosh(x))", "log(erfc(x))"]
BESIDE += ["exp(x**2)*erfc(x)", "loggamma(x)", "polygamma(1, x)", "polygamma(2, x)"]
BESIDE += ["1/(x**2 + y**2)", "log(x, 3)", "Heaviside(x, 1)"]


OF_ORDER = ("polygamma", "besselj")
BESIDE += ["jn(3, x)"]
JUMPS = ("sign", "Heaviside", "floor", "ceiling", "Mod")


def every_function(left_out=()):
    """Return one formula, whose derivatives by w0, w1, ... are all functions.

    What jumps has no derivative: it is of parameters, a0, b0, ...
    """
    calls = [f"{row.name}({', '.join('xy'[: row.arity[0]])})" for row in TABLE]
    calls = [call for call in calls if not call.startswith(OF_ORDER)] + BESIDE
    calls = [call for call in calls if not call.startswith(left_out)]
    terms = []
    for k, call in enumerate(calls):
        names = "ab" if call.startswith(JUMPS) else "xy"
        numbered = {"x": f"{names[0]}{k}", "y": f"{names[1]}{k}"}
        own = re.sub(r"\b[xy]\b", lambda v, own=numbered: own[v[0]], call)
        terms.append(f"w{k}*({own})")
    formula = " + ".join(terms)
    parameters = dict.fromkeys(re.findall(r"\b[ab]\d+", formula), 1.5)
    return symgd.Objective(formula, parameters=parameters)


def points(objective, count):
    """Return points of many sizes, with some special numbers among them."""
    rng = np.random.default_rng(3)
    n = len(objective.variables)
    x = rng.normal(size=(count, n)) * 10.0 ** rng.uniform(-3, 3, (count, n))
    x[:, rng.integers(0, n, n // 2)] = np.abs(x[:, rng.integers(0, n, n // 2)])
    special = rng.choice([0.0, -0.0, 1.0, -1.0, 0.5, np.inf, -np.inf, np.nan], x.shape)
    return np.where(rng.uniform(size=x.shape) < 0.05, special, x)


OWN = {  # what the built-in rules lack: reductions in stages, a state that starts at g
    "staged": symgd.Rule(
        "staged",
        "m = beta*m + g\nx = x - step_size*m/(1 + norm(g - mean(g)*m))",
        initial={"m": "g"},
        step_size="0.01/sqrt(t)",
        beta=0.5,
    ),
    "noisy": symgd.Rule(
        "noisy",
        "x = x - step_size*g + (noise(1) + norm(noise()))/(100*t)",
        step_size=0.01,
        seed=2,
    ),
    "ahead": symgd.Rule(
        "ahead",
        """
        change = momentum*change - step_size*g(x + momentum*change)
        x = x + change
        """,
        step_size=0.01,
        momentum=0.5,
    ),
    "searching": symgd.Rule(  # values and gradients at points of totals and of points
        "searching",
        """
        m = (m + g(x - step*g/(1 + norm(g))))/2
        fell = 1 if f(x - step*m) <= f - step/9*dot(m, g(x - step*m/2)) else 0
        x = x - fell*step*m
        step = step*(1.25 if fell > 0 else 0.5)
        """,
        initial={"m": "g", "step": "first"},
        first=0.01,
    ),
    "products": symgd.Rule(  # with the Hessian, beside gradients and values at points
        "products",
        """
        m = hvp(g + hvp(g)/9)
        fell = 1 if f(x - step_size*g) < f else 1/2
        x = x - step_size*fell*(g + g(x - step_size*g))*dot(g, g)/(1 + dot(g, m))
        """,
        step_size=0.1,
    ),
    "plain": symgd.Rule("plain", "x = x - g/(1000 + t + f)"),
}
RULES = {**BUILT_IN, **OWN}
COMPILED = {name: RULES[name] for name in ("gd", "amsgrad", "bb", *OWN)}
TRIG = "sin(x)**2 + (y - cos(x))**2 + a*x**2"
