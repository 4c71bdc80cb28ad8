"""What loops add up, while they run.

Accumulators of reductions, and how two partial ones are combined.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import sympy as sp
from llvmlite import ir

from symgd.arithmetic.primitives import fma
from symgd.calculus.program import FINITE, LARGEST, MAXIMUM, PRODUCT, SUM, Total
from symgd.lowering.building import DOUBLE, WORD, declared
from symgd.lowering.places import LANES, PACK, Here, Places, in_lanes
from symgd.lowering.tracing import Value, writing

_FMA = writing(fma)
NEUTRAL = {SUM: 0.0, PRODUCT: 1.0, MAXIMUM: -math.inf, LARGEST: 0.0, FINITE: 0.0}


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
    if kind == LARGEST:  # the bits of sizes are in the same order, NaN above all
        vector = isinstance(a.type, ir.VectorType)
        whole = ir.VectorType(WORD, a.type.count) if vector else WORD
        name = f"llvm.smax.v{a.type.count}i64" if vector else "llvm.smax.i64"
        kind_of = ir.FunctionType(whole, [whole, whole])
        larger = declared(builder.module, name, kind_of)
        bits = [builder.bitcast(number, whole) for number in (a, b)]
        return builder.bitcast(builder.call(larger, bits), a.type)
    if kind == MAXIMUM:  # NaN, once there, stays
        larger = builder.fcmp_ordered(">", a, b)
        stays = builder.or_(larger, builder.fcmp_unordered("uno", a, a))
        return builder.select(stays, a, b)
    if kind == FINITE:
        return _FMA(Value(builder, b), 0.0, Value(builder, a)).value
    return (builder.fmul if kind == PRODUCT else builder.fadd)(a, b)
