"""Files of data, as columns: text, NumPy's own, Parquet and Arrow."""

from __future__ import annotations

import csv
import importlib
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from symgd.errors import InputError
from symgd.objectives.data import floats_of, repeated
from symgd.objectives.written_text import encoding_of, numbers_of


def read_file(path: str | PathLike[str]) -> Any:
    r"""Return the columns of a file, as ``Table`` takes them.

    Parameters
    ----------
    path : str or path
        ``.npz``, a structured ``.npy`` (which is mapped, not read), ``.parquet``,
        ``.feather`` and ``.arrow`` (these with pyarrow); any other file is text. Its
        first line names the columns, which commas, semicolons, tabs or spaces separate;
        ``#`` begins a comment, and an entry that is empty or ``NA`` is missing. Between
        semicolons, a comma is decimal.

    Raises
    ------
    InputError
        If the file can't be read; where it is text, with the number of the line. A
        column that isn't numbers is read: it fails where it is used.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "points.csv")
    ...     _ = path.write_text("x, y\n1, 2  # the first\n3,\n")
    ...     read_file(path)
    {'x': array([1., 3.]), 'y': array([ 2., nan])}
    """
    path = Path(path)
    try:
        return _READERS.get(path.suffix.lower(), _read_text)(path)
    except InputError:
        raise
    except ImportError:
        problem = f"{path} can't be read without pyarrow"
        raise InputError(f"{problem}: pip install pyarrow") from None
    except (OSError, ValueError, EOFError, csv.Error, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} can't be read: {reason}") from None


def _read_parquet(path: Path) -> Any:
    pyarrow = importlib.import_module("pyarrow")
    parquet = importlib.import_module("pyarrow.parquet")
    with pyarrow.memory_map(str(path)) as file:
        return parquet.read_table(file)


def _read_arrow(path: Path) -> Any:
    pyarrow = importlib.import_module("pyarrow")
    with pyarrow.memory_map(str(path)) as file:
        return pyarrow.ipc.open_file(file).read_all()


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def _read_npy(path: Path) -> np.ndarray:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not array.dtype.names:
        raise InputError(f"{path} has no names: store a structured array, or use .npz")
    return array


_READERS: dict[str, Callable[[Path], Any]] = {
    ".parquet": _read_parquet,
    ".feather": _read_arrow,
    ".arrow": _read_arrow,
    ".npz": _read_npz,
    ".npy": _read_npy,
}


def _read_text(path: Path) -> dict[str, np.ndarray]:
    encoding = encoding_of(path)
    with path.open(encoding=encoding, newline="") as file:
        line, header = _header(file)
        if not header:
            raise InputError(f"{path} is empty")
        separator = _separator(header)
        ((_, names),) = _rows([header], separator)
        _check_header(f"{path}, line {line}", names)
        columns = _read_numbers(path, line, separator, encoding)
        if columns is None or len(columns) != len(names):
            rows = _rows(file, separator)
            columns = _read_columns(path, line, rows, len(names), separator)
    return dict(zip(names, columns, strict=True))


def lines_of(path: str | PathLike[str]) -> list[int]:
    """Return the number of the line, from 1, of each row of a file of text."""
    path = Path(path)
    if path.suffix.lower() in _READERS:
        return []
    with path.open(encoding=encoding_of(path), newline="") as file:
        line, header = _header(file)
        return [line + number for number, _ in _rows(file, _separator(header))]


def _header(lines: Iterable[str]) -> tuple[int, str]:
    """Return the first line with something in it, and its number."""
    numbered = enumerate(map(_bare, lines), 1)
    return next(((number, text) for number, text in numbered if text), (0, ""))


_QUOTED_OR_COMMENT = re.compile(r'("[^"]*")|#.*')


def _bare(line: str) -> str:
    """Return a line without comment and spaces around; tabs may be empty entries."""
    if "#" in line:
        line = _QUOTED_OR_COMMENT.sub(r"\1", line)
    return line.strip(" \r\n")


def _separator(header: str) -> str | None:
    unquoted = re.sub('"[^"]*"', "", header)
    return next((sign for sign in "\t;," if sign in unquoted), None)


def _check_header(place: str, names: list[str]) -> None:
    if floats_of(names) is not None:
        problem = f"{place}: the first line must name the columns"
        raise InputError(f"{problem}, and has numbers only (# begins a comment)")
    if twice := repeated(names):
        raise InputError(f"{place}: two columns are named {twice!r}")


def _read_numbers(
    path: Path, skipped: int, separator: str | None, encoding: str
) -> Any:
    """Return the columns of a file of numbers, quickly; of any other None."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # where there are no rows
        try:
            table = np.loadtxt(
                path,
                delimiter=separator,
                skiprows=skipped,
                ndmin=2,
                quotechar='"',
                encoding=encoding,
            )
        except (ValueError, UserWarning):
            return None
    return np.ascontiguousarray(table.T)


def _read_columns(
    path: Path,
    skipped: int,
    rows: Iterator[tuple[int, list[str]]],
    width: int,
    separator: str | None,
) -> list[np.ndarray]:
    """Return numbers where a column has only such, else texts."""
    table = []
    for line, fields in rows:
        if len(fields) != width:
            problem = f"{path}, line {skipped + line}: {len(fields)} entries"
            raise InputError(f"{problem} for {width} columns")
        table.append(fields)
    if not table:
        raise InputError(f"{path}, line {skipped}: there are no rows after the names")
    return [
        np.array(fields, dtype=object)
        if (numbers := numbers_of(fields, separator)) is None
        else numbers
        for fields in zip(*table, strict=True)
    ]


def _rows(
    lines: Iterable[str], separator: str | None
) -> Iterator[tuple[int, list[str]]]:
    """Yield entries, with the number of the line, from 1."""
    lines = map(_bare, lines)
    if separator is None:
        lines = (" ".join(line.split()) for line in lines)
    reader = csv.reader(lines, delimiter=separator or " ", skipinitialspace=True)
    for fields in reader:
        if fields:
            yield reader.line_num, [field.strip() for field in fields]
