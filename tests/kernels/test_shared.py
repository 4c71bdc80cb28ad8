"""The loops that travel with symgd: fresh, the same as compiled ones, readable."""

import functools
import gzip
import json
import os
import re
import shutil
import subprocess
import sys

import llvmlite.binding as llvm
import pytest

from symgd.kernels import shared, shipping
from symgd.native import compiled, machine, store
from symgd.native.machine import NotPortable

MAKE = "run: python -m symgd.kernels.shipping"
EVERY = pytest.mark.parametrize("name", shared.LOOPS)


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """Begin with an empty store, and nothing known."""
    monkeypatch.setenv("SYMGD_CACHE_DIR", str(tmp_path / "store"))
    monkeypatch.setattr(compiled, "_kernels", compiled._Recent(compiled.CAPACITY))
    monkeypatch.setattr(compiled, "_SOURCES", store.sources())


def refused(name):
    with pytest.raises(NotPortable):
        shared.text_of(name)
    return True


# --------------------------------------------------------------------- fresh


@EVERY
def test_what_travels_is_of_these_sources(name):
    try:
        text = shared.text_of(name)
    except NotPortable as stale:
        pytest.fail(f"{stale}; {MAKE}")
    files = shipping.sources_of(f"symgd.kernels.{shared.LOOPS[name].module}")
    assert text.partition("\n")[0].split()[3:] == files, MAKE


def test_nothing_else_travels():
    names = {file.name for file in shared.SHIPPED.iterdir()}
    assert names == {f"{name}.ll.gz" for name in shared.LOOPS}
    assert sum(file.stat().st_size for file in shared.SHIPPED.iterdir()) < 260_000


def test_the_sources_are_a_loop_and_all_that_it_imports():
    assert shipping.sources_of("symgd.kernels.solver") == [
        *("kernels/common.py", "kernels/eigenvalues.py", "kernels/solver.py"),
        *("lowering/intrinsics.py", "lowering/jitting.py"),
        *("native/record.py", "native/records.py", "native/status.py"),
    ]


@pytest.mark.parametrize("file", shipping.sources_of("symgd.kernels.solver"))
def test_where_a_source_has_changed_the_loop_is_refused(monkeypatch, tmp_path, file):
    shutil.copytree(store.PACKAGE, tmp_path / "symgd")
    monkeypatch.setattr(store, "PACKAGE", tmp_path / "symgd")
    source = tmp_path / "symgd" / file
    text = source.read_text("utf-8")
    source.write_text(text, "utf-8", newline="\r\n")
    shared.text_of("solver")  # it is the same, however lines end
    source.write_text(text + "\n# edited\n", "utf-8")
    assert refused("solver")
    source.unlink()
    assert refused("solver")


# ----------------------------------------------------------------- of no use

