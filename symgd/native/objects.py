"""Object files of kernels, for this machine or another one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from symgd.errors import InputError
from symgd.native import machine, store
from symgd.native.machine import ENTRY

_TRIPLE = re.compile(r"[\w.]+(-[\w.]+)*")
_CPU = re.compile(r"[\w.+-]*")
_STATIC = ("wasm", "-none-")  # nothing is loaded at another address there


def object_file(
    modules: Mapping[str, Any], triple: str | None, cpu: str | None
) -> bytes:
    """Return one object file of modules, whose entries get these names.

    Parameters
    ----------
    modules : mapping of str to module
    triple : str or None
        The machine, such as aarch64-linux-gnu; None is this one.
    cpu : str or None
        A processor that LLVM knows, or "native"; None is any of its kind.

    Raises
    ------
    InputError
        If there is no code for such a machine.
    """
    triple, cpu, features = _machine(triple, cpu)
    whole = machine.parsed("")
    for name, module in modules.items():
        for item in (*module.functions, *module.global_variables):
            if not item.is_declaration:
                item.linkage = "external" if item.name == ENTRY else "internal"
        module.get_function(ENTRY).name = name
        whole.link_in(module)
    machine.refuse_addresses(whole)
    return _emitted(str(whole), triple, cpu, features)


def _machine(triple: str | None, cpu: str | None) -> tuple[str, str, str]:
    """Return the names of a machine and a processor, and what it can do."""
    import llvmlite.binding as llvm

    features = ""
    if cpu == "native":
        if triple is not None:
            raise InputError("cpu='native' is this machine's: leave target out")
        cpu, features = machine.processor()
    cpu = cpu or ""
    known = llvm.get_default_triple() if triple is None else triple
    if not _TRIPLE.fullmatch(known) or not _CPU.fullmatch(cpu):
        raise InputError(f"target={triple!r} with cpu={cpu!r} is no machine's name")
    return known, cpu, features


def _emitted(text: str, triple: str, cpu: str, features: str) -> bytes:
    """Return the object file of a module.

    In a process of its own: LLVM ends it where it has no code, and what it knows of
    other machines is to stay out of this one, which goes on linking.
    """
    path = os.pathsep.join([str(store.PACKAGE.parent), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-m", __name__, triple, cpu, features],
        input=text.encode(),
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    told = done.stderr.decode(errors="replace")
    if "is not a recognized processor" in told:
        raise InputError(f"cpu={cpu!r}: LLVM knows no such processor of {triple}")
    if done.returncode != 0:
        last = told.strip().splitlines()[-1:] or ["LLVM can't"]
        raise InputError(f"no code for target={triple!r}, cpu={cpu!r}: {last[0]}")
    return done.stdout


def main(triple: str, cpu: str, features: str) -> None:
    """Write the object file of the module on standard input."""
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    static = any(part in triple for part in _STATIC)
    here = llvm.Target.from_triple(triple).create_target_machine(
        cpu,
        features,
        opt=3,
        reloc="static" if static else "pic",
        codemodel="default",
    )
    whole = machine.parsed(sys.stdin.read())
    sys.stdout.buffer.write(machine.specialised(whole, here))


if __name__ == "__main__":
    main(*sys.argv[1:])
