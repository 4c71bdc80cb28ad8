"""Checkpoints: the whole state of a run in a file, from which it goes on.

A file is replaced only by a whole one, and the one before is kept until then. What is
in it is checked by a digest, compared with what is asked to go on, and must be what a
run can be: no file makes a loop read or write outside of its arrays, or run for ever.

An evaluation that is cut short leaves a loop in the middle of an iteration, with values
that say nothing. So there is a copy of where it was before, which is stored then.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import os
import shutil
import stat
import time
import warnings
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from symgd.descent.run import Run, all_finite, floats
from symgd.errors import InputError
from symgd.native.status import RUNNING, Status
from symgd.native.stopping import flag

if TYPE_CHECKING:
    import numpy as np

# Returns the arrays that belong to some facts.
Expected: TypeAlias = Callable[[dict[str, Any]], Mapping[str, Any]]

SECONDS = 2.0  # from one checkpoint to the next
SHARE = 0.02  # of a run's time may be spent on them, and on copies
FORMAT = 6
LONGEST_FACTS, HEADER = 2**24, 4096  # bytes; of what is before an array
_BINARY = getattr(os, "O_BINARY", 0)
_DAMAGE = (
    *(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error),
    *(AttributeError, TypeError, NotImplementedError, RuntimeError, MemoryError),
)


class Checkpoint:
    """The checkpoints of one run."""

    def __init__(self, file: str | os.PathLike[str], identity: dict[str, Any]) -> None:
        try:
            self.path = Path(file)
        except TypeError:
            raise InputError(f"checkpoint must be a file, not {file!r}") from None
        if problem := self._problem():
            raise InputError(f"checkpoint {self.path} can't be written: {problem}")
        self.previous = self.path.with_name(f"{self.path.name}.previous")
        self.identity = identity
        self.start = array("d")
        self.source = ""  # how the start was chosen
        self._next = time.perf_counter() + SECONDS
        self._whole: tuple[dict[str, array[Any]], dict[str, Any]] | None = None
        self._next_copy = -math.inf

    def _problem(self) -> str:
        """Say why there can be no such file, if so."""
        try:
            if self.path.is_dir() or not self.path.resolve().parent.is_dir():
                return "there is no such folder, or it is a folder itself"
            if self.path.exists() and not self.path.is_file():
                return "it is a pipe or a device, not a file"
            # The longest name that is needed beside it.
            os.lstat(self.path.with_name(f".{self.path.name}.previous.part"))
        except FileNotFoundError:
            pass
        except OSError as error:
            return str(error.strerror or error)
        except ValueError as error:  # a zero in the name
            return str(error)
        return ""

    # ---------------------------------------------------------------- writing

    def __call__(self, run: Run) -> str:
        """Write a checkpoint if it is time to; a run goes on, whatever happens."""
        self._copy(run)
        begun = time.perf_counter()
        if begun >= self._next:
            self.write(run, RUNNING)
            spent = time.perf_counter() - begun
            self._next = begun + max(SECONDS, spent / SHARE)
        return ""

    def _copy(self, run: Run) -> None:
        """Keep a copy of where a run is, if an evaluation of it may be cut."""
        begun = time.perf_counter()
        if run.objective.arrays is None or run.is_torn or begun < self._next_copy:
            return
        try:
            arrays = {name: numbers[:] for name, numbers in run.arrays().items()}
            if not flag()[0]:  # some are evaluated for it
                self._whole = arrays, copy.deepcopy(run.plan())
        except MemoryError:  # then what is in the file stays
            self._whole = None
        self._next_copy = begun + (time.perf_counter() - begun) / SHARE

    def write(self, run: Run, status: int) -> bool:
        """Write a checkpoint now; return whether that was possible."""
        stored = self._whole if run.is_torn else (run.arrays(), run.plan())
        if stored is None:
            return False
        arrays, plan = stored[0] | {"start": self.start}, stored[1]
        facts = {"format": FORMAT, "status": int(status), "plan": plan}
        facts |= {"source": self.source, "identity": self.identity}
        part = self.path.with_name(f".{self.path.name}.part")
        try:
            _write(part, json.dumps(facts), arrays)
            _keep(self.path, self.previous)
            os.replace(part, self.path)
            return True
        except OSError as error:
            problem = f"the checkpoint {self.path} could not be written: {error}"
            warnings.warn(problem, RuntimeWarning, stacklevel=2)
            return False
        finally:
            part.unlink(missing_ok=True)

    def finish(self, run: Run, status: Status) -> None:
        """Write the last checkpoint; the one before is needed no more.

        Where a run was near enough to its end when all iterations were made, it goes on
        as soon as more are allowed.
        """
        if self.write(run, Status.MAXITER if run.is_limited else status):
            self.previous.unlink(missing_ok=True)

    # ---------------------------------------------------------------- reading

    def resume(self, run: Run) -> tuple[int, array[float], str] | None:
        """Put a run where the last good checkpoint was.

        Returns
        -------
        status : int
            RUNNING, or the status with which it had ended.
        start : array of float
        source : str
            How the start was chosen. Or None instead, if there is no checkpoint.

        Raises
        ------
        InputError
            If there are only damaged checkpoints, or the last good one is of another
            run.
        """
        # Without the file itself, whatever is beside it, somebody wants to begin again.
        found = [self.path, self.previous] if self.path.exists() else []
        damaged: list[str] = []
        for path in found:
            try:
                status, start, source = self._restored(path, run)
            except FileNotFoundError:
                continue
            except InputError:
                raise
            except _DAMAGE:
                damaged.append(f"{path} is no checkpoint of symgd, or a damaged one")
                continue
            if damaged:
                problem = f"{damaged[0]}; the one before, {path}, is used"
                warnings.warn(problem, RuntimeWarning, stacklevel=2)
            return status, start, source
        if damaged:
            problem = "name another file, or delete it to begin again"
            raise InputError(f"{'; '.join(damaged)}: {problem}")
        return None

    def _restored(self, path: Path, run: Run) -> tuple[int, array[float], str]:
        """Put a run where a checkpoint is; raise InputError, or one of _DAMAGE."""

        def expected(facts: dict[str, Any]) -> Mapping[str, array[Any]]:
            self._compare(path, facts)
            run.foresee(facts["plan"])
            return run.arrays() | {"start": floats(run.n)}

        facts, content = _read(path, expected)
        start = array("d", content.pop("start").tobytes())
        status, source = int(facts["status"]), str(facts["source"])
        if not all_finite(start) or status not in (RUNNING, *Status):
            raise ValueError("no run begins, or ends, like that")
        run.restore(content, facts["plan"])
        return _status(status), start, source

    def _compare(self, path: Path, facts: dict[str, Any]) -> None:
        if not isinstance(facts, dict) or not isinstance(facts.get("plan"), dict):
            raise ValueError("its facts are others")
        if facts["format"] != FORMAT:
            raise InputError(f"the checkpoint {path} is of another version of symgd")
        theirs = facts["identity"]
        for what, ours in json.loads(json.dumps(self.identity)).items():
            other = theirs.get(what)
            if other != ours:
                raise InputError(
                    f"the checkpoint {path} is of another run: its {what} is "
                    f"{_told(other, ours)}, not {_told(ours, other)}; name another "
                    "file, or delete it"
                )


def _told(value: Any, beside: Any) -> Any:
    """Return a value for people: of names and values, those that differ."""
    if not (isinstance(value, dict) and isinstance(beside, dict)):
        return value
    pairs = (f"{k} = {v}" for k, v in value.items() if beside.get(k) != v)
    return ", ".join(pairs) or "no more"


def _status(status: int) -> int:
    """Return RUNNING for what was only cut short."""
    cut = (Status.MAXITER, Status.TIME_LIMIT, Status.INTERRUPTED)
    return RUNNING if status in cut else status


def _write(path: Path, facts: str, arrays: dict[str, array[Any]]) -> None:
    import numpy as np

    words = np.frombuffer(facts.encode(), dtype=np.uint8)
    content: dict[str, Any] = {
        name: np.asarray(numbers) for name, numbers in arrays.items()
    }
    digest = np.frombuffer(_digest(facts.encode(), content), dtype=np.uint8)
    path.unlink(missing_ok=True)  # a pipe would wait for a reader
    with path.open("xb") as file:
        np.savez(file, facts=words, digest=digest, **content)
        file.flush()
        os.fsync(file.fileno())


def _keep(path: Path, previous: Path) -> None:
    """Let there be the same file under another name, whole at every moment."""
    part = previous.with_name(f".{previous.name}.part")
    part.unlink(missing_ok=True)
    try:
        os.link(path, part)
    except FileNotFoundError:
        return
    except OSError:  # no links here
        shutil.copyfile(path, part)
    os.replace(part, previous)


def _read(
    path: Path, expected: Expected | None = None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the facts and the arrays of a checkpoint.

    Parameters
    ----------
    path : Path
    expected : Expected
        Other arrays, or of other lengths, aren't read; but there may be any number of
        rows recorded.

    Raises
    ------
    InputError, or one of _DAMAGE
    """
    with _opened(path) as archive:
        text = _member(archive, "facts").tobytes()
        facts = json.loads(text)
        names = {name.removesuffix(".npy") for name in archive.namelist()}
        arrays = {} if expected is None else expected(facts)
        _check_sizes(archive, arrays, names - {"facts", "digest"})
        content = {name: _member(archive, name) for name in names - {"facts"}}
    if content.pop("digest").tobytes() != _digest(text, content):
        raise ValueError("its digest is wrong")
    _check_types(content, arrays)
    return facts, content


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a file, without waiting for what isn't one."""
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
    with open(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise ValueError("it is a pipe or a device")
        with zipfile.ZipFile(file) as archive:
            yield archive


def _check_sizes(
    archive: zipfile.ZipFile, arrays: Mapping[str, array[Any]], names: set[str]
) -> None:
    """Raise ValueError if a file doesn't have these arrays, before they are read."""
    if arrays and names != arrays.keys():
        raise ValueError("it has other arrays")
    for name in arrays.keys() - {"recorded"}:
        size = arrays[name].itemsize * len(arrays[name])
        if not size < archive.getinfo(f"{name}.npy").file_size <= size + HEADER:
            raise ValueError(f"its {name} has another length")


def _check_types(
    content: Mapping[str, np.ndarray], arrays: Mapping[str, array[Any]]
) -> None:
    """Raise ValueError if arrays that were read differ in type, or in length."""
    import numpy as np

    for name, numbers in arrays.items():
        like = np.asarray(numbers)
        same = name == "recorded" or content[name].shape == like.shape
        if not same or content[name].dtype != like.dtype:
            raise ValueError(f"its {name} is of another kind")


def _member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Return an array that is stored as it is: it is no larger than its file."""
    import numpy as np

    item = archive.getinfo(f"{name}.npy")
    if item.compress_type != zipfile.ZIP_STORED:
        raise ValueError("symgd compresses nothing")
    if name == "facts" and item.file_size > LONGEST_FACTS:
        raise ValueError("its facts are too long")
    with archive.open(item) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("its arrays are of another format")
        shape, _, kind = np.lib.format.read_array_header_1_0(file)
        numbers = np.frombuffer(file.read(), dtype=kind)
    if shape != numbers.shape:
        raise ValueError(f"its {name} has another length")
    return numbers


def _digest(facts: bytes, content: dict[str, Any]) -> bytes:
    hashed = hashlib.sha256(facts)
    for name in sorted(content):
        hashed.update(name.encode() + content[name].tobytes())
    return hashed.digest()
