"""Programs of nested loops as LLVM's instructions.

The innermost loops work on LANES elements at once, and what remains is done one at a
time; the order in which numbers are added is therefore fixed by the lengths alone. The
outermost loops go in blocks, whose totals are added pairwise (Higham 2002, "Accuracy
and Stability of Numerical Algorithms", section 4.2), so that blocks may be done by
several threads, and the result has the same bits for any number of them.

This is code generation for loop nests: vectorisation, blocking, pairwise summation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import sympy as sp
from llvmlite import ir

from symgd.calculus.program import Add, Let, Nest
from symgd.lowering.building import WORD, counting
from symgd.lowering.places import LANES, PACK, Here, Places, in_lanes, index_slopes
from symgd.lowering.totals import Totals
from symgd.lowering.tracing import Value

STRETCH = 2**16  # iterations of an innermost loop between two looks at the flag


class Writer(Places):
    """Writes the loops of a program into a function."""

    def counting(
        self, start: Any, stop: Any, step: int = 1, *, long: bool = False
    ) -> AbstractContextManager[Any]:
        """Write a loop from start up to stop; what is written inside is its body.

        A long one looks at the flag before each round.
        """
        ended = self.told_to_stop if long else None
        return counting(self.builder, start, stop, step, ended)

    def nest(self, nest: Nest, start: Any, stop: Any, here: Here) -> list[Value]:
        """Write a loop over part of its range; return its totals, one number each."""
        sums = Totals(self, nest.totals)
        if any(isinstance(step, Nest) for step in nest.steps):
            with self.counting(start, stop, long=True) as place:
                self._iteration(nest, here.at(nest.loop.index, place), sums)
            return sums.ended()
        index = nest.loop.index
        self.side_by_side(
            index, start, stop, here, lambda at: self._iteration(nest, at, sums)
        )
        return sums.ended()

    def side_by_side(
        self,
        index: sp.Symbol,
        start: Any,
        stop: Any,
        here: Here,
        body: Callable[[Here], None],
    ) -> None:
        """Write a loop whose body works on LANES iterations, then on one at a time."""
        whole = self.builder.and_(self.builder.sub(stop, start), WORD(-LANES))
        whole = self.extreme(">", whole, WORD(0))
        rest = self.builder.add(start, whole)
        with self.counting(start, rest, STRETCH, long=True) as first:
            last = self.extreme("<", self.builder.add(first, WORD(STRETCH)), rest)
            with self.counting(first, last, LANES) as place:
                body(here.at(index, place, lanes=True))
        with self.counting(rest, stop) as place:
            body(here.at(index, place))

    def _iteration(self, nest: Nest, here: Here, sums: Totals) -> None:
        here = self.stepped(nest.steps, here)
        values = [total.value for total in nest.totals]
        values += [add.value for add in nest.adds]
        numbers = self.computed(values, here)
        sums.enter(numbers[: len(nest.totals)], nest.totals, here)
        for add, number in zip(nest.adds, numbers[len(nest.totals) :], strict=True):
            self.add(add, number, here)

    def stepped(self, steps: Sequence[Any], here: Here) -> Here:
        """Write steps one after the other; return what is known after them."""
        for step in steps:
            if isinstance(step, Let):
                here = here.knowing({step.name: self.computed([step.value], here)[0]})
                continue
            start = self.integer(step.loop.start, here)
            stop = self.integer(step.loop.stop, here)
            totals = self.nest(step, start, stop, here)
            names = [total.name for total in step.totals]
            here = here.knowing(dict(zip(names, totals, strict=True)))
        return here

    def add(self, add: Add, number: Value, here: Here) -> None:
        """Add to the gradient, lane by lane where lanes may meet."""
        build = self.builder
        if here.lanes is None:
            place = self._place_of(add, here)
            build.store(build.fadd(build.load(place), number.value), place)
            return
        pack = in_lanes(number)
        slopes = index_slopes(add.indices, here.lanes)
        if slopes is not None and slopes[-1] == 1 and not any(slopes[:-1]):
            place = self._place_of(add, here)
            place = build.bitcast(place, PACK.as_pointer())
            total = build.fadd(build.load(place, align=8), pack.value)
            build.store(total, place, align=8)
            return
        for lane in range(LANES):
            one = build.extract_element(pack.value, ir.Constant(ir.IntType(32), lane))
            self.add(add, Value(build, one), self.lane(here, lane))

    def _place_of(self, add: Add, here: Here) -> Any:
        if add.array in self.rooms:
            return self.place_in_room(add.array, add.indices, here)
        offset = self.offset(add.array, add.indices, here)
        return self.element(self.gradient, offset)
