"""Kernels are made once: in a process, in all processes, and in many threads."""

import gc
import json
import os
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import llvmlite.binding as llvm
import numba
import pytest

from symgd.native import compiled, machine, store
from symgd.native.machine import NotPortable


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Begin with nothing known, here and in the store."""
    monkeypatch.setenv("SYMGD_CACHE_DIR", str(tmp_path / "store"))
    monkeypatch.delenv("SYMGD_CACHE_SIZE", raising=False)
    forget(monkeypatch)
    monkeypatch.setattr(compiled, "_SOURCES", store.sources())
    return tmp_path / "store"


def forget(monkeypatch):
    """Forget what this process knows, as a later process doesn't know it."""
    monkeypatch.setattr(compiled, "_kernels", compiled._Recent(compiled.CAPACITY))
    monkeypatch.setattr(compiled, "_facts", compiled._Recent(compiled.FACTS))


class Builder:
    """Compiles ``x + number``; knows how often."""

    def __init__(self, number=1.0):
        self.number = number
        self.times = 0

    def __call__(self):
        self.times += 1
        number = self.number
        options = {"error_model": "numpy", "_nrt": False}
        return numba.cfunc("float64(float64)", **options)(lambda x: x + number)


def fail():
    pytest.fail("it is compiled again")


def entries():
    return store.contents().entries


# ------------------------------------------------------------------- kernels


def test_a_kernel_is_compiled_once_and_kept(monkeypatch):
    build = Builder()
    made = compiled.kernel(["a"], "d:d", build)
    assert made(2.0) == 3.0
    assert compiled.kernel(["a"], "d:d", build) is made
    assert (build.times, entries()) == (1, 1)
    forget(monkeypatch)
    later = compiled.kernel(["a"], "d:d", fail)
    assert later is not made
    assert later(2.0) == 3.0


def test_other_parts_or_signatures_are_other_kernels():
    compiled.kernel(["a", "b"], "d:d", Builder())
    for parts in (["ab"], ["b", "a"], ["a"], ["a", "b", ""]):
        build = Builder(len(parts))
        assert compiled.kernel(parts, "d:d", build)(1.0) == 1.0 + len(parts)
        assert build.times == 1
    build = Builder()
    compiled.kernel(["a", "b"], "i:i", build)
    assert build.times == 1


LATER = """
import sys
from symgd.native import compiled
kernel = compiled.kernel(["a"], "d:d", None)
loaded = {"numba", "sympy", "numpy"} & set(sys.modules)
print(kernel(2.0), loaded or "nothing")
"""


def test_a_later_process_needs_no_compiler(place):
    compiled.kernel(["a"], "d:d", Builder())
    command = [sys.executable, "-c", LATER]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "3.0 nothing\n", done.stderr


@pytest.mark.parametrize("fault", [NotPortable("no"), AttributeError("older numba")])
def test_what_cannot_be_written_is_used_as_numba_made_it(monkeypatch, fault):
    def refuse(*_):
        raise fault

    monkeypatch.setattr(machine, "emitted", refuse)
    build = Builder()
    made = compiled.kernel(["a"], "d:d", build)
    assert made(2.0) == 3.0
    assert compiled.kernel(["a"], "d:d", build) is made
    assert (build.times, entries()) == (1, 0)


def test_what_cannot_be_linked_is_used_as_numba_made_it_and_not_kept(monkeypatch):
    def refuse(*_):
        raise NotPortable("no")

    monkeypatch.setattr(machine, "linked", refuse)
    assert compiled.kernel(["a"], "d:d", Builder())(2.0) == 3.0
    assert entries() == 0


def test_a_stored_kernel_that_cannot_be_linked_is_compiled_and_replaced(monkeypatch):
    key = compiled.key_of(("kernel", "d:d", "a"))
    store.put(key, b"it was written like this")
    assert compiled.kernel(["a"], "d:d", Builder())(2.0) == 3.0
    forget(monkeypatch)
    assert compiled.kernel(["a"], "d:d", fail)(2.0) == 3.0


