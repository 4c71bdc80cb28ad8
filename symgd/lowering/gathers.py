"""Loops over the elements of an array, as LLVM's instructions.

Inside of all regions lanes are worked on; at the edges it is one element at a time,
with a look at each region.

Elsewhere these are stencil loops.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import sympy as sp
from llvmlite import ir

from symgd.calculus.program import Gather, Region, index_at
from symgd.lowering.building import DOUBLE, WORD
from symgd.lowering.loops import Writer
from symgd.lowering.places import LANES, Here
from symgd.lowering.totals import Totals
from symgd.lowering.tracing import Value

# What is done with the slope of an element, or of several side by side.
Finish: TypeAlias = Callable[[Here, Value], None]

_TRUE = ir.IntType(1)(1)


def storing(writer: Writer, gather: Gather) -> Finish:
    """Return what writes slopes to the gradient."""
    indices = [index_at(axis) for axis in range(gather.rank)]

    def finish(here: Here, slope: Value) -> None:
        offset = writer.offset(gather.array, indices, here)
        if gather.adds:
            slope = slope + writer.number_at(writer.gradient, offset, here)
        writer.store(writer.element(writer.gradient, offset), slope, here)

    return finish


class GatherWriter:
    """Writes the loops over part of an array's elements."""

    def __init__(self, writer: Writer, gather: Gather, finish: Finish) -> None:
        self.writer, self.gather, self.finish = writer, gather, finish
        self.sums = Totals(writer, gather.totals)

    def written(self, start: Any, stop: Any, here: Here) -> list[Value]:
        """Write them from a row up to another one; return the totals."""
        self._axis(0, start, stop, here, [_TRUE] * len(self.gather.regions))
        return self.sums.ended()

    def _axis(
        self, axis: int, start: Any, stop: Any, here: Here, inside: Sequence[Any]
    ) -> None:
        """Write the loop over one axis; ``inside`` says so of each region so far."""
        writer, gather, index = self.writer, self.gather, index_at(axis)
        boxes = [
            (writer.integer(r.starts[axis], here), writer.integer(r.stops[axis], here))
            for r in gather.regions
        ]
        if axis == gather.rank - 1:
            self._innermost(start, stop, here, boxes, inside)
            return
        end = writer.word("length", gather.array, axis + 1)
        with writer.counting(start, stop) as place:
            marks = self._marks(place, boxes, inside)
            self._axis(axis + 1, WORD(0), end, here.at(index, place), marks)

    def _innermost(
        self, start: Any, stop: Any, here: Here, boxes: Any, inside: Sequence[Any]
    ) -> None:
        writer, build = self.writer, self.writer.builder
        index = index_at(self.gather.rank - 1)
        low, high = self._common(start, stop, boxes, inside)
        with writer.counting(low, high, LANES) as place:
            at = here.at(index, place, lanes=True)
            self.finish(at, self._side_by_side(at))
        for first, last in ((start, low), (high, stop)):
            with writer.counting(first, last) as place:
                at = here.at(index, place)
                slope = writer.memory(DOUBLE)
                build.store(DOUBLE(0.0), slope)
                marks = self._marks(place, boxes, inside)
                for region, mark in zip(self.gather.regions, marks, strict=True):
                    with build.if_then(mark):
                        self._region(region, at, slope)
                self.finish(at, Value(build, build.load(slope)))

    def _common(
        self, start: Any, stop: Any, boxes: Any, inside: Sequence[Any]
    ) -> tuple[Any, Any]:
        """Return where all regions are, in whole packs; if nowhere, both ends are."""
        build, extreme = self.writer.builder, self.writer.extreme
        low = functools.reduce(lambda a, b: extreme(">", a, b[0]), boxes, start)
        high = functools.reduce(lambda a, b: extreme("<", a, b[1]), boxes, stop)
        high = build.select(functools.reduce(build.and_, inside), high, low)
        empty = build.icmp_signed("<=", high, low)
        width = build.and_(build.sub(high, low), WORD(-LANES))
        low = build.select(empty, stop, low)
        return low, build.select(empty, stop, build.add(low, width))

    def _marks(self, place: Any, boxes: Any, inside: Sequence[Any]) -> list[Any]:
        """Return of each region whether a place is inside on this axis, too."""
        build, marks = self.writer.builder, []
        for (low, high), so_far in zip(boxes, inside, strict=True):
            above = build.icmp_signed(">=", place, low)
            below = build.icmp_signed("<", place, high)
            marks.append(build.and_(so_far, build.and_(above, below)))
        return marks

    def _side_by_side(self, here: Here) -> Value:
        """Compute the slopes of LANES elements that are inside of all regions."""
        slope = sp.Add(*(region.slope for region in self.gather.regions))
        totals = self.gather.totals
        for region in self.gather.regions:
            here = self.writer.stepped(region.lets, here)
        values = [slope, *(total.value for total in totals)]
        numbers = self.writer.computed(values, here)
        self.sums.enter(numbers[1:], totals, here)
        return numbers[0]

    def _region(self, region: Region, here: Here, slope: Any) -> None:
        """Add what a region contributes to one element."""
        here = self.writer.stepped(region.lets, here)
        values = [region.slope, *(total.value for total in region.totals)]
        numbers = self.writer.computed(values, here)
        self.sums.enter(numbers[1:], region.totals, here)
        build = self.writer.builder
        build.store(build.fadd(build.load(slope), numbers[0].value), slope)
