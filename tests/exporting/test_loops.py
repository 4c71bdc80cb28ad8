"""Sums over data as loops of C: the bits of symgd's own, which LLVM compiles."""

import ctypes
import re
import shutil

import numpy as np
import pytest

import symgd
from symgd.exporting.arrays_out import words_of
from tests.exporting.compiled import Library, built, needs_cc, ran, same_bits
from tests.exporting.table import OWN
from tests.exporting.test_arrays import DATA, FORMULAS

N = 6000
RNG = np.random.default_rng(1)
MORE = {
    "y": RNG.standard_normal(N),
    "z": RNG.random(N).astype(np.float32),
    "A": RNG.standard_normal((N, 3)),
    "B": RNG.standard_normal((40, 70)),
    "k": RNG.integers(-4, 5, N).astype(np.int8),
    "yes": RNG.random(N) < 0.5,
    "byte": RNG.integers(0, 200, N).astype(np.uint8),
    "c": RNG.standard_normal(40),
}
SUMS = {  # formula, data
    **{name: (text, "A y weight sigma grid") for name, text in FORMULAS.items()},
    "kinds": ("sum((a*k + b*byte - z)**2*yes) + a**2*b**2", "k yes byte z"),
    "huber": ("sum(sqrt(1 + (y - A @ w)**2) - 1) + 0.1*sum(abs(w))", "A y"),
    "kinks": ("sum(max(0, 1 - y*(A @ w)) + abs(a - y)) + a**2", "A y"),
    "condition": ("sum(where(y > a, exp(-(y - a)), (y - a)**2)) + b**2*a", "y"),
    "product": ("prod(1 + (c[i]*u[i])**2/9 for i in range(40))", "c"),
    "products": (
        "sum(prod(u[i] - c[j]*u[j] for j in range(i)) for i in range(9))",
        "c",
    ),
    "maximum": ("max(abs(A @ w - y)) + sum(w**2)", "A y"),
    "log_sum": ("log(sum(exp(y[i]*a) for i in range(n)))", "y"),
    "triangle": (
        "sum((u[i] - c[j]*u[j])**2 for i in range(40) for j in range(i))",
        "c",
    ),
    "pairs": ("sum(y[i]*y[j]*a for i in range(n) for j in range(i + 1)) + a**2", "y"),
    "apart": ("sum((u[2*i] - u[i + 1]*c[i])**2 for i in range(20))", "c"),
    "turned": ("sum((u[i] - u[39 - i]*c[i])**2 for i in range(40))", "c"),
    "floors": ("sum((u[i//2] + u[mod(3*i, 40)] - c[i])**2*i for i in range(40))", "c"),
    "image": (
        "sum((U[i, j] - B[i, j])**2 for i in range(40) for j in range(70))"
        " + sum(sqrt((U[i + 1, j] - U[i, j])**2 + (U[i, j + 1] - U[i, j])**2 + 0.1)"
        " for i in range(39) for j in range(69))",
        "B",
    ),
    "factors": (
        "sum((B[i, j] - sum(P[i, r]*Q[r, j] for r in range(3)))**2"
        " for i in range(40) for j in range(70)) + 0.1*sum(P[i, r]**2"
        " for i in range(40) for r in range(3))",
        "B",
    ),
    "far": ("sum(sin(3*x[i + 7])*x[i]**2 for i in range(5000))", ""),
    "variance": (
        "sum((y[i] - a - sum(y[j] for j in range(n))/n)**2 for i in range(n))",
        "y",
    ),
}


QUADRATIC = ("pairs", "variance")  # in the number of rows


def made(name, rows=N, seed=0):
    """Return an objective of so many random rows."""
    text, names = SUMS[name]
    pool, rng = DATA if name in FORMULAS else MORE, np.random.default_rng(seed)
    rows, data = min(rows, 200 if name in QUADRATIC else N), {}
    for each in names.split():
        if re.search(rf"\b{each}\b", text):
            column = pool[each]
            some = rng.integers(0, len(column), rows)
            data[each] = column[some] if len(column) in (300, N) else column
    parameters = {"lam": 0.25} if "lam" in text else {}
    return symgd.Objective(text, data=data, parameters=parameters)


