"""Sums over arrays in NumPy: a loop is an axis of arrays that are computed at once.

Where the range of a loop inside depends on an index, the loop around is one of Python.
The outermost loop goes over blocks of rows, so that what is in between stays small.
Numbers are added as NumPy does: the last digits aren't symgd's.

The twin of ``text_loops``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sympy as sp

from symgd.calculus.program import (
    MAXIMUM,
    PRODUCT,
    SUM,
    Add,
    Gather,
    Let,
    Loop,
    Nest,
    Program,
    Region,
    Step,
    Total,
    index_at,
)
from symgd.lowering.array_words import ArrayWords
from symgd.lowering.loop_numbers import (
    LoopNumbers,
    LoopSyntax,
    index_of,
    vector_of,
)
from symgd.lowering.textual import DOUBLE, WORD, Written

SYNTAX = LoopSyntax(
    helper="{}",
    changing={DOUBLE: "", WORD: ""},
    numbers=lambda name, count, value: f"{name} = [{value}] * {count}",
    converted="np.float64({})",
    large="{}",
)
_NEUTRAL = {SUM: "0.0", PRODUCT: "1.0", MAXIMUM: "-np.inf"}
_JOINED = {SUM: "{} + {}", PRODUCT: "{} * {}", MAXIMUM: "np.maximum({}, {})"}
_REDUCED = {SUM: "sum({})", PRODUCT: "prod({})", MAXIMUM: "max({}initial=-np.inf)"}
_BLOCK = 16384  # numbers of an array that stay in the processor's cache
_END = ""  # of what is inside of a line with a colon


def loops_in_numpy(program: Program, words: ArrayWords, written: Written) -> list[str]:
    """Return the statements of a function of x that adds to g and returns f."""
    return _indented(_NumpyLoops(words, written, SYNTAX).whole(program))


@dataclass(frozen=True)
class _Axis:
    """An index of which all values are computed at once, from low up to high."""

    index: sp.Symbol
    low: sp.Expr
    high: sp.Expr


class _NumpyLoops(LoopNumbers):
    """Writes steps. Arrays have as many axes as the outermost loop has loops inside."""

    def __init__(self, words: ArrayWords, written: Written, syntax: LoopSyntax) -> None:
        super().__init__(words, written, syntax)
        self.axes: list[_Axis] = []
        self.rank = 0
        arrays = [name for name, rank in words.layout.variables if rank]
        self.variables = {name: k for k, name in enumerate(arrays)}

    def whole(self, program: Program) -> list[str]:
        for step in program.steps:
            if isinstance(step, Gather):
                for region in step.regions:
                    self._outermost(_nest_of(step, region))
            elif isinstance(step, Nest):
                self._outermost(step)
            elif isinstance(step, Let):
                self._let(step)
        values = [program.value, *(add.value for add in program.adds)]
        value, *numbers = self.computed(values)
        for add, number in zip(program.adds, numbers, strict=True):
            self.line(f"{self.slope(add)} += {number}")
        self.line(f"return float({value})")
        return [*self._views(), *self.lines]

    def _views(self) -> list[str]:
        """Return the parts of x, v and g that are arrays, as far as they are read."""
        code, lines = "\n".join(self.lines), []
        for name, k in self.variables.items():
            shape, first = self.words.shapes[name], self.words.offsets[name]
            for base in "xvg":
                if re.search(rf"\b{base}{k}\b", code):
                    part = f"{base}[{first}:{first + math.prod(shape)}]"
                    shaped = f".reshape({tuple(shape)})" if len(shape) > 1 else ""
                    lines.append(f"{base}{k} = {part}{shaped}")
        return lines

    def _let(self, let: Let) -> None:
        (number,) = self.computed([let.value])
        self.line(f"{self.name_of(let.name)} = {number}")

    # ------------------------------------------------------------------ loops

    def _outermost(self, nest: Nest) -> None:
        self.rank, loop = _rank(nest), nest.loop
        self._begin(nest.totals)
        if _is_plain(nest):
            self._one_by_one(nest, outermost=True)
            return
        low, high = self.sized(loop.start), self.sized(loop.stop)
        inner = self.sized(_inside(nest))
        numbers = (high - low) * sp.Max(1, inner)
        if numbers.is_Integer and numbers <= _BLOCK:
            self._at_once(nest, low, high, outermost=True)
            return
        given = ", ".join(map(self.integer, (low, high, inner)))
        self.line(f"for low, high in blocks({given}):")
        self._at_once(nest, self._bound("low"), self._bound("high"), outermost=True)
        self.line(_END)

    def _inner(self, nest: Nest) -> None:
        if _is_plain(nest):
            self._begin(nest.totals)
            self._one_by_one(nest, outermost=False)
            return
        low, high = self.sized(nest.loop.start), self.sized(nest.loop.stop)
        # A slice must not count from the end.
        if (high - low).is_Integer:
            self._at_once(nest, low, sp.Max(low, high), outermost=False)
            return
        depth = len(self.axes)
        last = f"max({self.integer(low)}, {self.integer(high)})"
        self.line(f"high{depth} = {last}")
        self._at_once(nest, low, self._bound(f"high{depth}"), outermost=False)

    def _bound(self, name: str) -> sp.Symbol:
        """Return a symbol that stands for a name in code."""
        self.bounds[f"[{name}]"] = name
        return sp.Symbol(f"[{name}]", integer=True, nonnegative=True)

    def _begin(self, totals: Sequence[Total]) -> None:
        for total in totals:
            self.line(f"{self.name_of(total.name)} = {_NEUTRAL[total.kind]}")

    def _one_by_one(self, nest: Nest, outermost: bool) -> None:
        """Write a loop of Python."""
        low, high = map(self.integer, (nest.loop.start, nest.loop.stop))
        self.line(f"for {index_of(nest.loop.index)} in range({low}, {high}):")
        for total, number in zip(nest.totals, self._body(nest), strict=True):
            name = self.name_of(total.name)
            number = f"{self._spread(number)}.sum()" if outermost else number
            self.line(f"{name} = {_JOINED[total.kind].format(name, number)}")
        self.line(_END)

    def _at_once(
        self, nest: Nest, low: sp.Expr, high: sp.Expr, outermost: bool
    ) -> None:
        """Write a loop as an axis."""
        axis, place, i = len(self.axes), len(self.lines), index_of(nest.loop.index)
        self.axes.append(_Axis(nest.loop.index, low, high))
        numbers = self._body(nest)
        for total, number in zip(nest.totals, numbers, strict=True):
            name, spread = self.name_of(total.name), self._spread(number)
            over = "" if outermost else f"axis={axis}, keepdims=True, "
            how = _REDUCED[total.kind].format(over)
            how = f"{spread}.{how.replace(', )', ')')}"
            joined = _JOINED[total.kind].format(name, how) if outermost else how
            self.line(f"{name} = {joined}")
        self.axes.pop()
        if re.search(rf"\b{i}\b", "\n".join(self.lines[place:])):
            numbers_of = f"np.arange({self.integer(low)}, {self.integer(high)})"
            shape = ["1"] * self.rank
            shape[axis] = "-1"
            shaped = f".reshape({', '.join(shape)})" if self.rank > 1 else ""
            self.lines.insert(place, f"{i} = {numbers_of}{shaped}")

    def _body(self, nest: Nest) -> list[str]:
        """Write what is done for each index; return what totals are made of."""
        for step in nest.steps:
            if isinstance(step, Nest):
                self._inner(step)
            else:
                assert isinstance(step, Let)
                self._let(step)
        values = [total.value for total in nest.totals]
        numbers = self.computed([*values, *(add.value for add in nest.adds)])
        for add, number in zip(nest.adds, numbers[len(values) :], strict=True):
            self._add(add, number)
        return numbers[: len(values)]

    def _add(self, add: Add, number: str) -> None:
        """Write what is added to elements of the gradient."""
        array, indices = f"g{self.variables[add.array]}", add.indices
        places = self._sliced(indices)
        if places is None:
            each = "".join(f"{self.integer(index)}, " for index in indices)
            given = f"{array}, ({each.rstrip()}), {number}, {self._shape()}"
            self.line(f"scatter({given})")
            return
        missing = [
            k
            for k, axis in enumerate(self.axes)
            if not any(index.has(axis.index) for index in indices)
        ]
        if missing:
            over = str(tuple(missing)) if len(missing) > 1 else str(missing[0])
            number = f"{self._spread(number)}.sum(axis={over}, keepdims=True)"
        self.line(f"{array}[{places}] += {number}")

    # ---------------------------------------------------------------- numbers

    def element(self, access: sp.Indexed) -> str:
        name, indices = str(access.base.label), access.indices
        moves = any(index.has(a.index) for index in indices for a in self.axes)
        places = self._sliced(indices) if moves else None
        places = places or ", ".join(map(self.integer, indices))
        if (kind := self.words.columns.get(name)) is None:
            base, own = vector_of(name)
            return f"{base}{self.variables[own]}[{places}]"
        number = f"d.{self.words.names[name]}[{places}]"
        return number if kind == "f8" else f"{number}.astype(float)"

    def _sliced(self, indices: Iterable[sp.Expr]) -> str | None:
        """Return indices as slices, in the order of the axes; None if they aren't."""
        parts: list[str] = []
        done = 0  # axes
        for index in map(self.sized, indices):
            moving = [k for k, a in enumerate(self.axes) if index.has(a.index)]
            if not moving:
                parts.append(self.integer(index))
                continue
            axis = self.axes[moving[0]]
            shift = sp.expand(index - axis.index)
            if len(moving) > 1 or shift.has(axis.index) or moving[0] < done:
                return None
            ends = (self.integer(end + shift) for end in (axis.low, axis.high))
            parts += ["None"] * (moving[0] - done)
            parts.append(":".join(ends))
            done = moving[0] + 1
        return ", ".join([*parts, *["None"] * (self.rank - done)])

    def _shape(self) -> str:
        """Return how many numbers there are along each axis."""
        lengths = [self.integer(axis.high - axis.low) for axis in self.axes]
        lengths += ["1"] * (self.rank - len(lengths))
        return f"({', '.join(lengths)}{',' if self.rank == 1 else ''})"

    def _spread(self, number: str) -> str:
        return f"np.broadcast_to({number}, {self._shape()})"


