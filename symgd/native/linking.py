"""Shared libraries of object files, linked by the C compiler of this machine."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from symgd.errors import InputError

_COMPILERS = ("cc", "gcc", "clang")


def shared_library(code: bytes) -> bytes:
    """Return the shared library of an object file of this machine.

    It is linked by the compiler that the environment variable ``CC`` names, or else by
    ``cc``, ``gcc`` or ``clang``.

    Raises
    ------
    InputError
        If there is no compiler, or it can't.
    """
    compiler = _compiler()
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "code.o"), Path(folder, "code.so")
        source.write_bytes(code)
        command = [*compiler, "-shared", str(source), "-o", str(target), "-lm"]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode == 0 and target.exists():
            return target.read_bytes()
    told = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
    problem = f"{shlex.join(compiler)} can't link a shared library"
    raise InputError(": ".join([problem, *told]))


def _compiler() -> list[str]:
    """Return how the C compiler is called."""
    named = os.environ.get("CC", "").strip()
    try:
        asked = shlex.split(named) or [*filter(shutil.which, _COMPILERS)][:1]
    except ValueError as error:
        raise InputError(f"CC={named} is no command: {error}") from None
    if asked and shutil.which(asked[0]):
        return asked
    missing = f"CC={named} isn't found" if named else "there is no C compiler"
    raise InputError(
        f"{missing}, which links .so: install one, or write .o and link it elsewhere "
        "(cc -shared f.o -o f.so -lm)"
    )
