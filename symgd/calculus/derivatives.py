"""Exact derivatives of expressions, with symgd's choices at kinks."""

from __future__ import annotations

import sympy as sp

from symgd.language.formula import text_of
from symgd.reporting.errors import FormulaError


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


class _Extreme(sp.Function):
    """A Max or Min of several arguments, which SymPy differentiates pair by pair."""

    kind: type

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the share of one argument: all that are extreme have equal ones."""
        # Compared as they are computed: a difference could be the rounding of one.
        extreme = self.kind(*self.args, evaluate=False)
        compare = sp.Ge if self.kind is sp.Max else sp.Le
        reached = [
            sp.Piecewise((1, compare(a, extreme, evaluate=False)), (0, True))
            for a in self.args
        ]
        return reached[argindex - 1] / sp.Add(*reached)


class _Largest(_Extreme):
    kind = sp.Max


class _Smallest(_Extreme):
    kind = sp.Min


class _Power(sp.Function):
    """A power of what may be 0 with an exponent that isn't a number.

    SymPy's derivatives of x**y are x**y*y/x and x**y*log(x), neither a number at x = 0.
    """

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative by the base or by the exponent."""
        base, exponent = self.args
        if argindex == 1:
            return exponent * base ** (exponent - 1)
        not_0 = sp.Piecewise((sp.S.One, sp.Eq(base, 0)), (base, True))
        return base**exponent * sp.log(not_0)


def _of_several(node: sp.Basic) -> bool:
    return isinstance(node, (sp.Max, sp.Min)) and len(node.args) > 2


def _at_0(node: sp.Basic) -> bool:
    return isinstance(node, sp.Pow) and not (
        node.exp.is_number or node.base.is_positive
    )


def _derivative(term: sp.Expr, variable: sp.Symbol) -> sp.Expr:
    if any(_of_several(node) for node in term.atoms(sp.Max, sp.Min)):
        term = term.replace(
            _of_several,
            lambda m: (_Largest if isinstance(m, sp.Max) else _Smallest)(*m.args),
        )
    if any(map(_at_0, term.atoms(sp.Pow))):
        term = term.replace(_at_0, lambda power: _Power(*power.args))
    derivative = _differentiated(term, variable)
    if derivative.has(_Extreme):
        derivative = derivative.replace(
            lambda node: isinstance(node, _Extreme),
            lambda node: node.kind(*node.args, evaluate=False),
        )
    if derivative.has(_Power):
        derivative = derivative.replace(_Power, sp.Pow)
    return derivative


def _differentiated(term: sp.Expr, variable: sp.Symbol) -> sp.Expr:
    try:
        # What diff comes down to for one symbol, without its preparations.
        derivative = term._eval_derivative(variable)
        if derivative is None:
            derivative = sp.diff(term, variable)
    except RecursionError:
        problem = "the formula is nested too deeply to differentiate"
        raise FormulaError(problem, text_of(term)) from None
    if derivative.has(sp.DiracDelta):
        derivative = derivative.replace(sp.DiracDelta, lambda *_: sp.S.Zero)
    if derivative.has(sp.Derivative, sp.Subs):
        jumps = term.atoms(sp.floor, sp.ceiling, sp.Mod)
        jumps = {jump for jump in jumps if variable in jump.free_symbols}
        inner = ", ".join(sorted(map(text_of, jumps))) or text_of(term)
        problem = f"{inner} has no derivative by {variable.name} that a descent can use"
        raise FormulaError(f"{problem}, in", text_of(term))
    if derivative.has(sp.I, sp.zoo, sp.nan, sp.oo, -sp.oo):
        problem = f"the derivative by {variable.name} is not real and finite, of"
        raise FormulaError(problem, text_of(term))
    return derivative
