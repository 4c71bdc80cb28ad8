"""Machine code: written, linked, refused where it can't leave the process."""

import ctypes
import gc
import json
import math
import platform
import re
import subprocess
import sys
from array import array

import llvmlite.binding as llvm
import pytest

from symgd.errors import InputError
from symgd.native import machine
from symgd.native.machine import Kernel, NotPortable

PLUS_ONE = """
define i32 @"f"(ptr %result, ptr %exception, double %x) {
  %y = fadd double %x, 1.0
  store double %y, ptr %result
  ret i32 0
}
"""
SUM = """
define i32 @"sum of both"(ptr %result, ptr %exception, i64 %n, ptr %a, double %x) {
  %last = getelementptr double, ptr %a, i64 %n
  %number = load double, ptr %last
  %both = fadd double %number, %x
  store double %both, ptr %a
  %whole = fptosi double %both to i64
  store i64 %whole, ptr %result
  ret i32 0
}
"""


def calling(name):
    return f"""
declare double @{name}(double)
define i32 @f(ptr %result, ptr %exception, double %x) {{
  %y = call double @{name}(double %x)
  store double %y, ptr %result
  ret i32 0
}}
"""


def test_code_is_written_and_linked():
    kernel = machine.linked(machine.emitted(PLUS_ONE, "f", "d:d"), "d:d")
    assert kernel(2.5) == 3.5


# Leaves one free page high up in memory and 64 of them more than 2 GB below it, and no
# others that are small: what takes memory section by section gets both.
APART = """
import ctypes, mmap, sys
from symgd.native import machine
code = open(sys.argv[1], "rb").read()
warm = machine.linked(code, "d:d")
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [
    ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int,
    ctypes.c_long,
]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
NOTHING, RESERVED, PAGE = 0, 0x4022, mmap.PAGESIZE  # private, anonymous, no swap
blocks = [libc.mmap(None, 3 << 30, NOTHING, RESERVED, -1, 0) for _ in range(6)]
lowest = min(blocks)
while libc.mmap(None, PAGE, NOTHING, RESERVED, -1, 0) > lowest:
    pass
libc.munmap(max(blocks) + (1 << 30), PAGE)
libc.munmap(lowest + (1 << 30), 64 * PAGE)
print(machine.linked(code, "d:d")(1.0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is laid out as Linux does")
def test_memory_in_pieces_far_apart_is_no_reason_to_end_the_process(tmp_path):
    text = """
