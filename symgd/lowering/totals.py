"""What loops add up, while they run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy as sp
from llvmlite import ir

from symgd.lowering.places import DOUBLE, LANES, PACK, Here, Places, in_lanes
from symgd.lowering.tracing import Value
from symgd.programs import LARGEST, PRODUCT, SUM, Total

NEUTRAL = {SUM: 0.0, PRODUCT: 1.0, LARGEST: 0.0}


class Totals:
    """Totals while a loop runs: of lanes, and of single elements."""

    def __init__(self, writer: Places, totals: Sequence[Total]) -> None:
        self.writer, self.totals = writer, totals
        self.places: dict[sp.Symbol, tuple[Any, Any]] = {}
        build = writer.builder
        for total in totals:
            pack, one = writer.memory(PACK), writer.memory(DOUBLE)
            neutral = NEUTRAL[total.kind]
            build.store(ir.Constant(PACK, [neutral] * LANES), pack)
            build.store(DOUBLE(neutral), one)
            self.places[total.name] = pack, one

    def enter(
        self, numbers: Sequence[Value], totals: Sequence[Total], here: Here
    ) -> None:
        """Add the numbers of an iteration, or of LANES iterations."""
        build = self.writer.builder
        for number, total in zip(numbers, totals, strict=True):
            pack, one = self.places[total.name]
            place = one if here.lanes is None else pack
            value = number.value if here.lanes is None else in_lanes(number).value
            build.store(joined(build, total.kind, build.load(place), value), place)

    def ended(self) -> list[Value]:
        """Return the totals, lanes added in halves."""
        build = self.writer.builder
        results = []
        for total in self.totals:
            pack, one = (build.load(place) for place in self.places[total.name])
            width = LANES
            while width > 1:
                width //= 2
                halves = [
                    build.shuffle_vector(
                        pack,
                        ir.Constant(pack.type, ir.Undefined),
                        ir.Constant(
                            ir.VectorType(ir.IntType(32), width),
                            list(range(first, first + width)),
                        ),
                    )
                    for first in (0, width)
                ]
                pack = joined(build, total.kind, *halves)
            last = build.extract_element(pack, ir.Constant(ir.IntType(32), 0))
            results.append(Value(build, joined(build, total.kind, last, one)))
        return results


def joined(builder: Any, kind: str, a: Any, b: Any) -> Any:
    """Return two totals as one."""
    if kind == LARGEST:  # a number that isn't one is noticed elsewhere
        return builder.select(builder.fcmp_ordered(">", b, a), b, a)
    return (builder.fmul if kind == PRODUCT else builder.fadd)(a, b)
