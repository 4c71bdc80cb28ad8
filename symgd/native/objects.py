"""Object files of kernels, for this machine or another one."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from symgd.errors import InputError
from symgd.native import machine
from symgd.native.machine import ENTRY

_TRIPLE = re.compile(r"[\w.]+(-[\w.]+)*")
_CPU = re.compile(r"[\w.+-]*")
_STATIC = ("wasm", "-none-")  # nothing is loaded at another address there

# Emits a function for a processor; LLVM aborts where it can't.
_PROBE = """
import sys
import llvmlite.binding as llvm
llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
target = llvm.Target.from_triple(sys.argv[1]).create_target_machine(sys.argv[2])
module = llvm.parse_assembly("define double @f(double %x) { ret double %x }")
module.triple = target.triple
target.emit_object(module)
"""


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
    here = _target(triple, cpu)
    whole = machine.parsed("")
    for name, module in modules.items():
        for item in (*module.functions, *module.global_variables):
            if not item.is_declaration:
                item.linkage = "external" if item.name == ENTRY else "internal"
        module.get_function(ENTRY).name = name
        whole.link_in(module)
    machine.refuse_addresses(whole)
    return machine.specialised(whole, here)


def _target(triple: str | None, cpu: str | None) -> Any:
    """Return what emits code for a machine."""
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
    _check(known, cpu)
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    static = any(part in known for part in _STATIC)
    options = {"opt": 3, "reloc": "static" if static else "pic", "codemodel": "default"}
    return llvm.Target.from_triple(known).create_target_machine(
        cpu, features, **options
    )


def _check(triple: str, cpu: str) -> None:
    """Refuse what LLVM knows nothing of, before it ends the process."""
    tried = subprocess.run(
        [sys.executable, "-c", _PROBE, triple, cpu], capture_output=True, check=False
    )
    told = tried.stderr.decode(errors="replace")
    if "is not a recognized processor" in told:
        raise InputError(f"cpu={cpu!r}: LLVM knows no such processor of {triple}")
    if tried.returncode != 0:
        last = told.strip().splitlines()[-1:] or ["LLVM can't"]
        raise InputError(f"no code for target={triple!r}, cpu={cpu!r}: {last[0]}")
