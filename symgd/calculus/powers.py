"""Powers beyond float64 in quotients, roots and logarithms of sums.

``x**z/(y**z + x**z)`` is a plain number where its powers overflow, or all vanish. There
they are taken for exponentials of ``z*log(x)``; elsewhere the formula stays as it is,
with all its digits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sympy as sp

from symgd.calculus.growth import Growth, may_be_far
from symgd.language.as_written import both, choice, either
from symgd.language.signs import is_nonnegative

LARGE, SMALL = sp.Float(1e75), sp.Float(1e-75)  # their fourth powers are in float64


class Powers:
    """What stands for one expression where its powers are far from 1.

    ``inner`` rewrites what is inside of them.
    """

    def __init__(self, inner: Callable[[Any], Any]) -> None:
        self.inner = inner
        self.bases: dict[sp.Expr, bool] = {}
        self.growth = Growth(inner, False, self.bases)

    def chosen(
        self, far: sp.Expr | None, plain: sp.Expr, sums: Sequence[sp.Expr]
    ) -> sp.Expr | None:
        """Return one form where one of some sums is far from 1, the other elsewhere."""
        if far is None or not self.bases:
            return None
        is_far = either(*(side for total in sums for side in self._sides(total)))
        real = (
            sp.Ge(base, 0, evaluate=False)
            for base, either_sign in self.bases.items()
            if not (either_sign or is_nonnegative(base))
        )
        return choice((far, both(*real, is_far)), (plain, True))

    def _sides(self, total: sp.Expr) -> list[sp.Expr]:
        value, number = self.inner(total), total.as_coeff_Add()[0]
        sides = [sp.Gt(value, LARGE, evaluate=False)]
        if not number.is_positive:
            sides.append(sp.Lt(value, SMALL, evaluate=False))
        return sides


def has_powers(total: sp.Expr) -> bool:
    """Return whether a sum has a power of a varying base that may be far from 1."""
    return isinstance(total, sp.Add) and any(
        may_be_far(part) for term in total.args for part in sp.Mul.make_args(term)
    )
