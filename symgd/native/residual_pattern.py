"""What is found in residuals, one row after the other: see ``kernels.neighbours``."""

from __future__ import annotations

from symgd.native.record import Record, record


@record
class Neighbours(Record):
    """What neighbouring rows have in common."""

    size: float  # the sum of squares
    apart: float  # that of steps from one row to the next
    bump: float  # the largest sum of neighbours, as noise would be of size 1