def shim(name, f):
    words = words_of(f.arrays)
    given = list(words.names.values())
    take = "".join(f", {each}" for each in words.arguments())
    if not given:
        return (
            f'#include "{name}.h"\n'
            f"double s_{name}(const double *x, double *g)"
            f"{{ return {name}_gradient(x, g); }}\n"
        )
    return (
        f'#include "{name}.h"\n'
        f"double s_{name}(const double *x, double *g{take}) {{\n"
        f"  double p[{name.upper()}_WORDS];\n"
        f"  {name}_bind(p, {', '.join(given)});\n"
        f"  return {name}_gradient(x, p, g);\n}}\n"
    )


def called(library, name, f, x):
    """Return value and gradient by the C file, on the data of an objective."""
    words, g = words_of(f.arrays), np.empty(len(x))
    function = getattr(library.code, f"s_{name}")
    function.restype = ctypes.c_double
    given = [ctypes.c_double(f.parameters[k]) for k in words.layout.parameters]
    given += [ctypes.c_int64(f.arrays.sizes[k]) for k in words.rows]
    given += [f.arrays.data[k].ctypes.data_as(ctypes.c_void_p) for k in words.columns]
    return [function(*map(np.ctypeslib.as_ctypes, (x, g)), *given), *g]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loops")
    texts, files = "", []
    for name in SUMS:
        f = made(name).dense()
        files.append(symgd.export(f, folder / f"{name}.c")[0])
        texts += shim(name, f)
    source = folder / "shim.c"
    source.write_text(texts)
    return Library([source, *files], folder, "-O2")


@needs_cc
@pytest.mark.parametrize("name", SUMS)
def test_values_and_gradients_have_symgds_bits(library, name):
    rng = np.random.default_rng(5)
    for rows in (N, 2049, 300, 7, 1) if "n" in made(name).arrays.sizes else (N,):
        f = made(name, rows, rows).dense()
        for scale in (0.01, 0.3, 2.0):
            x = rng.normal(0, scale, len(f.space))
            told = [f.value(x), *f.grad(x)]
            assert same_bits(called(library, name, f, x), told).all()


@needs_cc
@pytest.mark.parametrize("name", SUMS)
def test_files_check_themselves(library, name):
    source = library.file.with_name(f"{name}.c")
    test = f"-D{name.upper()}_SELF_TEST"
    program = built([source], library.file.with_name(f"{name}_test"), test, "-O1")
    status, said = ran(program)
    assert status == 0
    assert re.fullmatch(rf"{name}: \d points, 0 numbers differ\n", said)


SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1"]


@needs_cc
def test_sanitizers_find_nothing(library):
    nothing = library.file.with_name("nothing.c")
    nothing.write_text("int main(void) { return 0; }\n")
    try:
        built([nothing], nothing.with_suffix(""), *SANITIZERS)
    except AssertionError:
        pytest.skip("the compiler has no sanitizers")
    for name in SUMS:
        test = f"-D{name.upper()}_SELF_TEST"
        source = library.file.with_name(f"{name}.c")
        program = built([source], source.with_suffix(".san"), test, *SANITIZERS)
        assert ran(program)[0] == 0


@needs_cc
@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")
def test_it_is_cpp_too(library):
    whole, target = (library.file.with_name(f"whole.{end}") for end in "co")
    whole.write_text("".join(f'#include "{name}.c"\n' for name in SUMS))
    options = ["-x", "c++", "-std=c++11", "-pedantic", "-Wall", "-Wextra", "-Werror"]
    built([whole], target, *options, "-Wconversion", "-c", strict=False)


@needs_cc
def test_what_is_0_is_equal_or_is_not_a_number_is_so_in_c(library):
    zero = np.zeros(40)
    f, x = made("product").dense(), np.full(40, 2.0)
    f.arrays.data["c"][3] = 0.0
    for a in (zero, x, np.where(np.arange(40) == 3, np.nan, x)):
        told = [f.value(a), *f.grad(a)]
        assert same_bits(called(library, "product", f, a), told).all()
    f = made("maximum", 9).dense()
    f.arrays.data["y"][:], f.arrays.data["A"][:] = 1.0, 0.0
    for a in (np.ones(3), np.zeros(3), np.array([1.0, np.nan, 2.0])):
        told = [f.value(a), *f.grad(a)]
        assert same_bits(called(library, "maximum", f, a), told).all()


