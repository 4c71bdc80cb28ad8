"""Sums over data as modules of Python, in NumPy, and of JavaScript."""

import json
import runpy
import subprocess
import sys

import numpy as np
import pytest

import symgd
from tests.exporting.node import in_node, needs_node, of_module
from tests.exporting.table import OWN
from tests.exporting.test_loops import SUMS, N, made

RULES = ("staged", "searching", "products")
KINDS = ["python", pytest.param("javascript", marks=needs_node)]
SUFFIX = {"python": ".py", "javascript": ".mjs"}


class Module:
    """An exported module, called from here."""

    def __init__(self, kind, f, folder, **more):
        (self.file,) = symgd.export(f, folder / f"f{SUFFIX[kind]}", **more)
        self.kind = kind
        self.module = runpy.run_path(str(self.file)) if kind == "python" else None

    def call(self, name, *given, data, **options):
        if self.module is not None:
            if name == "minimize":
                return vars(self.module[name](*given, parameters=data, **options))
            return self.module[name](*given, data)
        texts = [json.dumps(np.asarray(each).tolist()) for each in given]
        plain = {k: np.asarray(v).tolist() for k, v in data.items()}
        last = {**options, "parameters": plain} if name == "minimize" else plain
        line = f"f.{name}({', '.join([*texts, json.dumps(last)])})"
        return in_node(of_module(self.file), line)


def given(f):
    return {**f.arrays.data, **f.parameters}


def numbers(got):
    return np.array([float(each) for each in np.ravel(got)])


def near(got, told):
    """Assert that numbers agree, but for the last digits of the largest of them."""
    told = np.ravel(told)
    assert np.isfinite(told).all()
    np.testing.assert_allclose(
        numbers(got), told, rtol=1e-11, atol=1e-12 * np.abs(told).max()
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SUMS)
def test_values_and_derivatives_are_symgds_but_for_the_last_digits(
    tmp_path, name, kind
):
    module, rng = Module(kind, made(name).dense(), tmp_path), np.random.default_rng(7)
    counts = "n" in made(name).arrays.sizes
    many = 6000 if kind == "python" else 2500
    for rows in (many, 7, 1) if counts else (N,):
        f = made(name, rows, rows).dense()
        x, v = rng.normal(0, 0.5, (2, len(f.space)))
        near(module.call("value", x, data=given(f)), f.value(x))
        near(module.call("gradient", x, data=given(f)), f.grad(x))
        near(module.call("hessp", x, v, data=given(f)), f.hessp(x, v))


