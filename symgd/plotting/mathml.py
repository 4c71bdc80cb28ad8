"""Formulas as MathML, which browsers show without a script."""

from __future__ import annotations

from html import escape
from typing import Any

import sympy as sp
from latex2mathml.converter import convert

from symgd.errors import shortened
from symgd.language.formula import text_of

LONGEST = 600  # letters of LaTeX, beyond which a formula is shown as text


def mathml_of(
    expression: sp.Basic, name: str = "", display: bool = False, sign: str = "="
) -> str:
    """Return an expression as mathematics; a long one as text.

    Parameters
    ----------
    expression : SymPy expression
    name : str
        LaTeX of what it is equal to.
    display : bool
        Whether it stands on a line of its own.
    sign : str
        What stands between, ``"="`` or ``"<-"``.

    Examples
    --------
    >>> x = sp.Symbol("x")
    >>> "<msup>" in mathml_of(x**2), "<script" in mathml_of(sp.Symbol("</script>"))
    (True, False)
    """
    latex = _latex(expression)
    between = {"=": "=", "<-": r"\leftarrow"}[sign]
    left = f"{name} {between} " if name else ""
    if len(latex) > LONGEST:
        return f"<code>{escape(shortened(text_of(expression), LONGEST))}</code>"
    try:
        return convert(left + latex, display="block" if display else "inline")
    except Exception:  # of a name that is no LaTeX
        return f"<code>{escape(text_of(expression))}</code>"


def latex_of(name: str) -> str:
    r"""Return LaTeX of a name; of several letters it is upright.

    >>> latex_of("alpha"), latex_of("x_1"), latex_of("step_size")
    ('\\alpha', 'x_{1}', '\\mathrm{step\\_size}')
    """
    plain = sp.latex(sp.Symbol(name))
    parts = name.split("_")
    words = all(len(part) > 1 and part.isalpha() for part in parts)
    if words and (len(parts) > 1 or plain == name):
        return rf"\mathrm{{{name}}}".replace("_", r"\_")
    return plain


def _latex(expression: sp.Basic) -> str:
    names: dict[Any, str] = {s: latex_of(s.name) for s in expression.atoms(sp.Symbol)}
    return sp.latex(expression, symbol_names=names)