DAMAGED = {
    "missing": None,
    "empty": b"",
    "no archive": b"; of nothing\n",
    "cut off": lambda packed: packed[:-100],
    "one bit": lambda packed: packed[:500] + bytes([packed[500] ^ 1]) + packed[501:],
    "no header": gzip.compress(b"define i64 @symgd_entry() { ret i64 0 }"),
    "no text": gzip.compress(b"\xff\xfe; of"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_what_cannot_be_read_is_refused(monkeypatch, tmp_path, damage):
    content = DAMAGED[damage]
    if callable(content):
        content = content((shared.SHIPPED / "solver.ll.gz").read_bytes())
    if content is not None:
        (tmp_path / "solver.ll.gz").write_bytes(content)
    monkeypatch.setattr(shared, "SHIPPED", tmp_path)
    assert refused("solver")


@pytest.mark.parametrize(("what", "value"), [("byteorder", "big"), ("maxsize", 2**31)])
def test_other_machines_refuse_it(monkeypatch, what, value):
    monkeypatch.setattr(sys, what, value)
    assert refused("solver")


class Numba:
    """Stands for numba's compilation of a loop."""

    def __init__(self):
        self.asked = 0

    def __call__(self):
        self.asked += 1
        return machine.Kernel(1, "i:", None)


def built_by(monkeypatch):
    numba = Numba()
    monkeypatch.setattr(shared, "shared", functools.cache(shared.shared.__wrapped__))
    monkeypatch.setattr(shared.SharedLoop, "built", numba)
    return numba


def refuse(*_, **__):
    raise NotPortable("no")


OF_NO_USE = {
    "stale": lambda m: m.setattr(shared, "text_of", refuse),
    "not for this LLVM": lambda m: m.setattr(shared, "text_of", lambda _: "define!"),
    "not to be linked": lambda m: m.setattr(machine, "linked", refuse),
    "numba is told how": lambda m: m.setenv("NUMBA_OPT", "3"),
    "by a file": lambda m: m.setattr(compiled, "_configuration", lambda: "opt: 1"),
    "upgraded meanwhile": lambda m: m.setattr(compiled, "_SOURCES", "others"),
    "without sources": lambda m: m.setattr(compiled, "_SOURCES", None),
    "interpreted": lambda m: m.setattr(compiled, "interpreted", lambda: True),
}


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize("why", OF_NO_USE)
def test_where_it_is_of_no_use_numba_compiles_the_loop(monkeypatch, why):
    numba = built_by(monkeypatch)
    OF_NO_USE[why](monkeypatch)
    made = shared.shared("solver")
    assert shared.shared("solver") is made
    assert numba.asked == 1


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize(
    ("setting", "value"),
    [("NUMBA_CPU_NAME", "generic"), ("NUMBA_NUM_THREADS", "1"), ("NO_NUMBA", "1")],
)
def test_otherwise_numba_is_not_asked(monkeypatch, setting, value):
    numba = built_by(monkeypatch)
    monkeypatch.setenv(setting, value)
    shared.shared("solver")
    assert numba.asked == 0
    assert store.contents().entries == 1


# ------------------------------------------------------- understood everywhere


@EVERY
def test_it_is_for_no_machine_in_particular(name):
    text = shared.text_of(name).partition("\n")[2]
    words = set(re.findall(r"\b(?![vf]\d+\b)[a-z]\w*", text))
    assert words <= shipping.KNOWN
    assert not set(text) & set('!#"'), "metadata, attributes, strings"
    assert "<" not in text, "a vector, whose width suits some machines"


SYSTEMS = [
    ("x86_64-unknown-linux-gnu", "x86-64"),
    ("x86_64-pc-windows-msvc", "x86-64"),
    ("aarch64-unknown-linux-gnu", "generic"),
    ("aarch64-apple-darwin", "apple-m1"),
]


@EVERY
@pytest.mark.parametrize(("triple", "processor"), SYSTEMS)
def test_code_can_be_made_for_every_system(name, triple, processor):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        target = llvm.Target.from_triple(triple)
    except RuntimeError:
        pytest.skip("this LLVM doesn't know that system")
    options = {"opt": 3, "reloc": "pic", "codemodel": "default"}
    module = machine.parsed(shared.text_of(name))
    module.triple = triple
    assert target.create_target_machine(processor, **options).emit_object(module)


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("  %a.1 = add i64 %x, 1, !tbaa !5", "  %v1 = add i64 %v0, 1"),
        ('  %"a b" = load i8, ptr %x, align 8', "  %v1 = load i8, ptr %v0, align 8"),
        ("B4.i:                 ; preds = %B2, %B3", "v1:"),
        (
            "  %c = call noundef range(i64 0, 5) i64 %x(ptr nonnull align 8 %x) #3",
            "  %v1 = call i64 %v0(ptr %v0)",
        ),
        ("  call void @llvm.lifetime.start.p0(ptr nonnull %x)", None),
        ("  call void @_ZN5numba(ptr captures(none) %x)", "  call void @f0(ptr %v0)"),
    ],
)  # fmt: skip
def test_what_versions_say_differently_is_left_out(line, left):
    module = (
        'target triple = "z80"\nsource_filename = "a"\n; note\n'
        "define internal i64 @_ZN5numba(ptr noalias %x) local_unnamed_addr #0 {\n"
        f"{line}\n}}\n\nattributes #0 = {{ nofree }}\n!0 = !{{}}\n"
    )
    inside = "" if left is None else f"{left}\n"
    expected = f"define internal i64 @f0(ptr %v0) {{\n{inside}}}\n\n"
    assert shipping._plain(module) == expected


# ------------------------------------------------------------------ the same

