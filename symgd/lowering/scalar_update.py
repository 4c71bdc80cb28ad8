"""A rule's update as straight-line functions of one coordinate.

Reductions are sums that a loop forms before the update: in stages, where a reduction
holds another one.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp
from llvmlite import ir

from symgd.language.formula import read, symbol
from symgd.lowering.building import DOUBLE, POINTER, WORD, function_of
from symgd.lowering.code_printer import Style
from symgd.lowering.source import lower
from symgd.lowering.tracing import Numbers, Value, writing
from symgd.native.machine import ENTRY, Kernel
from symgd.native.records import SCHEDULE, UPDATE
from symgd.rules.reductions import staged
from symgd.rules.rule import Rule


@dataclass(frozen=True)
class ScalarUpdate:
    """An update, or what else is computed coordinate by coordinate.

    Attributes
    ----------
    summands : function
        (t, g, f, s, k, h, r) -> what a coordinate adds to each total; at least one
        number. ``s[0, k]`` is the coordinate, ``s[1, k]``, ... its state, ``h`` are the
        hyperparameters, ``r`` the totals so far.
    slots : function
        (t, g, f, s, k, h, r) -> the new coordinate and state, the totals being right.
    totals : int
        How many; at least one.
    stages : int
        How often they are to be formed until all are right; 0 if there are none.
    """

    summands: Any
    slots: Any
    totals: int
    stages: int


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
        values = (symbol("x"), *rule.initial.values()), tuple(rule.updates.values())
        self.n, self.width, self.hyper = n, len(values[1]), len(schedules)
        slot = "s[{j}, k]"
        self.update = _lowered(rule, values[not initial], n, slot, Style.LATENCY)
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
        given = [Value(builder, each) for each in (*numbers, k)]
        h, r = Numbers(builder, hyper), Numbers(builder, totals)
        rows = _Rows(builder, slots, self.n)
        return _ended(builder, writing(part)(*given[:3], rows, given[3], h, r), out)

    def interpreted(self) -> dict[str, Kernel]:
        """Return each function as a kernel in Python."""
        from symgd.lowering.entries import Interpreted
        from symgd.lowering.intrinsics import floats

        n_h, n, width, totals = self.hyper, self.n, self.width, self.update.totals

        def schedule(t: float, h: int, out: int) -> int:
            floats(out, (n_h,))[:] = self.schedule(t, floats(h, (n_h,)))
            return 0

        def part(function: Any, size: int) -> Any:
            def written(
                t: float, g: float, f: float, s: int, k: int, h: int, r: int, out: int
            ) -> int:
                places = floats(s, (width, n)), k, floats(h, (n_h,))
                found = function(t, g, f, *places, floats(r, (totals,)))
                floats(out, (size,))[:] = found
                return 0

            return Interpreted(written, UPDATE)

        return {
            "schedule": Interpreted(schedule, SCHEDULE),
            "summands": part(self.update.summands, totals),
            "update": part(self.update.slots, width),
        }


class _Rows:
    """Rows of numbers at an address, in code that is being written."""

    def __init__(self, builder: Any, address: Any, length: int) -> None:
        self.builder, self.address, self.length = builder, address, length

    def __getitem__(self, place: tuple[int, Value]) -> Value:
        row, k = place
        word = self.builder.add(WORD(row * self.length), k.value)
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


def _lowered(
    rule: Rule, expressions: Sequence[sp.Expr], n: int, slot: str, style: Style
) -> ScalarUpdate:
    """Return plain functions; ``slot`` says how they read slot j of coordinate k."""
    parts = staged(expressions, n)
    places = {symbol(name): name for name in ("t", "g", "f")}
    places |= {symbol(x): slot.format(j=j) for j, x in enumerate(("x", *rule.state))}
    places |= {symbol(name): f"h[{j}]" for j, name in enumerate(rule.hyperparameters)}
    places |= {total: f"r[{j}]" for j, total in enumerate(parts.totals)}
    arguments, late = ("t", "g", "f", "s", "k", "h", "r"), [symbol("g")]
    summands, slots = (
        lower(name, arguments, outputs, places, late, style)
        for name, outputs in (
            ("summands", parts.summands or (sp.S.Zero,)),
            ("update", parts.outputs),
        )
    )
    return ScalarUpdate(summands, slots, max(1, len(parts.totals)), parts.stages)


@functools.lru_cache(maxsize=256)
def lane_update(rule: Rule, n: int) -> Callable[..., Any]:
    """Return the update of all n coordinates: (t, fg, s, h) -> s.

    All slots of a coordinate stand together in ``s``. Step by step it is what a loop
    does with ``native_update``, and so has the same bits.
    """
    expressions = tuple(rule.updates.values())
    plain = _lowered(rule, expressions, n, "s[{j}]", Style.THROUGHPUT)
    summands, slots, stages = plain.summands, plain.slots, plain.stages
    width, none = len(expressions), (0.0,) * plain.totals

    def update(t: Any, fg: Any, s: Any, h: Any) -> Any:
        own = [s[k * width : (k + 1) * width] for k in range(n)]
        # Values, not constants: a first stage may divide by a total of the second.
        r: Any = (t - t,) * len(none) if stages else none
        for _ in range(stages):
            sums: Any = none
            for k in range(n):
                parts = summands(t, fg[k + 1], fg[0], own[k], k, h, r)
                sums = tuple(a + b for a, b in zip(sums, parts, strict=True))
            r = sums
        result: tuple[Any, ...] = ()
        for k in range(n):
            result = (*result, *slots(t, fg[k + 1], fg[0], own[k], k, h, r))
        return result

    return update


@functools.lru_cache(maxsize=256)
def lowered_schedule(
    schedules: tuple[str | None, ...], style: Style = Style.PYTHON
) -> types.FunctionType:
    """Return the hyperparameters of update t: (t, h) -> tuple.

    A hyperparameter without a schedule, None, is passed through from ``h``.
    """
    constants = [sp.Symbol(f"h{j}", real=True) for j in range(len(schedules))]
    t = {"t": symbol("t")}
    outputs = [
        constants[j] if schedule is None else read(schedule, t, closed=True)
        for j, schedule in enumerate(schedules)
    ]
    places = {s: f"h[{j}]" for j, s in enumerate(constants)}
    places[symbol("t")] = "t"
    return lower("schedule", ("t", "h"), outputs, places, style=style)
