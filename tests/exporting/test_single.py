"""C in single precision: no double in it, and as near as rounding allows."""

import ctypes
import re
import shutil
import subprocess

import numpy as np
import pytest

import symgd
from symgd.errors import InputError
from symgd.lowering.single import errors_of
from tests.exporting.compiled import Library, built, needs_cc, ran
from tests.exporting.table import RULES, TRIG, every_function, points

FLOATS = ["-Wdouble-promotion", "-Wfloat-conversion"]
BESSEL = ("besselj", "jn", "j0", "j1")
LIBRARY = {"sqrtf", "rintf", "floorf", "fabsf", "copysignf", "fmodf", "memcpy"}
LIBRARY |= {
    f"{name}f"
    for name in (
        *("exp", "expm1", "log", "log1p", "pow", "sin", "cos", "tan", "sinh", "cosh"),
        *("tanh", "asin", "acos", "atan", "atan2", "asinh", "acosh", "atanh", "cbrt"),
        *("erf", "erfc", "tgamma", "lgamma"),
    )
}
LIBRARY |= {"sincosf"}  # which gcc makes of both
OTHERS = {"_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail", "memset"}


def single(values):
    return np.asarray(values, np.float32)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Return a formula of all functions, its C, and the functions that say errors."""
    folder, f = tmp_path_factory.mktemp("single"), every_function(BESSEL)
    source, _ = symgd.export(f, folder / "table.c", float32=True)
    return f, source, folder


@needs_cc
def test_every_function_is_as_near_as_rounding_allows(table):
    f, source, folder = table
    code = Library([source], folder, "-O2", *FLOATS).code
    n, p = len(f.variables), single([*f.parameters.values()])
    code.table_gradient.restype = ctypes.c_float
    second, places = f.native.second_derivatives
    known = np.zeros(n + 1, bool)
    checked = total = 0
    for x in (*points(f, 40), np.random.default_rng(1).uniform(0.1, 0.9, n)):
        x = single(np.nan_to_num(x, posinf=3.0, neginf=-3.0, nan=0.5))
        g, h = np.empty(n, np.float32), np.empty(n * n, np.float32)
        value = code.table_gradient(*map(np.ctypeslib.as_ctypes, (x, p, g)))
        code.table_hessian(*map(np.ctypeslib.as_ctypes, (x, p, h)))
        wide = x.astype(float)
        told = [f.value(wide), *f.grad(wide), *f.hess(wide).ravel()[places]]
        limits = errors_of(f.native.value_and_gradient, wide.tolist(), p.tolist())
        known |= np.array(limits) < 1e-3 * (1 + np.abs(told[: n + 1]))
        limits += errors_of(second, wide.tolist(), p.tolist())[1:]
        got, told = np.array([value, *g, *h[places]], float), np.array(told)
        limits = np.where(np.isnan(told) | (np.abs(told) > 3e38), np.inf, limits)
        with np.errstate(invalid="ignore"):
            wrong = ~(np.abs(got - told) <= limits) & np.isfinite(limits)
        assert not wrong.any(), (np.flatnonzero(wrong), got[wrong], told[wrong])
        checked += np.sum(limits < 1e-3 * (1 + np.abs(told)))
        total += len(told)
    # All functions and first derivatives, at some points.
    assert known[1:].all(), [f.variables[k] for k in np.flatnonzero(~known[1:])]
    assert checked > 0.6 * total


@needs_cc
def test_nothing_in_it_is_a_double(table):
    _, source, folder = table
    object_file = built([source], folder / "table.o", "-c", "-O2", *FLOATS)
    text = re.sub(r"/\*.*?\*/", "", source.read_text("utf-8"), flags=re.DOTALL)
    assert "double" not in text.partition("_SELF_TEST")[0]
    found = subprocess.run(["nm", "-u", object_file], capture_output=True, text=True)
    called = {line.split()[-1] for line in found.stdout.splitlines()}
    assert called <= LIBRARY | OTHERS
    listing = ["objdump", "-d", object_file]
    shown = subprocess.run(listing, capture_output=True, text=True).stdout
    assert not re.search(r"\bv?(cvt\w*sd\b|cvtss2sd|cvtsd2ss|(add|mul|div)sd\b)", shown)


@needs_cc
def test_it_checks_itself(table):
    _, source, folder = table
    test = built([source], folder / "test", "-DTABLE_SELF_TEST", "-O1", *FLOATS)
    assert ran(test) == (0, "table: 8 points, 0 numbers differ\n")
    source, _ = symgd.export("exp(x)*y", folder / "f.c", float32=True)
    for wrong, status in (("expf(t0)", 0), ("expf(t0*1.00001f)", 1)):
        text = source.read_text("utf-8")
        assert "expf(t0)" in text
        (folder / "g.c").write_text(text.replace("expf(t0)", wrong))
        test = built([folder / "g.c"], folder / "g", "-DF_SELF_TEST")
        assert ran(test)[0] == status


@needs_cc
@pytest.mark.parametrize("bounds", [None, {"x": (-0.5, 1.25)}])
def test_rules_end_where_symgds_do(tmp_path, bounds):
    f = symgd.Objective(TRIG, parameters={"a": 0.1})
    names = [name for name in RULES if name != "noisy"]
    for name in names:
        given = {"method": RULES[name], "bounds": bounds, "float32": True}
        symgd.export(f, tmp_path / f"{name}.c", **given)
    whole = tmp_path / "whole.c"
    whole.write_text("".join(f'#include "{name}.c"\n' for name in names))
    code = Library([whole], tmp_path, "-O2", *FLOATS).code
    for name in names:
        rule = RULES[name]

        class Run(ctypes.Structure):
            _fields_ = [
                *[(part, ctypes.c_float * 2) for part in "xg"],
                *[("state", ctypes.c_float * (2 * len(rule.state)))][: len(rule.state)],
                *[(part, ctypes.c_float) for part in ("f", "norm")],
                ("t", ctypes.c_int64),
            ]

        h = [0.0 if isinstance(v, str) else v for v in rule.hyperparameters.values()]
        arrays = [single(each) for each in ([2.5, -3.0], [0.1], h) if len(each)]
        run, taken = Run(), map(np.ctypeslib.as_ctypes, arrays)
        limits = ctypes.c_float(0.0), ctypes.c_int64(5)
        minimize = getattr(code, f"{name}_minimize")
        minimize(ctypes.byref(run), *taken, *limits)
        more = {"bounds": bounds, "maxiter": 5, "gtol": 0.0}
        told = symgd.minimize(f, [2.5, -3.0], method=rule, **more)
        assert run.t == told.nit, name
        assert np.array(run.x) == pytest.approx(told.x, rel=1e-4, abs=1e-4), name


@needs_cc
@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")
def test_it_is_cpp_too(tmp_path):
    f = symgd.Objective("exp(x) + gamma(1 + y**2) + a % 3", parameters={"a": 4})
    source, _ = symgd.export(f, tmp_path / "f.c", method="adam", float32=True)
    options = ["-x", "c++", "-std=c++11", "-pedantic", "-Wall", "-Wextra", "-Werror"]
    built([source], tmp_path / "f.o", *options, *FLOATS, "-c", strict=False)


@pytest.mark.parametrize(
    ("formula", "file", "more", "problem"),
    [
        ("x**2", "f.o", {}, "float32 is about .c only"),
        ("x**2", "f.py", {}, "float32 is about .c only"),
        ("x**2", "f.js", {}, "float32 is about .c only"),
        ("j0(x)", "f.c", {}, "Bessel functions aren't written in float32"),
        ("x**2", "f.c", {"method": RULES["noisy"]}, "made of words of 64 bits"),
        ("sum(x[i]**2 for i in range(3))", "f.c", {}, "sums are float64"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, formula, file, more, problem):
    with pytest.raises(InputError, match=problem):
        symgd.export(formula, tmp_path / file, float32=True, **more)
    assert not [*tmp_path.iterdir()]
