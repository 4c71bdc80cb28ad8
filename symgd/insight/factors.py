"""Formulas multiplied out, and ratios of polynomials factored: where that is quick.

Exponentials, logarithms and roots are names there. To SymPy's polynomials exp(0.4*x)
is a power of exp(x/2**54), and they never end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import sympy as sp

MOST_NAMES, MOST_DEGREE, MOST_MULTIPLE = 5, 24, 6
MOST_TERMS = 1000  # of what is multiplied out
_PLAIN = (sp.Add, sp.Mul, sp.Symbol, sp.Rational)


def expanded(expression: sp.Expr) -> sp.Expr | None:
    """Return an expression multiplied out; None if it, or a part, has many terms then.

    Examples
    --------
    >>> x, y = sp.symbols("x y", real=True)
    >>> expanded((x + y) ** 2 - 2 * x * y), expanded((x + y + 1) ** 100)
    (x**2 + y**2, None)
    """
    return None if _terms_at_most(expression) > MOST_TERMS else sp.expand(expression)


def _terms_at_most(node: sp.Basic) -> float:
    """Return a bound on the terms of what is multiplied out, the most of any part."""
    counts = [_terms_at_most(part) for part in node.args]
    if any(count > MOST_TERMS for count in counts):
        return math.inf
    if node.is_Add:
        return sum(counts)
    if node.is_Mul:
        return math.prod(counts)
    if node.is_Pow and node.exp.is_Integer:
        power = abs(int(node.exp))
        if counts[0] > 1 and power > MOST_TERMS:
            return math.inf
        return math.comb(int(counts[0]) + power - 1, power)
    return 1


def factored(expression: sp.Expr) -> sp.Expr | None:
    """Return a ratio with its numerator and denominator factored; None if it's none.

    Or if it would take long.

    Examples
    --------
    >>> x = sp.Symbol("x", real=True)
    >>> factored((sp.exp(2 * x) - 1) / (sp.exp(x) + 1))
    exp(x) - 1
    >>> factored((1 - x) ** 1000 + 1), factored(sp.sin(x) + 1)
    (None, None)
    """
    parts = list(_parts(expression))
    if not all(isinstance(p, (*_PLAIN, sp.Pow, sp.exp, sp.log)) for p in parts):
        return None
    powers, back = _powers([part for part in parts if isinstance(part, sp.exp)])
    names: dict[sp.Expr, sp.Expr] = {}
    for part in parts:
        if isinstance(part, sp.exp):
            names[part] = sp.Mul(*(powers[term] for term in _terms(part)))
        elif isinstance(part, (sp.log, sp.Pow)) and not _is_whole_power(part):
            names.setdefault(part, sp.Dummy(real=True))
            back[names[part]] = part
    ratio = sp.together(expression.xreplace(names))
    sides = sp.fraction(ratio)
    if len(ratio.free_symbols) > MOST_NAMES or max(map(_degree, sides)) > MOST_DEGREE:
        return None
    return sp.factor(ratio).xreplace(back)


def _parts(node: sp.Expr) -> Iterator[sp.Expr]:
    """Yield the nodes down to those that are given a name."""
    yield node
    if isinstance(node, (sp.Add, sp.Mul)) or _is_whole_power(node):
        for part in node.args:
            yield from _parts(part)


def _is_whole_power(node: sp.Expr) -> bool:
    return isinstance(node, sp.Pow) and bool(node.exp.is_Integer)


def _terms(exponential: sp.exp) -> tuple[sp.Expr, ...]:
    return sp.Add.make_args(exponential.args[0])


def _powers(
    exponentials: list[sp.exp],
) -> tuple[dict[sp.Expr, sp.Expr], dict[sp.Expr, sp.Expr]]:
    """Return exponents as powers of names, and what these names are."""
    exponents = {term for each in exponentials for term in _terms(each)}
    powers: dict[sp.Expr, sp.Expr] = {}
    back: dict[sp.Expr, sp.Expr] = {}
    for group in _groups(sorted(exponents, key=sp.default_sort_key)):
        divisors = (int((exponent / group[0]).q) for exponent in group)
        unit, name = group[0] / math.lcm(*divisors), sp.Dummy(positive=True)
        back[name] = sp.exp(unit)
        powers |= {exponent: name ** (exponent / unit) for exponent in group}
    return powers, back


def _groups(exponents: list[sp.Expr]) -> list[list[sp.Expr]]:
    """Return exponents in groups of small multiples of one."""
    groups: list[list[sp.Expr]] = []
    for exponent in exponents:
        for group in groups:
            ratio = exponent / group[0]
            if ratio.is_Rational and max(abs(ratio.p), ratio.q) <= MOST_MULTIPLE:
                group.append(exponent)
                break
        else:
            groups.append([exponent])
    return groups


def _degree(node: sp.Expr) -> int:
    """Return a bound on the degree of a polynomial in all its names."""
    if isinstance(node, sp.Pow):
        return abs(int(node.exp)) * _degree(node.base)
    degrees = [_degree(part) for part in node.args]
    if isinstance(node, sp.Mul):
        return sum(degrees)
    return max(degrees, default=int(node.is_Symbol))
