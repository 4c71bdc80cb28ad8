"""In which order the unknowns of a sparse symmetric system are eliminated.

Next comes the unknown that has the fewest neighbours left, so that few entries of the
factors are other than 0: minimum degree ordering, on the quotient graph of the matrix,
with bounds of degrees that are quick to find. What the factors have where is known from
the order alone, as nothing is ever exchanged.

Sources: Amestoy, Davis and Duff 1996, "An approximate minimum degree ordering
algorithm", sections 2 to 4; Davis 2005, "Algorithm 849: a concise sparse Cholesky
factorization package" (the tree of eliminations).
"""

from __future__ import annotations

from typing import Any

from symgd.lowering.intrinsics import integers, record_at
from symgd.lowering.jitting import jit
from symgd.native.records import Elimination

elimination_at = record_at(Elimination)

WAITING, UNKNOWN, ELEMENT, ABSORBED = 0, 1, 2, 3
NONE = -1


@jit
def _neighbours(run: Any) -> int:
    """Write each unknown's neighbours to the room; return where that ends."""
    n = run.unknowns
    rows, columns = (
        integers(run.rows, (run.entries,)),
        integers(run.columns, (run.entries,)),
    )
    first, count, room = (
        integers(run.first, (n,)),
        integers(run.count, (n,)),
        integers(run.room, (run.rooms,)),
    )
    for i in range(n):
        count[i] = 0
    for e in range(run.entries):
        if rows[e] != columns[e]:
            count[rows[e]] += 1
            count[columns[e]] += 1
    free = 0
    for i in range(n):
        first[i], free, count[i] = free, free + count[i], 0
    for e in range(run.entries):
        one, other = rows[e], columns[e]
        if one != other:
            room[first[one] + count[one]] = other
            room[first[other] + count[other]] = one
            count[one] += 1
            count[other] += 1
    return free


@jit
def _enlist(run: Any, i: int, degree: int) -> None:
    """Enter an unknown among those of a degree."""
    n = run.unknowns
    heads, after, before = (
        integers(run.heads, (n,)),
        integers(run.after, (n,)),
        integers(run.before, (n,)),
    )
    after[i], before[i] = heads[degree], NONE
    if heads[degree] != NONE:
        before[heads[degree]] = i
    heads[degree] = i


@jit
def _delist(run: Any, i: int, degree: int) -> None:
    """Take an unknown away from those of a degree."""
    n = run.unknowns
    heads, after, before = (
        integers(run.heads, (n,)),
        integers(run.after, (n,)),
        integers(run.before, (n,)),
    )
    if after[i] != NONE:
        before[after[i]] = before[i]
    if before[i] != NONE:
        after[before[i]] = after[i]
    else:
        heads[degree] = after[i]


@jit
def _united(run: Any, pivot: int, free: int) -> int:
    """Make an element of an unknown: all that its elimination couples.

    Returns
    -------
    int
        Where the room ends.
    """
    n = run.unknowns
    first, count, room = (
        integers(run.first, (n,)),
        integers(run.count, (n,)),
        integers(run.room, (run.rooms,)),
    )
    kind, mark = integers(run.kind, (n,)), integers(run.mark, (n,))
    begin = free
    kind[pivot], mark[pivot] = ELEMENT, pivot
    for place in range(first[pivot], first[pivot] + count[pivot]):
        near = room[place]
        if kind[near] == ELEMENT:
            for k in range(first[near], first[near] + count[near]):
                i = room[k]
                if kind[i] <= UNKNOWN and mark[i] != pivot:
                    mark[i] = pivot
                    room[free] = i
                    free += 1
            kind[near] = ABSORBED
        elif kind[near] <= UNKNOWN and mark[near] != pivot:
            mark[near] = pivot
            room[free] = near
            free += 1
    first[pivot], count[pivot] = begin, free - begin
    return free


@jit
def _count_outside(run: Any, pivot: int) -> None:
    """Count what each element has beside a new one."""
    n = run.unknowns
    first, count, room = (
        integers(run.first, (n,)),
        integers(run.count, (n,)),
        integers(run.room, (run.rooms,)),
    )
    kind, parts = integers(run.kind, (n,)), integers(run.parts, (n,))
    outside, seen = integers(run.outside, (n,)), integers(run.met, (n,))
    for place in range(first[pivot], first[pivot] + count[pivot]):
        i = room[place]
        for k in range(first[i], first[i] + parts[i]):
            element = room[k]
            if kind[element] == ELEMENT:
                if seen[element] != pivot:
                    seen[element], outside[element] = pivot, count[element]
                outside[element] -= 1


