"""What is kept from one process to the next: compiled kernels and what they are of.

A file for each entry, named by a digest of everything that went into it. Files are
written atomically and checked when read, so any number of processes may share the
folder, and a file that is damaged is as good as none. Whoever can write to the folder
can run code as its owner: it is private.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

CAPACITY = 256 * 1024 * 1024  # bytes
_DIGEST = 32


@dataclass(frozen=True)
class Contents:
    """What the store holds.

    Attributes
    ----------
    folder : Path
    entries : int
    size : int
        In bytes.
    capacity : int
        In bytes; beyond it the entries that were not used for longest go.
    """

    folder: Path
    entries: int
    size: int
    capacity: int


def digest(parts: Iterable[str]) -> str:
    """Return a name for some text; different parts have different names."""
    state = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        state.update(len(encoded).to_bytes(8, "little") + encoded)
    return state.hexdigest()


@functools.cache
def sources() -> str:
    """Return a digest of symgd itself: other code, other kernels."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return digest(str(hashlib.sha256(f.read_bytes()).hexdigest()) for f in files)


def folder() -> Path:
    """Return where entries are kept: ``SYMGD_CACHE_DIR``, or the user's cache."""
    given = os.environ.get("SYMGD_CACHE_DIR")
    if given:
        return Path(given)
    import platformdirs

    return platformdirs.user_cache_path("symgd")


def get(key: str) -> bytes | None:
    """Return an entry, or None if there is none that can be trusted."""
    file = folder() / key
    try:
        with file.open("rb") as stored:
            status = os.fstat(stored.fileno())
            if not _is_private(status):
                return None
            content = stored.read()
        checksum, payload = content[:_DIGEST], content[_DIGEST:]
        if checksum != _checksum(key, payload):
            return None
        os.utime(file)  # it is used: this is what makes others older
    except OSError:
        return None
    return payload


def put(key: str, payload: bytes) -> bool:
    """Keep an entry; return whether that was possible."""
    place = folder()
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(place.stat()):
            return False
        descriptor, temporary = tempfile.mkstemp(prefix=".new-", dir=place)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(_checksum(key, payload) + payload)
            os.replace(temporary, place / key)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        _make_room(place)
    except OSError:
        return False
    return True


def clear() -> int:
    """Remove all entries; return how many there were."""
    removed = 0
    for file in _entries(folder()):
        with contextlib.suppress(OSError):
            file.unlink()
            removed += 1
    return removed


def contents() -> Contents:
    """Return what the store holds."""
    place = folder()
    sizes = [status.st_size for _, status in _known(place)]
    return Contents(place, len(sizes), sum(sizes), CAPACITY)


def _checksum(key: str, payload: bytes) -> bytes:
    return hashlib.sha256(key.encode() + payload).digest()


def _is_private(status: os.stat_result) -> bool:
    """Return whether only this user can write there, as far as the system knows."""
    if not hasattr(os, "getuid"):
        return True
    others_write = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid == os.getuid() and not others_write


def _entries(place: Path) -> list[Path]:
    """Return the files that are the store's own, by their names."""
    try:
        names = os.listdir(place)
    except OSError:
        return []
    ours = (n for n in names if len(n) == 2 * _DIGEST or n.startswith(".new-"))
    return [place / name for name in ours]


def _known(place: Path) -> list[tuple[Path, os.stat_result]]:
    known = []
    for file in _entries(place):
        with contextlib.suppress(OSError):
            known.append((file, file.stat()))
    return known


def _make_room(place: Path) -> None:
    """Remove what was not used for longest, if the store is too large."""
    known = sorted(_known(place), key=lambda entry: entry[1].st_mtime)
    total = sum(status.st_size for _, status in known)
    for file, status in known[:-1]:
        if total <= CAPACITY:
            return
        with contextlib.suppress(OSError):
            file.unlink()
            total -= status.st_size
