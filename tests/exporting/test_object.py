"""Object files are linked into C programs, and are the kernels that symgd runs."""

import ctypes
import subprocess

import numpy as np
import pytest

import symgd
from symgd.errors import InputError
from tests.exporting.compiled import Library, native, needs_cc, same_bits
from tests.exporting.table import COMPILED, TRIG

VALLEY = "(1 - x)**2 + 100*(y - x**2)**2"
ALLOWED = {"fma", "sqrt", "floor", "rint", "memset", "memcpy", "memmove", "sin", "cos"}
ALLOWED |= {"sincos", "_GLOBAL_OFFSET_TABLE_"}

# What a header defines, as functions that can be called from here.
SHIM = """
#include "{name}.h"
double s_{name}_value(const double *x, const double *p) {{ return {name}_value(x, p); }}
double s_{name}_gradient(const double *x, const double *p, double *g)
{{ return {name}_gradient(x, p, g); }}
void s_{name}_hessian(const double *x, const double *p, double *h)
{{ {name}_hessian(x, p, h); }}
int s_{name}_minimize({name}_run *run, const double *x, const double *p, {h}double gtol,
    int64_t maxiter)
{{
  /* by updates at first, then at once */
  int status = {name}_begin(run, x, p, {pass_h}gtol);
  while (status == -1 && run->t < 5 && run->t < maxiter)
    status = {name}_update(run, p, {pass_h}gtol);
  if (status != -1 || run->t >= maxiter) return status == -1 ? 1 : status;
  return {name}_minimize(run, x, p, {pass_h}gtol, maxiter);
}}
"""


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    folder = tmp_path_factory.mktemp("objects")
    f = symgd.Objective(TRIG, parameters={"a": 0.1})
    shim, files = "", []
    for name in COMPILED:
        file, _ = symgd.export(f, folder / f"{name}.o", method=COMPILED[name])
        files.append(file)
        has_h = bool(COMPILED[name].hyperparameters)
        h = (
            {"h": "const double *h, ", "pass_h": "h, "}
            if has_h
            else {"h": "", "pass_h": ""}
        )
        shim += SHIM.format(name=name, **h)
    source = folder / "shim.c"
    source.write_text(shim)
    return f, Library([source, *files], folder, "-O1"), files


@needs_cc
def test_values_have_symgds_bits(objects):
    f, library, _ = objects
    compiled, rng = library.of("s_gd", f), np.random.default_rng(1)
    for x in rng.normal(0.0, 3.0, (50, 2)):
        assert same_bits(compiled(x), native(f, x)).all()


@needs_cc
@pytest.mark.parametrize("name", COMPILED)
def test_a_rule_has_symgds_bits(objects, name):
    f, library, _ = objects
    rule, x = COMPILED[name], [2.5, -3.0]
    h = [0.0 if isinstance(v, str) else v for v in rule.hyperparameters.values()]
    descent = library.descent(f"s_{name}", f, len(rule.state))
    for maxiter, gtol in ((1, 0.0), (333, 0.0), (2000, 1e-3)):
        run = descent(x, h, gtol, maxiter)
        told = symgd.minimize(f, x, method=rule, maxiter=maxiter, gtol=gtol)
        assert same_bits(run.x, told.x).all()
        assert (run.t, run.status, run.f) == (told.nit, told.status, told.fun)


@needs_cc
def test_what_diverges_ends_at_its_last_finite_iterate(objects):
    f, library, _ = objects
    descent = library.descent("s_gd", f, 0)
    run = descent([2.5, -3.0], [1e200], 0.0, 1000)
    told = symgd.minimize(f, [2.5, -3.0], method="gd", step_size=1e200)
    assert (run.t, run.status) == (told.nit, told.status)
    assert same_bits(run.x, told.x).all()
    at_once = descent([np.inf, 0.0], [0.1], 0.0, 10)
    assert at_once.status == symgd.Status.DIVERGED
    assert not np.isfinite(at_once.f)


@needs_cc
def test_they_call_next_to_nothing(objects):
    for file in objects[2]:
        found = subprocess.run(["nm", "-u", file], capture_output=True, text=True)
        assert {line.split()[-1] for line in found.stdout.splitlines()} <= ALLOWED


OTHERS = {
    "aarch64-linux-gnu": (b"\x7fELF", 18, b"\xb7\x00"),
    "riscv64-unknown-linux-gnu": (b"\x7fELF", 18, b"\xf3\x00"),
    "x86_64-pc-windows-msvc": (b"\x64\x86", 0, b"\x64\x86"),
    "arm64-apple-macosx": (b"\xcf\xfa\xed\xfe", 4, b"\x0c\x00\x00\x01"),
    "thumbv7em-none-eabihf": (b"\x7fELF", 18, b"\x28\x00"),
}


@pytest.mark.parametrize("triple", OTHERS)
def test_there_are_objects_for_other_machines(tmp_path, triple):
    file, header = symgd.export(VALLEY, tmp_path / "f.o", method="gd", target=triple)
    code, (magic, place, machine) = file.read_bytes(), OTHERS[triple]
    assert code.startswith(magic)
    assert code[place:].startswith(machine)
    assert b"f_loop" in code
    assert "f_minimize" in header.read_text("utf-8")


@pytest.mark.parametrize(
    ("file", "more", "problem"),
    [
        ("f.o", {"target": "pdp11-dec-none"}, "no code for target='pdp11-dec-none'"),
        ("f.o", {"target": "a b"}, "is no machine's name"),
        ("f.o", {"cpu": "i999"}, "LLVM knows no such processor"),
        ("f.o", {"cpu": "native", "target": "aarch64-linux-gnu"}, "leave target out"),
        ("f.o", {"method": "auto", "step_size": 1}, "has no hyperparameters"),
        ("f.c", {"target": "aarch64-linux-gnu"}, "are about machine code: .o"),
        ("f.c", {"method": "auto"}, "only as machine code, .o"),
    ],
)
def test_what_there_is_no_code_for_is_refused(tmp_path, file, more, problem):
    with pytest.raises(InputError, match=problem):
        symgd.export(VALLEY, tmp_path / file, **more)
    assert not [*tmp_path.iterdir()]


def test_a_record_is_as_the_header_says(tmp_path):
    from symgd.native.records import RunArrays, RunState

    assert {*RunState.kinds().values()} == {ctypes.c_int64, ctypes.c_double}
    _, header = symgd.export(VALLEY, tmp_path / "f.o", method="auto")
    text = header.read_text("utf-8")
    for kind in (RunState, RunArrays):
        declared = [
            f"  {'double' if each is ctypes.c_double else 'int64_t'} {name};\n"
            for name, each in kind.kinds().items()
        ]
        assert "".join(declared) in text
