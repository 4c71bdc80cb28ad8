"""Data: what a user has becomes named NumPy arrays, read in place where that can be."""

from __future__ import annotations

import hashlib
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from numbers import Real
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from symgd.errors import InputError, guess, shortened, unknown_name
from symgd.language.identifiers import name_of

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

ACCEPTED = (
    "a mapping of names to arrays, a structured NumPy array, or a dataframe"
    " (pandas, polars, pyarrow or another that narwhals reads)"
)
BESIDE = "="  # before the name of what was given beside the data, as an array
ROWS_MUST_BE_FINITE = 'drop such rows with missing="drop", or mend the data'

# As which type a loop reads each type, by kind and bytes; most stay what they are.
_KEPT = ("f8", "f4", "i8", "i4", "i2", "i1", "u4", "u2", "u1", "b1")
_READ_AS = dict(zip(_KEPT, _KEPT, strict=True))
_READ_AS |= {"f2": "f4", "f12": "f8", "f16": "f8", "u8": "i8"}

_REMEDIES = {
    "complex": "give its real and its imaginary part as two columns",
    "date": "subtract a moment and divide by a unit, np.timedelta64(1, 's') say",
    "timedelta": "divide it by a unit, np.timedelta64(1, 's') say",
    "duration": "divide it by a unit, one second say",
    "categor": "encode its categories as numbers",
    "enum": "encode its categories as numbers",
    "": "convert it to numbers, or encode its categories as numbers",
}

FLOAT64 = np.dtype(np.float64)
SAMPLED = 2**30  # bytes of a column; of more, only some rows tell it from another
_CHUNK = 2**17  # entries: 1 MB, which stays in a core's cache
_SHOWN = 3


class NoRowLeft(InputError):
    """All rows would be dropped: in a partition they may be."""


