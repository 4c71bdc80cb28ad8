"""The same bits on every processor: what native loops compute, others' code apart."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest

from symgd import Objective, Rule, fit, minimize, minimize_many
from symgd.fitting.rows import Rows
from symgd.language import formula
from tests.problems import ROSENBROCK

ROOT = Path(__file__).parents[2]
OWN = llvm.get_host_cpu_features() if llvm.get_process_triple()[:6] == "x86_64" else {}
NEHALEM = "+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt"
HASWELL = f"{NEHALEM},+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+lzcnt,+movbe"
PROCESSORS = {  # names, and what code for them may use
    "generic": "",
    "haswell": HASWELL,
}
FUNCTIONS = (
    *("exp", "log", "log1p", "expm1", "sqrt", "cbrt", "sin", "cos", "tan", "asin"),
    *("acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "abs", "erf"),
    *("erfc", "gamma", "loggamma", "digamma", "sigmoid", "softplus"),
)
WAVES = "exp(sin(x*y))/(2 + cos(x)**2) + log(1 + x**2*y**2) + atan2(x, 2 + y) + x**2"
CHAIN = "sum(100*(x[i+1] - x[i]**2)**2 + (1 - x[i])**2 for i in range(n - 1))"
ROWS = "sum(log(1 + exp(-y[i]*sum(A[i, j]*w[j] for j in range(3)))) for i in range(n))"


def numbers() -> Iterator[tuple[str, object]]:
    """Yield values, gradients, Hessians, runs alone and many, sums and fits."""
    rng = np.random.default_rng(0)
    points = np.r_[rng.normal(0, 1, 400), rng.normal(0, 40, 99), 0.0, 1e10, -1e300]
    functions = [formula.read(f"{name}(x)") for name in FUNCTIONS]
    values = Rows(functions, [], {formula.symbol("x"): points}).each([])
    yield from zip(FUNCTIONS, values.T, strict=True)
    waves = Objective(WAVES)
    for place in rng.normal(0, 2, (20, 2)):
        yield "waves", [*waves.value_and_grad(place)[1], *waves.hess(place).flat]
    yield from runs()
    yield from sums()
    yield from fits()


def runs() -> Iterator[tuple[str, object]]:
    own = Rule("own", "m = 0.9*m + g\nx = x - 1e-3*m/norm(m)*min(1, norm(g))")
    for method in ("amsgrad", own):
        run = {"method": method, "maxiter": 300, "gtol": 0.0}
        yield "rule", minimize(ROSENBROCK, [-1.2, 1.0], **run, trace=True).trace.x
        starts = rng_starts(21)
        yield "lanes", minimize_many(ROSENBROCK, starts, **run).x
    for options in ({}, {"method": "gd", "step_size": "auto"}):
        for bounds in (None, [(-2.0, 0.5), (0.0, 1.0)]):
            result = minimize(ROSENBROCK, [-1.2, 1.0], bounds=bounds, **options)
            yield "search", [*result.x, result.fun, *result.jac, result.nfev]
    yield "many searches", minimize_many(ROSENBROCK, rng_starts(30)).x


def rng_starts(count: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-2, 2, (count, 2))


def sums() -> Iterator[tuple[str, object]]:
    rng = np.random.default_rng(2)
    chain = Objective(CHAIN, sizes={"n": 3001})
    start = rng.normal(1, 0.1, 3001)
    yield "chain", [chain.value(start), *chain.grad(start)]
    yield "chain by adam", minimize(chain, start, method="adam", maxiter=50).x
    yield "chain by itself", minimize(chain, start, maxiter=50).x
    data = {"A": rng.normal(0, 1, (9001, 3)), "y": np.sign(rng.normal(0, 1, 9001))}
    rows = Objective(ROWS, data=data)
    yield "rows", [rows.value(np.ones(3)), *rows.grad(np.ones(3))]
    yield "rows by itself", minimize(rows).x
    batch = {"method": "adam", "batch_size": 64, "rng": 0, "maxiter": 300}
    yield "batches", minimize(rows, **batch).x


def fits() -> Iterator[tuple[str, object]]:
    t = np.arange(40.0) / 8
    data = {"t": t, "y": 2.5 * t / (1 + t) + 0.5 + t % 0.3}
    for loss in ("squared", "huber"):
        options = {"loss": loss, "sigma": 0.1}
        yield loss, fit("a*t/(b + t) + c", data, "y", [1.0, 2.0, 1.0], **options).x


def bits() -> list[tuple[str, str]]:
    """Return all numbers as they are in memory; NaN is NaN, of any sign."""
    known = ((name, np.asarray(each, dtype=np.float64)) for name, each in numbers())
    plain = ((name, np.where(each != each, np.nan, each)) for name, each in known)
    return [(name, each.tobytes().hex()) for name, each in plain]


@pytest.fixture(scope="module")
def here():
    return bits()


def test_code_for_a_processor_is_for_no_other():
    command = [sys.executable, "-c", "from symgd.native import machine as m\n"]
    command[-1] += "print(m.register_width())"
    widths = [_run(command, name).strip() for name in PROCESSORS]
    assert widths == ["2", "4"]


@pytest.mark.parametrize("name", PROCESSORS)
def test_a_processor_of_another_kind_gives_the_same_bits(name, here):
    if not all(
        OWN.get(each[1:], False) for each in PROCESSORS[name].split(",") if each
    ):
        pytest.skip("this processor can't run code for that one")
    code = f"import json; from {__name__} import bits; print(json.dumps(bits()))"
    there = json.loads(_run([sys.executable, "-c", code], name))
    other = [a for (a, one), (b, two) in zip(here, there, strict=True) if one != two]
    assert not other


def _run(command: list[str], processor: str) -> str:
    named = {"NUMBA_CPU_NAME": processor}
    named["NUMBA_CPU_FEATURES"] = PROCESSORS[processor]
    done = subprocess.run(
        command, env=os.environ | named, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
