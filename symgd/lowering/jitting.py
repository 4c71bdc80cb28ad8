"""What numba compiles of symgd, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

from symgd.lowering.intrinsics import Interpreted

# Without reference counts: nothing is allocated, and code stays free of the runtime.
# Without wrappers: only other compiled code calls it, and each would be compiled, too.
JIT_OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "_nrt": False,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}


def jit(function: Any) -> Any:
    """Compile a function that loops call."""
    return numba.njit(**JIT_OPTIONS)(function)


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
