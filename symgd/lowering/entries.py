"""Functions of addresses and numbers as kernels: compiled by numba, or in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

from symgd.lowering.intrinsics import INTERPRETED
from symgd.lowering.jitting import JIT_OPTIONS
from symgd.native.machine import Kernel


class Interpreted(Kernel):
    """A kernel that runs in Python, for debugging."""

    def __init__(self, function: Callable[..., Any], signature: str) -> None:
        self.signature = signature
        self.address = len(INTERPRETED) + 1
        INTERPRETED[self.address] = self.call = function


def native(function: Callable[..., Any], signature: str) -> Any:
    """Compile a function of addresses and numbers, as a ``Kernel`` is called.

    Returns
    -------
    numba.cfunc
        Or, if jitting is disabled, a Kernel that runs the function in Python.
    """
    if numba.config.DISABLE_JIT:
        return Interpreted(function, signature)
    kinds = {"p": numba.types.voidptr, "i": numba.types.int64, "d": numba.types.float64}
    returned, taken = signature.split(":")
    typed = kinds[returned](*(kinds[letter] for letter in taken))
    return numba.cfunc(typed, **JIT_OPTIONS)(function)