def test_without_a_store_everything_works(place):
    place.write_text("no folder")
    compiled.remember(["a"], {"n": 1})
    assert compiled.kernel(["a"], "d:d", Builder())(2.0) == 3.0
    assert compiled.kernel(["a"], "d:d", fail)(2.0) == 3.0
    assert compiled.recalled(["a"]) == {"n": 1}


def test_an_error_while_building_is_raised_and_leaves_nothing():
    def build():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        compiled.kernel(["a"], "d:d", build)
    assert compiled.kernel(["a"], "d:d", Builder())(2.0) == 3.0


# ------------------------------------------------------------------- written

PLUS_ONE = """
define double @symgd_entry(double %x) {
  %y = fadd double %x, 1.0
  ret double %y
}
"""


def test_a_kernel_is_written_once_and_kept(monkeypatch):
    written = []

    def write():
        written.append(PLUS_ONE)
        return PLUS_ONE

    made = compiled.written(["a"], "d:d", write)
    assert made(2.0) == 3.0
    assert compiled.written(["a"], "d:d", write) is made
    assert (len(written), entries()) == (1, 1)
    forget(monkeypatch)
    assert compiled.written(["a"], "d:d", fail)(2.0) == 3.0


def test_a_text_that_is_not_llvms_is_an_error_and_leaves_nothing():
    with pytest.raises(NotPortable, match="not as expected"):
        compiled.written(["a"], "d:d", lambda: "x + 1")
    assert entries() == 0
    assert compiled.written(["a"], "d:d", lambda: PLUS_ONE)(2.0) == 3.0


def test_nobody_steps_through_what_is_written_unless_it_has_a_twin(monkeypatch):
    monkeypatch.setattr(compiled, "interpreted", lambda: True)
    twin = machine.Kernel.__new__(machine.Kernel)
    assert compiled.written(["a"], "d:d", fail, lambda: twin) is twin
    assert compiled.written(["b"], "d:d", lambda: PLUS_ONE)(2.0) == 3.0
    assert entries() == 0


@pytest.mark.parametrize(("seconds", "said"), [(0.01, 1), (30, 0)])
def test_what_takes_long_is_said(monkeypatch, seconds, said):
    told = []
    monkeypatch.setattr(compiled, "LONG", seconds)
    monkeypatch.setattr(compiled, "when_long", lambda: told.append("long"))

    def write():
        time.sleep(0.1)
        return PLUS_ONE

    for _ in range(2):
        compiled.written(["a"], "d:d", write)
    assert len(told) == said


# ------------------------------------------------------------------- threads


NET = 600.0  # seconds, in which what hangs is noticed: no test waits for a time