@needs_cc
@pytest.mark.parametrize("method", ["gd", "adam", *OWN.values()])
@pytest.mark.parametrize("bounds", [None, [(-0.1, 0.1), (None, None), (0.2, 1)]])
def test_a_rule_runs_on_data(tmp_path, method, bounds):
    f = made("huber", 500).dense()
    given = {"method": method, "bounds": bounds}
    source, _ = symgd.export(f, tmp_path / "fit.c", **given)
    told = symgd.minimize(f, [0.5, 0.4, 0.3], maxiter=50, gtol=0.0, **given)
    hyper = "FIT_HYPERPARAMETERS" in source.with_suffix(".h").read_text()
    main = tmp_path / "main.c"
    A, y = (f.arrays.data[k] for k in "Ay")
    main.write_text(
        '#include "fit.h"\n#include <stdio.h>\n'
        f"static const double A[] = {{{', '.join(map(repr, A.ravel().tolist()))}}};\n"
        f"static const double y[] = {{{', '.join(map(repr, y.tolist()))}}};\n"
        "int main(void) {\n"
        "  static fit_run run; const double x[] = {0.5, 0.4, 0.3};\n"
        "  double p[FIT_WORDS]; fit_bind(p, 500, A, y);\n"
        + ("  const double h[] = FIT_HYPERPARAMETERS;\n" if hyper else "")
        + f"  (void)fit_minimize(&run, x, p, {'h, ' if hyper else ''}0.0, 50);\n"
        '  printf("%d %.17g %.17g %.17g", (int)run.t, run.x[0], run.x[1], run.x[2]);\n'
        "  return 0; }\n"
    )
    status, said = ran(built([main, source], tmp_path / "main", "-O1"))
    updates, *x = map(float, said.split())
    assert (status, updates) == (0, told.nit)
    assert x == pytest.approx(told.x, rel=1e-12, abs=1e-12)


@needs_cc
def test_plain_c_agrees_to_most_digits(tmp_path):
    for name in ("logistic", "image", "product"):
        f = made(name).dense()
        source, _ = symgd.export(f, tmp_path / f"{name}.c", math="libm")
        test = f"-D{name.upper()}_SELF_TEST"
        assert ran(built([source], tmp_path / name, test))[0] == 0
        assert "fma(" not in source.read_text("utf-8")


@needs_cc
def test_no_name_of_a_user_means_something_else(tmp_path):
    data = {"größe": MORE["y"][:9], "t0": MORE["y"][9:18], "double": MORE["c"][:9]}
    f = "sum((größe[i] - t0[i]*d[i] - s1*double[i])**2 + lanes1*g*d[i]**2 for i in"
    f = symgd.Objective(f"{f} range(n))", data=data, parameters={"lanes1": 2, "g": 3})
    source, _ = symgd.export(f, tmp_path / "f.c")
    assert ran(built([source], tmp_path / "f", "-DF_SELF_TEST"))[0] == 0
    code = re.sub(r"/\*.*?\*/", "", source.read_text("utf-8"), flags=re.DOTALL)
    assert not re.search("größe|double\\[", code)


@needs_cc
def test_without_data_or_parameters_nothing_is_told(tmp_path):
    f = "sum((x[i + 1] - x[i]**2)**2 for i in range(9))"
    source, header = symgd.export(f, tmp_path / "f.c", method="gd")
    assert "double f_value(const double *x);" in header.read_text()
    status, said = ran(built([source], tmp_path / "f", "-DF_SELF_TEST"))
    assert (status, said) == (0, "f: 8 points, 0 numbers differ\n")


def test_data_do_not_leave_with_a_file(tmp_path):
    secret = np.array([0.123456789, -0.987654321, 77.125])
    f = symgd.Objective("sum((y - a)**2)", data={"y": secret})
    for file in symgd.export(f, tmp_path / "f.c"):
        text = file.read_text()
        assert not any(repr(number) in text for number in secret.tolist())
