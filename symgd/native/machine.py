"""Kernels as machine code: written from LLVM's text, linked without a compiler.

A kernel takes addresses and numbers, returns a number, allocates nothing and touches no
Python object. Its machine code can therefore be kept, and a later process needs only a
linker to run it: llvmlite's, which is there within a moment.

Code is made for the processor that numba would compile for: this machine's, or what
``NUMBA_CPU_NAME``, ``NUMBA_CPU_FEATURES`` and ``NUMBA_ENABLE_AVX`` say.
"""

from __future__ import annotations

import ctypes
import functools
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from symgd.errors import InputError, SymgdError

LLVM_TYPES = {"p": "ptr", "i": "i64", "d": "double"}
C_TYPES = {"p": ctypes.c_void_p, "i": ctypes.c_int64, "d": ctypes.c_double}
ENTRY = "symgd_entry"
_BYTE = ctypes.c_char
LONG = 300_000  # characters of LLVM's text, of some hundred terms
# What numba calls by names of its own, and the C library by these.
LIBRARY = {"numba_gamma": "tgamma", "numba_lgamma": "lgamma"}
# What holds an address of this process: a number as a pointer, or numba's variable.
_ADDRESS = re.compile(r"inttoptr \(?i\d+ -?\d+ to |numba\.dynamic\.globals")


_FEATURES = re.compile(r"[+-][\w.-]+(,[+-][\w.-]+)*")
# Emits a function for the processor that is named.
_PROBE = """
import sys
import llvmlite.binding as llvm
llvm.initialize_native_target()
llvm.initialize_native_asmprinter()
print("begun", flush=True)
target = llvm.Target.from_default_triple().create_target_machine(sys.argv[1])
module = llvm.parse_assembly("define i64 @f() { ret i64 1 }")
module.triple = target.triple
target.emit_object(module)
"""


# As LLVM writes them, and as llvmlite does.
_UNCHANGING = re.compile(r", !invariant\.load ![0-9]+")
_DEFINITION = re.compile(r"^(define .*?)(\s\{)$", re.MULTILINE)
_ENTRY = re.compile(rf'^(define [^\n]*@"?{ENTRY}"?\(.*?)(\s\{{)$', re.MULTILINE)


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
        # Also where only the call is kept; ctypes' objects take any attribute.
        self.call.owner = owner  # type: ignore[attr-defined]

    def __call__(self, *arguments: Any) -> Any:
        """Run it; other threads go on."""
        return self.call(*arguments)


class PythonKernel(Kernel):
    """A function in Python that native loops call as if it were a kernel.

    There, what it raises becomes NaN, as nothing can pass through native code; it is
    raised by :func:`raise_pending`, when the loop has returned.
    """

    def __init__(self, function: Callable[..., float], signature: str) -> None:
        def guarded(*arguments: Any) -> float:
            try:
                return function(*arguments)
            except BaseException as error:
                _pending.append(error)
                return math.nan

        returned, taken = signature.split(":")
        kinds = (C_TYPES[letter] for letter in (returned, *taken))
        native = ctypes.CFUNCTYPE(*kinds)(guarded)
        where = ctypes.cast(native, ctypes.c_void_p).value
        assert where is not None
        super().__init__(where, signature, native)
        self.call = function


_pending: list[BaseException] = []


def raise_pending() -> None:
    """Raise what a function in Python raised while a native loop called it."""
    if _pending:
        error = _pending[0]
        _pending.clear()
        raise error


def address(array: Any) -> int:
    """Return where an array, NumPy's or Python's own, or a record has its numbers."""
    try:
        return ctypes.addressof(_BYTE.from_buffer(array))
    except (TypeError, ValueError):
        pass  # it is empty, only to be read, or has gaps
    if not hasattr(array, "__array_interface__"):
        return array.buffer_info()[0]
    if not array.flags.c_contiguous:
        raise ValueError("a kernel takes arrays row by row, without gaps")
    return array.__array_interface__["data"][0]


