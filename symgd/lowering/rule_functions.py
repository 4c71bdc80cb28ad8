"""A rule's update as straight-line functions of plain Python, before anything compiles.

A loop forms reductions, values and gradients at other points and products with the
Hessian before the update: in stages, where one holds another one (``rules.staging``).
Here every coordinate is a variable, and so an array of its own.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from symgd.language.formula import read, symbol
from symgd.lowering.code_printer import Style
from symgd.lowering.source import lower
from symgd.rules.random_numbers import COORDINATE
from symgd.rules.rule import Rule
from symgd.rules.staging import staged


@dataclass(frozen=True)
class ScalarUpdate:
    """An update, or what else is computed coordinate by coordinate.

    Attributes
    ----------
    summands : function
        (t, g, f, s, k, h, r) -> what a coordinate adds to each total, at least one
        number, then the coordinate of each point or vector. ``s[0, k]`` is the
        coordinate, ``s[1, k]``, ... its state, then the derivatives so far; ``h`` are
        the hyperparameters, ``r`` the totals so far, then the values at points.
    slots : function
        (t, g, f, s, k, h, r) -> the new coordinate and state, all else being right.
    totals : int
        How many; at least one.
    stages : int
        How often they are to be formed until all are right; 0 if there are none.
    places : int
        How many points and vectors there are.
    values : int
        How many values at points are kept: those of all, or none.
    derivatives : int
        How many gradients elsewhere, and products with the Hessian, there are.
    evaluates, multiplies, probes : int
        The stages that end with one, with the other, or with a value alone, as bits.
    """

    summands: Any
    slots: Any
    totals: int
    stages: int
    places: int
    values: int
    derivatives: int
    evaluates: int
    multiplies: int
    probes: int

    @property
    def ends(self) -> tuple[int, ...]:
        """Of each stage: 0, or 1 where it ends with a gradient, 2 with a value alone.

        A product is 3.
        """
        kinds = (self.evaluates, self.probes, self.multiplies)
        return tuple(
            sum((bits >> stage & 1) * end for end, bits in enumerate(kinds, start=1))
            for stage in range(self.stages)
        )


def lowered_update(
    rule: Rule, expressions: Sequence[sp.Expr], n: int, slot: str, style: Style
) -> ScalarUpdate:
    """Return plain functions; ``slot`` says how they read slot j of coordinate k."""
    parts = staged(expressions, n)
    places = {symbol(name): name for name in ("t", "g", "f")}
    places |= {symbol(x): slot.format(j=j) for j, x in enumerate(("x", *rule.state))}
    places |= {symbol(name): f"h[{j}]" for j, name in enumerate(rule.hyperparameters)}
    count = max(1, len(parts.totals))
    places |= {total: f"r[{j}]" for j, total in enumerate(parts.totals)}
    places |= {each: f"r[{j}]" for j, each in enumerate(parts.values, start=count)}
    places[COORDINATE] = "k"
    ends = enumerate(parts.derivatives, start=1 + len(rule.state))
    places |= {name: slot.format(j=j) for j, name in ends}
    arguments = ("t", "g", "f", "s", "k", "h", "r")
    late = [symbol("g"), *parts.derivatives]
    summands, slots = (
        lower(name, arguments, outputs, places, late, style)
        for name, outputs in (
            ("summands", (*(parts.summands or (sp.S.Zero,)), *parts.places)),
            ("update", parts.outputs),
        )
    )
    return ScalarUpdate(
        *(summands, slots, count, parts.stages),
        *(len(parts.places), len(parts.values), len(parts.derivatives)),
        *(parts.evaluates, parts.multiplies, parts.probes),
    )


def slots_after(rule: Rule, initial: bool) -> tuple[sp.Expr, ...]:
    """Return the coordinate and its state after an update, or before the first."""
    return (
        (symbol("x"), *rule.initial.values())
        if initial
        else tuple(rule.updates.values())
    )


@functools.lru_cache(maxsize=256)
def lane_update(rule: Rule, n: int, initial: bool = False) -> Callable[..., Any]:
    """Return an update of all n coordinates, or their first state: (t, fg, s, h) -> s.

    All slots of a coordinate stand together in ``s``. Step by step it is what a loop
    does with the functions of ``RuleCode``, and so has the same bits. A rule that asks
    for more of the objective also takes what computes it: (s, given) -> value and
    gradient, (s, vector, given) -> product.
    """
    expressions = slots_after(rule, initial)
    plain = lowered_update(rule, expressions, n, "s[{j}]", Style.THROUGHPUT)
    summands, slots, stages = plain.summands, plain.slots, plain.stages
    count, evaluates, multiplies, probes = (
        *(plain.derivatives, plain.evaluates, plain.multiplies, plain.probes),
    )
    width, none = len(expressions), (0.0,) * plain.totals

    def update(
        t: Any,
        fg: Any,
        s: Any,
        h: Any,
        evaluated: Any = None,
        multiplied: Any = None,
        given: Any = (),
    ) -> Any:
        own = [s[k * width : (k + 1) * width] for k in range(n)]
        # Values, not constants: a first stage may divide by a total of the second.
        r: Any = (t - t,) * (len(none) + plain.values) if stages else none
        ahead = [(t - t,) * count for _ in range(n)] if count else [()] * n
        values: tuple[Any, ...] = r[len(none) :]
        place = row = point = 0
        for stage in range(stages):
            sums: Any = none
            there: tuple[Any, ...] = ()
            for k in range(n):
                at = (*own[k], *ahead[k])
                parts = summands(t, fg[k + 1], fg[0], at, k, h, r)
                adds = parts[: len(none)]
                sums = tuple(a + b for a, b in zip(sums, adds, strict=True))
                there = (*there, *parts[len(none) + place : len(none) + place + 1])
            if (evaluates | multiplies | probes) >> stage & 1:
                place += 1
                if multiplies >> stage & 1:
                    f, *slopes = multiplied(s, there, given)
                else:
                    at = ()
                    for k in range(n):
                        at = (*at, there[k], *own[k][1:])
                    f, *slopes = evaluated(at, given)
                    if values:
                        values = (*values[:point], f, *values[point + 1 :])
                    point += 1
            if (evaluates | multiplies) >> stage & 1:
                for k in range(n):  # a value that isn't finite spoils the gradient
                    slope = slopes[k] + (f - f)
                    ahead[k] = (*ahead[k][:row], slope, *ahead[k][row + 1 :])
                row += 1
            r = (*sums, *values)
        result: tuple[Any, ...] = ()
        for k in range(n):
            at = (*own[k], *ahead[k])
            x, *state = slots(t, fg[k + 1], fg[0], at, k, h, r)
            for slope in ahead[k]:  # and that the coordinate
                x = x + (slope - slope)
            result = (*result, x, *state)
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
