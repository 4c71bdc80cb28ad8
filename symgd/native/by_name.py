"""Loops that travel with symgd, by name, for rooms below the one that has them.

Which module that is, is told by the package itself, in ``symgd/__init__.py``
(dependency inversion).
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from symgd.native.machine import Kernel

LOOPS_IN: list[str] = []


@functools.cache
def loop_for_code(name: str) -> Kernel:
    """Return a loop whose address machine code can call, even if it is in Python."""
    from symgd.native import compiled
    from symgd.native.machine import PythonKernel

    kernel: Kernel = importlib.import_module(LOOPS_IN[0]).shared(name)
    if compiled.interpreted():
        return PythonKernel(kernel.call, kernel.signature)
    return kernel
