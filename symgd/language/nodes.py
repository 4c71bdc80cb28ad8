"""What formulas are made of: names, arrays, sums, and how large they may be.

The nodes of the expression tree, and the natural sort order of names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import sympy as sp

from symgd.language.functions import NODES

MAX_NODES = 50_000
MAX_DEPTH = 100
MAX_BITS = 10_000  # of one exact power of numbers; all constants together: 20 times

CONDITIONS = (
    sp.And,
    sp.Or,
    sp.Not,
    sp.ITE,
    sp.core.relational.Relational,
    sp.logic.boolalg.BooleanTrue,
    sp.logic.boolalg.BooleanFalse,
)
EXPRESSIONS = (sp.Add, sp.Mul, sp.Pow, sp.Piecewise, *NODES)
NOT_REAL = (sp.I, sp.zoo, sp.oo, -sp.oo, sp.nan)
SYMPY_FAILURES = (
    *(ArithmeticError, AttributeError, NotImplementedError, TypeError, ValueError),
)


class _Repeated:
    """A sum or product as it is written.

    SymPy's constructors pull conditions out of the body: at exponential cost, and even
    out of a sum inside it, where the index of that sum is lost. And SymPy takes a sum
    without free symbols for a number, which it would compute by approximations.
    """

    __slots__ = ()
    is_number = False
    empty: sp.Expr
    function: sp.Expr
    limits: tuple[sp.Tuple, ...]

    def __new__(cls, body: Any, *limits: Any, **assumptions: Any) -> Any:
        if isinstance(body, cls):
            body, limits = body.function, (*body.limits, *limits)
        tuples = (sp.Tuple(*limit) for limit in limits)
        node = sp.Expr.__new__(cls, sp.sympify(body), *tuples, **assumptions)
        node.is_commutative = True
        return node


class Sum(_Repeated, sp.Sum):
    """SymPy's sum, of a body that stays as it is; without terms it is 0."""

    __slots__ = ()
    empty = sp.S.Zero


class Product(_Repeated, sp.Product):
    """SymPy's product, of a body that stays as it is; without factors it is 1."""

    __slots__ = ()
    empty = sp.S.One


def symbol(name: str) -> sp.Symbol:
    """Return the symbol that stands for a name in every formula: a real one."""
    return sp.Symbol(name, real=True)


def array(name: str) -> sp.IndexedBase:
    """Return what stands for an indexed name in every formula.

    >>> array("x")[symbol("i") + 1]
    x[i + 1]
    """
    return sp.IndexedBase(symbol(name))


def natural_order(names: Iterable[str]) -> list[str]:
    """Sort names as people do: x2 before x10.

    >>> natural_order(["x10", "y", "x2"])
    ['x2', 'x10', 'y']
    """

    def key(name: str) -> list[tuple[int, int, str]]:
        parts = re.split(r"(\d+)", name)
        return [(0, int(p), p) if p.isdecimal() else (1, 0, p) for p in parts if p]

    return sorted(names, key=key)


def names_in(expression: sp.Basic) -> tuple[set[str], dict[str, int]]:
    """Return the plain names in an expression, and its arrays.

    Parameters
    ----------
    expression : SymPy expression
        What :func:`symgd.language.formula.read` returned, or was derived from it.

    Returns
    -------
    plain : set of str
        Names without an index: those of sizes count, those of the sums' indices don't.
    arrays : dict of str to int
        Indexed names, and how many indices they have.

    Examples
    --------
    >>> i, n = symbol("i"), symbol("n")
    >>> names_in(Sum(array("x")[i] ** 2, (i, 0, n - 1)))
    ({'n'}, {'x': 1})
    """
    plain: set[str] = set()
    arrays: dict[str, int] = {}
    seen = set()

    def walk(node: sp.Basic, indices: frozenset[sp.Symbol]) -> None:
        if (node, indices) in seen:
            return
        seen.add((node, indices))
        if isinstance(node, sp.Symbol):
            if node not in indices:
                plain.add(node.name)
            return
        inner = node.args
        if isinstance(node, sp.Indexed):
            arrays[node.base.name] = len(node.indices)
            inner = node.indices
        elif isinstance(node, (sp.Sum, sp.Product)):
            for index, *bounds in reversed(node.limits):
                for bound in bounds:
                    walk(bound, indices)
                indices |= {index}
            inner = (node.function,)
        for argument in inner:
            walk(argument, indices)

    walk(expression, frozenset())
    return plain, arrays
