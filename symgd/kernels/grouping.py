"""Which columns of a sparse matrix one product with it tells apart.

Columns are in one group if no row has an entry in two of them: then the product with
the sum of their unit vectors has each entry at a place of its own. Elsewhere: column
colouring, compressed differences.

Source: Curtis, Powell and Reid 1974, "On the estimation of sparse Jacobian matrices";
Gebremedhin, Manne and Pothen 2005, "What color is your Jacobian?", section 3.
"""

from __future__ import annotations

from typing import Any

from symgd.lowering.intrinsics import integers, record_at
from symgd.lowering.jitting import jit
from symgd.native.records import Grouping

grouping_at = record_at(Grouping)

NONE = -1


@jit
def group(run: Any) -> int:
    """Give each column the first group that none of its neighbours is in.

    Returns
    -------
    int
        The number of groups.
    """
    row_starts, in_row = (
        integers(run.row_starts, (run.rows + 1,)),
        integers(run.in_row, (run.entries,)),
    )
    column_starts, in_column = (
        integers(run.column_starts, (run.columns + 1,)),
        integers(run.in_column, (run.entries,)),
    )
    groups, taken = (
        integers(run.groups, (run.columns,)),
        integers(run.taken, (run.columns,)),
    )
    most = 0
    for j in range(run.columns):
        groups[j] = taken[j] = NONE
    for j in range(run.columns):
        for place in range(column_starts[j], column_starts[j + 1]):
            row = in_column[place]
            for other in range(row_starts[row], row_starts[row + 1]):
                known = groups[in_row[other]]
                if known != NONE:
                    taken[known] = j
        found = 0
        while taken[found] == j:
            found += 1
        groups[j] = found
        most = max(most, found + 1)
    return most


def entry(run: Any) -> int:
    """Run :func:`group`, with the address of a record."""
    return group(grouping_at(run))