def machine() -> tuple[str, ...]:
    """Return what machine code depends on: LLVM, the system and the processor."""
    import llvmlite
    import llvmlite.binding as llvm

    version = ".".join(map(str, llvm.llvm_version_info))
    return llvmlite.__version__, version, llvm.get_process_triple(), *processor()


def register_width() -> int:
    """Return how many float64 a SIMD register holds."""
    return 8 if has("avx512f") else 4 if has("avx") else 2


def has(feature: str) -> bool:
    """Return whether the processor that code is made for has some instructions."""
    return f"+{feature}" in processor()[1].split(",")


def processor() -> tuple[str, str]:
    """Return the name and the features of the processor that code is made for.

    Raises
    ------
    InputError
        If LLVM would end the process over them.
    """
    import llvmlite.binding as llvm

    own = _asked_once(llvm.get_host_cpu_name)
    name = os.environ.get("NUMBA_CPU_NAME")
    features = os.environ.get("NUMBA_CPU_FEATURES")
    if features and not _FEATURES.fullmatch(features):
        problem = "names processor features, each with + or -, such as +avx2,-avx512f"
        raise InputError(f"NUMBA_CPU_FEATURES {problem}; not {features!r}")
    if name not in (None, "generic", own) and not _is_known(name):
        problem = f"NUMBA_CPU_NAME is {name!r}, for which no code can be made here"
        raise InputError(f"{problem}: name a processor that LLVM knows, or 'generic'")
    if features is None and name is not None and name.lower() == "generic":
        features = ""
    if features is None:
        has_avx = os.environ.get("NUMBA_ENABLE_AVX", "").strip() != "0"
        features = _own_features(llvm.get_host_cpu_features, has_avx)
    return own if name is None else name, features


@functools.cache
def _asked_once(ask: Callable[[], str]) -> str:
    """Return what LLVM says when it is asked for the first time.

    It looks the processor up each time, which takes a good part of a short call.
    """
    return ask()


@functools.cache
def _is_known(name: str | None) -> bool:
    """Return whether code can be made for a processor; LLVM aborts where it can't."""
    import subprocess

    command = [sys.executable, "-c", _PROBE, str(name)]
    try:
        tried = subprocess.run(command, capture_output=True, check=False, timeout=60)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return True  # which nobody can tell here
    return tried.returncode == 0 or b"begun" not in tried.stdout


@functools.cache
def _own_features(ask: Callable[[], Any], has_avx: bool) -> str:
    try:
        features = ask()
    except RuntimeError:  # LLVM can't tell on this system
        return ""
    for name in features:
        features[name] &= has_avx or not name.startswith("avx")
    return features.flatten()


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

    module, here = with_entry(text, function, signature), _target()
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    tuning = llvm.create_pipeline_tuning_options()
    run_passes(passes, module, llvm.create_pass_builder(here, tuning))
    refuse_addresses(module)
    return here.emit_object(module)


def with_entry(text: str, function: str, signature: str, inlined: bool = False) -> Any:
    """Return the module of a function that numba has compiled, to be called by ENTRY.

    Raises
    ------
    NotPortable
        If it isn't as expected, see :func:`emitted`.
    """
    returned, taken = signature.split(":")
    module = parsed(text + _entry(function, returned, taken), inlined)
    type_of_function = str(module.get_function(function).global_value_type)
    inner = ", ".join(["ptr", "ptr", *(LLVM_TYPES[letter] for letter in taken)])
    if type_of_function != f"i32 ({inner})":
        raise NotPortable("numba's calling convention is not the known one")
    for item in (*module.functions, *module.global_variables):
        if not item.is_declaration and item.name != ENTRY:
            item.linkage = "internal"
    return module


def refuse_addresses(module: Any) -> None:
    """Raise NotPortable if a module holds an address of this process."""
    if _ADDRESS.search(str(module)):
        raise NotPortable("the code holds an address of this process")


