"""Exact derivatives of expressions, with symgd's choices at kinks."""

from __future__ import annotations

import sympy as sp

from symgd.errors import FormulaError
from symgd.formula import text_of


def gradient(
    expression: sp.Expr, variables: tuple[sp.Symbol, ...]
) -> sp.ImmutableMatrix:
    """Return the column of first derivatives.

    A sum is differentiated term by term, each term only by the variables that it
    holds, so that the cost of a long sum of short terms grows with its length.

    At a kink the value is a subgradient: ``sign(0) = 0``, each argument of a tied
    ``Max`` counts one half, and the derivative of a jump is 0.

    Raises
    ------
    FormulaError
        If SymPy leaves a derivative unevaluated, or it isn't real.
    """
    parts: dict[sp.Symbol, list[sp.Expr]] = {v: [] for v in variables}
    for term in sp.Add.make_args(expression):
        for variable in term.free_symbols:
            if variable in parts:
                parts[variable].append(_derivative(term, variable))
    return sp.ImmutableMatrix([sp.Add(*parts[v]) for v in variables])


def hessian(column: sp.Matrix, variables: tuple[sp.Symbol, ...]) -> sp.ImmutableMatrix:
    """Return the symmetric matrix of derivatives of a gradient; raises likewise."""
    n = len(variables)
    lower = {
        (i, j): _derivative(column[i], variables[j])
        if variables[j] in column[i].free_symbols
        else sp.S.Zero
        for i in range(n)
        for j in range(i + 1)
    }
    return sp.ImmutableMatrix(n, n, lambda i, j: lower[max(i, j), min(i, j)])


def _derivative(term: sp.Expr, variable: sp.Symbol) -> sp.Expr:
    try:
        derivative = sp.diff(term, variable)
    except RecursionError:
        problem = "the formula is nested too deeply to differentiate"
        raise FormulaError(problem, text_of(term)) from None
    if derivative.has(sp.DiracDelta):
        derivative = derivative.replace(sp.DiracDelta, lambda *_: sp.S.Zero)
    for left in derivative.atoms(sp.Derivative, sp.Subs):
        inner = left.args[0]
        raise FormulaError(
            f"{text_of(inner)} has no derivative with respect to {variable.name} "
            f"that a descent can use, in",
            text_of(term),
        )
    if derivative.has(sp.I, sp.zoo, sp.nan, sp.oo, -sp.oo):
        problem = f"the derivative by {variable.name} is not real and finite, of"
        raise FormulaError(problem, text_of(term))
    return derivative
