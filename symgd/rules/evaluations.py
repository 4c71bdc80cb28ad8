"""What a rule asks for beside ``f`` and ``g``: both elsewhere, and second derivatives.

A rule's equations are for one coordinate; the point of ``f(point)`` and ``g(point)``,
or the vector of ``hvp(vector)``, is made of all of them.
"""

from __future__ import annotations

import math
from typing import Any

import sympy as sp

from symgd.language.functions import Function


class _AtPoint(sp.Function):
    """What is the objective's at a point."""

    nargs = 1
    is_extended_real = True

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        inner = printer._print(self.args[0])
        power = "" if exp is None else f"^{{{exp}}}"
        return rf"{type(self).__name__}{power}\left({inner}\right)"


class f(_AtPoint):
    """The value at a point, the same for all coordinates."""


class g(_AtPoint):
    """The gradient's coordinate at a point."""


class hvp(sp.Function):
    """The coordinate of the product of the Hessian, where g is, with a vector."""

    nargs = 1
    is_extended_real = True

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        inner = printer._print(self.args[0])
        product = rf"\left(H \cdot \left({inner}\right)\right)"
        return product if exp is None else f"{product}^{{{exp}}}"


KINDS = (f, g, hvp)
TABLE = {
    kind.__name__: Function(
        kind.__name__,
        kind,
        lambda *_: math.nan,  # of all coordinates alike: see Rule
        (1, 1),
        node=kind,
    )
    for kind in KINDS
}