def without_loops(text: str) -> bytes:
    """Return the machine code of a module that has no loop, as of a formula.

    Of a long one, the best code takes time that grows faster than its length: what
    repeats has been taken out of it before, and it is emitted as it is.
    """
    if len(text) <= LONG:
        return optimised(text)
    import llvmlite.binding as llvm

    module, here = parsed(text), _target(effort=0)
    module.triple = here.triple
    module.data_layout = str(here.target_data)
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    tuning = llvm.create_pipeline_tuning_options()
    run_passes(passes, module, llvm.create_pass_builder(here, tuning))
    return here.emit_object(module)


def optimised(text: str, *, widened: bool = False, effort: int = 3) -> bytes:
    """Return the machine code of a module that is nobody's but symgd's.

    Its entry is called ENTRY.

    Parameters
    ----------
    widened : bool
        Whether LLVM is to look for what loops can do side by side. What symgd writes
        is as wide as it is to be.
    effort : int
        From 0 to 3, of the last stage, which takes most of the time.

    Raises
    ------
    NotPortable
        If LLVM doesn't accept the module.
    """
    import llvmlite.binding as llvm

    module, here = parsed(text), _target(effort)
    module.triple = here.triple
    module.data_layout = str(here.target_data)
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization, tuning.slp_vectorization = widened, False
    # Longer loops take twice as long to emit, and ran no faster, or slower.
    tuning.loop_unrolling = False
    builder = llvm.create_pass_builder(here, tuning)
    run_passes(builder.getModulePassManager(), module, builder)
    return here.emit_object(module)


def joined(
    loop: Any, signature: str, parts: Mapping[str, str], form: Sequence[int | str]
) -> Any:
    """Return the module of a loop with its functions, for known sizes.

    Parameters
    ----------
    loop : module
        Its entry takes as its last argument the address of integers, its form.
    signature : str
        Of the loop, as of :class:`Kernel`.
    parts : mapping of str to str
        LLVM's text of functions, whose entries get these names.
    form : sequence of int and str
        The names of parts stand for their addresses.
    """
    loop.get_function(ENTRY).name = "loop"
    whole = parsed(_bound(signature, form, parts))
    for name, text in parts.items():
        # A loop writes between two calls what during each of them nobody writes.
        part = parsed(_UNCHANGING.sub("", text), inlined=True)
        part.get_function(ENTRY).name = name
        whole.link_in(part)
    whole.link_in(loop)
    for name in ("loop", *parts):
        whole.get_function(name).linkage = "internal"
    return whole


def specialised(whole: Any, here: Any = None) -> bytes:
    """Return the machine code of a loop that is joined with its functions.

    Parameters
    ----------
    whole : module
        See :func:`joined`.
    here : target machine, optional
        By default this one.
    """
    import llvmlite.binding as llvm

    here = here or _target()
    whole.triple, whole.data_layout = here.triple, str(here.target_data)
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.slp_vectorization = False
    builder = llvm.create_pass_builder(here, tuning)
    # What is known is put in place first: memory on the stack has a size then.
    first = llvm.create_new_module_pass_manager()
    first.add_ipsccp_pass()
    first.add_instruction_combine_pass()
    first.add_always_inliner_pass()
    first.add_sroa_pass()
    first.add_instruction_combine_pass()
    first.add_always_inliner_pass()
    run_passes(first, whole, builder)
    run_passes(builder.getModulePassManager(), whole, builder)
    return here.emit_object(whole)


