"""Evaluations at other points than the iterate, ``g(point)``, in rules.

A rule's equations are for one coordinate; the point is made of all of them.
"""

from __future__ import annotations

import math
from typing import Any

import sympy as sp

from symgd.language.functions import Function


class g(sp.Function):
    """The gradient's coordinate at a point."""

    nargs = 1
    is_extended_real = True

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        inner = printer._print(self.args[0])
        power = "" if exp is None else f"^{{{exp}}}"
        return rf"g{power}\left({inner}\right)"


KINDS = (g,)
TABLE = {
    kind.__name__: Function(
        kind.__name__,
        kind,
        lambda *_: math.nan,  # a constant is no point: see Rule
        (1, 1),
        node=kind,
    )
    for kind in KINDS
}