SPECIAL = [
    "gamma(a + y) + erf(a*y) + loggamma(1 + a**2*y) + lambertw(a**2 + y)",
    "jn(2, a*y) + erfc(a*y) + sigmoid(a - y) + cbrt(a*y) + asinh(a*y) + mod(y, c)",
    "log(erfc(a*y)) + xlogy(a**2, y) + polygamma(1, a**2 + y) + abs(a - y)**1.5",
    "log(cosh(a*y)) + atan2(a, y) + tanh(a*y)*sign(y - 1) + min(a, y) + floor(3*y)",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body", SPECIAL)
def test_all_kinds_of_functions_are_in_sums(tmp_path, body, kind):
    rng = np.random.default_rng(2)
    more = {"parameters": {"c": 0.3}} if "c)" in body else {}
    f = symgd.Objective(f"sum({body})", data={"y": rng.random(50) + 0.5}, **more)
    module = Module(kind, f.dense(), tmp_path)
    for x, v in rng.normal(0, 1, (3, 2, 1)):
        x = np.abs(x)
        for name, *taken in (("value", x), ("gradient", x), ("hessp", x, v)):
            told = {"value": f.value, "gradient": f.grad, "hessp": f.hessp}[name]
            got = numbers(module.call(name, *taken, data=given(f)))
            np.testing.assert_allclose(got, np.ravel(told(*taken)), rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", ["adam", *map(OWN.get, RULES)])
@pytest.mark.parametrize("bounds", [None, [(-0.1, 0.1), (None, None), (0.2, 1)]])
def test_a_rule_runs_on_data(tmp_path, kind, rule, bounds):
    f, start = made("huber", 60).dense(), [0.5, 0.4, 0.3]
    module = Module(kind, f, tmp_path, method=rule, bounds=bounds)
    options = {"maxiter": 20, "gtol": 0.0}
    told = symgd.minimize(f, start, method=rule, bounds=bounds, **options)
    run = module.call("minimize", start, data=given(f), **options)
    assert run["t"] == told.nit
    assert numbers(run["x"]) == pytest.approx(told.x, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_0_is_equal_or_is_not_a_number_is_so(tmp_path, kind):
    f, x = made("product").dense(), np.full(40, 2.0)
    f.arrays.data["c"][3] = 0.0
    module = Module(kind, f, tmp_path)
    for a in (np.zeros(40), x):
        near(module.call("gradient", a, data=given(f)), f.grad(a))
    f = made("maximum", 9).dense()
    f.arrays.data["y"][:], f.arrays.data["A"][:] = 1.0, 0.0
    module = Module(kind, f, tmp_path)
    for a in (np.ones(3), np.zeros(3)):
        near(module.call("gradient", a, data=given(f)), f.grad(a))
    data = {**given(f), "y": np.where(np.arange(9) == 4, np.nan, 1.0)}
    text = json.dumps({k: np.asarray(v).tolist() for k, v in data.items()})
    if kind == "python":
        assert np.isnan(module.call("value", np.ones(3), data=data))
    else:
        line = f"f.value([1, 1, 1], {text})"
        assert in_node(of_module(module.file), line) == "NaN"


@pytest.mark.parametrize("kind", KINDS)
def test_no_name_of_a_user_means_something_else(tmp_path, kind):
    rng = np.random.default_rng(0)
    names = ["größe", "t0", "double", "np", "x0"]
    data = dict(zip(names, rng.random((5, 9)), strict=True))
    f = "sum((größe[i] - t0[i]*d[i] - s1*double[i]*np[i])**2 + low*x0[i]*g*d[i]**2 for "
    f = symgd.Objective(f"{f}i in range(n))", data=data, parameters={"low": 2, "s1": 3})
    x = rng.normal(0, 1, len(f.space))
    module = Module(kind, f, tmp_path)
    near(module.call("gradient", x, data=given(f)), f.grad(x))


def test_a_module_of_python_needs_numpy_only(tmp_path):
    f = made("logistic", 40).dense()
    symgd.export(f, tmp_path / "f.py", method="gd")
    np.savez(tmp_path / "data.npz", **f.arrays.data)
    code = (
        "import sys; sys.path.append('.'); import f, numpy as np;"
        "d = {**np.load('data.npz'), 'lam': 0.25};"
        "print(f.minimize([0.0]*4, parameters=d).status, 'symgd' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "CONVERGED False\n", done.stderr


def test_data_that_do_not_fit_are_refused_in_python(tmp_path):
    f = made("logistic", 9).dense()
    call, A, y = Module("python", f, tmp_path).call, *map(f.arrays.data.get, "Ay")
    for data, problem in (
        ({"A": A}, "data 'y' are missing"),
        ({"A": A[:, :3], "y": y}, r"'A' has shape \(9, 3\), not \(None, 4\)"),
        ({"A": A, "y": y[:5]}, "y, A differ in their numbers of rows"),
        ({"A": A, "y": y, "mu": 1}, "unknown name 'mu': lam"),
    ):
        with pytest.raises(ValueError, match=problem):
            call("value", np.zeros(4), data=data)
    with pytest.raises(ValueError, match="5 numbers: there are 4 variables"):
        call("value", np.zeros(5), data={"A": A, "y": y})


@needs_node
def test_data_that_do_not_fit_are_refused_in_javascript(tmp_path):
    head = of_module(Module("javascript", made("logistic", 9).dense(), tmp_path).file)
    head += "const said = d => { try { f.value([0, 0, 0, 0], d); return ''; }"
    head += " catch (e) { return e.message; } };"
    A = [[1, 2, 3, 4], [5, 6, 7, 8]]
    asked = [{"A": A}, {"A": [1, 2, 3], "y": [1]}, {"A": A, "y": [1]}]
    asked += [{"A": A, "y": [1, 0], "mu": 1}, {"A": A, "y": [1, 0]}]
    texts = ", ".join(f"said({json.dumps(each)})" for each in asked)
    missing, odd, differ, unknown, fine = in_node(head, f"[{texts}]")
    assert (missing, odd) == ("data.y is missing", "data.A has 3 numbers")
    assert "differ in their numbers of rows" in differ
    assert unknown == "unknown name mu: lam"
    assert fine == ""


@needs_node
def test_typed_arrays_are_not_copied(tmp_path):
    file = Module("javascript", made("logistic", 9).dense(), tmp_path).file
    line = """(() => {
      const d = {A: new Float64Array(8), y: Float64Array.from([1, 1])};
      const before = f.value([1, 1, 1, 1], d);
      d.A.fill(1);
      return before !== f.value([1, 1, 1, 1], d);
    })()"""
    assert in_node(of_module(file), line) is True
