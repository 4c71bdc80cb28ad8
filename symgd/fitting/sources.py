"""Where the columns of a fit came from, and what was made of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from symgd.errors import InputError
from symgd.fitting.by_labels import NONE, Labelled
from symgd.fitting.tables import TableReading
from symgd.fitting.ties import Tie
from symgd.objectives.data import BESIDE


class Source(NamedTuple):
    """Where the columns of a fit came from."""

    columns: tuple[str, ...]
    target: str
    sigma: str | float | None  # a name, a number, or "" for an array
    weights: str | float | None
    dropped: int
    reading: TableReading
    ties: tuple[Tie, ...] = ()
    model: str = ""  # as it was given, where it isn't what is fitted
    labelled: Labelled = NONE
    targets: tuple[str, ...] = ()  # where there are several


def check_rows(arrays: dict[str, np.ndarray]) -> None:
    """Refuse columns that are not vectors of one length."""
    for name, each in arrays.items():
        if each.ndim != 1:
            raise InputError(
                f"column {name!r} has shape {each.shape}; a fit needs (n,)"
            )
    if len({len(each) for each in arrays.values()}) > 1:
        told = ((name.removeprefix(BESIDE), len(each)) for name, each in arrays.items())
        lengths = ", ".join(f"{name}: {count}" for name, count in told)
        raise InputError(f"the columns have different lengths: {lengths}")
