"""Verdicts of ``analyze`` attacked: ``python -m benchmarks.attacks --formulas 100000``.

Random formulas within random bounds; of each, what is said is tried at random pairs of
points: chords against convexity, differences of gradients against L and mu. What is
found is computed again with more digits before it counts.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import mpmath
import numpy as np
import sympy as sp

import symgd
from symgd.errors import SymgdError

PAIRS = 400
DIGITS, MORE_DIGITS = 50, 1000
SLACK = 1e-9
NAMES = ("x", "y", "z")
MORE = {"real_abs": abs, "softplus": lambda u: mpmath.log1p(mpmath.exp(u))}
IN_DIGITS = [{**MORE, "real_sign": mpmath.sign}, "mpmath"]
IN_FLOATS = [{"real_abs": np.abs, "softplus": lambda u: np.logaddexp(0.0, u)}, "numpy"]
FUNCTIONS = [
    *("exp({})", "log({})", "sin({})", "cos({})", "tanh({})", "atan({})", "sqrt({})"),
    *("abs({})", "cosh({})", "({})**2", "({})**3", "1/({})", "log(1 + exp({}))"),
    *("sqrt(1 + ({})**2)", "max({}, 0)", "({})**4", "({})**1.5"),
]


def tree(rng: np.random.Generator, names: Sequence[str], depth: int) -> str:
    """Return a random formula."""
    kind = rng.random()
    if depth == 0 or kind < 0.15:
        if rng.random() < 0.75:
            return names[rng.integers(len(names))]
        return f"({rng.integers(-12, 13)}/{rng.choice([1, 2, 4, 10])})"
    if kind < 0.55:
        inner = tree(rng, names, depth - 1)
        return str(rng.choice(FUNCTIONS)).format(inner)
    a, b = (tree(rng, names, depth - 1) for _ in range(2))
    if kind < 0.8:
        return f"({a} + {b})"
    if kind < 0.95:
        return f"{a}*{b}"
    return f"max({a}, {b})" if kind < 0.98 else f"({a} - 2*{b})"


def attacked(text: str, rng: np.random.Generator) -> tuple[str, str]:
    """Return what is said of a curvature, and what is wrong, "" if nothing is."""
    objective = symgd.Objective(text)
    expression, symbols = objective.expression, objective.symbols
    sides = rng.choice([-3, -2, -1, -0.5, 0, 0.5, 1, 2, 3], (len(symbols), 2))
    box = [(min(s), max(s) + (s[0] == s[1])) for s in sides.tolist()]
    a = symgd.analyze(objective, box, time_limit=0.1)
    low, high = np.array(box).T[:, :, None]
    one, two = (low + (high - low) * rng.random((len(box), PAIRS)) for _ in range(2))
    near = rng.random(PAIRS) < 0.5
    two[:, near] = one[:, near] + (two - one)[:, near] * 1e-3
    found = _chords(expression, symbols, a, one, two)
    return a.curvature, found or _slopes(expression, symbols, a, one, two)


def _chords(expression: Any, symbols: Any, a: Any, one: Any, two: Any) -> str:
    sign = {True: 1, None: 0, False: 0}[a.is_convex]
    sign = -1 if a.curvature == "concave" else sign
    if not sign:
        return ""
    f = sp.lambdify(symbols, expression, IN_FLOATS)
    with np.errstate(all="ignore"):
        ends = [np.broadcast_to(f(*p), PAIRS) for p in (one, two, 0.5 * (one + two))]
        above = sign * (ends[2] - 0.5 * (ends[0] + ends[1]))
        size = sum(map(np.abs, ends))
        suspects = np.flatnonzero(above > SLACK * size + 1e-300)
    exact = sp.lambdify(symbols, expression, IN_DIGITS)
    for k in suspects[:5]:
        p, q = ([mpmath.mpf(float(v)) for v in side[:, k]] for side in (one, two))
        middle = [(u + v) / 2 for u, v in zip(p, q, strict=True)]
        try:
            gap = exact(*middle) - (exact(*p) + exact(*q)) / 2
        except (ZeroDivisionError, ValueError):
            continue
        if mpmath.im(gap) == 0 and sign * gap > 0:
            return f"{a.curvature}, and the middle of {p} and {q} is {gap} beside"
    return ""


def _slopes(expression: Any, symbols: Any, a: Any, one: Any, two: Any) -> str:
    largest, least = a.lipschitz.upper, a.convexity.lower
    if math.isinf(largest) and math.isinf(least):
        return ""
    try:
        gradient = [sp.diff(expression, s) for s in symbols]
        g = sp.lambdify(symbols, gradient, IN_DIGITS)
    except TypeError:  # SymPy's derivative of what is infinite
        return ""
    for k in range(0, PAIRS, 16):
        pair = [[mpmath.mpf(float(v)) for v in side[:, k]] for side in (one, two)]
        try:
            found = _between(g, *pair, largest, least)
            with mpmath.workdps(MORE_DIGITS):
                found = found and _between(g, *pair, largest, least)
        except (ZeroDivisionError, ValueError, TypeError, NameError):
            return ""
        if found:
            return f"{found} between {pair[0]} and {pair[1]}"
    return ""


def _between(g: Any, p: Any, q: Any, largest: float, least: float) -> str:
    """Return what two gradients contradict."""
    change = [u - v for u, v in zip(g(*p), g(*q), strict=True)]
    if any(mpmath.im(each) for each in change):
        return f"L <= {largest}, mu >= {least}, and no gradient"
    change = [mpmath.re(each) for each in change]
    apart = [u - v for u, v in zip(p, q, strict=True)]
    length = mpmath.norm(apart)
    rise = sum(u * v for u, v in zip(change, apart, strict=True))
    rounded = mpmath.mpf(10) ** (10 - mpmath.mp.dps) * (mpmath.norm(g(*p)) + 1)
    if mpmath.norm(change) > largest * length * (1 + mpmath.mpf(10) ** -40) + rounded:
        return f"L <= {largest}"
    if rise < least * length**2 - rounded * length:
        return f"mu >= {least}"
    return ""


def main() -> None:
    """Attack, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--formulas", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    mpmath.mp.dps = DIGITS
    counts: Counter[str] = Counter()
    begin = time.monotonic()
    for k in range(given.formulas):
        rng = np.random.default_rng((given.seed, k))
        text = tree(rng, NAMES[: rng.integers(1, 4)], int(rng.integers(2, 5)))
        try:
            curvature, wrong = attacked(text, rng)
        except (SymgdError, NameError) as error:
            counts[type(error).__name__] += 1
            continue
        counts["wrong" if wrong else "nothing found"] += 1
        counts[f"({curvature})"] += 1
        if wrong:
            print(f"{text}: {wrong}", flush=True)
    print(dict(counts), f"{time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
