"""Formulas with as many digits as wanted: sums are written out, SymPy evaluates.

It shares nothing with symgd's derivatives and loops but the reader of formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import sympy as sp

from symgd.errors import InputError
from symgd.language.formula import symbol
from symgd.language.nodes import FACTORED, REPEATED, Maximum, Product, Sum
from symgd.objectives.objective import Objective

DIGITS = 50
TERMS = {Sum: sp.Add, Product: sp.Mul, Maximum: sp.Max}


def exact_number(number: Any) -> sp.Expr:
    """Return an entry of data, or a coordinate, at its exact value."""
    if isinstance(number, (bool, np.bool_, int, np.integer)):
        return sp.Integer(int(number))
    return sp.Float(float(number), DIGITS)


def written_out(
    expression: sp.Expr,
    numbers: Mapping[sp.Symbol, sp.Expr],
    data: Mapping[str, np.ndarray],
    scalars: Callable[[str, tuple[int, ...]], sp.Symbol],
) -> sp.Expr:
    """Return an expression without sums and indices.

    Parameters
    ----------
    expression : SymPy expression
    numbers : dict of symbol to number
        Sizes, parameters and, in the recursion, indices.
    data : dict of str to ndarray
    scalars : callable
        Returns the symbol of an element of a variable.
    """

    def out(node: Any, known: Mapping[Any, Any]) -> Any:
        if node in known:
            return known[node]
        if isinstance(node, FACTORED):
            raise InputError("a matrix of more than 4 rows is not written out here")
        if isinstance(node, REPEATED):
            terms = [out(node.function, each) for each in places(node.limits, known)]
            return TERMS[node.func](*terms)
        if isinstance(node, sp.Indexed):
            name = str(node.base.label)
            indices = tuple(int(out(index, known)) for index in node.indices)
            assert min(indices) >= 0, node
            if name in data:
                return exact_number(data[name][indices])
            return scalars(name, indices)
        if isinstance(node, sp.Piecewise):
            return piecewise(node, known)
        if not node.args:
            return node
        return node.func(*(out(part, known) for part in node.args))

    def places(limits: Any, known: Mapping[Any, Any]) -> list[Any]:
        if not limits:
            return [known]
        *inner, (index, low, high) = limits  # the last one is the outermost
        ends = int(out(low, known)), int(out(high, known))
        return [
            each
            for place in range(ends[0], ends[1] + 1)
            for each in places(inner, {**known, index: sp.Integer(place)})
        ]

    def piecewise(node: Any, known: Mapping[Any, Any]) -> Any:
        pairs: list[Any] = []
        for value, condition in node.args:
            holds = out(condition, known)
            if holds == sp.false:
                continue
            pairs.append((out(value, known), holds))
            if holds == sp.true:
                break
        return pairs[0][0] if pairs[0][1] == sp.true else sp.Piecewise(*pairs)

    return out(expression, dict(numbers))


class HighPrecision:
    """Value and slopes of an objective with 50 digits, without any derivative.

    Attributes
    ----------
    symbols : list
        Of the coordinates, in their order.
    expression : SymPy expression
        The formula without sums, indices and parameters.

    Examples
    --------
    >>> chain = Objective("sum((x[i + 1] - x[i])**2 for i in range(n - 1))")
    >>> exactly = HighPrecision(chain.sized([0, 0, 0]))
    >>> exactly.expression
    (-x[0] + x[1])**2 + (-x[1] + x[2])**2
    >>> float(exactly.value([1, 3, 6])), float(exactly.slopes([1, 3, 6], 0)[0])
    (13.0, -4.0)
    """

    def __init__(self, objective: Objective) -> None:
        self.symbols = [sp.Symbol(name, real=True) for name in objective.space]
        constants = objective.parameters.items()
        numbers = {symbol(k): exact_number(v) for k, v in constants}
        arrays, data = objective.arrays, {}
        if arrays is None:
            own = zip(objective.variables, self.symbols, strict=True)
            numbers |= {symbol(name): each for name, each in own}
        else:
            data = arrays.data
            numbers |= {symbol(k): sp.Integer(v) for k, v in arrays.sizes.items()}
            ranks = zip(arrays.variables, arrays.ranks.values(), strict=True)
            plain = [name for name, shape in ranks if not shape]
            numbers |= {symbol(name): sp.Symbol(name, real=True) for name in plain}
        known = set(self.symbols)

        def element(name: str, indices: tuple[int, ...]) -> sp.Symbol:
            found = sp.Symbol(f"{name}[{', '.join(map(str, indices))}]", real=True)
            assert found in known, found
            return found

        self.expression = written_out(objective.expression, numbers, data, element)

    def value(self, point: Any) -> sp.Expr:
        """Return the value at a point of floats, or of numbers with more digits."""
        exact = (p if isinstance(p, sp.Expr) else exact_number(p) for p in point)
        places = dict(zip(self.symbols, exact, strict=True))
        return sp.N(self.expression.xreplace(places), DIGITS)

    def slopes(self, point: Any, k: int) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
        """Return the slope along coordinate k: central, forward and backward.

        They are differences over so small a step that some 30 digits are right; where
        the last two differ, there is a kink or a jump.
        """
        exact = [exact_number(each) for each in np.ravel(point)]
        step = sp.Float(10, DIGITS) ** (-DIGITS // 3) * max(1, abs(exact[k]))
        ends = [[*exact], [*exact]]
        ends[0][k], ends[1][k] = exact[k] + step, exact[k] - step
        above, here, below = (self.value(each) for each in (ends[0], exact, ends[1]))
        forward, backward = (above - here) / step, (here - below) / step
        return (above - below) / (2 * step), forward, backward
