"""Between what a formula's values are, as far as the numbers that are given tell.

Interval arithmetic, of signs above all: what it can't tell is between -inf and inf.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import sympy as sp

from symgd.language.functions import real_abs
from symgd.language.nodes import Maximum, kept
from symgd.language.signs import is_nonnegative, is_positive

Interval: TypeAlias = tuple[float, float]
EVERYTHING = (-math.inf, math.inf)
RISING = {sp.exp: math.exp, sp.tanh: math.tanh, sp.atan: math.atan}
LARGEST = 700.0  # of which exp is finite


def span_of(node: Any, known: Mapping[str, Interval]) -> Interval:
    """Return the least and the largest value of a formula.

    Parameters
    ----------
    node : SymPy expression
    known : mapping of str to pair
        Between what names are, and the elements of arrays.

    Examples
    --------
    >>> a, x = sp.symbols("a x", real=True)
    >>> span_of(a * abs(x), {"a": (2.0, 3.0)})
    (0.0, inf)
    """
    if node.is_number:
        value = float(node) if node.is_real else math.nan
        return EVERYTHING if math.isnan(value) else (value, value)
    if isinstance(node, sp.Symbol):
        return known.get(node.name, EVERYTHING)
    if isinstance(node, sp.Indexed):
        return known.get(node.base.name, EVERYTHING)
    low, high = _inside(node, known)
    if low < 0.0 and is_nonnegative(node):
        low = 0.0
    return low, high


def among(
    limits: Iterable[Sequence[Any]], known: Mapping[str, Interval]
) -> Mapping[str, Interval]:
    """Return what is known where there are indices, too: the outermost is the last.

    Parameters
    ----------
    limits : iterable of (index, first, last)
    known : mapping of str to pair

    Examples
    --------
    >>> i, n = sp.symbols("i n", integer=True)
    >>> among([(i, 1, n - 1)], {"n": (5.0, 5.0)})["i"]
    (1.0, 4.0)
    """
    known = dict(known)
    for index, first, last in reversed(tuple(limits)):
        ends = span_of(sp.sympify(first), known)[0], span_of(sp.sympify(last), known)[1]
        known[index.name] = ends
    return known


def _inside(node: Any, known: Mapping[str, Interval]) -> Interval:
    if isinstance(node, (sp.Sum, Maximum)):
        known = among(node.limits, known)
    spans = [span_of(each, known) for each in node.args if isinstance(each, sp.Expr)]
    if isinstance(node, sp.Add):
        return sum(low for low, _ in spans), sum(high for _, high in spans)
    if isinstance(node, sp.Mul):
        product = (1.0, 1.0)
        for span in spans:
            product = _times(product, span)
        return product
    if isinstance(node, (sp.Max, sp.Min)):
        best = max if isinstance(node, sp.Max) else min
        return best(low for low, _ in spans), best(high for _, high in spans)
    if isinstance(node, (sp.Abs, real_abs)):
        low, high = spans[0]
        least = 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))
        return least, max(abs(low), abs(high))
    if isinstance(node, kept):
        return spans[0]
    if isinstance(node, Maximum):
        return span_of(node.function, known)
    if isinstance(node, sp.Sum):
        low, high = span_of(node.function, known)
        return (0.0 if low >= 0.0 else -math.inf), (0.0 if high <= 0.0 else math.inf)
    if isinstance(node, sp.Pow):
        return _power(spans[0], node.exp)
    if type(node) in RISING:
        function = RISING[type(node)]
        return function(min(spans[0][0], LARGEST)), (
            math.inf if spans[0][1] > LARGEST else function(spans[0][1])
        )
    return (0.0 if is_positive(node) else -math.inf), math.inf


def _times(one: Interval, other: Interval) -> Interval:
    products = [a * b if a and b else 0.0 for a in one for b in other]
    return min(products), max(products)


def _power(base: Interval, exponent: Any) -> Interval:
    low, high = base
    if not exponent.is_Rational:
        return (0.0 if low >= 0.0 else -math.inf), math.inf
    if low > 0.0 and exponent.is_negative:
        return 0.0, math.inf
    if exponent.is_negative:
        return (0.0 if low >= 0.0 or exponent.is_even else -math.inf), math.inf
    if exponent.is_even:
        return 0.0, math.inf
    if low >= 0.0:
        return (low if exponent.is_integer and low >= 1.0 else 0.0), math.inf
    return -math.inf, 0.0 if high <= 0.0 and exponent.is_integer else math.inf
