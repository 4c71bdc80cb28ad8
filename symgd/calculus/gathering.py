"""Programs made quick: sums of terms share loops, and gradients are gathered.

A loop that adds to x[i] and to x[i + 1] can't work on several i at once without care,
and goes over the gradient as often as there are accesses. Where all accesses to an
array are shifts of the loops' own indices, the contributions to one element are known:
they are gathered, element by element, and each element is written once.

Loop fusion is here ``merged``; a scatter turned into a gather, a stencil, is
``_gathered``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sympy as sp

from symgd.calculus.lifting import ROOM, SLOPE
from symgd.calculus.program import (
    SUM,
    Add,
    Dense,
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
from symgd.calculus.unread import symbols_read, without_unread
from symgd.language.nodes import replaced

FARTHEST = 2**48  # of a shift, so that 64 bits hold its sum with the end of a range


def quickened(program: Program) -> Program:
    """Return a program that computes the same with fewer and quicker loops."""
    steps = program.steps
    arrays = dict.fromkeys(a.array for s in steps for a in _all_adds(s) if a.indices)
    for array in arrays:
        if not array.startswith((ROOM, SLOPE)):
            steps = _gathered(array, steps)
    return without_unread(dataclasses.replace(program, steps=merged(steps)))


# ---------------------------------------------------------------- loops in common


def merged(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return steps in which loops over the same range are one where they can be."""
    result: list[Step] = []
    for step in steps:
        place = _partner(step, result) if isinstance(step, Nest) else None
        if place is None:
            result.append(step)
        else:
            result[place] = _joined(result[place], step)
    return tuple(
        dataclasses.replace(s, steps=merged(s.steps)) if isinstance(s, Nest) else s
        for s in result
    )


def _partner(nest: Nest, earlier: Sequence[Step]) -> int | None:
    """Return the place of the earliest loop that a loop can join."""
    needed, place = symbols_read(nest), None
    for k in range(len(earlier) - 1, -1, -1):
        step = earlier[k]
        if _names(step) & needed or isinstance(step, Dense):
            break
        if isinstance(step, Nest) and step.loop == nest.loop:
            place = k
    return place


def _joined(a: Step, b: Step) -> Nest:
    assert isinstance(a, Nest)
    assert isinstance(b, Nest)
    return Nest(a.loop, a.steps + b.steps, a.totals + b.totals, a.adds + b.adds)


def _names(step: Step) -> set[sp.Symbol]:
    return {step.name} if isinstance(step, Let) else {t.name for t in step.totals}


# --------------------------------------------------------------------- gathering


def _all_adds(step: Step) -> list[Add]:
    if not isinstance(step, Nest):
        return []
    return [*step.adds, *(add for inner in step.steps for add in _all_adds(inner))]