def in_threads(*functions):
    """Run functions at once; return their results, or fail if one hangs."""
    results = [None] * len(functions)

    def run(i):
        results[i] = functions[i]()

    threads = [
        threading.Thread(target=run, args=(i,), daemon=True)
        for i in range(len(functions))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(NET)
    assert not any(thread.is_alive() for thread in threads), "they wait for each other"
    return results


def test_threads_that_want_the_same_kernel_share_one():
    builds, together = [], threading.Barrier(8)

    def want():
        build = Builder()
        builds.append(build)
        together.wait()
        return compiled.kernel(["a"], "d:d", build)

    made = in_threads(*[want] * 8)
    assert sum(build.times for build in builds) == 1
    assert len(set(map(id, made))) == 1


def test_threads_that_link_the_same_kernel_share_one(monkeypatch):
    compiled.kernel(["a"], "d:d", Builder())
    forget(monkeypatch)
    together = threading.Barrier(8)

    def want():
        together.wait()
        return compiled.kernel(["a"], "d:d", fail)

    assert len(set(map(id, in_threads(*[want] * 8)))) == 1


def test_a_thread_in_the_midst_of_compiling_can_ask_for_kernels():
    from numba.core.compiler_lock import global_compiler_lock

    building, holding = threading.Event(), threading.Event()
    build = Builder()

    def slow():
        building.set()
        if not global_compiler_lock.is_locked():  # by this thread
            assert holding.wait(NET)
        return build()

    def first():
        return compiled.kernel(["a"], "d:d", slow)(1.0)

    def second():
        assert building.wait(NET)
        with global_compiler_lock:
            holding.set()
            return compiled.kernel(["a"], "d:d", build)(1.0)

    assert in_threads(first, second) == [2.0, 2.0]


def test_a_thread_in_the_midst_of_compiling_can_ask_for_what_another_writes():
    from numba.core.compiler_lock import global_compiler_lock

    writing, holding = threading.Event(), threading.Event()

    def slow():
        writing.set()
        assert holding.wait(NET)
        return PLUS_ONE

    def first():
        return compiled.written(["a"], "d:d", slow)(1.0)

    def second():
        assert writing.wait(NET)
        with global_compiler_lock:
            holding.set()
            return compiled.written(["a"], "d:d", fail)(1.0)

    assert in_threads(first, second) == [2.0, 2.0]


def test_a_kernel_may_need_another_to_be_built():
    inner = Builder(1.0)

    def outer():
        return Builder(compiled.kernel(["inner"], "d:d", inner)(1.0))()

    assert compiled.kernel(["outer"], "d:d", outer)(1.0) == 3.0


class Slow(int):
    """A key that lets other threads go on wherever it is looked up."""

    def __hash__(self):
        time.sleep(0)
        return int(self)


def test_many_threads_and_little_room():
    recent = compiled._Recent(3)

    def busy(seed):
        for i in range(300):
            key = Slow((seed * i) % 7)
            assert recent.get(key) in (None, key)
            assert recent.enter(key, key) == key
        return True

    assert in_threads(*[lambda s=s: busy(s) for s in range(1, 7)]) == [True] * 6
    assert len(recent._values) == 3


# ------------------------------------------------------------------ eviction


def test_what_was_not_used_for_longest_is_dropped():
    recent = compiled._Recent(2)
    recent.enter("a", 1)
    recent.enter("b", 2)
    assert recent.get("a") == 1
    recent.enter("c", 3)
    assert [recent.get(key) for key in "abc"] == [1, None, 3]
    assert recent.enter("a", 4) == 1


SPINNING = """
define i32 @f(ptr %result, ptr %exception, ptr %place) {
  br label %again
again:
  store volatile i64 1, ptr %place
  %flag = getelementptr i64, ptr %place, i64 1
  %stop = load volatile i64, ptr %flag
  %done = icmp ne i64 %stop, 0
  br i1 %done, label %end, label %again
end:
  store i64 7, ptr %result
  ret i32 0
}
"""


def test_a_kernel_that_is_dropped_while_it_runs_runs_on(monkeypatch):
    import array

    monkeypatch.setattr(compiled, "_kernels", compiled._Recent(1))
    key = compiled.key_of(("kernel", "i:p", "spinning"))
    store.put(key, machine.emitted(SPINNING, "f", "i:p"))
    flags = array.array("q", [0, 0])

    def run():
        return compiled.kernel(["spinning"], "i:p", fail)(machine.address(flags))

    def drop():
        while not flags[0]:
            pass
        compiled.kernel(["another"], "d:d", Builder())
        gc.collect()
        flags[1] = 1

    assert in_threads(run, drop) == [7, None]


# ------------------------------------------------------------------- the key


def key(monkeypatch):
    compiled._setting.cache_clear()
    try:
        return compiled.key_of(["a"])
    finally:
        compiled._setting.cache_clear()


CHANGES = {
    "sources": lambda m: m.setattr(compiled, "_SOURCES", "others"),
    "Python": lambda m: m.setattr(sys, "version", "4.0"),
    "llvmlite": lambda m: m.setattr("llvmlite.__version__", "99"),
    "LLVM": lambda m: m.setattr(llvm, "llvm_version_info", (99, 0, 0)),
    "system": lambda m: m.setattr(llvm, "get_process_triple", lambda: "z80-cpm"),
    "processor": lambda m: m.setattr(llvm, "get_host_cpu_name", lambda: "z80"),
    "features": lambda m: m.setenv("NUMBA_CPU_FEATURES", "+z80"),
    "options": lambda m: m.setenv("NUMBA_OPT", "1"),
    "vectors": lambda m: m.setenv("NUMBA_SLP_VECTORIZE", "1"),
    "file": lambda m: m.setattr(compiled, "_configuration", lambda: "opt: 1"),
    "package": lambda m: m.setattr(compiled, "_installed", lambda name: "anew"),
}


@pytest.mark.parametrize("changed", CHANGES)
def test_whatever_code_depends_on_is_part_of_the_key(monkeypatch, changed):
    for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"):  # of this machine, at first
        monkeypatch.delenv(name, raising=False)
    before = key(monkeypatch)
    assert key(monkeypatch) == before
    CHANGES[changed](monkeypatch)
    assert key(monkeypatch) != before


def test_what_code_does_not_depend_on_is_not(monkeypatch):
    before = key(monkeypatch)
    monkeypatch.setenv("NUMBA_NUM_THREADS", "3")
    monkeypatch.setenv("SOMETHING", "else")
    assert key(monkeypatch) == before


def test_the_file_of_numbas_settings_is_read(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert compiled._configuration() == ""
    (tmp_path / ".numba_config.yaml").write_text("opt: 0")
    assert compiled._configuration() == "opt: 0"


def test_versions_whose_files_look_alike_differ(monkeypatch, tmp_path):
    package = tmp_path / "fake_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    os.utime(package / "__init__.py", (1, 1))  # as where builds are reproducible
    monkeypatch.syspath_prepend(tmp_path)
    seen = []
    for version in ("1.0", "1.1"):
        folder = tmp_path / f"fake_package-{version}.dist-info"
        folder.mkdir()
        seen.append(compiled._installed("fake_package"))
        folder.rmdir()
    assert len(set(seen)) == 2
    before = compiled._installed("fake_package")
    os.utime(package / "__init__.py", (2, 2))
    assert compiled._installed("fake_package") != before
    assert compiled._installed("no_such_package") == ""


def test_packages_in_an_archive_have_a_name_at_least(monkeypatch):
    origin = "packages.zip/fake_package/__init__.py"
    found = SimpleNamespace(origin=origin)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: found)
    assert compiled._installed("fake_package") == origin


def test_sources_that_changed_since_the_start_store_nothing(monkeypatch):
    # What runs here is the old code, some of it, and the new.
    monkeypatch.setattr(store, "sources", lambda: "changed by an installation")
    assert compiled.kernel(["a"], "d:d", Builder())(2.0) == 3.0
    compiled.remember(["a"], 1)
    assert entries() == 0


def test_without_sources_nothing_is_stored_or_read(monkeypatch):
    monkeypatch.setattr(compiled, "_SOURCES", None)
    monkeypatch.setattr(store, "sources", lambda: None)
    store.put(compiled.key_of(("facts", "a")), b"1")
    assert compiled.recalled(["a"]) is None
    assert compiled.kernel(["a"], "d:d", Builder())(2.0) == 3.0
    assert entries() == 1


# --------------------------------------------------------------------- facts


def test_facts_are_the_same_here_and_later(monkeypatch):
    assert compiled.recalled(["a"]) is None
    compiled.remember(["a"], {"names": ("x", "y")})
    here = compiled.recalled(["a"])
    forget(monkeypatch)
    assert compiled.recalled(["a"]) == here == {"names": ["x", "y"]}
    assert compiled.recalled(["b"]) is None


def test_facts_are_stored_once(monkeypatch):
    written = []
    monkeypatch.setattr(store, "put", lambda *entry: written.append(entry))
    for _ in range(3):
        compiled.remember(["a"], [1])
    assert len(written) == 1


def test_facts_and_kernels_of_the_same_name_do_not_meet(monkeypatch):
    compiled.remember(["d:d", "a"], [1])
    forget(monkeypatch)
    assert compiled.kernel(["a"], "d:d", Builder())(2.0) == 3.0


# ------------------------------------------------------------- without a compiler


def test_the_compiler_can_be_switched_off(monkeypatch):
    compiled.kernel(["a"], "d:d", Builder())
    interpreted = machine.Kernel.__new__(machine.Kernel)
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    assert compiled.kernel(["a"], "d:d", lambda: interpreted) is interpreted
    compiled.remember(["b"], 1)
    assert entries() == 1
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 0)
    assert compiled.kernel(["a"], "d:d", fail)(2.0) == 3.0


