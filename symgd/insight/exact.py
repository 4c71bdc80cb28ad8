"""What is decided in exact numbers: quadratics, separable parts, definite matrices."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import sympy as sp

Matrix = list[list[Fraction]]
MOST_SIZE = 60  # rows of a matrix that is eliminated in fractions


def rational(value: float) -> sp.Rational:
    """Return a float64 as the fraction that it is."""
    exact = Fraction(value)
    return sp.Rational(exact.numerator, exact.denominator)


# ---------------------------------------------------------------------- parts


def separated(expression: sp.Expr) -> list[sp.Expr]:
    """Return the parts of a sum that share no variable; constants are in none.

    >>> x, y = sp.symbols("x y", real=True)
    >>> separated(x**2 + y + x + 3)
    [x**2 + x, y]
    """
    groups: list[tuple[set[Any], list[sp.Expr]]] = []
    for term in sorted(sp.Add.make_args(expression), key=sp.default_sort_key):
        names, terms = set(term.free_symbols), [term]
        if not names:
            continue
        apart = []
        for other, others in groups:
            if names & other:
                names, terms = names | other, others + terms
            else:
                apart.append((other, others))
        groups = [*apart, (names, terms)]
    parts = [(names, sp.Add(*terms)) for names, terms in groups]
    return [part for _, part in sorted(parts, key=lambda p: sorted(map(str, p[0])))]


def is_affine(expression: sp.Expr) -> bool:
    """Return whether second derivatives vanish because no variable meets another.

    >>> x, y = sp.symbols("x y", real=True)
    >>> is_affine(2 * x + y), is_affine(x**2)
    (True, False)
    """
    for term in sp.Add.make_args(expression):
        factors = [f for f in sp.Mul.make_args(term) if f.free_symbols]
        if len(factors) > 1:
            return False
        if factors and not factors[0].is_Symbol:
            inner = factors[0]
            if not (inner.is_Add and is_affine(inner)):
                return False
    return True


def slopes(expression: sp.Expr) -> dict[sp.Symbol, sp.Expr]:
    """Return the coefficients of what is affine."""
    names = sorted(expression.free_symbols, key=str)
    return {name: expression.diff(name) for name in names}


# ------------------------------------------------------------------ quadratics


class ExactQuadratic(NamedTuple):
    """x'Hx/2 + g'x + c, in fractions."""

    hessian: Matrix
    slope: list[Fraction]
    constant: Fraction


def quadratic(
    expression: sp.Expr, variables: Sequence[sp.Symbol]
) -> ExactQuadratic | None:
    """Return a polynomial of degree two at most, with rational coefficients."""
    if _degree(expression, {}) > 2:  # that is quick to see
        return None
    polynomial = _polynomial(expression, variables)
    if polynomial is None or polynomial.total_degree() > 2:
        return None
    n = len(variables)
    hessian = [[Fraction(0)] * n for _ in range(n)]
    slope, constant = [Fraction(0)] * n, Fraction(0)
    for powers, coefficient in polynomial.terms():
        value = Fraction(int(coefficient.p), int(coefficient.q))
        at = [i for i, power in enumerate(powers) for _ in range(power)]
        if len(at) == 2:
            hessian[at[0]][at[1]] += value
            hessian[at[1]][at[0]] += value
        elif at:
            slope[at[0]] += value
        else:
            constant += value
    return ExactQuadratic(hessian, slope, constant)


def _degree(node: sp.Expr, known: dict[sp.Expr, float]) -> float:
    """Return at least the degree of a polynomial as it is written; inf of others."""
    if node.is_Symbol or node.is_Rational:
        return float(node.is_Symbol)
    if node not in known:
        inner = [_degree(a, known) for a in node.args]
        known[node] = math.inf
        if node.is_Add:
            known[node] = max(inner)
        elif node.is_Mul:
            known[node] = sum(inner)
        elif node.is_Pow and node.exp.is_Integer and node.exp.is_positive:
            known[node] = inner[0] * int(node.exp)
    return known[node]


def _polynomial(expression: sp.Expr, variables: Sequence[sp.Symbol]) -> Any:
    try:
        return sp.Poly(expression, *variables, domain="QQ")
    except (sp.PolynomialError, sp.CoercionFailed):
        return None


def negated(matrix: Matrix) -> Matrix:
    """Return the matrix with the other sign."""
    return [[-entry for entry in row] for row in matrix]


def form_of(matrix: Matrix, v: Sequence[Fraction]) -> Fraction:
    """Return v'Hv, exactly."""
    n = range(len(v))
    return sum((v[i] * matrix[i][j] * v[j] for i in n for j in n), Fraction(0))


def falling_direction(matrix: Matrix) -> list[Fraction] | None:
    """Return a v with v'Hv < 0, or None: the matrix is positive semidefinite.

    Symmetric elimination in fractions; what is found is computed once more.
    """
    found, _ = _eliminated(matrix)
    if found is not None and form_of(matrix, found) >= 0:
        raise ArithmeticError("elimination in fractions went wrong")
    return found


def rank_of(matrix: Matrix) -> int:
    """Return the rank of a positive semidefinite matrix."""
    return _eliminated(matrix)[1]


def _eliminated(matrix: Matrix) -> tuple[list[Fraction] | None, int]:
    n = len(matrix)
    a = [row[:] for row in matrix]
    # a = t H t'; so rows of t are directions, and a's diagonal is their curvature.
    t = [[Fraction(int(i == j)) for j in range(n)] for i in range(n)]
    left, rank = list(range(n)), 0
    while left:
        if (bad := next((i for i in left if a[i][i] < 0), None)) is not None:
            return t[bad], rank
        pivot = next((i for i in left if a[i][i] > 0), None)
        if pivot is None:
            for i, j in itertools.combinations(left, 2):
                if a[i][j]:
                    sign = -1 if a[i][j] > 0 else 1
                    both = zip(t[i], t[j], strict=True)
                    return [x + sign * y for x, y in both], rank
            return None, rank
        left.remove(pivot)
        rank += 1
        for i in left:
            if factor := a[i][pivot] / a[pivot][pivot]:
                for j in left:
                    a[i][j] -= factor * a[pivot][j]
                t[i] = [x - factor * y for x, y in zip(t[i], t[pivot], strict=True)]
        for i in left:
            a[i][pivot] = a[pivot][i] = Fraction(0)
    return None, rank


def is_norm_squared(expression: sp.Expr, variables: Sequence[sp.Symbol]) -> bool:
    """Return whether the root of a quadratic is a norm of what is affine.

    So it is where [H/2 g/2; g'/2 c] is positive semidefinite.
    """
    found = quadratic(expression, variables)
    if found is None or len(variables) > MOST_SIZE:
        return False
    half = Fraction(1, 2)
    rows = [
        [*(half * h for h in row), half * g]
        for row, g in zip(found.hessian, found.slope, strict=True)
    ]
    rows.append([*(half * g for g in found.slope), found.constant])
    return falling_direction(rows) is None
