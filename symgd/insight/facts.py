"""What else is certain: whether a formula is bounded, the same, or symmetric."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from symgd.calculus import derivatives
from symgd.errors import FormulaError
from symgd.insight import exact
from symgd.insight.boxes import Box
from symgd.insight.factors import expanded, factored
from symgd.insight.second_derivatives import Derivatives, range_of

LONG = 200  # operations of what SymPy is asked to simplify
FEW = 6  # variables among which invariances are looked for
DIGITS = 60
WAVES = (sp.sin, sp.cos, sp.tan)


def bounded_below(
    derived: Derivatives, box: Box, convex: bool | None, least: float
) -> bool | None:
    """Return whether a part is proven to be bounded below, or not to be."""
    low, _, known = range_of(derived.expression, derived.symbols, box)
    if known > 0 and low > -np.inf:
        return True
    if convex and least > 0:
        return True
    found = exact.quadratic(derived.expression, derived.symbols)
    free = not np.isfinite([*box.lower, *box.upper]).any()
    if found is None or not free or len(derived.symbols) > exact.MOST_SIZE:
        return None
    if exact.falling_direction(found.hessian) is not None:
        return False
    full = exact.rank_of(found.hessian) == len(found.hessian)
    return True if full else None


# -------------------------------------------------------------------- the same


def is_identically_0(expression: sp.Expr) -> bool:
    """Return whether it is proven that an expression is 0 throughout."""
    if expression == 0:
        return True
    if expression.count_ops() > LONG:
        return False
    try:
        return bool(expanded(expression) == 0 or factored(expression) == 0)
    except (ArithmeticError, AttributeError, TypeError, ValueError, RecursionError):
        return False


def symmetries(expression: sp.Expr, symbols: Sequence[sp.Symbol]) -> list[str]:
    """Return swaps of two variables and changes of sign that change nothing."""
    found = []
    for a, b in itertools.combinations(symbols[:FEW], 2):
        if is_identically_0(expression.xreplace({a: b, b: a}) - expression):
            found.append(f"{a.name} <-> {b.name}")
    for s in symbols[:FEW]:
        if is_identically_0(expression.xreplace({s: -s}) - expression):
            found.append(f"{s.name} -> -{s.name}")
    return found


def periods(expression: sp.Expr, symbols: Sequence[sp.Symbol]) -> dict[str, sp.Expr]:
    """Return by which shift of one variable each nothing changes, the least of them.

    Candidates are the periods of sines and cosines together, and their halves.
    """
    found = {}
    for s in symbols:
        waves = [w for w in expression.atoms(*WAVES) if s in w.free_symbols]
        slopes = {sp.expand(w.args[0]).coeff(s) for w in waves}
        if not slopes or not all(c.is_Rational and c != 0 for c in slopes):
            continue
        above = math.lcm(*(int(c.q) for c in slopes))
        whole = sp.Rational(above, math.gcd(*(int(c.p) for c in slopes)))
        for part in (whole * sp.pi, 2 * whole * sp.pi):
            if is_identically_0(_moved(expression, s, part) - expression):
                found[s.name] = part
                break
    return found


def _moved(expression: sp.Expr, s: sp.Symbol, by: sp.Expr) -> sp.Expr:
    waves = {
        wave: wave.func(sp.expand(wave.args[0].xreplace({s: s + by})))
        for wave in expression.atoms(*WAVES)
        if s in wave.free_symbols
    }
    names = {wave: sp.Dummy(real=True) for wave in waves}
    rest = expression.xreplace(names).xreplace({s: s + by})
    return rest.xreplace({names[wave]: moved for wave, moved in waves.items()})


def invariances(
    expression: sp.Expr, symbols: Sequence[sp.Symbol]
) -> list[dict[str, sp.Expr]]:
    """Return fields a + b*x, of each variable, along which a formula never changes.

    Candidates are the directions that no gradient at random points sees, to 60 digits;
    each is made of fractions and then proven by SymPy.
    """
    n = len(symbols)
    if n > FEW or expression.count_ops() > LONG:
        return []
    try:
        gradient = list(derivatives.gradient(expression, tuple(symbols)))
        null = _unseen(gradient, symbols)
    except (FormulaError, ArithmeticError, TypeError, ValueError, NameError):
        return []  # also of what mpmath has no function for
    found = []
    for row in null:
        field = [row[i] + row[n + i] * s for i, s in enumerate(symbols)]
        moved = sp.Add(*(x * g for x, g in zip(field, gradient, strict=True)))
        if any(field) and is_identically_0(moved):
            pairs = zip(symbols, field, strict=True)
            found.append({s.name: x for s, x in pairs if x != 0})
    return found


def _unseen(gradient: list[sp.Expr], symbols: Sequence[sp.Symbol]) -> list[list[Any]]:
    functions = [sp.lambdify(symbols, g, "mpmath") for g in gradient]
    rng, n = random.Random(0), len(symbols)
    with mpmath.workdps(DIGITS):
        rows = []
        for _ in range(4 * n + 4):
            x = [mpmath.mpf(rng.randint(1, 10**6)) / 10**6 + 0.25 for _ in symbols]
            g = [f(*x) for f in functions]
            rows.append([*g, *(a * b for a, b in zip(x, g, strict=True))])
        whole = mpmath.matrix(rows)
        _, sizes, directions = mpmath.svd_r(whole.T * whole)
        small = mpmath.mpf(10) ** -40 * sizes[0]
        null = [
            [directions[k, j] for j in range(2 * n)]
            for k in range(2 * n)
            if sizes[k] < small
        ]
        return [[_fraction(v) for v in row] for row in _reduced(null)]


def _reduced(rows: list[list[Any]]) -> list[list[Any]]:
    """Return the row echelon form, whose entries are short fractions."""
    done = 0
    for column in range(len(rows[0]) if rows else 0):
        best = max(range(done, len(rows)), key=lambda r: abs(rows[r][column]))
        if abs(rows[best][column]) < mpmath.mpf(10) ** -15:
            continue
        rows[done], rows[best] = rows[best], rows[done]
        pivot = rows[done][column]
        rows[done] = [a / pivot for a in rows[done]]
        for r in range(len(rows)):
            if r != done:
                factor = rows[r][column]
                pairs = zip(rows[r], rows[done], strict=True)
                rows[r] = [a - factor * b for a, b in pairs]
        done += 1
        if done == len(rows):
            break
    return rows[:done]


def _fraction(value: Any) -> sp.Rational:
    near = Fraction(int(mpmath.nint(value * 2**60)), 2**60).limit_denominator(1000)
    return sp.Rational(near.numerator, near.denominator)