@jit
def _renew(run: Any, i: int, pivot: int) -> int:
    """Let an unknown be a neighbour of a new element, and forget what that covers.

    Returns
    -------
    int
        How many neighbours it has beside those of the new element, at most.
    """
    n = run.unknowns
    first, count, room = (
        integers(run.first, (n,)),
        integers(run.count, (n,)),
        integers(run.room, (run.rooms,)),
    )
    kind, parts = integers(run.kind, (n,)), integers(run.parts, (n,))
    outside, mark = integers(run.outside, (n,)), integers(run.mark, (n,))
    begin, middle, end = first[i], first[i] + parts[i], first[i] + count[i]
    free, others = begin, 0
    for k in range(begin, middle):
        element = room[k]
        if kind[element] == ELEMENT:
            if outside[element] > 0:
                others += outside[element]
                room[free] = element
                free += 1
            else:
                kind[element] = ABSORBED
    if free == middle:  # then it was a neighbour of the pivot itself
        for k in range(middle, end):
            if room[k] == pivot:
                room[k] = room[middle]
                break
        middle += 1
    room[free] = pivot
    free += 1
    parts[i] = free - begin
    for k in range(middle, end):
        near = room[k]
        if kind[near] <= UNKNOWN and mark[near] != pivot:
            room[free] = near
            free += 1
    count[i] = free - begin
    return others + count[i] - parts[i]


@jit
def _order(run: Any) -> int:
    """Find the order; return 0, or -1 if the room is too small."""
    n = run.unknowns
    order, kind = integers(run.order, (n,)), integers(run.kind, (n,))
    first, count, room = (
        integers(run.first, (n,)),
        integers(run.count, (n,)),
        integers(run.room, (run.rooms,)),
    )
    heads, degree, late = (
        integers(run.heads, (n,)),
        integers(run.degree, (n,)),
        integers(run.late, (n,)),
    )
    mark, parts, seen = (
        integers(run.mark, (n,)),
        integers(run.parts, (n,)),
        integers(run.met, (n,)),
    )
    free, lowest = _neighbours(run), 0
    for i in range(n):
        heads[i] = mark[i] = seen[i] = NONE
        degree[i], parts[i], kind[i] = count[i], 0, UNKNOWN
    for i in range(n - 1, -1, -1):
        if late[i] and count[i] > 0:
            kind[i] = WAITING
        else:
            _enlist(run, i, degree[i])
    for done in range(n):
        while heads[lowest] == NONE:
            lowest += 1
        pivot = heads[lowest]
        _delist(run, pivot, lowest)
        order[pivot] = done
        if free + degree[pivot] > run.rooms:
            return -1
        free = _united(run, pivot, free)
        _count_outside(run, pivot)
        for place in range(first[pivot], first[pivot] + count[pivot]):
            i = room[place]
            if kind[i] == WAITING:
                kind[i] = UNKNOWN
            else:
                _delist(run, i, degree[i])
            apart, whole = _renew(run, i, pivot), count[pivot] - 1
            most = min(degree[i] + whole, n - done - 2)
            degree[i] = max(0, min(most, apart + whole))
            _enlist(run, i, degree[i])
            lowest = min(lowest, degree[i])
    return 0


@jit
def _place(run: Any) -> None:
    """Write where each entry stands: in columns, above the diagonal, which is last."""
    n = run.unknowns
    rows, columns = (
        integers(run.rows, (run.entries,)),
        integers(run.columns, (run.entries,)),
    )
    order, starts = integers(run.order, (n,)), integers(run.starts, (n + 1,))
    places, diagonal = (
        integers(run.places, (run.entries,)),
        integers(run.diagonal, (n,)),
    )
    within, filled = integers(run.within, (run.entries + n,)), integers(run.mark, (n,))
    for i in range(n + 1):
        starts[i] = 0
    for e in range(run.entries):
        if rows[e] != columns[e]:
            starts[max(order[rows[e]], order[columns[e]]) + 1] += 1
    for i in range(n):
        starts[i + 1] += starts[i] + 1
        filled[i] = starts[i]
    for i in range(n):
        diagonal[i] = starts[order[i] + 1] - 1
        within[diagonal[i]] = order[i]
    for e in range(run.entries):
        one, other = order[rows[e]], order[columns[e]]
        column = max(one, other)
        if one == other:
            places[e] = starts[column + 1] - 1
        else:
            places[e] = filled[column]
            within[filled[column]] = min(one, other)
            filled[column] += 1


@jit
def _grow(run: Any) -> None:
    """Write the tree of eliminations, and where each column of the factors begins."""
    n = run.unknowns
    starts, within = (
        integers(run.starts, (n + 1,)),
        integers(run.within, (run.entries + n,)),
    )
    parents, factors = (
        integers(run.parents, (n,)),
        integers(run.factor_starts, (n + 1,)),
    )
    mark = integers(run.mark, (n,))
    for i in range(n + 1):
        factors[i] = 0
    for column in range(n):
        parents[column], mark[column] = NONE, column
        for place in range(starts[column], starts[column + 1] - 1):
            i = within[place]
            while mark[i] != column:
                if parents[i] == NONE:
                    parents[i] = column
                factors[i + 1] += 1
                mark[i] = column
                i = parents[i]
    for i in range(n):
        factors[i + 1] += factors[i]


@jit
def analyse(run: Any) -> int:
    """Find an order, and what the factors have where: see ``native.records``.

    Returns
    -------
    int
        How many entries the factors have below their diagonal; -1 if the room is too
        small.
    """
    n = run.unknowns
    if run.natural:
        order = integers(run.order, (n,))
        for i in range(n):
            order[i] = i
    elif _order(run) < 0:
        return -1
    _place(run)
    _grow(run)
    return integers(run.factor_starts, (n + 1,))[n]


def entry(run: Any) -> int:
    """Run :func:`analyse`, with the address of a record."""
    return analyse(elimination_at(run))
