"""Sums over arrays as loops of C: a walk over the program that LLVM's loops come from.

Numbers are added in the same order as there: the iterations of a block in LANES sums,
what remains of it in one more, and blocks pairwise. So the bits are the same.

The twin of ``array_objective``, ``loops`` and ``gathers``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

import sympy as sp
from sympy.printing.str import StrPrinter

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
from symgd.calculus.whole import operands
from symgd.errors import FormulaError
from symgd.language.formula import symbol, text_of
from symgd.language.functions import real_abs
from symgd.lowering.array_objective import DEEPEST, size_of_blocks
from symgd.lowering.array_words import ArrayWords
from symgd.lowering.c_comments import comment
from symgd.lowering.places import LANES, straight
from symgd.lowering.textual import Written

_INDICES = "ijklmn"
_NEUTRAL = {SUM: "0.0", PRODUCT: "1.0", MAXIMUM: "-(double)INFINITY"}
_SIGNS = {SUM: "+", PRODUCT: "*", MAXIMUM: ">"}
_LONGEST = 300  # letters of what a comment says of a sum


def loops_in_c(
    program: Program, words: ArrayWords, written: Written, prefix: str
) -> list[str]:
    """Return the statements of a function of x that fills g and returns f.

    Parameters
    ----------
    program : Program
    words : ArrayWords
        What the function knows as ``d``.
    written : Written
        Which gets the elementary functions that are called.
    prefix : str
        How the names of functions begin.
    """
    return _indented(_LoopsInC(words, written, prefix).whole(program))


class _LoopsInC:
    """Writes steps, one line after the other.

    Names are ``i``, ``j`` for indices, ``s1`` for what the program has a name for,
    ``lanes1`` for its sums side by side, ``t1`` for what is in between.
    """

    def __init__(self, words: ArrayWords, written: Written, prefix: str) -> None:
        self.words, self.written, self.prefix = words, written, prefix
        self.fixed = {k: v for k, v in words.sizes.items() if k not in words.rows}
        self.lines: list[str] = []
        self.numbers: dict[sp.Symbol, int] = {}
        self.named = 0  # how many numbers in between have names

    def whole(self, program: Program) -> list[str]:
        self._cleared(program)
        for step in program.steps:
            if isinstance(step, Let):
                self._step(step)
            elif not isinstance(step, Dense):  # which isn't exported
                self._outermost(step)
        values = [program.value, *(add.value for add in program.adds)]
        value, *numbers = self._computed(values)
        for add, number in zip(program.adds, numbers, strict=True):
            self._line(f"{self._slope(add)} += {number};")
        self._line(f"return {value};")
        return self.lines

    def _name(self, own: sp.Symbol) -> str:
        """Return what one of the program's own names is called."""
        if _is_index(own):
            return _index_of(own)
        return f"s{self._numbered(own)}"

    def _lanes(self, total: Total) -> str:
        return f"lanes{self._numbered(total.name)}"

    def _part(self, total: Total) -> str:
        return f"part{self._numbered(total.name)}"

    def _numbered(self, own: sp.Symbol) -> int:
        return self.numbers.setdefault(own, 1 + len(self.numbers))

    def _line(self, text: str) -> None:
        self.lines.append(text)

    def _cleared(self, program: Program) -> None:
        """Set the gradient to 0, where it isn't gathered."""
        gathered = {
            s.array for s in program.steps if isinstance(s, Gather) and not s.adds
        }
        for name, _ in self.words.layout.variables:
            if name not in gathered:
                first = self.words.offsets[name]
                last = first + sp.prod(self.words.shapes[name])
                self._line(f"for (int k = {first}; k < {last}; k++) g[k] = 0.0;")

    # ------------------------------------------------------------------ loops

    def _outermost(self, step: Nest | Gather) -> None:
        """Write a loop block by block, and add the blocks pairwise."""
        self._said(step.totals)
        start, stop = self._range(step)
        size = size_of_blocks(step)
        length = stop - start
        if not step.totals or (length.is_Integer and length <= size):
            self._within(step, *map(self._integer, (start, stop)))
            return
        names = [self._name(total.name) for total in step.totals]
        kinds = "".join(_SIGNS[total.kind] for total in step.totals)
        first, last = map(self._integer, (start, stop))
        join, smaller = (f"{self.prefix}_{n}" for n in ("join_blocks", "smaller"))
        begun = ", ".join(
            f"{n} = {_NEUTRAL[t.kind]}" for n, t in zip(names, step.totals, strict=True)
        )
        self.lines += [
            f"double {begun};",
            "{",
            f"double blocks[{DEEPEST}][{len(names)}];",
            "int depth = 0;",
            f"for (int64_t low = {first}, high, done = 1; low < {last};"
            " low = high, done++) {",
            f"high = {smaller}(low + {size}, {last});",
        ]
        ends = self._run(step, "low", "high")
        self.lines += [f"blocks[depth][{k}] = {end};" for k, end in enumerate(ends)]
        self.lines += [
            f'depth = {join}("{kinds}", blocks[0], depth + 1, done);',
            "}",
            f'depth = {join}("{kinds}", blocks[0], depth, 0);',
            "if (depth > 0) {",
            *(f"{name} = blocks[0][{k}];" for k, name in enumerate(names)),
            "}",
            "}",
        ]

    def _said(self, totals: Sequence[Total]) -> None:
        """Write a comment on what is added up."""
        told = []
        for total in totals:
            own = {s for s in total.value.atoms(sp.Symbol) if s.name.startswith("[")}
            value = total.value.xreplace({s: symbol(self._name(s)) for s in own})
            text = textwrap.shorten(f"{total.kind} of {text_of(value)}", _LONGEST)
            told.append(f"{self._name(total.name)}: {text}")
        self.lines += comment(told).splitlines() if told else []

    def _range(self, step: Nest | Gather) -> tuple[sp.Expr, sp.Expr]:
        if isinstance(step, Gather):
            return sp.S.Zero, sp.Integer(self.words.shapes[step.array][0])
        return self._sized(step.loop.start), self._sized(step.loop.stop)

    def _within(self, step: Nest | Gather, low: str, high: str) -> None:
        """Write a loop that is one block; what it adds up has names after it."""
        ends = self._run(step, low, high)
        for total, end in zip(step.totals, ends, strict=True):
            self._line(f"const double {self._name(total.name)} = {end};")

    def _run(self, step: Nest | Gather, low: str, high: str) -> list[str]:
        """Write a loop over part of its range; return its totals."""
        single = isinstance(step, Nest) and not _is_flat(step)
        for total in step.totals:
            neutral = _NEUTRAL[total.kind]
            if single:
                self._line(f"double {self._part(total)} = {neutral};")
                continue
            alike = "0.0" if total.kind == SUM else ", ".join([neutral] * (LANES + 1))
            self._line(f"double {self._lanes(total)}[{LANES + 1}] = {{{alike}}};")
        if isinstance(step, Gather):
            self._gather(step, low, high)
        elif not single and _may_meet(step.adds):
            self._packs(step, low, high)
        else:
            self._iterations(step, low, high)
        if single:
            return [self._part(total) for total in step.totals]
        join = f"{self.prefix}_join_lanes"
        return [f"{join}('{_SIGNS[t.kind]}', {self._lanes(t)})" for t in step.totals]

    def _iterations(self, nest: Nest, low: str, high: str) -> None:
        """Write a loop whose iterations are done one after the other."""
        i = _index_of(nest.loop.index)
        self._line(f"for (int64_t {i} = {low}; {i} < {high}; {i}++) {{")
        if _is_flat(nest):
            if nest.totals:
                lane = f"{self.prefix}_lane({i}, {low}, {high})"
                self._line(f"const int64_t lane = {lane};")
            places = [f"{self._lanes(total)}[lane]" for total in nest.totals]
        else:
            places = [self._part(total) for total in nest.totals]
        for add, number in zip(nest.adds, self._iteration(nest, places), strict=True):
            self._line(f"{self._slope(add)} += {number};")
        self._line("}")

    def _packs(self, nest: Nest, low: str, high: str) -> None:
        """Write a loop of LANES iterations at once, one contribution after the other.

        Contributions to the same place are so added in the order of LLVM's loops.
        """
        i = _index_of(nest.loop.index)
        each = f"for (int64_t {i} = first; {i} < first + width; {i}++)"
        slopes = [f"slopes{k}" for k in range(len(nest.adds))]
        self.lines += [
            f"for (int64_t first = {low}, width; first < {high}; first += width) {{",
            f"double {', '.join(f'{slope}[{LANES}]' for slope in slopes)};",
            f"width = {high} - first < {LANES} ? 1 : {LANES};",
            f"{each} {{",
        ]
        if nest.totals:
            lane = f"width == {LANES} ? {i} - first : {LANES}"
            self._line(f"const int64_t lane = {lane};")
        places = [f"{self._lanes(total)}[lane]" for total in nest.totals]
        numbers = self._iteration(nest, places)
        for slope, number in zip(slopes, numbers, strict=True):
            self._line(f"{slope}[{i} - first] = {number};")
        self._line("}")
        for slope, add in zip(slopes, nest.adds, strict=True):
            self._line(f"{each} {self._slope(add)} += {slope}[{i} - first];")
        self._line("}")

    def _iteration(self, nest: Nest, places: Sequence[str]) -> list[str]:
        """Write an iteration; return what is to be added to the gradient."""
        for step in nest.steps:
            self._step(step)
        values = [total.value for total in nest.totals]
        numbers = self._computed([*values, *(add.value for add in nest.adds)])
        self._enter(nest.totals, places, numbers[: len(values)])
        return numbers[len(values) :]

    def _step(self, step: Step) -> None:
        if isinstance(step, Let):
            (number,) = self._computed([step.value])
            self._line(f"const double {self._name(step.name)} = {number};")
        elif not isinstance(step, Dense):
            self._within(step, *map(self._integer, self._range(step)))

    def _enter(
        self, totals: Sequence[Total], places: Sequence[str], numbers: Sequence[str]
    ) -> None:
        """Write what an iteration adds to totals."""
        for total, place, number in zip(totals, places, numbers, strict=True):
            if total.kind == MAXIMUM:
                joined = f"{self.prefix}_join('>', {place}, {number})"
                self._line(f"{place} = {joined};")
            else:
                self._line(f"{place} {_SIGNS[total.kind]}= {number};")

    # ---------------------------------------------------------------- gathers

    def _gather(self, gather: Gather, low: str, high: str) -> None:
        """Write loops over elements: inside of all regions, or of some of them."""
        shape = self.words.shapes[gather.array]
        last = gather.rank - 1
        for axis in range(last):
            i = _index(axis)
            first, end = (low, high) if axis == 0 else ("0", str(shape[axis]))
            self._line(f"for (int64_t {i} = {first}; {i} < {end}; {i}++) {{")
        i = _index(last)
        first, end = (low, high) if last == 0 else ("0", str(shape[last]))
        regions = gather.regions
        begin = self._extreme("larger", [first, *(r.starts[last] for r in regions)])
        stop = self._extreme("smaller", [end, *(r.stops[last] for r in regions)])
        around = [self._inside(r, range(last)) for r in regions]
        inside = " && ".join(dict.fromkeys(text for text in around if text))
        inside = f"{inside} && begin < stop" if inside else "begin < stop"
        width = f"(stop - begin)/{LANES}*{LANES}"
        indices = [index_at(axis) for axis in range(gather.rank)]
        self.lines += [
            "{",
            f"const int64_t begin = {begin}, stop = {stop};",
            f"const int64_t whole = {inside} ? {width} : 0;",
            f"for (int64_t {i} = {first}; {i} < {end}; {i}++) {{",
            "double slope = 0.0;",
            f"if (begin <= {i} && {i} < begin + whole) {{",
        ]
        self._side_by_side(gather, f"({i} - begin)%{LANES}")
        self._line("} else {")
        for region in regions:
            self._region(region, gather.rank)
        place = self._place(gather.array, indices)
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
        number, *numbers = self._computed(values)
        if gather.totals:
            self._line(f"const int64_t lane = {lane};")
        places = [f"{self._lanes(total)}[lane]" for total in gather.totals]
        self._enter(gather.totals, places, numbers)
        self._line(f"slope = {number};")

    def _region(self, region: Region, rank: int) -> None:
        """Write what one region contributes to an element."""
        self._line(f"if ({self._inside(region, range(rank)) or '1'}) {{")
        for let in region.lets:
            self._step(let)
        values = [region.slope, *(total.value for total in region.totals)]
        number, *numbers = self._computed(values)
        places = [f"{self._lanes(total)}[{LANES}]" for total in region.totals]
        self._enter(region.totals, places, numbers)
        self.lines += [f"slope += {number};", "}"]

    def _inside(self, region: Region, axes: Iterable[int]) -> str:
        """Return the condition for an element to be in a region."""
        return " && ".join(
            f"{self._integer(region.starts[axis])} <= {_index(axis)}"
            f" && {_index(axis)} < {self._integer(region.stops[axis])}"
            for axis in axes
        )

    def _extreme(self, which: str, parts: Sequence[str | sp.Expr]) -> str:
        texts = [p if isinstance(p, str) else self._integer(p) for p in parts]
        first, *others = dict.fromkeys(texts)
        for other in others:
            first = f"{self.prefix}_{which}({first}, {other})"
        return first

    # ---------------------------------------------------------------- numbers

    def _computed(self, outputs: Sequence[sp.Expr]) -> list[str]:
        """Write the statements that compute expressions; return their values."""
        function, accesses, symbols = straight(tuple(outputs))
        given = [*map(self._element, accesses), *map(self._number, symbols)]
        lines, results, self.named = self.written.statements(
            function, given or ["0.0"], self.named
        )
        self.lines += lines
        return results

    def _number(self, name: sp.Symbol) -> str:
        """Return the number that a name stands for."""
        layout, text = self.words.layout, name.name
        if text.startswith("["):
            known = self._name(name)
            return f"(double){known}" if _is_index(name) else known
        if text in layout.sizes:
            size = self._integer(name)
            return f"(double){size}" if text in self.words.rows else f"{size}.0"
        if text in layout.parameters:
            return f"d.{self.words.names[text]}"
        return f"x[{self.words.offsets[text]}]"

    def _element(self, access: sp.Indexed) -> str:
        name = str(access.base.label)
        kind = self.words.columns.get(name)
        if kind is None:
            return f"x[{self._place(name, access.indices)}]"
        number = f"d.{self.words.names[name]}[{self._place(name, access.indices)}]"
        return number if kind == "f8" else f"(double){number}"

    def _slope(self, add: Add) -> str:
        return f"g[{self._place(add.array, add.indices)}]"

    def _place(self, name: str, indices: Sequence[sp.Expr]) -> str:
        """Return where an element is in its array, or in x."""
        place = sp.S.Zero
        for index, length in zip(indices, self.words.shapes[name], strict=True):
            place = place * length + self._sized(index)
        offset = self.words.offsets.get(name, 0)
        return self._integer(sp.expand(place + offset))

    def _sized(self, expression: sp.Expr) -> sp.Expr:
        """Put in the sizes that stay as they are."""
        return expression.xreplace(
            {
                s: sp.Integer(self.fixed[s.name])
                for s in expression.atoms(sp.Symbol)
                if s.name in self.fixed
            }
        )

    def _integer(self, expression: sp.Expr) -> str:
        """Return an index or a bound."""
        rows = {name: f"d.{self.words.names[name]}" for name in self.words.rows}
        return _Integers(self.prefix, rows).doprint(self._sized(expression))


