"""Straight-line Python functions, made from expressions by ``sympy.lambdify``."""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import sympy as sp

from symgd.arithmetic import elementary as vectormath
from symgd.arithmetic import primitives
from symgd.arithmetic import special as numeric
from symgd.language.functions import NODES
from symgd.lowering.code_printer import NumericPrinter, Style
from symgd.lowering.sharing import prepared, share

HELPERS = {
    row.name: getattr(vectormath, row.name, getattr(numeric, row.name, row.numeric))
    for row in NODES.values()
} | {
    "power": vectormath.power,
    "sqrt": primitives.square_root,
    "fma": primitives.fma,
    "choose": primitives.choose,
}


def lower(
    name: str,
    arguments: Sequence[str],
    outputs: Sequence[sp.Expr],
    places: Mapping[sp.Symbol, str],
    late: Iterable[sp.Symbol] = (),
    style: Style = Style.PYTHON,
) -> types.FunctionType:
    """Return a plain Python function that computes a tuple of expressions.

    Parameters
    ----------
    name : str
        The function's name.
    arguments : sequence of str
        Its arguments' names.
    outputs : sequence of SymPy expressions
        What it returns, as a tuple of floats.
    places : mapping of symbol to str
        How each symbol is written in the code, for example ``x[0]``. A symbol that is
        not in it is an error: generated code has only names that symgd chose.
    late : iterable of symbols
        Symbols whose values arrive last: sums add the terms that hold them last.
    style : Style

    Raises
    ------
    FormulaError
        If an output can't be computed in float64 or is too large to compile.
    """
    # SymPy orders terms by name; numbered symbols make the code, and so the rounding,
    # independent of what the user called things.
    numbered = {
        s: sp.Symbol(f"s{place:05d}", real=True) for place, s in enumerate(places)
    }
    printer = NumericPrinter(
        {numbered[s]: place for s, place in places.items()},
        {numbered[s] for s in late},
        style,
    )

    last = {numbered[s] for s in late}

    def eliminate(expressions: Any) -> tuple[list[Any], Any]:
        shared, reduced = share(tuple(expressions), last)
        for target, expression in shared:
            printer.define(target, expression)
        return shared, tuple(reduced)

    function = sp.lambdify(
        list(arguments),
        prepared(outputs, numbered),
        modules=[{**HELPERS, "nan": math.nan}],
        printer=printer,
        use_imps=False,
        cse=eliminate,
    )
    function.__name__ = name
    return function


def source_of(function: Callable[..., Any]) -> str:
    """Return the source of a generated function."""
    source = inspect.getsource(function)
    return source.replace("_lambdifygenerated", function.__name__, 1)
