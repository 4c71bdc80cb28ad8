"""Kernels, each made once: taken from this process, from the store, or compiled.

This is the cache of just-in-time (JIT) compilation, in memory and on disk.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

from symgd.native import machine, store
from symgd.native.interrupts import raised_at_once
from symgd.native.machine import Kernel, NotPortable

CAPACITY = 256  # kernels in this process
FACTS = 4096  # formulas known in this process
PACKAGES = ("numba", "numpy", "sympy", "mpmath")
# Settings of numba that change nothing in the code; those that hold without numba, too.
HARMLESS = {"NUMBA_NUM_THREADS", "NUMBA_THREADING_LAYER", "NUMBA_CACHE_DIR"}
OBEYED = {
    *("NUMBA_DISABLE_JIT", "NUMBA_ENABLE_AVX"),
    *("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"),
}

LONG = 2.0  # seconds
# Called, by another thread, when a kernel takes longer to make; for the command line.
when_long: Callable[[], None] | None = None

# Taken now: what is on the disk later may be another version than what runs here.
_SOURCES = store.sources()


class _Recent:
    """The values that were used last, by key; safe in several threads.

    What is dropped lives on for those who use it.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()  # held for moments, and no other lock under it

    def get(self, key: Hashable) -> Any:
        """Return a value, or None."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def enter(self, key: Hashable, value: Any) -> Any:
        """Keep a value; return it, or the one that was there before."""
        with self._lock:
            value = self._values.setdefault(key, value)
            dropped = []  # destroyed later, without the lock
            while len(self._values) > self.capacity:
                dropped.append(self._values.popitem(last=False))
        return value


_kernels = _Recent(CAPACITY)
_facts = _Recent(FACTS)


@functools.cache
def _setting() -> str:
    """Return what every entry of the store depends on, beside what it is of."""
    settings = [f"{name}={value}" for name, value in sorted(_settings().items())]
    return store.digest(
        (
            *(str(_SOURCES), sys.version, *machine.machine()),
            *(*map(_installed, PACKAGES), _configuration(), *settings),
        )
    )


def _settings() -> dict[str, str]:
    """Return the settings of numba in the environment that change code."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("NUMBA_") and name not in HARMLESS
    }