def _nest_of(gather: Gather, region: Region) -> Nest:
    """Return the loops over the elements of a region."""
    indices = tuple(index_at(axis) for axis in range(gather.rank))
    steps: tuple[Step, ...] = region.lets
    values = [total.value for total in region.totals]
    adds: tuple[Add, ...] = (Add(gather.array, indices, region.slope),)
    for axis in reversed(range(gather.rank)):
        totals = tuple(
            Total(
                sp.Symbol(f"[r{axis} {total.name}]", real=True) if axis else total.name,
                value,
                total.kind,
            )
            for total, value in zip(region.totals, values, strict=True)
        )
        loop = Loop(indices[axis], region.starts[axis], region.stops[axis])
        nest = Nest(loop, steps, totals, adds)
        steps, adds, values = (nest,), (), [total.name for total in totals]
    return nest


def _inner_nests(nest: Nest) -> list[Nest]:
    return [step for step in nest.steps if isinstance(step, Nest)]


def _is_plain(nest: Nest) -> bool:
    """Return whether a range inside of a loop depends on its index."""
    return any(_asks(each, nest.loop.index) for each in _inner_nests(nest))


def _asks(nest: Nest, index: sp.Symbol) -> bool:
    ends = (nest.loop.start, nest.loop.stop)
    return any(end.has(index) for end in ends) or any(
        _asks(each, index) for each in _inner_nests(nest)
    )


def _rank(nest: Nest) -> int:
    """Return how many axes the loops of a nest need."""
    inner = max(map(_rank, _inner_nests(nest)), default=0)
    return inner + (not _is_plain(nest))


def _inside(nest: Nest) -> sp.Expr:
    """Return how many numbers there are for each index, those of all loops inside."""
    lengths = (
        _inside(each)
        if _is_plain(each)
        else (each.loop.stop - each.loop.start) * sp.Max(1, _inside(each))
        for each in _inner_nests(nest)
    )
    return sp.Add(*lengths)


def _indented(lines: Iterable[str]) -> list[str]:
    """Return lines as deep as their colons say."""
    result, depth = [], 1
    for line in lines:
        if line == _END:
            depth -= 1
            continue
        result.append("    " * depth + line)
        depth += line.endswith(":")
    return result