EVERYTHING = """
import sys
import numpy as np
import symgd
from symgd.kernels import shared
from pathlib import Path

if sys.argv[1:]:
    shared.SHIPPED = Path(sys.argv[1])
rosenbrock, start = "(1 - x)**2 + 100*(y - x**2)**2", [-1.2, 1.0]
kinks = "max(x**2 + y**4, (2 - x)**2 + abs(y - 1), 2*exp(y - x))"
chain = "sum(100*(x[i+1] - x[i]**2)**2 + (1 - x[i])**2 for i in range(n - 1))"
starts = np.random.default_rng(0).normal(size=(40, 2))
t = np.arange(40.0) / 8
table = {"t": t, "y": 2.5 * np.exp(-1.3 * t) + 0.5 + 0.01 * np.cos(40.0 * t)}
rows = symgd.Objective("sum((a*t[i] + b - y[i])**2 for i in range(n))", data=table)
box, spectral = {"x": (-2, 0.5), "y": (-1, 2)}, {"method": "gd", "step_size": "auto"}
runs = [
    symgd.minimize(rosenbrock, start, trace=True),
    symgd.minimize(rosenbrock, start, bounds=box, patience=50),
    symgd.minimize(kinks, [1.0, -0.1]),
    symgd.minimize(rosenbrock, start, trace=True, **spectral),
    symgd.minimize(kinks, [0.0, -0.1], bounds=box, **spectral),
    symgd.minimize(chain, [-1.2, 1.0] * 4, method="adam", maxiter=300),
    symgd.minimize(chain, [-1.2, 1.0] * 4, method="adam", maxiter=300, trace=7),
    symgd.minimize(rows, method="momentum", step_size=1e-3, batch_size=8, rng=1,
                   maxiter=300),
    *symgd.minimize_many(rosenbrock, starts),
    *symgd.minimize_many(rosenbrock, starts, **spectral),
    *symgd.minimize_many(rosenbrock, starts, method="momentum", step_size=1e-3,
                         maxiter=2000, gtol=1e-3),
]
for run in runs:
    print(run.status.name, run.nit, run.nfev, run.fun.hex(), run.x.tobytes().hex())
    if run.trace is not None:
        print(np.array(run.trace["x"]).tobytes().hex())
for given in ({}, {"loss": "huber", "x0": {"b": 1.0}}):
    fit = symgd.fit("a*exp(-b*t) + c", table, "y", **given)
    print(fit.nit, fit.x.tobytes().hex(), fit.covariance.tobytes().hex())
"""


def told(place, *arguments, **settings):
    """Return what a process of its own tells, its store being empty."""
    place.mkdir(mode=0o700)
    given = {**os.environ, "SYMGD_CACHE_DIR": str(place), **settings}
    command = [sys.executable, "-c", EVERYTHING, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=given
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    return told(tmp_path_factory.mktemp("shipped") / "store")


def test_it_has_the_bits_of_what_numba_compiles(shipped, tmp_path):
    assert told(tmp_path / "store", NUMBA_OPT="3") == shipped


def test_it_has_the_same_bits_when_it_is_made_anew(shipped, tmp_path):
    anew = tmp_path / "anew"
    some = ["spectral", "examination_each", "blocks"]
    command = [sys.executable, "-m", "symgd.kernels.shipping", str(anew)]
    command += ["--only", *some]
    subprocess.run(command, capture_output=True, check=True, timeout=300)
    assert {file.name for file in anew.iterdir()} == {f"{n}.ll.gz" for n in some}
    for file in shared.SHIPPED.iterdir():
        if not (anew / file.name).exists():
            shutil.copy(file, anew)
    assert told(tmp_path / "store", anew) == shipped


# -------------------------------------------------------------------- at once

AT_ONCE = """
import json, sys
import symgd
given = json.loads(sys.argv[1])
getattr(symgd, given.pop(0))(*given[0], **given[1])
print("numba" in sys.modules)
"""
CHAIN = "sum((x[i] - i)**2 + x[i]**4 for i in range(n))"
COLUMNS = {"t": [0, 1, 2, 3, 4, 5], "y": [9, 5, 3, 2, 1.5, 1]}
FIRST = {
    "default": ("minimize", ["(x - 1)**2 + exp(y - x) + y**4", [1, 2]], {}),
    "maximize": ("maximize", ["-(x - 1)**2 - exp(y - x) - y**4"], {}),
    "steps": ("minimize", ["x**2 + 3*y**4"], {"method": "gd", "step_size": "auto"}),
    "arrays": ("minimize", [CHAIN, [0.5] * 6], {}),
    "rule": ("minimize", [CHAIN, [0.5] * 6], {"method": "adam", "maxiter": 9}),
    "rule of scalars": ("minimize", ["x**2 + y**4", [1, 2]], {"method": "amsgrad"}),
    "initial state": ("minimize", ["x**2", 1.0], {"method": "bb", "bounds": [(0, 2)]}),
    "many": ("minimize_many", ["(x - 1)**2 + y**4", [[1, 2], [3, 4]]], {}),
    "many by a rule": ("minimize_many", ["x**2 + y**4", [[1, 2]]], {"method": "adam"}),
    "fit": ("fit", ["a*exp(-b*t)", COLUMNS, "y"], {}),
    "robust fit": ("fit", ["a*t + b", COLUMNS, "y"], {"loss": "huber"}),
}


@pytest.mark.parametrize("what", FIRST)
def test_a_new_formula_with_an_empty_store_needs_no_numba(tmp_path, what):
    given = {**os.environ, "SYMGD_CACHE_DIR": str(tmp_path / "store")}
    command = [sys.executable, "-c", AT_ONCE, json.dumps(FIRST[what])]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=given
    )
    assert done.stdout == "False\n", done.stderr
