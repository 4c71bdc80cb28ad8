"""What is kept from one process to the next: compiled kernels, what is known, answers.

A file for each entry, named by a digest of everything that went into it. Files are
written aside and renamed, and checked when read, so any number of processes may share
the folder, and a file that is damaged is as good as none.

The check finds damage, not malice: whoever can write to the folder can run code as its
owner. So a folder or a file that another user owns or may write to is left alone.
Whatever can't be kept is compiled again: the store never raises because of what it
finds.

This is a persistent cache with least-recently-used (LRU) eviction.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[1]  # all of symgd, not only this room
MEBIBYTE = 1024 * 1024
CAPACITY = 256 * MEBIBYTE  # bytes
ABANDONED = 3600.0  # seconds after which nobody is still writing a file
_DIGEST = 32
_ENTRY = re.compile(r"[0-9a-f]{64}\.symgd")
_NEW = re.compile(r"[0-9a-f]{64}\.[0-9a-f]{16}\.new")
# A link could lead anywhere, and a pipe would be waited for.
_CAREFULLY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


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
    private : bool
        Whether only this user can write there; if not, the store is not used.
    """

    folder: Path
    entries: int
    size: int
    capacity: int
    private: bool = True


def digest(parts: Iterable[str]) -> str:
    """Return a name for some text; different parts have different names."""
    state = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        state.update(len(encoded).to_bytes(8, "little") + encoded)
    return state.hexdigest()


def sources() -> str | None:
    """Return a digest of symgd itself, or None if its sources aren't there to read."""
    files = sorted(PACKAGE.rglob("*.py"))
    try:
        parts = [
            (f.relative_to(PACKAGE).as_posix(), hashlib.sha256(f.read_bytes()))
            for f in files
        ]
    except OSError:
        return None
    return digest(t for n, h in parts for t in (n, h.hexdigest())) if parts else None


def folder() -> Path:
    """Return where entries are kept: ``SYMGD_CACHE_DIR``, or the user's cache.

    A user without a home, as in a container, has a folder among the temporary ones.
    """
    given = os.environ.get("SYMGD_CACHE_DIR")
    if given:
        return Path(os.path.expanduser(given))
    import platformdirs

    with contextlib.suppress(RuntimeError):  # no home is known
        place = platformdirs.user_cache_path("symgd")
        if place.is_absolute():  # not as older versions say it: "~/.cache"
            return place
    import tempfile

    user = os.geteuid() if hasattr(os, "geteuid") else ""
    return Path(tempfile.gettempdir()) / f"symgd-{user}"


def capacity() -> int:
    """Return how many bytes are kept: ``SYMGD_CACHE_SIZE`` in MiB, or CAPACITY.

    With 0 the store is off.
    """
    try:
        given = float(os.environ.get("SYMGD_CACHE_SIZE", ""))
        return max(0, int(given * MEBIBYTE))
    except (ValueError, OverflowError):
        return CAPACITY


def get(key: str) -> bytes | None:
    """Return an entry, or None if there is none that can be trusted."""
    place = folder()
    file = place / _name(key)
    try:
        if not capacity() or not _is_private(place.stat()):
            return None
        with open(file, "rb", opener=_opened) as stored:
            status = os.fstat(stored.fileno())
            if not stat.S_ISREG(status.st_mode) or not _is_private(status):
                return None
            content = stored.read()
    except OSError:
        return None
    checksum, payload = content[:_DIGEST], content[_DIGEST:]
    if checksum != _checksum(key, payload):
        return None
    with contextlib.suppress(OSError):  # it may be gone by now, or on a read-only disk
        os.utime(file)  # it is used: this is what makes others older
    return payload


def put(key: str, payload: bytes) -> bool:
    """Keep an entry; return whether that was possible."""
    limit, place = capacity(), folder()
    if not limit:
        return False
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(place.stat()):
            return False
        _write(place, key, _checksum(key, payload) + payload)
    except OSError:
        return False
    # To look at thousands of files takes longer than to write one. Digests are as good
    # as random: one in sixteen makes room for all.
    if key.startswith("0") or len(payload) > limit // 16:
        _make_room(place, limit, _name(key))
    return True


def clear() -> int:
    """Remove all entries; return how many there were."""
    place = folder()
    _remove_abandoned(place)
    return sum(_removed(file) for file, _ in _files(place, _ENTRY))


def contents() -> Contents:
    """Return what the store holds."""
    place = folder()
    sizes = [status.st_size for _, status in _files(place, _ENTRY)]
    try:
        private = _is_private(place.stat())
    except OSError:
        private = True  # nothing is there, and what put makes is private
    return Contents(place, len(sizes), sum(sizes), capacity(), private)


def _name(key: str) -> str:
    return f"{key}.symgd"


def _checksum(key: str, payload: bytes) -> bytes:
    return hashlib.sha256(key.encode() + payload).digest()


def _is_private(status: os.stat_result) -> bool:
    """Return whether only this user can write there, as far as the system knows."""
    if not hasattr(os, "geteuid"):
        return True
    others_write = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid == os.geteuid() and not others_write


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | _CAREFULLY, 0o600)


def _write(place: Path, key: str, content: bytes) -> None:
    """Write a file that is there as a whole or not at all."""
    temporary = place / f"{key}.{os.urandom(8).hex()}.new"
    try:
        with open(temporary, "xb", opener=_opened) as file:
            file.write(content)
        os.replace(temporary, place / _name(key))
    except BaseException:
        _removed(temporary)
        raise


def _removed(file: Path) -> bool:
    """Remove a file; return whether that was possible."""
    try:
        file.unlink()
    except OSError:
        return False
    return True


def _files(
    place: Path, names: re.Pattern[str]
) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the files that are the store's own, by their names."""
    try:
        with os.scandir(place) as listed:
            found = [file for file in listed if names.fullmatch(file.name)]
    except OSError:
        return
    for file in found:
        with contextlib.suppress(OSError):  # another process has removed it
            status = file.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                yield Path(file.path), status


def _make_room(place: Path, limit: int, newest: str) -> None:
    """Remove what was not used for longest, if the store is too large."""
    _remove_abandoned(place)
    known = sorted(_files(place, _ENTRY), key=lambda entry: entry[1].st_mtime)
    total = sum(status.st_size for _, status in known)
    for file, status in known:
        if total <= limit:
            return
        if file.name != newest and (_removed(file) or not file.exists()):
            total -= status.st_size


def _remove_abandoned(place: Path) -> None:
    """Remove what processes left behind that ended while they were writing."""
    for file, status in _files(place, _NEW):
        if status.st_mtime < time.time() - ABANDONED:
            _removed(file)
