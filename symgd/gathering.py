"""Programs made quick: sums of terms share loops, and gradients are gathered.

A loop that adds to x[i] and to x[i + 1] can't work on several i at once without care,
and goes over the gradient as often as there are accesses. Where all accesses to an
array are shifts of the loops' own indices, the contributions to one element are known:
they are gathered, element by element, and each element is written once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import sympy as sp

from symgd.programs import (
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


def quickened(program: Program) -> Program:
    """Return a program that computes the same with fewer and quicker loops."""
    steps = merged(program.steps)
    arrays = dict.fromkeys(a.array for s in steps for a in _all_adds(s) if a.indices)
    for array in arrays:
        if not any(add.array == array for add in program.adds):
            steps = _gathered(array, steps)
    return dataclasses.replace(program, steps=steps)


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
    needed, place = _symbols(nest), None
    for k in range(len(earlier) - 1, -1, -1):
        step = earlier[k]
        if _names(step) & needed:
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


def _symbols(step: Step) -> set[sp.Symbol]:
    """Return all symbols that a step reads."""
    if isinstance(step, Let):
        return step.value.atoms(sp.Symbol)
    if isinstance(step, Gather):
        parts = [r.slope for r in step.regions] + [t.value for t in step.totals]
        return {s for part in parts for s in part.atoms(sp.Symbol)}
    values = [step.loop.start, step.loop.stop, *(t.value for t in step.totals)]
    values += [part for add in step.adds for part in (add.value, *add.indices)]
    symbols = {s for value in values for s in value.atoms(sp.Symbol)}
    return symbols.union(*map(_symbols, step.steps))


# --------------------------------------------------------------------- gathering


def _all_adds(step: Step) -> list[Add]:
    if not isinstance(step, Nest):
        return []
    return [*step.adds, *(add for inner in step.steps for add in _all_adds(inner))]


def _gathered(array: str, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return steps in which an array's slopes are gathered, if they all can be."""
    places = [
        k for k, s in enumerate(steps) if any(a.array == array for a in _all_adds(s))
    ]
    regions: list[Region] = []
    rest: list[Step] = list(steps)
    for k in places:
        step = steps[k]
        assert isinstance(step, Nest)
        chain = _chain(step)
        adds = [] if chain is None else [a for a in chain[-1].adds if a.array == array]
        if chain is None or len(adds) < sum(a.array == array for a in _all_adds(step)):
            return steps
        loops = tuple(nest.loop for nest in chain)
        moved = [_region(add, loops) for add in adds]
        if not all(moved):
            return steps
        regions += [region for region in moved if region is not None]
        rest[k] = _without(array, chain)
    last = places[-1]
    for k in places:  # totals move along where nothing waits for them
        nest = rest[k]
        assert isinstance(nest, Nest)
        chain = _chain(nest)
        assert chain is not None
        waiting = _names(nest) & set().union(*map(_symbols, rest[k + 1 : last + 1]))
        if not chain[-1].adds and not waiting and not _products(chain):
            regions.append(_counted(chain, steps[k], array))
            rest[k] = Let(sp.Symbol("[none]", real=True), sp.S.Zero)
    rest.insert(last + 1, Gather(array, len(loops), _by_box(regions)))
    return tuple(s for s in rest if not _is_empty(s))


def _is_empty(step: Step) -> bool:
    if isinstance(step, Let):
        return step.name.name == "[none]"
    return not step.totals and isinstance(step, Nest) and not _all_adds(step)


def _products(chain: Sequence[Nest]) -> bool:
    return any(total.kind != SUM for nest in chain for total in nest.totals)


def _chain(nest: Nest) -> list[Nest] | None:
    """Return loops that are nested and do nothing else, over a box; else None."""
    chain = [nest]
    while chain[-1].steps:
        (inner, *others), outer = chain[-1].steps, chain[-1]
        forwarded = {t.value for t in outer.totals}
        if others or not isinstance(inner, Nest) or outer.adds:
            return None
        if forwarded != {t.name for t in inner.totals}:
            return None
        chain.append(inner)
    indices = {n.loop.index for n in chain}
    bounds = [bound for n in chain for bound in (n.loop.start, n.loop.stop)]
    return None if any(b.atoms(sp.Symbol) & indices for b in bounds) else chain


def _without(array: str, chain: Sequence[Nest]) -> Nest:
    inner = chain[-1]
    adds = tuple(a for a in inner.adds if a.array != array)
    nest = dataclasses.replace(inner, adds=adds)
    for outer in reversed(chain[:-1]):
        nest = dataclasses.replace(outer, steps=(nest,))
    return nest


def _shifts(add: Add, loops: Sequence[Loop]) -> list[sp.Expr] | None:
    """Return by how much each index is beyond the loop's; None if they aren't that."""
    if len(add.indices) != len(loops):
        return None
    pairs = zip(add.indices, loops, strict=True)
    shifts = [sp.expand(index - loop.index) for index, loop in pairs]
    return shifts if all(shift.is_Integer for shift in shifts) else None


def _region(add: Add, loops: Sequence[Loop]) -> Region | None:
    """Return the elements that a contribution lands on, and what lands there."""
    shifts = _shifts(add, loops)
    if shifts is None:
        return None
    return _moved(loops, shifts, add.value, ())


def _moved(
    loops: Sequence[Loop],
    shifts: Sequence[sp.Expr],
    slope: sp.Expr,
    totals: Sequence[Total],
) -> Region:
    back = {
        loop.index: index_at(k) - shift
        for k, (loop, shift) in enumerate(zip(loops, shifts, strict=True))
    }
    pairs = list(zip(loops, shifts, strict=True))
    return Region(
        tuple(loop.start + shift for loop, shift in pairs),
        tuple(loop.stop + shift for loop, shift in pairs),
        slope.xreplace(back),
        tuple(Total(t.name, t.value.xreplace(back)) for t in totals),
    )


def _counted(chain: Sequence[Nest], original: Step, array: str) -> Region:
    """Return the totals of loops, each where the first contribution landed."""
    loops = [nest.loop for nest in chain]
    add = next(a for a in _all_adds(original) if a.array == array)
    shifts = _shifts(add, loops)
    assert shifts is not None
    names = {t.name: t.name for t in chain[-1].totals}
    for outer in reversed(chain[:-1]):  # what the totals are called outside
        known = {total.value: total.name for total in outer.totals}
        names = {inner: known[name] for inner, name in names.items()}
    totals = [Total(names[t.name], t.value) for t in chain[-1].totals]
    return _moved(loops, shifts, sp.S.Zero, totals)


def _by_box(regions: Iterable[Region]) -> tuple[Region, ...]:
    boxes: dict[tuple[tuple[sp.Expr, ...], ...], list[Region]] = {}
    for region in regions:
        boxes.setdefault((region.starts, region.stops), []).append(region)
    return tuple(
        Region(
            starts,
            stops,
            sp.Add(*(r.slope for r in parts)),
            tuple(t for r in parts for t in r.totals),
        )
        for (starts, stops), parts in boxes.items()
    )