define i32 @f(ptr %result, ptr %exception, double %x) {
    %a = call double @llvm.sqrt.f64(double %x)
    %b = fadd double %a, 0x400921FB54442D18
    store double %b, ptr %result
    ret i32 0
}
declare double @llvm.sqrt.f64(double)
"""
    (tmp_path / "code").write_bytes(machine.emitted(text, "f", "d:d"))
    command = [sys.executable, "-c", APART, str(tmp_path / "code")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.strip() == str(1 + math.pi), done.stderr


def test_no_table_for_unwinding_is_made():
    # Each would be registered with the system, and taken back in the right order.
    assert b".eh_frame" not in machine.emitted(PLUS_ONE, "f", "d:d")


def test_addresses_integers_and_floats_are_passed():
    code = machine.emitted(SUM, "sum of both", "i:ipd")
    numbers = array("d", [1.0, 2.0, 3.0])
    assert machine.linked(code, "i:ipd")(2, machine.address(numbers), 4.5) == 7
    assert numbers[0] == 7.5


def test_the_code_lives_as_long_as_the_kernel_or_its_call():
    code = machine.emitted(PLUS_ONE, "f", "d:d")
    kernels = [machine.linked(code, "d:d") for _ in range(20)]
    calls = [kernel.call for kernel in kernels[::2]]
    owners = [kernel.owner for kernel in kernels[::2]]
    del kernels[::2]
    gc.collect()
    assert not any(owner.closed for owner in owners)
    del owners
    gc.collect()
    assert [call(1.0) for call in calls] == [2.0] * 10
    assert [kernel(1.0) for kernel in kernels] == [2.0] * 10
    assert all(call.owner is not None for call in calls)


# ------------------------------------------------------------------- refused


def test_a_missing_function_is_noticed_when_the_code_is_linked():
    code = machine.emitted(calling("no_such_function"), "f", "d:d")
    with pytest.raises(NotPortable, match="can't be linked"):
        machine.linked(code, "d:d")


def test_what_is_no_code_is_refused():
    code = machine.emitted(PLUS_ONE, "f", "d:d")
    for damaged in (b"", b"no code" * 20, code[: len(code) // 2], code[:64]):
        with pytest.raises(NotPortable):
            machine.linked(damaged, "d:d")


def test_code_without_the_entry_is_refused():
    module = llvm.parse_assembly("define double @other() { ret double 1.0 }")
    code = machine._target().emit_object(module)
    with pytest.raises(NotPortable):
        machine.linked(code, "d:")


@pytest.mark.parametrize(
    ("text", "function"),
    [
        (PLUS_ONE, "g"),  # another name
        (PLUS_ONE.replace("i32", "i64"), "f"),  # another status
        (PLUS_ONE.replace("double %x)", "double %x, i64 %n)"), "f"),  # more arguments
        (PLUS_ONE.replace("ptr %exception, ", ""), "f"),
        ("this is not LLVM's", "f"),
    ],
)
def test_another_calling_convention_is_refused(text, function):
    with pytest.raises(NotPortable):
        machine.emitted(text, function, "d:d")


def test_an_older_llvm_is_not_asked(monkeypatch):
    monkeypatch.setattr(
        llvm, "llvm_version_info", (15, 0, 7)
    )  # it would print warnings
    with pytest.raises(NotPortable, match="pointers"):
        machine.emitted(PLUS_ONE, "f", "d:d")


@pytest.mark.parametrize(
    ("first", "callee"),
    [
        ("", "inttoptr (i64 94093094093 to ptr)"),
        ("%place = inttoptr i64 94093094093 to ptr", "%place"),  # not optimised
    ],
)
def test_code_with_an_address_of_this_process_is_refused(first, callee):
    text = f"""
define i32 @f(ptr %result, ptr %exception, double %x) {{
  {first}
  %y = call double {callee}(double %x)
  store double %y, ptr %result
  ret i32 0
}}
"""
    with pytest.raises(NotPortable, match="address"):
        machine.emitted(text, "f", "d:d")


def test_code_that_reads_a_variable_of_this_process_is_refused():
    text = """
@numba.dynamic.globals.7f = external global ptr
define i32 @f(ptr %result, ptr %exception, double %x) {
  %place = load ptr, ptr @numba.dynamic.globals.7f
  %y = call double %place(double %x)
  store double %y, ptr %result
  ret i32 0
}
"""
    with pytest.raises(NotPortable, match="address"):
        machine.emitted(text, "f", "d:d")


def test_a_pointer_that_is_passed_as_a_number_is_none_of_this_process():
    text = """
define i32 @f(ptr %result, ptr %exception, i64 %x) {
  %place = inttoptr i64 %x to ptr
  %y = load double, ptr %place
  store double %y, ptr %result
  ret i32 0
}
"""
    numbers = array("d", [4.25])
    kernel = machine.linked(machine.emitted(text, "f", "d:i"), "d:i")
    assert kernel(machine.address(numbers)) == 4.25


def test_code_that_fails_returns_nothing_at_random():
    text = """
define i32 @f(ptr %result, ptr %exception, double %x) {
  ret i32 1
}
"""
    kernel = machine.linked(machine.emitted(text, "f", "d:d"), "d:d")
    assert [kernel(float(i)) for i in range(5)] == [0.0] * 5


# ------------------------------------------------------------------- library


@pytest.mark.parametrize(
    ("name", "expected"), [("numba_gamma", 24.0), ("numba_lgamma", math.log(24.0))]
)
def test_functions_that_numba_has_by_other_names(name, expected):
    kernel = machine.linked(machine.emitted(calling(name), "f", "d:d"), "d:d")
    assert kernel(5.0) == pytest.approx(expected, rel=1e-15)


def test_all_those_functions_are_there():
    assert all(map(machine._address_of, machine.LIBRARY.values()))
    assert machine._address_of("no_such_function") is None


def test_without_the_library_only_what_needs_it_is_refused(monkeypatch):
    needs = machine.emitted(calling("numba_gamma"), "f", "d:d")
    needs_not = machine.emitted(PLUS_ONE, "f", "d:d")

    def refuse(name):
        raise TypeError("Windows has no library without a name")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    machine._address_of.cache_clear()
    try:
        with pytest.raises(NotPortable):
            machine.linked(needs, "d:d")
        assert machine.linked(needs_not, "d:d")(1.0) == 2.0
    finally:
        machine._address_of.cache_clear()


# ----------------------------------------------------------------- processor

AS_NUMBA = """
import json, os, sys
import numba
from numba.core import codegen
from numba.core.registry import cpu_target
from symgd.errors import InputError
from symgd.native import machine
same = []
for given in json.loads(sys.argv[1]):
    os.environ.update(given)
    numba.config.reload_config()
    own = cpu_target.target_context.codegen()
    numbas = own._get_host_cpu_name(), own._get_host_cpu_features()
    same.append(numbas == machine.processor())
    for name in given:
        del os.environ[name]
