"""Functions that have names for the sake of their derivatives, not in formulas.

SymPy would take numbers out of ``expm1(x + 0.5)``; of what is kept it doesn't.
"""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.codegen.cfunctions import expm1, log1p
from sympy.printing.precedence import PRECEDENCE

from symgd.language.as_written import both, choice, either
from symgd.language.functions import exp_less, real_abs
from symgd.language.nodes import kept


class Composed(sp.Function):
    """A function that has a name for the sake of its derivative only.

    Code has what ``composed`` returns.
    """

    is_extended_real = True

    def composed(self) -> sp.Expr:
        """Return the same by other functions."""
        raise NotImplementedError

    def _eval_evalf(self, prec: int) -> sp.Expr:
        return self.composed()._eval_evalf(prec)

    def _sympystr(self, printer: Any) -> str:
        return f"({printer._print(self.composed())})"


class _Shown(Composed):
    """A product that has a limit where others have none; that isn't shown."""

    precedence = PRECEDENCE["Mul"]

    def shown(self) -> sp.Expr:
        """Return the product as it would be written."""
        raise NotImplementedError

    def _sympystr(self, printer: Any) -> str:
        return str(printer._print(self.shown()))

    def _latex(self, printer: Any) -> str:
        return str(printer._print(self.shown()))


def written_out(expression: sp.Expr) -> sp.Expr:
    """Return the same without functions that formulas have no name for.

    >>> x = sp.Symbol("x", real=True)
    >>> written_out(2 * times_log(x, x**2))
    2*x*log(x**2)
    """
    return expression.replace(
        lambda node: isinstance(node, Composed),
        lambda node: node.shown() if isinstance(node, _Shown) else node.composed(),
    )


class log_abs(Composed):
    """log(abs(x)), whose derivative is 1/x."""

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative."""
        return 1 / self.args[0]

    def composed(self) -> sp.Expr:
        """Return the same by other functions."""
        return sp.log(real_abs(self.args[0]))


class log_less(Composed):
    """log(1 - exp(x)) for x < 0, without cancellation."""

    is_nonpositive = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative."""
        return -by_expm1(-self.args[0])

    def composed(self) -> sp.Expr:
        """Return the same by other functions."""
        (x,) = self.args
        near = sp.Gt(x, sp.Float(-0.7), evaluate=False)
        far = log1p(-exp_less(x, sp.S.Zero))
        return choice((sp.log(-expm1(kept(x))), near), (far, True))

    def _sympystr(self, printer: Any) -> str:
        return f"log(1 - exp({printer._print(self.args[0])}))"


class log_power(Composed):
    """log(abs(x)**y), which is y*log(abs(x)), and 0 where y is 0, whatever x is."""

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative."""
        x, y = self.args
        if argindex == 2:
            return log_abs(x)
        return choice((sp.S.Zero, sp.Eq(y, 0, evaluate=False)), (y / x, sp.true))

    def composed(self) -> sp.Expr:
        """Return the same by other functions."""
        x, y = self.args
        none = sp.Eq(y, 0, evaluate=False)
        return choice((sp.S.Zero, none), (y * log_abs(x), sp.true))

    def _sympystr(self, printer: Any) -> str:
        x, y = map(printer._print, self.args)
        return f"log(Abs({x})**({y}))"


class times_log(_Shown):
    """x*log(y), and 0 where x is 0 and y is 0, or a factor of it.

    As in a likelihood of counts, of which some are 0, and in a divergence.
    """

    @property
    def logarithm(self) -> sp.Expr:
        """The logarithm alone."""
        return sp.log(self.args[1])

    @property
    def factors(self) -> list[tuple[sp.Expr, sp.Expr]]:
        """The factors that the logarithm is of, with their exponents."""
        powers = [f.as_base_exp() for f in sp.Mul.make_args(self.args[1])]
        simple = all(exponent.is_number for _, exponent in powers)
        varying = [(b, e) for b, e in powers if not b.is_number]
        return varying if simple else [(self.args[1], sp.S.One)]

    def shown(self) -> sp.Expr:
        """Return the product as it would be written."""
        return self.args[0] * self.logarithm

    def composed(self) -> sp.Expr:
        """Return the same by other functions."""
        x = self.args[0]
        none = [sp.Eq(base, 0, evaluate=False) for base, _ in self.factors]
        where = both(sp.Eq(x, 0, evaluate=False), either(*none))
        return choice((sp.S.Zero, where), (x * self.logarithm, sp.true))


class times_log1p(times_log):
    """x*log(1 + y), and 0 where x and 1 + y are 0."""

    @property
    def logarithm(self) -> sp.Expr:
        """The logarithm alone."""
        return log1p(self.args[1])

    @property
    def factors(self) -> list[tuple[sp.Expr, sp.Expr]]:
        """What the logarithm is of, with its exponent."""
        return [(sp.S.One + self.args[1], sp.S.One)]


class divided(_Shown):
    """x/y, and 0 where both are 0: the derivative of ``times_log``."""

    def shown(self) -> sp.Expr:
        """Return the quotient as it would be written."""
        return self.args[0] / self.args[1]

    def composed(self) -> sp.Expr:
        """Return the same by other functions."""
        x, y = self.args
        where = both(*(sp.Eq(each, 0, evaluate=False) for each in self.args))
        return choice((sp.S.Zero, where), (x / y, sp.true))


class by_expm1(Composed):
    """1/(exp(x) - 1), whose derivative doesn't overflow."""

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative."""
        (x,) = self.args
        return by_expm1(x) * by_expm1(-x)

    def composed(self) -> sp.Expr:
        """Return the same by other functions."""
        return 1 / expm1(kept(self.args[0]))
