"""Programs as text: the loops that are compiled, as Python would write them.

A pretty-printer of the intermediate representation in ``program``.
"""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp

from symgd.calculus.guarding import END
from symgd.calculus.lifting import ROOM, SLOPE, System
from symgd.calculus.program import (
    FACTOR,
    MAXIMUM,
    PRODUCT,
    SOLVE,
    SOLVE_BACK,
    SUM,
    Add,
    Dense,
    Gather,
    Let,
    Loop,
    Nest,
    Program,
    Step,
    Total,
    index_at,
)
from symgd.language.formula import symbol, text_of

INDICES = "ijklmpqr"


def listing(program: Program, arguments: Iterable[str], arrays: Iterable[str]) -> str:
    """Return the source of a function that computes value and gradient.

    The code that runs does the same: LANES iterations of an innermost loop at once, and
    totals of blocks pairwise.
    """
    names = list(arguments)
    lines = [f"def value_and_gradient({', '.join(names)}):"]
    shown = _Names({*names})
    gathered = {s.array for s in program.steps if isinstance(s, Gather) and not s.adds}
    for array in arrays:
        kind = "empty" if array in gathered else "zeros"
        lines.append(f"    {slope_name(array)} = {kind}(shape({array}))")
    for system in program.systems:
        lines += shown.rooms(system)
    for step in program.steps:
        lines += shown.step(step, 1)
    lines += [shown.add(add, 1) for add in program.adds]
    slopes = ", ".join(slope_name(array) for array in arrays)
    lines.append(f"    return {shown.text(program.value)}, ({slopes},)")
    return "\n".join(lines) + "\n"


def slope_name(array: str) -> str:
    """Return what the derivative by a variable is called."""
    return f"d_{array}"


class _Names:
    """Writes steps with readable names for indices and totals."""

    def __init__(self, taken: set[str]) -> None:
        self.taken = taken
        self.known: dict[sp.Basic, sp.Basic] = {}

    def text(self, expression: sp.Expr) -> str:
        for own in expression.atoms(sp.Symbol):
            if own not in self.known and own.name.startswith("["):
                self.known[own] = symbol(self._name(own.name))
        return text_of(expression.xreplace(self.known))

    def _name(self, own: str) -> str:
        """Return a readable name for one of the program's own: an index, or a value."""
        if own.startswith(END):
            array, axis = own.removeprefix(END).split()
            return f"shape({array})[{axis}] - 1"
        if own.startswith((ROOM, SLOPE)):
            plain = own.removeprefix(SLOPE).removeprefix(ROOM)
            plain = f"d{plain[:-1]}" if plain.endswith("d") else f"m{plain}"
            return slope_name(plain) if own.startswith(SLOPE) else plain
        kind, number = own[1], own[2:].replace("]", "")
        free = [name for name in INDICES if name not in self.taken]
        if kind == "i" and int(number) < len(free):
            return free[int(number)]
        return f"s{number}"

    def step(self, step: Step, depth: int) -> list[str]:
        space = "    " * depth
        if isinstance(step, Let):
            return [f"{space}{self.text(step.name)} = {self.text(step.value)}"]
        if isinstance(step, Dense):
            return [space + self._dense(step)]
        starts = {SUM: "0.0", PRODUCT: "1.0", MAXIMUM: "-inf"}
        lines = [f"{space}{self.text(t.name)} = {starts[t.kind]}" for t in step.totals]
        if isinstance(step, Gather):
            return lines + self._gather(step, depth)
        lines.append(f"{space}{self._loop(step.loop)}")
        for inner in step.steps:
            lines += self.step(inner, depth + 1)
        return lines + self._iteration(step, depth + 1)

    def rooms(self, system: System) -> list[str]:
        """Return the lines that make a program's own arrays."""
        rows, columns = self.text(system.rows), self.text(system.columns)
        name = self._name(system.name)
        shapes = {name: f"({rows}, {columns})"}
        if not system.matrix:
            shapes[self._name(system.told)] = "(1, 3)"
        return [
            f"    {made} = zeros({shape})"
            for array, shape in shapes.items()
            for made in (array, slope_name(array))
        ]

    def _dense(self, step: Dense) -> str:
        matrix, right = self._name(step.matrix.name), self._name(step.right.name)
        told = self._name(step.matrix.told)
        slopes = slope_name(matrix)
        if step.kind == FACTOR:
            return f"{matrix}, {told} = factors({matrix})  # det, logdet, logabsdet"
        if step.kind == SOLVE:
            return f"{right} = solve({matrix}, {right})"
        if step.kind == SOLVE_BACK:
            back = f"solve({matrix}.T, {slope_name(right)})"
            other = f"{slopes} -= {slope_name(right)} @ {right}.T"
            return f"{slope_name(right)} = {back}; {other}"
        weight = f"{slope_name(told)} @ (det, 1, 1)"
        return f"{slopes} += {weight}*inv({matrix}).T"

    def _loop(self, loop: Loop) -> str:
        start, stop = self.text(loop.start), self.text(loop.stop)
        ends = stop if start == "0" else f"{start}, {stop}"
        return f"for {self.text(loop.index)} in range({ends}):"

    def _iteration(self, nest: Nest, depth: int) -> list[str]:
        space = "    " * depth
        lines = [space + self._total(total) for total in nest.totals]
        return lines + [self.add(add, depth) for add in nest.adds]

    def _total(self, total: Total) -> str:
        name, value = self.text(total.name), self.text(total.value)
        if total.kind == MAXIMUM:
            return f"{name} = max({name}, {value})"
        return f"{name} {'*=' if total.kind == PRODUCT else '+='} {value}"

    def add(self, add: Add, depth: int) -> str:
        """Return the line that adds to the gradient."""
        place = ", ".join(map(self.text, add.indices))
        own = add.array.startswith((ROOM, SLOPE))
        array = self._name(add.array) if own else slope_name(add.array)
        target = array + (f"[{place}]" if place else "")
        return f"{'    ' * depth}{target} += {self.text(add.value)}"

    def _gather(self, gather: Gather, depth: int) -> list[str]:
        indices = [self.text(index_at(axis)) for axis in range(gather.rank)]
        lines = []
        for axis, index in enumerate(indices):
            length = f"shape({gather.array})[{axis}]"
            lines.append(f"{'    ' * (depth + axis)}for {index} in range({length}):")
        space = "    " * (depth + gather.rank)
        lines.append(f"{space}slope = 0.0")
        for region in gather.regions:
            ranges = zip(region.starts, indices, region.stops, strict=True)
            inside = " and ".join(
                f"{self.text(low)} <= {index} < {self.text(high)}"
                for low, index, high in ranges
            )
            lines.append(f"{space}if {inside}:")
            for let in region.lets:
                lines += self.step(let, depth + gather.rank + 1)
            if region.slope != 0:
                lines.append(f"{space}    slope += {self.text(region.slope)}")
            for total in region.totals:
                name, value = self.text(total.name), self.text(total.value)
                lines.append(f"{space}    {name} += {value}")
        place = ", ".join(indices)
        sign = "+=" if gather.adds else "="
        lines.append(f"{space}{slope_name(gather.array)}[{place}] {sign} slope")
        return lines
