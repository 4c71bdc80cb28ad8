"""Sums over data leave as machine code: C and JavaScript tell where the data are."""

import ctypes
import json
import subprocess

import numpy as np
import pytest

import symgd
from symgd.errors import InputError
from tests.exporting.compiled import Library, built, needs_cc, ran, same_bits
from tests.exporting.node import in_node, needs_node
from tests.exporting.table import COMPILED

RNG = np.random.default_rng(3)
A = RNG.standard_normal((300, 4))
DATA = {
    "A": A,
    "y": np.sign(A[:, 0] + RNG.standard_normal(300)),
    "weight": RNG.integers(1, 9, 300).astype(np.int16),
    "sigma": (0.5 + RNG.random(300)).astype(np.float32),
    "grid": RNG.standard_normal((3, 5)),
}
LOGISTIC = "sum(log(1 + exp(-y*(A @ w))))/300 + lam*sum(w**2)"
FORMULAS = {
    "logistic": LOGISTIC,
    "weighted": "sum(weight*(A @ w - y + b)**2/sigma) + lam*b**2",
    "chain": "sum((x[i + 1] - x[i])**2 for i in range(39)) + sum((x[i] - y[i])**4 for i"
    " in range(40))*lam",
    "grid": "sum((grid[i, j]*u[i] - v[j])**2 for i in range(3) for j in range(5))"
    " + lam",
}
BINDS = {
    "logistic": (("A", "y"), ("n",)),
    "weighted": (("A", "sigma", "weight", "y"), ("n",)),
    "chain": (("y",), ()),
    "grid": (("grid",), ()),
}


MORE = {name: COMPILED[name] for name in ("noisy", "searching", "products")}


def objective(name, rows=300):
    data = {k: v[:rows] for k, v in DATA.items() if k in FORMULAS[name]}
    return symgd.Objective(FORMULAS[name], data=data, parameters={"lam": 0.25})


SHIM = """
#include "{name}.h"
double s_{name}(const double *x, double *g, double lam{take})
{{
  double p[{NAME}_WORDS];
  {name}_bind(p, lam{give});
  return {name}_gradient(x, p, g);
}}
void h_{name}(const double *x, const double *v, double *g, double lam{take})
{{
  double p[{NAME}_WORDS];
  {name}_bind(p, lam{give});
  (void){name}_hessp(x, v, p, g);
}}
"""
DESCENT = """
#include "{name}.h"
int d_{name}({name}_run *run, const double *x, double lam{take}, {h}int64_t maxiter)
{{
  double p[{NAME}_WORDS];
  {name}_bind(p, lam{give});
  return {name}_minimize(run, x, p, {given}1e-8, maxiter);
}}
"""


def filled(template, name, **more):
    data, rows = BINDS[name.split("_")[0]]
    kinds = {"weight": "int16_t", "sigma": "float"}
    take = "".join(f", int64_t {row}" for row in rows)
    take += "".join(f", const {kinds.get(k, 'double')} *{k}" for k in data)
    give = "".join(f", {each}" for each in (*rows, *data))
    return template.format(name=name, NAME=name.upper(), take=take, give=give, **more)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arrays")
    shim, files = "", []
    for name in FORMULAS:
        files.append(symgd.export(objective(name), folder / f"{name}.o")[0])
        shim += filled(SHIM, name)
    methods = {"logistic_auto": "auto", "logistic_adam": "adam"}
    methods |= {f"logistic_{name}": rule for name, rule in MORE.items()}
    for name, method in methods.items():
        f = objective("logistic")
        files.append(symgd.export(f, folder / f"{name}.o", method=method)[0])
        h = "" if method == "auto" else "const double *h, "
        given = "0, 0, " if method == "auto" else "h, "
        shim += filled(DESCENT, name, h=h, given=given)
    source = folder / "shim.c"
    source.write_text(shim)
    return Library([source, *files], folder, "-O1")


def given_in_c(name, f):
    data, rows = BINDS[name]
    counts = [ctypes.c_int64(len(f.arrays.data[data[0]])) for _ in rows]
    return [*counts, *(f.arrays.data[k].ctypes.data_as(ctypes.c_void_p) for k in data)]


@needs_cc
@pytest.mark.parametrize("name", FORMULAS)
def test_values_and_gradients_have_symgds_bits_for_any_number_of_rows(library, name):
    function = getattr(library.code, f"s_{name}")
    function.restype = ctypes.c_double
    for rows in (300, 7, 1) if BINDS[name][1] else (300,):
        f = objective(name, rows).dense()
        n = len(f.space)
        for x in np.random.default_rng(0).normal(0, 2, (5, n)):
            g = np.empty(n)
            given = map(np.ctypeslib.as_ctypes, (x, g))
            value = function(*given, ctypes.c_double(0.25), *given_in_c(name, f))
            assert same_bits([value, *g], [f.value(x), *f.grad(x)]).all()
            v, h = x[::-1].copy(), np.empty(n)
            given = map(np.ctypeslib.as_ctypes, (x, v, h))
            multiply = getattr(library.code, f"h_{name}")
            multiply(*given, ctypes.c_double(0.25), *given_in_c(name, f))
            assert same_bits(h, f.hessp(x, v)).all()


