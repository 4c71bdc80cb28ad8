"""Formulas of arrays that leave symgd: what C may choose, and what is fixed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import sympy as sp

from symgd.calculus import structure
from symgd.calculus.program import Nest, Step
from symgd.calculus.sizes import inferred_sizes
from symgd.errors import InputError
from symgd.lowering.array_words import ArrayWords
from symgd.lowering.made_up import MadeUp
from symgd.objectives.arrays import Arrays
from symgd.objectives.objective import Objective

ROWS = (2 * 2048 + 11, 2 * 16 + 11, 11)  # of data that are made up, by nested loops
MOST = 10_000  # coordinates: all are on the stack


def travelling_arrays(objective: Objective, path: Path) -> Objective:
    """Return an objective of arrays as it can leave: its data without gaps.

    Raises
    ------
    InputError
        If it can't.
    """
    arrays = objective.arrays
    assert arrays is not None
    if path.suffix.lower() == ".html":
        problem = "a page draws formulas of single numbers, and this has arrays"
        raise InputError(f"{problem}: .js has its sums, value, gradient and rules")
    if arrays.shapes is None:
        raise arrays.unknown_sizes()
    if arrays.partitions is not None:
        raise InputError("data in partitions can't be exported: give some of the rows")
    if len(arrays.space) > MOST:
        problem = f"{len(arrays.space):,} coordinates are too many to be exported"
        raise InputError(f"{problem}: {MOST:,} at most")
    if chosen := sorted(structure.index_arrays(arrays.expression)):
        problem = f"{chosen[0]!r} holds indices, and in an exported file nothing"
        raise InputError(f"{problem} would check them")
    if arrays.layout.factors:
        problem = "det, inv and solve of more than 4 rows can't be exported"
        raise InputError(f"{problem}: what factors the matrix is part of symgd")
    if arrays.ends:
        problem = "an index that only a condition keeps inside of its array can't be"
        raise InputError(f"{problem} exported: give the sum the range in which it is")
    return objective.dense()


def words_of(arrays: Arrays) -> ArrayWords:
    """Return how the loops are told of their data."""
    assert arrays.shapes is not None
    shapes = {**arrays.shapes, **{k: a.shape for k, a in arrays.data.items()}}
    return ArrayWords(arrays.layout, arrays.sizes, _rows(arrays), shapes)


def made_up(objective: Objective) -> tuple[Objective, Mapping[str, MadeUp]]:
    """Return an objective of data that are made up, and these, to check a file with.

    Rows are enough for several blocks of each loop, and for some that remain.
    """
    arrays = objective.arrays
    assert arrays is not None
    counted = _rows(arrays)
    steps = arrays.program().steps
    rows = ROWS[min(max(map(_depth, steps), default=0), len(ROWS) - 1)]
    many = {name for data in counted.values() for name in data}
    columns = {}
    for k, (name, array) in enumerate(sorted(arrays.data.items())):
        shape = (rows, *array.shape[1:]) if name in many else array.shape
        columns[name] = MadeUp.like(array, shape, 11 * k)
    data = {name: column.array() for name, column in columns.items()}
    sizes = {**arrays.sizes, **dict.fromkeys(counted, rows)}
    return objective.with_columns(data, sizes), columns


def _depth(step: Step) -> int:
    """Return how many loops are inside of the outermost one."""
    inner = step.steps if isinstance(step, Nest) else ()
    depths = (1 + _depth(each) for each in inner if isinstance(each, Nest))
    return max(depths, default=0)


def _rows(arrays: Arrays) -> dict[str, list[str]]:
    """Return the sizes that only count rows of data, and of which.

    All others stay as they are: a loop must not leave what it was checked for.
    """
    assert arrays.shapes is not None
    expression, names = arrays.expression, arrays.size_names
    fixed = {*arrays.static}
    fixed |= inferred_sizes(expression, names, {}, arrays.shapes).keys()
    counted: dict[str, list[str]] = {}
    for access in structure.accesses(expression):
        first, *others = access.node.indices
        last = structure.extreme(first, access.ranges, True)
        size = None if last is None else last + 1
        if access.name in arrays.data and size is not None and size.is_Symbol:
            data = counted.setdefault(size.name, [])
            data += [access.name] if access.name not in data else []
        else:
            others.append(first)
        fixed |= {name.name for index in others for name in _names(index, access)}
    return {name: counted[name] for name in sorted(counted) if name not in fixed}


def _names(index: sp.Expr, access: structure.Access) -> set[sp.Symbol]:
    """Return what an index depends on, the bounds of its ranges, too."""
    names: set[sp.Symbol] = set(index.free_symbols)
    for name, *ends in reversed(access.ranges):
        if name in names:
            names |= {symbol for end in ends for symbol in end.free_symbols}
    return names
