"""Formulas as they are analysed: in exact numbers, with what would overflow whole."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import sympy as sp

from symgd.errors import InputError
from symgd.insight.exact import is_affine, rational
from symgd.insight.written_out import written_out
from symgd.language.as_written import made
from symgd.language.functions import log_cosh, sigmoid, softplus
from symgd.language.nodes import CONDITIONS, symbol
from symgd.objectives.objective import Objective

MOST_PARTS = 1000  # of which an exponent is so many


def prepared(objective: Objective, most: int) -> sp.Expr:
    """Return the formula of scalars, parameters and decimals as the numbers they are.

    Raises
    ------
    TooLong
        If sums in it have more terms.
    InputError
        If there are rows in partitions, constraints, or an iteration in it.
    """
    arrays = _checked(objective).arrays
    if arrays is None:
        return _in_fractions(objective.expression, objective.parameters)
    return _in_fractions(written_out(arrays, most), objective.parameters)


def prepared_rows(objective: Objective) -> sp.Expr:
    """Return the formula of arrays, with their sizes; raises as ``prepared``."""
    arrays = _checked(objective).arrays
    assert arrays is not None
    if arrays.shapes is None:
        raise arrays.unknown_sizes()
    values = {**objective.parameters, **arrays.sizes}
    return _in_fractions(arrays.expression, values)


def _checked(objective: Objective) -> Objective:
    """Return an objective about which something may be proven."""
    if objective.iteration is not None:
        raise InputError("an objective that is other at each update can't be analysed")
    if objective.constraints is not None:
        problem = "constraints can't be analysed yet: leave subject_to out, and give"
        raise InputError(f"{problem} bounds=, within which all is said")
    if objective.arrays is not None and objective.arrays.partitions is not None:
        raise InputError("rows in partitions can't be analysed: give some of them")
    return objective


def _in_fractions(expression: sp.Expr, values: Mapping[str, float]) -> sp.Expr:
    """Return an expression without floats, with what would overflow kept whole."""
    done: dict[Any, Any] = {symbol(name): rational(v) for name, v in values.items()}

    def renewed(node: Any) -> Any:
        if node.is_Float:
            return rational(float(node))
        if not node.args:
            return done.get(node, node)
        if node not in done:
            inner = tuple(map(renewed, node.args))
            if node.is_Pow:
                inner = (inner[0], _short_exponent(inner[1]))
            same = all(a is b for a, b in zip(inner, node.args, strict=True))
            done[node] = _stable(node if same else _rebuilt(node, inner))
        return done[node]

    return renewed(expression)


def _rebuilt(node: Any, inner: tuple[Any, ...]) -> Any:
    """Return a node with other parts; extremes and choices as they are written."""
    written = isinstance(node, (sp.Max, sp.Min, sp.Piecewise, *CONDITIONS))
    return made(node.func, inner) if written else node.func(*inner)


def _short_exponent(exponent: sp.Expr) -> sp.Expr:
    """Return a fraction as it is written, 7/10 for 0.7: SymPy hangs over others."""
    if not exponent.is_Rational or exponent.q <= MOST_PARTS:
        return exponent
    written = Fraction(repr(float(exponent)))
    if written.denominator > MOST_PARTS:
        problem = f"the exponent {float(exponent)!r} can't be analysed"
        raise InputError(f"{problem}: round it, as {float(exponent):.3g}")
    return sp.Rational(written.numerator, written.denominator)


def _stable(node: sp.Expr) -> sp.Expr:
    """Return softplus for log(1 + exp(x)), log_cosh, sigmoid: the same on all reals."""
    if isinstance(node, sp.log):
        (inner,) = node.args
        if isinstance(inner, sp.cosh):
            return log_cosh(inner.args[0])
        if (exponent := _one_and_exponential(inner)) is not None:
            return softplus(exponent)
        if (pair := _two_exponentials(inner)) is not None:
            return pair[1] + softplus(pair[0] - pair[1])
    if node.is_Pow and node.exp == -1:
        exponent = _one_and_exponential(node.base)
        return node if exponent is None else sigmoid(-exponent)
    if node.is_Mul:
        for a, b in itertools.permutations(node.args, 2):
            if isinstance(a, sp.exp) and b == sigmoid(-a.args[0]):
                others = [c for c in node.args if c not in (a, b)]
                return sp.Mul(sigmoid(a.args[0]), *others)
    return node


def _one_and_exponential(node: sp.Expr) -> sp.Expr | None:
    """Return x of 1 + exp(x)."""
    if node.is_Add and len(node.args) == 2 and sp.S.One in node.args:
        (other,) = (a for a in node.args if a != 1)
        if isinstance(other, sp.exp):
            return other.args[0]
    return None


def _two_exponentials(node: sp.Expr) -> list[sp.Expr] | None:
    """Return x and y of exp(x) + exp(y), both affine."""
    terms = sp.Add.make_args(node)
    if len(terms) != 2 or not all(isinstance(t, sp.exp) for t in terms):
        return None
    exponents = [t.args[0] for t in terms]
    return exponents if all(map(is_affine, exponents)) else None