class DataTable:
    """Columns by name, read when they are asked for.

    Parameters
    ----------
    data : mapping, structured array, dataframe or None
        A mapping's values are arrays or sequences of one to three dimensions, whose
        first is the row. A dataframe is what narwhals reads: pandas, polars (of a
        LazyFrame only the columns asked for are collected), pyarrow and others.
    missing : {"error", "drop"}
        What becomes of rows with an entry that is NaN, infinite, masked or null.

    Attributes
    ----------
    names : tuple of str
        All columns; none of them has been read.
    partitions : Partitions, or None
        Where the rows are, if they are in partitions: see ``objectives.scattered``.
    dropped : int
        How many rows the last call of ``arrays`` left out.

    Examples
    --------
    >>> table = DataTable({"x": [1.0, 2.0, 4.0], "y": [3, None, 5]}, missing="drop")
    >>> table.arrays(["x", "y"])
    {'x': array([1., 4.]), 'y': array([3., 5.])}
    >>> table.dropped
    1
    >>> DataTable({"y": [3, None, 5]}).arrays(["y"])
    Traceback (most recent call last):
        ...
    symgd.errors.InputError: column 'y' is not finite in row 1 (nan): drop
    such rows with missing="drop", or mend the data
    """

    def __init__(self, data: Any, missing: str = "error") -> None:
        if missing not in ("error", "drop"):
            accepted = ("error", "drop")
            raise unknown_name("value of missing", str(missing), accepted)
        self.missing = missing
        self.dropped = 0
        # Structurally: what partitions are stands above.
        self.partitions: Any = data if hasattr(data, "stand_ins") else None
        keys, self._columns = _opened(data)
        self._keys = {name_of(key): key for key in keys}
        self.names = tuple(self._keys)
        if len(self.names) < len(keys):
            twice = repeated(map(name_of, keys))
            raise InputError(f"data has two columns named {twice!r}")

    def arrays(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Return columns as finite numbers of a type that loops read.

        They are views, with the strides of the data, where it has such a type:
        float64, float32, signed integers, unsigned ones of at most 32 bits, and bool.
        float16 becomes float32, uint64 int64, and any other number float64.

        Raises
        ------
        InputError
            For an unknown name, for what isn't an array of numbers, for an array
            without entries, and for entries that aren't finite unless they are dropped.
        """
        names = list(dict.fromkeys(names))
        keys = [self.key(name) for name in names]
        if self.partitions is not None:
            far = self.partitions.stand_ins(names)
            here = [name for name in names if name not in far]
            values = self._columns([self._keys[name] for name in here])
            near = self.read(dict(zip(here, values, strict=True)))
            return {name: (far if name in far else near)[name] for name in names}
        return self.read(dict(zip(names, self._columns(keys), strict=True)))

    def key(self, name: str) -> Any:
        """Return by what a column is found in the data; InputError if there is none."""
        name = name_of(name)
        if name not in self._keys:
            hint, known = guess(name, self.names), ", ".join(self.names) or "none"
            raise InputError(f"there is no column {name!r}{hint}; columns: {known}")
        return self._keys[name]

    def read(self, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return columns that are given, as ``arrays`` does."""
        arrays = {name: _numbers(name, value) for name, value in columns.items()}
        broken = [name for name, each in arrays.items() if not _is_finite(each)]
        self.dropped = 0
        if broken and self.missing == "error":
            raise _not_finite(broken[0], arrays[broken[0]])
        return self._without_missing(arrays, broken) if broken else arrays

    def _without_missing(
        self, arrays: dict[str, np.ndarray], broken: list[str]
    ) -> dict[str, np.ndarray]:
        kept: dict[int, np.ndarray] = {}  # by the number of rows
        for name in broken:
            count = len(arrays[name])
            finite = np.isfinite(arrays[name]).reshape(count, -1).all(axis=1)
            kept[count] = finite & kept.get(count, True)
            if not kept[count].any():
                columns = ", ".join(broken)
                self.dropped = count
                raise NoRowLeft(f"no row is finite in all of its columns: {columns}")
        self.dropped = sum(int(np.sum(~rows)) for rows in kept.values())
        return {
            name: column[kept[len(column)]] if len(column) in kept else column
            for name, column in arrays.items()
        }


def digest_of(columns: Mapping[str, np.ndarray]) -> list[str]:
    """Return what tells columns from others."""
    lines = []
    for name, column in columns.items():
        step = 1 + column.nbytes // SAMPLED
        sample = np.ascontiguousarray(column[::step])
        state = hashlib.sha256(sample.view(np.uint8).data)
        lines.append(f"{name} {column.shape} {column.dtype} {state.hexdigest()}")
    return lines


def repeated(names: Iterable[str]) -> str | None:
    """Return a name that stands twice, if any."""
    known = set[str]()
    for name in names:
        if name in known:
            return name
        known.add(name)
    return None


# ---------------------------------------------------------------------- sources


def _opened(data: Any) -> tuple[list[Any], Callable[[list[Any]], Iterable[Any]]]:
    """Return the keys of all columns, and what reads some of them."""
    if data is None:
        data = {}
    if isinstance(data, Mapping):
        return list(data), lambda keys: [data[key] for key in keys]
    if isinstance(data, np.ndarray) and data.dtype.names:
        return list(data.dtype.names), lambda keys: [data[key] for key in keys]
    import narwhals.stable.v2 as nw

    try:
        frame = nw.from_native(data)
        keys = frame.collect_schema().names()
    except nw.exceptions.DuplicateError as error:
        raise InputError(f"data has columns of the same name: {error}") from None
    except TypeError:
        problem = f"data must be {ACCEPTED}, not {_described(data)}"
        advice = "give names: {'x': x, 'y': y}"
        if isinstance(data, (str, PathLike)):
            advice = f"read the file: pandas.read_csv({str(data)!r})"
        raise InputError(f"{problem}; {advice}") from None
    return keys, lambda keys: _from_frame(frame, keys)


def _described(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} without names"
    return type(value).__name__


def _from_frame(
    frame: nw.DataFrame[Any] | nw.LazyFrame[Any], keys: list[Any]
) -> list[np.ndarray]:
    import narwhals.stable.v2 as nw

    if isinstance(frame, nw.LazyFrame):
        frame = frame.select(keys).collect()
    return [_from_series(str(key), frame.get_column(key)) for key in keys]


def _from_series(name: str, series: nw.Series[Any]) -> np.ndarray:
    import narwhals.stable.v2 as nw

    dtype = series.dtype
    if isinstance(dtype, nw.String):
        raise _has_others(name, str(dtype), series.to_list(), (type(None),))
    undecided = (nw.Boolean, nw.Object, nw.Unknown, nw.Array)
    if not dtype.is_numeric() and not isinstance(dtype, undecided):
        raise _not_numbers(name, str(dtype))
    if isinstance(dtype, (nw.Decimal, nw.Int128, nw.UInt128)):
        series = series.cast(nw.Float64())
    values = series.to_numpy()
    if isinstance(dtype, nw.Array) and values.dtype == object:
        return values if series.null_count() else np.stack(list(values))
    return values


# ---------------------------------------------------------------------- numbers


def _named(name: str) -> str:
    """Return what a message calls a column, or what was given beside the data."""
    return name[1:] if name.startswith(BESIDE) else f"column {name!r}"


def array_of(name: str, value: Any) -> np.ndarray:
    """Return a column as NumPy has it."""
    try:
        return np.asarray(value)
    except (RuntimeError, TypeError, ValueError) as error:
        reason = str(error)
        if "inhomogeneous" in reason:
            reason = "its rows have different lengths"
        raise InputError(f"{_named(name)} can't become an array: {reason}") from None


def _numbers(name: str, value: Any) -> np.ndarray:
    """Return a column as an array that a loop can read."""
    # NumPy would take labels for numbers where they look like some.
    plain = type(value) is np.ndarray
    if not plain and (dtype := str(getattr(value, "dtype", ""))) == "category":
        raise _not_numbers(name, dtype)
    column = array_of(name, value)
    if column.ndim == 0:
        raise InputError(
            f"{_named(name)} is {shortened(repr(value))}, not an array:"
            " write a single number into the formula; for one row, put it in brackets"
        )
    if column.ndim > 3:
        raise InputError(f"{_named(name)} has {column.ndim} dimensions; at most 3")
    if column.size == 0:
        raise InputError(f"{_named(name)} is empty: its shape is {column.shape}")
    column = _converted(name, column)
    if not plain and np.ma.is_masked(value):
        return np.where(np.ma.getmaskarray(value), np.nan, column)
    return column


def _converted(name: str, column: np.ndarray) -> np.ndarray:
    if column.dtype is FLOAT64:
        return column
    if column.dtype == object:
        return _from_objects(name, column)
    kind = column.dtype.str[1:]
    if column.dtype.kind in "US":
        raise _has_others(name, str(column.dtype), column.ravel().tolist())
    if kind not in _READ_AS:
        raise _not_numbers(name, str(column.dtype))
    if kind == "u8" and (largest := column.max()) > 2**53:
        problem = f"{_named(name)} holds {largest}, which float64 can't represent"
        raise InputError(f"{problem}: give it as int64, or scaled")
    if _READ_AS[kind] == kind and column.dtype.isnative:
        return column
    with np.errstate(over="ignore"):
        return column.astype(_READ_AS[kind], copy=False)


def _from_objects(name: str, column: np.ndarray) -> np.ndarray:
    entries = column.ravel().tolist()
    null = (type(None), type(getattr(sys.modules.get("pandas"), "NA", None)))
    accepted = (Real, Decimal, np.bool_, *null)
    if not all(issubclass(kind, accepted) for kind in set(map(type, entries))):
        raise _has_others(name, "object", entries, accepted)
    numbers = []
    for row, entry in enumerate(entries):
        try:
            numbers.append(np.nan if isinstance(entry, null) else float(entry))
        except (OverflowError, ValueError) as error:
            problem = f"{_named(name)} can't become float64 in row {row}"
            raise InputError(f"{problem}: {error}") from None
    return np.array(numbers).reshape(column.shape)


def _has_others(
    name: str, dtype: str, entries: list[Any], accepted: tuple[type, ...] = ()
) -> InputError:
    """Return the error for entries that aren't numbers: the first, and what to do."""
    strange = [
        (row, entry)
        for row, entry in enumerate(entries)
        if not accepted or not isinstance(entry, accepted)
    ]
    # Of a file's texts, those that kept the others from being read as numbers.
    telling = [(row, entry) for row, entry in strange if floats_of([entry]) is None]
    row, entry = (telling or strange)[0]
    shown = f"{dtype}, with {shortened(repr(entry))} in row {row}"
    remedy = _remedy(entry, len(telling), row, len(entries))
    return _not_numbers(name, shown, remedy)


def _remedy(entry: Any, count: int, row: int, rows: int) -> str | None:
    """Return what to do about an entry, one of so many that are no number."""
    if not isinstance(entry, str):
        return None
    if count == 0:
        return "it has numbers as texts: np.asarray(column, float) makes numbers"
    if re.fullmatch(r"[-+]?[\d.]*,\d+", entry.strip()):
        return "write a decimal point, not a comma"
    if re.fullmatch(r"\d{1,4}([./-])\d{1,2}\1\d{2,4}( .*)?", entry.strip()):
        return "write dates as 2024-02-29"
    if re.fullmatch(r"[^\w\s<>~+-]?\s*[-+]?\d[\d.]*\s*[^\d\s<>]*", entry.strip()):
        return "write the number alone"
    if count == 1 and row == 0 and rows > 1:
        return "if that is a unit below the name, leave the line out"
    if count < rows:
        return 'mend it, or leave it empty and drop such rows with missing="drop"'
    return None


def floats_of(texts: Iterable[Any]) -> np.ndarray | None:
    """Return numbers written as text, those that are missing as NaN; or None."""
    try:
        return np.array([np.nan if t in ("", "NA") else float(t) for t in texts])
    except (TypeError, ValueError):
        return None


def _not_numbers(name: str, dtype: str, remedy: str | None = None) -> InputError:
    remedy = remedy or next(
        _REMEDIES[part] for part in _REMEDIES if part in dtype.lower()
    )
    return InputError(f"{_named(name)} isn't numbers (dtype {dtype}): {remedy}")


# --------------------------------------------------------------- missing entries


def _chunks(column: np.ndarray, order: Any) -> Iterable[np.ndarray]:
    """Return a column's entries in pieces; the next piece may overwrite the last."""
    flags: Any = ["external_loop", "buffered"]
    chunks: Any = np.nditer(column, flags=flags, order=order, buffersize=_CHUNK)
    return chunks


def _is_finite(column: np.ndarray) -> bool:
    if column.dtype.kind != "f":
        return True
    if column.size <= _CHUNK:
        # The sum of squares tells it in one pass, unless they are large.
        return math.isfinite(np.vdot(column, column)) or bool(np.isfinite(column).all())
    return all(np.isfinite(chunk).all() for chunk in _chunks(column, "K"))


def _not_finite(name: str, column: np.ndarray) -> InputError:
    """Return the error that says where a column is not finite."""
    first: list[int] = []
    start = count = 0
    for chunk in _chunks(column, "C"):
        found = start + np.flatnonzero(~np.isfinite(chunk))
        first += found[: _SHOWN - len(first)].tolist()
        start, count = start + chunk.size, count + found.size
    places = [tuple(map(int, np.unravel_index(at, column.shape))) for at in first]
    if column.ndim == 1:
        where = f"row{'s' * (count > 1)} " + ", ".join(str(row) for (row,) in places)
    else:
        where = "; ".join(_place(*place) for place in places)
    more = f" and {count - _SHOWN} more" if count > _SHOWN else ""
    values = ", ".join(str(float(column[place])) for place in places)
    problem = f"{_named(name)} is not finite in {where}{more} ({values})"
    return InputError(f"{problem}: {ROWS_MUST_BE_FINITE}")


def _place(row: int, *column: int) -> str:
    return f"row {row}, column {column[0] if len(column) == 1 else column}"
