"""Sums by Python: what a formula is, exactly, in whole numbers.

The text of a formula is Python, too. An element of a variable carries its derivatives
along, so that value, gradient and Hessian times a direction come from one evaluation.
"""

import math

import numpy as np


class Strict:
    """An array that has no element at -1."""

    def __init__(self, elements):
        self.elements = elements

    def __getitem__(self, place):
        places = np.atleast_1d(np.array(place, dtype=object))
        if not all(
            0 <= k < n for k, n in zip(places, self.elements.shape, strict=True)
        ):
            raise IndexError(place)
        return self.elements[tuple(places)]


class Dual:
    """A number with its derivatives by places, and those of its slope along v."""

    def __init__(self, value, slopes=None, bends=None, v=()):
        self.value, self.slopes, self.bends = value, slopes or {}, bends or {}
        self.v = v

    def _other(self, other):
        return other if isinstance(other, Dual) else Dual(other, v=self.v)

    def __add__(self, other):
        other = self._other(other)
        return Dual(
            self.value + other.value,
            _merged((1, self.slopes), (1, other.slopes)),
            _merged((1, self.bends), (1, other.bends)),
            self.v,
        )

    def __mul__(self, other):
        a, b = self, self._other(other)
        slopes = _merged((b.value, a.slopes), (a.value, b.slopes))
        bends = _merged((b.value, a.bends), (a.value, b.bends))
        bends = _merged((1, bends), (b._along(), a.slopes), (a._along(), b.slopes))
        return Dual(a.value * b.value, slopes, bends, self.v)

    def _along(self):
        return sum(slope * self.v[place] for place, slope in self.slopes.items())

    def __sub__(self, other):
        return self + -1 * self._other(other)

    def __rsub__(self, other):
        return -1 * self + other

    def __pow__(self, exponent):
        return math.prod([self] * exponent, start=Dual(1, v=self.v))

    __radd__, __rmul__ = __add__, __mul__


def _merged(*parts):
    total = {}
    for factor, slopes in parts:
        for place, slope in slopes.items():
            total[place] = total.get(place, 0) + factor * slope
    return total


def exactly(formula, x, v, **known):
    """Return value, gradient and Hessian along v by Python.

    Parameters
    ----------
    formula : str
    x : mapping of str to ndarray
        The variables, in their order.
    v : sequence of numbers
        As long as all of these.
    **known
        Data, and sizes.

    Raises
    ------
    IndexError, ZeroDivisionError
    """
    names, size = {"prod": math.prod}, 0
    for name, numbers in x.items():
        duals = np.empty(np.shape(numbers), dtype=object)
        for place, number in np.ndenumerate(numbers):
            duals[place] = Dual(int(number), {size: 1}, v=v)
            size += 1
        names[name] = Strict(duals)
    for name, value in known.items():
        array = isinstance(value, np.ndarray)
        names[name] = Strict(value.astype(object)) if array else value
    total = Dual(0, v=v) + eval(formula, names)
    slopes, bends = (
        [by.get(k, 0) for k in range(size)] for by in (total.slopes, total.bends)
    )
    return total.value, slopes, bends