@pytest.mark.parametrize(
    ("given", "expected"), [(None, False), ("0", False), ("1", True), ("yes", False)]
)
@pytest.mark.parametrize("loaded", [None, SimpleNamespace()])
def test_before_numba_is_there_its_variable_says(monkeypatch, given, expected, loaded):
    monkeypatch.setitem(sys.modules, "numba", loaded)
    monkeypatch.delenv("NUMBA_DISABLE_JIT", raising=False)
    if given is not None:
        monkeypatch.setenv("NUMBA_DISABLE_JIT", given)
    assert compiled.interpreted() == expected


EVERYTHING = """
import json, os, sys
from symgd import Objective, minimize, minimize_many, sweep
f, start, starts = "(x - 1)**2 + (y + x)**4", [0.5, -1], [[0.5, -1], [1, 1], [-1, 2]]
scheduled = {"method": "momentum", "step_size": "0.1/sqrt(t)", "bounds": [(-1, 1)] * 2}
runs = [minimize(f, start, method="gd", maxiter=20)]
runs += [minimize(f, start, maxiter=20, **scheduled)]
if sys.argv[1] == "all":  # what takes long to compile
    runs += [minimize(f, start, method=m, maxiter=20) for m in ("auto", "amsgrad")]
    assert Objective("x**2 + 3*y**2").hess([1, 2]).tolist() == [[2, 0], [0, 6]]
    runs += list(minimize_many(f, starts, method="momentum", maxiter=20))
    runs += list(minimize_many(f, starts, maxiter=20))
    runs += [sweep(f, start, method="gd", step_size=[0.01, 0.1], maxiter=20).best]
assert ("numba" in sys.modules) == bool(int(os.environ["NUMBA_DISABLE_JIT"]))
print(json.dumps([[r.status.name, r.fun, list(r.x)] for r in runs]))
"""


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """Run everything compiled, and twice interpreted: with a store and with none."""
    full, empty = tmp_path_factory.mktemp("full"), tmp_path_factory.mktemp("empty")
    told = []
    for place, disabled, what in (
        (full, 0, "some"),
        (full, 1, "some"),
        (empty, 1, "all"),
    ):
        place.chmod(0o700)
        given = {"SYMGD_CACHE_DIR": str(place), "NUMBA_DISABLE_JIT": str(disabled)}
        command = [sys.executable, "-c", EVERYTHING, what]
        environment = {**os.environ, **given}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        told.append((json.loads(done.stdout), len(os.listdir(place))))
    return told


def test_everything_works_interpreted_and_nothing_is_stored(processes):
    (_, stored), (_, after), (_, in_empty) = processes
    assert stored == after > 0
    assert in_empty == 0


def test_interpreted_is_the_same_as_compiled(processes):
    (expected, _), (told, _), (everything, _) = processes
    assert (len(told), len(everything)) == (2, 11)
    for (status, fun, x), (status_there, fun_there, x_there) in zip(
        told, expected, strict=True
    ):
        assert status == status_there
        assert fun == pytest.approx(fun_there, rel=1e-9)
        assert x == pytest.approx(x_there, rel=1e-9)
