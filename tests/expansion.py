"""Oracles for formulas with sums; they share nothing with the package but the reader.

``Exact`` writes sums out, by recursion; SymPy differentiates what comes out, and mpmath
evaluates it. ``forward`` goes through the formula with numbers and their slopes, which
is quick enough for hundreds of terms; it is itself tested against ``Exact``.
"""

import itertools

import numpy as np
import sympy as sp

from symgd.language.formula import symbol
from symgd.language.nodes import REPEATED, Maximum
from symgd.testing.high_precision import DIGITS, HighPrecision, exact_number


class Exact:
    """Value and gradient of an objective with arrays, by SymPy's derivatives.

    Examples
    --------
    >>> from symgd import Objective
    >>> chain = Objective("sum((x[i + 1] - x[i])**2 for i in range(n - 1))")
    >>> Exact(chain.sized([0, 0, 0]))([1, 3, 6])
    (13.0, array([-4., -2.,  6.]))
    """

    def __init__(self, objective):
        self.whole = HighPrecision(objective)
        symbols, expression = self.whole.symbols, self.whole.expression
        self._slopes = [sp.diff(expression, each) for each in symbols]

    def __call__(self, x):
        """Return the value, and the gradient as an array."""
        exact = map(exact_number, np.ravel(np.asarray(x, dtype=float)))
        point = dict(zip(self.whole.symbols, exact, strict=True))
        slopes = [sp.N(d.xreplace(point), DIGITS) for d in self._slopes]
        return float(self.whole.value(np.ravel(x))), np.array(slopes, dtype=float)


_SLOPES = {
    "sin": np.cos,
    "exp": np.exp,
    "log": lambda v: 1 / v,
    "Abs": np.sign,
    "real_abs": np.sign,
}
_VALUES = {"Abs": np.abs, "real_abs": np.abs}


def forward(objective, x):
    """Return value and gradient by forward differentiation, in long doubles."""
    arrays, real = objective.arrays, np.longdouble
    x = np.ravel(np.asarray(x, dtype=real))
    numbers = {symbol(k): int(v) for k, v in arrays.sizes.items()}
    numbers |= {symbol(k): real(v) for k, v in objective.parameters.items()}
    shapes = dict(zip(objective.space.names, objective.space.shapes, strict=True))
    starts = dict(zip(objective.space.names, objective.space.offsets, strict=True))
    flat = np.zeros(len(x), dtype=real)

    def coordinate(name, indices=()):
        place = starts[name]
        if indices:
            place += int(np.ravel_multi_index(indices, shapes[name]))
        slope = flat.copy()
        slope[place] = 1
        return x[place], slope

    def ends(limit, known):
        _, low, high = limit
        return range(int(at(low, known)[0]), int(at(high, known)[0]) + 1)

    def terms(node, limits, known):
        if not limits:
            yield at(node.function, known)
            return
        *inner, outer = limits
        for place in ends(outer, known):
            yield from terms(node, inner, {**known, outer[0]: place})

    def product(factors):
        value, slope = real(1), flat
        for number, own in factors:
            value, slope = value * number, slope * number + value * own
        return value, slope

    def at(node, known):
        if node in known:
            return known[node], flat
        if node.is_Symbol:
            return coordinate(node.name)
        if node.is_Number or node.is_NumberSymbol:
            return (int(node) if node.is_Integer else real(str(node.n(25)))), flat
        kind = type(node).__name__
        if isinstance(node, REPEATED):
            found = terms(node, node.limits, known)
            if isinstance(node, sp.Product):
                return product(found)
            if isinstance(node, Maximum):
                return max(found, key=lambda pair: pair[0])
            return _added(found, flat)
        if isinstance(node, sp.Indexed):
            name = str(node.base.label)
            indices = tuple(int(at(each, known)[0]) for each in node.indices)
            assert min(indices) >= 0, node
            if name not in arrays.data:
                return coordinate(name, indices)
            entry = arrays.data[name][indices]
            return (int(entry) if entry.dtype.kind in "iu" else real(entry)), flat
        if isinstance(node, sp.Piecewise):
            pairs = (value for value, condition in node.args if holds(condition, known))
            return at(next(pairs), known)
        parts = [at(part, known) for part in node.args]
        if node.is_Add:
            return _added(parts, flat)
        if node.is_Mul:
            return product(parts)
        if node.is_Pow:
            (base, slope), (power, none) = parts
            assert not none.any()
            if power == -1:
                return 1 / real(base), -slope / real(base) ** 2
            return base**power, slope * power * base ** (power - 1)
        if isinstance(node, sp.Max):
            return max(parts, key=lambda pair: pair[0])
        if isinstance(node, sp.Min):
            return min(parts, key=lambda pair: pair[0])
        if isinstance(node, sp.floor):
            above, below = node.args[0].as_numer_denom()
            return int(at(above, known)[0]) // int(at(below, known)[0]), flat
        if isinstance(node, sp.Mod):
            return parts[0][0] % parts[1][0], flat
        ((value, slope),) = parts
        function = _VALUES.get(kind) or getattr(np, kind)
        return function(real(value)), slope * _SLOPES[kind](real(value))

    def holds(condition, known):
        if condition in (sp.true, sp.false):
            return bool(condition)
        if isinstance(condition, sp.And):
            return all(holds(each, known) for each in condition.args)
        left, right = (at(side, known)[0] for side in condition.args)
        return bool(condition.func(*map(_plain, (left, right))))

    value, slope = at(objective.expression, numbers)
    return float(value), slope.astype(float)


def _added(parts, nothing):
    value, slope = 0, nothing
    for number, own in parts:
        value, slope = value + number, slope + own
    return value, slope


def _plain(number):
    return sp.Integer(number) if isinstance(number, int) else sp.Float(str(number), 25)


def error_of(pair, expected):
    """Return the largest error of value and gradient, of what is largest in them."""
    numbers, exact = (np.array([value, *slopes]) for value, slopes in (pair, expected))
    slopes = np.abs(exact[1:])
    scale = np.maximum(1.0, [abs(exact[0]), *[slopes.max()] * len(slopes)])
    return float(np.max(np.abs(numbers - exact) / scale))


def every_index(shape):
    """Return the indices of all elements, row by row."""
    return itertools.product(*map(range, shape))
