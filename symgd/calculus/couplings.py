"""Which coordinates act on one another: where second derivatives may be other than 0.

Told by the formula, before any number: a product couples what its factors read, a
function all that its argument reads, a sum nothing. Sparsity patterns, elsewhere.

Source: Griewank and Walther 2008, "Evaluating Derivatives", section 7.3 (sparsity of
Hessians, propagated forward).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
import sympy as sp

from symgd.calculus.iterations import Iterations, iterations
from symgd.calculus.program import place_of
from symgd.calculus.structure import Guard, Range, ranges_of
from symgd.calculus.whole import Spans
from symgd.language.functions import real_abs
from symgd.language.nodes import REPEATED, Maximum, kept

_BENT_NOWHERE = (sp.Add, sp.Piecewise, sp.Max, sp.Min, sp.Abs, real_abs, kept)


@dataclass(frozen=True)
class Reading:
    """A variable that is read, in the ranges of the indices around it."""

    node: sp.Basic
    ranges: tuple[Range, ...]
    guards: tuple[Guard, ...]

    def renamed(self, indices: Iterable[sp.Basic]) -> Reading:
        """Return the same with other names for some of its indices."""
        new = {index: sp.Dummy(index.name, real=True) for index in indices}
        ranges = (tuple(part.xreplace(new) for part in each) for each in self.ranges)
        guards = ((condition.xreplace(new), so) for condition, so in self.guards)
        return Reading(self.node.xreplace(new), tuple(ranges), tuple(guards))


Pair: TypeAlias = tuple[Reading, Reading]
_Found: TypeAlias = tuple[dict[Reading, None], dict[Pair, None]]


class Couplings:
    """The pairs of variables, or of their elements, that a formula couples.

    Parameters
    ----------
    expression : SymPy expression
    variables : iterable of str

    Examples
    --------
    >>> x, y = sp.symbols("x y", real=True)
    >>> for one, other in Couplings(x * y + sp.exp(x), ["x", "y"]).pairs:
    ...     print(one.node, other.node)
    x y
    x x
    """

    def __init__(self, expression: sp.Expr, variables: Iterable[str]) -> None:
        self._variables = frozenset(variables)
        self._seen: dict[Any, _Found] = {}
        self.pairs: tuple[Pair, ...] = tuple(self._visit(expression, (), ())[1])

    def _visit(
        self, node: sp.Basic, ranges: tuple[Range, ...], guards: tuple[Guard, ...]
    ) -> _Found:
        """Return what is read in a node, and what that couples."""
        key = node, ranges, guards
        if key not in self._seen:
            self._seen[key] = self._looked_at(node, ranges, guards)
        return self._seen[key]

    def _looked_at(
        self, node: sp.Basic, ranges: tuple[Range, ...], guards: tuple[Guard, ...]
    ) -> _Found:
        if isinstance(node, (sp.Symbol, sp.Indexed)):
            known = place_of(node)[0] in self._variables
            return ({Reading(node, ranges, guards): None} if known else {}), {}
        if isinstance(node, REPEATED):
            inside = (*ranges, *ranges_of(node))
            reads, pairs = self._visit(node.function, inside, guards)
            if not isinstance(node, (sp.Sum, Maximum)):
                pairs = pairs | _among(reads, len(ranges))
            return reads, pairs
        parts = list(self._parts(node, ranges, guards))
        reads = reduce(lambda a, b: a | b, (part for part, _ in parts), {})
        pairs = reduce(lambda a, b: a | b, (part for _, part in parts), {})
        if isinstance(node, sp.Mul):
            for (some, _), (others, _) in combinations(parts, 2):
                pairs |= _between(some, others, len(ranges))
        elif not isinstance(node, _BENT_NOWHERE):
            pairs = pairs | _among(reads, len(ranges))
        return reads, pairs

    def _parts(
        self, node: sp.Basic, ranges: tuple[Range, ...], guards: tuple[Guard, ...]
    ) -> Iterator[_Found]:
        if not isinstance(node, sp.Piecewise):
            yield from (self._visit(part, ranges, guards) for part in node.args)
            return
        passed = guards
        for value, condition in node.args:  # what a condition reads moves nothing
            yield self._visit(value, ranges, (*passed, (condition, True)))
            passed = (*passed, (condition, False))

    def places(
        self,
        sizes: Mapping[str, int],
        arrays: Mapping[str, Any],
        shapes: Mapping[str, Sequence[int]],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the pairs of coordinates, each once: the one not before the other.

        Parameters
        ----------
        sizes : mapping of str to int
        arrays : mapping of str to ndarray
            The data, in which indices are looked up.
        shapes : mapping of str to sequence of int
            Of the variables, in the order of a point.

        Raises
        ------
        TooManyError
            If the loops have more iterations than can be looked at.
        """
        firsts, count = {}, 0
        for name, shape in shapes.items():
            firsts[name] = count
            count += int(np.prod(shape, dtype=np.int64))
        found = [np.zeros(0, dtype=np.int64)]
        for one, other in self.pairs:
            ranges = _needed(one, other)
            spans = Spans(sizes, arrays, ranges, tight=True)
            for some in iterations(ranges, spans):
                a, fine = _place(one, some, firsts, shapes)
                b, also = _place(other, some, firsts, shapes)
                counts = fine & also & some.possible((*one.guards, *other.guards))
                pair = np.maximum(a, b) * count + np.minimum(a, b)
                pair, counts = np.broadcast_arrays(pair, counts)
                found.append(np.unique(pair[counts]))
        pairs = np.unique(np.concatenate(found))
        return pairs // count, pairs % count


def _between(
    some: Iterable[Reading], others: Iterable[Reading], outer: int
) -> dict[Pair, None]:
    """Return the pairs of what two parts read, in ranges of which some are around."""
    pairs: dict[Pair, None] = {}
    for other in others:
        apart = other.renamed(index for index, *_ in other.ranges[outer:])
        for one in some:
            pairs[one, apart] = None
    return pairs


def _among(reads: Iterable[Reading], outer: int) -> dict[Pair, None]:
    """Return the pairs of what one part reads."""
    reads = list(reads)
    pairs: dict[Pair, None] = {}
    for place, one in enumerate(reads):
        pairs |= _between([one], reads[place:], outer)
    return pairs


def _needed(one: Reading, other: Reading) -> tuple[Range, ...]:
    """Return the ranges on which two places, and their conditions, depend."""
    ranges = dict.fromkeys((*one.ranges, *other.ranges))
    guards = (*one.guards, *other.guards)
    parts = [one.node, other.node, *(condition for condition, _ in guards)]
    names = {s for part in parts for s in part.free_symbols}
    needed: list[Range] = []
    for index, low, high in reversed(ranges):
        if index in names:
            needed.insert(0, (index, low, high))
            names |= low.free_symbols | high.free_symbols
    return tuple(needed)


def _place(
    reading: Reading,
    some: Iterations,
    firsts: Mapping[str, int],
    shapes: Mapping[str, Sequence[int]],
) -> tuple[Any, Any]:
    """Return where a variable stands in a point, and where that is inside of it."""
    name, indices = place_of(reading.node)
    place: Any = 0
    inside: Any = True
    for index, length in zip(indices, shapes[name], strict=True):
        values, fine = some.whole(index)
        inside = inside & fine & (values >= 0) & (values < length)
        place = place * length + values
    return np.asarray(firsts[name] + place), np.asarray(inside)
