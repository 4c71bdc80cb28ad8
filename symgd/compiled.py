"""Kernels, each made once: taken from this process, from the store, or compiled."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from symgd import machine, store
from symgd.machine import Kernel, NotPortable

CAPACITY = 256  # kernels in this process

_known: OrderedDict[str, Kernel] = OrderedDict()


@functools.cache
def _setting() -> tuple[str, ...]:
    """Return what every entry of the store depends on, beside what it is of."""
    python = ".".join(map(str, sys.version_info[:2]))
    packages = (_installed(name) for name in ("numba", "sympy", "mpmath"))
    return (store.sources(), python, *packages, *machine.machine())


def _installed(package: str) -> str:
    """Return what changes when a package is installed anew, without importing it."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        return ""
    status = os.stat(found.origin)
    return f"{found.origin} {status.st_size} {status.st_mtime_ns}"


def key_of(parts: Sequence[str]) -> str:
    """Return the name of an entry of the store."""
    return store.digest((*_setting(), *parts))


def kernel(parts: Sequence[str], signature: str, build: Callable[[], Any]) -> Kernel:
    """Return a kernel.

    Parameters
    ----------
    parts : sequence of str
        All that it depends on: what kind it is, the formula, the equations, ...
    signature : str
        As of :class:`Kernel`.
    build : callable
        Compiles it, to a ``numba.cfunc``; called only if nothing is stored.
    """
    key = key_of(("kernel", signature, *parts))
    if key in _known:
        _known.move_to_end(key)
        return _known[key]
    made = _stored(key, signature) or _compiled(key, signature, build())
    _known[key] = made
    while len(_known) > CAPACITY:
        _known.popitem(last=False)
    return made


def _stored(key: str, signature: str) -> Kernel | None:
    code = store.get(key)
    if code is None:
        return None
    try:
        return machine.linked(code, signature)
    except NotPortable:
        return None


def _compiled(key: str, signature: str, function: Any) -> Kernel:
    """Keep what was compiled, if it can be used without numba; return it."""
    if isinstance(function, Kernel):
        return function
    try:
        name = function.native_name.removeprefix("cfunc.")
        code = machine.emitted(function.inspect_llvm(), name, signature)
        made = machine.linked(code, signature)
    except (NotPortable, RuntimeError, NameError):
        return Kernel(function.address, signature, function)
    store.put(key, code)
    return made


_recalled: dict[str, Any] = {}


def recalled(parts: Sequence[str]) -> Any:
    """Return what was remembered of something, here or in an earlier process."""
    key = key_of(("facts", *parts))
    if key not in _recalled:
        stored = store.get(key)
        if stored is None:
            return None
        _recalled[key] = json.loads(stored)
    return _recalled[key]


def remember(parts: Sequence[str], facts: Any) -> None:
    """Keep what is known of something: whatever JSON can hold."""
    key = key_of(("facts", *parts))
    if key not in _recalled:
        _recalled[key] = facts
        store.put(key, json.dumps(facts).encode())
