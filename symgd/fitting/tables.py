"""Tables as people fit them: one or several, with labels and dates among the numbers.

Labels become numbers that count them; dates become seconds since the first. What was
made of a table is known afterwards, so that new rows are read in the same way.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from symgd.errors import InputError, guess, shortened
from symgd.language.nodes import natural_order
from symgd.objectives.data import DataTable, array_of

SET = "set"  # the column of labels that a mapping of tables has
UNIT = np.timedelta64(1, "s")
MOST_LABELS = 100


@dataclass
class TableReading:
    """What was made of the columns of a table that aren't numbers.

    Attributes
    ----------
    labels : dict of str to tuple of str
        The labels of each such column, in natural order.
    origins : dict of str to datetime64
        The moments that columns of dates count from.
    """

    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    origins: dict[str, np.datetime64] = field(default_factory=dict)

    def told(self, columns: Iterable[str]) -> list[str]:
        """Say what was made of dates, for people.

        >>> origins = {"t": np.datetime64("2024-02-29T12:00:00")}
        >>> TableReading(origins=origins).told(["t"])
        ['t in seconds since 2024-02-29T12:00:00']
        """
        return [
            f"{name} in seconds since {_moment(self.origins[name])}"
            for name in columns
            if name in self.origins
        ]


def _moment(moment: np.datetime64) -> str:
    text = str(moment.astype("datetime64[us]"))
    return text.rstrip("0").rstrip(".") if "." in text else text


class FitTable:
    """Columns by name, as :class:`~symgd.objectives.data.DataTable` has them, and more.

    Parameters
    ----------
    data : mapping, structured array, dataframe, or mapping of names to such
        Of several tables it has the columns that all have, one below the other, and
        their names in a column ``set``.
    missing : {"error", "drop"}
    reading : TableReading, optional
        That of earlier rows; it is filled with what is new.

    Examples
    --------
    >>> table = FitTable({"run1": {"t": [1.0, 2.0]}, "run2": {"t": [3.0]}})
    >>> table.label("set")
    ('run1', 'run2')
    >>> table.arrays(["set", "t"])
    {'set': array([0., 0., 1.]), 't': array([1., 2., 3.])}
    """

    def __init__(
        self, data: Any, missing: str = "error", reading: TableReading | None = None
    ) -> None:
        self.data: Any = _stacked(data) if _are_tables(data) else data
        self.missing, self._table = missing, DataTable(self.data, missing)
        self._is_here = isinstance(self.data, (Mapping, np.ndarray))
        self.reading = TableReading() if reading is None else reading
        self.labelled: dict[str, np.ndarray] = {}
        self.made: dict[str, np.ndarray] = {}  # of others
        self.dropped = 0

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, and those that were made."""
        names = self._table.names
        return (*names, *self.made) if self.made else names

    def label(self, name: str) -> tuple[str, ...]:
        """Take a column for one of labels; return them."""
        texts = [_label(name, entry) for entry in _entries(self.raw(name))]
        found = {text for text in texts if text is not None}
        if not found:
            raise InputError(f"column {name!r} has no labels")
        known = self.reading.labels.setdefault(name, tuple(natural_order(found)))
        if len(known) > MOST_LABELS:
            problem = f"column {name!r} has {len(known)} different entries"
            raise InputError(f"{problem}; labels are at most {MOST_LABELS}")
        if new := natural_order(found - {*known}):
            problem = f"label {new[0]!r} in column {name!r} was not fitted"
            advice = f"{guess(new[0], known)}; known: {', '.join(known)}"
            raise InputError(problem + advice)
        places = {text: float(place) for place, text in enumerate(known)}
        codes = [np.nan if text is None else places[text] for text in texts]
        self.labelled[name] = np.array(codes)
        return known

    def raw(self, name: str) -> Any:
        """Return a column as it was given."""
        key = self._table.key(name)
        if self._is_here:
            return self.data[key]
        import narwhals.stable.v2 as nw

        frame = nw.from_native(self.data)
        if isinstance(frame, nw.LazyFrame):
            frame = frame.select(key).collect()
        series = frame.get_column(key)
        if isinstance(series.dtype, nw.Datetime) and series.dtype.time_zone:
            series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        dated = isinstance(series.dtype, (nw.Date, nw.Datetime, nw.Duration))
        texts = isinstance(series.dtype, (nw.String, nw.Categorical, nw.Enum))
        if dated or texts or series.dtype.is_numeric():
            return series.to_numpy()
        return series.to_native()

    def arrays(
        self, names: Iterable[str], beside: Mapping[str, Any] | None = None
    ) -> dict[str, np.ndarray]:
        """Return columns as numbers; arrays beside them lose the same rows.

        Raises
        ------
        InputError
            As ``DataTable`` does.
        """
        columns = {name: self._special(name) for name in names}
        made = [name for name, each in columns.items() if each is not None]
        if self._is_here or made or beside:
            for name in columns.keys() - made:
                columns[name] = self.raw(name)
            arrays = self._table.read({**columns, **(beside or {})})
        else:
            arrays = self._table.arrays(columns)
        self.dropped = self._table.dropped
        return arrays

    def _is_number(self, name: str) -> bool:
        """Return whether it is said of a column that it is of numbers."""
        if self._is_here:
            column = self.raw(name)
            return isinstance(column, np.ndarray) and column.dtype.kind in "fiub"
        import narwhals.stable.v2 as nw

        kind = nw.from_native(self.data).collect_schema().get(self._table.key(name))
        return kind is None or kind.is_numeric()

    def _special(self, name: str) -> Any:
        """Return the numbers of labels and dates, None of what are numbers."""
        known = self.labelled.get(name, self.made.get(name))
        if known is not None or self._is_number(name):
            return known
        moments = _moments(name, self.raw(name))
        if moments is None:
            return None
        lost = np.isnat(moments)
        if moments.dtype.kind == "m":
            return np.where(lost, np.nan, moments / UNIT)
        if name not in self.reading.origins:
            if lost.all():
                raise InputError(f"column {name!r} has no moments")
            self.reading.origins[name] = moments[~lost].min()
        return np.where(lost, np.nan, (moments - self.reading.origins[name]) / UNIT)


