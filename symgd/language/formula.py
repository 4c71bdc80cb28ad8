"""From text, or a SymPy expression, to a checked SymPy expression, and back to text.

This is the door to the formula language: ``reading`` reads text,
``checking`` checks what is SymPy already, ``printing`` prints; ``nodes`` has what
formulas are made of.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import TypeAlias

import sympy as sp

from symgd.errors import FormulaError
from symgd.language.checking import as_float, checked
from symgd.language.functions import FUNCTIONS, Function
from symgd.language.matrices import without_matrices
from symgd.language.nodes import (
    MAX_BITS,
    MAX_DEPTH,
    MAX_NODES,
    Product,
    Sum,
    array,
    names_in,
    natural_order,
    symbol,
)
from symgd.language.notation.extents import Measured
from symgd.language.notation.indexed_form import Shapes
from symgd.language.printing import text_of
from symgd.language.reading import MAX_LENGTH, Reader

__all__ = [
    "MAX_BITS",
    "MAX_DEPTH",
    "MAX_LENGTH",
    "MAX_NODES",
    "Formula",
    "Measured",
    "Product",
    "Shapes",
    "Sum",
    "array",
    "constant",
    "names_in",
    "natural_order",
    "read",
    "symbol",
    "text_of",
]

Formula: TypeAlias = str | sp.Basic | int | float


def read(
    formula: Formula,
    names: Mapping[str, sp.Expr] | None = None,
    closed: bool = False,
    functions: Mapping[str, Function] = FUNCTIONS,
    *,
    arrays: bool = False,
    shapes: Shapes | None = None,
) -> sp.Expr:
    """Return the SymPy expression of a formula.

    Parameters
    ----------
    formula : str, SymPy expression or number
        The formula; see ``docs/reference/formulas.md`` for the language.
    names : mapping of str to SymPy expression, optional
        What names stand for; they hide the constants pi and E.
    closed : bool
        Whether any other name is an error, rather than a new variable.
    functions : mapping of str to Function, optional
        Those that text may call.
    arrays : bool
        Whether sums, products and indexed names may occur. In text,
        ``sum(x[i]**2 for i in range(n))`` or ``Sum(x[i]**2, (i, 0, n - 1))``; they
        become nodes :class:`Sum` and :class:`Product` with accesses to
        :func:`array`. Those without names become numbers. Whole arrays become sums
        with indices: ``norm(A @ x - b)**2``.
    shapes : Shapes, optional
        What is known of the names in text: which are arrays, and how long they are.

    Raises
    ------
    FormulaError
        If the formula is not one, with the place and, where one can be guessed, what
        to write instead.

    Examples
    --------
    >>> read("(1 - x)**2 + 100*(y - x**2)**2")
    (1 - x)**2 + 100*(-x**2 + y)**2
    >>> read("x if x > 0 else -x/2")
    Piecewise((x, x > 0), (-x/2, True))
    >>> read("sum((x[i + 1] - x[i])**2 for i in range(n - 1))", arrays=True)
    Sum((x[i + 1] - x[i])**2, (i, 0, n - 2))
    """
    if isinstance(formula, str):
        reader = Reader(formula, names or {}, closed, functions, arrays, shapes)
        return reader.expression()
    if isinstance(formula, numbers.Real) and not isinstance(formula, (bool, sp.Basic)):
        exact = isinstance(formula, numbers.Rational)
        formula = sp.Rational(formula) if exact else sp.Float(float(formula))
    formula = without_matrices(formula)
    if isinstance(formula, sp.Basic):
        return checked(formula, names or {}, closed, arrays)
    raise FormulaError(
        f"a formula is text or a SymPy expression, not {type(formula).__name__}"
    )


def without_arrays(
    text: str, names: Mapping[str, sp.Expr], shapes: Shapes
) -> tuple[sp.Expr, Measured] | None:
    """Return the expression of a text with whole arrays, and how long these are.

    None if the text has none.

    Examples
    --------
    >>> expression, measured = without_arrays("norm(x)**2 + x[-1]", {}, Shapes())
    >>> expression, measured.lengths
    (x[n - 1] + Sum(x[i]**2, (i, 0, n - 1)), (('x', 0, n),))
    >>> without_arrays("sum(x[i]**2 for i in range(n))", {}, Shapes())
    """
    reader = Reader(text, names, False, FUNCTIONS, True, shapes)
    expression = reader.expression()
    return (expression, reader.measured) if reader.has_whole_arrays else None


def constant(formula: Formula, what: str) -> float:
    """Return the float64 value of a formula without variables, such as ``pi/2``."""
    expression = read(formula, closed=True)
    number = as_float(expression)
    if not math.isfinite(number):
        raise FormulaError(f"{what} must be a finite number", str(formula))
    return number
