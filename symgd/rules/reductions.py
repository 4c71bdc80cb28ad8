"""Reductions over coordinates, ``dot(a, b)``, ``norm(a)`` and ``mean(a)``, in rules.

A rule's equations are for one coordinate; a reduction is the same number for all. Those
that begin with ``array_`` are over the array which the coordinate is in: layer-wise, as
papers on neural networks call it.
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


class array_dot(dot):
    """The sum of products over the coordinates of an array."""

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return _to_power(_of_array(super()._latex(printer)), exp)


class array_norm(norm):
    """The square root of the sum of squares over the coordinates of an array."""

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return _to_power(_of_array(super()._latex(printer)), exp)


class array_mean(mean):
    """The sum over the coordinates of an array, divided by their number."""

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return _to_power(_of_array(super()._latex(printer)), exp)


def _of_array(base: str) -> str:
    return rf"{base}_{{\mathrm{{array}}}}"


def _to_power(base: str, exponent: str | None) -> str:
    return base if exponent is None else f"{base}^{{{exponent}}}"


OF_ARRAYS = (array_dot, array_norm, array_mean)
KINDS = (dot, norm, mean, *OF_ARRAYS)


def _row(kind: type[sp.Function], count: int) -> Function:
    """Return a row of a table; a constant is never reduced: see Rule."""
    name = kind.__name__
    return Function(name, kind, lambda *_: math.nan, (count, count), node=kind)


TABLE = {kind.__name__: _row(kind, 2 if issubclass(kind, dot) else 1) for kind in KINDS}
