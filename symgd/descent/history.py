"""What a run went through: its trace, and the lowest iterate that was seen."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from symgd.errors import unknown_name
from symgd.language.drawing import card
from symgd.native.record import Record, record
from symgd.native.replacing import replacing

if TYPE_CHECKING:
    import numpy as np


class Seen(NamedTuple):
    """An iterate that a run was at."""

    x: Any
    fun: float
    nit: int


NOWHERE = Seen(array("d"), math.inf, 0)


@record
class AtStart(Record):
    """What a run knew at its start: f, the gradient's norm, the sum of sizes of x."""

    value: float
    norm: float
    size: float


class Trace:
    """The history of a run: one row for each recorded iterate, row 0 the start.

    ``trace[name]`` is a column: ``t`` (the number of updates made), ``x`` (shape
    (rows, n)), ``fun``, ``grad_norm`` (the largest component of the gradient,
    projected if there are bounds), a state variable of the rule by its name (shape
    (rows, n), or (rows,) if it is the same for all coordinates), a scheduled
    hyperparameter, or an automatic ``step_size`` (the value that update t used; row 0,
    which no update made, has NaN). The first four are attributes too. As a mapping it
    is one of columns by name; its length, as a dataframe's, is the number of rows.

    Examples
    --------
    >>> import symgd
    >>> result = symgd.minimize("x**2", 1.0, method="momentum", maxiter=2, trace=True)
    >>> result.trace.names
    ('t', 'x', 'fun', 'grad_norm', 'change')
    >>> result.trace["change"][:, 0]
    array([0.   , 0.02 , 0.0376])
    """

    def __init__(self, columns: Mapping[str, np.ndarray]) -> None:
        self._columns = dict(columns)

    t: np.ndarray
    x: np.ndarray
    fun: np.ndarray
    grad_norm: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self._columns)

    def keys(self) -> tuple[str, ...]:
        """Return the names of the columns; ``dict(trace)`` has them all."""
        return self.names

    def values(self) -> tuple[np.ndarray, ...]:
        """Return the columns."""
        return tuple(self._columns.values())

    def items(self) -> tuple[tuple[str, np.ndarray], ...]:
        """Return pairs of a name and a column."""
        return tuple(self._columns.items())

    def get(self, name: str, default: Any = None) -> Any:
        """Return a column, or something else if there is none of that name."""
        return self._columns.get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._columns:
            raise unknown_name("column of the trace", name, self._columns)
        return self._columns[name]

    def __getattr__(self, name: str) -> np.ndarray:
        if name in ("t", "x", "fun", "grad_norm"):
            return self._columns[name]
        raise AttributeError(name)

    def __len__(self) -> int:
        return len(self._columns["t"])

    def _repr_html_(self) -> str:
        return card("trace", self)

    def __repr__(self) -> str:
        return f"<Trace of {len(self)} rows: {', '.join(self.names)}>"

    def to_csv(self, file: str | Path, variables: Sequence[str]) -> None:
        """Write the trace as comma-separated values, a column for each coordinate."""
        header, columns = [], []
        for name, column in self._columns.items():
            if column.ndim == 1:
                header.append(name)
                columns.append(column)
                continue
            header += [v if name == "x" else f"{name}[{v}]" for v in variables]
            columns += list(column.T)
        with replacing(file) as out:
            out.write(",".join(header) + "\n")
            for row in zip(*columns, strict=True):
                out.write(",".join(repr(number.item()) for number in row) + "\n")
