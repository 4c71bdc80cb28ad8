"""Kernels as machine code: written from LLVM's text, linked without a compiler.

A kernel takes addresses and numbers, returns a number, allocates nothing and touches no
Python object. Its machine code can therefore be kept, and a later process needs only a
linker to run it: llvmlite's, which is there within a moment.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from symgd.errors import SymgdError

LLVM_TYPES = {"p": "ptr", "i": "i64", "d": "double"}
C_TYPES = {"p": ctypes.c_void_p, "i": ctypes.c_int64, "d": ctypes.c_double}
ENTRY = "symgd_entry"
# What numba calls by names of its own, and the C library by these.
LIBRARY = {"numba_gamma": "tgamma", "numba_lgamma": "lgamma"}


class NotPortable(SymgdError):
    """The code can't leave this process."""


class Kernel:
    """A native function, called with addresses (``p``), integers and floats.

    Parameters
    ----------
    address : int
        Of the machine code.
    signature : str
        The letter of what it returns, a colon, the letters of its arguments.
    owner : object
        What must live as long as the code is used.
    """

    def __init__(self, address: int, signature: str, owner: object) -> None:
        self.address = address
        self.signature = signature
        self.owner = owner
        returned, taken = signature.split(":")
        kinds = (C_TYPES[letter] for letter in (returned, *taken))
        self.call: Callable[..., Any] = ctypes.CFUNCTYPE(*kinds)(address)

    def __call__(self, *arguments: Any) -> Any:
        """Run it; other threads go on."""
        return self.call(*arguments)


def address(array: Any) -> int:
    """Return where the numbers of an array are, NumPy's or Python's own."""
    if hasattr(array, "buffer_info"):
        return array.buffer_info()[0]
    return array.__array_interface__["data"][0]


def machine() -> tuple[str, ...]:
    """Return what machine code depends on: LLVM and the processor."""
    import llvmlite
    import llvmlite.binding as llvm

    version = ".".join(map(str, llvm.llvm_version_info))
    features = llvm.get_host_cpu_features().flatten()
    return llvmlite.__version__, version, llvm.get_host_cpu_name(), features


def register_width() -> int:
    """Return how many float64 a SIMD register of this machine holds."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    return 8 if features.get("avx512f") else 4 if features.get("avx") else 2


def emitted(text: str, function: str, signature: str) -> bytes:
    """Return the machine code of a function that numba has compiled to LLVM's text.

    Parameters
    ----------
    text : str
        The module, optimised.
    function : str
        The name of the function in it, which numba calls as
        ``i32 f(result *, exception **, arguments...)``.
    signature : str
        As of :class:`Kernel`.

    Raises
    ------
    NotPortable
        If the code holds an address of this process or isn't as expected.
    """
    import llvmlite.binding as llvm

    returned, taken = signature.split(":")
    module = llvm.parse_assembly(text + _entry(function, returned, taken))
    inner = ", ".join(["ptr", "ptr", *(LLVM_TYPES[letter] for letter in taken)])
    if str(module.get_function(function).global_value_type) != f"i32 ({inner})":
        raise NotPortable("numba's calling convention is not the known one")
    for item in (*module.functions, *module.global_variables):
        if not item.is_declaration and item.name != ENTRY:
            item.linkage = "internal"
    machine = llvm.Target.from_default_triple().create_target_machine(
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="pic",
        codemodel="default",
    )
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(
        module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options())
    )
    reduced = str(module)
    if "numba.dynamic.globals" in reduced or "inttoptr (i" in reduced:
        raise NotPortable("the code holds an address of this process")
    return machine.emit_object(module)


def _entry(function: str, returned: str, taken: str) -> str:
    kind = LLVM_TYPES[returned]
    arguments = [f"{LLVM_TYPES[letter]} %a{i}" for i, letter in enumerate(taken)]
    passed = ", ".join(["ptr %result", "ptr %exception", *arguments])
    return f"""
define {kind} @{ENTRY}({", ".join(arguments)}) {{
  %result = alloca {kind}
  %exception = alloca ptr
  call i32 @"{function}"({passed})
  %value = load {kind}, ptr %result
  ret {kind} %value
}}"""


def linked(code: bytes, signature: str) -> Kernel:
    """Return the kernel of some machine code.

    Raises
    ------
    NotPortable
        If it can't be linked here.
    """
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
    library = ctypes.CDLL(None)
    for name, known_as in LIBRARY.items():
        function = getattr(library, known_as, None)
        if function is not None:
            address = ctypes.cast(function, ctypes.c_void_p).value
            builder.import_symbol(name, address)
    try:
        compiler = llvm.create_lljit_compiler(suppress_errors=True)
        tracker = builder.export_symbol(ENTRY).link(compiler, "kernel")
        return Kernel(tracker[ENTRY], signature, tracker)
    except (RuntimeError, KeyError) as error:
        raise NotPortable(f"the code can't be linked: {error}") from None
