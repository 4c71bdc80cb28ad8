"""The straight-line functions of a block of lanes, and how tuples meet its columns.

A block holds many descents side by side: a row for each quantity, a column (lane) for
each descent. LLVM turns the loop over columns into SIMD if the body is straight-line,
inlined, and addresses rows by constants; so code for blocks is generated for all
variables at once, with ``s[j, l]`` for row j of lane l.
"""

from __future__ import annotations

import functools
from typing import Any

import numba
import numpy as np
import sympy as sp
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from symgd.formula import symbol
from symgd.lowering.native import NativeObjective, inlined
from symgd.lowering.source import lower


@functools.lru_cache(maxsize=128)
def lane_objective(objective: NativeObjective, width: int) -> Any:
    """Return ``(s, l, p) -> (f, g0, g1, ...)`` at the point in column l.

    A variable stands in every row whose number ``width`` divides, its state below it.
    """
    places = {s: f"s[{i * width}, l]" for i, s in enumerate(objective.variables)}
    places |= {s: f"p[{i}, l]" for i, s in enumerate(objective.parameters)}
    outputs = (objective.expression, *objective.gradient)
    return inlined(lower("value_and_gradient", ("s", "l", "p"), outputs, places))


@functools.lru_cache(maxsize=128)
def lane_update(
    updates: tuple[sp.Expr, ...],
    state: tuple[str, ...],
    hyperparameters: tuple[str, ...],
    scheduled: tuple[bool, ...],
    n: int,
) -> Any:
    """Return one update of column l, ``(t, fg, s, l, h, c)``, in the order of rows.

    ``h`` has the hyperparameters of each lane, ``c`` those that follow a schedule and
    are the same for all lanes.
    """
    names, numbers = ("x", *state), range(n)
    own = {(name, k): sp.Symbol(f"{name} of {k}", real=True) for name in ("g", *names)
           for k in numbers}  # fmt: skip
    # In the order of native_update, so that terms are added in the same order.
    places = {symbol("t"): "t", symbol("f"): "fg[0]"}
    places |= {own["g", k]: f"fg[{k + 1}]" for k in numbers}
    places |= {
        own[name, k]: f"s[{k * len(names) + j}, l]"
        for j, name in enumerate(names)
        for k in numbers
    }
    for j, (name, follows) in enumerate(zip(hyperparameters, scheduled, strict=True)):
        places[symbol(name)] = f"c[{j}]" if follows else f"h[{j}, l]"
    outputs = [
        update.xreplace({symbol(name): own[name, k] for name in ("g", *names)})
        for k in numbers
        for update in updates
    ]
    arguments, late = ("t", "fg", "s", "l", "h", "c"), [own["g", k] for k in numbers]
    return inlined(lower("update", arguments, outputs, places, late, groups=n))


def _element(context: Any, builder: Any, kind: Any, array: Any, *index: Any) -> Any:
    """Return the address of an element of an array of one or two dimensions."""
    struct = context.make_array(kind)(context, builder, array)
    shape = cgutils.unpack_tuple(builder, struct.shape, kind.ndim)
    place = index[0]
    if kind.ndim == 2:
        place = builder.add(builder.mul(index[0], shape[1]), index[1])
    return builder.gep(struct.data, [place], inbounds=True)


@intrinsic
def _put(_context: Any, array: Any, lane: Any, numbers: Any) -> Any:
    """Write a tuple down a column."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        for row in range(len(sig.args[2])):
            place = ir.Constant(args[1].type, row), args[1]
            address = _element(context, builder, sig.args[0], args[0], *place)
            builder.store(builder.extract_value(args[2], row), address)
        return context.get_dummy_value()

    return types.void(array, lane, numbers), generate


@intrinsic
def _sum(_context: Any, numbers: Any) -> Any:
    """Add the numbers of a tuple."""

    def generate(_ctx: Any, builder: Any, sig: Any, args: Any) -> Any:
        total = builder.extract_value(args[0], 0)
        for place in range(1, len(sig.args[0])):
            total = builder.fadd(total, builder.extract_value(args[0], place))
        return total

    return types.float64(numbers), generate


@intrinsic(prefer_literal=True)
def _largest(
    _context: Any, fg: Any, s: Any, lane: Any, width: Any, lower: Any, upper: Any
) -> Any:
    """Return the largest component of the gradient, projected at the column's point."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        double = ir.DoubleType()
        fabs = builder.module.declare_intrinsic("llvm.fabs", [double])

        def larger(a: Any, b: Any) -> Any:
            return builder.select(builder.fcmp_ordered(">", a, b), a, b)

        def smaller(a: Any, b: Any) -> Any:
            return builder.select(builder.fcmp_ordered("<", a, b), a, b)

        def read(place: int, *index: Any) -> Any:
            kind, array = sig.args[place], args[place]
            return builder.load(_element(context, builder, kind, array, *index))

        total = ir.Constant(double, 0.0)
        for k in range(len(sig.args[0]) - 1):
            row = ir.Constant(args[2].type, k * sig.args[3].literal_value)
            step = builder.fneg(builder.extract_value(args[0], k + 1))
            if isinstance(sig.args[4], types.Array):
                x, place = read(1, row, args[2]), ir.Constant(args[2].type, k)
                step = larger(step, builder.fsub(read(4, place), x))
                step = smaller(step, builder.fsub(read(5, place), x))
            total = larger(builder.call(fabs, [step]), total)
        return total

    return types.float64(fg, s, lane, width, lower, upper), generate


if numba.config.DISABLE_JIT:

    def put(array: Any, lane: int, numbers: tuple[float, ...]) -> None:
        """Write a tuple down a column of an array."""
        array[: len(numbers), lane] = numbers

    def total(numbers: tuple[float, ...]) -> float:
        """Return the sum of a tuple."""
        return sum(numbers)

    def largest(
        fg: Any, s: Any, lane: int, width: int, lower: Any, upper: Any
    ) -> float:
        """Return the largest component of the gradient; projected, given bounds."""
        step = -np.array(fg[1:])
        if lower is not None:
            x = s[::width, lane]
            step = np.clip(step, lower - x, upper - x)
        return float(np.abs(step).max())

else:
    put = _put
    total = _sum
    largest = _largest
