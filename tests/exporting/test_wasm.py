"""WebAssembly has symgd's bits: what it lacks, a fused multiply-add, is computed."""

import math
import random

import numpy as np
import pytest

import symgd
from symgd.arithmetic import primitives
from symgd.errors import InputError
from symgd.lowering.wasm_templates import FMA
from tests.exporting.compiled import native, same_bits
from tests.exporting.node import in_node, needs_node, of_wasm
from tests.exporting.table import COMPILED, TRIG, every_function, points

VALLEY = "(1 - x)**2 + 100*(y - x**2)**2"
OF_C = ("gamma", "factorial", "loggamma")


def number(rng):
    """Return a number, often one with which something is nearly lost."""
    kind = rng.random()
    if kind < 0.5:
        return math.ldexp(rng.uniform(-2, 2), rng.randint(-60, 60))
    if kind < 0.75:
        return math.ldexp(rng.uniform(-2, 2), rng.randint(-1074, 1022))
    tiny, large = 5e-324, 1.7976931348623157e308
    return rng.choice([0.0, -0.0, 1.0, tiny, -tiny, 2.0**-1022, large, 3.0, math.inf])


@needs_node
def test_a_fused_multiply_add_is_rounded_once():
    rng = random.Random(2)
    cases = []
    for _ in range(3000):
        a, b, c = number(rng), number(rng), number(rng)
        if rng.random() < 0.4:  # nearly all of the product is taken away
            c = -a * b * rng.choice([1.0, 1.0 + 2.0**-52, math.ldexp(1.0, -53)])
        cases.append((a, b, c))
    texts = (f"[{', '.join(map(repr, case))}]" for case in cases)
    listed = ", ".join(texts).replace("inf", "Infinity").replace("nan", "NaN")
    got = in_node(FMA, f"[{listed}].map(([a, b, c]) => fma(a, b, c))")
    told = [primitives.fma(*case) for case in cases]
    assert same_bits([float(each) for each in got], told).all()


@needs_node
def test_every_function_has_symgds_bits(tmp_path):
    f = every_function(OF_C)
    file, _ = symgd.export(f, tmp_path / "table.wasm")
    x = np.nan_to_num(points(f, 12), posinf=1e6, neginf=-1e6)
    x[np.abs(x) > 9e5] = 2.0  # beyond 3e6 sine is the library's
    given = f"{x.tolist()}.map(x => [f.value(x), ...f.gradient(x), ...f.hessian(x)])"
    for got, point in zip(in_node(of_wasm(file), given), x, strict=True):
        told = native(f, point)[1:]
        assert same_bits([float(v) for v in got], told).all()


@needs_node
@pytest.mark.parametrize("name", COMPILED)
def test_a_rule_has_symgds_bits(tmp_path, name):
    f = symgd.Objective(TRIG, parameters={"a": 0.1})
    file, _ = symgd.export(f, tmp_path / "f.wasm", method=COMPILED[name])
    given = "{maxiter: 200, gtol: 1e-3, parameters: {a: 0.2}}"
    run = in_node(of_wasm(file), f"f.minimize([2.5, -3], {given})")
    told = symgd.minimize(
        f.with_parameters(a=0.2),
        [2.5, -3.0],
        method=COMPILED[name],
        maxiter=200,
        gtol=1e-3,
    )
    assert (run["x"], run["f"], run["t"]) == (told.x.tolist(), told.fun, told.nit)
    assert run["status"] == told.status.name


@needs_node
def test_what_diverges_ends_at_its_last_finite_iterate(tmp_path):
    f = symgd.Objective("x**4 + 1/y")
    file, _ = symgd.export(f, tmp_path / "f.wasm", method="momentum")
    code = of_wasm(file)
    run = in_node(code, "f.minimize([2, 1], {hyperparameters: {step_size: 0.9}})")
    told = symgd.minimize(f, [2.0, 1.0], method="momentum", step_size=0.9)
    assert (run["status"], run["t"]) == ("DIVERGED", told.nit)
    assert (run["x"], run["f"]) == (told.x.tolist(), told.fun)
    assert in_node(code, "f.minimize([2, 0]).status") == "DIVERGED"


@needs_node
def test_the_default_method_has_symgds_bits(tmp_path):
    file, _ = symgd.export(VALLEY, tmp_path / "valley.wasm", method="auto")
    both = "[f.minimize([-1.2, 1]), f.minimize([-1.2, 1], {bounds: [[-2, 0.5]]})]"
    for run, bounds in zip(
        in_node(of_wasm(file), both), (None, {"x": (-2, 0.5)}), strict=True
    ):
        told = symgd.minimize(VALLEY, [-1.2, 1.0], bounds=bounds)
        assert (run["x"], run["f"], run["t"]) == (told.x.tolist(), told.fun, told.nit)
        assert run["status"] == told.status.name == "CONVERGED"


def test_the_machine_is_known(tmp_path):
    with pytest.raises(InputError, match="leave target out"):
        symgd.export(VALLEY, tmp_path / "f.wasm", target="wasm64-unknown-unknown")