def run_of(n, *kept):
    class Run(ctypes.Structure):
        _fields_ = [
            *[(name, ctypes.c_double * n) for name in "xg"],
            *kept,
            *[(name, ctypes.c_double) for name in ("f", "norm")],
            *[(name, ctypes.c_int64) for name in ("t", "evaluations")],
            ("rest", ctypes.c_double * 10_000),
        ]

    return Run()


@needs_cc
def test_the_default_method_and_rules_run_on_data_in_c(library):
    f = objective("logistic").dense()
    x = np.ones(4)
    run, given = run_of(4), (ctypes.c_double(0.25), *given_in_c("logistic", f))
    start, limit = np.ctypeslib.as_ctypes(x), ctypes.c_int64(1000)
    status = library.code.d_logistic_auto(ctypes.byref(run), start, *given, limit)
    told = symgd.minimize(f, x)
    assert status == told.status == 0
    assert np.array(run.x) == pytest.approx(told.x, abs=1e-8)
    assert run.norm <= 1e-8
    state = ("state", ctypes.c_double * 8)
    run, told = run_of(4, state), symgd.minimize(f, x, method="adam", maxiter=200)
    h = [*told.hyperparameters.values()]
    taken = (*given, np.ctypeslib.as_ctypes(np.array(h, float)), ctypes.c_int64(200))
    library.code.d_logistic_adam(ctypes.byref(run), start, *taken)
    assert np.array(run.x) == pytest.approx(told.x, rel=1e-13)  # other loops here
    assert run.t == told.nit


@needs_cc
@pytest.mark.parametrize("name", MORE)
def test_rules_that_draw_and_evaluate_elsewhere_run_on_data_in_c(library, name):
    f, x, rule = objective("logistic").dense(), np.ones(4), MORE[name]
    told = symgd.minimize(f, x, method=rule, maxiter=30)
    kept = [("state", ctypes.c_double * (4 * len(rule.state)))] if rule.state else []
    run, given = run_of(4, *kept), (ctypes.c_double(0.25), *given_in_c("logistic", f))
    h = np.ctypeslib.as_ctypes(np.array([*told.hyperparameters.values()], float))
    start = np.ctypeslib.as_ctypes(x)
    descend = getattr(library.code, f"d_logistic_{name}")
    descend(ctypes.byref(run), start, *given, h, ctypes.c_int64(30))
    assert np.array(run.x) == pytest.approx(told.x, rel=1e-12)
    assert run.t == told.nit


@needs_cc
def test_a_shared_library_has_them_and_other_machines(tmp_path):
    f = objective("logistic")
    file, header = symgd.export(f, tmp_path / "loss.so", method="auto")
    code = ctypes.CDLL(str(file))
    assert code.loss_evaluation
    assert code.loss_loop
    assert "loss_bind" in header.read_text()
    for target in ("aarch64-linux-gnu", "riscv64-linux-gnu", "x86_64-pc-windows-msvc"):
        symgd.export(f, tmp_path / "other.o", method="auto", target=target)


