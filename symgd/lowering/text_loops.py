"""Sums over arrays as loops of text: a walk over the program of LLVM's loops.

The text is C or JavaScript, as a ``LoopSyntax`` says beside a ``Language``. Numbers are
added in the same order as there: the iterations of a block in LANES sums, what remains
of it in one more, and blocks pairwise. So the bits are the same where the language has
a fused multiply-add.

The twin of ``array_objective``, ``loops`` and ``gathers``.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import sympy as sp

from symgd.calculus.program import (
    MAXIMUM,
    PRODUCT,
    SUM,
    Add,
    Dense,
    Gather,
    Let,
    Nest,
    Program,
    Region,
    Step,
    Total,
    index_at,
)
from symgd.language.formula import symbol, text_of
from symgd.lowering.array_objective import DEEPEST, size_of_blocks
from symgd.lowering.array_words import ArrayWords
from symgd.lowering.c_comments import comment
from symgd.lowering.loop_numbers import (
    LoopNumbers,
    LoopSyntax,
    index_name,
    index_of,
)
from symgd.lowering.places import LANES
from symgd.lowering.textual import DOUBLE, WORD, Written

_NEUTRAL = {SUM: 0.0, PRODUCT: 1.0, MAXIMUM: -math.inf}
_SIGNS = {SUM: "+", PRODUCT: "*", MAXIMUM: ">"}
_LONGEST = 300  # letters of what a comment says of a sum


def loops_in_text(
    program: Program, words: ArrayWords, written: Written, syntax: LoopSyntax
) -> list[str]:
    """Return the statements of a function of x that fills g and returns f.

    Parameters
    ----------
    program : Program
    words : ArrayWords
        What the function knows as ``d``.
    written : Written
        Which gets the elementary functions that are called.
    syntax : LoopSyntax
    """
    return _indented(_TextLoops(words, written, syntax).whole(program))


class _TextLoops(LoopNumbers):
    """Writes steps, one line after the other.

    ``lanes1`` is what ``s1`` has side by side, ``part1`` what it has so far.
    """

    def whole(self, program: Program) -> list[str]:
        self._cleared(program)
        for step in program.steps:
            if isinstance(step, Let):
                self._step(step)
            elif not isinstance(step, Dense):  # which isn't exported
                self._outermost(step)
        values = [program.value, *(add.value for add in program.adds)]
        value, *numbers = self.computed(values)
        for add, number in zip(program.adds, numbers, strict=True):
            self.line(f"{self.slope(add)} += {number};")
        self.line(f"return {value};")
        return self.lines

    def _constant(self, kind: str, name: str, value: str) -> None:
        self.line(f"{self.written.language.declared[kind]}{name} = {value};")

    def _loop(self, index: str, low: Any, high: Any) -> str:
        """Return the head of a loop."""
        begun = f"{self.syntax.changing[WORD]}{index} = {low}"
        return f"for ({begun}; {index} < {high}; {index}++)"

    def _call(self, name: str, *arguments: Any) -> str:
        return f"{self.syntax.helper.format(name)}({', '.join(map(str, arguments))})"

    def _neutral(self, total: Total) -> str:
        return self.written.language.number(_NEUTRAL[total.kind])

    def _lanes(self, total: Total) -> str:
        return f"lanes{self.number_of(total.name)}"

    def _part(self, total: Total) -> str:
        return f"part{self.number_of(total.name)}"

    def _cleared(self, program: Program) -> None:
        """Set the gradient to 0, where it isn't gathered."""
        gathered = {
            s.array for s in program.steps if isinstance(s, Gather) and not s.adds
        }
        for name, _ in self.words.layout.variables:
            if name not in gathered:
                first = self.words.offsets[name]
                last = first + sp.prod(self.words.shapes[name])
                self.line(f"{self._loop('k', first, last)} g[k] = 0.0;")

    # ------------------------------------------------------------------ loops

    def _outermost(self, step: Nest | Gather) -> None:
        """Write a loop block by block, and add the blocks pairwise."""
        self._said(step.totals)
        start, stop = self._range(step)
        size = size_of_blocks(step)
        length = stop - start
        if not step.totals or (length.is_Integer and length <= size):
            self._within(step, *map(self.integer, (start, stop)))
            return
        names = [self.name_of(total.name) for total in step.totals]
        kinds = "".join(_SIGNS[total.kind] for total in step.totals)
        first, last = map(self.integer, (start, stop))
        whole, number = self.syntax.changing[WORD], self.syntax.changing[DOUBLE]
        begun = ", ".join(
            f"{name} = {self._neutral(total)}"
            for name, total in zip(names, step.totals, strict=True)
        )
        self.lines += [
            f"{number}{begun};",
            "{",
            self.syntax.numbers("blocks", DEEPEST * len(names), None),
            f"{whole}depth = 0;",
            f"for ({whole}low = {first}, high, done = 1; low < {last};"
            " low = high, done++) {",
            f"high = {self._call('smaller', f'low + {size}', last)};",
        ]
        ends = self._run(step, "low", "high")
        base = "depth" if len(ends) == 1 else f"{len(ends)}*depth"
        self.lines += [
            f"blocks[{base}{f' + {k}' if k else ''}] = {end};"
            for k, end in enumerate(ends)
        ]
        kinds = f'"{kinds}", blocks'
        self.lines += [
            f"depth = {self._call('join_blocks', kinds, 'depth + 1', 'done')};",
            "}",
            f"depth = {self._call('join_blocks', kinds, 'depth', 0)};",
            "if (depth > 0) {",
            *(f"{name} = blocks[{k}];" for k, name in enumerate(names)),
            "}",
            "}",
        ]

    def _said(self, totals: Sequence[Total]) -> None:
        """Write a comment on what is added up."""
        told = []
        for total in totals:
            own = {s for s in total.value.atoms(sp.Symbol) if s.name.startswith("[")}
            value = total.value.xreplace({s: symbol(self.name_of(s)) for s in own})
            text = textwrap.shorten(f"{total.kind} of {text_of(value)}", _LONGEST)
            told.append(f"{self.name_of(total.name)}: {text}")
        self.lines += comment(told).splitlines() if told else []

    def _range(self, step: Nest | Gather) -> tuple[sp.Expr, sp.Expr]:
        if isinstance(step, Gather):
            return sp.S.Zero, sp.Integer(self.words.shapes[step.array][0])
        return self.sized(step.loop.start), self.sized(step.loop.stop)

    def _within(self, step: Nest | Gather, low: str, high: str) -> None:
        """Write a loop that is one block; what it adds up has names after it."""
        ends = self._run(step, low, high)
        for total, end in zip(step.totals, ends, strict=True):
            self._constant(DOUBLE, self.name_of(total.name), end)

    def _run(self, step: Nest | Gather, low: str, high: str) -> list[str]:
        """Write a loop over part of its range; return its totals."""
        single = isinstance(step, Nest) and not _is_flat(step)
        for total in step.totals:
            if single:
                number = f"{self.syntax.changing[DOUBLE]}{self._part(total)}"
                self.line(f"{number} = {self._neutral(total)};")
                continue
            begun = self._neutral(total)
            self.line(self.syntax.numbers(self._lanes(total), LANES + 1, begun))
        if isinstance(step, Gather):
            self._gather(step, low, high)
        elif not single and _may_meet(step.adds):
            self._packs(step, low, high)
        else:
            self._iterations(step, low, high)
        if single:
            return [self._part(total) for total in step.totals]
        return [
            self._call("join_lanes", f"'{_SIGNS[total.kind]}'", self._lanes(total))
            for total in step.totals
        ]

    def _iterations(self, nest: Nest, low: str, high: str) -> None:
        """Write a loop whose iterations are done one after the other."""
        i = index_of(nest.loop.index)
        self.line(f"{self._loop(i, low, high)} {{")
        if _is_flat(nest):
            if nest.totals:
                self._constant(WORD, "lane", self._call("lane_of", i, low, high))
            places = [f"{self._lanes(total)}[lane]" for total in nest.totals]
        else:
            places = [self._part(total) for total in nest.totals]
        for add, number in zip(nest.adds, self._iteration(nest, places), strict=True):
            self.line(f"{self.slope(add)} += {number};")
        self.line("}")

    def _packs(self, nest: Nest, low: str, high: str) -> None:
        """Write a loop of LANES iterations at once, one contribution after the other.

        Contributions to the same place are so added in the order of LLVM's loops.
        """
        i = index_of(nest.loop.index)
        each, whole = (
            self._loop(i, "first", "first + width"),
            self.syntax.changing[WORD],
        )
        slopes = [f"slopes{k}" for k in range(len(nest.adds))]
        self.lines += [
            f"for ({whole}first = {low}, width; first < {high}; first += width) {{",
            *(self.syntax.numbers(slope, LANES, None) for slope in slopes),
            f"width = {high} - first < {LANES} ? 1 : {LANES};",
            f"{each} {{",
        ]
        if nest.totals:
            lane = f"width == {LANES} ? {i} - first : {LANES}"
            self._constant(WORD, "lane", lane)
        places = [f"{self._lanes(total)}[lane]" for total in nest.totals]
        numbers = self._iteration(nest, places)
        for slope, number in zip(slopes, numbers, strict=True):
            self.line(f"{slope}[{i} - first] = {number};")
        self.line("}")
        for slope, add in zip(slopes, nest.adds, strict=True):
            self.line(f"{each} {self.slope(add)} += {slope}[{i} - first];")
        self.line("}")

    def _iteration(self, nest: Nest, places: Sequence[str]) -> list[str]:
        """Write an iteration; return what is to be added to the gradient."""
        for step in nest.steps:
            self._step(step)
        values = [total.value for total in nest.totals]
        numbers = self.computed([*values, *(add.value for add in nest.adds)])
        self._enter(nest.totals, places, numbers[: len(values)])
        return numbers[len(values) :]

    def _step(self, step: Step) -> None:
        if isinstance(step, Let):
            (number,) = self.computed([step.value])
            self._constant(DOUBLE, self.name_of(step.name), number)
        elif not isinstance(step, Dense):
            self._within(step, *map(self.integer, self._range(step)))

    def _enter(
        self, totals: Sequence[Total], places: Sequence[str], numbers: Sequence[str]
    ) -> None:
        """Write what an iteration adds to totals."""
        for total, place, number in zip(totals, places, numbers, strict=True):
            if total.kind == MAXIMUM:
                joined = self._call("join", "'>'", place, number)
                self.line(f"{place} = {joined};")
            else:
                self.line(f"{place} {_SIGNS[total.kind]}= {number};")

    # ---------------------------------------------------------------- gathers

    def _gather(self, gather: Gather, low: str, high: str) -> None:
        """Write loops over elements: inside of all regions, or of some of them."""
        shape = self.words.shapes[gather.array]
        last = gather.rank - 1
        for axis in range(last):
            i = index_name(axis)
            first, end = (low, high) if axis == 0 else ("0", str(shape[axis]))
            self.line(f"{self._loop(i, first, end)} {{")
        i = index_name(last)
        first, end = (low, high) if last == 0 else ("0", str(shape[last]))
        regions = gather.regions
        begin = self._extreme("larger", [first, *(r.starts[last] for r in regions)])
        stop = self._extreme("smaller", [end, *(r.stops[last] for r in regions)])
        around = [self._inside(r, range(last)) for r in regions]
        inside = " && ".join(dict.fromkeys(text for text in around if text))
        inside = f"{inside} && begin < stop" if inside else "begin < stop"
        width = f"stop - begin - (stop - begin)%{LANES}"
        indices = [index_at(axis) for axis in range(gather.rank)]
        self.line("{")
        self._constant(WORD, "begin", begin)
        self._constant(WORD, "stop", stop)
        self._constant(WORD, "full", f"{inside} ? {width} : 0")
        self.lines += [
            f"{self._loop(i, first, end)} {{",
            f"{self.syntax.changing[DOUBLE]}slope = 0.0;",
            f"if (begin <= {i} && {i} < begin + full) {{",
        ]
        self._side_by_side(gather, f"({i} - begin)%{LANES}")
        self.line("} else {")
        for region in regions:
            self._region(region, gather.rank)
        place = self.place(gather.array, indices)
        self.lines += ["}", f"g[{place}] {'+=' if gather.adds else '='} slope;"]
        self.lines += ["}"] * (gather.rank + 1)

    def _side_by_side(self, gather: Gather, lane: str) -> None:
        """Write what all regions together contribute to an element."""
        known = set()
        for region in gather.regions:
            for let in region.lets:
                if let.name not in known:
                    self._step(let)
                known.add(let.name)
        slope = sp.Add(*(region.slope for region in gather.regions))
        values = [slope, *(total.value for total in gather.totals)]
        number, *numbers = self.computed(values)
        if gather.totals:
            self._constant(WORD, "lane", lane)
        places = [f"{self._lanes(total)}[lane]" for total in gather.totals]
        self._enter(gather.totals, places, numbers)
        self.line(f"slope = {number};")

    def _region(self, region: Region, rank: int) -> None:
        """Write what one region contributes to an element."""
        self.line(f"if ({self._inside(region, range(rank)) or '1'}) {{")
        for let in region.lets:
            self._step(let)
        values = [region.slope, *(total.value for total in region.totals)]
        number, *numbers = self.computed(values)
        places = [f"{self._lanes(total)}[{LANES}]" for total in region.totals]
        self._enter(region.totals, places, numbers)
        self.lines += [f"slope += {number};", "}"]

    def _inside(self, region: Region, axes: Iterable[int]) -> str:
        """Return the condition for an element to be in a region."""
        return " && ".join(
            f"{self.integer(region.starts[axis])} <= {index_name(axis)}"
            f" && {index_name(axis)} < {self.integer(region.stops[axis])}"
            for axis in axes
        )

    def _extreme(self, which: str, parts: Sequence[str | sp.Expr]) -> str:
        texts = [p if isinstance(p, str) else self.integer(p) for p in parts]
        first, *others = dict.fromkeys(texts)
        for other in others:
            first = self._call(which, first, other)
        return first


def _is_flat(nest: Nest) -> bool:
    return not any(isinstance(step, Nest) for step in nest.steps)


def _may_meet(adds: Sequence[Add]) -> bool:
    """Return whether several contributions go to one array."""
    return len({add.array for add in adds}) < len(adds)


def _indented(lines: Iterable[str]) -> list[str]:
    """Return lines as deep as their braces say."""
    result, depth = [], 1
    for line in lines:
        depth -= line.startswith("}")
        result.append("  " * depth + line)
        depth += line.endswith("{")
    return result
