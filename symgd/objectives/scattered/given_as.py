"""What data in partitions are given as: lists of files, and collections of Dask."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from symgd.errors import InputError
from symgd.language.identifiers import name_of
from symgd.objectives.data import DataTable, repeated
from symgd.objectives.files import read_file


class Sources(Protocol):
    """Where the rows of all partitions come from.

    Attributes
    ----------
    names : tuple of str
        The columns.
    of_dask : bool
        Whether Dask knows how to come by them.
    """

    names: tuple[str, ...]
    of_dask: bool

    def __len__(self) -> int:
        """Return how many partitions there are."""

    def told(self, place: int) -> str:
        """Return what a partition is called in messages."""

    def read(self, place: int, names: tuple[str, ...]) -> Any:
        """Return columns of a partition: what ``DataTable`` takes."""

    def delayed(self, names: tuple[str, ...]) -> list[Any]:
        """Return the same of all partitions, as Dask's Delayed."""


class Files:
    """A table in each of some files."""

    of_dask = False

    def __init__(self, paths: Sequence[str | os.PathLike[str]]) -> None:
        # What reads them may be another process, in another directory.
        self.paths = [Path(path).absolute() for path in paths]
        self.names = DataTable(read_file(self.paths[0])).names

    def __len__(self) -> int:
        return len(self.paths)

    def told(self, place: int) -> str:
        """Return what a partition is called in messages."""
        return f"file {self.paths[place].name}"

    def read(self, place: int, names: tuple[str, ...]) -> Any:
        """Return columns of a partition."""
        return read_file(self.paths[place])

    def delayed(self, names: tuple[str, ...]) -> list[Any]:
        """Return the same of all partitions, as Dask's Delayed."""
        later = importlib.import_module("dask").delayed(read_file)
        return [later(path) for path in self.paths]


class Blocks:
    """Arrays, each in as many pieces along the first axis: of Dask, or files."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        dask = {name: each for name, each in columns.items() if _is_of_dask(each)}
        self.of_dask = bool(dask)
        pieces: dict[str, list[Any]] = {
            name: [Path(path).absolute() for path in each]
            for name, each in columns.items()
            if name not in dask
        }
        if dask:
            first = next(iter(dask.values())).chunks[0]
            pieces |= {name: _blocks(name, each, first) for name, each in dask.items()}
        counts = {len(each) for each in pieces.values()}
        if len(counts) > 1:
            listed = ", ".join(f"{name} {len(each)}" for name, each in pieces.items())
            raise InputError(f"columns are in as many partitions each: {listed}")
        self.names, self.pieces, self.count = tuple(pieces), pieces, counts.pop()

    def __len__(self) -> int:
        return self.count

    def told(self, place: int) -> str:
        """Return what a partition is called in messages."""
        return f"partition {place}"

    def read(self, place: int, names: tuple[str, ...]) -> Any:
        """Return columns of a partition."""
        return {name: _read(self.pieces[name][place]) for name in names}

    def delayed(self, names: tuple[str, ...]) -> list[Any]:
        """Return the same of all partitions, as Dask's Delayed."""
        dask = importlib.import_module("dask")
        later = dask.delayed(_mapped)
        return [
            dask.delayed(dict)(
                [
                    (n, later(piece) if isinstance(piece, Path) else piece)
                    for n in names
                    for piece in self.pieces[n][place : place + 1]
                ]
            )
            for place in range(self.count)
        ]


class DaskFrame:
    """A dataframe of Dask."""

    of_dask = True

    def __init__(self, frame: Any) -> None:
        self.frame = frame
        self.keys = {name_of(key): key for key in frame.columns}
        if twice := repeated(map(name_of, frame.columns)):
            raise InputError(f"data has two columns named {twice!r}")
        self.names = tuple(self.keys)
        self._split: tuple[tuple[str, ...], list[Any]] = (), []

    def __len__(self) -> int:
        return int(self.frame.npartitions)

    def told(self, place: int) -> str:
        """Return what a partition is called in messages."""
        return f"partition {place}"

    def read(self, place: int, names: tuple[str, ...]) -> Any:
        """Return columns of a partition."""
        if self._split[0] != names:  # which all partitions are asked for in turn
            self._split = names, self.delayed(names)
        return self._split[1][place].compute(scheduler="synchronous")

    def delayed(self, names: tuple[str, ...]) -> list[Any]:
        """Return the same of all partitions, as Dask's Delayed."""
        return list(self.frame[[self.keys[n] for n in names]].to_delayed())


def sources_of(data: Any) -> tuple[Sources, dict[str, Any]] | None:
    """Return what data are in partitions, and arrays beside them; None for others.

    Raises
    ------
    InputError
        If they don't fit to each other.
    """
    if _is_list_of_files(data):
        return Files(data), {}
    if _is_of_dask(data):
        if hasattr(data, "columns"):
            return DaskFrame(data), {}
        problem = "an array of Dask has no name in the formula: give {'A': A}"
        raise InputError(problem)
    if not isinstance(data, Mapping):
        return None
    scattered = {name_of(k): each for k, each in data.items() if _is_scattered(each)}
    if not scattered:
        return None
    beside = {name_of(k): v for k, v in data.items() if name_of(k) not in scattered}
    return Blocks(scattered), beside


def _is_scattered(column: Any) -> bool:
    if type(column) is np.ndarray:
        return False
    return _is_of_dask(column) or (_is_list_of_files(column) and _are_arrays(column))


def _is_list_of_files(value: Any) -> bool:
    if not isinstance(value, (list, tuple)) or not value:
        return False
    return all(isinstance(each, (str, os.PathLike)) for each in value)


def _are_arrays(paths: Sequence[str | os.PathLike[str]]) -> bool:
    """Return whether files are NumPy's: other texts in a list are a column of such."""
    return all(Path(path).suffix == ".npy" for path in paths)


def _is_of_dask(value: Any) -> bool:
    return "dask" in sys.modules and hasattr(type(value), "__dask_graph__")


def _blocks(name: str, column: Any, chunks: Any) -> list[Any]:
    """Return the blocks of rows of an array, or a column, of Dask."""
    if not hasattr(column, "chunks"):
        problem = f"{name!r} is {type(column).__name__} of Dask, not an array"
        raise InputError(f"{problem}: give the dataframe, or {name}.to_dask_array()")
    whole = dict.fromkeys(range(1, column.ndim), -1)
    if column.chunks[0] != chunks and not np.isnan(sum(column.chunks[0])):
        whole[0] = chunks
    try:
        return list(column.rechunk(whole).to_delayed().ravel())
    except ValueError as error:
        raise InputError(f"column {name!r} can't be cut into rows: {error}") from None


def _read(piece: Any) -> Any:
    if isinstance(piece, Path):
        return _mapped(piece)
    return piece.compute(scheduler="synchronous")


def _mapped(path: Path) -> np.ndarray:
    """Return the array of a file, which is mapped, not read."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} can't be read: {reason}") from None