class _Integers(StrPrinter):
    """Writes whole numbers; their divisions round down."""

    def __init__(self, prefix: str, rows: dict[str, str]) -> None:
        super().__init__()
        self.prefix, self.rows = prefix, rows

    def emptyPrinter(self, expr: sp.Expr) -> str:
        raise FormulaError(f"{text_of(expr)} can't be an index")

    def _call(self, name: str, *arguments: sp.Expr) -> str:
        given = ", ".join(map(self._print, arguments))
        return f"{self.prefix}_{name}({given})"

    def _print_Integer(self, expr: sp.Integer) -> str:
        return str(expr) if abs(expr) < 2**31 else f"INT64_C({expr})"

    def _print_Rational(self, expr: sp.Rational) -> str:
        return self.emptyPrinter(expr)

    def _print_Symbol(self, expr: sp.Symbol) -> str:
        return self.rows.get(expr.name) or _index_of(expr)

    def _print_floor(self, expr: sp.floor) -> str:
        whole, above, below = operands(expr)
        text = self._call("floored", above, below)
        return text if whole == 0 else f"({self._print(whole)} + {text})"

    def _print_ceiling(self, expr: sp.ceiling) -> str:
        return f"(-{self._print_floor(sp.floor(-expr.args[0], evaluate=False))})"

    def _print_Mod(self, expr: sp.Mod) -> str:
        return self._call("modulus", *operands(expr))

    def _extreme(self, name: str, expr: sp.Expr) -> str:
        first, *others = map(self._print, expr.args)
        for other in others:
            first = f"{self.prefix}_{name}({first}, {other})"
        return first

    def _print_Max(self, expr: sp.Max) -> str:
        return self._extreme("larger", expr)

    def _print_Min(self, expr: sp.Min) -> str:
        return self._extreme("smaller", expr)

    def _print_Abs(self, expr: sp.Expr) -> str:
        (inside,) = expr.args
        return self._call("larger", inside, -inside)

    def _print_Pow(self, expr: sp.Pow, rational: bool = False) -> str:
        if not (expr.exp.is_Integer and expr.exp > 0):
            return self.emptyPrinter(expr)
        return "*".join([f"({self._print(expr.base)})"] * int(expr.exp))


setattr(_Integers, f"_print_{real_abs.__name__}", _Integers._print_Abs)


def _index(depth: int) -> str:
    return _INDICES[depth] if depth < len(_INDICES) else f"i{depth}"


def _index_of(own: sp.Symbol) -> str:
    return _index(int(own.name[2:-1]))


def _is_index(own: sp.Symbol) -> bool:
    return own.name.startswith("[i")


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