print(same)
"""


def test_the_processor_is_the_one_that_numba_compiles_for():
    given = [
        {},
        {"NUMBA_CPU_NAME": "generic"},
        {"NUMBA_CPU_NAME": "core2", "NUMBA_CPU_FEATURES": "+sse3,-avx"},
        {"NUMBA_CPU_FEATURES": ""},
        {"NUMBA_ENABLE_AVX": "0"},
    ]
    command = [sys.executable, "-c", AS_NUMBA, json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.strip() == str([True] * len(given)), done.stderr


@pytest.mark.parametrize(
    ("features", "width"),
    [
        ("+sse2,+avx,+avx2,+avx512f", 8),
        ("+avx,+avx2,-avx512f", 4),
        ("-avx,+avx2", 2),
        ("", 2),
    ],
)
def test_the_width_of_a_register(monkeypatch, features, width):
    monkeypatch.setenv("NUMBA_CPU_FEATURES", features)
    assert machine.register_width() == width


def test_a_system_whose_processor_is_unknown(monkeypatch):
    for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"):
        monkeypatch.delenv(name, raising=False)

    def unknown():
        raise RuntimeError("not supported")

    monkeypatch.setattr(llvm, "get_host_cpu_features", unknown)
    assert machine.machine()[-1] == ""
    assert machine.register_width() == 2


@pytest.mark.skipif(platform.machine() != "x86_64", reason="instructions of one kind")
def test_code_is_written_for_that_processor(monkeypatch):
    text = PLUS_ONE.replace("fadd double %x, 1.0", "call double @llvm.floor(double %x)")
    text += "declare double @llvm.floor(double)"
    codes = []
    for features in ("", "+sse4.1", "+avx"):
        monkeypatch.setenv("NUMBA_CPU_NAME", "x86-64")
        monkeypatch.setenv("NUMBA_CPU_FEATURES", features)
        codes.append(machine.emitted(text, "f", "d:d"))
    assert len(set(codes)) == 3


def test_a_kernel_may_stand_for_any_function():
    callback = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64)(lambda n: n / 2)
    kernel = Kernel(ctypes.cast(callback, ctypes.c_void_p).value, "d:i", callback)
    assert kernel(5) == 2.5
    with pytest.raises(ctypes.ArgumentError):
        kernel("5")


@pytest.mark.parametrize("features", ["foo,bar", "avx2", "+avx2, -avx", "+", "help"])
def test_features_that_llvm_would_abort_over_are_refused(monkeypatch, features):
    monkeypatch.setenv("NUMBA_CPU_FEATURES", features)
    with pytest.raises(InputError, match=f"NUMBA_CPU_FEATURES .*{re.escape(features)}"):
        machine.machine()


@pytest.mark.parametrize("features", ["", "+sse2", "+avx2,-avx512f,+sse4.2"])
def test_features_are_taken(monkeypatch, features):
    monkeypatch.setenv("NUMBA_CPU_FEATURES", features)
    assert machine.machine()[-1] == features


def test_a_processor_that_llvm_does_not_know_is_refused(monkeypatch):
    monkeypatch.setenv("NUMBA_CPU_NAME", "nonsense")
    with pytest.raises(InputError, match="NUMBA_CPU_NAME is 'nonsense'"):
        machine.machine()
