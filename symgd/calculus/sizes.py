"""Sizes that follow from the lengths of arrays: of data, or of a start.

Inference of dimensions, by linear equations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import sympy as sp

from symgd.calculus.structure import Access, accesses, extreme, numbers_of, within
from symgd.errors import InputError
from symgd.language.formula import Measured, symbol, text_of


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
    sizes = dict(given)
    listed = [_where_it_counts(access, names) for access in accesses(expression)]
    while found := _allowed(listed, shapes, names, sizes):
        for name, candidates in found.items():
            (size, array), *others = sorted(candidates)
            sizes[name] = size
            for other, which in others:
                if other != size and shapes[which] != shapes[array]:
                    told = [f"{a} has shape {tuple(shapes[a])}" for a in (which, array)]
                    advice = f"give sizes={{{name!r}: {size}}} if that is meant"
                    problem = f"{told[0]}, but {told[1]}: which is {name}?"
                    raise InputError(f"{problem} {advice}")
    return sizes


def measured_sizes(
    measured: Measured, given: Mapping[str, int], shapes: Mapping[str, Sequence[int]]
) -> dict[str, int]:
    """Return the sizes that follow from how long arrays are said to be.

    Raises
    ------
    InputError
        If an array has another length.
    """
    sizes, found = dict(given), True
    while found:
        found = False
        for name, axis, length in measured.lengths:
            if name in shapes:
                size, rest = shapes[name][axis], length.xreplace(numbers_of(sizes))
                if rest.is_Integer and rest != size:
                    shape, where = tuple(shapes[name]), f" along axis {axis}"
                    problem = f"{name} has shape {shape}, but here it has {int(rest)}"
                    known = "" if length.is_Integer else f", {text_of(length)}"
                    where = where if len(shape) > 1 else ""
                    raise InputError(f"{problem} elements{where}{known}")
                if (solved := _only(rest, size)) is not None:
                    sizes |= solved
                    found = True
    return sizes


def _only(length: sp.Expr, size: int) -> dict[str, int] | None:
    """Return the one unknown of a length, if it is one number for each length."""
    if len(length.free_symbols) != 1:
        return None
    (unknown,) = length.free_symbols
    rest = sp.expand(length - unknown)
    return {unknown.name: size - int(rest)} if rest.is_Integer else None


def lengths_of(
    measured: Measured, sizes: Mapping[str, int], ranks: Mapping[str, int]
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of arrays of which all lengths are known."""
    numbers = numbers_of(sizes)
    found: dict[str, dict[int, int]] = {}
    for name, axis, length in measured.lengths:
        if (number := length.xreplace(numbers)).is_Integer and name in ranks:
            found.setdefault(name, {})[axis] = int(number)
    return {
        name: tuple(axes[k] for k in range(ranks[name]))
        for name, axes in found.items()
        if len(axes) == ranks[name]
    }


def check_needs(measured: Measured, sizes: Mapping[str, int]) -> None:
    """Refuse sizes for which a slice would be another one than was read.

    Raises
    ------
    InputError
        With that slice.
    """
    for number, text in measured.needs:
        known = number.xreplace(numbers_of(sizes))
        if known.is_Integer and known < 0:
            problem = f"{text}, which is {int(known)} here"
            advice = "slices end where an array does if its length is in sizes, or data"
            raise InputError(f"{problem}: {advice}")


def _where_it_counts(access: Access, names: set[str]) -> Access:
    """Return an access with the ranges in which its conditions may hold."""
    ranges = within(access, names) if access.guards else access.ranges
    return Access(access.node, ranges)


def _allowed(
    listed: Sequence[Access],
    shapes: Mapping[str, Sequence[int]],
    names: set[str],
    sizes: Mapping[str, int],
) -> dict[str, list[tuple[int, str]]]:
    """Return what each array of known length allows of the sizes that can be told."""
    found: dict[str, list[tuple[int, str]]] = {}
    for array, length, ends in _ends(listed, shapes, sizes):
        unknown = [_unknown(end, names, sizes) for end in ends]
        if any(len(each) > 1 for each in unknown):
            continue
        for name in sorted(set().union(*unknown)):
            solved = [_solved(end, symbol(name), length) for end in ends]
            known = [number for number in solved if number is not None]
            if known:
                found.setdefault(name, []).append((min(known), array))
    return found


def _ends(
    listed: Sequence[Access],
    shapes: Mapping[str, Sequence[int]],
    sizes: Mapping[str, int],
) -> Iterator[tuple[str, int, list[sp.Expr]]]:
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
                yield name, length, ends


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


def lengths(
    expression: sp.Expr, names: set[str], name: str, rank: int
) -> list[sp.Expr | None]:
    """Return an array's lengths in terms of sizes, where one access is the last."""
    found: list[sp.Expr | None] = []
    for axis in range(rank):
        ends = []
        for access in accesses(expression):
            if access.name == name:
                access = _where_it_counts(access, names)
                top = extreme(access.node.indices[axis], access.ranges, True)
                ends.append(sp.nan if top is None else top + 1)
        last = [
            end
            for end in ends
            if all(sp.expand(end - other).is_nonnegative for other in ends)
        ]
        found.append(last[0] if last else None)
    return found