# -------------------------------------------------------------------- several tables


def _are_tables(data: Any) -> bool:
    if not isinstance(data, Mapping) or not data:
        return False
    return all(_is_table(value) for value in data.values())


def _is_table(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return bool(value.dtype.names)
    return isinstance(value, Mapping) or hasattr(value, "columns")


def _stacked(tables: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the rows of several tables, and the names of the tables."""
    parts = {str(name): FitTable(table) for name, table in tables.items()}
    first, *others = parts.values()
    shared = [n for n in first.names if all(n in other.names for other in others)]
    if not shared:
        raise InputError(f"the tables {', '.join(parts)} have no column in common")
    if SET in shared:
        problem = f"the tables have a column {SET!r}"
        raise InputError(f"{problem}, which is what their names are called: rename it")
    columns = {
        name: np.concatenate([_flat(name, part.raw(name)) for part in parts.values()])
        for name in shared
    }
    counts = [len(_flat(shared[0], part.raw(shared[0]))) for part in parts.values()]
    return {SET: np.repeat(np.array(list(parts)), counts), **columns}


def _flat(name: str, column: Any) -> np.ndarray:
    if not isinstance(column, np.ma.MaskedArray):
        column = np.asarray(column)
    if column.ndim != 1:
        raise InputError(f"column {name!r} has shape {column.shape}; a fit needs (n,)")
    return np.ma.filled(column, np.nan) if np.ma.is_masked(column) else column


# ------------------------------------------------------------------ labels and dates


def _entries(column: Any) -> Sequence[Any]:
    array = np.asarray(column)
    if array.ndim != 1:
        raise InputError(f"labels are a column, not of shape {array.shape}")
    return array.tolist()


def _label(name: str, entry: Any) -> str | None:
    """Return a label as text; None where it is missing."""
    if entry is None or entry != entry or str(entry) in ("", "nan", "<NA>", "NaT"):
        return None
    if isinstance(entry, float):
        if entry % 1.0:
            problem = f"column {name!r} is of labels, as it stands in brackets"
            raise InputError(f"{problem}, and {entry!r} is none: give texts, or counts")
        return str(int(entry))
    return str(entry)


def _moments(name: str, column: Any) -> np.ndarray | None:
    """Return dates and spans of time as NumPy has them; None of anything else."""
    array = column if isinstance(column, np.ndarray) else array_of(name, column)
    kind = array.dtype.kind
    if kind in "mM" and array.ndim == 1:
        return array
    if kind not in "OU" or array.ndim != 1 or not len(array):
        return None
    entries = [entry for entry in array.tolist() if entry is not None]
    if not entries:
        return None
    if all(isinstance(entry, datetime.date) for entry in entries):
        return np.array([_plain_moment(each) for each in array.tolist()], "M8[us]")
    if all(isinstance(entry, datetime.timedelta) for entry in entries):
        return np.array(array.tolist(), "m8[us]")
    if all(isinstance(entry, str) and _looks_dated(entry) for entry in entries):
        try:
            return np.array([_read_moment(each) for each in array.tolist()], "M8[us]")
        except ValueError as error:
            raise InputError(f"a date can't be read: {shortened(str(error))}") from None
    return None


def _looks_dated(text: str) -> bool:
    """Return whether a text begins as 2024-02-29 does."""
    head = text.strip()[:10]
    return len(head) == 10 and head[4] == head[7] == "-" and head[:4].isdecimal()


def _read_moment(text: str | None) -> datetime.datetime | None:
    if text is None:
        return None
    return _plain_moment(datetime.datetime.fromisoformat(text.strip()))


def _plain_moment(moment: Any) -> Any:
    """Return a moment without a zone, in UTC if it had one."""
    zone = getattr(moment, "tzinfo", None)
    return moment.astimezone(datetime.UTC).replace(tzinfo=None) if zone else moment