def _gathered(array: str, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return steps in which an array's slopes are gathered, as far as they can be."""
    adding = [
        k for k, s in enumerate(steps) if any(a.array == array for a in _all_adds(s))
    ]
    shifted = {k: loops for k in adding if (loops := _shifted(steps[k], array))}
    if not shifted:
        return steps
    regions: list[Region] = []
    rest: list[Step | None] = list(steps)
    last = max(shifted)
    for k, loops in shifted.items():
        regions += loops.regions()
        rest[k] = loops.without()
        # Totals move along where nothing waits for them.
        later = [symbols_read(step) for step in steps[k + 1 : last + 1]]
        if loops.is_alone and not _names(steps[k]) & set().union(*later):
            regions.append(loops.counted())
            rest[k] = None
    adds = len(shifted) < len(adding)
    gather = Gather(array, len(regions[0].starts), _by_box(regions), adds)
    after = [*rest[: last + 1], gather, *rest[last + 1 :]]
    return tuple(step for step in after if step is not None and _does_something(step))


def _does_something(step: Step) -> bool:
    return not isinstance(step, Nest) or bool(step.totals or _all_adds(step))


@dataclass(frozen=True)
class _Shifted:
    """Loops over a box that add to one array, at shifts of their indices.

    ``chain`` are the nested loops, which do nothing else; ``shifts`` says of each
    contribution to the array by how much its indices are beyond the loops'.
    """

    array: str
    chain: tuple[Nest, ...]
    shifts: tuple[tuple[Add, tuple[sp.Expr, ...]], ...]

    @property
    def is_alone(self) -> bool:
        """Whether nothing is left but totals that are sums."""
        sums = all(t.kind == SUM for nest in self.chain for t in nest.totals)
        return sums and len(self.chain[-1].adds) == len(self.shifts)

    def regions(self) -> list[Region]:
        """Return the elements that contributions land on, and what lands there."""
        return [
            self._moved(shift, add.value, (), f"{self.array}{k}")
            for k, (add, shift) in enumerate(self.shifts)
        ]

    def counted(self) -> Region:
        """Return the totals, each where the first contribution lands."""
        names = {t.name: t.name for t in self.chain[-1].totals}
        for outer in reversed(self.chain[:-1]):  # what the totals are called outside
            known = {total.value: total.name for total in outer.totals}
            names = {inner: known[name] for inner, name in names.items()}
        totals = [Total(names[t.name], t.value) for t in self.chain[-1].totals]
        return self._moved(self.shifts[0][1], sp.S.Zero, totals, "")

    def _moved(
        self,
        shift: Sequence[sp.Expr],
        slope: sp.Expr,
        totals: Sequence[Total],
        which: str,
    ) -> Region:
        """Return what loops compute as it is seen from the elements it lands on.

        Names in it are made different, as they are of different iterations.
        """
        pairs = list(zip((nest.loop for nest in self.chain), shift, strict=True))
        back: dict[sp.Basic, sp.Basic] = {
            loop.index: index_at(axis) - by for axis, (loop, by) in enumerate(pairs)
        }
        lets = [step for step in self.chain[-1].steps if isinstance(step, Let)]
        for let in lets:
            back[let.name] = sp.Symbol(f"{let.name.name}{which}", real=True)
        return Region(
            tuple(loop.start + by for loop, by in pairs),
            tuple(loop.stop + by for loop, by in pairs),
            tuple(Let(back[let.name], replaced(let.value, back)) for let in lets),
            replaced(slope, back),
            tuple(Total(t.name, replaced(t.value, back)) for t in totals),
        )

    def without(self) -> Nest:
        """Return the loops without the contributions to the array."""
        inner = self.chain[-1]
        kept = tuple(add for add in inner.adds if add.array != self.array)
        nest = dataclasses.replace(inner, adds=kept)
        for outer in reversed(self.chain[:-1]):
            nest = dataclasses.replace(outer, steps=(nest,))
        return nest


def _shifted(step: Step, array: str) -> _Shifted | None:
    """Return loops as those that add to an array at shifts; None if they don't."""
    chain = _chain(step) if isinstance(step, Nest) else None
    if chain is None:
        return None
    shifts = []
    for add in _all_adds(step):
        if add.array == array:
            shift = _shift(add, [nest.loop for nest in chain])
            if shift is None:
                return None
            shifts.append((add, shift))
    return _Shifted(array, chain, tuple(shifts))


def _chain(nest: Nest) -> tuple[Nest, ...] | None:
    """Return loops that are nested and do nothing else, over a box; else None."""
    chain = [nest]
    while not all(isinstance(step, Let) for step in chain[-1].steps):
        (inner, *others), outer = chain[-1].steps, chain[-1]
        forwarded = {t.value for t in outer.totals}
        if others or not isinstance(inner, Nest) or outer.adds:
            return None
        if forwarded != {t.name for t in inner.totals}:
            return None
        chain.append(inner)
    indices = {n.loop.index for n in chain}
    bounds = [bound for n in chain for bound in (n.loop.start, n.loop.stop)]
    box = not any(bound.atoms(sp.Symbol) & indices for bound in bounds)
    return tuple(chain) if box else None


def _shift(add: Add, loops: Sequence[Loop]) -> tuple[sp.Expr, ...] | None:
    """Return by how much each index is beyond the loop's; None if they aren't that."""
    if len(add.indices) != len(loops):
        return None
    pairs = zip(add.indices, loops, strict=True)
    shift = tuple(sp.expand(index - loop.index) for index, loop in pairs)
    near = all(each.is_Integer and abs(each) < FARTHEST for each in shift)
    return shift if near else None


def _by_box(regions: Iterable[Region]) -> tuple[Region, ...]:
    """Return regions of the same elements as one."""
    boxes: dict[tuple[tuple[sp.Expr, ...], ...], list[Region]] = {}
    for region in regions:
        boxes.setdefault((region.starts, region.stops), []).append(region)
    return tuple(
        Region(
            starts,
            stops,
            tuple(let for r in parts for let in r.lets),
            sp.Add(*(r.slope for r in parts)),
            tuple(t for r in parts for t in r.totals),
        )
        for (starts, stops), parts in boxes.items()
    )
