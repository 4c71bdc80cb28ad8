"""The bits of results: recorded before a change that must not alter any, and compared.

``python -m benchmarks.bits record FILE`` writes values, gradients, Hessians, 200
iterates of every rule on five objectives, the default method, automatic steps, fits,
sweeps and many starts; ``python -m benchmarks.bits compare FILE`` computes them again
and names what differs. Only public names are used, so that any two versions can be
compared. Bits are those of one kind of processor: record and compare on the same.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import symgd

ROSENBROCK = "(1 - x)**2 + 100*(y - x**2)**2"
OBJECTIVES = {
    "rosenbrock": (ROSENBROCK, [-1.2, 1.0]),
    "beale": (
        "(1.5 - x*(1 - y))**2 + (2.25 - x*(1 - y**2))**2 + (2.625 - x*(1 - y**3))**2",
        [1.0, 0.5],
    ),
    "ackley": (
        "-20*exp(-0.2*sqrt((x**2 + y**2)/2)) - exp((cos(2*pi*x) + cos(2*pi*y))/2) + 20",
        [0.7, -0.4],
    ),
    "kinks": ("max(x**2 + y**4, (2 - x)**2 + abs(y - 1), 2*exp(y - x))", [1.0, -0.1]),
    "chain": (
        "sum(100*(x[i+1] - x[i]**2)**2 + (1 - x[i])**2 for i in range(n - 1))",
        [-1.2, 1.0] * 10,
    ),
}
LARGE = ("sum(log(1 + exp(x[i] - c[i])) + (x[i] - c[i])**2/7 for i in range(n))", 5000)
STEP_SIZES = {"gd": 1e-4, "momentum": 1e-4, "nesterov": 1e-4, "bb": 1e-4}
TIME = np.arange(40.0) / 8
TABLE = {
    "t": TIME,
    "s": np.cos(3.0 * TIME),
    "decay": 2.5 * np.exp(-1.3 * TIME) + 0.5 + 0.01 * np.cos(40.0 * TIME),
    "peak": 3.0 / (1.0 + (TIME - 2.5) ** 2) + 0.02 * np.sin(17.0 * TIME),
    "line": 1.5 * TIME - 0.25 + 0.1 * np.cos(9.0 * TIME),
}
FITS = {
    "decay": ("a*exp(-b*t) + c", "decay", {}),
    "decay, huber": ("a*exp(-b*t) + c", "decay", {"loss": "huber", "x0": {"b": 1.0}}),
    "peak": ("h/(1 + ((t - m)/w)**2)", "peak", {"x0": {"m": 2.0, "w": 2.0}}),
    "line, absolute": ("a*t + b", "line", {"loss": "absolute"}),
    "two columns": ("a*t + b*s + c", "line", {}),
}


def bits(numbers: Any) -> str:
    """Return float64 numbers as their bytes, so that NaN and -0.0 count."""
    return np.ascontiguousarray(np.asarray(numbers, dtype=np.float64)).tobytes().hex()


def results() -> Iterator[tuple[str, Any]]:
    """Yield what is recorded, a name and numbers each."""
    yield from _values()
    yield from _rules()
    yield from _searches()
    yield from _fits()
    yield from _many()


def _values() -> Iterator[tuple[str, Any]]:
    for name, (formula, start) in OBJECTIVES.items():
        objective = symgd.Objective(formula, sizes=_sizes(formula, start))
        for step in range(20):
            point = np.array(start) * (1.0 + 0.37 * step) + 0.013 * step
            value, gradient = objective.value_and_grad(point)
            yield f"value of {name}, {step}", value
            yield f"gradient of {name}, {step}", gradient
            yield f"Hessian of {name}, {step}", objective.hess(point)


def _sizes(formula: str, start: list[float]) -> dict[str, int] | None:
    return {"n": len(start)} if "range(n" in formula else None


def _rules() -> Iterator[tuple[str, Any]]:
    options: dict[str, Any] = {"maxiter": 200, "gtol": 0.0, "trace": True}
    for rule in _built_in():
        steps = {"step_size": STEP_SIZES[rule]} if rule in STEP_SIZES else {}
        for name, (formula, start) in OBJECTIVES.items():
            result = symgd.minimize(formula, start, method=rule, **options, **steps)
            for column in sorted(result.trace.names):
                yield f"{rule} on {name}, {column}", result.trace[column]


def _built_in() -> list[str]:
    return [
        *("gd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam"),
        *("amsgrad", "amsgrad_torch", "adamax", "nadam", "adamw", "lion", "bb"),
    ]


def _end(result: Any) -> list[float]:
    counts = [result.nit, result.nfev, int(result.status)]
    return [*result.x, result.fun, *result.jac, *counts]


def _searches() -> Iterator[tuple[str, Any]]:
    searches = {"auto": {}, "automatic steps": {"method": "gd", "step_size": "auto"}}
    for how, options in searches.items():
        for name, (formula, start) in OBJECTIVES.items():
            yield f"{how}, {name}", _end(symgd.minimize(formula, start, **options))
            bounds = [(-2.0, 1.0)] * len(start)
            bounded = symgd.minimize(formula, start, bounds=bounds, **options)
            yield f"{how}, {name} in bounds", _end(bounded)
        formula, size = LARGE
        large = symgd.Objective(formula, data={"c": np.linspace(-3.0, 3.0, size)})
        yield f"{how}, large", _end(symgd.minimize(large, **options))


def _fits() -> Iterator[tuple[str, Any]]:
    for name, (model, target, options) in FITS.items():
        columns = {k: v for k, v in TABLE.items() if k in ("t", "s", target)}
        fit = symgd.fit(model, columns, target, **options)
        yield f"parameters of {name}", list(fit.parameters.values())
        yield f"standard errors of {name}", list(fit.standard_errors.values())
        yield f"band of {name}", fit.predict(columns)


def _many() -> Iterator[tuple[str, Any]]:
    bounds, steps = [(-5.0, 5.0)] * 2, [1e-4, 1e-3, 3e-3]
    for method in ("auto", "gd", "amsgrad"):
        extra = {} if method == "auto" else {"step_size": 1e-3, "maxiter": 500}
        many = symgd.minimize_many(
            ROSENBROCK, 100, bounds=bounds, method=method, rng=1, **extra
        )
        yield f"many by {method}, x", many.x
        yield f"many by {method}, fun", many.fun
        yield f"many by {method}, status", many.status
    grid = symgd.sweep(
        *(ROSENBROCK, [-1.2, 1.0]),
        method="momentum",
        step_size=steps,
        momentum=[0.0, 0.5, 0.9],
        maxiter=300,
    )
    yield "sweep, fun", grid.fun
    yield "sweep, x", grid.x


def main() -> int:
    """Record or compare."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bits")
    parser.add_argument("what", choices=("record", "compare"))
    parser.add_argument("file", type=Path)
    given = parser.parse_args()
    computed = {name: bits(numbers) for name, numbers in results()}
    if given.what == "record":
        about = {"version": symgd.__version__, "machine": platform.processor()}
        given.file.write_text(json.dumps({"about": about, "results": computed}))
        print(f"{len(computed)} results in {given.file}")
        return 0
    recorded = json.loads(given.file.read_text())["results"]
    names = [*recorded, *(name for name in computed if name not in recorded)]
    other = [name for name in names if recorded.get(name) != computed.get(name)]
    for name in other:
        print(f"{name}: other bits")
    print(f"{len(names) - len(other)} of {len(names)} results have the same bits")
    return 1 if other else 0


if __name__ == "__main__":
    sys.exit(main())
