"""How numba compiles what symgd has written in Python."""

from __future__ import annotations

from typing import Any

import numba

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
