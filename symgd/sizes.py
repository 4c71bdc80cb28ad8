"""Sizes that follow from the lengths of arrays: of data, or of a start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import sympy as sp

from symgd.errors import InputError
from symgd.formula import symbol
from symgd.structure import Access, accesses, extreme, numbers_of


def inferred_sizes(
    expression: sp.Expr,
    names: set[str],
    given: Mapping[str, int],
    shapes: Mapping[str, Sequence[int]],
) -> dict[str, int]:
    """Return the sizes that follow from those given and from shapes of arrays.

    A size is as large as the accesses to an array of known length allow.

    Raises
    ------
    InputError
        If two arrays say otherwise of a size.
    """
    sizes, sources = dict(given), dict.fromkeys(given, "")
    listed = accesses(expression)
    progress = True
    while progress:
        progress = False
        for name, axis, length, ends in _ends(listed, shapes, sizes):
            unknown = sorted({s for end in ends for s in _unknown(end, names, sizes)})
            if len(unknown) != 1 or any(
                len(_unknown(e, names, sizes)) > 1 for e in ends
            ):
                continue
            size = unknown[0]
            solved = [_solved(end, symbol(size), length) for end in ends]
            known = [number for number in solved if number is not None]
            if not known:
                continue
            sizes[size], progress = min(known), True
            sources[size] = f"{name} has {_length(length, axis)}"
    for name, axis, length, ends in _ends(listed, shapes, {}):
        used = sorted({s.name for end in ends for s in end.atoms(sp.Symbol)})
        if len(used) != 1 or used[0] in given or used[0] not in sizes:
            continue
        solved = [_solved(end, symbol(used[0]), length) for end in ends]
        known = [number for number in solved if number is not None]
        if known and min(known) != sizes[used[0]]:
            least = min(*known, sizes[used[0]])
            problem = f"{sources[used[0]]}, but {name} has {_length(length, axis)}"
            advice = f"give sizes={{{used[0]!r}: {least}}} if that is meant"
            raise InputError(f"{problem}: which is {used[0]}? {advice}")
    return sizes


def _length(length: int, axis: int) -> str:
    return f"{length} elements" if axis == 0 else f"{length} columns"


def _ends(
    listed: Sequence[Access],
    shapes: Mapping[str, Sequence[int]],
    sizes: Mapping[str, int],
) -> Iterator[tuple[str, int, int, list[sp.Expr]]]:
    """Yield the arrays of known length, with one more than each largest index."""
    for name, shape in shapes.items():
        for axis, length in enumerate(shape):
            ends = []
            for access in listed:
                if access.name == name:
                    top = extreme(access.node.indices[axis], access.ranges, True)
                    if top is not None:
                        ends.append((top + 1).xreplace(numbers_of(sizes)))
            if ends:
                yield name, axis, length, ends


def _unknown(end: sp.Expr, names: set[str], sizes: Mapping[str, int]) -> set[str]:
    return {s.name for s in end.atoms(sp.Symbol) if s.name in names} - set(sizes)


def _solved(end: sp.Expr, size: sp.Symbol, length: int) -> int | None:
    """Return the largest size for which an end is within a length, or None."""
    if not end.has(size):
        return None
    slope = sp.expand(end.xreplace({size: size + 1}) - end)
    if slope.is_Integer and slope > 0:
        return int(sp.floor((length - end.xreplace({size: sp.S.Zero})) / slope))
    low, high = 0, 2 * length + 64
    values = [end.xreplace({size: sp.Integer(k)}) for k in (low, high)]
    if not all(v.is_Integer for v in values) or not values[0] <= length <= values[1]:
        return None
    while high - low > 1:  # it grows, if not evenly: n//2, say
        middle = (low + high) // 2
        above = end.xreplace({size: sp.Integer(middle)}) > length
        low, high = (low, middle) if above else (middle, high)
    return low


def lengths(expression: sp.Expr, name: str, rank: int) -> list[sp.Expr | None]:
    """Return an array's lengths in terms of sizes, where one access is the last."""
    found: list[sp.Expr | None] = []
    for axis in range(rank):
        ends = []
        for access in accesses(expression):
            if access.name == name:
                top = extreme(access.node.indices[axis], access.ranges, True)
                ends.append(sp.nan if top is None else top + 1)
        last = [
            end
            for end in ends
            if all(sp.expand(end - other).is_nonnegative for other in ends)
        ]
        found.append(last[0] if last else None)
    return found