def _installed(package: str) -> str:
    """Return what changes when a package is installed anew, without importing it."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        return ""
    told = [found.origin]
    with contextlib.suppress(OSError):  # in an archive, or not to be listed
        status = os.stat(found.origin)
        told += [str(status.st_size), str(status.st_mtime_ns)]
        # Two versions may agree in these; the folder that pip makes has the version.
        beside = os.listdir(os.path.dirname(os.path.dirname(found.origin)))
        told += sorted(name for name in beside if name.startswith(f"{package}-"))
    return " ".join(told)


def _configuration() -> str:
    """Return the settings of numba that are in a file."""
    try:
        with open(".numba_config.yaml", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def interpreted() -> bool:
    """Return whether nothing is to be compiled, so that a debugger can step through."""
    config: Any = getattr(sys.modules.get("numba"), "config", None)
    if hasattr(config, "DISABLE_JIT"):  # not while numba is only half imported
        return bool(config.DISABLE_JIT)
    try:
        return bool(int(os.environ.get("NUMBA_DISABLE_JIT", "")))
    except ValueError:
        return False


def key_of(parts: Sequence[str]) -> str:
    """Return the name of an entry of the store."""
    return store.digest((_setting(), *parts))


def kernel(parts: Sequence[str], signature: str, build: Callable[[], Any]) -> Kernel:
    """Return a kernel that numba compiles.

    Several threads may ask for the same: it is compiled once.

    Parameters
    ----------
    parts : sequence of str
        All that it depends on: what kind it is, the formula, the equations, ...
    signature : str
        As of :class:`Kernel`.
    build : callable
        Compiles it, to a ``numba.cfunc``; called only if nothing is stored.
    """

    def make(key: str) -> Kernel:
        return _compiled(key, signature, build())

    if interpreted():
        return _in_python(parts, signature, build)
    return _made(parts, signature, make, numbas_lock)


def written(
    parts: Sequence[str],
    signature: str,
    write: Callable[[], Any],
    interpret: Callable[[], Kernel] | None = None,
    assemble: Callable[[Any], bytes] | None = None,
) -> Kernel:
    """Return a kernel that symgd writes: numba has no part in it.

    Parameters
    ----------
    parts, signature
        As of :func:`kernel`.
    write : callable
        Returns a module of LLVM's text; called only if nothing is stored.
    interpret : callable
        Returns a twin in Python, for when nothing is to be compiled. Without one, the
        kernel is machine code all the same: nobody could step through its text.
    assemble : callable
        Makes machine code of what is written; by default ``machine.optimised``.
    """

    def code() -> bytes:
        return (assemble or machine.optimised)(write())

    if interpreted():
        plain = interpret or (lambda: machine.linked(code(), signature))
        return _in_python(parts, signature, plain)
    return _assembled(parts, signature, code)


def shipped(
    parts: Sequence[str],
    signature: str,
    read: Callable[[], str],
    build: Callable[[], Any],
) -> Kernel:
    """Return a kernel that travels with symgd; where it is of no use, numba's own.

    Parameters
    ----------
    parts, signature, build
        As of :func:`kernel`.
    read : callable
        Returns a module of LLVM's text, or raises NotPortable.
    """

    def code() -> bytes:
        # What is told to numba is for numba to do; and what is on the disk by now may
        # be of a later version than what runs.
        if _settings().keys() - OBEYED or _configuration() or not _unchanged():
            raise NotPortable("what numba compiles here may be something else")
        return machine.optimised(read(), widened=True)

    if not interpreted():
        with contextlib.suppress(NotPortable):
            return _assembled(parts, signature, code)
    return kernel(parts, signature, build)


def _in_python(
    parts: Sequence[str], signature: str, build: Callable[[], Any]
) -> Kernel:
    """Return a kernel, nothing being compiled by numba or stored."""
    name = (True, signature, *parts)
    if (known := _kernels.get(name)) is not None:
        return known
    return _kernels.enter(name, _of_this_process(build(), signature))


def _assembled(
    parts: Sequence[str], signature: str, code: Callable[[], bytes]
) -> Kernel:
    """Return a kernel whose machine code needs no numba."""

    def make(key: str) -> Kernel:
        content = code()
        made = machine.linked(content, signature)
        _put(key, content)
        return made

    return _made(parts, signature, make, lambda: _writing)


def _made(
    parts: Sequence[str],
    signature: str,
    make: Callable[[str], Kernel],
    lock: Callable[[], contextlib.AbstractContextManager[Any]],
) -> Kernel:
    """Return a kernel of this process or of the store; if there is none, make it."""
    name = (False, signature, *parts)
    if (known := _kernels.get(name)) is not None:
        return known
    key = key_of(("kernel", signature, *parts))
    if (stored := _stored(key, signature)) is not None:
        return _kernels.enter(name, stored)
    with lock():
        if (known := _kernels.get(name)) is not None:
            return known
        with raised_at_once(), _patience():
            return _kernels.enter(name, make(key))


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """Tell whoever wants to know when something takes long."""
    if when_long is None:
        yield
        return
    timer = threading.Timer(LONG, when_long)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


# Who writes a kernel waits for nothing else, so who compiles one may wait for this.
_writing = threading.RLock()


def numbas_lock() -> Any:
    """Return the lock of what numba compiles.

    numba compiles in one thread at a time anyway, and with a lock of our own beside its
    own two threads could wait for each other.
    """
    from numba.core.compiler_lock import global_compiler_lock

    return global_compiler_lock


def _stored(key: str, signature: str) -> Kernel | None:
    code = _get(key)
    if code is None:
        return None
    try:
        return machine.linked(code, signature)
    except NotPortable:
        return None


def _compiled(key: str, signature: str, function: Any) -> Kernel:
    """Keep what numba compiled, if it can be used without numba; return it."""
    try:
        name = function.native_name.removeprefix("cfunc.")
        code = machine.emitted(function.inspect_llvm(), name, signature)
        made = machine.linked(code, signature)
    except (NotPortable, AttributeError):  # also where numba has other names for it
        return _of_this_process(function, signature)
    _put(key, code)
    return made


def _of_this_process(function: Any, signature: str) -> Kernel:
    if isinstance(function, Kernel):
        return function
    return Kernel(function.address, signature, function)


def recalled(parts: Sequence[str]) -> Any:
    """Return what was remembered of something, here or in an earlier process."""
    name = tuple(parts)
    if (known := _facts.get(name)) is not None:
        return known
    stored = _get(key_of(("facts", *name)))
    return None if stored is None else _facts.enter(name, json.loads(stored))


def remember(parts: Sequence[str], facts: Any) -> None:
    """Keep what is known of something: whatever JSON can hold."""
    name = tuple(parts)
    if _facts.get(name) is None:
        text = json.dumps(facts)
        # As a later process will read it: a tuple is a list there.
        _facts.enter(name, json.loads(text))
        _put(key_of(("facts", *name)), text.encode())


def _get(key: str) -> bytes | None:
    # Without its sources, one version of symgd can't be told from another.
    return None if _SOURCES is None else store.get(key)


def _put(key: str, content: bytes) -> None:
    """Store an entry, unless it might be of other sources than its key says."""
    if not interpreted() and _unchanged():
        store.put(key, content)


def _unchanged() -> bool:
    """Return whether what runs is what is on the disk."""
    return _SOURCES is not None and store.sources() == _SOURCES
