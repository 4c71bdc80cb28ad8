"""Names of a program that nothing reads are left out.

Elsewhere: dead-code elimination.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Set

import sympy as sp

from symgd.calculus.program import Dense, Gather, Let, Nest, Program, Region, Step


def without_unread(program: Program) -> Program:
    """Return a program without names that nothing reads."""
    while True:
        values = [program.value, *(add.value for add in program.adds)]
        read = symbols_of(values).union(*map(symbols_read, program.steps))
        steps = _kept(program.steps, read)
        if steps == program.steps:
            return program
        program = dataclasses.replace(program, steps=steps)


def symbols_read(step: Step) -> set[sp.Symbol]:
    """Return all symbols that a step reads."""
    if isinstance(step, Dense):
        return set()
    if isinstance(step, Let):
        return symbols_of([step.value])
    if isinstance(step, Gather):
        parts = [r.slope for r in step.regions] + [t.value for t in step.totals]
        return symbols_of(parts + [let.value for r in step.regions for let in r.lets])
    values = [step.loop.start, step.loop.stop, *(t.value for t in step.totals)]
    values += [part for add in step.adds for part in (add.value, *add.indices)]
    return symbols_of(values).union(*map(symbols_read, step.steps))


def symbols_of(values: Iterable[sp.Expr]) -> set[sp.Symbol]:
    """Return the symbols in several expressions."""
    return {s for value in values for s in value.atoms(sp.Symbol)}


def _kept(steps: Iterable[Step], read: Set[sp.Symbol]) -> tuple[Step, ...]:
    kept = (_narrowed(step, read) for step in steps)
    return tuple(step for step in kept if step is not None)


def _narrowed(step: Step, read: Set[sp.Symbol]) -> Step | None:
    """Return what of a step is read; None if nothing is."""
    if isinstance(step, Dense):
        return step
    if isinstance(step, Let):
        return step if step.name in read else None
    if isinstance(step, Gather):
        regions = tuple(_region(region, read) for region in step.regions)
        return dataclasses.replace(step, regions=regions)
    totals = tuple(total for total in step.totals if total.name in read)
    nest = dataclasses.replace(step, totals=totals, steps=_kept(step.steps, read))
    return nest if _does_something(nest) else None


def _region(region: Region, read: Set[sp.Symbol]) -> Region:
    return dataclasses.replace(
        region,
        lets=tuple(let for let in region.lets if let.name in read),
        totals=tuple(total for total in region.totals if total.name in read),
    )


def _does_something(nest: Nest) -> bool:
    inner = (step for step in nest.steps if isinstance(step, Nest))
    return bool(nest.totals or nest.adds) or any(map(_does_something, inner))