def _bound(signature: str, form: Sequence[int | str], parts: Iterable[str]) -> str:
    """Return the entry that calls a loop with its form."""
    returned, taken = signature.split(":")
    kind, kinds = LLVM_TYPES[returned], [LLVM_TYPES[letter] for letter in taken]
    numbers = ", ".join(
        f"i64 ptrtoint (ptr @{each} to i64)" if isinstance(each, str) else f"i64 {each}"
        for each in form
    )
    named = ", ".join(
        f"{each}{' noalias' if each == 'ptr' else ''} %a{k}"
        for k, each in enumerate(kinds[:-1])
    )
    passed = ", ".join(f"{each} %a{k}" for k, each in enumerate(kinds[:-1]))
    declared = "\n".join(f"declare void @{name}()" for name in parts)
    return f"""
{declared}
declare {kind} @loop({", ".join(kinds)})
@form = internal constant [{len(form)} x i64] [{numbers}]
define {kind} @{ENTRY}({named}) {{
  %value = call {kind} @loop({passed}, ptr @form)
  ret {kind} %value
}}"""


def run_passes(passes: Any, module: Any, builder: Any) -> None:
    """Run a pass manager over a module, once, and free it with what it holds.

    llvmlite frees it nowhere: its class inherits an empty ``_dispose`` before the one
    that is meant. That would be 80 kB for every kernel.
    """
    from llvmlite.binding.ffi import ObjectRef
    from llvmlite.binding.newpassmanagers import NewPassManager

    passes.run(module, builder)
    if type(passes)._dispose is ObjectRef._dispose:
        NewPassManager._dispose(passes)


def parsed(text: str, inlined: bool = False) -> Any:
    """Return a module of LLVM's text.

    Parameters
    ----------
    text : str
    inlined : bool
        Whether its entry is to be written out where it is called.

    Raises
    ------
    NotPortable
        If LLVM doesn't accept it.
    """
    import llvmlite.binding as llvm

    if llvm.llvm_version_info < (16,):
        raise NotPortable("this LLVM has other types of pointers")
    # Nothing is raised through a kernel: there is no way back to tell the system of.
    text = _DEFINITION.sub(r"\1 nounwind\2", text)
    if inlined:
        text = _ENTRY.sub(r"\1 alwaysinline\2", text)
    try:
        module = llvm.parse_assembly(text)
        module.verify()
    except RuntimeError as error:
        raise NotPortable(f"the code is not as expected: {error}") from None
    return module


def _target(effort: int = 3) -> Any:
    return target(*processor(), effort)


def target(name: str, features: str, effort: int = 3) -> Any:
    """Return what emits code for a processor, with an effort from 0 to 3."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    options = {"opt": effort, "reloc": "pic", "codemodel": "default"}
    triple = llvm.Target.from_default_triple()
    return triple.create_target_machine(name, features, **options)


def _entry(function: str, returned: str, taken: str) -> str:
    kind = LLVM_TYPES[returned]
    arguments = [f"{LLVM_TYPES[letter]} %a{i}" for i, letter in enumerate(taken)]
    passed = ", ".join(["ptr %result", "ptr %exception", *arguments])
    return f"""
define {kind} @{ENTRY}({", ".join(arguments)}) {{
begin:
  %result = alloca {kind}
  %exception = alloca ptr
  store {kind} zeroinitializer, ptr %result
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
    for name, known_as in LIBRARY.items():
        if (place := _address_of(known_as)) is not None:
            builder.import_symbol(name, place)
    try:
        # The older linker takes each section's memory from wherever there is some, and
        # ends the process where code and constants are more than 2 GB apart.
        one_slab = sys.platform != "win32"
        compiler = llvm.create_lljit_compiler(
            use_jit_link=one_slab, suppress_errors=True
        )
        # This looks up every name that the code calls; one that is missing is an error
        # here, not when it is called.
        tracker = builder.export_symbol(ENTRY).link(compiler, "kernel")
        return Kernel(tracker[ENTRY], signature, tracker)
    except (RuntimeError, KeyError) as error:
        raise NotPortable(f"the code can't be linked: {error}") from None


@functools.cache
def _address_of(name: str) -> int | None:
    """Return where a function of the C library is, if this process has it."""
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (OSError, TypeError, AttributeError):  # Windows knows no such library
        return None
    return ctypes.cast(function, ctypes.c_void_p).value
