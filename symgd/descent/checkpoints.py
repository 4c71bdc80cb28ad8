"""Checkpoints: the whole state of a run in a file, from which it goes on.

A file is replaced only by a whole one, and the one before is kept until then. What is
in it is checked by a digest, and compared with what is asked to go on.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import warnings
import zipfile
import zlib
from array import array
from pathlib import Path
from typing import Any

from symgd.descent.run import Run
from symgd.errors import InputError
from symgd.native.status import RUNNING, Status

SECONDS = 2.0  # from one checkpoint to the next
SHARE = 0.02  # of a run's time may be spent on them
FORMAT = 2
_DAMAGE = (
    *(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error),
    *(AttributeError, TypeError, NotImplementedError),  # what else NumPy makes of it
)


class Checkpoint:
    """The checkpoints of one run."""

    def __init__(self, file: str | os.PathLike[str], identity: dict[str, Any]) -> None:
        try:
            self.path = Path(file)
        except TypeError:
            raise InputError(f"checkpoint must be a file, not {file!r}") from None
        if self.path.is_dir() or not self.path.resolve().parent.is_dir():
            problem = "there is no such folder, or it is a folder itself"
            raise InputError(f"checkpoint {self.path} can't be written: {problem}")
        self.previous = self.path.with_name(f"{self.path.name}.previous")
        self.identity = identity
        self.start = array("d")
        self.source = ""  # how the start was chosen
        self._next = time.perf_counter() + SECONDS

    # ---------------------------------------------------------------- writing

    def __call__(self, run: Run) -> str:
        """Write a checkpoint if it is time to; a run goes on, whatever happens."""
        begun = time.perf_counter()
        if begun >= self._next:
            self.write(run, RUNNING)
            spent = time.perf_counter() - begun
            self._next = begun + max(SECONDS, spent / SHARE)
        return ""

    def write(self, run: Run, status: int) -> bool:
        """Write a checkpoint now; return whether that was possible."""
        arrays, plan = run.arrays() | {"start": self.start}, run.plan()
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
        """Write the last checkpoint; the one before is needed no more."""
        if self.write(run, status):
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
                facts, arrays = _read(path)
            except FileNotFoundError:
                continue
            except _DAMAGE:
                damaged.append(f"{path} is no checkpoint of symgd, or a damaged one")
                continue
            self._compare(path, facts)
            if damaged:
                problem = f"{damaged[0]}; the one before, {path}, is used"
                warnings.warn(problem, RuntimeWarning, stacklevel=2)
            run.restore(arrays, facts["plan"])
            start = array("d", arrays["start"].tobytes())
            return _status(facts["status"]), start, facts["source"]
        if damaged:
            problem = "name another file, or delete it to begin again"
            raise InputError(f"{'; '.join(damaged)}: {problem}")
        return None

    def _compare(self, path: Path, facts: dict[str, Any]) -> None:
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
    with path.open("wb") as file:
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


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    import numpy as np

    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        content = {name: arrays[name] for name in arrays.files}
    facts, digest = content.pop("facts").tobytes(), content.pop("digest").tobytes()
    if digest != _digest(facts, content):
        raise ValueError("its digest is wrong")
    return json.loads(facts), content


def _digest(facts: bytes, content: dict[str, Any]) -> bytes:
    hashed = hashlib.sha256(facts)
    for name in sorted(content):
        hashed.update(name.encode() + content[name].tobytes())
    return hashed.digest()