@needs_cc
def test_a_program_with_its_data_compiles_as_c_and_cpp(tmp_path):
    symgd.export(objective("weighted"), tmp_path / "fit.o", method="gd")
    (tmp_path / "main.c").write_text(
        '#include "fit.h"\n#include <stdio.h>\n'
        "int main(void) {\n"
        "  double p[FIT_WORDS], g[FIT_VARIABLES], x[FIT_VARIABLES] = {0};\n"
        "  const double A[] = {1, 2, 3, 4}, y[] = {2}; const float sigma[] = {2};\n"
        "  const int16_t weight[] = {3}; fit_bind(p, 0, 1, A, sigma, weight, y);\n"
        "  double f = fit_gradient(x, p, g);\n"
        '  printf("%g %g", f, g[0]); return 0; }\n'
    )
    sources = [tmp_path / "main.c", tmp_path / "fit.o"]
    assert ran(built(sources, tmp_path / "main")) == (0, "6 -6")
    command = ["c++", "-x", "c++", "-c", tmp_path / "main.c", "-o", tmp_path / "m.o"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@needs_node
@pytest.mark.parametrize("name", FORMULAS)
def test_webassembly_has_symgds_bits(tmp_path, name):
    f = objective(name)
    file, loader = symgd.export(f, tmp_path / "sums.wasm", method="auto")
    data = json.dumps({k: v.tolist() for k, v in f.arrays.data.items()})
    code = f"""import fs from "fs";
import {{load}} from {json.dumps(loader.as_uri())};
const bytes = fs.readFileSync({json.dumps(str(file))}), data = {data};
const f = await load(bytes, data);"""
    x = np.random.default_rng(0).normal(0, 1, len(f.space))
    p = "{lam: 0.25}"
    v = np.random.default_rng(1).normal(0, 1, len(f.space))
    asked = f"[f.value({x.tolist()}, {p}), ...f.gradient({x.tolist()}, {p}), "
    asked += f"...f.hessp({x.tolist()}, {v.tolist()}, {p})]"
    got = in_node(code, f"[{asked}, f.minimize({x.tolist()}, {{parameters: {p}}})]")
    told = [f.value(x), *f.grad(x), *f.hessp(x, v)]
    assert same_bits([float(each) for each in got[0]], told).all()
    assert got[1]["f"] == pytest.approx(symgd.minimize(f, x).fun, rel=1e-9)


SMALL = {  # so few variables that a loop keeps them in registers
    "of one": "sum((y[i] - w)**2 for i in range(n))",
    "of two": "sum((A[i, 0]*v + A[i, 1]*w - y[i])**2 for i in range(n))",
    "of two sums": "sum((y[i] - w[0])**2 + (y[i] - w[1])**2 for i in range(n))",
    "of an array": "sum((A @ w - y)**2)",
}


@needs_node
@pytest.mark.parametrize("method", ["gd", "momentum", "amsgrad"])
@pytest.mark.parametrize("name", SMALL)
def test_rules_on_few_variables_go_along_symgds_iterates(tmp_path, name, method):
    data = {"A": A[:8, :2].copy(), "y": DATA["y"][:8]}
    data = {k: v for k, v in data.items() if k in SMALL[name]}
    f = symgd.Objective(SMALL[name], data=data)
    how = {"step_size": 0.01}
    file, loader = symgd.export(f, tmp_path / "few.wasm", method=method, **how)
    given = json.dumps({k: v.tolist() for k, v in data.items()})
    code = f"""import fs from "fs";
import {{load}} from {json.dumps(loader.as_uri())};
const f = await load(fs.readFileSync({json.dumps(str(file))}), {given});"""
    x = [0.5, -0.25][: f.space.size]
    got = in_node(code, f"f.minimize({x}, {{maxiter: 5, gtol: 0}})")
    told = symgd.minimize(f, x, method=method, maxiter=5, gtol=0, **how)
    assert got["t"] == told.nit == 5
    assert got["x"] == pytest.approx(told.x.tolist(), rel=1e-13)
    assert got["f"] == pytest.approx(told.fun, rel=1e-13)


@needs_node
def test_data_that_do_not_fit_are_refused_by_the_loader(tmp_path):
    file, loader = symgd.export(objective("logistic"), tmp_path / "sums.wasm")
    head = f"""import fs from "fs";
import {{load}} from {json.dumps(loader.as_uri())};
const bytes = fs.readFileSync({json.dumps(str(file))});
const said = async data => {{
  try {{ await load(bytes, data); return "" }} catch (e) {{ return e.message; }}
}};"""
    asked = "await said({A: [1, 2, 3, 4]}), await said({A: [1, 2, 3], y: [1]}), "
    asked += "await said({A: [1, 2, 3, 4], y: [1, 2]}), "
    asked += "await said({A: [[1, 2, 3, 4]], y: [1]})"
    missing, odd, differ, fine = in_node(head, f"[{asked}]")
    assert (missing, odd) == ("data.y is missing", "data.A has 3 numbers")
    assert "differ in their numbers of rows" in differ
    assert fine == ""


def test_what_cannot_leave_says_why(tmp_path):
    f = objective("logistic")
    with pytest.raises(InputError, match="a page draws formulas of single numbers"):
        symgd.export(f, tmp_path / "f.html")
    layers = symgd.Rule("layers", "x = x - g*array_norm(x)/array_norm(g)")
    with pytest.raises(InputError, match=r"array_norm\(...\), and a file with arrays"):
        symgd.export(f, tmp_path / "f.o", method=layers)
    chosen = symgd.Objective(
        "sum((u[k[i]] - y[i])**2 for i in range(4))",
        data={"k": [0, 1, 1, 0], "y": [1.0, 2, 3, 4]},
    )
    for suffix in (".c", ".o"):
        with pytest.raises(InputError, match="'k' holds indices"):
            symgd.export(chosen, tmp_path / f"f{suffix}")
    with pytest.raises(InputError, match="the size n"):
        symgd.export("sum(x[i]**2 for i in range(n))", tmp_path / "f.o")
