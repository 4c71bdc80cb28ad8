"""Reductions over coordinates, ``dot(a, b)``, ``norm(a)`` and ``mean(a)``, in rules.

A rule's equations are for one coordinate; a reduction is the same number for all.
"""

from __future__ import annotations

import math
from typing import Any

import sympy as sp

from symgd.language.functions import Function


class dot(sp.Function):
    """The sum over coordinates of the products a*b."""

    nargs = 2
    is_extended_real = True

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        first, second = map(printer._print, self.args)
        return _to_power(rf"\left\langle {first}, {second}\right\rangle", exp)


class norm(sp.Function):
    """The square root of the sum of squares."""

    nargs = 1
    is_extended_real = True
    is_nonnegative = True

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        inner = printer._print(self.args[0])
        return _to_power(rf"\left\lVert {inner}\right\rVert", exp)


class mean(sp.Function):
    """The sum over coordinates, divided by their number."""

    nargs = 1
    is_extended_real = True

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        inner = printer._print(self.args[0])
        return _to_power(rf"\operatorname{{mean}}\left({inner}\right)", exp)


def _to_power(base: str, exponent: str | None) -> str:
    return base if exponent is None else f"{base}^{{{exponent}}}"


KINDS = (dot, norm, mean)
TABLE = {
    kind.__name__: Function(
        kind.__name__,
        kind,
        lambda *_: math.nan,  # a constant is never reduced: see Rule
        (count, count),
        node=kind,
    )
    for kind, count in ((dot, 2), (norm, 1), (mean, 1))
}
