"""A rule's update of one coordinate, as functions that a loop calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from symgd.lowering.building import DOUBLE, POINTER, WORD, function_of
from symgd.lowering.code_printer import Style
from symgd.lowering.rule_functions import (
    lowered_schedule,
    lowered_update,
    slots_after,
)
from symgd.lowering.tracing import Numbers, Value, writing
from symgd.native.machine import ENTRY, Kernel
from symgd.native.records import SCHEDULE, UPDATE
from symgd.rules.rule import Rule


class RuleCode:
    """The functions of a rule that a loop calls, in LLVM's text or in Python.

    Parameters
    ----------
    rule : Rule
    schedules : tuple of str or None
        Of the hyperparameters.
    n : int
        The number of coordinates.
    initial : bool
        Whether the start and the initial state are computed, not an update.
    """

    def __init__(
        self, rule: Rule, schedules: tuple[str | None, ...], n: int, initial: bool
    ) -> None:
        slots = slots_after(rule, initial)
        self.n, self.width, self.hyper = n, len(slots), len(schedules)
        self.update = lowered_update(rule, slots, n, "s[{j}, k]", Style.LATENCY)
        self.schedule = lowered_schedule(schedules, Style.LATENCY)

    def written(self) -> dict[str, str]:
        """Return the text of each function."""
        return {
            "schedule": self._schedule(),
            "summands": self._part(self.update.summands),
            "update": self._part(self.update.slots),
        }

    def _schedule(self) -> str:
        function = function_of(ENTRY, WORD, [DOUBLE, POINTER, POINTER])
        builder = ir.IRBuilder(function.append_basic_block())
        t, h, out = function.args
        numbers = Numbers(builder, h)
        return _ended(builder, writing(self.schedule)(Value(builder, t), numbers), out)

    def _part(self, part: Any) -> str:
        kinds = [DOUBLE] * 3 + [POINTER, WORD] + [POINTER] * 3
        function = function_of(ENTRY, WORD, kinds)
        builder = ir.IRBuilder(function.append_basic_block())
        *numbers, slots, k, hyper, totals, out = function.args
        place = builder.sitofp(k, DOUBLE)
        t, g, f, number = (Value(builder, each) for each in (*numbers, place))
        h, r = Numbers(builder, hyper), Numbers(builder, totals)
        rows = _Rows(builder, slots, self.n, k)
        return _ended(builder, writing(part)(t, g, f, rows, number, h, r), out)

    def interpreted(self) -> dict[str, Kernel]:
        """Return each function as a kernel in Python."""
        from symgd.lowering.entries import Interpreted
        from symgd.lowering.intrinsics import floats

        n_h, n, totals = self.hyper, self.n, self.update.totals
        known, rows = totals + self.update.values, self.width + self.update.derivatives

        def schedule(t: float, h: int, out: int) -> int:
            floats(out, (n_h,))[:] = self.schedule(t, floats(h, (n_h,)))
            return 0

        def part(function: Any, size: int) -> Any:
            def written(
                t: float, g: float, f: float, s: int, k: int, h: int, r: int, out: int
            ) -> int:
                places = floats(s, (rows, n)), k, floats(h, (n_h,))
                found = function(t, g, f, *places, floats(r, (known,)))
                floats(out, (size,))[:] = found
                return 0

            return Interpreted(written, UPDATE)

        return {
            "schedule": Interpreted(schedule, SCHEDULE),
            "summands": part(self.update.summands, totals + self.update.places),
            "update": part(self.update.slots, self.width),
        }


class _Rows:
    """Column k of rows of numbers at an address, in code that is being written."""

    def __init__(self, builder: Any, address: Any, length: int, k: Any) -> None:
        self.builder, self.address, self.length, self.k = builder, address, length, k

    def __getitem__(self, place: tuple[int, Value]) -> Value:
        row, _ = place
        word = self.builder.add(WORD(row * self.length), self.k)
        at = self.builder.gep(self.address, [word], inbounds=True)
        return Value(self.builder, self.builder.load(at))


def _ended(builder: Any, numbers: Sequence[Any], out: Any) -> str:
    """Write numbers to an address, and the end; return the module."""
    places = Numbers(builder, out)
    for place, number in enumerate(numbers):
        value = number.value if isinstance(number, Value) else DOUBLE(number)
        builder.store(value, places.at(place))
    builder.ret(WORD(0))
    return str(builder.module)
