"""Modules of Python have symgd's bits, those of JavaScript all digits but the last."""

import runpy
import subprocess
import sys

import numpy as np
import pytest

import symgd
from symgd.errors import InputError
from tests.exporting.compiled import native, same_bits
from tests.exporting.node import in_node, needs_node, of_module
from tests.exporting.table import RULES, TRIG, every_function, points

OF_C = ("gamma", "factorial", "loggamma")  # other ones in Python


def test_every_function_has_symgds_bits_in_python(tmp_path):
    f = every_function(OF_C)
    (file,) = symgd.export(f, tmp_path / "table.py")
    module = runpy.run_path(str(file))
    for x in points(f, 12):
        given = [module[name](x) for name in ("value", "value", "gradient", "hessian")]
        got, told = np.concatenate([*map(np.ravel, given)]), native(f, x)
        wrong = ~same_bits(got, told)
        assert not wrong.any(), (np.flatnonzero(wrong), got[wrong], told[wrong])


@pytest.mark.parametrize("name", RULES)
def test_a_rule_has_symgds_bits_in_python(tmp_path, name):
    f = symgd.Objective(TRIG, parameters={"a": 0.1})
    (file,) = symgd.export(f, tmp_path / "f.py", method=RULES[name])
    minimize = runpy.run_path(str(file))["minimize"]
    told = symgd.minimize(f, [2.5, -3.0], method=RULES[name], maxiter=60, gtol=1e-3)
    run = minimize([2.5, -3.0], maxiter=60, gtol=1e-3)
    assert (run.x, run.f, run.t) == (told.x.tolist(), told.fun, told.nit)
    assert run.status == told.status.name


def test_a_module_of_python_needs_nothing_but_python(tmp_path):
    symgd.export("sin(x)**2 + cosh(x)", tmp_path / "f.py", method="gd")
    code = "import sys, f; print(f.minimize([1.0]).status, 'numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.append('.'); {code}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.stdout == "CONVERGED False\n", done.stderr


def test_what_diverges_in_python_ends_at_its_last_finite_iterate(tmp_path):
    f = symgd.Objective("x**4 + 1/y")
    (file,) = symgd.export(f, tmp_path / "f.py", method="momentum")
    module = runpy.run_path(str(file))
    for step in (0.9, 1e200):
        told = symgd.minimize(f, [2.0, 1.0], method="momentum", step_size=step)
        run = module["minimize"]([2.0, 1.0], hyperparameters={"step_size": step})
        assert run.status == told.status.name == "DIVERGED"
        assert (run.t, run.x, run.f) == (told.nit, told.x.tolist(), told.fun)
    assert module["minimize"]([1.0, 0.0]).status == "DIVERGED"  # 1/0 at the start
    with pytest.raises(ValueError, match="unknown name 'step': step_size, momentum"):
        module["minimize"]([1.0, 1.0], hyperparameters={"step": 0.1})


@needs_node
def test_every_function_is_right_in_javascript(tmp_path):
    f = every_function()
    (file,) = symgd.export(f, tmp_path / "table.mjs")
    rng = np.random.default_rng(5)
    x = rng.uniform(0.1, 0.9, (6, len(f.variables)))
    x[3:] = rng.normal(0.0, 3.0, x[3:].shape)
    given = f"{x.tolist()}.map(x => [f.value(x), ...f.gradient(x), ...f.hessian(x)])"
    for got, point in zip(in_node(of_module(file), given), x, strict=True):
        told = native(f, point)[1:]
        known = np.isfinite(told)
        known[0] &= all(known[1 : 1 + len(point)])
        got = np.array([float(v) for v in got])
        np.testing.assert_allclose(got[known], told[known], rtol=1e-10, atol=1e-10)
        assert not np.isfinite(got[1:][~known[1:]]).any()


@needs_node
def test_rules_are_right_in_javascript(tmp_path):
    f = symgd.Objective(TRIG, parameters={"a": 0.1})
    for name in ("amsgrad", "lion", "adam", "staged"):
        (file,) = symgd.export(f, tmp_path / f"{name}.mjs", method=RULES[name])
        run = "(r => [r.status, r.t, r.f, r.x])(f.minimize([2.5, -3], {maxiter: 60}))"
        status, t, value, x = in_node(of_module(file), run)
        told = symgd.minimize(f, [2.5, -3.0], method=RULES[name], maxiter=60)
        assert (status, t) == (told.status.name, told.nit)
        assert [value, *x] == pytest.approx([told.fun, *told.x], rel=1e-9)


@needs_node
def test_what_diverges_in_javascript_ends_at_its_last_finite_iterate(tmp_path):
    f = symgd.Objective("x**4 + y**2")
    (file,) = symgd.export(f, tmp_path / "f.mjs", method="momentum")
    given = "{hyperparameters: {step_size: 0.9}}"
    run = f"(r => [r.status, r.t, ...r.x])(f.minimize([2, 1], {given}))"
    told = symgd.minimize(f, [2.0, 1.0], method="momentum", step_size=0.9)
    status, t, *x = in_node(of_module(file), run)
    assert (status, t) == ("DIVERGED", told.nit)
    assert x == pytest.approx(told.x.tolist(), rel=1e-9)
    code = (
        "(() => { try { f.value([1, 2], {c: 3}) } catch (e) { return e.message } })()"
    )
    assert in_node(of_module(file), code).startswith("unknown name c")


@pytest.mark.parametrize("suffix", [".py", ".js"])
def test_names_of_users_are_texts_only(tmp_path, suffix):
    rule = symgd.Rule("a\u2028b = 1", "vélo = vélo + g\nx = x - rate*vélo", rate=0.1)
    (file,) = symgd.export("größe**2 + eval**2", tmp_path / f"f{suffix}", method=rule)
    sign = "#" if suffix == ".py" else "//"
    for line in file.read_text("utf-8").splitlines():
        code = line.split(sign)[0]
        if not code.startswith(("VARIABLES", "HYPER", "const", "PARAMETERS")):
            assert not any(name in code for name in ("größe", "vélo", "eval(", " b ="))


def test_a_page_is_exported_as_html(tmp_path):
    (file,) = symgd.export("x**2 + y**2", tmp_path / "p.html", method="adam")
    assert file.read_text("utf-8").startswith("<!doctype html>")
    with pytest.raises(InputError, match="is about C only"):
        symgd.export("x**2", tmp_path / "p.py", math="libm")
