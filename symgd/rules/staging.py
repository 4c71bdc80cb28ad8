"""An update in stages: what a loop forms of all coordinates before it moves each.

A stage forms all totals, and may end at a place: with the value and the gradient at a
point, or the Hessian's product with a vector, which the next stages read. So a total
may hold another one, or a derivative, and a point or a vector as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from symgd.errors import InputError
from symgd.language.as_written import made
from symgd.language.formula import symbol
from symgd.language.functions import real_abs, standard_normal
from symgd.rules import evaluations, reductions
from symgd.rules.random_numbers import COORDINATE, noise
from symgd.rules.reductions import dot, mean, norm

MOST = 62  # stages: bits of a word, without its sign


@dataclass(frozen=True)
class Staged:
    """Expressions of one coordinate without reductions and derivatives.

    Attributes
    ----------
    outputs : tuple of SymPy expressions
        They read totals, values and derivatives as symbols.
    summands : tuple of SymPy expressions
        What each total is the sum of; those of a later stage read earlier totals.
    totals : tuple of symbols
    of_arrays : int
        How many of the totals, the last ones, are of each array alone.
    places : tuple of SymPy expressions
        The points and vectors, in the order in which stages end with them.
    values : tuple of symbols
        The value at each of the points; none if no value is read.
    derivatives : tuple of symbols
        The gradients at points, where they are read, and the products.
    stages : int
        How often all totals must be summed until all of them are right.
    evaluates, multiplies, probes : int
        The stages that end with a gradient, with a product, or with a value alone;
        as bits.
    """

    outputs: tuple[sp.Expr, ...]
    summands: tuple[sp.Expr, ...]
    totals: tuple[sp.Symbol, ...]
    of_arrays: int
    places: tuple[sp.Expr, ...]
    values: tuple[sp.Symbol, ...]
    derivatives: tuple[sp.Symbol, ...]
    stages: int
    evaluates: int
    multiplies: int
    probes: int

    @property
    def are_points(self) -> list[bool]:
        """Whether each place is a point, not a vector."""
        points = self.evaluates | self.probes
        ends = (s for s in range(self.stages) if (points | self.multiplies) >> s & 1)
        return [bool(points >> stage & 1) for stage in ends]

    @property
    def evaluations(self) -> int:
        """How many points there are."""
        return (self.evaluates | self.probes).bit_count()


@dataclass
class _End:
    """What a stage ends with."""

    place: sp.Expr
    is_point: bool
    value: sp.Symbol
    derivative: sp.Symbol | None = None
    reads_value: bool = False


def staged(
    expressions: Sequence[sp.Expr], coordinates: int | sp.Symbol, alone: bool = True
) -> Staged:
    """Take what needs all coordinates out of expressions of one of so many.

    ``alone`` says whether each coordinate is an array of its own.
    """
    sums = _Sums(coordinates, alone)
    outputs = tuple(sums.without(expression) for expression in expressions)
    common, own, ends = sums.common, sums.own, list(sums.ends.values())
    points = [end for end in ends if end.is_point]
    reads_values = any(end.reads_value for end in points)
    return Staged(
        outputs,
        (*common, *own),
        (*common.values(), *own.values()),
        len(own),
        tuple(end.place for end in ends),
        tuple(end.value for end in points) if reads_values else (),
        tuple(end.derivative for end in ends if end.derivative is not None),
        *_stages(sums.named, ends),
    )


class _Sums:
    """What expressions need of all coordinates, taken out of them."""

    def __init__(self, coordinates: int | sp.Symbol, alone: bool) -> None:
        self.coordinates, self.alone = coordinates, alone
        self.common: dict[sp.Expr, sp.Symbol] = {}
        self.own: dict[sp.Expr, sp.Symbol] = {}
        self.ends: dict[tuple[bool, sp.Expr], _End] = {}

    @property
    def named(self) -> dict[sp.Symbol, sp.Expr]:
        """The summand of each total."""
        pairs = (*self.common.items(), *self.own.items())
        return {name: summand for summand, name in pairs}

    def without(self, node: sp.Basic) -> sp.Basic:
        """Return an expression that reads totals and derivatives as symbols."""
        if not node.has(*reductions.KINDS, *evaluations.KINDS, noise):
            return node
        if isinstance(node, noise):
            which = symbol("seed"), symbol("t"), COORDINATE, node.stream
            return standard_normal(*which)
        arguments = [self.without(argument) for argument in node.args]
        if isinstance(node, reductions.KINDS):
            return self._reduced(node, arguments)
        if isinstance(node, evaluations.KINDS):
            return self._elsewhere(node, arguments[0])
        return made(node.func, arguments)

    def _reduced(self, node: sp.Basic, arguments: list[sp.Expr]) -> sp.Expr:
        first, last = arguments[0], arguments[-1]
        of_array = isinstance(node, reductions.OF_ARRAYS)
        if of_array and self.alone:
            if isinstance(node, dot):
                return first * last
            return real_abs(first) if isinstance(node, norm) else first
        if isinstance(node, mean):
            count = self.coordinates
            if of_array:
                count = self._total(sp.S.One, of_array)
            return self._total(first, of_array) / count
        total = self._total(first * last, of_array)
        return sp.sqrt(total) if isinstance(node, norm) else total

    def _total(self, summand: sp.Expr, of_array: bool) -> sp.Symbol:
        number = len(self.common) + len(self.own)
        name = sp.Symbol(f"total {number}", real=True)
        return (self.own if of_array else self.common).setdefault(summand, name)

    def _elsewhere(self, node: sp.Basic, place: sp.Expr) -> sp.Symbol:
        is_point = not isinstance(node, evaluations.hvp)
        if is_point and place == symbol("x"):
            return symbol("f" if isinstance(node, evaluations.f) else "g")
        number = len(self.ends)
        new = _End(place, is_point, sp.Symbol(f"value {number}", real=True))
        end = self.ends.setdefault((is_point, place), new)
        if isinstance(node, evaluations.f):
            end.reads_value = True
            return end.value
        if end.derivative is None:
            name = end.value.name.replace("value", "derivative")
            end.derivative = sp.Symbol(name, real=True)
        return end.derivative


def _stages(
    totals: Mapping[sp.Symbol, sp.Expr], ends: Sequence[_End]
) -> tuple[int, int, int, int]:
    """Return how many stages there are, and, as bits, which end with what."""
    needed = {name: summand.free_symbols for name, summand in totals.items()}
    waiting = list(ends)
    unknown = {*totals, *(end.value for end in ends)}
    unknown |= {end.derivative for end in ends if end.derivative is not None}
    stages = evaluates = multiplies = probes = 0
    while unknown:
        known = {name for name in needed if not needed[name] & unknown}
        if waiting and not waiting[0].place.free_symbols & unknown:
            end = waiting.pop(0)
            known |= {end.value, end.derivative}
            if not end.is_point:
                multiplies |= 1 << stages
            elif end.derivative is None:
                probes |= 1 << stages
            else:
                evaluates |= 1 << stages
        unknown -= known
        stages += 1
    if stages > MOST:
        raise InputError(f"an update of {stages} stages; at most {MOST} are possible")
    return stages, evaluates, multiplies, probes
