"""Formulas as the titles of pictures: mathematics where matplotlib can show it."""

from __future__ import annotations

import re

import sympy as sp
from matplotlib.mathtext import MathTextParser

from symgd.errors import shortened
from symgd.language.formula import text_of


def title_of(expression: sp.Expr, width: int = 56) -> str:
    r"""Return a formula as matplotlib's mathematics, or as text if that can't be.

    >>> x = sp.Symbol("x", real=True)
    >>> title_of(sp.sqrt(x) / 2)
    '$\\frac{\\sqrt{x}}{2}$'
    """
    text = text_of(expression)
    if len(text) <= width:
        names = {
            s: rf"\mathrm{{{s.name}}}"
            for s in expression.atoms(sp.Symbol)
            if len(s.name) > 1 and s.name.isalpha() and sp.latex(s) == s.name
        }
        latex = sp.latex(expression, mul_symbol="dot", symbol_names=names)
        title = "$" + re.sub(r"\\cdot(?! 10\^)", r"\\,", latex) + "$"
        if _is_shown(title):
            return title
    return shortened(text, width)


def _is_shown(title: str) -> bool:
    try:
        MathTextParser("path").parse(title)
    except ValueError:
        return False
    return True
