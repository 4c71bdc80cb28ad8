"""Special functions of real numbers that SymPy lacks, or has for complex ones.

Nodes of the expression tree; ``arithmetic.special`` computes them.
"""

from __future__ import annotations

from typing import Any

import sympy as sp


class xlogy(sp.Function):
    """The product x*log(y), which is 0 where x is 0."""

    is_extended_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative."""
        x, y = self.args
        return sp.log(y) if argindex == 1 else over(x, y)

    def _eval_evalf(self, prec: int) -> sp.Expr:
        x, y = (argument.evalf(prec) for argument in self.args)
        return sp.S.Zero if x.is_zero else x * sp.log(y)


class over(sp.Function):
    """The quotient x/y, which is 0 where both are 0."""

    is_extended_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative."""
        x, y = self.args
        return over(1, y) if argindex == 1 else -over(over(x, y), y)

    def _eval_evalf(self, prec: int) -> sp.Expr:
        x, y = (argument.evalf(prec) for argument in self.args)
        return sp.S.Zero if x.is_zero else x / y

    def _sympystr(self, printer: Any) -> str:
        x, y = map(printer._print, self.args)
        return f"({x})/({y})"


class logit(sp.Function):
    """The inverse of the logistic function, log(x/(1 - x))."""

    is_extended_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative."""
        (x,) = self.args
        return 1 / (x * (1 - x))

    def _eval_evalf(self, prec: int) -> sp.Expr:
        (x,) = self.args
        return (sp.log(x) - sp.log(1 - x))._eval_evalf(prec)


class lambertw(sp.Function):
    """Lambert's w with w*exp(w) = x, the principal branch: real from -1/e on."""

    is_extended_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative."""
        return sp.exp(-self) / (1 + self)

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return sp.LambertW(self.args[0])._eval_evalf(prec)
